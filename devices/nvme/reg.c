/* SPDX-License-Identifier: Apache-2.0 */
/* Registers (Base 2.0, 3.1.3), and what enabling, disabling and shutting down do (3.5, 3.6). */
#include <string.h>

#include "devices/nvme/internal.h"

#define CC_WRITABLE                                                                                                    \
	(NVME_CC_EN | NVME_SET(NVME_CC_CSS, NVME_CC_CSS_MASK) | NVME_SET(NVME_CC_MPS, NVME_CC_MPS_MASK) |              \
	 NVME_SET(NVME_CC_AMS, NVME_CC_AMS_MASK) | NVME_SET(NVME_CC_SHN, NVME_CC_SHN_MASK) |                           \
	 NVME_SET(NVME_CC_IOSQES, NVME_CC_IOSQES_MASK) | NVME_SET(NVME_CC_IOCQES, NVME_CC_IOCQES_MASK))
/* What may change while CC.EN is 1. */
#define CC_WRITABLE_ENABLED                                                                                            \
	(CC_WRITABLE & ~(NVME_SET(NVME_CC_CSS, 7u) | NVME_SET(NVME_CC_MPS, 15u) | NVME_SET(NVME_CC_AMS, 7u)))
#define AQA_WRITABLE     (NVME_SET(NVME_AQA_ASQS, NVME_AQA_ASQS_MASK) | NVME_SET(NVME_AQA_ACQS, NVME_AQA_ACQS_MASK))
#define ADDRESS_WRITABLE (~UINT64_C(0xfff))

static uint64_t
cap(const struct nvme_model *m)
{
	return NVME_SET(NVME_CAP_MQES, (uint64_t)m->config.queue_entries - 1) | NVME_SET(NVME_CAP_CQR, 1ull) |
	       NVME_SET(NVME_CAP_TO, (uint64_t)m->config.timeout_units) |
	       NVME_SET(NVME_CAP_DSTRD, (uint64_t)m->config.doorbell_stride_log2) |
	       NVME_SET(NVME_CAP_CSS, NVME_CAP_CSS_NVM) | NVME_SET(NVME_CAP_MPSMAX, (uint64_t)m->config.mps_max) |
	       NVME_SET(NVME_CAP_CRMS, 1ull);
}

static uint32_t
reg32(const struct nvme_model *m, uint64_t offset)
{
	switch (offset) {
	case NVME_REG_CAP:
		return (uint32_t)cap(m);
	case NVME_REG_CAP + 4:
		return (uint32_t)(cap(m) >> 32);
	case NVME_REG_VS:
		return NVME_VS(2, 0, 0);
	case NVME_REG_INTMS:
	case NVME_REG_INTMC:
		return m->interrupt_mask;
	case NVME_REG_CC:
		return m->cc;
	case NVME_REG_CSTS:
		return m->csts;
	case NVME_REG_AQA:
		return m->aqa;
	case NVME_REG_ASQ:
		return (uint32_t)m->asq;
	case NVME_REG_ASQ + 4:
		return (uint32_t)(m->asq >> 32);
	case NVME_REG_ACQ:
		return (uint32_t)m->acq;
	case NVME_REG_ACQ + 4:
		return (uint32_t)(m->acq >> 32);
	case NVME_REG_CRTO:
		return NVME_SET(NVME_CRTO_CRWMT, m->config.timeout_units);
	default:
		return 0;
	}
}

uint64_t
nvme_model_reg_read(struct nvme_model *m, uint64_t offset, uint32_t width_bytes, uint64_t now_ns)
{
	uint64_t value = 0;

	m->now_ns = now_ns;
	nvme_power_step(m);
	nvme_busy_update(m);
	if (width_bytes == 0 || width_bytes > 8)
		return 0;
	for (uint32_t i = 0; i < width_bytes; i++) {
		uint64_t at = offset + i;
		uint64_t byte = m->power == NVME_REMOVED ? 0xff : reg32(m, at & ~3ull) >> at % 4 * 8 & 0xff;
		if (at < offset) /* past the end of all addresses */
			break;
		value |= byte << i * 8;
	}
	return value;
}

void
nvme_busy_update(struct nvme_model *m)
{
	m->busy = nvme_power_next_ns(m) != UINT64_MAX || m->heap_cnt > 0 || m->held_cnt > 0 || m->event_cnt > 0 ||
	          (m->device_rules && m->power == NVME_READY);
}

/* All queues and commands are gone; no DMA memory is touched any more. */
void
nvme_queues_drop(struct nvme_model *m)
{
	m->active_cnt = 0;
	nvme_pending_drop_all(m);
	for (uint32_t qid = 0; qid <= m->config.io_queue_cnt; qid++) {
		nvme_queue_init(m, qid, false);
		nvme_queue_init(m, qid, true);
	}
	m->shadow_used = false;
	m->aer_cnt = m->event_cnt = 0;
	m->event_masked = 0;
	memset(&m->window, 0, sizeof(m->window));
}

void
nvme_fatal(struct nvme_model *m)
{
	if (m->power == NVME_FAILED || m->power == NVME_REMOVED || m->power == NVME_OFF)
		return;
	m->csts |= NVME_CSTS_CFS;
	m->power = NVME_FAILED;
	m->stats.fatal_cnt++;
	m->active_cnt = 0;
	nvme_pending_drop_all(m);
}

void
nvme_remove(struct nvme_model *m)
{
	nvme_queues_drop(m);
	m->power = NVME_REMOVED;
	m->shutdown_due_ns = UINT64_MAX;
}

/* The admin queues come with the enabling (3.5.1); what is wrong with them is a fatal error, there is no other way. */
static bool
admin_queues_create(struct nvme_model *m)
{
	struct nvme_sq *sq = &m->sq[0];
	struct nvme_cq *cq = &m->cq[0];

	sq->size = (uint32_t)NVME_GET(m->aqa, NVME_AQA_ASQS) + 1;
	cq->size = (uint32_t)NVME_GET(m->aqa, NVME_AQA_ACQS) + 1;
	if (sq->size < NVME_QUEUE_ENTRIES_MIN || cq->size < NVME_QUEUE_ENTRIES_MIN || (m->asq | m->acq) & m->page_mask)
		return false;
	sq->iova = m->asq;
	cq->iova = m->acq;
	cq->interrupts = true;
	cq->created = sq->created = true;
	cq->sq_cnt = 1;
	return nvme_sq_reachable(m, sq) && nvme_cq_reachable(m, cq);
}

static void
start(struct nvme_model *m)
{
	uint32_t mps = (uint32_t)NVME_GET(m->cc, NVME_CC_MPS);

	m->stats.enabled_cnt++;
	if (!m->enabled_before)
		m->first_enabled_ns = m->now_ns;
	m->enabled_before = true;
	m->power = NVME_STARTING;
	m->power_due_ns = m->now_ns + m->config.ready_delay_ns;
	m->stuck = nvme_fault_for_power(m, NVME_FAULT_STUCK_READY);
	nvme_queues_drop(m);
	nvme_features_init(m);
	if (mps > m->config.mps_max || NVME_GET(m->cc, NVME_CC_CSS) != NVME_CC_CSS_NVM ||
	    NVME_GET(m->cc, NVME_CC_AMS) != NVME_CC_AMS_ROUND_ROBIN) {
		nvme_fatal(m);
		return;
	}
	m->page_shift = 12 + mps;
	m->page_mask = (UINT64_C(1) << m->page_shift) - 1;
	if (!admin_queues_create(m))
		nvme_fatal(m);
}

static void
stop(struct nvme_model *m)
{
	m->power = NVME_STOPPING;
	m->power_due_ns = m->now_ns + m->config.ready_delay_ns;
	m->stuck = nvme_fault_for_power(m, NVME_FAULT_STUCK_ENABLED);
	nvme_queues_drop(m);
}

static void
shutdown_begin(struct nvme_model *m)
{
	m->csts |= NVME_SET(NVME_CSTS_SHST, NVME_CSTS_SHST_OCCURRING);
	m->shutdown_due_ns = m->now_ns + m->config.ready_delay_ns;
}

/* Controller reset keeps AQA, ASQ and ACQ (3.7.2). */
static void
stopped(struct nvme_model *m)
{
	m->power = NVME_OFF;
	m->csts = 0;
	m->shutdown_due_ns = UINT64_MAX;
	if (m->cc & NVME_CC_EN)
		start(m);
}

void
nvme_power_step(struct nvme_model *m)
{
	if (m->power == NVME_REMOVED)
		return;
	if (m->power == NVME_STOPPING && !m->stuck && m->now_ns >= m->power_due_ns)
		stopped(m);
	if (m->power == NVME_STARTING && !m->stuck && m->now_ns >= m->power_due_ns) {
		m->power = NVME_READY;
		m->csts |= NVME_CSTS_RDY;
		nvme_active_rebuild(m);
	}
	if (m->now_ns >= m->shutdown_due_ns) {
		nvme_media_flush(m);
		m->csts &= ~NVME_SET(NVME_CSTS_SHST, NVME_CSTS_SHST_MASK);
		m->csts |= NVME_SET(NVME_CSTS_SHST, NVME_CSTS_SHST_COMPLETE);
		m->shutdown_due_ns = UINT64_MAX;
		m->active_cnt = 0;
		nvme_pending_drop_all(m);
	}
}

uint64_t
nvme_power_next_ns(const struct nvme_model *m)
{
	uint64_t next_ns = m->shutdown_due_ns;
	if ((m->power == NVME_STARTING || m->power == NVME_STOPPING) && !m->stuck)
		next_ns = BH_MIN(next_ns, m->power_due_ns);
	return next_ns;
}

static void
cc_write(struct nvme_model *m, uint32_t value)
{
	uint32_t before = m->cc;
	uint32_t mask = before & value & NVME_CC_EN ? CC_WRITABLE_ENABLED : CC_WRITABLE;

	m->cc = (value & mask) | (before & CC_WRITABLE & ~mask);
	if (m->cc & ~before & NVME_CC_EN && m->power == NVME_OFF)
		start(m);
	else if (~m->cc & before & NVME_CC_EN)
		stop(m);
	if (NVME_GET(m->cc, NVME_CC_SHN) != NVME_CC_SHN_NONE && NVME_GET(before, NVME_CC_SHN) == NVME_CC_SHN_NONE &&
	    NVME_GET(m->csts, NVME_CSTS_SHST) == NVME_CSTS_SHST_NORMAL && m->power != NVME_STOPPING)
		shutdown_begin(m);
}

static void
write32(struct nvme_model *m, uint64_t offset, uint32_t value)
{
	bool off = !(m->cc & NVME_CC_EN);

	switch (offset) {
	case NVME_REG_INTMS:
		m->interrupt_mask |= value;
		break;
	case NVME_REG_INTMC:
		m->interrupt_mask &= ~value;
		break;
	case NVME_REG_CC:
		cc_write(m, value);
		break;
	case NVME_REG_AQA:
		m->aqa = off ? value & AQA_WRITABLE : m->aqa;
		break;
	case NVME_REG_ASQ:
		m->asq = off ? (m->asq & ~UINT64_C(0xffffffff)) | (value & ADDRESS_WRITABLE) : m->asq;
		break;
	case NVME_REG_ASQ + 4:
		m->asq = off ? (m->asq & UINT64_C(0xffffffff)) | (uint64_t)value << 32 : m->asq;
		break;
	case NVME_REG_ACQ:
		m->acq = off ? (m->acq & ~UINT64_C(0xffffffff)) | (value & ADDRESS_WRITABLE) : m->acq;
		break;
	case NVME_REG_ACQ + 4:
		m->acq = off ? (m->acq & UINT64_C(0xffffffff)) | (uint64_t)value << 32 : m->acq;
		break;
	default:
		break;
	}
}

static void
doorbell_write(struct nvme_model *m, uint64_t offset, uint32_t value)
{
	uint64_t at = offset - NVME_REG_DOORBELLS;
	uint64_t stride = UINT64_C(4) << m->config.doorbell_stride_log2;
	if (at < nvme_model_doorbell_bytes(&m->config) && at % stride == 0)
		m->host.doorbells[at / sizeof(uint32_t)] = value;
}

void
nvme_model_reg_write(struct nvme_model *m, uint64_t offset, uint32_t width_bytes, uint64_t value, uint64_t now_ns)
{
	m->now_ns = now_ns;
	nvme_power_step(m);
	if (m->power == NVME_REMOVED || (width_bytes != 4 && width_bytes != 8) || offset % width_bytes)
		return;
	if (offset >= NVME_REG_DOORBELLS) {
		doorbell_write(m, offset, (uint32_t)value);
	} else {
		write32(m, offset, (uint32_t)value);
		if (width_bytes == 8)
			write32(m, offset + 4, (uint32_t)(value >> 32));
		nvme_busy_update(m);
	}
}

void
nvme_model_reset(struct nvme_model *m, uint64_t now_ns)
{
	m->now_ns = now_ns;
	nvme_queues_drop(m);
	nvme_features_init(m);
	m->shutdown_due_ns = UINT64_MAX;
	m->cc = m->csts = m->aqa = m->interrupt_mask = 0;
	m->asq = m->acq = 0;
	m->stuck = false;
	if (m->power != NVME_REMOVED)
		m->power = NVME_OFF;
	nvme_busy_update(m);
}

bool
nvme_model_enabled(const struct nvme_model *m)
{
	return m->active_cnt > 0 || m->power == NVME_STARTING;
}

bool
nvme_model_timed(const struct nvme_model *m)
{
	return m->busy || m->slow_io;
}

uint64_t
nvme_model_next_event_ns(const struct nvme_model *m)
{
	if (m->power == NVME_REMOVED)
		return UINT64_MAX;
	uint64_t next_ns = BH_MIN(nvme_power_next_ns(m), nvme_pending_next_ns(m));
	if (m->device_rules && m->power == NVME_READY)
		next_ns = BH_MIN(next_ns, nvme_fault_next_ns(m));
	return next_ns;
}
