/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "tests/component/command.h"
#include "tests/component/fwd_linux.h"

#define HOPS_MAX FWD_HOPS_MAX
#define LINE     4096u

struct lines {
	char **line;
	size_t cnt, room;
};

static void
lines_add(struct lines *lines, const char *text)
{
	if (lines->cnt == lines->room) {
		lines->room = lines->room == 0 ? 256 : 2 * lines->room;
		lines->line = realloc(lines->line, lines->room * sizeof(char *));
		assert_non_null(lines->line);
	}
	lines->line[lines->cnt] = strdup(text);
	assert_non_null(lines->line[lines->cnt++]);
}

static int
text_order(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sorted, in one text; the lines are gone. */
static char *
lines_join(struct lines *lines)
{
	size_t bytes = 1;
	if (lines->cnt != 0)
		qsort(lines->line, lines->cnt, sizeof(char *), text_order);
	for (size_t i = 0; i < lines->cnt; i++)
		bytes += strlen(lines->line[i]) + 1;
	char *text = malloc(bytes), *at = text;
	assert_non_null(text);
	*at = '\0';
	for (size_t i = 0; i < lines->cnt; i++) {
		at += sprintf(at, "%s\n", lines->line[i]);
		free(lines->line[i]);
	}
	free(lines->line);
	return text;
}

static void
hops_text(char *out, size_t room, char *hop[], size_t hop_cnt)
{
	size_t at = 0;
	qsort(hop, hop_cnt, sizeof(char *), text_order);
	for (size_t i = 0; i < hop_cnt; i++) {
		at += (size_t)snprintf(out + at, room - at, "%s%s", i == 0 ? " " : ", ", hop[i]);
		assert_true(at < room);
		free(hop[i]);
	}
}

/* One route of `ip -j`. */
struct said {
	char prefix[64];
	bool local;
	int64_t metric;
	size_t idx; /* in Linux's order */
	bool usable;
	char *way;
};

static const char *
string_of(json_t *object, const char *key, const char *preset)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text != NULL ? text : preset;
}

static bool
is_port(const struct fwd_linux_ports *ports, const char *name)
{
	for (uint32_t i = 0; i < ports->cnt; i++) {
		if (strcmp(ports->name[i], name) == 0)
			return true;
	}
	return false;
}

static bool
is_dead(json_t *hop)
{
	json_t *flag;
	size_t i;
	json_array_foreach(json_object_get(hop, "flags"), i, flag)
	{
		if (strcmp(json_string_value(flag), "dead") == 0)
			return true;
	}
	return false;
}

/* "" for one that is not ours. */
static char *
hop_text(const struct fwd_linux_ports *ports, json_t *hop)
{
	char text[160];
	const char *device = string_of(hop, "dev", "");
	json_t *via = json_object_get(hop, "via");
	const char *gateway = via != NULL ? string_of(via, "host", "") : string_of(hop, "gateway", "");
	json_t *weight = json_object_get(hop, "weight");
	if (!is_port(ports, device) || json_object_get(hop, "encap") != NULL)
		return strdup("");
	snprintf(text, sizeof(text), "%s%s%s weight %d", device, gateway[0] != '\0' ? " via " : "", gateway,
	         weight != NULL ? (int)json_integer_value(weight) : 1);
	return strdup(text);
}

static void
unicast(const struct fwd_linux_ports *ports, json_t *route, struct said *out)
{
	char *hop[HOPS_MAX];
	size_t hop_cnt = 0, i;
	bool host = false;
	json_t *hops = json_object_get(route, "nexthops"), *one;
	if (hops == NULL && !is_dead(route))
		hop[hop_cnt++] = hop_text(ports, route);
	json_array_foreach(hops, i, one)
	{
		if (!is_dead(one) && hop_cnt < HOPS_MAX)
			hop[hop_cnt++] = hop_text(ports, one);
	}
	for (i = 0; i < hop_cnt; i++)
		host |= hop[i][0] == '\0';
	char way[LINE] = " host";
	out->usable = hop_cnt != 0;
	for (i = 0; i < hop_cnt && host; i++)
		free(hop[i]);
	if (!host) {
		int at = snprintf(way, sizeof(way), " forward");
		hops_text(way + at, sizeof(way) - (size_t)at, hop, hop_cnt);
	}
	out->way = strdup(way);
}

static void
route_said(const struct fwd_linux_ports *ports, json_t *route, bool v6, struct said *out)
{
	const char *dst = string_of(route, "dst", ""), *type = string_of(route, "type", "unicast");
	memset(out, 0, sizeof(*out));
	snprintf(out->prefix, sizeof(out->prefix), "%s%s",
	         strcmp(dst, "default") == 0 ? (v6 ? "::/0" : "0.0.0.0/0") : dst,
	         strchr(dst, '/') != NULL || strcmp(dst, "default") == 0 ? "" : (v6 ? "/128" : "/32"));
	out->local = strcmp(string_of(route, "table", "main"), "local") == 0;
	out->metric = json_integer_value(json_object_get(route, "metric"));
	out->usable = true;
	if (strcmp(type, "unicast") == 0) {
		unicast(ports, route, out);
	} else {
		const char *kind = strcmp(type, "throw") == 0 ? "no_route" : "host";
		if (strcmp(type, "blackhole") == 0 || strcmp(type, "unreachable") == 0 || strcmp(type, "prohibit") == 0)
			kind = type;
		assert_true(asprintf(&out->way, " %s", kind) > 0);
	}
	assert_non_null(out->way);
}

static json_t *
ask_ip(const char *family)
{
	char line[64];
	const char *argv[] = {"/bin/sh", "-c", line, NULL};
	snprintf(line, sizeof(line), "exec ip -j %s route show table all", family);
	struct command_result result;
	json_error_t error;
	command_run(argv, 60000, &result);
	assert_int_equal(result.exit_code, 0);
	json_t *routes = json_loads(result.out[0] != '\0' ? result.out : "[]", 0, &error);
	command_result_free(&result);
	assert_non_null(routes);
	return routes;
}

/* By prefix; then what Linux asks first. */
static int
said_order(const void *a, const void *b)
{
	const struct said *one = a, *other = b;
	int order = strcmp(one->prefix, other->prefix);
	if (order != 0)
		return order;
	if (one->local != other->local)
		return one->local ? -1 : 1;
	if (one->metric != other->metric)
		return one->metric < other->metric ? -1 : 1;
	return one->idx < other->idx ? -1 : 1;
}

static void
best_of(const struct fwd_linux_ports *ports, const char *family, struct lines *lines)
{
	json_t *routes = ask_ip(family), *route;
	size_t cnt = json_array_size(routes), kept = 0, i;
	struct said *said = calloc(cnt + 1, sizeof(*said));
	assert_non_null(said);
	json_array_foreach(routes, i, route)
	{
		route_said(ports, route, strcmp(family, "-6") == 0, &said[kept]);
		said[kept].idx = i;
		if ((!said[kept].local && strcmp(string_of(route, "table", "main"), "main") != 0) || !said[kept].usable)
			free(said[kept].way);
		else
			kept++;
	}
	json_decref(routes);
	qsort(said, kept, sizeof(*said), said_order);
	for (i = 0; i < kept; i++) {
		char line[LINE + 64];
		snprintf(line, sizeof(line), "%s%s", said[i].prefix, said[i].way);
		if (i == 0 || strcmp(said[i].prefix, said[i - 1].prefix) != 0)
			lines_add(lines, line);
	}
	for (i = 0; i < kept; i++)
		free(said[i].way);
	free(said);
}

char *
fwd_linux_routes(const struct fwd_linux_ports *ports)
{
	struct lines lines = {0};
	best_of(ports, "-4", &lines);
	best_of(ports, "-6", &lines);
	return lines_join(&lines);
}

struct of_fib {
	const struct fwd_linux_ports *ports;
	const struct fwd_fib *fib;
	struct lines lines;
};

static void
addr_text(const struct fwd_addr *addr, char *out, size_t room)
{
	assert_non_null(inet_ntop(addr->family == 4 ? AF_INET : AF_INET6, addr->bytes, out, (socklen_t)room));
}

static int
route_line(void *context, const struct fwd_route *route)
{
	static const char *const kind[] = FWD_KIND_NAMES;
	struct of_fib *of = context;
	char line[LINE], addr[INET6_ADDRSTRLEN], *hop[HOPS_MAX];
	addr_text(&route->prefix.addr, addr, sizeof(addr));
	int at = snprintf(line, sizeof(line), "%s/%u %s", addr, route->prefix.len, kind[route->kind]);
	for (uint32_t i = 0; i < route->hop_cnt; i++) {
		char text[160];
		bool on_link = route->hop[i].gateway.family == 0;
		if (!on_link)
			addr_text(&route->hop[i].gateway, addr, sizeof(addr));
		snprintf(text, sizeof(text), "%s%s%s weight %u", of->ports->interface(of->fib, route->hop[i].interface),
		         on_link ? "" : " via ", on_link ? "" : addr, route->hop[i].weight);
		hop[i] = strdup(text);
		assert_non_null(hop[i]);
	}
	hops_text(line + at, sizeof(line) - (size_t)at, hop, route->hop_cnt);
	lines_add(&of->lines, line);
	return 0;
}

char *
fwd_linux_fib(const struct fwd_linux_ports *ports, const struct fwd_fib *fib)
{
	struct of_fib of = {.ports = ports, .fib = fib};
	assert_true(fwd_fib_route_each(fib, route_line, &of) >= 0);
	return lines_join(&of.lines);
}
