/* SPDX-License-Identifier: Apache-2.0 */
/* Identify, log pages, features, abort, asynchronous events: NVMe Base 2.0, chapter 5. */
#include "nvme_rig.h"

static struct rig *rig;
static uint64_t page;

static int
set_up(void **state)
{
	rig = rig_new(NULL);
	rig_start(rig);
	page = rig_alloc(rig, 4096);
	return 0;
}

static int
tear_down(void **state)
{
	rig_free(rig);
	return 0;
}

static struct rig_result
admin(uint8_t opcode, uint32_t nsid, uint32_t cdw10, uint32_t cdw11)
{
	struct nvme_sqe sqe = rig_admin(opcode, nsid, page, cdw10, cdw11);
	return rig_run(rig, 0, &sqe);
}

static uint16_t
identify(uint32_t cns, uint32_t nsid)
{
	memset(rig_at(rig, page), 0xaa, 4096);
	return admin(NVME_ADMIN_IDENTIFY, nsid, cns, 0).status;
}

static uint16_t
set_feature(uint8_t feature, uint32_t value)
{
	return admin(NVME_ADMIN_SET_FEATURES, 0, feature, value).status;
}

static void
unsupported_commands_are_invalid(void **state)
{
	static const uint8_t known[] = {0, 1, 2, 4, 5, 6, 8, 9, 0xa, 0xc, 0x7c};
	for (uint32_t opcode = 0; opcode < 256; opcode++) {
		if (memchr(known, (int)opcode, sizeof(known)))
			continue;
		struct rig_result result = admin((uint8_t)opcode, 0, 0, 0);
		assert_int_equal(result.status, NVME_SC_INVALID_OPCODE);
		assert_true(result.no_retry);
	}
}

static void
identify_refuses_what_it_does_not_have(void **state)
{
	assert_int_equal(identify(NVME_CNS_NAMESPACE, 0), NVME_SC_INVALID_NAMESPACE);
	assert_int_equal(identify(NVME_CNS_NAMESPACE, 3), NVME_SC_INVALID_NAMESPACE);
	assert_int_equal(identify(NVME_CNS_NAMESPACE, NVME_NSID_ALL), NVME_SC_INVALID_NAMESPACE);
	assert_int_equal(identify(NVME_CNS_NS_ID_DESCRIPTORS, 3), NVME_SC_INVALID_NAMESPACE);
	assert_int_equal(identify(NVME_CNS_ACTIVE_NS_LIST, 0xfffffffe), NVME_SC_INVALID_NAMESPACE);
	assert_int_equal(identify(NVME_CNS_ACTIVE_NS_LIST, 0xffffffff), NVME_SC_INVALID_NAMESPACE);
	for (uint32_t cns = 4; cns < 256; cns++)
		assert_int_equal(identify(cns, 1), NVME_SC_INVALID_FIELD);
	page += 2048;
	struct nvme_sqe sqe = rig_admin(NVME_ADMIN_IDENTIFY, 0, page, NVME_CNS_CONTROLLER, 0);
	assert_int_equal(rig_status(rig, 0, &sqe), NVME_SC_DATA_TRANSFER_ERROR); /* PRP2 is 0: not granted */
}

static void
identify_controller_tells_what_there_is(void **state)
{
	struct nvme_identify_controller id;

	assert_int_equal(identify(NVME_CNS_CONTROLLER, 0), 0);
	memcpy(&id, rig_at(rig, page), sizeof(id));
	assert_int_equal(id.ver, 0x20000);
	assert_int_equal(id.nn, 2);
	assert_int_equal(id.mdts, 5);
	assert_int_equal(id.sqes, 0x66);
	assert_int_equal(id.cqes, 0x44);
	assert_int_equal(id.aerl, 3);
	assert_int_equal(id.elpe, 63);
	assert_int_equal(id.cntrltype, NVME_CNTRLTYPE_IO);
	assert_int_equal(id.oncs, NVME_ONCS_COMPARE | NVME_ONCS_DSM | NVME_ONCS_WRITE_ZEROES | NVME_ONCS_SAVE_SELECT);
	assert_int_equal(id.oacs, NVME_OACS_DOORBELL_BUFFER);
	assert_int_equal(id.sgls, 0);
	assert_int_equal(id.fuses, 0);
	assert_int_equal(id.vwc, 7);
	assert_memory_equal(id.sn, "BULKHEAD            ", 20);
	assert_memory_equal(id.subnqn, "nqn.", 4);
}

static void
identify_namespace_tells_its_size(void **state)
{
	struct nvme_identify_namespace id;

	assert_int_equal(identify(NVME_CNS_NAMESPACE, 2), 0);
	memcpy(&id, rig_at(rig, page), sizeof(id));
	assert_int_equal(id.nsze, RIG_DISK_BYTES / 2 / 512);
	assert_int_equal(id.ncap, id.nsze);
	assert_int_equal(id.nlbaf, 0);
	assert_int_equal(id.flbas, 0);
	assert_int_equal(id.lbaf[0].lbads, 9);
	assert_int_equal(id.lbaf[0].ms, 0);
	assert_int_equal(id.dlfeat & NVME_DLFEAT_READ_MASK, NVME_DLFEAT_READ_ZEROES);
}

static void
namespace_lists_start_above_the_given_one(void **state)
{
	uint32_t *list = rig_at(rig, page);

	assert_int_equal(identify(NVME_CNS_ACTIVE_NS_LIST, 0), 0);
	assert_true(list[0] == 1 && list[1] == 2 && list[2] == 0);
	assert_int_equal(identify(NVME_CNS_ACTIVE_NS_LIST, 1), 0);
	assert_true(list[0] == 2 && list[1] == 0);
	assert_int_equal(identify(NVME_CNS_ACTIVE_NS_LIST, 2), 0);
	assert_int_equal(list[0], 0);
}

static void
descriptors_end_with_a_zero_length(void **state)
{
	const uint8_t *at = rig_at(rig, page);
	uint32_t types = 0;

	assert_int_equal(identify(NVME_CNS_NS_ID_DESCRIPTORS, 1), 0);
	for (; at[1] != 0; at += 4 + at[1])
		types |= 1u << at[0];
	assert_int_equal(types, 1u << NVME_NIDT_NGUID | 1u << NVME_NIDT_UUID | 1u << NVME_NIDT_CSI);
}

static uint16_t
log_page(uint32_t lid, uint32_t nsid, uint64_t dwords, uint64_t offset)
{
	struct nvme_sqe sqe = rig_admin(NVME_ADMIN_GET_LOG_PAGE, nsid, page,
	                                lid | (uint32_t)((dwords - 1) & 0xffff) << 16, (uint32_t)((dwords - 1) >> 16));
	sqe.cdw12 = (uint32_t)offset;
	sqe.cdw13 = (uint32_t)(offset >> 32);
	memset(rig_at(rig, page), 0xaa, 4096);
	return rig_status(rig, 0, &sqe);
}

static void
bad_log_requests_are_refused(void **state)
{
	assert_int_equal(log_page(6, 0, 1, 0), NVME_SC_INVALID_LOG_PAGE);
	assert_int_equal(log_page(0xff, 0, 1, 0), NVME_SC_INVALID_LOG_PAGE);
	assert_int_equal(log_page(NVME_LOG_ERROR, 0, 1, 2), NVME_SC_INVALID_FIELD);
	assert_int_equal(log_page(NVME_LOG_ERROR, 0, 1, 4096), NVME_SC_INVALID_FIELD);
	assert_int_equal(log_page(NVME_LOG_ERROR, 0, 1, UINT64_MAX - 3), NVME_SC_INVALID_FIELD);
	assert_int_equal(log_page(NVME_LOG_ERROR, 0, 32769, 0), NVME_SC_INVALID_FIELD); /* above MDTS */
	assert_int_equal(log_page(NVME_LOG_ERROR, 0, UINT64_C(1) << 32, 0), NVME_SC_INVALID_FIELD);
	assert_int_equal(log_page(NVME_LOG_HEALTH, 1, 128, 0), NVME_SC_INVALID_FIELD); /* not per namespace */
}

static void
log_pages_obey_offset_and_length(void **state)
{
	uint32_t *at = rig_at(rig, page);

	assert_int_equal(log_page(NVME_LOG_FIRMWARE_SLOT, 0, 128, 0), 0);
	assert_memory_equal((char *)at + 8, "1.0     ", 8);
	assert_int_equal(log_page(NVME_LOG_FIRMWARE_SLOT, 0, 2, 8), 0);
	assert_memory_equal(at, "1.0     ", 8);
	assert_int_equal(at[2], 0xaaaaaaaa); /* not a byte more */
	assert_int_equal(log_page(NVME_LOG_EFFECTS, 0, 1024, 0), 0);
	assert_int_equal(at[NVME_ADMIN_IDENTIFY], NVME_EFFECTS_SUPPORTED);
	assert_int_equal(at[256 + NVME_NVM_WRITE], NVME_EFFECTS_SUPPORTED | NVME_EFFECTS_CHANGES_DATA);
	assert_int_equal(at[NVME_ADMIN_FORMAT_NVM], 0);
	assert_int_equal(log_page(NVME_LOG_CHANGED_NS, 0, 1024, 0), 0);
	assert_int_equal(at[0], 0);
}

static void
health_counts_what_happened(void **state)
{
	struct nvme_health_log log;
	uint64_t buffer = rig_alloc(rig, 4096), errors;
	struct nvme_sqe read = rig_rw(NVME_NVM_READ, 0, 8, buffer, 0), bad = rig_rw(NVME_NVM_READ, ~0ull, 8, buffer, 0);

	for (int i = 0; i < 251; i++) /* 2008 blocks of 512 bytes: 3 units, rounded up */
		assert_int_equal(rig_status(rig, 1, &read), 0);
	rig_run(rig, 1, &bad);
	assert_int_equal(log_page(NVME_LOG_HEALTH, NVME_NSID_ALL, 128, 0), 0);
	memcpy(&log, rig_at(rig, page), sizeof(log));
	assert_int_equal(log.critical_warning, 0);
	assert_int_equal(log.data_units_read[0], 3);
	assert_int_equal(log.host_reads[0], 251);
	assert_int_equal(log.host_writes[0], 0);
	memcpy(&errors, log.error_log_entries, sizeof(errors));
	assert_int_equal(errors, 1);
	assert_int_equal(log.available_spare_percent, 100);
}

static void
bad_features_are_refused(void **state)
{
	assert_int_equal(set_feature(0, 0), NVME_SC_INVALID_FIELD);
	assert_int_equal(set_feature(NVME_FEATURE_KEEP_ALIVE, 0), NVME_SC_INVALID_FIELD);
	assert_int_equal(set_feature(NVME_FEATURE_POWER, 1), NVME_SC_INVALID_FIELD);
	assert_int_equal(set_feature(NVME_FEATURE_QUEUE_CNT, 0xffff), NVME_SC_INVALID_FIELD);
	assert_int_equal(set_feature(NVME_FEATURE_QUEUE_CNT, 0), NVME_SC_SEQUENCE_ERROR);           /* a queue exists */
	assert_int_equal(set_feature(NVME_FEATURE_TEMP_THRESHOLD, 1 << 16), NVME_SC_INVALID_FIELD); /* no such sensor */
	assert_int_equal(set_feature(NVME_FEATURE_INTERRUPT_VECTOR, RIG_VECTORS), NVME_SC_INVALID_FIELD);
	struct rig_result saved = admin(NVME_ADMIN_SET_FEATURES, 0, NVME_FEATURE_SAVE | NVME_FEATURE_ARBITRATION, 0);
	assert_int_equal(saved.status, NVME_SC_FEATURE_NOT_SAVEABLE);
	assert_int_equal(admin(NVME_ADMIN_GET_FEATURES, 0, NVME_FEATURE_ARBITRATION | 4 << 8, 0).status,
	                 NVME_SC_INVALID_FIELD);
	assert_int_equal(admin(NVME_ADMIN_GET_FEATURES, 0, NVME_FEATURE_TIMESTAMP, 0).status, NVME_SC_INVALID_FIELD);
}

static void
features_have_defaults_and_values(void **state)
{
	assert_int_equal(admin(NVME_ADMIN_GET_FEATURES, 0, NVME_FEATURE_VOLATILE_WRITE_CACHE, 0).result, 1);
	assert_int_equal(set_feature(NVME_FEATURE_VOLATILE_WRITE_CACHE, 0), 0);
	assert_int_equal(admin(NVME_ADMIN_GET_FEATURES, 0, NVME_FEATURE_VOLATILE_WRITE_CACHE, 0).result, 0);
	assert_int_equal(
	        admin(NVME_ADMIN_GET_FEATURES, 0, NVME_FEATURE_VOLATILE_WRITE_CACHE | NVME_FEATURE_SEL_DEFAULT << 8, 0)
	                .result,
	        1);
	assert_int_equal(
	        admin(NVME_ADMIN_GET_FEATURES, 0, NVME_FEATURE_ARBITRATION | NVME_FEATURE_SEL_SUPPORTED << 8, 0).result,
	        4);
	rig_write32(rig, NVME_REG_CC, 0);
	rig_poll(rig, 1);
	rig_enable(rig);
	rig_poll(rig, 1);
	assert_int_equal(admin(NVME_ADMIN_GET_FEATURES, 0, NVME_FEATURE_VOLATILE_WRITE_CACHE, 0).result, 1); /* reset */
}

static void
queues_are_granted_in_pairs(void **state)
{
	rig_write32(rig, NVME_REG_CC, 0);
	rig_poll(rig, 1);
	rig_enable(rig);
	rig_poll(rig, 1);
	assert_int_equal(admin(NVME_ADMIN_SET_FEATURES, 0, NVME_FEATURE_QUEUE_CNT, 99 | 99 << 16).result, 3 | 3 << 16);
	assert_int_equal(admin(NVME_ADMIN_SET_FEATURES, 0, NVME_FEATURE_QUEUE_CNT, 1 | 1 << 16).result, 1 | 1 << 16);
	uint64_t queue = rig_alloc(rig, 4096);
	struct nvme_sqe cq = rig_admin(NVME_ADMIN_CREATE_CQ, 0, queue, 3 | 7 << 16, NVME_CREATE_PC);
	assert_int_equal(rig_status(rig, 0, &cq), NVME_SC_INVALID_QUEUE_ID); /* beyond what was granted */
}

static void
requests_above_the_limit_fail(void **state)
{
	struct nvme_sqe aer = {.opcode = NVME_ADMIN_ASYNC_EVENT};

	for (int i = 0; i < 4; i++)
		rig_submit(rig, 0, &aer);
	rig_poll(rig, 1);
	assert_false(rig_peek(rig, 0).done);
	assert_int_equal(rig_status(rig, 0, &aer), NVME_SC_AER_LIMIT);
}

static void
an_event_is_masked_until_its_page_is_read(void **state)
{
	struct nvme_sqe aer = {.opcode = NVME_ADMIN_ASYNC_EVENT};

	assert_int_equal(set_feature(NVME_FEATURE_TEMP_THRESHOLD, 200), 0); /* no event: not asked for */
	assert_int_equal(set_feature(NVME_FEATURE_ASYNC_EVENT, NVME_HEALTH_TEMPERATURE), 0);
	rig_submit(rig, 0, &aer);
	rig_submit(rig, 0, &aer);
	rig_poll(rig, 1);
	assert_false(rig_peek(rig, 0).done);
	assert_int_equal(set_feature(NVME_FEATURE_TEMP_THRESHOLD, 201), 0);
	rig_poll(rig, 1);
	assert_int_equal(rig_take(rig, 0).result, NVME_AER_HEALTH | NVME_AER_TEMPERATURE << 8 | NVME_LOG_HEALTH << 16);
	assert_int_equal(set_feature(NVME_FEATURE_TEMP_THRESHOLD, 202), 0);
	rig_poll(rig, 2);
	assert_false(rig_peek(rig, 0).done);
	assert_int_equal(log_page(NVME_LOG_HEALTH | NVME_LOG_RAE, 0, 128, 0), 0); /* retains it */
	rig_poll(rig, 2);
	assert_false(rig_peek(rig, 0).done);
	assert_int_equal(log_page(NVME_LOG_HEALTH, 0, 128, 0), 0);
	assert_int_equal(((uint8_t *)rig_at(rig, page))[0], NVME_HEALTH_TEMPERATURE);
	rig_poll(rig, 2);
	assert_true(rig_take(rig, 0).done);
}

static void
abort_of_what_is_not_there(void **state)
{
	struct rig_result result = admin(NVME_ADMIN_ABORT, 0, 1 | 0x1234u << 16, 0);
	assert_int_equal(result.status, 0);
	assert_int_equal(result.result, NVME_ABORT_RESULT_NOT_ABORTED);
	assert_int_equal(admin(NVME_ADMIN_ABORT, 0, 0xffff, 0).result, NVME_ABORT_RESULT_NOT_ABORTED);
}

static void
abort_ends_an_event_request(void **state)
{
	struct nvme_sqe aer = {.opcode = NVME_ADMIN_ASYNC_EVENT};
	uint16_t cid = rig_submit(rig, 0, &aer);
	struct nvme_sqe abort_it = rig_admin(NVME_ADMIN_ABORT, 0, 0, (uint32_t)cid << 16, 0);

	rig_poll(rig, 1);
	rig_submit(rig, 0, &abort_it);
	rig_poll(rig, 1);
	struct rig_result aborted = rig_take(rig, 0), result = rig_take(rig, 0);
	assert_int_equal(aborted.cid, cid);
	assert_int_equal(aborted.status, NVME_SC_ABORT_REQUESTED);
	assert_true(result.done);
	assert_int_equal(result.result, 0);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	        TEST(unsupported_commands_are_invalid),
	        TEST(identify_refuses_what_it_does_not_have),
	        TEST(identify_controller_tells_what_there_is),
	        TEST(identify_namespace_tells_its_size),
	        TEST(namespace_lists_start_above_the_given_one),
	        TEST(descriptors_end_with_a_zero_length),
	        TEST(bad_log_requests_are_refused),
	        TEST(log_pages_obey_offset_and_length),
	        TEST(health_counts_what_happened),
	        TEST(bad_features_are_refused),
	        TEST(features_have_defaults_and_values),
	        TEST(queues_are_granted_in_pairs),
	        TEST(requests_above_the_limit_fail),
	        TEST(an_event_is_masked_until_its_page_is_read),
	        TEST(abort_of_what_is_not_there),
	        TEST(abort_ends_an_event_request),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
