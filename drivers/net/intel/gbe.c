/* SPDX-License-Identifier: Apache-2.0 */
/* What the gigabit cards (82574, 82576) have in common, and the 82599 has elsewhere: link, receive control, statistics. */
#include "drivers/net/intel/intel.h"

/* Speed and duplex are the PHY's to say; tags are stripped and inserted only where offloads are in use. */
static void
link_up(struct intel_port *ip)
{
	uint32_t vme = ip->port.info.features & BH_PORT_RX_VLAN ? INTEL_CTRL_VME : 0;
	intel_change(ip, INTEL_REG_STATUS, INTEL_STATUS_PHYRA, 0);
	intel_change(ip, INTEL_REG_CTRL,
	             INTEL_CTRL_FRCSPD | INTEL_CTRL_FRCDPLX | INTEL_CTRL_VME | INTEL_CTRL_GIO_MASTER_DISABLE,
	             INTEL_CTRL_SLU | vme);
	intel_phy_up(ip);
}

static void
link_read(struct intel_port *ip)
{
	static const uint32_t speed_mbps[] = {10, 100, 1000, 1000};
	uint32_t status = intel_read(ip, INTEL_REG_STATUS);
	if (ip->err == 0)
		bh_port_link_set(&ip->port, status & INTEL_STATUS_LU,
		                 speed_mbps[status >> INTEL_STATUS_SPEED_SHIFT & INTEL_STATUS_SPEED_MASK],
		                 status & INTEL_STATUS_FD);
}

static uint32_t
filter_bits(const struct bh_port_filter *filter)
{
	uint32_t bits = 0;
	if (filter->promiscuous)
		bits |= INTEL_RCTL_UPE | INTEL_RCTL_MPE;
	if (filter->all_multicast)
		bits |= INTEL_RCTL_MPE;
	return bits;
}

static void
filter(struct intel_port *ip)
{
	intel_change(ip, INTEL_REG_RCTL, INTEL_RCTL_UPE | INTEL_RCTL_MPE, filter_bits(&ip->port.filter));
}

static void
go(struct intel_port *ip)
{
	intel_write(ip, INTEL_REG_TCTL, ip->card->tctl | INTEL_TCTL_EN);
	intel_write(ip, INTEL_REG_RCTL,
	            INTEL_RCTL_EN | INTEL_RCTL_BAM | INTEL_RCTL_LPE | INTEL_RCTL_SECRC | filter_bits(&ip->port.filter));
}

/* Not RUC (undersized, CRC good): QEMU counts so what it pads and delivers; on a wire runts have no good CRC (RFC). */
static void
stats_take(struct intel_port *ip)
{
	static const uint32_t no_buffer[] = {INTEL_REG_MPC};
	static const uint32_t rx_error[] = {INTEL_REG_CRCERRS, INTEL_REG_ALGNERRC, INTEL_REG_RXERRC,
	                                    INTEL_REG_RFC,     INTEL_REG_ROC,      INTEL_REG_RJC};
	static const uint32_t tx_error[] = {INTEL_REG_ECOL, INTEL_REG_LATECOL};
	intel_stats_add(ip, ip->no_buffer, no_buffer, BH_ARRAY_CNT(no_buffer));
	intel_stats_add(ip, ip->rx_error, rx_error, BH_ARRAY_CNT(rx_error));
	intel_stats_add(ip, ip->tx_error, tx_error, BH_ARRAY_CNT(tx_error));
}

static bool
paused(struct intel_port *ip)
{
	return intel_read(ip, INTEL_REG_STATUS) & INTEL_STATUS_TXOFF;
}

const struct intel_family intel_gbe = {
        .imc = INTEL_REG_IMC,
        .eec = INTEL_REG_EECD,
        .rx_ctl = INTEL_REG_RCTL,
        .rx_on = INTEL_RCTL_EN,
        .tx_ctl = INTEL_REG_TCTL,
        .tx_on = INTEL_TCTL_EN,
        .swsm = INTEL_REG_SWSM,
        .sw_fw_sync = INTEL_REG_SW_FW_SYNC,
        .sync_fw_shift = INTEL_SYNC_FW_SHIFT,
        .link_up = link_up,
        .link_read = link_read,
        .filter = filter,
        .go = go,
        .stats_take = stats_take,
        .paused = paused,
};
