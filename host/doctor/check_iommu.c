/* SPDX-License-Identifier: Apache-2.0 */
/* The IOMMU, from the firmware up. The same layers as host/device/vfio_layers.c refuses by, for the whole machine. */
#include <string.h>

#include "host/doctor/private.h"

/* Without a configuration it may be needed; with one, its devices say. */
static bool
is_needed(const struct bh_doctor *doctor, struct bh_finding *out)
{
	if (!doctor->configured || doctor->wants->device_cnt > 0)
		return true;
	doctor_say(out, BH_FINDING_NOT_NEEDED, "the configuration has no device behind VFIO");
	doctor_evidence(out, "%s", doctor->file != NULL ? doctor->file : doctor->wants->path);
	return false;
}

static enum bh_finding_state
bad(const struct bh_doctor *doctor)
{
	return doctor->configured ? BH_FINDING_FAIL : BH_FINDING_WARN;
}

static bool
is_on(const struct bh_doctor *doctor)
{
	return !doctor_folder_empty(doctor->root, "/sys/class/iommu") ||
	       !doctor_folder_empty(doctor->root, "/sys/kernel/iommu_groups");
}

static void
check_present(const struct bh_doctor *doctor, struct bh_finding *out)
{
	static const char dmar[] = "/sys/firmware/acpi/tables/DMAR", ivrs[] = "/sys/firmware/acpi/tables/IVRS";
	if (!is_needed(doctor, out))
		return;
	if (bh_sys_exists(doctor->root, dmar)) {
		doctor_evidence(out, "%s: there", dmar);
		doctor_say(out, BH_FINDING_OK, "Intel's (VT-d)");
	} else if (bh_sys_exists(doctor->root, ivrs)) {
		doctor_evidence(out, "%s: there", ivrs);
		doctor_say(out, BH_FINDING_OK, "AMD's (AMD-Vi)");
	} else if (is_on(doctor)) {
		doctor_evidence(out, "/sys/class/iommu");
		doctor_say(out, BH_FINDING_OK, "one that no ACPI table describes");
	} else if (!bh_sys_exists(doctor->root, "/sys/firmware/acpi/tables") &&
	           !bh_sys_exists(doctor->root, "/sys/kernel")) {
		doctor_unreadable(out, "/sys/firmware/acpi/tables", -2);
	} else {
		doctor_evidence(out, "%s, IVRS: not there; /sys/class/iommu: empty", dmar);
		doctor_say(out, bad(doctor), "this machine has no IOMMU, so no device can be given to a cell");
		doctor_fix(out,
		           doctor->machine.guest
		                   ? "give this guest an emulated one (QEMU: -device intel-iommu,intremap=on, with "
		                     "-machine q35,kernel-irqchip=split), or use a software device (backend = softdev)"
		                   : "switch VT-d or AMD-Vi on in the firmware's setup, and boot");
	}
}

static void
check_on(const struct bh_doctor *doctor, struct bh_finding *out)
{
	if (!is_needed(doctor, out))
		return;
	bool intel = bh_sys_exists(doctor->root, "/sys/firmware/acpi/tables/DMAR");
	if (is_on(doctor)) {
		doctor_evidence(out, "/sys/class/iommu, /sys/kernel/iommu_groups: not empty");
		doctor_say(out, BH_FINDING_OK, "Linux uses it");
		return;
	}
	doctor_evidence(out, "/sys/class/iommu, /sys/kernel/iommu_groups: empty");
	if (!intel && !bh_sys_exists(doctor->root, "/sys/firmware/acpi/tables/IVRS")) {
		doctor_say(out, BH_FINDING_NOT_NEEDED, "there is none to switch on: see iommu.present");
		return;
	}
	doctor_say(out, bad(doctor), "Linux does not use it");
	if (doctor->cmdline != NULL && strstr(doctor->cmdline, "iommu=off") != NULL)
		doctor_fix(out, "take iommu=off from the kernel's command line, and boot");
	else if (intel && doctor->wants->device_cnt > 0)
		doctor_fix_apply_full(doctor, out);
	else
		doctor_fix(out, intel ? "add intel_iommu=on to the kernel's command line, and boot"
		                      : "dmesg | grep AMD-Vi says why; amd_iommu=force_enable may help");
}

struct types {
	unsigned strict, lazy, passed, other;
	char first[160]; /* of a group that is passed through, else of any */
};

static void
count_types(const struct bh_doctor *doctor, const struct bh_sys_names *names, struct types *types)
{
	for (size_t i = 0; i < names->cnt; i++) {
		char text[64];
		if (bh_sys_read(text, sizeof(text), doctor->root, "/sys/kernel/iommu_groups/%s/type", names->name[i]) !=
		    0)
			continue;
		bool passed = strcmp(text, "identity") == 0;
		if (types->first[0] == '\0' || (passed && types->passed == 0))
			snprintf(types->first, sizeof(types->first), "/sys/kernel/iommu_groups/%s/type: %s",
			         names->name[i], text);
		types->passed += passed;
		types->lazy += strcmp(text, "DMA-FQ") == 0;
		types->strict += strcmp(text, "DMA") == 0;
		types->other += !passed && strncmp(text, "DMA", 3) != 0;
	}
}

static void
check_strict(const struct bh_doctor *doctor, struct bh_finding *out)
{
	struct bh_sys_names names;
	struct types types = {0};
	if (!is_needed(doctor, out))
		return;
	if (!is_on(doctor) || bh_sys_list(&names, doctor->root, "/sys/kernel/iommu_groups") != 0) {
		doctor_say(out, BH_FINDING_NOT_NEEDED, "no IOMMU is in use");
		doctor_evidence(out, "/sys/kernel/iommu_groups: empty");
		return;
	}
	count_types(doctor, &names, &types);
	bh_sys_names_free(&names);
	if (types.first[0] == '\0') {
		doctor_unreadable(out, "/sys/kernel/iommu_groups/*/type", -2);
		return;
	}
	doctor_evidence(out, "%s", types.first);
	if (types.passed > 0) {
		doctor_say(out, BH_FINDING_WARN,
		           "%u groups of Linux's devices pass through: they reach all memory, cells' too",
		           types.passed);
		doctor_fix(out,
		           "iommu.passthrough=0 iommu.strict=1 on the kernel's command line (not iommu=pt), and boot");
	} else if (types.lazy > 0) {
		doctor_say(out, BH_FINDING_OK,
		           "lazy for Linux's own devices (%u groups); VFIO unmaps at once in either case", types.lazy);
	} else {
		doctor_say(out, BH_FINDING_OK, "strict (%u groups)", types.strict + types.other);
	}
}

static void
check_remapping(const struct bh_doctor *doctor, struct bh_finding *out)
{
	if (!is_needed(doctor, out))
		return;
	if (!is_on(doctor)) {
		doctor_say(out, BH_FINDING_NOT_NEEDED, "no IOMMU is in use");
		doctor_evidence(out, "/sys/class/iommu: empty");
		return;
	}
	if (doctor->interrupts == NULL) {
		doctor_unreadable(out, "/proc/interrupts", doctor->interrupts_err);
		return;
	}
	if (strstr(doctor->interrupts, "IR-") != NULL) {
		doctor_say(out, BH_FINDING_OK, "on: a device can raise its own interrupts only");
		doctor_evidence(out, "/proc/interrupts: IR-... chips");
		return;
	}
	doctor_evidence(out, "/proc/interrupts: no IR-... chip");
	doctor_say(out, bad(doctor), "off: a device of a cell could forge interrupts, and VFIO refuses it (BH-E116)");
	doctor_fix(out, "%s",
	           doctor->cmdline != NULL && strstr(doctor->cmdline, "intremap=off") != NULL
	                   ? "take intremap=off from the kernel's command line, and boot"
	                   : "switch it on in the firmware's setup (x2APIC, interrupt remapping); QEMU: "
	                     "intel-iommu,intremap=on");
}

static void
check_unsafe(const struct bh_doctor *doctor, struct bh_finding *out)
{
	static const char path[] = "/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts";
	char text[16];
	if (!is_needed(doctor, out))
		return;
	if (!bh_sys_exists(doctor->root, "/sys/module/vfio_iommu_type1")) {
		doctor_lacks(out, "/sys/module/vfio_iommu_type1", "the module is not loaded");
		return;
	}
	if (!doctor_read(doctor, out, text, sizeof(text), path, "/sys/module"))
		return;
	if (text[0] == 'N' || text[0] == '0') {
		doctor_say(out, BH_FINDING_OK, "VFIO insists on interrupt remapping");
		return;
	}
	doctor_say(out, bad(doctor), "VFIO takes devices without interrupt remapping; cells are refused (BH-E110)");
	doctor_fix(out, "echo N > %s, and take it out of /etc/modprobe.d", path);
}

const struct bh_check bh_checks_iommu[] = {
        {"iommu.present", "the machine has an IOMMU",
         "It is the wall between a cell's device and all memory; without one no device is given away.",
         "The firmware describes it in the ACPI table DMAR (Intel) or IVRS (AMD), if it is switched on in its setup. "
         "There is "
         "no switch in bulkhead to do without (BH-E102). Software devices need none.",
         check_present, NULL},
        {"iommu.on", "Linux uses the IOMMU", "An IOMMU that Linux leaves off protects nothing.",
         "Intel's needs intel_iommu=on on many kernels (level full adds it), AMD's is on by itself. Cost: mapping for "
         "Linux's "
         "own devices takes some percent of their fastest I/O.",
         check_on, NULL},
        {"iommu.strict", "strict, lazy or passed through",
         "Linux's own devices stay outside of the cells' memory only if they are translated, too.",
         "A cell's device has a domain of its own, mapped once at the start and unmapped at once at the end, whatever "
         "stands "
         "here. For Linux's devices: DMA is strict, DMA-FQ lazy (unmapping is batched for up to 10 ms: faster, and a "
         "device "
         "may reach freed pages that long), identity is no translation at all: such a device can write to a cell's "
         "arena. "
         "Documentation/ABI/testing/sysfs-kernel-iommu_groups.",
         check_strict, NULL},
        {"iommu.interrupt_remapping", "interrupts of devices are checked",
         "Without it a device can raise any interrupt by an ordinary memory write.",
         "With remapping the chips in /proc/interrupts are called IR-PCI-MSI and so on. VFIO refuses devices without "
         "it, and so "
         "does bulkhead (BH-E116).",
         check_remapping, NULL},
        {"iommu.unsafe_interrupts", "VFIO was not told to do without",
         "allow_unsafe_interrupts lets a device forge interrupts of the host.",
         "A parameter of vfio_iommu_type1 that some guides recommend. bulkhead refuses to start a cell with a device "
         "while it is "
         "set (BH-E110).",
         check_unsafe, NULL},
        {NULL, NULL, NULL, NULL, NULL, NULL},
};
