/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's own work: workqueues, timers, watchdogs, polling; and which kernel it is. */
#include <errno.h>
#include <string.h>

#include "host/doctor/private.h"

#define WORKQUEUES "/sys/devices/virtual/workqueue"

static void
check_workqueues(const struct bh_doctor *doctor, struct bh_finding *out)
{
	static const char path[] = WORKQUEUES "/cpumask";
	char text[BH_CPUS_TEXT_BYTES], list[BH_CPUS_TEXT_BYTES];
	struct bh_cpus cpus;
	if (doctor_no_cpus(doctor, out) || !doctor_read(doctor, out, text, sizeof(text), path, NULL))
		return;
	if (bh_cpus_parse_mask(text, &cpus) != 0) {
		doctor_say(out, BH_FINDING_UNKNOWN, "that is no mask of CPUs");
	} else if (!doctor_on_cpus(doctor, &cpus, list)) {
		doctor_say(out, BH_FINDING_OK, "unbound work stays on Linux's CPUs");
	} else {
		doctor_say(out, BH_FINDING_WARN, "the kernel runs unbound work on CPU %.40s, too", list);
		doctor_fix_apply(doctor, out);
	}
}

/* Those with a mask of their own; what counts is that and the mask of all of them, together. */
static void
check_named(const struct bh_doctor *doctor, struct bh_finding *out)
{
	unsigned all_cnt = 0, here_cnt = 0;
	struct bh_sys_names names;
	if (doctor_no_cpus(doctor, out))
		return;
	int err = bh_sys_list(&names, doctor->root, WORKQUEUES);
	if (err != 0) {
		doctor_unreadable(out, WORKQUEUES, err);
		return;
	}
	for (size_t i = 0; i < names.cnt; i++) {
		char text[BH_CPUS_TEXT_BYTES], list[BH_CPUS_TEXT_BYTES];
		struct bh_cpus cpus;
		if (bh_sys_read(text, sizeof(text), doctor->root, WORKQUEUES "/%s/cpumask", names.name[i]) != 0 ||
		    bh_cpus_parse_mask(text, &cpus) != 0)
			continue;
		all_cnt++;
		if (!doctor_on_cpus(doctor, &cpus, list))
			continue;
		if (here_cnt++ == 0)
			doctor_evidence(out, WORKQUEUES "/%s/cpumask: %.64s", names.name[i], text);
		doctor_detail(out, "%s: CPU %.64s", names.name[i], list);
	}
	bh_sys_names_free(&names);
	if (here_cnt > 0) {
		doctor_say(out, BH_FINDING_WARN, "%u of %u workqueues with masks of their own name these CPUs",
		           here_cnt, all_cnt);
		doctor_fix_apply(doctor, out);
		return;
	}
	doctor_evidence(out, WORKQUEUES "/*/cpumask");
	if (all_cnt > 0)
		doctor_say(out, BH_FINDING_OK, "none of %u (writeback and others) names these CPUs", all_cnt);
	else
		doctor_say(out, BH_FINDING_NOT_NEEDED, "no workqueue has a mask of its own");
}

static void
check_watchdog(const struct bh_doctor *doctor, struct bh_finding *out)
{
	static const char path[] = "/proc/sys/kernel/watchdog_cpumask";
	char text[BH_CPUS_TEXT_BYTES], list[BH_CPUS_TEXT_BYTES];
	uint64_t on;
	struct bh_cpus cpus;
	if (doctor_no_cpus(doctor, out) || !doctor_read(doctor, out, text, sizeof(text), path, "/proc/sys/kernel"))
		return;
	if (bh_cpus_parse_list(text, &cpus) != 0) {
		doctor_say(out, BH_FINDING_UNKNOWN, "that is no list of CPUs");
	} else if (bh_sys_read_number(&on, 1, doctor->root, "/proc/sys/kernel/watchdog") == 0 && on == 0) {
		doctor_say(out, BH_FINDING_OK, "the lockup watchdogs are off");
		doctor_evidence(out, "/proc/sys/kernel/watchdog: 0");
	} else if (!doctor_on_cpus(doctor, &cpus, list)) {
		doctor_say(out, BH_FINDING_OK, "the soft-lockup watchdog looks after Linux's CPUs only");
	} else {
		doctor_say(out, BH_FINDING_WARN,
		           "the soft-lockup watchdog wakes a thread on CPU %.40s every few seconds", list);
		doctor_fix_apply(doctor, out);
	}
}

/* A number that should be another one. */
struct rule {
	const char *path, *feature;
	uint64_t good;
	bool apply_mends_all; /* or only the value `bad` */
	uint64_t bad;
	const char *good_text, *bad_text, *fix;
};

static void
check_switch(const struct bh_doctor *doctor, struct bh_finding *out)
{
	const struct rule *rule = out->check->rule;
	char text[64];
	uint64_t value;
	if (!doctor_read(doctor, out, text, sizeof(text), rule->path, rule->feature))
		return;
	if (bh_sys_read_number(&value, UINT64_MAX, doctor->root, "%s", rule->path) != 0) {
		doctor_say(out, BH_FINDING_UNKNOWN, "that is no number");
	} else if (value == rule->good) {
		doctor_say(out, BH_FINDING_OK, "%s", rule->good_text);
	} else {
		doctor_say(out, BH_FINDING_WARN, "%s", rule->bad_text);
		if (rule->apply_mends_all || value == rule->bad)
			doctor_fix_or(doctor, out, "%s", rule->fix);
		else
			doctor_fix(out, "%s", rule->fix);
	}
}

/* Real-time tasks only; -1 is never. */
static void
check_rt(const struct bh_doctor *doctor, struct bh_finding *out)
{
	static const char path[] = "/proc/sys/kernel/sched_rt_runtime_us";
	char text[64];
	if (!doctor_read(doctor, out, text, sizeof(text), path, "/proc/sys/kernel"))
		return;
	if (strcmp(text, "-1") == 0) {
		doctor_say(out, BH_FINDING_OK, "real-time tasks are never throttled");
	} else if (doctor->wants->has_cell) {
		doctor_say(out, BH_FINDING_NOT_NEEDED, "cells do not run as real-time tasks");
	} else {
		doctor_say(out, BH_FINDING_WARN, "a real-time task that spins is stopped for up to 50 ms each second");
		doctor_fix(out,
		           "sysctl -w kernel.sched_rt_runtime_us=-1 (only if you run SCHED_FIFO or SCHED_RR there)");
	}
}

static void
check_version(const struct bh_doctor *doctor, struct bh_finding *out)
{
	static const char path[] = "/proc/sys/kernel/osrelease";
	char text[128];
	unsigned major, minor;
	if (!doctor_read(doctor, out, text, sizeof(text), path, NULL))
		return;
	if (sscanf(text, "%u.%u", &major, &minor) != 2) {
		doctor_say(out, BH_FINDING_UNKNOWN, "that is no version");
	} else if (major > 6 || (major == 6 && minor >= 1)) {
		doctor_say(out, BH_FINDING_OK, "Linux %u.%u", major, minor);
	} else {
		doctor_say(out, BH_FINDING_WARN, "Linux %u.%u has no isolated partitions: those came with 6.1", major,
		           minor);
		doctor_fix_apply_full(doctor, out);
	}
}

static void
check_preemption(const struct bh_doctor *doctor, struct bh_finding *out)
{
	static const char path[] = "/proc/sys/kernel/version";
	char text[256], mode[128];
	if (!doctor_read(doctor, out, text, sizeof(text), path, NULL))
		return;
	if (bh_sys_read(mode, sizeof(mode), doctor->root, "/sys/kernel/debug/sched/preempt") == 0)
		doctor_evidence(out, "/sys/kernel/debug/sched/preempt: %s", mode);
	const char *model = strstr(text, "PREEMPT_RT") != NULL        ? "fully preemptible (PREEMPT_RT)"
	                    : strstr(text, "PREEMPT_DYNAMIC") != NULL ? "chosen at boot (PREEMPT_DYNAMIC, preempt=)"
	                    : strstr(text, "PREEMPT") != NULL         ? "preemptible"
	                                                              : "not preemptible, or voluntary";
	doctor_say(out, BH_FINDING_OK, "%s", model);
}

static const struct rule migration = {
        .path = "/proc/sys/kernel/timer_migration",
        .feature = "/proc/sys/kernel",
        .good = 1,
        .apply_mends_all = true,
        .good_text = "timers move away from idle CPUs",
        .bad_text = "timers stay on the CPU that started them",
        .fix = "sysctl -w kernel.timer_migration=1",
};
static const struct rule nmi = {
        .path = "/proc/sys/kernel/nmi_watchdog",
        .feature = "/proc/sys/kernel",
        .good = 0,
        .apply_mends_all = true,
        .good_text = "it is off",
        .bad_text = "a performance counter interrupts each busy CPU, every ten seconds or so",
        .fix = "sysctl -w kernel.nmi_watchdog=0",
};
static const struct rule mce = {
        .path = "/sys/devices/system/machinecheck/machinecheck0/check_interval",
        .feature = "/sys/devices/system",
        .good = 0,
        .apply_mends_all = true,
        .good_text = "no CPU polls its machine-check banks",
        .bad_text = "a timer on each CPU polls its machine-check banks",
        .fix = "echo 0 > /sys/devices/system/machinecheck/machinecheck0/check_interval",
};

const struct bh_check bh_checks_kernel[] = {
        {"kernel.workqueues", "unbound work stays on Linux's CPUs",
         "Work that belongs to no CPU is run where the scheduler likes, for as long as it takes.",
         "/sys/devices/virtual/workqueue/cpumask bounds all unbound workqueues of the kernel; 'bulkhead apply' takes "
         "the cells' "
         "CPUs out. Cost: Linux's CPUs do all of it. Work that is bound to a CPU follows who queued it, and nothing of "
         "Linux "
         "runs on isolated CPUs. Documentation/core-api/workqueue.rst.",
         check_workqueues, NULL},
        {"kernel.workqueues.named", "writeback and other workqueues with masks of their own",
         "Writing dirty pages to disks takes milliseconds, wherever its worker runs.",
         "Some workqueues (writeback among them) show a cpumask of their own below "
         "/sys/devices/virtual/workqueue/NAME. "
         "'bulkhead apply' takes the cells' CPUs out of each. Cost: none.",
         check_named, NULL},
        {"kernel.timer_migration", "timers move away from idle CPUs",
         "A timer that fires on a quiet CPU is an interruption that another CPU could have had.",
         "With 1 the kernel puts timers of idle and isolated CPUs on others. 'bulkhead apply' sets 1 where it is 0; it "
         "never "
         "goes the other way. Cost: none to speak of. Documentation/admin-guide/sysctl/kernel.rst.",
         check_switch, &migration},
        {"kernel.watchdog", "the soft-lockup watchdog leaves the CPUs alone",
         "It wakes a thread of the highest priority on each CPU every four seconds, by a timer.",
         "/proc/sys/kernel/watchdog_cpumask says which CPUs it looks after; with nohz_full at boot the kernel leaves "
         "those out "
         "by itself. 'bulkhead apply' takes the cells' CPUs out. Cost: a task that hangs in the kernel on those CPUs "
         "is not "
         "reported. bulkhead's own watchdog looks after cells. Documentation/admin-guide/lockup-watchdogs.rst.",
         check_watchdog, NULL},
        {"kernel.nmi_watchdog", "the hard-lockup watchdog is off",
         "It needs a performance counter's interrupt on each CPU, and takes the counter from perf.",
         "'bulkhead apply' writes 0 to /proc/sys/kernel/nmi_watchdog. Cost: a CPU that hangs with interrupts off is "
         "not "
         "reported. Guests without counters have none. Documentation/admin-guide/lockup-watchdogs.rst.",
         check_switch, &nmi},
        {"kernel.mce_poll", "machine-check banks are not polled",
         "Polling runs a timer on each CPU, every five minutes and more often after errors.",
         "'bulkhead apply' writes 0 to check_interval. Cost: corrected memory errors that raise no interrupt are found "
         "only "
         "when something else reads the banks; uncorrected ones raise an exception as ever. Processors with CMCI "
         "report "
         "most corrected ones by interrupt. Documentation/arch/x86/x86_64/machinecheck.rst.",
         check_switch, &mce},
        {"kernel.rt_throttling", "real-time tasks are not throttled",
         "A SCHED_FIFO task that spins loses 5 % of each second in one piece.",
         "sched_rt_runtime_us of sched_rt_period_us is all that real-time tasks get; -1 switches that off. Cells run "
         "as "
         "ordinary tasks, alone on their CPUs, and need it not; a DPDK or audio program with SCHED_FIFO does. Cost: "
         "such a "
         "task that never sleeps starves the kernel's threads on its CPU. 'bulkhead apply' leaves it alone. "
         "Documentation/scheduler/sched-rt-group.rst.",
         check_rt, NULL},
        {"kernel.version", "the kernel is recent enough",
         "Isolated partitions came with Linux 6.1; before that only a boot parameter isolates.",
         "Level live needs 6.1 for cpuset.cpus.partition = isolated; level full works with older ones, too.",
         check_version, NULL},
        {"kernel.preemption", "the preemption model",
         "It decides how long Linux's own tasks wait; a cell that is alone on its CPU is preempted by nobody.",
         "For information: cells need no particular model. A PREEMPT_RT kernel has more threads with real-time "
         "priority; "
         "task.kernel shows those that may come to the CPUs.",
         check_preemption, NULL},
        {NULL, NULL, NULL, NULL, NULL, NULL},
};
