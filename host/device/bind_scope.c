/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Linux made of a PCI function. A disk or interface belongs to it if its folder in sysfs lies below the function's; what
 * lies on a disk is in its holders/, what lies on an interface is behind its master and upper_* links.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "host/device/bind_private.h"

/* The path without links, or false. */
static bool
real_path(char out[PATH_MAX], const char *root, const char *folder, const char *name)
{
	char path[BH_SYS_PATH_BYTES];
	return bh_sys_path(path, root, "%s/%s", folder, name) == 0 && realpath(path, out) != NULL;
}

static bool
is_below(const char *path, const char *folder)
{
	size_t len = strlen(folder);
	return strncmp(path, folder, len) == 0 && path[len] == '/';
}

/* "259:0\n". */
static bool
read_number_pair(const char *root, const char *name, uint32_t *out_major, uint32_t *out_minor)
{
	char text[32], rest;
	if (bh_sys_read(text, sizeof(text), root, "/sys/class/block/%s/dev", name) != 0)
		return false;
	return sscanf(text, "%9u:%9u%c", out_major, out_minor, &rest) == 2;
}

static bool
has_block(const struct bh_bind_scope *scope, const char *name)
{
	for (size_t i = 0; i < scope->block_cnt; i++) {
		if (strcmp(scope->block[i].name, name) == 0)
			return true;
	}
	return false;
}

static void
add_block(struct bh_bind_scope *scope, const char *name, const char *via)
{
	if (has_block(scope, name))
		return;
	if (scope->block_cnt == BH_BIND_BLOCKS_MAX) {
		bh_bind_add(&scope->findings, "unreadable", "more than %u disks and partitions belong to it",
		            BH_BIND_BLOCKS_MAX);
		return;
	}
	struct bh_bind_block *block = &scope->block[scope->block_cnt];
	*block = (struct bh_bind_block){.own = via == NULL};
	snprintf(block->name, sizeof(block->name), "%s", name);
	snprintf(block->via, sizeof(block->via), "%s", via != NULL ? via : name);
	block->partition = bh_sys_exists(scope->root, "/sys/class/block/%s/partition", name);
	if (!read_number_pair(scope->root, name, &block->major, &block->minor)) {
		bh_bind_add(&scope->findings, "unreadable", "/sys/class/block/%s/dev holds no device number", name);
		block->major = block->minor = UINT32_MAX;
	}
	scope->block_cnt++;
}

/*
 * nvme2c0n1 is a path of a shared namespace; it is hidden and has no device number. The disk is nvme2n1, below the subsystem and
 * not below the function.
 */
static bool
head_of_path(const char *name, char out[BH_SYS_NAME_BYTES])
{
	unsigned subsystem, controller, namespace;
	char rest;
	if (sscanf(name, "nvme%9uc%9un%9u%c", &subsystem, &controller, &namespace, &rest) != 3)
		return false;
	snprintf(out, BH_SYS_NAME_BYTES, "nvme%un%u", subsystem, namespace);
	return true;
}

static void
add_with_partitions(struct bh_bind_scope *scope, const struct bh_sys_names *all, const char *disk)
{
	char folder[PATH_MAX], path[PATH_MAX];
	add_block(scope, disk, NULL);
	if (!real_path(folder, scope->root, "/sys/class/block", disk))
		return;
	for (size_t i = 0; i < all->cnt; i++) {
		if (real_path(path, scope->root, "/sys/class/block", all->name[i]) && is_below(path, folder))
			add_block(scope, all->name[i], NULL);
	}
}

/* Hidden paths are in /sys/block of no kernel; they lie below the function's nvme/nvmeN/. */
static void
find_heads(struct bh_bind_scope *scope, const struct bh_sys_names *all)
{
	struct bh_sys_names controllers, entries;
	char head[BH_SYS_NAME_BYTES];
	if (bh_sys_list(&controllers, scope->root, "/sys/bus/pci/devices/%s/nvme", scope->device.address) != 0)
		return;
	for (size_t i = 0; i < controllers.cnt; i++) {
		if (bh_sys_list(&entries, scope->root, "/sys/bus/pci/devices/%s/nvme/%s", scope->device.address,
		                controllers.name[i]) != 0)
			continue;
		for (size_t j = 0; j < entries.cnt; j++) {
			if (head_of_path(entries.name[j], head))
				add_with_partitions(scope, all, head);
		}
		bh_sys_names_free(&entries);
	}
	bh_sys_names_free(&controllers);
}

/* Everything that lies on what is there so far; what it adds is walked as well. */
static void
find_holders(struct bh_bind_scope *scope)
{
	struct bh_sys_names holders;
	for (size_t i = 0; i < scope->block_cnt; i++) {
		if (bh_sys_list(&holders, scope->root, "/sys/class/block/%s/holders", scope->block[i].name) != 0)
			continue;
		for (size_t j = 0; j < holders.cnt; j++)
			add_block(scope, holders.name[j], scope->block[i].via);
		bh_sys_names_free(&holders);
	}
}

static int
find_blocks(struct bh_bind_scope *scope, const char *function)
{
	struct bh_sys_names all;
	char path[PATH_MAX], head[BH_SYS_NAME_BYTES];
	int err = bh_sys_list(&all, scope->root, "/sys/class/block");
	if (err != 0)
		return err == -ENOENT ? 0 : err;
	for (size_t i = 0; i < all.cnt; i++) {
		if (real_path(path, scope->root, "/sys/class/block", all.name[i]) && is_below(path, function) &&
		    !head_of_path(all.name[i], head))
			add_block(scope, all.name[i], NULL);
	}
	find_heads(scope, &all);
	find_holders(scope);
	/* A partition table of what lies on the disk makes partitions of a holder: dm-0 has none, md0p1 is one. */
	size_t cnt = scope->block_cnt;
	for (size_t i = 0; i < cnt; i++) {
		char folder[PATH_MAX];
		if (scope->block[i].own || !real_path(folder, scope->root, "/sys/class/block", scope->block[i].name))
			continue;
		for (size_t j = 0; j < all.cnt; j++) {
			if (real_path(path, scope->root, "/sys/class/block", all.name[j]) && is_below(path, folder))
				add_block(scope, all.name[j], scope->block[i].via);
		}
	}
	find_holders(scope);
	bh_sys_names_free(&all);
	return 0;
}

static void
add_net(struct bh_bind_scope *scope, const char *name, const char *via)
{
	if (bh_bind_net_name(scope, name) != NULL)
		return;
	if (scope->net_cnt == BH_BIND_NETS_MAX) {
		bh_bind_add(&scope->findings, "unreadable", "more than %u interfaces belong to it or lie on it",
		            BH_BIND_NETS_MAX);
		return;
	}
	struct bh_bind_net *net = &scope->net[scope->net_cnt++];
	*net = (struct bh_bind_net){.own = via == NULL};
	snprintf(net->name, sizeof(net->name), "%s", name);
	snprintf(net->via, sizeof(net->via), "%s", via != NULL ? via : name);
}

static void
find_uppers(struct bh_bind_scope *scope)
{
	struct bh_sys_names entries;
	char master[BH_SYS_NAME_BYTES];
	for (size_t i = 0; i < scope->net_cnt; i++) {
		char via[BH_SYS_NAME_BYTES];
		memcpy(via, scope->net[i].via, sizeof(via));
		if (bh_sys_link_name(master, sizeof(master), scope->root, "/sys/class/net/%s/master",
		                     scope->net[i].name) == 0)
			add_net(scope, master, via);
		if (bh_sys_list(&entries, scope->root, "/sys/class/net/%s", scope->net[i].name) != 0)
			continue;
		for (size_t j = 0; j < entries.cnt; j++) {
			if (strncmp(entries.name[j], "upper_", 6) == 0)
				add_net(scope, entries.name[j] + 6, via);
		}
		bh_sys_names_free(&entries);
	}
}

static int
find_nets(struct bh_bind_scope *scope, const char *function)
{
	struct bh_sys_names all;
	char path[PATH_MAX];
	int err = bh_sys_list(&all, scope->root, "/sys/class/net");
	if (err != 0)
		return err == -ENOENT ? 0 : err;
	for (size_t i = 0; i < all.cnt; i++) {
		if (real_path(path, scope->root, "/sys/class/net", all.name[i]) && is_below(path, function))
			add_net(scope, all.name[i], NULL);
	}
	bh_sys_names_free(&all);
	find_uppers(scope);
	return 0;
}

int
bh_bind_scope_new(const char *root, const char *address, struct bh_bind_scope **out, struct bh_error *error)
{
	char function[PATH_MAX];
	struct bh_bind_scope *scope = calloc(1, sizeof(*scope));
	*out = NULL;
	if (scope == NULL)
		return bh_error_set(error, "E151", -ENOMEM, "%.40s: no memory to check it", address);
	scope->root = root;
	scope->findings.entry = scope->finding;
	scope->notes.entry = scope->note;
	int err = bh_pci_read(root, address, &scope->device, error);
	if (err != 0)
		goto fail;
	err = real_path(function, root, "/sys/bus/pci/devices", scope->device.address) ? 0 : -EIO;
	if (err == 0)
		err = find_blocks(scope, function);
	if (err == 0)
		err = find_nets(scope, function);
	if (err != 0) {
		bh_error_set(error, "E151", err, "%s: cannot find out what Linux uses it for (/sys/class): %s",
		             scope->device.address, strerror(-err));
		goto fail;
	}
	scope->built_cnt = scope->findings.cnt;
	*out = scope;
	return 0;
fail:
	bh_bind_scope_free(scope);
	return err;
}

void
bh_bind_scope_release(struct bh_bind_scope *scope)
{
	while (scope->held_cnt > 0)
		close(scope->held[--scope->held_cnt]);
}

void
bh_bind_scope_free(struct bh_bind_scope *scope)
{
	if (scope == NULL)
		return;
	bh_bind_scope_release(scope);
	free(scope);
}

const struct bh_bind_block *
bh_bind_block_at(const struct bh_bind_scope *scope, uint32_t major, uint32_t minor)
{
	for (size_t i = 0; i < scope->block_cnt; i++) {
		if (scope->block[i].major == major && scope->block[i].minor == minor)
			return &scope->block[i];
	}
	return NULL;
}

const struct bh_bind_block *
bh_bind_block_path(const struct bh_bind_scope *scope, const char *path)
{
	char full[BH_SYS_PATH_BYTES], real[PATH_MAX], dev[PATH_MAX];
	struct stat info;
	if (path[0] != '/' || bh_sys_path(full, scope->root, "%s", path) != 0)
		return NULL;
	if (stat(full, &info) == 0 && S_ISBLK(info.st_mode))
		return bh_bind_block_at(scope, major(info.st_rdev), minor(info.st_rdev));
	if (!real_path(dev, scope->root, "", "dev"))
		return NULL;
	/* Names of nodes that are gone or of another /dev still say which disk is meant. */
	const char *name = realpath(full, real) != NULL && is_below(real, dev) ? real + strlen(dev) + 1
	                   : strncmp(path, "/dev/", 5) == 0                    ? path + 5
	                                                                       : NULL;
	for (size_t i = 0; name != NULL && i < scope->block_cnt; i++) {
		if (strcmp(scope->block[i].name, name) == 0)
			return &scope->block[i];
	}
	return NULL;
}

const struct bh_bind_net *
bh_bind_net_name(const struct bh_bind_scope *scope, const char *name)
{
	for (size_t i = 0; i < scope->net_cnt; i++) {
		if (strcmp(scope->net[i].name, name) == 0)
			return &scope->net[i];
	}
	return NULL;
}
