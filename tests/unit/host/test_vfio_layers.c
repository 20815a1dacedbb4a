/* SPDX-License-Identifier: Apache-2.0 */
/* Which layer is missing: made-up machines below a folder of /tmp, from the one with nothing to the one with all. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/device/vfio_private.h"

static char root[64];

static void
folder(const char *path)
{
	char part[PATH_MAX + 64];
	int used = snprintf(part, sizeof(part), "%s", root);
	for (const char *at = path; *at != '\0';) {
		size_t len = 1 + strcspn(at + 1, "/");
		used += snprintf(part + used, sizeof(part) - (size_t)used, "%.*s", (int)len, at);
		assert_true(mkdir(part, 0755) == 0 || errno == EEXIST);
		at += len;
	}
}

static void
file(const char *path, const char *text)
{
	char full[PATH_MAX + 64], parent[PATH_MAX];
	snprintf(parent, sizeof(parent), "%s", path);
	*strrchr(parent, '/') = '\0';
	folder(parent);
	snprintf(full, sizeof(full), "%s%s", root, path);
	FILE *stream = fopen(full, "we");
	assert_non_null(stream);
	fputs(text, stream);
	assert_int_equal(fclose(stream), 0);
}

static void
link_to(const char *path, const char *target)
{
	char full[PATH_MAX + 64];
	snprintf(full, sizeof(full), "%s%s", root, path);
	(void)!unlink(full);
	assert_int_equal(symlink(target, full), 0);
}

static void
gone(const char *path)
{
	char full[PATH_MAX + 64];
	snprintf(full, sizeof(full), "%s%s", root, path);
	assert_true(unlink(full) == 0 || rmdir(full) == 0);
}

#define NVME "/sys/bus/pci/devices/0000:01:00.0"

static void
function(const char *address, const char *class, const char *driver)
{
	char path[512], text[512];
	static const char *const value[][2] = {{"vendor", "0x1b36\n"}, {"device", "0x0010\n"}, {"numa_node", "-1\n"}};
	for (size_t i = 0; i < BH_ARRAY_CNT(value); i++) {
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", address, value[i][0]);
		file(path, value[i][1]);
	}
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/class", address);
	file(path, class);
	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/%s", driver[0] != '\0' ? driver : "none");
	folder(path);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver", address);
	snprintf(text, sizeof(text), "../../../../bus/pci/drivers/%s", driver);
	if (driver[0] != '\0')
		link_to(path, text);
}

static void
member(const char *address)
{
	char path[512], text[512];
	folder("/sys/kernel/iommu_groups/4/devices");
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", address);
	link_to(path, "../../../../kernel/iommu_groups/4");
	snprintf(path, sizeof(path), "/sys/kernel/iommu_groups/4/devices/%s", address);
	snprintf(text, sizeof(text), "../../../../bus/pci/devices/%s", address);
	link_to(path, text);
}

/* All layers are there; each test takes one away. */
static int
make_machine(void **state)
{
	(void)state;
	snprintf(root, sizeof(root), "/tmp/bulkhead-layers-XXXXXX");
	assert_non_null(mkdtemp(root));
	function("0000:01:00.0", "0x010802\n", "vfio-pci");
	member("0000:01:00.0");
	folder("/sys/class/iommu/dmar0");
	file("/sys/firmware/acpi/tables/DMAR", "x");
	file("/proc/cmdline", "quiet intel_iommu=on\n");
	folder("/sys/module/vfio");
	folder("/sys/module/vfio_pci");
	file("/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts", "N\n");
	file("/dev/vfio/vfio", "");
	file("/dev/vfio/4", "");
	return 0;
}

static int
remove_one(const char *path, const struct stat *stat, int kind, struct FTW *place)
{
	(void)stat, (void)kind, (void)place;
	return remove(path);
}

static int
remove_machine(void **state)
{
	(void)state;
	return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void
check(const char *address, int want, const char *id, const char *text, const char *more)
{
	struct bh_pci_device pci;
	struct bh_error error = {0};
	int err = bh_vfio_layers(root, "nvme0", address, &pci, &error);
	print_message("%d %s %s\n", err, error.id, error.text);
	assert_int_equal(err, want);
	assert_string_equal(error.id, id);
	assert_non_null(strstr(error.text, text));
	assert_non_null(strstr(error.text, more));
	assert_true(want == 0 || strlen(error.text) < BH_ERROR_TEXT_BYTES - 1);
	if (want == -EPERM)
		assert_int_equal(bh_error_exit_code(&error), 4);
}

#define ADDRESS "0000:01:00.0"

static void
test_address(void **state)
{
	(void)state;
	check("../../etc", -EINVAL, "E101", "no PCI address", "0000:01:00.0");
	check("0000:02:00.0", -ENODEV, "E100", "0000:02:00.0", "0000:01:00.0");
}

static void
test_no_iommu(void **state)
{
	(void)state;
	gone(NVME "/iommu_group");
	check(ADDRESS, -EPERM, "E104", "refused", "no IOMMU group");
	gone("/sys/class/iommu/dmar0");
	file("/proc/cmdline", "quiet\n");
	check(ADDRESS, -EPERM, "E103", "DMAR", "lacks intel_iommu=on");
	file("/proc/cmdline", "quiet intel_iommu=off\n");
	check(ADDRESS, -EPERM, "E103", "switches it off", "Take that away");
	gone("/sys/firmware/acpi/tables/DMAR");
	check(ADDRESS, -EPERM, "E102", "no DMAR or IVRS", "VT-d or AMD-Vi");
	file("/sys/firmware/acpi/tables/IVRS", "x");
	file("/proc/cmdline", "quiet amd_iommu=off\n");
	check(ADDRESS, -EPERM, "E103", "IVRS", "switches it off");
	file("/proc/cmdline", "quiet\n");
	check(ADDRESS, -EPERM, "E103", "IVRS", "dmesg | grep AMD-Vi");
}

static void
test_unsafe(void **state)
{
	(void)state;
	file("/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts", "Y\n");
	check(ADDRESS, -EPERM, "E110", "allow_unsafe_interrupts", "echo N");
	/* What we refuse, we leave alone. */
	char text[8] = "", path[512];
	snprintf(path, sizeof(path), "%s/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts", root);
	FILE *stream = fopen(path, "re");
	assert_non_null(fgets(text, sizeof(text), stream));
	fclose(stream);
	assert_string_equal(text, "Y\n");
	file("/sys/kernel/iommu_groups/4/name", "vfio-noiommu\n");
	check(ADDRESS, -EPERM, "E105", "no-IOMMU", "no switch");
}

static void
test_modules(void **state)
{
	(void)state;
	gone("/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts");
	gone("/sys/module/vfio_iommu_type1/parameters");
	gone("/sys/module/vfio_iommu_type1");
	check(ADDRESS, -ENOENT, "E108", "vfio_iommu_type1", "modprobe vfio_iommu_type1");
	gone("/sys/module/vfio_pci");
	check(ADDRESS, -ENOENT, "E107", "vfio-pci is not loaded", "bulkhead bind 0000:01:00.0");
	gone("/sys/module/vfio");
	check(ADDRESS, -ENOENT, "E106", "vfio is not loaded", "modprobe vfio-pci");
}

static void
test_binding(void **state)
{
	(void)state;
	gone(NVME "/driver");
	check(ADDRESS, -ENOENT, "E109", "no driver", "bulkhead bind 0000:01:00.0");
	link_to(NVME "/driver", "../../../../bus/pci/drivers/nvme");
	folder("/sys/bus/pci/drivers/nvme");
	check(ADDRESS, -ENOENT, "E109", "driver nvme", "bulkhead bind 0000:01:00.0");
}

static void
test_nodes(void **state)
{
	(void)state;
	gone("/dev/vfio/4");
	check(ADDRESS, -ENOENT, "E112", "/dev/vfio/4 is missing", "devtmpfs");
	gone("/dev/vfio/vfio");
	check(ADDRESS, -ENOENT, "E111", "/dev/vfio/vfio is missing", "devtmpfs");
}

static void
test_all_there(void **state)
{
	(void)state;
	check(ADDRESS, 0, "", "", "");
	check("1:0.0", 0, "", "", ""); /* the short form */
}

static void
test_blockers(void **state)
{
	char text[256];
	(void)state;
	assert_string_equal(bh_vfio_group_blockers(root, 4, text, sizeof(text)), "");
	function("0000:00:04.0", "0x060400\n", "pcieport"); /* the bridge above */
	function("0000:01:00.1", "0x020000\n", "e1000e");
	function("0000:01:00.2", "0x020000\n", "");
	member("0000:00:04.0");
	member("0000:01:00.1");
	member("0000:01:00.2");
	assert_string_equal(bh_vfio_group_blockers(root, 4, text, sizeof(text)), "0000:01:00.1 (driver e1000e)");
	assert_string_equal(bh_vfio_group_blockers(root, 5, text, sizeof(text)), "");
	bh_vfio_group_blockers(root, 4, text, 8); /* cut, not overrun */
	assert_true(strlen(text) < 8);
}

/* Processes that hold the node, by their descriptors; what they call themselves is not printed raw. */
static void
test_holders(void **state)
{
	char text[256];
	(void)state;
	assert_string_equal(bh_vfio_holders(root, 4, text, sizeof(text)), "");
	folder("/proc/4000000/fd");
	file("/proc/4000000/comm", "qe\033mu\n");
	link_to("/proc/4000000/fd/0", "/dev/null");
	link_to("/proc/4000000/fd/7", "/dev/vfio/44");
	assert_string_equal(bh_vfio_holders(root, 4, text, sizeof(text)), "");
	link_to("/proc/4000000/fd/8", "/dev/vfio/4");
	assert_string_equal(bh_vfio_holders(root, 4, text, sizeof(text)), "pid 4000000 (qe?mu)");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_machine, remove_machine)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(test_address), TEST(test_no_iommu), TEST(test_unsafe),  TEST(test_modules),   TEST(test_binding),
	        TEST(test_nodes),   TEST(test_blockers), TEST(test_holders), TEST(test_all_there),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
