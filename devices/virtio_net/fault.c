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
        [VNET_FAULT_CHANGE_LENGTH] = "change-length",
        [VNET_FAULT_CHANGE_ID] = "change-id",
        [VNET_FAULT_CHANGE_HEADER] = "change-header",
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

int
vnet_fault_parse(const char *text, uint32_t default_every, struct vnet_fault_rule *out, char *out_error,
                 size_t error_bytes)
{
	return vnet_fault_parse_kinds(text, default_every, names, VNET_FAULT_CNT, out, out_error, error_bytes);
}

enum vnet_fault
vnet_fault_draw(struct vnet_model *m, bool transmit)
{
	const uint64_t sent = UINT64_C(1) << VNET_FAULT_TX_BAD_ID | UINT64_C(1) << VNET_FAULT_TX_TWICE;
	if (BH_LIKELY(m->config.rule_cnt == 0))
		return VNET_FAULT_NONE;
	uint32_t fault = vnet_fault_turn(m->config.rule, m->config.rule_cnt, transmit ? sent : ~sent,
	                                 ++m->frame_cnt[transmit], m->fired_cnt);
	if (fault != VNET_FAULT_NONE) {
		m->stats.fault_cnt++;
		m->stats.fault_kind_cnt[fault]++;
	}
	return (enum vnet_fault)fault;
}

void
vnet_fault_header(enum vnet_fault fault, struct virtio_net_hdr *header)
{
	if (fault == VNET_FAULT_BAD_COUNT)
		header->num_buffers = 0xffff;
	if (fault == VNET_FAULT_BAD_HEADER)
		header->gso_type = VIRTIO_NET_HDR_GSO_TCPV6;
}

static void
change_begin(struct vnet_model *m, volatile void *at, uint32_t width_bytes, uint32_t now, uint32_t other)
{
	m->change.left = VNET_CHANGE_CNT;
	m->change.at = at;
	m->change.width_bytes = width_bytes;
	m->change.now = now;
	m->change.other = other;
}

void
vnet_fault_change_header(struct vnet_model *m, enum vnet_fault fault, uint8_t *to)
{
	uint16_t first;
	if (BH_LIKELY(fault != VNET_FAULT_CHANGE_HEADER) || (uintptr_t)to % sizeof(first) != 0)
		return;
	memcpy(&first, to, sizeof(first)); /* flags and gso_type */
	change_begin(m, to, sizeof(first), first, first | VIRTIO_NET_HDR_GSO_TCPV6 << 8);
}

/* The used entry that vnet_chain_done() is about to write. */
static void
change_used(struct vnet_model *m, struct vnet_queue *q, enum vnet_fault fault, uint16_t id, uint32_t len_bytes)
{
	bool of_length = fault == VNET_FAULT_CHANGE_LENGTH;
	uint32_t now = of_length ? len_bytes : id, other = of_length ? len_bytes + 0x10000u : id + q->size + 7u;
	if (q->packed) {
		volatile struct virtq_packed_desc *desc =
		        (volatile struct virtq_packed_desc *)(void *)q->addr[0] + q->used_idx;
		if (of_length)
			change_begin(m, &desc->len, sizeof(desc->len), now, other);
		else
			change_begin(m, &desc->id, sizeof(desc->id), now, other);
		return;
	}
	volatile struct virtq_used *used = (volatile void *)q->addr[2];
	volatile struct virtq_used_elem *elem = &used->ring[q->used_idx % q->size];
	change_begin(m, of_length ? &elem->len : &elem->id, sizeof(elem->len), now, other);
}

/* Not where somebody has written since. */
void
vnet_fault_change_go_on(struct vnet_model *m)
{
	uint32_t before = m->change.now, there;
	m->change.left--;
	m->change.now = m->change.other;
	m->change.other = before;
	there = m->change.width_bytes == 4 ? *(volatile uint32_t *)(volatile void *)m->change.at
	                                   : *(volatile uint16_t *)(volatile void *)m->change.at;
	if (there != before)
		m->change.left = 0;
	else if (m->change.width_bytes == 4)
		*(volatile uint32_t *)(volatile void *)m->change.at = m->change.now;
	else
		*(volatile uint16_t *)(volatile void *)m->change.at = (uint16_t)m->change.now;
}

/* In place of vnet_chain_done(): the client is told something else than what was done; in an entry of its own. */
void
vnet_fault_used(struct vnet_model *m, struct vnet_queue *q, enum vnet_fault fault, uint16_t id, uint16_t desc_cnt,
                uint32_t len_bytes)
{
	if (q->batched)
		vnet_queue_publish(q);
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
	case VNET_FAULT_CHANGE_LENGTH:
	case VNET_FAULT_CHANGE_ID:
		change_used(m, q, fault, id, len_bytes);
		break;
	case VNET_FAULT_NEEDS_RESET:
		vnet_fail(m);
		return;
	default:
		break;
	}
	vnet_chain_done(m, q, id, desc_cnt, len_bytes);
	if (q->batched)
		vnet_queue_publish(q);
	if (fault == VNET_FAULT_TX_TWICE && !q->packed)
		q->avail_idx--; /* the second used entry was for nothing that the client gave */
}
