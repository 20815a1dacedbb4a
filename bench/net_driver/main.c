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
#include "bench/net_driver/cards.h"
#include "bench/net_driver/switch.h"

#define ARENA_BYTES (16u << 20) /* valgrind maps no more there */

static struct vnet_wire *wire[2];

static struct {
	bool packed, swap, is_switch, is_ixgbe;
	uint32_t burst_cnt;
	uint64_t frame_cnt;
	int err;
} run = {.packed = true, .swap = true, .burst_cnt = 32, .frame_cnt = 1000000};

static void
devices_poll(void *arg)
{
	bench_cards_control();
	for (uint32_t i = 0; i < 2; i++) {
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
	const struct bench_cards cards = {.packed = run.packed, .is_ixgbe = run.is_ixgbe, .arena_bytes = ARENA_BYTES};
	const struct vnet_wire_config wire_config = {.seed = 1};
	int err = bench_cards_make(&cards);
	for (uint32_t i = 0; i < 2 && err == 0; i++)
		err = vnet_wire_join(&wire_config, bench_card_end(i), bench_card_end(i), &wire[i]);
	if (err == 0)
		err = bh_hosted_run(0, body, NULL);
	if (err == 0)
		err = run.err;
	if (err != 0)
		fprintf(stderr, "net-driver: error %d\n", err);
	return err == 0 ? 0 : 1;
}
