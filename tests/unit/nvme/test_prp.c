/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PRPs of read commands, for every class of offset and length. What is expected is derived here from Base 2.0, 4.1.1: PRP1 is
 * the address; if one more page is touched PRP2 is that page; if more, PRP2 points to a list of the pages after the first;
 * the last entry of a list page is the next list page if the list goes on.
 */
#include "fake.h"

#define PAGE UINT64_C(4096)

static enum fake_verdict
take_it(struct fake *self, uint32_t sqid, const struct nvme_sqe *cmd, struct nvme_cqe *cqe)
{
	return sqid ? FAKE_DONE : FAKE_DEFAULT;
}

/* The list's entries against the pages that [addr, addr + bytes) touches after the first. */
static void
list_check(uint64_t list, uint64_t addr, uint64_t bytes)
{
	uint64_t page = (addr & ~(PAGE - 1)) + PAGE, last = (addr + bytes - 1) & ~(PAGE - 1);
	uint32_t chain_cnt = 0;

	assert_int_equal(list & 7, 0);
	for (; page <= last; page += PAGE, list += 8) {
		assert_true(bh_dma_contains((void *)(uintptr_t)list, 8));
		if ((list & (PAGE - 1)) == PAGE - 8 && page != last) {
			list = *(uint64_t *)(uintptr_t)list;
			assert_int_equal(list & (PAGE - 1), 0);
			assert_true(bh_dma_contains((void *)(uintptr_t)list, 8));
			assert_in_range(++chain_cnt, 1, 64);
		}
		assert_int_equal(*(uint64_t *)(uintptr_t)list, page);
	}
}

static void
command_check(const struct nvme_sqe *cmd, uint64_t addr, uint64_t bytes)
{
	uint64_t first_end = (addr & ~(PAGE - 1)) + PAGE;

	assert_int_equal(cmd->prp1, addr);
	assert_int_equal(cmd->mptr, 0);
	assert_int_equal(cmd->flags, 0);
	if (addr + bytes <= first_end)
		assert_int_equal(cmd->prp2, 0);
	else if (addr + bytes <= first_end + PAGE)
		assert_int_equal(cmd->prp2, first_end);
	else
		list_check(cmd->prp2, addr, bytes);
}

static void
read_and_check(struct rig *rig, uint8_t *buf, uint32_t lba_cnt)
{
	struct done done = {0};
	fake.log_cnt = 0;
	assert_int_equal(bh_nvme_read(rig->qp, rig->ns, 0, lba_cnt, buf, done_fn, &done), 0);
	assert_int_equal(fake.log_cnt, 0); /* no doorbell yet */
	bh_nvme_ring(rig->qp);
	assert_int_equal(fake.log_cnt, 1);
	command_check(&fake.log[0].cmd, (uintptr_t)buf, (uint64_t)lba_cnt * rig->ns->lba_bytes);
	assert_int_equal(bh_nvme_poll(rig->qp, 8), 1);
	assert_int_equal(done.cnt, 1);
}

static void
offsets_and_lengths(uint8_t mdts, uint32_t transfer_bytes_max, const uint32_t *kib, size_t kib_cnt)
{
	static const uint32_t offsets[] = {0, 4, 508, 512, 2048, 3584, 4092, 4096 + 12};
	struct bh_nvme_options options = {.transfer_bytes_max = transfer_bytes_max};
	struct rig rig;
	fake.id.mdts = mdts;
	fake.hook = take_it;
	rig_open(&rig, &options, 3);
	uint8_t *buf = bh_dma_alloc(transfer_bytes_max + 3 * PAGE, PAGE);
	assert_non_null(buf);
	for (size_t i = 0; i < BH_ARRAY_CNT(offsets); i++) {
		for (uint32_t lba_cnt = 1; lba_cnt <= 33; lba_cnt++)
			read_and_check(&rig, buf + offsets[i], lba_cnt);
		for (size_t j = 0; j < kib_cnt; j++) {
			read_and_check(&rig, buf + offsets[i], kib[j] * 2 - 1);
			read_and_check(&rig, buf + offsets[i], kib[j] * 2);
		}
	}
	rig_close(&rig);
}

FIBER_TEST(test_up_to_128_kib)
{
	static const uint32_t kib[] = {32, 60, 64, 124, 128};
	offsets_and_lengths(5, 128 << 10, kib, BH_ARRAY_CNT(kib));
}

FIBER_TEST(test_list_of_a_whole_page)
{
	static const uint32_t kib[] = {1024, 2040, 2044, 2048};
	offsets_and_lengths(9, 2 << 20, kib, BH_ARRAY_CNT(kib));
}

FIBER_TEST(test_chained_lists)
{
	/* 512 entries fill a page: 2 MiB and a page more need a second one, 4 MiB and more a third. */
	static const uint32_t kib[] = {2044, 2048, 2052, 2056, 4088, 4092, 4096, 4100, 4104, 8188, 8192};
	offsets_and_lengths(11, 8 << 20, kib, BH_ARRAY_CNT(kib));
}

FIBER_TEST(test_smallest_mdts)
{
	struct rig rig;
	fake.id.mdts = 0; /* no limit of the device: ours is one page */
	struct bh_nvme_options options = {.transfer_bytes_max = 4096};
	fake.hook = take_it;
	rig_open(&rig, &options, 3);
	uint8_t *buf = bh_dma_alloc(2 * PAGE, PAGE);
	for (uint32_t offset = 0; offset < 4096; offset += 4)
		read_and_check(&rig, buf + offset, 8);
	rig_close(&rig);
}

/* Data, not only addresses: what is written through one shape of buffer is read back through another. */
FIBER_TEST(test_data_arrives)
{
	static const uint32_t offsets[] = {0, 4, 2052, 4092};
	struct rig rig;
	rig_open(&rig, NULL, 4);
	uint8_t *from = bh_dma_alloc(136 << 10, PAGE), *into = bh_dma_alloc(136 << 10, PAGE);
	for (uint32_t i = 0; i < 136 << 10; i++)
		from[i] = (uint8_t)(i * 7 + i / 4096);
	for (size_t i = 0; i < BH_ARRAY_CNT(offsets); i++) {
		for (uint32_t lba_cnt = 1; lba_cnt <= 256; lba_cnt += 17) {
			memset(into, 0, 136 << 10);
			assert_int_equal(bh_nvme_write_wait(rig.qp, rig.ns, 5, lba_cnt, from + offsets[i], NULL), 0);
			assert_int_equal(bh_nvme_read_wait(rig.qp, rig.ns, 5, lba_cnt, into + offsets[3 - i], NULL), 0);
			assert_memory_equal(from + offsets[i], into + offsets[3 - i], UINT64_C(512) * lba_cnt);
			assert_int_equal(into[offsets[3 - i] + lba_cnt * 512], 0);
		}
	}
	rig_close(&rig);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        UNIT(test_up_to_128_kib), UNIT(test_list_of_a_whole_page), UNIT(test_chained_lists),
	        UNIT(test_smallest_mdts), UNIT(test_data_arrives),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
