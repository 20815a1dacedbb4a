/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/run/errors.h"
#include "host/run/internal.h"

#define WATCH_NS (UINT64_C(20) * BH_NS_PER_MS)
#define TICK_NS  (UINT64_C(100) * BH_NS_PER_MS)

/* How many signals asked to stop, since the last bh_cell_start with catch_signals. */
static volatile sig_atomic_t signal_cnt;
static struct sigaction old_action[3];
static const int caught[3] = {SIGINT, SIGTERM, SIGHUP};

static void
on_stop_signal(int number)
{
	(void)number;
	if (signal_cnt < 1000)
		signal_cnt++;
}

static void
catch_signals(void)
{
	struct sigaction action = {.sa_handler = on_stop_signal};
	signal_cnt = 0;
	for (size_t i = 0; i < BH_ARRAY_CNT(caught); i++)
		sigaction(caught[i], &action, &old_action[i]);
}

static void
release_signals(const struct bh_cell *cell)
{
	for (size_t i = 0; i < BH_ARRAY_CNT(caught) && cell->options.catch_signals; i++)
		sigaction(caught[i], &old_action[i], NULL);
}

int
bh_cell_find_file(const char *app_name, char *out_path, size_t path_bytes, struct bh_error *error)
{
	static const char *const folder[] = {"", "cells/", "apps/", "examples/", "tests/cells/"};
	char exe[PATH_MAX];
	if (strchr(app_name, '/') != NULL) {
		if ((size_t)snprintf(out_path, path_bytes, "%s", app_name) < path_bytes)
			return 0;
		return bh_error_set(error, "E060", -ENAMETOOLONG, "the cell's path is too long: %.100s", app_name);
	}
	ssize_t len = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	exe[BH_MAX(len, 0)] = '\0';
	char *slash = strrchr(exe, '/');
	if (slash != NULL)
		slash[1] = '\0';
	for (size_t i = 0; i < 2 * BH_ARRAY_CNT(folder); i++) {
		const char *in = folder[i / 2];
		int used = i % 2 == 0 ? snprintf(out_path, path_bytes, "%s%s%s.cell", exe, in, app_name)
		                      : snprintf(out_path, path_bytes, "%s%s%s/%s.cell", exe, in, app_name, app_name);
		if (used > 0 && (size_t)used < path_bytes && access(out_path, F_OK) == 0)
			return 0;
	}
	return bh_error_set(error, "E060", -ENOENT,
	                    "no application '%s': neither %s.cell beside the program in %.200s nor below it; "
	                    "[cell] app may also be a path",
	                    app_name, app_name, exe);
}

/* Ourselves and the software devices stay away from the cell's CPUs. */
static void
leave_cell_cpus(struct bh_cell *cell)
{
	cpu_set_t rest;
	CPU_ZERO(&rest);
	for (uint32_t i = 0; i < cell->cpus.rest_cnt; i++)
		CPU_SET(cell->cpus.rest[i], &rest);
	if (sched_getaffinity(0, sizeof(cell->old_affinity), &cell->old_affinity) == 0)
		cell->affinity_set = sched_setaffinity(0, sizeof(rest), &rest) == 0;
	/* Short sleeps between looks at the mailbox shall be short. */
	prctl(PR_SET_TIMERSLACK, 1000);
	if (cell->cpus.shared)
		bh_warn(cell, "E021",
		        "no CPU is left for the host: cell, devices and supervisor take turns; it works, slowly, "
		        "and its latencies mean nothing");
}

static int
prepare_machine(struct bh_cell *cell, struct bh_error *error)
{
	char path[PATH_MAX];
	const char *file = cell->options.cell_file;
	int err = bh_tsc_check(error);
	if (err == 0 && file == NULL) {
		err = bh_cell_find_file(cell->config->app_name, path, sizeof(path), error);
		file = path;
	}
	if (err == 0)
		err = bh_cpu_plan(cell->config, &cell->cpus, error);
	if (err == 0)
		err = bh_elf_open(file, &cell->elf, error);
	if (err != 0)
		return err;
	snprintf(cell->elf_path, sizeof(cell->elf_path), "/proc/self/fd/%d", cell->elf.fd);
	leave_cell_cpus(cell);
	return 0;
}

static int
prepare_memory(struct bh_cell *cell, struct bh_error *error)
{
	const struct bh_run_config *config = cell->config;
	struct bh_memory_facts *facts = &cell->result.memory;
	struct bh_error warning = {0};
	bool huge;
	int node = bh_cpu_node(cell->cpus.cell[0]);
	uint64_t heap_bytes = config->app != NULL ? config->app->heap_bytes : 0;
	heap_bytes = BH_ALIGN_UP(heap_bytes != 0 ? heap_bytes : BH_HEAP_BYTES_DEFAULT, UINT64_C(2) << 20);
	bh_page_layout(cell->cpus.cell_cnt, &cell->page.shared);
	int err = bh_memory_use_huge(config, config->arena_bytes + heap_bytes, &huge, &warning, error);
	if (err != 0)
		return err;
	if (warning.text[0] != '\0')
		bh_warn(cell, warning.id, "%s", warning.text);
	err = bh_memory_alloc("arena", config->arena_bytes, huge, node, &cell->arena, error);
	if (err == 0)
		err = bh_memory_alloc("heap", heap_bytes, huge, node, &cell->heap, error);
	if (err == 0)
		err = bh_memory_alloc("shared region", cell->page.shared.size_bytes, false, node, &cell->shared, error);
	if (err != 0)
		return err;
	*facts = (struct bh_memory_facts){
	        .arena_bytes = cell->arena.size_bytes,
	        .heap_bytes = cell->heap.size_bytes,
	        .shared_bytes = cell->shared.size_bytes,
	        .page_size_bytes = cell->arena.page_bytes,
	        .heap_page_size_bytes = cell->heap.page_bytes,
	        .locked = cell->arena.locked && cell->heap.locked && cell->shared.locked,
	};
	if (!facts->locked)
		bh_warn(cell, "E033",
		        "the cell's memory could not be locked; the kernel may move it, which shows as pauses");
	cell->result.times.memory_ns = bh_now_ns() - cell->start_ns;
	return 0;
}

static int
start(struct bh_cell *cell, struct bh_error *error)
{
	int err = prepare_machine(cell, error);
	if (err == 0)
		err = prepare_memory(cell, error);
	if (err == 0)
		err = bh_devices_open(cell, error);
	cell->result.times.devices_ns = bh_now_ns() - cell->start_ns;
	if (err == 0)
		err = bh_page_build(cell, error);
	if (err != 0)
		return err;
	cell->view = (struct bh_view){.shared = cell->shared.addr,
	                              .layout = cell->page.shared,
	                              .core_cnt = cell->cpus.cell_cnt,
	                              .tsc_hz = cell->page.tsc_hz};
	if (cell->options.catch_signals && signal_cnt != 0)
		return bh_error_set(error, "E093", -ECANCELED, "interrupted while starting");
	return bh_launch(cell, error);
}

int
bh_cell_start(const struct bh_run_config *config, const struct bh_cell_options *options, struct bh_cell **out,
              struct bh_error *error)
{
	if (geteuid() != 0)
		return bh_error_set(
		        error, "E001", -EPERM,
		        "starting a cell needs root: run bulkhead with sudo; the cell itself runs without privileges");
	struct bh_cell *cell = calloc(1, sizeof(*cell));
	if (cell == NULL)
		return bh_error_set(error, "E030", -ENOMEM, "out of memory");
	cell->config = config;
	cell->options = *options;
	if (cell->options.drain_ns == 0)
		cell->options.drain_ns = BH_DRAIN_NS_DEFAULT;
	if (cell->options.tick_ns == 0)
		cell->options.tick_ns = TICK_NS;
	cell->start_ns = bh_now_ns();
	cell->tsc_start = bh_tsc_sample();
	cell->elf = (struct bh_elf){.fd = -1, .exec_fd = -1};
	cell->arena.fd = cell->heap.fd = cell->shared.fd = -1;
	if (options->catch_signals)
		catch_signals();
	int err = start(cell, error);
	if (err != 0) {
		bh_cell_free(cell);
		return err;
	}
	*out = cell;
	return 0;
}

void
bh_cell_request_stop(struct bh_cell *cell)
{
	__atomic_add_fetch(&cell->stop_requested, 1, __ATOMIC_RELAXED);
}

/* Tight while the cell talks to its devices through us, relaxed otherwise: the host's CPU may be the device's as well. */
static uint64_t
sleep_time_ns(const struct bh_cell *cell, uint64_t now_ns)
{
	uint64_t quiet_ns = now_ns - cell->mailbox_ns;
	if (quiet_ns < 5 * BH_NS_PER_MS)
		return 10000;
	if (quiet_ns < 100 * BH_NS_PER_MS || !cell->all_running || cell->stop_ns != 0)
		return 100000;
	return 4 * BH_NS_PER_MS;
}

static void
tick(struct bh_cell *cell, uint64_t now_ns)
{
	cell->next_tick_ns = now_ns + cell->options.tick_ns;
	bh_watch_facts(cell);
	if (cell->options.tick != NULL)
		cell->options.tick(cell->options.context, cell);
}

static void
supervise(struct bh_cell *cell)
{
	cell->mailbox_ns = bh_now_ns();
	while (cell->pid != 0) {
		bh_trace_poll(cell);
		if (cell->pid == 0)
			break;
		unsigned served_cnt = bh_mailbox_service(cell);
		uint64_t now_ns = bh_now_ns();
		if (signal_cnt != 0 && cell->options.catch_signals)
			__atomic_store_n(&cell->stop_requested, (uint32_t)signal_cnt, __ATOMIC_RELAXED);
		if (now_ns >= cell->next_watch_ns || !cell->all_running) {
			cell->next_watch_ns = now_ns + WATCH_NS;
			bh_watch(cell, now_ns);
		}
		if (cell->all_running && cell->pid != 0 && now_ns >= cell->next_tick_ns)
			tick(cell, now_ns);
		if (served_cnt == 0 && cell->pid != 0)
			bh_sleep_ns(sleep_time_ns(cell, now_ns));
	}
}

/* Nothing was decided while it ran: its exit status and the cores' words say how it ended. */
static void
judge_exit(struct bh_cell *cell)
{
	struct bh_cell_result *result = &cell->result;
	int code = WIFEXITED(cell->exit_status) ? WEXITSTATUS(cell->exit_status) : -1;
	bool all_done = true;
	for (uint32_t i = 0; i < cell->page.core_cnt; i++) {
		const struct bh_core_status status = *(volatile struct bh_core_status *)bh_cell_status(cell, i);
		all_done &= status.state == BH_CORE_DONE;
		if (code == BH_CELL_EXIT_BOOT_STEP && status.boot_error != 0 && result->boot_error == 0) {
			result->core_idx = i;
			result->boot_step = status.boot_step;
			result->boot_error = status.boot_error;
		}
		if (status.state == BH_CORE_DONE && status.exit_code != 0 && result->cell_error == 0) {
			result->core_idx = i;
			result->cell_error = status.exit_code;
		}
	}
	if (code >= BH_CELL_EXIT_NO_BOOT_PAGE && code <= BH_CELL_EXIT_BOOT_STEP)
		bh_verdict(cell, BH_OUTCOME_BOOT_FAILED);
	else if (all_done && code == BH_CELL_EXIT_OK && result->cell_error == 0)
		bh_verdict(cell, BH_OUTCOME_DONE);
	else if (all_done && code == BH_CELL_EXIT_FAILED && result->cell_error != 0)
		bh_verdict(cell, BH_OUTCOME_FAILED);
	else
		bh_verdict(cell, BH_OUTCOME_KILLED);
}

static void
release(struct bh_cell *cell)
{
	bh_trace_kill(cell);
	bh_devices_release(cell);
	bh_memory_free(&cell->arena);
	bh_memory_free(&cell->heap);
	if (cell->affinity_set)
		sched_setaffinity(0, sizeof(cell->old_affinity), &cell->old_affinity);
	cell->affinity_set = false;
}

void
bh_cell_wait(struct bh_cell *cell, struct bh_cell_result *out_result)
{
	supervise(cell);
	/* A device that went together with the cell: its loss is the reason, if anything was decided by the cell's end. */
	struct bh_error error = {0};
	if (!cell->decided && !bh_devices_alive(cell, &error)) {
		cell->cause = error.text[0] != '\0' ? error : cell->cause;
		bh_verdict(cell, BH_OUTCOME_DEVICE_GONE);
	}
	judge_exit(cell);
	bh_verdict_text(cell);
	release(cell);
	cell->waited = true;
	*out_result = cell->result;
}

void
bh_cell_free(struct bh_cell *cell)
{
	if (cell == NULL)
		return;
	release(cell);
	release_signals(cell);
	bh_memory_free(&cell->shared);
	bh_elf_close(&cell->elf);
	free(cell);
}

const struct bh_view *
bh_cell_view(const struct bh_cell *cell)
{
	return &cell->view;
}

const struct bh_boot_page *
bh_cell_page(const struct bh_cell *cell)
{
	return &cell->page;
}

const char *
bh_cell_elf_path(const struct bh_cell *cell)
{
	return cell->elf_path;
}

int
bh_cell_pid(const struct bh_cell *cell)
{
	return cell->pid;
}

uint64_t
bh_cell_elapsed_ns(const struct bh_cell *cell)
{
	return cell->all_running ? bh_now_ns() - cell->running_at_ns : 0;
}

const struct bh_cell_result *
bh_cell_live(const struct bh_cell *cell)
{
	return &cell->result;
}
