/* SPDX-License-Identifier: Apache-2.0 */
/* Namespaces and interfaces of a comparison of networks. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/compare/net.h"
#include "host/compare/text.h"

#define G     BH_NET_GENERATOR
#define R     BH_NET_DUT
#define IN(n) "ip netns exec " n " "

static const char *const end[2] = {"ra", "rb"};

void
bh_net_lane_end(void)
{
	struct bh_why why;
	(void)!bh_net_sh(&why, "for n in " G " " R "; do ip netns del $n 2>/dev/null; done; true");
}

static int
make_namespace(const char *name, struct bh_why *why)
{
	return bh_net_sh(why,
	                 "set -e; ip netns add %s; ip -n %s link set lo up;"
	                 "ip netns exec %s sysctl -qw net.ipv6.conf.all.disable_ipv6=1;"
	                 "ip netns exec %s sysctl -qw net.ipv6.conf.default.disable_ipv6=1",
	                 name, name, name, name);
}

/* A's and B's ends are ra and rb; the generator's fa and fb. */
static int
make_pairs(struct bh_net_lane *lane, struct bh_why *why)
{
	int err = make_namespace(G, why);
	if (err == 0)
		err = bh_net_sh(why, "set -e; ip link add fa netns " G " type veth peer name ra netns " R ";"
		                     "ip link add fb netns " G " type veth peer name rb netns " R ";"
		                     "ip -n " G " link set fa up; ip -n " G " link set fb up;"
		                     "ip -n " R " link set ra up; ip -n " R " link set rb up");
	if (err == 0)
		err = bh_net_sh_line(why, lane->near_mac, sizeof(lane->near_mac),
		                     IN(R) "cat /sys/class/net/ra/address");
	if (err == 0)
		err = bh_net_sh_line(why, lane->far_mac, sizeof(lane->far_mac), IN(G) "cat /sys/class/net/fb/address");
	return err;
}

int
bh_net_lane_make(struct bh_net_lane *lane, struct bh_why *why)
{
	bh_net_lane_end();
	int err = make_namespace(R, why);
	if (err == 0)
		err = bh_net_sh(why, IN(R) "sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0"
		                           " net.ipv4.conf.default.rp_filter=0");
	return err != 0 || lane->cards ? err : make_pairs(lane, why);
}

/* What a card cannot do stays as it is, and the report says so. */
static void
tune(struct bh_net_lane *lane, uint32_t idx, const char *what, const char *command)
{
	struct bh_why why = {0};
	char key[64];
	int err = bh_net_sh(&why, IN(R) "sh -c '%s'", command);
	const char *reason = strstr(why.text, "': ");
	snprintf(key, sizeof(key), "%s, %s", lane->address[idx], what);
	if (lane->tuned != NULL)
		json_object_set_new(lane->tuned, key,
		                    json_string(err == 0         ? "yes"
		                                : reason != NULL ? reason + 3
		                                                 : why.text));
}

/* One queue, since each side has one CPU. A card's driver takes most rings of these lengths or the longest that it has. */
static void
tune_card(struct bh_net_lane *lane, uint32_t idx)
{
	static const struct {
		const char *what, *command;
	} setting[] = {
	        {"one queue", "[ $(ls -d /sys/class/net/%s/queues/rx-* | wc -l) = 1 ] || ethtool -L %s combined 1"},
	        {"rings of 4096", "ethtool -G %s rx 4096 tx 4096"},
	        {"no interrupt moderation", "ethtool -C %s rx-usecs 0"},
	};
	for (size_t i = 0; i < BH_ARRAY_CNT(setting); i++) {
		char command[256] = "";
		for (const char *from = setting[i].command, *at; *from != '\0'; from = at) {
			at = strstr(from, "%s");
			size_t len = at != NULL ? (size_t)(at - from) : strlen(from);
			(void)bh_text_add(command, sizeof(command), "%.*s%s", (int)len, from,
			                  at != NULL ? end[idx] : "");
			at = at != NULL ? at + 2 : from + len;
		}
		tune(lane, idx, setting[i].what, command);
	}
}

int
bh_net_lane_enter(struct bh_net_lane *lane, uint32_t idx, struct bh_why *why)
{
	int err = bh_net_sh(why, "set -e; ip link set %s down; ip link set %s netns " R, lane->interface[idx],
	                    lane->interface[idx]);
	if (err != 0)
		return err;
	lane->inside[idx] = true;
	err = bh_net_sh(why, "ip -n " R " link set %s name %s", lane->interface[idx], end[idx]);
	if (err != 0)
		return err;
	tune_card(lane, idx);
	return bh_net_sh(why, "ip -n " R " link set %s up", end[idx]);
}

/* By a name that nothing else has: its own may be another card's by now. A shell's own number names our namespace. */
int
bh_net_lane_leave(struct bh_net_lane *lane, uint32_t idx, struct bh_why *why)
{
	static const char *const name[2] = {"bh-cmp-ra", "bh-cmp-rb"};
	if (!lane->inside[idx])
		return 0;
	int err = bh_net_sh(why,
	                    "set -e; for i in %s %s; do if ip -n " R " link show dev $i >/dev/null 2>&1; then ip -n " R
	                    " link set $i down; ip -n " R " link set $i name %s; fi; done; ip -n " R
	                    " link set %s netns $$",
	                    end[idx], lane->interface[idx], name[idx], name[idx]);
	if (err == 0)
		lane->inside[idx] = false;
	return err;
}

int
bh_net_lane_carrier(struct bh_why *why)
{
	return bh_net_sh(why, IN(R) "sh -c 'for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do "
	                            "[ \"$(cat /sys/class/net/ra/carrier /sys/class/net/rb/carrier 2>/dev/null | "
	                            "tr -d \"\\n\")\" = 11 ] && exit 0; sleep 0.2; done; exit 0'");
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
	return found > 0 ? 0 : bh_net_said(why, -ENOENT, "threaded NAPI", "this kernel made no threads for the ports");
}

int
bh_net_lane_taps(const struct bh_net_lane *lane, const char *a, const char *b, struct bh_why *why)
{
	return bh_net_sh(why,
	                 "set -e; ip -n " R " addr replace 10.1.255.254/16 dev %s; ip -n " R
	                 " addr replace 10.2.255.254/16 dev %s;"
	                 "ip -n " R " neigh replace 10.2.0.1 lladdr %s dev %s nud permanent",
	                 a, b, lane->far_mac, b);
}

/* A card's interrupts; those that the kernel manages by itself refuse. */
static void
steer(const struct bh_net_lane *lane, uint32_t idx, unsigned cpu)
{
	struct bh_why why = {0};
	char key[64];
	int err = bh_net_sh(&why,
	                    "r=0; for i in $(ls /sys/bus/pci/devices/%s/msi_irqs 2>/dev/null || cat "
	                    "/sys/bus/pci/devices/%s/irq); do echo %u > /proc/irq/$i/smp_affinity_list || r=1; done; "
	                    "exit $r",
	                    lane->address[idx], lane->address[idx], cpu);
	snprintf(key, sizeof(key), "%s, interrupts on a CPU of choice", lane->address[idx]);
	if (lane->tuned != NULL)
		json_object_set_new(lane->tuned, key, json_string(err == 0 ? "yes" : "not all of them"));
}

/* Where the way forwards in the interrupt, that is on the CPU of both sides; else it has that CPU for itself. */
static void
steer_both(const struct bh_net_lane *lane, enum bh_net_way way)
{
	bool elsewhere = way == BH_NET_FORWARD_RPS || bh_net_way_threaded(way) || bh_net_way_af_xdp(way);
	steer(lane, 0, elsewhere ? lane->other_cpu : lane->cpu);
	steer(lane, 1, lane->other_cpu);
}

int
bh_net_lane_way(const struct bh_net_lane *lane, enum bh_net_way way, bool routes, struct bh_why *why)
{
	bool threaded = bh_net_way_threaded(way);
	unsigned long mask = way == BH_NET_FORWARD_RPS && lane->cpu < 64 ? 1UL << lane->cpu : 0;
	if (lane->cards && way == BH_NET_WAY_CNT)
		return 0; /* the cards are not Linux's */
	/* NAPI's threads exist while there is NAPI: a veth has it with GRO, or with a program of XDP. */
	int err = bh_net_sh(why,
	                    "set -e; for i in ra rb; do ip -n " R " addr flush dev $i; " IN(
	                            R) "sh -c \"set -e; ethtool -K $i gro on >/dev/null; echo %d > "
	                               "/sys/class/net/$i/threaded;"
	                               " for q in /sys/class/net/$i/queues/rx-*; do echo %lx > \\$q/rps_cpus; done;"
	                               " ethtool -K $i gro %s >/dev/null\"; done",
	                    threaded, mask, threaded ? "on" : "off");
	if (err != 0 && mask != 0 && bh_machine_cpu_isolated(lane->cpu))
		return bh_net_said(why, err, "RPS", "Linux hands no frames to an isolated CPU");
	if (err == 0 && lane->cards)
		steer_both(lane, way);
	if (err == 0 && routes && way != BH_NET_WAY_CNT)
		err = bh_net_lane_taps(lane, "ra", "rb", why);
	return err == 0 && threaded ? bh_net_lane_pin(lane->cpu, why) : err;
}
