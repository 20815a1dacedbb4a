/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/errors/errors.h"
#include "host/run/internal.h"

#define WATCH_NS (UINT64_C(20) * BH_NS_PER_MS)
#define TICK_NS  (UINT64_C(100) * BH_NS_PER_MS)

/* How many signals asked to stop, since the last bh_cell_start with catch_signals. */
static volatile sig_atomic_t signal_cnt;
/* SIGHUP of a cell whose application reads its configuration anew. */
static volatile sig_atomic_t reload_cnt;
static bool reloads;
static struct sigaction old_action[4];
static const int caught[4] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};

static void
on_stop_signal(int number)
{
	/* Nobody reads our output any more: a reason to stop, and the same one for every line that follows. */
	if (number == SIGPIPE && signal_cnt > 0)
		return;
	if (number == SIGHUP && reloads)
		reload_cnt = 1;
	else if (signal_cnt < 1000)
		signal_cnt++;
}

static void
catch_signals(const struct bh_cell *cell)
{
	struct sigaction action = {.sa_handler = on_stop_signal};
	signal_cnt = reload_cnt = 0;
	reloads = bh_app_reloads(cell);
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
	cell->elf = (struct bh_elf){.fd = -1};
	cell->arena.fd = cell->heap.fd = cell->shared.fd = -1;
	if (options->catch_signals)
		catch_signals(cell);
	int err = bh_cell_prepare(cell, error);
	if (err == 0 && options->catch_signals && signal_cnt != 0)
		err = bh_error_set(error, "E093", -ECANCELED, "interrupted while starting");
	if (err == 0)
		err = bh_launch(cell, error);
	if (err == 0)
		err = bh_app_start(cell, error);
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

/*
 * Tight while the cell talks to its devices through us, then ever more relaxed: the host's CPU may be the device's as
 * well. Half of the quiet time: a register that is looked at now and then costs a dozen turns, not thousands.
 */
static uint64_t
sleep_time_ns(const struct bh_cell *cell, uint64_t now_ns)
{
	const uint64_t max_ns = cell->all_running && cell->stop_ns == 0 ? 4 * BH_NS_PER_MS : BH_NS_PER_MS / 10;
	uint64_t half_ns = (now_ns - cell->mailbox_ns) / 2;
	return half_ns < 10000 ? 10000 : BH_MIN(half_ns, max_ns);
}

static void
tick(struct bh_cell *cell, uint64_t now_ns)
{
	cell->next_tick_ns = now_ns + cell->options.tick_ns;
	bh_watch_facts(cell);
	bh_watch_wall(cell);
	if (cell->options.tick != NULL && cell->pid != 0)
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
		if (reload_cnt != 0 && cell->options.catch_signals && reloads && cell->all_running) {
			reload_cnt = 0;
			bh_app_reload(cell);
		}
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
	bh_app_close(cell);
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

struct bh_backend *
bh_cell_backend(const struct bh_cell *cell, uint32_t device_idx)
{
	return device_idx < cell->device_cnt && !cell->device[device_idx].gone ? cell->device[device_idx].backend
	                                                                       : NULL;
}

uint8_t *
bh_cell_arena(const struct bh_cell *cell, uint64_t *out_bytes)
{
	*out_bytes = cell->arena.size_bytes;
	return cell->arena.addr;
}
