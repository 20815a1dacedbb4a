/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asynchronous events (Base 2.0, 5.2). A request is sent again as soon as it completed; the event's kind stays masked
 * until its log page is read, which the keeper does.
 */

#include "internal.h"

static void aer_post(struct nvme_aer *aer);

static void
aer_decode(struct bh_nvme *ctrl, uint32_t result)
{
	uint32_t type = NVME_GET(result, NVME_AER_TYPE);
	uint32_t info = NVME_GET(result, NVME_AER_INFO);
	uint32_t page = NVME_GET(result, NVME_AER_LID);

	bh_counter_add(ctrl->cnt_async_event, 1);
	switch (type) {
	case NVME_AER_ERROR:
		bh_log_error("nvme: event: error %u (0, 1 doorbell; 2 diagnostic; 3, 4 internal; 5 firmware)", info);
		break;
	case NVME_AER_HEALTH:
		bh_log_warn("nvme: event: health %u (0 reliability, 1 temperature, 2 spare)", info);
		break;
	case NVME_AER_NOTICE:
		bh_log_info("nvme: event: notice %u (0 namespaces, 1 firmware, 2 telemetry)", info);
		break;
	default:
		bh_log_info("nvme: event: type %u information %u", type, info);
	}
	if (page < 32)
		ctrl->event_pages |= 1u << page;
	bh_nvme_attention(ctrl);
}

/* Inside a poll of the admin queue: no waiting here. */
static void
aer_done(void *arg, uint16_t status)
{
	struct nvme_aer *aer = arg;
	struct bh_nvme_qpair *admin = aer->ctrl->admin;

	if (status == NVME_SC_SUCCESS) {
		uint32_t result = *(volatile uint32_t *)&admin->cq[(admin->cq_head - 1) & admin->cq_mask].result;
		aer_decode(aer->ctrl, result);
		/* During a reset nothing may be rung; its end arms them all. */
		if (NVME_PHASE_OF(aer->ctrl->phase) == NVME_PHASE_LIVE)
			aer_post(aer);
	} else if (status != BH_NVME_STATUS_RESET && status != NVME_SC_ABORTED_SQ_DELETION) {
		bh_log_warn("nvme: the controller ended an event request with status %x; it gets no new one", status);
	}
}

static void
aer_post(struct nvme_aer *aer)
{
	struct bh_nvme_qpair *admin = aer->ctrl->admin;

	/* The admin queue's depth leaves room for these beside the few commands that are sent one by one. */
	if (admin->free_cnt)
		bh_nvme_sq_post(admin, bh_nvme_slot_take(admin, aer_done, aer), NVME_ADMIN_ASYNC_EVENT, 0, 0, 0, 0, 0);
}

void
bh_nvme_events_arm(struct bh_nvme *ctrl)
{
	for (uint32_t i = 0; i < ctrl->info.aer_cnt; i++) {
		ctrl->aer[i].ctrl = ctrl;
		aer_post(&ctrl->aer[i]);
	}
	bh_nvme_ring(ctrl->admin);
}

static void
error_log_report(const uint8_t *page)
{
	struct nvme_error_entry entry;
	memcpy(&entry, page, sizeof(entry));
	if (entry.error_cnt)
		bh_log_error(
		        "nvme: error log: number %lu, queue %u, command %x, status word %x, block %lu, namespace %u",
		        entry.error_cnt, entry.sq_id, entry.cid, entry.status, entry.lba, entry.nsid);
}

static void
health_log_report(const uint8_t *page)
{
	struct nvme_health_log log;
	memcpy(&log, page, sizeof(log));
	bh_log_warn("nvme: health: warning bits %x, temperature %u K, spare %u %%, used %u %%", log.critical_warning,
	            log.temperature_kelvin[0] | log.temperature_kelvin[1] << 8, log.available_spare_percent,
	            log.percentage_used);
}

static void
changed_namespaces(struct bh_nvme *ctrl)
{
	uint32_t nsid[NVME_NS_LIST_CNT / 16];
	memcpy(nsid, ctrl->data_page, sizeof(nsid)); /* BH_NVME_NS_MAX of them: as many as we know */
	bool all = nsid[0] == NVME_NSID_ALL;

	for (uint32_t i = 0; i < ctrl->ns_cnt; i++) {
		bool listed = all;
		for (uint32_t j = 0; j < BH_ARRAY_CNT(nsid) && nsid[j] && !listed; j++)
			listed = nsid[j] == ctrl->ns[i].nsid;
		if (listed)
			bh_nvme_identify_namespace(ctrl, &ctrl->ns[i]);
	}
}

static void
event_page_read(struct bh_nvme *ctrl, uint8_t page)
{
	uint32_t bytes = page == NVME_LOG_CHANGED_NS ? sizeof(struct nvme_ns_list) : sizeof(struct nvme_health_log);
	if (page == NVME_LOG_ERROR)
		bytes = sizeof(struct nvme_error_entry);

	int err = bh_nvme_log_exec(ctrl, page, NVME_NSID_ALL, bytes);
	if (err == -BH_ETIMEDOUT)
		bh_nvme_reset_want(ctrl, NVME_RESET_ADMIN);
	if (err) {
		bh_log_warn("nvme: log page %u cannot be read (%d)", page, err);
		return;
	}
	if (page == NVME_LOG_ERROR)
		error_log_report(ctrl->data_page);
	else if (page == NVME_LOG_HEALTH)
		health_log_report(ctrl->data_page);
	else if (page == NVME_LOG_CHANGED_NS)
		changed_namespaces(ctrl);
}

void
bh_nvme_events_read(struct bh_nvme *ctrl)
{
	while (ctrl->event_pages) {
		uint32_t page = (uint32_t)__builtin_ctz(ctrl->event_pages);
		ctrl->event_pages &= ctrl->event_pages - 1;
		/* Page 0 is "no page to read" for events without one. */
		if (page >= NVME_LOG_ERROR && page <= NVME_LOG_CHANGED_NS)
			event_page_read(ctrl, (uint8_t)page);
	}
}
