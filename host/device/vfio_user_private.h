/* SPDX-License-Identifier: Apache-2.0 */
/* The client's inside, shared by its .c files. */
#ifndef HOST_DEVICE_VFIO_USER_PRIVATE_H
#define HOST_DEVICE_VFIO_USER_PRIVATE_H

#include <devices/vfio_user/capabilities.h>
#include <devices/vfio_user/channel.h>
#include <host/device/vfio_user.h>
#include <host/errors/errors.h>

#define BH_VFU_PEER_BYTES 112u
/* A reset may have to wait for the device's own work. */
#define BH_VFU_RESET_FACTOR 10u

/* Memory that the device may reach; found again for its DMA_READ and DMA_WRITE, and for the unmap. */
struct bh_vfu_map {
	uint64_t iova, size_bytes;
	uint8_t *addr;
	size_t mmap_bytes; /* 0: the caller's memory (bh_vfio_user_dma_map_private) */
};

struct bh_vfu_client {
	struct bh_backend backend; /* first: callers hold a pointer to it */
	struct vfu_channel main, twin;
	int epoll_fd;                 /* watches both, for bh_vfio_user_fd() */
	char peer[BH_VFU_PEER_BYTES]; /* the socket, for messages */
	uint64_t timeout_ns;
	struct vfu_capabilities server;
	uint32_t device_flags;
	uint32_t region_cnt, irq_cnt;
	uint32_t vector_cnt[VFIO_USER_IRQ_CNT];
	uint64_t config_bytes;
	int bar_fd[BH_DEVICE_BARS_MAX]; /* -1: none */
	uint16_t next_message_id;
	bool lost;
	struct bh_error lost_why;
	struct bh_vfu_map *map;
	uint32_t map_cnt, map_room;
};

/* One command and its reply. `head` and then `data` are the payload. */
struct bh_vfu_call {
	uint16_t command;
	const void *head;
	uint32_t head_bytes;
	const void *data;
	uint32_t data_bytes;
	const int *fds;
	uint32_t fd_cnt;
	uint32_t timeout_factor;  /* 0: 1 */
	uint32_t reply_bytes_min; /* a shorter payload of the reply breaks the protocol */
};

/* 0 and *reply to release (NULL: not wanted); or a negative errno and `error`. */
int bh_vfu_call(struct bh_vfu_client *client, const struct bh_vfu_call *call, struct vfu_message *reply,
                struct bh_error *error);
/* Give the server up: later calls return -ENODEV with this text. Returns err. */
int bh_vfu_lose(struct bh_vfu_client *client, int err, const struct bh_error *why, struct bh_error *error);
int bh_vfu_broken(struct bh_vfu_client *client, const char *what, struct bh_error *error);
const char *bh_vfu_command_name(uint16_t command);

/* 0, with the socket in client->main. */
int bh_vfu_connect(struct bh_vfu_client *client, int socket_fd, const char *socket_path, struct bh_error *error);
int bh_vfu_agree_version(struct bh_vfu_client *client, struct bh_error *error);

int bh_vfu_read_regions(struct bh_vfu_client *client, struct bh_error *error);
int bh_vfu_region_read(struct bh_vfu_client *client, uint32_t region, uint64_t offset, uint32_t width_bytes,
                       uint64_t *out_value, struct bh_error *error);
int bh_vfu_region_write(struct bh_vfu_client *client, uint32_t region, uint64_t offset, uint32_t width_bytes,
                        uint64_t value, struct bh_error *error);

int bh_vfu_dma_map(struct bh_backend *backend, uint64_t iova, uint64_t size_bytes, int fd, uint64_t fd_offset,
                   struct bh_error *error);
int bh_vfu_dma_unmap(struct bh_backend *backend, uint64_t iova, uint64_t size_bytes, struct bh_error *error);
void bh_vfu_dma_close(struct bh_vfu_client *client);
/* Answer the server's own command. 0, or a negative errno: the server is to be given up. */
int bh_vfu_serve(struct bh_vfu_client *client, struct vfu_channel *channel, const struct vfu_message *message,
                 uint64_t deadline_ns);

BH_INLINE struct bh_vfu_client *
bh_vfu_client_of(const struct bh_backend *backend)
{
	return (struct bh_vfu_client *)(uintptr_t)backend;
}

#endif
