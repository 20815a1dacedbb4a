/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <bulkhead/arch_x86_64.h>

#include "devices/nvme/backing.h"
#include "devices/nvme/serve.h"
#include "devices/vfio_user/server.h"

#define PCI_VENDOR      0x1b36u /* Red Hat: QEMU's own NVMe device has the same identity */
#define PCI_DEVICE      0x0010u
#define PCI_CLASS       0x010802u
#define MSIX_BAR        4u
#define MSIX_BAR_BYTES  0x10000u
#define MSIX_PENDING    0x8000u
#define STEPS_MAX       64u    /* messages served before doorbells and signals are looked at again */
#define SOCKET_TSC      80000u /* cycles between two looks at the socket while doorbells are polled: 20 to 40 us */
#define POLLS_PER_CLOCK 128u
#define SLEEP_MS_MAX    100

struct nvme_serve {
	struct nvme_model *model;
	struct vfu_server *server;
	struct nvme_backing backing;
	bool yield, connected_fd;
	uint8_t msix[MSIX_BAR_BYTES]; /* table and pending bits: plain memory, the server delivers by eventfd */
};

static uint64_t
now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int
region_read(void *context, uint32_t region, uint64_t offset, uint32_t width_bytes, void *out_data)
{
	struct nvme_serve *serve = context;
	uint64_t value;

	if (region == MSIX_BAR) {
		memcpy(out_data, serve->msix + offset, width_bytes);
		return 0;
	}
	value = nvme_model_reg_read(serve->model, offset, width_bytes, now_ns());
	memcpy(out_data, &value, width_bytes);
	return 0;
}

static int
region_write(void *context, uint32_t region, uint64_t offset, uint32_t width_bytes, const void *data)
{
	struct nvme_serve *serve = context;
	uint64_t value = 0;

	if (region == MSIX_BAR) {
		if (offset < MSIX_PENDING)
			memcpy(serve->msix + offset, data, width_bytes);
		return 0;
	}
	memcpy(&value, data, width_bytes);
	nvme_model_reg_write(serve->model, offset, width_bytes, value, now_ns());
	return 0;
}

static int
reset(void *context, enum vfu_reset_reason reason)
{
	struct nvme_serve *serve = context;
	memset(serve->msix, 0, sizeof(serve->msix));
	nvme_model_reset(serve->model, now_ns());
	return 0;
}

static void
dma_unmapping(void *context, uint64_t iova, uint64_t size_bytes)
{
	struct nvme_serve *serve = context;
	nvme_model_dma_unmap(serve->model, iova, size_bytes);
}

_Static_assert((int)VFU_DMA_READ == (int)NVME_MODEL_DMA_READ && (int)VFU_DMA_WRITE == (int)NVME_MODEL_DMA_WRITE,
               "permissions are passed on as they are");

static bool
dma_window(void *context, uint64_t iova, uint64_t size_bytes, uint32_t prot, struct nvme_model_window *out)
{
	struct nvme_serve *serve = context;

	if (!vfu_server_dma_translate(serve->server, iova, size_bytes, prot))
		return false;
	const struct vfu_dma_map *map = &((const struct vfu_server_hot *)(const void *)serve->server)->last;
	*out = (struct nvme_model_window){map->iova, map->size_bytes, map->addr, map->prot};
	return true;
}

static void
irq(void *context, uint32_t vector)
{
	struct nvme_serve *serve = context;
	(void)vfu_server_irq(serve->server, vector); /* a vector without an eventfd is nobody's: nothing to be done */
}

static uint64_t
power_of_two_above(uint64_t bytes)
{
	uint64_t size = 4096;
	while (size < bytes)
		size *= 2;
	return size;
}

static int
device_describe(struct nvme_serve *serve, const struct nvme_model_config *config, struct vfu_device *device)
{
	static const struct vfu_device_ops ops = {.region_read = region_read,
	                                          .region_write = region_write,
	                                          .reset = reset,
	                                          .dma_unmapping = dma_unmapping};
	uint64_t doorbell_bytes = nvme_model_doorbell_bytes(config);
	uint64_t bar_bytes = power_of_two_above(NVME_REG_DOORBELLS + doorbell_bytes);

	device->ops = &ops;
	device->context = serve;
	device->msix_cnt = config->vector_cnt;
	vfu_config_type0(&device->config, PCI_VENDOR, PCI_DEVICE, PCI_CLASS, 1);
	vfu_config_bar_mem64(&device->config, 0, bar_bytes);
	vfu_config_bar_mem64(&device->config, MSIX_BAR, MSIX_BAR_BYTES);
	device->region[0] = (struct vfu_region){.size_bytes = bar_bytes,
	                                        .flags = VFU_REGION_RW,
	                                        .area_cnt = 1,
	                                        .area = {{NVME_REG_DOORBELLS, doorbell_bytes}}};
	device->region[MSIX_BAR] = (struct vfu_region){.size_bytes = MSIX_BAR_BYTES, .flags = VFU_REGION_RW};
	int err = vfu_config_msix(&device->config, config->vector_cnt, MSIX_BAR, 0, MSIX_PENDING);
	return err < 0 ? err : 0;
}

static void
socket_error(const struct nvme_serve_options *options, int err, char *out_error, size_t error_bytes)
{
	const char *where = options->socket ? options->socket : "the inherited descriptor";

	struct stat status;
	bool foreign = options->socket && lstat(options->socket, &status) == 0 && !S_ISSOCK(status.st_mode);

	if (foreign)
		snprintf(out_error, error_bytes,
		         "%s exists and is not a socket; it is left alone, choose another --socket", where);
	else if (err == -EADDRINUSE)
		snprintf(out_error, error_bytes, "somebody listens on %s already; choose another --socket", where);
	else
		snprintf(out_error, error_bytes, "cannot serve on %s: %s", where, strerror(-err));
}

static int
server_open(struct nvme_serve *serve, const struct nvme_serve_options *options, char *out_error, size_t error_bytes)
{
	struct vfu_device *device = calloc(1, sizeof(*device));
	int err = device ? device_describe(serve, &options->config, device) : -ENOMEM;

	if (!err)
		err = vfu_server_create(device, options->socket, options->socket ? -1 : options->conn_fd,
		                        &serve->server);
	if (err)
		socket_error(options, err, out_error, error_bytes);
	free(device);
	return err;
}

int
nvme_serve_open(const struct nvme_serve_options *options, struct nvme_serve **out, char *out_error, size_t error_bytes)
{
	const char *wrong = nvme_model_config_error(&options->config);
	struct nvme_serve *serve;
	int err;

	if (wrong) {
		snprintf(out_error, error_bytes, "%s", wrong);
		return -EINVAL;
	}
	serve = calloc(1, sizeof(*serve));
	if (!serve)
		return -ENOMEM;
	serve->backing.fd = -1;
	serve->yield = options->yield;
	serve->connected_fd = !options->socket;
	err = nvme_backing_open(options->backing, options->config.size_bytes * options->config.namespace_cnt,
	                        &serve->backing, out_error, error_bytes);
	if (!err)
		err = server_open(serve, options, out_error, error_bytes);
	if (!err) {
		struct nvme_model_host host = {.context = serve, .dma_window = dma_window, .irq = irq};
		host.doorbells = vfu_server_region_memory(serve->server, 0, NVME_REG_DOORBELLS,
		                                          nvme_model_doorbell_bytes(&options->config));
		err = nvme_model_create(&options->config, &host, &serve->backing.model, &serve->model);
		if (err)
			snprintf(out_error, error_bytes, "cannot create the controller: %s", strerror(-err));
	}
	if (err) {
		nvme_serve_close(serve);
		return err;
	}
	*out = serve;
	return 0;
}

/* What the socket has, in bounds: a client that never stops asking stops neither the doorbells nor us. Return: false when
 * there will never be a client again. */
static bool
socket_serve(struct nvme_serve *serve)
{
	int did = 1;

	for (uint32_t i = 0; i < STEPS_MAX && did == 1; i++)
		did = vfu_server_step(serve->server);
	return did != -ENOTCONN || !serve->connected_fd;
}

/* No controller is enabled: sleep until the socket has something, or a state changes. */
static void
sleep_until_event(struct nvme_serve *serve)
{
	struct pollfd wait = {.fd = vfu_server_fd(serve->server), .events = POLLIN};
	uint64_t next_ns = nvme_model_next_event_ns(serve->model), from_ns = now_ns();
	int wait_ms = SLEEP_MS_MAX;

	if (next_ns != UINT64_MAX) {
		uint64_t left_ms = next_ns > from_ns ? (next_ns - from_ns) / 1000000 : 0;
		wait_ms = left_ms < SLEEP_MS_MAX ? (int)left_ms : SLEEP_MS_MAX;
	}
	(void)poll(&wait, 1, wait_ms); /* interrupted by a signal: the caller looks at *stop */
}

/*
 * Doorbells, hot, until it is time for the socket again. The cycle counter need not be exact for that; the time of day is read
 * only while the model waits for a moment. The pause is not politeness: a line that is asked for again while the driver fills
 * it is taken away from it half written, which costs a tenth of the latency at depth 1.
 */
static void
poll_doorbells(struct nvme_serve *serve)
{
	uint64_t from_tsc = bh_clock_now_tsc(), at_ns = now_ns();

	while (bh_clock_now_tsc() - from_tsc < SOCKET_TSC) {
		uint32_t done_cnt = 0;
		for (uint32_t i = 0; i < POLLS_PER_CLOCK && done_cnt < POLLS_PER_CLOCK; i++) {
			uint32_t did_cnt = nvme_model_poll(serve->model, at_ns);
			done_cnt += did_cnt;
			if (did_cnt == 0)
				bh_cpu_pause();
			if (nvme_model_timed(serve->model))
				at_ns = now_ns();
		}
		if (done_cnt == 0 && serve->yield) {
			sched_yield();
			return;
		}
	}
}

void
nvme_serve_run(struct nvme_serve *serve, const volatile sig_atomic_t *stop)
{
	while (!*stop) {
		if (nvme_model_enabled(serve->model)) {
			poll_doorbells(serve);
		} else {
			sleep_until_event(serve);
			(void)nvme_model_poll(serve->model, now_ns());
		}
		if (!socket_serve(serve))
			return;
	}
}

bool
nvme_serve_bus_error(struct nvme_serve *serve, const void *addr)
{
	return vfu_server_dma_patch(serve->server, addr);
}

void
nvme_serve_stats(const struct nvme_serve *serve, struct nvme_model_stats *out)
{
	nvme_model_stats_get(serve->model, out);
}

void
nvme_serve_close(struct nvme_serve *serve)
{
	if (!serve)
		return;
	vfu_server_destroy(serve->server); /* resets the model if a client is connected */
	nvme_model_destroy(serve->model);
	nvme_backing_close(&serve->backing);
	free(serve);
}
