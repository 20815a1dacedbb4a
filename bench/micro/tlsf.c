/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 10 million operations: a random one of 4096 places is freed if it is taken, and else allocated with 16 to 4096 bytes, the
 * short ones more often. About 2048 allocations live at a time, 2 MiB in all. Each operation is timed by itself.
 */
#include "bench/micro/micro.h"
#include <bulkhead/mem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPERATION_CNT 10000000u
#define PLACE_CNT     4096u
#define POOL_BYTES    (16u << 20)
#define BUCKET_CNT    (1u << 16) /* one per cycle; what is longer counts in the last one */

struct times {
	uint64_t max_cycles;
	uint32_t bucket[BUCKET_CNT];
};

static struct times empty, operations;
static void *place[PLACE_CNT];

/* The fences keep the operation between the two readings. */
static inline uint64_t
clock_begin(void)
{
	__asm__ volatile("lfence" ::: "memory");
	uint64_t now_tsc = bh_clock_now_tsc();
	__asm__ volatile("lfence" ::: "memory");
	return now_tsc;
}

static void
times_add(struct times *times, uint64_t cycles)
{
	times->bucket[BH_MIN(cycles, (uint64_t)(BUCKET_CNT - 1))]++;
	times->max_cycles = BH_MAX(times->max_cycles, cycles);
}

static uint64_t
times_percentile(const struct times *times, double fraction)
{
	uint64_t wanted_cnt = (uint64_t)(fraction * OPERATION_CNT), seen_cnt = 0;
	for (uint32_t i = 0; i < BUCKET_CNT - 1; i++) {
		seen_cnt += times->bucket[i];
		if (seen_cnt > wanted_cnt)
			return i;
	}
	return times->max_cycles;
}

static void
empty_run(void)
{
	memset(&empty, 0, sizeof(empty));
	for (unsigned i = 0; i < OPERATION_CNT; i++) {
		uint64_t start_tsc = clock_begin();
		times_add(&empty, clock_begin() - start_tsc);
	}
}

static void
operations_run(struct bh_tlsf *tlsf, uint64_t *seed)
{
	memset(&operations, 0, sizeof(operations));
	for (unsigned i = 0; i < OPERATION_CNT; i++) {
		void **slot = &place[micro_draw(seed) % PLACE_CNT];
		size_t size_bytes = 16 + micro_draw(seed) % (UINT64_C(16) << micro_draw(seed) % 9);
		void *taken = *slot;
		uint64_t start_tsc = clock_begin();
		if (taken != NULL)
			bh_tlsf_free(tlsf, taken);
		else
			taken = bh_tlsf_alloc(tlsf, size_bytes);
		uint64_t end_tsc = clock_begin();
		if (taken == NULL)
			micro_fail("the pool is too small");
		*slot = *slot != NULL ? NULL : taken;
		times_add(&operations, end_tsc - start_tsc);
	}
}

struct row {
	const char *id, *what;
	double fraction; /* above 1: the maximum */
	double target;
};

static const struct row rows[] = {
        {"tlsf_p50", "TLSF allocate or free, p50", 0.5, 0},
        {"tlsf_p99", "TLSF allocate or free, p99", 0.99, 0},
        {"tlsf_p99_99", "TLSF allocate or free, p99.99", 0.9999, 100},
        {"tlsf_max", "TLSF allocate or free, max", 2, 0},
};

#define ROW_CNT BH_ARRAY_CNT(rows)

static double
row_ns(const struct row *row, const struct times *times, uint64_t overhead_cycles)
{
	uint64_t cycles = row->fraction > 1 ? times->max_cycles : times_percentile(times, row->fraction);
	return cycles <= overhead_cycles ? 0 : (double)(cycles - overhead_cycles) / micro_cycles_per_ns;
}

static void
run_record(struct micro_result *results, unsigned run_idx)
{
	uint64_t overhead_cycles = times_percentile(&empty, 0.5);
	for (size_t i = 0; i < ROW_CNT; i++) {
		struct micro_result *result = &results[i];
		result->run[run_idx] = row_ns(&rows[i], &operations, overhead_cycles);
		snprintf(result->note, sizeof(result->note),
		         "clock reading of %.1f ns subtracted; around nothing: %.1f ns",
		         (double)overhead_cycles / micro_cycles_per_ns, row_ns(&rows[i], &empty, overhead_cycles));
	}
}

unsigned
micro_tlsf(struct micro_result *out_results)
{
	uint64_t seed = 88172645463325252u;
	void *pool = aligned_alloc(4096, POOL_BYTES);
	if (pool == NULL)
		micro_fail("no memory for the pool");
	memset(pool, 0, POOL_BYTES);
	struct bh_tlsf *tlsf = bh_tlsf_init(pool, POOL_BYTES);
	for (size_t i = 0; i < ROW_CNT; i++) {
		out_results[i] = (struct micro_result){
		        .id = rows[i].id, .what = rows[i].what, .unit = "ns", .target = rows[i].target};
		out_results[i].run_cnt = 5;
	}
	for (unsigned i = 0; i < 5; i++) {
		empty_run();
		operations_run(tlsf, &seed);
		run_record(out_results, i);
	}
	free(pool);
	return ROW_CNT;
}
