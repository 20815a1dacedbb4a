/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads an NVMe device's registers through the mailbox, sees that a refused access is refused, resets the device, and
 * finds its doorbells mapped.
 */
#include <bulkhead/cell.h>
#include <bulkhead/device.h>
#include <bulkhead/log.h>

/* NVMe Base Specification 2.0, 3.1.3: CAP at 0, VS at 8, CC at 0x14; doorbells from 0x1000. */
enum { CAP = 0x0, VS = 0x8, CC = 0x14, DOORBELLS = 0x1000 };

int
cell_main(unsigned core_idx)
{
	struct bh_device device;
	uint64_t cap = 0;
	uint32_t vs = 0, cc = 0;
	if (bh_device_find("nothere", &device) != -BH_ENOENT || bh_device_find("nvme0", &device) != 0)
		return -BH_ENOENT;
	int err = bh_reg_read64(&device, 0, CAP, &cap);
	if (err == 0)
		err = bh_reg_read32(&device, 0, VS, &vs);
	if (err == 0)
		err = bh_device_reset(&device);
	if (err == 0)
		err = bh_reg_read32(&device, 0, CC, &cc);
	bh_log_info("CAP %lx VS %x CC %x", cap, vs, cc);
	if (err != 0)
		return err;
	if (cap == 0 || cap == UINT64_MAX || vs >> 16 == 0 || cc != 0)
		return -BH_EIO;
	if (bh_reg_read32(&device, 0, 2, &vs) != -BH_EINVAL || bh_reg_read32(&device, 5, 0, &vs) != -BH_EINVAL)
		return -BH_EPROTO;
	if (bh_device_window(&device, 0, DOORBELLS, 4) == NULL || bh_device_window(&device, 0, CAP, 4) != NULL)
		return -BH_EFAULT;
	return 0;
}
