/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A network card must not take away the way to the machine: the default route, also over a bond, bridge, VLAN, macvlan or team
 * that lies on the card. bind_ssh.c looks for sessions.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/device/bind_private.h"

#define RTF_UP     0x1ul
#define RTF_REJECT 0x200ul
#define ROUTES_MAX 64

static void
name_default(struct bh_bind_scope *scope, const char *interface, const char *family, const char *where)
{
	char text[2 * BH_SYS_NAME_BYTES + 40];
	const struct bh_bind_net *net = bh_bind_net_name(scope, interface);
	if (net != NULL)
		bh_bind_add(&scope->findings, "default-route", "%s carries the %sdefault route (%s)",
		            bh_bind_net_text(net, text), family, where);
}

/* "eth0 00000000 0202000A 0003 0 0 0 00000000 ...": a prefix of one bit (80000000, little-endian) is half of a default route. */
static void
look_at_ipv4(struct bh_bind_scope *scope, char *line)
{
	char *field[8];
	for (size_t i = 0; i < BH_ARRAY_CNT(field); i++) {
		if ((field[i] = bh_bind_field(&line)) == NULL)
			return;
	}
	unsigned long flags = strtoul(field[3], NULL, 16);
	if ((strcmp(field[7], "00000000") == 0 || strcmp(field[7], "00000080") == 0) && (flags & RTF_UP) != 0 &&
	    (flags & RTF_REJECT) == 0)
		name_default(scope, field[0], "IPv4 ", "/proc/net/route");
}

/* "dest plen source plen gateway metric refs use flags interface". */
static void
look_at_ipv6(struct bh_bind_scope *scope, char *line)
{
	char *field[10];
	for (size_t i = 0; i < BH_ARRAY_CNT(field); i++) {
		if ((field[i] = bh_bind_field(&line)) == NULL)
			return;
	}
	unsigned long flags = strtoul(field[8], NULL, 16);
	if ((strcmp(field[1], "00") == 0 || strcmp(field[1], "01") == 0) && (flags & RTF_UP) != 0 &&
	    (flags & RTF_REJECT) == 0)
		name_default(scope, field[9], "IPv6 ", "/proc/net/ipv6_route");
}

static void
look_at_file(struct bh_bind_scope *scope, const char *file, void (*look)(struct bh_bind_scope *, char *))
{
	char *text, *rest;
	int64_t len = bh_sys_load(&text, scope->root, "%s", file);
	if (len < 0) {
		if (len != -ENOENT) /* a kernel without that protocol */
			bh_bind_add(&scope->findings, "unreadable", "%s: %s", file, strerror((int)-len));
		return;
	}
	for (char *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest))
		look(scope, line);
	free(text);
}

/* The files have the main table only (IPv4); the kernel's answer has every table. */
static void
look_at_tables(struct bh_bind_scope *scope)
{
	char interface[ROUTES_MAX][BH_SYS_NAME_BYTES];
	int cnt = bh_bind_ops->default_routes(interface, ROUTES_MAX);
	if (cnt < 0) {
		bh_bind_add(&scope->findings, "unreadable", "the routing tables cannot be read (rtnetlink): %s",
		            strerror(-cnt));
		return;
	}
	for (int i = 0; i < cnt; i++) {
		if (!bh_bind_has(&scope->findings, "default-route"))
			name_default(scope, interface[i], "", "RTM_GETROUTE");
	}
}

/* virtio-pci drives the way to the card only: while no driver has the virtio device behind it, Linux has no interface of it anywhere. */
static bool
is_idle_virtio(const struct bh_bind_scope *scope)
{
	struct bh_sys_names entries;
	char driver[BH_SYS_NAME_BYTES];
	unsigned idle_cnt = 0, cnt = 0;
	if (strcmp(scope->device.driver, "virtio-pci") != 0 ||
	    bh_sys_list(&entries, scope->root, "/sys/bus/pci/devices/%s", scope->device.address) != 0)
		return false;
	for (size_t i = 0; i < entries.cnt; i++) {
		const char *name = entries.name[i];
		if (strncmp(name, "virtio", 6) != 0)
			continue;
		cnt++;
		idle_cnt += bh_sys_link_name(driver, sizeof(driver), scope->root, "/sys/bus/pci/devices/%s/%s/driver",
		                             scope->device.address, name) == -ENOENT;
	}
	bh_sys_names_free(&entries);
	return cnt > 0 && idle_cnt == cnt;
}

static bool
has_no_interface(const char *driver)
{
	return driver[0] == '\0' || strcmp(driver, BH_BIND_DRIVER) == 0 || strncmp(driver, "uio_", 4) == 0 ||
	       strncmp(driver, "igb_uio", 7) == 0 || strcmp(driver, "pci-stub") == 0;
}

/* Addresses are no reason to refuse: a card that nothing depends on has them, too. */
static void
note_addresses(struct bh_bind_scope *scope)
{
	static struct bh_bind_if_address address[1024]; /* one thread */
	char text[2 * BH_SYS_NAME_BYTES + 40];
	int cnt = bh_bind_ops->addresses(address, BH_ARRAY_CNT(address));
	for (size_t i = 0; i < scope->net_cnt; i++) {
		int own = 0;
		for (int j = 0; j < cnt; j++)
			own += strcmp(address[j].interface, scope->net[i].name) == 0;
		if (own > 0)
			bh_bind_add(&scope->notes, "addresses", "%s has %d IP address%s, which go with it",
			            bh_bind_net_text(&scope->net[i], text), own, own == 1 ? "" : "es");
	}
}

void
bh_bind_guard_net(struct bh_bind_scope *scope)
{
	if (scope->net_cnt == 0) {
		if (scope->device.class >> 16 == 0x02 && !has_no_interface(scope->device.driver) &&
		    !is_idle_virtio(scope))
			bh_bind_add(&scope->findings, "no-interface",
			            "its driver is %s, and no network interface of it shows here (/sys/class/net): it "
			            "may be in "
			            "another network namespace",
			            scope->device.driver);
		return;
	}
	look_at_file(scope, "/proc/net/route", look_at_ipv4);
	look_at_file(scope, "/proc/net/ipv6_route", look_at_ipv6);
	look_at_tables(scope);
	note_addresses(scope);
}
