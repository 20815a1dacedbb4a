/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "apps/latency.h"
#include "apps/nvme-bench/host/report.h"

static const char *const pattern_name[] = {"read", "write", "randread", "randwrite", "randrw", "verify"};

static uint64_t
counter(const struct bh_view *view, const char *name)
{
	uint64_t value;
	bh_view_counter(view, name, &value);
	return value;
}

/* Each core's own clock readings: the span covers them all. A core that has not ended leaves the end open. */
static void
take_span(const struct bh_view *view, struct nvme_bench_sample *sample)
{
	bool all_ended = true;
	bh_view_counter_core(view, NVME_BENCH_GAUGE_FIRST_IO, 0, &sample->first_io_tsc);
	for (uint32_t core = 0; core < view->core_cnt; core++) {
		uint64_t start, end;
		bh_view_counter_core(view, NVME_BENCH_GAUGE_START, core, &start);
		bh_view_counter_core(view, NVME_BENCH_GAUGE_END, core, &end);
		if (start != 0 && (sample->start_tsc == 0 || start < sample->start_tsc))
			sample->start_tsc = start;
		all_ended = all_ended && end != 0;
		sample->end_tsc = BH_MAX(sample->end_tsc, end);
	}
	if (!all_ended)
		sample->end_tsc = 0;
}

void
nvme_bench_sample_take(const struct bh_view *view, struct nvme_bench_sample *out_sample)
{
	memset(out_sample, 0, sizeof(*out_sample));
	out_sample->reads = counter(view, NVME_BENCH_COUNTER_READS);
	out_sample->writes = counter(view, NVME_BENCH_COUNTER_WRITES);
	out_sample->errors = counter(view, NVME_BENCH_COUNTER_ERRORS);
	out_sample->verify = (struct nvme_bench_verify){
	        .checked = counter(view, NVME_BENCH_COUNTER_VERIFIED),
	        .unchecked = counter(view, NVME_BENCH_COUNTER_UNCHECKED),
	        .lost = counter(view, NVME_BENCH_COUNTER_LOST),
	        .torn = counter(view, NVME_BENCH_COUNTER_TORN),
	        .misdirected = counter(view, NVME_BENCH_COUNTER_MISDIRECTED),
	        .corrupt = counter(view, NVME_BENCH_COUNTER_CORRUPT),
	};
	take_span(view, out_sample);
	bh_view_hist(view, NVME_BENCH_HIST_LATENCY, &out_sample->latency);
}

uint64_t
nvme_bench_verify_failed(const struct nvme_bench_verify *verify)
{
	return verify->lost + verify->torn + verify->misdirected + verify->corrupt;
}

double
nvme_bench_seconds(const struct nvme_bench_sample *sample, uint64_t now_tsc, uint64_t tsc_hz)
{
	uint64_t end = sample->end_tsc != 0 ? sample->end_tsc : now_tsc;
	if (sample->start_tsc == 0 || end <= sample->start_tsc)
		return 0;
	return (double)(end - sample->start_tsc) / (double)tsc_hz;
}

static double
per_second(uint64_t cnt, double seconds)
{
	return seconds > 0 ? (double)cnt / seconds : 0;
}

void
nvme_bench_live(FILE *stream, const struct nvme_bench_config *config, const struct nvme_bench_sample *now,
                const struct nvme_bench_sample *before, double interval_s, double elapsed_s, uint64_t tsc_hz)
{
	struct bh_hist_snapshot since;
	if (now->start_tsc == 0) {
		fprintf(stream, "%6.1f s  %s", elapsed_s,
		        now->first_io_tsc == 0 ? "bringing the device up" : "filling the device");
		return;
	}
	char p50[24], p99[24], max[24];
	uint64_t ios = now->reads + now->writes - before->reads - before->writes;

	bh_hist_since(&now->latency, &before->latency, &since);
	fprintf(stream, "%6.1f s  %10.0f IOPS  %8.1f MB/s  p50 %s  p99 %s  max %s", elapsed_s,
	        per_second(ios, interval_s), per_second(ios, interval_s) * config->block_bytes / 1e6,
	        bh_latency_text(p50, sizeof(p50), &since, 50, tsc_hz),
	        bh_latency_text(p99, sizeof(p99), &since, 99, tsc_hz),
	        bh_time_text(max, sizeof(max), bh_tsc_as_ns((double)since.max, tsc_hz)));
	if (now->errors > 0)
		fprintf(stream, "  errors %lu", now->errors);
	if (nvme_bench_verify_failed(&now->verify) > 0)
		fprintf(stream, "  WRONG BLOCKS %lu", nvme_bench_verify_failed(&now->verify));
}

static void
print_verify(FILE *stream, const struct nvme_bench_verify *verify)
{
	fprintf(stream, "  blocks checked  %lu: %lu lost, %lu torn, %lu misdirected, %lu corrupt\n", verify->checked,
	        verify->lost, verify->torn, verify->misdirected, verify->corrupt);
	if (verify->unchecked > 0)
		fprintf(stream, "  not read back   %lu blocks in the last pass, which ends after 3 s\n",
		        verify->unchecked);
}

void
nvme_bench_table(FILE *stream, const struct nvme_bench_config *config, const struct nvme_bench_sample *sample,
                 double seconds, uint64_t tsc_hz)
{
	uint64_t ios = sample->reads + sample->writes;
	const struct bh_hist_snapshot *hist = &sample->latency;

	fprintf(stream, "%s, %u bytes, depth %u, %.2f s\n", pattern_name[config->pattern], config->block_bytes,
	        config->queue_depth, seconds);
	fprintf(stream, "  IOPS            %.0f\n", per_second(ios, seconds));
	fprintf(stream, "  throughput      %.1f MB/s\n", per_second(ios, seconds) * config->block_bytes / 1e6);
	fprintf(stream, "  I/Os            %lu reads, %lu writes, %lu errors\n", sample->reads, sample->writes,
	        sample->errors);
	if (config->pattern == NVME_BENCH_VERIFY)
		print_verify(stream, &sample->verify);
	if (hist->count == 0)
		return;
	bh_latency_table(stream, hist, tsc_hz);
}

json_t *
nvme_bench_json(const struct nvme_bench_config *config, const struct nvme_bench_sample *sample, double seconds,
                uint64_t tsc_hz)
{
	double iops = per_second(sample->reads + sample->writes, seconds);
	const struct nvme_bench_verify *verify = &sample->verify;
	json_t *app = json_pack("{s:s, s:i, s:i, s:f, s:f, s:I, s:I, s:I, s:f, s:o}", "pattern",
	                        pattern_name[config->pattern], "block_size", (int)config->block_bytes, "queue_depth",
	                        (int)config->queue_depth, "iops", iops, "bytes_per_s", iops * config->block_bytes,
	                        "reads", (json_int_t)sample->reads, "writes", (json_int_t)sample->writes, "errors",
	                        (json_int_t)sample->errors, "seconds", seconds, "latency_ns",
	                        bh_latency_json(&sample->latency, tsc_hz));
	json_object_set_new(
	        app, "latency_histogram",
	        json_pack("{s:I, s:o}", "tsc_hz", (json_int_t)tsc_hz, "bins", bh_latency_bins_json(&sample->latency)));
	if (config->pattern == NVME_BENCH_VERIFY)
		json_object_set_new(app, "verify",
		                    json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "checked", (json_int_t)verify->checked,
		                              "unchecked", (json_int_t)verify->unchecked, "lost",
		                              (json_int_t)verify->lost, "torn", (json_int_t)verify->torn, "misdirected",
		                              (json_int_t)verify->misdirected, "corrupt", (json_int_t)verify->corrupt));
	return app;
}
