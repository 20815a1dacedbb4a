/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The switch without devices: cycles and nanoseconds a frame of fwd_switch_turn() alone, between stations drawn at
 * random. Ports that the benchmark plays give frames whose headers are in the cache, as a network card's are that writes
 * into it, and take what comes. What a driver costs comes on top (net-driver). The figure is the median turn's; the mean
 * beside it has the machine's other work in it.
 *
 * fwd-switch [--macs N] [--ports 2..8] [--vlans 0..8] [--burst N] [--frames N] [--json]
 * --vlans 0: a switch that knows none; 1: every port is an access port; more: all ports are trunks, tags in the data
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bulkhead/arch.h>
#include <bulkhead/hosted.h>
#include <bulkhead/mem.h>
#include <jansson.h>
#include <time.h>

#include "apps/fwd/cell/switch.h"
#include "tests/xorshift.h"

#define ARENA_BYTES (16u << 20) /* valgrind maps no more there */
#define PKT_CNT     1024u
#define FRAME_BYTES 60u
#define VLAN_FIRST  100u
#define TURN_CNT    (1u << 20)

static struct {
	uint32_t mac_cnt, port_cnt, vlan_cnt, burst_cnt;
	uint64_t frame_cnt;
	bool json;
} run = {.mac_cnt = 10000, .port_cnt = 4, .burst_cnt = 32, .frame_cnt = 20000000};

static struct bh_pkt *ready[FWD_PORTS_MAX][FWD_SWITCH_BURST_MAX];
static uint32_t ready_cnt[FWD_PORTS_MAX];
static uint64_t taken_cnt;
static struct bh_port_queue queue[FWD_PORTS_MAX];
static uint64_t state = XORSHIFT_START;

static uint64_t
draw(void)
{
	return xorshift64(&state);
}

BH_NORETURN static void
die(const char *what)
{
	fprintf(stderr, "fwd-switch: %s\n", what);
	exit(1);
}

static uint32_t
ready_rx(struct bh_port_queue *from, struct bh_pkt **out_pkts, uint32_t cnt)
{
	cnt = BH_MIN(cnt, ready_cnt[from->port_idx]);
	for (uint32_t i = 0; i < cnt; i++)
		out_pkts[i] = ready[from->port_idx][i];
	ready_cnt[from->port_idx] -= cnt;
	return cnt;
}

static uint32_t
taken_tx(struct bh_port_queue *to, struct bh_pkt *const *pkts, uint32_t cnt)
{
	bh_pkt_free_burst(to->pool, pkts, cnt);
	taken_cnt += cnt;
	return cnt;
}

/* Addresses of one maker, as in a rack of servers. */
static void
put_mac(uint8_t *mac, uint32_t station)
{
	const uint8_t made[6] = {0x00, 0x16, 0x3e, (uint8_t)(station >> 16), (uint8_t)(station >> 8), (uint8_t)station};
	memcpy(mac, made, sizeof(made));
}

/* Station n is on port n modulo the ports, and in one VLAN. */
static void
build(struct bh_pkt *pkt, uint32_t src, uint32_t dst)
{
	uint32_t vlan = VLAN_FIRST + (run.vlan_cnt > 1 ? src / run.port_cnt % run.vlan_cnt : 0);
	const uint8_t tag[4] = {0x81, 0x00, (uint8_t)(vlan >> 8), (uint8_t)vlan};
	put_mac(pkt->data, dst);
	put_mac(pkt->data + 6, src);
	if (run.vlan_cnt > 1) {
		memcpy(pkt->data + 12, tag, sizeof(tag));
	} else {
		pkt->data[12] = 0x08;
		pkt->data[13] = 0x00;
	}
	pkt->len_bytes = FRAME_BYTES;
}

/* A station of the same VLAN as `src`, on another port. */
static uint32_t
draw_peer(uint32_t src)
{
	uint32_t step = run.port_cnt * BH_MAX(run.vlan_cnt, 1u), group = src % step / run.port_cnt;
	uint32_t port = (src % run.port_cnt + 1 + (uint32_t)(draw() % (run.port_cnt - 1))) % run.port_cnt;
	return (uint32_t)(draw() % (run.mac_cnt / step)) * step + group * run.port_cnt + port;
}

static void
settings_of(struct fwd_switch_settings *settings)
{
	fwd_switch_settings_default(settings, run.port_cnt);
	settings->vlan_aware = run.vlan_cnt != 0;
	settings->member[1] = 0;
	for (uint32_t i = 0; i < FWD_PORTS_MAX; i++)
		settings->port[i].native_vlan = run.vlan_cnt == 1 && i < run.port_cnt ? VLAN_FIRST : FWD_NO_VLAN;
	for (uint32_t i = 0; i < run.vlan_cnt; i++)
		settings->member[VLAN_FIRST + i] = (uint8_t)((1u << run.port_cnt) - 1);
}

/* Every station speaks once. */
static void
teach(struct fwd_switch *sw, struct bh_pkt_pool *pool)
{
	for (uint32_t i = 0; i < run.mac_cnt; i++) {
		struct bh_pkt *pkt;
		if (bh_pkt_get(pool, &pkt, 1) != 1)
			die("a packet was lost");
		build(pkt, i, draw_peer(i));
		fwd_switch_input(sw, i % run.port_cnt, &pkt, 1);
		fwd_switch_flush(sw);
	}
	taken_cnt = 0;
}

struct spent {
	uint64_t tsc, frame_cnt, turn_cnt;
	double tsc_hz;
};

/* The last turns' cycles. */
static uint32_t turn_tsc[TURN_CNT];

static double
now_s(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void
make_ready(struct bh_pkt_pool *pool)
{
	for (uint32_t port = 0; port < run.port_cnt; port++) {
		ready_cnt[port] = run.burst_cnt;
		if (bh_pkt_get(pool, ready[port], run.burst_cnt) != run.burst_cnt)
			die("a packet was lost");
		for (uint32_t i = 0; i < run.burst_cnt; i++) {
			uint32_t src = (uint32_t)(draw() % (run.mac_cnt / run.port_cnt)) * run.port_cnt + port;
			build(ready[port][i], src, draw_peer(src));
		}
	}
}

static struct spent
measure(struct fwd_switch *sw, struct bh_pkt_pool *pool)
{
	struct spent spent = {0};
	double from_s = now_s();
	uint64_t from_tsc = bh_clock_now_tsc();
	while (spent.frame_cnt < run.frame_cnt) {
		make_ready(pool);
		uint64_t start_tsc = bh_clock_now_tsc();
		spent.frame_cnt += fwd_switch_turn(sw);
		uint64_t took_tsc = bh_clock_now_tsc() - start_tsc;
		turn_tsc[spent.turn_cnt++ % TURN_CNT] = (uint32_t)BH_MIN(took_tsc, (uint64_t)UINT32_MAX);
		spent.tsc += took_tsc;
	}
	spent.tsc_hz = (double)(bh_clock_now_tsc() - from_tsc) / (now_s() - from_s);
	if (taken_cnt != spent.frame_cnt)
		die("a frame was not sent to one port");
	return spent;
}

static int
order(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

static double
median_turn(const struct spent *spent)
{
	size_t cnt = (size_t)BH_MIN(spent->turn_cnt, (uint64_t)TURN_CNT);
	qsort(turn_tsc, cnt, sizeof(turn_tsc[0]), order);
	uint32_t middle_tsc = turn_tsc[cnt / 2];
	return (double)middle_tsc / (double)(run.burst_cnt * run.port_cnt);
}

static void
print(const struct spent *spent)
{
	double mean = (double)spent->tsc / (double)spent->frame_cnt, cycles = median_turn(spent);
	double ns = cycles / spent->tsc_hz * 1e9;
	if (run.json) {
		json_t *out = json_pack("{s:i, s:i, s:i, s:i, s:I, s:f, s:f, s:f}", "macs", (int)run.mac_cnt, "ports",
		                        (int)run.port_cnt, "vlans", (int)run.vlan_cnt, "burst", (int)run.burst_cnt,
		                        "frames", (json_int_t)spent->frame_cnt, "cycles_per_frame", cycles,
		                        "ns_per_frame", ns, "mean_cycles_per_frame", mean);
		json_dumpf(out, stdout, JSON_COMPACT);
		json_decref(out);
		putchar('\n');
		return;
	}
	printf("%u addresses, %u ports, %u VLANs, bursts of %u: %.1f TSC cycles (%.2f GHz), %.1f ns a frame; "
	       "mean %.1f\n",
	       run.mac_cnt, run.port_cnt, run.vlan_cnt, run.burst_cnt, cycles, spent->tsc_hz / 1e9, ns, mean);
}

static int
usage(void)
{
	fprintf(stderr,
	        "usage: fwd-switch [--macs N] [--ports 2..8] [--vlans 0..8] [--burst 1..%u] [--frames N] "
	        "[--json]\n",
	        FWD_SWITCH_BURST_MAX);
	return 2;
}

static int
arguments(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0) {
			run.json = true;
			continue;
		}
		if (i + 1 == argc)
			return usage();
		uint64_t value = strtoull(argv[i + 1], NULL, 10);
		if (strcmp(argv[i], "--macs") == 0)
			run.mac_cnt = (uint32_t)value;
		else if (strcmp(argv[i], "--ports") == 0)
			run.port_cnt = (uint32_t)value;
		else if (strcmp(argv[i], "--vlans") == 0)
			run.vlan_cnt = (uint32_t)value;
		else if (strcmp(argv[i], "--burst") == 0)
			run.burst_cnt = (uint32_t)value;
		else if (strcmp(argv[i], "--frames") == 0)
			run.frame_cnt = value;
		else
			return usage();
		i++;
	}
	bool right = run.port_cnt >= 2 && run.port_cnt <= FWD_PORTS_MAX && run.vlan_cnt <= 8 &&
	             run.burst_cnt - 1 < FWD_SWITCH_BURST_MAX && run.mac_cnt >= 64 && run.mac_cnt <= 100000;
	return right ? 0 : usage();
}

static struct fwd_switch *
open_switch(struct bh_pkt_pool *pool)
{
	static struct fwd_switch_settings settings;
	static const char *const names[FWD_PORTS_MAX] = {"p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7"};
	struct fwd_switch_options options = {
	        .settings = &settings, .port_cnt = run.port_cnt, .burst_cnt = run.burst_cnt, .sweeps = true};
	struct fwd_switch *sw;
	settings_of(&settings);
	for (uint32_t i = 0; i < run.port_cnt; i++) {
		queue[i] =
		        (struct bh_port_queue){.rx = ready_rx, .tx = taken_tx, .pool = pool, .port_idx = (uint16_t)i};
		options.queue[i] = &queue[i];
		options.name[i] = names[i];
	}
	uint32_t mac_cnt = BH_MAX(run.mac_cnt, FWD_MAC_CNT_DEFAULT);
	if (fwd_switch_shared_create(mac_cnt, BH_HOSTED_TSC_HZ, bh_clock_now_tsc(), &options.shared) != 0 ||
	    fwd_switch_create(&options, &sw) != 0)
		die("the switch cannot be made");
	return sw;
}

int
main(int argc, char **argv)
{
	const struct bh_pkt_pool_options pool_options = {.pkt_cnt = PKT_CNT};
	struct bh_pkt_pool *pool;
	int err = arguments(argc, argv);
	if (err != 0)
		return err;
	run.mac_cnt -= run.mac_cnt % (run.port_cnt * BH_MAX(run.vlan_cnt, 1u));
	if (bh_hosted_start(1, ARENA_BYTES, ARENA_BYTES) != 0 || bh_pkt_pool_create(&pool_options, &pool) != 0)
		die("no memory");
	struct fwd_switch *sw = open_switch(pool);
	teach(sw, pool);
	const struct spent spent = measure(sw, pool);
	print(&spent);
	bh_hosted_stop();
	return 0;
}
