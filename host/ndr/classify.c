/* SPDX-License-Identifier: Apache-2.0 */
/* What the trials at a load say about it: RFC 9971, appendices A and B. */
#include "host/ndr/search.h"

#define SHORT_S 1e-9 /* durations are compared as they were asked for */

/* Seconds at one load, by duration (long: final_s or more) and result. */
struct sums {
	double good_long, bad_long, good_short, bad_short;
};

static bool
good(const struct bh_ndr_trial *trial, const struct bh_ndr_goal *goal)
{
	return !trial->short_offer && trial->loss_ratio <= goal->loss_ratio;
}

static bool
is_long(const struct bh_ndr_trial *trial, const struct bh_ndr_goal *goal)
{
	return trial->duration_s + SHORT_S >= goal->final_s;
}

static struct sums
sums_of(const struct bh_ndr_book *book, uint64_t load_pps, const struct bh_ndr_goal *goal)
{
	struct sums sums = {0};
	for (uint32_t i = 0; i < book->trial_cnt; i++) {
		const struct bh_ndr_trial *trial = &book->trial[i];
		if (trial->load_pps != load_pps)
			continue;
		double *to = is_long(trial, goal) ? (good(trial, goal) ? &sums.good_long : &sums.bad_long)
		                                  : (good(trial, goal) ? &sums.good_short : &sums.bad_short);
		*to += trial->duration_s;
	}
	return sums;
}

enum bh_ndr_bound
bh_ndr_classify(const struct bh_ndr_book *book, uint64_t load_pps, const struct bh_ndr_goal *goal)
{
	struct sums sums = sums_of(book, load_pps, goal);
	double balancing = sums.good_short * goal->exceed_ratio / (1 - goal->exceed_ratio);
	double bad = sums.bad_long + BH_MAX(0.0, sums.bad_short - balancing);
	double whole = BH_MAX(sums.good_long + bad, goal->sum_s);
	double may_be_bad = whole * goal->exceed_ratio;
	bool optimistic = bad <= may_be_bad + SHORT_S, pessimistic = whole - sums.good_long <= may_be_bad + SHORT_S;
	if (optimistic != pessimistic)
		return BH_NDR_UNDECIDED;
	return optimistic ? BH_NDR_LOWER : BH_NDR_UPPER;
}

/* The trial with the least loss above `above`, or as much at a later place: one after the other in order of loss. */
static const struct bh_ndr_trial *
next_by_loss(const struct bh_ndr_book *book, uint64_t load_pps, const struct bh_ndr_goal *goal,
             const struct bh_ndr_trial *after)
{
	const struct bh_ndr_trial *best = NULL;
	for (uint32_t i = 0; i < book->trial_cnt; i++) {
		const struct bh_ndr_trial *trial = &book->trial[i];
		if (trial->load_pps != load_pps || !is_long(trial, goal))
			continue;
		if (after != NULL && (trial->loss_ratio < after->loss_ratio ||
		                      (trial->loss_ratio <= after->loss_ratio && trial <= after)))
			continue;
		if (best == NULL || trial->loss_ratio < best->loss_ratio)
			best = trial;
	}
	return best;
}

double
bh_ndr_conditional_pps(const struct bh_ndr_book *book, uint64_t load_pps, const struct bh_ndr_goal *goal)
{
	struct sums sums = sums_of(book, load_pps, goal);
	double left = BH_MAX(goal->sum_s, sums.good_long + sums.bad_long) * (1 - goal->exceed_ratio);
	const struct bh_ndr_trial *trial = next_by_loss(book, load_pps, goal, NULL);
	double loss_ratio = 1;
	if (trial == NULL)
		return 0;
	for (; trial != NULL && left > SHORT_S; trial = next_by_loss(book, load_pps, goal, trial)) {
		loss_ratio = trial->loss_ratio;
		left -= trial->duration_s;
	}
	return left > SHORT_S ? 0 : (double)load_pps * (1 - loss_ratio);
}

struct bh_ndr_bounds
bh_ndr_bounds_of(const struct bh_ndr_book *book, const struct bh_ndr_goal *goal)
{
	struct bh_ndr_bounds bounds = {0};
	for (uint32_t i = 0; i < book->trial_cnt; i++) {
		uint64_t load_pps = book->trial[i].load_pps;
		if ((bounds.upper_pps == 0 || load_pps < bounds.upper_pps) &&
		    bh_ndr_classify(book, load_pps, goal) == BH_NDR_UPPER)
			bounds.upper_pps = load_pps;
	}
	for (uint32_t i = 0; i < book->trial_cnt; i++) {
		uint64_t load_pps = book->trial[i].load_pps;
		if (load_pps > bounds.lower_pps && (bounds.upper_pps == 0 || load_pps < bounds.upper_pps) &&
		    bh_ndr_classify(book, load_pps, goal) == BH_NDR_LOWER)
			bounds.lower_pps = load_pps;
	}
	return bounds;
}
