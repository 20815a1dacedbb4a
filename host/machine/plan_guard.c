/* SPDX-License-Identifier: Apache-2.0 */
/* What must never be taken: CPU 0, Linux's last CPU, what another's partition holds; and no fight with another manager. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/errors/errors.h"
#include "host/machine/plan_private.h"

#define DEPTH_MAX 8

static int
guard_cpus(struct bh_plan *plan, struct bh_error *error)
{
	const struct bh_wants *wants = &plan->wants;
	char list[BH_CPUS_TEXT_BYTES], there[BH_CPUS_TEXT_BYTES];
	struct bh_cpus possible;
	int err = bh_cpus_online(plan->root, &plan->online);
	if (err == 0)
		err = bh_cpus_possible(plan->root, &possible);
	if (err != 0)
		return bh_error_set(error, "E228", err, "cannot read which CPUs there are: %s", strerror(-err));
	plan->possible_cnt = bh_cpus_cnt(&possible);
	if (bh_cpus_empty(&wants->cpus))
		return bh_error_set(error, "E220", -EINVAL,
		                    "%s names no CPUs to partition; add [partition] cpus = LIST, such as 2-3",
		                    wants->path);
	const struct bh_cpus missing = bh_cpus_minus(&wants->cpus, &plan->online);
	if (!bh_cpus_empty(&missing))
		return bh_error_set(error, "E220", -EINVAL, "%s: CPU %.64s is not online; there are %.128s",
		                    wants->path, bh_cpus_list(&missing, list), bh_cpus_list(&plan->online, there));
	if (bh_cpus_has(&wants->cpus, 0))
		return bh_error_set(error, "E225", -EPERM,
		                    "CPU 0 stays with Linux: the kernel keeps timers and interrupts on it that cannot "
		                    "move; name others in [partition] cpus");
	plan->host = bh_cpus_minus(&plan->online, &wants->cpus);
	return 0;
}

/* A name of ours is no stranger; what lies in it neither. */
static int
guard_group(struct bh_plan *plan, const char *path, struct bh_error *error)
{
	char kind[128], list[BH_CPUS_TEXT_BYTES];
	struct bh_cpus cpus;
	if (strcmp(path, BH_PARTITION_GROUP) == 0 ||
	    bh_sys_read(kind, sizeof(kind), plan->root, "%s/cpuset.cpus.partition", path) != 0 ||
	    strncmp(kind, "member", 6) == 0 || bh_cpus_read(&cpus, plan->root, "%s/cpuset.cpus", path) != 0 ||
	    !bh_cpus_meet(&cpus, &plan->wants.cpus))
		return 0;
	const struct bh_cpus both = bh_cpus_and(&cpus, &plan->wants.cpus);
	return bh_error_set(
	        error, "E225", -EPERM,
	        "CPU %.64s belongs to somebody else's partition: %s/cpuset.cpus.partition is '%s'; end that "
	        "one, or name other CPUs",
	        bh_cpus_list(&both, list), path, kind);
}

static int
guard_groups(struct bh_plan *plan, const char *path, unsigned depth, struct bh_error *error)
{
	struct bh_sys_names names;
	int err = 0;
	if (depth == DEPTH_MAX || bh_sys_list(&names, plan->root, "%s", path) != 0)
		return 0;
	for (size_t i = 0; i < names.cnt && err == 0; i++) {
		char child[BH_SYS_PATH_BYTES];
		if (strchr(names.name[i], '.') != NULL &&
		    !bh_sys_exists(plan->root, "%s/%s/cgroup.procs", path, names.name[i]))
			continue;
		if (snprintf(child, sizeof(child), "%s/%s", path, names.name[i]) >= (int)sizeof(child) ||
		    !bh_sys_exists(plan->root, "%s/cgroup.procs", child))
			continue;
		err = guard_group(plan, child, error);
		if (err == 0)
			err = guard_groups(plan, child, depth + 1, error);
	}
	bh_sys_names_free(&names);
	return err;
}

/* A process of that name: the kernel cuts names to 15 bytes. */
static bool
runs(const char *root, const char *name, char out_pid[BH_SYS_NAME_BYTES])
{
	struct bh_sys_names names;
	bool found = false;
	if (bh_sys_list(&names, root, "/proc") != 0)
		return false;
	for (size_t i = 0; i < names.cnt && !found; i++) {
		char comm[64];
		found = names.name[i][0] >= '0' && names.name[i][0] <= '9' &&
		        bh_sys_read(comm, sizeof(comm), root, "/proc/%s/comm", names.name[i]) == 0 &&
		        strcmp(comm, name) == 0;
		if (found)
			memcpy(out_pid, names.name[i], BH_SYS_NAME_BYTES);
	}
	bh_sys_names_free(&names);
	return found;
}

static int
guard_managers(struct bh_plan *plan, struct bh_error *error)
{
	static const char *const manager[] = {"tuned", "cset", "cpuset-manager"};
	char pid[BH_SYS_NAME_BYTES];
	for (size_t i = 0; i < BH_ARRAY_CNT(manager); i++) {
		if (runs(plan->root, manager[i], pid))
			return bh_error_set(error, "E225", -EPERM,
			                    "%s (pid %s) manages this machine's settings, and two managers undo each "
			                    "other: stop it first (systemctl stop %s)",
			                    manager[i], pid, manager[i]);
	}
	return 0;
}

bool
bh_plan_has_cpuset(const char *root)
{
	char text[512];
	return bh_sys_read(text, sizeof(text), root, BH_CGROUP "/cgroup.controllers") == 0 &&
	       strstr(text, "cpuset") != NULL;
}

static int
guard_cgroup(struct bh_plan *plan, struct bh_error *error)
{
	if (bh_plan_has_cpuset(plan->root))
		return guard_groups(plan, BH_CGROUP, 0, error);
	bool v1 = bh_sys_exists(plan->root, BH_CGROUP "/cpuset") || bh_sys_exists(plan->root, "/proc/cpusets");
	const char *why = bh_sys_exists(plan->root, BH_CGROUP "/cgroup.controllers")
	                          ? "cgroup v2 is there without its cpuset controller (it may be bound to v1)"
	                  : v1 || bh_sys_exists(plan->root, BH_CGROUP "/cpu") ? "this machine has cgroup v1 only"
	                                                                      : "no cgroup v2 is mounted at " BH_CGROUP;
	if (plan->wants.level == BH_LEVEL_FULL) {
		bh_plan_note(plan, "%s: no live partition; isolcpus takes its place from the next boot on", why);
		return 0;
	}
	return bh_error_set(
	        error, "E227", -EOPNOTSUPP,
	        "no live partition is possible: %s; mount -t cgroup2 none " BH_CGROUP
	        ", boot with systemd.unified_cgroup_hierarchy=1, or use level = full, which isolates by the "
	        "kernel's command line",
	        why);
}

/* Whether each device is there; what Linux uses it for is asked right before it is taken. */
static int
guard_devices(struct bh_plan *plan, struct bh_error *error)
{
	struct bh_pci_device device;
	int err = 0;
	for (uint32_t i = 0; i < plan->wants.device_cnt && err == 0; i++)
		err = bh_pci_read(plan->root, plan->wants.device[i], &device, error);
	return err;
}

int
bh_plan_guard(struct bh_plan *plan, struct bh_error *error)
{
	char list[BH_CPUS_TEXT_BYTES];
	int err = guard_cpus(plan, error);
	if (err == 0)
		err = guard_managers(plan, error);
	if (err == 0)
		err = guard_devices(plan, error);
	if (err == 0)
		err = guard_cgroup(plan, error);
	if (err != 0 || !bh_cpus_empty(&plan->host))
		return err;
	return bh_error_set(error, "E225", -EPERM, "no CPU would be left for Linux: %.128s are all that there are",
	                    bh_cpus_list(&plan->online, list));
}
