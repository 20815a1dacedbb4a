/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The way to Linux: frames are copied into this core's ring (apps/fwd/channel.h), as many as the rates allow. Each port
 * has two rates, so that a flood of packets without a route takes nothing from ARP, ND and BGP.
 */
#ifndef APPS_FWD_PUNT_H
#define APPS_FWD_PUNT_H

#include <bulkhead/pkt.h>

#include "apps/fwd/channel.h"
#include "apps/fwd/reason.h"

#define FWD_PUNT_BURST_CNT 64u /* that may come at once after a silence, at any rate */

/* Generic cell rate: a frame may pass if it is due within `slack`. */
struct fwd_rate {
	uint64_t interval_tsc; /* between frames; 0: no limit */
	uint64_t slack_tsc;
};

struct fwd_punt {
	struct fwd_ring_end ring;
	bool has_ring; /* without one, all is dropped as FWD_DROP_PUNT_FULL */
	bool filled;   /* not published yet */
	struct fwd_rate rate, error_rate;
	uint64_t due_tsc[FWD_PORTS_MAX], error_due_tsc[FWD_PORTS_MAX];
};

/* fwd_rate_of - frames a second of one core; 0: no limit */
struct fwd_rate fwd_rate_of(uint64_t per_s, uint64_t tsc_hz);

/**
 * fwd_punt - copy a frame to Linux; the packet stays the caller's
 * @reason: below FWD_PUNT_CNT
 * Return: that reason, or why it was dropped.
 */
enum fwd_reason fwd_punt(struct fwd_punt *punt, struct bh_pkt *pkt, uint32_t port_idx, enum fwd_reason reason);

/* fwd_punt_publish - let the host half see what was copied. Once a turn. */
BH_INLINE void
fwd_punt_publish(struct fwd_punt *punt)
{
	if (BH_LIKELY(!punt->filled))
		return;
	fwd_ring_publish(&punt->ring);
	punt->filled = false;
}

#endif
