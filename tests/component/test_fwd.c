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

#include "tests/component/fwd_net.h"

static void
hosts_talk_through_the_router(void **unused)
{
	fwd_net_configure(FWD_ROUTER);
	fwd_net_start();
	fwd_net_addresses();
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
	json_t *app = fwd_net_stop();
	assert_adds_up(app);
	/* iperf3 ends with megabytes in its socket that nobody waits for. */
	assert_true(number(app, "forward4") > 100 + 10 * 1024 * 1024 / 1500);
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
	fwd_net_configure("[fwd]\n[fwd wan0]\ntap = p0\n[fwd wan1]\ntap = p1\n");
	must("sed -i 's/interface = eb/interface = eb\\nmtu = 1280/' " FWD_CONFIG_PATH);
	fwd_net_start();
	fwd_net_addresses();
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
	json_t *app = fwd_net_stop();
	assert_adds_up(app);
	assert_true(number(json_object_get(app, "reasons"), "punt_mtu") >= 2);
	json_decref(app);
}

static void
hosts_configure_themselves(void **unused)
{
	fwd_net_configure(FWD_ROUTER);
	fwd_net_start();
	fwd_net_addresses();
	must("ip -n " A " addr flush dev far scope global; ip -n " A
	     " -6 route flush default;" IN(A) "sysctl -qw net.ipv6.conf.far.accept_ra=2; printf 'interface p0 { "
	                                      "AdvSendAdvert on; MinRtrAdvInterval 3;"
	                                      " MaxRtrAdvInterval 4; prefix 2001:db8:1::/64 { }; };' > " FWD_CONFIG_PATH
	                                      ".radvd");
	must(IN(R) "radvd -C " FWD_CONFIG_PATH ".radvd -p " FWD_CONFIG_PATH ".pid -m none");
	becomes_true("ip -n " A " -6 route show default | grep -q 'proto ra'");
	becomes_true(IN(A) "ping -c 1 -W 1 2001:db8:2::2");
	must(IN(A) "ping -c 20 -i 0.01 -W 2 2001:db8:2::2");
	must("kill $(cat " FWD_CONFIG_PATH ".pid); rm -f " FWD_CONFIG_PATH ".radvd " FWD_CONFIG_PATH ".pid");
	json_t *app = fwd_net_stop();
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
	fwd_net_configure(FWD_ROUTER);
	fwd_net_start();
	fwd_net_addresses();
	becomes_true(IN(A) "ping -c 1 -W 1 10.2.0.2");
	must("sed -i 's/\\[fwd\\]/[fwd]\\nerror_rate = 100/' " FWD_CONFIG_PATH);
	snprintf(meanwhile, sizeof(meanwhile), "for i in 1 2 3; do sleep 0.3; kill -HUP %d; done", fwd_net_cell);
	without_loss("10.2.0.2", meanwhile);
	/* The supervisor is confined, and so is each thread that reads what the cell wrote. */
	snprintf(meanwhile, sizeof(meanwhile),
	         "grep -q 'is not confined' " FWD_ERR_PATH
	         " || test $(grep -h '^Seccomp:.2' /proc/%d/task/*/status | wc -l)"
	         " = $(ls /proc/%d/task | wc -l)",
	         fwd_net_cell, fwd_net_cell);
	must(meanwhile);
	/* What cannot change is refused by name, and nothing has changed. */
	must("sed -i 's/error_rate = 100/error_rate = 200\\nburst = 8/' " FWD_CONFIG_PATH);
	snprintf(meanwhile, sizeof(meanwhile), "kill -HUP %d; sleep 0.5", fwd_net_cell);
	without_loss("10.2.0.2", meanwhile);
	says("cat " FWD_ERR_PATH, "[fwd] burst cannot change while the forwarder runs");
	json_t *app = fwd_net_stop();
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
	fwd_net_configure("[fwd]\nmode = switch\n[fwd wan0]\nnative_vlan = 10\n[fwd wan1]\nnative_vlan = 10\n");
	fwd_net_start();
	becomes_true(IN(A) "ping -c 1 -W 1 10.3.0.2");
	/* Other VLANs come and go beside it. */
	snprintf(
	        meanwhile, sizeof(meanwhile),
	        "for i in 1 2 3; do sleep 0.3; sed -i '/^vlans/d; s/^native_vlan.*/&\\nvlans = 2'$i'/' " FWD_CONFIG_PATH
	        "; kill -HUP %d; done",
	        fwd_net_cell);
	without_loss("10.3.0.2", meanwhile);
	/* Apart, and together again. */
	fwd_net_configure("[fwd]\nmode = switch\n[fwd wan0]\nnative_vlan = 10\n[fwd wan1]\nnative_vlan = 11\n");
	assert_int_equal(kill(fwd_net_cell, SIGHUP), 0);
	sleep_ms(500);
	must("! " IN(A) "ping -c 2 -i 0.1 -W 1 10.3.0.2");
	json_t *app = fwd_net_stop();
	assert_int_equal(number(app, "reloads"), 4);
	assert_true(number(app, "learned") >= 2);
	assert_true(number(app, "forward") >= 2900);
	json_decref(app);
}

int
main(int argc, char **argv)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fwd_net_hosts, fwd_net_end)
	const struct CMUnitTest tests[] = {
	        T(a_smaller_mtu_is_told),      T(settings_change_without_a_loss), T(hosts_talk_through_the_router),
	        T(hosts_configure_themselves), T(the_switch_joins_hosts_by_vlan),
	};
	if (argc != 2) {
		fprintf(stderr, "usage: test_fwd BULKHEAD\n");
		return 2;
	}
	fwd_net_bulkhead = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
