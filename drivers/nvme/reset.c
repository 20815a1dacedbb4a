/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Controller reset (Base 2.0, 3.7.2) with commands outstanding, and giving a device up. The drawing is in internal.h.
 */
#include <bulkhead/cell.h>

#include "internal.h"

#define QUIESCE_NS (100 * NVME_MS_NS)
#define DRAIN_NS   (5000 * NVME_MS_NS)
#define ATTEMPTS   3

void
bh_nvme_phase_set(struct bh_nvme *ctrl, enum nvme_phase phase)
{
	uint32_t count = (ctrl->phase >> 2) + 1;
	__atomic_store_n(&ctrl->phase, (count & 0xffffffu) << 2 | phase, __ATOMIC_RELEASE);
}

enum bh_nvme_state
bh_nvme_state(const struct bh_nvme *ctrl)
{
	switch (NVME_PHASE_OF(__atomic_load_n(&ctrl->phase, __ATOMIC_ACQUIRE))) {
	case NVME_PHASE_LIVE:
		return BH_NVME_LIVE;
	case NVME_PHASE_REMOVED:
		return BH_NVME_REMOVED;
	default:
		return BH_NVME_RESETTING;
	}
}

static bool
all_acked(const struct bh_nvme *ctrl)
{
	for (uint32_t qid = 1; qid < NVME_QPAIRS_MAX; qid++) {
		const struct bh_nvme_qpair *qp = ctrl->qp[qid];
		if (qp && __atomic_load_n(&qp->slow->phase_acked, __ATOMIC_ACQUIRE) != ctrl->phase)
			return false;
	}
	return true;
}

/* A step that every pair sees in its own poll. Return: 0; -BH_ETIMEDOUT: a core does not poll. */
static int
step(struct bh_nvme *ctrl, enum nvme_phase phase, uint64_t wait_ns)
{
	uint64_t deadline_tsc = bh_nvme_deadline(wait_ns);

	bh_nvme_phase_set(ctrl, phase);
	while (!all_acked(ctrl)) {
		if (bh_clock_now_tsc() >= deadline_tsc)
			return -BH_ETIMEDOUT;
		bh_yield();
	}
	return 0;
}

/* The admin queue is this core's: what was on it (events, commands that timed out) ended with the reset. */
static void
admin_empty(struct bh_nvme *ctrl)
{
	bh_nvme_qpair_fail_all(ctrl->admin, BH_NVME_STATUS_RESET);
	bh_nvme_qpair_empty(ctrl->admin);
	ctrl->admin->sq_shadow = NULL;
	ctrl->admin->cq_shadow = NULL;
	ctrl->event_pages = 0;
}

/*
 * The end of a device. What can still be done against its DMA is a reset of the whole function; it is tried once, and
 * then outstanding commands end as removed, whether it worked or not: nobody is left who could complete them.
 */
void
bh_nvme_remove(struct bh_nvme *ctrl)
{
	int err = bh_nvme_device_reset(ctrl);
	bh_log_error("nvme: giving the device up; last reset of the function: %d", err);
	bh_counter_add(ctrl->cnt_removed, 1);
	bh_nvme_phase_set(ctrl, NVME_PHASE_REMOVED);
	ctrl->info.shadow_doorbells = false;
	admin_empty(ctrl);
}

static int
bring_back(struct bh_nvme *ctrl)
{
	admin_empty(ctrl);
	ctrl->data_lost = false;
	int err = bh_nvme_enable(ctrl);
	if (!err)
		err = bh_nvme_setup_features(ctrl);
	if (!err)
		err = bh_nvme_setup_queues(ctrl);
	return err;
}

/*
 * Up from quiet, in a few attempts. One that a foreign reset disturbed says nothing about the controller and is not
 * counted, up to NVME_DISTURBED_MAX of them.
 */
static int
bring_back_attempts(struct bh_nvme *ctrl)
{
	for (int attempt = 0, disturbed = 0;;) {
		uint32_t foreign_cnt = bh_nvme_foreign_reset_cnt(ctrl);
		int err = bring_back(ctrl);
		if (!err)
			return 0;
		bool foreign = bh_nvme_foreign_reset_cnt(ctrl) != foreign_cnt && ++disturbed < NVME_DISTURBED_MAX;
		if (!foreign && (err == -BH_ENODEV || ++attempt == ATTEMPTS))
			return err;
		bh_log_warn("nvme: the controller did not come back (%d), attempt %d, disturbed %d times", err, attempt,
		            disturbed);
		err = bh_nvme_quiet(ctrl);
		if (err)
			return err;
	}
}

/* Return: 0: live again; -BH_ENODEV: given up. */
int
bh_nvme_reset_run(struct bh_nvme *ctrl, uint32_t reasons)
{
	bh_log_warn(
	        "nvme: controller reset, reasons %x (1 asked, 2 time-out, 4 refused, 8 fatal, 16 not ready, 32 admin)",
	        reasons);
	bh_counter_add(ctrl->cnt_reset, 1);
	if (step(ctrl, NVME_PHASE_QUIESCE, QUIESCE_NS))
		bh_log_warn("nvme: a core did not stop submitting in time; going on");

	int err = bh_nvme_quiet(ctrl);
	if (!err && step(ctrl, NVME_PHASE_DRAIN, DRAIN_NS)) {
		bh_log_error("nvme: a core with a queue pair does not poll: its queues cannot be rebuilt");
		err = -BH_ETIMEDOUT;
	}
	if (!err)
		err = bring_back_attempts(ctrl);
	if (err) {
		bh_log_error("nvme: reset failed (%d)", err);
		bh_nvme_remove(ctrl);
		return -BH_ENODEV;
	}
	/* What made the old controller's reset necessary is answered by this one. */
	__atomic_store_n(&ctrl->reset_wanted, 0, __ATOMIC_RELEASE);
	bh_nvme_events_arm(ctrl);
	bh_nvme_phase_set(ctrl, NVME_PHASE_LIVE);
	bh_log_info("nvme: live again");
	return 0;
}

int
bh_nvme_reset(struct bh_nvme *ctrl)
{
	struct nvme_request *request = bh_nvme_request_new(NVME_OP_RESET, 0);
	if (!request)
		return -BH_ENOMEM;
	int err = bh_nvme_request_run(ctrl, &request);
	bh_heap_free(request);
	return err;
}
