/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Fibers: each core runs its own, cooperatively, first in first out. No fiber moves between cores; none is preempted.
 * A core's scheduler pass: run every poller once, wake fibers whose deadline passed, run the next ready fiber. A busy core
 * looks at the clock in every eighth pass.
 *
 * Everything here is for the calling core only. What waits (bh_yield, bh_sleep_until, bh_event_wait) panics outside of a
 * fiber, and so in a poller.
 */
#ifndef BULKHEAD_SCHED_H
#define BULKHEAD_SCHED_H

#include <bulkhead/types.h>

#define BH_NO_DEADLINE UINT64_MAX

struct bh_fiber;

typedef void (*bh_fiber_fn)(void *arg);

/**
 * bh_fiber_spawn - start a fiber on the calling core; it first runs when the caller yields
 * Return: 0; -BH_EAGAIN when all of the core's fiber stacks are taken.
 */
BH_MUST_CHECK int bh_fiber_spawn(bh_fiber_fn fn, void *arg);

/* bh_yield - let the pollers and the other ready fibers run; returns when it is this fiber's turn again. Heartbeats. */
void bh_yield(void);

/* bh_sleep_until - not run again before the clock passes deadline_tsc; yields at least once. BH_NO_DEADLINE panics. */
void bh_sleep_until(uint64_t deadline_tsc);

/* An event: fibers of one core wait on it; signal wakes all that wait at that moment. Zero-initialised. */
struct bh_event {
	struct bh_fiber *waiters;
};

/**
 * bh_event_wait - sleep until the event is signalled or deadline_tsc passes
 * Return: 0 when signalled; -BH_ETIMEDOUT; -BH_EINVAL for BH_NO_DEADLINE (every wait ends).
 */
BH_MUST_CHECK int bh_event_wait(struct bh_event *event, uint64_t deadline_tsc);

/* bh_event_signal - make all current waiters ready. From a fiber or a poller of the same core. Cheap with no waiter. */
void bh_event_signal(struct bh_event *event);

/* A poller is called once in each scheduler pass of its core, outside of any fiber: it must not yield or wait. It may signal
 * events, spawn fibers, and add or remove pollers. */
struct bh_poller {
	void (*fn)(void *arg);
	void *arg;
	struct bh_poller *next;
};

/* bh_poller_add, bh_poller_remove - on the calling core; the structure belongs to the caller and must outlive its use. */
void bh_poller_add(struct bh_poller *poller);
void bh_poller_remove(struct bh_poller *poller);

/* The policy table: how ready fibers are ordered. FIFO is the one there is; EDF and rate-monotonic will be others. */
struct bh_sched_policy {
	const char *name;
	void (*ready)(void *queue, struct bh_fiber *fiber);
	struct bh_fiber *(*next)(void *queue);
};

extern const struct bh_sched_policy bh_sched_fifo;

#endif
