/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The vfio-user protocol on the wire: "vfio-user Protocol Specification" 0.9.2 (QEMU's docs/interop/vfio-user.rst,
 * before that libvfio-user's docs/vfio-user.rst). Section names below are that document's.
 *
 * All fields have the host's byte order (x86: little-endian). Where the specification points to <linux/vfio.h>, the
 * structure or flag is repeated here under a VFIO_USER_ name, so that this header stands alone; a unit test compares
 * the two.
 *
 * SPEC-CONTRADICTION: the document is version 0.9.2, but the version that implementations exchange is 0.0 (QEMU) or
 * 0.1 (libvfio-user, SPDK). We propose 0.1 and accept every minor of major 0.
 */
#ifndef BULKHEAD_SPEC_VFIO_USER_H
#define BULKHEAD_SPEC_VFIO_USER_H

#include <bulkhead/types.h>

#define VFIO_USER_VERSION_MAJOR 0u
#define VFIO_USER_VERSION_MINOR 1u

/* Values that hold where the peer's version data does not say otherwise ("VFIO_USER_VERSION", capabilities). */
#define VFIO_USER_DEFAULT_MAX_MSG_FDS         1u
#define VFIO_USER_DEFAULT_MAX_DATA_XFER_BYTES 1048576u
#define VFIO_USER_DEFAULT_MAX_DMA_MAPS        65535u
#define VFIO_USER_DEFAULT_PGSIZES             4096u

/* "Commands". 14 is not assigned. */
enum vfio_user_command {
	VFIO_USER_VERSION = 1,
	VFIO_USER_DMA_MAP = 2,
	VFIO_USER_DMA_UNMAP = 3,
	VFIO_USER_DEVICE_GET_INFO = 4,
	VFIO_USER_DEVICE_GET_REGION_INFO = 5,
	VFIO_USER_DEVICE_GET_REGION_IO_FDS = 6,
	VFIO_USER_DEVICE_GET_IRQ_INFO = 7,
	VFIO_USER_DEVICE_SET_IRQS = 8,
	VFIO_USER_REGION_READ = 9,
	VFIO_USER_REGION_WRITE = 10,
	VFIO_USER_DMA_READ = 11,  /* server to client */
	VFIO_USER_DMA_WRITE = 12, /* server to client */
	VFIO_USER_DEVICE_RESET = 13,
	VFIO_USER_REGION_WRITE_MULTI = 15,
	VFIO_USER_DEVICE_FEATURE = 16,
	VFIO_USER_MIG_DATA_READ = 17,
	VFIO_USER_MIG_DATA_WRITE = 18,
};

/* "Header": in front of every command and every reply. */
struct vfio_user_header {
	uint16_t message_id;    /* the sender's own; echoed in the reply */
	uint16_t command;       /* enum vfio_user_command, also in a reply */
	uint32_t message_bytes; /* header included */
	uint32_t flags;
	uint32_t error; /* errno; valid in a reply with VFIO_USER_FLAG_ERROR, and may be 0 even then */
};

enum {
	VFIO_USER_FLAG_TYPE_MASK = 0xf,
	VFIO_USER_TYPE_COMMAND = 0x0,
	VFIO_USER_TYPE_REPLY = 0x1,
	VFIO_USER_FLAG_NO_REPLY = 1u << 4,
	VFIO_USER_FLAG_ERROR = 1u << 5,
};

/* "VFIO_USER_VERSION": followed by optional version data, JSON with its terminating NUL. */
struct vfio_user_version {
	uint16_t major;
	uint16_t minor;
};

/* "VFIO_USER_DMA_MAP": one descriptor beside it if the memory can be mapped; no reply payload. */
struct vfio_user_dma_map {
	uint32_t argsz; /* size of this structure */
	uint32_t flags;
	uint64_t offset; /* of the region in the descriptor's file */
	uint64_t address;
	uint64_t size;
};

enum {
	VFIO_USER_DMA_MAP_READ = 1u << 0,
	VFIO_USER_DMA_MAP_WRITE = 1u << 1,
	/* Not in the document; libvfio-user has them: how the server is to use the descriptor. */
	VFIO_USER_DMA_MAP_MMAP = 1u << 2,
	VFIO_USER_DMA_MAP_FILE_IO = 1u << 3,
};

/* "VFIO_USER_DMA_UNMAP": the reply carries the same structure. */
struct vfio_user_dma_unmap {
	uint32_t argsz; /* largest reply payload that the client takes */
	uint32_t flags;
	uint64_t address;
	uint64_t size;
};

enum {
	/* "flags is unused in this version": these two are <linux/vfio.h>'s, used by libvfio-user and QEMU. */
	VFIO_USER_DMA_UNMAP_DIRTY_BITMAP = 1u << 0,
	VFIO_USER_DMA_UNMAP_ALL = 1u << 1,
};

/* "VFIO_USER_DEVICE_GET_INFO": request and reply. */
struct vfio_user_device_info {
	uint32_t argsz;
	uint32_t flags;
	uint32_t num_regions;
	uint32_t num_irqs;
};

enum {
	VFIO_USER_DEVICE_RESETTABLE = 1u << 0, /* VFIO_DEVICE_FLAGS_RESET */
	VFIO_USER_DEVICE_PCI = 1u << 1,        /* VFIO_DEVICE_FLAGS_PCI */
};

/* Region and interrupt indexes of a PCI device: VFIO_PCI_*_REGION_INDEX and VFIO_PCI_*_IRQ_INDEX of <linux/vfio.h>. */
enum {
	VFIO_USER_REGION_BAR0 = 0,
	VFIO_USER_REGION_BAR5 = 5,
	VFIO_USER_REGION_ROM = 6,
	VFIO_USER_REGION_CONFIG = 7,
	VFIO_USER_REGION_VGA = 8,
	VFIO_USER_REGION_CNT = 9,
};

enum {
	VFIO_USER_IRQ_INTX = 0,
	VFIO_USER_IRQ_MSI = 1,
	VFIO_USER_IRQ_MSIX = 2,
	VFIO_USER_IRQ_ERR = 3,
	VFIO_USER_IRQ_REQ = 4,
	VFIO_USER_IRQ_CNT = 5,
};

/* "VFIO_USER_DEVICE_GET_REGION_INFO" (struct vfio_region_info): request and reply; capabilities follow in the reply. */
struct vfio_user_region_info {
	uint32_t argsz;
	uint32_t flags;
	uint32_t index;
	uint32_t cap_offset; /* of the first capability, from the start of this structure; 0: none */
	uint64_t size;
	uint64_t offset; /* to be given to mmap() on the descriptor beside the reply */
};

enum {
	VFIO_USER_REGION_INFO_READ = 1u << 0,
	VFIO_USER_REGION_INFO_WRITE = 1u << 1,
	VFIO_USER_REGION_INFO_MMAP = 1u << 2,
	VFIO_USER_REGION_INFO_CAPS = 1u << 3,
};

/* "VFIO cap header format" (struct vfio_info_cap_header). */
struct vfio_user_cap_header {
	uint16_t id;
	uint16_t version;
	uint32_t next; /* from the start of the region info; 0: the last */
};

#define VFIO_USER_CAP_SPARSE_MMAP 1u

/* "VFIO region info cap sparse mmap" (struct vfio_region_info_cap_sparse_mmap), version 1; areas follow. */
struct vfio_user_cap_sparse_mmap {
	struct vfio_user_cap_header header;
	uint32_t area_cnt;
	uint32_t reserved;
};

struct vfio_user_sparse_area {
	uint64_t offset; /* in the region; plus vfio_user_region_info.offset: in the descriptor's file */
	uint64_t size;
};

/* "VFIO_USER_DEVICE_GET_REGION_IO_FDS": request and head of the reply. */
struct vfio_user_region_io_fds {
	uint32_t argsz;
	uint32_t flags;
	uint32_t index;
	uint32_t count;
};

/* "VFIO_USER_DEVICE_GET_IRQ_INFO" (struct vfio_irq_info): request and reply. */
struct vfio_user_irq_info {
	uint32_t argsz;
	uint32_t flags;
	uint32_t index;
	uint32_t count;
};

enum {
	VFIO_USER_IRQ_INFO_EVENTFD = 1u << 0,
	VFIO_USER_IRQ_INFO_MASKABLE = 1u << 1,
	VFIO_USER_IRQ_INFO_AUTOMASKED = 1u << 2,
	VFIO_USER_IRQ_INFO_NORESIZE = 1u << 3,
};

/* "VFIO_USER_DEVICE_SET_IRQS" (struct vfio_irq_set): `count` booleans or descriptors follow; no reply payload. */
struct vfio_user_irq_set {
	uint32_t argsz;
	uint32_t flags; /* one DATA bit and one ACTION bit */
	uint32_t index;
	uint32_t start;
	uint32_t count;
};

enum {
	VFIO_USER_IRQ_SET_DATA_NONE = 1u << 0,
	VFIO_USER_IRQ_SET_DATA_BOOL = 1u << 1,
	VFIO_USER_IRQ_SET_DATA_EVENTFD = 1u << 2,
	VFIO_USER_IRQ_SET_DATA_MASK = 7u << 0,
	VFIO_USER_IRQ_SET_ACTION_MASK = 1u << 3,
	VFIO_USER_IRQ_SET_ACTION_UNMASK = 1u << 4,
	VFIO_USER_IRQ_SET_ACTION_TRIGGER = 1u << 5,
	VFIO_USER_IRQ_SET_ACTION_BITS = 7u << 3,
};

/* "VFIO_USER_REGION_READ", "VFIO_USER_REGION_WRITE": data follows in a read's reply and a write's request. */
struct vfio_user_region_access {
	uint64_t offset;
	uint32_t region;
	uint32_t count;
};

/*
 * "VFIO_USER_DMA_READ", "VFIO_USER_DMA_WRITE": data follows in a read's reply and a write's request.
 * SPEC-CONTRADICTION: the reply to a write is drawn with a 4-byte count; libvfio-user and QEMU use this structure.
 */
struct vfio_user_dma_access {
	uint64_t address;
	uint64_t count;
};

/* "VFIO_USER_REGION_WRITE_MULTI": a count, then that many of these; the reply is the count. */
struct vfio_user_multi_write {
	uint64_t offset;
	uint32_t region;
	uint32_t count; /* at most 8 */
	uint8_t data[8];
};

/* "VFIO_USER_DEVICE_FEATURE": feature index in the low 16 bits of flags; data follows. */
struct vfio_user_device_feature {
	uint32_t argsz;
	uint32_t flags;
};

_Static_assert(sizeof(struct vfio_user_header) == 16, "Header");
_Static_assert(sizeof(struct vfio_user_version) == 4, "VFIO_USER_VERSION");
_Static_assert(sizeof(struct vfio_user_dma_map) == 32, "VFIO_USER_DMA_MAP");
_Static_assert(sizeof(struct vfio_user_dma_unmap) == 24, "VFIO_USER_DMA_UNMAP");
_Static_assert(sizeof(struct vfio_user_device_info) == 16, "VFIO_USER_DEVICE_GET_INFO");
_Static_assert(sizeof(struct vfio_user_region_info) == 32, "VFIO_USER_DEVICE_GET_REGION_INFO");
_Static_assert(sizeof(struct vfio_user_cap_sparse_mmap) == 16, "VFIO region info cap sparse mmap");
_Static_assert(sizeof(struct vfio_user_irq_set) == 20, "VFIO_USER_DEVICE_SET_IRQS");
_Static_assert(sizeof(struct vfio_user_region_access) == 16, "VFIO_USER_REGION_READ");
_Static_assert(sizeof(struct vfio_user_dma_access) == 16, "VFIO_USER_DMA_READ");
_Static_assert(sizeof(struct vfio_user_multi_write) == 24, "VFIO_USER_REGION_WRITE_MULTI");

#endif
