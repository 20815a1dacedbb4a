/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What cell and host half tell each other: memory that both write. Each takes what the other wrote for hostile.
 *
 *   header | a line per core | a line per port | rings to Linux, one per core | ring from Linux | slots of each ring
 *
 * A ring has one producer and one consumer. Each side keeps its own index to itself and publishes a copy; of the other
 * side's index it believes only what is possible. A slot holds one frame, with its VLAN tag and its checksums in it.
 *
 *	producer:  slot = fwd_ring_room(&end); copy; fwd_ring_put(&end, bytes, port, reason); ... fwd_ring_publish(&end);
 *	consumer:  slot = fwd_ring_next(&end); copy; fwd_ring_drop(&end); ... fwd_ring_publish(&end);
 */
#ifndef APPS_FWD_CHANNEL_H
#define APPS_FWD_CHANNEL_H

#include "apps/fwd/table.h"

#define FWD_CHANNEL_MAGIC     UINT64_C(0x4e48434457464842)
#define FWD_CHANNEL_VERSION   1u
#define FWD_CHANNEL_CORES_MAX 16u
#define FWD_RING_SLOT_CNT     512u  /* a power of two */
#define FWD_SLOT_BYTES        2048u /* with struct fwd_slot; jumbo ports: FWD_SLOT_BYTES_MAX */
#define FWD_SLOT_BYTES_MAX    16384u

struct fwd_slot {
	uint32_t bytes;  /* of the frame */
	uint8_t port;    /* to Linux: where it came in; from Linux: where it goes out */
	uint8_t reason;  /* to Linux: why; the application's own numbers */
	uint8_t pad[10]; /* the IP header is at 16 + 14: on a multiple of 2 */
	uint8_t frame[];
};

_Static_assert(sizeof(struct fwd_slot) == 16, "frames begin on 16");

/* Written by the cell, read by the host half. */
struct fwd_port_line {
	uint32_t ready; /* 1: mac and mtu_bytes are valid; stored last */
	uint32_t link_up;
	uint32_t mtu_bytes; /* largest frame without its Ethernet header that the port sends */
	uint8_t mac[6];
	uint8_t pad[46];
} BH_ALIGNED(64);

struct fwd_ring {
	uint64_t head BH_ALIGNED(64); /* next to write: the producer's */
	uint64_t tail BH_ALIGNED(64); /* next to read: the consumer's */
};

_Static_assert(sizeof(struct fwd_port_line) == 64 && sizeof(struct fwd_ring) == 128, "whole lines");

/* Written by the host half before the cell starts; the cell checks it and keeps what it needs. */
struct fwd_channel {
	uint64_t magic;
	uint32_t version;
	uint32_t core_cnt;
	uint32_t port_cnt;
	uint32_t slot_cnt;   /* of each ring; a power of two */
	uint32_t slot_bytes; /* a power of two */
	uint32_t pad;
	uint64_t size_bytes;  /* of all */
	uint64_t slot_offset; /* of the first ring's slots; the others follow, that from Linux last */
	struct fwd_core_line core[FWD_CHANNEL_CORES_MAX];
	struct fwd_port_line port[FWD_PORTS_MAX];
	struct fwd_ring to_linux[FWD_CHANNEL_CORES_MAX];
	struct fwd_ring from_linux; /* for core 0 */
};

/* One side's end of a ring. */
struct fwd_ring_end {
	struct fwd_ring *ring;
	uint8_t *slots;
	uint32_t slot_cnt, slot_bytes;
	uint64_t own;   /* this side's index; the ring has a copy */
	uint64_t other; /* the other's, when last looked at */
	bool produces;
	bool broken; /* the other side's index was impossible: the ring is not looked at again */
};

BH_INLINE uint64_t
fwd_channel_bytes(uint32_t core_cnt, uint32_t slot_cnt, uint32_t slot_bytes)
{
	uint64_t slots = (uint64_t)(core_cnt + 1) * slot_cnt * slot_bytes;
	return ((sizeof(struct fwd_channel) + 4095) & ~UINT64_C(4095)) + slots;
}

/* fwd_channel_init - lay an empty channel out in fwd_channel_bytes() of zeroed memory. Host half. */
BH_INLINE void
fwd_channel_init(struct fwd_channel *channel, uint32_t core_cnt, uint32_t port_cnt, uint32_t slot_cnt,
                 uint32_t slot_bytes)
{
	channel->version = FWD_CHANNEL_VERSION;
	channel->core_cnt = core_cnt;
	channel->port_cnt = port_cnt;
	channel->slot_cnt = slot_cnt;
	channel->slot_bytes = slot_bytes;
	channel->size_bytes = fwd_channel_bytes(core_cnt, slot_cnt, slot_bytes);
	channel->slot_offset = channel->size_bytes - (uint64_t)(core_cnt + 1) * slot_cnt * slot_bytes;
	for (uint32_t i = 0; i < FWD_CHANNEL_CORES_MAX; i++)
		channel->core[i].epoch = FWD_EPOCH_OFFLINE;
	channel->magic = FWD_CHANNEL_MAGIC;
}

/**
 * fwd_channel_end - one end of a ring
 * @ring_idx: 0 .. core_cnt - 1 to Linux, core_cnt from Linux
 *
 * The header is read here and not again. Return: 0; -BH_EPROTO it is no such channel, or not of that size.
 */
BH_INLINE int
fwd_channel_end(struct fwd_channel *channel, uint64_t size_bytes, uint32_t ring_idx, bool produces,
                struct fwd_ring_end *out)
{
	uint32_t core_cnt = channel->core_cnt, slot_cnt = channel->slot_cnt, slot_bytes = channel->slot_bytes;
	if (channel->magic != FWD_CHANNEL_MAGIC || channel->version != FWD_CHANNEL_VERSION || core_cnt == 0 ||
	    core_cnt > FWD_CHANNEL_CORES_MAX || ring_idx > core_cnt || slot_cnt == 0 || slot_cnt > 65536 ||
	    (slot_cnt & (slot_cnt - 1)) != 0 || slot_bytes < FWD_SLOT_BYTES || slot_bytes > FWD_SLOT_BYTES_MAX ||
	    (slot_bytes & (slot_bytes - 1)) != 0 || size_bytes < fwd_channel_bytes(core_cnt, slot_cnt, slot_bytes))
		return -BH_EPROTO;
	uint64_t slots = fwd_channel_bytes(core_cnt, slot_cnt, slot_bytes) -
	                 (uint64_t)(core_cnt + 1 - ring_idx) * slot_cnt * slot_bytes;
	*out = (struct fwd_ring_end){
	        .ring = ring_idx == core_cnt ? &channel->from_linux : &channel->to_linux[ring_idx],
	        .slots = (uint8_t *)channel + slots,
	        .slot_cnt = slot_cnt,
	        .slot_bytes = slot_bytes,
	        .produces = produces,
	};
	return 0;
}

/* fwd_ring_frame_max - the largest frame that a slot holds */
BH_INLINE uint32_t
fwd_ring_frame_max(const struct fwd_ring_end *end)
{
	return end->slot_bytes - (uint32_t)sizeof(struct fwd_slot);
}

BH_INLINE struct fwd_slot *
fwd_ring_slot(const struct fwd_ring_end *end, uint64_t idx)
{
	return (struct fwd_slot *)(void *)(end->slots + (idx & (end->slot_cnt - 1)) * end->slot_bytes);
}

/* Look at the other side's index; one that cannot be ends the ring's use. Return: the difference. */
BH_INLINE uint64_t
fwd_ring_look(struct fwd_ring_end *end)
{
	uint64_t other = __atomic_load_n(end->produces ? &end->ring->tail : &end->ring->head, __ATOMIC_ACQUIRE);
	uint64_t between = end->produces ? end->own - other : other - end->own;
	if (between > end->slot_cnt)
		end->broken = true;
	else
		end->other = other;
	return between;
}

/* fwd_ring_room - the slot to fill next; NULL: the ring is full, or broken. Producer. */
BH_INLINE struct fwd_slot *
fwd_ring_room(struct fwd_ring_end *end)
{
	if (end->own - end->other >= end->slot_cnt && (end->broken || fwd_ring_look(end) >= end->slot_cnt))
		return (struct fwd_slot *)0;
	return fwd_ring_slot(end, end->own);
}

/* fwd_ring_put - the slot of fwd_ring_room is filled; the consumer sees it after fwd_ring_publish. */
BH_INLINE void
fwd_ring_put(struct fwd_ring_end *end, uint32_t bytes, uint8_t port, uint8_t reason)
{
	struct fwd_slot *slot = fwd_ring_slot(end, end->own++);
	slot->bytes = bytes;
	slot->port = port;
	slot->reason = reason;
}

/**
 * fwd_ring_next - the oldest frame; NULL: none, or the ring is broken. Consumer.
 *
 * The producer may write into it at any time: read each field once, check it, copy.
 */
BH_INLINE const struct fwd_slot *
fwd_ring_next(struct fwd_ring_end *end)
{
	if (end->own == end->other && (end->broken || fwd_ring_look(end) == 0 || end->broken))
		return (const struct fwd_slot *)0;
	return fwd_ring_slot(end, end->own);
}

/* fwd_ring_drop - done with the frame of fwd_ring_next; the producer may use its slot after fwd_ring_publish. */
BH_INLINE void
fwd_ring_drop(struct fwd_ring_end *end)
{
	end->own++;
}

/* fwd_ring_publish - let the other side see how far this one is. Once per burst. */
BH_INLINE void
fwd_ring_publish(struct fwd_ring_end *end)
{
	__atomic_store_n(end->produces ? &end->ring->head : &end->ring->tail, end->own, __ATOMIC_RELEASE);
}

#endif
