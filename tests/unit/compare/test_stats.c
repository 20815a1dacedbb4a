/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/compare/common.h"

#include "host/compare/stats.h"

static void
nothing_has_no_median(void **state)
{
	double none[1] = {0};
	(void)state;
	assert_int_equal(bh_spread_of(none, 0).cnt, 0);
	assert_int_equal(bh_spread_ratio(none, none, 1).cnt, 0);
}

static void
medians(void **state)
{
	double odd[] = {5, 1, 9}, even[] = {4, 1, 2, 8}, one[] = {7};
	(void)state;
	struct bh_spread spread = bh_spread_of(odd, 3);
	assert_true(spread.median == 5 && spread.min == 1 && spread.max == 9 && spread.cnt == 3);
	assert_true(bh_spread_of(even, 4).median == 3);
	assert_true(bh_spread_of(one, 1).median == 7);
}

/* The median of the pairs' ratios, not the ratio of medians: the machine's drift goes through both of a pair. */
static void
ratios_go_by_pair(void **state)
{
	const double b[] = {10, 40, 90}, a[] = {10, 20, 30};
	const double with_hole[] = {10, 0, 30};
	(void)state;
	struct bh_spread spread = bh_spread_ratio(b, a, 3);
	assert_true(spread.median == 2 && spread.min == 1 && spread.max == 3);
	assert_int_equal(bh_spread_ratio(b, with_hole, 3).cnt, 2);
}

static void
texts_have_three_digits(void **state)
{
	char text[24];
	(void)state;
	assert_string_equal(bh_text_ns(text, sizeof(text), 312.4), "312 ns");
	assert_string_equal(bh_text_ns(text, sizeof(text), 4512), "4.51 us");
	assert_string_equal(bh_text_ns(text, sizeof(text), 14600000), "14.6 ms");
	assert_string_equal(bh_text_ns(text, sizeof(text), 999600), "1.00 ms");
	assert_string_equal(bh_text_rate(text, sizeof(text), 812), "812");
	assert_string_equal(bh_text_rate(text, sizeof(text), 4000), "4000");
	assert_string_equal(bh_text_rate(text, sizeof(text), 29912), "29.9 k");
	assert_string_equal(bh_text_rate(text, sizeof(text), 4012345), "4.01 M");
	assert_string_equal(bh_text_ratio(text, sizeof(text), 3.14), "3.1");
	assert_string_equal(bh_text_ratio(text, sizeof(text), 0.333), "0.33");
	assert_string_equal(bh_text_ratio(text, sizeof(text), 12.4), "12");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(nothing_has_no_median),
	        cmocka_unit_test(medians),
	        cmocka_unit_test(ratios_go_by_pair),
	        cmocka_unit_test(texts_have_three_digits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
