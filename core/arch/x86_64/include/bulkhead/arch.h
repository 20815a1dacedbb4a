/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The machine under a cell: time stamp counter, pause, DMA ordering, device memory, the core's own context.
 *
 * Every accessor that a driver or app uses for time or registers is here or in <bulkhead/device.h>. There are three
 * versions of this header, chosen by include path: core/arch/x86_64 (cells), tests/hosted (unit tests and benchmarks:
 * the same instructions in an ordinary process), tests/sim/arch (the simulator: virtual clock, no real waiting).
 *
 * x86-64 keeps stores in order and loads in order (TSO, Intel SDM vol. 3, 8.2), and DMA is coherent
 * (ASSUME-COHERENT-DMA), so the DMA barriers only have to stop the compiler.
 */
#ifndef BULKHEAD_ARCH_H
#define BULKHEAD_ARCH_H

#include <bulkhead/arch_x86_64.h>
#include <bulkhead/types.h>

struct bh_core;

/* bh_core_self - the calling core's context: boot/ puts it into the thread block that %fs points at. */
BH_INLINE struct bh_core *
bh_core_self(void)
{
	struct bh_core *self;
	__asm__("mov %%fs:0x10, %0" : "=r"(self));
	return self;
}

#endif
