/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 10 million operations: a random one of 1024 places is freed if it is taken, and else allocated with 16 to 4096 bytes, the
 * short ones more often. About 512 allocations live at a time, 256 KiB in all. Each operation is timed by itself. The
 * pool is on huge pages where the kernel gives them, as a cell's heap is.
 *
 * The same operations are replayed several times from an empty pool. The allocator does the same each time and the machine
 * does not: an operation's median over the replays is the allocator's own time, without the interrupts and neighbours
 * that hit one replay. Both are reported, and what the machine does around nothing.
 */
#define _GNU_SOURCE /* MADV_HUGEPAGE */
#include "bench/micro/micro.h"
#include <bulkhead/mem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define OPERATION_CNT   10000000u
#define PLACE_CNT       1024u
#define HUGE_PAGE_BYTES (2u << 20)
#define POOL_BYTES      (16u << 20)
#define BUCKET_CNT      (1u << 16) /* one per cycle; what is longer counts in the last one */

#define WARM_UP_CNT 100000u /* until as much is freed as is allocated */
#define REPLAY_CNT  5u
#define ROW_CNT     4u
#define SEED        UINT64_C(88172645463325252)

struct times {
	uint64_t max_cycles;
	uint32_t bucket[BUCKET_CNT];
};

static struct times empty, operations;
static uint16_t *took[REPLAY_CNT]; /* cycles of each operation, cut to 16 bits */
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

/* Time one operation on a place. Return: cycles. */
static uint64_t
operation_run(struct bh_tlsf *tlsf, void **slot, size_t size_bytes)
{
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
	return end_tsc - start_tsc;
}

static void
replay_run(void *pool, uint16_t *out_took)
{
	uint64_t seed = SEED;
	struct bh_tlsf *tlsf = bh_tlsf_init(pool, POOL_BYTES);
	memset(place, 0, sizeof(place));
	memset(&operations, 0, sizeof(operations));
	for (unsigned i = 0; i < WARM_UP_CNT + OPERATION_CNT; i++) {
		void **slot = &place[micro_draw(&seed) % PLACE_CNT];
		size_t size_bytes = 16 + micro_draw(&seed) % (UINT64_C(16) << micro_draw(&seed) % 9);
		uint64_t cycles = operation_run(tlsf, slot, size_bytes);
		if (i < WARM_UP_CNT)
			continue;
		times_add(&operations, cycles);
		out_took[i - WARM_UP_CNT] = (uint16_t)BH_MIN(cycles, (uint64_t)UINT16_MAX);
	}
}

static uint16_t
median_of(unsigned operation_idx)
{
	uint16_t sorted[REPLAY_CNT];
	for (unsigned i = 0; i < REPLAY_CNT; i++) {
		unsigned j = i;
		for (; j > 0 && sorted[j - 1] > took[i][operation_idx]; j--)
			sorted[j] = sorted[j - 1];
		sorted[j] = took[i][operation_idx];
	}
	return sorted[REPLAY_CNT / 2];
}

static const struct {
	const char *id, *what, *own_id, *own_what;
	double fraction; /* above 1: the maximum */
	double target;
} rows[ROW_CNT] = {
        {"tlsf_p50", "TLSF allocate or free, p50", "tlsf_own_p50", "  each operation's median of 5 replays, p50", 0.5,
         0},
        {"tlsf_p99", "TLSF allocate or free, p99", "tlsf_own_p99", "  each operation's median of 5 replays, p99", 0.99,
         0},
        {"tlsf_p99_99", "TLSF allocate or free, p99.99", "tlsf_own_p99_99",
         "  each operation's median of 5 replays, p99.99", 0.9999, 100},
        {"tlsf_max", "TLSF allocate or free, max", "tlsf_own_max", "  each operation's median of 5 replays, max", 2, 0},
};

static double
row_ns(unsigned row, const struct times *times, uint64_t overhead_cycles)
{
	double fraction = rows[row].fraction;
	uint64_t cycles = fraction > 1 ? times->max_cycles : times_percentile(times, fraction);
	return cycles <= overhead_cycles ? 0 : (double)(cycles - overhead_cycles) / micro_cycles_per_ns;
}

static void
replay_record(struct micro_result *results, unsigned replay, uint64_t overhead_cycles)
{
	for (unsigned i = 0; i < ROW_CNT; i++) {
		struct micro_result *result = &results[2 * i];
		result->run[replay] = row_ns(i, &operations, overhead_cycles);
		snprintf(result->note, sizeof(result->note),
		         "clock reading of %.1f ns subtracted; around nothing: %.1f ns",
		         (double)overhead_cycles / micro_cycles_per_ns, row_ns(i, &empty, overhead_cycles));
	}
}

static void
medians_record(struct micro_result *results, uint64_t overhead_cycles)
{
	memset(&operations, 0, sizeof(operations));
	for (unsigned i = 0; i < OPERATION_CNT; i++)
		times_add(&operations, median_of(i));
	for (unsigned i = 0; i < ROW_CNT; i++)
		results[2 * i + 1].run[0] = row_ns(i, &operations, overhead_cycles);
}

static void
rows_name(struct micro_result *results)
{
	for (unsigned i = 0; i < ROW_CNT; i++) {
		results[2 * i] = (struct micro_result){.id = rows[i].id, .what = rows[i].what, .run_cnt = REPLAY_CNT};
		results[2 * i + 1] =
		        (struct micro_result){.id = rows[i].own_id, .what = rows[i].own_what, .run_cnt = 1};
		results[2 * i].unit = results[2 * i + 1].unit = "ns";
		results[2 * i].target = results[2 * i + 1].target = rows[i].target;
	}
}

static void *
pages_take(size_t size_bytes)
{
	void *ptr = aligned_alloc(HUGE_PAGE_BYTES, BH_ALIGN_UP(size_bytes, (size_t)HUGE_PAGE_BYTES));
	if (ptr == NULL)
		micro_fail("no memory");
	(void)madvise(ptr, size_bytes, MADV_HUGEPAGE); /* ordinary pages will do */
	memset(ptr, 0, size_bytes);
	return ptr;
}

unsigned
micro_tlsf(struct micro_result *out_results)
{
	uint64_t overhead_cycles = 0;
	void *pool = pages_take(POOL_BYTES);
	rows_name(out_results);
	for (unsigned i = 0; i < REPLAY_CNT; i++)
		took[i] = pages_take(OPERATION_CNT * sizeof(uint16_t));
	for (unsigned i = 0; i < REPLAY_CNT; i++) {
		empty_run();
		overhead_cycles = times_percentile(&empty, 0.5);
		replay_run(pool, took[i]);
		replay_record(out_results, i, overhead_cycles);
	}
	medians_record(out_results, overhead_cycles);
	for (unsigned i = 0; i < REPLAY_CNT; i++)
		free(took[i]);
	free(pool);
	return 2 * ROW_CNT;
}
