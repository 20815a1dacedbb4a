/* SPDX-License-Identifier: Apache-2.0 */
/* A device that lies in its completions: each lie is counted, refused and never followed. */
#include "fake.h"

/* Submit one read and keep it at the device. Return: its entry. */
static const struct nvme_sqe *
held_read(struct rig *rig, uint8_t *buf, struct done *done)
{
	uint32_t idx = fake_sent_cnt(1, 0x02);
	fake.hold_opcode_mask = 1u << 2;
	assert_int_equal(bh_nvme_read(rig->qp, rig->ns, 0, 8, buf, done_fn, done), 0);
	bh_nvme_ring(rig->qp);
	return fake_sent(1, 0x02, idx);
}

static void
counters_check(uint64_t unknown, uint64_t duplicate, uint64_t wrong_sq, uint64_t bad_head)
{
	assert_int_equal(fake_counter("completion_unknown_id"), unknown);
	assert_int_equal(fake_counter("completion_duplicate"), duplicate);
	assert_int_equal(fake_counter("completion_wrong_sq"), wrong_sq);
	assert_int_equal(fake_counter("completion_bad_sq_head"), bad_head);
}

FIBER_TEST(test_identifier_never_given)
{
	struct rig rig;
	struct done done = {0};
	struct bh_nvme_options options = {.refused_max = 5};
	rig_open(&rig, &options, 4); /* submission ring of 8 */
	const struct nvme_sqe *cmd = held_read(&rig, bh_dma_alloc(4096, 4096), &done);
	fake_cqe_post(1, fake_cqe_for(1, (uint16_t)(cmd->cid ^ 1), 0));     /* another slot, never used */
	fake_cqe_post(1, fake_cqe_for(1, (uint16_t)(cmd->cid - 8), 0));     /* as if the slot had been used before */
	fake_cqe_post(1, fake_cqe_for(1, (uint16_t)(cmd->cid ^ 0x100), 0)); /* another use of the same slot */
	fake_cqe_post(1, fake_cqe_for(1, 0xffff, 0));
	assert_int_equal(bh_nvme_poll(rig.qp, 8), 0);
	assert_int_equal(done.cnt, 0);
	counters_check(4, 0, 0, 0);
	fake_complete(1, cmd, 0);
	assert_int_equal(bh_nvme_poll(rig.qp, 8), 1);
	assert_int_equal(done.cnt, 1);
	assert_int_equal(bh_nvme_state(rig.ctrl), BH_NVME_LIVE);
	rig_close(&rig);
}

FIBER_TEST(test_every_wrong_identifier)
{
	struct rig rig;
	struct done done = {0};
	struct bh_nvme_options options = {.refused_max = 100000};
	rig_open(&rig, &options, 4);
	const struct nvme_sqe *cmd = held_read(&rig, bh_dma_alloc(4096, 4096), &done);
	uint32_t refused = 0;
	for (uint32_t cid = 0; cid < 65536; cid++) {
		if (cid == cmd->cid)
			continue;
		fake_cqe_post(1, fake_cqe_for(1, (uint16_t)cid, 0));
		assert_int_equal(bh_nvme_poll(rig.qp, 8), 0);
		refused++;
	}
	assert_int_equal(done.cnt, 0);
	assert_int_equal(fake_counter("completion_unknown_id") + fake_counter("completion_duplicate"), refused);
	fake_complete(1, cmd, 0);
	assert_int_equal(bh_nvme_poll(rig.qp, 8), 1);
	rig_close(&rig);
}

FIBER_TEST(test_completed_twice)
{
	struct rig rig;
	struct done done = {0}, other = {0};
	rig_open(&rig, NULL, 4);
	uint8_t *buf = bh_dma_alloc(4096, 4096);
	struct nvme_sqe cmd = *held_read(&rig, buf, &done);
	fake_complete(1, &cmd, 0);
	fake_complete(1, &cmd, 0);
	assert_int_equal(bh_nvme_poll(rig.qp, 8), 1);
	assert_int_equal(done.cnt, 1);
	counters_check(0, 1, 0, 0);
	/* The slot is used again: the old identifier does not complete the new command. */
	for (int i = 0; i < 100; i++) {
		struct nvme_sqe next = *held_read(&rig, buf, &other);
		assert_int_not_equal(next.cid, cmd.cid);
		fake_complete(1, &cmd, 0);
		assert_int_equal(bh_nvme_poll(rig.qp, 8), 0);
		fake_complete(1, &next, 0);
		assert_int_equal(bh_nvme_poll(rig.qp, 8), 1);
		assert_int_equal(other.cnt, i + 1);
	}
	assert_int_equal(done.cnt, 1);
	counters_check(99, 2, 0, 0); /* told from a stray one only until the slot is used once more */
	rig_close(&rig);
}

FIBER_TEST(test_wrong_submission_queue)
{
	struct rig rig;
	struct done done = {0};
	rig_open(&rig, NULL, 4);
	const struct nvme_sqe *cmd = held_read(&rig, bh_dma_alloc(4096, 4096), &done);
	struct nvme_cqe cqe = fake_cqe_for(1, cmd->cid, 0);
	cqe.sq_id = 0;
	fake_cqe_post(1, cqe);
	cqe.sq_id = 2;
	fake_cqe_post(1, cqe);
	cqe.sq_id = 0xffff;
	fake_cqe_post(1, cqe);
	assert_int_equal(bh_nvme_poll(rig.qp, 8), 0);
	assert_int_equal(done.cnt, 0);
	counters_check(0, 0, 3, 0);
	fake_complete(1, cmd, 0);
	assert_int_equal(bh_nvme_poll(rig.qp, 8), 1);
	rig_close(&rig);
}

FIBER_TEST(test_submission_head_outside_of_queue)
{
	struct rig rig;
	struct done done = {0};
	rig_open(&rig, NULL, 4); /* submission ring of 8 */
	const struct nvme_sqe *cmd = held_read(&rig, bh_dma_alloc(4096, 4096), &done);
	struct nvme_cqe cqe = fake_cqe_for(1, cmd->cid, 0);
	assert_int_equal(cqe.sq_head, 1);
	cqe.sq_head = 8; /* beyond the ring */
	fake_cqe_post(1, cqe);
	cqe.sq_head = 0xffff;
	fake_cqe_post(1, cqe);
	assert_int_equal(bh_nvme_poll(rig.qp, 8), 0);
	counters_check(0, 0, 0, 2);
	fake_complete(1, cmd, 0);
	assert_int_equal(bh_nvme_poll(rig.qp, 8), 1);
	assert_int_equal(done.cnt, 1);
	assert_int_equal(fake_counter("completion_old_sq_head"), 0);
	rig_close(&rig);
}

FIBER_TEST(test_head_goes_back)
{
	struct rig rig;
	struct done done = {0};
	rig_open(&rig, NULL, 4);
	uint8_t *buf = bh_dma_alloc(4096, 4096);
	struct nvme_sqe first = *held_read(&rig, buf, &done);
	struct nvme_sqe second = *held_read(&rig, buf, &done);
	fake_complete(1, &first, 0); /* head 2 */
	struct nvme_cqe cqe = fake_cqe_for(1, second.cid, 0);
	cqe.sq_head = 1;
	fake_cqe_post(1, cqe);
	assert_int_equal(bh_nvme_poll(rig.qp, 8), 2);
	counters_check(0, 0, 0, 0);
	assert_int_equal(fake_counter("completion_old_sq_head"), 1);
	assert_int_equal(done.cnt, 2);
	/* The newer head still holds. */
	struct nvme_sqe third = *held_read(&rig, buf, &done);
	fake_complete(1, &third, 0);
	assert_int_equal(bh_nvme_poll(rig.qp, 8), 1);
	assert_int_equal(fake_counter("completion_old_sq_head"), 1);
	rig_close(&rig);
}

/* Whatever head inside of the queue a completion names, its command completes once, and so do the next ones. */
FIBER_TEST(test_every_head_of_the_queue)
{
	struct rig rig;
	struct done done = {0};
	rig_open(&rig, NULL, 4); /* submission ring of 8 */
	uint8_t *buf = bh_dma_alloc(4096, 4096);
	for (uint32_t i = 0; i < 200; i++) {
		struct nvme_sqe cmd = *held_read(&rig, buf, &done);
		struct nvme_cqe cqe = fake_cqe_for(1, cmd.cid, 0);
		cqe.sq_head = (uint16_t)(i * 5 % 8);
		fake_cqe_post(1, cqe);
		assert_int_equal(bh_nvme_poll(rig.qp, 8), 1);
		assert_int_equal(done.cnt, i + 1);
	}
	counters_check(0, 0, 0, 0);
	assert_in_range(fake_counter("completion_old_sq_head"), 1, 199);
	assert_int_equal(fake_counter("reset"), 0);
	fake.hold_opcode_mask = 0;
	rig_close(&rig);
}

FIBER_TEST(test_too_many_refused)
{
	struct rig rig;
	struct done done = {0};
	struct bh_nvme_options options = {.refused_max = 3};
	rig_open(&rig, &options, 4);
	const struct nvme_sqe *cmd = held_read(&rig, bh_dma_alloc(4096, 4096), &done);
	struct nvme_sqe sent = *cmd;
	/* A good one in between starts the count again. */
	for (int i = 0; i < 2; i++)
		fake_cqe_post(1, fake_cqe_for(1, 0x7777, 0));
	fake_complete(1, &sent, 0);
	for (int i = 0; i < 2; i++)
		fake_cqe_post(1, fake_cqe_for(1, 0x7777, 0));
	assert_int_equal(bh_nvme_poll(rig.qp, 8), 1);
	for (int i = 0; i < 100; i++)
		bh_yield();
	assert_int_equal(fake_counter("reset"), 0);
	held_read(&rig, bh_dma_alloc(4096, 4096), &done);
	fake_cqe_post(1, fake_cqe_for(1, 0x7777, 0));
	rig_until(&rig, &done.cnt, 2);
	assert_int_equal(done.status, BH_NVME_STATUS_RESET);
	assert_int_equal(fake_counter("reset"), 1);
	fake.hold_opcode_mask = 0;
	assert_int_equal(bh_nvme_read_wait(rig.qp, rig.ns, 0, 8, bh_dma_alloc(4096, 4096), NULL), 0);
	rig_close(&rig);
}

FIBER_TEST(test_wrong_phase_is_not_seen)
{
	struct rig rig;
	struct done done = {0};
	rig_open(&rig, NULL, 4);
	const struct nvme_sqe *cmd = held_read(&rig, bh_dma_alloc(4096, 4096), &done);
	struct fake_cq *cq = &fake.cq[1];
	struct nvme_cqe cqe = fake_cqe_for(1, cmd->cid, 0);
	cqe.status = 0;
	cq->ring[cq->tail] = cqe; /* phase 0 in the first round */
	assert_int_equal(bh_nvme_poll(rig.qp, 8), 0);
	assert_int_equal(done.cnt, 0);
	counters_check(0, 0, 0, 0);
	fake_complete(1, cmd, 0);
	assert_int_equal(bh_nvme_poll(rig.qp, 8), 1);
	rig_close(&rig);
}

FIBER_TEST(test_out_of_order)
{
	struct rig rig;
	struct done done[4] = {{0}};
	struct nvme_sqe cmd[4];
	rig_open(&rig, NULL, 4);
	uint8_t *buf = bh_dma_alloc(4096, 4096);
	for (int i = 0; i < 4; i++)
		cmd[i] = *held_read(&rig, buf, &done[i]);
	static const int order[] = {2, 0, 3, 1};
	for (int i = 0; i < 4; i++) {
		fake_complete(1, &cmd[order[i]], 0);
		assert_int_equal(bh_nvme_poll(rig.qp, 8), 1);
		assert_int_equal(done[order[i]].cnt, 1);
	}
	rig_close(&rig);
}

FIBER_TEST(test_status_bits)
{
	/* SCT and SC arrive; CRD, M and DNR do not; each bit of the 11 by itself. */
	struct rig rig;
	struct done done = {0};
	rig_open(&rig, NULL, 4);
	uint8_t *buf = bh_dma_alloc(4096, 4096);
	for (uint32_t bit = 0; bit < 11; bit++) {
		struct nvme_sqe cmd = *held_read(&rig, buf, &done);
		fake_complete(1, &cmd, (uint16_t)(1u << bit | 0x7800));
		assert_int_equal(bh_nvme_poll(rig.qp, 8), 1);
		assert_int_equal(done.status, 1u << bit);
	}
	struct nvme_sqe cmd = *held_read(&rig, buf, &done);
	fake_complete(1, &cmd, 0x7800);
	assert_int_equal(bh_nvme_poll(rig.qp, 8), 1);
	assert_int_equal(done.status, 0);
	assert_int_equal(fake_counter("status_error"), 11);
	rig_close(&rig);
}

static void
test_status_error(void **state)
{
	assert_int_equal(bh_nvme_status_error(0), 0);
	assert_int_equal(bh_nvme_status_error(NVME_SC_LBA_OUT_OF_RANGE), -BH_EIO);
	assert_int_equal(bh_nvme_status_error(BH_NVME_STATUS_TIMED_OUT), -BH_ETIMEDOUT);
	assert_int_equal(bh_nvme_status_error(BH_NVME_STATUS_RESET), -BH_ECANCELED);
	assert_int_equal(bh_nvme_status_error(BH_NVME_STATUS_REMOVED), -BH_ENODEV);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        UNIT(test_identifier_never_given),
	        UNIT(test_every_wrong_identifier),
	        UNIT(test_completed_twice),
	        UNIT(test_wrong_submission_queue),
	        UNIT(test_submission_head_outside_of_queue),
	        UNIT(test_head_goes_back),
	        UNIT(test_every_head_of_the_queue),
	        UNIT(test_too_many_refused),
	        UNIT(test_wrong_phase_is_not_seen),
	        UNIT(test_out_of_order),
	        UNIT(test_status_bits),
	        cmocka_unit_test(test_status_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
