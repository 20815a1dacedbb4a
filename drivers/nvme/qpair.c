/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queue pairs: memory and bookkeeping by the pair's own core, Create and Delete (Base 2.0, 5.4 to 5.7) by the owner
 * core.
 */
#include <bulkhead/cell.h>

#include "internal.h"

static uint32_t
pow2_down(uint32_t value)
{
	return 1u << (31 - (uint32_t)__builtin_clz(value));
}

/* Counters by name: "<device>.<name>". */
static uint64_t *
counter_of(const struct bh_nvme *ctrl, const char *name)
{
	char full[48];
	size_t used = 0;
	for (const char *part = ctrl->name; *part && used < 31; part++)
		full[used++] = *part;
	full[used++] = '.';
	for (; *name && used < sizeof(full) - 1; name++)
		full[used++] = *name;
	full[used] = '\0';
	return bh_counter_register(full, "");
}

void
bh_nvme_counters_register(struct bh_nvme *ctrl)
{
	ctrl->cnt_abort = counter_of(ctrl, "abort");
	ctrl->cnt_reset = counter_of(ctrl, "reset");
	ctrl->cnt_device_reset = counter_of(ctrl, "device_reset");
	ctrl->cnt_removed = counter_of(ctrl, "removed");
	ctrl->cnt_async_event = counter_of(ctrl, "async_event");
}

static void
qpair_counters_register(struct bh_nvme *ctrl, struct nvme_counters *counters)
{
	counters->unknown_id = counter_of(ctrl, "completion_unknown_id");
	counters->duplicate = counter_of(ctrl, "completion_duplicate");
	counters->wrong_sq = counter_of(ctrl, "completion_wrong_sq");
	counters->bad_sq_head = counter_of(ctrl, "completion_bad_sq_head");
	counters->old_sq_head = counter_of(ctrl, "completion_old_sq_head");
	counters->status_error = counter_of(ctrl, "status_error");
	counters->timeout = counter_of(ctrl, "command_timeout");
}

/*
 * Ring sizes. More submission entries than commands, so that a full queue never looks empty; twice as many completion
 * entries, so that the device need not hear about the head often. CAP.MQES bounds both.
 */
static void
sizes_choose(struct bh_nvme *ctrl, uint32_t qid, uint32_t depth, struct bh_nvme_qpair_slow *slow)
{
	uint32_t most = pow2_down(ctrl->info.queue_entries_max);
	uint32_t entries = 2;

	if (qid == NVME_QID_ADMIN)
		most = NVME_ADMIN_ENTRIES;
	while (entries <= depth)
		entries *= 2;
	slow->sq_entries = BH_MIN(entries, most);
	slow->cq_entries = BH_MIN(2 * slow->sq_entries, most);
	slow->depth = BH_MIN(depth, slow->sq_entries - 1);
	slow->list_bytes = qid == NVME_QID_ADMIN ? 0 : bh_nvme_list_bytes(ctrl->info.transfer_bytes_max);
}

static int
bookkeeping_alloc(struct bh_nvme_qpair *qp, struct bh_nvme_qpair_slow *slow)
{
	qp->slot = bh_heap_alloc_aligned(slow->sq_entries * sizeof(*qp->slot), BH_CACHE_LINE_BYTES);
	qp->free_idx = bh_heap_alloc(slow->sq_entries * sizeof(*qp->free_idx));
	slow->splits = bh_heap_alloc(slow->depth * sizeof(*slow->splits));
	if (!qp->slot || !qp->free_idx || !slow->splits)
		return -BH_ENOMEM;

	for (uint32_t i = 0; i < slow->sq_entries; i++) {
		qp->slot[i].tag = i | NVME_TAG_UNUSED;
		qp->slot[i].flags = NVME_SLOT_FIRST;
	}
	for (uint32_t i = 0; i < slow->depth; i++) {
		qp->free_idx[qp->free_cnt++] = (uint16_t)(slow->depth - 1 - i);
		slow->splits[i].next = slow->split_free;
		slow->split_free = &slow->splits[i];
	}
	return 0;
}

static int
doorbells_find(struct bh_nvme *ctrl, struct bh_nvme_qpair *qp)
{
	uint32_t dstrd = (uint32_t)NVME_GET(ctrl->cap, NVME_CAP_DSTRD);
	qp->sq_doorbell = bh_device_window(&ctrl->device, 0, nvme_doorbell_offset(qp->qid, 0, dstrd), 4);
	qp->cq_doorbell = bh_device_window(&ctrl->device, 0, nvme_doorbell_offset(qp->qid, 1, dstrd), 4);
	if (!qp->sq_doorbell || !qp->cq_doorbell) {
		bh_log_error("nvme: the doorbells of queue %u are not in a mapped window", qp->qid);
		return -BH_EOPNOTSUPP;
	}
	return 0;
}

/* Both rings as the device finds them after their creation (Base 2.0, 3.3.1.2). The device must not have them now. */
void
bh_nvme_qpair_empty(struct bh_nvme_qpair *qp)
{
	qp->sq_tail = qp->sq_rung = qp->sq_head = 0;
	qp->cq_head = qp->cq_rung = 0;
	qp->refused_row = 0;
	memset(qp->cq, 0, qp->slow->cq_entries * sizeof(*qp->cq));
}

/* Shadow doorbells of this pair, if they are in use and their one page reaches that far. */
void
bh_nvme_qpair_shadow(struct bh_nvme_qpair *qp)
{
	struct bh_nvme *ctrl = qp->slow->ctrl;
	uint64_t stride = ctrl->info.doorbell_stride_bytes;
	uint64_t sq_at = UINT64_C(2) * qp->qid * stride, cq_at = sq_at + stride;
	bool on = ctrl->info.shadow_doorbells && cq_at + 4 <= BH_PAGE_BYTES;

	qp->sq_shadow = on ? (volatile uint32_t *)(uintptr_t)(ctrl->shadow_page + sq_at) : NULL;
	qp->cq_shadow = on ? (volatile uint32_t *)(uintptr_t)(ctrl->shadow_page + cq_at) : NULL;
	qp->sq_event = on ? (volatile uint32_t *)(uintptr_t)(ctrl->event_page + sq_at) : NULL;
	qp->cq_event = on ? (volatile uint32_t *)(uintptr_t)(ctrl->event_page + cq_at) : NULL;
}

/* For the hot path's check of a buffer; near the arena's end it is left to bh_dma_contains(). */
static void
arena_bounds_set(struct bh_nvme_qpair *qp)
{
	const struct bh_boot_page *page = bh_boot_page();
	for (uint32_t i = 0; i < page->region_cnt; i++) {
		if (page->region[i].kind != BH_REGION_ARENA)
			continue;
		qp->arena_low = page->region[i].addr;
		qp->arena_span = page->region[i].size_bytes - qp->small_bytes_max;
	}
}

static void
rings_attach(struct bh_nvme *ctrl, struct bh_nvme_qpair *qp)
{
	struct bh_nvme_qpair_slow *slow = qp->slow;
	struct nvme_queue_memory *memory = &ctrl->memory[qp->qid];

	qp->sq = memory->sq;
	qp->cq = memory->cq;
	slow->list = memory->list;
	qp->sq_mask = slow->sq_entries - 1;
	qp->cq_mask = slow->cq_entries - 1;
	qp->cq_shift = (uint32_t)__builtin_ctz(slow->cq_entries);
	qp->cq_lazy_cnt = BH_MAX(slow->cq_entries / 4, 1u);
	qp->tag_step = slow->sq_entries;
	qp->ahead_free_max = slow->depth > BH_NVME_CQ_AHEAD ? slow->depth - BH_NVME_CQ_AHEAD : 0;
	qp->small_bytes_max = BH_MIN(ctrl->info.transfer_bytes_max, 2 * BH_PAGE_BYTES);
	qp->tick_polls = BH_NVME_TICK_POLLS;
	arena_bounds_set(qp);
	bh_nvme_qpair_empty(qp);
}

static void
timing_init(struct bh_nvme *ctrl, struct bh_nvme_qpair *qp)
{
	struct bh_nvme_qpair_slow *slow = qp->slow;
	bool admin = qp->qid == NVME_QID_ADMIN;

	/* An I/O pair begins parked: its first look at the controller's phase decides. */
	qp->ctrl_phase = admin ? &ctrl->admin_phase : &ctrl->phase;
	qp->phase_seen = admin ? ctrl->admin_phase : NVME_PHASE_NONE;
	slow->phase_acked = qp->phase_seen;
	slow->parked = !admin;
	slow->free_parked = admin ? 0 : qp->free_cnt;
	qp->free_cnt = admin ? qp->free_cnt : 0;
	slow->tick_tsc = admin ? 0 : bh_ns_to_tsc(ctrl->options.command_timeout_ns / NVME_TICKS_PER_TIMEOUT);
	slow->tick_next_tsc = bh_clock_now_tsc() + slow->tick_tsc;
	slow->log_budget = NVME_LOG_BUDGET;
}

int
bh_nvme_qpair_new(struct bh_nvme *ctrl, uint32_t qid, uint32_t depth, struct bh_nvme_qpair **out_qp)
{
	struct bh_nvme_qpair *qp = bh_heap_alloc_aligned(sizeof(*qp), BH_CACHE_LINE_BYTES);
	struct bh_nvme_qpair_slow *slow = bh_heap_alloc_aligned(sizeof(*slow), BH_CACHE_LINE_BYTES);
	int err = -BH_ENOMEM;
	if (!qp || !slow)
		goto fail;

	qp->slow = slow;
	qp->qid = qid;
	slow->ctrl = ctrl;
	slow->core_idx = bh_core_idx();
	sizes_choose(ctrl, qid, depth, slow);
	err = bookkeeping_alloc(qp, slow);
	if (!err)
		err = bh_nvme_queue_memory_get(ctrl, qid, slow->sq_entries, slow->cq_entries,
		                               (size_t)slow->depth * slow->list_bytes);
	if (!err)
		err = doorbells_find(ctrl, qp);
	if (err)
		goto fail;
	rings_attach(ctrl, qp);
	timing_init(ctrl, qp);
	qpair_counters_register(ctrl, &slow->counters);
	*out_qp = qp;
	return 0;
fail:
	if (qp && qp->slow) {
		bh_nvme_qpair_free(qp);
	} else {
		bh_heap_free(slow);
		bh_heap_free(qp);
	}
	return err;
}

void
bh_nvme_qpair_free(struct bh_nvme_qpair *qp)
{
	bh_heap_free(qp->slow->splits);
	bh_heap_free(qp->free_idx);
	bh_heap_free(qp->slot);
	bh_heap_free(qp->slow);
	bh_heap_free(qp);
}

uint32_t
bh_nvme_qpair_depth(const struct bh_nvme_qpair *qp)
{
	return qp->slow->depth;
}

uint32_t
bh_nvme_outstanding(const struct bh_nvme_qpair *qp)
{
	const struct bh_nvme_qpair_slow *slow = qp->slow;
	return slow->depth - (slow->parked ? slow->free_parked : qp->free_cnt);
}
