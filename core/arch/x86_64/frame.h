/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What bh_arch_fiber_switch (fiber.S) leaves on the stack of a fiber that is switched away, lowest address first.
 */
#ifndef CORE_ARCH_X86_64_FRAME_H
#define CORE_ARCH_X86_64_FRAME_H

#include <bulkhead/types.h>

struct bh_fiber_frame {
	uint64_t r15, r14, r13, r12, rbx, rbp;
	uint64_t rip;
	uint64_t top[2]; /* stays below the stack's end: zeros that stop a stack walk */
};

_Static_assert(sizeof(struct bh_fiber_frame) == 72, "the entry finds its stack 16-byte aligned");

void bh_arch_fiber_entry(void);

/* bh_fiber_frame_init - lay the first frame of a fiber that will call fn(arg). Return: the stack pointer. */
BH_INLINE void *
bh_fiber_frame_init(uintptr_t high, void (*fn)(void *), void *arg)
{
	struct bh_fiber_frame *frame = (struct bh_fiber_frame *)(high - sizeof(*frame));
	*frame = (struct bh_fiber_frame){
	        .rbx = (uintptr_t)fn,
	        .r12 = (uintptr_t)arg,
	        .rip = (uintptr_t)bh_arch_fiber_entry,
	};
	return frame;
}

#endif
