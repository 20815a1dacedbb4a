/* SPDX-License-Identifier: Apache-2.0 */
/* What af_xdp.c and af_xdp_socket.c share. */
#ifndef HOST_DEVICE_AF_XDP_PRIVATE_H
#define HOST_DEVICE_AF_XDP_PRIVATE_H

#include <pthread.h>

#include <bulkhead/abi/af_xdp.h>

#include "host/device/af_xdp.h"

/* One socket, with our own mapping of the two rings whose wishes we serve. */
struct bh_xdp_socket {
	int fd;
	volatile uint32_t *tx_producer, *tx_consumer, *tx_flags, *fill_flags;
	void *tx_map, *fill_map;
	uint64_t tx_bytes, fill_bytes;
	bool zero_copy;
};

struct bh_af_xdp {
	struct bh_backend backend;
	char interface[16];
	unsigned ifindex;
	enum bh_af_xdp_mode mode;
	uint32_t queue_cnt;
	struct bh_xdp_socket socket[BH_XDP_QUEUES_MAX];
	int map_fd, prog_fd, link_fd, promisc_fd, info_fd;
	struct bh_xdp_info *info;
	void *arena;
	uint64_t arena_bytes;
	pthread_t thread;
	bool thread_runs, stop;
};

/* af_xdp_socket.c: each 0 or a negative errno, with *out_what saying what was tried. */
BH_MUST_CHECK int bh_xdp_socket_make(struct bh_af_xdp *xdp, uint32_t queue_idx, const char **out_what);
/* bh_xdp_socket_bind - to its queue. @zero_copy: or not at all. */
BH_MUST_CHECK int bh_xdp_socket_bind(struct bh_af_xdp *xdp, uint32_t queue_idx, bool zero_copy);
void bh_xdp_socket_close(struct bh_xdp_socket *socket);
/* bh_xdp_program_attach - redirect each frame to its queue's socket. @native: in the card's driver. */
BH_MUST_CHECK int bh_xdp_program_attach(struct bh_af_xdp *xdp, bool native, const char **out_what);
/* bh_xdp_wake - what the kernel waits for. Return: whether there was anything. */
bool bh_xdp_wake(struct bh_xdp_socket *socket);

#endif
