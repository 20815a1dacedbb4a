/* SPDX-License-Identifier: Apache-2.0 */
/* The fault script's language, and service times: what is refused and how, then what is read. */
#include "nvme_rig.h"

static struct nvme_fault_rule rules[NVME_FAULT_RULES_MAX];
static char error[512];

static int
parse(const char *text)
{
	error[0] = '\0';
	return nvme_fault_parse(text, strlen(text), "f", rules, error, sizeof(error));
}

static void
bad_rules_are_named_with_their_line(void **state)
{
	static const struct {
		const char *text, *part;
	} bad[] = {
	        {"delai 5ms", "f:1: 'delai' is neither"},
	        {"\n\nop read", "f:3: a rule ends with an action"},
	        {"delay", "f:1: 'delay' needs a time"},
	        {"delay 5", NULL}, /* nanoseconds: fine */
	        {"delay 5 ms", "f:1: 'ms' after the action"},
	        {"delay 5m", "'delay 5m': a time"},
	        {"delay 9ms..5ms", "A not above B"},
	        {"delay -5ms", "'delay -5ms'"},
	        {"after ios lose", "'after ios': a time was meant"},
	        {"after 0 ios lose", "'after 0'"},
	        {"after x ios lose", "'after x': a number"},
	        {"every 0 lose", "'every 0': a number from 1"},
	        {"every lose", "'every lose'"},
	        {"every", "'every' needs a number"},
	        {"p 1.5 lose", "probability from 0 to 1"},
	        {"p -1 lose", "probability"},
	        {"p lose", "probability"},
	        {"op rewrite lose", "'op rewrite': an I/O opcode"},
	        {"op 256 lose", "'op 256'"},
	        {"queue 70000 lose", "'queue 70000'"},
	        {"ns 0 lose", "'ns 0'"},
	        {"lba 9..3 lose", "'lba 9..3'"},
	        {"lba x lose", "'lba x'"},
	        {"status", "'status '"},
	        {"status 0x800", "'status 0x800'"},
	        {"status 0", "'status 0'"},
	        {"status media", "unrecovered-read"},
	        {"status internal soon", "'soon' after the action"},
	        {"event", "'event '"},
	        {"event lunch", "temperature"},
	        {"misdirect", "'misdirect' needs a number"},
	        {"lose 0", "'lose 0'"},
	        {"lose delay 5ms", "'lose delay'"},
	        {"from 5s until 2s lose", "'until' is before 'from'"},
	        {"at 99999999999999999999s fatal", "'at 99999999999999999999s'"},
	};

	for (size_t i = 0; i < BH_ARRAY_CNT(bad); i++) {
		int cnt = parse(bad[i].text);
		if (!bad[i].part) {
			assert_int_equal(cnt, 1);
			continue;
		}
		assert_int_equal(cnt, -BH_EINVAL);
		if (!strstr(error, bad[i].part))
			fail_msg("'%s' gave: %s", bad[i].text, error);
	}
}

static void
what_is_no_text_is_refused(void **state)
{
	char text[600];

	assert_int_equal(nvme_fault_parse("lose\0x", 6, "f", rules, error, sizeof(error)), -BH_EINVAL);
	memset(text, 'x', sizeof(text));
	assert_int_equal(nvme_fault_parse(text, sizeof(text), "f", rules, error, sizeof(error)), -BH_EINVAL);
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = i % 2 ? ' ' : 'p';
	assert_int_equal(nvme_fault_parse(text, 500, "f", rules, error, sizeof(error)), -BH_EINVAL);
	char *many = malloc(257 * 5 + 1);
	for (int i = 0; i < 257; i++)
		memcpy(many + i * 5, "lose\n", 5);
	assert_int_equal(nvme_fault_parse(many, 257 * 5, "f", rules, error, sizeof(error)), -BH_EINVAL);
	assert_non_null(strstr(error, "f:257: too many rules"));
	assert_int_equal(nvme_fault_parse(many, 256 * 5, "f", rules, error, sizeof(error)), 256);
	free(many);
}

static void
random_text_never_breaks_the_parser(void **state)
{
	static const char *const words[] = {"after", "at",    "from",  "every",    "nth",    "p",     "op",   "queue",
	                                    "ns",    "lba",   "read",  "1000",     "ios",    "5ms",   "0x10", "1..5",
	                                    "..",    "5ms..", "lose",  "delay",    "status", "event", "#",    "\n",
	                                    "\t",    "0.5",   "fatal", "internal", "-1",     "1e9"};
	struct nvme_random random;
	char text[256];

	nvme_random_seed(&random, 1);
	for (int i = 0; i < 20000; i++) {
		size_t used = 0;
		for (uint64_t cnt = nvme_random_below(&random, 12); cnt > 0; cnt--)
			used += (size_t)snprintf(text + used, sizeof(text) - used, "%s ",
			                         words[nvme_random_below(&random, BH_ARRAY_CNT(words))]);
		error[0] = '\0';
		int cnt = nvme_fault_parse(text, used, "f", rules, error, sizeof(error));
		assert_true(cnt >= 0 || strncmp(error, "f:", 2) == 0);
	}
}

static void
nothing_is_no_rule(void **state)
{
	assert_int_equal(parse(""), 0);
	assert_int_equal(parse("\n  \n# only a comment\n\t# another\n"), 0);
}

static void
rules_are_read(void **state)
{
	assert_int_equal(parse("after 1000 ios lose 1\n"
	                       "every 500 delay 5ms..7ms # a comment\r\n"
	                       "at 2s fatal\n"
	                       "op write queue 2 ns 1 lba 16..31 nth 3 status write-fault dnr\n"
	                       "from 1s until 3s p 0.01 op admin hang\n"
	                       "op 0x0d reorder 4\n"
	                       "queue 0 lose\n"
	                       "times 3 stuck-ready\n"),
	                 8);
	assert_int_equal(rules[0].action, NVME_FAULT_LOSE);
	assert_true(rules[0].after_ios == 1000 && rules[0].times == 1 && rules[0].line == 1);
	assert_true(rules[1].every == 500 && rules[1].delay_ns_min == 5000000 && rules[1].delay_ns_max == 7000000);
	assert_true(rules[1].times == NVME_FAULT_UNLIMITED);
	assert_true(rules[2].action == NVME_FAULT_FATAL && rules[2].from_ns == 2000000000 && rules[2].times == 1);
	assert_true(rules[3].op == NVME_NVM_WRITE && rules[3].queue == 2 && rules[3].nsid == 1 && rules[3].nth == 3);
	assert_true(rules[3].lba_min == 16 && rules[3].lba_max == 31 && rules[3].value == NVME_SC_WRITE_FAULT);
	assert_true(rules[3].no_retry);
	assert_true(rules[4].op == NVME_FAULT_OP_ANY_ADM && rules[4].probability == 0.01);
	assert_true(rules[4].from_ns == 1000000000 && rules[4].until_ns == 3000000000);
	assert_true(rules[5].op == 0x0d && rules[5].value == 4);
	assert_true(rules[6].op == NVME_FAULT_OP_ANY_ADM && rules[6].queue == 0);
	assert_true(rules[7].action == NVME_FAULT_STUCK_READY && rules[7].times == 3);
}

static void
every_action_has_a_word_that_is_read(void **state)
{
	for (int action = 0; action < NVME_FAULT_ACTION_CNT; action++) {
		const char *argument = action == NVME_FAULT_DELAY       ? "1us"
		                       : action == NVME_FAULT_STATUS    ? "0x281"
		                       : action == NVME_FAULT_EVENT     ? "spare"
		                       : action == NVME_FAULT_MISDIRECT ? "8"
		                                                        : "";
		char text[64];
		snprintf(text, sizeof(text), "%s %s", nvme_fault_action_name((enum nvme_fault_action)action), argument);
		assert_int_equal(parse(text), 1);
		assert_int_equal(rules[0].action, action);
	}
	assert_string_equal(nvme_fault_action_name((enum nvme_fault_action)99), "unknown");
}

static void
bad_service_times_are_refused(void **state)
{
	static const char *const bad[] = {"",
	                                  "x",
	                                  "-5",
	                                  "5m",
	                                  "61s",
	                                  "uniform",
	                                  "uniform:5",
	                                  "uniform:9:5",
	                                  "uniform:1:2:3",
	                                  "exp:",
	                                  "exp:1:2",
	                                  "lognormal:5us",
	                                  "lognormal:5us:9",
	                                  "lognormal:5us:x",
	                                  "bimodal:1us:2us",
	                                  "bimodal:1us:2us:1.5",
	                                  "bimodal:1us:2us:0.5:1",
	                                  "pareto:1",
	                                  "99999999999999999999",
	                                  "lognormal:5us:0.5us"};
	struct nvme_service service;

	for (size_t i = 0; i < BH_ARRAY_CNT(bad); i++) {
		error[0] = '\0';
		assert_int_equal(nvme_service_parse(bad[i], &service, error, sizeof(error)), -BH_EINVAL);
		assert_non_null(strchr(error, '\''));
	}
}

static double
mean_of(const char *text, double *out_variance)
{
	struct nvme_service service;
	struct nvme_random random;
	double sum = 0, squares = 0;
	const int cnt = 200000;

	assert_int_equal(nvme_service_parse(text, &service, error, sizeof(error)), 0);
	nvme_random_seed(&random, 42);
	for (int i = 0; i < cnt; i++) {
		double x = (double)nvme_service_draw(&service, &random);
		sum += x;
		squares += x * x;
	}
	*out_variance = squares / cnt - sum / cnt * (sum / cnt);
	return sum / cnt;
}

/* Means and variances of the distributions, from the textbook; the seed is fixed, so these cannot fail by chance. */
static void
distributions_have_their_moments(void **state)
{
	double variance;

	assert_true(mean_of("0", &variance) == 0 && variance == 0);
	assert_true(mean_of("80000", &variance) == 80000 && variance == 0);
	assert_in_range(mean_of("uniform:10us:30us", &variance), 19900, 20100);
	assert_in_range(variance, 33333333 * 0.98, 33333333 * 1.02);
	assert_in_range(mean_of("exp:50us", &variance), 49500, 50500);
	assert_in_range(variance, 2.5e9 * 0.97, 2.5e9 * 1.03);
	/* mean = median * exp(sigma^2 / 2) = 100 us * 1.1331 */
	assert_in_range(mean_of("lognormal:100us:0.5", &variance), 112500, 114200);
	/* (exp(sigma^2) - 1) * mean^2 = 0.2840 * 1.2840e10 */
	assert_in_range(variance, 3.647e9 * 0.95, 3.647e9 * 1.05);
	assert_in_range(mean_of("bimodal:10us:1ms:0.1", &variance), 106000, 112000);
}

static void
random_numbers_are_those_of_the_algorithm(void **state)
{
	/* xoshiro256** from the state 1, 2, 3, 4: the first outputs of its authors' reference code. */
	struct nvme_random random = {{1, 2, 3, 4}};
	assert_int_equal(nvme_random_next(&random), 11520);
	assert_int_equal(nvme_random_next(&random), 0);
	assert_int_equal(nvme_random_next(&random), 1509978240);
	assert_int_equal(nvme_random_next(&random), UINT64_C(1215971899390074240));
	for (int i = 0; i < 10000; i++) {
		double unit = nvme_random_unit(&random);
		assert_true(unit >= 0 && unit < 1);
		assert_true(nvme_random_below(&random, 7) < 7);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(bad_rules_are_named_with_their_line),
	        cmocka_unit_test(what_is_no_text_is_refused),
	        cmocka_unit_test(random_text_never_breaks_the_parser),
	        cmocka_unit_test(nothing_is_no_rule),
	        cmocka_unit_test(rules_are_read),
	        cmocka_unit_test(every_action_has_a_word_that_is_read),
	        cmocka_unit_test(bad_service_times_are_refused),
	        cmocka_unit_test(distributions_have_their_moments),
	        cmocka_unit_test(random_numbers_are_those_of_the_algorithm),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
