/* SPDX-License-Identifier: Apache-2.0 */
/**
 * An NVMe drive of the lab from both sides: through the disk cell behind VFIO, and through Linux's nvme driver. Each function gives
 * the drive to the side that it is about, and what fails there fails the running test.
 */
#ifndef TESTS_LAB_DISK_H
#define TESTS_LAB_DISK_H

#include "tests/cells/disk.h"
#include "tests/component/cell_run.h"

#define DISK_ARENA_BYTES (UINT64_C(16) << 20) /* of the cell */

struct disk {
	char address[16];
	uint32_t nsid;
};

/* disk_find - the idx-th NVMe drive of the machine. */
struct disk disk_find(unsigned idx, uint32_t nsid);

/* What one run of the cell is told, besides the drive (zero: its default), and what came of it. */
struct disk_run {
	enum disk_what what;
	enum disk_trouble trouble;
	unsigned trouble_cnt;
	uint64_t seed, first_bytes, size_bytes;
	unsigned io_bytes; /* default 128 KiB */
	unsigned depth;    /* default 16 */
	unsigned write_cache;
	bool no_shadow_doorbells;
	uint64_t duration_ns, admin_timeout_ns;
	void (*tick)(struct cell_run *run, struct bh_cell *cell);
	void *context; /* of tick */
	/* Out. */
	struct cell_run run;
	uint64_t written, checked, mismatched, again, troubles, fatal; /* DISK_COUNTER_* */
	uint64_t lba_bytes, lba_cnt, ns_cnt, transfer_bytes_max, shadow_doorbells, vwc, cache_on, reads_zero, commands;
	uint64_t reset, device_reset, removed, bad_cnt; /* of the driver; bad_cnt: refused completions of any kind */
};

/* disk_run_of - the disk_run that a cell_run is in: for tick. */
static inline struct disk_run *
disk_run_of(struct cell_run *run)
{
	return (void *)((char *)run - offsetof(struct disk_run, run));
}

/* disk_run - the cell on the drive, however it ends. */
void disk_run(const struct disk *disk, struct disk_run *run);

/* disk_run_ok - it must end with all well, nothing mismatched, and no completion refused. */
void disk_run_ok(const struct disk *disk, struct disk_run *run);

/* disk_linux_bytes - the namespace's size as Linux sees it. */
uint64_t disk_linux_bytes(const struct disk *disk);

/* disk_linux_fill - write the whole namespace with the pattern of a seed, past the page cache, and flush. */
void disk_linux_fill(const struct disk *disk, uint64_t seed);

/*
 * disk_linux_check - read [first_bytes, +size_bytes) past the page cache; every byte must be the seed's pattern. Seed 0: zeroes.
 * size_bytes 0: to the end.
 */
void disk_linux_check(const struct disk *disk, uint64_t seed, uint64_t first_bytes, uint64_t size_bytes);

#endif
