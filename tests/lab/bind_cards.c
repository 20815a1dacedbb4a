/* SPDX-License-Identifier: Apache-2.0 */
/* Network cards that something uses: routes, what lies on them, ssh sessions. */
#include <arpa/inet.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/lab/bind.h"

#define DEVICES "/sys/bus/pci/devices"

void
test_card_and_back(void **state)
{
	struct command_result result;
	char mac[64];
	(void)state;
	bind_state_is(bind_card[0], "none (null) no journal"); /* its module is not loaded yet */
	inside_ok("bulkhead bind %s", bind_card[0]);
	bind_given_back(bind_card[0], "none");
	inside_ok("modprobe e1000e");
	inside_run(&result, "cat /sys/class/net/%s/address", bind_interface_of(bind_card[0]));
	snprintf(mac, sizeof(mac), "%.60s", result.out);
	command_result_free(&result);
	inside_ok("bulkhead bind %s", bind_card[0]);
	bind_state_is(bind_card[0], "vfio-pci vfio-pci journal");
	bind_given_back(bind_card[0], "e1000e");
	inside_run(&result, "cat /sys/class/net/%s/address", bind_interface_of(bind_card[0]));
	assert_string_equal(result.out, mac);
	command_result_free(&result);
	/* an override that stood there is there again */
	inside_ok("echo e1000e > " DEVICES "/%s/driver_override", bind_card[0]);
	inside_ok("bulkhead bind %s && bulkhead unbind %s", bind_card[0], bind_card[0]);
	bind_state_is(bind_card[0], "e1000e e1000e no journal");
	inside_ok("echo > " DEVICES "/%s/driver_override", bind_card[0]);
}

void
test_default_route(void **state)
{
	const char *eth = bind_interface_of(bind_card[0]);
	(void)state;
	inside_ok("ip addr add 10.9.0.1/24 dev %s; ip link set %s up", eth, eth);
	inside_ok("ip route add default via 10.9.0.2");
	bind_refused(bind_card[0], "default-route", "carries the IPv4 default route (/proc/net/route)");
	inside_ok("ip route del default; ip route add 0.0.0.0/1 via 10.9.0.2");
	bind_refused(bind_card[0], "default-route", "carries the IPv4 default route");
	inside_ok("ip route del 0.0.0.0/1; ip route add default via 10.9.0.2 table 100");
	bind_refused(bind_card[0], "default-route", "(RTM_GETROUTE)");
	inside_ok("ip route del default table 100; ip -6 route add default dev %s", eth);
	bind_refused(bind_card[0], "default-route", "carries the IPv6 default route (/proc/net/ipv6_route)");
	bind_overridden(bind_card[0], "default-route");
	bind_given_back(bind_card[0], "e1000e");
	(void)bind_interface_of(bind_card[0]);
	inside_ok("bulkhead bind %s", bind_card[0]); /* its routes went with it */
	bind_given_back(bind_card[0], "e1000e");
}

/* The default route on what lies on the card. */
void
test_bond_bridge_vlan(void **state)
{
	const char *eth = bind_interface_of(bind_card[0]);
	(void)state;
	inside_ok("modprobe 8021q; ip link add link %s name lan10 type vlan id 10", eth);
	inside_ok("ip link set %s up; ip addr add 10.10.0.1/24 dev lan10; ip link set lan10 up; ip route add default "
	          "dev lan10",
	          eth);
	bind_refused(bind_card[0], "default-route", "lan10, which lies on eth");
	inside_ok("ip link del lan10; modprobe bridge; brctl addbr br0; brctl addif br0 %s", eth);
	inside_ok("ip addr add 10.11.0.1/24 dev br0; ip link set br0 up; ip route add default dev br0");
	bind_refused(bind_card[0], "default-route", "br0, which lies on eth");
	inside_ok("ip link set br0 down; brctl delbr br0; ip link set %s down; modprobe bonding max_bonds=0", eth);
	inside_ok("echo +bond7 > /sys/class/net/bonding_masters; echo +%s > /sys/class/net/bond7/bonding/slaves", eth);
	inside_ok("ip addr add 10.12.0.1/24 dev bond7; ip link set bond7 up; ip route add default dev bond7");
	bind_refused(bind_card[0], "default-route", "bond7, which lies on eth");
	/* and a VLAN on the bond */
	inside_ok("ip route del default; ip link add link bond7 name lan11 type vlan id 11; ip addr add 10.13.0.1/24 "
	          "dev lan11; "
	          "ip link set lan11 up; ip route add default dev lan11");
	bind_refused(bind_card[0], "default-route", "lan11, which lies on eth");
	inside_ok("ip link del lan11; echo -bond7 > /sys/class/net/bonding_masters");
}

/* A server called sshd on 10.9.0.1:2222, and a client in a network namespace of its own, over the wire to the other card. */
static pid_t
start_server(void)
{
	pid_t child = fork();
	if (child != 0)
		return child;
	struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(2222)};
	int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "sshd");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (const struct sockaddr *)&here, sizeof(here)) != 0 || listen(fd, 1) != 0 ||
	    accept(fd, NULL, NULL) < 0)
		_exit(1);
	FILE *file = fopen("/tmp/session", "w");
	if (file != NULL)
		fclose(file);
	pause();
	_exit(0);
}

static pid_t
start_client(void)
{
	pid_t child = fork();
	if (child != 0)
		return child;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (unshare(CLONE_NEWNET) != 0)
		_exit(1);
	FILE *file = fopen("/tmp/client-ready", "w");
	if (file != NULL)
		fclose(file);
	struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons(2222)};
	inet_pton(AF_INET, "10.9.0.1", &there.sin_addr);
	for (unsigned i = 0; i < 600; i++) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		if (connect(fd, (const struct sockaddr *)&there, sizeof(there)) == 0) {
			pause();
			_exit(0);
		}
		close(fd);
		usleep(50000);
	}
	_exit(1);
}

void
test_ssh_session(void **state)
{
	struct command_result result;
	char near[64], far[64];
	(void)state;
	snprintf(near, sizeof(near), "%s", bind_interface_of(bind_card[0]));
	snprintf(far, sizeof(far), "%s", bind_interface_of(bind_card[1]));
	inside_ok("ip addr add 10.9.0.1/24 dev %s; ip link set %s up", near, near);
	pid_t server = start_server(), client = start_client();
	inside_ok("for i in $(seq 100); do [ -e /tmp/client-ready ] && break; sleep 0.1; done; ip link set %s netns %d",
	          far, (int)client);
	bind_refused(bind_card[1], "no-interface", "it may be in another network namespace");
	inside_ok("nsenter -n -t %d sh -c 'ip addr add 10.9.0.2/24 dev %s; ip link set %s up'", (int)client, far, far);
	inside_ok("for i in $(seq 300); do [ -e /tmp/session ] && break; sleep 0.1; done; [ -e /tmp/session ]");
	bind_refused(bind_card[0], "ssh-session", "carries an ssh session from 10.9.0.2 (/proc/net/tcp, port 2222)");
	kill(server, SIGKILL);
	kill(client, SIGKILL);
	waitpid(server, NULL, 0);
	waitpid(client, NULL, 0);
	inside_run(
	        &result,
	        "SSH_CONNECTION='10.9.0.2 50000 10.9.0.1 22' sh -c 'env -u SSH_CONNECTION bulkhead bind %s; exit $?'",
	        bind_card[0]);
	assert_int_equal(result.exit_code, 4);
	assert_non_null(strstr(result.err, "ssh session from 10.9.0.2 (SSH_CONNECTION in /proc/"));
	command_result_free(&result);
	bind_state_is(bind_card[0], "e1000e (null) no journal");
	inside_ok("bulkhead bind %s", bind_card[0]);
	bind_given_back(bind_card[0], "e1000e");
}

/* virtio: its interface stands below a device of its own, and without virtio_net there is none at all. */
void
test_virtio_card(void **state)
{
	char card[16];
	(void)state;
	inside_find("0x0200", 3, card);
	inside_ok("bulkhead bind %s", card);
	bind_state_is(card, "vfio-pci vfio-pci journal");
	bind_given_back(card, "virtio-pci");
	inside_ok("modprobe virtio_net");
	const char *eth = bind_interface_of(card);
	inside_ok("ip addr add 10.14.0.1/24 dev %s; ip link set %s up; ip route add default via 10.14.0.2", eth, eth);
	bind_refused(card, "default-route", "carries the IPv4 default route (/proc/net/route)");
	inside_ok("ip route del default; unshare -n sh -c 'touch /tmp/away; exec sleep 60' >/dev/null 2>&1 & echo $! > "
	          "/tmp/away-pid; "
	          "for i in $(seq 100); do [ -e /tmp/away ] && break; sleep 0.1; done; "
	          "ip link set %s netns $(cat /tmp/away-pid)",
	          eth);
	bind_refused(card, "no-interface", "its driver is virtio-pci");
	inside_ok("kill $(cat /tmp/away-pid)");
	(void)bind_interface_of(card);
	inside_ok("bulkhead bind %s", card);
	bind_given_back(card, "virtio-pci");
	(void)bind_interface_of(card);
}
