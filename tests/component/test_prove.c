/* SPDX-License-Identifier: Apache-2.0 */
/* bulkhead prove-iommu on a software device: what it refuses, that it sees an escape, that nothing escapes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/component/command.h"
#include "tests/component/prove_report.h"

#define DEADLINE_MS 120000

static const char *program;

static void
prove(struct command_result *out, const char *a, const char *b, const char *c)
{
	const char *argv[] = {program, "prove-iommu", a, b, c, NULL};
	command_run(argv, DEADLINE_MS, out);
}

static void
test_usage(void **state)
{
	static const struct {
		const char *a, *b, *text;
		int exit_code;
	} bad[] = {
	        {NULL, NULL, "one device", 2},
	        {"--softdev", "0000:01:00.0", "one device", 2},
	        {"--no-such", NULL, "no-such", 2},
	        {"not-an-address", NULL, "E101", 2},
	        {"--socket", "/nowhere/at/all", "E040", 1},
	        {"--softdev", "--only=no-such-target", "E173", 2},
	        {"--softdev", "--only=supervisor", "E173", 2},
	        {"--softdev", "--only=", "E173", 2},
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct command_result result;
		prove(&result, bad[i].a, bad[i].b, NULL);
		if (result.exit_code != bad[i].exit_code || strstr(result.err, bad[i].text) == NULL)
			fail_msg("%s: exit code %d: %s", bad[i].a, result.exit_code, result.err);
		command_result_free(&result);
	}
}

static void
test_escape_is_seen(void **state)
{
	struct command_result result;
	prove(&result, "--softdev", "--self-test", "--json");
	json_t *report = prove_report_parse(result.out);
	assert_int_equal(result.exit_code, 3);
	assert_true(json_is_false(json_object_get(report, "proven")));
	prove_report_expect(report, "supervisor-physical", "write", "escaped");
	json_t *attempt = prove_report_attempt(report, "supervisor-physical", "write");
	assert_true(json_is_true(json_object_get(attempt, "canary_changed")));
	/* Each way out shows by itself: what the device was led to, and what it wrote. */
	static const char *const reads[] = {"fetch", "list"};
	for (size_t i = 0; i < sizeof(reads) / sizeof(reads[0]); i++) {
		prove_report_expect(report, "supervisor-physical", reads[i], "escaped");
		attempt = prove_report_attempt(report, "supervisor-physical", reads[i]);
		assert_true(json_is_true(json_object_get(attempt, "leaked")));
	}
	prove_report_expect(report, "supervisor-physical", "complete", "escaped");
	/* Nothing is aimed at what is no canary any more: it might be the machine's. */
	prove_report_expect(report, "first-page", "write", "not tested");
	prove_report_expect(report, "interrupt-window", "complete", "not tested");
	/* The others are as safe as ever. */
	prove_report_expect(report, "process-physical", "write", "held");
	prove_report_expect(report, "unmapped", "write", "held");
	json_decref(report);
	command_result_free(&result);
}

static void
test_all_held(void **state)
{
	struct command_result result;
	prove(&result, "--softdev", "--json", NULL);
	if (result.exit_code != 0)
		fail_msg("exit code %d: %s%s", result.exit_code, result.err, result.out);
	json_t *report = prove_report_parse(result.out);
	prove_report_all_held(report);
	prove_report_expect(report, "interrupt-entry", "write", "held");
	prove_report_expect(report, "interrupt-window", "complete", "held");
	assert_true(json_is_true(json_object_get(report, "proven")));
	/* Behind no IOMMU the device itself says no, each time. */
	json_t *attempt = prove_report_attempt(report, "first-page", "write");
	assert_int_not_equal(json_integer_value(json_object_get(attempt, "status")), 0);
	json_decref(report);
	command_result_free(&result);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_usage),
	        cmocka_unit_test(test_escape_is_seen),
	        cmocka_unit_test(test_all_held),
	};
	if (argc != 2)
		return 2;
	if (geteuid() != 0)
		return 77;
	program = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
