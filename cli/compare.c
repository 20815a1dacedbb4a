/* SPDX-License-Identifier: Apache-2.0 */
/* bulkhead compare: Linux against the cell on one device. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/apps.h"
#include "cli/cli.h"
#include "host/compare/compare.h"
#include "host/compare/net.h"
#include "host/errors/errors.h"
#include "host/run/config.h"
#include "host/run/units.h"

struct arguments {
	struct bh_compare_options compare;
	bool json, check, restore, net;
};

static void
usage(FILE *stream)
{
	fputs("usage: bulkhead compare nvme ADDRESS [OPTIONS]\n"
	      "       bulkhead compare net [FILE.conf [FILE.conf] --generator FILE.conf] [OPTIONS]\n"
	      "       bulkhead compare net --restore\n\n"
	      "Measures Linux's NVMe driver, tuned to win (A), against the cell (B), on one device, in turn: A B A B A "
	      "B.\n"
	      "Takes the device from Linux in between and gives it back at the end, also after a failure or Ctrl-C. "
	      "ADDRESS is\n"
	      "a PCI address, or auto: the only NVMe device that is not in use. Reads only, but with --destructive.\n\n"
	      "net: Linux's forwarding, XDP and AF_XDP (A) against the cross-connect and the router (B), on veth pairs "
	      "in\n"
	      "namespaces that it makes and takes away. With FILE, on its two cards (backend = vfio), which Linux's "
	      "own "
	      "driver\n"
	      "and the cell get in turn; the generator's file is a pktgen cell over two more, at the other ends of "
	      "both "
	      "wires.\n"
	      "One FILE of xconnect, one of fwd, or one of each. Takes --report, --quick, --runs, --duration, --cpu, "
	      "--check,\n"
	      "--json, --quiet, --generator, --latency-rate, --restore.\n\n"
	      "  --report DIR        report.json, report.html and *.hgrm go there (default: bulkhead-compare-TIME)\n"
	      "  --quick             4 KiB random reads at depths 1 and 32 only, 1.5 s a run\n"
	      "  --runs N            pairs, 1 to 20 (default 3)\n"
	      "  --duration TIME     of each run (default 5s)\n"
	      "  --cpu N             both sides run there (default: the last isolated CPU)\n"
	      "  --namespace N       default 1\n"
	      "  --destructive       random writes and the 70/30 mix too: ALL DATA ON THE DEVICE IS LOST\n"
	      "  --serial TEXT       the device's serial number, which --destructive asks for\n"
	      "  --prove             also run `bulkhead prove-iommu` (a minute), for the criterion on DMA\n"
	      "  --check             exit code 3 unless every criterion is met\n"
	      "  --json              report.json on standard output, the table on standard error\n"
	      "  --quiet             no line for each run\n"
	      "  --restore           only put back what a killed comparison left changed\n"
	      "  --generator FILE    net: the pktgen cell's configuration\n"
	      "  --latency-rate N    net: frames a second while latency is measured (default 50000; 1000 where an "
	      "emulator "
	      "plays the\n"
	      "                      cards)\n"
	      "  --rehearse FILE     no device: A on this file, B on a software device; shows the report, decides "
	      "nothing\n\n"
	      "exit codes: 0 measured, 1 a run failed, 2 usage, 3 --check: a criterion was missed or not measured,\n"
	      "            4 refused (device in use, serial number), 6 needs root\n",
	      stream);
}

enum option_key {
	OPTION_REPORT = 256,
	OPTION_QUICK,
	OPTION_RUNS,
	OPTION_DURATION,
	OPTION_CPU,
	OPTION_NAMESPACE,
	OPTION_DESTRUCTIVE,
	OPTION_SERIAL,
	OPTION_PROVE,
	OPTION_CHECK,
	OPTION_JSON,
	OPTION_QUIET,
	OPTION_RESTORE,
	OPTION_REHEARSE,
	OPTION_GENERATOR,
	OPTION_LATENCY_RATE,
};

static const struct option options_known[] = {
        {"report", required_argument, NULL, OPTION_REPORT},
        {"quick", no_argument, NULL, OPTION_QUICK},
        {"runs", required_argument, NULL, OPTION_RUNS},
        {"duration", required_argument, NULL, OPTION_DURATION},
        {"cpu", required_argument, NULL, OPTION_CPU},
        {"namespace", required_argument, NULL, OPTION_NAMESPACE},
        {"destructive", no_argument, NULL, OPTION_DESTRUCTIVE},
        {"serial", required_argument, NULL, OPTION_SERIAL},
        {"prove", no_argument, NULL, OPTION_PROVE},
        {"check", no_argument, NULL, OPTION_CHECK},
        {"json", no_argument, NULL, OPTION_JSON},
        {"quiet", no_argument, NULL, OPTION_QUIET},
        {"restore", no_argument, NULL, OPTION_RESTORE},
        {"rehearse", required_argument, NULL, OPTION_REHEARSE},
        {"generator", required_argument, NULL, OPTION_GENERATOR},
        {"latency-rate", required_argument, NULL, OPTION_LATENCY_RATE},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
};

/* Return: an exit code. */
static int
take_number(const char *option, uint64_t min, uint64_t max, uint64_t *out)
{
	if (bh_parse_uint(optarg, out) == 0 && *out >= min && *out <= max)
		return BH_EXIT_OK;
	fprintf(stderr, "bulkhead compare: %s %s is not a number from %lu to %lu\n", option, optarg, min, max);
	return BH_EXIT_USAGE;
}

static int
take_valued(struct bh_compare_options *compare, int key)
{
	uint64_t number = 0;
	int code = BH_EXIT_OK;
	switch (key) {
	case OPTION_RUNS:
		code = take_number("--runs", 1, BH_COMPARE_ROUNDS_MAX, &number);
		compare->round_cnt = (uint32_t)number;
		return code;
	case OPTION_CPU:
		code = take_number("--cpu", 0, 65535, &number);
		compare->cpu = (int)number;
		return code;
	case OPTION_NAMESPACE:
		code = take_number("--namespace", 1, UINT32_MAX - 1, &number);
		compare->nsid = (uint32_t)number;
		return code;
	case OPTION_LATENCY_RATE:
		return take_number("--latency-rate", 1, 1000000000, &compare->latency_pps);
	case OPTION_DURATION:
		if (bh_parse_duration_ns(optarg, &compare->duration_ns) == 0 && compare->duration_ns > 0)
			return BH_EXIT_OK;
		fprintf(stderr, "bulkhead compare: --duration %s is not a time such as 5s or 500ms\n", optarg);
		return BH_EXIT_USAGE;
	default:
		fprintf(stderr, "'bulkhead compare --help' tells the options\n");
		return BH_EXIT_USAGE;
	}
}

static int
take_option(struct arguments *arguments, int key)
{
	struct bh_compare_options *compare = &arguments->compare;
	switch (key) {
	case OPTION_REPORT:
		compare->report_dir = optarg;
		return BH_EXIT_OK;
	case OPTION_SERIAL:
		compare->serial = optarg;
		return BH_EXIT_OK;
	case OPTION_REHEARSE:
		compare->rehearse = optarg;
		return BH_EXIT_OK;
	case OPTION_GENERATOR:
		compare->generator = optarg;
		return BH_EXIT_OK;
	case OPTION_QUICK:
		compare->quick = true;
		return BH_EXIT_OK;
	case OPTION_DESTRUCTIVE:
		compare->destructive = true;
		return BH_EXIT_OK;
	case OPTION_PROVE:
		compare->prove = true;
		return BH_EXIT_OK;
	case OPTION_QUIET:
		compare->quiet = true;
		return BH_EXIT_OK;
	case OPTION_CHECK:
		arguments->check = true;
		return BH_EXIT_OK;
	case OPTION_JSON:
		arguments->json = true;
		return BH_EXIT_OK;
	case OPTION_RESTORE:
		arguments->restore = true;
		return BH_EXIT_OK;
	default:
		return take_valued(compare, key);
	}
}

static int
parse_net(struct arguments *arguments, char **word, int word_cnt)
{
	struct bh_compare_options *compare = &arguments->compare;
	if (word_cnt > (int)BH_COMPARE_FILES_MAX || (arguments->restore && word_cnt > 0)) {
		fprintf(stderr, "bulkhead compare net: no file, one, or one of xconnect and one of fwd; with --restore "
		                "none\n");
		return BH_EXIT_USAGE;
	}
	if (compare->destructive || compare->prove || compare->rehearse != NULL || compare->serial != NULL ||
	    compare->nsid != 0) {
		fprintf(stderr,
		        "bulkhead compare net: an option of compare nvme; 'bulkhead compare --help' tells which are "
		        "net's\n");
		return BH_EXIT_USAGE;
	}
	if (compare->generator != NULL && word_cnt == 0) {
		fprintf(stderr, "bulkhead compare net: --generator is for cards: which configuration is compared?\n");
		return BH_EXIT_USAGE;
	}
	for (int i = 0; i < word_cnt; i++)
		compare->file[compare->file_cnt++] = word[i];
	return -1;
}

/* Return: an exit code; -1: go on. */
static int
parse(int argc, char **argv, struct arguments *arguments)
{
	static char own_name[] = "bulkhead compare";
	int key, word_cnt;
	argv[0] = own_name;
	while ((key = getopt_long(argc, argv, "h", options_known, NULL)) != -1) {
		if (key == 'h') {
			usage(stdout);
			return BH_EXIT_OK;
		}
		int code = take_option(arguments, key);
		if (code != BH_EXIT_OK)
			return code;
	}
	word_cnt = argc - optind;
	arguments->net = word_cnt > 0 && strcmp(argv[optind], "net") == 0;
	if (arguments->net)
		return parse_net(arguments, argv + optind + 1, word_cnt - 1);
	if (arguments->compare.generator != NULL || arguments->compare.latency_pps != 0) {
		fprintf(stderr, "bulkhead compare nvme: an option of compare net\n");
		return BH_EXIT_USAGE;
	}
	if (word_cnt > 0 && strcmp(argv[optind], "nvme") != 0) {
		fprintf(stderr, "bulkhead compare: there are nvme and net, not '%s'\n", argv[optind]);
		return BH_EXIT_USAGE;
	}
	if (word_cnt != (arguments->compare.rehearse != NULL ? 1 : 2)) {
		fprintf(stderr,
		        "bulkhead compare: which device? `bulkhead compare nvme 0000:01:00.0`; `bulkhead devices` "
		        "lists them\n");
		return BH_EXIT_USAGE;
	}
	arguments->compare.address = word_cnt == 2 ? argv[optind + 1] : NULL;
	return -1;
}

static int
print_error(const struct bh_error *error)
{
	fprintf(stderr, "bulkhead compare: %s (BH-%s)\n", error->text, error->id);
	return bh_error_exit_code(error);
}

static int
restore(const struct arguments *arguments)
{
	struct bh_error error = {0};
	int err = arguments->net ? bh_compare_net_restore(&error)
	                         : bh_compare_restore(arguments->compare.address, &error);
	return err == 0 ? BH_EXIT_OK : print_error(&error);
}

int
cmd_compare(int argc, char **argv)
{
	struct arguments arguments = {.compare = {.cpu = -1}};
	struct bh_compare_outcome outcome;
	struct bh_error error = {0};
	if (argc > 1 && strcmp(argv[1], "net-peer") == 0)
		return bh_net_peer(argc - 1, argv + 1);
	int code = parse(argc, argv, &arguments);
	if (code >= 0)
		return code;
	if (arguments.restore)
		return restore(&arguments);
	arguments.compare.app = bh_apps;
	arguments.compare.app_cnt = bh_app_cnt;
	arguments.compare.progress = stderr;
	FILE *table = arguments.json ? stderr : stdout;
	int err = arguments.net ? bh_compare_net(&arguments.compare, table, &outcome, &error)
	                        : bh_compare_nvme(&arguments.compare, table, &outcome, &error);
	if (arguments.json && outcome.report_dir[0] != '\0' && cli_report_copy(outcome.report_dir) != 0 && err == 0) {
		fprintf(stderr, "bulkhead compare: the report could not be written to standard output\n");
		return BH_EXIT_FAILED;
	}
	if (err != 0)
		return print_error(&error);
	if (outcome.failed_cnt > 0) {
		fprintf(stderr, "bulkhead compare: %u of %u runs failed; the report says why\n", outcome.failed_cnt,
		        outcome.run_cnt);
		return BH_EXIT_FAILED;
	}
	return arguments.check && outcome.go != BH_COMPARE_MET ? BH_EXIT_NOT_MET : BH_EXIT_OK;
}
