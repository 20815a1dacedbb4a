/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The live level, part by part. docs/settings.md tells what each setting does and costs; where a file is not there, this kernel
 * has nothing to set.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "host/machine/irqbalance.h"
#include "host/machine/plan_private.h"
#include "host/machine/slices.h"

#define CPU_DIR  "/sys/devices/system/cpu"
#define NODE_DIR "/sys/devices/system/node"

static int add(struct bh_plan *plan, const struct bh_step *step, const char *want, const char *format, ...)
        __attribute__((format(printf, 4, 5)));

static int
add(struct bh_plan *plan, const struct bh_step *step, const char *want, const char *format, ...)
{
	char path[BH_SYS_PATH_BYTES];
	va_list args;
	va_start(args, format);
	int len = vsnprintf(path, sizeof(path), format, args);
	va_end(args);
	return len < 0 || len >= (int)sizeof(path) ? -ENAMETOOLONG : bh_plan_add(plan, step, false, path, want);
}

/* What a list or mask is without the cells' CPUs; if nothing remains, all of the host's. */
static struct bh_cpus
without(const struct bh_plan *plan, const struct bh_cpus *now)
{
	const struct bh_cpus left = bh_cpus_and(now, &plan->host);
	return bh_cpus_empty(&left) ? plan->host : left;
}

/* Where systemd rules, it is told as well: it writes the groups of its slices anew when a unit changes. */
static int
plan_slices(struct bh_plan *plan)
{
	static const struct bh_step step = {BH_CHANGE_SLICE, "cpus", "systemd keeps its units on Linux's CPUs", true};
	char list[BH_CPUS_TEXT_BYTES];
	struct bh_sys_names names;
	struct bh_error ignored;
	int err = bh_slices_list(plan->root, &names, &ignored);
	if (err != 0)
		return 0; /* the partition keeps them away in any case */
	for (size_t i = 0; i < names.cnt && err == 0; i++) {
		struct bh_cpus now;
		bool is_set;
		if (bh_slices_read(plan->root, names.name[i], &is_set, &now, &ignored) != 0)
			continue;
		const struct bh_cpus want = is_set ? without(plan, &now) : plan->host;
		err = bh_plan_add(plan, &step, false, names.name[i], bh_cpus_list(&want, list));
	}
	bh_sys_names_free(&names);
	return err;
}

int
bh_plan_cpus(struct bh_plan *plan)
{
	static const char stage[] = "cpus";
	static const struct bh_step controller = {BH_CHANGE_CONTROLLER, stage,
	                                          "groups below may have CPUs of their own", false};
	static const struct bh_step group = {BH_CHANGE_GROUP, stage, "the group that cells run in", false};
	static const struct bh_step file = {BH_CHANGE_SYS, stage,
	                                    "no other process or kernel thread is scheduled on them", false};
	char list[BH_CPUS_TEXT_BYTES];
	if (!bh_plan_has_cpuset(plan->root))
		return 0;
	int err = plan_slices(plan);
	if (err == 0)
		err = bh_plan_add(plan, &controller, false, BH_CGROUP "/cgroup.subtree_control", "on");
	if (err == 0)
		err = bh_plan_add(plan, &group, false, BH_PARTITION_GROUP, "present");
	if (err == 0)
		err = bh_plan_add(plan, &file, true, BH_PARTITION_GROUP "/cpuset.cpus",
		                  bh_cpus_list(&plan->wants.cpus, list));
	return err != 0 ? err : bh_plan_add(plan, &file, true, BH_PARTITION_GROUP "/cpuset.cpus.partition", "isolated");
}

/* A file with a mask that names one of the cells' CPUs, with the bits of CPUs that could still come kept. */
static int
add_mask(struct bh_plan *plan, const struct bh_step *step, const char *path)
{
	char text[BH_CPUS_TEXT_BYTES], mask[BH_CPUS_TEXT_BYTES];
	struct bh_cpus now;
	if (bh_sys_read(text, sizeof(text), plan->root, "%s", path) != 0 || bh_cpus_parse_mask(text, &now) != 0 ||
	    bh_cpus_empty(&now))
		return 0;
	const struct bh_cpus want = without(plan, &now);
	return bh_plan_add(plan, step, false, path, bh_cpus_mask(&want, plan->possible_cnt, mask));
}

static int
compare_numbers(const void *a, const void *b)
{
	const char *first = a, *second = b;
	size_t first_len = strlen(first), second_len = strlen(second);
	return first_len != second_len ? (first_len < second_len ? -1 : 1) : strcmp(first, second);
}

/* Who asked for the interrupt: a folder of /proc/irq/N carries the name. "" nobody. */
static void
irq_action(const char *root, const char *irq, char out[BH_SYS_NAME_BYTES])
{
	static const char *const file[] = {"affinity_hint", "effective_affinity", "effective_affinity_list",
	                                   "node",          "smp_affinity",       "smp_affinity_list",
	                                   "spurious"};
	struct bh_sys_names names;
	out[0] = '\0';
	if (bh_sys_list(&names, root, "/proc/irq/%s", irq) != 0)
		return;
	for (size_t i = 0; i < names.cnt && out[0] == '\0'; i++) {
		bool is_file = false;
		for (size_t j = 0; j < BH_ARRAY_CNT(file); j++)
			is_file = is_file || strcmp(names.name[i], file[j]) == 0;
		if (!is_file)
			memcpy(out, names.name[i], BH_SYS_NAME_BYTES);
	}
	bh_sys_names_free(&names);
}

static int
plan_irq(struct bh_plan *plan, const char *irq)
{
	char list[BH_CPUS_TEXT_BYTES], action[BH_SYS_NAME_BYTES], why[BH_CHANGE_WHY_BYTES];
	const struct bh_step step = {BH_CHANGE_SYS, "irqs", why, true};
	struct bh_cpus now;
	if (bh_cpus_read(&now, plan->root, "/proc/irq/%s/smp_affinity_list", irq) != 0 ||
	    (!bh_cpus_meet(&now, &plan->wants.cpus) && bh_cpus_meet(&now, &plan->host)))
		return 0;
	const struct bh_cpus want = without(plan, &now);
	irq_action(plan->root, irq, action);
	snprintf(why, sizeof(why), "interrupt of %s: Linux's CPUs serve it", action[0] != '\0' ? action : "nobody yet");
	return add(plan, &step, bh_cpus_list(&want, list), "/proc/irq/%s/smp_affinity_list", irq);
}

/* Before the interrupts: or it moves them back. The union with what it leaves alone already. */
static int
plan_irqbalance(struct bh_plan *plan)
{
	static const struct bh_step step = {BH_CHANGE_IRQBALANCE, "irqs", "irqbalance keeps interrupts off them, too",
	                                    false};
	char list[BH_CPUS_TEXT_BYTES];
	struct bh_cpus banned;
	struct bh_error error = {0};
	int err = bh_irqbalance_banned(plan->root, &banned, &error);
	if (err == -ENOENT)
		return 0;
	if (err != 0) {
		bh_plan_note(plan, "%s", error.text);
		return 0;
	}
	const struct bh_cpus want = bh_cpus_or(&banned, &plan->wants.cpus);
	return bh_plan_add(plan, &step, false, "irqbalance", bh_cpus_list(&want, list));
}

int
bh_plan_irqs(struct bh_plan *plan)
{
	static const struct bh_step fresh = {BH_CHANGE_SYS, "irqs", "interrupts that devices ask for from now on",
	                                     true};
	struct bh_sys_names names;
	int err = plan_irqbalance(plan);
	if (err == 0)
		err = add_mask(plan, &fresh, "/proc/irq/default_smp_affinity");
	if (err != 0 || bh_sys_list(&names, plan->root, "/proc/irq") != 0)
		return err;
	qsort(names.name, names.cnt, sizeof(names.name[0]), compare_numbers);
	for (size_t i = 0; i < names.cnt && err == 0; i++)
		err = plan_irq(plan, names.name[i]);
	bh_sys_names_free(&names);
	return err;
}

static int
plan_workqueues(struct bh_plan *plan)
{
	static const struct bh_step all = {BH_CHANGE_SYS, "kernel", "unbound work of the kernel", true};
	struct bh_sys_names names;
	int err = add_mask(plan, &all, "/sys/devices/virtual/workqueue/cpumask");
	if (err != 0 || bh_sys_list(&names, plan->root, "/sys/devices/virtual/workqueue") != 0)
		return err;
	for (size_t i = 0; i < names.cnt && err == 0; i++) {
		char path[BH_SYS_PATH_BYTES];
		snprintf(path, sizeof(path), "/sys/devices/virtual/workqueue/%s/cpumask", names.name[i]);
		if (bh_sys_exists(plan->root, "%s", path))
			err = add_mask(plan, &all, path);
	}
	bh_sys_names_free(&names);
	return err;
}

/* Packet steering: where it names a CPU of the cells. "0" means off, and stays. */
static int
plan_steering(struct bh_plan *plan)
{
	static const struct bh_step step = {BH_CHANGE_SYS, "kernel", "packets are not handed to the cells' CPUs", true};
	struct bh_sys_names nics, queues;
	int err = 0;
	if (bh_sys_list(&nics, plan->root, "/sys/class/net") != 0)
		return 0;
	for (size_t i = 0; i < nics.cnt && err == 0; i++) {
		if (bh_sys_list(&queues, plan->root, "/sys/class/net/%s/queues", nics.name[i]) != 0)
			continue;
		for (size_t j = 0; j < queues.cnt && err == 0; j++) {
			char path[BH_SYS_PATH_BYTES];
			snprintf(path, sizeof(path), "/sys/class/net/%s/queues/%s/%s_cpus", nics.name[i],
			         queues.name[j], queues.name[j][0] == 'r' ? "rps" : "xps");
			err = add_mask(plan, &step, path);
		}
		bh_sys_names_free(&queues);
	}
	bh_sys_names_free(&nics);
	return err;
}

/* Only ever in this direction: a value that is better already is left alone. */
static int
plan_switches(struct bh_plan *plan)
{
	static const struct {
		const char *path, *bad, *want, *why;
	} item[] = {
	        {"/proc/sys/kernel/timer_migration", "0", "1", "timers move away from idle CPUs"},
	        {"/proc/sys/kernel/nmi_watchdog", "1", "0", "no counter interrupt to look for hard lockups"},
	        {"/proc/sys/kernel/numa_balancing", "1", "0", "no page faults to find out who uses memory"},
	        {"/sys/kernel/mm/ksm/run", "1", "0", "no scanning for equal pages"},
	        {"/sys/kernel/mm/transparent_hugepage/khugepaged/defrag", "1", "0",
	         "no compaction, which interrupts all CPUs"},
	        {"/sys/devices/system/machinecheck/machinecheck0/check_interval", NULL, "0",
	         "no timer on each CPU that polls machine checks"},
	        {"/proc/sys/vm/stat_interval", "1", "120", "counters of memory are folded every two minutes"},
	};
	int err = 0;
	for (size_t i = 0; i < BH_ARRAY_CNT(item) && err == 0; i++) {
		const struct bh_step step = {BH_CHANGE_SYS, "kernel", item[i].why, true};
		char now[64];
		if (bh_sys_read(now, sizeof(now), plan->root, "%s", item[i].path) != 0)
			continue;
		if (item[i].bad == NULL || strcmp(now, item[i].bad) == 0 || strcmp(now, item[i].want) == 0)
			err = bh_plan_add(plan, &step, false, item[i].path, item[i].want);
	}
	return err;
}

int
bh_plan_kernel(struct bh_plan *plan)
{
	static const struct bh_step watchdog = {BH_CHANGE_SYS, "kernel",
	                                        "the lockup watchdog wakes on Linux's CPUs only", true};
	char list[BH_CPUS_TEXT_BYTES];
	struct bh_cpus now;
	int err = plan_workqueues(plan);
	if (err == 0 && bh_cpus_read(&now, plan->root, "/proc/sys/kernel/watchdog_cpumask") == 0) {
		const struct bh_cpus want = without(plan, &now);
		err = add(plan, &watchdog, bh_cpus_list(&want, list), "/proc/sys/kernel/watchdog_cpumask");
	}
	if (err == 0)
		err = plan_switches(plan);
	return err != 0 ? err : plan_steering(plan);
}

/* The node that most of the CPUs are on. */
static int
node_of(const struct bh_plan *plan)
{
	struct bh_sys_names names;
	unsigned best_cnt = 0;
	int best = -1;
	if (bh_sys_list(&names, plan->root, NODE_DIR) != 0)
		return -1;
	for (size_t i = 0; i < names.cnt; i++) {
		struct bh_cpus cpus;
		char rest;
		unsigned node;
		if (sscanf(names.name[i], "node%u%c", &node, &rest) != 1 ||
		    bh_cpus_read(&cpus, plan->root, NODE_DIR "/%s/cpulist", names.name[i]) != 0)
			continue;
		const struct bh_cpus both = bh_cpus_and(&cpus, &plan->wants.cpus);
		if (bh_cpus_cnt(&both) > best_cnt) {
			best_cnt = bh_cpus_cnt(&both);
			best = (int)node;
		}
	}
	bh_sys_names_free(&names);
	return best;
}

/* So many free ones, on top of those that are in use. */
static int
plan_hugepages(struct bh_plan *plan, uint64_t want_cnt, unsigned size_kib)
{
	static const struct bh_step step = {BH_CHANGE_SYS, "memory",
	                                    "hugepages for arena and heap, on the node of the CPUs", false};
	char folder[128], want[32];
	uint64_t all, free_cnt;
	int node = node_of(plan);
	if (want_cnt == 0)
		return 0;
	if (node >= 0)
		snprintf(folder, sizeof(folder), NODE_DIR "/node%d/hugepages/hugepages-%ukB", node, size_kib);
	else
		snprintf(folder, sizeof(folder), "/sys/kernel/mm/hugepages/hugepages-%ukB", size_kib);
	if (bh_sys_read_number(&all, UINT32_MAX, plan->root, "%s/nr_hugepages", folder) != 0 ||
	    bh_sys_read_number(&free_cnt, UINT32_MAX, plan->root, "%s/free_hugepages", folder) != 0) {
		bh_plan_note(plan, "this kernel has no hugepages of %u KiB (%s)", size_kib, folder);
		return 0;
	}
	snprintf(want, sizeof(want), "%llu",
	         (unsigned long long)(free_cnt >= want_cnt ? all : all + want_cnt - free_cnt));
	return add(plan, &step, want, "%s/nr_hugepages", folder);
}

int
bh_plan_memory(struct bh_plan *plan)
{
	int err = plan_hugepages(plan, plan->wants.hugepage_cnt, 2048);
	return err != 0 ? err : plan_hugepages(plan, plan->wants.hugepage_1g_cnt, 1048576);
}

static int
plan_idle(struct bh_plan *plan, unsigned cpu)
{
	static const struct bh_step step = {BH_CHANGE_SYS, "power", "this idle state takes too long to leave", true};
	struct bh_sys_names names;
	uint64_t latency_us;
	int err = 0;
	if (!plan->wants.idle_limited || bh_sys_list(&names, plan->root, CPU_DIR "/cpu%u/cpuidle", cpu) != 0)
		return 0;
	for (size_t i = 0; i < names.cnt && err == 0; i++) {
		if (bh_sys_read_number(&latency_us, UINT32_MAX, plan->root, CPU_DIR "/cpu%u/cpuidle/%s/latency", cpu,
		                       names.name[i]) == 0 &&
		    latency_us * 1000 > plan->wants.idle_latency_ns)
			err = add(plan, &step, "1", CPU_DIR "/cpu%u/cpuidle/%s/disable", cpu, names.name[i]);
	}
	bh_sys_names_free(&names);
	return err;
}

int
bh_plan_power(struct bh_plan *plan)
{
	static const struct bh_step governor = {BH_CHANGE_SYS, "power", "the clock stays up", true};
	static const struct bh_step preference = {BH_CHANGE_SYS, "power", "the processor's own governor, likewise",
	                                          true};
	int err = 0;
	bh_cpus_each(cpu, &plan->wants.cpus)
	{
		if (err == 0 && plan->wants.performance)
			err = add(plan, &governor, "performance", CPU_DIR "/cpu%u/cpufreq/scaling_governor", cpu);
		if (err == 0 && plan->wants.performance)
			err = add(plan, &preference, "performance",
			          CPU_DIR "/cpu%u/cpufreq/energy_performance_preference", cpu);
		if (err == 0)
			err = plan_idle(plan, cpu);
	}
	return err;
}

int
bh_plan_devices(struct bh_plan *plan)
{
	static const struct bh_step step = {BH_CHANGE_DEVICE, "devices", "a cell drives it through VFIO", false};
	int err = 0;
	for (uint32_t i = 0; i < plan->wants.device_cnt && err == 0; i++)
		err = bh_plan_add(plan, &step, false, plan->wants.device[i], "vfio-pci");
	return err;
}
