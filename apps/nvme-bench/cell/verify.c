/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verify pattern. For each block of its slice the worker knows which writes' data it may hold: exactly one after a
 * write that succeeded, a range after writes that failed (a failed write may or may not have reached the medium, each
 * sector on its own: a block above the controller's limit is several commands). A block has at most one I/O under way,
 * so nothing else is uncertain.
 */
#include <bulkhead/cell.h>
#include <bulkhead/log.h>
#include <bulkhead/mem.h>
#include <bulkhead/sched.h>

#include "apps/nvme-bench/cell/bench.h"
#include "apps/nvme-bench/cell/block.h"

#define UNSURE_MAX 15u
#define PICKS_MAX  16u
/* The last read-back ends by then even if it is not through: the supervisor waits only so long for a drain. */
#define READ_BACK_NS UINT64_C(3000000000)

/*
 * Data of the writes generation .. generation + unsure may stand in the block; generation 0: whatever was there before.
 */
struct block_state {
	uint32_t generation : 27;
	uint32_t unsure : 4;
	uint32_t busy : 1;
};

_Static_assert(sizeof(struct block_state) == 4, "one word a block");

struct verify {
	struct worker *worker;
	struct block_state *block;
	uint64_t run_id;
	uint64_t read_back_next; /* last pass */
	bool reading_back;
	uint64_t *checked, *unchecked;
	uint64_t *verdict[5]; /* by enum block_verdict: LOST to CORRUPT */
};

/* A cell has one verify per core; slots find theirs through the worker. */
static struct verify *verify_of[BH_CORES_MAX];

static void verify_done(void *arg, uint16_t status);

static uint32_t
block_sectors(const struct worker *worker)
{
	return worker->config->block_bytes / SECTOR_BYTES;
}

static uint64_t
block_sector_idx(const struct worker *worker, uint64_t block_idx)
{
	return (worker->block_first + block_idx) * block_sectors(worker);
}

static void
report(const struct verify *verify, const struct slot *slot, enum block_verdict verdict, uint64_t found)
{
	const struct block_state *state = &verify->block[slot->block_idx];
	uint64_t lba = (verify->worker->block_first + slot->block_idx) * verify->worker->lba_per_block;
	if (verdict == BLOCK_LOST)
		bh_log_error("verify: LBA %lu holds generation %lu, want %u to %u", lba, found, state->generation,
		             state->generation + state->unsure);
	else if (verdict == BLOCK_TORN)
		bh_log_error("verify: LBA %lu is torn", lba);
	else if (verdict == BLOCK_MISDIRECTED)
		bh_log_error("verify: LBA %lu holds another block's data", lba);
	else
		bh_log_error("verify: LBA %lu is corrupt", lba);
}

static void
check_read(struct verify *verify, struct slot *slot)
{
	struct worker *worker = verify->worker;
	struct block_state *state = &verify->block[slot->block_idx];
	uint64_t found = 0;

	enum block_verdict verdict =
	        block_check(slot->buf, block_sector_idx(worker, slot->block_idx), block_sectors(worker), verify->run_id,
	                    state->generation, state->generation + state->unsure, &found);
	bh_counter_add(verify->checked, 1);
	if (verdict == BLOCK_OK) {
		state->generation = (uint32_t)found & 0x7ffffff;
		state->unsure = 0;
		return;
	}
	if (verdict == BLOCK_MIXED)
		return; /* it stays unsure until a write succeeds */
	report(verify, slot, verdict, found);
	bh_counter_add(verify->verdict[verdict], 1);
}

static void
finish_write(struct verify *verify, struct slot *slot, uint16_t status)
{
	struct block_state *state = &verify->block[slot->block_idx];
	if (status == 0) {
		state->generation = slot->generation & 0x7ffffff;
		state->unsure = 0;
	} else {
		state->unsure = (slot->generation - state->generation) & UNSURE_MAX;
	}
}

/* A block may be written while its range of uncertainty has room, and read once something of ours must be in it. */
static bool
choose(struct verify *verify, struct slot *slot)
{
	struct worker *worker = verify->worker;
	for (unsigned i = 0; i < PICKS_MAX; i++) {
		uint64_t block_idx = worker_pick(worker, worker->block_cnt);
		struct block_state *state = &verify->block[block_idx];
		bool may_read = state->generation > 0;
		bool may_write = state->unsure < UNSURE_MAX && state->generation < 0x7fffff0;
		if (state->busy || !(may_read || may_write))
			continue;
		slot->block_idx = block_idx;
		slot->is_read = may_read && (!may_write || (worker->random & 1));
		return true;
	}
	return false;
}

static bool
choose_next_to_read_back(struct verify *verify, struct slot *slot)
{
	while (verify->read_back_next < verify->worker->block_cnt) {
		uint64_t block_idx = verify->read_back_next++;
		if (verify->block[block_idx].generation == 0 || verify->block[block_idx].busy)
			continue;
		slot->block_idx = block_idx;
		slot->is_read = true;
		return true;
	}
	return false;
}

/* Return: whether the slot is in flight now. If not, neither slot nor block changed. */
static bool
slot_start(struct verify *verify, struct slot *slot)
{
	struct worker *worker = verify->worker;
	struct block_state *state = &verify->block[slot->block_idx];
	uint64_t lba = (worker->block_first + slot->block_idx) * worker->lba_per_block;
	int err;

	if (slot->is_read) {
		err = bh_nvme_read(worker->qpair, worker->ns, lba, worker->lba_per_block, slot->buf, verify_done, slot);
	} else {
		slot->generation = state->generation + state->unsure + 1;
		block_fill(slot->buf, block_sector_idx(worker, slot->block_idx), block_sectors(worker),
		           slot->generation, verify->run_id);
		err = bh_nvme_write(worker->qpair, worker->ns, lba, worker->lba_per_block, slot->buf, verify_done,
		                    slot);
	}
	/* -BH_EAGAIN: the queue pair is full (the controller may allow less than queue_depth), or is being reset. */
	if (err != 0 && err != -BH_EAGAIN)
		worker->error = err;
	if (err != 0)
		return false;
	state->busy = 1;
	slot->in_flight = true;
	worker->in_flight_cnt++;
	return true;
}

static void
verify_done(void *arg, uint16_t status)
{
	struct slot *slot = arg;
	struct worker *worker = slot->worker;
	struct verify *verify = verify_of[bh_core_idx()];

	worker->in_flight_cnt--;
	slot->in_flight = false;
	verify->block[slot->block_idx].busy = 0;
	if (status == 0) {
		bh_hist_record(worker->latency, worker_now(worker) - slot->start_tsc);
		bh_counter_add(slot->is_read ? worker->reads : worker->writes, 1);
	} else {
		bh_counter_add(worker->errors, 1);
	}
	if (!slot->is_read)
		finish_write(verify, slot, status);
	else if (status == 0)
		check_read(verify, slot);
}

/* Choose something for a slot and start it. Return: whether another one may be tried. */
static bool
slot_use(struct verify *verify, struct slot *slot)
{
	if (!verify->reading_back)
		return !choose(verify, slot) || slot_start(verify, slot);
	if (!choose_next_to_read_back(verify, slot))
		return false;
	if (slot_start(verify, slot))
		return true;
	verify->read_back_next = slot->block_idx; /* it is still to be read */
	return false;
}

/* Gives free slots something to do, as many as the queue pair takes. */
static void
fill_slots(struct verify *verify)
{
	struct worker *worker = verify->worker;
	if (worker->in_flight_cnt == worker->config->queue_depth ||
	    bh_nvme_outstanding(worker->qpair) >= bh_nvme_qpair_depth(worker->qpair))
		return;
	uint64_t now_tsc = worker_now(worker);
	for (uint32_t i = 0; i < worker->config->queue_depth; i++) {
		struct slot *slot = &worker->slot[i];
		if (slot->in_flight)
			continue;
		slot->start_tsc = now_tsc;
		if (!slot_use(verify, slot))
			return;
	}
}

static void
read_back(struct verify *verify)
{
	struct worker *worker = verify->worker;
	uint64_t deadline_tsc = bh_clock_now_tsc() + bh_ns_to_tsc(READ_BACK_NS);
	uint64_t left_cnt = 0;

	verify->reading_back = true;
	for (unsigned turn = 1;
	     worker->error == 0 && verify->read_back_next < worker->block_cnt && bh_clock_now_tsc() < deadline_tsc;
	     turn++) {
		fill_slots(verify);
		worker_turn(worker, turn);
	}
	worker_drain(worker);
	for (uint64_t i = verify->read_back_next; i < worker->block_cnt; i++)
		left_cnt += verify->block[i].generation > 0;
	bh_counter_add(verify->unchecked, left_cnt);
}

static struct verify *
verify_create(struct worker *worker)
{
	struct verify *verify = bh_heap_alloc(sizeof(*verify));
	if (verify == NULL)
		return NULL;
	/* The table of block states takes at most half of the heap; a larger slice is verified in its first part. */
	uint64_t cnt = worker->block_cnt;
	while ((verify->block = bh_heap_alloc(cnt * sizeof(*verify->block))) == NULL && cnt > 1)
		cnt /= 2;
	if (verify->block == NULL)
		return NULL;
	if (cnt < worker->block_cnt)
		bh_log_warn("verify: covers %lu of %lu blocks: the heap holds no larger table", cnt, worker->block_cnt);
	worker->block_cnt = cnt;
	verify->worker = worker;
	verify->run_id = bh_boot_page()->seed;
	verify->checked = bh_counter_register(NVME_BENCH_COUNTER_VERIFIED, "blocks");
	verify->unchecked = bh_counter_register(NVME_BENCH_COUNTER_UNCHECKED, "blocks");
	verify->verdict[BLOCK_LOST] = bh_counter_register(NVME_BENCH_COUNTER_LOST, "blocks");
	verify->verdict[BLOCK_TORN] = bh_counter_register(NVME_BENCH_COUNTER_TORN, "blocks");
	verify->verdict[BLOCK_MISDIRECTED] = bh_counter_register(NVME_BENCH_COUNTER_MISDIRECTED, "blocks");
	verify->verdict[BLOCK_CORRUPT] = bh_counter_register(NVME_BENCH_COUNTER_CORRUPT, "blocks");
	return verify;
}

void
verify_run(struct worker *worker)
{
	struct verify *verify = verify_create(worker);
	if (verify == NULL) {
		worker->error = -BH_ENOMEM;
		return;
	}
	verify_of[bh_core_idx()] = verify;
	for (unsigned turn = 1; worker->error == 0 && !bh_stop_requested(); turn++) {
		fill_slots(verify);
		worker_turn(worker, turn);
	}
	worker_drain(worker);
	if (worker->error == 0)
		read_back(verify);
}
