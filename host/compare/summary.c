/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "host/compare/session.h"

/* The figures of one side in one round; 0: it did not do well, or was not run. */
struct entry {
	double iops, p50, p99;
};

static const struct bh_run *
find_run(const struct bh_session *session, uint32_t case_idx, enum bh_side side, uint32_t variant_idx, uint32_t round)
{
	for (uint32_t i = 0; i < session->run_cnt; i++) {
		const struct bh_run *run = &session->run[i];
		if (run->case_idx == case_idx && run->side == side && run->round == round &&
		    run->variant_idx == variant_idx)
			return run;
	}
	return NULL;
}

static bool
good(const struct bh_run *run)
{
	return run != NULL && run->ok;
}

/* A's best at each: throughput from one way, latency perhaps from another. */
static bool
pair_of(const struct bh_session *session, uint32_t case_idx, uint32_t round, struct entry out[2],
        const struct bh_run *hist_run[2])
{
	const struct bh_run *fast = find_run(session, case_idx, BH_SIDE_LINUX, session->best_iops[case_idx], round);
	const struct bh_run *low = find_run(session, case_idx, BH_SIDE_LINUX, session->best_p99[case_idx], round);
	const struct bh_run *cell = find_run(session, case_idx, BH_SIDE_CELL, BH_NO_VARIANT, round);
	bool reference = session->cases[case_idx].reference;

	if (!good(cell) || (!reference && (!good(fast) || !good(low))))
		return false;
	hist_run[BH_SIDE_CELL] = cell;
	hist_run[BH_SIDE_LINUX] = NULL;
	out[BH_SIDE_CELL] = (struct entry){cell->figures.iops, bh_lat_percentile(&cell->figures.hist, 50),
	                                   bh_lat_percentile(&cell->figures.hist, 99)};
	if (reference)
		return true;
	hist_run[BH_SIDE_LINUX] = low;
	out[BH_SIDE_LINUX] = (struct entry){
	        BH_MAX(fast->figures.iops, low->figures.iops),
	        BH_MIN(bh_lat_percentile(&low->figures.hist, 50), bh_lat_percentile(&fast->figures.hist, 50)),
	        BH_MIN(bh_lat_percentile(&low->figures.hist, 99), bh_lat_percentile(&fast->figures.hist, 99))};
	if (bh_lat_percentile(&fast->figures.hist, 99) < bh_lat_percentile(&low->figures.hist, 99))
		hist_run[BH_SIDE_LINUX] = fast;
	return true;
}

static uint32_t
failed_runs(const struct bh_session *session, uint32_t case_idx)
{
	uint32_t cnt = 0;
	for (uint32_t i = 0; i < session->run_cnt; i++)
		cnt += session->run[i].case_idx == case_idx && session->run[i].round > 0 && !session->run[i].ok;
	return cnt;
}

static int
summarize_case(const struct bh_session *session, uint32_t case_idx, struct bh_summary *out)
{
	double value[3][2][BH_COMPARE_ROUNDS_MAX];
	struct entry entry[2];
	const struct bh_run *hist_run[2];
	uint32_t cnt = 0;

	for (uint32_t round = 1; round <= session->round_cnt; round++) {
		memset(entry, 0, sizeof(entry));
		if (!pair_of(session, case_idx, round, entry, hist_run))
			continue;
		for (int side = 0; side < 2; side++) {
			value[0][side][cnt] = entry[side].iops;
			value[1][side][cnt] = entry[side].p50;
			value[2][side][cnt] = entry[side].p99;
			if (hist_run[side] != NULL &&
			    bh_lat_hist_add(&out->hist[side], &hist_run[side]->figures.hist) != 0)
				return -ENOMEM;
		}
		cnt++;
	}
	out->pair_cnt = cnt;
	out->failed_cnt = failed_runs(session, case_idx);
	out->iops_ratio = bh_spread_ratio(value[0][BH_SIDE_CELL], value[0][BH_SIDE_LINUX], cnt);
	out->p99_ratio = bh_spread_ratio(value[2][BH_SIDE_LINUX], value[2][BH_SIDE_CELL], cnt);
	for (int side = 0; side < 2; side++) {
		bool measured = side == BH_SIDE_CELL || !session->cases[case_idx].reference;
		out->iops[side] = bh_spread_of(value[0][side], measured ? cnt : 0);
		out->p50[side] = bh_spread_of(value[1][side], measured ? cnt : 0);
		out->p99[side] = bh_spread_of(value[2][side], measured ? cnt : 0);
	}
	return 0;
}

int
bh_summarize(struct bh_session *session)
{
	for (uint32_t i = 0; i < session->case_cnt; i++) {
		int err = summarize_case(session, i, &session->summary[i]);
		if (err != 0)
			return err;
	}
	return 0;
}
