/* SPDX-License-Identifier: Apache-2.0 */
/**
 * HdrHistogram's percentile text (".hgrm"), which its plotter and other tools read.
 */
#ifndef HOST_OBSERVE_HGRM_H
#define HOST_OBSERVE_HGRM_H

#include <stdio.h>

#include "host/observe/metrics.h"

/**
 * bh_hgrm_write - write a histogram as percentile text, values in nanoseconds, five ticks per half distance
 * Return: 0; -EIO when the stream failed.
 */
BH_MUST_CHECK int bh_hgrm_write(FILE *stream, const struct bh_hist_snapshot *snapshot, uint64_t tsc_hz);

/* The same text for a histogram of another make, bucket by bucket in ascending order. */
struct bh_hgrm_steps {
	FILE *stream;
	uint64_t total; /* of all buckets */
	uint64_t seen;
	double level; /* the next percentile to report */
};

/* bh_hgrm_begin, bh_hgrm_bucket, bh_hgrm_end - all values in ns; high_ns is the bucket's highest. Return: 0; -EIO. */
void bh_hgrm_begin(struct bh_hgrm_steps *steps);
void bh_hgrm_bucket(struct bh_hgrm_steps *steps, double high_ns, uint64_t cnt);
BH_MUST_CHECK int bh_hgrm_end(struct bh_hgrm_steps *steps, double max_ns, double mean_ns, double stddev_ns);

#endif
