/* SPDX-License-Identifier: Apache-2.0 */
#include "host/device/inventory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/device/bind_private.h"

#define DEVICES "/sys/bus/pci/devices"

const char *
bh_inventory_state_name(enum bh_inventory_state state)
{
	static const char *const names[] = {"free", "in-use", "taken", "foreign", "no-iommu", "unsuitable"};
	return (unsigned)state < BH_ARRAY_CNT(names) ? names[state] : "?";
}

/* Up to a line's end, made printable. */
static void
take_name(const char *at, char *out, size_t out_bytes)
{
	at += strspn(at, " ");
	size_t len = strcspn(at, "\n");
	snprintf(out, out_bytes, "%.*s", (int)BH_MIN(len, out_bytes - 1), at);
	bh_sys_clean(out);
}

/* pci.ids(5): "vvvv  Vendor", "\tdddd  Device", "\t\tssss ssss  Subsystem"; classes begin with 'C'. */
void
bh_pci_names(const char *ids, uint16_t vendor, uint16_t device, char *out_vendor, size_t vendor_bytes, char *out_device,
             size_t device_bytes)
{
	char vendor_key[8], device_key[8];
	bool inside = false;
	snprintf(vendor_key, sizeof(vendor_key), "%04x ", vendor);
	snprintf(device_key, sizeof(device_key), "\t%04x ", device);
	out_vendor[0] = out_device[0] = '\0';
	for (const char *line = ids; *line != '\0'; line += strcspn(line, "\n"), line += *line == '\n') {
		if (*line == '\t') {
			if (!inside || strncmp(line, device_key, 6) != 0)
				continue;
			take_name(line + 6, out_device, device_bytes);
			return;
		}
		if (*line == '#' || *line == '\n')
			continue;
		if (inside)
			return;
		inside = strncmp(line, vendor_key, 5) == 0;
		if (inside)
			take_name(line + 5, out_vendor, vendor_bytes);
	}
}

static char *
load_names(const char *root)
{
	static const char *const paths[] = {"/usr/share/misc/pci.ids", "/usr/share/hwdata/pci.ids",
	                                    "/var/lib/pciutils/pci.ids"};
	char *text;
	for (size_t i = 0; i < BH_ARRAY_CNT(paths); i++) {
		if (bh_sys_load(&text, root, "%s", paths[i]) >= 0)
			return text;
	}
	return NULL;
}

/* The driver's own folder: .../nvme/nvme0/{model,serial,firmware_rev}. */
static void
read_nvme(const char *root, struct bh_inventory_device *out)
{
	struct bh_sys_names names;
	if (bh_sys_list(&names, root, DEVICES "/%s/nvme", out->pci.address) != 0)
		return;
	if (names.cnt > 0) {
		const char *name = names.name[0];
		(void)bh_sys_read(out->model, sizeof(out->model), root, DEVICES "/%s/nvme/%s/model", out->pci.address,
		                  name);
		(void)bh_sys_read(out->serial, sizeof(out->serial), root, DEVICES "/%s/nvme/%s/serial",
		                  out->pci.address, name);
		(void)bh_sys_read(out->firmware, sizeof(out->firmware), root, DEVICES "/%s/nvme/%s/firmware_rev",
		                  out->pci.address, name);
	}
	bh_sys_names_free(&names);
}

static void
read_disks(const struct bh_bind_scope *scope, struct bh_inventory_device *out)
{
	uint64_t sectors;
	for (size_t i = 0; i < scope->block_cnt && out->disk_cnt < BH_INVENTORY_PARTS_MAX; i++) {
		const struct bh_bind_block *block = &scope->block[i];
		if (!block->own || block->partition)
			continue;
		struct bh_inventory_disk *disk = &out->disk[out->disk_cnt++];
		memcpy(disk->name, block->name, sizeof(disk->name));
		/* sysfs counts 512 bytes whatever the block size is. */
		if (bh_sys_read_number(&sectors, UINT64_MAX / 512, scope->root, "/sys/class/block/%s/size",
		                       block->name) == 0)
			disk->size_bytes = sectors * 512;
	}
}

static void
read_interfaces(const struct bh_bind_scope *scope, struct bh_inventory_device *out)
{
	for (size_t i = 0; i < scope->net_cnt && out->interface_cnt < BH_INVENTORY_PARTS_MAX; i++) {
		const char *name = scope->net[i].name;
		if (!scope->net[i].own)
			continue;
		struct bh_inventory_interface *interface = &out->interface[out->interface_cnt++];
		memcpy(interface->name, name, sizeof(interface->name));
		(void)bh_sys_read(interface->mac, sizeof(interface->mac), scope->root, "/sys/class/net/%s/address",
		                  name);
		(void)bh_sys_read(interface->link, sizeof(interface->link), scope->root, "/sys/class/net/%s/operstate",
		                  name);
		if (bh_sys_read_number(&interface->speed_mbps, 10000000, scope->root, "/sys/class/net/%s/speed",
		                       name) != 0)
			interface->speed_mbps = 0;
	}
}

static void
read_group(const char *root, struct bh_inventory_device *out)
{
	struct bh_pci_device member[BH_PCI_GROUP_MAX];
	if (out->pci.group < 0)
		return;
	int cnt = bh_pci_group_members(root, out->pci.group, member, BH_PCI_GROUP_MAX);
	for (int i = 0; i < cnt && i < BH_PCI_GROUP_MAX; i++) {
		if (strcmp(member[i].address, out->pci.address) == 0)
			continue;
		if (out->member_cnt < BH_INVENTORY_PARTS_MAX)
			memcpy(out->member[out->member_cnt], member[i].address, BH_PCI_ADDRESS_BYTES);
		out->member_cnt++;
	}
}

static void
judge(const char *root, struct bh_inventory_device *out)
{
	if (strcmp(out->pci.driver, BH_BIND_DRIVER) == 0)
		out->state = bh_bind_taken(root, out->pci.address, out->driver_before) ? BH_INVENTORY_TAKEN
		                                                                       : BH_INVENTORY_FOREIGN;
	else if (out->finding_cnt == 1 && strcmp(out->finding[0].reason, "class") == 0)
		out->state = BH_INVENTORY_UNSUITABLE;
	else if (out->finding_cnt > 0)
		out->state = BH_INVENTORY_IN_USE;
	else
		out->state = out->pci.group < 0 ? BH_INVENTORY_NO_IOMMU : BH_INVENTORY_FREE;
}

/* A device that went meanwhile keeps its address and says what failed. */
static void
read_device(const char *root, const char *ids, const struct bh_pci_device *pci, struct bh_inventory_device *out)
{
	struct bh_bind_scope *scope;
	struct bh_error error;
	out->pci = *pci;
	if (ids != NULL)
		bh_pci_names(ids, pci->vendor, pci->device, out->vendor_name, sizeof(out->vendor_name),
		             out->device_name, sizeof(out->device_name));
	read_nvme(root, out);
	read_group(root, out);
	if (bh_bind_scope_new(root, pci->address, &scope, &error) != 0) {
		struct bh_bind_list list = {out->finding, 0};
		bh_bind_add(&list, "unreadable", "%s", error.text);
		out->finding_cnt = list.cnt;
	} else {
		read_disks(scope, out);
		read_interfaces(scope, out);
		if (strcmp(pci->driver, BH_BIND_DRIVER) != 0)
			bh_bind_scope_guard(scope);
		memcpy(out->finding, scope->finding, sizeof(out->finding));
		memcpy(out->note, scope->note, sizeof(out->note));
		out->finding_cnt = scope->findings.cnt;
		out->note_cnt = scope->notes.cnt;
		bh_bind_scope_free(scope);
	}
	judge(root, out);
}

int
bh_inventory_read(const char *root, bool all, struct bh_inventory *out, struct bh_error *error)
{
	struct bh_pci_device *list;
	size_t cnt;
	*out = (struct bh_inventory){0};
	int err = bh_pci_list(root, &list, &cnt);
	if (err != 0)
		return bh_error_set(
		        error, "E156", err,
		        "this machine has no PCI bus (/sys/bus/pci/devices): software devices work all the same: "
		        "bulkhead softdev --help");
	char *ids = load_names(root);
	out->device = calloc(cnt + 1, sizeof(*out->device));
	out->function_cnt = cnt;
	for (size_t i = 0; out->device != NULL && i < cnt; i++) {
		out->iommu = out->iommu || list[i].group >= 0;
		if (all || list[i].class == 0x010802 || list[i].class >> 16 == 0x02)
			read_device(root, ids, &list[i], &out->device[out->cnt++]);
	}
	free(ids);
	free(list);
	return out->device != NULL ? 0 : bh_error_set(error, "E151", -ENOMEM, "no memory for the list of devices");
}

void
bh_inventory_free(struct bh_inventory *inventory)
{
	free(inventory->device);
	*inventory = (struct bh_inventory){0};
}
