/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two tables of names in shared memory, counters and histograms; slot i of a table is element i of each core's array. A
 * slot is taken for good. The host reads while we write: a descriptor's kind goes last.
 */
#include "core/internal.h"

/* Slot of "core.metrics_dropped", the first to be registered. */
#define DROPPED_IDX 0

static bool
name_is_valid(const char *name)
{
	size_t len = 0;
	for (; name[len] != '\0'; len++) {
		char c = name[len];
		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '_' && c != '.')
			return false;
	}
	return len > 0 && len < sizeof(((struct bh_metric_desc *)NULL)->name);
}

static bool
unit_is_valid(const char *unit)
{
	size_t len = 0;
	while (unit[len] != '\0')
		len++;
	return len < sizeof(((struct bh_metric_desc *)NULL)->unit);
}

static bool
text_equal(const char *a, const char *b)
{
	while (*a != '\0' && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

static void
text_put(char *out, const char *text)
{
	while ((*out++ = *text++) != '\0')
		;
}

/* The slot of this name: the one it has, or the first free one. Return: its index, or -BH_ENOSPC, -BH_EEXIST. */
static int
slot_find_or_add(struct bh_metric_desc *desc, uint32_t desc_cnt, const struct bh_metric_desc *wanted)
{
	for (uint32_t i = 0; i < desc_cnt; i++) {
		if (desc[i].kind == BH_METRIC_NONE) {
			text_put(desc[i].name, wanted->name);
			text_put(desc[i].unit, wanted->unit);
			/* Release: the names are whole before the host takes the slot for one. */
			__atomic_store_n(&desc[i].kind, wanted->kind, __ATOMIC_RELEASE);
			return (int)i;
		}
		if (text_equal(desc[i].name, wanted->name))
			return desc[i].kind == wanted->kind ? (int)i : -BH_EEXIST;
	}
	return -BH_ENOSPC;
}

static int
slot_register(struct bh_cell *cell, const char *name, const char *unit, uint32_t kind)
{
	const struct bh_shared_layout *layout = &cell->page->shared;
	bool is_hist = kind == BH_METRIC_HIST;
	struct bh_metric_desc wanted = {.kind = kind};
	if (!name_is_valid(name) || !unit_is_valid(unit))
		return -BH_EINVAL;
	text_put(wanted.name, name);
	text_put(wanted.unit, unit);
	bh_lock_take(&cell->metrics_lock);
	int idx = slot_find_or_add(
	        bh_shared_section(cell, is_hist ? layout->hist_desc_offset : layout->counter_desc_offset),
	        is_hist ? layout->hist_cnt : layout->counter_cnt, &wanted);
	bh_lock_release(&cell->metrics_lock);
	return idx;
}

static uint64_t *
counter_of(const struct bh_core *core, uint32_t idx)
{
	const struct bh_shared_layout *layout = &core->cell->page->shared;
	uint64_t *counter = bh_shared_section(core->cell, layout->counter_offset);
	return counter + (uint64_t)core->core_idx * layout->counter_cnt + idx;
}

static struct bh_hist *
hist_of(const struct bh_core *core, uint32_t idx)
{
	const struct bh_shared_layout *layout = &core->cell->page->shared;
	struct bh_hist *hist = bh_shared_section(core->cell, layout->hist_offset);
	return hist + (uint64_t)core->core_idx * layout->hist_cnt + idx;
}

static void
drop_count(struct bh_core *core)
{
	bh_counter_add(counter_of(core, DROPPED_IDX), 1);
}

static uint64_t *
counter_register(const char *name, const char *unit, uint32_t kind)
{
	struct bh_core *core = bh_core_self();
	int idx = slot_register(core->cell, name, unit, kind);
	if (idx >= 0)
		return counter_of(core, (uint32_t)idx);
	drop_count(core);
	return &core->spare_counter;
}

uint64_t *
bh_counter_register(const char *name, const char *unit)
{
	return counter_register(name, unit, BH_METRIC_COUNTER);
}

uint64_t *
bh_gauge_register(const char *name, const char *unit)
{
	return counter_register(name, unit, BH_METRIC_GAUGE);
}

struct bh_hist *
bh_hist_register(const char *name)
{
	struct bh_core *core = bh_core_self();
	int idx = slot_register(core->cell, name, "cycles", BH_METRIC_HIST);
	if (idx >= 0)
		return hist_of(core, (uint32_t)idx);
	drop_count(core);
	return &core->spare_hist;
}

void
bh_metrics_init(struct bh_core *core)
{
	if (core->core_idx == 0) {
		int idx = slot_register(core->cell, "core.metrics_dropped", "", BH_METRIC_COUNTER);
		bh_assert(idx == DROPPED_IDX);
	}
	for (uint32_t i = 0; i < core->cell->page->shared.hist_cnt; i++)
		hist_of(core, i)->min = UINT64_MAX;
	core->spare_hist.min = UINT64_MAX;
}
