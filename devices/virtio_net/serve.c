/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/virtio_net/serve.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <bulkhead/arch_x86_64.h>

#include "devices/vfio_user/server.h"
#include "devices/virtio_net/capabilities.h"

#define PCI_CLASS      0x020000u
#define MSIX_BAR       4u
#define MSIX_BAR_BYTES 0x1000u
#define MSIX_PENDING   0x800u
#define MSIX_CNT       (2 * VNET_PAIRS_MAX + 2)
#define STEPS_MAX      64u
#define SOCKET_TSC     80000u /* cycles between two looks at the sockets while rings are polled: 20 to 40 us */
#define SLEEP_MS_MAX   100

struct end {
	struct vnet_model *model;
	struct vfu_server *server;
	bool connected_fd, gone;
	uint8_t msix[MSIX_BAR_BYTES];
};

struct vnet_serve {
	struct end end[VNET_SERVE_ENDS_MAX];
	uint32_t end_cnt;
	struct vnet_wire *wire[VNET_SERVE_ENDS_MAX];
	uint32_t wire_cnt;
	bool yield, timed;
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
	struct end *end = context;
	if (region == MSIX_BAR) {
		memcpy(out_data, end->msix + offset, width_bytes);
		return 0;
	}
	uint64_t value = vnet_model_reg_read(end->model, offset, width_bytes);
	memcpy(out_data, &value, width_bytes);
	return 0;
}

static int
region_write(void *context, uint32_t region, uint64_t offset, uint32_t width_bytes, const void *data)
{
	struct end *end = context;
	uint64_t value = 0;
	if (region == MSIX_BAR) {
		if (offset < MSIX_PENDING)
			memcpy(end->msix + offset, data, width_bytes);
		return 0;
	}
	memcpy(&value, data, width_bytes);
	vnet_model_reg_write(end->model, offset, width_bytes, value);
	return 0;
}

static int
reset(void *context, enum vfu_reset_reason reason)
{
	struct end *end = context;
	memset(end->msix, 0, sizeof(end->msix));
	vnet_model_reset(end->model);
	return 0;
}

static void
dma_unmapping(void *context, uint64_t iova, uint64_t size_bytes)
{
	struct end *end = context;
	vnet_model_dma_unmap(end->model, iova, size_bytes);
}

_Static_assert((int)VFU_DMA_READ == (int)VNET_DMA_READ && (int)VFU_DMA_WRITE == (int)VNET_DMA_WRITE,
               "permissions are passed on as they are");

static bool
dma_window(void *context, uint64_t iova, uint64_t size_bytes, uint32_t prot, struct vnet_window *out)
{
	struct end *end = context;
	if (!vfu_server_dma_translate(end->server, iova, size_bytes, prot))
		return false;
	const struct vfu_dma_map *map = &((const struct vfu_server_hot *)(const void *)end->server)->last;
	*out = (struct vnet_window){map->iova, map->size_bytes, map->addr, map->prot};
	return true;
}

static void
irq(void *context, uint32_t vector)
{
	struct end *end = context;
	(void)vfu_server_irq(end->server, vector); /* a vector without an eventfd is nobody's */
}

static int
describe(struct end *end, struct vfu_device *device)
{
	static const struct vfu_device_ops ops = {.region_read = region_read,
	                                          .region_write = region_write,
	                                          .reset = reset,
	                                          .dma_unmapping = dma_unmapping};
	device->ops = &ops;
	device->context = end;
	device->msix_cnt = MSIX_CNT;
	vfu_config_type0(&device->config, VIRTIO_PCI_VENDOR, VIRTIO_PCI_DEVICE_NET, PCI_CLASS, 1);
	vfu_config_bar_mem64(&device->config, 0, VNET_BAR_BYTES);
	vfu_config_bar_mem64(&device->config, MSIX_BAR, MSIX_BAR_BYTES);
	device->region[0] = (struct vfu_region){.size_bytes = VNET_BAR_BYTES,
	                                        .flags = VFU_REGION_RW,
	                                        .area_cnt = 1,
	                                        .area = {{VNET_BAR_NOTIFY, BH_PAGE_BYTES}}};
	device->region[MSIX_BAR] = (struct vfu_region){.size_bytes = MSIX_BAR_BYTES, .flags = VFU_REGION_RW};
	int err = vfu_config_msix(&device->config, MSIX_CNT, MSIX_BAR, 0, MSIX_PENDING);
	return err < 0 ? err : vnet_config_capabilities(&device->config);
}

static int
end_open(struct vnet_serve *serve, const struct vnet_serve_options *options, uint32_t idx, char *out_error,
         size_t error_bytes)
{
	struct end *end = &serve->end[idx];
	const struct vnet_serve_end *wanted = &options->end[idx];
	struct vnet_model_config config = options->config;
	struct vnet_host host = {.context = end, .dma_window = dma_window, .irq = irq};
	struct vfu_device *device = calloc(1, sizeof(*device));
	config.mac[5] = (uint8_t)(config.mac[5] + idx);
	int err = device == NULL ? -ENOMEM : describe(end, device);
	if (err == 0)
		err = vnet_model_create(&config, &host, &end->model);
	end->connected_fd = wanted->socket == NULL;
	if (err == 0)
		err = vfu_server_create(device, wanted->socket, wanted->socket ? -1 : wanted->conn_fd, &end->server);
	if (err != 0)
		snprintf(out_error, error_bytes, "cannot serve on %s: %s",
		         wanted->socket != NULL ? wanted->socket : "the inherited descriptor", strerror(-err));
	free(device);
	return err;
}

/* The other end of this one's wire; itself if there is none; UINT32_MAX if an earlier end has made the wire. */
static uint32_t
partner_of(const struct vnet_serve_options *options, uint32_t idx)
{
	for (uint32_t i = 0; i < options->end_cnt; i++) {
		if (i != idx && strcmp(options->end[i].wire, options->end[idx].wire) == 0)
			return i < idx ? UINT32_MAX : i;
	}
	return idx;
}

static int
wires_open(struct vnet_serve *serve, const struct vnet_serve_options *options, char *out_error, size_t error_bytes)
{
	int err = 0;
	for (uint32_t i = 0; i < options->end_cnt && err == 0; i++) {
		uint32_t partner = partner_of(options, i);
		struct vnet_wire_config config = options->wire;
		config.seed += i;
		if (partner == UINT32_MAX)
			continue;
		err = vnet_wire_create(&config, serve->end[i].model, serve->end[partner].model,
		                       &serve->wire[serve->wire_cnt]);
		if (err == 0)
			serve->timed |= vnet_wire_timed(serve->wire[serve->wire_cnt++]);
	}
	if (err != 0)
		snprintf(out_error, error_bytes, "cannot make the wire: %s", strerror(-err));
	return err;
}

/* A wire has two ends at most. */
static bool
wires_are_good(const struct vnet_serve_options *options)
{
	for (uint32_t i = 0; i < options->end_cnt; i++) {
		uint32_t cnt = 0;
		for (uint32_t j = 0; j < options->end_cnt; j++)
			cnt += strcmp(options->end[i].wire, options->end[j].wire) == 0;
		if (cnt > 2)
			return false;
	}
	return true;
}

int
vnet_serve_open(const struct vnet_serve_options *options, struct vnet_serve **out, char *out_error, size_t error_bytes)
{
	const char *wrong = vnet_model_config_error(&options->config);
	if (wrong == NULL && (options->end_cnt == 0 || options->end_cnt > VNET_SERVE_ENDS_MAX))
		wrong = "1 to 8 devices were meant";
	if (wrong == NULL && !wires_are_good(options))
		wrong = "a wire has two ends: more devices name it";
	if (wrong != NULL) {
		snprintf(out_error, error_bytes, "%s", wrong);
		return -EINVAL;
	}
	struct vnet_serve *serve = calloc(1, sizeof(*serve));
	if (serve == NULL)
		return -ENOMEM;
	serve->yield = options->yield;
	int err = 0;
	for (uint32_t i = 0; i < options->end_cnt && err == 0; i++, serve->end_cnt++)
		err = end_open(serve, options, i, out_error, error_bytes);
	if (err == 0)
		err = wires_open(serve, options, out_error, error_bytes);
	if (err != 0) {
		vnet_serve_close(serve);
		return err;
	}
	*out = serve;
	return 0;
}

/* Return: false when no client will ever come again. */
static bool
sockets_serve(struct vnet_serve *serve)
{
	uint32_t gone_cnt = 0;
	for (uint32_t i = 0; i < serve->end_cnt; i++) {
		struct end *end = &serve->end[i];
		int did = end->gone ? -ENOTCONN : 1;
		for (uint32_t j = 0; j < STEPS_MAX && did == 1; j++)
			did = vfu_server_step(end->server);
		end->gone = did == -ENOTCONN && end->connected_fd;
		gone_cnt += end->gone;
		(void)vnet_model_control(end->model);
	}
	return gone_cnt < serve->end_cnt;
}

static bool
any_running(const struct vnet_serve *serve)
{
	for (uint32_t i = 0; i < serve->end_cnt; i++) {
		if (vnet_model_running(serve->end[i].model))
			return true;
	}
	return false;
}

static void
sleep_until_event(struct vnet_serve *serve)
{
	struct pollfd wait[VNET_SERVE_ENDS_MAX];
	for (uint32_t i = 0; i < serve->end_cnt; i++)
		wait[i] = (struct pollfd){.fd = serve->end[i].gone ? -1 : vfu_server_fd(serve->end[i].server),
		                          .events = POLLIN};
	(void)poll(wait, serve->end_cnt, SLEEP_MS_MAX); /* interrupted by a signal: the caller looks at *stop */
}

/* Rings, hot, until it is time for the sockets again. The time of day is read only where a wire needs it. */
static void
poll_wires(struct vnet_serve *serve)
{
	uint64_t from_tsc = bh_clock_now_tsc(), at_ns = serve->timed ? now_ns() : 0;
	while (bh_clock_now_tsc() - from_tsc < SOCKET_TSC) {
		uint32_t moved = 0;
		for (uint32_t i = 0; i < serve->wire_cnt; i++)
			moved += vnet_wire_poll(serve->wire[i], at_ns);
		if (serve->timed)
			at_ns = now_ns();
		if (moved != 0)
			continue;
		bh_cpu_pause();
		if (serve->yield) {
			sched_yield();
			return;
		}
	}
}

void
vnet_serve_run(struct vnet_serve *serve, const volatile sig_atomic_t *stop)
{
	while (!*stop) {
		if (any_running(serve))
			poll_wires(serve);
		else
			sleep_until_event(serve);
		if (!sockets_serve(serve))
			return;
	}
}

bool
vnet_serve_bus_error(struct vnet_serve *serve, const void *addr)
{
	for (uint32_t i = 0; i < serve->end_cnt; i++) {
		if (vfu_server_dma_patch(serve->end[i].server, addr))
			return true;
	}
	return false;
}

void
vnet_serve_stats(const struct vnet_serve *serve, uint32_t end_idx, struct vnet_stats *out)
{
	vnet_model_stats_get(serve->end[end_idx].model, out);
}

void
vnet_serve_wire_stats(const struct vnet_serve *serve, struct vnet_wire_stats *out)
{
	*out = (struct vnet_wire_stats){0};
	for (uint32_t i = 0; i < serve->wire_cnt; i++) {
		struct vnet_wire_stats one;
		vnet_wire_stats_get(serve->wire[i], &one);
		out->carried_cnt += one.carried_cnt;
		out->lost_cnt += one.lost_cnt;
		out->duplicated_cnt += one.duplicated_cnt;
		out->reordered_cnt += one.reordered_cnt;
		out->corrupted_cnt += one.corrupted_cnt;
		out->full_cnt += one.full_cnt;
		out->undeliverable_cnt += one.undeliverable_cnt;
	}
}

void
vnet_serve_close(struct vnet_serve *serve)
{
	if (serve == NULL)
		return;
	for (uint32_t i = 0; i < serve->wire_cnt; i++)
		vnet_wire_destroy(serve->wire[i]);
	for (uint32_t i = 0; i < VNET_SERVE_ENDS_MAX; i++) {
		vfu_server_destroy(serve->end[i].server); /* resets the model if a client is connected */
		vnet_model_destroy(serve->end[i].model);
	}
	free(serve);
}
