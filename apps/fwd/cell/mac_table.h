/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Which port leads to which station: a hash table of lines, on the heap, that all cores of the switch share.
 *
 *	| word 0 | word 1 | ... | word 6 | stamps 0 .. 6 |		one cache line
 *	word: MAC address 48 | VLAN 12 | port 4				0: free
 *
 * A key may lie in one of two lines: the first while that has few entries, then the emptier one. A word holds key and port together, so a reader needs
 * no lock and never sees half of a change: words are changed by compare and exchange only, and ageing touches a stamp
 * when its tick is over. While nothing is new the lines are only read, so they stay shared between the cores' caches.
 *
 * One table and not one for each core: RSS may put the two directions of a conversation on different cores, and a core
 * that never sees a station's frames could not learn where it is; it would flood for ever.
 */
#ifndef APPS_FWD_MAC_TABLE_H
#define APPS_FWD_MAC_TABLE_H

#include <bulkhead/types.h>

#include "apps/fwd/table.h"

#define FWD_MAC_LINE_WORDS   7u
#define FWD_MAC_PORT_BITS    4u
#define FWD_MAC_PORT_MASK    15u
#define FWD_MAC_AGE_TICKS    32u /* the ageing time in ticks: an entry lives that long, and one tick more at most */
#define FWD_MAC_CNT_DEFAULT  16384u
#define FWD_MAC_CNT_MAX      (1u << 20)
#define FWD_MAC_GROUP        (UINT64_C(1) << 16) /* of a key: the first bit of the address on the wire */
#define FWD_MAC_KEY_MAC_MASK (~UINT64_C(0xffff))

struct fwd_mac_line {
	uint64_t word[FWD_MAC_LINE_WORDS];
	uint8_t stamp[8];
} BH_ALIGNED(64);

_Static_assert(sizeof(struct fwd_mac_line) == 64, "one line");

/* How often what happened; the caller's, on its core. */
struct fwd_mac_counters {
	uint64_t *learned, *moved, *full, *limited;
	uint64_t *aged, *flushed;
};

struct fwd_mac_table {
	struct fwd_mac_line *line;
	uint64_t line_mask;
	uint64_t seed, factor; /* so that nobody outside can choose addresses that meet in a line */
	/* Written by the core that sweeps, once a tick. */
	uint8_t stamp BH_ALIGNED(64);
	/* Its own. */
	uint64_t tick_tsc BH_ALIGNED(64);
	uint64_t next_tick_tsc;
	uint64_t sweep_idx; /* next line; line_cnt: done for this tick */
	uint32_t flushing;  /* ports whose entries the sweep under way removes */
	/* Written by any core, seldom. */
	uint32_t flush_mask BH_ALIGNED(64); /* ports that wait for it */
	uint32_t port_cnt[FWD_PORTS_MAX];   /* entries of each port */
};

/**
 * fwd_mac_table_init - room for mac_cnt addresses at 60 percent of the places
 * @mac_cnt: 1 .. FWD_MAC_CNT_MAX; the memory is about 16 bytes each
 * Return: 0; -BH_EINVAL; -BH_ENOMEM.
 */
BH_MUST_CHECK int fwd_mac_table_init(struct fwd_mac_table *table, uint32_t mac_cnt, uint64_t seed);
void fwd_mac_table_free(struct fwd_mac_table *table);

/* fwd_mac_ageing_set - entries not heard of for ageing_tsc are removed. The sweeping core. */
void fwd_mac_ageing_set(struct fwd_mac_table *table, uint64_t ageing_tsc);

/**
 * fwd_mac_sweep - a step of ageing: at most line_cnt lines, and 64 times as many while ports are flushed. The one core
 * that sweeps, in every turn.
 */
void fwd_mac_sweep(struct fwd_mac_table *table, uint64_t now_tsc, uint32_t line_cnt,
                   const struct fwd_mac_counters *counters);

/* fwd_mac_cnt - entries in the table. Any core. */
uint32_t fwd_mac_cnt(const struct fwd_mac_table *table);

/* fwd_mac_flush - the entries of these ports (a bit each) go: the sweep that follows the one under way. Any core. */
void fwd_mac_flush(struct fwd_mac_table *table, uint32_t port_mask);

/* fwd_mac_key - of 8 bytes that begin with an address, as they were loaded; the key's port is 0 */
BH_INLINE uint64_t
fwd_mac_key(uint64_t loaded, uint32_t vlan)
{
	return loaded << 16 | (uint64_t)vlan << FWD_MAC_PORT_BITS;
}

BH_INLINE uint64_t
fwd_mac_fold(uint64_t value, uint64_t factor)
{
	__uint128_t product = (__uint128_t)value * factor;
	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Once would not do: addresses of one maker differ in few bits, and 10 in 10,000 would find both their lines full. */
BH_INLINE uint64_t
fwd_mac_hash(const struct fwd_mac_table *table, uint64_t key)
{
	return fwd_mac_fold(fwd_mac_fold(key ^ table->seed, table->factor), table->factor ^ table->seed);
}

BH_INLINE struct fwd_mac_line *
fwd_mac_first(const struct fwd_mac_table *table, uint64_t hash)
{
	return &table->line[hash & table->line_mask];
}

BH_INLINE struct fwd_mac_line *
fwd_mac_second(const struct fwd_mac_table *table, uint64_t hash)
{
	return &table->line[hash >> 32 & table->line_mask];
}

/* fwd_mac_match - a bit for each word of the line that has this key */
BH_INLINE uint32_t
fwd_mac_match(const struct fwd_mac_line *line, uint64_t key)
{
	typedef uint64_t pair __attribute__((vector_size(16)));
	const pair *word = (const pair *)(const void *)line;
	const pair wanted = {key, key}, no_port = {~(uint64_t)FWD_MAC_PORT_MASK, ~(uint64_t)FWD_MAC_PORT_MASK};
	pair found = (pair)((word[0] & no_port) == wanted) & (pair){1, 2};
	found |= (pair)((word[1] & no_port) == wanted) & (pair){4, 8};
	found |= (pair)((word[2] & no_port) == wanted) & (pair){16, 32};
	found |= (pair)((word[3] & no_port) == wanted) & (pair){64, 0};
	return (uint32_t)(found[0] | found[1]);
}

/* The port in a line, or -1. What the vectors saw may be gone when the word is loaded. */
BH_INLINE int
fwd_mac_line_port(const struct fwd_mac_line *line, uint64_t key)
{
	uint32_t match = fwd_mac_match(line, key);
	if (match == 0)
		return -1;
	uint64_t word = __atomic_load_n(&line->word[__builtin_ctz(match)], __ATOMIC_RELAXED);
	return (word ^ key) <= FWD_MAC_PORT_MASK ? (int)(word & FWD_MAC_PORT_MASK) : -1;
}

/* fwd_mac_find - where the station is: a port, or -1. Any core. */
BH_INLINE int
fwd_mac_find(const struct fwd_mac_table *table, uint64_t key, uint64_t hash)
{
	int port = fwd_mac_line_port(fwd_mac_first(table, hash), key);
	return BH_LIKELY(port >= 0) ? port : fwd_mac_line_port(fwd_mac_second(table, hash), key);
}

/* fwd_mac_learn_slow - the part of fwd_mac_learn for what is new */
void fwd_mac_learn_slow(struct fwd_mac_table *table, uint64_t key, uint64_t hash, uint32_t port, uint32_t mac_max,
                        const struct fwd_mac_counters *counters);

/**
 * fwd_mac_learn - a station was heard on a port
 * @mac_max: most entries of the port, 0: no limit; beyond, and when both lines are full, nothing is learned
 *
 * Any core. Nothing is written if that was known, and was heard of in this tick.
 */
BH_INLINE void
fwd_mac_learn(struct fwd_mac_table *table, uint64_t key, uint64_t hash, uint32_t port, uint32_t mac_max,
              const struct fwd_mac_counters *counters)
{
	const struct fwd_mac_line *line = fwd_mac_first(table, hash);
	uint32_t match = fwd_mac_match(line, key);
	if (BH_LIKELY(match != 0)) {
		uint32_t at = (uint32_t)__builtin_ctz(match);
		if (BH_LIKELY(__atomic_load_n(&line->word[at], __ATOMIC_RELAXED) == (key | port) &&
		              line->stamp[at] == table->stamp))
			return;
	}
	fwd_mac_learn_slow(table, key, hash, port, mac_max, counters);
}

#endif
