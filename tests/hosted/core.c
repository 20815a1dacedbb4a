/* SPDX-License-Identifier: Apache-2.0 */
/* Which core a thread is. The simulator has its own version of this file's job. */
#include "core/core.h"
#include "tests/hosted/include/bulkhead/hosted.h"
#include <bulkhead/arch.h>

__thread struct bh_core *bh_hosted_core;

int
bh_hosted_init(void)
{
	int err = bh_hosted_cores_init();
	if (err == 0)
		bh_hosted_core_set(0);
	return err;
}

int
bh_hosted_start(unsigned core_cnt, size_t arena_bytes, size_t heap_bytes)
{
	int err = bh_hosted_map(core_cnt, arena_bytes, heap_bytes);
	if (err != 0)
		return err;
	err = bh_hosted_init();
	if (err != 0)
		bh_hosted_stop();
	return err;
}

void
bh_hosted_stop(void)
{
	bh_hosted_core = NULL;
	bh_hosted_unmap();
}

void
bh_hosted_core_set(unsigned core_idx)
{
	bh_hosted_core = bh_hosted_core_get(core_idx);
}

int
bh_hosted_run(unsigned core_idx, bh_fiber_fn fn, void *arg)
{
	bh_hosted_core_set(core_idx);
	return bh_core_run_fn(bh_hosted_core, fn, arg);
}
