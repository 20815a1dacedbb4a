/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The other end of a vfio-user socket for tests: builds messages byte by byte at the offsets of the specification's
 * tables, without the program's structures, sends them with descriptors, and reads what comes back.
 */
#ifndef TESTS_UNIT_DEVICES_VFIO_USER_PEER_H
#define TESTS_UNIT_DEVICES_VFIO_USER_PEER_H

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define PEER_BYTES_MAX      (1u << 21) /* received */
#define PEER_SEND_BYTES_MAX (1u << 14) /* built */
#define PEER_WAIT_MS        20000

/* A message: header at 0 (id 0, command 2, size 4, flags 8, error 12), payload from 16. */
struct peer_message {
	uint8_t *bytes;
	uint32_t size;
	int fd[32];
	uint32_t fd_cnt;
};

static inline void
put(struct peer_message *m, uint64_t value, uint32_t width)
{
	assert_true(m->size + width <= PEER_SEND_BYTES_MAX);
	memcpy(m->bytes + m->size, &value, width);
	m->size += width;
}

static inline void
put16(struct peer_message *m, uint32_t value)
{
	put(m, value, 2);
}

static inline void
put32(struct peer_message *m, uint32_t value)
{
	put(m, value, 4);
}

static inline void
put64(struct peer_message *m, uint64_t value)
{
	put(m, value, 8);
}

static inline void
put_bytes(struct peer_message *m, const void *data, uint32_t bytes)
{
	assert_true(m->size + bytes <= PEER_SEND_BYTES_MAX);
	memcpy(m->bytes + m->size, data, bytes);
	m->size += bytes;
}

/* An empty message with room; the size field is filled by peer_send(). */
static inline struct peer_message
peer_message(uint32_t id, uint32_t command, uint32_t flags)
{
	struct peer_message m = {.bytes = malloc(PEER_SEND_BYTES_MAX)};
	assert_non_null(m.bytes);
	put16(&m, id);
	put16(&m, command);
	put32(&m, 0);
	put32(&m, flags);
	put32(&m, 0);
	return m;
}

static inline uint64_t
get(const struct peer_message *m, uint32_t offset, uint32_t width)
{
	uint64_t value = 0;
	assert_true(offset + width <= m->size);
	memcpy(&value, m->bytes + offset, width);
	return value;
}

static inline uint32_t
get16(const struct peer_message *m, uint32_t offset)
{
	return (uint32_t)get(m, offset, 2);
}

static inline uint32_t
get32(const struct peer_message *m, uint32_t offset)
{
	return (uint32_t)get(m, offset, 4);
}

static inline uint64_t
get64(const struct peer_message *m, uint32_t offset)
{
	return get(m, offset, 8);
}

static inline void
peer_free(struct peer_message *m)
{
	for (uint32_t i = 0; i < m->fd_cnt; i++) {
		if (m->fd[i] >= 0)
			close(m->fd[i]);
	}
	free(m->bytes);
	*m = (struct peer_message){0};
}

static inline void
peer_send_raw(int sock, const void *bytes, size_t size, const int *fds, uint32_t fd_cnt)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(64 * sizeof(int))];
	} control = {0};
	struct iovec iov = {(void *)(uintptr_t)bytes, size};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	if (fd_cnt > 0) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(fd_cnt * sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(fd_cnt * sizeof(int));
		if (fds)
			memcpy(CMSG_DATA(c), fds, fd_cnt * sizeof(int));
	}
	ssize_t sent = sendmsg(sock, &msg, MSG_NOSIGNAL);
	if (sent < 0 && (errno == EPIPE || errno == ECONNRESET))
		return; /* the other end gave up first: its test says whether it should have */
	assert_int_equal(sent, (ssize_t)size);
}

/* Sends and frees; an end that closed meanwhile is not an error here. */
static inline void
peer_send(int sock, struct peer_message m, const int *fds, uint32_t fd_cnt)
{
	memcpy(m.bytes + 4, &m.size, 4);
	peer_send_raw(sock, m.bytes, m.size, fds, fd_cnt);
	free(m.bytes);
}

static inline bool
peer_read(int sock, struct peer_message *m, uint32_t bytes)
{
	while (bytes > 0) {
		union {
			struct cmsghdr align;
			char space[CMSG_SPACE(32 * sizeof(int))];
		} control;
		struct iovec iov = {m->bytes + m->size, bytes};
		struct msghdr msg = {
		        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
		struct pollfd p = {.fd = sock, .events = POLLIN};
		assert_int_equal(poll(&p, 1, PEER_WAIT_MS), 1);
		ssize_t got = recvmsg(sock, &msg, MSG_DONTWAIT);
		if (got <= 0)
			return false;
		for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
			uint32_t cnt = (uint32_t)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
			memcpy(m->fd + m->fd_cnt, CMSG_DATA(c), cnt * sizeof(int));
			m->fd_cnt += cnt;
		}
		m->size += (uint32_t)got;
		bytes -= (uint32_t)got;
	}
	return true;
}

/* One whole message; false: the other end closed. */
static inline bool
peer_receive(int sock, struct peer_message *out)
{
	*out = (struct peer_message){.bytes = malloc(16)};
	assert_non_null(out->bytes);
	if (peer_read(sock, out, 16)) {
		uint32_t size = get32(out, 4);
		assert_true(size >= 16 && size <= PEER_BYTES_MAX);
		out->bytes = realloc(out->bytes, size);
		assert_non_null(out->bytes);
		if (peer_read(sock, out, size - 16))
			return true;
	}
	peer_free(out);
	return false;
}

static inline unsigned
open_fd_cnt(void)
{
	unsigned cnt = 0;
	DIR *dir = opendir("/proc/self/fd");
	assert_non_null(dir);
	while (readdir(dir))
		cnt++;
	closedir(dir);
	return cnt;
}

static inline int
memory_file(uint64_t bytes)
{
	int fd = memfd_create("test", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
	return fd;
}

#endif
