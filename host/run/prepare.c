/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything before the cell's process: the file, the CPUs, the memory, the devices, the boot page.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "host/errors/errors.h"
#include "host/run/internal.h"

int
bh_cell_find_file(const char *app_name, char *out_path, size_t path_bytes, struct bh_error *error)
{
	static const char *const folder[] = {"",          "cells/",       "apps/",
	                                     "examples/", "tests/cells/", "../lib/bulkhead/apps/"};
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

int
bh_cell_prepare(struct bh_cell *cell, struct bh_error *error)
{
	int err = prepare_machine(cell, error);
	if (err == 0)
		err = prepare_memory(cell, error);
	if (err == 0)
		err = bh_devices_open(cell, error);
	if (err == 0)
		err = bh_app_open(cell, error);
	cell->result.times.devices_ns = bh_now_ns() - cell->start_ns;
	if (err == 0)
		err = bh_page_build(cell, error);
	if (err != 0)
		return err;
	cell->view = (struct bh_view){.shared = cell->shared.addr,
	                              .layout = cell->page.shared,
	                              .core_cnt = cell->cpus.cell_cnt,
	                              .tsc_hz = cell->page.tsc_hz};
	return 0;
}
