/* SPDX-License-Identifier: Apache-2.0 */
/* Noise's inside, shared by its .c files and its tests. */
#ifndef HOST_NOISE_INTERNAL_H
#define HOST_NOISE_INTERNAL_H

#include "host/noise/noise.h"

/* ---- trace_parse.c: lines of trace_pipe ---- */

enum noise_event_kind {
	NOISE_ENTER = 0,  /* an interrupt, softirq, ... begins */
	NOISE_LEAVE = 1,  /* it ends */
	NOISE_SWITCH = 2, /* another task runs from here on: name is its */
	NOISE_POINT = 3,  /* happened here, without a length: a page fault */
};

struct noise_event {
	uint64_t tsc;
	uint16_t cpu;
	uint8_t kind;
	bool own; /* NOISE_SWITCH: to the cell itself */
	uint16_t name_idx;
};

#define NOISE_NAMES_MAX 512u

/* Names of thieves, each once. The last slot stands for all that found no room. */
struct noise_names {
	char name[NOISE_NAMES_MAX][BH_NOISE_NAME_BYTES];
	uint32_t cnt;
};

uint16_t noise_name(struct noise_names *names, const char *name);

/**
 * noise_trace_line - one line of trace_pipe, as kernel/trace/trace_output.c writes it with a counter for a clock
 * @own_pid: the cell's thread; switches to it are its own
 * Return: 1 an event; 0 a line that is none or of no interest; -EINVAL not understood.
 */
int noise_trace_line(const char *line, const int *own_pid, uint32_t own_cnt, struct noise_names *names,
                     struct noise_event *out);

/* noise_trace_lost - "CPU:2 [LOST 17 EVENTS]": 17; else 0. */
uint64_t noise_trace_lost(const char *line, unsigned *out_cpu);

/* ---- trace.c: an instance of tracefs ---- */

struct noise_trace {
	char folder[128]; /* "" none */
	bool mounted;     /* tracefs, by us */
	struct noise_names names;
	struct noise_cpu_trace {
		unsigned cpu;
		int fd; /* of trace_pipe */
		char line[1024];
		size_t line_len;
		bool skip; /* the rest of a line that was too long */
		struct noise_event *event;
		uint32_t event_cnt, event_room;
		uint64_t lost_cnt, odd_cnt; /* lines that were not understood */
	} cpu[BH_NOISE_CPUS_MAX];
	uint32_t cpu_cnt;
	int own_pid[BH_NOISE_CPUS_MAX];
	uint32_t own_cnt;
};

/* noise_trace_open - Return: 0; a negative errno with `why` filled: no tracing. Nothing is left behind then. */
int noise_trace_open(struct noise_trace *trace, const struct bh_cpus *cpus, char *why, size_t why_bytes);
int noise_trace_start(struct noise_trace *trace);
/* noise_trace_read - take what is there; at most about budget_bytes a CPU. */
void noise_trace_read(struct noise_trace *trace, size_t budget_bytes);
void noise_trace_stop(struct noise_trace *trace);
/* noise_trace_close - remove the instance. */
void noise_trace_close(struct noise_trace *trace);
/* noise_trace_feed - bytes of a trace_pipe; for trace.c and tests. */
void noise_trace_feed(struct noise_trace *trace, uint32_t idx, const char *bytes, size_t cnt);

/* ---- attribute.c ---- */

/* noise_attribute - fills thieves, how_tsc and each gap's thief. `trace` NULL: all unknown. */
void noise_attribute(struct bh_noise_cpu *cpu, const struct noise_trace *trace, uint32_t trace_idx,
                     const char *outside);

/* ---- counters.c: /proc before and after ---- */

struct noise_counters;
struct noise_counters *noise_counters_read(const char *root);
void noise_counters_free(struct noise_counters *counters);
/* noise_counters_since - what went up on cpu->cpu. */
void noise_counters_since(const struct noise_counters *before, const struct noise_counters *after,
                          struct bh_noise_cpu *cpu);

#endif
