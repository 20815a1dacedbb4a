/* SPDX-License-Identifier: Apache-2.0 */
/* The switch without VLANs: who gets a frame, who does not, and what is counted. */
#include "tests/unit/fwd/switch_rig.h"

static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
static const uint8_t station_9[6] = {2, 0, 0, 0, 0, 9};

static void
frames_that_cannot_be_are_dropped(void **state)
{
	static const uint8_t none[6], group[6] = {3, 0, 0, 0, 0, 1};
	(void)state;
	for (uint32_t bytes = 0; bytes < 14; bytes++)
		rig_give_station(0, 2, 1)->bytes = bytes;
	(void)rig_give_mac(0, 1, station_9, none);
	(void)rig_give_mac(0, 1, station_9, group);
	(void)rig_give_mac(0, 1, station_9, broadcast);
	rig_turn();
	rig_assert_out(0, 0, 0, 0);
	assert_int_equal(rig_drop(0, FWD_SWITCH_SHORT), 14);
	assert_int_equal(rig_drop(1, FWD_SWITCH_BAD_SOURCE), 3);
	assert_int_equal(rig_counter(FWD_SWITCH_COUNTER_LEARN), 0);
}

/* IEEE 802.1Q, table 8-1: none of the sixteen is passed on; the next address is. */
static void
reserved_groups_are_not_passed_on(void **state)
{
	uint8_t group[6] = {0x01, 0x80, 0xc2, 0, 0, 0};
	(void)state;
	for (uint8_t i = 0; i <= 16; i++) {
		group[5] = i;
		(void)rig_give_mac(0, 2, group, station_9);
	}
	group[5] = 0;
	group[4] = 1;
	(void)rig_give_mac(0, 2, group, station_9);
	rig_turn();
	rig_assert_out(2, 2, 0, 2);
	assert_int_equal(rig_drop(2, FWD_SWITCH_RESERVED), 16);
}

/* A pause frame is not for a bridge's relay: not even its source is learned (Linux's bridge neither). */
static void
pause_is_not_learned_from(void **state)
{
	static const uint8_t pause[6] = {0x01, 0x80, 0xc2, 0, 0, 1};
	(void)state;
	(void)rig_give_mac(0, 2, pause, station_9);
	rig_turn();
	assert_int_equal(rig_drop(2, FWD_SWITCH_RESERVED), 1);
	assert_int_equal(rig_counter(FWD_SWITCH_COUNTER_LEARN), 0);
}

static void
unknown_goes_to_all_but_its_port_and_is_unchanged(void **state)
{
	(void)state;
	const struct rig_frame *frame = rig_give_station(1, 2, 1);
	rig_turn();
	rig_assert_out(1, 0, 1, 1);
	for (uint32_t i = 0; i < RIG_PORTS; i++) {
		if (i != 1) {
			assert_int_equal(rig.side[0][i].out[0].bytes, 60);
			assert_memory_equal(rig.side[0][i].out[0].data, frame->data, 60);
		}
	}
	assert_int_equal(rig_counter(FWD_SWITCH_COUNTER_FLOOD), 1);
	assert_int_equal(rig_counter(FWD_SWITCH_COUNTER_COPY), 2);
}

static void
a_station_that_was_heard_gets_its_frames_alone(void **state)
{
	(void)state;
	rig_hear(3, 7);
	(void)rig_give_station(0, 7, 1);
	(void)rig_give_station(3, 1, 7);
	rig_turn();
	rig_assert_out(1, 0, 0, 1);
	assert_int_equal(rig_counter(FWD_SWITCH_COUNTER_FORWARD), 2);
}

static void
a_station_on_the_same_port_is_not_sent_to(void **state)
{
	(void)state;
	rig_hear(2, 1);
	rig_hear(2, 2);
	(void)rig_give_station(2, 1, 2);
	rig_turn();
	rig_assert_out(0, 0, 0, 0);
	assert_int_equal(rig_drop(2, FWD_SWITCH_SAME_PORT), 1);
}

static void
a_station_that_moved_is_found_and_counted(void **state)
{
	(void)state;
	rig_hear(0, 5);
	rig_hear(1, 5);
	(void)rig_give_station(3, 5, 6);
	rig_turn();
	rig_assert_out(0, 1, 0, 0);
	assert_int_equal(rig_counter(FWD_SWITCH_COUNTER_MOVE), 1);
}

/* A flood that cannot have its copies: the frame itself goes on, and others are not held up. */
static void
an_empty_pool_costs_copies_and_nothing_else(void **state)
{
	struct bh_pkt *kept[RIG_PKTS];
	(void)state;
	uint32_t kept_cnt = bh_pkt_get(rig.pool, kept, RIG_PKTS - 2);
	struct fwd_switch *sw = rig.sw[0];
	(void)rig_give_mac(0, 0, broadcast, station_9);
	(void)fwd_switch_turn(sw);
	rig_assert_out(0, 1, 0, 1);
	assert_int_equal(rig_counter(FWD_SWITCH_COUNTER_NO_BUFFER), 1);
	(void)rig_give_station(1, 9, 1);
	(void)fwd_switch_turn(sw);
	rig_assert_out(1, 1, 0, 1);
	bh_pkt_free_burst(rig.pool, kept, kept_cnt);
	rig_turn();
}

static void
a_full_ring_drops_and_counts(void **state)
{
	(void)state;
	rig_hear(1, 1);
	rig.side[0][1].room_cnt = 3;
	for (uint32_t i = 0; i < 10; i++)
		(void)rig_give_station(0, 1, 2);
	rig_turn();
	rig_assert_out(0, 3, 0, 0);
	assert_int_equal(rig_counter("p1." FWD_SWITCH_DROP_TX_FULL), 7);
}

/* More for one port in one turn than its list holds. */
static void
many_to_one_port_all_arrive(void **state)
{
	(void)state;
	rig_hear(1, 1);
	for (uint32_t i = 0; i < 150; i++) {
		(void)rig_give_station(0, 1, 2);
		(void)rig_give_station(2, 1, 3);
		(void)rig_give_mac(0, 3, broadcast, station_9);
	}
	rig_turn();
	rig_assert_out(150, 450, 150, 0);
}

static void
chains_are_copied_whole(void **state)
{
	(void)state;
	rig.split_bytes = 500;
	struct rig_frame *frame = rig_give_mac(0, 0, broadcast, station_9);
	frame->bytes = 1777;
	frame->flags = BH_PKT_CSUM_PARTIAL;
	frame->csum_start = 34;
	rig_turn();
	rig_assert_out(0, 1, 1, 1);
	for (uint32_t i = 1; i < RIG_PORTS; i++) {
		const struct rig_frame *out = &rig.side[0][i].out[0];
		assert_int_equal(out->bytes, 1777);
		assert_int_equal(out->seg_cnt, 4);
		assert_int_equal(out->flags, BH_PKT_CSUM_PARTIAL);
		assert_int_equal(out->csum_start, 34);
		assert_memory_equal(out->data, frame->data, 1777);
	}
}

/* A chain whose later pieces have no buffer: what was taken for the first ones comes back. */
static void
half_a_chain_is_not_sent(void **state)
{
	struct bh_pkt *kept[RIG_PKTS];
	(void)state;
	rig.split_bytes = 500;
	uint32_t kept_cnt = bh_pkt_get(rig.pool, kept, RIG_PKTS - 6);
	rig_give_mac(0, 0, broadcast, station_9)->bytes = 1777;
	(void)fwd_switch_turn(rig.sw[0]);
	rig_assert_out(0, 0, 0, 1);
	assert_int_equal(rig_counter(FWD_SWITCH_COUNTER_NO_BUFFER), 2);
	bh_pkt_free_burst(rig.pool, kept, kept_cnt);
	rig_turn();
}

/* Tags are data to a switch that was told of no VLANs. */
static void
tags_pass_unchanged(void **state)
{
	(void)state;
	rig_hear(1, 1);
	struct rig_frame *frame = rig_give_station(0, 1, 2);
	rig_tag(frame, 0x2064);
	struct rig_frame *stripped = rig_give_station(0, 1, 2);
	stripped->flags = BH_PKT_VLAN;
	stripped->vlan_tci = 0x6fff;
	rig_turn();
	rig_assert_out(0, 2, 0, 0);
	assert_memory_equal(rig.side[0][1].out[0].data, frame->data, 64);
	assert_int_equal(rig.side[0][1].out[0].flags, 0);
	assert_int_equal(rig.side[0][1].out[1].flags, BH_PKT_VLAN);
	assert_int_equal(rig.side[0][1].out[1].vlan_tci, 0x6fff);
}

/* What one core heard, the other knows: RSS puts the two directions of a conversation on different cores. */
static void
cores_share_what_they_learn(void **state)
{
	uint8_t one[6], two[6];
	(void)state;
	rig_open(2, 1000);
	rig_mac(one, 1);
	rig_mac(two, 2);
	(void)rig_give_mac(1, 3, two, one);
	rig_turn();
	rig_clear();
	(void)rig_give_mac(0, 0, one, two);
	rig_turn();
	rig_assert_out(0, 0, 0, 1);
}

static void
options_out_of_range_are_refused(void **state)
{
	struct fwd_switch_shared *shared;
	struct fwd_switch *sw;
	(void)state;
	assert_int_equal(fwd_switch_shared_create(0, 1, 1, &shared), -BH_EINVAL);
	assert_int_equal(fwd_switch_shared_create(FWD_MAC_CNT_MAX + 1, 1, 1, &shared), -BH_EINVAL);
	assert_int_equal(fwd_switch_shared_create(1, 0, 1, &shared), -BH_EINVAL);
	assert_int_equal(fwd_switch_shared_create(FWD_MAC_CNT_MAX, 1, 1, &shared), -BH_ENOMEM);
	struct fwd_switch_options right = {.shared = rig.shared, .settings = &rig.block, .port_cnt = 1};
	right.queue[0] = &rig.side[0][0].queue;
	right.name[0] = "p0";
	struct fwd_switch_options wrong[6] = {right, right, right, right, right, right};
	wrong[0].port_cnt = 0;
	wrong[1].port_cnt = FWD_PORTS_MAX + 1;
	wrong[2].port_cnt = 2;
	wrong[3].burst_cnt = FWD_SWITCH_BURST_MAX + 1;
	wrong[4].shared = NULL;
	wrong[5].settings = NULL;
	for (uint32_t i = 0; i < BH_ARRAY_CNT(wrong); i++)
		assert_int_equal(fwd_switch_create(&wrong[i], &sw), -BH_EINVAL);
	rig.block.ageing_s = 0;
	assert_int_equal(fwd_switch_create(&right, &sw), -BH_EINVAL);
	rig.block.generation |= 1;
	assert_int_equal(fwd_switch_create(&right, &sw), -BH_EAGAIN);
}

int
main(void)
{
#define ON_RIG(name) cmocka_unit_test_setup_teardown(name, rig_start, rig_stop)
	const struct CMUnitTest tests[] = {
	        ON_RIG(frames_that_cannot_be_are_dropped),
	        ON_RIG(reserved_groups_are_not_passed_on),
	        ON_RIG(pause_is_not_learned_from),
	        ON_RIG(unknown_goes_to_all_but_its_port_and_is_unchanged),
	        ON_RIG(a_station_that_was_heard_gets_its_frames_alone),
	        ON_RIG(a_station_on_the_same_port_is_not_sent_to),
	        ON_RIG(a_station_that_moved_is_found_and_counted),
	        ON_RIG(an_empty_pool_costs_copies_and_nothing_else),
	        ON_RIG(a_full_ring_drops_and_counts),
	        ON_RIG(many_to_one_port_all_arrive),
	        ON_RIG(chains_are_copied_whole),
	        ON_RIG(half_a_chain_is_not_sent),
	        ON_RIG(tags_pass_unchanged),
	        ON_RIG(cores_share_what_they_learn),
	        ON_RIG(options_out_of_range_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
