/* SPDX-License-Identifier: Apache-2.0 */
#include <bulkhead/mem.h>

void
bh_bump_init(struct bh_bump *bump, void *base, size_t size_bytes)
{
	bump->next = (uintptr_t)base;
	bump->end = (uintptr_t)base + size_bytes;
}

void *
bh_bump_alloc(struct bh_bump *bump, size_t size_bytes, size_t align)
{
	if (size_bytes == 0 || !BH_IS_POW2(align))
		return NULL;
	size_t gap = (size_t)(-bump->next & (align - 1));
	size_t left = bump->end - bump->next;
	if (gap > left || size_bytes > left - gap)
		return NULL;
	void *ptr = (void *)(bump->next + gap);
	bump->next += gap + size_bytes;
	return ptr;
}
