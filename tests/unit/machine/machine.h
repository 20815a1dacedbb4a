/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A made-up machine for plan, apply and restore: four CPUs, cgroup v2, interrupts, workqueues, hugepages, an NVMe drive; and what its
 * kernel does at a write. Built on fake_kernel.h.
 */
#ifndef TESTS_UNIT_MACHINE_MACHINE_H
#define TESTS_UNIT_MACHINE_MACHINE_H

#include "host/errors/errors.h"
#include "host/machine/apply.h"
#include "host/machine/grub.h"
#include "host/machine/status.h"
#include "tests/unit/host/fake_kernel.h"

struct machine {
	struct bh_wants wants; /* CPUs 2-3, 8 hugepages, the drive */
	struct bh_error error;
	struct bh_apply_report report;
	struct bh_plan plan;
	unsigned write_cnt, refuse_at; /* refuse the n-th write with EIO; 0: none */
	bool grub_fails;
	const char *ignore_then; /* `ignore` from then on */
	const char *ignore;      /* a part of a path whose writes do nothing */
};

extern struct machine machine;

int machine_start(void **state);
int machine_stop(void **state);

/* machine_add_systemd - as the first process, with its slices. */
void machine_add_systemd(void);

/* machine_add_grub - a boot loader, and the full level. */
void machine_add_grub(void);

/* machine_shot - everything but our own folders, as one text; free it. */
char *machine_shot(void);
/* machine_is - whether it still looks like that; prints the first difference. */
bool machine_is(const char *shot);

int machine_plan(void);  /* bh_plan_make; plan is freed first */
int machine_apply(void); /* machine_plan and bh_apply */
int machine_restore(void);

/* machine_killed - fn in a process of its own that is killed at its n-th fault point. Return: false: it got to its end. */
bool machine_killed(int (*fn)(void), unsigned n);

#endif
