/* SPDX-License-Identifier: Apache-2.0 */
#include <bulkhead/abi/histogram.h>

#include "host/noise/internal.h"

static const char *const how_name[BH_NOISE_HOWS] = {"event", "elimination", "unknown"};

static double
us(const struct bh_noise_report *report, uint64_t tsc)
{
	return (double)tsc * 1e6 / (double)report->tsc_hz;
}

/* {"lowest value in cycles": count}: the raw buckets. */
static json_t *
buckets_json(const struct bh_hist_snapshot *hist)
{
	json_t *out = json_object();
	for (uint32_t i = 0; i < BH_HIST_BUCKET_CNT; i++) {
		char key[24];
		if (hist->bucket[i] == 0)
			continue;
		snprintf(key, sizeof(key), "%llu", (unsigned long long)bh_hist_bucket_low(i));
		json_object_set_new(out, key, json_integer((json_int_t)hist->bucket[i]));
	}
	return out;
}

static json_t *
turns_json(const struct bh_noise_report *report, const struct bh_noise_cpu *cpu)
{
	static const struct {
		const char *name;
		double percent;
	} at[] = {{"p50", 50}, {"p99", 99}, {"p99.9", 99.9}, {"p99.99", 99.99}, {"p99.999", 99.999}};
	json_t *out = json_pack("{s:I, s:f, s:o}", "count", (json_int_t)cpu->turns.count, "max_us",
	                        us(report, cpu->turns.max), "buckets", buckets_json(&cpu->turns));
	json_t *percentiles = json_object();
	for (size_t i = 0; i < BH_ARRAY_CNT(at); i++)
		json_object_set_new(percentiles, at[i].name,
		                    json_real(us(report, bh_hist_percentile(&cpu->turns, at[i].percent))));
	json_object_set_new(out, "percentiles_us", percentiles);
	json_t *linux_part = json_object();
	for (size_t i = 0; i < BH_ARRAY_CNT(at) && report->traced; i++)
		json_object_set_new(linux_part, at[i].name,
		                    json_real(us(report, bh_noise_linux_percentile(report, cpu, at[i].percent))));
	json_object_set_new(out, "linux_percentiles_us", linux_part);
	return out;
}

static json_t *
thieves_json(const struct bh_noise_report *report, const struct bh_noise_cpu *cpu)
{
	json_t *list = json_array();
	for (uint32_t i = 0; i < cpu->thief_cnt; i++) {
		const struct bh_noise_thief *thief = &cpu->thief[i];
		json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:f, s:f, s:s}", "name", thief->name, "named_by",
		                                      how_name[thief->how], "gaps", (json_int_t)thief->gap_cnt,
		                                      "total_us", us(report, thief->tsc), "max_us",
		                                      us(report, thief->max_tsc), "advice", bh_noise_advice(thief)));
	}
	return list;
}

static json_t *
counts_json(const struct bh_noise_cpu *cpu)
{
	json_t *out = json_object();
	for (uint32_t i = 0; i < cpu->count_cnt; i++)
		json_object_set_new(out, cpu->count[i].name, json_integer((json_int_t)cpu->count[i].cnt));
	return out;
}

static json_t *
cpu_json(const struct bh_noise_report *report, const struct bh_noise_cpu *cpu)
{
	json_t *how = json_object();
	for (unsigned i = 0; i < BH_NOISE_HOWS; i++)
		json_object_set_new(how, how_name[i], json_real(us(report, cpu->how_tsc[i])));
	return json_pack("{s:i, s:b, s:f, s:o, s:I, s:I, s:f, s:o, s:o, s:o, s:I, s:o, s:I, s:I}", "cpu", (int)cpu->cpu,
	                 "isolated", cpu->isolated, "measured_s", (double)cpu->measured_tsc / (double)report->tsc_hz,
	                 "turns", turns_json(report, cpu), "gaps", (json_int_t)cpu->gap_cnt, "gaps_lost",
	                 (json_int_t)cpu->gap_lost_cnt, "stolen_us", us(report, cpu->stolen_tsc), "named_us", how,
	                 "thieves", thieves_json(report, cpu), "proc", counts_json(cpu), "steal_ticks",
	                 (json_int_t)cpu->steal_ticks, "smi",
	                 cpu->smi_known ? json_integer((json_int_t)cpu->smi_cnt) : json_null(), "events",
	                 (json_int_t)cpu->event_cnt, "events_lost", (json_int_t)cpu->event_lost_cnt);
}

json_t *
bh_noise_json(const struct bh_noise_report *report)
{
	json_t *cpus = json_array();
	for (uint32_t i = 0; i < report->cpu_cnt; i++)
		json_array_append_new(cpus, cpu_json(report, &report->cpu[i]));
	return json_pack("{s:I, s:f, s:f, s:b, s:s, s:s, s:o}", "tsc_hz", (json_int_t)report->tsc_hz, "duration_s",
	                 (double)report->duration_ns / 1e9, "threshold_us", (double)report->threshold_ns / 1e3,
	                 "traced", report->traced, "trace", report->trace_text, "hypervisor", report->hypervisor,
	                 "cpus", cpus);
}
