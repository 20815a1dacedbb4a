/* SPDX-License-Identifier: Apache-2.0 */
/* NVM commands and PRPs: NVM Command Set 1.0, chapter 3; NVMe Base 2.0, 4.1.1. */
#include "nvme_rig.h"

#define BLOCKS (RIG_DISK_BYTES / 2 / 512)

static struct rig *rig;
static uint64_t buffer; /* 64 pages */

static int
set_up(void **state)
{
	rig = rig_new(NULL);
	rig_start(rig);
	buffer = rig_alloc(rig, 64 * 4096);
	return 0;
}

static int
tear_down(void **state)
{
	rig_free(rig);
	return 0;
}

static uint16_t
run(struct nvme_sqe sqe)
{
	return rig_status(rig, 1, &sqe);
}

static void
fill(uint64_t iova, size_t cnt_bytes, uint32_t seed)
{
	uint8_t *at = rig_at(rig, iova);
	for (size_t i = 0; i < cnt_bytes; i++)
		at[i] = (uint8_t)((seed + i) * 2654435761u >> 13);
}

static void
unknown_opcodes_are_invalid(void **state)
{
	static const uint8_t known[] = {NVME_NVM_FLUSH,   NVME_NVM_WRITE,        NVME_NVM_READ,
	                                NVME_NVM_COMPARE, NVME_NVM_WRITE_ZEROES, NVME_NVM_DSM};
	for (uint32_t opcode = 0; opcode < 256; opcode++) {
		bool is_known = memchr(known, (int)opcode, sizeof(known)) != NULL;
		struct nvme_sqe sqe = {.opcode = (uint8_t)opcode, .nsid = 1, .prp1 = buffer};
		assert_int_equal(run(sqe), is_known ? 0 : NVME_SC_INVALID_OPCODE);
	}
}

static void
namespaces_that_are_not_there(void **state)
{
	static const uint32_t bad[] = {0, 3, 4, 0x7fffffff, 0xfffffffe, 0xffffffff};
	for (size_t i = 0; i < BH_ARRAY_CNT(bad); i++) {
		struct nvme_sqe sqe = rig_rw(NVME_NVM_READ, 0, 1, buffer, 0);
		sqe.nsid = bad[i];
		assert_int_equal(run(sqe), NVME_SC_INVALID_NAMESPACE);
		sqe.opcode = NVME_NVM_FLUSH; /* alone may have all ones: Identify's VWC says so */
		assert_int_equal(run(sqe), bad[i] == NVME_NSID_ALL ? 0 : NVME_SC_INVALID_NAMESPACE);
	}
}

static void
blocks_outside_the_namespace(void **state)
{
	static const uint8_t opcodes[] = {NVME_NVM_READ, NVME_NVM_WRITE, NVME_NVM_COMPARE, NVME_NVM_WRITE_ZEROES};
	static const uint64_t bad[] = {BLOCKS - 1, BLOCKS, BLOCKS + 1, UINT64_MAX, UINT64_MAX - 1, UINT64_C(1) << 55};
	for (size_t op = 0; op < sizeof(opcodes); op++) {
		for (size_t i = 0; i < BH_ARRAY_CNT(bad); i++)
			assert_int_equal(run(rig_rw(opcodes[op], bad[i], 2, buffer, 0)), NVME_SC_LBA_OUT_OF_RANGE);
		assert_int_equal(run(rig_rw(opcodes[op], BLOCKS - 2, 2, buffer, 0)), 0);
	}
	assert_int_equal(run(rig_rw(NVME_NVM_WRITE_ZEROES, 0, 65536, 0, 0)), NVME_SC_LBA_OUT_OF_RANGE);
}

static void
transfers_above_mdts(void **state)
{
	uint64_t list = rig_alloc(rig, 4096);
	for (uint64_t i = 0; i < 63; i++)
		((uint64_t *)rig_at(rig, list))[i] = buffer + (i + 1) * 4096;
	/* MDTS is 5: 128 KiB, 256 blocks. */
	assert_int_equal(run(rig_rw(NVME_NVM_READ, 0, 257, buffer, list)), NVME_SC_INVALID_FIELD);
	assert_int_equal(run(rig_rw(NVME_NVM_WRITE, 0, 65536, buffer, list)), NVME_SC_INVALID_FIELD);
	assert_int_equal(run(rig_rw(NVME_NVM_READ, 0, 256, buffer, list)), 0);
}

static void
sgls_and_fused_commands_are_refused(void **state)
{
	static const uint8_t flags[] = {NVME_SQE_FUSE_FIRST,    NVME_SQE_FUSE_SECOND,   3,
	                                NVME_SQE_PSDT_SGL_MPTR, NVME_SQE_PSDT_SGL_MSGL, NVME_SQE_PSDT_MASK};
	for (size_t i = 0; i < sizeof(flags); i++) {
		struct nvme_sqe sqe = rig_rw(NVME_NVM_READ, 0, 1, buffer, 0);
		sqe.flags = flags[i];
		assert_int_equal(run(sqe), NVME_SC_INVALID_FIELD);
	}
}

static void
prps_with_a_wrong_offset(void **state)
{
	uint64_t list = rig_alloc(rig, 4096);
	uint64_t *entry = rig_at(rig, list);

	assert_int_equal(run(rig_rw(NVME_NVM_READ, 0, 1, buffer + 2, 0)), NVME_SC_INVALID_PRP_OFFSET);
	assert_int_equal(run(rig_rw(NVME_NVM_READ, 0, 16, buffer, buffer + 4096 + 512)), NVME_SC_INVALID_PRP_OFFSET);
	assert_int_equal(run(rig_rw(NVME_NVM_READ, 0, 24, buffer, list + 4)), NVME_SC_INVALID_PRP_OFFSET);
	entry[0] = buffer + 4096;
	entry[1] = buffer + 8192 + 8;
	assert_int_equal(run(rig_rw(NVME_NVM_READ, 0, 24, buffer, list)), NVME_SC_INVALID_PRP_OFFSET);
	entry[1] = buffer + 8192;
	assert_int_equal(run(rig_rw(NVME_NVM_READ, 0, 24, buffer, list)), 0);
}

/* Nothing of the buffer or the medium changes when any address of a command is bad. */
static void
addresses_that_were_not_granted(void **state)
{
	uint64_t list = rig_alloc(rig, 4096);
	uint64_t *entry = rig_at(rig, list), end = RIG_IOVA + RIG_ARENA_BYTES;

	memset(rig->disk, 0x11, 65536);
	memset(rig_at(rig, buffer), 0x22, 65536);
	assert_int_equal(run(rig_rw(NVME_NVM_READ, 0, 1, 0, 0)), NVME_SC_DATA_TRANSFER_ERROR);
	assert_int_equal(run(rig_rw(NVME_NVM_WRITE, 0, 1, end - 508, 0)), NVME_SC_DATA_TRANSFER_ERROR);
	assert_int_equal(run(rig_rw(NVME_NVM_READ, 0, 1, UINT64_MAX - 511, 0)), NVME_SC_DATA_TRANSFER_ERROR);
	assert_int_equal(run(rig_rw(NVME_NVM_READ, 0, 16, buffer, end)), NVME_SC_DATA_TRANSFER_ERROR);
	assert_int_equal(run(rig_rw(NVME_NVM_READ, 0, 24, buffer, end)), NVME_SC_DATA_TRANSFER_ERROR);
	entry[0] = buffer + 4096;
	entry[1] = end;
	assert_int_equal(run(rig_rw(NVME_NVM_READ, 0, 24, buffer, list)), NVME_SC_DATA_TRANSFER_ERROR);
	assert_int_equal(run(rig_rw(NVME_NVM_WRITE, 0, 24, buffer, list)), NVME_SC_DATA_TRANSFER_ERROR);
	for (size_t i = 0; i < 8192; i++) {
		assert_int_equal(rig->disk[i], 0x11);
		assert_int_equal(((uint8_t *)rig_at(rig, buffer))[i], 0x22);
	}
}

static void
memory_that_is_only_readable(void **state)
{
	nvme_model_dma_unmap(rig->model, buffer, 4096); /* the client took it back and granted less */
	rig->readonly_iova = buffer;
	rig->readonly_bytes = 4096;
	assert_int_equal(run(rig_rw(NVME_NVM_READ, 0, 1, buffer, 0)), NVME_SC_DATA_TRANSFER_ERROR);
	assert_int_equal(run(rig_rw(NVME_NVM_WRITE, 0, 1, buffer, 0)), 0);
}

static void
unmapped_memory_is_not_touched_again(void **state)
{
	assert_int_equal(run(rig_rw(NVME_NVM_READ, 0, 1, buffer, 0)), 0);
	rig->hole_iova = buffer;
	rig->hole_bytes = 4096;
	nvme_model_dma_unmap(rig->model, buffer, 4096);
	assert_int_equal(run(rig_rw(NVME_NVM_READ, 0, 1, buffer, 0)), NVME_SC_DATA_TRANSFER_ERROR);
	assert_int_equal(run(rig_rw(NVME_NVM_READ, 0, 1, buffer + 4096, 0)), 0);
}

static void
an_unmapped_queue_is_fatal(void **state)
{
	struct nvme_sqe flush = {.opcode = NVME_NVM_FLUSH, .nsid = 1};

	rig->hole_iova = rig->queue[1].cq_iova;
	rig->hole_bytes = 4096;
	nvme_model_dma_unmap(rig->model, rig->hole_iova, rig->hole_bytes);
	rig_submit(rig, 1, &flush);
	rig_poll(rig, 2);
	assert_int_equal(rig_read32(rig, NVME_REG_CSTS), NVME_CSTS_RDY | NVME_CSTS_CFS);
	assert_false(rig_peek(rig, 1).done);
	rig->hole_bytes = 0;
	rig_write32(rig, NVME_REG_CC, 0);
	rig_poll(rig, 1);
	rig_start(rig);
}

static void
a_failed_command_is_in_the_error_log(void **state)
{
	struct nvme_error_entry entry;
	uint64_t page = rig_alloc(rig, 4096);

	struct nvme_sqe bad = rig_rw(NVME_NVM_READ, BLOCKS + 5, 1, buffer, 0);
	struct rig_result result = rig_run(rig, 1, &bad);
	assert_true(result.no_retry);
	struct nvme_sqe get = rig_admin(NVME_ADMIN_GET_LOG_PAGE, NVME_NSID_ALL, page, NVME_LOG_ERROR | 15 << 16, 0);
	assert_int_equal(rig_status(rig, 0, &get), 0);
	memcpy(&entry, rig_at(rig, page), sizeof(entry));
	assert_int_equal(entry.error_cnt, 1);
	assert_int_equal(entry.sq_id, 1);
	assert_int_equal(entry.cid, result.cid);
	assert_int_equal(entry.lba, BLOCKS + 5);
	assert_int_equal(entry.nsid, 1);
	assert_int_equal(NVME_STATUS_OF_WORD(entry.status), NVME_SC_LBA_OUT_OF_RANGE);
}

/* Every size up to MDTS with every kind of PRP: one page, two, a list, an offset, a chained list. */
static void
data_arrives_where_it_should(void **state)
{
	uint64_t list = rig_alloc(rig, 8192);
	uint64_t *entry = rig_at(rig, list + 4096 - 16); /* two entries: the second one leads on */
	uint64_t *next = rig_at(rig, list + 4096);

	for (uint32_t blocks = 1; blocks <= 256; blocks++) {
		uint32_t offset = blocks * 4 % 4096;
		uint64_t pages = (offset + blocks * 512 + 4095) / 4096;
		fill(buffer, 64 * 4096, blocks);
		uint64_t prp2 = pages <= 2 ? buffer + 4096 : list + 4096 - 16;
		entry[0] = buffer + 4096;
		entry[1] = pages == 3 ? buffer + 2 * 4096 : list + 4096;
		for (uint64_t i = 0; i < 62; i++)
			next[i] = buffer + (i + 2) * 4096;
		assert_int_equal(run(rig_rw(NVME_NVM_WRITE, 100 + blocks, blocks, buffer + offset, prp2)), 0);
		assert_memory_equal(rig->disk + (100 + blocks) * 512, rig_at(rig, buffer + offset), blocks * 512);
		assert_int_equal(run(rig_rw(NVME_NVM_COMPARE, 100 + blocks, blocks, buffer + offset, prp2)), 0);
		memset(rig_at(rig, buffer), 0, 64 * 4096);
		assert_int_equal(run(rig_rw(NVME_NVM_READ, 100 + blocks, blocks, buffer + offset, prp2)), 0);
		assert_memory_equal(rig->disk + (100 + blocks) * 512, rig_at(rig, buffer + offset), blocks * 512);
		assert_int_equal(((uint8_t *)rig_at(rig, buffer))[offset + blocks * 512], 0);
	}
}

/* Pages in no order: the list decides. */
static void
a_list_may_name_pages_in_any_order(void **state)
{
	uint64_t list = rig_alloc(rig, 4096);
	uint64_t *entry = rig_at(rig, list);

	entry[0] = buffer + 9 * 4096;
	entry[1] = buffer + 3 * 4096;
	fill(buffer, 10 * 4096, 77);
	assert_int_equal(run(rig_rw(NVME_NVM_WRITE, 0, 24, buffer, list)), 0);
	assert_memory_equal(rig->disk, rig_at(rig, buffer), 4096);
	assert_memory_equal(rig->disk + 4096, rig_at(rig, buffer + 9 * 4096), 4096);
	assert_memory_equal(rig->disk + 8192, rig_at(rig, buffer + 3 * 4096), 4096);
}

static void
namespaces_do_not_overlap(void **state)
{
	struct nvme_sqe sqe = rig_rw(NVME_NVM_WRITE, 0, 1, buffer, 0);

	fill(buffer, 512, 5);
	sqe.nsid = 2;
	assert_int_equal(run(sqe), 0);
	assert_memory_equal(rig->disk + RIG_DISK_BYTES / 2, rig_at(rig, buffer), 512);
	assert_int_equal(rig->disk[0], 0);
}

static void
compare_finds_one_byte(void **state)
{
	fill(buffer, 8192, 9);
	assert_int_equal(run(rig_rw(NVME_NVM_WRITE, 8, 16, buffer, buffer + 4096)), 0);
	assert_int_equal(run(rig_rw(NVME_NVM_COMPARE, 8, 16, buffer, buffer + 4096)), 0);
	((uint8_t *)rig_at(rig, buffer))[8191] ^= 1;
	assert_int_equal(run(rig_rw(NVME_NVM_COMPARE, 8, 16, buffer, buffer + 4096)), NVME_SC_COMPARE_FAILURE);
}

static void
write_zeroes_and_deallocate_read_as_zeroes(void **state)
{
	struct nvme_dsm_range *range = rig_at(rig, buffer);
	struct nvme_sqe dsm = {.opcode = NVME_NVM_DSM, .nsid = 1, .prp1 = buffer, .cdw10 = 1, .cdw11 = NVME_DSM_AD};

	memset(rig->disk, 0xee, 65536);
	assert_int_equal(run(rig_rw(NVME_NVM_WRITE_ZEROES, 4, 4, 0, 0)), 0);
	range[0] = (struct nvme_dsm_range){.lba = 16, .lba_cnt = 8};
	range[1] = (struct nvme_dsm_range){.lba = BLOCKS, .lba_cnt = 1};
	assert_int_equal(run(dsm), NVME_SC_LBA_OUT_OF_RANGE);
	assert_int_equal(rig->disk[16 * 512], 0xee); /* no range was touched */
	range[1] = (struct nvme_dsm_range){.lba = 40, .lba_cnt = 1};
	dsm.cdw11 = NVME_DSM_IDR; /* a hint only */
	assert_int_equal(run(dsm), 0);
	assert_int_equal(rig->disk[16 * 512], 0xee);
	dsm.cdw11 = NVME_DSM_AD;
	assert_int_equal(run(dsm), 0);
	for (uint32_t i = 0; i < 65536; i++) {
		uint32_t lba = i / 512;
		bool zero = (lba >= 4 && lba < 8) || (lba >= 16 && lba < 24) || lba == 40;
		assert_int_equal(rig->disk[i], zero ? 0 : 0xee);
	}
}

static void
read_write_flags_are_accepted(void **state)
{
	struct nvme_sqe sqe = rig_rw(NVME_NVM_WRITE, 0, 1, buffer, 0);
	sqe.cdw12 |= NVME_RW_FUA | NVME_RW_LR;
	assert_int_equal(run(sqe), 0);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	        TEST(unknown_opcodes_are_invalid),
	        TEST(namespaces_that_are_not_there),
	        TEST(blocks_outside_the_namespace),
	        TEST(transfers_above_mdts),
	        TEST(sgls_and_fused_commands_are_refused),
	        TEST(prps_with_a_wrong_offset),
	        TEST(addresses_that_were_not_granted),
	        TEST(memory_that_is_only_readable),
	        TEST(unmapped_memory_is_not_touched_again),
	        TEST(an_unmapped_queue_is_fatal),
	        TEST(a_failed_command_is_in_the_error_log),
	        TEST(data_arrives_where_it_should),
	        TEST(a_list_may_name_pages_in_any_order),
	        TEST(namespaces_do_not_overlap),
	        TEST(compare_finds_one_byte),
	        TEST(write_zeroes_and_deallocate_read_as_zeroes),
	        TEST(read_write_flags_are_accepted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
