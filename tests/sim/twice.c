/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same seed in two processes that differ in all that a seed must not depend on: the environment's size, and with it
 * and with address randomisation where everything lies. What they print, with the trace's hash, must be the same.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/sim/many.h"

#define TEXT_BYTES 1024u
#define PAD_BYTES  5000u

static void
child(uint64_t seed, bool padded, int out_fd)
{
	static char pad[PAD_BYTES + 1];
	char number[32];

	memset(pad, 'x', PAD_BYTES);
	if (padded)
		setenv("SIM_PAD", pad, 1);
	snprintf(number, sizeof(number), "%" PRIu64, seed);
	dup2(out_fd, STDOUT_FILENO);
	execl("/proc/self/exe", "sim", "--seed", number, (char *)NULL);
	perror("sim: exec");
	_exit(127);
}

/* Return: whether it ended well; text: what it printed. */
static bool
run(uint64_t seed, bool padded, char *text)
{
	int pipe_fd[2], status = 0;
	size_t used = 0;

	if (pipe(pipe_fd) != 0) {
		perror("sim: pipe");
		exit(1);
	}
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0)
		child(seed, padded, pipe_fd[1]);
	close(pipe_fd[1]);
	for (ssize_t got = 1; got > 0 && used<TEXT_BYTES - 1; used += got> 0 ? (size_t)got : 0)
		got = read(pipe_fd[0], text + used, TEXT_BYTES - 1 - used);
	text[used] = '\0';
	close(pipe_fd[0]);
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int
sim_twice(uint64_t first, uint64_t cnt)
{
	uint64_t differ_cnt = 0;
	char a[TEXT_BYTES], b[TEXT_BYTES];

	for (uint64_t seed = first; seed < first + cnt; seed++) {
		bool a_passed = run(seed, false, a);
		bool b_passed = run(seed, true, b);
		if (a_passed && b_passed && strcmp(a, b) == 0)
			continue;
		fprintf(stderr, "seed %" PRIu64 ":\n  %s  %s", seed, a, b);
		differ_cnt++;
	}
	printf("%" PRIu64 " seeds run twice, %" PRIu64 " differ\n", cnt, differ_cnt);
	return differ_cnt != 0;
}
