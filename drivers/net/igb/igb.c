/* SPDX-License-Identifier: Apache-2.0 */
/* What the 82576 wants of its own: Intel 82576EB Gigabit Ethernet Controller Datasheet, rev. 2.65. */
#include "drivers/net/igb/igb.h"

#define ENABLE_TIMEOUT_NS (10 * INTEL_MS_NS)
#define LONGEST_BYTES     9728u /* of packet buffer that the device can hold (4.5.9.1: 9.5 KiB) */
#define STATUS_LAN_SHIFT  2     /* 8.2.2: STATUS bits 3:2, which of the two functions this is */

static void
begin(struct intel_port *ip)
{
	intel_write(ip, INTEL_REG_EIMC_82576, INTEL_ALL_ONES);
	intel_change(ip, INTEL_REG_CTRL_EXT, 0, INTEL_CTRL_EXT_DRV_LOAD);
}

/* 7.1.1.7, 8.10.1, 8.10.13 */
static void
rx_setup(struct intel_port *ip)
{
	bool rss = ip->port.info.features & BH_PORT_RSS, csum = ip->port.info.features & BH_PORT_RX_CSUM;
	intel_write(ip, INTEL_REG_RLPML_82576, LONGEST_BYTES); /* what the MTU allows, the driver says, and counts */
	intel_write(ip, INTEL_REG_RXCSUM, INTEL_RXCSUM_PCSD | (csum ? INTEL_RXCSUM_IPOFLD | INTEL_RXCSUM_TUOFLD : 0));
	intel_write(ip, INTEL_REG_MRQC, 0);
	if (!rss)
		return;
	intel_rss_set(ip, 0);
	intel_write(ip, INTEL_REG_MRQC,
	            INTEL_MRQC_RSS_82576 | INTEL_MRQC_TCP_IPV4 | INTEL_MRQC_IPV4 | INTEL_MRQC_IPV6 |
	                    INTEL_MRQC_TCP_IPV6 | INTEL_MRQC_UDP_IPV4 | INTEL_MRQC_UDP_IPV6);
}

/* 4.5.9, 4.5.10: a queue is on when its ENABLE reads back; its tail may be written only then. */
static void
enable(struct intel_port *ip, uint32_t dctl, uint32_t thresholds)
{
	intel_write(ip, dctl, thresholds | INTEL_DCTL_ENABLE_82576);
	if (!intel_wait(ip, dctl, INTEL_DCTL_ENABLE_82576, INTEL_DCTL_ENABLE_82576, ENABLE_TIMEOUT_NS) && ip->err == 0)
		ip->err = -BH_ETIMEDOUT;
}

static void
queue_setup(struct intel_port *ip, uint32_t queue_idx)
{
	uint32_t rx = INTEL_RX_BASE_82576 + queue_idx * INTEL_QUEUE_STEP_82576;
	uint32_t tx = INTEL_TX_BASE_82576 + queue_idx * INTEL_QUEUE_STEP_82576;
	intel_write(ip, rx + INTEL_QUEUE_SRRCTL,
	            INTEL_SRRCTL_KIB(INTEL_RX_BUF_BYTES / 1024) | INTEL_SRRCTL_ADV_ONE |
	                    (ip->port.info.queue_cnt > 1 ? INTEL_SRRCTL_DROP_EN : 0));
	enable(ip, tx + INTEL_QUEUE_DCTL, INTEL_DCTL_PTHRESH(8) | INTEL_DCTL_HTHRESH(1) | INTEL_DCTL_WTHRESH(1));
	enable(ip, rx + INTEL_QUEUE_DCTL, INTEL_DCTL_PTHRESH(8) | INTEL_DCTL_HTHRESH(8) | INTEL_DCTL_WTHRESH(1));
}

static uint32_t
phy_bit(struct intel_port *ip)
{
	return INTEL_SYNC_SW_PHY0 << (intel_read(ip, INTEL_REG_STATUS) >> STATUS_LAN_SHIFT & 1);
}

static int
phy_take(struct intel_port *ip)
{
	return intel_sync_take(ip, phy_bit(ip));
}

static void
phy_give(struct intel_port *ip)
{
	intel_sync_give(ip, phy_bit(ip));
}

/* 8.8.1: reading takes the causes. After a fatal error (a parity error of its memory) only a reset helps. */
static int
watch(struct intel_port *ip)
{
	if (!(intel_read(ip, INTEL_REG_ICR) & INTEL_ICR_FER_82576))
		return 0;
	bh_log_error("port %u: it reports a fatal error", ip->port.port_idx);
	return -BH_EIO;
}

static const struct intel_card card = {
        .family = &intel_gbe,
        .name = "igb",
        .mode = "82576, advanced descriptors",
        .queue_cnt_max = INTEL_QUEUES_82576,
        .rx_base = INTEL_RX_BASE_82576,
        .tx_base = INTEL_TX_BASE_82576,
        .queue_step = INTEL_QUEUE_STEP_82576,
        .tctl = INTEL_TCTL_PSP | INTEL_TCTL_CT(15u) | INTEL_TCTL_COLD(63u) | INTEL_TCTL_RTLC,
        .begin = begin,
        .rx_setup = rx_setup,
        .queue_setup = queue_setup,
        .phy_take = phy_take,
        .phy_give = phy_give,
        .watch = watch,
};

static bool
matches(const struct bh_boot_device *device)
{
	static const uint16_t ids[] = {INTEL_DEV_82576};
	return intel_matches(device, card.name, ids, BH_ARRAY_CNT(ids));
}

static int
open(struct bh_port *port)
{
	return intel_open(port, &card);
}

const struct bh_port_driver bh_igb_driver = {
        .name = "igb",
        .port_bytes = sizeof(struct intel_port),
        .queue_bytes = sizeof(struct intel_queue),
        .matches = matches,
        .open = open,
        .queue_init = intel_queue_init,
        .start = intel_start,
        .fill = intel_fill,
        .rx = intel_rx,
        .tx = intel_adv_tx_paged,
        .drain = intel_drain,
        .watch = intel_watch,
        .quiesce = intel_quiesce,
        .filter_set = intel_filter_set,
        .mac_set = intel_mac_set,
        .close = intel_close,
};
