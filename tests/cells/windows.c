/* SPDX-License-Identifier: Apache-2.0 */
/* Reads what its application's host half writes, and writes where it may; or where it may not. */
#include "tests/cells/windows.h"

#include <bulkhead/cell.h>
#include <bulkhead/device.h>
#include <bulkhead/sched.h>

int
cell_main(unsigned core_idx)
{
	struct bh_device device;
	int err = bh_device_find(WINDOWS_DEVICE, &device);
	if (err != 0)
		return err;
	volatile struct windows_in *in = bh_device_window(&device, 0, 0, WINDOWS_BYTES);
	volatile struct windows_out *out = bh_device_window(&device, 1, 0, WINDOWS_BYTES);
	if (in == NULL || out == NULL || bh_device_window(&device, 0, 0, WINDOWS_BYTES + 1) != NULL ||
	    bh_device_window(&device, 2, 0, 1) != NULL)
		return -BH_EFAULT;
	if (in->what == WINDOWS_STORE)
		in->said = 1;
	if (in->what == WINDOWS_REG)
		return bh_reg_write64(&device, 0, offsetof(struct windows_in, said), 1);
	while (!bh_stop_requested()) {
		out->echo = in->said;
		bh_yield();
	}
	return 0;
}
