/* SPDX-License-Identifier: Apache-2.0 */
/* The page's two kinds of chart. */
#include <math.h>
#include <string.h>

#include "host/compare/html.h"

/* Bars */
#define BAR_WIDTH  680.0
#define BAR_LEFT   8.0
#define BAR_RIGHT  84.0
#define BAR_HEIGHT 16.0
#define ROW_HEIGHT 72.0

/* Latency */
#define LAT_WIDTH  520.0
#define LAT_HEIGHT 330.0
#define LAT_LEFT   64.0
#define LAT_RIGHT  30.0
#define LAT_TOP    12.0
#define LAT_BOTTOM 46.0

static bool
shown(const struct bh_session *session, uint32_t idx)
{
	return session->summary[idx].pair_cnt > 0;
}

static double
iops_max(const struct bh_session *session)
{
	double max = 1;
	for (uint32_t i = 0; i < session->case_cnt; i++) {
		for (int side = 0; side < 2; side++)
			max = BH_MAX(max, shown(session, i) ? session->summary[i].iops[side].max : 0);
	}
	return max;
}

/* A round number above `value` for a scale of about five steps. */
static double
nice_step(double value)
{
	double power = pow(10, floor(log10(value / 5)));
	double step = value / 5 / power;
	return (step <= 1 ? 1 : step <= 2 ? 2 : step <= 5 ? 5 : 10) * power;
}

/* A step of the scale: "0", "500", "2.5 k", "5 M". */
static const char *
round_rate(char *text, size_t text_bytes, double per_s)
{
	bool mega = per_s >= 1e6, kilo = !mega && per_s >= 1e3;
	snprintf(text, text_bytes, "%g%s", per_s / (mega ? 1e6 : kilo ? 1e3 : 1), mega ? " M" : kilo ? " k" : "");
	return text;
}

static void
bar(FILE *stream, double y, double scale, const struct bh_spread *iops, char side)
{
	char text[24];
	double end = BAR_LEFT + iops->median * scale;
	fprintf(stream, "<rect class=\"f%c\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"2\"/>", side,
	        BAR_LEFT, y, BH_MAX(end - BAR_LEFT, 1.0), BAR_HEIGHT);
	fprintf(stream, "<text x=\"%.1f\" y=\"%.1f\">%s</text>", BAR_LEFT + iops->max * scale + 12, y + 15,
	        bh_text_rate(text, sizeof(text), iops->median));
}

/* A dot for each run of a side that counted. */
static void
dots(const struct bh_session *session, uint32_t idx, enum bh_side side, double y, double scale, FILE *stream)
{
	const struct bh_spread *iops = &session->summary[idx].iops[side];
	double mid = y + BAR_HEIGHT / 2;
	fprintf(stream, "<line class=\"s%c\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\" stroke-width=\"1.6\"/>",
	        side == BH_SIDE_LINUX ? 'a' : 'b', BAR_LEFT + iops->min * scale, BAR_LEFT + iops->max * scale, mid,
	        mid);
	for (uint32_t i = 0; i < session->run_cnt; i++) {
		const struct bh_run *run = &session->run[i];
		uint32_t wanted = side == BH_SIDE_LINUX ? session->best_iops[idx] : BH_NO_VARIANT;
		if (run->case_idx != idx || run->round == 0 || !run->ok || run->side != side ||
		    run->variant_idx != wanted)
			continue;
		fprintf(stream, "<circle class=\"dot s%c\" cx=\"%.1f\" cy=\"%.1f\" r=\"3.6\"/>",
		        side == BH_SIDE_LINUX ? 'a' : 'b', BAR_LEFT + run->figures.iops * scale, mid);
	}
}

static void
bar_row(const struct bh_session *session, uint32_t idx, double y, double scale, FILE *stream)
{
	static const char side_letter[] = {'a', 'b'};
	const struct bh_summary *summary = &session->summary[idx];
	char title[64];
	double bar_y = y + 22;
	fprintf(stream, "<text x=\"%.1f\" y=\"%.1f\">", BAR_LEFT, y + 15);
	bh_html_text(stream, bh_html_case_title(title, sizeof(title), session, &session->cases[idx]));
	fprintf(stream, "%s</text>", session->cases[idx].reference ? ", cell alone" : "");
	for (int side = 0; side < 2; side++) {
		if (summary->iops[side].cnt == 0)
			continue;
		bar(stream, bar_y, scale, &summary->iops[side], side_letter[side]);
		dots(session, idx, side == 0 ? BH_SIDE_LINUX : BH_SIDE_CELL, bar_y, scale, stream);
		bar_y += BAR_HEIGHT + 3;
	}
}

void
bh_svg_bars(const struct bh_session *session, FILE *stream)
{
	double max = iops_max(session), step = nice_step(max), y = 8;
	double scale = (BAR_WIDTH - BAR_LEFT - BAR_RIGHT) / max;
	uint32_t cnt = 0;
	char text[24];
	for (uint32_t i = 0; i < session->case_cnt; i++)
		cnt += shown(session, i);
	double bottom = 8 + cnt * ROW_HEIGHT;
	fprintf(stream, "<svg viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-label=\"%s of both sides\">", BAR_WIDTH,
	        bottom + 28, session->subject->rate_unit);
	for (double x = 0; x <= max * 1.001; x += step)
		fprintf(stream,
		        "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"4\" y2=\"%.1f\"/>"
		        "<text class=\"soft mid\" x=\"%.1f\" y=\"%.1f\">%s</text>",
		        BAR_LEFT + x * scale, BAR_LEFT + x * scale, bottom, BAR_LEFT + x * scale, bottom + 18,
		        round_rate(text, sizeof(text), x));
	for (uint32_t i = 0; i < session->case_cnt; i++) {
		if (!shown(session, i))
			continue;
		bar_row(session, i, y, scale, stream);
		y += ROW_HEIGHT;
	}
	fprintf(stream, "</svg>\n");
}

/* The latency chart's scales: x by 1 / (1 - percentile), y by time, both logarithmic. */
struct scales {
	double x_max;         /* log10 of the last 1 / (1 - p) */
	double y_low, y_high; /* log10 of ns */
};

static double
x_of(const struct scales *scales, double log_inverse)
{
	return LAT_LEFT + (LAT_WIDTH - LAT_LEFT - LAT_RIGHT) * BH_MIN(log_inverse, scales->x_max) / scales->x_max;
}

static double
y_of(const struct scales *scales, double ns)
{
	double part = (log10(BH_MAX(ns, 1.0)) - scales->y_low) / (scales->y_high - scales->y_low);
	return LAT_HEIGHT - LAT_BOTTOM - (LAT_HEIGHT - LAT_TOP - LAT_BOTTOM) * BH_MAX(0.0, BH_MIN(1.0, part));
}

static struct scales
scales_of(const struct bh_summary *summary)
{
	double low = 1e12, high = 1;
	uint64_t most = 10;
	for (int side = 0; side < 2; side++) {
		if (summary->hist[side].total == 0)
			continue;
		low = BH_MIN(low, bh_lat_percentile(&summary->hist[side], 0.1));
		high = BH_MAX(high, summary->hist[side].max_ns);
		most = BH_MAX(most, summary->hist[side].total);
	}
	double x_max = BH_MIN(5.0, BH_MAX(2.0, ceil(log10((double)most))));
	/* Whole halves of a decade, so that the lines fill the chart. */
	return (struct scales){x_max, floor(log10(BH_MAX(low, 1.0)) * 2) / 2, ceil(log10(high) * 2) / 2 + 0.001};
}

/* A line of the grid is a round value: "20 us". */
static const char *
round_time(char *text, size_t text_bytes, double ns)
{
	static const char *const unit[] = {"ns", "us", "ms", "s"};
	unsigned i = 0;
	for (; ns >= 999.5 && i < 3; i++)
		ns /= 1000;
	snprintf(text, text_bytes, "%.0f %s", ns, unit[i]);
	return text;
}

static void
grid(const struct scales *scales, FILE *stream)
{
	static const char *const percent[] = {"0", "90", "99", "99.9", "99.99", "99.999"};
	char text[24];
	for (int i = 0; i <= (int)scales->x_max; i++) {
		double x = x_of(scales, i);
		fprintf(stream,
		        "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>"
		        "<text class=\"soft mid\" x=\"%.1f\" y=\"%.1f\">%s</text>",
		        x, x, LAT_TOP, LAT_HEIGHT - LAT_BOTTOM, x, LAT_HEIGHT - LAT_BOTTOM + 18, percent[i]);
	}
	int steps = scales->y_high - scales->y_low > 2.6 ? 1 : 3; /* lines at 1, or at 1, 2 and 5 */
	for (int decade = 0; decade <= 11; decade++) {
		for (int k = 0; k < steps; k++) {
			static const double part[] = {1, 2, 5};
			double ns = pow(10, decade) * part[k], y = y_of(scales, ns);
			if (log10(ns) < scales->y_low - 0.001 || log10(ns) > scales->y_high)
				continue;
			fprintf(stream,
			        "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>"
			        "<text class=\"soft end\" x=\"%.1f\" y=\"%.1f\">%s</text>",
			        LAT_LEFT, LAT_WIDTH - LAT_RIGHT, y, y, LAT_LEFT - 6, y + 4,
			        round_time(text, sizeof(text), ns));
		}
	}
}

/* One line: the value at each step of 1 / (1 - p), up to the last that the count can say something about. */
static void
curve(const struct scales *scales, const struct bh_lat_hist *hist, const char *css, FILE *stream)
{
	double last = BH_MIN(scales->x_max, log10((double)BH_MAX(hist->total, (uint64_t)1)));
	fprintf(stream, "<polyline class=\"%s\" points=\"", css);
	for (double x = 0; x <= last + 1e-9; x += 0.02) {
		double percent = 100 * (1 - pow(10, -x));
		fprintf(stream, "%.1f,%.1f ", x_of(scales, x), y_of(scales, bh_lat_percentile(hist, percent)));
	}
	if (last < scales->x_max) /* the last I/O of all is still inside */
		fprintf(stream, "%.1f,%.1f", x_of(scales, last), y_of(scales, hist->max_ns));
	fprintf(stream, "\"/>");
}

void
bh_svg_latency(const struct bh_session *session, uint32_t case_idx, FILE *stream)
{
	const struct bh_summary *summary = &session->summary[case_idx];
	struct scales scales = scales_of(summary);
	fprintf(stream, "<svg viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-label=\"Latency by percentile\">", LAT_WIDTH,
	        LAT_HEIGHT);
	grid(&scales, stream);
	for (uint32_t i = 0; i < session->run_cnt; i++) {
		const struct bh_run *run = &session->run[i];
		if (run->case_idx != case_idx || run->round == 0 || !run->ok)
			continue;
		curve(&scales, &run->figures.hist, run->side == BH_SIDE_LINUX ? "thin sa" : "thin sb", stream);
	}
	if (summary->hist[BH_SIDE_LINUX].total > 0)
		curve(&scales, &summary->hist[BH_SIDE_LINUX], "thick sa", stream);
	if (summary->hist[BH_SIDE_CELL].total > 0)
		curve(&scales, &summary->hist[BH_SIDE_CELL], "thick sb", stream);
	fprintf(stream, "<text class=\"soft mid\" x=\"%.1f\" y=\"%.1f\">percentile</text>",
	        (LAT_LEFT + LAT_WIDTH - LAT_RIGHT) / 2, LAT_HEIGHT - 6);
	fprintf(stream, "</svg>\n");
}
