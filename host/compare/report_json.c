/* SPDX-License-Identifier: Apache-2.0 */
/* report.json, and the files beside it. */
#include <errno.h>
#include <string.h>

#include "host/compare/session.h"
#include "host/compare/text.h"
#include "host/errors/errors.h"

static const double percents[] = {50, 90, 99, 99.9, 99.99};
static const char *const percent_key[] = {"p50", "p90", "p99", "p99_9", "p99_99"};

static json_t *
latency_json(const struct bh_lat_hist *hist)
{
	json_t *latency =
	        json_pack("{s:f, s:f, s:f}", "min", hist->min_ns, "mean", bh_lat_mean(hist), "max", hist->max_ns);
	for (size_t i = 0; i < BH_ARRAY_CNT(percents); i++)
		json_object_set_new(latency, percent_key[i], json_real(bh_lat_percentile(hist, percents[i])));
	return latency;
}

static json_t *
histogram_json(const struct bh_run *run)
{
	const struct bh_figures *figures = &run->figures;
	if (figures->tsc_hz <= 0)
		return json_pack("{s:s, s:s, s:o}", "scheme", "fio json+", "key", "middle of the bucket, ns", "bins",
		                 bh_lat_json(&figures->hist));
	return json_pack("{s:s, s:s, s:I, s:o}", "scheme", "bulkhead", "key", "lowest value of the bucket, cycles",
	                 "tsc_hz", (json_int_t)figures->tsc_hz, "bins", bh_lat_json(&figures->hist));
}

static json_t *
run_json(const struct bh_session *session, const struct bh_run *run)
{
	const struct bh_figures *figures = &run->figures;
	json_t *out = json_pack("{s:s, s:s, s:i, s:b, s:s*, s:s, s:s, s:b}", "case", session->cases[run->case_idx].name,
	                        "side", run->side == BH_SIDE_LINUX ? "A" : "B", "round", (int)run->round, "tuning",
	                        run->round == 0, "way", bh_way_name(session, run->variant_idx), "command", run->command,
	                        "raw", run->raw, "ok", run->ok);
	if (!run->ok) {
		json_object_set_new(out, "failure", json_string(run->why_not));
		return out;
	}
	json_object_set_new(out, "iops", json_real(figures->iops));
	json_object_set_new(out, "seconds", json_real(figures->seconds));
	json_object_set_new(out, "ios", json_integer((json_int_t)figures->ios));
	json_object_set_new(out, "latency_ns", latency_json(&figures->hist));
	json_object_set_new(out, "histogram", histogram_json(run));
	if (run->side == BH_SIDE_LINUX && figures->tsc_hz <= 0)
		json_object_set_new(out, "cpu_percent",
		                    json_pack("{s:f, s:f}", "user", figures->cpu_user, "system", figures->cpu_sys));
	return out;
}

static json_t *
spread_json(const struct bh_spread *spread)
{
	if (spread->cnt == 0)
		return json_null();
	return json_pack("{s:f, s:f, s:f}", "median", spread->median, "min", spread->min, "max", spread->max);
}

static json_t *
side_json(const struct bh_summary *summary, enum bh_side side)
{
	return json_pack("{s:o, s:o, s:o}", "iops", spread_json(&summary->iops[side]), "p50_ns",
	                 spread_json(&summary->p50[side]), "p99_ns", spread_json(&summary->p99[side]));
}

static json_t *
case_json(const struct bh_session *session, uint32_t idx)
{
	static const char *const skip[] = {NULL, "writes need --destructive", "the device's blocks are larger"};
	const struct bh_case *which = &session->cases[idx];
	const struct bh_summary *summary = &session->summary[idx];
	return json_pack("{s:s, s:s, s:i, s:i, s:b, s:s?, s:s?, s:s?, s:i, s:i, s:o, s:o, s:o, s:o}", "name",
	                 which->name, "pattern", which->pattern, "block_bytes", (int)which->block_bytes, "depth",
	                 (int)which->depth, "reference", which->reference, "not_measured", skip[which->skip],
	                 "best_iops_way", bh_way_name(session, session->best_iops[idx]), "best_p99_way",
	                 bh_way_name(session, session->best_p99[idx]), "complete_pairs", (int)summary->pair_cnt,
	                 "failed_runs", (int)summary->failed_cnt, "A", side_json(summary, BH_SIDE_LINUX), "B",
	                 side_json(summary, BH_SIDE_CELL), "iops_ratio_B_to_A", spread_json(&summary->iops_ratio),
	                 "p99_ratio_A_to_B", spread_json(&summary->p99_ratio));
}

static json_t *
verdicts_json(const struct bh_session *session)
{
	json_t *list = json_array();
	for (uint32_t i = 0; i < session->verdict_cnt; i++) {
		const struct bh_verdict *verdict = &session->verdict[i];
		json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "key", verdict->key, "title",
		                                      verdict->title, "threshold", verdict->threshold, "value",
		                                      verdict->value, "verdict", bh_verdict_name(verdict->state),
		                                      "kind", verdict->goal ? "goal" : "criterion"));
	}
	return list;
}

static json_t *
options_json(const struct bh_session *session)
{
	const struct bh_compare_options *options = session->options;
	return json_pack("{s:b, s:b, s:i, s:f, s:f, s:i, s:b, s:b}", "quick", options->quick, "destructive",
	                 options->destructive, "pairs", (int)session->round_cnt, "seconds_per_run",
	                 (double)session->duration_ns / 1e9, "seconds_per_tuning_try", (double)session->tune_ns / 1e9,
	                 "cpu", (int)session->cpu, "cpu_isolated", session->cpu_isolated, "polled_queues",
	                 session->poll_queues);
}

json_t *
bh_report_json(const struct bh_session *session)
{
	json_t *cases = json_array(), *runs = json_array();
	for (uint32_t i = 0; i < session->case_cnt; i++)
		json_array_append_new(cases, case_json(session, i));
	for (uint32_t i = 0; i < session->run_cnt; i++)
		json_array_append_new(runs, run_json(session, &session->run[i]));
	json_t *root =
	        json_pack("{s:s, s:i, s:s, s:f, s:b, s:s?, s:b, s:o, s:o, s:s, s:s, s:o, s:o, s:o, s:o, s:O, s:o}",
	                  "report", session->subject->command, "schema", 1, "started", session->started, "seconds",
	                  session->seconds, "complete", session->failure.text[0] == '\0', "failure",
	                  session->failure.text[0] != '\0' ? session->failure.text : NULL, "device_given_back",
	                  session->given_back, "versions",
	                  json_pack("{s:s, s:s}", "bulkhead", BH_VERSION, "kernel", session->machine.kernel), "machine",
	                  bh_machine_json(&session->machine), "figures_of_an_emulator", bh_session_emulated(session),
	                  "latency", session->subject->latency_about, "options", options_json(session), "settings",
	                  bh_restore_json(&session->restore), "verdicts", verdicts_json(session), "cases", cases,
	                  "notes", session->notes, "runs", runs);
	json_t *more = session->subject->describe(session);
	if (root == NULL || json_object_update_recursive(root, more) != 0) {
		json_decref(root);
		root = NULL;
	}
	json_decref(more);
	return root;
}

static int
write_hgrm(const struct bh_session *session, uint32_t idx, enum bh_side side)
{
	char path[400];
	const struct bh_lat_hist *hist = &session->summary[idx].hist[side];
	if (hist->total == 0)
		return 0;
	bh_text_path(path, sizeof(path), "%s/%s-%s.hgrm", session->report_dir, side == BH_SIDE_LINUX ? "A" : "B",
	             session->cases[idx].name);
	FILE *stream = fopen(path, "we");
	if (stream == NULL)
		return -errno;
	int err = bh_lat_hgrm(hist, stream);
	return fclose(stream) != 0 ? -EIO : err;
}

static int
write_json(const struct bh_session *session)
{
	char path[300];
	json_t *root = bh_report_json(session);
	bh_text_path(path, sizeof(path), "%s/report.json", session->report_dir);
	int err = root == NULL                                                               ? -EINVAL
	          : json_dump_file(root, path, JSON_INDENT(1) | JSON_REAL_PRECISION(9)) != 0 ? -EIO
	                                                                                     : 0;
	json_decref(root);
	return err;
}

static int
write_html(const struct bh_session *session)
{
	char path[300];
	bh_text_path(path, sizeof(path), "%s/report.html", session->report_dir);
	FILE *stream = fopen(path, "we");
	if (stream == NULL)
		return -errno;
	bh_report_html(session, stream);
	int err = ferror(stream) ? -EIO : 0;
	return fclose(stream) != 0 ? -EIO : err;
}

int
bh_report_write(const struct bh_session *session, struct bh_error *error)
{
	int err = write_json(session);
	if (err == 0)
		err = write_html(session);
	for (uint32_t i = 0; i < session->case_cnt && err == 0; i++) {
		err = write_hgrm(session, i, BH_SIDE_LINUX);
		if (err == 0)
			err = write_hgrm(session, i, BH_SIDE_CELL);
	}
	if (err != 0)
		return bh_error_set(error, "E189", err, "cannot write the report into %s: %s", session->report_dir,
		                    strerror(-err));
	return 0;
}
