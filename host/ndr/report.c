/* SPDX-License-Identifier: Apache-2.0 */
/* report.json. */
#include "host/ndr/ndr.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "host/compare/text.h"
#include "host/errors/errors.h"

static json_t *
pps_json(uint64_t pps)
{
	return pps == 0 ? json_null() : json_integer((json_int_t)pps);
}

static json_t *
goal_json(const struct bh_ndr_goal *goal)
{
	return json_pack("{s:s, s:f, s:f, s:f, s:f, s:f, s:f}", "name", goal->name, "loss_ratio", goal->loss_ratio,
	                 "exceed_ratio", goal->exceed_ratio, "initial_s", goal->initial_s, "final_s", goal->final_s,
	                 "sum_s", goal->sum_s, "width", goal->width);
}

static json_t *
rate_json(const struct bh_ndr_size *size, uint32_t goal_idx)
{
	const struct bh_ndr_rate *rate = &size->rate[goal_idx];
	return json_pack("{s:s, s:o, s:o, s:f, s:f, s:b, s:b}", "end", bh_ndr_end_name(rate->end), "lower_pps",
	                 pps_json(rate->bounds.lower_pps), "upper_pps", pps_json(rate->bounds.upper_pps),
	                 "conditional_pps", rate->conditional_pps, "offered_pps", rate->offered_pps,
	                 "limited_by_generator", rate->by_generator, "disturbed", bh_ndr_disturbed(size, goal_idx));
}

static json_t *
figures_json(const struct bh_ndr_figures *figures)
{
	json_t *out = json_pack("{s:f, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "seconds", figures->seconds, "sent",
	                        (json_int_t)figures->sent, "received", (json_int_t)figures->received, "lost",
	                        (json_int_t)figures->lost, "never_sent", (json_int_t)figures->never_sent, "reordered",
	                        (json_int_t)figures->reordered, "duplicates", (json_int_t)figures->duplicates,
	                        "corrupt", (json_int_t)figures->corrupt, "foreign", (json_int_t)figures->foreign);
	json_object_set_new(out, "latency_ns",
	                    json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "min", figures->min_ns, "mean",
	                              figures->mean_ns, "p50", figures->p50_ns, "p90", figures->p90_ns, "p99",
	                              figures->p99_ns, "p99_9", figures->p99_9_ns, "max", figures->max_ns));
	return out;
}

static json_t *
trial_json(const struct bh_ndr_size *size, uint32_t idx)
{
	const struct bh_ndr_trial *trial = &size->book.trial[idx];
	return json_pack("{s:I, s:f, s:f, s:f, s:b, s:s, s:o}", "load_pps", (json_int_t)trial->load_pps, "duration_s",
	                 trial->duration_s, "loss_ratio", trial->loss_ratio, "offered_pps", trial->offered_pps,
	                 "short_offer", trial->short_offer, "raw", size->raw[idx], "figures",
	                 figures_json(&size->figures[idx]));
}

static json_t *
latency_json(const struct bh_ndr_latency *latency)
{
	return json_pack("{s:f, s:I, s:b, s:s, s:s, s:o}", "part_of_ndr", latency->part, "load_pps",
	                 (json_int_t)latency->load_pps, "short_offer", latency->short_offer, "raw", latency->raw,
	                 "hgrm", latency->hgrm, "figures", figures_json(&latency->figures));
}

static json_t *
size_json(const struct bh_ndr *ndr, const struct bh_ndr_size *size)
{
	json_t *latencies = json_array(), *trials = json_array();
	json_t *out = json_pack("{s:s, s:f, s:I, s:I, s:b, s:f}", "size", size->name, "frame_bytes", size->frame_bytes,
	                        "max_pps", (json_int_t)size->max_pps, "max_measured", size->max_measured, "seconds",
	                        size->seconds);
	for (uint32_t i = 0; i < BH_NDR_GOAL_CNT; i++)
		json_object_set_new(out, ndr->goal[i].name, rate_json(size, i));
	for (uint32_t i = 0; i < BH_NDR_PARTS; i++) {
		if (size->latency[i].ok)
			json_array_append_new(latencies, latency_json(&size->latency[i]));
	}
	for (uint32_t i = 0; i < size->book.trial_cnt; i++)
		json_array_append_new(trials, trial_json(size, i));
	json_object_set_new(out, "latency", latencies);
	json_object_set_new(out, "trials", trials);
	return out;
}

static json_t *
report_json(const struct bh_ndr *ndr)
{
	json_t *sizes = json_array(), *goals = json_array(), *sets = json_array();
	const struct bh_ndr_options *options = ndr->options;
	for (uint32_t i = 0; i < options->set_cnt; i++)
		json_array_append_new(sets, json_string(options->set[i]));
	for (uint32_t i = 0; i < BH_NDR_GOAL_CNT; i++)
		json_array_append_new(goals, goal_json(&ndr->goal[i]));
	for (uint32_t i = 0; i < ndr->size_cnt; i++)
		json_array_append_new(sizes, size_json(ndr, &ndr->size[i]));
	return json_pack("{s:s, s:s, s:o, s:s, s:s, s:s, s:f, s:f, s:I, s:I, s:I, s:I, s:I, s:b, s:o, s:o}", "bulkhead",
	                 BH_VERSION, "config", options->config_path, "set", sets, "tx", ndr->tx, "rx", ndr->rx, "dut",
	                 ndr->dut, "seconds", (double)(ndr->end_ns - ndr->begin_ns) / 1e9, "tolerance",
	                 options->tolerance, "runs", (json_int_t)ndr->run_cnt, "short_offers",
	                 (json_int_t)ndr->short_cnt, "disturbed", (json_int_t)ndr->disturbed_cnt, "repeated",
	                 (json_int_t)ndr->repeated_cnt, "corrupt_trials", (json_int_t)ndr->corrupt_trial_cnt,
	                 "interrupted", ndr->interrupted, "goals", goals, "sizes", sizes);
}

int
bh_ndr_report_write(const struct bh_ndr *ndr, struct bh_error *error)
{
	char path[300];
	bh_text_path(path, sizeof(path), "%s/report.json", ndr->report_dir);
	json_t *root = report_json(ndr);
	if (root == NULL)
		return bh_error_set(error, "E374", -ENOMEM, "no memory for %s", path);
	int err = json_dump_file(root, path, JSON_INDENT(2) | JSON_REAL_PRECISION(10)) == 0 ? 0 : -EIO;
	json_decref(root);
	return err == 0 ? 0 : bh_error_set(error, "E374", err, "%s cannot be written: is there room?", path);
}
