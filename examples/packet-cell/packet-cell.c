/* SPDX-License-Identifier: Apache-2.0 */
#include <bulkhead/cell.h>
#include <bulkhead/mem.h>
#include <bulkhead/port.h>
#include <bulkhead/sched.h>

static void
send_back(struct bh_pkt *pkt)
{
	uint8_t mac[BH_MAC_BYTES];
	memcpy(mac, pkt->data, sizeof(mac));
	memcpy(pkt->data, pkt->data + sizeof(mac), sizeof(mac));
	memcpy(pkt->data + sizeof(mac), mac, sizeof(mac));
}

int
cell_main(unsigned core_idx)
{
	struct bh_port *port;
	struct bh_port_queue *queue;
	struct bh_pkt_pool *pool;
	struct bh_pkt *pkts[32];
	int err = bh_pkt_pool_create(NULL, &pool);
	if (err != 0 || (err = bh_port_open("p0", NULL, &port)) != 0)
		return err;
	err = bh_port_queue_start(port, 0, pool, &queue);
	while (err == 0 && !bh_stop_requested()) {
		uint32_t cnt = bh_port_rx(queue, pkts, 32);
		for (uint32_t i = 0; i < cnt; i++)
			send_back(pkts[i]);
		uint32_t sent = bh_port_tx(queue, pkts, cnt);
		bh_pkt_free_burst(pool, pkts + sent, cnt - sent);
		bh_yield();
	}
	bh_port_close(port);
	return err;
}
