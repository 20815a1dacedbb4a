/* SPDX-License-Identifier: Apache-2.0 */
/* What plan, apply, status and restore share: their file argument, and how steps are shown. */
#ifndef CLI_PARTITION_H
#define CLI_PARTITION_H

#include <jansson.h>

#include "host/machine/apply.h"
#include "host/machine/plan.h"

/* partition_fail - print an error. Return: its exit code. */
int partition_fail(const char *command, const struct bh_error *error);

/* partition_plan - read a file and make its plan; level NULL: as the file says. Return: 0 or an exit code, told. */
int partition_plan(const char *command, const char *path, const char *level, struct bh_plan *out);

void partition_print_plan(const struct bh_plan *plan, bool all);
json_t *partition_plan_json(const struct bh_plan *plan);

/* partition_tell - a bh_step_fn; context: a struct partition_teller. */
struct partition_teller {
	bool verbose;
	json_t *steps; /* NULL: text on stdout */
};
void partition_tell(void *context, const struct bh_step_told *step);

/* partition_print_json - and give it up. Return: 0, or the exit code of a failed write. */
int partition_print_json(json_t *json);

#endif
