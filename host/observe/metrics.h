/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Reading a cell's metrics while it runs. All of it is hostile input: names are checked, values are copied once, and
 * every position comes from the supervisor's own copy of the layout, never from shared memory.
 *
 * One thread. Nothing here waits. Errors are negative errno values.
 */
#ifndef HOST_OBSERVE_METRICS_H
#define HOST_OBSERVE_METRICS_H

#include <bulkhead/abi/boot.h>
#include <bulkhead/abi/histogram.h>
#include <bulkhead/abi/shared.h>
#include <bulkhead/types.h>

/* A cell's shared region as the supervisor sees it. */
struct bh_view {
	const uint8_t *shared; /* layout.size_bytes mapped */
	struct bh_shared_layout layout;
	uint32_t core_cnt;
	uint64_t tsc_hz;
};

/* bh_view_check - whether every section of the layout lies inside the region. Return: 0 or -EINVAL. */
BH_MUST_CHECK int bh_view_check(const struct bh_view *view);

/* A histogram's state at one moment, all cores added up. */
struct bh_hist_snapshot {
	uint64_t count;         /* sum of the buckets */
	uint64_t sum, min, max; /* in cycles; min and max are 0 when count is 0 */
	uint64_t bucket[BH_HIST_BUCKET_CNT];
};

/**
 * bh_view_counter - sum of a counter over all cores
 * Return: 0; -ENOENT when the cell has registered no such counter (out_value is 0 then).
 */
int bh_view_counter(const struct bh_view *view, const char *name, uint64_t *out_value);

/*
 * bh_view_counter_core - one core's value of a counter or gauge. Return: as bh_view_counter; -EINVAL for no such core.
 */
int bh_view_counter_core(const struct bh_view *view, const char *name, uint32_t core_idx, uint64_t *out_value);

/*
 * bh_view_each_counter - call fn for every registered counter and gauge, with its checked name and its sum over cores.
 */
void bh_view_each_counter(const struct bh_view *view,
                          void (*fn)(void *context, const char *name, const char *unit, uint32_t kind, uint64_t sum),
                          void *context);

/* bh_view_hist - a histogram, all cores added up. Return: 0; -ENOENT (out_snapshot is empty then). */
int bh_view_hist(const struct bh_view *view, const char *name, struct bh_hist_snapshot *out_snapshot);

/* bh_view_hist_core - one core's. Return: as bh_view_hist; -EINVAL for no such core. */
int bh_view_hist_core(const struct bh_view *view, const char *name, uint32_t core_idx,
                      struct bh_hist_snapshot *out_snapshot);

/*
 * bh_hist_since - out = now - before, bucket by bucket: what was recorded in between. min and max come from the
 * buckets.
 */
void bh_hist_since(const struct bh_hist_snapshot *now, const struct bh_hist_snapshot *before,
                   struct bh_hist_snapshot *out);

/* bh_hist_percentile - smallest recorded value that `percent` of the values do not exceed, to 0.8 %; 0 when empty. */
uint64_t bh_hist_percentile(const struct bh_hist_snapshot *snapshot, double percent);

/*
 * bh_hist_mean, bh_hist_stddev - in cycles; the mean from the buckets' middles, so that a wrapped sum cannot spoil it.
 */
double bh_hist_mean(const struct bh_hist_snapshot *snapshot);
double bh_hist_stddev(const struct bh_hist_snapshot *snapshot);

#endif
