/* SPDX-License-Identifier: Apache-2.0 */
/* Registers and the controller's states: NVMe Base 2.0, 3.1.3, 3.5 and 3.6. */
#include "nvme_rig.h"

#define CC_ON (NVME_CC_EN | NVME_SET(NVME_CC_IOSQES, 6u) | NVME_SET(NVME_CC_IOCQES, 4u))

static void
bad_configurations_are_refused(void **state)
{
	struct nvme_model_config config = rig_config();

	config.size_bytes = 0;
	assert_non_null(nvme_model_config_error(&config));
	config = rig_config();
	config.block_bytes = 1024;
	assert_non_null(nvme_model_config_error(&config));
	config = rig_config();
	config.size_bytes = 4096 + 511;
	assert_non_null(nvme_model_config_error(&config));
	config = rig_config();
	config.io_queue_cnt = NVME_MODEL_IO_QUEUES_MAX; /* more doorbells than a shadow page holds */
	assert_non_null(nvme_model_config_error(&config));
	config = rig_config();
	config.queue_entries = 1;
	assert_non_null(nvme_model_config_error(&config));
	config = rig_config();
	config.timeout_units = 0;
	assert_non_null(nvme_model_config_error(&config));
	config = rig_config();
	assert_null(nvme_model_config_error(&config));
}

static void
a_model_needs_doorbells_and_a_medium(void **state)
{
	struct nvme_model_config config = rig_config();
	struct nvme_model_host host = {0};
	struct nvme_model_backing backing = {0};
	struct nvme_model *model;
	assert_int_equal(nvme_model_create(&config, &host, &backing, &model), -BH_EINVAL);
}

/* Each bad enabling ends in CSTS.CFS, never in RDY. */
static void
expect_fatal(struct rig *rig, uint32_t cc)
{
	rig_write32(rig, NVME_REG_CC, cc);
	rig_poll(rig, 3);
	assert_int_equal(rig_read32(rig, NVME_REG_CSTS) & (NVME_CSTS_RDY | NVME_CSTS_CFS), NVME_CSTS_CFS);
	assert_false(nvme_model_enabled(rig->model));
	rig_write32(rig, NVME_REG_CC, 0);
	rig_poll(rig, 1);
	assert_int_equal(rig_read32(rig, NVME_REG_CSTS), 0);
}

static void
enabling_with_bad_admin_queues_is_fatal(void **state)
{
	struct rig *rig = rig_new(NULL);
	uint64_t page = rig_alloc(rig, 8192);

	rig_write32(rig, NVME_REG_AQA, 0); /* one entry each */
	rig_write64(rig, NVME_REG_ASQ, page);
	rig_write64(rig, NVME_REG_ACQ, page + 4096);
	expect_fatal(rig, CC_ON);
	rig_write32(rig, NVME_REG_AQA, 15 | 15 << 16);
	rig_write64(rig, NVME_REG_ASQ, 0x5000); /* not granted */
	expect_fatal(rig, CC_ON);
	rig_write64(rig, NVME_REG_ASQ, page);
	rig_write64(rig, NVME_REG_ACQ, UINT64_MAX & ~UINT64_C(0xfff));
	expect_fatal(rig, CC_ON);
	rig_write64(rig, NVME_REG_ACQ, page + 4096);
	rig->readonly_iova = page + 4096;
	rig->readonly_bytes = 4096;
	expect_fatal(rig, CC_ON);
	rig->readonly_bytes = 0;
	expect_fatal(rig, CC_ON | NVME_SET(NVME_CC_MPS, 1u)); /* CAP.MPSMAX is 0 */
	expect_fatal(rig, CC_ON | NVME_SET(NVME_CC_CSS, 6u));
	expect_fatal(rig, CC_ON | NVME_SET(NVME_CC_AMS, 1u));
	rig_write32(rig, NVME_REG_CC, CC_ON);
	rig_poll(rig, 1);
	assert_int_equal(rig_read32(rig, NVME_REG_CSTS), NVME_CSTS_RDY);
	rig_free(rig);
}

static void
read_only_registers_ignore_writes(void **state)
{
	static const uint64_t offsets[] = {NVME_REG_CAP,  NVME_REG_CAP + 4, NVME_REG_VS,    NVME_REG_CSTS,
	                                   NVME_REG_NSSR, NVME_REG_CMBLOC,  NVME_REG_CMBSZ, NVME_REG_CRTO};
	struct rig *rig = rig_new(NULL);

	for (size_t i = 0; i < BH_ARRAY_CNT(offsets); i++) {
		uint32_t before = rig_read32(rig, offsets[i]);
		rig_write32(rig, offsets[i], 0xffffffff);
		assert_int_equal(rig_read32(rig, offsets[i]), before);
		rig_write32(rig, offsets[i], 0);
		assert_int_equal(rig_read32(rig, offsets[i]), before);
	}
	rig_free(rig);
}

static void
odd_accesses_do_nothing(void **state)
{
	struct rig *rig = rig_new(NULL);

	nvme_model_reg_write(rig->model, NVME_REG_AQA, 2, 0xf, 0);
	nvme_model_reg_write(rig->model, NVME_REG_AQA + 2, 4, 0xf, 0);
	nvme_model_reg_write(rig->model, NVME_REG_AQA, 3, 0xf, 0);
	nvme_model_reg_write(rig->model, UINT64_MAX - 3, 4, 0xf, 0);
	assert_int_equal(rig_read32(rig, NVME_REG_AQA), 0);
	assert_int_equal(nvme_model_reg_read(rig->model, UINT64_MAX - 3, 8, 0), 0);
	assert_int_equal(nvme_model_reg_read(rig->model, 0x800, 4, 0), 0);
	assert_int_equal(nvme_model_reg_read(rig->model, NVME_REG_VS, 0, 0), 0);
	assert_int_equal(nvme_model_reg_read(rig->model, NVME_REG_VS + 2, 2, 0), 2); /* the major number */
	rig_free(rig);
}

static void
registers_have_their_reset_values(void **state)
{
	struct rig *rig = rig_new(NULL);
	uint64_t cap = nvme_model_reg_read(rig->model, NVME_REG_CAP, 8, 0);

	assert_int_equal(NVME_GET(cap, NVME_CAP_MQES), 63);
	assert_int_equal(NVME_GET(cap, NVME_CAP_CQR), 1);
	assert_int_equal(NVME_GET(cap, NVME_CAP_TO), 4);
	assert_int_equal(NVME_GET(cap, NVME_CAP_DSTRD), 4);
	assert_int_equal(NVME_GET(cap, NVME_CAP_CSS), NVME_CAP_CSS_NVM);
	assert_int_equal(NVME_GET(cap, NVME_CAP_MPSMIN), 0);
	assert_int_equal(NVME_GET(cap, NVME_CAP_CMBS), 0);
	assert_int_equal(NVME_GET(cap, NVME_CAP_PMRS), 0);
	assert_int_equal(rig_read32(rig, NVME_REG_VS), 0x20000);
	for (uint64_t offset = NVME_REG_INTMS; offset < NVME_REG_CRTO; offset += 4)
		assert_int_equal(rig_read32(rig, offset), 0);
	rig_free(rig);
}

static void
admin_queue_registers_mask_and_hold(void **state)
{
	struct rig *rig = rig_new(NULL);

	rig_write32(rig, NVME_REG_AQA, 0xffffffff);
	assert_int_equal(rig_read32(rig, NVME_REG_AQA), 0x0fff0fff);
	rig_write64(rig, NVME_REG_ASQ, UINT64_C(0x123456789abcdfff));
	assert_int_equal(nvme_model_reg_read(rig->model, NVME_REG_ASQ, 8, 0), UINT64_C(0x123456789abcd000));
	rig_write32(rig, NVME_REG_ACQ + 4, 0x12);
	rig_write32(rig, NVME_REG_ACQ, 0x3fff);
	assert_int_equal(nvme_model_reg_read(rig->model, NVME_REG_ACQ, 8, 0), UINT64_C(0x1200003000));
	rig_start(rig);
	rig_write32(rig, NVME_REG_AQA, 0); /* ignored while enabled */
	assert_int_equal(rig_read32(rig, NVME_REG_AQA), 0x000f000f);
	rig_free(rig);
}

static void
ready_follows_enable_after_its_delay(void **state)
{
	struct nvme_model_config config = rig_config();
	config.ready_delay_ns = 5000000;
	struct rig *rig = rig_new(&config);

	rig_enable(rig);
	assert_int_equal(nvme_model_next_event_ns(rig->model), rig->now_ns + 5000000);
	rig_advance(rig, 4999999);
	assert_int_equal(rig_read32(rig, NVME_REG_CSTS), 0);
	rig_advance(rig, 1);
	assert_int_equal(rig_read32(rig, NVME_REG_CSTS), NVME_CSTS_RDY);
	assert_int_equal(nvme_model_next_event_ns(rig->model), UINT64_MAX);
	rig_write32(rig, NVME_REG_CC, 0);
	assert_int_equal(rig_read32(rig, NVME_REG_CSTS), NVME_CSTS_RDY);
	rig_write32(rig, NVME_REG_CC, CC_ON); /* too early: it is obeyed when RDY was 0 */
	rig_advance(rig, 5000000);
	assert_int_equal(rig_read32(rig, NVME_REG_CSTS), 0);
	rig_advance(rig, 5000000);
	assert_int_equal(rig_read32(rig, NVME_REG_CSTS), NVME_CSTS_RDY);
	rig_free(rig);
}

static void
shutdown_is_reported_and_ends_processing(void **state)
{
	struct nvme_model_config config = rig_config();
	config.ready_delay_ns = 1000;
	struct rig *rig = rig_new(&config);

	rig_enable(rig);
	rig_advance(rig, 1000);
	rig_write32(rig, NVME_REG_CC, CC_ON | NVME_SET(NVME_CC_SHN, NVME_CC_SHN_NORMAL));
	assert_int_equal(NVME_GET(rig_read32(rig, NVME_REG_CSTS), NVME_CSTS_SHST), NVME_CSTS_SHST_OCCURRING);
	rig_advance(rig, 1000);
	assert_int_equal(NVME_GET(rig_read32(rig, NVME_REG_CSTS), NVME_CSTS_SHST), NVME_CSTS_SHST_COMPLETE);
	assert_false(nvme_model_enabled(rig->model));
	rig_write32(rig, NVME_REG_CC, 0);
	rig_advance(rig, 1000);
	assert_int_equal(rig_read32(rig, NVME_REG_CSTS), 0);
	rig_free(rig);
}

static void
controller_reset_drops_queues_and_keeps_the_admin_registers(void **state)
{
	struct rig *rig = rig_new(NULL);

	rig_start(rig);
	rig_write32(rig, NVME_REG_CC, 0);
	rig_poll(rig, 1);
	assert_int_equal(rig_read32(rig, NVME_REG_AQA), 0x000f000f);
	for (uint32_t i = 0; i < nvme_model_doorbell_bytes(&rig->config) / 4; i++)
		assert_int_equal(rig->doorbells[i], 0);
	rig_start(rig); /* and everything works again */
	struct nvme_sqe flush = {.opcode = NVME_NVM_FLUSH, .nsid = 1};
	assert_int_equal(rig_status(rig, 1, &flush), 0);
	rig_free(rig);
}

static void
function_reset_restores_every_register(void **state)
{
	struct rig *rig = rig_new(NULL);

	rig_start(rig);
	rig_write32(rig, NVME_REG_INTMS, 0xff);
	nvme_model_reset(rig->model, rig->now_ns);
	for (uint64_t offset = NVME_REG_INTMS; offset < NVME_REG_CRTO; offset += 4)
		assert_int_equal(rig_read32(rig, offset), 0);
	rig_start(rig);
	rig_free(rig);
}

static void
interrupts_obey_mask_and_vector(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct nvme_sqe flush = {.opcode = NVME_NVM_FLUSH, .nsid = 1};

	rig_start(rig);
	uint32_t admin_cnt = rig->irq_cnt[0];
	assert_true(admin_cnt > 0);
	rig_write32(rig, NVME_REG_INTMS, 1u << 1);
	assert_int_equal(rig_read32(rig, NVME_REG_INTMC), 1u << 1);
	rig_run(rig, 1, &flush);
	assert_int_equal(rig->irq_cnt[1], 0);
	rig_write32(rig, NVME_REG_INTMC, 1u << 1);
	rig_run(rig, 1, &flush);
	assert_int_equal(rig->irq_cnt[1], 1);
	assert_int_equal(rig->irq_cnt[0], admin_cnt);
	rig_free(rig);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(bad_configurations_are_refused),
	        cmocka_unit_test(a_model_needs_doorbells_and_a_medium),
	        cmocka_unit_test(enabling_with_bad_admin_queues_is_fatal),
	        cmocka_unit_test(read_only_registers_ignore_writes),
	        cmocka_unit_test(odd_accesses_do_nothing),
	        cmocka_unit_test(registers_have_their_reset_values),
	        cmocka_unit_test(admin_queue_registers_mask_and_hold),
	        cmocka_unit_test(ready_follows_enable_after_its_delay),
	        cmocka_unit_test(shutdown_is_reported_and_ends_processing),
	        cmocka_unit_test(controller_reset_drops_queues_and_keeps_the_admin_registers),
	        cmocka_unit_test(function_reset_restores_every_register),
	        cmocka_unit_test(interrupts_obey_mask_and_vector),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
