/* SPDX-License-Identifier: Apache-2.0 */
/* Admin commands (Base 2.0, 5): queues, abort, asynchronous event requests, doorbell buffers. */
#include <string.h>

#include "devices/nvme/internal.h"

/* To the state of a queue that does not exist; its doorbell reads 0. */
void
nvme_queue_init(struct nvme_model *m, uint32_t qid, bool is_cq)
{
	volatile uint32_t *doorbell = nvme_doorbell_at(m, qid, is_cq);

	*doorbell = 0;
	if (is_cq) {
		struct nvme_cq *cq = &m->cq[qid];
		*cq = (struct nvme_cq){.head_doorbell = doorbell, .phase = NVME_CQE_PHASE, .id = (uint16_t)qid};
		cq->bad_head = cq->held_first = cq->held_last = NVME_NONE;
	} else {
		struct nvme_sq *sq = &m->sq[qid];
		*sq = (struct nvme_sq){.tail_doorbell = doorbell, .cq = &m->cq[0], .id = (uint16_t)qid};
		sq->bad_tail = NVME_NONE;
	}
}

static uint32_t
queue_id(const struct nvme_sqe *sqe)
{
	return (uint32_t)NVME_GET(sqe->cdw10, NVME_QUEUE_QID);
}

/* Doorbell buffers are indexed as the doorbells are. NULL: not in use, or not reachable any more. */
static uint32_t *
shadow_at(struct nvme_model *m, uint64_t base, uint32_t qid, bool is_cq)
{
	uint64_t offset = nvme_doorbell_offset(qid, is_cq, m->config.doorbell_stride_log2) - NVME_REG_DOORBELLS;
	uint8_t *addr = nvme_dma(m, base, BH_PAGE_BYTES, NVME_MODEL_DMA_READ | NVME_MODEL_DMA_WRITE);
	return addr && (uintptr_t)addr % BH_CACHE_LINE_BYTES == 0 ? (uint32_t *)(void *)(addr + offset) : NULL;
}

/*
 * A queue's index comes from the shadow buffer from now on. The model polls, so it never needs to be rung: EventIdx stays
 * one behind what was there, and a driver that follows the specification writes the register at most once a lap.
 */
static void
shadow_attach(struct nvme_model *m, uint32_t qid, bool is_cq)
{
	uint32_t *shadow = shadow_at(m, m->shadow_iova, qid, is_cq);
	uint32_t *event_idx = shadow_at(m, m->event_idx_iova, qid, is_cq);

	if (!shadow || !event_idx)
		return;
	uint32_t now = *nvme_doorbell_at(m, qid, is_cq);
	__atomic_store_n(shadow, now, __ATOMIC_RELEASE);
	__atomic_store_n(event_idx, (now - 1) & 0xffff, __ATOMIC_RELEASE);
	if (is_cq)
		m->cq[qid].head_doorbell = shadow;
	else
		m->sq[qid].tail_doorbell = shadow;
}

void
nvme_shadow_unmap(struct nvme_model *m, uint64_t iova, uint64_t size_bytes)
{
	bool hit = m->shadow_iova - iova < size_bytes || iova - m->shadow_iova < BH_PAGE_BYTES ||
	           m->event_idx_iova - iova < size_bytes || iova - m->event_idx_iova < BH_PAGE_BYTES;
	if (!hit)
		return;
	m->shadow_used = false;
	for (uint32_t qid = 0; qid <= m->config.io_queue_cnt; qid++) {
		m->sq[qid].tail_doorbell = nvme_doorbell_at(m, qid, 0);
		m->cq[qid].head_doorbell = nvme_doorbell_at(m, qid, 1);
	}
}

static uint16_t
doorbell_buffer_config(struct nvme_model *m, const struct nvme_sqe *sqe)
{
	if (!m->config.shadow_doorbells)
		return NVME_SC_INVALID_OPCODE | NVME_DNR;
	if ((sqe->prp1 | sqe->prp2) & m->page_mask)
		return NVME_SC_INVALID_FIELD | NVME_DNR;
	m->shadow_iova = sqe->prp1;
	m->event_idx_iova = sqe->prp2;
	if (!shadow_at(m, sqe->prp1, 0, false) || !shadow_at(m, sqe->prp2, 0, false))
		return NVME_SC_DATA_TRANSFER_ERROR;
	m->shadow_used = true;
	for (uint32_t qid = 1; qid <= m->config.io_queue_cnt; qid++) {
		if (m->cq[qid].created)
			shadow_attach(m, qid, true);
		if (m->sq[qid].created)
			shadow_attach(m, qid, false);
	}
	return 0;
}

/* What creating either kind of queue has in common. */
static uint16_t
create_check(const struct nvme_model *m, const struct nvme_sqe *sqe, bool created, bool entry_size_set)
{
	uint32_t qid = queue_id(sqe);
	uint32_t qsize = (uint32_t)NVME_GET(sqe->cdw10, NVME_QUEUE_QSIZE);

	if (qid == 0 || qid > m->features.io_queue_cnt || created)
		return NVME_SC_INVALID_QUEUE_ID | NVME_DNR;
	if (qsize == 0 || qsize > m->config.queue_entries - 1)
		return NVME_SC_INVALID_QUEUE_SIZE | NVME_DNR;
	if (!(sqe->cdw11 & NVME_CREATE_PC) || !entry_size_set)
		return NVME_SC_INVALID_FIELD | NVME_DNR;
	if (sqe->prp1 & m->page_mask)
		return NVME_SC_INVALID_PRP_OFFSET | NVME_DNR;
	return 0;
}

static uint16_t
create_cq(struct nvme_model *m, const struct nvme_sqe *sqe)
{
	uint32_t qid = queue_id(sqe);
	uint32_t vector = (uint32_t)NVME_GET(sqe->cdw11, NVME_CREATE_CQ_IV);
	bool interrupts = sqe->cdw11 & NVME_CREATE_CQ_IEN;
	bool created = qid <= m->config.io_queue_cnt && m->cq[qid].created;
	uint16_t status = create_check(m, sqe, created, NVME_GET(m->cc, NVME_CC_IOCQES) == NVME_CQES_LOG2);

	if (status)
		return status;
	if (interrupts && vector >= m->config.vector_cnt)
		return NVME_SC_INVALID_INTERRUPT_VECTOR | NVME_DNR;
	struct nvme_cq *cq = &m->cq[qid];
	nvme_queue_init(m, qid, true);
	cq->size = (uint32_t)NVME_GET(sqe->cdw10, NVME_QUEUE_QSIZE) + 1;
	cq->iova = sqe->prp1;
	cq->entries = nvme_dma(m, cq->iova, (uint64_t)cq->size << NVME_CQES_LOG2, NVME_MODEL_DMA_WRITE);
	if (!cq->entries || (uintptr_t)cq->entries % BH_CACHE_LINE_BYTES) {
		nvme_queue_init(m, qid, true);
		return NVME_SC_DATA_TRANSFER_ERROR;
	}
	cq->vector = (uint16_t)vector;
	cq->interrupts = interrupts;
	cq->created = true;
	if (m->shadow_used)
		shadow_attach(m, qid, true);
	return 0;
}

static uint16_t
create_sq(struct nvme_model *m, const struct nvme_sqe *sqe)
{
	uint32_t qid = queue_id(sqe);
	uint32_t cqid = (uint32_t)NVME_GET(sqe->cdw11, NVME_CREATE_SQ_CQID);
	bool created = qid <= m->config.io_queue_cnt && m->sq[qid].created;
	uint16_t status = create_check(m, sqe, created, NVME_GET(m->cc, NVME_CC_IOSQES) == NVME_SQES_LOG2);

	if (status)
		return status;
	if (cqid == 0 || cqid > m->config.io_queue_cnt)
		return NVME_SC_INVALID_QUEUE_ID | NVME_DNR;
	if (!m->cq[cqid].created)
		return NVME_SC_CQ_INVALID | NVME_DNR;
	struct nvme_sq *sq = &m->sq[qid];
	nvme_queue_init(m, qid, false);
	sq->size = (uint32_t)NVME_GET(sqe->cdw10, NVME_QUEUE_QSIZE) + 1;
	sq->iova = sqe->prp1;
	sq->entries = nvme_dma(m, sq->iova, (uint64_t)sq->size << NVME_SQES_LOG2, NVME_MODEL_DMA_READ);
	if (!sq->entries || (uintptr_t)sq->entries % BH_CACHE_LINE_BYTES) {
		nvme_queue_init(m, qid, false);
		return NVME_SC_DATA_TRANSFER_ERROR;
	}
	sq->cq = &m->cq[cqid];
	sq->cq->sq_cnt++;
	sq->created = true;
	if (m->shadow_used)
		shadow_attach(m, qid, false);
	nvme_active_rebuild(m);
	return 0;
}

static uint16_t
delete_sq(struct nvme_model *m, const struct nvme_sqe *sqe)
{
	uint32_t qid = queue_id(sqe);

	if (qid == 0 || qid > m->config.io_queue_cnt || !m->sq[qid].created)
		return NVME_SC_INVALID_QUEUE_ID | NVME_DNR;
	nvme_pending_end_sq(m, (uint16_t)qid);
	if (m->active_cnt == 0)
		return NVME_NO_COMPLETION;
	m->sq[qid].cq->sq_cnt--;
	nvme_queue_init(m, qid, false);
	nvme_active_rebuild(m);
	return 0;
}

static uint16_t
delete_cq(struct nvme_model *m, const struct nvme_sqe *sqe)
{
	uint32_t qid = queue_id(sqe);

	if (qid == 0 || qid > m->config.io_queue_cnt || !m->cq[qid].created)
		return NVME_SC_INVALID_QUEUE_ID | NVME_DNR;
	if (m->cq[qid].sq_cnt > 0)
		return NVME_SC_INVALID_QUEUE_DELETION | NVME_DNR;
	nvme_queue_init(m, qid, true);
	return 0;
}

/* An Asynchronous Event Request is a command as well. */
static bool
aer_abort(struct nvme_model *m, uint16_t cid)
{
	for (uint32_t i = 0; i < m->aer_cnt; i++) {
		if (m->aer_cid[i] != cid || nvme_cq_room(m, &m->cq[0]) < 2)
			continue;
		m->aer_cid[i] = m->aer_cid[--m->aer_cnt];
		m->stats.aborted_cnt++;
		nvme_post(m, &m->sq[0], cid, NVME_SC_ABORT_REQUESTED, 0, NULL);
		return true;
	}
	return false;
}

static uint16_t
abort_command(struct nvme_model *m, const struct nvme_sqe *sqe, uint32_t *out_result)
{
	uint16_t sq_id = (uint16_t)NVME_GET(sqe->cdw10, NVME_ABORT_SQID);
	uint16_t cid = (uint16_t)NVME_GET(sqe->cdw10, NVME_ABORT_CID);
	bool found = sq_id == 0 && aer_abort(m, cid);

	if (!found)
		found = nvme_pending_abort(m, sq_id, cid);
	*out_result = found ? 0 : NVME_ABORT_RESULT_NOT_ABORTED;
	return m->active_cnt == 0 ? NVME_NO_COMPLETION : 0;
}

static uint16_t
async_event_request(struct nvme_model *m, const struct nvme_sqe *sqe)
{
	if (m->aer_cnt == NVME_AER_CNT)
		return NVME_SC_AER_LIMIT | NVME_DNR;
	m->aer_cid[m->aer_cnt++] = sqe->cid;
	m->busy = true;
	return NVME_NO_COMPLETION;
}

uint16_t
nvme_admin_execute(struct nvme_model *m, const struct nvme_sqe *sqe, uint32_t *out_result)
{
	if (sqe->flags & (NVME_SQE_FUSE_MASK | NVME_SQE_PSDT_MASK))
		return NVME_SC_INVALID_FIELD | NVME_DNR;
	switch (sqe->opcode) {
	case NVME_ADMIN_DELETE_SQ:
		return delete_sq(m, sqe);
	case NVME_ADMIN_CREATE_SQ:
		return create_sq(m, sqe);
	case NVME_ADMIN_GET_LOG_PAGE:
		return nvme_log_page_get(m, sqe);
	case NVME_ADMIN_DELETE_CQ:
		return delete_cq(m, sqe);
	case NVME_ADMIN_CREATE_CQ:
		return create_cq(m, sqe);
	case NVME_ADMIN_IDENTIFY:
		return nvme_identify(m, sqe);
	case NVME_ADMIN_ABORT:
		return abort_command(m, sqe, out_result);
	case NVME_ADMIN_SET_FEATURES:
		return nvme_feature_set(m, sqe, out_result);
	case NVME_ADMIN_GET_FEATURES:
		return nvme_feature_get(m, sqe, out_result);
	case NVME_ADMIN_ASYNC_EVENT:
		return async_event_request(m, sqe);
	case NVME_ADMIN_DOORBELL_BUFFER_CONFIG:
		return doorbell_buffer_config(m, sqe);
	default:
		return NVME_SC_INVALID_OPCODE | NVME_DNR;
	}
}
