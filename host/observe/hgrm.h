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

#endif
