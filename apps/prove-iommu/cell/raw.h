/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A controller without the driver: for queues that lie where no driver would put them. Each step resets it first.
 */
#ifndef PROVE_IOMMU_RAW_H
#define PROVE_IOMMU_RAW_H

#include <bulkhead/device.h>

#include "apps/prove-iommu/config.h"

struct nvme_sqe;
struct nvme_cqe;

struct raw_queue {
	struct nvme_sqe *sq;
	volatile struct nvme_cqe *cq;
	uint32_t tail, head, phase;
};

struct raw {
	struct bh_device device;
	uint64_t cap;
	struct raw_queue admin, io; /* rings of RAW_ENTRIES in the arena */
};

/* raw_open - take the device while no driver has it; a struct of zeroes, or one that was open before (its rings are used again). Return: 0; -BH_ENOMEM; the registers' errors. */
BH_MUST_CHECK int raw_open(struct raw *raw, const char *device_name);
/* raw_step - one step with an op of PROVE_RAW_FIRST or above. Return: PROVE_STATUS_*. */
uint32_t raw_step(struct raw *raw, const struct prove_step *step);
/* raw_close - leave it disabled. */
void raw_close(struct raw *raw);

/* page_fill, page_changed - a page of the arena before and after: whether anything was written to it. */
void page_fill(uint64_t addr);
bool page_changed(uint64_t addr);

#endif
