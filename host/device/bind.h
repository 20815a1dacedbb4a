/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Taking a device from its Linux driver and giving it back: driver_override of one address, never a vendor and device ID.
 *
 * What stood there (driver, driver_override) is written to ROOT/run/bulkhead/bind/ADDRESS and flushed before the first write to
 * sysfs, read back after each write, and rolled back when a step fails. bh_unbind returns exactly that. Both are idempotent.
 * Root only. One thread.
 */
#ifndef HOST_DEVICE_BIND_H
#define HOST_DEVICE_BIND_H

#include "host/device/pci.h"

#define BH_BIND_FINDINGS_MAX 16

/* Why a device should not be taken. `reason` is a stable word that an override names. */
struct bh_bind_finding {
	char reason[24]; /* mounted, swap, holder, member, in-use, default-route, ssh-session, boot-disk, ... */
	char evidence
	        [232]; /* the file or call and what it said: "/dev/nvme0n1p1 is mounted on / (/proc/self/mountinfo)" */
};

/**
 * bh_bind_check - what speaks against taking a device from Linux
 * Return: the number of findings (0: free to take), or a negative errno with `error` filled.
 */
BH_MUST_CHECK int bh_bind_check(const char *root, const char *address, struct bh_bind_finding *out,
                                struct bh_error *error);

/**
 * bh_bind - check, then bind to vfio-pci
 * @override: NULL-terminated reasons that the caller takes upon itself; each finding must be named
 * Loads vfio-pci if needed. A device already bound to vfio-pci: 0, nothing is changed.
 * Return: 0; -EPERM a finding is not overridden (E140, exit code 4; nothing was changed); -ENODEV; -EBUSY; -ENOENT no
 * vfio-pci module; -EIO a read-back differs (rolled back).
 */
BH_MUST_CHECK int bh_bind(const char *root, const char *address, const char *const *override, struct bh_error *error);

/**
 * bh_unbind - give the device back to the driver that was there when bh_bind took it
 * Return: 0, also if the device is not ours any more because it already has its driver; -EBUSY somebody has the device open
 * (its pids are named); -ENODEV; -EIO.
 */
BH_MUST_CHECK int bh_unbind(const char *root, const char *address, struct bh_error *error);

#endif
