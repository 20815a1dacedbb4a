/* SPDX-License-Identifier: Apache-2.0 */
/* What the fibers of a core do: one command at a time, many at a time, and what disturbs them. */
#include <bulkhead/cell.h>
#include <bulkhead/sched.h>

#include "tests/sim/work.h"

/* Take one operation of the round's budget. False: the round is over for this fiber. */
static bool
op_claim(struct work_core *core)
{
	while (core->paused && !core->over)
		bh_yield();
	if (core->over || work.removed || core->op_left == 0)
		return false;
	core->op_left--;
	return true;
}

static void
reset_ask(void)
{
	sim_trace_text(SIM_EVENT_CALL, "bh_nvme_reset");
	int err = bh_nvme_reset(work.ctrl);
	sim_trace(SIM_EVENT_RETURN, (uint64_t)(int64_t)err, 0, 0);
	work_error("bh_nvme_reset", err);
}

/* Admin commands that change nothing. */
static void
admin_ask(void)
{
	struct nvme_health_log health;
	struct nvme_error_entry errors[4];
	uint32_t value;
	int err;

	sim_trace_text(SIM_EVENT_CALL, "an admin command");
	switch (work_draw(3)) {
	case 0:
		err = bh_nvme_health_log(work.ctrl, &health);
		break;
	case 1:
		err = bh_nvme_error_log(work.ctrl, errors, BH_ARRAY_CNT(errors));
		break;
	default:
		err = bh_nvme_feature_get(work.ctrl, NVME_FEATURE_QUEUE_CNT, 0, &value);
		break;
	}
	sim_trace(SIM_EVENT_RETURN, (uint64_t)(int64_t)err, 0, 0);
	work_error("an admin command", err);
}

static void
disturb(void)
{
	if (work_chance(work.plan->reset_one_in))
		reset_ask();
	if (work_chance(work.plan->admin_one_in))
		admin_ask();
}

static void
sync_fiber(void *arg)
{
	struct work_op *op = arg;
	struct work_core *core = op->core;

	while (op_claim(core)) {
		core->busy_cnt++;
		disturb();
		if (!work.removed) {
			work_op_draw(core, op);
			work_op_sync(op);
		}
		core->busy_cnt--;
		if (work_chance(4))
			bh_yield();
		else if (work_chance(50))
			bh_sleep_until(bh_clock_now_tsc() + bh_ns_to_tsc(work_draw(100000)));
	}
	core->fiber_cnt--;
}

void
work_op_chain(struct work_op *op)
{
	struct work_core *core = op->core;

	if (core->paused || core->over || work.removed || core->op_left == 0 || !work_chance(work.plan->chain_one_in))
		return;
	core->op_left--;
	work_op_draw(core, op);
	if (work_op_async(op) == -BH_EAGAIN)
		core->op_left++;
	if (work_chance(4))
		bh_nvme_poll(op->pair, 2);
}

/* Whether a command would be refused now: all pairs are full, or a reset is under way. */
static bool
is_full(const struct work_core *core)
{
	uint32_t full_cnt = 0;

	for (uint32_t i = 0; i < core->pair_cnt; i++)
		full_cnt += bh_nvme_outstanding(core->pair[i]) >= bh_nvme_qpair_depth(core->pair[i]);
	return full_cnt == core->pair_cnt || bh_nvme_state(work.ctrl) == BH_NVME_RESETTING;
}

/* Submit until the pair, the plan or the dice say stop. */
static void
async_fill(struct work_core *core)
{
	/* Being refused is tried, too, but not all the time. */
	if (core->paused || (is_full(core) && !work_chance(32)))
		return;
	for (uint32_t i = 0; i < work.plan->async_depth; i++) {
		struct work_op *op = &core->async[i];
		if (op->outstanding || core->paused || core->op_left == 0 || work.removed)
			continue;
		core->op_left--;
		work_op_draw(core, op);
		int err = work_op_async(op);
		if (err == -BH_EAGAIN)
			core->op_left++;
		if (err != 0 || work_chance(8))
			return;
	}
}

static void
async_fiber(void *arg)
{
	struct work_core *core = arg;

	while (!core->over && !work.removed && core->op_left > 0) {
		async_fill(core);
		if (!core->paused && work_chance(3))
			bh_nvme_ring(core->pair[0]);
		for (uint32_t i = 0; !core->paused && i < core->pair_cnt; i++)
			bh_nvme_poll(core->pair[i], 1 + (uint32_t)work_draw(32));
		bh_yield();
	}
	while (core->outstanding_cnt > core->busy_cnt) {
		for (uint32_t i = 0; !core->paused && i < core->pair_cnt; i++)
			bh_nvme_poll(core->pair[i], 32);
		bh_yield();
	}
	core->fiber_cnt--;
}

static void
start(struct work_core *core, bh_fiber_fn fn, void *arg)
{
	int err = bh_fiber_spawn(fn, arg);
	if (err != 0)
		sim_fail("no fiber: %d", err);
	core->fiber_cnt++;
}

void
work_fibers_start(struct work_core *core)
{
	for (uint32_t i = 0; i < work.plan->sync_fiber_cnt; i++)
		start(core, sync_fiber, &core->sync[i]);
	start(core, async_fiber, core);
}
