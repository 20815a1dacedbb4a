/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports against programs that are not ours: DPDK's testpmd behind vhost-user, and Linux's network stack (ping, iperf3)
 * behind AF_XDP in network namespaces of the test's own. Nothing here looks at how fast anything was.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "tests/component/command.h"

static const char *program;
static char folder[64];

/* A shell line; its output is the caller's to free. Return: its exit code. */
static int
shell(const char *line, char **out_text)
{
	const char *argv[] = {"/bin/sh", "-c", line, NULL};
	struct command_result result;
	command_run(argv, 60000, &result);
	int code = result.exit_code;
	if (out_text != NULL) {
		*out_text = result.out;
		result.out = NULL;
	}
	command_result_free(&result);
	return code;
}

static char *
path_of(const char *name)
{
	static char path[4][128];
	static unsigned next;
	char *out = path[next++ % 4];
	snprintf(out, sizeof(path[0]), "%s/%s", folder, name);
	return out;
}

static void
write_file(const char *name, const char *text)
{
	FILE *file = fopen(path_of(name), "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

/* bulkhead run FILE with overrides; NULL ends the list. Return: the report. */
static json_t *
run(const char *file, const char *duration, const char *const *sets)
{
	const char *argv[40] = {program, "run", path_of(file), "--json", "--duration", duration};
	struct command_result result;
	json_error_t error;
	size_t cnt = 6;
	for (; *sets != NULL; sets++) {
		argv[cnt++] = "--set";
		argv[cnt++] = *sets;
	}
	command_run(argv, 60000, &result);
	if (result.exit_code != 0)
		fail_msg("exit code %d\n%s\n%s", result.exit_code, result.err, result.out);
	json_t *json = json_loads(result.out, 0, &error);
	if (json == NULL)
		fail_msg("not JSON: %s\n%s", error.text, result.out);
	command_result_free(&result);
	return json;
}

static long
number(const json_t *json, const char *key)
{
	const json_t *value = json_object_get(json_object_get(json, "app"), key);
	if (!json_is_number(value))
		fail_msg("no number app.%s", key);
	return (long)json_number_value(value);
}

/* In the background; ended by its id. */
static pid_t
start(const char *const *argv, const char *log)
{
	pid_t pid = fork();
	if (pid == 0) {
		if (freopen(path_of(log), "w", stdout) == NULL || dup2(1, 2) < 0)
			_exit(126);
		execvp(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	assert_true(pid > 0);
	return pid;
}

static void
stop(pid_t pid)
{
	kill(pid, SIGTERM);
	if (command_wait_exit(pid, 10000) == -1)
		kill(pid, SIGKILL);
}

static bool
socket_appears(const char *path)
{
	struct stat status;
	for (int i = 0; i < 300; i++) {
		if (stat(path, &status) == 0 && S_ISSOCK(status.st_mode))
			return true;
		usleep(100000);
	}
	return false;
}

/* testpmd swaps the addresses and sends each frame back. */
static pid_t
testpmd(const char *options)
{
	char vdev[256];
	snprintf(vdev, sizeof(vdev), "net_vhost0,iface=%s,%s", path_of("vhost.sock"), options);
	const char *argv[] = {"dpdk-testpmd",
	                      "--lcores",
	                      "0@0,1@0",
	                      "--no-huge",
	                      "-m",
	                      "256",
	                      "--no-pci",
	                      "--file-prefix",
	                      "bulkhead-test",
	                      "--vdev",
	                      vdev,
	                      "--",
	                      "--nb-cores=1",
	                      "--forward-mode=macswap",
	                      "--auto-start",
	                      "--no-mlockall",
	                      "--stats-period",
	                      "1",
	                      "--total-num-mbufs=8192",
	                      NULL};
	return start(argv, "testpmd.log");
}

static const char vhost_conf[] = "[cell]\napp = pktgen\ncpus = auto\n[port p0]\nbackend = vhost-user\nsocket = %s\n"
                                 "[pktgen]\ntx = p0\nrx = p0\nrate = 20000\ncount = 10000\nsize = imix\nflows = 4\n";

static void
vhost_conf_write(void)
{
	char text[512];
	snprintf(text, sizeof(text), vhost_conf, path_of("vhost.sock"));
	write_file("vhost.conf", text);
}

static void
expect_all_back(const json_t *json)
{
	assert_int_equal(number(json, "sent"), 10000);
	/* testpmd drops what our ring has no room for while the cell does not run; nothing may be damaged. */
	assert_int_equal(number(json, "corrupt"), 0);
	assert_int_equal(number(json, "duplicates"), 0);
	assert_true(number(json, "received") >= 9000);
	assert_int_equal(number(json, "sent"), number(json, "received") + number(json, "lost"));
}

static void
test_testpmd_sends_everything_back(void **state)
{
	static const char *const rings[] = {"port.p0.ring=split", "port.p0.ring=packed"};
	vhost_conf_write();
	pid_t pid = testpmd("queues=1");
	assert_true(socket_appears(path_of("vhost.sock")));
	for (unsigned i = 0; i < 2; i++) {
		const char *sets[] = {rings[i], NULL};
		json_t *json = run("vhost.conf", "20s", sets);
		expect_all_back(json);
		json_decref(json);
	}
	stop(pid);
	unlink(path_of("vhost.sock"));
}

/* We listen and testpmd connects; it goes, and comes again, while the cell runs: link down and up, then frames as before. */
/* Seconds in which frames came back, by the lines that the cell's supervisor prints. */
static long
seconds_with_frames(void)
{
	char *text = NULL, line[160];
	snprintf(line, sizeof(line), "grep -c 'received  *[0-9.]*[1-9]' %s", path_of("cell.txt"));
	(void)shell(line, &text);
	long cnt = text != NULL ? atol(text) : 0;
	free(text);
	return cnt;
}

static void
frames_come_back(void)
{
	long before = seconds_with_frames();
	for (int i = 0; i < 300 && seconds_with_frames() < before + 3; i++)
		usleep(100000);
	assert_true(seconds_with_frames() >= before + 3);
}

static void
test_testpmd_goes_and_comes_again(void **state)
{
	const char *argv[] = {program,          "run",   path_of("vhost.conf"), "--duration",
	                      "100s",           "--set", "port.p0.server=yes",  "--set",
	                      "pktgen.count=0", NULL};
	vhost_conf_write();
	pid_t cell = start(argv, "cell.txt");
	assert_true(socket_appears(path_of("vhost.sock")));
	pid_t pid = testpmd("queues=1,client=1");
	frames_come_back();
	stop(pid);
	pid = testpmd("queues=1,client=1");
	frames_come_back();
	kill(cell, SIGINT);
	assert_int_equal(command_wait_exit(cell, 30000), 0);
	stop(pid);
	/* 0 says that none came changed. */
	char *text = NULL, line[160];
	snprintf(line, sizeof(line), "sed -n 's/^  received  *\\([0-9]*\\) .*/\\1/p' %s", path_of("cell.txt"));
	assert_int_equal(shell(line, &text), 0);
	assert_true(atol(text) > 20000);
	free(text);
}

static void
namespaces_end(void)
{
	(void)shell("ip netns del bh-test1; ip netns del bh-test2; ip link del bh-ta; ip link del bh-tb", NULL);
}

/* Two hosts, each a namespace, on veth pairs whose ends here the cell takes. */
static void
namespaces_make(const char *queues)
{
	char line[1024];
	snprintf(line, sizeof(line),
	         "set -e; ip netns add bh-test1; ip netns add bh-test2;"
	         "ip link add bh-ta %s type veth peer name far %s netns bh-test1;"
	         "ip link add bh-tb %s type veth peer name far %s netns bh-test2; ip link set bh-ta up; ip link set "
	         "bh-tb up;"
	         "ip -n bh-test1 addr add 10.77.0.1/24 dev far; ip -n bh-test1 link set far up;"
	         "ip -n bh-test2 addr add 10.77.0.2/24 dev far; ip -n bh-test2 link set far up;"
	         "ip netns exec bh-test1 ethtool -K far tx off; ip netns exec bh-test2 ethtool -K far tx off",
	         queues, queues, queues, queues);
	namespaces_end();
	if (shell(line, NULL) != 0)
		fail_msg("cannot make network namespaces");
}

static pid_t
af_xdp_start(const char *cpus, const char *queues)
{
	char text[512];
	const char *argv[] = {program, "run", path_of("xdp.conf"), "--json", "--duration", "30s", NULL};
	snprintf(text, sizeof(text),
	         "[cell]\napp = xconnect\ncpus = %s\n[port a]\nbackend = af_xdp\ninterface = bh-ta\nqueues = %s\n"
	         "[port b]\nbackend = af_xdp\ninterface = bh-tb\nqueues = %s\n[xconnect]\na = a\nb = b\n",
	         cpus, queues, queues);
	write_file("xdp.conf", text);
	pid_t cell = start(argv, "xdp.json");
	for (int i = 0; i < 50 && shell("ip -d link show bh-tb | grep -q prog/xdp", NULL) != 0; i++)
		usleep(100000);
	sleep(1);
	return cell;
}

static void
test_linux_talks_through_af_xdp(void **state)
{
	char *text = NULL;
	namespaces_make("");
	pid_t cell = af_xdp_start("auto", "1");
	int ping = shell("ip netns exec bh-test1 ping -c 10 -i 0.1 -W 2 10.77.0.2", NULL);
	(void)shell("ip netns exec bh-test2 iperf3 -s -1 -D; sleep 1", NULL);
	int iperf = shell("ip netns exec bh-test1 timeout 20 iperf3 -c 10.77.0.2 -n 20M -J", &text);
	kill(cell, SIGINT);
	int code = command_wait_exit(cell, 30000);
	/* Nothing is left on the interface. */
	int left = shell("ip -d link show bh-ta | grep -q 'prog/xdp'", NULL);
	namespaces_end();
	assert_int_equal(ping, 0);
	if (iperf != 0)
		fail_msg("iperf3: exit code %d\n%s", iperf, text);
	assert_int_equal(code, 0);
	assert_int_not_equal(left, 0);
	free(text);
}

/*
 * Two cores with a queue each: Linux spreads 40 flows over both, and each datagram comes out on the other side, where
 * its host counts those for which nobody listens.
 */
static void
test_two_queues_of_af_xdp(void **state)
{
	static const char send[] =
	        "ip netns exec bh-test1 bash -c 'for r in 1 2 3 4 5; do for p in $(seq 9000 9039); do"
	        " echo x >/dev/udp/10.77.0.2/$p; done; done' 2>/dev/null; sleep 1;"
	        "ip netns exec bh-test2 nstat -asz UdpNoPorts | awk '/UdpNoPorts/ {print $2}'";
	static const char used[] = "ethtool -S bh-ta | awk '/rx_queue_[01]_xdp_packets:/ && $2 > 0' | wc -l";
	char *arrived = NULL, *queues = NULL;
	namespaces_make("numtxqueues 2 numrxqueues 2");
	pid_t cell = af_xdp_start("0,1", "2");
	/* Both polling cores share their CPUs with Linux: each answer may take a moment. */
	int ping = shell("ip netns exec bh-test1 ping -c 3 -i 0.3 -W 5 10.77.0.2", NULL);
	int sent = shell(send, &arrived), counted = shell(used, &queues);
	kill(cell, SIGINT);
	int code = command_wait_exit(cell, 30000);
	namespaces_end();
	assert_int_equal(ping | sent | counted | code, 0);
	assert_int_equal(atoi(arrived), 200);
	assert_int_equal(atoi(queues), 2);
	free(arrived);
	free(queues);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_linux_talks_through_af_xdp),
	        cmocka_unit_test(test_two_queues_of_af_xdp),
	        cmocka_unit_test(test_testpmd_sends_everything_back),
	        cmocka_unit_test(test_testpmd_goes_and_comes_again),
	};
	if (argc != 2)
		return 2;
	program = argv[1];
	if (geteuid() != 0) {
		fputs("SKIP: needs root: network namespaces, AF_XDP\n", stderr);
		return 77;
	}
	snprintf(folder, sizeof(folder), "/tmp/bulkhead-peers-XXXXXX");
	if (mkdtemp(folder) == NULL)
		return 1;
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	if (failed == 0) {
		char line[128];
		snprintf(line, sizeof(line), "rm -rf %s", folder);
		(void)shell(line, NULL);
	}
	return failed;
}
