/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Latency through the router, or the cross-connect, with its drivers, two CPUs: on one the application between two virtio
 * ports, as in a cell; on the other both devices, a source that offers frames at a constant rate and a sink. A frame's time runs from the
 * moment when it was due, so that a source that is late makes frames late, too, until the sink has it.
 *
 * A CPU that the machine takes away shows in the tail. So each side notes when one of its turns took longer than
 * GAP_NS, and the table says which share of the frames was due while one of the two was away.
 *
 * fwd-latency [--app router|xconnect] [--rate FRAMES_A_SECOND] [--seconds N] [--runs N] [--prefixes N] [--ring split|packed] [--json]
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bulkhead/arch.h>
#include <bulkhead/cell.h>
#include <bulkhead/hosted.h>
#include <bulkhead/mem.h>
#include <bulkhead/port.h>
#include <jansson.h>

#include "apps/fwd/cell/router.h"
#include "apps/xconnect/cell/xconnect.h"
#include "bench/fwd/table.h"
#include "bench/net_driver/cards.h"

#define ARENA_BYTES (64u << 20)
#define STAMP_AT    42u /* behind Ethernet, IPv4 and UDP headers */
#define BUCKET_NS   10u
#define BUCKET_CNT  100000u /* to 1 ms; the last holds the rest */
#define GAP_NS      2000u
#define RUNS_MAX    100u

static struct {
	uint64_t rate, seconds, run_cnt, prefix_cnt;
	bool packed, json, is_xconnect;
} run = {.rate = 1000000, .seconds = 3, .run_cnt = 5, .prefix_cnt = 1000000, .packed = true};

/* What one run saw. Gaps: when a side was away. */
struct seen {
	uint32_t bucket[BUCKET_CNT];
	uint64_t frame_cnt, max_ns, sent_cnt;
	uint64_t gap_cnt[2], gap_max_ns[2], gap_ns[2]; /* of the devices' side, of the router's */
};

static struct fwd_addr *dst;
static struct fwd_router *router;
static struct xconnect xconnect;
static struct seen seen;
static double ns_per_tsc;
static bool ready, counting, done; /* between the two threads, by __atomic */
static int failed;

static struct source {
	uint64_t due_tsc, period_tsc, at, sent_cnt;
	uint8_t frame[64];
	uint32_t frame_bytes;
	bool built;
} source;

static uint64_t
to_ns(uint64_t tsc)
{
	return (uint64_t)((double)tsc * ns_per_tsc);
}

static bool
source_peek(void *device, uint32_t pair_idx, struct vnet_frame *out)
{
	if (pair_idx != 0 || source.due_tsc == 0 || bh_clock_now_tsc() < source.due_tsc)
		return false;
	if (!source.built) {
		source.frame_bytes = bench_frame_build(source.frame, &dst[source.at++ % BENCH_DST_CNT]);
		memcpy(source.frame + STAMP_AT, &source.due_tsc, sizeof(source.due_tsc));
		source.built = true;
	}
	*out = (struct vnet_frame){
	        .piece_cnt = 1, .len_bytes = source.frame_bytes, .piece = {{source.frame, source.frame_bytes}}};
	return true;
}

static void
source_done(void *device, uint32_t pair_idx, const struct vnet_frame *frame)
{
	source.due_tsc += source.period_tsc;
	source.sent_cnt++;
	source.built = false;
}

static bool
sink_peek(void *device, uint32_t pair_idx, struct vnet_frame *out)
{
	return false;
}

static void
sink_done(void *device, uint32_t pair_idx, const struct vnet_frame *frame)
{
}

static int
sink_put(void *device, uint32_t pair_idx, const struct vnet_frame *frame)
{
	uint8_t head[64];
	uint64_t stamp_tsc, now_tsc = bh_clock_now_tsc();
	if (frame->piece[0].len_bytes < STAMP_AT + sizeof(stamp_tsc))
		return 0;
	memcpy(head, frame->piece[0].addr, STAMP_AT + sizeof(stamp_tsc));
	memcpy(&stamp_tsc, head + STAMP_AT, sizeof(stamp_tsc));
	if (!counting)
		return 0;
	uint64_t ns = to_ns(now_tsc - stamp_tsc);
	seen.bucket[BH_MIN(ns / BUCKET_NS, (uint64_t)BUCKET_CNT - 1)]++;
	seen.max_ns = BH_MAX(seen.max_ns, ns);
	seen.frame_cnt++;
	return 0;
}

static void
end_flush(void *device)
{
}

static uint32_t
end_pairs(const void *device)
{
	return 1;
}

static const struct vnet_wire_ops source_ops = {source_peek, source_done, sink_put, end_flush, end_pairs};
static const struct vnet_wire_ops sink_ops = {sink_peek, sink_done, sink_put, end_flush, end_pairs};

/* A turn of one of the sides: how long since its last. */
static void
turn_note(unsigned side, uint64_t *last_tsc)
{
	uint64_t now_tsc = bh_clock_now_tsc(), gap_ns = to_ns(now_tsc - *last_tsc);
	*last_tsc = now_tsc;
	if (BH_LIKELY(gap_ns < GAP_NS) || !__atomic_load_n(&counting, __ATOMIC_RELAXED))
		return;
	seen.gap_cnt[side]++;
	seen.gap_ns[side] += gap_ns;
	seen.gap_max_ns[side] = BH_MAX(seen.gap_max_ns[side], gap_ns);
}

static int
router_open(struct bh_port_queue *queue[2])
{
	static struct fwd_core_line line;
	const struct bh_port_options port_options = {.promiscuous = true, .watch_interval_ns = UINT64_C(3600000000000)};
	const struct bh_pkt_pool_options pool_options = {.pkt_cnt = 2048};
	const struct bench_table table = {.family = 4, .hop_cnt = 64, .prefix_cnt = run.prefix_cnt, .dst = dst};
	struct fwd_router_options options = {.port_cnt = 2, .line = &line, .tsc_hz = BH_HOSTED_TSC_HZ, .burst_cnt = 32};
	struct bh_pkt_pool *pool;
	struct bh_port *port;
	int err = bh_pkt_pool_create(&pool_options, &pool);
	for (uint32_t i = 0; i < 2 && err == 0; i++) {
		err = bh_port_open(i == 0 ? "p0" : "p1", &port_options, &port);
		if (err == 0)
			err = bh_port_queue_start(port, 0, pool, &queue[i]);
		options.queue[i] = queue[i];
	}
	if (err != 0)
		return err;
	if (run.is_xconnect) {
		const struct xconnect_config config = {.mode = XCONNECT_FORWARD, .burst_cnt = 32};
		xconnect_init(&xconnect, &config, queue[0], queue[1]);
		(void)bench_table_fill(&table);
		return 0;
	}
	options.tables = *fwd_fib_tables(bench_table_fill(&table));
	return fwd_router_create(&options, &router);
}

static void
router_body(void *arg)
{
	struct bh_port_queue *queue[2];
	failed = router_open(queue);
	__atomic_store_n(&ready, true, __ATOMIC_RELEASE);
	uint64_t last_tsc = bh_clock_now_tsc();
	while (failed == 0 && !__atomic_load_n(&done, __ATOMIC_RELAXED)) {
		if (run.is_xconnect)
			(void)xconnect_turn(&xconnect);
		else
			(void)fwd_router_turn(router);
		turn_note(1, &last_tsc);
	}
}

static void
pin(int cpu)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) != 0)
		fprintf(stderr, "fwd-latency: CPU %d cannot be had: the figures mean little\n", cpu);
}

static void *
router_thread(void *arg)
{
	pin(1);
	int err = bh_hosted_run(0, router_body, NULL);
	failed = failed != 0 ? failed : err;
	__atomic_store_n(&ready, true, __ATOMIC_RELEASE);
	return NULL;
}

/* The devices' side, for so long. */
static void
devices_run(struct vnet_wire *wire[2], uint64_t for_ns)
{
	uint64_t from_tsc = bh_clock_now_tsc(), last_tsc = from_tsc;
	do {
		pthread_mutex_lock(&bench_cards_lock);
		bench_cards_control();
		for (unsigned i = 0; i < 2; i++)
			(void)vnet_wire_poll(wire[i], 0);
		pthread_mutex_unlock(&bench_cards_lock);
		turn_note(0, &last_tsc);
	} while (to_ns(last_tsc - from_tsc) < for_ns);
}

static double
percentile_us(double share)
{
	uint64_t wanted = (uint64_t)((double)seen.frame_cnt * share), cnt = 0;
	for (uint32_t i = 0; i < BUCKET_CNT; i++) {
		cnt += seen.bucket[i];
		if (cnt > wanted)
			return (double)(i + 1) * BUCKET_NS / 1000;
	}
	return (double)seen.max_ns / 1000;
}

static json_t *
row_make(double for_ns)
{
	static const double share[] = {0.5, 0.9, 0.99, 0.999};
	double at[4];
	for (unsigned i = 0; i < 4; i++)
		at[i] = percentile_us(share[i]);
	return json_pack(
	        "{s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "sent", (json_int_t)seen.sent_cnt, "arrived",
	        (json_int_t)seen.frame_cnt, "p50_us", at[0], "p90_us", at[1], "p99_us", at[2], "p999_us", at[3],
	        "max_us", (double)seen.max_ns / 1000, "devices_away_percent", 100 * (double)seen.gap_ns[0] / for_ns,
	        "devices_away_max_us", (double)seen.gap_max_ns[0] / 1000, "router_away_percent",
	        100 * (double)seen.gap_ns[1] / for_ns, "router_away_max_us", (double)seen.gap_max_ns[1] / 1000);
}

static void
row_print(const json_t *row)
{
	static const char *const key[] = {"p50_us",
	                                  "p90_us",
	                                  "p99_us",
	                                  "p999_us",
	                                  "max_us",
	                                  "devices_away_percent",
	                                  "devices_away_max_us",
	                                  "router_away_percent",
	                                  "router_away_max_us"};
	printf("%10lld %10lld", (long long)json_integer_value(json_object_get(row, "sent")),
	       (long long)json_integer_value(json_object_get(row, "arrived")));
	for (size_t i = 0; i < sizeof(key) / sizeof(*key); i++)
		printf(" %9.2f", json_real_value(json_object_get(row, key[i])));
	putchar('\n');
	fflush(stdout);
}

static json_t *
measure(struct vnet_wire *wire[2])
{
	uint64_t for_ns = run.seconds * UINT64_C(1000000000);
	source.period_tsc = (uint64_t)(1e9 / (double)run.rate / ns_per_tsc);
	source.due_tsc = bh_clock_now_tsc() + source.period_tsc;
	devices_run(wire, UINT64_C(300000000)); /* caches and tables are warm then */
	memset(&seen, 0, sizeof(seen));
	source.due_tsc = bh_clock_now_tsc() + source.period_tsc;
	uint64_t before_cnt = source.sent_cnt;
	__atomic_store_n(&counting, true, __ATOMIC_SEQ_CST);
	devices_run(wire, for_ns);
	seen.sent_cnt = source.sent_cnt - before_cnt;
	source.due_tsc = 0;
	devices_run(wire, UINT64_C(20000000));
	__atomic_store_n(&counting, false, __ATOMIC_SEQ_CST);
	return row_make((double)for_ns);
}

static bool
arguments(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0) {
			run.json = true;
			continue;
		}
		if (i + 1 == argc)
			return false;
		uint64_t value = strtoull(argv[i + 1], NULL, 10);
		if (strcmp(argv[i], "--rate") == 0)
			run.rate = value;
		else if (strcmp(argv[i], "--seconds") == 0)
			run.seconds = value;
		else if (strcmp(argv[i], "--runs") == 0)
			run.run_cnt = value;
		else if (strcmp(argv[i], "--prefixes") == 0)
			run.prefix_cnt = value;
		else if (strcmp(argv[i], "--app") == 0)
			run.is_xconnect = strcmp(argv[i + 1], "xconnect") == 0;
		else if (strcmp(argv[i], "--ring") == 0)
			run.packed = strcmp(argv[i + 1], "packed") == 0;
		else
			return false;
		i++;
	}
	return run.rate - 1 < 100000000 && run.seconds - 1 < 3600 && run.run_cnt - 1 < RUNS_MAX && run.prefix_cnt != 0;
}

static int
world_make(struct vnet_wire *wire[2])
{
	static struct vnet_wire_end played[2] = {{&source, &source_ops}, {&seen, &sink_ops}};
	const struct bench_cards cards = {.packed = run.packed, .arena_bytes = ARENA_BYTES};
	const struct vnet_wire_config config = {.seed = 1};
	int err = bench_cards_make(&cards);
	for (uint32_t i = 0; i < 2 && err == 0; i++)
		err = vnet_wire_join(&config, played[i], bench_card_end(i), &wire[i]);
	return err;
}

int
main(int argc, char **argv)
{
	struct vnet_wire *wire[2];
	pthread_t thread;
	if (!arguments(argc, argv)) {
		fprintf(stderr, "usage: fwd-latency [--app router|xconnect] [--rate FRAMES_A_SECOND] [--seconds N] "
		                "[--runs N] [--prefixes N] "
		                "[--ring split|packed] [--json]\n");
		return 2;
	}
	dst = calloc(BENCH_DST_CNT, sizeof(*dst));
	int err = dst == NULL ? -BH_ENOMEM : world_make(wire);
	ns_per_tsc = 1e9 / (double)BH_HOSTED_TSC_HZ;
	if (err != 0 || pthread_create(&thread, NULL, router_thread, NULL) != 0) {
		fprintf(stderr, "fwd-latency: error %d\n", err);
		return 1;
	}
	pin(0);
	while (!__atomic_load_n(&ready, __ATOMIC_ACQUIRE))
		devices_run(wire, 1000000);
	json_t *rows = json_array();
	if (!run.json)
		printf("%s, %lu prefixes, %s rings, %lu frames/s; us; away: turns of more than 2 us\n%10s %10s "
		       "%9s %9s %9s "
		       "%9s %9s %9s %9s %9s %9s\n",
		       run.is_xconnect ? "cross-connect" : "router", run.prefix_cnt, run.packed ? "packed" : "split",
		       run.rate, "sent", "arrived", "p50", "p90", "p99", "p99.9", "max", "dev %", "dev max", "router %",
		       "rtr max");
	for (uint64_t i = 0; i < run.run_cnt && failed == 0; i++) {
		json_array_append_new(rows, measure(wire));
		if (!run.json)
			row_print(json_array_get(rows, i));
	}
	__atomic_store_n(&done, true, __ATOMIC_SEQ_CST);
	pthread_join(thread, NULL);
	if (run.json)
		json_dumpf(rows, stdout, JSON_INDENT(1));
	json_decref(rows);
	return failed == 0 ? 0 : 1;
}
