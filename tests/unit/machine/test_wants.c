/* SPDX-License-Identifier: Apache-2.0 */
/* What a configuration wants of the machine, with and without a cell. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/errors/errors.h"
#include "host/machine/wants.h"

#define CELL "[cell]\napp = ./first.cell\ncpus = 2-3\narena = 8M\n"

static struct bh_wants wants;
static struct bh_error error;

static int
load(const char *text)
{
	char path[] = "/tmp/bulkhead-wants-XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	error = (struct bh_error){0};
	int err = bh_wants_load(path, NULL, 0, &wants, &error);
	unlink(path);
	return err;
}

static void
mistakes_are_named(void **state)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
	        {"", "no section [cell]"},
	        {"[partition]\ncpu = 2\n", "did you mean 'cpus'?"},
	        {"[partition]\ncpus = two\n", "that is no list"},
	        {"[partition]\ncpus = 5000\n", "there is no such CPU"},
	        {"[partition]\ncpus = 2\ndevices = 01:00\n", "'01:00' is no PCI address"},
	        {"[partition]\nlevel = half\n", "live, full"},
	        {"[partition]\nidle_latency = 2\n", "2us"},
	        {"[partition]\nhugepages = 99999999\n", "out of range"},
	        {"[partition]\ncpus = 2\n[cell]\ncpus = 2\n", "needs a key 'app'"},
	};
	(void)state;
	for (size_t i = 0; i < BH_ARRAY_CNT(bad); i++) {
		assert_int_equal(load(bad[i].text), -EINVAL);
		if (strstr(error.text, bad[i].says) == NULL)
			fail_msg("'%s' does not say '%s'", error.text, bad[i].says);
	}
	assert_int_equal(bh_wants_load("/nowhere/x.conf", NULL, 0, &wants, &error), -ENOENT);
}

static void
a_cell_says_what_it_needs(void **state)
{
	char text[BH_CPUS_TEXT_BYTES];
	(void)state;
	assert_int_equal(load(CELL "[device a]\nbackend = vfio\naddress = 0000:01:00.0\n"
	                           "[device b]\nbackend = softdev\n"),
	                 0);
	assert_true(wants.has_cell);
	assert_string_equal(bh_cpus_list(&wants.cpus, text), "2-3");
	assert_int_equal(wants.memory_bytes, (8 + 32) << 20);
	assert_int_equal(wants.hugepage_cnt, 20);
	assert_int_equal(wants.device_cnt, 1);
	assert_string_equal(wants.device[0], "0000:01:00.0");
	assert_int_equal(wants.level, BH_LEVEL_LIVE);
	assert_true(wants.performance);
	assert_false(wants.idle_limited);
	assert_int_equal(load("[cell]\napp = ./first.cell\npages = normal\n"), 0);
	assert_true(bh_cpus_empty(&wants.cpus)); /* auto */
	assert_int_equal(wants.hugepage_cnt, 0);
}

static void
a_partition_overrides_and_stands_alone(void **state)
{
	char text[BH_CPUS_TEXT_BYTES];
	static const char section[] =
	        "[partition]\ncpus = 1-3\nhugepages = 7\nhugepages_1g = 2\ndevices = 0000:02:00.0, 0000:03:00.1 "
	        "0000:02:00.0\nlevel = full\ngovernor = keep\nidle_latency = 2us\nafter_boot = reapply\n";
	char both[1024];
	(void)state;
	snprintf(both, sizeof(both), "%s[device a]\nbackend = vfio\naddress = 0000:01:00.0\n%s", CELL, section);
	for (int alone = 0; alone < 2; alone++) {
		assert_int_equal(load(alone ? section : both), 0);
		assert_int_equal(wants.has_cell, !alone);
		assert_string_equal(bh_cpus_list(&wants.cpus, text), "1-3");
		assert_int_equal(wants.hugepage_cnt, 7);
		assert_int_equal(wants.hugepage_1g_cnt, 2);
		assert_int_equal(wants.device_cnt, 2);
		assert_string_equal(wants.device[1], "0000:03:00.1");
		assert_int_equal(wants.level, BH_LEVEL_FULL);
		assert_false(wants.performance);
		assert_true(wants.idle_limited && wants.idle_latency_ns == 2000 && wants.reapply);
	}
	assert_int_equal(wants.memory_bytes, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(mistakes_are_named),
	        cmocka_unit_test(a_cell_says_what_it_needs),
	        cmocka_unit_test(a_partition_overrides_and_stands_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
