/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A scripted NVMe controller for the driver's unit tests, and the virtual world around the driver: a clock that only moves
 * when it is read, one process, one thread per core at most.
 *
 * It shares no code with devices/nvme: written from the specification for the tests alone, it does what a test tells
 * it, wrong things above all. A command is handled when its doorbell is written. It may be held and completed by hand.
 */
#ifndef TESTS_UNIT_NVME_FAKE_H
#define TESTS_UNIT_NVME_FAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <bulkhead/cell.h>
#include <bulkhead/device.h>
#include <bulkhead/mem.h>
#include <bulkhead/metrics.h>
#include <bulkhead/nvme.h>
#include <bulkhead/sched.h>

#define FAKE_QUEUES     17u
#define FAKE_NS_CNT     8u
#define FAKE_LOG_CNT    4096u
#define FAKE_DISK_BYTES (4u << 20)

struct fake_sq {
	bool valid;
	struct nvme_sqe *ring;
	uint32_t entries, head, tail, cqid;
};

struct fake_cq {
	bool valid;
	struct nvme_cqe *ring;
	uint32_t entries, tail, head, phase;
};

/* What a hook says about a command. */
enum fake_verdict { FAKE_DEFAULT, FAKE_HOLD, FAKE_DONE };

struct fake {
	/* Registers */
	uint64_t cap, asq, acq;
	uint32_t vs, cc, csts, aqa, crto;

	/* Script */
	bool gone;                  /* every register reads all ones */
	bool never_ready;           /* CSTS.RDY does not follow CC.EN = 1 */
	bool never_quiet;           /* CSTS.RDY does not follow CC.EN = 0 */
	bool cfs_when_enabled;      /* instead of RDY */
	bool cfs_sticky;            /* only a reset of the function clears CFS */
	bool never_shut;            /* CSTS.SHST stays */
	bool no_windows;            /* doorbells are not mapped */
	int reg_error;              /* what register accesses return, if not 0 */
	int reset_error;            /* what bh_device_reset returns */
	uint32_t ready_after_reads; /* CSTS reads until RDY follows EN */
	uint32_t io_queues_granted;
	enum fake_verdict (*hook)(struct fake *fake, uint32_t sqid, const struct nvme_sqe *cmd, struct nvme_cqe *cqe);
	void *hook_arg;
	uint32_t hold_opcode_mask; /* I/O opcodes (bits) that are held */
	uint16_t fail_status[256]; /* status for this I/O opcode */
	uint16_t admin_fail_status[256];
	bool admin_silent[256]; /* never answered */

	/* Identity */
	struct nvme_identify_controller id;
	struct nvme_identify_nvm_controller id_nvm;
	uint32_t ns_cnt;
	uint32_t nsid[FAKE_NS_CNT];
	struct nvme_identify_namespace ns[FAKE_NS_CNT];
	uint8_t ns_descriptors[NVME_IDENTIFY_BYTES];
	uint8_t log_page[6][NVME_IDENTIFY_BYTES];

	/* State */
	struct fake_sq sq[FAKE_QUEUES];
	struct fake_cq cq[FAKE_QUEUES];
	uint64_t shadow, event; /* Doorbell Buffer Config */
	uint16_t aer_cid[16];
	uint32_t aer_cnt;
	uint32_t feature[256];
	uint32_t csts_reads;
	uint32_t reset_cnt;   /* bh_device_reset calls */
	uint32_t foreign_cnt; /* resets of the function by somebody else */
	bool foreign_under_way;
	uint32_t accesses_beside; /* register accesses while one was under way */
	uint32_t disable_cnt;     /* CC.EN 1 -> 0 */
	uint32_t shutdown_cc;     /* CC as written with SHN != 0 */
	uint32_t doorbell_cnt[FAKE_QUEUES][2];
	bool write_while_disabled; /* a doorbell came in while CC.EN was 0 */

	/* What was sent: every command in order, with its queue. */
	uint32_t log_cnt;
	struct {
		uint32_t sqid;
		struct nvme_sqe cmd;
	} log[FAKE_LOG_CNT];

	uint8_t *disk; /* FAKE_DISK_BYTES, shared by all namespaces */
};

extern struct fake fake;

/* Set-up and teardown of each test: a hosted cell with one core (fake_start) and a well-behaved controller "nvme0". */
int fake_start(void **state);
int fake_start_two_cores(void **state);
int fake_stop(void **state);

/* fake_run - run a body as a fiber of core 0 (or another) until it returns. */
void fake_run(bh_fiber_fn fn, void *arg);
void fake_run_on(unsigned core_idx, bh_fiber_fn fn, void *arg);

/* fake_clock_advance - move the virtual clock. */
void fake_clock_advance(uint64_t ns);

/* Complete a command that is held, by its SQE; or post any completion entry at all to a completion queue. */
void fake_complete(uint32_t sqid, const struct nvme_sqe *cmd, uint16_t status);
void fake_cqe_post(uint32_t cqid, struct nvme_cqe cqe);
struct nvme_cqe fake_cqe_for(uint32_t sqid, uint16_t cid, uint16_t status);

/* A reset of the function that the driver did not ask for. Until its end every register reads all ones. */
void fake_foreign_reset_begin(void);
void fake_foreign_reset_end(void);

/* fake_event - complete one asynchronous event request with this DW0. */
void fake_event(uint32_t type, uint32_t info, uint32_t page);

/* fake_sent - the idx-th command sent on a queue (SQ 0 admin) with that opcode; NULL: not that many. */
const struct nvme_sqe *fake_sent(uint32_t sqid, uint8_t opcode, uint32_t idx);
uint32_t fake_sent_cnt(uint32_t sqid, uint8_t opcode);

/* fake_counter - a counter "nvme0.<name>" of the calling core. */
uint64_t fake_counter(const char *name);

/* fake_prp_copy - move bytes between PRPs and memory, walking them as the specification says. Return: false: invalid PRPs. */
bool fake_prp_copy(uint64_t prp1, uint64_t prp2, uint8_t *data, uint64_t bytes, bool to_host);

/* Completion recorder: done_fn for tests. */
struct done {
	uint32_t cnt;
	uint16_t status;
};
void done_fn(void *arg, uint16_t status);

/* The usual beginning: open with `options`, namespace 1, one pair. The test fails if any of it does. */
struct rig {
	struct bh_nvme *ctrl;
	const struct bh_nvme_ns *ns;
	struct bh_nvme_qpair *qp;
};
void rig_open(struct rig *rig, const struct bh_nvme_options *options, uint32_t depth);
void rig_close(struct rig *rig);

/* rig_until - poll and yield until *cnt reaches want; fails the test after a long virtual time. */
void rig_until(struct rig *rig, const uint32_t *cnt, uint32_t want);

/* A test that runs its body as a fiber of core 0. */
#define FIBER_TEST(name)                                                                                               \
	static void name##_body(void *arg);                                                                            \
	static void name(void **state)                                                                                 \
	{                                                                                                              \
		(void)state;                                                                                           \
		fake_run(name##_body, NULL);                                                                           \
	}                                                                                                              \
	static void name##_body(void *arg __attribute__((unused)))

#define UNIT(name) cmocka_unit_test_setup_teardown(name, fake_start, fake_stop)

#endif
