/* SPDX-License-Identifier: Apache-2.0 */
/* Shadow doorbells (Base 2.0, 5.8): where they are, when the real doorbell is written, and what a reset does to them. */
#include "fake.h"

static volatile uint32_t *
shadow(uint32_t qid, uint32_t is_cq)
{
	uint32_t stride = 4u << (fake.cap >> 32 & 15);
	return (volatile uint32_t *)(uintptr_t)(fake.shadow + (uint64_t)(2 * qid + is_cq) * stride);
}

static volatile uint32_t *
event_idx(uint32_t qid, uint32_t is_cq)
{
	uint32_t stride = 4u << (fake.cap >> 32 & 15);
	return (volatile uint32_t *)(uintptr_t)(fake.event + (uint64_t)(2 * qid + is_cq) * stride);
}

static void
open_with_shadow(struct rig *rig, uint32_t depth)
{
	fake.id.oacs = NVME_OACS_DOORBELL_BUFFER;
	rig_open(rig, NULL, depth);
	assert_true(bh_nvme_info(rig->ctrl)->shadow_doorbells);
	assert_int_equal(fake.shadow & 4095, 0);
	assert_int_equal(fake.event & 4095, 0);
}

FIBER_TEST(test_refused_by_controller)
{
	struct bh_nvme *ctrl;
	fake.id.oacs = NVME_OACS_DOORBELL_BUFFER;
	fake.admin_fail_status[0x7c] = 0x006;
	assert_int_equal(bh_nvme_open("nvme0", NULL, &ctrl), -BH_EIO);
}

FIBER_TEST(test_not_wanted)
{
	struct rig rig;
	struct bh_nvme_options options = {.no_shadow_doorbells = 1};
	fake.id.oacs = NVME_OACS_DOORBELL_BUFFER;
	rig_open(&rig, &options, 4);
	assert_false(bh_nvme_info(rig.ctrl)->shadow_doorbells);
	assert_int_equal(fake_sent_cnt(0, 0x7c), 0);
	rig_close(&rig);
}

/* The device polls the shadow (EventIdx never reached): no doorbell write, the index is in memory. */
FIBER_TEST(test_polling_device)
{
	struct rig rig;
	struct done done = {0};
	open_with_shadow(&rig, 31);
	uint8_t *buf = bh_dma_alloc(4096, 4096);
	fake.hold_opcode_mask = 1u << 2;
	for (uint32_t i = 0; i < 10; i++) {
		*event_idx(1, 0) = (*shadow(1, 0) + 40) & 63; /* not between old and new */
		uint32_t rung = fake.doorbell_cnt[1][0];
		assert_int_equal(bh_nvme_read(rig.qp, rig.ns, 0, 8, buf, done_fn, &done), 0);
		bh_nvme_ring(rig.qp);
		assert_int_equal(fake.doorbell_cnt[1][0], rung);
		assert_int_equal(*shadow(1, 0), (i + 1) & 31);
	}
	/* The device asks to be woken at the next one. */
	*event_idx(1, 0) = *shadow(1, 0);
	assert_int_equal(bh_nvme_read(rig.qp, rig.ns, 0, 8, buf, done_fn, &done), 0);
	bh_nvme_ring(rig.qp);
	assert_int_equal(fake.doorbell_cnt[1][0], 1);
	for (uint32_t i = 0; i < 11; i++)
		fake_complete(1, fake_sent(1, 0x02, i), 0);
	rig_until(&rig, &done.cnt, 11);
	*event_idx(1, 0) = *shadow(1, 0);
	rig_close(&rig);
}

/* Every place of the old, new and event index of a ring of 8: rung if and only if the event lies in [old, new). */
FIBER_TEST(test_event_window)
{
	uint32_t real, memory_shadow, event;
	fake.cc = 0; /* writes to a disabled controller are only noted */
	volatile uint32_t *doorbell;
	struct bh_device device;
	assert_int_equal(bh_device_find("nvme0", &device), 0);
	doorbell = bh_device_window(&device, 0, NVME_REG_DOORBELLS + 8, 4);
	for (uint32_t old = 0; old < 8; old++) {
		for (uint32_t steps = 1; steps < 8; steps++) {
			for (event = 0; event < 8; event++) {
				memory_shadow = old;
				fake.write_while_disabled = false;
				bh_nvme_doorbell(doorbell, &memory_shadow, &event, (old + steps) & 7);
				real = fake.write_while_disabled;
				bool inside = ((event - old) & 7) < steps;
				assert_int_equal(memory_shadow, (old + steps) & 7);
				/* An index that wrapped may ring once too often, never too seldom. */
				if (inside)
					assert_int_equal(real, 1);
				else if (old + steps < 8)
					assert_int_equal(real, 0);
			}
		}
	}
}

FIBER_TEST(test_io_through_it)
{
	struct rig rig;
	open_with_shadow(&rig, 7);
	uint8_t *buf = bh_dma_alloc(4096, 4096);
	for (int i = 0; i < 200; i++) {
		*event_idx(1, 0) = *shadow(1, 0);
		*event_idx(1, 1) = *shadow(1, 1);
		assert_int_equal(bh_nvme_read_wait(rig.qp, rig.ns, 0, 8, buf, NULL), 0);
	}
	rig_close(&rig);
}

FIBER_TEST(test_after_reset)
{
	struct rig rig;
	open_with_shadow(&rig, 7);
	uint8_t *buf = bh_dma_alloc(4096, 4096);
	for (int i = 0; i < 5; i++) {
		*event_idx(1, 0) = *shadow(1, 0);
		assert_int_equal(bh_nvme_read_wait(rig.qp, rig.ns, 0, 8, buf, NULL), 0);
	}
	assert_int_equal(bh_nvme_reset(rig.ctrl), 0);
	assert_int_equal(fake_sent_cnt(0, 0x7c), 2);
	assert_int_equal(*shadow(1, 0), 0);
	*event_idx(1, 0) = 0;
	assert_int_equal(bh_nvme_read_wait(rig.qp, rig.ns, 0, 8, buf, NULL), 0);
	assert_int_equal(*shadow(1, 0), 1);
	*event_idx(1, 0) = 1;
	rig_close(&rig);
}

FIBER_TEST(test_wide_stride)
{
	fake.cap |= UINT64_C(4) << 32; /* 64 bytes apart: one page holds 32 queues */
	struct rig rig;
	open_with_shadow(&rig, 7);
	uint8_t *buf = bh_dma_alloc(4096, 4096);
	*event_idx(1, 0) = 0;
	assert_int_equal(bh_nvme_read_wait(rig.qp, rig.ns, 0, 8, buf, NULL), 0);
	assert_int_equal(*(volatile uint32_t *)(uintptr_t)(fake.shadow + 128), 1);
	*event_idx(1, 0) = 1;
	rig_close(&rig);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        UNIT(test_refused_by_controller), UNIT(test_not_wanted),    UNIT(test_polling_device),
	        UNIT(test_event_window),          UNIT(test_io_through_it), UNIT(test_after_reset),
	        UNIT(test_wide_stride),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
