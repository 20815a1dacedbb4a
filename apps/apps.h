/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The applications that come with bulkhead and have a host half: how each reads its configuration (struct bh_app, see
 * host/run/config.h) and how each shows its figures.
 */
#ifndef APPS_APPS_H
#define APPS_APPS_H

#include <jansson.h>
#include <stdio.h>

#include "host/observe/metrics.h"
#include "host/run/config.h"

/* How an application shows its figures. `state` is state_bytes of zeroed memory, one per run. */
struct bh_app_report {
	const char *name;
	size_t state_bytes;
	/* Reads the metrics; called before each of the others. `config` is the boot page's app_config. */
	void (*sample)(void *state, const void *config, const struct bh_view *view, uint64_t now_tsc);
	/* What happened since the line before, without a newline. */
	void (*live)(const void *state, FILE *stream, double elapsed_s);
	void (*table)(const void *state, FILE *stream);
	json_t *(*json)(const void *state);
	/* The histogram that --hgrm writes. */
	const struct bh_hist_snapshot *(*latency)(const void *state);
	/* When the first I/O was submitted, as a time stamp; 0: never. */
	uint64_t (*first_io_tsc)(const void *state);
	/* Whether a check that the application makes failed (exit code 3). */
	bool (*check_failed)(const void *state);
};

extern const struct bh_app bh_apps[];
extern const size_t bh_app_cnt;

/* bh_app_report_find - by the application's name; NULL for one without figures of its own. */
const struct bh_app_report *bh_app_report_find(const char *app_name);

#endif
