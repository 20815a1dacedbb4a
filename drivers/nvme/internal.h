/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Inside the NVMe driver.
 *
 * Who writes what. struct bh_nvme is the owner core's, but for the words marked "any core", which are atomic. A queue
 * pair is its core's, but for `phase_acked` and `abort_ask`, by which the two cores talk. All of it is on the heap.
 *
 * A reset, seen from both sides (`phase` is a counter << 2 | enum nvme_phase; each step is a new value):
 *
 *	owner: QUIESCE ----> queue pairs park: no new commands; acknowledge            (waits shortly, a courtesy)
 *	owner: CC.EN = 0, CSTS.RDY = 0: the device's DMA has ended
 *	owner: DRAIN   ----> queue pairs fail what is outstanding, empty their rings, acknowledge    (waits: needed)
 *	owner: enables, creates the queues again
 *	owner: LIVE    ----> queue pairs take up work
 *
 * The step after DRAIN is only made when every pair acknowledged, so a pair never uses a queue that it did not empty.
 */
#ifndef DRIVERS_NVME_INTERNAL_H
#define DRIVERS_NVME_INTERNAL_H

#include <bulkhead/device.h>
#include <bulkhead/log.h>
#include <bulkhead/mem.h>
#include <bulkhead/metrics.h>
#include <bulkhead/nvme.h>
#include <bulkhead/sched.h>

#define NVME_QPAIRS_MAX          128u /* with the admin queue */
#define NVME_ADMIN_ENTRIES       32u
#define NVME_ADMIN_DEPTH         16u
#define NVME_AER_MAX             4u
#define NVME_DISTURBED_MAX       16 /* foreign resets that one reset of ours puts up with */
#define NVME_TICKS_PER_TIMEOUT   8u
#define NVME_LOG_BUDGET          16u /* errors of a pair that are logged, anew after each reset */
#define NVME_LIST_BYTES_MIN      (BH_NVME_DSM_RANGES_MAX * sizeof(struct nvme_dsm_range))
#define NVME_PRPS_PER_PAGE       (BH_PAGE_BYTES / NVME_PRP_BYTES)
#define NVME_CLASS_IO_CONTROLLER 0x010802u
#define NVME_MS_NS               UINT64_C(1000000)
#define NVME_TAG_UNUSED          UINT32_C(0x20000) /* in a slot's tag: no command had it yet */

enum nvme_phase { NVME_PHASE_LIVE = 0, NVME_PHASE_QUIESCE = 1, NVME_PHASE_DRAIN = 2, NVME_PHASE_REMOVED = 3 };
#define NVME_PHASE_NONE     UINT32_C(0xffffffff) /* no phase word: the counter does not get that far */
#define NVME_PHASE_OF(word) ((enum nvme_phase)((word)&3u))

/* Why a reset is wanted: bits of bh_nvme.reset_wanted. */
enum {
	NVME_RESET_ASKED = 1u << 0,
	NVME_RESET_TIMEOUT = 1u << 1,
	NVME_RESET_REFUSED = 1u << 2,
	NVME_RESET_FATAL = 1u << 3,
	NVME_RESET_NOT_READY = 1u << 4,
	NVME_RESET_ADMIN = 1u << 5,
};

/* bh_nvme_slot.flags */
enum {
	NVME_SLOT_TIMED_OUT = 1u << 0,
	NVME_SLOT_ABORT_ASKED = 1u << 1,
	NVME_SLOT_FIRST = 1u << 2, /* no command before this one used the slot; completion clears it as all flags */
};

struct nvme_counters {
	uint64_t *unknown_id, *duplicate, *wrong_sq, *bad_sq_head, *old_sq_head, *status_error, *timeout;
};

/* A request larger than one command: its children hold a slot each. */
struct nvme_split {
	struct nvme_split *next; /* free list */
	struct bh_nvme_qpair *qp;
	const struct bh_nvme_ns *ns;
	uint64_t lba;
	uint64_t addr; /* 0: the command carries no data */
	uint32_t lba_left;
	uint32_t lba_step;
	uint32_t opcode;
	uint32_t cdw12_flags;
	uint32_t child_cnt; /* outstanding */
	uint16_t status;    /* first error */
	bh_nvme_done_fn done_fn;
	void *arg;
};

/* What of a queue pair is not hot. */
struct bh_nvme_qpair_slow {
	struct bh_nvme *ctrl;
	uint32_t core_idx;
	uint32_t depth;
	uint32_t sq_entries, cq_entries;
	uint8_t *list; /* arena: list_bytes per slot, for PRP lists and DSM ranges */
	uint32_t list_bytes;
	bool parked;          /* by a step of a reset */
	bool in_step;         /* failing commands for that step right now */
	bool created;         /* the device has the queues; owner */
	bool abandoned;       /* its core waits no more for the owner's answer; atomic */
	uint32_t free_parked; /* free_cnt while parked */
	uint32_t log_budget;  /* errors still worth a log record */
	uint64_t tick_next_tsc;
	uint64_t tick_tsc; /* 0: no time-outs (admin) */
	struct nvme_split *split_free;
	struct nvme_split *splits; /* heap: depth of them */
	struct nvme_counters counters;
	struct bh_poller poller;
	uint32_t phase_acked BH_ALIGNED(64); /* this core writes, the owner reads */
	uint32_t abort_ask; /* 0, or BH_NVME_SLOT_LIVE | identifier: set by this core, cleared by the owner */
	uint32_t orphan; /* not 0: abandoned, and the owner is done with it: its core may free it. The owner writes */
};

/* Arena memory of one queue identifier: kept when a pair is deleted, as the arena frees nothing. */
struct nvme_queue_memory {
	struct nvme_sqe *sq;
	struct nvme_cqe *cq;
	uint8_t *list;
	uint32_t sq_entries, cq_entries;
	size_t list_total_bytes;
	bool lost; /* a Delete was not confirmed: not to be used before the next reset */
};

/* An asynchronous event request: one of the admin queue's slots. */
struct nvme_aer {
	struct bh_nvme *ctrl;
};

enum nvme_op { NVME_OP_ADMIN, NVME_OP_CREATE, NVME_OP_DELETE, NVME_OP_RESET, NVME_OP_CLOSE };
enum nvme_request_state { NVME_REQUEST_PENDING, NVME_REQUEST_DONE, NVME_REQUEST_ABANDONED };

/* A wish of any core, served by the keeper. Heap. Belongs to the keeper until its state is DONE or found ABANDONED. */
struct nvme_request {
	struct nvme_request *next;
	enum nvme_op op;
	uint32_t state; /* atomic */
	int error;
	struct bh_nvme_qpair *qp;
	struct nvme_sqe cmd;
	uint32_t data_bytes;
	uint32_t result;
	uint16_t status;
	uint8_t data[];
};

struct bh_nvme {
	uint32_t phase BH_ALIGNED(64); /* the owner writes, every pair reads on each poll */

	/* any core */
	uint32_t attention BH_ALIGNED(64); /* not 0: the keeper should look */
	uint32_t reset_wanted;
	struct nvme_request *requests; /* stack, newest first */
	uint8_t qid_taken[NVME_QPAIRS_MAX];

	/* owner core */
	struct bh_device device BH_ALIGNED(64);
	char name[BH_NAME_BYTES];
	struct bh_nvme_options options;
	struct bh_nvme_info info;
	uint32_t owner_core;
	uint64_t cap;
	uint32_t cc;
	uint64_t ready_timeout_tsc;
	uint64_t admin_timeout_tsc;
	uint64_t watch_tsc;
	uint64_t shutdown_timeout_ns;
	uint32_t own_reset_cnt; /* of the function, by bh_nvme_device_reset() */
	uint32_t admin_phase;   /* constant 0: what the admin queue's polls compare */
	struct bh_nvme_qpair *admin;
	uint8_t *data_page;                /* arena: what admin commands transfer */
	bool data_lost;                    /* one that timed out may still do so: hands off until the next reset */
	uint8_t *shadow_page, *event_page; /* arena */
	struct nvme_aer aer[NVME_AER_MAX];
	uint32_t notices;                          /* NVME_OAES_* that the controller has and we want */
	uint32_t event_pages;                      /* bit n: log page n has to be read to re-arm its event */
	struct bh_nvme_qpair *qp[NVME_QPAIRS_MAX]; /* the pairs that the device has; [0] unused */
	struct nvme_queue_memory memory[NVME_QPAIRS_MAX];
	uint32_t ns_cnt;
	struct bh_nvme_ns ns[BH_NVME_NS_MAX];
	struct bh_event event;
	struct bh_poller poller;
	uint64_t *cnt_abort, *cnt_reset, *cnt_device_reset, *cnt_removed, *cnt_async_event;
};

/* register.c: registers, and waiting for them (Base 2.0, 3.1.3, 3.5); resets of the function */
BH_MUST_CHECK int bh_nvme_csts_read(struct bh_nvme *ctrl, uint32_t *out_csts);
BH_MUST_CHECK int bh_nvme_capabilities_read(struct bh_nvme *ctrl);
BH_MUST_CHECK int bh_nvme_disable(struct bh_nvme *ctrl);
BH_MUST_CHECK int bh_nvme_enable(struct bh_nvme *ctrl);
BH_MUST_CHECK int bh_nvme_quiet(struct bh_nvme *ctrl);
BH_MUST_CHECK int bh_nvme_shutdown(struct bh_nvme *ctrl);

/*
 * Resets of the whole function: the driver's own, and those that the application asks core for while the driver knows
 * nothing of it. What was read or sent while the number of these changed counts for nothing. Owner core.
 */
BH_MUST_CHECK int bh_nvme_device_reset(struct bh_nvme *ctrl);
uint32_t bh_nvme_foreign_reset_cnt(const struct bh_nvme *ctrl);
uint32_t bh_nvme_foreign_reset_wait(struct bh_nvme *ctrl);

/* identify.c */
BH_MUST_CHECK int bh_nvme_identify_controller(struct bh_nvme *ctrl);
BH_MUST_CHECK int bh_nvme_identify_namespaces(struct bh_nvme *ctrl);
void bh_nvme_identify_namespace(struct bh_nvme *ctrl, struct bh_nvme_ns *ns);

/* setup.c: what is told to a freshly enabled controller */
BH_MUST_CHECK int bh_nvme_setup_features(struct bh_nvme *ctrl);
BH_MUST_CHECK int bh_nvme_setup_queues(struct bh_nvme *ctrl);

/* admin.c: on the owner core, in a fiber */
BH_MUST_CHECK int bh_nvme_admin_exec(struct bh_nvme *ctrl, const struct nvme_sqe *cmd, uint32_t *out_result,
                                     uint16_t *out_status);

/* request.c */
BH_MUST_CHECK int bh_nvme_request_run(struct bh_nvme *ctrl, struct nvme_request **io_request);
struct nvme_request *bh_nvme_request_new(enum nvme_op op, size_t data_bytes);
BH_MUST_CHECK bool bh_nvme_requests_serve(struct bh_nvme *ctrl);

/* keeper.c */
void bh_nvme_keeper_poll(void *ctrl);
void bh_nvme_keeper_main(void *ctrl);
void bh_nvme_attention(struct bh_nvme *ctrl);
void bh_nvme_reset_want(struct bh_nvme *ctrl, uint32_t reason);

/* reset.c */
int bh_nvme_reset_run(struct bh_nvme *ctrl, uint32_t reasons);
void bh_nvme_remove(struct bh_nvme *ctrl);
void bh_nvme_phase_set(struct bh_nvme *ctrl, enum nvme_phase phase);

/* qpair.c, queue_memory.c, qpair_device.c */
void bh_nvme_counters_register(struct bh_nvme *ctrl);
BH_MUST_CHECK int bh_nvme_qpair_new(struct bh_nvme *ctrl, uint32_t qid, uint32_t depth, struct bh_nvme_qpair **out_qp);
void bh_nvme_qpair_free(struct bh_nvme_qpair *qp);
void bh_nvme_qpair_orphan(struct bh_nvme *ctrl, struct bh_nvme_qpair *qp);
void bh_nvme_qpair_bury(struct bh_nvme_qpair *qp);
BH_MUST_CHECK int bh_nvme_qpair_device_create(struct bh_nvme *ctrl, struct bh_nvme_qpair *qp);
BH_MUST_CHECK int bh_nvme_qpair_device_delete(struct bh_nvme *ctrl, struct bh_nvme_qpair *qp);
void bh_nvme_qpair_shadow(struct bh_nvme_qpair *qp);
void bh_nvme_qpair_empty(struct bh_nvme_qpair *qp);
BH_MUST_CHECK int bh_nvme_queue_memory_get(struct bh_nvme *ctrl, uint32_t qid, uint32_t sq_entries, uint32_t cq_entries,
                                           size_t list_total_bytes);
uint32_t bh_nvme_list_bytes(uint32_t transfer_bytes_max);

/* complete.c */
uint32_t bh_nvme_qpair_fail_all(struct bh_nvme_qpair *qp, uint16_t status);
void bh_nvme_qpair_poll(void *qp);

/* prp.c */
void bh_nvme_prp_build(uint64_t addr, uint64_t bytes, uint64_t *list, uint64_t *out_prp1, uint64_t *out_prp2);

/* split.c */
BH_MUST_CHECK int bh_nvme_split_start(struct bh_nvme_qpair *qp, const struct nvme_split *request);

/* event.c */
void bh_nvme_events_arm(struct bh_nvme *ctrl);
void bh_nvme_events_read(struct bh_nvme *ctrl);

/* admin.c: one Get Log Page into ctrl->data_page */
BH_MUST_CHECK int bh_nvme_log_exec(struct bh_nvme *ctrl, uint8_t log_page, uint32_t nsid, uint32_t data_bytes);

/* bh_nvme_list_of - the piece of list memory that belongs to a tag's slot. */
BH_INLINE uint64_t *
bh_nvme_list_of(const struct bh_nvme_qpair *qp, uint32_t tag)
{
	return (uint64_t *)(uintptr_t)(qp->slow->list + (size_t)(tag & qp->sq_mask) * qp->slow->list_bytes);
}

/* bh_nvme_deadline - `ns` from now, in cycles. */
uint64_t bh_nvme_deadline(uint64_t ns);

/* bh_nvme_pause - let others run; for loops that wait for a register: short at first, at most about 1 ms. */
void bh_nvme_pause(uint32_t *turn);

#endif
