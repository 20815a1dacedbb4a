/* SPDX-License-Identifier: Apache-2.0 */
/* bulkhead doctor: what keeps CPUs from being quiet, and how to mend it. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "apps/apps.h"
#include "cli/cli.h"
#include "cli/partition.h"
#include "host/doctor/doctor.h"

#define COLUMNS 100

static void
usage(FILE *stream)
{
	fprintf(stream,
	        "usage: bulkhead doctor [FILE.conf] [--cpus LIST] [--area NAME] [--all] [--json]\n\n"
	        "Looks for what keeps CPUs from being quiet and devices from being a cell's: each finding with what "
	        "was\n"
	        "read where, why it matters, and the command that mends it. Changes nothing, and needs no root (but "
	        "sees\n"
	        "more with it). What is checked depends on what the configuration needs.\n\n"
	        "  --cpus L   judge these CPUs, in place of the configuration's\n"
	        "  --area N   only one area (cpu, irq, kernel, ...) or one check (irq.affinity)\n"
	        "  --all      also what is well and what is not needed, with the evidence\n"
	        "  --json     all of it for programs\n\n"
	        "'bulkhead explain ID' tells more about a finding. exit codes: 0 nothing fails, 3 something does\n");
}

struct doctor_options {
	const char *cpus, *area;
	bool all, json;
};

static int
parse(int argc, char **argv, struct doctor_options *out)
{
	static const struct option options[] = {
	        {"help", no_argument, NULL, 'h'},       {"cpus", required_argument, NULL, 'c'},
	        {"area", required_argument, NULL, 'n'}, {"all", no_argument, NULL, 'a'},
	        {"json", no_argument, NULL, 'j'},       {NULL, 0, NULL, 0},
	};
	*out = (struct doctor_options){0};
	for (int option; (option = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
		if (option == 'h' || option == '?') {
			usage(option == 'h' ? stdout : stderr);
			return option == 'h' ? -1 : BH_EXIT_USAGE;
		}
		out->cpus = option == 'c' ? optarg : out->cpus;
		out->area = option == 'n' ? optarg : out->area;
		out->all |= option == 'a';
		out->json |= option == 'j';
	}
	if (argc - optind <= 1)
		return 0;
	usage(stderr);
	return BH_EXIT_USAGE;
}

static int
read_wants(const char *file, const struct doctor_options *options, struct bh_wants *out)
{
	struct bh_error error = {0};
	bh_wants_none(out);
	if (file != NULL && bh_wants_load(file, bh_apps, bh_app_cnt, out, &error) != 0)
		return partition_fail("doctor", &error);
	if (options->cpus != NULL && bh_cpus_parse_list(options->cpus, &out->cpus) != 0) {
		fprintf(stderr, "bulkhead doctor: --cpus %s: expected a list of CPUs such as 2-3\n", options->cpus);
		return BH_EXIT_USAGE;
	}
	return 0;
}

static int
show(const struct bh_doctor_report *report, const struct doctor_options *options)
{
	const struct bh_doctor_style style = {
	        .columns = COLUMNS, .colour = isatty(STDOUT_FILENO), .all = options->all || options->area != NULL};
	int code = report->cnt[BH_FINDING_FAIL] > 0 ? BH_EXIT_NOT_MET : BH_EXIT_OK;
	if (options->json)
		return partition_print_json(bh_doctor_json(report)) == BH_EXIT_OK ? code : BH_EXIT_FAILED;
	bh_doctor_print(report, stdout, &style);
	return fflush(stdout) == 0 ? code : BH_EXIT_FAILED;
}

int
cmd_doctor(int argc, char **argv)
{
	static struct bh_wants wants; /* large; one thread */
	static struct bh_doctor_report report;
	struct doctor_options options;
	struct bh_error error = {0};
	int code = parse(argc, argv, &options);
	if (code != 0)
		return code < 0 ? BH_EXIT_OK : code;
	const char *file = optind < argc ? argv[optind] : NULL;
	code = read_wants(file, &options, &wants);
	if (code != 0)
		return code;
	const struct bh_doctor_request request = {.root = "", .wants = &wants, .file = file, .area = options.area};
	if (bh_doctor_run(&request, &report, &error) != 0)
		return partition_fail("doctor", &error);
	code = show(&report, &options);
	bh_doctor_free(&report);
	return code;
}
