/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A queue pair's life with the device: Create and Delete I/O Queue (Base 2.0, 5.4 to 5.7) are run by the owner core, on
 * request of the core that wants the pair.
 */
#include <bulkhead/cell.h>

#include "internal.h"

static int
queue_admin(struct bh_nvme *ctrl, uint8_t opcode, uint64_t ring, uint32_t cdw10, uint32_t cdw11)
{
	struct nvme_sqe cmd = {.opcode = opcode, .prp1 = ring, .cdw10 = cdw10, .cdw11 = cdw11};
	uint16_t status = 0;
	int err = bh_nvme_admin_exec(ctrl, &cmd, NULL, &status);
	if (err)
		bh_log_error("nvme: queue command %x, dword %x: status %x (%d)", opcode, cdw10, status, err);
	return err;
}

/* The device may still have a queue there: not to be used before the next reset. */
static void
memory_lose(struct bh_nvme *ctrl, uint32_t qid)
{
	__atomic_store_n(&ctrl->memory[qid].lost, true, __ATOMIC_RELEASE);
}

int
bh_nvme_qpair_device_create(struct bh_nvme *ctrl, struct bh_nvme_qpair *qp)
{
	uint32_t qid = NVME_SET(NVME_QUEUE_QID, qp->qid);
	uint32_t cq_size = NVME_SET(NVME_QUEUE_QSIZE, qp->slow->cq_entries - 1);
	uint32_t sq_size = NVME_SET(NVME_QUEUE_QSIZE, qp->slow->sq_entries - 1);

	bh_nvme_qpair_shadow(qp);
	int err = queue_admin(ctrl, NVME_ADMIN_CREATE_CQ, (uintptr_t)qp->cq, qid | cq_size, NVME_CREATE_PC);
	bool lost = err == -BH_ETIMEDOUT;
	if (!err) {
		err = queue_admin(ctrl, NVME_ADMIN_CREATE_SQ, (uintptr_t)qp->sq, qid | sq_size,
		                  NVME_CREATE_PC | NVME_SET(NVME_CREATE_SQ_CQID, qp->qid));
		lost = err == -BH_ETIMEDOUT || (err && queue_admin(ctrl, NVME_ADMIN_DELETE_CQ, 0, qid, 0));
	}
	if (lost)
		memory_lose(ctrl, qp->qid);
	if (err)
		return err;
	qp->slow->created = true;
	ctrl->qp[qp->qid] = qp;
	return 0;
}

/*
 * SQ before CQ: the other order is an error (Base 2.0, 5.6). Memory of a queue that may still be alive is not used
 * again.
 */
int
bh_nvme_qpair_device_delete(struct bh_nvme *ctrl, struct bh_nvme_qpair *qp)
{
	uint32_t qid = NVME_SET(NVME_QUEUE_QID, qp->qid);
	int err = 0;

	ctrl->qp[qp->qid] = NULL;
	qp->slow->created = false;
	if (NVME_PHASE_OF(ctrl->phase) == NVME_PHASE_REMOVED)
		return 0;
	err = queue_admin(ctrl, NVME_ADMIN_DELETE_SQ, 0, qid, 0);
	if (!err)
		err = queue_admin(ctrl, NVME_ADMIN_DELETE_CQ, 0, qid, 0);
	if (err)
		memory_lose(ctrl, qp->qid);
	return err;
}

static uint32_t
qid_claim(struct bh_nvme *ctrl)
{
	for (uint32_t qid = 1; qid <= ctrl->info.io_queue_cnt; qid++) {
		if (!__atomic_load_n(&ctrl->memory[qid].lost, __ATOMIC_ACQUIRE) &&
		    !__atomic_exchange_n(&ctrl->qid_taken[qid], 1, __ATOMIC_ACQ_REL))
			return qid;
	}
	return 0;
}

static void
qid_release(struct bh_nvme *ctrl, uint32_t qid)
{
	__atomic_store_n(&ctrl->qid_taken[qid], 0, __ATOMIC_RELEASE);
}

/*
 * The pair's core gave up waiting for the owner, which answers only now: nobody has the pair, so the device must not have
 * it either. Until here it took part in resets by its poller, which also frees it: on its own core.
 */
void
bh_nvme_qpair_orphan(struct bh_nvme *ctrl, struct bh_nvme_qpair *qp)
{
	if (qp->slow->created) {
		int err = bh_nvme_qpair_device_delete(ctrl, qp);
		if (err == -BH_ETIMEDOUT)
			bh_nvme_reset_want(ctrl, NVME_RESET_ADMIN);
	}
	__atomic_store_n(&qp->slow->orphan, 1, __ATOMIC_RELEASE);
}

/* The last touch of the controller is the identifier's release: bh_nvme_close() waits for that. */
void
bh_nvme_qpair_bury(struct bh_nvme_qpair *qp)
{
	struct bh_nvme *ctrl = qp->slow->ctrl;
	uint32_t qid = qp->qid;

	bh_poller_remove(&qp->slow->poller);
	bh_nvme_qpair_free(qp);
	qid_release(ctrl, qid);
}

/* Ask the owner; *out_kept: it may still hold the pair, which stays polled until bh_nvme_qpair_bury(). */
static int
owner_asked(struct bh_nvme *ctrl, enum nvme_op op, struct bh_nvme_qpair *qp, bool *out_kept)
{
	struct nvme_request *request = bh_nvme_request_new(op, 0);
	*out_kept = false;
	if (!request)
		return -BH_ENOMEM;
	request->qp = qp;
	int err = bh_nvme_request_run(ctrl, &request);
	*out_kept = !request;
	if (*out_kept)
		__atomic_store_n(&qp->slow->abandoned, true, __ATOMIC_RELEASE);
	bh_heap_free(request);
	return err;
}

int
bh_nvme_qpair_create(struct bh_nvme *ctrl, uint32_t entries, struct bh_nvme_qpair **out_qp)
{
	struct bh_nvme_qpair *qp;
	bool kept;

	if (entries == 0 || entries >= NVME_QUEUE_ENTRIES_MAX / 2)
		return -BH_EINVAL;
	if (bh_nvme_state(ctrl) != BH_NVME_LIVE)
		return bh_nvme_state(ctrl) == BH_NVME_REMOVED ? -BH_ENODEV : -BH_EAGAIN;
	uint32_t qid = qid_claim(ctrl);
	if (qid == 0)
		return -BH_ENOSPC;
	int err = bh_nvme_qpair_new(ctrl, qid, entries, &qp);
	if (err) {
		qid_release(ctrl, qid);
		return err;
	}

	qp->slow->poller = (struct bh_poller){.fn = bh_nvme_qpair_poll, .arg = qp};
	bh_poller_add(&qp->slow->poller);
	err = owner_asked(ctrl, NVME_OP_CREATE, qp, &kept);
	if (!err) {
		bh_nvme_qpair_poll(qp);
		*out_qp = qp;
		return 0;
	}
	if (!kept)
		bh_nvme_qpair_bury(qp);
	return err;
}

int
bh_nvme_qpair_delete(struct bh_nvme_qpair *qp)
{
	struct bh_nvme *ctrl = qp->slow->ctrl;
	bool kept;

	/* Ends: each command completes by itself, or by its time-out, the abort, the reset, or the removal. */
	while (bh_nvme_outstanding(qp)) {
		bh_nvme_poll(qp, qp->slow->depth);
		bh_yield();
	}
	int err = owner_asked(ctrl, NVME_OP_DELETE, qp, &kept);
	if (!kept && err != -BH_ENOMEM)
		bh_nvme_qpair_bury(qp);
	return err;
}
