/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `bulkhead compare net` on four emulated cards: which cards it refuses, that a short comparison measures each way on both
 * sides, and that all four cards are with the drivers from before: at the end, after Ctrl-C, after kill -9. How fast
 * anything was is not looked at. Arguments: the applications to compare (xconnect, fwd).
 */
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

enum { TX = 0, A = 1, B = 2, RX = 3, CARD_CNT = 4 }; /* by PCI address: TX and A, B and RX share a wire */

static char card[CARD_CNT][16], driver[32], files[64];
static unsigned app_cnt;

static void
driver_of(unsigned idx, char out[32])
{
	char path[64], target[256];
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver", card[idx]);
	ssize_t len = readlink(path, target, sizeof(target) - 1);
	target[len < 0 ? 0 : len] = '\0';
	const char *slash = strrchr(target, '/');
	snprintf(out, 32, "%.31s", slash != NULL ? slash + 1 : "");
}

static const char *
interface_of(unsigned idx, char out[32])
{
	struct command_result result;
	inside_run(&result, "ls -d /sys/bus/pci/devices/%s/net/* /sys/bus/pci/devices/%s/virtio*/net/* 2>/dev/null",
	           card[idx], card[idx]);
	const char *slash = strrchr(result.out, '/');
	assert_non_null(slash);
	snprintf(out, 32, "%.*s", (int)strcspn(slash + 1, "\n"), slash + 1);
	command_result_free(&result);
	return out;
}

/* Each with its driver and its interface, down; nobody's journal, no namespace, no process. */
static void
cards_are_back(void)
{
	char now[32], interface[32];
	for (unsigned i = 0; i < CARD_CNT; i++) {
		driver_of(i, now);
		assert_string_equal(now, driver);
		inside_ok("test $(cat /sys/class/net/%s/operstate) = down", interface_of(i, interface));
	}
	inside_ok("test -z \"$(find /run/bulkhead -type f ! -name '.*')\" && test -z \"$(/lab/ip netns)\"");
}

static void
write_config(const char *path, const char *app, unsigned cpu, unsigned first, unsigned second, const char *more)
{
	FILE *file = fopen(path, "we");
	assert_non_null(file);
	fprintf(file,
	        "[cell]\napp = %s\ncpus = %u\narena = %s\n[port p0]\nbackend = vfio\naddress = %s\n"
	        "[port p1]\nbackend = vfio\naddress = %s\n[%s]\n%s",
	        app, cpu, strcmp(app, "fwd") == 0 ? "64M" : "16M", card[first], card[second], app, more);
	assert_int_equal(fclose(file), 0);
}

static void
refused(const char *id, const char *what)
{
	struct command_result result;
	inside_run(&result, "bulkhead compare net %s --generator /tmp/pktgen.conf --report /tmp/refused", files);
	assert_int_equal(result.exit_code, 4);
	assert_non_null(strstr(result.err, id));
	assert_non_null(strstr(result.err, what));
	command_result_free(&result);
	inside_ok("test ! -e /tmp/refused");
	cards_are_back();
}

static void
cards_in_use_are_refused(void **state)
{
	char interface[32];
	(void)state;
	inside_ok("/lab/ip addr add 192.0.2.1/24 dev %s", interface_of(B, interface));
	refused("BH-E384", "IP address");
	inside_ok("/lab/ip addr flush dev %s && /lab/ip link set %s up", interface, interface);
	struct command_result result;
	inside_run(&result, "bulkhead compare net %s --generator /tmp/pktgen.conf --report /tmp/refused", files);
	assert_int_equal(result.exit_code, 4);
	assert_non_null(strstr(result.err, "ip link set"));
	command_result_free(&result);
	inside_ok(
	        "/lab/ip link set %s down; i=0; while [ $(cat /sys/class/net/%s/operstate) != down ] && [ $i -lt 50 ]; "
	        "do sleep 0.1; i=$((i + 1)); done",
	        interface, interface);
	/* vfio-pci that nobody wrote down: whose card it was is not guessed. */
	inside_bind(card[RX], "vfio-pci");
	inside_run(&result, "bulkhead compare net %s --generator /tmp/pktgen.conf --report /tmp/refused", files);
	assert_int_equal(result.exit_code, 4);
	assert_non_null(strstr(result.err, "does not know its driver"));
	command_result_free(&result);
	inside_bind(card[RX], driver);
	inside_ok("echo > /sys/bus/pci/devices/%s/driver_override; for i in $(seq 50); do ls -d "
	          "/sys/bus/pci/devices/%s/net/* /sys/bus/pci/devices/%s/virtio*/net/* 2>/dev/null | grep -q . && "
	          "exit 0; sleep 0.1; done; exit 1",
	          card[RX], card[RX], card[RX]);
	cards_are_back();
}

/* Starts a comparison; what it prints is in /tmp/table and /tmp/said. */
static pid_t
start(const char *report)
{
	char text[512];
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		snprintf(text, sizeof(text),
		         "exec bulkhead compare net %s --generator /tmp/pktgen.conf --quick --runs 1 --duration 200ms "
		         "--check --report %s >/tmp/table 2>/tmp/said",
		         files, report);
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

static const char *
string_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text != NULL ? text : "";
}

/* Each run of a pair did well, and frames came through. Of Linux's ways one may be impossible here: RPS to an isolated CPU. */
static void
check_runs(const json_t *report)
{
	unsigned cnt[2] = {0}, tried = 0;
	size_t i;
	const json_t *run;
	json_array_foreach(json_object_get(report, "runs"), i, run)
	{
		bool tuning = json_is_true(json_object_get(run, "tuning")),
		     ok = json_is_true(json_object_get(run, "ok"));
		if (tuning && strstr(string_of(run, "way"), "RPS") != NULL)
			continue;
		if (!ok)
			fail_msg("%s, %s: %s", string_of(run, "case"), string_of(run, "way"),
			         string_of(run, "failure"));
		assert_true(json_integer_value(json_object_get(run, "ios")) > 0);
		assert_true(json_object_size(json_object_get(json_object_get(run, "histogram"), "bins")) > 0);
		tried += tuning;
		cnt[strcmp(string_of(run, "side"), "B") == 0] += !tuning;
	}
	assert_true(cnt[0] >= app_cnt && cnt[1] == app_cnt);
	assert_true(tried >= 2 * app_cnt);
}

static void
check_report(void)
{
	json_error_t why;
	json_t *report = json_load_file("/tmp/report/report.json", 0, &why), *verdict;
	size_t i;
	assert_non_null(report);
	assert_true(json_is_true(json_object_get(report, "complete")));
	assert_true(json_is_true(json_object_get(report, "device_given_back")));
	assert_int_equal(json_array_size(json_object_get(report, "cards")), CARD_CNT);
	assert_true(json_object_size(json_object_get(report, "cards_tuned")) >= 8);
	check_runs(report);
	assert_int_equal(json_array_size(json_object_get(report, "verdicts")), 3);
	json_array_foreach(json_object_get(report, "verdicts"), i, verdict)
	{
		if (strcmp(string_of(verdict, "key"), "iommu") == 0)
			assert_string_equal(string_of(verdict, "verdict"), "met");
	}
	/* The driver has no XDP: then the generic one was measured, and the report says so. */
	bool native = strcmp(string_of(report, "xdp"), "in the driver") == 0;
	assert_int_equal(native, strcmp(driver, "e1000e") != 0);
	if (!native && strstr(files, "xconnect") != NULL)
		inside_ok("grep -q 'takes no program of XDP' /tmp/table && grep -q 'XDP redirect, generic' /tmp/said");
	json_decref(report);
}

/* Three cards were with vfio-pci before, by bulkhead's hand: they are so afterwards. The fourth is Linux's. */
static void
a_comparison_measures_both_sides(void **state)
{
	static const unsigned taken[] = {TX, A, B};
	char now[32];
	(void)state;
	inside_ok("bulkhead bind %s %s %s", card[TX], card[A], card[B]);
	int code = wait_for_end(start("/tmp/report"));
	if (code != 0 && code != 3)
		inside_ok("cat /tmp/table /tmp/said; for i in /tmp/report/raw/*.err; do echo \"$i:\"; tail -n 5 $i; "
		          "done");
	assert_true(code == 0 || code == 3);
	check_report();
	for (unsigned i = 0; i < 3; i++) {
		driver_of(taken[i], now);
		assert_string_equal(now, "vfio-pci");
	}
	inside_ok("bulkhead unbind %s %s %s", card[TX], card[A], card[B]);
	cards_are_back();
	inside_ok("test -s /tmp/report/report.html && cat /tmp/table");
}

static void
wait_for_raw(const char *report)
{
	inside_ok("for i in $(seq 550); do ls %s/raw 2>/dev/null | grep -q -- -A- && exit 0; sleep 0.1; done; cat "
	          "/tmp/said; exit 1",
	          report);
}

static void
interrupted_it_gives_back(void **state)
{
	(void)state;
	pid_t pid = start("/tmp/stopped");
	wait_for_raw("/tmp/stopped");
	kill(pid, SIGINT);
	assert_int_equal(wait_for_end(pid), 1);
	inside_ok("grep -q BH-E185 /tmp/said && grep -q '\"complete\": false' /tmp/stopped/report.json");
	cards_are_back();
}

/* Nothing can be done then; one command gives everything back, by what the journals say. */
static void
killed_it_is_restored(void **state)
{
	(void)state;
	pid_t pid = start("/tmp/killed");
	wait_for_raw("/tmp/killed");
	kill(pid, SIGKILL);
	assert_int_equal(wait_for_end(pid), 128 + SIGKILL);
	inside_ok("for i in $(seq 100); do ps | grep -q '[b]ulkhead run\\|[n]et-peer' || exit 0; sleep 0.1; done; exit "
	          "1");
	inside_ok("test -s /run/bulkhead/compare/net && bulkhead compare net --restore");
	cards_are_back();
	inside_ok("bulkhead compare net --restore");
}

static int
setup(void **state)
{
	(void)state;
	inside_ok("modprobe vfio-pci; modprobe vfio_iommu_type1; modprobe tun; modprobe e1000e; modprobe virtio_net; "
	          "mkdir -p /dev/net /run/bulkhead/compare /run/bulkhead/bind; "
	          "[ -e /dev/net/tun ] || mknod /dev/net/tun c 10 200; "
	          "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6; "
	          "echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6");
	for (unsigned i = 0; i < CARD_CNT; i++)
		inside_find("0x020000", i, card[i]);
	driver_of(A, driver);
	write_config("/tmp/xconnect.conf", "xconnect", 2, A, B, "a = p0\nb = p1\n");
	write_config("/tmp/fwd.conf", "fwd", 2, A, B, "");
	/* A rate that an emulated card can take: a flood of a virtio card's makes QEMU stand still. */
	write_config("/tmp/pktgen.conf", "pktgen", 3, TX, RX, "tx = p0\nrx = p1\nflows = 16\nrate = 10000\n");
	return 0;
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest both[] = {
	        cmocka_unit_test(cards_in_use_are_refused),
	        cmocka_unit_test(a_comparison_measures_both_sides),
	};
	/* Endings are the same whatever the applications are. */
	const struct CMUnitTest one[] = {
	        cmocka_unit_test(cards_in_use_are_refused),
	        cmocka_unit_test(a_comparison_measures_both_sides),
	        cmocka_unit_test(interrupted_it_gives_back),
	        cmocka_unit_test(killed_it_is_restored),
	};
	for (int i = 1; i < argc && i < 3; i++) {
		size_t len = strlen(files);
		snprintf(files + len, sizeof(files) - len, " /tmp/%.16s.conf", argv[i]);
		app_cnt++;
	}
	if (app_cnt == 0) {
		fprintf(stderr, "usage: test_compare_net xconnect|fwd...\n");
		return 2;
	}
	return app_cnt == 1 ? cmocka_run_group_tests(one, setup, NULL) : cmocka_run_group_tests(both, setup, NULL);
}
