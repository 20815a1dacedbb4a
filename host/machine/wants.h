/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What a configuration wants of the machine: its [partition] section, and what its cell and devices need besides.
 *
 *   [partition]
 *   cpus          list; preset: [cell] cpus
 *   hugepages     of 2 MiB; preset: what the cell's arena and heap need (none without a cell, or with [cell] pages = normal)
 *   hugepages_1g  preset: 0
 *   devices       PCI addresses, with commas; preset: those of [device] sections with backend = vfio
 *   level         live | full (full: kernel command line, too)
 *   governor      performance | keep
 *   idle_latency  idle states that take longer to leave are switched off on these CPUs; preset: they are kept
 *   after_boot    restore | reapply: what `bulkhead restore --boot` does with a live partition
 *
 * A file may hold nothing but [partition]: for those who run DPDK, SPDK or audio on the quiet CPUs and no cell.
 */
#ifndef HOST_MACHINE_WANTS_H
#define HOST_MACHINE_WANTS_H

#include <limits.h>

#include "host/device/device.h"
#include "host/device/pci.h"
#include "host/machine/cpus.h"
#include "host/run/config.h"

#define BH_WANTS_DEVICES_MAX 32u

enum bh_level { BH_LEVEL_LIVE = 0, BH_LEVEL_FULL = 1 };

struct bh_wants {
	char path[PATH_MAX]; /* of the file, absolute; "" none: bh_wants_none */
	bool has_cell;
	struct bh_cpus cpus; /* empty: no CPUs are named (cpus = auto) */
	uint64_t hugepage_cnt, hugepage_1g_cnt;
	uint64_t memory_bytes; /* of the cell: locked */
	uint32_t device_cnt;
	char device[BH_WANTS_DEVICES_MAX][BH_PCI_ADDRESS_BYTES];
	enum bh_level level;
	bool performance;
	bool idle_limited;
	uint64_t idle_latency_ns;
	bool reapply;
};

/* bh_wants_none - nothing in particular: doctor without a file. */
void bh_wants_none(struct bh_wants *out);

/**
 * bh_wants_load - read and check a file
 * @app: app_cnt applications with host halves, as for bh_config_load
 * Return: 0; -ENOENT, -EACCES, ...; -EINVAL with `file:line: ...` (ids of config.h).
 */
BH_MUST_CHECK int bh_wants_load(const char *path, const struct bh_app *app, size_t app_cnt, struct bh_wants *out,
                                struct bh_error *error);

#endif
