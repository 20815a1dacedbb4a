/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Panic: the end of a cell that found itself broken. Records where and why in shared memory, then traps (ud2). The
 * supervisor reads the record, names it, resets the devices and ends the cell.
 */
#ifndef BULKHEAD_PANIC_H
#define BULKHEAD_PANIC_H

#include <bulkhead/types.h>

/* bh_panic_at - write the calling core's panic record and trap. Any context; does not return. */
BH_NORETURN void bh_panic_at(const char *file, unsigned line, const char *message, uint64_t value0, uint64_t value1);

#define bh_panic(message, value0, value1)                                                                              \
	bh_panic_at(__FILE__, __LINE__, message, (uint64_t)(value0), (uint64_t)(value1))

/* bh_assert - always on: a violated invariant ends the cell. Never for what a device or the host wrote. */
#define bh_assert(condition)                                                                                           \
	do {                                                                                                           \
		if (BH_UNLIKELY(!(condition)))                                                                         \
			bh_panic("assertion failed: " #condition, 0, 0);                                               \
	} while (0)

#endif
