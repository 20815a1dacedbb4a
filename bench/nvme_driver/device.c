/* SPDX-License-Identifier: Apache-2.0 */
/* The functions of <bulkhead/device.h>, in front of the model and the ideal device. */
#include "bench/nvme_driver/device.h"
#include "devices/nvme/nvme_model.h"
#include <bulkhead/arch.h>
#include <bulkhead/device.h>
#include <bulkhead/hosted.h>
#include <bulkhead/mem.h>
#include <bulkhead/sched.h>

#define DOORBELL_BYTES 4096u
#define ADMIN_ENTRIES  32u
#define STRIDE_WORDS   16u /* NVME_MODEL_CONFIG_DEFAULT: a line for each doorbell */

static struct nvme_model *model;
static uint32_t model_doorbells[DOORBELL_BYTES / 4] BH_ALIGNED(4096);
static uint32_t io_doorbells[2 * STRIDE_WORDS] BH_ALIGNED(64);

/* The ideal device's I/O queue 1. */
static struct {
	const struct nvme_sqe *sq;
	struct nvme_cqe *cq;
	uint32_t sq_mask, cq_mask, sq_head, cq_tail, phase;
} queue;

static uint64_t asq;

static struct bh_boot_device info = {.name = "nvme0", .pci_class = 0x010802};

static bool
window(void *context, uint64_t iova, uint64_t size_bytes, uint32_t prot, struct nvme_model_window *out)
{
	if (!bh_dma_contains((void *)(uintptr_t)iova, size_bytes))
		return false;
	*out = (struct nvme_model_window){iova, size_bytes, (uint8_t *)(uintptr_t)iova, prot};
	return true;
}

static uint64_t
now_ns(void)
{
	return bh_clock_now_tsc() / 3; /* the model needs no more than that it grows */
}

static void
model_poll(void *arg)
{
	nvme_model_poll(model, now_ns());
}

int
device_start(void)
{
	static struct bh_poller poller = {.fn = model_poll};
	struct nvme_model_config config = NVME_MODEL_CONFIG_DEFAULT;
	struct nvme_model_host host = {.dma_window = window, .doorbells = model_doorbells};
	struct nvme_model_backing backing = {.null = true};

	config.shadow_doorbells = false;
	config.io_queue_cnt = 1;
	if (nvme_model_doorbell_bytes(&config) > sizeof(model_doorbells))
		return -BH_EINVAL;
	int err = nvme_model_create(&config, &host, &backing, &model);
	if (err == 0)
		bh_poller_add(&poller);
	return err;
}

/* Where queue 1 is: the Create commands still stand in the admin submission queue. */
static void
queue_learn(const struct nvme_sqe *cmd)
{
	uint32_t mask = NVME_GET(cmd->cdw10, NVME_QUEUE_QSIZE);
	if (cmd->opcode == NVME_ADMIN_CREATE_CQ) {
		queue.cq = (struct nvme_cqe *)(uintptr_t)cmd->prp1;
		queue.cq_mask = mask;
		queue.phase = 1;
	} else if (cmd->opcode == NVME_ADMIN_CREATE_SQ) {
		queue.sq = (const struct nvme_sqe *)(uintptr_t)cmd->prp1;
		queue.sq_mask = mask;
	}
}

void
device_attach(void)
{
	const struct nvme_sqe *admin = (const struct nvme_sqe *)(uintptr_t)asq;
	for (uint32_t i = 0; i < ADMIN_ENTRIES; i++)
		queue_learn(&admin[i]);
}

uint32_t
device_step(uint32_t cnt)
{
	uint32_t tail = io_doorbells[0], done_cnt = 0;

	for (; done_cnt < cnt && queue.sq_head != tail; done_cnt++) {
		uint64_t cid = queue.sq[queue.sq_head].cid;
		queue.sq_head = (queue.sq_head + 1) & queue.sq_mask;
		uint64_t *cqe = (uint64_t *)&queue.cq[queue.cq_tail];
		cqe[0] = 0;
		cqe[1] = queue.sq_head | UINT64_C(1) << 16 | cid << 32 | (uint64_t)queue.phase << 48;
		queue.cq_tail = (queue.cq_tail + 1) & queue.cq_mask;
		queue.phase ^= queue.cq_tail == 0;
	}
	return done_cnt;
}

int
bh_device_find(const char *name, struct bh_device *out_device)
{
	*out_device = (struct bh_device){.device_idx = 0, .info = &info};
	return 0;
}

volatile void *
bh_device_window(const struct bh_device *device, uint32_t bar, uint64_t offset, uint64_t size_bytes)
{
	uint32_t word = (uint32_t)(offset - NVME_REG_DOORBELLS) / 4;
	return word < 2 * STRIDE_WORDS ? &model_doorbells[word] : &io_doorbells[word - 2 * STRIDE_WORDS];
}

int
bh_reg_read32(const struct bh_device *device, uint32_t bar, uint64_t offset, uint32_t *out_value)
{
	*out_value = (uint32_t)nvme_model_reg_read(model, offset, 4, now_ns());
	return 0;
}

int
bh_reg_read64(const struct bh_device *device, uint32_t bar, uint64_t offset, uint64_t *out_value)
{
	*out_value = nvme_model_reg_read(model, offset, 8, now_ns());
	return 0;
}

int
bh_reg_write32(const struct bh_device *device, uint32_t bar, uint64_t offset, uint32_t value)
{
	nvme_model_reg_write(model, offset, 4, value, now_ns());
	return 0;
}

int
bh_reg_write64(const struct bh_device *device, uint32_t bar, uint64_t offset, uint64_t value)
{
	if (offset == NVME_REG_ASQ)
		asq = value;
	nvme_model_reg_write(model, offset, 8, value, now_ns());
	return 0;
}

static uint32_t reset_cnt;

int
bh_device_reset(const struct bh_device *device)
{
	reset_cnt++;
	nvme_model_reset(model, now_ns());
	return 0;
}

uint32_t
bh_device_reset_cnt(const struct bh_device *device, bool *out_under_way)
{
	*out_under_way = false;
	return reset_cnt;
}
