/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of a plan. Private to host/machine/plan*.c. */
#ifndef HOST_MACHINE_PLAN_PRIVATE_H
#define HOST_MACHINE_PLAN_PRIVATE_H

#include "host/machine/plan.h"

#define BH_CGROUP "/sys/fs/cgroup"

/* What is added is one of these. */
struct bh_step {
	enum bh_change_kind kind;
	const char *stage, *why;
	bool optional;
};

/**
 * bh_plan_add - one change; a kernel's file that is not there is left out, unless `later` says that an earlier step makes it
 * Return: 0; -ENOMEM, -E2BIG, or reading it failed.
 */
BH_MUST_CHECK int bh_plan_add(struct bh_plan *plan, const struct bh_step *step, bool later, const char *path,
                              const char *want);
BH_PRINTF(2, 3) void bh_plan_note(struct bh_plan *plan, const char *format, ...);

/* plan_guard.c */
BH_MUST_CHECK int bh_plan_guard(struct bh_plan *plan, struct bh_error *error);
bool bh_plan_has_cpuset(const char *root);

/* Each: 0 or a negative errno. In the order in which they are applied. */
BH_MUST_CHECK int bh_plan_cpus(struct bh_plan *plan);
BH_MUST_CHECK int bh_plan_devices(struct bh_plan *plan); /* before interrupts: theirs go with their driver */
BH_MUST_CHECK int bh_plan_irqs(struct bh_plan *plan);
BH_MUST_CHECK int bh_plan_kernel(struct bh_plan *plan);
BH_MUST_CHECK int bh_plan_memory(struct bh_plan *plan);
BH_MUST_CHECK int bh_plan_power(struct bh_plan *plan);
BH_MUST_CHECK int bh_plan_boot(struct bh_plan *plan);

#endif
