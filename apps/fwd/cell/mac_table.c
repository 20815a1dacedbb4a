/* SPDX-License-Identifier: Apache-2.0 */
#include "apps/fwd/cell/mac_table.h"

#include <bulkhead/mem.h>
#include <bulkhead/metrics.h>

#define LINE_CNT_MIN 64u
#define FEW_CNT      5u
#define TICKS_BEHIND 4u
#define FLUSH_TIMES  64u

/* SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): seeds that differ by 1 give numbers that have nothing in common. */
static uint64_t
scatter(uint64_t seed)
{
	seed += UINT64_C(0x9e3779b97f4a7c15);
	seed = (seed ^ seed >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	seed = (seed ^ seed >> 27) * UINT64_C(0x94d049bb133111eb);
	return seed ^ seed >> 31;
}

int
fwd_mac_table_init(struct fwd_mac_table *table, uint32_t mac_cnt, uint64_t seed)
{
	if (mac_cnt == 0 || mac_cnt > FWD_MAC_CNT_MAX)
		return -BH_EINVAL;
	uint64_t line_cnt = LINE_CNT_MIN;
	while (line_cnt * FWD_MAC_LINE_WORDS * 6 < (uint64_t)mac_cnt * 10)
		line_cnt *= 2;
	*table = (struct fwd_mac_table){
	        .line = bh_heap_alloc_aligned(line_cnt * sizeof(struct fwd_mac_line), sizeof(struct fwd_mac_line)),
	        .line_mask = line_cnt - 1,
	        .seed = scatter(seed),
	        .factor = scatter(~seed) | 1,
	        .sweep_idx = line_cnt,
	};
	return table->line != NULL ? 0 : -BH_ENOMEM;
}

void
fwd_mac_table_free(struct fwd_mac_table *table)
{
	bh_heap_free(table->line);
	table->line = NULL;
}

void
fwd_mac_ageing_set(struct fwd_mac_table *table, uint64_t ageing_tsc)
{
	table->tick_tsc = BH_MAX(ageing_tsc / FWD_MAC_AGE_TICKS, UINT64_C(1));
}

void
fwd_mac_flush(struct fwd_mac_table *table, uint32_t port_mask)
{
	__atomic_fetch_or(&table->flush_mask, port_mask, __ATOMIC_RELEASE);
}

static void
port_cnt_add(struct fwd_mac_table *table, uint64_t word, uint32_t amount)
{
	uint32_t port = (uint32_t)word & FWD_MAC_PORT_MASK;
	if (port < FWD_PORTS_MAX)
		__atomic_fetch_add(&table->port_cnt[port], amount, __ATOMIC_RELAXED);
}

static bool
port_has_room(const struct fwd_mac_table *table, uint32_t port, uint32_t mac_max)
{
	return mac_max == 0 || __atomic_load_n(&table->port_cnt[port], __ATOMIC_RELAXED) < mac_max;
}

static void
stamp_set(struct fwd_mac_table *table, struct fwd_mac_line *line, uint32_t at)
{
	__atomic_store_n(&line->stamp[at], table->stamp, __ATOMIC_RELAXED);
}

/* The key's word in this line: known, or moved from another port. Return: whether it was there. */
static bool
learn_known(struct fwd_mac_table *table, struct fwd_mac_line *line, uint64_t wanted, uint32_t mac_max,
            const struct fwd_mac_counters *counters)
{
	uint64_t key = wanted & ~(uint64_t)FWD_MAC_PORT_MASK;
	uint32_t match = fwd_mac_match(line, key);
	if (match == 0)
		return false;
	uint32_t at = (uint32_t)__builtin_ctz(match);
	uint64_t word = __atomic_load_n(&line->word[at], __ATOMIC_RELAXED);
	if ((word ^ key) > FWD_MAC_PORT_MASK)
		return false;
	if (word != wanted) {
		if (!port_has_room(table, (uint32_t)wanted & FWD_MAC_PORT_MASK, mac_max)) {
			bh_counter_add(counters->limited, 1);
			return true;
		}
		/* Lost to another core, which knows better or as well: the next frame tells. */
		if (!__atomic_compare_exchange_n(&line->word[at], &word, wanted, false, __ATOMIC_ACQ_REL,
		                                 __ATOMIC_RELAXED))
			return true;
		port_cnt_add(table, word, UINT32_MAX);
		port_cnt_add(table, wanted, 1);
		bh_counter_add(counters->moved, 1);
	}
	stamp_set(table, line, at);
	return true;
}

static uint32_t
line_used_cnt(const struct fwd_mac_line *line)
{
	uint32_t used_cnt = 0;
	for (uint32_t i = 0; i < FWD_MAC_LINE_WORDS; i++)
		used_cnt += __atomic_load_n(&line->word[i], __ATOMIC_RELAXED) != 0;
	return used_cnt;
}

/*
 * With 57 percent of the places taken, one in a million finds both lines full; and while fewer are taken, nearly all are
 * found in their first line.
 */
static bool
second_is_better(const struct fwd_mac_line *first, const struct fwd_mac_line *second)
{
	uint32_t used_cnt = line_used_cnt(first);
	return used_cnt >= FEW_CNT && line_used_cnt(second) < used_cnt;
}

/* Two cores that learn the same key at once may put it into both lines: the first is found, the second ages. */
static bool
learn_new(struct fwd_mac_table *table, struct fwd_mac_line *line, uint64_t wanted)
{
	for (uint32_t i = 0; i < FWD_MAC_LINE_WORDS; i++) {
		uint64_t word = __atomic_load_n(&line->word[i], __ATOMIC_RELAXED);
		if (word != 0)
			continue;
		/* Before the word: the sweep must not see it with an old stamp. */
		stamp_set(table, line, i);
		if (__atomic_compare_exchange_n(&line->word[i], &word, wanted, false, __ATOMIC_ACQ_REL,
		                                __ATOMIC_RELAXED)) {
			port_cnt_add(table, wanted, 1);
			return true;
		}
	}
	return false;
}

BH_NOINLINE void
fwd_mac_learn_slow(struct fwd_mac_table *table, uint64_t key, uint64_t hash, uint32_t port, uint32_t mac_max,
                   const struct fwd_mac_counters *counters)
{
	struct fwd_mac_line *first = fwd_mac_first(table, hash), *second = fwd_mac_second(table, hash);
	uint64_t wanted = key | port;
	if (learn_known(table, first, wanted, mac_max, counters) ||
	    learn_known(table, second, wanted, mac_max, counters))
		return;
	if (second_is_better(first, second)) {
		struct fwd_mac_line *swap = first;
		first = second;
		second = swap;
	}
	if (!port_has_room(table, port, mac_max))
		bh_counter_add(counters->limited, 1);
	else if (learn_new(table, first, wanted) || learn_new(table, second, wanted))
		bh_counter_add(counters->learned, 1);
	else
		bh_counter_add(counters->full, 1);
}

/* An entry that was changed meanwhile stays. */
static void
entry_remove(struct fwd_mac_table *table, struct fwd_mac_line *line, uint32_t at, uint64_t word, uint64_t *counter)
{
	if (!__atomic_compare_exchange_n(&line->word[at], &word, 0, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		return;
	port_cnt_add(table, word, UINT32_MAX);
	bh_counter_add(counter, 1);
}

static void
line_sweep(struct fwd_mac_table *table, struct fwd_mac_line *line, const struct fwd_mac_counters *counters)
{
	for (uint32_t i = 0; i < FWD_MAC_LINE_WORDS; i++) {
		uint64_t word = __atomic_load_n(&line->word[i], __ATOMIC_ACQUIRE);
		if (word == 0)
			continue;
		uint8_t age = (uint8_t)(table->stamp - __atomic_load_n(&line->stamp[i], __ATOMIC_RELAXED));
		if ((table->flushing >> (word & FWD_MAC_PORT_MASK) & 1) != 0)
			entry_remove(table, line, i, word, counters->flushed);
		else if (age > FWD_MAC_AGE_TICKS)
			entry_remove(table, line, i, word, counters->aged);
	}
}

/*
 * A tick follows only when the last one's sweep is over, so no entry is older than AGE_TICKS + 1 and the stamps' 8 bits
 * do not wrap. A sweep that is asked for (a port's link went down) begins at once.
 */
static void
sweep_begin(struct fwd_mac_table *table, uint64_t now_tsc)
{
	uint32_t flush = __atomic_load_n(&table->flush_mask, __ATOMIC_RELAXED);
	/* A shorter time holds from now on, not from the end of a long tick. */
	table->next_tick_tsc = BH_MIN(table->next_tick_tsc, now_tsc + table->tick_tsc);
	bool tick = now_tsc >= table->next_tick_tsc;
	if (!tick && flush == 0)
		return;
	if (tick) {
		__atomic_store_n(&table->stamp, (uint8_t)(table->stamp + 1), __ATOMIC_RELAXED);
		table->next_tick_tsc += table->tick_tsc;
		if (table->next_tick_tsc + TICKS_BEHIND * table->tick_tsc < now_tsc)
			table->next_tick_tsc = now_tsc + table->tick_tsc;
	}
	table->flushing = flush != 0 ? __atomic_exchange_n(&table->flush_mask, 0, __ATOMIC_ACQ_REL) : 0;
	table->sweep_idx = 0;
}

void
fwd_mac_sweep(struct fwd_mac_table *table, uint64_t now_tsc, uint32_t line_cnt, const struct fwd_mac_counters *counters)
{
	if (BH_LIKELY(table->sweep_idx > table->line_mask)) {
		sweep_begin(table, now_tsc);
		return;
	}
	if (BH_UNLIKELY(table->flushing != 0 || __atomic_load_n(&table->flush_mask, __ATOMIC_RELAXED) != 0))
		line_cnt *= FLUSH_TIMES;
	for (uint32_t i = 0; i < line_cnt && table->sweep_idx <= table->line_mask; i++)
		line_sweep(table, &table->line[table->sweep_idx++], counters);
	if (table->sweep_idx > table->line_mask)
		table->flushing = 0;
}

uint32_t
fwd_mac_cnt(const struct fwd_mac_table *table)
{
	uint32_t cnt = 0;
	for (uint32_t i = 0; i < FWD_PORTS_MAX; i++)
		cnt += __atomic_load_n(&table->port_cnt[i], __ATOMIC_RELAXED);
	return cnt;
}
