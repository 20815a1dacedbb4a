/* SPDX-License-Identifier: Apache-2.0 */
#include "nvme_rig.h"

static bool
overlaps(uint64_t a, uint64_t a_bytes, uint64_t b, uint64_t b_bytes)
{
	return a < b + b_bytes && b < a + a_bytes;
}

static bool
window(void *context, uint64_t iova, uint64_t size_bytes, uint32_t prot, struct nvme_model_window *out)
{
	struct rig *rig = context;
	bool inside = iova >= RIG_IOVA && iova - RIG_IOVA < RIG_ARENA_BYTES &&
	              size_bytes <= RIG_ARENA_BYTES - (iova - RIG_IOVA);

	if (!inside || (rig->hole_bytes && overlaps(iova, size_bytes, rig->hole_iova, rig->hole_bytes)))
		return false;
	if (rig->readonly_bytes && prot & NVME_MODEL_DMA_WRITE &&
	    overlaps(iova, size_bytes, rig->readonly_iova, rig->readonly_bytes))
		return false;
	*out = (struct nvme_model_window){RIG_IOVA, RIG_ARENA_BYTES, rig->arena,
	                                  NVME_MODEL_DMA_READ | NVME_MODEL_DMA_WRITE};
	if (rig->hole_bytes ||
	    rig->readonly_bytes) /* exactly what was asked for, so that the next one is asked as well */
		*out = (struct nvme_model_window){iova, size_bytes, rig->arena + (iova - RIG_IOVA), prot};
	return true;
}

static void
irq(void *context, uint32_t vector)
{
	struct rig *rig = context;
	assert_true(vector < RIG_VECTORS);
	rig->irq_cnt[vector]++;
}

struct nvme_model_config
rig_config(void)
{
	struct nvme_model_config config = NVME_MODEL_CONFIG_DEFAULT;
	config.size_bytes = RIG_DISK_BYTES / 2;
	config.namespace_cnt = 2;
	config.io_queue_cnt = RIG_QUEUES;
	config.queue_entries = 64;
	config.pending_cnt = 256;
	config.vector_cnt = RIG_VECTORS;
	config.mdts = 5;
	config.shadow_doorbells = true;
	return config;
}

void
rig_host(struct rig *rig, struct nvme_model_host *out)
{
	*out = (struct nvme_model_host){.context = rig, .dma_window = window, .irq = irq, .doorbells = rig->doorbells};
}

struct rig *
rig_new(const struct nvme_model_config *config)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	assert_non_null(rig);
	rig->config = config ? *config : rig_config();
	rig->arena = aligned_alloc(4096, RIG_ARENA_BYTES);
	rig->disk = calloc(1, rig->config.size_bytes * rig->config.namespace_cnt);
	rig->doorbells = aligned_alloc(4096, nvme_model_doorbell_bytes(&rig->config));
	assert_true(rig->arena && rig->disk && rig->doorbells);
	memset(rig->arena, 0, RIG_ARENA_BYTES);
	rig->now_ns = 1000000;
	struct nvme_model_host host;
	rig_host(rig, &host);
	struct nvme_model_backing backing = {.memory = rig->disk};
	assert_int_equal(nvme_model_create(&rig->config, &host, &backing, &rig->model), 0);
	return rig;
}

struct rig *
rig_new_faulty(const char *script)
{
	static struct nvme_fault_rule rules[NVME_FAULT_RULES_MAX];
	struct nvme_model_config config = rig_config();
	char error[512] = "";
	int cnt = nvme_fault_parse(script, strlen(script), "test", rules, error, sizeof(error));

	assert_string_equal(error, "");
	assert_true(cnt >= 0);
	config.rules = rules;
	config.rule_cnt = (uint32_t)cnt;
	return rig_new(&config);
}

void
rig_free(struct rig *rig)
{
	nvme_model_destroy(rig->model);
	free((void *)(uintptr_t)rig->doorbells);
	free(rig->disk);
	free(rig->arena);
	free(rig);
}

uint64_t
rig_alloc(struct rig *rig, uint64_t cnt_bytes)
{
	uint64_t iova = RIG_IOVA + rig->arena_used;
	rig->arena_used += (cnt_bytes + 4095) & ~UINT64_C(4095);
	assert_true(rig->arena_used <= RIG_ARENA_BYTES);
	memset(rig_at(rig, iova), 0, cnt_bytes);
	return iova;
}

void *
rig_at(struct rig *rig, uint64_t iova)
{
	assert_true(iova >= RIG_IOVA && iova < RIG_IOVA + RIG_ARENA_BYTES);
	return rig->arena + (iova - RIG_IOVA);
}

uint32_t
rig_read32(struct rig *rig, uint64_t offset)
{
	return (uint32_t)nvme_model_reg_read(rig->model, offset, 4, rig->now_ns);
}

void
rig_write32(struct rig *rig, uint64_t offset, uint32_t value)
{
	nvme_model_reg_write(rig->model, offset, 4, value, rig->now_ns);
}

void
rig_write64(struct rig *rig, uint64_t offset, uint64_t value)
{
	nvme_model_reg_write(rig->model, offset, 8, value, rig->now_ns);
}

void
rig_poll(struct rig *rig, uint32_t cnt)
{
	for (uint32_t i = 0; i < cnt; i++)
		nvme_model_poll(rig->model, rig->now_ns);
}

void
rig_advance(struct rig *rig, uint64_t ns)
{
	uint64_t end_ns = rig->now_ns + ns;
	for (uint32_t i = 0; i < 10000 && nvme_model_next_event_ns(rig->model) <= end_ns; i++) {
		uint64_t next_ns = nvme_model_next_event_ns(rig->model);
		rig->now_ns = next_ns > rig->now_ns ? next_ns : rig->now_ns;
		rig_poll(rig, 1);
	}
	rig->now_ns = end_ns;
	rig_poll(rig, 2);
}

void
rig_enable(struct rig *rig)
{
	struct rig_queue *admin = &rig->queue[0];

	*admin = (struct rig_queue){.entries = 16, .phase = 1};
	admin->sq_iova = rig_alloc(rig, 16 * 64);
	admin->cq_iova = rig_alloc(rig, 16 * 16);
	rig_write32(rig, NVME_REG_AQA, 15 | 15 << 16);
	rig_write64(rig, NVME_REG_ASQ, admin->sq_iova);
	rig_write64(rig, NVME_REG_ACQ, admin->cq_iova);
	rig_write32(rig, NVME_REG_CC, NVME_CC_EN | NVME_SET(NVME_CC_IOSQES, 6u) | NVME_SET(NVME_CC_IOCQES, 4u));
}

void
rig_create_queue(struct rig *rig, uint16_t qid, uint32_t entries)
{
	struct rig_queue *queue = &rig->queue[qid];

	*queue = (struct rig_queue){.entries = entries, .phase = 1};
	queue->sq_iova = rig_alloc(rig, entries * 64);
	queue->cq_iova = rig_alloc(rig, entries * 16);
	struct nvme_sqe cq = rig_admin(NVME_ADMIN_CREATE_CQ, 0, queue->cq_iova, qid | (entries - 1) << 16,
	                               NVME_CREATE_PC | NVME_CREATE_CQ_IEN | (uint32_t)qid << 16);
	struct nvme_sqe sq = rig_admin(NVME_ADMIN_CREATE_SQ, 0, queue->sq_iova, qid | (entries - 1) << 16,
	                               NVME_CREATE_PC | (uint32_t)qid << 16);
	assert_int_equal(rig_status(rig, 0, &cq), 0);
	assert_int_equal(rig_status(rig, 0, &sq), 0);
}

void
rig_start(struct rig *rig)
{
	rig_enable(rig);
	rig_poll(rig, 1);
	assert_int_equal(rig_read32(rig, NVME_REG_CSTS), NVME_CSTS_RDY);
	rig_create_queue(rig, 1, 16);
}

static volatile uint32_t *
doorbell(struct rig *rig, uint16_t qid, uint32_t is_cq)
{
	return rig->doorbells + (nvme_doorbell_offset(qid, is_cq, rig->config.doorbell_stride_log2) - 0x1000) / 4;
}

uint16_t
rig_submit(struct rig *rig, uint16_t qid, const struct nvme_sqe *sqe)
{
	struct rig_queue *queue = &rig->queue[qid];
	struct nvme_sqe copy = *sqe;

	copy.cid = rig->cid++;
	memcpy(rig_at(rig, queue->sq_iova + queue->tail * 64), &copy, sizeof(copy));
	queue->tail = (queue->tail + 1) % queue->entries;
	*doorbell(rig, qid, 0) = queue->tail;
	return copy.cid;
}

struct rig_result
rig_peek(struct rig *rig, uint16_t qid)
{
	struct rig_queue *queue = &rig->queue[qid];
	struct rig_result result = {.done = false};
	struct nvme_cqe cqe;

	memcpy(&cqe, rig_at(rig, queue->cq_iova + queue->head * 16), sizeof(cqe));
	if ((cqe.status & 1u) != queue->phase)
		return result;
	result.done = true;
	result.status = NVME_STATUS_OF_WORD(cqe.status);
	result.no_retry = cqe.status & NVME_CQE_DNR;
	result.result = cqe.result;
	result.cid = cqe.cid;
	result.sq_id = cqe.sq_id;
	result.sq_head = cqe.sq_head;
	return result;
}

struct rig_result
rig_take(struct rig *rig, uint16_t qid)
{
	struct rig_queue *queue = &rig->queue[qid];
	struct rig_result result = rig_peek(rig, qid);

	if (!result.done)
		return result;
	if (++queue->head == queue->entries) {
		queue->head = 0;
		queue->phase ^= 1;
	}
	*doorbell(rig, qid, 1) = queue->head;
	return result;
}

struct rig_result
rig_run(struct rig *rig, uint16_t qid, const struct nvme_sqe *sqe)
{
	uint16_t cid = rig_submit(rig, qid, sqe);
	rig_poll(rig, 2);
	struct rig_result result = rig_take(rig, qid);
	assert_true(result.done);
	assert_int_equal(result.cid, cid);
	assert_int_equal(result.sq_id, qid);
	assert_int_equal(result.sq_head, rig->queue[qid].tail);
	return result;
}

uint16_t
rig_status(struct rig *rig, uint16_t qid, const struct nvme_sqe *sqe)
{
	return rig_run(rig, qid, sqe).status;
}

struct nvme_sqe
rig_rw(uint8_t opcode, uint64_t lba, uint32_t blocks, uint64_t prp1, uint64_t prp2)
{
	return (struct nvme_sqe){.opcode = opcode,
	                         .nsid = 1,
	                         .prp1 = prp1,
	                         .prp2 = prp2,
	                         .cdw10 = (uint32_t)lba,
	                         .cdw11 = (uint32_t)(lba >> 32),
	                         .cdw12 = blocks - 1};
}

struct nvme_sqe
rig_admin(uint8_t opcode, uint32_t nsid, uint64_t prp1, uint32_t cdw10, uint32_t cdw11)
{
	return (struct nvme_sqe){.opcode = opcode, .nsid = nsid, .prp1 = prp1, .cdw10 = cdw10, .cdw11 = cdw11};
}
