/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Taking a device from its Linux driver and giving it back: driver_override of one address, never a vendor and device ID.
 *
 * Before the first write to sysfs, what stood there (driver, driver_override) is in ROOT/run/bulkhead/bind/ADDRESS, flushed.
 * Each write is read back; when a step fails, what was done is undone and read back, too. bh_unbind returns exactly what the
 * journal says. After a kill -9 half-way, the next bh_bind goes on and the next bh_unbind restores. A lock file keeps two
 * of these calls apart.
 *
 * Root only. One thread; each call waits for the kernel, with deadlines. `root` is "" for this machine, a folder in tests.
 */
#ifndef HOST_DEVICE_BIND_H
#define HOST_DEVICE_BIND_H

#include "host/device/pci.h"

#define BH_BIND_FINDINGS_MAX 16
#define BH_BIND_DEVICES_MAX  32

/* Why a device should not be taken; docs/devices.md lists the reasons. */
struct bh_bind_finding {
	char reason[24]; /* a stable word that an override names: mounted, swap, holder, ... */
	char evidence
	        [232]; /* the file or call, and what it said: "/dev/nvme0n1p1 is mounted on / (/proc/1/mountinfo)" */
};

/* bh_bind_reason - the idx-th word that an override may name, or NULL behind the last. */
const char *bh_bind_reason(size_t idx);

/**
 * bh_bind_check - what speaks against taking a device from Linux; changes nothing
 * @out: BH_BIND_FINDINGS_MAX of them
 * A device that has vfio-pci already: 0 findings.
 * Return: the number of findings (0: free to take), or a negative errno with `error` filled.
 */
BH_MUST_CHECK int bh_bind_check(const char *root, const char *address, struct bh_bind_finding *out,
                                struct bh_error *error);

/**
 * bh_bind_notes - what a person should know and what is no reason to refuse: addresses, unmounted file systems, and other
 * members of the IOMMU group that have to be taken as well
 * Return: the number of notes in `out` (BH_BIND_FINDINGS_MAX), or a negative errno.
 */
BH_MUST_CHECK int bh_bind_notes(const char *root, const char *address, struct bh_bind_finding *out,
                                struct bh_error *error);

/* What became of one device. */
struct bh_bind_outcome {
	char address[BH_PCI_ADDRESS_BYTES];
	char driver_before[32], driver_now[32]; /* "" none */
	bool changed;
	struct bh_bind_finding overridden[BH_BIND_FINDINGS_MAX];
	int overridden_cnt;
	char back[96]; /* bh_unbind_device: which disk or interface came back, "" none was there */
};

struct bh_bind_request {
	const char *root;
	const char *const *address; /* cnt of them; one named twice is taken once */
	size_t cnt;
	const char *const *override; /* NULL-terminated, or NULL; only with one address */
	bool dry_run;                /* check, and change nothing */
};

/**
 * bh_bind_all - check all devices, then bind all of them to vfio-pci, or none
 * @out: request->cnt outcomes
 * Loads vfio-pci if needed. A device that has vfio-pci already: nothing is changed.
 * Return: 0; -EPERM a finding is not overridden (E140) or there is no IOMMU (E144): exit code 4, nothing was changed; -EINVAL an
 * address or override (E101, E141); -ENODEV; -EBUSY another bulkhead does the same (E147); -ENOENT no vfio-pci (E145); -EIO a
 * step failed and all is as before (E142), or could not be put back (E143).
 */
BH_MUST_CHECK int bh_bind_all(const struct bh_bind_request *request, struct bh_bind_outcome *out,
                              struct bh_error *error);

/* bh_bind - bh_bind_all of one device. */
BH_MUST_CHECK int bh_bind(const char *root, const char *address, const char *const *override, struct bh_error *error);

/**
 * bh_unbind_device - give the device back to the driver that was there when bh_bind took it, and wait for its disk or interface
 * @out: may be NULL
 * Return: 0, also if there is nothing to give back; -EBUSY somebody has the device open (E150 names the pids); -ENOENT it has
 * vfio-pci and nobody knows what was there (E149); -EBADMSG the journal is damaged (E148); -ENODEV; -EIO (E143).
 */
BH_MUST_CHECK int bh_unbind_device(const char *root, const char *address, struct bh_bind_outcome *out,
                                   struct bh_error *error);

/* bh_unbind - the same without an outcome. */
BH_MUST_CHECK int bh_unbind(const char *root, const char *address, struct bh_error *error);

/* bh_bind_taken - whether a journal says that bulkhead took this device: the driver that it goes back to, in `out`. */
bool bh_bind_taken(const char *root, const char *address, char out_driver[32]);

#endif
