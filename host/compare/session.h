/* SPDX-License-Identifier: Apache-2.0 */
/* One comparison: what was planned, what was run, what came of it. The reports read it; compare.c and measure.c fill it. */
#ifndef HOST_COMPARE_SESSION_H
#define HOST_COMPARE_SESSION_H

#include "host/compare/compare.h"
#include "host/compare/figures.h"
#include "host/compare/machine.h"
#include "host/compare/plan.h"
#include "host/compare/proof.h"
#include "host/compare/restore.h"
#include "host/compare/stats.h"
#include "host/compare/target.h"

#define BH_RUNS_MAX      1024u
#define BH_VERDICTS_MAX  16u
#define BH_NO_VARIANT    UINT32_MAX
#define BH_GO_RATE_RATIO 1.5
#define BH_GO_P99_RATIO  5.0
#define BH_TRY_TWICE_NS                                                                                                \
	UINT64_C(500000000) /* shorter tries, which --duration asks for, are a rehearsal: once is enough */

struct bh_session;
struct bh_run;
struct bh_net;

enum bh_side { BH_SIDE_LINUX = 0, BH_SIDE_CELL = 1 };

struct bh_run {
	uint32_t case_idx;
	uint32_t variant_idx; /* of the subject's ways; BH_NO_VARIANT for the cell */
	enum bh_side side;
	uint32_t round; /* 1 ..; 0: a try while tuning */
	bool ok;
	char why_not[256]; /* why it failed */
	char *command;
	char raw[64]; /* its output, below the report's folder */
	struct bh_figures figures;
};

/* What a comparison is of: its words, and how one of its runs is made. */
struct bh_subject {
	const char *command;       /* "bulkhead compare nvme" */
	const char *heading;       /* of the page */
	const char *sides;         /* HTML: what A and B are */
	const char *sides_text;    /* the same in a line */
	const char *rate_unit;     /* "IOPS" */
	const char *rate_heading;  /* "I/Os per second" */
	const char *latency_about; /* what latency is */
	const char *ways_about;    /* what was tried for A: "way of driving the device from Linux" */
	const char *settings_about;
	const char *commands_about; /* HTML: what running the commands by hand needs */
	const char *emulator;       /* how to read an emulator's figures */
	const char *virtual_device; /* the same where only the device is emulated; "" it never is */
	bool lab_goals;
	const char *(*way_name)(uint32_t variant_idx); /* of A; NULL behind the last */
	/* fits - whether a way can be tried for a case; if not, *why_not says why, or is NULL where that needs no word */
	bool (*fits)(const struct bh_session *session, uint32_t case_idx, uint32_t variant_idx, const char **why_not);
	/* run - make one run, its output below run->raw; fills command, ok, why_not, figures. Return: 0; -ENOMEM. */
	int (*run)(struct bh_session *session, struct bh_run *run, uint64_t duration_ns);
	void (*judge)(struct bh_session *session); /* fills verdict[] */
	void (*case_title)(char *text, size_t text_bytes, const struct bh_case *which);
	void (*device_text)(const struct bh_session *session, char *text, size_t text_bytes);
	void (*tools_text)(const struct bh_session *session, char *text, size_t text_bytes);
	json_t *(*describe)(const struct bh_session *session); /* more members of report.json */
};

extern const struct bh_subject bh_subject_nvme;

/* What the pairs of one case say. A pair counts only if both of its runs did well. */
struct bh_summary {
	uint32_t pair_cnt, failed_cnt;            /* complete pairs; runs that failed */
	struct bh_spread iops[2], p50[2], p99[2]; /* by side; those of A are of the way that is best at it */
	struct bh_spread iops_ratio;              /* B / A: above 1 the cell is faster */
	struct bh_spread p99_ratio;               /* A / B: above 1 the cell is lower */
	struct bh_lat_hist hist[2];               /* all complete pairs together; A: the way with the best p99 */
};

struct bh_verdict {
	char key[32];
	char title[96];
	char threshold[64];
	char value[320];
	enum bh_compare_verdict state;
	bool goal; /* a speed goal of the lab, not a go/no-go criterion */
};

struct bh_session {
	const struct bh_subject *subject;
	const struct bh_compare_options *options;
	char report_dir[256];
	char program[256]; /* this program: side B's command begins with it */
	char started[40];  /* UTC, ISO 8601 */
	double seconds;
	unsigned cpu;
	bool cpu_isolated;
	uint32_t round_cnt;
	uint64_t duration_ns, tune_ns;
	char fio_version[32];
	struct bh_machine machine;
	struct bh_target target;
	struct bh_restore restore;
	bool poll_queues;
	bool linux_holds; /* the device is with Linux's driver */
	bool handed_over; /* it was with vfio-pci since: its queues are not those from before */
	bool given_back, interrupted;
	char iommu[160]; /* evidence: the group and its type, read while the cell had it; "" none */
	bool iommu_enforced;
	struct bh_proof proof;
	struct bh_net *net;      /* of a comparison of networks */
	struct bh_error failure; /* what ended it early; "" nothing */

	struct bh_case cases[BH_CASES_MAX];
	uint32_t case_cnt;
	uint32_t best_iops[BH_CASES_MAX], best_p99[BH_CASES_MAX]; /* of the subject's ways, or BH_NO_VARIANT */
	struct bh_run *run;                                       /* BH_RUNS_MAX of them */
	uint32_t run_cnt;
	struct bh_summary summary[BH_CASES_MAX];
	struct bh_verdict verdict[BH_VERDICTS_MAX];
	uint32_t verdict_cnt;
	json_t *notes; /* array of texts: what is worse than asked for */
};

/* bh_session_new - empty. Return: the session; NULL no memory. */
struct bh_session *bh_session_new(const struct bh_subject *subject, const struct bh_compare_options *options);
void bh_session_free(struct bh_session *session);

/* bh_session_settings - CPU, rounds and times from the options; reads the machine. Return: 0; -EINVAL (E180); -EIO (E188). */
BH_MUST_CHECK int bh_session_settings(struct bh_session *session, struct bh_error *error);

/* bh_session_report_dir - the report's folder with raw/ in it. Return: 0; -errno (E188). */
BH_MUST_CHECK int bh_session_report_dir(struct bh_session *session, struct bh_error *error);

/*
 * bh_round_linux, bh_round_cell - one round's runs of every case: A by the way with the highest rate, and by the one with the
 * lowest p99 if that is another. Return: 0; -ENOMEM; -EINTR.
 */
BH_MUST_CHECK int bh_round_linux(struct bh_session *session, uint32_t round);
BH_MUST_CHECK int bh_round_cell(struct bh_session *session, uint32_t round);

/* bh_session_report - summarize, judge, write, and the table. Return: 0; -ENOMEM (E188); -EIO (E189). */
BH_MUST_CHECK int bh_session_report(struct bh_session *session, FILE *table, struct bh_compare_outcome *out,
                                    struct bh_error *error);

/* A line for the report's notes. */
BH_PRINTF(2, 3) void bh_session_note(struct bh_session *session, const char *format, ...);
/* A line on the progress stream. */
BH_PRINTF(2, 3) void bh_session_say(const struct bh_session *session, const char *format, ...);

/**
 * bh_measure - one run; what goes wrong in it stands in the run
 * Return: the run; NULL: no memory or BH_RUNS_MAX reached.
 */
struct bh_run *bh_measure(struct bh_session *session, uint32_t case_idx, enum bh_side side, uint32_t variant_idx,
                          uint32_t round, uint64_t duration_ns);

/* bh_tune - try each way for each case for a short time and keep the best at IOPS and at p99. Return: 0; -EINTR; -ENOMEM. */
BH_MUST_CHECK int bh_tune(struct bh_session *session);

/* bh_summarize - fill summary[] from the runs. Return: 0; -ENOMEM. */
BH_MUST_CHECK int bh_summarize(struct bh_session *session);

/* bh_way_name - of a run's or a case's variant_idx; NULL: none, the cell. */
const char *bh_way_name(const struct bh_session *session, uint32_t variant_idx);

/* bh_judge - fill verdict[] from summary[]. Return: the whole: met only if every go/no-go criterion is. */
enum bh_compare_verdict bh_judge(struct bh_session *session);

/* For a subject's judge: a new verdict, and one case's ratio into it under a label ("depth 4"). */
struct bh_verdict *bh_verdict_add(struct bh_session *session, const char *key, const char *title, bool goal);
void bh_verdict_ratio(struct bh_verdict *verdict, const char *label, const struct bh_summary *summary,
                      const struct bh_spread *ratio, double threshold, uint32_t round_cnt, bool *whole);

/* bh_verdict_iommu - a subject's criterion about session->iommu */
void bh_verdict_iommu(struct bh_session *session);

/* Reports. Return: 0; -EIO. */
void bh_report_text(const struct bh_session *session, FILE *stream);
json_t *bh_report_json(const struct bh_session *session);
void bh_report_html(const struct bh_session *session, FILE *stream);
BH_MUST_CHECK int bh_report_write(const struct bh_session *session, struct bh_error *error);

const char *bh_verdict_name(enum bh_compare_verdict state); /* "met", "missed", "not measured here" */

/* bh_session_emulated - what of the figures an emulator made, as a sentence; "" nothing. */
const char *bh_session_emulated(const struct bh_session *session);

/* bh_session_now_s - seconds on a clock that nobody sets */
double bh_session_now_s(void);

#endif
