/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instructions on TLSF's longest path, counted one by one: a random workload over a small pool, in which every
 * combination of merging, splitting, emptied lists and far searches comes up, with the processor's trap flag set around
 * each operation. The handler of the trap sees each instruction from the function's first to its return.
 */
#define _GNU_SOURCE /* REG_RIP */
#include "bench/micro/micro.h"
#include <bulkhead/mem.h>
#include <signal.h>
#include <stdio.h>
#include <ucontext.h>

#define OPERATION_CNT 4000u
#define PLACE_CNT     64u
#define POOL_BYTES    (256u << 10)

static _Alignas(64) uint8_t pool[POOL_BYTES];

/* Inside of an operation until it is back at return_rip. */
static volatile struct {
	bool inside;
	uint64_t return_rip;
	unsigned cnt;
} trap;

static void
on_trap(int signal_number, siginfo_t *info, void *context)
{
	(void)signal_number;
	(void)info;
	const greg_t *regs = ((const ucontext_t *)context)->uc_mcontext.gregs;
	uint64_t rip = (uint64_t)regs[REG_RIP];
	if (rip == (uintptr_t)bh_tlsf_alloc || rip == (uintptr_t)bh_tlsf_free) {
		trap.inside = true;
		trap.return_rip = *(const uint64_t *)(uintptr_t)regs[REG_RSP];
		trap.cnt = 0;
	}
	if (rip == trap.return_rip)
		trap.inside = false;
	trap.cnt += trap.inside;
}

/* The trap flag is bit 8 of the flags; 128 bytes below the stack pointer belong to the function around. */
static inline void
trap_flag_set(void)
{
	__asm__ volatile("lea -128(%%rsp), %%rsp; pushfq; orq $0x100, (%%rsp); popfq; lea 128(%%rsp), %%rsp" ::
	                         : "memory", "cc");
}

static inline void
trap_flag_clear(void)
{
	__asm__ volatile("lea -128(%%rsp), %%rsp; pushfq; andq $~0x100, (%%rsp); popfq; lea 128(%%rsp), %%rsp" ::
	                         : "memory", "cc");
}

static BH_NOINLINE void *
alloc_counted(struct bh_tlsf *tlsf, size_t size_bytes)
{
	trap_flag_set();
	void *ptr = bh_tlsf_alloc(tlsf, size_bytes);
	trap_flag_clear();
	return ptr;
}

static BH_NOINLINE void
free_counted(struct bh_tlsf *tlsf, void *ptr)
{
	trap_flag_set();
	bh_tlsf_free(tlsf, ptr);
	trap_flag_clear();
}

static void
workload(unsigned *out_alloc_max, unsigned *out_free_max)
{
	void *place[PLACE_CNT] = {NULL};
	uint64_t seed = 88172645463325252u;
	struct bh_tlsf *tlsf = bh_tlsf_init(pool, sizeof(pool));
	for (unsigned i = 0; i < OPERATION_CNT; i++) {
		unsigned idx = micro_draw(&seed) % PLACE_CNT;
		if (place[idx] != NULL) {
			free_counted(tlsf, place[idx]);
			place[idx] = NULL;
			*out_free_max = BH_MAX(*out_free_max, (unsigned)trap.cnt);
		} else {
			size_t size_bytes = 1 + micro_draw(&seed) % (UINT64_C(16) << micro_draw(&seed) % 10);
			place[idx] = alloc_counted(tlsf, size_bytes);
			*out_alloc_max = BH_MAX(*out_alloc_max, (unsigned)trap.cnt);
		}
	}
}

unsigned
micro_tlsf_instructions(struct micro_result *out_results)
{
	struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO}, before;
	unsigned alloc_max = 0, free_max = 0;
	*out_results = (struct micro_result){
	        .id = "tlsf_instructions_max",
	        .what = "TLSF allocate or free, instructions on the longest path",
	        .unit = "instructions",
	        .target = 168,
	        .run_cnt = 1,
	};
	if (sigaction(SIGTRAP, &action, &before) != 0)
		micro_fail("no handler for SIGTRAP");
	workload(&alloc_max, &free_max);
	sigaction(SIGTRAP, &before, NULL);
	out_results->run[0] = BH_MAX(alloc_max, free_max);
	snprintf(out_results->note, sizeof(out_results->note),
	         "allocate %u, free %u; single-stepped over %u operations", alloc_max, free_max, OPERATION_CNT);
	return 1;
}
