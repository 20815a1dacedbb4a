/* SPDX-License-Identifier: Apache-2.0 */
/* What the models of `bulkhead softdev` share: options, signals, the CPU. */
#ifndef CLI_SOFTDEV_H
#define CLI_SOFTDEV_H

#include <signal.h>
#include <stdio.h>

#include <bulkhead/types.h>

extern volatile sig_atomic_t softdev_stop; /* not 0: a signal asked for the end */

/* softdev_usage_error - says what is wrong. Return: the exit code for it. */
BH_PRINTF(1, 2) int softdev_usage_error(const char *format, ...);
/* softdev_parse_number - digits, hexadecimal with 0x, at most max */
bool softdev_parse_number(const char *text, uint64_t max, uint64_t *out);
/* softdev_signals_set - with_parent: a supervisor started us, and we end with it */
void softdev_signals_set(bool with_parent);
/* softdev_cpu_set - run there; -1: anywhere. Return: 0, or an exit code. */
int softdev_cpu_set(long cpu);
/* softdev_serving - what handles a SIGBUS from a client's memory from now on; NULL: nothing */
void softdev_serving(void *what, bool (*patch)(void *, const void *));

/* softdev_net.c */
int softdev_net(int argc, char **argv);
void softdev_net_usage(FILE *stream);

#endif
