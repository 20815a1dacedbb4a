/* SPDX-License-Identifier: Apache-2.0 */
/* What the fib is told, by messages made by hand: late ones, lost ones, those that contradict each other. */
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/netconf.h>
#include <linux/nexthop.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "apps/fwd/host/mirror_rib.h"
#include "tests/unit/fwd/list_fib.h"
#include "tests/unit/fwd/nl_build.h"

enum { P0 = 3, P1 = 4, ETH = 5 }; /* interface indexes; the third is none of ours */

static const char port_name[2][IF_NAMESIZE] = {"p0", "p1"};
static const uint8_t net4[4] = {10, 1, 2, 0}, net6[16] = {0x20, 0x01, 0x0d, 0xb8};
static struct nl_build build;
static struct fwd_nl_event event;
static struct fwd_fib *fib;
static struct fwd_rib rib;
static uint32_t asked_cnt;
static struct fwd_nl_neighbour asked;

static void
ask(void *context, const struct fwd_nl_neighbour *neighbour)
{
	asked_cnt++;
	asked = *neighbour;
}

static void
feed(enum fwd_rib_source source)
{
	assert_int_equal(fwd_nl_parse(&build.message, &event), 0);
	assert_int_equal(fwd_rib_apply(&rib, &event, source), 0);
	fwd_rib_commit(&rib);
}

static void
link_is(uint16_t type, int ifindex, const char *name, uint16_t vlan, uint32_t flags)
{
	const uint8_t mac[6] = {2, 0, 0, 0, 0, (uint8_t)ifindex};
	struct ifinfomsg *info = nl_begin(&build, type, 0, sizeof(*info));
	info->ifi_index = ifindex;
	info->ifi_flags = flags;
	nl_attr(&build, IFLA_IFNAME, name, strlen(name) + 1);
	nl_attr(&build, IFLA_ADDRESS, mac, sizeof(mac));
	nl_attr32(&build, IFLA_MTU, 1500);
	if (vlan != 0) {
		nl_attr32(&build, IFLA_LINK, P0);
		uint32_t nest = nl_nest(&build, IFLA_LINKINFO);
		nl_attr(&build, IFLA_INFO_KIND, "vlan", sizeof("vlan"));
		uint32_t data = nl_nest(&build, IFLA_INFO_DATA);
		nl_attr(&build, IFLA_VLAN_ID, &vlan, sizeof(vlan));
		nl_nest_end(&build, data);
		nl_nest_end(&build, nest);
	}
	feed(FWD_RIB_EVENT);
}

static void
links_are_up(void)
{
	link_is(RTM_NEWLINK, P0, "p0", 0, IFF_UP | IFF_RUNNING);
	link_is(RTM_NEWLINK, P1, "p1", 0, IFF_UP | IFF_RUNNING);
	link_is(RTM_NEWLINK, ETH, "eth0", 0, IFF_UP | IFF_RUNNING);
}

static int
setup(void **state)
{
	asked_cnt = 0;
	fib = list_fib_new();
	assert_non_null(fib);
	const struct fwd_rib_options options = {.fib = fib, .port = port_name, .port_cnt = 2, .ask = ask};
	assert_int_equal(fwd_rib_init(&rib, &options), 0);
	links_are_up();
	return 0;
}

static int
teardown(void **state)
{
	fwd_rib_free(&rib);
	free(fib);
	return 0;
}

/* A route of one hop, 192.0.2.`host` over a link; priority is its metric. */
static void
via4(uint16_t type, uint16_t flags, uint32_t priority, int ifindex, uint8_t host)
{
	const uint8_t gateway[4] = {192, 0, 2, host};
	nl_route(&build, type, flags, AF_INET, net4, 24, priority);
	nl_attr32(&build, RTA_OIF, (uint32_t)ifindex);
	nl_attr(&build, RTA_GATEWAY, gateway, sizeof(gateway));
}

static void
via6(uint16_t type, uint16_t flags, int ifindex, uint8_t host)
{
	const uint8_t gateway[16] = {0xfe, 0x80, [15] = host};
	nl_route(&build, type, flags, AF_INET6, net6, 48, 1024);
	nl_attr32(&build, RTA_OIF, (uint32_t)ifindex);
	if (host != 0)
		nl_attr(&build, RTA_GATEWAY, gateway, sizeof(gateway));
}

static const struct fwd_route *
told(uint8_t family)
{
	static struct fwd_route route;
	struct fwd_prefix prefix = {.addr.family = family, .len = family == 4 ? 24 : 48};
	memcpy(prefix.addr.bytes, family == 4 ? net4 : net6, family == 4 ? 4 : 16);
	return fwd_fib_route_get(fib, &prefix, &route) == 0 ? &route : NULL;
}

/* Whether the fib's way is this one hop. */
static bool
goes_to(uint8_t family, uint8_t host)
{
	const struct fwd_route *route = told(family);
	return route != NULL && route->kind == FWD_FORWARD && route->hop_cnt == 1 &&
	       route->hop[0].gateway.bytes[family == 4 ? 3 : 15] == host;
}

static void
test_hop_over_nothing_known(void **state)
{
	via4(RTM_NEWROUTE, 0, 0, 99, 1);
	feed(FWD_RIB_EVENT);
	assert_null(told(4));
	link_is(RTM_NEWLINK, 99, "eth9", 0, IFF_UP | IFF_RUNNING); /* now it is: and is Linux's */
	assert_int_equal(told(4)->kind, FWD_HOST);
}

static void
test_deletions_of_what_is_not_there(void **state)
{
	via4(RTM_DELROUTE, 0, 0, P0, 1);
	feed(FWD_RIB_EVENT);
	assert_false(rib.want_dump);
	via4(RTM_NEWROUTE, 0, 0, P0, 1);
	feed(FWD_RIB_EVENT);
	via4(RTM_DELROUTE, 0, 0, P0, 2); /* of another hop than the one that we know: something was lost */
	feed(FWD_RIB_EVENT);
	assert_true(rib.want_dump);
	assert_true(goes_to(4, 1));
}

static void
test_object_that_is_not_there(void **state)
{
	nl_route(&build, RTM_NEWROUTE, 0, AF_INET, net4, 24, 0);
	nl_attr32(&build, RTA_NH_ID, 7);
	feed(FWD_RIB_EVENT);
	assert_null(told(4));
	assert_int_equal(rib.stats.unresolved_cnt, 1);
	struct nhmsg *info = nl_begin(&build, RTM_NEWNEXTHOP, 0, sizeof(*info));
	info->nh_family = AF_INET;
	nl_attr32(&build, NHA_ID, 7);
	nl_attr32(&build, NHA_OIF, P1);
	nl_attr(&build, NHA_GATEWAY, "\xc0\x00\x02\x09", 4);
	feed(FWD_RIB_EVENT);
	assert_true(goes_to(4, 9));
}

static void
test_group_that_contains_itself(void **state)
{
	const struct nexthop_grp self = {.id = 7};
	nl_begin(&build, RTM_NEWNEXTHOP, 0, sizeof(struct nhmsg));
	nl_attr32(&build, NHA_ID, 7);
	nl_attr(&build, NHA_GROUP, &self, sizeof(self));
	feed(FWD_RIB_EVENT);
	nl_route(&build, RTM_NEWROUTE, 0, AF_INET, net4, 24, 0);
	nl_attr32(&build, RTA_NH_ID, 7);
	feed(FWD_RIB_EVENT);
	assert_null(told(4));
}

static void
test_fib_that_refuses(void **state)
{
	fib->route_cnt = LIST_FIB_MAX;
	via4(RTM_NEWROUTE, 0, 0, P0, 1);
	feed(FWD_RIB_EVENT);
	assert_int_equal(rib.stats.fib_error_cnt, 1);
	fib->route_cnt = 0;
}

static void
test_more_hops_than_the_fib_takes(void **state)
{
	nl_route(&build, RTM_NEWROUTE, 0, AF_INET, net4, 24, 0);
	uint32_t nest = nl_nest(&build, RTA_MULTIPATH);
	for (uint8_t i = 0; i < FWD_HOPS_MAX + 3; i++)
		nl_hop(&build, P0, 1, (const uint8_t[]){192, 0, 2, i}, 4);
	nl_nest_end(&build, nest);
	feed(FWD_RIB_EVENT);
	assert_int_equal(told(4)->hop_cnt, FWD_HOPS_MAX);
	assert_int_equal(rib.stats.hop_over_cnt, 3);
}

static void
test_weights_beyond_the_fibs(void **state)
{
	const struct nexthop_grp member[2] = {{.id = 1, .weight = 0}, {.id = 2, .weight = 255, .resvd1 = 3}};
	for (uint32_t id = 1; id <= 2; id++) {
		struct nhmsg *info = nl_begin(&build, RTM_NEWNEXTHOP, 0, sizeof(*info));
		info->nh_family = AF_INET;
		nl_attr32(&build, NHA_ID, id);
		nl_attr32(&build, NHA_OIF, P0);
		nl_attr(&build, NHA_GATEWAY, id == 1 ? "\xc0\x00\x02\x01" : "\xc0\x00\x02\x02", 4);
		feed(FWD_RIB_EVENT);
	}
	nl_begin(&build, RTM_NEWNEXTHOP, 0, sizeof(struct nhmsg));
	nl_attr32(&build, NHA_ID, 3);
	nl_attr(&build, NHA_GROUP, member, sizeof(member));
	feed(FWD_RIB_EVENT);
	nl_route(&build, RTM_NEWROUTE, 0, AF_INET, net4, 24, 0);
	nl_attr32(&build, RTA_NH_ID, 3);
	feed(FWD_RIB_EVENT);
	assert_int_equal(told(4)->hop_cnt, 2);
	assert_int_equal(told(4)->hop[0].weight, 1);
	assert_int_equal(told(4)->hop[1].weight, 255); /* of 1024 */
}

static void
test_lowest_metric_wins(void **state)
{
	via4(RTM_NEWROUTE, 0, 20, P0, 20);
	feed(FWD_RIB_EVENT);
	via4(RTM_NEWROUTE, 0, 30, P0, 30);
	feed(FWD_RIB_EVENT);
	assert_true(goes_to(4, 20));
	via4(RTM_NEWROUTE, 0, 10, P0, 10);
	feed(FWD_RIB_EVENT);
	assert_true(goes_to(4, 10));
	link_is(RTM_NEWLINK, P0, "p0", 0, 0); /* all three are dead */
	assert_null(told(4));
	links_are_up();
	via4(RTM_DELROUTE, 0, 10, P0, 10);
	feed(FWD_RIB_EVENT);
	assert_true(goes_to(4, 20));
}

static void
test_one_hop_of_linux_makes_all_linuxs(void **state)
{
	nl_route(&build, RTM_NEWROUTE, 0, AF_INET, net4, 24, 0);
	uint32_t nest = nl_nest(&build, RTA_MULTIPATH);
	nl_hop(&build, P0, 1, "\xc0\x00\x02\x01", 4);
	nl_hop(&build, ETH, 1, "\xc0\x00\x02\x02", 4);
	nl_nest_end(&build, nest);
	feed(FWD_RIB_EVENT);
	assert_int_equal(told(4)->kind, FWD_HOST);
	link_is(RTM_DELLINK, ETH, "eth0", 0, 0);
	assert_true(goes_to(4, 1));
	assert_true(rib.want_dump);
}

static void
via6_both(uint16_t type, uint16_t flags)
{
	nl_route(&build, type, flags, AF_INET6, net6, 48, 1024);
	uint32_t nest = nl_nest(&build, RTA_MULTIPATH);
	nl_hop(&build, P0, 1, (const uint8_t[16]){0xfe, 0x80, [15] = 1}, 16);
	nl_hop(&build, P1, 1, (const uint8_t[16]){0xfe, 0x80, [15] = 2}, 16);
	nl_nest_end(&build, nest);
	feed(FWD_RIB_EVENT);
}

/* `ip -6 route append` tells all hops, a deletion only those that go. */
static void
test_ipv6_hops_one_by_one(void **state)
{
	via6(RTM_NEWROUTE, NLM_F_CREATE, P0, 1);
	feed(FWD_RIB_EVENT);
	via6_both(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_APPEND);
	assert_int_equal(told(6)->hop_cnt, 2);
	via6(RTM_DELROUTE, 0, P0, 1);
	feed(FWD_RIB_EVENT);
	assert_true(goes_to(6, 2));
	via6(RTM_NEWROUTE, NLM_F_REPLACE, P0, 3);
	feed(FWD_RIB_EVENT);
	assert_true(goes_to(6, 3));
	via6(RTM_DELROUTE, 0, P0, 3);
	feed(FWD_RIB_EVENT);
	assert_null(told(6));
	via6_both(RTM_NEWROUTE, NLM_F_CREATE);
	via6_both(RTM_DELROUTE, 0);
	assert_null(told(6));
}

/* fe80::/64 of each link: side by side, not several hops. */
static void
test_ipv6_routes_side_by_side(void **state)
{
	via6(RTM_NEWROUTE, NLM_F_CREATE, P0, 0);
	feed(FWD_RIB_EVENT);
	via6(RTM_NEWROUTE, NLM_F_CREATE, P1, 0);
	feed(FWD_RIB_EVENT);
	assert_int_equal(told(6)->hop_cnt, 1);
	assert_int_equal(fib->interface[told(6)->hop[0].interface].port, 0);
	via6(RTM_DELROUTE, 0, P0, 0);
	feed(FWD_RIB_EVENT);
	assert_int_equal(fib->interface[told(6)->hop[0].interface].port, 1);
}

static void
test_vlan_over_a_port(void **state)
{
	link_is(RTM_NEWLINK, 50, "p0.7", 7, IFF_UP | IFF_RUNNING);
	via4(RTM_NEWROUTE, 0, 0, 50, 1);
	feed(FWD_RIB_EVENT);
	const struct fwd_interface *is = &fib->interface[told(4)->hop[0].interface];
	assert_int_equal(is->port, 0);
	assert_int_equal(is->vlan, 7);
	link_is(RTM_DELLINK, P0, "p0", 0, 0); /* it stands on nothing now */
	assert_int_equal(told(4)->kind, FWD_HOST);
}

static void
neighbour_is(uint16_t type, uint16_t state, uint8_t mac_last, enum fwd_rib_source source)
{
	const uint8_t mac[6] = {2, 0, 0, 0, 1, mac_last};
	struct ndmsg *info = nl_begin(&build, type, 0, sizeof(*info));
	info->ndm_family = AF_INET;
	info->ndm_ifindex = P0;
	info->ndm_state = state;
	nl_attr(&build, NDA_DST, "\xc0\x00\x02\x05", 4);
	if (mac_last != 0)
		nl_attr(&build, NDA_LLADDR, mac, sizeof(mac));
	feed(source);
}

static void
test_neighbour_comes_and_goes(void **state)
{
	neighbour_is(RTM_NEWNEIGH, NUD_INCOMPLETE, 0, FWD_RIB_EVENT);
	assert_int_equal(fib->neighbour_cnt, 0);
	neighbour_is(RTM_NEWNEIGH, NUD_REACHABLE, 1, FWD_RIB_EVENT);
	assert_int_equal(fib->neighbour_cnt, 1);
	uint32_t calls = fib->call_cnt;
	neighbour_is(RTM_NEWNEIGH, NUD_STALE, 1, FWD_RIB_EVENT);
	assert_int_equal(fib->call_cnt, calls); /* nothing that the fib need know */
	fwd_rib_ask_again(&rib, 100000);
	assert_int_equal(asked_cnt, 1);
	fwd_rib_ask_again(&rib, 110000); /* not so soon again */
	assert_int_equal(asked_cnt, 1);
	neighbour_is(RTM_NEWNEIGH, NUD_FAILED, 1, FWD_RIB_EVENT);
	assert_int_equal(fib->neighbour_cnt, 0);
	neighbour_is(RTM_NEWNEIGH, NUD_NOARP, 1, FWD_RIB_EVENT);
	link_is(RTM_DELLINK, P0, "p0", 0, 0);
	assert_int_equal(fib->neighbour_cnt, 0);
	links_are_up(); /* another link by that name: its neighbours are told anew */
	assert_int_equal(fib->neighbour_cnt, 1);
}

static void
test_gateway_is_asked_for_once(void **state)
{
	neighbour_is(RTM_NEWNEIGH, NUD_REACHABLE, 1, FWD_RIB_EVENT);
	via4(RTM_NEWROUTE, 0, 0, P0, 5); /* known */
	feed(FWD_RIB_EVENT);
	via4(RTM_NEWROUTE, 0, 1, ETH, 6); /* not of ours */
	feed(FWD_RIB_EVENT);
	assert_int_equal(asked_cnt, 0);
	via4(RTM_NEWROUTE, 0, 2, P1, 7);
	feed(FWD_RIB_EVENT);
	assert_int_equal(asked_cnt, 1);
	assert_int_equal(asked.ifindex, P1);
	assert_int_equal(asked.addr[3], 7);
}

static void
begin(void)
{
	fwd_rib_dump_begin(&rib, FWD_RIB_ROUTE4);
}

static uint64_t
end(uint64_t doubts)
{
	assert_int_equal(fwd_rib_dump_end(&rib, FWD_RIB_ROUTE4), doubts);
	uint64_t cnt = fwd_rib_dump_settle(&rib, FWD_RIB_ROUTE4);
	fwd_rib_commit(&rib);
	return cnt;
}

static void
test_dump_finds_what_was_lost(void **state)
{
	via4(RTM_NEWROUTE, 0, 1, P0, 1);
	feed(FWD_RIB_EVENT);
	via4(RTM_NEWROUTE, 0, 2, P0, 2);
	feed(FWD_RIB_EVENT);
	begin();
	via4(RTM_NEWROUTE, 0, 2, P0, 9); /* changed */
	feed(FWD_RIB_DUMP);
	via4(RTM_NEWROUTE, 0, 3, P0, 3); /* new; that of metric 1 is gone */
	feed(FWD_RIB_DUMP);
	assert_int_equal(end(0), 3);
	assert_true(goes_to(4, 9));
	begin();
	via4(RTM_NEWROUTE, 0, 2, P0, 9);
	feed(FWD_RIB_DUMP);
	via4(RTM_NEWROUTE, 0, 3, P0, 3);
	feed(FWD_RIB_DUMP);
	assert_int_equal(end(0), 0);
}

/* The dump had a route before it was deleted, and not one that was added after. */
static void
test_event_beats_older_dump(void **state)
{
	via4(RTM_NEWROUTE, 0, 1, P0, 1);
	feed(FWD_RIB_EVENT);
	begin();
	via4(RTM_DELROUTE, 0, 1, P0, 1);
	feed(FWD_RIB_EVENT);
	via4(RTM_NEWROUTE, 0, 2, P0, 2);
	feed(FWD_RIB_EVENT);
	via4(RTM_NEWROUTE, 0, 1, P0, 1);
	feed(FWD_RIB_DUMP);
	assert_true(goes_to(4, 2));
	assert_int_equal(end(0), 0);
	assert_true(goes_to(4, 2));
	assert_int_equal(rib.table[FWD_RIB_ROUTE4].item_cnt, 1);
}

/* The dump saw a change before its event came: no loss. */
static void
test_late_event_explains_a_difference(void **state)
{
	via4(RTM_NEWROUTE, 0, 1, P0, 1);
	feed(FWD_RIB_EVENT);
	begin();
	via4(RTM_NEWROUTE, 0, 1, P0, 2);
	feed(FWD_RIB_DUMP);
	assert_true(goes_to(4, 2));
	assert_int_equal(fwd_rib_dump_end(&rib, FWD_RIB_ROUTE4), 0);
	via4(RTM_NEWROUTE, NLM_F_REPLACE, 1, P0, 2);
	feed(FWD_RIB_EVENT);
	assert_int_equal(fwd_rib_dump_settle(&rib, FWD_RIB_ROUTE4), 0);
	begin(); /* nothing at all: and then the event that says why */
	assert_int_equal(fwd_rib_dump_end(&rib, FWD_RIB_ROUTE4), 0);
	assert_null(told(4));
	via4(RTM_DELROUTE, 0, 1, P0, 2);
	feed(FWD_RIB_EVENT);
	assert_int_equal(fwd_rib_dump_settle(&rib, FWD_RIB_ROUTE4), 0);
	assert_int_equal(rib.table[FWD_RIB_ROUTE4].item_cnt, 0);
}

/* A dump is no snapshot: what is missing while events come goes at the second time only. */
static void
test_missing_while_others_change(void **state)
{
	via4(RTM_NEWROUTE, 0, 1, P0, 1);
	feed(FWD_RIB_EVENT);
	for (unsigned round = 0; round < 2; round++) {
		begin();
		via4(RTM_NEWROUTE, 0, 5, P0, 5);
		feed(FWD_RIB_EVENT);
		via4(RTM_DELROUTE, 0, 5, P0, 5);
		feed(FWD_RIB_EVENT);
		assert_int_equal(end(round == 0 ? 1 : 0), round);
		assert_true(round == 0 ? goes_to(4, 1) : told(4) == NULL);
	}
}

/* Other classes' dumps do not touch routes. */
static void
test_dump_of_another_class(void **state)
{
	fwd_rib_dump_begin(&rib, FWD_RIB_NEIGHBOUR4);
	via4(RTM_NEWROUTE, 0, 1, P0, 1);
	feed(FWD_RIB_DUMP);
	assert_null(told(4));
	neighbour_is(RTM_NEWNEIGH, NUD_REACHABLE, 1, FWD_RIB_DUMP);
	assert_int_equal(fwd_rib_dump_end(&rib, FWD_RIB_NEIGHBOUR4), 0);
	assert_int_equal(fwd_rib_dump_settle(&rib, FWD_RIB_NEIGHBOUR4), 1);
	assert_int_equal(fib->neighbour_cnt, 1);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        WITH(test_hop_over_nothing_known),
	        WITH(test_deletions_of_what_is_not_there),
	        WITH(test_object_that_is_not_there),
	        WITH(test_group_that_contains_itself),
	        WITH(test_fib_that_refuses),
	        WITH(test_more_hops_than_the_fib_takes),
	        WITH(test_weights_beyond_the_fibs),
	        WITH(test_lowest_metric_wins),
	        WITH(test_one_hop_of_linux_makes_all_linuxs),
	        WITH(test_ipv6_hops_one_by_one),
	        WITH(test_ipv6_routes_side_by_side),
	        WITH(test_vlan_over_a_port),
	        WITH(test_neighbour_comes_and_goes),
	        WITH(test_gateway_is_asked_for_once),
	        WITH(test_dump_finds_what_was_lost),
	        WITH(test_event_beats_older_dump),
	        WITH(test_late_event_explains_a_difference),
	        WITH(test_missing_while_others_change),
	        WITH(test_dump_of_another_class),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
