/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The simulator's own workload: fibers on every core that use the driver's public functions in every way that its manual
 * allows, with the checker looking on.
 *
 *	work.c         a run: open, rounds, the last look at the disk, close
 *	work_core.c    a core: its pairs, its fibers, deleting and making pairs while commands are outstanding
 *	work_fiber.c   what the fibers do
 *	work_op.c      one command: drawn, submitted, ended
 *	work_mutate.c  the deliberate mistakes
 */
#ifndef TESTS_SIM_WORK_H
#define TESTS_SIM_WORK_H

#include <bulkhead/nvme.h>

#include "tests/sim/buffer.h"
#include "tests/sim/checker.h"
#include "tests/sim/sim.h"

#define WORK_PAIRS_MAX  2u
#define WORK_FIBERS_MAX 4u
#define WORK_ASYNC_MAX  64u
#define WORK_RANGES_MAX 4u

struct work_core;

/* A place for one command at a time. */
struct work_op {
	struct work_core *core;
	struct sim_buffer buffer;
	uint32_t *expected; /* blocks_max of them */
	struct check_op *check;
	struct bh_nvme_qpair *pair;
	const struct bh_nvme_ns *ns;
	uint8_t *data; /* NULL: the command has none */
	uint64_t lba;
	uint32_t lba_cnt;
	uint32_t flags; /* NVME_RW_* */
	enum check_kind kind;
	bool outstanding;
};

struct work_core {
	unsigned idx;
	struct bh_nvme_qpair *pair[WORK_PAIRS_MAX];
	uint32_t pair_cnt;
	uint32_t op_left;   /* of this round */
	uint32_t fiber_cnt; /* alive */
	uint32_t busy_cnt;  /* fibers inside a command */
	uint32_t outstanding_cnt;
	bool paused; /* fibers begin nothing */
	bool over;   /* the device is gone, or no pair can be had */
	struct work_op sync[WORK_FIBERS_MAX];
	struct work_op async[WORK_ASYNC_MAX];
};

struct work {
	const struct sim_work_plan *plan;
	const struct sim_plan *all;
	struct bh_nvme *ctrl;
	bool healthy;
	bool removed; /* seen by some call */
	bool looked;  /* the whole disk could be read at the end */
	uint32_t met_cnt, meet_round;
	struct work_core core[SIM_CORES_MAX];
};

extern struct work work;

/* work_draw, work_chance - from the workload's stream. */
uint64_t work_draw(uint64_t limit);
bool work_chance(uint64_t one_in);

/**
 * work_error - what a call of the driver returned
 * Fails the run if the device is healthy, or if the error is none that the manual lists for such a call.
 */
void work_error(const char *call, int err);

/* work_core_prepare - its buffers. */
void work_core_prepare(struct work_core *core);
/* work_core_run - one round of a core, in its first fiber. */
void work_core_run(struct work_core *core);
/* work_pairs_make - Return: whether the core has all its pairs. work_pairs_end - delete them. */
bool work_pairs_make(struct work_core *core);
void work_pairs_end(struct work_core *core);

/* work_fibers_start - for this round; each ends by itself when op_left is used up. */
void work_fibers_start(struct work_core *core);

/* work_op_draw - choose a command and fill its buffer. */
void work_op_draw(struct work_core *core, struct work_op *op);
/* work_op_read_set - a read of these blocks instead. */
void work_op_read_set(struct work_core *core, struct work_op *op, const struct bh_nvme_ns *ns, uint64_t lba,
                      uint32_t lba_cnt);
/* work_op_sync - run it to its end in a fiber. Return: its status, or 0xffff: not accepted. */
uint16_t work_op_sync(struct work_op *op);
/* work_op_async - submit it. Return: as the driver. */
BH_MUST_CHECK int work_op_async(struct work_op *op);
/* work_op_chain - an asynchronous command has just ended: perhaps submit the next one from inside its completion. */
void work_op_chain(struct work_op *op);

/* work_mutate.c: whether the plan's mistake is due now, once in a run. */
bool work_mutate(enum sim_mutation mutation);
/* Once a command ended well, before the checker sees its data. */
void work_mutate_data(struct work_op *op);
void work_mutate_late(void);

#endif
