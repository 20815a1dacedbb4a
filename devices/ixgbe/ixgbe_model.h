/* SPDX-License-Identifier: Apache-2.0 */
/**
 * An Intel 82599 as a pure state machine: registers and memory in, registers and memory out. It is the other end of
 * drivers/net/ixgbe where there is no such card, and was written from the datasheet, not from the driver.
 *
 * As the virtio card (devices/virtio_net) it knows nothing of a wire, polls its rings, reads each value of the client's
 * once and checks it, and touches nothing outside of what dma_window granted. A ring that breaks the rules stands still
 * until the client resets the device, as on the card, and is counted.
 *
 * What is there: reset, EEPROM flags and address, semaphores, link, 16 queues each way, RSS with its key and table,
 * filters (16 addresses, the multicast table, promiscuous modes), VLAN tags, checksums, frames in pieces, padding,
 * statistics. What is not: interrupts, segmentation, RSC, header split, Flow Director, DCB, virtual functions, legacy
 * descriptors, MACsec, IPsec, time stamps, pauses: bits for them are kept, and do nothing.
 *
 * One thread uses a model, and all that a wire connects. No function may be called from a callback.
 */
#ifndef DEVICES_IXGBE_MODEL_H
#define DEVICES_IXGBE_MODEL_H

#include <bulkhead/spec/intel_ixgbe.h>

#include "devices/virtio_net/wire.h"

struct ixgbe_model;

#define IXGBE_BAR_BYTES   0x20000u
#define IXGBE_BAR_RX_PAGE IXGBE_RX_BASE /* the queues' registers: a page each, so that clients can map them */
#define IXGBE_BAR_TX_PAGE IXGBE_TX_BASE
#define IXGBE_REVISION    1u

/* How the card lies. What it does to memory stays inside of rings and buffers. */
enum ixgbe_fault {
	IXGBE_FAULT_NONE = 0,
	IXGBE_FAULT_LONG_LENGTH,   /* received: longer than the buffer */
	IXGBE_FAULT_SHORT_LENGTH,  /* received: shorter than an Ethernet header */
	IXGBE_FAULT_ZERO_LENGTH,   /* received: empty */
	IXGBE_FAULT_NO_END,        /* received: without its end */
	IXGBE_FAULT_DAMAGED,       /* received: with an error of the wire */
	IXGBE_FAULT_CHANGE_LENGTH, /* received: the length is right when it is shown, then goes back and forth */
	IXGBE_FAULT_RX_OFF,        /* received, and the receiver switches itself off */
	IXGBE_FAULT_MEMORY_ERROR,  /* received, then a memory error: it stands still until it is reset */
	IXGBE_FAULT_TX_NO_REPORT,  /* sent: without the report that was asked for */
	IXGBE_FAULT_TX_STALL,      /* sent, and no more from that queue until it is reset */
	IXGBE_FAULT_CNT,
};

/* ixgbe_fault_names - "long-length", ...; for vnet_fault_parse_kinds() */
extern const char *const ixgbe_fault_names[IXGBE_FAULT_CNT];

struct ixgbe_model_config {
	uint8_t mac[VNET_MAC_BYTES];
	/* A queue without buffers: drop and count (as the card does); else the wire waits. */
	bool drop_when_full;
	struct vnet_fault_rule rule[VNET_FAULT_RULES_MAX];
	uint32_t rule_cnt;
};

#define IXGBE_MODEL_CONFIG_DEFAULT                                                                                     \
	{                                                                                                              \
		.mac = { 0x02, 0, 0, 0, 0, 1 }                                                                         \
	}

/* ixgbe_model_create - a card just powered on. Return: 0; -BH_EINVAL; -BH_ENOMEM. */
BH_MUST_CHECK int ixgbe_model_create(const struct ixgbe_model_config *config, const struct vnet_host *host,
                                     struct ixgbe_model **out);
void ixgbe_model_destroy(struct ixgbe_model *model);

/**
 * ixgbe_model_pages_set - the queues' registers are in memory that the client maps; both pages zero, 4096 bytes
 *
 * The client then reads and writes them without the model's knowledge: it looks at them when it polls. So ENABLE reads
 * back at once, and a queue's drops (QPRDC, which reading would have to clear) count under RXMPC of buffer 0.
 */
void ixgbe_model_pages_set(struct ixgbe_model *model, volatile uint32_t *rx_page, volatile uint32_t *tx_page);

/* ixgbe_model_reg_read, ixgbe_model_reg_write - BAR 0, 32 bits, aligned; all else reads as 0 and is not written */
uint64_t ixgbe_model_reg_read(struct ixgbe_model *model, uint64_t offset, uint32_t width_bytes);
void ixgbe_model_reg_write(struct ixgbe_model *model, uint64_t offset, uint32_t width_bytes, uint64_t value);

/* ixgbe_model_reset - as power-on; when it returns no DMA memory is touched. */
void ixgbe_model_reset(struct ixgbe_model *model);
/* ixgbe_model_dma_unmap - forgets every address inside */
void ixgbe_model_dma_unmap(struct ixgbe_model *model, uint64_t iova, uint64_t size_bytes);
/* ixgbe_model_running - receiver or transmitter is on: rings are to be polled */
bool ixgbe_model_running(const struct ixgbe_model *model);
void ixgbe_model_link_set(struct ixgbe_model *model, bool up);

/* As the functions of vnet_model.h of these names. rx_put chooses the queue itself. */
bool ixgbe_tx_peek(struct ixgbe_model *model, uint32_t queue_idx, struct vnet_frame *out);
void ixgbe_tx_done(struct ixgbe_model *model, uint32_t queue_idx, const struct vnet_frame *frame);
BH_MUST_CHECK int ixgbe_rx_put(struct ixgbe_model *model, const struct vnet_frame *frame);

extern const struct vnet_wire_ops ixgbe_wire_ops;

struct ixgbe_stats {
	uint64_t tx_pkts, tx_bytes, rx_pkts, rx_bytes;
	uint64_t tx_bad_cnt;      /* frames that were refused: length, legacy descriptor, segmentation */
	uint64_t rx_filtered_cnt; /* not for this station */
	uint64_t rx_too_big_cnt;  /* longer than MAXFRS */
	uint64_t rx_missed_cnt;   /* no buffers, with drop_when_full */
	uint64_t failed_cnt;      /* rings that broke the rules */
	uint64_t dma_refused_cnt; /* addresses that the client had not granted */
	uint64_t reset_cnt;
	uint64_t fault_cnt; /* lies told */
	uint64_t fault_kind_cnt[IXGBE_FAULT_CNT];
};

void ixgbe_model_stats_get(const struct ixgbe_model *model, struct ixgbe_stats *out);

#endif
