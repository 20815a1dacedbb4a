/* SPDX-License-Identifier: Apache-2.0 */
/* Lists and masks as the kernel's bitmap_parselist and %*pb define them (Documentation/core-api/printk-formats, lib/bitmap.c). */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "host/machine/cpus.h"

static void
what_is_no_list_is_refused(void **state)
{
	static const struct {
		const char *text;
		int err;
	} bad[] = {
	        {"a", -EINVAL},       {"1-", -EINVAL},
	        {"3-1", -EINVAL},     {"-1", -EINVAL},
	        {"1,,2", -EINVAL},    {",1", -EINVAL},
	        {"1,", -EINVAL},      {"1 2", -EINVAL},
	        {"0-7:3/2", -EINVAL}, {"0-7:0/2", -EINVAL},
	        {"0-7:1", -EINVAL},   {"1024", -ERANGE},
	        {"0-1024", -ERANGE},  {"99999999999999999999", -ERANGE},
	        {"0x1", -EINVAL},     {"0-7:1/x", -EINVAL},
	};
	struct bh_cpus set;
	(void)state;
	for (size_t i = 0; i < BH_ARRAY_CNT(bad); i++)
		assert_int_equal(bh_cpus_parse_list(bad[i].text, &set), bad[i].err);
}

static void
what_is_no_mask_is_refused(void **state)
{
	static const char *const bad[] = {"", ",", ",f", "g", "0x1", "f,f", "-1", " 1"};
	struct bh_cpus set;
	char wide[300];
	(void)state;
	for (size_t i = 0; i < BH_ARRAY_CNT(bad); i++)
		assert_int_equal(bh_cpus_parse_mask(bad[i], &set), -EINVAL);
	memset(wide, 'f', sizeof(wide) - 1);
	wide[sizeof(wide) - 1] = '\0';
	assert_int_equal(bh_cpus_parse_mask(wide, &set), -ERANGE);
	memset(wide, '0', 40); /* zeroes in front are nothing */
	assert_int_equal(bh_cpus_parse_mask(wide, &set), -ERANGE);
}

static void
lists_are_read_and_written(void **state)
{
	static const struct {
		const char *text, *list, *mask;
		unsigned cnt, cpu_cnt;
	} good[] = {
	        {"", "", "0", 0, 4},
	        {"(null)", "", "00", 0, 8},
	        {"\n", "", "0", 0, 4},
	        {"0-3\n", "0-3", "f", 4, 4},
	        {"2,3", "2-3", "c", 2, 4},
	        {"0-3,8", "0-3,8", "10f", 5, 12},
	        {"0-7:2/4", "0-1,4-5", "33", 4, 8},
	        {"3,1,1", "1,3", "0a", 2, 8},
	        {"31-33", "31-33", "00000003,80000000", 3, 64},
	        {"1023", "1023", NULL, 1, 1024},
	        {"0-1023", "0-1023", NULL, 1024, 1024},
	};
	char text[BH_CPUS_TEXT_BYTES];
	(void)state;
	for (size_t i = 0; i < BH_ARRAY_CNT(good); i++) {
		struct bh_cpus set, again;
		assert_int_equal(bh_cpus_parse_list(good[i].text, &set), 0);
		assert_int_equal(bh_cpus_cnt(&set), good[i].cnt);
		assert_string_equal(bh_cpus_list(&set, text), good[i].list);
		bh_cpus_mask(&set, good[i].cpu_cnt, text);
		if (good[i].mask != NULL)
			assert_string_equal(text, good[i].mask);
		assert_int_equal(bh_cpus_parse_mask(text, &again), 0);
		assert_true(bh_cpus_equal(&set, &again));
	}
}

static void
every_other_cpu_still_fits_as_text(void **state)
{
	struct bh_cpus set = {0}, again;
	char text[BH_CPUS_TEXT_BYTES];
	(void)state;
	for (unsigned cpu = 0; cpu < BH_CPUS_MAX; cpu += 2)
		bh_cpus_add(&set, cpu);
	assert_int_equal(bh_cpus_parse_list(bh_cpus_list(&set, text), &again), 0);
	assert_true(bh_cpus_equal(&set, &again));
}

static void
sets_are_combined(void **state)
{
	struct bh_cpus a, b, c;
	unsigned seen = 0;
	(void)state;
	assert_int_equal(bh_cpus_parse_list("0-3,100", &a), 0);
	assert_int_equal(bh_cpus_parse_list("2-5", &b), 0);
	char text[BH_CPUS_TEXT_BYTES];
	c = bh_cpus_and(&a, &b);
	assert_string_equal(bh_cpus_list(&c, text), "2-3");
	c = bh_cpus_or(&a, &b);
	assert_string_equal(bh_cpus_list(&c, text), "0-5,100");
	c = bh_cpus_minus(&a, &b);
	assert_string_equal(bh_cpus_list(&c, text), "0-1,100");
	assert_true(bh_cpus_meet(&a, &b));
	assert_false(bh_cpus_inside(&a, &b));
	assert_true(bh_cpus_inside(&c, &a));
	assert_false(bh_cpus_meet(&c, &b));
	bh_cpus_each(cpu, &c) seen += cpu;
	assert_int_equal(seen, 101);
	bh_cpus_add(&c, BH_CPUS_MAX);
	assert_false(bh_cpus_has(&c, BH_CPUS_MAX));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(what_is_no_list_is_refused), cmocka_unit_test(what_is_no_mask_is_refused),
	        cmocka_unit_test(lists_are_read_and_written), cmocka_unit_test(every_other_cpu_still_fits_as_text),
	        cmocka_unit_test(sets_are_combined),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
