/* SPDX-License-Identifier: Apache-2.0 */
/* bulkhead explain: the page behind an error's id. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "host/errors/errors.h"

static void
usage(FILE *stream)
{
	fprintf(stream, "usage: bulkhead explain [ID]\n\n"
	                "Tells what an error such as BH-E012 means and what to do; without ID, lists them all.\n");
}

static int
list_all(void)
{
	const struct bh_error_entry *entry;
	for (size_t i = 0; (entry = bh_error_at(i)) != NULL; i++)
		printf("BH-%s  exit %d  %s\n", entry->id, entry->exit_code, entry->title);
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
	const struct bh_error_entry *entry = bh_error_find(argv[1]);
	if (entry == NULL) {
		fprintf(stderr, "bulkhead explain: no error '%s'; 'bulkhead explain' lists them\n", argv[1]);
		return BH_EXIT_USAGE;
	}
	printf("BH-%s: %s (exit code %d)\n\n%s\n", entry->id, entry->title, entry->exit_code, entry->explanation);
	return BH_EXIT_OK;
}
