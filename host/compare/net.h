/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Linux's ways of forwarding against a cell, on the same two ports, in turn: A B A B.
 *
 *   pktgen cell, port fa  ==wire==  ra [ A: Linux, tuned | B: the cell ] rb  ==wire==  fb, pktgen cell
 *
 * The wires are veth pairs that this makes and takes away, or those of four cards (net_cards.h). Linux's interfaces are
 * in network namespaces of this; nothing else of the machine changes. Two kinds of case: "connect" (what one port
 * receives the other sends: XDP, AF_XDP; the cell: xconnect) and "route" (IPv4: the kernel's forwarding; the cell: fwd).
 */
#ifndef HOST_COMPARE_NET_H
#define HOST_COMPARE_NET_H

#include "host/compare/session.h"

extern const struct bh_subject bh_subject_net;

#define BH_NET_GENERATOR "bh-cmp-g"
#define BH_NET_DUT       "bh-cmp-r"

/* What of Linux forwards. In the order of net_words.c's names. */
enum bh_net_way {
	BH_NET_FORWARD = 0,      /* ip_forward, where the frame comes in */
	BH_NET_FORWARD_RPS,      /* the same on the CPU that the cell gets */
	BH_NET_FORWARD_THREADED, /* by threads of NAPI on that CPU */
	BH_NET_XDP,              /* bpf_redirect in the driver */
	BH_NET_XDP_THREADED,
	BH_NET_AF_XDP,      /* a program of user space on that CPU, as xdpsock's l2fwd */
	BH_NET_XDP_GENERIC, /* the last three in the network stack, for drivers that have no XDP */
	BH_NET_XDP_GENERIC_THREADED,
	BH_NET_AF_XDP_GENERIC,
	BH_NET_WAY_CNT,
};

/* Rate of the frames while latency is measured: one that both sides can do. */
#define BH_NET_LATENCY_PPS          50000u
#define BH_NET_LATENCY_EMULATED_PPS 1000u /* cards that an emulator plays */

/* The same for both sides; CPUs beyond the generator's and the cell's make calls and take interrupts. */
#define BH_NET_CPUS_VETH  4u
#define BH_NET_CPUS_CARDS 3u

/* A process that runs beside a measurement. */
struct bh_net_process {
	int pid; /* 0: none */
	char out_path[400], err_path[400];
};

/* net_lane.c. Return of each: 0; a negative errno with `why` filled. */
struct bh_why {
	char text[256];
};

/* The device under test, in its namespace, and what is behind it. */
struct bh_net_lane {
	bool cards;            /* ra and rb are cards, which come and go; else ends of veth pairs */
	unsigned cpu;          /* of both sides */
	unsigned other_cpu;    /* takes the cards' interrupts where forwarding is not done in them */
	char address[2][16];   /* of the cards: PCI */
	char near_mac[18];     /* of ra: what the generator sends to */
	char far_mac[18];      /* of the port behind rb */
	char interface[2][32]; /* what Linux calls the cards elsewhere */
	bool inside[2];        /* the card is in the namespace, as ra or rb */
	json_t *tuned;         /* object: what was set on the cards, and "yes" or why not; may be NULL */
};

/* bh_net_lane_make - the namespaces; without cards also veth pairs. What an ended comparison left is taken away first. */
BH_MUST_CHECK int bh_net_lane_make(struct bh_net_lane *lane, struct bh_why *why);
void bh_net_lane_end(void);
/* bh_net_lane_enter - a card of Linux's becomes ra or rb: one queue, long rings, no moderation, up */
BH_MUST_CHECK int bh_net_lane_enter(struct bh_net_lane *lane, uint32_t idx, struct bh_why *why);
/* bh_net_lane_leave - back to our namespace, down, for its driver to let go; nothing if it is not there */
BH_MUST_CHECK int bh_net_lane_leave(struct bh_net_lane *lane, uint32_t idx, struct bh_why *why);
/* bh_net_lane_carrier - wait for both links, at most three seconds: with a generator that is not there yet none may come */
BH_MUST_CHECK int bh_net_lane_carrier(struct bh_why *why);
/* bh_net_lane_way - the device under test as this way wants it; `way` BH_NET_WAY_CNT: as a cell wants it */
BH_MUST_CHECK int bh_net_lane_way(const struct bh_net_lane *lane, enum bh_net_way way, bool routes, struct bh_why *why);
/* bh_net_lane_pin - NAPI's threads of both ports to a CPU */
BH_MUST_CHECK int bh_net_lane_pin(unsigned cpu, struct bh_why *why);
/* bh_net_lane_taps - addresses of the router cell's TAPs */
BH_MUST_CHECK int bh_net_lane_taps(const struct bh_net_lane *lane, const char *a, const char *b, struct bh_why *why);

/* net_process.c. bh_net_sh - one line of a shell, to its end: also when a signal asked us to stop */
BH_MUST_CHECK int bh_net_sh(struct bh_why *why, const char *format, ...) BH_PRINTF(2, 3);
/* bh_net_sh_line - the same; the first line of its output in `out` */
BH_MUST_CHECK int bh_net_sh_line(struct bh_why *why, char *out, size_t out_bytes, const char *format, ...)
        BH_PRINTF(4, 5);
/* bh_net_spawn - start it and wait until its output has `ready` */
BH_MUST_CHECK int bh_net_spawn(const char *const *argv, const char *ready, struct bh_net_process *process,
                               struct bh_why *why);
/* bh_net_links - wait until a cell that was started with --verbose has both links, at most three seconds */
void bh_net_links(const struct bh_net_process *process);
/* bh_net_stop - ask it to end, and wait; `why` when it had failed */
BH_MUST_CHECK int bh_net_stop(struct bh_net_process *process, struct bh_why *why);
/* bh_net_said - fill `why`. Return: err. */
int bh_net_said(struct bh_why *why, int err, const char *what, const char *reason);

/* net_run.c: one run of the subject (session.h); whether a case is about routes */
BH_MUST_CHECK int bh_net_run(struct bh_session *session, struct bh_run *run, uint64_t duration_ns);
bool bh_net_routes(const struct bh_case *which);
/* bh_net_probe - whether the driver of both ports has XDP: net->native, else net->native_why. Return: 0; -ENOMEM. */
BH_MUST_CHECK int bh_net_probe(struct bh_session *session);
/* net_words.c: whether a way redirects in the stack for want of a driver that does; whether threads of NAPI do it */
bool bh_net_way_generic(uint32_t way);
bool bh_net_way_threaded(uint32_t way);
bool bh_net_way_af_xdp(uint32_t way);

/**
 * bh_net_peer - `bulkhead compare net-peer xdp|af_xdp|xdp-generic|af_xdp-generic A B CPU`: forwards between two
 * interfaces of its namespace until a signal; a part of side A. Prints "ready". Return: an exit code.
 */
int bh_net_peer(int argc, char **argv);
/* net_peer_xsk.c */
int bh_net_peer_af_xdp(const char *a, const char *b, bool native);

#endif
