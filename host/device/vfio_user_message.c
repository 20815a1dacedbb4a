/* SPDX-License-Identifier: Apache-2.0 */
/* The client's messages: a command, its reply by its id, and what the server asks meanwhile. */
#include <host/device/vfio_user_private.h>

#include <errno.h>
#include <poll.h>
#include <string.h>

#define UNASKED_MAX 64u /* messages served in one look at a channel */

const char *
bh_vfu_command_name(uint16_t command)
{
	static const char *const names[] = {
	        [VFIO_USER_VERSION] = "VERSION",
	        [VFIO_USER_DMA_MAP] = "DMA_MAP",
	        [VFIO_USER_DMA_UNMAP] = "DMA_UNMAP",
	        [VFIO_USER_DEVICE_GET_INFO] = "DEVICE_GET_INFO",
	        [VFIO_USER_DEVICE_GET_REGION_INFO] = "DEVICE_GET_REGION_INFO",
	        [VFIO_USER_DEVICE_GET_IRQ_INFO] = "DEVICE_GET_IRQ_INFO",
	        [VFIO_USER_DEVICE_SET_IRQS] = "DEVICE_SET_IRQS",
	        [VFIO_USER_REGION_READ] = "REGION_READ",
	        [VFIO_USER_REGION_WRITE] = "REGION_WRITE",
	        [VFIO_USER_DEVICE_RESET] = "DEVICE_RESET",
	};
	const char *name = command < BH_ARRAY_CNT(names) ? names[command] : NULL;
	return name ? name : "an unnamed command";
}

int
bh_vfu_lose(struct bh_vfu_client *client, int err, const struct bh_error *why, struct bh_error *error)
{
	if (!client->lost)
		client->lost_why = *why;
	client->lost = true;
	vfu_channel_close(&client->main);
	vfu_channel_close(&client->twin);
	if (error)
		*error = *why;
	return err;
}

int
bh_vfu_broken(struct bh_vfu_client *client, const char *what, struct bh_error *error)
{
	struct bh_error why;
	int err =
	        bh_error_set(&why, "E048", -EPROTO,
	                     "device %s: the server at %s broke the vfio-user protocol: %s. Check that the socket is a "
	                     "vfio-user device's, and the server's version",
	                     client->backend.name, client->peer, what);
	return bh_vfu_lose(client, err, &why, error);
}

/* The stream ended or failed while the client sent or waited. */
static int
lost_in(struct bh_vfu_client *client, const char *during, int err, struct bh_error *error)
{
	struct bh_error why;
	const char *name = client->backend.name;
	if (err == -EPROTO)
		return bh_vfu_broken(client, "a message with an impossible size", error);
	if (err == -ETIMEDOUT)
		bh_error_set(&why, "E045", err,
		             "device %s: the server at %s did not answer %s in time (%llu ms). Is it running and not "
		             "serving another client? See its log",
		             name, client->peer, during, (unsigned long long)(client->timeout_ns / 1000000));
	else if (err == -ENODEV || err == -ECONNRESET)
		err = bh_error_set(&why, "E047", -ENODEV,
		                   "device %s is gone: the server at %s closed the connection %s%s. It ended, or "
		                   "serves another client; see its log",
		                   name, client->peer, during ? "during " : "while idle", during ? during : "");
	else
		bh_error_set(&why, "E048", err, "device %s: the socket %s failed during %s: %s", name, client->peer,
		             during ? during : "idle time", strerror(-err));
	return bh_vfu_lose(client, err, &why, error);
}

static int
refused(struct bh_vfu_client *client, const struct vfu_message *reply, struct bh_error *error)
{
	uint32_t number = reply->header.error;
	int err = number > 0 && number < 4096 ? -(int)number : -EIO; /* "It may be zero even if the Error bit is set" */
	const char *command = bh_vfu_command_name(reply->header.command);
	return bh_error_set(error, "E049", err,
	                    "device %s: the server at %s refused %s: %s. See its log for the reason",
	                    client->backend.name, client->peer, command, number ? strerror(-err) : "no reason given");
}

/* Something that is not a reply: the server's own command. Return: 0, or a negative errno with the server given up. */
static int
serve(struct bh_vfu_client *client, struct vfu_channel *channel, struct vfu_message *message, uint64_t deadline_ns,
      struct bh_error *error)
{
	bool is_command = (message->header.flags & VFIO_USER_FLAG_TYPE_MASK) == VFIO_USER_TYPE_COMMAND;
	int err = is_command ? bh_vfu_serve(client, channel, message, deadline_ns) : -EBADMSG;
	vfu_message_release(message);
	if (err == -EBADMSG)
		return bh_vfu_broken(client, "a reply that nothing asked for", error);
	return err ? lost_in(client, "a DMA request of the server", err, error) : 0;
}

/* Whatever has come over one channel, without waiting. Return: 1 *out is the reply; 0 nothing (more); or negative. */
static int
drain(struct bh_vfu_client *client, struct vfu_channel *channel, const struct vfio_user_header *sent,
      struct vfu_message *out, uint64_t deadline_ns, struct bh_error *error)
{
	/* With nothing asked for, a server that never stops talking must not keep us: the next look goes on. */
	for (unsigned cnt = 0; sent != NULL || cnt < UNASKED_MAX; cnt++) {
		int got = vfu_channel_receive(channel, out);
		if (got < 0)
			return lost_in(client, sent ? bh_vfu_command_name(sent->command) : NULL, got, error);
		if (got == 0)
			return 0;
		const struct vfio_user_header *h = &out->header;
		bool is_reply = (h->flags & VFIO_USER_FLAG_TYPE_MASK) == VFIO_USER_TYPE_REPLY;
		if (sent && is_reply && channel == &client->main && h->message_id == sent->message_id) {
			if (h->command == sent->command)
				return 1;
			vfu_message_release(out);
			return bh_vfu_broken(client, "a reply names another command than the request", error);
		}
		int err = serve(client, channel, out, deadline_ns, error);
		if (err)
			return err;
		if (vfu_clock_ns() >= deadline_ns)
			return 0;
	}
	return 0;
}

static int
await_reply(struct bh_vfu_client *client, const struct vfio_user_header *sent, struct vfu_message *out,
            uint64_t deadline_ns, struct bh_error *error)
{
	for (;;) {
		int got = drain(client, &client->main, sent, out, deadline_ns, error);
		if (got == 0 && client->twin.fd >= 0)
			got = drain(client, &client->twin, sent, out, deadline_ns, error);
		if (got != 0)
			return got < 0 ? got : 0;
		struct pollfd p[2] = {{.fd = client->main.fd, .events = POLLIN},
		                      {.fd = client->twin.fd, .events = POLLIN}};
		int n = poll(p, 2, vfu_poll_timeout_ms(deadline_ns));
		if (n < 0 && errno != EINTR)
			return lost_in(client, "poll", -errno, error);
		if (n <= 0 && vfu_clock_ns() >= deadline_ns)
			return lost_in(client, bh_vfu_command_name(sent->command), -ETIMEDOUT, error);
	}
}

static int
check_reply(struct bh_vfu_client *client, const struct bh_vfu_call *call, const struct vfu_message *reply,
            struct bh_error *error)
{
	if (reply->header.flags & VFIO_USER_FLAG_ERROR)
		return refused(client, reply, error);
	if (reply->payload_bytes < call->reply_bytes_min)
		return bh_vfu_broken(client, "a reply is shorter than its command's", error);
	return 0;
}

int
bh_vfu_call(struct bh_vfu_client *client, const struct bh_vfu_call *call, struct vfu_message *reply,
            struct bh_error *error)
{
	if (client->lost) {
		if (error)
			*error = client->lost_why;
		return -ENODEV;
	}
	uint64_t factor = BH_MAX(call->timeout_factor, 1u);
	uint64_t deadline_ns = vfu_clock_ns() + client->timeout_ns * factor;
	struct iovec iov[2] = {{.iov_base = (void *)(uintptr_t)call->head, .iov_len = call->head_bytes},
	                       {.iov_base = (void *)(uintptr_t)call->data, .iov_len = call->data_bytes}};
	struct vfio_user_header header = {.message_id = client->next_message_id++, .command = call->command};
	header.message_bytes = (uint32_t)sizeof(header) + call->head_bytes + call->data_bytes;
	struct vfu_message answer = {0};
	int err = vfu_channel_send(&client->main, &header, iov, 2, call->fds, call->fd_cnt, deadline_ns);
	if (err)
		return lost_in(client, bh_vfu_command_name(call->command), err, error);
	err = await_reply(client, &header, &answer, deadline_ns, error);
	if (err)
		return err;
	err = check_reply(client, call, &answer, error);
	if (err == 0 && reply) {
		*reply = answer;
		return 0;
	}
	vfu_message_release(&answer);
	return err;
}

int
bh_vfio_user_service(struct bh_backend *backend, struct bh_error *error)
{
	struct bh_vfu_client *client = bh_vfu_client_of(backend);
	struct vfu_message unused = {0};
	uint64_t deadline_ns = vfu_clock_ns() + client->timeout_ns;
	int err = 0;
	if (client->lost) {
		if (error)
			*error = client->lost_why;
		return -ENODEV;
	}
	err = drain(client, &client->main, NULL, &unused, deadline_ns, error);
	if (err == 0 && client->twin.fd >= 0)
		err = drain(client, &client->twin, NULL, &unused, deadline_ns, error);
	return err < 0 ? -ENODEV : 0;
}
