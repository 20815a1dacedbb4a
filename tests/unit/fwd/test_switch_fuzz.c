/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Anything at all: frames of any length and content, in any shape, on two cores, while settings, links, the clock, the
 * pool and the rings' room change. Nothing is lost without a count, no packet is kept, nothing leaves that did not come
 * in. BULKHEAD_FUZZ_SEEDS=N runs N seeds; a failure prints its seed.
 */
#include "tests/unit/fwd/switch_rig.h"
#include "tests/xorshift.h"

#define SEEDS_DEFAULT 30u
#define STEP_CNT      400u
#define BURST_MAX     40u

static uint64_t state;

static uint32_t
below(uint32_t end)
{
	return (uint32_t)(xorshift64(&state) >> 20) % end;
}

static void
draw_settings(void)
{
	struct fwd_switch_settings *wanted = &rig.wanted;
	memset(wanted->member, 0, sizeof(wanted->member));
	wanted->vlan_aware = below(2);
	wanted->ageing_s = below(20) == 0 ? below(20) : 10 + below(100);
	for (uint32_t vlan = 1; vlan < 8; vlan++)
		wanted->member[vlan] = (uint8_t)below(256);
	for (uint32_t i = 0; i < FWD_PORTS_MAX; i++) {
		struct fwd_switch_port *port = &wanted->port[i];
		port->native_vlan = (uint16_t)below(8);
		port->mac_max = below(3) == 0 ? below(50) : 0;
		if (port->native_vlan != 0 && below(50) != 0)
			wanted->member[port->native_vlan] |= (uint8_t)(1u << i);
		for (uint32_t j = 0; j < FWD_STORM_CNT; j++)
			port->storm_pps[j] = below(3) == 0 ? below(2000) : 0;
	}
	if (below(50) == 0)
		wanted->member[below(2) == 0 ? 0 : 4095] = 1;
	rig_publish();
}

/* Nearly right, or noise. */
static void
draw_frame(uint32_t core, uint32_t port)
{
	uint8_t dst[6], src[6];
	rig_mac(dst, below(60));
	rig_mac(src, below(60));
	struct rig_frame *frame = rig_give_mac(core, port, dst, src);
	frame->bytes = below(10) == 0 ? 1 + below(80) : 60 + below(1900);
	if (below(3) == 0)
		memset(frame->data, 0xff, 6);
	for (uint32_t i = below(4); i > 0; i--)
		frame->data[below(20)] ^= (uint8_t)(1u << below(8));
	for (uint32_t i = below(3); i > 0 && frame->bytes >= 14; i--)
		rig_tag(frame, (uint16_t)(below(10) | below(16) << 12));
	if (rig.split_bytes != 0)
		frame->bytes = BH_MIN(frame->bytes, rig.split_bytes * BH_PKT_SEGS_MAX);
	frame->flags = (uint16_t)(below(4) == 0 ? below(32) : 0);
	frame->vlan_tci = (uint16_t)(below(4) == 0 ? below(65536) : below(10));
	frame->csum_start = (uint16_t)below(2 * frame->bytes);
}

static void
disturb(void)
{
	rig_clock_advance_ms(below(3) == 0 ? below(5000) : below(3));
	rig.split_bytes = below(3) == 0 ? 4 + below(600) : 0;
	if (below(10) == 0)
		draw_settings();
	if (below(20) == 0)
		rig.link[below(RIG_PORTS)].up = below(2) != 0;
	for (uint32_t core = 0; core < RIG_CORES; core++) {
		for (uint32_t i = 0; i < RIG_PORTS; i++)
			rig.side[core][i].room_cnt = below(5) == 0 ? below(30) : RIG_HELD;
	}
}

static uint32_t
wanting_cnt(void)
{
	uint32_t cnt = 0;
	for (uint32_t core = 0; core < RIG_CORES; core++) {
		for (uint32_t i = 0; i < RIG_PORTS; i++)
			cnt += rig.side[core][i].in_cnt - rig.side[core][i].given_cnt;
	}
	return cnt;
}

/* A few of the pool's packets are elsewhere. What came in but found no packet waits in its ring. */
static void
one_step(void)
{
	static struct bh_pkt *kept[RIG_PKTS];
	disturb();
	for (uint32_t i = below(BURST_MAX); i > 0; i--)
		draw_frame(below(RIG_CORES), below(RIG_PORTS));
	uint32_t kept_cnt = below(4) == 0 ? RIG_PKTS - 300 - below(100) : 0;
	assert_int_equal(bh_pkt_get(rig.pool, kept, kept_cnt), kept_cnt);
	for (uint32_t i = 0; i < 100 && wanting_cnt() != 0; i++) {
		for (uint32_t core = 0; core < RIG_CORES; core++)
			(void)fwd_switch_turn(rig.sw[core]);
	}
	assert_int_equal(wanting_cnt(), 0);
	bh_pkt_free_burst(rig.pool, kept, kept_cnt);
	rig_assert_adds_up();
	rig_clear();
}

static void
nothing_is_lost_without_a_count(void **unused)
{
	const char *text = getenv("BULKHEAD_FUZZ_SEEDS");
	uint64_t seed_cnt = text != NULL ? strtoull(text, NULL, 10) : SEEDS_DEFAULT;
	(void)unused;
	for (uint64_t seed = 1; seed <= seed_cnt; seed++) {
		state = seed * UINT64_C(0x9e3779b97f4a7c15);
		fwd_switch_settings_default(&rig.wanted, RIG_PORTS);
		rig_open(RIG_CORES, 1 + below(300));
		for (uint32_t step = 0; step < STEP_CNT; step++)
			one_step();
		if (rig.pool->free_cnt != RIG_PKTS)
			fail_msg("seed %lu", seed);
	}
	assert_true(rig_counter(FWD_SWITCH_COUNTER_FORWARD) > seed_cnt * STEP_CNT);
	assert_true(rig_counter(FWD_SWITCH_COUNTER_FLOOD) > seed_cnt * STEP_CNT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(nothing_is_lost_without_a_count, rig_start, rig_stop)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
