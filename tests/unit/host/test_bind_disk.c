/* SPDX-License-Identifier: Apache-2.0 */
/* The guards of disks, on a machine that is a folder: each reason alone, from each place that tells it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "tests/unit/host/fake_guard.h"

static void
mount_line(unsigned pid, const char *line)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%u/mountinfo", pid);
	fake_file(fake.root, path, "%s\n", line);
}

static void
test_mounted_by_number(void **state)
{
	fake_file(fake.root, "/proc/self/mountinfo", "36 35 259:1 / /data rw,noatime master:1 - ext4 /dev/x rw\n");
	guard_only(NVME, "mounted", "/dev/nvme0n1p1 is mounted on /data (ext4; /proc/self/mountinfo)");
}

static void
test_mounted_elsewhere(void **state)
{
	fake_process(7, 1, "first");
	fake_process(8, 1, "second");
	fake_process(9, 1, "third");
	fake_link(fake.root, "/proc/9/ns/mnt", "mnt:[4026539999]");
	mount_line(9, "36 35 259:0 / /in\\040a\\040box rw shared:3 master:1 - xfs /dev/nvme0n1 rw");
	guard_only(NVME, "mounted", "/dev/nvme0n1 is mounted on /in a box (xfs; /proc/9/mountinfo)");
}

static void
test_mounted_by_source(void **state)
{
	fake_link(fake.root, "/dev/disk/by-uuid/1234", "../../nvme0n1p1");
	fake_file(fake.root, "/proc/self/mountinfo", "36 35 0:44 / /b rw - btrfs /dev/disk/by-uuid/1234 rw\n");
	guard_only(NVME, "mounted", "/dev/nvme0n1p1 is mounted on /b");
	fake_file(fake.root, "/proc/self/mountinfo", "36 35 0:44 / /b rw - bcachefs /dev/sda:/dev/nvme0n1 rw\n");
	guard_only(NVME, "mounted", "/dev/nvme0n1 is mounted on /b");
}

static void
test_mounted_btrfs_member(void **state)
{
	fake_link(fake.root, "/sys/fs/btrfs/aaaa/devices/nvme0n1", "../../../../block/nvme0n1");
	fake_folder(fake.root, "/sys/fs/btrfs/features");
	guard_only(NVME, "mounted", "/dev/nvme0n1 belongs to a mounted btrfs file system (/sys/fs/btrfs/aaaa/devices)");
}

static void
test_boot_disk(void **state)
{
	fake_process(1, 0, "init");
	mount_line(1, "36 35 259:1 / /boot/efi rw - vfat /dev/nvme0n1p1 rw");
	assert_int_equal(guard_check(NVME), 2);
	assert_string_equal(guard_finding[0].reason, "mounted");
	assert_string_equal(guard_finding[1].reason, "boot-disk");
}

static void
test_boot_command_line(void **state)
{
	fake_link(fake.root, "/dev/disk/by-partuuid/11-22", "../../nvme0n1p1");
	fake_file(fake.root, "/proc/cmdline", "quiet root=PARTUUID=11-22 ro\n");
	guard_only(NVME, "boot-disk", "/dev/nvme0n1p1 is what the kernel was booted with: root=PARTUUID=11-22");
	fake_file(fake.root, "/proc/cmdline", "root=/dev/sda1 resume=/dev/nvme0n1p1");
	guard_only(NVME, "boot-disk", "resume=/dev/nvme0n1p1");
	fake_file(fake.root, "/proc/cmdline", "root=UUID=../../../dev/nvme0n1p1 root= root=LABEL=\n");
	assert_int_equal(guard_check(NVME), 0);
}

static void
test_swap(void **state)
{
	fake_file(fake.root, "/proc/swaps", "Filename Type Size Used Priority\n/dev/nvme0n1p1 partition 1 0 -2\n");
	guard_only(NVME, "swap", "/dev/nvme0n1p1 is swap space in use (/proc/swaps)");
}

static void
test_holders(void **state)
{
	fake_stacked("dm-0", 0, "nvme0n1p1");
	fake_file(fake.root, "/sys/class/block/dm-0/dm/name", "vg-root\n");
	fake_file(fake.root, "/sys/class/block/dm-0/dm/uuid", "LVM-abcdef\n");
	guard_only(NVME, "holder", "/dev/nvme0n1p1 is held by dm-0, device-mapper LVM 'vg-root'");
	fake_stacked("md0", 1, "nvme0n1");
	fake_file(fake.root, "/sys/class/block/md0/md/level", "raid1\n");
	assert_int_equal(guard_check(NVME), 2);
	assert_non_null(strstr(guard_finding[0].evidence, "md0, MD raid1"));
}

/* disk <- dm-0 <- md7 <- md7p1: what is mounted at the top is on the disk. */
static void
test_through_stack(void **state)
{
	fake_stacked("dm-0", 0, "nvme0n1p1");
	fake_stacked("md7", 7, "dm-0");
	fake_file(fake.root, "/sys/devices/virtual/block/md7/md7p1/dev", "253:8\n");
	fake_link(fake.root, "/sys/class/block/md7p1", "../../devices/virtual/block/md7/md7p1");
	fake_process(1, 0, "init");
	mount_line(1, "36 35 253:8 / / rw - ext4 /dev/md7p1 rw");
	assert_int_equal(guard_check(NVME), 3);
	assert_string_equal(guard_finding[0].evidence,
	                    "/dev/md7p1, which lies on /dev/nvme0n1p1, is mounted on / (ext4; /proc/1/mountinfo)");
	assert_string_equal(guard_finding[1].reason, "boot-disk");
	assert_string_equal(guard_finding[2].reason, "holder");
	mount_line(1, "1 1 0:2 / / rw - rootfs rootfs rw");
	fake_file(fake.root, "/proc/swaps", "Filename Type Size Used Priority\n/dev/md7 partition 1 0 -2\n");
	assert_int_equal(guard_check(NVME), 2);
	assert_string_equal(guard_finding[0].reason, "swap");
}

static void
test_holder_circle(void **state)
{
	fake_stacked("dm-0", 0, "nvme0n1");
	fake_stacked("dm-1", 1, "dm-0");
	fake_link(fake.root, "/sys/class/block/dm-1/holders/dm-0", "/nowhere");
	fake_link(fake.root, "/sys/class/block/dm-1/holders/dm-1", "/nowhere");
	guard_only(NVME, "holder", "dm-0");
}

static void
test_loop(void **state)
{
	fake_file(fake.root, "/sys/devices/virtual/block/loop3/loop/backing_file", "/dev/nvme0n1\n");
	fake_link(fake.root, "/sys/class/block/loop3", "../../devices/virtual/block/loop3");
	guard_only(NVME, "loop", "/dev/nvme0n1 is behind /dev/loop3");
}

static void
test_exported(void **state)
{
	fake_file(fake.root, "/sys/kernel/config/nvmet/subsystems/nqn.x/namespaces/1/device_path", "/dev/nvme0n1\n");
	fake_file(fake.root, "/sys/kernel/config/nvmet/subsystems/nqn.x/namespaces/1/enable", "0\n");
	assert_int_equal(guard_check(NVME), 0);
	fake_file(fake.root, "/sys/kernel/config/nvmet/subsystems/nqn.x/namespaces/1/enable", "1\n");
	guard_only(NVME, "exported", "as nqn.x namespace 1 (nvmet)");
}

static void
test_in_use(void **state)
{
	strcpy(fake.busy[0], "/nvme0n1");
	strcpy(fake.busy[1], "/nvme0n1p1");
	assert_int_equal(guard_check(NVME), 2);
	assert_string_equal(guard_finding[0].reason, "in-use");
	assert_non_null(strstr(guard_finding[0].evidence, "/dev/nvme0n1 cannot be opened exclusively"));
	assert_non_null(strstr(guard_finding[1].evidence, "/dev/nvme0n1p1 "));
}

static void
test_open(void **state)
{
	fake_process(12, 1, "postgres");
	fake_link(fake.root, "/proc/12/fd/3", "/dev/nvme0n1p1");
	guard_only(NVME, "open", "process 12 (postgres) has /dev/nvme0n1p1 open (/proc/12/fd/3)");
	fake_link(fake.root, "/proc/12/fd/3", "/dev/ng0n1");
	guard_only(NVME, "open", "/dev/ng0n1");
	fake_link(fake.root, "/proc/12/fd/3", "/dev/ng0n11");
	assert_int_equal(guard_check(NVME), 0);
	fake_process(13, 1, "(udev-worker)");
	fake_link(fake.root, "/proc/13/fd/3", "/dev/nvme0n1");
	assert_int_equal(guard_check(NVME), 0);
}

static void
put(const char *name, size_t offset, const void *bytes, size_t cnt)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/dev/%s", fake.root, name);
	FILE *file = fopen(path, "r+");
	assert_non_null(file);
	assert_int_equal(fseek(file, (long)offset, SEEK_SET), 0);
	assert_int_equal(fwrite(bytes, 1, cnt, file), cnt);
	fclose(file);
}

static void
test_unreadable(void **state)
{
	strcpy(fake.unreadable, "/nvme0n1p1");
	guard_only(NVME, "unreadable", "/dev/nvme0n1p1 cannot be opened: Permission denied");
	fake.unreadable[0] = '\0';
	fake_gone(fake.root, "/proc/self/mountinfo");
	guard_only(NVME, "unreadable", "/proc/self/mountinfo");
}

static void
test_notes_no_findings(void **state)
{
	struct bh_bind_finding note[BH_BIND_FINDINGS_MAX];
	/* an ext2 super block: magic 0xef53 at 1080, revision 0, block counts that fit */
	static const uint8_t blocks[] = {0x80, 0, 0, 0, 0, 4, 0, 0};
	static const uint8_t magic[] = {0x53, 0xef};
	put("nvme0n1p1", 1024, blocks, sizeof(blocks));
	put("nvme0n1p1", 1080, magic, sizeof(magic));
	assert_int_equal(guard_check(NVME), 0);
	assert_int_equal(bh_bind_notes(fake.root, NVME, note, NULL), 1);
	assert_string_equal(note[0].reason, "data");
	assert_non_null(strstr(note[0].evidence, "ext2"));
}

static void
test_member(void **state)
{
	/* Intel Matrix RAID: two sectors before the end */
	static const char raid[] = "Intel Raid ISM Cfg Sig. 1.3.00";
	static const char btrfs[] = "_BHRfS_M";
	put("nvme0n1", FAKE_DISK_BYTES - 1024, raid, sizeof(raid));
	guard_only(NVME, "member", "/dev/nvme0n1 carries the signature of a member: isw_raid_member (libblkid)");
	put("nvme0n1", FAKE_DISK_BYTES - 1024, btrfs, sizeof(btrfs));
	put("nvme0n1", 65536 + 64, btrfs, sizeof(btrfs) - 1);
	guard_only(NVME, "member", "btrfs");
}

static void
test_hostile_files(void **state)
{
	char line[6000];
	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\0';
	fake_file(fake.root, "/proc/self/mountinfo",
	          "%s\n- - -\n1 2 3\n\n\n36 35 a:b / / rw - x\n259:1\n1 1 259:1 / /\n", line);
	fake_file(fake.root, "/proc/swaps", "%s\n\n   \n\\\n\\04\n", line);
	fake_file(fake.root, "/proc/cmdline", "root=%s", line);
	fake_file(fake.root, "/sys/class/block/loop1/loop/backing_file", "%s", line);
	fake_link(fake.root, "/sys/class/block/loop2", "loop2");
	fake_file(fake.root, "/sys/fs/btrfs/x/devices", "no folder\n");
	fake_process(4, 4, ") ) S x (");
	fake_link(fake.root, "/proc/4/fd/0", line + 3000);
	assert_int_equal(guard_check(NVME), 0);
}

static void
test_hostile_numbers(void **state)
{
	static const char *const bad[] = {"", "259", "259:", ":1", "a:b", "259:1 x", "259:1:1"};
	for (size_t i = 0; i < BH_ARRAY_CNT(bad); i++) {
		fake_file(fake.root, "/sys/class/block/nvme0n1p1/dev", "%s\n", bad[i]);
		guard_only(NVME, "unreadable", "/sys/class/block/nvme0n1p1/dev holds no device number");
	}
}

static void
test_evidence_is_printable(void **state)
{
	fake_file(fake.root, "/proc/self/mountinfo", "36 35 259:1 / /a\\033[31m\\012b rw - ext4 /dev/x rw\n");
	guard_only(NVME, "mounted", "/a?[31m?b");
}

/* A disk with two controllers: its path below the function is hidden, the disk itself is the subsystem's. */
static void
test_multipath(void **state)
{
	fake_gone(fake.root, "/sys/class/block/nvme0n1");
	fake_gone(fake.root, "/sys/class/block/nvme0n1p1");
	fake_gone(fake.root, "/sys/bus/pci/devices/" NVME "/nvme/nvme0/nvme0n1");
	fake_folder(fake.root, "/sys/bus/pci/devices/" NVME "/nvme/nvme0/nvme3c0n1");
	fake_folder(fake.root, "/sys/bus/pci/devices/" NVME "/nvme/nvme0/nvme3cxn1");
	fake_file(fake.root, "/sys/devices/virtual/nvme-subsystem/nvme-subsys3/nvme3n1/dev", "259:5\n");
	fake_file(fake.root, "/sys/devices/virtual/nvme-subsystem/nvme-subsys3/nvme3n1/nvme3n1p2/dev", "259:6\n");
	fake_link(fake.root, "/sys/class/block/nvme3n1", "../../devices/virtual/nvme-subsystem/nvme-subsys3/nvme3n1");
	fake_link(fake.root, "/sys/class/block/nvme3n1p2",
	          "../../devices/virtual/nvme-subsystem/nvme-subsys3/nvme3n1/nvme3n1p2");
	fake_file(fake.root, "/dev/nvme3n1", "\n");
	fake_file(fake.root, "/dev/nvme3n1p2", "\n");
	fake_file(fake.root, "/proc/self/mountinfo", "36 35 259:6 / /data rw - ext4 /dev/nvme3n1p2 rw\n");
	assert_true(guard_check(NVME) >= 1);
	assert_string_equal(guard_finding[0].evidence,
	                    "/dev/nvme3n1p2 is mounted on /data (ext4; /proc/self/mountinfo)");
}

static void
test_many_findings(void **state)
{
	char lines[8000] = "";
	size_t used = 0;
	for (unsigned i = 0; i < 100; i++)
		used += (size_t)snprintf(lines + used, sizeof(lines) - used, "1 1 259:1 / /m%u rw - ext4 x rw\n", i);
	fake_file(fake.root, "/proc/self/mountinfo", "%s", lines);
	fake_file(fake.root, "/proc/swaps", "/dev/nvme0n1 x\n");
	assert_int_equal(guard_check(NVME), BH_BIND_REASON_MAX + 1);
	assert_string_equal(guard_finding[BH_BIND_REASON_MAX].reason, "swap");
}

static void
test_nothing(void **state)
{
	fake_process(1, 0, "init");
	fake_file(fake.root, "/proc/swaps", "Filename Type Size Used Priority\n/dev/nvme0n10 partition 1 0 -2\n");
	fake_file(fake.root, "/proc/self/mountinfo", "36 35 259:10 / /data rw - ext4 /dev/nvme0n1p10 rw\n");
	assert_int_equal(guard_check(NVME), 0);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fake_start, fake_stop)
	const struct CMUnitTest tests[] = {
	        T(test_mounted_by_number),
	        T(test_mounted_elsewhere),
	        T(test_mounted_by_source),
	        T(test_mounted_btrfs_member),
	        T(test_boot_disk),
	        T(test_boot_command_line),
	        T(test_swap),
	        T(test_holders),
	        T(test_through_stack),
	        T(test_holder_circle),
	        T(test_loop),
	        T(test_exported),
	        T(test_in_use),
	        T(test_open),
	        T(test_unreadable),
	        T(test_notes_no_findings),
	        T(test_member),
	        T(test_hostile_files),
	        T(test_hostile_numbers),
	        T(test_evidence_is_printable),
	        T(test_multipath),
	        T(test_many_findings),
	        T(test_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
