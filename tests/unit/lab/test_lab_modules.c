/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lab/internal.h"

static char seen[1024];

static int
emit(void *context, const char *file)
{
	strcat(seen, file);
	strcat(seen, ";");
	return *(int *)context;
}

static int
look_up(const char *dep_text, const char *name, int result)
{
	const char *const names[] = {name, NULL};
	seen[0] = '\0';
	return bh_lab_modules(dep_text, names, emit, &result);
}

static void
test_bad_lists(void **state)
{
	char longer[PATH_MAX + 64];
	assert_int_equal(look_up("", "nvme", 0), 0);
	assert_string_equal(seen, "");
	assert_int_equal(look_up("nonsense\n\n:\n: :\n", "nvme", 0), 0);
	assert_string_equal(seen, "");
	assert_int_equal(look_up("k/nvme.ko: k/core.ko", "nvme", 0), 0); /* no newline at the end */
	assert_string_equal(seen, "k/nvme.ko;k/core.ko;");
	memset(longer, 'x', sizeof(longer));
	memcpy(longer + sizeof(longer) - 10, "/nvme.ko:\n", 10);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(look_up(longer, "nvme", 0), 0); /* no path is that long */
	assert_string_equal(seen, "");
}

static void
test_names(void **state)
{
	static const char text[] = "k/nvme.ko: k/nvme-core.ko k/t10-pi.ko\nk/nvme-core.ko: k/t10-pi.ko\nk/xnvme.ko:\n"
	                           "k/dm-mod.ko.xz: k/dax.ko.xz\nk/nvme/plain.ko:\n";
	assert_int_equal(look_up(text, "nvme", 0), 0);
	assert_string_equal(seen, "k/nvme.ko;k/nvme-core.ko;k/t10-pi.ko;");
	assert_int_equal(look_up(text, "nvme_core", 0), 0); /* - and _ are the same */
	assert_string_equal(seen, "k/nvme-core.ko;k/t10-pi.ko;");
	assert_int_equal(look_up(text, "dm_mod", 0), 0);
	assert_string_equal(seen, "k/dm-mod.ko.xz;k/dax.ko.xz;");
	assert_int_equal(look_up(text, "nvm", 0), 0);
	assert_string_equal(seen, "");
	assert_int_equal(look_up(text, "nvme", -EIO), -EIO); /* the first file ends it */
	assert_string_equal(seen, "k/nvme.ko;");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_bad_lists), cmocka_unit_test(test_names)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
