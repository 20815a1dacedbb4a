/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long a full Internet table takes from rtnetlink into the router's tables, in a network namespace of its own:
 *
 *   announce   another process adds the routes to the kernel; the mirror follows by events
 *   compare    everything is read anew and compared, nothing differs
 *   start      a mirror that knows nothing reads everything
 *   withdraw   the other process deletes them
 *
 * fwd-routes [--json] [IPV4 [IPV6]]
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "apps/fwd/host/mirror.h"
#include "apps/fwd/host/tap.h"

#define BATCH_BYTES 60000u
#define GATEWAYS    8u
#define TIMEOUT_MS  120000u
#define TABLE_BYTES (UINT64_C(256) << 20)

static const char port_name[1][IF_NAMESIZE] = {"p0"};

struct counts {
	uint64_t v4, v6;
};

struct result {
	struct counts want;
	double announce_s, kernel_s, compare_s, start_s, withdraw_s;
	struct fwd_mirror_stats stats;
	struct fwd_fib_stats fib;
	uint64_t rss_bytes;
};

static double
now_s(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void
die(const char *what, const char *why)
{
	fprintf(stderr, "fwd-routes: %s: %s\n", what, why);
	exit(1);
}

/*
 * Prefixes scattered over the address space, each other than all others: an odd factor permutes the blocks. Of eight,
 * one is shorter. Return: the length; 0: not a place for a route.
 */
static unsigned
prefix4(uint32_t i, uint8_t out[16])
{
	uint32_t block = i * 0x9e3779b1u & 0xffffff;
	unsigned first = block >> 16, bits = i % 8 == 0 ? 23 - i / 8 % 3 : 24;
	if (first == 0 || first == 127 || first >= 224 || first == 192)
		return 0;
	block &= ~((1u << (24 - bits)) - 1);
	out[0] = (uint8_t)(block >> 16);
	out[1] = (uint8_t)(block >> 8);
	out[2] = (uint8_t)block;
	return bits;
}

/*
 * 2000::/3 as the Internet's table has it: 60,000 allocations of /32, and within them three quarters /48, the rest /36
 * to /44.
 */
static unsigned
prefix6(uint32_t i, uint8_t out[16])
{
	static const uint8_t inside[] = {48, 36, 48, 48, 40, 48, 48, 44};
	uint32_t round = i / 60000, block = (i % 60000) * 2654435761u & 0x1fffffff;
	unsigned bits = round == 0 ? 32 : inside[(i + round) % BH_ARRAY_CNT(inside)];
	uint64_t sub = (uint64_t)round * 0x9e37 & 0xffff;
	uint64_t high = (uint64_t)(0x20000000 | block) << 32 | sub << 16;
	high = high >> (64 - bits) << (64 - bits);
	for (unsigned b = 0; b < 8; b++)
		out[b] = (uint8_t)(high >> (56 - 8 * b));
	return bits;
}

struct batch {
	int fd;
	uint32_t bytes, ifindex;
	uint8_t data[BATCH_BYTES + 512] BH_ALIGNED(8);
};

/* The kernel follows the messages before send() returns; their answers, errors only, are thrown away. */
static void
flush(struct batch *batch)
{
	const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	char answer[8192];
	if (batch->bytes != 0 && sendto(batch->fd, batch->data, batch->bytes, 0,
	                                (const struct sockaddr *)(const void *)&kernel, sizeof(kernel)) < 0)
		die("sending routes", strerror(errno));
	while (recv(batch->fd, answer, sizeof(answer), MSG_DONTWAIT) > 0)
		continue;
	batch->bytes = 0;
}

static void
attr(struct batch *batch, uint16_t type, const void *value, size_t bytes)
{
	const struct rtattr header = {.rta_type = type, .rta_len = (uint16_t)RTA_LENGTH(bytes)};
	memcpy(batch->data + batch->bytes, &header, sizeof(header));
	memcpy(batch->data + batch->bytes + sizeof(header), value, bytes);
	batch->bytes += (uint32_t)RTA_SPACE(bytes);
}

static void
route(struct batch *batch, bool add, uint8_t family, const uint8_t dst[16], unsigned bits, uint32_t gateway)
{
	size_t addr_bytes = family == AF_INET ? 4 : 16;
	const uint8_t via4[4] = {192, 0, 2, (uint8_t)(2 + gateway)},
	              via6[16] = {0xfe, 0x80, [15] = (uint8_t)(2 + gateway)};
	const uint32_t begin = batch->bytes;
	struct nlmsghdr header = {.nlmsg_type = add ? RTM_NEWROUTE : RTM_DELROUTE,
	                          .nlmsg_flags = add ? NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL : NLM_F_REQUEST};
	const struct rtmsg message = {.rtm_family = family,
	                              .rtm_dst_len = (uint8_t)bits,
	                              .rtm_table = RT_TABLE_MAIN,
	                              .rtm_protocol = RTPROT_BGP,
	                              .rtm_type = RTN_UNICAST};
	memcpy(batch->data + begin + NLMSG_HDRLEN, &message, sizeof(message));
	batch->bytes += (uint32_t)NLMSG_SPACE(sizeof(message));
	attr(batch, RTA_DST, dst, addr_bytes);
	attr(batch, RTA_GATEWAY, family == AF_INET ? via4 : via6, addr_bytes);
	attr(batch, RTA_OIF, &batch->ifindex, sizeof(batch->ifindex));
	header.nlmsg_len = batch->bytes - begin;
	memcpy(batch->data + begin, &header, sizeof(header));
	if (batch->bytes >= BATCH_BYTES - 512)
		flush(batch);
}

static void
send_all(struct counts want, bool add)
{
	static struct batch batch;
	uint64_t v4 = 0, v6 = 0;
	batch.fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	batch.ifindex = if_nametoindex(port_name[0]);
	if (batch.fd < 0)
		die("a netlink socket", strerror(errno));
	for (uint32_t i = 1; v4 < want.v4; i++) {
		uint8_t dst[16] = {0};
		unsigned bits = prefix4(i, dst);
		if (bits != 0) {
			route(&batch, add, AF_INET, dst, bits, i % GATEWAYS);
			v4++;
		}
	}
	for (uint32_t i = 1; v6 < want.v6; i++, v6++) {
		uint8_t dst[16] = {0};
		unsigned bits = prefix6(i, dst);
		route(&batch, add, AF_INET6, dst, bits, i % GATEWAYS);
	}
	flush(&batch);
	close(batch.fd);
}

/* Another process changes the kernel's tables; the mirror's thread follows. Return: seconds until it has all. */
static double
follow(struct fwd_mirror *mirror, struct counts want, bool add, double *out_kernel_s)
{
	struct fwd_mirror_stats before, stats;
	uint64_t goal, seen;
	fwd_mirror_stats(mirror, &before);
	goal = before.rib.event_cnt[FWD_RIB_ROUTE4] + before.rib.event_cnt[FWD_RIB_ROUTE6] + want.v4 + want.v6;
	double begin_s = now_s();
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		send_all(want, add);
		_exit(0);
	}
	int status = 1;
	bool ended = false;
	do {
		const struct timespec pause = {.tv_nsec = 2000000};
		nanosleep(&pause, NULL);
		if (!ended && waitpid(pid, &status, WNOHANG) == pid) {
			ended = true;
			if (out_kernel_s != NULL)
				*out_kernel_s = now_s() - begin_s;
			if (status != 0)
				die("routes", "the process that adds them failed");
		}
		fwd_mirror_stats(mirror, &stats);
		seen = stats.rib.event_cnt[FWD_RIB_ROUTE4] + stats.rib.event_cnt[FWD_RIB_ROUTE6];
		if (now_s() - begin_s > TIMEOUT_MS / 1000.0)
			die("routes", "the mirror did not follow in time");
	} while (!ended || (seen < goal && stats.overrun_cnt == before.overrun_cnt) || stats.syncing);
	return now_s() - begin_s;
}

static void
shell(const char *line)
{
	if (system(line) != 0)
		die("a command failed", line);
}

static struct fwd_fib *
fib_new(void)
{
	const struct fwd_fib_options options = {.size_bytes = TABLE_BYTES};
	struct bh_error error;
	struct fwd_fib *fib;
	if (fwd_fib_create(&options, &fib, &error) != 0)
		die("tables", error.text);
	return fib;
}

static struct fwd_mirror *
mirror_new(struct fwd_fib *fib, double *out_s)
{
	const struct fwd_mirror_options options = {
	        .fib = fib, .port = port_name, .port_cnt = 1, .resync_ms = UINT32_MAX};
	struct bh_error error;
	struct fwd_mirror *mirror;
	if (fwd_mirror_open(&options, &mirror, &error) != 0)
		die("mirror", error.text);
	double begin_s = now_s();
	if (fwd_mirror_sync(mirror, TIMEOUT_MS, &error) != 0)
		die("mirror", error.text);
	*out_s = now_s() - begin_s;
	return mirror;
}

static double
compare(struct fwd_mirror *mirror)
{
	struct fwd_mirror_stats stats;
	fwd_mirror_stats(mirror, &stats);
	uint64_t before = stats.sync_cnt;
	double begin_s = now_s();
	fwd_mirror_resync(mirror);
	do {
		const struct timespec pause = {.tv_nsec = 2000000};
		nanosleep(&pause, NULL);
		fwd_mirror_stats(mirror, &stats);
	} while (stats.sync_cnt == before && now_s() - begin_s < TIMEOUT_MS / 1000.0);
	return now_s() - begin_s;
}

static void
measure(struct result *out)
{
	struct bh_error error;
	double ignored;
	struct fwd_fib *fib = fib_new();
	struct fwd_mirror *mirror = mirror_new(fib, &ignored);
	if (fwd_mirror_start(mirror, &error) != 0)
		die("mirror", error.text);
	out->announce_s = follow(mirror, out->want, true, &out->kernel_s);
	out->compare_s = compare(mirror);
	struct fwd_fib *fresh_fib = fib_new();
	struct fwd_mirror *fresh = mirror_new(fresh_fib, &out->start_s);
	fwd_fib_stats(fresh_fib, &out->fib);
	fwd_mirror_close(fresh);
	fwd_fib_free(fresh_fib);
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	out->rss_bytes = (uint64_t)usage.ru_maxrss * 1024u;
	out->withdraw_s = follow(mirror, out->want, false, NULL);
	fwd_mirror_stats(mirror, &out->stats);
	fwd_mirror_close(mirror);
	fwd_fib_free(fib);
}

static void
print_text(const struct result *result)
{
	double cnt = (double)(result->want.v4 + result->want.v6);
	printf("routes: %" PRIu64 " IPv4, %" PRIu64 " IPv6; %u gateways\n", result->want.v4, result->want.v6, GATEWAYS);
	printf("%-44s %8s %12s\n", "", "s", "routes/s");
	printf("%-44s %8.2f %12.0f\n", "the kernel takes them in", result->kernel_s, cnt / result->kernel_s);
	printf("%-44s %8.2f %12.0f\n", "until the router has them, too", result->announce_s, cnt / result->announce_s);
	printf("%-44s %8.2f %12.0f\n", "full comparison", result->compare_s, cnt / result->compare_s);
	printf("%-44s %8.2f %12.0f\n", "from nothing, by reading all", result->start_s, cnt / result->start_s);
	printf("%-44s %8.2f %12.0f\n", "all withdrawn", result->withdraw_s, cnt / result->withdraw_s);
	printf("differences %" PRIu64 ", overruns %" PRIu64 ", refused by the tables %" PRIu64 "\n",
	       result->stats.diff_cnt, result->stats.overrun_cnt, result->stats.rib.fib_error_cnt);
	printf("tables: %" PRIu64 " MiB in use\n", result->fib.used_bytes >> 20);
}

static void
print_json(const struct result *result)
{
	json_t *root = json_pack(
	        "{s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:I, s:I, s:I, s:I, s:I}", "ipv4_cnt", (json_int_t)result->want.v4,
	        "ipv6_cnt", (json_int_t)result->want.v6, "kernel_s", result->kernel_s, "announce_s", result->announce_s,
	        "compare_s", result->compare_s, "start_s", result->start_s, "withdraw_s", result->withdraw_s,
	        "diff_cnt", (json_int_t)result->stats.diff_cnt, "overrun_cnt", (json_int_t)result->stats.overrun_cnt,
	        "refused_cnt", (json_int_t)result->stats.rib.fib_error_cnt, "table_bytes",
	        (json_int_t)result->fib.used_bytes, "rss_max_bytes", (json_int_t)result->rss_bytes);
	if (root == NULL || json_dumpf(root, stdout, JSON_INDENT(2)) != 0)
		die("JSON", "no memory");
	putchar('\n');
	json_decref(root);
}

int
main(int argc, char **argv)
{
	struct result result = {.want = {1000000, 250000}};
	int arg = 1;
	bool json = argc > 1 && strcmp(argv[1], "--json") == 0;
	arg += json;
	if (arg < argc && (strcmp(argv[arg], "--help") == 0 || argv[arg][0] == '-')) {
		printf("usage: fwd-routes [--json] [IPV4 [IPV6]]\n");
		return strcmp(argv[arg], "--help") == 0 ? 0 : 2;
	}
	if (arg < argc)
		result.want.v4 = strtoull(argv[arg++], NULL, 10);
	if (arg < argc)
		result.want.v6 = strtoull(argv[arg++], NULL, 10);
	if (unshare(CLONE_NEWNET) != 0) {
		fprintf(stderr, "fwd-routes: a network namespace: %s; run it as root\n", strerror(errno));
		return 6;
	}
	struct fwd_tap tap;
	struct bh_error error;
	if (fwd_tap_open(&tap, "p0", NULL, 1500, &error) != 0 || fwd_tap_carrier(&tap, true) != 0)
		die("TAP", error.text);
	shell("ip addr add 192.0.2.1/24 dev p0 && sysctl -qw net.ipv6.route.max_size=4194304");
	measure(&result);
	(json ? print_json : print_text)(&result);
	fwd_tap_close(&tap);
	return 0;
}
