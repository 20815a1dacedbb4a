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
};

enum {
	PROVE_PAUSE = 1u << 0, /* wait PROVE_PAUSE_NS behind it: the host takes the page away meanwhile */
};

#define PROVE_STEPS_MAX 40u
#define PROVE_PAUSE_NS  UINT64_C(500000000)

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
	uint64_t pace_ns; /* between steps: kernels log few faults a second */
	struct prove_step step[PROVE_STEPS_MAX];
};

/*
 * Gauges: "prove.step": how many steps are done. "prove.N.status": PROVE_STATUS_DONE | the device's status of step N, or
 * PROVE_STATUS_SKIPPED, PROVE_STATUS_REFUSED.
 */
#define PROVE_GAUGE_STEP     "prove.step"
#define PROVE_STATUS_DONE    0x10000u
#define PROVE_STATUS_SKIPPED 0x20000u /* the device has no such command */
#define PROVE_STATUS_REFUSED 0x40000u /* the driver could not submit it: the controller was gone or resetting */

#endif
