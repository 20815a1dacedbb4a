/* SPDX-License-Identifier: Apache-2.0 */
/* The CPUs: whether they can be had, and whether they are the cells' alone now. What was booted: check_cpu_boot.c. */
#include <string.h>

#include "host/doctor/private.h"

static void
check_wanted(const struct bh_doctor *doctor, struct bh_finding *out)
{
	char list[DOCTOR_LIST_BYTES], host[DOCTOR_LIST_BYTES];
	if (doctor_no_cpus(doctor, out))
		return;
	if (doctor->online_err != 0) {
		doctor_unreadable(out, CPU_DIR "/online", doctor->online_err);
		return;
	}
	const struct bh_cpus missing = bh_cpus_minus(&doctor->cpus, &doctor->online);
	doctor_evidence(out, CPU_DIR "/online: %s", doctor_short(&doctor->online, list));
	doctor_short(&doctor->cpus, list);
	if (!bh_cpus_empty(&missing)) {
		doctor_say(out, BH_FINDING_FAIL, "CPU %s is not online", doctor_short(&missing, list));
		doctor_fix(out, "name other CPUs in [partition] cpus, or: echo 1 > " CPU_DIR "/cpu%u/online",
		           bh_cpus_next(&missing, 0));
	} else if (bh_cpus_has(&doctor->cpus, 0)) {
		doctor_say(out, BH_FINDING_FAIL, "CPU 0 stays with Linux: apply refuses to take it");
		doctor_fix(out, "name other CPUs in [partition] cpus");
	} else if (bh_cpus_empty(&doctor->host)) {
		doctor_say(out, BH_FINDING_FAIL, "no CPU would be left for Linux");
		doctor_fix(out, "name fewer CPUs in [partition] cpus");
	} else {
		doctor_say(out, BH_FINDING_OK, "CPUs %s for cells, %s for Linux", list,
		           doctor_short(&doctor->host, host));
	}
}

/* Our partition's CPUs, if it is valid. */
static struct bh_cpus
partition(const struct bh_doctor *doctor, char kind[128])
{
	struct bh_cpus cpus;
	if (bh_sys_read(kind, 128, doctor->root, BH_PARTITION_GROUP "/cpuset.cpus.partition") != 0)
		kind[0] = '\0';
	if (strcmp(kind, "isolated") != 0 ||
	    (bh_cpus_read(&cpus, doctor->root, BH_PARTITION_GROUP "/cpuset.cpus.effective") != 0 &&
	     bh_cpus_read(&cpus, doctor->root, BH_PARTITION_GROUP "/cpuset.cpus") != 0))
		cpus = (struct bh_cpus){0};
	return cpus;
}

static void
check_isolated(const struct bh_doctor *doctor, struct bh_finding *out)
{
	char kind[128], list[DOCTOR_LIST_BYTES];
	struct bh_cpus booted;
	if (doctor_no_cpus(doctor, out))
		return;
	int err = bh_cpus_read(&booted, doctor->root, CPU_DIR "/isolated");
	const struct bh_cpus group = partition(doctor, kind);
	if (err != 0 && kind[0] == '\0') {
		doctor_unreadable(out, CPU_DIR "/isolated", err);
		return;
	}
	const struct bh_cpus both = err == 0 ? bh_cpus_or(&booted, &group) : group;
	const struct bh_cpus shared = bh_cpus_minus(&doctor->cpus, &both);
	if (err == 0)
		doctor_evidence(out, CPU_DIR "/isolated: %s",
		                bh_cpus_empty(&booted) ? "(empty)" : doctor_short(&booted, list));
	doctor_evidence(out, BH_PARTITION_GROUP "/cpuset.cpus.partition: %s", kind[0] != '\0' ? kind : "not there");
	if (bh_cpus_empty(&shared)) {
		doctor_say(out, BH_FINDING_OK, "no other process is scheduled on CPUs %s",
		           doctor_short(&doctor->cpus, list));
		return;
	}
	doctor_say(out, BH_FINDING_FAIL, "Linux schedules anything on CPU %s", doctor_short(&shared, list));
	if (doctor->has_cpuset && doctor->wants->level != BH_LEVEL_FULL)
		doctor_fix_apply(doctor, out);
	else
		doctor_fix_apply_full(doctor, out);
}

static void
check_partition(const struct bh_doctor *doctor, struct bh_finding *out)
{
	char kind[128], list[DOCTOR_LIST_BYTES];
	const struct bh_cpus group = partition(doctor, kind);
	if (kind[0] == '\0') {
		doctor_say(out, BH_FINDING_NOT_NEEDED, "nothing is applied");
		doctor_evidence(out, BH_PARTITION_GROUP "/cpuset.cpus.partition: not there");
		return;
	}
	doctor_evidence(out, BH_PARTITION_GROUP "/cpuset.cpus.partition: %s", kind);
	if (bh_cpus_empty(&group)) {
		doctor_say(out, BH_FINDING_FAIL, "the partition is there and does not isolate");
		doctor_fix(out, "bulkhead restore, then bulkhead apply %s",
		           doctor->file != NULL ? doctor->file : "FILE");
	} else if (!bh_cpus_inside(&doctor->cpus, &group)) {
		doctor_say(out, BH_FINDING_WARN, "the partition holds other CPUs: %s", doctor_short(&group, list));
		doctor_fix(out, "bulkhead restore, then bulkhead apply %s",
		           doctor->file != NULL ? doctor->file : "FILE");
	} else {
		doctor_say(out, BH_FINDING_OK, "the partition holds CPUs %s", doctor_short(&group, list));
	}
}

static void
check_smt(const struct bh_doctor *doctor, struct bh_finding *out)
{
	char list[DOCTOR_LIST_BYTES], siblings[DOCTOR_LIST_BYTES];
	struct bh_cpus shared = {0};
	unsigned read_cnt = 0;
	if (doctor_no_cpus(doctor, out))
		return;
	bh_cpus_each(cpu, &doctor->cpus)
	{
		struct bh_cpus threads;
		int err = bh_cpus_read(&threads, doctor->root, CPU_DIR "/cpu%u/topology/thread_siblings_list", cpu);
		if (err != 0 && read_cnt == 0)
			doctor_unreadable(out, CPU_DIR "/cpuN/topology/thread_siblings_list", err);
		if (err != 0)
			return;
		if (read_cnt++ == 0)
			doctor_evidence(out, CPU_DIR "/cpu%u/topology/thread_siblings_list: %s", cpu,
			                doctor_short(&threads, siblings));
		threads = bh_cpus_and(&threads, &doctor->host);
		shared = bh_cpus_or(&shared, &threads);
	}
	if (bh_cpus_empty(&shared)) {
		doctor_say(out, BH_FINDING_OK, "no core is shared with Linux");
		return;
	}
	unsigned first = bh_cpus_next(&shared, 1);
	doctor_say(out, BH_FINDING_WARN, "Linux uses CPU %s, on the same cores", doctor_short(&shared, list));
	if (first < BH_CPUS_MAX)
		doctor_fix(out, "add %s to [partition] cpus, or: echo 0 > " CPU_DIR "/cpu%u/online", list, first);
	else
		doctor_fix(out, "CPU 0 cannot be taken: name CPUs of other cores in [partition] cpus");
}

const struct bh_check bh_checks_cpu[] = {
        {"cpu.wanted", "the CPUs are there, and Linux keeps some",
         "CPUs that are offline, CPU 0 and Linux's last one cannot be a cell's.",
         "The kernel keeps timers, interrupts and work on CPU 0 that cannot move, and Linux needs at least one CPU of "
         "its "
         "own. 'bulkhead apply' refuses such lists (BH-E220, BH-E225); nothing overrides that.",
         check_wanted, NULL},
        {"cpu.isolated", "nothing else is scheduled on the CPUs now",
         "Each other task that runs there takes milliseconds, and its memory out of the caches.",
         "Two ways, and either will do: a cgroup v2 partition of kind isolated (/sys/fs/cgroup/bulkhead, made by "
         "'bulkhead "
         "apply', no reboot; the cpuset.cpus.partition of Documentation/admin-guide/cgroup-v2.rst), or "
         "isolcpus=domain,LIST "
         "at boot (level full). Cost: Linux has these CPUs no more, also when they are idle, and nothing balances load "
         "on "
         "them: a thread stays where it is put.",
         check_isolated, NULL},
        {"cpu.partition", "our partition is valid",
         "A partition that became invalid does not isolate any more, and the kernel says so only in its file.",
         "The kernel invalidates a partition when its CPUs go offline or another group claims them: "
         "cpuset.cpus.partition then reads 'isolated invalid (reason)'. Mend the reason, then restore and apply again.",
         check_partition, NULL},
        {"cpu.smt", "no core is shared with Linux by SMT",
         "Two hardware threads share one core's pipelines and caches: the other one's work slows this one down, by up "
         "to "
         "half.",
         "Give both threads of a core to the cell (it may leave one idle), or switch the sibling off: echo 0 > "
         "/sys/devices/system/cpu/cpuN/online, which lasts until the next boot. Cost: a hardware thread less for "
         "Linux. "
         "'bulkhead apply' does not do it for you: whether a sibling can be spared is yours to say.",
         check_smt, NULL},
        {NULL, NULL, NULL, NULL, NULL, NULL},
};
