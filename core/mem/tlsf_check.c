/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The invariants of a TLSF pool: blocks tile it and know their neighbour, no two free ones touch, every free block is
 * in the list of its class exactly once, the bitmaps name the lists that are not empty, and the count of used bytes is
 * right.
 */
#include "core/mem/tlsf.h"

struct tally {
	uint64_t free_cnt, free_bytes, used_bytes;
};

static int
check_blocks(const struct bh_tlsf *tlsf, struct tally *out_tally)
{
	const struct tlsf_block *block = tlsf->first, *prev = NULL;
	while (block != tlsf->last) {
		uint64_t size = tlsf_size(block);
		uintptr_t left = (uintptr_t)tlsf->last - (uintptr_t)block - TLSF_HEADER_BYTES;
		if (block->prev_phys != prev || size < TLSF_PAYLOAD_MIN || size % TLSF_ALIGN != 0 || size > left)
			return -BH_EIO;
		if (prev != NULL && tlsf_is_free(prev) && tlsf_is_free(block))
			return -BH_EIO;
		if (tlsf_is_free(block)) {
			out_tally->free_cnt++;
			out_tally->free_bytes += size;
		} else {
			out_tally->used_bytes += size + TLSF_HEADER_BYTES;
		}
		prev = block;
		block = tlsf_next(block, size);
	}
	return block->prev_phys == prev && block->size_flags == 0 ? 0 : -BH_EIO;
}

static int
check_list(const struct bh_tlsf *tlsf, uint32_t class, struct tally *tally)
{
	const struct tlsf_links *head = &tlsf->head[class], *prev = head;
	for (struct tlsf_links *links = head->next; links != head; prev = links, links = links->next) {
		const struct tlsf_block *block = tlsf_block_of(links);
		if (block < tlsf->first || block >= tlsf->last || !tlsf_is_free(block))
			return -BH_EIO;
		if (tlsf_class(tlsf_size(block)) != class || links->prev != prev || tally->free_cnt == 0)
			return -BH_EIO;
		tally->free_cnt--;
		tally->free_bytes -= tlsf_size(block);
	}
	return head->prev == prev ? 0 : -BH_EIO;
}

static int
check_bitmaps(const struct bh_tlsf *tlsf, uint32_t class)
{
	uint32_t fl = class >> TLSF_SL_BITS, sl = class % TLSF_SL_CNT;
	bool has_block = tlsf->head[class].next != &tlsf->head[class];
	bool sl_bit = (tlsf->sl_bitmap[fl] >> sl & 1) != 0;
	bool fl_bit = (tlsf->fl_bitmap >> fl & 1) != 0;
	return has_block == sl_bit && fl_bit == (tlsf->sl_bitmap[fl] != 0) ? 0 : -BH_EIO;
}

int
bh_tlsf_check(const struct bh_tlsf *tlsf)
{
	struct tally tally = {0};
	int err = check_blocks(tlsf, &tally);
	if (err != 0)
		return err;
	for (uint32_t class = 0; class < TLSF_CLASS_CNT; class ++) {
		if (check_list(tlsf, class, &tally) != 0 || check_bitmaps(tlsf, class) != 0)
			return -BH_EIO;
	}
	bool counts_match = tally.free_cnt == 0 && tally.free_bytes == 0 && tally.used_bytes == tlsf->used_bytes;
	return counts_match ? 0 : -BH_EIO;
}
