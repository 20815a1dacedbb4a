/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stood there, in a file of its own per device: lines of "key value", the last of them a sum over those above it. Written to
 * a temporary file, flushed, renamed, and the folder flushed: it is whole or it is not there. /run does not outlive a boot,
 * and neither does a driver_override.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/device/bind_private.h"
#include "host/device/file.h"

#define JOURNAL_MAX  1024
#define LOCK_WAIT_NS UINT64_C(10000000000)

static const char *
or_dash(const char *text)
{
	return text[0] != '\0' ? text : "-";
}

static int
format_journal(const struct bh_bind_journal *journal, char out[JOURNAL_MAX])
{
	int len = snprintf(out, JOURNAL_MAX,
	                   "bulkhead-bind 1\naddress %s\nidentity %04x:%04x\ndriver %s\ndriver_override %s\nmade %s\n",
	                   journal->address, journal->vendor, journal->device, or_dash(journal->driver),
	                   or_dash(journal->driver_override), or_dash(journal->made));
	len += snprintf(out + len, (size_t)(JOURNAL_MAX - len), "sum %016llx\n",
	                (unsigned long long)bh_text_sum(out, (size_t)len));
	return len;
}

/* A driver's name, a device's name: nothing that leads out of a folder. "-" is none. */
static bool
take_name(const char *value, char *out, size_t out_bytes)
{
	size_t len = strlen(value);
	if (len == 0 || len >= out_bytes || strchr(value, '/') != NULL || value[0] == '.')
		return false;
	for (size_t i = 0; i < len; i++) {
		if (value[i] <= ' ' || value[i] > '~')
			return false;
	}
	snprintf(out, out_bytes, "%s", strcmp(value, "-") == 0 ? "" : value);
	return true;
}

static bool
take_line(char **text, const char *key, char **out_value)
{
	size_t len = strlen(key);
	char *end = strchr(*text, '\n');
	if (end == NULL || strncmp(*text, key, len) != 0 || (*text)[len] != ' ')
		return false;
	*end = '\0';
	*out_value = *text + len + 1;
	*text = end + 1;
	return true;
}

static bool
parse_journal(char *text, struct bh_bind_journal *out)
{
	char *value, rest;
	unsigned vendor, device;
	const char *sum_line = strstr(text, "\nsum ");
	if (sum_line == NULL)
		return false;
	uint64_t sum = bh_text_sum(text, (size_t)(sum_line + 1 - text));
	if (!take_line(&text, "bulkhead-bind", &value) || strcmp(value, "1") != 0)
		return false;
	if (!take_line(&text, "address", &value) || bh_pci_address_parse(value, out->address) != 0 ||
	    strcmp(value, out->address) != 0)
		return false;
	if (!take_line(&text, "identity", &value) || sscanf(value, "%4x:%4x%c", &vendor, &device, &rest) != 2)
		return false;
	out->vendor = (uint16_t)vendor;
	out->device = (uint16_t)device;
	if (!take_line(&text, "driver", &value) || !take_name(value, out->driver, sizeof(out->driver)))
		return false;
	if (!take_line(&text, "driver_override", &value) ||
	    !take_name(value, out->driver_override, sizeof(out->driver_override)))
		return false;
	if (!take_line(&text, "made", &value) || !take_name(value, out->made, sizeof(out->made)))
		return false;
	return take_line(&text, "sum", &value) && strlen(value) == 16 && strtoull(value, NULL, 16) == sum &&
	       *text == '\0';
}

int
bh_bind_journal_read(const char *root, const char *address, struct bh_bind_journal *out)
{
	char *text;
	*out = (struct bh_bind_journal){0};
	int64_t len = bh_sys_load(&text, root, BH_BIND_FOLDER "/%s", address);
	if (len < 0)
		return (int)len;
	bool good = len < JOURNAL_MAX && strlen(text) == (size_t)len && parse_journal(text, out) &&
	            strcmp(out->address, address) == 0;
	free(text);
	return good ? 0 : -EBADMSG;
}

static int
make_folders(const char *root)
{
	char path[BH_SYS_PATH_BYTES];
	int err = bh_sys_path(path, root, BH_BIND_FOLDER);
	return err != 0 ? err : bh_file_folders(path, 0700);
}

int
bh_bind_journal_write(const char *root, const struct bh_bind_journal *journal)
{
	char path[BH_SYS_PATH_BYTES], text[JOURNAL_MAX];
	format_journal(journal, text);
	int err = make_folders(root);
	if (err == 0)
		err = bh_sys_path(path, root, BH_BIND_FOLDER "/%s", journal->address);
	return err != 0 ? err : bh_file_replace(path, text, 0600);
}

int
bh_bind_journal_remove(const char *root, const char *address)
{
	char path[BH_SYS_PATH_BYTES];
	int err = bh_sys_path(path, root, BH_BIND_FOLDER "/%s", address);
	return err != 0 ? err : bh_file_remove(path);
}

int
bh_bind_lock(const char *root)
{
	char path[BH_SYS_PATH_BYTES];
	int err = make_folders(root);
	if (err == 0)
		err = bh_sys_path(path, root, BH_BIND_FOLDER "/.lock");
	if (err != 0)
		return err;
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	uint64_t deadline_ns = bh_bind_ops->now_ns() + LOCK_WAIT_NS;
	while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		err = -errno;
		if ((err != -EWOULDBLOCK && err != -EINTR) || bh_bind_ops->now_ns() >= deadline_ns) {
			close(fd);
			return err == -EWOULDBLOCK ? -EBUSY : err;
		}
		bh_bind_ops->pause(BH_BIND_STEP_NS);
	}
	return fd;
}

bool
bh_bind_taken(const char *root, const char *address, char out_driver[32])
{
	struct bh_bind_journal journal;
	out_driver[0] = '\0';
	if (bh_bind_journal_read(root, address, &journal) != 0)
		return false;
	memcpy(out_driver, journal.driver, sizeof(journal.driver));
	return true;
}
