/* SPDX-License-Identifier: Apache-2.0 */
/* The control queue (VIRTIO 1.2, 5.1.6.5): one command at a time, each with a deadline. Owner core's fibers. */
#include <bulkhead/cell.h>

#include "drivers/net/virtio/virtio.h"

#define CTRL_SIZE       64u
#define CTRL_DATA_BYTES 1024u
#define CTRL_ACK        CTRL_DATA_BYTES
#define CTRL_TIMEOUT_NS UINT64_C(2000000000)

int
bh_virtio_ctrl_init(struct virtio_port *port)
{
	uint16_t size, queue_idx = (uint16_t)(2 * port->pair_cnt_max);
	int err = bh_virtio_queue_size(port, queue_idx, &size);
	if (err != 0)
		return err;
	if (size < 2)
		return -BH_EPROTO;
	uint16_t wanted = CTRL_SIZE;
	while (wanted > size)
		wanted /= 2;
	port->ctrl.memory = bh_dma_alloc(BH_PAGE_BYTES, BH_PAGE_BYTES);
	if (port->ctrl.memory == NULL)
		return -BH_ENOMEM;
	return bh_virtq_init(&port->ctrl.vq, queue_idx, wanted, (port->features & VIRTIO_F_RING_PACKED) != 0, true);
}

/* Command and data in one descriptor to read, the acknowledgement in one to write. */
static void
give(struct virtio_port *port, uint32_t len)
{
	struct bh_virtq *vq = &port->ctrl.vq;
	uint64_t addr = (uintptr_t)port->ctrl.memory;
	const uint16_t head = 0, second = 1; /* one command at a time */
	if (vq->packed) {                    /* the first is given last: with it the device has both (2.8.21) */
		struct virtq_packed_desc *first = &vq->ring[vq->avail_idx];
		uint16_t first_flags = vq->avail_flags | VIRTQ_DESC_F_NEXT;
		first->addr = addr;
		bh_virtq_packed_skip(vq, 1);
		bh_virtq_packed_give(vq, addr + CTRL_ACK, 1, head, VIRTQ_DESC_F_WRITE);
		bh_dma_wmb();
		*(volatile uint64_t *)(void *)&first->len = bh_virtq_packed_word(len, head, first_flags);
	} else {
		bh_virtq_split_desc(vq, head, addr, len, VIRTQ_DESC_F_NEXT, second);
		bh_virtq_split_desc(vq, second, addr + CTRL_ACK, 1, VIRTQ_DESC_F_WRITE, 0);
		bh_virtq_split_avail(vq, head);
		bh_virtq_split_publish(vq);
	}
	if (bh_virtq_wants_notify(vq))
		bh_virtio_notify(port, vq);
}

static bool
is_done(struct bh_virtq *vq)
{
	struct virtq_used_elem elem;
	if (vq->packed)
		return bh_virtq_packed_used(vq, 0, &elem);
	return bh_virtq_split_ready(vq) != 0;
}

static int
command_wait(struct virtio_port *port)
{
	struct bh_virtq *vq = &port->ctrl.vq;
	uint64_t deadline_tsc = bh_clock_now_tsc() + bh_ns_to_tsc(CTRL_TIMEOUT_NS);
	while (!is_done(vq)) {
		if (bh_clock_now_tsc() > deadline_tsc) {
			bh_log_error("port %u: no answer on the control queue", port->base.port_idx);
			port->base.reset_requested = true; /* it may still write our page: only a reset ends that */
			return -BH_ETIMEDOUT;
		}
		bh_yield();
	}
	if (vq->packed)
		bh_virtq_packed_used_skip(vq, 2);
	else
		vq->used_idx++;
	uint8_t ack = *(volatile uint8_t *)(port->ctrl.memory + CTRL_ACK);
	return ack == VIRTIO_NET_OK ? 0 : -BH_EIO;
}

static int
command(struct virtio_port *port, uint8_t class_id, uint8_t number, const void *data, uint32_t data_bytes)
{
	if (!port->ctrl_ready)
		return -BH_EOPNOTSUPP;
	if (data_bytes + 2 > CTRL_DATA_BYTES)
		return -BH_EINVAL;
	port->ctrl.memory[0] = class_id;
	port->ctrl.memory[1] = number;
	memcpy(port->ctrl.memory + 2, data, data_bytes);
	port->ctrl.memory[CTRL_ACK] = 0xff;
	give(port, data_bytes + 2);
	return command_wait(port);
}

/* 5.1.6.5.7: the table of 128 entries spreads flows evenly; the symmetric key sends both directions of one to one core. */
static int
rss_set(struct virtio_port *port)
{
	enum { KEY_BYTES = 40, TABLE_CNT = 128 };
	uint8_t data[4 + 4 + 2 * TABLE_CNT + 2 + 1 + KEY_BYTES];
	uint64_t key_max, table_max;
	uint32_t at = 0;
	int err = bh_virtio_config_read(port, VIRTIO_NET_CFG_RSS_MAX_KEY_SIZE, 1, &key_max);
	if (err == 0)
		err = bh_virtio_config_read(port, VIRTIO_NET_CFG_RSS_MAX_TABLE_LEN, 2, &table_max);
	if (err != 0)
		return err;
	if (key_max < KEY_BYTES || table_max < TABLE_CNT)
		return -BH_EPROTO;
	const uint32_t types = VIRTIO_NET_HASH_TYPE_IPV4 | VIRTIO_NET_HASH_TYPE_TCPV4 | VIRTIO_NET_HASH_TYPE_UDPV4 |
	                       VIRTIO_NET_HASH_TYPE_IPV6 | VIRTIO_NET_HASH_TYPE_TCPV6 | VIRTIO_NET_HASH_TYPE_UDPV6;
	const uint16_t mask = TABLE_CNT - 1, unclassified = 0, tx_cnt = (uint16_t)port->base.info.queue_cnt;
	memcpy(data + at, &types, 4);
	memcpy(data + at + 4, &mask, 2);
	memcpy(data + at + 6, &unclassified, 2);
	at += 8;
	for (uint16_t i = 0; i < TABLE_CNT; i++, at += 2) {
		const uint16_t queue_idx = (uint16_t)(2 * (i % port->base.info.queue_cnt));
		memcpy(data + at, &queue_idx, 2);
	}
	memcpy(data + at, &tx_cnt, 2);
	data[at + 2] = KEY_BYTES;
	at += 3;
	for (uint32_t i = 0; i < KEY_BYTES; i++)
		data[at++] = i & 1 ? 0x5a : 0x6d;
	return command(port, VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_RSS_CONFIG, data, at);
}

int
bh_virtio_ctrl_start(struct virtio_port *port)
{
	const uint16_t pair_cnt = (uint16_t)port->base.info.queue_cnt;
	if (port->features & VIRTIO_NET_F_RSS)
		return rss_set(port);
	if (port->features & VIRTIO_NET_F_MQ)
		return command(port, VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, &pair_cnt, sizeof(pair_cnt));
	return 0;
}

static int
on_off(struct virtio_port *port, uint8_t number, bool on)
{
	const uint8_t value = on;
	return command(port, VIRTIO_NET_CTRL_RX, number, &value, sizeof(value));
}

static int
multicast_table_set(struct virtio_port *port)
{
	const struct bh_port_filter *filter = &port->base.filter;
	const uint32_t unicast_cnt = 0, multicast_cnt = filter->multicast_cnt;
	uint8_t data[8 + sizeof(filter->multicast)];
	memcpy(data, &unicast_cnt, 4);
	memcpy(data + 4, &multicast_cnt, 4);
	memcpy(data + 8, filter->multicast, multicast_cnt * BH_MAC_BYTES);
	return command(port, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, data,
	               8 + multicast_cnt * BH_MAC_BYTES);
}

/* A device without VIRTIO_NET_F_CTRL_RX filters nothing that we could switch: what was asked for comes anyway. */
int
bh_virtio_filter_set(struct bh_port *base)
{
	struct virtio_port *port = virtio_port_of(base);
	if (!(port->features & VIRTIO_NET_F_CTRL_RX))
		return 0;
	int err = on_off(port, VIRTIO_NET_CTRL_RX_PROMISC, base->filter.promiscuous);
	if (err == 0)
		err = on_off(port, VIRTIO_NET_CTRL_RX_ALLMULTI, base->filter.all_multicast);
	return err == 0 ? multicast_table_set(port) : err;
}

int
bh_virtio_mac_set(struct bh_port *base, const uint8_t mac[BH_MAC_BYTES])
{
	struct virtio_port *port = virtio_port_of(base);
	if (!(port->features & VIRTIO_NET_F_CTRL_MAC_ADDR))
		return -BH_EOPNOTSUPP;
	return command(port, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, mac, BH_MAC_BYTES);
}
