/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What the misbehaving test cell is told to do: [misbehave] what = WORD, on = core. Freestanding; the tests include it too.
 */
#ifndef TESTS_CELLS_MISBEHAVE_H
#define TESTS_CELLS_MISBEHAVE_H

#include <bulkhead/types.h>

/* X(word): a word of [misbehave] what, and a function of the cell. Order is the value in the boot page. */
#define MISBEHAVE_LIST(X)                                                                                              \
	X(nothing)                                                                                                     \
	X(return_at_once)                                                                                              \
	X(fail)                                                                                                        \
	X(ignore_stop)                                                                                                 \
	X(stall)                                                                                                       \
	X(panic)                                                                                                       \
	X(write_null)                                                                                                  \
	X(call_null)                                                                                                   \
	X(write_wild)                                                                                                  \
	X(write_noncanonical)                                                                                          \
	X(write_code)                                                                                                  \
	X(write_boot_page)                                                                                             \
	X(divide_by_zero)                                                                                              \
	X(bad_instruction)                                                                                             \
	X(overflow_stack)                                                                                              \
	X(below_arena)                                                                                                 \
	X(above_arena)                                                                                                 \
	X(below_heap)                                                                                                  \
	X(above_heap)                                                                                                  \
	X(above_shared)                                                                                                \
	X(syscall_getpid)                                                                                              \
	X(syscall_write)                                                                                               \
	X(syscall_open)                                                                                                \
	X(syscall_int80)                                                                                               \
	X(syscall_x32)                                                                                                 \
	X(exit_group)                                                                                                  \
	X(forge_done_and_stall)                                                                                        \
	X(forge_done)                                                                                                  \
	X(forge_mailbox)

enum misbehave_what {
#define MISBEHAVE_ENUM(word) MISBEHAVE_##word,
	MISBEHAVE_LIST(MISBEHAVE_ENUM)
#undef MISBEHAVE_ENUM
	        MISBEHAVE_CNT
};

struct misbehave_config {
	uint32_t what;
	uint32_t core_idx; /* on which core; the others wait for the end */
};

#endif
