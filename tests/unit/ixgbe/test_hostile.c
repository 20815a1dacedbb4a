/* SPDX-License-Identifier: Apache-2.0 */
/* The card lies, stalls and dies: each lie is noticed, counted and survived. Then random lies by seed. */
#include "rig.h"

#define WATCH_NS UINT64_C(150000000)
#define HANG_NS  UINT64_C(3000000000) /* more than the keeper's 20 turns of 100 ms */

static int
set_up(void **state)
{
	rig_defaults();
	return 0;
}

/* What is left when the test's own lies are over: it must still pass frames, both ways. */
static void
still_works(void)
{
	struct bh_pkt *pkt;
	for (uint32_t at = 0; at < 2; at++) {
		while ((pkt = rig_receive(at)) != NULL)
			bh_pkt_free(pkt);
	}
	for (uint32_t from = 0; from < 2; from++) {
		rig_send(from, rig_pkt(from, 200));
		pkt = rig_receive(1 - from);
		assert_non_null(pkt);
		assert_int_equal(pkt->len_bytes, 200);
		bh_pkt_free(pkt);
	}
}

static void
lie_once(enum ixgbe_fault fault)
{
	rig.config.rule[0] = (struct vnet_fault_rule){.fault = fault, .every = 1, .times = 1};
	rig.config.rule_cnt = 1;
	rig.liar = fault != IXGBE_FAULT_TX_STALL && fault != IXGBE_FAULT_TX_NO_REPORT;
}

/* One lie about a received frame; the counter that has to name it. */
static const struct {
	enum ixgbe_fault fault;
	const char *counter;
} lies[] = {
        {IXGBE_FAULT_LONG_LENGTH, "p1.drop_rx_bad_length"},
        {IXGBE_FAULT_SHORT_LENGTH, "p1.drop_rx_bad_length"},
        {IXGBE_FAULT_ZERO_LENGTH, "p1.drop_rx_bad_length"},
        {IXGBE_FAULT_DAMAGED, "p1.drop_rx_error"},
};

static uint32_t lie_idx;

static void
one_lie(void *arg)
{
	rig_open(NULL);
	rig_send(0, rig_pkt(0, 60));
	assert_null(rig_receive(1));
	assert_int_equal(rig_counter(lies[lie_idx].counter), 1);
	assert_int_equal(rig_stats(1).fault_kind_cnt[lies[lie_idx].fault], 1);
	still_works();
	rig_close();
}

static void
test_lies(void **state)
{
	for (lie_idx = 0; lie_idx < BH_ARRAY_CNT(lies); lie_idx++) {
		rig_defaults();
		lie_once(lies[lie_idx].fault);
		rig_run(one_lie);
	}
}

/* A frame without an end takes the next one with it: two frames, one drop or one chain, never more than the MTU. */
static void
no_end(void *arg)
{
	rig_open(NULL);
	rig_send(0, rig_pkt(0, 1000));
	assert_null(rig_receive(1));
	rig_send(0, rig_pkt(0, 1000));
	assert_null(rig_receive(1)); /* 2000 bytes: too long */
	assert_int_equal(rig_counter("p1.drop_rx_too_long"), 1);
	still_works();
	rig_close();
}

static void
test_no_end(void **state)
{
	rig_defaults();
	lie_once(IXGBE_FAULT_NO_END);
	rig_run(no_end);
}

/* The length changes after it was shown: the driver looks once. */
static void
change_length(void *arg)
{
	rig_open(NULL);
	for (uint32_t i = 0; i < 200; i++) {
		rig_send(0, rig_pkt(0, 300));
		for (uint32_t turn = 0; turn < i % 5; turn++)
			bh_yield();
		struct bh_pkt *pkt = rig_receive(1);
		if (pkt == NULL)
			continue; /* it was long when the driver looked: dropped and counted */
		assert_int_equal(pkt->len_bytes, 300);
		bh_pkt_free(pkt);
	}
	assert_int_equal(rig_counter("p1.rx_pkts") + rig_counter("p1.drop_rx_bad_length"), 200);
	assert_true(rig_stats(1).fault_cnt >= 199);
	rig_close();
}

static void
test_change_length(void **state)
{
	rig_defaults();
	lie_once(IXGBE_FAULT_CHANGE_LENGTH);
	rig.config.rule[0].times = 0;
	rig_run(change_length);
}

/* Faults that only a reset heals: the keeper sees them, and frames pass again. */
static void
heals(uint64_t within_ns)
{
	struct bh_pkt *pkt;
	rig_open(NULL);
	rig_send(0, rig_pkt(0, 60));
	pkt = rig_receive(1);
	if (pkt != NULL)
		bh_pkt_free(pkt);
	for (uint64_t past_ns = 0; past_ns < within_ns; past_ns += WATCH_NS) {
		rig_send(0, rig_pkt(0, 60)); /* there is work */
		rig_pass(WATCH_NS);
		while ((pkt = rig_receive(1)) != NULL)
			bh_pkt_free(pkt);
		(void)bh_port_rx(rig.queue[0], &pkt, 0); /* a burst of nothing: the queue's core sees the keeper */
	}
	assert_int_equal(rig_counter("p0.resets") + rig_counter("p1.resets"), 1);
	still_works();
	rig_close();
}

static void
heals_soon(void *arg)
{
	heals(4 * WATCH_NS);
}

static void
heals_late(void *arg)
{
	heals(HANG_NS);
}

static void
test_reset_heals(void **state)
{
	static const enum ixgbe_fault soon[] = {IXGBE_FAULT_RX_OFF, IXGBE_FAULT_MEMORY_ERROR};
	static const enum ixgbe_fault late[] = {IXGBE_FAULT_TX_STALL, IXGBE_FAULT_TX_NO_REPORT};
	for (uint32_t i = 0; i < 2; i++) {
		rig_defaults();
		lie_once(soon[i]);
		rig_run(heals_soon);
		rig_defaults();
		lie_once(late[i]);
		rig_run(heals_late);
	}
}

/* The card is pulled out while frames are under way: the port says so, and every packet is back. */
RIG_TEST(test_removed)
{
	struct bh_pkt *pkt;
	rig_open(NULL);
	for (uint32_t i = 0; i < 10; i++)
		rig_send(0, rig_pkt(0, 60));
	rig.gone = true;
	rig_pass(2 * WATCH_NS);
	for (uint32_t at = 0; at < 2; at++) {
		assert_int_equal(bh_port_rx(rig.queue[at], &pkt, 1), 0);
		assert_false(bh_port_link(rig.port[at]).up);
		assert_int_equal(bh_port_reset(rig.port[at]), -BH_ENODEV);
		assert_int_equal(bh_port_close(rig.port[at]), -BH_ENODEV);
	}
}

RIG_TEST(test_link_goes_and_comes)
{
	rig_open(NULL);
	ixgbe_model_link_set(rig.model[0], false);
	rig_pass(WATCH_NS);
	assert_false(bh_port_link(rig.port[0]).up);
	rig_send(0, rig_pkt(0, 60));
	assert_int_equal(rig_counter("p0.drop_tx_link_down"), 1);
	ixgbe_model_link_set(rig.model[0], true);
	rig_pass(WATCH_NS);
	still_works();
	rig_close();
}

static uint64_t
draw(uint64_t *seed)
{
	*seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *seed >> 33;
}

/*
 * The driver's rings are in memory that the card writes; here it writes anything: 100,000 random descriptors. What the
 * application gets is sound, or it gets nothing.
 */
static void
scribble(uint64_t *seed)
{
	struct ixgbe_ring *ring = &rig.model[1]->rx[0];
	uint32_t cnt;
	if (!ixgbe_ring_look(rig.model[1], false, 0, &cnt) || cnt == 0)
		return;
	uint64_t length = draw(seed) % 4 == 0 ? draw(seed) : draw(seed) % 2100;
	ring->desc[ring->head].word[0] = draw(seed) << 33 | draw(seed);
	ring->desc[ring->head].word[1] = draw(seed) << 48 | (length & 0xffff) << 32 | (draw(seed) << 2 & 0xffffffff) |
	                                 (draw(seed) % 8 != 0) << 1 | (draw(seed) % 64 != 0);
	ixgbe_ring_advance(rig.model[1], false, 0, 1);
}

static void
take_random(uint64_t *seed)
{
	struct bh_pkt *pkts[16];
	uint32_t got = bh_port_rx(rig.queue[1], pkts, (uint32_t)(draw(seed) % 16));
	for (uint32_t i = 0; i < got; i++) {
		uint32_t bytes = 0, cnt = 0;
		for (const struct bh_pkt *seg = pkts[i]; seg != NULL; seg = seg->next, cnt++) {
			assert_in_range(seg->len_bytes, 1, INTEL_RX_BUF_BYTES);
			bytes += seg->len_bytes;
		}
		assert_int_equal(bytes, bh_pkt_frame_bytes(pkts[i]));
		assert_int_equal(cnt, pkts[i]->seg_cnt);
		assert_in_range(bytes, 14, rig.queue[1]->frame_bytes_max);
		bh_pkt_free(pkts[i]);
	}
}

static uint64_t random_seed = 1, random_steps = 100000;

RIG_TEST(test_random_card)
{
	const struct bh_port_options options = {.mtu_bytes = 9000, .promiscuous = true};
	uint64_t seed = random_seed;
	rig_open(&options);
	rig.frozen = true;
	for (uint64_t i = 0; i < random_steps; i++) {
		if (draw(&seed) % 2 == 0)
			scribble(&seed);
		else
			take_random(&seed);
		if (draw(&seed) % 5000 == 0)
			assert_int_equal(bh_port_reset(rig.port[1]), 0);
	}
	rig.frozen = false;
	assert_int_equal(bh_port_reset(rig.port[1]), 0);
	still_works();
	rig_close();
}

/*
 * The other way: a client that writes anything into the card's registers and rings. The model stays inside of what it was
 * granted (the sanitizers watch), and a reset makes it a card again.
 */
static uint32_t
register_draw(uint64_t *seed)
{
	static const uint32_t interesting[] = {
	        0x1000, 0x1004, 0x1008, 0x1010, 0x1014, 0x1018, 0x1028, 0x6000, 0x6004, 0x6008, 0x6010, 0x6018, 0x6028,
	        0x3000, 0x4a80, 0x4240, 0x4268, 0x5080, 0x5818, 0x5c00, 0x5088, 0x0000, 0x5200, 0x5090, 0x2100,
	};
	uint32_t at = interesting[draw(seed) % BH_ARRAY_CNT(interesting)];
	return draw(seed) % 16 == 0 ? (uint32_t)(draw(seed) % (IXGBE_BAR_BYTES + 64)) : at;
}

static void
client_step(uint64_t *seed, uint8_t *memory)
{
	uint64_t value = draw(seed) % 3 == 0 ? draw(seed) : draw(seed) % 0x400;
	uint32_t at = register_draw(seed), idx = (uint32_t)(draw(seed) & 1);
	switch (draw(seed) % 4) {
	case 0: /* a ring at a good place: else nothing much happens */
		value = at % 0x40 == 0 ? (uintptr_t)memory + (draw(seed) % 8) * 128 : value;
		at = at % 0x40 == 4 ? (uint32_t)((uintptr_t)memory >> 32) : at;
		break;
	case 1:
		value |= 1u << 25 | 1;
		break;
	default:
		break;
	}
	ixgbe_model_reg_write(rig.model[idx], at, draw(seed) % 32 == 0 ? 8 : 4, value);
	(void)ixgbe_model_reg_read(rig.model[idx], register_draw(seed), 4);
	for (uint32_t i = 0; i < 4; i++)
		((uint64_t *)(void *)memory)[draw(seed) % 512] =
		        draw(seed) % 2 ? (uintptr_t)memory + draw(seed) % 9000 : draw(seed) << 20 | draw(seed) << 44;
}

RIG_TEST(test_random_client)
{
	uint64_t seed = random_seed;
	uint8_t *memory = bh_dma_alloc(16384, 4096);
	assert_non_null(memory);
	for (uint64_t i = 0; i < random_steps / 10; i++) {
		client_step(&seed, memory);
		(void)vnet_wire_poll(rig.wire, i);
	}
	for (uint32_t i = 0; i < 2; i++)
		ixgbe_model_reg_write(rig.model[i], INTEL_REG_CTRL, 4, INTEL_CTRL_RST);
	rig_open(NULL);
	still_works();
	rig_close();
}

/* Without arguments all tests; with SEED STEPS only the random ones, for as long as wanted. */
int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_lies),
	        cmocka_unit_test(test_no_end),
	        cmocka_unit_test(test_change_length),
	        cmocka_unit_test(test_reset_heals),
	        cmocka_unit_test_setup(test_removed, set_up),
	        cmocka_unit_test_setup(test_link_goes_and_comes, set_up),
	        cmocka_unit_test_setup(test_random_card, set_up),
	        cmocka_unit_test_setup(test_random_client, set_up),
	};
	if (argc == 3) {
		random_seed = strtoull(argv[1], NULL, 0);
		random_steps = strtoull(argv[2], NULL, 0);
		cmocka_set_test_filter("test_random*");
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
