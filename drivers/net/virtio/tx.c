/* SPDX-License-Identifier: Apache-2.0 */
/* Transmit bursts over either ring, and the end of both queues. */
#include "drivers/net/virtio/burst.h"

/*
 * The usual case of what is taken back: entries in the ring's order, single descriptors, packets of the queue's own
 * pool. A run of at most cnt that does not wrap; it ends before the first that is anything else.
 * Return: how many.
 */
BH_INLINE uint32_t
reclaim_run(struct virtio_queue *queue, uint32_t cnt, bool packed)
{
	struct bh_virtq *const vq = &queue->tx;
	struct bh_pkt_pool *const pool = queue->base.pool;
	const uint32_t at = vq->used_idx & vq->mask, id = vq->done_idx & vq->mask;
	struct bh_pkt **const slot = vq->slot + id, **const top = pool->free + pool->free_cnt;
	const volatile virtq_used_word *const used =
	        packed ? NULL : (const volatile virtq_used_word *)(uintptr_t)vq->used->ring + at;
	const volatile struct bh_virtq_desc_words *const desc = packed ? bh_virtq_desc_at(vq, at, true) : NULL;
	const uint32_t mask = packed ? (uint32_t)(BH_VIRTQ_PACKED_SEEN >> 32) : UINT32_MAX;
	uint32_t expected = packed ? (uint32_t)(bh_virtq_packed_used_word(vq, id) >> 32) : id;
	size_t i;
	for (i = 0; i < cnt; i++, expected++) {
		struct bh_pkt *const pkt = slot[i];
		if (BH_UNLIKELY(((packed ? (uint32_t)(desc[i].word >> 32) : (uint32_t)used[i]) & mask) != expected))
			break;
		if (BH_UNLIKELY(pkt->pool != pool))
			break;
		slot[i] = NULL;
		top[i] = pkt;
	}
	bh_dma_rmb();
	pool->free_cnt += (uint32_t)i;
	used_skip(vq, (uint16_t)i, packed);
	vq->done_idx = (uint16_t)(vq->done_idx + i);
	vq->free_cnt = (uint16_t)(vq->free_cnt + i);
	return (uint32_t)i;
}

/* Return: how many entries it took back. */
BH_INLINE uint16_t
reclaim_fast(struct virtio_queue *queue, uint16_t ready, bool packed)
{
	struct bh_virtq *const vq = &queue->tx;
	const struct bh_pkt_pool *const pool = queue->base.pool;
	uint32_t taken = 0, run, got;
	if (BH_UNLIKELY(pool == NULL || !vq->in_order || vq->chains != 0))
		return 0;
	do {
		uint32_t id = vq->done_idx & vq->mask, at = packed ? id : vq->used_idx & vq->mask;
		uint32_t held = (uint16_t)(vq->desc_idx - vq->done_idx);
		run = BH_MIN(held, vq->size - BH_MAX(id, at));
		run = packed ? run : BH_MIN(run, ready - taken);
		run = BH_MIN(run, pool->pkt_cnt - pool->free_cnt);
		got = reclaim_run(queue, run, packed);
		taken += got;
	} while (got == run && run > 0);
	return (uint16_t)taken;
}

/* Return: how many of the next cnt, which do not wrap, are single descriptors with packets of the queue's own pool. */
BH_INLINE uint32_t
batch_run(struct virtio_queue *queue, uint32_t cnt)
{
	struct bh_virtq *const vq = &queue->tx;
	struct bh_pkt_pool *const pool = queue->base.pool;
	struct bh_pkt **const slot = vq->slot + (vq->done_idx & vq->mask), **const top = pool->free + pool->free_cnt;
	size_t i;
	if (BH_UNLIKELY(vq->chains != 0))
		return 0;
	cnt = BH_MIN(cnt, pool->pkt_cnt - pool->free_cnt);
	for (i = 0; i < cnt; i++) {
		struct bh_pkt *const pkt = slot[i];
		if (BH_UNLIKELY(pkt->pool != pool))
			break;
		slot[i] = NULL;
		top[i] = pkt;
	}
	pool->free_cnt += (uint32_t)i;
	vq->done_idx = (uint16_t)(vq->done_idx + i);
	return (uint32_t)i;
}

/* The oldest chain's packet. Return: its descriptors. */
static uint32_t
batch_one(struct bh_virtq *vq)
{
	const uint16_t id = vq->done_idx & vq->mask, cnt = vq->chain_cnt[id];
	bh_pkt_free(vq->slot[id]);
	vq->slot[id] = NULL;
	vq->chain_cnt[id] = 1;
	vq->chains = (uint16_t)(vq->chains - (cnt > 1));
	vq->done_idx = (uint16_t)(vq->done_idx + cnt);
	return cnt;
}

/*
 * A batched queue's next entry: all descriptors up to its buffer's last are sent.
 * Return: how many; 0: there is none yet; -BH_EPROTO: it is of no buffer that the device has.
 */
BH_INLINE int32_t
reclaim_batch(struct virtio_queue *queue)
{
	struct bh_virtq *const vq = &queue->tx;
	struct virtq_used_elem elem;
	if (!bh_virtq_packed_used(vq, 0, &elem))
		return 0;
	const uint32_t held = (uint16_t)(vq->desc_idx - vq->done_idx);
	uint32_t cnt = bh_virtq_batch_cnt(vq, vq->done_idx, elem.id), done = 0;
	if (BH_UNLIKELY(elem.id >= vq->size || cnt > held || vq->slot[elem.id] == NULL))
		return -BH_EPROTO;
	cnt += vq->chain_cnt[elem.id] - 1u;
	while (done < cnt) {
		uint32_t run = batch_run(queue, BH_MIN(cnt - done, vq->size - (uint32_t)(vq->done_idx & vq->mask)));
		done += BH_LIKELY(run != 0) ? run : batch_one(vq);
	}
	used_skip(vq, (uint16_t)cnt, true);
	vq->free_cnt = (uint16_t)(vq->free_cnt + cnt);
	return (int32_t)cnt;
}

BH_INLINE void
reclaim_batches(struct virtio_queue *queue)
{
	int32_t done;
	do
		done = reclaim_batch(queue);
	while (done > 0);
	if (BH_UNLIKELY(done < 0))
		device_lies(queue);
}

/* Take back what the device has sent. */
BH_INLINE void
tx_reclaim(struct virtio_queue *queue, bool packed)
{
	struct bh_virtq *vq = &queue->tx;
	struct bh_pkt *done[RECLAIM_BURST];
	struct virtq_used_elem elem;
	uint16_t ready = packed ? 0 : bh_virtq_split_ready(vq);
	uint32_t done_cnt = 0;
	if (packed && vq->batched) {
		reclaim_batches(queue);
		return;
	}
	if (BH_UNLIKELY(ready > vq->size)) {
		device_lies(queue);
		return;
	}
	uint16_t fast_cnt = reclaim_fast(queue, ready, packed);
	ready = packed ? ready : (uint16_t)(ready - fast_cnt);
	while (used_at(vq, 0, ready, packed, &elem)) {
		struct bh_pkt *pkt = BH_LIKELY(elem.id < vq->size) ? vq->slot[elem.id] : NULL;
		if (BH_UNLIKELY(pkt == NULL)) {
			used_skip(vq, 1, packed);
			device_lies(queue);
			break;
		}
		used_skip(vq, packed ? vq->chain_cnt[elem.id] : 1, packed);
		ready = packed ? ready : (uint16_t)(ready - 1);
		bh_virtq_chain_done(vq, (uint16_t)elem.id);
		done[done_cnt++] = pkt;
		if (done_cnt == RECLAIM_BURST) {
			bh_pkt_free_burst(queue->base.pool, done, done_cnt);
			done_cnt = 0;
		}
	}
	bh_pkt_free_burst(queue->base.pool, done, done_cnt);
}

/*
 * A header that asks for nothing. That of a forwarded frame mostly is one already, and a line that is not written need
 * not be fetched back by the device's core.
 */
BH_INLINE void
header_clear(uint8_t *header)
{
	uint64_t first;
	uint32_t last;
	__builtin_memcpy(&first, header, 8);
	__builtin_memcpy(&last, header + 8, 4);
	if ((first | last) != 0)
		__builtin_memset(header, 0, VIRTIO_NET_HDR_BYTES);
}

/* The header in front of the frame where there is headroom, else in the ring's own memory: then *out_apart is true. */
BH_INLINE uint8_t *
tx_header(struct virtio_queue *queue, const struct bh_pkt *pkt, uint16_t id, bool *out_apart)
{
	uint8_t *header = pkt->data - VIRTIO_NET_HDR_BYTES;
	*out_apart = BH_UNLIKELY(pkt->data - pkt->buf < (ptrdiff_t)VIRTIO_NET_HDR_BYTES);
	if (*out_apart)
		header = queue->tx_headers + (size_t)id * VIRTIO_NET_HDR_BYTES;
	if (BH_UNLIKELY(pkt->flags & BH_PKT_CSUM_PARTIAL))
		bh_virtio_header_make(pkt, header);
	else
		header_clear(header);
	return header;
}

/* A frame of more than one descriptor, split ring: identifiers linked by `next`. */
static void
tx_chain_split(struct virtio_queue *queue, struct bh_pkt *pkt)
{
	struct bh_virtq *vq = &queue->tx;
	uint16_t head = bh_virtq_id_take(vq), id = head, cnt = 1;
	bool apart;
	uint8_t *header = tx_header(queue, pkt, head, &apart);
	const struct bh_pkt *seg = pkt;
	uint64_t addr = (uintptr_t)header;
	uint32_t len = apart ? VIRTIO_NET_HDR_BYTES : VIRTIO_NET_HDR_BYTES + pkt->len_bytes;
	if (!apart)
		seg = pkt->next;
	for (; seg != NULL; seg = seg->next, cnt++) {
		uint16_t next = bh_virtq_id_take(vq);
		bh_virtq_split_desc(vq, id, addr, len, VIRTQ_DESC_F_NEXT, next);
		vq->next_id[id] = next;
		id = next;
		addr = (uintptr_t)seg->data;
		len = seg->len_bytes;
	}
	bh_virtq_split_desc(vq, id, addr, len, 0, 0);
	vq->slot[head] = pkt;
	vq->chain_cnt[head] = cnt;
	vq->chains = (uint16_t)(vq->chains + (cnt > 1));
	vq->free_cnt = (uint16_t)(vq->free_cnt - cnt);
	bh_virtq_split_avail(vq, head);
}

/* Packed ring: descriptors side by side, one identifier; the first is given last (2.8.21). */
static void
tx_chain_packed(struct virtio_queue *queue, struct bh_pkt *pkt)
{
	struct bh_virtq *vq = &queue->tx;
	uint16_t id = bh_virtq_id_take(vq), cnt = 1;
	bool apart;
	uint8_t *header = tx_header(queue, pkt, id, &apart);
	const struct bh_pkt *seg = apart ? pkt : pkt->next;
	struct virtq_packed_desc *first = &vq->ring[vq->avail_idx];
	uint16_t first_flags = vq->avail_flags | (seg != NULL ? VIRTQ_DESC_F_NEXT : 0);
	uint32_t first_len = apart ? VIRTIO_NET_HDR_BYTES : VIRTIO_NET_HDR_BYTES + pkt->len_bytes;
	first->addr = (uintptr_t)header;
	bh_virtq_packed_skip(vq, 1);
	for (; seg != NULL; seg = seg->next, cnt++)
		bh_virtq_packed_give(vq, (uintptr_t)seg->data, seg->len_bytes, id,
		                     seg->next != NULL ? VIRTQ_DESC_F_NEXT : 0);
	bh_dma_wmb();
	*(volatile uint64_t *)(void *)&first->len = bh_virtq_packed_word(first_len, id, first_flags);
	vq->slot[id] = pkt;
	vq->chain_cnt[id] = cnt;
	vq->chains = (uint16_t)(vq->chains + (cnt > 1));
	vq->desc_idx = (uint16_t)(vq->desc_idx + cnt - 1); /* one identifier, but as many positions */
	vq->free_cnt = (uint16_t)(vq->free_cnt - cnt);
}

/* Return: descriptors that the frame takes, once the tag that it asks for is in it. */
BH_INLINE uint32_t
tx_desc_cnt(const struct bh_pkt *pkt)
{
	uint32_t tag_bytes = pkt->flags & BH_PKT_VLAN ? BH_VLAN_TAG_BYTES : 0;
	uint32_t header_apart = bh_pkt_headroom(pkt) < VIRTIO_NET_HDR_BYTES + tag_bytes;
	return (BH_LIKELY(pkt->next == NULL) ? 1u : pkt->seg_cnt) + header_apart;
}

BH_INLINE void
tx_one(struct virtio_queue *queue, struct bh_pkt *pkt, bool packed)
{
	struct bh_virtq *vq = &queue->tx;
	uint16_t id = bh_virtq_id_take(vq);
	bool apart;
	uint64_t addr = (uintptr_t)tx_header(queue, pkt, id, &apart);
	vq->slot[id] = pkt;
	vq->free_cnt--;
	if (packed) {
		bh_virtq_packed_give(vq, addr, VIRTIO_NET_HDR_BYTES + pkt->len_bytes, id, 0);
		return;
	}
	bh_virtq_split_desc(vq, id, addr, VIRTIO_NET_HDR_BYTES + pkt->len_bytes, 0, 0);
	bh_virtq_split_avail(vq, id);
}

/*
 * The available ring's next cnt entries say `id` and what follows. Where they have said so since the last lap they are
 * left alone: a line that is not written stays in the cache of the device's core.
 */
BH_INLINE void
avail_run(struct bh_virtq *vq, uint32_t id, uint32_t cnt)
{
	if (BH_LIKELY(vq->same_cnt >= vq->size && id == (vq->avail_idx & vq->mask))) {
		vq->avail_idx = (uint16_t)(vq->avail_idx + cnt);
		return;
	}
	vq->same_cnt = (uint16_t)BH_MIN(vq->same_cnt + cnt, (uint32_t)vq->size);
	for (uint32_t i = 0; i < cnt; i++)
		bh_virtq_split_avail(vq, (uint16_t)(id + i));
}

/*
 * The usual case: plain frames of one piece with headroom, one descriptor each, the ring in order. A run of cnt
 * descriptors that are free and do not wrap; it ends before the first frame that is anything else.
 * Return: how many frames it gave to the device.
 */
BH_INLINE uint32_t
tx_run(struct virtio_queue *queue, struct bh_pkt *const *pkts, uint32_t cnt, bool packed, uint64_t *bytes)
{
	struct bh_virtq *const vq = &queue->tx;
	const uint32_t id = vq->desc_idx & vq->mask;
	struct bh_pkt **const slot = vq->slot + id;
	struct bh_virtq_desc_words *const desc = bh_virtq_desc_at(vq, id, packed);
	const uint32_t over_max = queue->base.frame_bytes_max - BH_ETH_HEADER_BYTES;
	uint64_t word = packed ? bh_virtq_packed_word(VIRTIO_NET_HDR_BYTES, (uint16_t)id, vq->avail_flags)
	                       : VIRTIO_NET_HDR_BYTES;
	uint64_t sum = 0;
	size_t i;
	for (i = 0; i < cnt; i++) {
		struct bh_pkt *const pkt = pkts[i];
		uint8_t *const header = pkt->data - VIRTIO_NET_HDR_BYTES;
		const uint32_t len = pkt->len_bytes;
		if (BH_UNLIKELY(len - BH_ETH_HEADER_BYTES > over_max || pkt->next != NULL || header < pkt->buf ||
		                (pkt->flags & (BH_PKT_CSUM_PARTIAL | BH_PKT_VLAN)) != 0))
			break;
		header_clear(header);
		slot[i] = pkt;
		desc[i].addr = (uintptr_t)header;
		if (packed) {
			bh_dma_wmb();
			*(volatile uint64_t *)&desc[i].word = word + len;
			word += (uint64_t)1 << 32; /* the identifier */
		} else {
			desc[i].word = word + len;
		}
		sum += len;
	}
	vq->desc_idx = (uint16_t)(vq->desc_idx + i);
	vq->free_cnt = (uint16_t)(vq->free_cnt - i);
	if (packed)
		bh_virtq_packed_skip(vq, (uint16_t)i);
	else
		avail_run(vq, id, (uint32_t)i);
	*bytes += sum;
	return (uint32_t)i;
}

BH_INLINE uint32_t
tx_fast(struct virtio_queue *queue, struct bh_pkt *const *pkts, uint32_t cnt, bool packed, uint64_t *bytes)
{
	const struct bh_virtq *const vq = &queue->tx;
	uint32_t sent = 0, run, got;
	if (BH_UNLIKELY(!vq->in_order))
		return 0;
	do {
		uint32_t id = vq->desc_idx & vq->mask, at = packed ? id : vq->avail_idx & vq->mask;
		run = BH_MIN(cnt - sent, vq->size - BH_MAX(id, at));
		run = BH_MIN(run, (uint32_t)vq->free_cnt);
		got = tx_run(queue, pkts + sent, run, packed, bytes);
		sent += got;
	} while (got == run && sent < cnt && run > 0);
	return sent;
}

BH_INLINE uint32_t
tx_burst(struct bh_port_queue *base, struct bh_pkt *const *pkts, uint32_t cnt, bool packed)
{
	struct virtio_queue *queue = virtio_queue_of(base);
	struct bh_virtq *vq = &queue->tx;
	uint32_t i, sent = 0;
	uint64_t bytes = 0;
	/* Used entries are taken back a quarter of the ring at a time: their lines are full then. */
	if (cnt == 0 || vq->free_cnt < vq->reclaim_below)
		tx_reclaim(queue, packed);
	sent = tx_fast(queue, pkts, cnt, packed, &bytes);
	for (i = sent; i < cnt; i++) {
		struct bh_pkt *pkt = pkts[i];
		uint32_t desc_cnt = tx_desc_cnt(pkt);
		if (BH_UNLIKELY(desc_cnt > vq->free_cnt)) {
			tx_reclaim(queue, packed);
			if (desc_cnt > vq->free_cnt && desc_cnt <= vq->size)
				break;
		}
		if (!bh_port_tx_check(base, pkt, queue->tx_features, BH_MIN(BH_PKT_SEGS_MAX, vq->size - 1u)))
			continue;
		bytes += bh_pkt_frame_bytes(pkt);
		sent++;
		if (BH_LIKELY(desc_cnt == 1))
			tx_one(queue, pkt, packed);
		else if (packed)
			tx_chain_packed(queue, pkt);
		else
			tx_chain_split(queue, pkt);
	}
	if (sent == 0)
		return i;
	if (!packed)
		bh_virtq_split_publish(vq);
	if (BH_UNLIKELY(!queue->rx_polled))
		bh_dma_mb();
	queue->rx_polled = false;
	tell(queue, vq);
	bh_counter_add(base->tx_pkts, sent);
	bh_counter_add(base->tx_bytes, bytes);
	return i;
}

uint32_t
bh_virtio_split_tx(struct bh_port_queue *queue, struct bh_pkt *const *pkts, uint32_t cnt)
{
	return tx_burst(queue, pkts, cnt, false);
}

uint32_t
bh_virtio_packed_tx(struct bh_port_queue *queue, struct bh_pkt *const *pkts, uint32_t cnt)
{
	return tx_burst(queue, pkts, cnt, true);
}

/* What the device said it has sent before it was reset, it has sent. Up to the first entry that cannot be. */
static void
tx_take_sent(struct virtio_queue *queue, bool packed)
{
	struct bh_virtq *vq = &queue->tx;
	uint16_t ready = packed ? 0 : bh_virtq_split_ready(vq);
	struct virtq_used_elem elem;
	if (vq->batched) {
		while (reclaim_batch(queue) > 0)
			;
		return;
	}
	if (ready > vq->size)
		return;
	while (used_at(vq, 0, ready, packed, &elem) && elem.id < vq->size && vq->slot[elem.id] != NULL) {
		bh_pkt_free(vq->slot[elem.id]);
		vq->slot[elem.id] = NULL;
		used_skip(vq, packed ? vq->chain_cnt[elem.id] : 1, packed);
		ready = packed ? ready : (uint16_t)(ready - 1);
	}
}

/* Frames that the device has received and nobody has taken, as far as it can be believed. */
static uint32_t
rx_count_frames(const struct virtio_queue *queue, bool packed)
{
	const struct bh_virtq *vq = &queue->rx;
	uint16_t ready = packed ? vq->size : bh_virtq_split_ready(vq);
	uint32_t at = vq->batch_left, cnt = vq->batch_left;
	struct virtq_used_elem elem;
	if (ready > vq->size)
		return 0;
	while (at < ready && used_at(vq, (uint16_t)at, ready, packed, &elem) && elem.id < vq->size &&
	       vq->slot[elem.id] != NULL) {
		uint16_t piece_cnt = bh_virtio_pieces_of(queue, vq->slot[elem.id]);
		uint16_t frame_cnt = vq->batched ? bh_virtq_batch_cnt(vq, vq->used_idx + at, elem.id) : 1;
		at += BH_MAX(piece_cnt, frame_cnt);
		cnt += frame_cnt;
	}
	return cnt;
}

/* Receive buffers are no frames; what was received and not taken, or to be sent and is not known to be sent, is counted. */
void
bh_virtio_drain(struct bh_port_queue *base)
{
	struct virtio_queue *queue = virtio_queue_of(base);
	struct bh_pkt *pkt;
	queue->look_due = 0;
	tx_take_sent(queue, queue->tx.packed);
	bh_counter_add(base->drop[BH_DROP_RESET], rx_count_frames(queue, queue->rx.packed));
	while ((pkt = bh_virtq_take(&queue->rx)) != NULL) {
		pkt->next = NULL;
		bh_pkt_free(pkt);
	}
	while ((pkt = bh_virtq_take(&queue->tx)) != NULL)
		bh_port_drop(base, pkt, BH_DROP_RESET);
	bh_virtq_reset(&queue->rx);
	bh_virtq_reset(&queue->tx);
}
