/* SPDX-License-Identifier: Apache-2.0 */
#include "core/internal.h"

static void
record_write(struct bh_core *core, const struct bh_log_site *site, uint32_t arg_cnt, const uint64_t *args)
{
	struct bh_log_ring *ring = core->log;
	uint64_t head = core->log_head;
	if (BH_UNLIKELY(head - core->log_tail > core->log_mask)) {
		/* Acquire: the host is done reading the records that it gave back. */
		core->log_tail = __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE);
		if (head - core->log_tail > core->log_mask) {
			__atomic_store_n(&ring->dropped_cnt, ring->dropped_cnt + 1, __ATOMIC_RELAXED);
			return;
		}
	}
	struct bh_log_record *record = &ring->record[head & core->log_mask];
	record->tsc = bh_clock_now_tsc();
	record->site_idx = (uint32_t)(site - bh_log_sites_start);
	record->arg_cnt = arg_cnt;
	for (uint32_t i = 0; i < BH_LOG_ARGS_MAX; i++)
		record->arg[i] = args[i];
	core->log_head = head + 1;
	/* Release: the record is whole before the host can see it. */
	__atomic_store_n(&ring->head, head + 1, __ATOMIC_RELEASE);
}

void
bh_log_write(const struct bh_log_site *site, uint32_t arg_cnt, const uint64_t *args)
{
	record_write(bh_core_self(), site, arg_cnt, args);
}

/* A core's first record; it also makes sure that every cell has a section of sites. */
static const struct bh_log_site ring_site __attribute__((used, section(BH_LOG_SECTION))) = {
        .line = __LINE__,
        .level = BH_LOG_DEBUG,
        .arg_cnt = 2,
        .file = BH_FILE_NAME,
        .format = "core %u logs to a ring of %u records",
};

void
bh_log_init(struct bh_core *core)
{
	const struct bh_shared_layout *layout = &core->cell->page->shared;
	uint64_t offset = layout->log_offset + (uint64_t)core->core_idx * layout->log_stride_bytes;
	core->log = bh_shared_section(core->cell, offset);
	core->log_mask = layout->log_record_cnt - 1;
	const uint64_t args[BH_LOG_ARGS_MAX] = {core->core_idx, layout->log_record_cnt};
	record_write(core, &ring_site, 2, args);
}
