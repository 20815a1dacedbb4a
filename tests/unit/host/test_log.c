/* SPDX-License-Identifier: Apache-2.0 */
/* Formatting a cell's log: lying records and formats first. The test's own ELF file carries the sites. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host/observe/log.h"

#define SITE() static const struct bh_log_site __attribute__((used, section(BH_LOG_SECTION)))

SITE() site_plain = {.line = 7, .level = BH_LOG_INFO, .arg_cnt = 2, .file = "a.c", .format = "%u of %lx"};
SITE() site_odd = {.line = 8, .level = 99, .file = "b\033.c", .format = "%s %n 100% %05d|%-3u"};

static struct bh_log_reader reader;

static int
set_up(void **state)
{
	return bh_log_reader_open("/proc/self/exe", 1000, &reader);
}

static int
tear_down(void **state)
{
	bh_log_reader_close(&reader);
	return 0;
}

/* Index of a site by its line: the linker chooses the order. */
static uint32_t
site_by_line(uint32_t line)
{
	for (uint32_t i = 0; i < reader.site_cnt; i++)
		if (reader.site[i].line == line)
			return i;
	fail_msg("no site with line %u", line);
	return 0;
}

static void
a_file_that_is_no_elf_is_refused(void **state)
{
	struct bh_log_reader other;
	assert_int_equal(bh_log_reader_open("/dev/null", 0, &other), -22);
	assert_int_equal(bh_log_reader_open("/nonexistent/cell", 0, &other), -2);
}

static void
a_site_out_of_range_is_named(void **state)
{
	char text[128];
	struct bh_log_record record = {.tsc = 1000, .site_idx = 4000000000u};
	assert_int_equal(bh_log_format(&reader, &record, 1000000, text, sizeof(text)), -22);
	assert_non_null(strstr(text, "invalid log record"));
}

static void
too_many_arguments_are_refused(void **state)
{
	char text[128];
	struct bh_log_record record = {.site_idx = site_by_line(7), .arg_cnt = 7};
	assert_int_equal(bh_log_format(&reader, &record, 1000000, text, sizeof(text)), -22);
}

/* No conversion reads memory, escape bytes do not reach a terminal, an unknown level counts as debug. */
static void
odd_formats_print_as_they_stand(void **state)
{
	char text[128];
	struct bh_log_record record = {.tsc = 1000, .site_idx = site_by_line(8), .arg_cnt = 1, .arg = {(uint64_t)-5}};
	assert_int_equal(bh_log_format(&reader, &record, 1000000, text, sizeof(text)), BH_LOG_DEBUG);
	assert_string_equal(text, "0.000000 debug b?.c:8: %s %n 100% -0005|%-3u");
}

static void
arguments_are_formatted_as_64_bits(void **state)
{
	char text[128];
	struct bh_log_record record = {
	        .tsc = 1001500, .site_idx = site_by_line(7), .arg_cnt = 2, .arg = {UINT64_MAX, 0xabcdef0123456789}};
	assert_int_equal(bh_log_format(&reader, &record, 1000000, text, sizeof(text)), BH_LOG_INFO);
	assert_string_equal(text, "1.000500 info a.c:7: 18446744073709551615 of abcdef0123456789");
}

static void
a_small_buffer_is_not_overrun(void **state)
{
	char text[12];
	struct bh_log_record record = {.site_idx = site_by_line(7), .arg_cnt = 2};
	memset(text, 'x', sizeof(text));
	bh_log_format(&reader, &record, 1000000, text, 8);
	assert_int_equal(strlen(text), 7);
	assert_int_equal(text[8], 'x');
}

static int drained;

static void
count_line(void *context, uint32_t core_idx, int level, const char *text)
{
	drained++;
}

static void
a_ring_with_a_lying_head_is_resynchronised(void **state)
{
	static uint8_t memory[sizeof(struct bh_log_ring) + 8 * sizeof(struct bh_log_record)] BH_ALIGNED(64);
	struct bh_log_ring *ring = (void *)memory;
	struct bh_view view = {.shared = memory, .core_cnt = 1, .tsc_hz = 1, .layout = {.log_record_cnt = 8}};

	ring->head = 1000;
	assert_int_equal(bh_log_drain(&reader, &view, 0, count_line, NULL), 0);
	assert_int_equal(reader.bad_cnt, 1);
	ring->head = 1003;
	assert_int_equal(bh_log_drain(&reader, &view, 0, count_line, NULL), 3);
	assert_int_equal(drained, 3);
	ring->dropped_cnt = 9;
	assert_int_equal(bh_log_dropped(&view), 9);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(a_file_that_is_no_elf_is_refused, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(a_site_out_of_range_is_named, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(too_many_arguments_are_refused, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(odd_formats_print_as_they_stand, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(arguments_are_formatted_as_64_bits, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(a_small_buffer_is_not_overrun, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(a_ring_with_a_lying_head_is_resynchronised, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
