/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Inside a TLSF pool: shared by tlsf.c (the allocator) and tlsf_check.c (its invariants).
 *
 *   | struct bh_tlsf | block | payload | block | payload | ... | block (end mark, size 0) |
 *
 * Sizes are payload bytes, multiples of 16. A free block is in the list of its size class:
 *   below 512 bytes    one class per 16 bytes            (first level 0)
 *   above              32 classes per power of two       (first level log2(size) - 8)
 */
#ifndef CORE_MEM_TLSF_H
#define CORE_MEM_TLSF_H

#include <bulkhead/mem.h>

#define TLSF_ALIGN     16u
#define TLSF_SL_BITS   5u
#define TLSF_SL_CNT    (1u << TLSF_SL_BITS)
#define TLSF_SMALL_MSB (TLSF_SL_BITS + 4u) /* log2 of the first size with classes of its own per power of two */
#define TLSF_SIZE_MSB  38u
#define TLSF_FL_CNT    (TLSF_SIZE_MSB - TLSF_SMALL_MSB + 2)
#define TLSF_CLASS_CNT (TLSF_FL_CNT * TLSF_SL_CNT)
#define TLSF_SIZE_MAX  (UINT64_C(1) << TLSF_SIZE_MSB)
#define TLSF_FREE      1u

/* A list of free blocks is a ring through a head in struct bh_tlsf; an empty list's head points at itself. */
struct tlsf_links {
	struct tlsf_links *next, *prev;
};

struct tlsf_block {
	struct tlsf_block *prev_phys; /* the neighbour below; NULL for the first block */
	uint64_t size_flags;          /* payload bytes | TLSF_FREE; 0 once the block was merged into another */
	struct tlsf_links links;      /* the payload begins here: only a free block has these */
};

#define TLSF_HEADER_BYTES offsetof(struct tlsf_block, links)
#define TLSF_PAYLOAD_MIN  (sizeof(struct tlsf_block) - TLSF_HEADER_BYTES)

struct bh_tlsf {
	struct tlsf_block *first, *last; /* last: the end mark, never free */
	size_t used_bytes;               /* payloads and headers of what is allocated */
	uint32_t fl_bitmap;
	uint32_t sl_bitmap[TLSF_FL_CNT + 1]; /* the last stays 0: where a search ends that finds nothing */
	struct tlsf_links head[TLSF_CLASS_CNT];
};

_Static_assert(TLSF_FL_CNT <= 31, "first-level bitmap, and a bit that ends the search");
_Static_assert(TLSF_HEADER_BYTES == TLSF_ALIGN && TLSF_PAYLOAD_MIN == TLSF_ALIGN, "payloads stay aligned");

BH_INLINE uint64_t
tlsf_size(const struct tlsf_block *block)
{
	return block->size_flags & ~(uint64_t)TLSF_FREE;
}

BH_INLINE bool
tlsf_is_free(const struct tlsf_block *block)
{
	return (block->size_flags & TLSF_FREE) != 0;
}

BH_INLINE struct tlsf_block *
tlsf_next(const struct tlsf_block *block, uint64_t size)
{
	return (struct tlsf_block *)((uintptr_t)block + TLSF_HEADER_BYTES + size);
}

BH_INLINE struct tlsf_block *
tlsf_block_of(struct tlsf_links *links)
{
	return BH_CONTAINER_OF(links, struct tlsf_block, links);
}

/* tlsf_class_shift - log2 of the width of the size's class, at least 16 bytes. No branch: sizes are random. */
BH_INLINE uint32_t
tlsf_class_shift(uint64_t size)
{
	uint32_t msb = 63u - (uint32_t)__builtin_clzll(size | 1u << TLSF_SMALL_MSB);
	return msb - TLSF_SL_BITS;
}

/* tlsf_class - size class of a block: first level << TLSF_SL_BITS | second level. */
BH_INLINE uint32_t
tlsf_class(uint64_t size)
{
	uint32_t shift = tlsf_class_shift(size);
	return ((shift - (TLSF_SMALL_MSB - TLSF_SL_BITS)) << TLSF_SL_BITS) + (uint32_t)(size >> shift);
}

#endif
