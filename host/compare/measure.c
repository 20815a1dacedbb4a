/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/compare/program.h"
#include "host/compare/session.h"
#include "host/compare/text.h"

#define NEAR     0.4
#define START_NS UINT64_C(60000000000) /* a program that takes longer than that to come and go is stuck */

static void
plan_command(const struct bh_session *session, const struct bh_run *run, uint64_t duration_ns, struct bh_words *words)
{
	const struct bh_case *which = &session->cases[run->case_idx];
	char config[300];
	if (run->side == BH_SIDE_LINUX) {
		bh_plan_fio(words, &bh_variants[run->variant_idx], which, &session->target, session->cpu, duration_ns);
		return;
	}
	bh_text_path(config, sizeof(config), "%s/cell.conf", session->report_dir);
	bh_plan_cell(words, session->program, config, which, duration_ns);
}

/* What a failed program said last: the last line of its standard error that says something. */
static void
last_words(const char *err_path, char *out, size_t out_bytes)
{
	char *text, *line, *save = NULL;
	size_t bytes;
	if (bh_text_read_all(err_path, 1 << 20, &text, &bytes) != 0)
		return;
	for (line = strtok_r(text, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
		if (strncmp(line, "warning:", 8) != 0)
			snprintf(out, out_bytes, "%s", line);
	}
	free(text);
	for (char *c = out; *c != '\0'; c++) {
		if (*c < ' ' || *c > '~')
			*c = '?';
	}
}

static void
take_figures(struct bh_run *run, const char *out_path, const char *err_path, int exit_code)
{
	struct bh_error error = {0};
	char *text = NULL, words[160] = "";
	size_t bytes = 0;
	int err = bh_text_read_all(out_path, BH_FIGURES_TEXT_MAX, &text, &bytes);
	if (err == 0)
		err = run->side == BH_SIDE_LINUX ? bh_figures_fio(text, bytes, &run->figures, &error)
		                                 : bh_figures_cell(text, bytes, &run->figures, &error);
	free(text);
	run->ok = err == 0 && exit_code == 0;
	if (run->ok)
		return;
	last_words(err_path, words, sizeof(words));
	if (words[0] != '\0')
		snprintf(run->why_not, sizeof(run->why_not), "exit code %d: %s", exit_code, words);
	else
		snprintf(run->why_not, sizeof(run->why_not), "exit code %d: %.200s", exit_code,
		         error.text[0] != '\0' ? error.text : strerror(-err));
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
	const char *way = run->side == BH_SIDE_CELL ? "cell" : bh_variants[run->variant_idx].name;
	char stage[16] = "tuning";
	if (run->round > 0)
		snprintf(stage, sizeof(stage), "%c %u/%u", run->side == BH_SIDE_CELL ? 'B' : 'A', run->round,
		         session->round_cnt);
	if (run->ok)
		bh_session_say(session, "%-7s %-16s %-30s %8s IOPS   p99 %s\n", stage,
		               session->cases[run->case_idx].name, way,
		               bh_text_rate(rate, sizeof(rate), run->figures.iops),
		               bh_text_ns(p99, sizeof(p99), bh_lat_percentile(&run->figures.hist, 99)));
	else
		bh_session_say(session, "%-7s %-16s %-30s failed: %s\n", stage, session->cases[run->case_idx].name, way,
		               run->why_not);
}

struct bh_run *
bh_measure(struct bh_session *session, uint32_t case_idx, enum bh_side side, uint32_t variant_idx, uint32_t round,
           uint64_t duration_ns)
{
	struct bh_words words = {0};
	char out_path[400], err_path[400];
	int exit_code = -1;
	struct bh_run *run = new_run(session, case_idx, side, variant_idx, round);
	if (run == NULL)
		return NULL;
	plan_command(session, run, duration_ns, &words);
	run->command = words.failed ? NULL : bh_text_command((const char *const *)words.word);
	if (run->command == NULL) {
		session->run_cnt--;
		bh_words_free(&words);
		return NULL;
	}
	bh_text_path(out_path, sizeof(out_path), "%s/%s", session->report_dir, run->raw);
	bh_text_path(err_path, sizeof(err_path), "%s.err", out_path);
	int err = bh_program_run((const char *const *)words.word, out_path, err_path,
	                         duration_ns + BH_RAMP_NS + START_NS, &exit_code);
	if (err == 0)
		take_figures(run, out_path, err_path, exit_code);
	else
		snprintf(run->why_not, sizeof(run->why_not), "%s",
		         err == -EINTR ? "stopped by a signal" : strerror(-err));
	say(session, run);
	bh_words_free(&words);
	return run;
}

/* Return: 0, or -ENOMEM, or -EINTR. */
static int
try_variant(struct bh_session *session, uint32_t case_idx, uint32_t variant_idx, const struct bh_run **fast,
            const struct bh_run **low)
{
	const char *why_not;
	const struct bh_variant *variant = &bh_variants[variant_idx];
	if (!bh_plan_fits(variant, &session->cases[case_idx], &session->target, session->options->quick,
	                  session->poll_queues, &why_not)) {
		if (why_not != NULL)
			bh_session_note(session, "'%s' was not tried: %s", variant->name, why_not);
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
	for (uint32_t j = 0; j < bh_variant_cnt && err == 0; j++)
		err = try_variant(session, case_idx, j, fast, low);
	bool twice = *fast != NULL && session->tune_ns >= BH_TRY_TWICE_NS;
	for (uint32_t j = 0; j < bh_variant_cnt && err == 0 && twice; j++) {
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
			bh_session_note(session, "no way of driving the device from Linux worked for %s",
			                session->cases[i].name);
			continue;
		}
		session->best_iops[i] = fast->variant_idx;
		session->best_p99[i] = low->variant_idx;
	}
	return 0;
}
