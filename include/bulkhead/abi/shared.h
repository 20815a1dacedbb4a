/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What a cell and its supervisor share while the cell runs: control, status, mailbox, panic record, metric descriptors.
 *
 * Both sides write; each field has one writer, named in its comment. The host treats all that the cell writes as hostile
 * input: it copies a value once, checks it, and uses the copy. No line here is polled by both sides on a hot path.
 */
#ifndef BULKHEAD_ABI_SHARED_H
#define BULKHEAD_ABI_SHARED_H

#include <bulkhead/types.h>

/* Written by the host, read by the cell. */
struct bh_control {
	uint32_t stop; /* not 0: drain and return from cell_main */
	uint32_t pad[15];
} BH_ALIGNED(64);

enum bh_core_state {
	BH_CORE_OFF = 0,      /* not started */
	BH_CORE_BOOTING = 1,  /* in boot/: system calls are still possible */
	BH_CORE_RUNNING = 2,  /* in cell_main, behind the filter */
	BH_CORE_DONE = 3,     /* cell_main returned exit_code */
	BH_CORE_PANICKED = 4, /* see the core's panic record */
};

/* Written by the cell's core (host: read only). */
struct bh_core_status {
	uint32_t state;     /* enum bh_core_state */
	int32_t exit_code;  /* what cell_main returned: 0 or -BH_E* */
	uint64_t heartbeat; /* grows as long as the core makes progress; see bh_heartbeat() */
	int32_t tid;        /* the thread's id, written by boot/; the host checks it against /proc */
	uint32_t boot_step; /* how far boot/ came; named by bh_boot_step_name() on the host */
	int32_t boot_error; /* 0 or the negative errno of that step */
	int32_t lock_error; /* core 0: 0, or why the image and the stacks are not all locked; the cell runs all the same */
	uint32_t pad[8];
} BH_ALIGNED(64);

_Static_assert(sizeof(struct bh_control) == 64, "one line");
_Static_assert(sizeof(struct bh_core_status) == 64, "one line per core");

/* Steps of boot/, in order: what the supervisor names if a cell dies before it runs. */
enum bh_boot_step {
	BH_STEP_START = 0,
	BH_STEP_MAP_SHARED = 1,
	BH_STEP_CHECK_PAGE = 2,
	BH_STEP_MAP_REGIONS = 3,
	BH_STEP_MAP_STACKS = 4,
	BH_STEP_THREADS = 5,
	BH_STEP_AFFINITY = 6,
	BH_STEP_LOCK = 7,
	BH_STEP_CLOSE = 8,
	BH_STEP_FILTER = 9,
	BH_STEP_MAIN = 10,
};

/*
 * Exit codes of a cell that cannot start, seen by the supervisor when even the shared region is not mapped.
 * 0: every core returned 0. 1: a core returned an error (bh_core_status.exit_code has it).
 */
enum {
	BH_CELL_EXIT_OK = 0,
	BH_CELL_EXIT_FAILED = 1,
	BH_CELL_EXIT_NO_BOOT_PAGE = 64,  /* descriptor 3 missing, too short or not mappable */
	BH_CELL_EXIT_BOOT_MAGIC = 65,    /* not a boot page */
	BH_CELL_EXIT_BOOT_VERSION = 66,  /* another version */
	BH_CELL_EXIT_BOOT_CHECKSUM = 67, /* damaged */
	BH_CELL_EXIT_BOOT_CONTENT = 68,  /* a count, address or size out of range */
	BH_CELL_EXIT_BOOT_STEP = 69,     /* bh_core_status says which step and why */
};

/* The mailbox: a register access that the back end cannot map, done by the supervisor. One slot per core. */
enum bh_mailbox_op {
	BH_MAILBOX_READ = 1,
	BH_MAILBOX_WRITE = 2,
	BH_MAILBOX_RESET = 3, /* reset the device (FLR or the back end's equal); region, offset, width are 0 */
};

struct bh_mailbox_slot {
	/* Written by the cell. request_seq is written last (release) and differs from the one before. */
	uint32_t request_seq;
	uint16_t op;     /* enum bh_mailbox_op */
	uint16_t device; /* index into the boot page's devices */
	uint32_t bar;
	uint32_t width_bytes; /* 1, 2, 4 or 8 */
	uint64_t offset;
	uint64_t write_value;
	uint64_t pad0[4];
	/* Written by the host. done_seq is written last (release): equal to request_seq when the answer is there. */
	uint32_t done_seq;
	int32_t status; /* 0 or a negative errno */
	uint64_t read_value;
	uint64_t pad1[6];
} BH_ALIGNED(64);

_Static_assert(sizeof(struct bh_mailbox_slot) == 128, "one line per writer");

/* Written by the cell on panic, before it traps. Strings are NUL-terminated or cut. */
struct bh_panic_record {
	uint32_t valid; /* 1 when complete (release) */
	uint32_t line;
	uint64_t rip, rsp, rbp;
	char file[64];
	char message[128];
	uint64_t value[4]; /* what the message speaks of */
	uint64_t pad[4];
} BH_ALIGNED(64);

_Static_assert(sizeof(struct bh_panic_record) == 320, "five lines");

enum bh_metric_kind {
	BH_METRIC_NONE = 0,
	BH_METRIC_COUNTER = 1, /* only grows; the host shows its rate and the sum over cores */
	BH_METRIC_GAUGE = 2,   /* a value of the moment; the host shows each core's */
	BH_METRIC_HIST = 3,    /* struct bh_hist, in cycles */
};

/* A counter's or histogram's name. `kind` is written last (release). Names are unique in their table. */
struct bh_metric_desc {
	char name[48]; /* [a-z0-9_.], NUL-terminated: "nvme0.completion_unknown_id" */
	char unit[12]; /* "", "bytes", "cycles", ... */
	uint32_t kind; /* enum bh_metric_kind */
};

_Static_assert(sizeof(struct bh_metric_desc) == 64, "one line");

#endif
