/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The lab: a QEMU machine with a stock Debian kernel, a real VFIO and an emulated IOMMU, NVMe drives and network cards.
 *
 *	struct bh_lab_options options;
 *	bh_lab_defaults(&options);
 *	options.command = (const char *const[]){"bulkhead", "devices", NULL};
 *	int exit_code, err = bh_lab_run(&options, &exit_code, &error);
 *
 * One call is one machine: the kernel is unpacked from its Debian package into a cache (host/errors/lab.c says what can be
 * missing), an initramfs is written with busybox, modules and the build, QEMU starts, the command runs, everything is removed
 * again. No root is needed. Nothing with a name is left behind, however it ends; QEMU dies with the caller.
 * What comes out of the machine is hostile input. One thread; SIGINT, SIGTERM and SIGHUP end the machine meanwhile.
 */
#ifndef LAB_LAB_H
#define LAB_LAB_H

#include <bulkhead/types.h>

#include "host/device/device.h"

#define BH_LAB_NVMES_MAX 8u
#define BH_LAB_NICS_MAX  8u
#define BH_LAB_LIST_MAX  64u
#define BH_LAB_GETS_MAX  24u

enum bh_lab_iommu { BH_LAB_IOMMU_INTEL = 0, BH_LAB_IOMMU_AMD = 1, BH_LAB_IOMMU_NONE = 2 };
enum bh_lab_accel { BH_LAB_ACCEL_AUTO = 0, BH_LAB_ACCEL_TCG = 1, BH_LAB_ACCEL_KVM = 2 };

/* One NVMe drive: SIZE[,lba=512|4096][,ns=N][,mdts=N][,serial=TEXT][,cache=on|off][,iops=N]. */
struct bh_lab_nvme {
	uint64_t size_bytes; /* of each namespace */
	uint32_t lba_bytes;  /* 512 */
	uint32_t ns_cnt;     /* 1 */
	uint32_t mdts;       /* QEMU's, a power of two of 4 KiB pages; 7 */
	uint32_t iops;       /* commands that take longer than the machine needs: so many per second; 0: no limit */
	bool no_write_cache;
	char serial[21]; /* "" gives bulkheadN */
};

/* One network card: MODEL[,hub=N][,more for QEMU's -device]. Cards of the same hub share a wire, which ends in the machine. */
struct bh_lab_nic {
	char text[200]; /* for -device, the hub not in it */
	int hub;        /* -1: the idx-th card is on hub idx / 2 */
};

struct bh_lab_options {
	uint32_t cpu_cnt;
	const char *isolate; /* CPU list; "" none; NULL: 2,3, with fewer than four CPUs the last, with one none */
	uint64_t memory_bytes;
	uint32_t hugepage_cnt; /* of 2 MiB, reserved at boot */
	uint32_t nvme_cnt, nic_cnt;
	struct bh_lab_nvme nvme[BH_LAB_NVMES_MAX];
	struct bh_lab_nic nic[BH_LAB_NICS_MAX];
	enum bh_lab_iommu iommu;
	enum bh_lab_accel accel;
	const char *copy[BH_LAB_LIST_MAX]; /* FILE:PATH */
	const char *get[BH_LAB_GETS_MAX];  /* PATH:DIR */
	const char *qemu[BH_LAB_LIST_MAX]; /* raw arguments */
	uint32_t copy_cnt, get_cnt, qemu_cnt;
	const char *append; /* to the kernel's command line */
	const char *
	        kernel; /* an image named vmlinuz-VERSION, its modules in /lib/modules/VERSION; NULL: Debian's, from the cache */
	const char *cache; /* folder; NULL: BULKHEAD_LAB_CACHE, XDG_CACHE_HOME/bulkhead/lab or ~/.cache/bulkhead/lab */
	uint64_t timeout_ns; /* of the whole machine; 0: none */
	bool keep, verbose;
	bool no_fio;                /* else it goes in if the host has it */
	bool shell;                 /* an interactive terminal instead of a command's streams */
	const char *const *command; /* NULL-terminated */
};

void bh_lab_defaults(struct bh_lab_options *out);

/**
 * bh_lab_nvme_parse - SIZE[,key=value...]
 * Return: 0; -EINVAL with `error` (E201).
 */
BH_MUST_CHECK int bh_lab_nvme_parse(const char *text, struct bh_lab_nvme *out, struct bh_error *error);

/**
 * bh_lab_nic_parse - MODEL[,hub=N][,property=value...]
 * Return: 0; -EINVAL with `error` (E201).
 */
BH_MUST_CHECK int bh_lab_nic_parse(const char *text, struct bh_lab_nic *out, struct bh_error *error);

/**
 * bh_lab_run - boot, run options->command, power off; a machine that hangs in its start is started once more, and that is told
 * @out_exit_code: the command's; 128 + N for one that a signal ended
 * Return: 0 when the command ran and ended; -EINVAL; -ENOENT something is missing on the host (named with the command that installs
 * it); -ETIMEDOUT; -EINTR a signal asked to stop; -EIO the machine crashed or hung (the console's end is on stderr).
 * What a signal mask and SIGPIPE's action were, they are again afterwards.
 */
BH_MUST_CHECK int bh_lab_run(const struct bh_lab_options *options, int *out_exit_code, struct bh_error *error);

#endif
