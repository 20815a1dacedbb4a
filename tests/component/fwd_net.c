/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/component/fwd_net.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/component/command.h"

#define START_S  20
#define OUT_PATH "/tmp/bh-fwd.out"

const char *fwd_net_bulkhead;
pid_t fwd_net_cell;

static int lock_fd = -1;

int
shell(const char *line, char **out_text)
{
	const char *argv[] = {"/bin/sh", "-c", line, NULL};
	struct command_result result;
	command_run(argv, 300000, &result);
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

void
must(const char *line)
{
	assert_int_equal(shell(line, NULL), 0);
}

void
says(const char *line, const char *wanted)
{
	char *text;
	(void)shell(line, &text);
	if (strstr(text, wanted) == NULL)
		print_error("%s\n%s", line, text);
	assert_non_null(strstr(text, wanted));
	free(text);
}

void
sleep_ms(int ms)
{
	nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000L}, NULL);
}

void
becomes_true_in(const char *line, int wait_s)
{
	char *text;
	for (int ms = 0; ms < wait_s * 1000; ms += 100) {
		int code = shell(line, &text);
		free(text);
		if (code == 0)
			return;
		sleep_ms(100);
	}
	fail_msg("not within %d s: %s", wait_s, line);
}

void
becomes_true(const char *line)
{
	becomes_true_in(line, START_S);
}

static void
clean_up(void)
{
	char *text;
	(void)shell("kill $(cat " FWD_CONFIG_PATH ".pid); for n in " R " " A " " B
	            "; do ip netns del $n; done; rm -f " FWD_CONFIG_PATH "* " OUT_PATH " " FWD_ERR_PATH,
	            &text);
	free(text);
}

/* The namespaces have fixed names: two runs of these tests take turns. */
static void
lock(void)
{
	if (lock_fd < 0)
		lock_fd = open("/tmp/bh-fwd.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(lock_fd >= 0);
	assert_int_equal(flock(lock_fd, LOCK_EX), 0);
}

int
fwd_net_hosts(void **unused)
{
	lock();
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

void
fwd_net_configure(const char *fwd)
{
	FILE *file = fopen(FWD_CONFIG_PATH, "we");
	assert_non_null(file);
	fprintf(file,
	        "[cell]\nname = fwd\napp = fwd\ncpus = auto\narena = 64M\npages = normal\n"
	        "[port wan0]\nbackend = af_xdp\ninterface = ea\n[port wan1]\nbackend = af_xdp\ninterface = eb\n%s",
	        fwd);
	assert_int_equal(fclose(file), 0);
}

void
fwd_net_start(void)
{
	fwd_net_cell = fork();
	assert_true(fwd_net_cell >= 0);
	if (fwd_net_cell == 0) {
		if (freopen(OUT_PATH, "w", stdout) == NULL || freopen(FWD_ERR_PATH, "w", stderr) == NULL)
			_exit(126);
		execlp("ip", "ip", "netns", "exec", R, fwd_net_bulkhead, "run", FWD_CONFIG_PATH, "--json", "--duration",
		       "600s", NULL);
		_exit(127);
	}
	becomes_true("grep -q 'port wan1' " FWD_ERR_PATH);
}

json_t *
fwd_net_stop(void)
{
	kill(fwd_net_cell, SIGINT);
	int code = command_wait_exit(fwd_net_cell, 20000);
	fwd_net_cell = 0;
	if (code != 0)
		(void)shell("cat " OUT_PATH " " FWD_ERR_PATH " >&2; false", NULL);
	assert_int_equal(code, 0);
	json_error_t error;
	json_t *all = json_load_file(OUT_PATH, 0, &error);
	assert_non_null(all);
	json_t *app = json_incref(json_object_get(all, "app"));
	json_decref(all);
	assert_non_null(app);
	return app;
}

int
fwd_net_end(void **unused)
{
	if (fwd_net_cell > 0) {
		kill(fwd_net_cell, SIGKILL);
		(void)command_wait_exit(fwd_net_cell, 5000);
		fwd_net_cell = 0;
	}
	clean_up();
	flock(lock_fd, LOCK_UN);
	return 0;
}

json_int_t
number(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);
	if (!json_is_integer(value))
		fail_msg("no number '%s'", name);
	return json_integer_value(value);
}

/* Each frame that came in is forwarded, given to Linux, or dropped for a reason. */
void
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

void
fwd_net_addresses(void)
{
	becomes_true("ip -n " R " link show p1 up | grep -q LOWER_UP");
	must("set -e; ip -n " R " addr add 10.1.0.1/24 dev p0; ip -n " R " addr add 2001:db8:1::1/64 dev p0 nodad;"
	     "ip -n " R " addr add 10.2.0.1/24 dev p1; ip -n " R " addr add 2001:db8:2::1/64 dev p1 nodad;"
	     "ip -n " A " addr add 10.1.0.2/24 dev far; ip -n " A " addr add 2001:db8:1::2/64 dev far;"
	     "ip -n " B " addr add 10.2.0.2/24 dev far; ip -n " B " addr add 2001:db8:2::2/64 dev far;"
	     "ip -n " A " route add default via 10.1.0.1; ip -n " B " route add default via 10.2.0.1;"
	     "ip -n " A " -6 route add default via 2001:db8:1::1; ip -n " B " -6 route add default via 2001:db8:2::1");
}
