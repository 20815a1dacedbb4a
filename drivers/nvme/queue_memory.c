/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arena memory of the queues. The arena frees nothing, so each queue identifier keeps what it once got, and a later
 * pair takes it over if it is large enough.
 */
#include "internal.h"

/*
 * Largest list of a transfer: its first page is PRP1, so transfer / 4096 entries if the buffer begins inside a page. Up
 * to one page the size is a power of two, so that no list crosses a page; above, whole pages whose last entry is the
 * chain.
 */
uint32_t
bh_nvme_list_bytes(uint32_t transfer_bytes_max)
{
	uint32_t entry_cnt = transfer_bytes_max / BH_PAGE_BYTES;
	uint32_t bytes = NVME_LIST_BYTES_MIN;

	while (bytes < BH_PAGE_BYTES && bytes < entry_cnt * NVME_PRP_BYTES)
		bytes *= 2;
	uint32_t held_cnt = bytes / NVME_PRP_BYTES;
	while (held_cnt < entry_cnt) {
		bytes += BH_PAGE_BYTES;
		held_cnt += NVME_PRPS_PER_PAGE - 1;
	}
	return bytes;
}

int
bh_nvme_queue_memory_get(struct bh_nvme *ctrl, uint32_t qid, uint32_t sq_entries, uint32_t cq_entries,
                         size_t list_total_bytes)
{
	struct nvme_queue_memory *memory = &ctrl->memory[qid];

	/* The hot path prefetches past the end of a ring: into padding, not into somebody's lines. */
	if (memory->sq_entries < sq_entries) {
		memory->sq = bh_dma_alloc((sq_entries + BH_NVME_SQ_AHEAD) * sizeof(*memory->sq), BH_PAGE_BYTES);
		memory->sq_entries = memory->sq ? sq_entries : 0;
	}
	if (memory->cq_entries < cq_entries) {
		memory->cq = bh_dma_alloc((cq_entries + BH_NVME_CQ_AHEAD) * sizeof(*memory->cq), BH_PAGE_BYTES);
		memory->cq_entries = memory->cq ? cq_entries : 0;
	}
	if (memory->list_total_bytes < list_total_bytes) {
		memory->list = bh_dma_alloc(list_total_bytes, BH_PAGE_BYTES);
		memory->list_total_bytes = memory->list ? list_total_bytes : 0;
	}
	if (memory->sq_entries < sq_entries || memory->cq_entries < cq_entries ||
	    memory->list_total_bytes < list_total_bytes) {
		bh_log_error("nvme: the arena is too small for queue %u: %u entries and %lu bytes of PRP lists", qid,
		             sq_entries, list_total_bytes);
		return -BH_ENOMEM;
	}
	return 0;
}
