/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The back end of an AF_XDP port: sockets on the queues of a network interface, whose rings the cell maps, with the arena
 * as their memory. Needs root (CAP_NET_ADMIN, CAP_NET_RAW, CAP_BPF).
 *
 * The program that redirects frames to the sockets is attached by a link: it goes when this process goes, however that
 * ends. So does promiscuous mode. All frames that arrive on these queues go to the cell; the interface's other traffic
 * does not change.
 *
 * Where the kernel wants a system call to go on (XDP_RING_NEED_WAKEUP) a thread of this process makes it.
 */
#ifndef HOST_DEVICE_AF_XDP_H
#define HOST_DEVICE_AF_XDP_H

#include "host/device/device.h"

enum bh_af_xdp_mode {
	BH_AF_XDP_AUTO = 0,      /* the fastest that works: zero copy, then native, then generic; it says which */
	BH_AF_XDP_ZERO_COPY = 1, /* or an error */
	BH_AF_XDP_NATIVE = 2,    /* copy mode, in the card's driver, or an error */
	BH_AF_XDP_GENERIC = 3,   /* copy mode, in the network stack */
};

struct bh_af_xdp_options {
	const char *interface;
	uint32_t queue_cnt; /* queues 0 .. queue_cnt - 1 of the interface */
	enum bh_af_xdp_mode mode;
};

/**
 * bh_af_xdp_open - nothing is attached yet: that needs the arena, and happens in dma_map
 * Return: 0; -ENODEV no such interface; -EPERM not root; -EINVAL; -ENOMEM.
 */
BH_MUST_CHECK int bh_af_xdp_open(const char *name, const struct bh_af_xdp_options *options, struct bh_backend **out,
                                 struct bh_error *error);

#endif
