/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files that draw a plan. */
#ifndef TESTS_SIM_PLAN_DRAW_H
#define TESTS_SIM_PLAN_DRAW_H

#include "tests/sim/plan.h"

void sim_plan_work_draw(struct nvme_random *random, struct sim_plan *plan);
/* Also shapes the pace. @faults: false: nothing goes wrong. */
void sim_plan_net_draw(struct nvme_random *random, bool faults, struct sim_plan *plan);
void sim_plan_faults_draw(struct nvme_random *random, struct sim_plan *plan);

static inline uint64_t
draw_below(struct nvme_random *random, uint64_t limit)
{
	return nvme_random_below(random, limit);
}

static inline bool
draw_chance(struct nvme_random *random, uint64_t one_in)
{
	return nvme_random_below(random, one_in) == 0;
}

/* low .. high, each power of two as likely as the next. */
static inline uint64_t
draw_log(struct nvme_random *random, uint64_t low, uint64_t high)
{
	uint32_t bits_low = 63 - (uint32_t)__builtin_clzll(low), bits_high = 63 - (uint32_t)__builtin_clzll(high);
	uint64_t bits = bits_low + nvme_random_below(random, bits_high - bits_low + 1);
	uint64_t value = (UINT64_C(1) << bits) + nvme_random_below(random, UINT64_C(1) << bits);
	return value < low ? low : value > high ? high : value;
}

#endif
