/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host/device/pci.h"
#include "tests/unit/host/fake_tree.h"

static char root[64];

static int
setup(void **state)
{
	fake_tree_make(root);
	return 0;
}

static int
teardown(void **state)
{
	fake_tree_remove(root);
	return 0;
}

static void
test_address_refused(void **state)
{
	static const char *const bad[] = {
	        "",
	        ":",
	        ".",
	        "0",
	        "0:0",
	        "0:0.",
	        ":0.0",
	        "0.0",
	        "0000:01:00",
	        "0000:01:00.",
	        "0000:01:00.8",
	        "0000:01:00.00",
	        "0000:01:20.0",
	        "0000:100:00.0",
	        "100:00.0",
	        "0000:01:00.0 ",
	        " 0000:01:00.0",
	        "0000:01:00.0\n",
	        "0000:01:00.0/..",
	        "../../../etc",
	        "0000:01:000.0",
	        "000000000:01:00.0",
	        "100000:01:00.0",
	        "0000:0000:01:00.0",
	        "-1:00.0",
	        "0x01:00.0",
	        "0000:+1:00.0",
	        "0000:01:00,0",
	        "g0:00.0",
	        "0000::00.0",
	        "ffffffff:00:00.0",
	        "vfio",
	        "/sys",
	};
	char out[BH_PCI_ADDRESS_BYTES];
	for (size_t i = 0; i < BH_ARRAY_CNT(bad); i++) {
		if (bh_pci_address_parse(bad[i], out) != -EINVAL || out[0] != '\0')
			fail_msg("'%s' was taken as %s", bad[i], out);
	}
}

static void
test_address_forms(void **state)
{
	static const char *const pair[][2] = {
	        {"0000:01:00.0", "0000:01:00.0"}, {"01:00.0", "0000:01:00.0"},        {"1:0.0", "0000:01:00.0"},
	        {"0000:FF:1F.7", "0000:ff:1f.7"}, {"10000:e1:00.0", "10000:e1:00.0"}, {"0:0:0.0", "0000:00:00.0"},
	};
	char out[BH_PCI_ADDRESS_BYTES];
	for (size_t i = 0; i < BH_ARRAY_CNT(pair); i++) {
		assert_int_equal(bh_pci_address_parse(pair[i][0], out), 0);
		assert_string_equal(out, pair[i][1]);
	}
}

/* Whatever is taken is a full address of hex digits, and is taken again as itself. */
static void
test_address_fuzz(void **state)
{
	static const char letters[] = "0123456789abcdefABCDEF:::...gx/ -\n";
	uint64_t seed = 7;
	unsigned taken = 0;
	for (unsigned round = 0; round < 2000000; round++) {
		char text[20], out[BH_PCI_ADDRESS_BYTES], again[BH_PCI_ADDRESS_BYTES];
		size_t cnt = 0;
		do {
			seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
			text[cnt++] = letters[(seed >> 33) % (sizeof(letters) - 1)];
		} while (cnt < sizeof(text) - 1 && (seed >> 40) % 9 != 0);
		text[cnt] = '\0';
		if (bh_pci_address_parse(text, out) != 0)
			continue;
		taken++;
		assert_true(strspn(out, "0123456789abcdef:.") == strlen(out) && strlen(out) >= 12);
		assert_int_equal(bh_pci_address_parse(out, again), 0);
		assert_string_equal(out, again);
	}
	assert_true(taken > 0);
}

static void
test_read_refused(void **state)
{
	struct bh_pci_device device;
	struct bh_error error;
	assert_int_equal(bh_pci_read(root, "../etc/passwd", &device, &error), -EINVAL);
	assert_string_equal(error.id, "E101");
	assert_int_equal(bh_pci_read(root, "01:00.0", &device, &error), -ENODEV);
	assert_non_null(strstr(error.text, "no PCI bus"));
	fake_pci(root, "0000:00:00.0", 0x8086, 0x29c0, 0x060000, "", -1);
	assert_int_equal(bh_pci_read(root, "01:00.0", &device, &error), -ENODEV);
	assert_non_null(strstr(error.text, "none of this machine's 1 functions"));
	fake_pci(root, "0000:02:00.0", 0x1b36, 0x10, 0x010802, "nvme", 3);
	assert_int_equal(bh_pci_read(root, "01:00.0", &device, &error), -ENODEV);
	assert_string_equal(error.id, "E100");
	assert_non_null(strstr(error.text, "0000:02:00.0 (nvme)"));
}

static void
test_read_hostile(void **state)
{
	static const char *const bad[] = {"", "nonsense", "0x", "0x1ffff", "-1", "0x1b36 x", "1b36", "0x1b36\1"};
	struct bh_pci_device device;
	struct bh_error error;
	char longer[600];
	memset(longer, '1', sizeof(longer));
	fake_pci(root, "0000:02:00.0", 0x1b36, 0x10, 0x010802, "nvme", 3);
	for (size_t i = 0; i < BH_ARRAY_CNT(bad); i++) {
		fake_file(root, "/sys/bus/pci/devices/0000:02:00.0/vendor", "%s", bad[i]);
		assert_int_equal(bh_pci_read(root, "02:00.0", &device, &error), -EIO);
		assert_string_equal(error.id, "E136");
	}
	fake_bytes(root, "/sys/bus/pci/devices/0000:02:00.0/vendor", longer, sizeof(longer));
	assert_int_equal(bh_pci_read(root, "02:00.0", &device, &error), -EIO);
	fake_gone(root, "/sys/bus/pci/devices/0000:02:00.0/vendor");
	fake_link(root, "/sys/bus/pci/devices/0000:02:00.0/vendor", "vendor");
	assert_int_equal(bh_pci_read(root, "02:00.0", &device, &error), -EIO);
	fake_gone(root, "/sys/bus/pci/devices/0000:02:00.0");
	fake_link(root, "/sys/bus/pci/devices/0000:02:00.0", "0000:02:00.0");
	assert_int_equal(bh_pci_read(root, "02:00.0", &device, &error), -ENODEV);
}

static void
test_read_hostile_links(void **state)
{
	struct bh_pci_device device;
	char target[300];
	memset(target, 'd', sizeof(target));
	target[sizeof(target) - 1] = '\0';
	fake_pci(root, "0000:02:00.0", 0x1b36, 0x10, 0x010802, "", 3);
	fake_link(root, "/sys/bus/pci/devices/0000:02:00.0/driver", target);
	assert_int_equal(bh_pci_read(root, "02:00.0", &device, NULL), -EIO);
	fake_link(root, "/sys/bus/pci/devices/0000:02:00.0/driver", "../dri\033ver");
	fake_link(root, "/sys/bus/pci/devices/0000:02:00.0/iommu_group", "../../99999999999");
	assert_int_equal(bh_pci_read(root, "02:00.0", &device, NULL), 0);
	assert_string_equal(device.driver, "dri?ver");
	assert_int_equal(device.group, -1);
	fake_link(root, "/sys/bus/pci/devices/0000:02:00.0/iommu_group", "../../3x");
	assert_int_equal(bh_pci_read(root, "02:00.0", &device, NULL), 0);
	assert_int_equal(device.group, -1);
}

static void
test_read(void **state)
{
	struct bh_pci_device device;
	fake_pci(root, "0000:02:00.0", 0x1b36, 0x10, 0x010802, "nvme", 3);
	assert_int_equal(bh_pci_read(root, "2:0.0", &device, NULL), 0);
	assert_string_equal(device.address, "0000:02:00.0");
	assert_int_equal(device.vendor, 0x1b36);
	assert_int_equal(device.device, 0x10);
	assert_int_equal(device.class, 0x010802);
	assert_string_equal(device.driver, "nvme");
	assert_string_equal(device.driver_override, "");
	assert_int_equal(device.group, 3);
	assert_int_equal(device.node, 0);
	fake_file(root, "/sys/bus/pci/devices/0000:02:00.0/driver_override", "vfio-pci\n");
	fake_file(root, "/sys/bus/pci/devices/0000:02:00.0/numa_node", "-1\n");
	assert_int_equal(bh_pci_read(root, "2:0.0", &device, NULL), 0);
	assert_string_equal(device.driver_override, "vfio-pci");
	assert_int_equal(device.node, -1);
}

static void
test_list_and_group(void **state)
{
	struct bh_pci_device *list, member[2];
	size_t cnt;
	assert_int_equal(bh_pci_list(root, &list, &cnt), -ENOENT);
	assert_int_equal(bh_pci_group_members(root, 1, member, 2), -ENOENT);
	fake_folder(root, "/sys/bus/pci/devices");
	assert_int_equal(bh_pci_list(root, &list, &cnt), 0);
	assert_int_equal(cnt, 0);
	free(list);
	fake_pci(root, "10000:00:00.0", 1, 1, 0x060400, "", -1);
	fake_pci(root, "0000:03:00.1", 1, 1, 0x020000, "", 5);
	fake_pci(root, "0000:03:00.0", 1, 1, 0x020000, "", 5);
	fake_pci(root, "0000:02:00.0", 1, 1, 0x010802, "", 5);
	fake_pci(root, "0000:04:00.0", 1, 1, 0x010802, "", 6);
	fake_pci(root, "0000:9:00.0", 1, 1, 0x010802, "", 5);
	fake_pci(root, "nonsense", 1, 1, 0x010802, "", 5);
	fake_file(root, "/sys/bus/pci/devices/0000:04:00.0/class", "?\n");
	assert_int_equal(bh_pci_list(root, &list, &cnt), 0);
	assert_int_equal(cnt, 4);
	assert_string_equal(list[0].address, "0000:02:00.0");
	assert_string_equal(list[2].address, "0000:03:00.1");
	assert_string_equal(list[3].address, "10000:00:00.0");
	free(list);
	assert_int_equal(bh_pci_group_members(root, -1, member, 2), -EINVAL);
	assert_int_equal(bh_pci_group_members(root, 7, member, 2), -ENOENT);
	assert_int_equal(bh_pci_group_members(root, 5, member, 2), 3);
	assert_string_equal(member[1].address, "0000:03:00.0");
}

static void
test_class_name(void **state)
{
	assert_string_equal(bh_pci_class_name(0x010802), "nvme");
	assert_string_equal(bh_pci_class_name(0x010801), "disk");
	assert_string_equal(bh_pci_class_name(0x020000), "network");
	assert_string_equal(bh_pci_class_name(0x060400), "bridge");
	assert_string_equal(bh_pci_class_name(0xff0000), "other");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_address_refused),
	        cmocka_unit_test(test_address_forms),
	        cmocka_unit_test(test_address_fuzz),
	        cmocka_unit_test_setup_teardown(test_read_refused, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_read_hostile, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_read_hostile_links, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_read, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_list_and_group, setup, teardown),
	        cmocka_unit_test(test_class_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
