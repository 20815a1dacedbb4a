/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The simulator: cores, device and supervisor of one cell in one thread, on a virtual clock, every choice drawn from one
 * seed. docs/simulator.md is its manual.
 *
 *	plan.c      what a seed means: the whole run's parameters, drawn before it begins
 *	turn.c      the clock, and whose turn it is
 *	device.c    registers, mapped or through the supervisor's mailbox; device_nvme.c, device_net.c: the models
 *	trace.c     what happened: hashed, remembered, printed
 *	app.c       runs of nvme-bench
 *	work_*.c    runs of a workload of our own, watched by checker.c
 *	net_*.c     runs of ports: two network cards, a wire, frames
 *	run.c       one seed from beginning to end; many.c: many of them, a process each
 *
 * There is one run in a process (fixed addresses, static variables of the app), so the state here is static.
 */
#ifndef TESTS_SIM_SIM_H
#define TESTS_SIM_SIM_H

#include <bulkhead/types.h>

#include "devices/nvme/nvme_model.h"
#include "devices/virtio_net/vnet_model.h"
#include "tests/sim/plan.h"

struct bh_core;

/* What one run left behind: what the summary prints and --seeds adds up. */
struct sim_result {
	uint64_t seed;
	uint64_t hash;
	uint64_t now_ns;
	uint64_t point_cnt;
	uint64_t io_cnt;
	uint64_t checked_cnt; /* blocks compared with what they may hold */
	uint64_t fault_cnt[NVME_FAULT_ACTION_CNT];
	uint64_t reset_cnt, removed_cnt, mutation_cnt;
	uint64_t net_fault_cnt[SIM_CARD_FAULTS_MAX];
	char failure[512]; /* empty: passed */
};

/* run.c */

/**
 * sim_run - run one seed in this process, once
 * @out: filled; a failure does not come back here: it prints, stores its text and ends the process with status 1
 */
void sim_run(const struct sim_plan *plan, struct sim_result *out);

/* sim_fail - the run found something wrong: say what, print the trace's tail and how to replay, end the process. */
BH_NORETURN BH_PRINTF(1, 2) void sim_fail(const char *format, ...);

/* sim_require - sim_fail with the condition's text if it does not hold. */
#define sim_require(condition)                                                                                         \
	do {                                                                                                           \
		if (!(condition))                                                                                      \
			sim_fail("%s:%d: %s", __FILE__, __LINE__, #condition);                                         \
	} while (0)

/* turn.c */

void sim_turn_init(const struct sim_plan *plan);

/* sim_turn_core_add - a core, and the function that is its whole life. */
void sim_turn_core_add(struct bh_core *core, int (*body)(struct bh_core *core));

/* sim_turn_run - until every core's body has returned. */
void sim_turn_run(void);

/* sim_turn_exit_code - what a core's body returned. */
int sim_turn_exit_code(unsigned core_idx);

/* sim_now_ns - virtual time; moves only at points. */
uint64_t sim_now_ns(void);
uint64_t sim_point_cnt(void);

/* sim_active - something changed: every core counts as busy again, and the next skip of idle time is the shortest one. */
void sim_active(void);

/* sim_core_idx - the core whose turn it is; 0 before the first. */
unsigned sim_core_idx(void);

/* sim_watch - have this called now and then (every 256 points): liveness checks. It must not enter the cell. */
void sim_watch(void (*fn)(void));

/* sim_draw, sim_chance - from the stream of the schedule: below limit; once in `one_in`. */
uint64_t sim_draw(uint64_t limit);
bool sim_chance(uint64_t one_in);

/* device.c */

void sim_device_init(const struct sim_plan *plan);
void sim_device_end(void);
/* sim_device_io_cnt - commands or frames so far */
uint64_t sim_device_io_cnt(void);
struct bh_boot_page;
/* sim_device_describe - write the devices and their BARs into the boot page. */
void sim_device_describe(struct bh_boot_page *page);
/* sim_device_poll - the model's turn. sim_device_next_ns - when it or the supervisor has something to do by itself. */
void sim_device_poll(void);
void sim_supervisor_poll(void);
uint64_t sim_device_next_ns(void);
/* device_nvme.c */
uint8_t *sim_device_media(uint32_t nsid);
void sim_device_stats(struct nvme_model_stats *out);

/* trace.c */

enum sim_event {
	SIM_EVENT_POINT, /* hashed, not remembered: there are too many */
	SIM_EVENT_CORE_DONE,
	SIM_EVENT_REG_READ,
	SIM_EVENT_REG_WRITE,
	SIM_EVENT_DOORBELL,
	SIM_EVENT_MAILBOX,
	SIM_EVENT_DEVICE,
	SIM_EVENT_FAULT,
	SIM_EVENT_FUNCTION_RESET,
	SIM_EVENT_STOP,
	SIM_EVENT_SKIP,
	SIM_EVENT_STEAL,
	SIM_EVENT_LOG,
	SIM_EVENT_SUBMIT,
	SIM_EVENT_COMPLETE,
	SIM_EVENT_REFUSED,
	SIM_EVENT_CALL,
	SIM_EVENT_FRAME_SENT,
	SIM_EVENT_FRAME_RECEIVED,
	SIM_EVENT_RETURN,
	SIM_EVENT_CNT
};

/* sim_trace_init - @print: each event to standard output as it happens. */
void sim_trace_init(bool print);
void sim_trace(enum sim_event event, uint64_t a, uint64_t b, uint64_t c);
void sim_trace_text(enum sim_event event, const char *text);
uint64_t sim_trace_hash(void);
/* sim_trace_tail - the last events, to standard error. */
void sim_trace_tail(void);
/* sim_trace_log_drain - take what the cell logged into the trace. */
void sim_trace_log_drain(void);

/* metrics.c: what the cell counted, summed over its cores. A name that nobody registered is 0. */
uint64_t sim_counter(const char *name);
/* sim_driver_healthy_check - fail unless the driver saw nothing wrong. */
void sim_driver_healthy_check(void);

/* app.c, work.c */
void sim_app_prepare(const struct sim_plan *plan, struct bh_boot_page *page);
int sim_app_body(struct bh_core *core);
void sim_app_check(const struct sim_plan *plan, struct sim_result *out);
void sim_work_prepare(const struct sim_plan *plan);
int sim_work_body(struct bh_core *core);
void sim_work_check(const struct sim_plan *plan, struct sim_result *out);
void sim_net_prepare(const struct sim_plan *plan);
int sim_net_body(struct bh_core *core);
void sim_net_check(const struct sim_plan *plan, struct sim_result *out);

#endif
