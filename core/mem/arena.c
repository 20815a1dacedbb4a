/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DMA memory. The bump pointer lives on the heap: nothing that a device can write decides where memory is handed out.
 */
#include "core/internal.h"

void *
bh_dma_alloc(size_t size_bytes, size_t align)
{
	struct bh_cell *cell = bh_core_self()->cell;
	bh_lock_take(&cell->arena_lock);
	void *ptr = bh_bump_alloc(&cell->arena, size_bytes, align);
	bh_lock_release(&cell->arena_lock);
	if (ptr != NULL)
		memset(ptr, 0, size_bytes);
	return ptr;
}

size_t
bh_dma_free_bytes(void)
{
	struct bh_cell *cell = bh_core_self()->cell;
	bh_lock_take(&cell->arena_lock);
	size_t free_bytes = cell->arena.end - cell->arena.next;
	bh_lock_release(&cell->arena_lock);
	return free_bytes;
}

bool
bh_dma_contains(const void *addr, size_t size_bytes)
{
	const struct bh_cell *cell = bh_core_self()->cell;
	uintptr_t low = (uintptr_t)addr;
	return low >= cell->arena_low && low <= cell->arena_high && size_bytes <= cell->arena_high - low;
}
