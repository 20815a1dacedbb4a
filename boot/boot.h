/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A cell's start-up code: the only code of a cell that makes system calls, all of them before the filter.
 *
 *   bh_boot_entry     start.S     the kernel's entry
 *   bh_boot_relocate  relocate.c  static-pie relocates itself: before it, no pointer in data is valid
 *   bh_boot_main      main.c      the steps of enum bh_boot_step, in order
 *   bh_boot_map_*     map.c       regions at their fixed addresses, between guards
 *   bh_boot_threads_* thread.c    a thread per core, each on its CPU
 *   bh_boot_filter    filter.c    the point of no return: behind it, only exit and exit_group
 *
 * A function here returns 0 or a negative errno; main.c writes step and error into the core's status, where the
 * supervisor reads them, and exits. An application links boot_cell_dep and core_cell_dep and writes cell_main:
 *
 *   executable('x.cell', 'x.c', dependencies: [boot_cell_dep, core_cell_dep], c_args: cell_c_args,
 *     link_args: cell_link_args, override_options: cell_override)
 */
#ifndef BOOT_BOOT_H
#define BOOT_BOOT_H

#include <bulkhead/abi/boot.h>
#include <bulkhead/abi/shared.h>
#include <bulkhead/types.h>

/* As many CPUs as a mask of sched_setaffinity holds here. */
#define BH_CPU_MASK_WORDS 64u

struct bh_core;

/* What the threads of a cell share while they boot. */
struct bh_boot {
	const struct bh_boot_page *page; /* at BH_ADDR_BOOT, checked */
	struct bh_core_status *status;   /* [core_cnt], in the shared region */
	struct bh_core *core[BH_CORES_MAX];
	uint32_t ready_cnt; /* threads that stand on their CPU */
	uint32_t go;        /* 1: the filter is on, run */
};

extern struct bh_boot bh_boot;

/* bh_boot_map_page - descriptor BH_BOOT_FD, sealed, at BH_ADDR_BOOT. Return: 0 or an exit code BH_CELL_EXIT_*. */
BH_MUST_CHECK int bh_boot_map_page(const struct bh_boot_page **out_page);

/* bh_boot_map_region - one region of the page, populated, with a guard on both sides. */
BH_MUST_CHECK int bh_boot_map_region(const struct bh_boot_region *region);

/* bh_boot_map_stacks - the fiber stacks of all cores, each with its guard. */
BH_MUST_CHECK int bh_boot_map_stacks(const struct bh_boot_page *page);

/* bh_boot_lock - lock the image, the threads' stacks and the fiber stacks as far as the limit goes. */
BH_MUST_CHECK int bh_boot_lock(const struct bh_boot_page *page);

/* bh_boot_threads_start - set this thread's %fs, start one thread for each other core. */
BH_MUST_CHECK int bh_boot_threads_start(void);

/* bh_boot_threads_wait - until all stand on their CPUs, at most two seconds. */
BH_MUST_CHECK int bh_boot_threads_wait(void);

/* bh_boot_affinity - put the calling thread on its core's CPU and see that it is there. */
BH_MUST_CHECK int bh_boot_affinity(unsigned core_idx);

/* bh_boot_close - close every descriptor and see that none is left. */
BH_MUST_CHECK int bh_boot_close(void);

/* bh_boot_filter - no system call but exit and exit_group from now on, in all threads. */
BH_MUST_CHECK int bh_boot_filter(void);

/* bh_boot_fail - record the step that failed and end the cell. */
BH_NORETURN void bh_boot_fail(unsigned core_idx, enum bh_boot_step step, int err);

/* Called from start.S. */
void bh_boot_relocate(void);
BH_NORETURN void bh_boot_main(void);
BH_NORETURN void bh_boot_thread(unsigned long core_idx);

#endif
