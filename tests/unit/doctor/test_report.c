/* SPDX-License-Identifier: Apache-2.0 */
/* The whole report: an empty machine, a healthy one; the table, the text and the JSON. */
#include <ctype.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/doctor/patient.h"

static void
what_there_is_no_check_of_is_refused(void **state)
{
	(void)state;
	assert_int_equal(patient_look("ir"), -EINVAL);
	assert_string_equal(patient.error.id, "E260");
	assert_non_null(strstr(patient.error.text, "cpu, irq, net, kernel"));
	assert_int_equal(patient_look(""), -EINVAL);
	assert_null(bh_check_find("irq"));
}

static void
an_empty_machine_is_unknown_and_nothing_is_made_up(void **state)
{
	(void)state;
	fake_tree_remove(patient.root);
	fake_tree_make(patient.root);
	memset(&patient.machine, 0, sizeof(patient.machine));
	assert_int_equal(patient_look(NULL), 0);
	for (uint32_t i = 0; i < patient.report.finding_cnt; i++) {
		const struct bh_finding *finding = &patient.report.finding[i];
		if (finding->value[0] == '\0' || finding->evidence[0] == '\0')
			fail_msg("%s: '%s' [%s]", finding->check->id, finding->value, finding->evidence);
	}
	assert_int_equal(patient_finding("cpu.wanted")->state, BH_FINDING_UNKNOWN);
	assert_int_equal(patient_finding("mm.ksm")->state, BH_FINDING_UNKNOWN);
	assert_int_equal(patient_finding("clock.tsc")->state, BH_FINDING_UNKNOWN);
	assert_true(patient.report.cnt[BH_FINDING_UNKNOWN] > 30);
}

static void
a_healthy_machine_has_no_complaints(void **state)
{
	(void)state;
	assert_int_equal(patient_look(NULL), 0);
	for (uint32_t i = 0; i < patient.report.finding_cnt; i++) {
		const struct bh_finding *finding = &patient.report.finding[i];
		if (finding->state == BH_FINDING_WARN || finding->state == BH_FINDING_FAIL ||
		    (finding->state == BH_FINDING_UNKNOWN && strcmp(finding->check->id, "irq.irqbalance") != 0))
			fail_msg("%s is %s: %s [%s]", finding->check->id, bh_finding_state_name(finding->state),
			         finding->value, finding->evidence);
	}
	assert_int_equal(patient.report.apply_cnt, 0);
}

static void
without_a_configuration_isolated_cpus_are_judged(void **state)
{
	(void)state;
	bh_wants_none(&patient.wants);
	patient.file = NULL;
	assert_int_equal(patient_look(NULL), 0);
	assert_string_equal(patient.report.cpus, "2-3");
	assert_true(patient.report.cpus_isolated_now);
	assert_int_equal(patient.report.cnt[BH_FINDING_FAIL], 0);
	fake_file(patient.root, "/sys/devices/system/cpu/isolated", "\n");
	fake_file(patient.root, "/sys/fs/cgroup/bulkhead/cpuset.cpus.partition", "member\n");
	assert_int_equal(patient_look(NULL), 0);
	assert_string_equal(patient.report.cpus, "");
	assert_int_equal(patient_finding("irq.affinity")->state, BH_FINDING_NOT_NEEDED);
	assert_non_null(strstr(patient.report.advice, "--cpus"));
}

static void
the_table_is_in_order(void **state)
{
	const struct bh_check *check;
	char area[16], last[16] = "", seen[512] = "";
	size_t cnt = 0;
	(void)state;
	for (; (check = bh_check_at(cnt)) != NULL; cnt++) {
		assert_ptr_equal(bh_check_find(check->id), check);
		assert_true(strlen(check->id) <= 25);
		for (const char *c = check->id; *c != '\0'; c++)
			assert_true(islower((unsigned char)*c) || isdigit((unsigned char)*c) ||
			            strchr("._", *c) != NULL);
		assert_true(strlen(check->title) > 5 && strlen(check->why) > 20 && strlen(check->page) > 40);
		bh_check_area(check, area);
		if (strcmp(area, last) != 0) { /* each area in one piece */
			char word[20];
			snprintf(word, sizeof(word), " %s ", area);
			assert_null(strstr(seen, word));
			strcat(seen, word);
		}
		memcpy(last, area, sizeof(last));
	}
	assert_true(cnt >= 45);
}

static char *
printed(const struct bh_doctor_style *style)
{
	char *text = NULL;
	size_t bytes;
	FILE *stream = open_memstream(&text, &bytes);
	assert_non_null(stream);
	bh_doctor_print(&patient.report, stream, style);
	fclose(stream);
	return text;
}

static void
the_text_fits_and_has_colours_only_where_wanted(void **state)
{
	(void)state;
	fake_file(patient.root, "/proc/irq/24/smp_affinity_list", "0-3\n");
	fake_file(patient.root, "/proc/irq/24/effective_affinity_list", "3\n");
	assert_int_equal(patient_look(NULL), 0);
	char *text = printed(&(struct bh_doctor_style){.columns = 100, .all = true});
	assert_null(strchr(text, '\033'));
	for (const char *line = text; *line != '\0'; line += strcspn(line, "\n") + 1) {
		if (strcspn(line, "\n") > 100)
			fail_msg("too long: %.*s", (int)strcspn(line, "\n"), line);
	}
	assert_non_null(strstr(text, "bulkhead apply x.conf"));
	free(text);
	text = printed(&(struct bh_doctor_style){.columns = 100, .colour = true});
	assert_non_null(strstr(text, "\033[31mFAIL"));
	assert_non_null(strstr(text, "1 fail, 0 warn"));
	free(text);
}

static void
the_json_has_all_of_it(void **state)
{
	(void)state;
	fake_file(patient.root, "/proc/irq/24/smp_affinity_list", "0-3\n");
	assert_int_equal(patient_look("irq"), 0);
	json_t *json = bh_doctor_json(&patient.report);
	assert_non_null(json);
	json_t *checks = json_object_get(json, "checks"), *first = json_array_get(checks, 0);
	assert_int_equal(json_array_size(checks), 5);
	assert_string_equal(json_string_value(json_object_get(first, "id")), "irq.affinity");
	assert_string_equal(json_string_value(json_object_get(first, "area")), "irq");
	assert_string_equal(json_string_value(json_object_get(first, "state")), "warn");
	assert_string_equal(json_string_value(json_object_get(first, "fix")), "bulkhead apply x.conf");
	static const char *const key[] = {"title", "value", "evidence", "why"};
	for (size_t i = 0; i < BH_ARRAY_CNT(key); i++)
		assert_true(json_string_length(json_object_get(first, key[i])) > 0);
	assert_int_equal(json_array_size(json_object_get(first, "details")), 1);
	json_t *summary = json_object_get(json, "summary");
	assert_int_equal(json_integer_value(json_object_get(summary, "warn")), 1);
	assert_int_equal(json_integer_value(json_object_get(summary, "mended_by_apply")), 1);
	json_decref(json);
}

int
main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, patient_arrives, patient_leaves)
	const struct CMUnitTest tests[] = {
	        TEST(what_there_is_no_check_of_is_refused),
	        TEST(an_empty_machine_is_unknown_and_nothing_is_made_up),
	        TEST(a_healthy_machine_has_no_complaints),
	        TEST(without_a_configuration_isolated_cpus_are_judged),
	        TEST(the_table_is_in_order),
	        TEST(the_text_fits_and_has_colours_only_where_wanted),
	        TEST(the_json_has_all_of_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
