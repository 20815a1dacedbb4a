/* SPDX-License-Identifier: Apache-2.0 */
/* bulkhead explain: the page behind the id of an error or of a doctor's check. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "host/doctor/doctor.h"
#include "host/errors/errors.h"

static void
usage(FILE *stream)
{
	fprintf(stream,
	        "usage: bulkhead explain [ID]\n\n"
	        "Tells what an error such as BH-E012, or a check of 'bulkhead doctor' such as irq.affinity, means and\n"
	        "what to do; without ID, lists them all.\n");
}

static int
list_all(void)
{
	const struct bh_error_entry *entry;
	const struct bh_check *check;
	for (size_t i = 0; (entry = bh_error_at(i)) != NULL; i++)
		printf("BH-%s  exit %d  %s\n", entry->id, entry->exit_code, entry->title);
	printf("\n");
	for (size_t i = 0; (check = bh_check_at(i)) != NULL; i++)
		printf("%-24s  %s\n", check->id, check->title);
	return BH_EXIT_OK;
}

static int
explain_check(const struct bh_check *check)
{
	char area[16];
	printf("%s: %s\n\n%s\n\n%s\n\nIts state now: bulkhead doctor --area %s [FILE.conf]; the others of its area: "
	       "--area "
	       "%s\n",
	       check->id, check->title, check->why, check->page, check->id, bh_check_area(check, area));
	return BH_EXIT_OK;
}

int
cmd_explain(int argc, char **argv)
{
	if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		usage(stdout);
		return BH_EXIT_OK;
	}
	if (argc > 2) {
		usage(stderr);
		return BH_EXIT_USAGE;
	}
	if (argc == 1)
		return list_all();
	const struct bh_check *check = bh_check_find(argv[1]);
	if (check != NULL)
		return explain_check(check);
	const struct bh_error_entry *entry = bh_error_find(argv[1]);
	if (entry == NULL) {
		fprintf(stderr, "bulkhead explain: no error or check '%s'; 'bulkhead explain' lists them\n", argv[1]);
		return BH_EXIT_USAGE;
	}
	printf("BH-%s: %s (exit code %d)\n\n%s\n", entry->id, entry->title, entry->exit_code, entry->explanation);
	return BH_EXIT_OK;
}
