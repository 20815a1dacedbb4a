/* SPDX-License-Identifier: Apache-2.0 */
/**
 * nvme-bench: what its host half compiles into the boot page and its cell half reads, and the names of its metrics.
 * Freestanding; both halves include it.
 */
#ifndef NVME_BENCH_CONFIG_H
#define NVME_BENCH_CONFIG_H

#include <bulkhead/abi/boot.h>
#include <bulkhead/types.h>

enum nvme_bench_pattern {
	NVME_BENCH_READ = 0,
	NVME_BENCH_WRITE = 1,
	NVME_BENCH_RANDREAD = 2,
	NVME_BENCH_RANDWRITE = 3,
	NVME_BENCH_RANDRW = 4,
	NVME_BENCH_VERIFY = 5,
};

#define NVME_BENCH_BLOCK_BYTES_MIN 512u
#define NVME_BENCH_BLOCK_BYTES_MAX (1u << 20)
#define NVME_BENCH_DEPTH_MAX       1024u

struct nvme_bench_config {
	char device[BH_NAME_BYTES];   /* [device NAME] */
	uint32_t pattern;             /* enum nvme_bench_pattern */
	uint32_t read_percent;        /* randrw: how many of 100 are reads */
	uint32_t block_bytes;         /* a multiple of 512 */
	uint32_t queue_depth;         /* of each core */
	uint32_t namespace_id;        /* 1 .. */
	uint32_t fill;                /* not 0: write every block once before measuring */
	uint32_t no_shadow_doorbells; /* not 0: write every doorbell */
	uint64_t timeout_ns;          /* until a command is aborted, and again until the controller is reset */
};

/* Counters. "bench.start_tsc" and "bench.end_tsc" are gauges: when a core began and when it stopped submitting. */
#define NVME_BENCH_COUNTER_READS       "bench.reads"
#define NVME_BENCH_COUNTER_WRITES      "bench.writes"
#define NVME_BENCH_COUNTER_ERRORS      "bench.errors"
#define NVME_BENCH_COUNTER_VERIFIED    "bench.verify_checked"
#define NVME_BENCH_COUNTER_LOST        "bench.verify_lost"
#define NVME_BENCH_COUNTER_TORN        "bench.verify_torn"
#define NVME_BENCH_COUNTER_MISDIRECTED "bench.verify_misdirected"
#define NVME_BENCH_COUNTER_CORRUPT     "bench.verify_corrupt"
#define NVME_BENCH_COUNTER_UNCHECKED   "bench.verify_unchecked"
#define NVME_BENCH_GAUGE_FIRST_IO      "bench.first_io_tsc" /* the first submission of all, filling included */
#define NVME_BENCH_GAUGE_START         "bench.start_tsc"
#define NVME_BENCH_GAUGE_END           "bench.end_tsc"
#define NVME_BENCH_HIST_LATENCY        "bench.latency"

#endif
