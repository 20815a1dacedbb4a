/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each fault of the script alone: the driver has to notice it (its counters say so) and to recover (the whole disk can be
 * read afterwards) or to report it. That no completion is lost or comes twice and that the data are right is checked in
 * every run.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tests/sim/many.h"

#define SEED_CNT 8u

struct fault_case {
	const char *name;
	const char *script;
	struct sim_expect expect;
};

#define COUNTERS(...)                                                                                                  \
	{                                                                                                              \
		__VA_ARGS__                                                                                            \
	}

static const struct fault_case cases[] = {
        {"delay", "every 5 delay 1ms..20ms", {.end = SIM_END_LIVE, .none = COUNTERS("command_timeout", "reset")}},
        {"delay-long", "nth 30 delay 60s", {.end = SIM_END_LIVE, .some = COUNTERS("command_timeout", "abort")}},
        {"lose", "nth 30 lose", {.end = SIM_END_LIVE, .some = COUNTERS("command_timeout", "abort", "reset")}},
        {"lose-many", "every 20 times 4 lose", {.end = SIM_END_LIVE, .some = COUNTERS("command_timeout", "reset")}},
        {"hang",
         "nth 30 hang",
         {.end = SIM_END_LIVE, .some = COUNTERS("command_timeout", "abort"), .none = COUNTERS("reset")}},
        {"hang-many", "every 15 times 6 hang", {.end = SIM_END_LIVE, .some = COUNTERS("command_timeout", "abort")}},
        {"duplicate",
         "every 7 times 10 duplicate",
         {.end = SIM_END_LIVE, .some = COUNTERS("completion_duplicate"), .none = COUNTERS("command_timeout")}},
        {"reorder", "every 9 reorder 5", {.end = SIM_END_LIVE, .none = COUNTERS("command_timeout", "reset")}},
        {"wrong-id",
         "nth 30 wrong-id",
         {.end = SIM_END_LIVE, .some = COUNTERS("completion_unknown_id", "command_timeout", "reset")}},
        {"stray",
         "every 25 times 3 stray",
         {.end = SIM_END_LIVE, .some = COUNTERS("completion_unknown_id"), .none = COUNTERS("command_timeout")}},
        {"wrong-phase", "nth 30 wrong-phase", {.end = SIM_END_LIVE, .some = COUNTERS("command_timeout", "reset")}},
        {"wrong-sq",
         "nth 30 wrong-sq",
         {.end = SIM_END_LIVE, .some = COUNTERS("completion_wrong_sq", "command_timeout", "reset")}},
        {"wrong-head",
         "nth 30 wrong-head",
         {.end = SIM_END_LIVE, .some = COUNTERS("completion_bad_sq_head", "command_timeout", "reset")}},
        {"old-head",
         "every 6 old-head",
         {.end = SIM_END_LIVE,
          .some = COUNTERS("completion_old_sq_head"),
          .none = COUNTERS("command_timeout", "reset")}},
        {"read-error",
         "op read every 6 status unrecovered-read",
         {.end = SIM_END_ANY, .some = COUNTERS("status_error")}},
        {"write-fault",
         "op write every 6 status write-fault dnr",
         {.end = SIM_END_LIVE, .some = COUNTERS("status_error"), .none = COUNTERS("reset")}},
        {"dma-outside", "every 13 times 9 dma-outside", {.end = SIM_END_LIVE, .some = COUNTERS("status_error")}},
        {"fatal", "nth 30 fatal", {.end = SIM_END_LIVE, .some = COUNTERS("reset")}},
        {"fatal-twice", "nth 30 fatal\nnth 50 fatal", {.end = SIM_END_LIVE, .some = COUNTERS("reset")}},
        {"all-ones", "after 30 ios all-ones", {.end = SIM_END_GONE, .some = COUNTERS("removed")}},
        {"ready-fails-once", "nth 2 stuck-ready\nnth 30 fatal", {.end = SIM_END_LIVE, .some = COUNTERS("reset")}},
        {"ready-fails", "every 1 stuck-ready", {.end = SIM_END_GONE}},
        {"reset-fails-once",
         "nth 1 stuck-enabled\nnth 30 fatal",
         {.end = SIM_END_LIVE, .some = COUNTERS("reset", "device_reset")}},
        {"reset-fails", "nth 30 lose\nfrom 1us stuck-enabled", {.end = SIM_END_ANY, .some = COUNTERS("device_reset")}},
        {"event", "after 30 ios event reliability", {.end = SIM_END_LIVE, .some = COUNTERS("async_event")}},
        {"admin-lost", "op admin nth 14 lose", {.end = SIM_END_ANY}},
        {"abort-lost",
         "nth 30 hang\nop abort lose 1",
         {.end = SIM_END_LIVE, .some = COUNTERS("command_timeout", "abort", "reset")}},
        {"create-refused", "op create-sq nth 1 status internal", {.end = SIM_END_LIVE}},
        {"delete-lost", "op delete-sq nth 1 lose", {.end = SIM_END_ANY}},
        {"identify-refused", "op identify nth 1 status internal", {.end = SIM_END_LIVE}},
};

int
sim_choice_fault_case(struct sim_choice *choice, const char *name)
{
	for (size_t i = 0; i < BH_ARRAY_CNT(cases); i++) {
		if (strcmp(cases[i].name, name) != 0)
			continue;
		choice->kind = SIM_KIND_WORK;
		choice->expect = &cases[i].expect;
		choice->fault_case = cases[i].name;
		return sim_choice_faults_parse(choice, cases[i].script, cases[i].name);
	}
	fprintf(stderr, "sim: no fault case is called '%s'; --fault-table lists them\n", name);
	return -BH_EINVAL;
}

static bool
case_run(const struct fault_case *fault)
{
	struct sim_choice choice = {.kind = SIM_KIND_WORK};
	struct sim_result result;
	unsigned passed_cnt = 0;
	uint64_t fired_cnt = 0;

	if (sim_choice_fault_case(&choice, fault->name) != 0)
		return false;
	for (uint64_t seed = 1; seed <= SEED_CNT; seed++) {
		passed_cnt += sim_spawn(&choice, seed, &result);
		for (unsigned i = 0; i < NVME_FAULT_ACTION_CNT; i++)
			fired_cnt += result.fault_cnt[i];
	}
	printf("%-18s %u of %u seeds, fired %" PRIu64 " times\n", fault->name, passed_cnt, SEED_CNT, fired_cnt);
	return passed_cnt == SEED_CNT && fired_cnt > 0;
}

int
sim_fault_table(void)
{
	unsigned failed_cnt = 0;

	for (size_t i = 0; i < BH_ARRAY_CNT(cases); i++)
		failed_cnt += !case_run(&cases[i]);
	printf("%zu faults, %u not handled\n", BH_ARRAY_CNT(cases), failed_cnt);
	return failed_cnt != 0;
}
