/* SPDX-License-Identifier: Apache-2.0 */
/* Transmit bursts over either ring, and the end of both queues. */
#include "drivers/net/virtio/burst.h"

static void
tx_put_chain(struct bh_virtq *vq, uint16_t id)
{
	uint16_t cnt = vq->chain_cnt[id];
	vq->chain_cnt[id] = 1; /* as of every identifier that heads no chain */
	vq->free_cnt = (uint16_t)(vq->free_cnt + cnt);
	vq->free_id[vq->id_cnt++] = id;
	if (vq->packed) /* one identifier for the whole chain */
		return;
	for (; cnt > 1; cnt--) {
		id = vq->next_id[id];
		vq->free_id[vq->id_cnt++] = id;
	}
}

/*
 * The usual case of it: single descriptors, packets of the queue's own pool. It ends before the first that is anything
 * else.
 */
BH_INLINE void
reclaim_fast(struct virtio_queue *queue, uint32_t ready, bool packed)
{
	struct bh_virtq *const vq = &queue->tx;
	struct bh_pkt_pool *const pool = queue->base.pool;
	struct bh_pkt **const slot = vq->slot, **top = pool->free + pool->free_cnt;
	const uint32_t room = pool->pkt_cnt - pool->free_cnt;
	const uint32_t most = packed ? room : BH_MIN(room, ready);
	struct virtq_packed_desc *const ring = vq->ring;
	const volatile virtq_used_word *const used =
	        packed ? NULL : (const volatile virtq_used_word *)(uintptr_t)vq->used->ring;
	uint16_t *ids = vq->free_id + vq->id_cnt;
	const uint16_t *const chain_cnt = vq->chain_cnt;
	const uint32_t size = vq->size, mask = vq->mask;
	uint32_t used_idx = vq->used_idx, i;
	uint16_t used_wrap = vq->used_wrap;
	for (i = 0; i < most; i++) {
		uint64_t word = packed ? *(volatile uint64_t *)(void *)&ring[used_idx].len : used[used_idx & mask];
		const uint16_t used_flags = used_wrap ? VIRTQ_PACKED_F_AVAIL | VIRTQ_PACKED_F_USED : 0;
		if (packed && ((uint16_t)(word >> 48) & (VIRTQ_PACKED_F_AVAIL | VIRTQ_PACKED_F_USED)) != used_flags)
			break;
		bh_dma_rmb();
		const uint32_t id = packed ? (uint32_t)(word >> 32) & 0xffff : (uint32_t)word;
		struct bh_pkt *const pkt = BH_LIKELY(id < size) ? slot[id] : NULL;
		if (BH_UNLIKELY(pkt == NULL || chain_cnt[id] != 1 || pkt->pool != pool))
			break;
		slot[id] = NULL;
		*ids++ = (uint16_t)id;
		*top++ = pkt;
		used_idx++;
		if (packed && used_idx == size) {
			used_idx = 0;
			used_wrap ^= 1;
		}
	}
	pool->free_cnt = (uint32_t)(top - pool->free);
	vq->id_cnt = (uint16_t)(ids - vq->free_id);
	vq->free_cnt = (uint16_t)(vq->free_cnt + i);
	vq->used_idx = (uint16_t)used_idx;
	vq->used_wrap = used_wrap;
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
	if (BH_UNLIKELY(ready > vq->size)) {
		device_lies(queue);
		return;
	}
	if (BH_LIKELY(queue->base.pool != NULL)) {
		uint16_t before = vq->used_idx;
		reclaim_fast(queue, ready, packed);
		ready = packed ? ready : (uint16_t)(ready - (uint16_t)(vq->used_idx - before));
	}
	while (used_at(vq, 0, ready, packed, &elem)) {
		struct bh_pkt *pkt = BH_LIKELY(elem.id < vq->size) ? vq->slot[elem.id] : NULL;
		if (BH_UNLIKELY(pkt == NULL)) {
			used_skip(vq, 1, packed);
			device_lies(queue);
			break;
		}
		uint16_t id = (uint16_t)elem.id;
		vq->slot[id] = NULL;
		used_skip(vq, packed ? vq->chain_cnt[id] : 1, packed);
		ready = packed ? ready : (uint16_t)(ready - 1);
		if (BH_LIKELY(vq->chain_cnt[id] == 1)) {
			vq->free_cnt++;
			vq->free_id[vq->id_cnt++] = id;
		} else {
			tx_put_chain(vq, id);
		}
		done[done_cnt++] = pkt;
		if (done_cnt == RECLAIM_BURST) {
			bh_pkt_free_burst(queue->base.pool, done, done_cnt);
			done_cnt = 0;
		}
	}
	bh_pkt_free_burst(queue->base.pool, done, done_cnt);
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
		__builtin_memset(header, 0, VIRTIO_NET_HDR_BYTES);
	return header;
}

/* A frame of more than one descriptor, split ring: identifiers linked by `next`. */
static void
tx_chain_split(struct virtio_queue *queue, struct bh_pkt *pkt)
{
	struct bh_virtq *vq = &queue->tx;
	uint16_t head = vq->free_id[--vq->id_cnt], id = head, cnt = 1;
	bool apart;
	uint8_t *header = tx_header(queue, pkt, head, &apart);
	const struct bh_pkt *seg = pkt;
	uint64_t addr = (uintptr_t)header;
	uint32_t len = apart ? VIRTIO_NET_HDR_BYTES : VIRTIO_NET_HDR_BYTES + pkt->len_bytes;
	if (!apart)
		seg = pkt->next;
	for (; seg != NULL; seg = seg->next, cnt++) {
		uint16_t next = vq->free_id[--vq->id_cnt];
		bh_virtq_split_desc(vq, id, addr, len, VIRTQ_DESC_F_NEXT, next);
		vq->next_id[id] = next;
		id = next;
		addr = (uintptr_t)seg->data;
		len = seg->len_bytes;
	}
	bh_virtq_split_desc(vq, id, addr, len, 0, 0);
	vq->slot[head] = pkt;
	vq->chain_cnt[head] = cnt;
	vq->free_cnt = (uint16_t)(vq->free_cnt - cnt);
	bh_virtq_split_avail(vq, head);
}

/* Packed ring: descriptors side by side, one identifier; the first is given last (2.8.21). */
static void
tx_chain_packed(struct virtio_queue *queue, struct bh_pkt *pkt)
{
	struct bh_virtq *vq = &queue->tx;
	uint16_t id = vq->free_id[--vq->id_cnt], cnt = 1;
	bool apart;
	uint8_t *header = tx_header(queue, pkt, id, &apart);
	const struct bh_pkt *seg = apart ? pkt : pkt->next;
	struct virtq_packed_desc *first = &vq->ring[vq->avail_idx];
	uint16_t first_flags = vq->avail_flags | (seg != NULL ? VIRTQ_DESC_F_NEXT : 0);
	uint32_t first_len = apart ? VIRTIO_NET_HDR_BYTES : VIRTIO_NET_HDR_BYTES + pkt->len_bytes;
	first->addr = (uintptr_t)header;
	bh_virtq_packed_skip(vq);
	for (; seg != NULL; seg = seg->next, cnt++)
		bh_virtq_packed_give(vq, (uintptr_t)seg->data, seg->len_bytes, id,
		                     seg->next != NULL ? VIRTQ_DESC_F_NEXT : 0);
	bh_dma_wmb();
	*(volatile uint64_t *)(void *)&first->len = bh_virtq_packed_word(first_len, id, first_flags);
	vq->slot[id] = pkt;
	vq->chain_cnt[id] = cnt;
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
	uint16_t id = vq->free_id[--vq->id_cnt];
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
 * The usual case: plain frames of one piece with headroom, one descriptor each. It ends before the first that is anything
 * else, or when no descriptor is free.
 * Return: how many frames it gave to the device.
 */
BH_INLINE uint32_t
tx_fast(struct virtio_queue *queue, struct bh_pkt *const *pkts, uint32_t cnt, bool packed, uint64_t *bytes)
{
	struct bh_virtq *const vq = &queue->tx;
	struct bh_pkt **const slot = vq->slot;
	const uint16_t *ids = vq->free_id + vq->id_cnt;
	struct virtq_desc *const desc = vq->desc;
	struct virtq_packed_desc *const ring = vq->ring;
	uint16_t *const avail_ring = packed ? NULL : vq->avail->ring;
	const uint32_t mask = vq->mask, over_max = queue->base.frame_bytes_max - BH_ETH_HEADER_BYTES;
	uint32_t avail_idx = vq->avail_idx, i;
	uint16_t avail_flags = vq->avail_flags;
	uint64_t sum = 0;
	cnt = BH_MIN(cnt, (uint32_t)vq->free_cnt);
	for (i = 0; i < cnt; i++) {
		struct bh_pkt *const pkt = pkts[i];
		uint8_t *const header = pkt->data - VIRTIO_NET_HDR_BYTES;
		const uint32_t over = pkt->len_bytes - BH_ETH_HEADER_BYTES;
		if (BH_UNLIKELY(over > over_max || pkt->next != NULL || header < pkt->buf ||
		                (pkt->flags & (BH_PKT_CSUM_PARTIAL | BH_PKT_VLAN)) != 0))
			break;
		const uint16_t id = *--ids;
		const uint32_t len = over + BH_ETH_HEADER_BYTES + VIRTIO_NET_HDR_BYTES;
		__builtin_memset(header, 0, VIRTIO_NET_HDR_BYTES);
		slot[id] = pkt;
		if (packed) {
			struct virtq_packed_desc *const give = &ring[avail_idx];
			give->addr = (uintptr_t)header;
			bh_dma_wmb();
			*(volatile uint64_t *)(void *)&give->len = bh_virtq_packed_word(len, id, avail_flags);
			avail_idx = (avail_idx + 1) & mask;
			if (avail_idx == 0)
				avail_flags ^= VIRTQ_PACKED_F_AVAIL | VIRTQ_PACKED_F_USED;
		} else {
			desc[id].addr = (uintptr_t)header;
			*(uint64_t *)(void *)&desc[id].len = len;
			avail_ring[avail_idx++ & mask] = id;
		}
		sum += over;
	}
	vq->id_cnt = (uint16_t)(vq->id_cnt - i);
	vq->free_cnt = (uint16_t)(vq->free_cnt - i);
	vq->avail_idx = (uint16_t)avail_idx;
	vq->avail_flags = avail_flags;
	*bytes = sum + (uint64_t)i * BH_ETH_HEADER_BYTES;
	return i;
}

BH_INLINE uint32_t
tx_burst(struct bh_port_queue *base, struct bh_pkt *const *pkts, uint32_t cnt, bool packed)
{
	struct virtio_queue *queue = virtio_queue_of(base);
	struct bh_virtq *vq = &queue->tx;
	uint32_t i, sent = 0;
	uint64_t bytes = 0;
	/* Used entries are taken back a quarter of the ring at a time: their lines are full then. */
	if (cnt == 0 || vq->free_cnt < vq->size - vq->size / 4)
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
	if (BH_UNLIKELY(bh_virtq_wants_notify(vq)))
		bh_virtio_notify(virtio_port_of(base->port), vq);
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
	uint32_t at = 0, cnt = 0;
	struct virtq_used_elem elem;
	if (ready > vq->size)
		return 0;
	while (at < ready && used_at(vq, (uint16_t)at, ready, packed, &elem) && elem.id < vq->size &&
	       vq->slot[elem.id] != NULL) {
		uint16_t piece_cnt = bh_virtio_pieces_of(queue, vq->slot[elem.id]);
		at += BH_MAX(piece_cnt, (uint16_t)1);
		cnt++;
	}
	return cnt;
}

/* Receive buffers are no frames; what was received and not taken, or to be sent and is not known to be sent, is counted. */
void
bh_virtio_drain(struct bh_port_queue *base)
{
	struct virtio_queue *queue = virtio_queue_of(base);
	struct bh_pkt *pkt;
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
