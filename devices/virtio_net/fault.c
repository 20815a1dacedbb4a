/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "devices/virtio_net/internal.h"

static const char *const names[VNET_FAULT_CNT] = {
        [VNET_FAULT_NONE] = "none",
        [VNET_FAULT_LONG_LENGTH] = "long-length",
        [VNET_FAULT_SHORT_LENGTH] = "short-length",
        [VNET_FAULT_BAD_ID] = "bad-id",
        [VNET_FAULT_INDEX_JUMP] = "index-jump",
        [VNET_FAULT_BAD_COUNT] = "bad-count",
        [VNET_FAULT_BAD_HEADER] = "bad-header",
        [VNET_FAULT_TX_BAD_ID] = "tx-bad-id",
        [VNET_FAULT_TX_TWICE] = "tx-twice",
        [VNET_FAULT_NEEDS_RESET] = "needs-reset",
};

const char *
vnet_fault_name(enum vnet_fault fault)
{
	return (unsigned)fault < VNET_FAULT_CNT ? names[fault] : "unknown";
}

enum vnet_fault
vnet_fault_find(const char *name)
{
	unsigned i = 0;
	while (i < VNET_FAULT_CNT && strcmp(names[i], name) != 0)
		i++;
	return (enum vnet_fault)i;
}

enum vnet_fault
vnet_fault_draw(struct vnet_model *m, bool transmit)
{
	enum vnet_fault fault = m->config.fault;
	bool is_transmit = fault == VNET_FAULT_TX_BAD_ID || fault == VNET_FAULT_TX_TWICE;
	if (fault == VNET_FAULT_NONE || is_transmit != transmit || --m->fault_left != 0)
		return VNET_FAULT_NONE;
	m->fault_left = m->config.fault_every;
	m->stats.fault_cnt++;
	return fault;
}

void
vnet_fault_header(enum vnet_fault fault, struct virtio_net_hdr *header)
{
	if (fault == VNET_FAULT_BAD_COUNT)
		header->num_buffers = 0xffff;
	if (fault == VNET_FAULT_BAD_HEADER)
		header->gso_type = VIRTIO_NET_HDR_GSO_TCPV6;
}

/* In place of vnet_chain_done(): the client is told something else than what was done. */
void
vnet_fault_used(struct vnet_model *m, struct vnet_queue *q, enum vnet_fault fault, uint16_t id, uint16_t desc_cnt,
                uint32_t len_bytes)
{
	switch (fault) {
	case VNET_FAULT_LONG_LENGTH:
		len_bytes = 0x10000u + len_bytes;
		break;
	case VNET_FAULT_SHORT_LENGTH:
		len_bytes = 5;
		break;
	case VNET_FAULT_BAD_ID:
	case VNET_FAULT_TX_BAD_ID:
		id = (uint16_t)(q->size + 7);
		break;
	case VNET_FAULT_INDEX_JUMP:
		if (q->packed)
			id = (uint16_t)(q->size + 7);
		else
			q->used_idx = (uint16_t)(q->used_idx + q->size + 1);
		break;
	case VNET_FAULT_TX_TWICE:
		if (q->packed)
			id ^= 1;
		else
			vnet_chain_done(m, q, id, desc_cnt, len_bytes);
		break;
	case VNET_FAULT_NEEDS_RESET:
		vnet_fail(m);
		return;
	default:
		break;
	}
	vnet_chain_done(m, q, id, desc_cnt, len_bytes);
	if (fault == VNET_FAULT_TX_TWICE && !q->packed)
		q->avail_idx--; /* the second used entry was for nothing that the client gave */
}
