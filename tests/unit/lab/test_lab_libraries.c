/* SPDX-License-Identifier: Apache-2.0 */
#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lab/internal.h"

static char seen[1024];

static int
emit(void *context, const char *path)
{
	strcat(seen, path);
	strcat(seen, ";");
	return context != NULL ? -EIO : 0;
}

static int
take(const char *text, bool failing, const char **out_missing)
{
	static char copy[1024];
	snprintf(copy, sizeof(copy), "%s", text);
	seen[0] = '\0';
	return bh_lab_libraries(copy, emit, failing ? copy : NULL, out_missing);
}

static void
test_missing(void **state)
{
	const char *missing;
	assert_int_equal(take("\tliba.so => /lib/liba.so (0x1)\n\tlibno.so => not found\n", false, &missing), -ENOENT);
	assert_non_null(strstr(missing, "libno.so"));
	assert_int_equal(take("\tliba.so => /lib/liba.so (0x1)\n", true, &missing), -EIO);
	assert_null(missing);
}

static void
test_texts(void **state)
{
	const char *missing;
	assert_int_equal(take("", false, &missing), 0);
	assert_int_equal(
	        take("\tstatically linked\n\tnot a dynamic executable\n\n\t\n\t => \n\t(0x\n", false, &missing), 0);
	assert_string_equal(seen, "");
	assert_int_equal(take("/usr/bin/a (0x:\n\tlinux-vdso.so.1 (0x7f)\n\tlibc.so.6 => /lib/libc.so.6 (0x7f)\n"
	                      "/usr/bin/b:\n\t/lib64/ld-linux-x86-64.so.2 (0x7f)\n\tlibx.so => /a b/libx.so (0x7f)\n",
	                      false, &missing),
	                 0);
	assert_string_equal(seen, "/lib/libc.so.6;/lib64/ld-linux-x86-64.so.2;/a b/libx.so;");
}

static bool
is_dynamic_with(const char *name, const void *bytes, size_t cnt)
{
	char folder[] = "/tmp/bulkhead-test-elf.XXXXXX", path[128];
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *file = fopen(path, "wb");
	assert_non_null(file);
	fwrite(bytes, 1, cnt, file);
	fclose(file);
	bool dynamic = bh_lab_is_dynamic(path);
	bh_lab_remove_tree(folder);
	return dynamic;
}

static void
test_files_that_lie(void **state)
{
	Elf64_Ehdr header = {
	        .e_machine = EM_X86_64, .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 0xffff, .e_phoff = UINT64_MAX};
	memcpy(header.e_ident, ELFMAG, SELFMAG);
	header.e_ident[EI_CLASS] = ELFCLASS64;
	assert_false(bh_lab_is_dynamic("/nowhere"));
	assert_false(bh_lab_is_dynamic("/tmp"));
	assert_false(is_dynamic_with("a.so", "", 0));
	assert_false(is_dynamic_with("a.so", "#!/bin/sh\n", 10));
	assert_false(is_dynamic_with("a.so", &header, sizeof(header) - 1));
	assert_false(is_dynamic_with("a.so", &header, sizeof(header)));
	header.e_phoff = sizeof(header); /* segments outside of the file */
	assert_false(is_dynamic_with("a.so", &header, sizeof(header)));
}

static void
test_real_files(void **state)
{
	char path[PATH_MAX];
	struct bh_error error;
	assert_true(bh_lab_is_dynamic("/proc/self/exe"));
	assert_true(bh_lab_is_dynamic("/lib/x86_64-linux-gnu/libc.so.6"));
	assert_int_equal(bh_lab_tool_find("busybox", "busybox-static", path, sizeof(path), &error), 0);
	assert_false(bh_lab_is_dynamic(path));
}

/* ldd itself, over this program: what it prints is understood. */
static void
test_ldd(void **state)
{
	struct bh_lab_signals signals;
	struct bh_error error;
	const char *const argv[] = {"ldd", "/proc/self/exe", "/bin/sh", NULL};
	const char *missing;
	char *text, program[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", program, sizeof(program) - 1);
	program[len] = '\0';
	const char *const both[] = {argv[0], program, argv[2], NULL};
	assert_int_equal(bh_lab_signals_open(&signals, &error), 0);
	assert_int_equal(bh_lab_tool(&signals, both, NULL, "libc-bin", &text, &error), 0);
	bh_lab_signals_close(&signals);
	seen[0] = '\0';
	assert_int_equal(bh_lab_libraries(text, emit, NULL, &missing), 0);
	assert_non_null(strstr(seen, "libcmocka.so"));
	assert_non_null(strstr(seen, "libc.so.6"));
	assert_non_null(strstr(seen, "/ld-linux-x86-64.so.2"));
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_missing),    cmocka_unit_test(test_texts), cmocka_unit_test(test_files_that_lie),
	        cmocka_unit_test(test_real_files), cmocka_unit_test(test_ldd),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
