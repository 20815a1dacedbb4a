/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/micro/micro.h"
#include <bulkhead/ring.h>

#define SLOT_CNT  1024u
#define BATCH_CNT 32u
#define ROUND_CNT 30000u

static struct bh_spsc ring;
static uint64_t slots[SLOT_CNT];

/* One push and one pop of 32 items, per item. */
static double
spsc_run(void)
{
	uint64_t in[BATCH_CNT] = {0}, out[BATCH_CNT], moved_cnt = 0;
	uint64_t start_tsc = bh_clock_now_tsc();
	for (unsigned i = 0; i < ROUND_CNT; i++) {
		in[0] = i;
		moved_cnt += bh_spsc_push(&ring, in, BATCH_CNT);
		moved_cnt += bh_spsc_pop(&ring, out, BATCH_CNT);
		micro_use(out[0]);
	}
	uint64_t end_tsc = bh_clock_now_tsc();
	if (moved_cnt != UINT64_C(2) * ROUND_CNT * BATCH_CNT)
		micro_fail("the ring lost items");
	return (double)(end_tsc - start_tsc) / micro_cycles_per_ns / ((double)ROUND_CNT * BATCH_CNT);
}

unsigned
micro_ring(struct micro_result *out_results)
{
	*out_results = (struct micro_result){
	        .id = "spsc_item",
	        .what = "SPSC ring, same core, per item, batches of 32 (in and out)",
	        .unit = "ns",
	        .target = 2,
	        .run_cnt = MICRO_RUN_CNT,
	};
	if (bh_spsc_init(&ring, slots, SLOT_CNT) != 0)
		micro_fail("no ring");
	for (unsigned i = 0; i < MICRO_RUN_CNT; i++)
		out_results->run[i] = spsc_run();
	return 1;
}
