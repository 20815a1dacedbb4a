/* SPDX-License-Identifier: Apache-2.0 */
/**
 * All of a machine that a partition may touch, as one text: masks, settings, control groups, drivers, the boot loader's files, the
 * command line. For comparing byte by byte; it knows nothing of a plan.
 */
#ifndef TESTS_LAB_SNAPSHOT_H
#define TESTS_LAB_SNAPSHOT_H

#include <stdbool.h>

/* snapshot_take - free it. */
char *snapshot_take(void);

/* snapshot_is - whether the machine is still (or again) so; prints the first line that differs. */
bool snapshot_is(const char *before);

#endif
