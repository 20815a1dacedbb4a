/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mounted anywhere: the mountinfo of every process whose mount namespace was not looked at yet, by device number and, for file
 * systems without a device of their own (btrfs, ZFS, bcachefs), by the source they name; btrfs lists all its disks in sysfs.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/device/bind_private.h"

struct mount {
	uint32_t major, minor;
	const char *point, *type, *source;
};

/* proc(5): "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue". */
static bool
parse_mount(char *line, struct mount *out)
{
	char *field[5], *word;
	for (size_t i = 0; i < BH_ARRAY_CNT(field); i++) {
		field[i] = bh_bind_field(&line);
		if (field[i] == NULL)
			return false;
	}
	if (sscanf(field[2], "%9u:%9u", &out->major, &out->minor) != 2)
		return false;
	do
		word = bh_bind_field(&line);
	while (word != NULL && strcmp(word, "-") != 0);
	char *type = bh_bind_field(&line), *source = bh_bind_field(&line);
	if (word == NULL || type == NULL)
		return false;
	bh_bind_unescape(field[4]);
	if (source != NULL)
		bh_bind_unescape(source);
	out->point = field[4];
	out->type = type;
	out->source = source != NULL ? source : "";
	return true;
}

/* bcachefs names its disks as /dev/a:/dev/b. */
static const struct bh_bind_block *
block_of_source(const struct bh_bind_scope *scope, const char *source)
{
	char part[256];
	while (*source != '\0') {
		size_t len = strcspn(source, ":");
		if (len < sizeof(part)) {
			memcpy(part, source, len);
			part[len] = '\0';
			const struct bh_bind_block *block = bh_bind_block_path(scope, part);
			if (block != NULL)
				return block;
		}
		source += len + (source[len] == ':');
	}
	return NULL;
}

static bool
boots_from(const char *point)
{
	static const char *const points[] = {"/", "/boot", "/boot/efi", "/efi", "/usr"};
	for (size_t i = 0; i < BH_ARRAY_CNT(points); i++) {
		if (strcmp(point, points[i]) == 0)
			return true;
	}
	return false;
}

static void
look_at_mount(struct bh_bind_scope *scope, const struct mount *mount, const char *pid)
{
	char text[2 * BH_SYS_NAME_BYTES + 40];
	const struct bh_bind_block *block = bh_bind_block_at(scope, mount->major, mount->minor);
	if (block == NULL)
		block = block_of_source(scope, mount->source);
	if (block == NULL)
		return;
	bh_bind_block_text(block, text);
	bh_bind_add(&scope->findings, "mounted", "%s is mounted on %.60s (%.12s; /proc/%s/mountinfo)", text,
	            mount->point, mount->type, pid);
	if ((strcmp(pid, "1") == 0 || strcmp(pid, "self") == 0) && boots_from(mount->point))
		bh_bind_add(&scope->findings, "boot-disk", "%s holds %s of this system (/proc/%s/mountinfo)", text,
		            mount->point, pid);
}

static int
look_at_process(struct bh_bind_scope *scope, const char *pid)
{
	struct mount mount;
	char *text, *rest;
	int64_t len = bh_sys_load(&text, scope->root, "/proc/%s/mountinfo", pid);
	if (len < 0)
		return (int)len;
	for (char *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
		if (parse_mount(line, &mount))
			look_at_mount(scope, &mount, pid);
	}
	free(text);
	return 0;
}

/* Whether a namespace was seen before; it is from now on. A process without a readable link is looked at. */
static bool
seen_namespace(const struct bh_bind_scope *scope, const char *pid, struct bh_sys_names *seen, size_t room)
{
	char name[BH_SYS_NAME_BYTES];
	if (bh_sys_link_name(name, sizeof(name), scope->root, "/proc/%s/ns/mnt", pid) != 0)
		return false;
	for (size_t i = 0; i < seen->cnt; i++) {
		if (strcmp(seen->name[i], name) == 0)
			return true;
	}
	if (seen->cnt < room)
		strcpy(seen->name[seen->cnt++], name);
	return false;
}

static void
look_at_processes(struct bh_bind_scope *scope)
{
	struct bh_sys_names pids, seen = {0};
	int err = bh_bind_pids(scope->root, &pids);
	if (err != 0) {
		bh_bind_add(&scope->findings, "unreadable", "/proc cannot be listed: %s", strerror(-err));
		return;
	}
	seen.name = calloc(pids.cnt + 1, sizeof(*seen.name));
	for (size_t i = 0; seen.name != NULL && i < pids.cnt; i++) {
		if (seen_namespace(scope, pids.name[i], &seen, pids.cnt))
			continue;
		err = look_at_process(scope, pids.name[i]);
		if (err == -EACCES || err == -EPERM)
			bh_bind_add(&scope->notes, "unseen", "/proc/%s/mountinfo is not readable", pids.name[i]);
	}
	if (seen.name == NULL)
		bh_bind_add(&scope->findings, "unreadable", "no memory to look at all mount namespaces");
	bh_sys_names_free(&seen);
	bh_sys_names_free(&pids);
}

static void
look_at_btrfs(struct bh_bind_scope *scope)
{
	struct bh_sys_names systems, disks;
	char text[2 * BH_SYS_NAME_BYTES + 40];
	if (bh_sys_list(&systems, scope->root, "/sys/fs/btrfs") != 0)
		return;
	for (size_t i = 0; i < systems.cnt; i++) {
		if (bh_sys_list(&disks, scope->root, "/sys/fs/btrfs/%s/devices", systems.name[i]) != 0)
			continue;
		for (size_t j = 0; j < scope->block_cnt; j++) {
			for (size_t k = 0; k < disks.cnt; k++) {
				if (strcmp(scope->block[j].name, disks.name[k]) == 0)
					bh_bind_add(&scope->findings, "mounted",
					            "%s belongs to a mounted btrfs file system "
					            "(/sys/fs/btrfs/%s/devices)",
					            bh_bind_block_text(&scope->block[j], text), systems.name[i]);
			}
		}
		bh_sys_names_free(&disks);
	}
	bh_sys_names_free(&systems);
}

void
bh_bind_guard_mounts(struct bh_bind_scope *scope)
{
	if (scope->block_cnt == 0)
		return;
	int err = look_at_process(scope, "self");
	if (err != 0)
		bh_bind_add(&scope->findings, "unreadable", "/proc/self/mountinfo cannot be read: %s", strerror(-err));
	look_at_processes(scope);
	look_at_btrfs(scope);
}
