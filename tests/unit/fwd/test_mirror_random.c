/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random changes of a kernel that is nothing but an array, some told late and some not at all, with dumps in between;
 * and messages of random bytes. BULKHEAD_FUZZ_SEEDS: more seeds than `make test` runs; a failure names its own.
 */
#include <errno.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/nexthop.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "apps/fwd/host/mirror_rib.h"
#include "tests/unit/fwd/list_fib.h"
#include "tests/unit/fwd/nl_build.h"

#define PREFIXES  12u
#define METRICS   3u
#define STEPS     400u
#define QUEUE_MAX 64u
#define MESSAGES  300u

enum { P0 = 3, P1 = 4 };

static const char port_name[2][IF_NAMESIZE] = {"p0", "p1"};
static struct nl_build build;
static struct fwd_nl_event event;
static struct fwd_fib *fib;
static struct fwd_rib rib;
static uint64_t state_of_seed;

static uint32_t
draw(uint32_t below)
{
	state_of_seed ^= state_of_seed << 13;
	state_of_seed ^= state_of_seed >> 7;
	state_of_seed ^= state_of_seed << 17;
	return (uint32_t)((state_of_seed >> 11) % below);
}

static int
feed(enum fwd_rib_source source)
{
	int err = fwd_nl_parse(&build.message, &event);
	if (err == 0)
		assert_int_equal(fwd_rib_apply(&rib, &event, source), 0);
	return err;
}

static void
start(uint64_t seed)
{
	state_of_seed = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
	fib = list_fib_new();
	assert_non_null(fib);
	const struct fwd_rib_options options = {.fib = fib, .port = port_name, .port_cnt = 2};
	assert_int_equal(fwd_rib_init(&rib, &options), 0);
	for (int i = 0; i < 2; i++) {
		struct ifinfomsg *info = nl_begin(&build, RTM_NEWLINK, 0, sizeof(*info));
		info->ifi_index = P0 + i;
		info->ifi_flags = IFF_UP | IFF_RUNNING;
		nl_attr(&build, IFLA_IFNAME, port_name[i], 3);
		nl_attr(&build, IFLA_ADDRESS, "\2\0\0\0\0\1", 6);
		assert_int_equal(feed(FWD_RIB_EVENT), 0);
	}
}

static void
finish(void)
{
	fwd_rib_free(&rib);
	free(fib);
}

/* What the kernel has: for each prefix and metric the last byte of the gateway, or 0: no route. */
static uint8_t kernel[PREFIXES][METRICS];

struct change {
	uint8_t prefix, metric, gateway;
	bool deleted, replace;
};

/* Half of the prefixes are of IPv6, with gateways that would join: replaced, never added to. */
static void
message_of(const struct change *change)
{
	bool v6 = change->prefix % 2 != 0;
	const uint8_t dst[16] = {0x20, change->prefix}, gateway[16] = {0xfe, 0x80, 1, change->gateway};
	nl_route(&build, change->deleted ? RTM_DELROUTE : RTM_NEWROUTE, change->replace ? NLM_F_REPLACE : NLM_F_EXCL,
	         v6 ? AF_INET6 : AF_INET, dst, 16, change->metric + 1u);
	nl_attr32(&build, RTA_OIF, P0 + change->gateway % 2u);
	nl_attr(&build, RTA_GATEWAY, gateway, v6 ? 16 : 4);
}

static struct change queue[QUEUE_MAX];
static uint32_t queue_cnt;

/* The next event, if the kernel has told one that was not read yet. */
static void
read_event(void)
{
	if (queue_cnt == 0)
		return;
	message_of(&queue[0]);
	memmove(queue, queue + 1, --queue_cnt * sizeof(queue[0]));
	assert_int_equal(feed(FWD_RIB_EVENT), 0);
}

static void
change_kernel(bool lossy)
{
	struct change change = {.prefix = (uint8_t)draw(PREFIXES), .metric = (uint8_t)draw(METRICS)};
	uint8_t *is = &kernel[change.prefix][change.metric];
	change.replace = *is != 0;
	change.deleted = *is != 0 && draw(2) == 0;
	change.gateway = change.deleted ? *is : (uint8_t)(1 + draw(200));
	*is = change.deleted ? 0 : change.gateway;
	while (queue_cnt == QUEUE_MAX)
		read_event();
	if (!lossy || draw(8) != 0)
		queue[queue_cnt++] = change;
}

/* Dump a family as a kernel does: each route as it is when its turn comes. */
static uint64_t
dump(bool v6, bool busy)
{
	enum fwd_rib_class class = v6 ? FWD_RIB_ROUTE6 : FWD_RIB_ROUTE4;
	fwd_rib_dump_begin(&rib, class);
	for (uint8_t p = v6 ? 1 : 0; p < PREFIXES; p += 2) {
		for (uint8_t m = 0; m < METRICS; m++) {
			if (busy && draw(2) == 0)
				change_kernel(false);
			if (busy && draw(2) == 0)
				read_event();
			if (kernel[p][m] == 0)
				continue;
			message_of(&(struct change){.prefix = p, .metric = m, .gateway = kernel[p][m]});
			assert_int_equal(feed(FWD_RIB_DUMP), 0);
		}
	}
	uint64_t doubt_cnt = fwd_rib_dump_end(&rib, class);
	while (queue_cnt != 0)
		read_event();
	uint64_t diff_cnt = fwd_rib_dump_settle(&rib, class);
	fwd_rib_commit(&rib);
	assert_true(busy || doubt_cnt == 0);
	return diff_cnt;
}

static void
fib_is_kernel(uint64_t seed)
{
	uint32_t there_cnt = 0;
	for (uint8_t p = 0; p < PREFIXES; p++) {
		struct fwd_prefix prefix = {.addr = {.family = p % 2 != 0 ? 6 : 4, .bytes = {0x20, p}}, .len = 16};
		struct fwd_route route;
		uint8_t wanted = 0;
		for (uint8_t m = 0; m < METRICS && wanted == 0; m++)
			wanted = kernel[p][m];
		int err = fwd_fib_route_get(fib, &prefix, &route);
		there_cnt += wanted != 0;
		if (err != (wanted != 0 ? 0 : -ENOENT) || (err == 0 && route.hop[0].gateway.bytes[3] != wanted))
			fail_msg("seed %llu: prefix %u", (unsigned long long)seed, p);
	}
	assert_int_equal(fib->route_cnt, there_cnt);
}

static void
one_kernel(uint64_t seed)
{
	start(seed);
	memset(kernel, 0, sizeof(kernel));
	queue_cnt = 0;
	for (uint32_t i = 0; i < STEPS; i++) {
		change_kernel(false);
		if (draw(3) != 0)
			read_event();
		if (draw(20) != 0)
			continue;
		/* Nothing was lost: whatever comes between, no difference, but for what is dumped before it is told. */
		if (dump(draw(2) != 0, true) != 0)
			fail_msg("seed %llu: a difference without a loss", (unsigned long long)seed);
	}
	while (queue_cnt != 0)
		read_event();
	fib_is_kernel(seed);
	for (uint32_t i = 0; i < STEPS; i++) {
		change_kernel(true);
		read_event();
	}
	while (queue_cnt != 0)
		read_event();
	(void)!dump(false, false);
	(void)!dump(true, false);
	fib_is_kernel(seed);
	if (dump(false, false) + dump(true, false) != 0)
		fail_msg("seed %llu: not healed", (unsigned long long)seed);
	finish();
}

static uint64_t
seed_cnt(uint64_t preset)
{
	const char *more = getenv("BULKHEAD_FUZZ_SEEDS");
	return more != NULL ? strtoull(more, NULL, 10) : preset;
}

static void
test_random_changes(void **state)
{
	for (uint64_t seed = 1; seed <= seed_cnt(100); seed++)
		one_kernel(seed);
}

/* A message whose parts are plausible and whose whole is not. */
static void
random_message(void)
{
	static const uint16_t type[] = {RTM_NEWROUTE, RTM_DELROUTE,   RTM_NEWLINK,    RTM_DELLINK,
	                                RTM_NEWNEIGH, RTM_DELNEIGH,   RTM_NEWADDR,    RTM_NEWRULE,
	                                RTM_DELRULE,  RTM_NEWNEXTHOP, RTM_DELNEXTHOP, RTM_NEWNETCONF};
	static const uint8_t header_bytes[] = {sizeof(struct rtmsg), 4, 8, 12, 16, 20};
	static const uint8_t family[] = {AF_INET, AF_INET6, 0, 255};
	uint8_t value[64];
	uint8_t *header = nl_begin(&build, type[draw(BH_ARRAY_CNT(type))], (uint16_t)draw(0x1000),
	                           header_bytes[draw(BH_ARRAY_CNT(header_bytes))]);
	header[0] = family[draw(BH_ARRAY_CNT(family))];
	for (unsigned i = 1; i < 16; i++)
		header[i] = (uint8_t)(draw(4) != 0 ? draw(6) : draw(256));
	for (unsigned i = draw(8); i != 0; i--) {
		for (unsigned b = 0; b < sizeof(value); b++)
			value[b] = (uint8_t)(draw(3) != 0 ? draw(6) : draw(256));
		nl_attr(&build, (uint16_t)draw(draw(8) != 0 ? 32 : 65536), value,
		        draw(2) != 0 ? 4 : draw(sizeof(value)));
	}
	/* A few bytes are something else, and the end is sometimes nearer. */
	for (unsigned i = draw(4); i != 0; i--)
		build.bytes[NLMSG_HDRLEN + draw(build.message.nlmsg_len - NLMSG_HDRLEN)] = (uint8_t)draw(256);
	if (draw(4) == 0)
		build.message.nlmsg_len = NLMSG_HDRLEN + draw(build.message.nlmsg_len - NLMSG_HDRLEN + 1);
}

/* In a copy that ends where the message ends, so that the sanitizers see a step too far. */
static void
feed_copy(enum fwd_rib_source source)
{
	struct nlmsghdr *copy = malloc(build.message.nlmsg_len);
	assert_non_null(copy);
	memcpy(copy, &build, build.message.nlmsg_len);
	int err = fwd_nl_parse(copy, &event);
	assert_true(err == 0 || err == -EPROTO || err == -ENOMSG);
	if (err == 0)
		assert_int_equal(fwd_rib_apply(&rib, &event, source), 0);
	free(copy);
}

static void
test_random_messages(void **state)
{
	for (uint64_t seed = 1; seed <= seed_cnt(100); seed++) {
		start(seed);
		for (unsigned i = 0; i < MESSAGES; i++) {
			enum fwd_rib_class class = draw(FWD_RIB_CLASS_CNT);
			if (draw(16) == 0)
				fwd_rib_dump_begin(&rib, class);
			random_message();
			feed_copy(draw(3) == 0 ? FWD_RIB_DUMP : FWD_RIB_EVENT);
			if (rib.table[class].dumping && draw(4) == 0) {
				(void)!fwd_rib_dump_end(&rib, class);
				(void)!fwd_rib_dump_settle(&rib, class);
			}
			if (draw(4) == 0)
				fwd_rib_commit(&rib);
		}
		finish();
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_random_changes),
	        cmocka_unit_test(test_random_messages),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
