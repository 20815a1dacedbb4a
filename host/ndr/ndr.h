/* SPDX-License-Identifier: Apache-2.0 */
/**
 * No-drop and partial-drop rates of whatever stands between two ports, and its latency at parts of the no-drop rate.
 *
 * The generator is pktgen's cell: each trial is a run of `bulkhead run FILE --json` with the trial's rate and size, so that a trial can
 * be repeated by hand, and its output stays in the report's folder as it was.
 *
 * One thread. Signals: SIGINT, SIGTERM and SIGHUP end the measurement after the running cell has ended; what was found by then is reported.
 */
#ifndef HOST_NDR_NDR_H
#define HOST_NDR_NDR_H

#include <stdio.h>

#include "host/device/device.h"
#include "host/ndr/search.h"
#include "host/run/config.h"

#define BH_NDR_SIZES_MAX 8u
#define BH_NDR_SETS_MAX  48u
#define BH_NDR_PARTS     3u /* latency at 90, 50 and 10 % of NDR */
#define BH_NDR_GOAL_CNT  2u /* PDR, NDR */

struct bh_ndr_options {
	const char *config_path;
	const char *program;                /* whose `run` makes trials; NULL: this program */
	const char *report_dir;             /* NULL: bulkhead-ndr-TIME */
	const char *size[BH_NDR_SIZES_MAX]; /* "64", "imix": pktgen's words */
	uint32_t size_cnt;                  /* 0: 64, imix, 1518 */
	const char *set[BH_NDR_SETS_MAX];   /* section.key=value, for every trial */
	uint32_t set_cnt;
	const struct bh_app *app; /* to check the configuration with */
	size_t app_cnt;
	uint64_t min_pps, max_pps; /* max 0: what the generator sends when nothing holds it back */
	double pdr_loss_ratio;
	double tolerance;          /* what part of a trial's frames the generator may leave unsent */
	struct bh_ndr_goal timing; /* initial_s, final_s, sum_s, exceed_ratio and width, of both goals */
	uint64_t warm_up_ns;       /* of each trial */
	uint32_t
	        catch_up_cnt; /* frames that may follow a pause of the generator at once; what it missed beyond is never sent */
	uint64_t limit_ns; /* of the whole measurement */
	FILE *progress;    /* a line for each trial; NULL: none */
};

/* What a trial's cell said. */
struct bh_ndr_figures {
	double seconds;
	uint64_t sent, received, lost, never_sent, reordered, duplicates, corrupt, foreign;
	double p50_ns, p90_ns, p99_ns, p99_9_ns, max_ns, min_ns, mean_ns; /* 0 where nothing was received */
};

struct bh_ndr_latency {
	double part; /* of NDR */
	uint64_t load_pps;
	bool ok;
	bool short_offer;
	struct bh_ndr_figures figures;
	char raw[64], hgrm[64]; /* files in the report's folder */
};

struct bh_ndr_size {
	char name[16];
	double frame_bytes; /* with FCS; the mean of a mix */
	uint64_t max_pps;   /* the upper end of the search */
	uint64_t full_pps;  /* what the generator sent at most in the first trials */
	bool max_measured;  /* by the generator sending as fast as it goes */
	struct bh_ndr_rate rate[BH_NDR_GOAL_CNT];
	struct bh_ndr_latency latency[BH_NDR_PARTS]; /* ok: measured */
	struct bh_ndr_book book;
	char raw[BH_NDR_TRIALS_MAX][64];
	struct bh_ndr_figures figures[BH_NDR_TRIALS_MAX];
	double seconds; /* that all of it took */
};

struct bh_ndr {
	const struct bh_ndr_options *options;
	struct bh_ndr_goal goal[BH_NDR_GOAL_CNT]; /* "pdr", "ndr" */
	char report_dir[256], program[256];
	char tx[BH_NAME_BYTES], rx[BH_NAME_BYTES];
	char dut[64]; /* what is known to stand between them */
	struct bh_ndr_size size[BH_NDR_SIZES_MAX];
	uint32_t size_cnt, size_done_cnt;
	uint32_t run_cnt, repeated_cnt, corrupt_trial_cnt;
	uint32_t disturbed_cnt; /* of these: at less than half of what the generator can */
	uint32_t short_cnt;     /* short offers in the searches, each made again until the third */
	bool interrupted;
	uint64_t begin_ns, end_ns;
};

/* bh_ndr_options_preset - what `bulkhead ndr FILE` uses when nothing else is said */
void bh_ndr_options_preset(struct bh_ndr_options *options);

/**
 * bh_ndr_run - measure, and write report.json, raw/ and *.hgrm
 * @out: from malloc, also after an error that came when the report's folder was there; bh_ndr_free
 *
 * Return: 0; -EPERM not root; -EINVAL the configuration or the options; -EIO a trial failed twice; -EINTR a signal (reported until then);
 * -errno about the report. `error` says what.
 */
BH_MUST_CHECK int bh_ndr_run(const struct bh_ndr_options *options, struct bh_ndr **out, struct bh_error *error);
void bh_ndr_free(struct bh_ndr *ndr);

/**
 * bh_ndr_disturbed - whether a rate says nothing of the device: its upper bound was made by a generator that could do twice as much a moment
 * before, so something else had its CPU
 */
bool bh_ndr_disturbed(const struct bh_ndr_size *size, uint32_t goal_idx);

/* bh_ndr_table - for people */
void bh_ndr_table(const struct bh_ndr *ndr, FILE *stream);

/* bh_ndr_report_write - DIR/report.json. Return: 0; -errno. */
BH_MUST_CHECK int bh_ndr_report_write(const struct bh_ndr *ndr, struct bh_error *error);

#endif
