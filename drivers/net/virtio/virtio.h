/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The virtio network driver (VIRTIO 1.2, 5.1): modern PCI devices, and everything that looks like one: the software
 * device behind vfio-user, and vhost-user back ends behind the supervisor's registers.
 *
 *	pci.c      where the structures are, and their registers (4.1)
 *	open.c     reset, features, queues, start (3.1)
 *	ctrl.c     control queue: filters, MAC, queue pairs, RSS (5.1.6.5)
 *	virtq.c    the rings; rx.c, tx.c the bursts over them, once for split and once for packed
 *	header.c   struct virtio_net_hdr on both ways
 */
#ifndef DRIVERS_NET_VIRTIO_H
#define DRIVERS_NET_VIRTIO_H

#include "drivers/net/net.h"
#include "drivers/net/virtio/virtq.h"

extern const struct bh_port_driver bh_virtio_driver; /* split rings; open makes it bh_virtio_packed_driver */
extern const struct bh_port_driver bh_virtio_packed_driver;

/* A structure in a BAR, from its capability. */
struct virtio_where {
	uint32_t bar, offset, length;
};

/* The control queue: one command at a time, always split or packed as the others are. */
struct virtio_ctrl {
	struct bh_virtq vq;
	uint8_t *memory; /* arena: command and data, then the byte that the device writes */
};

struct virtio_port {
	struct bh_port base;
	struct virtio_where common, notify, isr, config;
	uint32_t notify_multiplier;
	uint64_t features; /* negotiated */
	uint32_t pair_cnt_max;
	struct virtio_ctrl ctrl;
	bool ctrl_ready;
	char mode[64];
};

struct virtio_queue {
	struct bh_port_queue base;
	struct bh_virtq rx BH_ALIGNED(64);
	struct bh_virtq tx BH_ALIGNED(64);
	uint32_t rx_data_bytes;   /* room for a frame's part in each receive buffer */
	uint32_t rx_offset_bytes; /* where it begins in the buffer; the header is in front of it */
	uint64_t rx_port_word;    /* hash, seg_cnt and port_idx of a received frame, as they lie in struct bh_pkt */
	bool rx_header_unseen;    /* no frame yet has shown whether the device writes headers */
	bool mergeable, offload;
	bool rx_polled;       /* since the last transmit burst */
	uint32_t look_due;    /* idle polls until bh_virtio_look(); 0: nothing was published since the last */
	uint32_t tx_features; /* BH_PORT_TX_CSUM */
	uint8_t *tx_headers;  /* arena: a header per descriptor, for frames without headroom */
};

BH_INLINE struct virtio_port *
virtio_port_of(struct bh_port *port)
{
	return (struct virtio_port *)(void *)port;
}

BH_INLINE struct virtio_queue *
virtio_queue_of(struct bh_port_queue *queue)
{
	return (struct virtio_queue *)(void *)queue;
}

/* pci.c; each: 0, -BH_ENODEV all ones, or what the register access said. */
BH_MUST_CHECK int bh_virtio_find(struct virtio_port *port);
BH_MUST_CHECK int bh_virtio_reset(struct virtio_port *port);
BH_MUST_CHECK int bh_virtio_status_add(struct virtio_port *port, uint8_t bits);
BH_MUST_CHECK int bh_virtio_status_get(struct virtio_port *port, uint8_t *out_status);
BH_MUST_CHECK int bh_virtio_features_get(struct virtio_port *port, uint64_t *out_features);
BH_MUST_CHECK int bh_virtio_features_set(struct virtio_port *port, uint64_t features);
/* bh_virtio_queue_size - the device's maximum; 0: it has no such queue */
BH_MUST_CHECK int bh_virtio_queue_size(struct virtio_port *port, uint16_t queue_idx, uint16_t *out_size);
/* bh_virtio_queue_enable - size, addresses, notification address, and go */
BH_MUST_CHECK int bh_virtio_queue_enable(struct virtio_port *port, struct bh_virtq *vq);
/* bh_virtio_notify - tell the device. Through the mailbox where its notification area is not mapped: that yields. */
void bh_virtio_notify(struct virtio_port *port, const struct bh_virtq *vq);
BH_MUST_CHECK int bh_virtio_config_read(struct virtio_port *port, uint32_t offset, uint32_t width_bytes,
                                        uint64_t *out_value);

/* ctrl.c */
BH_MUST_CHECK int bh_virtio_ctrl_init(struct virtio_port *port);
/* bh_virtio_ctrl_start - after DRIVER_OK: queue pairs or RSS */
BH_MUST_CHECK int bh_virtio_ctrl_start(struct virtio_port *port);
BH_MUST_CHECK int bh_virtio_filter_set(struct bh_port *port);
BH_MUST_CHECK int bh_virtio_mac_set(struct bh_port *port, const uint8_t mac[BH_MAC_BYTES]);

/* header.c */

/*
 * bh_virtio_header_take - a received frame's header that is not all zero: flags and checksum fields of the packet
 * Return: false: it contradicts the frame (drop it).
 */
bool bh_virtio_header_take(const struct virtio_queue *queue, const struct virtio_net_hdr *header, struct bh_pkt *pkt);
/* bh_virtio_header_make - for a frame to send */
void bh_virtio_header_make(const struct bh_pkt *pkt, void *out_header);
/*
 * bh_virtio_chain_join - the pieces of a frame in several buffers (mergeable). len_bytes of each is set.
 * Return: the frame, or NULL: it was dropped and counted.
 */
struct bh_pkt *bh_virtio_chain_join(struct virtio_queue *queue, struct bh_pkt **pieces, uint32_t cnt);

/* rx.c, tx.c */
void bh_virtio_split_fill(struct bh_port_queue *queue);
uint32_t bh_virtio_split_rx(struct bh_port_queue *queue, struct bh_pkt **out_pkts, uint32_t cnt);
uint32_t bh_virtio_split_tx(struct bh_port_queue *queue, struct bh_pkt *const *pkts, uint32_t cnt);
void bh_virtio_packed_fill(struct bh_port_queue *queue);
uint32_t bh_virtio_packed_rx(struct bh_port_queue *queue, struct bh_pkt **out_pkts, uint32_t cnt);
uint32_t bh_virtio_packed_tx(struct bh_port_queue *queue, struct bh_pkt *const *pkts, uint32_t cnt);
void bh_virtio_drain(struct bh_port_queue *queue);

/*
 * Telling the device. To be sure whether it sleeps takes a barrier between what was published and its wish: the core
 * waits until its stores have reached the lines that the other core holds. So after a burst its wish is read without
 * one, which can only miss a device that falls asleep at that moment; and bh_virtio_look(), with the barrier, follows
 * when there is nothing to do: after BH_VIRTIO_LOOK_POLLS idle polls, or when the keeper comes by. A queue from which
 * nobody receives between transmit bursts has no idle polls: there each of them is followed by the barrier.
 */
#define BH_VIRTIO_LOOK_POLLS 16u
void bh_virtio_look(struct virtio_queue *queue);

#endif
