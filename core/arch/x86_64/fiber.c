/* SPDX-License-Identifier: Apache-2.0 */
#include "core/arch/arch.h"
#include "core/arch/x86_64/frame.h"

void *
bh_arch_fiber_prepare(uintptr_t low, uintptr_t high, void (*fn)(void *), void *arg)
{
	(void)low;
	return bh_fiber_frame_init(high, fn, arg);
}

void
bh_arch_trap(const struct bh_panic_record *record)
{
	/* The record's address stays in a register for whoever reads the dump. */
	__asm__ volatile("ud2" : : "D"(record));
	__builtin_unreachable();
}
