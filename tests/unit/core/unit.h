/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Set-up shared by core's unit tests: a hosted cell of two cores, and panics that can be expected.
 */
#ifndef TESTS_UNIT_CORE_UNIT_H
#define TESTS_UNIT_CORE_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/internal.h"
#include <bulkhead/hosted.h>

#define UNIT_ARENA_BYTES (8u << 20)
#define UNIT_HEAP_BYTES  (8u << 20)

static jmp_buf unit_panic_jump;
static struct bh_panic_record unit_panic_record;

static inline void
unit_panic_hook(const struct bh_panic_record *record)
{
	unit_panic_record = *record;
	longjmp(unit_panic_jump, 1);
}

/*
 * The statement must panic; unit_panic_record tells how. It may panic on this stack only. The core is put back to where
 * it was: a panicked cell never goes on, but the test wants to.
 */
#define unit_expect_panic(statement)                                                                                   \
	do {                                                                                                           \
		struct bh_core *volatile unit_core = bh_core_self();                                                   \
		struct bh_fiber *volatile unit_fiber = unit_core != NULL ? unit_core->current : NULL;                  \
		bh_hosted_on_panic(unit_panic_hook);                                                                   \
		if (setjmp(unit_panic_jump) == 0) {                                                                    \
			statement;                                                                                     \
			bh_hosted_on_panic(NULL);                                                                      \
			fail_msg("no panic: %s", #statement);                                                          \
		}                                                                                                      \
		bh_hosted_on_panic(NULL);                                                                              \
		if (unit_core != NULL)                                                                                 \
			unit_core->current = unit_fiber;                                                               \
	} while (0)

static inline int
unit_cell_start(void **state)
{
	(void)state;
	return bh_hosted_start(2, UNIT_ARENA_BYTES, UNIT_HEAP_BYTES);
}

static inline int
unit_cell_stop(void **state)
{
	(void)state;
	bh_hosted_stop();
	return 0;
}

#endif
