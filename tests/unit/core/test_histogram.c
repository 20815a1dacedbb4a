/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/core/unit.h"

#define NS_PER_S UINT64_C(1000000000)

static struct bh_hist *
hist_fresh(void)
{
	struct bh_hist *hist = bh_heap_alloc_aligned(sizeof(*hist), 64);
	assert_non_null(hist);
	hist->min = UINT64_MAX;
	return hist;
}

/* Buckets tile the range: each begins where the one before ends. */
static void
test_buckets_tile_the_range(void **state)
{
	uint64_t next = 0;
	for (uint32_t i = 0; i < BH_HIST_BUCKET_CNT; i++) {
		assert_int_equal(bh_hist_bucket_low(i), next);
		assert_int_equal(bh_hist_bucket_idx(next), i);
		next += bh_hist_bucket_width(i);
		assert_int_equal(bh_hist_bucket_idx(next - 1), i);
	}
	assert_int_equal(next, UINT64_C(1) << BH_HIST_VALUE_BITS);
}

static void
test_values_past_the_range_stay_inside(void **state)
{
	assert_int_equal(bh_hist_bucket_idx(UINT64_MAX), BH_HIST_BUCKET_CNT - 1);
	assert_int_equal(bh_hist_bucket_idx(UINT64_C(1) << BH_HIST_VALUE_BITS), BH_HIST_BUCKET_CNT - 1);
	struct bh_hist *hist = hist_fresh();
	bh_hist_record(hist, UINT64_MAX);
	assert_int_equal(hist->bucket[BH_HIST_BUCKET_CNT - 1], 1);
	assert_int_equal(hist->max, UINT64_MAX);
}

static void
test_records_count(void **state)
{
	struct bh_hist *hist = hist_fresh();
	bh_hist_record(hist, 1000);
	bh_hist_record(hist, 1000);
	bh_hist_record(hist, 0);
	assert_int_equal(hist->bucket[bh_hist_bucket_idx(1000)], 2);
	assert_int_equal(hist->bucket[0], 1);
	assert_int_equal(hist->sum, 2000);
	assert_int_equal(hist->max, 1000);
	assert_int_equal(hist->min, 0);
}

static double
relative(double value, double truth)
{
	return value > truth ? (value - truth) / truth : (truth - value) / truth;
}

/*
 * A duration of `ns`, as this clock counts it, recorded, and read back from its bucket: in cycles, within 1 % of the
 * cycles recorded, for any value of the bucket that a reader may report.
 */
static void
error_check(uint64_t tsc)
{
	uint32_t idx = bh_hist_bucket_idx(tsc);
	uint64_t low = bh_hist_bucket_low(idx), high = low + bh_hist_bucket_width(idx) - 1;
	assert_true(low <= tsc && tsc <= high);
	assert_true(relative((double)low, (double)tsc) <= 0.01);
	assert_true(relative((double)high, (double)tsc) <= 0.01);
}

static void
test_error_is_below_one_percent(void **state)
{
	static const uint64_t rates_hz[] = {1000000000, 2000000000, 2596123456, 3700000000, 5200000000};
	for (size_t i = 0; i < BH_ARRAY_CNT(rates_hz); i++) {
		bh_hosted_page()->tsc_hz = rates_hz[i];
		for (uint64_t ns = 1; ns <= 10 * NS_PER_S; ns += BH_MAX(UINT64_C(1), ns / 1021)) {
			error_check(bh_ns_to_tsc(ns));
			/* The way back to nanoseconds loses less than one cycle and one nanosecond. */
			uint64_t back_ns = bh_tsc_to_ns(bh_ns_to_tsc(ns));
			assert_true(back_ns <= ns && ns - back_ns <= 1 + NS_PER_S / rates_hz[i]);
		}
		assert_true(bh_ns_to_tsc(10 * NS_PER_S) < UINT64_C(1) << BH_HIST_VALUE_BITS);
	}
}

#define CELL_TEST(test) cmocka_unit_test_setup_teardown(test, unit_cell_start, unit_cell_stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        CELL_TEST(test_buckets_tile_the_range),
	        CELL_TEST(test_values_past_the_range_stay_inside),
	        CELL_TEST(test_records_count),
	        CELL_TEST(test_error_is_below_one_percent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
