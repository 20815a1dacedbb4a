/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Millions of random changes against an oracle that shares no code with the fib: a binary trie, a bit a step. A failure
 * prints the seed; BULKHEAD_FUZZ_SEEDS=N runs N of them.
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "apps/fwd/host/fib.h"
#include "tests/xorshift.h"

#if defined(__SANITIZE_ADDRESS__)
#define CHANGE4_CNT 300000u
#define CHANGE6_CNT 100000u
#else
#define CHANGE4_CNT 9000000u /* 10 M in all */
#define CHANGE6_CNT 1000000u
#endif
#define LOOKUPS_PER_CHANGE 1u
#define HOP_CNT            200u

static uint64_t state;

static uint64_t
draw(void)
{
	return xorshift64(&state);
}

/* The oracle. Value 0: no route ends here. */
struct bit_node {
	uint32_t child[2];
	uint32_t value;
};

static struct bit_node *bits;
static uint32_t bit_cnt, bit_room;

static int
bit_of(const uint8_t *addr, unsigned i)
{
	return addr[i / 8] >> (7 - i % 8) & 1;
}

static void
oracle_set(const struct fwd_prefix *prefix, uint32_t value)
{
	uint32_t at = 0;
	for (unsigned i = 0; i < prefix->len; i++) {
		int bit = bit_of(prefix->addr.bytes, i);
		if (bits[at].child[bit] == 0) {
			if (bit_cnt == bit_room) {
				bit_room *= 2;
				bits = realloc(bits, bit_room * sizeof(*bits));
				assert_non_null(bits);
			}
			bits[bit_cnt] = (struct bit_node){0};
			bits[at].child[bit] = bit_cnt++;
		}
		at = bits[at].child[bit];
	}
	bits[at].value = value;
}

static uint32_t
oracle_lookup(const struct fwd_addr *addr)
{
	uint32_t at = 0, value = bits[0].value;
	for (unsigned i = 0; i < (addr->family == 6 ? 128 : 32); i++) {
		at = bits[at].child[bit_of(addr->bytes, i)];
		if (at == 0)
			break;
		value = bits[at].value != 0 ? bits[at].value : value;
	}
	return value;
}

/* Few enough different ones that prefixes lie inside of each other, and go and come again. */
static struct fwd_addr
draw_addr(uint8_t family)
{
	struct fwd_addr addr = {.family = family};
	uint64_t high = draw() & UINT64_C(0x0f070307070f070f), low = draw() & UINT64_C(0x0100000000000001);
	for (unsigned i = 0; i < 8; i++) {
		addr.bytes[i] = (uint8_t)(high >> 8 * i);
		addr.bytes[8 + i] = (uint8_t)(low >> 8 * i);
	}
	if (family == 4)
		memset(addr.bytes + 4, 0, 12);
	return addr;
}

static struct fwd_prefix
draw_prefix(uint8_t family)
{
	static const uint8_t often[] = {8, 16, 18, 20, 21, 22, 23, 24, 24, 24, 32, 32};
	static const uint8_t often6[] = {28, 29, 32, 32, 36, 40, 44, 48, 48, 48, 48, 64};
	unsigned bits_max = family == 6 ? 128 : 32, dice = (unsigned)(draw() % 4096);
	struct fwd_prefix prefix = {.addr = draw_addr(family)};
	/* Any length at times; hardly ever those that concern a large part of the tables. */
	if (dice == 0)
		prefix.len = (uint8_t)(draw() % (family == 6 ? 25 : 13));
	else if (dice < (family == 6 ? 100 : 800))
		prefix.len = (uint8_t)((family == 6 ? 25 : 13) + draw() % (bits_max - (family == 6 ? 24 : 12)));
	else
		prefix.len = family == 6 ? often6[draw() % sizeof(often6)] : often[draw() % sizeof(often)];
	for (unsigned i = prefix.len; i < bits_max; i++)
		prefix.addr.bytes[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
	return prefix;
}

/* A hop per value: the last two bytes of the gateway's MAC address say which. */
static struct fwd_hop
hop_of(uint32_t value)
{
	struct fwd_hop hop = {.interface = 1, .weight = 1, .gateway = {.family = 4}};
	hop.gateway.bytes[0] = 192;
	hop.gateway.bytes[2] = (uint8_t)(value >> 8);
	hop.gateway.bytes[3] = (uint8_t)value;
	return hop;
}

static void
change(struct fwd_fib *fib, uint8_t family)
{
	const struct fwd_prefix prefix = draw_prefix(family);
	uint32_t value = (uint32_t)(draw() % HOP_CNT) + 1;
	struct fwd_route there;
	bool is_there = fwd_fib_route_get(fib, &prefix, &there) == 0;
	if (draw() % 3 != 0) {
		const struct fwd_hop hop = hop_of(value);
		assert_int_equal(fwd_fib_route_set(fib, &prefix, FWD_FORWARD, &hop, 1), 0);
		oracle_set(&prefix, value);
	} else {
		int err = fwd_fib_route_del(fib, &prefix);
		assert_int_equal(err, is_there ? 0 : -2);
		if (is_there)
			oracle_set(&prefix, 0);
	}
}

static void
compare(const struct fwd_fib *fib, uint8_t family)
{
	const struct fwd_addr addr = draw_addr(family);
	uint64_t word = fwd_fib_lookup(fib, &addr, 0);
	uint32_t want = oracle_lookup(&addr);
	if (want == 0)
		assert_int_equal(fwd_adjacency_kind(word), FWD_NO_ROUTE);
	else
		assert_int_equal(fwd_adjacency_kind(word), FWD_FORWARD);
	if (want != 0)
		assert_int_equal((word >> 32 & 0xff) << 8 | (word >> 40 & 0xff), want);
}

static int
delete_all(void *context, const struct fwd_route *route)
{
	struct fwd_prefix **next = context;
	*(*next)++ = route->prefix;
	return 0;
}

static void
empty(struct fwd_fib *fib)
{
	struct fwd_fib_stats stats;
	fwd_fib_stats(fib, &stats);
	uint64_t cnt = stats.route_cnt[0] + stats.route_cnt[1];
	struct fwd_prefix *all = calloc(cnt + 1, sizeof(*all)), *next = all;
	assert_non_null(all);
	assert_int_equal(fwd_fib_route_each(fib, delete_all, &next), 0);
	assert_int_equal(next - all, cnt);
	for (uint64_t i = 0; i < cnt; i++)
		assert_int_equal(fwd_fib_route_del(fib, &all[i]), 0);
	free(all);
}

static void
run(uint8_t family, uint64_t seed, uint32_t change_cnt)
{
	const struct fwd_fib_options options = {.size_bytes = UINT64_C(256) << 20};
	struct bh_error error = {0};
	struct fwd_fib_stats stats;
	struct fwd_fib *fib;
	state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	assert_int_equal(fwd_fib_create(&options, &fib, &error), 0);
	bit_room = 1u << 16;
	bits = calloc(bit_room, sizeof(*bits));
	bit_cnt = 1;
	const struct fwd_interface interface = {.mac = {2}, .mtu_bytes = 1500, .up = 1};
	assert_int_equal(fwd_fib_interface_set(fib, 1, &interface), 0);
	for (uint32_t value = 1; value <= HOP_CNT; value++) {
		const struct fwd_hop hop = hop_of(value);
		const uint8_t mac[6] = {2, 0, 0, 0, (uint8_t)(value >> 8), (uint8_t)value};
		assert_int_equal(fwd_fib_neighbour_set(fib, 1, &hop.gateway, mac), 0);
	}
	for (uint32_t i = 0; i < change_cnt; i++) {
		change(fib, family);
		for (uint32_t j = 0; j < LOOKUPS_PER_CHANGE; j++)
			compare(fib, family);
		if (i % 64 == 0)
			fwd_fib_commit(fib);
	}
	fwd_fib_stats(fib, &stats);
	print_message("IPv%u, seed %lu: %u changes, %lu routes, %lu nodes\n", family, seed, change_cnt,
	              stats.route_cnt[family == 6], stats.node_cnt);
	empty(fib);
	fwd_fib_commit(fib);
	fwd_fib_stats(fib, &stats);
	assert_int_equal(stats.route_cnt[0] + stats.route_cnt[1], 0);
	assert_int_equal(stats.node_cnt, 0);
	assert_int_equal(stats.group_cnt, 0);
	free(bits);
	fwd_fib_free(fib);
}

static uint64_t
seed_cnt(void)
{
	const char *text = getenv("BULKHEAD_FUZZ_SEEDS");
	return text != NULL ? strtoull(text, NULL, 10) : 1;
}

static void
the_fib_says_what_the_oracle_says_of_ipv4(void **unused)
{
	for (uint64_t seed = 1; seed <= seed_cnt(); seed++)
		run(4, seed, CHANGE4_CNT);
}

static void
the_fib_says_what_the_oracle_says_of_ipv6(void **unused)
{
	for (uint64_t seed = 1; seed <= seed_cnt(); seed++)
		run(6, seed, CHANGE6_CNT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(the_fib_says_what_the_oracle_says_of_ipv4),
	        cmocka_unit_test(the_fib_says_what_the_oracle_says_of_ipv6),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
