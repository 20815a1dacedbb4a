/* SPDX-License-Identifier: Apache-2.0 */
/* The client's calls against a server built from the specification's tables: registers, DMA maps, interrupts, reset,
 * the server's own requests, and servers that lie, refuse, stall or vanish. */
#include "vfio_user_fake.h"

#include <sys/eventfd.h>

#define LONG_NS UINT64_C(20000000000)

enum {
	NONE = 1,
	BOOL = 2,
	EVENTFD = 4,
	TRIGGER = 32,
	MSIX = 2,
};

static struct fake fake;
static struct bh_backend *backend;
static struct bh_error error;
static _Atomic int lie; /* which lie the hook tells; 0: none */

static bool hook(struct fake *f, const struct peer_message *request);

static int
setup(void **state)
{
	fake_start(&fake, hook);
	lie = 0;
	memset(&error, 0, sizeof(error));
	assert_int_equal(fake_open(&fake, LONG_NS, &backend, &error), 0);
	return 0;
}

static int
teardown(void **state)
{
	backend->ops->close(backend);
	fake_stop(&fake);
	return 0;
}

static void
assert_error(const char *id, const char *part)
{
	assert_string_equal(error.id, id);
	if (strstr(error.text, part) == NULL)
		fail_msg("\"%s\" is not in \"%s\"", part, error.text);
}

enum lies {
	REFUSE = 1,
	SILENT,
	VANISH,
	VANISH_IN_REPLY,
	OTHER_ID,
	OTHER_COMMAND,
	UNASKED,
	SHORT,
	LONG,
	OTHER_OFFSET,
	OTHER_REGION,
	OTHER_COUNT,
	READS_FIRST,
	WRITES_FIRST,
	ASKS_NONSENSE_FIRST,
	DESCRIPTORS,
};

static void
send_access(struct fake *f, const struct peer_message *request, int what)
{
	struct peer_message m = fake_reply(request, 0, 0);
	m.bytes[0] ^= what == OTHER_ID;
	m.bytes[2] ^= what == OTHER_COMMAND;
	put64(&m, get64(request, 16) + (what == OTHER_OFFSET));
	put32(&m, get32(request, 24) + (what == OTHER_REGION));
	put32(&m, get32(request, 28) + (what == OTHER_COUNT));
	put64(&m, 0x1122334455667788);
	m.size = 16 + 16 + 4 - (what == SHORT) + (what == LONG);
	fake_send(f, m);
}

static struct peer_message
dma_request(uint32_t command, uint64_t address, uint64_t cnt, const void *data, uint32_t bytes)
{
	struct peer_message m = peer_message(0x4242, command, 0);
	put64(&m, address);
	put64(&m, cnt);
	put_bytes(&m, data, bytes);
	return m;
}

static struct peer_message dma_answer; /* of the client, to the last request that the fake sent */

static void
ask_client(struct fake *f, struct peer_message m)
{
	peer_free(&dma_answer);
	peer_send(f->sock, m, NULL, 0);
	assert_true(peer_receive(f->sock, &dma_answer));
	assert_int_equal(get16(&dma_answer, 0), 0x4242);
	assert_int_equal(get32(&dma_answer, 8) & 0xf, REPLY);
}

/*
 * What a client must refuse: memory that it did not map, lengths that do not fit, commands that are not the server's.
 */
static void
ask_nonsense(struct fake *f)
{
	const struct {
		uint32_t command;
		uint64_t address, cnt;
		uint32_t bytes, errno_expected;
	} asked[] = {
	        {11, 0x20000, 4, 0, EFAULT},        {11, 0x10ffd, 4, 0, EFAULT},
	        {11, UINT64_MAX, 4, 0, EFAULT},     {11, 0x10000, UINT64_MAX, 0, EINVAL},
	        {11, 0x10000, 0x100001, 0, EINVAL}, {12, 0x10000, 8, 4, EINVAL},
	        {12, 0x10000, 4, 8, EINVAL},        {12, 0x10ffd, 4, 4, EFAULT},
	        {13, 0x10000, 4, 4, ENOTSUP},       {2, 0x10000, 4, 4, ENOTSUP},
	};
	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		ask_client(f,
		           dma_request(asked[i].command, asked[i].address, asked[i].cnt, "01234567", asked[i].bytes));
		assert_int_equal(get32(&dma_answer, 8), REPLY | ERROR);
		assert_int_equal(get32(&dma_answer, 12), asked[i].errno_expected);
		assert_int_equal(dma_answer.size, 16);
	}
	struct peer_message tiny = peer_message(0x4242, 11, 0);
	put64(&tiny, 0x10000);
	ask_client(f, tiny);
	assert_int_equal(get32(&dma_answer, 12), EINVAL);
}

static bool
hook(struct fake *f, const struct peer_message *request)
{
	uint32_t command = get16(request, 2);
	switch (command == 1 ? 0 : lie) {
	case REFUSE:
		fake_send(f, fake_reply(request, ERROR, EPERM));
		return true;
	case SILENT:
		return true;
	case VANISH:
		shutdown(f->sock, SHUT_RDWR);
		return true;
	case VANISH_IN_REPLY:
		peer_send_raw(f->sock, request->bytes, 10, NULL, 0);
		shutdown(f->sock, SHUT_RDWR);
		return true;
	case UNASKED:
		fake_send(f, fake_reply(request, 0, 0));
		fake_send(f, fake_reply(request, 0, 0));
		return true;
	case READS_FIRST:
		ask_client(f, dma_request(11, 0x10010, 5, "", 0));
		return false;
	case WRITES_FIRST:
		ask_client(f, dma_request(12, 0x10020, 5, "there", 5));
		return false;
	case ASKS_NONSENSE_FIRST:
		ask_nonsense(f);
		return false;
	case DESCRIPTORS: {
		const int fds[3] = {f->bar_fd, f->bar_fd, f->bar_fd};
		peer_send(f->sock, fake_reply(request, 0, 0), fds, 3);
		return true;
	}
	case 0:
		return false;
	default:
		send_access(f, request, lie);
		return true;
	}
}

static int
read4(uint64_t *out)
{
	return backend->ops->reg_read(backend, 0, 0x14, 4, out, &error);
}

/* --- registers --- */

static void
test_register_refused_locally(void **state)
{
	const struct {
		uint64_t offset;
		uint32_t bar, width;
	} wrong[] = {{0, 6, 4}, {0, 1, 4},  {0x4000, 0, 4},        {2, 0, 4}, {0x3ffc, 0, 8}, {0, 0, 3},
	             {0, 0, 0}, {0, 0, 16}, {UINT64_MAX - 3, 0, 4}};
	uint64_t value;
	unsigned before = fake.cnt[9];
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(
		        backend->ops->reg_read(backend, wrong[i].bar, wrong[i].offset, wrong[i].width, &value, &error),
		        -EINVAL);
		assert_error("E046", "nvme0");
		assert_int_equal(
		        backend->ops->reg_write(backend, wrong[i].bar, wrong[i].offset, wrong[i].width, 0, &error),
		        -EINVAL);
	}
	assert_int_equal(fake.cnt[9], before);
}

static void
test_register_refused(void **state)
{
	uint64_t value;
	lie = REFUSE;
	assert_int_equal(read4(&value), -EPERM);
	assert_error("E049", "refused REGION_READ: Operation not permitted");
	lie = 0; /* an error reply is no reason to give the device up */
	assert_int_equal(read4(&value), 0);
}

/* The first call says why; the later ones, too. */
static void
loses_device(int what, int err, const char *id, const char *part)
{
	uint64_t value;
	lie = what;
	assert_int_equal(read4(&value), err);
	assert_error(id, part);
	memset(&error, 0, sizeof(error));
	assert_int_equal(backend->ops->reg_write(backend, 0, 0, 4, 0, &error), -ENODEV);
	assert_error(id, part);
	assert_int_equal(backend->ops->reset(backend, &error), -ENODEV);
	assert_int_equal(bh_vfio_user_service(backend, &error), -ENODEV);
	assert_int_equal(bh_vfio_user_fd(backend), -1);
}

static void
test_server_silent(void **state)
{
	bh_vfio_user_set_timeout(backend, 20000000);
	loses_device(SILENT, -ETIMEDOUT, "E045", "did not answer REGION_READ in time (20 ms)");
}

static void
test_server_vanishes(void **state)
{
	loses_device(VANISH, -ENODEV, "E047", "is gone");
}

static void
test_server_vanishes_in_reply(void **state)
{
	loses_device(VANISH_IN_REPLY, -ENODEV, "E047", "is gone");
}

static void
test_reply_with_other_id(void **state)
{
	loses_device(OTHER_ID, -EPROTO, "E048", "nothing asked for");
}

static void
test_reply_with_other_command(void **state)
{
	loses_device(OTHER_COMMAND, -EPROTO, "E048", "another command");
}

static void
test_reply_too_short(void **state)
{
	loses_device(SHORT, -EPROTO, "E048", "shorter");
}

static void
test_reply_too_long(void **state)
{
	loses_device(LONG, -EPROTO, "E048", "another access");
}

static void
test_reply_of_other_offset(void **state)
{
	loses_device(OTHER_OFFSET, -EPROTO, "E048", "another access");
}

static void
test_reply_of_other_region(void **state)
{
	loses_device(OTHER_REGION, -EPROTO, "E048", "another access");
}

static void
test_reply_of_other_count(void **state)
{
	loses_device(OTHER_COUNT, -EPROTO, "E048", "another access");
}

static void
test_reply_twice(void **state)
{
	lie = UNASKED;
	assert_int_equal(backend->ops->reset(backend, &error), -EPROTO);
	assert_error("E048", "broke the vfio-user protocol");
}

/* The server goes while nobody calls it. */
static void
test_server_vanishes_when_idle(void **state)
{
	assert_int_equal(bh_vfio_user_service(backend, &error), 0);
	shutdown(fake.sock, SHUT_RDWR);
	struct pollfd p = {.fd = bh_vfio_user_fd(backend), .events = POLLIN};
	assert_int_equal(poll(&p, 1, PEER_WAIT_MS), 1);
	assert_int_equal(bh_vfio_user_service(backend, &error), -ENODEV);
	assert_error("E047", "is gone");
}

static void
test_registers(void **state)
{
	uint64_t value;
	for (uint32_t width = 1; width <= 8; width *= 2) {
		uint64_t written = UINT64_C(0x8877665544332211) >> (64 - 8 * width);
		assert_int_equal(backend->ops->reg_write(backend, 0, 0x20, width, written, &error), 0);
		const struct peer_message *m = &fake.last[10];
		assert_int_equal(m->size, 16 + 16 + width);
		assert_true(get64(m, 16) == 0x20);
		assert_int_equal(get32(m, 24), 0);
		assert_int_equal(get32(m, 28), width);
		assert_true(get(m, 32, width) == written);
		assert_int_equal(backend->ops->reg_read(backend, 0, 0x20, width, &value, &error), 0);
		assert_int_equal(fake.last[9].size, 32);
		assert_true(value == written);
	}
}

static void
test_config_space(void **state)
{
	uint32_t value;
	assert_int_equal(bh_vfio_user_config_read(backend, 254, 4, &value, &error), -EINVAL);
	assert_int_equal(bh_vfio_user_config_read(backend, 256, 1, &value, &error), -EINVAL);
	assert_int_equal(bh_vfio_user_config_read(backend, 1, 2, &value, &error), -EINVAL);
	assert_int_equal(bh_vfio_user_config_write(backend, 0, 8, 0, &error), -EINVAL);
	assert_error("E046", "configuration space");
	assert_int_equal(bh_vfio_user_config_write(backend, 0x3c, 1, 0x55, &error), 0);
	assert_int_equal(bh_vfio_user_config_read(backend, 0x3c, 1, &value, &error), 0);
	assert_int_equal(value, 0x55);
	assert_int_equal(get32(&fake.last[9], 24), 7);
}

/* The command register is set again where the reset cleared it. */
static void
test_reset(void **state)
{
	fake.config[4] = fake.config[5] = 0;
	assert_int_equal(backend->ops->reset(backend, &error), 0);
	assert_int_equal(fake.last[13].size, 16);
	assert_int_equal(fake.config[4] | fake.config[5] << 8, 0x406);
}

static void
test_descriptors_that_nobody_wants(void **state)
{
	unsigned before = open_fd_cnt();
	lie = DESCRIPTORS;
	int fd = memory_file(4096);
	assert_int_equal(backend->ops->dma_map(backend, 0x10000, 0x1000, fd, 0, &error), 0);
	close(fd);
	peer_free(&fake.last[2]);
	assert_int_equal(open_fd_cnt(), before);
}

/* --- memory --- */

static void
test_map_refused_locally(void **state)
{
	int fd = memory_file(0x4000);
	assert_int_equal(backend->ops->dma_map(backend, 0x10000, 0, fd, 0, &error), -EINVAL);
	assert_int_equal(backend->ops->dma_map(backend, 0x10001, 0x1000, fd, 0, &error), -EINVAL);
	assert_int_equal(backend->ops->dma_map(backend, 0x10000, 0x1800, fd, 0, &error), -EINVAL);
	assert_int_equal(backend->ops->dma_map(backend, 0x10000, 0x1000, fd, 0x10, &error), -EINVAL);
	assert_int_equal(backend->ops->dma_map(backend, UINT64_MAX - 0xfff, 0x2000, fd, 0, &error), -EINVAL);
	assert_error("E052", "whole pages");
	assert_int_equal(backend->ops->dma_map(backend, 0x10000, 0x1000, -1, 0, &error), -EBADF);
	assert_error("E052", "cannot map memory");
	assert_int_equal(fake.cnt[2], 0);
	close(fd);
}

static void
test_map_refused(void **state)
{
	int fd = memory_file(0x4000);
	lie = REFUSE;
	assert_int_equal(backend->ops->dma_map(backend, 0x10000, 0x4000, fd, 0, &error), -EPERM);
	lie = 0;
	assert_int_equal(backend->ops->dma_unmap(backend, 0x10000, 0x4000, &error), -ENOENT);
	assert_error("E052", "not mapped");
	close(fd);
}

static void
test_map_and_unmap(void **state)
{
	int fd = memory_file(0x8000);
	assert_int_equal(backend->ops->dma_map(backend, 0x1000000000, 0x4000, fd, 0x4000, &error), 0);
	const struct peer_message *m = &fake.last[2];
	assert_int_equal(m->size, 16 + 32);
	assert_int_equal(get32(m, 16), 32);
	assert_int_equal(get32(m, 20), 3); /* readable, writeable */
	assert_true(get64(m, 24) == 0x4000);
	assert_true(get64(m, 32) == 0x1000000000);
	assert_true(get64(m, 40) == 0x4000);
	assert_int_equal(m->fd_cnt, 1);
	assert_int_equal(backend->ops->dma_unmap(backend, 0x1000000000, 0x2000, &error), -ENOENT);
	assert_int_equal(backend->ops->dma_unmap(backend, 0x1000000000, 0x4000, &error), 0);
	m = &fake.last[3];
	assert_int_equal(m->size, 16 + 24);
	assert_int_equal(get32(m, 16), 24);
	assert_int_equal(get32(m, 20), 0);
	assert_true(get64(m, 24) == 0x1000000000);
	assert_true(get64(m, 32) == 0x4000);
	close(fd);
}

/* The server reads and writes mapped memory by message while the client waits for its reply. */
static void
test_server_reads_and_writes(void **state)
{
	int fd = memory_file(0x1000);
	uint8_t *memory = mmap(NULL, 0x1000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	uint64_t value;
	assert_int_equal(backend->ops->dma_map(backend, 0x10000, 0x1000, fd, 0, &error), 0);
	memcpy(memory + 0x10, "hello", sizeof("hello"));
	lie = READS_FIRST;
	assert_int_equal(read4(&value), 0);
	assert_int_equal(dma_answer.size, 16 + 16 + 5);
	assert_true(get64(&dma_answer, 16) == 0x10010);
	assert_true(get64(&dma_answer, 24) == 5);
	assert_memory_equal(dma_answer.bytes + 32, "hello", 5);
	lie = WRITES_FIRST;
	assert_int_equal(read4(&value), 0);
	assert_int_equal(dma_answer.size, 16 + 16);
	assert_true(get64(&dma_answer, 24) == 5);
	assert_memory_equal(memory + 0x20, "there", 5);
	peer_free(&dma_answer);
	munmap(memory, 0x1000);
	close(fd);
}

static void
test_server_asks_nonsense(void **state)
{
	int fd = memory_file(0x1000);
	uint64_t value;
	assert_int_equal(backend->ops->dma_map(backend, 0x10000, 0x1000, fd, 0, &error), 0);
	lie = ASKS_NONSENSE_FIRST;
	assert_int_equal(read4(&value), 0);
	peer_free(&dma_answer);
	close(fd);
}

/* Memory without a descriptor, and a request while the client is idle. */
static void
test_private_memory(void **state)
{
	static uint8_t memory[0x1000] BH_ALIGNED(4096);
	uint64_t value;
	assert_int_equal(bh_vfio_user_dma_map_private(backend, 0x10000, 0x1001, memory, &error), -EINVAL);
	assert_int_equal(bh_vfio_user_dma_map_private(backend, 0x10000, 0x1000, memory, &error), 0);
	assert_int_equal(fake.last[2].fd_cnt, 0);
	lie = WRITES_FIRST;
	assert_int_equal(read4(&value), 0);
	assert_memory_equal(memory + 0x20, "there", 5);
	lie = 0;
	peer_free(&dma_answer);
	peer_send(fake.sock, dma_request(12, 0x10030, 4, "idle", 4), NULL, 0);
	assert_int_equal(bh_vfio_user_service(backend, &error), 0);
	assert_memory_equal(memory + 0x30, "idle", 4);
	assert_int_equal(backend->ops->dma_unmap(backend, 0x10000, 0x1000, &error), 0);
}

/* What the server said of itself in its version holds. */
static void
test_limits_of_the_server(void **state)
{
	static uint8_t memory[0x2000] BH_ALIGNED(4096);
	int fd = memory_file(0x1000), event = eventfd(0, EFD_CLOEXEC);
	fake_start(&fake, NULL);
	fake.json = "{\"capabilities\":{\"max_msg_fds\":0,\"max_dma_maps\":1}}";
	assert_int_equal(fake_open(&fake, LONG_NS, &backend, &error), 0);
	assert_int_equal(backend->ops->dma_map(backend, 0x10000, 0x1000, fd, 0, &error), -ENOTSUP);
	assert_error("E052", "takes no descriptors");
	assert_int_equal(bh_vfio_user_set_irqs(backend, MSIX, EVENTFD | TRIGGER, 0, 1, &event, NULL, &error), -ENOTSUP);
	assert_error("E052", "takes no descriptors");
	assert_int_equal(bh_vfio_user_dma_map_private(backend, 0x10000, 0x1000, memory, &error), 0);
	assert_int_equal(bh_vfio_user_dma_map_private(backend, 0x20000, 0x1000, memory, &error), -ENOSPC);
	assert_error("E052", "takes 1 DMA maps");
	teardown(NULL);
	close(event);
	close(fd);
}

/* --- interrupts --- */

static void
test_irqs_refused_locally(void **state)
{
	int fd = eventfd(0, EFD_CLOEXEC);
	uint8_t bools[2] = {1, 1};
	assert_int_equal(bh_vfio_user_set_irqs(backend, 5, NONE | TRIGGER, 0, 1, NULL, NULL, &error), -EINVAL);
	assert_int_equal(bh_vfio_user_set_irqs(backend, MSIX, NONE | TRIGGER, 20, 1, NULL, NULL, &error), -EINVAL);
	assert_int_equal(bh_vfio_user_set_irqs(backend, MSIX, NONE | TRIGGER, 1, 20, NULL, NULL, &error), -EINVAL);
	assert_int_equal(bh_vfio_user_set_irqs(backend, MSIX, NONE | TRIGGER, 1, 0, NULL, NULL, &error), -EINVAL);
	assert_int_equal(bh_vfio_user_set_irqs(backend, MSIX, NONE, 0, 1, NULL, NULL, &error), -EINVAL);
	assert_int_equal(bh_vfio_user_set_irqs(backend, MSIX, NONE | TRIGGER, 0, 1, &fd, NULL, &error), -EINVAL);
	assert_int_equal(bh_vfio_user_set_irqs(backend, MSIX, NONE | TRIGGER, 0, 2, NULL, bools, &error), -EINVAL);
	assert_int_equal(bh_vfio_user_set_irqs(backend, MSIX, BOOL | TRIGGER, 0, 2, NULL, NULL, &error), -EINVAL);
	assert_error("E052", "20 vectors");
	assert_int_equal(fake.cnt[8], 0);
	close(fd);
}

/* The server said that it takes 8 descriptors in a message: 20 vectors are three messages. */
static void
test_irqs_eventfds(void **state)
{
	int fd = eventfd(0, EFD_CLOEXEC), fds[20];
	for (int i = 0; i < 20; i++)
		fds[i] = fd;
	assert_int_equal(bh_vfio_user_set_irqs(backend, MSIX, EVENTFD | TRIGGER, 0, 20, fds, NULL, &error), 0);
	assert_int_equal(fake.cnt[8], 3);
	const struct peer_message *m = &fake.last[8];
	assert_int_equal(m->size, 16 + 20);
	assert_int_equal(get32(m, 16), 20);
	assert_int_equal(get32(m, 20), EVENTFD | TRIGGER);
	assert_int_equal(get32(m, 24), MSIX);
	assert_int_equal(get32(m, 28), 16);
	assert_int_equal(get32(m, 32), 4);
	assert_int_equal(m->fd_cnt, 4);
	close(fd);
}

static void
test_irqs_others(void **state)
{
	uint8_t bools[3] = {1, 0, 1};
	assert_int_equal(bh_vfio_user_set_irqs(backend, MSIX, BOOL | TRIGGER, 4, 3, NULL, bools, &error), 0);
	assert_int_equal(fake.last[8].size, 16 + 20 + 3);
	assert_int_equal(get32(&fake.last[8], 16), 23);
	assert_memory_equal(fake.last[8].bytes + 36, bools, 3);
	assert_int_equal(bh_vfio_user_set_irqs(backend, MSIX, EVENTFD | TRIGGER, 0, 20, NULL, NULL, &error), 0);
	assert_int_equal(fake.last[8].fd_cnt, 0);
	assert_int_equal(get32(&fake.last[8], 32), 20);
	assert_int_equal(bh_vfio_user_set_irqs(backend, MSIX, NONE | TRIGGER, 0, 0, NULL, NULL, &error), 0);
	assert_int_equal(get32(&fake.last[8], 32), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(test_register_refused_locally),
	        TEST(test_register_refused),
	        TEST(test_server_silent),
	        TEST(test_server_vanishes),
	        TEST(test_server_vanishes_in_reply),
	        TEST(test_reply_with_other_id),
	        TEST(test_reply_with_other_command),
	        TEST(test_reply_too_short),
	        TEST(test_reply_too_long),
	        TEST(test_reply_of_other_offset),
	        TEST(test_reply_of_other_region),
	        TEST(test_reply_of_other_count),
	        TEST(test_reply_twice),
	        TEST(test_server_vanishes_when_idle),
	        TEST(test_registers),
	        TEST(test_config_space),
	        TEST(test_reset),
	        TEST(test_descriptors_that_nobody_wants),
	        TEST(test_map_refused_locally),
	        TEST(test_map_refused),
	        TEST(test_map_and_unmap),
	        TEST(test_server_reads_and_writes),
	        TEST(test_server_asks_nonsense),
	        TEST(test_private_memory),
	        cmocka_unit_test(test_limits_of_the_server),
	        TEST(test_irqs_refused_locally),
	        TEST(test_irqs_eventfds),
	        TEST(test_irqs_others),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
