/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor on a real kernel that was booted with CPUs 2-3 isolated: what it finds against what the kernel says, read here in another way; then
 * again after apply, which must leave nothing for apply to mend. The time is printed, not judged.
 */
#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "tests/lab/inside.h"

#define CONF "/run/doctor.conf"

static json_t *report;

static void
look(int exit_code)
{
	struct command_result result;
	json_error_t error;
	inside_run(&result, "bulkhead doctor " CONF " --json");
	assert_int_equal(result.exit_code, exit_code);
	json_decref(report);
	report = json_loads(result.out, 0, &error);
	assert_non_null(report);
	command_result_free(&result);
	print_message("doctor took %.0f ms\n",
	              json_real_value(json_object_get(json_object_get(report, "summary"), "duration_ms")));
}

static const char *
member(const char *id, const char *key)
{
	size_t idx;
	json_t *check;
	json_array_foreach(json_object_get(report, "checks"), idx, check)
	{
		if (strcmp(json_string_value(json_object_get(check, "id")), id) == 0)
			return json_string_value(json_object_get(check, key));
	}
	fail_msg("no check %s", id);
	return "";
}

static void
is(const char *id, const char *state)
{
	if (strcmp(member(id, "state"), state) != 0)
		fail_msg("%s is %s and not %s: %s [%s]", id, member(id, "state"), state, member(id, "value"),
		         member(id, "evidence"));
}

/* What a shell command of the kernel's own files prints must be in the evidence. */
static void
evidence_is(const char *id, const char *command)
{
	struct command_result result;
	inside_run(&result, "%s", command);
	result.out[strcspn(result.out, "\n")] = '\0';
	if (strstr(member(id, "evidence"), result.out) == NULL)
		fail_msg("%s: evidence '%s' lacks '%s'", id, member(id, "evidence"), result.out);
	command_result_free(&result);
}

static void
test_before(void **state)
{
	static const char *const ok[] = {
	        "cpu.wanted",
	        "cpu.isolated",
	        "cpu.isolated.booted",
	        "cpu.nohz_full.booted",
	        "cpu.nohz_full",
	        "cpu.rcu_nocbs",
	        "cpu.rcu_nocbs.booted",
	        "iommu.present",
	        "iommu.on",
	        "iommu.interrupt_remapping",
	        "device.present",
	        "device.group",
	        "device.free",
	        "cgroup.version",
	        "cgroup.cpuset",
	        "cgroup.foreign",
	        "kernel.version",
	        "clock.source",
	        "memory.memlock",
	};
	(void)state;
	inside_ok("printf '[partition]\\ncpus = 2-3\\nhugepages = 8\\ndevices = 0000:01:00.0\\n' > " CONF);
	look(3);
	for (size_t i = 0; i < sizeof(ok) / sizeof(ok[0]); i++)
		is(ok[i], "ok");
	is("device.driver", "fail");
	is("memory.hugepages", "fail");
	is("kernel.workqueues", "ok"); /* isolcpus takes them out, too */
	is("mm.stat_interval", "warn");
	is("irq.default", "warn");
	is("machine.guest", "warn");
	evidence_is("cpu.isolated", "cat /sys/devices/system/cpu/isolated");
	evidence_is("cpu.nohz_full", "cat /sys/devices/system/cpu/nohz_full");
	evidence_is("kernel.version", "uname -r");
	evidence_is("device.driver", "basename $(readlink /sys/bus/pci/devices/0000:01:00.0/driver)");
	evidence_is("kernel.workqueues", "cat /sys/devices/virtual/workqueue/cpumask");
	evidence_is("machine.guest", "echo TCGTCGTCGTCG");
}

static void
test_after_apply(void **state)
{
	static const char *const ok[] = {
	        "cpu.partition",   "irq.affinity",    "irq.default",   "kernel.workqueues", "kernel.workqueues.named",
	        "kernel.mce_poll", "kernel.watchdog", "mm.khugepaged", "mm.stat_interval",  "memory.hugepages",
	        "vfio.pci",        "vfio.type1",      "vfio.node",     "device.driver",     "cgroup.delegation",
	        "task.kernel",     "task.user",
	};
	(void)state;
	inside_ok("bulkhead apply " CONF " --yes");
	look(0);
	for (size_t i = 0; i < sizeof(ok) / sizeof(ok[0]); i++)
		is(ok[i], "ok");
	json_t *summary = json_object_get(report, "summary");
	if (json_integer_value(json_object_get(summary, "mended_by_apply")) != 0) {
		inside_ok("bulkhead doctor " CONF);
		fail_msg("apply was run, and doctor would run it again");
	}
	inside_ok("bulkhead restore");
	look(3);
	is("device.driver", "fail");
	is("cpu.partition", "not needed");
}

static void
test_people(void **state)
{
	struct command_result result;
	(void)state;
	inside_run(&result, "bulkhead doctor --area irq");
	assert_int_equal(result.exit_code, 3);
	assert_non_null(strstr(result.out, "which are isolated now"));
	command_result_free(&result);
	inside_run(&result, "bulkhead doctor --area nothing");
	assert_int_equal(result.exit_code, 2);
	command_result_free(&result);
	inside_run(&result, "bulkhead explain irq.managed");
	assert_int_equal(result.exit_code, 0);
	assert_non_null(strstr(result.out, "not blamed"));
	command_result_free(&result);
}

/* Sees less, says so, and does not fail. */
static void
test_no_root(void **state)
{
	int status;
	(void)state;
	pid_t pid = fork();
	if (pid == 0) {
		if (setgroups(0, NULL) != 0 || setgid(65534) != 0 || setuid(65534) != 0)
			_exit(99);
		execlp("sh", "sh", "-c", "bulkhead doctor " CONF " > /dev/null 2>&1; [ $? = 3 ]", NULL);
		_exit(98);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_before),
	        cmocka_unit_test(test_after_apply),
	        cmocka_unit_test(test_people),
	        cmocka_unit_test(test_no_root),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	json_decref(report);
	return failed;
}
