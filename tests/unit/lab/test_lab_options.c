/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lab/internal.h"

static void
test_bad_drives(void **state)
{
	static const char *const bad[] = {"",
	                                  "x",
	                                  "512K",
	                                  "1M,",
	                                  "100000001",
	                                  "1G,lba",
	                                  "1G,lba=",
	                                  "1G,lba=1024",
	                                  "1G,lba=0",
	                                  "1G,ns=0",
	                                  "1G,ns=9",
	                                  "1G,mdts=17",
	                                  "1G,iops=0",
	                                  "1G,iops=1000001",
	                                  "1G,serial=",
	                                  "1G,cache=",
	                                  "1G,cache=fast",
	                                  "1G,what=1",
	                                  "1G,ns=1x",
	                                  "-1G",
	                                  "1G ,ns=1",
	                                  "1G,serial=a b",
	                                  "1G,serial=a\"b",
	                                  "1G,serial=123456789012345678901"};
	struct bh_lab_nvme nvme;
	struct bh_error error;
	char text[256];
	for (size_t i = 0; i < BH_ARRAY_CNT(bad); i++) {
		error = (struct bh_error){0};
		if (bh_lab_nvme_parse(bad[i], &nvme, &error) != -EINVAL)
			fail_msg("'%s' was taken", bad[i]);
		assert_string_equal(error.id, "E201");
		assert_non_null(strstr(error.text, "--nvme"));
	}
	memset(text, '1', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(bh_lab_nvme_parse(text, &nvme, &error), -EINVAL);
}

static void
test_drives(void **state)
{
	struct bh_lab_nvme nvme;
	assert_int_equal(bh_lab_nvme_parse("256M", &nvme, NULL), 0);
	assert_int_equal(nvme.size_bytes, 268435456);
	assert_int_equal(nvme.lba_bytes, 512);
	assert_int_equal(nvme.ns_cnt, 1);
	assert_int_equal(nvme.mdts, 7);
	assert_int_equal(nvme.iops, 0);
	assert_false(nvme.no_write_cache);
	assert_string_equal(nvme.serial, "");
	assert_int_equal(bh_lab_nvme_parse("1G,lba=4096,ns=2,mdts=0,serial=a-B_9,cache=off,iops=2000", &nvme, NULL), 0);
	assert_int_equal(nvme.size_bytes, 1073741824);
	assert_int_equal(nvme.lba_bytes, 4096);
	assert_int_equal(nvme.ns_cnt, 2);
	assert_int_equal(nvme.mdts, 0);
	assert_int_equal(nvme.iops, 2000);
	assert_true(nvme.no_write_cache);
	assert_string_equal(nvme.serial, "a-B_9");
}

static void
refused(struct bh_lab_options options, const char *text)
{
	struct bh_error error = {0};
	assert_int_equal(bh_lab_check(&options, &error), -EINVAL);
	assert_string_equal(error.id, "E201");
	if (strstr(error.text, text) == NULL)
		fail_msg("'%s' does not have '%s'", error.text, text);
}

static void
test_bad_sums(void **state)
{
	static const char *const isolate[] = {"4", "2-9", "0-3", "2,2", "2, 3", "auto", "x", ",", "2,3 panic=0"};
	static const char *const get[] = {"root:/tmp", "/root", "/root:"};
	static const char *const copy[] = {"file", ":/x", "file:x", "file:/", "file:/a/../../b"};
	struct bh_lab_options options;
	char longer[1100];
	bh_lab_defaults(&options);
	for (size_t i = 0; i < BH_ARRAY_CNT(isolate); i++) {
		options.isolate = isolate[i];
		refused(options, "--isolate");
	}
	bh_lab_defaults(&options);
	for (size_t i = 0; i < BH_ARRAY_CNT(get); i++) {
		options.get[0] = get[i];
		options.get_cnt = 1;
		refused(options, "--get");
	}
	bh_lab_defaults(&options);
	for (size_t i = 0; i < BH_ARRAY_CNT(copy); i++) {
		options.copy[0] = copy[i];
		options.copy_cnt = 1;
		refused(options, "--copy");
	}
	bh_lab_defaults(&options);
	options.cpu_cnt = 0;
	refused(options, "--cpus");
	bh_lab_defaults(&options);
	options.memory_bytes = 1;
	refused(options, "--memory");
	options.memory_bytes = UINT64_C(1) << 30;
	options.hugepage_cnt = 257;
	refused(options, "--hugepages");
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	bh_lab_defaults(&options);
	options.append = longer;
	refused(options, "--append");
}

static void
test_equal_serials(void **state)
{
	struct bh_lab_options options;
	bh_lab_defaults(&options);
	options.nvme_cnt = 2;
	assert_int_equal(bh_lab_nvme_parse("64M,serial=bulkhead1", &options.nvme[0], NULL), 0);
	assert_int_equal(bh_lab_nvme_parse("64M", &options.nvme[1], NULL), 0);
	refused(options, "serial number bulkhead1");
}

/* What is isolated by default leaves Linux a CPU. */
static void
test_defaults(void **state)
{
	static const char *const wanted[] = {"", "1", "2", "2,3", "2,3"};
	struct bh_lab_options options;
	for (uint32_t cpu_cnt = 1; cpu_cnt <= 5; cpu_cnt++) {
		bh_lab_defaults(&options);
		options.cpu_cnt = cpu_cnt;
		assert_int_equal(bh_lab_check(&options, NULL), 0);
		assert_string_equal(options.isolate, wanted[cpu_cnt - 1]);
	}
	bh_lab_defaults(&options);
	options.isolate = "";
	options.memory_bytes = UINT64_C(1) << 30;
	options.hugepage_cnt = 256;
	options.get[options.get_cnt++] = "/root:/tmp/x";
	options.copy[options.copy_cnt++] = "a:b:/c";
	assert_int_equal(bh_lab_check(&options, NULL), 0);
	assert_string_equal(options.isolate, "");
}

static void
test_nic_refused(void **state)
{
	static const char *const bad[] = {"",
	                                  ",hub=1",
	                                  "e1000e,",
	                                  "e1000e,hub=",
	                                  "e1000e,hub=x",
	                                  "e1000e,hub=16",
	                                  "e1000e,,mac=1",
	                                  "e1000e,hub=-1",
	                                  "e1000e,hub=99999999999999"};
	struct bh_lab_nic nic;
	struct bh_error error;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(bh_lab_nic_parse(bad[i], &nic, &error), -EINVAL);
		assert_string_equal(error.id, "E201");
	}
}

static void
test_nic(void **state)
{
	struct bh_lab_nic nic;
	struct bh_error error;
	assert_int_equal(bh_lab_nic_parse("e1000e", &nic, &error), 0);
	assert_string_equal(nic.text, "e1000e");
	assert_int_equal(nic.hub, -1);
	assert_int_equal(bh_lab_nic_parse("virtio-net-pci,hub=15,iommu_platform=on", &nic, &error), 0);
	assert_string_equal(nic.text, "virtio-net-pci,iommu_platform=on");
	assert_int_equal(nic.hub, 15);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_bad_drives), cmocka_unit_test(test_drives),
	        cmocka_unit_test(test_bad_sums),   cmocka_unit_test(test_equal_serials),
	        cmocka_unit_test(test_defaults),   cmocka_unit_test(test_nic_refused),
	        cmocka_unit_test(test_nic),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
