/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A fiber as the scheduler and its policies see it.
 *
 * Every fiber of a core is in exactly one place: running, in the policy's ready queue (next), waiting (deadline heap,
 * and an event's list if it waits for one), or in the free list (next).
 */
#ifndef CORE_SCHED_FIBER_H
#define CORE_SCHED_FIBER_H

#include <bulkhead/sched.h>
#include <bulkhead/types.h>

#define BH_NOT_QUEUED UINT32_MAX

struct bh_core;

struct bh_fiber {
	void *sp;
	struct bh_fiber *next;
	uint64_t deadline_tsc;
	uint32_t deadline_idx; /* place in the deadline heap or BH_NOT_QUEUED */
	uint32_t fiber_idx;
	struct bh_event *event;                 /* what it waits for, beside the deadline */
	struct bh_fiber *wait_next, *wait_prev; /* the event's ring of waiters */
	bool timed_out;
	bh_fiber_fn fn;
	void *arg;
};

/* The queue of bh_sched_fifo. */
struct bh_fifo {
	struct bh_fiber *head, *tail;
};

BH_INLINE void
bh_fifo_put(struct bh_fifo *fifo, struct bh_fiber *fiber)
{
	fiber->next = NULL;
	if (fifo->head == NULL)
		fifo->head = fiber;
	else
		fifo->tail->next = fiber;
	fifo->tail = fiber;
}

BH_INLINE struct bh_fiber *
bh_fifo_take(struct bh_fifo *fifo)
{
	struct bh_fiber *fiber = fifo->head;
	if (fiber != NULL)
		fifo->head = fiber->next;
	return fiber;
}

/* Deadline heap: the core's fibers by deadline_tsc, earliest first; insert and remove are O(log n). */
void bh_deadline_insert(struct bh_core *core, struct bh_fiber *fiber, uint64_t deadline_tsc);
void bh_deadline_remove(struct bh_core *core, struct bh_fiber *fiber);

/* bh_event_forget - take a fiber whose deadline passed out of its event's ring. */
void bh_event_forget(struct bh_fiber *fiber);

/* bh_sched_block - the running fiber is queued elsewhere: run others until someone makes it ready. */
void bh_sched_block(struct bh_core *core, struct bh_fiber *self);

#endif
