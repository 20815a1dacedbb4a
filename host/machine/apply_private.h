/* SPDX-License-Identifier: Apache-2.0 */
/* What apply and restore share. */
#ifndef HOST_MACHINE_APPLY_PRIVATE_H
#define HOST_MACHINE_APPLY_PRIVATE_H

#include "host/machine/apply.h"

struct bh_applying {
	const char *root;
	struct bh_journal *journal;
	bh_step_fn *told;
	void *context;
	struct bh_apply_report *report;
	struct bh_error *error;
	struct bh_error *out_error; /* the caller's */
};

/* bh_tell - count a result and pass the step on. */
void bh_tell(struct bh_applying *run, const char *stage, enum bh_step_result result, const struct bh_step_told *step,
             const char *text);

/* bh_put_back - entries from first_idx on, last first. Return: 0; -EIO with run->error: the first that failed. */
BH_MUST_CHECK int bh_put_back(struct bh_applying *run, uint32_t first_idx);

#endif
