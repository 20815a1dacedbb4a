/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rings (82574 datasheet 7.1.8 and 7.2.4): the device owns the descriptors from its head up to, without, the tail. Head
 * equal to tail is an empty ring, so that one descriptor always stays ours. What is in the arena is descriptors only; which
 * packet belongs to which is on the heap.
 */
#include "drivers/net/intel/intel.h"

#define RECLAIM_CNT 64u

static uint32_t
rx_base(const struct intel_port *ip, uint32_t queue_idx)
{
	return ip->card->rx_base + queue_idx * ip->card->queue_step;
}

static uint32_t
tx_base(const struct intel_port *ip, uint32_t queue_idx)
{
	return ip->card->tx_base + queue_idx * ip->card->queue_step;
}

static volatile void *
tail_at(const struct intel_port *ip, uint32_t base)
{
	return bh_device_window(&ip->port.device, 0, base + INTEL_QUEUE_TAIL, sizeof(uint32_t));
}

int
intel_queue_init(struct bh_port_queue *queue)
{
	struct intel_port *ip = intel_port_of(queue->port);
	struct intel_queue *iq = intel_queue_of(queue);
	uint32_t rx_cnt = queue->port->info.rx_entries, tx_cnt = queue->port->info.tx_entries;

	iq->rx.mask = rx_cnt - 1;
	iq->rx.fill_cnt = BH_MIN(INTEL_FILL_CNT, rx_cnt / 2);
	iq->tx.mask = tx_cnt - 1;
	iq->tx.segs_max = BH_MIN(BH_PKT_SEGS_MAX, tx_cnt / 4);
	iq->rx.desc = bh_dma_alloc(rx_cnt * sizeof(*iq->rx.desc), BH_PAGE_BYTES);
	iq->tx.desc = bh_dma_alloc(tx_cnt * sizeof(*iq->tx.desc), BH_PAGE_BYTES);
	iq->rx.slot = bh_heap_alloc(rx_cnt * sizeof(struct bh_pkt *));
	iq->tx.slot = bh_heap_alloc(tx_cnt * sizeof(struct bh_pkt *));
	iq->tx.mark = bh_heap_alloc(tx_cnt * sizeof(*iq->tx.mark));
	if (iq->rx.desc == NULL || iq->tx.desc == NULL || iq->rx.slot == NULL || iq->tx.slot == NULL ||
	    iq->tx.mark == NULL) {
		bh_log_error("port %u: no memory for the rings of queue %u: make [cell] arena larger",
		             queue->port->port_idx, queue->queue_idx);
		return -BH_ENOMEM;
	}
	iq->rx.tail = tail_at(ip, rx_base(ip, queue->queue_idx));
	iq->tx.tail = tail_at(ip, tx_base(ip, queue->queue_idx));
	if (iq->rx.tail == NULL || iq->tx.tail == NULL) {
		bh_log_error("port %u: BAR 0 is not mapped: no doorbells", queue->port->port_idx);
		return -BH_EOPNOTSUPP;
	}
	return 0;
}

void
intel_close(struct bh_port *port)
{
	for (uint32_t i = 0; i < BH_PORT_QUEUES_MAX; i++) {
		if (port->queue[i] == NULL)
			continue;
		const struct intel_queue *iq = intel_queue_of(port->queue[i]);
		bh_heap_free(iq->rx.slot);
		bh_heap_free(iq->tx.slot);
		bh_heap_free(iq->tx.mark);
	}
}

static void
ring_set(struct intel_port *ip, uint32_t base, const struct intel_desc *desc, uint32_t entries)
{
	uint64_t addr = (uintptr_t)desc;
	intel_write(ip, base + INTEL_QUEUE_BAL, (uint32_t)addr);
	intel_write(ip, base + INTEL_QUEUE_BAH, (uint32_t)(addr >> 32));
	intel_write(ip, base + INTEL_QUEUE_LEN, entries * (uint32_t)sizeof(*desc));
	intel_write(ip, base + INTEL_QUEUE_HEAD, 0);
	intel_write(ip, base + INTEL_QUEUE_TAIL, 0);
}

static void
ring_unset(struct intel_port *ip, uint32_t base)
{
	intel_write(ip, base + INTEL_QUEUE_LEN, 0);
	intel_write(ip, base + INTEL_QUEUE_HEAD, 0);
	intel_write(ip, base + INTEL_QUEUE_TAIL, 0);
}

void
intel_rings_set(struct intel_port *ip)
{
	for (uint32_t i = ip->port.info.queue_cnt; i < ip->card->queue_cnt_max; i++) {
		ring_unset(ip, rx_base(ip, i));
		ring_unset(ip, tx_base(ip, i));
	}
	for (uint32_t i = 0; i < ip->port.info.queue_cnt; i++) {
		const struct intel_queue *iq = intel_queue_of(ip->port.queue[i]);
		ring_set(ip, rx_base(ip, i), iq->rx.desc, iq->rx.mask + 1);
		ring_set(ip, tx_base(ip, i), iq->tx.desc, iq->tx.mask + 1);
		ip->card->queue_setup(ip, i);
		/* 82576 (8.10.10): head and tail count from when the queue is on. */
		intel_write(ip, rx_base(ip, i) + INTEL_QUEUE_TAIL, 0);
		ip->progress[i] = (struct intel_progress){0};
	}
}

void
intel_rx_refill(struct intel_queue *iq)
{
	struct intel_rx_ring *ring = &iq->rx;
	struct bh_pkt_pool *pool = iq->queue.pool;
	const uint32_t headroom_bytes = pool->headroom_bytes;
	uint32_t at = (ring->next + ring->filled) & ring->mask, before = ring->filled, cnt, want;

	while (ring->mask - ring->filled >= ring->fill_cnt) {
		struct bh_pkt **const slot = ring->slot + at;
		struct intel_desc *const desc = ring->desc + at;
		want = BH_MIN(ring->fill_cnt, ring->mask + 1 - at);
		cnt = bh_pkt_take(pool, slot, want);
		for (size_t i = 0; i < cnt; i++) {
			struct bh_pkt *const pkt = slot[i];
			uint8_t *const data = pkt->buf + headroom_bytes;
			pkt->data = data;
			desc[i].word[0] = (uintptr_t)data;
			desc[i].word[1] = 0;
		}
		at = (at + cnt) & ring->mask;
		ring->filled += cnt;
		if (cnt < want)
			break;
	}
	if (ring->filled == before)
		return;
	bh_dma_wmb(); /* the descriptors before the tail that hands them over */
	bh_mmio_write32(ring->tail, at);
}

void
intel_fill(struct bh_port_queue *queue)
{
	intel_rx_refill(intel_queue_of(queue));
}

/* Frames of several descriptors are among them. Return: how many frames. */
static uint32_t
gather(struct intel_tx_ring *ring, struct bh_pkt **out_pkts, uint32_t cnt)
{
	uint32_t frame_cnt = 0;
	for (uint32_t i = 0; i < cnt; i++) {
		struct bh_pkt *pkt = ring->slot[ring->clean + i];
		if (pkt == NULL)
			ring->gap_cnt--;
		else
			out_pkts[frame_cnt++] = pkt;
	}
	return frame_cnt;
}

/* All up to, without, `end`. */
static void
tx_free(struct intel_queue *iq, uint32_t end)
{
	struct intel_tx_ring *ring = &iq->tx;
	struct bh_pkt *sent[RECLAIM_CNT];
	while (ring->clean != end) {
		uint32_t cnt = (end > ring->clean ? end : ring->mask + 1) - ring->clean;
		if (BH_LIKELY(ring->gap_cnt == 0)) {
			bh_pkt_free_burst(iq->queue.pool, ring->slot + ring->clean, cnt);
		} else {
			cnt = BH_MIN(cnt, RECLAIM_CNT);
			bh_pkt_free_burst(iq->queue.pool, sent, gather(ring, sent, cnt));
		}
		ring->clean = (ring->clean + cnt) & ring->mask;
	}
}

void
intel_tx_reclaim(struct intel_queue *iq)
{
	struct intel_tx_ring *ring = &iq->tx;
	uint32_t end = ring->clean;
	while (ring->mark_tail != ring->mark_head) {
		uint32_t idx = ring->mark[ring->mark_tail & ring->mask];
		uint64_t word = __atomic_load_n(&ring->desc[idx].word[1], __ATOMIC_ACQUIRE);
		if (!(word & INTEL_TXD_DD))
			break;
		end = (idx + 1) & ring->mask;
		ring->mark_tail++;
	}
	tx_free(iq, end);
}

uint32_t
intel_tx_link_down(struct bh_port_queue *queue, struct bh_pkt *const *pkts, uint32_t cnt)
{
	intel_tx_reclaim(intel_queue_of(queue));
	for (uint32_t i = 0; i < cnt; i++)
		bh_port_drop(queue, pkts[i], BH_DROP_TX_LINK_DOWN);
	return cnt;
}

static void
rx_drain(struct intel_queue *iq)
{
	struct intel_rx_ring *ring = &iq->rx;
	/* Of the first frame that ends in the ring: it began before, and has its reason, or gets it here. */
	bool counted = ring->first != NULL || ring->discarding;
	if (ring->first != NULL)
		bh_port_drop(&iq->queue, ring->first, BH_DROP_RESET);
	for (uint32_t i = 0; i < ring->filled; i++) {
		uint32_t at = (ring->next + i) & ring->mask;
		uint64_t whole = INTEL_RXD_DD | INTEL_RXD_EOP;
		if ((ring->desc[at].word[1] & whole) == whole) {
			if (!counted)
				bh_counter_add(iq->queue.drop[BH_DROP_RESET],
				               1); /* it had arrived, and nobody took it */
			counted = false;
		}
		bh_pkt_free(ring->slot[at]);
		ring->slot[at] = NULL;
	}
	memset(ring->desc, 0, (ring->mask + 1) * sizeof(*ring->desc));
	ring->next = ring->filled = 0;
	ring->first = ring->last = NULL;
	ring->discarding = false;
}

static void
tx_drain(struct intel_queue *iq)
{
	struct intel_tx_ring *ring = &iq->tx;
	intel_tx_reclaim(iq);
	for (uint32_t i = ring->clean; i != ring->next; i = (i + 1) & ring->mask) {
		if (ring->slot[i] != NULL)
			bh_counter_add(iq->queue.drop[BH_DROP_RESET], 1);
	}
	tx_free(iq, ring->next);
	memset(ring->desc, 0, (ring->mask + 1) * sizeof(*ring->desc));
	ring->next = ring->clean = ring->mark_head = ring->mark_tail = 0;
}

void
intel_drain(struct bh_port_queue *queue)
{
	rx_drain(intel_queue_of(queue));
	tx_drain(intel_queue_of(queue));
}
