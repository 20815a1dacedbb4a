/* SPDX-License-Identifier: Apache-2.0 */
/* From a seed to a plan: the device, the pace, the app. plan_fault.c draws what goes wrong, plan_work.c the workload. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tests/sim/plan_draw.h"

#define APP_BYTES_MAX (UINT64_C(8) << 20) /* moved by a run, about */

static void
pace_draw(struct nvme_random *random, struct sim_pace *pace)
{
	static const uint64_t hz[] = {1000000000, 2600000000, 2999999999, 3500000000};

	pace->tsc_hz = hz[draw_below(random, BH_ARRAY_CNT(hz))];
	pace->step_ns_max = draw_log(random, 10, 3000);
	pace->skip_ns_max = draw_log(random, 2000000, 20000000);
	pace->device_one_in = (uint32_t)draw_log(random, 1, 16);
	pace->switch_one_in = (uint32_t)draw_log(random, 1, 24);
	pace->self_calls_max = (uint32_t)draw_log(random, 8, 256);
	pace->stall_one_in = draw_chance(random, 2) ? (uint32_t)draw_log(random, 200, 5000) : 0;
	pace->stall_ns_max = draw_log(random, 10000, 5000000);
	/* Longer than a command's time-out may be: a core that was away must not take its own absence for the device's. */
	pace->steal_one_in = draw_chance(random, 3) ? (uint32_t)draw_log(random, 500, 20000) : 0;
	pace->steal_ns_max = draw_log(random, 100000, 1500000000);
	pace->mailbox_ns_max = draw_log(random, 500, 200000);
	pace->fibers_shuffled = draw_chance(random, 3);
}

static void
service_draw(struct nvme_random *random, struct nvme_service *service)
{
	uint64_t typical_ns = draw_log(random, 500, 100000);

	*service = (struct nvme_service){.kind = (enum nvme_service_kind)draw_below(random, 5), .a_ns = typical_ns};
	switch (service->kind) {
	case NVME_SERVICE_FIXED:
		service->a_ns = draw_chance(random, 2) ? 0 : typical_ns;
		break;
	case NVME_SERVICE_UNIFORM:
		service->b_ns = typical_ns * (1 + draw_below(random, 20));
		break;
	case NVME_SERVICE_LOGNORMAL:
		service->parameter = (double)draw_below(random, 15) / 10;
		break;
	case NVME_SERVICE_BIMODAL:
		service->b_ns = typical_ns * (2 + draw_below(random, 30));
		service->parameter = (double)draw_below(random, 30) / 100;
		break;
	case NVME_SERVICE_EXP:
		break;
	}
}

static void
device_draw(struct nvme_random *random, struct nvme_model_config *config)
{
	*config = (struct nvme_model_config)NVME_MODEL_CONFIG_DEFAULT;
	config->block_bytes = draw_chance(random, 3) ? 4096 : 512;
	config->namespace_cnt = 1 + (uint32_t)draw_below(random, 3);
	config->io_queue_cnt = 8 + (uint32_t)draw_below(random, 8);
	config->queue_entries = (uint32_t)draw_log(random, 2, 1024);
	config->pending_cnt = 128 + (uint32_t)draw_log(random, 1, 1024);
	config->mdts = (uint32_t)draw_below(random, NVME_MODEL_MDTS_MAX + 1);
	config->mps_max = (uint32_t)draw_below(random, 3);
	config->doorbell_stride_log2 = (uint32_t)draw_below(random, 5);
	config->timeout_units = 1 + (uint32_t)draw_below(random, 4);
	config->ready_delay_ns = draw_chance(random, 2) ? 0 : draw_log(random, 1000, 50000000);
	config->volatile_write_cache = draw_chance(random, 2);
	config->shadow_doorbells = draw_chance(random, 3);
	config->seed = nvme_random_next(random);
	service_draw(random, &config->service);
}

/* The blocks of a run: small enough that commands meet, large enough for each core's share. */
static void
app_draw(struct nvme_random *random, struct sim_plan *plan)
{
	struct nvme_bench_config *app = &plan->app;
	uint64_t lba_bytes = plan->device.block_bytes;
	uint64_t cnt = draw_log(random, 1, NVME_BENCH_BLOCK_BYTES_MAX / lba_bytes);

	memcpy(app->device, "nvme0", sizeof("nvme0"));
	app->pattern = draw_chance(random, 2) ? NVME_BENCH_VERIFY : (uint32_t)draw_below(random, 5);
	app->read_percent = (uint32_t)draw_below(random, 101);
	/* Mostly a power of two, sometimes any multiple of the device's block. */
	if (!draw_chance(random, 4))
		cnt = UINT64_C(1) << (63 - __builtin_clzll(cnt));
	app->block_bytes = (uint32_t)(cnt * lba_bytes);
	uint64_t depth_max = BH_MIN(BH_MAX(APP_BYTES_MAX / 2 / app->block_bytes, 1ul), 256ul);
	app->queue_depth = (uint32_t)draw_log(random, 1, depth_max);
	app->namespace_id = 1 + (uint32_t)draw_below(random, plan->device.namespace_cnt);
	app->fill = draw_chance(random, 4);
	app->timeout_ns = draw_chance(random, 2) ? 0 : draw_log(random, 400000000, 4000000000);
	plan->device.size_bytes = app->block_bytes * (plan->core_cnt * (1 + draw_log(random, 1, 128)));
	plan->device.size_bytes = BH_MIN(plan->device.size_bytes, plan->core_cnt * 2 * APP_BYTES_MAX);
	plan->device.size_bytes -= plan->device.size_bytes % lba_bytes;
	/* Not before it has begun: bring-up waits for CSTS.RDY a few times. */
	plan->stop_ns = 6 * plan->device.ready_delay_ns + 300000000 + draw_log(random, 1000000, 1000000000);
	plan->stop_io_cnt = BH_MIN(APP_BYTES_MAX / app->block_bytes + 50, 100 + draw_log(random, 1, 4000));
	if (app->fill)
		plan->stop_io_cnt += plan->device.size_bytes / app->block_bytes;
}

void
sim_plan_draw(uint64_t seed, int kind, bool faults, struct sim_plan *out)
{
	struct nvme_random random;

	memset(out, 0, sizeof(*out));
	nvme_random_seed(&random, seed);
	out->seed = seed;
	bool app = draw_chance(&random, 3);
	bool faulty = !draw_chance(&random, 4);
	out->kind = kind >= 0 ? (enum sim_kind)kind : app ? SIM_KIND_APP : SIM_KIND_WORK;
	out->core_cnt = 1 + (uint32_t)draw_below(&random, SIM_CORES_MAX);
	out->registers_mapped = draw_chance(&random, 2);
	out->windows_small = draw_chance(&random, 4);
	out->shared_host = draw_chance(&random, 8);
	out->arena_bytes = UINT64_C(96) << 20;
	out->stop_ns = UINT64_MAX;
	out->stop_io_cnt = UINT64_MAX;
	pace_draw(&random, &out->pace);
	device_draw(&random, &out->device);
	if (sim_kind_is_net(out->kind)) {
		sim_plan_net_draw(&random, faults && faulty, out);
		return;
	}
	if (out->kind == SIM_KIND_APP)
		app_draw(&random, out);
	else
		sim_plan_work_draw(&random, out);
	if (out->kind == SIM_KIND_APP && draw_chance(&random, 12)) {
		out->arena_tight = true;
		out->arena_bytes = draw_log(&random, 16, 4096) * BH_PAGE_BYTES;
	}
	if (faults && faulty)
		sim_plan_faults_draw(&random, out);
}

bool
sim_plan_is_healthy(const struct sim_plan *plan)
{
	return plan->rule_cnt == 0 && plan->pace.mailbox_bad_one_in == 0;
}

bool
sim_plan_has(const struct sim_plan *plan, enum nvme_fault_action action)
{
	for (uint32_t i = 0; i < plan->rule_cnt; i++) {
		if (plan->rule[i].action == action)
			return true;
	}
	return false;
}

/*
 * A completion under a wrong identifier differs from the right one in the last bit of the slot and the first bit of the
 * generation. It could name another outstanding command only if one of two slots was used half of all generations more
 * often than the other; with few slots an identifier has so many generations that no run gets there. So in these runs
 * every such lie can be seen by the driver, and the checker allows nothing for it.
 */
void
sim_plan_rules_applied(struct sim_plan *plan)
{
	const struct sim_work_plan *work = &plan->work;
	uint64_t mdts_bytes = UINT64_C(4096) << (plan->device.mdts ? plan->device.mdts : NVME_MODEL_MDTS_MAX);
	uint64_t step_bytes = BH_MIN((uint64_t)work->options.transfer_bytes_max, mdts_bytes);

	if (!sim_plan_has(plan, NVME_FAULT_WRONG_ID) && !sim_plan_has(plan, NVME_FAULT_STRAY))
		return;
	plan->work.depth = BH_MIN(plan->work.depth, SIM_LIE_DEPTH_MAX);
	plan->app.queue_depth = BH_MIN(plan->app.queue_depth, SIM_LIE_DEPTH_MAX);
	if (plan->kind != SIM_KIND_WORK)
		return;
	/* Half of the commands for the rounds, the rest for the last look at the disk. */
	uint64_t split_cnt = (uint64_t)work->blocks_max * plan->device.block_bytes / step_bytes + 2;
	uint64_t op_cnt = SIM_LIE_COMMANDS_MAX / 2 / (split_cnt * plan->core_cnt * work->round_cnt);
	plan->work.op_cnt = (uint32_t)BH_MIN((uint64_t)work->op_cnt, BH_MAX(op_cnt, UINT64_C(8)));
}
