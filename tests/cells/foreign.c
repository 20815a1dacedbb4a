/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file that looks like a cell and is none: before boot/ begins it takes over (an IRELATIVE resolver runs first). Told a
 * number by the name of the cell ("call-77"), it makes that system call; else it starts as many threads as it can, says that it
 * runs, and goes on making calls that boot/ makes, too.
 */
#include <bulkhead/abi/boot.h>
#include <bulkhead/abi/shared.h>
#include <bulkhead/cell.h>

enum { SYS_MMAP = 9, SYS_CLONE = 56, SYS_GETTID = 186 };
enum { CLONE_AS_THREAD = 0xd0f00, PROT_READ_WRITE = 3, PROT_READ = 1, MAP_SHARED = 1 };

static long
call6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
	__asm__ volatile("syscall"
	                 : "+a"(nr)
	                 : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
	                 : "rcx", "r11", "memory");
	return nr;
}

/* The new thread has no stack, and needs none: it spins. */
static long
start_thread(void)
{
	long result = SYS_CLONE;
	register long r10 __asm__("r10") = 0, r8 __asm__("r8") = 0;
	__asm__ volatile("syscall\n\ttest %%rax, %%rax\n\tjnz 2f\n1:\tpause\n\tjmp 1b\n2:"
	                 : "+a"(result)
	                 : "D"((long)CLONE_AS_THREAD), "S"(0L), "d"(0L), "r"(r10), "r"(r8)
	                 : "rcx", "r11", "memory");
	return result;
}

static long ordered_call = -1;

static void
read_order(const char *name)
{
	static const char prefix[] = "call-";
	for (unsigned i = 0; i < sizeof(prefix) - 1; i++) {
		if (name[i] != prefix[i])
			return;
	}
	ordered_call = 0;
	for (name += sizeof(prefix) - 1; *name >= '0' && *name <= '9'; name++)
		ordered_call = ordered_call * 10 + (*name - '0');
}

static struct bh_core_status *
status_map(void)
{
	long size_bytes = (long)BH_ALIGN_UP(sizeof(struct bh_boot_page), (size_t)BH_PAGE_BYTES);
	const struct bh_boot_page *page =
	        (const struct bh_boot_page *)call6(SYS_MMAP, 0, size_bytes, PROT_READ, MAP_SHARED, BH_BOOT_FD, 0);
	read_order(page->cell_name);
	for (uint32_t i = 0; i < page->region_cnt; i++) {
		const struct bh_boot_region *region = &page->region[i];
		if (region->kind == BH_REGION_SHARED)
			return (struct bh_core_status *)(call6(SYS_MMAP, 0, (long)region->size_bytes, PROT_READ_WRITE,
			                                       MAP_SHARED, region->fd, 0) +
			                                 page->shared.core_offset);
	}
	return NULL;
}

__attribute__((used)) static int (*take_over(void))(void)
{
	struct bh_core_status *status = status_map();
	if (ordered_call >= 0)
		call6(ordered_call, BH_BOOT_FD, 0, 0, 0, 0, 0);
	for (int i = 0; i < 2 * (int)BH_CORES_MAX && start_thread() > 0; i++)
		;
	while (status != NULL) {
		/* Not running whenever somebody looks twice. */
		__atomic_store_n(&status->state, BH_CORE_RUNNING, __ATOMIC_RELEASE);
		__atomic_add_fetch(&status->heartbeat, 1, __ATOMIC_RELAXED);
		call6(SYS_GETTID, 0, 0, 0, 0, 0, 0);
		__atomic_store_n(&status->state, BH_CORE_BOOTING, __ATOMIC_RELEASE);
	}
	return NULL;
}

int taken(void) __attribute__((ifunc("take_over")));

int
cell_main(unsigned core_idx)
{
	return taken();
}
