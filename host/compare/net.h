/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Linux's ways of forwarding against a cell, on the same two ports, in turn: A B A B.
 *
 *   pktgen cell, port fa  ==veth==  ra [ A: Linux, tuned | B: the cell ] rb  ==veth==  fb, pktgen cell
 *
 * Everything is in two network namespaces that this makes and takes away; nothing else of the machine changes. Two
 * kinds of case: "connect" (what one port receives the other sends: XDP, AF_XDP; the cell: xconnect) and "route" (IPv4:
 * the kernel's forwarding; the cell: fwd).
 */
#ifndef HOST_COMPARE_NET_H
#define HOST_COMPARE_NET_H

#include "host/compare/session.h"

extern const struct bh_subject bh_subject_net;

#define BH_NET_GENERATOR "bh-cmp-g"
#define BH_NET_DUT       "bh-cmp-r"

/* What of Linux forwards. In the order of bh_net_ways. */
enum bh_net_way {
	BH_NET_FORWARD = 0,      /* ip_forward, where the frame comes in */
	BH_NET_FORWARD_RPS,      /* the same on the CPU that the cell gets */
	BH_NET_FORWARD_THREADED, /* by threads of NAPI on that CPU */
	BH_NET_XDP,              /* bpf_redirect in the driver */
	BH_NET_XDP_THREADED,
	BH_NET_AF_XDP, /* a program of user space on that CPU, as xdpsock's l2fwd */
	BH_NET_WAY_CNT,
};

/* A process that runs beside a measurement. */
struct bh_net_process {
	int pid; /* 0: none */
	char out_path[400], err_path[400];
};

/* net_lane.c. Return of each: 0; a negative errno with `why` filled. */
struct bh_why {
	char text[256];
};
/* bh_net_lane_make - both namespaces, the veth pairs, addresses; what an ended comparison left is taken away first */
BH_MUST_CHECK int bh_net_lane_make(struct bh_why *why);
void bh_net_lane_end(void);
/* bh_net_lane_way - the device under test as this way wants it; `way` BH_NET_WAY_CNT: as a cell wants it */
BH_MUST_CHECK int bh_net_lane_way(enum bh_net_way way, bool routes, unsigned cpu, struct bh_why *why);
/* bh_net_lane_pin - NAPI's threads of both ports to a CPU */
BH_MUST_CHECK int bh_net_lane_pin(unsigned cpu, struct bh_why *why);
/* bh_net_lane_taps - addresses of the router cell's TAPs */
BH_MUST_CHECK int bh_net_lane_taps(struct bh_why *why);
/* bh_net_sh - one line of a shell */
BH_MUST_CHECK int bh_net_sh(struct bh_why *why, const char *format, ...) BH_PRINTF(2, 3);
/* bh_net_mac - of an interface in the device's namespace: "02:..." */
BH_MUST_CHECK int bh_net_mac(const char *interface, char out[18], struct bh_why *why);
/* bh_net_spawn - start it and wait until its output has `ready` */
BH_MUST_CHECK int bh_net_spawn(const char *const *argv, const char *ready, struct bh_net_process *process,
                               struct bh_why *why);
/* bh_net_stop - ask it to end, and wait; `why` when it had failed */
BH_MUST_CHECK int bh_net_stop(struct bh_net_process *process, struct bh_why *why);

/**
 * bh_net_peer - `bulkhead compare net-peer xdp|af_xdp A B CPU`: forwards between two interfaces of its namespace until a
 * signal; a part of side A. Prints "ready". Return: an exit code.
 */
int bh_net_peer(int argc, char **argv);
/* net_peer_xsk.c */
int bh_net_peer_af_xdp(const char *a, const char *b);

#endif
