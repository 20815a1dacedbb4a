/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nvme-bench against the software device on the other core, all included: runs `bulkhead run` with --json several times
 * per case, round after round over all cases, a core-to-core probe before and after each run. Medians are taken over the
 * runs whose label (near, mixed, far) is the most frequent best one: like is compared with like.
 */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/two_core/probe.h"

#define RUNS_MAX 32

struct run {
	double iops, p50_ns, p99_ns, ready_ms;
	double probe_before_ns, probe_after_ns;
	enum probe_label label;
};

struct bench_case {
	const char *name;
	const char *backing;
	unsigned depth;
	double reach_iops;
	struct run run[RUNS_MAX];
	unsigned run_cnt;
};

static struct bench_case cases[] = {
        {.name = "null_qd1", .backing = "null", .depth = 1, .reach_iops = 3e6},
        {.name = "null_qd32", .backing = "null", .depth = 32, .reach_iops = 12e6},
        {.name = "null_qd128", .backing = "null", .depth = 128, .reach_iops = 15e6},
        {.name = "memory_qd1", .backing = "memory", .depth = 1, .reach_iops = 1.3e6},
        {.name = "memory_qd32", .backing = "memory", .depth = 32, .reach_iops = 3e6},
};

#define CASE_CNT (sizeof(cases) / sizeof(cases[0]))

static double
number_at(const json_t *object, const char *first, const char *second, const char *third)
{
	const json_t *at = json_object_get(object, first);
	if (second != NULL)
		at = json_object_get(at, second);
	if (third != NULL)
		at = json_object_get(at, third);
	return json_number_value(at);
}

/* Runs the command and takes its JSON; NULL when it failed, after saying so. */
static json_t *
run_command(const char *command)
{
	json_error_t error;
	FILE *pipe = popen(command, "re");
	if (pipe == NULL) {
		fprintf(stderr, "bench: cannot run '%s': %s\n", command, strerror(errno));
		return NULL;
	}
	json_t *json = json_loadf(pipe, JSON_DISABLE_EOF_CHECK, &error);
	int status = pclose(pipe);
	if (json == NULL || status != 0)
		fprintf(stderr, "bench: '%s' failed (status %d, %s)\n", command, status, json ? "" : error.text);
	if (status != 0 && json != NULL) {
		json_decref(json);
		return NULL;
	}
	return json;
}

static int
run_case(struct bench_case *bench, const char *build, int seconds)
{
	char command[512];
	struct run *run = &bench->run[bench->run_cnt];
	int last_cpu = (int)sysconf(_SC_NPROCESSORS_ONLN) - 1;

	snprintf(command, sizeof(command),
	         "%s/bulkhead run examples/nvme-bench.conf --duration %ds --json --set nvme-bench.queue_depth=%u "
	         "--set device.nvme0.backing=%s --set nvme-bench.fill=%s --set device.nvme0.size=256M 2>/dev/null",
	         build, seconds, bench->depth, bench->backing, strcmp(bench->backing, "memory") == 0 ? "yes" : "no");
	run->probe_before_ns = probe_round_trip_ns(last_cpu, last_cpu > 0 ? last_cpu - 1 : 0);
	json_t *json = run_command(command);
	run->probe_after_ns = probe_round_trip_ns(last_cpu, last_cpu > 0 ? last_cpu - 1 : 0);
	if (json == NULL)
		return -EIO;
	run->label = probe_label_of(run->probe_before_ns, run->probe_after_ns);
	run->iops = number_at(json, "app", "iops", NULL);
	run->p50_ns = number_at(json, "app", "latency_ns", "p50");
	run->p99_ns = number_at(json, "app", "latency_ns", "p99");
	run->ready_ms = number_at(json, "start", "first_io_ms", NULL);
	bench->run_cnt++;
	json_decref(json);
	return 0;
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double
median_of(const struct bench_case *bench, enum probe_label label, size_t field_offset, unsigned *out_cnt)
{
	double value[RUNS_MAX];
	unsigned cnt = 0;
	for (unsigned i = 0; i < bench->run_cnt; i++) {
		if (bench->run[i].label == label)
			value[cnt++] = *(const double *)(const void *)((const char *)&bench->run[i] + field_offset);
	}
	*out_cnt = cnt;
	qsort(value, cnt, sizeof(value[0]), compare);
	return cnt == 0 ? 0 : value[cnt / 2];
}

#define MEDIAN(bench, label, field, cnt) median_of(bench, label, offsetof(struct run, field), cnt)

static void
print_table(void)
{
	printf("%-12s %-6s %4s %12s %12s %6s %9s %9s %9s\n", "case", "cores", "runs", "IOPS", "reach", "ratio",
	       "p50 ns", "p99 ns", "start ms");
	for (size_t i = 0; i < CASE_CNT; i++) {
		for (enum probe_label label = PROBE_NEAR; label <= PROBE_FAR; label++) {
			unsigned cnt;
			double iops = MEDIAN(&cases[i], label, iops, &cnt);
			if (cnt == 0)
				continue;
			printf("%-12s %-6s %4u %12.0f %12.0f %6.2f %9.0f %9.0f %9.1f\n", cases[i].name,
			       probe_label_name(label), cnt, iops, cases[i].reach_iops, iops / cases[i].reach_iops,
			       MEDIAN(&cases[i], label, p50_ns, &cnt), MEDIAN(&cases[i], label, p99_ns, &cnt),
			       MEDIAN(&cases[i], label, ready_ms, &cnt));
		}
	}
	printf("cores: round trip of a cache line before and after the run, near < 150 ns, far > 300 ns, else mixed\n");
}

static int
write_json(const char *path)
{
	json_t *root = json_array();
	for (size_t i = 0; i < CASE_CNT; i++) {
		json_t *runs = json_array();
		for (unsigned r = 0; r < cases[i].run_cnt; r++) {
			const struct run *run = &cases[i].run[r];
			json_array_append_new(
			        runs, json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:s}", "iops", run->iops, "p50_ns",
			                        run->p50_ns, "p99_ns", run->p99_ns, "first_io_ms", run->ready_ms,
			                        "probe_before_ns", run->probe_before_ns, "probe_after_ns",
			                        run->probe_after_ns, "cores", probe_label_name(run->label)));
		}
		json_array_append_new(root, json_pack("{s:s, s:s, s:i, s:f, s:o}", "case", cases[i].name, "backing",
		                                      cases[i].backing, "queue_depth", (int)cases[i].depth,
		                                      "reach_iops", cases[i].reach_iops, "runs", runs));
	}
	int err = json_dump_file(root, path, JSON_INDENT(2));
	json_decref(root);
	return err;
}

static void
usage(FILE *stream)
{
	fprintf(stream, "usage: two-core [--build DIR] [--runs N] [--seconds S] [--json FILE] | --probe\n"
	                "nvme-bench against the software device, medians by how near the cores were\n"
	                "--probe: only how near they are now: a cache line's round trip in ns\n");
}

static int
probe_print(void)
{
	double ns = probe_round_trip_ns(1, 0);
	if (ns < 0) {
		fprintf(stderr, "two-core: no probe between CPU 1 and CPU 0: %s\n", strerror((int)-ns));
		return 1;
	}
	printf("%.1f\n", ns);
	return 0;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
	        {"build", required_argument, NULL, 'b'},   {"runs", required_argument, NULL, 'r'},
	        {"seconds", required_argument, NULL, 's'}, {"json", required_argument, NULL, 'j'},
	        {"probe", no_argument, NULL, 'p'},         {"help", no_argument, NULL, 'h'},
	        {NULL, 0, NULL, 0}};
	const char *build = "build", *json_path = NULL;
	int runs = 5, seconds = 2, option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == 'b')
			build = optarg;
		else if (option == 'r')
			runs = atoi(optarg);
		else if (option == 's')
			seconds = atoi(optarg);
		else if (option == 'j')
			json_path = optarg;
		else if (option == 'p')
			return probe_print();
		else {
			usage(option == 'h' ? stdout : stderr);
			return option == 'h' ? 0 : 2;
		}
	}
	if (runs < 1 || runs > RUNS_MAX || seconds < 1 || seconds > 600) {
		fprintf(stderr, "two-core: --runs is 1 to %d, --seconds 1 to 600\n", RUNS_MAX);
		return 2;
	}
	for (int r = 0; r < runs; r++) {
		for (size_t i = 0; i < CASE_CNT; i++) {
			fprintf(stderr, "\rround %d of %d: %-12s", r + 1, runs, cases[i].name);
			if (run_case(&cases[i], build, seconds) != 0)
				return 1;
		}
	}
	fprintf(stderr, "\r%40s\r", "");
	print_table();
	return json_path != NULL && write_json(json_path) != 0 ? 1 : 0;
}
