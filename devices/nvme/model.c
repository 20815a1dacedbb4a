/* SPDX-License-Identifier: Apache-2.0 */
/* A model's creation and end. */
#include <stdlib.h>
#include <string.h>

#include "devices/nvme/internal.h"

static uint64_t
doorbell_used_bytes(const struct nvme_model_config *config)
{
	return (uint64_t)2 * (config->io_queue_cnt + 1) * (UINT64_C(4) << config->doorbell_stride_log2);
}

uint64_t
nvme_model_doorbell_bytes(const struct nvme_model_config *config)
{
	return BH_ALIGN_UP(doorbell_used_bytes(config), UINT64_C(4096));
}

static const char *
namespace_error(const struct nvme_model_config *config)
{
	if (config->block_bytes != 512 && config->block_bytes != 4096)
		return "block size must be 512 or 4096";
	if (config->size_bytes == 0)
		return "size must not be zero";
	if (config->size_bytes % config->block_bytes)
		return "size must be a multiple of the block size";
	if (config->namespace_cnt < 1 || config->namespace_cnt > NVME_MODEL_NAMESPACES_MAX)
		return "namespaces must be 1 to 1024";
	if (config->size_bytes > (UINT64_C(1) << 60) / config->namespace_cnt)
		return "size of all namespaces together must be at most 1 EiB";
	return NULL;
}

static const char *
queue_error(const struct nvme_model_config *config)
{
	if (config->io_queue_cnt < 1 || config->io_queue_cnt > NVME_MODEL_IO_QUEUES_MAX)
		return "I/O queues must be 1 to 127";
	if (config->queue_entries < NVME_QUEUE_ENTRIES_MIN || config->queue_entries > NVME_QUEUE_ENTRIES_MAX)
		return "queue entries must be 2 to 65536";
	if (config->pending_cnt < 2 * NVME_ADMIN_RESERVE || config->pending_cnt > 65536)
		return "pending commands must be 128 to 65536";
	if (config->vector_cnt < 1 || config->vector_cnt > 2048)
		return "interrupt vectors must be 1 to 2048";
	if (config->doorbell_stride_log2 > 8)
		return "doorbell stride must be 0 to 8";
	if (config->shadow_doorbells && doorbell_used_bytes(config) > 4096)
		return "shadow doorbells need all doorbells within 4096 bytes: fewer queues or a smaller stride";
	return NULL;
}

const char *
nvme_model_config_error(const struct nvme_model_config *config)
{
	const char *error = namespace_error(config);
	if (!error)
		error = queue_error(config);
	if (error)
		return error;
	if (config->mdts > NVME_MODEL_MDTS_MAX)
		return "MDTS must be 0 to 10";
	if (config->mps_max > 4)
		return "MPSMAX must be 0 to 4";
	if (config->timeout_units < 1 || config->timeout_units > 255)
		return "CAP.TO must be 1 to 255";
	if (config->rule_cnt > NVME_FAULT_RULES_MAX || (config->rule_cnt && !config->rules))
		return "too many fault rules: at most 256";
	return NULL;
}

static bool
host_usable(const struct nvme_model_host *host, const struct nvme_model_backing *backing)
{
	bool functions = backing->read && backing->write && backing->discard && backing->flush;
	return host->dma_window && host->doorbells && (uintptr_t)host->doorbells % BH_CACHE_LINE_BYTES == 0 &&
	       (backing->memory || backing->null || functions);
}

static void
init(struct nvme_model *m)
{
	uint32_t mdts = m->config.mdts ? m->config.mdts : NVME_MODEL_MDTS_MAX;

	m->lba_shift = (uint32_t)__builtin_ctz(m->config.block_bytes);
	m->page_shift = 12;
	m->page_mask = 4095;
	m->ns_bytes = m->config.size_bytes;
	m->ns_blocks = m->config.size_bytes >> m->lba_shift;
	m->transfer_bytes_max = UINT64_C(4096) << mdts;
	m->memory = m->backing.null ? NULL : m->backing.memory;
	m->fast_media = m->memory || m->backing.null;
	m->scan_polls = NVME_SCAN_POLLS;
	m->shutdown_due_ns = UINT64_MAX;
	for (uint64_t i = 0; i < nvme_model_doorbell_bytes(&m->config) / sizeof(uint32_t); i++)
		m->host.doorbells[i] = 0;
	nvme_random_seed(&m->random, m->config.seed);
	nvme_pending_init(m);
	nvme_queues_drop(m);
	nvme_features_init(m);
	nvme_fault_init(m);
	nvme_busy_update(m);
}

int
nvme_model_create(const struct nvme_model_config *config, const struct nvme_model_host *host,
                  const struct nvme_model_backing *backing, struct nvme_model **out)
{
	struct nvme_model *m;

	if (nvme_model_config_error(config) || !host_usable(host, backing))
		return -BH_EINVAL;
	m = aligned_alloc(BH_CACHE_LINE_BYTES, sizeof(*m));
	if (!m)
		return -BH_ENOMEM;
	memset(m, 0, sizeof(*m));
	m->config = *config;
	m->host = *host;
	m->backing = *backing;
	m->pending = calloc(config->pending_cnt, sizeof(*m->pending));
	m->heap = calloc(config->pending_cnt, sizeof(*m->heap));
	if (!m->pending || !m->heap) {
		nvme_model_destroy(m);
		return -BH_ENOMEM;
	}
	init(m);
	*out = m;
	return 0;
}

void
nvme_model_destroy(struct nvme_model *m)
{
	if (!m)
		return;
	free(m->pending);
	free(m->heap);
	free(m);
}

void
nvme_model_dma_unmap(struct nvme_model *m, uint64_t iova, uint64_t size_bytes)
{
	memset(&m->window, 0, sizeof(m->window));
	for (uint32_t qid = 0; qid <= m->config.io_queue_cnt; qid++) {
		struct nvme_sq *sq = &m->sq[qid];
		struct nvme_cq *cq = &m->cq[qid];
		uint64_t sq_bytes = (uint64_t)sq->size << NVME_SQES_LOG2,
		         cq_bytes = (uint64_t)cq->size << NVME_CQES_LOG2;
		if (sq->iova - iova < size_bytes || iova - sq->iova < sq_bytes)
			sq->entries = NULL;
		if (cq->iova - iova < size_bytes || iova - cq->iova < cq_bytes)
			cq->entries = NULL;
	}
	if (m->shadow_used)
		nvme_shadow_unmap(m, iova, size_bytes);
}

void
nvme_model_stats_get(const struct nvme_model *m, struct nvme_model_stats *out)
{
	*out = m->stats;
}
