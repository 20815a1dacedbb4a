/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The forwarder between Linux hosts, each in a network namespace that this test makes: the router as ping, traceroute,
 * iperf3 and radvd see it, the switch, and settings that change while frames pass.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "tests/component/command.h"

#define R           "bh-fwd-r"
#define A           "bh-fwd-a"
#define B           "bh-fwd-b"
#define IN(host)    "ip netns exec " host " "
#define START_MS    20000
#define CONFIG_PATH "/tmp/bh-fwd.conf"
#define OUT_PATH    "/tmp/bh-fwd.out"
#define ERR_PATH    "/tmp/bh-fwd.err"

static const char *bulkhead;
static pid_t cell_pid;

static int
shell(const char *line, char **out_text)
{
	const char *argv[] = {"/bin/sh", "-c", line, NULL};
	struct command_result result;
	command_run(argv, 60000, &result);
	int code = result.exit_code;
	if (code != 0 && out_text == NULL)
		print_error("%s\n%s%s", line, result.out, result.err);
	if (out_text != NULL) {
		*out_text = result.out;
		result.out = NULL;
	}
	command_result_free(&result);
	return code;
}

static void
must(const char *line)
{
	assert_int_equal(shell(line, NULL), 0);
}

static void
says(const char *line, const char *wanted)
{
	char *text;
	(void)shell(line, &text);
	if (strstr(text, wanted) == NULL)
		print_error("%s\n%s", line, text);
	assert_non_null(strstr(text, wanted));
	free(text);
}

static void
sleep_ms(int ms)
{
	nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000L}, NULL);
}

static void
becomes_true(const char *line)
{
	char *text;
	for (int ms = 0; ms < START_MS; ms += 100) {
		int code = shell(line, &text);
		free(text);
		if (code == 0)
			return;
		sleep_ms(100);
	}
	fail_msg("not within %d ms: %s", START_MS, line);
}

static void
clean_up(void)
{
	char *text;
	(void)shell("for n in " R " " A " " B "; do ip netns del $n; done; rm -f " CONFIG_PATH " " OUT_PATH
	            " " ERR_PATH,
	            &text);
	free(text);
}

static int
hosts(void **unused)
{
	clean_up();
	must("set -e; for n in " R " " A " " B "; do ip netns add $n; ip -n $n link set lo up; done;"
	     "ip link add ea netns " R " type veth peer name far netns " A ";"
	     "ip link add eb netns " R " type veth peer name far netns " B ";"
	     "for e in ea eb; do ip -n " R " link set $e up; done;"
	     "for n in " A " " B "; do ip netns exec $n sysctl -qw net.ipv6.conf.far.accept_dad=0;"
	     "ip -n $n link set far up; ip netns exec $n ethtool -K far tx off >/dev/null; done;" IN(
	             R) "sysctl -qw"
	                " net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv6.conf.default.accept_dad=0");
	return 0;
}

static void
configure(const char *fwd)
{
	FILE *file = fopen(CONFIG_PATH, "we");
	assert_non_null(file);
	fprintf(file,
	        "[cell]\nname = fwd\napp = fwd\ncpus = auto\narena = 64M\npages = normal\n"
	        "[port wan0]\nbackend = af_xdp\ninterface = ea\n[port wan1]\nbackend = af_xdp\ninterface = eb\n%s",
	        fwd);
	assert_int_equal(fclose(file), 0);
}

static void
cell_start(void)
{
	cell_pid = fork();
	assert_true(cell_pid >= 0);
	if (cell_pid == 0) {
		if (freopen(OUT_PATH, "w", stdout) == NULL || freopen(ERR_PATH, "w", stderr) == NULL)
			_exit(126);
		execlp("ip", "ip", "netns", "exec", R, bulkhead, "run", CONFIG_PATH, "--json", "--duration", "120s",
		       NULL);
		_exit(127);
	}
	becomes_true("grep -q 'port wan1' " ERR_PATH);
}

static json_t *
cell_end(void)
{
	kill(cell_pid, SIGINT);
	int code = command_wait_exit(cell_pid, 20000);
	cell_pid = 0;
	if (code != 0)
		(void)shell("cat " OUT_PATH " " ERR_PATH " >&2; false", NULL);
	assert_int_equal(code, 0);
	json_error_t error;
	json_t *all = json_load_file(OUT_PATH, 0, &error);
	assert_non_null(all);
	json_t *app = json_incref(json_object_get(all, "app"));
	json_decref(all);
	assert_non_null(app);
	return app;
}

static int
end(void **unused)
{
	if (cell_pid > 0) {
		kill(cell_pid, SIGKILL);
		(void)command_wait_exit(cell_pid, 5000);
		cell_pid = 0;
	}
	clean_up();
	return 0;
}

static json_int_t
number(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);
	if (!json_is_integer(value))
		fail_msg("no number '%s'", name);
	return json_integer_value(value);
}

/* Each frame that came in is forwarded, given to Linux, or dropped for a reason. */
static void
assert_adds_up(const json_t *app)
{
	const char *name;
	json_t *value, *port;
	json_int_t in = 0, reasons = 0;
	json_object_foreach(json_object_get(app, "ports"), name, port) in += number(port, "rx_pkts");
	json_object_foreach(json_object_get(app, "reasons"), name, value)
	{
		bool counts = strncmp(name, "lost_", 5) != 0 && strcmp(name, "drop_tx_full") != 0;
		reasons += counts ? json_integer_value(value) : 0;
	}
	assert_int_equal(in, number(app, "forward4") + number(app, "forward6") + reasons);
}

static void
router_addresses(void)
{
	becomes_true("ip -n " R " link show p1 up | grep -q LOWER_UP");
	must("set -e; ip -n " R " addr add 10.1.0.1/24 dev p0; ip -n " R " addr add 2001:db8:1::1/64 dev p0 nodad;"
	     "ip -n " R " addr add 10.2.0.1/24 dev p1; ip -n " R " addr add 2001:db8:2::1/64 dev p1 nodad;"
	     "ip -n " A " addr add 10.1.0.2/24 dev far; ip -n " A " addr add 2001:db8:1::2/64 dev far;"
	     "ip -n " B " addr add 10.2.0.2/24 dev far; ip -n " B " addr add 2001:db8:2::2/64 dev far;"
	     "ip -n " A " route add default via 10.1.0.1; ip -n " B " route add default via 10.2.0.1;"
	     "ip -n " A " -6 route add default via 2001:db8:1::1; ip -n " B " -6 route add default via 2001:db8:2::1");
}

#define ROUTER "[fwd]\n[fwd wan0]\ntap = p0\n[fwd wan1]\ntap = p1\n"

static void
hosts_talk_through_the_router(void **unused)
{
	configure(ROUTER);
	cell_start();
	router_addresses();
	becomes_true(IN(A) "ping -c 1 -W 1 10.2.0.2");
	becomes_true(IN(A) "ping -c 1 -W 1 2001:db8:2::2");
	must(IN(A) "ping -c 50 -i 0.01 -W 2 10.2.0.2");
	must(IN(A) "ping -c 50 -i 0.01 -W 2 2001:db8:2::2");
	/* The router itself answers, and is seen on the way. */
	must(IN(A) "ping -c 5 -i 0.01 -W 2 10.2.0.1");
	says(IN(A) "traceroute -n -w 2 -q 1 10.2.0.2", " 10.1.0.1 ");
	says(IN(A) "traceroute -6 -n -w 2 -q 1 2001:db8:2::2", " 2001:db8:1::1 ");
	says(IN(A) "ping -c 1 -W 2 10.9.9.9", "Net Unreachable");
	must(IN(B) "sh -c 'iperf3 -s -1 -D; sleep 1'");
	must(IN(A) "timeout 30 iperf3 -c 10.2.0.2 -n 20M >/dev/null");
	json_t *app = cell_end();
	assert_adds_up(app);
	assert_true(number(app, "forward4") > 100 + 20 * 1024 * 1024 / 1500);
	assert_true(number(app, "forward6") >= 100);
	assert_true(number(json_object_get(app, "reasons"), "punt_ttl") >= 2);
	assert_true(number(json_object_get(app, "reasons"), "punt_no_route") >= 1);
	assert_int_equal(number(json_object_get(app, "mirror"), "differences"), 0);
	json_decref(app);
	/* What was made here goes with it. */
	says("ip -n " R " -br link", "ea");
	must("! ip -n " R " -br link | grep -q p0");
}

static void
a_smaller_mtu_is_told(void **unused)
{
	must("ip -n " R " link set eb mtu 1280; ip -n " B " link set far mtu 1280");
	configure("[fwd]\n[fwd wan0]\ntap = p0\n[fwd wan1]\ntap = p1\n");
	must("sed -i 's/interface = eb/interface = eb\\nmtu = 1280/' " CONFIG_PATH);
	cell_start();
	router_addresses();
	becomes_true(IN(A) "ping -c 1 -W 1 10.2.0.2");
	becomes_true(IN(A) "ping -c 1 -W 1 2001:db8:2::2");
	says(IN(A) "ping -M do -s 1400 -c 2 -W 2 10.2.0.2 2>&1", "mtu = 1280");
	says("ip -n " A " route get 10.2.0.2", "mtu 1280");
	says(IN(A) "ping -M do -s 1400 -c 2 -W 2 2001:db8:2::2 2>&1", "mtu=1280");
	/* Without the do-not-fragment bit Linux makes pieces. */
	must("ip -n " A " route flush cache");
	must(IN(A) "ping -M dont -s 1400 -c 3 -i 0.1 -W 2 10.2.0.2");
	must(IN(B) "sh -c 'iperf3 -s -1 -D; sleep 1'");
	must(IN(A) "timeout 30 iperf3 -c 10.2.0.2 -n 5M >/dev/null");
	json_t *app = cell_end();
	assert_adds_up(app);
	assert_true(number(json_object_get(app, "reasons"), "punt_mtu") >= 2);
	json_decref(app);
}

static void
hosts_configure_themselves(void **unused)
{
	configure(ROUTER);
	cell_start();
	router_addresses();
	must("ip -n " A " addr flush dev far scope global; ip -n " A
	     " -6 route flush default;" IN(A) "sysctl -qw net.ipv6.conf.far.accept_ra=2; printf 'interface p0 { "
	                                      "AdvSendAdvert on; MinRtrAdvInterval 3;"
	                                      " MaxRtrAdvInterval 4; prefix 2001:db8:1::/64 { }; };' > " CONFIG_PATH
	                                      ".radvd");
	must(IN(R) "radvd -C " CONFIG_PATH ".radvd -p " CONFIG_PATH ".pid -m none");
	becomes_true("ip -n " A " -6 route show default | grep -q 'proto ra'");
	becomes_true(IN(A) "ping -c 1 -W 1 2001:db8:2::2");
	must(IN(A) "ping -c 20 -i 0.01 -W 2 2001:db8:2::2");
	must("kill $(cat " CONFIG_PATH ".pid); rm -f " CONFIG_PATH ".radvd " CONFIG_PATH ".pid");
	json_t *app = cell_end();
	assert_adds_up(app);
	json_decref(app);
}

/* Return: how many frames of a flood of pings were lost while `meanwhile` ran. */
static void
without_loss(const char *target, const char *meanwhile)
{
	char line[512];
	char *text;
	snprintf(line, sizeof(line), IN(A) "ping -q -c 1500 -i 0.002 -W 2 %s & p=$!; %s; wait $p", target, meanwhile);
	int code = shell(line, &text);
	if (code != 0 || strstr(text, "1500 received") == NULL)
		print_error("%s", text);
	assert_int_equal(code, 0);
	assert_non_null(strstr(text, "1500 received"));
	free(text);
}

static void
settings_change_without_a_loss(void **unused)
{
	char meanwhile[256];
	configure(ROUTER);
	cell_start();
	router_addresses();
	becomes_true(IN(A) "ping -c 1 -W 1 10.2.0.2");
	must("sed -i 's/\\[fwd\\]/[fwd]\\nerror_rate = 100/' " CONFIG_PATH);
	snprintf(meanwhile, sizeof(meanwhile), "for i in 1 2 3; do sleep 0.3; kill -HUP %d; done", cell_pid);
	without_loss("10.2.0.2", meanwhile);
	/* The supervisor is confined, and so is each thread that reads what the cell wrote. */
	snprintf(meanwhile, sizeof(meanwhile),
	         "grep -q 'is not confined' " ERR_PATH
	         " || test $(grep -h '^Seccomp:.2' /proc/%d/task/*/status | wc -l)"
	         " = $(ls /proc/%d/task | wc -l)",
	         cell_pid, cell_pid);
	must(meanwhile);
	/* What cannot change is refused by name, and nothing has changed. */
	must("sed -i 's/error_rate = 100/error_rate = 200\\nburst = 8/' " CONFIG_PATH);
	snprintf(meanwhile, sizeof(meanwhile), "kill -HUP %d; sleep 0.5", cell_pid);
	without_loss("10.2.0.2", meanwhile);
	says("cat " ERR_PATH, "[fwd] burst cannot change while the forwarder runs");
	json_t *app = cell_end();
	assert_int_equal(number(app, "reloads"), 3);
	assert_true(number(app, "settings_taken") >= 1);
	assert_adds_up(app);
	json_decref(app);
}

static void
the_switch_joins_hosts_by_vlan(void **unused)
{
	char meanwhile[512];
	must("ip -n " A " addr add 10.3.0.1/24 dev far; ip -n " B " addr add 10.3.0.2/24 dev far");
	configure("[fwd]\nmode = switch\n[fwd wan0]\nnative_vlan = 10\n[fwd wan1]\nnative_vlan = 10\n");
	cell_start();
	becomes_true(IN(A) "ping -c 1 -W 1 10.3.0.2");
	/* Other VLANs come and go beside it. */
	snprintf(meanwhile, sizeof(meanwhile),
	         "for i in 1 2 3; do sleep 0.3; sed -i '/^vlans/d; s/^native_vlan.*/&\\nvlans = 2'$i'/' " CONFIG_PATH
	         "; kill -HUP %d; done",
	         cell_pid);
	without_loss("10.3.0.2", meanwhile);
	/* Apart, and together again. */
	configure("[fwd]\nmode = switch\n[fwd wan0]\nnative_vlan = 10\n[fwd wan1]\nnative_vlan = 11\n");
	assert_int_equal(kill(cell_pid, SIGHUP), 0);
	sleep_ms(500);
	must("! " IN(A) "ping -c 2 -i 0.1 -W 1 10.3.0.2");
	json_t *app = cell_end();
	assert_int_equal(number(app, "reloads"), 4);
	assert_true(number(app, "learned") >= 2);
	assert_true(number(app, "forward") >= 2900);
	json_decref(app);
}

int
main(int argc, char **argv)
{
#define T(name) cmocka_unit_test_setup_teardown(name, hosts, end)
	const struct CMUnitTest tests[] = {
	        T(a_smaller_mtu_is_told),      T(settings_change_without_a_loss), T(hosts_talk_through_the_router),
	        T(hosts_configure_themselves), T(the_switch_joins_hosts_by_vlan),
	};
	if (argc != 2) {
		fprintf(stderr, "usage: test_fwd BULKHEAD\n");
		return 2;
	}
	bulkhead = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
