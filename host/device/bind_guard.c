/* SPDX-License-Identifier: Apache-2.0 */
/* All guards in their order, and those that look at the function itself. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "host/device/bind_private.h"

#define DEVICES "/sys/bus/pci/devices"

/* A cell drives NVMe and network; a display that the firmware started on, a bridge or a disk controller is the machine's own. */
static void
guard_function(struct bh_bind_scope *scope)
{
	const struct bh_pci_device *device = &scope->device;
	uint64_t value = 0;
	if (device->class != 0x010802 && device->class >> 16 != 0x02)
		bh_bind_add(&scope->findings, "class", "its class is %06x (%s): no NVMe drive and no network card",
		            device->class, bh_pci_class_name(device->class));
	if (bh_sys_read_number(&value, 1, scope->root, DEVICES "/%s/boot_vga", device->address) == 0 && value == 1)
		bh_bind_add(&scope->findings, "boot-display", "the machine's display is on it (boot_vga says 1)");
	if (bh_sys_read_number(&value, UINT16_MAX, scope->root, DEVICES "/%s/sriov_numvfs", device->address) == 0 &&
	    value > 0)
		bh_bind_add(&scope->findings, "vfs", "its %u virtual functions would go with it (sriov_numvfs)",
		            (unsigned)value);
}

/* Bridges stay with their driver; VFIO counts a group as usable with them in it. */
static bool
blocks_group(const struct bh_pci_device *device)
{
	return device->class >> 16 != 0x06 && device->driver[0] != '\0' &&
	       strcmp(device->driver, BH_BIND_DRIVER) != 0 && strcmp(device->driver, "pci-stub") != 0;
}

static void
note_group(struct bh_bind_scope *scope)
{
	struct bh_pci_device member[BH_PCI_GROUP_MAX];
	int cnt = bh_pci_group_members(scope->root, scope->device.group, member, BH_PCI_GROUP_MAX);
	for (int i = 0; i < cnt && i < BH_PCI_GROUP_MAX; i++) {
		if (strcmp(member[i].address, scope->device.address) != 0 && blocks_group(&member[i]))
			bh_bind_add(
			        &scope->notes, "group",
			        "IOMMU group %d also holds %s (%s, driver %s): no cell can use either before both are "
			        "taken: bulkhead bind %s",
			        scope->device.group, member[i].address, bh_pci_class_name(member[i].class),
			        member[i].driver, member[i].address);
	}
}

void
bh_bind_scope_guard(struct bh_bind_scope *scope)
{
	bh_bind_scope_release(scope);
	scope->findings.cnt = scope->built_cnt;
	scope->notes.cnt = 0;
	guard_function(scope);
	bh_bind_guard_mounts(scope);
	bh_bind_guard_disk(scope);
	bh_bind_guard_open(scope);
	bh_bind_guard_net(scope);
	bh_bind_guard_ssh(scope);
	note_group(scope);
}

/* Return: 0 and *out, guarded; *out is NULL where the device is taken already and nothing of Linux is on it. */
static int
guarded(const char *root, const char *address, struct bh_bind_scope **out, struct bh_error *error)
{
	int err = bh_bind_scope_new(root, address, out, error);
	if (err != 0)
		return err;
	if (strcmp((*out)->device.driver, BH_BIND_DRIVER) == 0)
		note_group(*out);
	else
		bh_bind_scope_guard(*out);
	bh_bind_scope_release(*out);
	return 0;
}

int
bh_bind_check(const char *root, const char *address, struct bh_bind_finding *out, struct bh_error *error)
{
	struct bh_bind_scope *scope;
	int err = guarded(root, address, &scope, error);
	if (err != 0)
		return err;
	int cnt = scope->findings.cnt;
	memcpy(out, scope->finding, (size_t)cnt * sizeof(*out));
	bh_bind_scope_free(scope);
	return cnt;
}

int
bh_bind_notes(const char *root, const char *address, struct bh_bind_finding *out, struct bh_error *error)
{
	struct bh_bind_scope *scope;
	int err = guarded(root, address, &scope, error);
	if (err != 0)
		return err;
	int cnt = scope->notes.cnt;
	memcpy(out, scope->note, (size_t)cnt * sizeof(*out));
	bh_bind_scope_free(scope);
	return cnt;
}
