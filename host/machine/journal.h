/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What stood there before we changed it: /var/lib/bulkhead/journal, a text that is only appended to.
 *
 *	bulkhead-journal 1
 *	boot BOOT-ID
 *	from CONFIGURATION LEVEL AFTER-BOOT
 *	change IDX KIND PATH BEFORE WANT
 *	done IDX VALUE        it was written, and reads back as VALUE
 *	refused IDX ERRNO     the kernel did not take it; nothing was changed
 *	back IDX              it was put back, or is somebody else's by now
 *
 * Each line ends with a sum over itself and is flushed before what it announces happens. Fields are percent-encoded; "-" is
 * a value that is not there. A last line that was cut off announced nothing that happened. A wrong line in front of it, or
 * another version's journal, is an error: nothing is guessed.
 *
 * One process at a time (bh_machine_lock). The folder is root's.
 */
#ifndef HOST_MACHINE_JOURNAL_H
#define HOST_MACHINE_JOURNAL_H

#include <limits.h>

#include "host/machine/change.h"
#include "host/machine/wants.h"

#define BH_JOURNAL_FOLDER      "/var/lib/bulkhead"
#define BH_JOURNAL_PATH        BH_JOURNAL_FOLDER "/journal"
#define BH_JOURNAL_ENTRIES_MAX 8192u

enum bh_entry_state {
	BH_ENTRY_INTENDED = 0, /* perhaps written */
	BH_ENTRY_DONE = 1,
	BH_ENTRY_REFUSED = 2,
	BH_ENTRY_BACK = 3,
};

struct bh_journal_entry {
	enum bh_change_kind kind;
	enum bh_entry_state state;
	char path[BH_SYS_PATH_BYTES];
	char *before, *want;
	char *held; /* BH_ENTRY_DONE: as it read back */
};

struct bh_journal {
	const char *root;
	int fd;
	char boot_id[40];
	char config[PATH_MAX];
	enum bh_level level;
	bool reapply;
	struct bh_journal_entry *entry;
	uint32_t entry_cnt, entry_room;
};

/**
 * bh_journal_open - read the journal that is there, to go on with it
 * Return: 0; -ENOENT there is none; -EPROTO another version wrote it (E222); -EBADMSG damaged (E223); -EIO, ... (E221).
 */
BH_MUST_CHECK int bh_journal_open(const char *root, struct bh_journal *out, struct bh_error *error);

/* bh_journal_read - the same to look at only: nothing is cut off or written, and no lock is needed. Return: as bh_journal_open. */
BH_MUST_CHECK int bh_journal_read(const char *root, struct bh_journal *out, struct bh_error *error);

/* bh_journal_create - begin one; there must be none. Return: 0; a negative errno (E221), and nothing is left. */
BH_MUST_CHECK int bh_journal_create(const char *root, const struct bh_wants *wants, struct bh_journal *out,
                                    struct bh_error *error);

/**
 * bh_journal_intend - announce a change; on the disk when it returns 0
 * Return: the entry's index; a negative errno (E221): do not make the change.
 */
BH_MUST_CHECK int bh_journal_intend(struct bh_journal *journal, enum bh_change_kind kind, const char *path,
                                    const char *before, const char *want, struct bh_error *error);

/*
 * bh_journal_mark - what became of an entry; `text` is the value read back, or the errno's number. Return: 0, or a negative errno:
 * the entry stays as it was, and restore finds out by itself.
 */
BH_MUST_CHECK int bh_journal_mark(struct bh_journal *journal, uint32_t idx, enum bh_entry_state state,
                                  const char *text);

/* bh_journal_rebooted - whether the machine was started anew since it was written. */
bool bh_journal_rebooted(const struct bh_journal *journal);

/**
 * bh_journal_adopt - after a reboot: what it took away is marked as back, and the journal is of this boot from now on
 * Return: 0; a negative errno (E221).
 */
BH_MUST_CHECK int bh_journal_adopt(struct bh_journal *journal, struct bh_error *error);

/* bh_journal_find - the newest entry of that kind and path that is intended or done, or NULL. */
struct bh_journal_entry *bh_journal_find(const struct bh_journal *journal, enum bh_change_kind kind, const char *path);

/* bh_journal_remove - everything is back. Return: 0 or a negative errno. */
BH_MUST_CHECK int bh_journal_remove(struct bh_journal *journal);
void bh_journal_close(struct bh_journal *journal);

/* bh_boot_id - of the running kernel; "" unknown. */
void bh_boot_id(const char *root, char out[40]);

/**
 * bh_machine_lock - keep other calls of bulkhead apply and restore out; waits for them, at most ten seconds
 * Return: a descriptor to close; -EBUSY (E224); a negative errno (E221).
 */
BH_MUST_CHECK int bh_machine_lock(const char *root, struct bh_error *error);

/*
 * bh_fault_point - where a test ends this process: BULKHEAD_KILL_AT=N in the environment kills it with SIGKILL at the N-th. One stands
 * behind each write of the journal and of the machine.
 */
void bh_fault_point(void);

#endif
