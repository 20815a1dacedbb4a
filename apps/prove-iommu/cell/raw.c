/* SPDX-License-Identifier: Apache-2.0 */
/* NVMe Base Specification 2.0: 3.5.1 (start), 3.3 (queues), 5.4 and 5.5 (their creation). */
#include "apps/prove-iommu/cell/raw.h"

#include <bulkhead/cell.h>
#include <bulkhead/mem.h>
#include <bulkhead/sched.h>
#include <bulkhead/spec/nvme.h>

#define RAW_ENTRIES 8u
#define ANSWER_NS   UINT64_C(300000000) /* a device that answers does so in a millisecond; some never do */
#define READY_NS    UINT64_C(10000000000)
#define FILL        UINT64_C(0x5a17c0de5a17c0de)

void
page_fill(uint64_t addr)
{
	volatile uint64_t *word = (volatile uint64_t *)(uintptr_t)addr;
	for (size_t i = 0; i < BH_PAGE_BYTES / sizeof(*word); i++)
		word[i] = FILL + i;
}

bool
page_changed(uint64_t addr)
{
	const volatile uint64_t *word = (const volatile uint64_t *)(uintptr_t)addr;
	for (size_t i = 0; i < BH_PAGE_BYTES / sizeof(*word); i++) {
		if (word[i] != FILL + i)
			return true;
	}
	return false;
}

static uint64_t
deadline_after(uint64_t ns)
{
	return bh_clock_now_tsc() + bh_ns_to_tsc(ns);
}

static bool
is_fatal(const struct raw *raw)
{
	uint32_t csts;
	return bh_reg_read32(&raw->device, 0, NVME_REG_CSTS, &csts) != 0 || (csts & NVME_CSTS_CFS) != 0;
}

static int
wait_ready(const struct raw *raw, uint32_t want)
{
	uint64_t end_tsc = deadline_after(READY_NS);
	uint32_t csts;
	for (;;) {
		bool late = bh_clock_now_tsc() >= end_tsc;
		int err = bh_reg_read32(&raw->device, 0, NVME_REG_CSTS, &csts);
		if (err != 0)
			return err;
		if (csts == NVME_ALL_ONES32)
			return -BH_ENODEV;
		if ((csts & (NVME_CSTS_RDY | NVME_CSTS_CFS)) == want)
			return 0;
		if (late)
			return -BH_ETIMEDOUT;
		bh_sleep_until(deadline_after(100000));
	}
}

/* Controller reset; where fatal status outlives that, a reset of the function. */
static int
disable(const struct raw *raw)
{
	int err = bh_reg_write32(&raw->device, 0, NVME_REG_CC, 0);
	if (err == 0)
		err = wait_ready(raw, 0);
	if (err == -BH_ETIMEDOUT)
		err = bh_device_reset(&raw->device);
	return err != 0 ? err : wait_ready(raw, 0);
}

static void
queue_clear(struct raw_queue *queue)
{
	memset(queue->sq, 0, RAW_ENTRIES * sizeof(*queue->sq));
	memset((void *)(uintptr_t)queue->cq, 0, RAW_ENTRIES * sizeof(*queue->cq));
	queue->tail = queue->head = 0;
	queue->phase = NVME_CQE_PHASE;
}

static int
enable(struct raw *raw)
{
	uint64_t css = NVME_GET(raw->cap, NVME_CAP_CSS);
	uint32_t cc = NVME_SET(NVME_CC_IOSQES, NVME_SQES_LOG2) | NVME_SET(NVME_CC_IOCQES, NVME_CQES_LOG2) |
	              NVME_SET(NVME_CC_CSS, (css & NVME_CAP_CSS_NVM) != 0 ? NVME_CC_CSS_NVM : NVME_CC_CSS_IO_SETS);
	queue_clear(&raw->admin);
	queue_clear(&raw->io);
	int err = bh_reg_write32(&raw->device, 0, NVME_REG_AQA,
	                         NVME_SET(NVME_AQA_ASQS, RAW_ENTRIES - 1) | NVME_SET(NVME_AQA_ACQS, RAW_ENTRIES - 1));
	if (err == 0)
		err = bh_reg_write64(&raw->device, 0, NVME_REG_ASQ, (uintptr_t)raw->admin.sq);
	if (err == 0)
		err = bh_reg_write64(&raw->device, 0, NVME_REG_ACQ, (uintptr_t)raw->admin.cq);
	if (err == 0)
		err = bh_reg_write32(&raw->device, 0, NVME_REG_INTMS, NVME_ALL_ONES32);
	if (err == 0)
		err = bh_reg_write32(&raw->device, 0, NVME_REG_CC, cc | NVME_CC_EN);
	return err != 0 ? err : wait_ready(raw, NVME_CSTS_RDY);
}

static int
doorbell(const struct raw *raw, uint32_t qid, uint32_t is_cq, uint32_t value)
{
	bh_dma_wmb();
	return bh_reg_write32(&raw->device, 0,
	                      nvme_doorbell_offset(qid, is_cq, (uint32_t)NVME_GET(raw->cap, NVME_CAP_DSTRD)), value);
}

/* Return: PROVE_STATUS_DONE | status, or what came instead. */
static uint32_t
await(struct raw *raw, struct raw_queue *queue, uint32_t qid)
{
	uint64_t end_tsc = deadline_after(ANSWER_NS);
	for (;;) {
		bool late = bh_clock_now_tsc() >= end_tsc;
		uint32_t word = queue->cq[queue->head].status;
		if ((word & NVME_CQE_PHASE) == queue->phase) {
			queue->head = (queue->head + 1) % RAW_ENTRIES;
			queue->phase ^= queue->head == 0 ? NVME_CQE_PHASE : 0;
			if (doorbell(raw, qid, 1, queue->head) != 0)
				return PROVE_STATUS_REFUSED;
			return PROVE_STATUS_DONE | (word >> 1 & 0x7ff);
		}
		if (is_fatal(raw))
			return PROVE_STATUS_FATAL;
		if (late)
			return PROVE_STATUS_SILENT;
		bh_sleep_until(deadline_after(100000));
	}
}

static uint32_t
admin(struct raw *raw, struct nvme_sqe cmd)
{
	struct raw_queue *queue = &raw->admin;
	cmd.cid = (uint16_t)queue->tail;
	queue->sq[queue->tail] = cmd;
	queue->tail = (queue->tail + 1) % RAW_ENTRIES;
	if (doorbell(raw, 0, 0, queue->tail) != 0)
		return PROVE_STATUS_REFUSED;
	return await(raw, queue, 0);
}

static uint32_t
create_queues(struct raw *raw, uint64_t sq, uint64_t cq)
{
	const uint32_t size = 1 | NVME_SET(NVME_QUEUE_QSIZE, RAW_ENTRIES - 1);
	const struct nvme_sqe cmd[] = {
	        {.opcode = NVME_ADMIN_SET_FEATURES, .cdw10 = NVME_FEATURE_QUEUE_CNT, .cdw11 = 0},
	        {.opcode = NVME_ADMIN_CREATE_CQ, .prp1 = cq, .cdw10 = size, .cdw11 = NVME_CREATE_PC},
	        {.opcode = NVME_ADMIN_CREATE_SQ,
	         .prp1 = sq,
	         .cdw10 = size,
	         .cdw11 = NVME_CREATE_PC | NVME_SET(NVME_CREATE_SQ_CQID, 1)},
	};
	uint32_t status = PROVE_STATUS_DONE;
	for (size_t i = 0; i < BH_ARRAY_CNT(cmd) && status == PROVE_STATUS_DONE; i++)
		status = admin(raw, cmd[i]);
	return status;
}

static uint32_t
queue_step(struct raw *raw, const struct prove_step *step)
{
	uint64_t sq = step->op == PROVE_FETCH ? step->prp1 : (uintptr_t)raw->io.sq;
	uint64_t cq = step->op == PROVE_COMPLETE ? step->prp1 : (uintptr_t)raw->io.cq;
	uint32_t status = create_queues(raw, sq, cq);
	if (status != PROVE_STATUS_DONE)
		return status;
	raw->io.sq[0] = (struct nvme_sqe){.opcode = NVME_NVM_READ,
	                                  .cid = PROVE_CID,
	                                  .nsid = 1,
	                                  .prp1 = step->op == PROVE_RAW_READ ? PROVE_LEAK : PROVE_BUFFER};
	if (doorbell(raw, 1, 0, 1) != 0)
		return PROVE_STATUS_REFUSED;
	return await(raw, &raw->io, 1);
}

uint32_t
raw_step(struct raw *raw, const struct prove_step *step)
{
	uint32_t status;
	if (disable(raw) != 0 || enable(raw) != 0)
		return PROVE_STATUS_REFUSED;
	page_fill(PROVE_LEAK);
	if (step->op == PROVE_IDENTIFY)
		status = admin(raw, (struct nvme_sqe){.opcode = NVME_ADMIN_IDENTIFY,
		                                      .prp1 = step->prp1,
		                                      .prp2 = PROVE_BUFFER,
		                                      .cdw10 = NVME_CNS_ACTIVE_NS_LIST});
	else
		status = queue_step(raw, step);
	/* Quiet before the page is looked at: nothing is under way any more. */
	if (disable(raw) != 0)
		status |= PROVE_STATUS_FATAL;
	return status | (page_changed(PROVE_LEAK) ? PROVE_STATUS_CHANGED : 0);
}

static int
queue_alloc(struct raw_queue *queue)
{
	if (queue->sq != NULL)
		return 0;
	queue->sq = bh_dma_alloc(RAW_ENTRIES * sizeof(*queue->sq), BH_PAGE_BYTES);
	queue->cq = bh_dma_alloc(RAW_ENTRIES * sizeof(*queue->cq), BH_PAGE_BYTES);
	return queue->sq != NULL && queue->cq != NULL ? 0 : -BH_ENOMEM;
}

int
raw_open(struct raw *raw, const char *device_name)
{
	int err = bh_device_find(device_name, &raw->device);
	if (err == 0)
		err = bh_reg_read64(&raw->device, 0, NVME_REG_CAP, &raw->cap);
	if (err == 0)
		err = queue_alloc(&raw->admin);
	return err != 0 ? err : queue_alloc(&raw->io);
}

void
raw_close(struct raw *raw)
{
	(void)!disable(raw);
}
