/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel and the device describe in chains of capabilities, taken apart: pure functions over bytes that are checked
 * like any input, so that a damaged chain is an error and never a loop or a read past the end.
 */
#ifndef HOST_DEVICE_VFIO_CAPS_H
#define HOST_DEVICE_VFIO_CAPS_H

#include "host/device/device.h"

#define BH_VFIO_RANGES_MAX       32u
#define BH_VFIO_CONFIG_BYTES     256u
#define BH_VFIO_SPARSE_AREAS_MAX 64u

/* What an IOMMU lets us map. */
struct bh_vfio_iommu {
	uint64_t page_sizes; /* a bit per size */
	uint32_t range_cnt;  /* 0: the kernel does not say */
	struct {
		uint64_t first, last; /* inclusive */
	} range[BH_VFIO_RANGES_MAX];
	bool counts_mappings;
	uint32_t mappings_left; /* when the container was opened */
};

/* What we use of a function's configuration space; offsets are 0 where there is no such capability. */
struct bh_vfio_pci_caps {
	uint8_t express, power, msix;
	bool has_flr;
	bool no_soft_reset; /* D3hot and back resets nothing */
	uint32_t msix_bar;
	uint64_t msix_offset, msix_bytes; /* of the vector table */
};

/**
 * bh_vfio_cap_find - the first capability of that id in a VFIO info structure
 * @info: info_bytes that the kernel filled; @head_bytes: the fixed part, which no capability may lie in
 * @first: offset of the first capability; 0: none
 *
 * Return: 0 with *out_offset and *out_bytes (up to the next capability or the end); -ENOENT; -EPROTO the chain is damaged: it
 * leaves the structure, or does not go forward.
 */
BH_MUST_CHECK int bh_vfio_cap_find(const void *info, size_t info_bytes, size_t head_bytes, uint32_t first, uint16_t id,
                                   size_t *out_offset, size_t *out_bytes);

/* bh_vfio_iommu_parse - a struct vfio_iommu_type1_info with its chain. Return: 0; -EPROTO. */
BH_MUST_CHECK int bh_vfio_iommu_parse(const void *info, size_t info_bytes, struct bh_vfio_iommu *out);

/* bh_vfio_iommu_allows - whether [iova, +size) lies inside of one range. */
bool bh_vfio_iommu_allows(const struct bh_vfio_iommu *iommu, uint64_t iova, uint64_t size_bytes);

/**
 * bh_vfio_pci_caps_parse - walk configuration space's own list
 * @config: BH_VFIO_CONFIG_BYTES bytes
 * Return: 0, also for a function without capabilities; -EPROTO a list without an end.
 */
BH_MUST_CHECK int bh_vfio_pci_caps_parse(const uint8_t *config, struct bh_vfio_pci_caps *out);

/**
 * bh_vfio_region_windows - what of a BAR a cell may map
 * @info: a struct vfio_region_info with its chain
 * @hole_offset, @hole_bytes: the MSI-X table, if it lies in this BAR (bytes 0: none); its pages are left out
 *
 * Whole pages only, ascending, at most BH_BAR_WINDOWS_MAX; what is in none goes through the mailbox. fd is not filled.
 * Return: 0; -EPROTO the chain is damaged, or areas leave the region.
 */
BH_MUST_CHECK int bh_vfio_region_windows(const void *info, size_t info_bytes, uint64_t hole_offset, uint64_t hole_bytes,
                                         struct bh_backend_bar *out);

#endif
