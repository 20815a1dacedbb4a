/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader of cells' files against files that lie: a real cell with bytes changed and ends cut off, by a seed. Whatever
 * it says, it must not read outside of the file (the sanitizer builds see that) and must leave nothing open.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/run/internal.h"

#define ROUND_CNT 3000

static uint8_t *cell_bytes;
static size_t cell_size_bytes;
static uint64_t random_state = 1;

static uint64_t
draw(uint64_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % below;
}

/* Opens the bytes as a cell. Return: what bh_elf_open returned. */
static int
open_bytes(const uint8_t *bytes, size_t size_bytes, struct bh_elf *elf, struct bh_error *error)
{
	char path[64];
	int fd = memfd_create("cell", MFD_CLOEXEC);
	assert_int_equal(write(fd, bytes, size_bytes), size_bytes);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int err = bh_elf_open(path, elf, error);
	close(fd);
	return err;
}

static void
use(const struct bh_elf *elf)
{
	char name[128];
	for (uint64_t addr = 0; addr < 0x10000; addr += 97)
		bh_elf_symbol(elf, addr, name, sizeof(name));
	bh_elf_symbol(elf, UINT64_MAX, name, sizeof(name));
}

static void
check(const uint8_t *bytes, size_t size_bytes)
{
	struct bh_error error = {0};
	struct bh_elf elf;
	int err = open_bytes(bytes, size_bytes, &elf, &error);
	if (err != 0) {
		assert_int_equal(err, -ENOEXEC);
		assert_string_not_equal(error.id, "");
		return;
	}
	use(&elf);
	bh_elf_close(&elf);
}

static void
test_changed_headers(void **state)
{
	uint8_t *bytes = malloc(cell_size_bytes);
	const Elf64_Ehdr *header = (const Elf64_Ehdr *)(const void *)cell_bytes;
	(void)state;
	for (int round = 0; round < ROUND_CNT; round++) {
		memcpy(bytes, cell_bytes, cell_size_bytes);
		for (uint64_t i = 0; i <= draw(4); i++) {
			/* In the header, the segments, or the sections. */
			uint64_t at[] = {draw(sizeof(*header)), draw(1024),
			                 header->e_shoff + draw(64 * header->e_shnum)};
			bytes[at[draw(3)]] = draw(3) == 0 ? 0xff : (uint8_t)draw(256);
		}
		check(bytes, cell_size_bytes);
	}
	free(bytes);
}

static void
test_cut_anywhere(void **state)
{
	(void)state;
	for (size_t size = 0; size < 2048; size += 7)
		check(cell_bytes, size);
	for (int round = 0; round < 200; round++)
		check(cell_bytes, draw(cell_size_bytes));
}

static int
open_descriptor(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	close(fd);
	return fd;
}

static void
test_leaves_nothing_open(void **state)
{
	int before = open_descriptor();
	struct bh_elf elf;
	(void)state;
	check(cell_bytes, 100);
	assert_int_equal(bh_elf_open("/nowhere/x", &elf, NULL), -ENOENT);
	check(cell_bytes, cell_size_bytes);
	assert_int_equal(open_descriptor(), before);
}

/* Whoever writes to the file after the check changes nothing of what is executed; nor can the copy be written. */
static void
test_checked_is_executed(void **state)
{
	char path[] = "/tmp/bulkhead-elf-XXXXXX";
	struct bh_error error = {0};
	struct bh_elf elf;
	struct stat info;
	uint8_t byte, zero = 0;
	int fd = mkstemp(path);
	(void)state;
	assert_int_equal(write(fd, cell_bytes, cell_size_bytes), cell_size_bytes);
	int err = bh_elf_open(path, &elf, &error);
	unlink(path);
	assert_int_equal(err, 0);
	assert_int_equal(pwrite(fd, &zero, 1, 1), 1);
	assert_int_equal(ftruncate(fd, 2), 0);
	close(fd);
	assert_int_equal(fstat(elf.fd, &info), 0);
	assert_int_equal(info.st_size, cell_size_bytes);
	assert_int_equal(pread(elf.fd, &byte, 1, 1), 1);
	assert_int_equal(byte, 'E');
	assert_int_equal(pwrite(elf.fd, &zero, 1, 1), -1);
	assert_int_equal(fcntl(elf.fd, F_GET_SEALS), F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
	bh_elf_close(&elf);
}

static void
test_symbols_of_a_cell(void **state)
{
	struct bh_error error = {0};
	struct bh_elf elf;
	char name[128];
	bool found = false;
	(void)state;
	assert_int_equal(open_bytes(cell_bytes, cell_size_bytes, &elf, &error), 0);
	bh_elf_symbol(&elf, elf.entry, name, sizeof(name));
	assert_string_equal(name, "bh_boot_entry+0x0");
	bh_elf_symbol(&elf, elf.entry + 3, name, sizeof(name));
	assert_string_equal(name, "bh_boot_entry+0x3");
	for (uint32_t i = 0; i < elf.symbol_cnt; i++) {
		found |= strcmp(elf.symbol[i].name, "cell_main") == 0;
		assert_true(i == 0 || elf.symbol[i - 1].low <= elf.symbol[i].low);
	}
	assert_true(found);
	bh_elf_symbol(&elf, 0, name, sizeof(name));
	assert_string_equal(name, "");
	bh_elf_close(&elf);
}

/* Names go to terminals and into JSON. */
static void
test_symbol_names_are_printable(void **state)
{
	struct bh_symbol symbol = {.low = 16, .size_bytes = 8, .name = "a\033[2J\xff b"};
	const struct bh_elf elf = {.symbol = &symbol, .symbol_cnt = 1};
	char name[64];
	(void)state;
	bh_elf_symbol(&elf, 18, name, sizeof(name));
	assert_string_equal(name, "a?[2J??b+0x2");
}

static void
test_wall_breaches(void **state)
{
	const struct bh_isolation good = {
	        .valid = true, .seccomp = 2, .seccomp_filters = 2, .no_new_privs = 1, .uid = 64000, .gid = 64000};
	struct bh_isolation bad[] = {good, good, good, good, good, good, good, good};
	(void)state;
	assert_null(bh_wall_breach(&good));
	bad[0].seccomp = 0;
	bad[1].no_new_privs = 0;
	bad[2].cap_eff = 1;
	bad[3].cap_bnd = 1;
	bad[4].uid = 0;
	bad[5].gid = 0;
	bad[6].open_fds = 1;
	bad[7].seccomp_filters = 1;
	for (size_t i = 0; i < BH_ARRAY_CNT(bad); i++)
		assert_non_null(bh_wall_breach(&bad[i]));
}

int
main(int argc, char **argv)
{
	struct stat info;
	if (argc != 2 || stat(argv[1], &info) != 0) {
		fprintf(stderr, "usage: %s CELL\n", argv[0]);
		return 2;
	}
	FILE *file = fopen(argv[1], "re");
	cell_size_bytes = (size_t)info.st_size;
	cell_bytes = malloc(cell_size_bytes);
	if (file == NULL || fread(cell_bytes, 1, cell_size_bytes, file) != cell_size_bytes)
		return 2;
	fclose(file);
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_changed_headers),     cmocka_unit_test(test_cut_anywhere),
	        cmocka_unit_test(test_leaves_nothing_open), cmocka_unit_test(test_checked_is_executed),
	        cmocka_unit_test(test_symbols_of_a_cell),   cmocka_unit_test(test_symbol_names_are_printable),
	        cmocka_unit_test(test_wall_breaches),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	free(cell_bytes);
	return failed;
}
