/* SPDX-License-Identifier: Apache-2.0 */
/* Link, filters and statistics (82599 datasheet 3.7.4, 4.6.4, 7.1.1, 8.2.3.23). */
#include "drivers/net/ixgbe/ixgbe.h"

#define RESET_WAIT_NS     (10 * INTEL_MS_NS)  /* 4.6.3.2: at least, once CTRL.RST is clear */
#define X540_WAIT_NS      (100 * INTEL_MS_NS) /* SPEC-MISSING: what Linux and DPDK give its PHY */
#define FLUSH_NS          (20 * INTEL_MS_NS / 1000)
#define SEC_RX_TIMEOUT_NS (10 * INTEL_MS_NS)

bool
bh_ixgbe_is_x540(const struct intel_port *ip)
{
	uint16_t id = ip->port.device.info->pci_device;
	return id == IXGBE_DEV_X540T || id == IXGBE_DEV_X540T1;
}

static uint32_t
phy_bit(struct intel_port *ip)
{
	return IXGBE_SYNC_SW_PHY(intel_read(ip, INTEL_REG_STATUS) >> IXGBE_STATUS_LAN_SHIFT & 1);
}

/* X540: its PHY is inside and is reset, too; firmware may be talking to it. */
static void
reset_begin(struct intel_port *ip)
{
	if (bh_ixgbe_is_x540(ip) && intel_sync_take(ip, phy_bit(ip)) != 0 && ip->err == 0)
		bh_log_warn("port %u: firmware keeps its PHY; it is reset all the same", ip->port.port_idx);
}

static void
reset_end(struct intel_port *ip)
{
	if (!bh_ixgbe_is_x540(ip))
		return;
	intel_sync_give(ip, phy_bit(ip));
	intel_sleep(X540_WAIT_NS);
}

/* Specification update, clarification 9; RXCTRL.RXEN is 0 already. A register is read so that the time counts from then. */
static void
flush(struct intel_port *ip)
{
	intel_change(ip, IXGBE_REG_HLREG0, 0, IXGBE_HLREG0_LPBK);
	intel_change(ip, IXGBE_REG_GCR_EXT, 0, IXGBE_GCR_EXT_BUF_CLEAR);
	(void)intel_read(ip, INTEL_REG_STATUS);
	intel_sleep(FLUSH_NS);
	intel_change(ip, IXGBE_REG_GCR_EXT, IXGBE_GCR_EXT_BUF_CLEAR, 0);
	intel_change(ip, IXGBE_REG_HLREG0, IXGBE_HLREG0_LPBK, 0);
}

static void
link_read(struct intel_port *ip)
{
	static const uint32_t speed_mbps[] = {0, 100, 1000, 10000};
	uint32_t links = intel_read(ip, IXGBE_REG_LINKS);
	if (ip->err == 0)
		bh_port_link_set(&ip->port, links & IXGBE_LINKS_UP,
		                 speed_mbps[links >> IXGBE_LINKS_SPEED_SHIFT & IXGBE_LINKS_SPEED_MASK], true);
}

/* 4.6.4.2: AUTOC may be firmware's, too (MAC CSR in SW_FW_SYNC). If it keeps it, the link is left to it. */
static void
negotiate(struct intel_port *ip)
{
	int err = intel_sync_take(ip, IXGBE_SYNC_SW_MAC);
	if (err == 0) {
		intel_change(ip, IXGBE_REG_AUTOC, 0, IXGBE_AUTOC_AN_RESTART);
		intel_sync_give(ip, IXGBE_SYNC_SW_MAC);
	} else if (ip->err == 0) {
		bh_log_warn("port %u: firmware keeps its link registers (%d); the link is left as it is",
		            ip->port.port_idx, err);
	}
}

/*
 * The EEPROM has set the link mode; a link that is up is left alone. SPEC-MISSING: that high SDP3 switches the laser of an
 * SFP+ module off is a matter of the board; a driver before us may have left it so.
 */
static void
link_up(struct intel_port *ip)
{
	uint32_t esdp = intel_read(ip, IXGBE_REG_ESDP);
	if ((esdp & IXGBE_ESDP_SDP3) && (esdp & IXGBE_ESDP_SDP3_DIR))
		intel_write(ip, IXGBE_REG_ESDP, esdp & ~IXGBE_ESDP_SDP3);
	if (!(intel_read(ip, IXGBE_REG_LINKS) & IXGBE_LINKS_UP))
		negotiate(ip);
}

static void
filter(struct intel_port *ip)
{
	const struct bh_port_filter *want = &ip->port.filter;
	uint32_t bits = IXGBE_FCTRL_BAM;
	if (want->promiscuous)
		bits |= IXGBE_FCTRL_UPE | IXGBE_FCTRL_MPE;
	if (want->all_multicast)
		bits |= IXGBE_FCTRL_MPE;
	intel_change(ip, IXGBE_REG_FCTRL, IXGBE_FCTRL_SBP | IXGBE_FCTRL_UPE | IXGBE_FCTRL_MPE, bits);
	intel_write(ip, IXGBE_REG_MCSTCTRL, IXGBE_MCSTCTRL_MFE);
}

/* 4.6.7: the receiver is switched on while the security block holds packets back. */
static void
go(struct intel_port *ip)
{
	intel_change(ip, IXGBE_REG_SECRXCTRL, 0, IXGBE_SECRXCTRL_RX_DIS);
	if (!intel_wait(ip, IXGBE_REG_SECRXSTAT, IXGBE_SECRXSTAT_RDY, IXGBE_SECRXSTAT_RDY, SEC_RX_TIMEOUT_NS) &&
	    ip->err == 0)
		ip->err = -BH_ETIMEDOUT;
	intel_change(ip, IXGBE_REG_RXCTRL, 0, IXGBE_RXCTRL_RXEN);
	intel_change(ip, IXGBE_REG_SECRXCTRL, IXGBE_SECRXCTRL_RX_DIS, 0);
}

/* A full-duplex link has no way to lose what was sent: there is no count of it. */
static void
stats_take(struct intel_port *ip)
{
	static const uint32_t rx_error[] = {IXGBE_REG_CRCERRS, IXGBE_REG_ILLERRC, IXGBE_REG_ERRBC, IXGBE_REG_RLEC,
	                                    IXGBE_REG_RUC,     IXGBE_REG_RFC,     IXGBE_REG_ROC,   IXGBE_REG_RJC};
	for (uint32_t i = 0; i < IXGBE_PB_CNT; i++) {
		uint32_t reg = IXGBE_REG_RXMPC + 4 * i;
		intel_stats_add(ip, ip->no_buffer, &reg, 1);
	}
	for (uint32_t i = 0; i < ip->port.info.queue_cnt; i++) {
		uint32_t reg = IXGBE_RX_BASE + IXGBE_QUEUE_STEP * i + IXGBE_QUEUE_QPRDC;
		intel_stats_add(ip, ip->no_buffer, &reg, 1);
	}
	intel_stats_add(ip, ip->rx_error, rx_error, BH_ARRAY_CNT(rx_error));
}

static bool
paused(struct intel_port *ip)
{
	return intel_read(ip, IXGBE_REG_TFCS) & IXGBE_TFCS_TXOFF;
}

const struct intel_family bh_ixgbe_family = {
        .imc = IXGBE_REG_EIMC,
        .eec = IXGBE_REG_EEC,
        .rx_ctl = IXGBE_REG_RXCTRL,
        .rx_on = IXGBE_RXCTRL_RXEN,
        .tx_ctl = IXGBE_REG_DMATXCTL,
        .tx_on = IXGBE_DMATXCTL_TE,
        .swsm = IXGBE_REG_SWSM,
        .sw_fw_sync = IXGBE_REG_SW_FW_SYNC,
        .sync_fw_shift = IXGBE_SYNC_FW_SHIFT,
        .reset_begin = reset_begin,
        .reset_end = reset_end,
        .flush = flush,
        .reset_wait_ns = RESET_WAIT_NS,
        .link_up = link_up,
        .link_read = link_read,
        .filter = filter,
        .go = go,
        .stats_take = stats_take,
        .paused = paused,
};
