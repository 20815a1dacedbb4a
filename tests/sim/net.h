/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Runs of ports: two software network cards, a wire, their driver (virtio, ixgbe) and the keeper, on one to three cores.
 *
 *	device_net.c  the cards and the wire as the cell's devices, and the trouble with them
 *	card_*.c      a card as the simulator sees it: virtio's, the 82599
 *	net.c         a run: open, rounds, close
 *	net_check.c   what has to hold at the end
 *	net_core.c    a core: what it sends, receives, keeps, gives away
 *	net_frame.c   each frame, what it must look like when it arrives, and how often it may
 */
#ifndef TESTS_SIM_NET_H
#define TESTS_SIM_NET_H

#include <bulkhead/port.h>

#include "tests/sim/sim.h"

#define NET_CHAIN_MAX   6u
#define NET_HOLD_MAX    64u
#define NET_BURST_MAX   64u
#define NET_FRAMES_MAX  (1u << 20)
#define NET_FRAME_BYTES (BH_PORT_MTU_MAX + 32u)

struct sim_card_stats {
	uint64_t tx_pkts, rx_pkts;
	uint64_t rx_missed_cnt; /* no buffers: dropped by the card, which says so to the driver */
	uint64_t tx_bad_cnt;
	uint64_t failed_cnt; /* rings that broke the rules, beside those that the script let fail */
	uint64_t dma_refused_cnt, fault_cnt;
	uint64_t fault_kind_cnt[SIM_CARD_FAULTS_MAX];
};

/* device_net.c */
void sim_net_stats(struct sim_card_stats out[2]);
void sim_net_wire_stats(struct vnet_wire_stats *out);
/* sim_net_calm - while it is on, links are up and nothing freezes or goes away: for the last look */
void sim_net_calm(bool calm);
bool sim_net_gone(void);
/* sim_net_unseen_cnt - lies that may make a wrong frame which no driver can tell: a missing end, a long frame cut short */
uint64_t sim_net_unseen_cnt(void);

/* plan_net.c: what the plan lets happen to a frame */
bool sim_net_is_tame(const struct sim_plan *plan); /* nothing goes wrong and nobody resets: no frame is lost */
/* sim_net_fault_name - of a lie of this kind of card */
const char *sim_net_fault_name(enum sim_kind kind, unsigned fault);
bool sim_net_may_garble(const struct sim_plan *plan);  /* a lie about sent frames that no driver can see */
bool sim_net_may_reorder(const struct sim_plan *plan); /* frames of a queue may arrive in another order */
bool sim_net_may_give_up(const struct sim_plan *plan); /* a port may be removed for good */

/* net_frame.c: frames by number. It knows nothing of driver or model. */
void net_frames_init(const struct sim_plan *plan);
/* net_frame_make - draw a frame of at most bytes_max and write it into pkt (and its chain). Return: its number. */
uint32_t net_frame_make(struct bh_pkt *pkt, unsigned port_idx, unsigned queue_idx, bool plain);
/* net_frame_taken - the port took it: from now on it may arrive. Not called for frames that must be refused. */
void net_frame_taken(uint32_t number);
/* net_frame_check - a frame arrived. Return: its number; UINT32_MAX: damaged, which the plan must explain. */
uint32_t net_frame_check(struct bh_pkt *pkt, unsigned port_idx, unsigned queue_idx);
/* net_frame_recheck - a frame that was kept is still what it was */
void net_frame_recheck(const struct bh_pkt *pkt, uint32_t number);
/* net_frames_missing - frames that were taken and have not arrived; net_frames_seen - arrivals so far */
uint32_t net_frames_missing(void);
uint64_t net_frames_seen(void);
uint64_t net_frames_damaged(void);
/* net_frames_forget - of frames that have not arrived none is expected any more (a round is over), but may come */
void net_frames_forget(void);

/* net_frames_end - no frame has arrived that its port did not take */
void net_frames_end(void);

struct net_core {
	unsigned idx;
	struct bh_pkt_pool *pool;
	struct bh_port_queue *queue[2]; /* NULL: the port has fewer queues */
	uint32_t left[2];               /* frames to send in this round */
	uint64_t taken_cnt[2], received_cnt[2], odd_cnt[2];
	uint32_t hold_cnt;
	struct {
		struct bh_pkt *pkt;
		uint32_t number;
	} hold[NET_HOLD_MAX];
	uint32_t abroad_cnt; /* frames that other cores gave us to free */
	struct bh_pkt *abroad[NET_BURST_MAX];
};

struct net {
	const struct sim_plan *all;
	const struct sim_net_plan *plan;
	struct bh_port *port[2];
	bool tame;
	bool sending, polling, controlling;
	bool over; /* no further round: one answer for all cores */
	uint32_t round;
	uint64_t reset_cnt;
	struct net_core core[SIM_CORES_MAX];
};

extern struct net net;

/* net_draw, net_chance - from the workload's stream. */
uint64_t net_draw(uint64_t limit);
bool net_chance(uint64_t one_in);
/* net_mutate - whether the plan's mistake is due now, once in a run */
bool net_mutate(enum sim_mutation mutation);

/* net_core.c */
void net_core_turn(struct net_core *core);
/* net_core_send_one - a plain frame out of a port. Return: whether it was taken. */
bool net_core_send_one(struct net_core *core, unsigned port_idx);
void net_core_receive(struct net_core *core);
/* net_core_release - everything that it keeps, back to the pools */
void net_core_release(struct net_core *core);
bool net_core_is_done(const struct net_core *core);

#endif
