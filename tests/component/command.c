/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/component/command.h"

struct stream {
	int fd;
	char *text;
	size_t size;
};

static void
must(int ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	abort();
}

static long
now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Return: false at the end of the stream. */
static int
stream_read(struct stream *stream)
{
	char part[4096];
	ssize_t got = read(stream->fd, part, sizeof(part));
	if (got <= 0)
		return 0;
	stream->text = realloc(stream->text, stream->size + (size_t)got + 1);
	must(stream->text != NULL, "realloc");
	memcpy(stream->text + stream->size, part, (size_t)got);
	stream->size += (size_t)got;
	stream->text[stream->size] = '\0';
	return 1;
}

/* Reads both streams until both end or the deadline passes. */
static void
collect(struct stream *streams, long deadline_ms)
{
	struct pollfd polled[2] = {{streams[0].fd, POLLIN, 0}, {streams[1].fd, POLLIN, 0}};
	int open_cnt = 2;
	while (open_cnt > 0 && now_ms() < deadline_ms) {
		if (poll(polled, 2, 50) <= 0)
			continue;
		for (int i = 0; i < 2; i++) {
			if (polled[i].fd < 0 || polled[i].revents == 0 || stream_read(&streams[i]))
				continue;
			polled[i].fd = -1;
			open_cnt--;
		}
	}
}

static int
reap(pid_t pid, long deadline_ms)
{
	int status;
	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (now_ms() > deadline_ms)
			kill(pid, SIGKILL);
		usleep(2000);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void
command_run(const char *const *argv, int timeout_ms, struct command_result *out_result)
{
	extern char **environ;
	int pipes[2][2];
	pid_t pid;
	posix_spawn_file_actions_t actions;
	long deadline_ms = now_ms() + timeout_ms;

	posix_spawn_file_actions_init(&actions);
	for (int i = 0; i < 2; i++) {
		must(pipe2(pipes[i], O_CLOEXEC) == 0, "pipe2");
		posix_spawn_file_actions_adddup2(&actions, pipes[i][1], i + 1);
	}
	errno = posix_spawn(&pid, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv, environ);
	must(errno == 0, argv[0]);
	posix_spawn_file_actions_destroy(&actions);

	struct stream streams[2] = {{pipes[0][0], calloc(1, 1), 0}, {pipes[1][0], calloc(1, 1), 0}};
	for (int i = 0; i < 2; i++)
		close(pipes[i][1]);
	collect(streams, deadline_ms);
	out_result->exit_code = reap(pid, deadline_ms);
	for (int i = 0; i < 2; i++)
		close(pipes[i][0]);
	out_result->out = streams[0].text;
	out_result->err = streams[1].text;
}

void
command_result_free(struct command_result *result)
{
	free(result->out);
	free(result->err);
	result->out = result->err = NULL;
}

int
command_wait_exit(pid_t pid, int timeout_ms)
{
	int status;
	for (long deadline_ms = now_ms() + timeout_ms; now_ms() < deadline_ms;) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
		usleep(10000);
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return -1;
}

char *
command_text(const char *line)
{
	const char *argv[] = {"/bin/sh", "-e", "-c", line, NULL};
	struct command_result result;
	command_run(argv, 60000, &result);
	if (result.exit_code != 0)
		print_error("%s\n%s%s", line, result.out, result.err);
	assert_int_equal(result.exit_code, 0);
	free(result.err);
	return result.out;
}

void
command_must(const char *line)
{
	free(command_text(line));
}
