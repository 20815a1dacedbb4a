/* SPDX-License-Identifier: Apache-2.0 */
/* bulkhead status: wanted, booted and effective, side by side. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/partition.h"
#include "host/machine/status.h"

static void
usage(FILE *stream)
{
	fprintf(stream,
	        "usage: bulkhead status [--all] [--json]\n\n"
	        "Shows what is partitioned: what was wanted, what stood there at boot or before, and what is in "
	        "effect\nnow. Of the single settings those that do not hold are shown.\n\n"
	        "  --all   every setting\n"
	        "  --json  all of it for programs\n\n"
	        "exit codes: 0 all holds, or nothing is applied; 3 something does not hold; 6 needs root\n");
}

static const char *
or_dash(const char *text)
{
	return text[0] != '\0' ? text : "-";
}

static void
print_row(const struct bh_status_row *row)
{
	printf("%-42s  %-12s  %-12s  %-12s  %s\n", row->name, or_dash(row->wanted), or_dash(row->booted),
	       or_dash(row->effective), row->state == BH_ROW_FREE ? "" : bh_row_state_name(row->state));
}

static void
print_status(const struct bh_status *status, bool all)
{
	unsigned detail_cnt = 0, held_cnt = 0, refused_cnt = 0;
	if (!status->applied)
		printf("nothing is applied\n\n");
	else
		printf("applied from %s (level %s)%s\n\n", status->config,
		       status->level == BH_LEVEL_FULL ? "full" : "live",
		       status->rebooted ? "; the machine was started anew since" : "");
	printf("%-42s  %-12s  %-12s  %-12s\n", "", "wanted", "booted/before", "effective");
	for (uint32_t i = 0; i < status->row_cnt; i++) {
		const struct bh_status_row *row = &status->row[i];
		detail_cnt += row->detail;
		held_cnt += row->detail && row->state == BH_ROW_HOLDS;
		refused_cnt += row->detail && row->state == BH_ROW_REFUSED;
		if (!row->detail || all || (row->state != BH_ROW_HOLDS && row->state != BH_ROW_REFUSED))
			print_row(row);
	}
	if (status->applied)
		printf("\n%u of %u settings hold, %u the kernel keeps as they are%s\n", held_cnt, detail_cnt,
		       refused_cnt, all ? "" : " (--all shows them)");
}

static json_t *
status_json(const struct bh_status *status)
{
	json_t *rows = json_array();
	for (uint32_t i = 0; i < status->row_cnt; i++) {
		const struct bh_status_row *row = &status->row[i];
		json_array_append_new(rows, json_pack("{s:s, s:s, s:s, s:s, s:s, s:b}", "name", row->name, "wanted",
		                                      row->wanted, "booted", row->booted, "effective", row->effective,
		                                      "state", bh_row_state_name(row->state), "setting", row->detail));
	}
	return json_pack("{s:b, s:s, s:s, s:b, s:o}", "applied", status->applied, "configuration", status->config,
	                 "level", status->level == BH_LEVEL_FULL ? "full" : "live", "rebooted", status->rebooted,
	                 "rows", rows);
}

int
cmd_status(int argc, char **argv)
{
	static const struct option options[] = {{"help", no_argument, NULL, 'h'},
	                                        {"all", no_argument, NULL, 'a'},
	                                        {"json", no_argument, NULL, 'j'},
	                                        {NULL, 0, NULL, 0}};
	struct bh_status status;
	struct bh_error error = {0};
	bool all = false, json = false;
	for (int option; (option = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
		if (option == 'h' || option == '?') {
			usage(option == 'h' ? stdout : stderr);
			return option == 'h' ? BH_EXIT_OK : BH_EXIT_USAGE;
		}
		all |= option == 'a';
		json |= option == 'j';
	}
	if (optind != argc) {
		usage(stderr);
		return BH_EXIT_USAGE;
	}
	if (bh_status_read("", &status, &error) != 0)
		return partition_fail("status", &error);
	int code = status.cnt[BH_ROW_DRIFTED] + status.cnt[BH_ROW_REBOOT] > 0 ? BH_EXIT_NOT_MET : BH_EXIT_OK;
	if (!json)
		print_status(&status, all);
	else if (partition_print_json(status_json(&status)) != BH_EXIT_OK)
		code = BH_EXIT_FAILED;
	bh_status_free(&status);
	return code;
}
