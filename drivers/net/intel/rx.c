/* SPDX-License-Identifier: Apache-2.0 */
/* Frames in pieces and odd ones; the gigabit cards' receive function. */
#include "drivers/net/intel/rx.h"

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

struct bh_pkt *
intel_rx_piece(struct intel_queue *iq, struct bh_pkt *pkt, uint64_t word, uint32_t damaged)
{
	struct intel_rx_ring *ring = &iq->rx;
	bool ends = (uint32_t)word & INTEL_RXD_EOP;
	if (ring->discarding) {
		bh_pkt_free(pkt);
		ring->discarding = !ends;
		return NULL;
	}
	if (ends && ((uint32_t)word & damaged)) {
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

static uint16_t
csum_bad(uint32_t status, uint64_t info)
{
	return BH_PKT_CSUM_BAD;
}

uint32_t
intel_rx(struct bh_port_queue *queue, struct bh_pkt **out_pkts, uint32_t cnt)
{
	static const struct intel_rx_bits bits = {.damaged = INTEL_RXD_WIRE_ERRORS,
	                                          .l4_bad = INTEL_RXD_L4E,
	                                          .ip_bad = INTEL_RXD_IPE,
	                                          .csum_bad = csum_bad};
	return intel_rx_burst(queue, out_pkts, cnt, &bits);
}
