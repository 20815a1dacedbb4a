/* SPDX-License-Identifier: Apache-2.0 */
/* Set Features and Get Features (Base 2.0, 5.27 and 5.15): values live until the next controller reset. */
#include <string.h>

#include "devices/nvme/internal.h"

#define SUPPORTED_CHANGEABLE 0x4u /* what SEL = 3 answers */

void
nvme_features_init(struct nvme_model *m)
{
	m->features = (struct nvme_features){
	        .write_cache = m->config.volatile_write_cache,
	        .temperature_over = NVME_TEMPERATURE_MAX,
	        .io_queue_cnt = m->config.io_queue_cnt,
	};
}

static bool
queues_exist(const struct nvme_model *m)
{
	for (uint32_t qid = 1; qid <= m->config.io_queue_cnt; qid++) {
		if (m->cq[qid].created || m->sq[qid].created)
			return true;
	}
	return false;
}

static uint32_t
queue_cnt_result(uint32_t cnt)
{
	return NVME_SET(NVME_QUEUE_CNT_NSQ, cnt - 1) | NVME_SET(NVME_QUEUE_CNT_NCQ, cnt - 1);
}

static uint16_t
queue_cnt_set(struct nvme_model *m, uint32_t value, uint32_t *out_result)
{
	uint32_t sq_cnt = NVME_GET(value, NVME_QUEUE_CNT_NSQ), cq_cnt = NVME_GET(value, NVME_QUEUE_CNT_NCQ);

	if (sq_cnt == 0xffff || cq_cnt == 0xffff)
		return NVME_SC_INVALID_FIELD | NVME_DNR;
	if (queues_exist(m))
		return NVME_SC_SEQUENCE_ERROR | NVME_DNR;
	/* One number for both kinds: the controller allocates pairs, never fewer than asked for if it has them. */
	m->features.io_queue_cnt = BH_MIN(BH_MAX(sq_cnt, cq_cnt) + 1, m->config.io_queue_cnt);
	*out_result = queue_cnt_result(m->features.io_queue_cnt);
	return 0;
}

/* A threshold on the wrong side of the temperature is an event at once. */
static uint16_t
temperature_set(struct nvme_model *m, uint32_t value)
{
	uint32_t kind = NVME_GET(value, NVME_TEMP_THSEL), sensor = NVME_GET(value, NVME_TEMP_TMPSEL);
	uint16_t kelvin = (uint16_t)NVME_GET(value, NVME_TEMP_TMPTH);

	if (kind > 1 || (sensor != 0 && sensor != 15))
		return NVME_SC_INVALID_FIELD | NVME_DNR;
	*(kind == 0 ? &m->features.temperature_over : &m->features.temperature_under) = kelvin;
	bool crossed = NVME_TEMPERATURE_K >= m->features.temperature_over ||
	               NVME_TEMPERATURE_K <= m->features.temperature_under;
	m->critical_warning &= (uint8_t)~NVME_HEALTH_TEMPERATURE;
	if (crossed) {
		m->critical_warning |= NVME_HEALTH_TEMPERATURE;
		nvme_event_raise(m, NVME_AER_HEALTH, NVME_AER_TEMPERATURE, NVME_LOG_HEALTH);
	}
	return 0;
}

static uint16_t
write_cache_set(struct nvme_model *m, uint32_t value)
{
	if (!m->config.volatile_write_cache)
		return NVME_SC_INVALID_FIELD | NVME_DNR;
	m->features.write_cache = value & NVME_VWC_ENABLE;
	return 0;
}

static uint16_t
vector_set(const struct nvme_model *m, uint32_t value)
{
	/* Coalescing is never on, so "coalescing disable" is accepted for any vector that exists. */
	return NVME_GET(value, NVME_VECTOR_IV) < m->config.vector_cnt ? 0 : NVME_SC_INVALID_FIELD | NVME_DNR;
}

uint16_t
nvme_feature_set(struct nvme_model *m, const struct nvme_sqe *sqe, uint32_t *out_result)
{
	uint32_t value = sqe->cdw11;

	if (sqe->cdw10 & NVME_FEATURE_SAVE)
		return NVME_SC_FEATURE_NOT_SAVEABLE | NVME_DNR;
	switch (NVME_GET(sqe->cdw10, NVME_FEATURE_FID)) {
	case NVME_FEATURE_ARBITRATION:
		m->features.arbitration = value & NVME_ARBITRATION_AB_MASK;
		return 0;
	case NVME_FEATURE_POWER:
		return NVME_GET(value, NVME_POWER_PS) == 0 ? 0 : NVME_SC_INVALID_FIELD | NVME_DNR;
	case NVME_FEATURE_TEMP_THRESHOLD:
		return temperature_set(m, value);
	case NVME_FEATURE_ERROR_RECOVERY:
		m->features.error_recovery = value & 0xffff;
		return 0;
	case NVME_FEATURE_VOLATILE_WRITE_CACHE:
		return write_cache_set(m, value);
	case NVME_FEATURE_QUEUE_CNT:
		return queue_cnt_set(m, value, out_result);
	case NVME_FEATURE_INTERRUPT_COALESCING:
		m->features.coalescing = value & 0xffff;
		return 0;
	case NVME_FEATURE_INTERRUPT_VECTOR:
		return vector_set(m, value);
	case NVME_FEATURE_WRITE_ATOMICITY:
		m->features.write_atomicity = value & 1;
		return 0;
	case NVME_FEATURE_ASYNC_EVENT:
		m->features.async_event = value;
		return 0;
	default:
		return NVME_SC_INVALID_FIELD | NVME_DNR;
	}
}

static uint16_t
feature_value(const struct nvme_model *m, const struct nvme_features *features, const struct nvme_sqe *sqe,
              uint32_t *out)
{
	switch (NVME_GET(sqe->cdw10, NVME_FEATURE_FID)) {
	case NVME_FEATURE_ARBITRATION:
		*out = features->arbitration;
		return 0;
	case NVME_FEATURE_POWER:
		*out = features->power;
		return 0;
	case NVME_FEATURE_TEMP_THRESHOLD:
		if (NVME_GET(sqe->cdw11, NVME_TEMP_TMPSEL) != 0 || NVME_GET(sqe->cdw11, NVME_TEMP_THSEL) > 1)
			return NVME_SC_INVALID_FIELD | NVME_DNR;
		*out = NVME_GET(sqe->cdw11, NVME_TEMP_THSEL) == 0 ? features->temperature_over
		                                                  : features->temperature_under;
		return 0;
	case NVME_FEATURE_ERROR_RECOVERY:
		*out = features->error_recovery;
		return 0;
	case NVME_FEATURE_VOLATILE_WRITE_CACHE:
		*out = features->write_cache;
		return m->config.volatile_write_cache ? 0 : NVME_SC_INVALID_FIELD | NVME_DNR;
	case NVME_FEATURE_QUEUE_CNT:
		*out = queue_cnt_result(features->io_queue_cnt);
		return 0;
	case NVME_FEATURE_INTERRUPT_COALESCING:
		*out = features->coalescing;
		return 0;
	case NVME_FEATURE_INTERRUPT_VECTOR:
		*out = (uint32_t)NVME_GET(sqe->cdw11, NVME_VECTOR_IV) | NVME_VECTOR_CD;
		return vector_set(m, sqe->cdw11);
	case NVME_FEATURE_WRITE_ATOMICITY:
		*out = features->write_atomicity;
		return 0;
	case NVME_FEATURE_ASYNC_EVENT:
		*out = features->async_event;
		return 0;
	default:
		return NVME_SC_INVALID_FIELD | NVME_DNR;
	}
}

uint16_t
nvme_feature_get(struct nvme_model *m, const struct nvme_sqe *sqe, uint32_t *out_result)
{
	const struct nvme_features initial = {
	        .write_cache = m->config.volatile_write_cache,
	        .temperature_over = NVME_TEMPERATURE_MAX,
	        .io_queue_cnt = m->config.io_queue_cnt,
	};
	uint32_t value = 0;
	uint16_t status;

	switch (NVME_GET(sqe->cdw10, NVME_FEATURE_SEL)) {
	case NVME_FEATURE_SEL_CURRENT:
		status = feature_value(m, &m->features, sqe, &value);
		break;
	case NVME_FEATURE_SEL_DEFAULT:
	case NVME_FEATURE_SEL_SAVED: /* nothing can be saved, so the saved value is the default (5.15) */
		status = feature_value(m, &initial, sqe, &value);
		break;
	case NVME_FEATURE_SEL_SUPPORTED:
		status = feature_value(m, &m->features, sqe, &value);
		value = SUPPORTED_CHANGEABLE;
		break;
	default:
		return NVME_SC_INVALID_FIELD | NVME_DNR;
	}
	*out_result = status ? 0 : value;
	return status;
}
