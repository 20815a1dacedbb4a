/* SPDX-License-Identifier: Apache-2.0 */
/* Bring-up: every error that bh_nvme_open documents, then what a good controller is told and asked. */
#include "fake.h"

static int
open_default(struct bh_nvme **out_ctrl)
{
	return bh_nvme_open("nvme0", NULL, out_ctrl);
}

FIBER_TEST(test_no_such_device)
{
	struct bh_nvme *ctrl;
	assert_int_equal(bh_nvme_open("nvme1", NULL, &ctrl), -BH_ENOENT);
}

FIBER_TEST(test_not_nvme)
{
	struct bh_nvme *ctrl;
	struct bh_device device;
	assert_int_equal(bh_device_find("nvme0", &device), 0);
	((struct bh_boot_device *)(uintptr_t)device.info)->pci_class = 0x020000;
	assert_int_equal(open_default(&ctrl), -BH_EOPNOTSUPP);
}

FIBER_TEST(test_gone)
{
	struct bh_nvme *ctrl;
	fake.gone = true;
	assert_int_equal(open_default(&ctrl), -BH_ENODEV);
}

FIBER_TEST(test_register_error)
{
	struct bh_nvme *ctrl;
	fake.reg_error = -BH_ETIMEDOUT;
	assert_int_equal(open_default(&ctrl), -BH_ETIMEDOUT);
	fake.reg_error = -BH_EIO;
	assert_int_equal(open_default(&ctrl), -BH_EIO);
}

FIBER_TEST(test_page_too_large)
{
	struct bh_nvme *ctrl;
	fake.cap |= UINT64_C(1) << 48; /* MPSMIN: 8 KiB */
	assert_int_equal(open_default(&ctrl), -BH_EOPNOTSUPP);
	assert_int_equal(fake.log_cnt, 0);
}

FIBER_TEST(test_no_nvm_command_set)
{
	struct bh_nvme *ctrl;
	fake.cap &= ~(UINT64_C(0xff) << 37);
	fake.cap |= UINT64_C(0x80) << 37; /* admin only */
	assert_int_equal(open_default(&ctrl), -BH_EOPNOTSUPP);
}

FIBER_TEST(test_mqes_zero)
{
	struct bh_nvme *ctrl;
	fake.cap &= ~UINT64_C(0xffff);
	assert_int_equal(open_default(&ctrl), -BH_EPROTO);
}

FIBER_TEST(test_doorbells_not_mapped)
{
	struct bh_nvme *ctrl;
	fake.no_windows = true;
	assert_int_equal(open_default(&ctrl), -BH_EOPNOTSUPP);
	assert_int_equal(fake.cc & 1, 0);
}

FIBER_TEST(test_never_ready)
{
	struct bh_nvme *ctrl;
	fake.never_ready = true;
	uint64_t begin_tsc = bh_clock_now_tsc();
	assert_int_equal(open_default(&ctrl), -BH_ETIMEDOUT);
	/* CAP.TO is 1: 500 ms, for readiness and again before it is disabled. */
	assert_in_range(bh_tsc_to_ns(bh_clock_now_tsc() - begin_tsc), 500000000, 2000000000);
	assert_int_equal(fake.cc & 1, 0);
}

FIBER_TEST(test_ready_timeout_of_crto)
{
	struct bh_nvme *ctrl;
	fake.vs = NVME_VS(2, 0, 0);
	fake.cap |= UINT64_C(1) << 59; /* CRMS: CRTO.CRWMT counts */
	fake.crto = 7;
	assert_int_equal(open_default(&ctrl), 0);
	assert_int_equal(bh_nvme_info(ctrl)->ready_timeout_ms, 3500);
	assert_int_equal(bh_nvme_close(ctrl), 0);
}

FIBER_TEST(test_never_quiet)
{
	struct bh_nvme *ctrl;
	fake.cc = 0x460001;
	fake.csts = 1;
	fake.never_quiet = true;
	fake.reset_error = -BH_EIO;
	assert_int_equal(open_default(&ctrl), -BH_EIO);
	assert_int_equal(fake.reset_cnt, 1);
	assert_int_equal(fake.log_cnt, 0);
}

FIBER_TEST(test_function_reset_helps)
{
	struct bh_nvme *ctrl;
	fake.cc = 0x460001;
	fake.csts = 1;
	fake.never_quiet = true;
	assert_int_equal(open_default(&ctrl), 0);
	assert_int_equal(fake.reset_cnt, 1);
	assert_int_equal(fake_counter("device_reset"), 1);
	fake.never_quiet = false;
	assert_int_equal(bh_nvme_close(ctrl), 0);
}

FIBER_TEST(test_fatal_at_start)
{
	struct bh_nvme *ctrl;
	fake.cc = 0x460001;
	fake.csts = 2;
	assert_int_equal(open_default(&ctrl), 0);
	assert_int_equal(fake.reset_cnt, 0);
	assert_int_equal(bh_nvme_close(ctrl), 0);
}

FIBER_TEST(test_fatal_for_good)
{
	struct bh_nvme *ctrl;
	fake.cc = 0x460001;
	fake.csts = 2;
	fake.cfs_sticky = true;
	fake.reset_error = -BH_EIO;
	assert_int_equal(open_default(&ctrl), -BH_EIO);
}

FIBER_TEST(test_fatal_when_enabled)
{
	struct bh_nvme *ctrl;
	fake.cfs_when_enabled = true;
	assert_int_equal(open_default(&ctrl), -BH_EIO);
	assert_int_equal(fake.cc & 1, 0);
}

FIBER_TEST(test_bad_options)
{
	static const struct bh_nvme_options bad[] = {
	        {.transfer_bytes_max = 2048},  {.transfer_bytes_max = 12288}, {.transfer_bytes_max = 64u << 20},
	        {.io_queue_cnt = 128},         {.command_timeout_ns = 1000},  {.admin_timeout_ns = 1},
	        {.watch_interval_ns = 999999},
	};
	struct bh_nvme *ctrl;
	for (size_t i = 0; i < BH_ARRAY_CNT(bad); i++)
		assert_int_equal(bh_nvme_open("nvme0", &bad[i], &ctrl), -BH_EINVAL);
}

FIBER_TEST(test_identify_fails)
{
	struct bh_nvme *ctrl;
	fake.admin_fail_status[0x06] = 0x006;
	assert_int_equal(open_default(&ctrl), -BH_EIO);
	assert_int_equal(fake.cc & 1, 0);
}

FIBER_TEST(test_identify_silent)
{
	struct bh_nvme *ctrl;
	fake.admin_silent[0x06] = true;
	assert_int_equal(open_default(&ctrl), -BH_ETIMEDOUT);
	assert_int_equal(fake.cc & 1, 0);
}

FIBER_TEST(test_entry_sizes_wrong)
{
	struct bh_nvme *ctrl;
	fake.id.sqes = 0x77;
	assert_int_equal(open_default(&ctrl), -BH_EPROTO);
	fake.id.sqes = 0x66;
	fake.id.cqes = 0x33;
	assert_int_equal(open_default(&ctrl), -BH_EPROTO);
}

FIBER_TEST(test_discovery_controller)
{
	struct bh_nvme *ctrl;
	fake.id.cntrltype = NVME_CNTRLTYPE_DISCOVERY;
	assert_int_equal(open_default(&ctrl), -BH_EOPNOTSUPP);
}

FIBER_TEST(test_namespace_list_out_of_order)
{
	struct bh_nvme *ctrl;
	fake.ns_cnt = 2;
	fake.nsid[0] = 5;
	fake.nsid[1] = 5;
	assert_int_equal(open_default(&ctrl), -BH_EPROTO);
}

FIBER_TEST(test_queue_count_refused)
{
	struct bh_nvme *ctrl;
	fake.admin_fail_status[0x09] = 0x002;
	assert_int_equal(open_default(&ctrl), -BH_EIO);
}

static void
nothing(void *arg)
{
	while (!*(bool *)arg)
		bh_yield();
}

FIBER_TEST(test_no_fiber_left)
{
	struct bh_nvme *ctrl;
	bool end = false;
	while (!bh_fiber_spawn(nothing, &end))
		;
	assert_int_equal(open_default(&ctrl), -BH_EAGAIN);
	assert_int_equal(fake.cc & 1, 0);
	end = true;
	bh_yield();
}

FIBER_TEST(test_heap_full)
{
	struct bh_nvme *ctrl;
	void *hog = NULL, *before = NULL;
	/* Take all but a little, in pieces that halve. */
	for (size_t bytes = 8u << 20; bytes >= 4096; bytes /= 2)
		while ((hog = bh_heap_alloc(bytes)))
			before = hog;
	assert_int_equal(open_default(&ctrl), -BH_ENOMEM);
	bh_heap_free(before);
}

FIBER_TEST(test_arena_full)
{
	struct bh_nvme *ctrl;
	while (bh_dma_alloc(4096, 64))
		;
	assert_int_equal(open_default(&ctrl), -BH_ENOMEM);
	assert_int_equal(fake.cc & 1, 0);
}

FIBER_TEST(test_info)
{
	struct bh_nvme *ctrl;
	fake.cap |= UINT64_C(2) << 32; /* DSTRD: 16 bytes */
	fake.ready_after_reads = 3;
	assert_int_equal(open_default(&ctrl), 0);

	const struct bh_nvme_info *info = bh_nvme_info(ctrl);
	assert_string_equal(info->serial, "SN-1");
	assert_string_equal(info->model, "Fake  controller");
	assert_string_equal(info->firmware, "");
	assert_int_equal(info->version, NVME_VS(1, 4, 0));
	assert_int_equal(info->queue_entries_max, 1024);
	assert_int_equal(info->io_queue_cnt, 1);
	assert_int_equal(info->transfer_bytes_max, 128 << 10);
	assert_int_equal(info->doorbell_stride_bytes, 16);
	assert_int_equal(info->ready_timeout_ms, 500);
	assert_int_equal(info->ns_cnt, 1);
	assert_int_equal(info->aer_cnt, 4);
	assert_false(info->shadow_doorbells);
	assert_int_equal(bh_nvme_state(ctrl), BH_NVME_LIVE);
	/* Base 2.0, 3.1.3.5: CC as enabled; AQA within 2 .. 4096; event requests outstanding. */
	assert_int_equal(fake.cc, 0x460001);
	assert_in_range(fake.aqa & 0xfff, 1, 4095);
	assert_int_equal(fake.aer_cnt, 4);
	assert_int_equal(bh_nvme_close(ctrl), 0);
	assert_int_equal(fake.cc & 1, 0);
}

FIBER_TEST(test_io_command_sets_selected)
{
	struct bh_nvme *ctrl;
	fake.cap |= UINT64_C(0x40) << 37;
	assert_int_equal(open_default(&ctrl), 0);
	assert_int_equal(fake.cc >> 4 & 7, 0);
	assert_int_equal(bh_nvme_close(ctrl), 0);
	fake.cap &= ~(UINT64_C(1) << 37);
	assert_int_equal(open_default(&ctrl), 0);
	assert_int_equal(fake.cc >> 4 & 7, 6);
	assert_int_equal(bh_nvme_close(ctrl), 0);
}

FIBER_TEST(test_running_controller_is_disabled_first)
{
	struct bh_nvme *ctrl;
	fake.cc = 0x460001; /* enabled, not yet ready: EN may only be cleared when it is */
	fake.csts = 0;
	fake.ready_after_reads = 5;
	assert_int_equal(open_default(&ctrl), 0);
	assert_int_equal(fake.disable_cnt, 1);
	assert_int_equal(bh_nvme_close(ctrl), 0);
}

FIBER_TEST(test_queue_count)
{
	struct bh_nvme *ctrl;
	struct bh_nvme_options options = {.io_queue_cnt = 8};
	fake.io_queues_granted = 3;
	assert_int_equal(bh_nvme_open("nvme0", &options, &ctrl), 0);
	assert_int_equal(fake.feature[7], 0x00070007);
	assert_int_equal(bh_nvme_info(ctrl)->io_queue_cnt, 3);

	struct bh_nvme_qpair *qp[4];
	for (int i = 0; i < 3; i++)
		assert_int_equal(bh_nvme_qpair_create(ctrl, 8, &qp[i]), 0);
	assert_int_equal(bh_nvme_qpair_create(ctrl, 8, &qp[3]), -BH_ENOSPC);
	assert_int_equal(bh_nvme_qpair_delete(qp[1]), 0);
	assert_int_equal(bh_nvme_qpair_create(ctrl, 8, &qp[1]), 0);
	assert_int_equal(bh_nvme_close(ctrl), 0); /* deletes what is left */
	assert_int_equal(fake_sent_cnt(0, 0x00), 4);
	assert_int_equal(fake_sent_cnt(0, 0x04), 4);
}

FIBER_TEST(test_more_granted_than_wanted)
{
	struct bh_nvme *ctrl;
	assert_int_equal(open_default(&ctrl), 0);
	assert_int_equal(bh_nvme_info(ctrl)->io_queue_cnt, 1);
	assert_int_equal(bh_nvme_close(ctrl), 0);
}

FIBER_TEST(test_open_again)
{
	for (int i = 0; i < 3; i++) {
		struct rig rig;
		rig_open(&rig, NULL, 16);
		rig_close(&rig);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        UNIT(test_no_such_device),
	        UNIT(test_not_nvme),
	        UNIT(test_gone),
	        UNIT(test_register_error),
	        UNIT(test_page_too_large),
	        UNIT(test_no_nvm_command_set),
	        UNIT(test_mqes_zero),
	        UNIT(test_doorbells_not_mapped),
	        UNIT(test_never_ready),
	        UNIT(test_ready_timeout_of_crto),
	        UNIT(test_never_quiet),
	        UNIT(test_function_reset_helps),
	        UNIT(test_fatal_at_start),
	        UNIT(test_fatal_for_good),
	        UNIT(test_fatal_when_enabled),
	        UNIT(test_bad_options),
	        UNIT(test_identify_fails),
	        UNIT(test_identify_silent),
	        UNIT(test_entry_sizes_wrong),
	        UNIT(test_discovery_controller),
	        UNIT(test_namespace_list_out_of_order),
	        UNIT(test_queue_count_refused),
	        UNIT(test_no_fiber_left),
	        UNIT(test_heap_full),
	        UNIT(test_arena_full),
	        UNIT(test_info),
	        UNIT(test_io_command_sets_selected),
	        UNIT(test_running_controller_is_disabled_first),
	        UNIT(test_queue_count),
	        UNIT(test_more_granted_than_wanted),
	        UNIT(test_open_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
