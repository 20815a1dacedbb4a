/* SPDX-License-Identifier: Apache-2.0 */
/* The journal: damaged at each byte, cut off at each, from another version; then what comes back is what went in. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/machine/journal_line.h"
#include "tests/unit/machine/machine.h"

static void
fill(struct bh_journal *journal)
{
	static const char *const value[] = {"plain", "", "-", "two words\nand # a line %41", NULL, "\x01\xff\xc3\xa4"};
	assert_int_equal(bh_journal_create(fake.root, &machine.wants, journal, &machine.error), 0);
	for (unsigned i = 0; i < BH_ARRAY_CNT(value); i++) {
		char path[32];
		snprintf(path, sizeof(path), "/file %u", i);
		assert_int_equal(bh_journal_intend(journal, BH_CHANGE_FILE, path, value[i],
		                                   value[(i + 1) % BH_ARRAY_CNT(value)], &machine.error),
		                 i);
	}
	assert_int_equal(bh_journal_mark(journal, 0, BH_ENTRY_DONE, "held it"), 0);
	assert_int_equal(bh_journal_mark(journal, 1, BH_ENTRY_REFUSED, "Input/output error"), 0);
	assert_int_equal(bh_journal_mark(journal, 2, BH_ENTRY_BACK, "put back"), 0);
	assert_int_equal(bh_journal_mark(journal, 3, BH_ENTRY_DONE, NULL), 0);
}

static bool
same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* The first cnt entries are equal; marks may lack. */
static bool
is_start_of(const struct bh_journal *part, const struct bh_journal *whole)
{
	if (part->entry_cnt > whole->entry_cnt)
		return false;
	for (uint32_t i = 0; i < part->entry_cnt; i++) {
		const struct bh_journal_entry *a = &part->entry[i], *b = &whole->entry[i];
		if (a->kind != b->kind || strcmp(a->path, b->path) != 0 || !same_text(a->before, b->before) ||
		    !same_text(a->want, b->want) || (a->state != b->state && a->state != BH_ENTRY_INTENDED))
			return false;
	}
	return true;
}

static void
a_journal_with_any_byte_changed_is_refused(void **state)
{
	struct bh_journal whole, read;
	char *text;
	(void)state;
	fill(&whole);
	int64_t len = bh_sys_load(&text, fake.root, BH_JOURNAL_PATH);
	assert_true(len > 300);
	for (int64_t i = 0; i < len; i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			text[i] = (char)(text[i] ^ 1 << bit);
			fake_bytes(fake.root, BH_JOURNAL_PATH, text, (size_t)len);
			int err = bh_journal_open(fake.root, &read, &machine.error);
			/* The last newline gone: a line cut off. All else is damage. */
			if (i == len - 1 && err == 0) {
				assert_true(is_start_of(&read, &whole));
				bh_journal_close(&read);
			} else {
				assert_true(err == -EBADMSG || err == -EPROTO);
				assert_true(strcmp(machine.error.id, "E223") == 0 ||
				            strcmp(machine.error.id, "E222") == 0);
			}
			text[i] = (char)(text[i] ^ 1 << bit);
		}
	}
	free(text);
	bh_journal_close(&whole);
}

static void
a_journal_cut_off_anywhere_is_its_whole_lines(void **state)
{
	struct bh_journal whole, read;
	char *text;
	uint32_t cnt = 0;
	(void)state;
	fill(&whole);
	int64_t len = bh_sys_load(&text, fake.root, BH_JOURNAL_PATH);
	for (int64_t cut = 0; cut <= len; cut++) {
		fake_bytes(fake.root, BH_JOURNAL_PATH, text, (size_t)cut);
		assert_int_equal(bh_journal_open(fake.root, &read, &machine.error), 0);
		assert_true(is_start_of(&read, &whole));
		assert_true(read.entry_cnt >= cnt);
		cnt = read.entry_cnt;
		/* What was cut off does not spoil the next line. */
		int idx = bh_journal_intend(&read, BH_CHANGE_SYS, "/next", "a", "b", &machine.error);
		assert_int_equal(idx, cnt);
		bh_journal_close(&read);
		if (cut > 0 && memchr(text, '\n', (size_t)cut) != NULL) {
			assert_int_equal(bh_journal_open(fake.root, &read, &machine.error), 0);
			assert_int_equal(read.entry_cnt, cnt + 1);
			bh_journal_close(&read);
		}
	}
	free(text);
	bh_journal_close(&whole);
}

static void
another_version_is_named(void **state)
{
	static const char *const field[] = {"bulkhead-journal", "2"};
	struct bh_journal read;
	(void)state;
	char *line = bh_journal_line(field, 2);
	fake_file(fake.root, BH_JOURNAL_PATH, "%swhatever comes then\n", line);
	free(line);
	assert_int_equal(bh_journal_open(fake.root, &read, &machine.error), -EPROTO);
	assert_string_equal(machine.error.id, "E222");
	assert_non_null(strstr(machine.error.text, "its format is 2"));
}

static void
lines_that_say_nonsense_are_refused(void **state)
{
	static const char *const bad[][6] = {
	        {"change", "1", "sys", "/x", "a", "b"},
	        {"change", "0", "nokind", "/x", "a", "b"},
	        {"change", "0", NULL, "/x", "a", "b"},
	        {"change", "0", "sys", NULL, "a", "b"},
	        {"done", "0", "x", "", "", ""},
	        {"what", "0", "x", "", "", ""},
	        {"from", "x", NULL, "restore", "", ""},
	        {NULL, "0", "x", "", "", ""},
	        {"change", "99999999999", "sys", "/x", "", ""},
	};
	static const size_t cnt[] = {6, 6, 6, 6, 3, 3, 4, 3, 6};
	(void)state;
	for (size_t i = 0; i < BH_ARRAY_CNT(bad); i++) {
		static const char *const header[] = {"bulkhead-journal", "1"};
		struct bh_journal read;
		char *first = bh_journal_line(header, 2), *second = bh_journal_line(bad[i], cnt[i]);
		fake_file(fake.root, BH_JOURNAL_PATH, "%s%s", first, second);
		assert_int_equal(bh_journal_open(fake.root, &read, &machine.error), -EBADMSG);
		assert_non_null(strstr(machine.error.text, BH_JOURNAL_PATH ":2 "));
		free(first);
		free(second);
	}
}

static void
there_is_one_journal(void **state)
{
	struct bh_journal journal, second;
	(void)state;
	assert_int_equal(bh_journal_open(fake.root, &journal, &machine.error), -ENOENT);
	fill(&journal);
	assert_int_equal(bh_journal_create(fake.root, &machine.wants, &second, &machine.error), -EEXIST);
	bh_journal_close(&journal);
}

static void
what_comes_back_is_what_went_in(void **state)
{
	struct bh_journal whole, read;
	(void)state;
	machine.wants.level = BH_LEVEL_FULL;
	machine.wants.reapply = true;
	fill(&whole);
	assert_int_equal(bh_journal_open(fake.root, &read, &machine.error), 0);
	assert_int_equal(read.entry_cnt, whole.entry_cnt);
	assert_true(is_start_of(&read, &whole) && is_start_of(&whole, &read));
	assert_string_equal(read.entry[0].held, "held it");
	assert_null(read.entry[3].held);
	assert_string_equal(read.config, machine.wants.path);
	assert_string_equal(read.boot_id, "11111111-aaaa-bbbb-cccc-222222222222");
	assert_int_equal(read.level, BH_LEVEL_FULL);
	assert_true(read.reapply);
	assert_false(bh_journal_rebooted(&read));
	assert_null(bh_journal_find(&read, BH_CHANGE_FILE, "/file 1")); /* refused */
	assert_ptr_equal(bh_journal_find(&read, BH_CHANGE_FILE, "/file 3"), &read.entry[3]);
	assert_null(bh_journal_find(&read, BH_CHANGE_SYS, "/file 3"));
	bh_journal_close(&read);
	bh_journal_close(&whole);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, machine_start, machine_stop)
	const struct CMUnitTest tests[] = {
	        T(a_journal_with_any_byte_changed_is_refused),
	        T(a_journal_cut_off_anywhere_is_its_whole_lines),
	        T(another_version_is_named),
	        T(lines_that_say_nonsense_are_refused),
	        T(there_is_one_journal),
	        T(what_comes_back_is_what_went_in),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
