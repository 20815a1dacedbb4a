/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A device back end, as the supervisor uses it: VFIO (vfio.h) and vfio-user (vfio_user.h) behind one table of functions.
 *
 * Life: open, read the BAR table, map the arena for DMA, serve the mailbox, reset, unmap, close. Teardown order, always:
 * reset (quiesce), wait for its proof, unmap, close. One thread. Nothing here waits without a deadline.
 * Every function returns 0 or a negative errno and, when it fails, fills `error` with what failed, on what, why, and what to do.
 */
#ifndef HOST_DEVICE_DEVICE_H
#define HOST_DEVICE_DEVICE_H

#include <bulkhead/abi/boot.h>
#include <bulkhead/types.h>

#define BH_ERROR_TEXT_BYTES 512

/* What a person reads, without a newline; see style.md "Errors". */
struct bh_error {
	char id[8]; /* "E042", or "" */
	char text[BH_ERROR_TEXT_BYTES];
};

/* A part of a BAR that can be mapped: [offset, offset + size_bytes) of the BAR is at fd_offset of fd. */
struct bh_backend_window {
	uint64_t offset;
	uint64_t size_bytes;
	int fd; /* owned by the back end */
	uint64_t fd_offset;
	bool read_only; /* the cell may not write there; of memory that can be opened again (a memfd) */
};

struct bh_backend_bar {
	uint64_t size_bytes; /* 0: none */
	uint32_t window_cnt;
	struct bh_backend_window window[BH_BAR_WINDOWS_MAX];
};

struct bh_backend;

struct bh_backend_ops {
	const char *name; /* "vfio-user", "vfio" */
	/* Map [fd_offset, +size_bytes) of fd for the device at iova, readable and writable. */
	BH_MUST_CHECK int (*dma_map)(struct bh_backend *, uint64_t iova, uint64_t size_bytes, int fd,
	                             uint64_t fd_offset, struct bh_error *);
	BH_MUST_CHECK int (*dma_unmap)(struct bh_backend *, uint64_t iova, uint64_t size_bytes, struct bh_error *);
	/* One register access of a BAR (0..5): width_bytes 1, 2, 4 or 8, naturally aligned. -ENODEV: the device is gone. */
	BH_MUST_CHECK int (*reg_read)(struct bh_backend *, uint32_t bar, uint64_t offset, uint32_t width_bytes,
	                              uint64_t *out_value, struct bh_error *);
	BH_MUST_CHECK int (*reg_write)(struct bh_backend *, uint32_t bar, uint64_t offset, uint32_t width_bytes,
	                               uint64_t value, struct bh_error *);
	/* PCI configuration space, width_bytes 1, 2 or 4; NULL: it has none. */
	BH_MUST_CHECK int (*config_read)(struct bh_backend *, uint32_t offset, uint32_t width_bytes,
	                                 uint32_t *out_value, struct bh_error *);
	/* What the other end wants of us, without waiting. -ENODEV: the device is gone, or asked back; `error` says which. */
	BH_MUST_CHECK int (*service)(struct bh_backend *, struct bh_error *);
	/* Reset the function; when it returns 0 the device does no DMA any more. */
	BH_MUST_CHECK int (*reset)(struct bh_backend *, struct bh_error *);
	/* Frees everything; the pointer is dead after it. */
	void (*close)(struct bh_backend *);
};

struct bh_backend {
	const struct bh_backend_ops *ops;
	char name[BH_NAME_BYTES]; /* of [device NAME], for messages */
	uint16_t pci_vendor, pci_device;
	uint32_t pci_class;
	struct bh_backend_bar bar[BH_DEVICE_BARS_MAX];
};

#endif
