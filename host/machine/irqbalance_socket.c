/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where irqbalance listens: a file (its versions differ in the folder), an abstract address with its name, or, as 1.9.2 does
 * without /run/irqbalance, the abstract address of 107 zeroes.
 */
#include "host/machine/irqbalance_socket.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "host/device/sysfs.h"

#define FULL_QUEUE_SLEEP_NS 20000000

struct address {
	struct sockaddr_un un;
	socklen_t bytes;
};

static bool
is_its_name(const char *name)
{
	size_t bytes = strlen(name);
	return strncmp(name, "irqbalance", 10) == 0 && bytes > 15 && strcmp(name + bytes - 5, ".sock") == 0 &&
	       strspn(name + 10, "0123456789") == bytes - 15;
}

/* Root listens there, or we ourselves do. */
static bool
is_trusted(int fd)
{
	struct ucred peer;
	socklen_t bytes = sizeof(peer);
	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) == 0 && (peer.uid == 0 || peer.uid == geteuid());
}

/* Return: a descriptor; -ECONNREFUSED, -ENOENT nobody there; -EAGAIN its queue is full until the deadline. */
static int
connect_to(const struct address *address, uint64_t deadline_ns)
{
	int err, fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	for (;;) {
		err = connect(fd, (const struct sockaddr *)&address->un, address->bytes) == 0 ? 0 : -errno;
		if (err != -EAGAIN || bh_irqbalance_now_ns() >= deadline_ns)
			break;
		nanosleep(&(struct timespec){.tv_nsec = FULL_QUEUE_SLEEP_NS}, NULL);
	}
	if (err == 0 && !is_trusted(fd))
		err = -ECONNREFUSED;
	if (err == 0)
		return fd;
	close(fd);
	return err;
}

static int
connect_file(const char *root, const char *folder, uint64_t deadline_ns)
{
	struct bh_sys_names names;
	int found = bh_sys_list(&names, root, "%s", folder);
	if (found != 0)
		return found;
	found = -ENOENT;
	for (size_t i = 0; i < names.cnt && found < 0 && found != -EAGAIN && found != -EACCES; i++) {
		struct address to = {.un = {.sun_family = AF_UNIX}, .bytes = sizeof(to.un)};
		int bytes = snprintf(to.un.sun_path, sizeof(to.un.sun_path), "%s%s/%s", root, folder, names.name[i]);
		if (is_its_name(names.name[i]) && bytes < (int)sizeof(to.un.sun_path))
			found = connect_to(&to, deadline_ns);
	}
	bh_sys_names_free(&names);
	return found;
}

/* A line of /proc/net/unix ends with the address, zeroes of it as '@'. Return: whether irqbalance may have made it. */
static bool
abstract_of(const char *line, struct address *out)
{
	const char *name = strrchr(line, ' ');
	size_t bytes = name != NULL ? strlen(++name) : 0;
	*out = (struct address){.un = {.sun_family = AF_UNIX}};
	if (bytes < 2 || bytes > sizeof(out->un.sun_path) || name[0] != '@')
		return false;
	out->bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + bytes);
	if (strspn(name, "@") == bytes)
		return bytes + 1 >= sizeof(out->un.sun_path);
	memcpy(out->un.sun_path + 1, name + 1, bytes - 1);
	/* Addresses of a fixed length have zeroes behind the name. */
	char *end = memchr(out->un.sun_path + 1, '@', bytes - 1);
	if (end == NULL && bytes == sizeof(out->un.sun_path))
		return false;
	if (end != NULL)
		memset(end, 0, sizeof(out->un.sun_path) - (size_t)(end - out->un.sun_path));
	return is_its_name(out->un.sun_path + 1);
}

static int
connect_abstract(const char *root, uint64_t deadline_ns)
{
	char *text, *rest, *line;
	struct address to;
	int found = -ENOENT;
	if (bh_sys_load(&text, root, "/proc/net/unix") < 0)
		return found;
	rest = text;
	while ((line = strsep(&rest, "\n")) != NULL && found < 0 && found != -EAGAIN) {
		if (abstract_of(line, &to))
			found = connect_to(&to, deadline_ns);
	}
	free(text);
	return found;
}

static int
connect_any(const char *root, uint64_t deadline_ns)
{
	static const char *const folder[] = {"/run/irqbalance", "/run"};
	int fd = -ENOENT;
	for (size_t i = 0; i < BH_ARRAY_CNT(folder); i++) {
		fd = connect_file(root, folder[i], deadline_ns);
		if (fd >= 0 || fd == -EAGAIN || fd == -EACCES)
			return fd;
	}
	fd = connect_abstract(root, deadline_ns);
	return fd >= 0 || fd == -EAGAIN ? fd : -ENOENT;
}

static int
send_with_credentials(int fd, const char *message)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(struct ucred))];
	} control = {0};
	const struct ucred self = {.pid = getpid(), .uid = geteuid(), .gid = getegid()};
	struct iovec data = {.iov_base = (void *)(uintptr_t)message, .iov_len = strlen(message)};
	struct msghdr header = {
	        .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	control.header = (struct cmsghdr){
	        .cmsg_len = CMSG_LEN(sizeof(self)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_CREDENTIALS};
	memcpy(CMSG_DATA(&control.header), &self, sizeof(self));
	/* A fresh socket has room for it all. */
	ssize_t sent = sendmsg(fd, &header, MSG_NOSIGNAL);
	if (sent < 0)
		return -errno;
	return (size_t)sent == data.iov_len ? 0 : -EPROTO;
}

/* Return: 0; -ETIMEDOUT. */
static int
wait_readable(int fd, uint64_t deadline_ns)
{
	struct pollfd one = {.fd = fd, .events = POLLIN};
	for (;;) {
		uint64_t now = bh_irqbalance_now_ns();
		if (now >= deadline_ns)
			return -ETIMEDOUT;
		int ready = poll(&one, 1, (int)BH_MIN((deadline_ns - now) / 1000000 + 1, UINT64_C(60000)));
		if (ready > 0)
			return 0;
		if (ready < 0 && errno != EINTR)
			return -errno;
	}
}

static int
read_all(int fd, uint64_t deadline_ns, char *answer, size_t answer_bytes)
{
	size_t used = 0;
	for (;;) {
		char piece[4096];
		int err = wait_readable(fd, deadline_ns);
		if (err != 0)
			return err;
		ssize_t got = recv(fd, piece, sizeof(piece), 0);
		if (got < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (got < 0 && errno != ECONNRESET)
			return -errno;
		if (got <= 0)
			break;
		if ((size_t)got >= answer_bytes - used)
			return -EPROTO;
		memcpy(answer + used, piece, (size_t)got);
		used += (size_t)got;
	}
	answer[used] = '\0';
	if (strlen(answer) != used)
		return -EPROTO;
	bh_sys_clean(answer);
	return 0;
}

int
bh_irqbalance_talk(const char *root, const char *message, uint64_t deadline_ns, char *answer, size_t answer_bytes)
{
	answer[0] = '\0';
	int fd = connect_any(root, deadline_ns);
	if (fd < 0)
		return fd;
	int err = send_with_credentials(fd, message);
	if (err == 0)
		err = read_all(fd, deadline_ns, answer, answer_bytes);
	close(fd);
	return err;
}
