/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `bulkhead compare nvme` on the lab's drive: what it refuses, what its report holds, and that the device and every setting come
 * back: at the end, after Ctrl-C on either side, after kill -9. Figures are not looked at.
 */
#include <fcntl.h>
#include <jansson.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/lab/inside.h"

#define QUEUE  "/sys/block/nvme0n1/queue"
#define PARAM  "/sys/module/nvme/parameters/poll_queues"
#define SERIAL "bulkhead0"

static char nvme[16];

static void
refused(int exit_code, const char *id, const char *options)
{
	struct command_result result;
	inside_run(&result, "bulkhead compare nvme %s --report /tmp/refused", options);
	assert_int_equal(result.exit_code, exit_code);
	assert_non_null(strstr(result.err, id));
	command_result_free(&result);
}

static void
device_is_back(void)
{
	/* As it was: its driver, its disk, no queue without interrupts, the settings that setup() made, no journal. */
	inside_ok("test $(basename $(readlink /sys/bus/pci/devices/%s/driver)) = nvme", nvme);
	inside_ok("test -b /dev/nvme0n1 && test $(cat " PARAM ") = 0 && test $(cat " QUEUE "/io_poll) = 0");
	inside_ok("grep . " QUEUE "/nomerges " QUEUE "/read_ahead_kb; test $(cat " QUEUE
	          "/nomerges) = 1 && test $(cat " QUEUE "/read_ahead_kb) = 256");
	inside_ok("test -z \"$(ls /run/bulkhead/compare /run/bulkhead/bind | grep %s)\"", nvme);
	inside_ok("dd if=/dev/nvme0n1 of=/dev/null bs=1M count=4");
}

static void
test_refusals(void **state)
{
	char text[160];
	(void)state;
	refused(2, "BH-E180", "rubbish");
	refused(2, "not a number from 1", "auto --runs 0");
	refused(2, "BH-E180", "auto --cpu 77");
	refused(2, "BH-E100", "7f:00.0");
	refused(1, "BH-E184", "auto --namespace 9");
	refused(4, "BH-E183", "auto --destructive </dev/null");
	refused(4, "BH-E183", "auto --destructive --serial bulkhead");
	refused(4, "BH-E183", "auto --destructive --serial BULKHEAD0");
	snprintf(text, sizeof(text), "%s --destructive --serial ''", nvme);
	refused(4, "BH-E183", text);
	inside_ok("test ! -e /tmp/refused");
}

/* In use: nothing is changed, whatever is asked for. */
static void
test_device_in_use(void **state)
{
	char text[160];
	(void)state;
	inside_ok("mkswap /dev/nvme0n1 && swapon /dev/nvme0n1");
	snprintf(text, sizeof(text), "%s --quick --destructive --serial " SERIAL, nvme);
	refused(4, "swap", text);
	refused(4, "swap", nvme);
	refused(1, "BH-E184", "auto");
	inside_ok("swapoff /dev/nvme0n1 && dd if=/dev/zero of=/dev/nvme0n1 bs=1M count=1 && sync; rm -rf /tmp/refused");
	device_is_back();
}

/*
 * A user's own settings, which have to come back. The kernel sets the read-ahead of a new disk once more after the disk is there
 * (disk_update_readahead in device_add_disk), so it is set until it stays.
 */
static void
set_own_settings(void)
{
	inside_ok(
	        "for i in $(seq 100); do test -b /dev/nvme0n1 && break; sleep 0.1; done; echo 1 > " QUEUE "/nomerges; "
	        "same=0; for i in $(seq 100); do if [ $(cat " QUEUE "/read_ahead_kb) = 256 ]; then same=$((same + 1)); "
	        "else same=0; echo 256 > " QUEUE
	        "/read_ahead_kb; fi; [ $same -lt 5 ] || exit 0; sleep 0.1; done; exit 1");
}

static void
test_without_its_driver(void **state)
{
	(void)state;
	inside_bind(nvme, "");
	refused(1, "modprobe nvme", nvme);
	inside_bind(nvme, "nvme");
	inside_ok("echo > /sys/bus/pci/devices/%s/driver_override", nvme);
	set_own_settings();
}

/* Each run that did well has its raw buckets, and a command. Return: how many there are of a side in round 1. */
static unsigned
check_runs(json_t *report, const char *side)
{
	json_t *runs = json_object_get(report, "runs"), *run;
	unsigned cnt = 0;
	size_t i;
	json_array_foreach(runs, i, run)
	{
		assert_non_null(json_string_value(json_object_get(run, "command")));
		if (strcmp(json_string_value(json_object_get(run, "side")), side) != 0 ||
		    json_integer_value(json_object_get(run, "round")) != 1)
			continue;
		assert_true(json_is_true(json_object_get(run, "ok")));
		assert_true(json_object_size(json_object_get(json_object_get(run, "histogram"), "bins")) > 0);
		assert_true(json_number_value(json_object_get(run, "iops")) > 0);
		cnt++;
	}
	return cnt;
}

static void
check_report(void)
{
	json_error_t why;
	json_t *report = json_load_file("/tmp/report/report.json", 0, &why), *machine, *verdict;
	size_t i;
	unsigned goals = 0, criteria = 0;
	assert_non_null(report);
	assert_true(json_is_true(json_object_get(report, "complete")));
	assert_true(json_is_true(json_object_get(report, "device_given_back")));
	assert_true(check_runs(report, "A") >= 6); /* three patterns at two depths, the best way or the two best ways */
	assert_int_equal(check_runs(report, "B"), 8);
	machine = json_object_get(report, "machine");
	assert_string_equal(json_string_value(json_object_get(machine, "kind")), "emulator");
	assert_non_null(strstr(json_string_value(json_object_get(machine, "cmdline")), "isolcpus="));
	assert_true(json_object_size(json_object_get(machine, "mitigations")) > 5);
	assert_true(strlen(json_string_value(json_object_get(report, "figures_of_an_emulator"))) > 50);
	json_array_foreach(json_object_get(report, "verdicts"), i, verdict)
	{
		bool goal = strcmp(json_string_value(json_object_get(verdict, "kind")), "goal") == 0;
		goals += goal;
		criteria += !goal;
		if (strcmp(json_string_value(json_object_get(verdict, "key")), "iommu") == 0)
			assert_string_equal(json_string_value(json_object_get(verdict, "verdict")), "met");
		if (strcmp(json_string_value(json_object_get(verdict, "key")), "dma_escape") == 0)
			assert_string_equal(json_string_value(json_object_get(verdict, "verdict")),
			                    "not measured here");
	}
	assert_int_equal(criteria, 4);
	assert_int_equal(goals, 6);
	json_decref(report);
}

/* Starts a comparison; what it prints is in /tmp/table and /tmp/said. */
static pid_t
start(const char *report, const char *options)
{
	char text[512];
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		snprintf(text, sizeof(text),
		         "exec bulkhead compare nvme %s --quick --runs 1 --report %s %s >/tmp/table 2>/tmp/said", nvme,
		         report, options);
		execl("/bin/sh", "sh", "-c", text, (char *)NULL);
		_exit(127);
	}
	return pid;
}

/* Return: its exit code, or 128 + signal. At most four minutes: other tests may run beside this machine. */
static int
wait_for_end(pid_t pid)
{
	int status = 0;
	for (int i = 0; i < 2400; i++) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		usleep(100000);
	}
	kill(pid, SIGKILL);
	fail_msg("it did not end in time");
	return -1;
}

/* Everything there is, as short as it goes. */
static void
test_whole_comparison(void **state)
{
	(void)state;
	inside_ok("dd if=/dev/zero of=/dev/nvme0n1 bs=1M count=16 && sync");
	int code = wait_for_end(start("/tmp/report", "--duration 100ms --quiet --destructive --serial " SERIAL));
	if (code != 0)
		inside_ok("cat /tmp/table /tmp/said");
	assert_int_equal(code, 0);
	check_report();
	device_is_back();
	inside_ok("grep -q 'randrw-4k-d32' /tmp/table && grep -q emulator /tmp/table && test -s "
	          "/tmp/report/A-randread-4k-d1.hgrm "
	          "&& test -s /tmp/report/B-randwrite-4k-d32.hgrm && test -s /tmp/report/cell.conf");
	inside_ok("cd /tmp/report && grep -q '</html>' report.html && ! grep -qE "
	          "'src=|href=|https?:|<script|<link|url\\(' "
	          "report.html && grep -q 'not measured here' report.html && grep -q emulator report.html");
	/* It did write: the first 16 MiB are not all zero any more. */
	inside_ok("! cmp -s -n 16777216 /dev/nvme0n1 /dev/zero");
}

/* Waits until a file of the report is there: what runs then is known. At most 60 s. */
static void
wait_for_raw(const char *report, const char *what)
{
	inside_ok("for i in $(seq 550); do ls %s/raw 2>/dev/null | grep -q -- %s && exit 0; sleep 0.1; done; cat "
	          "/tmp/said; exit 1",
	          report, what);
}

static void
interrupted(const char *report, const char *what, int signal_number)
{
	pid_t pid = start(report, "--duration 500ms");
	wait_for_raw(report, what);
	usleep(300000);
	kill(pid, signal_number);
	assert_int_equal(wait_for_end(pid), 1);
	inside_ok("grep -q BH-E185 /tmp/said && grep -q '\"complete\": false' %s/report.json && "
	          "grep -q 'not complete' %s/report.html",
	          report, report);
	device_is_back();
}

static void
test_interrupted_with_linux(void **state)
{
	(void)state;
	interrupted("/tmp/int-a", "-A-", SIGINT);
}

static void
test_interrupted_with_the_cell(void **state)
{
	(void)state;
	interrupted("/tmp/int-b", "-B-", SIGTERM);
	/* Tries of half a second: in each case the ways near the best had two. */
	inside_ok("test -n \"$(grep '^tuning' /tmp/said | cut -c1-55 | sort | uniq -d)\"");
}

/* Nothing can be done then; one command puts everything back, by what the journals say. */
static void
test_killed(void **state)
{
	(void)state;
	pid_t pid = start("/tmp/killed", "--duration 100ms");
	wait_for_raw("/tmp/killed", "-B-");
	kill(pid, SIGKILL);
	assert_int_equal(wait_for_end(pid), 128 + SIGKILL);
	inside_ok("for i in $(seq 100); do ps | grep -q '[b]ulkhead run' || exit 0; sleep 0.1; done; exit 1");
	inside_ok("test $(cat " PARAM ") = 1 && test -s /run/bulkhead/compare/%s", nvme);
	refused(1, "bulkhead unbind", nvme);
	inside_ok("rm -rf /tmp/refused; bulkhead compare nvme %s --restore", nvme);
	device_is_back();
}

static int
setup(void **state)
{
	(void)state;
	inside_find("0x0108", 0, nvme);
	set_own_settings();
	inside_ok("mkdir -p /run/bulkhead/compare /run/bulkhead/bind");
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_refusals),
	        cmocka_unit_test(test_device_in_use),
	        cmocka_unit_test(test_without_its_driver),
	        cmocka_unit_test(test_whole_comparison),
	        cmocka_unit_test(test_interrupted_with_linux),
	        cmocka_unit_test(test_interrupted_with_the_cell),
	        cmocka_unit_test(test_killed),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
