/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The set-up of a hosted cell that needs no idea of "this core": shared by hosted programs and the simulator.
 *
 * MAP_FIXED takes the addresses whatever is there: nothing but a sanitizer's reservation can be.
 */
#include "core/core.h"
#include "tests/hosted/hosted.h"
#include <errno.h>
#include <sys/mman.h>

static struct {
	bool mapped;
	struct bh_boot_page page;
	struct bh_core *core[BH_CORES_MAX];
} hosted;

/* The regions lie where AddressSanitizer keeps a gap; and fibers live on stacks that it does not know. */
const char *__asan_default_options(void);
const char *
__asan_default_options(void)
{
	return "protect_shadow_gap=0:detect_stack_use_after_return=0";
}

static int
map_at(uint64_t addr, uint64_t size_bytes, int protection)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;
	void *ptr = mmap((void *)(uintptr_t)addr, size_bytes, protection, flags, -1, 0);
	return ptr == MAP_FAILED ? -errno : 0;
}

static uint64_t
stacks_bytes(const struct bh_boot_page *page)
{
	return bh_fiber_stack_low(page, page->core_cnt, 0) - BH_ADDR_STACKS;
}

static int
stacks_map(const struct bh_boot_page *page)
{
	int err = map_at(BH_ADDR_STACKS, stacks_bytes(page), PROT_NONE);
	for (unsigned i = 0; err == 0 && i < page->core_cnt * page->fiber_cnt; i++)
		err = map_at(bh_fiber_stack_low(page, 0, i), page->fiber_stack_bytes, PROT_READ | PROT_WRITE);
	return err;
}

int
bh_hosted_regions_map(const struct bh_boot_page *page)
{
	int err = stacks_map(page);
	for (uint32_t i = 0; err == 0 && i < page->region_cnt; i++)
		err = map_at(page->region[i].addr, page->region[i].size_bytes, PROT_READ | PROT_WRITE);
	if (err != 0)
		bh_hosted_regions_unmap(page);
	return err;
}

/* Left without access instead of unmapped: under AddressSanitizer something must stay there. */
void
bh_hosted_regions_unmap(const struct bh_boot_page *page)
{
	for (uint32_t i = 0; i < page->region_cnt; i++)
		(void)map_at(page->region[i].addr, page->region[i].size_bytes, PROT_NONE);
	(void)map_at(BH_ADDR_STACKS, stacks_bytes(page), PROT_NONE);
}

int
bh_hosted_map(unsigned core_cnt, size_t arena_bytes, size_t heap_bytes)
{
	if (hosted.mapped)
		return -BH_EBUSY;
	bh_hosted_page_fill(&hosted.page, core_cnt, arena_bytes, heap_bytes);
	if (bh_boot_page_check(&hosted.page, sizeof(hosted.page)) != BH_CELL_EXIT_OK)
		return -BH_EINVAL;
	int err = bh_hosted_regions_map(&hosted.page);
	hosted.mapped = err == 0;
	return err;
}

/* Make every core's context, in order. */
int
bh_hosted_cores_init(void)
{
	bh_hosted_page_seal();
	if (!hosted.mapped || bh_boot_page_check(&hosted.page, sizeof(hosted.page)) != BH_CELL_EXIT_OK)
		return -BH_EINVAL;
	for (unsigned i = 0; i < hosted.page.core_cnt; i++) {
		hosted.core[i] = bh_core_init(&hosted.page, i, (void *)(BH_ADDR_HEAP + i * bh_core_context_bytes()));
		if (hosted.core[i] == NULL)
			return -BH_ENOMEM;
	}
	return 0;
}

void
bh_hosted_unmap(void)
{
	if (hosted.mapped)
		bh_hosted_regions_unmap(&hosted.page);
	hosted.mapped = false;
}

struct bh_boot_page *
bh_hosted_page(void)
{
	return &hosted.page;
}

void
bh_hosted_page_seal(void)
{
	hosted.page.checksum = bh_boot_page_checksum(&hosted.page);
}

void *
bh_hosted_shared(uint32_t offset)
{
	return (void *)(BH_ADDR_SHARED + offset);
}

struct bh_core *
bh_hosted_core_get(unsigned core_idx)
{
	return hosted.core[core_idx];
}
