/* SPDX-License-Identifier: Apache-2.0 */
/* What is for more than one port: the limits, the copies, and tags that differ from port to port. */
#include <bulkhead/mem.h>

#include "apps/fwd/cell/switch_private.h"

#define BROADCAST     FWD_MAC_KEY_MAC_MASK
#define RESERVED      (UINT64_C(0x000000c28001) << 16) /* 01:80:c2:00:00:0x as loaded */
#define RESERVED_MASK (UINT64_C(0xf0ffffffffff) << 16)
#define TAG_BYTES     4u
#define ADDRESS_BYTES 12u
#define TCI_AT        14u
#define PRIORITY_MASK 0xf000u
#define TRIES_MAX     64u

/*
 * Beyond the limit nothing is written: a storm does not make the cores fight for the line. A time that is further ahead
 * than this rate can put it comes from a slower rate of before.
 */
static bool
rate_allows(const struct fwd_rate *rate, uint64_t *due_tsc, uint64_t now_tsc)
{
	if (rate->interval_tsc == 0)
		return true;
	uint64_t due = __atomic_load_n(due_tsc, __ATOMIC_RELAXED);
	for (uint32_t i = 0; i < TRIES_MAX; i++) {
		uint64_t from =
		        due > now_tsc + 2 * (rate->slack_tsc + rate->interval_tsc) ? now_tsc : BH_MAX(due, now_tsc);
		if (from - now_tsc > rate->slack_tsc)
			return false;
		if (__atomic_compare_exchange_n(due_tsc, &due, from + rate->interval_tsc, false, __ATOMIC_RELAXED,
		                                __ATOMIC_RELAXED))
			return true;
	}
	return false;
}

static enum fwd_storm
storm_class(uint64_t dst_key)
{
	if ((dst_key & FWD_MAC_GROUP) == 0)
		return FWD_STORM_UNICAST;
	return (dst_key & FWD_MAC_KEY_MAC_MASK) == BROADCAST ? FWD_STORM_BROADCAST : FWD_STORM_MULTICAST;
}

static void
tag_set(struct bh_pkt *pkt, const struct fwd_switch_frame *frame)
{
	uint32_t priority = 0;
	if (frame->tag == FWD_UNTAGGED)
		pkt->flags |= BH_PKT_VLAN;
	else if ((pkt->flags & BH_PKT_VLAN) != 0)
		priority = pkt->vlan_tci & PRIORITY_MASK;
	if ((pkt->flags & BH_PKT_VLAN) != 0) {
		pkt->vlan_tci = (uint16_t)(priority | frame->vlan);
		return;
	}
	pkt->data[TCI_AT] = (uint8_t)((pkt->data[TCI_AT] & PRIORITY_MASK >> 8) | frame->vlan >> 8);
	pkt->data[TCI_AT + 1] = (uint8_t)frame->vlan;
}

static void
tag_remove(struct bh_pkt *pkt)
{
	if ((pkt->flags & BH_PKT_VLAN) != 0) {
		pkt->flags &= (uint16_t)~BH_PKT_VLAN;
		return;
	}
	memmove(pkt->data + TAG_BYTES, pkt->data, ADDRESS_BYTES);
	pkt->data += TAG_BYTES;
	pkt->len_bytes -= TAG_BYTES;
	pkt->frame_bytes -= pkt->next != NULL ? TAG_BYTES : 0;
	if ((pkt->flags & BH_PKT_CSUM_PARTIAL) != 0)
		pkt->csum_start -= TAG_BYTES;
}

BH_NOINLINE void
fwd_switch_tag_fix(struct bh_pkt *pkt, const struct fwd_switch_frame *frame, bool tagged)
{
	if (tagged)
		tag_set(pkt, frame);
	else
		tag_remove(pkt);
}

/* One packet of a chain, at the same place in its buffer. */
static struct bh_pkt *
seg_copy(struct bh_pkt_pool *pool, const struct bh_pkt *pkt)
{
	struct bh_pkt *copy;
	uint32_t headroom_bytes = bh_pkt_headroom(pkt);
	if ((uint64_t)headroom_bytes + pkt->len_bytes > pool->buf_bytes || bh_pkt_take(pool, &copy, 1) != 1)
		return NULL;
	copy->data = copy->buf + headroom_bytes;
	copy->len_bytes = pkt->len_bytes;
	copy->frame_bytes = pkt->frame_bytes;
	copy->flags = pkt->flags;
	copy->vlan_tci = pkt->vlan_tci;
	copy->csum_start = pkt->csum_start;
	copy->csum_offset = pkt->csum_offset;
	copy->hash = pkt->hash;
	copy->seg_cnt = pkt->seg_cnt;
	copy->port_idx = pkt->port_idx;
	copy->next = NULL;
	copy->rx_tsc = pkt->rx_tsc;
	memcpy(copy->data, pkt->data, pkt->len_bytes);
	return copy;
}

static struct bh_pkt *
frame_copy(struct bh_pkt_pool *pool, const struct bh_pkt *pkt)
{
	struct bh_pkt *first = seg_copy(pool, pkt), *last = first;
	for (const struct bh_pkt *seg = pkt->next; seg != NULL && last != NULL; seg = seg->next) {
		last->next = seg_copy(pool, seg);
		last = last->next;
	}
	if (last == NULL && first != NULL)
		bh_pkt_free(first);
	return last != NULL ? first : NULL;
}

/* The last port gets the frame itself, so each copy is made of what was received. */
static void
send_to_all(struct fwd_switch *sw, uint32_t port_idx, uint32_t mask, struct bh_pkt *pkt,
            const struct fwd_switch_frame *frame)
{
	struct bh_pkt_pool *pool = sw->lane[port_idx].queue->pool;
	for (; (mask & (mask - 1)) != 0; mask &= mask - 1) {
		struct bh_pkt *copy = frame_copy(pool, pkt);
		if (copy != NULL)
			fwd_switch_send(sw, (uint32_t)__builtin_ctz(mask), copy, frame);
		bh_counter_add(copy != NULL ? sw->copy : sw->no_buffer, 1);
	}
	fwd_switch_send(sw, (uint32_t)__builtin_ctz(mask), pkt, frame);
}

BH_NOINLINE void
fwd_switch_flood(struct fwd_switch *sw, uint32_t port_idx, struct bh_pkt *pkt, const struct fwd_switch_frame *frame)
{
	struct fwd_switch_lane *lane = &sw->lane[port_idx];
	uint32_t mask = sw->member[frame->vlan] & sw->port_mask & ~(1u << port_idx);
	enum fwd_storm storm = storm_class(frame->dst_key);
	if ((frame->dst_key & RESERVED_MASK) == RESERVED) {
		fwd_switch_drop(sw, port_idx, pkt, FWD_SWITCH_RESERVED);
	} else if (mask == 0) {
		fwd_switch_drop(sw, port_idx, pkt, FWD_SWITCH_NO_PORT);
	} else if (!rate_allows(&lane->rate[storm], &sw->shared->due[port_idx].tsc[storm], sw->now_tsc)) {
		fwd_switch_drop(sw, port_idx, pkt, FWD_SWITCH_STORM_BROADCAST + storm);
	} else {
		bh_counter_add(sw->flood, 1);
		send_to_all(sw, port_idx, mask, pkt, frame);
	}
}
