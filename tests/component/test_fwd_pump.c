/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The TAPs of ports, with this test in the cell's place: Linux answers ARP and ping that come through the ring, sees
 * the port's MAC address, MTU and link, and a cell that writes nonsense hurts only itself.
 */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "apps/fwd/host/pump.h"
#include "tests/component/command.h"

#define SLOTS   16u
#define WAIT_MS 5000

static const char port_name[2][IF_NAMESIZE] = {"p0", "p1"};
static const uint8_t port_mac[2][6] = {{2, 0, 0, 0, 0, 0x10}, {2, 0, 0, 0, 0, 0x11}};
static struct fwd_channel *channel;
static struct fwd_pump *pump;
static struct fwd_ring_end to_linux[2], from_linux;
static struct bh_error error;

static bool
says(const char *line, const char *wanted)
{
	char *out = command_text(line);
	bool found = strstr(out, wanted) != NULL;
	free(out);
	return found;
}

static int
setup(void **state)
{
	uint64_t bytes = fwd_channel_bytes(2, SLOTS, FWD_SLOT_BYTES);
	if (unshare(CLONE_NEWNET) != 0)
		return -1;
	channel = aligned_alloc(4096, bytes);
	assert_non_null(channel);
	memset(channel, 0, bytes);
	fwd_channel_init(channel, 2, 2, SLOTS, FWD_SLOT_BYTES);
	const struct fwd_pump_options options = {
	        .channel = channel, .port = port_name, .port_cnt = 2, .mtu_bytes = 1500};
	if (fwd_pump_open(&options, &pump, &error) != 0)
		fail_msg("%s", error.text);
	for (uint32_t i = 0; i < 2; i++)
		assert_int_equal(fwd_channel_end(channel, bytes, i, true, &to_linux[i]), 0);
	assert_int_equal(fwd_channel_end(channel, bytes, 2, false, &from_linux), 0);
	return 0;
}

static int
teardown(void **state)
{
	fwd_pump_close(pump);
	free(channel);
	return 0;
}

static void
port_says(uint32_t port, uint32_t mtu_bytes, bool link_up)
{
	struct fwd_port_line *line = &channel->port[port];
	memcpy(line->mac, port_mac[port], 6);
	line->mtu_bytes = mtu_bytes;
	line->link_up = link_up;
	__atomic_store_n(&line->ready, 1, __ATOMIC_RELEASE);
}

static void
turns(unsigned cnt)
{
	for (unsigned i = 0; i < cnt; i++)
		(void)fwd_pump_turn(pump);
}

static void
put(struct fwd_ring_end *end, const void *frame, uint32_t bytes, uint8_t port)
{
	struct fwd_slot *slot = fwd_ring_room(end);
	assert_non_null(slot);
	memcpy(slot->frame, frame, bytes < FWD_SLOT_BYTES - sizeof(*slot) ? bytes : 64);
	fwd_ring_put(end, bytes, port, 0);
	fwd_ring_publish(end);
}

static void
read_stats(struct fwd_pump_stats *out)
{
	fwd_pump_stats(pump, out);
}

static void
test_nonsense_from_the_cell(void **state)
{
	const uint8_t frame[64] = {0};
	struct fwd_pump_stats stats;
	put(&to_linux[0], frame, 13, 0);
	put(&to_linux[0], frame, FWD_SLOT_BYTES, 0);
	put(&to_linux[0], frame, UINT32_MAX, 0);
	put(&to_linux[1], frame, 60, 2);
	put(&to_linux[1], frame, 60, 255);
	turns(2);
	read_stats(&stats);
	assert_int_equal(stats.bad_frame_cnt, 5);
	assert_int_equal(stats.to_linux_cnt, 0);
	channel->to_linux[1].head = UINT64_MAX / 2;
	turns(3);
	read_stats(&stats);
	assert_int_equal(stats.ring_broken_cnt, 1);
	put(&to_linux[0], frame, 60, 0); /* the other core's is read on */
	turns(1);
	read_stats(&stats);
	assert_int_equal(stats.to_linux_cnt, 1);
	channel->from_linux.tail = 77;
	free(command_text("ip link set p0 up"));
	turns(3);
	read_stats(&stats);
	assert_int_equal(stats.from_linux_cnt, 0);
}

static void
test_impossible_mac(void **state)
{
	struct fwd_pump_stats stats;
	port_says(0, 1500, true);
	channel->port[0].mac[0] = 1; /* multicast */
	turns(70);
	read_stats(&stats);
	assert_int_equal(stats.tap_error_cnt, 1);
}

static void
test_linux_sees_the_port(void **state)
{
	assert_true(says("ip link show p0", "NO-CARRIER"));
	port_says(0, 1400, true);
	turns(70);
	assert_true(says("ip link show p0", "02:00:00:00:00:10"));
	assert_true(says("ip link show p0", "mtu 1400"));
	assert_true(says("ip link show p0", "LOWER_UP"));
	channel->port[0].link_up = 0;
	turns(70);
	assert_true(says("ip link show p0", "NO-CARRIER"));
	assert_false(says("ip link show p1", "LOWER_UP"));
}

static void
test_tap_that_is_down(void **state)
{
	const uint8_t frame[64] = {0};
	struct fwd_pump_stats stats;
	free(command_text("ip link set p1 down"));
	put(&to_linux[0], frame, 60, 1);
	turns(1);
	read_stats(&stats);
	assert_int_equal(stats.tap_down_cnt, 1);
}

/* The next frame of Linux for which `is` holds; others are passed over. */
static const uint8_t *
next_frame(bool (*is)(const struct fwd_slot *slot))
{
	static uint8_t frame[FWD_SLOT_BYTES];
	struct timespec pause = {.tv_nsec = 1000000};
	for (unsigned ms = 0; ms < WAIT_MS; ms++) {
		const struct fwd_slot *slot = fwd_ring_next(&from_linux);
		if (slot == NULL) {
			nanosleep(&pause, NULL);
			continue;
		}
		bool found = is(slot);
		memcpy(frame, slot->frame, slot->bytes);
		fwd_ring_drop(&from_linux);
		fwd_ring_publish(&from_linux);
		if (found)
			return frame;
	}
	fail_msg("no such frame came");
	return NULL;
}

static bool
is_arp_reply(const struct fwd_slot *slot)
{
	return slot->port == 1 && slot->bytes >= 42 && slot->frame[12] == 8 && slot->frame[13] == 6 &&
	       slot->frame[21] == 2;
}

static bool
is_echo_reply(const struct fwd_slot *slot)
{
	return slot->port == 1 && slot->bytes >= 42 && slot->frame[12] == 8 && slot->frame[13] == 0 &&
	       slot->frame[23] == 1 && slot->frame[34] == 0;
}

/* Frames by RFC 826 and RFC 792, from 198.51.100.2 (02:00:00:00:00:99) to 198.51.100.1. */
static const uint8_t arp_request[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0,   0x99, 8,   6,
                                        0,    1,    8,    0,    6,    4,    0, 1, 2, 0, 0,   0,    0,   0x99,
                                        198,  51,   100,  2,    0,    0,    0, 0, 0, 0, 198, 51,   100, 1};
static const uint8_t echo_request[60] = {2,    0, 0,   0,  0,   0x11, 2, 0, 0,    0,    0,    0x99, 8,   0,
                                         0x45, 0, 0,   46, 0,   1,    0, 0, 64,   1,    0xc2, 0x94, 198, 51,
                                         100,  2, 198, 51, 100, 1,    8, 0, 0xf7, 0xfd, 0,    1,    0,   1};

static uint16_t
ip_sum(const uint8_t *header)
{
	uint32_t sum = 0;
	for (unsigned i = 0; i < 20; i += 2)
		sum += (uint32_t)header[i] << 8 | header[i + 1];
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void
test_linux_answers(void **state)
{
	uint8_t ping[60];
	memcpy(ping, echo_request, sizeof(ping));
	ping[24] = ping[25] = 0;
	uint16_t sum = ip_sum(ping + 14);
	ping[24] = (uint8_t)(sum >> 8);
	ping[25] = (uint8_t)sum;
	port_says(1, 1500, true);
	assert_int_equal(fwd_pump_start(pump, &error), 0);
	free(command_text("ip addr add 198.51.100.1/24 dev p1; i=0; until ip link show p1 | grep -q 02:00:00:00:00:11;"
	                  "do i=$((i + 1)); test $i -lt 100; sleep 0.05; done"));
	put(&to_linux[1], arp_request, sizeof(arp_request), 1);
	const uint8_t *answer = next_frame(is_arp_reply);
	assert_memory_equal(answer + 22, port_mac[1], 6);
	put(&to_linux[0], ping, sizeof(ping), 1);
	answer = next_frame(is_echo_reply);
	assert_memory_equal(answer + 6, port_mac[1], 6);
}

/* A ring that nobody reads is filled and no further; the rest waits in Linux. */
static void
test_full_ring_waits(void **state)
{
	struct fwd_pump_stats stats;
	port_says(0, 1500, true);
	turns(70);
	free(command_text(
	        "ip addr add 192.0.2.1/24 dev p0; ip neigh add 192.0.2.2 lladdr 02:00:00:00:00:98 dev p0 nud permanent;"
	        "sleep 1.2; ping -n -q -c 40 -i 0.002 -W 1 192.0.2.2 || true"));
	turns(20);
	read_stats(&stats);
	assert_int_equal(stats.from_linux_cnt, SLOTS);
	for (unsigned i = 0; i < SLOTS; i++) {
		assert_non_null(fwd_ring_next(&from_linux));
		fwd_ring_drop(&from_linux);
	}
	fwd_ring_publish(&from_linux);
	turns(20);
	read_stats(&stats);
	assert_int_equal(stats.from_linux_cnt, 2 * SLOTS);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	if (geteuid() != 0 || unshare(CLONE_NEWNET) != 0 || access("/dev/net/tun", R_OK | W_OK) != 0) {
		printf("SKIP: network namespaces and TAPs need root and /dev/net/tun\n");
		return 77;
	}
	const struct CMUnitTest tests[] = {
	        WITH(test_nonsense_from_the_cell), WITH(test_impossible_mac), WITH(test_linux_sees_the_port),
	        WITH(test_tap_that_is_down),       WITH(test_linux_answers),  WITH(test_full_ring_waits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
