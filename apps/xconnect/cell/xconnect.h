/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The cross-connect's work on one core: what one queue receives goes out of the other. A library, so that a cell with
 * a single core can run it beside other work.
 */
#ifndef XCONNECT_CELL_H
#define XCONNECT_CELL_H

#include <bulkhead/port.h>

#include "apps/xconnect/config.h"

struct xconnect {
	struct bh_port_queue *queue[2]; /* the same twice: a reflector */
	bool swap;
	uint32_t burst_cnt;
	uint32_t idle_cnt;
	uint64_t *ring_full; /* counter */
};

/* xconnect_init - after its queues were started by the calling core */
void xconnect_init(struct xconnect *work, const struct xconnect_config *config, struct bh_port_queue *first,
                   struct bh_port_queue *second);

/**
 * xconnect_turn - one burst each way
 *
 * A frame that the other port has no room for now is dropped and counted in XCONNECT_COUNTER_RING_FULL.
 * Return: how many frames were received.
 */
uint32_t xconnect_turn(struct xconnect *work);

#endif
