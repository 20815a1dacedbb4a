/* SPDX-License-Identifier: Apache-2.0 */
/* A core of the workload: its buffers, its pairs, and its round. */
#include <bulkhead/cell.h>
#include <bulkhead/sched.h>

#include "tests/sim/work.h"

#define CREATE_TRIES   4u
#define CREATE_WAIT_NS UINT64_C(60000000000) /* for a reset under way to end */

static void
op_make(struct work_core *core, struct work_op *op)
{
	uint32_t lba_bytes = work.all->device.block_bytes;

	op->core = core;
	op->expected = bh_heap_alloc(work.plan->blocks_max * sizeof(*op->expected));
	if (op->expected == NULL || buffer_make(&op->buffer, work.plan->blocks_max * lba_bytes) != 0)
		sim_fail("the plan does not fit the arena or the heap");
}

void
work_core_prepare(struct work_core *core)
{
	for (uint32_t i = 0; i < work.plan->sync_fiber_cnt; i++)
		op_make(core, &core->sync[i]);
	for (uint32_t i = 0; i < work.plan->async_depth; i++)
		op_make(core, &core->async[i]);
}

static bool
pair_make(struct work_core *core)
{
	uint64_t deadline_ns = sim_now_ns() + CREATE_WAIT_NS;
	uint32_t try_cnt = 0;
	int err;

	do {
		bh_yield();
		sim_trace_text(SIM_EVENT_CALL, "bh_nvme_qpair_create");
		err = bh_nvme_qpair_create(work.ctrl, work.plan->depth, &core->pair[core->pair_cnt]);
		sim_trace(SIM_EVENT_RETURN, (uint64_t)(int64_t)err, 0, 0);
		if (err == 0) {
			core->pair_cnt++;
			return true;
		}
		work_error("bh_nvme_qpair_create", err);
		if (sim_now_ns() > deadline_ns)
			sim_fail("bh_nvme_qpair_create: a reset is under way for a minute");
	} while (err == -BH_EAGAIN || (err != -BH_ENODEV && ++try_cnt < CREATE_TRIES));
	return false;
}

bool
work_pairs_make(struct work_core *core)
{
	for (uint32_t i = 0; i < work.plan->qpair_cnt; i++) {
		if (!pair_make(core))
			return false;
	}
	return true;
}

void
work_pairs_end(struct work_core *core)
{
	while (core->pair_cnt > 0) {
		struct bh_nvme_qpair *pair = core->pair[--core->pair_cnt];
		sim_trace_text(SIM_EVENT_CALL, "bh_nvme_qpair_delete");
		int err = bh_nvme_qpair_delete(pair);
		sim_trace(SIM_EVENT_RETURN, (uint64_t)(int64_t)err, 0, 0);
		work_error("bh_nvme_qpair_delete", err);
	}
}

/* Fibers stop first; what the asynchronous one has outstanding ends inside of bh_nvme_qpair_delete(). */
static void
recreate(struct work_core *core)
{
	core->paused = true;
	while (core->busy_cnt > 0)
		bh_yield();
	work_pairs_end(core);
	if (core->outstanding_cnt != 0)
		sim_fail("%u commands are outstanding and their pairs are deleted", core->outstanding_cnt);
	core->over = work.removed || !work_pairs_make(core);
	core->paused = false;
}

static uint32_t
recreate_draw(const struct work_core *core)
{
	uint64_t in = work.plan->recreate_one_in ? 1 + work_draw(2 * work.plan->recreate_one_in) : UINT32_MAX;
	return in < core->op_left ? core->op_left - (uint32_t)in : 0;
}

void
work_core_run(struct work_core *core)
{
	core->op_left = work.plan->op_cnt;
	core->over = !work_pairs_make(core);
	uint32_t recreate_at = recreate_draw(core);
	if (!core->over)
		work_fibers_start(core);
	while (core->fiber_cnt > 0) {
		if (core->op_left < recreate_at && !core->over) {
			recreate(core);
			recreate_at = recreate_draw(core);
		}
		bh_yield();
	}
	work_pairs_end(core);
	if (core->outstanding_cnt != 0)
		sim_fail("%u commands are outstanding after the round", core->outstanding_cnt);
}
