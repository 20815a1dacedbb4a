/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Counters, gauges and histograms in shared memory; the host reads them without stopping the cell.
 *
 * Registering is for start-up (any core; a spin lock guards the tables; the same name gives the same slot, so every core
 * can register the same metrics). Recording is for the hot path: plain stores to lines that only this core writes.
 */
#ifndef BULKHEAD_METRICS_H
#define BULKHEAD_METRICS_H

#include <bulkhead/abi/histogram.h>
#include <bulkhead/abi/shared.h>
#include <bulkhead/types.h>

/**
 * bh_counter_register - a counter or gauge of the calling core
 * @name: [a-z0-9_.], at most 47 bytes
 * @unit: "" or a unit, at most 11 bytes
 * Return: the calling core's slot. Never NULL: when the table is full or the name is bad, a slot that nobody reads, and
 * the drop is counted in "core.metrics_dropped".
 */
uint64_t *bh_counter_register(const char *name, const char *unit);
uint64_t *bh_gauge_register(const char *name, const char *unit);

/* bh_hist_register - the calling core's histogram of that name, in cycles; likewise never NULL. */
struct bh_hist *bh_hist_register(const char *name);

/* bh_counter_add - plain load, add, store: only the owning core writes. */
BH_INLINE void
bh_counter_add(uint64_t *counter, uint64_t amount)
{
	__atomic_store_n(counter, *counter + amount, __ATOMIC_RELAXED);
}

/* bh_hist_record - count one value, in cycles. Owning core only; no branch depends on the value but min and max. */
BH_INLINE void
bh_hist_record(struct bh_hist *hist, uint64_t value)
{
	hist->bucket[bh_hist_bucket_idx(value)]++;
	hist->sum += value;
	if (BH_UNLIKELY(value > hist->max))
		hist->max = value;
	if (BH_UNLIKELY(value < hist->min))
		hist->min = value;
}

#endif
