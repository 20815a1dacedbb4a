/* SPDX-License-Identifier: Apache-2.0 */
#include "drivers/net/intel/intel.h"

void
intel_begin(struct intel_port *ip)
{
	ip->err = 0;
}

int
intel_end(const struct intel_port *ip)
{
	return ip->err;
}

void
intel_sleep(uint64_t ns)
{
	bh_sleep_until(bh_clock_now_tsc() + bh_ns_to_tsc(ns));
}

void
intel_write(struct intel_port *ip, uint32_t reg, uint32_t value)
{
	if (ip->err == 0)
		ip->err = bh_reg_write32(&ip->port.device, 0, reg, value);
}

uint32_t
intel_read(struct intel_port *ip, uint32_t reg)
{
	uint32_t value = 0, status = 0;
	if (ip->err == 0)
		ip->err = bh_reg_read32(&ip->port.device, 0, reg, &value);
	if (ip->err == 0 && value == INTEL_ALL_ONES) {
		/* Some registers may hold all ones; STATUS cannot. */
		ip->err = bh_reg_read32(&ip->port.device, 0, INTEL_REG_STATUS, &status);
		if (ip->err == 0 && status == INTEL_ALL_ONES)
			ip->err = -BH_ENODEV;
	}
	return ip->err == 0 ? value : 0;
}

void
intel_change(struct intel_port *ip, uint32_t reg, uint32_t clear, uint32_t set)
{
	intel_write(ip, reg, (intel_read(ip, reg) & ~clear) | set);
}

bool
intel_wait(struct intel_port *ip, uint32_t reg, uint32_t mask, uint32_t want, uint64_t timeout_ns)
{
	uint64_t deadline_tsc = bh_clock_now_tsc() + bh_ns_to_tsc(timeout_ns);
	for (;;) {
		bool late = bh_clock_now_tsc() > deadline_tsc;
		uint32_t value = intel_read(ip, reg);
		if (ip->err != 0)
			return false;
		if ((value & mask) == want)
			return true;
		if (late)
			return false;
		intel_sleep(INTEL_MS_NS / 20);
	}
}
