/* SPDX-License-Identifier: Apache-2.0 */
/* What vhost_user.c, vhost_user_message.c and vhost_user_socket.c share. */
#ifndef HOST_DEVICE_VHOST_USER_PRIVATE_H
#define HOST_DEVICE_VHOST_USER_PRIVATE_H

#include <bulkhead/spec/vhost_user.h>

#include "devices/virtio_net/vnet_model.h"
#include "host/device/vhost_user.h"

#define BH_VHOST_USER_RINGS_MAX (2 * BH_VHOST_USER_PAIRS_MAX)

struct bh_vhost_user {
	struct bh_backend backend;
	struct vnet_model *model;
	char path[108];
	int listen_fd; /* -1: client mode */
	int fd;        /* -1: nobody is there */
	bool was_lost; /* the other side went while the driver was running */
	bool started;  /* the vrings are the other side's */
	uint32_t started_cnt;
	uint32_t queue_cnt;
	uint64_t features; /* that the other side offers */
	uint64_t protocol; /* protocol features in use */
	int kick_fd[BH_VHOST_USER_RINGS_MAX], call_fd[BH_VHOST_USER_RINGS_MAX];
	/* The arena */
	int arena_fd;
	uint64_t arena_iova, arena_bytes, arena_offset;
	uint8_t *arena;
	uint8_t config[256];
};

/* vhost_user_socket.c */
BH_MUST_CHECK int bh_vhu_connect(struct bh_vhost_user *vhu, struct bh_error *error);
BH_MUST_CHECK int bh_vhu_listen(struct bh_vhost_user *vhu, struct bh_error *error);
/* bh_vhu_accept - who wants to connect now, at most wait_ns from now. Return: 0; -EAGAIN nobody; or a negative errno. */
BH_MUST_CHECK int bh_vhu_accept(struct bh_vhost_user *vhu, uint64_t wait_ns);
/* bh_vhu_send, bh_vhu_receive - one message; -ENODEV the other side is gone; -ETIMEDOUT; -EPROTO */
BH_MUST_CHECK int bh_vhu_send(struct bh_vhost_user *vhu, uint32_t request, const void *payload, uint32_t payload_bytes,
                              int fd);
BH_MUST_CHECK int bh_vhu_receive(struct bh_vhost_user *vhu, uint32_t request, void *payload, uint32_t payload_bytes);
/* bh_vhu_is_gone - whether the other side has closed, without waiting */
bool bh_vhu_is_gone(struct bh_vhost_user *vhu);
void bh_vhu_disconnect(struct bh_vhost_user *vhu);

/* vhost_user_message.c: what is to be said, in the protocol's order. Each: 0 or a negative errno. */
BH_MUST_CHECK int bh_vhu_greet(struct bh_vhost_user *vhu);
BH_MUST_CHECK int bh_vhu_start(struct bh_vhost_user *vhu);
BH_MUST_CHECK int bh_vhu_stop(struct bh_vhost_user *vhu);

#endif
