/* SPDX-License-Identifier: Apache-2.0 */
#include "host/device/pci.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/device/sysfs.h"
#include "host/errors/errors.h"

#define DEVICES "/sys/bus/pci/devices"

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* 1 to digits_max hex digits at *text, which moves behind them. Return: the value, or -1. */
static int64_t
take_hex(const char **text, int digits_max)
{
	int64_t value = 0;
	int digits = 0;
	for (; hex_digit(**text) >= 0; (*text)++) {
		if (++digits > digits_max)
			return -1;
		value = value * 16 + hex_digit(**text);
	}
	return digits == 0 ? -1 : value;
}

static bool
take_char(const char **text, char c)
{
	return **text == c ? (*text)++, true : false;
}

int
bh_pci_address_parse(const char *text, char out[BH_PCI_ADDRESS_BYTES])
{
	int64_t domain = 0, bus, device, function;
	out[0] = '\0';
	bus = take_hex(&text, 8); /* a domain of more than 16 bits is a bridge's own (VMD) */
	if (bus < 0 || !take_char(&text, ':'))
		return -EINVAL;
	device = take_hex(&text, 2);
	if (take_char(&text, ':')) {
		domain = bus;
		bus = device;
		device = take_hex(&text, 2);
	}
	if (device < 0 || !take_char(&text, '.'))
		return -EINVAL;
	function = take_hex(&text, 1);
	if (*text != '\0' || bus < 0 || bus > 0xff || device > 0x1f || function < 0 || function > 7 || domain > 0xfffff)
		return -EINVAL;
	snprintf(out, BH_PCI_ADDRESS_BYTES, "%04x:%02x:%02x.%x", (unsigned)domain, (unsigned)bus, (unsigned)device,
	         (unsigned)function);
	return 0;
}

static int
small_number(const char *root, const char *address, const char *file)
{
	uint64_t value;
	return bh_sys_read_number(&value, INT32_MAX, root, DEVICES "/%s/%s", address, file) == 0 ? (int)value : -1;
}

static int
group_of(const char *root, const char *address)
{
	char name[16], *end;
	if (bh_sys_link_name(name, sizeof(name), root, DEVICES "/%s/iommu_group", address) != 0)
		return -1;
	if (name[0] < '0' || name[0] > '9')
		return -1;
	long group = strtol(name, &end, 10);
	return *end == '\0' && group <= INT32_MAX ? (int)group : -1;
}

/* `address` is a full address. -ENODEV: no such function; -EIO: it is there, and its identity cannot be read. */
static int
read_function(const char *root, const char *address, struct bh_pci_device *out)
{
	uint64_t vendor, device, class;
	*out = (struct bh_pci_device){.group = -1, .node = -1};
	if (!bh_sys_exists(root, DEVICES "/%s", address))
		return -ENODEV;
	if (bh_sys_read_number(&vendor, 0xffff, root, DEVICES "/%s/vendor", address) != 0 ||
	    bh_sys_read_number(&device, 0xffff, root, DEVICES "/%s/device", address) != 0 ||
	    bh_sys_read_number(&class, 0xffffff, root, DEVICES "/%s/class", address) != 0)
		return bh_sys_exists(root, DEVICES "/%s", address) ? -EIO : -ENODEV;
	strcpy(out->address, address);
	out->vendor = (uint16_t)vendor;
	out->device = (uint16_t)device;
	out->class = (uint32_t) class;
	out->group = group_of(root, address);
	out->node = small_number(root, address, "numa_node");
	int err = bh_sys_link_name(out->driver, sizeof(out->driver), root, DEVICES "/%s/driver", address);
	if (err != 0 && err != -ENOENT)
		return -EIO;
	err = bh_sys_read(out->driver_override, sizeof(out->driver_override), root, DEVICES "/%s/driver_override",
	                  address);
	if (err != 0 && err != -ENOENT)
		return -EIO;
	if (strcmp(out->driver_override, "(null)") == 0)
		out->driver_override[0] = '\0';
	return 0;
}

/* Which functions there are: those that a cell can use or, if there are none of them, how many others. */
static void
name_others(const char *root, char *out, size_t out_bytes)
{
	struct bh_pci_device *list;
	size_t cnt, used = 0, listed = 0, fitting = 0;
	out[0] = '\0';
	if (bh_pci_list(root, &list, &cnt) != 0) {
		snprintf(out, out_bytes, "this machine has no PCI bus");
		return;
	}
	for (size_t i = 0; i < cnt; i++) {
		if (list[i].class != 0x010802 && list[i].class >> 8 != 0x0200)
			continue;
		fitting++;
		if (listed == 8)
			continue;
		used += (size_t)snprintf(out + used, out_bytes - used, "%s%s (%s)", listed++ == 0 ? "" : ", ",
		                         list[i].address, bh_pci_class_name(list[i].class));
	}
	if (fitting > listed)
		snprintf(out + used, out_bytes - used, " and %zu more", fitting - listed);
	if (fitting == 0)
		snprintf(out, out_bytes, "none of this machine's %zu functions is an NVMe drive or a network card",
		         cnt);
	free(list);
}

int
bh_pci_read(const char *root, const char *address, struct bh_pci_device *out, struct bh_error *error)
{
	char full[BH_PCI_ADDRESS_BYTES], others[384];
	int err = bh_pci_address_parse(address, full);
	if (err != 0)
		return bh_error_set(
		        error, "E101", -EINVAL,
		        "'%.40s' is not a PCI address; it looks like 0000:01:00.0 or 01:00.0: see 'bulkhead "
		        "devices'",
		        address);
	err = read_function(root, full, out);
	if (err == -ENODEV) {
		name_others(root, others, sizeof(others));
		return bh_error_set(error, "E100", -ENODEV,
		                    "no PCI device %s; there are: %s; 'bulkhead devices' lists them", full, others);
	}
	if (err != 0)
		return bh_error_set(error, "E136", -EIO,
		                    "%s: sysfs holds no readable vendor, device, class or driver: the device may be "
		                    "failing or being removed; look at 'dmesg'",
		                    full);
	return 0;
}

static int
compare_address(const void *left, const void *right)
{
	const struct bh_pci_device *a = left, *b = right;
	size_t a_bytes = strlen(a->address), b_bytes = strlen(b->address);
	if (a_bytes != b_bytes) /* a longer domain is a larger one */
		return a_bytes < b_bytes ? -1 : 1;
	return strcmp(a->address, b->address);
}

static int
list_folder(const char *root, struct bh_pci_device **out, size_t *out_cnt, const char *folder, int folder_number)
{
	struct bh_sys_names names;
	char full[BH_PCI_ADDRESS_BYTES];
	size_t cnt = 0;
	*out = NULL;
	*out_cnt = 0;
	int err = folder_number < 0 ? bh_sys_list(&names, root, "%s", folder)
	                            : bh_sys_list(&names, root, "%s/%d/devices", folder, folder_number);
	if (err != 0)
		return err == -ENOMEM ? err : -ENOENT;
	struct bh_pci_device *list = calloc(names.cnt + 1, sizeof(*list));
	for (size_t i = 0; list != NULL && i < names.cnt; i++) {
		if (bh_pci_address_parse(names.name[i], full) != 0 || strcmp(full, names.name[i]) != 0)
			continue;
		if (read_function(root, full, &list[cnt]) == 0)
			cnt++;
	}
	bh_sys_names_free(&names);
	if (list == NULL)
		return -ENOMEM;
	qsort(list, cnt, sizeof(*list), compare_address);
	*out = list;
	*out_cnt = cnt;
	return 0;
}

int
bh_pci_list(const char *root, struct bh_pci_device **out, size_t *out_cnt)
{
	return list_folder(root, out, out_cnt, DEVICES, -1);
}

int
bh_pci_group_members(const char *root, int group, struct bh_pci_device *out, size_t max)
{
	struct bh_pci_device *list;
	size_t cnt;
	if (group < 0)
		return -EINVAL;
	int err = list_folder(root, &list, &cnt, "/sys/kernel/iommu_groups", group);
	if (err != 0)
		return err;
	if (cnt > 0)
		memcpy(out, list, BH_MIN(cnt, max) * sizeof(*out));
	free(list);
	return (int)cnt;
}

/* PCI Code and ID Assignment Specification 1.11, chapter 1. The first that fits. */
static const struct class_name {
	uint32_t mask, value;
	const char *name;
} class_names[] = {
        {0xffffff, 0x010802, "nvme"},   {0xffff00, 0x020000, "network"},  {0xff0000, 0x020000, "network"},
        {0xff0000, 0x010000, "disk"},   {0xff0000, 0x030000, "display"},  {0xff0000, 0x040000, "media"},
        {0xff0000, 0x050000, "memory"}, {0xff0000, 0x060000, "bridge"},   {0xff0000, 0x070000, "serial"},
        {0xff0000, 0x080000, "system"}, {0xff0000, 0x090000, "input"},    {0xffff00, 0x0c0300, "usb"},
        {0xff0000, 0x0c0000, "bus"},    {0xff0000, 0x0d0000, "wireless"}, {0xff0000, 0x100000, "crypto"},
        {0xff0000, 0x120000, "accel"},
};

const char *
bh_pci_class_name(uint32_t class)
{
	for (size_t i = 0; i < BH_ARRAY_CNT(class_names); i++) {
		if ((class & class_names[i].mask) == class_names[i].value)
			return class_names[i].name;
	}
	return "other";
}
