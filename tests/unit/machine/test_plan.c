/* SPDX-License-Identifier: Apache-2.0 */
/* Guards first: what no plan takes. Then what a plan holds, in its order, and its shell. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/machine/machine.h"

static void
refused(int err, const char *id, int exit_code, const char *says)
{
	assert_int_equal(machine_plan(), err);
	assert_string_equal(machine.error.id, id);
	assert_int_equal(bh_error_exit_code(&machine.error), exit_code);
	if (strstr(machine.error.text, says) == NULL)
		fail_msg("'%s' does not say '%s'", machine.error.text, says);
}

static void
cpus(const char *list)
{
	assert_int_equal(bh_cpus_parse_list(list, &machine.wants.cpus), 0);
}

static void
cpus_that_must_stay_are_refused(void **state)
{
	(void)state;
	cpus("");
	refused(-EINVAL, "E220", 2, "names no CPUs");
	cpus("2,7");
	refused(-EINVAL, "E220", 2, "CPU 7 is not online; there are 0-3");
	cpus("0,2");
	refused(-EPERM, "E225", 4, "CPU 0 stays with Linux");
	fake_file(fake.root, "/sys/devices/system/cpu/online", "1-3\n"); /* CPU 0 can be offline on some machines */
	cpus("1-3");
	refused(-EPERM, "E225", 4, "no CPU would be left");
	fake_gone(fake.root, "/sys/devices/system/cpu/online");
	refused(-ENOENT, "E228", 1, "which CPUs there are");
}

static void
anothers_partition_is_refused(void **state)
{
	(void)state;
	fake_file(fake.root, "/sys/fs/cgroup/a.slice/cgroup.procs", "%s", "");
	fake_file(fake.root, "/sys/fs/cgroup/a.slice/b/cgroup.procs", "%s", "");
	fake_file(fake.root, "/sys/fs/cgroup/a.slice/b/cpuset.cpus", "3\n");
	fake_file(fake.root, "/sys/fs/cgroup/a.slice/b/cpuset.cpus.partition", "root\n");
	refused(-EPERM, "E225", 4, "/sys/fs/cgroup/a.slice/b/cpuset.cpus.partition is 'root'");
	fake_file(fake.root, "/sys/fs/cgroup/a.slice/b/cpuset.cpus.partition", "isolated\n");
	refused(-EPERM, "E225", 4, "CPU 3 belongs");
	fake_file(fake.root, "/sys/fs/cgroup/a.slice/b/cpuset.cpus", "1\n");
	assert_int_equal(machine_plan(), 0);
	fake_file(fake.root, "/sys/fs/cgroup/a.slice/b/cpuset.cpus", "3\n");
	fake_file(fake.root, "/sys/fs/cgroup/a.slice/b/cpuset.cpus.partition", "member\n");
	assert_int_equal(machine_plan(), 0);
}

static void
another_manager_is_not_fought(void **state)
{
	(void)state;
	fake_process(812, 1, "tuned");
	refused(-EPERM, "E225", 4, "tuned (pid 812)");
}

static void
without_a_cpuset_the_live_level_is_refused(void **state)
{
	(void)state;
	fake_file(fake.root, "/sys/fs/cgroup/cgroup.controllers", "cpu memory\n");
	refused(-EOPNOTSUPP, "E227", 1, "without its cpuset controller");
	fake_gone(fake.root, "/sys/fs/cgroup/cgroup.controllers");
	refused(-EOPNOTSUPP, "E227", 1, "no cgroup v2 is mounted");
	fake_folder(fake.root, "/sys/fs/cgroup/cpuset");
	refused(-EOPNOTSUPP, "E227", 1, "cgroup v1 only");
	machine.wants.level = BH_LEVEL_FULL;
	assert_int_equal(machine_plan(), 0);
	assert_true(machine.plan.note_cnt > 0);
	assert_string_equal(machine.plan.change[0].stage, "devices");
}

static void
a_device_that_is_not_there_is_named(void **state)
{
	(void)state;
	snprintf(machine.wants.device[0], sizeof(machine.wants.device[0]), "0000:0f:00.0");
	assert_int_equal(machine_plan(), -ENODEV);
	assert_non_null(strstr(machine.error.text, "0000:0f:00.0"));
}

static const struct bh_change *
change(const char *path)
{
	for (uint32_t i = 0; i < machine.plan.change_cnt; i++) {
		if (strcmp(machine.plan.change[i].path, path) == 0)
			return &machine.plan.change[i];
	}
	return NULL;
}

static void
what_this_kernel_lacks_is_not_in_the_plan(void **state)
{
	(void)state;
	fake_gone(fake.root, "/proc/sys/kernel/watchdog_cpumask");
	fake_gone(fake.root, "/proc/irq/default_smp_affinity");
	fake_gone(fake.root, "/sys/devices/virtual/workqueue/cpumask");
	fake_gone(fake.root, "/sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages");
	assert_int_equal(machine_plan(), 0);
	assert_null(change("/proc/sys/kernel/watchdog_cpumask"));
	assert_int_equal(machine.plan.note_cnt, 1);
	assert_non_null(strstr(machine.plan.note[0], "2048 KiB"));
}

static void
hostile_files_are_no_masks(void **state)
{
	(void)state;
	fake_file(fake.root, "/proc/irq/default_smp_affinity", "zz\n");
	fake_file(fake.root, "/proc/irq/24/smp_affinity_list", "0-999999\n");
	fake_file(fake.root, "/sys/devices/virtual/workqueue/cpumask", "%%s%%n\n");
	assert_int_equal(machine_plan(), 0);
	assert_null(change("/proc/irq/default_smp_affinity"));
	assert_null(change("/proc/irq/24/smp_affinity_list"));
	assert_null(change("/sys/devices/virtual/workqueue/cpumask"));
}

static void
the_order_is_kept(void **state)
{
	static const char *const stage[] = {"cpus", "devices", "irqs", "kernel", "memory", "power"};
	size_t at = 0;
	(void)state;
	machine.wants.idle_limited = true;
	machine.wants.idle_latency_ns = 2000;
	assert_int_equal(machine_plan(), 0);
	for (uint32_t i = 0; i < machine.plan.change_cnt; i++) {
		while (at < BH_ARRAY_CNT(stage) && strcmp(stage[at], machine.plan.change[i].stage) != 0)
			at++;
		assert_true(at < BH_ARRAY_CNT(stage));
	}
	assert_string_equal(change("/sys/devices/system/cpu/cpu2/cpuidle/state1/disable")->want, "1");
	assert_null(change("/sys/devices/system/cpu/cpu2/cpuidle/state0/disable"));
	assert_string_equal(change("/sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages")->want,
	                    "10");
	assert_null(change("/proc/irq/26/smp_affinity_list")); /* it is away already */
	assert_int_equal(bh_plan_pending(&machine.plan),
	                 machine.plan.change_cnt - 2); /* CPU 3's governor, timer_migration */
}

static void
the_full_level_adds_the_command_line(void **state)
{
	(void)state;
	machine.wants.level = BH_LEVEL_FULL;
	assert_int_equal(machine_plan(), 0);
	assert_true(machine.plan.reboot);
	assert_string_equal(machine.plan.parameters, "isolcpus=managed_irq,domain,2-3 nohz_full=2-3 rcu_nocbs=2-3 "
	                                             "irqaffinity=0-1"); /* the IOMMU is on */
	fake_file(fake.root, "/proc/cmdline", "quiet %s\n", machine.plan.parameters);
	assert_int_equal(machine_plan(), 0);
	assert_false(machine.plan.reboot);
	fake_file(fake.root, "/proc/cmdline", "isolcpus=managed_irq,domain,2-31 nohz_full=2-3 rcu_nocbs=2-3\n");
	assert_int_equal(machine_plan(), 0);
	assert_true(machine.plan.reboot);
}

static void
shell_says(enum bh_change_kind kind, const char *path, const char *value, const char *want)
{
	char *text = NULL;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);
	bh_change_shell(out, kind, path, value);
	fclose(out);
	assert_string_equal(text, want);
	free(text);
}

static void
each_kind_is_a_command(void **state)
{
	(void)state;
	shell_says(BH_CHANGE_SYS, "/proc/x", "0-1", "echo '0-1' > /proc/x\n");
	shell_says(BH_CHANGE_GROUP, "/sys/fs/cgroup/x", "present", "mkdir /sys/fs/cgroup/x\n");
	shell_says(BH_CHANGE_GROUP, "/sys/fs/cgroup/x", NULL, "rmdir /sys/fs/cgroup/x\n");
	shell_says(BH_CHANGE_CONTROLLER, "/c", "on", "echo +cpuset > /c\n");
	shell_says(BH_CHANGE_FILE, "/etc/x", "A=1\n", "cat > /etc/x <<'END'\nA=1\nEND\n");
	shell_says(BH_CHANGE_FILE, "/etc/x", NULL, "rm /etc/x\n");
	shell_says(BH_CHANGE_DEVICE, NVME, "vfio-pci", "bulkhead bind " NVME "\n");
	shell_says(BH_CHANGE_DEVICE, NVME, "nvme", "bulkhead unbind " NVME "\n");
	assert_true(bh_change_same(BH_CHANGE_SYS, "/proc/irq/1/smp_affinity_list", "0,1", "0-1"));
	assert_true(bh_change_same(BH_CHANGE_SYS, "/sys/x/cpumask", "00000003", "3"));
	assert_false(bh_change_same(BH_CHANGE_SYS, "/sys/x/value", "00000003", "3"));
	assert_false(bh_change_same(BH_CHANGE_SYS, "/sys/x/value", NULL, "3"));
	assert_true(bh_change_same(BH_CHANGE_GROUP, "/x", NULL, NULL));
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, machine_start, machine_stop)
	const struct CMUnitTest tests[] = {
	        T(cpus_that_must_stay_are_refused),      T(anothers_partition_is_refused),
	        T(another_manager_is_not_fought),        T(without_a_cpuset_the_live_level_is_refused),
	        T(a_device_that_is_not_there_is_named),  T(what_this_kernel_lacks_is_not_in_the_plan),
	        T(hostile_files_are_no_masks),           T(the_order_is_kept),
	        T(the_full_level_adds_the_command_line), T(each_kind_is_a_command),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
