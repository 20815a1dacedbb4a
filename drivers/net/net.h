/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What a port driver implements, and what the generic half (port.c, keeper.c) gives it.
 *
 * Life of a port, all on the owner core's fibers but where a line says "queue's core":
 *
 *	open      reset the device, negotiate, rings, device live with empty receive rings
 *	fill      queue's core: give the receive ring its buffers
 *	rx, tx    queue's core: bursts
 *	watch     every watch_interval_ns: link and health; an error asks for a reset
 *	quiesce   the device does no DMA when this returns 0
 *	drain     queue's core, device quiet: every packet in the rings back to its pool, each counted in BH_DROP_RESET;
 *	          rings as after open
 *	restart   device live again, with empty rings, filters as they were
 *	close     frees nothing of the arena; the device is quiet already
 *
 * Resets need no flag on the hot path: the keeper exchanges the queue's rx and tx pointers for functions that drain,
 * and these for functions that fill, and the queue's core runs into them with its next burst.
 */
#ifndef DRIVERS_NET_NET_H
#define DRIVERS_NET_NET_H

#include <bulkhead/abi/boot.h>
#include <bulkhead/device.h>
#include <bulkhead/log.h>
#include <bulkhead/mem.h>
#include <bulkhead/metrics.h>
#include <bulkhead/port.h>
#include <bulkhead/sched.h>

#define BH_ETH_HEADER_BYTES       14u
#define BH_VLAN_TAG_BYTES         4u
#define BH_PORT_FRAME_EXTRA_BYTES (BH_ETH_HEADER_BYTES + 2 * BH_VLAN_TAG_BYTES) /* what a frame has beside its MTU */

struct bh_port_filter {
	bool promiscuous, all_multicast;
	uint32_t multicast_cnt;
	uint8_t multicast[BH_PORT_MULTICAST_MAX][BH_MAC_BYTES];
};

struct bh_port_driver {
	const char *name;
	size_t port_bytes;  /* of the driver's structure, whose first member is struct bh_port */
	size_t queue_bytes; /* of the driver's structure, whose first member is struct bh_port_queue; a multiple of 64 */

	bool (*matches)(const struct bh_boot_device *device);
	/*
	 * port->device, options (defaults filled in, checked) and info.name are set. Fills the rest of info and
	 * port->link; may lower info.queue_cnt, rx_entries, tx_entries, mtu_bytes; may replace port->driver by another
	 * table of its own with the same sizes. The queues are made after it: their rings are
	 * queue_init's.
	 */
	BH_MUST_CHECK int (*open)(struct bh_port *port);
	/* The rings of one queue; once per queue, after open. */
	BH_MUST_CHECK int (*queue_init)(struct bh_port_queue *queue);
	/* All rings exist: the device goes live. Also after quiesce. */
	BH_MUST_CHECK int (*start)(struct bh_port *port);
	/* Receive buffers; queue->pool is set. Fewer than wanted is fine: rx tries again. */
	void (*fill)(struct bh_port_queue *queue);
	uint32_t (*rx)(struct bh_port_queue *queue, struct bh_pkt **out_pkts, uint32_t cnt);
	uint32_t (*tx)(struct bh_port_queue *queue, struct bh_pkt *const *pkts, uint32_t cnt);
	void (*drain)(struct bh_port_queue *queue);
	/* NULL: nothing to watch. 0; -BH_EIO reset it; -BH_ENODEV it is gone. Updates port->link by bh_port_link_set(). */
	BH_MUST_CHECK int (*watch)(struct bh_port *port);
	BH_MUST_CHECK int (*quiesce)(struct bh_port *port);
	/* port->filter as it is now. NULL: no filters. */
	BH_MUST_CHECK int (*filter_set)(struct bh_port *port);
	/* NULL: cannot be changed. */
	BH_MUST_CHECK int (*mac_set)(struct bh_port *port, const uint8_t mac[BH_MAC_BYTES]);
	/* NULL: nothing to free on the heap beside the structures. */
	void (*close)(struct bh_port *port);
};

enum bh_port_state {
	BH_PORT_LIVE = 0,
	BH_PORT_RESETTING,
	BH_PORT_REMOVED, /* for good */
};

enum bh_queue_state {
	BH_QUEUE_OFF = 0, /* no core has it */
	BH_QUEUE_RUNNING,
	BH_QUEUE_STOPPING, /* its next burst drains */
	BH_QUEUE_DRAINED,  /* its core has acknowledged: the rings may be touched by the keeper */
	BH_QUEUE_LEFT,     /* bh_port_queue_stop: its core will not touch it again */
};

struct bh_port {
	const struct bh_port_driver *driver;
	struct bh_device device;
	struct bh_port_options options;
	struct bh_port_info info;
	struct bh_port_filter filter;
	struct bh_port_link link;
	uint32_t rx_data_bytes_min; /* open may set it: what the device writes into a buffer, however long a frame is */
	uint16_t port_idx;
	uint32_t owner_core;
	uint32_t state;       /* enum bh_port_state; written by the owner core */
	bool reset_requested; /* any core: the keeper resets at its next turn */
	bool closing, keeper_done;
	bool busy; /* the keeper or a control function is at the device */
	struct bh_event keeper_event;
	struct bh_port_queue *queue[BH_PORT_QUEUES_MAX];
	uint32_t queue_state[BH_PORT_QUEUES_MAX]; /* enum bh_queue_state; release and acquire */
	uint32_t queue_core[BH_PORT_QUEUES_MAX];
	uint64_t *link_changes, *resets, *link_up;
};

/* All drivers, in the order in which they are asked; NULL-terminated (drivers.c). */
extern const struct bh_port_driver *const bh_port_drivers[];

/* bh_port_link_set - the link as it is now; counts and logs a change. Owner core. */
void bh_port_link_set(struct bh_port *port, bool up, uint32_t speed_mbps, bool full_duplex);

/* bh_port_fail - a queue's core saw the device lie or fail: ask the keeper for a reset. Any core, cheap to repeat. */
void bh_port_fail(struct bh_port_queue *queue);

/* bh_port_counter, bh_port_drop_counter - the calling core's counter "<port>.<name>" and "<port>.drop_<reason>" */
uint64_t *bh_port_counter(const char *port_name, const char *name, const char *unit);
uint64_t *bh_port_drop_counter(const char *port_name, enum bh_drop_reason reason);

/* bh_port_drop - free one frame and count why. The queue's core. */
BH_INLINE void
bh_port_drop(struct bh_port_queue *queue, struct bh_pkt *pkt, enum bh_drop_reason reason)
{
	bh_counter_add(queue->drop[reason], 1);
	bh_pkt_free(pkt);
}

/**
 * bh_port_tx_check - what every driver checks of a frame, and does in software where the device cannot
 * @features: of BH_PORT_TX_CSUM and BH_PORT_TX_VLAN, what the device does by itself
 *
 * One compare for a plain single packet of a legal length.
 * Return: true: send it; false: it was dropped and counted.
 */
bool bh_port_tx_check_slow(struct bh_port_queue *queue, struct bh_pkt *pkt, uint32_t features, uint32_t segs_max);
BH_INLINE bool
bh_port_tx_check(struct bh_port_queue *queue, struct bh_pkt *pkt, uint32_t features, uint32_t segs_max)
{
	if (BH_LIKELY(pkt->len_bytes - BH_ETH_HEADER_BYTES <= queue->frame_bytes_max - BH_ETH_HEADER_BYTES &&
	              ((pkt->flags & (BH_PKT_CSUM_PARTIAL | BH_PKT_VLAN)) == 0) && pkt->next == NULL))
		return true;
	return bh_port_tx_check_slow(queue, pkt, features, segs_max);
}

#endif
