/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Transmitting: one inline function, which each card makes its own with its way to describe a frame. Only the last frame of
 * a burst, and each INTEL_REPORT_CNT-th, asks the device to report; what the reports are of stands in ring->mark.
 */
#ifndef DRIVERS_NET_INTEL_TX_H
#define DRIVERS_NET_INTEL_TX_H

#include "drivers/net/intel/intel.h"

#define INTEL_REPORT_CNT   32u
#define INTEL_TX_BYTES_MIN 17u /* 82574 datasheet 7.2.1.2, 82576 datasheet 7.2.1.1: what the device can pad */

/* What a frame needs beside its data. */
struct intel_offload {
	bool context;     /* a context descriptor before it */
	uint64_t ctx[2];  /* its words */
	uint64_t command; /* of each data descriptor: type, DEXT, IFCS, VLE, options, and what else the card wants */
};

BH_INLINE void
intel_tx_put(struct intel_tx_ring *ring, uint64_t word0, uint64_t word1, struct bh_pkt *pkt)
{
	ring->slot[ring->next] = pkt;
	ring->desc[ring->next].word[0] = word0;
	ring->desc[ring->next].word[1] = word1;
	ring->next = (ring->next + 1) & ring->mask;
}

/* Shorter than the device takes: zeros behind it. A buffer always has the room. */
BH_INLINE void
intel_tx_pad(struct bh_pkt *pkt)
{
	if (BH_LIKELY(pkt->len_bytes >= INTEL_TX_BYTES_MIN) || pkt->next != NULL)
		return;
	for (; pkt->len_bytes < INTEL_TX_BYTES_MIN && bh_pkt_tailroom(pkt) > 0; pkt->len_bytes++)
		pkt->data[pkt->len_bytes] = 0;
}

/*
 * One descriptor a page. The cards need no such thing, but QEMU's (7.2 to 10.0) drop a frame without a word when a piece of
 * it crosses into a page that is not next to the first one in the machine's memory (net_tx_pkt_add_raw_fragment).
 */
BH_INLINE void
intel_tx_piece(struct intel_tx_ring *ring, const struct bh_pkt *seg, uint64_t command, struct bh_pkt *last)
{
	uint64_t addr = (uintptr_t)seg->data;
	uint32_t left = seg->len_bytes, room = BH_PAGE_BYTES - (uint32_t)(addr % BH_PAGE_BYTES);
	while (BH_UNLIKELY(left > room)) {
		intel_tx_put(ring, addr, command | room, NULL);
		addr += room;
		left -= room;
		room = BH_PAGE_BYTES;
	}
	intel_tx_put(ring, addr, command | left | (last != NULL ? INTEL_TXD_EOP : 0), last);
}

/* The most descriptors that a frame can take: each piece crosses one page boundary more than it has whole pages. */
BH_INLINE uint32_t
intel_tx_need(const struct bh_pkt *pkt, const struct intel_offload *offload)
{
	uint32_t seg_cnt = BH_LIKELY(pkt->next == NULL) ? 1 : pkt->seg_cnt;
	return 2 * seg_cnt + bh_pkt_frame_bytes(pkt) / BH_PAGE_BYTES + offload->context;
}

BH_INLINE void
intel_tx_frame(struct intel_tx_ring *ring, struct bh_pkt *pkt, const struct intel_offload *offload)
{
	if (BH_UNLIKELY(offload->context))
		intel_tx_put(ring, offload->ctx[0], offload->ctx[1], NULL);
	struct bh_pkt *seg = pkt;
	for (; BH_UNLIKELY(seg->next != NULL); seg = seg->next)
		intel_tx_piece(ring, seg, offload->command, NULL);
	intel_tx_piece(ring, seg, offload->command, pkt);
}

/* The frame that was put last is to be reported. */
BH_INLINE void
intel_tx_report(struct intel_tx_ring *ring)
{
	uint32_t last = (ring->next - 1) & ring->mask;
	ring->desc[last].word[1] |= INTEL_TXD_RS;
	ring->mark[ring->mark_head++ & ring->mask] = (uint16_t)last;
}

BH_INLINE uint32_t
intel_tx_free_cnt(const struct intel_tx_ring *ring)
{
	return (ring->clean - ring->next - 1) & ring->mask;
}

/**
 * intel_tx_burst - bh_port_tx of a card
 * @able: what of BH_PORT_TX_CSUM and BH_PORT_TX_VLAN the device can do for this frame
 * @plain: the command of a frame that needs nothing
 * @describe: fills in what a frame with flags needs
 * @each: what a frame's length adds to the command, or 0
 */
BH_INLINE uint32_t
intel_tx_burst(struct bh_port_queue *queue, struct bh_pkt *const *pkts, uint32_t cnt, uint64_t plain,
               uint32_t (*able)(const struct bh_pkt *pkt),
               void (*describe)(const struct bh_pkt *pkt, struct intel_offload *offload),
               uint64_t (*each)(uint32_t frame_bytes))
{
	struct intel_queue *iq = intel_queue_of(queue);
	struct intel_tx_ring *ring = &iq->tx;
	uint32_t taken = 0, sent = 0, unreported = 0;
	uint64_t bytes = 0;

	if (BH_UNLIKELY(!queue->port->link.up))
		return intel_tx_link_down(queue, pkts, cnt);
	intel_tx_reclaim(iq);
	for (; taken < cnt; taken++) {
		struct bh_pkt *pkt = pkts[taken];
		uint32_t features = BH_UNLIKELY(pkt->flags) ? able(pkt) & queue->port->info.features : 0;
		if (BH_UNLIKELY(!bh_port_tx_check(queue, pkt, features, ring->segs_max)))
			continue;
		struct intel_offload offload = {.command = plain};
		if (BH_UNLIKELY(pkt->flags & (BH_PKT_CSUM_PARTIAL | BH_PKT_VLAN)))
			describe(pkt, &offload);
		if (BH_UNLIKELY(intel_tx_free_cnt(ring) < intel_tx_need(pkt, &offload)))
			break;
		intel_tx_pad(pkt);
		uint32_t frame_bytes = bh_pkt_frame_bytes(pkt);
		offload.command |= each(frame_bytes);
		intel_tx_frame(ring, pkt, &offload);
		bytes += frame_bytes;
		sent++;
		if (++unreported == INTEL_REPORT_CNT) {
			intel_tx_report(ring);
			unreported = 0;
		}
	}
	if (unreported > 0)
		intel_tx_report(ring);
	if (sent > 0) {
		bh_dma_wmb(); /* the descriptors before the tail that hands them over */
		bh_mmio_write32(ring->tail, ring->next);
		bh_counter_add(queue->tx_pkts, sent);
		bh_counter_add(queue->tx_bytes, bytes);
	}
	return taken;
}

#endif
