/* SPDX-License-Identifier: Apache-2.0 */
/* The device that is compared, as Linux shows it while its own driver holds it. */
#ifndef HOST_COMPARE_TARGET_H
#define HOST_COMPARE_TARGET_H

#include <bulkhead/types.h>
#include <jansson.h>

#include "host/compare/restore.h"
#include "host/device/device.h"
#include "host/device/pci.h"

struct bh_target {
	char address[BH_PCI_ADDRESS_BYTES];
	char controller[16];  /* "nvme0" */
	char disk[32];        /* "nvme0n1" */
	char block_path[256]; /* "/dev/nvme0n1", or the rehearsal's file */
	char char_path[64];   /* "/dev/ng0n1", "" where there is none */
	char serial[64], model[64], firmware[32];
	uint32_t nsid, lba_bytes;
	uint64_t size_bytes;
	int group;
	bool file; /* a rehearsal: no device at all */
};

/**
 * bh_target_find - the address of the only NVMe function that Linux's driver holds and nothing speaks against
 * Return: 0; -ENODEV none, or more than one (E184, they are listed).
 */
BH_MUST_CHECK int bh_target_find(char address[BH_PCI_ADDRESS_BYTES], struct bh_error *error);

/**
 * bh_target_open - fill in what sysfs says; waits up to 20 s for the disk, which comes a while after its driver
 * Return: 0; -ENODEV (E184) no such function, not bound to the nvme driver, no such namespace; -EINTR.
 */
BH_MUST_CHECK int bh_target_open(struct bh_target *target, const char *address, uint32_t nsid, struct bh_error *error);

/* bh_target_wait - wait up to 20 s for the disk of a target; with heed_stop a signal ends it. Return: 0; -ENOENT; -EINTR. */
BH_MUST_CHECK int bh_target_wait(struct bh_target *target, bool heed_stop);

/* bh_target_open_file - a rehearsal on a file of at least 1 MiB. Return: 0; -EINVAL, -errno (E180). */
BH_MUST_CHECK int bh_target_open_file(struct bh_target *target, const char *path, struct bh_error *error);

/**
 * bh_target_tune - what helps Linux on this disk: no scheduler, no merges, no accounting, no throttling, interrupts elsewhere,
 * all through the journal
 * Return: 0; as bh_restore_set.
 */
BH_MUST_CHECK int bh_target_tune(const struct bh_target *target, struct bh_restore *restore, unsigned cpu,
                                 struct bh_error *error);

/* bh_target_poll_queues - whether the disk has queues without interrupts. */
bool bh_target_poll_queues(const struct bh_target *target);

/**
 * bh_target_check_serial - the serial number that a person gave against the device's own
 * Return: 0; -EPERM (E183) NULL, or it differs.
 */
BH_MUST_CHECK int bh_target_check_serial(const struct bh_target *target, const char *serial, struct bh_error *error);

json_t *bh_target_json(const struct bh_target *target);

#endif
