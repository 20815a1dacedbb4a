/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Memory of a cell. Two kinds, never mixed:
 *
 *   DMA memory   in the arena; the device can read and write it; the address is the IOVA. For rings and data buffers
 * only. heap         private; for everything else: driver state, allocator headers, bookkeeping of DMA pools.
 *
 * Nothing here is for the hot path but the pools.
 */
#ifndef BULKHEAD_MEM_H
#define BULKHEAD_MEM_H

#include <bulkhead/types.h>

/*
 * A bump allocator over a fixed range. Lives as long as the range; nothing is freed. Not safe between cores by itself.
 */
struct bh_bump {
	uintptr_t next, end;
};

/* bh_bump_init - hand out [base, base + size_bytes). */
void bh_bump_init(struct bh_bump *bump, void *base, size_t size_bytes);

/*
 * bh_bump_alloc - size_bytes at a multiple of align, not cleared. NULL: no room, size 0, or align is no power of two.
 */
void *bh_bump_alloc(struct bh_bump *bump, size_t size_bytes, size_t align);

/**
 * bh_dma_alloc - memory in the arena that lives as long as the cell, zeroed
 * @align: a power of two; rings want 4096
 *
 * Context: any core (a spin lock guards it); start-up and control paths.
 * Return: NULL when the arena is too small (make `[cell] arena` larger), for a size of 0, or if align is no power of
 * two.
 */
void *bh_dma_alloc(size_t size_bytes, size_t align);

/* bh_dma_free_bytes - what bh_dma_alloc can still give, alignment not counted. */
size_t bh_dma_free_bytes(void);

/* bh_dma_contains - whether [addr, addr + size_bytes) lies wholly in the arena. */
bool bh_dma_contains(const void *addr, size_t size_bytes);

/*
 * bh_heap_alloc, bh_heap_free - private memory, TLSF, zeroed, 16-byte aligned or @align. Any core; O(1). NULL: heap is
 * full.
 */
void *bh_heap_alloc(size_t size_bytes);
void *bh_heap_alloc_aligned(size_t size_bytes, size_t align);
void bh_heap_free(void *ptr);

/**
 * TLSF, two-level segregated fit (Masmano et al., ECRTS 2004): allocate and free in constant time, whatever the
 * history. Used by one core at a time. All metadata is inside the pool: never put one over DMA memory.
 */
struct bh_tlsf;

/*
 * bh_tlsf_init - make a pool of [base, base + size_bytes). Return: the pool (inside the range), NULL if it is too
 * small.
 */
struct bh_tlsf *bh_tlsf_init(void *base, size_t size_bytes);
void *bh_tlsf_alloc(struct bh_tlsf *tlsf, size_t size_bytes);
void *bh_tlsf_alloc_aligned(struct bh_tlsf *tlsf, size_t size_bytes, size_t align);
/* bh_tlsf_free - give back what alloc returned; NULL is fine. A bad or double free panics. */
void bh_tlsf_free(struct bh_tlsf *tlsf, void *ptr);
size_t bh_tlsf_used_bytes(const struct bh_tlsf *tlsf);
/* bh_tlsf_check - walk the whole pool. Return: 0, or -BH_EIO if an invariant is broken. For tests. */
BH_MUST_CHECK int bh_tlsf_check(const struct bh_tlsf *tlsf);

/**
 * A pool of equal objects for the hot path: a stack of free indices on the heap, the objects wherever `base` is (heap
 * or arena: the objects themselves carry no bookkeeping). One core.
 */
struct bh_pool {
	uint8_t *base;
	uint32_t object_bytes;
	uint32_t object_cnt;
	uint32_t free_cnt;
	uint64_t reciprocal; /* turns an address into an index without a division */
	uint32_t *free_idx;  /* heap */
	uint8_t *taken;      /* heap; one byte per object: catches a double free */
};

/**
 * bh_pool_init - over object_cnt objects of object_bytes at base
 * Return: 0; -BH_EINVAL for a count or size of 0 or a base of NULL; -BH_ENOMEM.
 */
BH_MUST_CHECK int bh_pool_init(struct bh_pool *pool, void *base, uint32_t object_bytes, uint32_t object_cnt);
/*
 * bh_pool_init_dma - likewise, with the objects newly taken from the arena at @align. -BH_ENOMEM also if they do not
 * fit.
 */
BH_MUST_CHECK int bh_pool_init_dma(struct bh_pool *pool, uint32_t object_bytes, uint32_t object_cnt, size_t align);
/* bh_pool_get - an object, not cleared, last freed first (it is still in the cache). NULL: empty. */
void *bh_pool_get(struct bh_pool *pool);
/* bh_pool_put - give an object back. Panics for a pointer that is not an object of the pool, or is free already. */
void bh_pool_put(struct bh_pool *pool, void *object);

/* The four that compilers call; core defines them for cells. */
void *memcpy(void *restrict dst, const void *restrict src, size_t size_bytes);
void *memmove(void *dst, const void *src, size_t size_bytes);
void *memset(void *dst, int byte, size_t size_bytes);
int memcmp(const void *a, const void *b, size_t size_bytes);

#endif
