/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/core/unit.h"

/* Bump. */

static void
test_bump_refuses(void **state)
{
	_Alignas(64) static uint8_t range[256];
	struct bh_bump bump;
	bh_bump_init(&bump, range, sizeof(range));
	assert_null(bh_bump_alloc(&bump, 0, 16));
	assert_null(bh_bump_alloc(&bump, 16, 0));
	assert_null(bh_bump_alloc(&bump, 16, 48));
	assert_null(bh_bump_alloc(&bump, 257, 1));
	assert_null(bh_bump_alloc(&bump, SIZE_MAX, 1));
	assert_null(bh_bump_alloc(&bump, SIZE_MAX - 8, 64));
	assert_ptr_equal(bh_bump_alloc(&bump, 1, 1), range);
	/* 255 bytes are left, but not from a multiple of 64 on. */
	assert_null(bh_bump_alloc(&bump, 193, 64));
	assert_null(bh_bump_alloc(&bump, 1, (size_t)1 << 63));
	assert_ptr_equal(bh_bump_alloc(&bump, 192, 64), range + 64);
	assert_null(bh_bump_alloc(&bump, 1, 1));
}

/* Arena. */

static void
test_dma_refuses(void **state)
{
	assert_null(bh_dma_alloc(0, 4096));
	assert_null(bh_dma_alloc(4096, 3));
	assert_null(bh_dma_alloc(UNIT_ARENA_BYTES + 1, 1));
	assert_null(bh_dma_alloc(SIZE_MAX, 4096));
	assert_int_equal(bh_dma_free_bytes(), UNIT_ARENA_BYTES);
}

static void
test_dma_is_zeroed_and_aligned(void **state)
{
	memset((void *)BH_ADDR_ARENA, 0xa5, 16384); /* a device was there first */
	uint8_t *first = bh_dma_alloc(1, 1), *second = bh_dma_alloc(4096, 4096);
	assert_ptr_equal(first, (void *)BH_ADDR_ARENA);
	assert_ptr_equal(second, (void *)(BH_ADDR_ARENA + 4096));
	assert_int_equal(first[0], 0);
	for (size_t i = 0; i < 4096; i++)
		assert_int_equal(second[i], 0);
	assert_int_equal(second[4096], 0xa5);
	assert_int_equal(bh_dma_free_bytes(), UNIT_ARENA_BYTES - 8192);
}

static void
test_dma_contains(void **state)
{
	const uint8_t *low = (const uint8_t *)BH_ADDR_ARENA, *high = low + UNIT_ARENA_BYTES;
	assert_false(bh_dma_contains(NULL, 1));
	assert_false(bh_dma_contains(low - 1, 1));
	assert_false(bh_dma_contains(low - 1, 2));
	assert_false(bh_dma_contains(high, 1));
	assert_false(bh_dma_contains(high - 1, 2));
	assert_false(bh_dma_contains(low, SIZE_MAX));
	assert_false(bh_dma_contains((const void *)BH_ADDR_HEAP, 1));
	assert_true(bh_dma_contains(low, UNIT_ARENA_BYTES));
	assert_true(bh_dma_contains(high - 1, 1));
	assert_true(bh_dma_contains(high, 0));
}

/* Heap. */

static void
test_heap_refuses(void **state)
{
	assert_null(bh_heap_alloc(UNIT_HEAP_BYTES));
	assert_null(bh_heap_alloc(SIZE_MAX));
	assert_null(bh_heap_alloc_aligned(64, 0));
	assert_null(bh_heap_alloc_aligned(64, 24));
	assert_null(bh_heap_alloc_aligned(64, (size_t)1 << 62));
	bh_heap_free(NULL);
	void *ptr = bh_heap_alloc(64);
	bh_heap_free(ptr);
	unit_expect_panic(bh_heap_free(ptr));
}

static void
test_heap_is_zeroed_and_aligned(void **state)
{
	for (size_t align = 16; align <= 65536; align *= 2) {
		uint8_t *dirty = bh_heap_alloc_aligned(100, align);
		assert_non_null(dirty);
		assert_int_equal((uintptr_t)dirty % align, 0);
		memset(dirty, 0xa5, 100);
		bh_heap_free(dirty);
		uint8_t *again = bh_heap_alloc_aligned(100, align);
		assert_ptr_equal(again, dirty);
		for (size_t i = 0; i < 100; i++)
			assert_int_equal(again[i], 0);
		bh_heap_free(again);
	}
	assert_int_equal(bh_tlsf_check(bh_core_self()->cell->heap), 0);
}

/* A lock that is never released ends the cell, with a message. */
static void
test_held_lock_panics(void **state)
{
	bh_hosted_page()->tsc_hz = BH_TSC_HZ_MIN; /* seconds are short here */
	bh_core_self()->cell->heap_lock.held = 1;
	unit_expect_panic((void)bh_heap_alloc(16));
	assert_string_equal(unit_panic_record.message, "a spin lock was not released in time");
}

/* Pools. */

static void
test_pool_refuses(void **state)
{
	struct bh_pool pool;
	static uint8_t base[64];
	assert_int_equal(bh_pool_init(&pool, NULL, 8, 8), -BH_EINVAL);
	assert_int_equal(bh_pool_init(&pool, base, 0, 8), -BH_EINVAL);
	assert_int_equal(bh_pool_init(&pool, base, 8, 0), -BH_EINVAL);
	assert_int_equal(bh_pool_init(&pool, base, 8, UINT32_MAX), -BH_ENOMEM);
	assert_int_equal(bh_pool_init_dma(&pool, 0, 8, 64), -BH_EINVAL);
	assert_int_equal(bh_pool_init_dma(&pool, 8, 0, 64), -BH_EINVAL);
	assert_int_equal(bh_pool_init_dma(&pool, UINT32_MAX, UINT32_MAX, 64), -BH_ENOMEM);
	assert_int_equal(bh_tlsf_check(bh_core_self()->cell->heap), 0);
}

static void
test_pool_put_panics(void **state)
{
	struct bh_pool pool;
	static uint8_t base[24 * 10];
	assert_int_equal(bh_pool_init(&pool, base, 24, 10), 0);
	uint8_t *object = bh_pool_get(&pool);
	unit_expect_panic(bh_pool_put(&pool, object + 1));
	unit_expect_panic(bh_pool_put(&pool, (void *)((uintptr_t)base - 24)));
	unit_expect_panic(bh_pool_put(&pool, base + sizeof(base)));
	unit_expect_panic(bh_pool_put(&pool, NULL));
	assert_string_equal(unit_panic_record.message, "not an object of this pool");
	unit_expect_panic(bh_pool_put(&pool, base + 24)); /* never taken */
	bh_pool_put(&pool, object);
	unit_expect_panic(bh_pool_put(&pool, object));
	assert_string_equal(unit_panic_record.message, "an object was given back twice");
}

/* Every object once, then none; back in any order; for sizes where the index is not a shift. */
static void
pool_exercise(uint32_t object_bytes)
{
	struct bh_pool pool;
	uint8_t *object[100];
	assert_int_equal(bh_pool_init_dma(&pool, object_bytes, 100, 64), 0);
	assert_true(bh_dma_contains(pool.base, (size_t)object_bytes * 100));
	for (size_t i = 0; i < 100; i++) {
		object[i] = bh_pool_get(&pool);
		assert_ptr_equal(object[i], pool.base + i * object_bytes);
	}
	assert_null(bh_pool_get(&pool));
	for (size_t i = 0; i < 100; i++)
		bh_pool_put(&pool, object[i * 37 % 100]);
	assert_int_equal(pool.free_cnt, 100);
	assert_ptr_equal(bh_pool_get(&pool), object[99 * 37 % 100]); /* last in, first out */
}

static void
test_pool_holds_each_object_once(void **state)
{
	static const uint32_t sizes[] = {1, 2, 3, 7, 16, 24, 64, 100, 4096, 4097, 6000};
	for (size_t i = 0; i < BH_ARRAY_CNT(sizes); i++)
		pool_exercise(sizes[i]);
}

#define CELL_TEST(test) cmocka_unit_test_setup_teardown(test, unit_cell_start, unit_cell_stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        CELL_TEST(test_bump_refuses),
	        CELL_TEST(test_dma_refuses),
	        CELL_TEST(test_dma_is_zeroed_and_aligned),
	        CELL_TEST(test_dma_contains),
	        CELL_TEST(test_heap_refuses),
	        CELL_TEST(test_heap_is_zeroed_and_aligned),
	        CELL_TEST(test_held_lock_panics),
	        CELL_TEST(test_pool_refuses),
	        CELL_TEST(test_pool_put_panics),
	        CELL_TEST(test_pool_holds_each_object_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
