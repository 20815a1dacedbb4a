/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The waiters of an event form a ring, the one that came first at event->waiters, so that joining at the end and
 * leaving from anywhere are O(1) with a single pointer in the event.
 */
#include "core/internal.h"

static void
waiters_append(struct bh_event *event, struct bh_fiber *fiber)
{
	struct bh_fiber *first = event->waiters;
	fiber->event = event;
	if (first == NULL) {
		fiber->wait_next = fiber->wait_prev = fiber;
		event->waiters = fiber;
		return;
	}
	fiber->wait_next = first;
	fiber->wait_prev = first->wait_prev;
	first->wait_prev->wait_next = fiber;
	first->wait_prev = fiber;
}

void
bh_event_forget(struct bh_fiber *fiber)
{
	struct bh_event *event = fiber->event;
	if (event->waiters == fiber)
		event->waiters = fiber->wait_next == fiber ? NULL : fiber->wait_next;
	fiber->wait_prev->wait_next = fiber->wait_next;
	fiber->wait_next->wait_prev = fiber->wait_prev;
	fiber->event = NULL;
}

int
bh_event_wait(struct bh_event *event, uint64_t deadline_tsc)
{
	struct bh_core *core = bh_core_self();
	struct bh_fiber *self = bh_sched_current(core);
	if (deadline_tsc == BH_NO_DEADLINE)
		return -BH_EINVAL;
	self->timed_out = false;
	waiters_append(event, self);
	bh_deadline_insert(core, self, deadline_tsc);
	bh_sched_block(core, self);
	return self->timed_out ? -BH_ETIMEDOUT : 0;
}

void
bh_event_signal(struct bh_event *event)
{
	if (event->waiters == NULL)
		return;
	struct bh_core *core = bh_core_self();
	do {
		struct bh_fiber *fiber = event->waiters;
		bh_event_forget(fiber);
		bh_deadline_remove(core, fiber);
		bh_core_ready(core, fiber);
	} while (event->waiters != NULL);
}
