/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The vhost-user front end as a back end of a cell: the other side (DPDK's testpmd, QEMU, OVS, VPP) works on the rings
 * that the cell's virtio driver makes in the arena.
 *
 * The cell sees a modern virtio network device: its registers are the model of devices/virtio_net in passive mode,
 * which also serves the control queue. What the driver sets up there becomes messages: at DRIVER_OK the features, the
 * arena as the one memory region (its address is the IOVA, so no address is translated), and the vrings; at reset each
 * vring is stopped and its answer awaited, after which the other side touches nothing.
 *
 * Notifications: a back end that polls asks for none. One that does is kicked by the supervisor through the mailbox,
 * which costs some microseconds a burst.
 *
 * With server mode the other side connects to us, and may go and come again: while it is away the link is down; when
 * it comes back the device asks the driver for a reset, and all is set up anew.
 */
#ifndef HOST_DEVICE_VHOST_USER_H
#define HOST_DEVICE_VHOST_USER_H

#include "host/device/device.h"

#define BH_VHOST_USER_PAIRS_MAX  8u
#define BH_VHOST_USER_TIMEOUT_NS UINT64_C(2000000000)  /* for each answer */
#define BH_VHOST_USER_ACCEPT_NS  UINT64_C(30000000000) /* for the first connection in server mode */

struct bh_vhost_user_options {
	const char *socket;  /* path */
	bool server;         /* listen there, and wait for the other side to connect */
	uint32_t queue_cnt;  /* queue pairs wanted: 1 .. BH_VHOST_USER_PAIRS_MAX */
	uint32_t queue_size; /* largest ring that is offered to the driver */
	bool packed;         /* offer packed rings if the other side can */
	uint16_t mtu_bytes;
	uint8_t mac[6];
};

/**
 * bh_vhost_user_open - connect (or listen and wait), and agree on features
 * Return: 0; -ENOENT, -ECONNREFUSED, -EACCES, ... about the socket; -ETIMEDOUT no answer, or nobody connected; -ENODEV it
 * closed; -EPROTO it broke the protocol; -EPROTONOSUPPORT no VIRTIO_F_VERSION_1; -ENOSPC fewer queue pairs than wanted.
 */
BH_MUST_CHECK int bh_vhost_user_open(const char *name, const struct bh_vhost_user_options *options,
                                     struct bh_backend **out, struct bh_error *error);

#endif
