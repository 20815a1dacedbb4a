/* SPDX-License-Identifier: Apache-2.0 */
#include "host/doctor/private.h"

static json_t *
details_json(const struct bh_finding *finding)
{
	json_t *list = json_array();
	for (uint32_t i = 0; i < finding->detail_cnt; i++)
		json_array_append_new(list, json_string(finding->detail[i]));
	return list;
}

static json_t *
finding_json(const struct bh_finding *finding)
{
	char area[16];
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:i}", "id", finding->check->id, "area",
	                 bh_check_area(finding->check, area), "title", finding->check->title, "state",
	                 bh_finding_state_name(finding->state), "value", finding->value, "evidence", finding->evidence,
	                 "why", finding->check->why, "fix", finding->fix, "details", details_json(finding),
	                 "details_left_out", (int)finding->detail_left_out_cnt);
}

json_t *
bh_doctor_json(const struct bh_doctor_report *report)
{
	json_t *checks = json_array();
	for (uint32_t i = 0; i < report->finding_cnt; i++)
		json_array_append_new(checks, finding_json(&report->finding[i]));
	json_t *summary =
	        json_pack("{s:s, s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:s, s:f}", "configuration", report->file,
	                  "cpus", report->cpus, "checks", (int)report->finding_cnt, "fail",
	                  (int)report->cnt[BH_FINDING_FAIL], "warn", (int)report->cnt[BH_FINDING_WARN], "unknown",
	                  (int)report->cnt[BH_FINDING_UNKNOWN], "ok", (int)report->cnt[BH_FINDING_OK], "not_needed",
	                  (int)report->cnt[BH_FINDING_NOT_NEEDED], "mended_by_apply", (int)report->apply_cnt, "next",
	                  report->advice, "duration_ms", (double)report->duration_ns / 1e6);
	return json_pack("{s:o, s:o}", "checks", checks, "summary", summary);
}
