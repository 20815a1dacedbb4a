/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What `bulkhead devices` knows: each PCI function with what it is, what Linux made of it, and whether a cell can have it.
 * Reads only; as another user than root it cannot open disks, and says so (`unreadable`).
 */
#ifndef HOST_DEVICE_INVENTORY_H
#define HOST_DEVICE_INVENTORY_H

#include "host/device/bind.h"

#define BH_INVENTORY_PARTS_MAX 8

enum bh_inventory_state {
	BH_INVENTORY_FREE = 0,       /* nothing speaks against bulkhead bind */
	BH_INVENTORY_IN_USE = 1,     /* findings */
	BH_INVENTORY_TAKEN = 2,      /* vfio-pci, by bulkhead */
	BH_INVENTORY_FOREIGN = 3,    /* vfio-pci, by somebody else */
	BH_INVENTORY_NO_IOMMU = 4,   /* nothing else speaks against it */
	BH_INVENTORY_UNSUITABLE = 5, /* its class is all that speaks against it: no device for a cell */
};

struct bh_inventory_disk {
	char name[64];
	uint64_t size_bytes;
};

struct bh_inventory_interface {
	char name[64];
	char mac[24];
	char link[16];       /* operstate: "up", "down", ... */
	uint64_t speed_mbps; /* 0 unknown */
};

struct bh_inventory_device {
	struct bh_pci_device pci;
	char vendor_name[64], device_name[96];    /* of pci.ids; "" unknown */
	char model[48], serial[24], firmware[16]; /* NVMe; "" unknown */
	struct bh_inventory_disk disk[BH_INVENTORY_PARTS_MAX];
	struct bh_inventory_interface interface[BH_INVENTORY_PARTS_MAX];
	uint32_t disk_cnt, interface_cnt;
	char member[BH_INVENTORY_PARTS_MAX][BH_PCI_ADDRESS_BYTES]; /* others of its IOMMU group */
	uint32_t member_cnt;                                       /* may be more than member holds */
	char driver_before[32];                                    /* BH_INVENTORY_TAKEN: it goes back to it; "" none */
	enum bh_inventory_state state;
	struct bh_bind_finding finding[BH_BIND_FINDINGS_MAX], note[BH_BIND_FINDINGS_MAX];
	int finding_cnt, note_cnt;
};

struct bh_inventory {
	bool iommu; /* at least one function is in a group */
	size_t function_cnt;
	struct bh_inventory_device *device;
	size_t cnt;
};

/**
 * bh_inventory_read - all functions, or those that a cell could use (NVMe, network)
 * Return: 0; -ENOENT no PCI bus (E156); -ENOMEM.
 */
BH_MUST_CHECK int bh_inventory_read(const char *root, bool all, struct bh_inventory *out, struct bh_error *error);
void bh_inventory_free(struct bh_inventory *inventory);

/* "free", "in-use", "taken", "foreign", "no-iommu", "unsuitable": stable words for JSON. */
const char *bh_inventory_state_name(enum bh_inventory_state state);

/* bh_pci_names - look a vendor and device up in the text of pci.ids; "" what is not in there. */
void bh_pci_names(const char *ids, uint16_t vendor, uint16_t device, char *out_vendor, size_t vendor_bytes,
                  char *out_device, size_t device_bytes);

#endif
