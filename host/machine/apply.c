/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check, apply, verify. Each step: read, journal, write, read back, journal. Point of no return: none; what fails half-way is put
 * back from the journal, by this process or the next.
 */
#include "host/machine/apply.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/device/bind.h"
#include "host/device/signals.h"
#include "host/errors/errors.h"
#include "host/machine/apply_private.h"

const char *
bh_step_result_name(enum bh_step_result result)
{
	static const char *const name[BH_STEP_RESULTS] = {"done", "same", "refused", "back", "left", "gone", "failed"};
	return name[result];
}

void
bh_tell(struct bh_applying *run, const char *stage, enum bh_step_result result, const struct bh_step_told *step,
        const char *text)
{
	struct bh_step_told told = *step;
	told.stage = stage;
	told.result = result;
	told.text = text;
	run->report->cnt[result]++;
	if (run->told != NULL)
		run->told(run->context, &told);
}

static int
step_failed(struct bh_applying *run, const struct bh_change *change, int err, const char *now)
{
	if (run->error->text[0] != '\0' && (change->kind == BH_CHANGE_DEVICE || change->kind == BH_CHANGE_IRQBALANCE ||
	                                    change->kind == BH_CHANGE_SLICE))
		return err; /* they have said why */
	if (now != NULL)
		return bh_error_set(run->error, "E230", -EIO, "%s: '%s' was written and '%s' reads back", change->path,
		                    change->want, now);
	return bh_error_set(run->error, "E230", err, "%s cannot be set to '%.64s': %s", change->path, change->want,
	                    strerror(-err));
}

/* Written and read back. An optional one that the kernel refuses is told and done with. */
static int
write_step(struct bh_applying *run, const struct bh_change *change, uint32_t idx, const struct bh_step_told *step)
{
	char *now = NULL, text[96];
	int err = bh_change_write(run->root, change->kind, change->path, change->want, run->error);
	bh_fault_point();
	int read_err = bh_change_read(run->root, change->kind, change->path, &now);
	const bool slow = bh_change_is_slow(change->kind);
	bool same = err == 0 && read_err == 0 && bh_change_same(change->kind, change->path, now, change->want);
	if (same || (slow && err == 0)) {
		err = bh_journal_mark(run->journal, idx, BH_ENTRY_DONE, slow ? change->want : now);
		bh_tell(run, "apply", BH_STEP_DONE, step, "");
	} else if (change->optional) {
		bool untouched = read_err == 0 && bh_change_same(change->kind, change->path, now, step->before);
		snprintf(text, sizeof(text), "%s", err != 0 ? strerror(-err) : "another value reads back");
		bh_tell(run, "apply", BH_STEP_REFUSED, step, text);
		err = untouched ? bh_journal_mark(run->journal, idx, BH_ENTRY_REFUSED, text)
		                : bh_journal_mark(run->journal, idx, BH_ENTRY_DONE, now);
	} else {
		err = step_failed(run, change,
		                  err != 0        ? err
		                  : read_err != 0 ? read_err
		                                  : -EIO,
		                  err == 0 && read_err == 0 ? now : NULL);
		bh_tell(run, "apply", BH_STEP_FAILED, step, run->error->text);
		free(now);
		return err;
	}
	free(now);
	return err == 0 ? 0
	                : bh_error_set(run->error, "E221", err, "the journal cannot be written: %s", strerror(-err));
}

/* What the kernel did not take is not tried again while the same value stands there. */
static bool
was_refused(const struct bh_applying *run, const struct bh_change *change, const char *now)
{
	for (uint32_t i = 0; i < run->journal->entry_cnt; i++) {
		const struct bh_journal_entry *entry = &run->journal->entry[i];
		if (entry->state == BH_ENTRY_REFUSED && entry->kind == change->kind &&
		    strcmp(entry->path, change->path) == 0 &&
		    bh_change_same(entry->kind, entry->path, now, entry->before) &&
		    bh_change_same(entry->kind, entry->path, change->want, entry->want))
			return true;
	}
	return false;
}

static int
apply_value(struct bh_applying *run, const struct bh_change *change)
{
	char *before = NULL;
	int err = bh_change_read(run->root, change->kind, change->path, &before);
	struct bh_step_told step = {.kind = change->kind, .path = change->path, .before = before, .want = change->want};
	const struct bh_journal_entry *entry = bh_journal_find(run->journal, change->kind, change->path);
	if (err == 0 &&
	    (bh_change_same(change->kind, change->path, before, change->want) ||
	     (entry != NULL && entry->held != NULL &&
	      (bh_change_is_slow(change->kind) || bh_change_same(change->kind, change->path, before, entry->held))))) {
		bh_tell(run, "apply", BH_STEP_SAME, &step, "");
	} else if (err == 0 && was_refused(run, change, before)) {
		bh_tell(run, "apply", BH_STEP_REFUSED, &step, "as before");
	} else if (err == 0) {
		/* What is ours already keeps the value that stood there first. */
		int idx = entry != NULL ? (int)(entry - run->journal->entry)
		                        : bh_journal_intend(run->journal, change->kind, change->path, before,
		                                            change->want, run->error);
		err = idx < 0 ? idx : write_step(run, change, (uint32_t)idx, &step);
	} else if (change->optional) {
		bh_tell(run, "apply", BH_STEP_GONE, &step, strerror(-err));
		err = 0;
	} else {
		err = step_failed(run, change, err, NULL);
	}
	free(before);
	return err;
}

/* GRUB's configuration can be made when its drop-in is there. What is ours already needs no new one. */
static int
apply_step(struct bh_applying *run, const struct bh_change *change, const char *parameters)
{
	const struct bh_journal_entry *entry = bh_journal_find(run->journal, change->kind, change->path);
	struct bh_change made = *change;
	if (!change->generated || (entry != NULL && entry->state == BH_ENTRY_DONE))
		return apply_value(run, change);
	made.want = NULL;
	int err = bh_change_ops->generate(run->root, parameters, &made.want, run->error);
	if (err == 0)
		err = apply_value(run, &made);
	free(made.want);
	return err;
}

static int
apply_all(struct bh_applying *run, const struct bh_plan *plan)
{
	int err = 0;
	for (uint32_t i = 0; i < plan->change_cnt && err == 0; i++) {
		err = apply_step(run, &plan->change[i], plan->parameters);
		if (err == 0 && bh_signals_pending())
			err = bh_error_set(run->error, "E232", -EINTR, "ended by a signal");
	}
	return err;
}

/* Once more at the end: a later step, or somebody else, may have undone an earlier one. */
static int
verify_all(struct bh_applying *run, const struct bh_plan *plan)
{
	int err = 0;
	for (uint32_t i = 0; i < plan->change_cnt && err == 0; i++) {
		const struct bh_change *change = &plan->change[i];
		const struct bh_journal_entry *entry = bh_journal_find(run->journal, change->kind, change->path);
		char *now = NULL;
		if (entry == NULL || entry->state != BH_ENTRY_DONE || entry->held == NULL ||
		    bh_change_is_slow(change->kind))
			continue;
		int read_err = bh_change_read(run->root, change->kind, change->path, &now);
		if (read_err == 0 && !bh_change_same(change->kind, change->path, now, entry->held)) {
			struct bh_step_told step = {.kind = change->kind,
			                            .path = change->path,
			                            .before = entry->before,
			                            .want = change->want,
			                            .now = now};
			bh_tell(run, "verify", BH_STEP_LEFT, &step, "it was set, and somebody changed it at once");
			err = change->optional ? 0 : step_failed(run, change, -EIO, now);
		}
		free(now);
	}
	return err;
}

/* The device guards again, all of them, before anything is changed. */
static int
check_devices(const struct bh_plan *plan, struct bh_error *error)
{
	struct bh_bind_outcome outcome[BH_WANTS_DEVICES_MAX];
	const char *address[BH_WANTS_DEVICES_MAX];
	for (uint32_t i = 0; i < plan->wants.device_cnt; i++)
		address[i] = plan->wants.device[i];
	const struct bh_bind_request request = {
	        .root = plan->root, .address = address, .cnt = plan->wants.device_cnt, .dry_run = true};
	return plan->wants.device_cnt == 0 ? 0 : bh_bind_all(&request, outcome, error);
}

/* The journal that is there, if it is of this configuration, else a new one. */
static int
open_journal(const struct bh_plan *plan, struct bh_journal *journal, bool *out_fresh, struct bh_error *error)
{
	*out_fresh = false;
	int err = bh_journal_open(plan->root, journal, error);
	if (err == -ENOENT) {
		*out_fresh = true;
		return bh_journal_create(plan->root, &plan->wants, journal, error);
	}
	if (err == 0 && journal->entry_cnt == 0) { /* begun, and nothing was announced: killed there */
		err = bh_journal_remove(journal);
		bh_journal_close(journal);
		*out_fresh = true;
		return err == 0 ? bh_journal_create(plan->root, &plan->wants, journal, error)
		                : bh_error_set(error, "E221", err, "an empty journal cannot be removed: %s",
		                               strerror(-err));
	}
	if (err != 0)
		return err;
	if (strcmp(journal->config, plan->wants.path) != 0)
		err = bh_error_set(error, "E229", -EEXIST,
		                   "another configuration is applied (%s): 'bulkhead restore' first, then apply",
		                   journal->config);
	else if (bh_journal_rebooted(journal))
		err = bh_journal_adopt(journal, error);
	if (err != 0)
		bh_journal_close(journal);
	return err;
}

static void
roll_back(struct bh_applying *run, uint32_t first_idx)
{
	const struct bh_error why = *run->error;
	struct bh_error error = {0};
	run->error = &error;
	run->report->rolled_back = bh_put_back(run, first_idx) == 0;
	if (run->report->rolled_back)
		bh_error_set(run->out_error, why.id, -EIO, "%.480s; everything was put back", why.text);
	else
		bh_error_set(run->out_error, "E231", -EIO, "%.220s; and not all could be put back: %.240s", why.text,
		             error.text);
}

static int
apply_with(const struct bh_plan *plan, struct bh_applying *run, bool fresh)
{
	const uint32_t first_idx = run->journal->entry_cnt;
	int err = apply_all(run, plan);
	if (err == 0)
		err = verify_all(run, plan);
	if (err != 0)
		roll_back(run, first_idx);
	bool nothing_ours = fresh && run->journal->entry_cnt == 0;
	if ((err != 0 && fresh && run->report->rolled_back) || nothing_ours) {
		int remove_err = bh_journal_remove(run->journal);
		if (err == 0 && remove_err != 0)
			err = bh_error_set(run->out_error, "E221", remove_err, "an empty journal cannot be removed: %s",
			                   strerror(-remove_err));
	}
	return err;
}

int
bh_apply(const struct bh_plan *plan, bh_step_fn *told, void *context, struct bh_apply_report *out,
         struct bh_error *error)
{
	struct bh_journal journal;
	struct bh_error own = {0};
	struct bh_applying run = {plan->root, &journal, told, context, out, &own, error};
	sigset_t before;
	bool fresh;
	*out = (struct bh_apply_report){0};
	int lock = bh_machine_lock(plan->root, error);
	if (lock < 0)
		return lock;
	int err = check_devices(plan, error);
	if (err == 0)
		err = open_journal(plan, &journal, &fresh, error);
	if (err == 0) {
		bh_signals_hold(&before);
		err = apply_with(plan, &run, fresh);
		bh_journal_close(&journal);
		bh_signals_release(&before, err == -EINTR);
	}
	close(lock);
	return err;
}
