/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver against the NVMe model, one thread, virtual clock: several fibers write and read back, while the model does what a
 * fault rule says. Whatever it does, each command ends, no data that was reported good is wrong, and what happened is counted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/core.h"
#include "devices/nvme/nvme_model.h"
#include "tests/hosted/include/bulkhead/hosted.h"
#include <bulkhead/cell.h>
#include <bulkhead/device.h>
#include <bulkhead/mem.h>
#include <bulkhead/metrics.h>
#include <bulkhead/nvme.h>

#define DISK_BYTES      (8u << 20)
#define WORKERS         8u
#define ROUNDS          40u
#define REGION_BYTES    (256u << 10) /* of each worker: none touches another's blocks */
#define CLOCK_STEP_NS   1000u
#define DEADLINE_NS     UINT64_C(400000000000)
#define DOORBELLS_BYTES 8192u

struct bh_core *sim_core_self(void);
uint64_t sim_clock_now(void);
void sim_pause(void);
void sim_mmio_write(volatile void *addr, uint64_t value, unsigned width_bytes);

static struct bh_core *core_self;
static uint64_t clock_ns;
static uint32_t doorbells[DOORBELLS_BYTES / 4] BH_ALIGNED(4096);
static uint8_t disk[DISK_BYTES];
static struct nvme_model *model;

struct bh_core *
sim_core_self(void)
{
	return core_self;
}

uint64_t
sim_clock_now(void)
{
	clock_ns += CLOCK_STEP_NS;
	return clock_ns * (BH_HOSTED_TSC_HZ / 1000000) / 1000;
}

void
sim_pause(void)
{
	clock_ns += CLOCK_STEP_NS;
}

void
sim_mmio_write(volatile void *addr, uint64_t value, unsigned width_bytes)
{
	*(volatile uint32_t *)addr = (uint32_t)value;
}

int
bh_device_find(const char *name, struct bh_device *out_device)
{
	*out_device = (struct bh_device){.device_idx = 0, .info = &bh_hosted_page()->device[0]};
	return 0;
}

volatile void *
bh_device_window(const struct bh_device *device, uint32_t bar, uint64_t offset, uint64_t size_bytes)
{
	return &doorbells[(offset - NVME_REG_DOORBELLS) / 4];
}

int
bh_reg_read32(const struct bh_device *device, uint32_t bar, uint64_t offset, uint32_t *out_value)
{
	*out_value = (uint32_t)nvme_model_reg_read(model, offset, 4, clock_ns);
	return 0;
}

int
bh_reg_read64(const struct bh_device *device, uint32_t bar, uint64_t offset, uint64_t *out_value)
{
	*out_value = nvme_model_reg_read(model, offset, 8, clock_ns);
	return 0;
}

int
bh_reg_write32(const struct bh_device *device, uint32_t bar, uint64_t offset, uint32_t value)
{
	nvme_model_reg_write(model, offset, 4, value, clock_ns);
	return 0;
}

int
bh_reg_write64(const struct bh_device *device, uint32_t bar, uint64_t offset, uint64_t value)
{
	nvme_model_reg_write(model, offset, 8, value, clock_ns);
	return 0;
}

static uint32_t function_reset_cnt;

int
bh_device_reset(const struct bh_device *device)
{
	function_reset_cnt++;
	nvme_model_reset(model, clock_ns);
	return 0;
}

uint32_t
bh_device_reset_cnt(const struct bh_device *device, bool *out_under_way)
{
	*out_under_way = false;
	return function_reset_cnt;
}

static bool
window(void *context, uint64_t iova, uint64_t size_bytes, uint32_t prot, struct nvme_model_window *out)
{
	if (!bh_dma_contains((void *)(uintptr_t)iova, size_bytes))
		return false;
	*out = (struct nvme_model_window){iova, size_bytes, (uint8_t *)(uintptr_t)iova, prot};
	return true;
}

static void
model_poll(void *arg)
{
	clock_ns += CLOCK_STEP_NS;
	nvme_model_poll(model, clock_ns);
}

/* A run: configuration, what the workers saw. */
static struct {
	struct nvme_model_config config;
	struct nvme_fault_rule rule;
	struct bh_nvme *ctrl;
	struct bh_nvme_qpair *qp;
	const struct bh_nvme_ns *ns;
	uint64_t random;
	uint32_t running_cnt;
	uint32_t ok_cnt, failed_cnt, gone_cnt;
} run;

static uint64_t
draw(uint64_t below)
{
	run.random ^= run.random << 13;
	run.random ^= run.random >> 7;
	run.random ^= run.random << 17;
	return run.random % below;
}

/* One write and its read back, at a random place of the worker's region, from and to odd places in memory. */
static void
round_trip(uint32_t worker, uint8_t *from, uint8_t *into)
{
	uint32_t block = run.ns->lba_bytes;
	uint32_t lba_cnt = 1 + (uint32_t)draw(draw(4) ? 8 : 40);
	uint32_t room = REGION_BYTES / block - lba_cnt;
	uint64_t lba = (uint64_t)worker * REGION_BYTES / block + draw(room);
	uint32_t bytes = lba_cnt * block;

	from += 4 * draw(1024);
	into += 4 * draw(1024);
	for (uint32_t i = 0; i < bytes; i += 8) {
		uint64_t value = run.random + i;
		memcpy(from + i, &value, 8);
	}
	int err = bh_nvme_write_wait(run.qp, run.ns, lba, lba_cnt, from, NULL);
	if (!err)
		err = bh_nvme_read_wait(run.qp, run.ns, lba, lba_cnt, into, NULL);
	if (err == -BH_ENODEV)
		run.gone_cnt++;
	else if (err)
		run.failed_cnt++;
	else
		assert_memory_equal(from, into, bytes);
	run.ok_cnt += !err;
}

static void
worker_main(void *arg)
{
	uint8_t *from = bh_dma_alloc((40 * 4096) + 4096, 4096), *into = bh_dma_alloc((40 * 4096) + 4096, 4096);
	assert_non_null(from);
	assert_non_null(into);
	for (uint32_t i = 0; i < ROUNDS; i++)
		round_trip((uint32_t)(uintptr_t)arg, from, into);
	run.running_cnt--;
}

static void
other_commands(void)
{
	struct nvme_health_log log;
	uint8_t *buf = bh_dma_alloc(65536, 4096);
	uint64_t lba = (uint64_t)WORKERS * (REGION_BYTES / run.ns->lba_bytes);
	uint16_t status;

	memset(buf, 0x5a, 65536);
	assert_int_equal(bh_nvme_write_wait(run.qp, run.ns, lba, 16, buf, NULL), 0);
	assert_int_equal(bh_nvme_compare_wait(run.qp, run.ns, lba, 16, buf, NULL), 0);
	buf[100] ^= 1;
	assert_int_equal(bh_nvme_compare_wait(run.qp, run.ns, lba, 16, buf, &status), -BH_EIO);
	assert_int_equal(status, NVME_SC_COMPARE_FAILURE);
	assert_int_equal(bh_nvme_write_zeroes_wait(run.qp, run.ns, lba + 2, 4, NULL), 0);
	assert_int_equal(bh_nvme_read_wait(run.qp, run.ns, lba, 16, buf, NULL), 0);
	for (uint32_t i = 0; i < 16; i++)
		assert_int_equal(buf[(size_t)i * run.ns->lba_bytes], i >= 2 && i < 6 ? 0 : 0x5a);
	assert_int_equal(bh_nvme_flush_wait(run.qp, run.ns, NULL), 0);
	assert_int_equal(bh_nvme_deallocate_wait(run.qp, run.ns, lba, 8, NULL), 0);
	assert_int_equal(bh_nvme_read_wait(run.qp, run.ns, run.ns->lba_cnt, 1, buf, &status), -BH_EIO);
	assert_int_equal(status, NVME_SC_LBA_OUT_OF_RANGE);
	assert_int_equal(bh_nvme_health_log(run.ctrl, &log), 0);
}

static void
body(void *arg)
{
	struct bh_poller poller = {.fn = model_poll};
	uint64_t deadline_ns = clock_ns + DEADLINE_NS;
	bool faults = run.config.rule_cnt != 0;

	/* Longer than any delay here, in virtual time. */
	struct bh_nvme_options options = {.command_timeout_ns = 200000000};

	bh_poller_add(&poller);
	assert_int_equal(bh_nvme_open("nvme0", &options, &run.ctrl), 0);
	assert_int_equal(bh_nvme_ns_find(run.ctrl, 1, &run.ns), 0);
	assert_int_equal(bh_nvme_qpair_create(run.ctrl, WORKERS - 1, &run.qp), 0);
	run.running_cnt = WORKERS;
	for (uint32_t i = 0; i < WORKERS; i++)
		assert_int_equal(bh_fiber_spawn(worker_main, (void *)(uintptr_t)i), 0);
	while (run.running_cnt) {
		assert_true(clock_ns < deadline_ns);
		bh_yield();
	}
	assert_int_equal(run.ok_cnt + run.failed_cnt + run.gone_cnt, WORKERS * ROUNDS);
	assert_int_equal(bh_nvme_outstanding(run.qp), 0);
	if (!faults)
		other_commands();
	assert_int_equal(bh_nvme_qpair_delete(run.qp), 0);
	int err = bh_nvme_close(run.ctrl);
	assert_int_equal(err, run.gone_cnt ? -BH_ENODEV : 0);
	bh_poller_remove(&poller);
}

static uint64_t
counter(const char *name)
{
	char full[48];
	snprintf(full, sizeof(full), "nvme0.%s", name);
	return *bh_counter_register(full, "");
}

static uint64_t
fired(void)
{
	struct nvme_model_stats stats;
	nvme_model_stats_get(model, &stats);
	return stats.fault_cnt[run.rule.action];
}

static void
run_start_with(const struct nvme_fault_rule *rules, uint32_t rule_cnt)
{
	struct nvme_model_host host = {.dma_window = window, .doorbells = doorbells};
	struct nvme_model_backing backing = {.memory = disk};
	assert_int_equal(bh_hosted_map(1, 16u << 20, 16u << 20), 0);
	struct bh_boot_page *page = bh_hosted_page();
	page->device_cnt = 1;
	strcpy(page->device[0].name, "nvme0");
	strcpy(page->device[0].model, "nvme");
	page->device[0].pci_class = 0x010802;
	assert_int_equal(bh_hosted_cores_init(), 0);
	core_self = bh_hosted_core_get(0);
	memset(disk, 0, sizeof(disk));
	clock_ns = 0;
	run.ok_cnt = run.failed_cnt = run.gone_cnt = 0;
	run.config.rules = rules;
	run.config.rule_cnt = rule_cnt;
	run.random = run.config.seed * 0x9e3779b97f4a7c15u | 1;
	assert_true(nvme_model_doorbell_bytes(&run.config) <= sizeof(doorbells));
	assert_int_equal(nvme_model_create(&run.config, &host, &backing, &model), 0);
	assert_int_equal(bh_core_run_fn(core_self, body, NULL), 0);
}

static void
run_start(void)
{
	run_start_with(&run.rule, run.config.rule_cnt);
}

static void
run_end(void)
{
	nvme_model_destroy(model);
	bh_hosted_unmap();
}

static void
config_default(uint64_t seed)
{
	run.config = (struct nvme_model_config)NVME_MODEL_CONFIG_DEFAULT;
	run.config.size_bytes = 4u << 20;
	run.config.seed = seed;
	run.config.mdts = 3; /* 32 KiB: the larger requests are split */
	run.rule = (struct nvme_fault_rule)NVME_FAULT_RULE_ANY;
}

static void
test_without_faults(void **state)
{
	static const uint32_t blocks[] = {512, 4096};
	for (size_t i = 0; i < BH_ARRAY_CNT(blocks); i++) {
		for (int shadow = 0; shadow < 2; shadow++) {
			config_default(i + 1);
			run.config.block_bytes = blocks[i];
			run.config.shadow_doorbells = shadow;
			run.config.io_queue_cnt = 8;
			run.config.ready_delay_ns = 3000000;
			run_start();
			assert_int_equal(run.ok_cnt, WORKERS * ROUNDS);
			assert_int_equal(counter("reset"), 0);
			assert_int_equal(counter("completion_bad_sq_head"), 0);
			run_end();
		}
	}
}

static void
test_tiny_queues(void **state)
{
	config_default(3);
	run.config.queue_entries = 2;
	run_start();
	assert_int_equal(run.ok_cnt, WORKERS * ROUNDS);
	run_end();
}

/* What a fault must lead to; where it must not lead to anything, the counters say so too. */
struct expectation {
	const char *counter; /* grows at least once */
	enum nvme_fault_action action;
	bool harmless; /* every command succeeds */
	bool resets;   /* at least one controller reset */
	bool removed;
};

static const struct expectation expectations[] = {
        {NULL, NVME_FAULT_DELAY, true, false, false},
        {"command_timeout", NVME_FAULT_LOSE, false, true, false},
        {"abort", NVME_FAULT_HANG, false, false, false},
        {"completion_duplicate", NVME_FAULT_DUPLICATE, true, false, false},
        {NULL, NVME_FAULT_REORDER, true, false, false},
        {"completion_unknown_id", NVME_FAULT_WRONG_ID, false, true, false},
        {"completion_unknown_id", NVME_FAULT_STRAY, true, false, false},
        {"command_timeout", NVME_FAULT_WRONG_PHASE, false, true, false},
        {"completion_wrong_sq", NVME_FAULT_WRONG_SQ, false, true, false},
        {"completion_bad_sq_head", NVME_FAULT_WRONG_HEAD, false, true, false},
        {"completion_old_sq_head", NVME_FAULT_OLD_HEAD, true, false, false},
        {"status_error", NVME_FAULT_STATUS, false, false, false},
        {"status_error", NVME_FAULT_DMA_OUTSIDE, false, false, false},
        {"reset", NVME_FAULT_FATAL, false, true, false},
        {"removed", NVME_FAULT_REMOVE, false, false, true},
        {"async_event", NVME_FAULT_EVENT, true, false, false},
};

static void
expectation_check(const struct expectation *expected, uint64_t seed)
{
	config_default(seed);
	run.config.rule_cnt = 1;
	run.rule.action = expected->action;
	run.rule.nth = 20 + seed * 13;
	run.rule.delay_ns_min = 1000000;
	run.rule.delay_ns_max = 50000000;
	run.rule.value = expected->action == NVME_FAULT_STATUS    ? NVME_SC_UNRECOVERED_READ
	                 : expected->action == NVME_FAULT_REORDER ? 3
	                                                          : 0x020100; /* event: error, value, page 2 */
	run_start();
	assert_int_equal(fired(), 1);
	if (expected->counter)
		assert_true(counter(expected->counter) >= 1);
	assert_int_equal(counter("reset") > 0, expected->resets);
	assert_int_equal(counter("removed"), expected->removed);
	assert_int_equal(run.gone_cnt > 0, expected->removed);
	if (expected->harmless)
		assert_int_equal(run.ok_cnt, WORKERS * ROUNDS);
	run_end();
}

static void
test_each_fault(void **state)
{
	for (size_t i = 0; i < BH_ARRAY_CNT(expectations); i++) {
		for (uint64_t seed = 1; seed <= 6; seed++)
			expectation_check(&expectations[i], seed);
	}
}

/* The second time that the controller is enabled or disabled goes wrong: during a reset, which a fatal status brings about. */
static void
reset_goes_wrong(enum nvme_fault_action action, const char *name)
{
	static struct nvme_fault_rule rules[2];
	config_default(5);
	rules[0] = rules[1] = run.rule;
	rules[0].action = NVME_FAULT_FATAL;
	rules[0].nth = 50;
	rules[1].action = run.rule.action = action;
	rules[1].op = NVME_FAULT_OP_ANY;
	rules[1].nth = action == NVME_FAULT_STUCK_READY ? 2 : 1;
	run_start_with(rules, 2);
	assert_int_equal(counter("removed"), 0);
	assert_true(counter(name) >= 1);
	run_end();
}

static void
test_stuck_resets(void **state)
{
	reset_goes_wrong(NVME_FAULT_STUCK_READY, "reset");
	reset_goes_wrong(NVME_FAULT_STUCK_ENABLED, "device_reset");
}

/* Many faults of a kind: a bad device, slow but never wrong. */
static void
test_storms(void **state)
{
	for (size_t i = 0; i < BH_ARRAY_CNT(expectations); i++) {
		if (expectations[i].removed)
			continue;
		config_default(100 + i);
		run.config.rule_cnt = 1;
		run.rule.action = expectations[i].action;
		run.rule.probability = 0.02;
		run.rule.delay_ns_max = 5000000;
		run.rule.value = expectations[i].action == NVME_FAULT_EVENT ? 0x020100 : NVME_SC_UNRECOVERED_READ;
		run_start();
		assert_int_equal(run.gone_cnt, 0);
		run_end();
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_without_faults), cmocka_unit_test(test_tiny_queues),
	        cmocka_unit_test(test_each_fault),     cmocka_unit_test(test_stuck_resets),
	        cmocka_unit_test(test_storms),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
