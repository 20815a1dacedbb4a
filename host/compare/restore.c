/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/compare/restore.h"
#include "host/compare/text.h"
#include "host/errors/errors.h"

#define SETTLE_TURNS 10u
#define SETTLE_MS    50

/* "[none] mq-deadline" means none: of a list, sysfs shows the choice in brackets. */
static void
chosen(char *value)
{
	char *open = strchr(value, '['), *close = open != NULL ? strchr(open, ']') : NULL;
	if (close == NULL)
		return;
	*close = '\0';
	memmove(value, open + 1, strlen(open + 1) + 1);
}

static int
read_value(const char *path, char *value, size_t value_bytes)
{
	char line[256];
	int err = bh_text_file(line, sizeof(line), path);
	chosen(line);
	if (err == 0 && strlen(line) >= value_bytes)
		err = -EOVERFLOW;
	snprintf(value, value_bytes, "%s", err == 0 ? line : "");
	return err;
}

static int
make_dirs(const char *dir)
{
	char path[192];
	snprintf(path, sizeof(path), "%s", dir);
	for (char *slash = path + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
		*slash = '\0';
		if (mkdir(path, 0755) != 0 && errno != EEXIST)
			return -errno;
		*slash = '/';
	}
	return mkdir(path, 0700) != 0 && errno != EEXIST ? -errno : 0;
}

/* One line per entry: path, a tab, what stood there. */
static int
load(struct bh_restore *restore)
{
	char line[300];
	FILE *stream = fopen(restore->journal, "re");
	if (stream == NULL)
		return errno == ENOENT ? 0 : -errno;
	while (fgets(line, sizeof(line), stream) != NULL && restore->entry_cnt < BH_RESTORE_MAX) {
		struct bh_restore_entry *entry = &restore->entry[restore->entry_cnt];
		char *tab = strchr(line, '\t');
		if (tab == NULL || strchr(line, '\n') == NULL)
			continue; /* cut short by a crash: its change was never made */
		*tab = '\0';
		tab[1 + strcspn(tab + 1, "\n")] = '\0';
		if (strlen(line) >= sizeof(entry->path) || strlen(tab + 1) >= sizeof(entry->before))
			continue;
		*entry = (struct bh_restore_entry){.changed = true};
		memcpy(entry->path, line, strlen(line) + 1);
		memcpy(entry->before, tab + 1, strlen(tab + 1) + 1);
		restore->entry_cnt++;
	}
	fclose(stream);
	return 0;
}

int
bh_restore_load(struct bh_restore *restore, const char *dir, const char *name, struct bh_error *error)
{
	memset(restore, 0, sizeof(*restore));
	int err = make_dirs(dir);
	if (err == 0 &&
	    snprintf(restore->journal, sizeof(restore->journal), "%s/%s", dir, name) >= (int)sizeof(restore->journal))
		err = -ENAMETOOLONG;
	if (err == 0)
		err = load(restore);
	if (err != 0)
		return bh_error_set(error, "E186", -EIO, "cannot keep a journal of changes in %s: %s", dir,
		                    strerror(-err));
	return 0;
}

int
bh_restore_open(struct bh_restore *restore, const char *dir, const char *name, struct bh_error *error)
{
	int err = bh_restore_load(restore, dir, name, error);
	if (err == 0)
		err = bh_restore_back(restore, NULL, error);
	if (err == 0) {
		bh_restore_close(restore);
		restore->entry_cnt = 0;
	}
	return err;
}

static int
journal(const struct bh_restore *restore, const struct bh_restore_entry *entry)
{
	char line[300];
	int len = snprintf(line, sizeof(line), "%s\t%s\n", entry->path, entry->before), err = 0;
	int fd = open(restore->journal, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	ssize_t put = write(fd, line, (size_t)len);
	if (put != len)
		err = put < 0 ? -errno : -EIO;
	else if (fsync(fd) != 0)
		err = -errno;
	if (close(fd) != 0 && err == 0)
		err = -errno;
	return err;
}

static struct bh_restore_entry *
find(struct bh_restore *restore, const char *path)
{
	for (uint32_t i = 0; i < restore->entry_cnt; i++) {
		if (strcmp(restore->entry[i].path, path) == 0)
			return &restore->entry[i];
	}
	return NULL;
}

/* Write and read back; what goes wrong is for the report. */
static void
put_value(struct bh_restore_entry *entry, const char *value)
{
	char now[64];
	int err = bh_text_write(entry->path, value);
	if (err == 0)
		err = read_value(entry->path, now, sizeof(now));
	if (err != 0)
		snprintf(entry->why_not, sizeof(entry->why_not), "%s", strerror(-err));
	else if (strcmp(now, value) != 0)
		snprintf(entry->why_not, sizeof(entry->why_not), "reads back as %.40s", now);
}

int
bh_restore_set(struct bh_restore *restore, const char *path, const char *value, struct bh_error *error)
{
	struct bh_restore_entry *entry = find(restore, path);
	char now[64];
	int err = read_value(path, now, sizeof(now));

	if (entry == NULL) {
		if (restore->entry_cnt == BH_RESTORE_MAX || strlen(path) >= sizeof(entry->path))
			return bh_error_set(error, "E186", -ENOSPC, "no room in the journal for %s", path);
		entry = &restore->entry[restore->entry_cnt++];
		*entry = (struct bh_restore_entry){0};
		memcpy(entry->path, path, strlen(path) + 1);
		memcpy(entry->before, now, sizeof(now));
	}
	snprintf(entry->set, sizeof(entry->set), "%s", value);
	entry->why_not[0] = '\0';
	if (err != 0) {
		snprintf(entry->why_not, sizeof(entry->why_not), "%s", strerror(-err));
		return 0;
	}
	if (!entry->changed) { /* also where it needs no change: a new probe of the device would lose it */
		memcpy(entry->before, now, sizeof(now));
		err = journal(restore, entry);
		entry->changed = err == 0;
	}
	if (err != 0)
		return bh_error_set(error, "E186", -EIO, "cannot write %s: %s; nothing was changed", restore->journal,
		                    strerror(-err));
	if (strcmp(now, value) != 0)
		put_value(entry, value);
	return 0;
}

static int
put_back(struct bh_restore_entry *entry)
{
	char now[64];
	int err = read_value(entry->path, now, sizeof(now));
	if (err == -ENOENT || err == -ENODEV)
		return 0;
	if (err == 0 && strcmp(now, entry->before) == 0)
		return 0;
	return bh_text_write(entry->path, entry->before);
}

int
bh_restore_back(struct bh_restore *restore, const char *part, struct bh_error *error)
{
	int first_err = 0;
	for (uint32_t i = restore->entry_cnt; i-- > 0;) {
		struct bh_restore_entry *entry = &restore->entry[i];
		if (!entry->changed || (part != NULL && strstr(entry->path, part) == NULL))
			continue;
		int err = put_back(entry);
		if (err == 0 || entry->why_not[0] != '\0') {
			entry->changed = false; /* put back, or never in use */
			continue;
		}
		if (first_err == 0)
			first_err =
			        bh_error_set(error, "E187", -EIO,
			                     "cannot put %s back to '%s': %s; write it by hand: "
			                     "echo '%s' > %s",
			                     entry->path, entry->before, strerror(-err), entry->before, entry->path);
	}
	return first_err;
}

void
bh_restore_settle(struct bh_restore *restore)
{
	char now[64];
	for (unsigned turn = 0; turn < SETTLE_TURNS; turn++) {
		poll(NULL, 0, SETTLE_MS);
		for (uint32_t i = 0; i < restore->entry_cnt; i++) {
			struct bh_restore_entry *entry = &restore->entry[i];
			if (entry->why_not[0] == '\0' && read_value(entry->path, now, sizeof(now)) == 0 &&
			    strcmp(now, entry->before) != 0 && bh_text_write(entry->path, entry->before) != 0)
				return; /* bh_restore_back has said what can be said */
		}
	}
}

void
bh_restore_close(struct bh_restore *restore)
{
	bool all_back = true;
	for (uint32_t i = 0; i < restore->entry_cnt; i++)
		all_back = all_back && !restore->entry[i].changed;
	if (all_back)
		unlink(restore->journal);
}

json_t *
bh_restore_json(const struct bh_restore *restore)
{
	json_t *list = json_array();
	for (uint32_t i = 0; i < restore->entry_cnt; i++) {
		const struct bh_restore_entry *entry = &restore->entry[i];
		json_array_append_new(list,
		                      json_pack("{s:s, s:s, s:s, s:b, s:s*}", "path", entry->path, "before",
		                                entry->before, "set", entry->set, "in_use", entry->why_not[0] == '\0',
		                                "why_not", entry->why_not[0] != '\0' ? entry->why_not : NULL));
	}
	return list;
}
