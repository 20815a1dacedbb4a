/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resets under load. Twelve fibers write blocks of their own and read them back, all the time; meanwhile the device is reset below the
 * driver, through the supervisor's ladder, and the driver brings it up again. A command may fail while that goes on; a block that
 * was written must be there, and the device must come back each time.
 *
 * How many resets: the number at the end of the cell's name ("resets-100"); none: until it is asked to stop.
 */
#include <bulkhead/cell.h>
#include <bulkhead/device.h>
#include <bulkhead/log.h>
#include <bulkhead/mem.h>
#include <bulkhead/metrics.h>
#include <bulkhead/nvme.h>
#include <bulkhead/sched.h>

enum { WORKERS = 12, BLOCK_BYTES = 4096, WORDS = BLOCK_BYTES / 8, BLOCKS_EACH = 64 };

static struct {
	struct bh_nvme *ctrl;
	struct bh_nvme_qpair *qp;
	const struct bh_nvme_ns *ns;
	uint64_t *cnt_blocks, *cnt_failed, *cnt_resets;
	uint32_t running_cnt;
	bool stop;
	int error;
} load;

struct worker {
	uint64_t idx;
	uint64_t *buf;
};

static uint64_t
word_of(const struct worker *worker, uint64_t generation, uint64_t word_idx)
{
	return worker->idx << 56 | generation << 16 | word_idx;
}

/* Until it succeeds, or the device is lost. While it is reset, failures are as they should be. */
static int
until_done(const struct worker *worker, uint64_t lba, bool write)
{
	uint32_t lba_cnt = BLOCK_BYTES >> load.ns->lba_shift;
	for (;;) {
		int err = write ? bh_nvme_write_wait(load.qp, load.ns, lba, lba_cnt, worker->buf, NULL)
		                : bh_nvme_read_wait(load.qp, load.ns, lba, lba_cnt, worker->buf, NULL);
		if (err == 0 || err == -BH_ENODEV)
			return err;
		bh_counter_add(load.cnt_failed, 1);
		bh_yield();
	}
}

static int
one_block(const struct worker *worker, uint64_t generation)
{
	uint64_t block = worker->idx * BLOCKS_EACH + generation % BLOCKS_EACH;
	uint64_t lba = block * BLOCK_BYTES >> load.ns->lba_shift;
	for (uint64_t i = 0; i < WORDS; i++)
		worker->buf[i] = word_of(worker, generation, i);
	int err = until_done(worker, lba, true);
	for (uint64_t i = 0; i < WORDS; i++)
		worker->buf[i] = 0;
	if (err == 0)
		err = until_done(worker, lba, false);
	for (uint64_t i = 0; i < WORDS && err == 0; i++) {
		if (worker->buf[i] != word_of(worker, generation, i)) {
			bh_log_error("block %lu, word %lu: %lx", block, i, worker->buf[i]);
			err = -BH_EILSEQ;
		}
	}
	return err;
}

static void
work(void *arg)
{
	struct worker *worker = arg;
	int err = 0;
	for (uint64_t generation = 1; !load.stop && err == 0; generation++) {
		err = one_block(worker, generation);
		if (err == 0)
			bh_counter_add(load.cnt_blocks, 1);
	}
	if (err != 0 && load.error == 0)
		load.error = err;
	load.running_cnt--;
}

static int
start_workers(void)
{
	struct worker *worker = bh_heap_alloc(WORKERS * sizeof(*worker));
	if (worker == NULL)
		return -BH_ENOMEM;
	for (uint64_t i = 0; i < WORKERS; i++) {
		worker[i] = (struct worker){.idx = i, .buf = bh_dma_alloc(BLOCK_BYTES, BLOCK_BYTES)};
		int err = worker[i].buf == NULL ? -BH_ENOMEM : bh_fiber_spawn(work, &worker[i]);
		if (err != 0)
			return err;
		load.running_cnt++;
	}
	return 0;
}

/* The number that the cell's name ends with. */
static uint64_t
wanted(void)
{
	uint64_t number = 0;
	for (const char *c = bh_boot_page()->cell_name; *c != '\0'; c++)
		number = *c >= '0' && *c <= '9' ? number * 10 + (uint64_t)(*c - '0') : 0;
	return number != 0 ? number : UINT64_MAX;
}

static int
reset_often(const struct bh_device *device)
{
	const uint64_t want = wanted();
	for (uint64_t i = 0; i < want && load.error == 0 && !bh_stop_requested(); i++) {
		/* Some blocks in between, so that there is load when it happens. */
		uint64_t until_cnt = *load.cnt_blocks + 8;
		while (*load.cnt_blocks < until_cnt && load.error == 0 && !bh_stop_requested())
			bh_yield();
		int err = bh_device_reset(device);
		if (err != 0) {
			bh_log_error("reset %lu of the device: %d", i, err);
			return err;
		}
		err = bh_nvme_reset(load.ctrl);
		if (err != 0) {
			bh_log_error("the driver after reset %lu: %d", i, err);
			return err;
		}
		bh_counter_add(load.cnt_resets, 1);
	}
	return load.error;
}

int
cell_main(unsigned core_idx)
{
	struct bh_device device;
	if (core_idx != 0)
		return 0;
	load.cnt_blocks = bh_counter_register("load.blocks", "blocks");
	load.cnt_failed = bh_counter_register("load.failed", "commands");
	load.cnt_resets = bh_counter_register("load.resets", "resets");
	int err = bh_device_find("nvme0", &device);
	if (err == 0)
		err = bh_nvme_open("nvme0", NULL, &load.ctrl);
	if (err == 0)
		err = bh_nvme_ns_find(load.ctrl, 1, &load.ns);
	if (err == 0)
		err = bh_nvme_qpair_create(load.ctrl, 64, &load.qp);
	if (err == 0)
		err = start_workers();
	if (err == 0)
		err = reset_often(&device);
	load.stop = true;
	while (load.running_cnt > 0)
		bh_yield();
	return err != 0 ? err : load.error;
}
