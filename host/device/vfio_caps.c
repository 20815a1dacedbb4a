/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>

#include "host/device/vfio_caps.h"

/* Newer than the headers of some distributions. */
#define CAP_DMA_AVAIL 3

enum {
	PCI_STATUS = 0x06,
	PCI_STATUS_CAP_LIST = 1u << 4,
	PCI_CAP_POINTER = 0x34,
	PCI_CAP_POWER = 0x01,
	PCI_CAP_EXPRESS = 0x10,
	PCI_CAP_MSIX = 0x11,
	PCI_CAP_ADVANCED = 0x13, /* "Advanced Features": function level reset for conventional PCI */
	PCI_HEADER_BYTES = 0x40,
	PCI_POWER_CONTROL = 4,
	PCI_POWER_NO_SOFT_RESET = 1u << 3,
	PCI_EXPRESS_DEVCAP = 4,
	PCI_EXPRESS_DEVCAP_FLR = 1u << 28,
	PCI_ADVANCED_CAP = 3,
	PCI_ADVANCED_CAP_FLR = 1u << 1,
	PCI_MSIX_CONTROL = 2,
	PCI_MSIX_TABLE = 4,
	PCI_CAPS_MAX = (BH_VFIO_CONFIG_BYTES - PCI_HEADER_BYTES) / 4,
};

int
bh_vfio_cap_find(const void *info, size_t info_bytes, size_t head_bytes, uint32_t first, uint16_t id,
                 size_t *out_offset, size_t *out_bytes)
{
	struct vfio_info_cap_header cap;
	size_t at = first, low = head_bytes;
	while (at != 0) {
		if (at < low || at > info_bytes || info_bytes - at < sizeof(cap))
			return -EPROTO;
		memcpy(&cap, (const uint8_t *)info + at, sizeof(cap));
		/* Forward only: a chain that goes back could be one without an end. */
		size_t end = cap.next != 0 ? cap.next : info_bytes;
		if (end < at + sizeof(cap) || end > info_bytes)
			return -EPROTO;
		if (cap.id == id) {
			*out_offset = at;
			*out_bytes = end - at;
			return 0;
		}
		low = at + sizeof(cap);
		at = cap.next;
	}
	return -ENOENT;
}

static int
parse_ranges(const uint8_t *cap_at, size_t cap_bytes, struct bh_vfio_iommu *out)
{
	struct vfio_iommu_type1_info_cap_iova_range cap;
	if (cap_bytes < sizeof(cap))
		return -EPROTO;
	memcpy(&cap, cap_at, sizeof(cap));
	if (cap.nr_iovas == 0 || cap.nr_iovas > (cap_bytes - sizeof(cap)) / sizeof(cap.iova_ranges[0]))
		return -EPROTO;
	for (uint32_t i = 0; i < cap.nr_iovas && i < BH_VFIO_RANGES_MAX; i++) {
		struct vfio_iova_range range;
		memcpy(&range, cap_at + sizeof(cap) + i * sizeof(range), sizeof(range));
		if (range.end < range.start)
			return -EPROTO;
		out->range[i].first = range.start;
		out->range[i].last = range.end;
		out->range_cnt = i + 1;
	}
	return 0;
}

int
bh_vfio_iommu_parse(const void *info, size_t info_bytes, struct bh_vfio_iommu *out)
{
	struct vfio_iommu_type1_info head = {0};
	size_t at, bytes;
	*out = (struct bh_vfio_iommu){.page_sizes = BH_PAGE_BYTES};
	if (info_bytes < offsetof(struct vfio_iommu_type1_info, cap_offset))
		return -EPROTO;
	memcpy(&head, info, BH_MIN(info_bytes, sizeof(head)));
	if ((head.flags & VFIO_IOMMU_INFO_PGSIZES) != 0)
		out->page_sizes = head.iova_pgsizes;
	if (out->page_sizes == 0)
		return -EPROTO;
	if ((head.flags & VFIO_IOMMU_INFO_CAPS) == 0 || head.cap_offset == 0)
		return 0;
	const uint8_t *base = info;
	int err = bh_vfio_cap_find(info, info_bytes, sizeof(head), head.cap_offset,
	                           VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, &at, &bytes);
	if (err == 0)
		err = parse_ranges(base + at, bytes, out);
	if (err != 0 && err != -ENOENT)
		return err;
	err = bh_vfio_cap_find(info, info_bytes, sizeof(head), head.cap_offset, CAP_DMA_AVAIL, &at, &bytes);
	if (err != 0)
		return err == -ENOENT ? 0 : err;
	if (bytes < sizeof(struct vfio_info_cap_header) + sizeof(out->mappings_left))
		return -EPROTO;
	memcpy(&out->mappings_left, base + at + sizeof(struct vfio_info_cap_header), sizeof(out->mappings_left));
	out->counts_mappings = true;
	return 0;
}

bool
bh_vfio_iommu_allows(const struct bh_vfio_iommu *iommu, uint64_t iova, uint64_t size_bytes)
{
	uint64_t last = iova + size_bytes - 1;
	if (size_bytes == 0 || last < iova)
		return false;
	for (uint32_t i = 0; i < iommu->range_cnt; i++) {
		if (iova >= iommu->range[i].first && last <= iommu->range[i].last)
			return true;
	}
	return iommu->range_cnt == 0;
}

static uint16_t
get16(const uint8_t *at)
{
	return (uint16_t)(at[0] | at[1] << 8);
}

static uint32_t
get32(const uint8_t *at)
{
	return get16(at) | (uint32_t)get16(at + 2) << 16;
}

static void
take_cap(const uint8_t *config, uint8_t at, struct bh_vfio_pci_caps *out)
{
	if (config[at] == PCI_CAP_POWER && at <= BH_VFIO_CONFIG_BYTES - 8) {
		out->power = at;
		out->no_soft_reset = (get16(config + at + PCI_POWER_CONTROL) & PCI_POWER_NO_SOFT_RESET) != 0;
	} else if (config[at] == PCI_CAP_EXPRESS && at <= BH_VFIO_CONFIG_BYTES - 12) {
		out->express = at;
		out->has_flr |= (get32(config + at + PCI_EXPRESS_DEVCAP) & PCI_EXPRESS_DEVCAP_FLR) != 0;
	} else if (config[at] == PCI_CAP_ADVANCED && at <= BH_VFIO_CONFIG_BYTES - 6) {
		out->has_flr |= (config[at + PCI_ADVANCED_CAP] & PCI_ADVANCED_CAP_FLR) != 0;
	} else if (config[at] == PCI_CAP_MSIX && at <= BH_VFIO_CONFIG_BYTES - 12) {
		uint32_t table = get32(config + at + PCI_MSIX_TABLE);
		out->msix = at;
		out->msix_bar = table & 7;
		out->msix_offset = table & ~7u;
		out->msix_bytes = 16 * ((get16(config + at + PCI_MSIX_CONTROL) & 0x7ffu) + UINT64_C(1));
	}
}

int
bh_vfio_pci_caps_parse(const uint8_t *config, struct bh_vfio_pci_caps *out)
{
	*out = (struct bh_vfio_pci_caps){0};
	if ((get16(config + PCI_STATUS) & PCI_STATUS_CAP_LIST) == 0)
		return 0;
	uint8_t at = config[PCI_CAP_POINTER] & 0xfcu;
	for (int i = 0; i < PCI_CAPS_MAX && at != 0; i++) {
		if (at < PCI_HEADER_BYTES)
			return -EPROTO;
		take_cap(config, at, out);
		at = config[at + 1] & 0xfcu;
	}
	return at == 0 ? 0 : -EPROTO;
}

struct area {
	uint64_t low, high;
};

static int
by_low(const void *a, const void *b)
{
	const struct area *left = a, *right = b;
	return left->low < right->low ? -1 : left->low > right->low;
}

/* Whole pages of [low, high) become a window, if there is room. */
static void
add_window(uint64_t low, uint64_t high, uint64_t region_offset, struct bh_backend_bar *out)
{
	low = BH_ALIGN_UP(low, (uint64_t)BH_PAGE_BYTES);
	high = BH_ALIGN_DOWN(high, (uint64_t)BH_PAGE_BYTES);
	if (low >= high || out->window_cnt == BH_BAR_WINDOWS_MAX)
		return;
	out->window[out->window_cnt++] = (struct bh_backend_window){
	        .offset = low, .size_bytes = high - low, .fd = -1, .fd_offset = region_offset + low};
}

static int
read_areas(const uint8_t *cap_at, size_t cap_bytes, uint64_t region_bytes, struct area *out, uint32_t *out_cnt)
{
	struct vfio_region_info_cap_sparse_mmap cap;
	if (cap_bytes < sizeof(cap))
		return -EPROTO;
	memcpy(&cap, cap_at, sizeof(cap));
	if (cap.nr_areas > (cap_bytes - sizeof(cap)) / sizeof(cap.areas[0]))
		return -EPROTO;
	*out_cnt = BH_MIN(cap.nr_areas, BH_VFIO_SPARSE_AREAS_MAX);
	for (uint32_t i = 0; i < *out_cnt; i++) {
		struct vfio_region_sparse_mmap_area area;
		memcpy(&area, cap_at + sizeof(cap) + i * sizeof(area), sizeof(area));
		if (area.offset > region_bytes || area.size > region_bytes - area.offset)
			return -EPROTO;
		out[i] = (struct area){area.offset, area.offset + area.size};
	}
	return 0;
}

/* Outward: a page with one byte of the table is the table's. */
static struct area
hole_of(uint64_t offset, uint64_t bytes, uint64_t region_bytes)
{
	if (bytes == 0 || offset >= region_bytes)
		return (struct area){region_bytes, region_bytes};
	uint64_t end = offset + BH_MIN(bytes, region_bytes - offset);
	return (struct area){BH_ALIGN_DOWN(offset, (uint64_t)BH_PAGE_BYTES), BH_ALIGN_UP(end, (uint64_t)BH_PAGE_BYTES)};
}

int
bh_vfio_region_windows(const void *info, size_t info_bytes, uint64_t hole_offset, uint64_t hole_bytes,
                       struct bh_backend_bar *out)
{
	struct vfio_region_info head;
	struct area area[BH_VFIO_SPARSE_AREAS_MAX];
	uint32_t area_cnt = 1;
	size_t at, bytes;
	int err = -ENOENT;
	if (info_bytes < sizeof(head))
		return -EPROTO;
	memcpy(&head, info, sizeof(head));
	*out = (struct bh_backend_bar){.size_bytes = head.size};
	if ((head.flags & VFIO_REGION_INFO_FLAG_MMAP) == 0 || head.size == 0)
		return 0;
	if (head.size > INT64_MAX || head.offset > INT64_MAX - head.size || head.offset % BH_PAGE_BYTES != 0)
		return -EPROTO;
	area[0] = (struct area){0, head.size};
	if ((head.flags & VFIO_REGION_INFO_FLAG_CAPS) != 0)
		err = bh_vfio_cap_find(info, info_bytes, sizeof(head), head.cap_offset,
		                       VFIO_REGION_INFO_CAP_SPARSE_MMAP, &at, &bytes);
	if (err == 0)
		err = read_areas((const uint8_t *)info + at, bytes, head.size, area, &area_cnt);
	if (err != 0 && err != -ENOENT)
		return err;
	qsort(area, area_cnt, sizeof(area[0]), by_low);
	struct area hole = hole_of(hole_offset, hole_bytes, head.size);
	uint64_t done = 0; /* areas may overlap */
	for (uint32_t i = 0; i < area_cnt; i++) {
		uint64_t low = BH_MAX(area[i].low, done), high = area[i].high;
		add_window(low, BH_MIN(high, hole.low), head.offset, out);
		add_window(BH_MAX(low, hole.high), high, head.offset, out);
		done = BH_MAX(done, high);
	}
	return 0;
}
