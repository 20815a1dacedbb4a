/* SPDX-License-Identifier: Apache-2.0 */
#include <bulkhead/mem.h>
#include <bulkhead/panic.h>

int
bh_pool_init(struct bh_pool *pool, void *base, uint32_t object_bytes, uint32_t object_cnt)
{
	if (base == NULL || object_bytes == 0 || object_cnt == 0)
		return -BH_EINVAL;
	uint32_t *free_idx = bh_heap_alloc((size_t)object_cnt * sizeof(*free_idx));
	uint8_t *taken = bh_heap_alloc(object_cnt);
	if (free_idx == NULL || taken == NULL) {
		bh_heap_free(free_idx);
		bh_heap_free(taken);
		return -BH_ENOMEM;
	}
	*pool = (struct bh_pool){
	        .base = base,
	        .object_bytes = object_bytes,
	        .object_cnt = object_cnt,
	        .free_cnt = object_cnt,
	        /* ceil(2^64 / object_bytes); 2^64 itself, for single bytes, is written as 0 */
	        .reciprocal = object_bytes == 1 ? 0 : UINT64_MAX / object_bytes + 1,
	        .free_idx = free_idx,
	        .taken = taken,
	};
	for (uint32_t i = 0; i < object_cnt; i++)
		free_idx[i] = object_cnt - 1 - i;
	return 0;
}

int
bh_pool_init_dma(struct bh_pool *pool, uint32_t object_bytes, uint32_t object_cnt, size_t align)
{
	if (object_bytes == 0 || object_cnt == 0)
		return -BH_EINVAL;
	void *base = bh_dma_alloc((size_t)object_bytes * object_cnt, align);
	if (base == NULL)
		return -BH_ENOMEM;
	return bh_pool_init(pool, base, object_bytes, object_cnt);
}

void *
bh_pool_get(struct bh_pool *pool)
{
	if (BH_UNLIKELY(pool->free_cnt == 0))
		return NULL;
	uint32_t idx = pool->free_idx[--pool->free_cnt];
	pool->taken[idx] = 1;
	return pool->base + (size_t)idx * pool->object_bytes;
}

/* offset / object_bytes without a division. Exact for multiples (object_bytes and the index are below 2^32). */
static uint64_t
pool_idx(const struct bh_pool *pool, uint64_t offset)
{
	if (pool->reciprocal == 0)
		return offset;
	return (uint64_t)((unsigned __int128)offset * pool->reciprocal >> 64);
}

void
bh_pool_put(struct bh_pool *pool, void *object)
{
	uint64_t offset = (uintptr_t)object - (uintptr_t)pool->base;
	uint64_t idx = pool_idx(pool, offset);
	if (BH_UNLIKELY(idx >= pool->object_cnt || idx * pool->object_bytes != offset))
		bh_panic("not an object of this pool", (uintptr_t)object, (uintptr_t)pool);
	if (BH_UNLIKELY(pool->taken[idx] == 0))
		bh_panic("an object was given back twice", (uintptr_t)object, (uintptr_t)pool);
	pool->taken[idx] = 0;
	pool->free_idx[pool->free_cnt++] = (uint32_t)idx;
}
