/* SPDX-License-Identifier: Apache-2.0 */
/* Control groups: the live level's partition is one. Documentation/admin-guide/cgroup-v2.rst. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/doctor/private.h"
#include "host/machine/slices.h"

#define DEPTH_MAX 8

/* Level full isolates without; without a configuration, the live level would need it. */
static enum bh_finding_state
bad(const struct bh_doctor *doctor)
{
	return doctor->configured && doctor->wants->level != BH_LEVEL_FULL && !bh_cpus_empty(&doctor->cpus)
	               ? BH_FINDING_FAIL
	               : BH_FINDING_WARN;
}

/* Where a file system of this type is mounted, from /proc/self/mounts; "" nowhere. */
static void
mounted_at(const struct bh_doctor *doctor, const char *type, const char *option, char out[128])
{
	char *text, *at;
	out[0] = '\0';
	if (bh_sys_load(&text, doctor->root, "/proc/self/mounts") < 0 &&
	    bh_sys_load(&text, doctor->root, "/proc/mounts") < 0)
		return;
	at = text;
	for (char *line = strsep(&at, "\n"); line != NULL && out[0] == '\0'; line = strsep(&at, "\n")) {
		char folder[128], kind[32], options[256];
		if (sscanf(line, "%*s %127s %31s %255s", folder, kind, options) == 3 && strcmp(kind, type) == 0 &&
		    (option == NULL || strstr(options, option) != NULL))
			memcpy(out, folder, sizeof(folder));
	}
	bh_sys_clean(out);
	free(text);
}

static void
check_version(const struct bh_doctor *doctor, struct bh_finding *out)
{
	char v2[128];
	mounted_at(doctor, "cgroup2", NULL, v2);
	if (bh_sys_exists(doctor->root, CGROUP "/cgroup.controllers")) {
		doctor_say(out, BH_FINDING_OK, "cgroup v2");
		doctor_evidence(out, CGROUP "/cgroup.controllers: there");
		return;
	}
	doctor_evidence(out, CGROUP "/cgroup.controllers: not there");
	if (!bh_sys_exists(doctor->root, "/proc/self")) {
		doctor_say(out, BH_FINDING_UNKNOWN, "this machine does not show it");
	} else if (v2[0] != '\0') {
		doctor_say(out, bad(doctor), "cgroup v2 is only beside v1, at %s, without the controllers that v1 has",
		           v2);
		doctor_evidence(out, "/proc/self/mounts: cgroup2 %s", v2);
		doctor_fix(out, "boot with systemd.unified_cgroup_hierarchy=1; without systemd: umount v1, mount -t "
		                "cgroup2 none " CGROUP);
	} else {
		doctor_say(out, bad(doctor), "no cgroup v2 is mounted");
		doctor_evidence(out, "/proc/self/mounts: no cgroup2");
		doctor_fix(out, "mount -t cgroup2 none " CGROUP);
	}
}

static void
check_cpuset(const struct bh_doctor *doctor, struct bh_finding *out)
{
	static const char path[] = CGROUP "/cgroup.controllers";
	char text[512], v1[128];
	int err = bh_sys_read(text, sizeof(text), doctor->root, "%s", path);
	if (err == 0 && strstr(text, "cpuset") != NULL) {
		doctor_say(out, BH_FINDING_OK, "cpuset is v2's");
		doctor_evidence(out, "%s: %.200s", path, text);
		return;
	}
	doctor_evidence(out, "%s: %.200s", path, err == 0 ? text : "not there");
	mounted_at(doctor, "cgroup", "cpuset", v1);
	if (v1[0] != '\0') {
		doctor_say(out, bad(doctor),
		           "the cpuset controller belongs to cgroup v1, which has no isolated partitions");
		doctor_evidence(out, "/proc/self/mounts: cgroup %s cpuset", v1);
		doctor_fix(out,
		           "boot with systemd.unified_cgroup_hierarchy=1; without systemd: umount %s; or level = full, "
		           "which "
		           "isolates by the kernel's command line and needs no cgroup",
		           v1);
	} else if (!bh_sys_exists(doctor->root, "/proc/self")) {
		doctor_say(out, BH_FINDING_UNKNOWN, "this machine does not show it");
	} else {
		doctor_say(out, bad(doctor), "there is no cpuset controller to make a partition with");
		doctor_fix(out, "a kernel with CONFIG_CPUSETS=y and cgroup v2 at " CGROUP
		                "; or level = full, which isolates by the kernel's command line");
	}
}

static void
check_delegation(const struct bh_doctor *doctor, struct bh_finding *out)
{
	static const char path[] = CGROUP "/cgroup.subtree_control";
	char text[512];
	if (!bh_sys_exists(doctor->root, CGROUP "/cgroup.controllers")) {
		doctor_lacks(out, CGROUP "/cgroup.controllers", "see cgroup.version");
		return;
	}
	if (!doctor_read(doctor, out, text, sizeof(text), path, NULL))
		return;
	if (strstr(text, "cpuset") != NULL) {
		doctor_say(out, BH_FINDING_OK, "groups below the root may have CPUs of their own");
	} else if (bh_cpus_empty(&doctor->cpus)) {
		doctor_say(out, BH_FINDING_NOT_NEEDED, "no CPUs are named");
	} else {
		doctor_say(out, BH_FINDING_WARN, "groups below the root may not have CPUs of their own yet");
		doctor_fix_apply(doctor, out);
	}
}

struct search {
	const struct bh_doctor *doctor;
	struct bh_finding *out;
	unsigned all, here;
};

static void
look_at_group(struct search *search, const char *path)
{
	char kind[128], list[DOCTOR_LIST_BYTES];
	struct bh_cpus cpus;
	const char *root = search->doctor->root;
	if (strcmp(path, BH_PARTITION_GROUP) == 0 ||
	    bh_sys_read(kind, sizeof(kind), root, "%s/cpuset.cpus.partition", path) != 0 ||
	    strncmp(kind, "member", 6) == 0 || bh_cpus_read(&cpus, root, "%s/cpuset.cpus", path) != 0)
		return;
	bool here = bh_cpus_meet(&cpus, &search->doctor->cpus);
	if (search->all++ == 0 || (here && search->here == 0)) {
		search->out->evidence[0] = '\0';
		doctor_evidence(search->out, "%.200s/cpuset.cpus.partition: %s", path, kind);
	}
	search->here += here;
	doctor_detail(search->out, "%.80s: %.32s, CPUs %s", path, kind, doctor_short(&cpus, list));
}

static void
look_below(struct search *search, const char *path, unsigned depth)
{
	struct bh_sys_names names;
	if (depth == DEPTH_MAX || bh_sys_list(&names, search->doctor->root, "%s", path) != 0)
		return;
	for (size_t i = 0; i < names.cnt; i++) {
		char child[BH_SYS_PATH_BYTES];
		if (snprintf(child, sizeof(child), "%s/%s", path, names.name[i]) >= (int)sizeof(child) ||
		    !bh_sys_exists(search->doctor->root, "%s/cgroup.procs", child))
			continue;
		look_at_group(search, child);
		look_below(search, child, depth + 1);
	}
	bh_sys_names_free(&names);
}

static void
check_foreign(const struct bh_doctor *doctor, struct bh_finding *out)
{
	struct search search = {doctor, out, 0, 0};
	if (!bh_sys_exists(doctor->root, CGROUP "/cgroup.controllers")) {
		doctor_lacks(out, CGROUP "/cgroup.controllers", "see cgroup.version");
		return;
	}
	look_below(&search, CGROUP, 0);
	if (search.all == 0) {
		doctor_say(out, BH_FINDING_OK, "there is none");
		doctor_evidence(out, CGROUP "/**/cpuset.cpus.partition");
	} else if (search.here == 0) {
		doctor_say(out, BH_FINDING_OK, "%u, on other CPUs", search.all);
	} else {
		doctor_say(out, BH_FINDING_FAIL, "%u of somebody else's hold some of these CPUs: apply refuses",
		           search.here);
		doctor_fix(out, "end that partition (echo member > its cpuset.cpus.partition), or name other CPUs");
	}
}

/* What systemd was told; without a word it gives its units all CPUs, and the partition alone keeps them off. */
static void
check_slices(const struct bh_doctor *doctor, struct bh_finding *out)
{
	struct bh_sys_names names;
	struct bh_error error = {0};
	unsigned here_cnt = 0, unread_cnt = 0;
	if (doctor_no_cpus(doctor, out))
		return;
	int err = bh_slices_list(doctor->root, &names, &error);
	if (err != 0) {
		doctor_unreadable(out, CGROUP, err);
		return;
	}
	for (size_t i = 0; i < names.cnt; i++) {
		struct bh_cpus cpus;
		bool is_set;
		if (bh_slices_read(doctor->root, names.name[i], &is_set, &cpus, &error) != 0) {
			unread_cnt++;
			continue;
		}
		if (is_set && !bh_cpus_meet(&cpus, &doctor->cpus))
			continue;
		here_cnt++;
		doctor_detail(out, "%s: %s", names.name[i], is_set ? "names CPUs of the cells" : "nothing is set");
	}
	const size_t all_cnt = names.cnt;
	bh_sys_names_free(&names);
	doctor_evidence(out, "/run/systemd/system.control/*.d/50-AllowedCPUs.conf");
	if (all_cnt == 0) {
		doctor_say(out, BH_FINDING_NOT_NEEDED, "systemd does not manage this machine");
	} else if (here_cnt > 0) {
		doctor_say(out, BH_FINDING_WARN, "%u of %zu of systemd's slices may be given these CPUs again",
		           here_cnt, all_cnt);
		doctor_fix_apply(doctor, out);
	} else if (unread_cnt > 0) {
		doctor_say(out, BH_FINDING_UNKNOWN, "%u of %zu slices cannot be read", unread_cnt, all_cnt);
	} else {
		doctor_say(out, BH_FINDING_OK, "systemd keeps all %zu of its slices on Linux's CPUs", all_cnt);
	}
}

const struct bh_check bh_checks_cgroup[] = {
        {"cgroup.version", "cgroup v2 is mounted", "Only cgroup v2 has partitions that isolate CPUs without a reboot.",
         "systemd distributions mount v2 alone since about 2021. Older ones and some containers have v1, or both "
         "(hybrid), "
         "where a controller belongs to one of them. Level full works in any case: isolcpus needs no cgroup.",
         check_version, NULL},
        {"cgroup.cpuset", "the cpuset controller is v2's",
         "The live level's partition is a cpuset; one that v1 has cannot be v2's at the same time.",
         "A controller that is mounted in v1 is missing from /sys/fs/cgroup/cgroup.controllers. It comes back to v2 "
         "when v1's "
         "hierarchy is unmounted and empty, surely after a boot without v1.",
         check_cpuset, NULL},
        {"cgroup.delegation", "groups may have CPUs of their own",
         "Until the root group delegates cpuset, no group below it has CPUs to choose.",
         "'bulkhead apply' writes +cpuset to /sys/fs/cgroup/cgroup.subtree_control; restore takes it back. Cost: none.",
         check_delegation, NULL},
        {"cgroup.foreign", "nobody else's partition holds the CPUs",
         "Two partitions cannot hold one CPU, and taking it away would break somebody's set-up.",
         "Groups other than ours whose cpuset.cpus.partition is root or isolated, to a depth of eight. A container "
         "engine or "
         "another tool made them.",
         check_foreign, NULL},
        {"cgroup.slices", "systemd keeps its units on Linux's CPUs",
         "systemd writes the CPUs of its groups anew when a unit changes.",
         "'bulkhead apply' sets AllowedCPUs of system.slice, user.slice, machine.slice and init.scope for this boot "
         "(systemctl "
         "set-property --runtime); restore takes it back. The isolated partition keeps them off in any case. Cost: "
         "none "
         "that the partition does not cost already. systemd.resource-control(5).",
         check_slices, NULL},
        {NULL, NULL, NULL, NULL, NULL, NULL},
};
