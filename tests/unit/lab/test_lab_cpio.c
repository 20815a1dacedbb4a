/* SPDX-License-Identifier: Apache-2.0 */
/* The archive is read by another program: busybox's cpio. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lab/internal.h"

static char folder[64], archive[96];

static void
write_file(const char *name, const char *bytes, size_t cnt, mode_t mode)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *file = fopen(path, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, cnt, file), cnt);
	fclose(file);
	assert_int_equal(chmod(path, mode), 0);
}

/* Output of a shell command, in a static buffer. */
static const char *
output_of(const char *command)
{
	static char text[8192];
	FILE *pipe = popen(command, "r");
	assert_non_null(pipe);
	size_t used = fread(text, 1, sizeof(text) - 1, pipe);
	text[used] = '\0';
	assert_int_equal(pclose(pipe), 0);
	return text;
}

static const char *
in_archive(const char *format)
{
	char command[256];
	snprintf(command, sizeof(command), format, archive);
	return output_of(command);
}

static int
setup(void **state)
{
	strcpy(folder, "/tmp/bulkhead-test-cpio.XXXXXX");
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(archive, sizeof(archive), "%s/archive", folder);
	return 0;
}

static int
teardown(void **state)
{
	bh_lab_remove_tree(folder);
	return 0;
}

static void
test_what_cannot_be_written(void **state)
{
	struct bh_lab_cpio cpio;
	char name[PATH_MAX + 8];
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(bh_lab_cpio_open("/nowhere/archive", &cpio), -ENOENT);
	assert_int_equal(bh_lab_cpio_open("/dev/full", &cpio), 0);
	assert_int_equal(bh_lab_cpio_text(&cpio, "a", "b", 1), 0); /* in the buffer */
	assert_true(bh_lab_cpio_close(&cpio) < 0);
	assert_int_equal(bh_lab_cpio_open(archive, &cpio), 0);
	assert_int_equal(bh_lab_cpio_file(&cpio, "a", "/nowhere/file"), -ENOENT);
	assert_int_equal(bh_lab_cpio_file(&cpio, "a", "/dev/null"), -EINVAL);
	assert_int_equal(bh_lab_cpio_file(&cpio, "a", folder), -EINVAL);
	assert_int_equal(bh_lab_cpio_text(&cpio, name, "", 0), -ENAMETOOLONG);
	assert_int_equal(bh_lab_cpio_close(&cpio), 0);
	assert_string_equal(in_archive("busybox cpio -t <%s 2>/dev/null"), "");
}

/* A file that says another size than it has would shift all that follows. */
static void
test_a_file_that_lies(void **state)
{
	struct bh_lab_cpio cpio;
	assert_int_equal(bh_lab_cpio_open(archive, &cpio), 0);
	/* Its size is a page's, and it has fewer bytes. */
	assert_int_equal(bh_lab_cpio_file(&cpio, "a", "/sys/kernel/mm/transparent_hugepage/enabled"), -EIO);
	assert_int_equal(bh_lab_cpio_close(&cpio), 0);
}

static void
test_all_kinds(void **state)
{
	struct bh_lab_cpio cpio;
	char large[70001], path[256];
	for (size_t i = 0; i < sizeof(large); i++)
		large[i] = (char)(i * 7);
	write_file("large", large, sizeof(large), 0755);
	write_file("empty", "", 0, 0600);
	assert_int_equal(bh_lab_cpio_open(archive, &cpio), 0);
	for (size_t bytes = 1; bytes <= 5; bytes++) { /* each padding */
		snprintf(path, sizeof(path), "text%zu", bytes);
		assert_int_equal(bh_lab_cpio_text(&cpio, path, "abcde", bytes), 0);
	}
	snprintf(path, sizeof(path), "%s/large", folder);
	assert_int_equal(bh_lab_cpio_file(&cpio, "deep/er/large", path), 0);
	assert_int_equal(bh_lab_cpio_file(&cpio, "deep/er/large", path), 0); /* once is enough */
	snprintf(path, sizeof(path), "%s/empty", folder);
	assert_int_equal(bh_lab_cpio_file(&cpio, "deep/empty", path), 0);
	assert_int_equal(bh_lab_cpio_dir(&cpio, "deep/er"), 0);
	assert_int_equal(bh_lab_cpio_dir(&cpio, "folder"), 0);
	assert_int_equal(bh_lab_cpio_link(&cpio, "link", "deep/empty"), 0);
	assert_int_equal(bh_lab_cpio_close(&cpio), 0);
	assert_string_equal(
	        in_archive("busybox cpio -t <%s 2>/dev/null"),
	        "text1\ntext2\ntext3\ntext4\ntext5\ndeep\ndeep/er\ndeep/er/large\ndeep/empty\nfolder\nlink\n");
	snprintf(path, sizeof(path), "mkdir %s/out && cd %s/out && busybox cpio -id <../archive 2>/dev/null", folder,
	         folder);
	assert_string_equal(output_of(path), "");
	snprintf(path, sizeof(path),
	         "cd %s/out && cmp deep/er/large ../large && cat text1 text5 && stat -c %%a deep/er/large "
	         "deep/empty && readlink link",
	         folder);
	assert_string_equal(output_of(path), "aabcde755\n600\ndeep/empty\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(test_what_cannot_be_written, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_a_file_that_lies, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_all_kinds, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
