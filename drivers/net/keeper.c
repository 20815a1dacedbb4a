/* SPDX-License-Identifier: Apache-2.0 */
/* The keeper: a fiber of the owner core that watches a port's link and health, and resets it. */
#include <bulkhead/arch.h>

#include "drivers/net/internal.h"

#define DRAIN_TIMEOUT_NS UINT64_C(2000000000)
#define TRIES_MAX        3u
#define RETRY_NS         UINT64_C(100000000) /* a function that somebody else resets may take so long (PCIe 6.6.2) */

void
bh_port_fail(struct bh_port_queue *queue)
{
	__atomic_store_n(&queue->port->reset_requested, true, __ATOMIC_RELEASE);
}

void
bh_port_link_set(struct bh_port *port, bool up, uint32_t speed_mbps, bool full_duplex)
{
	bool changed = port->link.up != up;
	port->link.up = up;
	port->link.speed_mbps = up ? speed_mbps : 0;
	port->link.full_duplex = up && full_duplex;
	if (!changed)
		return;
	port->link.change_cnt++;
	if (port->link_changes == NULL)
		return; /* while it is being opened */
	bh_counter_add(port->link_changes, 1);
	*port->link_up = up;
	if (up)
		bh_log_info("port %u: link up, %u Mb/s", port->port_idx, speed_mbps);
	else
		bh_log_warn("port %u: link down", port->port_idx);
}

void
bh_port_remove(struct bh_port *port)
{
	bh_log_error("port %u: given up", port->port_idx);
	__atomic_store_n(&port->state, BH_PORT_REMOVED, __ATOMIC_SEQ_CST);
	bh_port_link_set(port, false, 0, false);
	bh_queues_stop(port);
	(void)bh_queues_stopped(port);
}

/* Every core answers with its next burst; one that makes none keeps the port down, and is told about. */
static int
queues_wait(struct bh_port *port)
{
	uint64_t deadline_tsc = bh_clock_now_tsc() + bh_ns_to_tsc(DRAIN_TIMEOUT_NS);
	bh_queues_stop(port);
	while (!bh_queues_stopped(port)) {
		if (bh_clock_now_tsc() > deadline_tsc) {
			bh_log_error("port %u: a core does not poll its queue: the port stays down", port->port_idx);
			return -BH_ETIMEDOUT;
		}
		bh_yield();
	}
	return 0;
}

static int
reset_once(struct bh_port *port)
{
	int err = port->driver->quiesce(port);
	if (err == 0)
		err = queues_wait(port);
	if (err == 0)
		err = port->driver->start(port);
	if (err == 0 && port->driver->filter_set != NULL)
		err = port->driver->filter_set(port);
	return err;
}

int
bh_port_reset_run(struct bh_port *port)
{
	int err = -BH_EIO;
	if (bh_port_state(port) != BH_PORT_LIVE)
		return -BH_ENODEV;
	__atomic_store_n(&port->state, BH_PORT_RESETTING, __ATOMIC_SEQ_CST);
	bh_counter_add(port->resets, 1);
	bh_log_warn("port %u: reset", port->port_idx);
	for (uint32_t i = 0; i < TRIES_MAX && err != 0 && err != -BH_ENODEV; i++) {
		if (i > 0)
			bh_sleep_until(bh_clock_now_tsc() + bh_ns_to_tsc(RETRY_NS));
		__atomic_store_n(&port->reset_requested, false, __ATOMIC_RELEASE);
		err = reset_once(port);
	}
	if (err != 0) {
		bh_log_error("port %u: the reset failed: %d", port->port_idx, err);
		bh_port_remove(port);
		return err;
	}
	__atomic_store_n(&port->state, BH_PORT_LIVE, __ATOMIC_SEQ_CST);
	bh_queues_go(port);
	return 0;
}

static void
watch(struct bh_port *port)
{
	int err = port->driver->watch != NULL ? port->driver->watch(port) : 0;
	if (err == -BH_ENODEV)
		bh_port_remove(port);
	else if (err != 0)
		__atomic_store_n(&port->reset_requested, true, __ATOMIC_RELEASE);
}

void
bh_port_keeper_main(void *arg)
{
	struct bh_port *port = arg;
	uint64_t interval_tsc = bh_ns_to_tsc(port->options.watch_interval_ns);
	while (!port->closing) {
		int err = bh_event_wait(&port->keeper_event, bh_clock_now_tsc() + interval_tsc);
		(void)err; /* woken or not: look */
		if (port->closing || bh_port_state(port) != BH_PORT_LIVE || port->busy)
			continue;
		port->busy = true;
		watch(port);
		if (__atomic_load_n(&port->reset_requested, __ATOMIC_ACQUIRE) && bh_port_state(port) == BH_PORT_LIVE)
			err = bh_port_reset_run(port);
		port->busy = false;
	}
	port->keeper_done = true;
}
