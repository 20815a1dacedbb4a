/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a freshly enabled controller is told, at bring-up and again after each reset: Number of Queues, which events we
 * want, shadow doorbells, and the I/O queues that exist on our side.
 */
#include "internal.h"

static int
feature_set(struct bh_nvme *ctrl, uint32_t feature, uint32_t value, uint32_t *out_result)
{
	struct nvme_sqe cmd = {.opcode = NVME_ADMIN_SET_FEATURES, .cdw10 = feature, .cdw11 = value};
	return bh_nvme_admin_exec(ctrl, &cmd, out_result, NULL);
}

/* Base 2.0, 5.27.1.5: the controller may grant fewer or more than asked for; a pair needs one of each kind. */
static int
queue_cnt_set(struct bh_nvme *ctrl)
{
	uint32_t wanted = ctrl->options.io_queue_cnt, result;
	int err = feature_set(ctrl, NVME_FEATURE_QUEUE_CNT,
	                      NVME_SET(NVME_QUEUE_CNT_NSQ, wanted - 1) | NVME_SET(NVME_QUEUE_CNT_NCQ, wanted - 1),
	                      &result);
	if (err)
		return err;

	uint32_t granted = BH_MIN(NVME_GET(result, NVME_QUEUE_CNT_NSQ), NVME_GET(result, NVME_QUEUE_CNT_NCQ)) + 1;
	if (granted < wanted)
		bh_log_warn("nvme: %u queue pairs wanted, %u granted", wanted, granted);
	ctrl->info.io_queue_cnt = BH_MIN(wanted, granted);
	return 0;
}

/* Base 2.0, 5.8. The pages hold indices of queues that begin at 0 again. */
static int
shadow_set(struct bh_nvme *ctrl)
{
	if (!(ctrl->info.oacs & NVME_OACS_DOORBELL_BUFFER) || ctrl->options.no_shadow_doorbells)
		return 0;
	if (!ctrl->shadow_page) {
		ctrl->shadow_page = bh_dma_alloc(BH_PAGE_BYTES, BH_PAGE_BYTES);
		ctrl->event_page = bh_dma_alloc(BH_PAGE_BYTES, BH_PAGE_BYTES);
		if (!ctrl->shadow_page || !ctrl->event_page)
			return -BH_ENOMEM;
	}
	memset(ctrl->shadow_page, 0, BH_PAGE_BYTES);
	memset(ctrl->event_page, 0, BH_PAGE_BYTES);

	struct nvme_sqe cmd = {.opcode = NVME_ADMIN_DOORBELL_BUFFER_CONFIG,
	                       .prp1 = (uintptr_t)ctrl->shadow_page,
	                       .prp2 = (uintptr_t)ctrl->event_page};
	int err = bh_nvme_admin_exec(ctrl, &cmd, NULL, NULL);
	ctrl->info.shadow_doorbells = !err;
	return err;
}

int
bh_nvme_setup_features(struct bh_nvme *ctrl)
{
	uint32_t health = NVME_HEALTH_SPARE | NVME_HEALTH_TEMPERATURE | NVME_HEALTH_RELIABILITY |
	                  NVME_HEALTH_READ_ONLY | NVME_HEALTH_BACKUP_FAILED;
	int err = queue_cnt_set(ctrl);
	if (err)
		return err;
	err = feature_set(ctrl, NVME_FEATURE_ASYNC_EVENT, health | ctrl->notices, NULL);
	if (err == -BH_EIO) {
		bh_log_warn("nvme: the controller refuses the event configuration; its own stays");
		err = 0;
	}
	return err ? err : shadow_set(ctrl);
}

int
bh_nvme_setup_queues(struct bh_nvme *ctrl)
{
	for (uint32_t qid = 1; qid < NVME_QPAIRS_MAX; qid++) {
		struct bh_nvme_qpair *qp = __atomic_load_n(&ctrl->qp[qid], __ATOMIC_ACQUIRE);
		ctrl->memory[qid].lost = false;
		if (!qp || !qp->slow->created)
			continue;
		int err = bh_nvme_qpair_device_create(ctrl, qp);
		if (err)
			return err;
	}
	return 0;
}
