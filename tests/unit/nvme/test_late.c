/* SPDX-License-Identifier: Apache-2.0 */
/* Answers that come late: to admin commands that timed out, and from an owner that a core no longer waits for. */
#include "fake.h"

static bool minutes_end;

/* A fiber that lets a tenth of a second pass each time that it runs. */
static void
minutes_pass(void *arg)
{
	while (!minutes_end) {
		fake_clock_advance(UINT64_C(100000000));
		bh_yield();
	}
}

static void
minutes_begin(void)
{
	minutes_end = false;
	assert_int_equal(bh_fiber_spawn(minutes_pass, NULL), 0);
}

static struct {
	uint32_t log_cnt, log_cnt_at_reset;
	uint32_t read_cnt, again_cnt;
} late;

static enum fake_verdict
first_log_silent(struct fake *self, uint32_t sqid, const struct nvme_sqe *cmd, struct nvme_cqe *cqe)
{
	if (sqid || cmd->opcode != 0x02)
		return FAKE_DEFAULT;
	if (fake.disable_cnt == 0)
		late.log_cnt_at_reset++;
	if (late.log_cnt++)
		return FAKE_DEFAULT;
	return FAKE_HOLD;
}

static void
second_log_reader(void *arg)
{
	struct rig *rig = arg;
	struct nvme_health_log log;
	memset(&log, 0, sizeof(log));
	int err = bh_nvme_health_log(rig->ctrl, &log);
	while (err == -BH_EAGAIN) {
		late.again_cnt++;
		bh_yield();
		err = bh_nvme_health_log(rig->ctrl, &log);
	}
	assert_int_equal(err, 0);
	assert_int_equal(log.percentage_used, 7);
	late.read_cnt++;
}

/* What a command that timed out may still write to, no later command uses: not before the reset. */
FIBER_TEST(test_data_page_of_a_late_command)
{
	struct rig rig;
	struct nvme_health_log log;
	memset(&late, 0, sizeof(late));
	rig_open(&rig, NULL, 8);
	((struct nvme_health_log *)(void *)fake.log_page[2])->percentage_used = 7;
	fake.hook = first_log_silent;
	assert_int_equal(bh_fiber_spawn(second_log_reader, &rig), 0);
	assert_int_equal(bh_nvme_health_log(rig.ctrl, &log), -BH_ETIMEDOUT);
	while (late.read_cnt == 0)
		bh_yield();
	assert_int_equal(fake_counter("reset"), 1);
	assert_int_equal(late.log_cnt_at_reset, 1);
	assert_in_range(late.again_cnt, 1, 1000000);
	fake.hook = NULL;
	rig_close(&rig);
}

static struct nvme_sqe late_cmd;

static enum fake_verdict
time_passes_at_the_doorbell(struct fake *self, uint32_t sqid, const struct nvme_sqe *cmd, struct nvme_cqe *cqe)
{
	if (sqid || cmd->opcode != 0x02)
		return FAKE_DEFAULT;
	fake_clock_advance(UINT64_C(60000000000));
	late_cmd = *cmd;
	return FAKE_HOLD;
}

static void
answer_soon(void *arg)
{
	for (int i = 0; i < 10 || late_cmd.opcode == 0; i++)
		bh_yield();
	fake_complete(0, &late_cmd, 0);
}

/* A core that is away for a minute while it rings takes nothing from the device's time (simulator, seed 502039). */
FIBER_TEST(test_admin_time_begins_at_the_doorbell)
{
	struct rig rig;
	struct nvme_health_log log;
	memset(&late_cmd, 0, sizeof(late_cmd));
	rig_open(&rig, NULL, 8);
	fake.hook = time_passes_at_the_doorbell;
	assert_int_equal(bh_fiber_spawn(answer_soon, &rig), 0);
	assert_int_equal(bh_nvme_health_log(rig.ctrl, &log), 0);
	assert_int_equal(fake_counter("reset"), 0);
	fake.hook = NULL;
	rig_close(&rig);
}

/* An admin command that is held far longer than a request waits for the owner. */
static struct {
	uint8_t opcode;
	bool held;
	struct nvme_sqe cmd;
} stuck;

static enum fake_verdict
hold_once(struct fake *self, uint32_t sqid, const struct nvme_sqe *cmd, struct nvme_cqe *cqe)
{
	if (sqid || cmd->opcode != stuck.opcode || stuck.held)
		return FAKE_DEFAULT;
	stuck.held = true;
	stuck.cmd = *cmd;
	return FAKE_HOLD;
}

#define PATIENT_NS UINT64_C(600000000000)

/* The queue's answer, after all: as a device would, the fake does the command and completes it. */
static void
answer_stuck(void)
{
	struct nvme_sqe cmd = stuck.cmd;
	uint32_t qid = cmd.cdw10 & 0xffff, entries = (cmd.cdw10 >> 16) + 1;
	if (cmd.opcode == 0x05)
		fake.cq[qid] = (struct fake_cq){
		        .valid = true, .ring = (struct nvme_cqe *)(uintptr_t)cmd.prp1, .entries = entries, .phase = 1};
	else
		fake.sq[qid].valid = false;
	fake_complete(0, &cmd, 0);
}

static void
qid_2_is_free_again(struct rig *rig)
{
	struct bh_nvme_qpair *qp;
	for (int i = 0; i < 2000; i++)
		bh_yield();
	assert_false(fake.sq[2].valid || fake.cq[2].valid);
	assert_int_equal(bh_nvme_reset(rig->ctrl), 0); /* no pair is left that would have to take part */
	assert_int_equal(bh_nvme_qpair_create(rig->ctrl, 4, &qp), 0);
	assert_true(fake.sq[2].valid);
	assert_int_equal(bh_nvme_qpair_delete(qp), 0);
	assert_int_equal(fake_counter("removed"), 0);
}

FIBER_TEST(test_create_abandoned)
{
	const struct bh_nvme_options options = {.admin_timeout_ns = PATIENT_NS, .io_queue_cnt = 2};
	struct rig rig;
	struct bh_nvme_qpair *qp;
	memset(&stuck, 0, sizeof(stuck));
	rig_open(&rig, &options, 4);
	stuck.opcode = 0x05;
	fake.hook = hold_once;
	minutes_begin();
	assert_int_equal(bh_nvme_qpair_create(rig.ctrl, 4, &qp), -BH_ETIMEDOUT);
	minutes_end = true;
	assert_int_equal(bh_nvme_close(rig.ctrl), -BH_EBUSY);
	assert_int_equal(bh_nvme_qpair_create(rig.ctrl, 4, &qp), -BH_ENOSPC);
	answer_stuck();
	qid_2_is_free_again(&rig);
	rig_close(&rig);
}

FIBER_TEST(test_delete_abandoned)
{
	const struct bh_nvme_options options = {.admin_timeout_ns = PATIENT_NS, .io_queue_cnt = 2};
	struct rig rig;
	struct bh_nvme_qpair *qp;
	memset(&stuck, 0, sizeof(stuck));
	rig_open(&rig, &options, 4);
	assert_int_equal(bh_nvme_qpair_create(rig.ctrl, 4, &qp), 0);
	stuck.opcode = 0x00;
	fake.hook = hold_once;
	minutes_begin();
	assert_int_equal(bh_nvme_qpair_delete(qp), -BH_ETIMEDOUT);
	minutes_end = true;
	assert_int_equal(bh_nvme_close(rig.ctrl), -BH_EBUSY);
	answer_stuck();
	qid_2_is_free_again(&rig);
	rig_close(&rig);
}

/* The owner answers only in the end: with a reset, of which the abandoned pair has to be part. */
FIBER_TEST(test_create_abandoned_and_reset)
{
	const struct bh_nvme_options options = {.admin_timeout_ns = UINT64_C(200000000000), .io_queue_cnt = 2};
	struct rig rig;
	struct bh_nvme_qpair *qp;
	memset(&stuck, 0, sizeof(stuck));
	rig_open(&rig, &options, 4);
	stuck.opcode = 0x01;
	fake.hook = hold_once;
	minutes_begin();
	assert_int_equal(bh_nvme_qpair_create(rig.ctrl, 4, &qp), -BH_ETIMEDOUT);
	while (fake_counter("reset") == 0 || bh_nvme_state(rig.ctrl) != BH_NVME_LIVE)
		bh_yield();
	minutes_end = true;
	qid_2_is_free_again(&rig);
	assert_int_equal(bh_nvme_read_wait(rig.qp, rig.ns, 0, 8, bh_dma_alloc(4096, 4096), NULL), 0);
	rig_close(&rig);
}

static struct {
	uint32_t cnt;
	uint16_t status;
} answer;

static void
read_done(void *arg, uint16_t status)
{
	answer.cnt++;
	answer.status = status;
}

/* A controller that failed or is gone answers no Abort: that shows before one is sent, and not after the time of one. */
static void
late_because(bool gone)
{
	const struct bh_nvme_options options = {.command_timeout_ns = 20000000, .admin_timeout_ns = PATIENT_NS};
	struct rig rig;
	memset(&answer, 0, sizeof(answer));
	rig_open(&rig, &options, 4);
	fake.hold_opcode_mask = 1u << 2;
	assert_int_equal(bh_nvme_read(rig.qp, rig.ns, 0, 8, bh_dma_alloc(4096, 4096), read_done, NULL), 0);
	bh_nvme_ring(rig.qp);
	uint64_t begin_tsc = bh_clock_now_tsc();
	fake.csts |= gone ? 0 : 2;
	fake.gone = gone;
	rig_until(&rig, &answer.cnt, 1);
	assert_int_equal(answer.status, BH_NVME_STATUS_TIMED_OUT);
	assert_int_equal(fake_counter("abort"), 0);
	assert_true(bh_tsc_to_ns(bh_clock_now_tsc() - begin_tsc) < 1000000000);
	if (gone) {
		assert_int_equal(bh_nvme_qpair_delete(rig.qp), 0);
		assert_int_equal(bh_nvme_close(rig.ctrl), -BH_ENODEV);
		return;
	}
	assert_int_equal(fake_counter("reset"), 1);
	rig_close(&rig);
}

FIBER_TEST(test_no_abort_for_a_fatal_controller)
{
	late_because(false);
}

FIBER_TEST(test_no_abort_for_a_controller_that_is_gone)
{
	late_because(true);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        UNIT(test_data_page_of_a_late_command),
	        UNIT(test_admin_time_begins_at_the_doorbell),
	        UNIT(test_create_abandoned),
	        UNIT(test_delete_abandoned),
	        UNIT(test_create_abandoned_and_reset),
	        UNIT(test_no_abort_for_a_fatal_controller),
	        UNIT(test_no_abort_for_a_controller_that_is_gone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
