/* SPDX-License-Identifier: Apache-2.0 */
/* bulkhead apply: carry a plan out, with a journal to put it back. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/partition.h"

struct arguments {
	const char *path, *level;
	bool dry_run, yes, json, verbose;
};

static void
usage(FILE *stream)
{
	fprintf(stream,
	        "usage: bulkhead apply FILE [--level live|full] [--dry-run] [--yes] [--verbose] [--json]\n\n"
	        "Takes the configuration's CPUs, memory and devices from Linux: what 'bulkhead plan FILE' shows, after "
	        "a\n"
	        "question. What stood there is journaled before each write (/var/lib/bulkhead/journal), each write is "
	        "read\n"
	        "back, and when a step fails, everything is put back. 'bulkhead restore' puts it back later.\n\n"
	        "  --level L  live: no reboot needed; full: the kernel's command line, too; preset: [partition] level\n"
	        "  --dry-run  show the plan and change nothing\n"
	        "  --yes      do not ask\n"
	        "  --verbose  show each step\n"
	        "  --json     the result for programs; needs --yes\n\n"
	        "exit codes: 0 ok, 1 failed and put back, 4 refused for safety, 5 ok, and a reboot is needed, 6 needs "
	        "root\n");
}

static bool
parse(int argc, char **argv, struct arguments *out)
{
	static const struct option options[] = {{"help", no_argument, NULL, 'h'},
	                                        {"level", required_argument, NULL, 'l'},
	                                        {"dry-run", no_argument, NULL, 'n'},
	                                        {"yes", no_argument, NULL, 'y'},
	                                        {"verbose", no_argument, NULL, 'v'},
	                                        {"json", no_argument, NULL, 'j'},
	                                        {NULL, 0, NULL, 0}};
	*out = (struct arguments){0};
	for (int option; (option = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
		if (option == 'h' || option == '?')
			return false;
		if (option == 'l')
			out->level = optarg;
		out->dry_run |= option == 'n';
		out->yes |= option == 'y';
		out->verbose |= option == 'v';
		out->json |= option == 'j';
	}
	if (argc - optind != 1 || (out->json && !out->yes && !out->dry_run))
		return false;
	out->path = argv[optind];
	return true;
}

static bool
agreed(void)
{
	char line[16] = "";
	printf("\nApply this? [y/N] ");
	fflush(stdout);
	return fgets(line, sizeof(line), stdin) != NULL && (line[0] == 'y' || line[0] == 'Y');
}

static void
print_result(const struct bh_plan *plan, const struct bh_apply_report *report)
{
	printf("applied: %u changed, %u stood so already, %u the kernel keeps as they are\n", report->cnt[BH_STEP_DONE],
	       report->cnt[BH_STEP_SAME], report->cnt[BH_STEP_REFUSED]);
	for (uint32_t i = 0; i < plan->note_cnt; i++)
		printf("note: %s\n", plan->note[i]);
	if (plan->reboot)
		printf("the kernel's command line counts from the next boot on: reboot (BH-E234)\n");
	printf("'bulkhead status' shows it, 'bulkhead restore' puts it back\n");
}

static json_t *
result_json(const struct bh_plan *plan, const struct bh_apply_report *report, json_t *steps,
            const struct bh_error *error)
{
	return json_pack("{s:s, s:b, s:b, s:i, s:i, s:i, s:b, s:s, s:s, s:o}", "configuration", plan->wants.path, "ok",
	                 error->id[0] == '\0', "rolled_back", report->rolled_back, "changed",
	                 (int)report->cnt[BH_STEP_DONE], "same", (int)report->cnt[BH_STEP_SAME], "refused",
	                 (int)report->cnt[BH_STEP_REFUSED], "needs_reboot", plan->reboot, "error_id", error->id,
	                 "error", error->text, "steps", steps);
}

static int
apply(const struct arguments *arguments, const struct bh_plan *plan)
{
	struct partition_teller teller = {arguments->verbose, arguments->json ? json_array() : NULL};
	struct bh_apply_report report;
	struct bh_error error = {0};
	int err = bh_apply(plan, partition_tell, &teller, &report, &error);
	int code = err != 0 ? 0 : plan->reboot ? BH_EXIT_REBOOT : BH_EXIT_OK;
	if (err != 0)
		code = partition_fail("apply", &error);
	if (arguments->json)
		return partition_print_json(result_json(plan, &report, teller.steps, &error)) == 0 ? code
		                                                                                   : BH_EXIT_FAILED;
	if (err == 0)
		print_result(plan, &report);
	return code;
}

int
cmd_apply(int argc, char **argv)
{
	struct arguments arguments;
	static struct bh_plan plan;
	if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		usage(stdout);
		return BH_EXIT_OK;
	}
	if (!parse(argc, argv, &arguments)) {
		usage(stderr);
		return BH_EXIT_USAGE;
	}
	int code = partition_plan("apply", arguments.path, arguments.level, &plan);
	if (code != 0)
		return code;
	if (!arguments.json && (arguments.dry_run || !arguments.yes))
		partition_print_plan(&plan, arguments.verbose);
	if (arguments.dry_run && arguments.json)
		code = partition_print_json(partition_plan_json(&plan));
	if (!arguments.dry_run && geteuid() != 0) {
		fprintf(stderr, "bulkhead apply: this needs root: sudo bulkhead apply %s (BH-E226)\n", arguments.path);
		code = BH_EXIT_ROOT;
	} else if (!arguments.dry_run && !arguments.yes && !agreed()) {
		printf("nothing was changed\n");
		code = BH_EXIT_FAILED;
	} else if (!arguments.dry_run) {
		code = apply(&arguments, &plan);
	}
	bh_plan_free(&plan);
	return code;
}
