/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The measuring loop. A completion's time is the time of the poll that found it, and is at once the start of the I/O
 * that takes its slot: one clock read per poll, and the time to submit counts as latency, as an application sees it.
 */
#include <bulkhead/cell.h>
#include <bulkhead/sched.h>

#include "apps/nvme-bench/cell/bench.h"

/* How many polls go between two looks at the scheduler (admin queue, timeouts, heartbeat) and the stop flag. */
#define TURNS_PER_YIELD 1024u

static void bench_done(void *arg, uint16_t status);

static int
submit(struct worker *worker, struct slot *slot)
{
	uint64_t lba = (worker->block_first + slot->block_idx) * worker->lba_per_block;
	if (slot->is_read)
		return bh_nvme_read(worker->qpair, worker->ns, lba, worker->lba_per_block, slot->buf, bench_done, slot);
	return bh_nvme_write(worker->qpair, worker->ns, lba, worker->lba_per_block, slot->buf, bench_done, slot);
}

static void
slot_start(struct worker *worker, struct slot *slot)
{
	int err = submit(worker, slot);
	slot->in_flight = err == 0;
	if (BH_LIKELY(err == 0)) {
		worker->in_flight_cnt++;
		return;
	}
	worker->parked_cnt++;
	if (err != -BH_EAGAIN)
		worker->error = err;
}

static void
slot_next(struct worker *worker, struct slot *slot, uint64_t now_tsc)
{
	slot->start_tsc = now_tsc;
	if (worker->random_order) {
		slot->block_idx = worker_pick(worker, worker->block_cnt);
	} else {
		slot->block_idx = worker->block_next++;
		if (worker->block_next == worker->block_cnt)
			worker->block_next = 0;
	}
	slot->is_read = (worker->random & UINT32_MAX) < worker->read_threshold;
	slot_start(worker, slot);
}

static void
bench_done(void *arg, uint16_t status)
{
	struct slot *slot = arg;
	struct worker *worker = slot->worker;
	uint64_t now_tsc = worker_now(worker);

	worker->in_flight_cnt--;
	slot->in_flight = false;
	if (BH_LIKELY(status == 0)) {
		bh_hist_record(worker->latency, now_tsc - slot->start_tsc);
		bh_counter_add(slot->is_read ? worker->reads : worker->writes, 1);
	} else {
		bh_counter_add(worker->errors, 1);
	}
	if (BH_LIKELY(!worker->stopping))
		slot_next(worker, slot, now_tsc);
}

/* Starts again what the queue pair refused while it was being reset. */
static void
restart_parked(struct worker *worker)
{
	uint32_t parked_cnt = worker->parked_cnt;
	worker->parked_cnt = 0;
	for (uint32_t i = 0; i < worker->config->queue_depth && parked_cnt > 0; i++) {
		if (worker->slot[i].in_flight)
			continue;
		slot_start(worker, &worker->slot[i]);
		parked_cnt--;
	}
}

unsigned
worker_turn(struct worker *worker, unsigned turn)
{
	worker->now_tsc = 0;
	unsigned done_cnt = bh_nvme_poll(worker->qpair, worker->config->queue_depth);
	if (BH_UNLIKELY(turn % TURNS_PER_YIELD == 0))
		bh_yield();
	return done_cnt;
}

void
worker_drain(struct worker *worker)
{
	worker->stopping = true;
	for (unsigned turn = 0; worker->in_flight_cnt > 0; turn++)
		worker_turn(worker, turn);
}

static void
fill_done(void *arg, uint16_t status)
{
	struct slot *slot = arg;
	slot->worker->in_flight_cnt--;
	slot->in_flight = false;
	if (status != 0)
		bh_counter_add(slot->worker->errors, 1);
}

static void
fill_slot(struct worker *worker, struct slot *slot)
{
	if (slot->in_flight || worker->block_next == worker->block_cnt)
		return;
	uint64_t lba = (worker->block_first + worker->block_next) * worker->lba_per_block;
	int err = bh_nvme_write(worker->qpair, worker->ns, lba, worker->lba_per_block, slot->buf, fill_done, slot);
	if (err == -BH_EAGAIN)
		return;
	if (err != 0) {
		worker->error = err;
		return;
	}
	slot->in_flight = true;
	worker->in_flight_cnt++;
	worker->block_next++;
}

void
fill_run(struct worker *worker)
{
	for (unsigned turn = 1; worker->error == 0 && worker->block_next < worker->block_cnt; turn++) {
		if (bh_stop_requested())
			break;
		for (uint32_t i = 0; i < worker->config->queue_depth; i++)
			fill_slot(worker, &worker->slot[i]);
		worker_turn(worker, turn);
	}
	for (unsigned turn = 1; worker->in_flight_cnt > 0; turn++)
		worker_turn(worker, turn);
	worker->block_next = 0;
}

void
bench_run(struct worker *worker)
{
	uint64_t now_tsc = bh_clock_now_tsc();
	for (uint32_t i = 0; i < worker->config->queue_depth; i++)
		slot_next(worker, &worker->slot[i], now_tsc);
	for (unsigned turn = 1; worker->error == 0 && !bh_stop_requested(); turn++) {
		worker_turn(worker, turn);
		if (BH_UNLIKELY(worker->parked_cnt > 0))
			restart_parked(worker);
	}
	worker_drain(worker);
}
