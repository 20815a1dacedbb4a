/* SPDX-License-Identifier: Apache-2.0 */
/**
 * nvme-bench's figures, read from the cell's metrics: a line each second, a table at the end, JSON.
 */
#ifndef NVME_BENCH_REPORT_H
#define NVME_BENCH_REPORT_H

#include <jansson.h>
#include <stdio.h>

#include "apps/nvme-bench/config.h"
#include "host/observe/metrics.h"

struct nvme_bench_verify {
	uint64_t checked, unchecked, lost, torn, misdirected, corrupt;
};

/* The state at one moment, all cores together. */
struct nvme_bench_sample {
	uint64_t reads, writes, errors;
	uint64_t start_tsc, end_tsc; /* earliest start, latest end; 0: no core has begun; all have not ended */
	uint64_t first_io_tsc;       /* 0: there was none */
	struct nvme_bench_verify verify;
	struct bh_hist_snapshot latency;
};

/* nvme_bench_sample_take - read the metrics now. A cell that has not registered them yet gives zeroes. */
void nvme_bench_sample_take(const struct bh_view *view, struct nvme_bench_sample *out_sample);

/* nvme_bench_verify_failed - blocks that were found wrong. */
uint64_t nvme_bench_verify_failed(const struct nvme_bench_verify *verify);

/* nvme_bench_seconds - how long the cell measured: from its first core's start to its last core's end, or to now_tsc. */
double nvme_bench_seconds(const struct nvme_bench_sample *sample, uint64_t now_tsc, uint64_t tsc_hz);

/* nvme_bench_live - one line for what happened between two samples: IOPS, MB/s, p50, p99, max, elapsed. No newline. */
void nvme_bench_live(FILE *stream, const struct nvme_bench_config *config, const struct nvme_bench_sample *now,
                     const struct nvme_bench_sample *before, double interval_s, double elapsed_s, uint64_t tsc_hz);

/* nvme_bench_table - the final table for a person. */
void nvme_bench_table(FILE *stream, const struct nvme_bench_config *config, const struct nvme_bench_sample *sample,
                      double seconds, uint64_t tsc_hz);

/* nvme_bench_json - the `app` object. Return: a new reference. */
json_t *nvme_bench_json(const struct nvme_bench_config *config, const struct nvme_bench_sample *sample, double seconds,
                        uint64_t tsc_hz);

#endif
