/* SPDX-License-Identifier: Apache-2.0 */
/* Time-outs, aborts, resets, removal, shutdown: every command ends exactly once, and only when the device's DMA has ended. */
#include "fake.h"

#include "drivers/nvme/internal.h"

#define HELD 6

/* Reads that the device keeps. Their records check that none completes while the controller may still do DMA. */
static struct held {
	struct done done[HELD];
	uint8_t *buf;
} held;

static void
held_done(void *arg, uint16_t status)
{
	struct done *done = arg;
	/* Aborted by a reset: the controller was disabled, or its function reset, or it is gone. */
	if (status == BH_NVME_STATUS_RESET)
		assert_true((fake.cc & 1) == 0 && (fake.csts & 1) == 0);
	done_fn(done, status);
}

static void
hold_reads(struct rig *rig)
{
	memset(&held, 0, sizeof(held));
	held.buf = bh_dma_alloc(4096, 4096);
	fake.hold_opcode_mask = 1u << 2;
	for (int i = 0; i < HELD; i++)
		assert_int_equal(bh_nvme_read(rig->qp, rig->ns, 0, 8, held.buf, held_done, &held.done[i]), 0);
	bh_nvme_ring(rig->qp);
}

static void
all_ended(struct rig *rig, uint16_t status)
{
	for (int i = 0; i < HELD; i++) {
		rig_until(rig, &held.done[i].cnt, 1);
		assert_int_equal(held.done[i].cnt, 1);
		assert_int_equal(held.done[i].status, status);
	}
	assert_int_equal(bh_nvme_outstanding(rig->qp), 0);
}

static void
works(struct rig *rig)
{
	fake.hold_opcode_mask = 0;
	for (int i = 0; i < 40; i++)
		assert_int_equal(bh_nvme_read_wait(rig->qp, rig->ns, 0, 8, held.buf, NULL), 0);
	for (int i = 0; i < HELD; i++)
		assert_int_equal(held.done[i].cnt, 1);
}

FIBER_TEST(test_asked_for)
{
	struct rig rig;
	rig_open(&rig, NULL, 8);
	hold_reads(&rig);
	assert_int_equal(bh_nvme_reset(rig.ctrl), 0);
	all_ended(&rig, BH_NVME_STATUS_RESET);
	assert_int_equal(fake.disable_cnt, 1);
	assert_int_equal(fake_counter("reset"), 1);
	assert_int_equal(fake_counter("device_reset"), 0);
	works(&rig);
	/* Queues, features and events were set up again. */
	assert_int_equal(fake_sent_cnt(0, 0x05), 2);
	assert_int_equal(fake_sent_cnt(0, 0x01), 2);
	assert_int_equal(fake.aer_cnt, 4);
	assert_false(fake.write_while_disabled);
	rig_close(&rig);
}

FIBER_TEST(test_many_resets)
{
	struct rig rig;
	rig_open(&rig, NULL, 8);
	for (int i = 0; i < 50; i++) {
		hold_reads(&rig);
		assert_int_equal(bh_nvme_reset(rig.ctrl), 0);
		all_ended(&rig, BH_NVME_STATUS_RESET);
		works(&rig);
	}
	assert_int_equal(fake_counter("reset"), 50);
	rig_close(&rig);
}

FIBER_TEST(test_fatal_status)
{
	struct rig rig;
	rig_open(&rig, NULL, 8);
	hold_reads(&rig);
	fake.csts |= 2;
	all_ended(&rig, BH_NVME_STATUS_RESET);
	assert_int_equal(fake_counter("reset"), 1);
	works(&rig);
	rig_close(&rig);
}

FIBER_TEST(test_ready_lost)
{
	struct rig rig;
	rig_open(&rig, NULL, 8);
	hold_reads(&rig);
	fake.csts = 0;
	fake.never_ready = true; /* until it is enabled anew */
	for (int i = 0; i < 100 && !fake_counter("reset"); i++) {
		fake_clock_advance(100000000);
		for (int j = 0; j < 20; j++)
			bh_yield();
	}
	fake.never_ready = false;
	all_ended(&rig, BH_NVME_STATUS_RESET);
	works(&rig);
	rig_close(&rig);
}

static void
run_for(uint64_t ns)
{
	for (uint64_t i = 0; i < ns / 10000000; i++) {
		fake_clock_advance(10000000);
		for (int j = 0; j < 20; j++)
			bh_yield();
	}
}

/* The watch comes by five times a second; a function that is being reset reads all ones, which is no removal. */
FIBER_TEST(test_foreign_reset_is_left_alone)
{
	struct rig rig;
	rig_open(&rig, NULL, 8);
	hold_reads(&rig);
	fake_foreign_reset_begin();
	run_for(1500000000);
	assert_int_equal(fake.accesses_beside, 0);
	assert_int_equal(fake_counter("removed"), 0);
	assert_int_equal(fake_counter("reset"), 0);
	fake_foreign_reset_end();
	all_ended(&rig, BH_NVME_STATUS_RESET);
	assert_int_equal(fake_counter("reset"), 1);
	assert_int_equal(fake_counter("device_reset"), 0);
	works(&rig);
	rig_close(&rig);
}

/* While the driver itself brings the controller up: the command that the reset takes along is not waited for. */
static enum fake_verdict
reset_at_identify(struct fake *self, uint32_t sqid, const struct nvme_sqe *cmd, struct nvme_cqe *cqe)
{
	uint32_t *left = self->hook_arg;
	(void)cqe;
	if (sqid != 0 || cmd->opcode != NVME_ADMIN_SET_FEATURES || *left == 0)
		return FAKE_DEFAULT;
	--*left;
	fake_foreign_reset_begin();
	fake_foreign_reset_end();
	return FAKE_HOLD;
}

FIBER_TEST(test_foreign_reset_during_ours)
{
	struct rig rig;
	uint32_t left = 5; /* more than a controller that fails by itself is given attempts */
	rig_open(&rig, NULL, 8);
	hold_reads(&rig);
	fake.hook = reset_at_identify;
	fake.hook_arg = &left;
	uint64_t begin_tsc = bh_clock_now_tsc();
	assert_int_equal(bh_nvme_reset(rig.ctrl), 0);
	assert_true(bh_tsc_to_ns(bh_clock_now_tsc() - begin_tsc) < 1000000000); /* an admin time-out is five seconds */
	assert_int_equal(left, 0);
	assert_int_equal(fake_counter("removed"), 0);
	all_ended(&rig, BH_NVME_STATUS_RESET);
	works(&rig);
	rig_close(&rig);
}

FIBER_TEST(test_disable_fails)
{
	struct rig rig;
	rig_open(&rig, NULL, 8);
	hold_reads(&rig);
	fake.never_quiet = true;
	assert_int_equal(bh_nvme_reset(rig.ctrl), 0);
	all_ended(&rig, BH_NVME_STATUS_RESET);
	assert_int_equal(fake.reset_cnt, 1);
	assert_int_equal(fake_counter("device_reset"), 1);
	works(&rig);
	fake.never_quiet = false;
	rig_close(&rig);
}

FIBER_TEST(test_nothing_helps)
{
	struct rig rig;
	struct done done = {0};
	rig_open(&rig, NULL, 8);
	hold_reads(&rig);
	fake.never_quiet = true;
	fake.reset_error = -BH_EIO;
	assert_int_equal(bh_nvme_reset(rig.ctrl), -BH_ENODEV);
	all_ended(&rig, BH_NVME_STATUS_REMOVED);
	assert_int_equal(bh_nvme_state(rig.ctrl), BH_NVME_REMOVED);
	assert_int_equal(bh_nvme_read(rig.qp, rig.ns, 0, 8, held.buf, done_fn, &done), -BH_ENODEV);
	assert_int_equal(bh_nvme_read(rig.qp, rig.ns, 0, 64, held.buf, done_fn, &done), -BH_ENODEV);
	assert_int_equal(bh_nvme_flush(rig.qp, rig.ns, done_fn, &done), -BH_ENODEV);
	assert_int_equal(bh_nvme_read_wait(rig.qp, rig.ns, 0, 8, held.buf, NULL), -BH_ENODEV);
	assert_int_equal(bh_nvme_reset(rig.ctrl), -BH_ENODEV);
	struct nvme_health_log log;
	assert_int_equal(bh_nvme_health_log(rig.ctrl, &log), -BH_ENODEV);
	struct bh_nvme_qpair *qp;
	assert_int_equal(bh_nvme_qpair_create(rig.ctrl, 8, &qp), -BH_ENODEV);
	assert_int_equal(bh_nvme_qpair_delete(rig.qp), 0);
	assert_int_equal(bh_nvme_close(rig.ctrl), -BH_ENODEV);
	assert_int_equal(fake_counter("removed"), 1);
}

FIBER_TEST(test_does_not_come_back)
{
	struct rig rig;
	rig_open(&rig, NULL, 8);
	hold_reads(&rig);
	fake.never_ready = true;
	assert_int_equal(bh_nvme_reset(rig.ctrl), -BH_ENODEV);
	/* These were told of the reset before it failed; nothing is told twice. */
	all_ended(&rig, BH_NVME_STATUS_RESET);
	assert_int_equal(bh_nvme_state(rig.ctrl), BH_NVME_REMOVED);
	assert_int_equal(bh_nvme_qpair_delete(rig.qp), 0);
	assert_int_equal(bh_nvme_close(rig.ctrl), -BH_ENODEV);
}

static uint32_t enables_to_fail;

static enum fake_verdict
first_set_up_fails(struct fake *self, uint32_t sqid, const struct nvme_sqe *cmd, struct nvme_cqe *cqe)
{
	if (sqid || cmd->opcode != 0x09 || !enables_to_fail)
		return FAKE_DEFAULT;
	enables_to_fail--;
	cqe->status = 0x006 << 1;
	return FAKE_DONE;
}

FIBER_TEST(test_comes_back_at_second_attempt)
{
	struct rig rig;
	rig_open(&rig, NULL, 8);
	hold_reads(&rig);
	enables_to_fail = 1;
	fake.hook = first_set_up_fails;
	assert_int_equal(bh_nvme_reset(rig.ctrl), 0);
	all_ended(&rig, BH_NVME_STATUS_RESET);
	works(&rig);
	rig_close(&rig);
}

FIBER_TEST(test_removal)
{
	struct rig rig;
	rig_open(&rig, NULL, 8);
	hold_reads(&rig);
	fake.gone = true;
	fake.reset_error = -BH_ENODEV;
	all_ended(&rig, BH_NVME_STATUS_REMOVED);
	assert_int_equal(bh_nvme_state(rig.ctrl), BH_NVME_REMOVED);
	assert_int_equal(fake_counter("removed"), 1);
	assert_int_equal(fake_counter("reset"), 0);
	/* That it answers again does not bring it back. */
	fake.gone = false;
	fake_clock_advance(UINT64_C(1000000000));
	for (int i = 0; i < 1000; i++)
		bh_yield();
	assert_int_equal(bh_nvme_read_wait(rig.qp, rig.ns, 0, 8, held.buf, NULL), -BH_ENODEV);
	assert_int_equal(bh_nvme_qpair_delete(rig.qp), 0);
	assert_int_equal(bh_nvme_close(rig.ctrl), -BH_ENODEV);
}

FIBER_TEST(test_removal_during_reset)
{
	struct rig rig;
	rig_open(&rig, NULL, 8);
	hold_reads(&rig);
	fake.gone = true;
	assert_int_equal(bh_nvme_reset(rig.ctrl), -BH_ENODEV);
	all_ended(&rig, BH_NVME_STATUS_REMOVED);
	assert_int_equal(bh_nvme_qpair_delete(rig.qp), 0);
	assert_int_equal(bh_nvme_close(rig.ctrl), -BH_ENODEV);
}

/* What the device does with an Abort. */
static enum abort_script { ABORT_WORKS, ABORT_IGNORED, ABORT_SILENT, ABORT_TOO_LATE } abort_script;

static enum fake_verdict
on_abort(struct fake *self, uint32_t sqid, const struct nvme_sqe *cmd, struct nvme_cqe *cqe)
{
	if (sqid || cmd->opcode != 0x08)
		return FAKE_DEFAULT;
	assert_int_equal(cmd->cdw10 & 0xffff, 1);
	struct nvme_sqe victim = {.cid = (uint16_t)(cmd->cdw10 >> 16)};
	switch (abort_script) {
	case ABORT_WORKS:
		fake_complete(1, &victim, 0x007);
		cqe->result = 0;
		return FAKE_DONE;
	case ABORT_TOO_LATE:
		fake_complete(1, &victim, 0);
		cqe->result = 1;
		return FAKE_DONE;
	case ABORT_SILENT:
		return FAKE_HOLD;
	default:
		cqe->result = 1;
		return FAKE_DONE;
	}
}

static void
abort_rig_open(struct rig *rig, enum abort_script script)
{
	rig_open(rig, NULL, 8);
	fake.hook = on_abort;
	abort_script = script;
}

FIBER_TEST(test_timeout_abort_works)
{
	struct rig rig;
	abort_rig_open(&rig, ABORT_WORKS);
	uint64_t begin_tsc = bh_clock_now_tsc();
	hold_reads(&rig);
	all_ended(&rig, BH_NVME_STATUS_TIMED_OUT);
	assert_true(bh_tsc_to_ns(bh_clock_now_tsc() - begin_tsc) >= 2000000000); /* the default */
	assert_int_equal(fake_counter("command_timeout"), HELD);
	assert_int_equal(fake_counter("abort"), HELD);
	assert_int_equal(fake_counter("reset"), 0);
	works(&rig);
	rig_close(&rig);
}

FIBER_TEST(test_timeout_command_was_just_late)
{
	struct rig rig;
	abort_rig_open(&rig, ABORT_TOO_LATE);
	hold_reads(&rig);
	all_ended(&rig, 0);
	assert_int_equal(fake_counter("reset"), 0);
	works(&rig);
	rig_close(&rig);
}

FIBER_TEST(test_timeout_abort_does_not_help)
{
	struct rig rig;
	abort_rig_open(&rig, ABORT_IGNORED);
	hold_reads(&rig);
	all_ended(&rig, BH_NVME_STATUS_TIMED_OUT);
	assert_int_equal(fake_counter("command_timeout"), HELD);
	assert_int_equal(fake_counter("reset"), 1);
	assert_in_range(fake_counter("abort"), 1, HELD);
	works(&rig);
	rig_close(&rig);
}

FIBER_TEST(test_timeout_abort_unanswered)
{
	struct rig rig;
	struct bh_nvme_options options = {.admin_timeout_ns = 300000000};
	rig_open(&rig, &options, 8);
	fake.hook = on_abort;
	abort_script = ABORT_SILENT;
	hold_reads(&rig);
	for (int i = 0; i < HELD; i++)
		rig_until(&rig, &held.done[i].cnt, 1);
	assert_int_equal(fake_counter("reset"), 1);
	works(&rig);
	rig_close(&rig);
}

FIBER_TEST(test_no_timeout_while_it_works)
{
	struct rig rig;
	struct bh_nvme_options options = {.command_timeout_ns = 50000000};
	rig_open(&rig, &options, 8);
	held.buf = bh_dma_alloc(4096, 4096);
	for (int i = 0; i < 3000; i++) {
		fake_clock_advance(1000000);
		assert_int_equal(bh_nvme_read_wait(rig.qp, rig.ns, 0, 8, held.buf, NULL), 0);
	}
	assert_int_equal(fake_counter("command_timeout"), 0);
	rig_close(&rig);
}

FIBER_TEST(test_split_and_reset)
{
	struct rig rig;
	struct done done = {0};
	rig_open(&rig, NULL, 2);
	uint8_t *buf = bh_dma_alloc(1 << 20, 4096);
	fake.hold_opcode_mask = 1u << 1;
	assert_int_equal(bh_nvme_write(rig.qp, rig.ns, 0, 2048, buf, done_fn, &done), 0);
	bh_nvme_ring(rig.qp);
	assert_int_equal(fake_sent_cnt(1, 0x01), 2);
	assert_int_equal(bh_nvme_reset(rig.ctrl), 0);
	rig_until(&rig, &done.cnt, 1);
	assert_int_equal(done.status, BH_NVME_STATUS_RESET);
	assert_int_equal(fake_sent_cnt(1, 0x01), 2);
	fake.hold_opcode_mask = 0;
	assert_int_equal(bh_nvme_write_wait(rig.qp, rig.ns, 0, 2048, buf, NULL), 0);
	assert_int_equal(done.cnt, 1);
	rig_close(&rig);
}

static void
resubmit_refused(void *arg, uint16_t status)
{
	struct rig *rig = arg;
	static struct done never;
	assert_int_equal(status, BH_NVME_STATUS_RESET);
	assert_int_equal(bh_nvme_read(rig->qp, rig->ns, 0, 8, held.buf, done_fn, &never), -BH_EAGAIN);
	assert_int_equal(bh_nvme_poll(rig->qp, 1), 0);
	held.done[0].cnt++;
}

FIBER_TEST(test_submit_during_reset)
{
	struct rig rig;
	memset(&held, 0, sizeof(held));
	rig_open(&rig, NULL, 8);
	held.buf = bh_dma_alloc(4096, 4096);
	fake.hold_opcode_mask = 1u << 2;
	for (int i = 0; i < 3; i++)
		assert_int_equal(bh_nvme_read(rig.qp, rig.ns, 0, 8, held.buf, resubmit_refused, &rig), 0);
	bh_nvme_ring(rig.qp);
	assert_int_equal(bh_nvme_reset(rig.ctrl), 0);
	rig_until(&rig, &held.done[0].cnt, 3);
	assert_int_equal(bh_nvme_state(rig.ctrl), BH_NVME_LIVE);
	rig_close(&rig);
}

static void
waiting_reader(void *arg)
{
	struct rig *rig = arg;
	assert_int_equal(bh_nvme_read_wait(rig->qp, rig->ns, 0, 8, held.buf, NULL), -BH_ECANCELED);
	held.done[0].cnt++;
}

FIBER_TEST(test_waiting_fibers_and_reset)
{
	struct rig rig;
	memset(&held, 0, sizeof(held));
	rig_open(&rig, NULL, 2);
	held.buf = bh_dma_alloc(4096, 4096);
	fake.hold_opcode_mask = 1u << 2;
	for (int i = 0; i < 2; i++)
		assert_int_equal(bh_fiber_spawn(waiting_reader, &rig), 0);
	while (bh_nvme_outstanding(rig.qp) < 2)
		bh_yield();
	assert_int_equal(bh_nvme_reset(rig.ctrl), 0);
	rig_until(&rig, &held.done[0].cnt, 2);
	rig_close(&rig);
}

FIBER_TEST(test_delete_waits_for_commands)
{
	struct rig rig;
	abort_rig_open(&rig, ABORT_WORKS);
	hold_reads(&rig);
	assert_int_equal(bh_nvme_qpair_delete(rig.qp), 0);
	for (int i = 0; i < HELD; i++) {
		assert_int_equal(held.done[i].cnt, 1);
		assert_int_equal(held.done[i].status, BH_NVME_STATUS_TIMED_OUT);
	}
	assert_int_equal(bh_nvme_close(rig.ctrl), 0);
}

FIBER_TEST(test_shutdown)
{
	struct rig rig;
	rig_open(&rig, NULL, 8);
	rig_close(&rig);
	assert_int_equal(fake.shutdown_cc >> 14 & 3, 1); /* normal */
	assert_int_equal(fake.shutdown_cc & 1, 1);       /* before it was disabled */
	assert_int_equal(fake.cc & 1, 0);
	assert_int_equal(fake_sent_cnt(0, 0x00), 1);
	assert_int_equal(fake_sent_cnt(0, 0x04), 1);
}

FIBER_TEST(test_shutdown_not_confirmed)
{
	struct bh_nvme *ctrl;
	fake.never_shut = true;
	fake.id.rtd3e_us = 20000000;
	assert_int_equal(bh_nvme_open("nvme0", NULL, &ctrl), 0);
	uint64_t begin_tsc = bh_clock_now_tsc();
	assert_int_equal(bh_nvme_close(ctrl), -BH_ETIMEDOUT);
	assert_in_range(bh_tsc_to_ns(bh_clock_now_tsc() - begin_tsc), UINT64_C(20000000000), UINT64_C(25000000000));
	assert_int_equal(fake.cc & 1, 0);
}

FIBER_TEST(test_close_of_removed)
{
	struct bh_nvme *ctrl;
	assert_int_equal(bh_nvme_open("nvme0", NULL, &ctrl), 0);
	fake.gone = true;
	assert_int_equal(bh_nvme_close(ctrl), -BH_ENODEV);
}

FIBER_TEST(test_admin_timeout_resets)
{
	struct rig rig;
	struct nvme_health_log log;
	rig_open(&rig, NULL, 8);
	hold_reads(&rig);
	fake.hook = on_abort;
	abort_script = ABORT_IGNORED;
	fake.admin_silent[0x02] = true;
	assert_int_equal(bh_nvme_health_log(rig.ctrl, &log), -BH_ETIMEDOUT);
	fake.admin_silent[0x02] = false;
	for (int i = 0; i < HELD; i++)
		rig_until(&rig, &held.done[i].cnt, 1);
	assert_in_range(fake_counter("reset"), 1, 2);
	while (bh_nvme_state(rig.ctrl) != BH_NVME_LIVE)
		bh_yield();
	assert_int_equal(bh_nvme_health_log(rig.ctrl, &log), 0);
	rig_close(&rig);
}

/* The first completion's callback polls, and that call sees the reset: the outer call must leave the rest alone. */
static void
nested_done(void *arg, uint16_t status)
{
	struct rig *rig = held.done[0].cnt == 0 ? arg : NULL;

	held.done[0].cnt++;
	if (rig) {
		bh_nvme_phase_set(rig->ctrl, NVME_PHASE_QUIESCE);
		assert_int_equal(bh_nvme_poll(rig->qp, 8), 0);
	}
}

FIBER_TEST(test_nested_poll_and_reset)
{
	struct rig rig;
	rig_open(&rig, NULL, 4);
	memset(&held, 0, sizeof(held));
	held.buf = bh_dma_alloc(4096, 4096);
	for (int i = 0; i < 2; i++)
		assert_int_equal(bh_nvme_read(rig.qp, rig.ns, 0, 8, held.buf, nested_done, &rig), 0);
	while (held.done[0].cnt == 0)
		bh_nvme_poll(rig.qp, 8);
	assert_int_equal(bh_nvme_read(rig.qp, rig.ns, 0, 8, held.buf, nested_done, &rig), -BH_EAGAIN);
	assert_int_equal(bh_nvme_outstanding(rig.qp), 1);

	/* Every slot is there once: as many commands as the pair's depth are accepted, and each ends. */
	bh_nvme_phase_set(rig.ctrl, NVME_PHASE_LIVE);
	while (bh_nvme_outstanding(rig.qp))
		bh_nvme_poll(rig.qp, 8);
	for (int i = 0; i < 4; i++)
		assert_int_equal(bh_nvme_read(rig.qp, rig.ns, 0, 8, held.buf, nested_done, &rig), 0);
	assert_int_equal(bh_nvme_read(rig.qp, rig.ns, 0, 8, held.buf, nested_done, &rig), -BH_EAGAIN);
	while (bh_nvme_outstanding(rig.qp))
		bh_nvme_poll(rig.qp, 8);
	assert_int_equal(held.done[0].cnt, 6);
	rig_close(&rig);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        UNIT(test_asked_for),
	        UNIT(test_many_resets),
	        UNIT(test_fatal_status),
	        UNIT(test_ready_lost),
	        UNIT(test_foreign_reset_is_left_alone),
	        UNIT(test_foreign_reset_during_ours),
	        UNIT(test_disable_fails),
	        UNIT(test_nothing_helps),
	        UNIT(test_does_not_come_back),
	        UNIT(test_comes_back_at_second_attempt),
	        UNIT(test_removal),
	        UNIT(test_removal_during_reset),
	        UNIT(test_timeout_abort_works),
	        UNIT(test_timeout_command_was_just_late),
	        UNIT(test_timeout_abort_does_not_help),
	        UNIT(test_timeout_abort_unanswered),
	        UNIT(test_no_timeout_while_it_works),
	        UNIT(test_split_and_reset),
	        UNIT(test_submit_during_reset),
	        UNIT(test_nested_poll_and_reset),
	        UNIT(test_waiting_fibers_and_reset),
	        UNIT(test_delete_waits_for_commands),
	        UNIT(test_shutdown),
	        UNIT(test_shutdown_not_confirmed),
	        UNIT(test_close_of_removed),
	        UNIT(test_admin_timeout_resets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
