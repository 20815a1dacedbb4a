/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The spin lock of control paths. A holder never yields and never waits, so a lock that is not free within
 * BH_LOCK_TIMEOUT_NS means a broken cell: it panics. Without a core context (before the cores run) there is one thread
 * and the lock is always free.
 */
#ifndef CORE_MEM_LOCK_H
#define CORE_MEM_LOCK_H

#include <bulkhead/types.h>

#define BH_LOCK_TIMEOUT_NS UINT64_C(4000000000)

struct bh_lock {
	uint32_t held;
};

/* bh_lock_wait - the slow path of bh_lock_take: spin with a deadline, panic when it passes. */
void bh_lock_wait(struct bh_lock *lock);

BH_INLINE void
bh_lock_take(struct bh_lock *lock)
{
	if (BH_UNLIKELY(__atomic_exchange_n(&lock->held, 1, __ATOMIC_ACQUIRE) != 0))
		bh_lock_wait(lock);
}

BH_INLINE void
bh_lock_release(struct bh_lock *lock)
{
	__atomic_store_n(&lock->held, 0, __ATOMIC_RELEASE);
}

#endif
