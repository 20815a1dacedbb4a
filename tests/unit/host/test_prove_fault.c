/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of the kernel's log: as drivers/iommu/intel/dmar.c and drivers/iommu/amd/iommu.c of Linux 6.1 print them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/prove/internal.h"

static void
test_others(void **state)
{
	static const char *const line[] = {
	        "", "DMAR: DRHD: handling fault status reg 2", "nvme nvme0: pci function 0000:01:00.0",
	        "DMAR: [DMA Read NO_PASID] Request device [02:00.0] fault addr 0x0", "DMAR: IOMMU enabled 01:00.0"};
	struct fault fault;
	for (size_t i = 0; i < BH_ARRAY_CNT(line); i++)
		assert_false(fault_parse(line[i], "01:00.0", &fault));
	assert_false(fault_parse("DMAR: [DMA Write] Request device [01:00.0] fault addr 0x1000", "", &fault));
}

static void
test_intel(void **state)
{
	struct fault fault;
	assert_true(fault_parse(
	        "DMAR: [DMA Write NO_PASID] Request device [01:00.0] fault addr 0xffffff000 [fault reason 0x05] PTE "
	        "Write access is not set",
	        "01:00.0", &fault));
	assert_int_equal(fault.addr, 0xffffff000);
	assert_false(fault.read);
	assert_true(fault_parse(
	        "DMAR: [DMA Read NO_PASID] Request device [01:00.0] fault addr 0x0 [fault reason 0x06] PTE Read access "
	        "is not set",
	        "01:00.0", &fault));
	assert_int_equal(fault.addr, 0);
	assert_true(fault.read);
	assert_true(fault_parse(
	        "DMAR: [INTR-REMAP] Request device [01:00.0] fault index 0x8000 [fault reason 0x22] Present field in "
	        "the IRTE entry is clear",
	        "01:00.0", &fault));
	assert_int_equal(fault.addr, UINT64_MAX);
}

static void
test_amd(void **state)
{
	struct fault fault;
	assert_true(fault_parse(
	        "vfio-pci 0000:01:00.0: AMD-Vi: Event logged [IO_PAGE_FAULT domain=0x0012 address=0xdeadb000 "
	        "flags=0x0020]",
	        "01:00.0", &fault));
	assert_int_equal(fault.addr, 0xdeadb000);
	assert_false(fault.read);
	assert_true(fault_parse(
	        "vfio-pci 0000:01:00.0: AMD-Vi: Event logged [IO_PAGE_FAULT domain=0x0012 address=0xdeadb000 "
	        "flags=0x0000]",
	        "01:00.0", &fault));
	assert_true(fault.read);
}

/* Feeds lines as /dev/kmsg has them, through a pipe. */
static void
feed(struct faults *faults, uint32_t step, const char *line)
{
	int ends[2];
	assert_int_equal(pipe(ends), 0);
	assert_true(dprintf(ends[1], "4,1234,5678901,-;%s\n SUBSYSTEM=pci\n", line) > 0);
	close(ends[1]);
	faults->fd = ends[0];
	faults_read(faults, step);
	close(ends[0]);
	faults->fd = -1;
}

/* A fault speaks for the step that ran or had just ended, and for no other at the same address. */
static void
test_belongs_to_a_step(void **state)
{
	struct faults faults = {.fd = -1, .device = "01:00.0"};
	uint32_t stray_cnt;
	feed(&faults, 5, "DMAR: [DMA Write NO_PASID] Request device [01:00.0] fault addr 0x1000 [fault reason 0x05] x");
	assert_int_equal(faults.line_cnt, 1);
	assert_int_equal(faults_at(&faults, 3, 0x1000, 4096, false), 0);
	assert_int_equal(faults_at(&faults, 4, 0x1000, 4096, false), 1);
	assert_int_equal(faults_at(&faults, 5, 0x1000, 4096, false), 1);
	assert_int_equal(faults_at(&faults, 6, 0x1000, 4096, false), 0);
	assert_int_equal(faults_at(&faults, 5, 0x1000, 4096, true), 0);
	assert_int_equal(faults_at(&faults, 5, 0x2000, 4096, false), 0);
	assert_int_equal(faults_at(&faults, 5, 0, 4096, false), 0);
	assert_int_equal(faults_of_interrupts(&faults, 5, &stray_cnt), 0);
	assert_int_equal(stray_cnt, 0);
}

static void
test_interrupts(void **state)
{
	struct faults faults = {.fd = -1, .device = "01:00.0"};
	uint32_t stray_cnt;
	feed(&faults, 7, "DMAR: [INTR-REMAP] Request device [01:00.0] fault index 0x7f [fault reason 0x22] x");
	feed(&faults, 9, "common_interrupt: 0.224 No irq handler for vector");
	assert_int_equal(faults_of_interrupts(&faults, 7, &stray_cnt), 1);
	assert_int_equal(stray_cnt, 0);
	assert_int_equal(faults_of_interrupts(&faults, 8, &stray_cnt), 0);
	assert_int_equal(stray_cnt, 1);
	assert_int_equal(faults.stray_cnt, 1);
	/* No address: it speaks for no page. */
	assert_int_equal(faults_at(&faults, 7, 0, UINT64_MAX, false), 0);
}

/* More of them than there is room for: counted, the first ones kept. */
static void
test_flood(void **state)
{
	struct faults faults = {.fd = -1, .device = "01:00.0"};
	for (uint32_t i = 0; i < 200; i++)
		feed(&faults, i,
		     "DMAR: [DMA Read NO_PASID] Request device [01:00.0] fault addr 0x0 [fault reason 0x06] x");
	assert_int_equal(faults.line_cnt, 200);
	assert_int_equal(faults.seen_cnt, BH_ARRAY_CNT(faults.seen));
	assert_int_equal(faults_at(&faults, 0, 0, 4096, true), 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_others),     cmocka_unit_test(test_intel),
	        cmocka_unit_test(test_amd),        cmocka_unit_test(test_belongs_to_a_step),
	        cmocka_unit_test(test_interrupts), cmocka_unit_test(test_flood),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
