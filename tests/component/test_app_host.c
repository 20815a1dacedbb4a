/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an application's host half does beside its cell: when it is called, what it shares, and that the cell cannot write
 * what it may only read.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/device/null_device.h"
#include "tests/cells/windows.h"
#include "tests/component/cell_run.h"

#define CONFIG "[cell]\napp = windows\narena = 4M\npages = normal\n[windows]\nsaid = "

/* The host half under test: one at a time. */
static struct host {
	/* What it shall do. */
	enum windows_what what;
	int open_err, start_err, reload_err;
	const char *fresh; /* what the file says when it is read anew */
	/* What happened. */
	char calls[64]; /* a letter each */
	bool cell_ran_at_close;
	pid_t pid;
	int in_fd, out_fd;
	struct windows_in *in;
	struct windows_out *out;
	uint64_t echo; /* the last that was seen */
	bool hung_up;
	char in_flags[512], maps[512];
} host;

static void
called(char letter)
{
	size_t len = strlen(host.calls);
	assert_true(len + 1 < sizeof(host.calls));
	host.calls[len] = letter;
}

static void *
share(int *out_fd)
{
	*out_fd = memfd_create("windows", MFD_CLOEXEC);
	assert_true(*out_fd >= 0);
	assert_int_equal(ftruncate(*out_fd, WINDOWS_BYTES), 0);
	void *addr = mmap(NULL, WINDOWS_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, *out_fd, 0);
	assert_true(addr != MAP_FAILED);
	return addr;
}

static void
add_bar(struct bh_backend *backend, uint32_t bar, int fd, bool read_only)
{
	backend->bar[bar] = (struct bh_backend_bar){.size_bytes = WINDOWS_BYTES, .window_cnt = 1};
	backend->bar[bar].window[0] =
	        (struct bh_backend_window){.size_bytes = WINDOWS_BYTES, .fd = fd, .read_only = read_only};
}

static int
host_open(const struct bh_run_config *config, uint32_t core_cnt, void **out_state, struct bh_backend **out_channel,
          struct bh_error *error)
{
	called('o');
	assert_int_equal(core_cnt, 1);
	if (host.open_err != 0)
		return bh_error_set(error, "E343", host.open_err, "no windows today");
	host.in = share(&host.in_fd);
	host.out = share(&host.out_fd);
	*host.in = (struct windows_in){.what = host.what, .said = bh_config_uint(config, "windows", "said")};
	assert_int_equal(bh_null_device_open("windows", out_channel, error), 0);
	add_bar(*out_channel, 0, host.in_fd, true);
	add_bar(*out_channel, 1, host.out_fd, false);
	*out_state = &host;
	return 0;
}

static int
host_start(void *state, struct bh_error *error)
{
	called('s');
	assert_ptr_equal(state, &host);
	return host.start_err != 0 ? bh_error_set(error, "E357", host.start_err, "no thread today") : 0;
}

static int
host_reload(void *state, const struct bh_run_config *fresh, struct bh_error *error)
{
	called('r');
	assert_ptr_equal(state, &host);
	if (host.reload_err != 0)
		return bh_error_set(error, "E346", host.reload_err, "[windows] said shall stay");
	host.in->said = bh_config_uint(fresh, "windows", "said");
	return 0;
}

static void
host_close(void *state)
{
	called('c');
	assert_ptr_equal(state, &host);
	host.cell_ran_at_close = host.pid != 0 && kill(host.pid, 0) == 0;
	host.echo = host.out->echo;
	munmap(host.out, WINDOWS_BYTES);
	close(host.in_fd);
	close(host.out_fd);
}

static const struct bh_app_host windows_host = {host_open, host_start, host_reload, host_close};
static const struct bh_app_host deaf_host = {host_open, host_start, NULL, host_close};
static const struct bh_config_key keys[] = {{"windows", "said", BH_VALUE_UINT, NULL, NULL, 0, 0, ""}};

static void
on_running(struct cell_run *run, struct bh_cell *cell)
{
	char path[64], line[512];
	bool here = false;
	(void)run;
	host.pid = bh_cell_pid(cell);
	snprintf(path, sizeof(path), "/proc/%d/smaps", host.pid);
	FILE *smaps = fopen(path, "re");
	while (smaps != NULL && fgets(line, sizeof(line), smaps) != NULL) {
		uint64_t from, to;
		if (sscanf(line, "%lx-%lx", &from, &to) == 2) {
			here = from == BH_ADDR_BARS;
			if (here)
				snprintf(host.maps, sizeof(host.maps), "%s", line);
		} else if (here && strncmp(line, "VmFlags:", 8) == 0) {
			snprintf(host.in_flags, sizeof(host.in_flags), "%s", line);
		}
	}
	if (smaps != NULL)
		fclose(smaps);
}

static struct cell_run
run_windows(const char *config, void (*tick)(struct cell_run *, struct bh_cell *))
{
	static char file[512];
	static struct bh_app app;
	app = (struct bh_app){.name = "windows", .key = keys, .key_cnt = 1, .host = &windows_host};
	snprintf(file, sizeof(file), "%s/windows.cell", args_cell_dir);
	struct cell_run run = {.config = config,
	                       .app = &app,
	                       .cell_file = file,
	                       .duration_ns = 20000000000,
	                       .running = on_running,
	                       .tick = tick};
	return run;
}

static int
fresh_host(void **state)
{
	(void)state;
	host = (struct host){0};
	return 0;
}

static void
test_open_fails(void **state)
{
	struct cell_run run = run_windows(CONFIG "7\n", NULL);
	(void)state;
	host.open_err = -ENOSPC;
	cell_run(&run);
	assert_int_equal(run.start_err, -ENOSPC);
	assert_string_equal(run.error.text, "no windows today");
	assert_string_equal(host.calls, "o");
}

/* The cell's process is there by then, and must not be left. */
static void
test_start_fails(void **state)
{
	struct cell_run run = run_windows(CONFIG "7\n", NULL);
	(void)state;
	host.start_err = -EAGAIN;
	cell_run(&run);
	assert_int_equal(run.start_err, -EAGAIN);
	assert_string_equal(run.error.text, "no thread today");
	assert_string_equal(host.calls, "osc");
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void
test_port_of_the_same_name(void **state)
{
	struct cell_run run = run_windows(CONFIG "7\n[device windows]\nbackend = softdev\nsize = 16M\n", NULL);
	(void)state;
	cell_run(&run);
	assert_int_equal(run.start_err, -EINVAL);
	assert_string_equal(run.error.id, "E016");
	assert_non_null(strstr(run.error.text, "application windows has a device of that name itself"));
	assert_string_equal(host.calls, "");
}

static void
check_write(enum windows_what what)
{
	struct cell_run run = run_windows(CONFIG "7\n", NULL);
	host.what = what;
	cell_run(&run);
	print_message("%s\n", run.result.error.text);
	assert_int_equal(run.start_err, 0);
	assert_string_equal(bh_outcome_name(run.result.outcome), "crashed");
	assert_int_equal(run.result.signal_number, SIGSEGV);
	assert_int_equal(run.result.fault_addr, BH_ADDR_BARS + offsetof(struct windows_in, said));
	assert_non_null(strstr(run.result.error.text, "memory that the cell may only read"));
	assert_string_equal(host.calls, "osc");
	assert_int_equal(host.in->said, 7);
	assert_false(host.cell_ran_at_close);
}

static void
test_write_into_what_is_read_only(void **state)
{
	(void)state;
	check_write(WINDOWS_STORE);
	fresh_host(state);
	check_write(WINDOWS_REG);
}

static void
stop_on_echo(struct cell_run *run, struct bh_cell *cell)
{
	(void)run;
	if (host.out->echo == 7)
		bh_cell_request_stop(cell);
}

/* By the mapping's own word: it cannot be made writable either ("mw"), which boot/ alone would not see to. */
static void
test_both_directions(void **state)
{
	struct cell_run run = run_windows(CONFIG "7\n", stop_on_echo);
	(void)state;
	cell_run(&run);
	print_message("%s%s%s", run.error.text, run.result.error.text, host.in_flags);
	assert_int_equal(run.start_err, 0);
	assert_string_equal(bh_outcome_name(run.result.outcome), "done");
	assert_int_equal(host.echo, 7);
	assert_string_equal(host.calls, "osc");
	assert_non_null(strstr(host.maps, " r--s "));
	assert_non_null(strstr(host.in_flags, " rd "));
	assert_non_null(strstr(host.in_flags, " mr "));
	assert_null(strstr(host.in_flags, " mw "));
	assert_false(host.cell_ran_at_close);
}

static int
reread(struct cell_run *run, struct bh_run_config **out, struct bh_error *error)
{
	return cell_run_load(run, host.fresh, out, error);
}

/* Hang up once the cell has seen the first number; end when it has seen 8, or when SIGHUP was answered. */
static void
hang_up(struct cell_run *run, struct bh_cell *cell)
{
	if (!host.hung_up && host.out->echo == 7) {
		host.hung_up = true;
		raise(SIGHUP);
	} else if (host.out->echo == 8 || strstr(run->warnings, "E346") != NULL) {
		bh_cell_request_stop(cell);
	}
}

static void
test_reload_of_a_bad_file(void **state)
{
	struct cell_run run = run_windows(CONFIG "7\n", hang_up);
	(void)state;
	run.reread = reread;
	host.fresh = CONFIG "8\nloud = yes\n";
	cell_run(&run);
	assert_string_equal(bh_outcome_name(run.result.outcome), "done");
	assert_string_equal(host.calls, "osc");
	assert_non_null(strstr(run.warnings, "E346 reload: nothing was changed: "));
	assert_non_null(strstr(run.warnings, "loud"));
	assert_int_equal(run.result.reload_cnt, 0);
	assert_int_equal(run.result.reload_refused_cnt, 1);
	assert_int_equal(host.echo, 7);
}

static void
test_reload_that_is_refused(void **state)
{
	struct cell_run run = run_windows(CONFIG "7\n", hang_up);
	(void)state;
	run.reread = reread;
	host.fresh = CONFIG "8\n";
	host.reload_err = -EINVAL;
	cell_run(&run);
	assert_string_equal(bh_outcome_name(run.result.outcome), "done");
	assert_string_equal(host.calls, "osrc");
	assert_non_null(strstr(run.warnings, "E346 reload: nothing was changed: [windows] said shall stay"));
	assert_int_equal(run.result.reload_cnt, 0);
	assert_int_equal(run.result.reload_refused_cnt, 1);
	assert_int_equal(host.echo, 7);
}

static void
test_reload(void **state)
{
	struct cell_run run = run_windows(CONFIG "7\n", hang_up);
	(void)state;
	run.reread = reread;
	host.fresh = CONFIG "8\n";
	cell_run(&run);
	assert_string_equal(bh_outcome_name(run.result.outcome), "done");
	assert_string_equal(host.calls, "osrc");
	assert_string_equal(run.warnings, "");
	assert_int_equal(run.result.reload_cnt, 1);
	assert_int_equal(run.result.reload_refused_cnt, 0);
	assert_int_equal(host.echo, 8);
}

/* Without a way to take it, SIGHUP is what it was: a reason to stop. */
static void
test_hang_up_ends_others(void **state)
{
	struct cell_run run = run_windows(CONFIG "7\n", hang_up);
	struct bh_app app = *run.app;
	(void)state;
	app.host = &deaf_host;
	run.app = &app;
	run.reread = reread;
	cell_run(&run);
	assert_string_equal(bh_outcome_name(run.result.outcome), "done");
	assert_true(run.result.stop_requested);
	assert_string_equal(host.calls, "osc");
	assert_true(host.hung_up);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup(test_open_fails, fresh_host),
	        cmocka_unit_test_setup(test_start_fails, fresh_host),
	        cmocka_unit_test_setup(test_port_of_the_same_name, fresh_host),
	        cmocka_unit_test_setup(test_write_into_what_is_read_only, fresh_host),
	        cmocka_unit_test_setup(test_both_directions, fresh_host),
	        cmocka_unit_test_setup(test_reload_of_a_bad_file, fresh_host),
	        cmocka_unit_test_setup(test_reload_that_is_refused, fresh_host),
	        cmocka_unit_test_setup(test_reload, fresh_host),
	        cmocka_unit_test_setup(test_hang_up_ends_others, fresh_host),
	};
	args_take(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
