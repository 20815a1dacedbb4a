/* SPDX-License-Identifier: Apache-2.0 */
/* Drives that something uses: mounted, swap, parts of something larger, open. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/lab/bind.h"

void
test_mounted(void **state)
{
	char part[80];
	(void)state;
	inside_ok("modprobe ext4; modprobe vfat; mkdir -p /mnt");
	inside_ok("printf 'o\\nn\\np\\n1\\n\\n\\nw\\n' | fdisk /dev/%s", bind_disk_of(bind_drive[0]));
	snprintf(part, sizeof(part), "%sp1", bind_disk_of(bind_drive[0]));
	inside_ok("mke2fs -F /dev/%s && mount -t ext4 /dev/%s /mnt", part, part);
	bind_refused(bind_drive[0], "mounted", "is mounted on /mnt (ext4; /proc/self/mountinfo)");
	bind_refused(bind_drive[0], "in-use", "cannot be opened exclusively");
	/* all or nothing: the second drive is free and stays */
	struct command_result result;
	inside_run(&result, "bulkhead bind %s %s", bind_drive[1], bind_drive[0]);
	assert_int_equal(result.exit_code, 4);
	command_result_free(&result);
	bind_state_is(bind_drive[1], "nvme (null) no journal");
	inside_run(&result, "bulkhead bind %s --override mounted", bind_drive[0]); /* in-use is not named */
	assert_int_equal(result.exit_code, 4);
	command_result_free(&result);
	bind_overridden(bind_drive[0], "mounted in-use");
	inside_run(&result, "umount /mnt");
	command_result_free(&result);
	bind_given_back(bind_drive[0], "nvme");
	snprintf(part, sizeof(part), "%sp1", bind_disk_of(bind_drive[0]));
	inside_ok("mkdosfs /dev/%s && mount -t vfat /dev/%s /mnt", part, part);
	bind_refused(bind_drive[0], "mounted", "is mounted on /mnt (vfat");
	inside_ok("umount /mnt && bulkhead bind %s", bind_drive[0]);
	bind_given_back(bind_drive[0], "nvme");
}

/* In a namespace of its own, which only another process sees. */
void
test_mounted_elsewhere(void **state)
{
	char part[80];
	(void)state;
	snprintf(part, sizeof(part), "%sp1", bind_disk_of(bind_drive[0]));
	inside_ok("(unshare -m sh -c 'mount -t vfat /dev/%s /mnt && touch /tmp/up && exec sleep 300' >/dev/null 2>&1 & "
	          "echo $! >/tmp/pid) ; "
	          "for i in $(seq 100); do [ -e /tmp/up ] && break; sleep 0.1; done; [ -e /tmp/up ] && ! mount | grep "
	          "-q /mnt",
	          part);
	bind_refused(bind_drive[0], "mounted", "/mountinfo");
	inside_ok("kill $(cat /tmp/pid); rm /tmp/up; sleep 0.5");
	bind_wipe(bind_drive[0]);
}

void
test_swap(void **state)
{
	(void)state;
	inside_ok("mkswap /dev/%s && swapon /dev/%s", bind_disk_of(bind_drive[0]), bind_disk_of(bind_drive[0]));
	bind_refused(bind_drive[0], "swap", "is swap space in use (/proc/swaps)");
	inside_ok("swapoff /dev/%s", bind_disk_of(bind_drive[0]));
	bind_wipe(bind_drive[0]);
}

void
test_device_mapper(void **state)
{
	struct command_result result;
	(void)state;
	inside_ok("modprobe dm-mod; echo 0 65536 linear /dev/%s 0 | dmsetup --noudevsync create over",
	          bind_disk_of(bind_drive[0]));
	bind_refused(bind_drive[0], "holder", "device-mapper 'over'");
	inside_ok("mke2fs -F /dev/dm-0 && mount -t ext4 /dev/dm-0 /mnt");
	bind_refused(bind_drive[0], "mounted", "/dev/dm-0, which lies on /dev/");
	inside_ok("umount /mnt");
	bind_overridden(bind_drive[0], "holder in-use");
	inside_run(&result, "dmsetup --noudevsync remove over");
	command_result_free(&result);
	bind_given_back(bind_drive[0], "nvme");
	bind_wipe(bind_drive[0]);
}

void
test_md(void **state)
{
	(void)state;
	inside_ok(
	        "modprobe raid1; mdadm --create /dev/md0 --run --force --level=1 --raid-devices=2 /dev/%s /dev/%s 2>&1",
	        bind_disk_of(bind_drive[0]), bind_disk_of(bind_drive[1]));
	bind_refused(bind_drive[0], "holder", "MD raid1");
	bind_refused(bind_drive[1], "holder", "MD raid1");
	inside_ok("mdadm --stop /dev/md0 2>&1");
	bind_refused(bind_drive[0], "member", "linux_raid_member");
	bind_overridden(bind_drive[0], "member");
	bind_given_back(bind_drive[0], "nvme");
	bind_wipe(bind_drive[0]);
	bind_wipe(bind_drive[1]);
}

#define LVM                                                                                                            \
	"lvm %s --config 'activation{udev_sync=0 udev_rules=0} devices{use_devicesfile=0 "                             \
	"obtain_device_list_from_udev=0}' "

void
test_lvm(void **state)
{
	(void)state;
	inside_ok("mkdir -p /run/lock /run/lvm /etc/lvm; " LVM "-y /dev/%s 2>&1", "pvcreate",
	          bind_disk_of(bind_drive[0]));
	bind_refused(bind_drive[0], "member", "LVM2_member");
	inside_ok(LVM "vg /dev/%s 2>&1", "vgcreate", bind_disk_of(bind_drive[0]));
	inside_ok(LVM "-y -Zn -Wn -n lv -L 16M vg 2>&1", "lvcreate");
	bind_refused(bind_drive[0], "holder", "device-mapper LVM 'vg-lv'");
	inside_ok(LVM "-an vg 2>&1", "vgchange");
	bind_wipe(bind_drive[0]);
}

/* Two disks, mounted by the one: the other shows nowhere in mountinfo. */
void
test_btrfs(void **state)
{
	(void)state;
	inside_ok("modprobe btrfs; mkfs.btrfs -f -q -d raid1 -m raid1 /dev/%s /dev/%s 2>&1",
	          bind_disk_of(bind_drive[0]), bind_disk_of(bind_drive[1]));
	bind_refused(bind_drive[0], "member", "btrfs");
	inside_ok("mount -t btrfs -o device=/dev/%s /dev/%s /mnt", bind_disk_of(bind_drive[1]),
	          bind_disk_of(bind_drive[0]));
	bind_refused(bind_drive[0], "mounted", "is mounted on /mnt (btrfs");
	bind_refused(bind_drive[1], "mounted", "belongs to a mounted btrfs file system");
	inside_ok("umount /mnt");
	bind_wipe(bind_drive[0]);
	bind_wipe(bind_drive[1]);
	inside_ok("dd if=/dev/zero of=/dev/%s bs=1M count=128 2>&1; dd if=/dev/zero of=/dev/%s bs=1M count=128 2>&1",
	          bind_disk_of(bind_drive[0]), bind_disk_of(bind_drive[1]));
}

void
test_open(void **state)
{
	char path[80];
	(void)state;
	snprintf(path, sizeof(path), "/dev/%s", bind_disk_of(bind_drive[0]));
	int fd = open(path, O_RDONLY | O_EXCL | O_CLOEXEC);
	assert_true(fd >= 0);
	bind_refused(bind_drive[0], "in-use", "EBUSY");
	bind_overridden(bind_drive[0], "in-use open");
	close(fd);
	bind_given_back(bind_drive[0], "nvme");
	snprintf(path, sizeof(path), "/dev/%s", bind_disk_of(bind_drive[0]));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	bind_refused(bind_drive[0], "open", "(test_bind) has /dev/");
	close(fd);
	snprintf(path, sizeof(path), "/dev/ng%s", bind_disk_of(bind_drive[0]) + 4);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	bind_refused(bind_drive[0], "open", path);
	close(fd);
	inside_ok("modprobe loop; losetup /dev/loop0 /dev/%s", bind_disk_of(bind_drive[0]));
	bind_refused(bind_drive[0], "loop", "/sys/class/block/loop0/loop/backing_file");
	inside_ok("losetup -d /dev/loop0; sleep 0.3");
}
