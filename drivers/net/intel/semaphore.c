/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What two drivers and firmware share (82576 datasheet 4.7.1, 82599 datasheet 10.5.4): SWSM.SMBI guards against the other
 * function's driver, SWESMBI against firmware; both guard SW_FW_SYNC, whose bits say who has what.
 */
#include "drivers/net/intel/intel.h"

#define OWNER_TIMEOUT_NS (50 * INTEL_MS_NS)

static void
semaphore_give(struct intel_port *ip)
{
	intel_change(ip, ip->card->family->swsm, INTEL_SWSM_SMBI | INTEL_SWSM_SWESMBI, 0);
}

static int
semaphore_take(struct intel_port *ip)
{
	uint32_t swsm = ip->card->family->swsm;
	if (!intel_wait(ip, swsm, INTEL_SWSM_SMBI, 0, OWNER_TIMEOUT_NS))
		return ip->err != 0 ? ip->err : -BH_ETIMEDOUT;
	intel_change(ip, swsm, 0, INTEL_SWSM_SWESMBI);
	if (intel_read(ip, swsm) & INTEL_SWSM_SWESMBI)
		return 0;
	semaphore_give(ip);
	return ip->err != 0 ? ip->err : -BH_EAGAIN;
}

static int
sync_try(struct intel_port *ip, uint32_t bit)
{
	const struct intel_family *family = ip->card->family;
	int err = semaphore_take(ip);
	if (err != 0)
		return err;
	uint32_t sync = intel_read(ip, family->sw_fw_sync);
	if (sync & (bit | bit << family->sync_fw_shift))
		err = -BH_EAGAIN;
	else
		intel_write(ip, family->sw_fw_sync, sync | bit);
	semaphore_give(ip);
	return ip->err != 0 ? ip->err : err;
}

int
intel_sync_take(struct intel_port *ip, uint32_t bit)
{
	uint64_t deadline_tsc = bh_clock_now_tsc() + bh_ns_to_tsc(OWNER_TIMEOUT_NS);
	int err = sync_try(ip, bit);
	while (err == -BH_EAGAIN && bh_clock_now_tsc() < deadline_tsc) {
		intel_sleep(INTEL_MS_NS);
		err = sync_try(ip, bit);
	}
	return err == -BH_EAGAIN ? -BH_ETIMEDOUT : err;
}

void
intel_sync_give(struct intel_port *ip, uint32_t bit)
{
	if (semaphore_take(ip) != 0)
		return; /* firmware clears the bit of a driver that forgets it */
	intel_change(ip, ip->card->family->sw_fw_sync, bit, 0);
	semaphore_give(ip);
}
