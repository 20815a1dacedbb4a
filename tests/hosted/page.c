/* SPDX-License-Identifier: Apache-2.0 */
#include "core/core.h"
#include "tests/hosted/hosted.h"
#include <bulkhead/abi/histogram.h>
#include <bulkhead/abi/log.h>
#include <string.h>

#define COUNTER_CNT    256u
#define HIST_CNT       16u
#define LOG_RECORD_CNT 1024u

/* Take the next `size_bytes` of the shared region. */
static uint32_t
section_take(uint32_t *next, uint64_t size_bytes)
{
	uint32_t offset = *next;
	*next += (uint32_t)BH_ALIGN_UP(size_bytes, BH_CACHE_LINE_BYTES);
	return offset;
}

static void
layout_fill(struct bh_shared_layout *layout, uint64_t core_cnt)
{
	uint32_t next = 0;
	layout->counter_cnt = COUNTER_CNT;
	layout->hist_cnt = HIST_CNT;
	layout->log_record_cnt = LOG_RECORD_CNT;
	layout->log_stride_bytes = sizeof(struct bh_log_ring) + LOG_RECORD_CNT * sizeof(struct bh_log_record);
	layout->control_offset = section_take(&next, sizeof(struct bh_control));
	layout->core_offset = section_take(&next, core_cnt * sizeof(struct bh_core_status));
	layout->mailbox_offset = section_take(&next, core_cnt * sizeof(struct bh_mailbox_slot));
	layout->panic_offset = section_take(&next, core_cnt * sizeof(struct bh_panic_record));
	layout->counter_desc_offset = section_take(&next, COUNTER_CNT * sizeof(struct bh_metric_desc));
	layout->counter_offset = section_take(&next, core_cnt * COUNTER_CNT * sizeof(uint64_t));
	layout->hist_desc_offset = section_take(&next, HIST_CNT * sizeof(struct bh_metric_desc));
	layout->hist_offset = section_take(&next, core_cnt * HIST_CNT * sizeof(struct bh_hist));
	layout->log_offset = section_take(&next, core_cnt * layout->log_stride_bytes);
	layout->size_bytes = next;
}

static void
region_add(struct bh_boot_page *page, uint32_t kind, uint64_t addr, uint64_t size_bytes)
{
	page->region[page->region_cnt] = (struct bh_boot_region){
	        .addr = addr,
	        .size_bytes = BH_ALIGN_UP(size_bytes, (uint64_t)BH_PAGE_BYTES),
	        .fd = BH_BOOT_FD + 1 + (int)page->region_cnt,
	        .kind = kind,
	        .flags = BH_REGION_WRITE,
	};
	page->region_cnt++;
}

void
bh_hosted_page_fill(struct bh_boot_page *page, unsigned core_cnt, size_t arena_bytes, size_t heap_bytes)
{
	memset(page, 0, sizeof(*page));
	page->magic = BH_BOOT_MAGIC;
	page->version = BH_BOOT_VERSION;
	page->size_bytes = sizeof(*page);
	memcpy(page->cell_name, "hosted", sizeof("hosted"));
	page->tsc_hz = BH_HOSTED_TSC_HZ;
	page->core_cnt = core_cnt;
	page->fiber_cnt = BH_HOSTED_FIBER_CNT;
	page->fiber_stack_bytes = BH_HOSTED_FIBER_STACK_BYTES;
	page->seed = 1;
	layout_fill(&page->shared, core_cnt);
	region_add(page, BH_REGION_ARENA, BH_ADDR_ARENA, arena_bytes);
	region_add(page, BH_REGION_HEAP, BH_ADDR_HEAP, heap_bytes);
	region_add(page, BH_REGION_SHARED, BH_ADDR_SHARED, page->shared.size_bytes);
	page->checksum = bh_boot_page_checksum(page);
}
