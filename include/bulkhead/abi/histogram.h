/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Layout of a high-dynamic-range histogram, as the cell records it and the host reads it.
 *
 * Values below 128 have a bucket each. Above, each power of two is divided into 128 equal buckets, so a bucket is at most
 * 1/128 (0.79 %) of its value wide. The range ends at 2^40 (about 7 minutes in cycles at 2.6 GHz); larger values count
 * in the last bucket, and `max` still holds the true one.
 */
#ifndef BULKHEAD_ABI_HISTOGRAM_H
#define BULKHEAD_ABI_HISTOGRAM_H

#include <bulkhead/types.h>

#define BH_HIST_SUB_BITS   7u
#define BH_HIST_VALUE_BITS 40u
#define BH_HIST_BUCKET_CNT ((BH_HIST_VALUE_BITS - BH_HIST_SUB_BITS + 1) << BH_HIST_SUB_BITS) /* 4352 */

/* Written by one core, read by the host at any time; the total is the sum of the buckets, not a field. */
struct bh_hist {
	uint64_t sum; /* of all values; wraps */
	uint64_t max;
	uint64_t min; /* UINT64_MAX while empty (bh_hist_register sets it) */
	uint64_t pad[5];
	uint64_t bucket[BH_HIST_BUCKET_CNT];
} BH_ALIGNED(64);

/* bh_hist_bucket_idx - bucket of `value`; always below BH_HIST_BUCKET_CNT. Any context. */
BH_INLINE uint32_t
bh_hist_bucket_idx(uint64_t value)
{
	uint64_t capped = BH_MIN(value, (UINT64_C(1) << BH_HIST_VALUE_BITS) - 1);
	uint32_t msb = 63u - (uint32_t)__builtin_clzll(capped | (1u << BH_HIST_SUB_BITS));
	uint32_t shift = msb - BH_HIST_SUB_BITS;
	return (shift << BH_HIST_SUB_BITS) + (uint32_t)(capped >> shift);
}

/* bh_hist_bucket_low - smallest value of bucket `idx`. Any context. */
BH_INLINE uint64_t
bh_hist_bucket_low(uint32_t idx)
{
	uint32_t octave = idx >> BH_HIST_SUB_BITS;
	if (octave <= 1)
		return idx;
	uint64_t mantissa = (idx & ((1u << BH_HIST_SUB_BITS) - 1)) | (1u << BH_HIST_SUB_BITS);
	return mantissa << (octave - 1);
}

/* bh_hist_bucket_width - how many values bucket `idx` stands for. Any context. */
BH_INLINE uint64_t
bh_hist_bucket_width(uint32_t idx)
{
	uint32_t octave = idx >> BH_HIST_SUB_BITS;
	return octave <= 1 ? 1 : UINT64_C(1) << (octave - 1);
}

#endif
