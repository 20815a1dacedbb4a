/* SPDX-License-Identifier: Apache-2.0 */
/**
 * prove-iommu: a hostile cell tells its device to reach where it may not, and this says what held.
 *
 * Nothing on the media is changed: the device is made to write memory by NVMe Reads, and to read memory by Compares. The
 * targets by physical address are pages of our own making with a random pattern (canaries): what a device could reach if no IOMMU
 * stood in between. The others are addresses that nothing is mapped at.
 *
 * Root. One thread; it forks one process (the other cell's supervisor), which ends with it.
 */
#ifndef HOST_PROVE_PROVE_H
#define HOST_PROVE_PROVE_H

#include <bulkhead/types.h>

#include "host/device/device.h"

#define BH_PROVE_LINES_MAX 48u

struct bh_prove_options {
	const char *address; /* of a device that is bound to vfio-pci; or */
	const char *socket;  /* of a vfio-user server; or both NULL: a software device of our own */
	const char *second;  /* address of a device for the other cell; NULL: it has none */
	const char *only;    /* names of targets, comma-separated; NULL: all. Controls always run */
	bool self_test;      /* give the device the supervisor's page on purpose: the report must say ESCAPED */
	void *context;
	void (*progress)(void *context, unsigned done, unsigned all);
	void (*warn)(void *context, const struct bh_error *warning);
};

enum bh_prove_verdict {
	BH_PROVE_HELD = 0,
	BH_PROVE_ESCAPED = 1,
	BH_PROVE_NOT_TESTED = 2,
	BH_PROVE_CONTROL = 3, /* a control that worked, as it must */
	BH_PROVE_UNCLEAR = 4, /* no harm seen, and no proof that anything stood in between */
};

/* How the device is made to reach there. */
enum bh_prove_access {
	BH_PROVE_WRITE = 0,    /* it writes data */
	BH_PROVE_READ = 1,     /* it compares data */
	BH_PROVE_LIST = 2,     /* it reads a list of addresses */
	BH_PROVE_FETCH = 3,    /* it fetches commands */
	BH_PROVE_COMPLETE = 4, /* it writes completions */
};

struct bh_prove_line {
	const char *name; /* stable word: "supervisor-physical", ... */
	const char *what; /* in words */
	enum bh_prove_access access;
	bool interrupt; /* the interrupt window: no memory */
	uint64_t iova;
	enum bh_prove_verdict verdict;
	bool has_canary, canary_changed;
	bool answered;      /* the device completed the command */
	uint16_t status;    /* NVMe status of it: SCT << 8 | SC, or BH_NVME_STATUS_* */
	bool fatal;         /* the controller gave up (CSTS.CFS) */
	bool leaked;        /* what the device read there led it to the arena */
	uint32_t fault_cnt; /* kernel log lines about this address meanwhile, or about interrupt requests */
	uint32_t stray_cnt; /* interrupts that nobody waited for, meanwhile */
	char evidence[192];
};

struct bh_prove_report {
	char device[64];
	bool behind_iommu; /* VFIO; else the software device's own check */
	bool proven;       /* all controls worked and every line was held */
	bool memory_held;  /* likewise, without the lines about interrupts */
	uint32_t line_cnt;
	struct bh_prove_line line[BH_PROVE_LINES_MAX];
	uint32_t fault_cnt; /* kernel log lines about the device in all */
	char fault_last[200];
	const char *cell_outcome;       /* bh_outcome_name */
	uint64_t interrupts_unexpected; /* ERR and MIS of /proc/interrupts: more than before */
};

/**
 * bh_prove_iommu - run it
 * Return: 0 with the report filled, whatever it says; -EPERM refused or not root; or the error of opening the device or starting
 * the cell.
 */
BH_MUST_CHECK int bh_prove_iommu(const struct bh_prove_options *options, struct bh_prove_report *out,
                                 struct bh_error *error);

const char *bh_prove_verdict_name(enum bh_prove_verdict verdict);
/* bh_prove_access_name - "write", "read", "list", "fetch", "complete". */
const char *bh_prove_access_name(enum bh_prove_access access);

#endif
