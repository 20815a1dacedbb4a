/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rings as Documentation/networking/af_xdp.rst describes them: of each the producer writes entries and then its index,
 * the consumer reads entries and then writes its own; both count up and are taken modulo the size. What a ring says is
 * checked against what we gave: buffers by their place in the pool, indices by the size.
 */
#include "drivers/net/af_xdp/af_xdp.h"

#include <bulkhead/arch.h>

#define ENTRIES    BH_XDP_ENTRIES
#define MASK       (ENTRIES - 1)
#define ADDR_MASK  ((UINT64_C(1) << BH_XDP_ADDR_BITS) - 1)
#define FILL_BURST 64u

struct ring {
	volatile uint32_t *producer, *consumer;
	void *desc;
	uint32_t at; /* our index */
};

struct xdp_port {
	struct bh_port base;
	const volatile struct bh_xdp_info *info;
	uint64_t arena_addr;
	uint64_t dropped_seen, invalid_seen;
};

struct xdp_queue {
	struct bh_port_queue base;
	struct ring rx, tx, fill, completion;
	uint64_t arena_addr;
	uint64_t stride_reciprocal;
	uint64_t stride;
	uint8_t *given; /* by packet of the pool: with the kernel to be filled */
	uint32_t given_cnt;
	struct bh_pkt *sent[ENTRIES]; /* in the order in which they were sent; NULL: back already */
	uint32_t sent_head, sent_tail;
};

static struct xdp_port *
port_of(struct bh_port *port)
{
	return (struct xdp_port *)(void *)port;
}

static struct xdp_queue *
queue_of(struct bh_port_queue *queue)
{
	return (struct xdp_queue *)(void *)queue;
}

static bool
xdp_matches(const struct bh_boot_device *device)
{
	static const char model[] = "af_xdp";
	return memcmp(device->model, model, sizeof(model)) == 0;
}

static int
xdp_watch(struct bh_port *base)
{
	struct xdp_port *port = port_of(base);
	bh_port_link_set(base, port->info->link_up != 0, port->info->speed_mbps, true);
	if (base->queue[0] == NULL || base->queue[0]->drop[0] == NULL || base->queue_core[0] != base->owner_core)
		return 0;
	uint64_t dropped = port->info->rx_dropped_cnt, invalid = port->info->tx_invalid_cnt;
	bh_counter_add(base->queue[0]->drop[BH_DROP_RX_NO_BUFFER], dropped - port->dropped_seen);
	bh_counter_add(base->queue[0]->drop[BH_DROP_TX_ERROR], invalid - port->invalid_seen);
	port->dropped_seen = dropped;
	port->invalid_seen = invalid;
	return 0;
}

static int
xdp_open(struct bh_port *base)
{
	struct xdp_port *port = port_of(base);
	port->info = (const volatile void *)bh_device_window(&base->device, BH_XDP_INFO_BAR, 0, sizeof(*port->info));
	if (port->info == NULL || port->info->magic != BH_XDP_MAGIC)
		return -BH_EPROTO;
	port->arena_addr = port->info->arena_addr;
	base->info.queue_cnt_max = port->info->queue_cnt;
	base->info.queue_cnt = BH_MIN(base->info.queue_cnt, base->info.queue_cnt_max);
	base->info.rx_entries = base->info.tx_entries = ENTRIES;
	uint32_t mtu_bytes = port->info->mtu_bytes, room = BH_XDP_CHUNK - BH_XDP_HEADROOM - BH_ETH_HEADER_BYTES - 8;
	mtu_bytes = BH_MIN(mtu_bytes, room);
	base->info.mtu_bytes = BH_MIN(base->info.mtu_bytes, mtu_bytes);
	for (uint32_t i = 0; i < BH_MAC_BYTES; i++)
		base->info.mac[i] = port->info->mac[i];
	base->info.mode = port->info->zero_copy != 0 ? "zero copy"
	                  : port->info->native != 0  ? "copy, native XDP"
	                                             : "copy, generic XDP";
	base->info.features = base->info.queue_cnt > 1 ? BH_PORT_RSS : 0;
	return xdp_watch(base);
}

static int
ring_map(const struct xdp_port *port, uint32_t queue_idx, enum bh_xdp_ring_kind kind, struct ring *out)
{
	const volatile struct bh_xdp_ring_info *info = &port->info->ring[kind];
	uint32_t entry_bytes = kind == BH_XDP_RX || kind == BH_XDP_TX ? sizeof(struct bh_xdp_desc) : sizeof(uint64_t);
	uint64_t wanted = info->desc + (uint64_t)ENTRIES * entry_bytes;
	uint8_t *base =
	        (uint8_t *)(uintptr_t)bh_device_window(&port->base.device, queue_idx, kind * BH_XDP_RING_STEP, wanted);
	if (base == NULL || info->producer + 4 > wanted || info->consumer + 4 > wanted)
		return -BH_EPROTO;
	out->producer = (volatile uint32_t *)(void *)(base + info->producer);
	out->consumer = (volatile uint32_t *)(void *)(base + info->consumer);
	out->desc = base + info->desc;
	return 0;
}

static int
xdp_queue_init(struct bh_port_queue *base)
{
	struct xdp_queue *queue = queue_of(base);
	const struct xdp_port *port = port_of(base->port);
	int err = ring_map(port, base->queue_idx, BH_XDP_RX, &queue->rx);
	if (err == 0)
		err = ring_map(port, base->queue_idx, BH_XDP_TX, &queue->tx);
	if (err == 0)
		err = ring_map(port, base->queue_idx, BH_XDP_FILL, &queue->fill);
	if (err == 0)
		err = ring_map(port, base->queue_idx, BH_XDP_COMPLETION, &queue->completion);
	if (err != 0)
		return err;
	/* The other side has not begun: where it stands is where we begin. */
	queue->rx.at = *queue->rx.consumer;
	queue->tx.at = *queue->tx.producer;
	queue->fill.at = *queue->fill.producer;
	queue->completion.at = *queue->completion.consumer;
	queue->arena_addr = port->arena_addr;
	return 0;
}

static int
xdp_start(struct bh_port *port)
{
	return 0;
}

/* Entries that are ours to read; more than the ring holds: the index is nonsense. */
static uint32_t
ready_cnt(const struct ring *ring)
{
	uint32_t cnt = *ring->producer - ring->at;
	bh_dma_rmb();
	return cnt <= ENTRIES ? cnt : 0;
}

/* Entries that are free for us to write. */
static uint32_t
room_cnt(const struct ring *ring)
{
	uint32_t used = ring->at - *ring->consumer;
	return used <= ENTRIES ? ENTRIES - used : 0;
}

static void
fill_more(struct xdp_queue *queue)
{
	struct bh_pkt_pool *pool = queue->base.pool;
	struct bh_pkt *fresh[FILL_BURST];
	uint32_t room = room_cnt(&queue->fill);
	while (room > 0 && queue->given_cnt < ENTRIES) {
		uint32_t wanted = BH_MIN(room, FILL_BURST);
		wanted = BH_MIN(wanted, ENTRIES - queue->given_cnt);
		uint32_t got = bh_pkt_take(pool, fresh, wanted);
		for (uint32_t i = 0; i < got; i++) {
			uint64_t *slot = (uint64_t *)queue->fill.desc + (queue->fill.at++ & MASK);
			*slot = (uintptr_t)fresh[i]->buf - queue->arena_addr;
			queue->given[fresh[i] - pool->pkt] = 1;
		}
		queue->given_cnt += got;
		room -= got;
		bh_dma_wmb();
		*queue->fill.producer = queue->fill.at;
		if (got < wanted)
			return;
	}
}

static void
xdp_fill(struct bh_port_queue *base)
{
	struct xdp_queue *queue = queue_of(base);
	struct bh_pkt_pool *pool = base->pool;
	if (queue->given == NULL) {
		queue->given = bh_heap_alloc(pool->pkt_cnt);
		if (queue->given == NULL || pool->pkt_cnt < 2 || pool->buf_bytes < BH_XDP_CHUNK) {
			bh_log_error(
			        "port %u: AF_XDP needs buffers of %u bytes and their bookkeeping: nothing is received",
			        base->port_idx, BH_XDP_CHUNK);
			bh_heap_free(queue->given);
			queue->given = NULL;
			return;
		}
		queue->stride = (uint64_t)(pool->pkt[1].buf - pool->pkt[0].buf);
		queue->stride_reciprocal = UINT64_MAX / queue->stride + 1;
	}
	fill_more(queue);
}

/* The packet whose buffer begins there, if the kernel has it from us; else NULL. */
static struct bh_pkt *
pkt_of(const struct xdp_queue *queue, uint64_t addr)
{
	const struct bh_pkt_pool *pool = queue->base.pool;
	uint64_t offset = addr + queue->arena_addr - (uintptr_t)pool->buf;
	uint64_t idx = (uint64_t)((unsigned __int128)offset * queue->stride_reciprocal >> 64);
	if (offset >= queue->stride * pool->pkt_cnt || idx >= pool->pkt_cnt || idx * queue->stride != offset ||
	    queue->given[idx] == 0)
		return NULL;
	return &pool->pkt[idx];
}

static bool
frame_take(struct xdp_queue *queue, const struct bh_xdp_desc *desc, struct bh_pkt *pkt, uint64_t now_tsc)
{
	uint64_t offset = desc->addr >> BH_XDP_ADDR_BITS;
	if (desc->len < BH_ETH_HEADER_BYTES || offset > BH_XDP_CHUNK || desc->len > BH_XDP_CHUNK - offset) {
		bh_port_drop(&queue->base, pkt, BH_DROP_RX_BAD_LENGTH);
		return false;
	}
	if (desc->len > queue->base.frame_bytes_max) {
		bh_port_drop(&queue->base, pkt, BH_DROP_RX_TOO_LONG);
		return false;
	}
	pkt->data = pkt->buf + offset;
	pkt->len_bytes = desc->len;
	pkt->flags = 0;
	pkt->seg_cnt = 1;
	pkt->port_idx = queue->base.port_idx;
	pkt->rx_tsc = now_tsc;
	return true;
}

static uint32_t
xdp_rx(struct bh_port_queue *base, struct bh_pkt **out_pkts, uint32_t cnt)
{
	struct xdp_queue *queue = queue_of(base);
	uint32_t ready = ready_cnt(&queue->rx), got = 0;
	uint64_t bytes = 0, now_tsc;
	if (queue->given == NULL)
		return 0;
	fill_more(queue);
	if (ready == 0)
		return 0;
	now_tsc = bh_clock_now_tsc();
	for (; ready > 0 && got < cnt; ready--) {
		const struct bh_xdp_desc *slot = (const struct bh_xdp_desc *)queue->rx.desc + (queue->rx.at++ & MASK);
		const struct bh_xdp_desc desc = *(const volatile struct bh_xdp_desc *)slot;
		struct bh_pkt *pkt = pkt_of(queue, desc.addr & ADDR_MASK);
		if (BH_UNLIKELY(pkt == NULL)) {
			bh_counter_add(base->drop[BH_DROP_RX_BAD_ID], 1);
			continue;
		}
		queue->given[pkt - base->pool->pkt] = 0;
		queue->given_cnt--;
		if (!frame_take(queue, &desc, pkt, now_tsc))
			continue;
		bytes += pkt->len_bytes;
		out_pkts[got++] = pkt;
	}
	bh_dma_wmb();
	*queue->rx.consumer = queue->rx.at;
	bh_counter_add(base->rx_pkts, got);
	bh_counter_add(base->rx_bytes, bytes);
	return got;
}

/* The kernel says which address is sent; mostly the oldest. */
static void
sent_back(struct xdp_queue *queue, uint64_t addr)
{
	for (uint32_t at = queue->sent_tail; at != queue->sent_head; at++) {
		struct bh_pkt *pkt = queue->sent[at & MASK];
		if (pkt == NULL || (uintptr_t)pkt->data - queue->arena_addr != addr)
			continue;
		queue->sent[at & MASK] = NULL;
		bh_pkt_free(pkt);
		break;
	}
	while (queue->sent_tail != queue->sent_head && queue->sent[queue->sent_tail & MASK] == NULL)
		queue->sent_tail++;
}

static void
tx_reclaim(struct xdp_queue *queue)
{
	uint32_t ready = ready_cnt(&queue->completion);
	if (ready == 0)
		return;
	for (; ready > 0; ready--) {
		uint64_t addr = *((const volatile uint64_t *)queue->completion.desc + (queue->completion.at++ & MASK));
		sent_back(queue, addr & ADDR_MASK);
	}
	bh_dma_wmb();
	*queue->completion.consumer = queue->completion.at;
}

static uint32_t
xdp_tx(struct bh_port_queue *base, struct bh_pkt *const *pkts, uint32_t cnt)
{
	struct xdp_queue *queue = queue_of(base);
	uint32_t i, sent = 0;
	uint64_t bytes = 0;
	tx_reclaim(queue);
	/* No more than the completion ring holds, whatever the kernel has taken off the other. */
	uint32_t room = BH_MIN(room_cnt(&queue->tx), ENTRIES - (queue->sent_head - queue->sent_tail));
	for (i = 0; i < cnt && sent < room; i++) {
		struct bh_pkt *pkt = pkts[i];
		if (!bh_port_tx_check(base, pkt, 0, 1))
			continue;
		struct bh_xdp_desc *slot = (struct bh_xdp_desc *)queue->tx.desc + (queue->tx.at++ & MASK);
		*slot = (struct bh_xdp_desc){.addr = (uintptr_t)pkt->data - queue->arena_addr, .len = pkt->len_bytes};
		queue->sent[queue->sent_head++ & MASK] = pkt;
		bytes += pkt->len_bytes;
		sent++;
	}
	bh_dma_wmb();
	*queue->tx.producer = queue->tx.at;
	bh_counter_add(base->tx_pkts, sent);
	bh_counter_add(base->tx_bytes, bytes);
	return i;
}

/* Buffers that are with the kernel stay there until the supervisor closes the sockets. */
static void
xdp_drain(struct bh_port_queue *base)
{
	tx_reclaim(queue_of(base));
}

static int
xdp_quiesce(struct bh_port *port)
{
	return 0;
}

static void
xdp_close(struct bh_port *port)
{
	for (uint32_t i = 0; i < BH_PORT_QUEUES_MAX; i++) {
		if (port->queue[i] != NULL)
			bh_heap_free(queue_of(port->queue[i])->given);
	}
}

const struct bh_port_driver bh_af_xdp_driver = {
        .name = "af_xdp",
        .port_bytes = sizeof(struct xdp_port),
        .queue_bytes = BH_ALIGN_UP(sizeof(struct xdp_queue), (size_t)BH_CACHE_LINE_BYTES),
        .matches = xdp_matches,
        .open = xdp_open,
        .queue_init = xdp_queue_init,
        .start = xdp_start,
        .fill = xdp_fill,
        .rx = xdp_rx,
        .tx = xdp_tx,
        .drain = xdp_drain,
        .watch = xdp_watch,
        .quiesce = xdp_quiesce,
        .close = xdp_close,
};
