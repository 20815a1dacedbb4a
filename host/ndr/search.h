/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The search for the highest load that a device under test carries: trials go into a book, a goal says what is wanted, and loads are
 * judged by all trials that were made at them (RFC 9971, Multiple Loss Ratio Search; its words are used here). RFC 2544's throughput
 * is the goal {loss 0, exceed 0, one trial of 60 s}.
 *
 * Pure: no clock, no device. Trials come from a function of the caller, which tests simulate. One thread.
 */
#ifndef HOST_NDR_SEARCH_H
#define HOST_NDR_SEARCH_H

#include <bulkhead/types.h>

#define BH_NDR_TRIALS_MAX 512u
#define BH_NDR_GOALS_MAX  4u

struct bh_ndr_trial {
	uint64_t load_pps;  /* intended */
	double duration_s;  /* intended */
	double loss_ratio;  /* 0 to 1: of what the device was given; of what was intended where short_offer */
	double offered_pps; /* what the generator sent */
	bool short_offer; /* the generator could not send what was intended: bad for every goal, and no fault of the device */
};

/* RFC 9971, 4.6: Search Goal. */
struct bh_ndr_goal {
	const char *name;    /* "ndr", "pdr" */
	double loss_ratio;   /* a trial with more is bad */
	double exceed_ratio; /* below 1: what part of the time at a load may be bad */
	double initial_s;    /* duration of the trials that look for the region; at most final_s */
	double final_s;      /* duration of the trials that decide */
	double sum_s;        /* how much of it is enough to decide about a load */
	double width;        /* relative: (upper - lower) / upper at the end */
};

struct bh_ndr_book {
	struct bh_ndr_trial trial[BH_NDR_TRIALS_MAX];
	uint32_t trial_cnt;
};

enum bh_ndr_bound { BH_NDR_UNDECIDED = 0, BH_NDR_LOWER, BH_NDR_UPPER };

/**
 * bh_ndr_classify - what the trials at a load say about it for a goal (RFC 9971, appendix A)
 * Trials shorter than final_s count, too: good ones balance bad ones, and can alone decide nothing good.
 */
enum bh_ndr_bound bh_ndr_classify(const struct bh_ndr_book *book, uint64_t load_pps, const struct bh_ndr_goal *goal);

/**
 * bh_ndr_conditional_pps - Conditional Throughput at a load (RFC 9971, appendix B): the load less the loss of the worst trial that
 * must be taken into account; 0 without a trial of final_s
 */
double bh_ndr_conditional_pps(const struct bh_ndr_book *book, uint64_t load_pps, const struct bh_ndr_goal *goal);

/* Relevant bounds: the lowest upper bound, and the highest lower bound below it. 0: there is none. */
struct bh_ndr_bounds {
	uint64_t lower_pps, upper_pps;
};

struct bh_ndr_bounds bh_ndr_bounds_of(const struct bh_ndr_book *book, const struct bh_ndr_goal *goal);

enum bh_ndr_end {
	BH_NDR_FOUND = 0,
	BH_NDR_AT_MAX,    /* max_pps is good: the device can do that or more */
	BH_NDR_BELOW_MIN, /* min_pps is bad: no rate was found */
	BH_NDR_NO_TIME, /* stopped: the bounds are what was known by then, possibly none, and wider apart than wanted */
};

struct bh_ndr_rate {
	enum bh_ndr_end end;
	struct bh_ndr_bounds bounds;
	double conditional_pps; /* of the lower bound; 0 without */
	double offered_pps; /* least that the generator sent in the good trials of final_s at the lower bound; 0 without */
	bool by_generator; /* what made the upper bound was the generator: the device may be faster */
};

struct bh_ndr_search {
	uint64_t min_pps, max_pps;
	uint64_t start_pps; /* where to begin; 0: max_pps */
	const struct bh_ndr_goal *goal;
	uint32_t goal_cnt; /* the one with the most loss first: it leads to the next */
	void *context;
	/* Makes a trial and fills loss_ratio, offered_pps, short_offer. Return: 0; negative: the search ends with it. */
	int (*measure)(void *context, struct bh_ndr_trial *trial);
	/* Whether to stop looking for a goal, and go on with the next: asked before each trial. */
	bool (*out_of_time)(void *context, uint32_t goal_idx);
};

/**
 * bh_ndr_search_run - bounds for each goal
 * @book: empty, or with trials of before; all trials stand there afterwards
 * @out:  goal_cnt of them
 *
 * Ends also where the device answers at random: each load costs at most sum_s / initial_s + 1 trials for each step, the interval
 * halves, and the book has an end.
 * Return: 0; -EINVAL a goal or a range that makes no sense; or what `measure` returned (`out` holds what was known).
 */
BH_MUST_CHECK int bh_ndr_search_run(const struct bh_ndr_search *search, struct bh_ndr_book *book,
                                    struct bh_ndr_rate *out);

const char *bh_ndr_end_name(enum bh_ndr_end end);

#endif
