/* SPDX-License-Identifier: Apache-2.0 */
/**
 * prove-iommu: what host/prove orders and the hostile cell does, one step after the other. Freestanding; both include it.
 */
#ifndef PROVE_IOMMU_CONFIG_H
#define PROVE_IOMMU_CONFIG_H

#include <bulkhead/abi/boot.h>
#include <bulkhead/types.h>

enum prove_op {
	PROVE_DEVICE_WRITES = 1, /* an NVMe Read: the device writes to prp1 */
	PROVE_DEVICE_READS = 2,  /* an NVMe Compare: the device reads prp1 and changes nothing */
	/* A Read into the arena whose PRP list is at prp2: what is there, taken for addresses, leads to the leak page. */
	PROVE_LIST = 3,
	/* From here on without the driver, on a controller that is reset before each. */
	PROVE_RAW_FIRST = 4,
	PROVE_FETCH = 4, /* a submission queue at prp1: the device fetches a command there, a Read to the leak page */
	PROVE_COMPLETE = 5, /* a completion queue at prp1: the device writes 16 bytes there */
	PROVE_IDENTIFY =
	        6, /* Identify's active namespaces (small numbers and zeroes) at prp1, the rest at the leak page */
	PROVE_RAW_READ = 7, /* both queues in the arena, a Read to the leak page: must work */
};

enum {
	PROVE_PAUSE = 1u << 0, /* wait PROVE_PAUSE_NS behind it: the host takes the page away meanwhile */
	PROVE_PACED = 1u << 1,
	PROVE_SETTLE = 1u << 4,  /* wait three times as long as for PROVE_PACED: the log takes lines again */
	PROVE_ARRIVES = 1u << 2, /* fill the page at prp1 before, and see whether it changed */
	PROVE_UNGUARDED =
	        1u << 3, /* no canary lies there: not after an escape, which could reach what the machine needs */
};

#define PROVE_STEPS_MAX 48u
#define PROVE_PAUSE_NS  UINT64_C(500000000)

/* Fixed places in the arena, beyond what the driver takes from its start. */
#define PROVE_ARENA_BYTES (UINT64_C(64) << 20)
#define PROVE_BUFFER      (BH_ADDR_ARENA + PROVE_ARENA_BYTES / 4)
#define PROVE_LEAK        (PROVE_BUFFER + (UINT64_C(1) << 20))
#define PROVE_HALT        (PROVE_BUFFER + (UINT64_C(2) << 20)) /* the host writes PROVE_HALTED here once a canary changed */
#define PROVE_HALTED      UINT64_C(0x68616c7465642121)
/* A canary's page: one command, noise, and from here on a PRP list. */
#define PROVE_LIST_OFFSET 2048u
/* The completion's identifier, so that one in the interrupt window asks for a vector that Linux rarely uses. */
#define PROVE_CID 0xe0u

struct prove_step {
	uint64_t prp1;
	uint64_t prp2; /* 0: one block; else 4 KiB at prp1 and as much here */
	uint32_t op;   /* enum prove_op */
	uint32_t flags;
};

struct prove_config {
	char device[BH_NAME_BYTES]; /* "": a victim, which only waits to be asked to stop */
	uint32_t step_cnt;
	uint32_t reserved;
	uint64_t pace_ns; /* behind steps with PROVE_PACED: kernels log few faults a second */
	struct prove_step step[PROVE_STEPS_MAX];
};

/*
 * Gauges: "prove.step": how many steps are done. "prove.N.status": PROVE_STATUS_DONE | the device's status of step N, or
 * what became of it.
 */
#define PROVE_GAUGE_STEP     "prove.step"
#define PROVE_STATUS_DONE    0x10000u
#define PROVE_STATUS_SKIPPED 0x20000u  /* the device has no such command */
#define PROVE_STATUS_REFUSED 0x40000u  /* it could not be submitted: the controller was gone or resetting */
#define PROVE_STATUS_CHANGED 0x80000u  /* the leak page, or the page at prp1 with PROVE_ARRIVES, changed */
#define PROVE_STATUS_FATAL   0x100000u /* the controller reported fatal status (CSTS.CFS) */
#define PROVE_STATUS_SILENT  0x200000u /* no completion came */
#define PROVE_STATUS_HALTED  0x400000u /* PROVE_UNGUARDED, and the device had got out before */

#endif
