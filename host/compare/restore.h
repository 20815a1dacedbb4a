/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of sysfs and procfs that a comparison changes, and what stood there: in a journal, flushed before each change, so
 * that they are put back at the end, or after a crash by the next one.
 */
#ifndef HOST_COMPARE_RESTORE_H
#define HOST_COMPARE_RESTORE_H

#include <bulkhead/types.h>
#include <jansson.h>

#include "host/device/device.h"

#define BH_RESTORE_MAX 128u

struct bh_restore_entry {
	char path[200];
	char before[64];  /* what stood there */
	char set[64];     /* what we wrote last */
	char why_not[64]; /* "": it reads back; else why the value is not in use */
	bool changed;
};

struct bh_restore {
	char journal[192];
	struct bh_restore_entry entry[BH_RESTORE_MAX];
	uint32_t entry_cnt;
};

/**
 * bh_restore_open - begin a journal; one that an ended comparison left is played back first
 * @dir: where journals live (/run/bulkhead/compare); made if missing
 * Return: 0; -EIO a left value could not be put back, or the journal cannot be written (E186).
 */
BH_MUST_CHECK int bh_restore_open(struct bh_restore *restore, const char *dir, const char *name,
                                  struct bh_error *error);

/* bh_restore_load - only read what an ended comparison left. Return: 0; -EIO (E186). */
BH_MUST_CHECK int bh_restore_load(struct bh_restore *restore, const char *dir, const char *name,
                                  struct bh_error *error);

/**
 * bh_restore_set - write a value, with what stood there in the journal first, and read it back
 *
 * Not being able to set it is no error (a queue without a scheduler, a managed interrupt): the entry says why.
 * Return: 0; -EIO the journal cannot be written (E186), nothing was changed; -ENOSPC.
 */
BH_MUST_CHECK int bh_restore_set(struct bh_restore *restore, const char *path, const char *value,
                                 struct bh_error *error);

/**
 * bh_restore_back - put back what stood there, last change first; entries whose path contains `part` (NULL: all)
 * Files that have gone are gone with their values. Return: 0; -EIO (E187, the first that failed).
 */
BH_MUST_CHECK int bh_restore_back(struct bh_restore *restore, const char *part, struct bh_error *error);

/*
 * bh_restore_settle - look again for half a second after bh_restore_back(.., NULL, ..): a driver that has just taken its device goes
 * on setting it up (the nvme driver's second look at a namespace resets read-ahead).
 */
void bh_restore_settle(struct bh_restore *restore);

/* bh_restore_close - forget the journal, if everything was put back. */
void bh_restore_close(struct bh_restore *restore);

/* bh_restore_json - what was set: [{path, before, set, in_use}, ...]. Return: a new reference. */
json_t *bh_restore_json(const struct bh_restore *restore);

#endif
