/* SPDX-License-Identifier: Apache-2.0 */
/* bulkhead prove-iommu: what a hostile cell can make its device do, and what held. */
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "host/errors/errors.h"
#include "host/prove/prove.h"

static void
usage(FILE *stream)
{
	fputs("usage: bulkhead prove-iommu ADDRESS [OPTIONS]     a device that is bound to vfio-pci (bulkhead bind)\n"
	      "       bulkhead prove-iommu --softdev [OPTIONS]   a software device of ours\n"
	      "       bulkhead prove-iommu --socket PATH         another vfio-user server's NVMe device\n\n"
	      "Starts a hostile cell that tells its NVMe device to write and read memory where it may not: pages of "
	      "the\n"
	      "supervisor, of another process, of another cell; the first page; just outside of the arena; a page "
	      "unmapped a\n"
	      "moment ago; the interrupt window. Says for each what held, and by what evidence. Nothing is written to "
	      "the media.\n\n"
	      "  --second ADDRESS  a device for the other cell, too (bound to vfio-pci)\n"
	      "  --only NAMES      only these targets, comma-separated, as the JSON names them\n"
	      "  --self-test       give the device a page of the supervisor on purpose: to see the report say ESCAPED\n"
	      "  --json            the report as JSON on standard output\n"
	      "exit codes: 0 all of it held, 1 failed, 2 usage, 3 something did not hold or was not proven, 4 refused, "
	      "6 needs root\n",
	      stream);
}

enum { OPTION_SOFTDEV = 256, OPTION_SOCKET, OPTION_SECOND, OPTION_SELF_TEST, OPTION_ONLY, OPTION_JSON };

static const struct option options_known[] = {
        {"softdev", no_argument, NULL, OPTION_SOFTDEV},
        {"socket", required_argument, NULL, OPTION_SOCKET},
        {"second", required_argument, NULL, OPTION_SECOND},
        {"only", required_argument, NULL, OPTION_ONLY},
        {"self-test", no_argument, NULL, OPTION_SELF_TEST},
        {"json", no_argument, NULL, OPTION_JSON},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
};

struct arguments {
	struct bh_prove_options options;
	bool softdev, json;
};

/* Return: an exit code; -1: go on. */
static int
parse(int argc, char **argv, struct arguments *arguments)
{
	static char own_name[] = "bulkhead prove-iommu";
	int key;
	argv[0] = own_name;
	while ((key = getopt_long(argc, argv, "h", options_known, NULL)) != -1) {
		switch (key) {
		case 'h':
			usage(stdout);
			return BH_EXIT_OK;
		case OPTION_SOFTDEV:
			arguments->softdev = true;
			break;
		case OPTION_SOCKET:
			arguments->options.socket = optarg;
			break;
		case OPTION_SECOND:
			arguments->options.second = optarg;
			break;
		case OPTION_ONLY:
			arguments->options.only = optarg;
			break;
		case OPTION_SELF_TEST:
			arguments->options.self_test = true;
			break;
		case OPTION_JSON:
			arguments->json = true;
			break;
		default:
			return BH_EXIT_USAGE;
		}
	}
	int given = arguments->softdev + (arguments->options.socket != NULL) + (argc - optind);
	if (given != 1) {
		fprintf(stderr,
		        "bulkhead prove-iommu: one device: ADDRESS, --softdev or --socket PATH; --help tells more\n");
		return BH_EXIT_USAGE;
	}
	arguments->options.address = argc > optind ? argv[optind] : NULL;
	return -1;
}

static void
on_progress(void *context, unsigned done, unsigned all)
{
	static unsigned shown;
	if (!isatty(STDERR_FILENO) || done == shown)
		return;
	shown = done;
	fprintf(stderr, "\r%u of %u%s", done, all, done == all ? "\r         \r" : "");
}

static void
on_warning(void *context, const struct bh_error *warning)
{
	fprintf(stderr, "warning: %s\n", warning->text);
}

static bool
is_same_target(const struct bh_prove_line *a, const struct bh_prove_line *b)
{
	return strcmp(a->name, b->name) == 0 && strcmp(a->what, b->what) == 0;
}

/* All lines of a target where its first one is. */
static void
print_target(const struct bh_prove_report *report, uint32_t idx)
{
	const struct bh_prove_line *first = &report->line[idx];
	for (uint32_t i = 0; i < idx; i++) {
		if (is_same_target(&report->line[i], first))
			return;
	}
	printf("%s, 0x%lx\n", first->what, first->iova);
	for (uint32_t i = idx; i < report->line_cnt; i++) {
		const struct bh_prove_line *line = &report->line[i];
		if (is_same_target(line, first))
			printf("  %-10s  %-8s  %s\n", bh_prove_verdict_name(line->verdict),
			       bh_prove_access_name(line->access), line->evidence);
	}
}

static void
print_table(const struct bh_prove_report *report)
{
	printf("%s, %s; the media is not written\n"
	       "write, read: data; list: addresses of data; fetch: commands; complete: completions\n\n",
	       report->device,
	       report->behind_iommu ? "behind the IOMMU (VFIO)"
	                            : "a vfio-user server, which checks by itself: no IOMMU");
	for (uint32_t i = 0; i < report->line_cnt; i++)
		print_target(report, i);
	printf("\nkernel log   %u fault%s of this device%s%s\n", report->fault_cnt, report->fault_cnt == 1 ? "" : "s",
	       report->fault_cnt > 0 ? "; the last: " : "", report->fault_last);
	printf("the cell     %s; the supervisor and the machine live; %lu unexpected interrupts\n",
	       report->cell_outcome, report->interrupts_unexpected);
	printf("memory       %s\n", report->memory_held ? "every attempt to reach memory was stopped"
	                                                : "NOT PROVEN: see the lines that do not say held");
	if (report->memory_held && !report->proven)
		printf("interrupts   NOT PROVEN: see the lines of the interrupt window\n");
	printf("verdict      %s\n", report->proven ? "every attempt was stopped" : "NOT PROVEN");
}

static json_t *
line_json(const struct bh_prove_line *line)
{
	return json_pack("{s:s,s:s,s:s,s:I,s:s,s:b,s:b,s:b,s:b,s:b,s:i,s:i,s:s}", "target", line->name, "what",
	                 line->what, "access", bh_prove_access_name(line->access), "iova", (json_int_t)line->iova,
	                 "verdict",
	                 line->verdict == BH_PROVE_ESCAPED ? "escaped" : bh_prove_verdict_name(line->verdict), "canary",
	                 line->has_canary, "canary_changed", line->canary_changed, "leaked", line->leaked, "fatal",
	                 line->fatal, "answered", line->answered, "status", (int)line->status, "kernel_faults",
	                 (int)line->fault_cnt, "evidence", line->evidence);
}

static void
print_json(const struct bh_prove_report *report)
{
	json_t *lines = json_array();
	for (uint32_t i = 0; i < report->line_cnt; i++)
		json_array_append_new(lines, line_json(&report->line[i]));
	json_t *root = json_pack("{s:s,s:b,s:b,s:b,s:i,s:s,s:s,s:I,s:o}", "device", report->device, "iommu",
	                         report->behind_iommu, "proven", report->proven, "memory_held", report->memory_held,
	                         "kernel_faults", (int)report->fault_cnt, "kernel_fault_last", report->fault_last,
	                         "cell_outcome", report->cell_outcome, "unexpected_interrupts",
	                         (json_int_t)report->interrupts_unexpected, "attempts", lines);
	json_dumpf(root, stdout, JSON_INDENT(2));
	fputc('\n', stdout);
	json_decref(root);
}

int
cmd_prove_iommu(int argc, char **argv)
{
	struct arguments arguments = {.options = {.progress = on_progress, .warn = on_warning}};
	static struct bh_prove_report report;
	struct bh_error error = {0};
	int code = parse(argc, argv, &arguments);
	if (code >= 0)
		return code;
	if (bh_prove_iommu(&arguments.options, &report, &error) != 0) {
		fprintf(stderr, "bulkhead prove-iommu: %s (BH-%s)\n", error.text, error.id);
		return bh_error_exit_code(&error);
	}
	if (arguments.json)
		print_json(&report);
	else
		print_table(&report);
	return report.proven ? BH_EXIT_OK : BH_EXIT_NOT_MET;
}
