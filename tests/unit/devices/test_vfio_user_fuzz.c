/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hostile clients against the server: messages of every command with fields drawn from the edges, wrong sizes, cut
 * and joined streams, descriptors of every kind. The server must neither crash, block, answer out of form, nor keep a
 * descriptor.
 *
 * test_vfio_user_fuzz [SEED [MESSAGES]] runs one longer session; without arguments it runs the seeds of `make test`.
 */
#include "vfio_user_fixture.h"

#include <sys/eventfd.h>

#define SEEDS             8u
#define MESSAGES_PER_SEED 3000u

static uint64_t first_seed = 1, seed_cnt = SEEDS, message_cnt = MESSAGES_PER_SEED;
static uint64_t state64;

static uint64_t
draw(uint64_t below)
{
	state64 ^= state64 << 13;
	state64 ^= state64 >> 7;
	state64 ^= state64 << 17;
	return (state64 * UINT64_C(2685821657736338717) >> 11) % below;
}

static uint64_t
edge(void)
{
	static const uint64_t edges[] = {0,
	                                 1,
	                                 2,
	                                 3,
	                                 4,
	                                 7,
	                                 8,
	                                 15,
	                                 16,
	                                 17,
	                                 19,
	                                 20,
	                                 23,
	                                 24,
	                                 31,
	                                 32,
	                                 33,
	                                 64,
	                                 255,
	                                 256,
	                                 4095,
	                                 4096,
	                                 4097,
	                                 0x1000,
	                                 0x2000,
	                                 0x4000,
	                                 0x10000,
	                                 0xfffff,
	                                 0x100000,
	                                 0x100001,
	                                 INT32_MAX,
	                                 UINT32_MAX,
	                                 UINT32_MAX - 15,
	                                 INT64_MAX,
	                                 UINT64_MAX,
	                                 UINT64_MAX - 0xfff,
	                                 UINT64_MAX / 24};
	return draw(4) ? edges[draw(BH_ARRAY_CNT(edges))] : draw(UINT64_MAX);
}

/* Fields as wide as those of the specification's tables, mostly small. */
static struct peer_message
random_message(void)
{
	struct peer_message m = peer_message((uint32_t)draw(65536), (uint32_t)draw(draw(8) ? 19 : 65536),
	                                     (uint32_t)(draw(16) ? 0 : draw(64)));
	uint64_t field_cnt = draw(8);
	for (uint64_t i = 0; i < field_cnt; i++)
		put(&m, draw(3) ? draw(64) : edge(), draw(2) ? 4 : 8);
	uint64_t tail = draw(12) ? draw(40) : draw(5000);
	for (uint64_t i = 0; i < tail; i++)
		put(&m, draw(256), 1);
	return m;
}

/* What a good client would send, so that the deeper states are reached. */
static struct peer_message
sensible_message(void)
{
	static const uint32_t access_size[] = {1, 2, 4, 8, 3, 100};
	struct peer_message m;
	switch (draw(5)) {
	case 0:
		m = peer_message(1, 2, 0); /* DMA_MAP */
		put32(&m, 32);
		put32(&m, (uint32_t)draw(5));
		put64(&m, draw(4) << 12);
		put64(&m, draw(64) << 12);
		put64(&m, (1 + draw(8)) << 12);
		return m;
	case 1:
		m = peer_message(1, 3, 0); /* DMA_UNMAP */
		put32(&m, 24);
		put32(&m, draw(16) ? 0 : 2);
		put64(&m, draw(64) << 12);
		put64(&m, (1 + draw(8)) << 12);
		return m;
	case 2:
		m = peer_message(1, 8, 0); /* SET_IRQS */
		put32(&m, 20);
		put32(&m, 1u << draw(3) | 8u << draw(3));
		put32(&m, (uint32_t)draw(4));
		put32(&m, (uint32_t)draw(4));
		put32(&m, (uint32_t)draw(4));
		put64(&m, 0x0101010101010101);
		return m;
	default: {
		bool write = draw(2);
		uint32_t bytes = access_size[draw(BH_ARRAY_CNT(access_size))];
		m = peer_message(1, write ? 10 : 9, 0);
		put64(&m, draw(0x4000));
		put32(&m, (uint32_t)draw(9));
		put32(&m, bytes);
		for (uint32_t i = 0; write && i < bytes; i++)
			put(&m, draw(256), 1);
		return m;
	}
	}
}

static uint32_t
random_fds(int *fds)
{
	uint32_t cnt = (uint32_t)(draw(3) ? draw(3) : draw(40));
	for (uint32_t i = 0; i < cnt; i++) {
		switch (draw(4)) {
		case 0:
			fds[i] = eventfd(0, EFD_CLOEXEC);
			break;
		case 1:
			fds[i] = dup(STDERR_FILENO);
			break;
		default:
			fds[i] = memory_file(draw(2) ? 0x10000 : draw(0x3000));
		}
	}
	return cnt;
}

/* A size that is not the message's, seldom; split at a random place, sometimes. */
static void
send_mangled(int sock, struct peer_message m)
{
	int fds[64];
	uint32_t size = draw(40) ? m.size : (uint32_t)edge();
	uint32_t fd_cnt = draw(3) ? 0 : random_fds(fds);
	uint32_t cut = draw(4) ? m.size : 1 + (uint32_t)draw(m.size);
	memcpy(m.bytes + 4, &size, 4);
	peer_send_raw(sock, m.bytes, cut, fds, fd_cnt);
	for (uint32_t i = 0; i < fd_cnt; i++)
		close(fds[i]);
	if (cut < m.size && draw(8))
		peer_send_raw(sock, m.bytes + cut, m.size - cut, NULL, 0);
	free(m.bytes);
}

/* Everything that the server answered: well-formed as far as it goes (a large reply may still be on its way). */
static void
drain(struct fixture *f)
{
	static uint8_t bytes[1 << 20];
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(32 * sizeof(int))];
	} control;
	for (;;) {
		struct iovec iov = {bytes, sizeof(bytes)};
		struct msghdr msg = {
		        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
		ssize_t got = recvmsg(f->sock, &msg, MSG_DONTWAIT);
		if (got <= 0)
			return;
		for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
			for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
				int fd;
				memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
				close(fd);
			}
		}
		run(f);
	}
}

static void
open_session(struct fixture *f)
{
	fixture_open(f);
	if (draw(8)) {
		peer_send(f->sock, version(0, 1, "{\"capabilities\":{\"max_msg_fds\":8,\"write_multiple\":true}}"),
		          NULL, 0);
		run(f);
		drain(f);
		assert_true(vfu_server_connected(f->server));
	}
}

/* The model's side of it, between messages. */
static void
use_dma(struct fixture *f)
{
	uint64_t iova = draw(80) << 12, bytes = draw(0x9000);
	uint8_t *there = vfu_server_dma_translate(f->server, iova, bytes, VFU_DMA_READ);
	if (there && bytes)
		(void)*(volatile uint8_t *)(there + bytes - 1);
	(void)vfu_server_irq(f->server, (uint32_t)draw(6));
}

static void
run_seed(uint64_t seed)
{
	struct fixture f;
	state64 = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	open_session(&f);
	for (uint64_t i = 0; i < message_cnt; i++) {
		send_mangled(f.sock, draw(2) ? random_message() : sensible_message());
		run(&f);
		drain(&f);
		use_dma(&f);
		if (vfu_server_step(f.server) == -ENOTCONN || draw(200) == 0) {
			fixture_close(&f);
			open_session(&f);
		}
	}
	fixture_close(&f);
}

static void
test_hostile_clients(void **state)
{
	for (uint64_t seed = first_seed; seed < first_seed + seed_cnt; seed++)
		run_seed(seed);
}

int
main(int argc, char **argv)
{
	if (argc > 1) {
		first_seed = strtoull(argv[1], NULL, 0);
		seed_cnt = 1;
	}
	if (argc > 2)
		message_cnt = strtoull(argv[2], NULL, 0);
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_hostile_clients)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
