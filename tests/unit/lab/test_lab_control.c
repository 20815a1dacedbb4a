/* SPDX-License-Identifier: Apache-2.0 */
/* What a machine may say (lab/init/protocol.h), and what ends it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lab/internal.h"

static int
take(struct bh_lab_control *control, const char *text)
{
	return bh_lab_control_take(control, 2, text, strlen(text));
}

static void
test_broken(void **state)
{
	static const char *const bad[] = {
	        "\n",
	        "beats\n",
	        "hello 2\n",
	        "exit\n",
	        "exit 0\n",
	        "exit 256 0 0\n",
	        "exit -1 0 0\n",
	        "exit 0 0 0 0\n",
	        "exit 0 0\n",
	        "exit 0 0 0 \n",
	        "exit 0  0 0\n",
	        "exit 0 0 99999999999999999999\n",
	        "get 2 5\n",
	        "get 0\n",
	        "get -1 5\n",
	        "reboot\n",
	        "unplug nvme0\nunplug nvme1\n",
	        ("0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
	         "0123456789012345678901234567")};
	for (size_t i = 0; i < BH_ARRAY_CNT(bad); i++) {
		struct bh_lab_control control = {0};
		assert_int_equal(take(&control, "hello 2\n"), 0);
		if (take(&control, bad[i]) != -EPROTO)
			fail_msg("'%s' was taken", bad[i]);
	}
}

static void
test_before_hello(void **state)
{
	static const char *const bad[] = {"beat\n", "exit 0 0 0\n", "hello 1\n", "hello 22\n", "unplug nvme0\n"};
	for (size_t i = 0; i < BH_ARRAY_CNT(bad); i++) {
		struct bh_lab_control control = {0};
		assert_int_equal(take(&control, bad[i]), -EPROTO);
		assert_false(control.ready);
		assert_false(control.ended);
	}
	struct bh_lab_control control = {0};
	assert_int_equal(bh_lab_control_take(&control, 0, "hel\0lo", 6), -EPROTO);
}

static void
test_a_session(void **state)
{
	struct bh_lab_control control = {0};
	assert_int_equal(take(&control, "hel"), 0);
	assert_false(control.ready);
	assert_int_equal(take(&control, "lo 2\nbeat\nbeat\nunplug nv"), 0);
	assert_true(control.ready);
	assert_string_equal(control.ask, "");
	assert_int_equal(take(&control, "me0\n"), 0);
	assert_string_equal(control.ask, "unplug nvme0");
	control.ask[0] = '\0';
	assert_int_equal(take(&control, "plug nvme0\nget 1 10240\n"), 0);
	assert_string_equal(control.ask, "plug nvme0");
	assert_int_equal(control.get_cnt[1], 10240);
	assert_false(control.ended);
	assert_int_equal(take(&control, "exit 137 12 18446744073709551615\n"), 0);
	assert_true(control.ended);
	assert_int_equal(control.exit_code, 137);
	assert_int_equal(control.out_cnt, 12);
	assert_true(control.err_cnt == UINT64_MAX);
	assert_int_equal(take(&control, "exit 0 0 0\n"), -EPROTO); /* it was the last line */
	assert_int_equal(control.exit_code, 137);
}

/* Any bytes: no line is longer than its buffer, no number goes past its array. */
static void
test_noise(void **state)
{
	static const char *const word[] = {"hello 2\n", "get ",    "exit ",  "1 ",   "9",
	                                   "\n",        "unplug ", "beat\n", "\xff", "x"};
	srand(1);
	for (int round = 0; round < 20000; round++) {
		struct bh_lab_control control = {0};
		int err = 0;
		for (int i = 0; i < 40 && err == 0; i++)
			err = take(&control, word[(size_t)rand() % BH_ARRAY_CNT(word)]);
		assert_true(err == 0 || err == -EPROTO);
		assert_true(control.used < sizeof(control.line));
		assert_in_range(control.exit_code, 0, 255);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_broken),
	        cmocka_unit_test(test_before_hello),
	        cmocka_unit_test(test_a_session),
	        cmocka_unit_test(test_noise),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
