/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One latency histogram for both sides: raw buckets as the program that measured them wrote them, and the bounds of each in
 * nanoseconds. Percentiles are computed from it by one function, whoever filled it.
 */
#ifndef HOST_COMPARE_HIST_H
#define HOST_COMPARE_HIST_H

#include <bulkhead/types.h>
#include <jansson.h>
#include <stdio.h>

#define BH_LAT_BINS_MAX 8192u

struct bh_lat_bin {
	uint64_t
	        key; /* as it stands in the raw file: fio's bucket middle in ns, or the cell's lowest value in cycles */
	double low_ns, high_ns; /* [low, high) */
	uint64_t cnt;
};

struct bh_lat_hist {
	struct bh_lat_bin *bin; /* ascending */
	size_t bin_cnt;
	uint64_t total;
	double min_ns, max_ns; /* as measured; a merged histogram has those of all */
};

enum bh_lat_scheme { BH_LAT_FIO, BH_LAT_CELL };

/**
 * bh_lat_hist_parse - raw buckets from JSON: an object of "key": count, in any order
 * @tsc_hz: BH_LAT_CELL: cycles per second
 *
 * A key twice, a key that is no number, a negative count, a total beyond 2^62, more than BH_LAT_BINS_MAX: refused.
 * Return: 0; -EINVAL; -ENOMEM. On failure out is empty.
 */
BH_MUST_CHECK int bh_lat_hist_parse(const json_t *bins, enum bh_lat_scheme scheme, double tsc_hz,
                                    struct bh_lat_hist *out);

/* bh_lat_hist_add - add `from` to `to`; buckets of different bounds stand beside one another. Return: 0; -ENOMEM. */
BH_MUST_CHECK int bh_lat_hist_add(struct bh_lat_hist *to, const struct bh_lat_hist *from);

void bh_lat_hist_free(struct bh_lat_hist *hist);

/*
 * bh_lat_percentile - the middle of the bucket that holds the smallest value which `percent` of all values do not exceed;
 * never beyond min and max. 0 when empty.
 */
double bh_lat_percentile(const struct bh_lat_hist *hist, double percent);

/* bh_lat_mean - from the buckets' middles. */
double bh_lat_mean(const struct bh_lat_hist *hist);

/* bh_lat_hgrm - HdrHistogram percentile text, values in ns. Return: 0; -EIO. */
BH_MUST_CHECK int bh_lat_hgrm(const struct bh_lat_hist *hist, FILE *stream);

/* bh_lat_json - {"key": cnt, ...}. Return: a new reference. */
json_t *bh_lat_json(const struct bh_lat_hist *hist);

#endif
