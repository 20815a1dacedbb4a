/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <math.h>

#include "host/observe/hgrm.h"

#define TICKS_PER_HALF_DISTANCE 5.0

/* The next percentile to report: ever finer towards 100, as HdrHistogram's PercentileIterator goes. */
static double
next_level(double level)
{
	double halvings = floor(log2(100.0 / (100.0 - level))) + 1.0;
	return level + 100.0 / (TICKS_PER_HALF_DISTANCE * exp2(halvings));
}

static void
write_line(FILE *stream, double value_ns, double percent, uint64_t count)
{
	if (percent >= 100.0)
		fprintf(stream, "%12.3f %2.12f %10lu\n", value_ns, 1.0, count);
	else
		fprintf(stream, "%12.3f %2.12f %10lu %14.2f\n", value_ns, percent / 100.0, count,
		        100.0 / (100.0 - percent));
}

void
bh_hgrm_begin(struct bh_hgrm_steps *steps)
{
	fprintf(steps->stream, "%12s %14s %10s %14s\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
}

void
bh_hgrm_bucket(struct bh_hgrm_steps *steps, double high_ns, uint64_t cnt)
{
	if (cnt == 0)
		return;
	steps->seen += cnt;
	double reached = 100.0 * (double)steps->seen / (double)steps->total;
	while (steps->level <= reached && steps->level < 100.0 && steps->seen < steps->total) {
		write_line(steps->stream, high_ns, steps->level, steps->seen);
		double next = next_level(steps->level);
		/* Counts that no clock could have made bring steps too small for a double: 100 ends it. */
		steps->level = next > steps->level ? next : 100.0;
	}
}

int
bh_hgrm_end(struct bh_hgrm_steps *steps, double max_ns, double mean_ns, double stddev_ns)
{
	if (steps->total > 0)
		write_line(steps->stream, max_ns, 100.0, steps->total);
	fprintf(steps->stream, "#[Mean    = %12.3f, StdDeviation   = %12.3f]\n", mean_ns, stddev_ns);
	fprintf(steps->stream, "#[Max     = %12.3f, Total count    = %12lu]\n", max_ns, steps->total);
	fprintf(steps->stream, "#[Buckets = %12u, SubBuckets     = %12u]\n", BH_HIST_VALUE_BITS - BH_HIST_SUB_BITS + 1,
	        1u << BH_HIST_SUB_BITS);
	return ferror(steps->stream) ? -EIO : 0;
}

int
bh_hgrm_write(FILE *stream, const struct bh_hist_snapshot *snapshot, uint64_t tsc_hz)
{
	double ns_per_cycle = 1e9 / (double)tsc_hz;
	struct bh_hgrm_steps steps = {.stream = stream, .total = snapshot->count};

	bh_hgrm_begin(&steps);
	for (uint32_t i = 0; i < BH_HIST_BUCKET_CNT && steps.seen < snapshot->count; i++) {
		uint64_t high = BH_MIN(bh_hist_bucket_low(i) + bh_hist_bucket_width(i) - 1, snapshot->max);
		bh_hgrm_bucket(&steps, (double)high * ns_per_cycle, snapshot->bucket[i]);
	}
	return bh_hgrm_end(&steps, (double)snapshot->max * ns_per_cycle, bh_hist_mean(snapshot) * ns_per_cycle,
	                   bh_hist_stddev(snapshot) * ns_per_cycle);
}
