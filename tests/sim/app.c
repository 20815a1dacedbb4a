/* SPDX-License-Identifier: Apache-2.0 */
/* nvme-bench as it is: the simulator writes its configuration, asks it to stop, and reads its counters. */
#include <string.h>

#include "core/core.h"
#include "tests/hosted/include/bulkhead/hosted.h"
#include "tests/sim/sim.h"

void
sim_app_prepare(const struct sim_plan *plan, struct bh_boot_page *page)
{
	memcpy(page->app_config, &plan->app, sizeof(plan->app));
	page->app_config_bytes = sizeof(plan->app);
}

int
sim_app_body(struct bh_core *core)
{
	return bh_core_run(core);
}

/* What a core may return, by what the plan lets go wrong. */
static bool
exit_is_documented(const struct sim_plan *plan, int code)
{
	if (code == 0)
		return true;
	if (plan->arena_tight && code == -BH_ENOMEM)
		return true;
	if (sim_plan_is_healthy(plan))
		return false;
	return code == -BH_ENODEV || code == -BH_ETIMEDOUT || code == -BH_EIO || code == -BH_EAGAIN;
}

static void
data_check(void)
{
	static const char *const bad[] = {NVME_BENCH_COUNTER_LOST, NVME_BENCH_COUNTER_TORN,
	                                  NVME_BENCH_COUNTER_MISDIRECTED, NVME_BENCH_COUNTER_CORRUPT};
	for (size_t i = 0; i < BH_ARRAY_CNT(bad); i++) {
		if (sim_counter(bad[i]) != 0)
			sim_fail("nvme-bench: %s is %lu", bad[i], sim_counter(bad[i]));
	}
}

static bool
is_blank(const uint8_t *bytes, uint64_t cnt)
{
	return bytes[0] == 0 && memcmp(bytes, bytes + 1, cnt - 1) == 0;
}

/* Every block that was written has to be read back at the end, or counted as not read back. */
static void
read_back_check(const struct sim_plan *plan)
{
	const uint8_t *media = sim_device_media(plan->app.namespace_id);
	uint64_t block_cnt = plan->device.size_bytes / plan->app.block_bytes, written_cnt = 0;
	uint64_t seen_cnt = sim_counter(NVME_BENCH_COUNTER_VERIFIED) + sim_counter(NVME_BENCH_COUNTER_UNCHECKED);

	for (uint64_t i = 0; i < block_cnt; i++)
		written_cnt += !is_blank(media + i * plan->app.block_bytes, plan->app.block_bytes);
	if (seen_cnt < written_cnt)
		sim_fail("nvme-bench verify: %lu blocks were written, %lu looked at", written_cnt, seen_cnt);
}

/* A device without faults: nothing may go wrong, and something must have been done. */
static void
healthy_check(const struct sim_plan *plan)
{
	uint64_t done_cnt = sim_counter(NVME_BENCH_COUNTER_READS) + sim_counter(NVME_BENCH_COUNTER_WRITES);

	if (sim_counter(NVME_BENCH_COUNTER_ERRORS) != 0)
		sim_fail("nvme-bench: %lu errors on a healthy device", sim_counter(NVME_BENCH_COUNTER_ERRORS));
	if (done_cnt == 0 && plan->app.fill == 0) /* what fills is not counted */
		sim_fail("nvme-bench did nothing");
	if (plan->app.pattern == NVME_BENCH_VERIFY && plan->app.fill == 0)
		read_back_check(plan);
	sim_driver_healthy_check();
}

void
sim_app_check(const struct sim_plan *plan, struct sim_result *out)
{
	for (unsigned i = 0; i < plan->core_cnt; i++) {
		if (!exit_is_documented(plan, sim_turn_exit_code(i)))
			sim_fail("core %u of nvme-bench returned %d", i, sim_turn_exit_code(i));
	}
	data_check();
	if (sim_plan_is_healthy(plan) && !plan->arena_tight)
		healthy_check(plan);
	out->checked_cnt = sim_counter(NVME_BENCH_COUNTER_VERIFIED);
}
