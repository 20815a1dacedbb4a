/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/doctor/private.h"

struct rule {
	const char *folder, *driver; /* either shows that it is in the kernel */
	const char *module;          /* for modprobe */
	const char *file;            /* in modules.dep and modules.builtin */
};

static bool
is_needed(const struct bh_doctor *doctor, struct bh_finding *out)
{
	if (!doctor->configured || doctor->wants->device_cnt > 0)
		return true;
	doctor_say(out, BH_FINDING_NOT_NEEDED, "the configuration has no device behind VFIO");
	doctor_evidence(out, "%s", doctor->file != NULL ? doctor->file : doctor->wants->path);
	return false;
}

/* 1 it can be loaded, 0 this kernel has no such module, negative: its list cannot be read. */
static int
can_be_loaded(const struct bh_doctor *doctor, const char *file)
{
	char release[128], *text;
	int err = bh_sys_read(release, sizeof(release), doctor->root, "/proc/sys/kernel/osrelease");
	if (err != 0 || strchr(release, '/') != NULL)
		return err != 0 ? err : -EINVAL;
	int64_t len = bh_sys_load(&text, doctor->root, "/lib/modules/%s/modules.dep", release);
	if (len < 0)
		return (int)len;
	bool there = strstr(text, file) != NULL;
	free(text);
	return there;
}

static void
check_module(const struct bh_doctor *doctor, struct bh_finding *out)
{
	const struct rule *rule = out->check->rule;
	const enum bh_finding_state bad = doctor->configured ? BH_FINDING_FAIL : BH_FINDING_WARN;
	if (!is_needed(doctor, out))
		return;
	if (bh_sys_exists(doctor->root, "%s", rule->folder) ||
	    (rule->driver != NULL && bh_sys_exists(doctor->root, "%s", rule->driver))) {
		doctor_say(out, BH_FINDING_OK, "it is in the kernel");
		doctor_evidence(out, "%s: there", rule->folder);
		return;
	}
	if (!bh_sys_exists(doctor->root, "/sys/module")) {
		doctor_unreadable(out, "/sys/module", -ENOENT);
		return;
	}
	doctor_evidence(out, "%s: not there", rule->folder);
	int can = can_be_loaded(doctor, rule->file);
	if (can > 0) {
		doctor_evidence(out, "/lib/modules/*/modules.dep: %s", rule->file);
		doctor_say(out, BH_FINDING_WARN, "it is not loaded; apply and bind load it");
		doctor_fix_or(doctor, out, "modprobe %s", rule->module);
	} else if (can == 0 || can == -ENOENT) {
		doctor_evidence(out, "/lib/modules/*/modules.dep: %s", can == 0 ? "does not name it" : "not there");
		doctor_say(out, bad, "this kernel does not have it");
		doctor_fix(
		        out,
		        "boot a kernel with CONFIG_VFIO_PCI and CONFIG_VFIO_IOMMU_TYPE1 (Debian: linux-image-amd64)%s",
		        doctor->wants->device_cnt == 0 ? "; software devices (backend = softdev) need no VFIO" : "");
	} else {
		doctor_say(out, BH_FINDING_UNKNOWN, "it is not loaded, and whether it could be cannot be read");
		doctor_evidence(out, "/lib/modules/*/modules.dep: %s", strerror(-can));
	}
}

static void
check_noiommu(const struct bh_doctor *doctor, struct bh_finding *out)
{
	static const char path[] = "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode";
	char text[16];
	if (!is_needed(doctor, out))
		return;
	if (!doctor_read(doctor, out, text, sizeof(text), path, "/sys/module"))
		return;
	if (text[0] == 'N' || text[0] == '0') {
		doctor_say(out, BH_FINDING_OK, "VFIO insists on an IOMMU");
		return;
	}
	doctor_say(out, BH_FINDING_WARN, "VFIO hands out devices without an IOMMU; bulkhead refuses those (BH-E105)");
	doctor_fix(out, "echo N > %s, and take it out of /etc/modprobe.d", path);
}

static void
check_node(const struct bh_doctor *doctor, struct bh_finding *out)
{
	if (!is_needed(doctor, out))
		return;
	if (bh_sys_exists(doctor->root, "/dev/vfio/vfio")) {
		doctor_say(out, BH_FINDING_OK, "it is there");
		doctor_evidence(out, "/dev/vfio/vfio: there");
		return;
	}
	doctor_evidence(out, "/dev/vfio/vfio: not there");
	if (!bh_sys_exists(doctor->root, "/sys/module/vfio")) {
		doctor_say(out, BH_FINDING_NOT_NEEDED, "VFIO is not loaded: see vfio.pci");
		return;
	}
	doctor_say(out, BH_FINDING_FAIL, "VFIO is loaded, and its file is not there (BH-E111)");
	doctor_fix(out, "mount -t devtmpfs devtmpfs /dev, or pass /dev/vfio into the container");
}

static const struct rule pci = {"/sys/module/vfio_pci", "/sys/bus/pci/drivers/vfio-pci", "vfio-pci", "vfio-pci.ko"};
static const struct rule type1 = {"/sys/module/vfio_iommu_type1", NULL, "vfio_iommu_type1", "vfio_iommu_type1.ko"};

const struct bh_check bh_checks_vfio[] = {
        {"vfio.pci", "the driver that hands devices out", "vfio-pci is how a cell's supervisor gets at a PCI device.",
         "A module of every distribution's kernel; 'bulkhead bind' and 'bulkhead apply' load it. It takes no device by "
         "itself: "
         "bulkhead binds by address (driver_override), never by vendor and device. Documentation/driver-api/vfio.rst.",
         check_module, &pci},
        {"vfio.type1", "the IOMMU's side of VFIO", "It maps the arena for the device, and nothing else.",
         "The module vfio_iommu_type1; loaded with the first container that is opened, or by modprobe.", check_module,
         &type1},
        {"vfio.noiommu", "VFIO was not told to do without an IOMMU", "In that mode a device reaches all memory.",
         "enable_unsafe_noiommu_mode of the module vfio; many kernels are built without it, which is best. bulkhead "
         "refuses "
         "such groups (BH-E105).",
         check_noiommu, NULL},
        {"vfio.node", "/dev/vfio/vfio is there", "Without it no device can be opened, though all else is right.",
         "devtmpfs makes it when the module is loaded. In a container it must be passed in.", check_node, NULL},
        {NULL, NULL, NULL, NULL, NULL, NULL},
};
