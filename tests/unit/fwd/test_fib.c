/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "apps/fwd/host/fib.h"

static struct fwd_fib *fib;
static struct fwd_core_line core_line;

static int
setup(void **unused)
{
	const struct fwd_fib_options options = {.size_bytes = FWD_TABLE_BYTES_MIN, .core = &core_line, .core_cnt = 1};
	struct bh_error error = {0};
	core_line.epoch = FWD_EPOCH_OFFLINE;
	return fwd_fib_create(&options, &fib, &error);
}

static int
teardown(void **unused)
{
	fwd_fib_free(fib);
	return 0;
}

static struct fwd_addr
addr_of(const char *text)
{
	struct fwd_addr addr = {.family = strchr(text, ':') != NULL ? 6 : 4};
	assert_int_equal(inet_pton(addr.family == 6 ? AF_INET6 : AF_INET, text, addr.bytes), 1);
	return addr;
}

static struct fwd_prefix
prefix_of(const char *text)
{
	char addr[64];
	unsigned len;
	assert_int_equal(sscanf(text, "%63[^/]/%u", addr, &len), 2);
	return (struct fwd_prefix){.addr = addr_of(addr), .len = (uint8_t)len};
}

static void
interface(uint8_t idx, uint8_t port)
{
	const struct fwd_interface record = {.mac = {2, 0, 0, 0, 0, port}, .mtu_bytes = 1500, .port = port, .up = 1};
	assert_int_equal(fwd_fib_interface_set(fib, idx, &record), 0);
}

static int
route(const char *prefix_text, uint8_t out, const char *gateway)
{
	const struct fwd_prefix prefix = prefix_of(prefix_text);
	struct fwd_hop hop = {.interface = out, .weight = 1};
	if (gateway != NULL)
		hop.gateway = addr_of(gateway);
	return fwd_fib_route_set(fib, &prefix, FWD_FORWARD, &hop, 1);
}

static void
route_del(const char *text)
{
	const struct fwd_prefix prefix = prefix_of(text);
	assert_int_equal(fwd_fib_route_del(fib, &prefix), 0);
}

static void
neighbour(uint8_t out, const char *text, uint8_t last)
{
	const struct fwd_addr addr = addr_of(text);
	const uint8_t mac[6] = {2, 1, 1, 1, 1, last};
	assert_int_equal(fwd_fib_neighbour_set(fib, out, &addr, mac), 0);
}

static uint64_t
look(const char *text, uint32_t hash)
{
	const struct fwd_addr addr = addr_of(text);
	return fwd_fib_lookup(fib, &addr, hash);
}

static enum fwd_kind
kind_of(const char *text)
{
	return fwd_adjacency_kind(look(text, 0));
}

/* Forwarded out of that port to the MAC address that ends in `last`. */
static void
expect_to(const char *text, uint8_t port, uint8_t last)
{
	uint64_t word = look(text, 0);
	assert_int_equal(fwd_adjacency_kind(word), FWD_FORWARD);
	assert_int_equal(word >> 40 & 0xff, last);
	assert_int_equal(fwd_fib_tables(fib)->interface[fwd_adjacency_interface(word)].port, port);
}

static void
sizes_that_make_no_sense_are_refused(void **unused)
{
	struct bh_error error = {0};
	struct fwd_fib *other;
	struct fwd_fib_options options = {.size_bytes = 1u << 20};
	assert_int_equal(fwd_fib_create(&options, &other, &error), -EINVAL);
	assert_string_equal(error.id, "E340");
	options.size_bytes = FWD_TABLE_BYTES_MIN + 4096;
	assert_int_equal(fwd_fib_create(&options, &other, &error), -EINVAL);
}

static void
routes_that_make_no_sense_are_refused(void **unused)
{
	struct fwd_prefix prefix = prefix_of("10.0.0.1/24");
	const struct fwd_hop hop = {.interface = 1, .weight = 1}, nowhere = {.weight = 1},
	                     weightless = {.interface = 1};
	assert_int_equal(fwd_fib_route_set(fib, &prefix, FWD_FORWARD, &hop, 1), -EINVAL);
	prefix = prefix_of("10.0.0.0/24");
	assert_int_equal(fwd_fib_route_set(fib, &prefix, FWD_FORWARD, &hop, 0), -EINVAL);
	assert_int_equal(fwd_fib_route_set(fib, &prefix, FWD_BLACKHOLE, &hop, 1), -EINVAL);
	assert_int_equal(fwd_fib_route_set(fib, &prefix, FWD_FORWARD, &nowhere, 1), -EINVAL);
	assert_int_equal(fwd_fib_route_set(fib, &prefix, FWD_FORWARD, &weightless, 1), -EINVAL);
	assert_int_equal(fwd_fib_route_set(fib, &prefix, FWD_FORWARD, &hop, FWD_HOPS_MAX + 1), -EINVAL);
	prefix.len = 33;
	assert_int_equal(fwd_fib_route_set(fib, &prefix, FWD_BLACKHOLE, NULL, 0), -EINVAL);
	prefix = prefix_of("10.0.0.0/24");
	prefix.addr.bytes[9] = 1;
	assert_int_equal(fwd_fib_route_set(fib, &prefix, FWD_BLACKHOLE, NULL, 0), -EINVAL);
	prefix.addr.family = 5;
	assert_int_equal(fwd_fib_route_set(fib, &prefix, FWD_BLACKHOLE, NULL, 0), -EINVAL);
	assert_int_equal(fwd_fib_route_del(fib, &prefix), -ENOENT);
}

static void
damaged_tables_are_refused(void **unused)
{
	static union {
		struct fwd_header header;
		uint8_t bytes[4096];
	} memory;
	struct fwd_tables tables;
	const uint64_t bytes = fwd_fib_bytes(fib);
	const struct fwd_header good = *fwd_fib_tables(fib)->header;
	assert_int_equal(fwd_tables_open(&good, sizeof(good) - 1, &tables), -EPROTO);
	for (unsigned i = 0; i < 7; i++) {
		memory.header = good;
		(&memory.header.root4_offset)[i] = i % 2 == 0 ? bytes - 64 : 1000001;
		assert_int_equal(fwd_tables_open(&memory, bytes, &tables), -EPROTO);
	}
	memory.header = good;
	memory.header.version++;
	assert_int_equal(fwd_tables_open(&memory, bytes, &tables), -EPROTO);
	memory.header = good;
	memory.header.node_cnt++;
	assert_int_equal(fwd_tables_open(&memory, bytes, &tables), -EPROTO);
	memory.header = good;
	assert_int_equal(fwd_tables_open(&memory, bytes - 1, &tables), -EPROTO);
	assert_int_equal(fwd_tables_open(&memory, bytes, &tables), 0);
}

static void
a_neighbour_may_come_late_and_go_early(void **unused)
{
	interface(1, 0);
	assert_int_equal(route("0.0.0.0/0", 1, "192.0.2.1"), 0);
	assert_int_equal(kind_of("8.8.8.8"), FWD_GLEAN);
	neighbour(1, "192.0.2.1", 7);
	expect_to("8.8.8.8", 0, 7);
	neighbour(1, "192.0.2.1", 8);
	expect_to("8.8.8.8", 0, 8);
	const struct fwd_addr gone = addr_of("192.0.2.1");
	assert_int_equal(fwd_fib_neighbour_del(fib, 1, &gone), 0);
	assert_int_equal(fwd_fib_neighbour_del(fib, 1, &gone), -ENOENT);
	assert_int_equal(kind_of("8.8.8.8"), FWD_GLEAN);
}

/* Linux looks the route up first, and only then whose address it is. */
static void
a_neighbour_is_reached_directly_only_where_the_route_says_so(void **unused)
{
	interface(1, 0);
	interface(2, 1);
	neighbour(1, "10.0.0.5", 5);
	neighbour(2, "10.9.9.9", 9);
	assert_int_equal(kind_of("10.0.0.5"), FWD_NO_ROUTE);
	assert_int_equal(route("10.0.0.0/24", 1, NULL), 0);
	expect_to("10.0.0.5", 0, 5);
	assert_int_equal(kind_of("10.0.0.6"), FWD_GLEAN);
	assert_int_equal(route("10.0.0.0/28", 2, "10.9.9.9"), 0);
	expect_to("10.0.0.5", 1, 9);
	route_del("10.0.0.0/28");
	expect_to("10.0.0.5", 0, 5);
	assert_int_equal(route("10.0.0.5/32", 2, "10.9.9.9"), 0);
	expect_to("10.0.0.5", 1, 9);
	assert_int_equal(route("10.0.0.5/32", 1, NULL), 0);
	expect_to("10.0.0.5", 0, 5);
	route_del("10.0.0.5/32");
	expect_to("10.0.0.5", 0, 5);
	/* The same network moves to the other interface, where nobody has that address. */
	assert_int_equal(route("10.0.0.0/24", 2, NULL), 0);
	assert_int_equal(kind_of("10.0.0.5"), FWD_GLEAN);
	neighbour(2, "10.0.0.5", 6);
	expect_to("10.0.0.5", 1, 6);
	route_del("10.0.0.0/24");
	assert_int_equal(kind_of("10.0.0.5"), FWD_NO_ROUTE);
}

static void
link_local_neighbours_are_gateways_only(void **unused)
{
	interface(1, 0);
	assert_int_equal(route("fe80::/64", 1, NULL), 0);
	neighbour(1, "fe80::1", 1);
	assert_int_equal(kind_of("fe80::1"), FWD_GLEAN);
	assert_int_equal(route("2001:db8::/32", 1, "fe80::1"), 0);
	expect_to("2001:db8:1::1", 0, 1);
	/* RFC 8950: IPv4 by way of an IPv6 neighbour. */
	assert_int_equal(route("10.0.0.0/8", 1, "fe80::1"), 0);
	expect_to("10.1.2.3", 0, 1);
}

static void
an_interface_changes_and_goes(void **unused)
{
	struct fwd_interface record = {.mac = {2, 9}, .mtu_bytes = 9000, .port = 3, .vlan = 7, .up = 1};
	interface(1, 0);
	assert_int_equal(route("10.0.0.0/8", 1, "192.0.2.1"), 0);
	neighbour(1, "192.0.2.1", 7);
	assert_int_equal(fwd_fib_interface_set(fib, 2, &(struct fwd_interface){.port = 0}), -EEXIST);
	assert_int_equal(fwd_fib_interface_set(fib, 0, &record), -EINVAL);
	record.vlan = 4096;
	assert_int_equal(fwd_fib_interface_set(fib, 1, &record), -EINVAL);
	record.vlan = 7;
	assert_int_equal(fwd_fib_interface_set(fib, 1, &record), 0);
	expect_to("10.0.0.1", 3, 7);
	const struct fwd_tables *tables = fwd_fib_tables(fib);
	assert_int_equal(tables->ingress[0][0], 0);
	assert_int_equal(tables->interface[tables->ingress[3][7]].mtu_bytes, 9000);
	fwd_fib_interface_del(fib, 1);
	assert_int_equal(kind_of("10.0.0.1"), FWD_NO_ROUTE);
	assert_int_equal(tables->ingress[3][7], 0);
	/* It comes again: the route is still there, the neighbour is not. */
	interface(1, 2);
	assert_int_equal(kind_of("10.0.0.1"), FWD_GLEAN);
}

static void
several_ways_share_by_weight(void **unused)
{
	const struct fwd_prefix prefix = prefix_of("10.0.0.0/8");
	const struct fwd_hop hop[3] = {{.interface = 1, .weight = 1, .gateway = addr_of("192.0.2.1")},
	                               {.interface = 1, .weight = 2, .gateway = addr_of("192.0.2.2")},
	                               {.interface = 1, .weight = 5, .gateway = addr_of("192.0.2.3")}};
	unsigned cnt[4] = {0};
	interface(1, 0);
	neighbour(1, "192.0.2.1", 1);
	neighbour(1, "192.0.2.2", 2);
	neighbour(1, "192.0.2.3", 3);
	assert_int_equal(fwd_fib_route_set(fib, &prefix, FWD_FORWARD, hop, 3), 0);
	for (uint32_t hash = 0; hash < 3200; hash++)
		cnt[look("10.1.1.1", hash) >> 40 & 3]++;
	assert_int_equal(cnt[1], 400);
	assert_int_equal(cnt[2], 800);
	assert_int_equal(cnt[3], 2000);
	/* A hop that is not known is gleaned; the others go on. */
	const struct fwd_addr gone = addr_of("192.0.2.3");
	assert_int_equal(fwd_fib_neighbour_del(fib, 1, &gone), 0);
	cnt[0] = 0;
	for (uint32_t hash = 0; hash < 32; hash++)
		cnt[0] += fwd_adjacency_kind(look("10.1.1.1", hash)) == FWD_GLEAN;
	assert_int_equal(cnt[0], 20);
}

static void
kinds_without_hops_say_what_they_are(void **unused)
{
	static const enum fwd_kind kinds[] = {FWD_HOST, FWD_BLACKHOLE, FWD_UNREACHABLE, FWD_PROHIBIT, FWD_NO_ROUTE};
	struct fwd_prefix prefix = prefix_of("2001:db8::/32");
	for (unsigned i = 0; i < BH_ARRAY_CNT(kinds); i++) {
		assert_int_equal(fwd_fib_route_set(fib, &prefix, kinds[i], NULL, 0), 0);
		assert_int_equal(kind_of("2001:db8::1"), kinds[i]);
	}
}

static void
full_tables_say_so_and_stay_right(void **unused)
{
	struct fwd_fib_stats stats;
	struct fwd_prefix prefix = {.addr = {.family = 6}, .len = 128};
	uint32_t cnt = 0;
	int err = 0;
	assert_int_equal(fwd_fib_route_set(fib, &(struct fwd_prefix){.addr = {.family = 6}}, FWD_BLACKHOLE, NULL, 0),
	                 0);
	for (; err == 0 && cnt < 100000; cnt++) {
		prefix.addr.bytes[0] = (uint8_t)(cnt >> 8);
		prefix.addr.bytes[1] = (uint8_t)cnt;
		prefix.addr.bytes[2] = (uint8_t)(cnt >> 12 & 0xf0);
		err = fwd_fib_route_set(fib, &prefix, FWD_PROHIBIT, NULL, 0);
	}
	assert_int_equal(err, -ENOSPC);
	fwd_fib_stats(fib, &stats);
	assert_int_equal(stats.full_cnt, 1);
	assert_int_equal(stats.route_cnt[1], cnt);
	assert_true(stats.node_cnt_max - stats.node_cnt < 27);
	assert_int_equal(fwd_adjacency_kind(fwd_fib_lookup(fib, &prefix.addr, 0)), FWD_BLACKHOLE);
	struct fwd_route there;
	assert_int_equal(fwd_fib_route_get(fib, &prefix, &there), -ENOENT);
	fwd_fib_mark(fib);
	assert_int_equal(fwd_fib_sweep(fib), cnt);
	fwd_fib_stats(fib, &stats);
	assert_int_equal(stats.node_cnt, 0);
}

static void
nothing_is_used_again_before_all_cores_have_passed(void **unused)
{
	struct fwd_fib_stats stats;
	core_line.epoch = fwd_fib_tables(fib)->header->epoch;
	assert_int_equal(route("10.0.0.0/24", 1, "192.0.2.1"), 0);
	route_del("10.0.0.0/24");
	fwd_fib_commit(fib);
	fwd_fib_stats(fib, &stats);
	assert_int_equal(stats.node_cnt, 1);
	assert_int_equal(stats.node_waiting_cnt, 1);
	core_line.epoch = fwd_fib_tables(fib)->header->epoch;
	fwd_fib_commit(fib);
	fwd_fib_stats(fib, &stats);
	assert_int_equal(stats.node_cnt, 0);
	assert_int_equal(stats.adjacency_cnt, 0);
}

static void
marks_find_what_is_gone(void **unused)
{
	struct fwd_route there;
	const struct fwd_prefix old = prefix_of("10.0.0.0/8");
	interface(1, 0);
	assert_int_equal(route("10.0.0.0/8", 1, NULL), 0);
	assert_int_equal(route("11.0.0.0/8", 1, NULL), 0);
	neighbour(1, "10.0.0.1", 1);
	neighbour(1, "11.0.0.1", 2);
	fwd_fib_mark(fib);
	fwd_fib_neighbour_mark(fib);
	assert_int_equal(route("11.0.0.0/8", 1, NULL), 0);
	neighbour(1, "11.0.0.1", 2);
	assert_int_equal(fwd_fib_sweep(fib), 1);
	assert_int_equal(fwd_fib_neighbour_sweep(fib), 1);
	assert_int_equal(fwd_fib_route_get(fib, &old, &there), -ENOENT);
	assert_int_equal(kind_of("10.0.0.1"), FWD_NO_ROUTE);
	expect_to("11.0.0.1", 0, 2);
}

/* A reader that never stops looking: a permanent route below one that comes and goes is always there. */
struct reader {
	bool stop;
	uint64_t look_cnt, wrong_cnt;
};

static void *
read_main(void *context)
{
	struct reader *reader = context;
	const struct fwd_tables *tables = fwd_fib_tables(fib);
	while (!__atomic_load_n(&reader->stop, __ATOMIC_ACQUIRE)) {
		uint64_t epoch = __atomic_load_n(&tables->header->epoch, __ATOMIC_ACQUIRE);
		__atomic_store_n(&core_line.epoch, epoch, __ATOMIC_RELEASE);
		for (uint32_t i = 0; i < 256; i++) {
			uint32_t leaf = fwd_lookup4(tables, 0x0a000000u | i << 8 | 1);
			enum fwd_kind kind = fwd_adjacency_kind(fwd_adjacency(tables, leaf, i));
			reader->wrong_cnt += kind != FWD_HOST && kind != FWD_PROHIBIT && kind != FWD_GLEAN;
			reader->look_cnt++;
		}
	}
	__atomic_store_n(&core_line.epoch, FWD_EPOCH_OFFLINE, __ATOMIC_RELEASE);
	return NULL;
}

/* What is out of use waits for the reader, which may not have run for a while on a busy machine: give it the time. */
static int
set_when_there_is_room(const struct fwd_prefix *prefix, enum fwd_kind kind, const struct fwd_hop *hop, uint32_t hop_cnt)
{
	int err = -ENOSPC;
	for (unsigned i = 0; i < 60000 && err == -ENOSPC; i++) {
		err = fwd_fib_route_set(fib, prefix, kind, hop, hop_cnt);
		if (err != -ENOSPC)
			break;
		usleep(1000);
		fwd_fib_commit(fib);
	}
	return err;
}

static void
a_reader_sees_the_old_way_or_the_new_one(void **unused)
{
	struct reader reader = {0};
	pthread_t thread;
	struct fwd_prefix prefix = prefix_of("10.0.0.0/8");
	interface(1, 0);
	assert_int_equal(fwd_fib_route_set(fib, &prefix, FWD_HOST, NULL, 0), 0);
	assert_int_equal(pthread_create(&thread, NULL, read_main, &reader), 0);
	for (uint32_t i = 0; i < 200000; i++) {
		const struct fwd_hop hop[2] = {
		        {.interface = 1, .weight = 1, .gateway = {.family = 4, .bytes = {192, 0, 2, (uint8_t)i}}},
		        {.interface = 1, .weight = 1, .gateway = {.family = 4, .bytes = {192, 0, 3, (uint8_t)i}}}};
		prefix.addr.bytes[1] = 0;
		prefix.addr.bytes[2] = (uint8_t)(i * 7);
		prefix.len = 24;
		if (i % 3 == 0)
			assert_int_equal(set_when_there_is_room(&prefix, FWD_PROHIBIT, NULL, 0), 0);
		else if (i % 3 == 1)
			assert_int_equal(set_when_there_is_room(&prefix, FWD_FORWARD, hop, 2), 0);
		else
			(void)!fwd_fib_route_del(fib, &prefix);
		if (i % 16 == 0)
			fwd_fib_commit(fib);
	}
	__atomic_store_n(&reader.stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	assert_int_equal(reader.wrong_cnt, 0);
	assert_true(reader.look_cnt > 0);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	        TEST(sizes_that_make_no_sense_are_refused),
	        TEST(routes_that_make_no_sense_are_refused),
	        TEST(damaged_tables_are_refused),
	        TEST(full_tables_say_so_and_stay_right),
	        TEST(a_neighbour_may_come_late_and_go_early),
	        TEST(a_neighbour_is_reached_directly_only_where_the_route_says_so),
	        TEST(link_local_neighbours_are_gateways_only),
	        TEST(an_interface_changes_and_goes),
	        TEST(several_ways_share_by_weight),
	        TEST(kinds_without_hops_say_what_they_are),
	        TEST(nothing_is_used_again_before_all_cores_have_passed),
	        TEST(marks_find_what_is_gone),
	        TEST(a_reader_sees_the_old_way_or_the_new_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
