/* SPDX-License-Identifier: Apache-2.0 */
/**
 * How every application shows a latency histogram: a table for people, an object for programs, and the raw buckets.
 */
#ifndef APPS_LATENCY_H
#define APPS_LATENCY_H

#include <jansson.h>
#include <stdio.h>

#include "host/observe/metrics.h"

double bh_tsc_as_ns(double tsc, uint64_t tsc_hz);

/* bh_time_text - three digits and the unit that fits: "312 ns", "4.51 us". Return: text. */
const char *bh_time_text(char *text, size_t size, double ns);

/* bh_latency_text - a percentile, likewise */
const char *bh_latency_text(char *text, size_t size, const struct bh_hist_snapshot *hist, double percent,
                            uint64_t tsc_hz);

/* bh_latency_table - min, mean, percentiles, max, a line each */
void bh_latency_table(FILE *stream, const struct bh_hist_snapshot *hist, uint64_t tsc_hz);

/* bh_latency_json - the same in nanoseconds. bh_latency_bins_json - each bucket's lowest value in cycles, and its count. */
json_t *bh_latency_json(const struct bh_hist_snapshot *hist, uint64_t tsc_hz);
json_t *bh_latency_bins_json(const struct bh_hist_snapshot *hist);

#endif
