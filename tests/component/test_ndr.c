/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bulkhead ndr over software wires and a cross-connect. What a wire can carry in a second, and what it loses, is known: no answer may
 * be better. How fast this machine is decides nothing.
 *
 * test_ndr PROGRAM EXAMPLES
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "tests/component/command.h"

#define ARGS_MAX  64u
#define WAIT_MS   240000
#define TRIAL_S   0.1
#define RING_CNT  64.0
#define RATE_BITS 100e6

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

static const char *program, *examples;
static char dir[] = "/tmp/bulkhead-ndr-XXXXXX";

/* "bulkhead ndr EXAMPLES/config --report DIR ...". */
static void
ndr(const char *config, const char *const *before, const char *const *args, struct command_result *out)
{
	const char *argv[ARGS_MAX];
	char path[256];
	size_t cnt = 0;
	snprintf(path, sizeof(path), "%s/%s", examples, config);
	for (; *before != NULL; before++)
		argv[cnt++] = *before;
	for (const char *const *arg = LIST(program, "ndr", path, "--report", dir, "--set", "cell.pages=normal");
	     *arg != NULL; arg++)
		argv[cnt++] = *arg;
	for (; *args != NULL; args++) {
		assert_true(cnt + 1 < ARGS_MAX);
		argv[cnt++] = *args;
	}
	argv[cnt] = NULL;
	command_run(argv, WAIT_MS, out);
}

static void
refused(const char *config, const char *const *args, int want_code, const char *want)
{
	struct command_result result;
	ndr(config, LIST(NULL), args, &result);
	if (result.exit_code != want_code || strstr(result.err, want) == NULL)
		fail_msg("exit code %d, want %d and '%s'\n%s", result.exit_code, want_code, want, result.err);
	command_result_free(&result);
}

static json_t *
measured(const char *const *before, const char *const *args, int *out_code, char **out_err)
{
	struct command_result result;
	json_error_t why;
	ndr("pktgen.conf", before, args, &result);
	json_t *json = json_loads(result.out, JSON_REJECT_DUPLICATES, &why);
	if (json == NULL)
		fail_msg("exit code %d, no JSON: %s\n%s\n%s", result.exit_code, why.text, result.out, result.err);
	*out_code = result.exit_code;
	*out_err = strdup(result.err);
	command_result_free(&result);
	return json;
}

static double
number(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);
	if (!json_is_number(value))
		fail_msg("%s is missing or no number", key);
	return json_number_value(value);
}

/* 0: null. */
static double
bound(const json_t *size, const char *goal, const char *key)
{
	const json_t *rate = json_object_get(size, goal);
	assert_non_null(json_object_get(rate, key));
	return json_is_null(json_object_get(rate, key)) ? 0 : number(rate, key);
}

static void
file_is_there(const json_t *object, const char *key, const char *suffix)
{
	char path[256];
	const char *name = json_string_value(json_object_get(object, key));
	assert_non_null(name);
	snprintf(path, sizeof(path), "%s/%s%s", dir, name, suffix);
	if (access(path, R_OK) != 0)
		fail_msg("%s is not there", path);
}

/* Each trial's raw output is kept, and the loss is what its counts say. */
static void
trials_hold(const json_t *size)
{
	size_t idx;
	json_t *trial;
	json_array_foreach(json_object_get(size, "trials"), idx, trial)
	{
		const json_t *figures = json_object_get(trial, "figures");
		double sent = number(figures, "sent"), lost = number(figures, "lost"),
		       never = number(figures, "never_sent");
		double intended = json_is_true(json_object_get(trial, "short_offer")) ? sent + never : sent;
		assert_true(fabs(number(trial, "loss_ratio") - (lost + intended - sent) / intended) < 1e-6);
		file_is_there(trial, "raw", "");
		file_is_there(trial, "raw", ".err");
	}
}

static void
latencies_hold(const json_t *size)
{
	static const double parts[] = {0.9, 0.5, 0.1};
	const json_t *latencies = json_object_get(size, "latency");
	double lower = bound(size, "ndr", "lower_pps");
	assert_int_equal(json_array_size(latencies), lower > 0 ? 3 : 0);
	for (size_t i = 0; i < json_array_size(latencies); i++) {
		const json_t *one = json_array_get(latencies, i);
		const json_t *ns = json_object_get(json_object_get(one, "figures"), "latency_ns");
		assert_true(fabs(number(one, "load_pps") - lower * parts[i]) <= 1);
		assert_true(number(ns, "min") > 0 && number(ns, "p50") <= number(ns, "p99"));
		file_is_there(one, "raw", "");
		file_is_there(one, "hgrm", "");
	}
}

static void
rates_hold(const json_t *size, double most_pps)
{
	for (const char *const *goal = LIST("ndr", "pdr"); *goal != NULL; goal++) {
		double lower = bound(size, *goal, "lower_pps"), upper = bound(size, *goal, "upper_pps");
		assert_true(upper <= 0 || lower < upper);
		if (lower > most_pps)
			fail_msg("%s of %.0f, and the wire carries %.0f", *goal, lower, most_pps);
		assert_true(number(json_object_get(size, *goal), "conditional_pps") <= lower);
	}
	trials_hold(size);
	latencies_hold(size);
}

static void
what_is_no_measurement_is_refused(void **state)
{
	refused("pktgen.conf", LIST("--pdr", "1.5"), 2, "BH-E370");
	refused("pktgen.conf", LIST("--trial", "5"), 2, "BH-E370");
	refused("pktgen.conf", LIST("--trial", "2s", "--sum", "1s"), 2, "BH-E370");
	refused("pktgen.conf", LIST("--min-rate", "10", "--max-rate", "9"), 2, "BH-E370");
	refused("pktgen.conf", LIST("--size", "64,10"), 2, "64 to 9216 bytes");
	refused("pktgen.conf", LIST("--set", "pktgen.tx=nobody"), 2, "no such port");
	refused("pktgen.conf", LIST("--nonsense"), 2, "--help");
	refused("xconnect.conf", LIST("--quick"), 2, "BH-E371");
	refused("no-such.conf", LIST("--quick"), 2, "no-such.conf");
}

/* A trial that fails is made once more; then its last words and its command are told. */
static void
a_trial_that_fails_is_told(void **state)
{
	refused("pktgen.conf", LIST("--quick", "--size", "64", "--set", "cell.arena=2M"), 1, "to repeat it: ");
}

static void
nothing_arrives(void **state)
{
	refused("pktgen.conf",
	        LIST("--quick", "--size", "64", "--max-rate", "5000", "--set", "port.x0.wire=elsewhere", "--set",
	             "port.x1.wire=nowhere"),
	        1, "BH-E375");
}

static void
a_wire_that_loses_has_no_ndr(void **state)
{
	int code;
	char *err;
	json_t *json =
	        measured(LIST(NULL),
	                 LIST("--trial", "100ms", "--sum", "200ms", "--json", "--size", "imix", "--max-rate", "20000",
	                      "--pdr", "60%", "--width", "20%", "--tolerance", "90%", "--set", "port.gen.loss=20%"),
	                 &code, &err);
	const json_t *size = json_array_get(json_object_get(json, "sizes"), 0);
	assert_int_equal(code, 3);
	assert_string_equal(json_string_value(json_object_get(json_object_get(size, "ndr"), "end")), "below-min");
	assert_true(bound(size, "ndr", "lower_pps") <= 0);
	assert_true(bound(size, "pdr", "lower_pps") > 0);
	assert_non_null(strstr(err, "drops even at the lowest rate"));
	rates_hold(size, 20000);
	free(err);
	json_decref(json);
}

/* 100 Mb/s, a frame and 20 bytes at a time, and what rings hold at the end of a trial. */
static void
no_rate_is_above_the_wires(void **state)
{
	static const double bytes[] = {64, 1518};
	int code;
	char *err;
	bool found = true;
	json_t *json =
	        measured(LIST(NULL),
	                 LIST("--trial", "100ms", "--sum", "200ms", "--json", "--size", "64,1518", "--width", "10%",
	                      "--max-rate", "300000", "--set", "port.x1.rate=100M", "--set", "port.x1.queue_size=64"),
	                 &code, &err);
	for (size_t i = 0; i < 2; i++) {
		const json_t *size = json_array_get(json_object_get(json, "sizes"), i);
		rates_hold(size, RATE_BITS / ((bytes[i] + 20) * 8) * 1.05 + 6 * RING_CNT / TRIAL_S);
		found = found && bound(size, "ndr", "lower_pps") > 0 &&
		        json_is_false(json_object_get(json_object_get(size, "ndr"), "disturbed"));
	}
	assert_int_equal(code, found ? 0 : 3);
	assert_true(number(json, "runs") >= 4);
	free(err);
	json_decref(json);
}

static void
a_signal_ends_it_with_a_report(void **state)
{
	int code;
	char *err;
	json_t *json = measured(LIST("/usr/bin/timeout", "--preserve-status", "--foreground", "-s", "INT", "3"),
	                        LIST("--json", "--size", "64"), &code, &err);
	assert_int_equal(code, 1);
	assert_true(json_is_true(json_object_get(json, "interrupted")));
	assert_non_null(strstr(err, "BH-E376"));
	free(err);
	json_decref(json);
}

static void
folder_remove(void)
{
	struct command_result result;
	command_run(LIST("/bin/rm", "-r", dir), WAIT_MS, &result);
	command_result_free(&result);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(what_is_no_measurement_is_refused),
	        cmocka_unit_test(a_trial_that_fails_is_told),
	        cmocka_unit_test(nothing_arrives),
	        cmocka_unit_test(a_wire_that_loses_has_no_ndr),
	        cmocka_unit_test(no_rate_is_above_the_wires),
	        cmocka_unit_test(a_signal_ends_it_with_a_report),
	};
	if (argc < 3) {
		fprintf(stderr, "usage: test_ndr PROGRAM EXAMPLES\n");
		return 2;
	}
	program = argv[1];
	examples = argv[2];
	if (mkdtemp(dir) == NULL)
		return 2;
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	folder_remove();
	return failed;
}
