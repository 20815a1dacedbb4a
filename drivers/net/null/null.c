/* SPDX-License-Identifier: Apache-2.0 */
#include "drivers/net/null/null.h"

#include <bulkhead/arch.h>

static bool
null_matches(const struct bh_boot_device *device)
{
	static const char model[] = "null";
	return memcmp(device->model, model, sizeof(model)) == 0;
}

static int
null_open(struct bh_port *port)
{
	port->info.mode = "frames from nowhere";
	port->info.queue_cnt_max = BH_PORT_QUEUES_MAX;
	port->info.mac[0] = 0x02; /* locally administered */
	port->info.mac[5] = (uint8_t)port->port_idx;
	bh_port_link_set(port, true, 0, true);
	return 0;
}

static int
null_queue_init(struct bh_port_queue *queue)
{
	return 0;
}

static int
null_start(struct bh_port *port)
{
	return 0;
}

static void
null_nothing(struct bh_port_queue *queue)
{
}

static uint32_t
null_rx(struct bh_port_queue *queue, struct bh_pkt **out_pkts, uint32_t cnt)
{
	uint64_t now_tsc = bh_clock_now_tsc();
	uint32_t got = bh_pkt_take(queue->pool, out_pkts, cnt);
	uint32_t headroom_bytes = queue->pool->headroom_bytes;
	for (uint32_t i = 0; i < got; i++) {
		struct bh_pkt *pkt = out_pkts[i];
		pkt->data = pkt->buf + headroom_bytes;
		pkt->len_bytes = BH_NULL_FRAME_BYTES;
		pkt->flags = 0;
		pkt->seg_cnt = 1;
		pkt->port_idx = queue->port_idx;
		pkt->rx_tsc = now_tsc;
	}
	bh_counter_add(queue->rx_pkts, got);
	bh_counter_add(queue->rx_bytes, (uint64_t)got * BH_NULL_FRAME_BYTES);
	return got;
}

static uint32_t
null_tx(struct bh_port_queue *queue, struct bh_pkt *const *pkts, uint32_t cnt)
{
	struct bh_pkt_pool *pool = queue->pool;
	uint64_t bytes = 0;
	uint32_t sent = 0, done = 0; /* [done, i) are sent, and not given back yet */
	for (uint32_t i = 0; i < cnt; i++) {
		if (BH_UNLIKELY(
		            !bh_port_tx_check(queue, pkts[i], BH_PORT_TX_CSUM | BH_PORT_TX_VLAN, BH_PKT_SEGS_MAX))) {
			bh_pkt_free_burst(pool, pkts + done, i - done);
			done = i + 1;
			continue;
		}
		bytes += bh_pkt_frame_bytes(pkts[i]);
		sent++;
	}
	bh_pkt_free_burst(pool, pkts + done, cnt - done);
	bh_counter_add(queue->tx_pkts, sent);
	bh_counter_add(queue->tx_bytes, bytes);
	return cnt;
}

static int
null_quiesce(struct bh_port *port)
{
	return 0;
}

const struct bh_port_driver bh_null_driver = {
        .name = "null",
        .port_bytes = sizeof(struct bh_port),
        .queue_bytes = BH_ALIGN_UP(sizeof(struct bh_port_queue), (size_t)BH_CACHE_LINE_BYTES),
        .matches = null_matches,
        .open = null_open,
        .queue_init = null_queue_init,
        .start = null_start,
        .fill = null_nothing,
        .rx = null_rx,
        .tx = null_tx,
        .drain = null_nothing,
        .quiesce = null_quiesce,
};
