/* SPDX-License-Identifier: Apache-2.0 */
/* The cell's own memcpy family, under other names (meson.build), against the plainest loops. */
#include "tests/unit/core/unit.h"

void *cell_memcpy(void *restrict dst, const void *restrict src, size_t size_bytes);
void *cell_memmove(void *dst, const void *src, size_t size_bytes);
void *cell_memset(void *dst, int byte, size_t size_bytes);
int cell_memcmp(const void *a, const void *b, size_t size_bytes);

#define RANGE_BYTES 600

static uint8_t range[RANGE_BYTES], expected[RANGE_BYTES];

static void
ranges_fill(void)
{
	for (size_t i = 0; i < RANGE_BYTES; i++)
		range[i] = expected[i] = (uint8_t)(i * 7 + 1);
}

/* Every overlap in both directions, every size over all code paths. */
static void
test_memmove(void **state)
{
	for (size_t size_bytes = 0; size_bytes <= 150; size_bytes++) {
		for (size_t from = 0; from <= 200; from += 3) {
			size_t to = 100;
			ranges_fill();
			for (size_t i = 0; i < size_bytes; i++)
				expected[to + i] = (uint8_t)((from + i) * 7 + 1);
			assert_ptr_equal(cell_memmove(range + to, range + from, size_bytes), range + to);
			assert_memory_equal(range, expected, RANGE_BYTES);
		}
	}
}

static void
test_memcpy(void **state)
{
	static const size_t from = 3, to = 293;
	for (size_t size_bytes = 0; size_bytes <= 290; size_bytes++) {
		ranges_fill();
		for (size_t i = 0; i < size_bytes; i++)
			expected[to + i] = expected[from + i];
		assert_ptr_equal(cell_memcpy(range + to, range + from, size_bytes), range + to);
		assert_memory_equal(range, expected, RANGE_BYTES);
	}
}

static void
test_memset(void **state)
{
	for (size_t size_bytes = 0; size_bytes <= 150; size_bytes++) {
		ranges_fill();
		for (size_t i = 0; i < size_bytes; i++)
			expected[5 + i] = 0xfe;
		assert_ptr_equal(cell_memset(range + 5, 0x1fe, size_bytes), range + 5);
		assert_memory_equal(range, expected, RANGE_BYTES);
	}
}

static void
test_memcmp(void **state)
{
	for (size_t size_bytes = 0; size_bytes <= 64; size_bytes++) {
		ranges_fill();
		assert_int_equal(cell_memcmp(range + 1, expected + 1, size_bytes), 0);
		expected[1 + size_bytes]++; /* right behind: does not count */
		assert_int_equal(cell_memcmp(range + 1, expected + 1, size_bytes), 0);
		for (size_t i = 0; i < size_bytes; i++) {
			ranges_fill();
			range[1 + i] = 0x80; /* bytes compare without a sign */
			expected[1 + i] = 0x7f;
			range[2 + i] = 0;
			assert_true(cell_memcmp(range + 1, expected + 1, size_bytes) > 0);
			assert_true(cell_memcmp(expected + 1, range + 1, size_bytes) < 0);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_memmove),
	        cmocka_unit_test(test_memcpy),
	        cmocka_unit_test(test_memset),
	        cmocka_unit_test(test_memcmp),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
