/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/core/unit.h"
#include <bulkhead/device.h>
#include <pthread.h>
#include <sched.h>

#define WINDOW_OFFSET 0x1000u
#define WINDOW_BYTES  0x2000u
#define BAR_BYTES     0x4000u

/* The registers of the test's device that are in a window: anywhere in memory will do. */
static _Alignas(4096) uint8_t window[WINDOW_BYTES];
static struct bh_device device;

static int
setup(void **state)
{
	if (unit_cell_start(state) != 0)
		return -1;
	struct bh_boot_page *page = bh_hosted_page();
	page->device_cnt = 2;
	memcpy(page->device[0].name, "other", 6);
	memcpy(page->device[1].name, "nvme0", 6);
	page->device[1].bar[0] = (struct bh_boot_bar){
	        .size_bytes = BAR_BYTES,
	        .window_cnt = 1,
	        .window = {{WINDOW_OFFSET, WINDOW_BYTES, (uintptr_t)window}},
	};
	memset(window, 0, sizeof(window));
	return bh_device_find("nvme0", &device);
}

/* A supervisor for one core's mailbox, in a thread: answers cnt requests, each with `status`, and keeps the last. */
struct supervisor {
	pthread_t thread;
	unsigned answer_cnt;
	int32_t status;
	uint64_t read_value;
	struct bh_mailbox_slot last;
};

static struct bh_mailbox_slot *
mailbox(void)
{
	return bh_hosted_shared(bh_hosted_page()->shared.mailbox_offset);
}

static void *
supervisor_main(void *arg)
{
	struct supervisor *self = arg;
	struct bh_mailbox_slot *slot = mailbox();
	uint32_t seen_seq = 0;
	for (unsigned i = 0; i < self->answer_cnt; i++) {
		while (__atomic_load_n(&slot->request_seq, __ATOMIC_ACQUIRE) == seen_seq)
			sched_yield();
		seen_seq = slot->request_seq;
		self->last = *slot;
		slot->status = self->status;
		slot->read_value = self->read_value + i;
		__atomic_store_n(&slot->done_seq, seen_seq, __ATOMIC_RELEASE);
	}
	return NULL;
}

static void
supervisor_start(struct supervisor *self)
{
	assert_int_equal(pthread_create(&self->thread, NULL, supervisor_main, self), 0);
}

static void
supervisor_join(struct supervisor *self)
{
	pthread_join(self->thread, NULL);
}

static void
test_unknown_device(void **state)
{
	struct bh_device none;
	assert_int_equal(bh_device_find("nvme", &none), -BH_ENOENT);
	assert_int_equal(bh_device_find("nvme01", &none), -BH_ENOENT);
	assert_int_equal(bh_device_find("", &none), -BH_ENOENT);
	assert_int_equal(bh_device_find("a name that is longer than any name in a boot page", &none), -BH_ENOENT);
	assert_int_equal(device.device_idx, 1);
}

static void
test_bad_offsets(void **state)
{
	uint32_t value32;
	uint64_t value64;
	assert_int_equal(bh_reg_read32(&device, 0, 2, &value32), -BH_EINVAL);
	assert_int_equal(bh_reg_read64(&device, 0, 4, &value64), -BH_EINVAL);
	assert_int_equal(bh_reg_read32(&device, 0, BAR_BYTES, &value32), -BH_EINVAL);
	assert_int_equal(bh_reg_read64(&device, 0, BAR_BYTES - 4, &value64), -BH_EINVAL);
	assert_int_equal(bh_reg_read64(&device, 0, UINT64_MAX - 7, &value64), -BH_EINVAL);
	assert_int_equal(bh_reg_read32(&device, 1, 0, &value32), -BH_EINVAL);
	assert_int_equal(bh_reg_read32(&device, BH_DEVICE_BARS_MAX, 0, &value32), -BH_EINVAL);
	assert_int_equal(bh_reg_read32(&device, UINT32_MAX, 0, &value32), -BH_EINVAL);
	assert_int_equal(bh_reg_write32(&device, 0, 1, 0), -BH_EINVAL);
	assert_int_equal(bh_reg_write64(&device, 0, 12, 0), -BH_EINVAL);
	assert_int_equal(bh_reg_write32(&device, 0, BAR_BYTES, 0), -BH_EINVAL);
	assert_int_equal(mailbox()->request_seq, 0);
}

static void
test_windows(void **state)
{
	assert_null(bh_device_window(&device, 0, 0, 4));
	assert_null(bh_device_window(&device, 0, WINDOW_OFFSET - 4, 8));
	assert_null(bh_device_window(&device, 0, WINDOW_OFFSET + WINDOW_BYTES, 1));
	assert_null(bh_device_window(&device, 0, WINDOW_OFFSET + WINDOW_BYTES - 4, 8));
	assert_null(bh_device_window(&device, 0, WINDOW_OFFSET, UINT64_MAX));
	assert_null(bh_device_window(&device, 1, 0, 4));
	assert_null(bh_device_window(&device, 6, 0, 4));
	assert_ptr_equal(bh_device_window(&device, 0, WINDOW_OFFSET, WINDOW_BYTES), window);
	assert_ptr_equal(bh_device_window(&device, 0, WINDOW_OFFSET + 8, 8), window + 8);
}

static void
test_mapped_registers_need_no_mailbox(void **state)
{
	uint32_t value32 = 0;
	uint64_t value64 = 0;
	assert_int_equal(bh_reg_write32(&device, 0, WINDOW_OFFSET + 4, 0x11223344), 0);
	assert_int_equal(bh_reg_write64(&device, 0, WINDOW_OFFSET + 8, UINT64_C(0x5566778899aabbcc)), 0);
	assert_int_equal(bh_reg_read32(&device, 0, WINDOW_OFFSET + 4, &value32), 0);
	assert_int_equal(bh_reg_read64(&device, 0, WINDOW_OFFSET + 8, &value64), 0);
	assert_int_equal(value32, 0x11223344);
	assert_int_equal(value64, UINT64_C(0x5566778899aabbcc));
	assert_int_equal(window[4], 0x44);
	assert_int_equal(mailbox()->request_seq, 0);
}

/* Nobody answers: at this clock rate ten seconds are soon over. */
static void
test_silent_supervisor(void **state)
{
	uint32_t value = 7;
	bh_hosted_page()->tsc_hz = BH_TSC_HZ_MIN;
	assert_int_equal(bh_reg_read32(&device, 0, 0, &value), -BH_ETIMEDOUT);
	assert_int_equal(value, 7);
	assert_int_equal(bh_reg_write32(&device, 0, 0, 1), -BH_ETIMEDOUT);
	assert_int_equal(bh_device_reset(&device), -BH_ETIMEDOUT);
	bool under_way = true;
	assert_int_equal(bh_device_reset_cnt(&device, &under_way), 1);
	assert_false(under_way);
	/* A late answer to an old request is not taken for the new one's. */
	mailbox()->done_seq = 2;
	assert_int_equal(bh_reg_read32(&device, 0, 0, &value), -BH_ETIMEDOUT);
}

static void
expect_status(int32_t status, int expected)
{
	struct supervisor supervisor = {.answer_cnt = 1, .status = status};
	uint32_t value = 7;
	memset(mailbox(), 0, sizeof(*mailbox()));
	bh_core_self()->mailbox_seq = 0;
	supervisor_start(&supervisor);
	assert_int_equal(bh_reg_read32(&device, 0, 0, &value), expected);
	supervisor_join(&supervisor);
	assert_int_equal(value, expected == 0 ? 0 : 7);
}

static void
test_refusals(void **state)
{
	expect_status(-BH_ENODEV, -BH_ENODEV);
	expect_status(-BH_EIO, -BH_EIO);
	expect_status(-BH_EPERM, -BH_EIO);
	expect_status(INT32_MIN, -BH_EIO);
	expect_status(1, -BH_EIO);
	expect_status(0, 0);
}

static void
test_request_fields(void **state)
{
	struct supervisor supervisor = {.answer_cnt = 4, .read_value = UINT64_C(0xffffffff00000010)};
	uint32_t value32 = 0;
	uint64_t value64 = 0;
	supervisor_start(&supervisor);
	assert_int_equal(bh_reg_read32(&device, 0, 0x14, &value32), 0);
	assert_int_equal(value32, 0x10);
	assert_int_equal(bh_reg_read64(&device, 0, 0x28, &value64), 0);
	assert_int_equal(value64, UINT64_C(0xffffffff00000011));
	assert_int_equal(bh_device_reset(&device), 0);
	assert_int_equal(bh_reg_write64(&device, 0, 0x30, 0x1234567890), 0);
	supervisor_join(&supervisor);
	assert_int_equal(supervisor.last.op, BH_MAILBOX_WRITE);
	assert_int_equal(supervisor.last.device, 1);
	assert_int_equal(supervisor.last.bar, 0);
	assert_int_equal(supervisor.last.width_bytes, 8);
	assert_int_equal(supervisor.last.offset, 0x30);
	assert_int_equal(supervisor.last.write_value, 0x1234567890);
}

/* Who looks on: a fiber beside the one that waits for the reset. */
static struct {
	bool under_way, done;
	uint32_t cnt;
} seen;

static void
reset_fiber(void *arg)
{
	(void)arg;
	assert_int_equal(bh_device_reset(&device), 0);
	seen.done = true;
}

static void
look_fiber(void *arg)
{
	(void)arg;
	while (!seen.done && !seen.under_way) {
		seen.cnt = bh_device_reset_cnt(&device, &seen.under_way);
		bh_yield();
	}
	__atomic_store_n(&mailbox()->done_seq, mailbox()->request_seq, __ATOMIC_RELEASE);
}

static void
body_reset(void *arg)
{
	bool under_way = true;
	(void)arg;
	assert_int_equal(bh_device_reset_cnt(&device, &under_way), 0);
	assert_false(under_way);
	assert_int_equal(bh_fiber_spawn(reset_fiber, NULL), 0);
	assert_int_equal(bh_fiber_spawn(look_fiber, NULL), 0);
	while (!seen.done)
		bh_yield();
	assert_true(seen.under_way);
	assert_int_equal(seen.cnt, 1);
	assert_int_equal(bh_device_reset_cnt(&device, &under_way), 1);
	assert_false(under_way);
}

static void
test_reset_is_seen(void **state)
{
	struct bh_device other;
	bool under_way = true;
	memset(&seen, 0, sizeof(seen));
	assert_int_equal(bh_hosted_run(0, body_reset, NULL), 0);
	assert_int_equal(bh_device_find("other", &other), 0);
	assert_int_equal(bh_device_reset_cnt(&other, &under_way), 0);
	assert_false(under_way);
}

/* Two fibers of a core ask at once: both are answered, one after the other. */
static void
body_reader(void *arg)
{
	uint64_t *value = arg;
	assert_int_equal(bh_reg_read64(&device, 0, 0, value), 0);
}

static void
body_two_readers(void *arg)
{
	uint64_t *value = arg;
	assert_int_equal(bh_fiber_spawn(body_reader, &value[0]), 0);
	assert_int_equal(bh_fiber_spawn(body_reader, &value[1]), 0);
	while (value[0] == 0 || value[1] == 0)
		bh_yield();
}

static void
test_fibers_take_turns(void **state)
{
	struct supervisor supervisor = {.answer_cnt = 2, .read_value = 5};
	uint64_t value[2] = {0};
	supervisor_start(&supervisor);
	assert_int_equal(bh_hosted_run(0, body_two_readers, value), 0);
	supervisor_join(&supervisor);
	assert_int_equal(value[0], 5);
	assert_int_equal(value[1], 6);
}

#define CELL_TEST(test) cmocka_unit_test_setup_teardown(test, setup, unit_cell_stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        CELL_TEST(test_unknown_device),    CELL_TEST(test_bad_offsets),
	        CELL_TEST(test_windows),           CELL_TEST(test_mapped_registers_need_no_mailbox),
	        CELL_TEST(test_silent_supervisor), CELL_TEST(test_refusals),
	        CELL_TEST(test_request_fields),    CELL_TEST(test_fibers_take_turns),
	        CELL_TEST(test_reset_is_seen),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
