/* SPDX-License-Identifier: Apache-2.0 */
/* Who may run on the CPUs: masks of kernel threads and processes. */
#include <string.h>

#include "host/doctor/private.h"

static bool
is_there(const struct bh_doctor *doctor, struct bh_finding *out)
{
	if (doctor_no_cpus(doctor, out))
		return false;
	if (doctor->task_err != 0)
		doctor_unreadable(out, "/proc/*/stat", doctor->task_err);
	return doctor->task_err == 0;
}

/* Masks are the partition's doing, or isolcpus' from the next boot on. */
static void
mend(const struct bh_doctor *doctor, struct bh_finding *out)
{
	if (doctor->has_cpuset)
		doctor_fix_apply(doctor, out);
	else
		doctor_fix_apply_full(doctor, out);
}

static void
tell(struct bh_finding *out, const struct doctor_task *task, bool first)
{
	char list[DOCTOR_LIST_BYTES];
	doctor_short(&task->allowed, list);
	if (first)
		doctor_evidence(out, "/proc/%u/status: Cpus_allowed_list %s", task->pid, list);
	doctor_detail(out, "%s (pid %u): CPUs %s", task->name, task->pid, list);
}

static void
check_kernel(const struct bh_doctor *doctor, struct bh_finding *out)
{
	unsigned all_cnt = 0, here_cnt = 0, bound_cnt = 0;
	if (!is_there(doctor, out))
		return;
	for (uint32_t i = 0; i < doctor->task_cnt; i++) {
		const struct doctor_task *task = &doctor->task[i];
		bool here = task->kernel && bh_cpus_meet(&task->allowed, &doctor->cpus);
		all_cnt += task->kernel;
		bound_cnt += here && task->bound;
		if (here && !task->bound)
			tell(out, task, here_cnt++ == 0);
	}
	if (all_cnt == 0) {
		doctor_say(out, BH_FINDING_UNKNOWN, "no kernel thread is to be seen from here (a container?)");
		doctor_evidence(out, "/proc/*/stat: none");
	} else if (here_cnt == 0) {
		doctor_say(out, BH_FINDING_OK, "none of %u may come there but the %u that belong to those CPUs",
		           all_cnt, bound_cnt);
		doctor_evidence(out, "/proc/*/status: Cpus_allowed_list");
	} else {
		doctor_say(out, BH_FINDING_WARN,
		           "%u kernel threads may run there, besides the %u that belong to those CPUs", here_cnt,
		           bound_cnt);
		mend(doctor, out);
	}
}

static void
check_user(const struct bh_doctor *doctor, struct bh_finding *out)
{
	unsigned all_cnt = 0, here_cnt = 0, ours_cnt = 0;
	if (!is_there(doctor, out))
		return;
	for (uint32_t i = 0; i < doctor->task_cnt; i++) {
		const struct doctor_task *task = &doctor->task[i];
		bool here = !task->kernel && bh_cpus_meet(&task->allowed, &doctor->cpus);
		all_cnt += !task->kernel;
		ours_cnt += here && task->ours;
		if (here && !task->ours)
			tell(out, task, here_cnt++ == 0);
	}
	if (here_cnt > 0) {
		doctor_say(out, BH_FINDING_WARN, "%u of %u processes may run there", here_cnt, all_cnt);
		mend(doctor, out);
		return;
	}
	doctor_evidence(out, "/proc/*/status: Cpus_allowed_list");
	doctor_say(out, BH_FINDING_OK, "%u of %u processes may run there, all of them in our partition", ours_cnt,
	           all_cnt);
}

const struct bh_check bh_checks_task[] = {
        {"task.kernel", "kernel threads keep off the CPUs",
         "A kernel thread that wakes there runs before or beside the cell.",
         "Threads that belong to a CPU (ksoftirqd/N, migration/N, kworker/N:M and others) cannot leave it, and wake "
         "there only "
         "for work that was started there. All others have a mask; an isolated partition takes its CPUs out of theirs, "
         "and "
         "so do isolcpus and nohz_full for threads that start later. A thread that was pinned by hand stays: taskset "
         "-pc LIST "
         "PID moves it.",
         check_kernel, NULL},
        {"task.user", "processes keep off the CPUs",
         "A process whose mask names these CPUs can be scheduled there, or was pinned there by somebody.",
         "An isolated partition takes its CPUs away from all other groups, whatever masks they ask for. With isolcpus "
         "alone, a "
         "process that pins itself to such a CPU gets it: find out who, and why. Threads within a process are not "
         "looked at "
         "one by one.",
         check_user, NULL},
        {NULL, NULL, NULL, NULL, NULL, NULL},
};
