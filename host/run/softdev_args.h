/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of a software device's process, and how it is started. Private to host/run. */
#ifndef HOST_RUN_SOFTDEV_ARGS_H
#define HOST_RUN_SOFTDEV_ARGS_H

#include "host/run/internal.h"

#define BH_SOFTDEV_FD       3 /* its end of the first socket pair; the others follow */
#define BH_SOFTDEV_ARGS_MAX 64u

struct bh_softdev_args {
	const char *arg[BH_SOFTDEV_ARGS_MAX + 1]; /* NULL behind the last */
	char number[8][24];
	char text[BH_DEVICES_MAX][64];
	unsigned cnt, number_cnt;
};

void bh_softdev_add(struct bh_softdev_args *args, const char *name, const char *value);
void bh_softdev_add_number(struct bh_softdev_args *args, const char *name, uint64_t value);

/* bh_softdev_spawn - fd_cnt socket pairs and the process at their other ends. @name: a device's, for messages. */
BH_MUST_CHECK int bh_softdev_spawn(const char *name, const struct bh_softdev_args *args, const char *program,
                                   int *out_fds, unsigned fd_cnt, pid_t *out_pid, struct bh_error *error);

#endif
