/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Faults: rules that say which commands, or which moments, go wrong and how. docs/softdev-nvme.md has the language.
 *
 * A rule has an action and conditions. Every rule looks at every event of its kind: a fetched command, or, for
 * STUCK_READY and STUCK_ENABLED, a change of CC.EN. It matches if opcode, queue, namespace and block range fit; of the
 * matching events, `nth`, `every`, `probability`, `after_ios` and the times choose those at which it fires. Of the rules
 * that fire for one command the first in the file decides. Rules for the whole device with a time or a count and nothing
 * else fire without a command.
 */
#ifndef DEVICES_NVME_FAULT_H
#define DEVICES_NVME_FAULT_H

#include <bulkhead/types.h>

enum nvme_fault_action {
	/* On a command */
	NVME_FAULT_DELAY = 0,     /* its completion comes delay_ns_min .. delay_ns_max later */
	NVME_FAULT_LOSE = 1,      /* executed, never completed; an Abort does not find it */
	NVME_FAULT_HANG = 2,      /* neither executed nor completed, until aborted */
	NVME_FAULT_DUPLICATE = 3, /* completed twice */
	NVME_FAULT_REORDER = 4,   /* completed after `value` later completions of its queue, or NVME_FAULT_REORDER_NS */
	NVME_FAULT_WRONG_ID = 5,  /* completed under an identifier that was not submitted */
	NVME_FAULT_STRAY = 6,     /* such a completion, and then the right one */
	NVME_FAULT_WRONG_PHASE = 7,  /* its completion carries the phase of the lap before */
	NVME_FAULT_WRONG_SQ = 8,     /* completed under another submission queue's identifier */
	NVME_FAULT_WRONG_HEAD = 9,   /* completed with a submission queue head outside the queue */
	NVME_FAULT_OLD_HEAD = 10,    /* completed with the submission queue head of half a ring ago */
	NVME_FAULT_STATUS = 11,      /* not executed; fails with `value` (SCT << 8 | SC) */
	NVME_FAULT_DMA_OUTSIDE = 12, /* the controller goes to an address that nobody granted: Data Transfer Error */
	/* On the data of a command that reports success */
	NVME_FAULT_FLIP = 13,       /* read: one bit of what is delivered; write: of what is stored */
	NVME_FAULT_TEAR = 14,       /* write: only a first part is stored, cut at a multiple of 512 bytes */
	NVME_FAULT_DROP_WRITE = 15, /* write: nothing is stored */
	NVME_FAULT_MISDIRECT = 16,  /* read, write: `value` blocks further on */
	/* On the device */
	NVME_FAULT_FATAL = 17,         /* CSTS.CFS, until the controller is reset */
	NVME_FAULT_REMOVE = 18,        /* all ones, for good */
	NVME_FAULT_STUCK_READY = 19,   /* enabled, but CSTS.RDY does not become 1 */
	NVME_FAULT_STUCK_ENABLED = 20, /* disabled, but CSTS.RDY does not become 0, until a function level reset */
	NVME_FAULT_EVENT = 21,         /* asynchronous event `value`: type | information << 8 | log page << 16 */
	NVME_FAULT_ACTION_CNT = 22,
};

#define NVME_FAULT_REORDER_NS UINT64_C(10000000) /* a reordered completion comes at the latest then */
#define NVME_FAULT_OP_ANY_IO  0xfff0u            /* every command of an I/O queue */
#define NVME_FAULT_OP_ANY_ADM 0xfff1u            /* every command of the admin queue */
#define NVME_FAULT_OP_ANY     0xfff2u
#define NVME_FAULT_OP_ADMIN   0x0100u /* | opcode: that admin command; without: that I/O command */
#define NVME_FAULT_QUEUE_ANY  0xffffffffu
#define NVME_FAULT_UNLIMITED  UINT64_MAX
#define NVME_FAULT_RULES_MAX  256u

/* Start from NVME_FAULT_RULE_ANY: matches every I/O command and always fires. */
struct nvme_fault_rule {
	enum nvme_fault_action action;
	uint32_t op;      /* NVME_FAULT_OP_* */
	uint32_t queue;   /* identifier of the submission queue, or NVME_FAULT_QUEUE_ANY */
	uint32_t nsid;    /* 0: any */
	uint64_t lba_min; /* the command touches a block in lba_min .. lba_max */
	uint64_t lba_max;
	uint64_t nth;       /* not 0: only the nth match, the first being 1 */
	uint64_t every;     /* not 0: each match whose number is a multiple */
	double probability; /* of firing, at each match; 1: always */
	uint64_t after_ios; /* only when the device has fetched more I/O commands than that */
	uint64_t from_ns;   /* device time: since the controller was first enabled */
	uint64_t until_ns;
	uint64_t times; /* fires at most so often */
	uint64_t delay_ns_min, delay_ns_max;
	uint64_t value;
	bool no_retry; /* STATUS: with the DNR bit */
	uint32_t line; /* of the file, for messages; 0: made by hand */
};

#define NVME_FAULT_RULE_ANY                                                                                            \
	{                                                                                                              \
		.op = NVME_FAULT_OP_ANY_IO, .queue = NVME_FAULT_QUEUE_ANY, .lba_max = UINT64_MAX, .probability = 1.0,  \
		.until_ns = UINT64_MAX, .times = NVME_FAULT_UNLIMITED,                                                 \
	}

/**
 * nvme_fault_parse - read a fault script
 * @text: text_bytes of it, no terminator needed
 * @name: of the file, for messages
 * @out_rules: room for NVME_FAULT_RULES_MAX
 * @out_error: "NAME:LINE: what is wrong, and what was meant"
 * Return: how many rules; -BH_EINVAL, with out_error filled.
 */
BH_MUST_CHECK int nvme_fault_parse(const char *text, size_t text_bytes, const char *name,
                                   struct nvme_fault_rule *out_rules, char *out_error, size_t error_bytes);

/* nvme_fault_action_name - the word of the language for an action. */
const char *nvme_fault_action_name(enum nvme_fault_action action);

#endif
