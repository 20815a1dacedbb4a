/* SPDX-License-Identifier: Apache-2.0 */
#include "core/internal.h"

void
bh_barrier_wait(void)
{
	struct bh_cell *cell = bh_core_self()->cell;
	uint64_t deadline_tsc = bh_clock_now_tsc() + bh_ns_to_tsc(BH_BARRIER_TIMEOUT_NS);
	uint32_t round = __atomic_load_n(&cell->barrier_round, __ATOMIC_ACQUIRE);
	if (__atomic_add_fetch(&cell->barrier_arrived_cnt, 1, __ATOMIC_ACQ_REL) == cell->page->core_cnt) {
		cell->barrier_arrived_cnt = 0;
		/* Release: whoever leaves sees what every core did before it came. */
		__atomic_store_n(&cell->barrier_round, round + 1, __ATOMIC_RELEASE);
		return;
	}
	while (__atomic_load_n(&cell->barrier_round, __ATOMIC_ACQUIRE) == round) {
		if (bh_clock_now_tsc() > deadline_tsc)
			bh_panic("a core did not come to the barrier", cell->barrier_arrived_cnt, cell->page->core_cnt);
		bh_yield();
		bh_cpu_pause();
	}
}
