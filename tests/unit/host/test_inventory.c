/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "host/device/inventory.h"
#include "tests/unit/host/fake_kernel.h"

static const char ids[] = "# comment\n"
                          "1b36  Red Hat, Inc.\n"
                          "\t0001  QEMU PCI-PCI bridge\n"
                          "\t0010  QEMU NVM Express Controller\n"
                          "\t\t1af4 1100  QEMU Virtual Machine\n"
                          "8086  Intel Corporation\n"
                          "\t10d3  82574L Gigabit\n"
                          "C 01  Mass storage controller";

static void
names_are(const char *text, unsigned vendor, unsigned device, const char *want_vendor, const char *want_device)
{
	char vendor_name[16], device_name[32];
	bh_pci_names(text, (uint16_t)vendor, (uint16_t)device, vendor_name, sizeof(vendor_name), device_name,
	             sizeof(device_name));
	assert_string_equal(vendor_name, want_vendor);
	assert_string_equal(device_name, want_device);
}

static void
test_names(void **state)
{
	names_are("", 0x1b36, 0x10, "", "");
	names_are("1b36", 0x1b36, 0x10, "", "");
	names_are("1b36  \n\t0010 ", 0x1b36, 0x10, "", "");
	names_are("\t0010  orphan\n", 0x1b36, 0x10, "", "");
	names_are(ids, 0x1234, 0x10, "", "");
	names_are(ids, 0x1b36, 0x10d3, "Red Hat, Inc.", ""); /* another vendor's */
	names_are(ids, 0x1b36, 0x1af4, "Red Hat, Inc.", ""); /* a subsystem */
	names_are(ids, 0x1b36, 0x10, "Red Hat, Inc.", "QEMU NVM Express Controller");
	names_are(ids, 0x8086, 0x10d3, "Intel Corporati", "82574L Gigabit");
	names_are("1b36  a\033[1mb\n", 0x1b36, 0, "a?[1mb", "");
}

static void
test_no_bus(void **state)
{
	struct bh_inventory inventory;
	struct bh_error error;
	fake_gone(fake.root, "/sys/bus/pci");
	assert_int_equal(bh_inventory_read(fake.root, true, &inventory, &error), -ENOENT);
	assert_string_equal(error.id, "E156");
}

static void
test_states(void **state)
{
	struct bh_inventory inventory;
	struct bh_error error;
	fake_pci(fake.root, "0000:00:01.0", 1, 2, 0x060400, "pcieport", 1);
	fake_pci(fake.root, "0000:03:00.0", 1, 2, 0x010802, "", -1);
	fake_pci(fake.root, "0000:04:00.0", 1, 2, 0x010802, "vfio-pci", 9);
	fake_pci(fake.root, "0000:04:00.1", 1, 2, 0x010802, "", 9);
	assert_int_equal(bh_bind(fake.root, NIC, NULL, &error), 0);
	fake_file(fake.root, "/proc/swaps", "/dev/nvme0n1 x\n");
	fake_file(fake.root, "/usr/share/misc/pci.ids", "%s", ids);
	fake_file(fake.root, "/sys/bus/pci/devices/" NVME "/nvme/nvme0/model", "QEMU NVMe Ctrl      \n");
	fake_file(fake.root, "/sys/bus/pci/devices/" NVME "/nvme/nvme0/serial", "abc  \n");
	assert_int_equal(bh_inventory_read(fake.root, false, &inventory, &error), 0);
	assert_true(inventory.iommu);
	assert_int_equal(inventory.function_cnt, 6);
	assert_int_equal(inventory.cnt, 5);
	const struct bh_inventory_device *at = inventory.device;
	assert_int_equal(at[0].state, BH_INVENTORY_IN_USE);
	assert_string_equal(at[0].model, "QEMU NVMe Ctrl");
	assert_string_equal(at[0].serial, "abc");
	assert_string_equal(at[0].device_name, "QEMU NVM Express Controller");
	assert_int_equal(at[0].disk_cnt, 1);
	assert_int_equal(at[0].disk[0].size_bytes, FAKE_DISK_BYTES);
	assert_int_equal(at[1].state, BH_INVENTORY_TAKEN);
	assert_string_equal(at[1].driver_before, "e1000e");
	assert_int_equal(at[2].state, BH_INVENTORY_NO_IOMMU);
	assert_int_equal(at[3].state, BH_INVENTORY_FOREIGN);
	assert_int_equal(at[3].member_cnt, 1);
	assert_string_equal(at[3].member[0], "0000:04:00.1");
	assert_int_equal(at[4].state, BH_INVENTORY_FREE);
	bh_inventory_free(&inventory);
	assert_int_equal(bh_inventory_read(fake.root, true, &inventory, &error), 0);
	assert_int_equal(inventory.device[0].state, BH_INVENTORY_UNSUITABLE);
	bh_inventory_free(&inventory);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_names),
	        cmocka_unit_test_setup_teardown(test_no_bus, fake_start, fake_stop),
	        cmocka_unit_test_setup_teardown(test_states, fake_start, fake_stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
