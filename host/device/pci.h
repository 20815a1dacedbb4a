/* SPDX-License-Identifier: Apache-2.0 */
/**
 * PCI functions as sysfs shows them. Reads only, but for bh_pci_driver_* (bind.h is what users of this library call).
 *
 * Each function takes the root under which /sys, /proc and /dev lie: "" for this machine, a folder in tests.
 * Addresses are domain:bus:device.function in lower case, "0000:01:00.0"; bh_pci_address_parse takes the short form too.
 */
#ifndef HOST_DEVICE_PCI_H
#define HOST_DEVICE_PCI_H

#include <bulkhead/types.h>

#include "host/device/device.h"

#define BH_PCI_ADDRESS_BYTES 16
#define BH_PCI_GROUP_MAX     32

struct bh_pci_device {
	char address[BH_PCI_ADDRESS_BYTES];
	uint16_t vendor, device;
	uint32_t class;           /* 24 bits */
	char driver[32];          /* "" none */
	char driver_override[32]; /* "" none */
	int group;                /* IOMMU group, -1 none */
	int node;                 /* NUMA node, -1 unknown */
};

/**
 * bh_pci_address_parse - "0000:01:00.0", "01:00.0", "1:0.0" to the full form
 * Return: 0; -EINVAL not an address (nothing of it is ever used as a path).
 */
BH_MUST_CHECK int bh_pci_address_parse(const char *text, char out[BH_PCI_ADDRESS_BYTES]);

/**
 * bh_pci_read - one function
 * Return: 0; -EINVAL not an address (E101); -ENODEV there is no such function (E100 says so and which ones fit a cell);
 * -EIO it is there and cannot be read (E136).
 */
BH_MUST_CHECK int bh_pci_read(const char *root, const char *address, struct bh_pci_device *out, struct bh_error *error);

/**
 * bh_pci_list - all functions, sorted by address
 * @out: an array from malloc
 * Return: 0; -ENOMEM; -ENOENT no PCI bus.
 */
BH_MUST_CHECK int bh_pci_list(const char *root, struct bh_pci_device **out, size_t *out_cnt);

/**
 * bh_pci_group_members - the functions of an IOMMU group, sorted
 * Return: how many (at most max are written); -EINVAL a negative number; -ENOENT no such group; -ENOMEM.
 */
int bh_pci_group_members(const char *root, int group, struct bh_pci_device *out, size_t max);

/* bh_pci_class_name - "nvme", "network", "bridge", "disk", ...: one word for tables and the boot page's model. */
const char *bh_pci_class_name(uint32_t class);

#endif
