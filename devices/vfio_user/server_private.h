/* SPDX-License-Identifier: Apache-2.0 */
/* The server's inside, shared by its .c files (one per section of the specification). */
#ifndef DEVICES_VFIO_USER_SERVER_PRIVATE_H
#define DEVICES_VFIO_USER_SERVER_PRIVATE_H

#include <devices/vfio_user/capabilities.h>
#include <devices/vfio_user/channel.h>
#include <devices/vfio_user/server.h>

/* Commands that came while the server waited for a reply of the client's. */
#define VFU_STASH_MAX 16u
/* A client that has not sent its version for so long makes room for the next one. */
#define VFU_NEGOTIATION_TIMEOUT_NS UINT64_C(2000000000)

enum vfu_server_state {
	VFU_STATE_LISTENING = 0,   /* no client */
	VFU_STATE_NEGOTIATING = 1, /* a client, but no version yet */
	VFU_STATE_CONNECTED = 2,
};

struct vfu_region_memory {
	int fd; /* -1: nothing of the region is mappable */
	uint8_t *base;
};

/* What munmap needs: the mapping may begin before the granted range, on the file's page boundary. */
struct vfu_mapping {
	struct vfu_dma_map map;
	void *mmap_base;
	size_t mmap_bytes;
};

struct vfu_vector {
	int trigger_fd, mask_fd, unmask_fd; /* -1: none */
	bool masked;
	bool pending;
};

/* The reply that is being built or sent: header, payload, and descriptors that stay the server's. */
struct vfu_reply {
	uint8_t *bytes; /* VFU_REPLY_BYTES_MAX */
	uint32_t payload_bytes;
	uint32_t fd_cnt;
	int fd[1];
	int close_fd; /* after sending, or -1 */
};

#define VFU_REPLY_BYTES_MAX (sizeof(struct vfio_user_header) + VFU_CHANNEL_PAYLOAD_BYTES_MAX)

struct vfu_server {
	struct vfu_server_hot hot; /* first: vfu_server_dma_translate() */
	struct vfu_device device;
	uint8_t config[VFU_CONFIG_BYTES_MAX];
	struct vfu_region_memory memory[VFU_REGION_CNT];

	struct vfu_mapping *mapping; /* [VFU_DMA_MAPS_MAX], sorted by iova, disjoint */
	uint32_t mapping_cnt;

	struct vfu_vector *vector; /* INTx, then MSI, then MSI-X */
	uint32_t vector_first[3];
	uint32_t vector_cnt[3];
	uint32_t eventfd_cnt[3]; /* vectors with a trigger_fd */

	enum vfu_server_state state;
	int epoll_fd, listen_fd;
	int kick_fd; /* eventfd: readable while the stash holds commands */
	bool listens;
	char path[108];
	uint64_t path_inode, path_device;
	struct vfu_channel conn;
	struct vfu_channel twin; /* fd -1: server-to-client commands go over conn */
	uint64_t accepted_ns;
	struct vfu_capabilities client;
	bool lost; /* the client broke the protocol or left: disconnect as soon as nobody uses its things */

	struct vfu_reply reply;
	uint32_t conn_events;       /* what epoll_fd watches conn for */
	uint32_t tx_bytes, tx_done; /* of the reply that waits for room in the socket; 0: none */
	struct vfu_message stash[VFU_STASH_MAX];
	uint32_t stash_cnt;
	uint16_t next_message_id;
};

/* message.c */
int vfu_handle(struct vfu_server *server, struct vfu_message *message);
int vfu_flush(struct vfu_server *server);
/* version.c */
int vfu_handle_version(struct vfu_server *server, struct vfu_message *message);
/* region.c */
int vfu_regions_create(struct vfu_server *server);
void vfu_regions_destroy(struct vfu_server *server);
void vfu_regions_zero(struct vfu_server *server);
int vfu_handle_region_info(struct vfu_server *server, struct vfu_message *message);
int vfu_handle_region_io_fds(struct vfu_server *server, struct vfu_message *message);
int vfu_handle_region_read(struct vfu_server *server, struct vfu_message *message);
int vfu_handle_region_write(struct vfu_server *server, struct vfu_message *message);
int vfu_handle_region_write_multi(struct vfu_server *server, struct vfu_message *message);
/* config.c */
int vfu_config_check(const struct vfu_config *config);
void vfu_config_write(struct vfu_server *server, uint32_t offset, uint32_t cnt_bytes, const uint8_t *data);
/* dma.c */
int vfu_handle_dma_map(struct vfu_server *server, struct vfu_message *message);
int vfu_handle_dma_unmap(struct vfu_server *server, struct vfu_message *message);
void vfu_dma_drop_all(struct vfu_server *server);
/* irq.c */
int vfu_irqs_create(struct vfu_server *server);
void vfu_irqs_drop_all(struct vfu_server *server);
int vfu_handle_irq_info(struct vfu_server *server, struct vfu_message *message);
int vfu_handle_set_irqs(struct vfu_server *server, struct vfu_message *message);
/* server.c */
void vfu_kick(struct vfu_server *server, bool readable);
void vfu_lose(struct vfu_server *server);
int vfu_watch_conn(struct vfu_server *server, uint32_t events);

/* vfu_reply_payload - where the reply's payload is built; 8-byte aligned. */
BH_INLINE void *
vfu_reply_payload(struct vfu_server *server)
{
	return server->reply.bytes + sizeof(struct vfio_user_header);
}

#endif
