/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inih parses; we feed it line by line, so that we know where each entry stands, and so that nothing it would cut or
 * guess (long lines, long names, continuation lines) passes without a word.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/errors/errors.h"
#include "host/run/config_file.h"

#define NAME_BYTES_MAX 48u /* inih cuts section and key names at 49 */

struct reader {
	struct bh_config_file *file;
	FILE *stream;
	char *text; /* getline's */
	size_t text_bytes;
	int line;
	int err;
	struct bh_error *error;
};

static int
fail(struct reader *reader, const char *id, const char *what, const char *name)
{
	if (reader->err == 0)
		reader->err = bh_error_set(reader->error, id, -EINVAL, "%s:%d: %s%s", reader->file->path, reader->line,
		                           what, name);
	return 0;
}

/* Everything from a # or ; on that begins the line or follows a blank; then blanks at both ends. */
static char *
strip(char *text)
{
	for (size_t i = 0; text[i] != '\0'; i++) {
		bool begins = i == 0 || isspace((unsigned char)text[i - 1]);
		if ((text[i] == '#' || text[i] == ';') && begins)
			text[i--] = '\0';
		if (text[i + 1] == '\0' || text[i] == '\0')
			break;
	}
	size_t len = strlen(text);
	while (len > 0 && isspace((unsigned char)text[len - 1]))
		text[--len] = '\0';
	while (isspace((unsigned char)*text))
		text++;
	return text;
}

/* The callers have seen to it that it fits. */
static void
copy_text(char *out, size_t out_bytes, const char *text)
{
	size_t len = strnlen(text, out_bytes - 1);
	memcpy(out, text, len);
	out[len] = '\0';
}

static void
new_section(struct bh_config_file *file, const char *name, int line)
{
	struct bh_config_section *section = &file->section[file->section_cnt++];
	copy_text(section->name, sizeof(section->name), name);
	section->line = line;
}

static struct bh_config_entry *
new_entry(struct bh_config_file *file, const char *section, const char *key)
{
	if (file->entry_cnt == BH_CONFIG_ENTRIES_MAX)
		return NULL;
	struct bh_config_entry *entry = &file->entry[file->entry_cnt++];
	copy_text(entry->section, sizeof(entry->section), section);
	copy_text(entry->key, sizeof(entry->key), key);
	return entry;
}

static void
add_section(struct reader *reader, char *text)
{
	struct bh_config_file *file = reader->file;
	char *end = strchr(text, ']');
	if (end == NULL || end[1] != '\0' || end == text + 1 || (size_t)(end - text) > NAME_BYTES_MAX) {
		fail(reader, "E011", "a section is [name] on a line of its own: ", text);
		return;
	}
	*end = '\0';
	if (file->section_cnt == BH_CONFIG_SECTIONS_MAX)
		fail(reader, "E011", "too many sections: ", text + 1);
	else if (bh_ini_section(file, text + 1) != NULL)
		fail(reader, "E014", "this section stands twice: ", text + 1);
	else
		new_section(file, text + 1, reader->line);
	*end = ']';
}

/* inih's fgets. */
static char *
next_line(char *out, int out_bytes, void *context)
{
	struct reader *reader = context;
	ssize_t got = getline(&reader->text, &reader->text_bytes, reader->stream);
	if (got < 0 || reader->err != 0)
		return NULL;
	reader->line++;
	if (memchr(reader->text, '\0', (size_t)got) != NULL)
		fail(reader, "E011", "a NUL byte: this is not a text file", "");
	char *text = strip(reader->text);
	if (strlen(text) + 3 > (size_t)out_bytes)
		fail(reader, "E011", "the line is too long", "");
	if (text[0] == '[')
		add_section(reader, text);
	else if (text[0] != '\0' && strchr(text, '=') == NULL)
		fail(reader, "E011", "expected key = value, a [section] or a comment: ", text);
	snprintf(out, (size_t)out_bytes, "%s\n", reader->err == 0 ? text : "");
	return out;
}

static int
add_entry(void *context, const char *section, const char *key, const char *value)
{
	struct reader *reader = context;
	struct bh_config_file *file = reader->file;
	if (section[0] == '\0')
		return fail(reader, "E011", "a key before the first [section]: ", key);
	if (strlen(key) > NAME_BYTES_MAX)
		return fail(reader, "E013", "unknown key: ", key);
	const struct bh_config_entry *other = bh_ini_find(file, section, key);
	if (other != NULL) {
		char where[NAME_BYTES_MAX + 48];
		snprintf(where, sizeof(where), "%s; it is set in line %d already", key, other->line);
		return fail(reader, "E014", "this key stands twice: ", where);
	}
	struct bh_config_entry *entry = new_entry(file, section, key);
	if (entry == NULL)
		return fail(reader, "E011", "too many keys: ", key);
	copy_text(entry->value, sizeof(entry->value), value);
	entry->line = reader->line;
	return 1;
}

/* A FIFO or a device could make us wait for ever. */
static int
open_regular(const char *path, FILE **out)
{
	struct stat stat = {0};
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int err = fd < 0 || fstat(fd, &stat) != 0 ? -errno : 0;
	if (err == 0 && !S_ISREG(stat.st_mode))
		err = S_ISDIR(stat.st_mode) ? -EISDIR : -ENOTSUP;
	*out = err == 0 ? fdopen(fd, "r") : NULL;
	if (err == 0 && *out == NULL)
		err = -errno;
	if (err != 0 && fd >= 0)
		close(fd);
	return err;
}

int
bh_ini_read(const char *path, struct bh_config_file *file, struct bh_error *error)
{
	struct reader reader = {.file = file, .error = error};
	if (strlen(path) >= sizeof(file->path))
		return bh_error_set(error, "E010", -ENAMETOOLONG, "the configuration's path is too long");
	copy_text(file->path, sizeof(file->path), path);
	int err = open_regular(path, &reader.stream);
	if (err != 0)
		return bh_error_set(error, "E010", err, "%s: cannot read the configuration: %s", path,
		                    err == -ENOTSUP ? "not a regular file" : strerror(-err));
	int line = ini_parse_stream(next_line, &reader, add_entry, &reader);
	if (reader.err == 0 && ferror(reader.stream) != 0)
		reader.err = bh_error_set(error, "E010", -EIO, "%s: cannot read the configuration: %s", path,
		                          strerror(EISDIR));
	if (reader.err == 0 && line != 0)
		reader.err = bh_error_set(error, "E011", -EINVAL,
		                          "%s:%d: expected key = value, a [section] or a comment", path, line);
	free(reader.text);
	fclose(reader.stream);
	return reader.err;
}

struct bh_config_entry *
bh_ini_find(struct bh_config_file *file, const char *section, const char *key)
{
	for (uint32_t i = 0; i < file->entry_cnt; i++) {
		if (strcmp(file->entry[i].section, section) == 0 && strcmp(file->entry[i].key, key) == 0)
			return &file->entry[i];
	}
	return NULL;
}

const struct bh_config_section *
bh_ini_section(const struct bh_config_file *file, const char *name)
{
	for (uint32_t i = 0; i < file->section_cnt; i++) {
		if (strcmp(file->section[i].name, name) == 0)
			return &file->section[i];
	}
	return NULL;
}

static int
override_entry(struct bh_config_file *file, const char *section, const char *key, const char *value)
{
	struct bh_config_entry *entry = bh_ini_find(file, section, key);
	if (entry == NULL)
		entry = new_entry(file, section, key);
	if (entry == NULL)
		return -E2BIG;
	copy_text(entry->value, sizeof(entry->value), value);
	entry->line = 0;
	return 0;
}

int
bh_ini_override(struct bh_config_file *file, const char *set, struct bh_error *error)
{
	char text[256];
	snprintf(text, sizeof(text), "%s", set);
	char *equals = strchr(text, '=');
	if (equals == NULL || strlen(set) >= sizeof(text))
		return bh_error_set(error, "E017", -EINVAL,
		                    "--set %.64s: expected section.key=value, such as cell.arena=128M", set);
	*equals = '\0';
	char *dot = strrchr(text, '.');
	if (dot == NULL || dot == text || dot[1] == '\0' || strlen(dot + 1) > NAME_BYTES_MAX ||
	    (size_t)(dot - text) > NAME_BYTES_MAX)
		return bh_error_set(error, "E017", -EINVAL,
		                    "--set %s: expected section.key=value, such as cell.arena=128M", set);
	*dot = '\0';
	if (strncmp(text, "device.", 7) == 0)
		text[6] = ' ';
	if (strncmp(text, "port.", 5) == 0)
		text[4] = ' ';
	if ((strncmp(text, "device ", 7) == 0 || strncmp(text, "port ", 5) == 0) && bh_ini_section(file, text) == NULL)
		return bh_error_set(error, "E017", -EINVAL, "--set %s: %s has no section [%s]", set, file->path, text);
	int err = override_entry(file, text, dot + 1, equals + 1);
	return err == 0 ? 0 : bh_error_set(error, "E017", err, "--set %s: too many keys", set);
}
