/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/micro/micro.h"
#include <bulkhead/cell.h>
#include <bulkhead/hosted.h>
#include <bulkhead/log.h>
#include <bulkhead/mem.h>
#include <bulkhead/metrics.h>

#define LOOP_CNT  200000u
#define VALUE_CNT 4096u

static double
rdtsc_run(void)
{
	uint64_t start_tsc = bh_clock_now_tsc();
	for (unsigned i = 0; i < LOOP_CNT; i++)
		micro_use(bh_clock_now_tsc());
	return (double)(bh_clock_now_tsc() - start_tsc) / micro_cycles_per_ns / LOOP_CNT;
}

/* The reader is this loop: it frees the whole ring twice a round. */
static double
log_run(void)
{
	const struct bh_shared_layout *layout = &bh_hosted_page()->shared;
	struct bh_log_ring *ring = bh_hosted_shared(layout->log_offset);
	uint64_t batch = layout->log_record_cnt / 2;
	uint64_t start_tsc = bh_clock_now_tsc();
	uint64_t done = 0;
	for (; done < LOOP_CNT; done += batch) {
		ring->tail = ring->head;
		for (uint64_t i = 0; i < batch; i++)
			bh_log_info("three %lu %lu %lu", i, done, batch);
	}
	uint64_t end_tsc = bh_clock_now_tsc();
	if (ring->dropped_cnt != 0)
		micro_fail("log records were dropped");
	return (double)(end_tsc - start_tsc) / micro_cycles_per_ns / (double)done;
}

/* Latencies from 100 to 1600 cycles, most of them short. */
static void
values_draw(uint64_t *out_values)
{
	uint64_t seed = 88172645463325252u;
	for (unsigned i = 0; i < VALUE_CNT; i++)
		out_values[i] = 100 + micro_draw(&seed) % (UINT64_C(100) << micro_draw(&seed) % 4);
}

static double
hist_run(struct bh_hist *hist, const uint64_t *values)
{
	uint64_t start_tsc = bh_clock_now_tsc();
	for (unsigned i = 0; i < LOOP_CNT; i++)
		bh_hist_record(hist, values[i % VALUE_CNT]);
	return (double)(bh_clock_now_tsc() - start_tsc) / micro_cycles_per_ns / LOOP_CNT;
}

unsigned
micro_observe(struct micro_result *out_results)
{
	static uint64_t values[VALUE_CNT];
	struct bh_hist *hist = bh_hist_register("micro.values");
	values_draw(values);
	struct micro_result *rdtsc = &out_results[0], *log = &out_results[1], *histogram = &out_results[2];
	*rdtsc = (struct micro_result){.id = "rdtsc", .what = "reading the clock (bare rdtsc)", .unit = "ns"};
	*log = (struct micro_result){
	        .id = "log_record", .what = "log record, 3 arguments (with its rdtsc)", .unit = "ns", .target = 10};
	*histogram =
	        (struct micro_result){.id = "histogram_record", .what = "histogram record", .unit = "ns", .target = 3};
	for (unsigned i = 0; i < MICRO_RUN_CNT; i++) {
		rdtsc->run[i] = rdtsc_run();
		log->run[i] = log_run();
		histogram->run[i] = hist_run(hist, values);
	}
	rdtsc->run_cnt = log->run_cnt = histogram->run_cnt = MICRO_RUN_CNT;
	return 3;
}
