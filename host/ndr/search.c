/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each goal in two steps: short trials look for the region, long ones decide there. A step without one of its bounds goes that way in
 * strides that double, then halves what is between.
 */
#include "host/ndr/search.h"

#include <errno.h>
#include <math.h>

#define COARSE     8.0 /* the first step is content with an interval so many times as wide */
#define STRIDE_MAX 0.9

struct step {
	uint32_t goal_idx;
	struct bh_ndr_goal goal; /* of this step: its durations and width */
	uint64_t start_pps;
	struct bh_ndr_bounds hint; /* from the step before; 0: none */
	double stride;
};

static int
measure_once(const struct bh_ndr_search *search, struct bh_ndr_book *book, const struct step *step, uint64_t load_pps)
{
	struct bh_ndr_trial trial = {.load_pps = load_pps, .duration_s = step->goal.final_s};
	if (book->trial_cnt == BH_NDR_TRIALS_MAX || search->out_of_time(search->context, step->goal_idx))
		return -ETIME;
	int err = search->measure(search->context, &trial);
	if (err == 0)
		book->trial[book->trial_cnt++] = trial;
	return err;
}

static uint64_t
stride_from(struct step *step, uint64_t from_pps, bool up)
{
	double to = (double)from_pps * (up ? 1 + step->stride : 1 - step->stride);
	step->stride = BH_MIN(step->stride * 2, STRIDE_MAX);
	return (uint64_t)(up ? ceil(to) : floor(to));
}

static uint64_t
between(struct bh_ndr_bounds bounds, double width)
{
	double lower = (double)bounds.lower_pps, upper = (double)bounds.upper_pps;
	if (upper - lower <= width * upper)
		return 0;
	uint64_t load_pps = (uint64_t)(upper > 2 * lower ? sqrt(lower * upper) : (lower + upper) / 2);
	return load_pps > bounds.lower_pps && load_pps < bounds.upper_pps ? load_pps : 0;
}

/* The load to try next. 0: this step has what it can have. */
static uint64_t
next_load(const struct bh_ndr_search *search, struct step *step, struct bh_ndr_bounds bounds)
{
	if (bounds.lower_pps != 0 && bounds.upper_pps != 0)
		return between(bounds, step->goal.width);
	if (bounds.lower_pps == 0 && bounds.upper_pps == 0)
		return step->start_pps;
	if (bounds.upper_pps == 0) {
		if (bounds.lower_pps >= search->max_pps)
			return 0;
		if (step->hint.upper_pps > bounds.lower_pps)
			return step->hint.upper_pps;
		return BH_MIN(stride_from(step, bounds.lower_pps, true), search->max_pps);
	}
	if (bounds.upper_pps <= search->min_pps)
		return 0;
	if (step->hint.lower_pps != 0 && step->hint.lower_pps < bounds.upper_pps)
		return step->hint.lower_pps;
	return BH_MAX(stride_from(step, bounds.upper_pps, false), search->min_pps);
}

/* Trials at a load until they say what it is. */
static int
decide(const struct bh_ndr_search *search, struct bh_ndr_book *book, const struct step *step, uint64_t load_pps)
{
	int err = 0;
	while (err == 0 && bh_ndr_classify(book, load_pps, &step->goal) == BH_NDR_UNDECIDED)
		err = measure_once(search, book, step, load_pps);
	return err;
}

static int
step_run(const struct bh_ndr_search *search, struct bh_ndr_book *book, struct step *step,
         struct bh_ndr_bounds *out_bounds)
{
	int err = 0;
	for (;;) {
		*out_bounds = bh_ndr_bounds_of(book, &step->goal);
		uint64_t load_pps = err == 0 ? next_load(search, step, *out_bounds) : 0;
		if (load_pps == 0)
			return err;
		err = decide(search, book, step, load_pps);
	}
}

/* Whether more than half of what was bad at a load was the generator's own fault. */
static bool
generator_is_the_limit(const struct bh_ndr_book *book, uint64_t load_pps, const struct bh_ndr_goal *goal)
{
	uint32_t bad_cnt = 0, short_cnt = 0;
	for (uint32_t i = 0; i < book->trial_cnt; i++) {
		const struct bh_ndr_trial *trial = &book->trial[i];
		if (trial->load_pps != load_pps)
			continue;
		short_cnt += trial->short_offer;
		bad_cnt += trial->short_offer || trial->loss_ratio > goal->loss_ratio;
	}
	return 2 * short_cnt > bad_cnt;
}

static double
least_offered_pps(const struct bh_ndr_book *book, uint64_t load_pps, const struct bh_ndr_goal *goal)
{
	double least = 0;
	for (uint32_t i = 0; i < book->trial_cnt; i++) {
		const struct bh_ndr_trial *trial = &book->trial[i];
		if (trial->load_pps == load_pps && trial->duration_s >= goal->final_s && !trial->short_offer &&
		    trial->loss_ratio <= goal->loss_ratio && (least <= 0 || trial->offered_pps < least))
			least = trial->offered_pps;
	}
	return least;
}

static void
conclude(const struct bh_ndr_book *book, const struct bh_ndr_goal *goal, int err, struct bh_ndr_rate *out)
{
	*out = (struct bh_ndr_rate){.bounds = bh_ndr_bounds_of(book, goal)};
	if (err != 0)
		out->end = BH_NDR_NO_TIME;
	else if (out->bounds.upper_pps == 0)
		out->end = BH_NDR_AT_MAX;
	else if (out->bounds.lower_pps == 0)
		out->end = BH_NDR_BELOW_MIN;
	if (out->bounds.lower_pps != 0) {
		out->conditional_pps = bh_ndr_conditional_pps(book, out->bounds.lower_pps, goal);
		out->offered_pps = least_offered_pps(book, out->bounds.lower_pps, goal);
	}
	if (out->bounds.upper_pps != 0)
		out->by_generator = generator_is_the_limit(book, out->bounds.upper_pps, goal);
}

/* Return: 0; -ETIME; or what `measure` returned. */
static int
goal_run(const struct bh_ndr_search *search, struct bh_ndr_book *book, uint32_t goal_idx, uint64_t start_pps)
{
	const struct bh_ndr_goal *goal = &search->goal[goal_idx];
	struct step coarse = {.goal_idx = goal_idx, .goal = *goal, .start_pps = start_pps};
	struct bh_ndr_bounds bounds;
	coarse.goal.width = BH_MIN(goal->width * COARSE, 0.5);
	coarse.goal.final_s = coarse.goal.sum_s = goal->initial_s;
	coarse.stride = coarse.goal.width;
	int err = step_run(search, book, &coarse, &bounds);
	struct step fine = {.goal_idx = goal_idx, .goal = *goal, .hint = bounds, .stride = coarse.goal.width};
	fine.start_pps = bounds.lower_pps != 0 ? bounds.lower_pps : bounds.upper_pps;
	return err == 0 ? step_run(search, book, &fine, &bounds) : err;
}

static bool
goal_is_valid(const struct bh_ndr_goal *goal)
{
	return goal->loss_ratio >= 0 && goal->loss_ratio < 1 && goal->exceed_ratio >= 0 && goal->exceed_ratio < 1 &&
	       goal->initial_s > 0 && goal->final_s >= goal->initial_s && goal->sum_s >= goal->final_s &&
	       goal->width > 0 && goal->width < 1;
}

int
bh_ndr_search_run(const struct bh_ndr_search *search, struct bh_ndr_book *book, struct bh_ndr_rate *out)
{
	uint64_t start_pps = search->start_pps != 0 ? search->start_pps : search->max_pps;
	int err = 0, ended[BH_NDR_GOALS_MAX];
	if (search->min_pps == 0 || search->max_pps < search->min_pps || search->goal_cnt > BH_NDR_GOALS_MAX)
		return -EINVAL;
	for (uint32_t i = 0; i < search->goal_cnt; i++) {
		if (!goal_is_valid(&search->goal[i]))
			return -EINVAL;
	}
	for (uint32_t i = 0; i < search->goal_cnt; i++) {
		start_pps = BH_MAX(BH_MIN(start_pps, search->max_pps), search->min_pps);
		if (err == 0 || err == -ETIME)
			err = goal_run(search, book, i, start_pps);
		ended[i] = err;
		uint64_t lower_pps = bh_ndr_bounds_of(book, &search->goal[i]).lower_pps;
		start_pps = lower_pps != 0 ? lower_pps : start_pps;
	}
	/* At the end, when all trials are there: those for one goal say something about the others, too. */
	for (uint32_t i = 0; i < search->goal_cnt; i++)
		conclude(book, &search->goal[i], ended[i], &out[i]);
	return err == -ETIME ? 0 : err;
}

const char *
bh_ndr_end_name(enum bh_ndr_end end)
{
	static const char *const name[] = {"found", "at-max", "below-min", "no-time"};
	return (unsigned)end < BH_ARRAY_CNT(name) ? name[end] : "?";
}
