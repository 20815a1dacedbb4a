/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program as a person stops it: each signal drains, at any moment, also while it starts; nothing is left.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/component/cell_run.h"
#include "tests/component/command.h"

#define WAIT_MS 30000

static char config_path[64];

/* A cell that does nothing, beside a device, so that there is something to end in order. */
static int
write_config(void **state)
{
	char text[1024];
	int len = snprintf(text, sizeof(text),
	                   "[cell]\napp = %s/registers_wait.cell\npages = normal\n[device nvme0]\nbackend = softdev\n"
	                   "size = 16M\n",
	                   args_cell_dir);
	snprintf(config_path, sizeof(config_path), "/tmp/bh-test-stop-%d.conf", getpid());
	int fd = open(config_path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	(void)state;
	if (fd < 0 || write(fd, text, (size_t)len) != len)
		return -1;
	return close(fd);
}

static int
remove_config(void **state)
{
	(void)state;
	return unlink(config_path);
}

static void
sleep_ms(long ms)
{
	const struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
	nanosleep(&time, NULL);
}

/* The program in a process group of its own, its standard output on *out_fd. */
static pid_t
start(int *out_fd)
{
	int pipe_fd[2];
	assert_int_equal(pipe(pipe_fd), 0);
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		setpgid(0, 0);
		dup2(pipe_fd[1], STDOUT_FILENO);
		dup2(pipe_fd[1], STDERR_FILENO);
		close(pipe_fd[0]);
		close(pipe_fd[1]);
		execl(args_program, "bulkhead", "run", config_path, NULL);
		_exit(127);
	}
	setpgid(pid, pid);
	close(pipe_fd[1]);
	*out_fd = pipe_fd[0];
	return pid;
}

/* Reads until the text appears, or to the end with NULL; all that came is in `out`. Return: whether it was there. */
static bool
read_until(int fd, const char *text, char *out, size_t out_bytes)
{
	size_t used = strlen(out);
	while (text == NULL || strstr(out, text) == NULL) {
		struct pollfd ready = {.fd = fd, .events = POLLIN};
		if (poll(&ready, 1, WAIT_MS) <= 0 || used + 1 >= out_bytes)
			return false;
		ssize_t got = read(fd, out + used, out_bytes - used - 1);
		if (got <= 0)
			return text == NULL;
		used += (size_t)got;
		out[used] = '\0';
	}
	return true;
}

/* Processes that execute the program or the cell of this test: supervisor, device, cell. */
static int
processes(void)
{
	char program[PATH_MAX] = "", cell[PATH_MAX] = "", file[PATH_MAX], exe[PATH_MAX];
	int cnt = 0;
	snprintf(file, sizeof(file), "%s/registers_wait.cell", args_cell_dir);
	assert_non_null(realpath(args_program, program));
	assert_non_null(realpath(file, cell));
	DIR *dir = opendir("/proc");
	assert_non_null(dir);
	for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
		snprintf(file, sizeof(file), "/proc/%.20s/exe", entry->d_name);
		ssize_t len = readlink(file, exe, sizeof(exe) - 1);
		exe[len < 0 ? 0 : len] = '\0';
		cnt += len > 0 && (strcmp(exe, program) == 0 || strcmp(exe, cell) == 0);
	}
	closedir(dir);
	return cnt;
}

/* The kernel ends what lost its supervisor; that takes a moment. */
static void
check_nothing_left(void)
{
	for (int i = 0; i < 1000 && processes() != 0; i++)
		sleep_ms(10);
	assert_int_equal(processes(), 0);
}

static void
check_signal(int signal_number)
{
	char text[8192] = "";
	int fd;
	pid_t pid = start(&fd);
	assert_true(read_until(fd, "runs on CPU", text, sizeof(text)));
	sleep_ms(50);
	/* As the terminal does it: to the whole group. */
	assert_int_equal(kill(-pid, signal_number), 0);
	assert_true(read_until(fd, NULL, text, sizeof(text)));
	int code = command_wait_exit(pid, WAIT_MS);
	close(fd);
	if (code != 0)
		print_message("%s\n", text);
	assert_int_equal(code, 0);
	assert_non_null(strstr(text, "done"));
	assert_int_equal(processes(), 0);
}

static void
test_each_signal_drains(void **state)
{
	(void)state;
	check_signal(SIGINT);
	check_signal(SIGTERM);
	check_signal(SIGHUP);
}

/* Whenever it comes: either nothing was started yet, or the cell is drained. It never hangs and never crashes. */
static void
test_signal_while_starting(void **state)
{
	(void)state;
	for (long delay_ms = 0; delay_ms < 200; delay_ms += 7) {
		char text[8192] = "";
		int fd;
		pid_t pid = start(&fd);
		sleep_ms(delay_ms);
		kill(-pid, SIGINT);
		assert_true(read_until(fd, NULL, text, sizeof(text)));
		int code = command_wait_exit(pid, WAIT_MS);
		close(fd);
		/* Before the program catches signals, SIGINT ends it as any other. */
		if (code != 0 && code != 1 && code != 1000 + SIGINT)
			print_message("after %ld ms: exit code %d\n%s\n", delay_ms, code, text);
		assert_true(code == 0 || code == 1 || code == 1000 + SIGINT);
		if (code == 1)
			assert_non_null(strstr(text, "E093"));
		assert_int_equal(processes(), 0);
	}
}

/* At any moment of its start, its run and its end. */
static void
test_kill_9_at_any_moment(void **state)
{
	(void)state;
	for (long delay_ms = 0; delay_ms < 200; delay_ms += 7) {
		int fd;
		pid_t pid = start(&fd);
		sleep_ms(delay_ms);
		kill(pid, SIGKILL);
		assert_int_equal(command_wait_exit(pid, WAIT_MS), 1000 + SIGKILL);
		close(fd);
		check_nothing_left();
	}
}

int
main(int argc, char **argv)
{
	args_take(argc, argv);
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_each_signal_drains),
	        cmocka_unit_test(test_signal_while_starting),
	        cmocka_unit_test(test_kill_9_at_any_moment),
	};
	return cmocka_run_group_tests(tests, write_config, remove_config);
}
