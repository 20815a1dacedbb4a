/* SPDX-License-Identifier: Apache-2.0 */
/* What lies below Linux: a hypervisor, and the processor's flaws. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/doctor/private.h"

static void
check_guest(const struct bh_doctor *doctor, struct bh_finding *out)
{
	const struct bh_doctor_machine *machine = &doctor->machine;
	if (!machine->cpuid_known) {
		doctor_say(out, BH_FINDING_UNKNOWN, "the processor does not tell");
		doctor_evidence(out, "CPUID 1: not there");
		return;
	}
	doctor_evidence(out, "CPUID 1 ECX bit 31: %d", machine->guest);
	if (!machine->guest) {
		doctor_say(out, BH_FINDING_OK, "no hypervisor");
		return;
	}
	doctor_evidence(out, "CPUID 40000000h: %s", machine->hypervisor[0] != '\0' ? machine->hypervisor : "(no name)");
	if (strcmp(machine->hypervisor, "TCGTCGTCGTCG") == 0) {
		doctor_say(out, BH_FINDING_WARN,
		           "an emulator: everything works, but its times say nothing about hardware");
	} else {
		doctor_say(out, BH_FINDING_WARN, "a guest: its hypervisor takes CPUs away as it likes");
		doctor_fix(out, "on the host: pin each virtual CPU to a core of its own, and isolate those cores");
	}
}

/* "cpu  user nice system idle iowait irq softirq steal ...", in ticks since boot: proc(5). */
static void
check_steal(const struct bh_doctor *doctor, struct bh_finding *out)
{
	char text[256];
	unsigned long long tick[8], all = 0;
	if (doctor->machine.cpuid_known && !doctor->machine.guest) {
		doctor_say(out, BH_FINDING_NOT_NEEDED, "no hypervisor");
		return;
	}
	int err = bh_sys_read(text, sizeof(text), doctor->root, "/proc/stat");
	if (err != 0) {
		doctor_unreadable(out, "/proc/stat", err);
		return;
	}
	if (sscanf(text, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &tick[0], &tick[1], &tick[2], &tick[3],
	           &tick[4], &tick[5], &tick[6], &tick[7]) != 8) {
		doctor_unreadable(out, "/proc/stat", -EINVAL);
		return;
	}
	for (size_t i = 0; i < BH_ARRAY_CNT(tick); i++)
		all += tick[i];
	const double percent = all > 0 ? 100.0 * (double)tick[7] / (double)all : 0;
	doctor_evidence(out, "/proc/stat: %llu of %llu ticks since boot", tick[7], all);
	doctor_say(out, tick[7] > 0 ? BH_FINDING_WARN : BH_FINDING_OK, "the hypervisor took %.2f %% of the time",
	           percent);
	if (tick[7] > 0)
		doctor_fix(
		        out,
		        "on the host: pin each virtual CPU to a core of its own; bulkhead noise shows when it happens");
}

static void
check_mitigations(const struct bh_doctor *doctor, struct bh_finding *out)
{
	static const char folder[] = CPU_DIR "/vulnerabilities";
	unsigned open_cnt = 0, mitigated_cnt = 0;
	struct bh_sys_names names;
	int err = bh_sys_list(&names, doctor->root, "%s", folder);
	if (err != 0) {
		doctor_unreadable(out, folder, err);
		return;
	}
	for (size_t i = 0; i < names.cnt; i++) {
		char text[256];
		if (bh_sys_read(text, sizeof(text), doctor->root, "%s/%s", folder, names.name[i]) != 0)
			continue;
		bool open = strncmp(text, "Vulnerable", 10) == 0 || strstr(text, "vulnerable") != NULL;
		if (open && open_cnt++ == 0)
			doctor_evidence(out, "%s/%s: %.120s", folder, names.name[i], text);
		mitigated_cnt += strncmp(text, "Mitigation", 10) == 0;
		if (open || strncmp(text, "Mitigation", 10) == 0)
			doctor_detail(out, "%s: %.100s", names.name[i], text);
	}
	const size_t all_cnt = names.cnt;
	bh_sys_names_free(&names);
	if (open_cnt == 0)
		doctor_evidence(out, "%s/*: %zu files", folder, all_cnt);
	doctor_say(out, BH_FINDING_OK, "%u on: a cell pays for none, as it never enters the kernel; %u flaws are open",
	           mitigated_cnt, open_cnt);
}

const struct bh_check bh_checks_machine[] = {
        {"machine.guest", "no hypervisor lies below",
         "A hypervisor can take a CPU away for milliseconds, and nothing in the guest prevents or even sees it all.",
         "Isolation inside a guest keeps the guest's own Linux off; what the host does to the virtual CPU remains. On "
         "the host: "
         "pin virtual CPUs to cores of their own, isolate those, use hugepages. 'bulkhead noise' shows what remains as "
         "steal "
         "or unknown.",
         check_guest, NULL},
        {"machine.steal", "the hypervisor takes no time",
         "Time that the hypervisor gave to others while this machine wanted to run.",
         "The hypervisor tells the guest in /proc/stat, if it tells at all: 0 on a guest may also mean that it does "
         "not count.",
         check_steal, NULL},
        {"machine.mitigations", "the processor's flaws, and what is paid for them",
         "Work-arounds cost Linux's system calls and interrupts; a cell makes no system calls.",
         "For information: 'mitigations=off' gains a cell nothing, because it never enters the kernel while it runs; "
         "it would "
         "gain Linux's side some percent, at the price of safety. 'Vulnerable' is worth a look: "
         "/sys/devices/system/cpu/"
         "vulnerabilities. Documentation/admin-guide/hw-vuln.",
         check_mitigations, NULL},
        {NULL, NULL, NULL, NULL, NULL, NULL},
};
