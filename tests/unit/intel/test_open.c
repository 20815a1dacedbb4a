/* SPDX-License-Identifier: Apache-2.0 */
/* Bring-up, watching, resets and the end: what can go wrong first. */
#include "tests/hosted/include/bulkhead/hosted.h"
#include "tests/unit/intel/rig.h"

#define SECOND_NS UINT64_C(1000000000)

static int
try_open(void)
{
	struct bh_port *port;
	return bh_port_open("p0", NULL, &port);
}

CARD_TEST(test_gone)
{
	card.gone = true;
	assert_int_equal(try_open(), -BH_ENODEV);
}

CARD_TEST(test_small_bar)
{
	bh_hosted_page()->device[0].bar[0].size_bytes = INTEL_REG_BYTES / 2;
	assert_int_equal(try_open(), -BH_EOPNOTSUPP);
}

CARD_TEST(test_not_mapped)
{
	card.no_windows = true;
	assert_int_equal(try_open(), -BH_EOPNOTSUPP);
}

CARD_TEST(test_no_address)
{
	memset(card.mac, 0, sizeof(card.mac));
	assert_int_equal(try_open(), -BH_EPROTO);
	memset(card.mac, 0xff, sizeof(card.mac));
	assert_int_equal(try_open(), -BH_EPROTO);
}

/* Requests that stay under way: only a reset of the function proves that they end. */
CARD_TEST(test_never_quiet)
{
	struct rig rig;
	card.never_quiet = true;
	rig_open(&rig, NULL);
	assert_int_equal(card.function_reset_cnt, 1);
	rig_close(&rig);
	assert_int_equal(card.function_reset_cnt, 2);
}

CARD_TEST(test_never_reset)
{
	card.never_reset = true;
	assert_int_equal(try_open(), -BH_ETIMEDOUT);
}

CARD_TEST(test_queue_never_enabled)
{
	card.never_enabled = true;
	assert_int_equal(try_open(), -BH_ETIMEDOUT);
}

CARD_TEST(test_phy_kept_by_firmware)
{
	struct rig rig;
	card.phy_busy = card.phy_asleep = true;
	rig_open(&rig, NULL);
	assert_int_equal(card.negotiated_cnt, 0);
	rig_close(&rig);
}

CARD_TEST(test_phy_woken)
{
	struct rig rig;
	card.phy_asleep = true;
	card.bmcr |= MII_BMCR_POWER_DOWN;
	rig_open(&rig, NULL);
	assert_int_equal(card.negotiated_cnt, 1);
	assert_int_equal(card.bmcr, MII_BMCR_AUTONEG);
	rig_close(&rig);
}

CARD_TEST(test_good)
{
	struct rig rig;
	rig_open(&rig, NULL);
	const struct bh_port_info *info = bh_port_info(rig.port);
	assert_memory_equal(info->mac, card.mac, 6);
	assert_string_equal(info->driver, card.is_82576 ? "igb" : "e1000e");
	assert_int_equal(info->queue_cnt_max, card.is_82576 ? 16 : 2);
	assert_true(bh_port_link(rig.port).up);
	assert_int_equal(bh_port_link(rig.port).speed_mbps, 1000);
	assert_int_equal(card.negotiated_cnt, 0);
	assert_true(card.reg[INTEL_REG_CTRL / 4] & INTEL_CTRL_SLU);
	assert_false(card.reg[INTEL_REG_CTRL / 4] & INTEL_CTRL_GIO_MASTER_DISABLE);
	struct card_ring rx = card_ring(0, false);
	assert_int_equal(rx.entries, 256);
	assert_int_equal(rx.head, 0);
	assert_true(rx.tail >= 200);
	rig_close(&rig);
	assert_false(card.reg[INTEL_REG_RCTL / 4] & INTEL_RCTL_EN);
	assert_false(card.reg[INTEL_REG_TCTL / 4] & INTEL_TCTL_EN);
}

/* A reset wipes the filters: they must come again. */
CARD_TEST(test_filters)
{
	static const uint8_t group[1][BH_MAC_BYTES] = {{0x01, 0x00, 0x5e, 0x00, 0x12, 0x34}};
	static const uint8_t mac[BH_MAC_BYTES] = {0x02, 1, 2, 3, 4, 5};
	struct rig rig;
	rig_open(&rig, NULL);
	assert_int_equal(bh_port_multicast_set(rig.port, group, 1), 0);
	assert_int_equal(bh_port_mac_set(rig.port, mac), 0);
	assert_int_equal(bh_port_promiscuous_set(rig.port, true), 0);
	for (uint32_t i = 0; i < 2; i++) {
		/* 82574 datasheet 10.2.5.15: bits 47:36 are 0x341, of which 11:5 choose the word. */
		assert_int_equal(card.reg[INTEL_REG_MTA / 4 + (0x341 >> 5)], 1u << (0x341 & 31));
		assert_int_equal(card.reg[INTEL_REG_RAL0 / 4], 0x03020102);
		assert_int_equal(card.reg[INTEL_REG_RAH0 / 4], 0x80000504);
		assert_true(card.reg[INTEL_REG_RCTL / 4] & INTEL_RCTL_UPE);
		if (i == 0)
			assert_int_equal(bh_port_reset(rig.port), 0);
		rig_rx_none(&rig);
	}
	assert_int_equal(bh_port_promiscuous_set(rig.port, false), 0);
	assert_false(card.reg[INTEL_REG_RCTL / 4] & (INTEL_RCTL_UPE | INTEL_RCTL_MPE));
	rig_close(&rig);
}

CARD_TEST(test_link_changes)
{
	struct rig rig;
	struct bh_pkt *pkt;
	rig_open(&rig, NULL);
	card.link_down = true;
	card_wait(SECOND_NS / 2);
	assert_false(bh_port_link(rig.port).up);
	pkt = rig_pkt(&rig, 60);
	assert_int_equal(bh_port_tx(rig.queue, &pkt, 1), 1);
	assert_int_equal(card_counter("drop_tx_link_down"), 1);
	assert_int_equal(card.sent_cnt, 0);
	card.link_down = false;
	card_wait(SECOND_NS / 2);
	assert_true(bh_port_link(rig.port).up);
	assert_int_equal(card_counter("link_changes"), 2);
	assert_int_equal(card_counter("resets"), 0);
	rig_close(&rig);
}

CARD_TEST(test_device_counts)
{
	struct rig rig;
	rig_open(&rig, NULL);
	card.reg[INTEL_REG_MPC / 4] = 5;
	card.reg[INTEL_REG_CRCERRS / 4] = 3;
	card.reg[INTEL_REG_LATECOL / 4] = 2;
	card_wait(SECOND_NS / 2);
	card.reg[INTEL_REG_MPC / 4] = 1; /* and what a reset would have wiped */
	assert_int_equal(bh_port_reset(rig.port), 0);
	assert_int_equal(card_counter("drop_rx_no_buffer"), 6);
	assert_int_equal(card_counter("drop_rx_error"), 3);
	assert_int_equal(card_counter("drop_tx_error"), 2);
	rig_close(&rig);
}

/* What was in the rings comes back, each frame counted; afterwards it works. */
static void
comes_back(struct rig *rig, uint32_t handed, uint32_t arrived)
{
	struct bh_pkt *pkt;
	for (uint32_t i = 0; i < 20 && card_counter("resets") == 0; i++)
		card_wait(SECOND_NS / 4);
	for (uint32_t i = 0; i < 4; i++) {
		(void)bh_port_rx(rig->queue, &pkt, 0);
		card_wait(SECOND_NS / 10);
	}
	assert_int_equal(card_counter("resets"), 1);
	assert_int_equal(card_counter("drop_reset"), handed + arrived);
	uint32_t before = card.sent_cnt;
	pkt = rig_pkt(rig, 60);
	assert_int_equal(bh_port_tx(rig->queue, &pkt, 1), 1);
	assert_int_equal(card.sent_cnt, before + 1);
	assert_true(card_receive(0, "a frame of 26 bytes in all", 26, 0, 0));
	bh_pkt_free(rig_rx_one(rig));
}

/* The keeper waits for the queue's core, which has to burst meanwhile. */
static void
burst_until_reset(struct rig *rig)
{
	struct bh_pkt *pkt;
	for (uint32_t i = 0; i < 200 && card_counter("resets") == 0; i++) {
		(void)bh_port_tx(rig->queue, &pkt, 0);
		card_wait(SECOND_NS / 20);
	}
	(void)bh_port_tx(rig->queue, &pkt, 0);
}

CARD_TEST(test_transmitter_hangs)
{
	struct rig rig;
	struct bh_pkt *pkts[3];
	rig_open(&rig, NULL);
	card.hold_tx = true;
	for (uint32_t i = 0; i < 3; i++)
		pkts[i] = rig_pkt(&rig, 100);
	assert_int_equal(bh_port_tx(rig.queue, pkts, 3), 3);
	burst_until_reset(&rig);
	card.hold_tx = false;
	comes_back(&rig, 3, 0);
	rig_close(&rig);
}

/* A peer that pauses us is no failure. */
CARD_TEST(test_paused_is_no_hang)
{
	struct rig rig;
	struct bh_pkt *pkt;
	rig_open(&rig, NULL);
	card.hold_tx = card.paused = true;
	pkt = rig_pkt(&rig, 100);
	assert_int_equal(bh_port_tx(rig.queue, &pkt, 1), 1);
	burst_until_reset(&rig);
	assert_int_equal(card_counter("resets"), 0);
	card_send_held();
	assert_int_equal(card.sent_cnt, 1);
	rig_close(&rig);
}

CARD_TEST(test_receiver_switched_off)
{
	struct rig rig;
	rig_open(&rig, NULL);
	assert_true(card_receive(0, "a frame that nobody will take", 29, 0, 0));
	card.reg[INTEL_REG_RCTL / 4] = 0;
	comes_back(&rig, 0, 1);
	rig_close(&rig);
}

CARD_TEST(test_fatal_error)
{
	struct rig rig;
	rig_open(&rig, NULL);
	card.reg[INTEL_REG_ICR / 4] = INTEL_ICR_FER_82576;
	comes_back(&rig, 0, 0);
	rig_close(&rig);
}

CARD_TEST(test_removed)
{
	struct rig rig;
	struct bh_pkt *pkt;
	rig_open(&rig, NULL);
	card.gone = true;
	card_wait(SECOND_NS);
	assert_false(bh_port_link(rig.port).up);
	assert_int_equal(bh_port_rx(rig.queue, &pkt, 1), 0);
	pkt = rig_pkt(&rig, 60);
	assert_int_equal(bh_port_tx(rig.queue, &pkt, 1), 0);
	bh_pkt_free(pkt);
	assert_int_equal(bh_port_promiscuous_set(rig.port, true), -BH_ENODEV);
	assert_int_equal(bh_port_close(rig.port), -BH_ENODEV);
}

/* Two queues of the 82574 by bit 7 of each entry, up to 16 of the 82576 by its low bits. */
CARD_TEST(test_rss)
{
	const struct bh_port_options options = {.queue_cnt = 2};
	struct rig rig;
	rig_open(&rig, &options);
	assert_int_equal(bh_port_info(rig.port)->queue_cnt, 2);
	assert_true(bh_port_info(rig.port)->features & BH_PORT_RSS);
	assert_int_equal(card.reg[INTEL_REG_RETA / 4], card.is_82576 ? 0x01000100 : 0x80008000);
	assert_int_equal(card.reg[INTEL_REG_RETA / 4 + 31], card.is_82576 ? 0x01000100 : 0x80008000);
	/* The key of the verification suite begins with 6d 5a 56 da. */
	assert_int_equal(card.reg[INTEL_REG_RSSRK / 4], 0xda565a6d);
	assert_int_equal(card.reg[INTEL_REG_MRQC / 4] & 7, card.is_82576 ? 2 : 1);
	assert_true(card.reg[INTEL_REG_RXCSUM / 4] & INTEL_RXCSUM_PCSD);
	rig_close(&rig);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        ON_BOTH(test_gone),
	        ON_BOTH(test_small_bar),
	        ON_BOTH(test_not_mapped),
	        ON_BOTH(test_no_address),
	        ON_BOTH(test_never_quiet),
	        ON_BOTH(test_never_reset),
	        ON_82576(test_queue_never_enabled),
	        ON_BOTH(test_phy_kept_by_firmware),
	        ON_BOTH(test_phy_woken),
	        ON_BOTH(test_good),
	        ON_BOTH(test_filters),
	        ON_BOTH(test_link_changes),
	        ON_BOTH(test_device_counts),
	        ON_BOTH(test_transmitter_hangs),
	        ON_BOTH(test_paused_is_no_hang),
	        ON_BOTH(test_receiver_switched_off),
	        ON_82576(test_fatal_error),
	        ON_BOTH(test_removed),
	        ON_BOTH(test_rss),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
