/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/hosted/hosted.h"
#include "tests/unit/core/unit.h"

#define MIB (UINT64_C(1) << 20)

/* A page with two devices: one with two windows in two regions, one with none. */
static struct bh_boot_page page;

static void
page_make(void)
{
	bh_hosted_page_fill(&page, 2, 16 * MIB, 16 * MIB);
	page.device_cnt = 2;
	struct bh_boot_device *nvme = &page.device[0], *other = &page.device[1];
	memcpy(nvme->name, "nvme0", 6);
	memcpy(nvme->model, "nvme", 5);
	nvme->pci_class = 0x010802;
	nvme->bar[0] = (struct bh_boot_bar){
	        .size_bytes = 65536,
	        .window_cnt = 2,
	        .window = {{4096, 8192, BH_ADDR_BARS + 2 * MIB}, {16384, 4096, BH_ADDR_BARS + 8 * MIB}},
	};
	memcpy(other->name, "nvme1", 6);
	memcpy(other->model, "nvme", 5);
	other->bar[0].size_bytes = 16384;
	page.region[3] = (struct bh_boot_region){.addr = BH_ADDR_BARS + 2 * MIB,
	                                         .size_bytes = 8192,
	                                         .fd = 7,
	                                         .kind = BH_REGION_BAR,
	                                         .flags = BH_REGION_WRITE};
	page.region[4] = page.region[3];
	page.region[4].addr = BH_ADDR_BARS + 8 * MIB;
	page.region[4].size_bytes = 4096;
	page.region_cnt = 5;
}

static int
check_sealed(void)
{
	page.checksum = bh_boot_page_checksum(&page);
	return bh_boot_page_check(&page, sizeof(page));
}

static int
setup(void **state)
{
	(void)state;
	page_make();
	return 0;
}

/* Change one field, expect a verdict, and put the page back. */
#define expect_verdict(verdict, change)                                                                                \
	do {                                                                                                           \
		page_make();                                                                                           \
		change;                                                                                                \
		int got = check_sealed();                                                                              \
		if (got != (verdict))                                                                                  \
			fail_msg("%s: exit code %d, expected %d", #change, got, (verdict));                            \
	} while (0)
#define refused(change)  expect_verdict(BH_CELL_EXIT_BOOT_CONTENT, change)
#define accepted(change) expect_verdict(BH_CELL_EXIT_OK, change)

static void
test_header_is_checked_first(void **state)
{
	assert_int_equal(bh_boot_page_check(NULL, sizeof(page)), BH_CELL_EXIT_NO_BOOT_PAGE);
	assert_int_equal(check_sealed(), BH_CELL_EXIT_OK);
	assert_int_equal(bh_boot_page_check(&page, 0), BH_CELL_EXIT_NO_BOOT_PAGE);
	assert_int_equal(bh_boot_page_check(&page, 15), BH_CELL_EXIT_NO_BOOT_PAGE);
	assert_int_equal(bh_boot_page_check(&page, sizeof(page) - 1), BH_CELL_EXIT_NO_BOOT_PAGE);
	expect_verdict(BH_CELL_EXIT_BOOT_MAGIC, page.magic ^= 1);
	expect_verdict(BH_CELL_EXIT_BOOT_VERSION, page.version++);
	expect_verdict(BH_CELL_EXIT_BOOT_VERSION, page.version = 0);
	expect_verdict(BH_CELL_EXIT_BOOT_VERSION, page.size_bytes--);
}

/* One flipped bit anywhere is noticed, whatever it means. */
static void
test_every_byte_counts(void **state)
{
	assert_int_equal(check_sealed(), BH_CELL_EXIT_OK);
	for (size_t i = 0; i < sizeof(page); i++) {
		((uint8_t *)&page)[i] ^= (uint8_t)(1u << i % 8);
		int verdict = bh_boot_page_check(&page, sizeof(page));
		((uint8_t *)&page)[i] ^= (uint8_t)(1u << i % 8);
		if (i < 8)
			assert_int_equal(verdict, BH_CELL_EXIT_BOOT_MAGIC);
		else if (i < 16)
			assert_int_equal(verdict, BH_CELL_EXIT_BOOT_VERSION);
		else
			assert_int_equal(verdict, BH_CELL_EXIT_BOOT_CHECKSUM);
	}
}

static void
test_counts(void **state)
{
	refused(memset(page.cell_name, 'x', sizeof(page.cell_name)));
	refused(page.cell_name[0] = '\0');
	refused(page.tsc_hz = 0);
	refused(page.tsc_hz = BH_TSC_HZ_MIN - 1);
	refused(page.tsc_hz = BH_TSC_HZ_MAX + 1);
	refused(page.core_cnt = 0);
	refused(page.core_cnt = BH_CORES_MAX + 1);
	refused(page.core_cnt = UINT32_MAX);
	refused(page.fiber_cnt = 0);
	refused(page.fiber_cnt = BH_FIBERS_MAX + 1);
	refused(page.fiber_stack_bytes = 0);
	refused(page.fiber_stack_bytes = BH_FIBER_STACK_BYTES_MIN - 4096);
	refused(page.fiber_stack_bytes = BH_FIBER_STACK_BYTES_MIN + 1);
	refused(page.fiber_stack_bytes = BH_FIBER_STACK_BYTES_MAX + 4096);
	refused(page.region_cnt = 0);
	refused(page.region_cnt = BH_REGIONS_MAX + 1);
	refused(page.region_cnt = 2);
	refused(page.device_cnt = BH_DEVICES_MAX + 1);
	refused(page.device_cnt = 0); /* the BAR regions have no device then */
	refused(page.shared_host = 2);
	refused(page.app_config_bytes = BH_APP_CONFIG_BYTES + 1);
	accepted(page.app_config_bytes = BH_APP_CONFIG_BYTES);
	accepted(page.shared_host = 1);
	accepted(page.cell_name[1] = '\0');
}

/* 2 cores x 1024 fibers x 16 MiB = 32 GiB fits in 64 GiB; 4 cores do not. */
static void
stacks_of(uint32_t core_cnt)
{
	bh_hosted_page_fill(&page, core_cnt, 16 * MIB, 16 * MIB);
	page.fiber_cnt = BH_FIBERS_MAX;
	page.fiber_stack_bytes = BH_FIBER_STACK_BYTES_MAX;
}

static void
test_stacks_stay_in_their_zone(void **state)
{
	refused(stacks_of(4));
	accepted(stacks_of(2));
}

static void
test_region_fields(void **state)
{
	for (uint32_t i = 0; i < 5; i++) {
		struct bh_boot_region *region = &page.region[i];
		refused(region->kind = 0);
		refused(region->kind = 5);
		refused(region->kind = UINT32_MAX);
		refused(region->flags |= 4);
		refused(region->addr += 1);
		refused(region->addr = 0);
		refused(region->addr = UINT64_MAX - 4095);
		refused(region->addr = BH_ADDR_STACKS);
		refused(region->size_bytes = 0);
		refused(region->size_bytes += 1);
		refused(region->size_bytes = UINT64_MAX - 4095);
		refused(region->fd_offset = 1);
		refused(region->fd_offset = (UINT64_MAX >> 1) - 4095);
		refused(region->fd_offset = UINT64_MAX - 4095);
		refused(region->fd = -1);
		refused(region->fd = BH_BOOT_FD);
		refused(region->device_idx = 2);
		accepted(region->fd_offset = 4096);
		accepted(region->fd = INT32_MAX);
	}
	for (uint32_t i = 0; i < 3; i++) {
		struct bh_boot_region *region = &page.region[i];
		refused(region->device_idx = 1);
		refused(region->addr += 2 * MIB);
		refused(region->flags = 0);
	}
	refused(page.region[3].device_idx = 1); /* another device's region */
	accepted(page.region[3].flags = 0);     /* a window that is only read */
}

static void
test_regions_stay_in_their_zones(void **state)
{
	uint64_t guard = BH_GUARD_BYTES;
	accepted(page.region[0].size_bytes = BH_ADDR_ARENA_END - BH_ADDR_ARENA - guard);
	refused(page.region[0].size_bytes = BH_ADDR_ARENA_END - BH_ADDR_ARENA - guard + 4096);
	accepted(page.region[1].size_bytes = BH_ADDR_STACKS - BH_ADDR_HEAP - guard);
	refused(page.region[1].size_bytes = BH_ADDR_STACKS - BH_ADDR_HEAP - guard + 4096);
	accepted(page.region[2].size_bytes = BH_ADDR_BOOT - BH_ADDR_SHARED - guard);
	refused(page.region[2].size_bytes = BH_ADDR_BOOT - BH_ADDR_SHARED - guard + 4096);
	refused(page.region[4].size_bytes = BH_ADDR_SHARED);
	refused(page.region[3].addr = BH_ADDR_SHARED - 4096);
}

static void
test_huge_pages_want_their_alignment(void **state)
{
	accepted(page.region[0].flags |= BH_REGION_HUGETLB);
	refused(page.region[0].flags |= BH_REGION_HUGETLB; page.region[0].size_bytes += 4096);
	refused(page.region[0].flags |= BH_REGION_HUGETLB; page.region[0].fd_offset = 4096);
	refused(page.region[3].flags |= BH_REGION_HUGETLB);
}

static void
test_regions_do_not_meet(void **state)
{
	refused(page.region[page.region_cnt++] = page.region[0]);
	refused(page.region[page.region_cnt++] = page.region[1]);
	refused(page.region[page.region_cnt++] = page.region[2]);
	refused(page.region[page.region_cnt++] = page.region[3]);
	refused(page.region[0].kind = BH_REGION_HEAP);
	refused(page.region[4].addr = page.region[3].addr + 8192;
	        page.device[0].bar[0].window[1].addr = page.region[4].addr);
	refused(page.region[4].addr = page.region[3].addr + 8192 + BH_GUARD_BYTES - 4096;
	        page.device[0].bar[0].window[1].addr = page.region[4].addr);
	accepted(page.region[4].addr = page.region[3].addr + 8192 + BH_GUARD_BYTES;
	         page.device[0].bar[0].window[1].addr = page.region[4].addr);
}

static void
test_device_fields(void **state)
{
	struct bh_boot_device *device = &page.device[0];
	refused(memset(device->name, 'x', sizeof(device->name)));
	refused(device->name[0] = '\0');
	refused(memset(device->model, 'x', sizeof(device->model)));
	refused(device->model[0] = '\0');
	refused(device->pci_class = 1 << 24);
	refused(memcpy(page.device[1].name, "nvme0", 6));
	refused(device->bar[0].size_bytes = 0);
	refused(device->bar[0].size_bytes = 16384);
	refused(device->bar[0].size_bytes = UINT64_MAX);
	refused(device->bar[0].window_cnt = BH_BAR_WINDOWS_MAX + 1);
	refused(device->bar[0].window_cnt = 3); /* the third is all zeros */
	accepted(device->bar[0].window_cnt = 1);
	accepted(device->bar[5].size_bytes = 4096);
}

static void
test_window_fields(void **state)
{
	struct bh_boot_window *window = page.device[0].bar[0].window;
	refused(window[0].bar_offset = 65536);
	refused(window[0].bar_offset = UINT64_MAX - 4095);
	refused(window[0].bar_offset = 4100);
	refused(window[0].size_bytes = 0);
	refused(window[0].size_bytes = 8193); /* past its region */
	refused(window[0].size_bytes = UINT64_MAX);
	refused(window[1].bar_offset = 8192); /* both windows show these registers */
	refused(window[0].addr = 0);
	refused(window[0].addr += 8);
	refused(window[0].addr -= 8);
	refused(window[0].addr = BH_ADDR_HEAP);
	refused(window[0].addr = UINT64_MAX - 4095);
	refused(page.device[1].bar[0] = page.device[0].bar[0]); /* the regions are the first device's */
	accepted(window[0].size_bytes = 4096);
}

static void
test_layout_counts(void **state)
{
	struct bh_shared_layout *layout = &page.shared;
	refused(layout->counter_cnt = 0);
	refused(layout->counter_cnt -= 1);
	refused(layout->counter_cnt = BH_COUNTERS_MAX + 8);
	refused(layout->counter_cnt = UINT32_MAX - 7);
	refused(layout->hist_cnt = 0);
	refused(layout->hist_cnt = BH_HISTS_MAX + 1);
	refused(layout->hist_cnt = UINT32_MAX);
	refused(layout->log_record_cnt = 0);
	refused(layout->log_record_cnt = 3);
	refused(layout->log_record_cnt *= 2);
	refused(layout->log_record_cnt = 1u << 31);
	refused(layout->log_stride_bytes = 0);
	refused(layout->log_stride_bytes += 8);
	refused(layout->log_stride_bytes -= 64);
	refused(layout->log_stride_bytes = UINT32_MAX - 63);
	refused(layout->size_bytes = 0);
	refused(layout->size_bytes = UINT32_MAX);
	refused(layout->size_bytes -= 64);
	accepted(layout->log_record_cnt /= 2);
}

/* Each section in turn: unaligned, past the end, and on top of each other one. */
static void
test_layout_sections(void **state)
{
	uint32_t *offset[] = {
	        &page.shared.control_offset,   &page.shared.core_offset,    &page.shared.mailbox_offset,
	        &page.shared.panic_offset,     &page.shared.counter_offset, &page.shared.counter_desc_offset,
	        &page.shared.hist_desc_offset, &page.shared.hist_offset,    &page.shared.log_offset,
	};
	for (size_t i = 0; i < BH_ARRAY_CNT(offset); i++) {
		refused(*offset[i] += 8);
		refused(*offset[i] = page.shared.size_bytes);
		refused(*offset[i] = UINT32_MAX - 63);
		for (size_t j = 0; j < BH_ARRAY_CNT(offset); j++) {
			if (j != i)
				refused(*offset[i] = *offset[j]);
		}
	}
}

#define PAGE_TEST(test) cmocka_unit_test_setup(test, setup)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        PAGE_TEST(test_header_is_checked_first),
	        PAGE_TEST(test_every_byte_counts),
	        PAGE_TEST(test_counts),
	        PAGE_TEST(test_stacks_stay_in_their_zone),
	        PAGE_TEST(test_region_fields),
	        PAGE_TEST(test_regions_stay_in_their_zones),
	        PAGE_TEST(test_huge_pages_want_their_alignment),
	        PAGE_TEST(test_regions_do_not_meet),
	        PAGE_TEST(test_device_fields),
	        PAGE_TEST(test_window_fields),
	        PAGE_TEST(test_layout_counts),
	        PAGE_TEST(test_layout_sections),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
