/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/micro/micro.h"
#include <bulkhead/sched.h>

#define YIELD_CNT 100000u

static bool stop;

static void
partner(void *arg)
{
	(void)arg;
	while (!stop)
		bh_yield();
}

/* Two fibers in turns: each yield, with its scheduler pass, is one switch. */
static double
switches_run(void)
{
	uint64_t start_tsc = bh_clock_now_tsc();
	for (unsigned i = 0; i < YIELD_CNT; i++)
		bh_yield();
	uint64_t end_tsc = bh_clock_now_tsc();
	return (double)(end_tsc - start_tsc) / micro_cycles_per_ns / (2.0 * YIELD_CNT);
}

unsigned
micro_fiber(struct micro_result *out_results)
{
	*out_results = (struct micro_result){
	        .id = "fiber_switch",
	        .what = "fiber switch (yield, scheduler pass, switch)",
	        .unit = "ns",
	        .target = 10,
	        .run_cnt = MICRO_RUN_CNT,
	};
	stop = false;
	if (bh_fiber_spawn(partner, NULL) != 0)
		micro_fail("no fiber stack");
	for (unsigned i = 0; i < MICRO_RUN_CNT; i++)
		out_results->run[i] = switches_run();
	stop = true;
	bh_yield();
	return 1;
}
