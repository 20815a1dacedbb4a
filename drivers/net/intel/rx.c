/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Receiving. The second word of a descriptor holds all that decides (done, end, errors, length, tag), so that one load takes
 * it, once. What the device says is checked before it is used: a length past the buffer, or a frame of too many pieces, is
 * dropped with its reason.
 */
#include "drivers/net/intel/intel.h"

/* 0 for a frame without any of these; the flags else. */
static uint16_t
flags_of(const struct bh_port *port, struct bh_pkt *pkt, uint64_t word, uint64_t info)
{
	uint32_t status = (uint32_t)word;
	uint16_t flags = 0;
	if (port->info.features & BH_PORT_RX_CSUM) {
		if (status & (INTEL_RXD_L4E | INTEL_RXD_IPE))
			flags |= BH_PKT_CSUM_BAD;
		else if (status & (INTEL_RXD_L4CS | INTEL_RXD_UDPCS))
			flags |= BH_PKT_CSUM_GOOD;
	}
	if ((port->info.features & BH_PORT_RX_VLAN) && (status & INTEL_RXD_VP)) {
		flags |= BH_PKT_VLAN;
		pkt->vlan_tci = (uint16_t)(word >> INTEL_RXD_VLAN_SHIFT);
	}
	if ((port->info.features & BH_PORT_RSS) && (info & INTEL_RXD_RSS_TYPE_MASK)) {
		flags |= BH_PKT_HASH;
		pkt->hash = (uint32_t)(info >> INTEL_RXD_HASH_SHIFT);
	}
	return flags;
}

/* The frame cannot be delivered: its pieces go back, and what is still to come of it is skipped. */
static void
discard(struct intel_queue *iq, struct bh_pkt *pkt, bool ends, enum bh_drop_reason reason)
{
	struct intel_rx_ring *ring = &iq->rx;
	bh_counter_add(iq->queue.drop[reason], 1);
	bh_pkt_free(pkt);
	if (ring->first != NULL)
		bh_pkt_free(ring->first);
	ring->first = ring->last = NULL;
	ring->discarding = !ends;
}

static void
append(struct intel_rx_ring *ring, struct bh_pkt *pkt)
{
	pkt->next = NULL;
	if (ring->first == NULL) {
		ring->first = pkt;
		pkt->seg_cnt = 1;
		pkt->frame_bytes = pkt->len_bytes;
	} else {
		ring->last->next = pkt;
		ring->first->seg_cnt++;
		ring->first->frame_bytes += pkt->len_bytes;
	}
	ring->last = pkt;
}

/* A piece of a longer frame, or something odd. Return: the whole frame at its end, or NULL. */
static BH_NOINLINE struct bh_pkt *
take_piece(struct intel_queue *iq, struct bh_pkt *pkt, uint64_t word)
{
	struct intel_rx_ring *ring = &iq->rx;
	bool ends = (uint32_t)word & INTEL_RXD_EOP;
	if (ring->discarding) {
		bh_pkt_free(pkt);
		ring->discarding = !ends;
		return NULL;
	}
	if (ends && ((uint32_t)word & INTEL_RXD_WIRE_ERRORS)) {
		discard(iq, pkt, ends, BH_DROP_RX_ERROR);
		return NULL;
	}
	if (pkt->len_bytes == 0 || pkt->len_bytes > INTEL_RX_BUF_BYTES ||
	    (ring->first == NULL && pkt->len_bytes < BH_ETH_HEADER_BYTES)) {
		discard(iq, pkt, ends, BH_DROP_RX_BAD_LENGTH);
		return NULL;
	}
	uint32_t so_far = ring->first != NULL ? ring->first->frame_bytes : 0;
	if (so_far + pkt->len_bytes > iq->queue.frame_bytes_max ||
	    (ring->first != NULL && ring->first->seg_cnt == BH_PKT_SEGS_MAX)) {
		discard(iq, pkt, ends, BH_DROP_RX_TOO_LONG);
		return NULL;
	}
	append(ring, pkt);
	if (!ends)
		return NULL;
	pkt = ring->first;
	ring->first = ring->last = NULL;
	return pkt;
}

/* One frame in one buffer, without an error: what nearly all are. */
static inline bool
is_plain(const struct intel_rx_ring *ring, uint64_t word, uint32_t len_bytes, uint32_t bytes_max)
{
	return ((uint32_t)word & (INTEL_RXD_EOP | INTEL_RXD_WIRE_ERRORS)) == INTEL_RXD_EOP &&
	       len_bytes - BH_ETH_HEADER_BYTES <= bytes_max - BH_ETH_HEADER_BYTES && ring->first == NULL &&
	       !ring->discarding;
}

uint32_t
intel_rx(struct bh_port_queue *queue, struct bh_pkt **out_pkts, uint32_t cnt)
{
	struct intel_queue *iq = intel_queue_of(queue);
	struct intel_rx_ring *ring = &iq->rx;
	uint32_t bytes_max = BH_MIN((uint32_t)queue->frame_bytes_max, INTEL_RX_BUF_BYTES);
	uint64_t now_tsc = bh_clock_now_tsc(), bytes = 0;
	uint32_t got = 0;

	while (got < cnt && ring->filled > 0) {
		const struct intel_desc *desc = &ring->desc[ring->next];
		uint64_t word = __atomic_load_n(&desc->word[1], __ATOMIC_ACQUIRE);
		if (!(word & INTEL_RXD_DD))
			break;
		struct bh_pkt *pkt = ring->slot[ring->next];
		uint64_t info = __atomic_load_n(&desc->word[0], __ATOMIC_RELAXED);
		ring->next = (ring->next + 1) & ring->mask;
		ring->filled--;
		pkt->len_bytes = (uint16_t)(word >> INTEL_RXD_LENGTH_SHIFT);
		pkt->seg_cnt = 1;
		if (BH_UNLIKELY(!is_plain(ring, word, pkt->len_bytes, bytes_max)))
			pkt = take_piece(iq, pkt, word);
		if (BH_UNLIKELY(pkt == NULL))
			continue;
		pkt->flags = flags_of(queue->port, pkt, word, info);
		pkt->port_idx = queue->port_idx;
		pkt->rx_tsc = now_tsc;
		bytes += bh_pkt_frame_bytes(pkt);
		out_pkts[got++] = pkt;
	}
	if (ring->mask - ring->filled >= ring->fill_cnt)
		intel_rx_refill(iq);
	if (got > 0) {
		bh_counter_add(queue->rx_pkts, got);
		bh_counter_add(queue->rx_bytes, bytes);
	}
	return got;
}
