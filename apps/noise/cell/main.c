/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks at the time stamp counter without pause. Where two looks are further apart than a turn takes, something else had this core:
 * the histogram has every turn, and each gap above the threshold is written down with its time.
 */
#include <bulkhead/cell.h>
#include <bulkhead/log.h>
#include <bulkhead/metrics.h>

#include "apps/noise/config.h"

static void
write_gap(struct noise_core *out, uint64_t start_tsc, uint64_t end_tsc)
{
	const uint64_t head = out->head;
	out->gap[head % NOISE_GAPS] = (struct noise_gap){start_tsc, end_tsc};
	__atomic_store_n(&out->head, head + 1, __ATOMIC_RELEASE); /* the gap is there before it is counted */
}

/* One turn: the clock, the stop word, the bucket. */
static uint64_t
measure(struct noise_core *out, struct bh_hist *hist, const struct noise_config *config, uint64_t start_tsc)
{
	const uint64_t end_tsc = start_tsc + config->duration_tsc, threshold_tsc = config->threshold_tsc;
	uint64_t last_tsc = start_tsc, turn_cnt = 0;
	while (last_tsc < end_tsc && !bh_stop_requested()) {
		const uint64_t now_tsc = bh_clock_now_tsc();
		const uint64_t turn_tsc = now_tsc - last_tsc;
		bh_hist_record(hist, turn_tsc);
		if (BH_UNLIKELY(turn_tsc > threshold_tsc))
			write_gap(out, last_tsc, now_tsc);
		last_tsc = now_tsc;
		if (BH_UNLIKELY(++turn_cnt % NOISE_BEAT_TURNS == 0))
			bh_heartbeat();
	}
	out->turn_cnt = turn_cnt;
	return last_tsc;
}

static uint64_t
arena_bytes(void)
{
	const struct bh_boot_page *page = bh_boot_page();
	for (uint32_t i = 0; i < page->region_cnt; i++) {
		if (page->region[i].kind == BH_REGION_ARENA)
			return page->region[i].size_bytes;
	}
	return 0;
}

int
cell_main(unsigned core_idx)
{
	const struct noise_config *config = bh_app_config(sizeof(*config));
	if (config == NULL || arena_bytes() < (uint64_t)bh_core_cnt() * sizeof(struct noise_core)) {
		bh_log_error("no orders, or an arena that is too small");
		return -BH_EINVAL;
	}
	struct noise_core *out = (struct noise_core *)(uintptr_t)BH_ADDR_ARENA + core_idx;
	struct bh_hist *hist = bh_hist_register(NOISE_HIST);
	bh_barrier_wait();
	out->start_tsc = bh_clock_now_tsc();
	__atomic_store_n(&out->state, NOISE_MEASURING, __ATOMIC_RELEASE);
	out->end_tsc = measure(out, hist, config, out->start_tsc);
	__atomic_store_n(&out->state, NOISE_DONE, __ATOMIC_RELEASE);
	/* Also after Ctrl-C: what was measured until then counts. */
	const uint64_t give_up_tsc = bh_clock_now_tsc() + bh_ns_to_tsc(NOISE_READ_NS);
	while (__atomic_load_n(&out->read, __ATOMIC_ACQUIRE) == 0 && bh_clock_now_tsc() < give_up_tsc) {
		bh_heartbeat();
		bh_cpu_pause();
	}
	return 0;
}
