/* SPDX-License-Identifier: Apache-2.0 */
/* Receive bursts over either ring. */
#include "drivers/net/virtio/burst.h"

#define HEADERS_AHEAD 4u

BH_INLINE void
rx_give(struct virtio_queue *queue, uint16_t id, struct bh_pkt *pkt, bool packed)
{
	struct bh_virtq *vq = &queue->rx;
	pkt->data = pkt->buf + pkt->pool->headroom_bytes;
	uint64_t addr = (uintptr_t)pkt->data - VIRTIO_NET_HDR_BYTES;
	uint32_t len = queue->rx_data_bytes + VIRTIO_NET_HDR_BYTES;
	vq->slot[id] = pkt;
	if (packed) {
		bh_virtq_packed_give(vq, addr, len, id, VIRTQ_DESC_F_WRITE);
		return;
	}
	vq->desc[id].addr = addr; /* the rest of it is as rx_fill wrote it */
	bh_virtq_split_avail(vq, id);
}

BH_INLINE void
rx_publish(struct virtio_queue *queue, bool packed)
{
	if (!packed)
		bh_virtq_split_publish(&queue->rx);
	if (BH_UNLIKELY(bh_virtq_wants_notify(&queue->rx)))
		bh_virtio_notify(virtio_port_of(queue->base.port), &queue->rx);
}

/* The first packet of each identifier; what the pool does not give now is asked for again with the next burst. */
BH_INLINE void
rx_fill(struct virtio_queue *queue, bool packed)
{
	struct bh_virtq *vq = &queue->rx;
	struct bh_pkt *fresh[RECLAIM_BURST];
	uint32_t got = 0;
	while (vq->filled < vq->size) {
		got = bh_pkt_take(queue->base.pool, fresh, BH_MIN(RECLAIM_BURST, (uint32_t)(vq->size - vq->filled)));
		if (got == 0)
			break;
		for (uint32_t i = 0; i < got; i++, vq->filled++) {
			if (!packed)
				bh_virtq_split_desc(vq, vq->filled, 0, queue->rx_data_bytes + VIRTIO_NET_HDR_BYTES,
				                    VIRTQ_DESC_F_WRITE, 0);
			rx_give(queue, vq->filled, fresh[i], packed);
		}
	}
	rx_publish(queue, packed);
}

static bool
rx_length_is_bad(struct virtio_queue *queue, struct bh_pkt *pkt, uint32_t len)
{
	uint32_t frame_bytes = len - VIRTIO_NET_HDR_BYTES;
	if (len >= VIRTIO_NET_HDR_BYTES + BH_ETH_HEADER_BYTES && frame_bytes <= queue->rx_data_bytes) {
		bh_port_drop(&queue->base, pkt, BH_DROP_RX_TOO_LONG);
		return true;
	}
	bh_port_drop(&queue->base, pkt, BH_DROP_RX_BAD_LENGTH);
	return true;
}

/* One frame in one buffer. Return: false: dropped and counted. */
BH_INLINE bool
rx_single(struct virtio_queue *queue, struct bh_pkt *pkt, uint32_t len, uint64_t now_tsc)
{
	const struct virtio_net_hdr *header =
	        (const struct virtio_net_hdr *)(const void *)(pkt->data - VIRTIO_NET_HDR_BYTES);
	uint32_t longest = BH_MIN((uint32_t)queue->base.frame_bytes_max, queue->rx_data_bytes);
	uint32_t frame_bytes = len - VIRTIO_NET_HDR_BYTES;
	if (BH_UNLIKELY(frame_bytes - BH_ETH_HEADER_BYTES > longest - BH_ETH_HEADER_BYTES ||
	                len < VIRTIO_NET_HDR_BYTES))
		return !rx_length_is_bad(queue, pkt, len);
	pkt->len_bytes = frame_bytes;
	pkt->flags = 0;
	pkt->seg_cnt = 1;
	pkt->port_idx = queue->base.port_idx;
	pkt->rx_tsc = now_tsc;
	uint64_t word = *(const volatile virtq_used_word *)(const void *)header;
	if (BH_LIKELY((uint16_t)word == 0)) /* flags and gso_type */
		return true;
	struct virtio_net_hdr copy;
	__builtin_memcpy(&copy, &word, sizeof(word));
	copy.csum_offset = ((const volatile struct virtio_net_hdr *)header)->csum_offset;
	if (bh_virtio_header_take(queue, &copy, pkt))
		return true;
	bh_port_drop(&queue->base, pkt, BH_DROP_RX_BAD_HEADER);
	return false;
}

/*
 * A frame in several buffers, the first of which is at entry 0. All of them are taken, or none: the device may not have
 * used all yet, or the pool cannot replace them.
 * Return: how many entries it was; out_pkt NULL: dropped and counted.
 */
static uint16_t
rx_chain(struct virtio_queue *queue, uint16_t ready, uint16_t piece_cnt, bool packed, struct bh_pkt **out_pkt)
{
	struct bh_virtq *vq = &queue->rx;
	struct bh_pkt *piece[BH_PKT_SEGS_MAX], *fresh[BH_PKT_SEGS_MAX];
	uint16_t id[BH_PKT_SEGS_MAX];
	uint32_t cnt = 0;
	struct virtq_used_elem elem;
	*out_pkt = NULL;
	for (; cnt < piece_cnt && used_at(vq, (uint16_t)cnt, ready, packed, &elem); cnt++) {
		if (elem.id >= vq->size || vq->slot[elem.id] == NULL) {
			device_lies(queue);
			return 0;
		}
		id[cnt] = (uint16_t)elem.id;
		piece[cnt] = vq->slot[elem.id];
		/* Of a buffer that it says it filled twice the first is gone already. */
		for (uint32_t i = 0; i < cnt; i++) {
			if (id[i] == id[cnt]) {
				device_lies(queue);
				return 0;
			}
		}
		piece[cnt]->len_bytes = elem.len;
	}
	if (cnt < piece_cnt)
		return 0;
	uint32_t got = bh_pkt_take(queue->base.pool, fresh, cnt);
	if (got < cnt) {
		bh_pkt_free_burst(queue->base.pool, fresh, got);
		return 0;
	}
	for (uint32_t i = 0; i < cnt; i++)
		rx_give(queue, id[i], fresh[i], packed);
	*out_pkt = bh_virtio_chain_join(queue, piece, cnt);
	return (uint16_t)cnt;
}

static bool
pieces_are_bad(struct virtio_queue *queue, uint16_t piece_cnt)
{
	return piece_cnt == 0 || piece_cnt > BH_PKT_SEGS_MAX || piece_cnt > queue->rx.size;
}

/* The fields of a plain received frame, in three stores: flags to csum_offset; hash, seg_cnt and port_idx. */
_Static_assert(offsetof(struct bh_pkt, csum_offset) + 2 - offsetof(struct bh_pkt, flags) == 8 &&
                       offsetof(struct bh_pkt, port_idx) + 2 - offsetof(struct bh_pkt, hash) == 8,
               "written as words");

BH_INLINE void
rx_plain_fields(struct bh_pkt *pkt, uint32_t frame_bytes, uint64_t port_word, uint64_t now_tsc)
{
	pkt->len_bytes = frame_bytes;
	__builtin_memset(&pkt->flags, 0, 8);
	__builtin_memcpy(&pkt->hash, &port_word, 8);
	pkt->rx_tsc = now_tsc;
}

/*
 * The usual case, with everything that the compiler would have to load again after each store kept in locals: frames of
 * one buffer without any offload, replaced from the top of the pool's stack. It ends before the first entry that is
 * anything else.
 * Return: how many frames it took.
 */
BH_INLINE uint32_t
rx_fast(struct virtio_queue *queue, struct bh_pkt **out_pkts, uint32_t cnt, uint64_t now_tsc, bool packed,
        uint64_t *bytes)
{
	struct bh_virtq *const vq = &queue->rx;
	struct bh_pkt_pool *const pool = queue->base.pool;
	struct bh_pkt **const slot = vq->slot;
	struct bh_pkt **top = pool->free + pool->free_cnt;
	struct virtq_desc *const desc = vq->desc;
	struct virtq_packed_desc *const ring = vq->ring;
	const volatile virtq_used_word *const used =
	        packed ? NULL : (const volatile virtq_used_word *)(uintptr_t)vq->used->ring;
	uint16_t *const avail_ring = packed ? NULL : vq->avail->ring;
	const uint32_t size = vq->size, mask = vq->mask, headroom_bytes = pool->headroom_bytes;
	const uint32_t longest = BH_MIN((uint32_t)queue->base.frame_bytes_max, queue->rx_data_bytes);
	const uint32_t give_bytes = queue->rx_data_bytes + VIRTIO_NET_HDR_BYTES;
	const uint16_t merge_mask = queue->mergeable ? 0xffff : 0;
	const uint64_t port_word = (uint64_t)1 << 32 | (uint64_t)queue->base.port_idx << 48;
	uint32_t used_idx = vq->used_idx, avail_idx = vq->avail_idx, i;
	uint16_t avail_flags = vq->avail_flags, used_wrap = vq->used_wrap;
	uint64_t sum = 0;
	cnt = BH_MIN(cnt, pool->free_cnt);
	for (i = 0; i < cnt; i++) {
		/*
		 * The header of a later frame is on its way from the device's core while we look at this one. Only of
		 * frames that are there: the lines behind them are being written. A packed ring does not say how many are.
		 */
		if (!packed && i + HEADERS_AHEAD < cnt) {
			const struct bh_pkt *const later =
			        slot[(uint32_t)used[(used_idx + HEADERS_AHEAD) & mask] & mask];
			if (BH_LIKELY(later != NULL))
				bh_prefetch_read(later->data - VIRTIO_NET_HDR_BYTES);
		}
		struct virtq_packed_desc *const at = packed ? &ring[used_idx] : NULL;
		uint64_t word = packed ? *(volatile uint64_t *)(void *)&at->len : used[used_idx & mask];
		const uint16_t used_flags = used_wrap ? VIRTQ_PACKED_F_AVAIL | VIRTQ_PACKED_F_USED : 0;
		if (packed && ((uint16_t)(word >> 48) & (VIRTQ_PACKED_F_AVAIL | VIRTQ_PACKED_F_USED)) != used_flags)
			break;
		bh_dma_rmb();
		const uint32_t id = packed ? (uint32_t)(word >> 32) & 0xffff : (uint32_t)word;
		const uint32_t len = packed ? (uint32_t)word : (uint32_t)(word >> 32);
		struct bh_pkt *const pkt = BH_LIKELY(id < size) ? slot[id] : NULL;
		if (BH_UNLIKELY(pkt == NULL))
			break;
		const uint8_t *const header = pkt->data - VIRTIO_NET_HDR_BYTES;
		const uint16_t odd = *(const volatile uint16_t *)(const void *)header |
		                     ((*(const volatile uint16_t *)(const void *)(header + 10) ^ 1) & merge_mask);
		const uint32_t over = len - (VIRTIO_NET_HDR_BYTES + BH_ETH_HEADER_BYTES);
		if (BH_UNLIKELY(odd != 0 || over > longest - BH_ETH_HEADER_BYTES))
			break;
		struct bh_pkt *const fresh = *--top;
		uint8_t *const data = fresh->buf + headroom_bytes;
		fresh->data = data;
		slot[id] = fresh;
		if (packed) {
			struct virtq_packed_desc *const give = &ring[avail_idx];
			give->addr = (uintptr_t)data - VIRTIO_NET_HDR_BYTES;
			bh_dma_wmb();
			*(volatile uint64_t *)(void *)&give->len =
			        bh_virtq_packed_word(give_bytes, (uint16_t)id, avail_flags | VIRTQ_DESC_F_WRITE);
			avail_idx = (avail_idx + 1) & mask;
			if (avail_idx == 0)
				avail_flags ^= VIRTQ_PACKED_F_AVAIL | VIRTQ_PACKED_F_USED;
			used_idx = (used_idx + 1) & mask;
			if (used_idx == 0)
				used_wrap ^= 1;
		} else {
			desc[id].addr = (uintptr_t)data - VIRTIO_NET_HDR_BYTES;
			avail_ring[avail_idx++ & mask] = (uint16_t)id;
			used_idx++;
		}
		rx_plain_fields(pkt, over + BH_ETH_HEADER_BYTES, port_word, now_tsc);
		sum += over;
		out_pkts[i] = pkt;
	}
	pool->free_cnt -= i;
	vq->used_idx = (uint16_t)used_idx;
	vq->avail_idx = (uint16_t)avail_idx;
	vq->avail_flags = avail_flags;
	vq->used_wrap = used_wrap;
	*bytes = sum + (uint64_t)i * BH_ETH_HEADER_BYTES;
	return i;
}

BH_INLINE uint32_t
rx_burst(struct bh_port_queue *base, struct bh_pkt **out_pkts, uint32_t cnt, bool packed)
{
	struct virtio_queue *queue = virtio_queue_of(base);
	struct bh_virtq *vq = &queue->rx;
	struct bh_pkt *fresh[BH_PKT_BURST_MAX];
	struct virtq_used_elem elem;
	uint16_t ready = packed ? 0 : bh_virtq_split_ready(vq);
	uint32_t taken = 0, fresh_idx = 0, fresh_cnt;
	uint64_t bytes = 0, now_tsc;

	if (BH_UNLIKELY(vq->filled < vq->size))
		rx_fill(queue, packed);
	if (packed ? !bh_virtq_packed_used(vq, 0, &elem) : ready == 0)
		return 0;
	if (BH_UNLIKELY(ready > vq->size)) {
		device_lies(queue);
		return 0;
	}
	cnt = BH_MIN(cnt, BH_PKT_BURST_MAX);
	cnt = BH_MIN(cnt, packed ? (uint32_t)vq->size : (uint32_t)ready);
	now_tsc = bh_clock_now_tsc();
	taken = rx_fast(queue, out_pkts, cnt, now_tsc, packed, &bytes);
	ready = packed ? ready : (uint16_t)(ready - taken);
	if (BH_LIKELY(taken == cnt || !used_at(vq, 0, ready, packed, &elem))) {
		rx_publish(queue, packed);
		bh_counter_add(base->rx_pkts, taken);
		bh_counter_add(base->rx_bytes, bytes);
		return taken;
	}
	/* The next entry is something else, or the pool is empty: one by one. */
	if (packed) { /* as many replacements as there are frames, not as the caller has room for */
		uint16_t used = 1;
		while (used < cnt - taken && bh_virtq_packed_used(vq, used, &elem))
			used++;
		fresh_cnt = bh_pkt_take(base->pool, fresh, used);
	} else {
		fresh_cnt = bh_pkt_take(base->pool, fresh, cnt - taken);
	}
	while (taken < cnt && fresh_idx < fresh_cnt && used_at(vq, 0, ready, packed, &elem)) {
		struct bh_pkt *pkt = BH_LIKELY(elem.id < vq->size) ? vq->slot[elem.id] : NULL;
		if (BH_UNLIKELY(pkt == NULL)) {
			used_skip(vq, 1, packed);
			device_lies(queue);
			break;
		}
		uint16_t piece_cnt = bh_virtio_pieces_of(queue, pkt);
		if (BH_UNLIKELY(piece_cnt != 1)) {
			if (!pieces_are_bad(queue, piece_cnt)) {
				uint16_t done = rx_chain(queue, ready, piece_cnt, packed, &pkt);
				if (done == 0)
					break;
				used_skip(vq, done, packed);
				ready = packed ? ready : (uint16_t)(ready - done);
				if (pkt != NULL) {
					pkt->rx_tsc = now_tsc;
					bytes += pkt->frame_bytes;
					out_pkts[taken++] = pkt;
				}
				if (taken == cnt)
					break;
				continue;
			}
			elem.len = 0; /* dropped for its length */
		}
		rx_give(queue, (uint16_t)elem.id, fresh[fresh_idx++], packed);
		used_skip(vq, 1, packed);
		ready = packed ? ready : (uint16_t)(ready - 1);
		if (BH_LIKELY(rx_single(queue, pkt, elem.len, now_tsc))) {
			bytes += pkt->len_bytes;
			out_pkts[taken++] = pkt;
		}
	}
	if (BH_UNLIKELY(fresh_idx < fresh_cnt))
		bh_pkt_free_burst(base->pool, fresh + fresh_idx, fresh_cnt - fresh_idx);
	rx_publish(queue, packed);
	bh_counter_add(base->rx_pkts, taken);
	bh_counter_add(base->rx_bytes, bytes);
	return taken;
}

void
bh_virtio_split_fill(struct bh_port_queue *queue)
{
	rx_fill(virtio_queue_of(queue), false);
}

void
bh_virtio_packed_fill(struct bh_port_queue *queue)
{
	rx_fill(virtio_queue_of(queue), true);
}

uint32_t
bh_virtio_split_rx(struct bh_port_queue *queue, struct bh_pkt **out_pkts, uint32_t cnt)
{
	return rx_burst(queue, out_pkts, cnt, false);
}

uint32_t
bh_virtio_packed_rx(struct bh_port_queue *queue, struct bh_pkt **out_pkts, uint32_t cnt)
{
	return rx_burst(queue, out_pkts, cnt, true);
}
