/* SPDX-License-Identifier: Apache-2.0 */
/* The result for people. */
#include "host/ndr/ndr.h"

#include <string.h>

#define WIRE_BYTES 20 /* preamble, start and gap: what a frame takes on the wire beside itself */

static const char *
time_text(char *text, size_t bytes, double ns)
{
	static const char *const unit[] = {"ns", "us", "ms", "s"};
	unsigned i = 0;
	for (; ns >= 999.5 && i < 3; i++)
		ns /= 1000;
	snprintf(text, bytes, "%.*f %s", ns >= 99.5 || i == 0 ? 0 : ns >= 9.95 ? 1 : 2, ns, unit[i]);
	return text;
}

static void
mega_text(char *text, size_t bytes, uint64_t pps)
{
	if (pps == 0)
		snprintf(text, bytes, "none");
	else
		snprintf(text, bytes, "%.4f", (double)pps / 1e6);
}

/* What a reader must know about the bounds. */
static const char *
remark(const struct bh_ndr_size *size, uint32_t goal_idx)
{
	const struct bh_ndr_rate *rate = &size->rate[goal_idx];
	if (bh_ndr_disturbed(size, goal_idx))
		return "NOT VALID: something else had the generator's CPU";
	switch (rate->end) {
	case BH_NDR_FOUND:
		return rate->by_generator ? "or more: held back at the sender" : "";
	case BH_NDR_AT_MAX:
		return size->max_measured ? "or more: held back at the sender" : "or more: --max-rate is the limit";
	case BH_NDR_BELOW_MIN:
		return rate->by_generator ? "the generator cannot keep even the lowest rate"
		                          : "drops even at the lowest rate";
	case BH_NDR_NO_TIME:
		return "not finished: the time was up";
	}
	return "";
}

static void
rate_line(const struct bh_ndr *ndr, const struct bh_ndr_size *size, uint32_t goal_idx, FILE *stream)
{
	const struct bh_ndr_rate *rate = &size->rate[goal_idx];
	double pps = (double)rate->bounds.lower_pps;
	char name[16], lower[16], upper[16];
	snprintf(name, sizeof(name), goal_idx == 0 ? "PDR %.3g %%" : "NDR", ndr->goal[goal_idx].loss_ratio * 100);
	mega_text(lower, sizeof(lower), rate->bounds.lower_pps);
	mega_text(upper, sizeof(upper), rate->bounds.upper_pps);
	fprintf(stream, "%-6s %-9s %9s %9s %9.4f %8.3f  %s\n", size->name, name, lower, upper,
	        rate->conditional_pps / 1e6, pps * (size->frame_bytes + WIRE_BYTES) * 8 / 1e9, remark(size, goal_idx));
}

static void
latency_line(const struct bh_ndr_size *size, const struct bh_ndr_latency *latency, FILE *stream)
{
	const struct bh_ndr_figures *figures = &latency->figures;
	char p50[24], p90[24], p99[24], p99_9[24], max[24];
	if (!latency->ok)
		return;
	fprintf(stream, "%-6s %3.0f %% %9.4f %10s %10s %10s %10s %10s %9lu%s\n", size->name, latency->part * 100,
	        (double)latency->load_pps / 1e6, time_text(p50, sizeof(p50), figures->p50_ns),
	        time_text(p90, sizeof(p90), figures->p90_ns), time_text(p99, sizeof(p99), figures->p99_ns),
	        time_text(p99_9, sizeof(p99_9), figures->p99_9_ns), time_text(max, sizeof(max), figures->max_ns),
	        figures->lost, latency->short_offer ? "  short offer" : "");
}

static void
latencies(const struct bh_ndr *ndr, FILE *stream)
{
	bool any = false;
	for (uint32_t i = 0; i < ndr->size_cnt; i++)
		any |= ndr->size[i].latency[0].ok;
	if (!any)
		return;
	fprintf(stream,
	        "\nlatency, one way, from the generator's stamp to the sink's driver\n%-6s %5s %9s %10s %10s %10s %10s "
	        "%10s %9s\n",
	        "size", "load", "Mpps", "p50", "p90", "p99", "p99.9", "max", "lost");
	for (uint32_t i = 0; i < ndr->size_cnt; i++) {
		for (uint32_t j = 0; j < BH_NDR_PARTS; j++)
			latency_line(&ndr->size[i], &ndr->size[i].latency[j], stream);
	}
}

static void
notes(const struct bh_ndr *ndr, FILE *stream)
{
	uint32_t trial_cnt = 0;
	for (uint32_t i = 0; i < ndr->size_cnt; i++)
		trial_cnt += ndr->size[i].book.trial_cnt;
	fprintf(stream, "\n%u trials in %.0f s (%u in the searches); report and raw histograms in %s\n", ndr->run_cnt,
	        (double)(ndr->end_ns - ndr->begin_ns) / 1e9, trial_cnt, ndr->report_dir);
	if (ndr->repeated_cnt != 0)
		fprintf(stream, "%u trials failed and were made once more\n", ndr->repeated_cnt);
	if (ndr->short_cnt != 0)
		fprintf(stream, "%u trials were not offered as asked for: more than %.3g %% was never sent\n",
		        ndr->short_cnt, ndr->options->tolerance * 100);
	if (ndr->disturbed_cnt != 0)
		fprintf(stream,
		        "%u of them at less than half of what the generator can: something else uses its CPU; "
		        "`bulkhead noise` "
		        "names it\n",
		        ndr->disturbed_cnt);
	if (ndr->corrupt_trial_cnt != 0)
		fprintf(stream, "in %u trials frames arrived CHANGED: they count as lost\n", ndr->corrupt_trial_cnt);
	if (ndr->interrupted)
		fprintf(stream, "INTERRUPTED: a signal ended it; the rest was not measured\n");
}

void
bh_ndr_table(const struct bh_ndr *ndr, FILE *stream)
{
	const struct bh_ndr_goal *goal = &ndr->goal[0];
	fprintf(stream, "from [port %s] to [port %s]%s%s; trials of %.3g s, %.3g s decide, at most %.3g %% of it bad\n",
	        ndr->tx, ndr->rx, ndr->dut[0] != '\0' ? " through " : "", ndr->dut, goal->final_s, goal->sum_s,
	        goal->exceed_ratio * 100);
	fprintf(stream, "%-6s %-9s %9s %9s %9s %8s\n", "size", "goal", "lower", "upper", "forwards", "Gb/s L1");
	for (uint32_t i = 0; i < ndr->size_cnt; i++) {
		for (uint32_t j = BH_NDR_GOAL_CNT; j-- > 0;)
			rate_line(ndr, &ndr->size[i], j, stream);
	}
	latencies(ndr, stream);
	notes(ndr, stream);
}
