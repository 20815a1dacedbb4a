/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What `bulkhead apply` would do to this machine: every write, in its order, with what stands there now.
 *
 * Making a plan reads only, and needs no root. Where the kernel lacks a file, the setting is not in the plan: it is not
 * needed or not possible there, and `bulkhead doctor` tells which.
 */
#ifndef HOST_MACHINE_PLAN_H
#define HOST_MACHINE_PLAN_H

#include "host/machine/change.h"
#include "host/machine/wants.h"

#define BH_PLAN_CHANGES_MAX 8192u
#define BH_PLAN_NOTES_MAX   16u
#define BH_PLAN_TEXT_BYTES  1024

struct bh_plan {
	const char *root;
	struct bh_wants wants;
	struct bh_cpus online, host; /* host: those that Linux keeps */
	unsigned possible_cnt;       /* CPUs, for masks */
	struct bh_change *change;
	uint32_t change_cnt, change_room;
	char parameters[BH_PLAN_TEXT_BYTES]; /* of the kernel's command line; full level */
	bool reboot;                         /* the running kernel has not all of them */
	char note[BH_PLAN_NOTES_MAX][BH_PLAN_TEXT_BYTES];
	uint32_t note_cnt;
};

/**
 * bh_plan_make - guard the machine, then list the changes
 * @root: "" for this machine
 *
 * Return: 0; -EINVAL no CPUs are named, or one is not there (E220); -EPERM CPU 0, no CPU left for Linux, another's partition, or
 * another manager (E225: exit code 4); -EOPNOTSUPP the live level needs cgroup v2's cpuset (E227); -ENOMEM; -EIO.
 */
BH_MUST_CHECK int bh_plan_make(const char *root, const struct bh_wants *wants, struct bh_plan *out,
                               struct bh_error *error);
void bh_plan_free(struct bh_plan *plan);

/* bh_plan_pending - how many of its changes do not stand there yet. */
uint32_t bh_plan_pending(const struct bh_plan *plan);

#endif
