/* SPDX-License-Identifier: Apache-2.0 */
/* One seed, from the plan to the verdict. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/core.h"
#include "tests/hosted/include/bulkhead/hosted.h"
#include "tests/sim/sim.h"

#define HEAP_BYTES (24u << 20)

static const struct sim_plan *running;
static struct sim_result *result;

/* Ready fibers in any order: each is chosen in the end, so nobody starves for long. */
struct shuffle {
	struct bh_fiber *fiber[BH_HOSTED_FIBER_CNT];
	uint32_t cnt;
};

static struct shuffle shuffle[SIM_CORES_MAX];

static void
shuffle_ready(void *queue, struct bh_fiber *fiber)
{
	struct shuffle *self = queue;
	sim_require(self->cnt < BH_HOSTED_FIBER_CNT);
	self->fiber[self->cnt++] = fiber;
}

static struct bh_fiber *
shuffle_next(void *queue)
{
	struct shuffle *self = queue;
	if (self->cnt == 0)
		return NULL;
	uint64_t idx = sim_draw(self->cnt);
	struct bh_fiber *fiber = self->fiber[idx];
	self->fiber[idx] = self->fiber[--self->cnt];
	return fiber;
}

static const struct bh_sched_policy shuffle_policy = {.name = "shuffle", .ready = shuffle_ready, .next = shuffle_next};

void
sim_fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(result->failure, sizeof(result->failure), format, args);
	va_end(args);
	result->now_ns = sim_now_ns();
	fflush(stdout);
	if (running->mutation == SIM_MUTATION_NONE) {
		sim_trace_tail();
		fprintf(stderr, "seed %lu failed: %s; replay: build/tests/sim %s --trace\n", result->seed,
		        result->failure, running->replay);
		fflush(stderr);
	}
	_exit(1);
}

static void
panicked(const struct bh_panic_record *record)
{
	sim_fail("panic at %s:%u: %s (%#lx, %#lx)", record->file, record->line, record->message, record->value[0],
	         record->value[1]);
}

static void
cell_make(const struct sim_plan *plan)
{
	struct bh_boot_page *page = bh_hosted_page();
	int (*const body[])(struct bh_core *) = {[SIM_KIND_APP] = sim_app_body,
	                                         [SIM_KIND_WORK] = sim_work_body,
	                                         [SIM_KIND_NET] = sim_net_body,
	                                         [SIM_KIND_IXGBE] = sim_net_body};

	if (bh_hosted_map(plan->core_cnt, plan->arena_bytes, HEAP_BYTES) != 0)
		sim_fail("the cell's regions cannot be mapped");
	bh_hosted_on_panic(panicked);
	page->tsc_hz = plan->pace.tsc_hz;
	page->seed = plan->seed;
	page->shared_host = plan->shared_host;
	sim_device_init(plan);
	sim_device_describe(page);
	if (plan->kind == SIM_KIND_APP)
		sim_app_prepare(plan, page);
	if (bh_hosted_cores_init() != 0)
		sim_fail("the cores cannot be made");
	for (unsigned i = 0; i < plan->core_cnt; i++) {
		if (plan->pace.fibers_shuffled)
			bh_core_policy_set(bh_hosted_core_get(i), &shuffle_policy, &shuffle[i]);
		sim_turn_core_add(bh_hosted_core_get(i), body[plan->kind]);
	}
	if (plan->kind == SIM_KIND_WORK)
		sim_work_prepare(plan);
	if (sim_kind_is_net(plan->kind))
		sim_net_prepare(plan);
}

/* What holds for every run: the driver used no address outside of the arena, and no doorbell wrongly. */
static void
device_check(const struct sim_plan *plan)
{
	struct nvme_model_stats stats;

	sim_device_stats(&stats);
	if (stats.dma_refused_cnt != 0 && stats.fault_cnt[NVME_FAULT_DMA_OUTSIDE] == 0)
		sim_fail("the driver sent the device to %lu addresses outside of the arena", stats.dma_refused_cnt);
	if (stats.bad_doorbell_cnt != 0)
		sim_fail("the driver wrote %lu invalid doorbells", stats.bad_doorbell_cnt);
	if (sim_plan_is_healthy(plan) && stats.fatal_cnt != 0)
		sim_fail("the driver made a healthy controller fail");
}

/* What sim_plan_rules_applied() promises to the checker. */
static void
lies_check(const struct sim_plan *plan)
{
	struct nvme_model_stats stats;
	bool lies = sim_plan_has(plan, NVME_FAULT_WRONG_ID) || sim_plan_has(plan, NVME_FAULT_STRAY);

	sim_device_stats(&stats);
	if (lies && stats.io_cnt >= SIM_LIE_COMMANDS_MAX)
		sim_fail("the plan is too long: %lu commands, a misnamed completion could have hit another one",
		         stats.io_cnt);
}

static void
nvme_check(const struct sim_plan *plan, struct sim_result *out)
{
	struct nvme_model_stats stats;

	device_check(plan);
	lies_check(plan);
	if (plan->kind == SIM_KIND_APP)
		sim_app_check(plan, out);
	else
		sim_work_check(plan, out);
	sim_device_stats(&stats);
	memcpy(out->fault_cnt, stats.fault_cnt, sizeof(out->fault_cnt));
	out->reset_cnt = sim_counter("nvme0.reset");
	out->removed_cnt = sim_counter("nvme0.removed");
}

static void
result_fill(struct sim_result *out)
{
	out->hash = sim_trace_hash();
	out->now_ns = sim_now_ns();
	out->point_cnt = sim_point_cnt();
	out->io_cnt = sim_device_io_cnt();
}

void
sim_run(const struct sim_plan *plan, struct sim_result *out)
{
	running = plan;
	result = out;
	memset(out, 0, sizeof(*out));
	out->seed = plan->seed;
	sim_turn_init(plan);
	cell_make(plan);
	sim_turn_run();
	if (sim_kind_is_net(plan->kind))
		sim_net_check(plan, out);
	else
		nvme_check(plan, out);
	result_fill(out);
	sim_device_end();
	bh_hosted_unmap();
}
