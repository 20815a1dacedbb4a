/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/fwd/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/xorshift.h"

#define TABLE_BYTES (UINT64_C(128) << 20)

static uint64_t state = XORSHIFT_START;

static uint64_t
draw(void)
{
	return xorshift64(&state);
}

/* Lengths as in the Internet's table of 2024 (bgp.potaroo.net), in thousandths. */
static uint8_t
draw_len(uint32_t family)
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
		if (family == 4 && dice < v4[i].up_to)
			return v4[i].len;
		if (family == 6 && dice < v6[i].up_to)
			return v6[i].len;
	}
}

static struct fwd_prefix
draw_prefix(uint32_t family)
{
	struct fwd_prefix prefix = {.addr.family = (uint8_t)family, .len = draw_len(family)};
	uint64_t bits = draw();
	if (family == 4) {
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
	fprintf(stderr, "bench/fwd: %s\n", what);
	exit(1);
}

/* Every destination is drawn from a prefix that is there. */
static void
fill_gaps(struct fwd_addr *dst)
{
	for (uint32_t i = 0, last = 0; i < BENCH_DST_CNT; i++) {
		if (dst[i].family != 0)
			last = i;
		else
			dst[i] = dst[dst[last].family != 0 ? last : 0];
	}
	for (uint32_t i = BENCH_DST_CNT; i-- > 1;) {
		uint32_t j = (uint32_t)(draw() % (i + 1));
		struct fwd_addr swap = dst[i];
		dst[i] = dst[j];
		dst[j] = swap;
	}
	for (uint32_t i = 0; i < BENCH_DST_CNT; i++) {
		if (dst[i].family == 0)
			dst[i] = dst[(i + 1) % BENCH_DST_CNT];
	}
}

struct fwd_fib *
bench_table_fill(const struct bench_table *table)
{
	struct fwd_addr *const dst = table->dst;
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
	struct fwd_hop hop[BENCH_HOPS_MAX];
	for (uint32_t i = 0; i < table->hop_cnt; i++) {
		hop[i] = (struct fwd_hop){.interface = 2,
		                          .weight = 1,
		                          .gateway = {.family = 4, .bytes = {10, 0, (uint8_t)(i >> 8), (uint8_t)i}}};
		const uint8_t mac[6] = {2, 0, 0, 9, (uint8_t)(i >> 8), (uint8_t)i};
		if (fwd_fib_neighbour_set(fib, 2, &hop[i].gateway, mac) != 0)
			die("neighbour");
	}
	do {
		const struct fwd_prefix prefix = draw_prefix(table->family);
		uint64_t bits = draw();
		if (fwd_fib_route_set(fib, &prefix, FWD_FORWARD, &hop[bits % table->hop_cnt], 1) != 0)
			die("route: the tables are full");
		struct fwd_addr *addr = &dst[draw() % BENCH_DST_CNT];
		*addr = prefix.addr;
		for (unsigned i = prefix.len; i < (table->family == 4 ? 32 : 128); i++)
			addr->bytes[i / 8] |= (uint8_t)((bits >> i % 64 & 1) << (7 - i % 8));
		fwd_fib_stats(fib, &stats);
	} while (stats.route_cnt[table->family == 6] < table->prefix_cnt);
	fill_gaps(dst);
	return fib;
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

uint32_t
bench_frame_build(uint8_t *data, const struct fwd_addr *to)
{
	static const uint8_t head4[] = {2, 0, 0,  0, 1, 0, 2, 0,  0,  0, 5, 5,   8,  0, 0x45,
	                                0, 0, 46, 0, 0, 0, 0, 64, 17, 0, 0, 100, 64, 0, 1};
	static const uint8_t head6[] = {2,  0,  0,  0,    1, 0,   2,    0, 0, 0, 5, 5, 0x86, 0xdd, 0x60, 0, 0, 0, 0,
	                                20, 17, 64, 0x20, 1, 0xd, 0xb8, 1, 0, 0, 0, 0, 0,    0,    0,    0, 0, 0, 1};
	if (to->family == 6) {
		memcpy(data, head6, sizeof(head6));
		memcpy(data + 38, to->bytes, 16);
		return 74;
	}
	memcpy(data, head4, sizeof(head4));
	memcpy(data + 30, to->bytes, 4);
	uint16_t sum = checksum(data + 14);
	data[24] = (uint8_t)(sum >> 8);
	data[25] = (uint8_t)sum;
	return 60;
}
