/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The copper PHY, by MDIC (82574 datasheet 10.2.2.7; 82576 datasheet 8.2.4). A driver that gave the card back may have
 * powered it down, which no reset of the MAC undoes.
 */
#include "drivers/net/intel/intel.h"

#define MDIC_TIMEOUT_NS (10 * INTEL_MS_NS)

static int
mdic(struct intel_port *ip, uint32_t op, uint32_t phy_reg, uint32_t value, uint32_t *out_value)
{
	intel_write(ip, INTEL_REG_MDIC,
	            op | INTEL_MDIC_PHY << INTEL_MDIC_PHY_SHIFT | phy_reg << INTEL_MDIC_REG_SHIFT | value);
	if (!intel_wait(ip, INTEL_REG_MDIC, INTEL_MDIC_READY, INTEL_MDIC_READY, MDIC_TIMEOUT_NS))
		return ip->err != 0 ? ip->err : -BH_ETIMEDOUT;
	*out_value = intel_read(ip, INTEL_REG_MDIC);
	if (ip->err != 0)
		return ip->err;
	return *out_value & INTEL_MDIC_ERROR ? -BH_EIO : 0;
}

/* A PHY that is awake and has agreed with its peer is left alone: to negotiate anew would cost the link for seconds. */
static int
wake(struct intel_port *ip)
{
	uint32_t bmcr, bmsr;
	int err = mdic(ip, INTEL_MDIC_READ, MII_BMCR, 0, &bmcr);
	if (err == 0)
		err = mdic(ip, INTEL_MDIC_READ, MII_BMSR, 0, &bmsr);
	if (err != 0 || (!(bmcr & (MII_BMCR_POWER_DOWN | MII_BMCR_ISOLATE)) && (bmsr & MII_BMSR_AUTONEG_DONE)))
		return err;
	bh_log_info("port %u: its PHY starts to negotiate", ip->port.port_idx);
	return mdic(ip, INTEL_MDIC_WRITE, MII_BMCR, MII_BMCR_AUTONEG | MII_BMCR_RESTART, &bmcr);
}

void
intel_phy_up(struct intel_port *ip)
{
	int err = ip->card->phy_take(ip);
	if (err == 0) {
		err = wake(ip);
		ip->card->phy_give(ip);
	}
	if (err != 0 && ip->err == 0)
		bh_log_warn("port %u: its PHY does not answer (%d); it is left as it is", ip->port.port_idx, err);
}
