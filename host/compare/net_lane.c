/* SPDX-License-Identifier: Apache-2.0 */
/* Namespaces, interfaces and processes of a comparison of networks. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "host/compare/net.h"
#include "host/compare/program.h"
#include "host/compare/text.h"

#define G        BH_NET_GENERATOR
#define R        BH_NET_DUT
#define READY_MS 20000
#define END_MS   20000
#define STEP_MS  20

static int
said(struct bh_why *why, int err, const char *what, const char *reason)
{
	snprintf(why->text, sizeof(why->text), "%.100s: %.140s", what, reason);
	return err;
}

int
bh_net_sh(struct bh_why *why, const char *format, ...)
{
	char line[2048], err_path[] = "/tmp/bulkhead-compare-sh.XXXXXX", text[160] = "";
	va_list args;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	const char *argv[] = {"/bin/sh", "-c", line, NULL};
	int fd = mkstemp(err_path), exit_code = -1;
	if (fd < 0)
		return said(why, -errno, "a temporary file", strerror(errno));
	close(fd);
	int err = bh_program_run(argv, "/dev/null", err_path, UINT64_C(30000000000), &exit_code);
	bh_text_last_words(err_path, text, sizeof(text));
	unlink(err_path);
	if (err != 0)
		return said(why, err, line, strerror(-err));
	return exit_code == 0 ? 0 : said(why, -EIO, line, text);
}

void
bh_net_lane_end(void)
{
	struct bh_why why;
	(void)!bh_net_sh(&why, "for n in " G " " R "; do ip netns del $n 2>/dev/null; done; true");
}

/* A's and B's ends are ra and rb; the generator's fa and fb. */
int
bh_net_lane_make(struct bh_why *why)
{
	bh_net_lane_end();
	return bh_net_sh(why, "set -e; for n in " G " " R "; do ip netns add $n; ip -n $n link set lo up; done;"
	                      "ip link add fa netns " G " type veth peer name ra netns " R ";"
	                      "ip link add fb netns " G " type veth peer name rb netns " R ";"
	                      "for n in " G " " R "; do ip netns exec $n sysctl -qw net.ipv6.conf.all.disable_ipv6=1;"
	                      "ip netns exec $n sysctl -qw net.ipv6.conf.default.disable_ipv6=1; done;"
	                      "ip netns exec " R " sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0"
	                      " net.ipv4.conf.default.rp_filter=0;"
	                      "ip -n " G " link set fa up; ip -n " G " link set fb up;"
	                      "ip -n " R " link set ra up; ip -n " R " link set rb up");
}

int
bh_net_mac(const char *interface, char out[18], struct bh_why *why)
{
	char line[128], text[32] = "";
	snprintf(line, sizeof(line), "ip netns exec " R " cat /sys/class/net/%s/address", interface);
	FILE *stream = popen(line, "re");
	if (stream == NULL)
		return said(why, -errno, line, strerror(errno));
	bool got = fgets(text, sizeof(text), stream) != NULL;
	if (pclose(stream) != 0 || !got || strlen(text) < 17)
		return said(why, -EIO, line, "no address");
	memcpy(out, text, 17);
	out[17] = '\0';
	return 0;
}

/* NAPI's threads of both ports belong on the CPU that the cell would get. */
int
bh_net_lane_pin(unsigned cpu, struct bh_why *why)
{
	DIR *dir = opendir("/proc");
	cpu_set_t set;
	int found = 0;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
		char path[300], name[32];
		bh_text_path(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		if (!isdigit((unsigned char)entry->d_name[0]) || bh_text_file(name, sizeof(name), path) != 0)
			continue;
		if (strncmp(name, "napi/ra-", 8) == 0 || strncmp(name, "napi/rb-", 8) == 0)
			found += sched_setaffinity(atoi(entry->d_name), sizeof(set), &set) == 0;
	}
	if (dir != NULL)
		closedir(dir);
	return found > 0 ? 0 : said(why, -ENOENT, "threaded NAPI", "this kernel made no threads for the ports");
}

static int
addresses(const char *a, const char *b, struct bh_why *why)
{
	return bh_net_sh(why,
	                 "set -e; ip -n " R " addr replace 10.1.255.254/16 dev %s; ip -n " R
	                 " addr replace 10.2.255.254/16 dev %s;"
	                 "mac=$(ip netns exec " G " cat /sys/class/net/fb/address); ip -n " R
	                 " neigh replace 10.2.0.1 lladdr $mac dev %s nud permanent",
	                 a, b, b);
}

int
bh_net_lane_taps(struct bh_why *why)
{
	return addresses("p0", "p1", why);
}

int
bh_net_lane_way(enum bh_net_way way, bool routes, unsigned cpu, struct bh_why *why)
{
	bool threaded = way == BH_NET_FORWARD_THREADED || way == BH_NET_XDP_THREADED;
	unsigned long mask = way == BH_NET_FORWARD_RPS && cpu < 64 ? 1UL << cpu : 0;
	/* NAPI's threads exist while there is NAPI: a veth has it with GRO, or with a program of XDP. */
	int err =
	        bh_net_sh(why,
	                  "set -e; for i in ra rb; do ip -n " R " addr flush dev $i; ip netns exec " R
	                  " sh -c \"ethtool -K $i gro on >/dev/null; echo %d > /sys/class/net/$i/threaded;"
	                  " echo %lx > /sys/class/net/$i/queues/rx-0/rps_cpus; ethtool -K $i gro %s >/dev/null\"; done",
	                  threaded, mask, threaded ? "on" : "off");
	if (err == 0 && routes && way != BH_NET_WAY_CNT)
		err = addresses("ra", "rb", why);
	return err == 0 && threaded ? bh_net_lane_pin(cpu, why) : err;
}

static void
child(const char *const *argv, const struct bh_net_process *process)
{
	int out = open(process->out_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	int err = open(process->err_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (out < 0 || err < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0)
		_exit(126);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	execvp(argv[0], (char *const *)(uintptr_t)argv);
	_exit(127);
}

static bool
has_text(const char *path, const char *wanted)
{
	char *text = NULL;
	size_t bytes;
	bool found = bh_text_read_all(path, 1u << 20, &text, &bytes) == 0 && strstr(text, wanted) != NULL;
	free(text);
	return found;
}

static void
sleep_ms(int ms)
{
	nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000L}, NULL);
}

int
bh_net_spawn(const char *const *argv, const char *ready, struct bh_net_process *process, struct bh_why *why)
{
	char text[160] = "";
	process->pid = fork();
	if (process->pid < 0)
		return said(why, -errno, argv[0], strerror(errno));
	if (process->pid == 0)
		child(argv, process);
	for (int ms = 0; ms < READY_MS; ms += STEP_MS) {
		if (has_text(process->out_path, ready))
			return 0;
		if (bh_program_stopped())
			return -EINTR;
		if (waitpid(process->pid, NULL, WNOHANG) == process->pid) {
			process->pid = 0;
			bh_text_last_words(process->err_path, text, sizeof(text));
			return said(why, -EIO, "it ended before it was ready", text);
		}
		sleep_ms(STEP_MS);
	}
	return said(why, -ETIMEDOUT, ready, "it did not get ready");
}

int
bh_net_stop(struct bh_net_process *process, struct bh_why *why)
{
	char text[160] = "";
	int status = 0;
	if (process->pid == 0)
		return 0;
	kill(process->pid, SIGINT);
	for (int ms = 0; waitpid(process->pid, &status, WNOHANG) == 0; ms += STEP_MS) {
		if (ms == END_MS)
			kill(process->pid, SIGKILL);
		sleep_ms(STEP_MS);
	}
	process->pid = 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	bh_text_last_words(process->err_path, text, sizeof(text));
	return said(why, -EIO, "what forwards did not end well", text);
}
