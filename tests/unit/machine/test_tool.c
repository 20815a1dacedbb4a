/* SPDX-License-Identifier: Apache-2.0 */
/* Running another program: what it says is kept, what hangs or floods is ended, also with what it started. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/machine/tool.h"

#define QUICK_NS UINT64_C(200000000)
#define LONG_NS  UINT64_C(60000000000)

static char said[BH_TOOL_SAID_BYTES];
static char *out;

static int
shell(const char *script, const char *input, uint64_t wait_ns)
{
	const struct bh_tool tool = {.input = input, .wait_ns = wait_ns};
	free(out);
	return bh_tool_run(&tool, (const char *const[]){"sh", "-c", script, NULL}, &out, said);
}

static void
what_is_missing_is_enoent(void **state)
{
	struct bh_tool tool = {.folders = "/nowhere:/tmp", .wait_ns = QUICK_NS};
	(void)state;
	assert_int_equal(bh_tool_run(&tool, (const char *const[]){"sh", NULL}, &out, said), -ENOENT);
	assert_null(out);
	tool.folders = "";
	assert_int_equal(bh_tool_run(&tool, (const char *const[]){"sh", NULL}, &out, said), -ENOENT);
}

static void
what_hangs_is_ended(void **state)
{
	(void)state;
	assert_int_equal(shell("exec sleep 1000", NULL, QUICK_NS), -ETIMEDOUT);
	/* It went, its child keeps the output open. */
	assert_int_equal(shell("sleep 1000 & echo $! >&2; exit 0", NULL, QUICK_NS), -ETIMEDOUT);
	pid_t child = (pid_t)strtol(said, NULL, 10);
	assert_true(child > 1);
	for (int i = 0; i < 1000 && kill(child, 0) == 0; i++)
		usleep(10000);
	char command[64];
	snprintf(command, sizeof(command), "! grep -qs '^State:.[^Z]' /proc/%d/status", child);
	assert_int_equal(system(command), 0);
	/* It closed its output, and stays. */
	assert_int_equal(shell("exec >&- 2>&-; exec sleep 1000", NULL, QUICK_NS), -ETIMEDOUT);
	assert_null(out);
}

static void
a_flood_is_ended(void **state)
{
	(void)state;
	assert_int_equal(shell("exec yes", NULL, LONG_NS), -EFBIG);
	assert_null(out);
	assert_int_equal(shell("yes error | head -c 10000000 >&2; echo >&2; echo last >&2; exit 3", NULL, LONG_NS), 3);
	assert_string_equal(said, "last");
}

static void
ends_are_told(void **state)
{
	(void)state;
	assert_int_equal(shell("exit 7", NULL, LONG_NS), 7);
	assert_string_equal(out, "");
	assert_int_equal(shell("kill -KILL $$", NULL, LONG_NS), 128 + SIGKILL);
	assert_int_equal(shell("printf 'one\\ntwo \\033[1m\\n\\n' >&2", NULL, LONG_NS), 0);
	assert_string_equal(said, "two ?[1m");
}

static void
it_reads_and_writes(void **state)
{
	sigset_t all, before;
	(void)state;
	assert_int_equal(shell("cat; pwd; echo $PATH", "in\n", LONG_NS), 0);
	assert_string_equal(out, "in\n/\n" BH_TOOL_FOLDERS "\n");
	assert_int_equal(shell("cat", NULL, LONG_NS), 0);
	assert_string_equal(out, "");
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	int err = shell("grep SigBlk /proc/self/status", NULL, LONG_NS);
	sigprocmask(SIG_SETMASK, &before, NULL);
	assert_int_equal(err, 0);
	assert_string_equal(out, "SigBlk:\t0000000000000000\n");
	assert_int_equal(shell("ls /proc/self/fd", NULL, LONG_NS), 0);
	assert_string_equal(out, "0\n1\n2\n3\n"); /* 3 is ls's own */
}

static int
tear_down(void **state)
{
	(void)state;
	free(out);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(what_is_missing_is_enoent), cmocka_unit_test(what_hangs_is_ended),
	        cmocka_unit_test(a_flood_is_ended),          cmocka_unit_test(ends_are_told),
	        cmocka_unit_test(it_reads_and_writes),
	};
	return cmocka_run_group_tests(tests, NULL, tear_down);
}
