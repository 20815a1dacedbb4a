/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way back: entries last first. Each value is looked at before it is touched: what stood there already, what is ours, what is
 * somebody else's by now, and what is gone with a reboot, a CPU or a device.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "host/device/file.h"
#include "host/device/signals.h"
#include "host/errors/errors.h"
#include "host/machine/apply_private.h"
#include "host/machine/grub.h"

#define GROUP_WAIT_MS_MAX 2000

/* "isolated invalid (...)" is what the kernel made of our "isolated" when the CPUs went away. */
static bool
is_ours(const struct bh_journal_entry *entry, const char *now)
{
	if (bh_change_same(entry->kind, entry->path, now, entry->want) ||
	    (entry->held != NULL && bh_change_same(entry->kind, entry->path, now, entry->held)))
		return true;
	size_t len = strlen(entry->path);
	static const char partition[] = "cpuset.cpus.partition";
	return now != NULL && strncmp(now, "isolated", 8) == 0 && len > sizeof(partition) &&
	       strcmp(entry->path + len - (sizeof(partition) - 1), partition) == 0;
}

/* A full disk is no reason to stop: the value is back, and the next call would see that. */
static void
mark_back(struct bh_applying *run, const struct bh_journal_entry *entry, const char *text)
{
	if (bh_journal_mark(run->journal, (uint32_t)(entry - run->journal->entry), BH_ENTRY_BACK, text) != 0)
		return;
}

/* A group goes when the last process in it has been reaped: an ended one may take a moment. */
static int
write_back(struct bh_applying *run, const struct bh_journal_entry *entry, struct bh_error *error)
{
	int err, waited_ms = 0;
	do {
		err = bh_change_write(run->root, entry->kind, entry->path, entry->before, error);
		if (err != -EBUSY || entry->kind != BH_CHANGE_GROUP)
			break;
		nanosleep(&(const struct timespec){.tv_nsec = 10000000}, NULL);
		waited_ms += 10;
	} while (waited_ms < GROUP_WAIT_MS_MAX);
	bh_fault_point();
	return err;
}

static int
give_back(struct bh_applying *run, struct bh_journal_entry *entry, struct bh_step_told *step)
{
	struct bh_error why = {0};
	char *now = NULL;
	int err = write_back(run, entry, &why);
	if (err == 0 && !bh_change_is_slow(entry->kind))
		err = bh_change_read(run->root, entry->kind, entry->path, &now);
	if (err == 0 && !bh_change_is_slow(entry->kind) &&
	    !bh_change_same(entry->kind, entry->path, now, entry->before))
		err = bh_error_set(&why, "E231", -EIO, "'%.100s' reads back", now != NULL ? now : "(nothing)");
	free(now);
	if (err == 0) {
		bh_tell(run, "restore", BH_STEP_BACK, step, "");
		mark_back(run, entry, "put back");
		return 0;
	}
	const char *text = why.text[0] != '\0' ? why.text : strerror(-err);
	bh_tell(run, "restore", BH_STEP_FAILED, step, text);
	return bh_error_set(run->error, "E231", -EIO,
	                    "%s cannot be put back to '%.64s': %s; 'bulkhead restore' tries again", entry->path,
	                    entry->before != NULL ? entry->before : "(not there)", text);
}

static int
restore_entry(struct bh_applying *run, struct bh_journal_entry *entry, bool rebooted)
{
	char *now = NULL;
	bh_change_tidy(run->root, entry->kind, entry->path);
	int result = 0, err = bh_change_read(run->root, entry->kind, entry->path, &now);
	struct bh_step_told step = {
	        .kind = entry->kind, .path = entry->path, .before = entry->before, .want = entry->want, .now = now};
	if (rebooted && !bh_change_outlives_boot(entry->kind)) {
		bh_tell(run, "restore", BH_STEP_GONE, &step, "a reboot has undone it");
		mark_back(run, entry, "reboot");
	} else if (err == -ENOENT || err == -ENODEV || err == -ENXIO) {
		bh_tell(run, "restore", BH_STEP_GONE, &step, "it is not there any more");
		mark_back(run, entry, "gone");
	} else if (err != 0) {
		bh_tell(run, "restore", BH_STEP_FAILED, &step, strerror(-err));
		result = bh_error_set(run->error, "E231", -EIO, "%s cannot be read: %s", entry->path, strerror(-err));
	} else if (bh_change_is_slow(entry->kind)) {
		result = give_back(run, entry, &step); /* what it shows may be the list from before ours */
	} else if (bh_change_same(entry->kind, entry->path, now, entry->before)) {
		bh_tell(run, "restore", BH_STEP_BACK, &step, "");
		mark_back(run, entry, "same");
	} else if (!is_ours(entry, now)) {
		bh_tell(run, "restore", BH_STEP_LEFT, &step, "somebody else changed it meanwhile");
		mark_back(run, entry, "left");
	} else {
		result = give_back(run, entry, &step);
	}
	free(now);
	return result;
}

int
bh_put_back(struct bh_applying *run, uint32_t first_idx)
{
	struct bh_error first = {0};
	int first_err = 0;
	const bool rebooted = bh_journal_rebooted(run->journal);
	for (uint32_t i = run->journal->entry_cnt; i-- > first_idx;) {
		struct bh_journal_entry *entry = &run->journal->entry[i];
		if (entry->state > BH_ENTRY_DONE)
			continue;
		int err = restore_entry(run, entry, rebooted);
		if (err != 0 && first_err == 0) {
			first_err = err;
			first = *run->error;
		}
	}
	if (first_err != 0)
		*run->error = first;
	return first_err;
}

/* Taking the CPUs away from under a running cell would be a silent end of its isolation. */
static int
guard_running(const char *root, const struct bh_journal *journal, struct bh_error *error)
{
	char pid[64];
	if (bh_journal_find(journal, BH_CHANGE_GROUP, BH_PARTITION_GROUP) == NULL ||
	    bh_sys_read(pid, sizeof(pid), root, BH_PARTITION_GROUP "/cgroup.procs") != 0 || pid[0] == '\0')
		return 0;
	return bh_error_set(error, "E233", -EBUSY,
	                    "process %s still runs in the partition (" BH_PARTITION_GROUP
	                    "/cgroup.procs lists all); end it first, nothing was changed",
	                    pid);
}

/*
 * A kernel's upgrade has made GRUB's configuration anew meanwhile, with our parameters: now that the drop-in is gone, it is made once
 * more, without them.
 */
static int
make_grub_again(struct bh_applying *run)
{
	const char *path = bh_grub_cfg_path(run->root);
	char full[BH_SYS_PATH_BYTES], *now = NULL, *cfg = NULL;
	struct bh_error why = {0};
	bool ours = false;
	for (uint32_t i = 0; i < run->journal->entry_cnt; i++)
		ours = ours || strcmp(run->journal->entry[i].path, path) == 0;
	if (!ours || bh_change_read(run->root, BH_CHANGE_FILE, path, &now) != 0 || now == NULL)
		return 0;
	bool clean = strstr(now, "bulkhead") == NULL;
	free(now);
	if (clean)
		return 0;
	int err = bh_change_ops->generate(run->root, "", &cfg, &why);
	if (err == 0)
		err = bh_sys_path(full, run->root, "%s", path);
	if (err == 0)
		err = bh_file_replace(full, cfg, 0644);
	free(cfg);
	return err == 0 ? 0
	                : bh_error_set(run->error, "E231", -EIO,
	                               "%s still has our parameters, and a new one could not be made: %.300s; run "
	                               "update-grub, then 'bulkhead restore' again",
	                               path, why.text[0] != '\0' ? why.text : strerror(-err));
}

static int
restore_all(struct bh_applying *run)
{
	sigset_t before;
	bh_signals_hold(&before);
	int err = bh_put_back(run, 0);
	if (err == 0)
		err = make_grub_again(run);
	if (err == 0) {
		err = bh_journal_remove(run->journal);
		if (err != 0)
			err = bh_error_set(run->error, "E221", err,
			                   "all is back, but the journal cannot be removed: %s", strerror(-err));
	}
	bh_signals_release(&before, false);
	return err;
}

/* What is left is what outlives a boot. */
static int
adopt(struct bh_journal *journal, struct bh_error *error)
{
	uint32_t left_cnt = 0;
	int err = bh_journal_adopt(journal, error);
	for (uint32_t i = 0; i < journal->entry_cnt; i++)
		left_cnt += journal->entry[i].state <= BH_ENTRY_DONE;
	if (err != 0 || left_cnt > 0)
		return err;
	err = bh_journal_remove(journal);
	return err == 0 ? 0 : bh_error_set(error, "E221", err, "the journal cannot be removed: %s", strerror(-err));
}

int
bh_after_boot(const char *root, bool *out_reapply, char out_config[PATH_MAX], struct bh_error *error)
{
	struct bh_journal journal;
	*out_reapply = false;
	out_config[0] = '\0';
	int lock = bh_machine_lock(root, error);
	if (lock < 0)
		return lock;
	int err = bh_journal_open(root, &journal, error);
	if (err == 0) {
		*out_reapply = journal.reapply;
		memcpy(out_config, journal.config, PATH_MAX);
		err = bh_journal_rebooted(&journal) ? adopt(&journal, error) : 0;
		bh_journal_close(&journal);
	}
	close(lock);
	return err == -ENOENT ? 0 : err;
}

int
bh_restore(const char *root, bh_step_fn *told, void *context, struct bh_apply_report *out, struct bh_error *error)
{
	struct bh_journal journal;
	struct bh_applying run = {root, &journal, told, context, out, error, error};
	*out = (struct bh_apply_report){0};
	int lock = bh_machine_lock(root, error);
	if (lock < 0)
		return lock;
	int err = bh_journal_open(root, &journal, error);
	if (err == 0) {
		err = guard_running(root, &journal, error);
		if (err == 0)
			err = restore_all(&run);
		bh_journal_close(&journal);
	}
	close(lock);
	return err == -ENOENT ? 0 : err;
}
