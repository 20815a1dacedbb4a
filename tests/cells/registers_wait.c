/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a register of its device again and again until it is asked to stop.
 */
#include <bulkhead/cell.h>
#include <bulkhead/device.h>
#include <bulkhead/sched.h>

int
cell_main(unsigned core_idx)
{
	struct bh_device device;
	uint32_t version = 0;
	int err = bh_device_find("nvme0", &device);
	while (err == 0 && !bh_stop_requested()) {
		err = bh_reg_read32(&device, 0, 8, &version);
		bh_yield();
	}
	return err;
}
