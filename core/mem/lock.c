/* SPDX-License-Identifier: Apache-2.0 */
#include "core/mem/lock.h"
#include "core/internal.h"

void
bh_lock_wait(struct bh_lock *lock)
{
	uint64_t deadline_tsc = bh_clock_now_tsc() + bh_ns_to_tsc(BH_LOCK_TIMEOUT_NS);
	for (;;) {
		while (__atomic_load_n(&lock->held, __ATOMIC_RELAXED) != 0) {
			if (bh_clock_now_tsc() > deadline_tsc)
				bh_panic("a spin lock was not released in time", (uintptr_t)lock, BH_LOCK_TIMEOUT_NS);
			bh_cpu_pause();
		}
		if (__atomic_exchange_n(&lock->held, 1, __ATOMIC_ACQUIRE) == 0)
			return;
	}
}
