/* SPDX-License-Identifier: Apache-2.0 */
/**
 * VIRTIO 1.2, 4.1: Virtio over PCI, modern devices only.
 */
#ifndef BULKHEAD_SPEC_VIRTIO_PCI_H
#define BULKHEAD_SPEC_VIRTIO_PCI_H

#include <bulkhead/types.h>

/* [4.1.2] Identity: 0x1040 + device type; network card is type 1 */
#define VIRTIO_PCI_VENDOR         0x1af4u
#define VIRTIO_PCI_DEVICE_NET     0x1041u
#define VIRTIO_PCI_DEVICE_NET_OLD 0x1000u /* transitional: has the modern interface, too */

/* [4.1.4] Vendor-specific capabilities (PCI capability 09h) that say where each structure is */
struct virtio_pci_cap {
	uint8_t cap_vndr; /* 09h */
	uint8_t cap_next;
	uint8_t cap_len;
	uint8_t cfg_type; /* VIRTIO_PCI_CAP_* */
	uint8_t bar;
	uint8_t id;
	uint8_t padding[2];
	uint32_t offset;
	uint32_t length;
};

#define VIRTIO_PCI_CAP_VENDOR 0x09u
enum {
	VIRTIO_PCI_CAP_COMMON_CFG = 1,
	VIRTIO_PCI_CAP_NOTIFY_CFG = 2, /* followed by notify_off_multiplier, 32 bits [4.1.4.4] */
	VIRTIO_PCI_CAP_ISR_CFG = 3,
	VIRTIO_PCI_CAP_DEVICE_CFG = 4,
	VIRTIO_PCI_CAP_PCI_CFG = 5,
};

/* [4.1.4.3] Common configuration structure: offsets; the width is that of the field */
enum virtio_pci_common {
	VIRTIO_PCI_DEVICE_FEATURE_SELECT = 0x00, /* 32 */
	VIRTIO_PCI_DEVICE_FEATURE = 0x04,        /* 32, read-only */
	VIRTIO_PCI_DRIVER_FEATURE_SELECT = 0x08, /* 32 */
	VIRTIO_PCI_DRIVER_FEATURE = 0x0c,        /* 32 */
	VIRTIO_PCI_CONFIG_MSIX_VECTOR = 0x10,    /* 16 */
	VIRTIO_PCI_NUM_QUEUES = 0x12,            /* 16, read-only */
	VIRTIO_PCI_DEVICE_STATUS = 0x14,         /* 8 */
	VIRTIO_PCI_CONFIG_GENERATION = 0x15,     /* 8, read-only */
	VIRTIO_PCI_QUEUE_SELECT = 0x16,          /* 16 */
	VIRTIO_PCI_QUEUE_SIZE = 0x18,            /* 16 */
	VIRTIO_PCI_QUEUE_MSIX_VECTOR = 0x1a,     /* 16 */
	VIRTIO_PCI_QUEUE_ENABLE = 0x1c,          /* 16 */
	VIRTIO_PCI_QUEUE_NOTIFY_OFF = 0x1e,      /* 16, read-only */
	VIRTIO_PCI_QUEUE_DESC = 0x20,            /* 64: written as two of 32 bits [4.1.3.1] */
	VIRTIO_PCI_QUEUE_DRIVER = 0x28,          /* 64 */
	VIRTIO_PCI_QUEUE_DEVICE = 0x30,          /* 64 */
	VIRTIO_PCI_QUEUE_NOTIFY_DATA = 0x38,     /* 16, read-only */
	VIRTIO_PCI_QUEUE_RESET = 0x3a,           /* 16 */
	VIRTIO_PCI_COMMON_BYTES = 0x3c,
};

#define VIRTIO_MSI_NO_VECTOR 0xffffu

/* [4.1.4.5] ISR status: reading clears it */
#define VIRTIO_PCI_ISR_QUEUE  1u
#define VIRTIO_PCI_ISR_CONFIG 2u

/* A driver reads the capabilities through BH_BAR_CONFIG (<bulkhead/device.h>), from the pointer at 34h on. */

#endif
