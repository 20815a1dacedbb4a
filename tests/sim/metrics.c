/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "tests/hosted/include/bulkhead/hosted.h"
#include "tests/sim/sim.h"
#include <bulkhead/abi/shared.h>

uint64_t
sim_counter(const char *name)
{
	const struct bh_boot_page *page = bh_hosted_page();
	const struct bh_shared_layout *layout = &page->shared;
	const struct bh_metric_desc *desc = bh_hosted_shared(layout->counter_desc_offset);
	const uint64_t *value = bh_hosted_shared(layout->counter_offset);
	uint64_t sum = 0;

	for (uint32_t i = 0; i < layout->counter_cnt; i++) {
		if (desc[i].kind != BH_METRIC_COUNTER || strcmp(desc[i].name, name) != 0)
			continue;
		for (uint32_t core_idx = 0; core_idx < page->core_cnt; core_idx++)
			sum += value[core_idx * layout->counter_cnt + i];
	}
	return sum;
}

void
sim_driver_healthy_check(void)
{
	static const char *const zero[] = {
	        "nvme0.completion_unknown_id",
	        "nvme0.completion_duplicate",
	        "nvme0.completion_wrong_sq",
	        "nvme0.completion_bad_sq_head",
	        "nvme0.completion_old_sq_head",
	        "nvme0.command_timeout",
	        "nvme0.abort",
	        "nvme0.device_reset",
	        "nvme0.removed",
	};
	for (size_t i = 0; i < BH_ARRAY_CNT(zero); i++) {
		if (sim_counter(zero[i]) != 0)
			sim_fail("%s is %lu on a healthy device", zero[i], sim_counter(zero[i]));
	}
}
