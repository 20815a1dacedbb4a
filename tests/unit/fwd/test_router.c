/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The router between queues that the test plays, with tables that the fib wrote. Frames are built here by the RFCs'
 * layouts; checksums are computed here, word by word.
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/fwd/sides.h"

#define PORT_CNT SIDE_CNT
#define SLOT_CNT SIDE_SLOT_CNT

static struct fwd_fib *fib;

static const uint8_t port_mac[PORT_CNT][6] = {
        {2, 0, 0, 0, 1, 0},
        {2, 0, 0, 0, 1, 1},
        {2, 0, 0, 0, 1, 2},
};
static const uint8_t hop_mac[6] = {2, 0, 0, 0, 9, 1}, hop_mac2[6] = {2, 0, 0, 0, 9, 2};

static void
assert_counted(enum fwd_reason reason, uint64_t cnt)
{
	uint64_t is = sides_counter(sides_reason_name(reason));
	if (is != cnt)
		fail_msg("%s is %lu, not %lu", sides_reason_name(reason), is, cnt);
}

/* Everything that came in is accounted for, and every packet is back in the pool. */
static void
assert_adds_up(void)
{
	uint64_t in_cnt = 0, out_cnt = 0, reason_cnt = 0;
	for (uint32_t i = 0; i < PORT_CNT; i++) {
		in_cnt += side[i].given_cnt;
		out_cnt += side[i].out_cnt;
	}
	for (uint32_t i = 0; i < FWD_DROP_END; i++) {
		const char *name = sides_reason_name((enum fwd_reason)i);
		uint64_t port_cnt = 0;
		for (uint32_t j = 0; j < PORT_CNT; j++)
			port_cnt += sides_port_counter(j, name);
		assert_int_equal(sides_counter(name), port_cnt);
		reason_cnt += port_cnt;
	}
	assert_int_equal(in_cnt - out_cnt, reason_cnt);
	for (uint32_t j = 0; j < PORT_CNT; j++) {
		uint64_t here_cnt = 0;
		for (uint32_t i = 0; i < FWD_DROP_TX_FULL; i++)
			here_cnt += sides_port_counter(j, sides_reason_name((enum fwd_reason)i));
		assert_true(here_cnt <= side[j].given_cnt);
	}
	assert_int_equal(sides_free_cnt(), sides_pkt_cnt());
}

static struct fwd_addr
addr_of(const char *text)
{
	struct fwd_addr addr = {0};
	addr.family = strchr(text, ':') != NULL ? 6 : 4;
	assert_int_equal(inet_pton(addr.family == 6 ? AF_INET6 : AF_INET, text, addr.bytes), 1);
	return addr;
}

static void
route(const char *text, uint8_t len, enum fwd_kind kind, const char *gateway, uint8_t interface)
{
	const struct fwd_prefix prefix = {.addr = addr_of(text), .len = len};
	struct fwd_hop hop = {.interface = interface, .weight = 1};
	if (gateway != NULL)
		hop.gateway = addr_of(gateway);
	assert_int_equal(fwd_fib_route_set(fib, &prefix, kind, &hop, kind == FWD_FORWARD ? 1 : 0), 0);
}

static void
neighbour(const char *text, uint8_t interface, const uint8_t mac[6])
{
	const struct fwd_addr addr = addr_of(text);
	assert_int_equal(fwd_fib_neighbour_set(fib, interface, &addr, mac), 0);
}

static void
tables(void)
{
	const struct fwd_fib_options options = {.size_bytes = FWD_TABLE_BYTES_MIN};
	struct bh_error error = {0};
	assert_int_equal(fwd_fib_create(&options, &fib, &error), 0);
	for (uint8_t i = 0; i < PORT_CNT; i++) {
		struct fwd_interface interface = {.mtu_bytes = i == 2 ? 1280 : 1500,
		                                  .port = i,
		                                  .up = 1,
		                                  .flags = FWD_IF_FORWARD4 | FWD_IF_FORWARD6};
		memcpy(interface.mac, port_mac[i], 6);
		assert_int_equal(fwd_fib_interface_set(fib, (uint8_t)(i + 1), &interface), 0);
	}
	const struct fwd_interface tagged = {.mac = {2, 0, 0, 0, 1, 1},
	                                     .vlan = 7,
	                                     .mtu_bytes = 1500,
	                                     .port = 1,
	                                     .up = 1,
	                                     .flags = FWD_IF_FORWARD4 | FWD_IF_FORWARD6};
	assert_int_equal(fwd_fib_interface_set(fib, 4, &tagged), 0);
	route("10.0.0.0", 24, FWD_FORWARD, NULL, 1);
	route("10.0.0.1", 32, FWD_HOST, NULL, 0);
	route("10.0.1.0", 24, FWD_FORWARD, NULL, 2);
	route("10.0.2.0", 24, FWD_FORWARD, NULL, 3);
	route("10.0.7.0", 24, FWD_FORWARD, NULL, 4);
	route("192.0.2.0", 24, FWD_FORWARD, "10.0.1.2", 2);
	route("198.51.100.0", 24, FWD_BLACKHOLE, NULL, 0);
	route("198.51.101.0", 24, FWD_UNREACHABLE, NULL, 0);
	route("198.51.102.0", 24, FWD_PROHIBIT, NULL, 0);
	route("2001:db8:1::", 64, FWD_FORWARD, NULL, 2);
	route("2001:db8:9::", 48, FWD_FORWARD, "2001:db8:1::2", 2);
	neighbour("10.0.1.2", 2, hop_mac);
	neighbour("10.0.2.2", 3, hop_mac2);
	neighbour("10.0.7.2", 4, hop_mac2);
	neighbour("2001:db8:1::2", 2, hop_mac);
	fwd_fib_commit(fib);
}

static int
begin(void **unused)
{
	tables();
	sides_begin(fib);
	return 0;
}

static int
end(void **unused)
{
	sides_end();
	fwd_fib_free(fib);
	return 0;
}

static uint16_t
sum_of(const uint8_t *from, uint32_t bytes, uint32_t sum)
{
	for (uint32_t i = 0; i < bytes; i += 2)
		sum += (uint32_t)from[i] << 8 | (i + 1 < bytes ? from[i + 1] : 0);
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static void
finish4(struct frame *frame)
{
	uint8_t *ip = frame->data + 14;
	ip[10] = ip[11] = 0;
	uint16_t sum = (uint16_t)~sum_of(ip, (ip[0] & 15u) * 4, 0);
	ip[10] = (uint8_t)(sum >> 8);
	ip[11] = (uint8_t)sum;
}

/* UDP of 18 bytes from 203.0.113.5 or 2001:db8:77::5; to port 0's MAC address. */
static struct frame *
udp_to(uint32_t port, const char *dst)
{
	struct frame *frame = &side[port].in[side[port].in_cnt++];
	struct fwd_addr to = addr_of(dst), from = addr_of(to.family == 6 ? "2001:db8:77::5" : "203.0.113.5");
	uint8_t *ip = frame->data + 14;
	memset(frame, 0, sizeof(*frame));
	memcpy(frame->data, port_mac[port], 6);
	memcpy(frame->data + 6, (uint8_t[]){2, 0, 0, 0, 5, 5}, 6);
	memcpy(frame->data + 12, to.family == 6 ? "\x86\xdd" : "\x08\x00", 2);
	if (to.family == 6) {
		ip[0] = 0x60, ip[5] = 26, ip[6] = 17, ip[7] = 64;
		memcpy(ip + 8, from.bytes, 16);
		memcpy(ip + 24, to.bytes, 16);
		frame->bytes = 14 + 40 + 26;
		return frame;
	}
	ip[0] = 0x45, ip[3] = 46, ip[8] = 64, ip[9] = 17;
	memcpy(ip + 12, from.bytes, 4);
	memcpy(ip + 16, to.bytes, 4);
	frame->bytes = 60;
	finish4(frame);
	return frame;
}

static void
assert_sent(uint32_t port, const uint8_t mac[6], const struct frame *before)
{
	const struct frame *after = &side[port].out[0];
	struct frame want = *before;
	uint8_t *ip = want.data + 14;
	assert_int_equal(side[port].out_cnt, 1);
	memcpy(want.data, mac, 6);
	memcpy(want.data + 6, port_mac[port], 6);
	if (ip[0] >> 4 == 4) {
		ip[8]--;
		finish4(&want);
	} else {
		ip[7]--;
	}
	assert_int_equal(after->bytes, want.bytes);
	assert_memory_equal(after->data, want.data, want.bytes);
}

static void
forwards_by_a_gateway_and_to_a_neighbour(void **unused)
{
	static const char *const to[] = {"192.0.2.77", "10.0.1.2", "2001:db8:9:1::1", "2001:db8:1::2"};
	for (size_t i = 0; i < BH_ARRAY_CNT(to); i++) {
		const struct frame *frame = udp_to(0, to[i]);
		sides_turn();
		assert_sent(1, hop_mac, frame);
		side[1].out_cnt = 0;
	}
	assert_int_equal(sides_counter("forward4"), 2);
	assert_int_equal(sides_counter("forward6"), 2);
	side[1].out_cnt = 4;
	assert_adds_up();
}

/* RFC 1624: also where the sum wraps, of every possible checksum. */
static void
the_checksum_stays_right_for_every_value(void **unused)
{
	for (uint32_t id = 0; id < 0x10000; id++) {
		struct frame *frame = udp_to(0, "192.0.2.77");
		frame->data[18] = (uint8_t)(id >> 8);
		frame->data[19] = (uint8_t)id;
		finish4(frame);
		sides_turn();
		assert_int_equal(sum_of(side[1].out[0].data + 14, 20, 0), 0xffff);
		assert_sent(1, hop_mac, frame);
		side[0].in_cnt = side[0].given_cnt = side[1].out_cnt = 0;
	}
}

static void
tags_are_taken_and_put(void **unused)
{
	/* Out of the tagged interface: the port is asked for a tag. */
	udp_to(0, "10.0.7.2");
	sides_turn();
	assert_int_equal(side[1].out_cnt, 1);
	assert_int_equal(side[1].out[0].flags, BH_PKT_VLAN);
	assert_int_equal(side[1].out[0].vlan_tci, 7);
	/* In by a tag that the device took out, and by one in the data; out without. */
	struct frame *stripped = udp_to(1, "10.0.2.2");
	stripped->flags = BH_PKT_VLAN | BH_PKT_CSUM_PARTIAL;
	stripped->vlan_tci = 0xe007; /* with a priority */
	struct frame *inside = udp_to(1, "10.0.2.2");
	memmove(inside->data + 16, inside->data + 12, inside->bytes - 12);
	memcpy(inside->data + 12, (uint8_t[]){0x81, 0, 0xe0, 7}, 4);
	inside->bytes += 4;
	inside->csum_start = 38;
	inside->flags = BH_PKT_CSUM_PARTIAL;
	sides_turn();
	assert_int_equal(side[2].out_cnt, 2);
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(side[2].out[i].flags, BH_PKT_CSUM_PARTIAL);
		assert_int_equal(side[2].out[i].bytes, 60);
		assert_memory_equal(side[2].out[i].data, hop_mac2, 6);
		assert_memory_equal(side[2].out[i].data + 12, "\x08\x00\x45", 3);
	}
	assert_int_equal(side[2].out[1].csum_start, 34);
	/* A VLAN that is none of ours; and a tag that only has a priority. */
	struct frame *other = udp_to(1, "10.0.2.2");
	other->flags = BH_PKT_VLAN;
	other->vlan_tci = 8;
	struct frame *priority = udp_to(1, "10.0.2.2");
	priority->flags = BH_PKT_VLAN;
	priority->vlan_tci = 0xe000;
	sides_turn();
	assert_counted(FWD_DROP_VLAN, 1);
	assert_int_equal(side[2].out_cnt, 3);
	assert_adds_up();
}

/* A frame to Linux, with why and from where. */
static void
assert_punted(enum fwd_reason reason, const struct frame *frame)
{
	const struct fwd_slot *slot = fwd_ring_next(&side_to_host);
	assert_non_null(slot);
	assert_int_equal(slot->reason, reason);
	assert_int_equal(slot->port, 0);
	assert_int_equal(slot->bytes, frame->bytes);
	assert_memory_equal(slot->frame, frame->data, frame->bytes);
	fwd_ring_drop(&side_to_host);
	fwd_ring_publish(&side_to_host);
}

static void
what_is_for_linux_goes_there_unchanged(void **unused)
{
	struct {
		const char *dst;
		enum fwd_reason reason;
	} const way[] = {
	        {"10.0.0.1", FWD_PUNT_LOCAL},
	        {"10.0.1.3", FWD_PUNT_GLEAN},
	        {"172.16.0.1", FWD_PUNT_NO_ROUTE},
	        {"198.51.101.1", FWD_PUNT_UNREACHABLE},
	        {"198.51.102.1", FWD_PUNT_PROHIBIT},
	        {"224.0.0.5", FWD_PUNT_MULTICAST},
	        {"255.255.255.255", FWD_PUNT_MULTICAST},
	        {"2001:db8:1::3", FWD_PUNT_GLEAN},
	        {"2001:db8:2::3", FWD_PUNT_NO_ROUTE},
	        {"fe80::1", FWD_PUNT_LOCAL},
	        {"ff02::5", FWD_PUNT_MULTICAST},
	};
	for (size_t i = 0; i < BH_ARRAY_CNT(way); i++) {
		const struct frame *frame = udp_to(0, way[i].dst);
		sides_turn();
		assert_punted(way[i].reason, frame);
	}
	struct frame *frame = udp_to(0, "192.0.2.1");
	frame->data[22] = 1;
	finish4(frame);
	sides_turn();
	assert_punted(FWD_PUNT_TTL, frame);
	frame = udp_to(0, "2001:db8:9::1");
	frame->data[21] = 0;
	sides_turn();
	assert_punted(FWD_PUNT_TTL, frame);
	frame = udp_to(0, "192.0.2.1");
	frame->data[14] = 0x46;
	finish4(frame);
	sides_turn();
	assert_punted(FWD_PUNT_OPTIONS, frame);
	frame = udp_to(0, "10.0.0.1");
	memcpy(frame->data + 12, "\x08\x06", 2);
	memset(frame->data, 0xff, 6);
	sides_turn();
	assert_punted(FWD_PUNT_ARP, frame);
	frame = udp_to(0, "10.0.0.1");
	memcpy(frame->data + 12, "\x88\xcc", 2);
	sides_turn();
	assert_punted(FWD_PUNT_NOT_IP, frame);
	assert_adds_up();
}

static void
an_mtu_is_kept(void **unused)
{
	for (uint32_t bytes = 1280; bytes <= 1281; bytes++) {
		struct frame *frame = udp_to(0, "10.0.2.2");
		frame->data[16] = (uint8_t)(bytes >> 8);
		frame->data[17] = (uint8_t)bytes;
		frame->bytes = 14 + bytes;
		finish4(frame);
	}
	sides_turn();
	assert_int_equal(side[2].out_cnt, 1);
	assert_punted(FWD_PUNT_MTU, &side[0].in[1]);
	assert_adds_up();
}

static void
a_frame_that_is_cut_anywhere_is_dropped(void **unused)
{
	static const char *const to[] = {"192.0.2.77", "2001:db8:9:1::1"};
	uint64_t cnt = 0;
	for (size_t i = 0; i < 2; i++) {
		uint32_t whole = i == 0 ? 60 : 80;
		for (uint32_t bytes = 0; bytes < whole; bytes++, cnt++) {
			udp_to(0, to[i])->bytes = bytes;
			sides_turn();
			side[0].in_cnt = side[0].given_cnt = 0;
		}
	}
	assert_int_equal(side[1].out_cnt, 0);
	assert_null(fwd_ring_next(&side_to_host));
	assert_counted(FWD_DROP_SHORT, 34 + 54);
	assert_counted(FWD_DROP_LENGTH, cnt - 34 - 54);
	side[0].given_cnt = (uint32_t)cnt;
	assert_adds_up();
}

static void
what_is_wrong_is_dropped_and_counted(void **unused)
{
	struct {
		uint32_t at;
		uint8_t value;
		bool fix;
		enum fwd_reason reason;
	} const change[] = {
	        {0, 4, false, FWD_DROP_NOT_FOR_US},       {14, 0x55, true, FWD_DROP_VERSION},
	        {14, 0x44, true, FWD_DROP_HEADER_LENGTH}, {14, 0x4f, false, FWD_DROP_HEADER_LENGTH},
	        {17, 19, true, FWD_DROP_LENGTH},          {17, 47, true, FWD_DROP_LENGTH},
	        {24, 0x5a, false, FWD_DROP_CHECKSUM},     {26, 127, true, FWD_DROP_MARTIAN_SOURCE},
	        {26, 224, true, FWD_DROP_MARTIAN_SOURCE}, {30, 127, true, FWD_DROP_MARTIAN_DESTINATION},
	};
	uint64_t cnt[FWD_REASON_CNT] = {0};
	for (size_t i = 0; i < BH_ARRAY_CNT(change); i++) {
		struct frame *frame = udp_to(0, "192.0.2.77");
		frame->data[change[i].at] = change[i].value;
		if (change[i].fix)
			finish4(frame);
		sides_turn();
		assert_counted(change[i].reason, ++cnt[change[i].reason]);
	}
	udp_to(0, "198.51.100.1");
	sides_turn();
	assert_counted(FWD_DROP_BLACKHOLE, 1);
	udp_to(0, "2001:db8:9::1")->data[14] = 0x40;
	sides_turn();
	assert_counted(FWD_DROP_VERSION, ++cnt[FWD_DROP_VERSION]);
	memset(udp_to(0, "::1")->data + 22, 0xff, 16);
	sides_turn();
	assert_counted(FWD_DROP_MARTIAN_SOURCE, ++cnt[FWD_DROP_MARTIAN_SOURCE]);
	udp_to(0, "::1");
	sides_turn();
	assert_counted(FWD_DROP_MARTIAN_DESTINATION, ++cnt[FWD_DROP_MARTIAN_DESTINATION]);
	assert_int_equal(side[1].out_cnt, 0);
	assert_null(fwd_ring_next(&side_to_host));
	assert_adds_up();
}

static void
rates_keep_errors_apart_from_what_linux_needs(void **unused)
{
	fwd_router_rates(side_router, 1, 1);
	for (uint32_t i = 0; i < 200; i++)
		udp_to(0, "172.16.0.1");
	sides_turn();
	uint64_t passed = sides_counter("punt_no_route");
	assert_int_equal(passed, FWD_PUNT_BURST_CNT);
	assert_counted(FWD_DROP_ERROR_RATE, 200 - passed);
	while (fwd_ring_next(&side_to_host) != NULL)
		fwd_ring_drop(&side_to_host);
	fwd_ring_publish(&side_to_host);
	const struct frame *frame = udp_to(0, "10.0.0.1");
	sides_turn();
	assert_punted(FWD_PUNT_LOCAL, frame);
	assert_adds_up();
}

static void
full_rings_drop_and_say_so(void **unused)
{
	side[1].room_cnt = 5;
	for (uint32_t i = 0; i < 40; i++)
		udp_to(0, "192.0.2.77");
	for (uint32_t i = 0; i < SLOT_CNT + 9; i++)
		udp_to(0, "10.0.0.1");
	sides_turn();
	assert_counted(FWD_DROP_TX_FULL, 35);
	assert_int_equal(sides_counter("forward4"), 40);
	assert_counted(FWD_PUNT_LOCAL, SLOT_CNT);
	assert_counted(FWD_DROP_PUNT_FULL, 9);
	assert_adds_up();
}

static void
a_flow_keeps_its_way_and_flows_share_all(void **unused)
{
	const struct fwd_prefix prefix = {.addr = addr_of("100.64.0.0"), .len = 10};
	const struct fwd_hop hop[2] = {{.interface = 2, .weight = 1, .gateway = addr_of("10.0.1.2")},
	                               {.interface = 3, .weight = 1, .gateway = addr_of("10.0.2.2")}};
	assert_int_equal(fwd_fib_route_set(fib, &prefix, FWD_FORWARD, hop, 2), 0);
	uint32_t both = 0, one = 0;
	for (uint32_t flow = 0; flow < 64; flow++) {
		for (uint32_t i = 0; i < 3; i++) {
			uint8_t *udp = udp_to(0, "100.64.1.1")->data + 34;
			udp[1] = (uint8_t)flow;
		}
		sides_turn();
		if (side[1].out_cnt + side[2].out_cnt != 3 || (side[1].out_cnt != 0 && side[2].out_cnt != 0))
			both++;
		one += side[1].out_cnt != 0;
		side[0].in_cnt = side[0].given_cnt = side[1].out_cnt = side[2].out_cnt = 0;
	}
	assert_int_equal(both, 0);
	assert_in_range(one, 12, 52);
}

static void
without_forwarding_all_ip_goes_to_linux(void **unused)
{
	struct fwd_interface interface = {
	        .mac = {2, 0, 0, 0, 1, 0}, .mtu_bytes = 1500, .up = 1, .flags = FWD_IF_FORWARD6};
	assert_int_equal(fwd_fib_interface_set(fib, 1, &interface), 0);
	const struct frame *frame = udp_to(0, "192.0.2.77");
	udp_to(0, "2001:db8:9::1");
	sides_turn();
	assert_punted(FWD_PUNT_NOT_ROUTER, frame);
	assert_int_equal(sides_counter("forward6"), 1);
	assert_adds_up();
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
	        T(a_frame_that_is_cut_anywhere_is_dropped),
	        T(what_is_wrong_is_dropped_and_counted),
	        T(full_rings_drop_and_say_so),
	        T(rates_keep_errors_apart_from_what_linux_needs),
	        T(without_forwarding_all_ip_goes_to_linux),
	        T(an_mtu_is_kept),
	        T(what_is_for_linux_goes_there_unchanged),
	        T(forwards_by_a_gateway_and_to_a_neighbour),
	        T(the_checksum_stays_right_for_every_value),
	        T(tags_are_taken_and_put),
	        T(a_flow_keeps_its_way_and_flows_share_all),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
