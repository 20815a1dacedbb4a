/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the simulator can fail: every deliberate mistake, under several seeds. */
#include <inttypes.h>
#include <stdio.h>

#include "tests/sim/many.h"

#define SEED_CNT 10u

int
sim_self_test(void)
{
	struct sim_result result;
	unsigned missed_cnt = 0;

	for (int i = 1; i < SIM_MUTATION_CNT; i++) {
		struct sim_choice choice = {.mutation = (enum sim_mutation)i};
		choice.kind = (int)sim_mutation_kind(choice.mutation);
		unsigned found_cnt = 0;
		char why[sizeof(result.failure)] = "";
		for (uint64_t seed = 1; seed <= SEED_CNT; seed++) {
			if (sim_spawn(&choice, seed, &result))
				continue;
			found_cnt++;
			snprintf(why, sizeof(why), "%s", result.failure);
		}
		printf("%-18s found under %u of %u seeds: %s\n", sim_mutation_name(choice.mutation), found_cnt,
		       SEED_CNT, why);
		missed_cnt += found_cnt == 0;
	}
	printf("%u mistakes, %u never found\n", SIM_MUTATION_CNT - 1, missed_cnt);
	return missed_cnt != 0;
}
