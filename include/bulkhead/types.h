/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Basic types, attributes and error numbers of the freestanding side.
 *
 * Every fallible function returns 0 (or a count) or a negative BH_E* value. The numbers equal Linux's
 * errno values, so the host side prints them with strerror(); tests/unit/test_types.c checks that.
 */
#ifndef BULKHEAD_TYPES_H
#define BULKHEAD_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BH_CACHE_LINE_BYTES 64u
#define BH_PAGE_BYTES       4096u

#define BH_MUST_CHECK                      __attribute__((warn_unused_result))
#define BH_NORETURN                        __attribute__((noreturn))
#define BH_ALIGNED(n)                      __attribute__((aligned(n)))
#define BH_PACKED                          __attribute__((packed))
#define BH_INLINE                          static inline __attribute__((always_inline))
#define BH_NOINLINE                        __attribute__((noinline))
#define BH_PRINTF(f, a)                    __attribute__((format(printf, f, a)))
#define BH_LIKELY(x)                       __builtin_expect(!!(x), 1)
#define BH_UNLIKELY(x)                     __builtin_expect(!!(x), 0)
#define BH_ARRAY_CNT(a)                    (sizeof(a) / sizeof((a)[0]))
#define BH_CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* Both operands must have the same unsigned type; they are evaluated once. */
#define BH_MIN(a, b)                                                                                                   \
	({                                                                                                             \
		__typeof__(a) bh_min_a = (a);                                                                          \
		__typeof__(b) bh_min_b = (b);                                                                          \
		bh_min_a < bh_min_b ? bh_min_a : bh_min_b;                                                             \
	})
#define BH_MAX(a, b)                                                                                                   \
	({                                                                                                             \
		__typeof__(a) bh_max_a = (a);                                                                          \
		__typeof__(b) bh_max_b = (b);                                                                          \
		bh_max_a > bh_max_b ? bh_max_a : bh_max_b;                                                             \
	})

/* `align` is a power of two. */
#define BH_ALIGN_UP(x, align)   (((x) + ((__typeof__(x))(align)-1)) & ~((__typeof__(x))(align)-1))
#define BH_ALIGN_DOWN(x, align) ((x) & ~((__typeof__(x))(align)-1))
#define BH_IS_POW2(x)           ((x) != 0 && ((x) & ((x)-1)) == 0)

/* Linux's errno numbers, under names that do not need a libc header. */
enum bh_errno {
	BH_EPERM = 1,
	BH_ENOENT = 2,
	BH_EIO = 5,
	BH_E2BIG = 7,
	BH_EAGAIN = 11,
	BH_ENOMEM = 12,
	BH_EFAULT = 14,
	BH_EBUSY = 16,
	BH_EEXIST = 17,
	BH_ENODEV = 19,
	BH_EINVAL = 22,
	BH_ENOSPC = 28,
	BH_ERANGE = 34,
	BH_ENOSYS = 38,
	BH_EPROTO = 71,
	BH_EOVERFLOW = 75,
	BH_EILSEQ = 84,
	BH_EOPNOTSUPP = 95,
	BH_ETIMEDOUT = 110,
	BH_ECANCELED = 125,
};

#endif
