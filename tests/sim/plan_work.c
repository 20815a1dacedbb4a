/* SPDX-License-Identifier: Apache-2.0 */
/* The workload's part of a plan. */
#include "tests/sim/checker.h"
#include "tests/sim/plan_draw.h"

#define MS_NS       UINT64_C(1000000)
#define BYTES_MAX   (UINT64_C(12) << 20) /* of a usual run's commands together, for each core */
#define HUGE_BYTES  (UINT64_C(4) << 20)  /* of one command, in a run with PRP lists of several pages */
#define USUAL_BYTES (UINT64_C(64) << 10) /* of one command, else */

static void
options_draw(struct nvme_random *random, struct bh_nvme_options *options)
{
	options->io_queue_cnt = 8;
	options->transfer_bytes_max = 1u << (12 + draw_below(random, 9));
	options->refused_max = 1 + (uint32_t)draw_below(random, 6);
	options->no_shadow_doorbells = draw_chance(random, 4);
	/* Above what the slowest healthy device of a plan may take. */
	options->command_timeout_ns = draw_log(random, 400, 1500) * MS_NS;
	options->admin_timeout_ns = draw_log(random, 200, 2000) * MS_NS;
	options->watch_interval_ns = draw_log(random, 1, 200) * MS_NS;
}

static void
weights_draw(struct nvme_random *random, uint32_t *weight)
{
	for (uint32_t i = 0; i < CHECK_KIND_CNT; i++)
		weight[i] = (uint32_t)draw_below(random, 6);
	weight[CHECK_READ] += 4;
	weight[CHECK_WRITE] += 4;
}

/* Commands of several MiB: few of them, few buffers. */
static void
huge_set(struct sim_plan *plan)
{
	struct sim_work_plan *work = &plan->work;

	plan->device.mdts = NVME_MODEL_MDTS_MAX;
	work->options.transfer_bytes_max = (uint32_t)HUGE_BYTES;
	work->blocks_max = (uint32_t)(HUGE_BYTES / plan->device.block_bytes);
	work->sync_fiber_cnt = 1;
	work->async_depth = 2;
	work->qpair_cnt = 1;
	work->depth = 4;
	work->op_cnt = 10;
	work->round_cnt = 1;
	plan->core_cnt = 1;
	plan->device.namespace_cnt = 1;
	plan->device.size_bytes = 2 * HUGE_BYTES;
}

void
sim_plan_work_draw(struct nvme_random *random, struct sim_plan *plan)
{
	struct sim_work_plan *work = &plan->work;
	uint64_t lba_bytes = plan->device.block_bytes;

	options_draw(random, &work->options);
	weights_draw(random, work->weight);
	work->round_cnt = draw_chance(random, 3) ? 2 : 1;
	work->qpair_cnt = 1 + (uint32_t)draw_below(random, 2);
	work->depth = (uint32_t)draw_log(random, 1, 64);
	work->sync_fiber_cnt = (uint32_t)draw_below(random, 5);
	work->async_depth = (uint32_t)draw_log(random, 1, 32);
	work->blocks_max = (uint32_t)draw_log(random, 1, USUAL_BYTES / lba_bytes);
	work->op_cnt = (uint32_t)BH_MIN(draw_log(random, 50, 3000), BYTES_MAX / (work->blocks_max * lba_bytes) + 20);
	work->reset_one_in = draw_chance(random, 3) ? (uint32_t)draw_log(random, 20, 400) : 0;
	work->recreate_one_in = draw_chance(random, 3) ? (uint32_t)draw_log(random, 20, 200) : 0;
	work->admin_one_in = draw_chance(random, 2) ? (uint32_t)draw_log(random, 10, 200) : 0;
	work->initial_pattern = draw_chance(random, 2);
	work->chain_one_in = draw_chance(random, 2) ? 1 + (uint32_t)draw_below(random, 8) : 0;
	/* Fewer queues than pairs: somebody gets none, and is told so. */
	if (draw_chance(random, 12))
		plan->device.io_queue_cnt = 1 + (uint32_t)draw_below(random, plan->core_cnt * work->qpair_cnt);
	plan->device.size_bytes = (work->blocks_max + draw_log(random, 1, 256)) * lba_bytes;
	if (draw_chance(random, 40))
		huge_set(plan);
}
