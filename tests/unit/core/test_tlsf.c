/* SPDX-License-Identifier: Apache-2.0 */
#include "core/mem/tlsf.h"
#include "tests/unit/core/unit.h"

#define POOL_BYTES (1u << 20)

_Alignas(64) static uint8_t memory[POOL_BYTES];
static struct bh_tlsf *tlsf;

static int
setup(void **state)
{
	(void)state;
	tlsf = bh_tlsf_init(memory, sizeof(memory));
	return tlsf == NULL;
}

static uint32_t
draw(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

static void
test_init_refuses(void **state)
{
	assert_null(bh_tlsf_init(NULL, 1 << 20));
	assert_null(bh_tlsf_init(memory, 0));
	assert_null(bh_tlsf_init(memory, sizeof(struct bh_tlsf)));
	size_t smallest = 64;
	while (bh_tlsf_init(memory, smallest) == NULL)
		smallest++;
	/* The smallest pool gives one allocation, and never writes past its end. */
	memset(memory, 0x5a, sizeof(memory));
	struct bh_tlsf *tiny = bh_tlsf_init(memory, smallest);
	assert_non_null(bh_tlsf_alloc(tiny, 16));
	assert_null(bh_tlsf_alloc(tiny, 1));
	assert_int_equal(bh_tlsf_check(tiny), 0);
	for (size_t i = smallest; i < sizeof(memory); i++)
		assert_int_equal(memory[i], 0x5a);
}

static void
test_alloc_refuses(void **state)
{
	assert_null(bh_tlsf_alloc(tlsf, SIZE_MAX));
	assert_null(bh_tlsf_alloc(tlsf, SIZE_MAX - 15));
	assert_null(bh_tlsf_alloc(tlsf, TLSF_SIZE_MAX));
	assert_null(bh_tlsf_alloc(tlsf, TLSF_SIZE_MAX + 1));
	assert_null(bh_tlsf_alloc(tlsf, POOL_BYTES));
	assert_null(bh_tlsf_alloc_aligned(tlsf, 16, 0));
	assert_null(bh_tlsf_alloc_aligned(tlsf, 16, 48));
	assert_null(bh_tlsf_alloc_aligned(tlsf, 16, POOL_BYTES));
	assert_null(bh_tlsf_alloc_aligned(tlsf, TLSF_SIZE_MAX, TLSF_SIZE_MAX));
	assert_null(bh_tlsf_alloc_aligned(tlsf, SIZE_MAX, 64));
	assert_int_equal(bh_tlsf_check(tlsf), 0);
	assert_int_equal(bh_tlsf_used_bytes(tlsf), 0);
}

static void
test_free_panics(void **state)
{
	uint8_t *a = bh_tlsf_alloc(tlsf, 64), *b = bh_tlsf_alloc(tlsf, 64), *c = bh_tlsf_alloc(tlsf, 64);
	unit_expect_panic(bh_tlsf_free(tlsf, memory));
	unit_expect_panic(bh_tlsf_free(tlsf, memory + POOL_BYTES));
	unit_expect_panic(bh_tlsf_free(tlsf, &tlsf));
	unit_expect_panic(bh_tlsf_free(tlsf, a + 1));
	assert_string_equal(unit_panic_record.message, "freed memory is not of this heap");
	unit_expect_panic(bh_tlsf_free(tlsf, a + 16)); /* inside: whatever lies there is no header */
	bh_tlsf_free(tlsf, a);
	unit_expect_panic(bh_tlsf_free(tlsf, a));
	bh_tlsf_free(tlsf, b); /* merges into a's block, which takes b's header in */
	unit_expect_panic(bh_tlsf_free(tlsf, b));
	assert_string_equal(unit_panic_record.message, "freed memory is free already, or its header is damaged");
	bh_tlsf_free(tlsf, c); /* all merge with the rest */
	unit_expect_panic(bh_tlsf_free(tlsf, c));
	assert_int_equal(bh_tlsf_check(tlsf), 0);
	assert_int_equal(bh_tlsf_used_bytes(tlsf), 0);
}

static void
test_overrun_is_noticed(void **state)
{
	uint8_t *a = bh_tlsf_alloc(tlsf, 64), *b = bh_tlsf_alloc(tlsf, 64);
	memset(a, 0xff, 72); /* 8 bytes into b's header */
	assert_int_equal(bh_tlsf_check(tlsf), -BH_EIO);
	unit_expect_panic(bh_tlsf_free(tlsf, a));
	assert_string_equal(unit_panic_record.message, "the header behind freed memory is damaged");
	assert_non_null(b);
}

static void
test_check_notices(void **state)
{
	uint8_t *a = bh_tlsf_alloc(tlsf, 64);
	assert_int_equal(bh_tlsf_check(tlsf), 0);
	tlsf->used_bytes += 16;
	assert_int_equal(bh_tlsf_check(tlsf), -BH_EIO);
	tlsf->used_bytes -= 16;
	tlsf->sl_bitmap[3] ^= 1;
	assert_int_equal(bh_tlsf_check(tlsf), -BH_EIO);
	tlsf->sl_bitmap[3] ^= 1;
	tlsf->fl_bitmap ^= 1;
	assert_int_equal(bh_tlsf_check(tlsf), -BH_EIO);
	tlsf->fl_bitmap ^= 1;
	struct tlsf_block *block = (struct tlsf_block *)((uintptr_t)a - TLSF_HEADER_BYTES);
	block->size_flags |= TLSF_FREE; /* free, but in no list */
	assert_int_equal(bh_tlsf_check(tlsf), -BH_EIO);
	block->size_flags &= ~(uint64_t)TLSF_FREE;
	block->size_flags += 16;
	assert_int_equal(bh_tlsf_check(tlsf), -BH_EIO);
	block->size_flags -= 16;
	assert_int_equal(bh_tlsf_check(tlsf), 0);
}

/* Classes are in order of size, and a block of the class above the wanted size is never too small. */
static void
test_classes_are_monotonic(void **state)
{
	uint32_t last = 0;
	for (uint64_t size = 16; size < TLSF_SIZE_MAX; size += BH_MAX(UINT64_C(16), size / 1000 / 16 * 16)) {
		uint32_t class = tlsf_class(size);
		assert_true(class >= last && class < TLSF_FL_CNT * TLSF_SL_CNT);
		last = class;
	}
	assert_int_equal(tlsf_class(496), 31);
	assert_int_equal(tlsf_class(512), 32);
	assert_int_equal(tlsf_class(527), 32);
	assert_int_equal(tlsf_class(528), 33);
	assert_int_equal(tlsf_class(1008), 63);
	assert_int_equal(tlsf_class(1024), 64);
}

/* What the pool gave, as the oracle knows it. */
struct grant {
	uint8_t *ptr;
	size_t size_bytes;
	uint8_t fill;
};

#define GRANT_CNT 512

static struct grant grants[GRANT_CNT];

static void
grant_fill(struct grant *grant, uint8_t fill)
{
	grant->fill = fill;
	memset(grant->ptr, fill, grant->size_bytes);
}

/* Nobody else wrote into it. */
static void
grant_check(const struct grant *grant)
{
	for (size_t i = 0; i < grant->size_bytes; i++)
		assert_int_equal(grant->ptr[i], grant->fill);
}

static size_t
draw_size(uint32_t *seed)
{
	return draw(seed) % (16u << draw(seed) % 10) + (draw(seed) % 64 == 0 ? 20000 : 0);
}

static void
grant_take(struct grant *grant, uint32_t *seed, unsigned step)
{
	size_t align = draw(seed) % 4 == 0 ? (size_t)1 << draw(seed) % 13 : 16;
	grant->size_bytes = draw_size(seed);
	grant->ptr = bh_tlsf_alloc_aligned(tlsf, grant->size_bytes, align);
	if (grant->ptr == NULL)
		return;
	assert_int_equal((uintptr_t)grant->ptr % align, 0);
	assert_int_equal((uintptr_t)grant->ptr % 16, 0);
	assert_true(grant->ptr >= memory && grant->ptr + grant->size_bytes <= memory + POOL_BYTES);
	grant_fill(grant, (uint8_t)(step | 1));
}

static void
grant_return(struct grant *grant)
{
	grant_check(grant);
	bh_tlsf_free(tlsf, grant->ptr);
	grant->ptr = NULL;
}

static void
test_random_workload_against_oracle(void **state)
{
	uint32_t seed = 42;
	size_t refused_cnt = 0;
	memset(grants, 0, sizeof(grants));
	for (unsigned step = 0; step < 200000; step++) {
		struct grant *grant = &grants[draw(&seed) % GRANT_CNT];
		if (grant->ptr != NULL)
			grant_return(grant);
		else
			grant_take(grant, &seed, step);
		refused_cnt += grant->ptr == NULL && grant->size_bytes != 0;
		if (step % 512 == 0)
			assert_int_equal(bh_tlsf_check(tlsf), 0);
	}
	for (size_t i = 0; i < GRANT_CNT; i++) {
		if (grants[i].ptr != NULL)
			grant_return(&grants[i]);
	}
	assert_int_equal(bh_tlsf_check(tlsf), 0);
	assert_int_equal(bh_tlsf_used_bytes(tlsf), 0);
	assert_true(refused_cnt > 0);
	/* All merged again: nearly the whole pool can be had at once. */
	assert_non_null(bh_tlsf_alloc(tlsf, POOL_BYTES - sizeof(struct bh_tlsf) - POOL_BYTES / 32));
}

static void
test_free_of_null_is_fine(void **state)
{
	bh_tlsf_free(tlsf, NULL);
	assert_int_equal(bh_tlsf_used_bytes(tlsf), 0);
}

#define POOL_TEST(test) cmocka_unit_test_setup(test, setup)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        POOL_TEST(test_init_refuses),
	        POOL_TEST(test_alloc_refuses),
	        POOL_TEST(test_free_panics),
	        POOL_TEST(test_overrun_is_noticed),
	        POOL_TEST(test_check_notices),
	        POOL_TEST(test_classes_are_monotonic),
	        POOL_TEST(test_random_workload_against_oracle),
	        POOL_TEST(test_free_of_null_is_fine),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
