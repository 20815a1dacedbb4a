/* SPDX-License-Identifier: Apache-2.0 */
#include "apps/latency.h"

static const struct percentile {
	const char *label, *key;
	double percent;
} percentiles[] = {
        {"p50", "p50", 50},       {"p90", "p90", 90},          {"p99", "p99", 99},
        {"p99.9", "p99_9", 99.9}, {"p99.99", "p99_99", 99.99},
};

double
bh_tsc_as_ns(double tsc, uint64_t tsc_hz)
{
	return tsc * 1e9 / (double)tsc_hz;
}

const char *
bh_time_text(char *text, size_t size, double ns)
{
	static const char *const unit[] = {"ns", "us", "ms", "s"};
	unsigned i = 0;
	while (ns >= 999.5 && i < 3) {
		ns /= 1000;
		i++;
	}
	snprintf(text, size, "%.*f %s", ns >= 99.5 || i == 0 ? 0 : ns >= 9.95 ? 1 : 2, ns, unit[i]);
	return text;
}

const char *
bh_latency_text(char *text, size_t size, const struct bh_hist_snapshot *hist, double percent, uint64_t tsc_hz)
{
	return bh_time_text(text, size, bh_tsc_as_ns((double)bh_hist_percentile(hist, percent), tsc_hz));
}

void
bh_latency_table(FILE *stream, const struct bh_hist_snapshot *hist, uint64_t tsc_hz)
{
	char text[24];
	fprintf(stream, "  latency  min    %s\n",
	        bh_time_text(text, sizeof(text), bh_tsc_as_ns((double)hist->min, tsc_hz)));
	fprintf(stream, "           mean   %s\n",
	        bh_time_text(text, sizeof(text), bh_tsc_as_ns(bh_hist_mean(hist), tsc_hz)));
	for (size_t i = 0; i < BH_ARRAY_CNT(percentiles); i++)
		fprintf(stream, "           %-6s %s\n", percentiles[i].label,
		        bh_latency_text(text, sizeof(text), hist, percentiles[i].percent, tsc_hz));
	fprintf(stream, "           max    %s\n",
	        bh_time_text(text, sizeof(text), bh_tsc_as_ns((double)hist->max, tsc_hz)));
}

json_t *
bh_latency_json(const struct bh_hist_snapshot *hist, uint64_t tsc_hz)
{
	json_t *latency = json_pack("{s:f, s:f, s:f}", "min", bh_tsc_as_ns((double)hist->min, tsc_hz), "mean",
	                            bh_tsc_as_ns(bh_hist_mean(hist), tsc_hz), "stddev",
	                            bh_tsc_as_ns(bh_hist_stddev(hist), tsc_hz));
	for (size_t i = 0; i < BH_ARRAY_CNT(percentiles); i++)
		json_object_set_new(
		        latency, percentiles[i].key,
		        json_real(bh_tsc_as_ns((double)bh_hist_percentile(hist, percentiles[i].percent), tsc_hz)));
	json_object_set_new(latency, "max", json_real(bh_tsc_as_ns((double)hist->max, tsc_hz)));
	return latency;
}

json_t *
bh_latency_bins_json(const struct bh_hist_snapshot *hist)
{
	json_t *bins = json_object();
	char low[24];
	for (uint32_t i = 0; i < BH_HIST_BUCKET_CNT; i++) {
		if (hist->bucket[i] == 0)
			continue;
		snprintf(low, sizeof(low), "%lu", bh_hist_bucket_low(i));
		json_object_set_new(bins, low, json_integer((json_int_t)hist->bucket[i]));
	}
	return bins;
}
