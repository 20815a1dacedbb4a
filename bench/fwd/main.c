/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The router without devices: cycles and nanoseconds a packet of fwd_router_turn() alone, with a full table and random
 * destinations. Two ports that the benchmark plays: one gives frames whose headers are in the cache, as a network
 * card's are that writes into it; the other takes them. What a driver costs comes on top (net-driver).
 *
 * fwd-router [--family 4|6] [--prefixes N] [--hops N] [--burst N] [--packets N] [--json]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bulkhead/arch.h>
#include <bulkhead/hosted.h>
#include <bulkhead/mem.h>
#include <jansson.h>
#include <time.h>

#include "apps/fwd/cell/router.h"
#include "bench/fwd/table.h"

#define ARENA_BYTES (16u << 20) /* valgrind maps no more there */

static struct {
	uint64_t prefix_cnt, packet_cnt;
	uint32_t family, hop_cnt, burst_cnt;
	bool json;
} run = {.family = 4, .prefix_cnt = 1000000, .hop_cnt = 64, .burst_cnt = 32, .packet_cnt = 20000000};

static struct bh_pkt *ready[FWD_BURST_MAX];
static uint32_t ready_cnt, taken_cnt;
static struct fwd_addr *dst;
static uint32_t
ready_rx(struct bh_port_queue *queue, struct bh_pkt **out_pkts, uint32_t cnt)
{
	cnt = queue->port_idx == 0 ? BH_MIN(cnt, ready_cnt) : 0;
	memcpy(out_pkts, ready, cnt * sizeof(*out_pkts));
	ready_cnt -= cnt;
	return cnt;
}

static uint32_t
taken_tx(struct bh_port_queue *queue, struct bh_pkt *const *pkts, uint32_t cnt)
{
	bh_pkt_free_burst(queue->pool, pkts, cnt);
	taken_cnt += cnt;
	return cnt;
}

static void
die(const char *what)
{
	fprintf(stderr, "fwd-router: %s\n", what);
	exit(1);
}

static double
now_s(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int
usage(void)
{
	fprintf(stderr,
	        "usage: fwd-router [--family 4|6] [--prefixes N] [--hops N] [--burst N] [--packets N] [--json]\n");
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
		if (strcmp(argv[i], "--family") == 0)
			run.family = (uint32_t)value;
		else if (strcmp(argv[i], "--prefixes") == 0)
			run.prefix_cnt = value;
		else if (strcmp(argv[i], "--hops") == 0)
			run.hop_cnt = (uint32_t)value;
		else if (strcmp(argv[i], "--burst") == 0)
			run.burst_cnt = (uint32_t)value;
		else if (strcmp(argv[i], "--packets") == 0)
			run.packet_cnt = value;
		else
			return usage();
		i++;
	}
	bool right = (run.family == 4 || run.family == 6) && run.hop_cnt - 1 < BENCH_HOPS_MAX &&
	             run.burst_cnt - 1 < FWD_BURST_MAX;
	return right && run.prefix_cnt != 0 ? 0 : usage();
}

struct spent {
	uint64_t tsc;
	double s, tsc_hz;
};

static struct spent
measure(struct fwd_router *router, struct bh_pkt_pool *pool)
{
	struct spent spent = {0};
	double from_s = now_s();
	uint64_t from_tsc = bh_clock_now_tsc(), at = 0;
	for (uint64_t done_cnt = 0; done_cnt < run.packet_cnt; done_cnt += run.burst_cnt) {
		if (bh_pkt_get(pool, ready, run.burst_cnt) != run.burst_cnt)
			die("a packet was lost");
		for (uint32_t i = 0; i < run.burst_cnt; i++)
			ready[i]->len_bytes = bench_frame_build(ready[i]->data, &dst[at++ % BENCH_DST_CNT]);
		ready_cnt = run.burst_cnt;
		uint64_t start_tsc = bh_clock_now_tsc();
		(void)fwd_router_turn(router);
		spent.tsc += bh_clock_now_tsc() - start_tsc;
	}
	spent.tsc_hz = (double)(bh_clock_now_tsc() - from_tsc) / (now_s() - from_s);
	spent.s = (double)spent.tsc / spent.tsc_hz;
	return spent;
}

static void
print(const struct fwd_fib *fib, const struct spent *spent)
{
	struct fwd_fib_stats stats;
	double cnt = (double)BH_ALIGN_UP(run.packet_cnt, (uint64_t)run.burst_cnt);
	fwd_fib_stats(fib, &stats);
	if (run.json) {
		json_t *out =
		        json_pack("{s:i, s:I, s:i, s:i, s:I, s:f, s:f, s:I}", "family", (int)run.family, "prefixes",
		                  (json_int_t)stats.route_cnt[run.family == 6], "hops", (int)run.hop_cnt, "burst",
		                  (int)run.burst_cnt, "packets", (json_int_t)run.packet_cnt, "cycles_per_packet",
		                  (double)spent->tsc / cnt, "ns_per_packet", spent->s * 1e9 / cnt, "table_bytes",
		                  (json_int_t)stats.used_bytes);
		json_dumpf(out, stdout, JSON_COMPACT);
		json_decref(out);
		putchar('\n');
		return;
	}
	printf("IPv%u, %lu prefixes, %u next hops, bursts of %u: %.1f TSC cycles (%.2f GHz), %.1f ns a packet; tables "
	       "%.1f MiB\n",
	       run.family, stats.route_cnt[run.family == 6], run.hop_cnt, run.burst_cnt, (double)spent->tsc / cnt,
	       spent->tsc_hz / 1e9, spent->s * 1e9 / cnt, (double)stats.used_bytes / (1 << 20));
}

int
main(int argc, char **argv)
{
	static struct fwd_core_line line;
	static struct bh_port_queue queue[2];
	const struct bh_pkt_pool_options pool_options = {.pkt_cnt = 256};
	struct fwd_router_options options = {.port_cnt = 2, .line = &line, .tsc_hz = BH_HOSTED_TSC_HZ};
	struct bh_pkt_pool *pool;
	struct fwd_router *router;
	int err = arguments(argc, argv);
	if (err != 0)
		return err;
	dst = calloc(BENCH_DST_CNT, sizeof(*dst));
	if (dst == NULL || bh_hosted_start(1, ARENA_BYTES, ARENA_BYTES) != 0 ||
	    bh_pkt_pool_create(&pool_options, &pool) != 0)
		die("no memory");
	const struct bench_table table = {
	        .family = run.family, .hop_cnt = run.hop_cnt, .prefix_cnt = run.prefix_cnt, .dst = dst};
	struct fwd_fib *fib = bench_table_fill(&table);
	for (uint16_t i = 0; i < 2; i++) {
		queue[i] = (struct bh_port_queue){.rx = ready_rx, .tx = taken_tx, .pool = pool, .port_idx = i};
		options.queue[i] = &queue[i];
	}
	options.burst_cnt = run.burst_cnt;
	options.tables = *fwd_fib_tables(fib);
	if (fwd_router_create(&options, &router) != 0)
		die("the router cannot be made");
	const struct spent spent = measure(router, pool);
	if (taken_cnt < run.packet_cnt)
		die("not every packet was forwarded");
	print(fib, &spent);
	fwd_router_end(router);
	fwd_fib_free(fib);
	bh_hosted_stop();
	free(dst);
	return 0;
}
