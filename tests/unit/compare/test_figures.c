/* SPDX-License-Identifier: Apache-2.0 */
/* What fio and the cell printed, whole, cut short anywhere, and changed. */
#include "tests/unit/compare/common.h"

#include <errno.h>
#include <math.h>

#include "host/compare/figures.h"
#include "host/compare/text.h"

static const char *data;
static char *fio, *cell;
static size_t fio_bytes, cell_bytes;

static void
refuse_fio(const char *text, int err, const char *id)
{
	struct bh_figures figures;
	struct bh_error error = {0};
	assert_int_equal(bh_figures_fio(text, strlen(text), &figures, &error), err);
	assert_string_equal(error.id, id);
	assert_null(figures.hist.bin);
}

static void
refuse_cell(const char *text, int err, const char *id)
{
	struct bh_figures figures;
	struct bh_error error = {0};
	assert_int_equal(bh_figures_cell(text, strlen(text), &figures, &error), err);
	assert_string_equal(error.id, id);
	assert_null(figures.hist.bin);
}

static void
no_json_is_refused(void **state)
{
	static const char *const bad[] = {"",
	                                  "fio: no such engine\n",
	                                  "{",
	                                  "{}",
	                                  "[]",
	                                  "{\"jobs\": []}",
	                                  "{\"jobs\": 3}",
	                                  "{\"jobs\": [{}]}",
	                                  "{\"jobs\": [{\"error\": 0}, {\"error\": 0}]}",
	                                  "{\"jobs\": [{\"error\": 0, \"mixed\": {}}]}"};
	(void)state;
	for (size_t i = 0; i < BH_ARRAY_CNT(bad); i++) {
		refuse_fio(bad[i], -EINVAL, "E190");
		refuse_cell(bad[i], -EINVAL, "E192");
	}
	refuse_fio("{\"jobs\": [{\"error\": 5}]}", -EIO, "E191");
	refuse_cell("{\"outcome\": \"crashed\", \"failure\": {\"text\": \"it fell\"}}", -EIO, "E193");
}

/* Every prefix of a good output is refused; nothing is read beyond it (valgrind and the sanitizers look). */
static void
cut_short_anywhere(void **state)
{
	struct bh_figures figures;
	struct bh_error error;
	(void)state;
	for (size_t len = 0; len + 2 < fio_bytes; len += 97) {
		char *copy = malloc(len + 1);
		memcpy(copy, fio, len);
		assert_int_equal(bh_figures_fio(copy, len, &figures, &error), -EINVAL);
		free(copy);
	}
	for (size_t len = 0; len + 2 < cell_bytes; len += 97) {
		char *copy = malloc(len + 1);
		memcpy(copy, cell, len);
		assert_int_equal(bh_figures_cell(copy, len, &figures, &error), -EINVAL);
		free(copy);
	}
}

/* Any byte changed: refused, or read without harm. */
static void
changed_anywhere(void **state)
{
	struct bh_figures figures;
	unsigned random = 1;
	(void)state;
	for (int i = 0; i < 3000; i++) {
		char *copy = malloc(fio_bytes);
		memcpy(copy, fio, fio_bytes);
		random = random * 1103515245u + 12345u;
		copy[random % fio_bytes] = (char)(random >> 16);
		if (bh_figures_fio(copy, fio_bytes, &figures, NULL) == 0)
			assert_true(figures.iops > 0 && isfinite(figures.iops) && figures.hist.total > 0);
		bh_figures_free(&figures);
		free(copy);
	}
}

/* Replace the first `old` behind `from` by `new`, of a copy. */
static char *
changed(const char *text, const char *from, const char *old, const char *new)
{
	char *at = strstr(strstr(text, from), old), *copy;
	assert_non_null(at);
	assert_true(asprintf(&copy, "%.*s%s%s", (int)(at - text), text, new, at + strlen(old)) > 0);
	return copy;
}

static void
nonsense_figures_are_refused(void **state)
{
	/* fio 3.33 without bandwidth samples prints times like this */
	static const char *const change[][3] = {
	        {"\"lat_ns\"", "\"min\" : ", "\"min\" : -3376814029182021091, \"x\" : "},
	        {"\"mixed\"", "\"iops\" : ", "\"iops\" : -1, \"x\" : "},
	        {"\"mixed\"", "\"iops\" : ", "\"iops\" : 1e300, \"x\" : "},
	        {"\"mixed\"", "\"total_ios\" : ", "\"total_ios\" : 0, \"x\" : "},
	        {"\"mixed\"", "\"runtime\" : ", "\"runtime\" : 0, \"x\" : "},
	        {"\"mixed\"", "\"bins\" : {", "\"bins\" : {}, \"x\" : {"}};
	(void)state;
	for (size_t i = 0; i < BH_ARRAY_CNT(change); i++) {
		char *text = changed(fio, change[i][0], change[i][1], change[i][2]);
		refuse_fio(text, -EINVAL, "E190");
		free(text);
	}
	char *text = changed(cell, "\"app\"", "\"errors\": 0", "\"errors\": 7");
	refuse_cell(text, -EIO, "E193");
	free(text);
	text = changed(cell, "\"app\"", "\"tsc_hz\": ", "\"tsc_hz\": -1, \"x\": ");
	refuse_cell(text, -EINVAL, "E192");
	free(text);
	text = changed(cell, "\"outcome\"", "done", "stalled");
	refuse_cell(text, -EIO, "E193");
	free(text);
}

/* Our percentiles of fio's buckets are fio's own, digit by digit. */
static void
percentiles_are_those_of_fio(void **state)
{
	struct bh_figures figures;
	const char *key;
	json_t *value;
	(void)state;
	assert_int_equal(bh_figures_fio(fio, fio_bytes, &figures, NULL), 0);
	json_t *root = json_loads(fio, 0, NULL);
	json_t *mixed = json_object_get(json_array_get(json_object_get(root, "jobs"), 0), "mixed");
	json_t *lat = json_object_get(mixed, "lat_ns");
	json_object_foreach(json_object_get(lat, "percentile"), key, value)
	{
		assert_int_equal((json_int_t)bh_lat_percentile(&figures.hist, atof(key)), json_integer_value(value));
	}
	assert_int_equal(figures.hist.total, json_integer_value(json_object_get(lat, "N")));
	assert_true(fabs(bh_lat_mean(&figures.hist) / json_number_value(json_object_get(lat, "mean")) - 1) < 0.01);
	assert_true(figures.iops == json_number_value(json_object_get(mixed, "iops")));
	assert_string_equal(figures.version, "fio-3.33");
	json_decref(root);
	bh_figures_free(&figures);
}

/* Notes that fio prints before its JSON, with a brace in them. */
static void
notes_before_the_json(void **state)
{
	struct bh_figures figures;
	char *text;
	(void)state;
	assert_true(asprintf(&text, "note: {both} iodepth >= 1 and synchronous\n%s", fio) > 0);
	assert_int_equal(bh_figures_fio(text, strlen(text), &figures, NULL), 0);
	bh_figures_free(&figures);
	free(text);
}

static void
percentiles_are_those_of_the_cell(void **state)
{
	static const struct {
		const char *key;
		double percent;
	} wanted[] = {{"p50", 50}, {"p90", 90}, {"p99", 99}, {"p99_9", 99.9}, {"max", 100}};
	struct bh_figures figures;
	(void)state;
	assert_int_equal(bh_figures_cell(cell, cell_bytes, &figures, NULL), 0);
	json_t *root = json_loads(cell, 0, NULL);
	json_t *lat = json_object_get(json_object_get(root, "app"), "latency_ns");
	for (size_t i = 0; i < BH_ARRAY_CNT(wanted); i++) {
		double theirs = json_number_value(json_object_get(lat, wanted[i].key));
		assert_true(fabs(bh_lat_percentile(&figures.hist, wanted[i].percent) / theirs - 1) < 0.008);
	}
	assert_int_equal(figures.hist.total, figures.ios);
	json_decref(root);
	bh_figures_free(&figures);
}

/* What comes out of a histogram goes in again. */
static void
raw_buckets_survive(void **state)
{
	struct bh_figures figures;
	struct bh_lat_hist again;
	(void)state;
	assert_int_equal(bh_figures_fio(fio, fio_bytes, &figures, NULL), 0);
	json_t *bins = bh_lat_json(&figures.hist);
	assert_int_equal(bh_lat_hist_parse(bins, BH_LAT_FIO, 0, &again), 0);
	assert_int_equal(again.bin_cnt, figures.hist.bin_cnt);
	assert_memory_equal(again.bin, figures.hist.bin, again.bin_cnt * sizeof(*again.bin));
	json_decref(bins);
	bh_lat_hist_free(&again);
	bh_figures_free(&figures);
}

int
main(int argc, char **argv)
{
	char path[512];
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(no_json_is_refused),
	        cmocka_unit_test(cut_short_anywhere),
	        cmocka_unit_test(changed_anywhere),
	        cmocka_unit_test(nonsense_figures_are_refused),
	        cmocka_unit_test(percentiles_are_those_of_fio),
	        cmocka_unit_test(notes_before_the_json),
	        cmocka_unit_test(percentiles_are_those_of_the_cell),
	        cmocka_unit_test(raw_buckets_survive),
	};
	if (argc < 2)
		return 2;
	data = argv[1];
	snprintf(path, sizeof(path), "%s/fio.json", data);
	if (bh_text_read_all(path, 1 << 20, &fio, &fio_bytes) != 0)
		return 2;
	snprintf(path, sizeof(path), "%s/cell.json", data);
	if (bh_text_read_all(path, 1 << 20, &cell, &cell_bytes) != 0)
		return 2;
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	free(fio);
	free(cell);
	return failed;
}
