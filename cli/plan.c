/* SPDX-License-Identifier: Apache-2.0 */
/* bulkhead plan: what apply would do, as writes and as shell commands. */
#include <getopt.h>
#include <stdio.h>

#include "cli/cli.h"
#include "cli/partition.h"

static void
usage(FILE *stream)
{
	fprintf(stream,
	        "usage: bulkhead plan FILE [--level live|full] [--all] [--json]\n\n"
	        "Shows what 'bulkhead apply FILE' would change on this machine: each write as the shell command that "
	        "it\n"
	        "equals, in order, with what it replaces and why. Changes nothing, and needs no root.\n\n"
	        "  --level L  live: no reboot needed; full: the kernel's command line, too; preset: [partition] level\n"
	        "  --all      also what stands as wanted already\n"
	        "  --json     the same for programs\n");
}

int
cmd_plan(int argc, char **argv)
{
	static const struct option options[] = {{"help", no_argument, NULL, 'h'},
	                                        {"level", required_argument, NULL, 'l'},
	                                        {"all", no_argument, NULL, 'a'},
	                                        {"json", no_argument, NULL, 'j'},
	                                        {NULL, 0, NULL, 0}};
	const char *level = NULL;
	bool all = false, json = false;
	static struct bh_plan plan;
	for (int option; (option = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
		switch (option) {
		case 'h':
			usage(stdout);
			return BH_EXIT_OK;
		case 'l':
			level = optarg;
			break;
		case 'a':
			all = true;
			break;
		case 'j':
			json = true;
			break;
		default:
			usage(stderr);
			return BH_EXIT_USAGE;
		}
	}
	if (argc - optind != 1) {
		usage(stderr);
		return BH_EXIT_USAGE;
	}
	int code = partition_plan("plan", argv[optind], level, &plan);
	if (code != 0)
		return code;
	if (json)
		code = partition_print_json(partition_plan_json(&plan));
	else
		partition_print_plan(&plan, all);
	bh_plan_free(&plan);
	return code;
}
