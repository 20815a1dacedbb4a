/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The router between Linux hosts with VLANs (8021q), on emulated cards: interfaces of its ports by tag, the same tag on two
 * ports, a tag changed to another and taken away, priorities, and a VLAN that nobody made.
 *
 *	near:  eth 10.1.0.2, eth.7 10.7.0.2   === p0, p0.7, p0.8 [ router ] p1.7, p1.9 ===   far:  eth.7 10.17.0.2, eth.9 10.9.0.2
 *	near8: eth.8 10.8.0.2
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lab/inside.h"
#include "tests/lab/wire.h"

#define IN(host) "/lab/ip netns exec " host " "

static struct wire wire = {.router = true};

/* A host's interface: 10.NET.0.2/24 and fd00:NET::2/64, and the router of that net as its default. */
static void
host(const char *name, const char *interface, unsigned net, bool is_default)
{
	inside_ok("/lab/ip -n %s link set %s up && /lab/ip -n %s addr add 10.%u.0.2/24 dev %s && "
	          "/lab/ip -n %s addr add fd00:%u::2/64 dev %s nodad",
	          name, interface, name, net, interface, name, net, interface);
	if (is_default)
		inside_ok("/lab/ip -n %s route add default via 10.%u.0.1 && "
		          "/lab/ip -n %s -6 route add default via fd00:%u::1",
		          name, net, name, net);
}

static void
vlan(const char *name, const char *lower, unsigned id, const char *more)
{
	inside_ok("/lab/ip -n %s link add link %s name v%u type vlan id %u %s", name, lower, id, id, more);
}

static void
make_hosts(void)
{
	const char *near = wire.end[0].name, *far = wire.end[1].name;
	inside_ok("/lab/ip netns add near && /lab/ip netns add near8 && /lab/ip link set %s netns near", near);
	for (unsigned i = 0; i < 3; i++)
		inside_ok("/lab/ip netns exec %s sh -c 'for i in all default; do echo 0 > "
		          "/proc/sys/net/ipv6/conf/$i/disable_ipv6; done; /lab/ip link set lo up'",
		          (const char *const[]){"near", "near8", "far"}[i]);
	host("near", near, 1, false);
	vlan("near", near, 7, "egress-qos-map 0:5"); /* what it sends has priority 5 */
	vlan("near", near, 8, "");
	inside_ok("/lab/ip -n near link set v8 netns near8");
	host("near", "v7", 7, true);
	host("near8", "v8", 8, true);
	inside_ok("/lab/ip -n far link set %s up", far);
	vlan("far", far, 9, "");
	vlan("far", far, 7, "");
	host("far", "v9", 9, true);
	host("far", "v7", 17, false);
}

/* The router's side, in Linux: the ports' TAPs and what lies on them. */
static void
router_interface(const char *port, unsigned id, unsigned net)
{
	char name[32];
	snprintf(name, sizeof(name), id != 0 ? "%s.%u" : "%s", port, id);
	if (id != 0)
		inside_ok("/lab/ip link add link %s name %s type vlan id %u && /lab/ip link set %s up", port, name, id,
		          name);
	inside_ok("/lab/ip addr add 10.%u.0.1/24 dev %s && /lab/ip addr add fd00:%u::1/64 dev %s nodad", net, name, net,
	          name);
}

static int
start(void **state)
{
	(void)state;
	wire_set_up(&wire);
	inside_ok("modprobe tun; mkdir -p /dev/net; [ -e /dev/net/tun ] || mknod /dev/net/tun c 10 200; "
	          "for i in all default; do echo 0 > /proc/sys/net/ipv6/conf/$i/disable_ipv6; done; "
	          "echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding");
	make_hosts();
	wire_cell_start(&wire, 1500, "");
	router_interface("p0", 0, 1);
	router_interface("p0", 7, 7);
	router_interface("p0", 8, 8);
	router_interface("p1", 9, 9);
	router_interface("p1", 7, 17);
	return 0;
}

/* Both families, once until it answers, then ten in a row that lose none. */
static void
reaches(const char *from, unsigned net, unsigned bytes)
{
	char to[2][32];
	snprintf(to[0], sizeof(to[0]), "10.%u.0.2", net);
	snprintf(to[1], sizeof(to[1]), "fd00:%u::2", net);
	for (unsigned i = 0; i < 2; i++) {
		inside_ok("for i in $(seq 20); do /lab/ip netns exec %s ping -c 1 -W 1 %s >/dev/null && break; done; "
		          "/lab/ip netns exec %s ping -q -c 10 -i 0.05 -W 2 -s %u %s | grep ' 0%% packet loss'",
		          from, to[i], from, bytes, to[i]);
	}
}

static void
tags_change_on_the_way(void **state)
{
	(void)state;
	reaches("near", 9, 56);    /* 7 to 9 */
	reaches("near", 17, 56);   /* 7 of one port to 7 of the other */
	reaches("near", 8, 56);    /* 7 to 8, out of the port where it came in */
	reaches("near8", 9, 1452); /* whole frames with their tags: 1500 bytes of IPv6, 1480 of IPv4 */
	reaches("far", 1, 1452);   /* 9 to none */
	inside_ok(IN("near") "ping -q -c 10 -i 0.05 -s 1472 10.9.0.2 | grep ' 0%% packet loss'");
}

/* What Linux answers leaves by the VLAN where the question came in. */
static void
the_router_answers_in_a_vlan(void **state)
{
	struct command_result result;
	(void)state;
	inside_ok(IN("near") "ping -c 3 -i 0.05 10.7.0.1 && " IN("near8") "ping -c 3 -i 0.05 fd00:8::1 && " IN(
	        "far") "ping -c 3 -i 0.05 10.9.0.1");
	inside_run(&result, IN("near") "traceroute -n -q 1 -w 2 -m 4 10.9.0.2");
	assert_non_null(strstr(result.out, " 10.7.0.1 "));
	assert_non_null(strstr(result.out, " 10.9.0.2 "));
	command_result_free(&result);
}

/* Tags with a priority and no VLAN (IEEE 802.1Q, 6.9.1: as if untagged). The answer has no tag, so Linux must be told who the
 * neighbour behind its priority interface is. */
static void
a_priority_tag_is_no_vlan(void **state)
{
	const char *near = wire.end[0].name;
	(void)state;
	inside_ok("/lab/ip -n near link add link %s name prio type vlan id 0 egress-qos-map 0:6 && "
	          "/lab/ip -n near link set prio up",
	          near);
	for (unsigned i = 0; i < 2; i++) {
		const char *via = i == 0 ? "10.1.0.1" : "fe80::1", *of = i == 0 ? "10.1.0.2" : "fd00:1::2";
		inside_ok("/lab/ip -n near neigh add %s lladdr $(cat /sys/class/net/p0/address) dev prio nud "
		          "permanent && /lab/ip -n near route add %s via %s dev prio onlink src %s",
		          via, i == 0 ? "10.17.0.2/32" : "fd00:17::2/128", via, of);
	}
	inside_ok("/lab/ip -n far route add 10.1.0.0/24 via 10.17.0.1 && "
	          "/lab/ip -n far -6 route add fd00:1::/64 via fd00:17::1");
	reaches("near", 17, 56);
	inside_ok("[ $(/lab/ip netns exec near cat /sys/class/net/prio/statistics/tx_packets) -ge 20 ]");
}

static void
a_vlan_of_nobody_is_dropped(void **state)
{
	struct command_result result;
	(void)state;
	vlan("near", wire.end[0].name, 99, "");
	host("near", "v99", 99, false);
	inside_run(&result, IN("near") "ping -c 1 -W 1 10.99.0.1");
	assert_int_not_equal(result.exit_code, 0);
	command_result_free(&result);
	/* Gone in Linux, gone in the cell. */
	inside_ok("/lab/ip link del p1.9");
	inside_run(&result, IN("near") "ping -c 1 -W 1 10.9.0.2");
	assert_int_not_equal(result.exit_code, 0);
	command_result_free(&result);
	wire_cell_stop(&wire);
	const json_t *ports = json_object_get(wire.result, "ports");
	const json_t *reasons = json_object_get(json_object_get(ports, "p0"), "reasons");
	assert_true(json_integer_value(json_object_get(reasons, "drop_vlan")) >= 1);
	/* Five ways, each ten times there and back, of both families; the priority tags'. */
	assert_true(json_integer_value(json_object_get(wire.result, "forward4")) >= 6 * 20);
	assert_true(json_integer_value(json_object_get(wire.result, "forward6")) >= 6 * 20);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(wire.result, "mirror"), "differences")), 0);
}

static int
end(void **state)
{
	(void)state;
	wire_cell_end(&wire);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(tags_change_on_the_way),
	        cmocka_unit_test(the_router_answers_in_a_vlan),
	        cmocka_unit_test(a_priority_tag_is_no_vlan),
	        cmocka_unit_test(a_vlan_of_nobody_is_dropped),
	};
	return cmocka_run_group_tests(tests, start, end);
}
