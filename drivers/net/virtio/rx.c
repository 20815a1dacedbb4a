/* SPDX-License-Identifier: Apache-2.0 */
/* Receive bursts over either ring. */
#include "drivers/net/virtio/burst.h"

BH_INLINE void
rx_give(struct virtio_queue *queue, uint16_t id, struct bh_pkt *pkt, bool packed)
{
	struct bh_virtq *vq = &queue->rx;
	if (BH_UNLIKELY(id != (vq->avail_idx & vq->mask)))
		vq->in_order = false;
	pkt->data = pkt->buf + queue->rx_offset_bytes;
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
	tell(queue, &queue->rx);
}

void
bh_virtio_look(struct virtio_queue *queue)
{
	queue->look_due = 0;
	bh_dma_mb();
	if (bh_virtq_seems_asleep(&queue->rx))
		bh_virtio_notify(virtio_port_of(queue->base.port), &queue->rx);
	if (bh_virtq_seems_asleep(&queue->tx))
		bh_virtio_notify(virtio_port_of(queue->base.port), &queue->tx);
}

static uint32_t
rx_idle(struct virtio_queue *queue)
{
	if (queue->look_due != 0 && --queue->look_due == 0)
		bh_virtio_look(queue);
	return 0;
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

/*
 * The next used buffer: the next entry's, or of the batch that was begun. Of a batch only the last length is told; the
 * buffers before it are full (2.8.9).
 */
BH_INLINE bool
rx_next(struct virtio_queue *queue, uint16_t ready, bool packed, struct virtq_used_elem *out)
{
	struct bh_virtq *const vq = &queue->rx;
	if (!packed || !vq->batched)
		return used_at(vq, 0, ready, packed, out);
	if (vq->batch_left == 0) {
		if (!used_at(vq, 0, ready, packed, out))
			return false;
		if (BH_UNLIKELY(out->id >= vq->size))
			return true; /* the caller refuses it */
		vq->batch_left = bh_virtq_batch_cnt(vq, vq->used_idx, out->id);
		vq->batch_bytes = out->len;
	}
	out->id = vq->used_idx;
	out->len = vq->batch_left == 1 ? vq->batch_bytes : queue->rx_data_bytes + VIRTIO_NET_HDR_BYTES;
	return true;
}

BH_INLINE void
rx_skip(struct bh_virtq *vq, uint16_t cnt, bool packed)
{
	used_skip(vq, cnt, packed);
	if (packed && vq->batch_left != 0)
		vq->batch_left--;
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

/* What a header that is not all zero says of the frame. Return: false: dropped and counted. */
static bool
rx_header_is_good(struct virtio_queue *queue, struct bh_pkt *pkt)
{
	const uint8_t *header = pkt->data - VIRTIO_NET_HDR_BYTES;
	const uint64_t word = *(const volatile virtq_used_word *)(const void *)header;
	struct virtio_net_hdr copy;
	__builtin_memcpy(&copy, &word, sizeof(word));
	copy.csum_offset = ((const volatile struct virtio_net_hdr *)(const void *)header)->csum_offset;
	if (bh_virtio_header_take(queue, &copy, pkt))
		return true;
	bh_port_drop(&queue->base, pkt, BH_DROP_RX_BAD_HEADER);
	return false;
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
	return BH_LIKELY(*(const volatile uint16_t *)(const void *)header == 0) || /* flags and gso_type */
	       rx_header_is_good(queue, pkt);
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

/*
 * The usual case: frames of one buffer each, in the ring's order. Three passes over a run of entries that does not wrap,
 * each with few things to keep in registers: what the device used, while the headers are fetched from the device's core;
 * new buffers in their place; then the headers, and the packets' fields.
 */

/* Return: how many entries from the next on are used, of the buffers that they have to be of, with a length that can be. */
BH_INLINE uint32_t
rx_scan(struct virtio_queue *queue, struct bh_pkt **out_pkts, uint32_t cnt, bool packed, bool mergeable,
        uint64_t *bytes)
{
	const struct bh_virtq *const vq = &queue->rx;
	const uint32_t at = vq->used_idx & vq->mask;
	struct bh_pkt *const *const slot = vq->slot + at;
	const volatile virtq_used_word *const used =
	        packed ? NULL : (const volatile virtq_used_word *)(uintptr_t)vq->used->ring + at;
	const volatile struct bh_virtq_desc_words *const desc = packed ? bh_virtq_desc_at(vq, at, true) : NULL;
	const uint64_t over_max =
	        BH_MIN((uint32_t)queue->base.frame_bytes_max, queue->rx_data_bytes) - BH_ETH_HEADER_BYTES;
	/*
	 * Identifier, flags and length in one comparison: less what they have to be, with the shortest length, nothing is
	 * left but the bytes beyond that, and those in the lower half.
	 */
	const uint32_t len_min = VIRTIO_NET_HDR_BYTES + BH_ETH_HEADER_BYTES;
	const uint64_t step = packed ? UINT64_C(1) << 32 : 1;
	uint64_t expected = packed ? bh_virtq_packed_used_word(vq, at) + len_min : (uint64_t)len_min << 32 | at;
	uint64_t sum = 0;
	size_t i;
	for (i = 0; i < cnt; i++, expected += step) {
		const uint64_t rest = (packed ? desc[i].word & BH_VIRTQ_PACKED_SEEN : used[i]) - expected;
		const uint64_t over = packed ? rest : rest >> 32 | rest << 32;
		if (BH_UNLIKELY(over > over_max))
			break;
		struct bh_pkt *const pkt = slot[i];
		bh_prefetch_read(pkt->data - VIRTIO_NET_HDR_BYTES);
		if (mergeable) {
			bh_dma_rmb();
			if (BH_UNLIKELY(bh_virtio_pieces_of(queue, pkt) != 1))
				break;
		}
		pkt->len_bytes = (uint32_t)over + BH_ETH_HEADER_BYTES;
		out_pkts[i] = pkt;
		sum += over;
	}
	bh_dma_rmb();
	*bytes += sum + i * BH_ETH_HEADER_BYTES;
	return (uint32_t)i;
}

/* New buffers for the next cnt entries, from the top of the pool's stack, which holds as many. */
BH_INLINE void
rx_refill(struct virtio_queue *queue, uint32_t cnt, bool packed)
{
	struct bh_virtq *const vq = &queue->rx;
	struct bh_pkt_pool *const pool = queue->base.pool;
	const uint32_t at = vq->used_idx & vq->mask;
	struct bh_pkt **const slot = vq->slot + at;
	struct bh_pkt *const *const fresh = pool->free + (pool->free_cnt -= cnt);
	struct bh_virtq_desc_words *const desc = bh_virtq_desc_at(vq, at, packed);
	const uint64_t offset_bytes = queue->rx_offset_bytes;
	uint64_t word = bh_virtq_packed_word(queue->rx_data_bytes + VIRTIO_NET_HDR_BYTES, (uint16_t)at,
	                                     vq->avail_flags | VIRTQ_DESC_F_WRITE);
	for (uint32_t i = 0; i < cnt; i++) {
		struct bh_pkt *const pkt = fresh[i];
		uint8_t *const data = pkt->buf + offset_bytes;
		slot[i] = pkt;
		pkt->data = data;
		desc[i].addr = (uintptr_t)data - VIRTIO_NET_HDR_BYTES;
		if (packed) {
			bh_dma_wmb();
			*(volatile uint64_t *)&desc[i].word = word;
			word += (uint64_t)1 << 32; /* the identifier */
		}
	}
	used_skip(vq, (uint16_t)cnt, packed);
	if (packed)
		bh_virtq_packed_skip(vq, (uint16_t)cnt);
	else
		vq->avail_idx = (uint16_t)(vq->avail_idx + cnt); /* the entries say what they said before */
}

/* The fields of a received frame, in words: flags to csum_offset; hash, seg_cnt and port_idx. */
_Static_assert(offsetof(struct bh_pkt, csum_offset) + 2 - offsetof(struct bh_pkt, flags) == 8 &&
                       offsetof(struct bh_pkt, port_idx) + 2 - offsetof(struct bh_pkt, hash) == 8,
               "written as words");

BH_INLINE bool
rx_header_is_plain(const struct bh_pkt *pkt)
{
	uint16_t flags_and_gso_type;
	__builtin_memcpy(&flags_and_gso_type, pkt->data - VIRTIO_NET_HDR_BYTES, 2);
	return flags_and_gso_type == 0;
}

BH_INLINE void
rx_fields(struct bh_pkt *pkt, uint64_t port_word, uint64_t now_tsc)
{
	__builtin_memset(&pkt->flags, 0, 8);
	__builtin_memcpy(&pkt->hash, &port_word, 8);
	pkt->rx_tsc = now_tsc;
}

/* rx_headers from `at` on, where a header asks for something. A frame whose header contradicts it is dropped. */
static uint32_t
rx_headers_odd(struct virtio_queue *queue, struct bh_pkt **pkts, uint32_t at, uint32_t cnt, uint64_t port_word,
               uint64_t now_tsc, uint64_t *bytes)
{
	uint32_t kept = at;
	for (; at < cnt; at++) {
		struct bh_pkt *const pkt = pkts[at];
		uint32_t frame_bytes = pkt->len_bytes;
		rx_fields(pkt, port_word, now_tsc);
		if (rx_header_is_plain(pkt) || rx_header_is_good(queue, pkt))
			pkts[kept++] = pkt;
		else
			*bytes -= frame_bytes;
	}
	return kept;
}

/* Return: how many of the frames are left. */
BH_INLINE uint32_t
rx_headers(struct virtio_queue *queue, struct bh_pkt **pkts, uint32_t cnt, uint64_t now_tsc, uint64_t *bytes)
{
	const uint64_t port_word = queue->rx_port_word;
	for (uint32_t i = 0; i < cnt; i++) {
		if (BH_UNLIKELY(!rx_header_is_plain(pkts[i])))
			return rx_headers_odd(queue, pkts, i, cnt, port_word, now_tsc, bytes);
		rx_fields(pkts[i], port_word, now_tsc);
	}
	return cnt;
}

/* Return: frames; out_entry_cnt: how many entries of the ring that was. */
BH_INLINE uint32_t
rx_fast(struct virtio_queue *queue, struct bh_pkt **out_pkts, uint32_t cnt, bool packed, uint64_t *bytes,
        uint32_t *out_entry_cnt)
{
	struct bh_virtq *const vq = &queue->rx;
	uint32_t taken = 0, entry_cnt = 0, run, got;
	*out_entry_cnt = 0;
	if (BH_UNLIKELY(!vq->in_order || vq->filled < vq->size || vq->batch_left != 0))
		return 0;
	do {
		run = BH_MIN(cnt - entry_cnt, (uint32_t)vq->size - (vq->used_idx & vq->mask));
		run = BH_MIN(run, queue->base.pool->free_cnt);
		got = BH_UNLIKELY(queue->mergeable) ? rx_scan(queue, out_pkts + taken, run, packed, true, bytes)
		                                    : rx_scan(queue, out_pkts + taken, run, packed, false, bytes);
		if (got == 0)
			break;
		rx_refill(queue, got, packed);
		taken += rx_headers(queue, out_pkts + taken, got, bh_clock_now_tsc(), bytes);
		entry_cnt += got;
	} while (got == run && entry_cnt < cnt);
	*out_entry_cnt = entry_cnt;
	return taken;
}

/*
 * One by one: entries that are anything else, or when the pool is nearly empty. out_pkts has room for cnt, of which
 * `taken` are there.
 * Return: how many then are.
 */
BH_INLINE uint32_t
rx_slow(struct virtio_queue *queue, struct bh_pkt **out_pkts, uint32_t taken, uint32_t cnt, uint16_t ready, bool packed,
        uint64_t *bytes)
{
	struct bh_virtq *vq = &queue->rx;
	struct bh_pkt_pool *pool = queue->base.pool;
	struct bh_pkt *fresh[BH_PKT_BURST_MAX];
	struct virtq_used_elem elem;
	const uint64_t now_tsc = bh_clock_now_tsc();
	cnt = BH_MIN(cnt, taken + BH_PKT_BURST_MAX);
	uint32_t fresh_idx = 0, fresh_cnt = cnt - taken;
	if (packed && rx_next(queue, ready, packed, &elem)) {
		/* as many replacements as there are frames, not as the caller has room for */
		uint16_t used = BH_MAX(vq->batch_left, (uint16_t)1);
		while (used < cnt - taken && vq->batch_left <= 1 && bh_virtq_packed_used(vq, used, &elem))
			used++;
		fresh_cnt = BH_MIN(fresh_cnt, (uint32_t)used);
	}
	fresh_cnt = bh_pkt_take(pool, fresh, fresh_cnt);
	while (taken < cnt && fresh_idx < fresh_cnt && rx_next(queue, ready, packed, &elem)) {
		struct bh_pkt *pkt = BH_LIKELY(elem.id < vq->size) ? vq->slot[elem.id] : NULL;
		if (BH_UNLIKELY(pkt == NULL)) {
			rx_skip(vq, 1, packed);
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
					*bytes += pkt->frame_bytes;
					out_pkts[taken++] = pkt;
				}
				continue;
			}
			elem.len = 0; /* dropped for its length */
		}
		rx_give(queue, (uint16_t)elem.id, fresh[fresh_idx++], packed);
		rx_skip(vq, 1, packed);
		ready = packed ? ready : (uint16_t)(ready - 1);
		if (BH_LIKELY(rx_single(queue, pkt, elem.len, now_tsc))) {
			*bytes += pkt->len_bytes;
			out_pkts[taken++] = pkt;
		}
	}
	bh_pkt_free_burst(pool, fresh + fresh_idx, fresh_cnt - fresh_idx);
	return taken;
}

/* Not inlined: the usual case does without its large frame. */
static uint32_t __attribute__((noinline)) rx_slow_split(struct virtio_queue *queue, struct bh_pkt **out_pkts,
                                                        uint32_t taken, uint32_t cnt, uint16_t ready, uint64_t *bytes)
{
	return rx_slow(queue, out_pkts, taken, cnt, ready, false, bytes);
}

static uint32_t __attribute__((noinline))
rx_slow_packed(struct virtio_queue *queue, struct bh_pkt **out_pkts, uint32_t taken, uint32_t cnt, uint64_t *bytes)
{
	return rx_slow(queue, out_pkts, taken, cnt, 0, true, bytes);
}

/*
 * Where frames go in a buffer, now that the first has shown what the device does. One that writes headers (num_buffers,
 * 5.1.6.4) is given header and frame in one line: one to fetch from its core instead of two. One that leaves them alone
 * is given the frame at the beginning of a line: header lines then stay with us, and a short frame is one line to it.
 * Buffers that are in the ring keep their places.
 */
static void
rx_place(struct virtio_queue *queue, const struct bh_pkt *pkt)
{
	const struct bh_pkt_pool *pool = queue->base.pool;
	const volatile struct virtio_net_hdr *header =
	        (const volatile struct virtio_net_hdr *)(const void *)(pkt->data - VIRTIO_NET_HDR_BYTES);
	queue->rx_header_unseen = false;
	if (header->num_buffers == 0)
		queue->rx_offset_bytes = pool->headroom_bytes;
}

BH_INLINE uint32_t
rx_burst(struct bh_port_queue *base, struct bh_pkt **out_pkts, uint32_t cnt, bool packed)
{
	struct virtio_queue *queue = virtio_queue_of(base);
	struct bh_virtq *vq = &queue->rx;
	struct virtq_used_elem elem;
	uint16_t ready = packed ? 0 : bh_virtq_split_ready(vq);
	uint32_t taken, entry_cnt;
	uint64_t bytes = 0;

	if (BH_UNLIKELY(vq->filled < vq->size))
		rx_fill(queue, packed);
	queue->rx_polled = true;
	if (!packed && ready == 0)
		return rx_idle(queue);
	if (BH_UNLIKELY(ready > vq->size)) {
		device_lies(queue);
		return 0;
	}
	cnt = packed ? cnt : BH_MIN(cnt, (uint32_t)ready);
	taken = rx_fast(queue, out_pkts, cnt, packed, &bytes, &entry_cnt);
	/* What follows a run in a packed ring is in the line that the device writes now: the next burst looks there. */
	if (BH_UNLIKELY(packed ? entry_cnt == 0 : entry_cnt < cnt)) {
		cnt -= entry_cnt - taken; /* those that were dropped */
		ready = (uint16_t)(ready - entry_cnt);
		if (vq->batch_left != 0 || used_at(vq, 0, ready, packed, &elem))
			taken = packed ? rx_slow_packed(queue, out_pkts, taken, cnt, &bytes)
			               : rx_slow_split(queue, out_pkts, taken, cnt, ready, &bytes);
		else if (entry_cnt == 0)
			return rx_idle(queue);
	}
	rx_publish(queue, packed);
	if (BH_UNLIKELY(queue->rx_header_unseen && taken != 0))
		rx_place(queue, out_pkts[0]);
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
