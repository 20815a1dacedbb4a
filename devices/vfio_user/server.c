/* SPDX-License-Identifier: Apache-2.0 */
/* The server's life: sockets, one client at a time, steps. */
#define _GNU_SOURCE
#include <devices/vfio_user/server_private.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int
watch(struct vfu_server *server, int fd, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.fd = fd};
	return epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

int
vfu_watch_conn(struct vfu_server *server, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.fd = server->conn.fd};
	if (server->conn_events == events)
		return 0;
	if (epoll_ctl(server->epoll_fd, EPOLL_CTL_MOD, server->conn.fd, &event) < 0)
		return -errno;
	server->conn_events = events;
	return 0;
}

void
vfu_kick(struct vfu_server *server, bool readable)
{
	uint64_t value = 1;
	ssize_t done =
	        readable ? write(server->kick_fd, &value, sizeof(value)) : read(server->kick_fd, &value, sizeof(value));
	(void)done; /* non-blocking; only the eventfd's level counts */
}

void
vfu_lose(struct vfu_server *server)
{
	server->lost = true;
	vfu_kick(server, true);
}

/* Somebody who listens answers a connection; a socket file without a listener is left over and may go. */
static int
remove_stale(const struct sockaddr_un *addr)
{
	struct stat st;
	if (lstat(addr->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EADDRINUSE;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	bool stale = connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0 && errno == ECONNREFUSED;
	close(fd);
	if (!stale)
		return -EADDRINUSE;
	return unlink(addr->sun_path) < 0 ? -errno : 0;
}

static int
bind_path(struct vfu_server *server)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct stat st;
	memcpy(addr.sun_path, server->path, sizeof(addr.sun_path));
	int err = remove_stale(&addr);
	if (err)
		return err;
	server->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (server->listen_fd < 0)
		return -errno;
	if (bind(server->listen_fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -errno;
	server->listens = true;
	if (lstat(server->path, &st) == 0) {
		server->path_inode = st.st_ino;
		server->path_device = st.st_dev;
	}
	if (listen(server->listen_fd, 4) < 0)
		return -errno;
	return watch(server, server->listen_fd, EPOLLIN);
}

static int
adopt(struct vfu_server *server, int fd)
{
	int err = vfu_channel_init(&server->conn, fd);
	if (err)
		return err;
	err = watch(server, fd, EPOLLIN);
	if (err) {
		server->conn.fd = -1; /* still the caller's */
		return err;
	}
	server->conn_events = EPOLLIN;
	server->accepted_ns = vfu_clock_ns();
	server->state = VFU_STATE_NEGOTIATING;
	server->lost = false;
	return 0;
}

static struct vfu_server *
allocate(const struct vfu_device *device)
{
	struct vfu_server *server = calloc(1, sizeof(*server));
	if (server == NULL)
		return NULL;
	server->device = *device;
	server->epoll_fd = server->listen_fd = server->kick_fd = -1;
	server->conn.fd = server->twin.fd = server->reply.close_fd = -1;
	for (uint32_t i = 0; i < VFU_REGION_CNT; i++)
		server->memory[i].fd = -1;
	memcpy(server->config, device->config.initial, sizeof(server->config));
	server->mapping = calloc(VFU_DMA_MAPS_MAX, sizeof(server->mapping[0]));
	server->reply.bytes = malloc(VFU_REPLY_BYTES_MAX);
	if (server->mapping == NULL || server->reply.bytes == NULL) {
		vfu_server_destroy(server);
		return NULL;
	}
	return server;
}

static int
open_events(struct vfu_server *server)
{
	server->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	server->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (server->epoll_fd < 0 || server->kick_fd < 0)
		return -errno;
	return watch(server, server->kick_fd, EPOLLIN);
}

int
vfu_server_create(const struct vfu_device *device, const char *path, int conn_fd, struct vfu_server **out)
{
	if (device->ops == NULL || vfu_config_check(&device->config) || (path == NULL) != (conn_fd >= 0))
		return -EINVAL;
	if (path && strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return -ENAMETOOLONG;
	struct vfu_server *server = allocate(device);
	if (server == NULL)
		return -ENOMEM;
	int err = vfu_regions_create(server);
	if (err == 0)
		err = vfu_irqs_create(server);
	if (err == 0)
		err = open_events(server);
	if (err == 0 && path) {
		strcpy(server->path, path);
		err = bind_path(server);
	} else if (err == 0) {
		err = adopt(server, conn_fd);
	}
	if (err) {
		vfu_server_destroy(server);
		return err;
	}
	*out = server;
	return 0;
}

/*
 * Quiesce, then unmap: the model is reset before its memory goes ("Client Disconnection": client memory and interrupt
 * descriptors are released; that the device is also reset is ours, so that no client meets what another one left).
 */
static void
disconnect(struct vfu_server *server)
{
	if (server->state == VFU_STATE_LISTENING)
		return;
	bool was_connected = server->state == VFU_STATE_CONNECTED;
	const struct vfu_device_ops *ops = server->device.ops;
	vfu_regions_zero(server);
	memcpy(server->config, server->device.config.initial, sizeof(server->config));
	if (was_connected && ops->reset)
		(void)ops->reset(server->device.context, VFU_RESET_DISCONNECT);
	vfu_dma_drop_all(server);
	vfu_irqs_drop_all(server);
	vfu_channel_close(&server->conn);
	vfu_channel_close(&server->twin);
	for (uint32_t i = 0; i < server->stash_cnt; i++)
		vfu_message_release(&server->stash[i]);
	server->stash_cnt = 0;
	vfu_kick(server, false);
	if (server->reply.close_fd >= 0)
		close(server->reply.close_fd);
	server->reply.close_fd = -1;
	server->tx_bytes = server->tx_done = 0;
	server->lost = false;
	server->state = VFU_STATE_LISTENING;
	if (was_connected && ops->disconnected)
		ops->disconnected(server->device.context);
}

/* Somebody else may have put another socket in its place. */
static void
remove_path(const struct vfu_server *server)
{
	struct stat st;
	if (server->listens && lstat(server->path, &st) == 0 && st.st_ino == server->path_inode &&
	    st.st_dev == server->path_device)
		unlink(server->path);
}

void
vfu_server_destroy(struct vfu_server *server)
{
	if (server == NULL)
		return;
	disconnect(server);
	remove_path(server);
	const int fds[] = {server->listen_fd, server->kick_fd, server->epoll_fd};
	for (size_t i = 0; i < BH_ARRAY_CNT(fds); i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
	vfu_regions_destroy(server);
	free(server->vector);
	free(server->mapping);
	free(server->reply.bytes);
	free(server);
}

int
vfu_server_fd(const struct vfu_server *server)
{
	return server->epoll_fd;
}

bool
vfu_server_connected(const struct vfu_server *server)
{
	return server->state == VFU_STATE_CONNECTED && !server->lost;
}

/* One client at a time: a second one is closed at once, unless the first has not said its version for too long. */
static void
accept_client(struct vfu_server *server)
{
	int fd = accept4(server->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	if (server->state == VFU_STATE_NEGOTIATING && vfu_clock_ns() - server->accepted_ns > VFU_NEGOTIATION_TIMEOUT_NS)
		disconnect(server);
	if (server->state != VFU_STATE_LISTENING || adopt(server, fd) < 0)
		close(fd);
}

static void
handle_one(struct vfu_server *server, struct vfu_message *message)
{
	int err = vfu_handle(server, message);
	vfu_message_release(message);
	if (err)
		disconnect(server);
}

static void
serve_stash(struct vfu_server *server)
{
	struct vfu_message message = server->stash[0];
	server->stash_cnt--;
	memmove(&server->stash[0], &server->stash[1], server->stash_cnt * sizeof(server->stash[0]));
	if (server->stash_cnt == 0)
		vfu_kick(server, false);
	handle_one(server, &message);
}

static void
serve_conn(struct vfu_server *server)
{
	struct vfu_message message = {0};
	int got = server->tx_bytes > 0 ? vfu_flush(server) : vfu_channel_receive(&server->conn, &message);
	if (got < 0)
		disconnect(server);
	else if (got > 0)
		handle_one(server, &message);
}

int
vfu_server_step(struct vfu_server *server)
{
	struct epoll_event event[3];
	if (server->lost) {
		disconnect(server);
		return 1;
	}
	if (server->stash_cnt > 0 && server->tx_bytes == 0) {
		serve_stash(server);
		return 1;
	}
	int cnt = epoll_wait(server->epoll_fd, event, BH_ARRAY_CNT(event), 0);
	for (int i = 0; i < cnt; i++) {
		if (event[i].data.fd == server->listen_fd)
			accept_client(server);
		else if (server->state != VFU_STATE_LISTENING && event[i].data.fd == server->conn.fd)
			serve_conn(server);
	}
	if (cnt > 0)
		return 1;
	return server->state == VFU_STATE_LISTENING ? -ENOTCONN : 0;
}
