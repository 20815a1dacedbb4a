/* SPDX-License-Identifier: Apache-2.0 */
/* VFIO_USER_VERSION: what both ends can do. */
#define _GNU_SOURCE
#include <devices/vfio_user/server_private.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* "Set up a separate command channel": the client's end goes with the reply, as descriptor 0. */
static int
create_twin(struct vfu_server *server)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	int err = vfu_channel_init(&server->twin, pair[0]);
	if (err) {
		close(pair[0]);
		close(pair[1]);
		return err;
	}
	server->reply.fd_cnt = 1;
	server->reply.fd[0] = pair[1];
	server->reply.close_fd = pair[1];
	return 0;
}

/* "The capability list must be a subset of those proposed": only what the client named is answered. */
static char *
our_capabilities(struct vfu_server *server)
{
	struct vfu_capabilities ours = {
	        .named = server->client.named,
	        .max_msg_fds = VFU_MSG_FDS_MAX,
	        .max_data_xfer_bytes = VFU_DATA_XFER_BYTES_MAX,
	        .max_dma_maps = VFU_DMA_MAPS_MAX,
	        .pgsizes = VFIO_USER_DEFAULT_PGSIZES,
	        .twin_supported = server->twin.fd >= 0,
	        .twin_fd_idx = server->twin.fd >= 0 ? 0 : -1,
	        .write_multiple = server->client.write_multiple,
	};
	return vfu_capabilities_format(&ours);
}

int
vfu_handle_version(struct vfu_server *server, struct vfu_message *message)
{
	struct vfio_user_version version;
	const char *why;
	memcpy(&version, message->payload, sizeof(version));
	if (version.major != VFIO_USER_VERSION_MAJOR)
		return -EPROTONOSUPPORT;
	uint32_t data_bytes = message->payload_bytes - (uint32_t)sizeof(version);
	int err = vfu_capabilities_parse(message->payload + sizeof(version), data_bytes, &server->client, &why);
	if (err)
		return err;
	if (server->client.twin_supported && server->client.max_msg_fds > 0)
		err = create_twin(server);
	if (err)
		return err;
	version.minor = (uint16_t)BH_MIN((uint32_t)version.minor, VFIO_USER_VERSION_MINOR);
	uint8_t *reply = vfu_reply_payload(server);
	memcpy(reply, &version, sizeof(version));
	server->reply.payload_bytes = sizeof(version);
	if (data_bytes > 0) {
		char *text = our_capabilities(server);
		if (text == NULL)
			return -ENOMEM;
		size_t bytes = strlen(text) + 1;
		memcpy(reply + sizeof(version), text, bytes);
		server->reply.payload_bytes += (uint32_t)bytes;
		free(text);
	}
	server->state = VFU_STATE_CONNECTED;
	if (server->device.ops->connected)
		server->device.ops->connected(server->device.context);
	return 0;
}
