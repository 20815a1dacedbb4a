/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The VFIO back end's parts. Private to host/device.
 *
 *   vfio.c          opening, the table of functions, closing        vfio_dma.c     mappings, limits
 *   vfio_layers.c   what must be there before anything is opened    vfio_config.c  configuration space
 *   vfio_group.c    group and container                             vfio_irq.c     "give it back", errors, gone
 *   vfio_caps.c     capability chains: hostile input, pure          vfio_reset.c   the ladder, over a table of operations
 *   vfio_region.c   BARs and windows                                vfio_rungs.c   those operations on a real device
 */
#ifndef HOST_DEVICE_VFIO_PRIVATE_H
#define HOST_DEVICE_VFIO_PRIVATE_H

#include <linux/vfio.h>
#include <sys/types.h>

#include "host/device/pci.h"
#include "host/device/vfio.h"
#include "host/device/vfio_caps.h"
#include "host/device/vfio_reset.h"
#include "host/errors/errors.h"

#define BH_VFIO_MAPPINGS_MAX   64u
#define BH_VFIO_BUSY_WAIT_NS   UINT64_C(2000000000) /* the last user may just be dying: the kernel is still resetting */
#define BH_VFIO_INFO_BYTES_MAX 65536u

enum {
	PCI_VENDOR = 0x00,
	PCI_COMMAND = 0x04,
	PCI_CLASS = 0x08,
};

/* One piece of memory in a container, shared by the group's devices that asked for the same. */
struct bh_vfio_mapping {
	uint64_t iova, size_bytes; /* size_bytes 0: free */
	void *addr;                /* our own mapping of the memory */
	dev_t dev;                 /* which memory it is */
	ino_t ino;
	uint64_t fd_offset;
	uint32_t user_cnt;
};

/* An open group with its container: one per group in a process. */
struct bh_vfio_group {
	int number;
	int fd, container_fd;
	uint32_t user_cnt;
	struct bh_vfio_iommu iommu;
	struct bh_vfio_mapping mapping[BH_VFIO_MAPPINGS_MAX];
	struct bh_vfio_group *next;
};

struct bh_vfio {
	struct bh_backend backend;
	char address[BH_PCI_ADDRESS_BYTES];
	struct bh_vfio_group *group;
	int fd;
	int request_fd, fault_fd; /* eventfds: the host wants the device back; it reported an error */
	uint64_t config_offset, config_bytes;
	uint64_t bar_offset[BH_DEVICE_BARS_MAX];
	struct bh_vfio_pci_caps caps;
	uint64_t mapped; /* bit i: group->mapping[i] is used by this device */
	bool lost;
	bool given_up; /* a reset failed altogether: bus mastering stays off */
	struct bh_error lost_error;
	struct bh_vfio_reset_log log;
};

static inline struct bh_vfio *
bh_vfio_of(struct bh_backend *backend)
{
	return BH_CONTAINER_OF(backend, struct bh_vfio, backend);
}

/* vfio_layers.c */

/**
 * bh_vfio_layers - is everything there that an open needs? Each layer that is missing has its own id and fix.
 * Return: 0; -EPERM refused; -ENOENT a module, a binding or a node is missing; -ENODEV no such function.
 */
BH_MUST_CHECK int bh_vfio_layers(const char *root, const char *name, const char *address, struct bh_pci_device *out,
                                 struct bh_error *error);
/* bh_vfio_holders - "pid 12 (qemu), pid 34 (bulkhead)": who has /dev/vfio/GROUP open, but for us; "" nobody that we see. */
const char *bh_vfio_holders(const char *root, int group, char *out, size_t out_bytes);
/* bh_vfio_group_blockers - "0000:01:00.1 (driver e1000e)": members that keep a group from being viable. */
const char *bh_vfio_group_blockers(const char *root, int group, char *out, size_t out_bytes);

/* vfio_group.c */

BH_MUST_CHECK int bh_vfio_group_get(const char *name, const struct bh_pci_device *pci, struct bh_vfio_group **out,
                                    struct bh_error *error);
void bh_vfio_group_put(struct bh_vfio_group *group);
BH_MUST_CHECK int bh_vfio_group_device(struct bh_vfio_group *group, const char *name, const char *address, int *out_fd,
                                       struct bh_error *error);

/* vfio_region.c */

BH_MUST_CHECK int bh_vfio_regions(struct bh_vfio *vfio, struct bh_error *error);
/* bh_vfio_windows - the BARs' mappable windows; needs the capabilities of configuration space. */
BH_MUST_CHECK int bh_vfio_windows(struct bh_vfio *vfio, struct bh_error *error);
BH_MUST_CHECK int bh_vfio_reg_read(struct bh_backend *backend, uint32_t bar, uint64_t offset, uint32_t width_bytes,
                                   uint64_t *out_value, struct bh_error *error);
BH_MUST_CHECK int bh_vfio_reg_write(struct bh_backend *backend, uint32_t bar, uint64_t offset, uint32_t width_bytes,
                                    uint64_t value, struct bh_error *error);

/* vfio_config.c */

BH_MUST_CHECK int bh_vfio_config_get(const struct bh_vfio *vfio, uint32_t offset, uint32_t width_bytes,
                                     uint32_t *out_value);
BH_MUST_CHECK int bh_vfio_config_put(const struct bh_vfio *vfio, uint32_t offset, uint32_t width_bytes, uint32_t value);
/* bh_vfio_identify - vendor, device, class and capabilities; -ENODEV: all ones. */
BH_MUST_CHECK int bh_vfio_identify(struct bh_vfio *vfio, struct bh_error *error);
/* bh_vfio_enable - memory accesses on, pin interrupts off, and bus mastering as asked for; read back. */
BH_MUST_CHECK int bh_vfio_enable(struct bh_vfio *vfio, bool master, struct bh_error *error);

/* vfio_dma.c */

BH_MUST_CHECK int bh_vfio_iommu_read(struct bh_vfio_group *group, const char *name, struct bh_error *error);
BH_MUST_CHECK int bh_vfio_dma_map(struct bh_backend *backend, uint64_t iova, uint64_t size_bytes, int fd,
                                  uint64_t fd_offset, struct bh_error *error);
BH_MUST_CHECK int bh_vfio_dma_unmap(struct bh_backend *backend, uint64_t iova, uint64_t size_bytes,
                                    struct bh_error *error);
/* bh_vfio_dma_release - whatever is still mapped for this device. */
void bh_vfio_dma_release(struct bh_vfio *vfio);

/* vfio_irq.c */

/* bh_vfio_watch - have the kernel tell when it wants the device back and when it reports an error. */
BH_MUST_CHECK int bh_vfio_watch(struct bh_vfio *vfio, struct bh_error *error);
BH_MUST_CHECK int bh_vfio_service(struct bh_backend *backend, struct bh_error *error);
/* bh_vfio_lose - the device is not ours any more, for this reason. Return: -ENODEV, with `error` filled. */
BH_PRINTF(4, 5) int bh_vfio_lose(struct bh_vfio *vfio, struct bh_error *error, const char *id, const char *format, ...);
/* bh_vfio_lost - what every later call says. */
int bh_vfio_lost(const struct bh_vfio *vfio, struct bh_error *error);

/* vfio_rungs.c */

BH_MUST_CHECK int bh_vfio_reset(struct bh_backend *backend, struct bh_error *error);

#endif
