/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/core/unit.h"
#include <errno.h>

static void
test_errors_equal_errno(void **state)
{
	static const struct {
		int ours, errno_value;
	} pairs[] = {
	        {BH_EPERM, EPERM},         {BH_ENOENT, ENOENT},       {BH_EIO, EIO},
	        {BH_E2BIG, E2BIG},         {BH_EAGAIN, EAGAIN},       {BH_ENOMEM, ENOMEM},
	        {BH_EFAULT, EFAULT},       {BH_EBUSY, EBUSY},         {BH_EEXIST, EEXIST},
	        {BH_ENODEV, ENODEV},       {BH_EINVAL, EINVAL},       {BH_ENOSPC, ENOSPC},
	        {BH_ERANGE, ERANGE},       {BH_ENOSYS, ENOSYS},       {BH_EPROTO, EPROTO},
	        {BH_EOVERFLOW, EOVERFLOW}, {BH_EILSEQ, EILSEQ},       {BH_EOPNOTSUPP, EOPNOTSUPP},
	        {BH_ETIMEDOUT, ETIMEDOUT}, {BH_ECANCELED, ECANCELED},
	};
	for (size_t i = 0; i < BH_ARRAY_CNT(pairs); i++)
		assert_int_equal(pairs[i].ours, pairs[i].errno_value);
}

static void
test_power_of_two_helpers(void **state)
{
	assert_false(BH_IS_POW2(0u));
	assert_false(BH_IS_POW2(12u));
	assert_true(BH_IS_POW2(1u));
	assert_true(BH_IS_POW2(UINT64_C(1) << 63));
	assert_int_equal(BH_ALIGN_UP(UINT64_C(4097), 4096), 8192);
	assert_int_equal(BH_ALIGN_UP(UINT64_C(4096), 4096), 4096);
	assert_int_equal(BH_ALIGN_DOWN(UINT64_C(8191), 4096), 4096);
	/* The mask must be as wide as the value. */
	assert_int_equal(BH_ALIGN_UP((UINT64_C(1) << 40) + 1, 4096), (UINT64_C(1) << 40) + 4096);
	assert_int_equal(BH_ALIGN_DOWN((UINT64_C(1) << 40) + 1, 4096u), UINT64_C(1) << 40);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_errors_equal_errno),
	        cmocka_unit_test(test_power_of_two_helpers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
