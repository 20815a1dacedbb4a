/* SPDX-License-Identifier: Apache-2.0 */
/* Interrupts of the server: GET_IRQ_INFO, SET_IRQS with every data type and action, raising. */
#include "vfio_user_fixture.h"

#include <sys/eventfd.h>

enum {
	NONE = 1,
	BOOL = 2,
	EVENTFD = 4,
	MASK = 8,
	UNMASK = 16,
	TRIGGER = 32,
	INTX = 0,
	MSI = 1,
	MSIX = 2,
};

static struct peer_message
irq_info(uint32_t argsz, uint32_t index)
{
	struct peer_message m = peer_message(7, 7, 0);
	put32(&m, argsz);
	put32(&m, 0);
	put32(&m, index);
	put32(&m, 0);
	return m;
}

static struct peer_message
set_irqs(uint32_t flags, uint32_t index, uint32_t start, uint32_t cnt)
{
	struct peer_message m = peer_message(8, 8, 0);
	put32(&m, 20);
	put32(&m, flags);
	put32(&m, index);
	put32(&m, start);
	put32(&m, cnt);
	return m;
}

static int
new_eventfd(void)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void
assign(struct fixture *f, uint32_t action, uint32_t index, uint32_t start, const int *fds, uint32_t cnt)
{
	accept_fds(f, set_irqs(EVENTFD | action, index, start, cnt), fds, cnt);
}

static void
act(struct fixture *f, uint32_t flags, uint32_t index, uint32_t start, uint32_t cnt)
{
	accept_fds(f, set_irqs(flags, index, start, cnt), NULL, 0);
}

/* How often it was signalled since the last look. */
static uint64_t
signals(int fd)
{
	uint64_t cnt = 0;
	return read(fd, &cnt, sizeof(cnt)) == sizeof(cnt) ? cnt : 0;
}

static void
test_info(void **state)
{
	/* flags: 1 eventfd, 2 maskable, 4 automasked */
	const uint32_t flags[] = {7, 3, 3, 1, 1}, cnt[] = {1, 2, 4, 0, 0};
	refuse(*state, irq_info(16, 5), EINVAL);
	refuse(*state, irq_info(15, 0), EINVAL);
	for (uint32_t i = 0; i < 5; i++) {
		struct peer_message reply = ask(*state, irq_info(16, i));
		assert_int_equal(reply.size, 32);
		assert_int_equal(get32(&reply, 16), 16);
		assert_int_equal(get32(&reply, 20), flags[i]);
		assert_int_equal(get32(&reply, 24), i);
		assert_int_equal(get32(&reply, 28), cnt[i]);
		peer_free(&reply);
	}
}

static void
test_set_refuses(void **state)
{
	struct fixture *f = *state;
	int fd = new_eventfd(), two[2] = {fd, fd};
	refuse(f, set_irqs(NONE | TRIGGER, 5, 0, 1), EINVAL);
	refuse(f, set_irqs(NONE | TRIGGER, UINT32_MAX, 0, 1), EINVAL);
	refuse(f, set_irqs(NONE | TRIGGER, MSIX, 4, 1), EINVAL);
	refuse(f, set_irqs(NONE | TRIGGER, MSIX, 1, 4), EINVAL);
	refuse(f, set_irqs(NONE | TRIGGER, MSIX, 1, UINT32_MAX), EINVAL);
	refuse(f, set_irqs(NONE | TRIGGER, MSIX, 1, 0), EINVAL);
	refuse(f, set_irqs(NONE | MASK, MSIX, 0, 0), EINVAL);
	refuse(f, set_irqs(NONE | BOOL | TRIGGER, MSIX, 0, 1), EINVAL);
	refuse(f, set_irqs(NONE | TRIGGER | MASK, MSIX, 0, 1), EINVAL);
	refuse(f, set_irqs(TRIGGER, MSIX, 0, 1), EINVAL);
	refuse(f, set_irqs(NONE, MSIX, 0, 1), EINVAL);
	refuse(f, set_irqs(NONE | TRIGGER | 64, MSIX, 0, 1), EINVAL);
	refuse(f, set_irqs(BOOL | TRIGGER, MSIX, 0, 1), EINVAL); /* no booleans */
	refuse(f, set_irqs(NONE | TRIGGER, 3, 0, 1), EINVAL);    /* the error type has no vectors */
	refuse_fds(f, set_irqs(EVENTFD | TRIGGER, MSIX, 0, 1), two, 2, EINVAL);
	refuse_fds(f, set_irqs(EVENTFD | TRIGGER, MSIX, 0, 3), two, 2, EINVAL);
	refuse_fds(f, set_irqs(NONE | TRIGGER, MSIX, 0, 1), &fd, 1, EINVAL);
	struct peer_message m = set_irqs(NONE | TRIGGER, MSIX, 0, 1);
	m.bytes[16] = 19; /* argsz */
	refuse(f, m, EINVAL);
	close(fd);
}

/* Only an eventfd can be written without blocking the device. */
static void
test_not_an_eventfd(void **state)
{
	int pipe_fds[2], file = memory_file(16);
	assert_int_equal(pipe(pipe_fds), 0);
	refuse_fds(*state, set_irqs(EVENTFD | TRIGGER, MSIX, 0, 1), &pipe_fds[1], 1, EINVAL);
	refuse_fds(*state, set_irqs(EVENTFD | TRIGGER, MSIX, 0, 1), &file, 1, EINVAL);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	close(file);
}

static void
test_raise_refuses(void **state)
{
	struct fixture *f = *state;
	int fd = new_eventfd();
	assert_int_equal(vfu_server_irq(f->server, 0), -ENOENT);
	assign(f, TRIGGER, MSIX, 1, &fd, 1);
	assert_int_equal(vfu_server_irq(f->server, 0), -ENOENT);
	assert_int_equal(vfu_server_irq(f->server, 4), -EINVAL);
	assert_int_equal(vfu_server_irq(f->server, UINT32_MAX), -EINVAL);
	assert_int_equal(signals(fd), 0);
	close(f->sock);
	f->sock = -1;
	assert_disconnected(f);
	assert_int_equal(vfu_server_irq(f->server, 1), -ENOTCONN);
	close(fd);
}

/* MSI-X before MSI before INTx; a de-assigned type gives way to the next. */
static void
test_raise(void **state)
{
	struct fixture *f = *state;
	int fd[4];
	for (int i = 0; i < 4; i++)
		fd[i] = new_eventfd();
	assign(f, TRIGGER, INTX, 0, &fd[0], 1);
	assert_int_equal(vfu_server_irq(f->server, 0), 0);
	assert_int_equal(signals(fd[0]), 1);
	assign(f, TRIGGER, MSI, 1, &fd[1], 1);
	assert_int_equal(vfu_server_irq(f->server, 1), 0);
	assert_int_equal(signals(fd[1]), 1);
	assign(f, TRIGGER, MSIX, 2, &fd[2], 2);
	assert_int_equal(vfu_server_irq(f->server, 2), 0);
	assert_int_equal(vfu_server_irq(f->server, 3), 0);
	assert_int_equal(vfu_server_irq(f->server, 3), 0);
	assert_int_equal(signals(fd[2]), 1);
	assert_int_equal(signals(fd[3]), 2);
	act(f, EVENTFD | TRIGGER, MSIX, 3, 1); /* no descriptors: de-assigns */
	assert_int_equal(vfu_server_irq(f->server, 3), -ENOENT);
	act(f, NONE | TRIGGER, MSIX, 0, 0); /* disables the type */
	assert_int_equal(vfu_server_irq(f->server, 1), 0);
	assert_int_equal(signals(fd[1]), 1);
	for (int i = 0; i < 4; i++)
		close(fd[i]);
}

static void
test_client_triggers(void **state)
{
	struct fixture *f = *state;
	int fd[3];
	for (int i = 0; i < 3; i++)
		fd[i] = new_eventfd();
	assign(f, TRIGGER, MSIX, 0, fd, 3);
	act(f, NONE | TRIGGER, MSIX, 1, 2);
	struct peer_message m = set_irqs(BOOL | TRIGGER, MSIX, 0, 3);
	put_bytes(&m, "\1\0\1", 3);
	accept_fds(f, m, NULL, 0);
	assert_int_equal(signals(fd[0]), 1);
	assert_int_equal(signals(fd[1]), 1);
	assert_int_equal(signals(fd[2]), 2);
	for (int i = 0; i < 3; i++)
		close(fd[i]);
}

/* Masked interrupts are remembered once; masking and unmasking signal their own eventfds. */
static void
test_mask(void **state)
{
	struct fixture *f = *state;
	int trigger = new_eventfd(), masked = new_eventfd(), unmasked = new_eventfd();
	assign(f, TRIGGER, MSIX, 1, &trigger, 1);
	assign(f, MASK, MSIX, 1, &masked, 1);
	assign(f, UNMASK, MSIX, 1, &unmasked, 1);
	act(f, NONE | MASK, MSIX, 0, 4);
	assert_int_equal(signals(masked), 1);
	act(f, NONE | MASK, MSIX, 1, 1);
	assert_int_equal(signals(masked), 0);
	assert_int_equal(vfu_server_irq(f->server, 1), 0);
	assert_int_equal(vfu_server_irq(f->server, 1), 0);
	assert_int_equal(signals(trigger), 0);
	struct peer_message m = set_irqs(BOOL | UNMASK, MSIX, 0, 2);
	put_bytes(&m, "\0\1", 2);
	accept_fds(f, m, NULL, 0);
	assert_int_equal(signals(unmasked), 1);
	assert_int_equal(signals(trigger), 1);
	assert_int_equal(vfu_server_irq(f->server, 1), 0);
	assert_int_equal(signals(trigger), 1);
	close(trigger);
	close(masked);
	close(unmasked);
}

/* "The IRQ type masks itself after being triggered, and the client must send an UNMASK action". */
static void
test_intx_masks_itself(void **state)
{
	struct fixture *f = *state;
	int fd = new_eventfd();
	assign(f, TRIGGER, INTX, 0, &fd, 1);
	assert_int_equal(vfu_server_irq(f->server, 0), 0);
	assert_int_equal(vfu_server_irq(f->server, 0), 0);
	assert_int_equal(signals(fd), 1);
	act(f, NONE | UNMASK, INTX, 0, 1);
	assert_int_equal(signals(fd), 1);
	act(f, NONE | UNMASK, INTX, 0, 1);
	assert_int_equal(signals(fd), 0);
	close(fd);
}

/* A counter at its maximum would block the writer: the event is there already. */
static void
test_full_eventfd(void **state)
{
	struct fixture *f = *state;
	int fd = eventfd(0, EFD_CLOEXEC); /* blocking */
	uint64_t full = UINT64_MAX - 1;
	assert_int_equal(write(fd, &full, sizeof(full)), 8);
	assign(f, TRIGGER, MSIX, 0, &fd, 1);
	assert_int_equal(vfu_server_irq(f->server, 0), 0);
	assert_true(signals(fd) == full);
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(test_info),           TEST(test_set_refuses),
	        TEST(test_not_an_eventfd), TEST(test_raise_refuses),
	        TEST(test_raise),          TEST(test_client_triggers),
	        TEST(test_mask),           TEST(test_intx_masks_itself),
	        TEST(test_full_eventfd),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
