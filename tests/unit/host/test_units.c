/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "host/run/config.h"
#include "host/run/units.h"

static void
test_bad_sizes(void **state)
{
	static const char *const bad[] = {"", "K", "-1", "+1", " 1", "1 Q", "1KK", "1.5G", "0x", "1k", "ten", "1G "};
	uint64_t bytes;
	(void)state;
	for (size_t i = 0; i < BH_ARRAY_CNT(bad); i++)
		assert_int_equal(bh_parse_size(bad[i], &bytes), -EINVAL);
	assert_int_equal(bh_parse_size("18446744073709551616", &bytes), -ERANGE);
	assert_int_equal(bh_parse_size("17179869184G", &bytes), -ERANGE);
}

static void
test_sizes(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {{"0", 0},
	            {"1", 1},
	            {"0x10", 16},
	            {"4096", 4096},
	            {"64K", 65536},
	            {"64 K", 65536},
	            {"1M", 1048576},
	            {"2MiB", 2097152},
	            {"1G", 1073741824},
	            {"1T", UINT64_C(1099511627776)},
	            {"17179869183G", UINT64_C(18446744072635809792)},
	            {"18446744073709551615", UINT64_MAX}};
	(void)state;
	for (size_t i = 0; i < BH_ARRAY_CNT(good); i++) {
		uint64_t bytes = 77;
		assert_int_equal(bh_parse_size(good[i].text, &bytes), 0);
		assert_int_equal(bytes, good[i].bytes);
	}
}

static void
test_durations(void **state)
{
	static const char *const bad[] = {"", "10", "10 sec", "s", "-1s", "1h", "1.5s"};
	uint64_t ns;
	(void)state;
	for (size_t i = 0; i < BH_ARRAY_CNT(bad); i++)
		assert_int_equal(bh_parse_duration_ns(bad[i], &ns), -EINVAL);
	assert_int_equal(bh_parse_duration_ns("18446744074s", &ns), -ERANGE);
	assert_int_equal(bh_parse_duration_ns("0", &ns), 0);
	assert_int_equal(ns, 0);
	assert_int_equal(bh_parse_duration_ns("100ns", &ns), 0);
	assert_int_equal(ns, 100);
	assert_int_equal(bh_parse_duration_ns("20us", &ns), 0);
	assert_int_equal(ns, 20000);
	assert_int_equal(bh_parse_duration_ns("500ms", &ns), 0);
	assert_int_equal(ns, 500000000);
	assert_int_equal(bh_parse_duration_ns("10s", &ns), 0);
	assert_int_equal(ns, 10000000000);
}

static void
test_bad_cpus(void **state)
{
	static const char *const bad[] = {"",    ",",   "1,",    ",1",    "1-",     "-1",
	                                  "3-1", "1;2", "auto2", "auto:", "auto:x", "a"};
	uint16_t cpu[BH_CORES_MAX];
	uint32_t cnt;
	bool is_auto;
	(void)state;
	for (size_t i = 0; i < BH_ARRAY_CNT(bad); i++)
		assert_int_equal(bh_parse_cpus(bad[i], &is_auto, cpu, &cnt), -EINVAL);
	assert_int_equal(bh_parse_cpus("1,2,1", &is_auto, cpu, &cnt), -EEXIST);
	assert_int_equal(bh_parse_cpus("0-3,2", &is_auto, cpu, &cnt), -EEXIST);
	assert_int_equal(bh_parse_cpus("0-64", &is_auto, cpu, &cnt), -ERANGE);
	assert_int_equal(bh_parse_cpus("70000", &is_auto, cpu, &cnt), -ERANGE);
	assert_int_equal(bh_parse_cpus("auto:0", &is_auto, cpu, &cnt), -ERANGE);
	assert_int_equal(bh_parse_cpus("auto:65", &is_auto, cpu, &cnt), -ERANGE);
	/* Must end, and soon. */
	assert_int_equal(bh_parse_cpus("0-18446744073709551615", &is_auto, cpu, &cnt), -ERANGE);
}

static void
test_cpus(void **state)
{
	uint16_t cpu[BH_CORES_MAX];
	uint32_t cnt;
	bool is_auto;
	(void)state;
	assert_int_equal(bh_parse_cpus("auto", &is_auto, cpu, &cnt), 0);
	assert_true(is_auto);
	assert_int_equal(cnt, 1);
	assert_int_equal(bh_parse_cpus("auto:4", &is_auto, cpu, &cnt), 0);
	assert_int_equal(cnt, 4);
	assert_int_equal(bh_parse_cpus("0-63", &is_auto, cpu, &cnt), 0);
	assert_false(is_auto);
	assert_int_equal(cnt, 64);
	assert_int_equal(cpu[63], 63);
	assert_int_equal(bh_parse_cpus("7,0, 4-5", &is_auto, cpu, &cnt), 0);
	assert_int_equal(cnt, 4);
	assert_int_equal(cpu[0], 7);
	assert_int_equal(cpu[3], 5);
}

static void
test_distance(void **state)
{
	char text[100];
	(void)state;
	assert_int_equal(bh_text_distance("", ""), 0);
	assert_int_equal(bh_text_distance("arena", "arena"), 0);
	assert_int_equal(bh_text_distance("arena", ""), 5);
	assert_int_equal(bh_text_distance("kitten", "sitting"), 3);
	assert_int_equal(bh_text_distance("cpu", "cpus"), 1);
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	assert_true(bh_text_distance(text, "x") >= 63);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_bad_sizes), cmocka_unit_test(test_sizes), cmocka_unit_test(test_durations),
	        cmocka_unit_test(test_bad_cpus),  cmocka_unit_test(test_cpus),  cmocka_unit_test(test_distance),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
