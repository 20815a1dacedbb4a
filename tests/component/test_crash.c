/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cell that misbehaves is ended, and the supervisor says how: signal, address, symbol, system call.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/component/cell_run.h"

#define ANY_ADDR UINT64_MAX

/* What the message must hold beside the outcome. `symbol` is the start of the symbol's text. */
struct expectation {
	enum misbehave_what what;
	enum bh_outcome outcome;
	int signal_number;
	uint64_t fault_addr;
	const char *symbol;
	const char *text[3];
};

static const struct expectation expectations[] = {
        {MISBEHAVE_write_null,
         BH_OUTCOME_CRASHED,
         SIGSEGV,
         8,
         "do_write_null+0x",
         {"SIGSEGV", "address 0x8", "null pointer"}},
        {MISBEHAVE_call_null, BH_OUTCOME_CRASHED, SIGSEGV, 0, "", {"SIGSEGV", "null pointer", "at 0x0"}},
        {MISBEHAVE_write_wild, BH_OUTCOME_CRASHED, SIGSEGV, 0x123456789000, "do_write_wild+0x", {"0x123456789000"}},
        {MISBEHAVE_write_noncanonical,
         BH_OUTCOME_CRASHED,
         SIGSEGV,
         ANY_ADDR,
         "do_write_noncanonical+0x",
         {"not an address"}},
        {MISBEHAVE_write_code, BH_OUTCOME_CRASHED, SIGSEGV, ANY_ADDR, "do_write_code+0x", {"SIGSEGV"}},
        {MISBEHAVE_write_boot_page,
         BH_OUTCOME_CRASHED,
         SIGSEGV,
         BH_ADDR_BOOT,
         "do_write_boot_page+0x",
         {"read-only boot page"}},
        {MISBEHAVE_divide_by_zero, BH_OUTCOME_CRASHED, SIGFPE, ANY_ADDR, "do_divide_by_zero+0x", {"SIGFPE"}},
        {MISBEHAVE_bad_instruction, BH_OUTCOME_CRASHED, SIGILL, ANY_ADDR, "do_bad_instruction+0x", {"SIGILL"}},
        {MISBEHAVE_overflow_stack, BH_OUTCOME_CRASHED, SIGSEGV, ANY_ADDR, "do_overflow_stack+0x", {"stack overflow"}},
        {MISBEHAVE_below_arena,
         BH_OUTCOME_CRASHED,
         SIGSEGV,
         BH_ADDR_ARENA - 8,
         "do_below_arena+0x",
         {"guard below the arena"}},
        {MISBEHAVE_above_arena,
         BH_OUTCOME_CRASHED,
         SIGSEGV,
         BH_ADDR_ARENA + (4u << 20),
         "do_above_arena+0x",
         {"guard above the arena"}},
        {MISBEHAVE_below_heap,
         BH_OUTCOME_CRASHED,
         SIGSEGV,
         BH_ADDR_HEAP - 8,
         "do_below_heap+0x",
         {"guard below the heap"}},
        {MISBEHAVE_above_heap, BH_OUTCOME_CRASHED, SIGSEGV, ANY_ADDR, "do_above_heap+0x", {"guard above the heap"}},
        {MISBEHAVE_above_shared,
         BH_OUTCOME_CRASHED,
         SIGSEGV,
         ANY_ADDR,
         "do_above_shared+0x",
         {"guard above the shared region"}},
        {MISBEHAVE_panic,
         BH_OUTCOME_PANICKED,
         SIGILL,
         ANY_ADDR,
         "do_panic+0x",
         {"misbehave.c:", "panics on demand", "(7, 42)"}},
        {MISBEHAVE_stall, BH_OUTCOME_STALLED, 0, ANY_ADDR, "do_stall+0x", {"stalled"}},
        {MISBEHAVE_syscall_getpid, BH_OUTCOME_SYSCALL, SIGSYS, ANY_ADDR, "do_syscall_getpid+0x", {"getpid (39)"}},
        {MISBEHAVE_syscall_write, BH_OUTCOME_SYSCALL, SIGSYS, ANY_ADDR, "do_syscall_write+0x", {"write (1)"}},
        {MISBEHAVE_syscall_open, BH_OUTCOME_SYSCALL, SIGSYS, ANY_ADDR, "do_syscall_open+0x", {"openat (257)"}},
        {MISBEHAVE_syscall_int80, BH_OUTCOME_SYSCALL, SIGSYS, ANY_ADDR, "do_syscall_int80+0x", {"getpid (20)"}},
        {MISBEHAVE_syscall_x32, BH_OUTCOME_SYSCALL, SIGSYS, ANY_ADDR, "do_syscall_x32+0x", {"exit (1073741884)"}},
        {MISBEHAVE_forge_done, BH_OUTCOME_SYSCALL, SIGSYS, ANY_ADDR, "do_", {"getpid (39)"}},
        {MISBEHAVE_forge_done_and_stall, BH_OUTCOME_STALLED, 0, ANY_ADDR, "do_", {"stalled"}},
        {MISBEHAVE_exit_group, BH_OUTCOME_KILLED, 0, ANY_ADDR, "", {"ended by somebody else"}},
        {MISBEHAVE_fail, BH_OUTCOME_FAILED, 0, ANY_ADDR, "", {"-12", "Cannot allocate memory", "arena"}},
};

static void
check(const struct expectation *expected, unsigned core_cnt, unsigned core_idx)
{
	/* A core that fails is alone with that: the other one runs on until it is asked to stop. */
	struct cell_run run = {.duration_ns = expected->outcome == BH_OUTCOME_FAILED ? 500000000 : 30000000000};
	cell_run_misbehave(&run, expected->what, core_cnt, core_idx);
	if (run.start_err != 0)
		print_error("start: %s\n", run.error.text);
	assert_int_equal(run.start_err, 0);
	print_message("%s\n", run.result.error.text);
	assert_string_equal(bh_outcome_name(run.result.outcome), bh_outcome_name(expected->outcome));
	assert_int_equal(run.result.exit_code, 1);
	assert_int_equal(run.result.signal_number, expected->signal_number);
	if (expected->fault_addr != ANY_ADDR)
		assert_int_equal(run.result.fault_addr, expected->fault_addr);
	assert_int_equal(strncmp(run.result.symbol, expected->symbol, strlen(expected->symbol)), 0);
	for (size_t i = 0; i < BH_ARRAY_CNT(expected->text) && expected->text[i] != NULL; i++)
		assert_non_null(strstr(run.result.error.text, expected->text[i]));
	if (expected->outcome != BH_OUTCOME_KILLED)
		assert_int_equal(run.result.core_idx, core_idx);
}

static void
test_one_core(void **state)
{
	(void)state;
	for (size_t i = 0; i < BH_ARRAY_CNT(expectations); i++)
		check(&expectations[i], 1, 0);
}

/* The other core runs on unaware; the right one is named. */
static void
test_second_core(void **state)
{
	(void)state;
	if (cpu_cnt() < 2)
		skip();
	for (size_t i = 0; i < BH_ARRAY_CNT(expectations); i++)
		check(&expectations[i], 2, 1);
}

static void
test_ignores_stop(void **state)
{
	struct cell_run run = {.duration_ns = 100000000, .drain_ns = 200000000};
	(void)state;
	cell_run_misbehave(&run, MISBEHAVE_ignore_stop, 1, 0);
	assert_int_equal(run.start_err, 0);
	assert_string_equal(bh_outcome_name(run.result.outcome), "no-drain");
	assert_true(run.result.stop_requested);
	assert_int_equal(run.result.exit_code, 1);
	assert_string_equal(run.result.error.id, "E087");
	print_message("%s\n", run.result.error.text);
	assert_non_null(strstr(run.result.error.text, "on core 0"));
}

static void
kill_cell(struct cell_run *run, struct bh_cell *cell)
{
	(void)run;
	kill(bh_cell_pid(cell), SIGKILL);
}

static void
test_killed_from_outside(void **state)
{
	struct cell_run run = {.running = kill_cell};
	(void)state;
	cell_run_misbehave(&run, MISBEHAVE_nothing, 1, 0);
	assert_int_equal(run.start_err, 0);
	assert_string_equal(bh_outcome_name(run.result.outcome), "killed");
}

static void
stop_cell(struct cell_run *run, struct bh_cell *cell)
{
	(void)run;
	kill(bh_cell_pid(cell), SIGSTOP);
}

static void
continue_cell(struct cell_run *run, struct bh_cell *cell)
{
	if (bh_cell_elapsed_ns(cell) > 1500000000)
		kill(bh_cell_pid(cell), SIGCONT);
	(void)run;
}

/* Stopped is not stalled: it is said, and the cell goes on. */
static void
test_stopped_from_outside(void **state)
{
	struct cell_run run = {.duration_ns = 2000000000, .running = stop_cell, .tick = continue_cell};
	(void)state;
	cell_run_misbehave(&run, MISBEHAVE_nothing, 1, 0);
	assert_int_equal(run.start_err, 0);
	print_message("%s", run.warnings);
	assert_string_equal(bh_outcome_name(run.result.outcome), "done");
	assert_non_null(strstr(run.warnings, "E091"));
}

static void
request_twice(struct cell_run *run, struct bh_cell *cell)
{
	(void)run;
	bh_cell_request_stop(cell);
	bh_cell_request_stop(cell);
}

static void
test_second_request_ends_at_once(void **state)
{
	struct cell_run run = {.running = request_twice};
	(void)state;
	cell_run_misbehave(&run, MISBEHAVE_ignore_stop, 1, 0);
	assert_int_equal(run.start_err, 0);
	assert_string_equal(bh_outcome_name(run.result.outcome), "aborted");
}

static void
test_forged_mailbox_requests(void **state)
{
	struct cell_run run = {.duration_ns = 2000000000};
	(void)state;
	cell_run_misbehave(&run, MISBEHAVE_forge_mailbox, 1, 0);
	assert_int_equal(run.start_err, 0);
	assert_string_equal(bh_outcome_name(run.result.outcome), "done");
}

static void
test_returns_at_once(void **state)
{
	struct cell_run run = {0};
	(void)state;
	cell_run_misbehave(&run, MISBEHAVE_return_at_once, 1, 0);
	assert_int_equal(run.start_err, 0);
	assert_string_equal(bh_outcome_name(run.result.outcome), "done");
	assert_false(run.result.stop_requested);
}

int
main(int argc, char **argv)
{
	args_take(argc, argv);
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_one_core),
	        cmocka_unit_test(test_second_core),
	        cmocka_unit_test(test_ignores_stop),
	        cmocka_unit_test(test_killed_from_outside),
	        cmocka_unit_test(test_stopped_from_outside),
	        cmocka_unit_test(test_second_request_ends_at_once),
	        cmocka_unit_test(test_forged_mailbox_requests),
	        cmocka_unit_test(test_returns_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
