/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Transmitting: one inline function for frames of one descriptor, which each card makes its own with a constant struct
 * intel_tx_kind; all others are put by tx.c. Only the last frame of
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

/* How a card's descriptors say what a frame needs. */
struct intel_tx_kind {
	uint64_t plain; /* the command of a frame that needs nothing */
	/* Where the frame's length stands beside the descriptor's own; 0: nowhere. */
	uint32_t payload_shift;
	/*
	 * One descriptor a page. The cards need no such thing, but QEMU's 82574 and 82576 (7.2 to 10.0) drop a frame
	 * without a word when a piece of it crosses into a page that is not next to the first one in the machine's
	 * memory (net_tx_pkt_add_raw_fragment).
	 */
	bool paged;
	/* What of BH_PORT_TX_CSUM and BH_PORT_TX_VLAN the device can do for this frame. */
	uint32_t (*able)(const struct bh_pkt *pkt);
	/* Fills in what a frame with flags needs. */
	void (*describe)(const struct bh_pkt *pkt, struct intel_offload *offload);
};

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
 * intel_tx_odd - a frame of several pieces, with an offload, too short for the device, or one that cannot be sent. tx.c
 * Return: its bytes; 0: it was dropped and counted; -BH_EAGAIN: no room, nothing was done.
 */
BH_MUST_CHECK int intel_tx_odd(struct bh_port_queue *queue, struct bh_pkt *pkt, const struct intel_tx_kind *kind);

/*
 * The usual case: frames that are one descriptor each, up to the ring's end at most. cnt: as many as there is room for.
 * Return: how many; the one behind them is none of these.
 */
BH_INLINE uint32_t
intel_tx_run(struct bh_port_queue *queue, struct bh_pkt *const *pkts, uint32_t cnt, const struct intel_tx_kind *kind,
             uint64_t *bytes)
{
	struct intel_tx_ring *ring = &intel_queue_of(queue)->tx;
	struct intel_desc *const desc = ring->desc + ring->next;
	struct bh_pkt **const slot = ring->slot + ring->next;
	const uint32_t over_max = queue->frame_bytes_max - INTEL_TX_BYTES_MIN;
	const uint64_t command = kind->plain | INTEL_TXD_EOP;
	uint64_t sum = 0;
	size_t i;
	for (i = 0; i < cnt; i++) {
		struct bh_pkt *const pkt = pkts[i];
		const uint64_t len_bytes = pkt->len_bytes, addr = (uintptr_t)pkt->data;
		if (BH_UNLIKELY((uint32_t)len_bytes - INTEL_TX_BYTES_MIN > over_max || pkt->next != NULL ||
		                (pkt->flags & (BH_PKT_CSUM_PARTIAL | BH_PKT_VLAN))))
			break;
		if (kind->paged && BH_UNLIKELY(addr % BH_PAGE_BYTES + len_bytes > BH_PAGE_BYTES))
			break;
		slot[i] = pkt;
		desc[i].word[0] = addr;
		desc[i].word[1] =
		        command | (kind->payload_shift != 0 ? len_bytes << kind->payload_shift : 0) | len_bytes;
		sum += len_bytes;
	}
	ring->next = (ring->next + (uint32_t)i) & ring->mask;
	*bytes += sum;
	return (uint32_t)i;
}

/* intel_tx_burst - bh_port_tx of a card; kind: constants */
BH_INLINE uint32_t
intel_tx_burst(struct bh_port_queue *queue, struct bh_pkt *const *pkts, uint32_t cnt, const struct intel_tx_kind *kind)
{
	struct intel_tx_ring *ring = &intel_queue_of(queue)->tx;
	uint32_t taken = 0, sent = 0, unreported = 0;
	uint64_t bytes = 0;

	if (BH_UNLIKELY(!queue->port->link.up))
		return intel_tx_link_down(queue, pkts, cnt);
	intel_tx_reclaim(intel_queue_of(queue));
	while (taken < cnt) {
		uint32_t run = BH_MIN(cnt - taken, INTEL_REPORT_CNT - unreported);
		run = BH_MIN(run, intel_tx_free_cnt(ring));
		run = BH_MIN(run, ring->mask + 1 - ring->next);
		uint32_t put = intel_tx_run(queue, pkts + taken, run, kind, &bytes);
		taken += put;
		if (put == 0) {
			int odd = intel_tx_odd(queue, pkts[taken], kind);
			if (odd == -BH_EAGAIN)
				break;
			taken++;
			put = odd > 0;
			bytes += (uint32_t)odd;
		}
		sent += put;
		unreported += put;
		if (unreported == INTEL_REPORT_CNT) {
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
