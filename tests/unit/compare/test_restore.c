/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/compare/common.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/compare/restore.h"
#include "host/compare/text.h"

static char dir[] = "/tmp/bulkhead-restore-XXXXXX", journals[64], one[64], two[64], none[64];
static struct bh_restore restore;
static struct bh_error error;

static void
put(const char *path, const char *text)
{
	FILE *stream = fopen(path, "w");
	assert_non_null(stream);
	fputs(text, stream);
	fclose(stream);
}

static void
expect(const char *path, const char *text)
{
	char now[64];
	assert_int_equal(bh_text_file(now, sizeof(now), path), 0);
	assert_string_equal(now, text);
}

static bool
journal_exists(void)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/dev", journals);
	return access(path, F_OK) == 0;
}

static int
setup(void **state)
{
	(void)state;
	put(one, "10\n");
	put(two, "slow\n");
	assert_int_equal(bh_restore_open(&restore, journals, "dev", &error), 0);
	return 0;
}

static void
no_place_for_a_journal(void **state)
{
	struct bh_restore other;
	(void)state;
	assert_int_equal(bh_restore_open(&other, "/proc/nowhere/x", "dev", &error), -EIO);
	assert_string_equal(error.id, "E186");
}

static void
what_cannot_be_set_is_no_error(void **state)
{
	(void)state;
	assert_int_equal(bh_restore_set(&restore, none, "1", &error), 0);
	assert_string_not_equal(restore.entry[0].why_not, "");
	assert_int_equal(bh_restore_back(&restore, NULL, &error), 0);
	bh_restore_close(&restore);
}

static void
changed_and_put_back(void **state)
{
	(void)state;
	assert_int_equal(bh_restore_set(&restore, one, "20", &error), 0);
	assert_int_equal(bh_restore_set(&restore, two, "fast", &error), 0);
	assert_int_equal(bh_restore_set(&restore, one, "30", &error), 0); /* what stood there first is what counts */
	expect(one, "30");
	assert_true(journal_exists());
	assert_int_equal(bh_restore_back(&restore, "two", &error), 0);
	expect(two, "slow");
	expect(one, "30");
	assert_int_equal(bh_restore_back(&restore, NULL, &error), 0);
	expect(one, "10");
	bh_restore_close(&restore);
	assert_false(journal_exists());
}

/* A new probe of the device makes its files anew, with the driver's defaults: what the user had comes back. */
static void
same_value_is_put_back_too(void **state)
{
	(void)state;
	assert_int_equal(bh_restore_set(&restore, one, "10", &error), 0);
	put(one, "0\n");
	assert_int_equal(bh_restore_back(&restore, NULL, &error), 0);
	expect(one, "10");
	bh_restore_close(&restore);
}

static void
after_a_crash_the_next_one_puts_back(void **state)
{
	(void)state;
	assert_int_equal(bh_restore_set(&restore, one, "20", &error), 0);
	assert_int_equal(bh_restore_set(&restore, two, "fast", &error), 0);
	/* killed here */
	assert_int_equal(bh_restore_open(&restore, journals, "dev", &error), 0);
	expect(one, "10");
	expect(two, "slow");
	assert_false(journal_exists());
	assert_int_equal(restore.entry_cnt, 0);
}

/* A line that a crash cut short: its change was never made. */
static void
broken_journals(void **state)
{
	static const char *const text[] = {"", "\n", "\t\n", "no tab\n", "/nowhere\t1\n", "x\ty"};
	char path[128], cut[256];
	(void)state;
	snprintf(path, sizeof(path), "%s/dev", journals);
	for (size_t i = 0; i < BH_ARRAY_CNT(text); i++) {
		put(path, text[i]);
		assert_int_equal(bh_restore_open(&restore, journals, "dev", &error), 0);
	}
	snprintf(cut, sizeof(cut), "%s\tlow", two);
	put(path, cut);
	assert_int_equal(bh_restore_open(&restore, journals, "dev", &error), 0);
	expect(two, "slow");
}

static void
choices_in_brackets(void **state)
{
	(void)state;
	put(two, "none [mq-deadline] kyber\n");
	assert_int_equal(bh_restore_set(&restore, two, "none", &error), 0);
	assert_string_equal(restore.entry[0].before, "mq-deadline");
	put(two, ""); /* a file of sysfs would be replaced by what is written */
	assert_int_equal(bh_restore_back(&restore, NULL, &error), 0);
	expect(two, "mq-deadline");
	bh_restore_close(&restore);
}

static void
gone_files_are_gone(void **state)
{
	(void)state;
	assert_int_equal(bh_restore_set(&restore, one, "20", &error), 0);
	unlink(one);
	assert_int_equal(bh_restore_back(&restore, NULL, &error), 0);
	bh_restore_close(&restore);
	assert_false(journal_exists());
}

#define TEST(fn) cmocka_unit_test_setup(fn, setup)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(no_place_for_a_journal),
	        TEST(what_cannot_be_set_is_no_error),
	        TEST(changed_and_put_back),
	        TEST(same_value_is_put_back_too),
	        TEST(after_a_crash_the_next_one_puts_back),
	        TEST(broken_journals),
	        TEST(choices_in_brackets),
	        TEST(gone_files_are_gone),
	};
	if (mkdtemp(dir) == NULL)
		return 2;
	snprintf(journals, sizeof(journals), "%s/a/b", dir);
	snprintf(one, sizeof(one), "%s/one", dir);
	snprintf(two, sizeof(two), "%s/two", dir);
	snprintf(none, sizeof(none), "%s/none/x", dir);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(one);
	unlink(two);
	rmdir(journals);
	*strrchr(journals, '/') = '\0';
	rmdir(journals);
	return rmdir(dir) == 0 ? failed : 2;
}
