/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FRR beside the router: two BGP neighbours announce a table to the FRR of the router's namespace, over the router's own
 * ports. After announcements, flaps and withdrawals the cell's tables (the very memory that it reads) are compared with
 * the kernel's routes, prefix by prefix, and the other way round. The configuration files are those of examples/frr.
 * BULKHEAD_FRR_ROUTES=1000000 makes it a full table.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "apps/fwd/table.h"
#include "tests/component/fwd_net.h"
#include "tests/xorshift.h"

#define DIR_PATH    "/tmp/bh-frr"
#define ROUTE_CNT   20000u
#define ROUTE6_PART 4u /* a quarter as many IPv6 routes */
#define PORT_CNT    2u

static const char *examples;
static uint64_t route_cnt = ROUTE_CNT;
static struct fwd_tables tables;
static void *tables_memory;
static uint64_t tables_bytes;
static uint64_t peer_mac[PORT_CNT];

static void
frr_start(const char *host, const char *config)
{
	/* zebra loses what the kernel tells when its socket's buffer is full. */
	static const char *const daemons[] = {"zebra", "bgpd"}, *const more[] = {"-s 134217728", ""};
	char line[1024];
	snprintf(line, sizeof(line), "mkdir -p %s/%s && cp %s/frr/%s %s/%s/frr.conf && chown -R frr:frr %s/%s",
	         DIR_PATH, host, examples, config, DIR_PATH, host, DIR_PATH, host);
	must(line);
	for (size_t i = 0; i < 2; i++) {
		snprintf(line, sizeof(line),
		         "cd " DIR_PATH "/%s && ip netns exec %s /usr/lib/frr/%s -d -A 127.0.0.1 -P 0 -i $PWD/%s.pid"
		         " -z $PWD/zserv.api --vty_socket $PWD --log file:$PWD/%s.log -f $PWD/frr.conf %s >/dev/null "
		         "2>&1",
		         host, host, daemons[i], daemons[i], daemons[i], more[i]);
		must(line);
	}
}

static void
frr_kill(const char *host, const char *daemon, const char *signal_name)
{
	char line[256], *text;
	snprintf(line, sizeof(line), "kill -%s $(cat " DIR_PATH "/%s/%s.pid)", signal_name, host, daemon);
	(void)shell(line, &text);
	free(text);
}

static int
frr_end(void **state)
{
	static const char *const host[] = {A, B, R};
	char *text;
	for (size_t i = 0; i < 3; i++) {
		frr_kill(host[i], "bgpd", "KILL");
		frr_kill(host[i], "zebra", "KILL");
	}
	if (tables_memory != NULL)
		munmap(tables_memory, tables_bytes);
	tables_memory = NULL;
	(void)shell("rm -rf " DIR_PATH, &text);
	free(text);
	return fwd_net_end(state);
}

static uint64_t state = XORSHIFT_START;

static uint64_t
draw(void)
{
	return xorshift64(&state);
}

/* The same prefixes for both neighbours; a place that is drawn twice is one route (`ip route replace`). */
static void
write_routes(void)
{
	static const uint8_t len4[] = {24, 24, 24, 24, 24, 24, 23, 22, 22, 21, 20, 19, 18, 16};
	static const uint8_t len6[] = {48, 48, 48, 48, 44, 40, 36, 32};
	FILE *v4 = fopen(DIR_PATH "/v4", "we"), *v6 = fopen(DIR_PATH "/v6", "we");
	assert_true(v4 != NULL && v6 != NULL);
	for (uint64_t i = 0; i < route_cnt; i++) {
		uint8_t len = len4[draw() % sizeof(len4)];
		struct in_addr addr = {
		        htonl((uint32_t)(11u << 24 | draw() % (180u << 24)) & ~UINT32_C(0) << (32 - len))};
		char text[INET6_ADDRSTRLEN];
		fprintf(v4, "route replace blackhole %s/%u proto 77\n", inet_ntop(AF_INET, &addr, text, sizeof(text)),
		        len);
		if (i % ROUTE6_PART != 0)
			continue;
		len = len6[draw() % sizeof(len6)];
		uint64_t high =
		        (UINT64_C(0x2a00) << 48 | (draw() & UINT64_C(0xfffffffff) << 12)) & ~UINT64_C(0) << (64 - len);
		uint64_t net[2] = {__builtin_bswap64(high), 0};
		fprintf(v6, "route replace blackhole %s/%u proto 77\n", inet_ntop(AF_INET6, net, text, sizeof(text)),
		        len);
	}
	assert_int_equal(fclose(v4), 0);
	assert_int_equal(fclose(v6), 0);
}

/* The memory that the cell reads: the supervisor's memfd. */
static void
tables_map(void)
{
	char folder[64], path[400], target[256];
	snprintf(folder, sizeof(folder), "/proc/%d/fd", fwd_net_cell);
	DIR *dir = opendir(folder);
	int fd = -1;
	struct stat facts;
	assert_non_null(dir);
	for (struct dirent *entry; fd < 0 && (entry = readdir(dir)) != NULL;) {
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		ssize_t bytes = readlink(path, target, sizeof(target) - 1);
		target[bytes > 0 ? bytes : 0] = '\0';
		if (strncmp(target, "/memfd:bulkhead-fwd ", 20) == 0)
			fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	closedir(dir);
	assert_true(fd >= 0 && fstat(fd, &facts) == 0);
	tables_bytes = (uint64_t)facts.st_size;
	tables_memory = mmap(NULL, tables_bytes, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	assert_true(tables_memory != MAP_FAILED);
	assert_int_equal(fwd_tables_open(tables_memory, tables_bytes, &tables), 0);
}

struct route {
	uint64_t first, last; /* the first 64 bits, host order */
	uint8_t len;
	uint8_t ports; /* bit n: by port n */
};

struct list {
	struct route *route;
	size_t cnt, room;
};

static void
parse_route(char *line, bool v6, struct list *list)
{
	uint8_t bytes[16] = {0};
	char *rest = strchr(line, ' ');
	if (rest == NULL)
		return;
	*rest++ = '\0';
	char *slash = strchr(line, '/');
	unsigned len = slash != NULL ? (unsigned)atoi(slash + 1) : v6 ? 128 : 32;
	if (slash != NULL)
		*slash = '\0';
	if (len > 64 || inet_pton(v6 ? AF_INET6 : AF_INET, line, bytes) != 1)
		fail_msg("not a route: %s %s", line, rest);
	if (list->cnt == list->room) {
		list->room = list->room == 0 ? 4096 : list->room * 2;
		list->route = realloc(list->route, list->room * sizeof(*list->route));
		assert_non_null(list->route);
	}
	struct route *route = &list->route[list->cnt++];
	*route = (struct route){.len = (uint8_t)len};
	for (int i = 0; i < 8; i++)
		route->first = route->first << 8 | bytes[i];
	route->last = route->first | (len == 64 ? 0 : ~UINT64_C(0) >> len);
	route->ports = (uint8_t)((strstr(rest, "dev p0") != NULL) | (strstr(rest, "dev p1") != NULL) << 1);
}

/* BGP's routes in the router's kernel. */
static struct list
kernel_routes(bool v6)
{
	char line[4096];
	struct list list = {0};
	snprintf(line, sizeof(line), "ip -n " R " %s -o route show proto bgp", v6 ? "-6" : "");
	FILE *ip = popen(line, "re");
	assert_non_null(ip);
	while (fgets(line, sizeof(line), ip) != NULL)
		parse_route(line, v6, &list);
	assert_int_equal(pclose(ip), 0);
	return list;
}

static int
by_first(const void *a, const void *b)
{
	const struct route *one = a, *other = b;
	return one->first != other->first ? (one->first < other->first ? -1 : 1) : (int)other->len - one->len;
}

static int
by_last(const void *a, const void *b)
{
	const struct route *one = a, *other = b;
	return one->last != other->last ? (one->last < other->last ? -1 : 1) : (int)other->len - one->len;
}

static uint32_t
leaf_of(bool v6, uint64_t at)
{
	return v6 ? fwd_lookup6(&tables, (struct fwd_addr6){at, 1}) : fwd_lookup4(&tables, (uint32_t)(at >> 32));
}

/* The ports that a leaf leads to, with the right neighbour's address behind each. Return: bits; 0: not a way. */
static uint8_t
ports_of(uint32_t leaf)
{
	uint8_t ports = 0;
	for (uint32_t slot = 0; slot < FWD_GROUP_SLOT_CNT; slot++) {
		uint64_t word = fwd_adjacency(&tables, leaf, slot);
		if (fwd_adjacency_kind(word) != FWD_FORWARD)
			return 0;
		uint8_t port = tables.interface[fwd_adjacency_interface(word)].port;
		if (port >= PORT_CNT || (word & UINT64_C(0xffffffffffff)) != peer_mac[port])
			return 0;
		ports |= (uint8_t)(1u << port);
	}
	return ports;
}

/* At both ends of a prefix the longest one that begins or ends there decides. Return: how many are wrong. */
static size_t
wrong_in_cell(struct list *list, bool v6, bool at_first)
{
	size_t wrong_cnt = 0;
	qsort(list->route, list->cnt, sizeof(*list->route), at_first ? by_first : by_last);
	for (size_t i = 0; i < list->cnt; i++) {
		const struct route *route = &list->route[i];
		uint64_t at = at_first ? route->first : route->last;
		if (i > 0 && at == (at_first ? route[-1].first : route[-1].last))
			continue;
		wrong_cnt += ports_of(leaf_of(v6, at)) != route->ports;
	}
	return wrong_cnt;
}

struct walk {
	const struct list *list; /* by first */
	bool v6;
	size_t wrong_cnt;
};

/* A leaf that leads somewhere must lie within some route of the kernel's, or in a network of the router's own. */
static void
check_leaf(struct walk *walk, uint64_t at, uint32_t word)
{
	enum fwd_kind kind = fwd_adjacency_kind(fwd_adjacency(&tables, word, 0));
	uint64_t top = at >> 48;
	bool own = walk->v6 ? top == 0x2001 || top >= 0xfe80 || top == 0 : top >> 8 == 10 || top >> 8 >= 127;
	if (kind == FWD_NO_ROUTE || own)
		return;
	size_t low = 0, high = walk->list->cnt;
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (walk->list->route[middle].first <= at)
			low = middle + 1;
		else
			high = middle;
	}
	/* Routes that begin at or before it: one of the at most 64 that may hold it, longest first. */
	for (size_t i = low; i-- > 0 && low - i < 100000;) {
		if (walk->list->route[i].last >= at)
			return;
	}
	walk->wrong_cnt++;
}

static void
walk_words(struct walk *walk, const uint32_t *word, uint32_t cnt, uint64_t at, uint32_t bit_idx)
{
	for (uint32_t i = 0; i < cnt; i++) {
		uint64_t here = at | (uint64_t)i << (64 - bit_idx);
		uint32_t value = fwd_word_load(&word[i]);
		if ((value & FWD_WORD_NODE) == 0)
			check_leaf(walk, here, value);
		else if (bit_idx + FWD_STRIDE_BITS <= 64)
			walk_words(walk, tables.node[value & ~FWD_WORD_NODE].word, FWD_NODE_WORD_CNT, here,
			           bit_idx + FWD_STRIDE_BITS);
	}
}

static size_t both_cnt; /* of the last comparison: routes by both ports */

/* Return: how many of both sides differ. */
static size_t
differences(bool v6, size_t *out_cnt)
{
	struct list list = kernel_routes(v6);
	size_t wrong_cnt = wrong_in_cell(&list, v6, false);
	wrong_cnt += wrong_in_cell(&list, v6, true);
	struct walk walk = {.list = &list, .v6 = v6};
	walk_words(&walk, v6 ? tables.root6 : tables.root4, FWD_ROOT_CNT, 0, FWD_ROOT_BITS);
	*out_cnt = list.cnt;
	both_cnt = 0;
	for (size_t i = 0; i < list.cnt; i++)
		both_cnt += list.route[i].ports == 3;
	free(list.route);
	return wrong_cnt + walk.wrong_cnt;
}

/* Until Linux has as many routes as are meant, and the cell the same ones. */
static void
equal_soon(const char *when, uint64_t least, uint64_t most)
{
	size_t cnt4 = 0, cnt6 = 0, wrong4 = 1, wrong6 = 1;
	uint64_t tries = 60 + route_cnt / 2000;
	for (uint64_t i = 0; i < tries; i++) {
		wrong4 = differences(false, &cnt4);
		wrong6 = differences(true, &cnt6);
		if (cnt4 >= least && cnt4 <= most && cnt6 >= least / ROUTE6_PART && cnt6 <= most &&
		    wrong4 + wrong6 == 0)
			break;
		sleep_ms(1000);
	}
	print_message("%s: %zu IPv4 and %zu IPv6 routes, %zu + %zu differ\n", when, cnt4, cnt6, wrong4, wrong6);
	assert_int_equal(wrong4 + wrong6, 0);
	assert_true(cnt4 >= least && cnt4 <= most && cnt6 >= least / ROUTE6_PART);
}

static void
take_mac(uint32_t port, const char *host)
{
	char line[128], *text;
	unsigned part[6];
	snprintf(line, sizeof(line), "ip netns exec %s cat /sys/class/net/far/address", host);
	assert_int_equal(shell(line, &text), 0);
	assert_int_equal(sscanf(text, "%x:%x:%x:%x:%x:%x", &part[0], &part[1], &part[2], &part[3], &part[4], &part[5]),
	                 6);
	peer_mac[port] = 0;
	for (int i = 0; i < 6; i++)
		peer_mac[port] |= (uint64_t)part[i] << (8 * i);
	free(text);
}

static void
announce(const char *host)
{
	char line[256];
	snprintf(line, sizeof(line), "ip -n %s -batch " DIR_PATH "/v4 && ip -n %s -6 -batch " DIR_PATH "/v6", host,
	         host);
	must(line);
}

static uint64_t
count_of(const char *host)
{
	char line[128], *text;
	snprintf(line, sizeof(line), "ip -n %s route show proto 77 | wc -l", host);
	assert_int_equal(shell(line, &text), 0);
	uint64_t cnt = strtoull(text, NULL, 10);
	free(text);
	return cnt;
}

static void
withdraw(const char *host, const char *part4, const char *part6)
{
	char line[256];
	snprintf(line, sizeof(line), "ip -n %s route flush proto 77 %s; ip -n %s -6 route flush proto 77 %s", host,
	         part4, host, part6);
	must(line);
}

/* A second of frames while routes come and go: none is lost. */
static void
frames_pass(const char *meanwhile)
{
	char line[512], *text;
	snprintf(line, sizeof(line), IN(A) "ping -q -c 500 -i 0.004 -W 5 10.2.0.2 & p=$!; %s; wait $p", meanwhile);
	int code = shell(line, &text);
	if (code != 0 || strstr(text, "500 received") == NULL)
		print_error("%s", text);
	assert_int_equal(code, 0);
	assert_non_null(strstr(text, "500 received"));
	free(text);
}

static void
the_cell_has_what_frr_learns(void **unused)
{
	char tables_key[128];
	snprintf(tables_key, sizeof(tables_key), "[fwd]\ntables = %uM\n[fwd wan0]\ntap = p0\n[fwd wan1]\ntap = p1\n",
	         route_cnt > 100000 ? 160u : 32u);
	must("rm -rf " DIR_PATH "; mkdir -p " DIR_PATH);
	write_routes();
	fwd_net_configure(tables_key);
	fwd_net_start();
	fwd_net_addresses();
	tables_map();
	take_mac(0, A);
	take_mac(1, B);
	becomes_true(IN(A) "ping -c 1 -W 1 10.2.0.2");
	/* What FRR announces is what the kernel has: no default route. */
	must("ip -n " A " route del default; ip -n " B " route del default; ip -n " A " -6 route del default; ip -n " B
	     " -6 route del default; ip -n " A " route add 10.2.0.0/24 via 10.1.0.1; ip -n " B
	     " route add 10.1.0.0/24 via 10.2.0.1");
	frr_start(R, "router.conf");
	/* One neighbour reads its kernel's routes when it starts, the other follows them as they come. */
	announce(A);
	frr_start(A, "peer1.conf");
	frr_start(B, "peer2.conf");
	/* What was drawn twice is one route; and zebra may miss some of many that come at once. */
	uint64_t most = count_of(A), least = most - most / 20;

	equal_soon("one neighbour", least, most);
	announce(B);
	frames_pass("sleep 1");
	equal_soon("two neighbours, equal cost", least, most);
	assert_true(both_cnt >= least / ROUTE6_PART);
	withdraw(B, "root 64.0.0.0/2", "root 2a00::/20");
	frames_pass("ip -n " B " -batch " DIR_PATH "/v4; ip -n " B " -6 -batch " DIR_PATH "/v6");
	equal_soon("after a flap", least, most);
	frr_kill(A, "bgpd", "KILL");
	frames_pass("sleep 1");
	equal_soon("one neighbour died", least, most);
	withdraw(B, "", "");
	equal_soon("all withdrawn", 0, 0);

	json_t *app = fwd_net_stop();
	assert_adds_up(app);
	const json_t *mirror = json_object_get(app, "mirror");
	print_message("%lld messages, %lld overruns, %lld differences\n", number(mirror, "messages"),
	              number(mirror, "overruns"), number(mirror, "differences"));
	assert_int_equal(number(mirror, "differences"), 0);
	assert_int_equal(number(mirror, "refused_by_tables"), 0);
	json_decref(app);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(the_cell_has_what_frr_learns, fwd_net_hosts, frr_end),
	};
	const char *cnt = getenv("BULKHEAD_FRR_ROUTES");
	if (argc != 3) {
		fprintf(stderr, "usage: test_fwd_frr BULKHEAD EXAMPLES\n");
		return 2;
	}
	route_cnt = cnt != NULL ? strtoull(cnt, NULL, 10) : ROUTE_CNT;
	fwd_net_bulkhead = argv[1];
	examples = argv[2];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
