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
#define FILE_OF "/%s.d/50-AllowedCPUs.conf"

#define LOOK_NS 10000000

/* Units without a file of their own (init.scope) keep their settings apart. Return: the folder that has one, or NULL. */
static const char *
folder_of(const char *root, const char *name)
{
	static const char *const folder[] = {"/run/systemd/system.control", "/run/systemd/transient"};
	for (size_t i = 0; i < BH_ARRAY_CNT(folder); i++) {
		if (bh_sys_exists(root, "%s" FILE_OF, folder[i], name))
			return folder[i];
	}
	return NULL;
}

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
	const char *folder = folder_of(root, name);
	if (folder == NULL)
		return 0;
	int64_t got = bh_sys_load(&text, root, "%s" FILE_OF, folder, name);
	int err = got < 0 ? (int)got : parse_file(text, out);
	if (got >= 0)
		free(text);
	*out_set = err == 0;
	if (err != 0)
		return bh_error_set(error, "E268", err,
		                    "%s%s" FILE_OF " makes no sense: %s; 'systemctl revert %s' forgets it", root,
		                    folder, name, strerror(-err), name);
	return 0;
}

static int
systemctl(const char *folders, const char *const *argv, char **out, struct bh_error *error)
{
	const struct bh_tool tool = {.folders = folders, .wait_ns = BH_SLICES_TOOL_NS};
	char said[BH_TOOL_SAID_BYTES];
	int code = bh_tool_run(&tool, argv, out, said);
	if (code == 0)
		return 0;
	if (code > 0 && out != NULL)
		free(*out);
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
	                 NULL, error);
}

static void
write_group(const char *path, const struct bh_cpus *cpus)
{
	char list[BH_CPUS_TEXT_BYTES];
	FILE *file = fopen(path, "we");
	if (file == NULL)
		return;
	fprintf(file, "%s\n", bh_cpus_list(cpus, list));
	fclose(file); /* whether it was taken is read below */
}

static bool
group_has(const char *path, const struct bh_cpus *want)
{
	struct bh_cpus have;
	int err = bh_cpus_read(&have, "", "%s", path);
	return (err == 0 && bh_cpus_equal(&have, want)) || (err == -ENOENT && bh_cpus_empty(want));
}

/*
 * What counts now that the setting is gone. Where nothing is allowed in particular, systemd writes nothing, and the kernel refuses
 * to empty the list of a group with processes (ENOSPC): then all CPUs are written, until the controller is switched off.
 */
static int
settle(const char *root, const char *folders, const char *name, struct bh_error *error)
{
	const char *const show[] = {"systemctl", "show", "--property=AllowedCPUs", name, NULL};
	char path[BH_SYS_PATH_BYTES], *text;
	struct bh_cpus want = {0};
	int err = systemctl(folders, show, &text, error);
	if (err != 0)
		return err;
	/* systemd says nothing of properties that the unit does not have. */
	err = text[0] == '\0' ? 0 : parse_file(text, &want);
	free(text);
	if (err == 0)
		err = bh_sys_path(path, root, GROUPS "/%s/cpuset.cpus", name);
	if (err != 0)
		return bh_error_set(error, "E268", err, "systemctl show: AllowedCPUs of %s makes no sense", name);
	if (group_has(path, &want))
		return 0;
	write_group(path, &want);
	if (bh_cpus_empty(&want) && !group_has(path, &want) && bh_cpus_possible(root, &want) == 0)
		write_group(path, &want);
	return wait_group(root, name, &want, error);
}

static int
remove_setting(const char *path, struct bh_error *error)
{
	char folder[BH_SYS_PATH_BYTES];
	if (unlink(path) != 0 && errno != ENOENT)
		return bh_error_set(error, "E268", -errno, "%s cannot be removed: %s", path, strerror(errno));
	snprintf(folder, sizeof(folder), "%s", path);
	*strrchr(folder, '/') = '\0';
	/* Others' settings may lie there, too. */
	if (rmdir(folder) != 0 && errno != ENOTEMPTY && errno != EEXIST && errno != ENOENT)
		return bh_error_set(error, "E268", -errno, "%s cannot be removed: %s", folder, strerror(errno));
	return 0;
}

/* The setting of this boot is emptied first; then its file goes, and systemd forgets it. */
static int
forget(const char *root, const char *folders, const char *name, struct bh_error *error)
{
	char path[BH_SYS_PATH_BYTES];
	const char *folder = folder_of(root, name);
	if (folder == NULL)
		return 0;
	int err = bh_sys_path(path, root, "%s" FILE_OF, folder, name);
	if (err != 0)
		return bh_error_set(error, "E268", err, "the path of %s's setting is too long", name);
	err = set_property(folders, name, "", error);
	if (err == 0)
		err = remove_setting(path, error);
	if (err == 0)
		err = systemctl(folders, (const char *const[]){"systemctl", "daemon-reload", NULL}, NULL, error);
	return err == 0 ? settle(root, folders, name, error) : err;
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
