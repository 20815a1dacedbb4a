/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keeper: a fiber of the owner core that does what cannot be done in a pass of the scheduler, because it waits for
 * registers or for admin commands: requests of other cores, aborts, events, the look at CSTS, resets. One thing at a
 * time, so none of them has to mind another.
 */
#include <bulkhead/cell.h>

#include "internal.h"

void
bh_nvme_attention(struct bh_nvme *ctrl)
{
	__atomic_store_n(&ctrl->attention, 1, __ATOMIC_RELEASE);
}

void
bh_nvme_reset_want(struct bh_nvme *ctrl, uint32_t reason)
{
	__atomic_fetch_or(&ctrl->reset_wanted, reason, __ATOMIC_RELEASE);
	bh_nvme_attention(ctrl);
}

/* The owner core's poller: admin completions (events are handled right here), and a wake-up for the keeper. */
void
bh_nvme_keeper_poll(void *arg)
{
	struct bh_nvme *ctrl = arg;

	bh_nvme_poll(ctrl->admin, NVME_ADMIN_DEPTH);
	if (__atomic_load_n(&ctrl->attention, __ATOMIC_RELAXED))
		bh_event_signal(&ctrl->event);
}

/* Base 2.0, 5.1. Whether it helped shows in the command: it completes, or its pair asks for a reset. */
static void
abort_one(struct bh_nvme *ctrl, struct bh_nvme_qpair *qp, uint32_t ask)
{
	struct nvme_sqe cmd = {
	        .opcode = NVME_ADMIN_ABORT,
	        .cdw10 = NVME_SET(NVME_ABORT_SQID, qp->qid) | NVME_SET(NVME_ABORT_CID, ask & 0xffffu),
	};
	uint32_t result = 0;
	int err = bh_nvme_admin_exec(ctrl, &cmd, &result, NULL);

	bh_counter_add(ctrl->cnt_abort, 1);
	bh_log_warn("nvme: abort of command %x of queue %u: %d, not aborted %u", ask & 0xffffu, qp->qid, err,
	            result & NVME_ABORT_RESULT_NOT_ABORTED);
	if (err == -BH_ETIMEDOUT)
		bh_nvme_reset_want(ctrl, NVME_RESET_ADMIN);
	__atomic_compare_exchange_n(&qp->slow->abort_ask, &ask, 0, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED);
}

static uint32_t
abort_ask(const struct bh_nvme *ctrl, uint32_t qid)
{
	const struct bh_nvme_qpair *qp = ctrl->qp[qid];
	return qp ? __atomic_load_n(&qp->slow->abort_ask, __ATOMIC_ACQUIRE) : 0;
}

static bool
is_abort_asked(const struct bh_nvme *ctrl)
{
	for (uint32_t qid = 1; qid < NVME_QPAIRS_MAX; qid++) {
		if (abort_ask(ctrl, qid) != 0)
			return true;
	}
	return false;
}

static void
aborts_serve(struct bh_nvme *ctrl)
{
	for (uint32_t qid = 1; qid < NVME_QPAIRS_MAX; qid++) {
		uint32_t ask = abort_ask(ctrl, qid);
		if (ask)
			abort_one(ctrl, ctrl->qp[qid], ask);
	}
}

/* Base 2.0, 9.5 (fatal status); a device that is gone reads all ones. */
static void
status_watch(struct bh_nvme *ctrl, uint32_t foreign_cnt)
{
	uint32_t csts;
	int err = bh_nvme_csts_read(ctrl, &csts);

	if (bh_nvme_foreign_reset_cnt(ctrl) != foreign_cnt)
		return; /* read beside a reset of the function: the next look tells */
	if (err == -BH_ENODEV) {
		bh_log_error("nvme: registers read all ones: the device is gone");
		bh_nvme_remove(ctrl);
	} else if (err) {
		bh_log_error("nvme: CSTS cannot be read (%d)", err);
	} else if (csts & NVME_CSTS_CFS) {
		bh_nvme_reset_want(ctrl, NVME_RESET_FATAL);
	} else if (!(csts & NVME_CSTS_RDY)) {
		bh_nvme_reset_want(ctrl, NVME_RESET_NOT_READY);
	}
}

/* One round of work on a controller that is not removed. */
static void
keeper_work(struct bh_nvme *ctrl, uint64_t *watch_next_tsc)
{
	/* Whoever resets the function below us: hands off until that has ended. */
	uint32_t foreign_cnt = bh_nvme_foreign_reset_wait(ctrl);
	/* Before an abort, too: a controller that failed or is gone answers none, and its time-out would come first. */
	if (bh_clock_now_tsc() >= *watch_next_tsc || is_abort_asked(ctrl)) {
		*watch_next_tsc = bh_clock_now_tsc() + ctrl->watch_tsc;
		status_watch(ctrl, foreign_cnt);
	}
	uint32_t reasons = __atomic_exchange_n(&ctrl->reset_wanted, 0, __ATOMIC_ACQUIRE);
	if (NVME_PHASE_OF(ctrl->phase) == NVME_PHASE_REMOVED)
		return;
	if (reasons) {
		bh_nvme_reset_run(ctrl, reasons);
		return;
	}
	aborts_serve(ctrl);
	bh_nvme_events_read(ctrl);
}

void
bh_nvme_keeper_main(void *arg)
{
	struct bh_nvme *ctrl = arg;
	uint64_t watch_next_tsc = bh_clock_now_tsc() + ctrl->watch_tsc;

	for (;;) {
		if (!__atomic_exchange_n(&ctrl->attention, 0, __ATOMIC_ACQUIRE)) {
			uint64_t until_tsc = BH_MAX(watch_next_tsc, bh_clock_now_tsc());
			int err = bh_event_wait(&ctrl->event, until_tsc);
			(void)err; /* woken or not: look */
		}
		if (NVME_PHASE_OF(ctrl->phase) != NVME_PHASE_REMOVED)
			keeper_work(ctrl, &watch_next_tsc);
		else
			watch_next_tsc = bh_clock_now_tsc() + ctrl->watch_tsc;
		if (!bh_nvme_requests_serve(ctrl))
			return; /* closed: the controller may be freed */
	}
}
