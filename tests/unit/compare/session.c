/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/compare/session.h"

static const struct bh_compare_options options = {.quick = true};

struct bh_session *
fake_open(void)
{
	struct bh_session *session = calloc(1, sizeof(*session));
	if (session == NULL)
		abort();
	session->subject = &bh_subject_nvme;
	session->options = &options;
	session->run = calloc(BH_RUNS_MAX, sizeof(*session->run));
	session->notes = json_array();
	session->machine.mitigations = json_object();
	session->round_cnt = 3;
	session->duration_ns = 1000000000;
	session->target.lba_bytes = 512;
	session->target.nsid = 1;
	strcpy(session->target.model, "Drive");
	strcpy(session->target.address, "0000:01:00.0");
	strcpy(session->iommu, "VFIO type1, group 4");
	session->iommu_enforced = true;
	session->case_cnt = bh_plan_cases(&options, &session->target, session->cases);
	return session;
}

void
fake_close(struct bh_session *session)
{
	for (uint32_t i = 0; i < session->run_cnt; i++) {
		bh_figures_free(&session->run[i].figures);
		free(session->run[i].command);
	}
	for (uint32_t i = 0; i < BH_CASES_MAX; i++) {
		bh_lat_hist_free(&session->summary[i].hist[0]);
		bh_lat_hist_free(&session->summary[i].hist[1]);
	}
	json_decref(session->machine.mitigations);
	json_decref(session->notes);
	free(session->run);
	free(session);
}

struct bh_run *
fake_run(struct bh_session *session, uint32_t case_idx, enum bh_side side, uint32_t round, double iops,
         uint64_t latency_ns)
{
	struct bh_run *run = &session->run[session->run_cnt++];
	char key[24];
	json_t *bins = json_object();
	*run = (struct bh_run){.case_idx = case_idx, .side = side, .round = round, .ok = true};
	run->variant_idx = side == BH_SIDE_CELL ? BH_NO_VARIANT : session->best_iops[case_idx];
	run->command = strdup(side == BH_SIDE_CELL ? "bulkhead run cell.conf" : "fio --name=x");
	strcpy(run->raw, "raw/001.json");
	snprintf(key, sizeof(key), "%lu", latency_ns);
	json_object_set_new(bins, key, json_integer(1000));
	if (bh_lat_hist_parse(bins, BH_LAT_FIO, 0, &run->figures.hist) != 0)
		abort();
	json_decref(bins);
	run->figures.hist.min_ns = run->figures.hist.max_ns = (double)latency_ns;
	run->figures.iops = iops;
	run->figures.seconds = 1;
	run->figures.ios = 1000;
	return run;
}

void
fake_pairs(struct bh_session *session, double iops_ratio, double p99_ratio)
{
	for (uint32_t i = 0; i < session->case_cnt; i++) {
		for (uint32_t round = 1; round <= session->round_cnt; round++) {
			if (!session->cases[i].reference)
				fake_run(session, i, BH_SIDE_LINUX, round, 10000, 100000);
			fake_run(session, i, BH_SIDE_CELL, round, 10000 * iops_ratio, (uint64_t)(100000 / p99_ratio));
		}
	}
}
