/* SPDX-License-Identifier: Apache-2.0 */
/*
 * noise on a kernel with tracepoints: thieves that the test itself makes are named, nearly all of the stolen time has a name, and
 * nothing stays in tracefs. The machine has CPUs 2 and 3 isolated; 1 is Linux's.
 */
#include <linux/perf_event.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "tests/lab/inside.h"

#define CPU_CNT 4

static json_t *report;

static const json_t *
measure(const char *arguments, unsigned idx)
{
	struct command_result result;
	json_error_t error;
	json_decref(report);
	inside_run(&result, "bulkhead noise %s --json", arguments);
	assert_int_equal(result.exit_code, 0);
	report = json_loads(result.out, 0, &error);
	assert_non_null(report);
	command_result_free(&result);
	assert_true(json_is_true(json_object_get(report, "traced")));
	const json_t *cpu = json_array_get(json_object_get(report, "cpus"), idx);
	assert_non_null(cpu);
	return cpu;
}

static double
number(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);
	assert_true(json_is_number(value));
	return json_number_value(value);
}

/* What a thief whose name begins so had, in us; it must be an event's. */
static double
had(const json_t *cpu, const char *name)
{
	size_t i;
	const json_t *thief;
	json_array_foreach(json_object_get(cpu, "thieves"), i, thief)
	{
		if (strncmp(json_string_value(json_object_get(thief, "name")), name, strlen(name)) == 0) {
			assert_string_equal(json_string_value(json_object_get(thief, "named_by")), "event");
			return number(thief, "total_us");
		}
	}
	return 0;
}

static void
nearly_all_is_named(const json_t *cpu)
{
	const json_t *named = json_object_get(cpu, "named_us");
	double by_events = number(named, "event"), by_elimination = number(named, "elimination");
	double stolen = number(cpu, "stolen_us");
	print_message("CPU %.0f: %.1f %% of %.0f us by tracepoints, %.1f %% by elimination\n", number(cpu, "cpu"),
	              100 * by_events / stolen, stolen, 100 * by_elimination / stolen);
	assert_true(by_events + by_elimination >= 0.95 * stolen);
	assert_true(number(cpu, "events_lost") == 0 && number(cpu, "gaps_lost") == 0);
}

static pid_t
start(unsigned cpu, const char *name, void (*work)(void))
{
	pid_t pid = fork();
	if (pid == 0) {
		cpu_set_t set;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, name);
		CPU_ZERO(&set);
		CPU_SET(cpu, &set);
		if (sched_setaffinity(0, sizeof(set), &set) != 0)
			_exit(1);
		work();
	}
	assert_true(pid > 0);
	return pid;
}

static void
end(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void
spin(void)
{
	for (;;)
		__asm__ volatile("pause");
}

/* A counter is opened on a CPU by that CPU itself: each time the kernel calls all of them. */
static void
call_all(void)
{
	for (;;) {
		for (int cpu = 0; cpu < CPU_CNT; cpu++) {
			struct perf_event_attr attr = {
			        .type = PERF_TYPE_SOFTWARE, .size = sizeof(attr), .config = PERF_COUNT_SW_CPU_CLOCK};
			int fd = (int)syscall(SYS_perf_event_open, &attr, -1, cpu, -1, 0UL);
			if (fd >= 0)
				close(fd);
		}
		usleep(20000);
	}
}

static void
a_task_on_the_same_cpu_is_named(void **state)
{
	(void)state;
	pid_t pid = start(1, "thief", spin);
	const json_t *cpu = measure("--cpus 1 --duration 2s", 0);
	end(pid);
	/* The scheduler gives each of two half: anything from a fifth on will do. */
	assert_true(had(cpu, "task thief") > 0.2 * 1e6 * number(cpu, "measured_s"));
	assert_true(had(cpu, "tick (local timer)") > 0);
	nearly_all_is_named(cpu);
}

static void
kernel_work_on_all_cpus_is_named(void **state)
{
	(void)state;
	pid_t pid = start(0, "caller", call_all);
	const json_t *cpu = measure("--cpus 3 --duration 2s", 0);
	end(pid);
	assert_true(json_is_true(json_object_get(cpu, "isolated")));
	assert_true(had(cpu, "IPI") > 0);
	nearly_all_is_named(cpu);
}

static void
the_isolated_cpu_is_left_alone(void **state)
{
	(void)state;
	pid_t pid = start(1, "thief", spin);
	measure("--cpus 1,3 --duration 2s", 0);
	end(pid);
	const json_t *cpus = json_object_get(report, "cpus"), *host = json_array_get(cpus, 0),
	             *quiet = json_array_get(cpus, 1);
	nearly_all_is_named(host);
	double host_us = number(json_object_get(host, "named_us"), "event");
	double quiet_us = number(json_object_get(quiet, "named_us"), "event");
	print_message("Linux took %.0f us of CPU 1 and %.0f us of CPU 3\n", host_us, quiet_us);
	assert_true(host_us > 10 * quiet_us);
}

static void
nothing_stays_in_tracefs(void **state)
{
	struct command_result result;
	(void)state;
	inside_run(&result, "ls /sys/kernel/tracing/instances | wc -l; cat /sys/kernel/tracing/events/enable");
	assert_string_equal(result.out, "0\n0\n");
	command_result_free(&result);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_task_on_the_same_cpu_is_named),
	        cmocka_unit_test(kernel_work_on_all_cpus_is_named),
	        cmocka_unit_test(the_isolated_cpu_is_left_alone),
	        cmocka_unit_test(nothing_stays_in_tracefs),
	};
	int err = cmocka_run_group_tests(tests, NULL, NULL);
	json_decref(report);
	return err;
}
