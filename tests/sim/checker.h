/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The checker: a model of the disk that knows for each block which contents are allowed. It knows nothing of the driver
 * and nothing of the device model; it sees commands begin and end, and data.
 *
 * Each write has a value of its own, and each block that it writes holds a pattern of that value, the namespace and the
 * block's number. A block's history is a list of writes, each with the moment it began, the moment it ended, and the
 * moment when it was surely overwritten. The rules (NVM Command Set 1.0, 2.1: no order between commands that are
 * outstanding together, each block on its own):
 *
 *	a write may show from its beginning on, until another one ended well that began after this one's end
 *	a write that failed may have happened or not, block by block, but not after its end
 *	write zeroes is a write of zeroes; deallocate is one that may have happened or not
 *	a read or compare may see any write that may have shown at some moment between its beginning and its end
 *	a read that saw one of several possible writes, with none under way, decides: the others are gone
 *
 * A duplicate, late or misnamed completion changes nothing here: the driver has to refuse it, and the caller fails the run
 * if it does not. Devices that lie so that no driver can see it (a misnamed completion that hits another outstanding
 * command) do not occur: see sim_plan_rules_applied().
 */
#ifndef TESTS_SIM_CHECKER_H
#define TESTS_SIM_CHECKER_H

#include <bulkhead/types.h>

#define CHECK_OPS_MAX     1024u
#define CHECK_VALUE_ZERO  0u /* all zeroes */
#define CHECK_VALUE_START 1u /* what stood there before the run */

enum check_kind {
	CHECK_READ = 0,
	CHECK_WRITE,
	CHECK_FLUSH,
	CHECK_ZEROES,
	CHECK_DEALLOCATE,
	CHECK_COMPARE,
	CHECK_KIND_CNT
};

/* One command under way. */
struct check_op {
	bool open;
	enum check_kind kind;
	uint32_t id; /* in order of beginning */
	uint32_t nsid;
	uint64_t lba, lba_cnt;
	uint32_t value;           /* write: what it writes */
	const uint32_t *expected; /* compare: for each block, the value compared with */
	uint64_t begin_seq;
	uint64_t begin_ns;
};

/* check_init - @media: of namespace 1 .. ns_cnt, one after the other; filled with what the run starts from. */
void check_init(uint32_t ns_cnt, uint64_t lba_cnt, uint32_t lba_bytes, bool patterned, uint8_t *media);

/* check_begin - a command is about to be submitted. @expected: compare only; must live until the end. */
struct check_op *check_begin(enum check_kind kind, uint32_t nsid, uint64_t lba, uint64_t lba_cnt,
                             const uint32_t *expected);

/* check_cancel - it was not accepted. */
void check_cancel(struct check_op *op);

enum check_outcome {
	CHECK_DONE,    /* success; compare: equal */
	CHECK_DIFFERS, /* compare: not equal */
	CHECK_FAILED,  /* may have happened or not */
};

/* check_end - it completed. @data: read: what arrived. Fails the run if that cannot be. */
void check_end(struct check_op *op, enum check_outcome outcome, const uint8_t *data);

/* check_likely - some value that the block may hold now, for a compare that should find equality. */
uint32_t check_likely(uint32_t nsid, uint64_t lba);

/* check_fill - the content of a block for a value. */
void check_fill(uint8_t *block, uint32_t nsid, uint64_t lba, uint32_t value);

/* check_media - nothing is under way: the medium itself must hold what may be there. */
void check_media(void);

/* check_oldest - the command that has been under way the longest, or NULL. */
const struct check_op *check_oldest(void);

const char *check_kind_name(enum check_kind kind);

/* check_cnt - blocks compared so far. */
uint64_t check_cnt(void);

#endif
