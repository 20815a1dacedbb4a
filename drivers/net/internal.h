/* SPDX-License-Identifier: Apache-2.0 */
/* What port.c, queue.c and keeper.c share; drivers include net.h only. */
#ifndef DRIVERS_NET_INTERNAL_H
#define DRIVERS_NET_INTERNAL_H

#include <bulkhead/cell.h>
#include <bulkhead/panic.h>

#include "drivers/net/net.h"

/* queue.c: the exchange of a queue between its core and the keeper; see net.h, "Resets". */

/* bh_queue_create - the structure of one queue, off, with its driver's rings. Owner core. */
BH_MUST_CHECK int bh_queue_create(struct bh_port *port, uint32_t queue_idx);
/* bh_queues_stop - from now on each running queue drains with its next burst; the device must be quiet. Owner core. */
void bh_queues_stop(struct bh_port *port);
/* bh_queues_stopped - whether all have; those of the calling core are drained here. Owner core. */
bool bh_queues_stopped(struct bh_port *port);
/* bh_queues_go - after start: each drained queue fills with its next burst. Owner core. */
void bh_queues_go(struct bh_port *port);
uint32_t bh_queue_state(const struct bh_port *port, uint32_t queue_idx);
uint32_t bh_port_state(const struct bh_port *port);

/* keeper.c */
void bh_port_keeper_main(void *arg);
/* bh_port_reset_run - quiesce, drain, start; gives the port up when it fails. Owner core's fibers, one at a time. */
BH_MUST_CHECK int bh_port_reset_run(struct bh_port *port);
/* bh_port_remove - give the port up for good. */
void bh_port_remove(struct bh_port *port);

#endif
