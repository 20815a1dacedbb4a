/* SPDX-License-Identifier: Apache-2.0 */
/* Log pages (Base 2.0, 5.16) and asynchronous events (5.2). */
#include <string.h>

#include "devices/nvme/internal.h"

#define LOG_BYTES_MAX 4096u

void
nvme_error_log_add(struct nvme_model *m, uint16_t sq_id, uint16_t cid, uint16_t status, uint64_t lba, uint32_t nsid)
{
	struct nvme_error_entry *entry = &m->error_log[m->error_log_cnt++ % NVME_ERROR_LOG_CNT];

	*entry = (struct nvme_error_entry){
	        .error_cnt = m->error_log_cnt,
	        .sq_id = sq_id,
	        .cid = cid,
	        .status = NVME_STATUS_WORD(status),
	        .parameter_location = 0xffff,
	        .lba = lba,
	        .nsid = nsid,
	};
}

/* Newest first; entries that were never made are zero. */
static uint32_t
error_page(const struct nvme_model *m, uint8_t *page)
{
	for (uint32_t i = 0; i < NVME_ERROR_LOG_CNT; i++) {
		struct nvme_error_entry entry = {.error_cnt = 0};
		if (i < m->error_log_cnt)
			entry = m->error_log[(m->error_log_cnt - 1 - i) % NVME_ERROR_LOG_CNT];
		memcpy(page + i * sizeof(entry), &entry, sizeof(entry));
	}
	return NVME_ERROR_LOG_CNT * sizeof(struct nvme_error_entry);
}

static void
counter(uint8_t field[16], uint64_t value)
{
	memcpy(field, &value, sizeof(value));
}

/* Thousands of 512 bytes, rounded up. */
static uint64_t
data_units(const struct nvme_model *m, uint64_t blocks)
{
	return ((blocks << (m->lba_shift - 9)) + 999) / 1000;
}

static uint32_t
health_page(const struct nvme_model *m, uint8_t *page)
{
	struct nvme_health_log log = {.critical_warning = m->critical_warning};

	log.temperature_kelvin[0] = NVME_TEMPERATURE_K & 0xff;
	log.temperature_kelvin[1] = NVME_TEMPERATURE_K >> 8;
	log.available_spare_percent = m->critical_warning & NVME_HEALTH_SPARE ? 5 : 100;
	log.spare_threshold_percent = 10;
	counter(log.data_units_read, data_units(m, m->stats.read_blocks));
	counter(log.data_units_written, data_units(m, m->stats.written_blocks));
	counter(log.host_reads, m->stats.read_cnt);
	counter(log.host_writes, m->stats.write_cnt);
	counter(log.power_cycles, 1);
	counter(log.media_errors, m->stats.media_error_cnt);
	counter(log.error_log_entries, m->error_log_cnt);
	memcpy(page, &log, sizeof(log));
	return sizeof(log);
}

static uint32_t
firmware_page(uint8_t *page)
{
	struct nvme_firmware_log log = {.afi = 1};
	memcpy(log.frs[0], "1.0     ", sizeof(log.frs[0]));
	memcpy(page, &log, sizeof(log));
	return sizeof(log);
}

static uint32_t
changed_ns_page(const struct nvme_model *m, uint8_t *page)
{
	uint32_t nsid = 1;
	if (m->ns_changed)
		memcpy(page, &nsid, sizeof(nsid));
	return sizeof(struct nvme_ns_list);
}

static uint32_t
effects_page(const struct nvme_model *m, uint8_t *page)
{
	static const uint8_t admin[] = {NVME_ADMIN_DELETE_SQ,  NVME_ADMIN_CREATE_SQ,    NVME_ADMIN_GET_LOG_PAGE,
	                                NVME_ADMIN_DELETE_CQ,  NVME_ADMIN_CREATE_CQ,    NVME_ADMIN_IDENTIFY,
	                                NVME_ADMIN_ABORT,      NVME_ADMIN_SET_FEATURES, NVME_ADMIN_GET_FEATURES,
	                                NVME_ADMIN_ASYNC_EVENT};
	static const uint8_t reads[] = {NVME_NVM_FLUSH, NVME_NVM_READ, NVME_NVM_COMPARE};
	static const uint8_t writes[] = {NVME_NVM_WRITE, NVME_NVM_WRITE_ZEROES, NVME_NVM_DSM};
	struct nvme_effects_log *log = (struct nvme_effects_log *)(void *)page;

	for (size_t i = 0; i < BH_ARRAY_CNT(admin); i++)
		log->admin[admin[i]] = NVME_EFFECTS_SUPPORTED;
	if (m->config.shadow_doorbells)
		log->admin[NVME_ADMIN_DOORBELL_BUFFER_CONFIG] = NVME_EFFECTS_SUPPORTED;
	for (size_t i = 0; i < BH_ARRAY_CNT(reads); i++)
		log->io[reads[i]] = NVME_EFFECTS_SUPPORTED;
	for (size_t i = 0; i < BH_ARRAY_CNT(writes); i++)
		log->io[writes[i]] = NVME_EFFECTS_SUPPORTED | NVME_EFFECTS_CHANGES_DATA;
	return sizeof(*log);
}

/* Supported Log Pages: bit 0 of the dword of each. */
static uint32_t
supported_page(uint8_t *page)
{
	for (uint32_t lid = NVME_LOG_SUPPORTED; lid <= NVME_LOG_EFFECTS; lid++)
		page[lid * 4] = 1;
	return 256 * 4;
}

/* Return: the page's size, 0 if there is no such page. */
static uint32_t
page_make(struct nvme_model *m, uint32_t log_page, uint8_t *page)
{
	memset(page, 0, LOG_BYTES_MAX);
	switch (log_page) {
	case NVME_LOG_SUPPORTED:
		return supported_page(page);
	case NVME_LOG_ERROR:
		return error_page(m, page);
	case NVME_LOG_HEALTH:
		return health_page(m, page);
	case NVME_LOG_FIRMWARE_SLOT:
		return firmware_page(page);
	case NVME_LOG_CHANGED_NS:
		return changed_ns_page(m, page);
	case NVME_LOG_EFFECTS:
		return effects_page(m, page);
	default:
		return 0;
	}
}

/* [offset, +cnt_bytes) of a page of page_bytes; what is beyond its end reads as zeroes. */
static uint16_t
page_send(struct nvme_model *m, const struct nvme_sqe *sqe, uint64_t offset, uint64_t cnt_bytes, uint64_t page_bytes)
{
	uint16_t status = nvme_prp_map(m, sqe->prp1, sqe->prp2, cnt_bytes, NVME_MODEL_DMA_WRITE);

	for (uint32_t i = 0; i < m->segment_cnt && !status; i++) {
		struct nvme_segment *s = &m->segment[i];
		uint64_t there = offset < page_bytes ? BH_MIN(page_bytes - offset, s->cnt_bytes) : 0;
		if (there)
			memcpy(s->addr, m->page + offset, there);
		memset(s->addr + there, 0, s->cnt_bytes - there);
		offset += s->cnt_bytes;
	}
	return status;
}

uint16_t
nvme_log_page_get(struct nvme_model *m, const struct nvme_sqe *sqe)
{
	uint32_t log_page = (uint32_t)NVME_GET(sqe->cdw10, NVME_LOG_LID);
	uint64_t dwords =
	        (NVME_GET(sqe->cdw10, NVME_LOG_NUMDL) | NVME_GET((uint64_t)sqe->cdw11, NVME_LOG_NUMDU) << 16) + 1;
	uint64_t offset = sqe->cdw12 | (uint64_t)sqe->cdw13 << 32;
	uint32_t page_bytes = page_make(m, log_page, m->page);

	if (page_bytes == 0)
		return NVME_SC_INVALID_LOG_PAGE | NVME_DNR;
	if (dwords * 4 > m->transfer_bytes_max || offset % 4 || offset >= page_bytes)
		return NVME_SC_INVALID_FIELD | NVME_DNR;
	/* Health is kept for the controller only: LPA bit 0 is 0. */
	if (log_page == NVME_LOG_HEALTH && sqe->nsid != 0 && sqe->nsid != NVME_NSID_ALL)
		return NVME_SC_INVALID_FIELD | NVME_DNR;
	uint16_t status = page_send(m, sqe, offset, dwords * 4, page_bytes);
	if (!status && !(sqe->cdw10 & NVME_LOG_RAE))
		nvme_event_unmask(m, (uint8_t)log_page);
	return status;
}

/* Whether the host wants to hear of it (feature 0Bh). Errors are always told. */
static bool
event_wanted(const struct nvme_model *m, uint8_t type, uint8_t info)
{
	static const uint8_t health_bit[] = {NVME_HEALTH_RELIABILITY, NVME_HEALTH_TEMPERATURE, NVME_HEALTH_SPARE};

	if (type == NVME_AER_HEALTH && info < sizeof(health_bit))
		return m->features.async_event & health_bit[info];
	if (type == NVME_AER_NOTICE && info == NVME_AER_NS_ATTR_CHANGED)
		return m->features.async_event & NVME_ASYNC_NS_ATTR;
	return true;
}

/* Waits for a request and for the type to be unmasked; the same event does not wait twice. */
void
nvme_event_raise(struct nvme_model *m, uint8_t type, uint8_t info, uint8_t log_page)
{
	type &= NVME_AER_TYPE_MASK;
	if (!event_wanted(m, type, info) || m->event_cnt == NVME_EVENT_CNT)
		return;
	for (uint32_t i = 0; i < m->event_cnt; i++) {
		if (m->event[i].type == type && m->event[i].info == info)
			return;
	}
	m->event[m->event_cnt++] = (struct nvme_event){type, info, log_page};
	m->busy = true;
}

void
nvme_event_deliver(struct nvme_model *m)
{
	for (uint32_t i = 0; i < m->event_cnt && m->aer_cnt > 0 && m->active_cnt > 0;) {
		struct nvme_event event = m->event[i];
		if (m->event_masked >> event.type & 1 || nvme_cq_room(m, &m->cq[0]) == 0) {
			i++;
			continue;
		}
		uint32_t result = NVME_SET(NVME_AER_TYPE, event.type) | NVME_SET(NVME_AER_INFO, (uint32_t)event.info) |
		                  NVME_SET(NVME_AER_LID, (uint32_t)event.log_page);
		memmove(&m->event[i], &m->event[i + 1], (m->event_cnt - i - 1) * sizeof(m->event[0]));
		m->event_cnt--;
		m->event_masked |= 1u << event.type;
		m->event_log_page[event.type] = event.log_page;
		uint16_t cid = m->aer_cid[0];
		m->aer_cnt--;
		memmove(&m->aer_cid[0], &m->aer_cid[1], m->aer_cnt * sizeof(m->aer_cid[0]));
		nvme_post(m, &m->sq[0], cid, 0, result, NULL);
	}
}

/* The host has read the page: events of the types that pointed to it may come again. */
void
nvme_event_unmask(struct nvme_model *m, uint8_t log_page)
{
	for (uint32_t type = 0; type <= NVME_AER_TYPE_MASK; type++) {
		if (m->event_masked >> type & 1 && m->event_log_page[type] == log_page)
			m->event_masked &= ~(1u << type);
	}
	if (log_page == NVME_LOG_CHANGED_NS)
		m->ns_changed = false;
	m->busy = true;
}
