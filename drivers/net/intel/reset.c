/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Quiet, with proof, then reset (82574 datasheet 4.6 and 5.2.5.2 "Master Disable"; 82576 datasheet 4.3 and 5.2.3.3; 82599
 * datasheet 4.6.3 and 5.2.5.3.2): no new
 * work, then no new request on PCIe, then STATUS says that none is under way, then all registers as after power-on.
 */
#include "drivers/net/intel/intel.h"

#define MASTER_TIMEOUT_NS (100 * INTEL_MS_NS)
#define RESET_TIMEOUT_NS  (100 * INTEL_MS_NS)
#define EEPROM_TIMEOUT_NS (20 * INTEL_MS_NS)

static bool
silence(struct intel_port *ip)
{
	const struct intel_family *family = ip->card->family;
	intel_write(ip, family->imc, INTEL_ALL_ONES);
	intel_change(ip, family->rx_ctl, family->rx_on, 0);
	intel_change(ip, family->tx_ctl, family->tx_on, 0);
	intel_change(ip, INTEL_REG_CTRL, 0, INTEL_CTRL_GIO_MASTER_DISABLE);
	return intel_wait(ip, INTEL_REG_STATUS, INTEL_STATUS_GIO_MASTER_ENABLE, 0, MASTER_TIMEOUT_NS);
}

/* The bit clears itself. 1 ms first: until then registers may read as anything (82574 datasheet 4.6.2). */
static bool
software_reset(struct intel_port *ip)
{
	const struct intel_family *family = ip->card->family;
	if (family->reset_begin != NULL)
		family->reset_begin(ip);
	intel_change(ip, INTEL_REG_CTRL, 0, INTEL_CTRL_RST);
	intel_sleep(INTEL_MS_NS);
	if (family->reset_end != NULL)
		family->reset_end(ip);
	if (!intel_wait(ip, INTEL_REG_CTRL, INTEL_CTRL_RST, 0, RESET_TIMEOUT_NS))
		return false;
	if (family->reset_wait_ns != 0)
		intel_sleep(family->reset_wait_ns);
	/* A card without an EEPROM never says that it was read; whether it has an address shows. */
	(void)intel_wait(ip, family->eec, INTEL_EECD_AUTO_RD, INTEL_EECD_AUTO_RD, EEPROM_TIMEOUT_NS);
	intel_write(ip, family->imc, INTEL_ALL_ONES);
	return ip->err == 0;
}

/*
 * 82599 and X540 (specification update, clarification 9): while the link is down or the peer pauses us, what waits to be sent
 * keeps the master. Then it is thrown away and the card reset, once here and once by the caller; in between it has to prove
 * that it rests.
 */
static bool
rest(struct intel_port *ip)
{
	const struct intel_family *family = ip->card->family;
	if (silence(ip))
		return true;
	if (ip->err != 0 || family->flush == NULL)
		return false;
	bh_log_info("port %u: its master does not rest: what it holds is flushed, and it is reset twice",
	            ip->port.port_idx);
	family->flush(ip);
	return software_reset(ip) && silence(ip);
}

int
intel_quiesce(struct bh_port *port)
{
	struct intel_port *ip = intel_port_of(port);
	intel_begin(ip);
	if (ip->no_buffer != NULL)
		ip->card->family->stats_take(ip); /* the reset clears them */
	if (rest(ip) && software_reset(ip))
		return 0;
	if (ip->err == -BH_ENODEV)
		return ip->err;
	bh_log_warn("port %u: it does not become quiet by itself (%d): the whole function is reset", port->port_idx,
	            ip->err);
	int err = bh_device_reset(&port->device);
	if (err != 0)
		return err;
	intel_begin(ip);
	return software_reset(ip) ? 0 : ip->err != 0 ? ip->err : -BH_ETIMEDOUT;
}
