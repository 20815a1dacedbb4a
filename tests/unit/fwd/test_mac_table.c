/* SPDX-License-Identifier: Apache-2.0 */
/* The table of addresses: its bounds, its age, several cores at once, and an oracle. */
#include <pthread.h>

#include "tests/unit/fwd/switch_rig.h"

#define TICK_TSC   UINT64_C(100)
#define AGEING_TSC (TICK_TSC * FWD_MAC_AGE_TICKS)

static struct fwd_mac_table macs;
static uint64_t now_tsc;

/* What fwd_mac_counters point at; one of each thread. */
struct counts {
	uint64_t learned, moved, full, limited, aged, flushed;
};

static struct counts counts;

static struct fwd_mac_counters
counters_of(struct counts *of)
{
	return (struct fwd_mac_counters){
	        .learned = &of->learned,
	        .moved = &of->moved,
	        .full = &of->full,
	        .limited = &of->limited,
	        .aged = &of->aged,
	        .flushed = &of->flushed,
	};
}

static int
table_start(void **state)
{
	int err = rig_start(state);
	counts = (struct counts){0};
	now_tsc = 1000000;
	if (err == 0)
		err = fwd_mac_table_init(&macs, 10000, 1);
	fwd_mac_ageing_set(&macs, AGEING_TSC);
	return err;
}

static uint64_t
key_of(uint32_t station, uint32_t vlan)
{
	uint8_t bytes[8];
	uint64_t loaded;
	rig_mac(bytes, station);
	bytes[6] = bytes[7] = 0xee;
	memcpy(&loaded, bytes, sizeof(loaded));
	return fwd_mac_key(loaded, vlan);
}

static void
learn(uint64_t key, uint32_t port, uint32_t mac_max)
{
	const struct fwd_mac_counters counters = counters_of(&counts);
	fwd_mac_learn(&macs, key, fwd_mac_hash(&macs, key), port, mac_max, &counters);
}

static int
find(uint64_t key)
{
	return fwd_mac_find(&macs, key, fwd_mac_hash(&macs, key));
}

/* Time goes by as turns of a core see it. */
static void
pass(uint64_t tsc)
{
	const struct fwd_mac_counters counters = counters_of(&counts);
	for (uint64_t end_tsc = now_tsc + tsc; now_tsc < end_tsc; now_tsc += BH_MIN(TICK_TSC, end_tsc - now_tsc)) {
		for (uint32_t i = 0; i < 4; i++)
			fwd_mac_sweep(&macs, now_tsc, 1u << 20, &counters);
	}
}

static void
what_was_never_heard_is_unknown(void **state)
{
	(void)state;
	for (uint32_t i = 1; i < 1000; i++)
		assert_int_equal(find(key_of(i, i)), -1);
	learn(key_of(7, 3), 2, 0);
	assert_int_equal(find(key_of(7, 4)), -1);
	assert_int_equal(find(key_of(8, 3)), -1);
	assert_int_equal(find(key_of(7, 3)), 2);
}

/* The bits of a key that a line does not compare are the port's, and no others. */
static void
every_bit_of_address_and_vlan_counts(void **state)
{
	(void)state;
	uint64_t key = key_of(0x12345678, 0xabc);
	learn(key, 5, 0);
	for (unsigned bit = FWD_MAC_PORT_BITS; bit < 64; bit++)
		assert_int_equal(find(key ^ UINT64_C(1) << bit), -1);
	assert_int_equal(find(key), 5);
}

static void
a_full_table_learns_no_more_and_says_so(void **state)
{
	(void)state;
	uint32_t places = (uint32_t)(macs.line_mask + 1) * FWD_MAC_LINE_WORDS;
	for (uint32_t i = 1; i <= 2 * places; i++)
		learn(key_of(i, 1), i % 8, 0);
	assert_true(counts.full > 0);
	assert_int_equal(counts.learned + counts.full, 2 * places);
	/* Two choices fill a table nearly to the end. */
	assert_true(counts.learned > (uint64_t)places * 95 / 100);
	uint32_t found_cnt = 0;
	for (uint32_t i = 1; i <= 2 * places; i++) {
		int port = find(key_of(i, 1));
		found_cnt += port >= 0;
		assert_true(port == -1 || port == (int)(i % 8));
	}
	assert_int_equal(found_cnt, counts.learned);
}

static void
what_it_was_made_for_fits(void **state)
{
	(void)state;
	for (uint32_t i = 1; i <= 10000; i++)
		learn(key_of(i * 7919, i % 4094 + 1), i % 8, 0);
	assert_int_equal(counts.learned, 10000);
	assert_int_equal(counts.full, 0);
	for (uint32_t i = 1; i <= 10000; i++)
		assert_int_equal(find(key_of(i * 7919, i % 4094 + 1)), i % 8);
	assert_int_equal(fwd_mac_cnt(&macs), 10000);
}

/* Addresses that meet in one line under one seed do not under another. */
static void
nobody_can_choose_addresses_that_meet(void **state)
{
	uint64_t key[8];
	uint32_t key_cnt = 0, together_cnt = 0;
	struct fwd_mac_table other;
	(void)state;
	assert_int_equal(fwd_mac_table_init(&other, 10000, 2), 0);
	for (uint32_t i = 1; key_cnt < 8; i++) {
		if ((fwd_mac_hash(&macs, key_of(i, 1)) & macs.line_mask) == 5)
			key[key_cnt++] = key_of(i, 1);
	}
	for (uint32_t i = 1; i < key_cnt; i++)
		together_cnt += fwd_mac_first(&other, fwd_mac_hash(&other, key[i])) ==
		                fwd_mac_first(&other, fwd_mac_hash(&other, key[0]));
	assert_true(together_cnt <= 1);
}

static void
a_port_has_no_more_than_its_share(void **state)
{
	(void)state;
	for (uint32_t i = 1; i <= 20; i++)
		learn(key_of(i, 1), 3, 10);
	assert_int_equal(counts.limited, 10);
	assert_int_equal(macs.port_cnt[3], 10);
	/* What it has it may keep; others are not concerned; nor may stations move there. */
	learn(key_of(1, 1), 3, 10);
	assert_int_equal(counts.limited, 10);
	learn(key_of(50, 1), 4, 10);
	learn(key_of(50, 1), 3, 10);
	assert_int_equal(counts.limited, 11);
	assert_int_equal(find(key_of(50, 1)), 4);
	/* One that leaves makes room for one. */
	learn(key_of(1, 1), 4, 10);
	learn(key_of(50, 1), 3, 10);
	assert_int_equal(find(key_of(50, 1)), 3);
	assert_int_equal(macs.port_cnt[3], 10);
	assert_int_equal(counts.moved, 2);
}

static void
old_entries_go_and_young_ones_stay(void **state)
{
	(void)state;
	pass(TICK_TSC);
	learn(key_of(1, 1), 1, 0);
	learn(key_of(2, 1), 1, 0);
	pass(AGEING_TSC - TICK_TSC);
	assert_int_equal(find(key_of(1, 1)), 1);
	learn(key_of(2, 1), 1, 0);
	pass(3 * TICK_TSC);
	assert_int_equal(find(key_of(1, 1)), -1);
	assert_int_equal(find(key_of(2, 1)), 1);
	assert_int_equal(counts.aged, 1);
	assert_int_equal(macs.port_cnt[1], 1);
	pass(AGEING_TSC + 3 * TICK_TSC);
	assert_int_equal(fwd_mac_cnt(&macs), 0);
	assert_int_equal(counts.aged, 2);
}

/* Stamps have 8 bits: an entry that is kept up for many times 256 ticks is never taken for old. */
static void
stamps_do_not_wrap(void **state)
{
	(void)state;
	learn(key_of(1, 1), 1, 0);
	for (uint32_t i = 0; i < 200; i++) {
		pass(10 * TICK_TSC);
		learn(key_of(1, 1), 1, 0);
	}
	assert_int_equal(counts.aged, 0);
	assert_int_equal(counts.learned, 1);
	/* And after a long silence of the core itself, too, it is old once. */
	now_tsc += 10000 * AGEING_TSC;
	pass(AGEING_TSC + 6 * TICK_TSC);
	assert_int_equal(find(key_of(1, 1)), -1);
}

static void
a_shorter_age_holds_at_once(void **state)
{
	(void)state;
	fwd_mac_ageing_set(&macs, 1000 * AGEING_TSC);
	pass(TICK_TSC);
	learn(key_of(1, 1), 1, 0);
	fwd_mac_ageing_set(&macs, AGEING_TSC);
	pass(AGEING_TSC + 5 * TICK_TSC);
	assert_int_equal(find(key_of(1, 1)), -1);
}

static void
a_flushed_port_is_forgotten_and_no_other(void **state)
{
	(void)state;
	pass(TICK_TSC);
	for (uint32_t i = 1; i <= 80; i++)
		learn(key_of(i, 1), i % 8, 0);
	fwd_mac_flush(&macs, 1u << 2 | 1u << 5);
	pass(1);
	for (uint32_t i = 1; i <= 80; i++)
		assert_int_equal(find(key_of(i, 1)), i % 8 == 2 || i % 8 == 5 ? -1 : (int)(i % 8));
	assert_int_equal(counts.flushed, 20);
	assert_int_equal(counts.aged, 0);
	learn(key_of(2, 1), 2, 0);
	pass(5 * TICK_TSC);
	assert_int_equal(find(key_of(2, 1)), 2);
}

/* A million random steps; the oracle is an array that is looked through. */
#define ORACLE_STATIONS 6000u

static void
random_steps_agree_with_an_array(void **state)
{
	static struct {
		int port;
		uint64_t tick;
	} oracle[ORACLE_STATIONS];
	uint64_t dice = 88172645463325252u, tick = 0;
	(void)state;
	for (uint32_t i = 0; i < ORACLE_STATIONS; i++)
		oracle[i].port = -1;
	pass(TICK_TSC);
	for (uint32_t step = 0; step < 1000000; step++) {
		dice ^= dice << 13;
		dice ^= dice >> 7;
		dice ^= dice << 17;
		uint32_t station = (uint32_t)(dice % ORACLE_STATIONS);
		uint64_t key = key_of(station + 1, station % 16);
		if (dice >> 40 < 100) {
			pass(TICK_TSC);
			tick++;
		} else if ((dice >> 60) < 8) {
			oracle[station].port = (int)(dice >> 56 & 7);
			oracle[station].tick = tick;
			learn(key, (uint32_t)(dice >> 56 & 7), 0);
		} else {
			int port = find(key);
			bool old = tick - oracle[station].tick > FWD_MAC_AGE_TICKS + 1;
			bool young = tick - oracle[station].tick <= FWD_MAC_AGE_TICKS - 1;
			/* Between the two it may be there or not. */
			if (old)
				assert_int_equal(port, -1);
			else if (young)
				assert_int_equal(port, oracle[station].port);
		}
	}
	assert_int_equal(counts.full, 0);
}

/* Cores at once: the same stations on ever other ports, while one of them ages and flushes. */
#define RACE_STATIONS 300u
#define RACE_STEPS    100000u

static bool race_over;

static void *
race_learner(void *arg)
{
	struct counts *mine = arg;
	const struct fwd_mac_counters counters = counters_of(mine);
	uint64_t dice = (uintptr_t)arg | 1;
	for (uint32_t i = 0; i < RACE_STEPS; i++) {
		dice = dice * UINT64_C(6364136223846793005) + 1442695040888963407u;
		uint64_t key = key_of((uint32_t)(dice >> 33) % RACE_STATIONS + 1, 1);
		fwd_mac_learn(&macs, key, fwd_mac_hash(&macs, key), (uint32_t)(dice >> 61), 0, &counters);
		int port = find(key);
		if (port < -1 || port > 7)
			return arg;
	}
	return NULL;
}

static void *
race_sweeper(void *arg)
{
	struct counts *mine = arg;
	const struct fwd_mac_counters counters = counters_of(mine);
	for (uint64_t i = 0; !__atomic_load_n(&race_over, __ATOMIC_RELAXED); i++) {
		fwd_mac_sweep(&macs, now_tsc += TICK_TSC / 2, 64, &counters);
		if (i % 1000 == 0)
			fwd_mac_flush(&macs, 1u << (i / 1000 % 8));
	}
	return NULL;
}

static void
cores_at_once_lose_no_count(void **state)
{
	struct counts mine[3] = {0};
	pthread_t thread[3];
	void *result;
	(void)state;
	race_over = false;
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, i < 2 ? race_learner : race_sweeper, &mine[i]), 0);
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(pthread_join(thread[i], &result), 0);
		assert_null(result);
	}
	__atomic_store_n(&race_over, true, __ATOMIC_RELAXED);
	assert_int_equal(pthread_join(thread[2], NULL), 0);
	uint32_t port_cnt[8] = {0}, all_cnt = 0;
	for (uint64_t i = 0; i <= macs.line_mask; i++) {
		for (uint32_t j = 0; j < FWD_MAC_LINE_WORDS; j++) {
			uint64_t word = macs.line[i].word[j];
			port_cnt[word & 7] += word != 0;
			all_cnt += word != 0;
		}
	}
	for (uint32_t i = 0; i < 8; i++)
		assert_int_equal(port_cnt[i], macs.port_cnt[i]);
	assert_int_equal(mine[0].learned + mine[1].learned - mine[2].aged - mine[2].flushed, all_cnt);
}

int
main(void)
{
#define ON_TABLE(name) cmocka_unit_test_setup_teardown(name, table_start, rig_stop)
	const struct CMUnitTest tests[] = {
	        ON_TABLE(what_was_never_heard_is_unknown),
	        ON_TABLE(every_bit_of_address_and_vlan_counts),
	        ON_TABLE(a_full_table_learns_no_more_and_says_so),
	        ON_TABLE(what_it_was_made_for_fits),
	        ON_TABLE(nobody_can_choose_addresses_that_meet),
	        ON_TABLE(a_port_has_no_more_than_its_share),
	        ON_TABLE(old_entries_go_and_young_ones_stay),
	        ON_TABLE(stamps_do_not_wrap),
	        ON_TABLE(a_shorter_age_holds_at_once),
	        ON_TABLE(a_flushed_port_is_forgotten_and_no_other),
	        ON_TABLE(random_steps_agree_with_an_array),
	        ON_TABLE(cores_at_once_lose_no_count),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
