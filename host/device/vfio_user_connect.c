/* SPDX-License-Identifier: Apache-2.0 */
/* The way to a server: its socket, and VFIO_USER_VERSION. */
#define _GNU_SOURCE
#include <host/device/vfio_user_private.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static int
explain_connect(const struct bh_vfu_client *client, int err, struct bh_error *error)
{
	const char *name = client->backend.name, *peer = client->peer;
	switch (-err) {
	case ENOENT:
		return bh_error_set(
		        error, "E040", err,
		        "device %s: no socket %s. Start the device first, or correct `socket` in [device %s]", name,
		        peer, name);
	case ENOTSOCK:
		return bh_error_set(
		        error, "E040", err,
		        "device %s: %s is not a socket. Correct `socket` in [device %s]: it names the path that "
		        "a vfio-user device listens on",
		        name, peer, name);
	case EPROTOTYPE:
		return bh_error_set(error, "E040", err,
		                    "device %s: %s is not a stream socket, so no vfio-user device. Correct `socket` in "
		                    "[device %s]",
		                    name, peer, name);
	case EACCES:
	case EPERM:
		return bh_error_set(error, "E041", err,
		                    "device %s: no permission to connect to %s. Give this user write permission on the "
		                    "socket and search permission on its directories",
		                    name, peer);
	case ECONNREFUSED:
		return bh_error_set(
		        error, "E040", err,
		        "device %s: nobody listens on %s. The device that made the socket has ended: start it "
		        "again",
		        name, peer);
	case ETIMEDOUT:
		return bh_error_set(
		        error, "E045", err,
		        "device %s: the server at %s accepts no connection (its queue stayed full for %llu ms). "
		        "Is it hung, or serving another client?",
		        name, peer, (unsigned long long)(client->timeout_ns / 1000000));
	default:
		return bh_error_set(error, "E042", err, "device %s: cannot connect to %s: %s", name, peer,
		                    strerror(-err));
	}
}

/* connect() says ECONNREFUSED of a regular file, which would mislead. */
static int
check_path(const char *path)
{
	struct stat st;
	if (stat(path, &st) < 0)
		return -errno;
	return S_ISSOCK(st.st_mode) ? 0 : -ENOTSOCK;
}

/* A full queue of connections is EAGAIN, which no poll() waits for: try again each millisecond until the deadline. */
static int
connect_until(int fd, const struct sockaddr_un *addr, uint64_t deadline_ns)
{
	const struct timespec pause = {.tv_nsec = 1000000};
	while (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0) {
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		if (vfu_clock_ns() >= deadline_ns)
			return -ETIMEDOUT;
		nanosleep(&pause, NULL);
	}
	return 0;
}

static int
connect_path(const char *path, uint64_t timeout_ns, int *out_fd)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, path, strlen(path));
	int err = check_path(path);
	if (err)
		return err;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	err = connect_until(fd, &addr, vfu_clock_ns() + timeout_ns);
	if (err) {
		close(fd);
		return err;
	}
	*out_fd = fd;
	return 0;
}

static int
check_socket(int fd)
{
	int type = 0;
	socklen_t bytes = sizeof(type);
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &bytes) < 0)
		return -errno;
	return type == SOCK_STREAM ? 0 : -EPROTOTYPE;
}

static int
watch(struct bh_vfu_client *client, int fd)
{
	struct epoll_event event = {.events = EPOLLIN};
	if (client->epoll_fd < 0)
		client->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	return client->epoll_fd < 0 || epoll_ctl(client->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

int
bh_vfu_connect(struct bh_vfu_client *client, int socket_fd, const char *socket_path, struct bh_error *error)
{
	int fd = socket_fd;
	int err = fd >= 0 ? check_socket(fd) : connect_path(socket_path, client->timeout_ns, &fd);
	if (err == 0)
		err = watch(client, fd);
	if (err == 0)
		err = vfu_channel_init(&client->main, fd);
	if (err == 0)
		return 0;
	if (fd >= 0)
		close(fd);
	return explain_connect(client, err, error);
}

/* "A client requesting twin-socket mode must examine the twin_socket capability in the reply". */
static int
take_twin(struct bh_vfu_client *client, struct vfu_message *reply, struct bh_error *error)
{
	if (!client->server.twin_supported)
		return 0;
	int idx = client->server.twin_fd_idx;
	int fd = idx < 0 ? -1 : vfu_message_take_fd(reply, (uint32_t)idx);
	if (fd < 0 || check_socket(fd) < 0 || watch(client, fd) < 0 || vfu_channel_init(&client->twin, fd) < 0) {
		if (fd >= 0)
			close(fd);
		return bh_vfu_broken(client, "it agreed to a second socket and sent none", error);
	}
	return 0;
}

static int
check_version(struct bh_vfu_client *client, struct vfu_message *reply, struct bh_error *error)
{
	struct vfio_user_version version;
	struct bh_error why;
	const char *reason;
	memcpy(&version, reply->payload, sizeof(version));
	if (version.major != VFIO_USER_VERSION_MAJOR || version.minor > VFIO_USER_VERSION_MINOR) {
		bh_error_set(&why, "E043", 0,
		             "device %s: the server at %s speaks vfio-user %u.%u, this program %u.%u: they cannot work "
		             "together. Use a server that speaks %u.%u",
		             client->backend.name, client->peer, version.major, version.minor, VFIO_USER_VERSION_MAJOR,
		             VFIO_USER_VERSION_MINOR, VFIO_USER_VERSION_MAJOR, VFIO_USER_VERSION_MINOR);
		return bh_vfu_lose(client, -EPROTONOSUPPORT, &why, error);
	}
	int err = vfu_capabilities_parse(reply->payload + sizeof(version),
	                                 reply->payload_bytes - (uint32_t)sizeof(version), &client->server, &reason);
	if (err)
		return bh_vfu_broken(client, reason, error);
	return take_twin(client, reply, error);
}

int
bh_vfu_agree_version(struct bh_vfu_client *client, struct bh_error *error)
{
	const struct vfio_user_version version = {VFIO_USER_VERSION_MAJOR, VFIO_USER_VERSION_MINOR};
	const struct vfu_capabilities ours = {
	        .named = VFU_CAP_MAX_MSG_FDS | VFU_CAP_MAX_DATA_XFER | VFU_CAP_PGSIZES | VFU_CAP_TWIN_SOCKET,
	        .max_msg_fds = VFU_CHANNEL_FDS_MAX,
	        .max_data_xfer_bytes = VFIO_USER_DEFAULT_MAX_DATA_XFER_BYTES,
	        .pgsizes = VFIO_USER_DEFAULT_PGSIZES,
	        .twin_supported = true,
	        .twin_fd_idx = -1,
	};
	char *text = vfu_capabilities_format(&ours);
	if (text == NULL)
		return bh_error_set(error, "E042", -ENOMEM, "device %s: out of memory", client->backend.name);
	struct vfu_message reply = {0};
	const struct bh_vfu_call call = {.command = VFIO_USER_VERSION,
	                                 .head = &version,
	                                 .head_bytes = sizeof(version),
	                                 .data = text,
	                                 .data_bytes = (uint32_t)strlen(text) + 1,
	                                 .reply_bytes_min = sizeof(version)};
	int err = bh_vfu_call(client, &call, &reply, error);
	free(text);
	if (err)
		return err;
	err = check_version(client, &reply, error);
	vfu_message_release(&reply);
	return err;
}
