/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/host/fake_guard.h"

struct bh_bind_finding guard_finding[BH_BIND_FINDINGS_MAX];

int
guard_check(const char *address)
{
	struct bh_error error;
	int cnt = bh_bind_check(fake.root, address, guard_finding, &error);
	for (int i = 0; i < cnt; i++)
		print_message("  %s: %s\n", guard_finding[i].reason, guard_finding[i].evidence);
	return cnt;
}

void
guard_only(const char *address, const char *reason, const char *evidence)
{
	assert_int_equal(guard_check(address), 1);
	assert_string_equal(guard_finding[0].reason, reason);
	assert_non_null(strstr(guard_finding[0].evidence, evidence));
}
