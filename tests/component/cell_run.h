/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Running a test cell through host/run inside a test program: the configuration is a text, the result and all warnings
 * are kept.
 */
#ifndef TESTS_COMPONENT_CELL_RUN_H
#define TESTS_COMPONENT_CELL_RUN_H

#include "host/run/run.h"
#include "tests/cells/misbehave.h"

struct cell_run {
	/* In. */
	const char *config;       /* the INI file's text */
	const struct bh_app *app; /* NULL: misbehave_app */
	const char *cell_file;    /* NULL: by [cell] app */
	const char *program;      /* for software devices */
	uint64_t duration_ns, drain_ns;
	void (*running)(struct cell_run *run, struct bh_cell *cell);
	void (*tick)(struct cell_run *run, struct bh_cell *cell);
	void (*finished)(struct cell_run *run, struct bh_cell *cell); /* before bh_cell_free */
	void (*edit_page)(struct bh_boot_page *page);
	/* The configuration read anew, on SIGHUP; with it, signals are caught. */
	int (*reread)(struct cell_run *run, struct bh_run_config **out, struct bh_error *error);
	void *context;
	/* Out. */
	int start_err; /* of loading the configuration or starting; `error` says more */
	struct bh_error error;
	struct bh_cell_result result;
	char warnings[2048]; /* "E032 text\n" each */
};

/* cell_run - load, start, wait, free. Never fails by itself: see start_err and result. */
void cell_run(struct cell_run *run);

/* cell_run_load - the configuration that `text` says. */
BH_MUST_CHECK int cell_run_load(const struct cell_run *run, const char *text, struct bh_run_config **out,
                                struct bh_error *error);

/* cell_run_misbehave - the misbehaving cell, told what to do, on core_idx of core_cnt cores. Where: args_cell_dir. */
void cell_run_misbehave(struct cell_run *run, enum misbehave_what what, unsigned core_cnt, unsigned core_idx);

/* Taken from the test program's arguments: PROGRAM CELL_FOLDER. Exits with 77 (skipped) when not root. */
extern const char *args_program, *args_cell_dir;
void args_take(int argc, char **argv);

/* cpu_cnt - CPUs that we may use. */
unsigned cpu_cnt(void);

extern const struct bh_app misbehave_app;

#endif
