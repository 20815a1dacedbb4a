/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/component/prove_report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

json_t *
prove_report_parse(const char *text)
{
	json_error_t why;
	json_t *report = json_loads(text, 0, &why);
	if (report == NULL)
		fail_msg("not JSON: %s: %.200s", why.text, text);
	assert_true(json_is_array(json_object_get(report, "attempts")));
	assert_true(json_is_boolean(json_object_get(report, "proven")));
	return report;
}

json_t *
prove_report_attempt(json_t *report, const char *target, const char *access)
{
	size_t i;
	json_t *attempt, *found = NULL;
	json_array_foreach(json_object_get(report, "attempts"), i, attempt)
	{
		if (strcmp(json_string_value(json_object_get(attempt, "target")), target) == 0 &&
		    strcmp(json_string_value(json_object_get(attempt, "access")), access) == 0)
			found = attempt;
	}
	if (found == NULL)
		fail_msg("no attempt '%s' %s", target, access);
	return found;
}

void
prove_report_expect(json_t *report, const char *target, const char *access, const char *verdict)
{
	json_t *attempt = prove_report_attempt(report, target, access);
	const char *is = json_string_value(json_object_get(attempt, "verdict"));
	if (strcmp(is, verdict) != 0)
		fail_msg("%s %s: %s, not %s: %s", target, access, is, verdict,
		         json_string_value(json_object_get(attempt, "evidence")));
}

void
prove_report_all_held(json_t *report)
{
	static const char *const both[] = {"supervisor-physical",
	                                   "supervisor-virtual",
	                                   "process-physical",
	                                   "process-virtual",
	                                   "cell-physical",
	                                   "first-page",
	                                   "below-arena",
	                                   "above-arena",
	                                   "across-end",
	                                   "heap",
	                                   "unmapped"};
	static const char *const canaries[] = {"supervisor-physical", "process-physical", "cell-physical"};
	static const char *const queues[] = {"fetch", "complete", "list"};
	for (size_t i = 0; i < sizeof(both) / sizeof(both[0]); i++) {
		prove_report_expect(report, both[i], "write", "held");
		prove_report_expect(report, both[i], "read", "held");
	}
	for (size_t i = 0; i < sizeof(canaries) / sizeof(canaries[0]); i++) {
		for (size_t j = 0; j < sizeof(queues) / sizeof(queues[0]); j++)
			prove_report_expect(report, canaries[i], queues[j], "held");
	}
	prove_report_expect(report, "unmapped", "list", "held");
	prove_report_expect(report, "cell-iova", "write", "held");
	prove_report_expect(report, "control", "write", "control");
	prove_report_expect(report, "control", "read", "control");
	prove_report_expect(report, "mapped", "write", "control");
	assert_true(json_is_true(json_object_get(report, "memory_held")));
	assert_string_equal(json_string_value(json_object_get(report, "cell_outcome")), "done");
}
