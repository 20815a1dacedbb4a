/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Capability chains: damaged ones first, then what the kernel writes (linux/vfio.h) and what PCI's configuration space says.
 */
#include <errno.h>
#include <linux/vfio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host/device/vfio_caps.h"

#define INFO_BYTES 512

/* Bytes on the heap, exactly as many as are given: a sanitizer sees what is read past them. */
static uint8_t *
exact(const void *bytes, size_t byte_cnt)
{
	uint8_t *copy = malloc(byte_cnt == 0 ? 1 : byte_cnt);
	assert_non_null(copy);
	memcpy(copy, bytes, byte_cnt);
	return copy;
}

static void
put_cap(uint8_t *info, uint32_t at, uint16_t id, uint32_t next)
{
	const struct vfio_info_cap_header cap = {.id = id, .version = 1, .next = next};
	memcpy(info + at, &cap, sizeof(cap));
}

static int
find(const uint8_t *info, size_t info_bytes, uint32_t first, uint16_t id, size_t *at, size_t *bytes)
{
	uint8_t *copy = exact(info, info_bytes);
	int err = bh_vfio_cap_find(copy, info_bytes, 32, first, id, at, bytes);
	free(copy);
	return err;
}

static void
test_damaged_chains(void **state)
{
	uint8_t info[128] = {0};
	size_t at, bytes;
	(void)state;
	assert_int_equal(find(info, sizeof(info), 8, 1, &at, &bytes), -EPROTO);   /* in the head */
	assert_int_equal(find(info, sizeof(info), 124, 1, &at, &bytes), -EPROTO); /* no room for a header */
	assert_int_equal(find(info, sizeof(info), UINT32_MAX, 1, &at, &bytes), -EPROTO);
	put_cap(info, 64, 2, 64); /* itself */
	assert_int_equal(find(info, sizeof(info), 64, 1, &at, &bytes), -EPROTO);
	put_cap(info, 64, 2, 40); /* backwards */
	put_cap(info, 40, 3, 64);
	assert_int_equal(find(info, sizeof(info), 64, 1, &at, &bytes), -EPROTO);
	put_cap(info, 64, 2, 66); /* into itself */
	assert_int_equal(find(info, sizeof(info), 64, 1, &at, &bytes), -EPROTO);
	put_cap(info, 64, 2, 1000); /* out of it */
	assert_int_equal(find(info, sizeof(info), 64, 1, &at, &bytes), -EPROTO);
	assert_int_equal(find(info, 32, 0, 1, &at, &bytes), -ENOENT); /* none at all */
}

static void
test_chain(void **state)
{
	uint8_t info[128] = {0};
	size_t at, bytes;
	(void)state;
	put_cap(info, 32, 7, 64);
	put_cap(info, 64, 9, 0);
	assert_int_equal(find(info, sizeof(info), 32, 8, &at, &bytes), -ENOENT);
	assert_int_equal(find(info, sizeof(info), 32, 7, &at, &bytes), 0);
	assert_int_equal(at, 32);
	assert_int_equal(bytes, 32);
	assert_int_equal(find(info, sizeof(info), 32, 9, &at, &bytes), 0);
	assert_int_equal(at, 64);
	assert_int_equal(bytes, 64);
}

/* An IOMMU's description with ranges and, if it is not -1, the number of mappings that are left. */
static size_t
put_iommu(uint8_t *info, const struct vfio_iova_range *range, uint32_t range_cnt, uint32_t claimed_cnt, int64_t left)
{
	const uint32_t first = sizeof(struct vfio_iommu_type1_info);
	const struct vfio_iommu_type1_info head = {.argsz = INFO_BYTES,
	                                           .flags = VFIO_IOMMU_INFO_PGSIZES | VFIO_IOMMU_INFO_CAPS,
	                                           .iova_pgsizes = 0x40201000,
	                                           .cap_offset = first};
	uint32_t second = first + (uint32_t)sizeof(struct vfio_iommu_type1_info_cap_iova_range) +
	                  range_cnt * (uint32_t)sizeof(*range);
	memset(info, 0, INFO_BYTES);
	memcpy(info, &head, sizeof(head));
	put_cap(info, first, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, left >= 0 ? second : 0);
	memcpy(info + first + 8, &claimed_cnt, sizeof(claimed_cnt));
	memcpy(info + first + 16, range, range_cnt * sizeof(*range));
	if (left < 0)
		return second;
	const uint32_t value = (uint32_t)left;
	put_cap(info, second, 3, 0);
	memcpy(info + second + 8, &value, sizeof(value));
	return second + 12;
}

static int
parse_iommu(const uint8_t *info, size_t info_bytes, struct bh_vfio_iommu *out)
{
	uint8_t *copy = exact(info, info_bytes);
	int err = bh_vfio_iommu_parse(copy, info_bytes, out);
	free(copy);
	return err;
}

/* What Intel's IOMMU with 39 address bits says: all but the window of interrupts. */
static const struct vfio_iova_range intel[] = {{0, 0xfedfffff}, {0xfef00000, 0x7fffffffff}};

static void
test_damaged_iommus(void **state)
{
	const struct vfio_iova_range reversed = {0x2000, 0x1000};
	struct bh_vfio_iommu iommu;
	uint8_t info[INFO_BYTES];
	(void)state;
	size_t bytes = put_iommu(info, intel, 2, 2, 100);
	assert_int_equal(parse_iommu(info, 8, &iommu), -EPROTO);
	assert_int_equal(parse_iommu(info, bytes - 1, &iommu), -EPROTO); /* the last capability is cut */
	bytes = put_iommu(info, intel, 2, 3, 100);                       /* more ranges than there is room for */
	assert_int_equal(parse_iommu(info, bytes, &iommu), -EPROTO);
	bytes = put_iommu(info, intel, 2, UINT32_MAX, -1);
	assert_int_equal(parse_iommu(info, bytes, &iommu), -EPROTO);
	bytes = put_iommu(info, intel, 2, 0, -1); /* a device that may reach nothing */
	assert_int_equal(parse_iommu(info, bytes, &iommu), -EPROTO);
	bytes = put_iommu(info, &reversed, 1, 1, -1);
	assert_int_equal(parse_iommu(info, bytes, &iommu), -EPROTO);
	bytes = put_iommu(info, intel, 2, 2, -1);
	memset(info + 8, 0, 8); /* no page size */
	assert_int_equal(parse_iommu(info, bytes, &iommu), -EPROTO);
}

static void
test_iommu(void **state)
{
	struct bh_vfio_iommu iommu;
	uint8_t info[INFO_BYTES];
	(void)state;
	size_t bytes = put_iommu(info, intel, 2, 2, 65535);
	assert_int_equal(parse_iommu(info, bytes, &iommu), 0);
	assert_int_equal(iommu.page_sizes, 0x40201000);
	assert_int_equal(iommu.range_cnt, 2);
	assert_true(iommu.counts_mappings);
	assert_int_equal(iommu.mappings_left, 65535);
	assert_true(bh_vfio_iommu_allows(&iommu, BH_ADDR_ARENA, 64u << 20));
	assert_true(bh_vfio_iommu_allows(&iommu, 0x7fffffffff - 0xfff, 0x1000));
	assert_false(bh_vfio_iommu_allows(&iommu, 0x7fffffffff - 0xfff, 0x2000));
	assert_false(bh_vfio_iommu_allows(&iommu, 0xfedff000, 0x2000)); /* into the interrupt window */
	assert_false(bh_vfio_iommu_allows(&iommu, 0xfee00000, 0x1000));
	assert_false(bh_vfio_iommu_allows(&iommu, 0, 0));
	assert_false(bh_vfio_iommu_allows(&iommu, UINT64_MAX - 0xfff, 0x2000)); /* around the end */
	bytes = put_iommu(info, intel, 2, 2, -1);
	assert_int_equal(parse_iommu(info, bytes, &iommu), 0);
	assert_false(iommu.counts_mappings);
}

/* A kernel without the ranges: everything that is asked for may be tried. */
static void
test_iommu_of_old_kernels(void **state)
{
	const struct vfio_iommu_type1_info head = {
	        .argsz = sizeof(head), .flags = VFIO_IOMMU_INFO_PGSIZES, .iova_pgsizes = 0x1000};
	struct bh_vfio_iommu iommu;
	(void)state;
	assert_int_equal(parse_iommu((const uint8_t *)&head, sizeof(head), &iommu), 0);
	assert_int_equal(iommu.range_cnt, 0);
	assert_true(bh_vfio_iommu_allows(&iommu, BH_ADDR_ARENA, 4096));
}

static void
test_config_loops(void **state)
{
	struct bh_vfio_pci_caps caps;
	uint8_t config[BH_VFIO_CONFIG_BYTES] = {[0x06] = 0x10, [0x34] = 0x40, [0x40] = 0x05, [0x41] = 0x40};
	(void)state;
	assert_int_equal(bh_vfio_pci_caps_parse(config, &caps), -EPROTO); /* itself */
	config[0x41] = 0x50;
	config[0x51] = 0x40; /* a ring of two */
	assert_int_equal(bh_vfio_pci_caps_parse(config, &caps), -EPROTO);
	config[0x41] = 0x10; /* into the header */
	assert_int_equal(bh_vfio_pci_caps_parse(config, &caps), -EPROTO);
	config[0x34] = 0xfc; /* the last four bytes: too short for any of ours */
	config[0xfc] = 0x10;
	assert_int_equal(bh_vfio_pci_caps_parse(config, &caps), 0);
	assert_int_equal(caps.express, 0);
	memset(config, 0xff, sizeof(config)); /* a device that is gone */
	assert_int_equal(bh_vfio_pci_caps_parse(config, &caps), -EPROTO);
}

/* Power management at 60h, MSI-X at 40h, PCI Express at 80h with function level reset, as QEMU's NVMe has them. */
static void
test_config(void **state)
{
	struct bh_vfio_pci_caps caps;
	uint8_t config[BH_VFIO_CONFIG_BYTES] = {
	        [0x06] = 0x10, [0x34] = 0x40, [0x40] = 0x11, [0x41] = 0x80, [0x42] = 0x40, [0x45] = 0x20, [0x48] = 0x00,
	        [0x49] = 0x30, [0x80] = 0x10, [0x81] = 0x60, [0x87] = 0x10, [0x60] = 0x01, [0x64] = 0x08};
	(void)state;
	assert_int_equal(bh_vfio_pci_caps_parse(config, &caps), 0);
	assert_int_equal(caps.msix, 0x40);
	assert_int_equal(caps.msix_bar, 0);
	assert_int_equal(caps.msix_offset, 0x2000);
	assert_int_equal(caps.msix_bytes, 65 * 16);
	assert_int_equal(caps.express, 0x80);
	assert_true(caps.has_flr);
	assert_int_equal(caps.power, 0x60);
	assert_true(caps.no_soft_reset);
	config[0x87] = 0; /* none of PCI Express's, but one of "Advanced Features" behind power management */
	config[0x61] = 0x70;
	config[0x70] = 0x13;
	assert_int_equal(bh_vfio_pci_caps_parse(config, &caps), 0);
	assert_false(caps.has_flr);
	config[0x73] = 0x03;
	assert_int_equal(bh_vfio_pci_caps_parse(config, &caps), 0);
	assert_true(caps.has_flr);
	config[0x06] = 0; /* no list at all */
	assert_int_equal(bh_vfio_pci_caps_parse(config, &caps), 0);
	assert_int_equal(caps.msix, 0);
}

struct region {
	struct vfio_region_info head;
	struct {
		struct vfio_info_cap_header header;
		uint32_t nr_areas, reserved;
	} cap; /* struct vfio_region_info_cap_sparse_mmap */
	struct vfio_region_sparse_mmap_area area[8];
};

_Static_assert(offsetof(struct region, area) - offsetof(struct region, cap) ==
                       offsetof(struct vfio_region_info_cap_sparse_mmap, areas),
               "as the kernel lays it out");

static int
windows(const struct region *region, size_t bytes, uint64_t hole_offset, uint64_t hole_bytes,
        struct bh_backend_bar *out)
{
	uint8_t *copy = exact(region, bytes);
	int err = bh_vfio_region_windows(copy, bytes, hole_offset, hole_bytes, out);
	free(copy);
	return err;
}

static struct region
sparse(uint64_t size_bytes, uint32_t area_cnt)
{
	struct region region = {.head = {.argsz = sizeof(region),
	                                 .flags = VFIO_REGION_INFO_FLAG_MMAP | VFIO_REGION_INFO_FLAG_CAPS,
	                                 .cap_offset = offsetof(struct region, cap),
	                                 .size = size_bytes,
	                                 .offset = UINT64_C(1) << 40}};
	region.cap.header.id = VFIO_REGION_INFO_CAP_SPARSE_MMAP;
	region.cap.nr_areas = area_cnt;
	return region;
}

static void
test_damaged_regions(void **state)
{
	struct bh_backend_bar bar;
	struct region region = sparse(0x4000, 9); /* one more than there is */
	(void)state;
	assert_int_equal(windows(&region, sizeof(region), 0, 0, &bar), -EPROTO);
	assert_int_equal(windows(&region, sizeof(region.head) - 1, 0, 0, &bar), -EPROTO);
	region = sparse(0x4000, 1);
	region.area[0].offset = 0x3000;
	region.area[0].size = 0x2000; /* past the end */
	assert_int_equal(windows(&region, sizeof(region), 0, 0, &bar), -EPROTO);
	region.area[0].size = UINT64_MAX;
	assert_int_equal(windows(&region, sizeof(region), 0, 0, &bar), -EPROTO);
	region = sparse(0x4000, 1);
	region.head.offset = 123; /* not of whole pages */
	assert_int_equal(windows(&region, sizeof(region), 0, 0, &bar), -EPROTO);
	region = sparse(UINT64_MAX, 0);
	assert_int_equal(windows(&region, sizeof(region), 0, 0, &bar), -EPROTO);
}

static void
check_window(const struct bh_backend_bar *bar, uint32_t idx, uint64_t offset, uint64_t size_bytes)
{
	assert_true(idx < bar->window_cnt);
	assert_int_equal(bar->window[idx].offset, offset);
	assert_int_equal(bar->window[idx].size_bytes, size_bytes);
	assert_int_equal(bar->window[idx].fd_offset, (UINT64_C(1) << 40) + offset);
}

static void
test_windows(void **state)
{
	struct bh_backend_bar bar;
	struct region region = sparse(0x10000, 0);
	(void)state;
	region.head.flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE; /* an I/O port BAR */
	assert_int_equal(windows(&region, sizeof(region), 0, 0, &bar), 0);
	assert_int_equal(bar.size_bytes, 0x10000);
	assert_int_equal(bar.window_cnt, 0);
	region.head.flags = VFIO_REGION_INFO_FLAG_MMAP;
	assert_int_equal(windows(&region, sizeof(region), 0, 0, &bar), 0);
	assert_int_equal(bar.window_cnt, 1);
	check_window(&bar, 0, 0, 0x10000);
	/* The vector table's pages are nobody's: 65 vectors at 2000h take one page; one byte more takes a second. */
	assert_int_equal(windows(&region, sizeof(region), 0x2000, UINT64_C(65) * 16, &bar), 0);
	assert_int_equal(bar.window_cnt, 2);
	check_window(&bar, 0, 0, 0x2000);
	check_window(&bar, 1, 0x3000, 0xd000);
	assert_int_equal(windows(&region, sizeof(region), 0x1ff0, 0x1011, &bar), 0);
	check_window(&bar, 0, 0, 0x1000);
	check_window(&bar, 1, 0x4000, 0xc000);
	assert_int_equal(windows(&region, sizeof(region), 0, 0x10000, &bar), 0); /* nothing but the table */
	assert_int_equal(bar.window_cnt, 0);
	region.head.size = 0x800; /* less than a page */
	assert_int_equal(windows(&region, sizeof(region), 0, 0, &bar), 0);
	assert_int_equal(bar.window_cnt, 0);
	assert_int_equal(bar.size_bytes, 0x800);
}

static void
test_sparse_windows(void **state)
{
	struct bh_backend_bar bar;
	struct region region = sparse(0x20000, 8);
	(void)state;
	for (uint32_t i = 0; i < 8; i++)
		region.area[i] = (struct vfio_region_sparse_mmap_area){(7 - i) * UINT64_C(0x4000), 0x1000};
	assert_int_equal(windows(&region, sizeof(region), 0, 0, &bar), 0);
	assert_int_equal(bar.window_cnt, BH_BAR_WINDOWS_MAX);
	for (uint32_t i = 0; i < BH_BAR_WINDOWS_MAX; i++)
		check_window(&bar, i, i * UINT64_C(0x4000), 0x1000);
	region.cap.nr_areas = 3;
	region.area[0] = (struct vfio_region_sparse_mmap_area){0x1000, 0x3000};
	region.area[1] = (struct vfio_region_sparse_mmap_area){0x2000, 0x4000}; /* overlaps the first */
	region.area[2] = (struct vfio_region_sparse_mmap_area){0x8001, 0x1ffe}; /* no whole page */
	assert_int_equal(windows(&region, sizeof(region), 0, 0, &bar), 0);
	assert_int_equal(bar.window_cnt, 2);
	check_window(&bar, 0, 0x1000, 0x3000);
	check_window(&bar, 1, 0x4000, 0x2000);
}

static uint64_t
draw(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* Windows never leave the region, never overlap, never touch the table, whatever the bytes say. */
static void
check_bar(const struct bh_backend_bar *bar, uint64_t hole_offset, uint64_t hole_bytes)
{
	uint64_t end = 0;
	assert_true(bar->window_cnt <= BH_BAR_WINDOWS_MAX);
	for (uint32_t i = 0; i < bar->window_cnt; i++) {
		const struct bh_backend_window *window = &bar->window[i];
		assert_true(window->size_bytes > 0 && window->size_bytes <= bar->size_bytes);
		assert_true(window->offset >= end && window->offset <= bar->size_bytes - window->size_bytes);
		assert_int_equal((window->offset | window->size_bytes | window->fd_offset) % BH_PAGE_BYTES, 0);
		end = window->offset + window->size_bytes;
		assert_true(hole_bytes == 0 || end <= hole_offset || window->offset >= hole_offset + hole_bytes ||
		            hole_offset >= bar->size_bytes);
	}
}

static void
fuzz_region(uint64_t *seed)
{
	struct region region = sparse((draw(seed) % 64) * 0x800, (uint32_t)(draw(seed) % 10));
	struct bh_backend_bar bar;
	for (uint32_t i = 0; i < 8; i++)
		region.area[i] = (struct vfio_region_sparse_mmap_area){(draw(seed) % 64) * 0x400, draw(seed) % 0x5000};
	for (uint64_t i = draw(seed) % 4; i > 0; i--)
		((uint8_t *)&region)[draw(seed) % sizeof(region)] = (uint8_t)draw(seed);
	uint64_t hole_offset = draw(seed) % 0x20000, hole_bytes = draw(seed) % 3 * UINT64_C(0x700);
	if (windows(&region, draw(seed) % (sizeof(region) + 1), hole_offset, hole_bytes, &bar) == 0)
		check_bar(&bar, hole_offset, hole_bytes);
	if (windows(&region, sizeof(region), hole_offset, hole_bytes, &bar) == 0)
		check_bar(&bar, hole_offset, hole_bytes);
}

static void
fuzz_iommu(uint64_t *seed)
{
	uint8_t info[INFO_BYTES];
	struct bh_vfio_iommu iommu;
	size_t bytes = put_iommu(info, intel, 2, (uint32_t)(draw(seed) % 4), (int64_t)(draw(seed) % 3) - 1);
	for (uint64_t i = draw(seed) % 5; i > 0; i--)
		info[draw(seed) % bytes] = (uint8_t)draw(seed);
	int err = parse_iommu(info, draw(seed) % (bytes + 1), &iommu);
	assert_true(err == 0 || err == -EPROTO);
	assert_true(err != 0 || (iommu.range_cnt <= BH_VFIO_RANGES_MAX && iommu.page_sizes != 0));
}

static void
fuzz_config(uint64_t *seed)
{
	uint8_t config[BH_VFIO_CONFIG_BYTES];
	struct bh_vfio_pci_caps caps;
	for (size_t i = 0; i < sizeof(config); i++)
		config[i] = (uint8_t)draw(seed) & (i % 4 == 1 ? 0xfc : 0xff);
	uint8_t *copy = exact(config, sizeof(config));
	copy[6] |= 0x10;
	int err = bh_vfio_pci_caps_parse(copy, &caps);
	free(copy);
	assert_true(err == 0 || err == -EPROTO);
	assert_true(caps.express <= BH_VFIO_CONFIG_BYTES - 12 && caps.power <= BH_VFIO_CONFIG_BYTES - 8);
}

static void
test_fuzz(void **state)
{
	uint64_t seed = UINT64_C(0x9e3779b97f4a7c15);
	(void)state;
	for (int i = 0; i < 100000; i++) {
		fuzz_region(&seed);
		fuzz_iommu(&seed);
		fuzz_config(&seed);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_damaged_chains),
	        cmocka_unit_test(test_chain),
	        cmocka_unit_test(test_damaged_iommus),
	        cmocka_unit_test(test_iommu),
	        cmocka_unit_test(test_iommu_of_old_kernels),
	        cmocka_unit_test(test_config_loops),
	        cmocka_unit_test(test_config),
	        cmocka_unit_test(test_damaged_regions),
	        cmocka_unit_test(test_windows),
	        cmocka_unit_test(test_sparse_windows),
	        cmocka_unit_test(test_fuzz),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
