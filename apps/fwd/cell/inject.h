/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The way from Linux: what it sent out of a port's TAP leaves by the port. Core 0 of the cell, once a turn.
 */
#ifndef APPS_FWD_INJECT_H
#define APPS_FWD_INJECT_H

#include <bulkhead/port.h>

#include "apps/fwd/channel.h"

#define FWD_INJECT_BURST_MAX 32u

struct fwd_inject {
	struct fwd_ring_end ring; /* the consumer's end of the ring from Linux */
	struct bh_port_queue *const *queue;
	struct bh_pkt_pool *pool;
	uint32_t port_cnt;
	uint64_t *done, *bad, *no_buffer, *tx_full; /* counters */
};

void fwd_inject_init(struct fwd_inject *inject, const struct fwd_ring_end *ring, struct bh_port_queue *const *queue,
                     uint32_t port_cnt);

/* fwd_inject_turn - at most FWD_INJECT_BURST_MAX frames. Return: how many were taken from the ring. */
uint32_t fwd_inject_turn(struct fwd_inject *inject);

#endif
