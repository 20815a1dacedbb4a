/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The boot page is the cell's only word from outside before the wall stands, so nothing in it is believed: the header
 * first, then counts, regions, devices, and the layout of the shared region, each before anything that builds on it.
 */
#include "core/core.h"
#include <bulkhead/abi/histogram.h>
#include <bulkhead/abi/log.h>
#include <bulkhead/abi/shared.h>

/* Where a kind of region may lie. Arena, heap and shared region begin at `low` exactly. */
struct zone {
	uint64_t low, high;
};

static bool
zone_of(uint32_t kind, struct zone *out_zone)
{
	switch (kind) {
	case BH_REGION_ARENA:
		*out_zone = (struct zone){BH_ADDR_ARENA, BH_ADDR_ARENA_END};
		return true;
	case BH_REGION_HEAP:
		*out_zone = (struct zone){BH_ADDR_HEAP, BH_ADDR_STACKS};
		return true;
	case BH_REGION_BAR:
		*out_zone = (struct zone){BH_ADDR_BARS, BH_ADDR_SHARED};
		return true;
	case BH_REGION_SHARED:
		*out_zone = (struct zone){BH_ADDR_SHARED, BH_ADDR_BOOT};
		return true;
	default:
		return false;
	}
}

/* A text that ends inside its field and is not empty. */
static bool
text_is_valid(const char *text, size_t field_bytes)
{
	for (size_t i = 0; i < field_bytes; i++) {
		if (text[i] == '\0')
			return i > 0;
	}
	return false;
}

static bool
text_equal(const char *a, const char *b, size_t field_bytes)
{
	for (size_t i = 0; i < field_bytes && a[i] == b[i]; i++) {
		if (a[i] == '\0')
			return true;
	}
	return false;
}

static bool
ranges_touch(uint64_t low_a, uint64_t size_a, uint64_t low_b, uint64_t size_b)
{
	return low_a < low_b + size_b && low_b < low_a + size_a;
}

static bool
counts_are_valid(const struct bh_boot_page *page)
{
	return page->tsc_hz >= BH_TSC_HZ_MIN && page->tsc_hz <= BH_TSC_HZ_MAX && page->core_cnt >= 1 &&
	       page->core_cnt <= BH_CORES_MAX && page->fiber_cnt >= 1 && page->fiber_cnt <= BH_FIBERS_MAX &&
	       page->fiber_stack_bytes >= BH_FIBER_STACK_BYTES_MIN &&
	       page->fiber_stack_bytes <= BH_FIBER_STACK_BYTES_MAX && page->fiber_stack_bytes % BH_PAGE_BYTES == 0 &&
	       page->region_cnt <= BH_REGIONS_MAX && page->device_cnt <= BH_DEVICES_MAX && page->shared_host <= 1 &&
	       page->app_config_bytes <= BH_APP_CONFIG_BYTES;
}

/* The guard after the last stack counts too. */
static bool
stacks_fit(const struct bh_boot_page *page)
{
	uintptr_t end = bh_fiber_stack_low(page, page->core_cnt, 0);
	return end <= BH_ADDR_BARS - BH_GUARD_BYTES;
}

static bool
region_is_valid(const struct bh_boot_page *page, const struct bh_boot_region *region)
{
	struct zone zone;
	uint64_t align = (region->flags & BH_REGION_HUGETLB) != 0 ? 2u << 20 : BH_PAGE_BYTES;
	if (!zone_of(region->kind, &zone) || (region->flags & ~(BH_REGION_WRITE | BH_REGION_HUGETLB)) != 0)
		return false;
	if (((region->addr | region->size_bytes | region->fd_offset) & (align - 1)) != 0 || region->size_bytes == 0)
		return false;
	if (region->fd <= BH_BOOT_FD || region->fd_offset > INT64_MAX)
		return false;
	if (region->kind == BH_REGION_BAR ? region->device_idx >= page->device_cnt : region->device_idx != 0)
		return false;
	if (region->kind != BH_REGION_BAR && (region->addr != zone.low || (region->flags & BH_REGION_WRITE) == 0))
		return false;
	uint64_t last = zone.high - BH_GUARD_BYTES;
	return region->addr >= zone.low && region->addr < last && region->size_bytes <= last - region->addr &&
	       region->size_bytes <= INT64_MAX - region->fd_offset;
}

/* Only BARs can be near each other; between two of them there is a guard of each. */
static bool
regions_are_apart(const struct bh_boot_region *a, const struct bh_boot_region *b)
{
	if (a->kind == b->kind && a->kind != BH_REGION_BAR)
		return false;
	return !ranges_touch(a->addr, a->size_bytes + BH_GUARD_BYTES, b->addr, b->size_bytes + BH_GUARD_BYTES);
}

static bool
regions_are_valid(const struct bh_boot_page *page)
{
	uint32_t kinds = 0, wanted = 1u << BH_REGION_ARENA | 1u << BH_REGION_HEAP | 1u << BH_REGION_SHARED;
	for (uint32_t i = 0; i < page->region_cnt; i++) {
		if (!region_is_valid(page, &page->region[i]))
			return false;
		kinds |= 1u << page->region[i].kind;
		for (uint32_t j = 0; j < i; j++) {
			if (!regions_are_apart(&page->region[i], &page->region[j]))
				return false;
		}
	}
	return (kinds & wanted) == wanted;
}

/* Some BAR region of this device maps the whole window. */
static bool
window_is_mapped(const struct bh_boot_page *page, uint32_t device_idx, const struct bh_boot_window *window)
{
	for (uint32_t i = 0; i < page->region_cnt; i++) {
		const struct bh_boot_region *region = &page->region[i];
		if (region->kind == BH_REGION_BAR && region->device_idx == device_idx && window->addr >= region->addr &&
		    window->addr - region->addr < region->size_bytes &&
		    window->size_bytes <= region->size_bytes - (window->addr - region->addr))
			return true;
	}
	return false;
}

static bool
window_is_valid(const struct bh_boot_page *page, uint32_t device_idx, const struct bh_boot_bar *bar,
                uint32_t window_idx)
{
	const struct bh_boot_window *window = &bar->window[window_idx];
	if (window->size_bytes == 0 || window->bar_offset >= bar->size_bytes ||
	    window->size_bytes > bar->size_bytes - window->bar_offset)
		return false;
	/* Registers are naturally aligned in the BAR, so they must be in memory. */
	if (((window->addr ^ window->bar_offset) & 7) != 0)
		return false;
	for (uint32_t i = 0; i < window_idx; i++) {
		const struct bh_boot_window *other = &bar->window[i];
		if (ranges_touch(window->bar_offset, window->size_bytes, other->bar_offset, other->size_bytes))
			return false;
	}
	return window_is_mapped(page, device_idx, window);
}

static bool
bar_is_valid(const struct bh_boot_page *page, uint32_t device_idx, const struct bh_boot_bar *bar)
{
	if (bar->window_cnt > BH_BAR_WINDOWS_MAX || bar->size_bytes > INT64_MAX)
		return false;
	for (uint32_t i = 0; i < bar->window_cnt; i++) {
		if (!window_is_valid(page, device_idx, bar, i))
			return false;
	}
	return true;
}

static bool
device_is_valid(const struct bh_boot_page *page, uint32_t device_idx)
{
	const struct bh_boot_device *device = &page->device[device_idx];
	if (!text_is_valid(device->name, sizeof(device->name)) || !text_is_valid(device->model, sizeof(device->model)))
		return false;
	if (device->pci_class > 0xffffff)
		return false;
	for (uint32_t i = 0; i < device_idx; i++) {
		if (text_equal(device->name, page->device[i].name, sizeof(device->name)))
			return false;
	}
	for (uint32_t i = 0; i < BH_DEVICE_BARS_MAX; i++) {
		if (!bar_is_valid(page, device_idx, &device->bar[i]))
			return false;
	}
	return true;
}

static bool
devices_are_valid(const struct bh_boot_page *page)
{
	for (uint32_t i = 0; i < page->device_cnt; i++) {
		if (!device_is_valid(page, i))
			return false;
	}
	return true;
}

static bool
layout_counts_are_valid(const struct bh_boot_page *page, uint64_t region_bytes)
{
	const struct bh_shared_layout *layout = &page->shared;
	uint64_t log_bytes =
	        sizeof(struct bh_log_ring) + (uint64_t)layout->log_record_cnt * sizeof(struct bh_log_record);
	return layout->size_bytes <= region_bytes && layout->counter_cnt >= 8 && layout->counter_cnt % 8 == 0 &&
	       layout->counter_cnt <= BH_COUNTERS_MAX && layout->hist_cnt >= 1 && layout->hist_cnt <= BH_HISTS_MAX &&
	       BH_IS_POW2(layout->log_record_cnt) && layout->log_record_cnt <= BH_LOG_RECORDS_MAX &&
	       layout->log_stride_bytes % BH_CACHE_LINE_BYTES == 0 && layout->log_stride_bytes >= log_bytes;
}

struct section {
	uint64_t offset, size_bytes;
};

static bool
sections_are_apart(const struct section *section, size_t section_cnt, uint64_t limit)
{
	for (size_t i = 0; i < section_cnt; i++) {
		if (section[i].offset % BH_CACHE_LINE_BYTES != 0 || section[i].offset > limit ||
		    section[i].size_bytes > limit - section[i].offset)
			return false;
		for (size_t j = 0; j < i; j++) {
			if (ranges_touch(section[i].offset, section[i].size_bytes, section[j].offset,
			                 section[j].size_bytes))
				return false;
		}
	}
	return true;
}

static bool
layout_is_valid(const struct bh_boot_page *page)
{
	const struct bh_shared_layout *layout = &page->shared;
	uint64_t core_cnt = page->core_cnt, region_bytes = 0;
	for (uint32_t i = 0; i < page->region_cnt; i++) {
		if (page->region[i].kind == BH_REGION_SHARED)
			region_bytes = page->region[i].size_bytes;
	}
	if (!layout_counts_are_valid(page, region_bytes))
		return false;
	const struct section section[] = {
	        {layout->control_offset, sizeof(struct bh_control)},
	        {layout->core_offset, core_cnt * sizeof(struct bh_core_status)},
	        {layout->mailbox_offset, core_cnt * sizeof(struct bh_mailbox_slot)},
	        {layout->panic_offset, core_cnt * sizeof(struct bh_panic_record)},
	        {layout->counter_desc_offset, layout->counter_cnt * sizeof(struct bh_metric_desc)},
	        {layout->counter_offset, core_cnt * layout->counter_cnt * sizeof(uint64_t)},
	        {layout->hist_desc_offset, layout->hist_cnt * sizeof(struct bh_metric_desc)},
	        {layout->hist_offset, core_cnt * layout->hist_cnt * sizeof(struct bh_hist)},
	        {layout->log_offset, core_cnt * layout->log_stride_bytes},
	};
	return sections_are_apart(section, BH_ARRAY_CNT(section), layout->size_bytes);
}

int
bh_boot_page_check(const void *page_bytes, size_t size_bytes)
{
	const struct bh_boot_page *page = page_bytes;
	if (page == NULL || size_bytes < offsetof(struct bh_boot_page, checksum))
		return BH_CELL_EXIT_NO_BOOT_PAGE;
	if (page->magic != BH_BOOT_MAGIC)
		return BH_CELL_EXIT_BOOT_MAGIC;
	if (page->version != BH_BOOT_VERSION || page->size_bytes != sizeof(*page))
		return BH_CELL_EXIT_BOOT_VERSION;
	if (size_bytes < sizeof(*page))
		return BH_CELL_EXIT_NO_BOOT_PAGE;
	if (page->checksum != bh_boot_page_checksum(page))
		return BH_CELL_EXIT_BOOT_CHECKSUM;
	if (!text_is_valid(page->cell_name, sizeof(page->cell_name)) || !counts_are_valid(page) || !stacks_fit(page) ||
	    !regions_are_valid(page) || !devices_are_valid(page) || !layout_is_valid(page))
		return BH_CELL_EXIT_BOOT_CONTENT;
	return BH_CELL_EXIT_OK;
}
