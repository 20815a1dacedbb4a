/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Doorbells, fetching and completions (Base 2.0, 3.3). The way of a read or write of at most two pages, without service
 * time and fault rules, is all in this file.
 *
 * Cache lines decide the speed: the driver's core writes entries and doorbells, this one reads them. So a poll prefetches
 * the next entry while it loads the doorbell, a batch prefetches ahead, and completions of one line are written together
 * when data need not be copied in between.
 */
#include <emmintrin.h>
#include <string.h>

#include "devices/nvme/internal.h"

#define AHEAD_CNT 12u /* entries prefetched before their turn */
#define MEDIA_CNT 2u  /* commands whose media is prefetched before their turn */
#define GROUP_CNT 4u  /* completions in a line */

volatile uint32_t *
nvme_doorbell_at(struct nvme_model *m, uint32_t qid, uint32_t is_cq)
{
	uint64_t offset = nvme_doorbell_offset(qid, is_cq, m->config.doorbell_stride_log2) - NVME_REG_DOORBELLS;
	return m->host.doorbells + offset / sizeof(uint32_t);
}

void
nvme_active_rebuild(struct nvme_model *m)
{
	m->active_cnt = 0;
	for (uint32_t qid = 0; qid <= m->config.io_queue_cnt; qid++) {
		if (m->sq[qid].created)
			m->active[m->active_cnt++] = &m->sq[qid];
	}
}

static void
doorbell_invalid(struct nvme_model *m, uint16_t qid, uint8_t info)
{
	m->stats.bad_doorbell_cnt++;
	nvme_error_log_add(m, qid, 0xffff, 0, 0, 0);
	nvme_event_raise(m, NVME_AER_ERROR, info, NVME_LOG_ERROR);
}

/* Free entries, by the head that the driver told last. Looks at the doorbell only when the answer would be "few". */
static void
cq_head_read(struct nvme_model *m, struct nvme_cq *cq)
{
	uint32_t head = __atomic_load_n(cq->head_doorbell, __ATOMIC_ACQUIRE);
	if (head == cq->head || head == cq->bad_head)
		return;
	uint32_t used = cq->tail >= cq->head ? cq->tail - cq->head : cq->tail + cq->size - cq->head;
	uint32_t advance = head >= cq->head ? head - cq->head : head + cq->size - cq->head;
	if (head >= cq->size || advance > used) {
		cq->bad_head = head;
		doorbell_invalid(m, cq->id, NVME_AER_INVALID_DOORBELL_VALUE);
		return;
	}
	cq->bad_head = NVME_NONE;
	cq->head = head;
}

static inline uint32_t
cq_room_known(const struct nvme_cq *cq)
{
	uint32_t used = cq->tail >= cq->head ? cq->tail - cq->head : cq->tail + cq->size - cq->head;
	return cq->size - 1 - used;
}

uint32_t
nvme_cq_room(struct nvme_model *m, struct nvme_cq *cq)
{
	uint32_t room = cq_room_known(cq);
	if (BH_LIKELY(room >= NVME_BURST_CNT + 4))
		return room;
	cq_head_read(m, cq);
	return cq_room_known(cq);
}

/* Queue memory that was unmapped and mapped again is found again; if not, the controller cannot go on. */
bool
nvme_cq_reachable(struct nvme_model *m, struct nvme_cq *cq)
{
	if (BH_LIKELY(cq->entries != NULL))
		return true;
	cq->entries = nvme_dma(m, cq->iova, (uint64_t)cq->size << NVME_CQES_LOG2, NVME_MODEL_DMA_WRITE);
	if ((uintptr_t)cq->entries % BH_CACHE_LINE_BYTES)
		cq->entries = NULL;
	if (!cq->entries)
		nvme_fatal(m);
	return cq->entries != NULL;
}

bool
nvme_sq_reachable(struct nvme_model *m, struct nvme_sq *sq)
{
	if (BH_LIKELY(sq->entries != NULL))
		return true;
	sq->entries = nvme_dma(m, sq->iova, (uint64_t)sq->size << NVME_SQES_LOG2, NVME_MODEL_DMA_READ);
	if ((uintptr_t)sq->entries % BH_CACHE_LINE_BYTES)
		sq->entries = NULL;
	if (!sq->entries)
		nvme_fatal(m);
	return sq->entries != NULL;
}

/* One aligned 16-byte store: the phase bit never comes before the rest. */
static inline void
cqe_store(struct nvme_cq *cq, uint32_t slot, uint64_t low, uint64_t high)
{
	_mm_store_si128((__m128i *)(void *)(cq->entries + ((uint64_t)slot << NVME_CQES_LOG2)),
	                _mm_set_epi64x((long long)high, (long long)low));
}

static inline uint64_t
cqe_high(uint32_t sq_head, uint32_t sq_id, uint64_t cid, uint32_t status, uint32_t phase)
{
	return (sq_head & 0xffff) | (uint64_t)sq_id << 16 | cid << 32 |
	       (uint64_t)((status << 1 | phase) & 0xffff) << 48;
}

static inline void
cq_advance(struct nvme_cq *cq)
{
	if (++cq->tail == cq->size) {
		cq->tail = 0;
		cq->phase ^= NVME_CQE_PHASE;
	}
	cq->posted_cnt++;
}

static void
post_one(struct nvme_model *m, struct nvme_cq *cq, uint64_t low, uint64_t high)
{
	if (!nvme_cq_reachable(m, cq))
		return;
	cqe_store(cq, cq->tail, low, high);
	cq_advance(cq);
	cq->interrupt_due = cq->interrupts;
}

/* The caller made sure that there is room for one; a second one (stray, duplicate) is left out if there is none. */
void
nvme_post(struct nvme_model *m, struct nvme_sq *sq, uint16_t cid, uint16_t status, uint32_t result,
          const struct nvme_lie *lie)
{
	static const struct nvme_lie honest;
	struct nvme_cq *cq = sq->cq;
	uint64_t low = result;

	if (!lie)
		lie = &honest;
	if (lie->lose)
		return;
	uint32_t id = lie->wrong_sq ? sq->id ^ 0x4000u : sq->id;
	uint32_t head = sq->head;
	if (lie->wrong_head)
		head = sq->size + 7;
	if (lie->old_head)
		head = (sq->head + sq->size / 2) % sq->size;
	uint16_t other = cid ^ 0x8001u;
	if (lie->stray && nvme_cq_room(m, cq) > 1)
		post_one(m, cq, low, cqe_high(sq->head, sq->id, other, status, cq->phase));
	uint32_t phase = lie->wrong_phase ? cq->phase ^ NVME_CQE_PHASE : cq->phase;
	post_one(m, cq, low, cqe_high(head, id, lie->wrong_id ? other : cid, status, phase));
	if (lie->duplicate && nvme_cq_room(m, cq) > 0)
		post_one(m, cq, low, cqe_high(sq->head, sq->id, cid, status, cq->phase));
}

void
nvme_command_failed(struct nvme_model *m, uint16_t sq_id, const struct nvme_sqe *sqe, uint16_t status)
{
	m->stats.error_cnt++;
	if (NVME_STATUS_SCT(status) == NVME_SCT_MEDIA)
		m->stats.media_error_cnt++;
	if ((status & NVME_STATUS_MASK) == NVME_SC_ABORT_REQUESTED)
		return;
	uint64_t lba = sq_id ? sqe->cdw10 | (uint64_t)sqe->cdw11 << 32 : 0;
	nvme_error_log_add(m, sq_id, sqe->cid, status | NVME_MORE, lba, sqe->nsid);
}

/* The way for everything that the fast path does not know: on a private copy of the entry. */
static uint16_t
execute_copy(struct nvme_model *m, struct nvme_sq *sq, const struct nvme_sqe *entry, uint16_t *out_cid)
{
	struct nvme_sqe sqe;
	memcpy(&sqe, entry, sizeof(sqe));
	bh_compiler_barrier();
	*out_cid = sqe.cid;
	uint16_t status = nvme_io_execute(m, &sqe, NULL);
	if (!status)
		return 0;
	nvme_command_failed(m, sq->id, &sqe, status);
	return status | NVME_MORE;
}

static inline uint8_t *
media_address(const struct nvme_model *m, uint64_t nsid, uint64_t lba)
{
	return (uint8_t *)((uintptr_t)m->memory + (nsid - 1) * m->ns_bytes + (lba << m->lba_shift));
}

/* Only a hint, so an address that was never checked does no harm. */
static inline void
media_prefetch(const struct nvme_model *m, const volatile uint64_t *entry)
{
	const uint8_t *media = media_address(m, entry[0] >> 32, entry[5]);
	for (uint32_t line = 0; line < 8; line++)
		bh_prefetch_read(media + (size_t)line * BH_CACHE_LINE_BYTES);
}

/* The checks are done: move the data (or not, over `null`) and count. */
static inline void
fast_move(struct nvme_model *m, bool is_write, uint8_t *media, uint8_t *addr, uint64_t bytes)
{
	if (is_write)
		memcpy(media, addr, bytes);
	else
		memcpy(addr, media, bytes);
}

/*
 * A read or write of at most two pages over memory or nothing. Return: false if anything at all is special or wrong;
 * nothing happened then, and the slow path finds the reason on a copy of its own.
 */
static inline bool
fast_rw(struct nvme_model *m, const volatile uint64_t *entry, uint64_t word0)
{
	bool is_write = (word0 & 0xffff) == NVME_NVM_WRITE;
	uint64_t nsid = word0 >> 32, prp1 = entry[3], lba = entry[5];
	uint64_t blocks = (entry[6] & NVME_RW_NLB_MASK) + 1;
	uint32_t prot = is_write ? NVME_MODEL_DMA_READ : NVME_MODEL_DMA_WRITE;
	uint64_t first = m->page_mask + 1 - (prp1 & m->page_mask);
	uint64_t bytes = blocks << m->lba_shift, second = 0;
	uint8_t *addr2 = NULL;

	if (BH_UNLIKELY(!m->fast_media || ((word0 & 0xffff) != NVME_NVM_READ && !is_write) ||
	                nsid - 1 >= m->config.namespace_cnt || blocks > m->ns_blocks || lba > m->ns_blocks - blocks ||
	                bytes > m->transfer_bytes_max || prp1 & NVME_PRP_ALIGN_MASK))
		return false;
	if (bytes > first) {
		uint64_t prp2 = entry[4];
		second = bytes - first;
		if (second > m->page_mask + 1 || prp2 & m->page_mask)
			return false;
		addr2 = nvme_dma(m, prp2, second, prot);
		if (BH_UNLIKELY(!addr2))
			return false;
		bytes = first;
	}
	uint8_t *addr = nvme_dma(m, prp1, bytes, prot);
	if (BH_UNLIKELY(!addr))
		return false;
	if (m->memory) {
		uint8_t *media = media_address(m, nsid, lba);
		fast_move(m, is_write, media, addr, bytes);
		if (second)
			fast_move(m, is_write, media + bytes, addr2, second);
	}
	m->stats.write_cnt += is_write;
	m->stats.read_cnt += !is_write;
	m->stats.written_blocks += is_write ? blocks : 0;
	m->stats.read_blocks += is_write ? 0 : blocks;
	return true;
}

/* Completions collected for one line. */
struct group {
	__m128i cqe[GROUP_CNT];
	uint32_t cnt;
};

static inline void
group_write(struct nvme_cq *cq, struct group *group)
{
	__m128i *to = (__m128i *)(void *)(cq->entries + ((uint64_t)cq->tail << NVME_CQES_LOG2));
	for (uint32_t i = 0; i < group->cnt; i++)
		_mm_store_si128(to + i, group->cqe[i]);
	cq->tail += group->cnt;
	cq->posted_cnt += group->cnt;
	group->cnt = 0;
	if (cq->tail == cq->size) {
		cq->tail = 0;
		cq->phase ^= NVME_CQE_PHASE;
	}
}

/*
 * All lines of a batch are asked for before the first is needed: entries to read, completions to write. Between far cores a
 * line takes half a microsecond, and they come side by side.
 */
static inline void
batch_prefetch(const struct nvme_sq *sq, const struct nvme_cq *cq, uint32_t cnt)
{
	const uint8_t *completions = cq->entries + ((uint64_t)cq->tail << NVME_CQES_LOG2);

	for (uint32_t i = 1; i < BH_MIN(cnt, AHEAD_CNT); i++)
		bh_prefetch_read(&sq->entries[sq->head + i]);
	for (uint32_t i = 0; i < cnt; i += GROUP_CNT)
		bh_prefetch_write(completions + ((uint64_t)i << NVME_CQES_LOG2));
}

/* cnt entries wait, and their completion queue has room for as many. */
static uint32_t
serve_fast(struct nvme_model *m, struct nvme_sq *sq, uint32_t cnt)
{
	struct nvme_cq *cq = sq->cq;
	struct group group = {.cnt = 0};
	bool grouped = m->backing.null;

	if (cnt >= GROUP_CNT)
		batch_prefetch(sq, cq, cnt);
	for (uint32_t i = 0; i < cnt; i++) {
		const struct nvme_sqe *entry = &sq->entries[sq->head];
		const volatile uint64_t *words = (const volatile uint64_t *)entry;
		bh_prefetch_read(entry + AHEAD_CNT);
		if (m->memory && i + MEDIA_CNT < cnt && sq->head + MEDIA_CNT < sq->size)
			media_prefetch(m, words + MEDIA_CNT * (sizeof(*entry) / sizeof(*words)));
		uint64_t word0 = words[0];
		uint16_t cid = word0 >> 16 & 0xffff, status = 0;
		if (BH_UNLIKELY(!fast_rw(m, words, word0)))
			status = execute_copy(m, sq, entry, &cid);
		sq->head = sq->head + 1 == sq->size ? 0 : sq->head + 1;
		group.cqe[group.cnt++] =
		        _mm_set_epi64x((long long)cqe_high(sq->head, sq->id, cid, status, cq->phase), 0);
		uint32_t next = cq->tail + group.cnt;
		if (!grouped || next % GROUP_CNT == 0 || next == cq->size || i + 1 == cnt)
			group_write(cq, &group);
	}
	cq->interrupt_due = cq->interrupts;
	m->stats.io_cnt += cnt;
	return cnt;
}

/* Admin commands, and I/O commands while there are service times or fault rules. */
static uint32_t
serve_slow(struct nvme_model *m, struct nvme_sq *sq, uint32_t cnt)
{
	uint32_t reserve = sq->id ? NVME_ADMIN_RESERVE : 0;
	uint32_t done_cnt = 0;

	/* A command may end the controller, or fill the completion queue with a second completion. */
	while (done_cnt < cnt && m->active_cnt > 0 && m->free_cnt > reserve && nvme_cq_room(m, sq->cq) > 0) {
		struct nvme_sqe sqe;
		memcpy(&sqe, &sq->entries[sq->head], sizeof(sqe));
		bh_compiler_barrier();
		sq->head = sq->head + 1 == sq->size ? 0 : sq->head + 1;
		if (sq->id)
			m->stats.io_cnt++;
		else
			m->stats.admin_cnt++;
		nvme_command_start(m, sq, &sqe);
		done_cnt++;
	}
	return done_cnt;
}

static uint32_t
serve(struct nvme_model *m, struct nvme_sq *sq, uint32_t tail)
{
	if (BH_UNLIKELY(tail >= sq->size)) {
		if (tail != sq->bad_tail)
			doorbell_invalid(m, sq->id, NVME_AER_INVALID_DOORBELL_VALUE);
		sq->bad_tail = tail;
		return 0;
	}
	sq->bad_tail = NVME_NONE;
	if (!nvme_sq_reachable(m, sq) || !nvme_cq_reachable(m, sq->cq) || sq->cq->held_first != NVME_NONE)
		return 0;
	uint32_t cnt = tail >= sq->head ? tail - sq->head : tail + sq->size - sq->head;
	cnt = BH_MIN(cnt, NVME_BURST_CNT);
	cnt = BH_MIN(cnt, nvme_cq_room(m, sq->cq));
	if (BH_LIKELY(sq->id && !m->slow_io))
		return serve_fast(m, sq, cnt);
	return serve_slow(m, sq, cnt);
}

/* One doorbell of a queue that does not exist, in turn: a value there is a write that the specification forbids. */
static void
scan_idle_doorbell(struct nvme_model *m)
{
	uint32_t idx = m->scan_idx++;
	uint32_t qid = idx / 2, is_cq = idx % 2;

	m->scan_polls = NVME_SCAN_POLLS;
	if (qid > m->config.io_queue_cnt) {
		m->scan_idx = 0;
		return;
	}
	if (m->power != NVME_READY || (is_cq ? m->cq[qid].created : m->sq[qid].created))
		return;
	volatile uint32_t *doorbell = nvme_doorbell_at(m, qid, is_cq);
	if (*doorbell == 0)
		return;
	*doorbell = 0;
	doorbell_invalid(m, (uint16_t)qid, NVME_AER_INVALID_DOORBELL_REG);
}

static void
interrupts_raise(struct nvme_model *m)
{
	for (uint32_t i = 0; i < m->active_cnt; i++) {
		struct nvme_cq *cq = m->active[i]->cq;
		if (!cq->interrupt_due)
			continue;
		cq->interrupt_due = false;
		if (m->host.irq && !(cq->vector < 32 && m->interrupt_mask >> cq->vector & 1))
			m->host.irq(m->host.context, cq->vector);
	}
}

/* What is not a doorbell: times, full queues, rules. */
static uint32_t
step(struct nvme_model *m)
{
	nvme_power_step(m);
	uint32_t done_cnt = nvme_pending_step(m);
	if (m->device_rules && nvme_fault_device_step(m))
		done_cnt++;
	nvme_event_deliver(m);
	nvme_busy_update(m);
	return done_cnt;
}

uint32_t
nvme_model_poll(struct nvme_model *m, uint64_t now_ns)
{
	uint32_t done_cnt = 0;

	m->now_ns = now_ns;
	if (BH_UNLIKELY(m->busy))
		done_cnt = step(m);
	for (uint32_t i = 0; i < m->active_cnt; i++) {
		struct nvme_sq *sq = m->active[i];
		uint32_t tail = __atomic_load_n(sq->tail_doorbell, __ATOMIC_ACQUIRE);
		bh_prefetch_read((const void *)((uintptr_t)sq->entries + ((uint64_t)sq->head << NVME_SQES_LOG2)));
		if (tail != sq->head)
			done_cnt += serve(m, sq, tail);
	}
	if (BH_UNLIKELY(--m->scan_polls == 0))
		scan_idle_doorbell(m);
	if (done_cnt > 0)
		interrupts_raise(m);
	return done_cnt;
}
