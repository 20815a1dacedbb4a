/* SPDX-License-Identifier: Apache-2.0 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/component/cell_run.h"

const char *args_program, *args_cell_dir;

static const char *const what_words[] = {
#define WORD(word) #word,
        MISBEHAVE_LIST(WORD)
#undef WORD
                NULL};

static const struct bh_config_key misbehave_keys[] = {
        {"misbehave", "what", BH_VALUE_ENUM, NULL, .words = what_words},
        {"misbehave", "core", BH_VALUE_UINT, "0", .max = BH_CORES_MAX},
};

static int
compile(const struct bh_run_config *config, void *out, uint32_t *out_bytes, struct bh_error *error)
{
	struct misbehave_config *to = out;
	to->what = bh_config_enum(config, "misbehave", "what");
	to->core_idx = (uint32_t)bh_config_uint(config, "misbehave", "core");
	*out_bytes = sizeof(*to);
	return 0;
}

const struct bh_app misbehave_app = {
        .name = "misbehave", .key = misbehave_keys, .key_cnt = BH_ARRAY_CNT(misbehave_keys), .compile = compile};

void
args_take(int argc, char **argv)
{
	if (geteuid() != 0) {
		fprintf(stderr, "cells start as root only: skipped\n");
		exit(77);
	}
	if (argc != 3) {
		fprintf(stderr, "usage: %s PROGRAM CELL_FOLDER\n", argv[0]);
		exit(2);
	}
	args_program = argv[1];
	args_cell_dir = argv[2];
}

unsigned
cpu_cnt(void)
{
	cpu_set_t set;
	return sched_getaffinity(0, sizeof(set), &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

static void
on_tick(void *context, struct bh_cell *cell)
{
	struct cell_run *run = context;
	if (run->tick != NULL)
		run->tick(run, cell);
}

static void
on_running(void *context, struct bh_cell *cell)
{
	struct cell_run *run = context;
	if (run->running != NULL)
		run->running(run, cell);
}

static void
on_warning(void *context, const struct bh_error *warning)
{
	struct cell_run *run = context;
	size_t used = strlen(run->warnings);
	snprintf(run->warnings + used, sizeof(run->warnings) - used, "%s %s\n", warning->id, warning->text);
}

static void
on_page(void *context, struct bh_boot_page *page)
{
	struct cell_run *run = context;
	if (run->edit_page != NULL)
		run->edit_page(page);
}

static int
on_reread(void *context, struct bh_run_config **out, struct bh_error *error)
{
	struct cell_run *run = context;
	return run->reread(run, out, error);
}

static void
start_and_wait(struct cell_run *run, const struct bh_run_config *config)
{
	struct bh_cell *cell;
	const struct bh_cell_options options = {
	        .duration_ns = run->duration_ns,
	        .drain_ns = run->drain_ns,
	        .cell_file = run->cell_file,
	        .program = run->program != NULL ? run->program : args_program,
	        .context = run,
	        .tick = on_tick,
	        .running = on_running,
	        .warn = on_warning,
	        .edit_page = on_page,
	        .reread = run->reread != NULL ? on_reread : NULL,
	        .catch_signals = run->reread != NULL,
	};
	run->start_err = bh_cell_start(config, &options, &cell, &run->error);
	if (run->start_err != 0)
		return;
	bh_cell_wait(cell, &run->result);
	if (run->finished != NULL)
		run->finished(run, cell);
	bh_cell_free(cell);
}

int
cell_run_load(const struct cell_run *run, const char *text, struct bh_run_config **out, struct bh_error *error)
{
	char path[64];
	int fd = memfd_create("config", MFD_CLOEXEC);
	size_t len = strlen(text);
	if (fd < 0 || write(fd, text, len) != (ssize_t)len)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int err = bh_config_load(path, NULL, 0, run->app != NULL ? run->app : &misbehave_app, 1, out, error);
	close(fd);
	return err;
}

void
cell_run(struct cell_run *run)
{
	struct bh_run_config *config;
	run->start_err = cell_run_load(run, run->config, &config, &run->error);
	if (run->start_err == 0) {
		start_and_wait(run, config);
		bh_config_free(config);
	}
}

void
cell_run_misbehave(struct cell_run *run, enum misbehave_what what, unsigned core_cnt, unsigned core_idx)
{
	char config[256], file[512];
	snprintf(config, sizeof(config),
	         "[cell]\napp = misbehave\ncpus = auto:%u\narena = 4M\npages = normal\n[misbehave]\nwhat = %s\ncore = "
	         "%u\n",
	         core_cnt, what_words[what], core_idx);
	snprintf(file, sizeof(file), "%s/misbehave.cell", args_cell_dir);
	run->config = config;
	run->cell_file = file;
	cell_run(run);
}
