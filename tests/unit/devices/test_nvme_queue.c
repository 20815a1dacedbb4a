/* SPDX-License-Identifier: Apache-2.0 */
/* Queues: creation, deletion, doorbells, full completion queues, shadow doorbells. NVMe Base 2.0, 3.3, 5.4 to 5.8. */
#include "nvme_rig.h"

static struct rig *rig;
static uint64_t page;

static int
set_up(void **state)
{
	rig = rig_new(NULL);
	rig_start(rig);
	page = rig_alloc(rig, 8192);
	return 0;
}

static int
tear_down(void **state)
{
	rig_free(rig);
	return 0;
}

static uint16_t
create(uint8_t opcode, uint32_t cdw10, uint32_t cdw11, uint64_t prp1)
{
	struct nvme_sqe sqe = rig_admin(opcode, 0, prp1, cdw10, cdw11);
	return rig_status(rig, 0, &sqe);
}

static volatile uint32_t *
doorbell(uint32_t qid, uint32_t is_cq)
{
	return rig->doorbells + (nvme_doorbell_offset(qid, is_cq, 4) - 0x1000) / 4;
}

static const struct nvme_sqe flush = {.opcode = NVME_NVM_FLUSH, .nsid = 1};

static void
bad_completion_queues_are_refused(void **state)
{
	const uint8_t op = NVME_ADMIN_CREATE_CQ;
	const uint32_t pc = NVME_CREATE_PC;

	assert_int_equal(create(op, 0 | 15 << 16, pc, page), NVME_SC_INVALID_QUEUE_ID);
	assert_int_equal(create(op, 1 | 15 << 16, pc, page), NVME_SC_INVALID_QUEUE_ID); /* in use */
	assert_int_equal(create(op, (RIG_QUEUES + 1) | 15 << 16, pc, page), NVME_SC_INVALID_QUEUE_ID);
	assert_int_equal(create(op, 0xffff | 15 << 16, pc, page), NVME_SC_INVALID_QUEUE_ID);
	assert_int_equal(create(op, 2, pc, page), NVME_SC_INVALID_QUEUE_SIZE);
	assert_int_equal(create(op, 2 | 64 << 16, pc, page), NVME_SC_INVALID_QUEUE_SIZE); /* MQES is 63 */
	assert_int_equal(create(op, 2 | 15 << 16, 0, page), NVME_SC_INVALID_FIELD);       /* CAP.CQR */
	assert_int_equal(create(op, 2 | 15 << 16, pc, page + 64), NVME_SC_INVALID_PRP_OFFSET);
	assert_int_equal(create(op, 2 | 15 << 16, pc, 0), NVME_SC_DATA_TRANSFER_ERROR);
	assert_int_equal(create(op, 2 | 15 << 16, pc | NVME_CREATE_CQ_IEN | RIG_VECTORS << 16, page),
	                 NVME_SC_INVALID_INTERRUPT_VECTOR);
	assert_int_equal(create(op, 2 | 63 << 16, pc, page), 0);
}

static void
bad_submission_queues_are_refused(void **state)
{
	const uint8_t op = NVME_ADMIN_CREATE_SQ;
	const uint32_t pc = NVME_CREATE_PC | 1 << 16; /* to completion queue 1 */

	assert_int_equal(create(op, 0 | 15 << 16, pc, page), NVME_SC_INVALID_QUEUE_ID);
	assert_int_equal(create(op, 1 | 15 << 16, pc, page), NVME_SC_INVALID_QUEUE_ID);
	assert_int_equal(create(op, 5 | 15 << 16, pc, page), NVME_SC_INVALID_QUEUE_ID);
	assert_int_equal(create(op, 2, pc, page), NVME_SC_INVALID_QUEUE_SIZE);
	assert_int_equal(create(op, 2 | 64 << 16, pc, page), NVME_SC_INVALID_QUEUE_SIZE);
	assert_int_equal(create(op, 2 | 15 << 16, 1 << 16, page), NVME_SC_INVALID_FIELD);
	assert_int_equal(create(op, 2 | 15 << 16, NVME_CREATE_PC, page), NVME_SC_INVALID_QUEUE_ID);
	assert_int_equal(create(op, 2 | 15 << 16, NVME_CREATE_PC | 5 << 16, page), NVME_SC_INVALID_QUEUE_ID);
	assert_int_equal(create(op, 2 | 15 << 16, NVME_CREATE_PC | 3 << 16, page), NVME_SC_CQ_INVALID);
	assert_int_equal(create(op, 2 | 15 << 16, pc, page + 4), NVME_SC_INVALID_PRP_OFFSET);
	assert_int_equal(create(op, 2 | 15 << 16, pc, RIG_IOVA - 4096), NVME_SC_DATA_TRANSFER_ERROR);
	assert_int_equal(create(op, 2 | 63 << 16, pc, page), 0); /* two queues share one */
}

static void
entry_sizes_must_be_set(void **state)
{
	rig_write32(rig, NVME_REG_CC, NVME_CC_EN);
	assert_int_equal(create(NVME_ADMIN_CREATE_CQ, 2 | 15 << 16, NVME_CREATE_PC, page), NVME_SC_INVALID_FIELD);
}

static void
deletions_keep_their_order(void **state)
{
	assert_int_equal(create(NVME_ADMIN_DELETE_CQ, 1, 0, 0), NVME_SC_INVALID_QUEUE_DELETION);
	assert_int_equal(create(NVME_ADMIN_DELETE_CQ, 0, 0, 0), NVME_SC_INVALID_QUEUE_ID);
	assert_int_equal(create(NVME_ADMIN_DELETE_SQ, 0, 0, 0), NVME_SC_INVALID_QUEUE_ID);
	assert_int_equal(create(NVME_ADMIN_DELETE_SQ, 2, 0, 0), NVME_SC_INVALID_QUEUE_ID);
	assert_int_equal(create(NVME_ADMIN_DELETE_SQ, 0xffff, 0, 0), NVME_SC_INVALID_QUEUE_ID);
	assert_int_equal(create(NVME_ADMIN_DELETE_SQ, 1, 0, 0), 0);
	assert_int_equal(create(NVME_ADMIN_DELETE_SQ, 1, 0, 0), NVME_SC_INVALID_QUEUE_ID);
	assert_int_equal(create(NVME_ADMIN_DELETE_CQ, 1, 0, 0), 0);
	assert_int_equal(create(NVME_ADMIN_DELETE_CQ, 1, 0, 0), NVME_SC_INVALID_QUEUE_ID);
	rig_create_queue(rig, 1, 8); /* and they come again */
	assert_int_equal(rig_status(rig, 1, &flush), 0);
}

/* One request outstanding, one event of the error type with this information. */
static void
expect_error_event(uint8_t info)
{
	rig_poll(rig, 2);
	struct rig_result result = rig_take(rig, 0);
	assert_true(result.done);
	assert_int_equal(result.result, NVME_AER_ERROR | (uint32_t)info << 8 | NVME_LOG_ERROR << 16);
}

static void
submit_aer(void)
{
	struct nvme_sqe aer = {.opcode = NVME_ADMIN_ASYNC_EVENT};
	rig_submit(rig, 0, &aer);
	rig_poll(rig, 1);
}

static void
a_tail_outside_the_queue_is_an_event(void **state)
{
	submit_aer();
	*doorbell(1, 0) = 16;
	expect_error_event(NVME_AER_INVALID_DOORBELL_VALUE);
	struct nvme_model_stats stats;
	*doorbell(1, 0) = 0xffffffff;
	rig_poll(rig, 5);
	nvme_model_stats_get(rig->model, &stats);
	assert_int_equal(stats.bad_doorbell_cnt, 2);
	assert_int_equal(stats.io_cnt, 0);
	*doorbell(1, 0) = 0;
	assert_int_equal(rig_status(rig, 1, &flush), 0);
}

static void
a_head_beyond_the_tail_is_an_event(void **state)
{
	for (uint32_t i = 0; i < 15; i++)
		rig_submit(rig, 1, &flush);
	rig_poll(rig, 1); /* the completion queue is full now */
	submit_aer();
	*doorbell(1, 1) = 15; /* right: all are consumed */
	rig->queue[1].head = 15;
	rig_submit(rig, 1, &flush);
	rig_poll(rig, 1);
	*doorbell(1, 1) = 3; /* only one more was posted, at 15 */
	for (uint32_t i = 0; i < 15; i++)
		rig_submit(rig, 1, &flush);
	rig_poll(rig, 1);
	expect_error_event(NVME_AER_INVALID_DOORBELL_VALUE);
	*doorbell(1, 1) = 99;
	rig_poll(rig, 1);
}

static void
doorbells_of_missing_queues_are_events(void **state)
{
	submit_aer();
	*doorbell(3, 0) = 1;
	rig_poll(rig, 256 * 2 * (RIG_QUEUES + 1) + 512);
	expect_error_event(NVME_AER_INVALID_DOORBELL_REG);
	assert_int_equal(*doorbell(3, 0), 0);
}

static void
a_full_completion_queue_stops_fetching(void **state)
{
	struct nvme_model_stats stats;

	/* A submission queue larger than its completion queue. */
	rig->queue[2] =
	        (struct rig_queue){.entries = 32, .phase = 1, .sq_iova = page, .cq_iova = rig->queue[1].cq_iova};
	assert_int_equal(create(NVME_ADMIN_CREATE_SQ, 2 | 31 << 16, NVME_CREATE_PC | 1 << 16, page), 0);
	for (uint32_t i = 0; i < 20; i++)
		rig_submit(rig, 2, &flush);
	rig_poll(rig, 10);
	nvme_model_stats_get(rig->model, &stats);
	assert_int_equal(stats.io_cnt, 15);
	for (uint32_t i = 0; i < 20; i++) {
		struct rig_result result = rig_take(rig, 1);
		assert_true(result.done);
		assert_int_equal(result.sq_id, 2);
		rig_poll(rig, 1);
	}
	assert_false(rig_take(rig, 1).done);
}

/* Many laps over queues of odd and even sizes: identifiers, phases and heads stay right. */
static void
queues_of_every_size_wrap(void **state)
{
	for (uint32_t entries = 2; entries <= 33; entries++) {
		rig->arena_used = 65536;
		assert_int_equal(create(NVME_ADMIN_DELETE_SQ, 1, 0, 0), 0);
		assert_int_equal(create(NVME_ADMIN_DELETE_CQ, 1, 0, 0), 0);
		rig_create_queue(rig, 1, entries);
		for (uint32_t round = 0; round < 3 * entries; round++) {
			uint32_t cnt = 1 + round % (entries - 1);
			uint16_t first = rig->cid;
			for (uint32_t i = 0; i < cnt; i++)
				rig_submit(rig, 1, &flush);
			rig_poll(rig, 2);
			for (uint32_t i = 0; i < cnt; i++) {
				struct rig_result result = rig_take(rig, 1);
				assert_true(result.done);
				assert_int_equal(result.cid, (uint16_t)(first + i));
				assert_int_equal(result.status, 0);
			}
			assert_false(rig_take(rig, 1).done);
		}
	}
}

static void
all_queues_are_served(void **state)
{
	for (uint16_t qid = 2; qid <= RIG_QUEUES; qid++)
		rig_create_queue(rig, qid, 64);
	for (uint16_t qid = 1; qid <= RIG_QUEUES; qid++) {
		for (uint32_t i = 0; i < 15; i++)
			rig_submit(rig, qid, &flush);
	}
	rig_poll(rig, 1);
	for (uint16_t qid = 1; qid <= RIG_QUEUES; qid++) {
		for (uint32_t i = 0; i < 15; i++)
			assert_int_equal(rig_take(rig, qid).sq_id, qid);
	}
}

static void
doorbell_buffers_must_be_pages_of_the_client(void **state)
{
	struct nvme_sqe sqe = {.opcode = NVME_ADMIN_DOORBELL_BUFFER_CONFIG, .prp1 = page, .prp2 = page + 4096};

	sqe.prp1 = page + 8;
	assert_int_equal(rig_status(rig, 0, &sqe), NVME_SC_INVALID_FIELD);
	sqe.prp1 = page;
	sqe.prp2 = page + 2048;
	assert_int_equal(rig_status(rig, 0, &sqe), NVME_SC_INVALID_FIELD);
	sqe.prp2 = 0x4000;
	assert_int_equal(rig_status(rig, 0, &sqe), NVME_SC_DATA_TRANSFER_ERROR);
}

static void
shadow_doorbells_replace_the_registers(void **state)
{
	struct nvme_sqe sqe = {.opcode = NVME_ADMIN_DOORBELL_BUFFER_CONFIG, .prp1 = page, .prp2 = page + 4096};
	uint32_t *shadow = rig_at(rig, page), *event_idx = rig_at(rig, page + 4096);

	assert_int_equal(rig_status(rig, 1, &flush), 0); /* before: the register counts */
	assert_int_equal(rig_status(rig, 0, &sqe), 0);
	assert_int_equal(shadow[2 * 16], 1);
	assert_int_equal(event_idx[2 * 16], 0); /* the specification's rule never asks for the register at 1 -> 2 */
	rig_submit(rig, 1, &flush);
	rig_poll(rig, 2);
	assert_false(rig_peek(rig, 1).done);
	shadow[2 * 16] = 2;
	rig_poll(rig, 1);
	assert_true(rig_take(rig, 1).done);
	rig_create_queue(rig, 2, 8); /* a queue made later has its shadow at once; the admin queue has none */
	rig_submit(rig, 2, &flush);
	shadow[4 * 16] = 1;
	rig_poll(rig, 1);
	assert_true(rig_take(rig, 2).done);
	nvme_model_dma_unmap(rig->model, page, 4096);
	shadow[4 * 16] = 7;
	rig_poll(rig, 3);
	assert_false(rig_peek(rig, 2).done);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	        TEST(bad_completion_queues_are_refused),
	        TEST(bad_submission_queues_are_refused),
	        TEST(entry_sizes_must_be_set),
	        TEST(deletions_keep_their_order),
	        TEST(a_tail_outside_the_queue_is_an_event),
	        TEST(a_head_beyond_the_tail_is_an_event),
	        TEST(doorbells_of_missing_queues_are_events),
	        TEST(a_full_completion_queue_stops_fetching),
	        TEST(queues_of_every_size_wrap),
	        TEST(all_queues_are_served),
	        TEST(doorbell_buffers_must_be_pages_of_the_client),
	        TEST(shadow_doorbells_replace_the_registers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
