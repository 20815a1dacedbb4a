/* SPDX-License-Identifier: Apache-2.0 */
/* bulkhead lab: a QEMU machine with VFIO, an IOMMU and devices, for one command or for a person. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/lab_compare.h"
#include "host/errors/errors.h"
#include "host/run/config.h"
#include "host/run/units.h"
#include "lab/lab.h"

static void
usage(FILE *stream)
{
	fputs("usage: bulkhead lab run [OPTIONS] -- COMMAND [ARGUMENTS]\n"
	      "       bulkhead lab shell [OPTIONS]\n"
	      "       bulkhead lab compare nvme [OPTIONS]      Linux against the cell; see its own --help\n\n"
	      "Boots a QEMU machine with a stock Debian kernel, this build (bulkhead is on its PATH), an IOMMU and the "
	      "devices that\n"
	      "the options name; runs COMMAND as root inside; ends with its exit code. Nothing is left behind. Needs "
	      "no root.\n\n"
	      "  --nvme SIZE[,lba=4096][,ns=2][,mdts=N][,serial=TEXT][,cache=off][,iops=N]   an NVMe\n"
	      "                       drive; may be repeated\n"
	      "  --nic MODEL[,hub=N][,property=value...]   a network card (e1000e, virtio-net-pci, ...); may be "
	      "repeated;\n"
	      "                       those of one hub share a wire; without hubs, pairs do\n"
	      "  --iommu KIND         intel (default), amd or none\n"
	      "  --cpus N             default 4\n"
	      "  --isolate LIST       CPUs kept from Linux: isolcpus, nohz_full, rcu_nocbs; default 2,3 "
	      "(fewer CPUs: the last); or none\n"
	      "  --memory SIZE        default 3G\n"
	      "  --hugepages N        of 2 MiB, reserved at boot; default 0\n"
	      "  --copy FILE:PATH     a file or folder of the host into the machine; programs bring their libraries\n"
	      "  --no-fio             without fio, whose libraries are two thirds of what is unpacked at boot\n"
	      "  --get PATH:DIR       a file or folder of the machine into DIR at the end\n"
	      "  --accel KIND         auto (default: KVM where kvm_intel or kvm_amd is loaded), tcg or kvm\n"
	      "  --append TEXT        more for the kernel's command line\n"
	      "  --qemu ARGUMENT      one more argument for QEMU; may be repeated\n"
	      "  --timeout TIME       of `run`; default 10min as 600s; 0 for none\n"
	      "  --cache DIR          where the unpacked kernel is kept\n"
	      "  --kernel IMAGE       an installed kernel (/boot/vmlinuz-VERSION) in place of Debian's package\n"
	      "  --keep               keep the temporary folder and say where\n"
	      "  --verbose            the machine's console on standard error\n\n"
	      "Inside: `lab-ctl unplug nvme0` pulls a device, `lab-ctl plug nvme0` puts it back; `lab-ctl "
	      "link-down nic0` and\n"
	      "`lab-ctl link-up nic0` take a card's link and give it back. In the shell, Ctrl-A x ends the machine.\n"
	      "exit codes: the command's; 1 the lab failed, 2 usage\n",
	      stream);
}

enum option_key {
	OPTION_NVME = 256,
	OPTION_NIC,
	OPTION_IOMMU,
	OPTION_CPUS,
	OPTION_ISOLATE,
	OPTION_MEMORY,
	OPTION_HUGEPAGES,
	OPTION_COPY,
	OPTION_GET,
	OPTION_ACCEL,
	OPTION_APPEND,
	OPTION_QEMU,
	OPTION_TIMEOUT,
	OPTION_CACHE,
	OPTION_KERNEL,
	OPTION_KEEP,
	OPTION_NO_FIO,
	OPTION_VERBOSE,
};

static const struct option options_known[] = {
        {"nvme", required_argument, NULL, OPTION_NVME},
        {"nic", required_argument, NULL, OPTION_NIC},
        {"iommu", required_argument, NULL, OPTION_IOMMU},
        {"cpus", required_argument, NULL, OPTION_CPUS},
        {"isolate", required_argument, NULL, OPTION_ISOLATE},
        {"memory", required_argument, NULL, OPTION_MEMORY},
        {"hugepages", required_argument, NULL, OPTION_HUGEPAGES},
        {"copy", required_argument, NULL, OPTION_COPY},
        {"get", required_argument, NULL, OPTION_GET},
        {"accel", required_argument, NULL, OPTION_ACCEL},
        {"append", required_argument, NULL, OPTION_APPEND},
        {"qemu", required_argument, NULL, OPTION_QEMU},
        {"timeout", required_argument, NULL, OPTION_TIMEOUT},
        {"cache", required_argument, NULL, OPTION_CACHE},
        {"kernel", required_argument, NULL, OPTION_KERNEL},
        {"keep", no_argument, NULL, OPTION_KEEP},
        {"no-fio", no_argument, NULL, OPTION_NO_FIO},
        {"verbose", no_argument, NULL, OPTION_VERBOSE},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
};

static int
take_word(const char *option, const char *text, const char *const *words, unsigned *out)
{
	for (*out = 0; words[*out] != NULL; (*out)++) {
		if (strcmp(words[*out], text) == 0)
			return BH_EXIT_OK;
	}
	fprintf(stderr, "bulkhead lab: %s %s is not one of those that --help lists\n", option, text);
	return BH_EXIT_USAGE;
}

static int
take_number(const char *option, const char *text, uint64_t max, uint32_t *out)
{
	uint64_t value;
	if (bh_parse_uint(text, &value) == 0 && value <= max) {
		*out = (uint32_t)value;
		return BH_EXIT_OK;
	}
	fprintf(stderr, "bulkhead lab: %s %s is not a number up to %lu\n", option, text, max);
	return BH_EXIT_USAGE;
}

static int
take_list(const char *option, const char *text, const char **list, uint32_t *cnt, uint32_t max)
{
	if (*cnt == max) {
		fprintf(stderr, "bulkhead lab: more than %u %s\n", max, option);
		return BH_EXIT_USAGE;
	}
	list[(*cnt)++] = text;
	return BH_EXIT_OK;
}

static int
take_nvme(struct bh_lab_options *options)
{
	struct bh_error error;
	if (options->nvme_cnt == BH_LAB_NVMES_MAX) {
		fprintf(stderr, "bulkhead lab: more than %u --nvme\n", BH_LAB_NVMES_MAX);
		return BH_EXIT_USAGE;
	}
	if (bh_lab_nvme_parse(optarg, &options->nvme[options->nvme_cnt], &error) == 0) {
		options->nvme_cnt++;
		return BH_EXIT_OK;
	}
	fprintf(stderr, "bulkhead lab: %s (BH-%s)\n", error.text, error.id);
	return BH_EXIT_USAGE;
}

static int
take_nic(struct bh_lab_options *options)
{
	struct bh_error error;
	if (options->nic_cnt == BH_LAB_NICS_MAX) {
		fprintf(stderr, "bulkhead lab: more than %u --nic\n", BH_LAB_NICS_MAX);
		return BH_EXIT_USAGE;
	}
	if (bh_lab_nic_parse(optarg, &options->nic[options->nic_cnt], &error) == 0) {
		options->nic_cnt++;
		return BH_EXIT_OK;
	}
	fprintf(stderr, "bulkhead lab: %s (BH-%s)\n", error.text, error.id);
	return BH_EXIT_USAGE;
}

static int
take_size(struct bh_lab_options *options)
{
	if (bh_parse_size(optarg, &options->memory_bytes) == 0)
		return BH_EXIT_OK;
	fprintf(stderr, "bulkhead lab: --memory %s is not a size such as 3G\n", optarg);
	return BH_EXIT_USAGE;
}

static int
take_time(struct bh_lab_options *options)
{
	if (bh_parse_duration_ns(optarg, &options->timeout_ns) == 0)
		return BH_EXIT_OK;
	fprintf(stderr, "bulkhead lab: --timeout %s is not a time such as 60s\n", optarg);
	return BH_EXIT_USAGE;
}

static int
take_machine_option(struct bh_lab_options *options, int key)
{
	static const char *const iommus[] = {"intel", "amd", "none", NULL}, *const accels[] = {"auto", "tcg", "kvm",
	                                                                                       NULL};
	unsigned word = 0;
	int code;
	switch (key) {
	case OPTION_NVME:
		return take_nvme(options);
	case OPTION_NIC:
		return take_nic(options);
	case OPTION_IOMMU:
		code = take_word("--iommu", optarg, iommus, &word);
		options->iommu = (enum bh_lab_iommu)word;
		return code;
	case OPTION_ACCEL:
		code = take_word("--accel", optarg, accels, &word);
		options->accel = (enum bh_lab_accel)word;
		return code;
	case OPTION_CPUS:
		return take_number("--cpus", optarg, 64, &options->cpu_cnt);
	case OPTION_HUGEPAGES:
		return take_number("--hugepages", optarg, 1u << 16, &options->hugepage_cnt);
	case OPTION_ISOLATE:
		options->isolate = strcmp(optarg, "none") == 0 ? "" : optarg;
		return BH_EXIT_OK;
	case OPTION_MEMORY:
		return take_size(options);
	default:
		fprintf(stderr, "'bulkhead lab --help' tells the options\n");
		return BH_EXIT_USAGE;
	}
}

static int
take_option(struct bh_lab_options *options, int key)
{
	switch (key) {
	case OPTION_COPY:
		return take_list("--copy", optarg, options->copy, &options->copy_cnt, BH_LAB_LIST_MAX);
	case OPTION_GET:
		return take_list("--get", optarg, options->get, &options->get_cnt, BH_LAB_GETS_MAX);
	case OPTION_QEMU:
		return take_list("--qemu", optarg, options->qemu, &options->qemu_cnt, BH_LAB_LIST_MAX);
	case OPTION_APPEND:
		options->append = optarg;
		return BH_EXIT_OK;
	case OPTION_TIMEOUT:
		return take_time(options);
	case OPTION_CACHE:
		options->cache = optarg;
		return BH_EXIT_OK;
	case OPTION_KERNEL:
		options->kernel = optarg;
		return BH_EXIT_OK;
	case OPTION_KEEP:
		options->keep = true;
		return BH_EXIT_OK;
	case OPTION_NO_FIO:
		options->no_fio = true;
		return BH_EXIT_OK;
	case OPTION_VERBOSE:
		options->verbose = true;
		return BH_EXIT_OK;
	default:
		return take_machine_option(options, key);
	}
}

/* Return: an exit code; -1: go on. */
static int
parse(int argc, char **argv, struct bh_lab_options *options)
{
	static char own_name[] = "bulkhead lab";
	int key;
	argv[0] = own_name;
	while ((key = getopt_long(argc, argv, "+h", options_known, NULL)) != -1) {
		if (key == 'h') {
			usage(stdout);
			return BH_EXIT_OK;
		}
		int code = take_option(options, key);
		if (code != BH_EXIT_OK)
			return code;
	}
	options->command = (const char *const *)argv + optind;
	if (options->shell && optind < argc) {
		fprintf(stderr, "bulkhead lab shell: takes no command; `bulkhead lab run -- %s` runs one\n",
		        argv[optind]);
		return BH_EXIT_USAGE;
	}
	if (options->shell && !isatty(STDIN_FILENO)) {
		fprintf(stderr, "bulkhead lab shell: needs a terminal; `bulkhead lab run -- sh -c '...'` needs none\n");
		return BH_EXIT_USAGE;
	}
	if (!options->shell && optind == argc) {
		fprintf(stderr,
		        "bulkhead lab run: which command? `bulkhead lab run --nvme 256M -- bulkhead devices`\n");
		return BH_EXIT_USAGE;
	}
	return -1;
}

int
cmd_lab(int argc, char **argv)
{
	struct bh_lab_options options;
	struct bh_error error = {0};
	if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		usage(argc < 2 ? stderr : stdout);
		return argc < 2 ? BH_EXIT_USAGE : BH_EXIT_OK;
	}
	if (strcmp(argv[1], "compare") == 0)
		return lab_compare(argc - 1, argv + 1);
	bh_lab_defaults(&options);
	options.shell = strcmp(argv[1], "shell") == 0;
	if (!options.shell && strcmp(argv[1], "run") != 0) {
		fprintf(stderr, "bulkhead lab: there are run, shell and compare, not '%s'\n", argv[1]);
		return BH_EXIT_USAGE;
	}
	if (options.shell)
		options.timeout_ns = 0;
	int code = parse(argc - 1, argv + 1, &options);
	if (code >= 0)
		return code;
	if (bh_lab_run(&options, &code, &error) == 0)
		return code;
	fprintf(stderr, "bulkhead lab: %s (BH-%s)\n", error.text, error.id);
	return bh_error_exit_code(&error);
}
