/* SPDX-License-Identifier: Apache-2.0 */
/* One command: checked, handed to its section's function, answered. */
#define _GNU_SOURCE
#include <devices/vfio_user/server_private.h>

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

static int
handle_device_info(struct vfu_server *server, struct vfu_message *message)
{
	struct vfio_user_device_info info;
	memcpy(&info, message->payload, sizeof(info));
	if (info.argsz < sizeof(info))
		return -EINVAL;
	info = (struct vfio_user_device_info){.argsz = sizeof(info),
	                                      .flags = VFIO_USER_DEVICE_RESETTABLE | VFIO_USER_DEVICE_PCI,
	                                      .num_regions = VFIO_USER_REGION_CNT,
	                                      .num_irqs = VFIO_USER_IRQ_CNT};
	memcpy(vfu_reply_payload(server), &info, sizeof(info));
	server->reply.payload_bytes = sizeof(info);
	return 0;
}

static int
handle_reset(struct vfu_server *server, struct vfu_message *message)
{
	vfu_regions_zero(server);
	return server->device.ops->reset ? server->device.ops->reset(server->device.context, VFU_RESET_CLIENT) : 0;
}

/* Migration and features (and whatever is not listed) are refused. */
static const struct vfu_command {
	int (*handle)(struct vfu_server *, struct vfu_message *);
	uint32_t payload_bytes_min;
	bool takes_fds;
} commands[] = {
        [VFIO_USER_VERSION] = {vfu_handle_version, sizeof(struct vfio_user_version), false},
        [VFIO_USER_DMA_MAP] = {vfu_handle_dma_map, sizeof(struct vfio_user_dma_map), true},
        [VFIO_USER_DMA_UNMAP] = {vfu_handle_dma_unmap, sizeof(struct vfio_user_dma_unmap), true},
        [VFIO_USER_DEVICE_GET_INFO] = {handle_device_info, sizeof(struct vfio_user_device_info), false},
        [VFIO_USER_DEVICE_GET_REGION_INFO] = {vfu_handle_region_info, sizeof(struct vfio_user_region_info), false},
        [VFIO_USER_DEVICE_GET_REGION_IO_FDS] = {vfu_handle_region_io_fds, sizeof(struct vfio_user_region_io_fds),
                                                false},
        [VFIO_USER_DEVICE_GET_IRQ_INFO] = {vfu_handle_irq_info, sizeof(struct vfio_user_irq_info), false},
        [VFIO_USER_DEVICE_SET_IRQS] = {vfu_handle_set_irqs, sizeof(struct vfio_user_irq_set), true},
        [VFIO_USER_REGION_READ] = {vfu_handle_region_read, sizeof(struct vfio_user_region_access), false},
        [VFIO_USER_REGION_WRITE] = {vfu_handle_region_write, sizeof(struct vfio_user_region_access), false},
        [VFIO_USER_DEVICE_RESET] = {handle_reset, 0, false},
        [VFIO_USER_REGION_WRITE_MULTI] = {vfu_handle_region_write_multi, sizeof(uint64_t), false},
};

static int
dispatch(struct vfu_server *server, struct vfu_message *message)
{
	uint32_t command = message->header.command;
	bool version = command == VFIO_USER_VERSION;
	if (version != (server->state == VFU_STATE_NEGOTIATING))
		return -EPROTO; /* the version comes first, and once */
	if (command >= BH_ARRAY_CNT(commands) || commands[command].handle == NULL)
		return -ENOTSUP;
	if (message->payload_bytes < commands[command].payload_bytes_min || message->fds_lost)
		return -EINVAL;
	if (message->fd_cnt > 0 && !commands[command].takes_fds)
		return -EINVAL;
	return commands[command].handle(server, message);
}

static void
end_reply(struct vfu_server *server)
{
	if (server->reply.close_fd >= 0)
		close(server->reply.close_fd);
	server->reply.close_fd = -1;
	server->reply.fd_cnt = 0;
	server->tx_bytes = server->tx_done = 0;
}

/* Send what the socket takes of the reply. Return: 0 (see tx_bytes for whether more is left) or a negative errno. */
int
vfu_flush(struct vfu_server *server)
{
	while (server->tx_done < server->tx_bytes) {
		struct iovec iov = {server->reply.bytes + server->tx_done, server->tx_bytes - server->tx_done};
		uint32_t fd_cnt = server->tx_done == 0 ? server->reply.fd_cnt : 0;
		int64_t sent = vfu_channel_send_some(&server->conn, &iov, 1, server->reply.fd, fd_cnt);
		if (sent < 0)
			return (int)sent;
		if (sent == 0)
			return vfu_watch_conn(server, EPOLLOUT);
		server->tx_done += (uint32_t)sent;
	}
	end_reply(server);
	return vfu_watch_conn(server, EPOLLIN);
}

static int
send_reply(struct vfu_server *server, const struct vfio_user_header *request, int result)
{
	bool failed = result < 0;
	struct vfio_user_header header = {.message_id = request->message_id, .command = request->command};
	if (request->flags & VFIO_USER_FLAG_NO_REPLY) {
		end_reply(server);
		return 0;
	}
	if (failed) {
		end_reply(server);
		server->reply.payload_bytes = 0; /* "the reply message must only include the reply header" */
	}
	header.message_bytes = (uint32_t)sizeof(header) + server->reply.payload_bytes;
	header.flags = VFIO_USER_TYPE_REPLY | (failed ? VFIO_USER_FLAG_ERROR : 0);
	header.error = failed ? (uint32_t)-result : 0;
	memcpy(server->reply.bytes, &header, sizeof(header));
	server->tx_bytes = header.message_bytes;
	server->tx_done = 0;
	return vfu_flush(server);
}

/* Return: 0, or a negative errno: the client is to be disconnected. */
int
vfu_handle(struct vfu_server *server, struct vfu_message *message)
{
	if ((message->header.flags & VFIO_USER_FLAG_TYPE_MASK) != VFIO_USER_TYPE_COMMAND)
		return -EPROTO; /* a reply that nothing asked for */
	server->reply.payload_bytes = 0;
	server->reply.fd_cnt = 0;
	int result = dispatch(server, message);
	int err = server->lost ? -ENOTCONN : send_reply(server, &message->header, result);
	if (err)
		return err;
	/* Without an agreed version there is nothing more to say. */
	return server->state == VFU_STATE_NEGOTIATING ? -EPROTO : 0;
}
