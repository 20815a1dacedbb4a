/* SPDX-License-Identifier: Apache-2.0 */
/* Opening, resets, link, filters, statistics: the driver against the model; what goes wrong first. */
#include "rig.h"

#define WATCH_NS UINT64_C(150000000)

static int
set_up(void **state)
{
	rig_defaults();
	return 0;
}

static int
open_alone(void)
{
	return bh_port_open("p0", NULL, &rig.port[0]);
}

RIG_TEST(test_gone)
{
	rig.gone = true;
	assert_int_equal(open_alone(), -BH_ENODEV);
}

/* CTRL.RST never clears: not even after a reset of the function. */
RIG_TEST(test_never_resets)
{
	rig.lie_at = INTEL_REG_CTRL;
	rig.lie_value = INTEL_CTRL_RST;
	assert_int_equal(open_alone(), -BH_ETIMEDOUT);
	assert_int_equal(rig.function_reset_cnt, 1);
}

/* Requests stay under way: the whole function is reset, and it works. */
RIG_TEST(test_never_quiet)
{
	rig.lie_at = INTEL_REG_STATUS;
	rig.lie_value = INTEL_STATUS_GIO_MASTER_ENABLE;
	assert_int_equal(open_alone(), 0);
	assert_int_equal(rig.function_reset_cnt, 1);
	rig.lie_at = RIG_NO_LIE;
	assert_int_equal(bh_port_close(rig.port[0]), 0);
}

RIG_TEST(test_dma_never_ready)
{
	rig.lie_at = IXGBE_REG_RDRXCTL;
	assert_int_equal(open_alone(), -BH_ETIMEDOUT);
}

RIG_TEST(test_receiver_never_ready)
{
	rig.lie_at = IXGBE_REG_SECRXSTAT;
	assert_int_equal(open_alone(), -BH_ETIMEDOUT);
}

RIG_TEST(test_queue_never_on)
{
	rig.lie_at = IXGBE_RX_BASE + INTEL_QUEUE_DCTL;
	assert_int_equal(open_alone(), -BH_ETIMEDOUT);
}

RIG_TEST(test_no_address)
{
	rig.lie_at = INTEL_REG_RAL0;
	rig.lie_value = 1; /* a multicast address */
	assert_int_equal(open_alone(), -BH_EPROTO);
}

/* Firmware that keeps the link's registers costs a warning, not the port. */
RIG_TEST(test_firmware_keeps_the_link)
{
	ixgbe_model_link_set(rig.model[0], false);
	rig.lie_at = IXGBE_REG_SW_FW_SYNC;
	rig.lie_value = IXGBE_SYNC_SW_MAC << IXGBE_SYNC_FW_SHIFT;
	assert_int_equal(open_alone(), 0);
	assert_false(bh_port_link(rig.port[0]).up);
	assert_int_equal(bh_port_close(rig.port[0]), 0);
}

/* Section 4.6 by its results: what each step has to leave in the card's registers. */
RIG_TEST(test_initialized)
{
	rig_open(NULL);
	const struct ixgbe_model *m = rig.model[0];
	const struct bh_port_info *info = bh_port_info(rig.port[0]);
	assert_string_equal(info->driver, "ixgbe");
	assert_int_equal(info->queue_cnt_max, 16);
	assert_memory_equal(info->mac, "\x02\0\0\0\0\x01", 6);
	assert_true(m->reg[0x03000 / 4] & 1);                       /* RXCTRL.RXEN */
	assert_true(m->reg[0x04a80 / 4] & 1);                       /* DMATXCTL.TE */
	assert_int_equal(m->reg[0x04240 / 4] & 0x407, 0x407);       /* HLREG0: CRCs, jumbo, padding */
	assert_true(m->reg[0x02f00 / 4] & 2);                       /* RDRXCTL.CRCSTRIP: as HLREG0 (8.2.3.8.8) */
	assert_int_equal(m->reg[0x02f00 / 4] >> 25 & 3, 3);         /* reserved, must be 1 */
	assert_int_equal(m->reg[0x02f00 / 4] >> 17 & 31, 0);        /* reserved, must be 0 */
	assert_int_equal(m->reg[0x03c00 / 4], 512 << 10);           /* RXPBSIZE */
	assert_int_equal(m->reg[0x0cc00 / 4], 160 << 10);           /* TXPBSIZE */
	assert_int_equal(m->reg[0x08100 / 4], 0xfff);               /* DTXMXSZRQ */
	assert_false(m->reg[0x04900 / 4] & 1u << 6);                /* RTTDCS.ARBDIS: on again */
	assert_false(m->reg[0x08d00 / 4] & 2);                      /* SECRXCTRL.RX_DIS: on again */
	assert_true(m->reg[0x00018 / 4] & 1u << 16);                /* CTRL_EXT.NS_DIS */
	assert_true(m->rx_page[0x28 / 4] & 1u << 25);               /* RXDCTL.ENABLE */
	assert_int_equal(m->reg[0x03260 / 4], 512 * 1024 - 0x6000); /* FCRTH.RTH: also without flow control */
	assert_int_equal(m->reg[0x05008 / 4] >> 6 & 3, 3);          /* RFCTL: no NFS recognition */
	assert_false(m->rx_page[0x0c / 4] & 1u << 12);              /* DCA_RXCTRL: reserved, must be 0 */
	assert_int_equal(m->rx_page[0x14 / 4], 1u << 25 | 2);       /* SRRCTL: one buffer of 2 KiB */
	struct bh_port_link link = bh_port_link(rig.port[0]);
	assert_true(link.up && link.full_duplex);
	assert_int_equal(link.speed_mbps, 10000);
	rig_close();
	assert_false(m->reg[0x03000 / 4] & 1);
}

/* X540: less memory (datasheet 8.2.3.8.9: 384 KB), and a PHY that is reset with it: its semaphore is free again afterwards. */
static void
x540_body(void *arg)
{
	rig_open(NULL);
	const struct ixgbe_model *m = rig.model[0];
	assert_int_equal(m->reg[0x03c00 / 4], 384 << 10);
	assert_int_equal(m->reg[0x03260 / 4], 384 * 1024 - 0x6000);
	assert_int_equal(m->reg[0x10160 / 4] & 6, 0);
	rig_close();
}

static void
test_x540(void **state)
{
	rig_defaults();
	rig.pci_device = 0x1528;
	rig_run(x540_body);
}

/*
 * Specification update, clarification 9: what waits to be sent while the link is down keeps the master. It is flushed and
 * the card reset twice; the function as a whole is not.
 */
RIG_TEST(test_flushed)
{
	rig_open(NULL);
	rig_send(0, rig_pkt(0, 60));
	struct bh_pkt *pkt = rig_receive(1);
	assert_non_null(pkt);
	bh_pkt_free(pkt);
	ixgbe_model_link_set(rig.model[0], false);
	rig_send(0, rig_pkt(0, 60));
	uint64_t reset_cnt = rig_stats(0).reset_cnt;
	assert_int_equal(bh_port_reset(rig.port[0]), 0);
	assert_int_equal(rig_stats(0).reset_cnt, reset_cnt + 2);
	assert_int_equal(rig.function_reset_cnt, 0);
	assert_int_equal(rig_counter("p0.drop_reset"), 1);
	assert_false(rig.model[0]->reg[0x04240 / 4] & 1u << 15); /* HLREG0.LPBK */
	rig_close();
}

/* Tables that no reset clears hold what the driver before us wrote: an address of its, a filter that steals frames. */
RIG_TEST(test_tables_are_cleared)
{
	ixgbe_model_reg_write(rig.model[1], 0x0a208, 4, 0x44332211);
	ixgbe_model_reg_write(rig.model[1], 0x0a20c, 4, 0x80006655);
	ixgbe_model_reg_write(rig.model[1], 0x0e600, 4, 0x80000000);
	ixgbe_model_reset(rig.model[1]);
	assert_int_equal(rig.model[1]->reg[0x0e600 / 4], 0x80000000);
	rig_open(NULL);
	assert_int_equal(rig.model[1]->reg[0x0e600 / 4], 0);
	assert_int_equal(rig.model[1]->reg[0x0540c / 4], 0);
	rig_close();
}

RIG_TEST(test_frames_pass)
{
	rig_open(NULL);
	for (uint32_t from = 0; from < 2; from++) {
		rig_send(from, rig_pkt(from, 60));
		struct bh_pkt *pkt = rig_receive(1 - from);
		assert_non_null(pkt);
		assert_int_equal(pkt->len_bytes, 60);
		for (uint32_t i = 6; i < 60; i++)
			assert_int_equal(pkt->data[i], i);
		bh_pkt_free(pkt);
	}
	assert_int_equal(rig_counter("p0.tx_pkts"), 1);
	assert_int_equal(rig_counter("p1.rx_bytes"), 60);
	rig_close();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup(test_gone, set_up),
	        cmocka_unit_test_setup(test_never_resets, set_up),
	        cmocka_unit_test_setup(test_never_quiet, set_up),
	        cmocka_unit_test_setup(test_dma_never_ready, set_up),
	        cmocka_unit_test_setup(test_receiver_never_ready, set_up),
	        cmocka_unit_test_setup(test_queue_never_on, set_up),
	        cmocka_unit_test_setup(test_no_address, set_up),
	        cmocka_unit_test_setup(test_firmware_keeps_the_link, set_up),
	        cmocka_unit_test_setup(test_initialized, set_up),
	        cmocka_unit_test(test_x540),
	        cmocka_unit_test_setup(test_flushed, set_up),
	        cmocka_unit_test_setup(test_tables_are_cleared, set_up),
	        cmocka_unit_test_setup(test_frames_pass, set_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
