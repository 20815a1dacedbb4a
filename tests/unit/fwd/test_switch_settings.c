/* SPDX-License-Identifier: Apache-2.0 */
/* Limits, ageing and links of the switch, and settings that change while it runs. */
#include <pthread.h>

#include "apps/fwd/cell/punt.h"
#include "tests/unit/fwd/switch_rig.h"

#define RATE_PPS  1000u
#define BURST_CNT FWD_PUNT_BURST_CNT

static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
static const uint8_t multicast[6] = {0x01, 0, 0x5e, 0, 0, 1};
static const uint8_t nobody[6] = {2, 9, 9, 9, 9, 9};
static const uint8_t someone[6] = {2, 0, 0, 0, 0, 1};

static void
settings_that_cannot_be_are_refused(void **state)
{
	struct fwd_switch_settings right, wrong;
	(void)state;
	fwd_switch_settings_default(&right, RIG_PORTS);
	assert_int_equal(fwd_switch_settings_check(&right), 0);
#define WRONG(change)                                                                                                  \
	wrong = right;                                                                                                 \
	wrong.change;                                                                                                  \
	assert_int_equal(fwd_switch_settings_check(&wrong), -BH_EINVAL)
	WRONG(ageing_s = 9);
	WRONG(ageing_s = 1000001);
	WRONG(member[0] = 1);
	WRONG(member[4095] = 1);
	WRONG(port[7].native_vlan = 4095);
	WRONG(port[7].native_vlan = 4096);
	WRONG(port[2].native_vlan = 2);
	WRONG(port[1].storm_pps[2] = FWD_SWITCH_STORM_PPS_MAX + 1);
	right.ageing_s = 10;
	right.member[4094] = 0xff;
	right.port[7].native_vlan = 4094;
	assert_int_equal(fwd_switch_settings_check(&right), 0);
}

/* Bad ones are counted once, and the old ones stay in use. */
static void
bad_settings_change_nothing(void **state)
{
	(void)state;
	rig.wanted.vlan_aware = 1;
	rig.wanted.member[1] = 0x3; /* and VLAN 1 is native to ports 2 and 3 */
	rig_publish();
	for (uint32_t i = 0; i < 3; i++)
		(void)rig_give_mac(0, 3, broadcast, someone);
	rig_turn();
	rig_assert_out(3, 3, 3, 0);
	assert_int_equal(rig_counter(FWD_SWITCH_COUNTER_REFUSED), 1);
	assert_int_equal(rig_counter(FWD_SWITCH_COUNTER_TAKEN), 1);
}

static void
good_settings_are_used_in_the_next_turn(void **state)
{
	(void)state;
	rig.wanted.vlan_aware = 1;
	rig.wanted.port[3].native_vlan = 2;
	rig.wanted.member[1] = 0x7;
	rig.wanted.member[2] = 0x8;
	(void)rig_give_mac(0, 0, broadcast, someone);
	rig_turn();
	rig_publish();
	(void)rig_give_mac(0, 0, broadcast, someone);
	rig_turn();
	rig_assert_out(0, 2, 2, 1);
	assert_int_equal(rig_counter(FWD_SWITCH_COUNTER_TAKEN), 2);
}

static void
nothing_is_used_while_it_is_written(void **state)
{
	(void)state;
	uint64_t taken = rig_counter(FWD_SWITCH_COUNTER_TAKEN);
	rig.block.generation |= 1;
	rig.block.ageing_s = 0;
	rig.block.member[1] = 0;
	rig.block.vlan_aware = 1;
	(void)rig_give_mac(0, 0, broadcast, someone);
	rig_turn();
	rig_assert_out(0, 1, 1, 1);
	assert_int_equal(rig_counter(FWD_SWITCH_COUNTER_TAKEN), taken);
	assert_int_equal(rig_counter(FWD_SWITCH_COUNTER_REFUSED), 0);
}

/* Two settings by turns, each with its mark in every part; a reader sees one of them, whole. */
#define PUBLISHED_CNT 20000u

static bool publisher_over;

static void *
publisher(void *arg)
{
	struct fwd_switch_settings *kind = arg;
	for (uint32_t i = 0; i < PUBLISHED_CNT; i++)
		fwd_switch_settings_publish(&rig.block, &kind[i % 2]);
	__atomic_store_n(&publisher_over, true, __ATOMIC_RELEASE);
	return NULL;
}

static void
no_reader_sees_half_of_a_change(void **state)
{
	static struct fwd_switch_settings kind[2], got;
	pthread_t thread;
	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		fwd_switch_settings_default(&kind[i], RIG_PORTS);
		kind[i].ageing_s = 100 + i;
		for (uint32_t vlan = 1; vlan <= FWD_SWITCH_VLAN_MAX; vlan++)
			kind[i].member[vlan] = i == 0 ? 0x5f : 0xaf;
	}
	publisher_over = false;
	fwd_switch_settings_publish(&rig.block, &kind[0]);
	assert_int_equal(pthread_create(&thread, NULL, publisher, kind), 0);
	for (bool over = false; !over;) {
		over = __atomic_load_n(&publisher_over, __ATOMIC_ACQUIRE);
		int err = fwd_switch_settings_take(&rig.block, &got);
		if (err == -BH_EAGAIN)
			continue;
		assert_int_equal(err, 0);
		assert_int_equal(got.generation & 1, 0);
		assert_memory_equal(&got.vlan_aware, &kind[got.ageing_s - 100].vlan_aware,
		                    sizeof(got) - sizeof(got.generation));
	}
	assert_int_equal(pthread_join(thread, NULL), 0);
}

/* Changes in every turn, under load: each frame is forwarded, dropped for a reason or flooded (rig_turn adds it up). */
static void
no_frame_is_lost_by_a_change(void **state)
{
	(void)state;
	rig_hear(0, 1);
	rig_hear(1, 2);
	for (uint32_t i = 0; i < 400; i++) {
		rig.wanted.vlan_aware = i % 2;
		rig.wanted.ageing_s = 300 + i;
		rig.wanted.port[0].storm_pps[FWD_STORM_BROADCAST] = i % 3;
		rig_publish();
		for (uint32_t j = 0; j < 20; j++) {
			(void)rig_give_station(0, 2, 1);
			(void)rig_give_station(1, 1, 2);
		}
		(void)fwd_switch_turn(rig.sw[0]);
		assert_true(rig_out_cnt(0) >= 20 && rig_out_cnt(1) >= 20);
		rig_assert_adds_up();
		rig_clear();
	}
	assert_int_equal(rig_counter(FWD_SWITCH_COUNTER_TAKEN), 401);
}

static void
limit(uint32_t port, enum fwd_storm storm, uint32_t pps)
{
	rig.wanted.port[port].storm_pps[storm] = pps;
	rig_publish();
}

static void
give_many(uint32_t core, uint32_t port, const uint8_t dst[6], uint32_t cnt)
{
	for (uint32_t i = 0; i < cnt; i++)
		(void)rig_give_mac(core, port, dst, someone);
}

/* After a silence a burst passes; then as many as the rate says, at any moment. */
static void
a_storm_is_cut_to_its_rate(void **state)
{
	(void)state;
	limit(0, FWD_STORM_BROADCAST, RATE_PPS);
	give_many(0, 0, broadcast, 200);
	rig_turn();
	rig_assert_out(0, BURST_CNT, BURST_CNT, BURST_CNT);
	assert_int_equal(rig_drop(0, FWD_SWITCH_STORM_BROADCAST), 200 - BURST_CNT);
	rig_clear();
	for (uint32_t i = 0; i < 5; i++) {
		rig_clock_advance_ms(10);
		give_many(0, 0, broadcast, 40);
		rig_turn();
	}
	rig_assert_out(0, 50, 50, 50);
	rig_clear();
	rig_clock_advance_ms(100000);
	give_many(0, 0, broadcast, 100);
	rig_turn();
	rig_assert_out(0, BURST_CNT, BURST_CNT, BURST_CNT);
}

static void
each_kind_and_port_has_its_own_limit(void **state)
{
	(void)state;
	limit(0, FWD_STORM_BROADCAST, RATE_PPS);
	limit(0, FWD_STORM_MULTICAST, RATE_PPS);
	limit(0, FWD_STORM_UNICAST, RATE_PPS);
	give_many(0, 0, broadcast, BURST_CNT + 1);
	give_many(0, 0, multicast, BURST_CNT + 2);
	give_many(0, 0, nobody, BURST_CNT + 3);
	give_many(0, 1, broadcast, 100);
	rig_turn();
	assert_int_equal(rig_drop(0, FWD_SWITCH_STORM_BROADCAST), 1);
	assert_int_equal(rig_drop(0, FWD_SWITCH_STORM_MULTICAST), 2);
	assert_int_equal(rig_drop(0, FWD_SWITCH_STORM_UNICAST), 3);
	assert_int_equal(rig_out_cnt(0), 100);
	/* A station that is known is no storm. */
	rig_clear();
	rig_hear(2, 3);
	for (uint32_t i = 0; i < 100; i++)
		(void)rig_give_station(0, 3, 1);
	rig_turn();
	rig_assert_out(0, 0, 100, 0);
}

static void
the_limit_is_the_ports_on_all_cores_together(void **state)
{
	(void)state;
	rig.wanted.port[0].storm_pps[FWD_STORM_BROADCAST] = RATE_PPS;
	rig_open(2, 1000);
	give_many(0, 0, broadcast, BURST_CNT);
	give_many(1, 0, broadcast, BURST_CNT);
	rig_turn();
	assert_int_equal(rig_out_cnt(1), BURST_CNT);
}

/* What a slow rate owed is forgotten when a faster one comes into use. */
static void
a_new_limit_holds_at_once(void **state)
{
	(void)state;
	limit(0, FWD_STORM_BROADCAST, 1);
	give_many(0, 0, broadcast, 100);
	rig_turn();
	rig_clear();
	limit(0, FWD_STORM_BROADCAST, 100000);
	give_many(0, 0, broadcast, 50);
	rig_turn();
	rig_assert_out(0, 50, 50, 50);
	limit(0, FWD_STORM_BROADCAST, 0);
	give_many(0, 0, broadcast, 250);
	rig_turn();
	rig_assert_out(0, 300, 300, 300);
}

/* Two ports of the switch on one wire: what went out of one comes in by the other. The rest is forgotten. */
static void
join(uint32_t a, uint32_t b)
{
	static struct rig_side was[RIG_PORTS];
	memcpy(was, rig.side[0], sizeof(was));
	rig_clear();
	memcpy(rig.side[0][a].in, was[b].out, sizeof(was[b].out));
	memcpy(rig.side[0][b].in, was[a].out, sizeof(was[a].out));
	rig.side[0][a].in_cnt = was[b].out_cnt;
	rig.side[0][b].in_cnt = was[a].out_cnt;
}

/* One broadcast frame in a loop: without a limit each turn makes more of them, with one they stay few. */
static void
a_loop_is_held_down(void **state)
{
	uint64_t heard_cnt = 0;
	(void)state;
	limit(2, FWD_STORM_BROADCAST, RATE_PPS);
	limit(3, FWD_STORM_BROADCAST, RATE_PPS);
	give_many(0, 0, broadcast, 1);
	for (uint32_t ms = 0; ms < 1000; ms++) {
		rig_clock_advance_ms(1);
		rig_turn();
		heard_cnt += rig_out_cnt(1);
		join(2, 3);
	}
	assert_true(heard_cnt > 100 && heard_cnt <= 2 * (RATE_PPS + BURST_CNT) + 1);
	assert_true(rig_counter(FWD_SWITCH_COUNTER_MOVE) > 100);
}

static void
turns(uint32_t cnt)
{
	for (uint32_t i = 0; i < cnt; i++)
		(void)fwd_switch_turn(rig.sw[0]);
}

static void
stations_age(void **state)
{
	(void)state;
	rig.wanted.ageing_s = 32;
	rig_publish();
	rig_hear(1, 1);
	for (uint32_t i = 0; i < 31; i++) {
		rig_clock_advance_ms(1000);
		turns(1000);
	}
	(void)rig_give_station(0, 1, 2);
	rig_turn();
	rig_assert_out(0, 1, 0, 0);
	for (uint32_t i = 0; i < 4; i++) {
		rig_clock_advance_ms(1000);
		turns(1000);
	}
	(void)rig_give_station(0, 1, 2);
	rig_turn();
	rig_assert_out(0, 2, 1, 1);
	assert_int_equal(rig_counter(FWD_SWITCH_COUNTER_AGED), 1);
}

static void
a_port_has_its_mac_max(void **state)
{
	(void)state;
	rig.wanted.port[2].mac_max = 5;
	rig_publish();
	for (uint32_t i = 1; i <= 8; i++)
		rig_hear(2, i);
	assert_int_equal(rig_counter(FWD_SWITCH_COUNTER_LEARN), 5);
	assert_int_equal(rig_counter(FWD_SWITCH_COUNTER_LIMIT), 3);
	turns(2000);
	assert_int_equal(*bh_gauge_register(FWD_SWITCH_GAUGE_MACS, ""), 5);
}

/* The stations behind a link that went down are looked for elsewhere at once. */
static void
a_link_that_goes_down_is_forgotten(void **state)
{
	(void)state;
	rig_hear(1, 1);
	rig_hear(2, 2);
	rig.link[1].up = false;
	turns(3000);
	(void)rig_give_station(0, 1, 3);
	(void)rig_give_station(0, 2, 3);
	rig_turn();
	rig_assert_out(0, 1, 2, 1);
	assert_int_equal(rig_counter(FWD_SWITCH_COUNTER_FLUSHED), 1);
	/* Once, not for as long as it is down. */
	rig_hear(1, 1);
	turns(3000);
	assert_int_equal(rig_counter(FWD_SWITCH_COUNTER_FLUSHED), 1);
}

int
main(void)
{
#define ON_RIG(name) cmocka_unit_test_setup_teardown(name, rig_start, rig_stop)
	const struct CMUnitTest tests[] = {
	        ON_RIG(settings_that_cannot_be_are_refused),
	        ON_RIG(bad_settings_change_nothing),
	        ON_RIG(good_settings_are_used_in_the_next_turn),
	        ON_RIG(nothing_is_used_while_it_is_written),
	        ON_RIG(no_reader_sees_half_of_a_change),
	        ON_RIG(no_frame_is_lost_by_a_change),
	        ON_RIG(a_storm_is_cut_to_its_rate),
	        ON_RIG(each_kind_and_port_has_its_own_limit),
	        ON_RIG(the_limit_is_the_ports_on_all_cores_together),
	        ON_RIG(a_new_limit_holds_at_once),
	        ON_RIG(a_loop_is_held_down),
	        ON_RIG(stations_age),
	        ON_RIG(a_port_has_its_mac_max),
	        ON_RIG(a_link_that_goes_down_is_forgotten),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
