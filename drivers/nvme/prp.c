/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Physical region pages (Base 2.0, 4.1.1). Addresses are IOVAs, and the arena is one range of them, so pages follow
 * each other.
 */
#include "internal.h"

/* A list that does not fit its page ends in a pointer to the next page of it. */
static void
list_fill(uint64_t *list, uint64_t page, uint64_t page_cnt)
{
	uint64_t in_page = ((uintptr_t)list & (BH_PAGE_BYTES - 1)) / NVME_PRP_BYTES;

	for (; page_cnt; in_page++, list++) {
		if (in_page % NVME_PRPS_PER_PAGE == NVME_PRPS_PER_PAGE - 1 && page_cnt > 1) {
			*list = (uintptr_t)(list + 1);
			continue;
		}
		*list = page;
		page += BH_PAGE_BYTES;
		page_cnt--;
	}
}

/**
 * bh_nvme_prp_build - PRP1 and PRP2 of [addr, addr + bytes), with a list if it touches more than two pages
 * @addr: 4-byte aligned; @bytes: not 0; @list: bh_nvme_list_bytes() for a transfer of that size
 */
void
bh_nvme_prp_build(uint64_t addr, uint64_t bytes, uint64_t *list, uint64_t *out_prp1, uint64_t *out_prp2)
{
	uint64_t second = (addr | (BH_PAGE_BYTES - 1)) + 1;
	uint64_t end = addr + bytes;

	*out_prp1 = addr;
	if (end <= second) {
		*out_prp2 = 0;
	} else if (end <= second + BH_PAGE_BYTES) {
		*out_prp2 = second;
	} else {
		list_fill(list, second, (end - second + BH_PAGE_BYTES - 1) / BH_PAGE_BYTES);
		*out_prp2 = (uintptr_t)list;
	}
}
