/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A wire between two software network cards of any kind, or from one back to itself. Pure: time is an argument, every
 * choice comes from the seed.
 *
 * Without rate, delay and faults a frame goes from the sender's buffer into the receiver's in one copy. Else it is
 * copied into the wire, where it stays until its time; the wire holds VNET_WIRE_FRAMES a direction.
 */
#ifndef DEVICES_VIRTIO_NET_WIRE_H
#define DEVICES_VIRTIO_NET_WIRE_H

#include "devices/virtio_net/vnet_model.h"

#define VNET_WIRE_FRAMES       1024u
#define VNET_WIRE_OVERHEAD     24u /* preamble, FCS and gap of Ethernet, in bytes: part of what the rate counts */
#define VNET_WIRE_REORDER_NS   UINT64_C(20000)
#define VNET_WIRE_PROBABLE_ONE (UINT64_C(1) << 32)

/* Probabilities are of 2^32. All zero: nothing happens to a frame. */
struct vnet_wire_config {
	uint64_t rate_bps; /* 0: no limit */
	uint64_t delay_ns;
	uint64_t loss, duplicate, reorder, corrupt; /* reorder: a frame is held back for VNET_WIRE_REORDER_NS */
	uint64_t seed;
	bool drop_when_full; /* a receiver without buffers: drop, as a card does; else wait until it has some */
};

struct vnet_wire_stats {
	uint64_t carried_cnt; /* frames that were delivered */
	uint64_t lost_cnt, duplicated_cnt, reordered_cnt, corrupted_cnt;
	uint64_t full_cnt;          /* dropped: the receiver had no buffer */
	uint64_t undeliverable_cnt; /* dropped: too long for the receiver, or it does not run */
};

struct vnet_wire;

/* What the wire needs of a card: for virtio's, the functions of vnet_model.h by these names. */
struct vnet_wire_ops {
	bool (*tx_peek)(void *device, uint32_t pair_idx, struct vnet_frame *out);
	void (*tx_done)(void *device, uint32_t pair_idx, const struct vnet_frame *frame);
	int (*rx_put)(void *device, uint32_t pair_idx, const struct vnet_frame *frame);
	void (*flush)(void *device);
	uint32_t (*pairs)(const void *device);
};

struct vnet_wire_end {
	void *device;
	const struct vnet_wire_ops *ops;
};

extern const struct vnet_wire_ops vnet_wire_ops;

/* vnet_wire_join - as vnet_wire_create, between cards of any kind; the same device twice: what it sends comes back */
BH_MUST_CHECK int vnet_wire_join(const struct vnet_wire_config *config, struct vnet_wire_end first,
                                 struct vnet_wire_end second, struct vnet_wire **out);

/*
 * vnet_wire_create - between first and second; the same twice: what it sends comes back
 * Return: 0; -BH_EINVAL a probability above one; -BH_ENOMEM.
 */
BH_MUST_CHECK int vnet_wire_create(const struct vnet_wire_config *config, struct vnet_model *first,
                                   struct vnet_model *second, struct vnet_wire **out);
void vnet_wire_destroy(struct vnet_wire *wire);

/* vnet_wire_poll - move what can be moved, a burst in each direction, and flush both. Return: frames that moved. */
uint32_t vnet_wire_poll(struct vnet_wire *wire, uint64_t now_ns);

/* vnet_wire_timed - whether the time matters: there is a rate or a delay or something to hold back */
bool vnet_wire_timed(const struct vnet_wire *wire);

/* vnet_wire_next_ns - when the next frame that is on its way arrives; UINT64_MAX: none is. For hosts that skip time. */
uint64_t vnet_wire_next_ns(const struct vnet_wire *wire);

void vnet_wire_stats_get(const struct vnet_wire *wire, struct vnet_wire_stats *out);

#endif
