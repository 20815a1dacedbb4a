/* SPDX-License-Identifier: Apache-2.0 */
/* bulkhead noise on this machine as it is, and what it refuses. Figures are checked against one another, never against a clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "tests/component/command.h"

static const char *bulkhead;

static int
run(struct command_result *out, const char *arguments)
{
	char text[512];
	snprintf(text, sizeof(text), "%s noise %s", bulkhead, arguments);
	const char *const argv[] = {"/bin/sh", "-c", text, NULL};
	command_run(argv, 60000, out);
	return out->exit_code;
}

static void
mistakes_are_named(void **state)
{
	static const struct {
		const char *arguments, *says;
		int exit_code;
	} bad[] = {
	        {"", "usage", 2},
	        {"--cpus x", "'x' is not valid", 2},
	        {"--cpus 0 --duration 5", "'5' is not valid", 2},
	        {"--cpus 0 --duration 1ms", "BH-E250", 2},
	        {"--cpus 0 --threshold 1ns", "BH-E250", 2},
	        {"--cpus 0-16", "BH-E250", 2},
	        {"--cpus 0 --compare", "usage", 2},
	        {"--cpus 999 --duration 200ms", "BH-E020", 2},
	        {"--cpus 0 --duration 200ms --svg /nowhere/x.svg", "BH-E253", 1},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct command_result result;
		int code = run(&result, bad[i].arguments);
		if (code != bad[i].exit_code || strstr(result.err, bad[i].says) == NULL)
			fail_msg("%s: %d: %s", bad[i].arguments, code, result.err);
		command_result_free(&result);
	}
}

static double
number(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);
	assert_true(json_is_number(value));
	return json_number_value(value);
}

static void
figures_add_up(void **state)
{
	struct command_result result;
	json_error_t error;
	(void)state;
	assert_int_equal(run(&result, "--cpus 0 --duration 1s --json --svg noise.svg --trace-json noise.json"), 0);
	json_t *json = json_loads(result.out, 0, &error);
	assert_non_null(json);
	const json_t *cpu = json_array_get(json_object_get(json, "cpus"), 0);
	const json_t *named = json_object_get(cpu, "named_us"), *turns = json_object_get(cpu, "turns");
	assert_true(number(cpu, "measured_s") >= 1.0 && number(cpu, "measured_s") < 30);
	assert_true(number(turns, "count") > 100000);
	double sum = number(named, "event") + number(named, "elimination") + number(named, "unknown"), thieves = 0;
	assert_true(sum > number(cpu, "stolen_us") * 0.999 && sum < number(cpu, "stolen_us") * 1.001 + 1);
	size_t i;
	const json_t *thief;
	json_array_foreach(json_object_get(cpu, "thieves"), i, thief)
	{
		thieves += number(thief, "total_us");
		assert_true(json_string_length(json_object_get(thief, "advice")) > 0);
	}
	assert_true(thieves > sum * 0.999 - 1 && thieves < sum * 1.001 + 1);
	/* Raw buckets hold every turn. */
	double cnt = 0;
	const char *key;
	json_t *value;
	json_object_foreach(json_object_get(turns, "buckets"), key, value) cnt += json_number_value(value);
	assert_true(cnt == number(turns, "count"));
	if (!json_is_true(json_object_get(json, "traced")))
		assert_non_null(strstr(json_string_value(json_object_get(json, "trace")), "no tracepoints"));
	json_decref(json);
	command_result_free(&result);
	json_t *trace = json_load_file("noise.json", 0, &error);
	assert_true(json_array_size(json_object_get(trace, "traceEvents")) > 1);
	json_decref(trace);
	assert_int_equal(unlink("noise.json") | unlink("noise.svg"), 0);
}

static void
without_tracepoints_it_says_so(void **state)
{
	struct command_result result;
	(void)state;
	assert_int_equal(run(&result, "--cpus 0 --duration 300ms --no-trace"), 0);
	assert_non_null(strstr(result.out, "100.0 % unknown"));
	assert_non_null(strstr(result.out, "no tracepoints, as asked"));
	assert_non_null(strstr(result.out, "/proc counted"));
	command_result_free(&result);
}

/* Ended at any moment, nothing is left in tracefs; what a kill -9 left, the next call takes away. */
static void
nothing_is_left(void **state)
{
	struct command_result result;
	char text[700];
	(void)state;
	snprintf(text, sizeof(text),
	         "%s noise --cpus 0 --duration 40s > noise.out 2>&1 & pid=$!; sleep 1; kill -TERM $pid; wait $pid; "
	         "first=$?; "
	         "grep -q 'us stolen per second' noise.out || exit 5; rm noise.out; "
	         "%s noise --cpus 0 --duration 20s > /dev/null 2>&1 & pid=$!; sleep 1; kill -KILL $pid; wait $pid; "
	         "%s noise --cpus 0 --duration 200ms > /dev/null || exit 3; "
	         "grep -q tracefs /proc/mounts || mount -t tracefs none /sys/kernel/tracing; "
	         "ls -d /sys/kernel/tracing/instances/bulkhead-* 2> /dev/null && exit 4; [ $first = 0 ]",
	         bulkhead, bulkhead, bulkhead);
	const char *const argv[] = {"/bin/bash", "-c", text, NULL};
	command_run(argv, 60000, &result);
	if (result.exit_code != 0)
		fail_msg("%d: %s %s", result.exit_code, result.out, result.err);
	command_result_free(&result);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(mistakes_are_named),
	        cmocka_unit_test(figures_add_up),
	        cmocka_unit_test(without_tracepoints_it_says_so),
	        cmocka_unit_test(nothing_is_left),
	};
	if (argc < 2)
		return 2;
	bulkhead = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
