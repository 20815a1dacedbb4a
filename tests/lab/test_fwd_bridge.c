/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linux's bridge and our switch, side by side: random VLANs are set at both; then each random frame is given to the
 * bridge by a TAP and to the switch by a queue, and both must send it out of the same ports, byte for byte. Learning is
 * compared by its effect. BULKHEAD_FUZZ_SEEDS=N runs N seeds; a failure prints the frame.
 *
 * Left out, since there Linux differs on purpose: 01:80:c2:00:00:00, which it passes on while it does no STP.
 */
#include <stdio.h>
#include <unistd.h>

#include "apps/fwd/host/tap.h"
#include "tests/lab/inside.h"
#include "tests/unit/fwd/switch_rig.h"
#include "tests/xorshift.h"

#define ROUND_CNT   12u
#define FRAME_CNT   1500u
#define STATION_CNT 24u
#define WIRE_BYTES  2048u

static const uint16_t vlans[] = {1, 2, 10, 100, 4094};
static struct fwd_tap tap[RIG_PORTS];
static uint64_t state;

/* What came out of a port of the bridge. */
static struct {
	uint8_t data[WIRE_BYTES];
	uint32_t bytes, cnt;
} linux_out[RIG_PORTS];

static uint32_t
below(uint32_t end)
{
	return (uint32_t)(xorshift64(&state) >> 20) % end;
}

static void
draw_settings(void)
{
	memset(rig.wanted.member, 0, sizeof(rig.wanted.member));
	rig.wanted.vlan_aware = below(4) != 0;
	for (uint32_t i = 0; i < BH_ARRAY_CNT(vlans); i++)
		rig.wanted.member[vlans[i]] = (uint8_t)(below(1 << RIG_PORTS) | below(1 << RIG_PORTS));
	for (uint32_t i = 0; i < RIG_PORTS; i++) {
		uint16_t native = below(5) == 0 ? FWD_NO_VLAN : vlans[below(BH_ARRAY_CNT(vlans))];
		rig.wanted.port[i].native_vlan = native;
		if (native != FWD_NO_VLAN)
			rig.wanted.member[native] |= (uint8_t)(1u << i);
	}
}

/* The bridge forgets what it learned, as the switch does that is made anew. */
static void
set_both(void)
{
	char *text = NULL;
	size_t bytes = 0;
	FILE *out = open_memstream(&text, &bytes);
	assert_non_null(out);
	fprintf(out, "/lab/ip link set br0 type bridge vlan_filtering %u", rig.wanted.vlan_aware);
	for (uint32_t port = 0; port < RIG_PORTS; port++) {
		fprintf(out, " && bridge vlan del dev p%u vid 1-4094", port);
		for (uint32_t i = 0; i < BH_ARRAY_CNT(vlans); i++) {
			bool native = rig.wanted.port[port].native_vlan == vlans[i];
			if ((rig.wanted.member[vlans[i]] >> port & 1) != 0)
				fprintf(out, " && bridge vlan add dev p%u vid %u%s", port, vlans[i],
				        native ? " pvid untagged" : "");
		}
	}
	fprintf(out, " && /lab/ip link set br0 type bridge fdb_flush");
	fclose(out);
	inside_ok("%s", text);
	free(text);
	rig_open(1, 1000);
}

static void
draw_address(uint8_t mac[6], bool source)
{
	uint32_t dice = below(source ? 100 : 12);
	rig_mac(mac, 1 + below(STATION_CNT));
	if (source && dice < 3) {
		memset(mac, dice == 0 ? 0xff : 0, 6);
		mac[0] |= dice == 2;
	} else if (!source && dice == 0) {
		memset(mac, 0xff, 6);
	} else if (!source && dice == 1) {
		const uint8_t group[6] = {0x01, 0x80, 0xc2, 0, 0, (uint8_t)(1 + below(40))};
		memcpy(mac, group, 6);
	} else if (!source && dice == 2) {
		mac[0] |= 1;
	} else if (!source && dice == 3) {
		mac[1] = 0x55; /* nobody */
	}
}

static struct rig_frame *
draw_frame(uint32_t port)
{
	static const uint16_t strange[] = {0, 7, 4095};
	uint8_t dst[6], src[6];
	draw_address(dst, false);
	draw_address(src, true);
	struct rig_frame *frame = rig_give_mac(0, port, dst, src);
	/* For local experiments (IEEE 802, 9.2.4): no protocol of Linux takes it. */
	frame->data[12] = 0x88;
	frame->data[13] = 0xb5;
	frame->bytes = 60 + below(1300);
	uint32_t vlan = below(4) == 0 ? strange[below(BH_ARRAY_CNT(strange))] : vlans[below(BH_ARRAY_CNT(vlans))];
	if (below(8) == 0)
		rig_tag(frame, (uint16_t)(vlans[below(BH_ARRAY_CNT(vlans))]));
	if (below(3) != 0)
		rig_tag(frame, (uint16_t)(below(16) << 12 | vlan));
	if (below(20) == 0)
		memcpy(frame->data + 12, "\x88\xa8", 2);
	return frame;
}

static void
linux_drain(void)
{
	static uint8_t data[WIRE_BYTES];
	int got;
	for (uint32_t i = 0; i < RIG_PORTS; i++) {
		linux_out[i].cnt = 0;
		while ((got = fwd_tap_read(&tap[i], data, sizeof(data))) >= 0) {
			memcpy(linux_out[i].data, data, (size_t)got);
			linux_out[i].bytes = (uint32_t)got;
			linux_out[i].cnt++;
		}
	}
}

/* As it would leave the device: with its tag. */
static uint32_t
on_the_wire(const struct rig_frame *frame, uint8_t *out)
{
	uint32_t tag_bytes = (frame->flags & BH_PKT_VLAN) != 0 ? 4 : 0;
	const uint8_t tag[4] = {0x81, 0, (uint8_t)(frame->vlan_tci >> 8), (uint8_t)frame->vlan_tci};
	memcpy(out, frame->data, 12);
	memcpy(out + 12, tag, tag_bytes);
	memcpy(out + 12 + tag_bytes, frame->data + 12, frame->bytes - 12);
	return frame->bytes + tag_bytes;
}

static void
print_frame(const char *what, uint32_t port, const uint8_t *data, uint32_t bytes)
{
	print_error("%s, port %u, %u bytes:", what, port, bytes);
	for (uint32_t i = 0; i < BH_MIN(bytes, 32u); i++)
		print_error(" %02x", data[i]);
	print_error("\n");
}

static bool
port_agrees(uint32_t port)
{
	uint8_t wire[WIRE_BYTES];
	const struct rig_side *side = &rig.side[0][port];
	uint32_t bytes = side->out_cnt != 0 ? on_the_wire(&side->out[0], wire) : 0;
	bool same = side->out_cnt == linux_out[port].cnt &&
	            (bytes == 0 || (bytes == linux_out[port].bytes && memcmp(wire, linux_out[port].data, bytes) == 0));
	if (same)
		return true;
	print_error("port %u: %u from the switch, %u from the bridge\n", port, side->out_cnt, linux_out[port].cnt);
	if (bytes != 0)
		print_frame("from the switch", port, wire, bytes);
	if (linux_out[port].cnt != 0)
		print_frame("from the bridge", port, linux_out[port].data, linux_out[port].bytes);
	return false;
}

/* Return: to how many ports it went; -1: the two do not agree. */
static int
one_frame(void)
{
	uint32_t from = below(RIG_PORTS), went_cnt = 0;
	bool agree = true;
	rig_clear();
	const struct rig_frame *frame = draw_frame(from);
	(void)fwd_switch_turn(rig.sw[0]);
	assert_int_equal(fwd_tap_write(&tap[from], frame->data, frame->bytes), 0);
	linux_drain();
	for (uint32_t i = 0; i < RIG_PORTS; i++) {
		agree = port_agrees(i) && agree;
		went_cnt += rig.side[0][i].out_cnt;
	}
	if (!agree)
		print_frame("the frame", from, frame->data, frame->bytes);
	return agree ? (int)went_cnt : -1;
}

static void
bridge_and_switch_do_the_same(void **unused)
{
	const char *text = getenv("BULKHEAD_FUZZ_SEEDS");
	uint64_t seed_cnt = text != NULL ? strtoull(text, NULL, 10) : 1, went[RIG_PORTS] = {0};
	(void)unused;
	for (uint64_t seed = 1; seed <= seed_cnt; seed++) {
		state = seed * UINT64_C(0x9e3779b97f4a7c15);
		for (uint32_t i = 0; i < ROUND_CNT; i++) {
			draw_settings();
			set_both();
			linux_drain();
			for (uint32_t j = 0; j < FRAME_CNT; j++) {
				int went_cnt = one_frame();
				if (went_cnt < 0)
					fail_msg("seed %lu, round %u, frame %u", seed, i, j);
				went[went_cnt]++;
			}
		}
	}
	print_message("%lu to nobody, %lu to one port, %lu to two, %lu to three\n", went[0], went[1], went[2], went[3]);
	for (uint32_t i = 0; i < RIG_PORTS; i++)
		assert_true(went[i] > seed_cnt * ROUND_CNT * FRAME_CNT / 50);
}

static int
begin(void **unused)
{
	static const uint8_t mac[RIG_PORTS][6] = {
	        {2, 0x77, 0, 0, 0, 0}, {2, 0x77, 0, 0, 0, 1}, {2, 0x77, 0, 0, 0, 2}, {2, 0x77, 0, 0, 0, 3}};
	struct bh_error error = {0};
	assert_int_equal(rig_start(unused), 0);
	inside_ok(
	        "modprobe tun; modprobe bridge; mkdir -p /dev/net; [ -e /dev/net/tun ] || mknod /dev/net/tun c 10 200;"
	        " for i in all default; do echo 1 >/proc/sys/net/ipv6/conf/$i/disable_ipv6 || true; done;"
	        " /lab/ip link add br0 type bridge vlan_filtering 1 vlan_default_pvid 0 mcast_snooping 0 stp_state 0"
	        " && /lab/ip link set br0 address 02:77:00:00:00:ff up");
	for (uint32_t i = 0; i < RIG_PORTS; i++) {
		const char name[3] = {'p', (char)('0' + i), '\0'};
		assert_int_equal(fwd_tap_open(&tap[i], name, mac[i], 1500, &error), 0);
		assert_int_equal(fwd_tap_carrier(&tap[i], true), 0);
		inside_ok("/lab/ip link set %s master br0 up", name);
	}
	return 0;
}

static int
end(void **unused)
{
	for (uint32_t i = 0; i < RIG_PORTS; i++)
		fwd_tap_close(&tap[i]);
	return rig_stop(unused);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(bridge_and_switch_do_the_same)};
	return cmocka_run_group_tests(tests, begin, end);
}
