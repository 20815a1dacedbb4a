/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/core/unit.h"
#include <pthread.h>

static int cell_main_result;

int
cell_main(unsigned core_idx)
{
	const struct bh_core_status *status = bh_hosted_shared(bh_hosted_page()->shared.core_offset);
	assert_int_equal(status[core_idx].state, BH_CORE_RUNNING);
	bh_yield();
	return cell_main_result;
}

static void
test_app_config_of_another_size(void **state)
{
	bh_hosted_page()->app_config_bytes = 24;
	assert_null(bh_app_config(23));
	assert_null(bh_app_config(25));
	assert_null(bh_app_config(0));
	assert_ptr_equal(bh_app_config(24), bh_hosted_page()->app_config);
}

static void
test_heap_too_small_for_the_cores(void **state)
{
	bh_hosted_stop();
	assert_int_equal(bh_hosted_start(8, 1 << 20, 16384), -BH_ENOMEM);
	assert_int_equal(bh_hosted_start(1, 1 << 20, bh_core_context_bytes()), -BH_ENOMEM);
	assert_int_equal(bh_hosted_start(BH_CORES_MAX + 1, 1 << 20, 1 << 20), -BH_EINVAL);
	assert_int_equal(bh_hosted_start(1, 0, 1 << 20), -BH_EINVAL);
	assert_int_equal(bh_hosted_start(2, UNIT_ARENA_BYTES, UNIT_HEAP_BYTES), 0);
	assert_int_equal(bh_hosted_start(1, 1 << 20, 1 << 20), -BH_EBUSY);
}

static void
test_stop_flag(void **state)
{
	struct bh_control *control = bh_hosted_shared(bh_hosted_page()->shared.control_offset);
	assert_false(bh_stop_requested());
	control->stop = 1;
	assert_true(bh_stop_requested());
}

static void
test_identity(void **state)
{
	assert_ptr_equal(bh_boot_page(), bh_hosted_page());
	assert_int_equal(bh_core_cnt(), 2);
	assert_int_equal(bh_core_idx(), 0);
	bh_hosted_core_set(1);
	assert_int_equal(bh_core_idx(), 1);
	assert_int_equal(bh_core_context_bytes() % 64, 0);
}

static void
test_times_saturate(void **state)
{
	bh_hosted_page()->tsc_hz = UINT64_C(2500000000);
	assert_int_equal(bh_ns_to_tsc(0), 0);
	assert_int_equal(bh_ns_to_tsc(1), 2);
	assert_int_equal(bh_ns_to_tsc(1000000000), UINT64_C(2500000000));
	assert_int_equal(bh_ns_to_tsc(UINT64_MAX), UINT64_MAX);
	assert_int_equal(bh_tsc_to_ns(UINT64_C(2500000001)), 1000000000);
	assert_int_equal(bh_tsc_to_ns(UINT64_MAX), UINT64_C(7378697629483820646));
	bh_hosted_page()->tsc_hz = BH_TSC_HZ_MAX;
	assert_int_equal(bh_ns_to_tsc(999999999), UINT64_C(15999999984));
	assert_int_equal(bh_tsc_to_ns(BH_TSC_HZ_MAX - 1), 999999999);
	bh_hosted_page()->tsc_hz = BH_TSC_HZ_MIN;
	assert_int_equal(bh_tsc_to_ns(UINT64_MAX), UINT64_MAX);
	assert_int_equal(bh_tsc_to_ns(1), 1000);
}

static void
expect_run(int result)
{
	const struct bh_core_status *status = bh_hosted_shared(bh_hosted_page()->shared.core_offset);
	cell_main_result = result;
	assert_int_equal(bh_core_run(bh_core_self()), result);
	assert_int_equal(status[0].state, BH_CORE_DONE);
	assert_int_equal(status[0].exit_code, result);
	assert_int_equal(status[1].state, BH_CORE_OFF);
}

static void
test_run_reports_the_exit_code(void **state)
{
	expect_run(-BH_EIO);
	expect_run(0);
}

/* Barrier. */

static unsigned met_cnt;

static void
body_meet(void *arg)
{
	for (unsigned round = 1; round <= 200; round++) {
		__atomic_add_fetch(&met_cnt, 1, __ATOMIC_RELAXED);
		bh_barrier_wait();
		/* Both have counted this round; the other may be in the next one, but not past it. */
		unsigned met = __atomic_load_n(&met_cnt, __ATOMIC_RELAXED);
		assert_true(met >= 2 * round && met <= 2 * round + 1);
		bh_barrier_wait();
	}
}

static void *
core1_main(void *arg)
{
	return (void *)(intptr_t)bh_hosted_run(1, body_meet, NULL);
}

static void
test_cores_meet(void **state)
{
	pthread_t core1;
	void *result;
	met_cnt = 0;
	assert_int_equal(pthread_create(&core1, NULL, core1_main, NULL), 0);
	assert_int_equal(bh_hosted_run(0, body_meet, NULL), 0);
	pthread_join(core1, &result);
	assert_null(result);
	assert_int_equal(met_cnt, 400);
}

static void
body_alone(void *arg)
{
	unit_expect_panic(bh_barrier_wait());
	assert_string_equal(unit_panic_record.message, "a core did not come to the barrier");
	*(bool *)arg = true;
}

static void
test_barrier_has_a_deadline(void **state)
{
	bool done = false;
	bh_hosted_page()->tsc_hz = BH_TSC_HZ_MIN;
	assert_int_equal(bh_hosted_run(0, body_alone, &done), 0);
	assert_true(done);
}

#define CELL_TEST(test) cmocka_unit_test_setup_teardown(test, unit_cell_start, unit_cell_stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        CELL_TEST(test_app_config_of_another_size),
	        CELL_TEST(test_heap_too_small_for_the_cores),
	        CELL_TEST(test_stop_flag),
	        CELL_TEST(test_identity),
	        CELL_TEST(test_times_saturate),
	        CELL_TEST(test_run_reports_the_exit_code),
	        CELL_TEST(test_cores_meet),
	        CELL_TEST(test_barrier_has_a_deadline),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
