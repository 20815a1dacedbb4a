/* SPDX-License-Identifier: Apache-2.0 */
/* bulkhead devices: what is there, what Linux does with it, and what a cell could have. */
#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/devices_report.h"
#include "host/errors/errors.h"

static void
usage(FILE *stream)
{
	fputs("usage: bulkhead devices [--all] [--json]\n\n"
	      "Lists the PCI functions that a cell could use (NVMe drives, network cards): what they are, their "
	      "driver, IOMMU group\n"
	      "and NUMA node, and whether they can be taken from Linux; if not, why, with the evidence. Changes "
	      "nothing.\n\n"
	      "  --all   every PCI function\n"
	      "  --json  as JSON on standard output\n",
	      stream);
}

int
cmd_devices(int argc, char **argv)
{
	static char own_name[] = "bulkhead devices";
	static const struct option known[] = {{"all", no_argument, NULL, 'a'},
	                                      {"json", no_argument, NULL, 'j'},
	                                      {"help", no_argument, NULL, 'h'},
	                                      {NULL, 0, NULL, 0}};
	struct bh_inventory inventory;
	struct bh_error error;
	bool all = false, json = false;
	int key;
	argv[0] = own_name;
	while ((key = getopt_long(argc, argv, "h", known, NULL)) != -1) {
		if (key == 'h') {
			usage(stdout);
			return BH_EXIT_OK;
		}
		if (key == '?')
			return BH_EXIT_USAGE;
		all = all || key == 'a';
		json = json || key == 'j';
	}
	if (optind != argc) {
		usage(stderr);
		return BH_EXIT_USAGE;
	}
	if (bh_inventory_read("", all, &inventory, &error) != 0) {
		fprintf(stderr, "bulkhead devices: %s (BH-%s)\n", error.text, error.id);
		return bh_error_exit_code(&error);
	}
	if (json)
		devices_report_json(stdout, &inventory);
	else
		devices_report_table(stdout, &inventory, all);
	if (!json && geteuid() != 0)
		printf("without root, disks cannot be opened and other users' processes not looked at: 'sudo bulkhead "
		       "devices' "
		       "tells more\n");
	bh_inventory_free(&inventory);
	return BH_EXIT_OK;
}
