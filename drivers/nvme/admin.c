/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Admin commands on the owner core. The fiber that runs one polls the admin queue itself, so it works before the keeper
 * is there and during a reset.
 */
#include <bulkhead/cell.h>

#include "internal.h"

struct admin_wait {
	struct bh_nvme_qpair *admin;
	bool done;
	uint16_t status;
	uint32_t result;
};

static void
admin_done(void *arg, uint16_t status)
{
	struct admin_wait *wait = arg;
	struct bh_nvme_qpair *admin = wait->admin;

	/*
	 * bh_nvme_poll() moved the head past the entry that it delivers now; the result is not part of what it checks.
	 */
	wait->result = *(volatile uint32_t *)&admin->cq[(admin->cq_head - 1) & admin->cq_mask].result;
	wait->status = status;
	wait->done = true;
}

static void
admin_orphan_done(void *arg, uint16_t status)
{
	bh_log_warn("nvme: an admin command that had timed out completed with status %x", status);
}

static struct bh_nvme_slot *
admin_post(struct bh_nvme_qpair *admin, const struct nvme_sqe *cmd, struct admin_wait *wait)
{
	uint32_t tag = bh_nvme_slot_take(admin, admin_done, wait);
	bh_nvme_sq_post(admin, tag, cmd->opcode, cmd->nsid, cmd->prp1, cmd->prp2,
	                cmd->cdw10 | (uint64_t)cmd->cdw11 << 32, cmd->cdw12 | (uint64_t)cmd->cdw13 << 32);
	struct nvme_sqe *entry = &admin->sq[(admin->sq_tail - 1) & admin->sq_mask];
	entry->cdw14 = cmd->cdw14;
	entry->cdw15 = cmd->cdw15;
	return &admin->slot[tag & admin->sq_mask];
}

int
bh_nvme_admin_exec(struct bh_nvme *ctrl, const struct nvme_sqe *cmd, uint32_t *out_result, uint16_t *out_status)
{
	struct bh_nvme_qpair *admin = ctrl->admin;
	struct admin_wait wait = {.admin = admin};

	if (admin->free_cnt == 0)
		return -BH_EAGAIN;
	struct bh_nvme_slot *slot = admin_post(admin, cmd, &wait);
	uint32_t foreign_cnt = bh_nvme_foreign_reset_cnt(ctrl);
	/* The device's time begins behind the doorbell: this core may have been taken away before. */
	bh_nvme_ring(admin);
	uint64_t deadline_tsc = bh_clock_now_tsc() + ctrl->admin_timeout_tsc;
	while (!wait.done) {
		/* A reset of the function takes the answer along: no need to wait for it. */
		bool late = bh_clock_now_tsc() >= deadline_tsc || bh_nvme_foreign_reset_cnt(ctrl) != foreign_cnt;
		bh_nvme_poll(admin, NVME_ADMIN_DEPTH);
		if (wait.done)
			break;
		if (late) {
			/* Slot and data page stay taken until the controller is reset: the device may still use both. */
			slot->done_fn = admin_orphan_done;
			ctrl->data_lost |= cmd->prp1 == (uintptr_t)ctrl->data_page;
			bh_log_error("nvme: admin command %x got no answer", cmd->opcode);
			return -BH_ETIMEDOUT;
		}
		bh_yield();
	}
	if (out_result)
		*out_result = wait.result;
	if (out_status)
		*out_status = wait.status;
	return wait.status ? bh_nvme_status_error(wait.status) : 0;
}

int
bh_nvme_log_exec(struct bh_nvme *ctrl, uint8_t log_page, uint32_t nsid, uint32_t data_bytes)
{
	struct nvme_sqe cmd = {
	        .opcode = NVME_ADMIN_GET_LOG_PAGE,
	        .nsid = nsid,
	        .prp1 = (uintptr_t)ctrl->data_page,
	        .cdw10 = NVME_SET(NVME_LOG_LID, log_page) | NVME_SET(NVME_LOG_NUMDL, data_bytes / 4 - 1),
	};
	return ctrl->data_lost ? -BH_EAGAIN : bh_nvme_admin_exec(ctrl, &cmd, NULL, NULL);
}

/* What bh_nvme_admin() lets through: commands that leave queues, events and formats alone. */
static bool
opcode_allowed(uint8_t opcode)
{
	switch (opcode) {
	case NVME_ADMIN_DELETE_SQ:
	case NVME_ADMIN_CREATE_SQ:
	case NVME_ADMIN_DELETE_CQ:
	case NVME_ADMIN_CREATE_CQ:
	case NVME_ADMIN_ABORT:
	case NVME_ADMIN_ASYNC_EVENT:
	case NVME_ADMIN_DOORBELL_BUFFER_CONFIG:
	case NVME_ADMIN_FORMAT_NVM:
	case NVME_ADMIN_NS_MANAGEMENT:
	case NVME_ADMIN_SANITIZE:
		return false;
	default:
		return true;
	}
}

int
bh_nvme_admin(struct bh_nvme *ctrl, const struct nvme_sqe *cmd, void *data, uint32_t data_bytes, uint32_t *out_result,
              uint16_t *out_status)
{
	if (!opcode_allowed(cmd->opcode) || data_bytes > BH_PAGE_BYTES || data_bytes % 4 || !data != !data_bytes)
		return -BH_EINVAL;
	struct nvme_request *request = bh_nvme_request_new(NVME_OP_ADMIN, data_bytes);
	if (!request)
		return -BH_ENOMEM;

	request->cmd = *cmd;
	if (data)
		memcpy(request->data, data, data_bytes);
	int err = bh_nvme_request_run(ctrl, &request);
	if (!request)
		return err;
	if (!err && data)
		memcpy(data, request->data, data_bytes);
	if (out_result)
		*out_result = request->result;
	if (out_status)
		*out_status = request->status;
	bh_heap_free(request);
	return err;
}

int
bh_nvme_log_page(struct bh_nvme *ctrl, uint8_t log_page, uint32_t nsid, uint64_t offset, void *out_data,
                 uint32_t data_bytes)
{
	if (offset % 4 || data_bytes == 0 || !out_data)
		return -BH_EINVAL;
	struct nvme_sqe cmd = {
	        .opcode = NVME_ADMIN_GET_LOG_PAGE,
	        .nsid = nsid,
	        .cdw10 = NVME_SET(NVME_LOG_LID, log_page) | NVME_SET(NVME_LOG_NUMDL, data_bytes / 4 - 1),
	        .cdw12 = (uint32_t)offset,
	        .cdw13 = (uint32_t)(offset >> 32),
	};
	return bh_nvme_admin(ctrl, &cmd, out_data, data_bytes, NULL, NULL);
}

int
bh_nvme_health_log(struct bh_nvme *ctrl, struct nvme_health_log *out_log)
{
	return bh_nvme_log_page(ctrl, NVME_LOG_HEALTH, NVME_NSID_ALL, 0, out_log, sizeof(*out_log));
}

int
bh_nvme_error_log(struct bh_nvme *ctrl, struct nvme_error_entry *out_entries, uint32_t entry_cnt)
{
	if (entry_cnt > BH_PAGE_BYTES / sizeof(*out_entries))
		return -BH_EINVAL;
	return bh_nvme_log_page(ctrl, NVME_LOG_ERROR, NVME_NSID_ALL, 0, out_entries,
	                        entry_cnt * (uint32_t)sizeof(*out_entries));
}

int
bh_nvme_feature_get(struct bh_nvme *ctrl, uint8_t feature, uint32_t nsid, uint32_t *out_value)
{
	struct nvme_sqe cmd = {
	        .opcode = NVME_ADMIN_GET_FEATURES, .nsid = nsid, .cdw10 = NVME_SET(NVME_FEATURE_FID, feature)};
	return bh_nvme_admin(ctrl, &cmd, NULL, 0, out_value, NULL);
}

int
bh_nvme_feature_set(struct bh_nvme *ctrl, uint8_t feature, uint32_t nsid, uint32_t value)
{
	struct nvme_sqe cmd = {.opcode = NVME_ADMIN_SET_FEATURES,
	                       .nsid = nsid,
	                       .cdw10 = NVME_SET(NVME_FEATURE_FID, feature),
	                       .cdw11 = value};

	if (feature == NVME_FEATURE_QUEUE_CNT || feature == NVME_FEATURE_ASYNC_EVENT)
		return -BH_EINVAL;
	return bh_nvme_admin(ctrl, &cmd, NULL, 0, NULL, NULL);
}
