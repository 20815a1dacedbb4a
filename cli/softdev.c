/* SPDX-License-Identifier: Apache-2.0 */
/* bulkhead softdev MODEL: a software device in a process of its own, served over vfio-user. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/softdev.h"
#include "devices/nvme/serve.h"

#define FAULT_BYTES_MAX (256u * 1024)

volatile sig_atomic_t softdev_stop;
static bool (*bus_error_patch)(void *, const void *); /* while what it serves may meet SIGBUS */
static void *serving;

struct options {
	struct nvme_serve_options serve;
	const char *fault_file;
	long cpu; /* -1: wherever the system runs it */
	struct nvme_fault_rule *rules;
};

static void
usage(FILE *stream)
{
	fputs("usage: bulkhead softdev nvme --socket PATH [OPTIONS]\n\n"
	      "Serves an NVMe controller over vfio-user, to one client after another, until SIGINT or SIGTERM.\n\n"
	      "  --socket PATH        where to listen; removed at the end\n"
	      "  --fd N               instead: an inherited, connected socket; ends when its other side does\n"
	      "  --size SIZE          of each namespace: bytes, or with K, M, G, T (default 1G)\n"
	      "  --backing WHAT       memory (default), null (no data is moved), or a file's path\n"
	      "  --block-size BYTES   512 (default) or 4096\n"
	      "  --namespaces N       1 (default) to 1024\n"
	      "  --service-ns TIME    how long an I/O takes: 0 (default), 80000, 80us, uniform:A:B, exp:MEAN,\n"
	      "                       lognormal:MEDIAN:SIGMA, bimodal:USUAL:OTHER:PROBABILITY\n"
	      "  --seed N             for service times and faults (default 1)\n"
	      "  --fault FILE         a fault script: docs/softdev-nvme.md\n"
	      "  --shadow-doorbells   offer Doorbell Buffer Config\n"
	      "  --ready-delay TIME   from CC.EN to CSTS.RDY (default 0)\n"
	      "  --cpu N              run on this CPU\n"
	      "  --yield              give the CPU away when idle: the client runs on the same one\n",
	      stream);
}

int
softdev_usage_error(const char *format, ...)
{
	va_list args;

	fputs("bulkhead softdev: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputs("\n'bulkhead softdev --help' lists the options\n", stderr);
	return BH_EXIT_USAGE;
}

/* Digits, hexadecimal with 0x. */
bool
softdev_parse_number(const char *text, uint64_t max, uint64_t *out)
{
	char *end;
	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*out = strtoull(text, &end, text[0] == '0' && (text[1] | 0x20) == 'x' ? 16 : 10);
	return *end == '\0' && errno == 0 && *out <= max;
}

static bool
parse_size(const char *text, uint64_t *out)
{
	static const char units[] = "KMGT";
	char copy[32];
	size_t length = strlen(text);
	unsigned shift = 0;

	if (length == 0 || length >= sizeof(copy))
		return false;
	memcpy(copy, text, length + 1);
	const char *unit = strchr(units, copy[length - 1] & ~0x20);
	if (unit && *unit) {
		shift = 10 * (unsigned)(unit - units + 1);
		copy[length - 1] = '\0';
	}
	if (!softdev_parse_number(copy, UINT64_MAX >> shift, out))
		return false;
	*out <<= shift;
	return true;
}

/* A number min .. max into a 32-bit field. */
static int
option_number(const char *name, const char *text, uint64_t min, uint64_t max, uint32_t *out)
{
	uint64_t value;
	if (!softdev_parse_number(text, max, &value) || value < min)
		return softdev_usage_error("--%s %s: a number from %llu to %llu was meant", name, text,
		                           (unsigned long long)min, (unsigned long long)max);
	*out = (uint32_t)value;
	return 0;
}

static int
option_service(const char *text, struct nvme_service *out)
{
	char error[256];
	if (nvme_service_parse(text, out, error, sizeof(error)) != 0)
		return softdev_usage_error("--service-ns: %s", error);
	return 0;
}

static int
option_cpu(const char *text, long *out)
{
	uint64_t cpu;
	if (!softdev_parse_number(text, CPU_SETSIZE - 1, &cpu))
		return softdev_usage_error("--cpu %s: the number of a CPU was meant", text);
	*out = (long)cpu;
	return 0;
}

static int
option_fd(const char *text, int *out)
{
	uint64_t fd;
	if (!softdev_parse_number(text, INT32_MAX, &fd) || fcntl((int)fd, F_GETFD) < 0)
		return softdev_usage_error("--fd %s: an open descriptor of a connected socket was meant", text);
	*out = (int)fd;
	return 0;
}

static const struct option long_options[] = {
        {"socket", required_argument, NULL, 's'},
        {"fd", required_argument, NULL, 'd'},
        {"size", required_argument, NULL, 'z'},
        {"backing", required_argument, NULL, 'b'},
        {"block-size", required_argument, NULL, 'B'},
        {"namespaces", required_argument, NULL, 'n'},
        {"service-ns", required_argument, NULL, 't'},
        {"seed", required_argument, NULL, 'e'},
        {"fault", required_argument, NULL, 'f'},
        {"cpu", required_argument, NULL, 'c'},
        {"ready-delay", required_argument, NULL, 'r'},
        {"shadow-doorbells", no_argument, NULL, 'w'},
        {"yield", no_argument, NULL, 'y'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
};

static int
option_set(struct options *options, int key)
{
	struct nvme_model_config *config = &options->serve.config;

	switch (key) {
	case 's':
		options->serve.socket = optarg;
		return 0;
	case 'd':
		return option_fd(optarg, &options->serve.conn_fd);
	case 'z':
		return parse_size(optarg, &config->size_bytes)
		               ? 0
		               : softdev_usage_error("--size %s: bytes, or such as 512M, were meant", optarg);
	case 'b':
		options->serve.backing = optarg;
		return 0;
	case 'B':
		return option_number("block-size", optarg, 512, 4096, &config->block_bytes);
	case 'n':
		return option_number("namespaces", optarg, 1, NVME_MODEL_NAMESPACES_MAX, &config->namespace_cnt);
	case 't':
		return option_service(optarg, &config->service);
	case 'e':
		return softdev_parse_number(optarg, UINT64_MAX, &config->seed)
		               ? 0
		               : softdev_usage_error("--seed %s: a number was meant", optarg);
	case 'f':
		options->fault_file = optarg;
		return 0;
	case 'c':
		return option_cpu(optarg, &options->cpu);
	case 'r':
		return nvme_time_parse(optarg, NVME_SERVICE_NS_MAX, &config->ready_delay_ns) == 0
		               ? 0
		               : softdev_usage_error("--ready-delay %s: a time such as 5ms was meant", optarg);
	case 'y':
		options->serve.yield = true;
		return 0;
	case 'w':
		config->shadow_doorbells = true;
		return 0;
	default:
		return softdev_usage_error("see above");
	}
}

/* Return: 0, or an exit code. */
static int
fault_file_read(struct options *options)
{
	char error[512], *text = malloc(FAULT_BYTES_MAX + 1);
	FILE *file = text ? fopen(options->fault_file, "re") : NULL;
	size_t text_bytes = 0;
	int rule_cnt = -EINVAL;

	options->rules = calloc(NVME_FAULT_RULES_MAX, sizeof(*options->rules));
	if (!file)
		snprintf(error, sizeof(error), "cannot read the fault script %s: %s", options->fault_file,
		         strerror(errno));
	else
		text_bytes = fread(text, 1, FAULT_BYTES_MAX + 1, file);
	if (file && ferror(file))
		snprintf(error, sizeof(error), "cannot read the fault script %s: %s", options->fault_file,
		         strerror(errno));
	else if (text_bytes > FAULT_BYTES_MAX)
		snprintf(error, sizeof(error), "%s: a fault script has at most %u bytes", options->fault_file,
		         FAULT_BYTES_MAX);
	else if (file && options->rules)
		rule_cnt =
		        nvme_fault_parse(text, text_bytes, options->fault_file, options->rules, error, sizeof(error));
	if (file)
		fclose(file);
	free(text);
	if (rule_cnt < 0) {
		fprintf(stderr, "bulkhead softdev: %s\n", error);
		return BH_EXIT_USAGE;
	}
	options->serve.config.rules = options->rules;
	options->serve.config.rule_cnt = (uint32_t)rule_cnt;
	return 0;
}

/* Return: 0, or an exit code; -1: help was asked for. */
static int
options_read(int argc, char **argv, struct options *options)
{
	static char own_name[] = "bulkhead softdev";
	int key, err = 0;

	optind = 1;
	argv[0] = own_name; /* what getopt's messages begin with */
	while (err == 0 && (key = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
		if (key == 'h')
			return -1;
		err = option_set(options, key);
	}
	if (err)
		return err;
	if (optind != argc)
		return softdev_usage_error("'%s' is not an option", argv[optind]);
	if (!options->serve.socket == (options->serve.conn_fd < 0))
		return softdev_usage_error("give one of --socket PATH and --fd N");
	const char *wrong = nvme_model_config_error(&options->serve.config);
	if (wrong)
		return softdev_usage_error("%s", wrong);
	return options->fault_file ? fault_file_read(options) : 0;
}

static void
on_stop(int number)
{
	softdev_stop = number;
}

/* What a client granted and then cut off must not end the device that others will use. */
static void
on_bus_error(int number, siginfo_t *info, void *context)
{
	static const char text[] = "bulkhead softdev: the client took granted memory away: disconnected\n";
	ssize_t done;

	if (serving == NULL || info->si_code != BUS_ADRERR || !bus_error_patch(serving, info->si_addr)) {
		signal(number, SIG_DFL); /* the access is tried again, and that is the end */
		return;
	}
	done = write(STDERR_FILENO, text, sizeof(text) - 1);
	(void)done; /* nobody to tell */
}

/*
 * A device of a supervisor (--fd) ends with it, and not by the terminal's SIGINT, which the supervisor answers by draining
 * the cell first.
 */
void
softdev_signals_set(bool with_parent)
{
	struct sigaction stop = {.sa_handler = on_stop}, ignore = {.sa_handler = SIG_IGN};
	struct sigaction bus_error = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO};

	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGINT, with_parent ? &ignore : &stop, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
	sigaction(SIGBUS, &bus_error, NULL);
	if (with_parent)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
}

int
softdev_cpu_set(long cpu)
{
	cpu_set_t set;

	if (cpu < 0)
		return 0;
	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) == 0)
		return 0;
	fprintf(stderr, "bulkhead softdev: cannot run on CPU %ld: %s; this machine has CPUs 0 to %ld\n", cpu,
	        strerror(errno), sysconf(_SC_NPROCESSORS_CONF) - 1);
	return BH_EXIT_USAGE;
}

static void
print_ready(const struct nvme_serve_options *serve)
{
	const struct nvme_model_config *config = &serve->config;
	fprintf(stderr,
	        "bulkhead softdev: NVMe controller ready on %s: %u namespace%s of %llu MiB, %u-byte blocks, %s%s\n",
	        serve->socket, config->namespace_cnt, config->namespace_cnt == 1 ? "" : "s",
	        (unsigned long long)(config->size_bytes >> 20), config->block_bytes, serve->backing,
	        config->rule_cnt ? ", with faults" : "");
}

static void
print_summary(const struct nvme_model_stats *stats)
{
	fprintf(stderr,
	        "bulkhead softdev: %llu reads, %llu writes, %llu I/O and %llu admin commands, %llu errors, %llu "
	        "aborted, "
	        "%llu addresses refused\n",
	        (unsigned long long)stats->read_cnt, (unsigned long long)stats->write_cnt,
	        (unsigned long long)stats->io_cnt, (unsigned long long)stats->admin_cnt,
	        (unsigned long long)stats->error_cnt, (unsigned long long)stats->aborted_cnt,
	        (unsigned long long)stats->dma_refused_cnt);
	for (int action = 0; action < NVME_FAULT_ACTION_CNT; action++) {
		if (stats->fault_cnt[action])
			fprintf(stderr, "bulkhead softdev: fault '%s' fired %llu times\n",
			        nvme_fault_action_name((enum nvme_fault_action)action),
			        (unsigned long long)stats->fault_cnt[action]);
	}
}

void
softdev_serving(void *what, bool (*patch)(void *, const void *))
{
	bus_error_patch = patch;
	serving = what;
}

static bool
nvme_patch(void *serve, const void *addr)
{
	return nvme_serve_bus_error(serve, addr);
}

static int
serve_nvme(struct options *options)
{
	struct nvme_serve *serve;
	struct nvme_model_stats stats;
	char error[512] = "out of memory";
	bool with_parent = !options->serve.socket;

	softdev_signals_set(with_parent);
	int code = softdev_cpu_set(options->cpu);
	if (code)
		return code;
	options->serve.yield |= sysconf(_SC_NPROCESSORS_ONLN) == 1;
	if (nvme_serve_open(&options->serve, &serve, error, sizeof(error)) != 0) {
		fprintf(stderr, "bulkhead softdev: %s\n", error);
		return BH_EXIT_FAILED;
	}
	if (!with_parent)
		print_ready(&options->serve);
	softdev_serving(serve, nvme_patch);
	nvme_serve_run(serve, &softdev_stop);
	softdev_serving(NULL, NULL);
	nvme_serve_stats(serve, &stats);
	nvme_serve_close(serve);
	if (!with_parent)
		print_summary(&stats);
	return BH_EXIT_OK;
}

static int
softdev_nvme(int argc, char **argv)
{
	struct options options = {.serve = {.config = NVME_MODEL_CONFIG_DEFAULT, .backing = "memory", .conn_fd = -1},
	                          .cpu = -1};
	int code = options_read(argc, argv, &options);
	if (code < 0)
		usage(stdout);
	else if (code == 0)
		code = serve_nvme(&options);
	free(options.rules);
	return code < 0 ? BH_EXIT_OK : code;
}

int
cmd_softdev(int argc, char **argv)
{
	if (argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		usage(stdout);
		putchar('\n');
		softdev_net_usage(stdout);
		return BH_EXIT_OK;
	}
	if (argc >= 2 && strcmp(argv[1], "nvme") == 0)
		return softdev_nvme(argc - 1, argv + 1);
	if (argc >= 2 && (strcmp(argv[1], "virtio-net") == 0 || strcmp(argv[1], "ixgbe") == 0))
		return softdev_net(argc - 1, argv + 1);
	return softdev_usage_error(argc < 2 ? "which model? There are: nvme, virtio-net, ixgbe"
	                                    : "no model '%s'; there are: nvme, virtio-net, ixgbe",
	                           argc < 2 ? "" : argv[1]);
}
