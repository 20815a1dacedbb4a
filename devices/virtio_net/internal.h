/* SPDX-License-Identifier: Apache-2.0 */
/**
 *	model.c    creation, reset, memory
 *	reg.c      registers
 *	ring.c     descriptor chains of both kinds of ring, and what is given back
 *	frame.c    frames out of and into rings
 *	ctrl.c     control queue and receive filter
 *	fault.c    how it lies when it is told to
 */
#ifndef DEVICES_VIRTIO_NET_INTERNAL_H
#define DEVICES_VIRTIO_NET_INTERNAL_H

#include <bulkhead/arch_x86_64.h>

#include "devices/virtio_net/vnet_model.h"

#define VNET_QUEUES_MAX    (2 * VNET_PAIRS_MAX + 1)
#define VNET_MAC_TABLE_MAX 64u
#define VNET_NO_VECTOR     0xffffu

struct vnet_queue {
	bool enabled, packed, irq_due;
	uint16_t size;
	uint16_t vector;
	uint16_t avail_idx;   /* split: next to take, not masked; packed: position */
	uint16_t used_idx;    /* likewise, next to give back */
	uint16_t avail_cache; /* split: the client's index as last read */
	bool avail_wrap, used_wrap;
	bool batched;     /* transmit, packed, in order: one used entry for all since the last flush */
	bool unpublished; /* split: used entries wait for vnet_model_flush(); batched: the one entry does */
	struct {
		uint16_t at, id; /* where the entry goes; the last buffer */
		bool wrap;
	} batch;
	uint64_t iova[3]; /* descriptors, driver area, device area */
	uint8_t *addr[3]; /* NULL: to be asked for */
} BH_ALIGNED(64);

/* A chain, copied from the descriptors: readable pieces first, then writable ones (2.7.4.2). */
struct vnet_chain {
	uint16_t id;
	uint16_t desc_cnt; /* packed: positions that it takes */
	uint32_t out_cnt, in_cnt;
	uint64_t out_bytes, in_bytes;
	struct {
		uint64_t iova;
		uint32_t len_bytes;
	} piece[VNET_PIECES_MAX];
};

struct vnet_model {
	struct vnet_window window; /* the last hit */
	bool running;
	uint32_t pairs; /* in use */
	struct vnet_queue queue[VNET_QUEUES_MAX];
	struct vnet_stats stats;

	struct vnet_model_config config;
	struct vnet_host host;
	uint64_t offered, driver_features, features; /* features: after FEATURES_OK */
	uint32_t device_select, driver_select;
	uint16_t queue_select, config_vector;
	uint8_t status, isr, generation;
	bool link_up;
	uint8_t mac[VNET_MAC_BYTES];

	bool promiscuous, all_multicast;
	uint32_t mac_cnt;
	bool mac_overflow; /* more addresses than the table holds: let everything through */
	uint8_t mac_table[VNET_MAC_TABLE_MAX][VNET_MAC_BYTES];

	uint64_t frame_cnt[2];                    /* received and sent, for the faults */
	uint64_t fired_cnt[VNET_FAULT_RULES_MAX]; /* of each rule */
	struct {
		uint32_t left; /* 0: none */
		volatile uint8_t *at;
		uint32_t width_bytes; /* 4 or 2 */
		uint32_t now, other;  /* what stands there, what comes next */
	} change;
	uint8_t scratch[VNET_FRAME_BYTES_MAX]; /* a frame whose checksum we have to finish */
};

/* model.c */
void vnet_fail(struct vnet_model *m);
void *vnet_dma_slow(struct vnet_model *m, uint64_t iova, uint64_t cnt_bytes, uint32_t prot);

BH_INLINE void *
vnet_dma(struct vnet_model *m, uint64_t iova, uint64_t cnt_bytes, uint32_t prot)
{
	const struct vnet_window *w = &m->window;
	uint64_t offset = iova - w->iova;
	if (BH_LIKELY(offset < w->size_bytes && cnt_bytes <= w->size_bytes - offset && !(prot & ~w->prot)))
		return w->addr + offset;
	return vnet_dma_slow(m, iova, cnt_bytes, prot);
}

/* ring.c */
void vnet_queue_reset(struct vnet_queue *q, uint16_t size);
/* vnet_queue_start - when the client enables it: says that we poll. Return: false: its memory is not granted. */
bool vnet_queue_start(struct vnet_model *m, struct vnet_queue *q);
/* vnet_chain_peek - the chain that stands next, `ahead` positions (packed) or chains (split) further. False: none. */
bool vnet_chain_peek(struct vnet_model *m, struct vnet_queue *q, uint16_t ahead, struct vnet_chain *out);
/* vnet_chain_done - give the next chain back, with len_bytes written. In the order in which they were taken. */
void vnet_chain_done(struct vnet_model *m, struct vnet_queue *q, uint16_t id, uint16_t desc_cnt, uint32_t len_bytes);
/* vnet_queue_publish - what is unpublished, without an interrupt */
void vnet_queue_publish(struct vnet_queue *q);
void vnet_queue_flush(struct vnet_model *m, struct vnet_queue *q);

/* fault.c: whether this frame of a receive or transmit queue is lied about, and then how */
enum vnet_fault vnet_fault_draw(struct vnet_model *m, bool transmit);
void vnet_fault_header(enum vnet_fault fault, struct virtio_net_hdr *header);
void vnet_fault_used(struct vnet_model *m, struct vnet_queue *q, enum vnet_fault fault, uint16_t id, uint16_t desc_cnt,
                     uint32_t len_bytes);
/* vnet_fault_change_header - the header at `to` begins to change */
void vnet_fault_change_header(struct vnet_model *m, enum vnet_fault fault, uint8_t *to);
void vnet_fault_change_go_on(struct vnet_model *m);

/* ctrl.c */
bool vnet_filter_pass(const struct vnet_model *m, const uint8_t *frame);
void vnet_filter_reset(struct vnet_model *m);

#endif
