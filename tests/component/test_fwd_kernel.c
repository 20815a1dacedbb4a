/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linux's forwarding and ours, side by side: in a network namespace of the test's own, random routes are mirrored into
 * the router's tables; then each random packet is given to Linux by a TAP and to the router by a queue. What the
 * router forwards, Linux must forward, out of the same port, byte for byte; what it drops or leaves to Linux, Linux must
 * not forward (options excepted: Linux forwards those itself). BULKHEAD_FUZZ_SEEDS=N runs N seeds; a failure prints the
 * packet.
 */
#include <arpa/inet.h>
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

#include "apps/fwd/cell/header.h"
#include "apps/fwd/host/mirror.h"
#include "apps/fwd/host/tap.h"
#include "tests/component/command.h"
#include "tests/unit/fwd/sides.h"
#include "tests/xorshift.h"

#define ROUND_CNT  20u
#define PACKET_CNT 5000u /* of a round: 100 k in all */
#define ROUTE_CNT  60u
#define FRAMES_MAX 16u
#define MIRROR_MS  10000u
#define WAIT_MS    2000

static const char port_name[SIDE_CNT][IF_NAMESIZE] = {"p0", "p1", "p2"};
static const uint8_t port_mac[SIDE_CNT][6] = {{2, 0, 0, 0, 1, 0}, {2, 0, 0, 0, 1, 1}, {2, 0, 0, 0, 1, 2}};
static struct fwd_tap tap[SIDE_CNT];
static struct fwd_fib *fib;
static struct fwd_mirror *mirror;
static struct bh_error error;
static uint64_t state;

/* What Linux sent since the packet was given to it. */
static struct linux_frame {
	uint8_t data[SIDE_FRAME_BYTES];
	uint32_t bytes, port;
} linux_frame[FRAMES_MAX];
static uint32_t linux_cnt;

static uint64_t
draw(void)
{
	return xorshift64(&state);
}

static uint32_t
below(uint32_t end)
{
	return (uint32_t)(draw() % end);
}

static void
machine(void)
{
	command_must(
	        "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv6.conf.default.forwarding=1"
	        " net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0"
	        " net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.default.send_redirects=0"
	        " net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.default.router_solicitations=0");
	command_must("ip link set lo up");
	for (uint32_t i = 0; i < SIDE_CNT; i++) {
		assert_int_equal(fwd_tap_open(&tap[i], port_name[i], port_mac[i], i == 2 ? 1280 : 1500, &error), 0);
		assert_int_equal(fwd_tap_carrier(&tap[i], true), 0);
	}
	command_must("for i in 0 1 2; do ip addr add 10.0.$i.1/24 dev p$i; ip addr add 2001:db8:$i::1/64 dev p$i nodad;"
	             " for j in 2 3 4; do"
	             " ip neigh add 10.0.$i.$j lladdr 02:00:00:00:0$i:0$j dev p$i nud permanent;"
	             " ip neigh add 2001:db8:$i::$j lladdr 02:00:00:00:0$i:0$j dev p$i nud permanent; done; done");
}

/* Nested prefixes over a small part of the address space. */
static void
random_routes(void)
{
	static const char *const kind[] = {"blackhole", "unreachable", "prohibit"};
	char *text = NULL;
	size_t bytes = 0;
	FILE *out = open_memstream(&text, &bytes);
	assert_non_null(out);
	fprintf(out, "ip -force -batch - <<'END' 2>/dev/null\nroute flush proto 77\n-6 route flush proto 77\n");
	for (uint32_t i = 0; i < ROUTE_CNT; i++) {
		uint32_t len = 9 + below(24), a = below(4), b = below(4), c = below(256), port = below(SIDE_CNT);
		uint32_t addr = (UINT32_C(50) << 24 | a << 16 | b << 12 | c) & ~UINT32_C(0) << (32 - len);
		struct in_addr in = {htonl(addr)};
		const char *special = below(6) == 0 ? kind[below(3)] : "";
		fprintf(out, "route replace %s %s/%u", special, inet_ntoa(in), len);
		if (special[0] == '\0')
			fprintf(out, " via 10.0.%u.%u", port, 2 + below(4));
		fprintf(out, " proto 77\n-6 route replace %s 2001:db8:%x:%x::/%u", special, 0x50 + a, b << 12,
		        33 + below(32));
		if (special[0] == '\0')
			fprintf(out, " via 2001:db8:%u::%u", port, 2 + below(4));
		fprintf(out, " proto 77\n");
	}
	if (below(2) == 0)
		fprintf(out, "route replace default via 10.0.1.2 proto 77\n-6 route replace default via 2001:db8:1::2 "
		             "proto 77\n");
	fprintf(out, "END\n");
	fclose(out);
	/* IPv6 prefixes with bits behind their length are refused one by one. */
	const char *argv[] = {"/bin/bash", "-c", text, NULL};
	struct command_result result;
	command_run(argv, 60000, &result);
	command_result_free(&result);
	free(text);
	assert_int_equal(fwd_mirror_sync(mirror, MIRROR_MS, &error), 0);
}

static uint32_t
draw_addr4(bool source)
{
	static const uint32_t special[] = {0,          0x00010203, 0x7f000001, 0xe0000001, 0xf0010101,
	                                   0xffffffff, 0xa9fe0101, 0x0a0000ff, 0x0a000001, 0x64400001};
	uint32_t port = below(SIDE_CNT);
	if (below(20) == 0)
		return special[below(source ? 7 : BH_ARRAY_CNT(special))];
	if (source)
		return 0xcb007100 + below(256);
	if (below(5) == 0)
		return UINT32_C(0x0a000000) | port << 8 | below(6);
	return UINT32_C(50) << 24 | below(4) << 16 | below(4) << 12 | below(256);
}

static void
draw_addr6(bool source, uint8_t *out)
{
	static const char *const special[] = {"::",      "::1",     "::2",     "ff02::1",
	                                      "ff05::2", "fe80::1", "fec0::1", "2001:db8::1"};
	char text[64];
	uint32_t port = below(SIDE_CNT);
	if (below(20) == 0)
		snprintf(text, sizeof(text), "%s", special[below(source ? 7 : BH_ARRAY_CNT(special))]);
	else if (source)
		snprintf(text, sizeof(text), "2001:db8:77::%x", below(256));
	else if (below(5) == 0)
		snprintf(text, sizeof(text), "2001:db8:%u::%u", port, below(6));
	else
		snprintf(text, sizeof(text), "2001:db8:%x:%x::%x", 0x50 + below(4), below(4) << 12 | below(16),
		         below(256));
	assert_int_equal(inet_pton(AF_INET6, text, out), 1);
}

static void
fix_checksum(uint8_t *ip)
{
	uint32_t sum = 0;
	ip[10] = ip[11] = 0;
	for (uint32_t i = 0; i < (ip[0] & 15u) * 4; i += 2)
		sum += fwd_load16(ip + i);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = ~((sum & 0xffff) + (sum >> 16)) & 0xffff;
	ip[10] = (uint8_t)(sum >> 8);
	ip[11] = (uint8_t)sum;
}

static uint32_t
build4(uint8_t *ip)
{
	uint32_t payload = below(8) == 0 ? below(1480) : 8 + below(40), words = below(20) == 0 ? 6 + below(10) : 5;
	uint32_t total = words * 4 + payload, src = htonl(draw_addr4(true)), dst = htonl(draw_addr4(false));
	total = BH_MIN(total, 1500u);
	ip[0] = (uint8_t)(0x40 | words);
	ip[1] = (uint8_t)draw();
	ip[2] = (uint8_t)(total >> 8);
	ip[3] = (uint8_t)total;
	ip[4] = (uint8_t)draw();
	ip[5] = (uint8_t)draw();
	ip[6] = (uint8_t)(below(10) == 0 ? draw() : 0x40 * below(2));
	ip[7] = (uint8_t)(below(10) == 0 ? draw() : 0);
	ip[8] = (uint8_t)(below(10) == 0 ? below(3) : 2 + below(253));
	ip[9] = (uint8_t)(below(4) == 0 ? draw() : 17);
	memcpy(ip + 12, &src, 4);
	memcpy(ip + 16, &dst, 4);
	for (uint32_t i = 20; i < words * 4; i++)
		ip[i] = below(2) == 0 ? 1 : (uint8_t)draw(); /* no-operations and nonsense */
	fix_checksum(ip);
	return total;
}

static uint32_t
build6(uint8_t *ip)
{
	uint32_t payload = below(8) == 0 ? below(1460) : 8 + below(40);
	ip[0] = (uint8_t)(0x60 | below(16));
	ip[1] = (uint8_t)draw();
	ip[4] = (uint8_t)(payload >> 8);
	ip[5] = (uint8_t)payload;
	ip[6] = (uint8_t)(below(4) == 0 ? draw() : 17);
	ip[7] = (uint8_t)(below(10) == 0 ? below(3) : 2 + below(253));
	draw_addr6(true, ip + 8);
	draw_addr6(false, ip + 24);
	return 40 + payload;
}

/* A packet that is right, or nearly so. */
static void
build(struct frame *frame, uint32_t port)
{
	uint8_t *ip = frame->data + 14;
	bool is4 = below(2) == 0, tagged = below(30) == 0;
	memset(frame, 0, sizeof(*frame));
	for (uint32_t i = 0; i < 200; i++)
		frame->data[i] = (uint8_t)draw();
	memcpy(frame->data, port_mac[port], 6);
	memcpy(frame->data + 6, "\x02\x00\x00\x00\x05\x05", 6);
	memcpy(frame->data + 12, is4 ? "\x08\x00" : "\x86\xdd", 2);
	frame->bytes = 14 + (is4 ? build4(ip) : build6(ip));
	if (below(10) == 0)
		frame->bytes += below(30); /* padding */
	if (below(20) == 0)
		frame->bytes = 14 + below(frame->bytes - 13);
	if (below(6) == 0) {
		ip[below(is4 ? 12 : 8)] = (uint8_t)draw();
		if (is4 && below(2) == 0 && (ip[0] & 15) >= 5)
			fix_checksum(ip);
	}
	if (below(40) == 0)
		frame->data[below(6)] ^= (uint8_t)draw();
	if (!tagged)
		return;
	memmove(frame->data + 16, frame->data + 12, frame->bytes - 12);
	memcpy(frame->data + 12, below(2) == 0 ? "\x81\x00\x00\x08" : "\x81\x00\x60\x00", 4);
	frame->bytes += 4;
}

/* Behind what was drained before. */
static void
linux_drain_more(void)
{
	for (uint32_t i = 0; i < SIDE_CNT; i++) {
		for (;;) {
			uint32_t at = BH_MIN(linux_cnt, FRAMES_MAX - 1);
			int got = fwd_tap_read(&tap[i], linux_frame[at].data, SIDE_FRAME_BYTES);
			if (got < 0)
				break;
			linux_frame[at].bytes = (uint32_t)got;
			linux_frame[at].port = i;
			linux_cnt = at + 1;
		}
	}
}

static void
linux_drain(void)
{
	linux_cnt = 0;
	linux_drain_more();
}

/* The IP header of a frame with or without a tag; NULL: none. */
static const uint8_t *
ip_of(const uint8_t *data, uint32_t bytes)
{
	uint32_t at = bytes >= 18 && fwd_load16(data + 12) == FWD_TYPE_VLAN ? 18 : 14;
	uint32_t type = bytes >= at ? fwd_load16(data + at - 2) : 0;
	bool whole = (type == FWD_TYPE_IP4 && bytes >= at + 20) || (type == FWD_TYPE_IP6 && bytes >= at + 40);
	return whole ? data + at : NULL;
}

/* Whether Linux sent this very packet on, and not something of its own. */
static int
linux_forwarded(const struct frame *frame)
{
	const uint8_t *was = ip_of(frame->data, frame->bytes);
	for (uint32_t i = 0; i < linux_cnt && was != NULL; i++) {
		const uint8_t *is = ip_of(linux_frame[i].data, linux_frame[i].bytes);
		if (is == NULL || is[0] >> 4 != was[0] >> 4)
			continue;
		bool same = is[0] >> 4 == 4 ? memcmp(is + 12, was + 12, 8) == 0 && memcmp(is + 4, was + 4, 2) == 0
		                            : memcmp(is + 8, was + 8, 32) == 0;
		if (same)
			return (int)i;
	}
	return -1;
}

static void
print_frame(const char *what, uint32_t port, const uint8_t *data, uint32_t bytes)
{
	print_error("%s, port %u, %u bytes:", what, port, bytes);
	for (uint32_t i = 0; i < BH_MIN(bytes, 80u); i++)
		print_error(" %02x", data[i]);
	print_error("\n");
}

/* As it leaves the device: with its tag, without padding, which Linux takes off. */
static uint32_t
on_the_wire(const struct frame *sent, uint8_t *out)
{
	const uint8_t *ip = sent->data + 14;
	uint32_t tag_bytes = (sent->flags & BH_PKT_VLAN) != 0 ? 4 : 0;
	uint32_t ip_bytes = ip[0] >> 4 == 4 ? fwd_load16(ip + 2) : 40u + fwd_load16(ip + 4);
	memcpy(out, sent->data, 12);
	if (tag_bytes != 0)
		memcpy(out + 12, (uint8_t[]){0x81, 0, (uint8_t)(sent->vlan_tci >> 8), (uint8_t)sent->vlan_tci}, 4);
	memcpy(out + 12 + tag_bytes, sent->data + 12, 2 + ip_bytes);
	return 14 + tag_bytes + ip_bytes;
}

static enum fwd_reason
reason_now(const uint64_t *before)
{
	for (uint32_t i = 0; i < FWD_DROP_END; i++) {
		if (sides_counter(sides_reason_name((enum fwd_reason)i)) != before[i])
			return (enum fwd_reason)i;
	}
	return FWD_GO;
}

static struct {
	uint64_t by[FWD_REASON_CNT + 1]; /* FWD_GO: forwarded */
} seen;

/*
 * Left to Linux, which forwards it itself: options; in pieces; link-local ones that stay on their link. There Linux
 * even sends on what says nothing of its source, which a router must not (RFC 4291, 2.5.2).
 */
static bool
linux_may_forward(const struct frame *frame, enum fwd_reason reason, const struct linux_frame *sent)
{
	const uint8_t *ip = ip_of(frame->data, frame->bytes);
	if (reason == FWD_DROP_MARTIAN_SOURCE && ip[0] >> 4 == 6)
		return fwd_load64(ip + 8) == 0 && fwd_load64(ip + 16) == 0 &&
		       memcmp(frame->data, sent->data + 6, 6) == 0;
	if (reason == FWD_PUNT_LOCAL)
		return ip[0] >> 4 == 6 && fwd_is_link_local6(fwd_load_addr6(ip + 8));
	return reason == FWD_PUNT_OPTIONS || (reason == FWD_PUNT_MTU && sent->bytes < frame->bytes);
}

static bool
agrees(const struct frame *frame, enum fwd_reason reason)
{
	uint8_t want[SIDE_FRAME_BYTES + 4];
	int at = linux_forwarded(frame);
	if (reason != FWD_GO)
		return at < 0 || linux_may_forward(frame, reason, &linux_frame[at]);
	for (uint32_t i = 0; i < SIDE_CNT; i++) {
		if (side[i].out_cnt == 0)
			continue;
		uint32_t bytes = on_the_wire(&side[i].out[0], want);
		return at >= 0 && linux_frame[at].port == i && linux_frame[at].bytes == bytes &&
		       memcmp(linux_frame[at].data, want, bytes) == 0;
	}
	return false;
}

static bool
one_packet(void)
{
	uint32_t port = below(SIDE_CNT);
	uint64_t before[FWD_REASON_CNT];
	sides_forget();
	struct frame *frame = &side[port].in[side[port].in_cnt++];
	build(frame, port);
	for (uint32_t i = 0; i < FWD_REASON_CNT; i++)
		before[i] = sides_counter(sides_reason_name((enum fwd_reason)i));
	sides_turn();
	while (fwd_ring_next(&side_to_host) != NULL)
		fwd_ring_drop(&side_to_host);
	fwd_ring_publish(&side_to_host);
	enum fwd_reason reason = reason_now(before);
	linux_drain();
	/* A TAP takes no frame without a whole Ethernet header. */
	if (fwd_tap_write(&tap[port], frame->data, frame->bytes) != 0)
		assert_true(frame->bytes < 14);
	linux_drain();
	seen.by[reason]++;
	/* On a busy machine Linux may leave the frame to a thread (ksoftirqd). */
	for (int ms = 0; reason == FWD_GO && ms < WAIT_MS && linux_forwarded(frame) < 0; ms++) {
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
		linux_drain_more();
	}
	if (agrees(frame, reason))
		return true;
	print_error("the router: %s\n", reason == FWD_GO ? "forwards" : sides_reason_name(reason));
	print_frame("the packet", port, frame->data, frame->bytes);
	for (uint32_t i = 0; i < SIDE_CNT; i++) {
		if (side[i].out_cnt != 0)
			print_frame("from the router", i, side[i].out[0].data, side[i].out[0].bytes);
	}
	for (uint32_t i = 0; i < linux_cnt; i++)
		print_frame("from Linux", linux_frame[i].port, linux_frame[i].data, linux_frame[i].bytes);
	return false;
}

static void
linux_and_the_router_forward_the_same(void **unused)
{
	const char *text = getenv("BULKHEAD_FUZZ_SEEDS");
	uint64_t seed_cnt = text != NULL ? strtoull(text, NULL, 10) : 1;
	for (uint64_t seed = 1; seed <= seed_cnt; seed++) {
		state = seed * UINT64_C(0x9e3779b97f4a7c15);
		for (uint32_t i = 0; i < ROUND_CNT; i++) {
			random_routes();
			for (uint32_t j = 0; j < PACKET_CNT; j++) {
				if (!one_packet())
					fail_msg("seed %lu, round %u, packet %u", seed, i, j);
			}
		}
	}
	print_message("%lu forwarded\n", seen.by[FWD_GO]);
	for (uint32_t i = 0; i < FWD_DROP_END; i++) {
		if (seen.by[i] != 0)
			print_message("%8lu %s\n", seen.by[i], sides_reason_name((enum fwd_reason)i));
	}
	assert_true(seen.by[FWD_GO] > seed_cnt * ROUND_CNT * PACKET_CNT / 5);
}

static int
begin(void **unused)
{
	const struct fwd_fib_options fib_options = {.size_bytes = FWD_TABLE_BYTES_MIN * 2};
	if (unshare(CLONE_NEWNET) != 0) {
		print_error("no network namespace: %s; run as root\n", strerror(errno));
		return -1;
	}
	machine();
	assert_int_equal(fwd_fib_create(&fib_options, &fib, &error), 0);
	const struct fwd_mirror_options options = {.fib = fib, .port = port_name, .port_cnt = SIDE_CNT};
	assert_int_equal(fwd_mirror_open(&options, &mirror, &error), 0);
	sides_begin(fib);
	return 0;
}

static int
end(void **unused)
{
	sides_end();
	fwd_mirror_close(mirror);
	fwd_fib_free(fib);
	for (uint32_t i = 0; i < SIDE_CNT; i++)
		fwd_tap_close(&tap[i]);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(linux_and_the_router_forward_the_same)};
	return cmocka_run_group_tests(tests, begin, end);
}
