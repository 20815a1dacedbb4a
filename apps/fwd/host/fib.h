/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The writer of the router's tables (apps/fwd/table.h): routes, neighbours, interfaces.
 *
 *	struct fwd_fib *fib;
 *	const struct fwd_hop hop = {.interface = 1, .gateway = {...}, .weight = 1};
 *	if (fwd_fib_create(&options, &fib, &error) == 0 && fwd_fib_interface_set(fib, 1, &interface) == 0) {
 *		fwd_fib_route_set(fib, &prefix, FWD_FORWARD, &hop, 1);     glean, until the neighbour is known
 *		fwd_fib_neighbour_set(fib, 1, &gateway, mac);               from now on forwarded
 *		fwd_fib_commit(fib);
 *	}
 *
 * Every call takes effect at once, destination by destination: readers see the old way or the new one. An interface
 * number is the caller's (1 .. FWD_INTERFACE_CNT - 1); a route's hop names it, and a gateway or none (a network of ours:
 * the neighbour is the destination itself). Neighbours may come before or after the routes that need them, and may go.
 *
 * One thread, but for the counters of fwd_fib_stats. Return of each: 0 or a negative errno; -ENOMEM also means the heap.
 */
#ifndef APPS_FWD_HOST_FIB_H
#define APPS_FWD_HOST_FIB_H

#include "apps/fwd/table.h"
#include "host/device/device.h"

#define FWD_HOPS_MAX 32u

struct fwd_fib;

struct fwd_addr {
	uint8_t family;    /* 4 or 6; 0: none */
	uint8_t bytes[16]; /* network order; of IPv4 the first four */
};

struct fwd_prefix {
	struct fwd_addr addr; /* bits behind len are 0 */
	uint8_t len;          /* 0 .. 32 or 128 */
};

struct fwd_hop {
	uint8_t interface;
	uint8_t weight;          /* 1 .. 255 */
	struct fwd_addr gateway; /* family 0: none. An IPv4 route may have an IPv6 gateway (RFC 8950) */
};

struct fwd_fib_options {
	uint64_t size_bytes;              /* of the tables; at least FWD_TABLE_BYTES_MIN; a multiple of 2 MiB */
	bool huge;                        /* hugepages, or -ENOMEM */
	const struct fwd_core_line *core; /* where the readers say which epoch they passed; NULL: none read */
	uint32_t core_cnt;
};

struct fwd_fib_stats {
	uint64_t route_cnt[2]; /* IPv4, IPv6 */
	uint64_t neighbour_cnt;
	uint64_t adjacency_cnt, group_cnt, node_cnt, node_cnt_max;
	uint64_t node_waiting_cnt; /* out of use, not passed by every core yet */
	uint64_t full_cnt;         /* calls that failed since tables were full */
	uint64_t used_bytes;       /* of the tables: all but unused nodes, groups and adjacencies */
};

/**
 * fwd_fib_create - tables without a route, in a memfd of their own
 * Return: 0; -EINVAL size; -ENOMEM.
 */
BH_MUST_CHECK int fwd_fib_create(const struct fwd_fib_options *options, struct fwd_fib **out, struct bh_error *error);
void fwd_fib_free(struct fwd_fib *fib);

int fwd_fib_fd(const struct fwd_fib *fib); /* the memfd: for a window; the fib's own */
const struct fwd_tables *fwd_fib_tables(const struct fwd_fib *fib);
uint64_t fwd_fib_bytes(const struct fwd_fib *fib);

/**
 * fwd_fib_interface_set - what interface number idx is, now. Hops and neighbours that name it follow.
 * fwd_fib_interface_del - it is gone, with its neighbours; routes over it become FWD_NO_ROUTE
 * Return: 0; -EINVAL idx, port or vlan; -EEXIST another interface has that port and VLAN.
 */
BH_MUST_CHECK int fwd_fib_interface_set(struct fwd_fib *fib, uint8_t idx, const struct fwd_interface *interface);
void fwd_fib_interface_del(struct fwd_fib *fib, uint8_t idx);

/**
 * fwd_fib_route_set - add a route, or replace the one of that prefix
 * @kind: FWD_FORWARD: by hops; otherwise hop_cnt is 0
 *
 * Return: 0; -EINVAL (bits behind len, a hop without an interface, more than FWD_HOPS_MAX); -ENOSPC no node, group or
 * adjacency is free: the route is not there, what it replaces is gone, too.
 */
BH_MUST_CHECK int fwd_fib_route_set(struct fwd_fib *fib, const struct fwd_prefix *prefix, enum fwd_kind kind,
                                    const struct fwd_hop *hop, uint32_t hop_cnt);
/* fwd_fib_route_del - Return: 0; -ENOENT. */
BH_MUST_CHECK int fwd_fib_route_del(struct fwd_fib *fib, const struct fwd_prefix *prefix);

/* One route as it was set. */
struct fwd_route {
	struct fwd_prefix prefix;
	enum fwd_kind kind;
	uint32_t hop_cnt;
	struct fwd_hop hop[FWD_HOPS_MAX];
};
/* fwd_fib_route_get - of exactly that prefix. Return: 0; -ENOENT. */
BH_MUST_CHECK int fwd_fib_route_get(const struct fwd_fib *fib, const struct fwd_prefix *prefix, struct fwd_route *out);
/* fwd_fib_route_each - every route, in no order; the function must not change the fib. A negative return ends it. */
int fwd_fib_route_each(const struct fwd_fib *fib, int (*each)(void *context, const struct fwd_route *route),
                       void *context);

/**
 * Marks, for a full comparison with another list: fwd_fib_mark forgets all marks, fwd_fib_route_set marks, and
 * fwd_fib_sweep deletes what is not marked.
 * Return of fwd_fib_sweep: how many routes it deleted.
 */
void fwd_fib_mark(struct fwd_fib *fib);
uint64_t fwd_fib_sweep(struct fwd_fib *fib);

/**
 * fwd_fib_neighbour_set, fwd_fib_neighbour_del - the MAC address of a neighbour, by interface and IP address
 *
 * Packets to the neighbour itself are forwarded as well, as long as the route to it is one without a gateway over that
 * interface, as in Linux.
 * Return: 0; -EINVAL; -ENOSPC (see route_set: the neighbour is gleaned); del: -ENOENT.
 */
BH_MUST_CHECK int fwd_fib_neighbour_set(struct fwd_fib *fib, uint8_t interface, const struct fwd_addr *addr,
                                        const uint8_t mac[6]);
BH_MUST_CHECK int fwd_fib_neighbour_del(struct fwd_fib *fib, uint8_t interface, const struct fwd_addr *addr);
/* fwd_fib_neighbour_mark, _sweep - as for routes. */
void fwd_fib_neighbour_mark(struct fwd_fib *fib);
uint64_t fwd_fib_neighbour_sweep(struct fwd_fib *fib);

/* fwd_fib_commit - after a batch: begin a new epoch if something was taken out of use, and take back what all passed. */
void fwd_fib_commit(struct fwd_fib *fib);

void fwd_fib_stats(const struct fwd_fib *fib, struct fwd_fib_stats *out);

/* fwd_fib_lookup - what a reader would find; for tests and `show`. */
uint64_t fwd_fib_lookup(const struct fwd_fib *fib, const struct fwd_addr *addr, uint32_t flow_hash);

#endif
