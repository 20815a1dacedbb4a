/* SPDX-License-Identifier: Apache-2.0 */
/* bulkhead softdev virtio-net, ixgbe: network cards and the wires between them. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/softdev.h"
#include "devices/virtio_net/serve.h"
#include "host/run/config.h"

#define FAULT_EVERY 1000u

struct options {
	struct vnet_serve_options serve;
	long cpu;                  /* -1: wherever the system runs it */
	enum vnet_serve_kind kind; /* the model that the command names */
	char *copy[VNET_SERVE_ENDS_MAX];
};

void
softdev_net_usage(FILE *stream)
{
	fputs("usage: bulkhead softdev virtio-net --socket PATH[,wire=NAME] [--socket PATH[,wire=NAME]]... "
	      "[OPTIONS]\n"
	      "       bulkhead softdev ixgbe --socket PATH[,wire=NAME] [--socket PATH[,wire=NAME]]... [OPTIONS]\n\n"
	      "Serves network cards (virtio's, or Intel's 82599) over vfio-user, one for each socket, until SIGINT or "
	      "SIGTERM.\n"
	      "Two with the same wire (the preset is one wire for all) are its ends; one alone gets back what it "
	      "sends.\n\n"
	      "  --socket PATH[,wire=NAME][,model=ixgbe|virtio-net]\n"
	      "                             where to listen, removed at the end; a card of another model than the "
	      "command's\n"
	      "  --fd N[,...]               instead: an inherited, connected socket\n"
	      "  --rate BITS                of the wires, each way: bits a second, or with k, M, G (default: no "
	      "limit)\n"
	      "  --delay TIME               from end to end, such as 10us (default 0)\n"
	      "  --loss P --duplicate P --reorder P --corrupt P\n"
	      "                             of frames, such as 0.01 or 1% (default 0)\n"
	      "  --seed N                   for these (default 1)\n"
	      "  --full wait|drop           when the receiver has no buffer (default wait)\n"
	      "virtio-net only:\n"
	      "  --queues N                 queue pairs offered, 1 (default) to 8\n"
	      "  --queue-size N             entries of each queue, a power of two to 4096 (default 1024)\n"
	      "  --mtu BYTES                68 to 9216 (default 9216)\n"
	      "  --ring packed|split        offer packed rings (default) or not\n"
	      "  --no-mergeable             offer no mergeable receive buffers\n"
	      "  --no-offload               offer no checksum offload\n"
	      "of both:\n"
	      "  --fault KIND[@N][+A][xT]   lie to the client every N-th frame (default 1000), after the first A, T "
	      "times;\n"
	      "                             again for more rules: long-length, short-length, bad-id, index-jump,\n"
	      "                             bad-count, bad-header, tx-bad-id, tx-twice, needs-reset; change-length,\n"
	      "                             change-id, change-header: true when shown, then back and forth;\n"
	      "                             ixgbe: long-length, short-length, zero-length, no-end, damaged, "
	      "change-length,\n"
	      "                             rx-off, memory-error, tx-no-report, tx-stall\n"
	      "  --cpu N                    run on this CPU\n"
	      "  --yield                    give the CPU away when idle\n",
	      stream);
}

/* "0.01", "1%": of 2^32. */
static int
option_probability(const char *name, const char *text, uint64_t *out)
{
	char *end;
	double value = strtod(text, &end);
	if (end != text && *end == '%') {
		value /= 100;
		end++;
	}
	if (end == text || *end != '\0' || !(value >= 0 && value <= 1))
		return softdev_usage_error("--%s %s: a part of one, such as 0.01 or 1%%, was meant", name, text);
	*out = (uint64_t)(value * (double)VNET_WIRE_PROBABLE_ONE);
	return 0;
}

static int
option_rate(const char *text, uint64_t *out)
{
	char *end;
	double value = strtod(text, &end);
	double unit = *end == 'k' ? 1e3 : *end == 'M' ? 1e6 : *end == 'G' ? 1e9 : 1;
	if (end == text || end[unit > 1] != '\0' || !(value * unit >= 1e3 && value * unit <= 1e12))
		return softdev_usage_error("--rate %s: bits a second from 1k to 1000G, such as 10G, were meant", text);
	*out = (uint64_t)(value * unit);
	return 0;
}

static int
option_number(const char *name, const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
	if (softdev_parse_number(text, max, out) && *out >= min)
		return 0;
	return softdev_usage_error("--%s %s: a number from %lu to %lu was meant", name, text, min, max);
}

static int
end_word(struct vnet_serve_end *end, const char *text, const char *word)
{
	if (strncmp(word, "wire=", 5) == 0) {
		if (word[5] == '\0' || strlen(word + 5) >= sizeof(end->wire))
			return softdev_usage_error("%s: a wire's name has 1 to %zu bytes", text, sizeof(end->wire) - 1);
		memcpy(end->wire, word + 5, strlen(word + 5) + 1);
		return 0;
	}
	if (strcmp(word, "model=ixgbe") != 0 && strcmp(word, "model=virtio-net") != 0)
		return softdev_usage_error("%s: ',wire=NAME' or ',model=ixgbe' or ',model=virtio-net' was meant", text);
	end->kind = word[6] == 'i' ? VNET_SERVE_IXGBE : VNET_SERVE_VIRTIO;
	return 0;
}

/* PATH or N, and words behind it. */
static int
option_end(struct options *options, bool is_fd, const char *text)
{
	struct vnet_serve_options *serve = &options->serve;
	uint64_t fd;
	if (serve->end_cnt == VNET_SERVE_ENDS_MAX)
		return softdev_usage_error("at most %u devices", VNET_SERVE_ENDS_MAX);
	struct vnet_serve_end *end = &serve->end[serve->end_cnt];
	char *copy = strdup(text), *rest = copy;
	if (copy == NULL)
		return softdev_usage_error("out of memory");
	options->copy[serve->end_cnt++] = copy;
	end->kind = options->kind;
	end->conn_fd = -1;
	(void)strsep(&rest, ",");
	for (const char *word = strsep(&rest, ","); word != NULL; word = strsep(&rest, ",")) {
		int code = end_word(end, text, word);
		if (code != 0)
			return code;
	}
	if (!is_fd) {
		end->socket = copy;
		return *copy != '\0' ? 0 : softdev_usage_error("--socket: a path was meant");
	}
	if (!softdev_parse_number(copy, INT32_MAX, &fd) || fcntl((int)fd, F_GETFD) < 0)
		return softdev_usage_error("--fd %s: an open descriptor of a connected socket was meant", text);
	end->conn_fd = (int)fd;
	return 0;
}

/* The command's model says which lies there are. */
static int
option_fault(const char *text, struct options *options)
{
	struct vnet_fault_rule rule[VNET_FAULT_RULES_MAX];
	struct vnet_serve_options *serve = &options->serve;
	bool ixgbe = options->kind == VNET_SERVE_IXGBE;
	uint32_t *rule_cnt = ixgbe ? &serve->ixgbe.rule_cnt : &serve->config.rule_cnt;
	struct vnet_fault_rule *to = ixgbe ? serve->ixgbe.rule : serve->config.rule;
	char error[160];
	int cnt = ixgbe ? vnet_fault_parse_kinds(text, FAULT_EVERY, ixgbe_fault_names, IXGBE_FAULT_CNT, rule, error,
	                                         sizeof(error))
	                : vnet_fault_parse(text, FAULT_EVERY, rule, error, sizeof(error));
	if (cnt < 0)
		return softdev_usage_error("--fault: %s; --help lists the kinds", error);
	if ((uint32_t)cnt > VNET_FAULT_RULES_MAX - *rule_cnt)
		return softdev_usage_error("--fault: at most %u rules", VNET_FAULT_RULES_MAX);
	memcpy(to + *rule_cnt, rule, (size_t)cnt * sizeof(rule[0]));
	*rule_cnt += (uint32_t)cnt;
	return 0;
}

static int
option_word(const char *name, const char *text, const char *on, const char *off, bool *out)
{
	*out = strcmp(text, on) == 0;
	if (*out || strcmp(text, off) == 0)
		return 0;
	return softdev_usage_error("--%s %s: %s or %s was meant", name, text, on, off);
}

static const struct option long_options[] = {
        {"socket", required_argument, NULL, 's'},
        {"fd", required_argument, NULL, 'd'},
        {"rate", required_argument, NULL, 'r'},
        {"delay", required_argument, NULL, 'l'},
        {"loss", required_argument, NULL, 'L'},
        {"duplicate", required_argument, NULL, 'D'},
        {"reorder", required_argument, NULL, 'R'},
        {"corrupt", required_argument, NULL, 'C'},
        {"seed", required_argument, NULL, 'e'},
        {"full", required_argument, NULL, 'f'},
        {"queues", required_argument, NULL, 'q'},
        {"queue-size", required_argument, NULL, 'z'},
        {"mtu", required_argument, NULL, 'm'},
        {"ring", required_argument, NULL, 'p'},
        {"no-mergeable", no_argument, NULL, 'g'},
        {"no-offload", no_argument, NULL, 'o'},
        {"fault", required_argument, NULL, 'F'},
        {"cpu", required_argument, NULL, 'c'},
        {"yield", no_argument, NULL, 'y'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
};

static int
option_set_wire(struct vnet_wire_config *wire, int key)
{
	switch (key) {
	case 'r':
		return option_rate(optarg, &wire->rate_bps);
	case 'l':
		return bh_parse_duration_ns(optarg, &wire->delay_ns) == 0
		               ? 0
		               : softdev_usage_error("--delay %s: a time such as 10us was meant", optarg);
	case 'L':
		return option_probability("loss", optarg, &wire->loss);
	case 'D':
		return option_probability("duplicate", optarg, &wire->duplicate);
	case 'R':
		return option_probability("reorder", optarg, &wire->reorder);
	case 'C':
		return option_probability("corrupt", optarg, &wire->corrupt);
	case 'e':
		return option_number("seed", optarg, 0, UINT64_MAX, &wire->seed);
	default:
		return option_word("full", optarg, "drop", "wait", &wire->drop_when_full);
	}
}

static int
option_set_device(struct options *options, int key)
{
	struct vnet_model_config *config = &options->serve.config;
	uint64_t value = 0;
	int code = 0;
	if (options->kind == VNET_SERVE_IXGBE && strchr("qzmpgo", key) != NULL)
		return softdev_usage_error("an 82599 is as it is: queues, rings, MTU and offloads are options of "
		                           "virtio-net");
	switch (key) {
	case 'q':
		code = option_number("queues", optarg, 1, VNET_PAIRS_MAX, &value);
		config->pair_cnt = (uint32_t)value;
		return code;
	case 'z':
		code = option_number("queue-size", optarg, 2, VNET_QUEUE_SIZE_MAX, &value);
		config->queue_size = (uint32_t)value;
		return code;
	case 'm':
		code = option_number("mtu", optarg, 68, 9216, &value);
		config->mtu_bytes = (uint16_t)value;
		return code;
	case 'p':
		return option_word("ring", optarg, "packed", "split", &config->packed);
	case 'g':
		config->mergeable = false;
		return 0;
	case 'o':
		config->offload = false;
		return 0;
	case 'F':
		return option_fault(optarg, options);
	case 'c':
		code = option_number("cpu", optarg, 0, CPU_SETSIZE - 1, &value);
		options->cpu = (long)value;
		return code;
	case 'y':
		options->serve.yield = true;
		return 0;
	default:
		return softdev_usage_error("see above");
	}
}

/* Return: 0, or an exit code; -1: help was asked for. */
static int
options_read(int argc, char **argv, struct options *options)
{
	static char own_name[] = "bulkhead softdev";
	int key, code = 0;
	optind = 1;
	argv[0] = own_name;
	while (code == 0 && (key = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
		if (key == 'h')
			return -1;
		if (key == 's' || key == 'd')
			code = option_end(options, key == 'd', optarg);
		else if (strchr("rlLDRCef", key) != NULL)
			code = option_set_wire(&options->serve.wire, key);
		else
			code = option_set_device(options, key);
	}
	if (code != 0)
		return code;
	if (optind != argc)
		return softdev_usage_error("'%s' is not an option", argv[optind]);
	if (options->serve.end_cnt == 0)
		return softdev_usage_error("give --socket PATH, or --fd N, once for each device");
	const char *wrong = vnet_model_config_error(&options->serve.config);
	return wrong != NULL ? softdev_usage_error("%s", wrong) : 0;
}

static bool
patch(void *serve, const void *addr)
{
	return vnet_serve_bus_error(serve, addr);
}

static void
print_ready(const struct vnet_serve_options *options)
{
	for (uint32_t i = 0; i < options->end_cnt; i++)
		fprintf(stderr, "bulkhead softdev: %s ready on %s%s%s\n",
		        options->end[i].kind == VNET_SERVE_IXGBE ? "82599" : "virtio network card",
		        options->end[i].socket, options->end[i].wire[0] != '\0' ? ", wire " : "", options->end[i].wire);
}

static void
print_summary(const struct vnet_serve *serve, const struct vnet_serve_options *options)
{
	struct vnet_wire_stats wire;
	for (uint32_t i = 0; i < options->end_cnt; i++) {
		struct vnet_stats stats;
		vnet_serve_stats(serve, i, &stats);
		fprintf(stderr,
		        "bulkhead softdev: card %u: %lu frames from the client (%lu refused), %lu to it (%lu filtered, "
		        "%lu too long, %lu without a buffer), %lu control commands, %lu failures, %lu addresses "
		        "refused, "
		        "%lu lies\n",
		        i, stats.tx_pkts, stats.tx_bad_cnt, stats.rx_pkts, stats.rx_filtered_cnt, stats.rx_too_big_cnt,
		        stats.rx_missed_cnt, stats.ctrl_cnt, stats.failed_cnt, stats.dma_refused_cnt, stats.fault_cnt);
	}
	vnet_serve_wire_stats(serve, &wire);
	fprintf(stderr,
	        "bulkhead softdev: wires: %lu frames carried, %lu lost, %lu duplicated, %lu reordered, %lu corrupted, "
	        "%lu without a buffer, %lu undeliverable\n",
	        wire.carried_cnt, wire.lost_cnt, wire.duplicated_cnt, wire.reordered_cnt, wire.corrupted_cnt,
	        wire.full_cnt, wire.undeliverable_cnt);
}

static int
serve_net(struct options *options)
{
	struct vnet_serve *serve;
	char error[512] = "out of memory";
	bool with_parent = options->serve.end[0].socket == NULL;
	softdev_signals_set(with_parent);
	int code = softdev_cpu_set(options->cpu);
	if (code != 0)
		return code;
	options->serve.yield |= sysconf(_SC_NPROCESSORS_ONLN) == 1;
	if (vnet_serve_open(&options->serve, &serve, error, sizeof(error)) != 0) {
		fprintf(stderr, "bulkhead softdev: %s\n", error);
		return BH_EXIT_FAILED;
	}
	if (!with_parent)
		print_ready(&options->serve);
	softdev_serving(serve, patch);
	vnet_serve_run(serve, &softdev_stop);
	softdev_serving(NULL, NULL);
	if (!with_parent)
		print_summary(serve, &options->serve);
	vnet_serve_close(serve);
	return BH_EXIT_OK;
}

int
softdev_net(int argc, char **argv)
{
	struct options options = {.serve = {.config = VNET_MODEL_CONFIG_DEFAULT,
	                                    .ixgbe = IXGBE_MODEL_CONFIG_DEFAULT,
	                                    .wire = {.seed = 1}},
	                          .cpu = -1};
	options.kind = strcmp(argv[0], "ixgbe") == 0 ? VNET_SERVE_IXGBE : VNET_SERVE_VIRTIO;
	int code = options_read(argc, argv, &options);
	if (code < 0)
		softdev_net_usage(stdout);
	else if (code == 0)
		code = serve_net(&options);
	for (uint32_t i = 0; i < options.serve.end_cnt; i++)
		free(options.copy[i]);
	return code < 0 ? BH_EXIT_OK : code;
}
