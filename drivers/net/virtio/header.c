/* SPDX-License-Identifier: Apache-2.0 */
#include "drivers/net/virtio/virtio.h"

/* 5.1.6.4: we negotiate no segmentation, so a device that sets gso_type breaks the rules. */
bool
bh_virtio_header_take(const struct virtio_queue *queue, const struct virtio_net_hdr *header, struct bh_pkt *pkt)
{
	if (header->gso_type != VIRTIO_NET_HDR_GSO_NONE)
		return false;
	if (!queue->offload)
		return header->flags == 0;
	if (header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
		uint32_t end = (uint32_t)header->csum_start + header->csum_offset + 2;
		if (header->csum_start < BH_ETH_HEADER_BYTES || end > pkt->len_bytes)
			return false;
		pkt->csum_start = header->csum_start;
		pkt->csum_offset = header->csum_offset;
		pkt->flags |= BH_PKT_CSUM_PARTIAL;
		return true;
	}
	if (header->flags & VIRTIO_NET_HDR_F_DATA_VALID)
		pkt->flags |= BH_PKT_CSUM_GOOD;
	return true;
}

void
bh_virtio_header_make(const struct bh_pkt *pkt, void *out_header)
{
	const struct virtio_net_hdr header = {
	        .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
	        .csum_start = pkt->csum_start,
	        .csum_offset = pkt->csum_offset,
	};
	__builtin_memcpy(out_header, &header, sizeof(header)); /* a frame may begin at an odd address */
}

static struct bh_pkt *
drop_all(struct virtio_queue *queue, struct bh_pkt **pieces, uint32_t cnt, enum bh_drop_reason reason)
{
	bh_counter_add(queue->base.drop[reason], 1);
	for (uint32_t i = 0; i < cnt; i++) {
		pieces[i]->next = NULL;
		bh_pkt_free(pieces[i]);
	}
	return NULL;
}

/* The first piece holds the header and the frame's beginning; the others begin where the header of a first would be. */
static bool
piece_is_good(const struct virtio_queue *queue, struct bh_pkt *piece, bool first)
{
	uint32_t most = queue->rx_data_bytes + VIRTIO_NET_HDR_BYTES, len = piece->len_bytes;
	if (len == 0 || len > most || (first && len < VIRTIO_NET_HDR_BYTES + BH_ETH_HEADER_BYTES))
		return false;
	if (first)
		piece->len_bytes -= VIRTIO_NET_HDR_BYTES;
	else
		piece->data -= VIRTIO_NET_HDR_BYTES;
	return true;
}

struct bh_pkt *
bh_virtio_chain_join(struct virtio_queue *queue, struct bh_pkt **pieces, uint32_t cnt)
{
	struct bh_pkt *pkt = pieces[0];
	struct virtio_net_hdr header;
	__builtin_memcpy(&header, pkt->data - VIRTIO_NET_HDR_BYTES, sizeof(header));
	uint32_t frame_bytes = 0;
	for (uint32_t i = 0; i < cnt; i++) {
		if (!piece_is_good(queue, pieces[i], i == 0))
			return drop_all(queue, pieces, cnt, BH_DROP_RX_BAD_LENGTH);
		frame_bytes += pieces[i]->len_bytes;
		pieces[i]->next = i + 1 < cnt ? pieces[i + 1] : NULL;
		pieces[i]->flags = 0;
		pieces[i]->seg_cnt = 1;
	}
	if (frame_bytes > queue->base.frame_bytes_max)
		return drop_all(queue, pieces, cnt, BH_DROP_RX_TOO_LONG);
	pkt->seg_cnt = (uint16_t)cnt;
	pkt->frame_bytes = frame_bytes;
	pkt->port_idx = queue->base.port_idx;
	if ((header.flags | header.gso_type) != 0 && !bh_virtio_header_take(queue, &header, pkt))
		return drop_all(queue, pieces, cnt, BH_DROP_RX_BAD_HEADER);
	return pkt;
}
