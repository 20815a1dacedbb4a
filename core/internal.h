/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The contexts that core's modules share. Private to core/ (and to policies and tests that look inside).
 *
 *   struct bh_cell   one per cell, at the start of core 0's context: heap, arena, metrics tables, barrier
 *   struct bh_core   one per core, behind %fs: scheduler, log ring, mailbox, own metrics
 */
#ifndef CORE_INTERNAL_H
#define CORE_INTERNAL_H

#include "core/core.h"
#include "core/mem/lock.h"
#include "core/sched/fiber.h"
#include <bulkhead/arch.h>
#include <bulkhead/cell.h>
#include <bulkhead/log.h>
#include <bulkhead/mem.h>
#include <bulkhead/metrics.h>
#include <bulkhead/panic.h>

/* Longest wait at the barrier: start-up and shut-down of the slowest core. */
#define BH_BARRIER_TIMEOUT_NS UINT64_C(60000000000)

struct bh_cell {
	const struct bh_boot_page *page;
	uint8_t *shared; /* start of the shared region */
	uintptr_t arena_low, arena_high;

	struct bh_lock heap_lock BH_ALIGNED(64);
	struct bh_tlsf *heap;

	struct bh_lock arena_lock BH_ALIGNED(64);
	struct bh_bump arena;

	struct bh_lock metrics_lock BH_ALIGNED(64);

	uint32_t barrier_arrived_cnt BH_ALIGNED(64);
	uint32_t barrier_round; /* grows when the last core arrives */

	/* bh_device_reset calls of all cores, atomic: where the two differ, a reset is under way. */
	struct {
		uint32_t begun_cnt, ended_cnt;
	} reset[BH_DEVICES_MAX];
};

struct bh_core {
	/* What each switch touches. */
	struct bh_fiber *current; /* NULL in pollers and outside of fibers */
	struct bh_core_status *status;
	const struct bh_sched_policy *policy;
	void *queue; /* the policy's */
	struct bh_poller *pollers;
	uint32_t deadline_cnt;
	uint32_t pass_cnt;
	struct bh_fiber **deadline; /* binary heap, earliest first */

	/* What each log record touches. */
	struct bh_log_ring *log BH_ALIGNED(64);
	uint64_t log_mask;
	uint64_t log_head;
	uint64_t log_tail; /* as last seen */

	struct bh_cell *cell BH_ALIGNED(64);
	const struct bh_control *control;
	uint32_t core_idx;
	bool running;
	bool mailbox_taken; /* a fiber of this core waits for an answer */
	struct bh_fifo fifo;
	struct bh_poller *poller_next; /* cursor, so that a poller may remove any poller */
	struct bh_fiber *main_fiber;   /* its return ends bh_core_run_fn */
	void *host_sp;                 /* where bh_core_run_fn stands */
	struct bh_fiber *fiber;        /* [fiber_cnt] */
	struct bh_fiber *free_fiber;
	uint32_t mailbox_seq;

	/* Where metrics go that found no room. */
	uint64_t spare_counter BH_ALIGNED(64);
	struct bh_hist spare_hist;
};

/* Set-up of the modules for one core, called by bh_core_init in this order. None needs bh_core_self(). */
BH_MUST_CHECK int bh_heap_init(struct bh_cell *cell, uintptr_t low, uintptr_t high);
BH_MUST_CHECK int bh_sched_init(struct bh_core *core);
void bh_metrics_init(struct bh_core *core);
void bh_log_init(struct bh_core *core);

/* bh_shared_section - address of an offset of the boot page's shared layout. */
BH_INLINE void *
bh_shared_section(const struct bh_cell *cell, uint64_t offset)
{
	return cell->shared + offset;
}

/* bh_core_beat - the heartbeat, for who has the context at hand. Nobody else writes it. */
BH_INLINE void
bh_core_beat(struct bh_core *core)
{
	uint64_t *heartbeat = &core->status->heartbeat;
	__atomic_store_n(heartbeat, *heartbeat + 1, __ATOMIC_RELAXED);
}

/* bh_sched_current - the running fiber; panics outside of fibers, where waiting is not possible. */
BH_INLINE struct bh_fiber *
bh_sched_current(const struct bh_core *core)
{
	if (BH_UNLIKELY(core->current == NULL))
		bh_panic("waiting outside of a fiber (a poller must not wait)", core->core_idx, 0);
	return core->current;
}

/* The policy's two functions; the usual one's are inlined, two calls through pointers would be a third of a switch. */
BH_INLINE void
bh_core_ready(struct bh_core *core, struct bh_fiber *fiber)
{
	if (BH_LIKELY(core->policy == &bh_sched_fifo))
		bh_fifo_put(core->queue, fiber);
	else
		core->policy->ready(core->queue, fiber);
}

BH_INLINE struct bh_fiber *
bh_core_next(struct bh_core *core)
{
	if (BH_LIKELY(core->policy == &bh_sched_fifo))
		return bh_fifo_take(core->queue);
	return core->policy->next(core->queue);
}

/* The heap without bh_core_self(): for bh_core_init. */
void *bh_cell_heap_alloc(struct bh_cell *cell, size_t size_bytes, size_t align);

#endif
