/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/core/unit.h"
#include <bulkhead/ring.h>
#include <pthread.h>
#include <sched.h>

#define SLOT_CNT       64
#define THREAD_ITEMS   UINT64_C(300000)
#define PRODUCER_ITEMS UINT64_C(99999) /* whole batches of three */
#define PRODUCER_CNT   3
#define PRODUCER_BITS  32

static struct bh_spsc spsc;
static struct bh_mpsc mpsc;
static uint64_t items[SLOT_CNT];
static struct bh_mpsc_slot slots[SLOT_CNT];

static int
setup(void **state)
{
	(void)state;
	return bh_spsc_init(&spsc, items, SLOT_CNT) != 0 || bh_mpsc_init(&mpsc, slots, SLOT_CNT) != 0;
}

static void
test_init_refuses(void **state)
{
	assert_int_equal(bh_spsc_init(&spsc, items, 0), -BH_EINVAL);
	assert_int_equal(bh_spsc_init(&spsc, items, 48), -BH_EINVAL);
	assert_int_equal(bh_spsc_init(&spsc, NULL, 64), -BH_EINVAL);
	assert_int_equal(bh_mpsc_init(&mpsc, slots, 0), -BH_EINVAL);
	assert_int_equal(bh_mpsc_init(&mpsc, slots, 1), -BH_EINVAL);
	assert_int_equal(bh_mpsc_init(&mpsc, slots, 48), -BH_EINVAL);
	assert_int_equal(bh_mpsc_init(&mpsc, NULL, 64), -BH_EINVAL);
	assert_int_equal(bh_spsc_init(&spsc, items, 1), 0);
	assert_int_equal(bh_mpsc_init(&mpsc, slots, 2), 0);
}

static void
test_spsc_full_and_empty(void **state)
{
	uint64_t in[SLOT_CNT + 8], out[SLOT_CNT + 8];
	for (size_t i = 0; i < BH_ARRAY_CNT(in); i++)
		in[i] = i;
	assert_int_equal(bh_spsc_pop(&spsc, out, 8), 0);
	assert_int_equal(bh_spsc_push(&spsc, in, 0), 0);
	assert_int_equal(bh_spsc_push(&spsc, in, SLOT_CNT + 8), SLOT_CNT);
	assert_int_equal(bh_spsc_push(&spsc, in, 1), 0);
	assert_int_equal(bh_spsc_pop(&spsc, out, 5), 5);
	assert_int_equal(bh_spsc_push(&spsc, in + SLOT_CNT, 8), 5);
	assert_int_equal(bh_spsc_pop(&spsc, out + 5, SLOT_CNT + 8), SLOT_CNT);
	assert_memory_equal(in, out, sizeof(uint64_t) * (SLOT_CNT + 5));
	assert_int_equal(bh_spsc_pop(&spsc, out, 1), 0);
}

/* Indices run on past 2^64. */
static void
test_spsc_index_wraps(void **state)
{
	uint64_t start = UINT64_MAX - 20;
	spsc.producer.head = spsc.producer.cached_tail = spsc.consumer.tail = spsc.consumer.cached_head = start;
	for (uint64_t i = 0; i < 500; i += 7) {
		uint64_t in[7] = {i, i + 1, i + 2, i + 3, i + 4, i + 5, i + 6}, out[7];
		assert_int_equal(bh_spsc_push(&spsc, in, 7), 7);
		assert_int_equal(bh_spsc_pop(&spsc, out, 7), 7);
		assert_memory_equal(in, out, sizeof(in));
	}
}

static void *
spsc_produce(void *arg)
{
	(void)arg;
	uint64_t batch[13];
	for (uint64_t next = 0; next < THREAD_ITEMS;) {
		size_t cnt = BH_MIN((uint64_t)(1 + next % 13), THREAD_ITEMS - next);
		for (size_t i = 0; i < cnt; i++)
			batch[i] = next + i;
		size_t put = bh_spsc_push(&spsc, batch, cnt);
		if (put == 0)
			sched_yield();
		next += put;
	}
	return NULL;
}

static void
test_spsc_between_threads(void **state)
{
	pthread_t producer;
	uint64_t batch[17];
	assert_int_equal(pthread_create(&producer, NULL, spsc_produce, NULL), 0);
	for (uint64_t next = 0; next < THREAD_ITEMS;) {
		size_t cnt = bh_spsc_pop(&spsc, batch, 1 + next % 17);
		for (size_t i = 0; i < cnt; i++)
			assert_int_equal(batch[i], next + i);
		next += cnt;
		if (cnt == 0)
			sched_yield();
	}
	assert_int_equal(bh_spsc_pop(&spsc, batch, 1), 0);
	pthread_join(producer, NULL);
}

static void
test_mpsc_full_and_empty(void **state)
{
	uint64_t in[SLOT_CNT + 1] = {0}, out[SLOT_CNT];
	for (size_t i = 0; i < BH_ARRAY_CNT(in); i++)
		in[i] = i;
	assert_int_equal(bh_mpsc_pop(&mpsc, out, 1), 0);
	assert_int_equal(bh_mpsc_push(&mpsc, in, 0), 0);
	assert_int_equal(bh_mpsc_push(&mpsc, in, SLOT_CNT + 1), -BH_EINVAL);
	assert_int_equal(bh_mpsc_push(&mpsc, in, SLOT_CNT), 0);
	assert_int_equal(bh_mpsc_push(&mpsc, in, 1), -BH_EAGAIN);
	assert_int_equal(bh_mpsc_pop(&mpsc, out, 5), 5);
	/* All or nothing. */
	assert_int_equal(bh_mpsc_push(&mpsc, in, 6), -BH_EAGAIN);
	assert_int_equal(bh_mpsc_push(&mpsc, in, 5), 0);
	assert_int_equal(bh_mpsc_pop(&mpsc, out + 5, SLOT_CNT - 5), SLOT_CNT - 5);
	assert_memory_equal(in, out, sizeof(out));
	assert_int_equal(bh_mpsc_pop(&mpsc, out, SLOT_CNT), 5);
	assert_int_equal(bh_mpsc_pop(&mpsc, out, SLOT_CNT), 0);
}

/* Batches of three stay together: (producer, number) pairs that follow each other. */
static void *
mpsc_produce(void *arg)
{
	uint64_t tag = (uint64_t)(uintptr_t)arg << PRODUCER_BITS;
	for (uint64_t next = 0; next < PRODUCER_ITEMS; next += 3) {
		const uint64_t batch[3] = {tag | next, tag | (next + 1), tag | (next + 2)};
		while (bh_mpsc_push(&mpsc, batch, 3) != 0)
			sched_yield();
	}
	return NULL;
}

static void
mpsc_consume(uint64_t *next_of)
{
	uint64_t item, whole_cnt = 0;
	while (whole_cnt < PRODUCER_ITEMS * PRODUCER_CNT) {
		if (bh_mpsc_pop(&mpsc, &item, 1) == 0) {
			sched_yield();
			continue;
		}
		uint64_t *next = &next_of[item >> PRODUCER_BITS];
		assert_int_equal((uint32_t)item, *next);
		for (uint64_t i = 1; i < 3; i++) {
			uint64_t follower;
			while (bh_mpsc_pop(&mpsc, &follower, 1) == 0)
				sched_yield();
			assert_int_equal(follower, item + i);
		}
		*next += 3;
		whole_cnt += 3;
	}
}

static void
test_mpsc_between_threads(void **state)
{
	pthread_t producer[PRODUCER_CNT];
	uint64_t next_of[PRODUCER_CNT] = {0}, item;
	for (uintptr_t i = 0; i < PRODUCER_CNT; i++)
		assert_int_equal(pthread_create(&producer[i], NULL, mpsc_produce, (void *)i), 0);
	mpsc_consume(next_of);
	for (size_t i = 0; i < PRODUCER_CNT; i++) {
		pthread_join(producer[i], NULL);
		assert_int_equal(next_of[i], PRODUCER_ITEMS);
	}
	assert_int_equal(bh_mpsc_pop(&mpsc, &item, 1), 0);
}

#define RING_TEST(test) cmocka_unit_test_setup(test, setup)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        RING_TEST(test_init_refuses),        RING_TEST(test_spsc_full_and_empty),
	        RING_TEST(test_spsc_index_wraps),    RING_TEST(test_spsc_between_threads),
	        RING_TEST(test_mpsc_full_and_empty), RING_TEST(test_mpsc_between_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
