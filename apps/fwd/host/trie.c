/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A node is there as long as some prefix ends inside of it. A leaf word knows (depth) how long the prefix is that it
 * comes from: a shorter one does not replace it, and when a prefix goes its words are those with its depth.
 */
#include <errno.h>

#include "apps/fwd/host/fib_private.h"

#define LEVELS_MAX ((128u - FWD_ROOT_BITS) / FWD_STRIDE_BITS)

/* The words of one level. */
struct level {
	uint32_t *word;
	uint8_t *depth;
};

/* `bits` (at most 20) bits of an address from bit `at` on. */
static uint32_t
bits_at(const uint8_t *addr, unsigned at, unsigned bits)
{
	uint32_t value = 0;
	for (unsigned i = at; i < at + bits; i++)
		value = value << 1 | (addr[i / 8] >> (7 - i % 8) & 1);
	return value;
}

static uint32_t
root_index(const uint8_t *addr)
{
	return (uint32_t)addr[0] << 12 | (uint32_t)addr[1] << 4 | addr[2] >> 4;
}

static void
word_store(uint32_t *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static struct level
root_level(struct fwd_fib *fib, unsigned family)
{
	unsigned idx = FWD_FAMILY_IDX(family);
	return (struct level){fib->trie.root[idx], fib->trie.root_depth[idx]};
}

static struct level
node_level(struct fwd_fib *fib, uint32_t word)
{
	uint32_t node = word & ~FWD_WORD_NODE;
	return (struct level){fib->trie.node[node].word, fib->trie.node_depth[node]};
}

static void
set_range(struct fwd_fib *fib, struct level level, uint32_t first, uint32_t cnt, unsigned len, uint32_t leaf)
{
	for (uint32_t i = first; i < first + cnt; i++) {
		if ((level.word[i] & FWD_WORD_NODE) != 0) {
			set_range(fib, node_level(fib, level.word[i]), 0, FWD_NODE_WORD_CNT, len, leaf);
		} else if (level.depth[i] <= len) {
			level.depth[i] = (uint8_t)len;
			word_store(&level.word[i], leaf);
		}
	}
}

struct cover {
	uint32_t leaf;
	unsigned len;
};

static void
del_range(struct fwd_fib *fib, struct level level, uint32_t first, uint32_t cnt, unsigned len, struct cover cover)
{
	for (uint32_t i = first; i < first + cnt; i++) {
		if ((level.word[i] & FWD_WORD_NODE) != 0) {
			del_range(fib, node_level(fib, level.word[i]), 0, FWD_NODE_WORD_CNT, len, cover);
		} else if (level.depth[i] == len) {
			level.depth[i] = (uint8_t)cover.len;
			word_store(&level.word[i], cover.leaf);
		}
	}
}

/* Levels of nodes below the root that a prefix of that length needs. */
static unsigned
levels_of(unsigned len)
{
	return len <= FWD_ROOT_BITS ? 0 : (len - FWD_ROOT_BITS + FWD_STRIDE_BITS - 1) / FWD_STRIDE_BITS;
}

/* A node instead of a leaf word, which says the same as the word: for readers nothing changes. */
static uint32_t
split(struct fwd_fib *fib, uint32_t *word, uint8_t depth)
{
	uint32_t node = fwd_index_take(fib, FWD_ITEM_NODE);
	for (uint32_t i = 0; i < FWD_NODE_WORD_CNT; i++) {
		fib->trie.node[node].word[i] = *word;
		fib->trie.node_depth[node][i] = depth;
	}
	word_store(word, FWD_WORD_NODE | node);
	return FWD_WORD_NODE | node;
}

static unsigned
levels_there(struct fwd_fib *fib, unsigned family, const uint8_t *addr, unsigned wanted)
{
	struct level level = root_level(fib, family);
	uint32_t word = level.word[root_index(addr)];
	unsigned cnt = 0;
	while (cnt < wanted && (word & FWD_WORD_NODE) != 0) {
		word = node_level(fib, word)
		               .word[bits_at(addr, FWD_ROOT_BITS + FWD_STRIDE_BITS * cnt, FWD_STRIDE_BITS)];
		cnt++;
	}
	return cnt;
}

/* Where a prefix ends: its words in the last level. */
static void
span_of(const uint8_t *addr, unsigned len, uint32_t *out_first, uint32_t *out_cnt)
{
	unsigned end = FWD_ROOT_BITS + FWD_STRIDE_BITS * levels_of(len);
	*out_first = end == FWD_ROOT_BITS ? root_index(addr) : bits_at(addr, end - FWD_STRIDE_BITS, FWD_STRIDE_BITS);
	*out_cnt = 1u << (end - len);
}

int
fwd_trie_set(struct fwd_fib *fib, unsigned family, const uint8_t *addr, unsigned len, uint32_t leaf)
{
	struct level level = root_level(fib, family);
	unsigned level_cnt = levels_of(len);
	uint32_t idx = root_index(addr), first, cnt;
	unsigned missing_cnt = level_cnt - levels_there(fib, family, addr, level_cnt);
	if (missing_cnt > fwd_index_free_cnt(fib, FWD_ITEM_NODE)) {
		fwd_fib_commit(fib);
		if (missing_cnt > fwd_index_free_cnt(fib, FWD_ITEM_NODE))
			return -ENOSPC;
	}
	for (unsigned i = 0; i < level_cnt; i++) {
		uint32_t word = level.word[idx];
		if ((word & FWD_WORD_NODE) == 0)
			word = split(fib, &level.word[idx], level.depth[idx]);
		level = node_level(fib, word);
		idx = bits_at(addr, FWD_ROOT_BITS + FWD_STRIDE_BITS * i, FWD_STRIDE_BITS);
	}
	span_of(addr, len, &first, &cnt);
	set_range(fib, level, first, cnt, len, leaf);
	return 0;
}

/* Nothing ends inside of a node any more: its words are all the same, and the word above says it as well. */
static bool
merge(struct fwd_fib *fib, uint32_t *word, uint8_t *depth, unsigned base_bits)
{
	struct level level = node_level(fib, *word);
	uint32_t node = *word & ~FWD_WORD_NODE;
	for (uint32_t i = 0; i < FWD_NODE_WORD_CNT; i++) {
		if ((level.word[i] & FWD_WORD_NODE) != 0 || level.depth[i] > base_bits)
			return false;
	}
	*depth = level.depth[0];
	word_store(word, level.word[0]);
	fwd_retire(fib, FWD_ITEM_NODE, node);
	return true;
}

void
fwd_trie_del(struct fwd_fib *fib, unsigned family, const uint8_t *addr, unsigned len, uint32_t cover_leaf,
             unsigned cover_len)
{
	struct level level = root_level(fib, family);
	uint32_t *path_word[LEVELS_MAX];
	uint8_t *path_depth[LEVELS_MAX];
	unsigned level_cnt = levels_of(len);
	uint32_t idx = root_index(addr), first, cnt;
	for (unsigned i = 0; i < level_cnt; i++) {
		path_word[i] = &level.word[idx];
		path_depth[i] = &level.depth[idx];
		if ((level.word[idx] & FWD_WORD_NODE) == 0)
			return;
		level = node_level(fib, level.word[idx]);
		idx = bits_at(addr, FWD_ROOT_BITS + FWD_STRIDE_BITS * i, FWD_STRIDE_BITS);
	}
	span_of(addr, len, &first, &cnt);
	del_range(fib, level, first, cnt, len, (struct cover){cover_leaf, cover_len});
	for (unsigned i = level_cnt; i-- > 0;) {
		if (!merge(fib, path_word[i], path_depth[i], FWD_ROOT_BITS + FWD_STRIDE_BITS * i))
			break;
	}
}
