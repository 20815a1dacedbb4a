/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/checker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim.h"

#define MAGIC     UINT64_C(0x53494d00) /* upper half of a block's first word */
#define NEVER     UINT64_MAX
#define PRUNE_CNT 12u
#define NOT_OURS  UINT32_MAX

/* A write that a block may show. */
struct entry {
	uint32_t value;
	uint64_t begin_seq;
	uint64_t end_seq;  /* NEVER: under way */
	uint64_t gone_seq; /* when it was surely overwritten; NEVER: may still be there */
};

struct block {
	struct entry *entry;
	uint32_t cnt, capacity;
};

static struct {
	uint32_t ns_cnt, lba_bytes;
	uint64_t lba_cnt;
	uint8_t *media;
	struct block *block;
	uint64_t seq;
	uint32_t next_id, next_value;
	uint64_t checked_cnt;
	uint32_t open_max; /* ops at and above it were never used */
	struct check_op op[CHECK_OPS_MAX];
	uint8_t *scratch; /* one block */
} check;

static const char *const kind_names[CHECK_KIND_CNT] = {"read",         "write",      "flush",
                                                       "write zeroes", "deallocate", "compare"};

const char *
check_kind_name(enum check_kind kind)
{
	return kind_names[kind];
}

uint64_t
check_cnt(void)
{
	return check.checked_cnt;
}

static uint64_t
mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

void
check_fill(uint8_t *block, uint32_t nsid, uint64_t lba, uint32_t value)
{
	uint64_t word[2] = {MAGIC << 32 | value, (uint64_t)nsid << 48 | lba};
	uint64_t key = mix(word[0]) ^ mix(~word[1]);

	if (value == CHECK_VALUE_ZERO) {
		memset(block, 0, check.lba_bytes);
		return;
	}
	memcpy(block, word, sizeof(word));
	for (uint64_t i = sizeof(word); i < check.lba_bytes; i += sizeof(key)) {
		key = key * UINT64_C(0x5851f42d4c957f2d) + UINT64_C(0x14057b7ef767814f);
		uint64_t mixed = key ^ key >> 32;
		memcpy(block + i, &mixed, sizeof(mixed));
	}
}

static struct block *
block_of(uint32_t nsid, uint64_t lba)
{
	sim_require(nsid >= 1 && nsid <= check.ns_cnt && lba < check.lba_cnt);
	return &check.block[(nsid - 1) * check.lba_cnt + lba];
}

/* Entries that no command under way can have seen any more. */
static void
prune(struct block *block)
{
	uint64_t oldest_seq = check.seq;
	uint32_t kept_cnt = 0;

	for (uint32_t i = 0; i < check.open_max; i++) {
		if (check.op[i].open)
			oldest_seq = BH_MIN(oldest_seq, check.op[i].begin_seq);
	}
	for (uint32_t i = 0; i < block->cnt; i++) {
		if (block->entry[i].gone_seq > oldest_seq)
			block->entry[kept_cnt++] = block->entry[i];
	}
	block->cnt = kept_cnt;
}

static struct entry *
entry_add(struct block *block, uint32_t value, uint64_t begin_seq)
{
	if (block->cnt >= PRUNE_CNT)
		prune(block);
	if (block->cnt == block->capacity) {
		block->capacity = block->capacity ? 2 * block->capacity : 4;
		block->entry = realloc(block->entry, block->capacity * sizeof(*block->entry));
		sim_require(block->entry != NULL);
	}
	block->entry[block->cnt] =
	        (struct entry){.value = value, .begin_seq = begin_seq, .end_seq = NEVER, .gone_seq = NEVER};
	return &block->entry[block->cnt++];
}

void
check_init(uint32_t ns_cnt, uint64_t lba_cnt, uint32_t lba_bytes, bool patterned, uint8_t *media)
{
	uint32_t value = patterned ? CHECK_VALUE_START : CHECK_VALUE_ZERO;

	memset(&check, 0, sizeof(check));
	check.ns_cnt = ns_cnt;
	check.lba_cnt = lba_cnt;
	check.lba_bytes = lba_bytes;
	check.media = media;
	check.next_value = CHECK_VALUE_START + 1;
	check.next_id = 1;
	check.seq = 1;
	check.block = calloc(ns_cnt * lba_cnt, sizeof(*check.block));
	check.scratch = malloc(lba_bytes);
	sim_require(check.block != NULL && check.scratch != NULL);
	for (uint64_t i = 0; i < ns_cnt * lba_cnt; i++) {
		entry_add(&check.block[i], value, 0)->end_seq = 0;
		if (patterned)
			check_fill(media + i * lba_bytes, 1 + (uint32_t)(i / lba_cnt), i % lba_cnt, value);
	}
}

static bool
writes(enum check_kind kind)
{
	return kind == CHECK_WRITE || kind == CHECK_ZEROES || kind == CHECK_DEALLOCATE;
}

struct check_op *
check_begin(enum check_kind kind, uint32_t nsid, uint64_t lba, uint64_t lba_cnt, const uint32_t *expected)
{
	uint32_t idx = 0;
	while (idx < CHECK_OPS_MAX && check.op[idx].open)
		idx++;
	sim_require(idx < CHECK_OPS_MAX);
	check.open_max = BH_MAX(check.open_max, idx + 1);
	struct check_op *op = &check.op[idx];

	*op = (struct check_op){.open = true,
	                        .kind = kind,
	                        .id = check.next_id++,
	                        .nsid = nsid,
	                        .lba = lba,
	                        .lba_cnt = lba_cnt,
	                        .expected = expected,
	                        .begin_seq = ++check.seq,
	                        .begin_ns = sim_now_ns()};
	if (!writes(kind))
		return op;
	op->value = kind == CHECK_WRITE ? check.next_value++ : CHECK_VALUE_ZERO;
	for (uint64_t i = 0; i < lba_cnt; i++)
		entry_add(block_of(nsid, lba + i), op->value, op->begin_seq);
	return op;
}

static struct entry *
entry_of(struct block *block, const struct check_op *op)
{
	for (uint32_t i = 0; i < block->cnt; i++) {
		if (block->entry[i].begin_seq == op->begin_seq)
			return &block->entry[i];
	}
	sim_fail("the checker lost a write");
}

void
check_cancel(struct check_op *op)
{
	sim_require(op->open);
	op->open = false;
	for (uint64_t i = 0; writes(op->kind) && i < op->lba_cnt; i++) {
		struct block *block = block_of(op->nsid, op->lba + i);
		struct entry *entry = entry_of(block, op);
		block->cnt--;
		*entry = block->entry[block->cnt];
	}
}

static void
write_end(const struct check_op *op, struct block *block, bool surely)
{
	for (uint32_t i = 0; surely && i < block->cnt; i++) {
		struct entry *entry = &block->entry[i];
		if (entry->gone_seq == NEVER && entry->end_seq < op->begin_seq)
			entry->gone_seq = check.seq;
	}
	entry_of(block, op)->end_seq = check.seq;
}

/* The value that a block's content is the pattern of, or NOT_OURS. */
static uint32_t
value_of(const uint8_t *data, uint32_t nsid, uint64_t lba)
{
	uint64_t word;
	memcpy(&word, data, sizeof(word));
	uint32_t value = word >> 32 == MAGIC ? (uint32_t)word : CHECK_VALUE_ZERO;
	check_fill(check.scratch, nsid, lba, value);
	return memcmp(check.scratch, data, check.lba_bytes) == 0 ? value : NOT_OURS;
}

static bool
may_show(const struct entry *entry, uint64_t since_seq)
{
	return entry->gone_seq > since_seq;
}

static bool
value_allowed(const struct block *block, uint32_t value, uint64_t since_seq)
{
	for (uint32_t i = 0; i < block->cnt; i++) {
		if (block->entry[i].value == value && may_show(&block->entry[i], since_seq))
			return true;
	}
	return false;
}

BH_NORETURN static void
wrong_block(const struct check_op *op, uint64_t lba, uint32_t value, const uint8_t *data, const char *where)
{
	const struct block *block = block_of(op->nsid, lba);
	char text[256];
	size_t used = 0;
	uint64_t word[2];

	memcpy(word, data, sizeof(word));
	text[0] = '\0';
	for (uint32_t i = 0; i < block->cnt && used < sizeof(text) - 24; i++) {
		if (may_show(&block->entry[i], op->begin_seq))
			used += (size_t)snprintf(text + used, sizeof(text) - used, " %u", block->entry[i].value);
	}
	if (value != NOT_OURS)
		sim_fail("%s: namespace %u block %lu holds value %u (stale or lost); allowed:%s", where, op->nsid, lba,
		         value, text);
	if (word[0] >> 32 == MAGIC)
		sim_fail("%s: namespace %u block %lu is not whole or not its own: begins as value %u of namespace %lu "
		         "block "
		         "%lu; allowed:%s",
		         where, op->nsid, lba, (uint32_t)word[0], word[1] >> 48, word[1] & UINT64_C(0xffffffffffff),
		         text);
	sim_fail("%s: namespace %u block %lu is corrupt: begins with %#lx; allowed:%s", where, op->nsid, lba, word[0],
	         text);
}

/* Seen with nothing under way since before the read began: so this is what the block holds. */
static void
decide(struct block *block, uint32_t value, uint64_t since_seq)
{
	if (!value_allowed(block, value, NEVER - 1))
		return;
	for (uint32_t i = 0; i < block->cnt; i++) {
		if (block->entry[i].gone_seq == NEVER && block->entry[i].end_seq >= since_seq)
			return;
	}
	for (uint32_t i = 0; i < block->cnt; i++) {
		if (block->entry[i].gone_seq == NEVER && block->entry[i].value != value)
			block->entry[i].gone_seq = check.seq;
	}
}

static void
block_seen(const struct check_op *op, uint64_t lba, const uint8_t *data, const char *where)
{
	struct block *block = block_of(op->nsid, lba);
	uint32_t value = value_of(data, op->nsid, lba);

	check.checked_cnt++;
	if (value == NOT_OURS || !value_allowed(block, value, op->begin_seq))
		wrong_block(op, lba, value, data, where);
	decide(block, value, op->begin_seq);
}

static bool
other_value_allowed(const struct block *block, uint32_t value, uint64_t since_seq)
{
	for (uint32_t i = 0; i < block->cnt; i++) {
		if (block->entry[i].value != value && may_show(&block->entry[i], since_seq))
			return true;
	}
	return false;
}

static void
compare_end(const struct check_op *op, bool equal)
{
	bool may_differ = false;

	for (uint64_t i = 0; i < op->lba_cnt; i++) {
		const struct block *block = block_of(op->nsid, op->lba + i);
		check.checked_cnt++;
		if (equal && !value_allowed(block, op->expected[i], op->begin_seq))
			sim_fail("compare %u: found namespace %u block %lu equal to value %u, which it cannot hold",
			         op->id, op->nsid, op->lba + i, op->expected[i]);
		may_differ |= other_value_allowed(block, op->expected[i], op->begin_seq);
	}
	if (!equal && !may_differ)
		sim_fail("compare %u: found a difference in namespace %u blocks %lu +%lu, where there can be none",
		         op->id, op->nsid, op->lba, op->lba_cnt);
}

void
check_end(struct check_op *op, enum check_outcome outcome, const uint8_t *data)
{
	if (!op->open)
		sim_fail("%s %u completed twice", kind_names[op->kind], op->id);
	op->open = false;
	check.seq++;
	if (outcome == CHECK_DIFFERS && op->kind != CHECK_COMPARE)
		sim_fail("%s %u reports a failed comparison", kind_names[op->kind], op->id);
	for (uint64_t i = 0; writes(op->kind) && i < op->lba_cnt; i++)
		write_end(op, block_of(op->nsid, op->lba + i), outcome == CHECK_DONE && op->kind != CHECK_DEALLOCATE);
	for (uint64_t i = 0; op->kind == CHECK_READ && outcome == CHECK_DONE && i < op->lba_cnt; i++)
		block_seen(op, op->lba + i, data + i * check.lba_bytes, "read");
	if (op->kind == CHECK_COMPARE && outcome != CHECK_FAILED)
		compare_end(op, outcome == CHECK_DONE);
}

uint32_t
check_likely(uint32_t nsid, uint64_t lba)
{
	const struct block *block = block_of(nsid, lba);
	for (uint32_t i = block->cnt; i-- > 0;) {
		if (block->entry[i].gone_seq == NEVER)
			return block->entry[i].value;
	}
	sim_fail("the checker allows nothing for a block");
}

void
check_media(void)
{
	if (check_oldest() != NULL)
		sim_fail("%s %u never completed", kind_names[check_oldest()->kind], check_oldest()->id);
	struct check_op look = {.begin_seq = check.seq};
	for (look.nsid = 1; look.nsid <= check.ns_cnt; look.nsid++) {
		for (uint64_t lba = 0; lba < check.lba_cnt; lba++) {
			uint64_t idx = (look.nsid - 1) * check.lba_cnt + lba;
			block_seen(&look, lba, check.media + idx * check.lba_bytes, "at the end, the medium");
		}
	}
}

const struct check_op *
check_oldest(void)
{
	const struct check_op *oldest = NULL;
	for (uint32_t i = 0; i < check.open_max; i++) {
		const struct check_op *op = &check.op[i];
		if (op->open && (oldest == NULL || op->begin_seq < oldest->begin_seq))
			oldest = op;
	}
	return oldest;
}
