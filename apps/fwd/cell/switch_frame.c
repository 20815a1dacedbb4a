/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One burst, in two passes: the first reads the headers and asks for the lines of the table, the second finds them in
 * the cache. Loads of different frames overlap.
 */
#include <bulkhead/arch.h>

#include "apps/fwd/cell/switch_private.h"

#define AHEAD_CNT      4u
#define ETH_BYTES      14u
#define ETH_VLAN_BYTES 18u
#define TPID_VLAN      0x8100u
#define PAUSE          (UINT64_C(0x010000c28001) << 16) /* 01:80:c2:00:00:01 as loaded */
#define TCI_VLAN_MASK  0xfffu

BH_INLINE uint64_t
load64(const uint8_t *data)
{
	uint64_t value;
	__builtin_memcpy(&value, data, sizeof(value));
	return value;
}

BH_INLINE uint32_t
load16_be(const uint8_t *data)
{
	return (uint32_t)data[0] << 8 | data[1];
}

/* The VLAN of a frame, and whether its port carries it. IEEE 802.1Q, 6.9.1 and 8.6.2. */
BH_INLINE enum fwd_switch_reason
vlan_classify(const struct fwd_switch *sw, uint32_t port_idx, const struct bh_pkt *pkt, struct fwd_switch_frame *frame)
{
	uint32_t tci = 0;
	frame->tag = FWD_TAGGED;
	if ((pkt->flags & BH_PKT_VLAN) != 0)
		tci = pkt->vlan_tci;
	else if (load16_be(pkt->data + 12) != TPID_VLAN)
		frame->tag = FWD_UNTAGGED;
	else if (pkt->len_bytes < ETH_VLAN_BYTES)
		return FWD_SWITCH_SHORT;
	else
		tci = load16_be(pkt->data + ETH_BYTES);
	frame->vlan = tci & TCI_VLAN_MASK;
	if (frame->vlan == 0) {
		frame->vlan = sw->lane[port_idx].native_vlan;
		frame->tag = frame->tag == FWD_TAGGED ? FWD_PRIORITY_TAGGED : FWD_UNTAGGED;
	}
	return (sw->member[frame->vlan] >> port_idx & 1) != 0 ? FWD_SWITCH_REASON_CNT : FWD_SWITCH_VLAN;
}

BH_INLINE enum fwd_switch_reason
classify(const struct fwd_switch *sw, uint32_t port_idx, const struct bh_pkt *pkt, struct fwd_switch_frame *frame)
{
	if (BH_UNLIKELY(pkt->len_bytes < ETH_BYTES))
		return FWD_SWITCH_SHORT;
	frame->vlan = FWD_NO_VLAN;
	frame->tag = FWD_UNTAGGED;
	if (sw->vlan_aware) {
		enum fwd_switch_reason reason = vlan_classify(sw, port_idx, pkt, frame);
		if (BH_UNLIKELY(reason != FWD_SWITCH_REASON_CNT))
			return reason;
	}
	frame->dst_key = fwd_mac_key(load64(pkt->data), frame->vlan);
	frame->src_key = fwd_mac_key(load64(pkt->data + 6), frame->vlan);
	/* MAC control (pause) is between two ends of a wire; a bridge's relay never sees it, not even to learn. */
	if (BH_UNLIKELY((frame->dst_key & FWD_MAC_KEY_MAC_MASK) == PAUSE))
		return FWD_SWITCH_RESERVED;
	if (BH_UNLIKELY((frame->src_key & FWD_MAC_GROUP) != 0 || (frame->src_key & FWD_MAC_KEY_MAC_MASK) == 0))
		return FWD_SWITCH_BAD_SOURCE;
	return FWD_SWITCH_REASON_CNT;
}

/* Return: how many frames stay; `pkts` and `frames` have these. */
static uint32_t
classify_burst(struct fwd_switch *sw, uint32_t port_idx, struct bh_pkt **pkts, uint32_t cnt,
               struct fwd_switch_frame *frames)
{
	const struct fwd_mac_table *macs = sw->macs;
	uint32_t kept_cnt = 0;
	for (uint32_t i = 0; i < cnt; i++) {
		struct bh_pkt *pkt = pkts[i];
		struct fwd_switch_frame *frame = &frames[kept_cnt];
		if (BH_LIKELY(i + AHEAD_CNT < cnt))
			bh_prefetch_read(pkts[i + AHEAD_CNT]->data);
		enum fwd_switch_reason reason = classify(sw, port_idx, pkt, frame);
		if (BH_UNLIKELY(reason != FWD_SWITCH_REASON_CNT)) {
			fwd_switch_drop(sw, port_idx, pkt, reason);
			continue;
		}
		frame->src_hash = fwd_mac_hash(macs, frame->src_key);
		frame->dst_hash = fwd_mac_hash(macs, frame->dst_key);
		bh_prefetch_read(fwd_mac_first(macs, frame->src_hash));
		bh_prefetch_read(fwd_mac_first(macs, frame->dst_hash));
		pkts[kept_cnt++] = pkt;
	}
	return kept_cnt;
}

/* The port where the destination is, if the VLAN leads there; -1: unknown. */
BH_INLINE int
destination(const struct fwd_switch *sw, const struct fwd_switch_frame *frame)
{
	if (BH_UNLIKELY((frame->dst_key & FWD_MAC_GROUP) != 0))
		return -1;
	int port = fwd_mac_find(sw->macs, frame->dst_key, frame->dst_hash);
	return port >= 0 && (sw->member[frame->vlan] >> port & 1) != 0 ? port : -1;
}

void
fwd_switch_input(struct fwd_switch *sw, uint32_t port_idx, struct bh_pkt **pkts, uint32_t cnt)
{
	struct fwd_switch_frame frames[FWD_SWITCH_BURST_MAX];
	const uint32_t mac_max = sw->lane[port_idx].mac_max;
	uint64_t forward_cnt = 0;
	cnt = classify_burst(sw, port_idx, pkts, cnt, frames);
	for (uint32_t i = 0; i < cnt; i++) {
		const struct fwd_switch_frame *frame = &frames[i];
		fwd_mac_learn(sw->macs, frame->src_key, frame->src_hash, port_idx, mac_max, &sw->mac_counters);
		int to = destination(sw, frame);
		if (BH_UNLIKELY(to < 0)) {
			fwd_switch_flood(sw, port_idx, pkts[i], frame);
		} else if (BH_UNLIKELY((uint32_t)to == port_idx)) {
			fwd_switch_drop(sw, port_idx, pkts[i], FWD_SWITCH_SAME_PORT);
		} else {
			fwd_switch_send(sw, (uint32_t)to, pkts[i], frame);
			forward_cnt++;
		}
	}
	bh_counter_add(sw->forward, forward_cnt);
}
