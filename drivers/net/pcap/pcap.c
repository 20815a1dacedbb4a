/* SPDX-License-Identifier: Apache-2.0 */
#include "drivers/net/pcap/pcap.h"

#include <bulkhead/arch.h>
#include <bulkhead/cell.h>

struct pcap_port {
	struct bh_port base;
	const uint8_t *records;         /* NULL: nothing to receive */
	struct bh_pcap_capture capture; /* a copy, checked */
	struct bh_pcap_ring *ring;      /* NULL: what is sent goes nowhere */
	uint8_t *ring_bytes;
	uint64_t ring_size;
};

struct pcap_queue {
	struct bh_port_queue base;
	uint64_t at_bytes;  /* of the next record */
	uint32_t loop_cnt;  /* rounds done */
	uint64_t start_tsc; /* of this round; 0: not begun */
	uint64_t open_tsc;
	uint64_t head, tail_cache;
};

static struct pcap_port *
port_of(struct bh_port *port)
{
	return (struct pcap_port *)(void *)port;
}

static struct pcap_queue *
queue_of(struct bh_port_queue *queue)
{
	return (struct pcap_queue *)(void *)queue;
}

static bool
pcap_matches(const struct bh_boot_device *device)
{
	static const char model[] = "pcap";
	return memcmp(device->model, model, sizeof(model)) == 0;
}

static void *
window_of(const struct bh_port *port, uint32_t bar)
{
	uint64_t size_bytes = port->device.info->bar[bar].size_bytes;
	if (size_bytes < BH_PCAP_HEAD)
		return NULL;
	return (void *)(uintptr_t)bh_device_window(&port->device, bar, 0, size_bytes);
}

static int
pcap_open(struct bh_port *base)
{
	struct pcap_port *port = port_of(base);
	struct bh_pcap_capture *capture = window_of(base, BH_PCAP_BAR_IN);
	struct bh_pcap_ring *ring = window_of(base, BH_PCAP_BAR_OUT);
	if (capture != NULL) {
		port->capture = *capture;
		if (port->capture.magic != BH_PCAP_MAGIC ||
		    port->capture.record_bytes > base->device.info->bar[BH_PCAP_BAR_IN].size_bytes - BH_PCAP_HEAD)
			return -BH_EPROTO;
		port->records = (const uint8_t *)capture + BH_PCAP_HEAD;
	}
	if (ring != NULL) {
		port->ring_size = ring->size_bytes;
		if (ring->magic != BH_PCAP_MAGIC || !BH_IS_POW2(port->ring_size) ||
		    port->ring_size > base->device.info->bar[BH_PCAP_BAR_OUT].size_bytes - BH_PCAP_HEAD)
			return -BH_EPROTO;
		port->ring = ring;
		port->ring_bytes = (uint8_t *)ring + BH_PCAP_HEAD;
	}
	base->info.queue_cnt = base->info.queue_cnt_max = 1;
	base->info.mode = port->records == NULL      ? "to a file"
	                  : port->capture.paced != 0 ? "from a file, as it came"
	                                             : "from a file, as fast as it goes";
	base->info.mac[0] = 0x02;
	base->info.mac[5] = (uint8_t)base->port_idx;
	bh_port_link_set(base, true, 0, true);
	return 0;
}

static int
pcap_queue_init(struct bh_port_queue *base)
{
	struct pcap_queue *queue = queue_of(base);
	const struct pcap_port *port = port_of(base->port);
	queue->open_tsc = bh_clock_now_tsc();
	if (port->ring != NULL)
		queue->head = queue->tail_cache = __atomic_load_n(&port->ring->head, __ATOMIC_RELAXED);
	return 0;
}

static int
pcap_start(struct bh_port *port)
{
	return 0;
}

static void
pcap_nothing(struct bh_port_queue *queue)
{
}

/* At the end of a round the next begins. Return: false: there is none. */
static bool
next_round(struct pcap_queue *queue, const struct bh_pcap_capture *capture)
{
	if (capture->loop_cnt != 0 && queue->loop_cnt + 1 >= capture->loop_cnt)
		return false;
	queue->loop_cnt++;
	queue->at_bytes = 0;
	queue->start_tsc = 0;
	return true;
}

/* Whether there is a next frame and its time has come. The capture is not empty. */
BH_INLINE bool
is_due(struct pcap_queue *queue, const struct pcap_port *port, uint64_t now_tsc)
{
	const struct bh_pcap_capture *capture = &port->capture;
	if (BH_UNLIKELY(queue->at_bytes == capture->record_bytes) && !next_round(queue, capture))
		return false;
	if (capture->paced == 0)
		return true;
	if (queue->start_tsc == 0)
		queue->start_tsc = now_tsc;
	const struct bh_pcap_record *record = (const void *)(port->records + queue->at_bytes);
	return now_tsc - queue->start_tsc >= bh_ns_to_tsc(record->at_ns);
}

BH_INLINE void
frame_take(const struct pcap_queue *queue, const struct bh_pcap_record *record, struct bh_pkt *pkt, uint64_t now_tsc)
{
	memcpy(pkt->data, record + 1, record->len_bytes);
	pkt->len_bytes = record->len_bytes;
	pkt->port_idx = queue->base.port_idx;
	pkt->rx_tsc = now_tsc;
}

static uint32_t
pcap_rx(struct bh_port_queue *base, struct bh_pkt **out_pkts, uint32_t cnt)
{
	struct pcap_queue *queue = queue_of(base);
	const struct pcap_port *port = port_of(base->port);
	const uint64_t now_tsc = bh_clock_now_tsc();
	const uint32_t over_max = BH_MIN((uint32_t)base->frame_bytes_max, base->pool->data_bytes) - BH_ETH_HEADER_BYTES;
	uint64_t bytes = 0;
	uint32_t got = 0, fresh_cnt = 0;
	/* Buffers for all of the burst at once, or as they become due; those that are left lie from `got` on. */
	const uint32_t step = port->capture.paced != 0 ? 1 : cnt;
	if (port->records == NULL || port->capture.record_cnt == 0)
		return 0;
	while (got < cnt && is_due(queue, port, now_tsc)) {
		const struct bh_pcap_record *record = (const void *)(port->records + queue->at_bytes);
		if (got == fresh_cnt)
			fresh_cnt += bh_pkt_get(base->pool, out_pkts + got, BH_MIN(step, cnt - got));
		if (got == fresh_cnt)
			break;
		queue->at_bytes += bh_pcap_record_bytes(record->len_bytes);
		if (BH_UNLIKELY(record->len_bytes - BH_ETH_HEADER_BYTES > over_max)) {
			bool is_short = record->len_bytes < BH_ETH_HEADER_BYTES;
			bh_port_drop(base, out_pkts[--fresh_cnt],
			             is_short ? BH_DROP_RX_BAD_LENGTH : BH_DROP_RX_TOO_LONG);
			continue;
		}
		frame_take(queue, record, out_pkts[got], now_tsc);
		bytes += record->len_bytes;
		got++;
	}
	bh_pkt_free_burst(base->pool, out_pkts + got, fresh_cnt - got);
	bh_counter_add(base->rx_pkts, got);
	bh_counter_add(base->rx_bytes, bytes);
	return got;
}

/* Records wrap around the ring's end byte by byte: the supervisor reads them so. */
static void
ring_copy(const struct pcap_port *port, uint64_t at, const void *from, uint32_t cnt_bytes)
{
	uint64_t place = at & (port->ring_size - 1);
	uint32_t part = (uint32_t)BH_MIN((uint64_t)cnt_bytes, port->ring_size - place);
	memcpy(port->ring_bytes + place, from, part);
	memcpy(port->ring_bytes, (const uint8_t *)from + part, cnt_bytes - part);
}

/* Return: false: the ring is full. */
static bool
frame_put(struct pcap_queue *queue, const struct pcap_port *port, const struct bh_pkt *pkt, uint64_t at_ns)
{
	const struct bh_pcap_record record = {.at_ns = at_ns, .len_bytes = bh_pkt_frame_bytes(pkt)};
	uint64_t wanted = bh_pcap_record_bytes(record.len_bytes);
	if (port->ring_size - (queue->head - queue->tail_cache) < wanted) {
		uint64_t tail = __atomic_load_n(&port->ring->tail, __ATOMIC_ACQUIRE);
		if (tail - queue->tail_cache <= queue->head - queue->tail_cache)
			queue->tail_cache = tail;
		if (port->ring_size - (queue->head - queue->tail_cache) < wanted)
			return false;
	}
	ring_copy(port, queue->head, &record, sizeof(record));
	uint64_t at = queue->head + sizeof(record);
	for (const struct bh_pkt *seg = pkt; seg != NULL; seg = seg->next) {
		ring_copy(port, at, seg->data, seg->len_bytes);
		at += seg->len_bytes;
	}
	queue->head += wanted;
	return true;
}

static uint32_t
pcap_tx(struct bh_port_queue *base, struct bh_pkt *const *pkts, uint32_t cnt)
{
	struct pcap_queue *queue = queue_of(base);
	const struct pcap_port *port = port_of(base->port);
	const bool writes = port->ring != NULL;
	uint64_t at_ns = writes && cnt != 0 ? bh_tsc_to_ns(bh_clock_now_tsc() - queue->open_tsc) : 0, bytes = 0;
	uint32_t i, sent = 0, done = 0; /* [done, i) are sent, and not given back yet */
	for (i = 0; i < cnt; i++) {
		if (BH_UNLIKELY(!bh_port_tx_check(base, pkts[i], 0, BH_PKT_SEGS_MAX))) {
			bh_pkt_free_burst(base->pool, pkts + done, i - done);
			done = i + 1;
			continue;
		}
		if (writes && !frame_put(queue, port, pkts[i], at_ns))
			break;
		bytes += bh_pkt_frame_bytes(pkts[i]);
		sent++;
	}
	bh_pkt_free_burst(base->pool, pkts + done, i - done);
	if (writes)
		__atomic_store_n(&port->ring->head, queue->head, __ATOMIC_RELEASE);
	bh_counter_add(base->tx_pkts, sent);
	bh_counter_add(base->tx_bytes, bytes);
	return i;
}

static int
pcap_quiesce(struct bh_port *port)
{
	return 0;
}

const struct bh_port_driver bh_pcap_driver = {
        .name = "pcap",
        .port_bytes = sizeof(struct pcap_port),
        .queue_bytes = BH_ALIGN_UP(sizeof(struct pcap_queue), (size_t)BH_CACHE_LINE_BYTES),
        .matches = pcap_matches,
        .open = pcap_open,
        .queue_init = pcap_queue_init,
        .start = pcap_start,
        .fill = pcap_nothing,
        .rx = pcap_rx,
        .tx = pcap_tx,
        .drain = pcap_nothing,
        .quiesce = pcap_quiesce,
};
