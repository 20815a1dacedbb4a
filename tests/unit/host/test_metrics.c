/* SPDX-License-Identifier: Apache-2.0 */
/* Reading metrics: hostile names and values first, then figures with known answers. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host/observe/hgrm.h"
#include "host/observe/metrics.h"

#define CORES    2
#define COUNTERS 8
#define HISTS    2

struct region {
	struct bh_control control;
	struct bh_core_status core[CORES];
	struct bh_metric_desc counter_desc[COUNTERS];
	uint64_t counter[CORES][COUNTERS];
	struct bh_metric_desc hist_desc[HISTS];
	struct bh_hist hist[CORES][HISTS];
};

static struct region *region;
static struct bh_view view;

static int
set_up(void **state)
{
	region = aligned_alloc(64, sizeof(*region));
	memset(region, 0, sizeof(*region));
	view = (struct bh_view){
	        .shared = (const uint8_t *)region,
	        .core_cnt = CORES,
	        .tsc_hz = 1000000000,
	        .layout =
	                {
	                        .control_offset = offsetof(struct region, control),
	                        .core_offset = offsetof(struct region, core),
	                        .counter_desc_offset = offsetof(struct region, counter_desc),
	                        .counter_offset = offsetof(struct region, counter),
	                        .counter_cnt = COUNTERS,
	                        .hist_desc_offset = offsetof(struct region, hist_desc),
	                        .hist_offset = offsetof(struct region, hist),
	                        .hist_cnt = HISTS,
	                        .size_bytes = sizeof(struct region),
	                },
	};
	for (int c = 0; c < CORES; c++)
		for (int h = 0; h < HISTS; h++)
			region->hist[c][h].min = UINT64_MAX;
	return 0;
}

static int
tear_down(void **state)
{
	free(region);
	return 0;
}

static void
add_counter(int idx, const char *name, uint32_t kind)
{
	strncpy(region->counter_desc[idx].name, name, sizeof(region->counter_desc[idx].name));
	region->counter_desc[idx].kind = kind;
}

static void
record(int core, uint64_t value)
{
	struct bh_hist *hist = &region->hist[core][0];
	strcpy(region->hist_desc[0].name, "lat");
	region->hist_desc[0].kind = BH_METRIC_HIST;
	hist->bucket[bh_hist_bucket_idx(value)]++;
	hist->min = BH_MIN(hist->min, value);
	hist->max = BH_MAX(hist->max, value);
	hist->sum += value;
}

static void
layout_outside_the_region_is_refused(void **state)
{
	assert_int_equal(bh_view_check(&view), 0);
	view.layout.hist_offset += 64;
	assert_int_equal(bh_view_check(&view), -22);
}

static void
a_name_with_foreign_bytes_is_not_shown(void **state)
{
	uint64_t value;
	add_counter(0, "evil\033[2J", BH_METRIC_COUNTER);
	assert_int_equal(bh_view_counter(&view, "evil\033[2J", &value), -2);
}

static void
a_name_without_an_end_is_not_read_past(void **state)
{
	uint64_t value;
	memset(region->counter_desc[0].name, 'a', sizeof(region->counter_desc[0].name));
	region->counter_desc[0].kind = BH_METRIC_COUNTER;
	assert_int_equal(bh_view_counter(&view, "aaa", &value), -2);
}

static void
an_unknown_kind_is_skipped(void **state)
{
	uint64_t value;
	add_counter(0, "x", 77);
	assert_int_equal(bh_view_counter(&view, "x", &value), -2);
}

static void
counters_add_up_over_cores(void **state)
{
	uint64_t value;
	add_counter(3, "nvme0.reads", BH_METRIC_COUNTER);
	region->counter[0][3] = 40;
	region->counter[1][3] = 2;
	assert_int_equal(bh_view_counter(&view, "nvme0.reads", &value), 0);
	assert_int_equal(value, 42);
	assert_int_equal(bh_view_counter_core(&view, "nvme0.reads", 1, &value), 0);
	assert_int_equal(value, 2);
	assert_int_equal(bh_view_counter_core(&view, "nvme0.reads", CORES, &value), -22);
}

static void
an_empty_histogram_has_no_figures(void **state)
{
	struct bh_hist_snapshot snapshot;
	record(0, 5);
	region->hist[0][0].bucket[5] = 0;
	assert_int_equal(bh_view_hist(&view, "lat", &snapshot), 0);
	assert_int_equal(bh_hist_percentile(&snapshot, 99), 0);
	assert_int_equal(snapshot.min, 0);
	assert_true(bh_hist_mean(&snapshot) == 0 && bh_hist_stddev(&snapshot) == 0);
}

/* Values 1 .. 100 once each: percentiles are what a school book says. */
static void
percentiles_of_a_known_set(void **state)
{
	struct bh_hist_snapshot snapshot;
	for (uint64_t v = 1; v <= 100; v++)
		record((int)(v % CORES), v);
	assert_int_equal(bh_view_hist(&view, "lat", &snapshot), 0);
	assert_int_equal(snapshot.count, 100);
	assert_int_equal(bh_hist_percentile(&snapshot, 50), 50);
	assert_int_equal(bh_hist_percentile(&snapshot, 99), 99);
	assert_int_equal(bh_hist_percentile(&snapshot, 100), 100);
	assert_int_equal(bh_hist_percentile(&snapshot, 0), 1);
	assert_true(fabs(bh_hist_mean(&snapshot) - 50.5) < 1e-9);
	assert_true(fabs(bh_hist_stddev(&snapshot) - sqrt((100.0 * 100.0 - 1) / 12.0)) < 1e-9);
}

static void
the_difference_of_two_moments(void **state)
{
	struct bh_hist_snapshot before, now, since;
	record(0, 10);
	assert_int_equal(bh_view_hist(&view, "lat", &before), 0);
	record(1, 20);
	record(1, 30);
	assert_int_equal(bh_view_hist(&view, "lat", &now), 0);
	bh_hist_since(&now, &before, &since);
	assert_int_equal(since.count, 2);
	assert_int_equal(since.min, 20);
	assert_int_equal(since.max, 30);
}

/* The two-value example: 1 at 0 .. 50 %, 2 at the end; fields as HdrHistogram's own readers split them. */
/* A cell writes what it likes into its buckets: the text must end all the same. */
static void
hgrm_ends_whatever_the_counts_are(void **state)
{
	(void)state;
	static struct bh_hist_snapshot snapshot;
	char *text = NULL;
	size_t text_bytes = 0;
	snapshot = (struct bh_hist_snapshot){.count = (UINT64_C(1) << 62) + 1, .max = 200};
	snapshot.bucket[10] = UINT64_C(1) << 62;
	snapshot.bucket[20] = 1;
	FILE *stream = open_memstream(&text, &text_bytes);
	assert_int_equal(bh_hgrm_write(stream, &snapshot, view.tsc_hz), 0);
	fclose(stream);
	assert_non_null(strstr(text, "1.000000000000"));
	assert_true(text_bytes < 65536);
	free(text);
}

static void
hgrm_text_is_what_its_readers_take(void **state)
{
	struct bh_hist_snapshot snapshot;
	char text[4096] = {0};
	char first[64], end[64];
	double value, percentile;
	unsigned long total;

	record(0, 1);
	record(0, 2);
	assert_int_equal(bh_view_hist(&view, "lat", &snapshot), 0);
	FILE *stream = fmemopen(text, sizeof(text) - 1, "w");
	assert_int_equal(bh_hgrm_write(stream, &snapshot, view.tsc_hz), 0);
	fclose(stream);
	assert_int_equal(sscanf(text, "%63s", first), 1);
	assert_string_equal(first, "Value");
	assert_int_equal(sscanf(strstr(text, "\n\n"), "%lf %lf %lu", &value, &percentile, &total), 3);
	assert_true(value == 1.0 && percentile == 0.0 && total == 1);
	assert_non_null(strstr(text, "2.000 1.000000000000          2\n"));
	assert_int_equal(sscanf(strstr(text, "#[Max"), "#[Max = %lf, Total count = %63[0-9]", &value, end), 2);
	assert_true(value == 2.0);
	assert_string_equal(end, "2");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(layout_outside_the_region_is_refused, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(a_name_with_foreign_bytes_is_not_shown, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(a_name_without_an_end_is_not_read_past, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(an_unknown_kind_is_skipped, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(counters_add_up_over_cores, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(an_empty_histogram_has_no_figures, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(percentiles_of_a_known_set, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(the_difference_of_two_moments, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(hgrm_ends_whatever_the_counts_are, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(hgrm_text_is_what_its_readers_take, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
