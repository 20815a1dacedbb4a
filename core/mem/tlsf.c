/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLSF: M. Masmano, I. Ripoll, A. Crespo, J. Real, "TLSF: a New Dynamic Memory Allocator for Real-Time Systems", ECRTS
 * 2004. Two bitmap searches find a list whose every block is large enough; neighbours are merged at once. No loops.
 */
#include "core/mem/tlsf.h"
#include <bulkhead/panic.h>

static inline void
list_insert(struct bh_tlsf *tlsf, struct tlsf_block *block, uint64_t size)
{
	uint32_t class = tlsf_class(size);
	struct tlsf_links *head = &tlsf->head[class], *links = &block->links;
	block->size_flags = size | TLSF_FREE;
	links->prev = head;
	links->next = head->next;
	head->next->prev = links;
	head->next = links;
	tlsf->fl_bitmap |= 1u << class / TLSF_SL_CNT;
	tlsf->sl_bitmap[class / TLSF_SL_CNT] |= 1u << class % TLSF_SL_CNT;
}

/* Whether the list is empty after it is as good as random: bits are cleared without a branch. */
static inline void
list_remove(struct bh_tlsf *tlsf, struct tlsf_block *block, uint64_t size)
{
	struct tlsf_links *next = block->links.next, *prev = block->links.prev;
	uint32_t class = tlsf_class(size);
	prev->next = next;
	next->prev = prev;
	uint32_t is_empty = next == prev;
	uint32_t sl_map = tlsf->sl_bitmap[class / TLSF_SL_CNT] & ~(is_empty << class % TLSF_SL_CNT);
	uint32_t fl_is_empty = sl_map == 0;
	tlsf->sl_bitmap[class / TLSF_SL_CNT] = sl_map;
	tlsf->fl_bitmap &= ~(fl_is_empty << class / TLSF_SL_CNT);
}

/* Take the first block of the smallest class whose every block has at least `size` bytes out of its list. */
static inline struct tlsf_block *
list_take(struct bh_tlsf *tlsf, uint64_t size)
{
	uint32_t class = tlsf_class(size + (UINT64_C(1) << tlsf_class_shift(size)) - 1);
	uint32_t fl = class / TLSF_SL_CNT;
	if (BH_UNLIKELY(fl >= TLSF_FL_CNT))
		return NULL;
	uint32_t sl_map = tlsf->sl_bitmap[fl] & (~0u << class % TLSF_SL_CNT);
	uint32_t fl_above = (uint32_t)__builtin_ctz((tlsf->fl_bitmap & (~1u << fl)) | 1u << TLSF_FL_CNT);
	if (__builtin_expect_with_probability(sl_map == 0, 1, 0.5)) {
		fl = fl_above;
		sl_map = tlsf->sl_bitmap[fl_above];
	}
	if (BH_UNLIKELY(sl_map == 0))
		return NULL;
	class = fl * TLSF_SL_CNT + (uint32_t)__builtin_ctz(sl_map);
	struct tlsf_block *block = tlsf_block_of(tlsf->head[class].next);
	list_remove(tlsf, block, tlsf_size(block));
	return block;
}

/* Mark a block that is in no list as used with `size` bytes; what is left over becomes a free block. */
static inline void
block_use(struct bh_tlsf *tlsf, struct tlsf_block *block, uint64_t size)
{
	uint64_t whole = tlsf_size(block);
	uint64_t rest = whole - size;
	if (rest >= sizeof(struct tlsf_block)) {
		struct tlsf_block *tail = tlsf_next(block, size);
		tail->prev_phys = block;
		tlsf_next(block, whole)->prev_phys = tail;
		list_insert(tlsf, tail, rest - TLSF_HEADER_BYTES);
		whole = size;
	}
	block->size_flags = whole;
	tlsf->used_bytes += whole + TLSF_HEADER_BYTES;
}

/* 0: too large for any pool. */
static uint64_t
payload_size(size_t size_bytes)
{
	if (BH_UNLIKELY(size_bytes > TLSF_SIZE_MAX))
		return 0;
	return BH_MAX(BH_ALIGN_UP((uint64_t)size_bytes, TLSF_ALIGN), (uint64_t)TLSF_PAYLOAD_MIN);
}

struct bh_tlsf *
bh_tlsf_init(void *base, size_t size_bytes)
{
	uintptr_t low = BH_ALIGN_UP((uintptr_t)base, (uintptr_t)BH_CACHE_LINE_BYTES);
	uintptr_t high = BH_ALIGN_DOWN((uintptr_t)base + size_bytes, (uintptr_t)TLSF_ALIGN);
	uint64_t control_bytes = BH_ALIGN_UP(sizeof(struct bh_tlsf), (size_t)TLSF_ALIGN);
	uint64_t overhead = control_bytes + 2 * TLSF_HEADER_BYTES;
	if (base == NULL || low >= high || high - low < overhead + TLSF_PAYLOAD_MIN)
		return NULL;
	struct bh_tlsf *tlsf = (struct bh_tlsf *)low;
	*tlsf = (struct bh_tlsf){.first = (struct tlsf_block *)(low + control_bytes)};
	for (size_t i = 0; i < TLSF_CLASS_CNT; i++)
		tlsf->head[i].next = tlsf->head[i].prev = &tlsf->head[i];
	uint64_t size = BH_MIN((uint64_t)(high - low - overhead), (uint64_t)(TLSF_SIZE_MAX - TLSF_ALIGN));
	tlsf->last = tlsf_next(tlsf->first, size);
	tlsf->last->prev_phys = tlsf->first;
	tlsf->last->size_flags = 0;
	tlsf->first->prev_phys = NULL;
	list_insert(tlsf, tlsf->first, size);
	return tlsf;
}

void *
bh_tlsf_alloc(struct bh_tlsf *tlsf, size_t size_bytes)
{
	uint64_t size = payload_size(size_bytes);
	struct tlsf_block *block = size == 0 ? NULL : list_take(tlsf, size);
	if (BH_UNLIKELY(block == NULL))
		return NULL;
	block_use(tlsf, block, size);
	return &block->links;
}

/* Cut the front of a block that is in no list off as a free block, so that the rest's payload begins at `payload`. */
static struct tlsf_block *
block_cut_front(struct bh_tlsf *tlsf, struct tlsf_block *block, uintptr_t payload)
{
	uint64_t whole = tlsf_size(block);
	struct tlsf_block *rest = (struct tlsf_block *)(payload - TLSF_HEADER_BYTES);
	uint64_t front_size = (uintptr_t)rest - (uintptr_t)&block->links;
	rest->prev_phys = block;
	rest->size_flags = whole - front_size - TLSF_HEADER_BYTES;
	tlsf_next(rest, tlsf_size(rest))->prev_phys = rest;
	list_insert(tlsf, block, front_size);
	return rest;
}

void *
bh_tlsf_alloc_aligned(struct bh_tlsf *tlsf, size_t size_bytes, size_t align)
{
	if (!BH_IS_POW2(align) || align > TLSF_SIZE_MAX)
		return NULL;
	if (align <= TLSF_ALIGN)
		return bh_tlsf_alloc(tlsf, size_bytes);
	uint64_t size = payload_size(size_bytes);
	/* Room for the largest gap in front; a gap must hold a free block. */
	struct tlsf_block *block = size == 0 ? NULL : list_take(tlsf, size + align + sizeof(struct tlsf_block));
	if (block == NULL)
		return NULL;
	uintptr_t payload = (uintptr_t)&block->links;
	if (payload % align != 0)
		block = block_cut_front(tlsf, block,
		                        BH_ALIGN_UP(payload + sizeof(struct tlsf_block), (uintptr_t)align));
	block_use(tlsf, block, size);
	return &block->links;
}

/* The block that ptr is the payload of. Catches foreign pointers, double frees and headers that were written over. */
static inline struct tlsf_block *
block_checked(const struct bh_tlsf *tlsf, void *ptr)
{
	struct tlsf_block *block = (struct tlsf_block *)((uintptr_t)ptr - TLSF_HEADER_BYTES);
	if (BH_UNLIKELY((uintptr_t)ptr % TLSF_ALIGN != 0 || block < tlsf->first || block >= tlsf->last))
		bh_panic("freed memory is not of this heap", (uintptr_t)ptr, (uintptr_t)tlsf);
	uint64_t size = block->size_flags;
	if (BH_UNLIKELY(size - 1 >= (uintptr_t)tlsf->last - (uintptr_t)ptr || size % TLSF_ALIGN != 0))
		bh_panic("freed memory is free already, or its header is damaged", (uintptr_t)ptr, size);
	if (BH_UNLIKELY(tlsf_next(block, size)->prev_phys != block))
		bh_panic("the header behind freed memory is damaged", (uintptr_t)ptr, size);
	return block;
}

void
bh_tlsf_free(struct bh_tlsf *tlsf, void *ptr)
{
	if (ptr == NULL)
		return;
	struct tlsf_block *block = block_checked(tlsf, ptr);
	uint64_t size = block->size_flags;
	struct tlsf_block *prev = block->prev_phys, *next = tlsf_next(block, size);
	tlsf->used_bytes -= size + TLSF_HEADER_BYTES;
	if (tlsf_is_free(next)) {
		uint64_t next_size = tlsf_size(next);
		list_remove(tlsf, next, next_size);
		size += TLSF_HEADER_BYTES + next_size;
		next = tlsf_next(block, size);
	}
	if (prev != NULL && tlsf_is_free(prev)) {
		uint64_t prev_size = tlsf_size(prev);
		list_remove(tlsf, prev, prev_size);
		size += TLSF_HEADER_BYTES + prev_size;
		block->size_flags = 0; /* a second free of it is noticed */
		block = prev;
	}
	next->prev_phys = block;
	list_insert(tlsf, block, size);
}

size_t
bh_tlsf_used_bytes(const struct bh_tlsf *tlsf)
{
	return tlsf->used_bytes;
}
