/* SPDX-License-Identifier: Apache-2.0 */
#include "host/machine/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/device/file.h"
#include "host/errors/errors.h"
#include "host/machine/journal_line.h"

#define VERSION "1"

static int
path_of(const struct bh_journal *journal, char out[BH_SYS_PATH_BYTES])
{
	return bh_sys_path(out, journal->root, BH_JOURNAL_PATH);
}

static int
cannot(struct bh_error *error, int err, const char *what)
{
	return bh_error_set(error, "E221", err,
	                    "the journal %s cannot be %s: %s; without it nothing is changed: see to it that the disk "
	                    "below /var is writable and has room",
	                    BH_JOURNAL_PATH, what, strerror(-err));
}

/* One line, whole and flushed, or as good as not there: what a full disk left of it is cut off again. */
static int
append(struct bh_journal *journal, char *line)
{
	off_t start = lseek(journal->fd, 0, SEEK_END);
	if (start < 0)
		return -errno;
	int err = bh_file_put(journal->fd, line, strlen(line));
	if (err != 0 && ftruncate(journal->fd, start) != 0)
		err = -errno;
	bh_fault_point();
	return err;
}

static int
append_fields(struct bh_journal *journal, const char *const *field, size_t cnt)
{
	char *line = bh_journal_line(field, cnt);
	int err = line != NULL ? append(journal, line) : -ENOMEM;
	free(line);
	return err;
}

static struct bh_journal_entry *
add_entry(struct bh_journal *journal)
{
	if (journal->entry_cnt == BH_JOURNAL_ENTRIES_MAX)
		return NULL;
	if (journal->entry_cnt == journal->entry_room) {
		uint32_t room = journal->entry_room != 0 ? journal->entry_room * 2 : 64;
		struct bh_journal_entry *entry = realloc(journal->entry, room * sizeof(*entry));
		if (entry == NULL)
			return NULL;
		journal->entry = entry;
		journal->entry_room = room;
	}
	struct bh_journal_entry *entry = &journal->entry[journal->entry_cnt++];
	*entry = (struct bh_journal_entry){0};
	return entry;
}

/* ---- reading ---- */

static bool
take_change(struct bh_journal *journal, char **field, size_t cnt)
{
	enum bh_change_kind kind;
	char *end;
	if (cnt != 6 || bh_change_kind_parse(field[2], &kind) != 0 || strlen(field[3]) >= BH_SYS_PATH_BYTES ||
	    strtoul(field[1], &end, 10) != journal->entry_cnt || *end != '\0')
		return false;
	struct bh_journal_entry *entry = add_entry(journal);
	if (entry == NULL)
		return false;
	entry->kind = kind;
	memcpy(entry->path, field[3], strlen(field[3]) + 1);
	entry->before = field[4] != NULL ? strdup(field[4]) : NULL;
	entry->want = field[5] != NULL ? strdup(field[5]) : NULL;
	return (entry->before != NULL) == (field[4] != NULL) && (entry->want != NULL) == (field[5] != NULL);
}

static bool
take_mark(struct bh_journal *journal, enum bh_entry_state state, char **field, size_t cnt)
{
	char *end;
	if (cnt != 3)
		return false; /* what stands behind the index is for people, but for "done" */
	unsigned long idx = strtoul(field[1], &end, 10);
	if (*end != '\0' || end == field[1] || idx >= journal->entry_cnt)
		return false;
	struct bh_journal_entry *entry = &journal->entry[idx];
	entry->state = state;
	free(entry->held);
	entry->held = state == BH_ENTRY_DONE && field[2] != NULL ? strdup(field[2]) : NULL;
	return true;
}

static bool
take_from(struct bh_journal *journal, char **field, size_t cnt)
{
	if (cnt != 4 || strlen(field[1]) >= sizeof(journal->config))
		return false;
	memcpy(journal->config, field[1], strlen(field[1]) + 1);
	journal->level = strcmp(field[2], "full") == 0 ? BH_LEVEL_FULL : BH_LEVEL_LIVE;
	journal->reapply = strcmp(field[3], "reapply") == 0;
	return true;
}

static bool
take_boot(struct bh_journal *journal, char **field, size_t cnt)
{
	if (cnt != 2 || strlen(field[1]) >= sizeof(journal->boot_id))
		return false;
	memcpy(journal->boot_id, field[1], strlen(field[1]) + 1);
	return true;
}

static bool
take_fields(struct bh_journal *journal, char **field, size_t cnt)
{
	static const char *const mark[] = {
	        [BH_ENTRY_DONE] = "done", [BH_ENTRY_REFUSED] = "refused", [BH_ENTRY_BACK] = "back"};
	const bool change = field[0] != NULL && strcmp(field[0], "change") == 0;
	const bool done = field[0] != NULL && strcmp(field[0], "done") == 0;
	for (size_t i = 0; i < cnt; i++) {
		if (field[i] == NULL && !(change && i >= 4) &&
		    !(done && i == 2)) /* values are all that may be missing */
			return false;
	}
	if (change)
		return take_change(journal, field, cnt);
	if (strcmp(field[0], "boot") == 0)
		return take_boot(journal, field, cnt);
	if (strcmp(field[0], "from") == 0)
		return take_from(journal, field, cnt);
	for (unsigned state = BH_ENTRY_DONE; state <= BH_ENTRY_BACK; state++) {
		if (strcmp(field[0], mark[state]) == 0)
			return take_mark(journal, (enum bh_entry_state)state, field, cnt);
	}
	return false;
}

static int
parse(struct bh_journal *journal, char *text, size_t *out_good_bytes, struct bh_error *error)
{
	unsigned line_idx = 0;
	char *field[BH_JOURNAL_FIELDS_MAX];
	for (char *line = text; *line != '\0'; line_idx++) {
		char *end = strchr(line, '\n');
		if (end == NULL)
			break; /* cut off: what it announces never happened */
		*end = '\0';
		int cnt = bh_journal_fields(line, field);
		if (line_idx == 0 && cnt >= 2 && field[0] != NULL && field[1] != NULL &&
		    strcmp(field[0], "bulkhead-journal") == 0 && strcmp(field[1], VERSION) != 0)
			return bh_error_set(error, "E222", -EPROTO,
			                    BH_JOURNAL_PATH " was written by another version of bulkhead (its format "
			                                    "is %s, mine is " VERSION
			                                    "): let that version restore it; nothing was changed",
			                    field[1]);
		bool good = line_idx == 0 ? cnt == 2 && field[0] != NULL && field[1] != NULL &&
		                                    strcmp(field[0], "bulkhead-journal") == 0
		                          : cnt > 0 && take_fields(journal, field, (size_t)cnt);
		if (!good)
			return bh_error_set(error, "E223", -EBADMSG,
			                    BH_JOURNAL_PATH ":%u is damaged, and nothing is guessed from it: bulkhead "
			                                    "explain E223 tells what can be done; nothing was changed",
			                    line_idx + 1);
		line = end + 1;
		*out_good_bytes = (size_t)(line - text);
	}
	return 0;
}

static int
load(const char *root, struct bh_journal *out, size_t *out_good_bytes, struct bh_error *error)
{
	char *text;
	*out = (struct bh_journal){.root = root, .fd = -1};
	int64_t len = bh_sys_load(&text, root, BH_JOURNAL_PATH);
	if (len == -ENOENT)
		return -ENOENT;
	if (len < 0)
		return cannot(error, (int)len, "read");
	int err = strlen(text) == (size_t)len
	                  ? parse(out, text, out_good_bytes, error)
	                  : bh_error_set(error, "E223", -EBADMSG, BH_JOURNAL_PATH " is damaged: it has zero bytes");
	free(text);
	return err;
}

int
bh_journal_read(const char *root, struct bh_journal *out, struct bh_error *error)
{
	size_t good_bytes = 0;
	int err = load(root, out, &good_bytes, error);
	if (err != 0)
		bh_journal_close(out);
	return err;
}

int
bh_journal_open(const char *root, struct bh_journal *out, struct bh_error *error)
{
	char path[BH_SYS_PATH_BYTES];
	size_t good_bytes = 0;
	int err = load(root, out, &good_bytes, error);
	if (err == -ENOENT)
		return err;
	if (err == 0)
		err = path_of(out, path);
	if (err == 0 && (out->fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW)) < 0 && errno != EROFS &&
	    errno != EACCES)
		err = cannot(error, -errno, "opened");
	if (err == 0 && out->fd >= 0 && ftruncate(out->fd, (off_t)good_bytes) != 0)
		err = cannot(error, -errno, "opened");
	if (err != 0)
		bh_journal_close(out);
	return err;
}

/* ---- writing ---- */

void
bh_boot_id(const char *root, char out[40])
{
	if (bh_sys_read(out, 40, root, "/proc/sys/kernel/random/boot_id") != 0)
		out[0] = '\0';
}

static int
begin(struct bh_journal *journal, const struct bh_wants *wants)
{
	const char *const header[] = {"bulkhead-journal", VERSION};
	const char *const boot[] = {"boot", journal->boot_id};
	const char *const from[] = {"from", wants->path, wants->level == BH_LEVEL_FULL ? "full" : "live",
	                            wants->reapply ? "reapply" : "restore"};
	int err = append_fields(journal, header, BH_ARRAY_CNT(header));
	if (err == 0)
		err = append_fields(journal, boot, BH_ARRAY_CNT(boot));
	return err != 0 ? err : append_fields(journal, from, BH_ARRAY_CNT(from));
}

int
bh_journal_create(const char *root, const struct bh_wants *wants, struct bh_journal *out, struct bh_error *error)
{
	char path[BH_SYS_PATH_BYTES], folder[BH_SYS_PATH_BYTES];
	*out = (struct bh_journal){.root = root, .fd = -1, .level = wants->level, .reapply = wants->reapply};
	memcpy(out->config, wants->path, sizeof(out->config));
	bh_boot_id(root, out->boot_id);
	int err = bh_sys_path(folder, root, BH_JOURNAL_FOLDER);
	if (err == 0)
		err = bh_file_folders(folder, 0700);
	if (err == 0)
		err = path_of(out, path);
	if (err == 0 && (out->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600)) < 0)
		err = -errno;
	if (err != 0)
		return cannot(error, err, "made");
	err = begin(out, wants);
	if (err == 0)
		err = bh_file_flush_folder(path);
	if (err != 0) {
		unlink(path);
		bh_journal_close(out);
		return cannot(error, err, "written");
	}
	return 0;
}

int
bh_journal_intend(struct bh_journal *journal, enum bh_change_kind kind, const char *path, const char *before,
                  const char *want, struct bh_error *error)
{
	char idx[16];
	const char *const field[] = {"change", idx, bh_change_kind_name(kind), path, before, want};
	struct bh_journal_entry entry = {.kind = kind};
	snprintf(idx, sizeof(idx), "%u", journal->entry_cnt);
	snprintf(entry.path, sizeof(entry.path), "%s", path);
	entry.before = before != NULL ? strdup(before) : NULL;
	entry.want = want != NULL ? strdup(want) : NULL;
	struct bh_journal_entry *room = add_entry(journal);
	int err = room == NULL || (before != NULL && entry.before == NULL) || (want != NULL && entry.want == NULL)
	                  ? -ENOMEM
	                  : append_fields(journal, field, BH_ARRAY_CNT(field));
	if (err != 0) {
		journal->entry_cnt -= room != NULL;
		free(entry.before);
		free(entry.want);
		return cannot(error, err, "written");
	}
	*room = entry;
	return (int)(room - journal->entry);
}

int
bh_journal_mark(struct bh_journal *journal, uint32_t idx, enum bh_entry_state state, const char *text)
{
	static const char *const word[] = {
	        [BH_ENTRY_DONE] = "done", [BH_ENTRY_REFUSED] = "refused", [BH_ENTRY_BACK] = "back"};
	char number[16];
	const char *const field[] = {word[state], number, text};
	struct bh_journal_entry *entry = &journal->entry[idx];
	snprintf(number, sizeof(number), "%u", idx);
	entry->state = state;
	if (state == BH_ENTRY_DONE) {
		free(entry->held);
		entry->held = text != NULL ? strdup(text) : NULL;
	}
	return append_fields(journal, field, BH_ARRAY_CNT(field));
}

bool
bh_journal_rebooted(const struct bh_journal *journal)
{
	char boot_id[40];
	bh_boot_id(journal->root, boot_id);
	return strcmp(boot_id, journal->boot_id) != 0;
}

int
bh_journal_adopt(struct bh_journal *journal, struct bh_error *error)
{
	const char *const boot[] = {"boot", journal->boot_id};
	int err = 0;
	for (uint32_t i = 0; i < journal->entry_cnt && err == 0; i++) {
		if (journal->entry[i].state <= BH_ENTRY_DONE && !bh_change_outlives_boot(journal->entry[i].kind))
			err = bh_journal_mark(journal, i, BH_ENTRY_BACK, "reboot");
	}
	bh_boot_id(journal->root, journal->boot_id);
	if (err == 0)
		err = append_fields(journal, boot, BH_ARRAY_CNT(boot));
	return err == 0 ? 0 : cannot(error, err, "written");
}

struct bh_journal_entry *
bh_journal_find(const struct bh_journal *journal, enum bh_change_kind kind, const char *path)
{
	for (uint32_t i = journal->entry_cnt; i-- > 0;) {
		struct bh_journal_entry *entry = &journal->entry[i];
		if (entry->kind == kind && entry->state <= BH_ENTRY_DONE && strcmp(entry->path, path) == 0)
			return entry;
	}
	return NULL;
}

int
bh_journal_remove(struct bh_journal *journal)
{
	char path[BH_SYS_PATH_BYTES];
	int err = path_of(journal, path);
	bh_fault_point();
	return err != 0 ? err : bh_file_remove(path);
}

void
bh_journal_close(struct bh_journal *journal)
{
	for (uint32_t i = 0; i < journal->entry_cnt; i++) {
		free(journal->entry[i].before);
		free(journal->entry[i].want);
		free(journal->entry[i].held);
	}
	free(journal->entry);
	if (journal->fd >= 0)
		close(journal->fd);
	*journal = (struct bh_journal){.root = journal->root, .fd = -1};
}
