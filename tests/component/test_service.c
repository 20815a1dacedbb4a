/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `bulkhead run` as a service manager sees it: the test is the manager and holds its socket.
 */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/component/command.h"

#define WAIT_MS 60000

static const char *program, *config;
static char address[64], log_path[80];
static int manager;

static int
set_up(void **state)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	(void)state;
	snprintf(address, sizeof(address), "/tmp/bulkhead-service-%d", getpid());
	snprintf(log_path, sizeof(log_path), "%s.log", address);
	strcpy(at.sun_path, address);
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return manager < 0 || bind(manager, (struct sockaddr *)&at, sizeof(at)) != 0 ? -1 : 0;
}

static int
tear_down(void **state)
{
	(void)state;
	close(manager);
	unlink(log_path);
	return unlink(address);
}

static pid_t
start(const char *path, const char *duration)
{
	const char *const argv[] = {
	        "bulkhead",          "run",        path,     "--quiet", "--set", "device.nvme0.size=16M", "--set",
	        "cell.pages=normal", "--duration", duration, NULL,
	};
	fflush(NULL);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	int fd = open(log_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	execv(program, (char *const *)(uintptr_t)argv);
	_exit(127);
}

/* The next message that begins with `prefix`; others between are skipped. Return: its text, NULL at the deadline. */
static const char *
hear(const char *prefix)
{
	static char text[4096];
	struct pollfd one = {.fd = manager, .events = POLLIN};
	while (poll(&one, 1, WAIT_MS) > 0) {
		ssize_t got = recv(manager, text, sizeof(text) - 1, 0);
		text[got > 0 ? got : 0] = '\0';
		if (strncmp(text, prefix, strlen(prefix)) == 0)
			return text;
	}
	return NULL;
}

static void
check_log(const char *says)
{
	char text[8192];
	FILE *file = fopen(log_path, "r");
	assert_non_null(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	if (strstr(text, says) == NULL)
		fail_msg("'%s' is not in: %s", says, text);
}

/* Nobody below the supervisor may speak in its name. */
static void
check_children(pid_t pid)
{
	char path[64], environment[65536];
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
	FILE *file = fopen(path, "r");
	unsigned cnt = 0;
	int child;
	assert_non_null(file);
	while (fscanf(file, "%d", &child) == 1) {
		snprintf(path, sizeof(path), "/proc/%d/environ", child);
		int fd = open(path, O_RDONLY);
		ssize_t got = fd >= 0 ? read(fd, environment, sizeof(environment)) : -1;
		assert_true(got >= 0);
		close(fd);
		assert_null(memmem(environment, (size_t)got, "NOTIFY_SOCKET", 13));
		assert_null(memmem(environment, (size_t)got, "WATCHDOG", 8));
		cnt++;
	}
	fclose(file);
	assert_int_equal(cnt, 2); /* the cell and its device */
}

static void
a_manager_that_is_not_there_is_told_of(void **state)
{
	(void)state;
	setenv("NOTIFY_SOCKET", "/tmp/bulkhead-no-manager", 1);
	pid_t pid = start(config, "100ms");
	assert_int_equal(command_wait_exit(pid, WAIT_MS), 0);
	check_log("/tmp/bulkhead-no-manager");
}

static void
what_cannot_start_says_why(void **state)
{
	const char *text;
	(void)state;
	setenv("NOTIFY_SOCKET", address, 1);
	pid_t pid = start("/nowhere/cell.conf", "1s");
	text = hear("STATUS=");
	assert_non_null(text);
	assert_non_null(strstr(text, "/nowhere/cell.conf"));
	assert_int_not_equal(command_wait_exit(pid, WAIT_MS), 0);
}

static void
a_cell_is_ready_alive_and_stopping(void **state)
{
	const char *text;
	(void)state;
	setenv("NOTIFY_SOCKET", address, 1);
	setenv("WATCHDOG_USEC", "400000", 1);
	pid_t pid = start(config, "300s");
	unsetenv("WATCHDOG_USEC");
	assert_non_null(hear("READY=1"));
	check_children(pid);
	for (int i = 0; i < 4; i++)
		assert_non_null(hear("WATCHDOG=1"));
	do {
		text = hear("STATUS=");
		assert_non_null(text);
	} while (strstr(text, "IOPS") == NULL);
	assert_int_equal(kill(pid, SIGTERM), 0);
	text = hear("STOPPING=1");
	assert_non_null(text);
	assert_non_null(strstr(text, "\nEXTEND_TIMEOUT_USEC="));
	assert_int_equal(command_wait_exit(pid, WAIT_MS), 0);
}

/* It never reads: its queue is full before the first message. */
static void
a_manager_that_hangs_holds_nothing_up(void **state)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	(void)state;
	strcpy(at.sun_path, address);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	while (send(fd, "X=1", 3, 0) == 3)
		;
	setenv("NOTIFY_SOCKET", address, 1);
	setenv("WATCHDOG_USEC", "400000", 1);
	pid_t pid = start(config, "1500ms");
	unsetenv("WATCHDOG_USEC");
	assert_int_equal(command_wait_exit(pid, WAIT_MS), 0);
	close(fd);
}

int
main(int argc, char **argv)
{
	if (argc != 3 || geteuid() != 0)
		return 77;
	program = argv[1];
	config = argv[2];
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	        TEST(a_manager_that_is_not_there_is_told_of),
	        TEST(what_cannot_start_says_why),
	        TEST(a_cell_is_ready_alive_and_stopping),
	        TEST(a_manager_that_hangs_holds_nothing_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
