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

/*
 * QEMU's IOMMU of 7.2 lets interrupt requests in the old format pass although the table is on and Linux has not allowed them (VT-d
 * specification 5.1.4). The tool must see that: the kernel tells of an interrupt that nobody waits for. Where they are blocked, the
 * device or the kernel tells of that.
 */
static void
check_interrupts(json_t *report, int exit_code)
{
	json_t *attempt = prove_report_attempt(report, "interrupt-window", "complete");
	const char *verdict = json_string_value(json_object_get(attempt, "verdict"));
	bool arrived = json_integer_value(json_object_get(report, "unexpected_interrupts")) > 0;
	print_message("interrupt-window: %s\n", verdict);
	assert_string_equal(verdict, arrived ? "escaped" : "held");
	assert_int_equal(exit_code, json_is_true(json_object_get(report, "proven")) ? 0 : 3);
	if (arrived)
		assert_true(json_is_false(json_object_get(report, "proven")));
	attempt = prove_report_attempt(report, "interrupt-entry", "write");
	assert_string_not_equal(json_string_value(json_object_get(attempt, "verdict")), "escaped");
}

static void
test_two_cells(void **state)
{
	struct command_result result;
	inside_bind(first, "vfio-pci");
	inside_bind(second, "vfio-pci");
	inside_run_for(&result, 180000, "bulkhead prove-iommu %s --second %s --json", first, second);
	if (result.exit_code != 0 && result.exit_code != 3)
		fail_msg("exit code %d: %s%s", result.exit_code, result.err, result.out);
	json_t *report = prove_report_parse(result.out);
	prove_report_all_held(report);
	check_logged(report);
	check_interrupts(report, result.exit_code);
	json_decref(report);
	command_result_free(&result);
}

/* And the other cell's device, against the first one's. */
static void
test_other_way_round(void **state)
{
	struct command_result result;
	inside_run_for(&result, 180000, "bulkhead prove-iommu %s --second %s --only cell-iova,cell-physical --json",
	               second, first);
	json_t *report = prove_report_parse(result.out);
	assert_int_equal(result.exit_code, 0);
	assert_true(json_is_true(json_object_get(report, "proven")));
	prove_report_expect(report, "cell-iova", "write", "held");
	prove_report_expect(report, "cell-physical", "fetch", "held");
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
	static const char *const access[] = {"fetch", "complete", "list", "write", "read"};
	for (size_t i = 0; i < sizeof(access) / sizeof(access[0]); i++) {
		prove_report_expect(report, "supervisor-physical", access[i], "escaped");
		prove_report_expect(report, "process-physical", access[i], "held");
	}
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
	        cmocka_unit_test(test_not_bound),       cmocka_unit_test(test_two_cells),
	        cmocka_unit_test(test_other_way_round), cmocka_unit_test(test_escape_is_seen),
	        cmocka_unit_test(test_device_works),
	};
	inside_find("0x0108", 0, first);
	inside_find("0x0108", 1, second);
	inside_ok("modprobe vfio-pci; modprobe vfio_iommu_type1");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
