/* SPDX-License-Identifier: Apache-2.0 */
/*
 * apply and restore on a real kernel that was booted without any isolation: refused where they must, killed at every step, on disks that
 * are full or read-only, with CPUs, files and other managers that come and go. Each ends with the machine that was there
 * before, byte for byte (snapshot.h).
 *
 * test_partition [STRIDE]: how many of the device's kill points are left out between two; preset 24, 1 tries each.
 */
#include <fcntl.h>
#include <grp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/lab/inside.h"
#include "tests/lab/snapshot.h"

#define PLAIN   "/run/plain.conf"
#define DEVICE  "/run/device.conf"
#define JOURNAL "/var/lib/bulkhead/journal"
#define GROUP   "/sys/fs/cgroup/bulkhead"

static char nvme[16];
static char *before;
static unsigned stride = 24;

static void write_file(const char *path, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void
write_file(const char *path, const char *format, ...)
{
	va_list args;
	FILE *file = fopen(path, "we");
	assert_non_null(file);
	va_start(args, format);
	vfprintf(file, format, args);
	va_end(args);
	assert_int_equal(fclose(file), 0);
}

/* Its exit code; what it printed is shown when it is another one than wanted. */
static void ends(int exit_code, const char *says, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void
ends(int exit_code, const char *says, const char *format, ...)
{
	struct command_result result;
	char command[512];
	va_list args;
	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	inside_run(&result, "%s", command);
	if (result.exit_code != exit_code || (strstr(result.out, says) == NULL && strstr(result.err, says) == NULL))
		fail_msg("%s: %d instead of %d, or no '%s':\n%s%s", command, result.exit_code, exit_code, says,
		         result.out, result.err);
	command_result_free(&result);
}

static void
holds(const char *path, const char *want)
{
	char text[256] = "";
	FILE *file = fopen(path, "re");
	assert_non_null(file);
	char *line = fgets(text, sizeof(text), file);
	fclose(file);
	text[strcspn(text, "\n")] = '\0';
	if (line == NULL || strcmp(text, want) != 0)
		fail_msg("%s is '%s' and not '%s'", path, text, want);
}

static void
is_as_before(void)
{
	assert_true(snapshot_is(before));
	assert_int_not_equal(access(JOURNAL, F_OK), 0);
	assert_int_not_equal(access(GROUP, F_OK), 0);
}

/* ---- what is refused ---- */

static void
test_refused(void **state)
{
	(void)state;
	write_file("/run/cpu0.conf", "[partition]\ncpus = 0,2\n");
	ends(4, "BH-E225", "bulkhead apply /run/cpu0.conf --yes");
	write_file("/run/all.conf", "[partition]\ncpus = 1-4\n");
	ends(2, "BH-E220", "bulkhead apply /run/all.conf --yes");
	write_file("/run/none.conf", "[partition]\nlevel = live\n");
	ends(2, "names no CPUs", "bulkhead apply /run/none.conf --yes");
	ends(2, "usage", "bulkhead apply --yes");
	ends(2, "expected live or full", "bulkhead plan " PLAIN " --level half");
	ends(1, "nothing was changed", "echo n | bulkhead apply " PLAIN);
	ends(0, "to change", "bulkhead apply " PLAIN " --dry-run");
	is_as_before();
}

static void
test_no_root(void **state)
{
	(void)state;
	pid_t pid = fork();
	if (pid == 0) {
		if (setgroups(0, NULL) != 0 || setgid(65534) != 0 || setuid(65534) != 0)
			_exit(99);
		execlp("sh", "sh", "-c",
		       "bulkhead plan " PLAIN " > /dev/null || exit 91; bulkhead apply " PLAIN
		       " --yes 2> /dev/null; [ $? = 6 ] || exit 92; bulkhead restore 2> /dev/null; [ $? = 6 ]",
		       NULL);
		_exit(98);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	is_as_before();
}

static void
test_foreign_partition(void **state)
{
	(void)state;
	inside_ok(
	        "echo +cpuset > /sys/fs/cgroup/cgroup.subtree_control; mkdir /sys/fs/cgroup/theirs; "
	        "echo 3 > /sys/fs/cgroup/theirs/cpuset.cpus; echo root > /sys/fs/cgroup/theirs/cpuset.cpus.partition");
	holds("/sys/fs/cgroup/theirs/cpuset.cpus.partition", "root");
	char *shot = snapshot_take();
	ends(4, "CPU 3 belongs to somebody else's partition", "bulkhead apply " PLAIN " --yes");
	assert_true(snapshot_is(shot));
	free(shot);
	inside_ok("echo member > /sys/fs/cgroup/theirs/cpuset.cpus.partition; rmdir /sys/fs/cgroup/theirs; echo "
	          "-cpuset > /sys/fs/cgroup/cgroup.subtree_control");
	is_as_before();
}

static void
test_another_manager(void **state)
{
	(void)state;
	pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, "tuned");
		for (;;)
			pause();
	}
	usleep(200000);
	ends(4, "two managers undo each other", "bulkhead apply " PLAIN " --yes");
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	is_as_before();
}

/* The cpuset controller is v1's; then v2 is not mounted at all. */
static void
test_cgroup_v1(void **state)
{
	(void)state;
	inside_ok("umount /sys/fs/cgroup; mount -t tmpfs none /sys/fs/cgroup; mkdir /sys/fs/cgroup/cpuset; "
	          "mount -t cgroup -o cpuset none /sys/fs/cgroup/cpuset");
	ends(1, "BH-E227", "bulkhead apply " PLAIN " --yes");
	ends(1, "cgroup v1 only", "bulkhead apply " PLAIN " --yes");
	ends(5, "no live partition", "bulkhead apply " PLAIN " --level full --yes");
	ends(0, "restored", "bulkhead restore");
	inside_ok("umount /sys/fs/cgroup/cpuset; umount /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup");
	for (int i = 0; i < 100 && access("/sys/fs/cgroup/cpuset.cpus.effective", F_OK) != 0; i++)
		usleep(100000); /* v1 gives its controller up in its own time */
	is_as_before();
}

/* ---- disks and journals ---- */

static void
test_read_only_var(void **state)
{
	(void)state;
	inside_ok("mkdir -p /var/lib/bulkhead; mount -t tmpfs -o ro none /var/lib/bulkhead");
	ends(1, "Read-only file system", "bulkhead apply " PLAIN " --yes");
	assert_true(snapshot_is(before));
	inside_ok("umount /var/lib/bulkhead");
	is_as_before();
}

/* Each size of a disk on which the journal does not fit. */
static void
test_full_var(void **state)
{
	(void)state;
	inside_ok("mount -t tmpfs -o size=64k none /var/lib/bulkhead");
	for (unsigned room = 0; room <= 8192; room += 1024) {
		inside_ok("head -c %u /dev/zero > /var/lib/bulkhead/filler", 65536 - room);
		struct command_result result;
		inside_run(&result, "bulkhead apply " PLAIN " --yes");
		if (result.exit_code != 0) {
			assert_int_equal(result.exit_code, 1);
			assert_non_null(strstr(result.err, "BH-E221"));
			assert_non_null(strstr(result.err, "No space left on device"));
		} else {
			ends(0, "restored", "bulkhead restore");
		}
		assert_true(room >= 4096 || result.exit_code == 1); /* a page of tmpfs */
		command_result_free(&result);
		assert_true(snapshot_is(before));
	}
	inside_ok("umount /var/lib/bulkhead");
	is_as_before();
}

static void
test_other_journals(void **state)
{
	(void)state;
	ends(0, "applied", "bulkhead apply " PLAIN " --yes");
	char *shot = snapshot_take();
	inside_ok("cp " JOURNAL " /run/journal; sed 's/want/wand/; 5s/0/1/' /run/journal > " JOURNAL);
	ends(1, "BH-E223", "bulkhead restore");
	ends(1, "BH-E223", "bulkhead apply " PLAIN " --yes");
	ends(1, "BH-E223", "bulkhead status");
	/* The sum of this line is FNV-1a, 64 bits, worked out by another program (Python). */
	write_file(JOURNAL, "bulkhead-journal 2 #%s\n", "073bcdd3bf2d28b7");
	ends(1, "BH-E222", "bulkhead restore");
	assert_true(snapshot_is(shot));
	inside_ok("cp /run/journal " JOURNAL);
	write_file("/run/other.conf", "[partition]\ncpus = 2\n");
	ends(1, "BH-E229", "bulkhead apply /run/other.conf --yes");
	assert_true(snapshot_is(shot));
	free(shot);
	ends(0, "restored", "bulkhead restore");
	is_as_before();
}

/* ---- killed ---- */

static int
run_killed(const char *config, unsigned n)
{
	char number[16];
	int status;
	snprintf(number, sizeof(number), "%u", n);
	pid_t pid = fork();
	if (pid == 0) {
		setenv("BULKHEAD_KILL_AT", number, 1);
		int null = open("/dev/null", O_WRONLY);
		dup2(null, STDOUT_FILENO);
		if (config != NULL)
			execl("/lab/bulkhead", "bulkhead", "apply", config, "--yes", NULL);
		else
			execl("/lab/bulkhead", "bulkhead", "restore", NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static unsigned
kill_sweep(const char *config, unsigned step)
{
	unsigned n = 1;
	for (; run_killed(config, n) == SIGKILL; n += step) {
		/* Every third time what is restored is killed as well. */
		if (n % 3 == 0)
			run_killed(NULL, 1 + n % 41);
		ends(0, "", "bulkhead restore");
		is_as_before();
	}
	ends(0, "restored", "bulkhead restore");
	is_as_before();
	return n;
}

static void
test_killed_at_each_step(void **state)
{
	(void)state;
	unsigned cnt = kill_sweep(PLAIN, 1);
	print_message("killed at each of %u points\n", cnt - 1);
	assert_true(cnt > 60);
}

static void
test_killed_with_a_device(void **state)
{
	(void)state;
	unsigned cnt = kill_sweep(DEVICE, stride);
	print_message("killed at %u of %u points\n", cnt / stride, cnt);
	assert_true(cnt > 60);
}

/* ---- what comes and goes ---- */

static void
test_hotplug(void **state)
{
	(void)state;
	ends(0, "applied", "bulkhead apply " PLAIN " --yes");
	inside_ok("echo 0 > /sys/devices/system/cpu/cpu3/online");
	ends(0, "restored", "bulkhead restore");
	assert_int_not_equal(access(GROUP, F_OK), 0);
	ends(2, "CPU 3 is not online", "bulkhead apply " PLAIN " --yes");
	inside_ok("echo 1 > /sys/devices/system/cpu/cpu3/online");
	is_as_before();
	/* All of the partition goes. */
	ends(0, "applied", "bulkhead apply " PLAIN " --yes");
	inside_ok("for cpu in 2 3; do echo 0 > /sys/devices/system/cpu/cpu$cpu/online; done");
	ends(3, "drifted", "bulkhead status");
	ends(0, "restored", "bulkhead restore");
	inside_ok("for cpu in 2 3; do echo 1 > /sys/devices/system/cpu/cpu$cpu/online; done");
	is_as_before();
}

static void
test_missing_files(void **state)
{
	(void)state;
	inside_ok("mount -t tmpfs none /sys/devices/virtual/workqueue; mount -t tmpfs none "
	          "/sys/devices/system/machinecheck");
	char *shot = snapshot_take();
	ends(0, "applied", "bulkhead apply " PLAIN " --yes");
	ends(0, "restored", "bulkhead restore");
	assert_true(snapshot_is(shot));
	free(shot);
	inside_ok("umount /sys/devices/virtual/workqueue /sys/devices/system/machinecheck");
	/* They go between apply and restore: told, and the rest is put back. */
	ends(0, "applied", "bulkhead apply " PLAIN " --yes");
	inside_ok("mount -t tmpfs none /sys/devices/system/machinecheck");
	ends(0, "1 gone", "bulkhead restore");
	inside_ok("umount /sys/devices/system/machinecheck; echo 300 > "
	          "/sys/devices/system/machinecheck/machinecheck0/check_interval");
	is_as_before();
}

/* A machine with GRUB's menu and without what makes it: the full level is not half-way applied. */
static void
test_grub_tools_missing(void **state)
{
	(void)state;
	inside_ok("mkdir -p /boot/grub /etc/default/grub.d /etc/grub.d; echo '# a menu' > /boot/grub/grub.cfg");
	char *shot = snapshot_take();
	ends(1, "BH-E266", "bulkhead apply " PLAIN " --level full --yes");
	assert_true(snapshot_is(shot));
	assert_int_not_equal(access(JOURNAL, F_OK), 0);
	free(shot);
	inside_ok("rm -r /boot/grub /etc/default/grub.d /etc/grub.d");
	is_as_before();
}

static void
test_a_device_that_refuses(void **state)
{
	(void)state;
	/* In use: nothing at all is changed. */
	inside_ok("modprobe ext4; mke2fs /dev/nvme0n1 > /dev/null 2>&1; mkdir -p /run/mnt; mount -t ext2 /dev/nvme0n1 "
	          "/run/mnt || "
	          "mount /dev/nvme0n1 /run/mnt");
	ends(4, "BH-E140", "bulkhead apply " DEVICE " --yes");
	inside_ok("umount /run/mnt");
	is_as_before();
	/* Its driver cannot be had: everything before it is put back. */
	inside_ok("rmmod vfio_pci; mv $(find /lib/modules -name 'vfio-pci.ko*') /run/hidden.ko");
	ends(1, "BH-E145", "bulkhead apply " DEVICE " --yes");
	inside_ok("mv /run/hidden.ko $(dirname $(find /lib/modules -name 'vfio-pci-core.ko*'))/vfio-pci.ko");
	is_as_before();
}

static void
test_somebody_else(void **state)
{
	(void)state;
	ends(0, "applied", "bulkhead apply " PLAIN " --yes");
	inside_ok("echo 7 > /proc/sys/vm/stat_interval");
	ends(3, "drifted", "bulkhead status");
	ends(0, "1 left to those who changed them", "bulkhead restore");
	holds("/proc/sys/vm/stat_interval", "7");
	inside_ok("echo 1 > /proc/sys/vm/stat_interval");
	is_as_before();
}

static pid_t
hold_lock(unsigned seconds)
{
	pid_t pid = fork();
	if (pid == 0) {
		mkdir("/run/bulkhead", 0700);
		int fd = open("/run/bulkhead/lock", O_RDWR | O_CREAT, 0600);
		if (fd < 0 || flock(fd, LOCK_EX) != 0)
			_exit(1);
		sleep(seconds);
		_exit(0);
	}
	usleep(300000);
	return pid;
}

/* Held by another process: the second waits, and goes on when it is given up. */
static void
test_locked(void **state)
{
	(void)state;
	pid_t pid = hold_lock(3);
	ends(0, "applied", "bulkhead apply " PLAIN " --yes");
	assert_int_equal(waitpid(pid, NULL, WNOHANG), pid);
	pid = hold_lock(1000);
	ends(1, "BH-E224", "bulkhead restore");
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	ends(0, "restored", "bulkhead restore");
	is_as_before();
}

/* A real one, with a turn each second: its own list, and ours beside it; then its own again. */
static void
test_irqbalance(void **state)
{
	(void)state;
	inside_ok("cd /proc/irq; for irq in [0-9]*; do echo $irq $(cat $irq/smp_affinity_list); done > /run/irqs");
	inside_ok("mkdir -p /run/irqbalance; irqbalance -f -t 1 > /run/irqbalance.log 2>&1 & echo $! > "
	          "/run/irqbalance.pid; sleep 3");
	ends(0, "settings cpus", "bulkhead plan " PLAIN);
	ends(0, "applied", "bulkhead apply " PLAIN " --yes");
	ends(0, "settings hold", "bulkhead status");
	/* What it does, and not only what it says: an interrupt that is put on a cell's CPU stays out of its turns. */
	inside_ok("sleep 4; for irq in /proc/irq/[0-9]*; do cat $irq/smp_affinity_list; done | grep -c '[23]' > "
	          "/run/moved; true");
	holds("/run/moved", "4");
	ends(0, "\"effective\": \"2-3\"", "bulkhead status --json | grep -A4 '\"irqbalance\"'");
	ends(0, "restored", "bulkhead restore --verbose");
	inside_ok("sleep 4");
	ends(0, "", "bulkhead plan " PLAIN " --json | grep -A3 '\"kind\": \"irqbalance\"' | grep -q '\"now\": \"\"'");
	inside_ok("kill $(cat /run/irqbalance.pid)");
	/* It moves interrupts while it runs, as it should: put them back by hand. */
	inside_ok("while read irq list; do echo $list > /proc/irq/$irq/smp_affinity_list; done < /run/irqs 2> "
	          "/dev/null; true");
	is_as_before();
}

/* ---- that it does what it says ---- */

static void
test_applied(void **state)
{
	(void)state;
	uint64_t start_ms = inside_now_ms();
	ends(0, "applied", "bulkhead apply " DEVICE " --yes");
	print_message("apply: %llu ms\n", (unsigned long long)(inside_now_ms() - start_ms));
	holds(GROUP "/cpuset.cpus.partition", "isolated");
	holds(GROUP "/cpuset.cpus.effective", "2-3");
	holds("/sys/fs/cgroup/cpuset.cpus.effective", "0-1");
	holds("/sys/devices/virtual/workqueue/cpumask", "3");
	holds("/proc/sys/kernel/watchdog_cpumask", "0-1");
	ends(0, "vfio-pci", "readlink /sys/bus/pci/devices/%s/driver", nvme);
	/* Linux does not let an ordinary process have them (sched_setaffinity: EINVAL). */
	ends(1, "", "taskset 4 true 2> /dev/null");
	ends(0, "", "sh -c 'echo $$ > " GROUP "/cgroup.procs; exec taskset 4 true'");
	ends(0, "settings hold", "bulkhead status");
	ends(0, "0 changed", "bulkhead apply " DEVICE " --yes");
	ends(0, "outcome    done", "bulkhead run /run/cell.conf --duration 300ms");
	start_ms = inside_now_ms();
	ends(0, "restored", "bulkhead restore");
	print_message("restore: %llu ms\n", (unsigned long long)(inside_now_ms() - start_ms));
	ends(0, "nothing to restore", "bulkhead restore");
	ends(0, "nothing is applied", "bulkhead status");
	is_as_before();
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_refused),
	        cmocka_unit_test(test_no_root),
	        cmocka_unit_test(test_foreign_partition),
	        cmocka_unit_test(test_another_manager),
	        cmocka_unit_test(test_cgroup_v1),
	        cmocka_unit_test(test_read_only_var),
	        cmocka_unit_test(test_full_var),
	        cmocka_unit_test(test_other_journals),
	        cmocka_unit_test(test_killed_at_each_step),
	        cmocka_unit_test(test_killed_with_a_device),
	        cmocka_unit_test(test_hotplug),
	        cmocka_unit_test(test_missing_files),
	        cmocka_unit_test(test_grub_tools_missing),
	        cmocka_unit_test(test_a_device_that_refuses),
	        cmocka_unit_test(test_somebody_else),
	        cmocka_unit_test(test_locked),
	        cmocka_unit_test(test_irqbalance),
	        cmocka_unit_test(test_applied),
	};
	if (argc > 1)
		stride = (unsigned)strtoul(argv[1], NULL, 10);
	inside_find("0x010802", 0, nvme);
	write_file(PLAIN, "[partition]\ncpus = 2-3\nhugepages = 8\n");
	write_file(DEVICE, "[partition]\ncpus = 2-3\nhugepages = 8\ndevices = %s\n", nvme);
	write_file("/run/cell.conf",
	           "[cell]\napp = nvme-bench\ncpus = 2\narena = 16M\n[nvme-bench]\ndevice = d\n[device d]\nbackend = "
	           "vfio\n"
	           "address = %s\n",
	           nvme);
	inside_ok("modprobe vfio-pci; modprobe vfio_iommu_type1");
	before = snapshot_take();
	int err = cmocka_run_group_tests(tests, NULL, NULL);
	free(before);
	return err;
}
