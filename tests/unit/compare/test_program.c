/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/compare/common.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "host/compare/program.h"
#include "host/compare/text.h"

#define LONG_NS UINT64_C(20000000000)

static char dir[] = "/tmp/bulkhead-program-XXXXXX", out[64], err[64];

static int
run(uint64_t timeout_ns, int *exit_code, const char *script)
{
	const char *argv[] = {"sh", "-c", script, NULL};
	return bh_program_run(argv, out, err, timeout_ns, exit_code);
}

static void
what_is_not_there(void **state)
{
	const char *argv[] = {"no-such-program-of-ours", NULL}, *good[] = {"true", NULL};
	int code;
	(void)state;
	assert_int_equal(bh_program_run(argv, out, err, LONG_NS, &code), -ENOENT);
	assert_int_equal(bh_program_run(good, "/nonexistent/out", err, LONG_NS, &code), -ENOENT);
}

static void
exit_codes_and_output(void **state)
{
	char text[32];
	int code;
	(void)state;
	assert_int_equal(run(LONG_NS, &code, "echo said; echo cried >&2; exit 7"), 0);
	assert_int_equal(code, 7);
	bh_text_file(text, sizeof(text), out);
	assert_string_equal(text, "said");
	bh_text_file(text, sizeof(text), err);
	assert_string_equal(text, "cried");
	assert_int_equal(run(LONG_NS, &code, "kill -9 $$"), 0);
	assert_int_equal(code, 128 + SIGKILL);
}

static void
deadline(void **state)
{
	int code;
	(void)state;
	assert_int_equal(run(200000000, &code, "sleep 60"), -ETIMEDOUT);
	assert_int_equal(code, 128 + SIGTERM);
}

/* A signal asks us to stop: the program gets SIGTERM, and has time to end well. */
static void
stop_request(void **state)
{
	char text[32];
	int code;
	(void)state;
	assert_int_equal(bh_program_catch_signals(), 0);
	assert_false(bh_program_stopped());
	assert_int_equal(run(LONG_NS, &code, "trap 'echo drained; exit 0' TERM; kill -INT $PPID; sleep 60 & wait"),
	                 -EINTR);
	assert_true(bh_program_stopped());
	assert_int_equal(code, 0);
	bh_text_file(text, sizeof(text), out);
	assert_string_equal(text, "drained");
	bh_program_release_signals();
}

static void
commands_for_a_shell(void **state)
{
	const char *argv[] = {"fio", "--bs=4096", "a b", "it's", "", NULL};
	char *text = bh_text_command(argv);
	(void)state;
	assert_string_equal(text, "fio --bs=4096 'a b' 'it'\\''s' ''");
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(what_is_not_there),
	        cmocka_unit_test(exit_codes_and_output),
	        cmocka_unit_test(deadline),
	        cmocka_unit_test(stop_request),
	        cmocka_unit_test(commands_for_a_shell),
	};
	if (mkdtemp(dir) == NULL)
		return 2;
	snprintf(out, sizeof(out), "%s/out", dir);
	snprintf(err, sizeof(err), "%s/err", dir);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(out);
	unlink(err);
	return rmdir(dir) == 0 ? failed : 2;
}
