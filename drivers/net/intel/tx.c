/* SPDX-License-Identifier: Apache-2.0 */
/* Frames that are more than one descriptor, or must be looked at before they are sent. */
#include "drivers/net/intel/tx.h"

static void
put(struct intel_tx_ring *ring, uint64_t word0, uint64_t word1, struct bh_pkt *pkt)
{
	ring->slot[ring->next] = pkt;
	ring->gap_cnt += pkt == NULL;
	ring->desc[ring->next].word[0] = word0;
	ring->desc[ring->next].word[1] = word1;
	ring->next = (ring->next + 1) & ring->mask;
}

/* Shorter than the device takes: zeros behind it. A buffer always has the room. */
static void
pad(struct bh_pkt *pkt)
{
	if (BH_LIKELY(pkt->len_bytes >= INTEL_TX_BYTES_MIN) || pkt->next != NULL)
		return;
	for (; pkt->len_bytes < INTEL_TX_BYTES_MIN && bh_pkt_tailroom(pkt) > 0; pkt->len_bytes++)
		pkt->data[pkt->len_bytes] = 0;
}

static void
put_piece(struct intel_tx_ring *ring, const struct bh_pkt *seg, uint64_t command, struct bh_pkt *last, bool paged)
{
	uint64_t addr = (uintptr_t)seg->data;
	uint32_t left = seg->len_bytes, room = BH_PAGE_BYTES - (uint32_t)(addr % BH_PAGE_BYTES);
	while (paged && BH_UNLIKELY(left > room)) {
		put(ring, addr, command | room, NULL);
		addr += room;
		left -= room;
		room = BH_PAGE_BYTES;
	}
	put(ring, addr, command | left | (last != NULL ? INTEL_TXD_EOP : 0), last);
}

/* The most descriptors that a frame can take: where pages count, each piece crosses one boundary more than it has whole pages. */
static uint32_t
need(const struct bh_pkt *pkt, const struct intel_offload *offload, bool paged)
{
	uint32_t seg_cnt = pkt->next == NULL ? 1 : pkt->seg_cnt;
	return seg_cnt + offload->context + (paged ? seg_cnt + bh_pkt_frame_bytes(pkt) / BH_PAGE_BYTES : 0);
}

static void
put_frame(struct intel_tx_ring *ring, struct bh_pkt *pkt, const struct intel_offload *offload, bool paged)
{
	if (offload->context)
		put(ring, offload->ctx[0], offload->ctx[1], NULL);
	struct bh_pkt *seg = pkt;
	for (; seg->next != NULL; seg = seg->next)
		put_piece(ring, seg, offload->command, NULL, paged);
	put_piece(ring, seg, offload->command, pkt, paged);
}

int
intel_tx_odd(struct bh_port_queue *queue, struct bh_pkt *pkt, const struct intel_tx_kind *kind)
{
	struct intel_tx_ring *ring = &intel_queue_of(queue)->tx;
	uint32_t features = pkt->flags ? kind->able(pkt) & queue->port->info.features : 0;
	if (!bh_port_tx_check(queue, pkt, features, ring->segs_max))
		return 0;
	struct intel_offload offload = {.command = kind->plain};
	if (pkt->flags & (BH_PKT_CSUM_PARTIAL | BH_PKT_VLAN))
		kind->describe(pkt, &offload);
	if (intel_tx_free_cnt(ring) < need(pkt, &offload, kind->paged))
		return -BH_EAGAIN;
	pad(pkt);
	uint32_t frame_bytes = bh_pkt_frame_bytes(pkt);
	if (kind->payload_shift != 0)
		offload.command |= (uint64_t)frame_bytes << kind->payload_shift;
	put_frame(ring, pkt, &offload, kind->paged);
	return (int)frame_bytes;
}
