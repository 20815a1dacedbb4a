/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of the switch: switch.c (life, settings, turns), switch_frame.c (one burst), switch_flood.c. */
#ifndef APPS_FWD_SWITCH_PRIVATE_H
#define APPS_FWD_SWITCH_PRIVATE_H

#include <bulkhead/metrics.h>

#include "apps/fwd/cell/punt.h"
#include "apps/fwd/cell/switch.h"

#define FWD_SWITCH_OUT_MAX BH_PKT_BURST_MAX

struct fwd_switch_due {
	uint64_t tsc[FWD_STORM_CNT]; /* when the next frame is due */
} BH_ALIGNED(64);

struct fwd_switch_shared {
	struct fwd_mac_table macs;
	struct fwd_switch_due due[FWD_PORTS_MAX]; /* all cores, of flooded frames only */
	uint64_t tsc_hz;
};

enum fwd_switch_tag {
	FWD_UNTAGGED = 0,
	FWD_TAGGED = 1,
	FWD_PRIORITY_TAGGED = 2, /* a tag with VLAN 0: only the priority counts */
};

struct fwd_switch_lane {
	struct bh_port_queue *queue;
	uint16_t native_vlan;
	uint32_t mac_max;
	uint32_t out_cnt;
	bool link_up;
	struct fwd_rate rate[FWD_STORM_CNT];
	uint64_t *drop[FWD_SWITCH_REASON_CNT];
	uint64_t *tx_full;
	struct bh_pkt *out[FWD_SWITCH_OUT_MAX];
};

/* What is known of a received frame between the passes over its burst. */
struct fwd_switch_frame {
	uint64_t src_key, src_hash;
	uint64_t dst_key, dst_hash;
	uint32_t vlan;
	uint32_t tag; /* enum fwd_switch_tag */
};

struct fwd_switch {
	struct fwd_mac_table *macs;
	uint64_t now_tsc;
	uint32_t port_cnt, burst_cnt;
	bool vlan_aware, sweeps;
	uint8_t idle_cnt;
	uint32_t turn_cnt;
	uint32_t port_mask;
	const uint8_t *member; /* of a VLAN, a bit each */
	struct fwd_mac_counters mac_counters;
	uint64_t *forward, *flood, *copy, *no_buffer, *taken, *refused, *mac_gauge;
	const struct fwd_switch_settings *block;
	struct fwd_switch_shared *shared;
	uint64_t generation; /* of the block when it was last looked at */
	struct fwd_switch_settings settings;
	struct fwd_switch_settings next; /* room to read new ones into */
	struct fwd_switch_lane lane[FWD_PORTS_MAX];
};

/* fwd_switch_lane_flush - send what has gathered for a port. */
void fwd_switch_lane_flush(struct fwd_switch_lane *lane);

/* fwd_switch_tag_fix - the frame's tag as it leaves: with one of this VLAN, or without */
void fwd_switch_tag_fix(struct bh_pkt *pkt, const struct fwd_switch_frame *frame, bool tagged);

/* fwd_switch_flood - a frame that is for more than one port, or for one that is not known. Takes it. */
void fwd_switch_flood(struct fwd_switch *sw, uint32_t port_idx, struct bh_pkt *pkt,
                      const struct fwd_switch_frame *frame);

BH_INLINE void
fwd_switch_drop(struct fwd_switch *sw, uint32_t port_idx, struct bh_pkt *pkt, enum fwd_switch_reason reason)
{
	bh_counter_add(sw->lane[port_idx].drop[reason], 1);
	bh_pkt_free(pkt);
}

/* fwd_switch_send - one frame out of one port, tagged or not as its VLAN is there. Takes it. */
BH_INLINE void
fwd_switch_send(struct fwd_switch *sw, uint32_t port_idx, struct bh_pkt *pkt, const struct fwd_switch_frame *frame)
{
	struct fwd_switch_lane *lane = &sw->lane[port_idx];
	uint32_t tagged = lane->native_vlan != frame->vlan;
	if (BH_UNLIKELY(frame->tag != tagged))
		fwd_switch_tag_fix(pkt, frame, tagged != 0);
	if (BH_UNLIKELY(lane->out_cnt == FWD_SWITCH_OUT_MAX))
		fwd_switch_lane_flush(lane);
	lane->out[lane->out_cnt++] = pkt;
}

#endif
