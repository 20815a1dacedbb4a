/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Receiving. The second word of a descriptor holds all that decides (done, end, errors, length, tag), so that one load takes
 * it, once. What the device says is checked before it is used: a length past the buffer, or a frame of too many pieces, is
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

/* 0 for a frame without any of these; the flags else. */
BH_INLINE uint16_t
intel_rx_flags(const struct bh_port *port, struct bh_pkt *pkt, uint64_t word, uint64_t info,
               const struct intel_rx_bits *bits)
{
	uint32_t status = (uint32_t)word;
	uint16_t flags = 0;
	if (port->info.features & BH_PORT_RX_CSUM) {
		if (BH_UNLIKELY(status & (bits->l4_bad | bits->ip_bad)))
			flags |= bits->csum_bad(status, info);
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

/* One frame in one buffer, without an error: what nearly all are. */
BH_INLINE bool
intel_rx_is_plain(const struct intel_rx_ring *ring, uint64_t word, uint32_t len_bytes, uint32_t bytes_max,
                  uint32_t damaged)
{
	return ((uint32_t)word & (INTEL_RXD_EOP | damaged)) == INTEL_RXD_EOP &&
	       len_bytes - BH_ETH_HEADER_BYTES <= bytes_max - BH_ETH_HEADER_BYTES && ring->first == NULL &&
	       !ring->discarding;
}

/* intel_rx_burst - bh_port_rx of a family; bits: constants */
BH_INLINE uint32_t
intel_rx_burst(struct bh_port_queue *queue, struct bh_pkt **out_pkts, uint32_t cnt, const struct intel_rx_bits *bits)
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
		if (BH_UNLIKELY(!intel_rx_is_plain(ring, word, pkt->len_bytes, bytes_max, bits->damaged)))
			pkt = intel_rx_piece(iq, pkt, word, bits->damaged);
		if (BH_UNLIKELY(pkt == NULL))
			continue;
		pkt->flags = intel_rx_flags(queue->port, pkt, word, info, bits);
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

#endif
