/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/doctor/patient.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct patient patient;

static const struct {
	const char *path, *text;
} healthy[] = {
        {"/sys/devices/system/cpu/online", "0-3"},
        {"/sys/devices/system/cpu/possible", "0-3"},
        {"/sys/devices/system/cpu/isolated", "2-3"},
        {"/sys/devices/system/cpu/nohz_full", "2-3"},
        {"/sys/devices/system/cpu/cpu2/topology/thread_siblings_list", "2-3"},
        {"/sys/devices/system/cpu/cpu3/topology/thread_siblings_list", "2-3"},
        {"/sys/devices/system/cpu/cpu2/cpufreq/scaling_governor", "performance"},
        {"/sys/devices/system/cpu/cpu3/cpufreq/scaling_governor", "performance"},
        {"/sys/devices/system/cpu/cpu2/cpufreq/energy_performance_preference", "performance"},
        {"/sys/devices/system/cpu/cpu3/cpufreq/energy_performance_preference", "performance"},
        {"/sys/devices/system/cpu/cpu2/cpuidle/state0/latency", "0"},
        {"/sys/devices/system/cpu/cpu2/cpuidle/state0/disable", "0"},
        {"/sys/devices/system/cpu/cpu2/cpuidle/state1/latency", "133"},
        {"/sys/devices/system/cpu/cpu2/cpuidle/state1/disable", "1"},
        {"/sys/devices/system/cpu/intel_pstate/no_turbo", "0"},
        {"/sys/devices/system/cpu/vulnerabilities/meltdown", "Not affected"},
        {"/sys/devices/system/cpu/vulnerabilities/spectre_v2", "Mitigation: Retpolines"},
        {"/sys/fs/cgroup/cgroup.controllers", "cpuset cpu memory"},
        {"/sys/fs/cgroup/cgroup.subtree_control", "cpuset memory"},
        {"/sys/fs/cgroup/bulkhead/cgroup.procs", ""},
        {"/sys/fs/cgroup/bulkhead/cpuset.cpus", "2-3"},
        {"/sys/fs/cgroup/bulkhead/cpuset.cpus.effective", "2-3"},
        {"/sys/fs/cgroup/bulkhead/cpuset.cpus.partition", "isolated"},
        {"/proc/cmdline", "quiet isolcpus=managed_irq,domain,2-3 nohz_full=2-3 rcu_nocbs=2-3 irqaffinity=0-1"},
        {"/proc/stat", "cpu  100 0 100 1000 0 0 0 0 0 0"},
        {"/proc/swaps", "Filename Type Size Used Priority"},
        {"/proc/self/mounts", "none /sys/fs/cgroup cgroup2 rw 0 0"},
        {"/proc/interrupts",
         "            CPU0       CPU1       CPU2       CPU3\n"
         "   0:         44          0          0          0  IR-IO-APIC    2-edge      timer\n"
         "  24:         44          0          0          0  IR-PCI-MSI 1048576-edge      eth0-rx-0\n"
         "  25:          0          0         12          0  IR-PCI-MSI 524288-edge      nvme0q1\n"
         " NMI:          0          0          0          0   Non-maskable interrupts"},
        {"/proc/irq/default_smp_affinity", "3"},
        {"/proc/irq/0/smp_affinity_list", "0-3"},
        {"/proc/irq/0/effective_affinity_list", "0"},
        {"/proc/irq/24/smp_affinity_list", "0-1"},
        {"/proc/irq/24/effective_affinity_list", "1"},
        {"/proc/irq/25/smp_affinity_list", "0-1"},
        {"/proc/irq/25/effective_affinity_list", "0"},
        {"/proc/sys/kernel/timer_migration", "1"},
        {"/proc/sys/kernel/watchdog", "1"},
        {"/proc/sys/kernel/watchdog_cpumask", "0-1"},
        {"/proc/sys/kernel/nmi_watchdog", "0"},
        {"/proc/sys/kernel/numa_balancing", "0"},
        {"/proc/sys/kernel/sched_rt_runtime_us", "-1"},
        {"/proc/sys/kernel/osrelease", "6.1.0-56-amd64"},
        {"/proc/sys/kernel/version", "#1 SMP PREEMPT_DYNAMIC Debian"},
        {"/proc/sys/vm/stat_interval", "120"},
        {"/sys/devices/virtual/workqueue/cpumask", "3"},
        {"/sys/devices/virtual/workqueue/writeback/cpumask", "3"},
        {"/sys/devices/system/machinecheck/machinecheck0/check_interval", "0"},
        {"/sys/devices/system/clocksource/clocksource0/available_clocksource", "tsc hpet"},
        {"/sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc"},
        {"/sys/devices/system/node/node0/cpulist", "0-3"},
        {"/sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages", "8"},
        {"/sys/devices/system/node/node0/hugepages/hugepages-2048kB/free_hugepages", "8"},
        {"/sys/kernel/mm/ksm/run", "0"},
        {"/sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never"},
        {"/sys/kernel/mm/transparent_hugepage/defrag", "always defer defer+madvise [madvise] never"},
        {"/sys/kernel/mm/transparent_hugepage/khugepaged/defrag", "0"},
        {"/sys/class/net/eth0/queues/rx-0/rps_cpus", "0"},
        {"/sys/class/net/eth0/queues/tx-0/xps_cpus", "3"},
        {"/sys/firmware/acpi/tables/DMAR", "x"},
        {"/sys/class/iommu/dmar0/x", ""},
        {"/sys/kernel/iommu_groups/4/type", "DMA"},
        {"/sys/module/vfio_pci/refcnt", "0"},
        {"/sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "N"},
        {"/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts", "N"},
        {"/dev/vfio/vfio", ""},
};

void
patient_task(unsigned pid, const char *name, unsigned flags, const char *cpus)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%u/stat", pid);
	fake_file(patient.root, path, "%u (%s) S 1 1 1 0 -1 %u 0 0\n", pid, name, flags);
	snprintf(path, sizeof(path), "/proc/%u/comm", pid);
	fake_file(patient.root, path, "%.15s\n", name);
	snprintf(path, sizeof(path), "/proc/%u/status", pid);
	fake_file(patient.root, path, "Name:\t%s\nCpus_allowed:\tf\nCpus_allowed_list:\t%s\nMems_allowed:\t1\n", name,
	          cpus);
	snprintf(path, sizeof(path), "/proc/%u/cgroup", pid);
	fake_file(patient.root, path, "0::/\n");
}

static void
add_tasks(void)
{
	patient_task(1, "init", 0, "0-1");
	patient_task(2, "kthreadd", TASK_KERNEL, "0-1");
	patient_task(20, "ksoftirqd/2", TASK_KERNEL | TASK_BOUND, "2");
	patient_task(21, "rcuop/2", TASK_KERNEL, "0-1");
	patient_task(22, "rcuos/3", TASK_KERNEL, "0-1");
	patient_task(300, "a cell", 0, "2-3");
	fake_file(patient.root, "/proc/300/cgroup", "0::/bulkhead/cell-1\n");
}

int
patient_arrives(void **state)
{
	(void)state;
	memset(&patient, 0, sizeof(patient));
	fake_tree_make(patient.root);
	for (size_t i = 0; i < BH_ARRAY_CNT(healthy); i++)
		fake_file(patient.root, healthy[i].path, "%s\n", healthy[i].text);
	add_tasks();
	fake_folder(patient.root, "/sys/bus/pci/drivers/vfio-pci");
	fake_pci(patient.root, NVME, 0x1b36, 0x0010, 0x010802, "vfio-pci", 4);
	bh_wants_none(&patient.wants);
	patient.file = "x.conf";
	patient.wants.level = BH_LEVEL_FULL;
	patient.wants.has_cell = true;
	patient.wants.hugepage_cnt = 8;
	patient.wants.memory_bytes = 16 << 20;
	patient.wants.device_cnt = 1;
	snprintf(patient.wants.device[0], sizeof(patient.wants.device[0]), NVME);
	bh_cpus_add(&patient.wants.cpus, 2);
	bh_cpus_add(&patient.wants.cpus, 3);
	patient.machine = (struct bh_doctor_machine){
	        .cpuid_known = true, .tsc_invariant = true, .memlock_known = true, .memlock_bytes = UINT64_MAX};
	return 0;
}

int
patient_leaves(void **state)
{
	(void)state;
	bh_doctor_free(&patient.report);
	fake_tree_remove(patient.root);
	return 0;
}

int
patient_look(const char *area)
{
	const struct bh_doctor_request request = {.root = patient.root,
	                                          .wants = &patient.wants,
	                                          .file = patient.file,
	                                          .area = area,
	                                          .machine = &patient.machine};
	bh_doctor_free(&patient.report);
	return bh_doctor_run(&request, &patient.report, &patient.error);
}

const struct bh_finding *
patient_finding(const char *id)
{
	for (uint32_t i = 0; i < patient.report.finding_cnt; i++) {
		if (strcmp(patient.report.finding[i].check->id, id) == 0)
			return &patient.report.finding[i];
	}
	fail_msg("no finding %s", id);
	return NULL;
}

void
patient_is(const char *id, enum bh_finding_state state, const char *says)
{
	assert_int_equal(patient_look(id), 0);
	const struct bh_finding *finding = patient_finding(id);
	bool said = strstr(finding->value, says) != NULL || strstr(finding->evidence, says) != NULL ||
	            strstr(finding->fix, says) != NULL;
	for (uint32_t i = 0; i < finding->detail_cnt; i++)
		said |= strstr(finding->detail[i], says) != NULL;
	if (finding->state != state || !said)
		fail_msg("%s is %s: %s [%s] {%s}; expected %s: %s", id, bh_finding_state_name(finding->state),
		         finding->value, finding->evidence, finding->fix, bh_finding_state_name(state), says);
}
