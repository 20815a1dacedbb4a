/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The model's state and what its files offer each other:
 *
 *	model.c     creation, destruction, configuration
 *	reg.c       registers; enabling, disabling, shutting down
 *	queue.c     doorbells, fetching, posting of completions: the fast path
 *	pending.c   commands that wait for their time; abort; held completions
 *	prp.c       from PRPs to addresses
 *	io.c        NVM commands
 *	admin.c     admin commands; identify.c, log.c, feature.c hold the larger ones
 *	inject.c    which fault rule fires
 *
 * A status here is SCT << 8 | SC (spec/nvme_status.h); NVME_DNR is the do-not-retry bit at its place in that form.
 */
#ifndef DEVICES_NVME_INTERNAL_H
#define DEVICES_NVME_INTERNAL_H

#include <bulkhead/arch_x86_64.h>

#include "devices/nvme/nvme_model.h"

#define NVME_DNR           0x4000u /* in status words shifted right by one */
#define NVME_MORE          0x2000u
#define NVME_NO_COMPLETION 0xffffu /* of an admin command that completes later: Asynchronous Event Request */

#define NVME_BURST_CNT       32u
#define NVME_AER_CNT         4u
#define NVME_EVENT_CNT       16u
#define NVME_ERROR_LOG_CNT   64u
#define NVME_NONE            UINT32_MAX
#define NVME_ADMIN_RESERVE   64u /* pending slots that I/O commands cannot take: an Abort always finds one */
#define NVME_SCAN_POLLS      256u
#define NVME_SEGMENTS_MAX    1026u
#define NVME_TEMPERATURE_K   313u
#define NVME_TEMPERATURE_MAX 343u
#define NVME_WARNING_K       353u

struct nvme_cq {
	uint8_t *entries; /* host address; NULL: forgotten by dma_unmap, to be asked for again */
	const volatile uint32_t *head_doorbell;
	uint32_t size, head, tail;
	uint32_t phase;
	uint32_t bad_head; /* the last invalid value seen, or NVME_NONE */
	uint16_t id, vector;
	bool created, interrupts, interrupt_due;
	uint32_t sq_cnt;
	uint32_t held_first, held_last; /* completions that found it full: pending slots */
	uint64_t posted_cnt;
	uint64_t iova;
} BH_ALIGNED(64);

struct nvme_sq {
	const struct nvme_sqe *entries; /* as above */
	const volatile uint32_t *tail_doorbell;
	struct nvme_cq *cq;
	uint32_t size, head;
	uint32_t bad_tail;
	uint16_t id;
	bool created;
	uint64_t iova;
} BH_ALIGNED(64);

enum nvme_pending_state {
	NVME_PENDING_FREE = 0,
	NVME_PENDING_TIMED,     /* in the heap */
	NVME_PENDING_HUNG,      /* until aborted */
	NVME_PENDING_REORDERED, /* in the heap, too: leaves it early */
	NVME_PENDING_RUNNING,   /* being executed or posted */
	NVME_PENDING_HELD,      /* done, but its completion queue is full */
};

/* A command that is fetched and not completed. */
struct nvme_pending {
	struct nvme_sqe sqe;
	uint64_t due_ns;
	uint64_t seq;           /* order of fetching, among equal times */
	uint64_t release_cnt;   /* REORDERED: when the queue's posted_cnt reaches it */
	uint32_t heap_idx;      /* in the heap, or NVME_NONE */
	uint32_t next;          /* free list, held list */
	uint32_t rule_idx;      /* fault rule, or NVME_NONE */
	uint32_t result;        /* HELD */
	uint16_t sq_id, status; /* HELD: status */
	uint8_t state;          /* enum nvme_pending_state */
};

/* How one command's completion lies. All zero: it does not. */
struct nvme_lie {
	bool duplicate, stray, wrong_id, wrong_phase, wrong_sq, wrong_head, old_head, lose;
};

struct nvme_event {
	uint8_t type, info, log_page;
};

struct nvme_rule_state {
	struct nvme_fault_rule rule;
	uint64_t match_cnt, fired_cnt;
};

struct nvme_segment {
	uint8_t *addr;
	uint64_t cnt_bytes;
};

enum nvme_power {
	NVME_OFF = 0, /* CSTS.RDY 0, CC.EN 0 */
	NVME_STARTING,
	NVME_READY,
	NVME_STOPPING,
	NVME_FAILED,  /* CSTS.CFS */
	NVME_REMOVED, /* all ones */
};

struct nvme_features {
	uint32_t arbitration, power, error_recovery, write_cache, coalescing, write_atomicity, async_event;
	uint16_t temperature_over, temperature_under;
	uint32_t io_queue_cnt; /* granted */
};

struct nvme_model {
	/* Hot: read in each poll */
	uint64_t now_ns;
	uint32_t active_cnt;
	uint32_t scan_polls; /* polls left until an idle doorbell is looked at */
	bool busy;           /* nvme_step() has something to look after */
	bool fast_media;     /* memory or nothing: no function to call */
	bool slow_io;        /* service times or fault rules: no command takes the fast path */
	uint32_t lba_shift, page_shift;
	uint64_t page_mask;
	uint64_t ns_blocks, ns_bytes;
	uint64_t transfer_bytes_max;
	uint8_t *memory;
	struct nvme_model_window window; /* the last hit */
	struct nvme_model_stats stats;
	struct nvme_sq *active[NVME_MODEL_IO_QUEUES_MAX + 1]; /* queues that are polled; [0] is the admin queue */

	struct nvme_model_config config;
	struct nvme_model_host host;
	struct nvme_model_backing backing;
	struct nvme_random random;

	/* Registers and state */
	enum nvme_power power;
	uint64_t power_due_ns;
	bool stuck; /* the transition that is under way does not end */
	bool enabled_before;
	uint64_t first_enabled_ns;
	uint64_t shutdown_due_ns; /* UINT64_MAX: none under way */
	uint32_t cc, csts, aqa, interrupt_mask;
	uint64_t asq, acq;
	uint32_t scan_idx;

	struct nvme_cq cq[NVME_MODEL_IO_QUEUES_MAX + 1];
	struct nvme_sq sq[NVME_MODEL_IO_QUEUES_MAX + 1];
	bool shadow_used;
	uint64_t shadow_iova, event_idx_iova;

	/* Pending commands */
	struct nvme_pending *pending; /* config.pending_cnt */
	uint32_t *heap;               /* of indices into it, by due_ns and seq */
	uint32_t heap_cnt, free_first, free_cnt, held_cnt, hung_cnt, reordered_cnt;
	uint64_t fetch_seq;

	/* Admin */
	struct nvme_features features;
	uint16_t aer_cid[NVME_AER_CNT];
	uint32_t aer_cnt;
	struct nvme_event event[NVME_EVENT_CNT];
	uint32_t event_cnt;
	uint32_t event_masked;                                 /* bit per type: reported, its log page not yet read */
	uint8_t event_log_page[8];                             /* which page unmasks the type */
	struct nvme_error_entry error_log[NVME_ERROR_LOG_CNT]; /* a ring */
	uint64_t error_log_cnt;                                /* entries ever made */
	uint8_t critical_warning;
	bool ns_changed;

	/* Faults */
	struct nvme_rule_state rule[NVME_FAULT_RULES_MAX];
	bool device_rules; /* some rule fires without a command */

	/* Scratch: no deep stack */
	struct nvme_segment segment[NVME_SEGMENTS_MAX];
	uint32_t segment_cnt;
	uint8_t page[4096] BH_ALIGNED(64);
	uint8_t page2[4096] BH_ALIGNED(64);
};

/* reg.c */
void nvme_power_step(struct nvme_model *m);
uint64_t nvme_power_next_ns(const struct nvme_model *m);
void nvme_fatal(struct nvme_model *m);
void nvme_remove(struct nvme_model *m);
void nvme_queues_drop(struct nvme_model *m);
void nvme_busy_update(struct nvme_model *m);

/* queue.c */
volatile uint32_t *nvme_doorbell_at(struct nvme_model *m, uint32_t qid, uint32_t is_cq);
void nvme_active_rebuild(struct nvme_model *m);
uint32_t nvme_cq_room(struct nvme_model *m, struct nvme_cq *cq);
bool nvme_cq_reachable(struct nvme_model *m, struct nvme_cq *cq);
bool nvme_sq_reachable(struct nvme_model *m, struct nvme_sq *sq);
void nvme_post(struct nvme_model *m, struct nvme_sq *sq, uint16_t cid, uint16_t status, uint32_t result,
               const struct nvme_lie *lie);
void nvme_command_failed(struct nvme_model *m, uint16_t sq_id, const struct nvme_sqe *sqe, uint16_t status);

/* pending.c */
void nvme_pending_init(struct nvme_model *m);
void nvme_pending_drop_all(struct nvme_model *m);
void nvme_pending_end_sq(struct nvme_model *m, uint16_t sq_id);
bool nvme_pending_abort(struct nvme_model *m, uint16_t sq_id, uint16_t cid);
void nvme_command_start(struct nvme_model *m, struct nvme_sq *sq, const struct nvme_sqe *sqe);
uint32_t nvme_pending_step(struct nvme_model *m);
uint64_t nvme_pending_next_ns(const struct nvme_model *m);

/* prp.c */
void *nvme_dma_slow(struct nvme_model *m, uint64_t iova, uint64_t cnt_bytes, uint32_t prot);
uint16_t nvme_prp_map(struct nvme_model *m, uint64_t prp1, uint64_t prp2, uint64_t cnt_bytes, uint32_t prot);
uint16_t nvme_data_out(struct nvme_model *m, const struct nvme_sqe *sqe, const void *data, uint64_t cnt_bytes);
uint16_t nvme_data_in(struct nvme_model *m, const struct nvme_sqe *sqe, void *out_data, uint64_t cnt_bytes);

/* io.c. rule: NULL, or a fault on the data. */
uint16_t nvme_io_execute(struct nvme_model *m, const struct nvme_sqe *sqe, const struct nvme_fault_rule *rule);
void nvme_media_flush(struct nvme_model *m);

/* admin.c, identify.c, log.c, feature.c */
void nvme_shadow_unmap(struct nvme_model *m, uint64_t iova, uint64_t size_bytes);
uint16_t nvme_admin_execute(struct nvme_model *m, const struct nvme_sqe *sqe, uint32_t *out_result);
void nvme_queue_init(struct nvme_model *m, uint32_t qid, bool is_cq);
uint16_t nvme_identify(struct nvme_model *m, const struct nvme_sqe *sqe);
uint16_t nvme_log_page_get(struct nvme_model *m, const struct nvme_sqe *sqe);
void nvme_error_log_add(struct nvme_model *m, uint16_t sq_id, uint16_t cid, uint16_t status, uint64_t lba,
                        uint32_t nsid);
void nvme_event_raise(struct nvme_model *m, uint8_t type, uint8_t info, uint8_t log_page);
void nvme_event_deliver(struct nvme_model *m);
void nvme_event_unmask(struct nvme_model *m, uint8_t log_page);
void nvme_features_init(struct nvme_model *m);
uint16_t nvme_feature_set(struct nvme_model *m, const struct nvme_sqe *sqe, uint32_t *out_result);
uint16_t nvme_feature_get(struct nvme_model *m, const struct nvme_sqe *sqe, uint32_t *out_result);

/* inject.c */
void nvme_fault_init(struct nvme_model *m);
struct nvme_rule_state *nvme_fault_for_command(struct nvme_model *m, uint16_t sq_id, const struct nvme_sqe *sqe);
bool nvme_fault_for_power(struct nvme_model *m, enum nvme_fault_action action);
bool nvme_fault_device_step(struct nvme_model *m);
uint64_t nvme_fault_next_ns(const struct nvme_model *m);
void nvme_fault_device_apply(struct nvme_model *m, const struct nvme_fault_rule *rule);

/* nvme_dma - the host's address of a range that the client granted, or NULL. cnt_bytes is not 0. */
BH_INLINE void *
nvme_dma(struct nvme_model *m, uint64_t iova, uint64_t cnt_bytes, uint32_t prot)
{
	const struct nvme_model_window *w = &m->window;
	uint64_t offset = iova - w->iova;
	if (BH_LIKELY(offset < w->size_bytes && cnt_bytes <= w->size_bytes - offset && !(prot & ~w->prot)))
		return w->addr + offset;
	return nvme_dma_slow(m, iova, cnt_bytes, prot);
}

#endif
