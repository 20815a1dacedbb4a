/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the cell writes Linux's nvme driver reads back identical, every byte of the namespace, and the other way round: on drives of
 * each kind that the driver tells apart. The machine has five: 512-byte blocks, 4096-byte blocks, two namespaces, a largest
 * transfer of 8 KiB, no write cache.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lab/disk.h"

enum { DRIVE_512, DRIVE_4096, DRIVE_NAMESPACES, DRIVE_SMALL_TRANSFER, DRIVE_NO_CACHE };

#define MIB (UINT64_C(1) << 20)

/* Linux writes, the cell compares; the cell writes, Linux compares. `run` is of the second run of the cell. */
static void
cross(const struct disk *disk, struct disk_run *run)
{
	uint64_t bytes = disk_linux_bytes(disk);
	struct disk_run check = *run;
	disk_linux_fill(disk, run->seed);
	check.what = DISK_check;
	disk_run_ok(disk, &check);
	assert_int_equal(check.checked * check.lba_bytes, bytes);
	run->what = DISK_fill;
	run->seed++;
	disk_run_ok(disk, run);
	assert_int_equal(run->written * run->lba_bytes, bytes);
	assert_int_equal(run->lba_cnt * run->lba_bytes, bytes);
	disk_linux_check(disk, run->seed, 0, 0);
}

static void
test_512(void **state)
{
	(void)state;
	struct disk disk = disk_find(DRIVE_512, 1);
	struct disk_run run = {.seed = 100};
	cross(&disk, &run);
	assert_int_equal(run.lba_bytes, 512);
	assert_int_equal(run.ns_cnt, 1);
	assert_int_equal(run.transfer_bytes_max, 512 << 10); /* MDTS 7 */
	assert_int_equal(run.commands, 16 * MIB / (128 << 10));
	assert_true(run.shadow_doorbells);
	assert_true(run.vwc && run.cache_on);
}

static void
test_no_shadow_doorbells(void **state)
{
	(void)state;
	struct disk disk = disk_find(DRIVE_512, 1);
	struct disk_run run = {.seed = 110, .no_shadow_doorbells = true};
	cross(&disk, &run);
	assert_false(run.shadow_doorbells);
}

/* Requests that are one block, two pages at most, and no multiple of a page; each size in a part of the drive of its own. */
static void
test_request_sizes(void **state)
{
	static const unsigned io_bytes[] = {512, 4096, 8192, 12800, 1 << 20};
	(void)state;
	struct disk disk = disk_find(DRIVE_512, 1);
	uint64_t part_bytes[BH_ARRAY_CNT(io_bytes)];
	for (size_t i = 0; i < BH_ARRAY_CNT(io_bytes); i++) {
		part_bytes[i] = BH_MIN(3 * MIB, (uint64_t)io_bytes[i] * 200);
		struct disk_run run = {.seed = 120 + i,
		                       .io_bytes = io_bytes[i],
		                       .first_bytes = i * 3 * MIB,
		                       .size_bytes = part_bytes[i]};
		run.depth = 8;
		run.what = DISK_fill;
		disk_run_ok(&disk, &run);
		run.what = DISK_check;
		disk_run_ok(&disk, &run);
		assert_int_equal(run.checked * run.lba_bytes, part_bytes[i]);
	}
	for (size_t i = 0; i < BH_ARRAY_CNT(io_bytes); i++)
		disk_linux_check(&disk, 120 + i, i * 3 * MIB, part_bytes[i]);
}

static void
test_4096(void **state)
{
	(void)state;
	struct disk disk = disk_find(DRIVE_4096, 1);
	struct disk_run run = {.seed = 200};
	cross(&disk, &run);
	assert_int_equal(run.lba_bytes, 4096);
}

static void
test_namespaces(void **state)
{
	(void)state;
	struct disk first = disk_find(DRIVE_NAMESPACES, 1), second = disk_find(DRIVE_NAMESPACES, 2);
	struct disk_run run = {.seed = 300}, other = {.seed = 400};
	cross(&first, &run);
	cross(&second, &other);
	assert_int_equal(run.ns_cnt, 2);
	/* The second did not reach into the first. */
	disk_linux_check(&first, run.seed, 0, 0);
}

/* QEMU counts the commands: each request of 128 KiB was sixteen of 8 KiB. */
static void
test_small_transfer(void **state)
{
	(void)state;
	struct disk disk = disk_find(DRIVE_SMALL_TRANSFER, 1);
	struct disk_run run = {.seed = 500};
	cross(&disk, &run);
	assert_int_equal(run.transfer_bytes_max, 8192);
	assert_int_equal(run.commands, 16 * MIB / 8192);
}

/* QEMU says that there is a cache for both kinds of drive; the feature says whether it is on. Flush ends each fill. */
static void
test_write_cache(void **state)
{
	(void)state;
	struct disk with = disk_find(DRIVE_512, 1), without = disk_find(DRIVE_NO_CACHE, 1);
	struct disk_run off = {.seed = 600, .write_cache = 2}, none = {.seed = 610};
	cross(&with, &off);
	assert_false(off.cache_on);
	cross(&without, &none);
	assert_false(none.cache_on);
}

/* A range in the middle reads as zeroes afterwards, what is around it as before. */
static void
check_erased(const struct disk *disk, enum disk_what what, uint64_t seed)
{
	const uint64_t first = 3 * MIB, size = 2 * MIB;
	struct disk_run run = {.what = what, .seed = seed, .first_bytes = first, .size_bytes = size};
	disk_linux_fill(disk, seed);
	disk_run_ok(disk, &run);
	disk_linux_check(disk, seed, 0, first);
	disk_linux_check(disk, 0, first, size);
	disk_linux_check(disk, seed, first + size, 0);
	if (what == DISK_deallocate)
		assert_true(run.reads_zero);
}

static void
test_erase(void **state)
{
	(void)state;
	struct disk small = disk_find(DRIVE_512, 1), large = disk_find(DRIVE_4096, 1);
	check_erased(&small, DISK_zero, 700);
	check_erased(&small, DISK_deallocate, 710);
	check_erased(&large, DISK_zero, 720);
	check_erased(&large, DISK_deallocate, 730);
}

/* That the comparison can fail: one seed on the disk, another expected. */
static void
test_wrong_pattern(void **state)
{
	(void)state;
	struct disk disk = disk_find(DRIVE_NO_CACHE, 1);
	struct disk_run run = {.what = DISK_check, .seed = 801};
	disk_linux_fill(&disk, 800);
	disk_run(&disk, &run);
	assert_int_equal(run.run.result.outcome, BH_OUTCOME_FAILED);
	assert_int_equal(run.mismatched, run.lba_cnt);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_wrong_pattern),
	        cmocka_unit_test(test_512),
	        cmocka_unit_test(test_no_shadow_doorbells),
	        cmocka_unit_test(test_request_sizes),
	        cmocka_unit_test(test_4096),
	        cmocka_unit_test(test_namespaces),
	        cmocka_unit_test(test_small_transfer),
	        cmocka_unit_test(test_write_cache),
	        cmocka_unit_test(test_erase),
	};
	if (argc == 2) /* only those that fit */
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
