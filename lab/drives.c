/* SPDX-License-Identifier: Apache-2.0 */
/* NVMe drives: sparse files in the temporary folder. */
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lab/internal.h"

/* A container may forbid io_uring, and QEMU does not start then. */
static bool
io_uring_works(void)
{
	struct io_uring_params params = {0};
	long fd = syscall(SYS_io_uring_setup, 1, &params);
	if (fd >= 0)
		close((int)fd);
	return fd >= 0;
}

/* All drives in all, plus room for the machine's other files: sparse files promise more than there is. */
static int
check_room(const struct bh_lab_machine *machine, struct bh_error *error)
{
	struct statvfs facts;
	uint64_t all_bytes = 0;
	for (uint32_t i = 0; i < machine->options.nvme_cnt; i++)
		all_bytes += machine->options.nvme[i].size_bytes * machine->options.nvme[i].ns_cnt;
	if (statvfs(machine->folder.path, &facts) != 0)
		return bh_error_set(error, "E204", -errno, "%s: %s", machine->folder.path, strerror(errno));
	uint64_t free_bytes = (uint64_t)facts.f_bavail * facts.f_frsize;
	if (all_bytes <= free_bytes)
		return 0;
	return bh_error_set(error, "E204", -ENOSPC,
	                    "the drives, %lu MiB in all, do not fit into %.200s: %lu MiB are free; set TMPDIR to a "
	                    "folder on another disk, or make them smaller",
	                    all_bytes >> 20, machine->folder.path, free_bytes >> 20);
}

/* A comma in a value of QEMU's is two. */
static void
escape(const char *text, char *out, size_t out_bytes)
{
	size_t used = 0;
	for (; *text != '\0' && used + 2 < out_bytes; text++) {
		out[used++] = *text;
		if (*text == ',')
			out[used++] = ',';
	}
	out[used] = '\0';
}

/* The drive is then a filter above its image. */
static void
add_limit(struct bh_lab_machine *machine, unsigned nvme_idx, unsigned ns_idx, uint32_t iops)
{
	bh_lab_add(machine, "-object");
	bh_lab_add(machine, "{\"qom-type\":\"throttle-group\",\"id\":\"limit%u.%u\",\"limits\":{\"iops-total\":%u}}",
	           nvme_idx, ns_idx + 1, iops);
	bh_lab_add(machine, "-blockdev");
	bh_lab_add(machine, "driver=throttle,node-name=drive%u.%u,throttle-group=limit%u.%u,file=image%u.%u", nvme_idx,
	           ns_idx + 1, nvme_idx, ns_idx + 1, nvme_idx, ns_idx + 1);
}

static int
make_image(struct bh_lab_machine *machine, unsigned nvme_idx, unsigned ns_idx, const char *aio, struct bh_error *error)
{
	const uint64_t size_bytes = machine->options.nvme[nvme_idx].size_bytes;
	const uint32_t iops = machine->options.nvme[nvme_idx].iops;
	char path[PATH_MAX + 32], escaped[2 * PATH_MAX];
	snprintf(path, sizeof(path), "%s/nvme%u.%u", machine->folder.path, nvme_idx, ns_idx + 1);
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600), err = 0;
	if (fd < 0 || ftruncate(fd, (off_t)size_bytes) != 0)
		err = bh_error_set(error, "E204", -errno, "cannot make the drive %.300s of %lu MiB: %s", path,
		                   size_bytes >> 20, strerror(errno));
	if (fd >= 0)
		close(fd);
	escape(path, escaped, sizeof(escaped));
	/*
	 * Reads from the page cache end where they are submitted: no second thread, which costs more than the read. A node outlives
	 * its device (a drive with if=none does not), so that a pulled drive can come back.
	 */
	bh_lab_add(machine, "-blockdev");
	bh_lab_add(machine,
	           "driver=raw,node-name=%s%u.%u,discard=unmap,cache.direct=off,cache.no-flush=on,file.driver=file,"
	           "file.filename=%s,file.aio=%s,file.discard=unmap,file.cache.direct=off,file.cache.no-flush=on",
	           iops != 0 ? "image" : "drive", nvme_idx, ns_idx + 1, escaped, aio);
	if (iops != 0)
		add_limit(machine, nvme_idx, ns_idx, iops);
	return err;
}

static int
add_nvme(struct bh_lab_machine *machine, unsigned idx, const char *aio, struct bh_error *error)
{
	const struct bh_lab_nvme *nvme = &machine->options.nvme[idx];
	char serial[32], sizes[96];
	int err = 0;
	snprintf(serial, sizeof(serial), "bulkhead%u", idx);
	if (nvme->serial[0] != '\0')
		snprintf(serial, sizeof(serial), "%s", nvme->serial);
	snprintf(sizes, sizeof(sizes), "logical_block_size=%u,physical_block_size=%u%s", nvme->lba_bytes,
	         nvme->lba_bytes, nvme->no_write_cache ? ",write-cache=off" : "");
	for (uint32_t i = 0; i < nvme->ns_cnt && err == 0; i++)
		err = make_image(machine, idx, i, aio, error);
	if (err != 0)
		return err;
	const char *slot = bh_lab_slot(machine, idx);
	bh_lab_add(machine, "-device");
	if (nvme->ns_cnt == 1) {
		bh_lab_add(machine, "nvme,id=nvme%u,%s,serial=%s,mdts=%u,drive=drive%u.1,%s", idx, slot, serial,
		           nvme->mdts, idx, sizes);
		return 0;
	}
	bh_lab_add(machine, "nvme,id=nvme%u,%s,serial=%s,mdts=%u", idx, slot, serial, nvme->mdts);
	for (uint32_t i = 0; i < nvme->ns_cnt; i++) {
		bh_lab_add(machine, "-device");
		bh_lab_add(machine, "nvme-ns,bus=nvme%u,nsid=%u,drive=drive%u.%u,%s", idx, i + 1, idx, i + 1, sizes);
	}
	return 0;
}

int
bh_lab_drives(struct bh_lab_machine *machine, struct bh_error *error)
{
	const char *aio = io_uring_works() ? "io_uring" : "threads";
	int err = check_room(machine, error);
	if (machine->options.nvme_cnt > 0 && strcmp(aio, "threads") == 0)
		fprintf(stderr, "lab: io_uring is not available here: the drives use threads and are slower\n");
	for (uint32_t i = 0; i < machine->options.nvme_cnt && err == 0; i++)
		err = add_nvme(machine, i, aio, error);
	return err;
}
