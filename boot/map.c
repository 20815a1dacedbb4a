/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every region is first reserved with its guards as one inaccessible mapping, which fails if anything is there, and then
 * mapped over the middle of it: so a guard can never be missing.
 */
#include "boot/boot.h"

#include "boot/syscall.h"
#include "core/core.h"

enum { F_GET_SEALS = 1034, F_SEAL_SHRINK = 2, F_SEAL_WRITE = 8 };
enum { SEEK_END = 2 };
enum { PT_LOAD = 1, PT_GNU_RELRO = 0x6474e552 };

struct elf_header {
	uint8_t ident[16];
	uint16_t type, machine;
	uint32_t version;
	uint64_t entry, phoff, shoff;
	uint32_t flags;
	uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};

struct elf_segment {
	uint32_t type, flags;
	uint64_t offset, vaddr, paddr, filesz, memsz, align;
};

extern const struct elf_header image_header __asm__("__ehdr_start") __attribute__((visibility("hidden")));

int
bh_boot_mmap(uint64_t addr, uint64_t size_bytes, int prot, int flags, int fd, uint64_t fd_offset)
{
	long got = bh_boot_syscall(SYS_MMAP, (long)addr, (long)size_bytes, prot, flags, fd, (long)fd_offset);
	if (got < 0 && got > -4096)
		return (int)got;
	/* Kernels before 4.17 take MAP_FIXED_NOREPLACE for a hint. */
	return (uint64_t)got == addr ? 0 : -BH_EEXIST;
}

static int
reserve(uint64_t addr, uint64_t size_bytes)
{
	return bh_boot_mmap(addr, size_bytes, PROT_NONE,
	                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
}

static int
map_guarded(uint64_t addr, uint64_t size_bytes, int prot, int fd, uint64_t fd_offset)
{
	int err = reserve(addr - BH_GUARD_BYTES, size_bytes + 2 * (uint64_t)BH_GUARD_BYTES);
	if (err != 0)
		return err;
	return bh_boot_mmap(addr, size_bytes, prot, MAP_SHARED | MAP_POPULATE | MAP_FIXED, fd, fd_offset);
}

int
bh_boot_map_page(const struct bh_boot_page **out_page)
{
	long size_bytes = SYSCALL3(SYS_LSEEK, BH_BOOT_FD, 0, SEEK_END);
	if (size_bytes < (long)sizeof(uint64_t))
		return BH_CELL_EXIT_NO_BOOT_PAGE;
	/* Nobody can change or cut it any more: what is checked now stays true. */
	long seals = SYSCALL2(SYS_FCNTL, BH_BOOT_FD, F_GET_SEALS);
	if (seals < 0 || (seals & F_SEAL_WRITE) == 0 || (seals & F_SEAL_SHRINK) == 0)
		return BH_CELL_EXIT_NO_BOOT_PAGE;
	uint64_t mapped_bytes = BH_ALIGN_UP((uint64_t)size_bytes, BH_PAGE_BYTES);
	if (mapped_bytes > BH_GUARD_BYTES || map_guarded(BH_ADDR_BOOT, mapped_bytes, PROT_READ, BH_BOOT_FD, 0) != 0)
		return BH_CELL_EXIT_NO_BOOT_PAGE;
	*out_page = (const struct bh_boot_page *)BH_ADDR_BOOT;
	return bh_boot_page_check(*out_page, (size_t)size_bytes);
}

/* A memfd that is too short would be a bus error in the middle of a run. A device's descriptor has no end to look for. */
static int
check_descriptor(const struct bh_boot_region *region)
{
	if (region->kind == BH_REGION_BAR)
		return 0;
	long end = SYSCALL3(SYS_LSEEK, region->fd, 0, SEEK_END);
	if (end < 0)
		return (int)end;
	return (uint64_t)end >= region->fd_offset + region->size_bytes ? 0 : -BH_ERANGE;
}

int
bh_boot_map_region(const struct bh_boot_region *region)
{
	int prot = PROT_READ | ((region->flags & BH_REGION_WRITE) != 0 ? PROT_WRITE : 0);
	int err = check_descriptor(region);
	if (err != 0)
		return err;
	return map_guarded(region->addr, region->size_bytes, prot, region->fd, region->fd_offset);
}

/* The lowest guard of the zone is BH_GUARD_BYTES, as for every region; so is the one at the end. */
int
bh_boot_map_stacks(const struct bh_boot_page *page)
{
	uint64_t end = bh_fiber_stack_low(page, page->core_cnt, 0);
	int err = reserve(BH_ADDR_STACKS - BH_GUARD_BYTES, end + 2 * (uint64_t)BH_GUARD_BYTES - BH_ADDR_STACKS);
	for (uint32_t i = 0; i < page->core_cnt * page->fiber_cnt && err == 0; i++)
		err = bh_boot_mmap(bh_fiber_stack_low(page, 0, i), page->fiber_stack_bytes, PROT_READ | PROT_WRITE,
		                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE | MAP_FIXED, -1, 0);
	return err;
}

static int
lock_image(void)
{
	uintptr_t base = (uintptr_t)&image_header;
	const struct elf_segment *segment = (const struct elf_segment *)(base + image_header.phoff);
	long err = 0;
	for (unsigned i = 0; i < image_header.phnum; i++, segment++) {
		uintptr_t low = BH_ALIGN_DOWN(base + segment->vaddr, BH_PAGE_BYTES);
		uintptr_t high = base + segment->vaddr + segment->memsz;
		if (segment->type == PT_LOAD && err == 0)
			err = SYSCALL2(SYS_MLOCK, low, high - low);
		/* Relocated: constants with addresses in them are constant from here on. */
		high = BH_ALIGN_DOWN(high, BH_PAGE_BYTES);
		if (segment->type == PT_GNU_RELRO && err == 0 && high > low)
			err = SYSCALL3(SYS_MPROTECT, low, high - low, PROT_READ);
	}
	return (int)err;
}

int
bh_boot_lock(const struct bh_boot_page *page)
{
	int err = lock_image();
	for (uint32_t i = 0; i < page->core_cnt * page->fiber_cnt && err == 0; i++)
		err = (int)SYSCALL2(SYS_MLOCK, bh_fiber_stack_low(page, 0, i), page->fiber_stack_bytes);
	return err;
}
