/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nvme-bench on the software device, end to end, as a user runs it: bulkhead run --json. Nothing here looks at how fast
 * anything was.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "tests/component/command.h"

#define ARGS_MAX 48

static const char *program, *config;
static const char *duration = "500ms";

/* Runs examples/nvme-bench.conf for a short while with overrides; NULL ends the list. Returns the parsed JSON. */
static json_t *
bench(int want_code, const char *const *sets)
{
	const char *argv[ARGS_MAX] = {program,      "run",           config,  "--json",
	                              "--duration", duration,        "--set", "device.nvme0.size=64M",
	                              "--set",      "cell.arena=96M"};
	struct command_result result;
	size_t cnt = 10;
	for (; *sets != NULL; sets++) {
		assert_true(cnt + 3 < ARGS_MAX);
		argv[cnt++] = "--set";
		argv[cnt++] = *sets;
	}
	command_run(argv, 60000, &result);
	if (result.exit_code != want_code)
		fail_msg("exit code %d, want %d\n%s\n%s", result.exit_code, want_code, result.err, result.out);
	json_error_t error;
	json_t *json = json_loads(result.out, 0, &error);
	if (json == NULL)
		fail_msg("not JSON: %s\n%s", error.text, result.out);
	command_result_free(&result);
	return json;
}

/* The number at a path such as "app.latency_ns.p50"; a missing one fails the test. */
static double
number(const json_t *json, const char *path)
{
	char part[64];
	const char *at = path;
	while (json != NULL && *at != '\0') {
		size_t len = strcspn(at, ".");
		snprintf(part, sizeof(part), "%.*s", (int)len, at);
		json = json_object_get(json, part);
		at += len + (at[len] == '.');
	}
	if (!json_is_number(json))
		fail_msg("%s is missing or not a number", path);
	return json_number_value(json);
}

#define SETS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void
the_json_holds_what_was_promised(void **state)
{
	static const char *const paths[] = {
	        "seconds",
	        "app.iops",
	        "app.bytes_per_s",
	        "app.errors",
	        "app.latency_ns.min",
	        "app.latency_ns.mean",
	        "app.latency_ns.stddev",
	        "app.latency_ns.p50",
	        "app.latency_ns.p90",
	        "app.latency_ns.p99",
	        "app.latency_ns.p99_9",
	        "app.latency_ns.p99_99",
	        "app.latency_ns.max",
	        "isolation.seccomp",
	        "isolation.no_new_privs",
	        "isolation.cap_eff",
	        "isolation.uid",
	        "isolation.open_fds",
	        "isolation.voluntary_switches",
	        "isolation.involuntary_switches",
	        "memory.arena_bytes",
	        "memory.page_size",
	};
	json_t *json = bench(0, SETS("nvme-bench.queue_depth=4"));
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		number(json, paths[i]);
	assert_string_equal(json_string_value(json_object_get(json, "cell")), "nvme-bench");
	assert_true(json_array_size(json_object_get(json, "cpus")) == 1);
	assert_true(json_is_object(json_object_get(json, "versions")));
	json_decref(json);
}

static void
the_wall_stands(void **state)
{
	json_t *json = bench(0, SETS("nvme-bench.queue_depth=4"));
	assert_true(number(json, "isolation.seccomp") == 2);
	assert_true(number(json, "isolation.no_new_privs") == 1);
	assert_true(number(json, "isolation.cap_eff") == 0);
	assert_true(number(json, "isolation.cap_bnd") == 0);
	assert_true(number(json, "isolation.uid") != 0);
	assert_true(number(json, "isolation.open_fds") == 0);
	assert_true(number(json, "isolation.voluntary_switches") == 0);
	json_decref(json);
}

/* min <= p50 <= ... <= max, and as many I/Os as rate times time says. */
static void
the_figures_fit_together(void **state)
{
	json_t *json = bench(0, SETS("nvme-bench.queue_depth=8"));
	static const char *const rising[] = {"min", "p50", "p90", "p99", "p99_9", "p99_99", "max"};
	double before = 0;
	for (size_t i = 0; i < sizeof(rising) / sizeof(rising[0]); i++) {
		char path[64];
		snprintf(path, sizeof(path), "app.latency_ns.%s", rising[i]);
		assert_true(number(json, path) >= before);
		before = number(json, path);
	}
	double ios = number(json, "app.reads") + number(json, "app.writes");
	assert_true(ios > 0);
	assert_true(number(json, "app.iops") * number(json, "app.seconds") / ios > 0.999);
	assert_true(number(json, "app.iops") * number(json, "app.seconds") / ios < 1.001);
	double bytes = number(json, "app.bytes_per_s") / number(json, "app.iops");
	assert_true(bytes > 4095.999 && bytes < 4096.001);
	json_decref(json);
}

static void
each_pattern_does_what_it_says(void **state)
{
	static const struct {
		const char *set;
		int reads, writes;
	} patterns[] = {
	        {"nvme-bench.pattern=read", 1, 0},     {"nvme-bench.pattern=write", 0, 1},
	        {"nvme-bench.pattern=randread", 1, 0}, {"nvme-bench.pattern=randwrite", 0, 1},
	        {"nvme-bench.pattern=randrw", 1, 1},   {"nvme-bench.pattern=verify", 1, 1},
	};
	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
		json_t *json = bench(0, SETS(patterns[i].set));
		assert_int_equal(number(json, "app.reads") > 0, patterns[i].reads);
		assert_int_equal(number(json, "app.writes") > 0, patterns[i].writes);
		assert_true(number(json, "app.errors") == 0);
		json_decref(json);
	}
}

static void
a_mix_is_kept(void **state)
{
	json_t *json = bench(0, SETS("nvme-bench.pattern=randrw", "nvme-bench.mix=30", "device.nvme0.backing=null"));
	double share = number(json, "app.reads") / (number(json, "app.reads") + number(json, "app.writes"));
	assert_true(share > 0.25 && share < 0.35);
	json_decref(json);
}

static void
every_block_size_and_depth(void **state)
{
	static const char *const shapes[][3] = {
	        {"nvme-bench.block_size=512", "nvme-bench.queue_depth=1", "device.nvme0.block_size=512"},
	        {"nvme-bench.block_size=1536", "nvme-bench.queue_depth=7", "device.nvme0.block_size=512"},
	        {"nvme-bench.block_size=8K", "nvme-bench.queue_depth=1024", "device.nvme0.block_size=4096"},
	        {"nvme-bench.block_size=128K", "nvme-bench.queue_depth=128", "device.nvme0.block_size=512"},
	        {"nvme-bench.block_size=1M", "nvme-bench.queue_depth=16", "device.nvme0.block_size=4096"},
	};
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		json_t *json = bench(0, SETS(shapes[i][0], shapes[i][1], shapes[i][2], "nvme-bench.pattern=verify"));
		assert_true(number(json, "app.errors") == 0);
		assert_true(number(json, "app.verify.checked") > 0);
		json_decref(json);
	}
}

/* Host, device and both cores of the cell share two CPUs here: how long the first write takes is the scheduler's choice. */
static json_t *
bench_until_checked(const char *const *sets)
{
	static const char *const durations[] = {"1s", "5s", "20s"};
	json_t *json = NULL;
	for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++) {
		json_decref(json);
		duration = durations[i];
		json = bench(0, sets);
		if (number(json, "app.verify.checked") > 0)
			break;
	}
	duration = "500ms";
	return json;
}

static void
two_cores_share_a_device(void **state)
{
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
		print_message("skipped: needs two CPUs\n");
		skip();
	}
	json_t *json =
	        bench_until_checked(SETS("cell.cpus=0,1", "nvme-bench.pattern=verify", "nvme-bench.queue_depth=16"));
	assert_true(json_array_size(json_object_get(json, "cpus")) == 2);
	assert_true(number(json, "app.verify.checked") > 0);
	assert_true(number(json, "app.errors") == 0);
	json_decref(json);
}

static void
a_histogram_file_is_written(void **state)
{
	char path[] = "/tmp/bulkhead-test-XXXXXX";
	char line[256] = "";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	close(fd);
	const char *argv[] = {program, "run", config, "--duration", "300ms", "--quiet", "--hgrm", path, NULL};
	struct command_result result;
	command_run(argv, 60000, &result);
	assert_int_equal(result.exit_code, 0);
	assert_non_null(strstr(result.out, "IOPS"));
	command_result_free(&result);
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	assert_non_null(fgets(line, sizeof(line), file));
	assert_non_null(strstr(line, "Percentile"));
	fclose(file);
	unlink(path);
}

/* The shell closes or redirects what it says before it becomes the program. */
static int
run_in_shell(const char *script)
{
	const char *argv[] = {"/bin/sh", "-c", script, program, config, NULL};
	struct command_result result;
	command_run(argv, 60000, &result);
	int code = result.exit_code;
	command_result_free(&result);
	return code;
}

static void
a_result_that_cannot_be_written_is_a_failure(void **state)
{
	assert_int_equal(run_in_shell("exec \"$0\" run \"$1\" --duration 300ms --json >/dev/full"), 1);
}

/* Their numbers must not become the cell's memory. */
/* bulkhead run | head -1: nobody reads on, so the cell drains and ends, long before its time is over. */
static void
a_reader_that_leaves_ends_the_run(void **state)
{
	char text[1024];
	struct command_result result;
	(void)state;
	snprintf(text, sizeof(text),
	         "{ %s run %s --duration 300s --set device.nvme0.size=64M; echo code $? >&2; } | head -1", program,
	         config);
	const char *const argv[] = {"/bin/sh", "-c", text, NULL};
	command_run(argv, 60000, &result);
	assert_int_equal(result.exit_code, 0); /* head's */
	assert_non_null(strstr(result.err, "could not be written"));
	assert_non_null(strstr(result.err, "code 1"));
	command_result_free(&result);
}

static void
closed_standard_streams_do_no_harm(void **state)
{
	assert_int_equal(
	        run_in_shell("exec \"$0\" run \"$1\" --duration 1100ms --set nvme-bench.pattern=verify <&- >&- 2>&-"),
	        0);
}

static void
a_block_size_that_the_device_lacks_is_refused(void **state)
{
	const char *argv[] = {program, "run", config, "--duration", "300ms", "--set", "nvme-bench.block_size=512",
	                      NULL};
	struct command_result result;
	command_run(argv, 60000, &result);
	assert_int_equal(result.exit_code, 2);
	assert_non_null(strstr(result.err, "block_size"));
	assert_non_null(strstr(result.err, "4096"));
	command_result_free(&result);
}

static void
an_arena_too_small_for_the_buffers_says_so(void **state)
{
	const char *argv[] = {program,
	                      "run",
	                      config,
	                      "--duration",
	                      "300ms",
	                      "--set",
	                      "cell.arena=4M",
	                      "--set",
	                      "nvme-bench.block_size=1M",
	                      NULL};
	struct command_result result;
	command_run(argv, 60000, &result);
	assert_int_equal(result.exit_code, 1);
	assert_non_null(strstr(result.err, "arena"));
	command_result_free(&result);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_block_size_that_the_device_lacks_is_refused),
	        cmocka_unit_test(an_arena_too_small_for_the_buffers_says_so),
	        cmocka_unit_test(the_json_holds_what_was_promised),
	        cmocka_unit_test(the_wall_stands),
	        cmocka_unit_test(the_figures_fit_together),
	        cmocka_unit_test(each_pattern_does_what_it_says),
	        cmocka_unit_test(a_mix_is_kept),
	        cmocka_unit_test(every_block_size_and_depth),
	        cmocka_unit_test(two_cores_share_a_device),
	        cmocka_unit_test(a_histogram_file_is_written),
	        cmocka_unit_test(a_result_that_cannot_be_written_is_a_failure),
	        cmocka_unit_test(a_reader_that_leaves_ends_the_run),
	        cmocka_unit_test(closed_standard_streams_do_no_harm),
	};
	if (argc < 3) {
		fprintf(stderr, "usage: test_nvme_bench PROGRAM CONFIG\n");
		return 2;
	}
	program = argv[1];
	config = argv[2];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
