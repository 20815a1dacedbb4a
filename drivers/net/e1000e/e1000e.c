/* SPDX-License-Identifier: Apache-2.0 */
/* What the 82574L wants of its own: Intel 82574 GbE Controller Family Datasheet, rev. 3.4. */
#include "drivers/net/e1000e/e1000e.h"

#define OWNER_TIMEOUT_NS (50 * INTEL_MS_NS)

/* 10.2.2.6, 10.2.2.12, 10.2.6.10: bits that are documented as "reserved, must be 1". */
static void
begin(struct intel_port *ip)
{
	intel_change(ip, INTEL_REG_CTRL_EXT, 0, INTEL_CTRL_EXT_BIT22 | INTEL_CTRL_EXT_DRV_LOAD);
	intel_change(ip, INTEL_REG_GCR, 0, INTEL_GCR_BIT22_82574);
	intel_write(ip, INTEL_REG_TIPG, INTEL_TIPG_82574);
}

/* 7.1.5, 7.1.7: the extended descriptor, whose hash takes the place of the packet checksum. */
static void
rx_setup(struct intel_port *ip)
{
	bool rss = ip->port.info.features & BH_PORT_RSS, csum = ip->port.info.features & BH_PORT_RX_CSUM;
	intel_change(ip, INTEL_REG_RFCTL, 0, INTEL_RFCTL_EXSTEN);
	intel_write(ip, INTEL_REG_RXCSUM, INTEL_RXCSUM_PCSD | (csum ? INTEL_RXCSUM_IPOFLD | INTEL_RXCSUM_TUOFLD : 0));
	intel_write(ip, INTEL_REG_MRQC, 0);
	intel_write(ip, INTEL_REG_RDTR_82574, 0); /* 10.2.5.7, 10.2.5.8: descriptors are not held back */
	intel_write(ip, INTEL_REG_RADV_82574, 0);
	if (!rss)
		return;
	intel_rss_set(ip, INTEL_RETA_SHIFT_82574);
	intel_write(ip, INTEL_REG_MRQC,
	            INTEL_MRQC_RSS_82574 | INTEL_MRQC_TCP_IPV4 | INTEL_MRQC_IPV4 | INTEL_MRQC_IPV6 |
	                    INTEL_MRQC_TCP_IPV6);
}

/* 10.2.5.9, 10.2.6.10: write back at once, fetch early. */
static void
queue_setup(struct intel_port *ip, uint32_t queue_idx)
{
	uint32_t offset = queue_idx * INTEL_QUEUE_STEP_82574 + INTEL_QUEUE_DCTL;
	intel_write(ip, INTEL_TX_BASE_82574 + offset,
	            INTEL_DCTL_PTHRESH(31) | INTEL_DCTL_HTHRESH(1) | INTEL_DCTL_WTHRESH(1) | INTEL_TXDCTL_BIT22_82574 |
	                    INTEL_DCTL_GRAN_82574);
	intel_write(ip, INTEL_RX_BASE_82574 + offset,
	            INTEL_DCTL_PTHRESH(32) | INTEL_DCTL_HTHRESH(4) | INTEL_DCTL_WTHRESH(1) | INTEL_DCTL_GRAN_82574);
}

/* 4.7.1 "MDIO ownership": the bit sticks when nobody else has it. */
static int
phy_take(struct intel_port *ip)
{
	uint64_t deadline_tsc = bh_clock_now_tsc() + bh_ns_to_tsc(OWNER_TIMEOUT_NS);
	while (ip->err == 0 && bh_clock_now_tsc() < deadline_tsc) {
		intel_change(ip, INTEL_REG_EXTCNF_CTRL, 0, INTEL_EXTCNF_MDIO_SW);
		if (intel_read(ip, INTEL_REG_EXTCNF_CTRL) & INTEL_EXTCNF_MDIO_SW)
			return 0;
		intel_sleep(INTEL_MS_NS);
	}
	return ip->err != 0 ? ip->err : -BH_ETIMEDOUT;
}

static void
phy_give(struct intel_port *ip)
{
	intel_change(ip, INTEL_REG_EXTCNF_CTRL, INTEL_EXTCNF_MDIO_SW, 0);
}

static const struct intel_card card = {
        .family = &intel_gbe,
        .name = "e1000e",
        .mode = "82574L, extended descriptors",
        .queue_cnt_max = INTEL_QUEUES_82574,
        .rx_base = INTEL_RX_BASE_82574,
        .tx_base = INTEL_TX_BASE_82574,
        .queue_step = INTEL_QUEUE_STEP_82574,
        .tctl = INTEL_TCTL_PSP | INTEL_TCTL_CT(15u) | INTEL_TCTL_COLD(63u) | INTEL_TCTL_RTLC | INTEL_TCTL_MULR_82574,
        .begin = begin,
        .rx_setup = rx_setup,
        .queue_setup = queue_setup,
        .phy_take = phy_take,
        .phy_give = phy_give,
};

static bool
matches(const struct bh_boot_device *device)
{
	static const uint16_t ids[] = {INTEL_DEV_82574L, INTEL_DEV_82574L_A};
	return intel_matches(device, card.name, ids, BH_ARRAY_CNT(ids));
}

static int
open(struct bh_port *port)
{
	return intel_open(port, &card);
}

const struct bh_port_driver bh_e1000e_driver = {
        .name = "e1000e",
        .port_bytes = sizeof(struct intel_port),
        .queue_bytes = sizeof(struct intel_queue),
        .matches = matches,
        .open = open,
        .queue_init = intel_queue_init,
        .start = intel_start,
        .fill = intel_fill,
        .rx = intel_rx,
        .tx = bh_e1000e_tx,
        .drain = intel_drain,
        .watch = intel_watch,
        .quiesce = intel_quiesce,
        .filter_set = intel_filter_set,
        .mac_set = intel_mac_set,
        .close = intel_close,
};
