/* SPDX-License-Identifier: Apache-2.0 */
/* A router's full table for benchmarks, destinations out of it, and frames to them. The same with every run. */
#ifndef BENCH_FWD_TABLE_H
#define BENCH_FWD_TABLE_H

#include "apps/fwd/host/fib.h"

#define BENCH_DST_CNT  (1u << 20)
#define BENCH_HOPS_MAX 1024u

struct bench_table {
	uint32_t family;  /* 4 or 6 */
	uint32_t hop_cnt; /* neighbours behind port 1, at most BENCH_HOPS_MAX */
	uint64_t prefix_cnt;
	struct fwd_addr *dst; /* zeroed, BENCH_DST_CNT of them: filled, each inside of a prefix */
};

/* bench_table_fill - two ports, 02:00:00:00:01:00 and :01; all routes go out of port 1. Ends the program if it cannot. */
struct fwd_fib *bench_table_fill(const struct bench_table *table);

/* bench_frame_build - the shortest UDP frame from port 0's side to `to`. Return: its length without FCS. */
uint32_t bench_frame_build(uint8_t *data, const struct fwd_addr *to);

#endif
