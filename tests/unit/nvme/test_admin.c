/* SPDX-License-Identifier: Apache-2.0 */
/* Admin commands of an application: refused ones, log pages, features; and asynchronous events. */
#include "fake.h"

FIBER_TEST(test_refused)
{
	static const uint8_t not_allowed[] = {0x00, 0x01, 0x04, 0x05, 0x08, 0x0c, 0x0d, 0x7c, 0x80, 0x84};
	struct rig rig;
	uint8_t data[8192];
	rig_open(&rig, NULL, 4);
	uint32_t sent_cnt = fake.log_cnt;
	for (size_t i = 0; i < BH_ARRAY_CNT(not_allowed); i++) {
		struct nvme_sqe cmd = {.opcode = not_allowed[i]};
		assert_int_equal(bh_nvme_admin(rig.ctrl, &cmd, NULL, 0, NULL, NULL), -BH_EINVAL);
	}
	struct nvme_sqe cmd = {.opcode = 0x06};
	assert_int_equal(bh_nvme_admin(rig.ctrl, &cmd, data, 8192, NULL, NULL), -BH_EINVAL);
	assert_int_equal(bh_nvme_admin(rig.ctrl, &cmd, data, 6, NULL, NULL), -BH_EINVAL);
	assert_int_equal(bh_nvme_admin(rig.ctrl, &cmd, NULL, 4, NULL, NULL), -BH_EINVAL);
	assert_int_equal(bh_nvme_log_page(rig.ctrl, 2, 0, 2, data, 512), -BH_EINVAL);
	assert_int_equal(bh_nvme_log_page(rig.ctrl, 2, 0, 0, data, 0), -BH_EINVAL);
	assert_int_equal(bh_nvme_log_page(rig.ctrl, 2, 0, 0, NULL, 512), -BH_EINVAL);
	assert_int_equal(bh_nvme_error_log(rig.ctrl, (struct nvme_error_entry *)(void *)data, 65), -BH_EINVAL);
	assert_int_equal(bh_nvme_feature_set(rig.ctrl, 0x07, 0, 0), -BH_EINVAL);
	assert_int_equal(bh_nvme_feature_set(rig.ctrl, 0x0b, 0, 0), -BH_EINVAL);
	assert_int_equal(fake.log_cnt, sent_cnt);
	rig_close(&rig);
}

FIBER_TEST(test_status_is_told)
{
	struct rig rig;
	struct nvme_sqe cmd = {.opcode = 0xc0};
	uint16_t status = 0;
	rig_open(&rig, NULL, 4);
	assert_int_equal(bh_nvme_admin(rig.ctrl, &cmd, NULL, 0, NULL, &status), -BH_EIO);
	assert_int_equal(status, NVME_SC_INVALID_OPCODE);
	uint8_t data[16];
	assert_int_equal(bh_nvme_log_page(rig.ctrl, 0x70, 0, 0, data, 16), -BH_EIO);
	rig_close(&rig);
}

FIBER_TEST(test_log_pages)
{
	struct rig rig;
	struct nvme_health_log health;
	struct nvme_error_entry entries[64];
	rig_open(&rig, NULL, 4);
	for (uint32_t i = 0; i < NVME_IDENTIFY_BYTES; i++) {
		fake.log_page[1][i] = (uint8_t)(i * 3);
		fake.log_page[2][i] = (uint8_t)(i * 5);
	}
	assert_int_equal(bh_nvme_health_log(rig.ctrl, &health), 0);
	assert_memory_equal(&health, fake.log_page[2], 512);
	const struct nvme_sqe *cmd = fake_sent(0, 0x02, 0);
	assert_int_equal(cmd->nsid, 0xffffffff);
	assert_int_equal(cmd->cdw10, 0x007f0002);
	assert_int_equal(bh_nvme_error_log(rig.ctrl, entries, 64), 0);
	assert_memory_equal(entries, fake.log_page[1], 4096);
	assert_int_equal(bh_nvme_error_log(rig.ctrl, entries, 1), 0);
	uint8_t part[8];
	assert_int_equal(bh_nvme_log_page(rig.ctrl, 2, 1, 100, part, 8), 0);
	assert_memory_equal(part, fake.log_page[2] + 100, 8);
	rig_close(&rig);
}

FIBER_TEST(test_features)
{
	struct rig rig;
	uint32_t value;
	rig_open(&rig, NULL, 4);
	assert_int_equal(bh_nvme_feature_set(rig.ctrl, NVME_FEATURE_VOLATILE_WRITE_CACHE, 0, 1), 0);
	assert_int_equal(fake.feature[6], 1);
	assert_int_equal(bh_nvme_feature_get(rig.ctrl, NVME_FEATURE_VOLATILE_WRITE_CACHE, 0, &value), 0);
	assert_int_equal(value, 1);
	fake.admin_fail_status[0x0a] = 0x002;
	assert_int_equal(bh_nvme_feature_get(rig.ctrl, 0x33, 0, &value), -BH_EIO);
	rig_close(&rig);
}

static void
passes(int cnt)
{
	while (cnt--)
		bh_yield();
}

FIBER_TEST(test_events_stay_outstanding)
{
	struct rig rig;
	rig_open(&rig, NULL, 4);
	for (int i = 0; i < 20; i++) {
		fake_event(NVME_AER_VENDOR, 1, 0);
		passes(20);
		assert_int_equal(fake.aer_cnt, 4);
		assert_int_equal(fake_counter("async_event"), i + 1);
	}
	rig_close(&rig);
}

FIBER_TEST(test_event_log_page_is_read)
{
	struct rig rig;
	rig_open(&rig, NULL, 4);
	fake.log_page[1][0] = 1; /* an error entry in use */
	fake_event(NVME_AER_ERROR, NVME_AER_INVALID_DOORBELL_VALUE, NVME_LOG_ERROR);
	fake_event(NVME_AER_HEALTH, NVME_AER_TEMPERATURE, NVME_LOG_HEALTH);
	passes(200);
	assert_int_equal(fake_sent_cnt(0, 0x02), 2);
	assert_int_equal(fake_sent(0, 0x02, 0)->cdw10 & 0x80ff, 1); /* RAE clear: the event is armed again */
	assert_int_equal(fake_sent(0, 0x02, 1)->cdw10 & 0x80ff, 2);
	assert_int_equal(fake.aer_cnt, 4);
	rig_close(&rig);
}

FIBER_TEST(test_event_with_foreign_page)
{
	struct rig rig;
	rig_open(&rig, NULL, 4);
	fake_event(7, 0xff, 0xff);
	fake_event(2, 0xff, 31);
	passes(200);
	assert_int_equal(fake_sent_cnt(0, 0x02), 0);
	assert_int_equal(fake_counter("async_event"), 2);
	rig_close(&rig);
}

FIBER_TEST(test_event_request_refused)
{
	struct rig rig;
	struct nvme_health_log log;
	fake.admin_fail_status[0x0c] = 0x105;
	fake.id.aerl = 0;
	rig_open(&rig, NULL, 4);
	passes(200);
	assert_int_equal(bh_nvme_health_log(rig.ctrl, &log), 0);
	rig_close(&rig);
}

FIBER_TEST(test_namespace_changes)
{
	struct rig rig;
	const struct bh_nvme_ns *ns;
	fake.ns_cnt = 2;
	rig_open(&rig, NULL, 4);
	assert_int_equal(fake.feature[0x0b] & 0x100, 0x100); /* the notice was asked for */
	assert_int_equal(bh_nvme_ns_find(rig.ctrl, 2, &ns), 0);

	fake.ns[1].nsze = 100;
	fake.log_page[4][0] = 2;
	fake_event(NVME_AER_NOTICE, NVME_AER_NS_ATTR_CHANGED, NVME_LOG_CHANGED_NS);
	passes(200);
	assert_int_equal(ns->lba_cnt, 100);
	assert_int_equal(rig.ns->lba_cnt, FAKE_DISK_BYTES / 512);

	/* Another block size under a running program is refused; so is a namespace that vanished. */
	fake.ns[0].lbaf[0].lbads = 12;
	fake.ns[1].nsze = 0;
	memset(fake.log_page[4], 0xff, 4);
	fake_event(NVME_AER_NOTICE, NVME_AER_NS_ATTR_CHANGED, NVME_LOG_CHANGED_NS);
	passes(200);
	assert_int_equal(bh_nvme_ns_find(rig.ctrl, 1, &ns), -BH_EOPNOTSUPP);
	assert_int_equal(bh_nvme_ns_find(rig.ctrl, 2, &ns), -BH_ENOSPC);
	rig_close(&rig);
}

FIBER_TEST(test_health_events_asked_for)
{
	struct rig rig;
	rig_open(&rig, NULL, 4);
	assert_int_equal(fake.feature[0x0b] & 0xff, 0x1f);
	rig_close(&rig);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        UNIT(test_refused),
	        UNIT(test_status_is_told),
	        UNIT(test_log_pages),
	        UNIT(test_features),
	        UNIT(test_events_stay_outstanding),
	        UNIT(test_event_log_page_is_read),
	        UNIT(test_event_with_foreign_page),
	        UNIT(test_event_request_refused),
	        UNIT(test_namespace_changes),
	        UNIT(test_health_events_asked_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
