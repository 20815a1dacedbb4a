/* SPDX-License-Identifier: Apache-2.0 */
/* The table for a terminal. */
#include <string.h>

#include "host/compare/session.h"

static void
print_head(const struct bh_session *session, FILE *stream)
{
	const struct bh_target *target = &session->target;
	char rate[2][24];
	fprintf(stream, "\n%s  %s  %s  (CPU %u%s, %u pairs of %g s)\n", target->address, target->model, target->disk,
	        session->cpu, session->cpu_isolated ? ", isolated" : "", session->round_cnt,
	        (double)session->duration_ns / 1e9);
	snprintf(rate[0], sizeof(rate[0]), "%s A", session->subject->rate_unit);
	snprintf(rate[1], sizeof(rate[1]), "%s B", session->subject->rate_unit);
	fprintf(stream, "medians of the runs; in brackets the lowest and the highest pair\n\n");
	fprintf(stream, "%-17s %9s %9s  %-18s %9s %9s  %-18s\n", "", rate[0], rate[1], "B / A", "p99 A", "p99 B",
	        "A / B");
}

static const char *
ratio_text(char *text, size_t text_bytes, const struct bh_spread *ratio)
{
	char median[16], min[16], max[16];
	if (ratio->cnt == 0)
		snprintf(text, text_bytes, "-");
	else
		snprintf(text, text_bytes, "%s  (%s..%s)", bh_text_ratio(median, sizeof(median), ratio->median),
		         bh_text_ratio(min, sizeof(min), ratio->min), bh_text_ratio(max, sizeof(max), ratio->max));
	return text;
}

static const char *
rate_or_dash(char *text, size_t text_bytes, const struct bh_spread *spread)
{
	if (spread->cnt == 0)
		snprintf(text, text_bytes, "-");
	else
		bh_text_rate(text, text_bytes, spread->median);
	return text;
}

static const char *
time_or_dash(char *text, size_t text_bytes, const struct bh_spread *spread)
{
	if (spread->cnt == 0)
		snprintf(text, text_bytes, "-");
	else
		bh_text_ns(text, text_bytes, spread->median);
	return text;
}

static void
print_case(const struct bh_session *session, uint32_t idx, FILE *stream)
{
	static const char *const skipped[] = {"", "writes: add --destructive and the serial number",
	                                      "the device's blocks are larger"};
	const struct bh_case *which = &session->cases[idx];
	const struct bh_summary *summary = &session->summary[idx];
	char rate[2][24], p99[2][24], ratio[2][48];

	if (which->skip != BH_CASE_RUN) {
		fprintf(stream, "%-17s not measured here (%s)\n", which->name, skipped[which->skip]);
		return;
	}
	fprintf(stream, "%-17s %9s %9s  %-18s %9s %9s  %-18s", which->name,
	        rate_or_dash(rate[0], sizeof(rate[0]), &summary->iops[BH_SIDE_LINUX]),
	        rate_or_dash(rate[1], sizeof(rate[1]), &summary->iops[BH_SIDE_CELL]),
	        ratio_text(ratio[0], sizeof(ratio[0]), &summary->iops_ratio),
	        time_or_dash(p99[0], sizeof(p99[0]), &summary->p99[BH_SIDE_LINUX]),
	        time_or_dash(p99[1], sizeof(p99[1]), &summary->p99[BH_SIDE_CELL]),
	        ratio_text(ratio[1], sizeof(ratio[1]), &summary->p99_ratio));
	if (summary->failed_cnt > 0)
		fprintf(stream, "  %u runs FAILED", summary->failed_cnt);
	fputc('\n', stream);
	if (session->best_iops[idx] == BH_NO_VARIANT || which->reference)
		return;
	fprintf(stream, "%-17s A: %s", "", bh_way_name(session, session->best_iops[idx]));
	if (session->best_p99[idx] != session->best_iops[idx])
		fprintf(stream, "; p99 also from %s", bh_way_name(session, session->best_p99[idx]));
	fputc('\n', stream);
}

static void
print_verdicts(const struct bh_session *session, bool goals, FILE *stream)
{
	for (uint32_t i = 0; i < session->verdict_cnt; i++) {
		const struct bh_verdict *verdict = &session->verdict[i];
		if (verdict->goal == goals)
			fprintf(stream, "  %-17s  %s: %s\n%21s%s\n", bh_verdict_name(verdict->state), verdict->title,
			        verdict->threshold, "", verdict->value);
	}
}

void
bh_report_text(const struct bh_session *session, FILE *stream)
{
	size_t i;
	json_t *note;
	char tools[256];
	session->subject->tools_text(session, tools, sizeof(tools));
	print_head(session, stream);
	for (uint32_t j = 0; j < session->case_cnt; j++)
		print_case(session, j, stream);
	fprintf(stream, "\nA: Linux, %s, the best way of each row. B: the cell.\n\nGo or no-go:\n", tools);
	print_verdicts(session, false, stream);
	if (session->machine.kind == BH_MACHINE_EMULATOR && session->subject->lab_goals) {
		fprintf(stream, "Goals in the lab:\n");
		print_verdicts(session, true, stream);
	}
	if (bh_session_emulated(session)[0] != '\0')
		fprintf(stream, "\n%s\n", bh_session_emulated(session));
	json_array_foreach(session->notes, i, note) fprintf(stream, "note: %s\n", json_string_value(note));
	if (session->failure.text[0] != '\0')
		fprintf(stream, "NOT COMPLETE: %s\n", session->failure.text);
	fprintf(stream, "\nreport: %s/report.html, report.json, *.hgrm (%.0f s)\n", session->report_dir,
	        session->seconds);
}
