/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Receiving. The second word of a descriptor holds all that decides (done, end, errors, length, tag), so that one load takes
 * it, once: a frame that intel_rx_run() did not take is loaded again, and judged by what it says then. What the device says is checked before it is used: a length past the buffer, or a frame of too many pieces, is
 * dropped with its reason.
 */
#ifndef DRIVERS_NET_INTEL_RX_H
#define DRIVERS_NET_INTEL_RX_H

#include "drivers/net/intel/intel.h"

/* Where a family has the errors of a received frame. */
struct intel_rx_bits {
	uint32_t damaged;        /* on the wire */
	uint32_t l4_bad, ip_bad; /* checksums */
	/* One of these is set: what it means for the packet. */
	uint16_t (*csum_bad)(uint32_t status, uint64_t info);
};

/* intel_rx_piece - a piece of a longer frame, or something odd. Return: the whole frame at its end, or NULL. rx.c */
struct bh_pkt *intel_rx_piece(struct intel_queue *iq, struct bh_pkt *pkt, uint64_t word, uint32_t damaged);

/* What of a status makes a packet more than its bytes; of a port with RSS each has a hash, so DD does. */
BH_INLINE uint32_t
intel_rx_telling(uint32_t features, const struct intel_rx_bits *bits)
{
	uint32_t csum = bits->l4_bad | bits->ip_bad | INTEL_RXD_L4CS | INTEL_RXD_UDPCS;
	return (features & BH_PORT_RX_CSUM ? csum : 0) | (features & BH_PORT_RX_VLAN ? INTEL_RXD_VP : 0) |
	       (features & BH_PORT_RSS ? INTEL_RXD_DD : 0);
}

/* Of a packet whose status is telling. `info` is the descriptor's first word. */
BH_INLINE uint16_t
intel_rx_flags(uint32_t features, struct bh_pkt *pkt, uint64_t word, uint64_t info, const struct intel_rx_bits *bits)
{
	uint32_t status = (uint32_t)word;
	uint16_t flags = 0;
	if (features & BH_PORT_RX_CSUM) {
		if (BH_UNLIKELY(status & (bits->l4_bad | bits->ip_bad)))
			flags |= bits->csum_bad(status, info);
		else if (status & (INTEL_RXD_L4CS | INTEL_RXD_UDPCS))
			flags |= BH_PKT_CSUM_GOOD;
	}
	if ((features & BH_PORT_RX_VLAN) && (status & INTEL_RXD_VP)) {
		flags |= BH_PKT_VLAN;
		pkt->vlan_tci = (uint16_t)(word >> INTEL_RXD_VLAN_SHIFT);
	}
	if ((features & BH_PORT_RSS) && (info & INTEL_RXD_RSS_TYPE_MASK)) {
		flags |= BH_PKT_HASH;
		pkt->hash = (uint32_t)(info >> INTEL_RXD_HASH_SHIFT);
	}
	return flags;
}

/*
 * The usual case: frames in one buffer each, without an error, from the ring's next descriptor on and not past its end. What
 * a burst has to know stays in registers; the ring moves on once.
 * Return: how many; the one behind them is not there yet, or is none of these.
 */
BH_INLINE uint32_t
intel_rx_run(struct bh_port_queue *queue, struct bh_pkt **out_pkts, uint32_t cnt, uint64_t now_tsc,
             const struct intel_rx_bits *bits, uint64_t *bytes)
{
	struct intel_rx_ring *ring = &intel_queue_of(queue)->rx;
	const struct intel_desc *const desc = ring->desc + ring->next;
	struct bh_pkt *const *const slot = ring->slot + ring->next;
	const uint32_t features = queue->port->info.features, telling = intel_rx_telling(features, bits);
	const uint32_t over_max = BH_MIN((uint32_t)queue->frame_bytes_max, INTEL_RX_BUF_BYTES) - BH_ETH_HEADER_BYTES;
	const uint32_t whole = INTEL_RXD_DD | INTEL_RXD_EOP;
	const uint16_t port_idx = queue->port_idx;
	uint64_t sum = 0;
	size_t i;
	for (i = 0; i < cnt; i++) {
		const uint64_t word = __atomic_load_n(&desc[i].word[1], __ATOMIC_ACQUIRE);
		const uint32_t len_bytes = (uint16_t)(word >> INTEL_RXD_LENGTH_SHIFT);
		if (BH_UNLIKELY(((uint32_t)word & (whole | bits->damaged)) != whole ||
		                len_bytes - BH_ETH_HEADER_BYTES > over_max))
			break;
		struct bh_pkt *const pkt = slot[i];
		uint16_t flags = 0;
		if ((uint32_t)word & telling)
			flags = intel_rx_flags(features, pkt, word, __atomic_load_n(&desc[i].word[0], __ATOMIC_RELAXED),
			                       bits);
		pkt->len_bytes = len_bytes;
		pkt->flags = flags;
		pkt->seg_cnt = 1;
		pkt->port_idx = port_idx;
		pkt->rx_tsc = now_tsc;
		sum += len_bytes;
		out_pkts[i] = pkt;
	}
	ring->next = (ring->next + (uint32_t)i) & ring->mask;
	ring->filled -= (uint32_t)i;
	*bytes += sum;
	return (uint32_t)i;
}

/* Any other descriptor that is there. Return: the frame that ends with it, or NULL: none does, or it was dropped. */
BH_INLINE struct bh_pkt *
intel_rx_odd(struct bh_port_queue *queue, uint64_t word, uint64_t now_tsc, const struct intel_rx_bits *bits)
{
	struct intel_rx_ring *ring = &intel_queue_of(queue)->rx;
	uint64_t info = __atomic_load_n(&ring->desc[ring->next].word[0], __ATOMIC_RELAXED);
	struct bh_pkt *pkt = ring->slot[ring->next];
	ring->next = (ring->next + 1) & ring->mask;
	ring->filled--;
	pkt->len_bytes = (uint16_t)(word >> INTEL_RXD_LENGTH_SHIFT);
	pkt->seg_cnt = 1;
	pkt = intel_rx_piece(intel_queue_of(queue), pkt, word, bits->damaged);
	if (pkt == NULL)
		return NULL;
	pkt->flags = intel_rx_flags(queue->port->info.features, pkt, word, info, bits);
	pkt->port_idx = queue->port_idx;
	pkt->rx_tsc = now_tsc;
	return pkt;
}

/* intel_rx_burst - bh_port_rx of a family; bits: constants */
BH_INLINE uint32_t
intel_rx_burst(struct bh_port_queue *queue, struct bh_pkt **out_pkts, uint32_t cnt, const struct intel_rx_bits *bits)
{
	struct intel_rx_ring *ring = &intel_queue_of(queue)->rx;
	uint64_t now_tsc = bh_clock_now_tsc(), bytes = 0;
	uint32_t got = 0;

	while (got < cnt && ring->filled > 0) {
		uint32_t run = BH_MIN(cnt - got, ring->filled);
		run = BH_MIN(run, ring->mask + 1 - ring->next);
		/* Between a frame's pieces nothing is usual. */
		uint32_t usual = BH_UNLIKELY(ring->first != NULL || ring->discarding)
		                         ? 0
		                         : intel_rx_run(queue, out_pkts + got, run, now_tsc, bits, &bytes);
		got += usual;
		if (usual == run)
			continue;
		uint64_t word = __atomic_load_n(&ring->desc[ring->next].word[1], __ATOMIC_ACQUIRE);
		if (!(word & INTEL_RXD_DD))
			break;
		struct bh_pkt *pkt = intel_rx_odd(queue, word, now_tsc, bits);
		if (pkt == NULL)
			continue;
		bytes += bh_pkt_frame_bytes(pkt);
		out_pkts[got++] = pkt;
	}
	if (ring->mask - ring->filled >= ring->fill_cnt)
		intel_rx_refill(intel_queue_of(queue));
	if (got > 0) {
		bh_counter_add(queue->rx_pkts, got);
		bh_counter_add(queue->rx_bytes, bytes);
	}
	return got;
}

#endif
