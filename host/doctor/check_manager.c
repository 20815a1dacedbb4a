/* SPDX-License-Identifier: Apache-2.0 */
/* Programs that set the same values. */
#include <string.h>

#include "host/doctor/private.h"

static bool
is_there(const struct bh_doctor *doctor, struct bh_finding *out)
{
	if (doctor->task_err != 0)
		doctor_unreadable(out, "/proc/*/stat", doctor->task_err);
	return doctor->task_err == 0;
}

static void
check_tuned(const struct bh_doctor *doctor, struct bh_finding *out)
{
	static const char *const name[] = {"tuned", "cset", "cpuset-manager"};
	const struct doctor_task *task = NULL;
	if (!is_there(doctor, out))
		return;
	for (size_t i = 0; i < BH_ARRAY_CNT(name) && task == NULL; i++)
		task = doctor_task_find(doctor, name[i]);
	if (task == NULL) {
		doctor_say(out, BH_FINDING_OK, "neither tuned nor cset runs");
		doctor_evidence(out, "/proc/*/stat");
		return;
	}
	doctor_say(out, doctor->configured ? BH_FINDING_FAIL : BH_FINDING_WARN,
	           "%s manages this machine: apply refuses", task->name);
	doctor_evidence(out, "/proc/%u/stat: %s", task->pid, task->name);
	doctor_fix(out, "systemctl disable --now %s", task->name);
}

/* Names as the kernel cuts them: 15 bytes. */
static void
check_others(const struct bh_doctor *doctor, struct bh_finding *out)
{
	static const char *const name[] = {"power-profiles-", "tlp",   "auto-cpufreq", "cpufreqd",   "laptop-mode",
	                                   "ksmtuned",        "numad", "cpuspeed",     "cpupower-g", "system76-power"};
	unsigned cnt = 0;
	if (!is_there(doctor, out))
		return;
	for (size_t i = 0; i < BH_ARRAY_CNT(name); i++) {
		const struct doctor_task *task = doctor_task_find(doctor, name[i]);
		if (task == NULL)
			continue;
		if (cnt++ == 0)
			doctor_evidence(out, "/proc/%u/stat: %s", task->pid, task->name);
		doctor_detail(out, "%s (pid %u)", task->name, task->pid);
	}
	if (cnt == 0) {
		doctor_say(out, BH_FINDING_OK, "no other program is known to set clocks, KSM or NUMA placement here");
		doctor_evidence(out, "/proc/*/stat");
		return;
	}
	doctor_say(out, BH_FINDING_WARN, "%u programs may set some of the same values again", cnt);
	doctor_fix(out, "systemctl disable --now NAME, or set [partition] governor = keep where it is about the clock");
}

const struct bh_check bh_checks_manager[] = {
        {"manager.tuned", "no other manager of isolation runs",
         "Two managers undo each other's settings, and neither's restore is right afterwards.",
         "tuned's cpu-partitioning profiles and cset set the same masks, governors and command line. 'bulkhead apply' "
         "refuses to "
         "fight (BH-E225): stop the one, or stay with it.",
         check_tuned, NULL},
        {"manager.others", "no daemon sets clocks or memory placement",
         "Such a daemon changes a governor, KSM or NUMA placement back some time later.",
         "power-profiles-daemon, TLP, auto-cpufreq, ksmtuned, numad and others are looked for by name. 'bulkhead "
         "status' shows "
         "values that somebody changed since apply.",
         check_others, NULL},
        {NULL, NULL, NULL, NULL, NULL, NULL},
};
