/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The catalogue of errors: each has a stable id, an exit code, and a longer explanation for `bulkhead explain`.
 *
 * A message is built by bh_error_set: what failed, on what, why, and what to do next. Ids never change their meaning.
 */
#ifndef HOST_ERRORS_ERRORS_H
#define HOST_ERRORS_ERRORS_H

#include <bulkhead/types.h>

#include "host/device/device.h"

struct bh_error_entry {
	const char *id; /* "E001" */
	int exit_code; /* of the program: 1 failed, 2 usage or configuration, 3 check not met, 4 refused, 5 needs a reboot, 6 needs root */
	const char *title;
	const char *explanation;
};

/* bh_error_set - fill `error`, which may be NULL. Return: errno_value (negative), so that a caller can return it. */
BH_PRINTF(4, 5) int bh_error_set(struct bh_error *error, const char *id, int errno_value, const char *format, ...);

/* bh_error_find - the catalogue's entry ("E001" or "BH-E001"), or NULL. bh_error_at - by position, NULL at the end. */
const struct bh_error_entry *bh_error_find(const char *id);
const struct bh_error_entry *bh_error_at(size_t idx);

/* bh_error_exit_code - exit code of an error; 1 for ids that the catalogue does not know. */
int bh_error_exit_code(const struct bh_error *error);

#endif
