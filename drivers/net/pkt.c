/* SPDX-License-Identifier: Apache-2.0 */
#include <bulkhead/cell.h>
#include <bulkhead/log.h>
#include <bulkhead/mem.h>
#include <bulkhead/metrics.h>
#include <bulkhead/panic.h>
#include <bulkhead/pkt.h>

#define PKT_CNT_DEFAULT    4096u
#define PKT_CNT_MAX        (1u << 20)
#define DATA_BYTES_MAX     (65536u - 512u)
#define HEADROOM_BYTES_MAX 256u
#define REMOTE_POP_CNT     64u
#define VLAN_TPID          0x8100u

static int
options_fill(struct bh_pkt_pool_options *options)
{
	if (options->pkt_cnt == 0)
		options->pkt_cnt = PKT_CNT_DEFAULT;
	if (options->data_bytes == 0)
		options->data_bytes = BH_PKT_DATA_BYTES;
	if (options->headroom_bytes == 0)
		options->headroom_bytes = BH_PKT_HEADROOM_BYTES;
	if (options->pkt_cnt > PKT_CNT_MAX || options->data_bytes > DATA_BYTES_MAX ||
	    options->headroom_bytes > HEADROOM_BYTES_MAX || options->headroom_bytes % BH_CACHE_LINE_BYTES != 0)
		return -BH_EINVAL;
	return 0;
}

/* An odd number of lines from one buffer to the next, so that their first lines fall into all sets of a cache. */
static size_t
buf_stride(const struct bh_pkt_pool *pool)
{
	size_t lines = (pool->buf_bytes + BH_CACHE_LINE_BYTES - 1) / BH_CACHE_LINE_BYTES;
	return (lines | 1) * BH_CACHE_LINE_BYTES;
}

static size_t
ring_slots(uint32_t pkt_cnt)
{
	size_t slots = 2;
	while (slots < pkt_cnt)
		slots *= 2;
	return slots;
}

static int
pool_alloc(struct bh_pkt_pool *pool)
{
	size_t slot_cnt = ring_slots(pool->pkt_cnt);
	struct bh_mpsc_slot *slots = bh_heap_alloc(slot_cnt * sizeof(*slots));
	pool->free = bh_heap_alloc((size_t)pool->pkt_cnt * sizeof(struct bh_pkt *));
	pool->pkt = bh_heap_alloc_aligned((size_t)pool->pkt_cnt * sizeof(*pool->pkt), BH_CACHE_LINE_BYTES);
	if (slots == NULL || pool->free == NULL || pool->pkt == NULL) {
		bh_log_error("pkt: no heap for %u packets", pool->pkt_cnt);
		return -BH_ENOMEM;
	}
	pool->buf = bh_dma_alloc(buf_stride(pool) * pool->pkt_cnt, BH_CACHE_LINE_BYTES);
	if (pool->buf == NULL) {
		bh_log_error("pkt: no room for %u buffers of %u bytes: make [cell] arena larger", pool->pkt_cnt,
		             pool->buf_bytes);
		return -BH_ENOMEM;
	}
	return bh_mpsc_init(&pool->remote, slots, slot_cnt);
}

int
bh_pkt_pool_create(const struct bh_pkt_pool_options *given, struct bh_pkt_pool **out_pool)
{
	struct bh_pkt_pool_options options = given ? *given : (struct bh_pkt_pool_options){0};
	int err = options_fill(&options);
	if (err != 0)
		return err;
	struct bh_pkt_pool *pool = bh_heap_alloc_aligned(sizeof(*pool), BH_CACHE_LINE_BYTES);
	if (pool == NULL)
		return -BH_ENOMEM;
	pool->pkt_cnt = options.pkt_cnt;
	pool->data_bytes = options.data_bytes;
	pool->headroom_bytes = options.headroom_bytes;
	pool->buf_bytes = options.headroom_bytes + options.data_bytes;
	pool->core_idx = bh_core_idx();
	pool->empty_cnt = bh_counter_register("pkt.pool_empty", "");
	err = pool_alloc(pool);
	if (err != 0)
		return err;
	for (uint32_t i = 0; i < pool->pkt_cnt; i++) {
		struct bh_pkt *pkt = &pool->pkt[i];
		pkt->pool = pool;
		pkt->buf = pool->buf + i * buf_stride(pool);
		bh_pkt_reset(pkt);
		pool->free[pool->pkt_cnt - 1 - i] = pkt;
	}
	pool->free_cnt = pool->pkt_cnt;
	*out_pool = pool;
	return 0;
}

static void
pool_put(struct bh_pkt_pool *pool, struct bh_pkt *pkt)
{
	if (BH_UNLIKELY(pool->free_cnt == pool->pkt_cnt))
		bh_panic("a packet was given back twice", (uintptr_t)pkt, (uintptr_t)pool);
	pkt->next = NULL;
	pool->free[pool->free_cnt++] = pkt;
}

void
bh_pkt_pool_reclaim(struct bh_pkt_pool *pool)
{
	uint64_t item[REMOTE_POP_CNT];
	size_t cnt;
	do {
		cnt = bh_mpsc_pop(&pool->remote, item, REMOTE_POP_CNT);
		for (size_t i = 0; i < cnt; i++)
			pool_put(pool, (struct bh_pkt *)(uintptr_t)item[i]);
	} while (cnt == REMOTE_POP_CNT);
}

uint32_t
bh_pkt_get_low(struct bh_pkt_pool *pool, struct bh_pkt **out_pkts, uint32_t cnt)
{
	bh_pkt_pool_reclaim(pool);
	if (pool->free_cnt < cnt)
		bh_counter_add(pool->empty_cnt, 1);
	uint32_t got = BH_MIN(pool->free_cnt, cnt);
	for (uint32_t i = 0; i < got; i++)
		out_pkts[i] = pool->free[--pool->free_cnt];
	return got;
}

/* The ring has a slot for each packet of the pool: only a packet that is given back twice can find it full. */
static void
put_anywhere(struct bh_pkt *pkt)
{
	struct bh_pkt_pool *pool = pkt->pool;
	uint64_t item = (uintptr_t)pkt;
	if (pool->core_idx == bh_core_idx())
		pool_put(pool, pkt);
	else if (bh_mpsc_push(&pool->remote, &item, 1) != 0)
		bh_panic("a packet was given back twice", (uintptr_t)pkt, (uintptr_t)pool);
}

void
bh_pkt_free_slow(struct bh_pkt *pkt)
{
	for (uint32_t i = 0; pkt != NULL; i++) {
		struct bh_pkt *next = pkt->next;
		if (i == BH_PKT_SEGS_MAX)
			bh_panic("a chain of packets has no end", (uintptr_t)pkt, i);
		pkt->next = NULL;
		put_anywhere(pkt);
		pkt = next;
	}
}

static uint32_t
sum_bytes(const uint8_t *data, uint32_t len_bytes, uint32_t position, uint64_t *sum)
{
	for (uint32_t i = 0; i < len_bytes; i++, position++)
		*sum += (position & 1) ? data[i] : (uint64_t)data[i] << 8;
	return position;
}

int
bh_pkt_csum_finish(struct bh_pkt *pkt)
{
	uint32_t at = (uint32_t)pkt->csum_start + pkt->csum_offset;
	if (pkt->csum_start > pkt->len_bytes || at + 2 > pkt->len_bytes)
		return -BH_EINVAL;
	uint64_t sum = 0;
	uint32_t position = sum_bytes(pkt->data + pkt->csum_start, pkt->len_bytes - pkt->csum_start, 0, &sum);
	for (const struct bh_pkt *seg = pkt->next; seg != NULL; seg = seg->next)
		position = sum_bytes(seg->data, seg->len_bytes, position, &sum);
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	uint16_t csum = (uint16_t)~sum;
	if (csum == 0)
		csum = 0xffff;
	pkt->data[at] = (uint8_t)(csum >> 8);
	pkt->data[at + 1] = (uint8_t)csum;
	pkt->flags &= (uint16_t)~BH_PKT_CSUM_PARTIAL;
	return 0;
}

int
bh_pkt_vlan_insert(struct bh_pkt *pkt)
{
	if (pkt->len_bytes < 14)
		return -BH_EINVAL;
	if (bh_pkt_headroom(pkt) < 4)
		return -BH_ENOSPC;
	memmove(pkt->data - 4, pkt->data, 12);
	pkt->data -= 4;
	pkt->data[12] = VLAN_TPID >> 8;
	pkt->data[13] = VLAN_TPID & 0xff;
	pkt->data[14] = (uint8_t)(pkt->vlan_tci >> 8);
	pkt->data[15] = (uint8_t)pkt->vlan_tci;
	pkt->len_bytes += 4;
	pkt->frame_bytes += pkt->next != NULL ? 4 : 0;
	pkt->flags &= (uint16_t)~BH_PKT_VLAN;
	if (pkt->flags & BH_PKT_CSUM_PARTIAL)
		pkt->csum_start += 4;
	return 0;
}
