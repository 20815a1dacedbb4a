/* SPDX-License-Identifier: Apache-2.0 */
#include "drivers/net/net.h"

/* A chain that says of itself what it is: at most segs_max, no empty piece, lengths that sum up, all inside of buffers. */
static bool
chain_is_sound(const struct bh_pkt *pkt, uint32_t segs_max)
{
	uint64_t bytes = 0;
	uint32_t cnt = 0;
	for (const struct bh_pkt *seg = pkt; seg != NULL; seg = seg->next) {
		if (++cnt > segs_max || seg->len_bytes == 0)
			return false;
		bytes += seg->len_bytes;
	}
	return cnt == pkt->seg_cnt && bytes == pkt->frame_bytes;
}

/* What is wrong with the frame, or BH_DROP_CNT. What the device does not do is done here. */
static enum bh_drop_reason
check(const struct bh_port_queue *queue, struct bh_pkt *pkt, uint32_t features, uint32_t segs_max)
{
	if (pkt->len_bytes < BH_ETH_HEADER_BYTES)
		return BH_DROP_TX_TOO_SHORT;
	if (bh_pkt_frame_bytes(pkt) > queue->frame_bytes_max)
		return BH_DROP_TX_TOO_LONG;
	if (pkt->next != NULL && !chain_is_sound(pkt, segs_max))
		return BH_DROP_TX_TOO_LONG;
	if ((pkt->flags & BH_PKT_VLAN) && !(features & BH_PORT_TX_VLAN) && bh_pkt_vlan_insert(pkt) != 0)
		return BH_DROP_TX_BAD_REQUEST;
	if (!(pkt->flags & BH_PKT_CSUM_PARTIAL))
		return BH_DROP_CNT;
	if ((uint32_t)pkt->csum_start + pkt->csum_offset + 2 > pkt->len_bytes)
		return BH_DROP_TX_BAD_REQUEST;
	if (!(features & BH_PORT_TX_CSUM) && bh_pkt_csum_finish(pkt) != 0)
		return BH_DROP_TX_BAD_REQUEST;
	return BH_DROP_CNT;
}

bool
bh_port_tx_check_slow(struct bh_port_queue *queue, struct bh_pkt *pkt, uint32_t features, uint32_t segs_max)
{
	enum bh_drop_reason reason = check(queue, pkt, features, segs_max);
	if (reason == BH_DROP_CNT)
		return true;
	bh_port_drop(queue, pkt, reason);
	return false;
}
