/* SPDX-License-Identifier: Apache-2.0 */
/* report.html: one file with everything in it, no script, nothing from elsewhere. */
#include <stdarg.h>
#include <string.h>

#include "host/compare/html.h"

void
bh_html_text(FILE *stream, const char *text)
{
	for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++) {
		if (*c == '<')
			fputs("&lt;", stream);
		else if (*c == '>')
			fputs("&gt;", stream);
		else if (*c == '&')
			fputs("&amp;", stream);
		else if (*c == '"')
			fputs("&quot;", stream);
		else if (*c == '\'')
			fputs("&#39;", stream);
		else if ((*c < ' ' && *c != '\n' && *c != '\t') || *c == 0x7f)
			fputs("&#xfffd;", stream);
		else
			fputc(*c, stream);
	}
}

void
bh_html_format(FILE *stream, const char *format, ...)
{
	char text[1024];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	bh_html_text(stream, text);
}

const char *
bh_html_case_title(char *text, size_t text_bytes, const struct bh_session *session, const struct bh_case *which)
{
	session->subject->case_title(text, text_bytes, which);
	return text;
}

static void
page_head(const struct bh_session *session, FILE *stream)
{
	const struct bh_target *target = &session->target;
	fprintf(stream, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
	                "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
	                "<meta name=\"color-scheme\" content=\"light dark\">\n<title>Linux and the cell: ");
	bh_html_text(stream, target->model);
	fprintf(stream, "</title>\n<style>\n%s</style></head>\n<body><main>\n<h1>%s</h1>\n", bh_html_style,
	        session->subject->heading);
	fprintf(stream, "<p class=\"sub\">");
	bh_html_format(stream, "%s at %s, %s", target->model, target->address, session->started);
	fprintf(stream, "</p>\n<p class=\"sub\">%s %u pairs of %g s, in turn.</p>\n", session->subject->sides,
	        session->round_cnt, (double)session->duration_ns / 1e9);
}

static enum bh_compare_verdict
overall(const struct bh_session *session)
{
	enum bh_compare_verdict whole = BH_COMPARE_MET;
	for (uint32_t i = 0; i < session->verdict_cnt; i++) {
		if (!session->verdict[i].goal && session->verdict[i].state == BH_COMPARE_MISSED)
			return BH_COMPARE_MISSED;
		if (!session->verdict[i].goal && session->verdict[i].state == BH_COMPARE_NOT_MEASURED)
			whole = BH_COMPARE_NOT_MEASURED;
	}
	return whole;
}

static const char *
css_of(enum bh_compare_verdict state)
{
	static const char *const css[] = {"none", "missed", "met"};
	return css[state];
}

static void
verdict_rows(const struct bh_session *session, bool goals, FILE *stream)
{
	for (uint32_t i = 0; i < session->verdict_cnt; i++) {
		const struct bh_verdict *verdict = &session->verdict[i];
		if (verdict->goal != goals)
			continue;
		fprintf(stream, "<tr><td>");
		bh_html_text(stream, verdict->title);
		fprintf(stream, "</td><td>");
		bh_html_text(stream, verdict->threshold);
		fprintf(stream, "</td><td>");
		bh_html_text(stream, verdict->value);
		fprintf(stream, "</td><td class=\"%s\">%s</td></tr>\n", css_of(verdict->state),
		        bh_verdict_name(verdict->state));
	}
}

static void
verdicts(const struct bh_session *session, FILE *stream)
{
	static const char *const word[] = {"Not decided: not all criteria were measured here", "No go", "Go"};
	static const char head[] =
	        "<div class=\"scroll\"><table class=\"stack\"><tr><th>%s</th><th>Threshold</th><th>Measured: median "
	        "of the pairs (lowest to highest)</th><th>Verdict</th></tr>\n";
	enum bh_compare_verdict whole = overall(session);
	fprintf(stream, "<h2>Verdict</h2>\n<p><span class=\"overall %s\">%s</span></p>\n", css_of(whole), word[whole]);
	fprintf(stream, head, "Criterion");
	verdict_rows(session, false, stream);
	fprintf(stream, "</table></div>\n");
	if (session->machine.kind != BH_MACHINE_EMULATOR || !session->subject->lab_goals)
		return;
	fprintf(stream, "<h2>Speed goals of the lab</h2>\n");
	fprintf(stream, head, "Goal");
	verdict_rows(session, true, stream);
	fprintf(stream, "</table></div>\n");
}

static void
number_cell(FILE *stream, const struct bh_spread *spread, const char *(*format)(char *, size_t, double))
{
	char median[24], min[24], max[24];
	if (spread->cnt == 0) {
		fprintf(stream, "<td class=\"n none\">&ndash;</td>");
		return;
	}
	fprintf(stream, "<td class=\"n\">%s<br><span class=\"range\">%s&hellip;%s</span></td>",
	        format(median, sizeof(median), spread->median), format(min, sizeof(min), spread->min),
	        format(max, sizeof(max), spread->max));
}

static void
result_row(const struct bh_session *session, uint32_t idx, FILE *stream)
{
	static const char *const why[] = {"", "not measured here: writes need --destructive and the serial number",
	                                  "not measured here: the device's blocks are larger"};
	const struct bh_case *which = &session->cases[idx];
	const struct bh_summary *summary = &session->summary[idx];
	char title[64];
	fprintf(stream, "<tr><td>%s", bh_html_case_title(title, sizeof(title), session, which));
	if (which->skip != BH_CASE_RUN) {
		fprintf(stream, "</td><td colspan=\"8\" class=\"none\">%s</td></tr>\n", why[which->skip]);
		return;
	}
	if (summary->failed_cnt > 0 || summary->pair_cnt < session->round_cnt)
		fprintf(stream, "<br><span class=\"missed\">%u of %u pairs, %u runs failed</span>", summary->pair_cnt,
		        session->round_cnt, summary->failed_cnt);
	fprintf(stream, "</td>");
	number_cell(stream, &summary->iops[BH_SIDE_LINUX], bh_text_rate);
	number_cell(stream, &summary->iops[BH_SIDE_CELL], bh_text_rate);
	number_cell(stream, &summary->iops_ratio, bh_text_ratio);
	number_cell(stream, &summary->p50[BH_SIDE_LINUX], bh_text_ns);
	number_cell(stream, &summary->p50[BH_SIDE_CELL], bh_text_ns);
	number_cell(stream, &summary->p99[BH_SIDE_LINUX], bh_text_ns);
	number_cell(stream, &summary->p99[BH_SIDE_CELL], bh_text_ns);
	number_cell(stream, &summary->p99_ratio, bh_text_ratio);
	fprintf(stream, "</tr>\n");
}

static void
results(const struct bh_session *session, FILE *stream)
{
	const char *unit = session->subject->rate_unit;
	fprintf(stream,
	        "<h2>Results</h2>\n<p>Medians of the pairs; below each the lowest and the highest. A ratio is made "
	        "pair by pair; above 1 the cell is better.</p>\n<div class=\"scroll\"><table><tr><th></th>"
	        "<th class=\"n a\">%s A</th><th class=\"n b\">%s B</th><th class=\"n\">B / A</th>"
	        "<th class=\"n a\">p50 A</th><th class=\"n b\">p50 B</th>"
	        "<th class=\"n a\">p99 A</th><th class=\"n b\">p99 B</th><th class=\"n\">A / B</th></tr>\n",
	        unit, unit);
	for (uint32_t i = 0; i < session->case_cnt; i++)
		result_row(session, i, stream);
	fprintf(stream, "</table></div>\n");
}

static void
charts(const struct bh_session *session, FILE *stream)
{
	char title[64];
	uint32_t cnt = 0;
	for (uint32_t i = 0; i < session->case_cnt; i++)
		cnt += session->summary[i].pair_cnt > 0;
	if (cnt == 0)
		return;
	fprintf(stream,
	        "<h2>%s</h2>\n<p class=\"small\">Bar: median. Dots: the runs. <b class=\"a\">A Linux</b>, <b "
	        "class=\"b\">B cell</b>.</p>\n<figure class=\"bars\">",
	        session->subject->rate_heading);
	bh_svg_bars(session, stream);
	fprintf(stream,
	        "</figure>\n<h2>Latency by percentile</h2>\n<p class=\"small\">%s; both scales logarithmic. Thick: "
	        "all runs of a side together; thin: each run. <b class=\"a\">A Linux</b>, <b class=\"b\">B cell</b>. "
	        "Lower is better.</p>\n<div class=\"charts\">\n",
	        session->subject->latency_about);
	for (uint32_t i = 0; i < session->case_cnt; i++) {
		if (session->summary[i].pair_cnt == 0)
			continue;
		fprintf(stream, "<figure><h3>%s%s</h3>",
		        bh_html_case_title(title, sizeof(title), session, &session->cases[i]),
		        session->cases[i].reference ? " (cell alone)" : "");
		bh_svg_latency(session, i, stream);
		fprintf(stream, "</figure>\n");
	}
	fprintf(stream, "</div>\n");
}

static void
notes(const struct bh_session *session, FILE *stream)
{
	size_t i;
	json_t *note;
	if (json_array_size(session->notes) == 0)
		return;
	fprintf(stream, "<h2>What is not as it could be</h2>\n<ul>\n");
	json_array_foreach(session->notes, i, note)
	{
		fprintf(stream, "<li>");
		bh_html_text(stream, json_string_value(note));
		fprintf(stream, "</li>\n");
	}
	fprintf(stream, "</ul>\n");
}

void
bh_report_html(const struct bh_session *session, FILE *stream)
{
	page_head(session, stream);
	if (session->failure.text[0] != '\0') {
		fprintf(stream, "<p class=\"banner failed\"><b>This comparison is not complete.</b> ");
		bh_html_text(stream, session->failure.text);
		fprintf(stream, "</p>\n");
	}
	if (bh_session_emulated(session)[0] != '\0')
		fprintf(stream, "<p class=\"banner\"><b>Before you read a figure:</b> %s</p>\n",
		        bh_session_emulated(session));
	verdicts(session, stream);
	results(session, stream);
	charts(session, stream);
	bh_html_tuning(session, stream);
	notes(session, stream);
	bh_html_machine(session, stream);
	bh_html_commands(session, stream);
	fprintf(stream,
	        "<p class=\"small\">Raw histograms of every run: <code>report.json</code>; percentile text for "
	        "HdrHistogram's "
	        "plotter: <code>A-*.hgrm</code>, <code>B-*.hgrm</code>; what the programs printed: "
	        "<code>raw/</code>. Made by bulkhead %s in %.0f s.</p>\n</main></body></html>\n",
	        BH_VERSION, session->seconds);
}
