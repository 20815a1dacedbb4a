/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The boot page: all that a cell may touch, and how it gets there.
 *
 * The supervisor writes it into a sealed memfd, which the cell inherits as descriptor BH_BOOT_FD. boot/
 * checks it (bh_boot_page_check), maps what it lists, maps the page itself read-only at BH_ADDR_BOOT, and closes
 * everything. After that no cell code can change it. Sizes are in bytes, addresses are the cell's virtual addresses.
 *
 * The address space of a cell (fixed, so that an address means the same in every log and every run):
 *
 *   BH_ADDR_ARENA   64 GiB   DMA memory; the address is also the IOVA, inside a 39-bit IOMMU. Rings and buffers only.
 *   BH_ADDR_HEAP    512 GiB  private memory: driver state, allocator headers. No IOMMU maps it.
 *   BH_ADDR_STACKS  768 GiB  fiber stacks, each between two guard pages
 *   BH_ADDR_BARS    832 GiB  mapped device registers (doorbells)
 *   BH_ADDR_SHARED  896 GiB  metrics, log, mailbox, control: read by the supervisor
 *   BH_ADDR_BOOT    960 GiB  this page, read-only
 *
 * A PROT_NONE guard of BH_GUARD_BYTES stands right below and right above each region.
 */
#ifndef BULKHEAD_ABI_BOOT_H
#define BULKHEAD_ABI_BOOT_H

#include <bulkhead/types.h>

#define BH_BOOT_MAGIC   UINT64_C(0x544f4f42484b4c42) /* "BLKHBOOT" */
#define BH_BOOT_VERSION 4u
#define BH_BOOT_FD      3

#define BH_CORES_MAX        64u
#define BH_REGIONS_MAX      32u
#define BH_DEVICES_MAX      9u /* eight of a configuration, one of an application */
#define BH_DEVICE_BARS_MAX  6u
#define BH_BAR_WINDOWS_MAX  4u
#define BH_NAME_BYTES       32u
#define BH_APP_CONFIG_BYTES 2048u

#define BH_GIB            UINT64_C(0x40000000)
#define BH_ADDR_ARENA     (64 * BH_GIB)
#define BH_ADDR_ARENA_END (448 * BH_GIB)
#define BH_ADDR_HEAP      (512 * BH_GIB)
#define BH_ADDR_STACKS    (768 * BH_GIB)
#define BH_ADDR_BARS      (832 * BH_GIB)
#define BH_ADDR_SHARED    (896 * BH_GIB)
#define BH_ADDR_BOOT      (960 * BH_GIB)
#define BH_GUARD_BYTES    (2u << 20)

enum bh_region_kind {
	BH_REGION_ARENA = 1,
	BH_REGION_HEAP = 2,
	BH_REGION_SHARED = 3,
	BH_REGION_BAR = 4, /* a window of a device's BAR */
};

enum {
	BH_REGION_WRITE = 1u << 0,
	BH_REGION_HUGETLB = 1u << 1, /* the descriptor is a hugetlb memfd */
};

/* One mapping. boot/ maps [fd_offset, fd_offset + size_bytes) of descriptor `fd` at `addr`. */
struct bh_boot_region {
	uint64_t addr;
	uint64_t size_bytes;
	uint64_t fd_offset;
	int32_t fd;
	uint32_t kind;       /* enum bh_region_kind */
	uint32_t flags;      /* BH_REGION_* */
	uint32_t device_idx; /* BH_REGION_BAR: which device; else 0 */
};

/* A part of a BAR that the cell has mapped: loads and stores at `addr` reach `bar_offset`. */
struct bh_boot_window {
	uint64_t bar_offset;
	uint64_t size_bytes;
	uint64_t addr;
};

struct bh_boot_bar {
	uint64_t size_bytes; /* 0: the device has no such BAR */
	uint32_t window_cnt; /* what is in no window goes through the mailbox */
	uint32_t reserved;
	struct bh_boot_window window[BH_BAR_WINDOWS_MAX];
};

struct bh_boot_device {
	char name[BH_NAME_BYTES];  /* the NAME of [device NAME] or [port NAME], NUL-terminated */
	char model[BH_NAME_BYTES]; /* "nvme", "virtio-net", "null", ... */
	uint16_t pci_vendor;
	uint16_t pci_device;
	uint32_t pci_class;  /* 24 bits: base class, sub-class, programming interface */
	uint32_t queue_cnt;  /* of a port: `queues` of [port NAME]; 0: not said */
	uint32_t mtu_bytes;  /* of a port: `mtu`; 0: not said */
	uint32_t no_offload; /* of a port: `offload = no` */
	uint32_t reserved;
	struct bh_boot_bar bar[BH_DEVICE_BARS_MAX];
};

/* Where the sections of the shared region are: offsets from its start. The supervisor keeps a copy of its own. */
struct bh_shared_layout {
	uint32_t control_offset;      /* struct bh_control */
	uint32_t core_offset;         /* struct bh_core_status [core_cnt] */
	uint32_t mailbox_offset;      /* struct bh_mailbox_slot [core_cnt] */
	uint32_t panic_offset;        /* struct bh_panic_record [core_cnt] */
	uint32_t counter_desc_offset; /* struct bh_metric_desc [counter_cnt] */
	uint32_t counter_offset;      /* uint64_t [core_cnt][counter_cnt] */
	uint32_t counter_cnt;         /* slots, a multiple of 8 */
	uint32_t hist_desc_offset;    /* struct bh_metric_desc [hist_cnt] */
	uint32_t hist_offset;         /* struct bh_hist [core_cnt][hist_cnt] */
	uint32_t hist_cnt;
	uint32_t log_offset; /* struct bh_log_ring + records, [core_cnt], log_stride_bytes apart */
	uint32_t log_stride_bytes;
	uint32_t log_record_cnt; /* records of each ring, a power of two */
	uint32_t size_bytes;     /* of the whole region */
};

struct bh_boot_page {
	uint64_t magic;
	uint32_t version;
	uint32_t size_bytes; /* sizeof(struct bh_boot_page) */
	uint64_t checksum;   /* bh_boot_page_checksum(): FNV-1a of the page with this field as 0 */

	char cell_name[BH_NAME_BYTES];
	uint64_t tsc_hz;
	uint32_t core_cnt;
	uint32_t fiber_cnt;         /* fiber stacks per core */
	uint32_t fiber_stack_bytes; /* each, a multiple of 4096, guards not counted */
	uint32_t region_cnt;
	uint32_t device_cnt;
	uint32_t shared_host;       /* 1: cell and host share a CPU (machine with a single one) */
	uint64_t seed;              /* for applications that draw at random */
	uint16_t cpu[BH_CORES_MAX]; /* core i runs on CPU cpu[i] */

	struct bh_boot_region region[BH_REGIONS_MAX];
	struct bh_boot_device device[BH_DEVICES_MAX];
	struct bh_shared_layout shared;

	uint32_t app_config_bytes; /* used part of app_config */
	uint32_t reserved;
	uint8_t app_config[BH_APP_CONFIG_BYTES]; /* laid out by the app's host half; see bh_app_config() */
};

_Static_assert(sizeof(struct bh_boot_page) <= 16384, "the boot page is at most four pages");

/* bh_boot_page_checksum - FNV-1a (64 bit) over the page with its checksum field taken as zero. Any context. */
BH_INLINE uint64_t
bh_boot_page_checksum(const struct bh_boot_page *page)
{
	const uint8_t *bytes = (const uint8_t *)page;
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	for (size_t i = 0; i < sizeof(*page); i++) {
		bool in_field = i - offsetof(struct bh_boot_page, checksum) < sizeof(page->checksum);
		hash = (hash ^ (in_field ? 0 : bytes[i])) * UINT64_C(0x100000001b3);
	}
	return hash;
}

#endif
