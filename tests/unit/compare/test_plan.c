/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/compare/common.h"

#include <errno.h>

#include "host/compare/plan.h"
#include "host/compare/text.h"

static struct bh_case cases[BH_CASES_MAX];
static struct bh_target target = {.nsid = 1,
                                  .lba_bytes = 512,
                                  .block_path = "/dev/nvme0n1",
                                  .char_path = "/dev/ng0n1",
                                  .serial = "S3RIAL",
                                  .address = "0000:01:00.0",
                                  .controller = "nvme0"};

/* A wrong serial number writes nothing: none, empty, another, a part, the same in other letters. */
static void
serial_numbers(void **state)
{
	static const char *const wrong[] = {NULL, "", "S3RIA", "S3RIALS", "s3rial", " S3RIAL", "*"};
	struct bh_target nameless = {0};
	struct bh_error error;
	(void)state;
	for (size_t i = 0; i < BH_ARRAY_CNT(wrong); i++) {
		assert_int_equal(bh_target_check_serial(&target, wrong[i], &error), -EPERM);
		assert_string_equal(error.id, "E183");
		assert_null(strstr(error.text, "S3RIAL ")); /* it is not told: a person reads it off the drive */
	}
	assert_int_equal(bh_target_check_serial(&nameless, "", &error), -EPERM);
	assert_int_equal(bh_target_check_serial(&nameless, "x", &error), -EPERM);
	assert_int_equal(bh_target_check_serial(&target, "S3RIAL", &error), 0);
}

/* Without --destructive no command may write. */
static void
nothing_writes_by_itself(void **state)
{
	struct bh_compare_options options = {0};
	(void)state;
	uint32_t cnt = bh_plan_cases(&options, &target, cases), skipped = 0, written = 0;
	for (uint32_t i = 0; i < cnt; i++) {
		bool writes = strcmp(cases[i].pattern, "randread") != 0;
		skipped += cases[i].skip == BH_CASE_WRITES;
		written += writes && cases[i].skip != BH_CASE_WRITES;
	}
	assert_int_equal(skipped, 8);
	assert_int_equal(written, 0);
	options.destructive = true;
	cnt = bh_plan_cases(&options, &target, cases);
	assert_int_equal(cnt, 14);
	for (uint32_t i = 0; i < cnt; i++)
		assert_int_equal(cases[i].skip, BH_CASE_RUN);
}

static void
large_blocks_skip_the_reference(void **state)
{
	struct bh_compare_options options = {.quick = true};
	struct bh_target large = target;
	(void)state;
	large.lba_bytes = 4096;
	uint32_t cnt = bh_plan_cases(&options, &large, cases);
	assert_int_equal(cnt, 4);
	assert_int_equal(cases[2].skip, BH_CASE_BLOCK_SIZE);
	assert_int_equal(cases[0].skip, BH_CASE_RUN);
}

static char *
command(const struct bh_variant *variant, const struct bh_case *which)
{
	struct bh_words words = {0};
	bh_plan_fio(&words, variant, which, &target, 3, 1500000000);
	assert_false(words.failed);
	char *text = bh_text_command((const char *const *)words.word);
	bh_words_free(&words);
	return text;
}

static bool
has(const char *text, const char *word)
{
	const char *at = strstr(text, word);
	return at != NULL && (at[strlen(word)] == ' ' || at[strlen(word)] == '\0');
}

static void
commands_of_linux(void **state)
{
	struct bh_compare_options options = {.destructive = true};
	(void)state;
	uint32_t cnt = bh_plan_cases(&options, &target, cases);
	for (uint32_t i = 0; i < cnt; i++) {
		for (size_t j = 0; j < bh_variant_cnt; j++) {
			char *text = command(&bh_variants[j], &cases[i]);
			bool reads = strcmp(cases[i].pattern, "randread") == 0;
			assert_true(has(text, "--cpus_allowed=3") && has(text, "--runtime=1500ms"));
			assert_true(has(text, bh_variants[j].passthrough ? "--filename=/dev/ng0n1"
			                                                 : "--filename=/dev/nvme0n1"));
			assert_int_equal(has(text, "--readonly"), reads);
			assert_int_equal(has(text, "--hipri=1"), bh_variants[j].polled);
			free(text);
		}
	}
}

static void
commands_of_the_cell(void **state)
{
	struct bh_compare_options options = {.destructive = true};
	struct bh_words words = {0};
	(void)state;
	bh_plan_cases(&options, &target, cases);
	bh_plan_cell(&words, "/usr/bin/bulkhead", "r/cell.conf", &cases[8], 1500000000);
	char *text = bh_text_command((const char *const *)words.word);
	assert_string_equal(text,
	                    "/usr/bin/bulkhead run r/cell.conf --set nvme-bench.pattern=randrw --set nvme-bench.mix=70 "
	                    "--set nvme-bench.block_size=4096 --set nvme-bench.queue_depth=1 --duration 1500ms --json");
	free(text);
	bh_words_free(&words);
}

static void
what_cannot_be_tried_says_why(void **state)
{
	struct bh_compare_options options = {0};
	struct bh_target plain = target;
	const char *why;
	uint32_t fits = 0;
	(void)state;
	bh_plan_cases(&options, &target, cases);
	plain.char_path[0] = '\0';
	for (size_t j = 0; j < bh_variant_cnt; j++) {
		if (bh_variants[j].polled) {
			assert_false(bh_plan_fits(&bh_variants[j], &cases[0], &target, false, false, &why) &&
			             why == NULL);
		}
		if (bh_variants[j].passthrough && bh_variants[j].depth_min == 1) {
			assert_false(bh_plan_fits(&bh_variants[j], &cases[0], &plain, false, true, &why));
			assert_non_null(why);
		}
		fits += bh_plan_fits(&bh_variants[j], &cases[0], &target, false, true, &why);
	}
	assert_true(fits >= 6);
}

static void
too_many_words(void **state)
{
	struct bh_words words = {0};
	(void)state;
	for (unsigned i = 0; i <= BH_WORDS_MAX; i++)
		bh_words_add(&words, "%u", i);
	assert_true(words.failed);
	assert_null(words.word[BH_WORDS_MAX]);
	bh_words_free(&words);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(serial_numbers),
	        cmocka_unit_test(nothing_writes_by_itself),
	        cmocka_unit_test(large_blocks_skip_the_reference),
	        cmocka_unit_test(commands_of_linux),
	        cmocka_unit_test(commands_of_the_cell),
	        cmocka_unit_test(what_cannot_be_tried_says_why),
	        cmocka_unit_test(too_many_words),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
