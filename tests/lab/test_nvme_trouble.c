/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A controller that is reset, fails, loses its memory or is pulled while a cell writes. Where the device lives on, the cell ends as if
 * nothing had been, and Linux reads what the cell wrote; where it does not, the cell ends and says so.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/lab/disk.h"
#include "tests/lab/inside.h"

#define MIB      (UINT64_C(1) << 20)
#define SECOND   UINT64_C(1000000000)
#define TROUBLES 6u

/* Requests of 16 KiB on a drive that does so many a second: there is load until the last trouble. */
static void
survives(unsigned drive, enum disk_trouble trouble, uint64_t seed, struct disk_run *out_run)
{
	struct disk disk = disk_find(drive, 1);
	*out_run = (struct disk_run){
	        .what = DISK_fill, .trouble = trouble, .trouble_cnt = TROUBLES, .seed = seed, .io_bytes = 16 << 10};
	disk_linux_fill(&disk, seed + 1);
	disk_run_ok(&disk, out_run);
	assert_int_equal(out_run->written * out_run->lba_bytes, 16 * MIB);
	assert_int_equal(out_run->troubles, TROUBLES);
	assert_true(out_run->reset >= TROUBLES);
	disk_linux_check(&disk, seed, 0, 0);
}

static void
test_controller_reset(void **state)
{
	struct disk_run run;
	(void)state;
	survives(0, DISK_TROUBLE_reset, 10, &run);
	assert_true(run.again > 0);
	survives(1, DISK_TROUBLE_reset, 20, &run);
}

static void
test_function_reset(void **state)
{
	struct disk_run run;
	(void)state;
	survives(0, DISK_TROUBLE_function, 30, &run);
}

static void
test_controller_fatal(void **state)
{
	struct disk_run run;
	(void)state;
	survives(0, DISK_TROUBLE_fatal, 40, &run);
	assert_true(run.fatal > 0);
}

struct cut {
	uint64_t ticks;
	int err;
};

/* The device loses the arena under load: its next fetch of a command fails, and with it the controller (CSTS.CFS). */
static void
cut_memory(struct cell_run *run, struct bh_cell *cell)
{
	struct cut *cut = disk_run_of(run)->context;
	struct bh_backend *backend = bh_cell_backend(cell, 0);
	if (++cut->ticks != 5)
		return;
	cut->err = backend->ops->dma_unmap(backend, BH_ADDR_ARENA, DISK_ARENA_BYTES, &run->error);
}

static void
test_memory_cut(void **state)
{
	(void)state;
	struct disk disk = disk_find(0, 1);
	struct cut cut = {.err = -1};
	struct disk_run run = {.what = DISK_load,
	                       .seed = 50,
	                       .duration_ns = 60 * SECOND,
	                       .admin_timeout_ns = SECOND,
	                       .tick = cut_memory,
	                       .context = &cut};
	disk_run(&disk, &run);
	assert_int_equal(run.run.start_err, 0);
	assert_int_equal(cut.err, 0);
	assert_int_equal(run.run.result.outcome, BH_OUTCOME_FAILED);
	assert_int_equal(run.run.result.cell_error, -19 /* BH_ENODEV: the driver gave the device up */);
	assert_int_equal(run.removed, 1);
	/* The next cell gets a device that works. */
	run = (struct disk_run){.what = DISK_fill, .seed = 60};
	disk_run_ok(&disk, &run);
	disk_linux_check(&disk, 60, 0, 0);
}

static void
pull(struct cell_run *run, struct bh_cell *cell)
{
	struct cut *cut = disk_run_of(run)->context;
	(void)cell;
	if (++cut->ticks != 5)
		return;
	inside_ok("lab-ctl unplug nvme1");
	cut->err = 0;
}

static void
test_unplug(void **state)
{
	(void)state;
	struct disk disk = disk_find(1, 1);
	struct cut cut = {.err = -1};
	struct disk_run run = {
	        .what = DISK_load, .seed = 70, .duration_ns = 60 * SECOND, .tick = pull, .context = &cut};
	disk_run(&disk, &run);
	assert_int_equal(cut.err, 0);
	assert_int_equal(run.run.start_err, 0);
	assert_int_equal(run.run.result.outcome, BH_OUTCOME_DEVICE_GONE);
	assert_non_null(strstr(run.run.result.error.text, disk.address));
	assert_true(inside_wait_gone(disk.address, 20000));
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_controller_reset), cmocka_unit_test(test_function_reset),
	        cmocka_unit_test(test_controller_fatal), cmocka_unit_test(test_memory_cut),
	        cmocka_unit_test(test_unplug),
	};
	if (argc == 2) /* only those that fit */
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
