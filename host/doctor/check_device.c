/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration's devices. What a single one looks like in full: bulkhead devices. */
#include <errno.h>
#include <string.h>

#include "host/device/bind.h"
#include "host/doctor/private.h"

static bool
has_devices(const struct bh_doctor *doctor, struct bh_finding *out)
{
	if (doctor->wants->device_cnt > 0)
		return true;
	doctor_say(out, BH_FINDING_NOT_NEEDED, "no devices are named");
	doctor_evidence(out, "%s", doctor->file != NULL ? doctor->file : "no configuration");
	return false;
}

static void
check_present(const struct bh_doctor *doctor, struct bh_finding *out)
{
	unsigned missing_cnt = 0;
	if (!has_devices(doctor, out))
		return;
	for (uint32_t i = 0; i < doctor->wants->device_cnt; i++) {
		const char *address = doctor->wants->device[i];
		if (bh_sys_exists(doctor->root, "/sys/bus/pci/devices/%s", address))
			continue;
		if (missing_cnt++ == 0)
			doctor_evidence(out, "/sys/bus/pci/devices/%s: not there", address);
		doctor_detail(out, "%s", address);
	}
	if (missing_cnt > 0) {
		doctor_say(out, BH_FINDING_FAIL, "%u of %u are not there", missing_cnt, doctor->wants->device_cnt);
		doctor_fix(out, "bulkhead devices lists those that are; mend [partition] devices or [device] address");
		return;
	}
	doctor_say(out, BH_FINDING_OK, "all %u are there", doctor->wants->device_cnt);
	doctor_evidence(out, "/sys/bus/pci/devices/%s", doctor->wants->device[0]);
}

/* Calls fn with each device that is there; a finding is made by the caller from the counts. */
struct walk {
	const struct bh_doctor *doctor;
	struct bh_finding *out;
	unsigned there, bad;
};

static struct walk
walk(const struct bh_doctor *doctor, struct bh_finding *out,
     bool (*is_bad)(struct walk *walk, const struct bh_pci_device *device))
{
	struct walk all = {doctor, out, 0, 0};
	for (uint32_t i = 0; i < doctor->wants->device_cnt; i++) {
		struct bh_pci_device device;
		struct bh_error error;
		if (bh_pci_read(doctor->root, doctor->wants->device[i], &device, &error) != 0)
			continue;
		all.there++;
		all.bad += is_bad(&all, &device);
	}
	return all;
}

static bool
none_there(const struct walk *walk)
{
	if (walk->there > 0)
		return false;
	doctor_say(walk->out, BH_FINDING_UNKNOWN, "none of the devices can be read: see device.present");
	doctor_evidence(walk->out, "/sys/bus/pci/devices/%s", walk->doctor->wants->device[0]);
	return true;
}

static bool
has_other_driver(struct walk *walk, const struct bh_pci_device *device)
{
	bool bad = strcmp(device->driver, "vfio-pci") != 0;
	const char *driver = device->driver[0] != '\0' ? device->driver : "none";
	if (walk->there == 1 || (bad && walk->bad == 0)) {
		walk->out->evidence[0] = '\0';
		doctor_evidence(walk->out, "/sys/bus/pci/devices/%s/driver: %s", device->address, driver);
	}
	doctor_detail(walk->out, "%s: driver %s, group %d, node %d", device->address, driver, device->group,
	              device->node);
	return bad;
}

static void
check_driver(const struct bh_doctor *doctor, struct bh_finding *out)
{
	if (!has_devices(doctor, out))
		return;
	const struct walk all = walk(doctor, out, has_other_driver);
	if (none_there(&all))
		return;
	if (all.bad == 0) {
		doctor_say(out, BH_FINDING_OK, "vfio-pci has all %u", all.there);
		return;
	}
	doctor_say(out, BH_FINDING_FAIL, "%u of %u are not with vfio-pci", all.bad, all.there);
	if (!bh_cpus_empty(&doctor->wants->cpus))
		doctor_fix_apply(doctor, out);
	else
		doctor_fix(out, "bulkhead bind %s", doctor->wants->device[0]);
}

/* Members that keep VFIO from handing the group out: those with a driver of Linux that are not the configuration's. */
static bool
has_bad_group(struct walk *walk, const struct bh_pci_device *device)
{
	struct bh_pci_device member[BH_PCI_GROUP_MAX];
	bool bad = device->group < 0;
	if (walk->there == 1 || bad) {
		walk->out->evidence[0] = '\0';
		doctor_evidence(walk->out, "/sys/bus/pci/devices/%s/iommu_group: %d", device->address, device->group);
	}
	if (bad)
		doctor_detail(walk->out, "%s: no group", device->address);
	int cnt = bad ? 0 : bh_pci_group_members(walk->doctor->root, device->group, member, BH_PCI_GROUP_MAX);
	for (int i = 0; i < cnt && i < (int)BH_PCI_GROUP_MAX; i++) {
		bool ours = member[i].driver[0] == '\0' || strncmp(member[i].driver, "vfio", 4) == 0 ||
		            strcmp(member[i].driver, "pci-stub") == 0 || member[i].class >> 16 == 0x06;
		for (uint32_t j = 0; j < walk->doctor->wants->device_cnt; j++)
			ours |= strcmp(member[i].address, walk->doctor->wants->device[j]) == 0;
		if (ours)
			continue;
		bad = true;
		doctor_detail(walk->out, "%s shares group %d with %s (driver %s)", device->address, device->group,
		              member[i].address, member[i].driver);
	}
	return bad;
}

static void
check_group(const struct bh_doctor *doctor, struct bh_finding *out)
{
	if (!has_devices(doctor, out))
		return;
	const struct walk all = walk(doctor, out, has_bad_group);
	if (none_there(&all))
		return;
	if (all.bad == 0) {
		doctor_say(out, BH_FINDING_OK, "each is in a group that can be taken as a whole");
		return;
	}
	doctor_say(out, BH_FINDING_FAIL, "%u of %u have no IOMMU group, or share one with a device that Linux drives",
	           all.bad, all.there);
	doctor_fix(out,
	           "without a group: see iommu.on; with others in it: name them all in [partition] devices, or use "
	           "another slot");
}

/* -1 where the machine has one node, or the firmware does not tell. */
static bool
is_far(struct walk *walk, const struct bh_pci_device *device)
{
	struct bh_cpus cpus;
	bool bad =
	        device->node >= 0 &&
	        bh_cpus_read(&cpus, walk->doctor->root, "/sys/devices/system/node/node%d/cpulist", device->node) == 0 &&
	        !bh_cpus_meet(&cpus, &walk->doctor->cpus);
	if (walk->there == 1 || (bad && walk->bad == 0)) {
		walk->out->evidence[0] = '\0';
		doctor_evidence(walk->out, "/sys/bus/pci/devices/%s/numa_node: %d", device->address, device->node);
	}
	if (bad)
		doctor_detail(walk->out, "%s is on node %d", device->address, device->node);
	return bad;
}

static void
check_node(const struct bh_doctor *doctor, struct bh_finding *out)
{
	if (!has_devices(doctor, out) || doctor_no_cpus(doctor, out))
		return;
	const struct walk all = walk(doctor, out, is_far);
	if (none_there(&all))
		return;
	if (all.bad == 0) {
		doctor_say(out, BH_FINDING_OK,
		           "the devices are on the CPUs' node, or the machine does not tell nodes apart");
		return;
	}
	doctor_say(out, BH_FINDING_WARN, "%u of %u are on another node than all of the CPUs", all.bad, all.there);
	doctor_fix(out, "name CPUs of the device's node in [partition] cpus: bulkhead devices shows it");
}

/* What bind refuses by; a device that VFIO has already is free. */
static bool
is_in_use(struct walk *walk, const struct bh_pci_device *device)
{
	struct bh_bind_finding finding[BH_BIND_FINDINGS_MAX];
	struct bh_error error = {0};
	int cnt = bh_bind_check(walk->doctor->root, device->address, finding, &error);
	if (cnt < 0)
		doctor_detail(walk->out, "%s: %.120s", device->address, error.text);
	for (int i = 0; i < cnt; i++)
		doctor_detail(walk->out, "%s: %s: %.110s", device->address, finding[i].reason, finding[i].evidence);
	if (cnt > 0 && walk->bad == 0)
		doctor_evidence(walk->out, "%s", finding[0].evidence);
	return cnt != 0;
}

static void
check_free(const struct bh_doctor *doctor, struct bh_finding *out)
{
	if (!has_devices(doctor, out))
		return;
	const struct walk all = walk(doctor, out, is_in_use);
	if (none_there(&all))
		return;
	if (all.bad == 0) {
		doctor_say(out, BH_FINDING_OK, "nothing of Linux uses them");
		doctor_evidence(out, "bulkhead bind --dry-run %s", doctor->wants->device[0]);
		return;
	}
	doctor_say(out, BH_FINDING_FAIL, "%u of %u are in use: bind and apply refuse them", all.bad, all.there);
	doctor_fix(out,
	           "bulkhead devices shows what uses them; end that (umount, swapoff, ...), or name another device");
}

const struct bh_check bh_checks_device[] = {
        {"device.present", "the devices are there", "An address that is wrong, or a device that was moved or pulled.",
         "Addresses change when cards are added or moved. 'bulkhead devices' lists what is there.", check_present,
         NULL},
        {"device.free", "nothing uses the devices",
         "A disk that is mounted, or the card that you are logged in through, is never taken.",
         "The same guards as 'bulkhead bind': mounts, swap, RAID, volume managers, open files, addresses, routes. "
         "docs/devices.md "
         "has each reason. As another user than root, disks cannot be opened to find out.",
         check_free, NULL},
        {"device.driver", "vfio-pci has the devices", "Linux's driver and a cell cannot both drive it.",
         "'bulkhead apply' binds them, with a journal, and restore gives them back to the driver that was there; "
         "'bulkhead bind "
         "ADDRESS' does it for one.",
         check_driver, NULL},
        {"device.group", "the devices' groups can be taken as a whole",
         "Devices of one IOMMU group can reach each other, so VFIO hands out all of them or none.",
         "A group without other users is one per slot on most servers; behind a switch without ACS, several slots are "
         "one "
         "group. All members must be with vfio-pci or without a driver (bridges do not count).",
         check_group, NULL},
        {"device.node", "the devices are on the CPUs' node",
         "Each access to registers and each DMA crosses the link between sockets: 100 to 200 ns more.",
         "numa_node of the device against the nodes of the CPUs; -1 means that the machine has one node or does not "
         "tell.",
         check_node, NULL},
        {NULL, NULL, NULL, NULL, NULL, NULL},
};
