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
#include "apps/fwd/host/fib.h"
#include "tests/xorshift.h"

#define ARENA_BYTES (16u << 20) /* valgrind maps no more there */
#define DST_CNT     (1u << 20)
#define TABLE_BYTES (UINT64_C(128) << 20)
#define HOPS_MAX    1024u

static struct {
	uint64_t prefix_cnt, packet_cnt;
	uint32_t family, hop_cnt, burst_cnt;
	bool json;
} run = {.family = 4, .prefix_cnt = 1000000, .hop_cnt = 64, .burst_cnt = 32, .packet_cnt = 20000000};

static struct bh_pkt *ready[FWD_BURST_MAX];
static uint32_t ready_cnt, taken_cnt;
static struct fwd_addr *dst;
static uint64_t state = XORSHIFT_START;

static uint64_t
draw(void)
{
	return xorshift64(&state);
}

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

/* Lengths as in the Internet's table of 2024 (bgp.potaroo.net), in thousandths. */
static uint8_t
draw_len(void)
{
	static const struct {
		uint16_t up_to;
		uint8_t len;
	} v4[] = {{605, 24}, {715, 23}, {825, 22}, {880, 21}, {925, 20},
	          {952, 19}, {967, 18}, {976, 17}, {990, 16}, {1000, 15}},
	  v6[] = {{470, 48}, {560, 44}, {650, 40}, {690, 36}, {710, 33},
	          {860, 32}, {920, 46}, {950, 47}, {990, 29}, {1000, 42}};
	uint32_t dice = (uint32_t)(draw() % 1000);
	for (size_t i = 0;; i++) {
		if (run.family == 4 && dice < v4[i].up_to)
			return v4[i].len;
		if (run.family == 6 && dice < v6[i].up_to)
			return v6[i].len;
	}
}

static struct fwd_prefix
draw_prefix(void)
{
	struct fwd_prefix prefix = {.addr.family = (uint8_t)run.family, .len = draw_len()};
	uint64_t bits = draw();
	if (run.family == 4) {
		/* 1.0.0.0 .. 223.255.255.255 but 127/8 */
		uint32_t addr = (uint32_t)((1 + bits % 223) << 24) | (uint32_t)(bits >> 40 & 0xffffff);
		addr = addr >> 24 == 127 ? addr ^ 1u << 24 : addr;
		bits = (uint64_t)(addr & ~UINT32_C(0) << (32 - prefix.len)) << 32;
	} else {
		/* 2000::/3, the first 32 bits out of 60,000 allocations */
		uint64_t block = bits % 60000;
		bits = UINT64_C(1) << 61 | (block * UINT64_C(2654435761) & 0x1fffffff) << 32 |
		       (bits >> 32 & 0xffffffff);
		bits &= ~UINT64_C(0) << (64 - prefix.len);
	}
	for (unsigned i = 0; i < 8; i++)
		prefix.addr.bytes[i] = (uint8_t)(bits >> (56 - 8 * i));
	return prefix;
}

static void
die(const char *what)
{
	fprintf(stderr, "fwd-router: %s\n", what);
	exit(1);
}

static struct fwd_fib *
tables(void)
{
	const struct fwd_fib_options options = {.size_bytes = TABLE_BYTES};
	struct bh_error error = {0};
	struct fwd_fib *fib;
	struct fwd_fib_stats stats;
	if (fwd_fib_create(&options, &fib, &error) != 0)
		die("the tables cannot be made");
	for (uint8_t i = 0; i < 2; i++) {
		const struct fwd_interface interface = {.mac = {2, 0, 0, 0, 1, i},
		                                        .mtu_bytes = 1500,
		                                        .port = i,
		                                        .up = 1,
		                                        .flags = FWD_IF_FORWARD4 | FWD_IF_FORWARD6};
		if (fwd_fib_interface_set(fib, (uint8_t)(i + 1), &interface) != 0)
			die("interface");
	}
	struct fwd_hop hop[HOPS_MAX];
	for (uint32_t i = 0; i < run.hop_cnt; i++) {
		hop[i] = (struct fwd_hop){.interface = 2,
		                          .weight = 1,
		                          .gateway = {.family = 4, .bytes = {10, 0, (uint8_t)(i >> 8), (uint8_t)i}}};
		const uint8_t mac[6] = {2, 0, 0, 9, (uint8_t)(i >> 8), (uint8_t)i};
		if (fwd_fib_neighbour_set(fib, 2, &hop[i].gateway, mac) != 0)
			die("neighbour");
	}
	do {
		const struct fwd_prefix prefix = draw_prefix();
		uint64_t bits = draw();
		if (fwd_fib_route_set(fib, &prefix, FWD_FORWARD, &hop[bits % run.hop_cnt], 1) != 0)
			die("route: the tables are full");
		struct fwd_addr *addr = &dst[draw() % DST_CNT];
		*addr = prefix.addr;
		for (unsigned i = prefix.len; i < (run.family == 4 ? 32 : 128); i++)
			addr->bytes[i / 8] |= (uint8_t)((bits >> i % 64 & 1) << (7 - i % 8));
		fwd_fib_stats(fib, &stats);
	} while (stats.route_cnt[run.family == 6] < run.prefix_cnt);
	return fib;
}

/* Every destination is drawn from a prefix that is there. */
static void
fill_gaps(void)
{
	for (uint32_t i = 0, last = 0; i < DST_CNT; i++) {
		if (dst[i].family != 0)
			last = i;
		else
			dst[i] = dst[dst[last].family != 0 ? last : 0];
	}
	for (uint32_t i = DST_CNT; i-- > 1;) {
		uint32_t j = (uint32_t)(draw() % (i + 1));
		struct fwd_addr swap = dst[i];
		dst[i] = dst[j];
		dst[j] = swap;
	}
	for (uint32_t i = 0; i < DST_CNT; i++) {
		if (dst[i].family == 0)
			dst[i] = dst[(i + 1) % DST_CNT];
	}
}

static uint16_t
checksum(const uint8_t *ip)
{
	uint32_t sum = 0;
	for (unsigned i = 0; i < 20; i += 2)
		sum += (uint32_t)ip[i] << 8 | ip[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t) ~((sum & 0xffff) + (sum >> 16));
}

static void
build(struct bh_pkt *pkt, const struct fwd_addr *to)
{
	static const uint8_t head4[] = {2, 0, 0,  0, 1, 0, 2, 0,  0,  0, 5, 5,   8,  0, 0x45,
	                                0, 0, 46, 0, 0, 0, 0, 64, 17, 0, 0, 100, 64, 0, 1};
	static const uint8_t head6[] = {2,  0,  0,  0,    1, 0,   2,    0, 0, 0, 5, 5, 0x86, 0xdd, 0x60, 0, 0, 0, 0,
	                                20, 17, 64, 0x20, 1, 0xd, 0xb8, 1, 0, 0, 0, 0, 0,    0,    0,    0, 0, 0, 1};
	if (run.family == 6) {
		memcpy(pkt->data, head6, sizeof(head6));
		memcpy(pkt->data + 38, to->bytes, 16);
		pkt->len_bytes = 74;
		return;
	}
	memcpy(pkt->data, head4, sizeof(head4));
	memcpy(pkt->data + 30, to->bytes, 4);
	uint16_t sum = checksum(pkt->data + 14);
	pkt->data[24] = (uint8_t)(sum >> 8);
	pkt->data[25] = (uint8_t)sum;
	pkt->len_bytes = 60;
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
	bool right =
	        (run.family == 4 || run.family == 6) && run.hop_cnt - 1 < HOPS_MAX && run.burst_cnt - 1 < FWD_BURST_MAX;
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
			build(ready[i], &dst[at++ % DST_CNT]);
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
	dst = calloc(DST_CNT, sizeof(*dst));
	if (dst == NULL || bh_hosted_start(1, ARENA_BYTES, ARENA_BYTES) != 0 ||
	    bh_pkt_pool_create(&pool_options, &pool) != 0)
		die("no memory");
	struct fwd_fib *fib = tables();
	fill_gaps();
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
