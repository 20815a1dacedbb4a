/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The back end for hardware: Linux VFIO, group and container, type1v2. See device.h for the table that it fills.
 *
 * Refused (exit code 4): no IOMMU, no interrupt remapping, allow_unsafe_interrupts switched on by somebody. Nothing here
 * sets it. Devices of one group share a group descriptor and container within the process; every other has its own.
 *
 * reset is the ladder of the design: quiesce (bus mastering off, pending transactions done), controller reset (NVMe CC.EN), FLR,
 * power management (D3hot and back), bus reset if the device is alone on it, else give up with bus mastering off. Each
 * rung has a deadline and a line in bh_vfio_reset_log().
 */
#ifndef HOST_DEVICE_VFIO_H
#define HOST_DEVICE_VFIO_H

#include "host/device/device.h"

/**
 * bh_vfio_open - open a function that is bound to vfio-pci
 * @name: of [device NAME]; @address: as bh_pci_address_parse takes it
 *
 * Each layer that can be missing has its own id (E100 to E136) and its own fix in the text.
 * Return: 0; -EINVAL address; -ENODEV no such function; -EPERM refused (no IOMMU, no interrupt remapping); -EBUSY in use, or group not
 * viable (members named); -EACCES no permission on /dev/vfio/GROUP; -ENOENT module or node missing, not bound; -EIO.
 */
BH_MUST_CHECK int bh_vfio_open(const char *name, const char *address, struct bh_backend **out, struct bh_error *error);

/* bh_vfio_is - whether a back end is one of these. The functions below take no other. */
bool bh_vfio_is(const struct bh_backend *backend);

/**
 * bh_vfio_config_read - PCI configuration space, naturally aligned, width_bytes 1, 2 or 4; there is no write
 * Return: 0; -ENODEV lost; -EINVAL no such register; -EIO.
 */
BH_MUST_CHECK int bh_vfio_config_read(struct bh_backend *backend, uint32_t offset, uint32_t width_bytes,
                                      uint32_t *out_value, struct bh_error *error);

/* bh_vfio_reset_log - what the last reset did, rung by rung, as lines; "" before the first. Valid until the next reset. */
const char *bh_vfio_reset_log(const struct bh_backend *backend);

#endif
