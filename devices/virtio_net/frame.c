/* SPDX-License-Identifier: Apache-2.0 */
/* Frames out of transmit queues and into receive queues (VIRTIO 1.2, 5.1.6). */
#include <string.h>

#include "devices/virtio_net/internal.h"

#define ETH_HEADER_BYTES 14u

/* Where the bytes behind the first skip_bytes of the readable part are. */
static bool
pieces_find(struct vnet_model *m, const struct vnet_chain *chain, uint32_t skip_bytes, struct vnet_frame *out)
{
	out->piece_cnt = 0;
	out->len_bytes = 0;
	for (uint32_t i = 0; i < chain->out_cnt; i++) {
		uint64_t iova = chain->piece[i].iova;
		uint32_t len_bytes = chain->piece[i].len_bytes;
		uint32_t skipped = BH_MIN(skip_bytes, len_bytes);
		skip_bytes -= skipped;
		if (skipped == len_bytes)
			continue;
		const uint8_t *addr = vnet_dma(m, iova + skipped, len_bytes - skipped, VNET_DMA_READ);
		if (addr == NULL)
			return false;
		out->piece[out->piece_cnt++] = (struct vnet_piece){addr, len_bytes - skipped};
		out->len_bytes += len_bytes - skipped;
	}
	return true;
}

/* The header may lie across pieces, too (2.7.4.1: no assumption about framing). */
static bool
header_read(struct vnet_model *m, const struct vnet_chain *chain, struct virtio_net_hdr *out)
{
	uint8_t *to = (uint8_t *)out;
	uint32_t left = VIRTIO_NET_HDR_BYTES;
	for (uint32_t i = 0; i < chain->out_cnt && left > 0; i++) {
		uint32_t part = BH_MIN(left, chain->piece[i].len_bytes);
		const uint8_t *addr = vnet_dma(m, chain->piece[i].iova, part, VNET_DMA_READ);
		if (addr == NULL)
			return false;
		memcpy(to, addr, part);
		to += part;
		left -= part;
	}
	return true;
}

/* 5.1.6.2.1: no segmentation was offered; a checksum only if it was negotiated, and inside of the frame. */
static bool
header_is_legal(const struct vnet_model *m, const struct vnet_frame *frame)
{
	const struct virtio_net_hdr *header = &frame->header;
	if (header->gso_type != VIRTIO_NET_HDR_GSO_NONE)
		return false;
	if (!(header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		return true;
	return m->features & VIRTIO_NET_F_CSUM &&
	       (uint32_t)header->csum_start + header->csum_offset + 2 <= frame->len_bytes;
}

static uint32_t
frame_bytes_max(const struct vnet_model *m)
{
	return m->config.mtu_bytes + ETH_HEADER_BYTES + 8u;
}

bool
vnet_tx_peek(struct vnet_model *m, uint32_t pair_idx, struct vnet_frame *out)
{
	struct vnet_queue *q = &m->queue[2 * pair_idx + 1];
	struct vnet_chain chain;
	if (BH_UNLIKELY(m->change.left != 0))
		vnet_fault_change_go_on(m);
	while (m->running && vnet_chain_peek(m, q, 0, &chain)) {
		bool sound = chain.in_cnt == 0 && chain.out_bytes >= VIRTIO_NET_HDR_BYTES + ETH_HEADER_BYTES &&
		             chain.out_bytes <= VIRTIO_NET_HDR_BYTES + (uint64_t)frame_bytes_max(m);
		if (sound && header_read(m, &chain, &out->header) &&
		    pieces_find(m, &chain, VIRTIO_NET_HDR_BYTES, out) && header_is_legal(m, out)) {
			out->id = chain.id;
			out->desc_cnt = chain.desc_cnt;
			return true;
		}
		m->stats.tx_bad_cnt++;
		vnet_chain_done(m, q, chain.id, chain.desc_cnt, 0);
	}
	return false;
}

void
vnet_tx_done(struct vnet_model *m, uint32_t pair_idx, const struct vnet_frame *frame)
{
	if (!m->running)
		return;
	m->stats.tx_pkts++;
	m->stats.tx_bytes += frame->len_bytes;
	struct vnet_queue *q = &m->queue[2 * pair_idx + 1];
	enum vnet_fault fault = vnet_fault_draw(m, true);
	if (BH_UNLIKELY(fault != VNET_FAULT_NONE))
		vnet_fault_used(m, q, fault, frame->id, frame->desc_cnt, 0);
	else
		vnet_chain_done(m, q, frame->id, frame->desc_cnt, 0);
}

/* A walk through the frame's bytes. */
struct cursor {
	const struct vnet_frame *frame;
	uint32_t piece_idx, offset;
};

static void
cursor_copy(struct cursor *cursor, uint8_t *to, uint32_t cnt_bytes)
{
	while (cnt_bytes > 0) {
		const struct vnet_piece *piece = &cursor->frame->piece[cursor->piece_idx];
		uint32_t part = BH_MIN(cnt_bytes, piece->len_bytes - cursor->offset);
		/* A hostile driver may have both in the same bytes. */
		memmove(to, piece->addr + cursor->offset, part);
		to += part;
		cnt_bytes -= part;
		cursor->offset += part;
		if (cursor->offset == piece->len_bytes) {
			cursor->piece_idx++;
			cursor->offset = 0;
		}
	}
}

/* Fill one chain's writable part from skip_bytes on. Return: bytes written; 0: its memory is not granted. */
static uint32_t
chain_fill(struct vnet_model *m, const struct vnet_chain *chain, uint32_t skip_bytes, struct cursor *cursor,
           uint32_t left_bytes)
{
	uint32_t done = 0;
	for (uint32_t i = 0; i < chain->in_cnt && left_bytes > 0; i++) {
		uint32_t len_bytes = chain->piece[i].len_bytes;
		uint32_t skipped = BH_MIN(skip_bytes, len_bytes), part;
		skip_bytes -= skipped;
		part = BH_MIN(len_bytes - skipped, left_bytes);
		if (part == 0)
			continue;
		uint8_t *to = vnet_dma(m, chain->piece[i].iova + skipped, part, VNET_DMA_WRITE);
		if (to == NULL)
			return 0;
		cursor_copy(cursor, to, part);
		done += part;
		left_bytes -= part;
	}
	return done;
}

static bool
header_write(struct vnet_model *m, const struct vnet_chain *chain, const struct virtio_net_hdr *header)
{
	const uint8_t *from = (const uint8_t *)header;
	uint32_t left = VIRTIO_NET_HDR_BYTES;
	for (uint32_t i = 0; i < chain->in_cnt && left > 0; i++) {
		uint32_t part = BH_MIN(left, chain->piece[i].len_bytes);
		uint8_t *addr = vnet_dma(m, chain->piece[i].iova, part, VNET_DMA_WRITE);
		if (addr == NULL)
			return false;
		memcpy(addr, from, part);
		from += part;
		left -= part;
	}
	return left == 0;
}

/* A receiver that knows no partial checksums gets whole ones: finished in a copy. */
static void
csum_finish(struct vnet_model *m, struct vnet_frame *frame)
{
	struct cursor cursor = {.frame = frame};
	uint64_t sum = 0;
	uint32_t start = frame->header.csum_start, at = start + frame->header.csum_offset, len = frame->len_bytes;
	cursor_copy(&cursor, m->scratch, len);
	for (uint32_t i = start; i < len; i++)
		sum += (i - start) & 1 ? m->scratch[i] : (uint64_t)m->scratch[i] << 8;
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	uint16_t csum = (uint16_t)~sum != 0 ? (uint16_t)~sum : 0xffff;
	m->scratch[at] = (uint8_t)(csum >> 8);
	m->scratch[at + 1] = (uint8_t)csum;
	frame->piece_cnt = 1;
	frame->piece[0] = (struct vnet_piece){m->scratch, len};
	frame->header = (struct virtio_net_hdr){0};
}

/* How many buffers the whole frame needs: all are there, or none is touched. */
struct rx_plan {
	uint32_t chain_cnt;
	bool too_big;
};

static bool
plan_make(struct vnet_model *m, struct vnet_queue *q, uint32_t len_bytes, struct rx_plan *plan)
{
	struct vnet_chain chain;
	uint64_t room = 0, wanted = (uint64_t)len_bytes + VIRTIO_NET_HDR_BYTES;
	uint16_t ahead = 0;
	uint32_t most = m->features & VIRTIO_NET_F_MRG_RXBUF ? VNET_PIECES_MAX : 1;
	*plan = (struct rx_plan){0};
	while (room < wanted) {
		if (plan->chain_cnt == most) {
			plan->too_big = true;
			return false;
		}
		if (!vnet_chain_peek(m, q, ahead, &chain))
			return false;
		if (chain.out_cnt != 0 || (plan->chain_cnt == 0 && chain.in_bytes < VIRTIO_NET_HDR_BYTES)) {
			vnet_fail(m);
			return false;
		}
		plan->chain_cnt++;
		room += chain.in_bytes;
		ahead = (uint16_t)(ahead + chain.desc_cnt);
	}
	return true;
}

/*
 * The chains are read again, and the client may have changed them in between: what counts is this reading, and that the
 * frame still fits.
 */
static int
plan_carry_out(struct vnet_model *m, struct vnet_queue *q, const struct rx_plan *plan, const struct vnet_frame *frame)
{
	struct virtio_net_hdr header = frame->header;
	struct cursor cursor = {.frame = frame};
	uint32_t left = frame->len_bytes;
	header.num_buffers = (uint16_t)plan->chain_cnt;
	for (uint32_t i = 0; i < plan->chain_cnt; i++) {
		struct vnet_chain chain;
		uint32_t skip = i == 0 ? VIRTIO_NET_HDR_BYTES : 0, done = 0;
		if (!vnet_chain_peek(m, q, 0, &chain))
			return -BH_ENODEV;
		bool good = chain.out_cnt == 0 && (i != 0 || header_write(m, &chain, &header));
		if (good)
			done = chain_fill(m, &chain, skip, &cursor, left);
		if (!good || done == 0) {
			vnet_fail(m);
			return -BH_ENODEV;
		}
		left -= done;
		vnet_chain_done(m, q, chain.id, chain.desc_cnt, done + skip);
	}
	if (left == 0)
		return 0;
	vnet_fail(m);
	return -BH_ENODEV;
}

/* One buffer of one descriptor that holds the whole frame: the usual case. Return: false: it is another one. */
static bool
put_single(struct vnet_model *m, struct vnet_queue *q, const struct vnet_frame *frame)
{
	struct vnet_chain chain;
	uint32_t wanted = frame->len_bytes + VIRTIO_NET_HDR_BYTES;
	if (!vnet_chain_peek(m, q, 0, &chain) || chain.out_cnt != 0 || chain.in_cnt != 1 || chain.in_bytes < wanted)
		return false;
	uint8_t *to = vnet_dma(m, chain.piece[0].iova, wanted, VNET_DMA_WRITE);
	if (to == NULL)
		return false;
	struct virtio_net_hdr header = frame->header;
	header.num_buffers = 1;
	enum vnet_fault fault = vnet_fault_draw(m, false);
	vnet_fault_header(fault, &header);
	memcpy(to, &header, VIRTIO_NET_HDR_BYTES);
	vnet_fault_change_header(m, fault, to);
	struct cursor cursor = {.frame = frame};
	cursor_copy(&cursor, to + VIRTIO_NET_HDR_BYTES, frame->len_bytes);
	if (BH_UNLIKELY(fault != VNET_FAULT_NONE))
		vnet_fault_used(m, q, fault, chain.id, chain.desc_cnt, wanted);
	else
		vnet_chain_done(m, q, chain.id, chain.desc_cnt, wanted);
	return true;
}

static int
put_pieces(struct vnet_model *m, struct vnet_queue *q, const struct vnet_frame *frame)
{
	struct rx_plan plan;
	if (!plan_make(m, q, frame->len_bytes, &plan)) {
		if (!plan.too_big)
			return m->running ? -BH_EAGAIN : -BH_ENODEV;
		m->stats.rx_too_big_cnt++;
		return -BH_E2BIG;
	}
	return plan_carry_out(m, q, &plan, frame);
}

int
vnet_rx_put(struct vnet_model *m, uint32_t pair_idx, const struct vnet_frame *given)
{
	uint8_t address[VNET_MAC_BYTES];
	struct cursor cursor = {.frame = given};
	if (!m->running)
		return -BH_ENODEV;
	cursor_copy(&cursor, address, sizeof(address));
	if (!vnet_filter_pass(m, address)) {
		m->stats.rx_filtered_cnt++;
		return 0;
	}
	struct vnet_queue *q = &m->queue[2 * (pair_idx % m->pairs)];
	int err = 0;
	if (BH_UNLIKELY(given->header.flags != 0 && !(m->features & VIRTIO_NET_F_GUEST_CSUM))) {
		struct vnet_frame copy = *given;
		if (copy.header.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
			csum_finish(m, &copy);
		copy.header = (struct virtio_net_hdr){0};
		err = put_pieces(m, q, &copy);
	} else if (!put_single(m, q, given)) {
		err = put_pieces(m, q, given);
	}
	if (err != 0)
		return err;
	m->stats.rx_pkts++;
	m->stats.rx_bytes += given->len_bytes;
	return 0;
}
