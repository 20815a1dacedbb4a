/* SPDX-License-Identifier: Apache-2.0 */
/* Messages over a stream socket: see channel.h. */
#define _GNU_SOURCE
#include <devices/vfio_user/channel.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* The kernel's SCM_MAX_FD: room for it means that descriptors are never cut off for want of room. */
#define KERNEL_FDS_MAX 253u
#define SEND_IOV_MAX   4u

uint64_t
vfu_clock_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

int
vfu_poll_timeout_ms(uint64_t deadline_ns)
{
	uint64_t now_ns = vfu_clock_ns();
	if (now_ns >= deadline_ns)
		return 0;
	uint64_t left_ms = (deadline_ns - now_ns + 999999) / 1000000;
	return (int)BH_MIN(left_ms, UINT64_C(1000000));
}

int
vfu_channel_init(struct vfu_channel *channel, int fd)
{
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	*channel = (struct vfu_channel){.fd = fd};
	return 0;
}

void
vfu_channel_close(struct vfu_channel *channel)
{
	if (channel->fd >= 0)
		close(channel->fd);
	channel->fd = -1;
	channel->rx_bytes = 0;
	vfu_message_release(&channel->rx);
}

int
vfu_message_take_fd(struct vfu_message *message, uint32_t idx)
{
	if (idx >= message->fd_cnt)
		return -1;
	int fd = message->fd[idx];
	message->fd[idx] = -1;
	return fd;
}

void
vfu_message_release(struct vfu_message *message)
{
	for (uint32_t i = 0; i < message->fd_cnt; i++) {
		if (message->fd[i] >= 0)
			close(message->fd[i]);
	}
	free(message->payload);
	*message = (struct vfu_message){0};
}

/* Whatever does not fit is closed, and the message says so: nothing that a peer sends stays open by accident. */
static void
keep_fds(struct vfu_message *rx, const int *fds, size_t fd_cnt)
{
	if (rx->fd_cnt + fd_cnt > VFU_CHANNEL_FDS_MAX)
		rx->fds_lost = true;
	for (size_t i = 0; i < fd_cnt; i++) {
		if (rx->fd_cnt < VFU_CHANNEL_FDS_MAX)
			rx->fd[rx->fd_cnt++] = fds[i];
		else
			close(fds[i]);
	}
}

static void
keep_control(struct vfu_message *rx, struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		int fds[KERNEL_FDS_MAX];
		size_t bytes = BH_MIN((size_t)(c->cmsg_len - CMSG_LEN(0)), sizeof(fds));
		memcpy(fds, CMSG_DATA(c), bytes);
		keep_fds(rx, fds, bytes / sizeof(int));
	}
	if (msg->msg_flags & MSG_CTRUNC)
		rx->fds_lost = true;
}

/* Return: bytes received; 0 nothing there; -ENODEV end of the stream; or a negative errno. */
static int64_t
receive_bytes(struct vfu_channel *channel, void *data, size_t bytes)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(KERNEL_FDS_MAX * sizeof(int))];
	} control;
	struct iovec iov = {.iov_base = data, .iov_len = bytes};
	struct msghdr msg = {
	        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	ssize_t got;
	do {
		got = recvmsg(channel->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (got < 0 && errno == EINTR);
	if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return 0;
	if (got < 0)
		return errno == ECONNRESET ? -ENODEV : -errno;
	keep_control(&channel->rx, &msg);
	return got == 0 ? -ENODEV : got;
}

static int
begin_payload(struct vfu_message *rx)
{
	uint32_t bytes = rx->header.message_bytes;
	if (bytes < sizeof(rx->header) || bytes - sizeof(rx->header) > VFU_CHANNEL_PAYLOAD_BYTES_MAX)
		return -EPROTO;
	rx->payload_bytes = bytes - (uint32_t)sizeof(rx->header);
	if (rx->payload_bytes == 0)
		return 0;
	rx->payload = malloc(rx->payload_bytes);
	return rx->payload == NULL ? -ENOMEM : 0;
}

/* Reads header or payload; header and payload are never read in one call, so descriptors stay with their message. */
static int64_t
receive_part(struct vfu_channel *channel)
{
	struct vfu_message *rx = &channel->rx;
	uint32_t header_bytes = sizeof(rx->header);
	if (channel->rx_bytes < header_bytes)
		return receive_bytes(channel, (uint8_t *)&rx->header + channel->rx_bytes,
		                     header_bytes - channel->rx_bytes);
	uint32_t done = channel->rx_bytes - header_bytes;
	return receive_bytes(channel, rx->payload + done, rx->payload_bytes - done);
}

int
vfu_channel_receive(struct vfu_channel *channel, struct vfu_message *out)
{
	struct vfu_message *rx = &channel->rx;
	uint32_t header_bytes = sizeof(rx->header);
	for (;;) {
		int64_t got = receive_part(channel);
		if (got <= 0)
			return got == -ENODEV && channel->rx_bytes > 0 ? -ECONNRESET : (int)got;
		channel->rx_bytes += (uint32_t)got;
		if (channel->rx_bytes < header_bytes)
			continue;
		if (channel->rx_bytes == header_bytes) {
			int err = begin_payload(rx);
			if (err) {
				out->header = rx->header;
				return err;
			}
		}
		if (channel->rx_bytes == header_bytes + rx->payload_bytes)
			break;
	}
	*out = *rx;
	*rx = (struct vfu_message){0};
	channel->rx_bytes = 0;
	return 1;
}

int64_t
vfu_channel_send_some(struct vfu_channel *channel, const struct iovec *iov, uint32_t iov_cnt, const int *fds,
                      uint32_t fd_cnt)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(VFU_CHANNEL_FDS_MAX * sizeof(int))];
	} control = {0};
	struct iovec copy[SEND_IOV_MAX];
	if (iov_cnt > SEND_IOV_MAX || fd_cnt > VFU_CHANNEL_FDS_MAX)
		return -EINVAL;
	memcpy(copy, iov, iov_cnt * sizeof(*iov));
	struct msghdr msg = {.msg_iov = copy, .msg_iovlen = iov_cnt};
	if (fd_cnt > 0) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(fd_cnt * sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		*c = (struct cmsghdr){
		        .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(fd_cnt * sizeof(int))};
		memcpy(CMSG_DATA(c), fds, fd_cnt * sizeof(int));
	}
	ssize_t sent;
	do {
		sent = sendmsg(channel->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (sent < 0 && errno == EINTR);
	if (sent >= 0)
		return sent;
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		return 0;
	return errno == EPIPE || errno == ECONNRESET ? -ENODEV : -errno;
}

static void
advance(struct iovec *iov, uint32_t iov_cnt, size_t bytes)
{
	for (uint32_t i = 0; i < iov_cnt && bytes > 0; i++) {
		size_t part = BH_MIN(iov[i].iov_len, bytes);
		iov[i].iov_base = (uint8_t *)iov[i].iov_base + part;
		iov[i].iov_len -= part;
		bytes -= part;
	}
}

int
vfu_channel_send(struct vfu_channel *channel, const struct vfio_user_header *header, const struct iovec *payload,
                 uint32_t payload_cnt, const int *fds, uint32_t fd_cnt, uint64_t deadline_ns)
{
	struct iovec iov[SEND_IOV_MAX] = {{.iov_base = (void *)(uintptr_t)header, .iov_len = sizeof(*header)}};
	if (payload_cnt > SEND_IOV_MAX - 1)
		return -EINVAL;
	size_t left = sizeof(*header);
	for (uint32_t i = 0; i < payload_cnt; i++) {
		iov[i + 1] = payload[i];
		left += payload[i].iov_len;
	}
	for (;;) {
		int64_t sent = vfu_channel_send_some(channel, iov, payload_cnt + 1, fds, fd_cnt);
		if (sent < 0)
			return (int)sent;
		left -= (size_t)sent;
		if (left == 0)
			return 0;
		if (sent > 0)
			fd_cnt = 0;
		advance(iov, payload_cnt + 1, (size_t)sent);
		int err = vfu_channel_wait(channel, POLLOUT, deadline_ns);
		if (err)
			return err;
	}
}

int
vfu_channel_wait(const struct vfu_channel *channel, short events, uint64_t deadline_ns)
{
	for (;;) {
		struct pollfd p = {.fd = channel->fd, .events = events};
		int n = poll(&p, 1, vfu_poll_timeout_ms(deadline_ns));
		if (n > 0)
			return 0;
		if (n == 0 && vfu_clock_ns() >= deadline_ns)
			return -ETIMEDOUT;
		if (n < 0 && errno != EINTR)
			return -errno;
	}
}
