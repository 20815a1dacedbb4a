/* SPDX-License-Identifier: Apache-2.0 */
/* Submissions: each documented error, what each command carries, splitting, full queues, the waiting forms. */
#include "fake.h"

static uint8_t *
dma(size_t bytes)
{
	uint8_t *buf = bh_dma_alloc(bytes, 4096);
	assert_non_null(buf);
	return buf;
}

FIBER_TEST(test_refused)
{
	struct rig rig;
	struct done done = {0};
	static uint8_t outside[8192];
	rig_open(&rig, NULL, 4);
	uint8_t *buf = dma(64 << 10);
	uint8_t *end = (uint8_t *)(uintptr_t)(BH_ADDR_ARENA + (64 << 20));

	assert_int_equal(bh_nvme_read(rig.qp, rig.ns, 0, 0, buf, done_fn, &done), -BH_EINVAL);
	assert_int_equal(bh_nvme_read(rig.qp, rig.ns, 0, 1, buf + 2, done_fn, &done), -BH_EINVAL);
	assert_int_equal(bh_nvme_read(rig.qp, rig.ns, 0, 1, buf, NULL, &done), -BH_EINVAL);
	assert_int_equal(bh_nvme_read(rig.qp, rig.ns, 0, 1, outside, done_fn, &done), -BH_EFAULT);
	assert_int_equal(bh_nvme_write(rig.qp, rig.ns, 0, 64, outside, done_fn, &done), -BH_EFAULT);
	assert_int_equal(bh_nvme_read(rig.qp, rig.ns, 0, 2, end - 512, done_fn, &done), -BH_EFAULT);
	assert_int_equal(bh_nvme_read(rig.qp, rig.ns, 0, 64, end - 512, done_fn, &done), -BH_EFAULT);
	assert_int_equal(bh_nvme_read(rig.qp, rig.ns, 0, UINT32_MAX, buf, done_fn, &done), -BH_EFAULT);
	assert_int_equal(bh_nvme_read(rig.qp, rig.ns, 0, 1, NULL, done_fn, &done), -BH_EFAULT);
	assert_int_equal(bh_nvme_flush(rig.qp, rig.ns, NULL, NULL), -BH_EINVAL);
	assert_int_equal(bh_nvme_write_zeroes(rig.qp, rig.ns, 0, 0, done_fn, &done), -BH_EINVAL);
	assert_int_equal(bh_nvme_write_zeroes(rig.qp, rig.ns, 0, 1, NULL, NULL), -BH_EINVAL);
	struct nvme_dsm_range range = {.lba_cnt = 1};
	assert_int_equal(bh_nvme_dsm(rig.qp, rig.ns, NVME_DSM_AD, &range, 0, done_fn, &done), -BH_EINVAL);
	assert_int_equal(bh_nvme_dsm(rig.qp, rig.ns, NVME_DSM_AD, &range, 65, done_fn, &done), -BH_EINVAL);
	assert_int_equal(bh_nvme_dsm(rig.qp, rig.ns, 8, &range, 1, done_fn, &done), -BH_EINVAL);
	assert_int_equal(bh_nvme_deallocate_wait(rig.qp, rig.ns, 0, 0, NULL), -BH_EINVAL);
	assert_int_equal(bh_nvme_outstanding(rig.qp), 0);
	bh_nvme_ring(rig.qp);
	assert_int_equal(fake.doorbell_cnt[1][0], 0);
	assert_int_equal(done.cnt, 0);
	rig_close(&rig);
}

FIBER_TEST(test_not_supported)
{
	struct rig rig;
	struct done done = {0};
	struct nvme_dsm_range range = {.lba_cnt = 1};
	fake.id.oncs = 0;
	rig_open(&rig, NULL, 4);
	uint8_t *buf = dma(4096);
	assert_int_equal(bh_nvme_compare(rig.qp, rig.ns, 0, 1, buf, done_fn, &done), -BH_EOPNOTSUPP);
	assert_int_equal(bh_nvme_compare_wait(rig.qp, rig.ns, 0, 1, buf, NULL), -BH_EOPNOTSUPP);
	assert_int_equal(bh_nvme_write_zeroes(rig.qp, rig.ns, 0, 1, done_fn, &done), -BH_EOPNOTSUPP);
	assert_int_equal(bh_nvme_dsm(rig.qp, rig.ns, NVME_DSM_AD, &range, 1, done_fn, &done), -BH_EOPNOTSUPP);
	rig_close(&rig);
}

FIBER_TEST(test_queue_full)
{
	struct rig rig;
	struct done done = {0};
	rig_open(&rig, NULL, 5);
	uint8_t *buf = dma(64 << 10);
	assert_int_equal(bh_nvme_qpair_depth(rig.qp), 5);
	for (int round = 0; round < 40; round++) { /* around the rings several times */
		done.cnt = 0;
		for (int i = 0; i < 5; i++)
			assert_int_equal(bh_nvme_read(rig.qp, rig.ns, 0, 1, buf, done_fn, &done), 0);
		assert_int_equal(bh_nvme_read(rig.qp, rig.ns, 0, 1, buf, done_fn, &done), -BH_EAGAIN);
		assert_int_equal(bh_nvme_read(rig.qp, rig.ns, 0, 64, buf, done_fn, &done), -BH_EAGAIN);
		assert_int_equal(bh_nvme_flush(rig.qp, rig.ns, done_fn, &done), -BH_EAGAIN);
		assert_int_equal(bh_nvme_write_zeroes(rig.qp, rig.ns, 0, 1, done_fn, &done), -BH_EAGAIN);
		assert_int_equal(bh_nvme_outstanding(rig.qp), 5);
		assert_int_equal(bh_nvme_poll(rig.qp, 2), 2);
		assert_int_equal(bh_nvme_poll(rig.qp, 100), 3);
		assert_int_equal(done.cnt, 5);
	}
	/* One doorbell for five commands. */
	assert_int_equal(fake.doorbell_cnt[1][0], 40);
	rig_close(&rig);
}

FIBER_TEST(test_depth_bounds)
{
	struct bh_nvme *ctrl;
	struct bh_nvme_qpair *qp;
	fake.cap = (fake.cap & ~UINT64_C(0xffff)) | 1; /* MQES: 2 entries */
	assert_int_equal(bh_nvme_open("nvme0", NULL, &ctrl), 0);
	assert_int_equal(bh_nvme_qpair_create(ctrl, 0, &qp), -BH_EINVAL);
	assert_int_equal(bh_nvme_qpair_create(ctrl, 32768, &qp), -BH_EINVAL);
	assert_int_equal(bh_nvme_qpair_create(ctrl, 128, &qp), 0);
	assert_int_equal(bh_nvme_qpair_depth(qp), 1);
	const struct bh_nvme_ns *ns;
	assert_int_equal(bh_nvme_ns_find(ctrl, 1, &ns), 0);
	uint8_t *buf = dma(4096);
	for (int i = 0; i < 50; i++)
		assert_int_equal(bh_nvme_read_wait(qp, ns, 0, 8, buf, NULL), 0);
	assert_int_equal(bh_nvme_close(ctrl), 0);
}

FIBER_TEST(test_depth_bounded_by_odd_mqes)
{
	struct rig rig;
	fake.cap = (fake.cap & ~UINT64_C(0xffff)) | 99; /* 100 entries: rings of 64 */
	rig_open(&rig, NULL, 128);
	assert_int_equal(bh_nvme_qpair_depth(rig.qp), 63);
	rig_close(&rig);
}

FIBER_TEST(test_create_refused)
{
	struct bh_nvme *ctrl;
	struct bh_nvme_qpair *qp;
	assert_int_equal(bh_nvme_open("nvme0", NULL, &ctrl), 0);
	fake.admin_fail_status[0x05] = 0x101;
	assert_int_equal(bh_nvme_qpair_create(ctrl, 8, &qp), -BH_EIO);
	fake.admin_fail_status[0x05] = 0;
	fake.admin_fail_status[0x01] = 0x102;
	assert_int_equal(bh_nvme_qpair_create(ctrl, 8, &qp), -BH_EIO);
	assert_int_equal(fake_sent_cnt(0, 0x04), 1); /* its completion queue was deleted again */
	fake.admin_fail_status[0x01] = 0;
	assert_int_equal(bh_nvme_qpair_create(ctrl, 8, &qp), 0);
	fake.admin_fail_status[0x00] = 0x101;
	assert_int_equal(bh_nvme_qpair_delete(qp), -BH_EIO);
	/* The controller may still have the queue: its identifier is not used again. */
	assert_int_equal(bh_nvme_qpair_create(ctrl, 8, &qp), -BH_ENOSPC);
	fake.admin_fail_status[0x00] = 0;
	assert_int_equal(bh_nvme_reset(ctrl), 0);
	assert_int_equal(bh_nvme_qpair_create(ctrl, 8, &qp), 0);
	assert_int_equal(bh_nvme_close(ctrl), 0);
}

FIBER_TEST(test_arena_full_for_queues)
{
	struct bh_nvme *ctrl;
	struct bh_nvme_qpair *qp;
	assert_int_equal(bh_nvme_open("nvme0", NULL, &ctrl), 0);
	while (bh_dma_alloc(4096, 64))
		;
	assert_int_equal(bh_nvme_qpair_create(ctrl, 512, &qp), -BH_ENOMEM);
	assert_int_equal(bh_nvme_close(ctrl), 0);
}

FIBER_TEST(test_read_command)
{
	struct rig rig;
	struct done done = {0};
	rig_open(&rig, NULL, 4);
	uint8_t *buf = dma(4096);
	fake.hold_opcode_mask = 1u << 2;
	assert_int_equal(
	        bh_nvme_rw(rig.qp, rig.ns, NVME_NVM_READ, NVME_RW_FUA, UINT64_C(0x123456789a), 8, buf, done_fn, &done),
	        0);
	bh_nvme_ring(rig.qp);
	const struct nvme_sqe *cmd = fake_sent(1, 0x02, 0);
	assert_non_null(cmd);
	assert_int_equal(cmd->nsid, 1);
	assert_int_equal(cmd->cdw2, 0);
	assert_int_equal(cmd->cdw3, 0);
	assert_int_equal(cmd->cdw10, 0x3456789a);
	assert_int_equal(cmd->cdw11, 0x12);
	assert_int_equal(cmd->cdw12, 0x40000007); /* FUA, 8 blocks 0's based */
	assert_int_equal(cmd->cdw13, 0);
	assert_int_equal(cmd->cdw14, 0);
	assert_int_equal(cmd->cdw15, 0);
	assert_int_equal(done.cnt, 0);
	fake_complete(1, cmd, 0);
	assert_int_equal(bh_nvme_poll(rig.qp, 1), 1);
	assert_int_equal(done.cnt, 1);
	assert_int_equal(done.status, 0);
	rig_close(&rig);
}

FIBER_TEST(test_other_commands)
{
	struct rig rig;
	struct nvme_dsm_range ranges[64];
	struct done done = {0};
	rig_open(&rig, NULL, 4);
	uint8_t *buf = dma(4096);
	for (uint32_t i = 0; i < 64; i++)
		ranges[i] = (struct nvme_dsm_range){.lba = UINT64_C(100) * i, .lba_cnt = i + 1};

	assert_int_equal(bh_nvme_flush_wait(rig.qp, rig.ns, NULL), 0);
	assert_int_equal(fake_sent(1, 0x00, 0)->nsid, 1);
	assert_int_equal(bh_nvme_write_zeroes_wait(rig.qp, rig.ns, 77, 65536, NULL), 0);
	assert_int_equal(fake_sent(1, 0x08, 0)->cdw10, 77);
	assert_int_equal(fake_sent(1, 0x08, 0)->cdw12, 0xffff);
	assert_int_equal(bh_nvme_compare_wait(rig.qp, rig.ns, 3, 8, buf, NULL), 0);
	assert_int_equal(fake_sent(1, 0x05, 0)->prp1, (uintptr_t)buf);
	assert_int_equal(bh_nvme_deallocate_wait(rig.qp, rig.ns, 9, 10, NULL), 0);
	assert_int_equal(fake_sent(1, 0x09, 0)->cdw10, 0);
	assert_int_equal(fake_sent(1, 0x09, 0)->cdw11, 4);

	assert_int_equal(bh_nvme_dsm(rig.qp, rig.ns, NVME_DSM_AD | NVME_DSM_IDW, ranges, 64, done_fn, &done), 0);
	bh_nvme_ring(rig.qp);
	const struct nvme_sqe *cmd = fake_sent(1, 0x09, 1);
	assert_int_equal(cmd->cdw10, 63);
	assert_int_equal(cmd->cdw11, 6);
	assert_int_equal(cmd->prp2, 0);
	assert_true((cmd->prp1 & 4095) + sizeof(ranges) <= 4096);
	assert_memory_equal((void *)(uintptr_t)cmd->prp1, ranges, sizeof(ranges));
	assert_int_equal(bh_nvme_poll(rig.qp, 1), 1);
	assert_int_equal(done.cnt, 1);
	rig_close(&rig);
}

FIBER_TEST(test_device_errors_are_told)
{
	struct rig rig;
	uint16_t status;
	rig_open(&rig, NULL, 4);
	uint8_t *buf = dma(1 << 20);
	assert_int_equal(bh_nvme_read_wait(rig.qp, rig.ns, fake.ns[0].nsze, 1, buf, &status), -BH_EIO);
	assert_int_equal(status, NVME_SC_LBA_OUT_OF_RANGE);
	fake.fail_status[0x05] = 0x285 | 0x4000; /* with DNR */
	assert_int_equal(bh_nvme_compare_wait(rig.qp, rig.ns, 0, 1, buf, &status), -BH_EIO);
	assert_int_equal(status, NVME_SC_COMPARE_FAILURE);
	fake.fail_status[0x01] = 0x280;
	assert_int_equal(bh_nvme_write_wait(rig.qp, rig.ns, 0, 1024, buf, &status), -BH_EIO);
	assert_int_equal(status, NVME_SC_WRITE_FAULT);
	assert_int_equal(bh_nvme_read_wait(rig.qp, rig.ns, 0, 1, buf, &status), 0);
	assert_int_equal(status, 0);
	assert_int_equal(bh_nvme_read_wait(rig.qp, rig.ns, 0, 1, buf + 1, &status), -BH_EINVAL);
	assert_int_equal(status, 0xffff);
	rig_close(&rig);
}

/* A request of many commands: all blocks exactly once, none larger than MDTS, one completion. */
static void
split_check(struct rig *rig, uint64_t lba, uint32_t lba_cnt, uint8_t *buf, uint32_t step)
{
	struct done done = {0};
	uint32_t cnt = (lba_cnt + step - 1) / step;

	fake.log_cnt = 0;
	assert_int_equal(bh_nvme_write(rig->qp, rig->ns, lba, lba_cnt, buf, done_fn, &done), 0);
	rig_until(rig, &done.cnt, 1);
	assert_int_equal(done.status, 0);
	assert_int_equal(fake_sent_cnt(1, 0x01), cnt);
	for (uint32_t i = 0; i < cnt; i++) {
		const struct nvme_sqe *cmd = fake_sent(1, 0x01, i);
		uint32_t want = i + 1 < cnt ? step : lba_cnt - step * (cnt - 1);
		assert_int_equal(cmd->cdw10, lba + (uint64_t)i * step);
		assert_int_equal((cmd->cdw12 & 0xffff) + 1, want);
		assert_int_equal(cmd->prp1, (uintptr_t)buf + UINT64_C(512) * i * step);
	}
	for (int i = 0; i < 20; i++)
		bh_nvme_poll(rig->qp, 8);
	assert_int_equal(done.cnt, 1);
	assert_int_equal(bh_nvme_outstanding(rig->qp), 0);
}

FIBER_TEST(test_split)
{
	static const uint32_t depths[] = {1, 2, 3, 16};
	for (size_t i = 0; i < BH_ARRAY_CNT(depths); i++) {
		struct rig rig;
		rig_open(&rig, NULL, depths[i]);
		uint8_t *buf = dma(2 << 20);
		for (uint32_t j = 0; j < 2 << 20; j++)
			buf[j] = (uint8_t)(j / 512 + j);
		split_check(&rig, 0, 257, buf, 256); /* MDTS 128 KiB = 256 blocks */
		split_check(&rig, 1, 512, buf + 4, 256);
		split_check(&rig, 2, 4000, buf + 1024, 256);
		assert_memory_equal(fake.disk + 1024, buf + 1024, 2048000);
		rig_close(&rig);
	}
}

static enum fake_verdict
third_fails(struct fake *self, uint32_t sqid, const struct nvme_sqe *cmd, struct nvme_cqe *cqe)
{
	if (sqid == 0 || cmd->cdw10 != 512)
		return FAKE_DEFAULT;
	cqe->status = 0x281 << 1;
	return FAKE_DONE;
}

FIBER_TEST(test_split_with_error)
{
	static const uint32_t depths[] = {1, 4};
	for (size_t i = 0; i < BH_ARRAY_CNT(depths); i++) {
		struct rig rig;
		uint16_t status;
		rig_open(&rig, NULL, depths[i]);
		uint8_t *buf = dma(1 << 20);
		fake.hook = third_fails;
		fake.log_cnt = 0;
		assert_int_equal(bh_nvme_read_wait(rig.qp, rig.ns, 0, 2048, buf, &status), -BH_EIO);
		assert_int_equal(status, NVME_SC_UNRECOVERED_READ);
		/* No new commands once it is known to have failed. */
		assert_in_range(fake_sent_cnt(1, 0x02), 3, 7);
		assert_int_equal(bh_nvme_outstanding(rig.qp), 0);
		fake.hook = NULL;
		rig_close(&rig);
	}
}

FIBER_TEST(test_split_beside_others)
{
	struct rig rig;
	struct done single = {0}, large = {0};
	rig_open(&rig, NULL, 4);
	uint8_t *buf = dma(1 << 20);
	for (int i = 0; i < 3; i++)
		assert_int_equal(bh_nvme_read(rig.qp, rig.ns, 0, 8, buf, done_fn, &single), 0);
	assert_int_equal(bh_nvme_read(rig.qp, rig.ns, 0, 2048, buf, done_fn, &large), 0);
	assert_int_equal(bh_nvme_read(rig.qp, rig.ns, 0, 8, buf, done_fn, &single), -BH_EAGAIN);
	rig_until(&rig, &large.cnt, 1);
	assert_int_equal(single.cnt, 3);
	rig_close(&rig);
}

FIBER_TEST(test_write_zeroes_split)
{
	struct rig rig;
	rig_open(&rig, NULL, 2);
	assert_int_equal(bh_nvme_write_zeroes_wait(rig.qp, rig.ns, 10, 200000, NULL), 0);
	assert_int_equal(fake_sent_cnt(1, 0x08), 4);
	assert_int_equal(fake_sent(1, 0x08, 3)->cdw10, 10 + 3 * 65536);
	assert_int_equal(fake_sent(1, 0x08, 3)->cdw12, 200000 - 3 * 65536 - 1);
	assert_int_equal(fake_sent(1, 0x08, 3)->prp1, 0);
	rig_close(&rig);
}

FIBER_TEST(test_write_zeroes_limit)
{
	struct rig rig;
	fake.cap |= UINT64_C(0x40) << 37;
	fake.id_nvm.wzsl = 4; /* 64 KiB: 128 blocks */
	rig_open(&rig, NULL, 2);
	assert_int_equal(bh_nvme_info(rig.ctrl)->zeroes_bytes_max, 65536);
	assert_int_equal(bh_nvme_write_zeroes_wait(rig.qp, rig.ns, 0, 128, NULL), 0);
	assert_int_equal(fake_sent_cnt(1, 0x08), 1);
	assert_int_equal(bh_nvme_write_zeroes_wait(rig.qp, rig.ns, 0, 300, NULL), 0);
	assert_int_equal(fake_sent_cnt(1, 0x08), 4);
	assert_int_equal(fake_sent(1, 0x08, 3)->cdw12, 300 - 256 - 1);
	rig_close(&rig);
}

static void
resubmit(void *arg, uint16_t status)
{
	struct {
		struct rig *rig;
		uint8_t *buf;
		uint32_t left, done;
	} *loop = arg;
	loop->done++;
	if (loop->left && loop->left--)
		assert_int_equal(bh_nvme_read(loop->rig->qp, loop->rig->ns, 0, 8, loop->buf, resubmit, loop), 0);
}

FIBER_TEST(test_submit_from_done)
{
	struct rig rig;
	rig_open(&rig, NULL, 3);
	struct {
		struct rig *rig;
		uint8_t *buf;
		uint32_t left, done;
	} loop = {&rig, dma(4096), 997, 0};
	for (int i = 0; i < 3; i++)
		assert_int_equal(bh_nvme_read(rig.qp, rig.ns, 0, 8, loop.buf, resubmit, &loop), 0);
	rig_until(&rig, &loop.done, 1000);
	assert_int_equal(bh_nvme_outstanding(rig.qp), 0);
	rig_close(&rig);
}

FIBER_TEST(test_completion_doorbell_is_lazy)
{
	struct rig rig;
	rig_open(&rig, NULL, 31); /* completion ring of 64: told every 16 */
	uint8_t *buf = dma(4096);
	for (int i = 0; i < 640; i++)
		assert_int_equal(bh_nvme_read_wait(rig.qp, rig.ns, 0, 8, buf, NULL), 0);
	assert_int_equal(fake.doorbell_cnt[1][1], 40);
	rig_close(&rig);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        UNIT(test_refused),
	        UNIT(test_not_supported),
	        UNIT(test_queue_full),
	        UNIT(test_depth_bounds),
	        UNIT(test_depth_bounded_by_odd_mqes),
	        UNIT(test_create_refused),
	        UNIT(test_arena_full_for_queues),
	        UNIT(test_read_command),
	        UNIT(test_other_commands),
	        UNIT(test_device_errors_are_told),
	        UNIT(test_split),
	        UNIT(test_split_with_error),
	        UNIT(test_split_beside_others),
	        UNIT(test_write_zeroes_split),
	        UNIT(test_write_zeroes_limit),
	        UNIT(test_submit_from_done),
	        UNIT(test_completion_doorbell_is_lazy),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
