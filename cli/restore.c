/* SPDX-License-Identifier: Apache-2.0 */
/* bulkhead restore: put back what apply changed. */
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/partition.h"

static void
usage(FILE *stream)
{
	fprintf(stream,
	        "usage: bulkhead restore [--boot] [--verbose] [--json]\n\n"
	        "Puts back each value that 'bulkhead apply' changed and that still is ours, last change first, from\n"
	        "/var/lib/bulkhead/journal; also after a crash, a kill -9 or a reboot. What somebody else changed "
	        "meanwhile is\n"
	        "told and left. Without a journal there is nothing to do.\n\n"
	        "  --boot     at boot (unit bulkhead-restore): forget what the reboot has undone; with [partition]\n"
	        "             after_boot = reapply apply it again\n"
	        "  --verbose  show each step\n"
	        "  --json     the result for programs\n");
}

static json_t *
result_json(const struct bh_apply_report *report, json_t *steps, const struct bh_error *error)
{
	return json_pack("{s:b, s:i, s:i, s:i, s:i, s:s, s:s, s:o}", "ok", error->id[0] == '\0', "back",
	                 (int)report->cnt[BH_STEP_BACK], "left", (int)report->cnt[BH_STEP_LEFT], "gone",
	                 (int)report->cnt[BH_STEP_GONE], "failed", (int)report->cnt[BH_STEP_FAILED], "error_id",
	                 error->id, "error", error->text, "steps", steps);
}

static int
restore(bool verbose, bool json)
{
	struct partition_teller teller = {verbose, json ? json_array() : NULL};
	struct bh_apply_report report;
	struct bh_error error = {0};
	int code = bh_restore("", partition_tell, &teller, &report, &error) == 0 ? BH_EXIT_OK
	                                                                         : partition_fail("restore", &error);
	if (json)
		return partition_print_json(result_json(&report, teller.steps, &error)) == 0 ? code : BH_EXIT_FAILED;
	if (code != BH_EXIT_OK)
		return code;
	if (report.cnt[BH_STEP_BACK] + report.cnt[BH_STEP_LEFT] + report.cnt[BH_STEP_GONE] == 0)
		printf("nothing to restore\n");
	else
		printf("restored: %u back, %u left to those who changed them, %u gone\n", report.cnt[BH_STEP_BACK],
		       report.cnt[BH_STEP_LEFT], report.cnt[BH_STEP_GONE]);
	return BH_EXIT_OK;
}

static int
after_boot(void)
{
	static char config[PATH_MAX];
	static char command[] = "apply", yes[] = "--yes";
	char *arguments[] = {command, config, yes, NULL};
	struct bh_error error = {0};
	bool reapply;
	if (bh_after_boot("", &reapply, config, &error) != 0)
		return partition_fail("restore", &error);
	if (!reapply) {
		printf("after the boot: nothing to apply again\n");
		return BH_EXIT_OK;
	}
	optind = 0;
	int code = cmd_apply(3, arguments);
	return code == BH_EXIT_REBOOT ? BH_EXIT_OK : code;
}

int
cmd_restore(int argc, char **argv)
{
	static const struct option options[] = {{"help", no_argument, NULL, 'h'},
	                                        {"boot", no_argument, NULL, 'b'},
	                                        {"verbose", no_argument, NULL, 'v'},
	                                        {"json", no_argument, NULL, 'j'},
	                                        {NULL, 0, NULL, 0}};
	bool boot = false, verbose = false, json = false;
	for (int option; (option = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
		if (option == 'h' || option == '?') {
			usage(option == 'h' ? stdout : stderr);
			return option == 'h' ? BH_EXIT_OK : BH_EXIT_USAGE;
		}
		boot |= option == 'b';
		verbose |= option == 'v';
		json |= option == 'j';
	}
	if (optind != argc || (boot && json)) {
		usage(stderr);
		return BH_EXIT_USAGE;
	}
	if (geteuid() != 0) {
		fprintf(stderr, "bulkhead restore: this needs root: sudo bulkhead restore (BH-E226)\n");
		return BH_EXIT_ROOT;
	}
	return boot ? after_boot() : restore(verbose, json);
}
