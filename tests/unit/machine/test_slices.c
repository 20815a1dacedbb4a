/* SPDX-License-Identifier: Apache-2.0 */
/* systemd's slices in a made-up root, with a made-up systemctl; that of tests/lab is the real one. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/machine/slices.h"

#define DROP_IN "/run/systemd/system.control/system.slice.d/50-AllowedCPUs.conf"

static char root[64], tools[96];
static struct bh_error error;
static struct bh_cpus set;
static bool is_set;

static void
run(const char *format, ...)
{
	char command[2048];
	va_list args;
	va_start(args, format);
	int len = vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	assert_true(len > 0 && len < (int)sizeof(command));
	if (system(command) != 0)
		fail_msg("%s", command);
}

static void
make_file(const char *name, const char *text, mode_t mode)
{
	char path[512];
	snprintf(path, sizeof(path), "%s%s", root, name);
	run("mkdir -p \"$(dirname '%s')\"", path);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, mode), 0);
}

/* What it is asked for goes to `asked`; set-property does as systemd does, a moment later. */
static void
make_systemctl(const char *before)
{
	char text[2048];
	snprintf(text, sizeof(text),
	         "#!/bin/sh\ncd %s\necho \"$*\" >>asked\n%s\n[ \"$1\" = set-property ] || exit "
	         "0\nlist=${4#AllowedCPUs=}\n"
	         "d=run/systemd/system.control/$3.d\nmkdir -p $d\nprintf '# x\\n[Slice]\\nAllowedCPUs=%%s\\n' \"$(echo "
	         "$list | tr , "
	         "' ')\" >$d/50-AllowedCPUs.conf\n(sleep 0.1; echo $list >sys/fs/cgroup/$3/cpuset.cpus) >&- 2>&- &\n",
	         root, before);
	make_file("/tools/systemctl", text, 0755);
}

static int
set_up(void **state)
{
	(void)state;
	strcpy(root, "/tmp/bulkhead-slic-XXXXXX");
	assert_non_null(mkdtemp(root));
	snprintf(tools, sizeof(tools), "%s/tools:/usr/bin:/bin", root);
	error = (struct bh_error){0};
	make_file("/sys/fs/cgroup/cgroup.controllers", "cpuset cpu\n", 0644);
	make_file("/sys/fs/cgroup/system.slice/cpuset.cpus", "\n", 0644);
	run("cd %s/sys/fs/cgroup && mkdir -- user.slice init.scope bulkhead -.slice 'a b.slice' .slice other", root);
	make_file("/run/systemd/system/x", "", 0644);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	run("rm -rf '%s'", root);
	return 0;
}

static void
what_is_no_slice_is_refused(void **state)
{
	static const char *const bad[] = {"",          "system", "--version.slice", "../x.slice", "a/b.slice",
	                                  "a b.slice", ".slice", "bulkhead",        "ssh.service"};
	(void)state;
	make_systemctl("");
	for (size_t i = 0; i < BH_ARRAY_CNT(bad); i++) {
		assert_int_equal(bh_slices_read(root, bad[i], &is_set, &set, &error), -EINVAL);
		assert_int_equal(bh_slices_write(root, tools, bad[i], NULL, &error), -EINVAL);
		assert_string_equal(error.id, "E268");
	}
	run("! [ -e %s/asked ]", root);
}

static void
files_without_sense_are_told(void **state)
{
	static const char *const bad[] = {"", "[Slice]\n", "AllowedCPUs=x\n", "AllowedCPUs=0-\n",
	                                  "AllowedCPUs=0 5000\n"};
	(void)state;
	for (size_t i = 0; i < BH_ARRAY_CNT(bad); i++) {
		make_file(DROP_IN, bad[i], 0644);
		assert_int_equal(bh_slices_read(root, "system.slice", &is_set, &set, &error), -EINVAL);
		assert_false(is_set);
	}
}

static void
a_manager_that_fails_is_quoted(void **state)
{
	(void)state;
	assert_int_equal(bh_cpus_parse_list("0-1", &set), 0);
	assert_int_equal(bh_slices_write(root, "/nowhere", "system.slice", &set, &error), -ENOENT);
	make_systemctl("echo 'Failed to set unit properties: Access denied' >&2; exit 1");
	assert_int_equal(bh_slices_write(root, tools, "system.slice", &set, &error), -EIO);
	assert_non_null(strstr(error.text, "Access denied"));
	/* It says yes, and the group does not follow. */
	make_systemctl("exit 0");
	assert_int_equal(bh_slices_write(root, tools, "system.slice", &set, &error), -ETIMEDOUT);
	assert_non_null(strstr(error.text, "not '0-1'"));
}

static void
without_systemd_there_are_none(void **state)
{
	struct bh_sys_names names;
	(void)state;
	assert_int_equal(bh_slices_list(root, &names, &error), 0);
	assert_int_equal(names.cnt, 3); /* -.slice is the root itself */
	assert_string_equal(names.name[0], "init.scope");
	assert_string_equal(names.name[2], "user.slice");
	bh_sys_names_free(&names);
	run("rm -r %s/run/systemd/system", root);
	assert_int_equal(bh_slices_list(root, &names, &error), 0);
	assert_int_equal(names.cnt, 0);
	bh_sys_names_free(&names);
}

static void
they_are_restricted_and_given_back(void **state)
{
	(void)state;
	make_systemctl("");
	assert_int_equal(bh_slices_read(root, "system.slice", &is_set, &set, &error), 0);
	assert_false(is_set);
	assert_int_equal(bh_slices_write(root, tools, "system.slice", NULL, &error), 0); /* nothing to do */
	run("! [ -e %s/asked ]", root);
	assert_int_equal(bh_cpus_parse_list("0-1,4", &set), 0);
	assert_int_equal(bh_slices_write(root, tools, "system.slice", &set, &error), 0);
	run("grep -qx 'set-property --runtime system.slice AllowedCPUs=0-1,4' %s/asked", root);
	char text[BH_CPUS_TEXT_BYTES];
	assert_int_equal(bh_slices_read(root, "system.slice", &is_set, &set, &error), 0);
	assert_true(is_set);
	assert_string_equal(bh_cpus_list(&set, text), "0-1,4");
	assert_int_equal(bh_slices_write(root, tools, "system.slice", NULL, &error), 0);
	run("! [ -e %s/run/systemd/system.control/system.slice.d ]", root);
	run("tail -2 %s/asked | grep -qx daemon-reload", root);
}

/* Somebody else's setting beside ours stays. */
static void
other_settings_stay(void **state)
{
	(void)state;
	make_systemctl("");
	make_file("/run/systemd/system.control/system.slice.d/50-CPUWeight.conf", "[Slice]\nCPUWeight=5\n", 0644);
	make_file(DROP_IN, "[Slice]\nAllowedCPUs=\nAllowedCPUs=0 2-3\n", 0644);
	assert_int_equal(bh_slices_read(root, "system.slice", &is_set, &set, &error), 0);
	assert_true(is_set && bh_cpus_cnt(&set) == 3);
	assert_int_equal(bh_slices_write(root, tools, "system.slice", NULL, &error), 0);
	run("[ -e %s/run/systemd/system.control/system.slice.d/50-CPUWeight.conf ]", root);
	run("! [ -e %s%s ]", root, DROP_IN);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	        TEST(what_is_no_slice_is_refused),        TEST(files_without_sense_are_told),
	        TEST(a_manager_that_fails_is_quoted),     TEST(without_systemd_there_are_none),
	        TEST(they_are_restricted_and_given_back), TEST(other_settings_stay),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
