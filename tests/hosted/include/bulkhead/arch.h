/* SPDX-License-Identifier: Apache-2.0 */
/**
 * <bulkhead/arch.h> for code that runs inside an ordinary process (unit tests, micro-benchmarks): the instructions are
 * those of a cell; only the core's context comes from thread-local storage.
 */
#ifndef BULKHEAD_ARCH_H
#define BULKHEAD_ARCH_H

#include <bulkhead/arch_x86_64.h>
#include <bulkhead/types.h>

struct bh_core;

/* Set by the test's set-up (bh_hosted_core_set); NULL until then. */
extern __thread struct bh_core *bh_hosted_core;

BH_INLINE struct bh_core *
bh_core_self(void)
{
	return bh_hosted_core;
}

#endif
