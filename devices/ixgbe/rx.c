/* SPDX-License-Identifier: Apache-2.0 */
/* Frames into receive rings (82599 datasheet 7.1): filter, queue, buffers, descriptors. */
#include <string.h>

#include "devices/ixgbe/internal.h"

#define FCS_BYTES      4u
#define PLAIN_BYTES    1518u
#define ADDRESS_CNT    16u
#define MO_MASK        3u
#define SRRCTL_TYPE(n) ((n) >> 25 & 7u)

/* 7.1.1.2 */
static bool
multicast_pass(struct ixgbe_model *m, const uint8_t *mac)
{
	static const uint32_t shifts[] = {4, 3, 2, 0}; /* MCSTCTRL.MO: bits 47:36, 46:35, 45:34, 43:32 */
	uint32_t control = *ixgbe_reg(m, IXGBE_REG_MCSTCTRL);
	uint32_t bit = ((uint32_t)mac[4] | (uint32_t)mac[5] << 8) >> shifts[control & MO_MASK] & 0xfff;
	return (control & IXGBE_MCSTCTRL_MFE) && (*ixgbe_reg(m, INTEL_REG_MTA + bit / 32 * 4) >> bit % 32 & 1);
}

static bool
station_pass(struct ixgbe_model *m, const uint8_t *mac)
{
	uint32_t low = mac[0] | (uint32_t)mac[1] << 8 | (uint32_t)mac[2] << 16 | (uint32_t)mac[3] << 24;
	uint32_t high = mac[4] | (uint32_t)mac[5] << 8 | INTEL_RAH_AV;
	for (uint32_t i = 0; i < ADDRESS_CNT; i++) {
		uint32_t have = *ixgbe_reg(m, INTEL_REG_RAH0 + 8 * i) & (INTEL_RAH_AV | 0xffff);
		if (*ixgbe_reg(m, INTEL_REG_RAL0 + 8 * i) == low && have == high)
			return true;
	}
	return false;
}

static bool
filter_pass(struct ixgbe_model *m, const uint8_t *mac)
{
	static const uint8_t broadcast[VNET_MAC_BYTES] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	uint32_t control = *ixgbe_reg(m, IXGBE_REG_FCTRL);
	if (memcmp(mac, broadcast, VNET_MAC_BYTES) == 0)
		return control & (IXGBE_FCTRL_BAM | IXGBE_FCTRL_MPE);
	if (mac[0] & 1)
		return (control & IXGBE_FCTRL_MPE) || multicast_pass(m, mac) || station_pass(m, mac);
	return (control & IXGBE_FCTRL_UPE) || station_pass(m, mac);
}

/* 8.2.3.22.13: MAXFRS counts with the CRC, and only where jumbo frames are on. */
static uint32_t
bytes_max(struct ixgbe_model *m, bool tagged)
{
	if (*ixgbe_reg(m, IXGBE_REG_HLREG0) & IXGBE_HLREG0_JUMBOEN)
		return *ixgbe_reg(m, IXGBE_REG_MAXFRS) >> IXGBE_MAXFRS_SHIFT;
	return PLAIN_BYTES + (tagged ? IXGBE_TAG_BYTES : 0);
}

static bool
strip_tag(struct ixgbe_model *m, uint32_t queue_idx, uint8_t *frame, uint32_t *bytes, uint16_t *tag)
{
	uint32_t type = *ixgbe_reg(m, IXGBE_REG_VLNCTRL) & 0xffff;
	bool wanted = *ixgbe_queue_reg(m, false, queue_idx, INTEL_QUEUE_DCTL) & IXGBE_RXDCTL_VME;
	if (!wanted || *bytes < IXGBE_ETH_BYTES + IXGBE_TAG_BYTES || ((uint32_t)frame[12] << 8 | frame[13]) != type)
		return false;
	*tag = (uint16_t)(frame[14] << 8 | frame[15]);
	memmove(frame + 12, frame + 16, *bytes - 16);
	*bytes -= IXGBE_TAG_BYTES;
	return true;
}

/* 7.1.2.8: RSS chooses among 128 entries by the hash's low bits. */
static uint32_t
queue_of(struct ixgbe_model *m, const struct ixgbe_class *class)
{
	if (!(class->info & INTEL_RXD_RSS_TYPE_MASK))
		return 0;
	uint32_t entry = class->hash % INTEL_RETA_CNT;
	return *ixgbe_reg(m, INTEL_REG_RETA + entry / 4 * 4) >> entry % 4 * 8 & (IXGBE_QUEUES_RSS - 1);
}

/* What is to be written, into how large buffers. */
struct delivery {
	uint32_t queue_idx, bytes, buf_bytes;
	uint64_t info, status;
};

static void
missed(struct ixgbe_model *m, uint32_t queue_idx)
{
	bool own = *ixgbe_queue_reg(m, false, queue_idx, IXGBE_QUEUE_SRRCTL) & IXGBE_SRRCTL_DROP_EN;
	m->stats.rx_missed_cnt++;
	if (own && !m->mapped)
		*ixgbe_queue_reg(m, false, queue_idx, IXGBE_QUEUE_QPRDC) += 1;
	else
		*ixgbe_reg(m, IXGBE_REG_RXMPC) += 1;
}

static void
faults_after(struct ixgbe_model *m, enum ixgbe_fault fault)
{
	if (fault == IXGBE_FAULT_RX_OFF)
		*ixgbe_reg(m, IXGBE_REG_RXCTRL) &= ~IXGBE_RXCTRL_RXEN;
	if (fault != IXGBE_FAULT_MEMORY_ERROR)
		return;
	*ixgbe_reg(m, IXGBE_REG_EICR) |= IXGBE_EICR_ECC;
	for (uint32_t i = 0; i < IXGBE_QUEUES_RSS; i++)
		m->rx[i].failed = m->tx[i].failed = true;
}

/* One buffer. Return: false: its memory is not granted. */
static bool
write_piece(struct ixgbe_model *m, const struct delivery *d, uint32_t done, enum ixgbe_fault fault)
{
	struct ixgbe_ring *ring = &m->rx[d->queue_idx];
	volatile struct intel_desc *desc = &ring->desc[ring->head];
	uint64_t addr = desc->word[0], status = INTEL_RXD_DD;
	uint32_t part = BH_MIN(d->bytes - done, d->buf_bytes);
	uint8_t *to = ixgbe_dma(m, addr, part, VNET_DMA_WRITE);
	if (to == NULL)
		return false;
	memcpy(to, m->rx_scratch + done, part);
	bool last = done + part == d->bytes;
	if (last)
		status |= INTEL_RXD_EOP | d->status;
	status |= (uint64_t)part << INTEL_RXD_LENGTH_SHIFT;
	if (last && fault != IXGBE_FAULT_NONE)
		status = ixgbe_fault_received(m, fault, desc, status);
	desc->word[0] = d->info;
	__atomic_store_n(&desc->word[1], status, __ATOMIC_RELEASE);
	ixgbe_ring_advance(m, false, d->queue_idx, 1);
	return true;
}

/* Buffers for the whole frame are there. */
static int
deliver(struct ixgbe_model *m, const struct delivery *d)
{
	enum ixgbe_fault fault = ixgbe_fault_draw(m, false);
	for (uint32_t done = 0; done < d->bytes; done += d->buf_bytes) {
		if (write_piece(m, d, done, fault))
			continue;
		ixgbe_ring_fail(m, &m->rx[d->queue_idx]);
		return -BH_ENODEV;
	}
	faults_after(m, fault);
	m->stats.rx_pkts++;
	m->stats.rx_bytes += d->bytes;
	*ixgbe_reg(m, IXGBE_REG_GPRC) += 1;
	return 0;
}

static int
put(struct ixgbe_model *m, uint32_t bytes)
{
	struct ixgbe_class class;
	uint16_t tag = 0;
	uint32_t cnt;
	ixgbe_classify(m, m->rx_scratch, bytes, &class);
	struct delivery d = {.queue_idx = queue_of(m, &class), .bytes = bytes};
	d.info = class.info | (uint64_t) class.hash << INTEL_RXD_HASH_SHIFT;
	d.status = class.status;
	if (!ixgbe_ring_look(m, false, d.queue_idx, &cnt))
		return -BH_ENODEV;
	uint32_t srrctl = *ixgbe_queue_reg(m, false, d.queue_idx, IXGBE_QUEUE_SRRCTL);
	d.buf_bytes = (srrctl & IXGBE_SRRCTL_KIB_MASK) * 1024;
	if (d.buf_bytes == 0 || SRRCTL_TYPE(srrctl) != 1) {
		ixgbe_ring_fail(m, &m->rx[d.queue_idx]);
		return -BH_ENODEV;
	}
	if ((uint64_t)cnt * d.buf_bytes < bytes) {
		if (!m->config.drop_when_full)
			return -BH_EAGAIN;
		missed(m, d.queue_idx);
		return 0;
	}
	if (strip_tag(m, d.queue_idx, m->rx_scratch, &d.bytes, &tag))
		d.status |= INTEL_RXD_VP | (uint64_t)tag << INTEL_RXD_VLAN_SHIFT;
	return deliver(m, &d);
}

int
ixgbe_rx_put(struct ixgbe_model *m, const struct vnet_frame *frame)
{
	uint32_t bytes = ixgbe_copy(frame, m->rx_scratch, sizeof(m->rx_scratch));
	const struct virtio_net_hdr *header = &frame->header;
	if (!(*ixgbe_reg(m, IXGBE_REG_RXCTRL) & IXGBE_RXCTRL_RXEN) || !m->link_up)
		return -BH_ENODEV;
	if (bytes < IXGBE_ETH_BYTES || !filter_pass(m, m->rx_scratch)) {
		m->stats.rx_filtered_cnt++;
		return 0;
	}
	if (bytes != frame->len_bytes || bytes + FCS_BYTES > bytes_max(m, m->rx_scratch[12] == 0x81)) {
		*ixgbe_reg(m, IXGBE_REG_ROC) += 1;
		m->stats.rx_too_big_cnt++;
		return 0;
	}
	/* From a virtio card on the other end: on a wire a checksum is whole. */
	if ((header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) &&
	    (uint32_t)header->csum_start + header->csum_offset + 2 <= bytes)
		ixgbe_csum_put(m->rx_scratch, bytes, header->csum_start, header->csum_offset);
	return put(m, bytes);
}

static bool
peek(void *device, uint32_t queue_idx, struct vnet_frame *out)
{
	return ixgbe_tx_peek(device, queue_idx, out);
}

static void
done(void *device, uint32_t queue_idx, const struct vnet_frame *frame)
{
	ixgbe_tx_done(device, queue_idx, frame);
}

static int
wire_put(void *device, uint32_t queue_idx, const struct vnet_frame *frame)
{
	return ixgbe_rx_put(device, frame);
}

/* Descriptors are written back at once, and nobody waits for interrupts. */
static void
flush(void *device)
{
}

static uint32_t
queues(const void *device)
{
	return IXGBE_QUEUES_RSS;
}

const struct vnet_wire_ops ixgbe_wire_ops = {
        .tx_peek = peek, .tx_done = done, .rx_put = wire_put, .flush = flush, .pairs = queues};
