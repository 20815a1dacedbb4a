/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/net_driver/switch.h"

#include <string.h>

#include <bulkhead/arch.h>

#include "apps/fwd/cell/switch.h"

static struct {
	struct fwd_switch *sw;
	struct fwd_switch_settings settings;
	struct bh_port_queue queue[2]; /* what the switch sees */
	struct bh_port_queue *driver[2];
	uint8_t head[2][FWD_SWITCH_BURST_MAX][16]; /* addresses and type of the next frames of each port */
	uint32_t burst_cnt;
	uint64_t state;
} bench = {.state = 88172645463325252u};

static uint32_t
receive(struct bh_port_queue *queue, struct bh_pkt **out_pkts, uint32_t cnt)
{
	struct bh_port_queue *driver = bench.driver[queue->port_idx];
	cnt = driver->rx(driver, out_pkts, cnt);
	for (uint32_t i = 0; i < cnt; i++)
		memcpy(out_pkts[i]->data, bench.head[queue->port_idx][i], 16);
	return cnt;
}

static uint32_t
transmit(struct bh_port_queue *queue, struct bh_pkt *const *pkts, uint32_t cnt)
{
	struct bh_port_queue *driver = bench.driver[queue->port_idx];
	return driver->tx(driver, pkts, cnt);
}

int
bench_switch_init(struct bh_port_queue *const queue[2], uint32_t burst_cnt)
{
	struct fwd_switch_options options = {.settings = &bench.settings,
	                                     .name = {"p0", "p1"},
	                                     .port_cnt = 2,
	                                     .burst_cnt = burst_cnt,
	                                     .sweeps = true};
	bench.burst_cnt = burst_cnt;
	fwd_switch_settings_default(&bench.settings, 2);
	for (uint16_t i = 0; i < 2; i++) {
		bench.driver[i] = queue[i];
		bench.queue[i] =
		        (struct bh_port_queue){.rx = receive, .tx = transmit, .pool = queue[i]->pool, .port_idx = i};
		options.queue[i] = &bench.queue[i];
	}
	int err = fwd_switch_shared_create(FWD_MAC_CNT_DEFAULT, UINT64_C(2600000000), bh_clock_now_tsc(),
	                                   &options.shared);
	return err != 0 ? err : fwd_switch_create(&options, &bench.sw);
}

/* Stations of one port have even numbers, those of the other odd ones. */
static void
put_station(uint8_t *mac, uint32_t port)
{
	bench.state ^= bench.state << 13;
	bench.state ^= bench.state >> 7;
	bench.state ^= bench.state << 17;
	uint32_t station = (uint32_t)(bench.state >> 20) % (BENCH_SWITCH_MACS / 2) * 2 + port;
	const uint8_t made[6] = {0x00, 0x16, 0x3e, (uint8_t)(station >> 16), (uint8_t)(station >> 8), (uint8_t)station};
	memcpy(mac, made, sizeof(made));
}

void
bench_switch_draw(void)
{
	for (uint32_t port = 0; port < 2; port++) {
		for (uint32_t i = 0; i < bench.burst_cnt; i++) {
			uint8_t *head = bench.head[port][i];
			put_station(head, 1 - port);
			put_station(head + 6, port);
			head[12] = 0x08;
		}
	}
}

uint32_t
bench_switch_turn(void)
{
	return fwd_switch_turn(bench.sw);
}
