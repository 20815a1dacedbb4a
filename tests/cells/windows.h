/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What the test cell "windows" shares with its application's host half: BAR 0 read-only, BAR 1 writable, a page each.
 */
#ifndef TESTS_CELLS_WINDOWS_H
#define TESTS_CELLS_WINDOWS_H

#include <bulkhead/types.h>

#define WINDOWS_DEVICE "windows"
#define WINDOWS_BYTES  4096u

enum windows_what {
	WINDOWS_ECHO = 0,  /* until it shall stop: `echo` becomes `said` */
	WINDOWS_STORE = 1, /* write into BAR 0 by a store */
	WINDOWS_REG = 2,   /* the same by bh_reg_write64 */
};

struct windows_in {
	uint64_t what; /* enum windows_what */
	uint64_t said;
};

struct windows_out {
	uint64_t echo;
};

#endif
