/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Carrying a plan out, and putting everything back.
 *
 * Root only; one at a time (a lock). Ctrl-C waits until the step is done, and then puts back. After kill -9 at any point
 * bh_restore finds in the journal what may have been written.
 */
#ifndef HOST_MACHINE_APPLY_H
#define HOST_MACHINE_APPLY_H

#include "host/machine/journal.h"
#include "host/machine/plan.h"

enum bh_step_result {
	BH_STEP_DONE = 0,    /* written, and it reads back */
	BH_STEP_SAME = 1,    /* stood there already */
	BH_STEP_REFUSED = 2, /* the kernel did not take it; optional ones only */
	BH_STEP_BACK = 3,    /* what stood there stands there again */
	BH_STEP_LEFT = 4,    /* somebody else changed it meanwhile: not ours to touch */
	BH_STEP_GONE = 5,    /* the file, CPU or device is not there any more, or a reboot took the value away */
	BH_STEP_FAILED = 6,
	BH_STEP_RESULTS = 7,
};

/* "done", "same", ...: stable words for JSON. */
const char *bh_step_result_name(enum bh_step_result result);

/* One step, as it happened. Texts live as long as the call. */
struct bh_step_told {
	const char *stage; /* "check", "apply", "verify", "restore" */
	enum bh_change_kind kind;
	const char *path;
	const char *before, *want;
	const char *now; /* LEFT: what is there */
	enum bh_step_result result;
	const char *text; /* why, for REFUSED, LEFT, GONE and FAILED; else "" */
};

typedef void bh_step_fn(void *context, const struct bh_step_told *step);

struct bh_apply_report {
	uint32_t cnt[BH_STEP_RESULTS];
	bool rolled_back; /* it failed, and all that it had changed was put back */
};

/**
 * bh_apply - check, apply, verify; on a failure everything that this call changed is put back
 * @told: each step; may be NULL
 *
 * A journal of the same configuration is gone on with: what it holds already is not changed twice, and what a reboot took away is
 * made again.
 * Return: 0; -EEXIST another configuration is applied (E229); -EPERM a device is in use (E140: nothing was changed); -EIO a
 * step failed and all is as before (E230), or could not be put back (E231); -EINTR a signal (E232); those of journal.h.
 */
BH_MUST_CHECK int bh_apply(const struct bh_plan *plan, bh_step_fn *told, void *context, struct bh_apply_report *out,
                           struct bh_error *error);

/**
 * bh_restore - put back what the journal says
 *
 * A value that is neither what we wrote nor what stood there was changed by somebody else: it is told and left. What a
 * reboot took away is forgotten. The journal goes when nothing of ours is left; then a second call has nothing to do.
 * Return: 0, also without a journal; -EBUSY processes still run in the partition (E233); -EIO something could not be put back
 * (E231): the journal stays; those of journal.h.
 */
BH_MUST_CHECK int bh_restore(const char *root, bh_step_fn *told, void *context, struct bh_apply_report *out,
                             struct bh_error *error);

/**
 * bh_after_boot - forget what a reboot has undone; files on a disk (the full level's) stay, and stay journaled
 * @out_reapply: the configuration wants to be applied again: bh_apply of out_config is the caller's
 * Return: 0, also without a journal or without a reboot; those of journal.h.
 */
BH_MUST_CHECK int bh_after_boot(const char *root, bool *out_reapply, char out_config[PATH_MAX], struct bh_error *error);

#endif
