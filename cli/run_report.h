/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What `bulkhead run` prints about a run: an introduction, a table for a person, JSON for a program.
 */
#ifndef CLI_RUN_REPORT_H
#define CLI_RUN_REPORT_H

#include <jansson.h>
#include <stdio.h>

#include "apps/apps.h"
#include "host/run/run.h"

struct run_report {
	struct bh_cell_result result;
	json_t *warnings;   /* array of strings */
	uint64_t start_tsc; /* when the command began */
	uint64_t tsc_hz;
	uint64_t log_bad_cnt;
};

/* run_report_intro - one line: which cell, where, with what memory and behind which wall. */
void run_report_intro(FILE *stream, const struct bh_run_config *config, const struct bh_cell *cell);

/* run_report_table - the application's table, then the wall, the memory and the start. */
void run_report_table(FILE *stream, const struct run_report *out, const struct bh_cell *cell,
                      const struct bh_app_report *report, const void *report_state, bool verbose);

/* run_report_json - everything, as one object. */
void run_report_json(FILE *stream, const struct run_report *out, const struct bh_run_config *config,
                     const struct bh_cell *cell, const struct bh_app_report *report, const void *report_state,
                     int exit_code);

#endif
