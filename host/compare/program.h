/* SPDX-License-Identifier: Apache-2.0 */
/* Running fio, the cell or another program to its end, with a deadline, and ending it when a signal asks us to stop. */
#ifndef HOST_COMPARE_PROGRAM_H
#define HOST_COMPARE_PROGRAM_H

#include <bulkhead/types.h>

#include "host/device/device.h"

/**
 * bh_program_catch_signals - from now on SIGINT, SIGTERM and SIGHUP only set what bh_program_stopped() tells
 * bh_program_release_signals - what stood there before
 */
BH_MUST_CHECK int bh_program_catch_signals(void);
void bh_program_release_signals(void);
bool bh_program_stopped(void);

/**
 * bh_program_run - run argv[0] (found by PATH) in a process group of its own
 * @out_path, @err_path: files for its output, made new
 * @timeout_ns: then it gets SIGTERM, and SIGKILL after another 5 s; a stop request likewise
 * @out_exit: exit code, or 128 + signal
 *
 * The child gets SIGTERM if this process dies. Return: 0 it ended by itself; -ETIMEDOUT; -EINTR a signal asked us to stop; -errno it
 * could not be started (-ENOENT no such program).
 */
BH_MUST_CHECK int bh_program_run(const char *const *argv, const char *out_path, const char *err_path,
                                 uint64_t timeout_ns, int *out_exit);

/* bh_program_run_through - the same, whatever signal asks us to stop: for commands that give something back. */
BH_MUST_CHECK int bh_program_run_through(const char *const *argv, const char *out_path, const char *err_path,
                                         uint64_t timeout_ns, int *out_exit);

#endif
