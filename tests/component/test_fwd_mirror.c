/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The router's tables beside Linux's, in a network namespace of the test's own: after each command of `ip`, what the
 * fib was told is what `ip -j route` and `ip -j neigh` say. Nothing here looks at how fast anything was.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "apps/fwd/host/fib_private.h"
#include "apps/fwd/host/mirror_private.h"
#include "apps/fwd/host/tap.h"
#include "tests/component/command.h"
#include "tests/component/fwd_linux.h"

#define WAIT_MS 10000u

static const char port_name[2][IF_NAMESIZE] = {"p0", "p1"};
static struct fwd_tap tap[2];
static struct fwd_fib *fib;
static struct fwd_mirror *mirror;
static struct bh_error error;

/* By the mirror's number; NULL: none. */
static const struct fwd_interface *
interface_at(const struct fwd_fib *of, uint8_t idx)
{
	return of->slot[idx] != 0 ? &of->interface[of->slot[idx]] : NULL;
}

static const char *
interface_name(const struct fwd_fib *of, uint8_t idx)
{
	const struct fwd_interface *is = interface_at(of, idx);
	return is != NULL ? port_name[is->port] : "?";
}

static const struct fwd_linux_ports ports = {.name = port_name, .cnt = 2, .interface = interface_name};

/* Turn until the fib says what Linux says. */
static void
equal_soon(const char *after)
{
	uint64_t begin_ms = fwd_mirror_now_ms();
	char *linux_says = NULL, *fib_says = NULL;
	bool equal = false;
	while (!equal && fwd_mirror_now_ms() - begin_ms < WAIT_MS) {
		for (unsigned i = 0; i < 4; i++)
			fwd_mirror_turn(mirror, 5);
		free(linux_says);
		free(fib_says);
		linux_says = fwd_linux_routes(&ports);
		fib_says = fwd_linux_fib(&ports, fib);
		equal = strcmp(linux_says, fib_says) == 0;
	}
	if (!equal)
		print_error("after: %s\nLinux:\n%sfib:\n%s", after, linux_says, fib_says);
	free(linux_says);
	free(fib_says);
	assert_true(equal);
}

static void
steps(const char *const *line, size_t cnt)
{
	for (size_t i = 0; i < cnt; i++) {
		command_must(line[i]);
		equal_soon(line[i]);
	}
}

#define STEPS(...)                                                                                                     \
	do {                                                                                                           \
		const char *const line[] = {__VA_ARGS__};                                                              \
		steps(line, BH_ARRAY_CNT(line));                                                                       \
	} while (0)

/* A comparison of the periodic kind: how many differences it finds that no event explains. */
static uint64_t
differences(void)
{
	uint64_t before = mirror->stats.diff_cnt;
	assert_int_equal(fwd_mirror_sync(mirror, WAIT_MS, &error), 0);
	return mirror->stats.diff_cnt - before;
}

static void
turn_until_quiet(void)
{
	for (unsigned i = 0; i < 400 && (mirror->rib.want_dump || mirror->sync.step != FWD_SYNC_IDLE || i < 10); i++)
		fwd_mirror_turn(mirror, 5);
	assert_false(mirror->rib.want_dump);
}

static void
open_with(uint32_t receive_bytes)
{
	const struct fwd_mirror_options options = {
	        .fib = fib, .port = port_name, .port_cnt = 2, .resync_ms = UINT32_MAX, .receive_bytes = receive_bytes};
	if (fwd_mirror_open(&options, &mirror, &error) != 0 || fwd_mirror_sync(mirror, WAIT_MS, &error) != 0)
		fail_msg("%s", error.text);
}

static int
setup(void **state)
{
	const struct fwd_fib_options fib_options = {.size_bytes = FWD_TABLE_BYTES_MIN};
	assert_int_equal(fwd_fib_create(&fib_options, &fib, &error), 0);
	command_must("ip link set lo up; echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 "
	             ">/proc/sys/net/ipv6/conf/all/forwarding;"
	             "echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad");
	for (unsigned i = 0; i < 2; i++) {
		const uint8_t mac[6] = {2, 0, 0, 0, 0, (uint8_t)i};
		if (fwd_tap_open(&tap[i], port_name[i], mac, 1500, &error) != 0)
			fail_msg("%s", error.text);
		assert_int_equal(fwd_tap_carrier(&tap[i], true), 0);
	}
	command_must("ip addr add 192.0.2.1/24 dev p0; ip addr add 198.51.100.1/24 dev p1;"
	             "ip addr add 2001:db8:1::1/64 dev p0; ip addr add 2001:db8:2::1/64 dev p1");
	open_with(0);
	return 0;
}

static int
teardown(void **state)
{
	fwd_mirror_close(mirror);
	for (unsigned i = 0; i < 2; i++)
		fwd_tap_close(&tap[i]);
	fwd_fib_free(fib);
	mirror = NULL;
	return 0;
}

static void
test_names_that_cannot_be_taps(void **state)
{
	struct fwd_tap wrong;
	assert_int_equal(fwd_tap_open(&wrong, "", NULL, 1500, &error), -EINVAL);
	assert_int_equal(fwd_tap_open(&wrong, "sixteen-letters-x", NULL, 1500, &error), -EINVAL);
	assert_int_equal(fwd_tap_open(&wrong, "lo", NULL, 1500, &error), -EINVAL);
	assert_string_equal(error.id, "E358");
	assert_int_equal(fwd_tap_open(&wrong, "p0", NULL, 1500, &error), -EBUSY);
	const uint8_t multicast[6] = {1};
	assert_true(fwd_tap_open(&wrong, "p9", multicast, 1500, &error) < 0);
	assert_string_equal(error.id, "E360");
}

static void
test_what_is_there_at_the_start(void **state)
{
	equal_soon("the start");
	assert_int_equal(mirror->rib.stats.malformed_cnt, 0);
	assert_int_equal(mirror->stats.diff_cnt, 0);
	for (uint8_t i = 1; i <= 2; i++) {
		const struct fwd_interface *is = interface_at(fib, i);
		assert_true(is != NULL && is->up);
		assert_int_equal(is->flags, FWD_IF_FORWARD4 | FWD_IF_FORWARD6);
		assert_int_equal(is->mtu_bytes, 1500);
	}
}

static void
test_ipv4_routes(void **state)
{
	STEPS("ip route add 10.0.0.0/8 via 192.0.2.2", "ip route add 10.1.0.0/16 via 198.51.100.2 metric 50",
	      "ip route add 10.1.0.0/16 via 192.0.2.3 metric 20", "ip route del 10.1.0.0/16 metric 20",
	      "ip route replace 10.1.0.0/16 via 192.0.2.4 metric 50",
	      "ip route append 10.1.0.0/16 via 192.0.2.5 metric 50",
	      "ip route prepend 10.1.0.0/16 via 192.0.2.6 metric 50", "ip route del 10.1.0.0/16 via 192.0.2.6",
	      "ip route del 10.1.0.0/16 via 192.0.2.4", "ip route del 10.1.0.0/16",
	      "ip route add blackhole 10.2.0.0/16; ip route add unreachable 10.3.0.0/16; ip route add prohibit "
	      "10.4.1.0/24;"
	      "ip route add throw 10.5.0.0/16",
	      "ip route add default via 198.51.100.9",
	      "ip route add 10.6.0.0/16 nexthop via 192.0.2.7 weight 1 nexthop via 198.51.100.7 weight 3",
	      "ip route change 10.6.0.0/16 nexthop via 192.0.2.8 weight 200 nexthop via 198.51.100.8 weight 250",
	      "ip route add 10.7.0.0/16 dev lo", "ip route add 10.8.0.0/16 nexthop via 192.0.2.7 nexthop dev lo",
	      "ip route add 10.9.0.0/16 via inet6 fe80::9 dev p1", "ip route add 10.10.0.0/16 via 192.0.2.2 table 100",
	      "ip route flush root 10.0.0.0/8");
	assert_true(mirror->rib.stats.unmirrored_cnt > 0);
	turn_until_quiet();
	assert_int_equal(differences(), 0);
}

static void
test_ipv6_routes(void **state)
{
	STEPS("ip -6 route add 2001:db8:a::/48 via 2001:db8:1::2",
	      "ip -6 route append 2001:db8:a::/48 via 2001:db8:2::2",
	      "ip -6 route append 2001:db8:a::/48 via 2001:db8:2::3",
	      "ip -6 route del 2001:db8:a::/48 via 2001:db8:2::2",
	      "ip -6 route add 2001:db8:a::/48 via 2001:db8:2::4 metric 5",
	      "ip -6 route replace 2001:db8:a::/48 nexthop via 2001:db8:1::5 weight 2 nexthop via 2001:db8:2::5",
	      "ip -6 route del 2001:db8:a::/48 metric 5", "ip -6 route del 2001:db8:a::/48",
	      "ip -6 route add unreachable 2001:db8:b::/48", "ip -6 route add default via fe80::1 dev p0",
	      "ip -6 route add 2001:db8:c::/48 dev p0; ip -6 route add 2001:db8:c::/48 dev p1 metric 2000",
	      "ip -6 route del 2001:db8:c::/48 dev p0", "ip -6 route flush root 2001:db8:c::/48",
	      "ip -6 route del default");
	turn_until_quiet();
	assert_int_equal(differences(), 0);
}

static void
test_nexthop_objects(void **state)
{
	STEPS("ip nexthop add id 1 via 192.0.2.11 dev p0; ip nexthop add id 2 via 198.51.100.11 dev p1;"
	      "ip nexthop add id 3 blackhole; ip nexthop add id 4 via 2001:db8:1::11 dev p0;"
	      "ip nexthop add id 5 via 2001:db8:2::11 dev p1; ip nexthop add id 10 group 1/2,3;"
	      "ip nexthop add id 20 group 4/5",
	      "ip route add 172.16.0.0/16 nhid 1; ip route add 172.17.0.0/16 nhid 3;"
	      "ip route add 172.18.0.0/16 nhid 10; ip -6 route add 2001:db8:d::/48 nhid 4;"
	      "ip -6 route add 2001:db8:e::/48 nhid 20; ip route add 172.19.0.0/16 nhid 4",
	      "ip nexthop replace id 1 via 192.0.2.12 dev p0", "ip nexthop replace id 10 group 1/2",
	      "ip nexthop replace id 10 group 1,3/2,7", "ip route replace 172.16.0.0/16 nhid 10", "ip nexthop del id 2",
	      "ip nexthop del id 4", "ip nexthop del id 10", "ip nexthop flush");
	turn_until_quiet();
	assert_int_equal(differences(), 0);
}

/* Linux takes IPv4 routes away in silence when their link goes down or their source address goes. */
static void
test_links_and_addresses(void **state)
{
	STEPS("ip route add 10.0.0.0/8 via 192.0.2.2; ip route add 10.1.0.0/16 nexthop via 192.0.2.2 nexthop via "
	      "198.51.100.2; ip -6 route add 2001:db8:a::/48 via 2001:db8:1::2",
	      "ip link set p0 down", "ip link set p0 up", "ip addr add 203.0.113.1/24 dev p1",
	      "ip route add 10.2.0.0/16 via 203.0.113.2 src 203.0.113.1", "ip addr del 203.0.113.1/24 dev p1",
	      "ip addr add 2001:db8:3::1/64 dev p0", "ip addr flush dev p0 scope global",
	      "ip addr add 192.0.2.1/24 dev p0; ip addr add 2001:db8:1::1/64 dev p0", "ip route flush root 10.0.0.0/8");
	turn_until_quiet();
	assert_int_equal(differences(), 0);
}

static const struct fwd_interface *
interface_of(unsigned port)
{
	for (unsigned i = 1; i < FWD_INTERFACE_CNT; i++) {
		const struct fwd_interface *is = interface_at(fib, (uint8_t)i);
		if (is != NULL && is->port == port)
			return is;
	}
	fail_msg("port %u has no interface", port);
	return NULL;
}

static void
turn_for_ms(uint32_t ms)
{
	for (uint64_t begin_ms = fwd_mirror_now_ms(); fwd_mirror_now_ms() - begin_ms < ms;)
		fwd_mirror_turn(mirror, 5);
}

static void
test_interfaces(void **state)
{
	command_must("ip link set p1 mtu 1400; ip link set p1 address 02:00:00:00:00:77;"
	             "echo 0 >/proc/sys/net/ipv4/conf/p1/forwarding");
	turn_for_ms(50);
	const struct fwd_interface *is = interface_of(1);
	assert_int_equal(is->mtu_bytes, 1400);
	assert_int_equal(is->mac[5], 0x77);
	assert_int_equal(is->flags, FWD_IF_FORWARD6);
	command_must("echo 1 >/proc/sys/net/ipv4/conf/p1/forwarding; ip link set p1 mtu 1500");
	assert_int_equal(fwd_tap_carrier(&tap[1], false), 0);
	turn_for_ms(1500); /* Linux tells of a carrier at most once a second */
	assert_false(interface_of(1)->up);
	assert_int_equal(fwd_tap_carrier(&tap[1], true), 0);
	turn_for_ms(1500);
	assert_true(interface_of(1)->up);
	equal_soon("the carrier came back");
}

/* A reader sends to addr by that port and MAC address. */
static bool
has_neighbour(unsigned port, const char *addr, const uint8_t *mac)
{
	struct fwd_addr wanted = {.family = strchr(addr, ':') != NULL ? 6 : 4};
	assert_int_equal(inet_pton(wanted.family == 4 ? AF_INET : AF_INET6, addr, wanted.bytes), 1);
	uint64_t adjacency = fwd_fib_lookup(fib, &wanted, 0);
	uint8_t slot = fwd_adjacency_interface(adjacency);
	return fwd_adjacency_kind(adjacency) == FWD_FORWARD && fwd_fib_tables(fib)->interface[slot].port == port &&
	       adjacency == fwd_adjacency_word(FWD_FORWARD, slot, mac);
}

static void
test_neighbours(void **state)
{
	const uint8_t mac[6] = {2, 0, 0, 0, 1, 1}, other[6] = {2, 0, 0, 0, 1, 2};
	command_must("ip neigh add 192.0.2.50 lladdr 02:00:00:00:01:01 dev p0 nud reachable;"
	             "ip neigh add 2001:db8:2::50 lladdr 02:00:00:00:01:01 dev p1 nud permanent;"
	             "ip neigh add 192.0.2.51 dev p0 nud failed");
	turn_for_ms(30);
	assert_true(has_neighbour(0, "192.0.2.50", mac));
	assert_true(has_neighbour(1, "2001:db8:2::50", mac));
	assert_false(has_neighbour(1, "192.0.2.50", mac));
	assert_false(has_neighbour(0, "192.0.2.51", mac));
	command_must("ip neigh replace 192.0.2.50 lladdr 02:00:00:00:01:02 dev p0 nud stale; ip neigh del "
	             "2001:db8:2::50 dev "
	             "p1");
	turn_for_ms(30);
	assert_true(has_neighbour(0, "192.0.2.50", other));
	assert_false(has_neighbour(1, "2001:db8:2::50", mac));
	assert_int_equal(differences(), 0);
}

/* A gateway that Linux does not know is asked for, by ARP out of the TAP, before any packet needs it. */
static void
test_gateways_are_asked_for(void **state)
{
	uint8_t frame[2048];
	const uint8_t wanted[4] = {192, 0, 2, 77};
	bool asked = false;
	command_must("ip route add 10.77.0.0/16 via 192.0.2.77");
	for (uint64_t begin_ms = fwd_mirror_now_ms(); !asked && fwd_mirror_now_ms() - begin_ms < WAIT_MS;) {
		fwd_mirror_turn(mirror, 5);
		int bytes = fwd_tap_read(&tap[0], frame, sizeof(frame));
		asked = bytes >= 42 && frame[12] == 0x08 && frame[13] == 0x06 && memcmp(frame + 38, wanted, 4) == 0;
	}
	assert_true(asked);
}

static void
test_rules_are_counted(void **state)
{
	assert_int_equal(mirror->stats.policy_cnt, 0);
	command_must("ip rule add from 10.0.0.0/8 table 100");
	turn_for_ms(30);
	assert_int_equal(differences(), 0);
	assert_int_equal(mirror->stats.policy_cnt, 1);
}

/* Events that nobody read: a comparison finds each of them, and counts it. */
static void
test_lost_events_heal(void **state)
{
	equal_soon("the start");
	command_must("ip route add 10.1.0.0/16 via 192.0.2.2; ip route add 10.2.0.0/16 via 192.0.2.2");
	equal_soon("two routes");
	turn_until_quiet();
	command_must("ip route del 10.1.0.0/16; ip route replace 10.2.0.0/16 via 192.0.2.3; ip route add 10.3.0.0/16 "
	             "dev p1");
	while (fwd_nl_receive(mirror->event_fd, mirror->buffer, sizeof(mirror->buffer)) >= 0)
		continue;
	assert_int_equal(differences(), 3);
	equal_soon("a comparison");
	assert_int_equal(differences(), 0);
}

/* More changes than the kernel's buffer holds: it says so, and everything is read anew. */
static void
test_overrun_heals(void **state)
{
	fwd_mirror_close(mirror);
	open_with(8192);
	equal_soon("the start");
	command_must("for i in $(seq 0 255); do echo route add 10.9.$i.0/24 via 192.0.2.2; done | ip -batch -;"
	             "for i in $(seq 0 2 255); do echo route del 10.9.$i.0/24; done | ip -batch -");
	assert_int_equal(mirror->stats.overrun_cnt, 0);
	equal_soon("an overrun");
	assert_true(mirror->stats.overrun_cnt != 0);
	turn_until_quiet();
	assert_int_equal(mirror->stats.diff_cnt, 0);
	assert_true(mirror->stats.healed_cnt != 0);
}

/* Routes come and go while everything is compared, many times: an event is never taken for a loss. */
static void
test_changes_while_comparing(void **state)
{
	const char *argv[] = {
	        "/bin/sh", "-c",
	        "for r in $(seq 40); do for i in $(seq 0 99); do echo route add 10.9.$i.0/24 via 192.0.2.2;"
	        "echo route add 2001:db8:$i::/48 via 2001:db8:1::2; done;"
	        "for i in $(seq 0 99); do echo route del 10.9.$i.0/24; "
	        "echo route del 2001:db8:$i::/48; done; done | ip -batch - >&2",
	        NULL};
	fflush(stdout);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		execv(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	int status = 0;
	uint64_t before = mirror->stats.sync_cnt;
	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (mirror->sync.step == FWD_SYNC_IDLE)
			fwd_mirror_resync(mirror);
		fwd_mirror_turn(mirror, 1);
	}
	assert_int_equal(status, 0);
	equal_soon("changes while comparing");
	assert_true(mirror->stats.sync_cnt > before + 2);
	assert_int_equal(mirror->stats.diff_cnt, 0);
	assert_int_equal(mirror->stats.overrun_cnt, 0);
}

static void
test_thread(void **state)
{
	struct fwd_mirror_stats stats = {0};
	assert_int_equal(fwd_mirror_start(mirror, &error), 0);
	command_must("ip route add 10.1.0.0/16 via 192.0.2.2");
	for (uint64_t begin_ms = fwd_mirror_now_ms(); fwd_mirror_now_ms() - begin_ms < WAIT_MS;) {
		fwd_mirror_stats(mirror, &stats);
		if (stats.rib.event_cnt[FWD_RIB_ROUTE4] != 0)
			break;
		usleep(1000);
	}
	assert_int_equal(stats.rib.event_cnt[FWD_RIB_ROUTE4], 1);
	assert_true(stats.item_cnt[FWD_RIB_LINK] >= 3);
}

/* Each test has a namespace of its own. */
static int
fresh(void **state)
{
	if (unshare(CLONE_NEWNET) != 0)
		return -1;
	return setup(state);
}

#define IN_NAMESPACE(test) cmocka_unit_test_setup_teardown(test, fresh, teardown)

int
main(void)
{
	if (geteuid() != 0 || unshare(CLONE_NEWNET) != 0 || access("/dev/net/tun", R_OK | W_OK) != 0) {
		printf("SKIP: network namespaces and TAPs need root and /dev/net/tun\n");
		return 77;
	}
	const struct CMUnitTest tests[] = {
	        IN_NAMESPACE(test_names_that_cannot_be_taps),
	        IN_NAMESPACE(test_what_is_there_at_the_start),
	        IN_NAMESPACE(test_ipv4_routes),
	        IN_NAMESPACE(test_ipv6_routes),
	        IN_NAMESPACE(test_nexthop_objects),
	        IN_NAMESPACE(test_links_and_addresses),
	        IN_NAMESPACE(test_interfaces),
	        IN_NAMESPACE(test_neighbours),
	        IN_NAMESPACE(test_gateways_are_asked_for),
	        IN_NAMESPACE(test_rules_are_counted),
	        IN_NAMESPACE(test_lost_events_heal),
	        IN_NAMESPACE(test_overrun_heals),
	        IN_NAMESPACE(test_changes_while_comparing),
	        IN_NAMESPACE(test_thread),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
