/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checksums and tags that a port puts in, as Linux at the other end of the wire sees them: each datagram arrives, whole, in
 * the VLAN that was asked for, and the kernel finds no wrong checksum. What Linux sends, the device finds right.
 * After test_net, on the first wire of its four cards.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/cells/port_offload.h"
#include "tests/component/cell_run.h"
#include "tests/lab/inside.h"

#define CELL_FILE "/lab/tests/cells/port_offload.cell"

static char port[16], eth[32];
static int plain_fd, tagged_fd;

static int
compile(const struct bh_run_config *config, void *out, uint32_t *out_bytes, struct bh_error *error)
{
	(void)config;
	(void)out;
	(void)error;
	*out_bytes = 0;
	return 0;
}

static const struct bh_app offload_app = {.name = "port_offload", .compile = compile};

static int
udp_socket(const char *address)
{
	struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(OFFLOAD_UDP_PORT)};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(inet_pton(AF_INET, address, &here.sin_addr), 1);
	assert_int_equal(bind(fd, (const struct sockaddr *)&here, sizeof(here)), 0);
	return fd;
}

/* Something for the device to check: answers, while the cell waits for them. */
static void
answer(struct cell_run *run, struct bh_cell *cell)
{
	static const char text[333] = "a datagram of odd length";
	struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons(OFFLOAD_UDP_PORT)};
	(void)run;
	(void)cell;
	inet_pton(AF_INET, "10.0.0.9", &there.sin_addr);
	(void)sendto(plain_fd, text, sizeof(text), 0, (const struct sockaddr *)&there, sizeof(there));
}

/* The datagrams of one socket: those whose index has that lowest bit, each once, whole. */
static void
check_datagrams(int fd, unsigned odd)
{
	uint8_t got[512], seen[OFFLOAD_FRAME_CNT] = {0};
	unsigned cnt = 0;
	for (ssize_t len; (len = recv(fd, got, sizeof(got), 0)) >= 0; cnt++) {
		assert_int_equal(len, OFFLOAD_PAYLOAD_BYTES);
		assert_in_range(got[0], 0, OFFLOAD_FRAME_CNT - 1);
		assert_int_equal(got[0] & 1, odd);
		assert_int_equal(seen[got[0]]++, 0);
		for (unsigned i = 0; i < OFFLOAD_PAYLOAD_BYTES; i++)
			assert_int_equal(got[i], (uint8_t)(got[0] + i));
	}
	assert_int_equal(cnt, OFFLOAD_FRAME_CNT / 2);
}

static void
test_offload(void **state)
{
	char config[256];
	(void)state;
	snprintf(config, sizeof(config),
	         "[cell]\napp = port_offload\ncpus = 2\narena = 64M\npages = normal\n"
	         "[port p0]\nbackend = vfio\naddress = %s\n",
	         port);
	struct cell_run run = {.config = config,
	                       .app = &offload_app,
	                       .cell_file = CELL_FILE,
	                       .program = "/lab/bulkhead",
	                       .duration_ns = UINT64_C(40000000000),
	                       .tick = answer};
	cell_run(&run);
	print_message("%s%s %s", run.error.text, run.warnings, run.result.error.text);
	assert_int_equal(run.start_err, 0);
	assert_int_equal(run.result.outcome, BH_OUTCOME_DONE);
	check_datagrams(plain_fd, 0);
	check_datagrams(tagged_fd, 1);
	struct command_result snmp;
	inside_run(&snmp, "awk '/^Udp:/ {print $NF > \"/dev/null\"; print $4, $8}' /proc/net/snmp");
	assert_string_equal(snmp.out, "InErrors InCsumErrors\n0 0\n");
	command_result_free(&snmp);
}

static int
set_up(void **state)
{
	struct command_result result;
	char end[16];
	(void)state;
	inside_ok("modprobe vfio-pci; modprobe vfio_iommu_type1; modprobe 8021q; modprobe e1000e; modprobe igb");
	inside_find("0x020000", 0, end);
	inside_find("0x020000", 1, port);
	inside_bind(port, "vfio-pci");
	inside_run(&result, "ls /sys/bus/pci/devices/%s/net", end);
	snprintf(eth, sizeof(eth), "%.*s", (int)strcspn(result.out, "\n"), result.out);
	command_result_free(&result);
	inside_ok("/lab/ip link set %s mtu 1500 up && /lab/ip addr replace 10.0.0.1/24 dev %s && "
	          "/lab/ip neigh replace 10.0.0.9 lladdr 02:00:00:00:00:09 dev %s && "
	          "/lab/ip link add link %s name v0 type vlan id 77 && /lab/ip addr add 10.7.7.1/24 dev v0 && "
	          "/lab/ip link set v0 up",
	          eth, eth, eth, eth);
	plain_fd = udp_socket("10.0.0.1");
	tagged_fd = udp_socket("10.7.7.1");
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_offload)};
	return cmocka_run_group_tests(tests, set_up, NULL);
}
