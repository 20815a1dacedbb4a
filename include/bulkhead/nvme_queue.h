/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The NVMe driver's hot path: submit, ring, poll. Included by <bulkhead/nvme.h>; include that one.
 *
 * The whole way of an I/O is in this file, inline. All functions are for the queue pair's own core.
 *
 *	bh_nvme_read() ...   takes a slot, writes one 64-byte entry               (no doorbell)
 *	bh_nvme_ring()       one doorbell for all entries since the last one
 *	bh_nvme_poll()       rings, then delivers what the device completed
 *
 * How a completion is believed. A command's identifier is its slot's index in the low bits and a generation above, new
 * at each use of the slot. The slot (on the heap) holds the identifier that it waits for and one bit "live", so one
 * compare refuses identifiers that never were, that are completed already, and those of an earlier use.
 *
 * Time. Nothing reads the clock per I/O: a slot is stamped with the pair's epoch, which bh_nvme_poll moves on every
 * 1/8 of the time-out; it looks at the clock once in BH_NVME_TICK_POLLS polls. A time-out is therefore up to 1/4 late.
 */
#ifndef BULKHEAD_NVME_QUEUE_H
#define BULKHEAD_NVME_QUEUE_H

#include <bulkhead/arch.h>
#include <bulkhead/mem.h>
#include <bulkhead/nvme.h>
#include <bulkhead/sched.h>

#define BH_NVME_TICK_POLLS     256u
#define BH_NVME_SLOT_LIVE      UINT32_C(0x10000)
#define BH_NVME_SQ_AHEAD       8u  /* entries whose line is asked for before they are written */
#define BH_NVME_CQ_AHEAD       12u /* entries whose line is asked for before they are read */
#define BH_NVME_DSM_RANGES_MAX 64u /* per call of bh_nvme_dsm */

/* One outstanding command's bookkeeping: heap, 32 bytes, so two share a line. */
struct bh_nvme_slot {
	uint32_t tag;   /* identifier | BH_NVME_SLOT_LIVE while the device has the command */
	uint32_t epoch; /* of submission, or of the abort */
	bh_nvme_done_fn done_fn;
	void *arg;
	uint32_t flags; /* NVME_SLOT_* of the driver, cleared at completion */
	uint32_t reserved;
};

_Static_assert(sizeof(struct bh_nvme_slot) == 32, "two slots per line");

/*
 * Fields are the driver's: read nothing but through functions. Indices run freely modulo 2^32; rings are powers of two.
 */
struct bh_nvme_qpair {
	/* Submission */
	struct nvme_sqe *sq; /* arena */
	uint32_t sq_mask;
	uint32_t sq_tail;          /* next entry to write */
	uint32_t sq_rung;          /* tail as last told to the device */
	uint32_t free_cnt;         /* 0 also while the pair is parked by a reset */
	uint16_t *free_idx;        /* heap: stack of free slots */
	struct bh_nvme_slot *slot; /* heap: sq_mask + 1 of them */
	uint32_t tag_step;         /* adds one generation to a tag */
	uint32_t epoch;
	uint64_t small_bytes_max; /* transfers up to this need no PRP list and no split */
	uint64_t arena_low;
	uint64_t arena_span; /* a small buffer begins so far above arena_low: all but the last small_bytes_max */
	volatile uint32_t *sq_doorbell;

	/* Completion */
	struct nvme_cqe *cq BH_ALIGNED(64); /* arena */
	uint32_t cq_mask;
	uint32_t cq_shift; /* log2 of its entries: bit cq_shift of cq_head is the inverted phase */
	uint32_t cq_head;
	uint32_t cq_rung;
	uint32_t sq_head; /* what the device has fetched, by its completions: looked at, not relied on */
	uint32_t qid;
	const uint32_t *ctrl_phase; /* the controller's; any other value than phase_seen means: look */
	uint32_t phase_seen;
	uint32_t tick_polls; /* polls left until the clock is looked at */
	volatile uint32_t *cq_doorbell;
	uint32_t refused_row;    /* bad completions since the last good one */
	uint32_t ahead_free_max; /* read completions ahead while fewer slots are free: then there are some */
	uint32_t cq_lazy_cnt;    /* tell the device the CQ head when it is this far behind */

	/* Shadow doorbells (Doorbell Buffer Config); NULL: not in use */
	volatile uint32_t *sq_shadow BH_ALIGNED(64);
	volatile uint32_t *cq_shadow;
	const volatile uint32_t *sq_event;
	const volatile uint32_t *cq_event;

	struct bh_nvme_qpair_slow *slow; /* all that is not hot: drivers/nvme/internal.h */
};

/* Out of line; what the inline code does not do. */
int bh_nvme_rw_slow(struct bh_nvme_qpair *qp, const struct bh_nvme_ns *ns, uint32_t opcode, uint32_t cdw12_flags,
                    uint64_t lba, uint32_t lba_cnt, const void *buf, bh_nvme_done_fn done_fn, void *arg);
int bh_nvme_no_slot(const struct bh_nvme_qpair *qp);
void bh_nvme_refuse(struct bh_nvme_qpair *qp, uint64_t cqe_high);
void bh_nvme_old_head(struct bh_nvme_qpair *qp, uint64_t cqe_high);
uint16_t bh_nvme_bad_status(struct bh_nvme_qpair *qp, struct bh_nvme_slot *slot, uint64_t cqe_high);
uint32_t bh_nvme_poll_parked(struct bh_nvme_qpair *qp);
void bh_nvme_tick(struct bh_nvme_qpair *qp);

/* bh_nvme_slot_take - a free slot, marked live; the caller made sure that free_cnt is not 0. Return: its tag. */
BH_INLINE uint32_t
bh_nvme_slot_take(struct bh_nvme_qpair *qp, bh_nvme_done_fn done_fn, void *arg)
{
	struct bh_nvme_slot *slot = &qp->slot[qp->free_idx[--qp->free_cnt]];
	uint32_t tag = ((slot->tag + qp->tag_step) & 0xffffu) | BH_NVME_SLOT_LIVE;
	slot->tag = tag;
	slot->epoch = qp->epoch;
	slot->done_fn = done_fn;
	slot->arg = arg;
	return tag;
}

/**
 * bh_nvme_sq_post - write one command to the submission queue's tail
 * @tag: from bh_nvme_slot_take(); the queue has more entries than slots can be waiting, so it cannot be full
 *
 * Eight 8-byte stores fill the line.
 * Ordering: plain stores; bh_nvme_ring() orders them before the doorbell.
 */
BH_INLINE void
bh_nvme_sq_post(struct bh_nvme_qpair *qp, uint32_t tag, uint32_t opcode, uint32_t nsid, uint64_t prp1, uint64_t prp2,
                uint64_t cdw10_11, uint64_t cdw12_13)
{
	uint64_t *entry = (uint64_t *)&qp->sq[qp->sq_tail & qp->sq_mask];
	/* The device had these lines last: several on their way at once cost hardly more than one. The ring is padded for it. */
	bh_prefetch_write(entry + BH_NVME_SQ_AHEAD * 8);
	qp->sq_tail++;
	/* The tag's live bit is bit 16: shifted up it would fall into NSID, so it is taken out. */
	entry[0] = opcode | (tag ^ BH_NVME_SLOT_LIVE) << 16 | (uint64_t)nsid << 32;
	entry[1] = 0;
	entry[2] = 0;
	entry[3] = prp1;
	entry[4] = prp2;
	entry[5] = cdw10_11;
	entry[6] = cdw12_13;
	entry[7] = 0;
}

/**
 * bh_nvme_rw - submit a read, write or compare (NVM Command Set 1.0, 3.2)
 * @opcode: NVME_NVM_READ, NVME_NVM_WRITE or NVME_NVM_COMPARE
 * @cdw12_flags: 0, NVME_RW_FUA, NVME_RW_LR
 * @buf: in the arena, 4-byte aligned; lba_cnt blocks; the device's until done_fn was called
 *
 * A request larger than info.transfer_bytes_max is sent as several commands, done_fn is called once, after the last,
 * with the first error there was. Does not ring the doorbell.
 * Return: 0: done_fn will be called exactly once. Otherwise it will not:
 *   -BH_EAGAIN     as many commands outstanding as the pair has slots, or a reset is under way: poll and try again
 *   -BH_EFAULT     the buffer is not wholly in the arena
 *   -BH_EINVAL     lba_cnt is 0, the buffer is not 4-byte aligned, or done_fn is NULL
 *   -BH_EOPNOTSUPP compare on a controller without it
 *   -BH_ENODEV     the device is removed
 */
BH_MUST_CHECK BH_INLINE int
bh_nvme_rw(struct bh_nvme_qpair *qp, const struct bh_nvme_ns *ns, uint32_t opcode, uint32_t cdw12_flags, uint64_t lba,
           uint32_t lba_cnt, const void *buf, bh_nvme_done_fn done_fn, void *arg)
{
	uint64_t addr = (uintptr_t)buf;
	uint64_t bytes = (uint64_t)lba_cnt << ns->lba_shift;
	uint64_t end_in_page = (addr & (BH_PAGE_BYTES - 1)) + bytes;

	/* At most two pages, surely in the arena: PRP1 and PRP2. The slow path names what is wrong with the rest, if anything. */
	if (BH_UNLIKELY(bytes - 1 >= qp->small_bytes_max || end_in_page > 2 * BH_PAGE_BYTES ||
	                addr - qp->arena_low > qp->arena_span || addr & NVME_PRP_ALIGN_MASK || !done_fn ||
	                opcode == NVME_NVM_COMPARE))
		return bh_nvme_rw_slow(qp, ns, opcode, cdw12_flags, lba, lba_cnt, buf, done_fn, arg);
	if (BH_UNLIKELY(qp->free_cnt == 0))
		return bh_nvme_no_slot(qp);

	uint64_t prp2 = end_in_page > BH_PAGE_BYTES ? (addr | (BH_PAGE_BYTES - 1)) + 1 : 0;
	uint32_t tag = bh_nvme_slot_take(qp, done_fn, arg);
	bh_nvme_sq_post(qp, tag, opcode, ns->nsid, addr, prp2, lba, (lba_cnt - 1) | cdw12_flags);
	return 0;
}

/* bh_nvme_read, bh_nvme_write - bh_nvme_rw() without flags. */
BH_MUST_CHECK BH_INLINE int
bh_nvme_read(struct bh_nvme_qpair *qp, const struct bh_nvme_ns *ns, uint64_t lba, uint32_t lba_cnt, void *buf,
             bh_nvme_done_fn done_fn, void *arg)
{
	return bh_nvme_rw(qp, ns, NVME_NVM_READ, 0, lba, lba_cnt, buf, done_fn, arg);
}

BH_MUST_CHECK BH_INLINE int
bh_nvme_write(struct bh_nvme_qpair *qp, const struct bh_nvme_ns *ns, uint64_t lba, uint32_t lba_cnt, const void *buf,
              bh_nvme_done_fn done_fn, void *arg)
{
	return bh_nvme_rw(qp, ns, NVME_NVM_WRITE, 0, lba, lba_cnt, buf, done_fn, arg);
}

/* bh_nvme_compare - compare the media with buf; status NVME_SC_COMPARE_FAILURE where they differ. As bh_nvme_rw(). */
BH_MUST_CHECK int bh_nvme_compare(struct bh_nvme_qpair *qp, const struct bh_nvme_ns *ns, uint64_t lba, uint32_t lba_cnt,
                                  const void *buf, bh_nvme_done_fn done_fn, void *arg);

/* bh_nvme_flush - commit what completed before to non-volatile media. Errors: -BH_EAGAIN, -BH_EINVAL, -BH_ENODEV. */
BH_MUST_CHECK int bh_nvme_flush(struct bh_nvme_qpair *qp, const struct bh_nvme_ns *ns, bh_nvme_done_fn done_fn,
                                void *arg);

/*
 * bh_nvme_write_zeroes - blocks read as zeroes afterwards; more than 65536, or WZSL, are split. Also -BH_EOPNOTSUPP,
 * -BH_EINVAL.
 */
BH_MUST_CHECK int bh_nvme_write_zeroes(struct bh_nvme_qpair *qp, const struct bh_nvme_ns *ns, uint64_t lba,
                                       uint32_t lba_cnt, bh_nvme_done_fn done_fn, void *arg);

/**
 * bh_nvme_dsm - Dataset Management over ranges of blocks
 * @attributes: NVME_DSM_AD (deallocate), NVME_DSM_IDR, NVME_DSM_IDW
 * @ranges: range_cnt (1 .. BH_NVME_DSM_RANGES_MAX) of them in any memory; copied
 * Return: 0; -BH_EAGAIN; -BH_EINVAL; -BH_EOPNOTSUPP; -BH_ENODEV.
 */
BH_MUST_CHECK int bh_nvme_dsm(struct bh_nvme_qpair *qp, const struct bh_nvme_ns *ns, uint32_t attributes,
                              const struct nvme_dsm_range *ranges, uint32_t range_cnt, bh_nvme_done_fn done_fn,
                              void *arg);

/* bh_nvme_outstanding - commands that the device has (children of a split request count one each). */
uint32_t bh_nvme_outstanding(const struct bh_nvme_qpair *qp);

/**
 * bh_nvme_doorbell - tell the device a new index, through shadow and EventIdx where they are in use
 *
 * Ordering: entries before the index. With shadow doorbells the store of the index comes before the load of EventIdx
 * (bh_dma_mb): the device does the reverse, so at least one side sees the other (Base 2.0, 5.8).
 */
BH_INLINE void
bh_nvme_doorbell(volatile uint32_t *doorbell, volatile uint32_t *shadow, const volatile uint32_t *event, uint32_t value)
{
	bh_dma_wmb();
	if (BH_UNLIKELY(shadow != NULL)) {
		uint16_t old = (uint16_t)*shadow;
		*shadow = value;
		bh_dma_mb();
		uint16_t wanted = (uint16_t)*event;
		if ((uint16_t)(value - wanted - 1) >= (uint16_t)(value - old))
			return;
	}
	bh_mmio_write32(doorbell, value);
}

/* bh_nvme_ring - let the device see all commands submitted so far; nothing when there are none. One store. */
BH_INLINE void
bh_nvme_ring(struct bh_nvme_qpair *qp)
{
	if (qp->sq_tail == qp->sq_rung)
		return;
	qp->sq_rung = qp->sq_tail;
	bh_nvme_doorbell(qp->sq_doorbell, qp->sq_shadow, qp->sq_event, qp->sq_tail & qp->sq_mask);
}

/* bh_nvme_complete - believe, or refuse, one completion whose phase fits; @cqe_high: its upper 8 bytes, read once. */
BH_INLINE uint32_t
bh_nvme_complete(struct bh_nvme_qpair *qp, uint64_t cqe_high)
{
	uint32_t sq_head = cqe_high & 0xffffu;
	uint32_t sq_id = cqe_high >> 16 & 0xffffu;
	uint32_t cid = cqe_high >> 32 & 0xffffu;
	uint32_t status_word = (uint32_t)(cqe_high >> 48);
	struct bh_nvme_slot *slot = &qp->slot[cid & qp->sq_mask];
	uint32_t fetched = (sq_head - qp->sq_head) & qp->sq_mask;

	if (BH_UNLIKELY(slot->tag != (cid | BH_NVME_SLOT_LIVE) || sq_id != qp->qid || sq_head > qp->sq_mask)) {
		bh_nvme_refuse(qp, cqe_high);
		return 0;
	}
	/* Nothing waits for entries to be fetched: a queue has more of them than slots. So a head that goes back is only counted. */
	if (BH_LIKELY(fetched <= qp->sq_rung - qp->sq_head))
		qp->sq_head += fetched;
	else
		bh_nvme_old_head(qp, cqe_high);
	qp->refused_row = 0;
	uint16_t status = 0;
	if (BH_UNLIKELY(status_word > NVME_CQE_PHASE))
		status = bh_nvme_bad_status(qp, slot, cqe_high);

	/* Free before the call, so that done_fn can always submit one. */
	slot->tag = cid;
	slot->flags = 0;
	qp->free_idx[qp->free_cnt++] = (uint16_t)(cid & qp->sq_mask);
	slot->done_fn(slot->arg, status);
	return 1;
}

/**
 * bh_nvme_poll - ring the doorbell if commands wait for it, then deliver completions
 * @max: stop after this many
 *
 * With nothing to do it reads one line that the device writes, and nothing else that another core or a device touches.
 * During a reset it fails what was outstanding. May be called from done_fn, which then runs nested.
 * Return: how many commands completed (children of a split request counted, refused completions not).
 */
BH_INLINE uint32_t
bh_nvme_poll(struct bh_nvme_qpair *qp, uint32_t max)
{
	uint32_t done_cnt = 0;

	if (BH_UNLIKELY(__atomic_load_n(qp->ctrl_phase, __ATOMIC_ACQUIRE) != qp->phase_seen))
		return bh_nvme_poll_parked(qp);
	bh_nvme_ring(qp);
	if (BH_UNLIKELY(--qp->tick_polls == 0))
		bh_nvme_tick(qp);
	for (uint32_t seen_cnt = 0; seen_cnt < max; seen_cnt++) {
		uint32_t head = qp->cq_head;
		/*
		 * sq_head, sq_id, cid and status are the entry's second half: one load takes them all, and the phase.
		 */
		const volatile uint64_t *half = (const volatile uint64_t *)&qp->cq[head & qp->cq_mask] + 1;
		uint64_t cqe_high = *half;
		if (((cqe_high >> 48 ^ head >> qp->cq_shift) & NVME_CQE_PHASE) == 0)
			break;
		bh_dma_rmb();
		if (qp->free_cnt < qp->ahead_free_max)
			bh_prefetch_read((const void *)(half + 2 * BH_NVME_CQ_AHEAD));
		qp->cq_head = head + 1;
		done_cnt += bh_nvme_complete(qp, cqe_high);
		/* done_fn may have polled, and that call may have parked the pair: its free slots are put away then. */
		if (BH_UNLIKELY(__atomic_load_n(qp->ctrl_phase, __ATOMIC_RELAXED) != qp->phase_seen))
			break;
	}
	if (BH_UNLIKELY(qp->cq_head - qp->cq_rung >= qp->cq_lazy_cnt)) {
		qp->cq_rung = qp->cq_head;
		bh_nvme_doorbell(qp->cq_doorbell, qp->cq_shadow, qp->cq_event, qp->cq_head & qp->cq_mask);
	}
	return done_cnt;
}

#endif
