/* SPDX-License-Identifier: Apache-2.0 */
/* Self-describing blocks: each way a disk can go wrong must get its own name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "apps/nvme-bench/cell/block.h"

#define SECTORS 8
#define RUN     77

static uint8_t block[SECTORS * SECTOR_BYTES] __attribute__((aligned(8)));
static uint8_t other[SECTORS * SECTOR_BYTES] __attribute__((aligned(8)));

static enum block_verdict
check(uint64_t min, uint64_t max)
{
	uint64_t generation = 0;
	return block_check(block, 1000, SECTORS, RUN, min, max, &generation);
}

static void
a_blank_block_was_lost(void **state)
{
	memset(block, 0, sizeof(block));
	assert_int_equal(check(1, 1), BLOCK_LOST);
}

static void
an_older_write_is_a_lost_one(void **state)
{
	block_fill(block, 1000, SECTORS, 3, RUN);
	assert_int_equal(check(4, 4), BLOCK_LOST);
	assert_int_equal(check(1, 2), BLOCK_LOST);
}

static void
another_run_does_not_count(void **state)
{
	block_fill(block, 1000, SECTORS, 3, RUN + 1);
	assert_int_equal(check(3, 3), BLOCK_LOST);
}

static void
sectors_of_two_writes_are_torn(void **state)
{
	block_fill(block, 1000, SECTORS, 3, RUN);
	block_fill(other, 1000, SECTORS, 4, RUN);
	memcpy(block + 5 * SECTOR_BYTES, other + 5 * SECTOR_BYTES, SECTOR_BYTES);
	assert_int_equal(check(3, 3), BLOCK_TORN);
	assert_int_equal(check(4, 4), BLOCK_TORN);
	assert_int_equal(check(4, 5), BLOCK_TORN);
}

/* Each of the two may have stored any part of it. */
static void
sectors_of_failed_writes_may_mix(void **state)
{
	block_fill(block, 1000, SECTORS, 3, RUN);
	block_fill(other, 1000, SECTORS, 4, RUN);
	memcpy(block + 5 * SECTOR_BYTES, other + 5 * SECTOR_BYTES, SECTOR_BYTES);
	assert_int_equal(check(3, 4), BLOCK_MIXED);
}

static void
a_hole_in_a_block_is_torn(void **state)
{
	block_fill(block, 1000, SECTORS, 3, RUN);
	memset(block + 7 * SECTOR_BYTES, 0, SECTOR_BYTES);
	assert_int_equal(check(3, 3), BLOCK_TORN);
}

static void
another_blocks_data_is_misdirected(void **state)
{
	block_fill(block, 1008, SECTORS, 3, RUN);
	assert_int_equal(check(3, 3), BLOCK_MISDIRECTED);
}

/* Every single bit of a sector is covered: a flip anywhere is seen as something. */
static void
every_flipped_bit_is_seen(void **state)
{
	for (size_t bit = 0; bit < SECTOR_BYTES * 8; bit++) {
		block_fill(block, 1000, SECTORS, 3, RUN);
		block[2 * SECTOR_BYTES + bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(check(3, 3), BLOCK_CORRUPT);
	}
}

static void
what_was_written_is_ok(void **state)
{
	uint64_t generation = 0;
	block_fill(block, 1000, SECTORS, 3, RUN);
	assert_int_equal(block_check(block, 1000, SECTORS, RUN, 2, 5, &generation), BLOCK_OK);
	assert_int_equal(generation, 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_blank_block_was_lost),
	        cmocka_unit_test(an_older_write_is_a_lost_one),
	        cmocka_unit_test(another_run_does_not_count),
	        cmocka_unit_test(sectors_of_two_writes_are_torn),
	        cmocka_unit_test(sectors_of_failed_writes_may_mix),
	        cmocka_unit_test(a_hole_in_a_block_is_torn),
	        cmocka_unit_test(another_blocks_data_is_misdirected),
	        cmocka_unit_test(every_flipped_bit_is_seen),
	        cmocka_unit_test(what_was_written_is_ok),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
