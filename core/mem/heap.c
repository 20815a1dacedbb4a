/* SPDX-License-Identifier: Apache-2.0 */
/* The cell's heap: one TLSF pool behind a lock. Clearing is done outside of the lock. */
#include "core/internal.h"

int
bh_heap_init(struct bh_cell *cell, uintptr_t low, uintptr_t high)
{
	if (low >= high)
		return -BH_ENOMEM;
	cell->heap = bh_tlsf_init((void *)low, high - low);
	return cell->heap == NULL ? -BH_ENOMEM : 0;
}

void *
bh_cell_heap_alloc(struct bh_cell *cell, size_t size_bytes, size_t align)
{
	bh_lock_take(&cell->heap_lock);
	void *ptr = bh_tlsf_alloc_aligned(cell->heap, size_bytes, align);
	bh_lock_release(&cell->heap_lock);
	if (ptr != NULL)
		memset(ptr, 0, size_bytes);
	return ptr;
}

void *
bh_heap_alloc(size_t size_bytes)
{
	return bh_cell_heap_alloc(bh_core_self()->cell, size_bytes, 16);
}

void *
bh_heap_alloc_aligned(size_t size_bytes, size_t align)
{
	return bh_cell_heap_alloc(bh_core_self()->cell, size_bytes, align);
}

void
bh_heap_free(void *ptr)
{
	struct bh_cell *cell = bh_core_self()->cell;
	bh_lock_take(&cell->heap_lock);
	bh_tlsf_free(cell->heap, ptr);
	bh_lock_release(&cell->heap_lock);
}
