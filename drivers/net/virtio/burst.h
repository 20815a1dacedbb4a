/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What rx.c and tx.c share. Every function with `packed` is inlined twice, so that the bursts of either ring hold no
 * question about it.
 */
#ifndef DRIVERS_NET_VIRTIO_BURST_H
#define DRIVERS_NET_VIRTIO_BURST_H

#include "drivers/net/virtio/virtio.h"

#define RECLAIM_BURST 64u

/* The entry `ahead` behind the next that the device has used, if it is there. */
BH_INLINE bool
used_at(const struct bh_virtq *vq, uint16_t ahead, uint16_t ready, bool packed, struct virtq_used_elem *out)
{
	if (packed)
		return ahead < vq->size && bh_virtq_packed_used(vq, ahead, out);
	if (ahead >= ready)
		return false;
	*out = bh_virtq_split_used(vq, ahead);
	return true;
}

BH_INLINE void
used_skip(struct bh_virtq *vq, uint16_t cnt, bool packed)
{
	if (packed)
		bh_virtq_packed_used_skip(vq, cnt);
	else
		vq->used_idx = (uint16_t)(vq->used_idx + cnt);
}

/* How many buffers the frame in this packet says that it takes; one that cannot be is taken as one and dropped there. */
BH_INLINE uint16_t
bh_virtio_pieces_of(const struct virtio_queue *queue, const struct bh_pkt *pkt)
{
	const volatile struct virtio_net_hdr *header =
	        (const volatile struct virtio_net_hdr *)(const void *)(pkt->data - VIRTIO_NET_HDR_BYTES);
	return queue->mergeable ? header->num_buffers : 1;
}

/* The device used what it was not given, or its index jumped: nothing of the queue can be trusted any more. */
BH_INLINE void
device_lies(struct virtio_queue *queue)
{
	bh_counter_add(queue->base.drop[BH_DROP_RX_BAD_ID], 1);
	bh_port_fail(&queue->base);
}

/* What was published has to be seen: now if it seems so, and for sure a little later. */
BH_INLINE void
tell(struct virtio_queue *queue, const struct bh_virtq *vq)
{
	queue->look_due = BH_VIRTIO_LOOK_POLLS;
	if (BH_UNLIKELY(bh_virtq_seems_asleep(vq)))
		bh_virtio_notify(virtio_port_of(queue->base.port), vq);
}

#endif
