/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Virtqueues as a driver sees them, split and packed (VIRTIO 1.2, 2.7 and 2.8), for queues whose buffers are packets.
 *
 * The rings lie in the arena, where the device may write whatever it likes at any time. So nothing that it can reach is
 * believed: which descriptors are free, which packet an identifier stands for, and how long a chain is, is kept on the
 * heap; of a used entry, identifier and length are read once and checked.
 *
 * A receive queue holds one packet per descriptor, always: for each one that the device used, another takes its place
 * at once, under the same identifier. So it needs no list of free descriptors.
 *
 * Order. Nearly all devices use buffers in the order in which they were given. As long as that is seen to be so
 * (`in_order`), a descriptor's identifier is its position: a transmit queue needs no list of free identifiers, the
 * available ring of a split queue says the same for ever and is not written again, and the bursts' quick halves know
 * what comes next. The first entry out of order ends that: from then on free identifiers are on a stack, and each entry
 * is looked up. A transmit queue that has become empty begins again.
 *
 * Batches. A packed queue with VIRTIO_F_IN_ORDER (2.8.9) is promised the order, and the device may say with one entry
 * that it used all buffers up to that one: a core that sends 32 frames then fetches one line of the ring back, not eight.
 * On a split ring the same would mean to believe the used index alone, which says of no buffer that it was meant: there
 * the feature is not asked for.
 */
#ifndef DRIVERS_NET_VIRTIO_VIRTQ_H
#define DRIVERS_NET_VIRTIO_VIRTQ_H

#include <bulkhead/arch.h>
#include <bulkhead/pkt.h>
#include <bulkhead/spec/virtio.h>
#include <bulkhead/spec/virtio_net.h>
#include <bulkhead/types.h>

#define BH_VIRTQ_SIZE_MAX 4096u

struct bh_virtq {
	/* The ring: desc, avail and used of a split one; ring and the two event structures of a packed one. */
	struct virtq_desc *desc;
	struct virtq_avail *avail;
	volatile struct virtq_used *used;
	struct virtq_packed_desc *ring;
	struct virtq_packed_event *driver_event;
	volatile struct virtq_packed_event *device_event;

	/* Private. */
	struct bh_pkt **slot; /* by identifier; NULL: not with the device */
	uint16_t *free_id;    /* transmit, not in order: a stack of identifiers */
	uint16_t *chain_cnt;  /* transmit: descriptors of the chain that begins with this identifier; 1 if none does */
	uint16_t *next_id;    /* transmit, split: the chain's next descriptor */
	uint16_t size, mask;
	uint16_t reclaim_below; /* transmit: so few free descriptors that what was sent is taken back: three quarters */
	uint16_t avail_idx;   /* split: the index that was published; packed: position of the next descriptor to give */
	uint16_t used_idx;    /* split: next used entry, not masked; packed: position */
	uint16_t avail_flags; /* packed: VIRTQ_PACKED_F_* of a descriptor that is given now */
	uint16_t used_wrap;   /* packed: 0 or 1 */
	uint16_t id_cnt;      /* transmit, not in order: identifiers on the stack */
	uint16_t desc_idx;    /* transmit, in order: the next descriptor to give, not masked */
	uint16_t done_idx;    /* transmit, in order: the oldest that the device has, not masked */
	uint16_t free_cnt;    /* transmit: descriptors that are free */
	uint16_t chains;      /* transmit: frames of more than one descriptor that the device has */
	uint16_t same_cnt;    /* transmit, split: so many entries before avail_idx say their own position */
	uint16_t filled;      /* receive: identifiers [0, filled) have had their first packet */
	uint16_t queue_idx;   /* the device's number of this queue */
	uint16_t batch_left;  /* receive, batched: buffers of the batch that was read last and are not taken yet */
	uint32_t batch_bytes; /* length of its last; the others are full */
	bool packed;
	bool batched;               /* packed, with VIRTIO_F_IN_ORDER: an entry may stand for all before it */
	bool in_order;              /* every used entry so far was of the oldest buffer */
	volatile void *notify_addr; /* NULL: through the mailbox */
	uint32_t notify_offset;     /* in the BAR of the notification structure */
};

/* Where the three parts are; for the queue's addresses. */
struct bh_virtq_addrs {
	uint64_t desc, driver, device;
};

/**
 * bh_virtq_init - rings and bookkeeping for `size` descriptors
 * @size: a power of two, 2 .. BH_VIRTQ_SIZE_MAX
 * @transmit: with the stack of free identifiers
 *
 * Once per queue and port: the arena frees nothing.
 * Return: 0; -BH_EINVAL size; -BH_ENOMEM.
 */
BH_MUST_CHECK int bh_virtq_init(struct bh_virtq *vq, uint16_t queue_idx, uint16_t size, bool packed, bool transmit);

/* bh_virtq_reset - empty, as the specification wants it before the queue is enabled. No packet may be in it. */
void bh_virtq_reset(struct bh_virtq *vq);

/* bh_virtq_free - the heap part */
void bh_virtq_free(struct bh_virtq *vq);

struct bh_virtq_addrs bh_virtq_addrs(const struct bh_virtq *vq);

/**
 * bh_virtq_take - each packet that is with the device, to the caller: for draining
 * Return: NULL when there is none left.
 */
struct bh_pkt *bh_virtq_take(struct bh_virtq *vq);

/* bh_virtq_seems_asleep - the device's wish to be told of what is published (2.7.7, 2.8.10), as it is seen now */
BH_INLINE bool
bh_virtq_seems_asleep(const struct bh_virtq *vq)
{
	if (vq->packed)
		return vq->device_event->flags != VIRTQ_EVENT_FLAGS_DISABLE;
	return !(vq->used->flags & VIRTQ_USED_F_NO_NOTIFY);
}

/* bh_virtq_wants_notify - the same for sure. Orders: what was published is visible before the device's wish is read. */
BH_INLINE bool
bh_virtq_wants_notify(const struct bh_virtq *vq)
{
	bh_dma_mb();
	return bh_virtq_seems_asleep(vq);
}

/*
 * A descriptor of either ring: an address, then a word: length, flags and next of a split one, length, identifier and
 * flags of a packed one.
 */
struct bh_virtq_desc_words {
	uint64_t addr, word;
} __attribute__((may_alias));

_Static_assert(sizeof(struct bh_virtq_desc_words) == sizeof(struct virtq_desc) &&
                       sizeof(struct bh_virtq_desc_words) == sizeof(struct virtq_packed_desc),
               "one shape");

BH_INLINE struct bh_virtq_desc_words *
bh_virtq_desc_at(const struct bh_virtq *vq, uint32_t position, bool packed)
{
	void *first = packed ? (void *)vq->ring : (void *)vq->desc;
	return (struct bh_virtq_desc_words *)first + position;
}

/* What a used descriptor of a packed ring is known by: both flags, the identifier; and the length. */
#define BH_VIRTQ_PACKED_SEEN ((uint64_t)(VIRTQ_PACKED_F_AVAIL | VIRTQ_PACKED_F_USED) << 48 | UINT64_C(0xffffffffffff))

/* bh_virtq_packed_used_word - that of the next position, used in order, of length 0 */
BH_INLINE uint64_t
bh_virtq_packed_used_word(const struct bh_virtq *vq, uint32_t id)
{
	uint64_t flags = vq->used_wrap ? VIRTQ_PACKED_F_AVAIL | VIRTQ_PACKED_F_USED : 0;
	return flags << 48 | (uint64_t)id << 32;
}

/* bh_virtq_id_take - a free identifier: the next descriptor's while in order. One must be free. Transmit. */
BH_INLINE uint16_t
bh_virtq_id_take(struct bh_virtq *vq)
{
	return BH_LIKELY(vq->in_order) ? (uint16_t)(vq->desc_idx++ & vq->mask) : vq->free_id[--vq->id_cnt];
}

/**
 * bh_virtq_chain_done - the device has used the chain that begins with `id`: its descriptors and identifiers are free
 *
 * Where the order ends or begins again. Transmit.
 */
void bh_virtq_chain_done(struct bh_virtq *vq, uint16_t id);

/* Split. */

/* bh_virtq_split_publish - everything up to avail_idx is the device's. Orders: entries before the index (2.7.13.3). */
BH_INLINE void
bh_virtq_split_publish(struct bh_virtq *vq)
{
	bh_dma_wmb();
	*(volatile uint16_t *)&vq->avail->idx = vq->avail_idx;
}

/* bh_virtq_split_ready - used entries to look at; more than `size`: the device lies. Orders: the index before them. */
BH_INLINE uint16_t
bh_virtq_split_ready(const struct bh_virtq *vq)
{
	uint16_t cnt = (uint16_t)(vq->used->idx - vq->used_idx);
	bh_dma_rmb();
	return cnt;
}

/* bh_virtq_split_used - entry `ahead` behind the next, read once */
BH_INLINE struct virtq_used_elem
bh_virtq_split_used(const struct bh_virtq *vq, uint16_t ahead)
{
	uint64_t word = *(volatile virtq_used_word *)(uintptr_t)&vq->used->ring[(vq->used_idx + ahead) & vq->mask];
	return (struct virtq_used_elem){.id = (uint32_t)word, .len = (uint32_t)(word >> 32)};
}

/* bh_virtq_split_desc - addr first; then length, flags and next in one store */
BH_INLINE void
bh_virtq_split_desc(struct bh_virtq *vq, uint16_t id, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	struct virtq_desc *desc = &vq->desc[id];
	desc->addr = addr;
	*(uint64_t *)(void *)&desc->len = len | (uint64_t)flags << 32 | (uint64_t)next << 48;
}

BH_INLINE void
bh_virtq_split_avail(struct bh_virtq *vq, uint16_t id)
{
	uint16_t at = vq->avail_idx++ & vq->mask;
	vq->avail->ring[at] = id;
	if (BH_UNLIKELY(at != id))
		vq->same_cnt = 0;
}

/* Packed. */

/*
 * bh_virtq_packed_used - whether the descriptor `ahead` behind the next is used; its identifier and length are read
 * once (2.8.3: in a used one both flag bits equal the wrap counter)
 */
BH_INLINE bool
bh_virtq_packed_used(const struct bh_virtq *vq, uint16_t ahead, struct virtq_used_elem *out)
{
	uint32_t position = vq->used_idx + (uint32_t)ahead;
	uint16_t wrap = vq->used_wrap ^ (uint16_t)(position >= vq->size);
	const struct virtq_packed_desc *desc = &vq->ring[position & vq->mask];
	uint64_t word = *(volatile uint64_t *)(uintptr_t)&desc->len;
	uint16_t flags = (uint16_t)(word >> 48), used_flags = wrap ? VIRTQ_PACKED_F_AVAIL | VIRTQ_PACKED_F_USED : 0;
	if ((flags & (VIRTQ_PACKED_F_AVAIL | VIRTQ_PACKED_F_USED)) != used_flags)
		return false;
	bh_dma_rmb();
	*out = (struct virtq_used_elem){.id = (uint32_t)(word >> 32) & 0xffff, .len = (uint32_t)word};
	return true;
}

BH_INLINE void
bh_virtq_packed_used_skip(struct bh_virtq *vq, uint16_t cnt)
{
	uint32_t position = vq->used_idx + (uint32_t)cnt;
	vq->used_wrap ^= (uint16_t)(position >= vq->size);
	vq->used_idx = (uint16_t)(position & vq->mask);
}

/* bh_virtq_batch_cnt - positions from `position` to that of identifier `id`, both counted: one batch, in order */
BH_INLINE uint16_t
bh_virtq_batch_cnt(const struct bh_virtq *vq, uint32_t position, uint32_t id)
{
	return (uint16_t)(((id - position) & vq->mask) + 1);
}

/* bh_virtq_packed_word - length, identifier and flags of a descriptor as the one store that gives it to the device */
BH_INLINE uint64_t
bh_virtq_packed_word(uint32_t len, uint16_t id, uint16_t flags)
{
	return len | (uint64_t)id << 32 | (uint64_t)flags << 48;
}

/* bh_virtq_packed_skip - past cnt positions, whose descriptors were given or are given later (the first of a chain) */
BH_INLINE void
bh_virtq_packed_skip(struct bh_virtq *vq, uint16_t cnt)
{
	uint32_t position = vq->avail_idx + (uint32_t)cnt;
	if (position >= vq->size)
		vq->avail_flags ^= VIRTQ_PACKED_F_AVAIL | VIRTQ_PACKED_F_USED;
	vq->avail_idx = (uint16_t)(position & vq->mask);
}

/* bh_virtq_packed_give - one descriptor at the next position. Orders: its address before its flags (2.8.21). */
BH_INLINE void
bh_virtq_packed_give(struct bh_virtq *vq, uint64_t addr, uint32_t len, uint16_t id, uint16_t flags)
{
	struct virtq_packed_desc *desc = &vq->ring[vq->avail_idx];
	desc->addr = addr;
	bh_dma_wmb();
	*(volatile uint64_t *)(void *)&desc->len = bh_virtq_packed_word(len, id, flags | vq->avail_flags);
	bh_virtq_packed_skip(vq, 1);
}

#endif
