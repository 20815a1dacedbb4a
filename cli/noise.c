/* SPDX-License-Identifier: Apache-2.0 */
/* bulkhead noise: what steals a core's time, by name. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "host/noise/noise.h"
#include "host/run/config.h"

struct arguments {
	struct bh_noise_options options;
	bool json, compare;
	const char *svg, *trace_json;
};

static void
usage(FILE *stream)
{
	fprintf(stream,
	        "usage: bulkhead noise --cpus LIST [--duration 10s] [--threshold 1us] [--compare] [--no-trace]\n"
	        "                      [--json] [--svg FILE] [--trace-json FILE]\n\n"
	        "A cell looks at the clock of each CPU without pause. Each gap in its time is somebody else's: an "
	        "interrupt, a\n"
	        "softirq, an IPI, a task, the hypervisor. Prints how long, how often and who, and what to do about "
	        "each.\n"
	        "Ctrl-C ends it early and shows what was measured until then.\n\n"
	        "  --cpus LIST        the CPUs to measure, all at once, such as 2-3 (at most 16)\n"
	        "  --duration T       how long: 100ms to 1h; preset 10s\n"
	        "  --threshold T      what counts as a gap; preset 1us\n"
	        "  --compare          two CPUs, the loaded one first: the ratio of their tails\n"
	        "  --no-trace         without the kernel's tracepoints, whose own cost is in the figures otherwise\n"
	        "  --json             everything, with raw histograms\n"
	        "  --svg FILE         a picture of the gaps over time\n"
	        "  --trace-json FILE  the gaps for ui.perfetto.dev\n");
}

enum { CPUS = 256, DURATION, THRESHOLD, COMPARE, NO_TRACE, JSON, SVG, TRACE_JSON };

static bool
set_option(int option, struct arguments *out)
{
	switch (option) {
	case CPUS:
		return bh_cpus_parse_list(optarg, &out->options.cpus) == 0 && !bh_cpus_empty(&out->options.cpus);
	case DURATION:
		return bh_parse_duration_ns(optarg, &out->options.duration_ns) == 0;
	case THRESHOLD:
		return bh_parse_duration_ns(optarg, &out->options.threshold_ns) == 0;
	case COMPARE:
		out->compare = true;
		return true;
	case NO_TRACE:
		out->options.trace = false;
		return true;
	case JSON:
		out->json = true;
		return true;
	case SVG:
		out->svg = optarg;
		return true;
	case TRACE_JSON:
		out->trace_json = optarg;
		return true;
	default:
		return false;
	}
}

/* Return: -1 go on; else an exit code. */
static int
parse(int argc, char **argv, struct arguments *out)
{
	static const struct option options[] = {{"help", no_argument, NULL, 'h'},
	                                        {"cpus", required_argument, NULL, CPUS},
	                                        {"duration", required_argument, NULL, DURATION},
	                                        {"threshold", required_argument, NULL, THRESHOLD},
	                                        {"compare", no_argument, NULL, COMPARE},
	                                        {"no-trace", no_argument, NULL, NO_TRACE},
	                                        {"json", no_argument, NULL, JSON},
	                                        {"svg", required_argument, NULL, SVG},
	                                        {"trace-json", required_argument, NULL, TRACE_JSON},
	                                        {NULL, 0, NULL, 0}};
	*out = (struct arguments){.options = {.duration_ns = 10000000000, .threshold_ns = 1000, .trace = true}};
	for (int option; (option = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
		if (option == 'h') {
			usage(stdout);
			return BH_EXIT_OK;
		}
		if (!set_option(option, out)) {
			if (option != '?')
				fprintf(stderr, "bulkhead noise: '%s' is not valid there\n", optarg);
			usage(stderr);
			return BH_EXIT_USAGE;
		}
	}
	if (optind != argc || bh_cpus_empty(&out->options.cpus) ||
	    (out->compare && bh_cpus_cnt(&out->options.cpus) != 2)) {
		usage(stderr);
		return BH_EXIT_USAGE;
	}
	return -1;
}

static void
progress(void *context, double elapsed_s)
{
	const struct arguments *arguments = context;
	fprintf(stderr, "\r%.0f of %.0f s ", elapsed_s, (double)arguments->options.duration_ns / 1e9);
}

static void
warn(void *context, const struct bh_error *warning)
{
	(void)context;
	fprintf(stderr, "bulkhead: warning: %s (BH-%s)\n", warning->text, warning->id);
}

static int
write_file(const char *path, const struct bh_noise_report *report,
           int (*write_fn)(const struct bh_noise_report *report, FILE *stream))
{
	FILE *file = path != NULL ? fopen(path, "we") : NULL;
	if (path == NULL)
		return BH_EXIT_OK;
	int err = file != NULL ? write_fn(report, file) : -errno;
	if (file != NULL && fclose(file) != 0 && err == 0)
		err = -errno;
	if (err == 0)
		return BH_EXIT_OK;
	fprintf(stderr, "bulkhead noise: cannot write %s: %s (BH-E253)\n", path, strerror(-err));
	return BH_EXIT_FAILED;
}

static int
show(const struct arguments *arguments, const struct bh_noise_report *report)
{
	if (arguments->json) {
		json_t *json = bh_noise_json(report);
		int err = json_dumpf(json, stdout, JSON_INDENT(2));
		json_decref(json);
		if (err != 0 || printf("\n") < 0)
			return BH_EXIT_FAILED;
	} else {
		bh_noise_text(report, stdout);
		if (arguments->compare)
			bh_noise_compare_text(report, stdout);
	}
	int code = write_file(arguments->svg, report, bh_noise_svg);
	return code != BH_EXIT_OK ? code : write_file(arguments->trace_json, report, bh_noise_trace_json);
}

int
cmd_noise(int argc, char **argv)
{
	struct arguments arguments;
	struct bh_noise_report *report;
	struct bh_error error = {0};
	int code = parse(argc, argv, &arguments);
	if (code >= 0)
		return code;
	arguments.options.context = &arguments;
	arguments.options.warn = warn;
	if (isatty(STDERR_FILENO))
		arguments.options.progress = progress;
	int err = bh_noise_run(&arguments.options, &report, &error);
	if (arguments.options.progress != NULL)
		fprintf(stderr, "\r                  \r");
	if (err != 0) {
		fprintf(stderr, "bulkhead noise: %s (BH-%s)\n", error.text, error.id);
		return bh_error_exit_code(&error);
	}
	code = show(&arguments, report);
	bh_noise_free(report);
	return code;
}
