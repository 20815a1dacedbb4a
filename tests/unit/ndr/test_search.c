/* SPDX-License-Identifier: Apache-2.0 */
/* The search against devices that the test plays, in virtual time. */
#include "tests/unit/ndr/common.h"

#include <errno.h>
#include <math.h>

#include "host/ndr/search.h"

#define PDR 0
#define NDR 1

/* A device, its generator, and the machine's noise. */
struct device {
	double capacity_pps;
	double generator_pps; /* 0: as fast as asked for */
	double blip_part;     /* of the trials lose a little whatever the load is */
	bool random;          /* answers have nothing to do with the load */
	double time_s, time_max_s;
	uint32_t fail_at; /* 0: never */
	uint32_t trial_cnt;
	uint64_t rng, load_min, load_max;
};

static double
draw(struct device *device)
{
	device->rng ^= device->rng << 13;
	device->rng ^= device->rng >> 7;
	device->rng ^= device->rng << 17;
	return (double)(device->rng >> 11) / (double)(UINT64_C(1) << 53);
}

static int
measure(void *context, struct bh_ndr_trial *trial)
{
	struct device *device = context;
	double load = (double)trial->load_pps;
	device->time_s += trial->duration_s;
	device->load_min = BH_MIN(device->load_min, trial->load_pps);
	device->load_max = BH_MAX(device->load_max, trial->load_pps);
	if (++device->trial_cnt == device->fail_at)
		return -EIO;
	trial->offered_pps = load;
	if (device->random) {
		trial->loss_ratio = draw(device) < 0.5 ? 0 : draw(device);
		return 0;
	}
	if (device->generator_pps > 0 && load > device->generator_pps) {
		trial->offered_pps = device->generator_pps;
		trial->short_offer = true;
	}
	trial->loss_ratio = BH_MAX(0.0, 1 - device->capacity_pps / load);
	if (draw(device) < device->blip_part)
		trial->loss_ratio = BH_MAX(trial->loss_ratio, 0.03);
	return 0;
}

static bool
out_of_time(void *context, uint32_t goal_idx)
{
	const struct device *device = context;
	return device->time_max_s > 0 && device->time_s >= device->time_max_s * (goal_idx + 1) / 2;
}

static struct bh_ndr_goal
goal_of(double loss_ratio, double exceed_ratio)
{
	return (struct bh_ndr_goal){.loss_ratio = loss_ratio,
	                            .exceed_ratio = exceed_ratio,
	                            .initial_s = 0.25,
	                            .final_s = 1,
	                            .sum_s = 5,
	                            .width = 0.01};
}

static int
run(struct device *device, double exceed_ratio, uint64_t max_pps, struct bh_ndr_book *book, struct bh_ndr_rate *rate)
{
	const struct bh_ndr_goal goal[2] = {goal_of(0.005, exceed_ratio), goal_of(0, exceed_ratio)};
	struct bh_ndr_search search = {.min_pps = 1000,
	                               .max_pps = max_pps,
	                               .goal = goal,
	                               .goal_cnt = 2,
	                               .context = device,
	                               .measure = measure,
	                               .out_of_time = out_of_time};
	memset(book, 0, sizeof(*book));
	device->rng = device->rng != 0 ? device->rng : 88172645463325252;
	device->load_min = UINT64_MAX;
	int err = bh_ndr_search_run(&search, book, rate);
	assert_int_equal(book->trial_cnt + (device->fail_at != 0 && device->trial_cnt == device->fail_at),
	                 device->trial_cnt);
	assert_true(device->trial_cnt == 0 || (device->load_min >= 1000 && device->load_max <= max_pps));
	return err;
}

static void
what_makes_no_sense_is_refused(void **state)
{
	struct device device = {.capacity_pps = 1e6};
	struct bh_ndr_book book = {.trial_cnt = 0};
	struct bh_ndr_rate rate[5];
	struct bh_ndr_goal goal = goal_of(0, 0.5);
	struct bh_ndr_search good = {.min_pps = 10,
	                             .max_pps = 20,
	                             .goal = &goal,
	                             .goal_cnt = 1,
	                             .context = &device,
	                             .measure = measure,
	                             .out_of_time = out_of_time};
	struct bh_ndr_search bad = good;
	bad.min_pps = 0;
	assert_int_equal(bh_ndr_search_run(&bad, &book, rate), -EINVAL);
	bad.min_pps = 21;
	assert_int_equal(bh_ndr_search_run(&bad, &book, rate), -EINVAL);
	bad = good;
	bad.goal_cnt = BH_NDR_GOALS_MAX + 1;
	assert_int_equal(bh_ndr_search_run(&bad, &book, rate), -EINVAL);
	static const struct bh_ndr_goal wrong[] = {
	        {"", -0.1, 0.5, 1, 1, 1, 0.1}, {"", 1, 0.5, 1, 1, 1, 0.1}, {"", 0, 1, 1, 1, 1, 0.1},
	        {"", 0, -1, 1, 1, 1, 0.1},     {"", 0, 0.5, 0, 1, 1, 0.1}, {"", 0, 0.5, 2, 1, 1, 0.1},
	        {"", 0, 0.5, 1, 2, 1, 0.1},    {"", 0, 0.5, 1, 1, 1, 0},   {"", 0, 0.5, 1, 1, 1, 1},
	        {"", NAN, 0.5, 1, 1, 1, 1},
	};
	for (size_t i = 0; i < BH_ARRAY_CNT(wrong); i++) {
		goal = wrong[i];
		assert_int_equal(bh_ndr_search_run(&good, &book, rate), -EINVAL);
	}
	assert_int_equal(device.trial_cnt, 0);
}

static void
a_failure_ends_it_with_what_was_known(void **state)
{
	struct bh_ndr_book book;
	struct bh_ndr_rate rate[2];
	for (uint32_t at = 1; at < 20; at++) {
		struct device device = {.capacity_pps = 3e5, .fail_at = at};
		assert_int_equal(run(&device, 0.5, 1000000, &book, rate), -EIO);
		assert_int_equal(device.trial_cnt, at);
		assert_int_equal(rate[NDR].end, BH_NDR_NO_TIME);
	}
}

static void
a_device_that_forwards_nothing(void **state)
{
	struct device device = {.capacity_pps = 0};
	struct bh_ndr_book book;
	struct bh_ndr_rate rate[2];
	assert_int_equal(run(&device, 0.5, 10000000, &book, rate), 0);
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(rate[i].end, BH_NDR_BELOW_MIN);
		assert_int_equal(rate[i].bounds.lower_pps, 0);
		assert_int_equal(rate[i].bounds.upper_pps, 1000);
		assert_false(rate[i].by_generator);
	}
	assert_true(device.trial_cnt < 40);
}

static void
time_that_is_up_ends_it(void **state)
{
	struct bh_ndr_book book;
	struct bh_ndr_rate rate[2];
	for (double max_s = 0.1; max_s < 30; max_s += 0.7) {
		struct device device = {.capacity_pps = 3e5, .time_max_s = max_s};
		assert_int_equal(run(&device, 0.5, 1000000, &book, rate), 0);
		assert_true(device.time_s <= max_s + 1);
		struct bh_ndr_bounds bounds = rate[NDR].bounds;
		assert_true(bounds.lower_pps <= 300000);
		assert_true(bounds.upper_pps == 0 || bounds.upper_pps > 300000);
		if (rate[NDR].end == BH_NDR_FOUND)
			assert_true(bounds.lower_pps > 296000);
	}
}

/* What the time for one goal showed is known for the other, too. */
static void
a_goal_without_time_has_the_other_ones_trials(void **state)
{
	struct bh_ndr_book book;
	struct bh_ndr_rate rate[2];
	uint32_t known_cnt = 0;
	for (uint32_t at = 1; at < 20; at++) {
		struct device device = {.capacity_pps = 3e5, .fail_at = at};
		assert_int_equal(run(&device, 0.5, 1000000, &book, rate), -EIO);
		uint64_t lower_pps = rate[PDR].bounds.lower_pps;
		if (lower_pps == 0 || lower_pps > 300000)
			continue;
		assert_int_equal(rate[NDR].end, BH_NDR_NO_TIME);
		assert_int_equal(rate[NDR].bounds.lower_pps, lower_pps);
		known_cnt++;
	}
	assert_true(known_cnt > 3);
}

static void
answers_at_random_end_it_too(void **state)
{
	struct bh_ndr_book book;
	struct bh_ndr_rate rate[2];
	for (uint64_t seed = 1; seed < 500; seed++) {
		struct device device = {.random = true, .rng = seed * UINT64_C(0x9e3779b97f4a7c15)};
		assert_int_equal(run(&device, seed % 2 ? 0.5 : 0, 10000000, &book, rate), 0);
		assert_true(device.trial_cnt <= BH_NDR_TRIALS_MAX);
		for (uint32_t i = 0; i < 2; i++)
			assert_true(rate[i].bounds.upper_pps == 0 ||
			            rate[i].bounds.lower_pps < rate[i].bounds.upper_pps);
	}
}

static void
faster_than_the_range(void **state)
{
	struct device device = {.capacity_pps = 1e9};
	struct bh_ndr_book book;
	struct bh_ndr_rate rate[2];
	assert_int_equal(run(&device, 0.5, 1000000, &book, rate), 0);
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(rate[i].end, BH_NDR_AT_MAX);
		assert_int_equal(rate[i].bounds.lower_pps, 1000000);
		assert_int_equal(rate[i].bounds.upper_pps, 0);
		assert_true(fabs(rate[i].conditional_pps - 1e6) < 1e-6);
	}
	assert_true(device.trial_cnt < 10);
}

static void
a_slow_generator_is_told_from_a_slow_device(void **state)
{
	struct bh_ndr_book book;
	struct bh_ndr_rate rate[2];
	struct device device = {.capacity_pps = 9e5, .generator_pps = 5e5};
	assert_int_equal(run(&device, 0.5, 1000000, &book, rate), 0);
	assert_true(rate[NDR].by_generator);
	assert_true(rate[NDR].bounds.lower_pps <= 500000 && rate[NDR].bounds.lower_pps > 490000);
	device = (struct device){.capacity_pps = 5e5, .generator_pps = 9e5};
	assert_int_equal(run(&device, 0.5, 1000000, &book, rate), 0);
	assert_false(rate[NDR].by_generator);
}

static void
bounds_hold(const struct device *device, const struct bh_ndr_rate *rate, double loss_ratio)
{
	double most = device->capacity_pps / (1 - loss_ratio); /* the load that loses just as much */
	assert_int_equal(rate->end, BH_NDR_FOUND);
	assert_true((double)rate->bounds.lower_pps <= most);
	assert_true((double)rate->bounds.upper_pps > most);
	assert_true((double)(rate->bounds.upper_pps - rate->bounds.lower_pps) <=
	            0.01 * (double)rate->bounds.upper_pps + 1);
	assert_true(rate->conditional_pps <= (double)rate->bounds.lower_pps + 1e-6);
	assert_true(rate->conditional_pps >= (double)rate->bounds.lower_pps * (1 - loss_ratio) - 1e-6);
	assert_true(rate->offered_pps > 0);
}

static void
the_capacity_lies_between_the_bounds(void **state)
{
	struct bh_ndr_book book;
	struct bh_ndr_rate rate[2];
	struct device any = {.rng = 7};
	for (uint32_t i = 0; i < 2000; i++) {
		struct device device = {.capacity_pps = 2000 * pow(4000, draw(&any))};
		assert_int_equal(run(&device, i % 2 ? 0.5 : 0, 10000000, &book, rate), 0);
		bounds_hold(&device, &rate[PDR], 0.005);
		bounds_hold(&device, &rate[NDR], 0);
		assert_true(device.time_s < 120);
	}
}

/* One trial in five loses something for reasons of the machine. RFC 2544's rule finds nothing near; half of the trials do. */
static void
noise_is_outvoted(void **state)
{
	struct bh_ndr_book book;
	struct bh_ndr_rate rate[2];
	uint32_t near_cnt = 0, strict_cnt = 0;
	for (uint64_t seed = 1; seed <= 300; seed++) {
		struct device device = {
		        .capacity_pps = 4e5, .blip_part = 0.2, .rng = seed * UINT64_C(0x9e3779b97f4a7c15)};
		struct device same = device;
		assert_int_equal(run(&device, 0.5, 1000000, &book, rate), 0);
		assert_true((double)rate[NDR].bounds.lower_pps <= 4e5);
		near_cnt += rate[NDR].bounds.lower_pps > 380000;
		assert_int_equal(run(&same, 0, 1000000, &book, rate), 0);
		strict_cnt += rate[NDR].bounds.lower_pps > 380000;
	}
	assert_true(near_cnt > 240);
	assert_true(strict_cnt < 60);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(what_makes_no_sense_is_refused),
	        cmocka_unit_test(a_failure_ends_it_with_what_was_known),
	        cmocka_unit_test(a_device_that_forwards_nothing),
	        cmocka_unit_test(time_that_is_up_ends_it),
	        cmocka_unit_test(a_goal_without_time_has_the_other_ones_trials),
	        cmocka_unit_test(answers_at_random_end_it_too),
	        cmocka_unit_test(faster_than_the_range),
	        cmocka_unit_test(a_slow_generator_is_told_from_a_slow_device),
	        cmocka_unit_test(the_capacity_lies_between_the_bounds),
	        cmocka_unit_test(noise_is_outvoted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
