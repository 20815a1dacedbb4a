/* SPDX-License-Identifier: Apache-2.0 */
#include "host/machine/slices.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "host/errors/errors.h"
#include "host/machine/tool.h"

#define GROUPS  "/sys/fs/cgroup"
#define CONTROL "/run/systemd/system.control"
#define FILE_OF CONTROL "/%s.d/50-AllowedCPUs.conf"

#define LOOK_NS 10000000

bool
bh_slices_managed(const char *root)
{
	return bh_sys_exists(root, "/run/systemd/system") && bh_sys_exists(root, GROUPS "/cgroup.controllers");
}

static bool
ends_with(const char *text, const char *end)
{
	size_t text_len = strlen(text), end_len = strlen(end);
	return text_len > end_len && strcmp(text + text_len - end_len, end) == 0;
}

/* A unit's characters (systemd.unit(5)), and no option of systemctl's. */
static bool
is_name(const char *name)
{
	static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:_.\\-";
	return name[0] != '-' && name[0] != '.' && name[strspn(name, good)] == '\0' &&
	       strlen(name) < BH_SYS_NAME_BYTES && (ends_with(name, ".slice") || ends_with(name, ".scope"));
}

int
bh_slices_list(const char *root, struct bh_sys_names *out, struct bh_error *error)
{
	*out = (struct bh_sys_names){0};
	if (!bh_slices_managed(root))
		return 0;
	int err = bh_sys_list(out, root, GROUPS);
	if (err != 0)
		return bh_error_set(error, "E268", err, "%s%s cannot be listed: %s", root, GROUPS, strerror(-err));
	size_t kept = 0;
	for (size_t i = 0; i < out->cnt; i++) {
		if (is_name(out->name[i]))
			memmove(out->name[kept++], out->name[i], sizeof(out->name[i]));
	}
	out->cnt = kept;
	return 0;
}

/* "# This is a drop-in unit file extension, ...\n[Slice]\nAllowedCPUs=0-1\n"; systemd writes ranges with blanks between. */
static int
parse_file(char *text, struct bh_cpus *out)
{
	static const char key[] = "AllowedCPUs=";
	char *rest = text, *line;
	int found = -EINVAL;
	*out = (struct bh_cpus){0};
	while ((line = strsep(&rest, "\n")) != NULL) {
		if (strncmp(line, key, sizeof(key) - 1) != 0)
			continue;
		char list[BH_CPUS_TEXT_BYTES];
		size_t used = 0;
		for (char *at = line + sizeof(key) - 1, *word; (word = strsep(&at, " \t,")) != NULL;) {
			if (word[0] != '\0' && used < sizeof(list))
				used += (size_t)snprintf(list + used, sizeof(list) - used, used > 0 ? ",%s" : "%s",
				                         word);
		}
		list[used < sizeof(list) ? used : 0] = '\0';
		found = used < sizeof(list) ? bh_cpus_parse_list(list, out) : -E2BIG;
		if (found != 0)
			return -EINVAL;
	}
	return found;
}

int
bh_slices_read(const char *root, const char *name, bool *out_set, struct bh_cpus *out, struct bh_error *error)
{
	char *text;
	*out_set = false;
	*out = (struct bh_cpus){0};
	if (!is_name(name))
		return bh_error_set(error, "E268", -EINVAL, "'%.100s' is no slice or scope of systemd's", name);
	int64_t got = bh_sys_load(&text, root, FILE_OF, name);
	if (got == -ENOENT)
		return 0;
	int err = got < 0 ? (int)got : parse_file(text, out);
	if (got >= 0)
		free(text);
	*out_set = err == 0;
	if (err != 0)
		return bh_error_set(error, "E268", err,
		                    "%s" FILE_OF " makes no sense: %s; 'systemctl revert %s' forgets it", root, name,
		                    strerror(-err), name);
	return 0;
}

static int
systemctl(const char *folders, const char *const *argv, struct bh_error *error)
{
	const struct bh_tool tool = {.folders = folders, .wait_ns = BH_SLICES_TOOL_NS};
	char said[BH_TOOL_SAID_BYTES];
	int code = bh_tool_run(&tool, argv, NULL, said);
	if (code == 0)
		return 0;
	if (code < 0)
		return bh_error_set(error, "E268", code, "systemctl %s cannot be run: %s", argv[1], strerror(-code));
	return bh_error_set(error, "E268", -EIO, "systemctl %s failed (exit code %d): %.300s", argv[1], code, said);
}

/* systemd writes the groups' files after it has answered. */
static int
wait_group(const char *root, const char *name, const struct bh_cpus *want, struct bh_error *error)
{
	char list[BH_CPUS_TEXT_BYTES], wanted[BH_CPUS_TEXT_BYTES];
	struct bh_cpus have;
	int err = 0;
	for (uint64_t waited_ns = 0; waited_ns < BH_SLICES_WAIT_NS; waited_ns += LOOK_NS) {
		err = bh_cpus_read(&have, root, GROUPS "/%s/cpuset.cpus", name);
		/* Without the controller there is no such file, and no restriction. */
		if ((err == 0 && bh_cpus_equal(&have, want)) || (err == -ENOENT && bh_cpus_empty(want)))
			return 0;
		nanosleep(&(struct timespec){.tv_nsec = LOOK_NS}, NULL);
	}
	if (err != 0)
		return bh_error_set(error, "E268", err, GROUPS "/%s/cpuset.cpus cannot be read: %s", name,
		                    strerror(-err));
	return bh_error_set(error, "E268", -ETIMEDOUT,
	                    "systemd took AllowedCPUs for %s, and " GROUPS
	                    "/%s/cpuset.cpus says '%.200s', not '%.200s': see 'systemctl status %s'",
	                    name, name, bh_cpus_list(&have, list), bh_cpus_list(want, wanted), name);
}

static int
set_property(const char *folders, const char *name, const char *list, struct bh_error *error)
{
	char property[BH_CPUS_TEXT_BYTES + 16];
	snprintf(property, sizeof(property), "AllowedCPUs=%s", list);
	return systemctl(folders, (const char *const[]){"systemctl", "set-property", "--runtime", name, property, NULL},
	                 error);
}

/* The setting of this boot is emptied first, so that the group is written; then its file goes, and systemd forgets it. */
static int
forget(const char *root, const char *folders, const char *name, struct bh_error *error)
{
	char path[BH_SYS_PATH_BYTES], *slash;
	int err = bh_sys_path(path, root, FILE_OF, name);
	if (err == 0 && access(path, F_OK) != 0)
		return errno == ENOENT ? 0 : -errno;
	if (err == 0)
		err = set_property(folders, name, "", error);
	if (err == 0 && unlink(path) != 0 && errno != ENOENT)
		err = -errno;
	if (err != 0)
		return error->text[0] != '\0'
		               ? err
		               : bh_error_set(error, "E268", err, "%s cannot be removed: %s", path, strerror(-err));
	slash = strrchr(path, '/');
	*slash = '\0';
	/* Others' settings may lie there, too. */
	if (rmdir(path) != 0 && errno != ENOTEMPTY && errno != EEXIST && errno != ENOENT)
		return bh_error_set(error, "E268", -errno, "%s cannot be removed: %s", path, strerror(errno));
	return systemctl(folders, (const char *const[]){"systemctl", "daemon-reload", NULL}, error);
}

int
bh_slices_write(const char *root, const char *folders, const char *name, const struct bh_cpus *cpus,
                struct bh_error *error)
{
	char list[BH_CPUS_TEXT_BYTES];
	struct bh_error own = {0};
	if (error == NULL)
		error = &own;
	*error = (struct bh_error){0};
	if (!is_name(name))
		return bh_error_set(error, "E268", -EINVAL, "'%.100s' is no slice or scope of systemd's", name);
	if (cpus == NULL)
		return forget(root, folders, name, error);
	int err = set_property(folders, name, bh_cpus_list(cpus, list), error);
	return err != 0 ? err : wait_group(root, name, cpus, error);
}
