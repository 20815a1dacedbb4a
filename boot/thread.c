/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread per core. %fs points at a block whose word 0x10 is the core's context (see <bulkhead/arch.h>); word 0 points at
 * the block itself, as the x86-64 ABI has it.
 */
#include "boot/boot.h"

#include "boot/syscall.h"
#include <bulkhead/arch.h>

#define THREAD_STACK_BYTES 16384u
#define READY_TIMEOUT_S    2u

enum { ARCH_SET_FS = 0x1002 };
enum {
	CLONE_VM = 0x100,
	CLONE_FS = 0x200,
	CLONE_FILES = 0x400,
	CLONE_SIGHAND = 0x800,
	CLONE_THREAD = 0x10000,
	CLONE_SYSVSEM = 0x40000,
	CLONE_SETTLS = 0x80000,
};

struct thread_block {
	struct thread_block *self;
	uint64_t reserved;
	struct bh_core *core;
	uint64_t pad[5];
} BH_ALIGNED(64);

_Static_assert(offsetof(struct thread_block, core) == 0x10, "bh_core_self() reads %fs:0x10");

/* A core leaves its first stack for its fibers at once and comes back to it at the end: it needs little. */
static struct {
	uint8_t stack[THREAD_STACK_BYTES];
	struct thread_block block;
} BH_ALIGNED(64) threads[BH_CORES_MAX];

static struct thread_block *
block_init(unsigned core_idx)
{
	struct thread_block *block = &threads[core_idx].block;
	block->self = block;
	block->core = bh_boot.core[core_idx];
	return block;
}

int
bh_boot_threads_start(void)
{
	const unsigned long flags =
	        CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS;
	int err = (int)SYSCALL2(SYS_ARCH_PRCTL, ARCH_SET_FS, block_init(0));
	for (unsigned i = 1; i < bh_boot.page->core_cnt && err == 0; i++) {
		long tid = bh_boot_clone(flags, &threads[i].stack[THREAD_STACK_BYTES], block_init(i), i);
		err = tid < 0 ? (int)tid : 0;
	}
	return err;
}

int
bh_boot_threads_wait(void)
{
	uint64_t deadline_tsc = bh_clock_now_tsc() + READY_TIMEOUT_S * bh_boot.page->tsc_hz;
	/* Acquire: what the threads did before they counted themselves is done. */
	while (__atomic_load_n(&bh_boot.ready_cnt, __ATOMIC_ACQUIRE) != bh_boot.page->core_cnt - 1) {
		if (bh_clock_now_tsc() > deadline_tsc)
			return -BH_ETIMEDOUT;
		bh_cpu_pause();
	}
	return 0;
}

int
bh_boot_affinity(unsigned core_idx)
{
	unsigned cpu = bh_boot.page->cpu[core_idx], now_on = 0;
	uint64_t mask[BH_CPU_MASK_WORDS] = {0}, got[BH_CPU_MASK_WORDS] = {0};
	if (cpu / 64 >= BH_CPU_MASK_WORDS)
		return -BH_EINVAL;
	mask[cpu / 64] = UINT64_C(1) << cpu % 64;
	long err = SYSCALL3(SYS_SCHED_SETAFFINITY, 0, sizeof(mask), mask);
	if (err < 0)
		return (int)err;
	err = SYSCALL3(SYS_SCHED_GETAFFINITY, 0, sizeof(got), got);
	for (size_t i = 0; i < BH_CPU_MASK_WORDS && err >= 0; i++)
		err = got[i] == mask[i] ? err : -BH_EBUSY;
	if (err < 0)
		return (int)err;
	err = SYSCALL3(SYS_GETCPU, &now_on, 0, 0);
	if (err < 0)
		return (int)err;
	return now_on == cpu ? 0 : -BH_EBUSY;
}
