/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/compare/program.h"
#include "host/compare/session.h"
#include "host/compare/text.h"

#define NEAR 0.4

const char *
bh_way_name(const struct bh_session *session, uint32_t variant_idx)
{
	return variant_idx == BH_NO_VARIANT ? NULL : session->subject->way_name(variant_idx);
}

static struct bh_run *
new_run(struct bh_session *session, uint32_t case_idx, enum bh_side side, uint32_t variant_idx, uint32_t round)
{
	if (session->run_cnt == BH_RUNS_MAX)
		return NULL;
	struct bh_run *run = &session->run[session->run_cnt++];
	*run = (struct bh_run){.case_idx = case_idx, .variant_idx = variant_idx, .side = side, .round = round};
	snprintf(run->raw, sizeof(run->raw), "raw/%03u-%c-%s.json", session->run_cnt, side == BH_SIDE_LINUX ? 'A' : 'B',
	         session->cases[case_idx].name);
	return run;
}

static void
say(const struct bh_session *session, const struct bh_run *run)
{
	char rate[24], p99[24];
	const char *way = run->side == BH_SIDE_CELL ? "cell" : bh_way_name(session, run->variant_idx);
	char stage[16] = "tuning";
	if (run->round > 0)
		snprintf(stage, sizeof(stage), "%c %u/%u", run->side == BH_SIDE_CELL ? 'B' : 'A', run->round,
		         session->round_cnt);
	if (run->ok)
		bh_session_say(session, "%-7s %-16s %-30s %8s %s   p99 %s\n", stage, session->cases[run->case_idx].name,
		               way, bh_text_rate(rate, sizeof(rate), run->figures.iops), session->subject->rate_unit,
		               bh_text_ns(p99, sizeof(p99), bh_lat_percentile(&run->figures.hist, 99)));
	else
		bh_session_say(session, "%-7s %-16s %-30s failed: %s\n", stage, session->cases[run->case_idx].name, way,
		               run->why_not);
}

struct bh_run *
bh_measure(struct bh_session *session, uint32_t case_idx, enum bh_side side, uint32_t variant_idx, uint32_t round,
           uint64_t duration_ns)
{
	struct bh_run *run = new_run(session, case_idx, side, variant_idx, round);
	if (run == NULL)
		return NULL;
	if (session->subject->run(session, run, duration_ns) != 0) {
		session->run_cnt--;
		return NULL;
	}
	say(session, run);
	return run;
}

/* Return: 0, or -ENOMEM, or -EINTR. */
static int
try_variant(struct bh_session *session, uint32_t case_idx, uint32_t variant_idx, const struct bh_run **fast,
            const struct bh_run **low)
{
	const char *why_not = NULL;
	if (!session->subject->fits(session, case_idx, variant_idx, &why_not)) {
		if (why_not != NULL)
			bh_session_note(session, "'%s' was not tried: %s", bh_way_name(session, variant_idx), why_not);
		return 0;
	}
	const struct bh_run *run = bh_measure(session, case_idx, BH_SIDE_LINUX, variant_idx, 0, session->tune_ns);
	if (run == NULL)
		return -ENOMEM;
	if (run->ok && (*fast == NULL || run->figures.iops > (*fast)->figures.iops))
		*fast = run;
	if (run->ok &&
	    (*low == NULL || bh_lat_percentile(&run->figures.hist, 99) < bh_lat_percentile(&(*low)->figures.hist, 99)))
		*low = run;
	return bh_program_stopped() ? -EINTR : 0;
}

/* Whether a way's first try was near enough to the best ones that a bad moment may have cost it first place. */
static bool
promising(const struct bh_session *session, uint32_t first_run, uint32_t variant_idx, const struct bh_run *fast,
          const struct bh_run *low)
{
	if (variant_idx == fast->variant_idx && variant_idx == low->variant_idx)
		return false; /* it has both */
	for (uint32_t i = first_run; i < session->run_cnt; i++) {
		const struct bh_run *run = &session->run[i];
		if (run->variant_idx != variant_idx || !run->ok)
			continue;
		return run->figures.iops > fast->figures.iops * NEAR ||
		       bh_lat_percentile(&run->figures.hist, 99) * NEAR < bh_lat_percentile(&low->figures.hist, 99);
	}
	return false;
}

/* Every way once, then those that may win once more: a machine that is busy for a moment must not choose for Linux. */
static int
tune_case(struct bh_session *session, uint32_t case_idx, const struct bh_run **fast, const struct bh_run **low)
{
	uint32_t first_run = session->run_cnt;
	int err = 0;
	for (uint32_t j = 0; bh_way_name(session, j) != NULL && err == 0; j++)
		err = try_variant(session, case_idx, j, fast, low);
	bool twice = *fast != NULL && session->tune_ns >= BH_TRY_TWICE_NS;
	for (uint32_t j = 0; bh_way_name(session, j) != NULL && err == 0 && twice; j++) {
		if (promising(session, first_run, j, *fast, *low))
			err = try_variant(session, case_idx, j, fast, low);
	}
	return err;
}

int
bh_tune(struct bh_session *session)
{
	for (uint32_t i = 0; i < session->case_cnt; i++) {
		const struct bh_run *fast = NULL, *low = NULL;
		session->best_iops[i] = session->best_p99[i] = BH_NO_VARIANT;
		if (session->cases[i].skip != BH_CASE_RUN || session->cases[i].reference)
			continue;
		int err = tune_case(session, i, &fast, &low);
		if (err != 0)
			return err;
		if (fast == NULL) {
			bh_session_note(session, "no %s worked for %s", session->subject->ways_about,
			                session->cases[i].name);
			continue;
		}
		session->best_iops[i] = fast->variant_idx;
		session->best_p99[i] = low->variant_idx;
	}
	return 0;
}
