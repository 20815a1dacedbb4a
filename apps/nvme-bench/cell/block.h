/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Self-describing blocks: each 512-byte sector says where it belongs, which write made it and in which run, and carries
 * a checksum, so that one look at a block tells what went wrong with it.
 */
#ifndef NVME_BENCH_BLOCK_H
#define NVME_BENCH_BLOCK_H

#include <bulkhead/types.h>

#define SECTOR_BYTES 512u

enum block_verdict {
	BLOCK_OK = 0,
	BLOCK_LOST = 1,        /* whole, but of an older write, an older run, or never written */
	BLOCK_TORN = 2,        /* sectors of different writes */
	BLOCK_MISDIRECTED = 3, /* a sector that belongs elsewhere */
	BLOCK_CORRUPT = 4,     /* a sector whose checksum does not fit */
	BLOCK_MIXED = 5, /* sectors of different writes, each allowed: a write that failed may have stored a part */
};

/* block_fill - make sector_cnt sectors at buf, the first of which belongs at sector_idx of the namespace. */
void block_fill(void *buf, uint64_t sector_idx, uint32_t sector_cnt, uint64_t generation, uint64_t run_id);

/**
 * block_check - whether a block is what was written there
 * @generation_min, @generation_max: the writes whose data the block may hold; all above the first are failed ones
 * @out_generation: the generation found, when the verdict is BLOCK_OK
 */
enum block_verdict block_check(const void *buf, uint64_t sector_idx, uint32_t sector_cnt, uint64_t run_id,
                               uint64_t generation_min, uint64_t generation_max, uint64_t *out_generation);

#endif
