/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each fault of the script, end to end and under several seeds: the driver notices it, by the counter that is named for
 * it, and recovers or reports; the verify pattern shows that nothing was lost or mixed up that the fault did not itself
 * destroy, and the counts show that nothing completed twice.
 *
 * test_faults PROGRAM CONFIG [WORD]    with WORD only every_fault_is_noticed, and of it the rules that contain WORD
 */
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

#define SEEDS   3
#define IOS_MIN 1000 /* a rule "after 500 ios" has had its turn by then */

static const char *program, *config, *only = "";

struct fault_case {
	const char *rule;
	int exit_code;
	const char *noticed[3]; /* counters that must not be 0 */
	const char *calm[3];    /* counters that must be 0 */
	const char *verdict;    /* app.verify.*: that one must not be 0, the others must */
	const char *also;       /* another that may be found beside it */
	int errors;             /* 1: some I/O failed; 0: none did; -1: either */
};

static const struct fault_case cases[] = {
        {.rule = "every 50 delay 1ms..20ms", .calm = {"nvme0.command_timeout", "nvme0.reset"}},
        {.rule = "every 7 reorder 3", .calm = {"nvme0.command_timeout", "nvme0.reset"}},
        {.rule = "after 500 ios lose", .noticed = {"nvme0.command_timeout", "nvme0.abort", "nvme0.reset"}, .errors = 1},
        {.rule = "after 500 ios hang", .noticed = {"nvme0.command_timeout", "nvme0.abort"}, .errors = 1},
        {.rule = "after 500 ios duplicate", .noticed = {"nvme0.completion_duplicate"}, .calm = {"nvme0.reset"}},
        {.rule = "after 500 ios stray", .noticed = {"nvme0.completion_unknown_id"}, .calm = {"nvme0.reset"}},
        {.rule = "after 500 ios wrong-id",
         .noticed = {"nvme0.completion_unknown_id", "nvme0.command_timeout"},
         .errors = 1},
        {.rule = "after 500 ios wrong-phase", .noticed = {"nvme0.command_timeout", "nvme0.reset"}, .errors = 1},
        {.rule = "after 500 ios wrong-sq", .noticed = {"nvme0.completion_wrong_sq"}, .errors = 1},
        {.rule = "after 500 ios wrong-head", .noticed = {"nvme0.completion_bad_sq_head"}, .errors = 1},
        {.rule = "every 9 old-head",
         .noticed = {"nvme0.completion_old_sq_head"},
         .calm = {"nvme0.command_timeout", "nvme0.reset"}},
        {.rule = "every 100 op read status unrecovered-read", .noticed = {"nvme0.status_error"}, .errors = 1},
        {.rule = "every 100 op write status write-fault", .noticed = {"nvme0.status_error"}, .errors = 1},
        {.rule = "every 100 dma-outside", .noticed = {"nvme0.status_error"}, .errors = 1},
        {.rule = "after 500 ios fatal", .noticed = {"nvme0.reset"}, .errors = 1},
        {.rule = "after 500 ios event temperature", .noticed = {"nvme0.async_event"}},
        {.rule = "after 500 ios remove", .exit_code = 1, .noticed = {"nvme0.removed"}, .errors = 1},
        {.rule = "every 100 op read flip", .exit_code = 3, .verdict = "corrupt"},
        {.rule = "every 100 op write flip", .exit_code = 3, .verdict = "corrupt"},
        {.rule = "every 20 op write drop-write", .exit_code = 3, .verdict = "lost"},
        {.rule = "every 20 op write tear", .exit_code = 3, .verdict = "torn"},
        {.rule = "every 100 op read misdirect 1", .exit_code = 3, .verdict = "misdirected", .also = "lost"},
};

static json_int_t
counter(const json_t *json, const char *name)
{
	return json_integer_value(json_object_get(json_object_get(json, "counters"), name));
}

static void
write_rule(char *path, const char *rule)
{
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(dprintf(fd, "%s\n", rule), strlen(rule) + 1);
	close(fd);
}

static json_t *
run_case(const struct fault_case *fault, int seed, const char *duration)
{
	char path[] = "/tmp/bulkhead-fault-XXXXXX";
	char fault_set[128], seed_set[64];
	write_rule(path, fault->rule);
	snprintf(fault_set, sizeof(fault_set), "device.nvme0.fault=%s", path);
	snprintf(seed_set, sizeof(seed_set), "device.nvme0.seed=%d", seed);
	/* Where nothing may time out, that must not depend on how busy this machine is. */
	bool calm = fault->calm[0] != NULL || fault->errors == 0;
	const char *timeout_set = calm ? "nvme-bench.timeout=20s" : "nvme-bench.timeout=100ms";
	const char *argv[] = {program,      "run",
	                      config,       "--json",
	                      "--duration", duration,
	                      "--set",      fault_set,
	                      "--set",      seed_set,
	                      "--set",      "device.nvme0.size=4M",
	                      "--set",      "nvme-bench.pattern=verify",
	                      "--set",      "nvme-bench.queue_depth=16",
	                      "--set",      timeout_set,
	                      NULL};
	struct command_result result;
	command_run(argv, 60000, &result);
	unlink(path);
	json_t *json = json_loads(result.out, 0, NULL);
	if (result.exit_code != fault->exit_code || json == NULL)
		fail_msg("'%s' seed %d: exit code %d, want %d\n%s\n%s", fault->rule, seed, result.exit_code,
		         fault->exit_code, result.err, result.out);
	command_result_free(&result);
	return json;
}

static void
check_verdicts(const struct fault_case *fault, const json_t *json)
{
	static const char *const verdicts[] = {"lost", "torn", "misdirected", "corrupt"};
	const json_t *verify = json_object_get(json_object_get(json, "app"), "verify");
	for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++) {
		json_int_t found = json_integer_value(json_object_get(verify, verdicts[i]));
		if (fault->also != NULL && strcmp(fault->also, verdicts[i]) == 0)
			continue; /* the block beside may be one that was never written */
		int wanted = fault->verdict != NULL && strcmp(fault->verdict, verdicts[i]) == 0;
		if (wanted ? found == 0 : found != 0)
			fail_msg("'%s': %s = %lld", fault->rule, verdicts[i], (long long)found);
	}
}

static void
check_counters(const struct fault_case *fault, const json_t *json)
{
	for (int i = 0; i < 3; i++) {
		if (fault->noticed[i] != NULL && counter(json, fault->noticed[i]) == 0)
			fail_msg("'%s' was not noticed: %s is 0", fault->rule, fault->noticed[i]);
		if (fault->calm[i] != NULL && counter(json, fault->calm[i]) != 0)
			fail_msg("'%s': %s is not 0", fault->rule, fault->calm[i]);
	}
	json_int_t errors = json_integer_value(json_object_get(json_object_get(json, "app"), "errors"));
	if (fault->errors >= 0 && (errors > 0) != fault->errors)
		fail_msg("'%s': %lld errors", fault->rule, (long long)errors);
}

/* What the driver finds by waiting takes two of its time-outs, which are 100 ms there, and a reset. */
static bool
is_waited_for(const struct fault_case *fault)
{
	for (int i = 0; i < 3; i++) {
		const char *name = fault->noticed[i];
		if (name != NULL && (strstr(name, "timeout") != NULL || strstr(name, "reset") != NULL))
			return true;
	}
	return fault->exit_code == 1;
}

/* On an overloaded machine that may be over before the rule's turn comes; then the same takes longer. */
static json_t *
run_case_long_enough(const struct fault_case *fault, int seed)
{
	json_t *json = run_case(fault, seed, is_waited_for(fault) ? "700ms" : "250ms");
	json_int_t io_cnt = counter(json, "bench.reads") + counter(json, "bench.writes");
	if (io_cnt >= IOS_MIN || (fault->noticed[0] != NULL && counter(json, fault->noticed[0]) != 0))
		return json;
	print_message("'%s' seed %d: only %lld I/Os: once more, longer\n", fault->rule, seed, (long long)io_cnt);
	json_decref(json);
	return run_case(fault, seed, "15s");
}

static void
every_fault_is_noticed(void **state)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (int seed = 1; seed <= SEEDS && strstr(cases[i].rule, only) != NULL; seed++) {
			json_t *json = run_case_long_enough(&cases[i], seed);
			check_counters(&cases[i], json);
			check_verdicts(&cases[i], json);
			json_decref(json);
		}
	}
}

/* A reset that fails: the controller stays ready; only a reset of the whole function helps. */
static void
a_reset_that_fails_goes_up_the_ladder(void **state)
{
	static const struct fault_case fault = {
	        .rule = "after 500 ios fatal\nstuck-enabled", .noticed = {"nvme0.device_reset"}, .errors = 1};
	for (int seed = 1; seed <= SEEDS; seed++) {
		json_t *json = run_case_long_enough(&fault, seed);
		check_counters(&fault, json);
		check_verdicts(&fault, json);
		json_decref(json);
	}
}

static void
a_device_that_never_becomes_ready_is_reported(void **state)
{
	char path[] = "/tmp/bulkhead-fault-XXXXXX";
	char set[128];
	struct command_result result;
	write_rule(path, "stuck-ready");
	snprintf(set, sizeof(set), "device.nvme0.fault=%s", path);
	const char *argv[] = {program, "run", config, "--duration", "500ms", "--set", set, NULL};
	command_run(argv, 60000, &result);
	unlink(path);
	assert_int_equal(result.exit_code, 1);
	assert_non_null(strstr(result.err, "not ready"));
	command_result_free(&result);
}

static void
a_script_with_a_mistake_names_its_line(void **state)
{
	char path[] = "/tmp/bulkhead-fault-XXXXXX";
	char set[128];
	struct command_result result;
	write_rule(path, "# fine\nevery 3 explode");
	snprintf(set, sizeof(set), "device.nvme0.fault=%s", path);
	const char *argv[] = {program, "run", config, "--duration", "500ms", "--set", set, NULL};
	command_run(argv, 60000, &result);
	assert_int_equal(result.exit_code, 2);
	assert_non_null(strstr(result.err, path));
	assert_non_null(strstr(result.err, ":2: "));
	unlink(path);
	command_result_free(&result);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_script_with_a_mistake_names_its_line),
	        cmocka_unit_test(a_device_that_never_becomes_ready_is_reported),
	        cmocka_unit_test(a_reset_that_fails_goes_up_the_ladder),
	        cmocka_unit_test(every_fault_is_noticed),
	};
	const struct CMUnitTest one[] = {cmocka_unit_test(every_fault_is_noticed)};
	if (argc < 3) {
		fprintf(stderr, "usage: test_faults PROGRAM CONFIG [WORD]\n");
		return 2;
	}
	program = argv[1];
	config = argv[2];
	if (argc > 3) {
		only = argv[3];
		return cmocka_run_group_tests(one, NULL, NULL);
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
