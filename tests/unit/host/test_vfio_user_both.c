/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our client against our server: what each end's own tests cannot show, that the two work together, over a socket in
 * the file system.
 */
#include "../devices/vfio_user_peer.h"

#include "../devices/vfio_user_toy.h"

#include <bulkhead/spec/vfio_user.h>
#include <host/device/vfio_user.h>
#include <pthread.h>
#include <sys/eventfd.h>

#define TIMEOUT_NS UINT64_C(20000000000)

/* The server runs on its own thread, stopped before the test looks into the toy. */
struct served {
	struct toy toy;
	char dir[32], path[64];
	pthread_t thread;
	int stop_fd;
	struct bh_backend *backend;
	struct bh_error error;
	unsigned fds_before;
	bool runs;
};

static void *
serve(void *arg)
{
	struct served *s = arg;
	for (;;) {
		struct pollfd p[2] = {{.fd = vfu_server_fd(s->toy.server), .events = POLLIN},
		                      {.fd = s->stop_fd, .events = POLLIN}};
		assert_true(poll(p, 2, -1) > 0);
		while (vfu_server_step(s->toy.server) > 0)
			;
		if (p[1].revents)
			return NULL;
	}
}

static void
start(struct served *s)
{
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
	s->runs = true;
}

/* What the client sent before has been dealt with: it waited for each reply. */
static void
stop(struct served *s)
{
	uint64_t one = 1;
	if (!s->runs)
		return;
	assert_int_equal(write(s->stop_fd, &one, sizeof(one)), 8);
	pthread_join(s->thread, NULL);
	assert_int_equal(read(s->stop_fd, &one, sizeof(one)), 8);
	s->runs = false;
}

static int
open_backend(struct served *s, struct bh_backend **out)
{
	return bh_vfio_user_open_timeout("toy", -1, s->path, TIMEOUT_NS, out, &s->error);
}

static int
setup(void **state)
{
	struct served *s = calloc(1, sizeof(*s));
	s->fds_before = open_fd_cnt();
	strcpy(s->dir, "/tmp/bh-vfu-XXXXXX");
	assert_non_null(mkdtemp(s->dir));
	snprintf(s->path, sizeof(s->path), "%s/s", s->dir);
	s->stop_fd = eventfd(0, EFD_CLOEXEC);
	struct vfu_device device = toy_device(&s->toy);
	assert_int_equal(vfu_server_create(&device, s->path, -1, &s->toy.server), 0);
	start(s);
	assert_int_equal(open_backend(s, &s->backend), 0);
	*state = s;
	return 0;
}

static int
teardown(void **state)
{
	struct served *s = *state;
	if (s->backend)
		s->backend->ops->close(s->backend);
	stop(s);
	vfu_server_destroy(s->toy.server);
	close(s->stop_fd);
	assert_int_equal(rmdir(s->dir), 0);
	assert_int_equal(open_fd_cnt(), s->fds_before);
	free(s);
	return 0;
}

static void
test_second_client(void **state)
{
	struct served *s = *state;
	struct bh_backend *second;
	assert_int_equal(open_backend(s, &second), -ENODEV);
	assert_string_equal(s->error.id, "E047");
	assert_non_null(strstr(s->error.text, "serves another client"));
	uint64_t value;
	assert_int_equal(s->backend->ops->reg_read(s->backend, 0, 0, 4, &value, &s->error), 0);
}

static void
test_server_ends(void **state)
{
	struct served *s = *state;
	uint64_t value;
	stop(s);
	vfu_server_destroy(s->toy.server);
	s->toy.server = NULL;
	assert_int_equal(s->backend->ops->reg_read(s->backend, 0, 0, 4, &value, &s->error), -ENODEV);
	assert_string_equal(s->error.id, "E047");
}

static void
test_model_refuses(void **state)
{
	struct served *s = *state;
	uint64_t value;
	stop(s);
	s->toy.result = -EBUSY;
	start(s);
	assert_int_equal(s->backend->ops->reg_read(s->backend, 0, 0, 4, &value, &s->error), -EBUSY);
	assert_int_equal(s->backend->ops->reset(s->backend, &s->error), -EBUSY);
	assert_string_equal(s->error.id, "E049");
}

static void
test_what_the_client_sees(void **state)
{
	struct served *s = *state;
	const struct bh_backend *b = s->backend;
	assert_int_equal(b->pci_vendor, 0x1b36);
	assert_int_equal(b->pci_device, 0x0010);
	assert_int_equal(b->pci_class, 0x010802);
	const uint64_t size[6] = {0x4000, 0, 0x2000, 0, 0x200000, 0x10};
	const uint32_t windows[6] = {1, 0, 1, 0, 2, 0};
	for (int i = 0; i < 6; i++) {
		assert_true(b->bar[i].size_bytes == size[i]);
		assert_int_equal(b->bar[i].window_cnt, windows[i]);
	}
	assert_int_equal(bh_vfio_user_irq_cnt(b, VFIO_USER_IRQ_MSIX), 4);
	assert_int_equal(s->toy.connected_cnt, 1);
}

/* Doorbells in a mapped window are one memory at both ends; registers below go by message. */
static void
test_windows_and_registers(void **state)
{
	struct served *s = *state;
	const struct bh_backend_window *w = &s->backend->bar[0].window[0];
	uint32_t *doorbells = mmap(NULL, w->size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, w->fd, (off_t)w->fd_offset);
	assert_true(doorbells != MAP_FAILED);
	doorbells[2] = 11;
	volatile uint32_t *there = vfu_server_region_memory(s->toy.server, 0, w->offset, w->size_bytes);
	assert_int_equal(there[2], 11);
	uint64_t value;
	assert_int_equal(s->backend->ops->reg_read(s->backend, 0, 0x1008, 4, &value, &s->error), 0);
	assert_true(value == 11);
	assert_int_equal(s->backend->ops->reg_write(s->backend, 0, 0x28, 8, UINT64_C(0x8877665544332211), &s->error),
	                 0);
	assert_int_equal(s->backend->ops->reg_read(s->backend, 0, 0x28, 8, &value, &s->error), 0);
	assert_true(value == UINT64_C(0x8877665544332211));
	assert_int_equal(s->backend->ops->reset(s->backend, &s->error), 0);
	assert_int_equal(there[2], 0);
	munmap(doorbells, w->size_bytes);
}

static void
test_dma(void **state)
{
	struct served *s = *state;
	int fd = memory_file(0x10000);
	uint8_t *memory = mmap(NULL, 0x10000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_int_equal(s->backend->ops->dma_map(s->backend, 0x1000000000, 0x8000, fd, 0x8000, &s->error), 0);
	assert_int_equal(s->backend->ops->dma_map(s->backend, 0x1000000000, 0x8000, fd, 0, &s->error), -EEXIST);
	stop(s);
	uint8_t *there = vfu_server_dma_translate(s->toy.server, 0x1000000000, 0x8000, VFU_DMA_READ | VFU_DMA_WRITE);
	assert_non_null(there);
	there[5] = 0x5a;
	assert_int_equal(memory[0x8005], 0x5a);
	start(s);
	assert_int_equal(s->backend->ops->dma_unmap(s->backend, 0x1000000000, 0x8000, &s->error), 0);
	assert_int_equal(s->backend->ops->dma_unmap(s->backend, 0x1000000000, 0x8000, &s->error), -ENOENT);
	stop(s);
	assert_null(vfu_server_dma_translate(s->toy.server, 0x1000000000, 1, VFU_DMA_READ));
	munmap(memory, 0x10000);
	close(fd);
}

/*
 * Memory that the server cannot map is read by message, over the second socket, while the client waits for its own
 * reply.
 */
static void *
write_to_client(void *arg)
{
	struct served *s = arg;
	s->toy.copy_result = vfu_server_dma_write(s->toy.server, 0x10020, "idle", 4);
	return NULL;
}

static void
test_private_dma(void **state)
{
	struct served *s = *state;
	static uint8_t memory[0x1000] BH_ALIGNED(4096);
	memcpy(memory + 0x100, "by messg", sizeof("by messg"));
	assert_int_equal(bh_vfio_user_dma_map_private(s->backend, 0x10000, 0x1000, memory, &s->error), 0);
	stop(s);
	s->toy.copy_iova = 0x10100;
	start(s);
	assert_int_equal(s->backend->ops->reg_write(s->backend, 0, 0x800, 4, 1, &s->error), 0);
	stop(s);
	assert_int_equal(s->toy.copy_result, 0);
	assert_memory_equal(s->toy.registers + 0x808, "by messg", 8);
}

/* The server asks over the second socket while the client is idle: its descriptor says so. */
static void
test_private_dma_while_idle(void **state)
{
	struct served *s = *state;
	static uint8_t memory[0x1000] BH_ALIGNED(4096);
	assert_int_equal(bh_vfio_user_dma_map_private(s->backend, 0x10000, 0x1000, memory, &s->error), 0);
	stop(s);
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, write_to_client, s), 0);
	struct pollfd p = {.fd = bh_vfio_user_fd(s->backend), .events = POLLIN};
	assert_int_equal(poll(&p, 1, PEER_WAIT_MS), 1);
	assert_int_equal(bh_vfio_user_service(s->backend, &s->error), 0);
	pthread_join(thread, NULL);
	assert_int_equal(s->toy.copy_result, 0);
	assert_memory_equal(memory + 0x20, "idle", 4);
}

static void
test_interrupts(void **state)
{
	struct served *s = *state;
	int fd[4];
	uint64_t cnt;
	for (int i = 0; i < 4; i++)
		fd[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	const uint32_t assign = VFIO_USER_IRQ_SET_DATA_EVENTFD | VFIO_USER_IRQ_SET_ACTION_TRIGGER;
	const uint32_t trigger = VFIO_USER_IRQ_SET_DATA_NONE | VFIO_USER_IRQ_SET_ACTION_TRIGGER;
	assert_int_equal(bh_vfio_user_set_irqs(s->backend, VFIO_USER_IRQ_MSIX, assign, 0, 4, fd, NULL, &s->error), 0);
	assert_int_equal(bh_vfio_user_set_irqs(s->backend, VFIO_USER_IRQ_MSIX, trigger, 1, 1, NULL, NULL, &s->error),
	                 0);
	stop(s);
	assert_int_equal(vfu_server_irq(s->toy.server, 3), 0);
	start(s);
	for (int i = 0; i < 4; i++) {
		bool expected = i == 1 || i == 3;
		assert_int_equal(read(fd[i], &cnt, sizeof(cnt)), expected ? 8 : -1);
	}
	assert_int_equal(bh_vfio_user_set_irqs(s->backend, VFIO_USER_IRQ_MSIX, trigger, 0, 0, NULL, NULL, &s->error),
	                 0);
	stop(s);
	assert_int_equal(vfu_server_irq(s->toy.server, 3), -ENOENT);
	for (int i = 0; i < 4; i++)
		close(fd[i]);
}

static void
test_next_client(void **state)
{
	struct served *s = *state;
	struct bh_backend *backend = s->backend;
	for (int i = 0; i < 20; i++) {
		s->backend = NULL;
		backend->ops->close(backend);
		/* The server may not have seen the old one go yet, and then turns the new one away. */
		int err;
		while ((err = open_backend(s, &backend)) == -ENODEV)
			;
		assert_int_equal(err, 0);
		s->backend = backend;
	}
	stop(s);
	assert_int_equal(s->toy.reset_cnt[VFU_RESET_DISCONNECT], 20);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(test_second_client),
	        TEST(test_server_ends),
	        TEST(test_model_refuses),
	        TEST(test_what_the_client_sees),
	        TEST(test_windows_and_registers),
	        TEST(test_dma),
	        TEST(test_private_dma),
	        TEST(test_private_dma_while_idle),
	        TEST(test_interrupts),
	        TEST(test_next_client),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
