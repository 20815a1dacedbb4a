/* SPDX-License-Identifier: Apache-2.0 */
#include "boot/boot.h"

#include "boot/note.h"
#include "boot/syscall.h"
#include "core/core.h"
#include <bulkhead/arch.h>

_Static_assert(BH_BOOT_NOTE_VERSION == BH_BOOT_VERSION, "the note names the boot page that this cell understands");

enum { SIG_BLOCK = 0 };

struct bh_boot bh_boot;

/* The supervisor reads the step when the cell dies on the way. */
static void
step(unsigned core_idx, enum bh_boot_step reached)
{
	__atomic_store_n(&bh_boot.status[core_idx].boot_step, reached, __ATOMIC_RELEASE);
}

static BH_NORETURN void
exit_cell(int code)
{
	for (;;)
		SYSCALL1(SYS_EXIT_GROUP, code);
}

void
bh_boot_fail(unsigned core_idx, enum bh_boot_step failed, int err)
{
	bh_boot.status[core_idx].boot_error = err;
	step(core_idx, failed);
	exit_cell(BH_CELL_EXIT_BOOT_STEP);
}

/* From here on nothing interrupts a core; faults still do, and the tracer sees them. */
static void
block_signals(void)
{
	uint64_t all = UINT64_MAX;
	SYSCALL4(SYS_RT_SIGPROCMASK, SIG_BLOCK, &all, 0, sizeof(all));
}

/* The first one that comes and goes without a word: nobody can read our status before it. */
static void
map_shared(void)
{
	for (uint32_t i = 0; i < bh_boot.page->region_cnt; i++) {
		const struct bh_boot_region *region = &bh_boot.page->region[i];
		if (region->kind != BH_REGION_SHARED)
			continue;
		if (bh_boot_map_region(region) != 0)
			exit_cell(BH_CELL_EXIT_BOOT_STEP);
		bh_boot.status = (struct bh_core_status *)(region->addr + bh_boot.page->shared.core_offset);
	}
	for (uint32_t i = 0; i < bh_boot.page->core_cnt; i++)
		bh_boot.status[i].state = BH_CORE_BOOTING;
	step(0, BH_STEP_MAP_SHARED);
}

static void
map_regions(void)
{
	step(0, BH_STEP_MAP_REGIONS);
	for (uint32_t i = 0; i < bh_boot.page->region_cnt; i++) {
		const struct bh_boot_region *region = &bh_boot.page->region[i];
		int err = region->kind == BH_REGION_SHARED ? 0 : bh_boot_map_region(region);
		if (err != 0)
			bh_boot_fail(0, BH_STEP_MAP_REGIONS, err);
	}
}

static bool
contexts_fit(void)
{
	for (uint32_t i = 0; i < bh_boot.page->region_cnt; i++) {
		const struct bh_boot_region *region = &bh_boot.page->region[i];
		if (region->kind == BH_REGION_HEAP)
			return region->size_bytes / bh_boot.page->core_cnt >= bh_core_context_bytes();
	}
	return false;
}

static void
make_cores(void)
{
	if (!contexts_fit())
		bh_boot_fail(0, BH_STEP_MAP_STACKS, -BH_ENOMEM);
	for (unsigned i = 0; i < bh_boot.page->core_cnt; i++) {
		void *context = (void *)(BH_ADDR_HEAP + i * bh_core_context_bytes());
		bh_boot.core[i] = bh_core_init(bh_boot.page, i, context);
		if (bh_boot.core[i] == NULL)
			bh_boot_fail(0, BH_STEP_MAP_STACKS, -BH_ENOMEM);
	}
}

/* One step of core 0: done, or the end of the cell. */
#define STEP(name, call)                                                                                               \
	do {                                                                                                           \
		step(0, name);                                                                                         \
		int step_err = (call);                                                                                 \
		if (step_err != 0)                                                                                     \
			bh_boot_fail(0, name, step_err);                                                               \
	} while (0)

static void
run_core(unsigned core_idx)
{
	step(core_idx, BH_STEP_MAIN);
	(void)bh_core_run(bh_boot.core[core_idx]); /* the status has what it returned */
}

/* No deadline of its own: the supervisor watches the other cores' heartbeats and ends the cell if one hangs. */
static int
wait_for_others(void)
{
	int exit_code = BH_CELL_EXIT_OK;
	for (uint32_t i = 0; i < bh_boot.page->core_cnt; i++) {
		while (__atomic_load_n(&bh_boot.status[i].state, __ATOMIC_ACQUIRE) != BH_CORE_DONE)
			bh_cpu_pause();
		if (bh_boot.status[i].exit_code != 0)
			exit_code = BH_CELL_EXIT_FAILED;
	}
	return exit_code;
}

void
bh_boot_thread(unsigned long core_idx)
{
	struct bh_core_status *status = &bh_boot.status[core_idx];
	status->tid = (int32_t)SYSCALL0(SYS_GETTID);
	step((unsigned)core_idx, BH_STEP_AFFINITY);
	int err = bh_boot_affinity((unsigned)core_idx);
	if (err != 0)
		bh_boot_fail((unsigned)core_idx, BH_STEP_AFFINITY, err);
	__atomic_add_fetch(&bh_boot.ready_cnt, 1, __ATOMIC_RELEASE);
	/* Core 0 has a deadline for what it does meanwhile; if it fails, the process ends. */
	while (__atomic_load_n(&bh_boot.go, __ATOMIC_ACQUIRE) == 0)
		bh_cpu_pause();
	run_core((unsigned)core_idx);
	for (;;)
		SYSCALL1(SYS_EXIT, 0);
}

void
bh_boot_main(void)
{
	block_signals();
	int code = bh_boot_map_page(&bh_boot.page);
	if (code != BH_CELL_EXIT_OK)
		exit_cell(code);
	map_shared();
	map_regions();
	STEP(BH_STEP_MAP_STACKS, bh_boot_map_stacks(bh_boot.page));
	make_cores();
	bh_boot.status[0].tid = (int32_t)SYSCALL0(SYS_GETTID);
	STEP(BH_STEP_THREADS, bh_boot_threads_start());
	STEP(BH_STEP_AFFINITY, bh_boot_affinity(0));
	STEP(BH_STEP_THREADS, bh_boot_threads_wait());
	step(0, BH_STEP_LOCK);
	/* A lower limit than we need is no reason not to run; the supervisor says what it means. */
	bh_boot.status[0].lock_error = bh_boot_lock(bh_boot.page);
	STEP(BH_STEP_CLOSE, bh_boot_close());
	STEP(BH_STEP_FILTER, bh_boot_filter());
	__atomic_store_n(&bh_boot.go, 1, __ATOMIC_RELEASE);
	run_core(0);
	exit_cell(wait_for_others());
}
