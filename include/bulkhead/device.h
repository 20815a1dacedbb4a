/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A device as a driver sees it: its BARs. Mapped windows are reached by loads and stores, everything else through the
 * mailbox (some microseconds each; the supervisor does the access). The simulator replaces this file's functions at link time.
 */
#ifndef BULKHEAD_DEVICE_H
#define BULKHEAD_DEVICE_H

#include <bulkhead/abi/boot.h>
#include <bulkhead/types.h>

struct bh_device {
	uint32_t device_idx; /* index into the boot page */
	const struct bh_boot_device *info;
};

/**
 * bh_device_find - look a device up by the NAME of its [device NAME] section
 * Return: 0; -BH_ENOENT if the boot page lists no such device.
 */
BH_MUST_CHECK int bh_device_find(const char *name, struct bh_device *out_device);

/* As a BAR: PCI configuration space, 4096 bytes, at most 32 bits at a time, to be read only. */
#define BH_BAR_CONFIG       7u
#define BH_CONFIG_BYTES_MAX 4096u

/**
 * bh_reg_read8 .. bh_reg_read64, bh_reg_write8 .. bh_reg_write64 - one register access of that width
 * @bar, @offset: naturally aligned, inside the BAR; or BH_BAR_CONFIG, for reading
 *
 * Context: any core; through the mailbox the fiber yields while it waits, so other fibers of the core run meanwhile, at
 * most BH_MAILBOX_TIMEOUT_NS.
 * Return: 0; -BH_EINVAL misaligned or outside the BAR; -BH_ETIMEDOUT no answer from the supervisor; -BH_EIO the back end
 * refused; -BH_ENODEV the back end lost the device. A device that was removed reads as all ones with return 0: the driver decides.
 */
#define BH_MAILBOX_TIMEOUT_NS UINT64_C(2000000000)
BH_MUST_CHECK int bh_reg_read8(const struct bh_device *device, uint32_t bar, uint64_t offset, uint8_t *out_value);
BH_MUST_CHECK int bh_reg_read16(const struct bh_device *device, uint32_t bar, uint64_t offset, uint16_t *out_value);
BH_MUST_CHECK int bh_reg_read32(const struct bh_device *device, uint32_t bar, uint64_t offset, uint32_t *out_value);
BH_MUST_CHECK int bh_reg_read64(const struct bh_device *device, uint32_t bar, uint64_t offset, uint64_t *out_value);
BH_MUST_CHECK int bh_reg_write8(const struct bh_device *device, uint32_t bar, uint64_t offset, uint8_t value);
BH_MUST_CHECK int bh_reg_write16(const struct bh_device *device, uint32_t bar, uint64_t offset, uint16_t value);
BH_MUST_CHECK int bh_reg_write32(const struct bh_device *device, uint32_t bar, uint64_t offset, uint32_t value);
BH_MUST_CHECK int bh_reg_write64(const struct bh_device *device, uint32_t bar, uint64_t offset, uint64_t value);

/**
 * bh_device_reset - ask the supervisor to reset the whole function (FLR or the back end's equal)
 *
 * Mappings stay; all registers are at their reset values after it. Until it returns, registers may read as anything.
 * Takes at most BH_DEVICE_RESET_TIMEOUT_NS: the supervisor may climb several rungs.
 * Return: as for the registers.
 */
#define BH_DEVICE_RESET_TIMEOUT_NS UINT64_C(10000000000)
BH_MUST_CHECK int bh_device_reset(const struct bh_device *device);

/**
 * bh_device_reset_cnt - how many resets of the device this cell's cores have begun
 * @out_under_way: whether one of them has not ended yet
 *
 * For drivers. What was read from a register counts only if no reset was under way before, and the number is the same
 * after; what was sent to the device before the number changed is lost. A reset whose answer did not come in time
 * (-BH_ETIMEDOUT) counts as ended.
 * Context: any core.
 */
uint32_t bh_device_reset_cnt(const struct bh_device *device, bool *out_under_way);

/**
 * bh_device_window - address of [offset, offset + size_bytes) of a BAR, for hot-path registers (doorbells)
 * Return: the address, for bh_mmio_* only, or NULL if the range is not wholly inside one mapped window.
 */
volatile void *bh_device_window(const struct bh_device *device, uint32_t bar, uint64_t offset, uint64_t size_bytes);

#endif
