/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/compare/common.h"

#include "host/compare/proof.h"

#define ATTEMPT(target, verdict) "{\"target\": \"" target "\", \"verdict\": \"" verdict "\"}"
#define REPORT(proven, memory, attempts)                                                                               \
	"{\"proven\": " proven ", \"memory_held\": " memory ", \"attempts\": [" attempts "]}"

static void
expect(const char *text, int exit_code, bool ran, bool held, const char *part)
{
	struct bh_proof proof;
	bh_proof_read(&proof, text, strlen(text), exit_code);
	assert_int_equal(proof.ran, ran);
	assert_int_equal(proof.held, held);
	assert_non_null(strstr(proof.text, part));
}

static void
no_result_proves_nothing(void **state)
{
	static const char good[] = REPORT("true", "true", ATTEMPT("heap", "held"));
	(void)state;
	expect("", 0, false, false, "did not finish");
	expect("[]", 0, false, false, "did not finish");
	expect("{\"proven\": tr", 3, false, false, "did not finish");
	expect(good, 1, false, false, "did not finish (exit code 1)");
	expect(good, 4, false, false, "did not finish");
	expect("{}", 0, false, false, "not proven");
	expect(REPORT("true", "true", ""), 0, false, false, "not proven"); /* nothing was tried */
	expect(REPORT("1", "\"true\"", ATTEMPT("heap", "held")), 0, false, false, "not proven");
}

static void
all_held(void **state)
{
	(void)state;
	expect(REPORT("true", "true", ATTEMPT("heap", "held")), 0, true, true, "every attempt was held");
}

static void
interrupts_are_told_apart(void **state)
{
	(void)state;
	expect(REPORT("false", "true", ATTEMPT("heap", "held") ", " ATTEMPT("interrupt-window", "escaped")), 3, true,
	       true, "INTERRUPTS NOT");
	/* what it says of itself and its exit code must agree */
	expect(REPORT("true", "true", ATTEMPT("heap", "held")), 3, true, true, "INTERRUPTS NOT");
}

static void
unclear_is_not_measured(void **state)
{
	(void)state;
	expect(REPORT("false", "false", ATTEMPT("heap", "unclear")), 3, false, false, "not proven");
}

/* One escape decides, whatever the summary says. */
static void
escapes_decide(void **state)
{
	(void)state;
	expect(REPORT("false", "false", ATTEMPT("heap", "escaped")), 3, true, false, "1 attempts on memory ESCAPED");
	expect(REPORT("true", "true", ATTEMPT("heap", "escaped")), 0, true, false, "ESCAPED");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(no_result_proves_nothing),
	        cmocka_unit_test(all_held),
	        cmocka_unit_test(interrupts_are_told_apart),
	        cmocka_unit_test(unclear_is_not_measured),
	        cmocka_unit_test(escapes_decide),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
