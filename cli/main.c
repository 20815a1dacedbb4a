/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

static const struct command {
	const char *name;
	int (*fn)(int argc, char **argv);
	const char *help;
} commands[] = {
        {"run", cmd_run, "start a cell, watch it, and give everything back"},
        {"softdev", cmd_softdev, "serve a software device over vfio-user"},
        {"compare", cmd_compare, "measure Linux against the cell on one NVMe device, in turn"},
        {"lab", cmd_lab, "boot a QEMU machine with VFIO and an IOMMU, for a command or a person"},
        {"prove-iommu", cmd_prove_iommu, "let a hostile cell try to get out through its device, and say what held"},
        {"devices", cmd_devices, "list PCI devices, and whether a cell can have them"},
        {"bind", cmd_bind, "take devices from their Linux drivers, for cells"},
        {"unbind", cmd_unbind, "give devices back to the drivers that were there"},
        {"doctor", cmd_doctor, "say what keeps CPUs from being quiet, and how to mend it"},
        {"plan", cmd_plan, "show what apply would change, write by write"},
        {"apply", cmd_apply, "take CPUs, memory and devices from Linux, with a journal"},
        {"status", cmd_status, "show what is partitioned: wanted, booted, effective"},
        {"restore", cmd_restore, "put back what apply changed"},
        {"ndr", cmd_ndr, "find the rate at which nothing is dropped between two ports, and latency below it"},
        {"noise", cmd_noise, "measure what steals a core's time, and name it"},
        {"explain", cmd_explain, "tell what an error's id means and what to do"},
};

static void
usage(FILE *stream)
{
	fprintf(stream, "bulkhead " BH_VERSION ": cells beside Linux, with devices of their own\n\n"
	                "usage: bulkhead COMMAND [OPTIONS]\n\n");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		fprintf(stream, "  %-11s  %s\n", commands[i].name, commands[i].help);
	fprintf(stream, "\n'bulkhead COMMAND --help' tells a command's options.\n"
	                "exit codes: 0 ok, 1 failed, 2 usage or configuration, 3 check not met, 4 refused for safety,\n"
	                "            5 needs a reboot, 6 needs root\n");
}

/* Where a standard stream is closed, the next file would get its number: prints would end up in a cell's memory. */
static bool
standard_streams_open(void)
{
	int fd;
	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	return fd > STDERR_FILENO && close(fd) == 0;
}

int
main(int argc, char **argv)
{
	if (!standard_streams_open())
		return BH_EXIT_FAILED;
	if (argc < 2) {
		usage(stderr);
		return BH_EXIT_USAGE;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].fn(argc - 1, argv + 1);
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
		usage(stdout);
		return BH_EXIT_OK;
	}
	if (strcmp(argv[1], "--version") == 0) {
		printf("bulkhead %s\n", BH_VERSION);
		return BH_EXIT_OK;
	}
	fprintf(stderr, "bulkhead: no command '%s'; 'bulkhead --help' lists them\n", argv[1]);
	return BH_EXIT_USAGE;
}
