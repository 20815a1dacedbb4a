/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sends UDP whose checksums and tags the port is to put in, in one piece and as chains, and takes what Linux answers until
 * ANSWER_CNT frames came whose checksum the device has found right. What arrives at Linux the test looks at.
 */
#include <bulkhead/arch.h>
#include <bulkhead/cell.h>
#include <bulkhead/log.h>
#include <bulkhead/mem.h>
#include <bulkhead/port.h>
#include <bulkhead/sched.h>

#include "tests/cells/port_offload.h"

#define ETH_BYTES   14u
#define IP_BYTES    20u
#define UDP_BYTES   8u
#define TIMEOUT_NS  UINT64_C(20000000000)
#define CSUM_OFFSET 6u

static void
put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static uint32_t
sum16(const uint8_t *data, uint32_t bytes)
{
	uint32_t sum = 0;
	for (uint32_t i = 0; i + 1 < bytes; i += 2)
		sum += (uint32_t)data[i] << 8 | data[i + 1];
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static void
headers(uint8_t *data, bool tagged)
{
	uint8_t *ip = data + ETH_BYTES, *udp = ip + IP_BYTES;
	memset(data, 0, ETH_BYTES + IP_BYTES + UDP_BYTES);
	memset(data, 0xff, 6);
	data[6] = 0x02;
	put16(data + 12, 0x0800);
	ip[0] = 0x45;
	put16(ip + 2, IP_BYTES + UDP_BYTES + OFFLOAD_PAYLOAD_BYTES);
	ip[8] = 64;
	ip[9] = 17;
	const uint8_t net[3] = {10, tagged ? 7 : 0, tagged ? 7 : 0};
	memcpy(ip + 12, net, 3);
	memcpy(ip + 16, net, 3);
	ip[15] = 9;
	ip[19] = 1;
	put16(ip + 10, ~sum16(ip, IP_BYTES) & 0xffff);
	put16(udp, OFFLOAD_UDP_PORT);
	put16(udp + 2, OFFLOAD_UDP_PORT);
	put16(udp + 4, UDP_BYTES + OFFLOAD_PAYLOAD_BYTES);
	/* The pseudo header: addresses, protocol, length. */
	uint32_t seed = sum16(ip + 12, 8) + 17 + UDP_BYTES + OFFLOAD_PAYLOAD_BYTES;
	put16(udp + CSUM_OFFSET, (seed & 0xffff) + (seed >> 16));
}

static int
make(struct bh_pkt_pool *pool, uint32_t idx, struct bh_pkt **out_pkt)
{
	struct bh_pkt *pkts[2], *body;
	bool tagged = idx & 1, chained = idx & 2;
	if (bh_pkt_get(pool, pkts, 2) != 2)
		return -BH_ENOMEM;
	headers(pkts[0]->data, tagged);
	pkts[0]->len_bytes = ETH_BYTES + IP_BYTES + UDP_BYTES;
	body = chained ? pkts[1] : pkts[0];
	for (uint32_t i = 0; i < OFFLOAD_PAYLOAD_BYTES; i++)
		body->data[body->len_bytes + i] = (uint8_t)(idx + i);
	body->len_bytes += OFFLOAD_PAYLOAD_BYTES;
	pkts[0]->flags = BH_PKT_CSUM_PARTIAL | (tagged ? BH_PKT_VLAN : 0);
	pkts[0]->vlan_tci = OFFLOAD_VLAN;
	pkts[0]->csum_start = ETH_BYTES + IP_BYTES;
	pkts[0]->csum_offset = CSUM_OFFSET;
	if (chained) {
		pkts[0]->next = pkts[1];
		pkts[0]->seg_cnt = 2;
		pkts[0]->frame_bytes = pkts[0]->len_bytes + pkts[1]->len_bytes;
	} else {
		bh_pkt_free(pkts[1]);
	}
	*out_pkt = pkts[0];
	return 0;
}

static int
send_all(struct bh_port_queue *queue, uint64_t deadline_tsc)
{
	for (uint32_t i = 0; i < OFFLOAD_FRAME_CNT; i++) {
		struct bh_pkt *pkt;
		int err = make(queue->pool, i, &pkt);
		while (err == 0 && bh_port_tx(queue, &pkt, 1) == 0) {
			if (bh_clock_now_tsc() > deadline_tsc)
				return -BH_ETIMEDOUT;
			bh_yield();
		}
		if (err != 0)
			return err;
	}
	return 0;
}

static int
take_answers(struct bh_port_queue *queue, uint64_t deadline_tsc)
{
	struct bh_pkt *pkts[32];
	uint32_t good = 0, bad = 0;
	while (good < OFFLOAD_ANSWER_CNT && bad == 0 && bh_clock_now_tsc() < deadline_tsc) {
		uint32_t cnt = bh_port_rx(queue, pkts, 32);
		for (uint32_t i = 0; i < cnt; i++) {
			good += (pkts[i]->flags & BH_PKT_CSUM_GOOD) != 0;
			bad += (pkts[i]->flags & BH_PKT_CSUM_BAD) != 0;
			bh_pkt_free(pkts[i]);
		}
		bh_yield();
	}
	bh_log_info("checksums found right %u, wrong %u", good, bad);
	return bad != 0 ? -BH_EILSEQ : good < OFFLOAD_ANSWER_CNT ? -BH_ETIMEDOUT : 0;
}

static int
work(struct bh_port *port)
{
	uint64_t deadline_tsc = bh_clock_now_tsc() + bh_ns_to_tsc(TIMEOUT_NS);
	struct bh_pkt_pool *pool;
	struct bh_port_queue *queue;
	int err = bh_pkt_pool_create(NULL, &pool);
	if (err == 0)
		err = bh_port_queue_start(port, 0, pool, &queue);
	while (err == 0 && !bh_port_link(port).up && bh_clock_now_tsc() < deadline_tsc)
		bh_sleep_until(bh_clock_now_tsc() + bh_ns_to_tsc(10000000));
	if (err == 0)
		err = send_all(queue, deadline_tsc);
	return err == 0 ? take_answers(queue, deadline_tsc) : err;
}

int
cell_main(unsigned core_idx)
{
	struct bh_port *port;
	const struct bh_port_options options = {.promiscuous = true};
	int err = bh_port_open("p0", &options, &port);
	if (err != 0)
		return err;
	err = work(port);
	int closed = bh_port_close(port);
	return err != 0 ? err : closed;
}
