/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/compare/common.h"

#include <errno.h>
#include <math.h>

#include "host/compare/hist.h"

static int
parse(const char *text, enum bh_lat_scheme scheme, double tsc_hz, struct bh_lat_hist *out)
{
	json_t *bins = json_loads(text, JSON_DECODE_ANY, NULL);
	int err = bh_lat_hist_parse(bins, scheme, tsc_hz, out);
	json_decref(bins);
	return err;
}

static void
bad_buckets_are_refused(void **state)
{
	static const char *const bad[] = {
	        "[]",
	        "1",
	        "null",
	        "\"x\"",
	        "{\"x\": 1}",
	        "{\"-1\": 1}",
	        "{\"+1\": 1}",
	        "{\" 1\": 1}",
	        "{\"1x\": 1}",
	        "{\"\": 1}",
	        "{\"1\": -1}",
	        "{\"1\": 1.5}",
	        "{\"1\": \"1\"}",
	        "{\"1\": {}}",
	        "{\"99999999999999999999\": 1}",
	        "{\"1\": 4611686018427387904, \"2\": 4611686018427387904}",
	        "{\"1080\": 1, \"1081\": 1}", /* the same bucket twice */
	};
	struct bh_lat_hist hist;
	(void)state;
	for (size_t i = 0; i < BH_ARRAY_CNT(bad); i++) {
		assert_int_equal(parse(bad[i], BH_LAT_FIO, 0, &hist), -EINVAL);
		assert_null(hist.bin);
	}
	assert_int_equal(bh_lat_hist_parse(NULL, BH_LAT_FIO, 0, &hist), -EINVAL);
	assert_int_equal(parse("{\"1\": 1}", BH_LAT_CELL, 0, &hist), -EINVAL);
	assert_int_equal(parse("{\"1\": 1}", BH_LAT_CELL, -2.6e9, &hist), -EINVAL);
	assert_int_equal(parse("{\"1\": 1}", BH_LAT_CELL, (double)NAN, &hist), -EINVAL);
}

static void
too_many_buckets_are_refused(void **state)
{
	json_t *bins = json_object();
	char key[24];
	struct bh_lat_hist hist;
	(void)state;
	for (unsigned i = 0; i <= BH_LAT_BINS_MAX; i++) {
		snprintf(key, sizeof(key), "%lu", (uint64_t)i << 30);
		json_object_set_new(bins, key, json_integer(1));
	}
	assert_int_equal(bh_lat_hist_parse(bins, BH_LAT_FIO, 0, &hist), -EINVAL);
	json_decref(bins);
}

/* fio's plat_val_to_idx(): 64 buckets for each power of two; what it prints is the middle. */
static void
bounds_of_fio(void **state)
{
	struct bh_lat_hist hist;
	(void)state;
	assert_int_equal(parse("{\"1080\": 2, \"5\": 1, \"129\": 3, \"127\": 0}", BH_LAT_FIO, 0, &hist), 0);
	assert_int_equal(hist.bin_cnt, 3);
	assert_int_equal(hist.total, 6);
	assert_true(hist.bin[0].low_ns == 5 && hist.bin[0].high_ns == 6);
	assert_true(hist.bin[1].low_ns == 128 && hist.bin[1].high_ns == 130);
	assert_true(hist.bin[2].low_ns == 1072 && hist.bin[2].high_ns == 1088);
	bh_lat_hist_free(&hist);
}

/* 1 GHz: cycles are nanoseconds; 128 buckets for each power of two. */
static void
bounds_of_the_cell(void **state)
{
	struct bh_lat_hist hist;
	(void)state;
	assert_int_equal(parse("{\"1024\": 1, \"1032\": 1, \"100\": 1}", BH_LAT_CELL, 1e9, &hist), 0);
	assert_true(hist.bin[0].low_ns == 100 && hist.bin[0].high_ns == 101);
	assert_true(hist.bin[1].low_ns == 1024 && hist.bin[1].high_ns == 1032);
	assert_true(hist.bin[2].low_ns == 1032 && hist.bin[2].high_ns == 1040);
	bh_lat_hist_free(&hist);
}

static void
percentiles(void **state)
{
	struct bh_lat_hist hist;
	(void)state;
	assert_int_equal(parse("{\"10\": 50, \"20\": 49, \"100\": 1}", BH_LAT_FIO, 0, &hist), 0);
	assert_true(bh_lat_percentile(&hist, 0) == 10);
	assert_true(bh_lat_percentile(&hist, 50) == 10);
	assert_true(bh_lat_percentile(&hist, 50.1) == 20);
	assert_true(bh_lat_percentile(&hist, 99) == 20);
	assert_true(bh_lat_percentile(&hist, 99.5) == 100);
	assert_true(bh_lat_percentile(&hist, 100) == hist.max_ns);
	assert_true(fabs(bh_lat_mean(&hist) - 15.8) < 1e-9);
	bh_lat_hist_free(&hist);
	assert_true(bh_lat_percentile(&hist, 99) == 0);
	assert_true(bh_lat_mean(&hist) == 0);
}

/* A bucket's middle may lie beyond what was measured. */
static void
never_beyond_what_was_measured(void **state)
{
	struct bh_lat_hist hist;
	(void)state;
	assert_int_equal(parse("{\"1048576\": 1}", BH_LAT_CELL, 1e9, &hist), 0);
	hist.min_ns = hist.max_ns = 1048577;
	assert_true(bh_lat_percentile(&hist, 50) == 1048577);
	bh_lat_hist_free(&hist);
}

static void
merged(void **state)
{
	struct bh_lat_hist sum = {0}, one, two;
	(void)state;
	assert_int_equal(parse("{\"10\": 1, \"30\": 2}", BH_LAT_FIO, 0, &one), 0);
	assert_int_equal(parse("{\"5\": 4, \"10\": 3, \"100\": 1}", BH_LAT_FIO, 0, &two), 0);
	assert_int_equal(bh_lat_hist_add(&sum, &one), 0);
	assert_int_equal(bh_lat_hist_add(&sum, &two), 0);
	assert_int_equal(sum.total, 11);
	assert_int_equal(sum.bin_cnt, 4);
	assert_int_equal(sum.bin[1].key, 10);
	assert_int_equal(sum.bin[1].cnt, 4);
	assert_true(sum.min_ns == 5 && sum.max_ns == two.max_ns);
	bh_lat_hist_free(&sum);
	bh_lat_hist_free(&one);
	bh_lat_hist_free(&two);
}

static void
percentile_text(void **state)
{
	struct bh_lat_hist hist;
	char *text = NULL;
	size_t bytes;
	(void)state;
	assert_int_equal(parse("{\"10\": 99, \"100\": 1}", BH_LAT_FIO, 0, &hist), 0);
	FILE *stream = open_memstream(&text, &bytes);
	assert_int_equal(bh_lat_hgrm(&hist, stream), 0);
	fclose(stream);
	assert_non_null(strstr(text, "1/(1-Percentile)"));
	assert_non_null(strstr(text, "1.000000000000        100\n"));
	assert_non_null(strstr(text, "Total count    =          100]"));
	free(text);
	bh_lat_hist_free(&hist);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(bad_buckets_are_refused),
	        cmocka_unit_test(too_many_buckets_are_refused),
	        cmocka_unit_test(bounds_of_fio),
	        cmocka_unit_test(bounds_of_the_cell),
	        cmocka_unit_test(percentiles),
	        cmocka_unit_test(never_beyond_what_was_measured),
	        cmocka_unit_test(merged),
	        cmocka_unit_test(percentile_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
