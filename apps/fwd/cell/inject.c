/* SPDX-License-Identifier: Apache-2.0 */
#include "apps/fwd/cell/inject.h"

#include <bulkhead/metrics.h>

#include "apps/fwd/cell/header.h"
#include "apps/fwd/reason.h"

void
fwd_inject_init(struct fwd_inject *inject, const struct fwd_ring_end *ring, struct bh_port_queue *const *queue,
                uint32_t port_cnt)
{
	*inject = (struct fwd_inject){.ring = *ring, .queue = queue, .pool = queue[0]->pool, .port_cnt = port_cnt};
	inject->done = bh_counter_register(FWD_COUNTER_FROM_LINUX, "");
	inject->bad = bh_counter_register("fwd.lost_bad", "");
	inject->no_buffer = bh_counter_register("fwd.lost_no_buffer", "");
	inject->tx_full = bh_counter_register("fwd.lost_tx_full", "");
}

/* The producer may write on: each field is read once. Return: the counter of what became of the frame. */
static uint64_t *
send_slot(struct fwd_inject *inject, const struct fwd_slot *slot)
{
	uint32_t bytes = __atomic_load_n(&slot->bytes, __ATOMIC_RELAXED);
	uint8_t port = __atomic_load_n(&slot->port, __ATOMIC_RELAXED);
	struct bh_pkt *pkt;
	if (port >= inject->port_cnt || bytes < FWD_ETHER_BYTES || bytes > fwd_ring_frame_max(&inject->ring) ||
	    bytes > inject->pool->data_bytes)
		return inject->bad;
	if (bh_pkt_get(inject->pool, &pkt, 1) == 0)
		return inject->no_buffer;
	__builtin_memcpy(pkt->data, slot->frame, bytes);
	pkt->len_bytes = bytes;
	if (bh_port_tx(inject->queue[port], &pkt, 1) == 1)
		return inject->done;
	bh_pkt_free(pkt);
	return inject->tx_full;
}

uint32_t
fwd_inject_turn(struct fwd_inject *inject)
{
	uint32_t cnt = 0;
	const struct fwd_slot *slot;
	while (cnt < FWD_INJECT_BURST_MAX && (slot = fwd_ring_next(&inject->ring)) != NULL) {
		bh_counter_add(send_slot(inject, slot), 1);
		fwd_ring_drop(&inject->ring);
		cnt++;
	}
	if (cnt != 0)
		fwd_ring_publish(&inject->ring);
	return cnt;
}
