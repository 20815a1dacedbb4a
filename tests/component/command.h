/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Running the `bulkhead` program as its user does, with a deadline: what it printed and how it ended.
 */
#ifndef TESTS_COMPONENT_COMMAND_H
#define TESTS_COMPONENT_COMMAND_H

#include <stddef.h>
#include <sys/types.h>

struct command_result {
	int exit_code;   /* -1: ended by a signal, or at the deadline */
	char *out, *err; /* NUL-terminated; NULL after command_result_free */
};

/**
 * command_run - run argv[0] with argv (NULL-terminated), collect its output, wait for its end
 * @timeout_ms: after that it is killed and exit_code is -1
 * Aborts the test program when it cannot even be started.
 */
void command_run(const char *const *argv, int timeout_ms, struct command_result *out_result);
void command_result_free(struct command_result *result);

/* command_wait_exit - wait for a child. Return: its exit code; 1000 + the signal that ended it; -1: killed at the deadline. */
int command_wait_exit(pid_t pid, int timeout_ms);

/* command_text - a line for the shell, at most a minute; fails the test unless it ends with 0. Return: its output, from malloc. */
char *command_text(const char *line);
/* command_must - the same, without the output */
void command_must(const char *line);

#endif
