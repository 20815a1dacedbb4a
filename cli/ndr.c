/* SPDX-License-Identifier: Apache-2.0 */
/* bulkhead ndr: no-drop and partial-drop rates between two ports. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/apps.h"
#include "cli/cli.h"
#include "host/errors/errors.h"
#include "host/ndr/ndr.h"
#include "host/run/units.h"

#define NS_PER_S 1e9
#define RATE_MAX UINT64_C(1000000000)

struct arguments {
	struct bh_ndr_options ndr;
	char sizes[256];
	bool json, quiet;
};

static void
usage(FILE *stream)
{
	fputs("usage: bulkhead ndr FILE.conf [OPTIONS]\n\n"
	      "Finds the highest rate at which nothing is dropped (NDR), and no more than a part is (PDR),\n"
	      "between the two ports of a pktgen configuration, for each frame size, and the latency at 90, 50\n"
	      "and 10 % of NDR. RFC 2544, RFC 9971. docs/ndr.md has examples.\n\n"
	      "  --size LIST         bytes with FCS, or imix (default 64,imix,1518)\n"
	      "  --set section.key=value   for every trial, as of `bulkhead run`; may be repeated\n"
	      "  --pdr PART          what PDR may lose: 0.5% (default) or 0.005\n"
	      "  --trial TIME        of the trials that decide (default 1s); a quarter for those that look around\n"
	      "  --sum TIME          how much of it decides about a rate (default 5s)\n"
	      "  --exceed PART       what part of the trials at a good rate may be bad (default 50%)\n"
	      "  --width PART        how far apart the bounds may be at the end (default 1%)\n"
	      "  --rfc2544           one trial of 60 s decides, none may be bad, width 0.5 %, --limit 2h\n"
	      "  --quick             trials of 0.3 s, 0.9 s decide, width 5 %\n"
	      "  --min-rate N, --max-rate N   frames a second (default 1000, and what the generator can)\n"
	      "  --tolerance PART    what the generator may leave unsent in a good trial (default 0.5%)\n"
	      "  --catch-up N        frames that it may send at once after a pause; the rest is never sent (default "
	      "64)\n"
	      "  --warm-up TIME      before each trial (default 50ms)\n"
	      "  --limit TIME        of all of it (default 600s); what was found by then is reported\n"
	      "  --report DIR        report.json, raw/ and *.hgrm go there (default: bulkhead-ndr-TIME)\n"
	      "  --json              report.json on standard output, the table on standard error\n"
	      "  --quiet             no line for each trial\n\n"
	      "exit codes: 0 measured, 1 failed, 2 usage or configuration, 3 a size has no NDR (drops even\n"
	      "            at --min-rate, or the time was up) or no valid one (the generator was disturbed), 6 needs "
	      "root\n",
	      stream);
}

enum option_key {
	OPTION_SIZE = 256,
	OPTION_SET,
	OPTION_PDR,
	OPTION_TRIAL,
	OPTION_SUM,
	OPTION_EXCEED,
	OPTION_WIDTH,
	OPTION_RFC2544,
	OPTION_QUICK,
	OPTION_MIN,
	OPTION_MAX,
	OPTION_TOLERANCE,
	OPTION_WARM_UP,
	OPTION_CATCH_UP,
	OPTION_LIMIT,
	OPTION_REPORT,
	OPTION_JSON,
	OPTION_QUIET,
};

static const struct option options_known[] = {
        {"size", required_argument, NULL, OPTION_SIZE},
        {"set", required_argument, NULL, OPTION_SET},
        {"pdr", required_argument, NULL, OPTION_PDR},
        {"trial", required_argument, NULL, OPTION_TRIAL},
        {"sum", required_argument, NULL, OPTION_SUM},
        {"exceed", required_argument, NULL, OPTION_EXCEED},
        {"width", required_argument, NULL, OPTION_WIDTH},
        {"rfc2544", no_argument, NULL, OPTION_RFC2544},
        {"quick", no_argument, NULL, OPTION_QUICK},
        {"min-rate", required_argument, NULL, OPTION_MIN},
        {"max-rate", required_argument, NULL, OPTION_MAX},
        {"tolerance", required_argument, NULL, OPTION_TOLERANCE},
        {"warm-up", required_argument, NULL, OPTION_WARM_UP},
        {"catch-up", required_argument, NULL, OPTION_CATCH_UP},
        {"limit", required_argument, NULL, OPTION_LIMIT},
        {"report", required_argument, NULL, OPTION_REPORT},
        {"json", no_argument, NULL, OPTION_JSON},
        {"quiet", no_argument, NULL, OPTION_QUIET},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
};

static int
refuse(const char *option, const char *meant)
{
	fprintf(stderr, "bulkhead ndr: %s %s: %s (BH-E370)\n", option, optarg, meant);
	return BH_EXIT_USAGE;
}

static int
take_part(const char *option, double min, double below, double *out)
{
	char *end;
	double value = strtod(optarg, &end);
	if (end != optarg && strcmp(end, "%") == 0) {
		value /= 100;
		end++;
	}
	if (end == optarg || *end != '\0' || !(value >= min && value < below))
		return refuse(option, "a part was meant, such as 0.5% or 0.005");
	*out = value;
	return BH_EXIT_OK;
}

static int
take_time(const char *option, uint64_t *out_ns)
{
	if (bh_parse_duration_ns(optarg, out_ns) == 0 && *out_ns > 0 && *out_ns <= UINT64_C(3600000000000))
		return BH_EXIT_OK;
	return refuse(option, "a time to 3600s was meant, such as 1s or 500ms");
}

static int
take_rate(const char *option, uint64_t *out_pps)
{
	if (bh_parse_uint(optarg, out_pps) == 0 && *out_pps > 0 && *out_pps <= RATE_MAX)
		return BH_EXIT_OK;
	return refuse(option, "frames a second were meant, 1 to 1000000000");
}

static int
take_catch_up(uint32_t *out_cnt)
{
	uint64_t cnt;
	if (bh_parse_uint(optarg, &cnt) != 0 || cnt == 0 || cnt > 65536)
		return refuse("--catch-up", "frames were meant, 1 to 65536");
	*out_cnt = (uint32_t)cnt;
	return BH_EXIT_OK;
}

static int
take_sizes(struct arguments *arguments)
{
	char *save = NULL;
	arguments->ndr.size_cnt = 0;
	if (strlen(optarg) >= sizeof(arguments->sizes))
		return refuse("--size", "at most 8 sizes were meant");
	snprintf(arguments->sizes, sizeof(arguments->sizes), "%s", optarg);
	for (char *word = strtok_r(arguments->sizes, ",", &save); word != NULL; word = strtok_r(NULL, ",", &save)) {
		if (arguments->ndr.size_cnt == BH_NDR_SIZES_MAX || strlen(word) > 15)
			return refuse("--size", "at most 8 sizes were meant");
		arguments->ndr.size[arguments->ndr.size_cnt++] = word;
	}
	return arguments->ndr.size_cnt > 0 ? BH_EXIT_OK : refuse("--size", "sizes were meant, such as 64,imix,1518");
}

static int
take_set(struct bh_ndr_options *ndr)
{
	if (ndr->set_cnt == BH_NDR_SETS_MAX)
		return refuse("--set", "that is one too many");
	ndr->set[ndr->set_cnt++] = optarg;
	return BH_EXIT_OK;
}

static void
timing(struct bh_ndr_options *ndr, double trial_s, double sum_s, double exceed_ratio, double width)
{
	ndr->timing.initial_s = trial_s / 4;
	ndr->timing.final_s = trial_s;
	ndr->timing.sum_s = sum_s;
	ndr->timing.exceed_ratio = exceed_ratio;
	ndr->timing.width = width;
}

static int
take_timing(struct bh_ndr_options *ndr, int key)
{
	uint64_t ns;
	int code;
	switch (key) {
	case OPTION_TRIAL:
		code = take_time("--trial", &ns);
		if (code == BH_EXIT_OK)
			timing(ndr, (double)ns / NS_PER_S, BH_MAX(ndr->timing.sum_s, (double)ns / NS_PER_S),
			       ndr->timing.exceed_ratio, ndr->timing.width);
		return code;
	case OPTION_SUM:
		code = take_time("--sum", &ns);
		if (code == BH_EXIT_OK)
			ndr->timing.sum_s = (double)ns / NS_PER_S;
		return code;
	case OPTION_WARM_UP:
		return take_time("--warm-up", &ndr->warm_up_ns);
	case OPTION_LIMIT:
		return take_time("--limit", &ndr->limit_ns);
	case OPTION_RFC2544:
		timing(ndr, 60, 60, 0, 0.005);
		ndr->limit_ns = UINT64_C(7200000000000);
		return BH_EXIT_OK;
	default: /* OPTION_QUICK */
		timing(ndr, 0.3, 0.9, 0.5, 0.05);
		return BH_EXIT_OK;
	}
}

static int
take_option(struct arguments *arguments, int key)
{
	struct bh_ndr_options *ndr = &arguments->ndr;
	switch (key) {
	case OPTION_SIZE:
		return take_sizes(arguments);
	case OPTION_SET:
		return take_set(ndr);
	case OPTION_PDR:
		return take_part("--pdr", 0, 1, &ndr->pdr_loss_ratio);
	case OPTION_EXCEED:
		return take_part("--exceed", 0, 1, &ndr->timing.exceed_ratio);
	case OPTION_WIDTH:
		return take_part("--width", 0.0001, 1, &ndr->timing.width);
	case OPTION_TOLERANCE:
		return take_part("--tolerance", 0, 1, &ndr->tolerance);
	case OPTION_MIN:
		return take_rate("--min-rate", &ndr->min_pps);
	case OPTION_MAX:
		return take_rate("--max-rate", &ndr->max_pps);
	case OPTION_CATCH_UP:
		return take_catch_up(&ndr->catch_up_cnt);
	case OPTION_REPORT:
		ndr->report_dir = optarg;
		return BH_EXIT_OK;
	case OPTION_JSON:
		arguments->json = true;
		return BH_EXIT_OK;
	case OPTION_QUIET:
		arguments->quiet = true;
		return BH_EXIT_OK;
	case OPTION_TRIAL ... OPTION_SUM:
	case OPTION_RFC2544 ... OPTION_QUICK:
	case OPTION_WARM_UP:
	case OPTION_LIMIT:
		return take_timing(ndr, key);
	default:
		fprintf(stderr, "'bulkhead ndr --help' tells the options\n");
		return BH_EXIT_USAGE;
	}
}

/* What options say together. */
static int
check(const struct bh_ndr_options *ndr)
{
	const char *wrong = NULL;
	if (ndr->max_pps != 0 && ndr->max_pps < ndr->min_pps)
		wrong = "--max-rate is below --min-rate";
	else if (ndr->timing.sum_s < ndr->timing.final_s)
		wrong = "--sum is shorter than --trial";
	if (wrong == NULL)
		return -1;
	fprintf(stderr, "bulkhead ndr: %s (BH-E370)\n", wrong);
	return BH_EXIT_USAGE;
}

/* Return: an exit code; -1: go on. */
static int
parse(int argc, char **argv, struct arguments *arguments)
{
	static char own_name[] = "bulkhead ndr";
	int key;
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
	if (optind != argc - 1) {
		fprintf(stderr,
		        "bulkhead ndr: which configuration? 'bulkhead ndr examples/pktgen.conf'; one at a time\n");
		return BH_EXIT_USAGE;
	}
	arguments->ndr.config_path = argv[optind];
	return check(&arguments->ndr);
}

static int
exit_code(const struct bh_ndr *ndr)
{
	for (uint32_t i = 0; i < ndr->size_cnt; i++) {
		if (ndr->size[i].rate[BH_NDR_GOAL_CNT - 1].bounds.lower_pps == 0 ||
		    bh_ndr_disturbed(&ndr->size[i], BH_NDR_GOAL_CNT - 1))
			return BH_EXIT_NOT_MET;
	}
	return BH_EXIT_OK;
}

int
cmd_ndr(int argc, char **argv)
{
	struct arguments arguments = {0};
	struct bh_ndr *ndr = NULL;
	struct bh_error error = {0};
	bh_ndr_options_preset(&arguments.ndr);
	arguments.ndr.app = bh_apps;
	arguments.ndr.app_cnt = bh_app_cnt;
	int code = parse(argc, argv, &arguments);
	if (code >= 0)
		return code;
	arguments.ndr.progress = arguments.quiet ? NULL : stderr;
	int err = bh_ndr_run(&arguments.ndr, &ndr, &error);
	code = err == 0 ? exit_code(ndr) : bh_error_exit_code(&error);
	if (ndr != NULL) {
		bh_ndr_table(ndr, arguments.json ? stderr : stdout);
		if (arguments.json && cli_report_copy(ndr->report_dir) != 0 && err == 0) {
			fprintf(stderr, "bulkhead ndr: the report could not be written to standard output\n");
			code = BH_EXIT_FAILED;
		}
	}
	if (err != 0)
		fprintf(stderr, "bulkhead ndr: %s (BH-%s)\n", error.text, error.id);
	bh_ndr_free(ndr);
	return code;
}
