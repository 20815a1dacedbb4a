/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include <bulkhead/abi/histogram.h>
#include <bulkhead/abi/log.h>

#include "host/device/pci.h"
#include "host/errors/errors.h"
#include "host/run/internal.h"

#define COUNTER_CNT    512u
#define HIST_CNT       16u
#define LOG_RECORD_CNT 4096u

/* Sections one after the other, each on a page of its own, so that no writer shares one with another. */
static uint32_t
take(uint32_t *offset, uint64_t size_bytes)
{
	uint32_t at = *offset;
	*offset += (uint32_t)BH_ALIGN_UP(size_bytes, (uint64_t)BH_PAGE_BYTES);
	return at;
}

void
bh_page_layout(uint32_t core_cnt, struct bh_shared_layout *out)
{
	uint32_t offset = 0;
	uint64_t cores = core_cnt;
	*out = (struct bh_shared_layout){
	        .counter_cnt = COUNTER_CNT,
	        .hist_cnt = HIST_CNT,
	        .log_record_cnt = LOG_RECORD_CNT,
	        .log_stride_bytes = sizeof(struct bh_log_ring) + LOG_RECORD_CNT * sizeof(struct bh_log_record),
	};
	out->control_offset = take(&offset, sizeof(struct bh_control));
	out->core_offset = take(&offset, cores * sizeof(struct bh_core_status));
	out->mailbox_offset = take(&offset, cores * sizeof(struct bh_mailbox_slot));
	out->panic_offset = take(&offset, cores * sizeof(struct bh_panic_record));
	out->counter_desc_offset = take(&offset, COUNTER_CNT * sizeof(struct bh_metric_desc));
	out->counter_offset = take(&offset, cores * COUNTER_CNT * sizeof(uint64_t));
	out->hist_desc_offset = take(&offset, HIST_CNT * sizeof(struct bh_metric_desc));
	out->hist_offset = take(&offset, cores * HIST_CNT * sizeof(struct bh_hist));
	out->log_offset = take(&offset, cores * out->log_stride_bytes);
	out->size_bytes = offset;
}

static int
add_region(struct bh_cell *cell, const struct bh_boot_region *region, int fd)
{
	struct bh_boot_page *page = &cell->page;
	if (page->region_cnt == BH_REGIONS_MAX)
		return -E2BIG;
	cell->region_fd[page->region_cnt] = fd;
	page->region[page->region_cnt] = *region;
	page->region[page->region_cnt].fd = BH_BOOT_FD + 1 + (int32_t)page->region_cnt;
	page->region_cnt++;
	return 0;
}

static int
add_memory(struct bh_cell *cell, uint64_t addr, enum bh_region_kind kind, const struct bh_memory *memory)
{
	uint32_t flags = BH_REGION_WRITE | (memory->page_bytes != BH_PAGE_BYTES ? BH_REGION_HUGETLB : 0);
	struct bh_boot_region region = {.addr = addr, .size_bytes = memory->size_bytes, .kind = kind, .flags = flags};
	return add_region(cell, &region, memory->fd);
}

/* One window of a BAR as a region of its own; what is not made of whole pages stays with the mailbox. */
static int
add_window(struct bh_cell *cell, uint32_t device_idx, uint32_t bar_idx, const struct bh_backend_window *window,
           uint64_t *addr)
{
	struct bh_boot_bar *bar = &cell->page.device[device_idx].bar[bar_idx];
	const uint64_t mask = BH_PAGE_BYTES - 1;
	if (((window->offset | window->size_bytes | window->fd_offset) & mask) != 0 || window->size_bytes == 0 ||
	    bar->window_cnt == BH_BAR_WINDOWS_MAX) {
		bh_warn(cell, "E051",
		        "device %s: %lu bytes at 0x%lx of BAR %u cannot be mapped and go through the mailbox",
		        cell->page.device[device_idx].name, window->size_bytes, window->offset, bar_idx);
		return 0;
	}
	struct bh_boot_region region = {.addr = *addr,
	                                .size_bytes = window->size_bytes,
	                                .fd_offset = window->fd_offset,
	                                .kind = BH_REGION_BAR,
	                                .flags = window->read_only ? 0 : BH_REGION_WRITE,
	                                .device_idx = device_idx};
	if (region.size_bytes > BH_ADDR_SHARED - BH_GUARD_BYTES - *addr)
		return -E2BIG;
	bar->window[bar->window_cnt++] = (struct bh_boot_window){window->offset, window->size_bytes, *addr};
	*addr = BH_ALIGN_UP(*addr + window->size_bytes + 2 * (uint64_t)BH_GUARD_BYTES, (uint64_t)BH_GUARD_BYTES);
	return add_region(cell, &region, window->fd);
}

static int
add_device(struct bh_cell *cell, uint32_t device_idx, uint64_t *addr)
{
	const struct bh_cell_device *from = &cell->device[device_idx];
	struct bh_boot_device *device = &cell->page.device[device_idx];
	int err = 0;
	snprintf(device->name, sizeof(device->name), "%s", from->config->name);
	snprintf(device->model, sizeof(device->model), "%s",
	         from->config->backend == BH_BACKEND_VFIO || from->config->model[0] == '\0'
	                 ? bh_pci_class_name(from->backend->pci_class)
	                 : from->config->model);
	device->queue_cnt = from->config->queue_cnt;
	device->no_offload = from->config->no_offload;
	device->mtu_bytes = from->config->mtu_bytes;
	device->pci_vendor = from->backend->pci_vendor;
	device->pci_device = from->backend->pci_device;
	device->pci_class = from->backend->pci_class & 0xffffff;
	for (uint32_t i = 0; i < BH_DEVICE_BARS_MAX && err == 0; i++) {
		const struct bh_backend_bar *bar = &from->backend->bar[i];
		device->bar[i].size_bytes = bar->size_bytes;
		for (uint32_t j = 0; j < bar->window_cnt && err == 0; j++)
			err = add_window(cell, device_idx, i, &bar->window[j], addr);
	}
	return err;
}

static int
add_app_config(struct bh_cell *cell, struct bh_error *error)
{
	const struct bh_app *app = cell->config->app;
	struct bh_boot_page *page = &cell->page;
	if (app == NULL || app->compile == NULL)
		return 0;
	int err = app->compile(cell->config, page->app_config, &page->app_config_bytes, error);
	if (err == 0 && page->app_config_bytes > BH_APP_CONFIG_BYTES)
		return bh_error_set(error, "E018", -E2BIG, "application %s: its configuration needs %u bytes of %u",
		                    app->name, page->app_config_bytes, BH_APP_CONFIG_BYTES);
	return err;
}

static void
fill_header(struct bh_cell *cell)
{
	struct bh_boot_page *page = &cell->page;
	page->magic = BH_BOOT_MAGIC;
	page->version = BH_BOOT_VERSION;
	page->size_bytes = sizeof(*page);
	snprintf(page->cell_name, sizeof(page->cell_name), "%s", cell->config->name);
	page->tsc_hz = bh_tsc_hz(&cell->tsc_start);
	page->core_cnt = cell->cpus.cell_cnt;
	memcpy(page->cpu, cell->cpus.cell, sizeof(page->cpu));
	page->fiber_cnt = BH_FIBER_CNT;
	page->fiber_stack_bytes = BH_FIBER_STACK_BYTES;
	page->device_cnt = cell->device_cnt;
	page->shared_host = cell->cpus.shared;
	page->seed = cell->options.seed;
}

int
bh_page_build(struct bh_cell *cell, struct bh_error *error)
{
	uint64_t addr = BH_ADDR_BARS;
	fill_header(cell);
	if (cell->page.seed == 0 && getrandom(&cell->page.seed, sizeof(cell->page.seed), 0) < 0)
		return bh_error_set(error, "E035", -errno, "no random numbers: %s", strerror(errno));
	int err = add_memory(cell, BH_ADDR_ARENA, BH_REGION_ARENA, &cell->arena);
	if (err == 0)
		err = add_memory(cell, BH_ADDR_HEAP, BH_REGION_HEAP, &cell->heap);
	if (err == 0)
		err = add_memory(cell, BH_ADDR_SHARED, BH_REGION_SHARED, &cell->shared);
	for (uint32_t i = 0; i < cell->device_cnt && err == 0; i++)
		err = add_device(cell, i, &addr);
	if (err != 0)
		return bh_error_set(error, "E035", err, "the devices have more mapped windows than a boot page holds");
	err = add_app_config(cell, error);
	if (err != 0)
		return err;
	cell->page.checksum = bh_boot_page_checksum(&cell->page);
	if (cell->options.edit_page != NULL)
		cell->options.edit_page(cell->options.context, &cell->page);
	return 0;
}

int
bh_page_seal(const struct bh_boot_page *page)
{
	int fd = memfd_create("bulkhead-boot", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	ssize_t written = write(fd, page, sizeof(*page));
	int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
	if (written == (ssize_t)sizeof(*page) && fcntl(fd, F_ADD_SEALS, seals) == 0)
		return fd;
	int err = written < 0 || written == (ssize_t)sizeof(*page) ? -errno : -EIO;
	close(fd);
	return err;
}
