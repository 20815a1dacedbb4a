/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports of real (emulated) cards between two ends of Linux: what it sends arrives, TCP runs, long frames and tagged ones
 * pass where the MTU allows them and are counted where it does not, a link that goes comes back, and so does a card that
 * is reset from outside. Everything that was sent is accounted for.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/lab/inside.h"
#include "tests/lab/wire.h"

#define FAR "/lab/ip netns exec far "

static struct wire wire;

/* TCP in one direction; the far end serves one client. -Z and sizes would only make it faster. */
static void
iperf(const char *more)
{
	struct command_result result;
	inside_ok(FAR "iperf3 -s -1 -D -p 5201 && sleep 1");
	inside_run(&result, "iperf3 -c 10.0.0.2 -p 5201 -n 8M --connect-timeout 5000 -J %s", more);
	assert_int_equal(result.exit_code, 0);
	json_t *report = json_loads(result.out, 0, NULL);
	const json_t *end = json_object_get(json_object_get(report, "end"), "sum_received");
	assert_true(json_integer_value(json_object_get(end, "bytes")) >= 4 << 20);
	json_decref(report);
	command_result_free(&result);
}

/* One by one, what Linux sent is what the other end got and what was dropped, with its reason. */
static void
check_sums(const uint64_t before[2][2])
{
	static const char *const name[] = {"p0", "p1"};
	uint64_t ring_full = (uint64_t)json_integer_value(json_object_get(wire.result, "drop_ring_full"));
	uint64_t lost = 0;
	for (unsigned i = 0; i < 2; i++) {
		uint64_t sent = wire_linux(&wire, i, "tx_packets") - before[i][0];
		uint64_t in = wire_count(&wire, name[i], "rx_pkts") + wire_drops(&wire, name[i], "rx_");
		print_message("%s: Linux sent %lu, the port has %lu\n", name[i], sent, in);
		assert_int_equal(sent, in);
		uint64_t got = wire_linux(&wire, i, "rx_packets") - before[i][1];
		uint64_t out = wire_count(&wire, name[i], "tx_pkts") - wire_drop(&wire, name[i], "tx_error");
		print_message("%s: the port sent %lu, Linux has %lu\n", name[i], out, got);
		assert_int_equal(out, got + wire_linux(&wire, i, "rx_missed_errors"));
		lost += wire_count(&wire, name[i], "rx_pkts") - wire_count(&wire, name[1 - i], "tx_pkts");
	}
	assert_int_equal(lost, ring_full);
}

static void
test_plain(void **state)
{
	(void)state;
	uint64_t before[2][2];
	wire_cell_start(&wire, 1500, "");
	for (unsigned i = 0; i < 2; i++) {
		before[i][0] = wire_linux(&wire, i, "tx_packets");
		before[i][1] = wire_linux(&wire, i, "rx_packets");
	}
	wire_up(&wire, 1500);
	assert_true(wire_ping("10.0.0.2", 56, 20));
	assert_true(wire_ping("10.0.0.2", 1472, 5));
	iperf("");
	iperf("-R");
	wire_down(&wire);
	wire_cell_stop(&wire);
	assert_int_equal(wire_count(&wire, "p0", "resets"), 0);
	check_sums(before);
}

/* A virtio card drops what fits no buffer, and has no count of it; the driver asks for chains of them only for longer frames. */
static bool
card_drops_unseen(void)
{
	struct command_result result;
	inside_run(&result, "grep -l 0x1041 /sys/bus/pci/devices/*/device");
	bool found = result.exit_code == 0;
	command_result_free(&result);
	return found;
}

/* What Linux may send and the port may not take is refused, told by the card or the driver, and hurts nobody. */
static void
test_too_long(void **state)
{
	(void)state;
	wire_cell_start(&wire, 1500, "");
	wire_up(&wire, 9000);
	assert_true(wire_ping("10.0.0.2", 56, 20));
	assert_false(wire_ping("10.0.0.2", 8972, 2));
	assert_true(wire_ping("10.0.0.2", 1400, 5));
	wire_down(&wire);
	wire_cell_stop(&wire);
	if (card_drops_unseen())
		assert_int_equal(wire_drops(&wire, "p0", "rx_"), 0);
	else
		assert_true(wire_drop(&wire, "p0", "rx_too_long") >= 2);
	assert_int_equal(wire_drops(&wire, "p1", "rx_"), 0);
}

static void
tagged(unsigned mtu_bytes)
{
	inside_ok("/lab/ip link add link %s name v0 mtu %u type vlan id 77 && /lab/ip addr add 10.7.7.1/24 dev v0 && "
	          "/lab/ip link set v0 up",
	          wire.end[0].name, mtu_bytes);
	inside_ok(FAR "sh -c '/lab/ip link add link %s name v0 mtu %u type vlan id 77 && /lab/ip addr add 10.7.7.2/24 "
	              "dev v0 && /lab/ip link set v0 up'",
	          wire.end[1].name, mtu_bytes);
	assert_true(wire_ping("10.7.7.2", 56, 20));
	assert_true(wire_ping("10.7.7.2", mtu_bytes - 28, 5));
	inside_ok("/lab/ip link del v0 && " FAR "/lab/ip link del v0");
}

static void
link_cut(void)
{
	inside_ok("lab-ctl link-down nic1 && sleep 1");
	assert_false(wire_ping("10.0.0.2", 56, 2));
	inside_ok("lab-ctl link-up nic1");
	assert_true(wire_ping("10.0.0.2", 56, 20));
}

/*
 * Intel's cards without FLR: CTRL.RST, after which a receiver is off (QEMU 7.2 forgets nothing then but the address, so that
 * is written, too). What the card forgets, the driver must notice.
 */
static void
intel_reset(const char *address)
{
	char path[64];
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource0", address);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	volatile uint32_t *ctrl = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(ctrl, MAP_FAILED);
	ctrl[0] = ctrl[0] | 1u << 26;
	usleep(2000);
	ctrl[0x100 / 4] = 0;
	munmap((void *)(uintptr_t)ctrl, 4096);
	close(fd);
}

/* Behind the driver's back: it notices, and starts again. */
static void
function_reset(void)
{
	struct command_result result;
	inside_run(&result, "cat /sys/bus/pci/devices/%s/reset_method", wire.port[0]);
	if (strstr(result.out, "flr") != NULL)
		inside_ok("echo flr > /sys/bus/pci/devices/%s/reset_method && echo 1 > /sys/bus/pci/devices/%s/reset",
		          wire.port[0], wire.port[0]);
	else
		intel_reset(wire.port[0]);
	command_result_free(&result);
	sleep(1);
	assert_true(wire_ping("10.0.0.2", 56, 20));
}

static void
test_long_tagged_and_trouble(void **state)
{
	(void)state;
	wire_cell_start(&wire, 9000, "");
	wire_up(&wire, 9000);
	assert_true(wire_ping("10.0.0.2", 56, 20));
	assert_true(wire_ping("10.0.0.2", 8972, 5));
	iperf("");
	tagged(8996);
	link_cut();
	function_reset();
	assert_true(wire_ping("10.0.0.2", 8972, 5));
	wire_down(&wire);
	wire_cell_stop(&wire);
	assert_int_equal(wire_count(&wire, "p0", "link_changes") >= 2, 1);
	assert_true(wire_count(&wire, "p0", "resets") >= 1);
	assert_int_equal(wire_count(&wire, "p1", "resets"), 0);
	assert_int_equal(inside_iommu_faults(), 0);
}

static int
set_up(void **state)
{
	(void)state;
	wire_set_up(&wire);
	return 0;
}

/* A cell that a failed test has left: what it said is what a person wants to read. */
static int
tear_down(void **state)
{
	(void)state;
	wire_cell_end(&wire);
	return 0;
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_teardown(test_plain, tear_down),
	        cmocka_unit_test_teardown(test_too_long, tear_down),
	        cmocka_unit_test_teardown(test_long_tagged_and_trouble, tear_down),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, set_up, NULL);
}
