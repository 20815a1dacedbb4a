/* SPDX-License-Identifier: Apache-2.0 */
/* build/tests/sim: the command line. docs/simulator.md is the manual. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/many.h"
#include "tests/sim/sim.h"

static const char usage[] =
        "usage: sim --seed N [--trace] [--plan] [options]     one seed in this process; replays exactly\n"
        "       sim --seeds CNT [--first N] [--jobs N] [options]   many seeds, a process each\n"
        "       sim --twice CNT [--first N]                   each seed in two processes: the traces must agree\n"
        "       sim --self-test                               deliberate mistakes: each must be found\n"
        "       sim --fault-table                             each fault alone: the driver must notice and recover\n"
        "options:\n"
        "  --kind app|work    only nvme-bench, or only the simulator's own workload\n"
        "  --kind net|ixgbe   network cards instead of NVMe: virtio's, or 82599s\n"
        "  --no-faults        leave out what the seed lets go wrong\n"
        "  --fault FILE       these faults instead (the language of bulkhead softdev nvme --fault)\n"
        "  --fault-case NAME  one line of the fault table\n"
        "  --mutate NAME      make a deliberate mistake (--self-test lists them)\n";

enum {
	OPT_SEED = 256,
	OPT_SEEDS,
	OPT_FIRST,
	OPT_JOBS,
	OPT_TWICE,
	OPT_TRACE,
	OPT_PLAN,
	OPT_KIND,
	OPT_NO_FAULTS,
	OPT_FAULT,
	OPT_MUTATE,
	OPT_SELF_TEST,
	OPT_FAULT_TABLE,
	OPT_FAULT_CASE,
	OPT_HELP
};

static const struct option options[] = {
        {"seed", required_argument, NULL, OPT_SEED},
        {"seeds", required_argument, NULL, OPT_SEEDS},
        {"first", required_argument, NULL, OPT_FIRST},
        {"jobs", required_argument, NULL, OPT_JOBS},
        {"twice", required_argument, NULL, OPT_TWICE},
        {"trace", no_argument, NULL, OPT_TRACE},
        {"plan", no_argument, NULL, OPT_PLAN},
        {"kind", required_argument, NULL, OPT_KIND},
        {"no-faults", no_argument, NULL, OPT_NO_FAULTS},
        {"fault", required_argument, NULL, OPT_FAULT},
        {"mutate", required_argument, NULL, OPT_MUTATE},
        {"self-test", no_argument, NULL, OPT_SELF_TEST},
        {"fault-table", no_argument, NULL, OPT_FAULT_TABLE},
        {"fault-case", required_argument, NULL, OPT_FAULT_CASE},
        {"help", no_argument, NULL, OPT_HELP},
        {NULL, 0, NULL, 0},
};

struct arguments {
	int mode; /* OPT_SEED, OPT_SEEDS, OPT_TWICE, OPT_SELF_TEST, OPT_FAULT_TABLE */
	uint64_t seed, cnt, jobs;
	bool trace, plan;
	struct sim_choice choice;
};

static uint64_t
number(const char *text)
{
	char *end;
	uint64_t value = strtoull(text, &end, 0);
	if (*text < '0' || *text > '9' || *end != '\0') {
		fprintf(stderr, "sim: '%s' is not a number\n", text);
		exit(2);
	}
	return value;
}

static void
kind_set(struct sim_choice *choice, const char *text)
{
	choice->kind = sim_kind_by_name(text);
	if (choice->kind < 0) {
		fprintf(stderr, "sim: --kind is app, work, net or ixgbe, not '%s'\n", text);
		exit(2);
	}
}

static void
mutation_set(struct sim_choice *choice, const char *text)
{
	choice->mutation = sim_mutation_by_name(text);
	choice->kind = sim_mutation_kind(choice->mutation);
	if (choice->mutation == SIM_MUTATION_NONE) {
		fprintf(stderr, "sim: no mutation is called '%s'; --self-test lists them\n", text);
		exit(2);
	}
}

static void
option_take(struct arguments *args, int option)
{
	switch (option) {
	case OPT_SEED:
	case OPT_FIRST:
		args->seed = number(optarg);
		break;
	case OPT_SEEDS:
	case OPT_TWICE:
		args->cnt = number(optarg);
		break;
	case OPT_JOBS:
		args->jobs = number(optarg);
		break;
	case OPT_TRACE:
		args->trace = true;
		break;
	case OPT_PLAN:
		args->plan = true;
		break;
	case OPT_KIND:
		kind_set(&args->choice, optarg);
		break;
	case OPT_NO_FAULTS:
		args->choice.no_faults = true;
		break;
	case OPT_FAULT:
		if (sim_choice_faults_read(&args->choice, optarg) != 0)
			exit(2);
		break;
	case OPT_FAULT_CASE:
		if (sim_choice_fault_case(&args->choice, optarg) != 0)
			exit(2);
		break;
	case OPT_MUTATE:
		mutation_set(&args->choice, optarg);
		break;
	case OPT_HELP:
		fputs(usage, stdout);
		exit(0);
	case OPT_SELF_TEST:
	case OPT_FAULT_TABLE:
		break;
	default:
		fputs(usage, stderr);
		exit(2);
	}
	if (option == OPT_SEED || option == OPT_SEEDS || option == OPT_TWICE || option == OPT_SELF_TEST ||
	    option == OPT_FAULT_TABLE)
		args->mode = option;
}

static int
one(const struct arguments *args)
{
	static struct sim_plan plan;
	static struct sim_result result;

	sim_choice_plan(&args->choice, args->seed, &plan);
	if (args->plan || args->trace)
		sim_plan_print(&plan);
	sim_trace_init(args->trace);
	sim_run(&plan, &result);
	printf("seed %" PRIu64 " passed: %s, %u cores, %" PRIu64 " commands or frames, %" PRIu64 " checked, %" PRIu64
	       " resets, %" PRIu64 " points, %" PRIu64 " us of virtual time, trace %016" PRIx64 "\n",
	       result.seed, sim_kind_name(plan.kind), plan.core_cnt, result.io_cnt, result.checked_cnt,
	       result.reset_cnt, result.point_cnt, result.now_ns / 1000, result.hash);
	return 0;
}

int
main(int argc, char **argv)
{
	struct arguments args = {.mode = 0, .seed = 1, .jobs = 1, .choice = {.kind = -1}};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		option_take(&args, option);
	switch (args.mode) {
	case OPT_SEED:
		return one(&args);
	case OPT_SEEDS:
		return sim_many(&args.choice, args.seed, args.cnt, args.jobs);
	case OPT_TWICE:
		return sim_twice(args.seed, args.cnt);
	case OPT_SELF_TEST:
		return sim_self_test();
	case OPT_FAULT_TABLE:
		return sim_fault_table();
	default:
		fputs(usage, stderr);
		return 2;
	}
}
