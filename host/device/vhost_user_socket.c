/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* accept4 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "host/device/vhost_user_private.h"
#include "host/errors/errors.h"

static uint64_t
clock_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Return: 0 ready; -ETIMEDOUT. */
static int
wait_for(int fd, short events, uint64_t deadline_ns)
{
	for (;;) {
		uint64_t now_ns = clock_ns();
		struct pollfd wait = {.fd = fd, .events = events};
		int wait_ms = now_ns >= deadline_ns ? 0 : (int)((deadline_ns - now_ns) / 1000000 + 1);
		int cnt = poll(&wait, 1, wait_ms);
		if (cnt > 0)
			return 0;
		if (cnt < 0 && errno != EINTR)
			return -errno;
		if (now_ns >= deadline_ns)
			return -ETIMEDOUT;
	}
}

static int
address(const struct bh_vhost_user *vhu, struct sockaddr_un *out)
{
	*out = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(vhu->path) >= sizeof(out->sun_path))
		return -ENAMETOOLONG;
	memcpy(out->sun_path, vhu->path, strlen(vhu->path));
	return 0;
}

int
bh_vhu_connect(struct bh_vhost_user *vhu, struct bh_error *error)
{
	struct sockaddr_un addr;
	int err = address(vhu, &addr);
	int fd = err == 0 ? socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1;
	if (err == 0 && fd < 0)
		err = -errno;
	if (err == 0 && connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) != 0)
		err = -errno;
	if (err == 0) {
		vhu->fd = fd;
		return 0;
	}
	if (fd >= 0)
		close(fd);
	return bh_error_set(
	        error, "E305", err,
	        "port %s: cannot connect to the vhost-user socket %s: %s; start the other side first (testpmd "
	        "--vdev net_vhost0,iface=%s), or let it connect to us (server = yes)",
	        vhu->backend.name, vhu->path, strerror(-err), vhu->path);
}

/* A socket that nobody listens on any more is replaced; anything else is left alone. */
static int
clear_path(const struct bh_vhost_user *vhu, const struct sockaddr_un *addr)
{
	struct stat status;
	if (lstat(vhu->path, &status) != 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(status.st_mode))
		return -EEXIST;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	bool alive = connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0;
	close(fd);
	if (alive)
		return -EADDRINUSE;
	return unlink(vhu->path) == 0 ? 0 : -errno;
}

int
bh_vhu_listen(struct bh_vhost_user *vhu, struct bh_error *error)
{
	struct sockaddr_un addr;
	int err = address(vhu, &addr);
	if (err == 0)
		err = clear_path(vhu, &addr);
	vhu->listen_fd = err == 0 ? socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0) : -1;
	if (err == 0 && vhu->listen_fd < 0)
		err = -errno;
	if (err == 0 &&
	    (bind(vhu->listen_fd, (const struct sockaddr *)&addr, sizeof(addr)) != 0 || listen(vhu->listen_fd, 1) != 0))
		err = -errno;
	if (err == 0)
		return 0;
	return bh_error_set(error, "E306", err, "port %s: cannot listen on %s: %s; choose another socket",
	                    vhu->backend.name, vhu->path, strerror(-err));
}

int
bh_vhu_accept(struct bh_vhost_user *vhu, uint64_t wait_ns)
{
	int err = wait_for(vhu->listen_fd, POLLIN, clock_ns() + wait_ns);
	if (err != 0)
		return err == -ETIMEDOUT ? -EAGAIN : err;
	int fd = accept4(vhu->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		return errno == ECONNABORTED || errno == EINTR ? -EAGAIN : -errno;
	vhu->fd = fd;
	return 0;
}

void
bh_vhu_disconnect(struct bh_vhost_user *vhu)
{
	if (vhu->fd >= 0)
		close(vhu->fd);
	vhu->fd = -1;
	vhu->started = false;
}

bool
bh_vhu_is_gone(struct bh_vhost_user *vhu)
{
	char byte;
	if (vhu->fd < 0)
		return true;
	ssize_t got = recv(vhu->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	return got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
}

static void
attach_fd(struct msghdr *message, char *control, size_t control_bytes, int fd)
{
	message->msg_control = control;
	message->msg_controllen = control_bytes;
	struct cmsghdr *head = CMSG_FIRSTHDR(message);
	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(head), &fd, sizeof(fd));
}

int
bh_vhu_send(struct bh_vhost_user *vhu, uint32_t request, const void *payload, uint32_t payload_bytes, int fd)
{
	const struct vhost_user_header header = {request, VHOST_USER_VERSION, payload_bytes};
	uint8_t bytes[sizeof(header) + sizeof(struct vhost_user_memory)];
	char control[CMSG_SPACE(sizeof(int))] = {0};
	size_t size = sizeof(header) + payload_bytes;
	memcpy(bytes, &header, sizeof(header));
	memcpy(bytes + sizeof(header), payload, payload_bytes);
	struct iovec iov = {bytes, size};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
	if (vhu->fd < 0)
		return -ENODEV;
	if (fd >= 0)
		attach_fd(&message, control, sizeof(control), fd);
	int err = wait_for(vhu->fd, POLLOUT, clock_ns() + BH_VHOST_USER_TIMEOUT_NS);
	if (err != 0)
		return err;
	/* Smaller than any socket buffer: it goes as a whole, or the other side does not read at all. */
	ssize_t sent = sendmsg(vhu->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (sent == (ssize_t)size)
		return 0;
	return sent < 0 && errno != EAGAIN ? -ENODEV : -ETIMEDOUT;
}

static int
receive_bytes(struct bh_vhost_user *vhu, void *out, size_t size, uint64_t deadline_ns)
{
	uint8_t *to = out;
	while (size > 0) {
		int err = wait_for(vhu->fd, POLLIN, deadline_ns);
		if (err != 0)
			return err;
		ssize_t got = recv(vhu->fd, to, size, MSG_DONTWAIT);
		if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
			return -ENODEV;
		if (got > 0) {
			to += got;
			size -= (size_t)got;
		}
	}
	return 0;
}

/* The answer to the request before: nothing else comes on this socket. */
int
bh_vhu_receive(struct bh_vhost_user *vhu, uint32_t request, void *payload, uint32_t payload_bytes)
{
	struct vhost_user_header header;
	uint64_t deadline_ns = clock_ns() + BH_VHOST_USER_TIMEOUT_NS;
	if (vhu->fd < 0)
		return -ENODEV;
	int err = receive_bytes(vhu, &header, sizeof(header), deadline_ns);
	if (err != 0)
		return err;
	if (header.request != request || !(header.flags & VHOST_USER_FLAG_REPLY) ||
	    (header.flags & VHOST_USER_FLAG_VERSION) != VHOST_USER_VERSION || header.size != payload_bytes)
		return -EPROTO;
	return receive_bytes(vhu, payload, payload_bytes, deadline_ns);
}
