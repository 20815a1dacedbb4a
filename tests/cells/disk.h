/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What the disk cell is told, the pattern that it writes and expects, and the names of what it reports. Freestanding; the lab's
 * tests include it too, and compute the same pattern from the other side.
 */
#ifndef TESTS_CELLS_DISK_H
#define TESTS_CELLS_DISK_H

#include <bulkhead/abi/boot.h>
#include <bulkhead/types.h>

/* X(word): a word of [disk] what. Order is the value in the boot page. */
#define DISK_LIST(X)                                                                                                   \
	X(fill)       /* write the range with the pattern */                                                           \
	X(check)      /* read it and compare */                                                                        \
	X(zero)       /* Write Zeroes */                                                                               \
	X(deallocate) /* Dataset Management */                                                                         \
	X(load)       /* fill it over and over until asked to stop */

/* X(word): a word of [disk] trouble: what happens to the controller while that goes on. */
#define DISK_TROUBLE_LIST(X)                                                                                           \
	X(none)                                                                                                        \
	X(reset)    /* the driver is asked to reset the controller */                                                  \
	X(function) /* the function is reset below the driver, through the mailbox */                                  \
	X(fatal)    /* the controller is enabled with an admin queue that cannot be: QEMU's then sets CSTS.CFS */

enum disk_what {
#define DISK_ENUM(word) DISK_##word,
	DISK_LIST(DISK_ENUM)
#undef DISK_ENUM
};

enum disk_trouble {
#define DISK_ENUM(word) DISK_TROUBLE_##word,
	DISK_TROUBLE_LIST(DISK_ENUM)
#undef DISK_ENUM
};

struct disk_config {
	char device[BH_NAME_BYTES];
	uint32_t what;
	uint32_t trouble;
	uint32_t trouble_cnt; /* how often, spread over the run */
	uint32_t namespace_id;
	uint64_t seed;
	uint64_t first_bytes, size_bytes; /* the range; size 0: the whole namespace. Multiples of the block size */
	uint32_t io_bytes;                /* of one request */
	uint32_t depth;
	uint32_t no_shadow_doorbells;
	uint32_t write_cache;      /* 0 leave it, 1 on, 2 off (Set Features) */
	uint64_t admin_timeout_ns; /* 0: the driver's default */
};

/* Counters, in blocks of the namespace and in requests. */
#define DISK_COUNTER_WRITTEN    "disk.written"
#define DISK_COUNTER_CHECKED    "disk.checked"
#define DISK_COUNTER_MISMATCHED "disk.mismatched"
#define DISK_COUNTER_AGAIN      "disk.again" /* requests that a reset ended, sent again */
#define DISK_COUNTER_TROUBLES   "disk.troubles"
#define DISK_COUNTER_FATAL      "disk.fatal" /* how often CSTS.CFS was seen */
/* Gauges: what the driver found. */
#define DISK_GAUGE_LBA_BYTES    "disk.lba_bytes"
#define DISK_GAUGE_LBA_CNT      "disk.lba_cnt"
#define DISK_GAUGE_NS_CNT       "disk.ns_cnt"
#define DISK_GAUGE_TRANSFER_MAX "disk.transfer_bytes_max"
#define DISK_GAUGE_SHADOW       "disk.shadow_doorbells"
#define DISK_GAUGE_VWC          "disk.volatile_write_cache" /* Identify: there is one */
#define DISK_GAUGE_CACHE_ON     "disk.write_cache_on"       /* Get Features: it is on */
#define DISK_GAUGE_READS_ZERO   "disk.deallocated_reads_zero"
#define DISK_GAUGE_COMMANDS     "disk.device_commands" /* reads and writes that the controller's health log counted */

/* The word at a byte offset of the namespace: splitmix64 of seed and position, so that no two positions look alike. */
BH_INLINE uint64_t
disk_word(uint64_t seed, uint64_t offset_bytes)
{
	uint64_t x = seed + (offset_bytes / 8 + 1) * UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

#endif
