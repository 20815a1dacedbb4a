/* SPDX-License-Identifier: Apache-2.0 */
#include "host/prove/prove.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "host/device/pci.h"
#include "host/prove/internal.h"

#define EXTRA_IOVA   (BH_ADDR_ARENA_END - 4 * BH_PAGE_BYTES)
#define PACE_VFIO_NS UINT64_C(1750000000) /* Linux logs ten lines in five seconds, three for a fault (drivers/iommu) */
#define PACE_SOFT_NS UINT64_C(2000000)
#define RUN_NS       UINT64_C(180000000000)

static struct prove *running; /* of the callbacks: their context is the hostile cell's */

static void
warn(struct prove *prove, const struct bh_error *warning)
{
	if (prove->options->warn != NULL)
		prove->options->warn(prove->options->context, warning);
}

static void
on_running(void *context, struct bh_cell *cell)
{
	struct bh_error error = {0};
	struct bh_backend *backend = bh_cell_backend(cell, 0);
	if (backend == NULL)
		return;
	if (backend->ops->dma_map(backend, EXTRA_IOVA, BH_PAGE_BYTES, running->extra.fd, 0, &error) == 0)
		running->extra_mapped = true;
	else
		warn(running, &error);
	/* What an IOMMU that lets everything through would look like. */
	if (running->options->self_test &&
	    backend->ops->dma_map(backend, running->own.physical, BH_PAGE_BYTES, running->own.fd, 0, &error) != 0)
		warn(running, &error);
}

/* Between the step that reached the extra page and the next one, for which it must be unmapped and a canary. */
static void
unmap_extra(struct prove *prove, struct bh_cell *cell)
{
	uint64_t done = 0;
	struct bh_error error = {0};
	struct bh_backend *backend = bh_cell_backend(cell, 0);
	(void)bh_view_counter(bh_cell_view(cell), PROVE_GAUGE_STEP, &done);
	if (done <= prove->unmap_step || backend == NULL || !prove->extra_mapped)
		return;
	prove->extra_reached = canary_changed(&prove->extra);
	int err = backend->ops->dma_unmap(backend, EXTRA_IOVA, BH_PAGE_BYTES, &error);
	if (err == 0)
		err = canary_set(&prove->extra, prove->extra.page);
	prove->extra_mapped = false;
	if (err != 0)
		warn(prove, &error);
	/* In time only if the cell is still between the two. */
	(void)bh_view_counter(bh_cell_view(cell), PROVE_GAUGE_STEP, &done);
	prove->extra_unmapped = err == 0 && done == prove->unmap_step + 1;
}

/* What is not a canary might be the machine's. */
static void
halt_on_escape(const struct prove *prove, struct bh_cell *cell)
{
	uint64_t bytes;
	uint8_t *arena = bh_cell_arena(cell, &bytes);
	bool changed = canary_changed(&prove->own) || (prove->extra_unmapped && canary_changed(&prove->extra));
	if (changed && arena != NULL && bytes == PROVE_ARENA_BYTES)
		__atomic_store_n((uint64_t *)(void *)(arena + (PROVE_HALT - BH_ADDR_ARENA)), PROVE_HALTED,
		                 __ATOMIC_RELEASE);
}

static void
on_tick(void *context, struct bh_cell *cell)
{
	uint64_t done = 0;
	(void)bh_view_counter(bh_cell_view(cell), PROVE_GAUGE_STEP, &done);
	faults_read(&running->faults, (uint32_t)done);
	unmap_extra(running, cell);
	halt_on_escape(running, cell);
	if (running->options->progress != NULL)
		running->options->progress(running->options->context, (unsigned)done, running->report->line_cnt);
}

static void
on_warning(void *context, const struct bh_error *warning)
{
	warn(running, warning);
}

static void
describe_device(struct prove *prove, char *backend_text, size_t bytes)
{
	const struct bh_prove_options *options = prove->options;
	struct bh_prove_report *report = prove->report;
	report->behind_iommu = options->address != NULL;
	if (options->address != NULL)
		snprintf(backend_text, bytes, "[device d]\nbackend = vfio\naddress = %.64s\n", options->address);
	else if (options->socket != NULL)
		snprintf(backend_text, bytes, "[device d]\nbackend = vfio-user\nsocket = %.200s\n", options->socket);
	else
		snprintf(backend_text, bytes,
		         "[device d]\nbackend = softdev\nmodel = nvme\nsize = 64M\nbacking = memory\n");
	snprintf(report->device, sizeof(report->device), "%.63s",
	         options->address != NULL  ? options->address
	         : options->socket != NULL ? options->socket
	                                   : "a software device");
}

/* ERR and MIS of /proc/interrupts: interrupts that nobody expected. */
static uint64_t
spurious_interrupts(void)
{
	char line[512];
	uint64_t sum = 0;
	unsigned long cnt;
	FILE *file = fopen("/proc/interrupts", "re");
	if (file == NULL)
		return 0;
	while (fgets(line, sizeof(line), file) != NULL) {
		if (sscanf(line, " ERR: %lu", &cnt) == 1 || sscanf(line, " MIS: %lu", &cnt) == 1)
			sum += cnt;
	}
	fclose(file);
	return sum;
}

static int
attack(struct prove *prove, struct bh_error *error)
{
	char backend_text[320];
	struct bh_cell_result result;
	struct bh_cell_options options = {.tick = on_tick,
	                                  .tick_ns = 2000000,
	                                  .duration_ns = RUN_NS,
	                                  .running = on_running,
	                                  .warn = on_warning,
	                                  .catch_signals = true};
	describe_device(prove, backend_text, sizeof(backend_text));
	steps_build(prove);
	if (prove->target_cnt == 0)
		return bh_error_set(error, "E173", -EINVAL,
		                    "no target is called '%s'; docs/prove-iommu.md and --json list them",
		                    prove->options->only);
	prove->cell.orders.pace_ns = prove->report->behind_iommu ? PACE_VFIO_NS : PACE_SOFT_NS;
	snprintf(prove->cell.orders.device, sizeof(prove->cell.orders.device), "d");
	faults_open(&prove->faults, prove->options->address);
	uint64_t spurious = spurious_interrupts();
	running = prove;
	int err = prove_cell_start(&prove->cell, backend_text, "auto", &options, error);
	if (err != 0)
		return err;
	bh_cell_wait(prove->cell.cell, &result);
	faults_read(&prove->faults, prove->report->line_cnt);
	prove->report->cell_outcome = bh_outcome_name(result.outcome);
	prove->report->interrupts_unexpected = spurious_interrupts() - spurious + prove->faults.stray_cnt;
	prove->other_told = other_finish(&prove->other, &prove->other_result) == 0;
	judge_all(prove, bh_cell_view(prove->cell.cell));
	if (result.outcome != BH_OUTCOME_DONE) {
		prove->report->proven = prove->report->memory_held = false;
		warn(prove, &result.error);
	}
	return 0;
}

int
bh_prove_iommu(const struct bh_prove_options *options, struct bh_prove_report *out, struct bh_error *error)
{
	struct prove *prove = calloc(1, sizeof(*prove));
	*out = (struct bh_prove_report){0};
	if (prove == NULL)
		return bh_error_set(error, "E170", -ENOMEM, "out of memory");
	prove->options = options;
	prove->report = out;
	prove->faults.fd = -1;
	prove->arena_bytes = PROVE_ARENA_BYTES;
	struct bh_error other_error = {0};
	int err = geteuid() != 0 ? bh_error_set(error, "E172", -EPERM,
	                                        "prove-iommu needs root: physical addresses, VFIO and a cell")
	                         : 0;
	struct bh_pci_device pci;
	if (err == 0 && options->address != NULL)
		err = bh_pci_read("", options->address, &pci, error);
	if (err == 0 && options->second != NULL)
		err = bh_pci_read("", options->second, &pci, error);
	if (err == 0 && other_start(&prove->other, options->second, &other_error) != 0) {
		warn(prove, &other_error);
		if (options->second != NULL) {
			*error = other_error;
			err = -EIO;
		}
	}
	if (err == 0 && canary_make(&prove->own) != 0)
		err = bh_error_set(error, "E170", -EIO,
		                   "no canary page: its physical address cannot be read (/proc/self/pagemap)");
	if (err == 0 && (canary_page(&prove->extra) != 0 || canary_set(&prove->extra, prove->extra.page) != 0))
		err = bh_error_set(error, "E170", -EIO, "no page for the test: %s", strerror(errno));
	if (err == 0)
		err = attack(prove, error);
	if (prove->other.pid > 0)
		(void)!other_finish(&prove->other, &prove->other_result);
	if (prove->cell.cell != NULL)
		bh_cell_free(prove->cell.cell);
	bh_config_free(prove->cell.config);
	if (prove->faults.fd >= 0)
		close(prove->faults.fd);
	free(prove);
	return err;
}
