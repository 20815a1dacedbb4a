/* SPDX-License-Identifier: Apache-2.0 */
/**
 * x86-64 instructions behind <bulkhead/arch.h>. Include that one, not this.
 */
#ifndef BULKHEAD_ARCH_X86_64_H
#define BULKHEAD_ARCH_X86_64_H

#include <bulkhead/types.h>

/* bh_clock_now_tsc - the time stamp counter; not ordered against loads and stores around it. About 10 ns on a guest. */
BH_INLINE uint64_t
bh_clock_now_tsc(void)
{
	uint32_t low, high;
	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

/* bh_cpu_pause - one turn of a spin loop: tells the core (and a sibling thread, and a hypervisor) that we wait. */
BH_INLINE void
bh_cpu_pause(void)
{
	__asm__ volatile("pause");
}

/* bh_compiler_barrier - no memory access moves across it in the compiler. */
BH_INLINE void
bh_compiler_barrier(void)
{
	__asm__ volatile("" ::: "memory");
}

/* bh_dma_wmb - what was stored to the arena before is visible to the device before any later store. */
BH_INLINE void
bh_dma_wmb(void)
{
	bh_compiler_barrier();
}

/* bh_dma_rmb - loads after it see what the device wrote before the value that the last load returned. */
BH_INLINE void
bh_dma_rmb(void)
{
	bh_compiler_barrier();
}

/* bh_dma_mb - a store before it is visible before any load after it is done (shadow doorbells need this one). */
BH_INLINE void
bh_dma_mb(void)
{
	__asm__ volatile("lock; addl $0, -4(%%rsp)" ::: "memory", "cc");
}

BH_INLINE uint8_t
bh_mmio_read8(const volatile void *addr)
{
	return *(const volatile uint8_t *)addr;
}

BH_INLINE uint16_t
bh_mmio_read16(const volatile void *addr)
{
	return *(const volatile uint16_t *)addr;
}

BH_INLINE uint32_t
bh_mmio_read32(const volatile void *addr)
{
	return *(const volatile uint32_t *)addr;
}

BH_INLINE uint64_t
bh_mmio_read64(const volatile void *addr)
{
	return *(const volatile uint64_t *)addr;
}

/* bh_mmio_write8 .. bh_mmio_write64 - one store to device memory; comes after every earlier store of this core. */
BH_INLINE void
bh_mmio_write8(volatile void *addr, uint8_t value)
{
	bh_compiler_barrier();
	*(volatile uint8_t *)addr = value;
}

BH_INLINE void
bh_mmio_write16(volatile void *addr, uint16_t value)
{
	bh_compiler_barrier();
	*(volatile uint16_t *)addr = value;
}

BH_INLINE void
bh_mmio_write32(volatile void *addr, uint32_t value)
{
	bh_compiler_barrier();
	*(volatile uint32_t *)addr = value;
}

BH_INLINE void
bh_mmio_write64(volatile void *addr, uint64_t value)
{
	bh_compiler_barrier();
	*(volatile uint64_t *)addr = value;
}

/* bh_prefetch_read / bh_prefetch_write - hint that the line will be read or written soon. Never faults. */
BH_INLINE void
bh_prefetch_read(const void *addr)
{
	__builtin_prefetch(addr, 0, 3);
}

BH_INLINE void
bh_prefetch_write(const void *addr)
{
	__asm__ volatile("prefetchw %0" : : "m"(*(const char *)addr));
}

#endif
