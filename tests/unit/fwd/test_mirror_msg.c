/* SPDX-License-Identifier: Apache-2.0 */
/* rtnetlink messages made by hand: broken ones first. */
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/netconf.h>
#include <linux/nexthop.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "apps/fwd/host/mirror_msg.h"
#include "tests/unit/fwd/nl_build.h"

static struct nl_build build;
static struct fwd_nl_event event;

static const uint8_t net4[4] = {10, 1, 2, 0}, via4[4] = {192, 0, 2, 1}, other4[4] = {192, 0, 2, 2};
static const uint8_t net6[16] = {0x20, 0x01, 0x0d, 0xb8}, via6[16] = {0xfe, 0x80, [15] = 1};

static int
parse(void)
{
	return fwd_nl_parse(&build.message, &event);
}

/* A message of each kind with everything in it. */
static void
make_route(void)
{
	nl_route(&build, RTM_NEWROUTE, NLM_F_CREATE, AF_INET, net4, 24, 20);
	uint32_t nest = nl_nest(&build, RTA_MULTIPATH);
	nl_hop(&build, 3, 1, via4, 4);
	nl_hop(&build, 4, 255, other4, 4);
	nl_nest_end(&build, nest);
}

static void
make_link(void)
{
	const uint8_t mac[6] = {2, 0, 0, 0, 0, 9};
	const uint16_t vlan = 100;
	struct ifinfomsg *info = nl_begin(&build, RTM_NEWLINK, 0, sizeof(*info));
	info->ifi_index = 7;
	info->ifi_flags = IFF_UP | IFF_RUNNING;
	nl_attr(&build, IFLA_IFNAME, "p0.100", sizeof("p0.100"));
	nl_attr32(&build, IFLA_MTU, 1500);
	nl_attr32(&build, IFLA_LINK, 3);
	nl_attr(&build, IFLA_ADDRESS, mac, sizeof(mac));
	uint32_t nest = nl_nest(&build, IFLA_LINKINFO);
	nl_attr(&build, IFLA_INFO_KIND, "vlan", sizeof("vlan"));
	uint32_t data = nl_nest(&build, IFLA_INFO_DATA);
	nl_attr(&build, IFLA_VLAN_ID, &vlan, sizeof(vlan));
	nl_nest_end(&build, data);
	nl_nest_end(&build, nest);
}

static void
make_neighbour(void)
{
	const uint8_t mac[6] = {2, 0, 0, 0, 0, 1};
	struct ndmsg *info = nl_begin(&build, RTM_NEWNEIGH, 0, sizeof(*info));
	info->ndm_family = AF_INET6;
	info->ndm_ifindex = 3;
	info->ndm_state = NUD_REACHABLE;
	nl_attr(&build, NDA_DST, via6, sizeof(via6));
	nl_attr(&build, NDA_LLADDR, mac, sizeof(mac));
}

static void
make_group(void)
{
	const struct nexthop_grp member[2] = {{.id = 11, .weight = 0}, {.id = 12, .weight = 9}};
	nl_begin(&build, RTM_NEWNEXTHOP, NLM_F_REPLACE, sizeof(struct nhmsg));
	nl_attr32(&build, NHA_ID, 20);
	nl_attr(&build, NHA_GROUP, member, sizeof(member));
}

static void
make_nexthop(void)
{
	struct nhmsg *info = nl_begin(&build, RTM_NEWNEXTHOP, 0, sizeof(*info));
	info->nh_family = AF_INET;
	nl_attr32(&build, NHA_ID, 11);
	nl_attr32(&build, NHA_OIF, 3);
	nl_attr(&build, NHA_GATEWAY, via4, sizeof(via4));
}

static void
make_address(void)
{
	struct ifaddrmsg *info = nl_begin(&build, RTM_DELADDR, 0, sizeof(*info));
	info->ifa_family = AF_INET;
	info->ifa_prefixlen = 24;
	info->ifa_index = 3;
	nl_attr(&build, IFA_ADDRESS, other4, sizeof(other4));
	nl_attr(&build, IFA_LOCAL, via4, sizeof(via4));
}

static void
make_rule(void)
{
	struct fib_rule_hdr *info = nl_begin(&build, RTM_NEWRULE, 0, sizeof(*info));
	info->family = AF_INET;
	info->table = RT_TABLE_MAIN;
	info->action = FR_ACT_TO_TBL;
	nl_attr32(&build, FRA_PRIORITY, 32766);
	nl_attr32(&build, FRA_FWMARK, 1);
}

static void
make_netconf(void)
{
	struct netconfmsg *info = nl_begin(&build, RTM_NEWNETCONF, 0, sizeof(*info));
	info->ncm_family = AF_INET;
	nl_attr32(&build, NETCONFA_IFINDEX, 3);
	nl_attr32(&build, NETCONFA_FORWARDING, 1);
}

static void (*const make[])(void) = {make_route,   make_link,    make_neighbour, make_group,
                                     make_nexthop, make_address, make_rule,      make_netconf};

/* Cut at every byte: whatever the parser says, it reads nothing behind the end (the sanitizers look). */
static void
test_truncated_anywhere(void **state)
{
	for (size_t i = 0; i < BH_ARRAY_CNT(make); i++) {
		make[i]();
		uint32_t whole = build.message.nlmsg_len;
		assert_int_equal(parse(), 0);
		for (uint32_t bytes = sizeof(struct nlmsghdr); bytes < whole; bytes++) {
			uint8_t *cut = malloc(bytes);
			assert_non_null(cut);
			memcpy(cut, &build, bytes);
			memcpy(cut, &bytes, sizeof(bytes));
			int err = fwd_nl_parse((const void *)cut, &event);
			assert_true(err == 0 || err == -EPROTO || err == -ENOMSG);
			free(cut);
		}
	}
}

/* Each byte replaced by each of a few values: the same. */
static void
test_any_byte_wrong(void **state)
{
	static const uint8_t value[] = {0, 1, 3, 4, 5, 0x7f, 0x80, 0xff};
	for (size_t i = 0; i < BH_ARRAY_CNT(make); i++) {
		make[i]();
		uint32_t whole = build.message.nlmsg_len;
		uint8_t *copy = malloc(whole);
		assert_non_null(copy);
		for (uint32_t at = sizeof(struct nlmsghdr); at < whole; at++) {
			for (size_t v = 0; v < sizeof(value); v++) {
				memcpy(copy, &build, whole);
				copy[at] = value[v];
				int err = fwd_nl_parse((const void *)copy, &event);
				assert_true(err == 0 || err == -EPROTO || err == -ENOMSG);
			}
		}
		free(copy);
	}
}

static void
test_attribute_shorter_than_its_type(void **state)
{
	nl_route(&build, RTM_NEWROUTE, 0, AF_INET, net4, 24, 0);
	nl_attr(&build, RTA_OIF, "\1\0", 2);
	assert_int_equal(parse(), -EPROTO);

	nl_route(&build, RTM_NEWROUTE, 0, AF_INET, net4, 24, 0);
	nl_attr(&build, RTA_GATEWAY, via6, 3);
	assert_int_equal(parse(), -EPROTO);
}

static void
test_attribute_longer_than_message(void **state)
{
	nl_route(&build, RTM_NEWROUTE, 0, AF_INET, net4, 24, 0);
	uint32_t at = NLMSG_ALIGN(build.message.nlmsg_len);
	nl_attr32(&build, RTA_OIF, 1);
	build.bytes[at] = 200;
	assert_int_equal(parse(), -EPROTO);
	build.bytes[at] = 3; /* shorter than its own header */
	assert_int_equal(parse(), -EPROTO);
}

static void
test_prefix_longer_than_address(void **state)
{
	nl_route(&build, RTM_NEWROUTE, 0, AF_INET, net4, 33, 0);
	assert_int_equal(parse(), -EPROTO);
	nl_route(&build, RTM_NEWROUTE, 0, AF_INET6, net6, 129, 0);
	assert_int_equal(parse(), -EPROTO);
}

static void
test_destination_of_other_family(void **state)
{
	struct rtmsg *route = nl_begin(&build, RTM_NEWROUTE, 0, sizeof(*route));
	route->rtm_family = AF_INET;
	route->rtm_dst_len = 24;
	assert_int_equal(parse(), -EPROTO); /* a length and no destination */
	nl_attr(&build, RTA_DST, net6, 16);
	assert_int_equal(parse(), -EPROTO);
}

static void
test_hop_that_ends_behind_its_list(void **state)
{
	make_route();
	uint32_t at = build.message.nlmsg_len - 16; /* the second hop: its length comes first */
	build.bytes[at] = 200;
	assert_int_equal(parse(), -EPROTO);
	build.bytes[at] = 7;
	assert_int_equal(parse(), -EPROTO);
}

static void
test_group_of_half_a_member(void **state)
{
	nl_begin(&build, RTM_NEWNEXTHOP, 0, sizeof(struct nhmsg));
	nl_attr32(&build, NHA_ID, 20);
	nl_attr(&build, NHA_GROUP, "0123456789ab", 12);
	assert_int_equal(parse(), -EPROTO);
	nl_begin(&build, RTM_NEWNEXTHOP, 0, sizeof(struct nhmsg));
	nl_attr(&build, NHA_BLACKHOLE, "", 0);
	assert_int_equal(parse(), -EPROTO); /* no identifier */
}

static void
test_other_families_are_passed_over(void **state)
{
	struct rtmsg *route = nl_begin(&build, RTM_NEWROUTE, 0, sizeof(*route));
	route->rtm_family = AF_MPLS;
	assert_int_equal(parse(), -ENOMSG);
	struct ifinfomsg *info = nl_begin(&build, RTM_NEWLINK, 0, sizeof(*info));
	info->ifi_family = AF_BRIDGE;
	info->ifi_index = 3;
	assert_int_equal(parse(), -ENOMSG);
	nl_begin(&build, RTM_NEWQDISC, 0, sizeof(struct tcmsg));
	assert_int_equal(parse(), -ENOMSG);
}

static void
test_more_hops_than_room(void **state)
{
	nl_route(&build, RTM_NEWROUTE, 0, AF_INET, net4, 24, 0);
	uint32_t nest = nl_nest(&build, RTA_MULTIPATH);
	for (unsigned i = 0; i < FWD_NL_HOPS_MAX + 5; i++)
		nl_hop(&build, 3, 1, via4, 4);
	nl_nest_end(&build, nest);
	assert_int_equal(parse(), 0);
	assert_int_equal(event.route.hop_cnt, FWD_NL_HOPS_MAX);
	assert_int_equal(event.route.hop_over_cnt, 5);
}

static void
test_route(void **state)
{
	make_route();
	assert_int_equal(parse(), 0);
	assert_int_equal(event.kind, FWD_NL_ROUTE);
	assert_false(event.deleted || event.replace || event.append);
	assert_int_equal(event.route.prefix.length, 24);
	assert_memory_equal(event.route.prefix.addr, net4, 4);
	assert_int_equal(event.route.table, RT_TABLE_MAIN);
	assert_int_equal(event.route.priority, 20);
	assert_int_equal(event.route.hop_cnt, 2);
	assert_int_equal(event.route.hop[0].ifindex, 3);
	assert_int_equal(event.route.hop[0].weight, 1);
	assert_memory_equal(event.route.hop[0].gateway, via4, 4);
	assert_int_equal(event.route.hop[1].weight, 255);
}

static void
test_bits_behind_the_length_are_cut(void **state)
{
	const uint8_t dirty[4] = {10, 1, 2, 255};
	nl_route(&build, RTM_DELROUTE, 0, AF_INET, dirty, 25, 0);
	assert_int_equal(parse(), 0);
	assert_true(event.deleted);
	assert_int_equal(event.route.prefix.addr[3], 128);
}

static void
test_ipv4_route_via_ipv6(void **state)
{
	struct {
		uint16_t family;
		uint8_t addr[16];
	} via = {.family = AF_INET6};
	memcpy(via.addr, via6, sizeof(via6));
	nl_route(&build, RTM_NEWROUTE, NLM_F_REPLACE, AF_INET, net4, 24, 0);
	nl_attr32(&build, RTA_OIF, 5);
	nl_attr(&build, RTA_VIA, &via, sizeof(via));
	assert_int_equal(parse(), 0);
	assert_true(event.replace);
	assert_int_equal(event.route.hop[0].gateway_family, AF_INET6);
	assert_memory_equal(event.route.hop[0].gateway, via6, 16);
}

static void
test_object_instead_of_hops(void **state)
{
	nl_route(&build, RTM_NEWROUTE, 0, AF_INET, net4, 24, 20);
	nl_attr32(&build, RTA_NH_ID, 20);
	nl_attr32(&build, RTA_OIF, 5);
	assert_int_equal(parse(), 0);
	assert_int_equal(event.route.nh_id, 20);
	assert_int_equal(event.route.hop_cnt, 0);
}

static void
test_nexthops(void **state)
{
	make_group();
	assert_int_equal(parse(), 0);
	assert_true(event.nexthop.is_group && event.replace);
	assert_int_equal(event.nexthop.member_cnt, 2);
	assert_int_equal(event.nexthop.member[0].id, 11);
	assert_int_equal(event.nexthop.member[0].weight, 1);
	assert_int_equal(event.nexthop.member[1].weight, 10);
	make_nexthop();
	assert_int_equal(parse(), 0);
	assert_false(event.nexthop.is_group);
	assert_int_equal(event.nexthop.hop.ifindex, 3);
	assert_int_equal(event.nexthop.hop.gateway_family, AF_INET);
}

static void
test_link_with_vlan(void **state)
{
	make_link();
	assert_int_equal(parse(), 0);
	assert_string_equal(event.link.name, "p0.100");
	assert_true(event.link.up && event.link.running && event.link.is_vlan && event.link.has_mac);
	assert_int_equal(event.link.vlan, 100);
	assert_int_equal(event.link.lower_ifindex, 3);
	assert_int_equal(event.link.mtu_bytes, 1500);
}

static void
test_the_others(void **state)
{
	make_neighbour();
	assert_int_equal(parse(), 0);
	assert_int_equal(event.neighbour.state, NUD_REACHABLE);
	assert_memory_equal(event.neighbour.addr, via6, 16);
	make_address();
	assert_int_equal(parse(), 0);
	assert_memory_equal(event.address.prefix.addr, via4, 4); /* ours, not the peer's */
	make_rule();
	assert_int_equal(parse(), 0);
	assert_true(event.rule.selective);
	make_netconf();
	assert_int_equal(parse(), 0);
	assert_true(event.netconf.forwarding);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_truncated_anywhere),
	        cmocka_unit_test(test_any_byte_wrong),
	        cmocka_unit_test(test_attribute_shorter_than_its_type),
	        cmocka_unit_test(test_attribute_longer_than_message),
	        cmocka_unit_test(test_prefix_longer_than_address),
	        cmocka_unit_test(test_destination_of_other_family),
	        cmocka_unit_test(test_hop_that_ends_behind_its_list),
	        cmocka_unit_test(test_group_of_half_a_member),
	        cmocka_unit_test(test_other_families_are_passed_over),
	        cmocka_unit_test(test_more_hops_than_room),
	        cmocka_unit_test(test_route),
	        cmocka_unit_test(test_bits_behind_the_length_are_cut),
	        cmocka_unit_test(test_ipv4_route_via_ipv6),
	        cmocka_unit_test(test_object_instead_of_hops),
	        cmocka_unit_test(test_nexthops),
	        cmocka_unit_test(test_link_with_vlan),
	        cmocka_unit_test(test_the_others),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
