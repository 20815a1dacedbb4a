/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel's documentation of AF_XDP and xdpsock's l2fwd do: two sockets with one memory; descriptors of frames
 * that one received go to the other's transmit ring, and from its completion ring back to the fill ring.
 */
#include <errno.h>
#include <linux/if_xdp.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "host/compare/net.h"
#include "host/device/af_xdp_private.h"

#define FRAME_CNT (2u * BH_XDP_ENTRIES)
#define BURST     64u

/* One ring of the kernel's, mapped. */
struct ring {
	uint32_t *producer, *consumer, *flags;
	void *entry;
};

struct port {
	struct bh_af_xdp xdp;
	struct ring ring[BH_XDP_RING_CNT];
};

static volatile sig_atomic_t stopped;

static void
on_signal(int number)
{
	stopped = 1;
}

static int
map_rings(struct port *port)
{
	for (uint32_t i = 0; i < BH_XDP_RING_CNT; i++) {
		const struct bh_backend_window *window = &port->xdp.backend.bar[0].window[i];
		const struct bh_xdp_ring_info *info = &port->xdp.info->ring[i];
		uint8_t *at = mmap(NULL, window->size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
		                   window->fd, (off_t)window->fd_offset);
		if (at == MAP_FAILED)
			return -errno;
		port->ring[i] = (struct ring){(uint32_t *)(void *)(at + info->producer),
		                              (uint32_t *)(void *)(at + info->consumer),
		                              (uint32_t *)(void *)(at + info->flags), at + info->desc};
	}
	return 0;
}

static int
open_port(struct port *port, const char *interface, bool native, void *memory, uint64_t bytes, const char **out_what)
{
	struct bh_af_xdp *xdp = &port->xdp;
	*xdp = (struct bh_af_xdp){.ifindex = if_nametoindex(interface), .map_fd = -1, .prog_fd = -1, .link_fd = -1};
	xdp->arena = memory;
	xdp->arena_bytes = bytes;
	xdp->info = calloc(1, 4096 + sizeof(*xdp->info));
	int err = xdp->info == NULL ? -ENOMEM : bh_xdp_socket_make(xdp, 0, out_what);
	if (err == 0)
		err = bh_xdp_program_attach(xdp, native, out_what);
	*out_what = err == 0 ? "mapping the rings" : *out_what;
	if (err == 0)
		err = map_rings(port); /* a socket that is bound lets nobody map (Linux 6.1) */
	*out_what = err == 0 ? "binding to the queue" : *out_what;
	if (err == 0 && (!native || bh_xdp_socket_bind(xdp, 0, true) != 0))
		err = bh_xdp_socket_bind(xdp, 0, false);
	return err;
}

static void
fill(struct port *port, uint32_t first_frame)
{
	struct ring *ring = &port->ring[BH_XDP_FILL];
	uint32_t at = *ring->producer;
	for (uint32_t i = 0; i < BH_XDP_ENTRIES; i++)
		((uint64_t *)ring->entry)[at++ & (BH_XDP_ENTRIES - 1)] = (uint64_t)(first_frame + i) * BH_XDP_CHUNK;
	__atomic_store_n(ring->producer, at, __ATOMIC_RELEASE);
}

/* What `to` has sent goes back to where it was received. */
static void
recycle(struct port *to, struct port *from)
{
	struct ring *done = &to->ring[BH_XDP_COMPLETION], *free_ring = &from->ring[BH_XDP_FILL];
	uint32_t at = *done->consumer, end = __atomic_load_n(done->producer, __ATOMIC_ACQUIRE),
	         put = *free_ring->producer;
	for (; at != end; at++)
		((uint64_t *)free_ring->entry)[put++ & (BH_XDP_ENTRIES - 1)] =
		        ((uint64_t *)done->entry)[at & (BH_XDP_ENTRIES - 1)];
	__atomic_store_n(done->consumer, at, __ATOMIC_RELEASE);
	__atomic_store_n(free_ring->producer, put, __ATOMIC_RELEASE);
}

static void
one_way(struct port *from, struct port *to)
{
	struct ring *rx = &from->ring[BH_XDP_RX], *tx = &to->ring[BH_XDP_TX];
	uint32_t at = *rx->consumer, end = __atomic_load_n(rx->producer, __ATOMIC_ACQUIRE), put = *tx->producer;
	uint32_t room = BH_XDP_ENTRIES - (put - __atomic_load_n(tx->consumer, __ATOMIC_ACQUIRE));
	uint32_t cnt = BH_MIN(end - at, BURST);
	cnt = BH_MIN(cnt, room);
	for (uint32_t i = 0; i < cnt; i++)
		((struct xdp_desc *)tx->entry)[put++ & (BH_XDP_ENTRIES - 1)] =
		        ((struct xdp_desc *)rx->entry)[at++ & (BH_XDP_ENTRIES - 1)];
	if (cnt != 0) {
		__atomic_store_n(rx->consumer, at, __ATOMIC_RELEASE);
		__atomic_store_n(tx->producer, put, __ATOMIC_RELEASE);
	}
	(void)bh_xdp_wake(&to->xdp.socket[0]);
	recycle(to, from);
}

int
bh_net_peer_af_xdp(const char *a, const char *b, bool native)
{
	static struct port port[2];
	const uint64_t bytes = (uint64_t)FRAME_CNT * BH_XDP_CHUNK;
	const char *const name[2] = {a, b}, *what = "memory";
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	int err = memory == MAP_FAILED ? -errno : 0, i;
	for (i = 0; i < 2 && err == 0; i++)
		err = open_port(&port[i], name[i], native, memory, bytes, &what);
	if (err != 0) {
		fprintf(stderr, "bulkhead compare net-peer: %s, %s: %s\n", name[i == 0 ? 0 : i - 1], what,
		        strerror(-err));
		return 1;
	}
	fill(&port[0], 0);
	fill(&port[1], BH_XDP_ENTRIES);
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	printf("ready %s\n", port[0].xdp.socket[0].zero_copy ? "zero-copy" : "copy");
	fflush(stdout);
	while (!stopped) {
		one_way(&port[0], &port[1]);
		one_way(&port[1], &port[0]);
	}
	return 0;
}
