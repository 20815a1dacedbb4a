/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cross-connect from driver to driver, without a second core: two ports, virtio's or 82599's, whose wires send
 * everything back, so that the same frames go round for ever. Only xconnect_turn() is timed; the devices run in between. Or the switch in
 * its place, between 10,000 stations.
 *
 * net-driver [--ring split|packed|82599] [--burst N] [--frames N] [--mode forward|macswap|switch]
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
#include "devices/ixgbe/ixgbe_model.h"
#include "devices/virtio_net/capabilities.h"
#include "devices/virtio_net/wire.h"

#define ARENA_BYTES (16u << 20) /* valgrind maps no more there */

static struct vnet_model *model[2];
static struct ixgbe_model *ixgbe[2];
/* Of an 82599: its queues' registers, which the driver reaches by itself; the receive queues', then the transmit queues'. */
static uint32_t ixgbe_page[2][2][BH_PAGE_BYTES / 4] BH_ALIGNED(4096);
static struct vnet_wire *wire[2];
static struct vfu_config pci_config;

static struct {
	bool packed, swap, is_switch, is_ixgbe;
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
	uint64_t page = offset / BH_PAGE_BYTES, tx = IXGBE_BAR_TX_PAGE / BH_PAGE_BYTES;
	if (!run.is_ixgbe || (page != IXGBE_BAR_RX_PAGE / BH_PAGE_BYTES && page != tx))
		return NULL;
	return &ixgbe_page[device->device_idx][page == tx][offset % BH_PAGE_BYTES / 4];
}

static uint64_t
reg_read(const struct bh_device *device, uint32_t bar, uint64_t offset, uint32_t width_bytes)
{
	uint64_t value = 0;
	if (run.is_ixgbe)
		return ixgbe_model_reg_read(ixgbe[device->device_idx], offset, width_bytes);
	if (bar != BH_BAR_CONFIG)
		return vnet_model_reg_read(model[device->device_idx], offset, width_bytes);
	memcpy(&value, pci_config.initial + offset, width_bytes);
	return value;
}

static void
reg_write(const struct bh_device *device, uint64_t offset, uint32_t width_bytes, uint64_t value)
{
	if (run.is_ixgbe)
		ixgbe_model_reg_write(ixgbe[device->device_idx], offset, width_bytes, value);
	else
		vnet_model_reg_write(model[device->device_idx], offset, width_bytes, value);
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
		reg_write(device, offset, bits / 8, value);                                                            \
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
		if (!run.is_ixgbe)
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
virtio_make(uint32_t idx, struct bh_boot_device *device, const struct vnet_wire_config *wire_config)
{
	const struct vnet_host host = {.dma_window = window};
	struct vnet_model_config config = VNET_MODEL_CONFIG_DEFAULT;
	config.packed = run.packed;
	strcpy(device->model, "virtio-net");
	device->bar[0].size_bytes = VNET_BAR_BYTES;
	int err = vnet_model_create(&config, &host, &model[idx]);
	return err == 0 ? vnet_wire_create(wire_config, model[idx], model[idx], &wire[idx]) : err;
}

static int
ixgbe_make(uint32_t idx, struct bh_boot_device *device, const struct vnet_wire_config *wire_config)
{
	const struct vnet_host host = {.dma_window = window};
	const struct ixgbe_model_config config = IXGBE_MODEL_CONFIG_DEFAULT;
	strcpy(device->model, "ixgbe");
	device->bar[0].size_bytes = IXGBE_BAR_BYTES;
	int err = ixgbe_model_create(&config, &host, &ixgbe[idx]);
	if (err != 0)
		return err;
	ixgbe_model_pages_set(ixgbe[idx], ixgbe_page[idx][0], ixgbe_page[idx][1]);
	const struct vnet_wire_end end = {ixgbe[idx], &ixgbe_wire_ops};
	return vnet_wire_join(wire_config, end, end, &wire[idx]);
}

static int
world_make(void)
{
	const struct vnet_wire_config wire_config = {.seed = 1};
	int err = bh_hosted_map(1, ARENA_BYTES, 16u << 20);
	vfu_config_type0(&pci_config, VIRTIO_PCI_VENDOR, VIRTIO_PCI_DEVICE_NET, 0x020000, 1);
	if (err == 0)
		err = vnet_config_capabilities(&pci_config);
	for (uint32_t i = 0; i < 2 && err == 0; i++) {
		struct bh_boot_device *device = &bh_hosted_page()->device[i];
		snprintf(device->name, sizeof(device->name), "p%u", i);
		err = (run.is_ixgbe ? ixgbe_make : virtio_make)(i, device, &wire_config);
	}
	bh_hosted_page()->device_cnt = 2;
	bh_hosted_page_seal();
	return err == 0 ? bh_hosted_init() : err;
}

static int
arguments(int argc, char **argv)
{
	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--ring") == 0) {
			run.packed = strcmp(argv[i + 1], "packed") == 0;
			run.is_ixgbe = strcmp(argv[i + 1], "82599") == 0;
		} else if (strcmp(argv[i], "--mode") == 0) {
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
		fprintf(stderr, "usage: net-driver [--ring split|packed|82599] [--burst 1..128] [--frames N] "
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
