/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>

#include "tests/sim/many.h"

static void
pace_print(const struct sim_pace *pace)
{
	printf("  pace      %" PRIu64 " Hz, steps to %" PRIu64 " ns, skips to %" PRIu64
	       " us, device 1 in %u, switch 1 in %u%s\n",
	       pace->tsc_hz, pace->step_ns_max, pace->skip_ns_max / 1000, pace->device_one_in, pace->switch_one_in,
	       pace->fibers_shuffled ? ", fibers shuffled" : "");
	printf("            stalls 1 in %u to %" PRIu64 " us, cores away 1 in %u to %" PRIu64
	       " us, bad answers 1 in %u\n",
	       pace->stall_one_in, pace->stall_ns_max / 1000, pace->steal_one_in, pace->steal_ns_max / 1000,
	       pace->mailbox_bad_one_in);
}

static void
device_print(const struct sim_plan *plan)
{
	const struct nvme_model_config *device = &plan->device;

	printf("  device    %u x %" PRIu64
	       " bytes in blocks of %u, %u entries, %u queues, MDTS %u, stride %u, TO %u, ready in "
	       "%" PRIu64 " us%s%s%s\n",
	       device->namespace_cnt, device->size_bytes, device->block_bytes, device->queue_entries,
	       device->io_queue_cnt, device->mdts, 4u << device->doorbell_stride_log2, device->timeout_units,
	       device->ready_delay_ns / 1000, device->shadow_doorbells ? ", shadow doorbells" : "",
	       plan->registers_mapped ? ", registers mapped" : ", mailbox",
	       plan->windows_small ? ", small windows" : "");
	printf("  service   kind %d, %" PRIu64 " ns, %" PRIu64 " ns, %.2f\n", (int)device->service.kind,
	       device->service.a_ns, device->service.b_ns, device->service.parameter);
}

static void
app_print(const struct sim_plan *plan)
{
	printf("  app       nvme-bench pattern %u, blocks of %u, depth %u, namespace %u, stop at %" PRIu64
	       " us or %" PRIu64 " commands\n",
	       plan->app.pattern, plan->app.block_bytes, plan->app.queue_depth, plan->app.namespace_id,
	       plan->stop_ns / 1000, plan->stop_io_cnt);
}

static void
work_print(const struct sim_work_plan *work)
{
	printf("  workload  %u rounds of %u operations a core, %u pairs of depth %u, %u fibers and %u asynchronous, to "
	       "%u "
	       "blocks, chained 1 in %u, reset 1 in %u, recreate 1 in %u, command time-out %" PRIu64 " us\n",
	       work->round_cnt, work->op_cnt, work->qpair_cnt, work->depth, work->sync_fiber_cnt, work->async_depth,
	       work->blocks_max, work->chain_one_in, work->reset_one_in, work->recreate_one_in,
	       work->options.command_timeout_ns / 1000);
}

void
sim_plan_print(const struct sim_plan *plan)
{
	printf("seed %" PRIu64 ": %s on %u cores\n", plan->seed, sim_kind_name(plan->kind), plan->core_cnt);
	pace_print(&plan->pace);
	if (sim_kind_is_net(plan->kind)) {
		sim_plan_net_print(plan);
		return;
	}
	device_print(plan);
	if (plan->kind == SIM_KIND_APP)
		app_print(plan);
	else if (plan->kind == SIM_KIND_WORK)
		work_print(&plan->work);
	printf("  memory    arena %" PRIu64 " KiB%s%s\n", plan->arena_bytes / 1024, plan->arena_tight ? ", tight" : "",
	       plan->shared_host ? "; CPU shared with the host" : "");
	for (uint32_t i = 0; i < plan->rule_cnt; i++) {
		const struct nvme_fault_rule *rule = &plan->rule[i];
		printf("  fault     %s op %#x nth %" PRIu64 " p %.4f times %" PRIu64 " after %" PRIu64 " from %" PRIu64
		       " us value %#" PRIx64 "\n",
		       nvme_fault_action_name(rule->action), rule->op, rule->nth, rule->probability,
		       rule->times == NVME_FAULT_UNLIMITED ? 0 : rule->times, rule->after_ios, rule->from_ns / 1000,
		       rule->value);
	}
}
