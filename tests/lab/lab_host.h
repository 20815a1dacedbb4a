/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What tests of `bulkhead lab` itself share; they run on the host. Each test has a temporary folder of its own, which is TMPDIR
 * of what it starts: what is left there was left behind.
 */
#ifndef TESTS_LAB_LAB_HOST_H
#define TESTS_LAB_LAB_HOST_H

#include <stdbool.h>

#include "tests/component/command.h"

extern const char *lab_program;   /* bulkhead; from the command line */
extern char lab_folder[64];       /* of the test */
extern struct command_result lab; /* of the last lab_sh */

/* lab_sh - a shell command: $LAB is `bulkhead lab`, $D the test's folder, and where it starts. Return: its exit code. */
__attribute__((format(printf, 1, 2))) int lab_sh(const char *format, ...);
/* lab_nothing_left - neither a file in TMPDIR nor a process that names it. */
void lab_nothing_left(void);
void lab_wants(const char *text); /* on lab_sh's standard error */
int lab_setup(void **state);
int lab_teardown(void **state);

#endif
