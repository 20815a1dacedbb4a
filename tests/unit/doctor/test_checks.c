/* SPDX-License-Identifier: Apache-2.0 */
/* Each check: what is bad, what is missing, what is hostile. One file of a healthy machine is another one in each case. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "tests/unit/doctor/patient.h"

#define CPU    "/sys/devices/system/cpu"
#define CGROUP "/sys/fs/cgroup"
#define THP    "/sys/kernel/mm/transparent_hugepage"
#define HUGE   "/sys/devices/system/node/node0/hugepages/hugepages-2048kB"

enum {
	OK = BH_FINDING_OK,
	WARN = BH_FINDING_WARN,
	FAIL = BH_FINDING_FAIL,
	UNKNOWN = BH_FINDING_UNKNOWN,
	NOT = BH_FINDING_NOT_NEEDED
};

/* text NULL: the file is not there. */
struct one {
	const char *id, *path, *text;
	int state;
	const char *says;
};

static void
try_all(const struct one *one, size_t cnt)
{
	for (size_t i = 0; i < cnt; i++) {
		void *none = NULL;
		patient_leaves(&none);
		patient_arrives(&none);
		if (one[i].text == NULL)
			fake_gone(patient.root, one[i].path);
		else
			fake_file(patient.root, one[i].path, "%s\n", one[i].text);
		patient_is(one[i].id, (enum bh_finding_state)one[i].state, one[i].says);
	}
}

static void
what_is_bad_is_found(void **state)
{
	static const struct one bad[] = {
	        {"cpu.wanted", CPU "/online", "0-2", FAIL, "CPU 3 is not online"},
	        {"cpu.wanted", CPU "/online", "2-3", FAIL, "no CPU would be left"},
	        {"cpu.partition", CGROUP "/bulkhead/cpuset.cpus.partition",
	         "isolated invalid (Cpu list in cpuset.cpus not exclusive)", FAIL, "does not isolate"},
	        {"cpu.partition", CGROUP "/bulkhead/cpuset.cpus.effective", "1", WARN, "holds other CPUs: 1"},
	        {"cpu.smt", CPU "/cpu3/topology/thread_siblings_list", "1,3", WARN, "cpu1/online"},
	        {"cpu.smt", CPU "/cpu3/topology/thread_siblings_list", "0,3", WARN, "CPU 0 cannot be taken"},
	        {"cpu.isolated.booted", "/proc/cmdline", "isolcpus=managed_irq,2-3", FAIL, "isolcpus=managed_irq,2-3"},
	        {"cpu.isolated.booted", "/proc/cmdline", "isolcpus=2", FAIL, "then reboot"},
	        {"cpu.isolated.booted", "/proc/cmdline", "noisolcpus=2-3", FAIL, "no isolcpus="},
	        {"cpu.nohz_full.booted", "/proc/cmdline", "nohz_full=3", FAIL, "nohz_full=3"},
	        {"cpu.nohz_full", CPU "/nohz_full", "(null)", FAIL, "bulkhead apply x.conf, then reboot"},
	        {"cpu.rcu_nocbs.booted", "/proc/cmdline", "quiet", FAIL, "no rcu_nocbs="},
	        {"cpu.rcu_nocbs", "/proc/21/stat", "21 (rcuog/2) S 1 1 1 0 -1 2097152", FAIL, "CPU 2"},
	        {"irq.affinity", "/proc/irq/24/smp_affinity_list", "0-3", WARN, "1 of 1 that can move"},
	        {"irq.affinity", "/proc/irq/24/smp_affinity_list", "2", WARN, "irq 24, eth0-rx-0: allowed on CPUs 2"},
	        {"irq.managed", "/proc/irq/25/effective_affinity_list", "2", OK, "irq 25, nvme0q1"},
	        {"irq.default", "/proc/irq/default_smp_affinity", "f", WARN, "CPU 2-3"},
	        {"irq.affinity.booted", "/proc/cmdline", "irqaffinity=0-3", WARN, "irqaffinity=0-3"},
	        {"net.rps", "/sys/class/net/eth0/queues/rx-0/rps_cpus", "4", WARN, "eth0 rx-0: CPU 2"},
	        {"net.xps", "/sys/class/net/eth0/queues/tx-0/xps_cpus", "f", WARN, "bulkhead apply x.conf"},
	        {"kernel.workqueues", "/sys/devices/virtual/workqueue/cpumask", "7", WARN, "CPU 2"},
	        {"kernel.workqueues.named", "/sys/devices/virtual/workqueue/writeback/cpumask", "c", WARN,
	         "writeback: CPU 2-3"},
	        {"kernel.timer_migration", "/proc/sys/kernel/timer_migration", "0", WARN, "bulkhead apply x.conf"},
	        {"kernel.watchdog", "/proc/sys/kernel/watchdog_cpumask", "0-3", WARN, "CPU 2-3"},
	        {"kernel.nmi_watchdog", "/proc/sys/kernel/nmi_watchdog", "1", WARN, "bulkhead apply x.conf"},
	        {"kernel.mce_poll", "/sys/devices/system/machinecheck/machinecheck0/check_interval", "300", WARN,
	         "apply"},
	        {"kernel.version", "/proc/sys/kernel/osrelease", "5.10.0-30-amd64", WARN, "6.1"},
	        {"mm.ksm", "/sys/kernel/mm/ksm/run", "1", WARN, "bulkhead apply x.conf"},
	        {"mm.thp", THP "/defrag", "[always] madvise never", WARN, "echo madvise"},
	        {"mm.khugepaged", THP "/khugepaged/defrag", "1", WARN, "bulkhead apply x.conf"},
	        {"mm.numa_balancing", "/proc/sys/kernel/numa_balancing", "1", WARN, "bulkhead apply x.conf"},
	        {"mm.numa_balancing", "/proc/sys/kernel/numa_balancing", "2", WARN, "sysctl -w"},
	        {"mm.stat_interval", "/proc/sys/vm/stat_interval", "1", WARN, "bulkhead apply x.conf"},
	        {"power.governor", CPU "/cpu3/cpufreq/scaling_governor", "schedutil", WARN, "cpu3/cpufreq"},
	        {"power.epp", CPU "/cpu2/cpufreq/energy_performance_preference", "balance_power", WARN,
	         "1 of the CPUs"},
	        {"clock.source", "/sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet", WARN,
	         "dmesg"},
	        {"memory.hugepages", HUGE "/free_hugepages", "7", FAIL, "7 of 8 are free on node 0, 8 are needed"},
	        {"iommu.strict", "/sys/kernel/iommu_groups/4/type", "identity", WARN, "iommu.passthrough=0"},
	        {"iommu.interrupt_remapping", "/proc/interrupts", " 24: 1 2 PCI-MSI 5-edge eth0", FAIL, "BH-E116"},
	        {"iommu.unsafe_interrupts", "/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts", "Y",
	         FAIL, "echo N"},
	        {"vfio.noiommu", "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "Y", WARN, "echo N"},
	        {"vfio.node", "/dev/vfio/vfio", NULL, FAIL, "devtmpfs"},
	        {"cgroup.cpuset", CGROUP "/cgroup.controllers", "cpu memory", WARN, "no cpuset controller"},
	        {"cgroup.delegation", CGROUP "/cgroup.subtree_control", "memory", WARN, "bulkhead apply x.conf"},
	        {"machine.mitigations", CPU "/vulnerabilities/mds", "Vulnerable", OK, "1 flaws are open"},
	        {"boot.parameters", "/proc/cmdline", "idle=poll nohz=off iommu=pt nohz_full=2", WARN, "3 parameters"},
	};
	(void)state;
	try_all(bad, BH_ARRAY_CNT(bad));
}

static void
what_is_missing_is_unknown_or_not_needed(void **state)
{
	static const struct one missing[] = {
	        {"cpu.wanted", CPU "/online", NULL, UNKNOWN, CPU "/online: No such file"},
	        {"cpu.isolated", CPU "/isolated", NULL, OK, "partition: isolated"},
	        {"cpu.partition", CGROUP "/bulkhead/cpuset.cpus.partition", NULL, NOT, "not there"},
	        {"cpu.smt", CPU "/cpu2/topology/thread_siblings_list", NULL, UNKNOWN, "thread_siblings_list"},
	        {"cpu.isolated.booted", "/proc/cmdline", NULL, UNKNOWN, "/proc/cmdline"},
	        {"cpu.nohz_full.booted", "/proc/cmdline", NULL, UNKNOWN, "/proc/cmdline"},
	        {"cpu.nohz_full", CPU "/nohz_full", NULL, WARN, "CONFIG_NO_HZ_FULL"},
	        {"irq.affinity", "/proc/interrupts", NULL, OK, "none of 2"},
	        {"irq.default", "/proc/irq/default_smp_affinity", NULL, UNKNOWN, "default_smp_affinity"},
	        {"kernel.workqueues", "/sys/devices/virtual/workqueue/cpumask", NULL, UNKNOWN, "workqueue/cpumask"},
	        {"kernel.nmi_watchdog", "/proc/sys/kernel/nmi_watchdog", NULL, NOT, "not there"},
	        {"kernel.watchdog", "/proc/sys/kernel/watchdog_cpumask", NULL, NOT, "not there"},
	        {"kernel.version", "/proc/sys/kernel/osrelease", NULL, UNKNOWN, "osrelease"},
	        {"mm.ksm", "/sys/kernel/mm/ksm/run", NULL, NOT, "this kernel does not have it"},
	        {"mm.swap", "/proc/swaps", NULL, NOT, "does not swap"},
	        {"mm.numa_balancing", "/proc/sys/kernel/numa_balancing", NULL, NOT, "not there"},
	        {"power.turbo", CPU "/intel_pstate/no_turbo", NULL, NOT, "boost"},
	        {"power.dma_latency", "/dev/cpu_dma_latency", NULL, NOT, "cpu_dma_latency"},
	        {"clock.source", "/sys/devices/system/clocksource/clocksource0/current_clocksource", NULL, UNKNOWN,
	         "current_clocksource"},
	        {"memory.hugepages", HUGE "/nr_hugepages", NULL, FAIL, "no such pages"},
	        {"memory.hugepages_1g", "/none", NULL, NOT, "no such pages"},
	        {"iommu.interrupt_remapping", "/proc/interrupts", NULL, UNKNOWN, "/proc/interrupts"},
	        {"iommu.strict", "/sys/kernel/iommu_groups/4/type", NULL, UNKNOWN, "type"},
	        {"vfio.noiommu", "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode", NULL, NOT, "not there"},
	        {"cgroup.version", CGROUP "/cgroup.controllers", NULL, WARN, "beside v1, at /sys/fs/cgroup"},
	        {"cgroup.delegation", CGROUP "/cgroup.subtree_control", NULL, UNKNOWN, "subtree_control"},
	        {"boot.parameters", "/proc/cmdline", NULL, UNKNOWN, "/proc/cmdline"},
	};
	(void)state;
	try_all(missing, BH_ARRAY_CNT(missing));
	patient_is("machine.steal", BH_FINDING_NOT_NEEDED, "no hypervisor");
}

static void
hostile_contents_are_no_facts(void **state)
{
	static const struct one hostile[] = {
	        {"cpu.wanted", CPU "/online", "0-99999999", UNKNOWN, "/online"},
	        {"cpu.isolated.booted", "/proc/cmdline", "isolcpus=", FAIL, "isolcpus="},
	        {"cpu.isolated.booted", "/proc/cmdline", "isolcpus=domain,9-2", FAIL, "9-2"},
	        {"cpu.nohz_full", CPU "/nohz_full", "\033[31mred", UNKNOWN, "nohz_full"},
	        {"irq.default", "/proc/irq/default_smp_affinity", "zz", UNKNOWN, "no mask"},
	        {"irq.affinity", "/proc/interrupts", "24:", OK, "none of 2"},
	        {"irq.affinity", "/proc/irq/24/smp_affinity_list", "x", OK, "none of 1"},
	        {"kernel.timer_migration", "/proc/sys/kernel/timer_migration", "-1", UNKNOWN, "no number"},
	        {"kernel.watchdog", "/proc/sys/kernel/watchdog_cpumask", "a-b", UNKNOWN, "no list"},
	        {"kernel.version", "/proc/sys/kernel/osrelease", "six", UNKNOWN, "no version"},
	        {"mm.stat_interval", "/proc/sys/vm/stat_interval", "99999999999999999999999", UNKNOWN, "no number"},
	        {"power.dma_latency", "/dev/cpu_dma_latency", "1", UNKNOWN, "cpu_dma_latency"},
	        {"memory.hugepages", HUGE "/free_hugepages", "many", FAIL, "no such pages"},
	        {"vfio.pci", "/proc/sys/kernel/osrelease", "../../etc", OK, ""},
	        {"task.user", "/proc/1/stat", "1 (a) b) c) S", OK, "all of them in our partition"},
	        {"task.user", "/proc/1/stat", "1 )(", OK, ""},
	        {"cgroup.version", "/proc/self/mounts", "a", OK, ""},
	};
	(void)state;
	try_all(hostile, BH_ARRAY_CNT(hostile));
	patient.machine.guest = true;
	fake_file(patient.root, "/proc/stat", "cpu  1 2 3\n");
	patient_is("machine.steal", BH_FINDING_UNKNOWN, "/proc/stat");
}

static void
interrupts_are_blamed_where_they_are_served(void **state)
{
	char path[128];
	(void)state;
	fake_file(patient.root, "/proc/irq/24/smp_affinity_list", "0-3\n");
	fake_file(patient.root, "/proc/irq/24/effective_affinity_list", "3\n");
	patient_is("irq.affinity", BH_FINDING_FAIL, "served by 3");
	fake_gone(patient.root, "/proc/irq/24/effective_affinity_list");
	patient_is("irq.affinity", BH_FINDING_FAIL, "does not show");
	/* Nobody can move it: Linux 6.9 and on says so by the mode. */
	snprintf(path, sizeof(path), "%s/proc/irq/24/smp_affinity_list", patient.root);
	assert_int_equal(chmod(path, 0444), 0);
	patient_is("irq.affinity", BH_FINDING_OK, "none of 0");
	patient_is("irq.managed", BH_FINDING_OK, "irq 24, eth0-rx-0");
}

static void
tasks_are_named(void **state)
{
	(void)state;
	patient_is("task.kernel", BH_FINDING_OK, "none of 4 may come there but the 1");
	patient_task(30, "kcompactd0", TASK_KERNEL, "0-3");
	patient_is("task.kernel", BH_FINDING_WARN, "kcompactd0 (pid 30): CPUs 0-3");
	patient_is("task.user", BH_FINDING_OK, "1 of 2 processes");
	patient_task(31, "(a) thief", 0, "3");
	patient_is("task.user", BH_FINDING_WARN, "(a) thief (pid 31): CPUs 3");
	patient_task(32, "irqbalance", 0, "0-1");
	patient_is("irq.irqbalance", BH_FINDING_WARN, "IRQBALANCE_BANNED_CPULIST=2-3");
	patient_task(33, "tuned", 0, "0-1");
	patient_is("manager.tuned", BH_FINDING_FAIL, "systemctl disable --now tuned");
	patient_task(34, "numad", 0, "0-1");
	patient_is("manager.others", BH_FINDING_WARN, "numad (pid 34)");
}

static void
devices_are_checked_one_by_one(void **state)
{
	(void)state;
	fake_pci(patient.root, "0000:01:00.1", 0x8086, 0x10d3, 0x020000, "e1000e", 4);
	patient_is("device.group", BH_FINDING_FAIL, "shares group 4 with 0000:01:00.1 (driver e1000e)");
	fake_gone(patient.root, "/sys/bus/pci/devices/" NVME "/iommu_group");
	fake_pci(patient.root, NVME, 0x1b36, 0x0010, 0x010802, "nvme", -1);
	patient_is("device.driver", BH_FINDING_FAIL, NVME ": driver nvme");
	patient_is("device.group", BH_FINDING_FAIL, "no group");
	fake_file(patient.root, "/sys/bus/pci/devices/" NVME "/numa_node", "1\n");
	fake_file(patient.root, "/sys/devices/system/node/node1/cpulist", "4-7\n");
	patient_is("device.node", BH_FINDING_WARN, NVME " is on node 1");
	snprintf(patient.wants.device[0], sizeof(patient.wants.device[0]), "0000:09:00.0");
	patient_is("device.present", BH_FINDING_FAIL, "0000:09:00.0");
	patient_is("device.driver", BH_FINDING_UNKNOWN, "see device.present");
}

static void
anothers_partition_is_found(void **state)
{
	(void)state;
	fake_file(patient.root, CGROUP "/a/b/cgroup.procs", "\n");
	fake_file(patient.root, CGROUP "/a/cgroup.procs", "\n");
	fake_file(patient.root, CGROUP "/a/b/cpuset.cpus", "3\n");
	fake_file(patient.root, CGROUP "/a/b/cpuset.cpus.partition", "root\n");
	patient_is("cgroup.foreign", BH_FINDING_FAIL, CGROUP "/a/b: root, CPUs 3");
	fake_file(patient.root, CGROUP "/a/b/cpuset.cpus", "1\n");
	patient_is("cgroup.foreign", BH_FINDING_OK, "on other CPUs");
}

static void
slices_are_looked_at(void **state)
{
	(void)state;
	patient_is("cgroup.slices", BH_FINDING_NOT_NEEDED, "does not manage");
	fake_folder(patient.root, "/run/systemd/system");
	fake_file(patient.root, CGROUP "/system.slice/cgroup.procs", "\n");
	patient_is("cgroup.slices", BH_FINDING_WARN, "system.slice: nothing is set");
	fake_file(patient.root, "/run/systemd/system.control/system.slice.d/50-AllowedCPUs.conf",
	          "[Slice]\nAllowedCPUs=0-2\n");
	patient_is("cgroup.slices", BH_FINDING_WARN, "system.slice: names");
	fake_file(patient.root, "/run/systemd/system.control/system.slice.d/50-AllowedCPUs.conf",
	          "[Slice]\nAllowedCPUs=x\n");
	patient_is("cgroup.slices", BH_FINDING_UNKNOWN, "1 of 1");
	fake_file(patient.root, "/run/systemd/system.control/system.slice.d/50-AllowedCPUs.conf",
	          "[Slice]\nAllowedCPUs=0-1\n");
	patient_is("cgroup.slices", BH_FINDING_OK, "all 1");
}

static void
cgroup_v1_is_explained(void **state)
{
	(void)state;
	patient.wants.level = BH_LEVEL_LIVE;
	fake_gone(patient.root, CGROUP "/cgroup.controllers");
	fake_file(patient.root, "/proc/self/mounts",
	          "cgroup /sys/fs/cgroup/cpuset cgroup rw,cpuset 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n");
	patient_is("cgroup.version", BH_FINDING_FAIL, "at /sys/fs/cgroup/unified");
	patient_is("cgroup.cpuset", BH_FINDING_FAIL, "umount /sys/fs/cgroup/cpuset");
	fake_gone(patient.root, CGROUP "/bulkhead/cpuset.cpus.partition");
	fake_file(patient.root, CPU "/isolated", "\n");
	patient_is("cpu.isolated", BH_FINDING_FAIL, "bulkhead apply x.conf --level full, then reboot");
}

static void
what_is_missing_below_vfio_is_told_apart(void **state)
{
	(void)state;
	fake_gone(patient.root, "/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts");
	fake_gone(patient.root, "/sys/module/vfio_iommu_type1/parameters");
	fake_gone(patient.root, "/sys/module/vfio_iommu_type1");
	patient_is("vfio.type1", BH_FINDING_FAIL, "this kernel does not have it");
	fake_file(patient.root, "/lib/modules/6.1.0-56-amd64/modules.dep",
	          "kernel/drivers/vfio/vfio_iommu_type1.ko: x\n");
	patient_is("vfio.type1", BH_FINDING_WARN, "bulkhead apply x.conf");
	patient_is("iommu.unsafe_interrupts", BH_FINDING_NOT_NEEDED, "not loaded");
	fake_gone(patient.root, "/sys/class/iommu/dmar0/x");
	fake_gone(patient.root, "/sys/class/iommu/dmar0");
	fake_tree_remove(patient.root);
	fake_tree_make(patient.root);
	fake_folder(patient.root, "/sys/kernel");
	fake_file(patient.root, "/sys/firmware/acpi/tables/DMAR", "x");
	patient_is("iommu.on", BH_FINDING_FAIL, "bulkhead apply x.conf, then reboot");
	fake_gone(patient.root, "/sys/firmware/acpi/tables/DMAR");
	patient_is("iommu.present", BH_FINDING_FAIL, "no IOMMU");
}

static void
limits_and_the_processor_are_judged(void **state)
{
	(void)state;
	patient.machine.memlock_bytes = 8 << 20;
	patient_is("memory.memlock", BH_FINDING_FAIL, "8192 KiB may be locked, and the cell locks 16384");
	patient.machine.memlock_free = true;
	patient_is("memory.memlock", BH_FINDING_OK, "CAP_IPC_LOCK");
	patient.machine.memlock_known = false;
	patient_is("memory.memlock", BH_FINDING_UNKNOWN, "RLIMIT_MEMLOCK");
	patient.machine.tsc_invariant = false;
	patient_is("clock.tsc", BH_FINDING_OK, "the kernel found");
	fake_file(patient.root, "/sys/devices/system/clocksource/clocksource0/available_clocksource", "hpet\n");
	patient_is("clock.tsc", BH_FINDING_FAIL, "changes its rate");
	patient.machine.guest = true;
	patient_is("clock.tsc", BH_FINDING_FAIL, "invtsc");
	snprintf(patient.machine.hypervisor, sizeof(patient.machine.hypervisor), "TCGTCGTCGTCG");
	patient_is("machine.guest", BH_FINDING_WARN, "an emulator");
	fake_file(patient.root, "/proc/stat", "cpu  90 0 0 0 0 0 0 10 0 0\n");
	patient_is("machine.steal", BH_FINDING_WARN, "10.00 %");
	patient.machine.cpuid_known = false;
	patient_is("machine.guest", BH_FINDING_UNKNOWN, "");
}

static void
idle_states_are_held_against_the_limit(void **state)
{
	(void)state;
	fake_file(patient.root, CPU "/cpu2/cpuidle/state1/disable", "0\n");
	patient_is("power.idle", BH_FINDING_NOT_NEEDED, "cells poll");
	patient.wants.idle_limited = true;
	patient.wants.idle_latency_ns = 10000;
	patient_is("power.idle", BH_FINDING_WARN, "CPU 2 state1: 133 us");
	patient.wants.idle_limited = patient.wants.has_cell = false;
	patient_is("power.idle", BH_FINDING_WARN, "idle_latency = 10us");
	patient_is("kernel.rt_throttling", BH_FINDING_OK, "-1");
	fake_file(patient.root, "/proc/sys/kernel/sched_rt_runtime_us", "950000\n");
	patient_is("kernel.rt_throttling", BH_FINDING_WARN, "SCHED_FIFO");
	patient.wants.has_cell = true;
	patient_is("kernel.rt_throttling", BH_FINDING_NOT_NEEDED, "cells");
}

static void
pages_in_use_by_cells_are_not_missed(void **state)
{
	(void)state;
	fake_file(patient.root, HUGE "/free_hugepages", "0\n");
	fake_file(patient.root, CGROUP "/bulkhead/cgroup.procs", "300\n");
	patient_is("memory.hugepages", BH_FINDING_OK, "cells run");
	fake_file(patient.root, HUGE "/nr_hugepages", "7\n");
	patient_is("memory.hugepages", BH_FINDING_FAIL, "0 of 7");
}

int
main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, patient_arrives, patient_leaves)
	const struct CMUnitTest tests[] = {
	        TEST(what_is_bad_is_found),
	        TEST(what_is_missing_is_unknown_or_not_needed),
	        TEST(hostile_contents_are_no_facts),
	        TEST(interrupts_are_blamed_where_they_are_served),
	        TEST(tasks_are_named),
	        TEST(devices_are_checked_one_by_one),
	        TEST(anothers_partition_is_found),
	        TEST(slices_are_looked_at),
	        TEST(cgroup_v1_is_explained),
	        TEST(what_is_missing_below_vfio_is_told_apart),
	        TEST(limits_and_the_processor_are_judged),
	        TEST(idle_states_are_held_against_the_limit),
	        TEST(pages_in_use_by_cells_are_not_missed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
