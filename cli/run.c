/* SPDX-License-Identifier: Apache-2.0 */
/* bulkhead run: start a cell, show what it does, end it, say how it went. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bulkhead/arch_x86_64.h>

#include "apps/apps.h"
#include "cli/cli.h"
#include "cli/run_report.h"
#include "cli/run_service.h"
#include "host/observe/hgrm.h"
#include "host/observe/log.h"
#include "host/run/run.h"

#define SETS_MAX 64
/* A command that the device lost ends after two of its time-outs (2 s each by default) and a reset. */
#define DRAIN_NS UINT64_C(12000000000)
#define LIVE_NS  UINT64_C(1000000000)
#define TICK_NS  UINT64_C(100000000)

struct arguments {
	const char *config_path;
	const char *set[SETS_MAX];
	size_t set_cnt;
	const char *hgrm_path;
	uint64_t duration_ns;
	bool json, quiet, verbose;
};

static void
usage(FILE *stream)
{
	fprintf(stream,
	        "usage: bulkhead run FILE.conf [OPTIONS]\n\n"
	        "Starts the cell that FILE.conf describes, watches it, and gives everything back at the end.\n\n"
	        "  --duration TIME          stop after it: 10s, 500ms (default: until the cell ends or Ctrl-C)\n"
	        "  --set section.key=value  override a key of the file; may be repeated:\n"
	        "                           --set device.nvme0.backing=null --set nvme-bench.queue_depth=1\n"
	        "  --json                   the result as JSON on standard output, nothing else there\n"
	        "  --hgrm FILE              latency as HdrHistogram percentile text\n"
	        "  --quiet                  no line each second\n"
	        "  --verbose                the cell's log with level info and debug, and all its counters\n\n"
	        "Ctrl-C asks the cell to drain; a second one ends it at once.\n"
	        "exit codes: 0 ok, 1 failed, 2 usage or configuration, 3 verify found a wrong block, 4 refused, 6 "
	        "needs root\n");
}

enum option_key {
	OPTION_DURATION = 256,
	OPTION_SET,
	OPTION_JSON,
	OPTION_HGRM,
	OPTION_QUIET,
	OPTION_VERBOSE,
};

static const struct option options[] = {
        {"duration", required_argument, NULL, OPTION_DURATION},
        {"set", required_argument, NULL, OPTION_SET},
        {"json", no_argument, NULL, OPTION_JSON},
        {"hgrm", required_argument, NULL, OPTION_HGRM},
        {"quiet", no_argument, NULL, OPTION_QUIET},
        {"verbose", no_argument, NULL, OPTION_VERBOSE},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
};

static int
take_set(struct arguments *arguments, const char *text)
{
	if (arguments->set_cnt == SETS_MAX) {
		fprintf(stderr, "bulkhead run: more than %d --set\n", SETS_MAX);
		return BH_EXIT_USAGE;
	}
	arguments->set[arguments->set_cnt++] = text;
	return BH_EXIT_OK;
}

static int
take_option(struct arguments *arguments, int option)
{
	switch (option) {
	case OPTION_DURATION:
		if (bh_parse_duration_ns(optarg, &arguments->duration_ns) == 0 && arguments->duration_ns > 0)
			return BH_EXIT_OK;
		fprintf(stderr, "bulkhead run: --duration %s is not a time; write 10s, 500ms, ...\n", optarg);
		return BH_EXIT_USAGE;
	case OPTION_SET:
		return take_set(arguments, optarg);
	case OPTION_JSON:
		arguments->json = true;
		return BH_EXIT_OK;
	case OPTION_HGRM:
		arguments->hgrm_path = optarg;
		return BH_EXIT_OK;
	case OPTION_QUIET:
		arguments->quiet = true;
		return BH_EXIT_OK;
	case OPTION_VERBOSE:
		arguments->verbose = true;
		return BH_EXIT_OK;
	default:
		fprintf(stderr, "'bulkhead run --help' tells the options\n");
		return BH_EXIT_USAGE;
	}
}

/* Return: an exit code; -1: go on. */
static int
parse(int argc, char **argv, struct arguments *arguments)
{
	static char own_name[] = "bulkhead run";
	int option;
	argv[0] = own_name; /* what getopt's messages begin with */
	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == 'h') {
			usage(stdout);
			return BH_EXIT_OK;
		}
		int code = take_option(arguments, option);
		if (code != BH_EXIT_OK)
			return code;
	}
	if (optind != argc - 1) {
		fprintf(stderr,
		        optind == argc ? "bulkhead run: which configuration? 'bulkhead run FILE.conf'\n"
		                       : "bulkhead run: one configuration at a time; '%s' is too many\n",
		        optind == argc ? "" : argv[optind + 1]);
		return BH_EXIT_USAGE;
	}
	arguments->config_path = argv[optind];
	return -1;
}

/* One run, from its first breath to its report. */
struct run {
	struct arguments arguments;
	struct bh_run_config *config;
	struct bh_cell *cell;
	const struct bh_app_report *report;
	void *report_state;
	struct bh_log_reader log;
	struct run_report out;
	struct run_service service;
	uint64_t live_next_ns;
};

static void
print_error(const struct bh_error *error)
{
	if (error->id[0] != '\0')
		fprintf(stderr, "bulkhead: %s (BH-%s)\n", error->text, error->id);
	else
		fprintf(stderr, "bulkhead: %s\n", error->text);
}

static void
on_warning(void *context, const struct bh_error *warning)
{
	struct run *run = context;
	fprintf(stderr, "warning: %s\n", warning->text);
	json_array_append_new(run->out.warnings, json_string(warning->text));
}

static void
on_log(void *context, uint32_t core_idx, int level, const char *text)
{
	const struct run *run = context;
	if (level <= BH_LOG_WARN || run->arguments.verbose)
		fprintf(stderr, "[core %u] %s\n", core_idx, text);
}

static void
drain_log(struct run *run)
{
	for (uint32_t core = 0; core < bh_cell_view(run->cell)->core_cnt; core++)
		bh_log_drain(&run->log, bh_cell_view(run->cell), core, on_log, run);
}

static void
sample(struct run *run)
{
	if (run->report != NULL)
		run->report->sample(run->report_state, bh_cell_page(run->cell)->app_config, bh_cell_view(run->cell),
		                    bh_clock_now_tsc());
}

static void
on_running(void *context, struct bh_cell *cell)
{
	struct run *run = context;
	run->cell = cell;
	run->live_next_ns = LIVE_NS;
	if (!run->arguments.json)
		run_report_intro(stdout, run->config, cell);
	run_service_tick(&run->service, cell, DRAIN_NS);
	bh_notify_status(&run->service.notify, "running");
}

/* The line of each second: for a person who watches, and for the service's status. */
static void
show_live(struct run *run, uint64_t elapsed_ns)
{
	char line[4096];
	bool shown = !run->arguments.json && !run->arguments.quiet;
	if (run->report == NULL || (!shown && run->service.notify.fd < 0))
		return;
	FILE *stream = fmemopen(line, sizeof(line), "w");
	if (stream == NULL)
		return;
	run->report->live(run->report_state, stream, (double)elapsed_ns / 1e9);
	fclose(stream);
	line[sizeof(line) - 1] = '\0';
	bh_notify_status(&run->service.notify, line);
	if (!shown)
		return;
	printf("%s\n", line);
	fflush(stdout);
}

static void
on_tick(void *context, struct bh_cell *cell)
{
	struct run *run = context;
	uint64_t elapsed_ns = bh_cell_elapsed_ns(cell);

	drain_log(run);
	run_service_tick(&run->service, cell, DRAIN_NS);
	if (elapsed_ns < run->live_next_ns)
		return;
	run->live_next_ns += LIVE_NS;
	sample(run);
	show_live(run, elapsed_ns);
}

static int
write_hgrm(const struct run *run)
{
	if (run->arguments.hgrm_path == NULL || run->report == NULL)
		return 0;
	FILE *stream = fopen(run->arguments.hgrm_path, "we");
	int err = stream == NULL ? -errno : 0;
	if (err == 0) {
		err = bh_hgrm_write(stream, run->report->latency(run->report_state), run->out.tsc_hz);
		if (fclose(stream) != 0 && err == 0)
			err = -errno;
	}
	if (err != 0)
		fprintf(stderr, "bulkhead run: cannot write %s: %s; name a file in a folder that can be written\n",
		        run->arguments.hgrm_path, strerror(-err));
	return err;
}

static int
load(const struct run *run, struct bh_run_config **out, struct bh_error *error)
{
	const struct arguments *arguments = &run->arguments;
	return bh_config_load(arguments->config_path, arguments->set, arguments->set_cnt, bh_apps, bh_app_cnt, out,
	                      error);
}

static int
reread(void *context, struct bh_run_config **out, struct bh_error *error)
{
	const struct run *run = context;
	return load(run, out, error);
}

static int
start(struct run *run, struct bh_error *error)
{
	struct bh_error warning = {0};
	uint64_t tick_ns = run_service_tick_ns(&run->service);
	struct bh_cell_options cell_options = {
	        .duration_ns = run->arguments.duration_ns,
	        .drain_ns = DRAIN_NS,
	        .tick_ns = tick_ns != 0 ? BH_MIN(tick_ns, TICK_NS) : TICK_NS,
	        .catch_signals = true,
	        .context = run,
	        .tick = on_tick,
	        .running = on_running,
	        .warn = on_warning,
	        .reread = reread,
	};
	int err = load(run, &run->config, error);
	if (err != 0)
		return err;
	run->report = bh_app_report_find(run->config->app_name);
	run->report_state = calloc(1, run->report != NULL ? run->report->state_bytes : 1);
	if (run->report_state == NULL)
		return -ENOMEM;
	err = bh_cell_start(run->config, &cell_options, &run->cell, error);
	if (err != 0)
		return err;
	if (bh_cell_confine_supervisor(&warning) != 0)
		on_warning(run, &warning);
	return bh_log_reader_open(bh_cell_elf_path(run->cell), run->out.start_tsc, &run->log);
}

/* Waits for the end of a started cell, reports, and returns the exit code. */
static int
finish(struct run *run)
{
	struct bh_cell_result *result = &run->out.result;
	bh_cell_wait(run->cell, result);
	run_service_end(&run->service, result->error.text);
	drain_log(run);
	sample(run);
	run->out.tsc_hz = bh_cell_view(run->cell)->tsc_hz;
	run->out.log_bad_cnt = run->log.bad_cnt;

	int code = result->exit_code;
	if (code == BH_EXIT_OK && run->report != NULL && run->report->check_failed(run->report_state))
		code = BH_EXIT_NOT_MET;
	if (result->error.text[0] != '\0')
		print_error(&result->error);
	if (run->arguments.json)
		run_report_json(stdout, &run->out, run->config, run->cell, run->report, run->report_state, code);
	else
		run_report_table(stdout, &run->out, run->cell, run->report, run->report_state, run->arguments.verbose);
	bool lost = fflush(stdout) != 0 || ferror(stdout);
	if (lost)
		fprintf(stderr, "bulkhead run: the result could not be written to standard output\n");
	if ((write_hgrm(run) != 0 || lost) && code == BH_EXIT_OK)
		code = BH_EXIT_FAILED;
	return code;
}

int
cmd_run(int argc, char **argv)
{
	struct run run = {.out.start_tsc = bh_clock_now_tsc()};
	struct bh_error error = {0};
	int code = parse(argc, argv, &run.arguments);
	if (code >= 0)
		return code;

	run.out.warnings = json_array();
	struct bh_error warning = {0};
	if (run_service_open(&run.service, &warning) != 0)
		on_warning(&run, &warning);
	int err = start(&run, &error);
	if (err == 0) {
		code = finish(&run);
	} else {
		if (error.text[0] == '\0')
			snprintf(error.text, sizeof(error.text), "%s: %s", run.arguments.config_path, strerror(-err));
		print_error(&error);
		run_service_end(&run.service, error.text);
		code = bh_error_exit_code(&error);
	}
	run_service_close(&run.service);
	bh_cell_free(run.cell);
	bh_log_reader_close(&run.log);
	bh_config_free(run.config);
	free(run.report_state);
	json_decref(run.out.warnings);
	return code;
}
