/* SPDX-License-Identifier: Apache-2.0 */
/**
 * nvme-bench's cell half: one worker per core, each with a queue pair and queue_depth buffers of its own.
 */
#ifndef NVME_BENCH_BENCH_H
#define NVME_BENCH_BENCH_H

#include <bulkhead/metrics.h>
#include <bulkhead/nvme.h>

#include "apps/nvme-bench/config.h"

struct worker;

/* One I/O in flight. On the heap; only `buf` is device memory. */
struct slot {
	struct worker *worker;
	uint8_t *buf;
	uint64_t start_tsc;
	uint64_t block_idx;  /* of the worker's slice */
	uint32_t generation; /* verify: of the write under way */
	bool is_read;
	bool in_flight;
};

struct worker {
	struct bh_nvme_qpair *qpair;
	const struct bh_nvme_ns *ns;
	const struct nvme_bench_config *config;
	struct slot *slot;
	uint64_t now_tsc;                /* time of the running poll's first completion; 0: not read yet */
	uint64_t random;                 /* xorshift state, never 0 */
	uint64_t read_threshold;         /* of 2^32: below it, an I/O is a read */
	uint64_t block_first, block_cnt; /* slice of the namespace, in blocks of block_bytes */
	uint64_t block_next;             /* sequential patterns */
	uint32_t lba_per_block;
	uint32_t in_flight_cnt;
	uint32_t parked_cnt; /* slots that the queue pair would not take just now */
	bool random_order;
	bool stopping; /* submit nothing more */
	int error;     /* why the worker gave up, 0 otherwise */
	uint64_t *reads, *writes, *errors;
	struct bh_hist *latency;
};

/* worker_now - the time of this poll; the clock is read once however many completions it finds. */
BH_INLINE uint64_t
worker_now(struct worker *worker)
{
	if (worker->now_tsc == 0)
		worker->now_tsc = bh_clock_now_tsc();
	return worker->now_tsc;
}

BH_INLINE uint64_t
worker_random(struct worker *worker)
{
	uint64_t x = worker->random;
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return worker->random = x;
}

/* worker_pick - a random number below cnt, without a division. */
BH_INLINE uint64_t
worker_pick(struct worker *worker, uint64_t cnt)
{
	return (uint64_t)(((unsigned __int128)worker_random(worker) * cnt) >> 64);
}

/* worker_turn - poll once; every so often let the core's other work run. Return: completions. */
unsigned worker_turn(struct worker *worker, unsigned turn);

/* worker_drain - submit nothing more and poll until nothing is in flight; the driver's time-outs bound it. */
void worker_drain(struct worker *worker);

/* fill_run - write every block of the slice once; ends early when the supervisor says stop. Not counted as I/O. */
void fill_run(struct worker *worker);

/* bench_run - read and write patterns until the supervisor says stop or the device is gone; returns drained. */
void bench_run(struct worker *worker);

/* verify_run - the verify pattern: writes, reads back, compares; at the end reads all that it wrote once more. */
void verify_run(struct worker *worker);

#endif
