/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The switch's work on one core: a burst from each port's queue is learned from, looked up and sent. A library over
 * bh_port_queue, so that tests and benchmarks run it without a cell.
 *
 *	core 0:     fwd_switch_shared_create(FWD_MAC_CNT_DEFAULT, tsc_hz, seed, &shared);
 *	each core:  fwd_switch_create(&options, &sw);
 *	            while (!bh_stop_requested())
 *	                    fwd_switch_turn(sw);
 *
 * Each core forwards what its queues receive and shares with the others the table of addresses (mac_table.h) and the
 * storm limits, which hold for a port as a whole. Core 0 ages the table.
 *
 * A frame for one port is handed on as it is. A frame for several goes to the last of them as it is, and to the others
 * as copies from the pool of the queue that received it; when the pool is empty that copy is not made and counted, and
 * nothing else waits for it.
 */
#ifndef APPS_FWD_SWITCH_H
#define APPS_FWD_SWITCH_H

#include <bulkhead/port.h>

#include "apps/fwd/cell/mac_table.h"
#include "apps/fwd/switch_settings.h"

#define FWD_SWITCH_BURST_MAX 64u

struct fwd_switch;
struct fwd_switch_shared;

/* One core's. Zero in a field means its default. */
struct fwd_switch_options {
	struct fwd_switch_shared *shared;
	const struct fwd_switch_settings *settings; /* looked at in every turn; must be legal at create */
	struct bh_port_queue *queue[FWD_PORTS_MAX]; /* this core's, started */
	const char *name[FWD_PORTS_MAX];            /* of the ports, for their counters */
	uint32_t port_cnt;                          /* 1 .. FWD_PORTS_MAX */
	uint32_t burst_cnt;                         /* most frames at a time of a port; default 32 */
	bool sweeps;                                /* true for one core: it ages the table and watches the links */
};

/**
 * fwd_switch_shared_create - what the cores share; from the heap. Start-up.
 * @mac_cnt: addresses to have room for, at most FWD_MAC_CNT_MAX; @seed: anything hard to guess, such as a time
 * Return: 0; -BH_EINVAL; -BH_ENOMEM.
 */
BH_MUST_CHECK int fwd_switch_shared_create(uint32_t mac_cnt, uint64_t tsc_hz, uint64_t seed,
                                           struct fwd_switch_shared **out);

/**
 * fwd_switch_create - from the heap. Start-up; the core that will use it.
 * Return: 0; -BH_EINVAL an option out of its range, or settings that fwd_switch_settings_check refuses; -BH_EAGAIN the
 * settings are being written; -BH_ENOMEM.
 */
BH_MUST_CHECK int fwd_switch_create(const struct fwd_switch_options *options, struct fwd_switch **out);

/* fwd_switch_turn - one burst of each port, and what else is due. Return: how many frames were received. */
uint32_t fwd_switch_turn(struct fwd_switch *sw);

/**
 * fwd_switch_input - frames as if the port had received them; they are sent by the next fwd_switch_turn or
 * fwd_switch_flush, or when many have gathered
 * @cnt: at most FWD_SWITCH_BURST_MAX
 */
void fwd_switch_input(struct fwd_switch *sw, uint32_t port_idx, struct bh_pkt **pkts, uint32_t cnt);
void fwd_switch_flush(struct fwd_switch *sw);

/* fwd_switch_free - both; no core uses them any more. */
void fwd_switch_free(struct fwd_switch *sw);
void fwd_switch_shared_free(struct fwd_switch_shared *shared);

/* fwd_switch_macs - the shared table, for tests. */
struct fwd_mac_table *fwd_switch_macs(struct fwd_switch_shared *shared);

#endif
