/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* memfd_create */
#include <errno.h>
#include <pcap/pcap.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <bulkhead/abi/pcap.h>

#include "host/device/pcap_file.h"
#include "host/errors/errors.h"

#define CAPTURE_BYTES_MAX (UINT64_C(4) << 30)
#define RING_BYTES        (UINT64_C(16) << 20)
#define GROW_BYTES        (UINT64_C(16) << 20)
#define DRAIN_PAUSE_NS    200000
#define NS_PER_S          UINT64_C(1000000000)

struct pcap_backend {
	struct bh_backend backend;
	int in_fd, out_fd;
	struct bh_pcap_ring *ring;
	uint8_t *ring_bytes;
	uint64_t tail; /* ours: what the ring says is the cell's to read only */
	pcap_t *dead;
	pcap_dumper_t *dumper;
	char out_path[256];
	pthread_t thread;
	bool thread_runs, stop;
	bool damaged;     /* the cell wrote nonsense into the ring, or the file cannot be written */
	uint64_t open_ns; /* time of day */
};

static struct pcap_backend *
pcap_of(struct bh_backend *backend)
{
	return (struct pcap_backend *)(void *)backend;
}

static void
ring_read(const struct pcap_backend *pcap, uint64_t at, void *out, uint32_t cnt_bytes)
{
	uint64_t place = at & (RING_BYTES - 1);
	uint32_t part = (uint32_t)BH_MIN((uint64_t)cnt_bytes, RING_BYTES - place);
	memcpy(out, pcap->ring_bytes + place, part);
	memcpy((uint8_t *)out + part, pcap->ring_bytes, cnt_bytes - part);
}

/* One frame to the file. Return: false: what stands there cannot be a record. */
static bool
write_one(struct pcap_backend *pcap, uint64_t head)
{
	uint8_t frame[BH_PCAP_FRAME_MAX];
	struct bh_pcap_record record;
	ring_read(pcap, pcap->tail, &record, sizeof(record));
	uint64_t bytes = bh_pcap_record_bytes(record.len_bytes);
	if (record.len_bytes > sizeof(frame) || bytes > head - pcap->tail)
		return false;
	ring_read(pcap, pcap->tail + sizeof(record), frame, record.len_bytes);
	uint64_t at_ns = pcap->open_ns + record.at_ns;
	/* Opened with nanosecond precision: tv_usec holds nanoseconds. */
	struct pcap_pkthdr header = {
	        .ts = {.tv_sec = (time_t)(at_ns / NS_PER_S), .tv_usec = (suseconds_t)(at_ns % NS_PER_S)},
	        .caplen = record.len_bytes,
	        .len = record.len_bytes,
	};
	pcap_dump((u_char *)pcap->dumper, &header, frame);
	pcap->tail += bytes;
	return true;
}

/* All that is there. The ring is the cell's to write: head and every record are checked. */
static void
drain(struct pcap_backend *pcap)
{
	uint64_t head = __atomic_load_n(&pcap->ring->head, __ATOMIC_ACQUIRE);
	if (pcap->damaged || head - pcap->tail > RING_BYTES) {
		pcap->damaged |= head != pcap->tail;
		return;
	}
	while (head - pcap->tail >= sizeof(struct bh_pcap_record)) {
		if (!write_one(pcap, head)) {
			pcap->damaged = true;
			return;
		}
	}
	__atomic_store_n(&pcap->ring->tail, pcap->tail, __ATOMIC_RELEASE);
}

static void *
drain_main(void *arg)
{
	struct pcap_backend *pcap = arg;
	const struct timespec pause = {.tv_nsec = DRAIN_PAUSE_NS};
	while (!__atomic_load_n(&pcap->stop, __ATOMIC_ACQUIRE)) {
		drain(pcap);
		nanosleep(&pause, NULL);
	}
	return NULL;
}

static int
no_memory(struct bh_backend *backend, uint64_t iova, uint64_t size_bytes, int fd, uint64_t fd_offset,
          struct bh_error *error)
{
	return 0;
}

static int
no_unmap(struct bh_backend *backend, uint64_t iova, uint64_t size_bytes, struct bh_error *error)
{
	return 0;
}

static int
no_read(struct bh_backend *backend, uint32_t bar, uint64_t offset, uint32_t width_bytes, uint64_t *out_value,
        struct bh_error *error)
{
	return -EINVAL;
}

static int
no_write(struct bh_backend *backend, uint32_t bar, uint64_t offset, uint32_t width_bytes, uint64_t value,
         struct bh_error *error)
{
	return -EINVAL;
}

static int
service(struct bh_backend *backend, struct bh_error *error)
{
	struct pcap_backend *pcap = pcap_of(backend);
	if (!__atomic_load_n(&pcap->damaged, __ATOMIC_RELAXED))
		return 0;
	return bh_error_set(error, "E325", -ENODEV, "port %s: what the cell put into the ring for %s is no frame",
	                    backend->name, pcap->out_path);
}

static int
reset(struct bh_backend *backend, struct bh_error *error)
{
	return 0;
}

static void
close_pcap(struct bh_backend *backend)
{
	struct pcap_backend *pcap = pcap_of(backend);
	if (pcap->thread_runs) {
		__atomic_store_n(&pcap->stop, true, __ATOMIC_RELEASE);
		pthread_join(pcap->thread, NULL);
		drain(pcap);
	}
	if (pcap->dumper != NULL) {
		if (pcap_dump_flush(pcap->dumper) != 0)
			fprintf(stderr, "bulkhead: port %s: %s could not be written wholly: %s\n", backend->name,
			        pcap->out_path, strerror(errno));
		pcap_dump_close(pcap->dumper);
	}
	if (pcap->dead != NULL)
		pcap_close(pcap->dead);
	if (pcap->ring != NULL)
		munmap(pcap->ring, BH_PCAP_HEAD + RING_BYTES);
	if (pcap->in_fd >= 0)
		close(pcap->in_fd);
	if (pcap->out_fd >= 0)
		close(pcap->out_fd);
	free(pcap);
}

static const struct bh_backend_ops pcap_ops = {
        .name = "pcap",
        .dma_map = no_memory,
        .dma_unmap = no_unmap,
        .reg_read = no_read,
        .reg_write = no_write,
        .service = service,
        .reset = reset,
        .close = close_pcap,
};

static void
window_set(struct bh_backend_bar *bar, uint64_t size_bytes, int fd, bool read_only)
{
	bar->size_bytes = size_bytes;
	bar->window_cnt = 1;
	bar->window[0] = (struct bh_backend_window){.size_bytes = size_bytes, .fd = fd, .read_only = read_only};
}

/* The frames of a capture one after the other, into a memfd that grows. */
struct reader {
	int fd;
	uint64_t used, size;
	uint8_t *map;
	struct bh_pcap_capture capture;
	uint64_t first_ns;
};

static int
reader_grow(struct reader *reader, uint64_t wanted)
{
	uint64_t size = BH_ALIGN_UP(wanted, GROW_BYTES);
	if (size > CAPTURE_BYTES_MAX)
		return -EFBIG;
	if (ftruncate(reader->fd, (off_t)size) != 0)
		return -errno;
	void *map = reader->map == NULL ? mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, reader->fd, 0)
	                                : mremap(reader->map, reader->size, size, MREMAP_MAYMOVE);
	if (map == MAP_FAILED)
		return -errno;
	reader->map = map;
	reader->size = size;
	return 0;
}

static int
reader_add(struct reader *reader, const struct pcap_pkthdr *header, const uint8_t *bytes)
{
	uint64_t at_ns = (uint64_t)header->ts.tv_sec * NS_PER_S + (uint64_t)header->ts.tv_usec;
	uint64_t wanted = bh_pcap_record_bytes(header->caplen);
	int err = 0;
	if (reader->used + wanted > reader->size)
		err = reader_grow(reader, reader->used + wanted);
	if (err != 0)
		return err;
	if (reader->capture.record_cnt++ == 0)
		reader->first_ns = at_ns;
	/* Captures are not always in order: what goes back in time comes at once. */
	at_ns = at_ns > reader->first_ns ? at_ns - reader->first_ns : 0;
	reader->capture.span_ns = BH_MAX(reader->capture.span_ns, at_ns);
	const struct bh_pcap_record record = {.at_ns = reader->capture.span_ns, .len_bytes = header->caplen};
	memcpy(reader->map + reader->used, &record, sizeof(record));
	memcpy(reader->map + reader->used + sizeof(record), bytes, header->caplen);
	reader->used += wanted;
	return 0;
}

static int
read_all(struct reader *reader, pcap_t *file, char *why, size_t why_bytes)
{
	struct pcap_pkthdr *header;
	const uint8_t *bytes;
	int got, err = reader_grow(reader, BH_PCAP_HEAD);
	reader->used = BH_PCAP_HEAD;
	while (err == 0 && (got = pcap_next_ex(file, &header, &bytes)) == 1) {
		if (header->caplen > BH_PCAP_FRAME_MAX) {
			snprintf(why, why_bytes, "a frame of %u bytes; at most %u", header->caplen, BH_PCAP_FRAME_MAX);
			return -EINVAL;
		}
		err = reader_add(reader, header, bytes);
	}
	if (err == 0 && got == PCAP_ERROR) {
		snprintf(why, why_bytes, "%s", pcap_geterr(file));
		return -EINVAL;
	}
	if (err != 0)
		snprintf(why, why_bytes, "%s", strerror(-err));
	return err;
}

static int
input_open(struct pcap_backend *pcap, const struct bh_pcap_options *options, struct bh_error *error)
{
	char why[PCAP_ERRBUF_SIZE] = "";
	struct reader reader = {
	        .capture = {.magic = BH_PCAP_MAGIC, .paced = options->paced, .loop_cnt = options->loop_cnt}};
	pcap_t *file = pcap_open_offline_with_tstamp_precision(options->in, PCAP_TSTAMP_PRECISION_NANO, why);
	int err = file == NULL ? -EINVAL : 0;
	if (err == 0 && pcap_datalink(file) != DLT_EN10MB) {
		snprintf(why, sizeof(why), "its frames are %s, not Ethernet",
		         pcap_datalink_val_to_name(pcap_datalink(file)));
		err = -EINVAL;
	}
	pcap->in_fd = reader.fd = err == 0 ? memfd_create("bulkhead-pcap", MFD_CLOEXEC) : -1;
	if (err == 0)
		err = read_all(&reader, file, why, sizeof(why));
	if (file != NULL)
		pcap_close(file);
	if (err == 0) {
		reader.capture.record_bytes = reader.used - BH_PCAP_HEAD;
		memcpy(reader.map, &reader.capture, sizeof(reader.capture));
		window_set(&pcap->backend.bar[BH_PCAP_BAR_IN], reader.size, reader.fd, true);
	}
	if (reader.map != NULL)
		munmap(reader.map, reader.size);
	return err == 0 ? 0
	                : bh_error_set(error, "E326", err, "port %s: %s cannot be read as a capture: %s",
	                               pcap->backend.name, options->in, why);
}

static int
output_open(struct pcap_backend *pcap, const struct bh_pcap_options *options, struct bh_error *error)
{
	const uint64_t bytes = BH_PCAP_HEAD + RING_BYTES;
	struct timespec now;
	snprintf(pcap->out_path, sizeof(pcap->out_path), "%s", options->out);
	pcap->dead = pcap_open_dead_with_tstamp_precision(DLT_EN10MB, BH_PCAP_FRAME_MAX, PCAP_TSTAMP_PRECISION_NANO);
	pcap->dumper = pcap->dead != NULL ? pcap_dump_open(pcap->dead, options->out) : NULL;
	if (pcap->dumper == NULL)
		return bh_error_set(error, "E327", -EIO, "port %s: %s cannot be written: %s", pcap->backend.name,
		                    options->out, pcap->dead != NULL ? pcap_geterr(pcap->dead) : "out of memory");
	pcap->out_fd = memfd_create("bulkhead-pcap-out", MFD_CLOEXEC);
	if (pcap->out_fd < 0 || ftruncate(pcap->out_fd, (off_t)bytes) != 0)
		return bh_error_set(error, "E030", -ENOMEM, "port %s: no memory for the ring", pcap->backend.name);
	void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, pcap->out_fd, 0);
	if (map == MAP_FAILED)
		return bh_error_set(error, "E030", -ENOMEM, "port %s: no memory for the ring", pcap->backend.name);
	pcap->ring = map;
	pcap->ring->magic = BH_PCAP_MAGIC;
	pcap->ring->size_bytes = RING_BYTES;
	pcap->ring_bytes = (uint8_t *)map + BH_PCAP_HEAD;
	clock_gettime(CLOCK_REALTIME, &now);
	pcap->open_ns = (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
	window_set(&pcap->backend.bar[BH_PCAP_BAR_OUT], bytes, pcap->out_fd, false);
	int err = -pthread_create(&pcap->thread, NULL, drain_main, pcap);
	pcap->thread_runs = err == 0;
	return err == 0
	               ? 0
	               : bh_error_set(error, "E030", err, "port %s: no thread: %s", pcap->backend.name, strerror(-err));
}

int
bh_pcap_file_open(const char *name, const struct bh_pcap_options *options, struct bh_backend **out,
                  struct bh_error *error)
{
	struct pcap_backend *pcap = calloc(1, sizeof(*pcap));
	if (pcap == NULL)
		return bh_error_set(error, "E030", -ENOMEM, "out of memory");
	pcap->backend.ops = &pcap_ops;
	snprintf(pcap->backend.name, sizeof(pcap->backend.name), "%s", name);
	pcap->in_fd = pcap->out_fd = -1;
	int err = options->in[0] != '\0' ? input_open(pcap, options, error) : 0;
	if (err == 0 && options->out[0] != '\0')
		err = output_open(pcap, options, error);
	if (err != 0) {
		close_pcap(&pcap->backend);
		return err;
	}
	*out = &pcap->backend;
	return 0;
}
