/* SPDX-License-Identifier: Apache-2.0 */
/* Loads judged by their trials: numbers worked out by hand from RFC 9971, appendices A and B. */
#include "tests/unit/ndr/common.h"

#include <math.h>

#include "host/ndr/search.h"

static const struct bh_ndr_goal half = {.exceed_ratio = 0.5, .initial_s = 0.5, .final_s = 1, .sum_s = 3, .width = 0.01};
static const struct bh_ndr_goal strict = {.initial_s = 0.5, .final_s = 1, .sum_s = 3, .width = 0.01};
static const struct bh_ndr_goal partial = {
        .loss_ratio = 0.005, .exceed_ratio = 0.5, .initial_s = 0.5, .final_s = 1, .sum_s = 3, .width = 0.01};

/* G, B: a long good or bad trial; g, b: half as long; s: long, without loss, a short offer; p: long, loses 0.4 %. */
static void
book_make(struct bh_ndr_book *book, const char *trials)
{
	memset(book, 0, sizeof(*book));
	/* Another load's trials must not count. */
	book->trial[book->trial_cnt++] = (struct bh_ndr_trial){.load_pps = 99, .duration_s = 100, .loss_ratio = 1};
	book->trial[book->trial_cnt++] = (struct bh_ndr_trial){.load_pps = 101, .duration_s = 100};
	for (; *trials != '\0'; trials++) {
		book->trial[book->trial_cnt++] =
		        (struct bh_ndr_trial){.load_pps = 100,
		                              .duration_s = *trials == 'g' || *trials == 'b' ? 0.5 : 1,
		                              .loss_ratio = *trials == 'b' || *trials == 'B' ? 0.1
		                                            : *trials == 'p'                 ? 0.004
		                                                                             : 0,
		                              .short_offer = *trials == 's'};
	}
}

static void
expect(const struct bh_ndr_goal *goal, const char *trials, enum bh_ndr_bound want)
{
	struct bh_ndr_book book;
	book_make(&book, trials);
	if (bh_ndr_classify(&book, 100, goal) != want)
		fail_msg("'%s' is %u, want %u", trials, bh_ndr_classify(&book, 100, goal), want);
}

static void
bad_trials_make_an_upper_bound(void **state)
{
	expect(&half, "B", BH_NDR_UNDECIDED); /* 1 of 3 s: 1.5 may be bad */
	expect(&half, "BB", BH_NDR_UPPER);
	expect(&half, "ss", BH_NDR_UPPER);
	expect(&half, "GBB", BH_NDR_UPPER);
	expect(&half, "bbb", BH_NDR_UNDECIDED);
	expect(&half, "bbbb", BH_NDR_UPPER);
	expect(&half, "bbbbgg", BH_NDR_UNDECIDED); /* 1 s of good ones outweighs 1 s of bad ones */
	expect(&half, "BBgggg", BH_NDR_UPPER);     /* but not long ones */
	expect(&strict, "B", BH_NDR_UPPER);
	expect(&strict, "GGGb", BH_NDR_UPPER);
	expect(&partial, "BB", BH_NDR_UPPER);
}

static void
good_trials_make_a_lower_bound(void **state)
{
	expect(&half, "", BH_NDR_UNDECIDED);
	expect(&half, "G", BH_NDR_UNDECIDED);
	expect(&half, "GG", BH_NDR_LOWER);
	expect(&half, "GB", BH_NDR_UNDECIDED);
	expect(&half, "GBG", BH_NDR_LOWER);
	expect(&half, "gggggggggggggggg", BH_NDR_UNDECIDED); /* short ones alone decide nothing good */
	expect(&half, "GBGB", BH_NDR_LOWER);                 /* 2 of 4 s: just what may be */
	expect(&half, "GBGBB", BH_NDR_UPPER);
	expect(&strict, "GG", BH_NDR_UNDECIDED);
	expect(&strict, "GGG", BH_NDR_LOWER);
	expect(&partial, "pp", BH_NDR_LOWER);
	expect(&half, "pp", BH_NDR_UPPER);
}

static void
expect_conditional(const struct bh_ndr_goal *goal, const double *losses, uint32_t cnt, double want)
{
	struct bh_ndr_book book;
	book_make(&book, "");
	for (uint32_t i = 0; i < cnt; i++)
		book.trial[book.trial_cnt++] =
		        (struct bh_ndr_trial){.load_pps = 1000, .duration_s = 1, .loss_ratio = losses[i]};
	assert_true(fabs(bh_ndr_conditional_pps(&book, 1000, goal) - want) < 1e-6);
}

static void
conditional_throughput(void **state)
{
	expect_conditional(&half, NULL, 0, 0);
	expect_conditional(&half, (const double[]){0}, 1,
	                   0); /* half a second is still to come: all of it may be lost */
	expect_conditional(&half, (const double[]){0, 0}, 2, 1000);
	expect_conditional(&half, (const double[]){0.2, 0, 0.1}, 3, 900);
	expect_conditional(&half, (const double[]){0.1, 0.1, 0.1}, 3, 900); /* as much loss, each counted */
	expect_conditional(&half, (const double[]){0.5, 0, 0, 0}, 4, 1000);
	expect_conditional(&strict, (const double[]){0.2, 0, 0.1}, 3, 800);
	expect_conditional(&strict, (const double[]){0.2, 0}, 2, 0);
}

static void
relevant_bounds(void **state)
{
	struct bh_ndr_book book = {.trial_cnt = 0};
	static const struct {
		uint64_t load_pps;
		double loss_ratio;
	} trials[] = {{100, 0}, {200, 0}, {300, 0.1}, {400, 0}, {50, 0}};
	assert_int_equal(bh_ndr_bounds_of(&book, &strict).lower_pps, 0);
	assert_int_equal(bh_ndr_bounds_of(&book, &strict).upper_pps, 0);
	for (uint32_t i = 0; i < 3 * BH_ARRAY_CNT(trials); i++)
		book.trial[book.trial_cnt++] = (struct bh_ndr_trial){
		        .load_pps = trials[i / 3].load_pps, .duration_s = 1, .loss_ratio = trials[i / 3].loss_ratio};
	/* What is good above the lowest upper bound is of no interest. */
	assert_int_equal(bh_ndr_bounds_of(&book, &strict).lower_pps, 200);
	assert_int_equal(bh_ndr_bounds_of(&book, &strict).upper_pps, 300);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(bad_trials_make_an_upper_bound),
	        cmocka_unit_test(good_trials_make_a_lower_bound),
	        cmocka_unit_test(conditional_throughput),
	        cmocka_unit_test(relevant_bounds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
