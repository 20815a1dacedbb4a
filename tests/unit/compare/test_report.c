/* SPDX-License-Identifier: Apache-2.0 */
/* The page, the JSON and the table of a comparison whose every text is hostile. */
#include "tests/unit/compare/common.h"

#include "host/compare/html.h"
#include "tests/unit/compare/session.h"

static char *page;

static char *
render(void (*report)(const struct bh_session *, FILE *), const struct bh_session *session)
{
	char *text = NULL;
	size_t bytes;
	FILE *stream = open_memstream(&text, &bytes);
	report(session, stream);
	fclose(stream);
	return text;
}

static void
escaping(void **state)
{
	char *text = NULL;
	size_t bytes;
	(void)state;
	FILE *stream = open_memstream(&text, &bytes);
	bh_html_text(stream, "<a href=\"x\" b='y'>&amp;\x01\x7f\n</a>");
	fclose(stream);
	assert_string_equal(text, "&lt;a href=&quot;x&quot; b=&#39;y&#39;&gt;&amp;amp;&#xfffd;&#xfffd;\n&lt;/a&gt;");
	free(text);
}

static unsigned
cnt_of(const char *text, const char *word)
{
	unsigned cnt = 0;
	for (; (text = strstr(text, word)) != NULL; text += strlen(word))
		cnt++;
	return cnt;
}

static void
hostile(struct bh_session *session)
{
	static const char evil[] = "</td><script>alert(1)</script>\"'";
	strcpy(session->target.model, evil);
	strcpy(session->target.serial, evil);
	strcpy(session->machine.cmdline, evil);
	strcpy(session->machine.cpu_model, evil);
	strcpy(session->iommu, evil);
	strcpy(session->restore.entry[0].path, evil);
	strcpy(session->restore.entry[0].before, evil);
	strcpy(session->restore.entry[0].why_not, evil);
	session->restore.entry_cnt = 1;
	strcpy(session->failure.text, evil);
	json_object_set_new(session->machine.mitigations, evil, json_string(evil));
	bh_session_note(session, "%s", evil);
	struct bh_run *run = fake_run(session, 0, BH_SIDE_LINUX, 0, 1, 1);
	run->ok = false;
	strcpy(run->why_not, evil);
	run = fake_run(session, 0, BH_SIDE_LINUX, 1, 1, 1);
	free(run->command);
	run->command = strdup(evil);
}

static void
nothing_hostile_gets_into_the_page(void **state)
{
	struct bh_session *session = fake_open();
	(void)state;
	fake_pairs(session, 2, 6);
	hostile(session);
	assert_int_equal(bh_summarize(session), 0);
	bh_judge(session);
	page = render(bh_report_html, session);
	assert_null(strstr(page, "<script"));
	assert_true(cnt_of(page, "&lt;script&gt;") >= 10);
	assert_non_null(strstr(page, "not complete"));
	free(page);
	fake_close(session);
}

/* One file: no link, no script, no picture from elsewhere, and every element that opens closes. */
static void
page_stands_alone(void **state)
{
	static const char *const never[] = {"http:", "https:",  "src=", "href=",   "<script", "<link",
	                                    "<img",  "@import", "url(", "<iframe", "nan",     "inf\""};
	static const char *const paired[] = {"table", "tr",      "td", "th", "figure", "svg",
	                                     "main",  "details", "h2", "dl", "ul"};
	struct bh_session *session = fake_open();
	char open[16], close[16];
	(void)state;
	session->machine.kind = BH_MACHINE_EMULATOR;
	fake_pairs(session, 4, 6);
	assert_int_equal(bh_summarize(session), 0);
	bh_judge(session);
	page = render(bh_report_html, session);
	for (size_t i = 0; i < BH_ARRAY_CNT(never); i++)
		assert_null(strstr(page, never[i]));
	for (size_t i = 0; i < BH_ARRAY_CNT(paired); i++) {
		snprintf(open, sizeof(open), "<%s", paired[i]);
		snprintf(close, sizeof(close), "</%s>", paired[i]);
		unsigned opened = cnt_of(page, open);
		if (strcmp(paired[i], "th") == 0)
			opened -= cnt_of(page, "<thead");
		assert_int_equal(opened, cnt_of(page, close));
	}
	assert_int_equal(cnt_of(page, "<svg"), 5);
	assert_non_null(strstr(page, "emulator&#39;s figures") != NULL ? page : strstr(page, "emulator's figures"));
	assert_non_null(strstr(page, "not measured here"));
	free(page);
	fake_close(session);
}

/* Before a single run, and after failed ones only. */
static void
empty_comparisons(void **state)
{
	struct bh_session *session = fake_open();
	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(bh_summarize(session), 0);
		bh_judge(session);
		page = render(bh_report_html, session);
		assert_null(strstr(page, "<svg"));
		free(page);
		page = render(bh_report_text, session);
		assert_non_null(strstr(page, "not measured here"));
		free(page);
		fake_run(session, 0, BH_SIDE_CELL, 1, 1, 1)->ok = false;
	}
	fake_close(session);
}

/* A histogram of one value, and one of the greatest: the charts stay finite. */
static void
odd_histograms(void **state)
{
	struct bh_session *session = fake_open();
	(void)state;
	for (uint32_t round = 1; round <= 3; round++) {
		fake_run(session, 0, BH_SIDE_LINUX, round, 0.001, UINT64_C(1) << 40);
		fake_run(session, 0, BH_SIDE_CELL, round, 1e9, 0);
	}
	assert_int_equal(bh_summarize(session), 0);
	bh_judge(session);
	page = render(bh_report_html, session);
	assert_null(strstr(page, "nan"));
	assert_null(strstr(page, "inf,"));
	free(page);
	fake_close(session);
}

static void
json_has_every_run_with_its_histogram(void **state)
{
	struct bh_session *session = fake_open();
	size_t i;
	json_t *run;
	(void)state;
	fake_pairs(session, 2, 6);
	session->run[3].ok = false;
	strcpy(session->run[3].why_not, "it fell");
	assert_int_equal(bh_summarize(session), 0);
	bh_judge(session);
	json_t *root = bh_report_json(session);
	assert_non_null(root);
	assert_int_equal(json_array_size(json_object_get(root, "runs")), session->run_cnt);
	json_array_foreach(json_object_get(root, "runs"), i, run)
	{
		const json_t *bins = json_object_get(json_object_get(run, "histogram"), "bins");
		assert_non_null(json_object_get(run, "command"));
		if (i == 3)
			assert_string_equal(json_string_value(json_object_get(run, "failure")), "it fell");
		else
			assert_int_equal(json_object_size(bins), 1);
	}
	assert_non_null(json_object_get(json_object_get(root, "machine"), "mitigations"));
	assert_non_null(json_object_get(json_object_get(root, "machine"), "cmdline"));
	assert_int_equal(json_array_size(json_object_get(root, "verdicts")), 4);
	json_decref(root);
	fake_close(session);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(escaping),          cmocka_unit_test(nothing_hostile_gets_into_the_page),
	        cmocka_unit_test(page_stands_alone), cmocka_unit_test(empty_comparisons),
	        cmocka_unit_test(odd_histograms),    cmocka_unit_test(json_has_every_run_with_its_histogram),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
