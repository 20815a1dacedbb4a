/* SPDX-License-Identifier: Apache-2.0 */
/* Frames out of transmit rings (82599 datasheet 7.2.3): advanced data and context descriptors. */
#include <string.h>

#include "devices/ixgbe/internal.h"

#define TXD_TSE     (UINT64_C(1) << 31)
#define TXD_PAYLEN  46
#define CTX_MACLEN  0x7fu
#define CTX_IPLEN   0x1ffu
#define REFUSED_MAX 64u /* of one call: a ring of nonsense does not keep the host from its other work */
#define TCP_CSUM_AT 16u
#define UDP_CSUM_AT 6u
#define TAG_TYPE    0x8100u

/* A frame as its descriptors are walked through. */
struct walk {
	uint64_t first; /* the first data descriptor's second word */
	uint32_t desc_cnt;
	bool bad, ends;
};

static void
take_data(struct ixgbe_model *m, uint64_t addr, uint64_t word, struct walk *walk, struct vnet_frame *out)
{
	uint32_t bytes = (uint32_t)(word & IXGBE_TXD_LEN_MASK);
	if (walk->first == 0)
		walk->first = word;
	walk->ends = word & INTEL_TXD_EOP;
	if (walk->bad || bytes == 0)
		return;
	const uint8_t *data = NULL;
	if (out->piece_cnt < VNET_PIECES_MAX && out->len_bytes + bytes <= VNET_FRAME_BYTES_MAX)
		data = ixgbe_dma(m, addr, bytes, VNET_DMA_READ);
	walk->bad = data == NULL;
	if (data == NULL)
		return;
	out->piece[out->piece_cnt++] = (struct vnet_piece){data, bytes};
	out->len_bytes += bytes;
}

/* The next descriptors, each word read once. Return: whether they hold a whole frame. */
static bool
walk_frame(struct ixgbe_model *m, struct ixgbe_ring *ring, uint32_t cnt, struct walk *walk, struct vnet_frame *out)
{
	*walk = (struct walk){0};
	out->piece_cnt = 0;
	out->len_bytes = 0;
	for (uint32_t at = ring->head; walk->desc_cnt < cnt && !walk->ends; at = at + 1 < ring->entries ? at + 1 : 0) {
		uint64_t addr = ring->desc[at].word[0], word = ring->desc[at].word[1];
		uint64_t kind = word & IXGBE_TXD_DTYP_MASK;
		walk->desc_cnt++;
		if ((word & INTEL_TXD_DEXT) && kind == INTEL_TXD_DTYP_CTX_82576) {
			uint32_t idx = word >> IXGBE_TXD_IDX_SHIFT & 1;
			ring->context[idx][0] = addr;
			ring->context[idx][1] = word;
			continue;
		}
		walk->bad |= !(word & INTEL_TXD_DEXT) || kind != INTEL_TXD_DTYP_DATA_82576 || (word & TXD_TSE);
		take_data(m, addr, word, walk, out);
	}
	return walk->ends;
}

static bool
insert_tag(uint8_t *frame, uint32_t *bytes, uint16_t tag)
{
	if (*bytes + IXGBE_TAG_BYTES > VNET_FRAME_BYTES_MAX)
		return false;
	memmove(frame + 16, frame + 12, *bytes - 12);
	frame[12] = TAG_TYPE >> 8;
	frame[13] = TAG_TYPE & 0xff;
	frame[14] = (uint8_t)(tag >> 8);
	frame[15] = (uint8_t)tag;
	*bytes += IXGBE_TAG_BYTES;
	return true;
}

/* 7.2.5: where the headers are, the context says; what they are, its L4T. The tag goes in last. */
static bool
offload(const uint64_t *context, uint64_t command, uint8_t *frame, uint32_t *bytes)
{
	uint32_t mac = context[0] >> INTEL_CTX_MACLEN_SHIFT_82576 & CTX_MACLEN, ip = context[0] & CTX_IPLEN;
	if (command & INTEL_TXD_POPTS_TXSM) {
		uint32_t offset = context[1] & INTEL_CTX_L4T_TCP_82576 ? TCP_CSUM_AT : UDP_CSUM_AT;
		if (mac + ip + offset + 2 > *bytes)
			return false;
		ixgbe_csum_put(frame, *bytes, mac + ip, offset);
	}
	if (command & INTEL_TXD_VLE)
		return insert_tag(frame, bytes, (uint16_t)(context[0] >> INTEL_CTX_VLAN_SHIFT_82576));
	return true;
}

/* What is sent: the pieces as they lie, or a copy where something is changed. Return: false: it cannot be sent. */
static bool
finish(struct ixgbe_model *m, struct ixgbe_ring *ring, const struct walk *walk, struct vnet_frame *out)
{
	uint64_t command = walk->first;
	bool pad = (*ixgbe_reg(m, IXGBE_REG_HLREG0) & IXGBE_HLREG0_TXPADEN) && out->len_bytes < IXGBE_WIRE_BYTES;
	memset(&out->header, 0, sizeof(out->header));
	out->desc_cnt = (uint16_t)walk->desc_cnt;
	if (walk->bad || out->len_bytes < IXGBE_ETH_BYTES || command >> TXD_PAYLEN != out->len_bytes)
		return false;
	if (!pad && !(command & (INTEL_TXD_POPTS_TXSM | INTEL_TXD_VLE)))
		return true;
	uint32_t bytes = ixgbe_copy(out, m->tx_scratch, VNET_FRAME_BYTES_MAX);
	if (!offload(ring->context[command >> IXGBE_TXD_IDX_SHIFT & 1], command, m->tx_scratch, &bytes))
		return false;
	for (; pad && bytes < IXGBE_WIRE_BYTES; bytes++)
		m->tx_scratch[bytes] = 0;
	out->piece_cnt = 1;
	out->len_bytes = bytes;
	out->piece[0] = (struct vnet_piece){m->tx_scratch, bytes};
	return true;
}

/* 7.2.3.4.1: with WTHRESH 0, what asked for a report gets it. */
static void
give_back(struct ixgbe_model *m, uint32_t queue_idx, uint32_t cnt, bool report)
{
	struct ixgbe_ring *ring = &m->tx[queue_idx];
	uint32_t at = ring->head;
	for (uint32_t i = 0; i < cnt; i++, at = at + 1 < ring->entries ? at + 1 : 0) {
		if ((ring->desc[at].word[1] & INTEL_TXD_RS) && report)
			__atomic_store_n(&ring->desc[at].word[1], INTEL_TXD_DD, __ATOMIC_RELEASE);
	}
	ixgbe_ring_advance(m, true, queue_idx, cnt);
}

bool
ixgbe_tx_peek(struct ixgbe_model *m, uint32_t queue_idx, struct vnet_frame *out)
{
	struct ixgbe_ring *ring = &m->tx[queue_idx];
	struct walk walk;
	uint32_t cnt, refused = 0;
	if (BH_UNLIKELY(m->change.left != 0))
		ixgbe_fault_change_go_on(m);
	while ((*ixgbe_reg(m, IXGBE_REG_DMATXCTL) & IXGBE_DMATXCTL_TE) && m->link_up && !ring->stalled &&
	       refused++ < REFUSED_MAX && ixgbe_ring_look(m, true, queue_idx, &cnt) && cnt > 0) {
		if (!walk_frame(m, ring, cnt, &walk, out))
			return false;
		if (finish(m, ring, &walk, out))
			return true;
		m->stats.tx_bad_cnt++;
		give_back(m, queue_idx, walk.desc_cnt, true);
	}
	return false;
}

void
ixgbe_tx_done(struct ixgbe_model *m, uint32_t queue_idx, const struct vnet_frame *frame)
{
	struct ixgbe_ring *ring = &m->tx[queue_idx];
	if (!ring->on || ring->desc == NULL)
		return;
	enum ixgbe_fault fault = ixgbe_fault_draw(m, true);
	m->stats.tx_pkts++;
	m->stats.tx_bytes += frame->len_bytes;
	*ixgbe_reg(m, IXGBE_REG_GPTC) += 1;
	give_back(m, queue_idx, frame->desc_cnt, fault != IXGBE_FAULT_TX_NO_REPORT);
	ring->stalled = fault == IXGBE_FAULT_TX_STALL;
}
