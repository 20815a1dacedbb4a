/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compare net from end to end, for a moment: each way is tried, the report is whole, both namespaces are gone. Nothing here
 * looks at how fast anything was.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "tests/component/command.h"

static const char *bulkhead;

static int
run(const char *const *argv, struct command_result *result)
{
	command_run(argv, 200000, result);
	return result->exit_code;
}

static void
what_is_not_nets_is_refused(void **unused)
{
	static const char *const option[] = {"--destructive", "--restore", "--prove", "0000:01:00.0"};
	for (size_t i = 0; i < 4; i++) {
		const char *argv[] = {bulkhead, "compare", "net", option[i], NULL};
		struct command_result result;
		assert_int_equal(run(argv, &result), 2);
		command_result_free(&result);
	}
}

static size_t
runs_of(const json_t *report, const char *side, bool *out_all_ok)
{
	size_t i, cnt = 0;
	const json_t *one;
	json_array_foreach(json_object_get(report, "runs"), i, one)
	{
		/* A way that this kernel cannot go may fail when it is tried. */
		if (strcmp(json_string_value(json_object_get(one, "side")), side) != 0 ||
		    json_is_true(json_object_get(one, "tuning")))
			continue;
		cnt++;
		*out_all_ok &= json_is_true(json_object_get(one, "ok"));
	}
	return cnt;
}

static void
a_comparison_reports_and_leaves_nothing(void **unused)
{
	char dir[] = "/tmp/bh-compare-net.XXXXXX", path[64];
	assert_non_null(mkdtemp(dir));
	const char *argv[] = {bulkhead, "compare", "net",     "--quick",  "--runs", "1", "--duration",
	                      "400ms",  "--json",  "--quiet", "--report", dir,      NULL};
	struct command_result result;
	json_error_t error;
	bool ok = true;
	int code = run(argv, &result);
	if (code != 0)
		print_error("%s", result.err);
	assert_int_equal(code, 0);
	json_t *report = json_loads(result.out, 0, &error);
	assert_non_null(report);
	assert_true(runs_of(report, "B", &ok) == 2 && runs_of(report, "A", &ok) >= 2);
	assert_true(ok);
	snprintf(path, sizeof(path), "%s/report.html", dir);
	FILE *page = fopen(path, "re");
	assert_non_null(page);
	fclose(page);
	json_decref(report);
	command_result_free(&result);
	const char *gone[] = {"/bin/sh", "-c", "! ip netns | grep bh-cmp", NULL};
	assert_int_equal(run(gone, &result), 0);
	command_result_free(&result);
	const char *clean[] = {"/bin/rm", "-rf", dir, NULL};
	assert_int_equal(run(clean, &result), 0);
	command_result_free(&result);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(what_is_not_nets_is_refused),
	        cmocka_unit_test(a_comparison_reports_and_leaves_nothing),
	};
	if (argc != 2) {
		fprintf(stderr, "usage: test_compare_net BULKHEAD\n");
		return 2;
	}
	bulkhead = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
