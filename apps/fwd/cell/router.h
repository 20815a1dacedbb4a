/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The router's work on one core: a burst from each port's queue is checked, looked up and sent, or given to Linux.
 * A library over bh_port_queue, so that tests and benchmarks run it without a cell.
 *
 *	struct fwd_router *router;
 *	if (fwd_router_create(&options, &router) == 0)
 *		while (!bh_stop_requested())
 *			fwd_router_turn(router);
 *	fwd_router_end(router);
 *
 * One core each; nothing is shared but the tables, which it only reads.
 */
#ifndef APPS_FWD_ROUTER_H
#define APPS_FWD_ROUTER_H

#include <bulkhead/port.h>

#include "apps/fwd/cell/punt.h"
#include "apps/fwd/reason.h"
#include "apps/fwd/table.h"

#define FWD_BURST_MAX 64u

struct fwd_router;

struct fwd_router_options {
	struct fwd_tables tables;   /* fwd_tables_open */
	struct fwd_core_line *line; /* where this core says which epoch it passed */
	struct bh_port_queue *queue[FWD_PORTS_MAX];
	uint32_t port_cnt;
	uint32_t burst_cnt;             /* 1 .. FWD_BURST_MAX */
	struct fwd_ring_end *to_linux;  /* NULL: what is for Linux is dropped */
	uint32_t punt_rate, error_rate; /* frames a second, of each port, of this core; 0: no limit */
	uint64_t tsc_hz;
};

/* fwd_router_create - from the core's heap. Start-up. Return: 0; -BH_EINVAL; -BH_ENOMEM. */
BH_MUST_CHECK int fwd_router_create(const struct fwd_router_options *options, struct fwd_router **out);

/* fwd_router_turn - one burst of each port. Return: how many frames were received. */
uint32_t fwd_router_turn(struct fwd_router *router);

/* fwd_router_end - the tables are not read any more. */
void fwd_router_end(struct fwd_router *router);

/* fwd_router_rates - other limits from now on. */
void fwd_router_rates(struct fwd_router *router, uint32_t punt_rate, uint32_t error_rate);

#endif
