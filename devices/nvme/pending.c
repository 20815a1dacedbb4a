/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands that wait: for their service time, for a fault's delay, for an Abort, or for room in their completion queue.
 * A command's data moves when it completes, not when it is fetched: what the client unmaps meanwhile is not touched.
 */
#include <string.h>

#include "devices/nvme/internal.h"

static bool
earlier(const struct nvme_model *m, uint32_t a, uint32_t b)
{
	const struct nvme_pending *pa = &m->pending[a], *pb = &m->pending[b];
	return pa->due_ns != pb->due_ns ? pa->due_ns < pb->due_ns : pa->seq < pb->seq;
}

static void
heap_put(struct nvme_model *m, uint32_t at, uint32_t idx)
{
	m->heap[at] = idx;
	m->pending[idx].heap_idx = at;
}

static void
heap_up(struct nvme_model *m, uint32_t at)
{
	uint32_t idx = m->heap[at];
	while (at > 0 && earlier(m, idx, m->heap[(at - 1) / 2])) {
		heap_put(m, at, m->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	heap_put(m, at, idx);
}

static void
heap_down(struct nvme_model *m, uint32_t at)
{
	uint32_t idx = m->heap[at];
	for (;;) {
		uint32_t child = 2 * at + 1;
		if (child >= m->heap_cnt)
			break;
		if (child + 1 < m->heap_cnt && earlier(m, m->heap[child + 1], m->heap[child]))
			child++;
		if (!earlier(m, m->heap[child], idx))
			break;
		heap_put(m, at, m->heap[child]);
		at = child;
	}
	heap_put(m, at, idx);
}

static void
heap_insert(struct nvme_model *m, uint32_t idx)
{
	heap_put(m, m->heap_cnt++, idx);
	heap_up(m, m->heap_cnt - 1);
}

static void
heap_remove(struct nvme_model *m, uint32_t idx)
{
	uint32_t at = m->pending[idx].heap_idx;
	uint32_t last = m->heap[--m->heap_cnt];
	m->pending[idx].heap_idx = NVME_NONE;
	if (last == idx)
		return;
	heap_put(m, at, last);
	heap_up(m, at);
	heap_down(m, m->pending[last].heap_idx);
}

void
nvme_pending_init(struct nvme_model *m)
{
	m->heap_cnt = m->held_cnt = m->hung_cnt = m->reordered_cnt = 0;
	m->free_first = NVME_NONE;
	for (uint32_t i = m->config.pending_cnt; i-- > 0;) {
		m->pending[i].state = NVME_PENDING_FREE;
		m->pending[i].heap_idx = NVME_NONE;
		m->pending[i].next = m->free_first;
		m->free_first = i;
	}
	m->free_cnt = m->config.pending_cnt;
}

static uint32_t
take(struct nvme_model *m)
{
	uint32_t idx = m->free_first;
	m->free_first = m->pending[idx].next;
	m->free_cnt--;
	m->pending[idx].next = NVME_NONE;
	m->busy = true;
	return idx;
}

/* Out of whatever list or heap it is in; held ones are unlinked by their caller. */
static void
give_back(struct nvme_model *m, uint32_t idx)
{
	struct nvme_pending *p = &m->pending[idx];

	if (p->heap_idx != NVME_NONE)
		heap_remove(m, idx);
	m->reordered_cnt -= p->state == NVME_PENDING_REORDERED;
	m->hung_cnt -= p->state == NVME_PENDING_HUNG;
	m->held_cnt -= p->state == NVME_PENDING_HELD;
	p->state = NVME_PENDING_FREE;
	p->next = m->free_first;
	m->free_first = idx;
	m->free_cnt++;
}

void
nvme_pending_drop_all(struct nvme_model *m)
{
	if (m->free_cnt != m->config.pending_cnt)
		nvme_pending_init(m);
}

static void
lie_from_rule(const struct nvme_fault_rule *rule, struct nvme_lie *lie)
{
	*lie = (struct nvme_lie){
	        .duplicate = rule->action == NVME_FAULT_DUPLICATE,
	        .stray = rule->action == NVME_FAULT_STRAY,
	        .wrong_id = rule->action == NVME_FAULT_WRONG_ID,
	        .wrong_phase = rule->action == NVME_FAULT_WRONG_PHASE,
	        .wrong_sq = rule->action == NVME_FAULT_WRONG_SQ,
	        .wrong_head = rule->action == NVME_FAULT_WRONG_HEAD,
	        .old_head = rule->action == NVME_FAULT_OLD_HEAD,
	        .lose = rule->action == NVME_FAULT_LOSE,
	};
}

/* An address that nobody granted: the host's map has to refuse it. */
static uint16_t
dma_outside(struct nvme_model *m, const struct nvme_sqe *sqe)
{
	uint64_t iova = (sqe->prp1 | UINT64_C(0x7ffff00000000000)) & ~m->page_mask;
	for (uint32_t i = 0; i < 64; i++, iova -= UINT64_C(0x10000000000)) {
		if (!nvme_dma(m, iova, BH_PAGE_BYTES, NVME_MODEL_DMA_WRITE))
			break;
	}
	return NVME_SC_DATA_TRANSFER_ERROR;
}

/* Executes; the status that its completion has. */
static uint16_t
execute(struct nvme_model *m, uint16_t sq_id, const struct nvme_sqe *sqe, const struct nvme_fault_rule *rule,
        uint32_t *out_result)
{
	uint16_t status;

	*out_result = 0;
	if (rule && rule->action == NVME_FAULT_STATUS)
		status = (uint16_t)rule->value | (rule->no_retry ? NVME_DNR : 0);
	else if (rule && rule->action == NVME_FAULT_DMA_OUTSIDE)
		status = dma_outside(m, sqe);
	else if (sq_id)
		status = nvme_io_execute(m, sqe, rule);
	else
		status = nvme_admin_execute(m, sqe, out_result);
	if (status == 0 || status == NVME_NO_COMPLETION)
		return status;
	nvme_command_failed(m, sq_id, sqe, status);
	return status | NVME_MORE;
}

static void
hold(struct nvme_model *m, struct nvme_cq *cq, uint32_t idx)
{
	m->pending[idx].state = NVME_PENDING_HELD;
	m->pending[idx].next = NVME_NONE;
	m->held_cnt++;
	if (cq->held_first == NVME_NONE)
		cq->held_first = idx;
	else
		m->pending[cq->held_last].next = idx;
	cq->held_last = idx;
}

static void
post_pending(struct nvme_model *m, uint32_t idx)
{
	const struct nvme_pending *p = &m->pending[idx];
	struct nvme_lie lie = {.lose = false};

	if (p->rule_idx != NVME_NONE)
		lie_from_rule(&m->rule[p->rule_idx].rule, &lie);
	nvme_post(m, &m->sq[p->sq_id], p->sqe.cid, p->status, p->result, &lie);
}

/* Its time has come. */
static void
finish(struct nvme_model *m, uint32_t idx)
{
	struct nvme_pending *p = &m->pending[idx];
	struct nvme_sq *sq = &m->sq[p->sq_id];
	const struct nvme_fault_rule *rule = p->rule_idx != NVME_NONE ? &m->rule[p->rule_idx].rule : NULL;
	uint32_t result;

	if (p->heap_idx != NVME_NONE)
		heap_remove(m, idx);
	m->reordered_cnt -= p->state == NVME_PENDING_REORDERED;
	p->state = NVME_PENDING_RUNNING;
	uint16_t status = execute(m, p->sq_id, &p->sqe, rule, &result);
	if (m->active_cnt == 0) /* the controller failed meanwhile, and everything was dropped */
		return;
	p->status = status;
	p->result = result;
	if (status != NVME_NO_COMPLETION) {
		if (sq->cq->held_first != NVME_NONE || nvme_cq_room(m, sq->cq) == 0) {
			hold(m, sq->cq, idx);
			return;
		}
		post_pending(m, idx);
		if (m->active_cnt == 0)
			return;
	}
	give_back(m, idx);
}

static uint32_t
held_step(struct nvme_model *m, struct nvme_cq *cq)
{
	uint32_t done_cnt = 0;

	while (cq->held_first != NVME_NONE && nvme_cq_room(m, cq) > 0) {
		uint32_t idx = cq->held_first;
		cq->held_first = m->pending[idx].next;
		post_pending(m, idx);
		if (m->active_cnt == 0)
			break;
		give_back(m, idx);
		done_cnt++;
	}
	return done_cnt;
}

/* Reordered completions that were overtaken often enough. */
static uint32_t
reordered_step(struct nvme_model *m)
{
	uint32_t done_cnt = 0;

	for (uint32_t i = 0; i < m->heap_cnt && m->reordered_cnt > 0;) {
		const struct nvme_pending *p = &m->pending[m->heap[i]];
		if (p->state != NVME_PENDING_REORDERED || m->sq[p->sq_id].cq->posted_cnt < p->release_cnt) {
			i++;
			continue;
		}
		finish(m, m->heap[i]);
		i = 0; /* the heap has changed */
		done_cnt++;
	}
	return done_cnt;
}

uint32_t
nvme_pending_step(struct nvme_model *m)
{
	uint32_t done_cnt = 0;

	for (uint32_t i = 0; m->held_cnt > 0 && i < m->active_cnt; i++)
		done_cnt += held_step(m, m->active[i]->cq);
	if (m->reordered_cnt > 0)
		done_cnt += reordered_step(m);
	while (m->heap_cnt > 0 && m->active_cnt > 0 && m->pending[m->heap[0]].due_ns <= m->now_ns) {
		finish(m, m->heap[0]);
		done_cnt++;
	}
	return done_cnt;
}

uint64_t
nvme_pending_next_ns(const struct nvme_model *m)
{
	if (m->held_cnt > 0 || m->active_cnt == 0)
		return m->active_cnt == 0 ? UINT64_MAX : m->now_ns;
	return m->heap_cnt > 0 ? m->pending[m->heap[0]].due_ns : UINT64_MAX;
}

/* What the rule does with the command besides lying: when, and whether at all. */
static void
enqueue(struct nvme_model *m, struct nvme_sq *sq, const struct nvme_sqe *sqe, uint64_t due_ns,
        const struct nvme_rule_state *state)
{
	uint32_t idx = take(m);
	struct nvme_pending *p = &m->pending[idx];

	p->sqe = *sqe;
	p->sq_id = sq->id;
	p->seq = m->fetch_seq++;
	p->due_ns = due_ns;
	p->rule_idx = state ? (uint32_t)(state - m->rule) : NVME_NONE;
	p->state = NVME_PENDING_TIMED;
	if (state && state->rule.action == NVME_FAULT_HANG) {
		p->state = NVME_PENDING_HUNG;
		m->hung_cnt++;
		return;
	}
	if (state && state->rule.action == NVME_FAULT_REORDER) {
		p->state = NVME_PENDING_REORDERED;
		p->release_cnt = sq->cq->posted_cnt + state->rule.value;
		p->due_ns += NVME_FAULT_REORDER_NS;
		m->reordered_cnt++;
	}
	if (state && state->rule.action == NVME_FAULT_DELAY) {
		uint64_t span = state->rule.delay_ns_max - state->rule.delay_ns_min;
		p->due_ns += state->rule.delay_ns_min + (span ? nvme_random_below(&m->random, span + 1) : 0);
	}
	heap_insert(m, idx);
	if (p->due_ns <= m->now_ns && p->state == NVME_PENDING_TIMED)
		finish(m, idx);
}

/* A command was fetched, and its completion queue has room. */
void
nvme_command_start(struct nvme_model *m, struct nvme_sq *sq, const struct nvme_sqe *sqe)
{
	struct nvme_rule_state *state = m->config.rule_cnt ? nvme_fault_for_command(m, sq->id, sqe) : NULL;
	uint64_t service_ns = sq->id ? nvme_service_draw(&m->config.service, &m->random) : 0;
	uint32_t result;

	if (state && state->rule.action >= NVME_FAULT_FATAL) {
		nvme_fault_device_apply(m, &state->rule);
		if (m->active_cnt == 0)
			return;
		state = NULL;
	}
	if (state || service_ns) {
		enqueue(m, sq, sqe, m->now_ns + service_ns, state);
		return;
	}
	uint16_t status = execute(m, sq->id, sqe, NULL, &result);
	if (status != NVME_NO_COMPLETION && m->active_cnt > 0)
		nvme_post(m, sq, sqe->cid, status, result, NULL);
}

static bool
is_waiting(const struct nvme_pending *p)
{
	return p->state == NVME_PENDING_TIMED || p->state == NVME_PENDING_HUNG || p->state == NVME_PENDING_REORDERED;
}

/* Ends a command before its time, unexecuted. */
static void
end_early(struct nvme_model *m, uint32_t idx, uint16_t status)
{
	struct nvme_pending *p = &m->pending[idx];
	struct nvme_cq *cq = m->sq[p->sq_id].cq;

	if (p->heap_idx != NVME_NONE)
		heap_remove(m, idx);
	m->reordered_cnt -= p->state == NVME_PENDING_REORDERED;
	m->hung_cnt -= p->state == NVME_PENDING_HUNG;
	p->state = NVME_PENDING_RUNNING;
	p->rule_idx = NVME_NONE;
	p->result = 0;
	p->status = status;
	nvme_command_failed(m, p->sq_id, &p->sqe, status);
	if (cq->held_first != NVME_NONE || nvme_cq_room(m, cq) == 0) {
		hold(m, cq, idx);
		return;
	}
	post_pending(m, idx);
	if (m->active_cnt > 0)
		give_back(m, idx);
}

/* Return: whether there was such a command; it is completed with Command Abort Requested. */
bool
nvme_pending_abort(struct nvme_model *m, uint16_t sq_id, uint16_t cid)
{
	for (uint32_t i = 0; i < m->config.pending_cnt; i++) {
		const struct nvme_pending *p = &m->pending[i];
		/* A rule that loses the completion has already decided: nobody can abort it. */
		bool lost = p->rule_idx != NVME_NONE && m->rule[p->rule_idx].rule.action == NVME_FAULT_LOSE;
		if (!is_waiting(p) || p->sq_id != sq_id || p->sqe.cid != cid || lost)
			continue;
		m->stats.aborted_cnt++;
		end_early(m, i, NVME_SC_ABORT_REQUESTED);
		return true;
	}
	return false;
}

/* The queue is about to be deleted: what waits is aborted, what finds no room any more is dropped. */
void
nvme_pending_end_sq(struct nvme_model *m, uint16_t sq_id)
{
	struct nvme_cq *cq = m->sq[sq_id].cq;

	for (uint32_t i = 0; i < m->config.pending_cnt && m->active_cnt > 0; i++) {
		if (is_waiting(&m->pending[i]) && m->pending[i].sq_id == sq_id)
			end_early(m, i, NVME_SC_ABORTED_SQ_DELETION);
	}
	for (uint32_t idx = cq->held_first, before = NVME_NONE, next; idx != NVME_NONE; idx = next) {
		next = m->pending[idx].next;
		if (m->pending[idx].sq_id != sq_id) {
			before = idx;
			continue;
		}
		if (before == NVME_NONE)
			cq->held_first = next;
		else
			m->pending[before].next = next;
		if (next == NVME_NONE)
			cq->held_last = before;
		give_back(m, idx);
	}
}
