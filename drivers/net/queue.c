/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who holds a queue: its core, or the keeper. RUNNING belongs to the core; the keeper makes it STOPPING and exchanges
 * the burst functions, and the core answers with DRAINED; from there only the keeper makes it RUNNING again, but for a
 * queue that is started while the port is live, which its core does. Both look at the other's word after they have
 * written their own, so that one of them always sees it.
 */
#include "drivers/net/internal.h"

uint32_t
bh_queue_state(const struct bh_port *port, uint32_t queue_idx)
{
	return __atomic_load_n(&port->queue_state[queue_idx], __ATOMIC_SEQ_CST);
}

uint32_t
bh_port_state(const struct bh_port *port)
{
	return __atomic_load_n(&port->state, __ATOMIC_SEQ_CST);
}

static bool
state_change(struct bh_port_queue *queue, uint32_t from, uint32_t to)
{
	return __atomic_compare_exchange_n(&queue->port->queue_state[queue->queue_idx], &from, to, false,
	                                   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

static void
bursts_set(struct bh_port_queue *queue, uint32_t (*rx)(struct bh_port_queue *, struct bh_pkt **, uint32_t),
           uint32_t (*tx)(struct bh_port_queue *, struct bh_pkt *const *, uint32_t))
{
	__atomic_store_n(&queue->rx, rx, __ATOMIC_RELEASE);
	__atomic_store_n(&queue->tx, tx, __ATOMIC_RELEASE);
}

static uint32_t
idle_rx(struct bh_port_queue *queue, struct bh_pkt **out_pkts, uint32_t cnt)
{
	return 0;
}

static uint32_t
idle_tx(struct bh_port_queue *queue, struct bh_pkt *const *pkts, uint32_t cnt)
{
	return 0;
}

static void
drain(struct bh_port_queue *queue)
{
	if (bh_queue_state(queue->port, queue->queue_idx) != BH_QUEUE_STOPPING)
		return;
	queue->port->driver->drain(queue);
	bursts_set(queue, idle_rx, idle_tx);
	bool changed = state_change(queue, BH_QUEUE_STOPPING, BH_QUEUE_DRAINED);
	bh_assert(changed);
}

static uint32_t
drain_rx(struct bh_port_queue *queue, struct bh_pkt **out_pkts, uint32_t cnt)
{
	drain(queue);
	return 0;
}

static uint32_t
drain_tx(struct bh_port_queue *queue, struct bh_pkt *const *pkts, uint32_t cnt)
{
	drain(queue);
	return 0;
}

static void
fill(struct bh_port_queue *queue)
{
	const struct bh_port_driver *driver = queue->port->driver;
	driver->fill(queue);
	bursts_set(queue, driver->rx, driver->tx);
	/* The keeper may have begun a reset meanwhile and exchanged the functions; ours must not stand above its own. */
	if (bh_queue_state(queue->port, queue->queue_idx) == BH_QUEUE_STOPPING)
		bursts_set(queue, drain_rx, drain_tx);
}

static uint32_t
fill_rx(struct bh_port_queue *queue, struct bh_pkt **out_pkts, uint32_t cnt)
{
	fill(queue);
	return 0;
}

static uint32_t
fill_tx(struct bh_port_queue *queue, struct bh_pkt *const *pkts, uint32_t cnt)
{
	fill(queue);
	return 0;
}

void
bh_queues_stop(struct bh_port *port)
{
	for (uint32_t i = 0; i < port->info.queue_cnt; i++) {
		struct bh_port_queue *queue = port->queue[i];
		if (state_change(queue, BH_QUEUE_RUNNING, BH_QUEUE_STOPPING))
			bursts_set(queue, drain_rx, drain_tx);
	}
}

bool
bh_queues_stopped(struct bh_port *port)
{
	bool all = true;
	for (uint32_t i = 0; i < port->info.queue_cnt; i++) {
		uint32_t state = bh_queue_state(port, i);
		if (state == BH_QUEUE_STOPPING && port->queue_core[i] == bh_core_idx())
			drain(port->queue[i]);
		else if (state ==
		         BH_QUEUE_LEFT) /* its core is not at it any more; what was in it goes back to that core */
			port->driver->drain(port->queue[i]);
		all &= bh_queue_state(port, i) != BH_QUEUE_STOPPING;
	}
	return all;
}

void
bh_queues_go(struct bh_port *port)
{
	for (uint32_t i = 0; i < port->info.queue_cnt; i++) {
		struct bh_port_queue *queue = port->queue[i];
		if (state_change(queue, BH_QUEUE_DRAINED, BH_QUEUE_RUNNING))
			bursts_set(queue, fill_rx, fill_tx);
	}
}

static void
counters_register(struct bh_port_queue *queue)
{
	const char *port_name = queue->port->info.name;
	queue->rx_pkts = bh_port_counter(port_name, "rx_pkts", "");
	queue->rx_bytes = bh_port_counter(port_name, "rx_bytes", "bytes");
	queue->tx_pkts = bh_port_counter(port_name, "tx_pkts", "");
	queue->tx_bytes = bh_port_counter(port_name, "tx_bytes", "bytes");
	for (uint32_t i = 0; i < BH_DROP_CNT; i++)
		queue->drop[i] = bh_port_drop_counter(port_name, (enum bh_drop_reason)i);
}

int
bh_queue_create(struct bh_port *port, uint32_t queue_idx)
{
	struct bh_port_queue *queue = bh_heap_alloc_aligned(port->driver->queue_bytes, BH_CACHE_LINE_BYTES);
	if (queue == NULL)
		return -BH_ENOMEM;
	port->queue[queue_idx] = queue;
	queue->port = port;
	queue->queue_idx = queue_idx;
	queue->port_idx = port->port_idx;
	queue->frame_bytes_max = (uint16_t)(port->info.mtu_bytes + BH_PORT_FRAME_EXTRA_BYTES);
	bursts_set(queue, idle_rx, idle_tx);
	return port->driver->queue_init(queue);
}

int
bh_port_queue_start(struct bh_port *port, uint32_t queue_idx, struct bh_pkt_pool *pool,
                    struct bh_port_queue **out_queue)
{
	if (queue_idx >= port->info.queue_cnt || pool->core_idx != bh_core_idx())
		return -BH_EINVAL;
	struct bh_port_queue *queue = port->queue[queue_idx];
	if (!(port->info.features & BH_PORT_RX_CHAIN) && pool->data_bytes < queue->frame_bytes_max)
		return -BH_ENOSPC;
	if (pool->data_bytes < port->rx_data_bytes_min)
		return -BH_ENOSPC;
	if (bh_queue_state(port, queue_idx) != BH_QUEUE_OFF)
		return -BH_EBUSY;
	queue->pool = pool;
	port->queue_core[queue_idx] = bh_core_idx();
	counters_register(queue);
	*out_queue = queue;
	__atomic_store_n(&port->queue_state[queue_idx], BH_QUEUE_DRAINED, __ATOMIC_SEQ_CST);
	if (bh_port_state(port) != BH_PORT_LIVE || !state_change(queue, BH_QUEUE_DRAINED, BH_QUEUE_RUNNING))
		return 0; /* the keeper makes it go */
	if (bh_port_state(port) != BH_PORT_LIVE && state_change(queue, BH_QUEUE_RUNNING, BH_QUEUE_DRAINED))
		return 0;
	fill(queue);
	return 0;
}

void
bh_port_queue_stop(struct bh_port_queue *queue)
{
	bursts_set(queue, idle_rx, idle_tx);
	__atomic_store_n(&queue->port->queue_state[queue->queue_idx], BH_QUEUE_LEFT, __ATOMIC_SEQ_CST);
}
