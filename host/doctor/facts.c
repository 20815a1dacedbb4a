/* SPDX-License-Identifier: Apache-2.0 */
/* What more than one check needs, read once. */
#include <cpuid.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "host/doctor/private.h"

#define CPUID_GUEST      (1u << 31)
#define CPUID_GUEST_LEAF 0x40000000u
#define CAP_IPC_LOCK     14

/* Intel SDM vol. 3, 18.17.1 and AMD APM vol. 3, E.4.7: invariant TSC. CPUID 1, ECX 31: a hypervisor is there. */
static void
read_cpuid(struct bh_doctor_machine *out)
{
	unsigned eax, ebx, ecx, edx, name[3];
	if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) == 0)
		return;
	out->cpuid_known = true;
	out->guest = (ecx & CPUID_GUEST) != 0;
	if (out->guest) {
		__cpuid(CPUID_GUEST_LEAF, eax, name[0], name[1], name[2]);
		memcpy(out->hypervisor, name, sizeof(name));
		bh_sys_clean(out->hypervisor);
	}
	out->tsc_invariant = __get_cpuid(0x80000007, &eax, &ebx, &ecx, &edx) != 0 && (edx & 1u << 8) != 0;
}

static void
read_memlock(struct bh_doctor_machine *out)
{
	struct rlimit limit;
	char *status, *line;
	if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0)
		return;
	out->memlock_known = true;
	out->memlock_bytes = limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : limit.rlim_cur;
	if (bh_sys_load(&status, "", "/proc/self/status") < 0)
		return;
	line = strstr(status, "\nCapEff:");
	out->memlock_free = line != NULL && (strtoull(line + 8, NULL, 16) >> CAP_IPC_LOCK & 1) != 0;
	free(status);
}

void
doctor_machine_read(struct bh_doctor_machine *out)
{
	*out = (struct bh_doctor_machine){0};
	read_cpuid(out);
	read_memlock(out);
}

static char *
load(const char *root, const char *path, int *out_err)
{
	char *text;
	int64_t len = bh_sys_load(&text, root, "%s", path);
	*out_err = len < 0 ? (int)len : 0;
	return len < 0 ? NULL : text;
}

/* Without CPUs of a configuration: those that nobody else is scheduled on now. */
static void
choose_cpus(struct bh_doctor *doctor)
{
	struct bh_cpus booted, group = {0};
	char kind[64];
	doctor->cpus = doctor->wants->cpus;
	doctor->online_err = bh_cpus_online(doctor->root, &doctor->online);
	if (bh_cpus_empty(&doctor->cpus) && !doctor->configured) {
		if (bh_cpus_read(&booted, doctor->root, CPU_DIR "/isolated") != 0)
			booted = (struct bh_cpus){0};
		if (bh_sys_read(kind, sizeof(kind), doctor->root, BH_PARTITION_GROUP "/cpuset.cpus.partition") != 0 ||
		    strcmp(kind, "isolated") != 0 ||
		    bh_cpus_read(&group, doctor->root, BH_PARTITION_GROUP "/cpuset.cpus") != 0)
			group = (struct bh_cpus){0};
		doctor->cpus = bh_cpus_or(&booted, &group);
		doctor->cpus_isolated_now = !bh_cpus_empty(&doctor->cpus);
	}
	doctor->host = bh_cpus_minus(&doctor->online, &doctor->cpus);
}

void
doctor_facts(struct bh_doctor *doctor, const struct bh_doctor_request *request)
{
	struct bh_error error;
	*doctor = (struct bh_doctor){.root = request->root, .wants = request->wants, .file = request->file};
	doctor->configured = request->wants->path[0] != '\0' || request->file != NULL;
	if (request->machine != NULL)
		doctor->machine = *request->machine;
	else
		doctor_machine_read(&doctor->machine);
	choose_cpus(doctor);
	char controllers[512];
	doctor->has_cpuset =
	        bh_sys_read(controllers, sizeof(controllers), doctor->root, CGROUP "/cgroup.controllers") == 0 &&
	        strstr(controllers, "cpuset") != NULL;
	doctor->cmdline = load(doctor->root, "/proc/cmdline", &doctor->cmdline_err);
	if (doctor->cmdline != NULL) {
		doctor->cmdline[strcspn(doctor->cmdline, "\n")] = '\0';
		bh_sys_clean(doctor->cmdline);
	}
	doctor->interrupts = load(doctor->root, "/proc/interrupts", &doctor->interrupts_err);
	doctor->journal_err = bh_journal_read(doctor->root, &doctor->journal, &error);
	doctor_facts_irqs(doctor);
	doctor_facts_tasks(doctor);
}

void
doctor_facts_free(struct bh_doctor *doctor)
{
	free(doctor->cmdline);
	free(doctor->interrupts);
	free(doctor->irq);
	free(doctor->task);
	if (doctor->journal_err == 0)
		bh_journal_close(&doctor->journal);
}

bool
doctor_parameter(const struct bh_doctor *doctor, const char *name, char *out, size_t out_bytes)
{
	size_t len = strlen(name);
	bool found = false;
	for (const char *at = doctor->cmdline; at != NULL && (at = strstr(at, name)) != NULL; at += len) {
		if ((at != doctor->cmdline && at[-1] != ' ') ||
		    (at[len] != '=' && (out != NULL || strchr(" ", at[len]) == NULL)))
			continue;
		found = true;
		if (out != NULL)
			snprintf(out, out_bytes, "%.*s", (int)strcspn(at + len + 1, " "), at + len + 1);
	}
	return found;
}

bool
doctor_refused(const struct bh_doctor *doctor, const char *path)
{
	for (uint32_t i = 0; doctor->journal_err == 0 && i < doctor->journal.entry_cnt; i++) {
		const struct bh_journal_entry *entry = &doctor->journal.entry[i];
		if (entry->state == BH_ENTRY_REFUSED && strcmp(entry->path, path) == 0)
			return true;
	}
	return false;
}

bool
doctor_folder_empty(const char *root, const char *path)
{
	struct bh_sys_names names;
	if (bh_sys_list(&names, root, "%s", path) != 0)
		return true;
	bool empty = names.cnt == 0;
	bh_sys_names_free(&names);
	return empty;
}
