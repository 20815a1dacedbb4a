/* SPDX-License-Identifier: Apache-2.0 */
/**
 * bulkhead noise: a cell that looks at the clock without pause, and who had its core meanwhile.
 *
 * Each gap in the cell's time is attributed: to what the kernel's tracepoints say ran on that CPU (interrupt, softirq, inter-
 * processor interrupt, task, kernel work, page fault), else, when all tracepoints were on and said nothing, to what is outside of
 * Linux (hypervisor, SMI, hardware), else it is unknown. /proc's counters are read before and after in any case.
 *
 * Root only. One thread: bh_noise_run returns when the measurement is over. The cell's memory, tracefs and /proc are read as
 * hostile input.
 */
#ifndef HOST_NOISE_NOISE_H
#define HOST_NOISE_NOISE_H

#include <jansson.h>

#include "host/errors/errors.h"
#include "host/machine/cpus.h"
#include "host/observe/metrics.h"

#define BH_NOISE_CPUS_MAX    16u
#define BH_NOISE_THIEVES_MAX 128u
#define BH_NOISE_GAPS_MAX    200000u /* a CPU; what is more is counted */
#define BH_NOISE_NAME_BYTES  64

/* How a gap's time was given a name. */
enum bh_noise_how {
	BH_NOISE_EVENT = 0,       /* a tracepoint said so */
	BH_NOISE_ELIMINATION = 1, /* the kernel did nothing there: outside of Linux */
	BH_NOISE_UNKNOWN = 2,     /* nothing could say */
	BH_NOISE_HOWS = 3,
};

struct bh_noise_thief {
	char name[BH_NOISE_NAME_BYTES]; /* "interrupt 24 virtio0-req", "tick (local timer)", "task kworker/2:1" ... */
	enum bh_noise_how how;
	uint64_t gap_cnt; /* gaps in which it ran */
	uint64_t tsc;     /* of the gaps' time */
	uint64_t max_tsc; /* most in one gap */
};

struct bh_noise_gap {
	uint64_t start_tsc, end_tsc;
	uint64_t linux_tsc; /* what of it tracepoints gave to Linux */
	uint16_t thief_idx; /* who had most of it */
};

/* A line of /proc that went up on a CPU meanwhile. */
struct bh_noise_count {
	char name[BH_NOISE_NAME_BYTES];
	uint64_t cnt;
};

struct bh_noise_cpu {
	unsigned cpu;
	bool isolated;
	struct bh_hist_snapshot turns; /* in cycles */
	uint64_t turn_tsc;             /* an undisturbed turn: the median */
	uint64_t measured_tsc;
	struct bh_noise_gap *gap;
	uint32_t gap_cnt;
	uint64_t gap_lost_cnt; /* written over before they were read */
	uint64_t stolen_tsc;   /* of all gaps */
	uint64_t how_tsc[BH_NOISE_HOWS];
	struct bh_noise_thief thief[BH_NOISE_THIEVES_MAX]; /* most time first */
	uint32_t thief_cnt;
	struct bh_noise_count count[BH_NOISE_THIEVES_MAX]; /* most first */
	uint32_t count_cnt;
	uint64_t steal_ticks; /* of /proc/stat */
	bool smi_known;
	uint64_t smi_cnt;
	uint64_t event_cnt, event_lost_cnt; /* of the trace */
};

struct bh_noise_options {
	struct bh_cpus cpus;
	uint64_t duration_ns, threshold_ns;
	bool trace; /* use tracefs where there is one */
	void (*progress)(void *context, double elapsed_s);
	void (*warn)(void *context, const struct bh_error *warning);
	void *context;
};

struct bh_noise_report {
	uint64_t tsc_hz, threshold_ns, duration_ns;
	bool traced;
	char trace_text[200]; /* what of it was used, or why not */
	char hypervisor[16];  /* "" none */
	struct bh_noise_cpu *cpu;
	uint32_t cpu_cnt;
};

/**
 * bh_noise_run - measure
 * Return: 0; -EPERM not root; -EINVAL the CPUs or times (E250); what bh_cell_start says; -EIO the cell failed (E251); -ENOMEM.
 */
BH_MUST_CHECK int bh_noise_run(const struct bh_noise_options *options, struct bh_noise_report **out,
                               struct bh_error *error);
void bh_noise_free(struct bh_noise_report *report);

/* bh_noise_advice - what to do about a thief, by its name; never NULL. */
const char *bh_noise_advice(const struct bh_noise_thief *thief);

/**
 * bh_noise_linux_percentile - a percentile of turns, counting of each gap only what Linux took: what isolation can change
 *
 * In a guest the rest is the host's. Return: cycles; at most the threshold where such a turn has no gap of Linux's.
 */
uint64_t bh_noise_linux_percentile(const struct bh_noise_report *report, const struct bh_noise_cpu *cpu,
                                   double percent);

void bh_noise_text(const struct bh_noise_report *report, FILE *stream);
/* bh_noise_compare_text - the first CPU against the second: the ratio of the tails. */
void bh_noise_compare_text(const struct bh_noise_report *report, FILE *stream);
json_t *bh_noise_json(const struct bh_noise_report *report);
/* Return: 0; -EIO the stream failed. */
BH_MUST_CHECK int bh_noise_svg(const struct bh_noise_report *report, FILE *stream);
/* The Trace Event Format, which ui.perfetto.dev opens. */
BH_MUST_CHECK int bh_noise_trace_json(const struct bh_noise_report *report, FILE *stream);

#endif
