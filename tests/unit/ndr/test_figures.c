/* SPDX-License-Identifier: Apache-2.0 */
/* What a trial's cell printed: whole, cut short anywhere, and changed; and what it says about a load. */
#include "tests/unit/ndr/common.h"

#include <errno.h>
#include <math.h>

#include "host/ndr/figures.h"

#define LATENCY                                                                                                        \
	"\"latency_ns\": {\"min\": 371.5, \"mean\": 2000, \"stddev\": 1, \"p50\": 604, \"p90\": 813, \"p99\": 1740, "  \
	"\"p99_9\": 3000, \"p99_99\": 3500, \"max\": 3960}"
#define COUNTS(sent, received, lost, behind, duplicates)                                                               \
	"\"seconds\": 2.0, \"sent\": " sent ", \"received\": " received ", \"received_bytes\": 1, \"lost\": " lost     \
	", \"reordered\": 1, \"duplicates\": " duplicates ", \"corrupt\": 3, \"foreign\": 4, \"never_sent\": " behind
#define RUN(app)  "{\"outcome\": \"done\", \"failure\": null, \"app\": {" app "}}"
#define GOOD_TEXT RUN(COUNTS("1000", "992", "10", "100", "2") ", " LATENCY)

static void
refuse(const char *text, int want, const char *id)
{
	struct bh_ndr_figures figures;
	struct bh_error error = {0};
	if (bh_ndr_figures_parse(text, strlen(text), &figures, &error) != want)
		fail_msg("not %d: %s", want, text);
	assert_string_equal(error.id, id);
}

static void
no_figures_are_refused(void **state)
{
	static const char *const bad[] = {
	        "",
	        "{",
	        "[]",
	        "{}",
	        "3",
	        "{\"outcome\": 3}",
	        "{\"outcome\": \"done\"}",
	        "{\"outcome\": \"done\", \"outcome\": \"done\"}",
	        RUN(""),
	        RUN(LATENCY),
	        RUN(COUNTS("1000", "992", "10", "100", "2")),
	        RUN(COUNTS("1000", "992", "10", "100", "2") ", \"latency_ns\": {\"min\": 1}"),
	        RUN(COUNTS("-1", "992", "10", "100", "2") ", " LATENCY),
	        RUN(COUNTS("1e3", "992", "10", "100", "2") ", " LATENCY),
	        RUN(COUNTS("\"1000\"", "992", "10", "100", "2") ", " LATENCY),
	        RUN(COUNTS("1000", "992", "1001", "100", "2") ", " LATENCY),
	        RUN(COUNTS("1000", "1", "10", "100", "2") ", " LATENCY),
	        RUN(COUNTS("99999999999999999999", "992", "10", "100", "2") ", " LATENCY),
	};
	for (size_t i = 0; i < BH_ARRAY_CNT(bad); i++)
		refuse(bad[i], -EINVAL, "E372");
}

static void
a_cell_that_failed_says_why(void **state)
{
	struct bh_ndr_figures figures;
	struct bh_error error = {0};
	static const char text[] = "{\"outcome\": \"device-gone\", \"failure\": {\"text\": \"gen is gone\"}}";
	assert_int_equal(bh_ndr_figures_parse(text, strlen(text), &figures, &error), -EIO);
	assert_string_equal(error.id, "E373");
	assert_non_null(strstr(error.text, "gen is gone"));
	refuse("{\"outcome\": \"crashed\"}", -EIO, "E373");
}

static void
cut_short_anywhere(void **state)
{
	struct bh_ndr_figures figures;
	struct bh_error error;
	for (size_t len = 0; len + 1 < sizeof(GOOD_TEXT) - 1; len++) {
		char *copy = malloc(len + 1);
		memcpy(copy, GOOD_TEXT, len);
		assert_int_equal(bh_ndr_figures_parse(copy, len, &figures, &error), -EINVAL);
		free(copy);
	}
}

static void
good_output_is_read(void **state)
{
	struct bh_ndr_figures figures;
	struct bh_error error;
	assert_int_equal(bh_ndr_figures_parse(GOOD_TEXT, strlen(GOOD_TEXT), &figures, &error), 0);
	assert_int_equal(figures.sent, 1000);
	assert_int_equal(figures.received, 992);
	assert_int_equal(figures.lost, 10);
	assert_int_equal(figures.never_sent, 100);
	assert_int_equal(figures.duplicates, 2);
	assert_int_equal(figures.corrupt, 3);
	assert_int_equal(figures.foreign, 4);
	assert_true(fabs(figures.p99_ns - 1740) < 1e-9);
	assert_true(fabs(figures.min_ns - 371.5) < 1e-9);
}

static void
expect_judged(struct bh_ndr_figures figures, bool want_short, double want_loss)
{
	struct bh_ndr_trial trial = {.load_pps = 500};
	figures.seconds = 2;
	bh_ndr_figures_judge(&figures, 0.01, &trial);
	assert_int_equal(trial.short_offer, want_short);
	assert_true(fabs(trial.loss_ratio - want_loss) < 1e-9);
	assert_true(fabs(trial.offered_pps - (double)figures.sent / 2) < 1e-9);
}

static void
a_short_offer_is_no_loss_of_the_device(void **state)
{
	expect_judged((struct bh_ndr_figures){.sent = 0}, true, 1);
	expect_judged((struct bh_ndr_figures){.sent = 0, .never_sent = 5}, true, 1);
	expect_judged((struct bh_ndr_figures){.sent = 980, .never_sent = 20}, true, 0.02);
	expect_judged((struct bh_ndr_figures){.sent = 980, .never_sent = 20, .lost = 80}, true, 0.1);
	expect_judged((struct bh_ndr_figures){.sent = 990, .never_sent = 10}, false, 0);
	expect_judged((struct bh_ndr_figures){.sent = 1000, .lost = 5}, false, 0.005);
	expect_judged((struct bh_ndr_figures){.sent = 1000, .lost = 1000}, false, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(no_figures_are_refused),
	        cmocka_unit_test(a_cell_that_failed_says_why),
	        cmocka_unit_test(cut_short_anywhere),
	        cmocka_unit_test(good_output_is_read),
	        cmocka_unit_test(a_short_offer_is_no_loss_of_the_device),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
