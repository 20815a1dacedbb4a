/* SPDX-License-Identifier: Apache-2.0 */
#include "apps/fwd/cell/punt.h"

#include <bulkhead/arch.h>

#include "apps/fwd/cell/header.h"

struct fwd_rate
fwd_rate_of(uint64_t per_s, uint64_t tsc_hz)
{
	if (per_s == 0)
		return (struct fwd_rate){0};
	struct fwd_rate rate = {.interval_tsc = BH_MAX(tsc_hz / per_s, UINT64_C(1))};
	rate.slack_tsc = BH_MAX(rate.interval_tsc * (FWD_PUNT_BURST_CNT - 1), tsc_hz / 100);
	return rate;
}

static bool
passes(const struct fwd_rate *rate, uint64_t *due_tsc)
{
	if (rate->interval_tsc == 0)
		return true;
	uint64_t now_tsc = bh_clock_now_tsc();
	uint64_t due = BH_MAX(*due_tsc, now_tsc);
	if (due - now_tsc > rate->slack_tsc)
		return false;
	*due_tsc = due + rate->interval_tsc;
	return true;
}

static uint32_t
copy(uint8_t *to, const uint8_t *from, uint32_t bytes)
{
	__builtin_memcpy(to, from, bytes);
	return bytes;
}

/* The frame in one piece, with its tag. */
static uint32_t
copy_frame(uint8_t *to, const struct bh_pkt *pkt)
{
	bool tagged = (pkt->flags & BH_PKT_VLAN) != 0;
	uint32_t head_bytes = tagged ? 12 : 0, at = 0;
	if (tagged) {
		const uint8_t tag[4] = {FWD_TYPE_VLAN >> 8, FWD_TYPE_VLAN & 0xff, (uint8_t)(pkt->vlan_tci >> 8),
		                        (uint8_t)pkt->vlan_tci};
		at = copy(to, pkt->data, head_bytes);
		at += copy(to + at, tag, sizeof(tag));
	}
	at += copy(to + at, pkt->data + head_bytes, pkt->len_bytes - head_bytes);
	for (const struct bh_pkt *more = pkt->next; more != NULL; more = more->next)
		at += copy(to + at, more->data, more->len_bytes);
	return at;
}

enum fwd_reason
fwd_punt(struct fwd_punt *punt, struct bh_pkt *pkt, uint32_t port_idx, enum fwd_reason reason)
{
	bool is_error = reason >= FWD_PUNT_GLEAN;
	const struct fwd_rate *rate = is_error ? &punt->error_rate : &punt->rate;
	uint64_t *due_tsc = is_error ? punt->error_due_tsc : punt->due_tsc;
	if (!punt->has_ring)
		return FWD_DROP_PUNT_FULL;
	if (!passes(rate, &due_tsc[port_idx]))
		return is_error ? FWD_DROP_ERROR_RATE : FWD_DROP_PUNT_RATE;
	struct fwd_slot *slot = fwd_ring_room(&punt->ring);
	if (slot == NULL)
		return FWD_DROP_PUNT_FULL;
	if (bh_pkt_frame_bytes(pkt) + 4 > fwd_ring_frame_max(&punt->ring))
		return FWD_DROP_PUNT_LONG;
	if ((pkt->flags & BH_PKT_CSUM_PARTIAL) != 0 && bh_pkt_csum_finish(pkt) != 0)
		return FWD_DROP_CHECKSUM;
	fwd_ring_put(&punt->ring, copy_frame(slot->frame, pkt), (uint8_t)port_idx, (uint8_t)reason);
	punt->filled = true;
	return reason;
}
