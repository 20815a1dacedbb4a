/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sched/fiber.h"

static void
fifo_ready(void *queue, struct bh_fiber *fiber)
{
	struct bh_fifo *fifo = queue;
	fiber->next = NULL;
	if (fifo->head == NULL)
		fifo->head = fiber;
	else
		fifo->tail->next = fiber;
	fifo->tail = fiber;
}

static struct bh_fiber *
fifo_next(void *queue)
{
	struct bh_fifo *fifo = queue;
	struct bh_fiber *fiber = fifo->head;
	if (fiber != NULL)
		fifo->head = fiber->next;
	return fiber;
}

const struct bh_sched_policy bh_sched_fifo = {
        .name = "fifo",
        .ready = fifo_ready,
        .next = fifo_next,
};
