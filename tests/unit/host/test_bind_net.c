/* SPDX-License-Identifier: Apache-2.0 */
/* The guards of network cards and of functions as such, on a machine that is a folder. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/host/fake_guard.h"

#define ROUTE_HEAD "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
#define ZERO32     "00000000000000000000000000000000"

static void
ipv4_route(const char *interface, const char *destination, const char *flags, const char *mask)
{
	fake_file(fake.root, "/proc/net/route", ROUTE_HEAD "%s\t%s\t0202000A\t%s\t0\t0\t0\t%s\t0\t0\t0\n", interface,
	          destination, flags, mask);
}

static void
ipv6_route(const char *interface, const char *prefix, const char *flags)
{
	fake_file(fake.root, "/proc/net/ipv6_route",
	          ZERO32 " %s " ZERO32 " 00 fe800000000000000000000000000002 00000400 "
	                 "00000001 00000000 %s %s\n",
	          prefix, flags, interface);
}

static void
test_default_ipv4(void **state)
{
	ipv4_route("eth0", "00000000", "0003", "00000000");
	guard_only(NIC, "default-route", "eth0 carries the IPv4 default route (/proc/net/route)");
	ipv4_route("eth0", "00000080", "0003", "00000080");
	guard_only(NIC, "default-route", "eth0");
}

static void
test_default_ipv6(void **state)
{
	ipv6_route("eth0", "00", "00450003");
	guard_only(NIC, "default-route", "eth0 carries the IPv6 default route (/proc/net/ipv6_route)");
}

static void
test_default_other_table(void **state)
{
	strcpy(fake.default_route[0], "eth7");
	strcpy(fake.default_route[1], "eth0");
	fake.default_cnt = 2;
	guard_only(NIC, "default-route", "eth0 carries the default route (RTM_GETROUTE)");
	fake.default_cnt = -EPERM;
	guard_only(NIC, "unreadable", "rtnetlink");
}

static void
test_no_default(void **state)
{
	ipv4_route("eth0", "0000000A", "0001", "000000FF");
	ipv6_route("eth0", "40", "00000001");
	assert_int_equal(guard_check(NIC), 0);
	ipv4_route("eth01", "00000000", "0003", "00000000");
	assert_int_equal(guard_check(NIC), 0);
	ipv4_route("eth0", "00000000", "0203", "00000000"); /* reject */
	ipv6_route("eth0", "00", "00200200");
	assert_int_equal(guard_check(NIC), 0);
}

static void
test_default_over_bond_bridge_vlan(void **state)
{
	fake_interface("", "bond0");
	fake_interface("", "br0");
	fake_interface("", "br0.10");
	fake_link(fake.root, "/sys/class/net/eth0/master", "../../../../../../../class/net/bond0");
	fake_upper("bond0", "br0");
	fake_upper("br0", "br0.10");
	fake_upper("br0.10", "eth0"); /* a circle */
	ipv4_route("bond0", "00000000", "0003", "00000000");
	guard_only(NIC, "default-route", "bond0, which lies on eth0, carries the IPv4 default route");
	ipv4_route("br0.10", "00000000", "0003", "00000000");
	guard_only(NIC, "default-route", "br0.10, which lies on eth0, carries the IPv4 default route");
}

/* Little-endian words: 10.0.2.15 is 0F02000A. */
#define TCP(local, port, remote, state, inode)                                                                         \
	"  sl  local_address rem_address   st tx_queue\n"                                                              \
	"   0: " local ":" port " " remote ":C001 " state                                                              \
	" 00000000:00000000 00:00000000 00000000     0        0 " inode " 1 0\n"

static void
test_ssh_port_22(void **state)
{
	fake_add_address("eth0", "10.0.2.15");
	fake_file(fake.root, "/proc/net/tcp", TCP("0F02000A", "0016", "0202000A", "01", "77"));
	guard_only(NIC, "ssh-session", "eth0 carries an ssh session from 10.0.2.2 (/proc/net/tcp, port 22)");
	fake_file(fake.root, "/proc/net/tcp", TCP("0F02000A", "0016", "0202000A", "0A", "77")); /* listens */
	assert_int_equal(guard_check(NIC), 0);
	fake_file(fake.root, "/proc/net/tcp", TCP("0F02000A", "0017", "0202000A", "01", "77")); /* another port */
	assert_int_equal(guard_check(NIC), 0);
}

static void
test_ssh_other_port_by_server(void **state)
{
	fake_add_address("eth0", "10.0.2.15");
	fake_process(50, 1, "sshd-session");
	fake_link(fake.root, "/proc/50/fd/4", "socket:[77]");
	fake_file(fake.root, "/proc/net/tcp", TCP("0F02000A", "08AE", "0202000A", "01", "77"));
	guard_only(NIC, "ssh-session", "port 2222");
}

static void
test_ssh_ipv6_and_mapped(void **state)
{
	fake_add_address("eth0", "fd00::1");
	fake_file(fake.root, "/proc/net/tcp6",
	          TCP("000000FD000000000000000001000000", "0016", "000000FD000000000000000002000000", "01", "9"));
	guard_only(NIC, "ssh-session", "from fd00::2");
	fake.address_cnt = 0;
	fake_add_address("eth0", "10.0.2.15");
	fake_file(fake.root, "/proc/net/tcp6",
	          TCP("0000000000000000FFFF00000F02000A", "0016", "0000000000000000FFFF00000202000A", "01", "9"));
	guard_only(NIC, "ssh-session", "from 10.0.2.2");
}

static void
test_ssh_environment(void **state)
{
	static const char environ[] = "PATH=/bin\0SSH_CONNECTION=10.0.2.2 50000 10.0.2.15 22\0HOME=/\0";
	fake_add_address("eth0", "10.0.2.15");
	fake_bytes(fake.root, "/proc/self/environ", environ, sizeof(environ) - 1);
	guard_only(NIC, "ssh-session", "from 10.0.2.2 (SSH_CONNECTION in /proc/self/environ)");
	/* sudo takes it from us; the shell above still has it */
	fake_bytes(fake.root, "/proc/self/environ", "PATH=/bin", 10);
	fake_file(fake.root, "/proc/self/stat", "100 (bulkhead) R 99 1 1\n");
	fake_process(99, 98, "sudo) (");
	fake_process(98, 1, "bash");
	fake_bytes(fake.root, "/proc/98/environ", environ, sizeof(environ) - 1);
	guard_only(NIC, "ssh-session", "/proc/98/environ");
}

static void
test_ssh_by_route(void **state)
{
	static const char environ[] = "SSH_CONNECTION=192.0.2.1 50000 203.0.113.5 22";
	fake_bytes(fake.root, "/proc/self/environ", environ, sizeof(environ));
	assert_int_equal(guard_check(NIC), 0);
	strcpy(fake.route, "eth0"); /* the address is on lo, the way to the peer is ours */
	guard_only(NIC, "ssh-session", "from 192.0.2.1");
	strcpy(fake.route, "eth1");
	assert_int_equal(guard_check(NIC), 0);
}

static void
test_ssh_over_bond(void **state)
{
	fake_interface("", "bond0");
	fake_upper("eth0", "bond0");
	fake_add_address("bond0", "10.0.2.15");
	fake_file(fake.root, "/proc/net/tcp", TCP("0F02000A", "0016", "0202000A", "01", "77"));
	guard_only(NIC, "ssh-session", "bond0, which lies on eth0, carries an ssh session");
}

static void
test_hostile_files(void **state)
{
	char line[5000];
	memset(line, 'F', sizeof(line));
	line[sizeof(line) - 1] = '\0';
	fake_add_address("eth0", "10.0.2.15");
	fake_file(fake.root, "/proc/net/route", "%s\neth0\neth0 00000000\n\n\t\t\n", line);
	fake_file(fake.root, "/proc/net/ipv6_route", "%s\n0 0 0 0 0 0 0 0 0\n", line);
	fake_file(fake.root, "/proc/net/tcp",
	          "%s\n0: 0F02000A:0016\n0: %s:0016 x 01 0 0 0 0 0 77\n0: 0F02000A 0 01 0 0 0 0 0 1\n", line,
	          line + 4000);
	fake_file(fake.root, "/proc/self/environ", "SSH_CONNECTION=%s", line);
	fake_file(fake.root, "/proc/self/stat", "no parenthesis");
	assert_int_equal(guard_check(NIC), 0);
	fake_file(fake.root, "/proc/self/environ", "SSH_CONNECTION=");
	fake_file(fake.root, "/proc/self/stat", "1 (x) S 5 1\n");
	fake_process(5, 5, "own parent");
	assert_int_equal(guard_check(NIC), 0);
}

static void
test_no_interface(void **state)
{
	fake_gone(fake.root, "/sys/class/net/eth0");
	guard_only(NIC, "no-interface", "its driver is e1000e, and no network interface of it shows here");
	fake_gone(fake.root, "/sys/bus/pci/devices/" NIC "/driver");
	assert_int_equal(guard_check(NIC), 0);
}

/* A virtio card's interface stands below its virtio device; without a driver of that there is none, in no namespace. */
static void
test_virtio(void **state)
{
	static const char card[] = "0000:00:05.0", behind[] = "/sys/bus/pci/devices/0000:00:05.0/virtio1";
	char path[128];
	fake_pci(fake.root, card, 0x1af4, 0x1041, 0x020000, "virtio-pci", 9);
	guard_only(card, "no-interface", "its driver is virtio-pci"); /* nothing behind it: not known, so refused */
	snprintf(path, sizeof(path), "%s/device", behind);
	fake_file(fake.root, path, "0x0001\n");
	assert_int_equal(guard_check(card), 0);
	snprintf(path, sizeof(path), "%s/driver", behind);
	fake_link(fake.root, path, "../../../../bus/virtio/drivers/virtio_net");
	guard_only(card, "no-interface", "its driver is virtio-pci");
	fake_interface("0000:00:05.0/virtio1", "eth5");
	assert_int_equal(guard_check(card), 0);
	ipv4_route("eth5", "00000000", "0003", "00000000");
	guard_only(card, "default-route", "eth5 carries the IPv4 default route");
	fake_gone(fake.root, "/proc/net/route");
	fake_add_address("eth5", "10.0.2.15");
	fake_file(fake.root, "/proc/net/tcp", TCP("0F02000A", "0016", "0202000A", "01", "77"));
	guard_only(card, "ssh-session", "eth5 carries an ssh session from 10.0.2.2");
}

static void
test_class_and_function(void **state)
{
	fake_file(fake.root, "/sys/bus/pci/devices/" NIC "/class", "0x030000\n");
	fake_file(fake.root, "/sys/bus/pci/devices/" NIC "/boot_vga", "1\n");
	fake_file(fake.root, "/sys/bus/pci/devices/" NIC "/sriov_numvfs", "4\n");
	assert_int_equal(guard_check(NIC), 3);
	assert_string_equal(guard_finding[0].reason, "class");
	assert_non_null(strstr(guard_finding[0].evidence, "display"));
	assert_string_equal(guard_finding[1].reason, "boot-display");
	assert_string_equal(guard_finding[2].reason, "vfs");
	assert_non_null(strstr(guard_finding[2].evidence, "4 virtual functions"));
}

static void
test_notes(void **state)
{
	struct bh_bind_finding note[BH_BIND_FINDINGS_MAX];
	fake_add_address("eth0", "10.9.9.9");
	fake_add_address("eth0", "fe80::1");
	fake_pci(fake.root, "0000:02:00.1", 0x8086, 0x10d3, 0x020000, "e1000e", 7);
	fake_pci(fake.root, "0000:00:1c.0", 0x8086, 0x10d3, 0x060400, "pcieport", 7);
	fake_pci(fake.root, "0000:02:00.2", 0x8086, 0x10d3, 0x020000, "vfio-pci", 7);
	assert_int_equal(guard_check(NIC), 0);
	assert_int_equal(bh_bind_notes(fake.root, NIC, note, NULL), 2);
	assert_string_equal(note[0].evidence, "eth0 has 2 IP addresses, which go with it");
	assert_non_null(strstr(note[1].evidence, "IOMMU group 7 also holds 0000:02:00.1 (network, driver e1000e)"));
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fake_start, fake_stop)
	const struct CMUnitTest tests[] = {
	        T(test_default_ipv4),
	        T(test_default_ipv6),
	        T(test_default_other_table),
	        T(test_no_default),
	        T(test_default_over_bond_bridge_vlan),
	        T(test_ssh_port_22),
	        T(test_ssh_other_port_by_server),
	        T(test_ssh_ipv6_and_mapped),
	        T(test_ssh_environment),
	        T(test_ssh_by_route),
	        T(test_ssh_over_bond),
	        T(test_hostile_files),
	        T(test_no_interface),
	        T(test_virtio),
	        T(test_class_and_function),
	        T(test_notes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
