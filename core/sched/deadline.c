/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A binary heap in an array of fiber_cnt places: each fiber has at most one deadline, so it never overflows. Each fiber
 * knows its place, so that an event can take it out before the deadline.
 */
#include "core/internal.h"

static void
heap_put(struct bh_core *core, uint32_t idx, struct bh_fiber *fiber)
{
	core->deadline[idx] = fiber;
	fiber->deadline_idx = idx;
}

/* Move the hole at idx towards the root until fiber may fill it. */
static void
heap_rise(struct bh_core *core, uint32_t idx, struct bh_fiber *fiber)
{
	while (idx > 0) {
		uint32_t parent = (idx - 1) / 2;
		if (core->deadline[parent]->deadline_tsc <= fiber->deadline_tsc)
			break;
		heap_put(core, idx, core->deadline[parent]);
		idx = parent;
	}
	heap_put(core, idx, fiber);
}

/* Move the hole at idx towards the leaves until fiber may fill it. */
static void
heap_sink(struct bh_core *core, uint32_t idx, struct bh_fiber *fiber)
{
	for (;;) {
		uint32_t child = 2 * idx + 1;
		if (child >= core->deadline_cnt)
			break;
		if (child + 1 < core->deadline_cnt &&
		    core->deadline[child + 1]->deadline_tsc < core->deadline[child]->deadline_tsc)
			child++;
		if (fiber->deadline_tsc <= core->deadline[child]->deadline_tsc)
			break;
		heap_put(core, idx, core->deadline[child]);
		idx = child;
	}
	heap_put(core, idx, fiber);
}

void
bh_deadline_insert(struct bh_core *core, struct bh_fiber *fiber, uint64_t deadline_tsc)
{
	fiber->deadline_tsc = deadline_tsc;
	heap_rise(core, core->deadline_cnt++, fiber);
}

void
bh_deadline_remove(struct bh_core *core, struct bh_fiber *fiber)
{
	uint32_t idx = fiber->deadline_idx;
	struct bh_fiber *last = core->deadline[--core->deadline_cnt];
	fiber->deadline_idx = BH_NOT_QUEUED;
	if (last == fiber)
		return;
	/* The last one may belong above or below the hole. */
	if (idx > 0 && last->deadline_tsc < core->deadline[(idx - 1) / 2]->deadline_tsc)
		heap_rise(core, idx, last);
	else
		heap_sink(core, idx, last);
}
