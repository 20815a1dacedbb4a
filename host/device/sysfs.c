/* SPDX-License-Identifier: Apache-2.0 */
#include "host/device/sysfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int
path_of(char out[BH_SYS_PATH_BYTES], const char *root, const char *format, va_list args)
{
	int root_bytes = snprintf(out, BH_SYS_PATH_BYTES, "%s", root);
	if (root_bytes < 0 || root_bytes >= BH_SYS_PATH_BYTES)
		return -ENAMETOOLONG;
	int bytes = vsnprintf(out + root_bytes, (size_t)(BH_SYS_PATH_BYTES - root_bytes), format, args);
	return bytes < 0 || bytes >= BH_SYS_PATH_BYTES - root_bytes ? -ENAMETOOLONG : 0;
}

int
bh_sys_path(char out[BH_SYS_PATH_BYTES], const char *root, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int err = path_of(out, root, format, args);
	va_end(args);
	return err;
}

void
bh_sys_clean(char *text)
{
	for (; *text != '\0'; text++) {
		if (*text < ' ' || *text > '~')
			*text = '?';
	}
}

/* Up to out_bytes - 1 bytes; a device node, a FIFO or a socket is never waited for. */
static ssize_t
read_some(const char *path, char *out, size_t out_bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -errno;
	size_t have = 0;
	while (have < out_bytes) {
		ssize_t got = read(fd, out + have, out_bytes - have);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			int err = -errno;
			close(fd);
			return err;
		}
		if (got == 0)
			break;
		have += (size_t)got;
	}
	close(fd);
	return (ssize_t)have;
}

static int
line_of(char *out, size_t out_bytes, const char *path)
{
	char text[BH_SYS_LINE_BYTES + 1];
	ssize_t got = read_some(path, text, sizeof(text) - 1);
	if (got < 0)
		return (int)got;
	text[got] = '\0';
	size_t bytes = strcspn(text, "\n");
	if (bytes == BH_SYS_LINE_BYTES)
		return -E2BIG;
	while (bytes > 0 && (text[bytes - 1] == ' ' || text[bytes - 1] == '\t'))
		bytes--;
	if (bytes >= out_bytes)
		return -E2BIG;
	memcpy(out, text, bytes);
	out[bytes] = '\0';
	bh_sys_clean(out);
	return 0;
}

int
bh_sys_read(char *out, size_t out_bytes, const char *root, const char *format, ...)
{
	char path[BH_SYS_PATH_BYTES];
	va_list args;
	out[0] = '\0';
	va_start(args, format);
	int err = path_of(path, root, format, args);
	va_end(args);
	return err != 0 ? err : line_of(out, out_bytes, path);
}

int
bh_sys_read_number(uint64_t *out, uint64_t max, const char *root, const char *format, ...)
{
	char path[BH_SYS_PATH_BYTES], text[32], *end;
	va_list args;
	va_start(args, format);
	int err = path_of(path, root, format, args);
	va_end(args);
	if (err == 0)
		err = line_of(text, sizeof(text), path);
	if (err != 0)
		return err == -E2BIG ? -EINVAL : err;
	if (text[0] < '0' || text[0] > '9')
		return -EINVAL;
	int base = text[0] == '0' && text[1] == 'x' ? 16 : 10;
	errno = 0;
	unsigned long long value = strtoull(text, &end, base);
	if (*end != '\0' || errno != 0 || value > max)
		return -EINVAL;
	*out = value;
	return 0;
}

int
bh_sys_link_name(char *out, size_t out_bytes, const char *root, const char *format, ...)
{
	char path[BH_SYS_PATH_BYTES], target[4096];
	va_list args;
	out[0] = '\0';
	va_start(args, format);
	int err = path_of(path, root, format, args);
	va_end(args);
	if (err != 0)
		return err;
	ssize_t bytes = readlink(path, target, sizeof(target) - 1);
	if (bytes < 0)
		return -errno;
	target[bytes] = '\0';
	const char *slash = strrchr(target, '/');
	const char *name = slash != NULL ? slash + 1 : target;
	if (strlen(name) >= out_bytes)
		return -E2BIG;
	strcpy(out, name);
	bh_sys_clean(out);
	return 0;
}

bool
bh_sys_exists(const char *root, const char *format, ...)
{
	char path[BH_SYS_PATH_BYTES];
	va_list args;
	va_start(args, format);
	int err = path_of(path, root, format, args);
	va_end(args);
	return err == 0 && access(path, F_OK) == 0;
}

static int
compare_names(const void *left, const void *right)
{
	return strcmp(left, right);
}

static int
add_name(struct bh_sys_names *names, const char *name)
{
	if (names->cnt == BH_SYS_NAMES_MAX)
		return -E2BIG;
	if (names->cnt % 64 == 0) {
		void *grown = realloc(names->name, (names->cnt + 64) * sizeof(*names->name));
		if (grown == NULL)
			return -ENOMEM;
		names->name = grown;
	}
	strcpy(names->name[names->cnt++], name);
	return 0;
}

int
bh_sys_list(struct bh_sys_names *out, const char *root, const char *format, ...)
{
	char path[BH_SYS_PATH_BYTES];
	struct dirent *entry;
	va_list args;
	*out = (struct bh_sys_names){0};
	va_start(args, format);
	int err = path_of(path, root, format, args);
	va_end(args);
	if (err != 0)
		return err;
	DIR *dir = opendir(path);
	if (dir == NULL)
		return -errno;
	while (err == 0 && (entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] != '.' && strlen(entry->d_name) < BH_SYS_NAME_BYTES)
			err = add_name(out, entry->d_name);
	}
	closedir(dir);
	if (err != 0)
		bh_sys_names_free(out);
	else if (out->cnt > 1)
		qsort(out->name, out->cnt, sizeof(*out->name), compare_names);
	return err;
}

void
bh_sys_names_free(struct bh_sys_names *names)
{
	free(names->name);
	*names = (struct bh_sys_names){0};
}

int64_t
bh_sys_load(char **out, const char *root, const char *format, ...)
{
	char path[BH_SYS_PATH_BYTES], *text = NULL;
	size_t room = 8192;
	va_list args;
	va_start(args, format);
	ssize_t got = path_of(path, root, format, args);
	va_end(args);
	*out = NULL;
	if (got != 0)
		return got;
	for (;; room *= 4) {
		char *grown = realloc(text, room + 1);
		if (grown == NULL)
			got = -ENOMEM;
		else
			got = read_some(path, text = grown, room);
		if (got < 0 || (size_t)got < room)
			break;
		if (room > BH_SYS_FILE_MAX) {
			got = -EFBIG;
			break;
		}
	}
	if (got < 0) {
		free(text);
		return got;
	}
	text[got] = '\0';
	*out = text;
	return got;
}
