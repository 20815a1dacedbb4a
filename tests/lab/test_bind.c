/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bulkhead devices, bind and unbind on a real kernel: each reason to refuse with the real thing, read back that nothing was
 * changed, then overridden, then given back. The machine has three NVMe drives of 256 MiB and two e1000e cards on one wire, a slot
 * with a drive and a card in one IOMMU group, a drive with two controllers, and a port with nothing behind it.
 *
 * test_bind                       all of it
 * test_bind --no-iommu            on a machine without an IOMMU
 * test_bind --as-nobody COMMAND   runs the command as another user than root
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/lab/inside.h"

#define DEVICES    "/sys/bus/pci/devices"
#define SPARE_PORT "0000:00:1d.0"

static char drive[3][16], card[2][16];

/* The first entry of a folder below a function ("nvme/nvme0", "net") that starts so. */
static bool
first_entry(const char *address, const char *folder, const char *start, char out[64])
{
	char path[256];
	snprintf(path, sizeof(path), DEVICES "/%s/%s", address, folder);
	out[0] = '\0';
	DIR *dir = opendir(path);
	if (dir == NULL)
		return false;
	for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
		if (strncmp(entry->d_name, start, strlen(start)) == 0)
			snprintf(out, 64, "%.63s", entry->d_name);
	}
	closedir(dir);
	return out[0] != '\0';
}

/* Its number may be another after each return: something still held the old one. */
static const char *
disk_of(const char *address)
{
	static char disk[4][64];
	static unsigned turn;
	char controller[64], folder[80], start[80];
	char *out = disk[turn++ % 4];
	for (unsigned i = 0; i < 500; i++) {
		if (first_entry(address, "nvme", "nvme", controller)) {
			snprintf(folder, sizeof(folder), "nvme/%s", controller);
			snprintf(start, sizeof(start), "%sn", controller);
			if (first_entry(address, folder, start, out))
				return out;
		}
		usleep(20000);
	}
	fail_msg("%s has no disk", address);
	return "";
}

static const char *
interface_of(const char *address)
{
	static char name[2][64];
	static unsigned turn;
	char *out = name[turn++ % 2];
	for (unsigned i = 0; i < 500; i++) {
		if (first_entry(address, "net", "", out) && out[0] != '.')
			return out;
		usleep(20000);
	}
	fail_msg("%s has no interface", address);
	return "";
}

static void
read_state(const char *address, char out[160])
{
	char path[128], target[256], override[64] = "";
	snprintf(path, sizeof(path), DEVICES "/%s/driver", address);
	ssize_t len = readlink(path, target, sizeof(target) - 1);
	target[len < 0 ? 0 : len] = '\0';
	snprintf(path, sizeof(path), DEVICES "/%s/driver_override", address);
	FILE *file = fopen(path, "re");
	if (file == NULL || fgets(override, sizeof(override), file) == NULL)
		override[0] = '\0';
	if (file != NULL)
		fclose(file);
	override[strcspn(override, "\n")] = '\0';
	const char *name = strrchr(target, '/');
	snprintf(path, sizeof(path), "/run/bulkhead/bind/%s", address);
	snprintf(out, 160, "%.60s %.60s %s", name != NULL ? name + 1 : "none", override,
	         access(path, F_OK) == 0 ? "journal" : "no journal");
}

static void
state_is(const char *address, const char *want)
{
	char state[160];
	read_state(address, state);
	assert_string_equal(state, want);
}

/* bind refuses with exit code 4, names the reason and the evidence, and changes nothing; `devices` says the same. */
static void
refused(const char *address, const char *reason, const char *evidence)
{
	struct command_result result;
	char before[160], want[64];
	read_state(address, before);
	inside_run(&result, "bulkhead bind %s", address);
	assert_int_equal(result.exit_code, 4);
	assert_non_null(strstr(result.err, "(BH-E140)"));
	snprintf(want, sizeof(want), "--override %s", reason);
	assert_non_null(strstr(result.err, want));
	command_result_free(&result);
	state_is(address, before);
	inside_run(&result, "bulkhead devices --all --json");
	assert_int_equal(result.exit_code, 0);
	snprintf(want, sizeof(want), "\"reason\": \"%s\"", reason);
	assert_non_null(strstr(result.out, want));
	assert_non_null(strstr(result.out, evidence));
	command_result_free(&result);
}

/* With every reason named it is taken, and says what it overrode. */
static void
overridden(const char *address, const char *reasons)
{
	struct command_result result;
	char options[256] = "", copy[128], want[64], *rest;
	snprintf(copy, sizeof(copy), "%s", reasons);
	for (char *word = strtok_r(copy, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest))
		snprintf(options + strlen(options), sizeof(options) - strlen(options), " --override %s", word);
	inside_run(&result, "bulkhead bind %s%s", address, options);
	assert_int_equal(result.exit_code, 0);
	snprintf(copy, sizeof(copy), "%s", reasons);
	for (char *word = strtok_r(copy, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
		snprintf(want, sizeof(want), "overrode %s: ", word);
		assert_non_null(strstr(result.out, want));
	}
	command_result_free(&result);
	state_is(address, "vfio-pci vfio-pci journal");
}

static void
given_back(const char *address, const char *driver)
{
	char want[64];
	inside_ok("bulkhead unbind %s", address);
	snprintf(want, sizeof(want), "%s (null) no journal", driver);
	state_is(address, want);
}

static void
wipe(const char *address)
{
	inside_ok("dd if=/dev/zero of=/dev/%s bs=1M count=2 conv=fsync 2>&1", disk_of(address));
	inside_ok("dd if=/dev/zero of=/dev/%s bs=1M seek=254 count=2 conv=fsync 2>&1", disk_of(address));
	inside_ok("blockdev --rereadpt /dev/%s", disk_of(address));
}

static void
test_devices_listed(void **state)
{
	struct command_result result;
	(void)state;
	inside_run(&result, "bulkhead devices");
	assert_int_equal(result.exit_code, 0);
	for (unsigned i = 0; i < 3; i++)
		assert_non_null(strstr(result.out, drive[i]));
	assert_non_null(strstr(result.out, "serial bulkhead0"));
	assert_non_null(strstr(result.out, "next: bulkhead bind"));
	for (char *line = result.out; *line != '\0'; line += strcspn(line, "\n"), line += *line == '\n')
		assert_true(strcspn(line, "\n") <= 100);
	command_result_free(&result);
	inside_run(&result, "bulkhead devices --all");
	assert_non_null(strstr(result.out, "pcieport"));
	assert_non_null(strstr(result.out, "stays with Linux"));
	command_result_free(&result);
}

static void
test_usage_and_root(void **state)
{
	struct command_result result;
	(void)state;
	static const struct {
		const char *command;
		int exit_code;
	} cases[] = {
	        {"bulkhead bind", 2},
	        {"bulkhead bind nonsense", 2},
	        {"bulkhead bind --override", 2},
	        {"bulkhead bind 7f:1f.7", 2},
	        {"bulkhead unbind ../../x", 2},
	        {"bulkhead unbind --override mounted 1:0.0", 2},
	        {"bulkhead devices extra", 2},
	        {"bulkhead bind --help", 0},
	        {"bulkhead unbind --help", 0},
	        {"bulkhead devices --help", 0},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		inside_run(&result, "%s", cases[i].command);
		assert_int_equal(result.exit_code, cases[i].exit_code);
		command_result_free(&result);
	}
	inside_run(&result, "/proc/%d/exe --as-nobody bulkhead bind %s", (int)getpid(), drive[0]);
	assert_int_equal(result.exit_code, 6);
	command_result_free(&result);
	inside_run(&result, "/proc/%d/exe --as-nobody bulkhead devices", (int)getpid());
	assert_int_equal(result.exit_code, 0);
	assert_non_null(strstr(result.out, "sudo bulkhead devices"));
	command_result_free(&result);
	inside_run(&result, "bulkhead bind --override mounted %s %s", drive[0], drive[1]);
	assert_int_equal(result.exit_code, 2);
	command_result_free(&result);
	state_is(drive[0], "nvme (null) no journal");
}

static void
test_drive_and_back(void **state)
{
	struct command_result before, after;
	(void)state;
	const char *look = "cat /sys/block/%s/device/serial; head -c 16M /dev/%s | sha256sum";
	inside_ok("dd if=/dev/urandom of=/dev/%s bs=1M count=4 conv=fsync 2>&1", disk_of(drive[0]));
	inside_run(&before, look, disk_of(drive[0]), disk_of(drive[0]));
	inside_ok("bulkhead bind --dry-run %s", drive[0]);
	state_is(drive[0], "nvme (null) no journal");
	inside_ok("bulkhead bind %s", drive[0]);
	state_is(drive[0], "vfio-pci vfio-pci journal");
	inside_ok("bulkhead bind %s", drive[0]); /* again: nothing */
	inside_run(&after, "bulkhead devices");
	assert_non_null(strstr(after.out, "taken by bulkhead from nvme"));
	command_result_free(&after);
	inside_run(&after, "bulkhead unbind %s", drive[0]);
	assert_int_equal(after.exit_code, 0);
	assert_non_null(strstr(after.out, "is there again"));
	command_result_free(&after);
	state_is(drive[0], "nvme (null) no journal");
	given_back(drive[0], "nvme"); /* again: nothing */
	inside_run(&after, look, disk_of(drive[0]), disk_of(drive[0]));
	assert_string_equal(before.out, after.out);
	command_result_free(&before);
	command_result_free(&after);
	wipe(drive[0]);
}

static void
test_card_and_back(void **state)
{
	struct command_result result;
	char mac[64];
	(void)state;
	state_is(card[0], "none (null) no journal"); /* its module is not loaded yet */
	inside_ok("bulkhead bind %s", card[0]);
	given_back(card[0], "none");
	inside_ok("modprobe e1000e");
	inside_run(&result, "cat /sys/class/net/%s/address", interface_of(card[0]));
	snprintf(mac, sizeof(mac), "%.60s", result.out);
	command_result_free(&result);
	inside_ok("bulkhead bind %s", card[0]);
	state_is(card[0], "vfio-pci vfio-pci journal");
	given_back(card[0], "e1000e");
	inside_run(&result, "cat /sys/class/net/%s/address", interface_of(card[0]));
	assert_string_equal(result.out, mac);
	command_result_free(&result);
	/* an override that stood there is there again */
	inside_ok("echo e1000e > " DEVICES "/%s/driver_override", card[0]);
	inside_ok("bulkhead bind %s && bulkhead unbind %s", card[0], card[0]);
	state_is(card[0], "e1000e e1000e no journal");
	inside_ok("echo > " DEVICES "/%s/driver_override", card[0]);
}

static void
test_mounted(void **state)
{
	char part[80];
	(void)state;
	inside_ok("modprobe ext4; modprobe vfat; mkdir -p /mnt");
	inside_ok("printf 'o\\nn\\np\\n1\\n\\n\\nw\\n' | fdisk /dev/%s", disk_of(drive[0]));
	snprintf(part, sizeof(part), "%sp1", disk_of(drive[0]));
	inside_ok("mke2fs -F /dev/%s && mount -t ext4 /dev/%s /mnt", part, part);
	refused(drive[0], "mounted", "is mounted on /mnt (ext4; /proc/self/mountinfo)");
	refused(drive[0], "in-use", "cannot be opened exclusively");
	/* all or nothing: the second drive is free and stays */
	struct command_result result;
	inside_run(&result, "bulkhead bind %s %s", drive[1], drive[0]);
	assert_int_equal(result.exit_code, 4);
	command_result_free(&result);
	state_is(drive[1], "nvme (null) no journal");
	inside_run(&result, "bulkhead bind %s --override mounted", drive[0]); /* in-use is not named */
	assert_int_equal(result.exit_code, 4);
	command_result_free(&result);
	overridden(drive[0], "mounted in-use");
	inside_run(&result, "umount /mnt");
	command_result_free(&result);
	given_back(drive[0], "nvme");
	snprintf(part, sizeof(part), "%sp1", disk_of(drive[0]));
	inside_ok("mkdosfs /dev/%s && mount -t vfat /dev/%s /mnt", part, part);
	refused(drive[0], "mounted", "is mounted on /mnt (vfat");
	inside_ok("umount /mnt && bulkhead bind %s", drive[0]);
	given_back(drive[0], "nvme");
}

/* In a namespace of its own, which only another process sees. */
static void
test_mounted_elsewhere(void **state)
{
	char part[80];
	(void)state;
	snprintf(part, sizeof(part), "%sp1", disk_of(drive[0]));
	inside_ok("(unshare -m sh -c 'mount -t vfat /dev/%s /mnt && touch /tmp/up && exec sleep 300' >/dev/null 2>&1 & "
	          "echo $! >/tmp/pid) ; "
	          "for i in $(seq 100); do [ -e /tmp/up ] && break; sleep 0.1; done; [ -e /tmp/up ] && ! mount | grep "
	          "-q /mnt",
	          part);
	refused(drive[0], "mounted", "/mountinfo");
	inside_ok("kill $(cat /tmp/pid); rm /tmp/up; sleep 0.5");
	wipe(drive[0]);
}

static void
test_swap(void **state)
{
	(void)state;
	inside_ok("mkswap /dev/%s && swapon /dev/%s", disk_of(drive[0]), disk_of(drive[0]));
	refused(drive[0], "swap", "is swap space in use (/proc/swaps)");
	inside_ok("swapoff /dev/%s", disk_of(drive[0]));
	wipe(drive[0]);
}

static void
test_device_mapper(void **state)
{
	struct command_result result;
	(void)state;
	inside_ok("modprobe dm-mod; echo 0 65536 linear /dev/%s 0 | dmsetup --noudevsync create over",
	          disk_of(drive[0]));
	refused(drive[0], "holder", "device-mapper 'over'");
	inside_ok("mke2fs -F /dev/dm-0 && mount -t ext4 /dev/dm-0 /mnt");
	refused(drive[0], "mounted", "/dev/dm-0, which lies on /dev/");
	inside_ok("umount /mnt");
	overridden(drive[0], "holder in-use");
	inside_run(&result, "dmsetup --noudevsync remove over");
	command_result_free(&result);
	given_back(drive[0], "nvme");
	wipe(drive[0]);
}

static void
test_md(void **state)
{
	(void)state;
	inside_ok(
	        "modprobe raid1; mdadm --create /dev/md0 --run --force --level=1 --raid-devices=2 /dev/%s /dev/%s 2>&1",
	        disk_of(drive[0]), disk_of(drive[1]));
	refused(drive[0], "holder", "MD raid1");
	refused(drive[1], "holder", "MD raid1");
	inside_ok("mdadm --stop /dev/md0 2>&1");
	refused(drive[0], "member", "linux_raid_member");
	overridden(drive[0], "member");
	given_back(drive[0], "nvme");
	wipe(drive[0]);
	wipe(drive[1]);
}

#define LVM                                                                                                            \
	"lvm %s --config 'activation{udev_sync=0 udev_rules=0} devices{use_devicesfile=0 "                             \
	"obtain_device_list_from_udev=0}' "

static void
test_lvm(void **state)
{
	(void)state;
	inside_ok("mkdir -p /run/lock /run/lvm /etc/lvm; " LVM "-y /dev/%s 2>&1", "pvcreate", disk_of(drive[0]));
	refused(drive[0], "member", "LVM2_member");
	inside_ok(LVM "vg /dev/%s 2>&1", "vgcreate", disk_of(drive[0]));
	inside_ok(LVM "-y -Zn -Wn -n lv -L 16M vg 2>&1", "lvcreate");
	refused(drive[0], "holder", "device-mapper LVM 'vg-lv'");
	inside_ok(LVM "-an vg 2>&1", "vgchange");
	wipe(drive[0]);
}

/* Two disks, mounted by the one: the other shows nowhere in mountinfo. */
static void
test_btrfs(void **state)
{
	(void)state;
	inside_ok("modprobe btrfs; mkfs.btrfs -f -q -d raid1 -m raid1 /dev/%s /dev/%s 2>&1", disk_of(drive[0]),
	          disk_of(drive[1]));
	refused(drive[0], "member", "btrfs");
	inside_ok("mount -t btrfs -o device=/dev/%s /dev/%s /mnt", disk_of(drive[1]), disk_of(drive[0]));
	refused(drive[0], "mounted", "is mounted on /mnt (btrfs");
	refused(drive[1], "mounted", "belongs to a mounted btrfs file system");
	inside_ok("umount /mnt");
	wipe(drive[0]);
	wipe(drive[1]);
	inside_ok("dd if=/dev/zero of=/dev/%s bs=1M count=128 2>&1; dd if=/dev/zero of=/dev/%s bs=1M count=128 2>&1",
	          disk_of(drive[0]), disk_of(drive[1]));
}

static void
test_open(void **state)
{
	char path[80];
	(void)state;
	snprintf(path, sizeof(path), "/dev/%s", disk_of(drive[0]));
	int fd = open(path, O_RDONLY | O_EXCL | O_CLOEXEC);
	assert_true(fd >= 0);
	refused(drive[0], "in-use", "EBUSY");
	overridden(drive[0], "in-use open");
	close(fd);
	given_back(drive[0], "nvme");
	snprintf(path, sizeof(path), "/dev/%s", disk_of(drive[0]));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	refused(drive[0], "open", "(test_bind) has /dev/");
	close(fd);
	snprintf(path, sizeof(path), "/dev/ng%s", disk_of(drive[0]) + 4);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	refused(drive[0], "open", path);
	close(fd);
	inside_ok("modprobe loop; losetup /dev/loop0 /dev/%s", disk_of(drive[0]));
	refused(drive[0], "loop", "/sys/class/block/loop0/loop/backing_file");
	inside_ok("losetup -d /dev/loop0; sleep 0.3");
}

static void
test_class(void **state)
{
	char disk_controller[16];
	(void)state;
	refused(inside_find("0x0106", 0, disk_controller), "class", "no NVMe drive and no network card");
	refused(inside_find("0x0604", 0, disk_controller), "class", "(bridge)");
}

static void
test_default_route(void **state)
{
	const char *eth = interface_of(card[0]);
	(void)state;
	inside_ok("ip addr add 10.9.0.1/24 dev %s; ip link set %s up", eth, eth);
	inside_ok("ip route add default via 10.9.0.2");
	refused(card[0], "default-route", "carries the IPv4 default route (/proc/net/route)");
	inside_ok("ip route del default; ip route add 0.0.0.0/1 via 10.9.0.2");
	refused(card[0], "default-route", "carries the IPv4 default route");
	inside_ok("ip route del 0.0.0.0/1; ip route add default via 10.9.0.2 table 100");
	refused(card[0], "default-route", "(RTM_GETROUTE)");
	inside_ok("ip route del default table 100; ip -6 route add default dev %s", eth);
	refused(card[0], "default-route", "carries the IPv6 default route (/proc/net/ipv6_route)");
	overridden(card[0], "default-route");
	given_back(card[0], "e1000e");
	(void)interface_of(card[0]);
	inside_ok("bulkhead bind %s", card[0]); /* its routes went with it */
	given_back(card[0], "e1000e");
}

/* The default route on what lies on the card. */
static void
test_bond_bridge_vlan(void **state)
{
	const char *eth = interface_of(card[0]);
	(void)state;
	inside_ok("modprobe 8021q; ip link add link %s name lan10 type vlan id 10", eth);
	inside_ok("ip link set %s up; ip addr add 10.10.0.1/24 dev lan10; ip link set lan10 up; ip route add default "
	          "dev lan10",
	          eth);
	refused(card[0], "default-route", "lan10, which lies on eth");
	inside_ok("ip link del lan10; modprobe bridge; brctl addbr br0; brctl addif br0 %s", eth);
	inside_ok("ip addr add 10.11.0.1/24 dev br0; ip link set br0 up; ip route add default dev br0");
	refused(card[0], "default-route", "br0, which lies on eth");
	inside_ok("ip link set br0 down; brctl delbr br0; ip link set %s down; modprobe bonding max_bonds=0", eth);
	inside_ok("echo +bond7 > /sys/class/net/bonding_masters; echo +%s > /sys/class/net/bond7/bonding/slaves", eth);
	inside_ok("ip addr add 10.12.0.1/24 dev bond7; ip link set bond7 up; ip route add default dev bond7");
	refused(card[0], "default-route", "bond7, which lies on eth");
	/* and a VLAN on the bond */
	inside_ok("ip route del default; ip link add link bond7 name lan11 type vlan id 11; ip addr add 10.13.0.1/24 "
	          "dev lan11; "
	          "ip link set lan11 up; ip route add default dev lan11");
	refused(card[0], "default-route", "lan11, which lies on eth");
	inside_ok("ip link del lan11; echo -bond7 > /sys/class/net/bonding_masters");
}

/* A server called sshd on 10.9.0.1:2222, and a client in a network namespace of its own, over the wire to the other card. */
static pid_t
start_server(void)
{
	pid_t child = fork();
	if (child != 0)
		return child;
	struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(2222)};
	int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "sshd");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (const struct sockaddr *)&here, sizeof(here)) != 0 || listen(fd, 1) != 0 ||
	    accept(fd, NULL, NULL) < 0)
		_exit(1);
	FILE *file = fopen("/tmp/session", "w");
	if (file != NULL)
		fclose(file);
	pause();
	_exit(0);
}

static pid_t
start_client(void)
{
	pid_t child = fork();
	if (child != 0)
		return child;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (unshare(CLONE_NEWNET) != 0)
		_exit(1);
	FILE *file = fopen("/tmp/client-ready", "w");
	if (file != NULL)
		fclose(file);
	struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons(2222)};
	inet_pton(AF_INET, "10.9.0.1", &there.sin_addr);
	for (unsigned i = 0; i < 600; i++) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		if (connect(fd, (const struct sockaddr *)&there, sizeof(there)) == 0) {
			pause();
			_exit(0);
		}
		close(fd);
		usleep(50000);
	}
	_exit(1);
}

static void
test_ssh_session(void **state)
{
	struct command_result result;
	char near[64], far[64];
	(void)state;
	snprintf(near, sizeof(near), "%s", interface_of(card[0]));
	snprintf(far, sizeof(far), "%s", interface_of(card[1]));
	inside_ok("ip addr add 10.9.0.1/24 dev %s; ip link set %s up", near, near);
	pid_t server = start_server(), client = start_client();
	inside_ok("for i in $(seq 100); do [ -e /tmp/client-ready ] && break; sleep 0.1; done; ip link set %s netns %d",
	          far, (int)client);
	refused(card[1], "no-interface", "it may be in another network namespace");
	inside_ok("nsenter -n -t %d sh -c 'ip addr add 10.9.0.2/24 dev %s; ip link set %s up'", (int)client, far, far);
	inside_ok("for i in $(seq 300); do [ -e /tmp/session ] && break; sleep 0.1; done; [ -e /tmp/session ]");
	refused(card[0], "ssh-session", "carries an ssh session from 10.9.0.2 (/proc/net/tcp, port 2222)");
	kill(server, SIGKILL);
	kill(client, SIGKILL);
	waitpid(server, NULL, 0);
	waitpid(client, NULL, 0);
	inside_run(
	        &result,
	        "SSH_CONNECTION='10.9.0.2 50000 10.9.0.1 22' sh -c 'env -u SSH_CONNECTION bulkhead bind %s; exit $?'",
	        card[0]);
	assert_int_equal(result.exit_code, 4);
	assert_non_null(strstr(result.err, "ssh session from 10.9.0.2 (SSH_CONNECTION in /proc/"));
	command_result_free(&result);
	state_is(card[0], "e1000e (null) no journal");
	inside_ok("bulkhead bind %s", card[0]);
	given_back(card[0], "e1000e");
}

static void
test_unbind_in_use(void **state)
{
	struct command_result result;
	char path[64], want[64];
	(void)state;
	inside_ok("modprobe vfio_iommu_type1; bulkhead bind %s", drive[0]);
	snprintf(path, sizeof(path), "/dev/vfio/%d", inside_group(drive[0]));
	int fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	inside_run(&result, "bulkhead unbind %s", drive[0]);
	assert_int_equal(result.exit_code, 1);
	assert_non_null(strstr(result.err, "(BH-E150)"));
	snprintf(want, sizeof(want), "%d (test_bind)", (int)getpid());
	assert_non_null(strstr(result.err, want));
	command_result_free(&result);
	state_is(drive[0], "vfio-pci vfio-pci journal");
	close(fd);
	given_back(drive[0], "nvme");
	/* somebody else's vfio-pci is left alone */
	inside_bind(drive[0], "vfio-pci");
	inside_run(&result, "bulkhead unbind %s", drive[0]);
	assert_int_equal(result.exit_code, 1);
	assert_non_null(strstr(result.err, "(BH-E149)"));
	command_result_free(&result);
	inside_bind(drive[0], "nvme");
	inside_ok("echo > " DEVICES "/%s/driver_override", drive[0]);
}

/* Killed at any point, the next call finishes or restores; two at once do no harm. */
static void
test_killed(void **state)
{
	struct command_result result;
	(void)state;
	for (unsigned i = 0; i < 12; i++) {
		inside_run(&result, "bulkhead bind %s & usleep %u; kill -9 $! 2>/dev/null; wait", drive[1],
		           2000 + i * 12000);
		command_result_free(&result);
		if (i % 2 == 0)
			inside_ok("bulkhead bind %s", drive[1]);
		given_back(drive[1], "nvme");
		(void)disk_of(drive[1]);
	}
	inside_ok("bulkhead bind %s & one=$!; bulkhead bind %s & two=$!; wait $one && wait $two", drive[1], drive[1]);
	state_is(drive[1], "vfio-pci vfio-pci journal");
	given_back(drive[1], "nvme");
	inside_ok("bulkhead bind %s %s %s", drive[0], drive[1], drive[2]);
	inside_ok("bulkhead unbind %s %s %s", drive[2], drive[1], drive[0]);
	for (unsigned i = 0; i < 3; i++)
		state_is(drive[i], "nvme (null) no journal");
}

/* The kernel has no vfio-pci, and no journal can be written: nothing is changed. */
static void
test_missing_layers(void **state)
{
	struct command_result result;
	(void)state;
	inside_run(&result,
	           "mv /lib/modules /lib/gone; bulkhead bind %s; code=$?; mv /lib/gone /lib/modules; exit $code",
	           drive[0]);
	assert_int_equal(result.exit_code, 1);
	assert_non_null(strstr(result.err, "(BH-E145)"));
	command_result_free(&result);
	state_is(drive[0], "nvme (null) no journal");
	inside_run(&result,
	           "mv /run/bulkhead /run/kept; touch /run/bulkhead; bulkhead bind %s; code=$?; rm /run/bulkhead; mv "
	           "/run/kept /run/bulkhead; exit $code",
	           drive[0]);
	assert_int_equal(result.exit_code, 1);
	assert_non_null(strstr(result.err, "(BH-E152)"));
	command_result_free(&result);
	state_is(drive[0], "nvme (null) no journal");
}

/* vfio-pci refuses a bridge: a real step fails, and the port has its driver again. */
static void
test_rolled_back(void **state)
{
	struct command_result result;
	char before[160];
	(void)state;
	read_state(SPARE_PORT, before);
	assert_string_equal(before, "pcieport (null) no journal");
	inside_run(&result, "bulkhead bind " SPARE_PORT " --override class");
	assert_int_equal(result.exit_code, 1);
	assert_non_null(strstr(result.err, "(BH-E142)"));
	assert_non_null(strstr(result.err, SPARE_PORT " is as it was before"));
	command_result_free(&result);
	state_is(SPARE_PORT, before);
}

/* A drive and a card that no IOMMU can tell apart: each says what else has to be taken. */
static void
test_group(void **state)
{
	struct command_result result;
	char near[16], far[16], want[64];
	(void)state;
	inside_find("0x0108", 3, near);
	inside_find("0x0200", 2, far);
	assert_int_equal(inside_group(near), inside_group(far));
	inside_run(&result, "bulkhead bind %s", near);
	assert_int_equal(result.exit_code, 0);
	snprintf(want, sizeof(want), "also holds %s (network, driver e1000e)", far);
	assert_non_null(strstr(result.out, want));
	command_result_free(&result);
	inside_run(&result, "bulkhead bind %s", far);
	assert_int_equal(result.exit_code, 0);
	assert_null(strstr(result.out, "also holds"));
	command_result_free(&result);
	inside_ok("bulkhead unbind %s %s", near, far);
	state_is(near, "nvme (null) no journal");
	state_is(far, "e1000e (null) no journal");
}

/* One namespace behind two controllers: the disk is the subsystem's, and either path counts. */
static void
test_multipath(void **state)
{
	struct command_result result;
	char path[2][16], head[64];
	(void)state;
	inside_find("0x0108", 4, path[0]);
	inside_find("0x0108", 5, path[1]);
	inside_run(&result, "for d in /sys/class/nvme-subsystem/*/nvme*n1; do echo $(basename $d) $(cat $d/serial "
	                    "2>/dev/null) $(cat $(dirname $d)/serial); done | "
	                    "grep twopath | cut -d' ' -f1");
	snprintf(head, sizeof(head), "/dev/%.50s", result.out);
	head[strcspn(head, "\n")] = '\0';
	command_result_free(&result);
	int fd = open(head, O_RDONLY | O_EXCL | O_CLOEXEC);
	assert_true(fd >= 0);
	refused(path[0], "in-use", head);
	refused(path[1], "in-use", head);
	close(fd);
	inside_ok("bulkhead bind %s", path[0]);
	given_back(path[0], "nvme");
}

static void
test_journal_and_lock(void **state)
{
	struct command_result result;
	(void)state;
	inside_ok("bulkhead bind %s; cp /run/bulkhead/bind/%s /tmp/good; head -c 60 /tmp/good > /run/bulkhead/bind/%s",
	          drive[0], drive[0], drive[0]);
	inside_run(&result, "bulkhead unbind %s", drive[0]);
	assert_int_equal(result.exit_code, 1);
	assert_non_null(strstr(result.err, "(BH-E148)"));
	command_result_free(&result);
	state_is(drive[0], "vfio-pci vfio-pci journal");
	inside_ok("cp /tmp/good /run/bulkhead/bind/%s", drive[0]);
	given_back(drive[0], "nvme");
	int fd = open("/run/bulkhead/bind/.lock", O_RDWR | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	inside_run(&result, "bulkhead bind %s", drive[0]); /* waits ten seconds for it */
	close(fd);
	assert_int_equal(result.exit_code, 1);
	assert_non_null(strstr(result.err, "(BH-E147)"));
	command_result_free(&result);
	state_is(drive[0], "nvme (null) no journal");
}

/* A machine without an IOMMU: there is no override for that. */
static void
test_no_iommu(void **state)
{
	struct command_result result;
	(void)state;
	inside_run(&result, "bulkhead bind %s --override mounted --override in-use", drive[0]);
	assert_int_equal(result.exit_code, 4);
	assert_non_null(strstr(result.err, "(BH-E144)"));
	command_result_free(&result);
	state_is(drive[0], "nvme (null) no journal");
	inside_run(&result, "bulkhead devices");
	assert_non_null(strstr(result.out, "no IOMMU: not for cells"));
	assert_non_null(strstr(result.out, "no IOMMU is active"));
	command_result_free(&result);
}

static int
as_nobody(char **argv)
{
	if (setgid(65534) != 0 || setuid(65534) != 0)
		return 99;
	execvp(argv[0], argv);
	return 98;
}

int
main(int argc, char **argv)
{
	if (argc > 2 && strcmp(argv[1], "--as-nobody") == 0)
		return as_nobody(argv + 2);
	if (argc == 2 && strcmp(argv[1], "--no-iommu") == 0) {
		const struct CMUnitTest tests[] = {cmocka_unit_test(test_no_iommu)};
		inside_find("0x0108", 0, drive[0]);
		return cmocka_run_group_tests(tests, NULL, NULL);
	}
	for (unsigned i = 0; i < 3; i++)
		inside_find("0x0108", i, drive[i]);
	for (unsigned i = 0; i < 2; i++)
		inside_find("0x0200", i, card[i]);
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_missing_layers),
	        cmocka_unit_test(test_devices_listed),
	        cmocka_unit_test(test_usage_and_root),
	        cmocka_unit_test(test_drive_and_back),
	        cmocka_unit_test(test_card_and_back),
	        cmocka_unit_test(test_mounted),
	        cmocka_unit_test(test_mounted_elsewhere),
	        cmocka_unit_test(test_swap),
	        cmocka_unit_test(test_device_mapper),
	        cmocka_unit_test(test_md),
	        cmocka_unit_test(test_lvm),
	        cmocka_unit_test(test_btrfs),
	        cmocka_unit_test(test_open),
	        cmocka_unit_test(test_class),
	        cmocka_unit_test(test_default_route),
	        cmocka_unit_test(test_bond_bridge_vlan),
	        cmocka_unit_test(test_ssh_session),
	        cmocka_unit_test(test_rolled_back),
	        cmocka_unit_test(test_group),
	        cmocka_unit_test(test_multipath),
	        cmocka_unit_test(test_journal_and_lock),
	        cmocka_unit_test(test_unbind_in_use),
	        cmocka_unit_test(test_killed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
