/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scheduler has no stack of its own: a fiber that yields or waits runs the passes on its own stack until a fiber is
 * ready, and switches straight to it (or just returns, if it is itself). So one yield is one switch.
 */
#include "core/arch/arch.h"
#include "core/internal.h"

/* Reading the clock costs more than a switch, so deadlines are looked at in each 8th pass of a busy core. */
#define DEADLINE_PASS_MASK 7u

static BH_NOINLINE void
pollers_run(struct bh_core *core)
{
	struct bh_fiber *current = core->current;
	core->current = NULL; /* a poller that waits panics */
	for (struct bh_poller *poller = core->pollers; poller != NULL; poller = core->poller_next) {
		core->poller_next = poller->next;
		poller->fn(poller->arg);
	}
	core->current = current;
}

static BH_NOINLINE void
deadlines_expire(struct bh_core *core)
{
	uint64_t now_tsc = bh_clock_now_tsc();
	while (core->deadline_cnt > 0 && core->deadline[0]->deadline_tsc <= now_tsc) {
		struct bh_fiber *fiber = core->deadline[0];
		bh_deadline_remove(core, fiber);
		fiber->timed_out = true;
		if (fiber->event != NULL)
			bh_event_forget(fiber);
		bh_core_ready(core, fiber);
	}
}

static inline void
sched_pass(struct bh_core *core)
{
	bh_core_beat(core);
	if (core->pollers != NULL)
		pollers_run(core);
	if (core->deadline_cnt != 0 && (++core->pass_cnt & DEADLINE_PASS_MASK) == 0)
		deadlines_expire(core);
}

/* With pollers an idle pass goes straight on: a pause would delay the completion that they look for. */
static BH_NOINLINE void
idle(struct bh_core *core)
{
	if (core->pollers == NULL || core->cell->page->shared_host != 0) {
		bh_cpu_pause();
		core->pass_cnt |= DEADLINE_PASS_MASK;
	}
}

static inline struct bh_fiber *
sched_next(struct bh_core *core)
{
	for (;;) {
		sched_pass(core);
		struct bh_fiber *next = bh_core_next(core);
		if (BH_LIKELY(next != NULL))
			return next;
		idle(core);
	}
}

/*
 * Inlined into bh_yield, so that the switch is a tail call there: it jumps right to where the next fiber called bh_yield,
 * and that jump has a history by which it is predicted. A return would be predicted to go to the fiber that we leave.
 */
static inline void
block(struct bh_core *core, struct bh_fiber *self)
{
	struct bh_fiber *next = sched_next(core);
	core->current = next;
	if (next != self)
		bh_arch_fiber_switch(&self->sp, next->sp);
}

void
bh_sched_block(struct bh_core *core, struct bh_fiber *self)
{
	block(core, self);
}

void
bh_yield(void)
{
	struct bh_core *core = bh_core_self();
	struct bh_fiber *self = bh_sched_current(core);
	bh_core_ready(core, self);
	block(core, self);
}

void
bh_sleep_until(uint64_t deadline_tsc)
{
	struct bh_core *core = bh_core_self();
	struct bh_fiber *self = bh_sched_current(core);
	bh_assert(deadline_tsc != BH_NO_DEADLINE);
	bh_deadline_insert(core, self, deadline_tsc);
	bh_sched_block(core, self);
}

/* Leave a fiber for good. Its stack is free from here on: nothing can take it before the switch is done. */
static void
fiber_end(struct bh_core *core, struct bh_fiber *self)
{
	void *dead_sp;
	if (self == core->main_fiber) {
		core->main_fiber = NULL;
		core->current = NULL;
		self->next = core->free_fiber;
		core->free_fiber = self;
		bh_arch_fiber_switch(&dead_sp, core->host_sp);
	}
	struct bh_fiber *next = sched_next(core);
	core->current = next;
	self->next = core->free_fiber;
	core->free_fiber = self;
	bh_arch_fiber_switch(&dead_sp, next->sp);
}

static void
fiber_main(void *arg)
{
	struct bh_fiber *self = arg;
	self->fn(self->arg);
	fiber_end(bh_core_self(), self);
	bh_panic("a fiber went on after its end", self->fiber_idx, 0);
}

static struct bh_fiber *
fiber_make(struct bh_core *core, bh_fiber_fn fn, void *arg)
{
	struct bh_fiber *fiber = core->free_fiber;
	if (fiber == NULL)
		return NULL;
	const struct bh_boot_page *page = core->cell->page;
	uintptr_t low = bh_fiber_stack_low(page, core->core_idx, fiber->fiber_idx);
	core->free_fiber = fiber->next;
	fiber->fn = fn;
	fiber->arg = arg;
	fiber->event = NULL;
	fiber->deadline_idx = BH_NOT_QUEUED;
	fiber->sp = bh_arch_fiber_prepare(low, low + page->fiber_stack_bytes, fiber_main, fiber);
	return fiber;
}

int
bh_fiber_spawn(bh_fiber_fn fn, void *arg)
{
	struct bh_core *core = bh_core_self();
	struct bh_fiber *fiber = fiber_make(core, fn, arg);
	if (fiber == NULL)
		return -BH_EAGAIN;
	bh_core_ready(core, fiber);
	return 0;
}

int
bh_core_run_fn(struct bh_core *self, bh_fiber_fn fn, void *arg)
{
	if (self->running)
		return -BH_EBUSY;
	struct bh_fiber *fiber = fiber_make(self, fn, arg);
	if (fiber == NULL)
		return -BH_EAGAIN;
	self->running = true;
	self->main_fiber = fiber;
	self->current = fiber;
	bh_arch_fiber_switch(&self->host_sp, fiber->sp);
	self->running = false;
	return 0;
}

void
bh_poller_add(struct bh_poller *poller)
{
	struct bh_poller **link = &bh_core_self()->pollers;
	while (*link != NULL)
		link = &(*link)->next;
	poller->next = NULL;
	*link = poller;
}

void
bh_poller_remove(struct bh_poller *poller)
{
	struct bh_core *core = bh_core_self();
	struct bh_poller **link = &core->pollers;
	while (*link != NULL && *link != poller)
		link = &(*link)->next;
	if (*link == NULL)
		return;
	*link = poller->next;
	if (core->poller_next == poller)
		core->poller_next = poller->next;
}

static void
fibers_init(struct bh_core *core, uint32_t fiber_cnt)
{
	for (uint32_t i = fiber_cnt; i-- > 0;) {
		core->fiber[i].fiber_idx = i;
		core->fiber[i].next = core->free_fiber;
		core->free_fiber = &core->fiber[i];
	}
}

int
bh_sched_init(struct bh_core *core)
{
	uint32_t fiber_cnt = core->cell->page->fiber_cnt;
	core->policy = &bh_sched_fifo;
	core->queue = &core->fifo;
	core->fiber = bh_cell_heap_alloc(core->cell, fiber_cnt * sizeof(struct bh_fiber), BH_CACHE_LINE_BYTES);
	core->deadline = bh_cell_heap_alloc(core->cell, fiber_cnt * sizeof(struct bh_fiber *), BH_CACHE_LINE_BYTES);
	if (core->fiber == NULL || core->deadline == NULL)
		return -BH_ENOMEM;
	fibers_init(core, fiber_cnt);
	return 0;
}
