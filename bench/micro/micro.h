/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Micro-benchmarks of core: each measures one operation several times and says what it reached beside its target.
 *
 * Times are cycles of the time stamp counter, turned into nanoseconds by a rate measured at the start. A figure per operation
 * is the time of a loop divided by its turns; only TLSF's percentiles time each operation by itself, with the cost of
 * reading the clock, measured in the same way around nothing, subtracted.
 */
#ifndef BENCH_MICRO_MICRO_H
#define BENCH_MICRO_MICRO_H

#include <bulkhead/arch.h>
#include <bulkhead/types.h>

/* Many short runs: one that fits between two interrupts shows the operation and not the machine. */
#define MICRO_RUN_CNT 31

struct micro_result {
	const char *id; /* of the JSON's object */
	const char *what;
	const char *unit; /* "ns" or "instructions" */
	double target;    /* 0: none, the row stands there for comparison */
	unsigned run_cnt; /* 0: not measured, see note */
	double run[MICRO_RUN_CNT];
	char note[160];
};

/* Cycles of the time stamp counter in a nanosecond. */
extern double micro_cycles_per_ns;

/* Each fills its rows from out_results on. Return: how many. In a fiber of core 0 of a hosted cell. */
unsigned micro_fiber(struct micro_result *out_results);
unsigned micro_observe(struct micro_result *out_results);
unsigned micro_ring(struct micro_result *out_results);
unsigned micro_tlsf(struct micro_result *out_results);
unsigned micro_tlsf_instructions(struct micro_result *out_results);

/* micro_fail - a benchmark that cannot be set up ends the program. */
BH_NORETURN void micro_fail(const char *what);

/* micro_use - the compiler must take the value for used. */
BH_INLINE void
micro_use(uint64_t value)
{
	__asm__ volatile("" : : "r"(value));
}

/* micro_draw - a fast generator; good enough to be unpredictable for a branch predictor. */
BH_INLINE uint64_t
micro_draw(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

#endif
