/* SPDX-License-Identifier: Apache-2.0 */
/* What a damaged kernel cache is taken for, and what finds the kernel. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lab/internal.h"

static char cache[64];

static void
write_at(const char *name, const char *text)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/%s", cache, name);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

/* A kernel, as small as can be. */
static void
make_kernel(const char *version)
{
	char path[256], name[128];
	snprintf(path, sizeof(path), "%s/%s/lib/modules/%s/kernel", cache, version, version);
	assert_int_equal(bh_lab_make_dirs(path), 0);
	snprintf(name, sizeof(name), "%s/vmlinuz", version);
	write_at(name, "image");
	snprintf(name, sizeof(name), "%s/lib/modules/%s/modules.dep", version, version);
	write_at(name, "kernel/a b.ko:\n");
	snprintf(name, sizeof(name), "%s/lib/modules/%s/kernel/a b.ko", version, version);
	write_at(name, "module");
	snprintf(path, sizeof(path), "%s/%s", cache, version);
	assert_int_equal(bh_lab_cache_list(path), 0);
}

static bool
is_whole(const char *version)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/%s", cache, version);
	return bh_lab_cache_is_whole(path);
}

static int
setup(void **state)
{
	strcpy(cache, "/tmp/bulkhead-test-cache.XXXXXX");
	return mkdtemp(cache) != NULL ? 0 : -1;
}

static int
teardown(void **state)
{
	bh_lab_remove_tree(cache);
	return 0;
}

static void
test_damage(void **state)
{
	static const char *const damage[] = {"vmlinuz", "lib/modules/6.1/modules.dep", "lib/modules/6.1/kernel/a b.ko",
	                                     "whole"};
	char name[128], path[256];
	assert_false(is_whole("6.1"));
	for (size_t i = 0; i < BH_ARRAY_CNT(damage); i++) {
		make_kernel("6.1");
		assert_true(is_whole("6.1"));
		snprintf(name, sizeof(name), "6.1/%s", damage[i]);
		write_at(name, "cut"); /* another size */
		assert_false(is_whole("6.1"));
		make_kernel("6.1");
		snprintf(path, sizeof(path), "%s/%s", cache, name);
		assert_int_equal(unlink(path), 0);
		assert_false(is_whole("6.1"));
	}
}

/* The list itself may be anything. */
static void
test_lists_that_lie(void **state)
{
	static const char *const list[] = {"",
	                                   "end\n",
	                                   "5 vmlinuz\n",
	                                   "-5 vmlinuz\nend\n",
	                                   "x vmlinuz\nend\n",
	                                   "5vmlinuz\nend\n",
	                                   "5 ../../../../etc/passwd\nend\n",
	                                   "99999999999999999999 vmlinuz\nend\n",
	                                   "\n\nend\n"};
	make_kernel("6.1");
	for (size_t i = 0; i < BH_ARRAY_CNT(list); i++) {
		write_at("6.1/whole", list[i]);
		if (is_whole("6.1"))
			fail_msg("'%s' was taken", list[i]);
	}
}

/* The newest whole one; no network, no lock. */
static void
test_newest(void **state)
{
	struct bh_lab_options options;
	struct bh_lab_signals signals;
	struct bh_lab_kernel kernel;
	struct bh_error error;
	make_kernel("6.1.0-9-amd64");
	make_kernel("6.1.0-56-amd64");
	make_kernel("6.1.0-57-amd64");
	write_at("6.1.0-57-amd64/vmlinuz", "cut");
	bh_lab_defaults(&options);
	options.cache = cache;
	assert_int_equal(bh_lab_signals_open(&signals, &error), 0);
	assert_int_equal(bh_lab_kernel_find(&signals, &options, &kernel, &error), 0);
	bh_lab_signals_close(&signals);
	assert_string_equal(kernel.version, "6.1.0-56-amd64");
	assert_true(strstr(kernel.image, "/6.1.0-56-amd64/vmlinuz") != NULL);
	assert_int_equal(access(kernel.image, R_OK), 0);
}

/* Another lab fetches: this one waits, and a signal ends the wait. */
static void
test_interrupted_wait(void **state)
{
	struct bh_lab_options options;
	struct bh_lab_signals signals;
	struct bh_lab_kernel kernel;
	struct bh_error error;
	char path[128];
	write_at("lock", "");
	snprintf(path, sizeof(path), "%s/lock", cache);
	FILE *lock = fopen(path, "r+");
	assert_non_null(lock);
	assert_int_equal(flock(fileno(lock), LOCK_EX), 0);
	bh_lab_defaults(&options);
	options.cache = cache;
	assert_int_equal(bh_lab_signals_open(&signals, &error), 0);
	raise(SIGTERM);
	assert_int_equal(bh_lab_kernel_find(&signals, &options, &kernel, &error), -EINTR);
	assert_string_equal(error.id, "E212");
	bh_lab_signals_close(&signals);
	fclose(lock);
}

static void
test_bad_places(void **state)
{
	struct bh_lab_options options;
	struct bh_lab_signals signals;
	struct bh_lab_kernel kernel;
	struct bh_error error;
	bh_lab_defaults(&options);
	assert_int_equal(bh_lab_signals_open(&signals, &error), 0);
	options.cache = "relative";
	assert_int_equal(bh_lab_kernel_find(&signals, &options, &kernel, &error), -EINVAL);
	assert_string_equal(error.id, "E205");
	options.cache = "/dev/null/x";
	assert_int_equal(bh_lab_kernel_find(&signals, &options, &kernel, &error), -ENOTDIR);
	assert_string_equal(error.id, "E205");
	options.kernel = "/boot/bzImage";
	assert_int_equal(bh_lab_kernel_find(&signals, &options, &kernel, &error), -EINVAL);
	assert_string_equal(error.id, "E201");
	options.kernel = "/nowhere/vmlinuz-9.9.9";
	assert_int_equal(bh_lab_kernel_find(&signals, &options, &kernel, &error), -ENOENT);
	assert_string_equal(error.id, "E206");
	bh_lab_signals_close(&signals);
}

/* A lab that was killed leaves its folder; the next one removes it, and no living one's, and no kept one. */
static void
test_stale_folders(void **state)
{
	struct bh_lab_folder living, next;
	struct bh_error error;
	char path[PATH_MAX], kept[128];
	setenv("TMPDIR", cache, 1);
	assert_int_equal(bh_lab_folder_make(&living, &error), 0);
	snprintf(path, sizeof(path), "%s/bulkhead-lab.killed", cache);
	assert_int_equal(mkdir(path, 0700), 0);
	write_at("bulkhead-lab.killed/lock", "");
	snprintf(kept, sizeof(kept), "%s/bulkhead-lab.kept", cache);
	assert_int_equal(mkdir(kept, 0700), 0);
	write_at("bulkhead-lab.kept/command", "");
	assert_int_equal(bh_lab_folder_make(&next, &error), 0);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(access(kept, F_OK), 0);
	assert_int_equal(access(living.path, F_OK), 0);
	assert_string_not_equal(living.path, next.path);
	snprintf(path, sizeof(path), "%s", living.path);
	bh_lab_folder_remove(&living, false);
	bh_lab_folder_remove(&next, false);
	assert_int_equal(access(path, F_OK), -1);
	setenv("TMPDIR", "/dev/null", 1);
	assert_int_equal(bh_lab_folder_make(&next, &error), -EIO);
	assert_string_equal(error.id, "E204");
	unsetenv("TMPDIR");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(test_damage, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_lists_that_lie, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_newest, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_interrupted_wait, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_bad_places, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_stale_folders, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
