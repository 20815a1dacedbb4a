/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Binary log records. The cell stores a site's index and raw arguments; the host reads the format string from the cell's
 * ELF file (section BH_LOG_SECTION, never from shared memory) and formats.
 */
#ifndef BULKHEAD_ABI_LOG_H
#define BULKHEAD_ABI_LOG_H

#include <bulkhead/types.h>

#define BH_LOG_SECTION  "bh_log_sites"
#define BH_LOG_ARGS_MAX 6u

enum bh_log_level {
	BH_LOG_ERROR = 0,
	BH_LOG_WARN = 1,
	BH_LOG_INFO = 2,
	BH_LOG_DEBUG = 3,
};

/*
 * One per logging statement, in BH_LOG_SECTION of the cell's ELF file, without relocations. The format knows %u %d %x
 * %p %c and %% (each with `l` and `ll`, field widths and a zero flag, all taken as 64 bits); anything else prints as it stands.
 */
struct bh_log_site {
	uint32_t line;
	uint16_t level; /* enum bh_log_level */
	uint16_t arg_cnt;
	char file[56];
	char format[192];
};

_Static_assert(sizeof(struct bh_log_site) == 256, "sites are an array in the ELF file");

struct bh_log_record {
	uint64_t tsc;
	uint32_t site_idx;
	uint32_t arg_cnt;
	uint64_t arg[BH_LOG_ARGS_MAX];
};

_Static_assert(sizeof(struct bh_log_record) == 64, "one line");

/*
 * Single producer (the core), single consumer (the host). Indices run freely modulo 2^64. When the ring is full the
 * record is dropped and counted: logging never waits.
 */
struct bh_log_ring {
	uint64_t head;        /* next to write; written by the cell (release) */
	uint64_t dropped_cnt; /* written by the cell */
	uint64_t pad0[6];
	uint64_t tail; /* next to read; written by the host (release) */
	uint64_t pad1[7];
	struct bh_log_record record[];
} BH_ALIGNED(64);

#endif
