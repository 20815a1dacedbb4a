/* SPDX-License-Identifier: Apache-2.0 */
/* A run of the workload, and what has to hold at its end. */
#include "tests/sim/work.h"

#include <stdio.h>

#include <bulkhead/cell.h>
#include <bulkhead/sched.h>

#include "core/internal.h"

#define OPEN_TRIES 4u
#define LOOK_TRIES 20u
#define MS_NS      UINT64_C(1000000)
#define AWAY_CNT   6u /* how often a command may find its core taken away */

struct work work;

static struct nvme_random random_state;
static struct work_op look; /* of the last look at the disk */

uint64_t
work_draw(uint64_t limit)
{
	return nvme_random_below(&random_state, limit);
}

bool
work_chance(uint64_t one_in)
{
	return one_in != 0 && nvme_random_below(&random_state, one_in) == 0;
}

void
work_error(const char *call, int err)
{
	if (err == 0)
		return;
	if (err == -BH_ENODEV)
		work.removed = true;
	if (err == -BH_EAGAIN && work.plan->reset_one_in != 0)
		return;
	if (err == -BH_ENOSPC && work.all->device.io_queue_cnt < work.all->core_cnt * work.plan->qpair_cnt)
		return;
	if (work.healthy)
		sim_fail("%s returned %d on a healthy device", call, err);
	if (err != -BH_EAGAIN && err != -BH_ENODEV && err != -BH_EIO && err != -BH_ETIMEDOUT && err != -BH_ENOSPC)
		sim_fail("%s returned %d, which its manual does not know", call, err);
}

/*
 * How long a command may take, by the driver's manual: two time-outs, each up to a quarter late; aborts go one at a time
 * for each pair, an eighth of a time-out apart; the abort command itself; then a reset, with up to three attempts of
 * which each may wait for readiness and for an admin command. A command of the waiting kind may first wait as long for a
 * slot.
 */
static uint64_t
bound_ns(void)
{
	const struct bh_nvme_options *options = &work.plan->options;
	uint64_t ready_ns = work.all->device.timeout_units * 500 * MS_NS;
	uint64_t aborts_ns = work.plan->depth * (options->command_timeout_ns / 8 + options->admin_timeout_ns);
	uint64_t reset_ns = 5100 * MS_NS + 2 * ready_ns + 3 * (3 * ready_ns + 4 * options->admin_timeout_ns);

	return 2 * (options->command_timeout_ns * 5 / 2 + aborts_ns + 2 * reset_ns);
}

static void
watch(void)
{
	const struct check_op *op = check_oldest();
	uint64_t limit_ns = work.healthy ? work.plan->options.command_timeout_ns : bound_ns();

	limit_ns += AWAY_CNT * work.all->pace.steal_ns_max * (work.all->pace.steal_one_in != 0);

	if (op != NULL && sim_now_ns() - op->begin_ns > limit_ns)
		sim_fail("%s %u is under way for %lu ms, the bound is %lu ms", check_kind_name(op->kind), op->id,
		         (sim_now_ns() - op->begin_ns) / MS_NS, limit_ns / MS_NS);
}

void
sim_work_prepare(const struct sim_plan *plan)
{
	const struct nvme_model_config *device = &plan->device;

	work = (struct work){.plan = &plan->work, .all = plan, .healthy = sim_plan_is_healthy(plan)};
	nvme_random_seed(&random_state, plan->seed ^ UINT64_C(0x776f726b));
	for (unsigned i = 0; i < SIM_CORES_MAX; i++)
		work.core[i].idx = i;
	check_init(device->namespace_cnt, device->size_bytes / device->block_bytes, device->block_bytes,
	           plan->work.initial_pattern, sim_device_media(1));
	sim_watch(watch);
}

/* The driver has to see the device that the plan describes. False: a fault kept it from identifying a namespace. */
static bool
identity_check(void)
{
	const struct nvme_model_config *device = &work.all->device;
	const struct bh_nvme_info *info = bh_nvme_info(work.ctrl);

	sim_require(info->ns_cnt == device->namespace_cnt);
	sim_require(info->queue_entries_max == device->queue_entries);
	sim_require(device->mdts == 0 || info->transfer_bytes_max <= UINT64_C(4096) << device->mdts);
	for (uint32_t i = 0; i < info->ns_cnt; i++) {
		const struct bh_nvme_ns *ns = bh_nvme_ns_at(work.ctrl, i);
		if (ns->refused != 0 && !work.healthy)
			return false;
		sim_require(ns->nsid == i + 1 && ns->refused == 0 && ns->lba_bytes == device->block_bytes);
		sim_require(ns->lba_cnt == device->size_bytes / device->block_bytes);
		/* What the checker takes for granted of blocks that were deallocated. */
		sim_require(ns->deallocated_reads_zero);
	}
	return true;
}

static void
device_close(void)
{
	sim_trace_text(SIM_EVENT_CALL, "bh_nvme_close");
	int err = bh_nvme_close(work.ctrl);
	sim_trace(SIM_EVENT_RETURN, (uint64_t)(int64_t)err, 0, 0);
	work_error("bh_nvme_close", err);
	work.ctrl = NULL;
}

static int
device_open_once(void)
{
	sim_trace_text(SIM_EVENT_CALL, "bh_nvme_open");
	int err = bh_nvme_open("nvme0", &work.plan->options, &work.ctrl);
	sim_trace(SIM_EVENT_RETURN, (uint64_t)(int64_t)err, 0, 0);
	work_error("bh_nvme_open", err);
	if (err == 0 && !identity_check()) {
		device_close();
		err = -BH_EIO;
	}
	return err;
}

static void
device_open(void)
{
	int err = -BH_EIO;

	for (uint32_t i = 0; err != 0 && err != -BH_ENODEV && i < OPEN_TRIES; i++)
		err = device_open_once();
	if (err != 0)
		work.ctrl = NULL;
}

/* Faults may still hit: a few tries. Return: whether one got through. */
static bool
chunk_look(struct work_core *core, const struct bh_nvme_ns *ns, uint64_t lba, uint32_t lba_cnt)
{
	uint16_t status = NVME_SC_INTERNAL_ERROR;

	for (uint32_t i = 0; status != 0 && status != 0xffff && !work.removed && i < LOOK_TRIES; i++) {
		work_op_read_set(core, &look, ns, lba, lba_cnt);
		status = work_op_sync(&look);
	}
	if (status != 0 && work.healthy)
		sim_fail("the last look at the disk failed: %#x", status);
	return status == 0;
}

/* Everything once more through the driver. */
static void
disk_look(struct work_core *core)
{
	uint32_t step = work.plan->blocks_max;

	if (look.buffer.slot == NULL && buffer_make(&look.buffer, step * work.all->device.block_bytes) != 0)
		sim_fail("the plan does not fit the arena");
	if (!work_pairs_make(core)) {
		work_pairs_end(core);
		return;
	}
	work.looked = true;
	for (uint32_t nsid = 1; nsid <= work.all->device.namespace_cnt; nsid++) {
		const struct bh_nvme_ns *ns;
		if (bh_nvme_ns_find(work.ctrl, nsid, &ns) != 0)
			sim_fail("namespace %u is gone", nsid);
		for (uint64_t lba = 0; lba < ns->lba_cnt && work.looked; lba += step)
			work.looked = chunk_look(core, ns, lba, (uint32_t)BH_MIN((uint64_t)step, ns->lba_cnt - lba));
	}
	work_pairs_end(core);
}

/* What the driver took from the heap, it has to have given back. */
static void
heap_check(uint64_t used_before)
{
	uint64_t used = bh_tlsf_used_bytes(bh_core_self()->cell->heap);
	if (used != used_before)
		sim_fail("the driver is closed and still has %ld bytes of the heap", (long)(used - used_before));
}

/* All cores meet here. Not bh_barrier_wait(): a round may take one core minutes longer than another. */
static void
meet(void)
{
	uint32_t round = work.meet_round;

	if (++work.met_cnt == work.all->core_cnt) {
		work.met_cnt = 0;
		work.meet_round++;
	}
	while (work.meet_round == round)
		bh_yield();
}

static void
work_main(void *arg)
{
	struct work_core *core = &work.core[bh_core_idx()];

	(void)arg;
	work_core_prepare(core);
	meet();
	uint64_t heap_used = bh_tlsf_used_bytes(bh_core_self()->cell->heap);
	meet();
	for (uint32_t round = 0; round < work.plan->round_cnt; round++) {
		if (core->idx == 0)
			device_open();
		meet();
		if (work.ctrl == NULL) {
			heap_check(heap_used);
			return;
		}
		work_core_run(core);
		meet();
		if (core->idx == 0) {
			if (round + 1 == work.plan->round_cnt && !work.removed)
				disk_look(core);
			device_close();
			heap_check(heap_used);
		}
		meet();
	}
}

int
sim_work_body(struct bh_core *core)
{
	return bh_core_run_fn(core, work_main, NULL);
}

static void
expect_check(const struct sim_expect *expect)
{
	struct nvme_model_stats stats;
	uint64_t fired_cnt = 0;
	char name[64];

	sim_device_stats(&stats);
	for (unsigned i = 0; i < NVME_FAULT_ACTION_CNT; i++)
		fired_cnt += stats.fault_cnt[i];
	if (fired_cnt == 0)
		return;
	if (expect->end != SIM_END_ANY && work.looked != (expect->end == SIM_END_LIVE))
		sim_fail("at the end the disk %s", work.looked ? "could still be read" : "could not be read");
	for (unsigned i = 0; i < BH_ARRAY_CNT(expect->some) && expect->some[i] != NULL; i++) {
		snprintf(name, sizeof(name), "nvme0.%s", expect->some[i]);
		if (sim_counter(name) == 0)
			sim_fail("the fault came, and %s is 0", name);
	}
	for (unsigned i = 0; i < BH_ARRAY_CNT(expect->none) && expect->none[i] != NULL; i++) {
		snprintf(name, sizeof(name), "nvme0.%s", expect->none[i]);
		if (sim_counter(name) != 0)
			sim_fail("%s is %lu, which this fault is no reason for", name, sim_counter(name));
	}
}

void
sim_work_check(const struct sim_plan *plan, struct sim_result *out)
{
	for (unsigned i = 0; i < plan->core_cnt; i++)
		sim_require(sim_turn_exit_code(i) == 0);
	check_media();
	buffers_check();
	if (work.healthy)
		sim_driver_healthy_check();
	if (plan->expect != NULL)
		expect_check(plan->expect);
	out->checked_cnt = check_cnt();
}
