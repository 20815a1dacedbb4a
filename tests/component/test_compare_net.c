/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compare net from end to end, for a moment: each way is tried, the report is whole, both namespaces are gone. Nothing here
 * looks at how fast anything was.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "tests/component/command.h"

static const char *bulkhead;

static int
run(const char *const *argv, struct command_result *result)
{
	command_run(argv, 200000, result);
	return result->exit_code;
}

static void
what_is_not_nets_is_refused(void **unused)
{
	static const char *const option[] = {"--destructive", "--prove", "0000:01:00.0", "--generator=/dev/null",
	                                     "--latency-rate=0"};
	for (size_t i = 0; i < 5; i++) {
		const char *argv[] = {bulkhead, "compare", "net", option[i], NULL};
		struct command_result result;
		assert_int_equal(run(argv, &result), 2);
		command_result_free(&result);
	}
}

static void
write_config(const char *path, const char *app, const char *cpus, const char *ports, const char *more)
{
	FILE *file = fopen(path, "we");
	assert_non_null(file);
	fprintf(file, "[cell]\napp = %s\ncpus = %s\n%s[%s]\n%s", app, cpus, ports, app, more);
	assert_int_equal(fclose(file), 0);
}

#define CARD(name, address) "[port " name "]\nbackend = vfio\naddress = " address "\n"
#define NO_CARD(name)       "[port " name "]\nbackend = null\n"
#define TWO(a, b)           CARD("p0", a) CARD("p1", b)
#define DUT                 TWO("7e:00.0", "7e:00.1")
#define JOINED              "a = p0\nb = p1\n"
#define SENDS               "tx = p0\nrx = p1\n"

/* Both files are read before anything of the machine is looked at; the cards are nobody's. */
static void
configurations_that_do_not_fit_are_refused(void **unused)
{
	static const struct {
		const char *app, *cpus, *ports, *more;
		const char *generator, *generator_cpus, *generator_ports, *generator_more; /* NULL: no option */
		const char *id, *what;
	} bad[] = {
	        {"xconnect", "0", DUT, JOINED, NULL, NULL, NULL, NULL, "BH-E383", "--generator"},
	        {"xconnect", "0", DUT, JOINED, "", NULL, NULL, NULL, "BH-E383", "cannot be read"},
	        {"xconnect", "0", CARD("p0", "7e:00.0"), "a = p0\nb = p0\n", NULL, NULL, NULL, NULL, "BH-E382",
	         "two ports"},
	        {"xconnect", "0", CARD("p0", "7e:00.0"), "a = p0\nb = p9\n", NULL, NULL, NULL, NULL, "BH-E382",
	         "it has 1"},
	        {"xconnect", "0", CARD("p0", "7e:00.0") NO_CARD("p1"), JOINED, NULL, NULL, NULL, NULL, "BH-E382",
	         "is no card"},
	        {"xconnect", "0", TWO("7e:00.0", "0000:7e:00.0"), JOINED, NULL, NULL, NULL, NULL, "BH-E382",
	         "both ports are"},
	        {"xconnect", "0,1", DUT, JOINED, NULL, NULL, NULL, NULL, "BH-E382", "each side gets one"},
	        {"xconnect", "0", DUT, JOINED "mode = macswap\n", NULL, NULL, NULL, NULL, "BH-E382", "mode = forward"},
	        {"fwd", "0", DUT, "mode = switch\n", NULL, NULL, NULL, NULL, "BH-E382", "mode = router"},
	        {"pktgen", "0", DUT, SENDS, NULL, NULL, NULL, NULL, "BH-E382", "xconnect or fwd"},
	        {"xconnect", "0", DUT, JOINED, "xconnect", "1", TWO("7f:00.0", "7f:00.1"), JOINED, "BH-E383",
	         "pktgen was meant"},
	        {"xconnect", "0", DUT, JOINED, "pktgen", "1", TWO("7f:00.0", "7e:00.1"), SENDS, "BH-E383",
	         "two more cards"},
	        {"xconnect", "0", DUT, JOINED, "pktgen", "1", TWO("7f:00.0", "7f:00.0"), SENDS, "BH-E383",
	         "two more cards"},
	        {"xconnect", "0", DUT, JOINED, "pktgen", "1", TWO("7f:00.0", "7f:00.1"), "tx = p0\nrx = p0\n",
	         "BH-E383", "one each"},
	        {"xconnect", "0", DUT, JOINED, "pktgen", "0", TWO("7f:00.0", "7f:00.1"), SENDS, "BH-E383",
	         "a CPU of its own"},
	        {"fwd", "0", DUT, "", "pktgen", "1", TWO("7f:00.0", "7f:00.1"), SENDS, "BH-E100", "7e:00.0"},
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char dir[] = "/tmp/bh-compare-net.XXXXXX", file[64], generator[64];
		assert_non_null(mkdtemp(dir));
		snprintf(file, sizeof(file), "%s/cell.conf", dir);
		snprintf(generator, sizeof(generator), "%s/generator.conf", dir);
		write_config(file, bad[i].app, bad[i].cpus, bad[i].ports, bad[i].more);
		if (bad[i].generator != NULL && bad[i].generator[0] != '\0')
			write_config(generator, bad[i].generator, bad[i].generator_cpus, bad[i].generator_ports,
			             bad[i].generator_more);
		const char *with[] = {bulkhead,  "compare",  "net", file, "--generator",
		                      generator, "--report", dir,   NULL};
		const char *without[] = {bulkhead, "compare", "net", file, "--report", dir, NULL};
		struct command_result result;
		int code = run(bad[i].generator != NULL ? with : without, &result);
		if (code != 2 || strstr(result.err, bad[i].id) == NULL || strstr(result.err, bad[i].what) == NULL)
			fail_msg("case %zu: exit code %d: %s", i, code, result.err);
		command_result_free(&result);
		const char *clean[] = {"/bin/rm", "-r", dir, NULL};
		assert_int_equal(run(clean, &result), 0);
		command_result_free(&result);
	}
}

static void
what_they_mean_is_explained(void **unused)
{
	static const char *const id[] = {"E382", "E383", "E384"};
	for (size_t i = 0; i < 3; i++) {
		const char *argv[] = {bulkhead, "explain", id[i], NULL};
		struct command_result result;
		assert_int_equal(run(argv, &result), 0);
		assert_non_null(strstr(result.out, "vfio"));
		command_result_free(&result);
	}
}

/* What the cells and the programs of a comparison said: of a run that failed nothing else tells the cause. */
static void
print_errors(const char *dir, const char *report_text)
{
	json_t *report = json_loads(report_text, 0, NULL), *one;
	size_t i;
	json_array_foreach(json_object_get(report, "runs"), i, one)
	{
		const char *failure = json_string_value(json_object_get(one, "failure"));
		if (failure != NULL)
			fprintf(stderr, "%s: %s\n", json_string_value(json_object_get(one, "raw")), failure);
	}
	json_decref(report);
	char text[200];
	snprintf(text, sizeof(text),
	         "cd %s/raw && for i in *.err; do [ -s $i ] && echo \"$i:\" && tail -n 20 $i; done; true", dir);
	const char *argv[] = {"/bin/sh", "-c", text, NULL};
	struct command_result result;
	(void)run(argv, &result);
	fprintf(stderr, "%s", result.out);
	command_result_free(&result);
}

static size_t
runs_of(const json_t *report, const char *side, bool *out_all_ok)
{
	size_t i, cnt = 0;
	const json_t *one;
	json_array_foreach(json_object_get(report, "runs"), i, one)
	{
		/* A way that this kernel cannot go may fail when it is tried. */
		if (strcmp(json_string_value(json_object_get(one, "side")), side) != 0 ||
		    json_is_true(json_object_get(one, "tuning")))
			continue;
		cnt++;
		*out_all_ok &= json_is_true(json_object_get(one, "ok"));
	}
	return cnt;
}

static void
a_comparison_reports_and_leaves_nothing(void **unused)
{
	char dir[] = "/tmp/bh-compare-net.XXXXXX", path[64];
	assert_non_null(mkdtemp(dir));
	const char *argv[] = {bulkhead, "compare", "net",     "--quick",  "--runs", "1", "--duration",
	                      "400ms",  "--json",  "--quiet", "--report", dir,      NULL};
	struct command_result result;
	json_error_t error;
	bool ok = true;
	int code = run(argv, &result);
	if (code != 0) {
		fprintf(stderr, "%s", result.err);
		print_errors(dir, result.out);
	}
	assert_int_equal(code, 0);
	json_t *report = json_loads(result.out, 0, &error);
	assert_non_null(report);
	assert_true(runs_of(report, "B", &ok) == 2 && runs_of(report, "A", &ok) >= 2);
	assert_true(ok);
	snprintf(path, sizeof(path), "%s/report.html", dir);
	FILE *page = fopen(path, "re");
	assert_non_null(page);
	fclose(page);
	json_decref(report);
	command_result_free(&result);
	const char *gone[] = {"/bin/sh", "-c", "! ip netns | grep bh-cmp", NULL};
	assert_int_equal(run(gone, &result), 0);
	command_result_free(&result);
	const char *clean[] = {"/bin/rm", "-rf", dir, NULL};
	assert_int_equal(run(clean, &result), 0);
	command_result_free(&result);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(what_is_not_nets_is_refused),
	        cmocka_unit_test(configurations_that_do_not_fit_are_refused),
	        cmocka_unit_test(what_they_mean_is_explained),
	        cmocka_unit_test(a_comparison_reports_and_leaves_nothing),
	};
	if (argc != 2) {
		fprintf(stderr, "usage: test_compare_net BULKHEAD\n");
		return 2;
	}
	bulkhead = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
