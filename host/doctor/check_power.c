/* SPDX-License-Identifier: Apache-2.0 */
/* The clock's speed and sleep. Documentation/admin-guide/pm. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/doctor/private.h"

#define NOBODY_ASKS_US 2000000000u     /* PM_QOS_CPU_LATENCY_DEFAULT_VALUE, include/linux/pm_qos.h */
#define DEEP_NS        UINT64_C(50000) /* above what a tuned core loses anyway: docs/figures.md */

/* A file of each CPU that should say "performance". */
static void
check_performance(const struct bh_doctor *doctor, struct bh_finding *out)
{
	const char *file = out->check->rule;
	unsigned bad_cnt = 0, read_cnt = 0;
	if (doctor_no_cpus(doctor, out))
		return;
	bh_cpus_each(cpu, &doctor->cpus)
	{
		char text[64];
		if (bh_sys_read(text, sizeof(text), doctor->root, CPU_DIR "/cpu%u/cpufreq/%s", cpu, file) != 0)
			continue;
		bool bad = strcmp(text, "performance") != 0;
		if (read_cnt++ == 0 || (bad && bad_cnt == 0)) {
			out->evidence[0] = '\0';
			doctor_evidence(out, CPU_DIR "/cpu%u/cpufreq/%s: %s", cpu, file, text);
		}
		bad_cnt += bad;
	}
	if (read_cnt == 0) {
		if (bh_sys_exists(doctor->root, CPU_DIR "/online"))
			doctor_say(out, BH_FINDING_NOT_NEEDED, "Linux does not set the clock's speed here that way");
		else
			doctor_say(out, BH_FINDING_UNKNOWN, "this machine does not show it");
		doctor_evidence(out, CPU_DIR "/cpu%u/cpufreq/%s: not there", bh_cpus_next(&doctor->cpus, 0), file);
	} else if (bad_cnt == 0) {
		doctor_say(out, BH_FINDING_OK, "performance, on each of the CPUs");
	} else if (!doctor->wants->performance) {
		doctor_say(out, BH_FINDING_NOT_NEEDED, "the configuration keeps it ([partition] governor = keep)");
	} else {
		doctor_say(out, BH_FINDING_WARN, "not 'performance' on %u of the CPUs", bad_cnt);
		doctor_fix_apply(doctor, out);
	}
}

struct idle {
	uint64_t worst_ns; /* of the enabled states */
	unsigned too_deep_cnt, state_cnt;
};

static void
look_at_state(const struct bh_doctor *doctor, struct bh_finding *out, unsigned cpu, const char *state,
              struct idle *idle)
{
	uint64_t latency_us, disable;
	if (bh_sys_read_number(&latency_us, UINT32_MAX, doctor->root, CPU_DIR "/cpu%u/cpuidle/%s/latency", cpu,
	                       state) != 0 ||
	    bh_sys_read_number(&disable, UINT32_MAX, doctor->root, CPU_DIR "/cpu%u/cpuidle/%s/disable", cpu, state) !=
	            0)
		return;
	idle->state_cnt++;
	if (disable != 0)
		return;
	idle->worst_ns = BH_MAX(idle->worst_ns, latency_us * 1000);
	if (!doctor->wants->idle_limited || latency_us * 1000 <= doctor->wants->idle_latency_ns)
		return;
	if (idle->too_deep_cnt++ == 0)
		doctor_evidence(out, CPU_DIR "/cpu%u/cpuidle/%s/latency: %llu, and not disabled", cpu, state,
		                (unsigned long long)latency_us);
	doctor_detail(out, "CPU %u %s: %llu us to leave", cpu, state, (unsigned long long)latency_us);
}

static void
judge_idle(const struct bh_doctor *doctor, struct bh_finding *out, const struct idle *idle)
{
	const unsigned long long worst_us = idle->worst_ns / 1000;
	if (idle->too_deep_cnt > 0) {
		doctor_say(out, BH_FINDING_WARN, "%u idle states take longer to leave than the configuration allows",
		           idle->too_deep_cnt);
		doctor_fix_apply(doctor, out);
		return;
	}
	doctor_evidence(out, CPU_DIR "/cpu%u/cpuidle/*/latency: at most %llu", bh_cpus_next(&doctor->cpus, 0),
	                worst_us);
	if (doctor->wants->has_cell && !doctor->wants->idle_limited) {
		doctor_say(out, BH_FINDING_NOT_NEEDED, "cells poll: their CPUs are never idle");
	} else if (idle->worst_ns <= DEEP_NS || doctor->wants->idle_limited) {
		doctor_say(out, BH_FINDING_OK, "the slowest idle state takes %llu us to leave", worst_us);
	} else {
		doctor_say(out, BH_FINDING_WARN, "the slowest idle state takes %llu us to leave", worst_us);
		doctor_fix(out, "idle_latency = 10us in [partition], then bulkhead apply %s",
		           doctor->file != NULL ? doctor->file : "FILE");
	}
}

static void
check_idle(const struct bh_doctor *doctor, struct bh_finding *out)
{
	struct idle idle = {0};
	if (doctor_no_cpus(doctor, out))
		return;
	bh_cpus_each(cpu, &doctor->cpus)
	{
		struct bh_sys_names names;
		if (bh_sys_list(&names, doctor->root, CPU_DIR "/cpu%u/cpuidle", cpu) != 0)
			continue;
		for (size_t i = 0; i < names.cnt; i++)
			look_at_state(doctor, out, cpu, names.name[i], &idle);
		bh_sys_names_free(&names);
	}
	if (idle.state_cnt > 0) {
		judge_idle(doctor, out, &idle);
		return;
	}
	if (bh_sys_exists(doctor->root, CPU_DIR "/online"))
		doctor_say(out, BH_FINDING_NOT_NEEDED, "Linux chooses no idle states here");
	else
		doctor_say(out, BH_FINDING_UNKNOWN, "this machine does not show it");
	doctor_evidence(out, CPU_DIR "/cpu%u/cpuidle: not there", bh_cpus_next(&doctor->cpus, 0));
}

static void
check_turbo(const struct bh_doctor *doctor, struct bh_finding *out)
{
	static const char intel[] = CPU_DIR "/intel_pstate/no_turbo", others[] = CPU_DIR "/cpufreq/boost";
	uint64_t value;
	bool is_intel = bh_sys_exists(doctor->root, "%s", intel);
	const char *path = is_intel ? intel : others;
	int err = bh_sys_read_number(&value, 1, doctor->root, "%s", path);
	if (err == -ENOENT && bh_sys_exists(doctor->root, CPU_DIR "/online")) {
		doctor_lacks(out, path, "Linux has no say in it here");
	} else if (err != 0) {
		doctor_unreadable(out, path, err);
	} else {
		doctor_evidence(out, "%s: %llu", path, (unsigned long long)value);
		doctor_say(out, BH_FINDING_OK, "%s",
		           (value != 0) != is_intel
		                   ? "on: fastest, but the speed varies with heat and with busy neighbours"
		                   : "off: one speed");
	}
}

/* Reading it asks for nothing: a request of the reader's begins with the default (kernel/power/qos.c). */
static void
check_latency(const struct bh_doctor *doctor, struct bh_finding *out)
{
	static const char path[] = "/dev/cpu_dma_latency";
	char *text;
	uint32_t value_us = 0;
	int64_t len = bh_sys_load(&text, doctor->root, "%s", path);
	if (len == -ENOENT && bh_sys_exists(doctor->root, "/dev")) {
		doctor_lacks(out, path, "this kernel does not have it");
		return;
	}
	if (len < 0) {
		doctor_unreadable(out, path, (int)len);
		return;
	}
	if (len == sizeof(value_us))
		memcpy(&value_us, text, sizeof(value_us));
	free(text);
	if (len != sizeof(value_us)) {
		doctor_unreadable(out, path, -EINVAL);
		return;
	}
	doctor_evidence(out, "%s: %u us", path, value_us);
	if (value_us == NOBODY_ASKS_US)
		doctor_say(out, BH_FINDING_OK, "nobody keeps all CPUs out of deep idle states");
	else
		doctor_say(out, BH_FINDING_OK,
		           "somebody keeps all CPUs out of idle states that take over %u us to leave", value_us);
}

const struct bh_check bh_checks_power[] = {
        {"power.governor", "the clock stays up",
         "A governor that follows the load lowers the clock in pauses, and takes milliseconds to raise it again.",
         "'bulkhead apply' writes performance to scaling_governor of the cells' CPUs ([partition] governor = keep "
         "leaves it). "
         "Cost: power, and heat that may cost neighbours their turbo. Guests mostly have no say.",
         check_performance, "scaling_governor"},
        {"power.epp", "the processor's own governor is told, too",
         "With hardware-managed clocks the governor's name alone does not decide.",
         "energy_performance_preference is a hint to the processor (HWP, CPPC). 'bulkhead apply' writes performance on "
         "the "
         "cells' CPUs. Cost: power.",
         check_performance, "energy_performance_preference"},
        {"power.idle", "idle states are quick to leave",
         "The deepest idle states take 50 to 1000 us to leave, and empty the caches.",
         "A cell polls and is never idle, so it needs nothing here. For programs that wait, set [partition] "
         "idle_latency = "
         "10us: 'bulkhead apply' then disables the states of these CPUs that take longer. Cost: power; and a sibling "
         "or "
         "neighbour may get less turbo.",
         check_idle, NULL},
        {"power.turbo", "whether the clock may exceed its nominal speed",
         "Turbo makes everything faster, and figures less repeatable.",
         "For information: leave it on for speed, switch it off for measurements that are compared. 'bulkhead apply' "
         "leaves it "
         "alone.",
         check_turbo, NULL},
        {"power.dma_latency", "who keeps all CPUs awake",
         "A program that holds /dev/cpu_dma_latency open at 0 keeps every CPU spinning, also Linux's.",
         "For information. It helps programs that wait, at the price of heat on the whole machine; [partition] "
         "idle_latency "
         "does the same for the cells' CPUs only.",
         check_latency, NULL},
        {NULL, NULL, NULL, NULL, NULL, NULL},
};
