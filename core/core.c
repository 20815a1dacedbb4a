/* SPDX-License-Identifier: Apache-2.0 */
#include "core/core.h"
#include "core/internal.h"

/* A core's context; the cell's shared state is in front of core 0's, and the others leave that room unused. */
struct context {
	struct bh_cell cell;
	struct bh_core core;
} BH_ALIGNED(64);

size_t
bh_core_context_bytes(void)
{
	return sizeof(struct context);
}

static const struct bh_boot_region *
region_of(const struct bh_boot_page *page, uint32_t kind)
{
	for (uint32_t i = 0; i < page->region_cnt; i++) {
		if (page->region[i].kind == kind)
			return &page->region[i];
	}
	return NULL; /* bh_boot_page_check does not let such a page pass */
}

static int
cell_init(struct bh_cell *cell, const struct bh_boot_page *page)
{
	const struct bh_boot_region *arena = region_of(page, BH_REGION_ARENA);
	const struct bh_boot_region *heap = region_of(page, BH_REGION_HEAP);
	const struct bh_boot_region *shared = region_of(page, BH_REGION_SHARED);
	if (arena == NULL || heap == NULL || shared == NULL)
		return -BH_EINVAL;
	cell->page = page;
	cell->shared = (uint8_t *)(uintptr_t)shared->addr;
	cell->arena_low = (uintptr_t)arena->addr;
	cell->arena_high = (uintptr_t)(arena->addr + arena->size_bytes);
	bh_bump_init(&cell->arena, (void *)cell->arena_low, arena->size_bytes);
	uint64_t contexts_bytes = (uint64_t)page->core_cnt * sizeof(struct context);
	return bh_heap_init(cell, (uintptr_t)(heap->addr + contexts_bytes), (uintptr_t)(heap->addr + heap->size_bytes));
}

struct bh_core *
bh_core_init(const struct bh_boot_page *page, unsigned core_idx, void *context)
{
	struct context *self = context;
	struct bh_cell *cell = &(self - core_idx)->cell;
	if (core_idx == 0 && cell_init(cell, page) != 0)
		return NULL;
	struct bh_core *core = &self->core;
	core->cell = cell;
	core->core_idx = core_idx;
	core->control = bh_shared_section(cell, page->shared.control_offset);
	core->status = bh_shared_section(cell, page->shared.core_offset);
	core->status += core_idx;
	if (bh_sched_init(core) != 0)
		return NULL;
	bh_metrics_init(core);
	bh_log_init(core);
	return core;
}

const struct bh_boot_page *
bh_boot_page(void)
{
	return bh_core_self()->cell->page;
}

unsigned
bh_core_idx(void)
{
	return bh_core_self()->core_idx;
}

unsigned
bh_core_cnt(void)
{
	return bh_boot_page()->core_cnt;
}

bool
bh_stop_requested(void)
{
	return __atomic_load_n(&bh_core_self()->control->stop, __ATOMIC_RELAXED) != 0;
}

void
bh_heartbeat(void)
{
	bh_core_beat(bh_core_self());
}

const void *
bh_app_config(size_t size_bytes)
{
	const struct bh_boot_page *page = bh_boot_page();
	return page->app_config_bytes == size_bytes ? page->app_config : NULL;
}

void
bh_core_policy_set(struct bh_core *core, const struct bh_sched_policy *policy, void *queue)
{
	core->policy = policy;
	core->queue = queue;
}
