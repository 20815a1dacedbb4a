/* SPDX-License-Identifier: Apache-2.0 */
/**
 *	model.c     creation, reset, memory, rings
 *	reg.c       registers
 *	tx.c        frames out of transmit rings, with what their descriptors ask for
 *	rx.c        frames into receive rings: filter, queue, descriptors
 *	classify.c  what a received frame is: its type, its checksums, its hash
 *	fault.c     how it lies when it is told to
 */
#ifndef DEVICES_IXGBE_INTERNAL_H
#define DEVICES_IXGBE_INTERNAL_H

#include <bulkhead/spec/intel_gbe.h>
#include <bulkhead/spec/intel_gbe_desc.h>

#include "devices/ixgbe/ixgbe_model.h"

#define IXGBE_ETH_BYTES   14u
#define IXGBE_TAG_BYTES   4u
#define IXGBE_WIRE_BYTES  60u /* the shortest frame, without its CRC */
#define IXGBE_CHANGE_CNT  16u
#define IXGBE_CONTEXT_CNT 2u

/* One ring; its registers are in a page. */
struct ixgbe_ring {
	bool on;     /* the client has enabled it, and its place is taken over */
	bool failed; /* until the next reset */
	bool stalled;
	uint32_t entries, head;
	uint64_t iova;
	volatile struct intel_desc *desc; /* NULL: to be asked for */
	uint64_t context[IXGBE_CONTEXT_CNT][2];
};

struct ixgbe_model {
	struct vnet_window window; /* the last hit */
	bool link_up, mapped;
	bool flushed; /* what was fetched to be sent is thrown away, until the next reset */
	struct ixgbe_ring rx[IXGBE_QUEUES_RSS], tx[IXGBE_QUEUES_RSS];
	volatile uint32_t *rx_page, *tx_page;
	struct ixgbe_stats stats;
	struct ixgbe_model_config config;
	struct vnet_host host;
	uint64_t frame_cnt[2]; /* received and sent, for the faults */
	uint64_t fired_cnt[VNET_FAULT_RULES_MAX];
	struct {
		uint32_t left; /* 0: none */
		volatile uint16_t *at;
		uint16_t now, other;
	} change;
	uint32_t reg[IXGBE_BAR_BYTES / 4];
	uint8_t tx_scratch[VNET_FRAME_BYTES_MAX], rx_scratch[VNET_FRAME_BYTES_MAX];
};

BH_INLINE uint32_t *
ixgbe_reg(struct ixgbe_model *m, uint32_t offset)
{
	return &m->reg[offset / 4];
}

/* A queue's register. */
BH_INLINE volatile uint32_t *
ixgbe_queue_reg(struct ixgbe_model *m, bool tx, uint32_t queue_idx, uint32_t offset)
{
	return (tx ? m->tx_page : m->rx_page) + (queue_idx * IXGBE_QUEUE_STEP + offset) / 4;
}

/* model.c */
void *ixgbe_dma(struct ixgbe_model *m, uint64_t iova, uint64_t cnt_bytes, uint32_t prot);
/*
 * ixgbe_ring_look - the ring as its registers have it now, and how many descriptors are the device's from its head on
 * Return: false: it is off, or breaks the rules.
 */
bool ixgbe_ring_look(struct ixgbe_model *m, bool tx, uint32_t queue_idx, uint32_t *out_cnt);
void ixgbe_ring_fail(struct ixgbe_model *m, struct ixgbe_ring *ring);
/* ixgbe_ring_advance - the head, in the register, too */
void ixgbe_ring_advance(struct ixgbe_model *m, bool tx, uint32_t queue_idx, uint32_t cnt);

/* classify.c */

struct ixgbe_class {
	uint32_t info;   /* of the first word: RSS type and packet type */
	uint32_t hash;   /* if the RSS type is not 0 */
	uint32_t status; /* checksums: done, wrong */
};

void ixgbe_classify(const struct ixgbe_model *m, const uint8_t *frame, uint32_t bytes, struct ixgbe_class *out);
/* ixgbe_csum_put - the sum from `start` to the end, at start + offset (RFC 1071) */
void ixgbe_csum_put(uint8_t *frame, uint32_t bytes, uint32_t start, uint32_t offset);
/* ixgbe_copy - the frame's first max bytes in one piece. Return: how many. */
uint32_t ixgbe_copy(const struct vnet_frame *frame, uint8_t *to, uint32_t max_bytes);

/* fault.c */
enum ixgbe_fault ixgbe_fault_draw(struct ixgbe_model *m, bool transmit);
/* ixgbe_fault_received - the last descriptor's second word, as it is to be shown */
uint64_t ixgbe_fault_received(struct ixgbe_model *m, enum ixgbe_fault fault, volatile struct intel_desc *desc,
                              uint64_t word);
void ixgbe_fault_change_go_on(struct ixgbe_model *m);

#endif
