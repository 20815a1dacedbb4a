/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cross-connect from driver to driver, without a second core: two virtio ports whose wires send everything back, so
 * that the same frames go round for ever. Only xconnect_turn() is timed; the devices run in between. Or the switch in
 * its place, between 10,000 stations.
 *
 * net-driver [--ring split|packed] [--burst N] [--frames N] [--mode forward|macswap|switch]
 * prints: frames, ns a frame. main.py counts its instructions, by callgrind.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bulkhead/arch.h>
#include <bulkhead/cell.h>
#include <bulkhead/device.h>
#include <bulkhead/hosted.h>
#include <bulkhead/mem.h>

#include "apps/xconnect/cell/xconnect.h"
#include "bench/net_driver/switch.h"
#include "devices/virtio_net/capabilities.h"
#include "devices/virtio_net/wire.h"

#define ARENA_BYTES (16u << 20) /* valgrind maps no more there */

static struct vnet_model *model[2];
static struct vnet_wire *wire[2];
static struct vfu_config pci_config;

static struct {
	bool packed, swap, is_switch;
	uint32_t burst_cnt;
	uint64_t frame_cnt;
	int err;
} run = {.packed = true, .swap = true, .burst_cnt = 32, .frame_cnt = 1000000};

int
bh_device_find(const char *name, struct bh_device *out_device)
{
	uint32_t idx = name[1] == '1';
	*out_device = (struct bh_device){.device_idx = idx, .info = &bh_hosted_page()->device[idx]};
	return 0;
}

volatile void *
bh_device_window(const struct bh_device *device, uint32_t bar, uint64_t offset, uint64_t size_bytes)
{
	return NULL;
}

static uint64_t
reg_read(const struct bh_device *device, uint32_t bar, uint64_t offset, uint32_t width_bytes)
{
	uint64_t value = 0;
	if (bar != BH_BAR_CONFIG)
		return vnet_model_reg_read(model[device->device_idx], offset, width_bytes);
	memcpy(&value, pci_config.initial + offset, width_bytes);
	return value;
}

#define REG_FUNCTIONS(bits)                                                                                            \
	int bh_reg_read##bits(const struct bh_device *device, uint32_t bar, uint64_t offset,                           \
	                      uint##bits##_t *out_value)                                                               \
	{                                                                                                              \
		*out_value = (uint##bits##_t)reg_read(device, bar, offset, bits / 8);                                  \
		return 0;                                                                                              \
	}                                                                                                              \
	int bh_reg_write##bits(const struct bh_device *device, uint32_t bar, uint64_t offset, uint##bits##_t value)    \
	{                                                                                                              \
		vnet_model_reg_write(model[device->device_idx], offset, bits / 8, value);                              \
		return 0;                                                                                              \
	}

REG_FUNCTIONS(8)
REG_FUNCTIONS(16)
REG_FUNCTIONS(32)
REG_FUNCTIONS(64)

int
bh_device_reset(const struct bh_device *device)
{
	return 0;
}

uint32_t
bh_device_reset_cnt(const struct bh_device *device, bool *out_under_way)
{
	*out_under_way = false;
	return 0;
}

static bool
window(void *context, uint64_t iova, uint64_t size_bytes, uint32_t prot, struct vnet_window *out)
{
	*out = (struct vnet_window){BH_ADDR_ARENA, ARENA_BYTES, (uint8_t *)(uintptr_t)BH_ADDR_ARENA, prot};
	return bh_dma_contains((void *)(uintptr_t)iova, size_bytes);
}

static void
devices_poll(void *arg)
{
	for (uint32_t i = 0; i < 2; i++) {
		vnet_model_control(model[i]);
		while (vnet_wire_poll(wire[i], 0) != 0)
			;
	}
}

static int
prepare(struct xconnect *work, struct bh_port *port[2], struct bh_port_queue *queue[2])
{
	const struct xconnect_config config = {.mode = run.swap ? XCONNECT_MACSWAP : XCONNECT_FORWARD,
	                                       .burst_cnt = run.burst_cnt};
	const struct bh_port_options options = {.promiscuous = true};
	struct bh_pkt *pkts[XCONNECT_BURST_MAX];
	struct bh_pkt_pool *pool;
	int err = bh_pkt_pool_create(NULL, &pool);
	for (uint32_t i = 0; i < 2 && err == 0; i++) {
		err = bh_port_open(i == 0 ? "p0" : "p1", &options, &port[i]);
		if (err == 0)
			err = bh_port_queue_start(port[i], 0, pool, &queue[i]);
	}
	if (err != 0)
		return err;
	xconnect_init(work, &config, queue[0], queue[1]);
	if (run.is_switch && (err = bench_switch_init(queue, run.burst_cnt)) != 0)
		return err;
	for (uint32_t i = 0; i < 2; i++) {
		uint32_t cnt = bh_pkt_get(pool, pkts, run.burst_cnt);
		for (uint32_t j = 0; j < cnt; j++) {
			memset(pkts[j]->data, (int)j & 0xfe, 60);
			pkts[j]->len_bytes = 60;
		}
		if (bh_port_tx(queue[i], pkts, cnt) != run.burst_cnt)
			return -BH_EIO;
	}
	return 0;
}

static void
body(void *arg)
{
	struct bh_poller poller = {.fn = devices_poll};
	struct bh_port *port[2];
	struct bh_port_queue *queue[2];
	struct xconnect work;
	uint64_t frame_cnt = 0, spent_tsc = 0;
	bh_poller_add(&poller);
	run.err = prepare(&work, port, queue);
	while (run.err == 0 && frame_cnt < run.frame_cnt) {
		devices_poll(NULL);
		if (run.is_switch)
			bench_switch_draw();
		uint64_t from_tsc = bh_clock_now_tsc();
		uint32_t cnt = run.is_switch ? bench_switch_turn() : xconnect_turn(&work);
		spent_tsc += bh_clock_now_tsc() - from_tsc;
		frame_cnt += cnt;
		if (cnt == 0)
			run.err = -BH_EIO; /* frames were lost: nothing goes round any more */
		if (frame_cnt % 4096 < 64)
			bh_yield();
	}
	if (run.err == 0)
		printf("%lu %.2f\n", frame_cnt, (double)spent_tsc / (double)frame_cnt * 1e9 / (double)BH_HOSTED_TSC_HZ);
	for (uint32_t i = 0; i < 2 && run.err == 0; i++)
		run.err = bh_port_close(port[i]);
	bh_poller_remove(&poller);
}

static int
world_make(void)
{
	struct vnet_model_config config = VNET_MODEL_CONFIG_DEFAULT;
	const struct vnet_host host = {.dma_window = window};
	const struct vnet_wire_config wire_config = {.seed = 1};
	int err = bh_hosted_map(1, ARENA_BYTES, 16u << 20);
	config.packed = run.packed;
	vfu_config_type0(&pci_config, VIRTIO_PCI_VENDOR, VIRTIO_PCI_DEVICE_NET, 0x020000, 1);
	if (err == 0)
		err = vnet_config_capabilities(&pci_config);
	for (uint32_t i = 0; i < 2 && err == 0; i++) {
		struct bh_boot_device *device = &bh_hosted_page()->device[i];
		snprintf(device->name, sizeof(device->name), "p%u", i);
		strcpy(device->model, "virtio-net");
		device->bar[0].size_bytes = VNET_BAR_BYTES;
		err = vnet_model_create(&config, &host, &model[i]);
		if (err == 0)
			err = vnet_wire_create(&wire_config, model[i], model[i], &wire[i]);
	}
	bh_hosted_page()->device_cnt = 2;
	bh_hosted_page_seal();
	return err == 0 ? bh_hosted_init() : err;
}

static int
arguments(int argc, char **argv)
{
	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--ring") == 0)
			run.packed = strcmp(argv[i + 1], "packed") == 0;
		else if (strcmp(argv[i], "--mode") == 0) {
			run.swap = strcmp(argv[i + 1], "macswap") == 0;
			run.is_switch = strcmp(argv[i + 1], "switch") == 0;
		} else if (strcmp(argv[i], "--burst") == 0)
			run.burst_cnt = (uint32_t)atoi(argv[i + 1]);
		else if (strcmp(argv[i], "--frames") == 0)
			run.frame_cnt = strtoull(argv[i + 1], NULL, 10);
		else
			return -1;
	}
	return argc % 2 == 1 && run.burst_cnt >= 1 && run.burst_cnt <= (run.is_switch ? 64 : 128) ? 0 : -1;
}

int
main(int argc, char **argv)
{
	if (arguments(argc, argv) != 0) {
		fprintf(stderr, "usage: net-driver [--ring split|packed] [--burst 1..128] [--frames N] "
		                "[--mode forward|macswap|switch]\n");
		return 2;
	}
	int err = world_make();
	if (err == 0)
		err = bh_hosted_run(0, body, NULL);
	if (err == 0)
		err = run.err;
	if (err != 0)
		fprintf(stderr, "net-driver: error %d\n", err);
	return err == 0 ? 0 : 1;
}
