/* SPDX-License-Identifier: Apache-2.0 */
/**
 * <bulkhead/arch.h> for the simulator: the same names, a virtual clock. Every call out of here (asking for the own core,
 * reading the clock, pausing, a DMA barrier, a register access) is a point where the simulator may move time on and let
 * another core or the device run.
 */
#ifndef BULKHEAD_ARCH_H
#define BULKHEAD_ARCH_H

#include <bulkhead/types.h>

struct bh_core;

struct bh_core *sim_core_self(void);
uint64_t sim_clock_now(void);
void sim_pause(void);
void sim_mmio_write(volatile void *addr, uint64_t value, unsigned width_bytes);

/* Not needed by the unit tests that use this header without the simulator: there a barrier is nothing, a load a load. */
__attribute__((weak)) void sim_barrier(void);
__attribute__((weak)) uint64_t sim_mmio_read(const volatile void *addr, unsigned width_bytes);

BH_INLINE struct bh_core *
bh_core_self(void)
{
	return sim_core_self();
}

BH_INLINE uint64_t
bh_clock_now_tsc(void)
{
	return sim_clock_now();
}

BH_INLINE void
bh_cpu_pause(void)
{
	sim_pause();
}

BH_INLINE void
bh_compiler_barrier(void)
{
	__asm__ volatile("" ::: "memory");
}

BH_INLINE void
bh_dma_wmb(void)
{
	bh_compiler_barrier();
	if (sim_barrier)
		sim_barrier();
}

BH_INLINE void
bh_dma_rmb(void)
{
	bh_compiler_barrier();
	if (sim_barrier)
		sim_barrier();
}

BH_INLINE void
bh_dma_mb(void)
{
	bh_compiler_barrier();
	if (sim_barrier)
		sim_barrier();
}

BH_INLINE uint8_t
bh_mmio_read8(const volatile void *addr)
{
	return sim_mmio_read ? (uint8_t)sim_mmio_read(addr, 1) : *(const volatile uint8_t *)addr;
}

BH_INLINE uint16_t
bh_mmio_read16(const volatile void *addr)
{
	return sim_mmio_read ? (uint16_t)sim_mmio_read(addr, 2) : *(const volatile uint16_t *)addr;
}

BH_INLINE uint32_t
bh_mmio_read32(const volatile void *addr)
{
	return sim_mmio_read ? (uint32_t)sim_mmio_read(addr, 4) : *(const volatile uint32_t *)addr;
}

BH_INLINE uint64_t
bh_mmio_read64(const volatile void *addr)
{
	return sim_mmio_read ? sim_mmio_read(addr, 8) : *(const volatile uint64_t *)addr;
}

BH_INLINE void
bh_mmio_write8(volatile void *addr, uint8_t value)
{
	sim_mmio_write(addr, value, 1);
}

BH_INLINE void
bh_mmio_write16(volatile void *addr, uint16_t value)
{
	sim_mmio_write(addr, value, 2);
}

BH_INLINE void
bh_mmio_write32(volatile void *addr, uint32_t value)
{
	sim_mmio_write(addr, value, 4);
}

BH_INLINE void
bh_mmio_write64(volatile void *addr, uint64_t value)
{
	sim_mmio_write(addr, value, 8);
}

BH_INLINE void
bh_prefetch_read(const void *addr)
{
	(void)addr;
}

BH_INLINE void
bh_prefetch_write(const void *addr)
{
	(void)addr;
}

#endif
