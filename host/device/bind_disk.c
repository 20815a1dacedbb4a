/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel's own lists say about a disk: swap, holders, loop devices, NVMe over fabrics exports, the boot command line. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/device/bind_private.h"

/* proc(5): a heading, then "path type size used priority"; a file that was removed has " (deleted)" in its path, escaped. */
static void
look_at_swaps(struct bh_bind_scope *scope)
{
	char *text, *rest, name[2 * BH_SYS_NAME_BYTES + 40];
	int64_t len = bh_sys_load(&text, scope->root, "/proc/swaps");
	if (len < 0) {
		if (len != -ENOENT) /* a kernel without swap */
			bh_bind_add(&scope->findings, "unreadable", "/proc/swaps: %s", strerror((int)-len));
		return;
	}
	for (char *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
		char *path = bh_bind_field(&line);
		if (path == NULL)
			continue;
		bh_bind_unescape(path);
		const struct bh_bind_block *block = bh_bind_block_path(scope, path);
		if (block != NULL)
			bh_bind_add(&scope->findings, "swap", "%s is swap space in use (/proc/swaps)",
			            bh_bind_block_text(block, name));
	}
	free(text);
}

/* dm-0 says little: its name and the kind before the first dash of its uuid (LVM-..., CRYPT-...) say more. */
static void
describe_holder(const struct bh_bind_scope *scope, const char *holder, char out[160])
{
	char name[80] = "", uuid[132] = "", level[32] = "";
	if (bh_sys_read(name, sizeof(name), scope->root, "/sys/class/block/%s/dm/name", holder) == 0) {
		(void)bh_sys_read(uuid, sizeof(uuid), scope->root, "/sys/class/block/%s/dm/uuid", holder);
		size_t kind = strcspn(uuid, "-");
		uuid[kind] = '\0';
		snprintf(out, 160, "%s, device-mapper%s%.16s '%s'", holder, kind > 0 ? " " : "", uuid, name);
	} else if (bh_sys_read(level, sizeof(level), scope->root, "/sys/class/block/%s/md/level", holder) == 0) {
		snprintf(out, 160, "%s, MD %s", holder, level);
	} else {
		snprintf(out, 160, "%s", holder);
	}
}

static void
look_at_holders(struct bh_bind_scope *scope)
{
	struct bh_sys_names holders;
	char text[160];
	for (size_t i = 0; i < scope->block_cnt; i++) {
		const struct bh_bind_block *block = &scope->block[i];
		if (!block->own)
			continue;
		int err = bh_sys_list(&holders, scope->root, "/sys/class/block/%s/holders", block->name);
		if (err != 0 && err != -ENOENT)
			bh_bind_add(&scope->findings, "unreadable", "/sys/class/block/%s/holders: %s", block->name,
			            strerror(-err));
		for (size_t j = 0; err == 0 && j < holders.cnt; j++) {
			describe_holder(scope, holders.name[j], text);
			bh_bind_add(&scope->findings, "holder", "/dev/%s is held by %s (/sys/class/block/%s/holders)",
			            block->name, text, block->name);
		}
		if (err == 0)
			bh_sys_names_free(&holders);
	}
}

/* A loop device does not keep its backing device for itself: no exclusive open fails because of it. */
static void
look_at_loops(struct bh_bind_scope *scope)
{
	struct bh_sys_names all;
	char path[BH_SYS_TEXT_BYTES], text[2 * BH_SYS_NAME_BYTES + 40];
	if (bh_sys_list(&all, scope->root, "/sys/class/block") != 0)
		return;
	for (size_t i = 0; i < all.cnt; i++) {
		if (strncmp(all.name[i], "loop", 4) != 0 ||
		    bh_sys_read(path, sizeof(path), scope->root, "/sys/class/block/%s/loop/backing_file",
		                all.name[i]) != 0)
			continue;
		const struct bh_bind_block *block = bh_bind_block_path(scope, path);
		if (block != NULL)
			bh_bind_add(&scope->findings, "loop",
			            "%s is behind /dev/%s (/sys/class/block/%s/loop/backing_file)",
			            bh_bind_block_text(block, text), all.name[i], all.name[i]);
	}
	bh_sys_names_free(&all);
}

#define NVMET "/sys/kernel/config/nvmet/subsystems"

static void
look_at_export(struct bh_bind_scope *scope, const char *subsystem, const char *namespace)
{
	char path[BH_SYS_TEXT_BYTES], text[2 * BH_SYS_NAME_BYTES + 40];
	uint64_t enabled = 0;
	if (bh_sys_read_number(&enabled, 1, scope->root, NVMET "/%s/namespaces/%s/enable", subsystem, namespace) != 0 ||
	    enabled == 0 ||
	    bh_sys_read(path, sizeof(path), scope->root, NVMET "/%s/namespaces/%s/device_path", subsystem, namespace) !=
	            0)
		return;
	const struct bh_bind_block *block = bh_bind_block_path(scope, path);
	if (block != NULL)
		bh_bind_add(&scope->findings, "exported",
		            "%s is exported over NVMe over fabrics as %.60s namespace %.10s (nvmet)",
		            bh_bind_block_text(block, text), subsystem, namespace);
}

/* The kernel's NVMe target opens its disks without keeping them for itself, too. */
static void
look_at_exports(struct bh_bind_scope *scope)
{
	struct bh_sys_names subsystems, namespaces;
	if (bh_sys_list(&subsystems, scope->root, NVMET) != 0)
		return;
	for (size_t i = 0; i < subsystems.cnt; i++) {
		if (bh_sys_list(&namespaces, scope->root, NVMET "/%s/namespaces", subsystems.name[i]) != 0)
			continue;
		for (size_t j = 0; j < namespaces.cnt; j++)
			look_at_export(scope, subsystems.name[i], namespaces.name[j]);
		bh_sys_names_free(&namespaces);
	}
	bh_sys_names_free(&subsystems);
}

/* root=UUID=..., as udev names it; false: not by such a name. */
static bool
path_of_root(const char *value, char out[BH_SYS_PATH_BYTES])
{
	static const struct {
		const char *prefix, *folder;
	} known[] = {
	        {"UUID=", "/dev/disk/by-uuid"},
	        {"PARTUUID=", "/dev/disk/by-partuuid"},
	        {"LABEL=", "/dev/disk/by-label"},
	        {"PARTLABEL=", "/dev/disk/by-partlabel"},
	};
	for (size_t i = 0; i < BH_ARRAY_CNT(known); i++) {
		size_t len = strlen(known[i].prefix);
		if (strncmp(value, known[i].prefix, len) == 0)
			return strchr(value, '/') == NULL &&
			       bh_sys_path(out, "", "%s/%s", known[i].folder, value + len) == 0;
	}
	return bh_sys_path(out, "", "%s", value) == 0;
}

static void
look_at_command_line(struct bh_bind_scope *scope)
{
	char *text, *rest, path[BH_SYS_PATH_BYTES], name[2 * BH_SYS_NAME_BYTES + 40];
	if (bh_sys_load(&text, scope->root, "/proc/cmdline") < 0)
		return;
	for (char *word = strtok_r(text, " \n", &rest); word != NULL; word = strtok_r(NULL, " \n", &rest)) {
		bool resume = strncmp(word, "resume=", 7) == 0;
		if ((!resume && strncmp(word, "root=", 5) != 0) || !path_of_root(strchr(word, '=') + 1, path))
			continue;
		const struct bh_bind_block *block = bh_bind_block_path(scope, path);
		if (block != NULL)
			bh_bind_add(&scope->findings, "boot-disk",
			            "%s is what the kernel was booted with: %.80s (/proc/cmdline)",
			            bh_bind_block_text(block, name), word);
	}
	free(text);
}

void
bh_bind_guard_disk(struct bh_bind_scope *scope)
{
	if (scope->block_cnt == 0)
		return;
	look_at_swaps(scope);
	look_at_holders(scope);
	look_at_loops(scope);
	look_at_exports(scope);
	look_at_command_line(scope);
}
