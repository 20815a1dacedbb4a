/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What core offers to boot/ (and to the hosted set-up and the simulator): checking a boot page, making the cores'
 * contexts, running a core. Cells include <bulkhead/cell.h> and its neighbours instead.
 *
 * Order of calls in a cell: bh_boot_page_check, map everything, bh_core_init for core 0, 1, 2, ... from one thread,
 * then on each core's thread (with %fs set, see <bulkhead/arch.h>) bh_core_run.
 */
#ifndef CORE_CORE_H
#define CORE_CORE_H

#include <bulkhead/abi/boot.h>
#include <bulkhead/sched.h>
#include <bulkhead/types.h>

struct bh_core;

/* Bounds that bh_boot_page_check holds a page to, beside those of <bulkhead/abi/boot.h>. */
#define BH_FIBERS_MAX            1024u
#define BH_FIBER_STACK_BYTES_MIN 16384u
#define BH_FIBER_STACK_BYTES_MAX (16u << 20)
#define BH_COUNTERS_MAX          65536u
#define BH_HISTS_MAX             1024u
#define BH_LOG_RECORDS_MAX       (1u << 20)
#define BH_TSC_HZ_MIN            UINT64_C(1000000)
#define BH_TSC_HZ_MAX            UINT64_C(16000000000)
#define BH_STACK_GUARD_BYTES     4096u

/**
 * bh_boot_page_check - whether a boot page is one that this cell can start from
 * @page:       what descriptor BH_BOOT_FD holds; read only, 8-byte aligned; nobody else writes it any more
 * @size_bytes: how much of it is readable
 *
 * A pure function: no core context, no other memory. Checks magic, version, size, checksum, every count and
 * enumeration, string termination, that names of devices differ, that there is exactly one arena, heap and shared
 * region and each at its fixed address, that every region is page-aligned (2 MiB with BH_REGION_HUGETLB), has a
 * descriptor above BH_BOOT_FD, lies inside its zone with BH_GUARD_BYTES to spare on both sides and overlaps no other,
 * that windows lie inside their BAR and inside one BAR region of their device, that the fiber stacks fit their zone,
 * and that the sections of the shared region are aligned to 64 bytes, inside it, and disjoint.
 * Return: BH_CELL_EXIT_OK, or the exit code BH_CELL_EXIT_NO_BOOT_PAGE (too short), _BOOT_MAGIC, _BOOT_VERSION (also
 * another size_bytes), _BOOT_CHECKSUM or _BOOT_CONTENT.
 */
BH_MUST_CHECK int bh_boot_page_check(const void *page, size_t size_bytes);

/* bh_core_context_bytes - size of one core's context, a multiple of 64. */
size_t bh_core_context_bytes(void);

/**
 * bh_core_init - make the context of a core
 * @page:     checked; stays mapped and unchanged as long as the cell lives
 * @core_idx: 0 .. core_cnt - 1, in this order: core 0 also takes the rest of the heap, the arena and the metrics
 * @context:  the address BH_ADDR_HEAP + core_idx * bh_core_context_bytes(), zeroed memory of the heap region
 *
 * Needs the heap, arena, shared region and stacks mapped; needs no %fs. One thread at a time.
 * Return: the context; NULL if the heap is too small for the contexts and fiber tables.
 */
struct bh_core *bh_core_init(const struct bh_boot_page *page, unsigned core_idx, void *context);

/**
 * bh_core_run - run the calling core until its cell_main returns
 *
 * Sets the core's status to BH_CORE_RUNNING, runs cell_main as the first fiber, and at its return sets exit_code and
 * then BH_CORE_DONE. Other fibers that still live are not run again.
 * Context: the core's own thread, on boot's stack, bh_core_self() == self, once.
 * Return: what cell_main returned.
 */
int bh_core_run(struct bh_core *self);

/**
 * bh_core_run_fn - run one function as a fiber of the core, with the core's pollers and other fibers, until it returns
 *
 * What bh_core_run is made of; for hosted tests and the simulator. May be called again; fibers that outlived an earlier
 * call go on.
 * Context: outside of any fiber of this core, bh_core_self() == self.
 * Return: 0; -BH_EAGAIN no fiber stack is free; -BH_EBUSY the core runs already.
 */
BH_MUST_CHECK int bh_core_run_fn(struct bh_core *self, bh_fiber_fn fn, void *arg);

/* bh_core_policy_set - order ready fibers by another policy. Before the core's first fiber. */
void bh_core_policy_set(struct bh_core *core, const struct bh_sched_policy *policy, void *queue);

/* bh_fiber_stack_low - lowest usable byte of fiber `fiber_idx` of core `core_idx`; a guard page lies right below it. */
BH_INLINE uintptr_t
bh_fiber_stack_low(const struct bh_boot_page *page, unsigned core_idx, unsigned fiber_idx)
{
	uint64_t slot = (uint64_t)core_idx * page->fiber_cnt + fiber_idx;
	uint64_t stride = (uint64_t)page->fiber_stack_bytes + BH_STACK_GUARD_BYTES;
	return (uintptr_t)(BH_ADDR_STACKS + slot * stride + BH_STACK_GUARD_BYTES);
}

#endif
