/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Software network cards, virtio's and Intel's 82599, and the wires between them, served over vfio-user by one process: one
 * socket per card. The ends of a wire may be of different kinds.
 */
#ifndef DEVICES_VIRTIO_NET_SERVE_H
#define DEVICES_VIRTIO_NET_SERVE_H

#include <signal.h>

#include "devices/ixgbe/ixgbe_model.h"
#include "devices/virtio_net/wire.h"

#define VNET_SERVE_ENDS_MAX      8u
#define VNET_SERVE_WIRE_NAME_MAX 32u

enum vnet_serve_kind {
	VNET_SERVE_VIRTIO = 0,
	VNET_SERVE_IXGBE,
};

/* One device. Two with the same wire are its ends; one alone gets back what it sends. */
struct vnet_serve_end {
	const char *socket; /* where to listen, or NULL: */
	int conn_fd;        /* a connected socket */
	char wire[VNET_SERVE_WIRE_NAME_MAX];
	enum vnet_serve_kind kind;
};

struct vnet_serve_options {
	struct vnet_serve_end end[VNET_SERVE_ENDS_MAX];
	uint32_t end_cnt;
	struct vnet_model_config config; /* of all virtio cards; the last byte of the MAC address is counted up */
	struct ixgbe_model_config ixgbe; /* of all others, likewise; drop_when_full is the wire's */
	struct vnet_wire_config wire;    /* of all; the seed is counted up */
	bool yield;                      /* give the CPU away when idle */
};

struct vnet_serve;

/* vnet_serve_open - Return: 0, or a negative errno with the reason in out_error. */
BH_MUST_CHECK int vnet_serve_open(const struct vnet_serve_options *options, struct vnet_serve **out, char *out_error,
                                  size_t error_bytes);

/* vnet_serve_run - until *stop, or until every inherited socket was closed by its client */
void vnet_serve_run(struct vnet_serve *serve, const volatile sig_atomic_t *stop);

/* vnet_serve_bus_error - as vfu_server_dma_patch, for all of its clients. Context: a handler of SIGBUS. */
BH_MUST_CHECK bool vnet_serve_bus_error(struct vnet_serve *serve, const void *addr);

void vnet_serve_stats(const struct vnet_serve *serve, uint32_t end_idx, struct vnet_stats *out);
/* vnet_serve_wire_stats - all wires together */
void vnet_serve_wire_stats(const struct vnet_serve *serve, struct vnet_wire_stats *out);
void vnet_serve_close(struct vnet_serve *serve);

#endif
