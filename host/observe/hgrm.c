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

int
bh_hgrm_write(FILE *stream, const struct bh_hist_snapshot *snapshot, uint64_t tsc_hz)
{
	double ns_per_cycle = 1e9 / (double)tsc_hz;
	double level = 0.0;
	uint64_t seen = 0;

	fprintf(stream, "%12s %14s %10s %14s\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
	for (uint32_t i = 0; i < BH_HIST_BUCKET_CNT && seen < snapshot->count; i++) {
		if (snapshot->bucket[i] == 0)
			continue;
		seen += snapshot->bucket[i];
		uint64_t high = BH_MIN(bh_hist_bucket_low(i) + bh_hist_bucket_width(i) - 1, snapshot->max);
		double reached = 100.0 * (double)seen / (double)snapshot->count;
		while (level <= reached && level < 100.0 && seen < snapshot->count) {
			write_line(stream, (double)high * ns_per_cycle, level, seen);
			double next = next_level(level);
			/* Counts that no clock could have made bring steps too small for a double: 100 ends it. */
			level = next > level ? next : 100.0;
		}
	}
	if (snapshot->count > 0)
		write_line(stream, (double)snapshot->max * ns_per_cycle, 100.0, snapshot->count);
	fprintf(stream, "#[Mean    = %12.3f, StdDeviation   = %12.3f]\n", bh_hist_mean(snapshot) * ns_per_cycle,
	        bh_hist_stddev(snapshot) * ns_per_cycle);
	fprintf(stream, "#[Max     = %12.3f, Total count    = %12lu]\n", (double)snapshot->max * ns_per_cycle,
	        snapshot->count);
	fprintf(stream, "#[Buckets = %12u, SubBuckets     = %12u]\n", BH_HIST_VALUE_BITS - BH_HIST_SUB_BITS + 1,
	        1u << BH_HIST_SUB_BITS);
	return ferror(stream) ? -EIO : 0;
}
