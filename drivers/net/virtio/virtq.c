/* SPDX-License-Identifier: Apache-2.0 */
#include "drivers/net/virtio/virtq.h"

#include <bulkhead/mem.h>

static size_t
split_used_offset(uint32_t size)
{
	/* 2.7: descriptor table, available ring with used_event, then the used ring; each side on lines of its own. */
	return BH_ALIGN_UP(size * sizeof(struct virtq_desc) + 6 + 2 * (size_t)size, (size_t)BH_CACHE_LINE_BYTES);
}

static int
split_alloc(struct bh_virtq *vq, uint32_t size)
{
	size_t used = split_used_offset(size);
	uint8_t *memory = bh_dma_alloc(used + 6 + size * sizeof(struct virtq_used_elem) + 2, BH_PAGE_BYTES);
	if (memory == NULL)
		return -BH_ENOMEM;
	vq->desc = (struct virtq_desc *)(void *)memory;
	vq->avail = (struct virtq_avail *)(void *)(memory + size * sizeof(struct virtq_desc));
	vq->used = (volatile struct virtq_used *)(void *)(memory + used);
	return 0;
}

static int
packed_alloc(struct bh_virtq *vq, uint32_t size)
{
	size_t events = size * sizeof(struct virtq_packed_desc);
	uint8_t *memory =
	        bh_dma_alloc(BH_ALIGN_UP(events, (size_t)BH_CACHE_LINE_BYTES) + 2 * BH_CACHE_LINE_BYTES, BH_PAGE_BYTES);
	if (memory == NULL)
		return -BH_ENOMEM;
	events = BH_ALIGN_UP(events, (size_t)BH_CACHE_LINE_BYTES);
	vq->ring = (struct virtq_packed_desc *)(void *)memory;
	vq->driver_event = (struct virtq_packed_event *)(void *)(memory + events);
	vq->device_event = (volatile struct virtq_packed_event *)(void *)(memory + events + BH_CACHE_LINE_BYTES);
	return 0;
}

static int
ids_alloc(struct bh_virtq *vq, uint16_t size)
{
	vq->free_id = bh_heap_alloc(size * sizeof(uint16_t));
	vq->chain_cnt = bh_heap_alloc(size * sizeof(uint16_t));
	vq->next_id = bh_heap_alloc(size * sizeof(uint16_t));
	return vq->free_id == NULL || vq->chain_cnt == NULL || vq->next_id == NULL ? -BH_ENOMEM : 0;
}

int
bh_virtq_init(struct bh_virtq *vq, uint16_t queue_idx, uint16_t size, bool packed, bool transmit)
{
	*vq = (struct bh_virtq){.size = size, .mask = (uint16_t)(size - 1), .queue_idx = queue_idx, .packed = packed};
	if (size < 2 || size > BH_VIRTQ_SIZE_MAX || !BH_IS_POW2((uint32_t)size))
		return -BH_EINVAL;
	vq->slot = bh_heap_alloc(size * sizeof(struct bh_pkt *));
	int err = vq->slot == NULL ? -BH_ENOMEM : transmit ? ids_alloc(vq, size) : 0;
	if (err == 0)
		err = packed ? packed_alloc(vq, size) : split_alloc(vq, size);
	if (err != 0) {
		bh_virtq_free(vq);
		return err;
	}
	bh_virtq_reset(vq);
	return 0;
}

void
bh_virtq_free(struct bh_virtq *vq)
{
	bh_heap_free(vq->slot);
	bh_heap_free(vq->free_id);
	bh_heap_free(vq->chain_cnt);
	bh_heap_free(vq->next_id);
	vq->slot = NULL;
	vq->free_id = vq->chain_cnt = vq->next_id = NULL;
}

void
bh_virtq_reset(struct bh_virtq *vq)
{
	vq->avail_idx = vq->used_idx = vq->filled = 0;
	vq->used_wrap = 1; /* 2.8.1: both wrap counters start at 1 */
	vq->avail_flags = VIRTQ_PACKED_F_AVAIL;
	vq->free_cnt = vq->size;
	vq->reclaim_below = (uint16_t)(vq->size - vq->size / 4);
	vq->desc_idx = vq->done_idx = vq->chains = vq->same_cnt = vq->batch_left = 0;
	vq->in_order = true;
	for (uint16_t i = 0; vq->chain_cnt != NULL && i < vq->size; i++)
		vq->chain_cnt[i] = 1;
	if (vq->packed) {
		memset(vq->ring, 0, vq->size * sizeof(*vq->ring));
		*vq->driver_event = (struct virtq_packed_event){.flags = VIRTQ_EVENT_FLAGS_DISABLE};
		vq->device_event->off_wrap = 0;
		vq->device_event->flags = VIRTQ_EVENT_FLAGS_ENABLE;
		return;
	}
	memset(vq->desc, 0, vq->size * sizeof(*vq->desc));
	memset(vq->avail, 0, 4 + 2 * (size_t)vq->size);
	vq->avail->flags = VIRTQ_AVAIL_F_NO_INTERRUPT;
	memset((void *)(uintptr_t)vq->used, 0, 4 + vq->size * sizeof(struct virtq_used_elem));
}

/*
 * The stack of free identifiers, as the order ends. Of a split ring those that are not between the oldest descriptor and
 * the next, with the chains' further ones; of a packed one a chain has only its first.
 */
static void
order_end(struct bh_virtq *vq)
{
	uint16_t held = (uint16_t)(vq->desc_idx - vq->done_idx);
	vq->id_cnt = 0;
	for (uint16_t i = 0; i < vq->size; i++) {
		uint16_t id = (uint16_t)(vq->done_idx + i) & vq->mask;
		if (vq->packed ? vq->slot[id] == NULL : i >= held)
			vq->free_id[vq->id_cnt++] = id;
	}
	vq->in_order = false;
}

static void
ids_put(struct bh_virtq *vq, uint16_t id, uint16_t cnt)
{
	vq->free_id[vq->id_cnt++] = id;
	if (vq->packed) /* one identifier for the whole chain */
		return;
	for (; cnt > 1; cnt--) {
		id = vq->next_id[id];
		vq->free_id[vq->id_cnt++] = id;
	}
}

void
bh_virtq_chain_done(struct bh_virtq *vq, uint16_t id)
{
	uint16_t cnt = vq->chain_cnt[id];
	vq->chain_cnt[id] = 1; /* as of every identifier that heads no chain */
	vq->chains = (uint16_t)(vq->chains - (cnt > 1));
	vq->free_cnt = (uint16_t)(vq->free_cnt + cnt);
	if (vq->in_order && id != (vq->done_idx & vq->mask))
		order_end(vq);
	vq->slot[id] = NULL;
	if (vq->in_order)
		vq->done_idx = (uint16_t)(vq->done_idx + cnt);
	else
		ids_put(vq, id, cnt);
	if (!vq->in_order && vq->free_cnt == vq->size) {
		vq->desc_idx = vq->done_idx = vq->avail_idx;
		vq->in_order = true;
	}
}

struct bh_virtq_addrs
bh_virtq_addrs(const struct bh_virtq *vq)
{
	if (vq->packed)
		return (struct bh_virtq_addrs){(uintptr_t)vq->ring, (uintptr_t)vq->driver_event,
		                               (uintptr_t)vq->device_event};
	return (struct bh_virtq_addrs){(uintptr_t)vq->desc, (uintptr_t)vq->avail, (uintptr_t)vq->used};
}

struct bh_pkt *
bh_virtq_take(struct bh_virtq *vq)
{
	for (uint16_t i = 0; i < vq->size; i++) {
		struct bh_pkt *pkt = vq->slot[i];
		if (pkt == NULL)
			continue;
		vq->slot[i] = NULL;
		return pkt;
	}
	return NULL;
}
