/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Ports: one interface to every network card and software port of a cell ([port NAME] in its file).
 *
 *	struct bh_port *port;
 *	struct bh_port_queue *queue;
 *	struct bh_pkt_pool *pool;
 *	struct bh_pkt *pkts[32];
 *
 *	int err = bh_pkt_pool_create(NULL, &pool);
 *	if (!err)
 *		err = bh_port_open("p0", NULL, &port);
 *	if (!err)
 *		err = bh_port_queue_start(port, 0, pool, &queue);
 *	while (!err && !bh_stop_requested()) {
 *		uint32_t cnt = bh_port_rx(queue, pkts, 32);
 *		uint32_t sent = bh_port_tx(queue, pkts, cnt);
 *		for (; sent < cnt; sent++)
 *			bh_pkt_free(pkts[sent]);
 *		bh_yield();
 *	}
 *	if (port)
 *		bh_port_close(port);
 *
 * Who may do what. The core that opened a port owns it: there a fiber (the keeper) watches link and health and resets
 * the device when it fails; that core has to yield now and then. Each queue (one to receive and one to transmit) belongs
 * to the core that started it; nothing is locked. A burst costs one indirect call, whatever the number of packets;
 * nothing is allocated.
 *
 * A device that fails is reset: what was in its rings is given back to the pools and counted under BH_DROP_RESET,
 * meanwhile bursts return 0, afterwards they go on.
 */
#ifndef BULKHEAD_PORT_H
#define BULKHEAD_PORT_H

#include <bulkhead/pkt.h>
#include <bulkhead/types.h>

#define BH_PORTS_MAX           8u
#define BH_PORT_QUEUES_MAX     16u
#define BH_PORT_MTU_MAX        9216u
#define BH_PORT_DATA_BYTES_MAX 10240u /* of a pool whose buffers hold the longest frame of any port */
#define BH_MAC_BYTES           6u

struct bh_port;

/* Why a frame was lost. Each port has a counter "<port>.drop_<name>" a reason, on the core where it happened. */
enum bh_drop_reason {
	BH_DROP_RX_NO_BUFFER = 0, /* rx_no_buffer: the device had no buffer to put it into (the device's count) */
	BH_DROP_RX_ERROR,         /* rx_error: the device found it damaged (CRC, alignment, symbol) */
	BH_DROP_RX_TOO_LONG,      /* rx_too_long: longer than the MTU allows, or in too many pieces */
	BH_DROP_RX_BAD_LENGTH,  /* rx_bad_length: the device claims more than the buffer holds, or less than a header */
	BH_DROP_RX_BAD_ID,      /* rx_bad_id: the device completed what was not its to complete */
	BH_DROP_RX_BAD_HEADER,  /* rx_bad_header: the device's per-packet header contradicts the frame */
	BH_DROP_TX_TOO_LONG,    /* tx_too_long: longer than the MTU allows, or in more pieces than the device takes */
	BH_DROP_TX_TOO_SHORT,   /* tx_too_short: no whole Ethernet header */
	BH_DROP_TX_BAD_REQUEST, /* tx_bad_request: checksum outside of the frame, no headroom for a tag, ... */
	BH_DROP_TX_LINK_DOWN,   /* tx_link_down */
	BH_DROP_TX_ERROR,       /* tx_error: the device (or the peer behind it) took it and could not send it */
	BH_DROP_RESET,          /* reset: was in a ring when the device was reset or the queue stopped */
	BH_DROP_CNT,
};

/* What the counters call them, in the enum's order: for the cell and for the host that reads them. */
#define BH_DROP_NAMES                                                                                                  \
	{                                                                                                              \
		"rx_no_buffer", "rx_error", "rx_too_long", "rx_bad_length", "rx_bad_id", "rx_bad_header",              \
		        "tx_too_long", "tx_too_short", "tx_bad_request", "tx_link_down", "tx_error", "reset",          \
	}

/* bh_drop_reason_name - "rx_no_buffer", ... */
const char *bh_drop_reason_name(enum bh_drop_reason reason);

enum bh_port_features {
	BH_PORT_RX_CSUM = 1u << 0, /* the device checks TCP and UDP checksums */
	BH_PORT_TX_CSUM = 1u << 1, /* the device does BH_PKT_CSUM_PARTIAL; without it the port does it in software */
	BH_PORT_RX_VLAN = 1u << 2, /* tags are taken out (BH_PKT_VLAN); without it they stay in the data */
	BH_PORT_TX_VLAN = 1u << 3, /* tags are put in by the device; without it by the port */
	BH_PORT_RSS = 1u << 4,     /* received frames are spread over the queues by flow */
	BH_PORT_RX_CHAIN =
	        1u << 5, /* frames longer than a buffer arrive as chains: where options.data_bytes asks for it */
	BH_PORT_MULTICAST = 1u << 6, /* the multicast list filters; without it all multicast frames arrive */
};

/* Zero in a field means its default. */
struct bh_port_options {
	uint32_t queue_cnt; /* default: `queues` of [port NAME], 1 if missing */
	uint32_t
	        mtu_bytes; /* payload of Ethernet; default: `mtu` of [port NAME], 1500 if missing; at most BH_PORT_MTU_MAX */
	uint32_t data_bytes; /* of the pools for its queues; default BH_PKT_DATA_BYTES. Decides on BH_PORT_RX_CHAIN */
	uint32_t rx_entries; /* buffers in the receive ring; a power of two, 32 .. 4096; default 256 */
	uint32_t tx_entries; /* likewise */
	bool promiscuous;    /* take frames for other stations, too */
	bool no_offload;     /* leave checksums and tags alone: BH_PKT_CSUM_* and BH_PKT_VLAN are not used */
	uint64_t watch_interval_ns; /* how often the keeper looks at the device; default 100 ms */
};

/* What the port is; constant while it is open. */
struct bh_port_info {
	char name[32];
	const char *driver; /* "virtio-net", "e1000e", "igb", "ixgbe", "af_xdp", "pcap", "null" */
	const char *mode;   /* what the driver uses, for people: "split ring, mergeable buffers", "copy mode", ... */
	uint32_t queue_cnt; /* in use, <= asked for */
	uint32_t queue_cnt_max; /* that the device has */
	uint32_t mtu_bytes;
	uint32_t rx_entries, tx_entries;
	uint32_t features; /* enum bh_port_features, in use */
	uint8_t mac[BH_MAC_BYTES];
};

struct bh_port_link {
	bool up;
	bool full_duplex;
	uint32_t speed_mbps; /* 0: unknown */
	uint32_t change_cnt; /* since the port was opened */
};

/**
 * One queue pair: the part that bursts need, and the generic half of the driver's own structure.
 * Application code touches it only through the functions below.
 */
struct bh_port_queue {
	uint32_t (*rx)(struct bh_port_queue *queue, struct bh_pkt **out_pkts, uint32_t cnt);
	uint32_t (*tx)(struct bh_port_queue *queue, struct bh_pkt *const *pkts, uint32_t cnt);
	struct bh_pkt_pool *pool; /* where received packets come from */
	struct bh_port *port;
	uint32_t queue_idx;
	uint16_t port_idx;
	uint16_t frame_bytes_max;                          /* MTU, Ethernet header and two VLAN tags */
	uint64_t *rx_pkts, *rx_bytes, *tx_pkts, *tx_bytes; /* counters of this core; see below */
	uint64_t *drop[BH_DROP_CNT];
};

/**
 * bh_port_open - find the driver, reset the device, bring it up with empty receive rings
 * @name:    the NAME of [port NAME] (or [device NAME])
 * @options: NULL for the defaults; copied
 *
 * Yields while it waits. Context: a fiber; its core becomes the owner and needs one free fiber stack.
 * Return: 0; each failure is also logged with its reason: -BH_ENOENT no such port; -BH_EOPNOTSUPP no driver for that
 * device, or it lacks what the driver needs; -BH_EINVAL an option; -BH_ENODEV the device is gone; -BH_ETIMEDOUT it does
 * not answer; -BH_EPROTO it contradicts its specification; -BH_EIO it refuses; -BH_ENOMEM arena or heap too small;
 * -BH_EAGAIN no free fiber stack; -BH_EBUSY open already.
 */
BH_MUST_CHECK int bh_port_open(const char *name, const struct bh_port_options *options, struct bh_port **out_port);

/**
 * bh_port_close - stop the device; when it returns there is no DMA any more
 *
 * Every queue must have been stopped by its core before (bh_port_queue_stop), but those of the calling core, which this
 * stops itself. The pointer is dead afterwards, unless -BH_EBUSY.
 * Context: a fiber of the owner core.
 * Return: 0; -BH_EBUSY another core's queue is running; -BH_ETIMEDOUT, -BH_ENODEV the device did not confirm: it is
 * freed, but its packets stay out of use.
 */
int bh_port_close(struct bh_port *port);

/**
 * bh_port_queue_start - take a queue for the calling core and give the device buffers to receive into
 * @queue_idx: 0 .. info.queue_cnt - 1, each once
 * @pool: of the calling core; its data_bytes must hold a frame unless the port has BH_PORT_RX_CHAIN
 *
 * Return: 0; -BH_EINVAL index, or a pool of another core; -BH_EBUSY started already; -BH_ENOSPC the pool's buffers are
 * too small for the MTU, or for what the device writes at a time (Intel: 2048); -BH_ENOMEM.
 */
BH_MUST_CHECK int bh_port_queue_start(struct bh_port *port, uint32_t queue_idx, struct bh_pkt_pool *pool,
                                      struct bh_port_queue **out_queue);

/**
 * bh_port_queue_stop - for a queue of another core than the owner's, before the owner closes the port
 *
 * The core uses the queue no more; its packets come back when the port is closed.
 */
void bh_port_queue_stop(struct bh_port_queue *queue);

/**
 * bh_port_rx - take up to cnt received frames
 *
 * They are the caller's. Also gives the device new buffers. Counts rx_pkts and rx_bytes.
 * Context: the queue's core. Return: how many; 0 also while the device is being reset.
 */
BH_INLINE uint32_t
bh_port_rx(struct bh_port_queue *queue, struct bh_pkt **out_pkts, uint32_t cnt)
{
	return queue->rx(queue, out_pkts, cnt);
}

/**
 * bh_port_tx - hand up to cnt frames to the device, and take back what it has sent
 *
 * The first `return` frames are the port's: sent, or dropped with their reason counted if they cannot be sent at all.
 * The others are still the caller's: the ring is full, or the device is being reset. The device is told at once: there
 * is no flush. A frame counts under tx_pkts when it is handed to the device.
 * Context: the queue's core. Return: how many were taken.
 */
BH_INLINE uint32_t
bh_port_tx(struct bh_port_queue *queue, struct bh_pkt *const *pkts, uint32_t cnt)
{
	return queue->tx(queue, pkts, cnt);
}

/* bh_port_info - what it is. Any core. */
const struct bh_port_info *bh_port_info(const struct bh_port *port);
/* bh_port_idx - a small number, unique in the cell: what received packets carry. Any core. */
uint16_t bh_port_idx(const struct bh_port *port);
/* bh_port_link - as the keeper last saw it. Any core. */
struct bh_port_link bh_port_link(const struct bh_port *port);

/**
 * Filters. Of a device that has none, all frames arrive. They survive resets.
 * Context: a fiber of the owner core; they yield.
 * Return of each: 0; -BH_EOPNOTSUPP the device cannot; -BH_EINVAL (a MAC that is multicast or zero, too many
 * addresses); -BH_EIO, -BH_ETIMEDOUT, -BH_ENODEV from the device.
 */
#define BH_PORT_MULTICAST_MAX 64u
BH_MUST_CHECK int bh_port_promiscuous_set(struct bh_port *port, bool on);
BH_MUST_CHECK int bh_port_all_multicast_set(struct bh_port *port, bool on);
BH_MUST_CHECK int bh_port_multicast_set(struct bh_port *port, const uint8_t (*macs)[BH_MAC_BYTES], uint32_t mac_cnt);
BH_MUST_CHECK int bh_port_mac_set(struct bh_port *port, const uint8_t mac[BH_MAC_BYTES]);

/* bh_port_reset - reset the device now, as after a failure. A fiber of the owner core. Return: as bh_port_open. */
BH_MUST_CHECK int bh_port_reset(struct bh_port *port);

/*
 * Counters, each "<port>.<name>", per core: rx_pkts, rx_bytes, tx_pkts, tx_bytes (frames without FCS), drop_<reason>,
 * and on the owner core: link_changes, resets, and gauge link_up.
 *
 * What adds up, at any moment when nothing is in a ring:
 *	frames that reached the device        = rx_pkts + the sum of drop_rx_* + drop_reset (received half)
 *	frames that bh_port_tx took           = tx_pkts + drop_tx_too_long + drop_tx_too_short + drop_tx_bad_request +
 *	                                        drop_tx_link_down
 *	frames that left the device           = tx_pkts - drop_tx_error - drop_reset (transmitted half)
 */

#endif
