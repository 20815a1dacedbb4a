/* SPDX-License-Identifier: Apache-2.0 */
/* Rings between cell and host half: what the other side may write there, then what it should. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "apps/fwd/channel.h"

#define SLOTS 8u

static struct fwd_channel *channel;
static struct fwd_ring_end producer, consumer;

static int
setup(void **state)
{
	uint64_t bytes = fwd_channel_bytes(2, SLOTS, FWD_SLOT_BYTES);
	channel = aligned_alloc(4096, bytes);
	assert_non_null(channel);
	memset(channel, 0, bytes);
	fwd_channel_init(channel, 2, 1, SLOTS, FWD_SLOT_BYTES);
	assert_int_equal(fwd_channel_end(channel, bytes, 1, true, &producer), 0);
	assert_int_equal(fwd_channel_end(channel, bytes, 1, false, &consumer), 0);
	return 0;
}

static int
teardown(void **state)
{
	free(channel);
	return 0;
}

static int
end_of(uint32_t ring_idx)
{
	struct fwd_ring_end end;
	return fwd_channel_end(channel, fwd_channel_bytes(2, SLOTS, FWD_SLOT_BYTES), ring_idx, false, &end);
}

static void
test_headers_that_are_none(void **state)
{
	struct fwd_channel good = *channel;
	assert_int_equal(end_of(2), 0);
	assert_int_equal(end_of(3), -BH_EPROTO);
	channel->magic++;
	assert_int_equal(end_of(0), -BH_EPROTO);
	*channel = good;
	channel->slot_cnt = 7;
	assert_int_equal(end_of(0), -BH_EPROTO);
	channel->slot_cnt = 16; /* more than there is memory for */
	assert_int_equal(end_of(0), -BH_EPROTO);
	*channel = good;
	channel->slot_bytes = 1u << 31;
	assert_int_equal(end_of(0), -BH_EPROTO);
	*channel = good;
	channel->core_cnt = UINT32_MAX;
	assert_int_equal(end_of(0), -BH_EPROTO);
	channel->core_cnt = 0;
	assert_int_equal(end_of(0), -BH_EPROTO);
}

static void
test_index_of_a_liar(void **state)
{
	const uint64_t lie[] = {SLOTS + 1, UINT64_MAX, UINT64_C(1) << 63};
	for (size_t i = 0; i < BH_ARRAY_CNT(lie); i++) {
		channel->to_linux[1].head = lie[i];
		consumer.broken = false;
		assert_null(fwd_ring_next(&consumer));
		assert_true(consumer.broken);
		channel->to_linux[1].head = 1; /* no way back */
		assert_null(fwd_ring_next(&consumer));
	}
	for (unsigned i = 0; i < SLOTS; i++) {
		assert_non_null(fwd_ring_room(&producer));
		fwd_ring_put(&producer, 60, 0, 0);
	}
	channel->to_linux[1].tail = SLOTS + 1; /* more than was put */
	assert_null(fwd_ring_room(&producer));
	assert_true(producer.broken);
}

static void
test_full_and_empty(void **state)
{
	assert_null(fwd_ring_next(&consumer));
	for (unsigned i = 0; i < SLOTS; i++) {
		struct fwd_slot *slot = fwd_ring_room(&producer);
		assert_non_null(slot);
		slot->frame[0] = (uint8_t)i;
		fwd_ring_put(&producer, 60 + i, 0, 3);
	}
	assert_null(fwd_ring_room(&producer));
	assert_null(fwd_ring_next(&consumer)); /* not published */
	fwd_ring_publish(&producer);
	for (unsigned i = 0; i < SLOTS; i++) {
		const struct fwd_slot *slot = fwd_ring_next(&consumer);
		assert_non_null(slot);
		assert_int_equal(slot->frame[0], i);
		assert_int_equal(slot->bytes, 60 + i);
		assert_int_equal(slot->reason, 3);
		fwd_ring_drop(&consumer);
	}
	assert_null(fwd_ring_next(&consumer));
	assert_null(fwd_ring_room(&producer)); /* not published */
	fwd_ring_publish(&consumer);
	assert_non_null(fwd_ring_room(&producer));
}

/* Many rounds, a few frames at a time: all come, in order. */
static void
test_in_order(void **state)
{
	uint32_t put = 0, got = 0, seed = 1;
	while (got < 20000) {
		struct fwd_slot *room;
		const struct fwd_slot *next;
		for (seed = seed * 1664525u + 1013904223u;
		     (seed >> 28) != 0 && (room = fwd_ring_room(&producer)) != NULL; seed -= 1u << 28) {
			memcpy(room->frame, &put, sizeof(put));
			fwd_ring_put(&producer, 60, 0, 0);
			put++;
		}
		fwd_ring_publish(&producer);
		while ((next = fwd_ring_next(&consumer)) != NULL) {
			assert_memory_equal(next->frame, &got, sizeof(got));
			fwd_ring_drop(&consumer);
			got++;
		}
		fwd_ring_publish(&consumer);
	}
	assert_int_equal(put, got);
}

static void
test_slots_are_apart(void **state)
{
	struct fwd_ring_end end[3];
	uint64_t bytes = fwd_channel_bytes(2, SLOTS, FWD_SLOT_BYTES);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(fwd_channel_end(channel, bytes, i, true, &end[i]), 0);
	assert_ptr_equal(end[0].slots, (uint8_t *)channel + channel->slot_offset);
	assert_ptr_equal(end[1].slots, end[0].slots + SLOTS * FWD_SLOT_BYTES);
	assert_ptr_equal(end[2].slots + SLOTS * FWD_SLOT_BYTES, (uint8_t *)channel + bytes);
	assert_int_equal(fwd_ring_frame_max(&end[0]), FWD_SLOT_BYTES - sizeof(struct fwd_slot));
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        WITH(test_headers_that_are_none), WITH(test_index_of_a_liar),
	        WITH(test_full_and_empty),        WITH(test_in_order),
	        WITH(test_slots_are_apart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
