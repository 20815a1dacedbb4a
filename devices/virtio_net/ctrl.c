/* SPDX-License-Identifier: Apache-2.0 */
/* Control queue and receive filter (VIRTIO 1.2, 5.1.6.5). */
#include <string.h>

#include "devices/virtio_net/internal.h"

#define CTRL_BYTES_MAX (2 + 8 + 2 * VNET_MAC_TABLE_MAX * VNET_MAC_BYTES)
#define CTRL_BURST     16u

void
vnet_filter_reset(struct vnet_model *m)
{
	m->promiscuous = true; /* until a driver says otherwise, as QEMU's device has it */
	m->all_multicast = false;
	m->mac_cnt = 0;
	m->mac_overflow = false;
}

bool
vnet_filter_pass(const struct vnet_model *m, const uint8_t *address)
{
	static const uint8_t broadcast[VNET_MAC_BYTES] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	if (m->promiscuous || memcmp(address, m->mac, VNET_MAC_BYTES) == 0)
		return true;
	if (memcmp(address, broadcast, VNET_MAC_BYTES) == 0)
		return true;
	if (address[0] & 1 && m->all_multicast)
		return true;
	for (uint32_t i = 0; i < m->mac_cnt; i++) {
		if (memcmp(address, m->mac_table[i], VNET_MAC_BYTES) == 0)
			return true;
	}
	return m->mac_overflow;
}

static bool
rx_mode(struct vnet_model *m, uint8_t command, const uint8_t *data, uint32_t data_bytes)
{
	if (data_bytes != 1)
		return false;
	if (command == VIRTIO_NET_CTRL_RX_PROMISC)
		m->promiscuous = data[0] != 0;
	else if (command == VIRTIO_NET_CTRL_RX_ALLMULTI)
		m->all_multicast = data[0] != 0;
	else
		return false;
	return true;
}

/* Two tables, each a count and that many addresses; both must end exactly where the command ends. */
static bool
mac_tables(struct vnet_model *m, const uint8_t *data, uint32_t data_bytes)
{
	uint32_t at = 0, cnt, stored = 0;
	bool overflow = false;
	for (uint32_t table = 0; table < 2; table++) {
		if (data_bytes - at < 4)
			return false;
		memcpy(&cnt, data + at, 4);
		at += 4;
		if (cnt > (data_bytes - at) / VNET_MAC_BYTES)
			return false;
		for (uint32_t i = 0; i < cnt; i++, at += VNET_MAC_BYTES) {
			overflow |= stored == VNET_MAC_TABLE_MAX;
			if (!overflow)
				memcpy(m->mac_table[stored++], data + at, VNET_MAC_BYTES);
		}
	}
	m->mac_cnt = stored;
	m->mac_overflow = overflow;
	return at == data_bytes;
}

static bool
mac_command(struct vnet_model *m, uint8_t command, const uint8_t *data, uint32_t data_bytes)
{
	if (command == VIRTIO_NET_CTRL_MAC_TABLE_SET)
		return mac_tables(m, data, data_bytes);
	if (command != VIRTIO_NET_CTRL_MAC_ADDR_SET || data_bytes != VNET_MAC_BYTES || data[0] & 1)
		return false;
	memcpy(m->mac, data, VNET_MAC_BYTES);
	m->generation++;
	return true;
}

static bool
pairs_command(struct vnet_model *m, uint8_t command, const uint8_t *data, uint32_t data_bytes)
{
	uint16_t pairs;
	if (command != VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET || data_bytes != 2 || !(m->features & VIRTIO_NET_F_MQ))
		return false;
	memcpy(&pairs, data, 2);
	if (pairs < VIRTIO_NET_CTRL_MQ_VQ_PAIRS_MIN || pairs > m->config.pair_cnt)
		return false;
	m->pairs = pairs;
	return true;
}

static bool
execute(struct vnet_model *m, const uint8_t *command, uint32_t cnt_bytes)
{
	if (cnt_bytes < 2)
		return false;
	const uint8_t *data = command + 2;
	uint32_t data_bytes = cnt_bytes - 2;
	switch (command[0]) {
	case VIRTIO_NET_CTRL_RX:
		return rx_mode(m, command[1], data, data_bytes);
	case VIRTIO_NET_CTRL_MAC:
		return mac_command(m, command[1], data, data_bytes);
	case VIRTIO_NET_CTRL_MQ:
		return pairs_command(m, command[1], data, data_bytes);
	default:
		return false;
	}
}

/* The readable part as bytes; cut where no command can be longer. Return: its length, or -BH_EFAULT. */
static int64_t
gather(struct vnet_model *m, const struct vnet_chain *chain, uint8_t *out)
{
	uint32_t at = 0;
	for (uint32_t i = 0; i < chain->out_cnt; i++) {
		uint32_t part = BH_MIN(chain->piece[i].len_bytes, (uint32_t)CTRL_BYTES_MAX - at);
		const uint8_t *from = part == 0 ? NULL : vnet_dma(m, chain->piece[i].iova, part, VNET_DMA_READ);
		if (from == NULL)
			return part == 0 ? (int64_t)at : -BH_EFAULT;
		memcpy(out + at, from, part);
		at += part;
	}
	return at;
}

static bool
serve_one(struct vnet_model *m, struct vnet_queue *q, const struct vnet_chain *chain)
{
	uint8_t command[CTRL_BYTES_MAX];
	int64_t cnt_bytes = gather(m, chain, command);
	uint8_t *ack = chain->in_cnt == 0 ? NULL : vnet_dma(m, chain->piece[chain->out_cnt].iova, 1, VNET_DMA_WRITE);
	if (cnt_bytes < 0 || ack == NULL) {
		vnet_fail(m);
		return false;
	}
	bool ok = execute(m, command, (uint32_t)cnt_bytes);
	m->stats.ctrl_cnt++;
	m->stats.ctrl_bad_cnt += !ok;
	*ack = ok ? VIRTIO_NET_OK : VIRTIO_NET_ERR;
	vnet_chain_done(m, q, chain->id, chain->desc_cnt, 1);
	return true;
}

uint32_t
vnet_model_control(struct vnet_model *m)
{
	uint32_t ctrl_idx = m->features & VIRTIO_NET_F_MQ ? 2 * m->config.pair_cnt : 2, cnt = 0;
	struct vnet_queue *q = &m->queue[ctrl_idx];
	struct vnet_chain chain;
	if (!(m->features & VIRTIO_NET_F_CTRL_VQ))
		return 0;
	while (cnt < CTRL_BURST && m->running && vnet_chain_peek(m, q, 0, &chain) && serve_one(m, q, &chain))
		cnt++;
	if (m->running)
		vnet_queue_flush(m, q);
	return cnt;
}
