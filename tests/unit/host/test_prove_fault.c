/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of the kernel's log: as drivers/iommu/intel/dmar.c and drivers/iommu/amd/iommu.c of Linux 6.1 print them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_others),
	        cmocka_unit_test(test_intel),
	        cmocka_unit_test(test_amd),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
