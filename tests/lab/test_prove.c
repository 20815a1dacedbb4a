/* SPDX-License-Identifier: Apache-2.0 */
/* bulkhead prove-iommu behind a real IOMMU driver, with two cells and a device each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/component/prove_report.h"
#include "tests/lab/inside.h"

static char first[16], second[16];

static void
test_not_bound(void **state)
{
	struct command_result result;
	inside_run(&result, "bulkhead prove-iommu %s", first);
	assert_int_equal(result.exit_code, 1);
	assert_non_null(strstr(result.err, "E109"));
	command_result_free(&result);
}

/* Every target but these can only be told by what the kernel logs: the device of this emulator sees no error. */
static void
check_logged(json_t *report)
{
	static const char *const target[] = {"supervisor-physical", "cell-physical", "first-page",
	                                     "below-arena",         "above-arena",   "unmapped"};
	for (size_t i = 0; i < sizeof(target) / sizeof(target[0]); i++) {
		json_t *attempt = prove_report_attempt(report, target[i], "write");
		bool logged = json_integer_value(json_object_get(attempt, "kernel_faults")) > 0;
		if (!logged && json_integer_value(json_object_get(attempt, "status")) == 0)
			fail_msg("%s: neither the kernel nor the device said a word", target[i]);
	}
	assert_non_null(strstr(json_string_value(json_object_get(report, "kernel_fault_last")), first + 5));
}

static void
test_two_cells(void **state)
{
	struct command_result result;
	inside_bind(first, "vfio-pci");
	inside_bind(second, "vfio-pci");
	inside_run_for(&result, 180000, "bulkhead prove-iommu %s --second %s --json", first, second);
	json_t *report = prove_report_parse(result.out);
	print_message("%s%s", result.err, result.out);
	prove_report_all_held(report);
	check_logged(report);
	json_decref(report);
	command_result_free(&result);
}

/* The tool is no use if it cannot see an escape through the real thing. */
static void
test_escape_is_seen(void **state)
{
	struct command_result result;
	inside_run_for(&result, 180000,
	               "bulkhead prove-iommu %s --self-test --json --only supervisor-physical,process-physical", first);
	assert_int_equal(result.exit_code, 3);
	json_t *report = prove_report_parse(result.out);
	prove_report_expect(report, "supervisor-physical", "write", "escaped");
	prove_report_expect(report, "process-physical", "write", "held");
	json_decref(report);
	command_result_free(&result);
}

/* Whatever it did, the device is as good as before. */
static void
test_device_works(void **state)
{
	inside_ok("bulkhead run /lab/examples/nvme-bench.conf --set device.nvme0.backend=vfio --duration 1s "
	          "--set device.nvme0.address=%s",
	          first);
	inside_bind(first, "nvme");
	inside_ok("n=0; until [ -e /dev/nvme0n1 ] || [ -e /dev/nvme1n1 ]; do sleep 0.1; n=$((n+1)); [ $n -lt 100 ]; "
	          "done");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_not_bound),
	        cmocka_unit_test(test_two_cells),
	        cmocka_unit_test(test_escape_is_seen),
	        cmocka_unit_test(test_device_works),
	};
	inside_find("0x0108", 0, first);
	inside_find("0x0108", 1, second);
	inside_ok("modprobe vfio-pci; modprobe vfio_iommu_type1");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
