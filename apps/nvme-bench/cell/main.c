/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nvme-bench: core 0 opens the controller and owns it; every core makes a queue pair, works on its slice of the
 * namespace until the supervisor says stop, drains, and deletes its pair; core 0 closes the controller last.
 */
#include <bulkhead/cell.h>
#include <bulkhead/log.h>
#include <bulkhead/mem.h>
#include <bulkhead/sched.h>

#include "apps/nvme-bench/cell/bench.h"

/* Set by core 0 before the first barrier, read by all after it. */
static struct {
	struct bh_nvme *ctrl;
	const struct bh_nvme_ns *ns;
	int error;
} shared;

/* A core that failed: the others must not wait for it. */
static int core_error[BH_CORES_MAX];

static void
open_device(const struct nvme_bench_config *config)
{
	const struct bh_nvme_options options = {.command_timeout_ns = config->timeout_ns,
	                                        .no_shadow_doorbells = config->no_shadow_doorbells};
	shared.error = bh_nvme_open(config->device, &options, &shared.ctrl);
	if (shared.error != 0)
		return;
	shared.error = bh_nvme_ns_find(shared.ctrl, config->namespace_id, &shared.ns);
	if (shared.error != 0) {
		bh_log_error("namespace %u cannot be used: error %d", config->namespace_id, shared.error);
		return;
	}
	if (config->block_bytes % shared.ns->lba_bytes != 0) {
		bh_log_error("block_size %u is not a multiple of the device's block size %u", config->block_bytes,
		             shared.ns->lba_bytes);
		shared.error = -BH_EINVAL;
	}
}

/* Its share of the namespace: whole blocks, the same number for each core. */
static int
take_slice(struct worker *worker, unsigned core_idx)
{
	worker->lba_per_block = worker->config->block_bytes >> worker->ns->lba_shift;
	worker->block_cnt = worker->ns->lba_cnt / worker->lba_per_block / bh_core_cnt();
	worker->block_first = worker->block_cnt * core_idx;
	if (worker->block_cnt == 0) {
		bh_log_error("the namespace holds less than one block of %u bytes per core",
		             worker->config->block_bytes);
		return -BH_ENOSPC;
	}
	return 0;
}

static int
make_slots(struct worker *worker)
{
	uint32_t depth = worker->config->queue_depth;
	size_t block_bytes = worker->config->block_bytes;
	uint8_t *buffers = bh_dma_alloc(depth * block_bytes, BH_PAGE_BYTES);
	worker->slot = bh_heap_alloc(depth * sizeof(*worker->slot));
	if (buffers == NULL || worker->slot == NULL) {
		bh_log_error("no room for %u buffers of %lu bytes: make [cell] arena larger", depth, block_bytes);
		return -BH_ENOMEM;
	}
	for (uint32_t i = 0; i < depth; i++) {
		worker->slot[i].worker = worker;
		worker->slot[i].buf = buffers + i * block_bytes;
	}
	return 0;
}

static uint64_t
read_threshold(const struct nvme_bench_config *config)
{
	switch (config->pattern) {
	case NVME_BENCH_WRITE:
	case NVME_BENCH_RANDWRITE:
		return 0;
	case NVME_BENCH_RANDRW:
		return ((uint64_t)config->read_percent << 32) / 100;
	default:
		return UINT64_C(1) << 32;
	}
}

static void
set_pattern(struct worker *worker, unsigned core_idx)
{
	const struct nvme_bench_config *config = worker->config;
	worker->random_order = config->pattern != NVME_BENCH_READ && config->pattern != NVME_BENCH_WRITE;
	worker->read_threshold = read_threshold(config);
	worker->random = (bh_boot_page()->seed + core_idx + 1) * UINT64_C(0x9e3779b97f4a7c15) | 1;
	worker->reads = bh_counter_register(NVME_BENCH_COUNTER_READS, "ios");
	worker->writes = bh_counter_register(NVME_BENCH_COUNTER_WRITES, "ios");
	worker->errors = bh_counter_register(NVME_BENCH_COUNTER_ERRORS, "ios");
	worker->latency = bh_hist_register(NVME_BENCH_HIST_LATENCY);
}

static int
prepare(struct worker *worker, unsigned core_idx)
{
	worker->ns = shared.ns;
	int err = take_slice(worker, core_idx);
	if (err == 0)
		err = make_slots(worker);
	if (err == 0)
		err = bh_nvme_qpair_create(shared.ctrl, worker->config->queue_depth, &worker->qpair);
	if (err == 0 && bh_nvme_qpair_depth(worker->qpair) < worker->config->queue_depth)
		bh_log_warn("queue_depth %u: the controller allows %u", worker->config->queue_depth,
		            bh_nvme_qpair_depth(worker->qpair));
	if (err == 0)
		set_pattern(worker, core_idx);
	return err;
}

static void
measure(struct worker *worker)
{
	uint64_t *first_io = bh_gauge_register(NVME_BENCH_GAUGE_FIRST_IO, "cycles");
	uint64_t *start = bh_gauge_register(NVME_BENCH_GAUGE_START, "cycles");
	uint64_t *end = bh_gauge_register(NVME_BENCH_GAUGE_END, "cycles");

	*first_io = bh_clock_now_tsc();
	if (worker->config->fill)
		fill_run(worker);
	*start = bh_clock_now_tsc();
	if (worker->config->pattern == NVME_BENCH_VERIFY)
		verify_run(worker);
	else
		bench_run(worker);
	*end = bh_clock_now_tsc();
}

static bool
all_cores_prepared(void)
{
	for (unsigned i = 0; i < bh_core_cnt(); i++) {
		if (core_error[i] != 0)
			return false;
	}
	return true;
}

int
cell_main(unsigned core_idx)
{
	const struct nvme_bench_config *config = bh_app_config(sizeof(*config));
	struct worker *worker = bh_heap_alloc(sizeof(*worker));

	if (config == NULL || worker == NULL)
		core_error[core_idx] = config == NULL ? -BH_EINVAL : -BH_ENOMEM;
	else if (core_idx == 0)
		open_device(config);
	bh_barrier_wait();
	if (core_error[core_idx] == 0)
		core_error[core_idx] = shared.error;
	if (core_error[core_idx] == 0) {
		worker->config = config;
		core_error[core_idx] = prepare(worker, core_idx);
	}
	bh_barrier_wait();
	if (all_cores_prepared()) {
		measure(worker);
		core_error[core_idx] = worker->error;
	}
	if (worker != NULL && worker->qpair != NULL && bh_nvme_qpair_delete(worker->qpair) != 0)
		bh_log_warn("core %u: its queue pair could not be deleted", core_idx);
	bh_barrier_wait();
	if (core_idx == 0 && shared.ctrl != NULL && bh_nvme_close(shared.ctrl) != 0)
		bh_log_warn("the controller did not confirm its shutdown");
	return core_error[core_idx];
}
