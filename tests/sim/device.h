/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Between device.c, which shows devices to the cell, and the files that have them: device_nvme.c, device_net.c.
 */
#ifndef TESTS_SIM_DEVICE_H
#define TESTS_SIM_DEVICE_H

#include "tests/sim/sim.h"

struct bh_boot_device;

struct sim_device_ops {
	uint32_t device_cnt;
	uint64_t (*doorbells_at)(const struct sim_plan *plan); /* of BAR 0: from here on it is mapped in every run */
	uint64_t (*bar_bytes)(const struct sim_plan *plan);
	void (*init)(const struct sim_plan *plan, unsigned idx, uint8_t *bar); /* @bar: what is mapped of BAR 0 */
	void (*describe)(unsigned idx, struct bh_boot_device *out);
	void (*end)(void);
	uint64_t (*read)(unsigned idx, uint32_t bar, uint64_t offset, uint32_t width_bytes);
	void (*write)(unsigned idx, uint64_t offset, uint32_t width_bytes, uint64_t value);
	void (*function_reset)(unsigned idx);
	bool (*poll)(void); /* whether it did anything */
	uint64_t (*next_ns)(void);
	uint64_t (*io_cnt)(void);
};

extern const struct sim_device_ops sim_device_nvme, sim_device_net;

/* sim_device_dma - whether the range is granted, and the window that holds it. An IOVA is an address. */
bool sim_device_dma(uint64_t iova, uint64_t size_bytes, uint64_t *out_low, uint64_t *out_bytes);

/* sim_device_map - zeroed memory; @addr: where, or 0: anywhere. */
void *sim_device_map(uint64_t addr, uint64_t size_bytes);

#endif
