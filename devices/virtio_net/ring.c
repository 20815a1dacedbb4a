/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptor chains (VIRTIO 1.2, 2.7 and 2.8) from the device's side. Each field is read once; the copy is checked. */
#include <string.h>

#include "devices/virtio_net/internal.h"

void
vnet_queue_reset(struct vnet_queue *q, uint16_t size)
{
	memset(q, 0, sizeof(*q));
	q->size = size;
	q->vector = VNET_NO_VECTOR;
	q->avail_wrap = q->used_wrap = true;
}

/* The three areas: descriptors, what the driver writes, what the device writes. */
static bool
addresses_get(struct vnet_model *m, struct vnet_queue *q)
{
	uint64_t size = q->size;
	const uint64_t split_bytes[3] = {16 * size, 4 + 2 * size, 4 + 8 * size}, packed_bytes[3] = {16 * size, 4, 4};
	const uint64_t align[3] = {16, q->packed ? 4 : 2, 4};
	for (uint32_t i = 0; i < 3; i++) {
		uint32_t prot = i == 2 || (i == 0 && q->packed) ? VNET_DMA_READ | VNET_DMA_WRITE : VNET_DMA_READ;
		if (q->addr[i] == NULL && q->iova[i] % align[i] == 0)
			q->addr[i] = vnet_dma(m, q->iova[i], q->packed ? packed_bytes[i] : split_bytes[i], prot);
		if (q->addr[i] == NULL)
			return false;
	}
	return true;
}

BH_INLINE bool
addresses_ready(struct vnet_model *m, struct vnet_queue *q)
{
	if (BH_LIKELY(q->addr[0] != NULL && q->addr[1] != NULL && q->addr[2] != NULL))
		return true;
	if (addresses_get(m, q))
		return true;
	vnet_fail(m);
	return false;
}

bool
vnet_queue_start(struct vnet_model *m, struct vnet_queue *q)
{
	if (!addresses_get(m, q))
		return false;
	if (q->packed)
		((volatile struct virtq_packed_event *)(void *)q->addr[2])->flags = VIRTQ_EVENT_FLAGS_DISABLE;
	else
		((volatile struct virtq_used *)(void *)q->addr[2])->flags = VIRTQ_USED_F_NO_NOTIFY;
	return true;
}

/* One piece more. Writable ones come after the readable ones, and the sum has a bound. */
BH_INLINE bool
piece_add(struct vnet_chain *chain, uint64_t iova, uint32_t len_bytes, uint16_t flags)
{
	uint32_t idx = chain->out_cnt + chain->in_cnt;
	if (idx == VNET_PIECES_MAX || len_bytes == 0 || flags & VIRTQ_DESC_F_INDIRECT)
		return false;
	chain->piece[idx].iova = iova;
	chain->piece[idx].len_bytes = len_bytes;
	if (flags & VIRTQ_DESC_F_WRITE) {
		chain->in_cnt++;
		chain->in_bytes += len_bytes;
		return true;
	}
	chain->out_cnt++;
	chain->out_bytes += len_bytes;
	return chain->in_cnt == 0;
}

static bool
split_peek(struct vnet_model *m, struct vnet_queue *q, uint16_t ahead, struct vnet_chain *out)
{
	const volatile struct virtq_avail *avail = (const volatile void *)q->addr[1];
	const volatile struct virtq_desc *table = (const volatile void *)q->addr[0];
	uint16_t at = (uint16_t)(q->avail_idx + ahead);
	if ((uint16_t)(q->avail_cache - q->avail_idx) <= ahead) {
		q->avail_cache = avail->idx;
		bh_dma_rmb();
		uint16_t ready = (uint16_t)(q->avail_cache - q->avail_idx);
		if (ready > q->size) {
			vnet_fail(m);
			return false;
		}
		if (ready <= ahead)
			return false;
	}
	uint16_t id = avail->ring[at % q->size];
	out->id = id;
	out->desc_cnt = 1;
	out->out_cnt = out->in_cnt = 0;
	out->out_bytes = out->in_bytes = 0;
	for (uint32_t i = 0; i <= q->size; i++) {
		if (id >= q->size || i == q->size)
			break; /* outside, or a loop */
		uint64_t iova = table[id].addr;
		uint64_t word = *(const volatile uint64_t *)(const volatile void *)&table[id].len;
		uint16_t flags = (uint16_t)(word >> 32);
		if (!piece_add(out, iova, (uint32_t)word, flags))
			break;
		if (!(flags & VIRTQ_DESC_F_NEXT))
			return true;
		id = (uint16_t)(word >> 48);
	}
	vnet_fail(m);
	return false;
}

static bool
packed_is_avail(uint16_t flags, bool wrap)
{
	return !!(flags & VIRTQ_PACKED_F_AVAIL) == wrap && !!(flags & VIRTQ_PACKED_F_USED) != wrap;
}

static bool
packed_peek(struct vnet_model *m, struct vnet_queue *q, uint16_t ahead, struct vnet_chain *out)
{
	const volatile struct virtq_packed_desc *ring = (const volatile void *)q->addr[0];
	uint32_t at = q->avail_idx + (uint32_t)ahead;
	out->desc_cnt = 0;
	out->out_cnt = out->in_cnt = 0;
	out->out_bytes = out->in_bytes = 0;
	if (ahead >= q->size)
		return false;
	for (uint32_t i = 0; i + ahead < q->size; i++, at++) {
		bool wrap = q->avail_wrap ^ (at >= q->size);
		const volatile struct virtq_packed_desc *desc = &ring[at % q->size];
		uint64_t word = *(const volatile uint64_t *)(const volatile void *)&desc->len;
		uint16_t flags = (uint16_t)(word >> 48);
		if (i == 0 && !packed_is_avail(flags, wrap))
			return false;
		bh_dma_rmb();
		out->desc_cnt++;
		out->id = (uint16_t)(word >> 32); /* that of the last counts (2.8.6) */
		if (!piece_add(out, desc->addr, (uint32_t)word, flags))
			break;
		if (!(flags & VIRTQ_DESC_F_NEXT))
			return true;
	}
	vnet_fail(m);
	return false;
}

bool
vnet_chain_peek(struct vnet_model *m, struct vnet_queue *q, uint16_t ahead, struct vnet_chain *out)
{
	if (!q->enabled || !addresses_ready(m, q))
		return false;
	return q->packed ? packed_peek(m, q, ahead, out) : split_peek(m, q, ahead, out);
}

static void
position_add(uint16_t *position, bool *wrap, uint16_t cnt, uint16_t size)
{
	uint32_t at = *position + (uint32_t)cnt;
	if (at >= size) {
		at -= size;
		*wrap = !*wrap;
	}
	*position = (uint16_t)at;
}

static void
packed_used_write(struct vnet_queue *q, uint16_t at, bool wrap, uint16_t id, uint32_t len_bytes)
{
	volatile struct virtq_packed_desc *desc = (volatile struct virtq_packed_desc *)(void *)q->addr[0] + at;
	uint16_t flags = wrap ? VIRTQ_PACKED_F_AVAIL | VIRTQ_PACKED_F_USED : 0;
	bh_dma_wmb(); /* data and descriptor are read or written before the client has them back */
	*(volatile uint64_t *)(volatile void *)&desc->len = len_bytes | (uint64_t)id << 32 | (uint64_t)flags << 48;
}

void
vnet_chain_done(struct vnet_model *m, struct vnet_queue *q, uint16_t id, uint16_t desc_cnt, uint32_t len_bytes)
{
	q->irq_due = true;
	if (!q->packed) {
		volatile struct virtq_used *used = (volatile void *)q->addr[2];
		*(volatile virtq_used_word *)(volatile void *)&used->ring[q->used_idx % q->size] =
		        id | (uint64_t)len_bytes << 32;
		q->used_idx++;
		q->avail_idx++;
		q->unpublished = true;
		return;
	}
	if (!q->batched) {
		packed_used_write(q, q->used_idx, q->used_wrap, id, len_bytes);
	} else {
		if (!q->unpublished) {
			q->batch.at = q->used_idx;
			q->batch.wrap = q->used_wrap;
		}
		q->batch.id = id;
		q->unpublished = true;
	}
	position_add(&q->used_idx, &q->used_wrap, desc_cnt, q->size);
	position_add(&q->avail_idx, &q->avail_wrap, desc_cnt, q->size);
}

static bool
wants_irq(const struct vnet_queue *q)
{
	if (q->packed)
		return ((const volatile struct virtq_packed_event *)(const void *)q->addr[1])->flags !=
		       VIRTQ_EVENT_FLAGS_DISABLE;
	return !(((const volatile struct virtq_avail *)(const void *)q->addr[1])->flags & VIRTQ_AVAIL_F_NO_INTERRUPT);
}

void
vnet_queue_publish(struct vnet_queue *q)
{
	if (!q->unpublished)
		return;
	q->unpublished = false;
	if (q->packed) {
		packed_used_write(q, q->batch.at, q->batch.wrap, q->batch.id, 0);
		return;
	}
	bh_dma_wmb();
	((volatile struct virtq_used *)(void *)q->addr[2])->idx = q->used_idx;
}

void
vnet_queue_flush(struct vnet_model *m, struct vnet_queue *q)
{
	if (!q->irq_due || !addresses_ready(m, q))
		return;
	q->irq_due = false;
	vnet_queue_publish(q);
	if (m->host.irq == NULL || q->vector == VNET_NO_VECTOR)
		return;
	bh_dma_mb(); /* what was used is visible before the client's wish is read */
	if (!wants_irq(q))
		return;
	m->isr |= VIRTIO_PCI_ISR_QUEUE;
	m->host.irq(m->host.context, q->vector);
}
