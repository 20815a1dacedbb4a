/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The NVMe driver: from a [device NAME] to completed reads, for any cell.
 *
 *	struct bh_nvme *ctrl;
 *	struct bh_nvme_qpair *qp;
 *	const struct bh_nvme_ns *ns;
 *
 *	int err = bh_nvme_open("nvme0", NULL, &ctrl);
 *	if (!err)
 *		err = bh_nvme_ns_find(ctrl, 1, &ns);
 *	if (!err)
 *		err = bh_nvme_qpair_create(ctrl, 128, &qp);
 *	if (!err)
 *		err = bh_nvme_read_wait(qp, ns, 0, 8, buffer, NULL);
 *	if (!err)
 *		err = bh_nvme_qpair_delete(qp);
 *	if (!err)
 *		err = bh_nvme_close(ctrl);
 *
 * Who may do what. The core that opened a controller owns it: there the driver keeps one fiber (the keeper) and one
 * poller, which run the admin queue, events, time-outs and resets; that core has to yield now and then. A queue pair
 * belongs to the core that created it; only that core touches it. Nothing is locked. Functions marked "any core" send
 * the owner a request and yield until it is served.
 *
 * Buffers are DMA memory (bh_dma_alloc, bh_pool_init_dma): the address is what goes into the PRP. State of the driver
 * is on the heap, where no device reaches it; a device that lies about identifiers, queues or heads is counted and
 * refused.
 *
 * A command completes exactly once, whatever happens: with the device's status, or with one of BH_NVME_STATUS_*.
 * Sources: NVM Express Base Specification 2.0, NVM Command Set Specification 1.0, PCIe Transport Specification 1.0.
 */
#ifndef BULKHEAD_NVME_H
#define BULKHEAD_NVME_H

#include <bulkhead/spec/nvme.h>
#include <bulkhead/types.h>

struct bh_nvme;       /* a controller */
struct bh_nvme_qpair; /* a submission and a completion queue of one core */

/**
 * bh_nvme_done_fn - called once per command that was accepted
 * @status: 0, or SCT << 8 | SC as in spec/nvme_status.h (phase, CRD, M and DNR taken out), or BH_NVME_STATUS_*
 *
 * Runs on the queue pair's core, inside bh_nvme_poll() or a pass of the scheduler: it may submit, it must not yield or
 * wait.
 */
typedef void (*bh_nvme_done_fn)(void *arg, uint16_t status);

/*
 * Made by the driver, never by a device (bit 15 is no part of SCT and SC). What a write left on the media is unknown.
 */
enum bh_nvme_status {
	BH_NVME_STATUS_TIMED_OUT = 0x8001, /* took longer than command_timeout_ns; aborted, or ended by the reset */
	BH_NVME_STATUS_RESET = 0x8002,     /* was outstanding when the controller was reset */
	BH_NVME_STATUS_REMOVED = 0x8003,   /* was outstanding when the device vanished or was given up */
};

/**
 * bh_nvme_status_error - status as an error number
 * Return: 0 for 0; -BH_ETIMEDOUT, -BH_ECANCELED, -BH_ENODEV for the three above; -BH_EIO for all that a device reports.
 */
int bh_nvme_status_error(uint16_t status);

/* Zero in a field means its default. */
struct bh_nvme_options {
	uint32_t io_queue_cnt;        /* queue pairs to ask the controller for; default: one per core of the cell */
	uint32_t transfer_bytes_max;  /* largest single command, besides MDTS; a power of two >= 4096; default 1 MiB */
	uint32_t refused_max;         /* bad completions in a row before the controller is reset; default 4 */
	uint32_t no_shadow_doorbells; /* not 0: write every doorbell, even if the controller offers shadow doorbells */
	uint64_t command_timeout_ns;  /* until a command is aborted, and again until a reset; default 2 s */
	uint64_t admin_timeout_ns;    /* for one admin command; default 5 s */
	uint64_t watch_interval_ns;   /* how often CSTS is looked at (fatal status, removal); default 200 ms */
};

/* What Identify Controller, CAP and VS said; strings are NUL-terminated, without the padding. */
struct bh_nvme_info {
	char serial[21];
	char model[41];
	char firmware[9];
	uint16_t vid, ssvid, cntlid;
	uint32_t version;            /* NVME_VS() */
	uint32_t queue_entries_max;  /* CAP.MQES + 1 */
	uint32_t io_queue_cnt;       /* queue pairs that the controller granted */
	uint32_t transfer_bytes_max; /* largest single command; larger requests are split */
	uint32_t zeroes_bytes_max;   /* largest single Write Zeroes (WZSL); larger ones are split; 0: no limit */
	uint32_t doorbell_stride_bytes;
	uint32_t ready_timeout_ms; /* from CAP.TO or CRTO */
	uint32_t ns_cnt;           /* namespaces listed, refused ones included */
	uint16_t oacs, oncs;
	uint8_t aer_cnt;       /* asynchronous event requests kept outstanding */
	bool shadow_doorbells; /* in use */
	bool volatile_write_cache;
};

#define BH_NVME_NS_MAX 64u

/*
 * A namespace. Constant while the controller is open, but for a size that the device changes (event NS_ATTR_CHANGED).
 */
struct bh_nvme_ns {
	uint32_t nsid;
	uint32_t lba_shift; /* block size is 1 << lba_shift bytes */
	uint64_t lba_cnt;
	uint32_t lba_bytes;
	uint16_t oncs; /* of the controller: NVME_ONCS_* that may be used */
	bool write_protected;
	bool deallocated_reads_zero;
	uint8_t nguid[16], uuid[16], eui64[8]; /* all zero: not reported */
	int refused;                           /* 0, or why bh_nvme_ns_find refuses it */
};

/**
 * bh_nvme_open - bring a controller up: reset it, enable it, identify it and its namespaces (Base 2.0, 3.5.1)
 * @device_name: the NAME of [device NAME]
 * @options: NULL for the defaults; copied
 *
 * Yields while it waits; at most the controller's own ready time-out twice, plus the admin time-out for each command.
 * Context: a fiber; its core becomes the owner and needs one free fiber stack.
 * Return: 0; each failure is also logged with its reason:
 *   -BH_ENOENT     no such device in the boot page
 *   -BH_ENODEV     registers read all ones: the device is gone
 *   -BH_EOPNOTSUPP not an NVMe controller (class 01 08 02); smallest page above 4 KiB; no NVM command set; doorbells
 *                  not mapped
 *   -BH_EPROTO     the device contradicts the specification (MQES 0, an identify structure that cannot be)
 *   -BH_ETIMEDOUT  CSTS.RDY did not follow CC.EN, or an admin command got no answer
 *   -BH_EIO        fatal status (CSTS.CFS) that a reset did not clear, or an admin command failed
 *   -BH_EINVAL     options out of range
 *   -BH_ENOMEM     arena or heap too small;  -BH_EAGAIN: no free fiber stack
 */
BH_MUST_CHECK int bh_nvme_open(const char *device_name, const struct bh_nvme_options *options,
                               struct bh_nvme **out_ctrl);

/**
 * bh_nvme_close - delete what queue pairs of this core are left, shut the controller down (CC.SHN), disable it
 *
 * Waits for outstanding commands as bh_nvme_qpair_delete() does, then for CSTS.SHST (RTD3E, at least 10 s at most 60
 * s). The pointer is dead afterwards, unless -BH_EBUSY or -BH_ENOMEM.
 * Context: a fiber of the owner core.
 * Return: 0; -BH_EBUSY another core still has a queue pair, or one is being created or deleted (nothing was done);
 * -BH_ENOMEM no memory to ask for it (the controller stays open);
 * -BH_ETIMEDOUT shutdown not confirmed, or -BH_ENODEV device gone: in both cases all is freed.
 */
BH_MUST_CHECK int bh_nvme_close(struct bh_nvme *ctrl);

/* bh_nvme_info - what the controller is. Any core; constant while open. */
const struct bh_nvme_info *bh_nvme_info(const struct bh_nvme *ctrl);

/**
 * bh_nvme_ns_find - look a namespace up by its identifier. Any core.
 * Return: 0; -BH_ENOENT not active; -BH_ENOSPC its size is zero; -BH_EOPNOTSUPP its format has metadata or protection
 * information, or blocks larger than a transfer; -BH_EPROTO its LBA format is invalid; -BH_EIO, -BH_ENOMEM it could not
 * be identified when the controller was opened.
 */
BH_MUST_CHECK int bh_nvme_ns_find(const struct bh_nvme *ctrl, uint32_t nsid, const struct bh_nvme_ns **out_ns);

/*
 * bh_nvme_ns_at - the idx-th namespace listed, usable or not (see its `refused`). Any core. NULL: idx >= info.ns_cnt.
 */
const struct bh_nvme_ns *bh_nvme_ns_at(const struct bh_nvme *ctrl, uint32_t idx);

enum bh_nvme_state {
	BH_NVME_LIVE = 0,
	BH_NVME_RESETTING =
	        1,           /* submissions give -BH_EAGAIN; what was outstanding completes with BH_NVME_STATUS_RESET */
	BH_NVME_REMOVED = 2, /* for good: submissions give -BH_ENODEV */
};

/* bh_nvme_state - a snapshot. Any core. */
enum bh_nvme_state bh_nvme_state(const struct bh_nvme *ctrl);

/**
 * bh_nvme_qpair_create - a queue pair for the calling core
 * @entries: most commands outstanding at once, 1 .. 32767. The rings are made larger; if the controller's MQES does not
 *           allow that many, fewer are given: see bh_nvme_qpair_depth().
 *
 * Context: a fiber of any core, which becomes the pair's owner. May be called again after bh_nvme_qpair_delete(): arena
 * memory of deleted pairs is used again.
 * Return: 0; -BH_EINVAL entries; -BH_ENOSPC all granted queues are in use; -BH_ENOMEM; -BH_EIO the controller refused;
 * -BH_EAGAIN a reset is under way; -BH_ENODEV removed; -BH_ETIMEDOUT no answer: what the owner core makes of it later
 * is taken back by the driver.
 */
BH_MUST_CHECK int bh_nvme_qpair_create(struct bh_nvme *ctrl, uint32_t entries, struct bh_nvme_qpair **out_qp);

/**
 * bh_nvme_qpair_delete - wait for outstanding commands, delete the queues (SQ before CQ), free the pair
 *
 * Every outstanding command completes first: by itself, or by time-out, abort and reset.
 * Context: a fiber of the pair's core.
 * Return: 0, also when the device is gone; -BH_EIO or -BH_ETIMEDOUT the controller, or its owner core, did not confirm:
 * the pair is freed now or as soon as the owner core answers, its queue identifier and rings stay out of use until then
 * or until the next reset.
 * -BH_ENOMEM: nothing was done, the pair is still there.
 */
BH_MUST_CHECK int bh_nvme_qpair_delete(struct bh_nvme_qpair *qp);

/* bh_nvme_qpair_depth - most commands outstanding at once. */
uint32_t bh_nvme_qpair_depth(const struct bh_nvme_qpair *qp);

/**
 * bh_nvme_read_wait, bh_nvme_write_wait, bh_nvme_compare_wait, bh_nvme_flush_wait, bh_nvme_write_zeroes_wait,
 * bh_nvme_deallocate_wait - the commands of nvme_queue.h for straight-line programs: submit, ring, yield until it
 * completed
 * @out_status: NULL, or where to put the status that done_fn would get (0xffff when nothing was submitted)
 *
 * A full queue or a reset under way is waited for. There is no deadline of its own: the buffer is the device's until
 * the command ended, and the driver's time-outs end every command.
 * Context: a fiber of the pair's core.
 * Return: 0; the errors of the asynchronous form but -BH_EAGAIN; or those of bh_nvme_status_error().
 */
BH_MUST_CHECK int bh_nvme_read_wait(struct bh_nvme_qpair *qp, const struct bh_nvme_ns *ns, uint64_t lba,
                                    uint32_t lba_cnt, void *buf, uint16_t *out_status);
BH_MUST_CHECK int bh_nvme_write_wait(struct bh_nvme_qpair *qp, const struct bh_nvme_ns *ns, uint64_t lba,
                                     uint32_t lba_cnt, const void *buf, uint16_t *out_status);
BH_MUST_CHECK int bh_nvme_compare_wait(struct bh_nvme_qpair *qp, const struct bh_nvme_ns *ns, uint64_t lba,
                                       uint32_t lba_cnt, const void *buf, uint16_t *out_status);
BH_MUST_CHECK int bh_nvme_flush_wait(struct bh_nvme_qpair *qp, const struct bh_nvme_ns *ns, uint16_t *out_status);
BH_MUST_CHECK int bh_nvme_write_zeroes_wait(struct bh_nvme_qpair *qp, const struct bh_nvme_ns *ns, uint64_t lba,
                                            uint32_t lba_cnt, uint16_t *out_status);
BH_MUST_CHECK int bh_nvme_deallocate_wait(struct bh_nvme_qpair *qp, const struct bh_nvme_ns *ns, uint64_t lba,
                                          uint32_t lba_cnt, uint16_t *out_status);

/**
 * bh_nvme_admin - run one admin command on the owner core
 * @cmd: opcode, nsid, cdw10..15; cid and PRPs are the driver's
 * @data: NULL, or data_bytes (at most 4096, a multiple of 4) of any memory, copied in before and out after
 *
 * Not for commands that change queues or format (they would contradict the driver's state).
 * Context: a fiber of any core.
 * Return: 0; -BH_EINVAL a size or an opcode that is refused; -BH_EIO the controller's status is in *out_status (may be
 * NULL); -BH_ETIMEDOUT; -BH_EAGAIN no free slot, or an earlier command timed out and the controller is about to be
 * reset: until then it may still use the driver's data page; -BH_ENODEV.
 */
BH_MUST_CHECK int bh_nvme_admin(struct bh_nvme *ctrl, const struct nvme_sqe *cmd, void *data, uint32_t data_bytes,
                                uint32_t *out_result, uint16_t *out_status);

/*
 * bh_nvme_log_page - read a log page (Base 2.0, 5.16). @offset: multiple of 4; not 0 needs NVME_LPA_EXTENDED. As
 * bh_nvme_admin.
 */
BH_MUST_CHECK int bh_nvme_log_page(struct bh_nvme *ctrl, uint8_t log_page, uint32_t nsid, uint64_t offset,
                                   void *out_data, uint32_t data_bytes);

/* bh_nvme_health_log, bh_nvme_error_log - log pages 02h and 01h. @entry_cnt: at most 64. As bh_nvme_admin. */
BH_MUST_CHECK int bh_nvme_health_log(struct bh_nvme *ctrl, struct nvme_health_log *out_log);
BH_MUST_CHECK int bh_nvme_error_log(struct bh_nvme *ctrl, struct nvme_error_entry *out_entries, uint32_t entry_cnt);

/* bh_nvme_feature_get, bh_nvme_feature_set - features that are one dword (Base 2.0, 5.15, 5.27). As bh_nvme_admin. */
BH_MUST_CHECK int bh_nvme_feature_get(struct bh_nvme *ctrl, uint8_t feature, uint32_t nsid, uint32_t *out_value);
BH_MUST_CHECK int bh_nvme_feature_set(struct bh_nvme *ctrl, uint8_t feature, uint32_t nsid, uint32_t value);

/**
 * bh_nvme_reset - reset the controller now, as after a fatal error
 *
 * Outstanding commands complete with BH_NVME_STATUS_RESET, each on its own core; queue pairs stay valid.
 * Context: a fiber of any core.
 * Return: 0 live again; -BH_ENODEV given up or removed; -BH_ETIMEDOUT the owner core did not answer.
 */
BH_MUST_CHECK int bh_nvme_reset(struct bh_nvme *ctrl);

/*
 * Counters (bh_counter_register), each "<device>.<name>", on the core where it happened:
 *
 *	completion_unknown_id   identifier that no command has, or one had longer ago
 *	completion_duplicate    identifier of a command that is already completed: a slot's last, or the one before it
 *	completion_wrong_sq     submission queue identifier that is not the pair's
 *	completion_bad_sq_head  submission queue head outside of the queue
 *	completion_old_sq_head  submission queue head that goes back, or ahead of what was submitted; counted, and the rest
 *	                        of the completion believed: the driver relies on no head
 *	status_error            commands that the device failed
 *	command_timeout         commands that reached command_timeout_ns
 *	abort                   Abort commands sent
 *	reset, device_reset     controller resets; resets of the whole function, where the former was not enough
 *	removed                 1 when the device was given up
 *	async_event             asynchronous events
 */

#include <bulkhead/nvme_queue.h>

#endif
