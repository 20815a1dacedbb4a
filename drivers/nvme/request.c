/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wishes of any core, served in order by the keeper on the owner core. A request that its maker no longer waits for is
 * freed by whichever side comes second, so neither can be left with a dead pointer.
 */
#include <bulkhead/cell.h>

#include "internal.h"

/* Longer than anything that the keeper does for one request and a reset before it. */
#define REQUEST_TIMEOUT_NS (UINT64_C(120) * 1000 * NVME_MS_NS)

struct nvme_request *
bh_nvme_request_new(enum nvme_op op, size_t data_bytes)
{
	struct nvme_request *request = bh_heap_alloc_aligned(sizeof(*request) + data_bytes, BH_CACHE_LINE_BYTES);
	if (request) {
		request->op = op;
		request->data_bytes = (uint32_t)data_bytes;
	}
	return request;
}

static void
request_push(struct bh_nvme *ctrl, struct nvme_request *request)
{
	request->next = __atomic_load_n(&ctrl->requests, __ATOMIC_RELAXED);
	while (!__atomic_compare_exchange_n(&ctrl->requests, &request->next, request, false, __ATOMIC_RELEASE,
	                                    __ATOMIC_RELAXED))
		;
	bh_nvme_attention(ctrl);
}

/* Return: what the keeper answered. *io_request is NULL afterwards if the request is not the caller's any more. */
int
bh_nvme_request_run(struct bh_nvme *ctrl, struct nvme_request **io_request)
{
	struct nvme_request *request = *io_request;
	uint64_t deadline_tsc = bh_nvme_deadline(REQUEST_TIMEOUT_NS);

	request_push(ctrl, request);
	while (__atomic_load_n(&request->state, __ATOMIC_ACQUIRE) != NVME_REQUEST_DONE) {
		if (bh_clock_now_tsc() >= deadline_tsc) {
			uint32_t state = NVME_REQUEST_PENDING;
			if (__atomic_compare_exchange_n(&request->state, &state, NVME_REQUEST_ABANDONED, false,
			                                __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
				*io_request = NULL;
				return -BH_ETIMEDOUT;
			}
			break;
		}
		bh_yield();
	}
	return request->error;
}

static int
serve_admin(struct bh_nvme *ctrl, struct nvme_request *request)
{
	if (request->data_bytes && ctrl->data_lost)
		return -BH_EAGAIN;
	if (request->data_bytes) {
		memcpy(ctrl->data_page, request->data, request->data_bytes);
		request->cmd.prp1 = (uintptr_t)ctrl->data_page;
	}
	int err = bh_nvme_admin_exec(ctrl, &request->cmd, &request->result, &request->status);
	if (!err && request->data_bytes)
		memcpy(request->data, ctrl->data_page, request->data_bytes);
	return err;
}

static int
serve_one(struct bh_nvme *ctrl, struct nvme_request *request)
{
	bool removed = NVME_PHASE_OF(ctrl->phase) == NVME_PHASE_REMOVED;

	switch (request->op) {
	case NVME_OP_ADMIN:
		return removed ? -BH_ENODEV : serve_admin(ctrl, request);
	case NVME_OP_CREATE:
		return removed ? -BH_ENODEV : bh_nvme_qpair_device_create(ctrl, request->qp);
	case NVME_OP_DELETE:
		return bh_nvme_qpair_device_delete(ctrl, request->qp);
	case NVME_OP_RESET:
		return removed ? -BH_ENODEV : bh_nvme_reset_run(ctrl, NVME_RESET_ASKED);
	case NVME_OP_CLOSE:
		return removed ? -BH_ENODEV : bh_nvme_shutdown(ctrl);
	}
	return -BH_EINVAL;
}

static void
request_finish(struct bh_nvme *ctrl, struct nvme_request *request, int err)
{
	request->error = err;
	/* The maker's last look and this exchange decide who frees; after it the request may be gone. */
	if (__atomic_exchange_n(&request->state, NVME_REQUEST_DONE, __ATOMIC_ACQ_REL) != NVME_REQUEST_ABANDONED)
		return;
	if (request->qp)
		bh_nvme_qpair_orphan(ctrl, request->qp);
	bh_heap_free(request);
}

/* Return: false when the last request was to close: the controller may be freed already. */
bool
bh_nvme_requests_serve(struct bh_nvme *ctrl)
{
	struct nvme_request *stack = __atomic_exchange_n(&ctrl->requests, NULL, __ATOMIC_ACQUIRE);
	struct nvme_request *queue = NULL;

	while (stack) {
		struct nvme_request *next = stack->next;
		stack->next = queue;
		queue = stack;
		stack = next;
	}
	while (queue) {
		struct nvme_request *next = queue->next;
		bool last = queue->op == NVME_OP_CLOSE;
		int err = serve_one(ctrl, queue);
		if (err == -BH_ETIMEDOUT && !last)
			bh_nvme_reset_want(ctrl, NVME_RESET_ADMIN);
		if (last)
			bh_poller_remove(&ctrl->poller);
		request_finish(ctrl, queue, err);
		if (last)
			return false;
		queue = next;
	}
	return true;
}
