/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A real systemd, as the first process of a namespace: a cell as its service, and its slices. Its binary and the built unit come with
 * --copy; the targets that every service needs are made here, empty.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/machine/slices.h"
#include "tests/lab/inside.h"

#define WAIT_MS 60000

static void
make_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");
	if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0)
		fail_msg("%s: %s", path, strerror(errno));
}

/* Whether a command prints a line that holds the text, within WAIT_MS. */
static bool
comes_true(const char *command, const char *text)
{
	const uint64_t end_ms = inside_now_ms() + WAIT_MS;
	bool there = false;
	while (!there && inside_now_ms() < end_ms) {
		struct command_result result;
		inside_run(&result, "%s", command);
		there = strstr(result.out, text) != NULL;
		command_result_free(&result);
		if (!there)
			usleep(500000);
	}
	return there;
}

static void
check(const char *command, const char *text)
{
	struct command_result result;
	if (comes_true(command, text))
		return;
	inside_run(&result, "%s; systemctl --no-pager -l status 'bulkhead*'; dmesg | tail -30", command);
	fail_msg("'%s' never says '%s': %s%s", command, text, result.out, result.err);
}

static void
a_wrong_configuration_is_not_tried_again(void **state)
{
	struct command_result result;
	(void)state;
	make_file("/etc/bulkhead/wrong.conf", "[cell]\nap = nvme-bench\n");
	inside_run(&result, "systemctl start bulkhead@wrong");
	assert_int_not_equal(result.exit_code, 0);
	command_result_free(&result);
	check("systemctl show -p ActiveState,NRestarts,ExecMainStatus,StatusText bulkhead@wrong", "ActiveState=failed");
	check("systemctl show -p ExecMainStatus bulkhead@wrong", "ExecMainStatus=2");
	check("systemctl show -p NRestarts bulkhead@wrong", "NRestarts=0");
	check("systemctl show -p StatusText bulkhead@wrong", "wrong.conf:1: [cell] needs a key");
	/* There is none at all. */
	inside_run(&result, "systemctl start bulkhead@nowhere");
	assert_int_not_equal(result.exit_code, 0);
	command_result_free(&result);
}

static void
a_cell_is_a_service(void **state)
{
	(void)state;
	make_file("/etc/bulkhead/cell.conf", "[cell]\napp = nvme-bench\ncpus = 2\narena = 16M\npages = normal\n[device "
	                                     "nvme0]\nbackend = softdev\nsize = "
	                                     "16M\n[nvme-bench]\ndevice = nvme0\nqueue_depth = 1\n");
	inside_ok("systemctl start bulkhead@cell"); /* returns when it is ready */
	check("systemctl is-active bulkhead@cell", "active");
	check("systemctl show -p StatusText bulkhead@cell", "IOPS");
	check("grep Seccomp: /proc/$(systemctl show -P MainPID bulkhead@cell)/status", "2");
	check("grep 'locked memory' /proc/$(systemctl show -P MainPID bulkhead@cell)/limits", "unlimited");
	/* A supervisor that is killed takes its cell with it, and comes again. */
	inside_ok("kill -9 $(systemctl show -P MainPID bulkhead@cell)");
	check("systemctl show -p NRestarts,SubState bulkhead@cell | tr '\\n' ' '", "NRestarts=1 SubState=running");
	/* One that hangs is ended by the watchdog. */
	inside_ok("kill -STOP $(systemctl show -P MainPID bulkhead@cell)");
	check("systemctl show -p NRestarts,SubState bulkhead@cell | tr '\\n' ' '", "NRestarts=2 SubState=running");
	inside_ok("systemctl stop bulkhead@cell");
	check("systemctl show -p ActiveState,Result,ExecMainStatus bulkhead@cell | tr '\\n' ' '",
	      "Result=success ExecMainStatus=0 ActiveState=inactive");
	inside_ok("! grep -l nvme-bench /proc/[0-9]*/comm");
}

static void
slices_are_restricted_and_given_back(void **state)
{
	struct bh_sys_names names;
	struct bh_error error = {0};
	struct bh_cpus cpus, back;
	char text[BH_CPUS_TEXT_BYTES];
	bool set, has_system = false;
	(void)state;
	assert_true(bh_slices_managed(""));
	inside_ok("systemctl start holder.service"); /* so that there is a system.slice */
	assert_int_equal(bh_slices_list("", &names, &error), 0);
	for (size_t i = 0; i < names.cnt; i++)
		has_system |= strcmp(names.name[i], "system.slice") == 0;
	bh_sys_names_free(&names);
	assert_true(has_system);
	assert_int_equal(bh_cpus_parse_list("0-1,3", &cpus), 0);
	if (bh_slices_write("", NULL, "system.slice", &cpus, &error) != 0)
		fail_msg("%s", error.text);
	assert_int_equal(bh_cpus_read(&back, "", "/sys/fs/cgroup/system.slice/cpuset.cpus.effective"), 0);
	assert_string_equal(bh_cpus_list(&back, text), "0-1,3");
	assert_int_equal(bh_slices_read("", "system.slice", &set, &back, &error), 0);
	assert_true(set && bh_cpus_equal(&cpus, &back));
	/* systemd, too, still means it after it was asked for something else. */
	inside_ok("systemctl set-property --runtime system.slice CPUWeight=50");
	if (bh_slices_write("", NULL, "system.slice", NULL, &error) != 0)
		fail_msg("%s", error.text);
	assert_int_equal(bh_slices_read("", "system.slice", &set, &back, &error), 0);
	assert_false(set);
	check("systemctl show -p AllowedCPUs,CPUWeight system.slice | tr '\\n' ' '", "CPUWeight=50 AllowedCPUs= ");
	inside_ok("[ -z \"$(cat /sys/fs/cgroup/system.slice/cpuset.cpus 2>/dev/null)\" ]");
	inside_ok("systemctl stop holder.service");
}

/* The whole of it: the partition beside systemd's groups, a cell's service in it, and back. */
static void
a_partition_stands_beside_the_slices(void **state)
{
	struct command_result before, after;
	static const char snapshot[] =
	        "cd /sys/fs/cgroup; cat cgroup.subtree_control; for g in *.slice *.scope; do echo $g; cat "
	        "$g/cpuset.cpus; "
	        "done; find /run/systemd/system.control; systemctl show -p AllowedCPUs init.scope system.slice";
	(void)state;
	make_file("/etc/bulkhead/part.conf", "[cell]\napp = nvme-bench\ncpus = 3\narena = 16M\npages = normal\n[device "
	                                     "nvme0]\nbackend = softdev\nsize = "
	                                     "16M\n[nvme-bench]\ndevice = nvme0\nqueue_depth = 1\n");
	inside_ok("systemctl start holder.service");
	inside_run(&before, "%s", snapshot);
	inside_ok("bulkhead apply --yes /etc/bulkhead/part.conf");
	check("cat /sys/fs/cgroup/bulkhead/cpuset.cpus.partition", "isolated");
	check("cat /sys/fs/cgroup/system.slice/cpuset.cpus", "0-2");
	check("cat /sys/fs/cgroup/init.scope/cpuset.cpus", "0-2");
	inside_ok("systemctl start bulkhead@part");
	inside_ok("[ -n \"$(cat /sys/fs/cgroup/bulkhead/cgroup.procs)\" ]");
	inside_ok("systemctl stop bulkhead@part");
	inside_ok("bulkhead restore");
	inside_run(&after, "%s", snapshot);
	assert_string_equal(before.out, after.out);
	command_result_free(&before);
	command_result_free(&after);
	inside_ok("systemctl stop holder.service");
}

static void
make_machine(void)
{
	static const char *const target[] = {"default", "sysinit", "basic", "shutdown", "multi-user"};
	char path[128];
	inside_ok("mkdir -p /etc/systemd/system /etc/bulkhead /usr/local/bin && ln -sf /lab/bulkhead "
	          "/usr/local/bin/bulkhead");
	for (size_t i = 0; i < sizeof(target) / sizeof(target[0]); i++) {
		snprintf(path, sizeof(path), "/etc/systemd/system/%s.target", target[i]);
		make_file(path, "[Unit]\nDefaultDependencies=no\n");
	}
	make_file("/etc/systemd/system/holder.service", "[Service]\nExecStart=/bin/sleep 1000\n");
	make_file("/etc/machine-id", "0123456789abcdef0123456789abcdef\n");
	make_file("/etc/os-release", "ID=lab\n");
	if (access("/etc/passwd", F_OK) != 0)
		make_file("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n");
	if (access("/etc/group", F_OK) != 0)
		make_file("/etc/group", "root:x:0:\n");
}

static void
be_systemd(void)
{
	if (mount("proc", "/proc", "proc", 0, NULL) != 0 || setenv("container", "lab", 1) != 0)
		_exit(126);
	for (int fd = 0; fd < 3; fd++)
		dup2(open("/dev/null", O_RDWR), fd);
	execl("/lib/systemd/systemd", "systemd", "--system", "--log-target=kmsg", "--log-level=info", NULL);
	_exit(127);
}

static int
run_all(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_wrong_configuration_is_not_tried_again),
	        cmocka_unit_test(a_cell_is_a_service),
	        cmocka_unit_test(slices_are_restricted_and_given_back),
	        cmocka_unit_test(a_partition_stands_beside_the_slices),
	};
	if (!comes_true("systemctl is-system-running", "running")) {
		struct command_result result;
		inside_run(&result, "systemctl --no-pager --failed; dmesg | grep systemd | tail -40");
		fprintf(stderr, "systemd does not come up: %s%s\n", result.out, result.err);
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The children of who leaves its PID namespace are in the new one; the first of them is its first process. */
int
main(void)
{
	int status = 1;
	make_machine();
	if (unshare(CLONE_NEWPID | CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("tmpfs", "/run", "tmpfs", 0, "mode=755") != 0) {
		perror("a namespace for systemd");
		return 1;
	}
	pid_t first = fork();
	if (first == 0)
		be_systemd();
	fflush(NULL);
	pid_t test = fork();
	if (test == 0)
		exit(run_all());
	waitpid(test, &status, 0);
	kill(first, SIGKILL);
	waitpid(first, NULL, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
