/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From PRPs to addresses (Base 2.0, 4.1.1). All pages are found before the first byte moves: a command that fails for
 * an address has moved nothing.
 */
#include <string.h>

#include "devices/nvme/internal.h"

void *
nvme_dma_slow(struct nvme_model *m, uint64_t iova, uint64_t cnt_bytes, uint32_t prot)
{
	struct nvme_model_window found;
	uint64_t offset;

	if (!m->host.dma_window(m->host.context, iova, cnt_bytes, prot, &found))
		goto refused;
	/* The host's answer decides about memory safety, so it is checked as well. */
	offset = iova - found.iova;
	if (offset >= found.size_bytes || cnt_bytes > found.size_bytes - offset || prot & ~found.prot || !found.addr)
		goto refused;
	m->window = found;
	return found.addr + offset;
refused:
	m->stats.dma_refused_cnt++;
	return NULL;
}

static bool
segment_add(struct nvme_model *m, uint64_t iova, uint64_t cnt_bytes, uint32_t prot)
{
	uint8_t *addr = nvme_dma(m, iova, cnt_bytes, prot);
	if (!addr)
		return false;
	if (m->segment_cnt > 0) {
		struct nvme_segment *last = &m->segment[m->segment_cnt - 1];
		if (last->addr + last->cnt_bytes == addr) {
			last->cnt_bytes += cnt_bytes;
			return true;
		}
	}
	m->segment[m->segment_cnt++] = (struct nvme_segment){addr, cnt_bytes};
	return true;
}

/* One entry of a PRP list, read once. */
static bool
list_entry(struct nvme_model *m, uint64_t iova, uint64_t *out_entry)
{
	const uint8_t *entry = nvme_dma(m, iova, NVME_PRP_BYTES, NVME_MODEL_DMA_READ);
	if (!entry)
		return false;
	memcpy(out_entry, entry, NVME_PRP_BYTES);
	__asm__ volatile("" : "+m"(*out_entry)); /* the copy is what counts from here on */
	return true;
}

/* The last entry of a list's page points to the next page of the list if more than one page of data is left. */
static uint16_t
list_map(struct nvme_model *m, uint64_t list, uint64_t left, uint32_t prot)
{
	uint64_t page_bytes = m->page_mask + 1;

	if (list & (NVME_PRP_BYTES - 1))
		return NVME_SC_INVALID_PRP_OFFSET | NVME_DNR;
	while (left > 0) {
		uint64_t entry;
		if (!list_entry(m, list, &entry))
			return NVME_SC_DATA_TRANSFER_ERROR;
		if (entry & m->page_mask)
			return NVME_SC_INVALID_PRP_OFFSET | NVME_DNR;
		bool last = (list & m->page_mask) == page_bytes - NVME_PRP_BYTES;
		if (last && left > page_bytes) {
			list = entry;
			continue;
		}
		uint64_t cnt_bytes = BH_MIN(left, page_bytes);
		if (!segment_add(m, entry, cnt_bytes, prot))
			return NVME_SC_DATA_TRANSFER_ERROR;
		left -= cnt_bytes;
		list += NVME_PRP_BYTES;
	}
	return 0;
}

/* Fills m->segment with all of the command's data, cnt_bytes (at least 1, at most transfer_bytes_max) of it. */
uint16_t
nvme_prp_map(struct nvme_model *m, uint64_t prp1, uint64_t prp2, uint64_t cnt_bytes, uint32_t prot)
{
	uint64_t in_first = BH_MIN(m->page_mask + 1 - (prp1 & m->page_mask), cnt_bytes);
	uint64_t left = cnt_bytes - in_first;

	m->segment_cnt = 0;
	if (prp1 & NVME_PRP_ALIGN_MASK)
		return NVME_SC_INVALID_PRP_OFFSET | NVME_DNR;
	if (!segment_add(m, prp1, in_first, prot))
		return NVME_SC_DATA_TRANSFER_ERROR;
	if (left == 0)
		return 0;
	if (left > m->page_mask + 1)
		return list_map(m, prp2, left, prot);
	if (prp2 & m->page_mask)
		return NVME_SC_INVALID_PRP_OFFSET | NVME_DNR;
	return segment_add(m, prp2, left, prot) ? 0 : NVME_SC_DATA_TRANSFER_ERROR;
}

uint16_t
nvme_data_out(struct nvme_model *m, const struct nvme_sqe *sqe, const void *data, uint64_t cnt_bytes)
{
	const uint8_t *from = data;
	uint16_t status = nvme_prp_map(m, sqe->prp1, sqe->prp2, cnt_bytes, NVME_MODEL_DMA_WRITE);
	if (status)
		return status;
	for (uint32_t i = 0; i < m->segment_cnt; from += m->segment[i].cnt_bytes, i++)
		memcpy(m->segment[i].addr, from, m->segment[i].cnt_bytes);
	return 0;
}

uint16_t
nvme_data_in(struct nvme_model *m, const struct nvme_sqe *sqe, void *out_data, uint64_t cnt_bytes)
{
	uint8_t *to = out_data;
	uint16_t status = nvme_prp_map(m, sqe->prp1, sqe->prp2, cnt_bytes, NVME_MODEL_DMA_READ);
	if (status)
		return status;
	for (uint32_t i = 0; i < m->segment_cnt; to += m->segment[i].cnt_bytes, i++)
		memcpy(to, m->segment[i].addr, m->segment[i].cnt_bytes);
	return 0;
}
