/* SPDX-License-Identifier: Apache-2.0 */
/* Apart from the scheduler, because only what has a cell_main can link it. */
#include "core/internal.h"

static void
cell_fiber(void *arg)
{
	int *exit_code = arg;
	*exit_code = cell_main(bh_core_idx());
}

int
bh_core_run(struct bh_core *self)
{
	int exit_code = 0;
	__atomic_store_n(&self->status->state, BH_CORE_RUNNING, __ATOMIC_RELEASE);
	int err = bh_core_run_fn(self, cell_fiber, &exit_code);
	if (err != 0)
		exit_code = err;
	self->status->exit_code = exit_code;
	/* Release: the host reads exit_code once it sees this state. */
	__atomic_store_n(&self->status->state, BH_CORE_DONE, __ATOMIC_RELEASE);
	return exit_code;
}
