/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The disk itself: whether it can be had exclusively (what mounts, swap, MD, device-mapper and ZFS keep is then refused by the
 * kernel, wherever they are), who else has it open, and what is written on it. The exclusive open is held until the driver has
 * let go of the disk: nothing can be mounted in between.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <blkid/blkid.h>

#include "host/device/bind_private.h"

static int
open_block(const struct bh_bind_scope *scope, const struct bh_bind_block *block, bool exclusive)
{
	char path[BH_SYS_PATH_BYTES];
	int err = bh_sys_path(path, scope->root, "/dev/%s", block->name);
	if (err != 0)
		return err;
	for (char *at = strrchr(path, '/'); at != NULL && *at != '\0'; at++) {
		if (*at == '!')
			*at = '/';
	}
	return bh_bind_ops->open_disk(path, block->major, block->minor, exclusive);
}

/* Types that are parts of something larger, whoever assembles it; libblkid counts most of them as "raid". */
static bool
is_member_type(const char *type)
{
	static const char *const types[] = {"btrfs",      "bcachefs",          "bcache", "drbd", "ceph_bluestore",
	                                    "zfs_member", "VMFS_volume_member"};
	size_t len = strlen(type);
	for (size_t i = 0; i < BH_ARRAY_CNT(types); i++) {
		if (strcmp(type, types[i]) == 0)
			return true;
	}
	return len > 7 && strcmp(type + len - 7, "_member") == 0;
}

static void
note_signature(struct bh_bind_scope *scope, const struct bh_bind_block *block, blkid_probe probe)
{
	const char *type = "", *usage = "";
	(void)blkid_probe_lookup_value(probe, "TYPE", &type, NULL);
	(void)blkid_probe_lookup_value(probe, "USAGE", &usage, NULL);
	if (strcmp(usage, "raid") == 0 || is_member_type(type))
		bh_bind_add(&scope->findings, "member", "/dev/%s carries the signature of a member: %.40s (libblkid)",
		            block->name, type);
	else
		bh_bind_add(&scope->notes, "data", "/dev/%s holds data that is not in use: %.40s (libblkid)",
		            block->name, type);
}

static void
look_for_signature(struct bh_bind_scope *scope, const struct bh_bind_block *block, int fd)
{
	uint64_t sectors = 1;
	if (bh_sys_read_number(&sectors, UINT64_MAX, scope->root, "/sys/class/block/%s/size", block->name) == 0 &&
	    sectors == 0)
		return;
	blkid_probe probe = blkid_new_probe();
	int found = -1;
	if (probe != NULL && blkid_probe_set_device(probe, fd, 0, 0) == 0) {
		blkid_probe_enable_superblocks(probe, 1);
		blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_USAGE);
		found = blkid_do_safeprobe(probe);
	}
	if (found == 0)
		note_signature(scope, block, probe);
	else if (found == -2)
		bh_bind_add(&scope->findings, "member", "/dev/%s carries several signatures at once (libblkid)",
		            block->name);
	else if (found < 0)
		bh_bind_add(&scope->findings, "unreadable", "/dev/%s: its signatures cannot be read (libblkid)",
		            block->name);
	blkid_free_probe(probe);
}

/* Whether it can be had exclusively; with scope->hold, it stays so. */
static void
look_for_claim(struct bh_bind_scope *scope, const struct bh_bind_block *block)
{
	int fd = open_block(scope, block, true);
	if (fd == -EBUSY)
		bh_bind_add(&scope->findings, "in-use",
		            "/dev/%s cannot be opened exclusively: somebody keeps it (open with O_EXCL: EBUSY)",
		            block->name);
	if (fd < 0)
		return; /* any other error comes again */
	if (!scope->hold || block->partition)
		close(fd);
	else if (scope->held_cnt < BH_BIND_HELD_MAX)
		scope->held[scope->held_cnt++] = fd;
	else
		close(fd);
}

static void
look_at_block(struct bh_bind_scope *scope, const struct bh_bind_block *block)
{
	/* The whole disk's claim covers its partitions; theirs would refuse it. They tell where the trouble is. */
	if (!block->partition || bh_bind_has(&scope->findings, "in-use"))
		look_for_claim(scope, block);
	int fd = open_block(scope, block, false);
	if (fd < 0) {
		bh_bind_add(&scope->findings, "unreadable", "/dev/%s cannot be opened: %s", block->name, strerror(-fd));
		return;
	}
	look_for_signature(scope, block, fd);
	close(fd);
}

/* /dev/ng0n1 is the passthrough node of nvme0n1. */
static bool
is_generic_of(const char *path, const char *disk)
{
	return strncmp(path, "/dev/ng", 7) == 0 && strncmp(disk, "nvme", 4) == 0 && strcmp(path + 7, disk + 4) == 0;
}

static bool
is_one_of_ours(const struct bh_bind_scope *scope, const char *pid, const char *fd, char out[BH_SYS_PATH_BYTES])
{
	char path[BH_SYS_PATH_BYTES];
	struct stat info;
	if (bh_sys_path(path, scope->root, "/proc/%s/fd/%s", pid, fd) != 0)
		return false;
	ssize_t len = readlink(path, out, BH_SYS_PATH_BYTES - 1);
	out[len < 0 ? 0 : len] = '\0';
	if (stat(path, &info) == 0 && S_ISBLK(info.st_mode)) {
		const struct bh_bind_block *block = bh_bind_block_at(scope, major(info.st_rdev), minor(info.st_rdev));
		return block != NULL && block->own;
	}
	if (strncmp(out, "/dev/", 5) != 0)
		return false;
	for (size_t i = 0; i < scope->block_cnt; i++) {
		const struct bh_bind_block *block = &scope->block[i];
		if (block->own && (strcmp(out + 5, block->name) == 0 || is_generic_of(out, block->name)))
			return true;
	}
	return false;
}

static void
look_at_process(struct bh_bind_scope *scope, const char *pid)
{
	struct bh_sys_names fds;
	char comm[32] = "?", path[BH_SYS_PATH_BYTES];
	(void)bh_sys_read(comm, sizeof(comm), scope->root, "/proc/%s/comm", pid);
	/* udev looks at disks for a moment when they come, and lets go of them. */
	if (strncmp(comm, "(udev-worker", 12) == 0 || strncmp(comm, "systemd-udevd", 13) == 0 ||
	    bh_sys_list(&fds, scope->root, "/proc/%s/fd", pid) != 0)
		return;
	for (size_t i = 0; i < fds.cnt; i++) {
		if (is_one_of_ours(scope, pid, fds.name[i], path))
			bh_bind_add(&scope->findings, "open", "process %s (%s) has %.80s open (/proc/%s/fd/%.10s)", pid,
			            comm, path, pid, fds.name[i]);
	}
	bh_sys_names_free(&fds);
}

void
bh_bind_guard_open(struct bh_bind_scope *scope)
{
	struct bh_sys_names pids;
	char self[16];
	if (scope->block_cnt == 0)
		return;
	snprintf(self, sizeof(self), "%d", (int)getpid());
	for (int partitions = 0; partitions <= 1; partitions++) { /* whole disks first */
		for (size_t i = 0; i < scope->block_cnt; i++) {
			if (scope->block[i].own && scope->block[i].partition == (partitions != 0))
				look_at_block(scope, &scope->block[i]);
		}
	}
	if (bh_bind_pids(scope->root, &pids) != 0)
		return; /* bh_bind_guard_mounts says so */
	for (size_t i = 0; i < pids.cnt; i++) {
		if (strcmp(pids.name[i], self) != 0)
			look_at_process(scope, pids.name[i]);
	}
	bh_sys_names_free(&pids);
}
