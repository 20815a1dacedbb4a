/* SPDX-License-Identifier: Apache-2.0 */
/* Completions that are not plain successes: refused ones, errors, time-outs, and the pair's part in a reset. */

#include "internal.h"

/* Whether an error is still worth a record: a bad device must not fill the log. Counters go on. */
static bool
log_allowed(struct bh_nvme_qpair *qp)
{
	struct bh_nvme_qpair_slow *slow = qp->slow;

	if (slow->log_budget == 0)
		return false;
	if (--slow->log_budget == 0)
		bh_log_warn("nvme: queue %u: this is the last error logged, more are only counted", qp->qid);
	return true;
}

/*
 * Completed already: the identifier that the slot had last or, where the slot is in use again, the one before. The latter
 * is what a device that completes twice gives, if this core comes by between the two.
 */
static bool
is_duplicate(const struct bh_nvme_qpair *qp, uint32_t cid)
{
	const struct bh_nvme_slot *slot = &qp->slot[cid & qp->sq_mask];
	uint32_t behind = (slot->tag - cid) & 0xffffu;

	if (slot->tag & NVME_TAG_UNUSED)
		return false;
	if (!(slot->tag & BH_NVME_SLOT_LIVE))
		return behind == 0;
	return behind == qp->tag_step && !(slot->flags & NVME_SLOT_FIRST);
}

/* Name the reason. What is wrong with neither queue nor identifier has a submission queue head outside of the queue. */
static uint64_t *
refuse_reason(const struct bh_nvme_qpair *qp, uint64_t cqe_high)
{
	const struct nvme_counters *counters = &qp->slow->counters;
	uint32_t cid = cqe_high >> 32 & 0xffffu;
	uint32_t tag = qp->slot[cid & qp->sq_mask].tag;

	if ((cqe_high >> 16 & 0xffffu) != qp->qid)
		return counters->wrong_sq;
	if (is_duplicate(qp, cid))
		return counters->duplicate;
	if (tag != (cid | BH_NVME_SLOT_LIVE))
		return counters->unknown_id;
	return counters->bad_sq_head;
}

void
bh_nvme_refuse(struct bh_nvme_qpair *qp, uint64_t cqe_high)
{
	struct bh_nvme *ctrl = qp->slow->ctrl;

	bh_counter_add(refuse_reason(qp, cqe_high), 1);
	qp->refused_row++;
	if (log_allowed(qp)) {
		bh_log_warn("nvme: queue %u: completion refused: sq head %lu, sq %lu, identifier %lx, word %lx",
		            qp->qid, cqe_high & 0xffffu, cqe_high >> 16 & 0xffffu, cqe_high >> 32 & 0xffffu,
		            cqe_high >> 48);
	}
	if (qp->refused_row == ctrl->options.refused_max)
		bh_nvme_reset_want(ctrl, NVME_RESET_REFUSED);
}

/* Real controllers may complete out of order with the head that they had when they began. */
void
bh_nvme_old_head(struct bh_nvme_qpair *qp, uint64_t cqe_high)
{
	bh_counter_add(qp->slow->counters.old_sq_head, 1);
	if (log_allowed(qp))
		bh_log_info("nvme: queue %u: sq head %lu is not between %u and %u; not relied on", qp->qid,
		            cqe_high & 0xffffu, qp->sq_head & qp->sq_mask, qp->sq_rung & qp->sq_mask);
}

/* Return: what done_fn is told. */
uint16_t
bh_nvme_bad_status(struct bh_nvme_qpair *qp, struct bh_nvme_slot *slot, uint64_t cqe_high)
{
	uint32_t word = (uint32_t)(cqe_high >> 48);
	uint16_t status = NVME_STATUS_OF_WORD(word);

	if (status == NVME_SC_SUCCESS)
		return status;
	bh_counter_add(qp->slow->counters.status_error, 1);
	if (slot->flags & NVME_SLOT_TIMED_OUT && status == NVME_SC_ABORT_REQUESTED)
		return BH_NVME_STATUS_TIMED_OUT;
	if (status != NVME_SC_COMPARE_FAILURE && log_allowed(qp)) {
		bh_log_warn("nvme: queue %u: command %lx failed: type %u code %x, do not retry %u", qp->qid,
		            cqe_high >> 32 & 0xffffu, NVME_STATUS_SCT(status), NVME_STATUS_SC(status),
		            (word & NVME_CQE_DNR) != 0);
	}
	return status;
}

int
bh_nvme_status_error(uint16_t status)
{
	switch (status) {
	case NVME_SC_SUCCESS:
		return 0;
	case BH_NVME_STATUS_TIMED_OUT:
		return -BH_ETIMEDOUT;
	case BH_NVME_STATUS_RESET:
		return -BH_ECANCELED;
	case BH_NVME_STATUS_REMOVED:
		return -BH_ENODEV;
	default:
		return -BH_EIO;
	}
}

/*
 * First the owner is asked to abort the command, one of a pair at a time; a command that survives that costs a reset.
 */
static void
slot_expired(struct bh_nvme_qpair *qp, struct bh_nvme_slot *slot)
{
	struct bh_nvme_qpair_slow *slow = qp->slow;

	if (!(slot->flags & NVME_SLOT_TIMED_OUT)) {
		slot->flags |= NVME_SLOT_TIMED_OUT;
		bh_counter_add(slow->counters.timeout, 1);
		if (log_allowed(qp))
			bh_log_warn("nvme: queue %u: command %x timed out", qp->qid, slot->tag & 0xffffu);
	}
	if (slot->flags & NVME_SLOT_ABORT_ASKED) {
		bh_nvme_reset_want(slow->ctrl, NVME_RESET_TIMEOUT);
		return;
	}
	if (__atomic_load_n(&slow->abort_ask, __ATOMIC_ACQUIRE))
		return;
	slot->flags |= NVME_SLOT_ABORT_ASKED;
	slot->epoch = qp->epoch;
	__atomic_store_n(&slow->abort_ask, slot->tag, __ATOMIC_RELEASE);
	bh_nvme_attention(slow->ctrl);
}

/* Once in BH_NVME_TICK_POLLS polls: whether a tick has passed, and then whether a command is too old. */
void
bh_nvme_tick(struct bh_nvme_qpair *qp)
{
	struct bh_nvme_qpair_slow *slow = qp->slow;

	qp->tick_polls = BH_NVME_TICK_POLLS;
	if (slow->tick_tsc == 0)
		return;
	uint64_t now_tsc = bh_clock_now_tsc();
	if (now_tsc < slow->tick_next_tsc)
		return;
	slow->tick_next_tsc = now_tsc + slow->tick_tsc;
	qp->epoch++;
	if (bh_nvme_outstanding(qp) == 0)
		return;
	for (uint32_t i = 0; i < slow->depth; i++) {
		struct bh_nvme_slot *slot = &qp->slot[i];
		if (slot->tag & BH_NVME_SLOT_LIVE && qp->epoch - slot->epoch > NVME_TICKS_PER_TIMEOUT)
			slot_expired(qp, slot);
	}
}

uint32_t
bh_nvme_qpair_fail_all(struct bh_nvme_qpair *qp, uint16_t status)
{
	struct bh_nvme_qpair_slow *slow = qp->slow;
	uint32_t *free_cnt = slow->parked ? &slow->free_parked : &qp->free_cnt;
	uint32_t failed_cnt = 0;

	for (uint32_t i = 0; i < slow->depth; i++) {
		struct bh_nvme_slot *slot = &qp->slot[i];
		if (!(slot->tag & BH_NVME_SLOT_LIVE))
			continue;
		uint16_t told = slot->flags & NVME_SLOT_TIMED_OUT ? BH_NVME_STATUS_TIMED_OUT : status;
		slot->tag &= 0xffffu;
		slot->flags = 0;
		qp->free_idx[(*free_cnt)++] = (uint16_t)i;
		failed_cnt++;
		slot->done_fn(slot->arg, told);
	}
	return failed_cnt;
}

static void
park(struct bh_nvme_qpair *qp)
{
	struct bh_nvme_qpair_slow *slow = qp->slow;
	if (slow->parked)
		return;
	slow->parked = true;
	slow->free_parked = qp->free_cnt;
	qp->free_cnt = 0;
}

static void
unpark(struct bh_nvme_qpair *qp, uint32_t phase)
{
	struct bh_nvme_qpair_slow *slow = qp->slow;
	slow->parked = false;
	qp->free_cnt = slow->free_parked;
	qp->phase_seen = phase;
}

/*
 * The pair's side of the drawing in internal.h. While a pair is parked it has no free slot, so nothing can be
 * submitted.
 */
uint32_t
bh_nvme_poll_parked(struct bh_nvme_qpair *qp)
{
	struct bh_nvme_qpair_slow *slow = qp->slow;
	uint32_t phase = __atomic_load_n(qp->ctrl_phase, __ATOMIC_ACQUIRE);
	uint32_t failed_cnt = 0;

	/* done_fn may poll: the outer call finishes the step. */
	if (phase == slow->phase_acked || slow->in_step)
		return 0;
	slow->in_step = true;
	park(qp);
	switch (NVME_PHASE_OF(phase)) {
	case NVME_PHASE_QUIESCE:
		break;
	case NVME_PHASE_DRAIN:
		failed_cnt = bh_nvme_qpair_fail_all(qp, BH_NVME_STATUS_RESET);
		bh_nvme_qpair_empty(qp);
		break;
	case NVME_PHASE_REMOVED:
		failed_cnt = bh_nvme_qpair_fail_all(qp, BH_NVME_STATUS_REMOVED);
		break;
	case NVME_PHASE_LIVE:
		slow->log_budget = NVME_LOG_BUDGET;
		unpark(qp, phase);
		break;
	}
	slow->in_step = false;
	__atomic_store_n(&slow->abort_ask, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&slow->phase_acked, phase, __ATOMIC_RELEASE);
	return failed_cnt;
}

/* Each pass of the scheduler: a pair that nobody polls still takes part in resets and notices time-outs. */
void
bh_nvme_qpair_poll(void *arg)
{
	struct bh_nvme_qpair *qp = arg;

	if (BH_UNLIKELY(__atomic_load_n(qp->ctrl_phase, __ATOMIC_ACQUIRE) != qp->phase_seen))
		bh_nvme_poll_parked(qp);
	else if (BH_UNLIKELY(--qp->tick_polls == 0))
		bh_nvme_tick(qp);
	else
		return;
	if (__atomic_load_n(&qp->slow->orphan, __ATOMIC_ACQUIRE))
		bh_nvme_qpair_bury(qp);
}
