/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cell that does what a cell must not do, one thing per run, so that the wall and the supervisor can be tried.
 */
#include <bulkhead/cell.h>
#include <bulkhead/log.h>
#include <bulkhead/panic.h>
#include <bulkhead/sched.h>

#include "tests/cells/misbehave.h"

static int
wait_for_stop(void)
{
	while (!bh_stop_requested())
		bh_yield();
	return 0;
}

/* Where a fault is meant, the address must be one that the compiler knows nothing of. */
static volatile uint64_t *
at(uint64_t addr)
{
	__asm__("" : "+r"(addr));
	return (volatile uint64_t *)addr;
}

static const struct bh_boot_region *
region(uint32_t kind)
{
	const struct bh_boot_page *page = bh_boot_page();
	for (uint32_t i = 0; i < page->region_cnt; i++) {
		if (page->region[i].kind == kind)
			return &page->region[i];
	}
	bh_panic("no such region", kind, 0);
}

static int
do_nothing(void)
{
	return wait_for_stop();
}

static int
do_return_at_once(void)
{
	return 0;
}

static int
do_fail(void)
{
	return -BH_ENOMEM;
}

static int
do_ignore_stop(void)
{
	while (*at(BH_ADDR_BOOT) != 0)
		bh_yield();
	return 0;
}

BH_NOINLINE static int
do_stall(void)
{
	while (*at(BH_ADDR_BOOT) != 0)
		bh_cpu_pause();
	return 0;
}

static int
do_panic(void)
{
	bh_panic("this cell panics on demand", 7, 42);
}

static int
do_write_null(void)
{
	*at(8) = 1;
	return 0;
}

static int
do_call_null(void)
{
	int (*volatile fn)(void) = NULL;
	return fn(); /* NOLINT(clang-analyzer-core.CallAndMessage): that is what it is for */
}

static int
do_write_wild(void)
{
	*at(UINT64_C(0x123456789000)) = 1;
	return 0;
}

static int
do_write_noncanonical(void)
{
	*at(UINT64_C(0x8000000000000000)) = 1;
	return 0;
}

static int
do_write_code(void)
{
	*at((uintptr_t)do_write_code) = 1;
	return 0;
}

static int
do_write_boot_page(void)
{
	*at(BH_ADDR_BOOT) = 1;
	return 0;
}

static int
do_divide_by_zero(void)
{
	volatile int zero = 0, number = 100;
	return number / zero; /* NOLINT(clang-analyzer-core.DivideZero): that is what it is for */
}

static int
do_bad_instruction(void)
{
	__asm__ volatile("ud2");
	return 0;
}

BH_NOINLINE static int
do_overflow_stack(void)
{
	volatile uint8_t frame[1024];
	frame[0] = 1;
	return (*at(BH_ADDR_BOOT) != 0 ? do_overflow_stack() : 0) + frame[0];
}

static int
do_below_arena(void)
{
	*at(BH_ADDR_ARENA - 8) = 1;
	return 0;
}

static int
do_above_arena(void)
{
	*at(BH_ADDR_ARENA + region(BH_REGION_ARENA)->size_bytes) = 1;
	return 0;
}

static int
do_below_heap(void)
{
	*at(BH_ADDR_HEAP - 8) = 1;
	return 0;
}

static int
do_above_heap(void)
{
	*at(BH_ADDR_HEAP + region(BH_REGION_HEAP)->size_bytes) = 1;
	return 0;
}

static int
do_above_shared(void)
{
	*at(BH_ADDR_SHARED + region(BH_REGION_SHARED)->size_bytes) = 1;
	return 0;
}

static long
system_call(long nr, long a, long b, long c)
{
	long result;
	__asm__ volatile("syscall" : "=a"(result) : "0"(nr), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
	return result;
}

static int
do_syscall_getpid(void)
{
	return (int)system_call(39, 0, 0, 0);
}

static int
do_syscall_write(void)
{
	return (int)system_call(1, 2, (long)"out\n", 4);
}

static int
do_syscall_open(void)
{
	return (int)system_call(257, -100, (long)"/etc/passwd", 0);
}

/* The machine's 32-bit entry: 20 is getpid there, and writev on x86-64. */
static int
do_syscall_int80(void)
{
	long result;
	__asm__ volatile("int $0x80" : "=a"(result) : "0"(20L) : "memory");
	return (int)result;
}

/* exit's number with the x32 bit. */
static int
do_syscall_x32(void)
{
	return (int)system_call(0x40000000 | 60, 0, 0, 0);
}

/* Allowed by the filter, but not the way a cell ends. */
static int
do_exit_group(void)
{
	return (int)system_call(231, 0, 0, 0);
}

static struct bh_core_status *
own_status(void)
{
	return (struct bh_core_status *)(BH_ADDR_SHARED + bh_boot_page()->shared.core_offset) + bh_core_idx();
}

/* Says that it is done, and then makes a system call all the same. */
static int
do_forge_done(void)
{
	own_status()->state = BH_CORE_DONE;
	return do_syscall_getpid();
}

/* Says that it is done, and goes on. */
static int
do_forge_done_and_stall(void)
{
	own_status()->state = BH_CORE_DONE;
	return do_stall();
}

/* Requests that no driver makes: the supervisor refuses each and goes on. */
static int
do_forge_mailbox(void)
{
	struct bh_mailbox_slot *slot =
	        (struct bh_mailbox_slot *)(BH_ADDR_SHARED + bh_boot_page()->shared.mailbox_offset) + bh_core_idx();
	for (uint32_t i = 1; i < 64; i++) {
		*slot = (struct bh_mailbox_slot){.op = (uint16_t)(i % 5),
		                                 .device = (uint16_t)(i % 3 == 0 ? 0xffff : i % 9),
		                                 .bar = i % 2 == 0 ? UINT32_MAX : i,
		                                 .width_bytes = i * 3,
		                                 .offset = UINT64_MAX - i};
		__atomic_store_n(&slot->request_seq, i, __ATOMIC_RELEASE);
		while (__atomic_load_n(&slot->done_seq, __ATOMIC_ACQUIRE) != i)
			bh_yield();
		if (slot->status != -BH_EINVAL)
			return -BH_EIO;
	}
	return wait_for_stop();
}

static int (*const behaviour[])(void) = {
#define MISBEHAVE_FN(word) do_##word,
        MISBEHAVE_LIST(MISBEHAVE_FN)
#undef MISBEHAVE_FN
};

int
cell_main(unsigned core_idx)
{
	const struct misbehave_config *config = bh_app_config(sizeof(*config));
	if (config == NULL || config->what >= MISBEHAVE_CNT)
		return -BH_EINVAL;
	if (core_idx != config->core_idx)
		return wait_for_stop();
	bh_log_info("core %u does %u", core_idx, config->what);
	/* Let the supervisor see a cell that runs. */
	uint64_t start_tsc = bh_clock_now_tsc() + bh_ns_to_tsc(50000000);
	while (bh_clock_now_tsc() < start_tsc)
		bh_yield();
	return behaviour[config->what]();
}
