/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A switch between queues that the test plays, under a clock that the test sets. One switch, or two cores of one that
 * share what cores share; the second core's queues are others of the same ports.
 */
#ifndef TESTS_UNIT_FWD_SWITCH_RIG_H
#define TESTS_UNIT_FWD_SWITCH_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <bulkhead/metrics.h>

#include "apps/fwd/cell/switch.h"
#include "tests/hosted/include/bulkhead/hosted.h"

#define RIG_PORTS     4u
#define RIG_CORES     2u
#define RIG_HELD      512u
#define RIG_FRAME     2048u
#define RIG_PKTS      1024u
#define RIG_BUF_BYTES 2048u

struct rig_frame {
	uint8_t data[RIG_FRAME];
	uint32_t bytes;
	uint16_t flags, vlan_tci, csum_start, seg_cnt;
};

/* A queue of a port: what comes in, what went out. */
struct rig_side {
	struct bh_port_queue queue;
	struct rig_frame in[RIG_HELD], out[RIG_HELD];
	uint32_t in_cnt, given_cnt, out_cnt, room_cnt;
};

struct rig {
	struct rig_side side[RIG_CORES][RIG_PORTS];
	struct fwd_switch *sw[RIG_CORES];
	struct fwd_switch_shared *shared;
	struct fwd_switch_settings block, wanted;
	struct bh_pkt_pool *pool;
	struct bh_port_link link[RIG_PORTS];
	uint32_t split_bytes; /* frames longer than this come as chains of pieces this long */
};

extern struct rig rig;

/* Around each test: the rig with default settings, one core. */
int rig_start(void **state);
int rig_stop(void **state);

/* rig_open - make the switch anew, with so many cores and rig.wanted as its settings; `macs` is the table's size */
void rig_open(uint32_t core_cnt, uint32_t mac_cnt);
/* rig_publish - rig.wanted into the block. rig_clock_advance - seconds go by. */
void rig_publish(void);
void rig_clock_advance_ms(uint64_t ms);

/* rig_mac - station n. rig_frame - an untagged frame of 60 bytes that comes in on core 0. */
void rig_mac(uint8_t mac[6], uint32_t station);
struct rig_frame *rig_give(uint32_t core, uint32_t port);
struct rig_frame *rig_give_mac(uint32_t core, uint32_t port, const uint8_t dst[6], const uint8_t src[6]);
struct rig_frame *rig_give_station(uint32_t port, uint32_t dst, uint32_t src);
/* rig_tag - put an 802.1Q tag into the data */
void rig_tag(struct rig_frame *frame, uint16_t tci);

/* rig_turn - until nothing comes in any more; then everything must add up. */
void rig_turn(void);
/* rig_hear - port `port` says something to nobody's address, so that `station` is learned there; then all is cleared */
void rig_hear(uint32_t port, uint32_t station);
/* rig_clear - forget what came in and went out. rig_assert_adds_up - as switch_settings.h says; no packet is kept. */
void rig_clear(void);
void rig_assert_adds_up(void);

uint32_t rig_out_cnt(uint32_t port);
/* rig_assert_out - so many frames went out of ports 0, 1, 2, 3 */
void rig_assert_out(uint32_t p0, uint32_t p1, uint32_t p2, uint32_t p3);
uint64_t rig_counter(const char *name);
uint64_t rig_drop(uint32_t port, enum fwd_switch_reason reason);

#endif
