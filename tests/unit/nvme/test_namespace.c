/* SPDX-License-Identifier: Apache-2.0 */
/* Namespaces: which are refused and why, and what a good one says. */
#include "fake.h"

static int
find(uint32_t nsid)
{
	struct bh_nvme *ctrl;
	const struct bh_nvme_ns *ns = NULL;
	assert_int_equal(bh_nvme_open("nvme0", NULL, &ctrl), 0);
	int err = bh_nvme_ns_find(ctrl, nsid, &ns);
	assert_true(!ns == !!err);
	assert_int_equal(bh_nvme_close(ctrl), 0);
	return err;
}

FIBER_TEST(test_not_active)
{
	assert_int_equal(find(2), -BH_ENOENT);
	assert_int_equal(find(0), -BH_ENOENT);
	assert_int_equal(find(NVME_NSID_ALL), -BH_ENOENT);
}

FIBER_TEST(test_size_zero)
{
	fake.ns[0].nsze = 0;
	assert_int_equal(find(1), -BH_ENOSPC);
}

FIBER_TEST(test_metadata)
{
	fake.ns[0].lbaf[0].ms = 8;
	assert_int_equal(find(1), -BH_EOPNOTSUPP);
}

FIBER_TEST(test_protection_information)
{
	fake.ns[0].dps = 1;
	assert_int_equal(find(1), -BH_EOPNOTSUPP);
}

FIBER_TEST(test_block_too_small)
{
	fake.ns[0].lbaf[0].lbads = 8;
	assert_int_equal(find(1), -BH_EPROTO);
	fake.ns[0].lbaf[0].lbads = 0; /* format not available */
	assert_int_equal(find(1), -BH_EPROTO);
}

FIBER_TEST(test_block_too_large)
{
	fake.ns[0].nsze = 16;
	fake.ns[0].lbaf[0].lbads = 18; /* 256 KiB: MDTS is 128 KiB */
	assert_int_equal(find(1), -BH_EOPNOTSUPP);
	fake.ns[0].lbaf[0].lbads = 200;
	assert_int_equal(find(1), -BH_EPROTO);
}

FIBER_TEST(test_size_overflows)
{
	fake.ns[0].nsze = UINT64_C(1) << 55;
	assert_int_equal(find(1), -BH_EPROTO);
}

FIBER_TEST(test_format_index_out_of_range)
{
	fake.ns[0].nlbaf = 1;
	fake.ns[0].flbas = 2;
	assert_int_equal(find(1), -BH_EPROTO);
}

FIBER_TEST(test_format_index_high_bits)
{
	/* Bits 6:5 count only if there are more than 16 formats (NVM Command Set 1.0, figure 97). */
	fake.ns[0].flbas = 0x20;
	assert_int_equal(find(1), 0);
	fake.ns[0].nlbaf = 17;
	fake.ns[0].lbaf[16].lbads = 12;
	fake.ns[0].lbaf[16].ms = 0;
	assert_int_equal(find(1), 0);
	fake.ns[0].lbaf[16].ms = 64;
	assert_int_equal(find(1), -BH_EOPNOTSUPP);
}

static enum fake_verdict
identify_of_two_fails(struct fake *self, uint32_t sqid, const struct nvme_sqe *cmd, struct nvme_cqe *cqe)
{
	if (sqid == 0 && cmd->opcode == 0x06 && (cmd->cdw10 & 0xff) == 0 && cmd->nsid == 2) {
		cqe->status = 0x00b << 1;
		return FAKE_DONE;
	}
	return FAKE_DEFAULT;
}

FIBER_TEST(test_one_bad_among_good)
{
	fake.ns_cnt = 3;
	fake.hook = identify_of_two_fails;
	assert_int_equal(find(1), 0);
	assert_int_equal(find(2), -BH_EIO);
	assert_int_equal(find(3), 0);
}

FIBER_TEST(test_sparse_identifiers)
{
	struct bh_nvme *ctrl;
	fake.ns_cnt = 3;
	fake.nsid[1] = 7;
	fake.nsid[2] = 4000000;
	assert_int_equal(bh_nvme_open("nvme0", NULL, &ctrl), 0);
	assert_int_equal(bh_nvme_info(ctrl)->ns_cnt, 3);
	assert_int_equal(bh_nvme_ns_at(ctrl, 0)->nsid, 1);
	assert_int_equal(bh_nvme_ns_at(ctrl, 2)->nsid, 4000000);
	assert_null(bh_nvme_ns_at(ctrl, 3));
	assert_int_equal(bh_nvme_close(ctrl), 0);
}

FIBER_TEST(test_version_without_list)
{
	struct bh_nvme *ctrl;
	fake.vs = NVME_VS(1, 0, 0);
	fake.id.nn = 2;
	fake.ns_cnt = 1; /* the second identifies as all zeroes: size 0 */
	const struct bh_nvme_ns *ns;
	assert_int_equal(bh_nvme_open("nvme0", NULL, &ctrl), 0);
	assert_int_equal(bh_nvme_ns_find(ctrl, 1, &ns), 0);
	assert_int_equal(bh_nvme_ns_find(ctrl, 2, &ns), -BH_ENOSPC);
	assert_int_equal(bh_nvme_close(ctrl), 0);
}

FIBER_TEST(test_fields)
{
	static const uint32_t shifts[] = {9, 12, 13, 16, 17};
	for (size_t i = 0; i < BH_ARRAY_CNT(shifts); i++) {
		struct bh_nvme *ctrl;
		const struct bh_nvme_ns *ns;
		fake.ns[0].lbaf[0].lbads = (uint8_t)shifts[i];
		fake.ns[0].nsze = 1000 + i;
		fake.ns[0].nsattr = 1;
		fake.ns[0].dlfeat = 1;
		fake.ns[0].eui64[3] = 0x5a;
		assert_int_equal(bh_nvme_open("nvme0", NULL, &ctrl), 0);
		assert_int_equal(bh_nvme_ns_find(ctrl, 1, &ns), 0);
		assert_int_equal(ns->lba_shift, shifts[i]);
		assert_int_equal(ns->lba_bytes, 1 << shifts[i]);
		assert_int_equal(ns->lba_cnt, 1000 + i);
		assert_true(ns->write_protected && ns->deallocated_reads_zero);
		assert_int_equal(ns->eui64[3], 0x5a);
		assert_int_equal(bh_nvme_close(ctrl), 0);
	}
}

FIBER_TEST(test_descriptors)
{
	struct bh_nvme *ctrl;
	const struct bh_nvme_ns *ns;
	uint8_t *list = fake.ns_descriptors;
	list[0] = 1; /* EUI-64 */
	list[1] = 8;
	list[12] = 3; /* UUID */
	list[13] = 16;
	memset(list + 16, 0xab, 16);
	assert_int_equal(bh_nvme_open("nvme0", NULL, &ctrl), 0);
	assert_int_equal(bh_nvme_ns_find(ctrl, 1, &ns), 0);
	assert_int_equal(ns->uuid[0], 0xab);
	assert_int_equal(ns->uuid[15], 0xab);
	assert_int_equal(bh_nvme_close(ctrl), 0);
}

FIBER_TEST(test_descriptors_past_the_end)
{
	uint8_t *list = fake.ns_descriptors;
	for (size_t at = 0; at + 4 <= NVME_IDENTIFY_BYTES; at += 4 + 255) {
		list[at] = 9;
		list[at + 1] = 255; /* the last one reaches past 4096 */
	}
	assert_int_equal(find(1), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        UNIT(test_not_active),
	        UNIT(test_size_zero),
	        UNIT(test_metadata),
	        UNIT(test_protection_information),
	        UNIT(test_block_too_small),
	        UNIT(test_block_too_large),
	        UNIT(test_size_overflows),
	        UNIT(test_format_index_out_of_range),
	        UNIT(test_format_index_high_bits),
	        UNIT(test_one_bad_among_good),
	        UNIT(test_sparse_identifiers),
	        UNIT(test_version_without_list),
	        UNIT(test_fields),
	        UNIT(test_descriptors),
	        UNIT(test_descriptors_past_the_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
