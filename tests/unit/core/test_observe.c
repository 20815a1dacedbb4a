/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/core/unit.h"
#include <stdio.h>

static const struct bh_shared_layout *
layout(void)
{
	return &bh_hosted_page()->shared;
}

static const struct bh_metric_desc *
counter_desc(unsigned idx)
{
	return (const struct bh_metric_desc *)bh_hosted_shared(layout()->counter_desc_offset) + idx;
}

static uint64_t
counter_value(unsigned core_idx, unsigned idx)
{
	const uint64_t *counter = bh_hosted_shared(layout()->counter_offset);
	return counter[core_idx * layout()->counter_cnt + idx];
}

/* What the calling core's "core.metrics_dropped" says. */
static uint64_t
dropped_cnt(void)
{
	assert_string_equal(counter_desc(0)->name, "core.metrics_dropped");
	return counter_value(bh_core_idx(), 0);
}

/* Metrics. */

static void
test_bad_names_are_dropped(void **state)
{
	char name[49];
	memset(name, 'a', sizeof(name));
	name[48] = '\0';
	static const char *const bad[] = {"", "Upper", "with space", "dash-ed", "caf\303\251"};
	for (size_t i = 0; i < BH_ARRAY_CNT(bad); i++) {
		bh_counter_add(bh_counter_register(bad[i], ""), 1);
		assert_int_equal(dropped_cnt(), i + 1);
	}
	bh_counter_add(bh_counter_register(name, ""), 1);
	assert_int_equal(dropped_cnt(), 6);
	bh_counter_add(bh_gauge_register("fine", "twelve bytes"), 1);
	assert_int_equal(dropped_cnt(), 7);
	bh_hist_record(bh_hist_register("BAD"), 1);
	assert_int_equal(dropped_cnt(), 8);
	/* Nobody was given a slot that others read. */
	assert_int_equal(counter_desc(1)->kind, BH_METRIC_NONE);
	name[47] = '\0';
	assert_ptr_not_equal(bh_counter_register(name, "eleven byte"), &bh_core_self()->spare_counter);
	assert_int_equal(dropped_cnt(), 8);
	assert_string_equal(counter_desc(1)->name, name);
	assert_string_equal(counter_desc(1)->unit, "eleven byte");
}

static void
test_full_tables_drop(void **state)
{
	char name[16];
	for (unsigned i = 1; i < layout()->counter_cnt; i++) {
		snprintf(name, sizeof(name), "c%u", i);
		*bh_counter_register(name, "") = i;
	}
	assert_int_equal(dropped_cnt(), 0);
	*bh_counter_register("one_more", "") = 77;
	assert_int_equal(dropped_cnt(), 1);
	for (unsigned i = 1; i < layout()->counter_cnt; i++)
		assert_int_equal(counter_value(0, i), i);
	for (unsigned i = 0; i < layout()->hist_cnt; i++) {
		snprintf(name, sizeof(name), "h%u", i);
		bh_hist_record(bh_hist_register(name), i);
	}
	assert_int_equal(dropped_cnt(), 1);
	struct bh_hist *spare = bh_hist_register("one_more");
	assert_int_equal(dropped_cnt(), 2);
	bh_hist_record(spare, 5);
	assert_int_equal(spare->bucket[5], 1);
	const struct bh_hist *hist = bh_hosted_shared(layout()->hist_offset);
	for (unsigned i = 0; i < layout()->hist_cnt; i++)
		assert_int_equal(hist[i].sum, i);
}

static void
test_same_name_of_another_kind_is_dropped(void **state)
{
	uint64_t *counter = bh_counter_register("same", "");
	assert_ptr_not_equal(bh_gauge_register("same", ""), counter);
	assert_int_equal(dropped_cnt(), 1);
	assert_ptr_equal(bh_counter_register("same", ""), counter);
	assert_int_equal(dropped_cnt(), 1);
}

static void
test_cores_share_a_name_and_not_a_slot(void **state)
{
	uint64_t *mine = bh_counter_register("shared.name", "bytes");
	bh_counter_add(mine, 3);
	bh_hosted_core_set(1);
	uint64_t *other = bh_counter_register("shared.name", "bytes");
	bh_counter_add(other, 4);
	assert_int_equal(counter_desc(1)->kind, BH_METRIC_COUNTER);
	assert_int_equal(counter_value(0, 1), 3);
	assert_int_equal(counter_value(1, 1), 4);
	struct bh_hist *hist = bh_hist_register("latency");
	assert_int_equal(hist->min, UINT64_MAX);
	bh_hosted_core_set(0);
	assert_ptr_equal(hist, bh_hist_register("latency") + layout()->hist_cnt);
}

/* Log. */

static struct bh_log_ring *
log_ring(unsigned core_idx)
{
	return bh_hosted_shared(layout()->log_offset + core_idx * layout()->log_stride_bytes);
}

static const struct bh_log_site *
site_of(const struct bh_log_record *record)
{
	return bh_log_sites_start + record->site_idx;
}

static void
test_full_log_drops_and_counts(void **state)
{
	struct bh_log_ring *ring = log_ring(0);
	uint64_t free_cnt = layout()->log_record_cnt - ring->head;
	for (uint64_t i = 0; i < free_cnt; i++)
		bh_log_info("record %lu", i);
	assert_int_equal(ring->dropped_cnt, 0);
	bh_log_info("no room for this one");
	bh_log_info("nor for this");
	assert_int_equal(ring->dropped_cnt, 2);
	assert_int_equal(ring->head, layout()->log_record_cnt);
	/* The host takes two: two fit, over the oldest. */
	ring->tail = 2;
	bh_log_info("%u", 1234);
	bh_log_info("%u", 5678);
	bh_log_info("again too many");
	assert_int_equal(ring->dropped_cnt, 3);
	assert_int_equal(ring->record[0].arg[0], 1234);
	assert_int_equal(ring->record[1].arg[0], 5678);
}

static void
test_log_record_fields(void **state)
{
	struct bh_log_ring *ring = log_ring(0);
	uint64_t before_tsc = bh_clock_now_tsc();
	uint64_t first = ring->head;
	bh_log_warn("six: %u %d %x %p %c %u", 1u, -2, 0x33, (void *)0x44, 'e', 6u);
	bh_log_error("none");
	const struct bh_log_record *record = &ring->record[first];
	assert_int_equal(ring->head, first + 2);
	assert_true(record->tsc >= before_tsc && record->tsc <= bh_clock_now_tsc());
	assert_int_equal(record->arg_cnt, 6);
	const uint64_t expected[] = {1, (uint64_t)-2, 0x33, 0x44, 'e', 6};
	assert_memory_equal(record->arg, expected, sizeof(expected));
	assert_int_equal(site_of(record)->level, BH_LOG_WARN);
	assert_int_equal(site_of(record)->arg_cnt, 6);
	assert_string_equal(site_of(record)->file, "test_observe.c");
	assert_string_equal(site_of(record)->format, "six: %u %d %x %p %c %u");
	assert_int_equal(record[1].arg_cnt, 0);
	assert_int_equal(site_of(record + 1)->level, BH_LOG_ERROR);
	assert_string_equal(site_of(record + 1)->format, "none");
}

static void
test_each_core_logs_to_its_own_ring(void **state)
{
	uint64_t head = log_ring(0)->head;
	assert_int_equal(log_ring(1)->record[0].arg[0], 1); /* core's own first record */
	bh_hosted_core_set(1);
	bh_log_debug("here %u", bh_core_idx());
	assert_int_equal(log_ring(0)->head, head);
	assert_int_equal(log_ring(1)->head, head + 1);
}

/* Panic. */

static void
test_panic_leaves_a_record(void **state)
{
	bh_hosted_core_set(1);
	const struct bh_panic_record *record =
	        (const struct bh_panic_record *)bh_hosted_shared(layout()->panic_offset) + 1;
	const struct bh_core_status *status =
	        (const struct bh_core_status *)bh_hosted_shared(layout()->core_offset) + 1;
	assert_int_equal(record->valid, 0);
	unit_expect_panic(bh_panic("it broke", 11, 22));
	assert_int_equal(record->valid, 1);
	assert_string_equal(record->message, "it broke");
	assert_string_equal(record->file, "tests/unit/core/test_observe.c");
	assert_int_equal(record->value[0], 11);
	assert_int_equal(record->value[1], 22);
	assert_true(record->line > 100 && record->rip != 0 && record->rsp != 0);
	assert_int_equal(status->state, BH_CORE_PANICKED);
	assert_int_equal(record[-1].valid, 0);
}

static void
test_panic_cuts_long_texts(void **state)
{
	char text[300];
	memset(text, 'm', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	const struct bh_panic_record *record = bh_hosted_shared(layout()->panic_offset);
	unit_expect_panic(bh_panic_at(text, 1, text, 0, 0));
	assert_int_equal(strlen(record->file), sizeof(record->file) - 1);
	assert_int_equal(strlen(record->message), sizeof(record->message) - 1);
}

static void
test_assert_panics(void **state)
{
	unit_expect_panic(bh_assert(1 + 1 == 3));
	assert_string_equal(unit_panic_record.message, "assertion failed: 1 + 1 == 3");
	bh_assert(1 + 1 == 2);
}

static void
test_panic_without_a_core(void **state)
{
	bh_hosted_stop();
	unit_expect_panic(bh_panic("too early", 1, 2));
	assert_string_equal(unit_panic_record.message, "too early");
}

#define CELL_TEST(test) cmocka_unit_test_setup_teardown(test, unit_cell_start, unit_cell_stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        CELL_TEST(test_bad_names_are_dropped),
	        CELL_TEST(test_full_tables_drop),
	        CELL_TEST(test_same_name_of_another_kind_is_dropped),
	        CELL_TEST(test_cores_share_a_name_and_not_a_slot),
	        CELL_TEST(test_full_log_drops_and_counts),
	        CELL_TEST(test_log_record_fields),
	        CELL_TEST(test_each_core_logs_to_its_own_ring),
	        CELL_TEST(test_panic_leaves_a_record),
	        CELL_TEST(test_panic_cuts_long_texts),
	        CELL_TEST(test_assert_panics),
	        CELL_TEST(test_panic_without_a_core),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
