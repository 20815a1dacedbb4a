/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VLANs by IEEE 802.1Q-2018: what a frame is classified as (6.9.1), whether its port may bring it (8.6.2), where it may
 * go (8.6.4), and whether it leaves with a tag (6.9.2).
 */
#include "tests/unit/fwd/switch_rig.h"

#define VLAN_A 10u
#define VLAN_B 0xfedu

static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
static const uint8_t someone[6] = {2, 0, 0, 0, 0, 1};

static void
member_set(uint32_t vlan, uint8_t ports)
{
	rig.wanted.member[vlan] = ports;
}

/* p0, p1: access to A; p2: access to B; p3: both, tagged. */
static int
vlan_start(void **state)
{
	int err = rig_start(state);
	rig.wanted.vlan_aware = 1;
	rig.wanted.port[0].native_vlan = VLAN_A;
	rig.wanted.port[1].native_vlan = VLAN_A;
	rig.wanted.port[2].native_vlan = VLAN_B;
	rig.wanted.port[3].native_vlan = FWD_NO_VLAN;
	member_set(1, 0);
	member_set(VLAN_A, 1 << 0 | 1 << 1 | 1 << 3);
	member_set(VLAN_B, 1 << 2 | 1 << 3);
	rig_publish();
	return err;
}

static struct rig_frame *
give(uint32_t port)
{
	return rig_give_mac(0, port, broadcast, someone);
}

static const struct rig_frame *
out(uint32_t port)
{
	assert_int_equal(rig_out_cnt(port), 1);
	return &rig.side[0][port].out[0];
}

static void
tags_that_end_early_are_dropped(void **state)
{
	(void)state;
	for (uint32_t bytes = 14; bytes < 18; bytes++) {
		struct rig_frame *frame = give(3);
		rig_tag(frame, VLAN_A);
		frame->bytes = bytes;
	}
	rig_turn();
	rig_assert_out(0, 0, 0, 0);
	assert_int_equal(rig_drop(3, FWD_SWITCH_SHORT), 4);
}

static void
a_vlan_that_the_port_does_not_carry_is_dropped(void **state)
{
	static const uint16_t foreign[] = {VLAN_B, 1, 4094, 4095};
	(void)state;
	for (uint32_t i = 0; i < BH_ARRAY_CNT(foreign); i++) {
		rig_tag(give(0), foreign[i]);
		struct rig_frame *stripped = give(0);
		stripped->flags = BH_PKT_VLAN;
		stripped->vlan_tci = foreign[i];
	}
	rig_turn();
	rig_assert_out(0, 0, 0, 0);
	assert_int_equal(rig_drop(0, FWD_SWITCH_VLAN), 2 * BH_ARRAY_CNT(foreign));
	assert_int_equal(rig_counter(FWD_SWITCH_COUNTER_LEARN), 0);
}

/* Neither untagged, nor with a tag of VLAN 0, which says the same. */
static void
a_port_without_a_native_vlan_takes_tagged_frames_only(void **state)
{
	(void)state;
	(void)give(3);
	rig_tag(give(3), 0x6000);
	rig_turn();
	rig_assert_out(0, 0, 0, 0);
	assert_int_equal(rig_drop(3, FWD_SWITCH_VLAN), 2);
}

static void
a_flood_stays_in_its_vlan(void **state)
{
	(void)state;
	const struct rig_frame *frame = give(0);
	rig_turn();
	rig_assert_out(0, 1, 0, 1);
	assert_int_equal(out(1)->flags, 0);
	assert_memory_equal(out(1)->data, frame->data, 60);
	assert_int_equal(out(3)->flags, BH_PKT_VLAN);
	assert_int_equal(out(3)->vlan_tci, VLAN_A);
	assert_memory_equal(out(3)->data, frame->data, 60);
}

static void
a_tag_in_the_data_comes_out_and_leaves_no_trace(void **state)
{
	uint8_t plain[60];
	(void)state;
	struct rig_frame *frame = give(3);
	memcpy(plain, frame->data, sizeof(plain));
	rig_tag(frame, 0xa000 | VLAN_A);
	frame->flags = BH_PKT_CSUM_PARTIAL;
	frame->csum_start = 38;
	rig_turn();
	rig_assert_out(1, 1, 0, 0);
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(out(i)->bytes, 60);
		assert_memory_equal(out(i)->data, plain, 60);
		assert_int_equal(out(i)->flags, BH_PKT_CSUM_PARTIAL);
		assert_int_equal(out(i)->csum_start, 34);
	}
}

static void
a_tag_of_a_chain_comes_out(void **state)
{
	uint8_t plain[1000];
	(void)state;
	rig.split_bytes = 300;
	struct rig_frame *frame = give(3);
	frame->bytes = sizeof(plain);
	memcpy(plain, frame->data, sizeof(plain));
	rig_tag(frame, VLAN_B);
	rig_turn();
	rig_assert_out(0, 0, 1, 0);
	assert_int_equal(out(2)->bytes, sizeof(plain));
	assert_memory_equal(out(2)->data, plain, sizeof(plain));
}

static void
a_tag_that_the_device_took_out_counts_as_well(void **state)
{
	(void)state;
	struct rig_frame *frame = give(3);
	frame->flags = BH_PKT_VLAN;
	frame->vlan_tci = 0x2000 | VLAN_B;
	rig_turn();
	rig_assert_out(0, 0, 1, 0);
	assert_int_equal(out(2)->flags, 0);
	assert_memory_equal(out(2)->data, frame->data, 60);
}

/* Priority and DEI are kept from tag to tag, and no byte is moved. */
static void
from_tag_to_tag_nothing_changes(void **state)
{
	(void)state;
	member_set(VLAN_B, 1 << 0 | 1 << 3);
	rig.wanted.port[2].native_vlan = FWD_NO_VLAN;
	rig_publish();
	struct rig_frame *frame = give(3);
	rig_tag(frame, 0x7000 | VLAN_B);
	rig_turn();
	rig_assert_out(1, 0, 0, 0);
	assert_int_equal(out(0)->bytes, 64);
	assert_int_equal(out(0)->flags, 0);
	assert_memory_equal(out(0)->data, frame->data, 64);
	rig_clear();
	struct rig_frame *stripped = give(3);
	stripped->flags = BH_PKT_VLAN;
	stripped->vlan_tci = 0xf000 | VLAN_B;
	rig_turn();
	assert_int_equal(out(0)->flags, BH_PKT_VLAN);
	assert_int_equal(out(0)->vlan_tci, 0xf000 | VLAN_B);
}

/* VLAN 0 in a tag: the port's native one, and the priority is the frame's. */
static void
a_priority_tag_is_of_the_native_vlan(void **state)
{
	uint8_t plain[60];
	(void)state;
	struct rig_frame *frame = give(0);
	memcpy(plain, frame->data, sizeof(plain));
	rig_tag(frame, 0xe000);
	rig_turn();
	rig_assert_out(0, 1, 0, 1);
	assert_memory_equal(out(1)->data, plain, 60);
	assert_int_equal(out(1)->bytes, 60);
	const uint8_t tag[4] = {0x81, 0x00, 0xe0, VLAN_A};
	assert_memory_equal(out(3)->data + 12, tag, 4);
	assert_memory_equal(out(3)->data + 16, plain + 12, 48);
	rig_clear();
	struct rig_frame *stripped = give(0);
	stripped->flags = BH_PKT_VLAN;
	stripped->vlan_tci = 0x4000;
	rig_turn();
	assert_int_equal(out(3)->vlan_tci, 0x4000 | VLAN_A);
	assert_int_equal(out(1)->flags, 0);
}

/* An S-tag (IEEE 802.1ad) is not a C-tag: to a C-VLAN bridge such a frame is untagged. */
static void
a_service_tag_is_data(void **state)
{
	(void)state;
	struct rig_frame *frame = give(0);
	rig_tag(frame, VLAN_B);
	frame->data[12] = 0x88;
	frame->data[13] = 0xa8;
	rig_turn();
	rig_assert_out(0, 1, 0, 1);
	assert_memory_equal(out(1)->data, frame->data, 64);
	assert_int_equal(out(3)->vlan_tci, VLAN_A);
}

/* Of two tags the outer one counts, and it is the one that the device took out. */
static void
the_outer_tag_counts(void **state)
{
	(void)state;
	struct rig_frame *frame = give(3);
	rig_tag(frame, VLAN_A);
	frame->flags = BH_PKT_VLAN;
	frame->vlan_tci = VLAN_B;
	rig_turn();
	rig_assert_out(0, 0, 1, 0);
	assert_int_equal(out(2)->flags, 0);
	assert_int_equal(out(2)->bytes, 64);
	assert_memory_equal(out(2)->data, frame->data, 64);
}

/* The same station in two VLANs is two stations. */
static void
each_vlan_learns_by_itself(void **state)
{
	uint8_t station[6];
	(void)state;
	rig_mac(station, 77);
	(void)rig_give_mac(0, 0, broadcast, station);
	(void)rig_give_mac(0, 2, broadcast, station);
	rig_turn();
	rig_clear();
	assert_int_equal(rig_counter(FWD_SWITCH_COUNTER_MOVE), 0);
	rig_tag(rig_give_mac(0, 3, station, someone), VLAN_A);
	rig_turn();
	rig_assert_out(1, 0, 0, 0);
	rig_tag(rig_give_mac(0, 3, station, someone), VLAN_B);
	rig_turn();
	rig_assert_out(1, 0, 1, 0);
}

static void
a_vlan_with_one_port_leads_nowhere(void **state)
{
	(void)state;
	member_set(VLAN_B, 1 << 2);
	rig_publish();
	(void)give(2);
	rig_turn();
	assert_int_equal(rig_drop(2, FWD_SWITCH_NO_PORT), 1);
	rig_assert_out(0, 0, 0, 0);
}

/* A port that carries a VLAN no more gets none of its frames, though stations were learned there. */
static void
a_port_that_left_a_vlan_gets_nothing_of_it(void **state)
{
	uint8_t station[6];
	(void)state;
	rig_mac(station, 5);
	rig_tag(rig_give_mac(0, 3, broadcast, station), VLAN_A);
	rig_turn();
	rig_clear();
	member_set(VLAN_A, 1 << 0 | 1 << 1);
	rig_publish();
	(void)rig_give_mac(0, 0, station, someone);
	rig_turn();
	rig_assert_out(0, 1, 0, 0);
}

/* Random VLANs and frames, against the standard's rules written down once more, slowly. */
struct said {
	uint32_t vlan, tci;
	bool tagged, ok;
};

static uint64_t dice = 88172645463325252u;

static uint32_t
draw(uint32_t below)
{
	dice ^= dice << 13;
	dice ^= dice >> 7;
	dice ^= dice << 17;
	return (uint32_t)(dice >> 20) % below;
}

static void
draw_settings(void)
{
	memset(rig.wanted.member, 0, sizeof(rig.wanted.member));
	for (uint32_t vlan = 1; vlan <= 6; vlan++)
		member_set(vlan, (uint8_t)draw(1 << RIG_PORTS));
	for (uint32_t i = 0; i < RIG_PORTS; i++) {
		uint16_t native = (uint16_t)draw(7);
		rig.wanted.port[i].native_vlan = native;
		if (native != 0)
			rig.wanted.member[native] |= (uint8_t)(1u << i);
	}
	rig_publish();
}

/* A frame in one of the shapes in which it can come. */
static struct said
draw_frame(uint32_t port, uint8_t plain[60])
{
	struct rig_frame *frame = give(port);
	struct said said = {.tci = draw(8) | draw(16) << 12, .tagged = draw(3) != 0};
	memcpy(plain, frame->data, 60);
	if (said.tagged && draw(2) == 0) {
		rig_tag(frame, (uint16_t)said.tci);
	} else if (said.tagged) {
		frame->flags = BH_PKT_VLAN;
		frame->vlan_tci = (uint16_t)said.tci;
	}
	said.vlan = said.tagged && (said.tci & 0xfff) != 0 ? said.tci & 0xfff : rig.wanted.port[port].native_vlan;
	said.ok = said.vlan != 0 && (rig.wanted.member[said.vlan] >> port & 1) != 0;
	return said;
}

static void
assert_left_as(const struct rig_frame *frame, const struct said *said, uint32_t port, const uint8_t plain[60])
{
	bool in_data = frame->bytes == 64;
	uint32_t tci = in_data ? (uint32_t)frame->data[14] << 8 | frame->data[15] : frame->vlan_tci;
	bool tagged = in_data || (frame->flags & BH_PKT_VLAN) != 0;
	assert_int_equal(tagged, rig.wanted.port[port].native_vlan != said->vlan);
	assert_memory_equal(frame->data, plain, 12);
	assert_memory_equal(frame->data + (in_data ? 16 : 12), plain + 12, 48);
	if (tagged)
		assert_int_equal(tci, said->vlan | (said->tagged ? said->tci & 0xf000 : 0));
}

static void
random_vlans_agree_with_the_rules(void **state)
{
	uint8_t plain[60];
	(void)state;
	for (uint32_t round = 0; round < 500; round++) {
		draw_settings();
		for (uint32_t i = 0; i < 40; i++) {
			uint32_t from = draw(RIG_PORTS);
			struct said said = draw_frame(from, plain);
			(void)fwd_switch_turn(rig.sw[0]);
			for (uint32_t port = 0; port < RIG_PORTS; port++) {
				bool goes = said.ok && port != from && (rig.wanted.member[said.vlan] >> port & 1) != 0;
				assert_int_equal(rig_out_cnt(port), goes);
				if (goes)
					assert_left_as(out(port), &said, port, plain);
			}
			rig_clear();
		}
	}
}

int
main(void)
{
#define ON_VLANS(name) cmocka_unit_test_setup_teardown(name, vlan_start, rig_stop)
	const struct CMUnitTest tests[] = {
	        ON_VLANS(tags_that_end_early_are_dropped),
	        ON_VLANS(a_vlan_that_the_port_does_not_carry_is_dropped),
	        ON_VLANS(a_port_without_a_native_vlan_takes_tagged_frames_only),
	        ON_VLANS(a_flood_stays_in_its_vlan),
	        ON_VLANS(a_tag_in_the_data_comes_out_and_leaves_no_trace),
	        ON_VLANS(a_tag_of_a_chain_comes_out),
	        ON_VLANS(a_tag_that_the_device_took_out_counts_as_well),
	        ON_VLANS(from_tag_to_tag_nothing_changes),
	        ON_VLANS(a_priority_tag_is_of_the_native_vlan),
	        ON_VLANS(a_service_tag_is_data),
	        ON_VLANS(the_outer_tag_counts),
	        ON_VLANS(each_vlan_learns_by_itself),
	        ON_VLANS(a_vlan_with_one_port_leads_nowhere),
	        ON_VLANS(a_port_that_left_a_vlan_gets_nothing_of_it),
	        ON_VLANS(random_vlans_agree_with_the_rules),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
