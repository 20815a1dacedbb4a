/* SPDX-License-Identifier: Apache-2.0 */
/* micro [--json FILE] [--only PREFIX]: see micro.h */
#include "bench/micro/micro.h"
#include <bulkhead/hosted.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RESULTS_MAX 32u

double micro_cycles_per_ns;

static struct micro_result results[RESULTS_MAX];
static unsigned result_cnt;
static const char *only = "";

void
micro_fail(const char *what)
{
	fprintf(stderr, "micro: %s\n", what);
	exit(1);
}

static uint64_t
monotonic_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC_RAW, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void
calibrate(void)
{
	uint64_t start_ns = monotonic_ns(), start_tsc = bh_clock_now_tsc(), now_ns;
	do
		now_ns = monotonic_ns();
	while (now_ns - start_ns < 200000000u);
	micro_cycles_per_ns = (double)(bh_clock_now_tsc() - start_tsc) / (double)(now_ns - start_ns);
}

static int
compare(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;
	return (left > right) - (left < right);
}

/* Sorted: the median is in the middle, the extremes at the ends. */
static double
median(const struct micro_result *result)
{
	return result->run[result->run_cnt / 2];
}

static void
print_row(const struct micro_result *result)
{
	printf("%-60s ", result->what);
	if (result->run_cnt == 0)
		printf("%10s %23s", "not run", "");
	else
		printf("%10.2f %10.2f..%-10.2f ", median(result), result->run[0], result->run[result->run_cnt - 1]);
	if (result->target != 0)
		printf("%8g %-7s", result->target,
		       result->run_cnt == 0               ? ""
		       : median(result) <= result->target ? "reached"
		                                          : "missed");
	else
		printf("%8s %-7s", "", "");
	printf(" %s%s%s\n", result->unit, result->note[0] != '\0' ? "; " : "", result->note);
}

static void
print_table(void)
{
	printf("%-60s %10s %22s %8s\n", "what", "median", "min..max of the runs", "target");
	for (unsigned i = 0; i < result_cnt; i++)
		print_row(&results[i]);
	printf("TSC: %.3f GHz\n", micro_cycles_per_ns);
}

static void
print_json(FILE *out)
{
	fprintf(out, "{\"tsc_hz\": %.0f, \"results\": {", micro_cycles_per_ns * 1e9);
	for (unsigned i = 0; i < result_cnt; i++) {
		const struct micro_result *result = &results[i];
		fprintf(out, "%s\n  \"%s\": {\"unit\": \"%s\", \"runs\": [", i == 0 ? "" : ",", result->id,
		        result->unit);
		for (unsigned j = 0; j < result->run_cnt; j++)
			fprintf(out, "%s%.3f", j == 0 ? "" : ", ", result->run[j]);
		fprintf(out, "]");
		if (result->run_cnt != 0)
			fprintf(out, ", \"median\": %.3f", median(result));
		if (result->target != 0)
			fprintf(out, ", \"target\": %g", result->target);
		fprintf(out, ", \"note\": \"%s\"}", result->note);
	}
	fprintf(out, "\n}}\n");
}

static void
measure(const char *name, unsigned (*fn)(struct micro_result *))
{
	if (strncmp(name, only, strlen(only)) != 0)
		return;
	unsigned first = result_cnt;
	result_cnt += fn(&results[first]);
	for (unsigned i = first; i < result_cnt; i++)
		qsort(results[i].run, results[i].run_cnt, sizeof(double), compare);
}

static void
measure_all(void *arg)
{
	(void)arg;
	measure("fiber", micro_fiber);
	measure("observe", micro_observe);
	measure("ring", micro_ring);
	measure("tlsf", micro_tlsf);
}

int
main(int argc, char **argv)
{
	const char *json_path = NULL;
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0 && i + 1 < argc) {
			json_path = argv[++i];
		} else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc) {
			only = argv[++i];
		} else {
			fprintf(stderr, "usage: micro [--json FILE] [--only fiber|observe|ring|tlsf|instructions]\n");
			return 2;
		}
	}
	calibrate();
	/* It needs no cell. */
	measure("instructions", micro_tlsf_instructions);
	if (bh_hosted_start(1, 1 << 20, 16 << 20) != 0)
		micro_fail("cannot map a hosted cell");
	if (bh_hosted_run(0, measure_all, NULL) != 0)
		micro_fail("cannot run a fiber");
	bh_hosted_stop();
	print_table();
	if (json_path == NULL)
		return 0;
	FILE *out = fopen(json_path, "w");
	if (out == NULL)
		micro_fail("cannot write the file of --json");
	print_json(out);
	return fclose(out) == 0 ? 0 : 1;
}
