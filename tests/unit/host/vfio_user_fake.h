/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A vfio-user server for tests of the client: answers from the specification's tables, byte by byte, on a thread of
 * its own, and can be told to lie. It shares nothing with the real server.
 */
#ifndef TESTS_UNIT_HOST_VFIO_USER_FAKE_H
#define TESTS_UNIT_HOST_VFIO_USER_FAKE_H

#include "../devices/vfio_user_peer.h"

#include <host/device/vfio_user.h>
#include <pthread.h>

enum {
	REPLY = 1,
	ERROR = 1 << 5,
};

struct fake;

/* Return: true if it dealt with the request (and answered it, or not); false: the ordinary answer. */
typedef bool fake_hook(struct fake *fake, const struct peer_message *request);

struct fake {
	int sock, client_sock;
	pthread_t thread;
	fake_hook *hook;
	/* Sends the message in its own way (and frees it); NULL: as it is. */
	void (*mangle)(struct fake *fake, struct peer_message m, const int *fds, uint32_t fd_cnt);
	void *arg;
	const char *json; /* NULL: no version data */
	int bar_fd;
	uint8_t config[256];
	uint8_t registers[0x4000];
	unsigned cnt[32];             /* requests by command */
	struct peer_message last[32]; /* the last one of each command, with its descriptors */
	unsigned fds_before;
};

static inline struct peer_message
fake_reply(const struct peer_message *request, uint32_t flags, uint32_t error)
{
	struct peer_message m = peer_message(get16(request, 0), get16(request, 2), REPLY | flags);
	memcpy(m.bytes + 12, &error, 4);
	return m;
}

static inline void
fake_send_fds(struct fake *f, struct peer_message m, const int *fds, uint32_t fd_cnt)
{
	if (f->mangle)
		f->mangle(f, m, fds, fd_cnt);
	else
		peer_send(f->sock, m, fds, fd_cnt);
}

static inline void
fake_send(struct fake *f, struct peer_message m)
{
	fake_send_fds(f, m, NULL, 0);
}

static inline void
fake_answer_version(struct fake *f, const struct peer_message *request)
{
	struct peer_message m = fake_reply(request, 0, 0);
	put16(&m, 0);
	put16(&m, 1);
	if (f->json)
		put_bytes(&m, f->json, (uint32_t)strlen(f->json) + 1);
	fake_send(f, m);
}

static inline void
fake_answer_device_info(struct fake *f, const struct peer_message *request)
{
	struct peer_message m = fake_reply(request, 0, 0);
	put32(&m, 16);
	put32(&m, 3);
	put32(&m, 9);
	put32(&m, 5);
	fake_send(f, m);
}

/* The head of a region info reply: argsz, flags, index, cap_offset, size, offset. */
static inline void
put_region(struct peer_message *m, uint32_t argsz, uint32_t flags, uint32_t index, uint32_t cap, uint64_t size,
           uint64_t offset)
{
	put32(m, argsz);
	put32(m, flags);
	put32(m, index);
	put32(m, cap);
	put64(m, size);
	put64(m, offset);
}

static inline void
put_sparse(struct peer_message *m, uint32_t next, uint32_t cnt)
{
	put16(m, 1);
	put16(m, 1);
	put32(m, next);
	put32(m, cnt);
	put32(m, 0);
}

/* BAR0: 16 KiB, mappable from 0x1000; configuration space; nothing else. */
static inline void
fake_answer_region_info(struct fake *f, const struct peer_message *request)
{
	struct peer_message m = fake_reply(request, 0, 0);
	uint32_t index = get32(request, 24);
	if (index != 0) {
		put_region(&m, 32, index == 7 ? 3 : 0, index, 0, index == 7 ? 256 : 0, 0);
		fake_send(f, m);
		return;
	}
	put_region(&m, 64, 15, 0, 32, 0x4000, 0);
	put_sparse(&m, 0, 1);
	put64(&m, 0x1000);
	put64(&m, 0x3000);
	fake_send_fds(f, m, &f->bar_fd, 1);
}

static inline void
fake_answer_irq_info(struct fake *f, const struct peer_message *request)
{
	struct peer_message m = fake_reply(request, 0, 0);
	uint32_t index = get32(request, 24);
	put32(&m, 16);
	put32(&m, 1);
	put32(&m, index);
	put32(&m, index == 2 ? 20 : 1);
	fake_send(f, m);
}

static inline void
fake_answer_access(struct fake *f, const struct peer_message *request)
{
	struct peer_message m = fake_reply(request, 0, 0);
	uint64_t offset = get64(request, 16);
	uint32_t region = get32(request, 24), cnt = get32(request, 28);
	uint8_t *memory = region == 7 ? f->config : f->registers;
	put64(&m, offset);
	put32(&m, region);
	put32(&m, cnt);
	if (get16(request, 2) == 9)
		put_bytes(&m, memory + offset, cnt);
	else
		memcpy(memory + offset, request->bytes + 32, cnt);
	fake_send(f, m);
}

static inline void
fake_answer(struct fake *f, const struct peer_message *request)
{
	switch (get16(request, 2)) {
	case 1:
		fake_answer_version(f, request);
		break;
	case 4:
		fake_answer_device_info(f, request);
		break;
	case 5:
		fake_answer_region_info(f, request);
		break;
	case 7:
		fake_answer_irq_info(f, request);
		break;
	case 9:
	case 10:
		fake_answer_access(f, request);
		break;
	default:
		fake_send(f, fake_reply(request, 0, 0));
	}
}

static inline void *
fake_run(void *arg)
{
	struct fake *f = arg;
	for (;;) {
		struct peer_message request;
		/* Not peer_receive() at once: the client may be idle for longer than that waits. */
		struct pollfd p = {.fd = f->sock, .events = POLLIN};
		poll(&p, 1, -1);
		if (!peer_receive(f->sock, &request))
			return NULL;
		uint32_t command = get16(&request, 2) & 31;
		f->cnt[command]++;
		peer_free(&f->last[command]);
		f->last[command] = request;
		bool is_reply = get32(&request, 8) & REPLY; /* to a request of the test's own */
		if (!is_reply && (f->hook == NULL || !f->hook(f, &request)))
			fake_answer(f, &request);
	}
}

static inline void
fake_start(struct fake *f, fake_hook *hook)
{
	int pair[2];
	*f = (struct fake){.hook = hook, .json = "{\"capabilities\":{\"max_msg_fds\":8}}", .fds_before = open_fd_cnt()};
	const uint8_t config[16] = {0x36, 0x1b, 0x10, 0x00, 0, 0, 0, 0, 0x02, 0x02, 0x08, 0x01};
	memcpy(f->config, config, sizeof(config));
	f->bar_fd = memory_file(0x4000);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	f->sock = pair[0];
	f->client_sock = pair[1];
}

/* Begin to serve; whatever a test changes in the fake is set before. */
static inline int
fake_open(struct fake *f, uint64_t timeout_ns, struct bh_backend **out, struct bh_error *error)
{
	assert_int_equal(pthread_create(&f->thread, NULL, fake_run, f), 0);
	return bh_vfio_user_open_timeout("nvme0", f->client_sock, NULL, timeout_ns, out, error);
}

/* After the client closed: no descriptor may be left over. */
static inline void
fake_stop(struct fake *f)
{
	pthread_join(f->thread, NULL);
	for (int i = 0; i < 32; i++)
		peer_free(&f->last[i]);
	close(f->sock);
	close(f->bar_fd);
	assert_int_equal(open_fd_cnt(), f->fds_before);
}

#endif
