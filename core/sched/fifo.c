/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sched/fiber.h"

static void
fifo_ready(void *queue, struct bh_fiber *fiber)
{
	bh_fifo_put(queue, fiber);
}

static struct bh_fiber *
fifo_next(void *queue)
{
	return bh_fifo_take(queue);
}

const struct bh_sched_policy bh_sched_fifo = {
        .name = "fifo",
        .ready = fifo_ready,
        .next = fifo_next,
};
