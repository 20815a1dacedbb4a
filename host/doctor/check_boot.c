/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "host/doctor/private.h"
#include "host/machine/grub.h"

static void
check_loader(const struct bh_doctor *doctor, struct bh_finding *out)
{
	char name[BH_GRUB_NAME_BYTES];
	const enum bh_boot_kind kind = bh_grub_kind(doctor->root, name);
	/* What is booted already needs no loader's help. */
	const bool full = doctor->wants->level == BH_LEVEL_FULL && !(doctor_parameter(doctor, "isolcpus", NULL, 0) &&
	                                                             doctor_parameter(doctor, "nohz_full", NULL, 0));
	doctor_evidence(out, "boot loader: %s", name[0] != '\0' ? name : "none found");
	if (kind == BH_BOOT_GRUB) {
		doctor_say(out, BH_FINDING_OK, "GRUB: level full adds its parameters through a file of its own");
	} else if (kind == BH_BOOT_OTHER) {
		doctor_say(out, full ? BH_FINDING_WARN : BH_FINDING_OK,
		           "%s: level full prints the parameters, you add them", name);
		if (full)
			doctor_fix(out, "bulkhead plan %s shows them", doctor->file != NULL ? doctor->file : "FILE");
	} else {
		doctor_say(out, full ? BH_FINDING_WARN : BH_FINDING_OK,
		           "none: whoever starts this machine gives the kernel its command line (a hypervisor, a "
		           "container host)");
		if (full)
			doctor_fix(out, "bulkhead plan %s shows the parameters; give them to whoever boots it",
			           doctor->file != NULL ? doctor->file : "FILE");
	}
}

/* Parameters that work against the rest. Each is a word of the command line, or its beginning. */
static void
check_parameters(const struct bh_doctor *doctor, struct bh_finding *out)
{
	static const struct {
		const char *name, *why;
	} item[] = {
	        {"nosmp", "one CPU only"},
	        {"maxcpus", "CPUs stay offline"},
	        {"nohz", "nohz=off keeps the tick everywhere"},
	        {"skew_tick", "meant for many ticking CPUs: it costs power and helps no isolated one"},
	        {"idle", "idle=poll keeps every CPU hot and takes the turbo from the busy ones"},
	        {"iommu", "iommu=off or =pt opens the wall for Linux's devices"},
	};
	unsigned cnt = 0;
	if (doctor->cmdline == NULL) {
		doctor_unreadable(out, "/proc/cmdline", doctor->cmdline_err);
		return;
	}
	for (size_t i = 0; i < BH_ARRAY_CNT(item); i++) {
		char text[32] = "";
		bool there = doctor_parameter(doctor, item[i].name, text, sizeof(text)) ||
		             doctor_parameter(doctor, item[i].name, NULL, 0);
		bool harmless =
		        (strcmp(item[i].name, "nohz") == 0 && strcmp(text, "off") != 0) ||
		        (strcmp(item[i].name, "idle") == 0 && strcmp(text, "poll") != 0) ||
		        (strcmp(item[i].name, "iommu") == 0 && strcmp(text, "off") != 0 && strcmp(text, "pt") != 0) ||
		        (strcmp(item[i].name, "skew_tick") == 0 && strcmp(text, "1") != 0);
		if (!there || harmless)
			continue;
		cnt++;
		doctor_evidence(out, "/proc/cmdline: %s%s%s", item[i].name, text[0] != '\0' ? "=" : "", text);
		doctor_detail(out, "%s: %s", item[i].name, item[i].why);
	}
	if (cnt == 0) {
		doctor_say(out, BH_FINDING_OK, "nothing works against isolation");
		doctor_evidence(out, "/proc/cmdline: %.200s", doctor->cmdline);
	} else {
		doctor_say(out, BH_FINDING_WARN, "%u parameters work against isolation", cnt);
		doctor_fix(out, "take them from the boot loader's configuration, and boot");
	}
}

const struct bh_check bh_checks_boot[] = {
        {"boot.loader", "who gives the kernel its command line",
         "Level full needs parameters there; only GRUB's are written by apply.",
         "GRUB: 'bulkhead apply --level full' adds /etc/default/grub.d/90-bulkhead.cfg and a menu entry without the "
         "parameters, checks GRUB's new configuration, and restore takes all of it away. Others (systemd-boot, kernels "
         "that a "
         "hypervisor boots) get told, not touched.",
         check_loader, NULL},
        {"boot.parameters", "no parameter works against isolation",
         "Parameters of old guides stay in configurations for years.",
         "Looked for: nosmp, maxcpus=, nohz=off, skew_tick=1, idle=poll, iommu=off, iommu=pt.", check_parameters, NULL},
        {NULL, NULL, NULL, NULL, NULL, NULL},
};
