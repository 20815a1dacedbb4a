/* SPDX-License-Identifier: Apache-2.0 */
#include "host/machine/plan.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "host/errors/errors.h"
#include "host/machine/plan_private.h"

static struct bh_change *
new_change(struct bh_plan *plan)
{
	if (plan->change_cnt == BH_PLAN_CHANGES_MAX)
		return NULL;
	if (plan->change_cnt == plan->change_room) {
		uint32_t room = plan->change_room != 0 ? plan->change_room * 2 : 64;
		struct bh_change *change = realloc(plan->change, room * sizeof(*change));
		if (change == NULL)
			return NULL;
		plan->change = change;
		plan->change_room = room;
	}
	struct bh_change *change = &plan->change[plan->change_cnt];
	*change = (struct bh_change){0};
	return change;
}

int
bh_plan_add(struct bh_plan *plan, const struct bh_step *step, bool later, const char *path, const char *want)
{
	char *now;
	int err = bh_change_read(plan->root, step->kind, path, &now);
	if (err == -ENOENT && !later)
		return 0;
	if (err != 0 && err != -ENOENT)
		return step->optional ? 0 : err;
	struct bh_change *change = new_change(plan);
	char *copy = strdup(want);
	if (change == NULL || copy == NULL) {
		free(now);
		free(copy);
		return -ENOMEM;
	}
	change->kind = step->kind;
	change->now = now;
	change->want = copy;
	change->optional = step->optional;
	snprintf(change->path, sizeof(change->path), "%s", path);
	snprintf(change->stage, sizeof(change->stage), "%s", step->stage);
	snprintf(change->why, sizeof(change->why), "%s", step->why);
	plan->change_cnt++;
	return 0;
}

void
bh_plan_note(struct bh_plan *plan, const char *format, ...)
{
	va_list args;
	if (plan->note_cnt == BH_PLAN_NOTES_MAX)
		return;
	va_start(args, format);
	vsnprintf(plan->note[plan->note_cnt++], BH_PLAN_TEXT_BYTES, format, args);
	va_end(args);
}

static int
make_parts(struct bh_plan *plan)
{
	static int (*const part[])(struct bh_plan *) = {bh_plan_cpus,   bh_plan_devices, bh_plan_irqs, bh_plan_kernel,
	                                                bh_plan_memory, bh_plan_power,   bh_plan_boot};
	int err = 0;
	for (size_t i = 0; i < BH_ARRAY_CNT(part) && err == 0; i++)
		err = part[i](plan);
	return err;
}

int
bh_plan_make(const char *root, const struct bh_wants *wants, struct bh_plan *out, struct bh_error *error)
{
	*out = (struct bh_plan){.root = root, .wants = *wants};
	int err = bh_plan_guard(out, error);
	if (err != 0)
		return err;
	err = make_parts(out);
	if (err != 0) {
		bh_plan_free(out);
		return bh_error_set(error, "E228", err, "cannot read the machine's settings: %s", strerror(-err));
	}
	return 0;
}

void
bh_plan_free(struct bh_plan *plan)
{
	for (uint32_t i = 0; i < plan->change_cnt; i++) {
		free(plan->change[i].now);
		free(plan->change[i].want);
	}
	free(plan->change);
	plan->change = NULL;
	plan->change_cnt = plan->change_room = 0;
}

uint32_t
bh_plan_pending(const struct bh_plan *plan)
{
	uint32_t cnt = 0;
	for (uint32_t i = 0; i < plan->change_cnt; i++) {
		const struct bh_change *change = &plan->change[i];
		cnt += !bh_change_same(change->kind, change->path, change->now, change->want);
	}
	return cnt;
}
