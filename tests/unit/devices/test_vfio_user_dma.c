/* SPDX-License-Identifier: Apache-2.0 */
/* The client's memory at the server: DMA_MAP, DMA_UNMAP, translation, and the server's own DMA_READ and DMA_WRITE. */
#include "vfio_user_fixture.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>

enum {
	R = 1,
	W = 2,
	RW = 3,
};

static struct peer_message
dma_map(uint32_t flags, uint64_t offset, uint64_t address, uint64_t size)
{
	struct peer_message m = peer_message(2, 2, 0);
	put32(&m, 32);
	put32(&m, flags);
	put64(&m, offset);
	put64(&m, address);
	put64(&m, size);
	return m;
}

static struct peer_message
dma_unmap(uint32_t argsz, uint32_t flags, uint64_t address, uint64_t size)
{
	struct peer_message m = peer_message(3, 3, 0);
	put32(&m, argsz);
	put32(&m, flags);
	put64(&m, address);
	put64(&m, size);
	return m;
}

static void
map_file(struct fixture *f, uint32_t flags, int fd, uint64_t offset, uint64_t address, uint64_t size)
{
	struct peer_message reply = ask_fds(f, dma_map(flags, offset, address, size), &fd, 1);
	assert_int_equal(get32(&reply, 8), REPLY);
	assert_int_equal(reply.size, 16);
	peer_free(&reply);
}

static void
test_map_refuses(void **state)
{
	struct fixture *f = *state;
	int fd = memory_file(0x4000), both[2] = {fd, fd};
	refuse_fds(f, dma_map(RW, 0, 0x1000, 0), &fd, 1, EINVAL);                  /* empty */
	refuse_fds(f, dma_map(RW, 0, UINT64_MAX - 0xfff, 0x2000), &fd, 1, EINVAL); /* wraps */
	refuse_fds(f, dma_map(RW, 0, 0x1000, 0x5000), &fd, 1, EINVAL);             /* past the end of the file */
	refuse_fds(f, dma_map(RW, 0x4000, 0x1000, 0x1000), &fd, 1, EINVAL);
	refuse_fds(f, dma_map(RW, UINT64_MAX - 0xfff, 0x1000, 0x1000), &fd, 1, EINVAL);
	refuse_fds(f, dma_map(RW | 0x10, 0, 0x1000, 0x1000), &fd, 1, EINVAL); /* unknown flag */
	refuse_fds(f, dma_map(RW | 8, 0, 0x1000, 0x1000), &fd, 1, ENOTSUP);   /* file I/O */
	refuse(f, dma_map(RW | 4, 0, 0x1000, 0x1000), EINVAL);                /* to be mapped, without a descriptor */
	refuse_fds(f, dma_map(RW, 0, 0x1000, 0x1000), both, 2, EINVAL);
	struct peer_message m = dma_map(RW, 0, 0x1000, 0x1000);
	m.bytes[16] = 31; /* argsz */
	refuse_fds(f, m, &fd, 1, EINVAL);
	close(fd);
	assert_int_equal(f->toy.mapped_cnt, 0);
	assert_null(vfu_server_dma_translate(f->server, 0x1000, 1, VFU_DMA_READ));
}

static struct vfu_server *patched;

static void
on_bus_error(int number, siginfo_t *info, void *context)
{
	if (!vfu_server_dma_patch(patched, info->si_addr))
		signal(number, SIG_DFL);
}

/* The client cuts its file after it granted it. */
static void
test_memory_taken_away(void **state)
{
	struct fixture *f = *state;
	struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO}, before;
	uint8_t data[4] = {1, 2, 3, 4};
	int fd = memory_file(0x2000), elsewhere = 0;
	map_file(f, RW, fd, 0, 0x10000, 0x2000);
	assert_false(vfu_server_dma_patch(f->server, &elsewhere));
	assert_true(vfu_server_connected(f->server));
	assert_int_equal(ftruncate(fd, 0), 0);
	patched = f->server;
	assert_int_equal(sigaction(SIGBUS, &action, &before), 0);
	assert_int_equal(vfu_server_dma_read(f->server, 0x11ffc, data, 4), 0);
	assert_memory_equal(data, "\0\0\0\0", 4);
	assert_int_equal(sigaction(SIGBUS, &before, NULL), 0);
	assert_disconnected(f);
	assert_int_equal(f->toy.unmapping_cnt, 1);
	close(fd);
}

static void
test_map_of_a_read_only_file(void **state)
{
	char path[64];
	int fd = memory_file(0x1000);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int read_only = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(read_only >= 0);
	refuse_fds(*state, dma_map(RW, 0, 0x1000, 0x1000), &read_only, 1, EACCES);
	map_file(*state, R, read_only, 0, 0x1000, 0x1000);
	close(read_only);
	close(fd);
}

/* More descriptors than max_msg_fds: refused, and every one is closed (the fixture counts). */
static void
test_too_many_descriptors(void **state)
{
	int fd = memory_file(0x1000), many[60];
	for (int i = 0; i < 60; i++)
		many[i] = fd;
	refuse_fds(*state, dma_map(RW, 0, 0x1000, 0x1000), many, 60, EINVAL);
	refuse_fds(*state, peer_message(1, 13, 0), many, 3, EINVAL);
	close(fd);
}

static void
test_overlap(void **state)
{
	struct fixture *f = *state;
	int fd = memory_file(0x10000);
	map_file(f, RW, fd, 0, 0x10000, 0x4000);
	refuse_fds(f, dma_map(RW, 0, 0x10000, 0x4000), &fd, 1, EEXIST);
	refuse_fds(f, dma_map(RW, 0, 0x13000, 0x4000), &fd, 1, EEXIST);
	refuse_fds(f, dma_map(RW, 0, 0xf000, 0x2000), &fd, 1, EEXIST);
	refuse_fds(f, dma_map(RW, 0, 0xf000, 0x8000), &fd, 1, EEXIST);
	map_file(f, RW, fd, 0x4000, 0x14000, 0x4000);
	map_file(f, RW, fd, 0x8000, 0xc000, 0x4000);
	close(fd);
}

static void
test_translate(void **state)
{
	struct fixture *f = *state;
	int fd = memory_file(0x10000);
	uint8_t *mine = mmap(NULL, 0x10000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	map_file(f, RW, fd, 0x4000, 0x1000000000, 0x4000);
	map_file(f, R, fd, 0x8000, 0x1000004000, 0x4000);
	map_file(f, W, fd, 0x200, 0x2000, 0x100); /* not on a page of the file */
	mine[0x4321] = 0x5a;
	mine[0x212] = 0x6b;
	for (int round = 0; round < 2; round++) { /* missed and hit in the cache */
		uint8_t *there = vfu_server_dma_translate(f->server, 0x1000000321, 1, RW);
		assert_non_null(there);
		assert_int_equal(*there, 0x5a);
		assert_null(vfu_server_dma_translate(f->server, 0x1000003fff, 2, R)); /* two mappings */
		assert_null(vfu_server_dma_translate(f->server, 0x1000000000, UINT64_MAX, R));
		assert_null(vfu_server_dma_translate(f->server, 0xfffffffff, 1, R));
	}
	assert_non_null(vfu_server_dma_translate(f->server, 0x1000004000, 0x4000, R));
	assert_null(vfu_server_dma_translate(f->server, 0x1000004000, 1, W));
	assert_int_equal(*(uint8_t *)vfu_server_dma_translate(f->server, 0x2012, 1, W), 0x6b);
	assert_null(vfu_server_dma_translate(f->server, 0x2012, 1, R));
	assert_null(vfu_server_dma_translate(f->server, 0x2100, 1, W));
	assert_null(vfu_server_dma_translate(f->server, 0, 1, W));
	uint8_t data[4] = {1, 2, 3, 4};
	assert_int_equal(vfu_server_dma_write(f->server, 0x1000000000, data, 4), 0);
	assert_memory_equal(mine + 0x4000, data, 4);
	assert_int_equal(vfu_server_dma_read(f->server, 0x1000000001, data, 2), 0);
	assert_int_equal(data[0], 2);
	assert_int_equal(vfu_server_dma_write(f->server, 0x1000004000, data, 4), -EFAULT);
	assert_int_equal(vfu_server_dma_read(f->server, 0x5000, data, 1), -EFAULT);
	munmap(mine, 0x10000);
	close(fd);
}

static void
test_unmap_refuses(void **state)
{
	struct fixture *f = *state;
	int fd = memory_file(0x4000);
	map_file(f, RW, fd, 0, 0x10000, 0x4000);
	refuse(f, dma_unmap(24, 0, 0x10000, 0x2000), ENOENT); /* "must match exactly a previous mapping" */
	refuse(f, dma_unmap(24, 0, 0x11000, 0x3000), ENOENT);
	refuse(f, dma_unmap(24, 0, 0x20000, 0x1000), ENOENT);
	refuse(f, dma_unmap(23, 0, 0x10000, 0x4000), EINVAL);
	refuse(f, dma_unmap(24, 4, 0x10000, 0x4000), EINVAL);
	refuse(f, dma_unmap(24, 1, 0x10000, 0x4000), ENOTSUP); /* dirty bitmap: migration */
	refuse(f, dma_unmap(24, 2, 0x10000, 0x4000), EINVAL);  /* all, but with a range */
	assert_int_equal(f->toy.unmapping_cnt, 0);
	close(fd);
}

static void
test_unmap(void **state)
{
	struct fixture *f = *state;
	int fd = memory_file(0x4000);
	map_file(f, RW, fd, 0, 0x10000, 0x4000);
	assert_non_null(vfu_server_dma_translate(f->server, 0x10000, 1, RW));
	/* SPDK's client sends the descriptor with the unmap, too. */
	struct peer_message reply = ask_fds(f, dma_unmap(24, 0, 0x10000, 0x4000), &fd, 1);
	assert_int_equal(get32(&reply, 8), REPLY);
	assert_int_equal(reply.size, 16 + 24);
	assert_int_equal(get32(&reply, 16), 24);
	assert_int_equal(get64(&reply, 24), 0x10000);
	assert_int_equal(get64(&reply, 32), 0x4000);
	peer_free(&reply);
	assert_null(vfu_server_dma_translate(f->server, 0x10000, 1, RW));
	assert_int_equal(f->toy.unmapping_cnt, 1);
	refuse(f, dma_unmap(24, 0, 0x10000, 0x4000), ENOENT);
	close(fd);
}

static void
test_unmap_all(void **state)
{
	struct fixture *f = *state;
	int fd = memory_file(0x4000);
	for (uint64_t i = 0; i < 4; i++)
		map_file(f, RW, fd, i * 0x1000, 0x10000 + i * 0x1000, 0x1000);
	accept_fds(f, dma_unmap(24, 2, 0, 0), NULL, 0);
	assert_int_equal(f->toy.unmapping_cnt, 4);
	assert_null(vfu_server_dma_translate(f->server, 0x10000, 1, R));
	accept_fds(f, dma_unmap(24, 2, 0, 0), NULL, 0);
	close(fd);
}

static void
test_many_maps(void **state)
{
	struct fixture *f = *state;
	int fd = memory_file(0x1000);
	for (uint64_t i = 0; i < VFU_DMA_MAPS_MAX; i++)
		accept_fds(f, dma_map(RW, 0, ((i * 2654435761u) % VFU_DMA_MAPS_MAX) << 12, 0x1000), NULL, 0);
	refuse_fds(f, dma_map(RW, 0, UINT64_C(1) << 40, 0x1000), &fd, 1, ENOSPC);
	assert_int_equal(f->toy.mapped_cnt, VFU_DMA_MAPS_MAX);
	close(fd);
}

/* Quiesce first: the model is reset before its memory goes. */
static void
test_disconnect_unmaps(void **state)
{
	struct fixture *f = *state;
	int fd = memory_file(0x4000);
	map_file(f, RW, fd, 0, 0x10000, 0x4000);
	close(fd);
	close(f->sock);
	f->sock = -1;
	assert_disconnected(f);
	assert_int_equal(f->toy.unmapping_cnt, 1);
	assert_int_equal(f->toy.unmapping_after_reset_cnt, 1);
	assert_null(vfu_server_dma_translate(f->server, 0x10000, 1, R));
}

/* --- memory without a descriptor --- */

/* A client that answers one request of the server with prepared bytes, after sending `first` (a command of its own). */
struct answering {
	int sock;
	struct peer_message request, first, reply;
	uint32_t echo_id;
};

static void *
answer(void *arg)
{
	struct answering *a = arg;
	assert_true(peer_receive(a->sock, &a->request));
	if (a->first.bytes)
		peer_send(a->sock, a->first, NULL, 0);
	if (a->reply.bytes == NULL) {
		shutdown(a->sock, SHUT_RDWR);
		return NULL;
	}
	if (a->echo_id)
		memcpy(a->reply.bytes, a->request.bytes, 2);
	peer_send(a->sock, a->reply, NULL, 0);
	return NULL;
}

static struct peer_message
dma_reply(uint32_t command, uint32_t flags, uint64_t address, uint64_t cnt, const char *data)
{
	struct peer_message m = peer_message(0, command, flags);
	if (flags & ERROR)
		return m;
	put64(&m, address);
	put64(&m, cnt);
	put_bytes(&m, data, (uint32_t)strlen(data));
	return m;
}

/* The server reads 4 bytes at 0x10000; returns its result and the data in out. */
static int
read_by_message(struct fixture *f, struct answering *a, char *out)
{
	pthread_t thread;
	a->sock = f->sock;
	assert_int_equal(pthread_create(&thread, NULL, answer, a), 0);
	int err = vfu_server_dma_read(f->server, 0x10000, out, 4);
	pthread_join(thread, NULL);
	assert_int_equal(get16(&a->request, 2), 11);
	assert_int_equal(get32(&a->request, 8), 0);
	assert_int_equal(a->request.size, 32);
	assert_int_equal(get64(&a->request, 16), 0x10000);
	assert_int_equal(get64(&a->request, 24), 4);
	peer_free(&a->request);
	return err;
}

static void
test_message_read_refused_by_client(void **state)
{
	struct fixture *f = *state;
	char data[4];
	accept_fds(f, dma_map(RW, 0, 0x10000, 0x1000), NULL, 0);
	struct answering a = {.reply = dma_reply(11, REPLY | ERROR, 0, 0, ""), .echo_id = 1};
	a.reply.bytes[12] = EPERM;
	assert_int_equal(read_by_message(f, &a, data), -EPERM);
	assert_true(vfu_server_connected(f->server));
}

static void
lying_reply_loses_client(struct fixture *f, struct peer_message reply, uint32_t echo_id)
{
	char data[4];
	accept_fds(f, dma_map(RW, 0, 0x10000, 0x1000), NULL, 0);
	struct answering a = {.reply = reply, .echo_id = echo_id};
	assert_true(read_by_message(f, &a, data) < 0);
	assert_false(vfu_server_connected(f->server));
	assert_int_equal(vfu_server_step(f->server), 1);
	assert_disconnected(f);
}

static void
test_message_read_with_other_id(void **state)
{
	struct peer_message reply = dma_reply(11, REPLY, 0x10000, 4, "data");
	reply.bytes[0] = 0xee;
	lying_reply_loses_client(*state, reply, 0);
}

static void
test_message_read_with_other_command(void **state)
{
	lying_reply_loses_client(*state, dma_reply(12, REPLY, 0x10000, 4, "data"), 1);
}

static void
test_message_read_too_short(void **state)
{
	lying_reply_loses_client(*state, dma_reply(11, REPLY, 0x10000, 4, "dat"), 1);
}

static void
test_message_read_of_other_address(void **state)
{
	lying_reply_loses_client(*state, dma_reply(11, REPLY, 0x20000, 4, "data"), 1);
}

static void
test_client_vanishes_in_message_read(void **state)
{
	struct fixture *f = *state;
	char data[4];
	accept_fds(f, dma_map(RW, 0, 0x10000, 0x1000), NULL, 0);
	struct answering a = {0};
	assert_int_equal(read_by_message(f, &a, data), -ENOTCONN);
	assert_disconnected(f);
}

static void
test_message_read_without_answer(void **state)
{
	struct fixture *f = *state;
	char data[4];
	accept_fds(f, dma_map(RW, 0, 0x10000, 0x1000), NULL, 0);
	assert_int_equal(vfu_server_dma_read(f->server, 0x10000, data, 4), -ETIMEDOUT);
	assert_int_equal(vfu_server_dma_read(f->server, 0x10000, data, 4), -ENOTCONN);
	assert_int_equal(vfu_server_step(f->server), 1);
	assert_disconnected(f);
}

/* "Unrelated messages ... can appear in between": a command that comes before the reply waits, and is then served. */
static void
test_message_read_with_command_between(void **state)
{
	struct fixture *f = *state;
	char data[4];
	struct peer_message reply;
	accept_fds(f, dma_map(RW, 0, 0x10000, 0x1000), NULL, 0);
	assert_null(vfu_server_dma_translate(f->server, 0x10000, 4, R));
	struct answering a = {
	        .first = peer_message(55, 13, 0), .reply = dma_reply(11, REPLY, 0x10000, 4, "data"), .echo_id = 1};
	assert_int_equal(read_by_message(f, &a, data), 0);
	assert_memory_equal(data, "data", 4);
	assert_int_equal(f->toy.reset_cnt[VFU_RESET_CLIENT], 0);
	struct pollfd p = {.fd = vfu_server_fd(f->server), .events = POLLIN};
	assert_int_equal(poll(&p, 1, 0), 1);
	run(f);
	assert_int_equal(f->toy.reset_cnt[VFU_RESET_CLIENT], 1);
	assert_true(peer_receive(f->sock, &reply));
	assert_int_equal(get16(&reply, 0), 55);
	peer_free(&reply);
	assert_int_equal(poll(&p, 1, 0), 0);
}

static void
test_message_write(void **state)
{
	struct fixture *f = *state;
	accept_fds(f, dma_map(RW, 0, 0x10000, 0x1000), NULL, 0);
	for (uint32_t count_bytes = 4; count_bytes <= 8;
	     count_bytes += 4) { /* as drawn, and as implementations do it */
		struct answering a = {.sock = f->sock, .reply = peer_message(0, 12, REPLY), .echo_id = 1};
		put64(&a.reply, 0x10010);
		put(&a.reply, 5, count_bytes);
		pthread_t thread;
		assert_int_equal(pthread_create(&thread, NULL, answer, &a), 0);
		int err = vfu_server_dma_write(f->server, 0x10010, "hello", 5);
		pthread_join(thread, NULL);
		assert_int_equal(err, 0);
		assert_int_equal(get16(&a.request, 2), 12);
		assert_int_equal(a.request.size, 16 + 16 + 5);
		assert_memory_equal(a.request.bytes + 32, "hello", 5);
		peer_free(&a.request);
	}
}

/* The model may read the client's memory while it handles a register write of that client. */
static void
test_message_read_inside_a_register_write(void **state)
{
	struct fixture *f = *state;
	accept_fds(f, dma_map(RW, 0, 0x10000, 0x1000), NULL, 0);
	struct answering a = {.sock = f->sock, .reply = dma_reply(11, REPLY, 0x10000, 8, "register"), .echo_id = 1};
	struct peer_message m = peer_message(4, 10, 0), reply;
	put64(&m, 0x800);
	put32(&m, 0);
	put32(&m, 4);
	put32(&m, 1);
	f->toy.copy_iova = 0x10000;
	peer_send(f->sock, m, NULL, 0);
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, answer, &a), 0);
	run(f);
	pthread_join(thread, NULL);
	assert_int_equal(f->toy.copy_result, 0);
	assert_memory_equal(f->toy.registers + 0x808, "register", 8);
	peer_free(&a.request);
	assert_true(peer_receive(f->sock, &reply));
	assert_int_equal(get16(&reply, 0), 4);
	peer_free(&reply);
}

/* With a second socket the server's commands and their replies go over it. */
static void
test_message_read_over_twin_socket(void **state)
{
	struct fixture *f = *state;
	char data[4];
	struct peer_message reply =
	        ask(f, version(0, 1, "{\"capabilities\":{\"max_msg_fds\":1,\"twin_socket\":{\"supported\":true}}}"));
	accept_fds(f, dma_map(R, 0, 0x10000, 0x1000), NULL, 0);
	struct answering a = {.sock = reply.fd[0], .reply = dma_reply(11, REPLY, 0x10000, 4, "twin"), .echo_id = 1};
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, answer, &a), 0);
	assert_int_equal(vfu_server_dma_read(f->server, 0x10000, data, 4), 0);
	pthread_join(thread, NULL);
	assert_memory_equal(data, "twin", 4);
	peer_free(&a.request);
	peer_free(&reply);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(test_map_refuses),
	        TEST(test_memory_taken_away),
	        TEST(test_map_of_a_read_only_file),
	        TEST(test_too_many_descriptors),
	        TEST(test_overlap),
	        TEST(test_translate),
	        TEST(test_unmap_refuses),
	        TEST(test_unmap),
	        TEST(test_unmap_all),
	        TEST(test_many_maps),
	        TEST(test_disconnect_unmaps),
	        TEST(test_message_read_refused_by_client),
	        TEST(test_message_read_with_other_id),
	        TEST(test_message_read_with_other_command),
	        TEST(test_message_read_too_short),
	        TEST(test_message_read_of_other_address),
	        TEST(test_client_vanishes_in_message_read),
	        TEST(test_message_read_without_answer),
	        TEST(test_message_read_with_command_between),
	        TEST(test_message_write),
	        TEST(test_message_read_inside_a_register_write),
	        TEST_RAW(test_message_read_over_twin_socket),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
