/* SPDX-License-Identifier: Apache-2.0 */
/* Each fault does what its word says, and nothing else; service times and Abort. */
#include "nvme_rig.h"

#define MS UINT64_C(1000000)

static struct rig *rig;
static uint64_t buffer;
static const struct nvme_sqe flush = {.opcode = NVME_NVM_FLUSH, .nsid = 1};

static void
start(const char *script)
{
	rig = rig_new_faulty(script);
	rig_start(rig);
	buffer = rig_alloc(rig, 16 * 4096);
}

static void
finish(enum nvme_fault_action action, uint64_t fired_cnt)
{
	struct nvme_model_stats stats;
	nvme_model_stats_get(rig->model, &stats);
	assert_int_equal(stats.fault_cnt[action], fired_cnt);
	rig_free(rig);
}

static struct rig_result
submit_poll_take(const struct nvme_sqe *sqe)
{
	rig_submit(rig, 1, sqe);
	rig_poll(rig, 2);
	return rig_take(rig, 1);
}

static struct rig_result
abort_command(uint16_t cid)
{
	struct nvme_sqe sqe = rig_admin(NVME_ADMIN_ABORT, 0, 0, 1 | (uint32_t)cid << 16, 0);
	return rig_run(rig, 0, &sqe);
}

static void
delay_comes_late_and_once(void **state)
{
	start("nth 2 delay 5ms");
	assert_true(submit_poll_take(&flush).done);
	assert_false(submit_poll_take(&flush).done);
	assert_true(submit_poll_take(&flush).done); /* overtakes it */
	rig_advance(rig, 5 * MS - 1);
	assert_false(rig_peek(rig, 1).done);
	rig_advance(rig, 1);
	assert_int_equal(rig_take(rig, 1).status, 0);
	rig_advance(rig, 100 * MS);
	assert_false(rig_peek(rig, 1).done);
	finish(NVME_FAULT_DELAY, 1);
}

static void
lose_executes_but_never_completes(void **state)
{
	start("op write lose 1");
	memset(rig_at(rig, buffer), 0x5a, 512);
	struct nvme_sqe write = rig_rw(NVME_NVM_WRITE, 3, 1, buffer, 0);
	uint16_t cid = rig_submit(rig, 1, &write);
	rig_advance(rig, 1000 * MS);
	assert_false(rig_peek(rig, 1).done);
	assert_int_equal(rig->disk[3 * 512], 0x5a);
	assert_int_equal(abort_command(cid).result, NVME_ABORT_RESULT_NOT_ABORTED);
	assert_true(submit_poll_take(&write).done);
	finish(NVME_FAULT_LOSE, 1);
}

static void
hang_waits_for_its_abort(void **state)
{
	start("op write hang 1");
	memset(rig_at(rig, buffer), 0x5a, 512);
	struct nvme_sqe write = rig_rw(NVME_NVM_WRITE, 3, 1, buffer, 0);
	uint16_t cid = rig_submit(rig, 1, &write);
	rig_advance(rig, 60000 * MS);
	assert_false(rig_peek(rig, 1).done);
	assert_int_equal(abort_command(cid).result, 0);
	struct rig_result result = rig_take(rig, 1);
	assert_int_equal(result.cid, cid);
	assert_int_equal(result.status, NVME_SC_ABORT_REQUESTED);
	assert_int_equal(rig->disk[3 * 512], 0); /* not executed */
	assert_int_equal(abort_command(cid).result, NVME_ABORT_RESULT_NOT_ABORTED);
	finish(NVME_FAULT_HANG, 1);
}

static void
duplicate_comes_twice(void **state)
{
	start("nth 1 duplicate");
	struct rig_result first = submit_poll_take(&flush), second = rig_take(rig, 1);
	assert_true(first.done && second.done);
	assert_int_equal(first.cid, second.cid);
	assert_false(rig_peek(rig, 1).done);
	finish(NVME_FAULT_DUPLICATE, 1);
}

static void
reorder_lets_others_pass(void **state)
{
	start("nth 1 reorder 2");
	uint16_t cid = rig_submit(rig, 1, &flush);
	rig_submit(rig, 1, &flush);
	rig_submit(rig, 1, &flush);
	rig_poll(rig, 2);
	assert_int_equal(rig_take(rig, 1).cid, cid + 1);
	assert_int_equal(rig_take(rig, 1).cid, cid + 2);
	assert_int_equal(rig_take(rig, 1).cid, cid);
	finish(NVME_FAULT_REORDER, 1);

	start("nth 1 reorder 9"); /* nobody comes: after 10 ms all the same */
	assert_false(submit_poll_take(&flush).done);
	rig_advance(rig, NVME_FAULT_REORDER_NS);
	assert_true(rig_take(rig, 1).done);
	finish(NVME_FAULT_REORDER, 1);
}

static void
completions_that_lie(void **state)
{
	start("nth 1 wrong-id");
	assert_int_not_equal(submit_poll_take(&flush).cid, rig->cid - 1);
	assert_false(rig_peek(rig, 1).done);
	finish(NVME_FAULT_WRONG_ID, 1);

	start("nth 1 stray");
	assert_int_not_equal(submit_poll_take(&flush).cid, rig->cid - 1);
	assert_int_equal(rig_take(rig, 1).cid, rig->cid - 1);
	finish(NVME_FAULT_STRAY, 1);

	start("nth 1 wrong-sq");
	assert_int_not_equal(submit_poll_take(&flush).sq_id, 1);
	finish(NVME_FAULT_WRONG_SQ, 1);

	start("nth 1 wrong-head");
	assert_true(submit_poll_take(&flush).sq_head >= 16);
	finish(NVME_FAULT_WRONG_HEAD, 1);

	start("nth 1 old-head");
	assert_int_equal(submit_poll_take(&flush).sq_head, 1 + 16 / 2);
	finish(NVME_FAULT_OLD_HEAD, 1);

	start("nth 1 wrong-phase");
	assert_false(submit_poll_take(&flush).done);
	rig_advance(rig, 1000 * MS);
	assert_false(rig_take(rig, 1).done);
	rig->queue[1].head++; /* the next one is where the specification has it */
	assert_true(submit_poll_take(&flush).done);
	finish(NVME_FAULT_WRONG_PHASE, 1);
}

static void
status_fails_what_it_selects(void **state)
{
	start("lba 100..107 op read status unrecovered-read dnr\nop write times 2 status 0x280");
	memset(rig->disk, 0x77, 65536);
	struct nvme_sqe hit = rig_rw(NVME_NVM_READ, 96, 5, buffer, 0), miss = rig_rw(NVME_NVM_READ, 96, 4, buffer, 0);
	struct nvme_sqe write = rig_rw(NVME_NVM_WRITE, 0, 1, buffer, 0);
	for (int i = 0; i < 3; i++) {
		struct rig_result result = submit_poll_take(&hit);
		assert_int_equal(result.status, NVME_SC_UNRECOVERED_READ);
		assert_true(result.no_retry);
	}
	assert_int_equal(((uint8_t *)rig_at(rig, buffer))[0], 0); /* not executed */
	assert_int_equal(submit_poll_take(&miss).status, 0);
	assert_int_equal(submit_poll_take(&write).status, NVME_SC_WRITE_FAULT);
	assert_int_equal(submit_poll_take(&write).status, NVME_SC_WRITE_FAULT);
	assert_int_equal(submit_poll_take(&write).status, 0);
	finish(NVME_FAULT_STATUS, 5);
}

static void
dma_outside_is_refused_and_reported(void **state)
{
	struct nvme_model_stats stats;

	start("op read nth 1 dma-outside");
	struct nvme_sqe read = rig_rw(NVME_NVM_READ, 0, 1, buffer, 0);
	assert_int_equal(submit_poll_take(&read).status, NVME_SC_DATA_TRANSFER_ERROR);
	nvme_model_stats_get(rig->model, &stats);
	assert_true(stats.dma_refused_cnt > 0);
	assert_int_equal(submit_poll_take(&read).status, 0);
	finish(NVME_FAULT_DMA_OUTSIDE, 1);
}

static uint32_t
bits_differ(const uint8_t *a, const uint8_t *b, size_t cnt_bytes)
{
	uint32_t cnt = 0;
	for (size_t i = 0; i < cnt_bytes; i++)
		cnt += (uint32_t)__builtin_popcount(a[i] ^ b[i]);
	return cnt;
}

static void
data_faults_report_success(void **state)
{
	struct nvme_sqe read = rig_rw(NVME_NVM_READ, 8, 16, 0, 0), write = rig_rw(NVME_NVM_WRITE, 8, 16, 0, 0);

	start("op read flip 1\nop write flip 1");
	read.prp1 = write.prp1 = buffer;
	read.prp2 = write.prp2 = buffer + 4096;
	memset(rig_at(rig, buffer), 0x3c, 8192);
	assert_int_equal(submit_poll_take(&write).status, 0);
	assert_int_equal(bits_differ(rig->disk + 8 * 512, rig_at(rig, buffer), 8192), 1);
	assert_int_equal(submit_poll_take(&read).status, 0);
	assert_int_equal(bits_differ(rig->disk + 8 * 512, rig_at(rig, buffer), 8192), 1);
	finish(NVME_FAULT_FLIP, 2);

	start("op write tear 1");
	memset(rig_at(rig, buffer), 0x3c, 8192);
	assert_int_equal(submit_poll_take(&write).status, 0);
	uint32_t stored = 0;
	while (stored < 8192 && rig->disk[8 * 512 + stored] == 0x3c)
		stored++;
	assert_true(stored > 0 && stored < 8192 && stored % 512 == 0);
	assert_int_equal(rig->disk[8 * 512 + 8191], 0);
	finish(NVME_FAULT_TEAR, 1);

	start("op write drop-write 1");
	memset(rig_at(rig, buffer), 0x3c, 8192);
	assert_int_equal(submit_poll_take(&write).status, 0);
	assert_int_equal(rig->disk[8 * 512], 0);
	finish(NVME_FAULT_DROP_WRITE, 1);

	start("op write nth 1 misdirect 32");
	memset(rig_at(rig, buffer), 0x3c, 8192);
	assert_int_equal(submit_poll_take(&write).status, 0);
	assert_int_equal(rig->disk[8 * 512], 0);
	assert_memory_equal(rig->disk + 40 * 512, rig_at(rig, buffer), 8192);
	finish(NVME_FAULT_MISDIRECT, 1);
}

static void
fatal_stops_until_the_controller_is_reset(void **state)
{
	start("after 2 ios fatal");
	assert_true(submit_poll_take(&flush).done);
	assert_true(submit_poll_take(&flush).done);
	rig_poll(rig, 1);
	assert_int_equal(rig_read32(rig, NVME_REG_CSTS), NVME_CSTS_RDY | NVME_CSTS_CFS);
	assert_false(submit_poll_take(&flush).done);
	assert_int_equal(nvme_model_next_event_ns(rig->model), UINT64_MAX);
	rig_write32(rig, NVME_REG_CC, 0);
	rig_poll(rig, 1);
	assert_int_equal(rig_read32(rig, NVME_REG_CSTS), 0);
	rig_start(rig);
	assert_true(submit_poll_take(&flush).done);
	finish(NVME_FAULT_FATAL, 1);

	start("at 2s fatal");
	assert_true(submit_poll_take(&flush).done);
	rig_advance(rig, 1999 * MS);
	assert_int_equal(rig_read32(rig, NVME_REG_CSTS), NVME_CSTS_RDY);
	rig_advance(rig, MS);
	assert_int_equal(rig_read32(rig, NVME_REG_CSTS), NVME_CSTS_RDY | NVME_CSTS_CFS);
	finish(NVME_FAULT_FATAL, 1);
}

static void
a_removed_device_is_all_ones_for_good(void **state)
{
	start("op write nth 2 all-ones");
	struct nvme_sqe write = rig_rw(NVME_NVM_WRITE, 0, 1, buffer, 0);
	assert_true(submit_poll_take(&write).done);
	assert_false(submit_poll_take(&write).done);
	assert_int_equal(rig_read32(rig, NVME_REG_CSTS), 0xffffffff);
	assert_int_equal(nvme_model_reg_read(rig->model, NVME_REG_CAP, 8, rig->now_ns), UINT64_MAX);
	rig_write32(rig, NVME_REG_CC, 0);
	nvme_model_reset(rig->model, rig->now_ns);
	rig_advance(rig, 1000 * MS);
	assert_int_equal(rig_read32(rig, NVME_REG_VS), 0xffffffff);
	assert_false(nvme_model_enabled(rig->model));
	finish(NVME_FAULT_REMOVE, 1);
}

static void
a_reset_that_fails(void **state)
{
	rig = rig_new_faulty("stuck-ready");
	rig_enable(rig);
	rig_advance(rig, 60000 * MS);
	assert_int_equal(rig_read32(rig, NVME_REG_CSTS), 0);
	rig_write32(rig, NVME_REG_CC, 0);
	rig_advance(rig, MS);
	rig_enable(rig); /* the rule fired once */
	rig_advance(rig, MS);
	assert_int_equal(rig_read32(rig, NVME_REG_CSTS), NVME_CSTS_RDY);
	finish(NVME_FAULT_STUCK_READY, 1);

	start("stuck-enabled");
	rig_write32(rig, NVME_REG_CC, 0);
	rig_advance(rig, 60000 * MS);
	assert_int_equal(rig_read32(rig, NVME_REG_CSTS), NVME_CSTS_RDY);
	nvme_model_reset(rig->model, rig->now_ns); /* the next rung of the ladder */
	assert_int_equal(rig_read32(rig, NVME_REG_CSTS), 0);
	rig_start(rig);
	finish(NVME_FAULT_STUCK_ENABLED, 1);

	rig = rig_new_faulty("nth 2 stuck-ready");
	rig_start(rig);
	rig_write32(rig, NVME_REG_CC, 0);
	rig_advance(rig, MS);
	rig_enable(rig);
	rig_advance(rig, 1000 * MS);
	assert_int_equal(rig_read32(rig, NVME_REG_CSTS), 0);
	finish(NVME_FAULT_STUCK_READY, 1);
}

static void
events_come_when_told(void **state)
{
	struct nvme_sqe aer = {.opcode = NVME_ADMIN_ASYNC_EVENT};

	start("at 1s event ns-changed");
	struct nvme_sqe ask = rig_admin(NVME_ADMIN_SET_FEATURES, 0, 0, NVME_FEATURE_ASYNC_EVENT, NVME_ASYNC_NS_ATTR);
	assert_int_equal(rig_status(rig, 0, &ask), 0);
	rig_submit(rig, 0, &aer);
	rig_advance(rig, 999 * MS);
	assert_false(rig_peek(rig, 0).done);
	rig_advance(rig, MS);
	assert_int_equal(rig_take(rig, 0).result, NVME_AER_NOTICE | NVME_LOG_CHANGED_NS << 16);
	finish(NVME_FAULT_EVENT, 1);
}

static void
every_and_probability_choose(void **state)
{
	struct nvme_model_stats stats;

	start("every 3 status internal");
	for (int i = 1; i <= 12; i++)
		assert_int_equal(submit_poll_take(&flush).status, i % 3 == 0 ? NVME_SC_INTERNAL_ERROR : 0);
	finish(NVME_FAULT_STATUS, 4);

	start("p 0.25 status internal");
	for (int i = 0; i < 4000; i++)
		assert_true(submit_poll_take(&flush).done);
	nvme_model_stats_get(rig->model, &stats);
	/* 1000 expected, standard deviation 27 */
	assert_in_range(stats.fault_cnt[NVME_FAULT_STATUS], 1000 - 8 * 27, 1000 + 8 * 27);
	rig_free(rig);
}

static void
the_same_seed_is_the_same_run(void **state)
{
	uint16_t status[2][500];

	for (int run = 0; run < 2; run++) {
		start("p 0.3 status internal\np 0.3 status write-fault");
		for (int i = 0; i < 500; i++)
			status[run][i] = submit_poll_take(&flush).status;
		rig_free(rig);
	}
	assert_memory_equal(status[0], status[1], sizeof(status[0]));
}

static void
admin_commands_can_be_hit(void **state)
{
	rig = rig_new_faulty("op identify nth 1 hang\nop identify nth 2 status internal");
	rig_start(rig);
	uint64_t page = rig_alloc(rig, 4096);
	struct nvme_sqe identify = rig_admin(NVME_ADMIN_IDENTIFY, 0, page, NVME_CNS_CONTROLLER, 0);
	rig_submit(rig, 0, &identify);
	rig_advance(rig, 10000 * MS);
	assert_false(rig_peek(rig, 0).done);
	assert_int_equal(rig_status(rig, 0, &identify), NVME_SC_INTERNAL_ERROR);
	assert_int_equal(rig_status(rig, 0, &identify), 0);
	rig_free(rig);
}

/* A command whose memory the client takes back while it waits. */
static void
delayed_commands_do_not_touch_unmapped_memory(void **state)
{
	start("delay 5ms");
	struct nvme_sqe read = rig_rw(NVME_NVM_READ, 0, 1, buffer, 0);
	rig_submit(rig, 1, &read);
	rig_poll(rig, 1);
	memset(rig->disk, 0x99, 512);
	rig->hole_iova = buffer;
	rig->hole_bytes = 4096;
	nvme_model_dma_unmap(rig->model, buffer, 4096);
	rig_advance(rig, 5 * MS);
	assert_int_equal(rig_take(rig, 1).status, NVME_SC_DATA_TRANSFER_ERROR);
	assert_int_equal(*(uint8_t *)rig_at(rig, buffer), 0);
	rig_free(rig);
}

static void
deleting_a_queue_aborts_what_waits(void **state)
{
	start("hang 2");
	rig_submit(rig, 1, &flush);
	rig_submit(rig, 1, &flush);
	rig_poll(rig, 1);
	struct nvme_sqe delete_sq = rig_admin(NVME_ADMIN_DELETE_SQ, 0, 0, 1, 0);
	assert_int_equal(rig_status(rig, 0, &delete_sq), 0);
	assert_int_equal(rig_take(rig, 1).status, NVME_SC_ABORTED_SQ_DELETION);
	assert_int_equal(rig_take(rig, 1).status, NVME_SC_ABORTED_SQ_DELETION);
	assert_false(rig_peek(rig, 1).done);
	rig_free(rig);
}

/* Completions that become due while the queue is full wait, in order, and none is lost. */
static void
due_completions_wait_for_room(void **state)
{
	struct nvme_model_config config = rig_config();
	config.service = (struct nvme_service){.kind = NVME_SERVICE_FIXED, .a_ns = 80000};
	rig = rig_new(&config);
	rig_start(rig);
	uint64_t page = rig_alloc(rig, 4096);
	struct nvme_sqe sq = rig_admin(NVME_ADMIN_CREATE_SQ, 0, page, 2 | 63 << 16, NVME_CREATE_PC | 1 << 16);
	assert_int_equal(rig_status(rig, 0, &sq), 0);
	rig->queue[2] = (struct rig_queue){.entries = 64, .phase = 1, .sq_iova = page};
	uint16_t first = rig->cid;
	for (int i = 0; i < 50; i++)
		rig_submit(rig, 2, &flush);
	rig_advance(rig, 79999);
	assert_false(rig_peek(rig, 1).done);
	rig_advance(rig, 1);
	for (int i = 0; i < 50; i++) {
		rig_advance(rig, 80000);
		assert_int_equal(rig_take(rig, 1).cid, first + i);
	}
	assert_false(rig_peek(rig, 1).done);
	rig_free(rig);
}

/* More commands than the controller can hold: the rest waits in the queue, and Abort still gets through. */
static void
a_device_full_of_hanging_commands_can_be_cleared(void **state)
{
	struct nvme_model_config config = rig_config();
	struct nvme_fault_rule rule = NVME_FAULT_RULE_ANY;

	rule.action = NVME_FAULT_HANG;
	config.rules = &rule;
	config.rule_cnt = 1;
	config.pending_cnt = 128;
	rig = rig_new(&config);
	rig_start(rig);
	rig_create_queue(rig, 2, 64);
	rig_create_queue(rig, 3, 64);
	uint16_t first = rig->cid;
	for (int i = 0; i < 63; i++)
		rig_submit(rig, 2, &flush);
	for (int i = 0; i < 63; i++)
		rig_submit(rig, 3, &flush);
	rig_poll(rig, 20);
	struct nvme_model_stats stats;
	nvme_model_stats_get(rig->model, &stats);
	assert_int_equal(stats.io_cnt, 64); /* 128, without the 64 kept for admin commands */
	struct nvme_sqe sqe = rig_admin(NVME_ADMIN_ABORT, 0, 0, 2 | (uint32_t)first << 16, 0);
	assert_int_equal(rig_run(rig, 0, &sqe).result, 0);
	assert_int_equal(rig_take(rig, 2).status, NVME_SC_ABORT_REQUESTED);
	rig_free(rig);
}

static void
rules_that_are_done_leave_the_fast_path_alone(void **state)
{
	start("nth 1 status internal");
	assert_true(nvme_model_timed(rig->model));
	assert_int_equal(submit_poll_take(&flush).status, NVME_SC_INTERNAL_ERROR);
	rig_poll(rig, 2);
	assert_false(nvme_model_timed(rig->model));
	assert_int_equal(submit_poll_take(&flush).status, 0);
	finish(NVME_FAULT_STATUS, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(delay_comes_late_and_once),
	        cmocka_unit_test(lose_executes_but_never_completes),
	        cmocka_unit_test(hang_waits_for_its_abort),
	        cmocka_unit_test(duplicate_comes_twice),
	        cmocka_unit_test(reorder_lets_others_pass),
	        cmocka_unit_test(completions_that_lie),
	        cmocka_unit_test(status_fails_what_it_selects),
	        cmocka_unit_test(dma_outside_is_refused_and_reported),
	        cmocka_unit_test(data_faults_report_success),
	        cmocka_unit_test(fatal_stops_until_the_controller_is_reset),
	        cmocka_unit_test(a_removed_device_is_all_ones_for_good),
	        cmocka_unit_test(a_reset_that_fails),
	        cmocka_unit_test(events_come_when_told),
	        cmocka_unit_test(every_and_probability_choose),
	        cmocka_unit_test(the_same_seed_is_the_same_run),
	        cmocka_unit_test(admin_commands_can_be_hit),
	        cmocka_unit_test(delayed_commands_do_not_touch_unmapped_memory),
	        cmocka_unit_test(deleting_a_queue_aborts_what_waits),
	        cmocka_unit_test(due_completions_wait_for_room),
	        cmocka_unit_test(a_device_full_of_hanging_commands_can_be_cleared),
	        cmocka_unit_test(rules_that_are_done_leave_the_fast_path_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
