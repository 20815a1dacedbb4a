/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What core needs from a machine beyond <bulkhead/arch.h>: stacks that can be switched, and a trap.
 */
#ifndef CORE_ARCH_ARCH_H
#define CORE_ARCH_ARCH_H

#include <bulkhead/abi/shared.h>
#include <bulkhead/types.h>

/**
 * bh_arch_fiber_prepare - lay out a fresh stack so that a switch to it calls fn(arg)
 * @low, @high: the stack, high 16-byte aligned
 * fn must not return. Return: the stack pointer to switch to.
 */
void *bh_arch_fiber_prepare(uintptr_t low, uintptr_t high, void (*fn)(void *), void *arg);

/**
 * bh_arch_fiber_switch - save this stack's callee-saved registers, go on at another's
 * @out_sp: where this one can be switched to again
 *
 * The floating-point control words are not switched: no cell code changes them.
 */
void bh_arch_fiber_switch(void **out_sp, void *sp);

/* bh_arch_trap - the end: an invalid instruction in a cell, a message and abort() in a hosted program. */
BH_NORETURN void bh_arch_trap(const struct bh_panic_record *record);

#endif
