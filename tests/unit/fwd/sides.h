/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A router whose ports the test plays, in an ordinary process: frames are put into side[i].in, turned, and found in
 * side[i].out or in the ring to Linux.
 */
#ifndef TESTS_UNIT_FWD_SIDES_H
#define TESTS_UNIT_FWD_SIDES_H

#include "apps/fwd/cell/router.h"
#include "apps/fwd/host/fib.h"

#define SIDE_CNT         3u
#define SIDE_HELD_MAX    256u
#define SIDE_FRAME_BYTES 2048u
#define SIDE_SLOT_CNT    128u

struct frame {
	uint8_t data[SIDE_FRAME_BYTES];
	uint32_t bytes;
	uint16_t flags, vlan_tci, csum_start, csum_offset;
};

struct side {
	struct bh_port_queue queue;
	struct frame in[SIDE_HELD_MAX], out[SIDE_HELD_MAX];
	uint32_t in_cnt, given_cnt, out_cnt, room_cnt;
};

extern struct side side[SIDE_CNT];
extern struct fwd_router *side_router;
extern struct fwd_ring_end side_to_host; /* the host half's end */

/* sides_begin - a hosted core, a pool, a channel, a router without limits; asserts that all that works */
void sides_begin(const struct fwd_fib *fib);
void sides_end(void);
/* sides_forget - frames in and out; the counters stay */
void sides_forget(void);
/* sides_turn - until everything that was put in is gone */
void sides_turn(void);
/* sides_counter - of "fwd.NAME" */
uint64_t sides_counter(const char *name);
/* sides_port_counter - of "fwdPORT.NAME" */
uint64_t sides_port_counter(uint32_t port_idx, const char *name);
const char *sides_reason_name(enum fwd_reason reason);
/* sides_free_cnt, sides_pkt_cnt - of the pool: now, and when nothing is under way */
uint32_t sides_free_cnt(void);
uint32_t sides_pkt_cnt(void);

#endif
