/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The NVMe model as the cell's device. Registers are reached as in a cell: through a mapped window, or through the
 * mailbox, which the supervisor's turn here answers after a drawn time. core/device.c is the cell's own.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/hosted/include/bulkhead/hosted.h"
#include "tests/sim/sim.h"
#include <bulkhead/arch.h>
#include <bulkhead/device.h>

#define BAR_ADDR (BH_ADDR_BARS + BH_GUARD_BYTES)

struct letter {
	uint32_t served_seq;
	uint64_t due_ns; /* 0: nothing to answer */
};

static struct {
	struct nvme_model *model;
	uint8_t *media;
	uint64_t media_bytes, ns_bytes, bar_bytes;
	uint64_t arena_low, arena_high;
	bool registers_mapped, windows_small;
	uint64_t mailbox_ns_max;
	uint32_t mailbox_bad_one_in;
	struct letter letter[SIM_CORES_MAX];
	struct nvme_model_stats seen; /* as last traced */
} device;

/* The grant: the arena and nothing else; in some runs a page at a time, so that every window has an end. */
static bool
dma_window(void *context, uint64_t iova, uint64_t size_bytes, uint32_t prot, struct nvme_model_window *out)
{
	uint64_t low = device.arena_low, high = device.arena_high;

	if (iova < low || iova >= high || size_bytes > high - iova)
		return false;
	if (device.windows_small) {
		low = iova & ~UINT64_C(4095);
		high = (iova + size_bytes + 4095) & ~UINT64_C(4095);
	}
	*out = (struct nvme_model_window){.iova = low,
	                                  .size_bytes = high - low,
	                                  .addr = (uint8_t *)(uintptr_t)low,
	                                  .prot = NVME_MODEL_DMA_READ | NVME_MODEL_DMA_WRITE};
	return true;
}

void
sim_device_describe(struct bh_boot_page *page)
{
	struct bh_boot_device *info = &page->device[0];
	uint64_t first = device.registers_mapped ? 0 : NVME_REG_DOORBELLS;

	memcpy(info->name, "nvme0", sizeof("nvme0"));
	memcpy(info->model, "nvme", sizeof("nvme"));
	info->pci_class = 0x010802;
	info->bar[0] = (struct bh_boot_bar){.size_bytes = device.bar_bytes, .window_cnt = 1};
	info->bar[0].window[0] = (struct bh_boot_window){
	        .bar_offset = first, .size_bytes = device.bar_bytes - first, .addr = BAR_ADDR + first};
	page->device_cnt = 1;
	page->region[page->region_cnt++] = (struct bh_boot_region){.addr = BAR_ADDR,
	                                                           .size_bytes = device.bar_bytes,
	                                                           .fd = BH_BOOT_FD + 8,
	                                                           .kind = BH_REGION_BAR,
	                                                           .flags = BH_REGION_WRITE};
}

static void *
map(uint64_t addr, uint64_t size_bytes)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (addr ? MAP_FIXED : 0);
	void *ptr = mmap((void *)(uintptr_t)addr, size_bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
	if (ptr == MAP_FAILED)
		sim_fail("cannot map %lu bytes", size_bytes);
	return ptr;
}

void
sim_device_init(const struct sim_plan *plan)
{
	struct nvme_model_config config = plan->device;

	memset(&device, 0, sizeof(device));
	config.rules = plan->rule;
	config.rule_cnt = plan->rule_cnt;
	device.registers_mapped = plan->registers_mapped;
	device.windows_small = plan->windows_small;
	device.mailbox_ns_max = plan->pace.mailbox_ns_max;
	device.mailbox_bad_one_in = plan->pace.mailbox_bad_one_in;
	device.ns_bytes = config.size_bytes;
	device.media_bytes = config.size_bytes * config.namespace_cnt;
	device.media = map(0, device.media_bytes);
	device.arena_low = BH_ADDR_ARENA;
	device.arena_high = BH_ADDR_ARENA + plan->arena_bytes;
	device.bar_bytes = NVME_REG_DOORBELLS + nvme_model_doorbell_bytes(&config);
	uint8_t *bar = map(BAR_ADDR, device.bar_bytes);

	struct nvme_model_host host = {.dma_window = dma_window,
	                               .doorbells = (volatile uint32_t *)(void *)(bar + NVME_REG_DOORBELLS)};
	struct nvme_model_backing backing = {.memory = device.media};
	if (nvme_model_create(&config, &host, &backing, &device.model) != 0)
		sim_fail("the plan has a device that cannot be: %s", nvme_model_config_error(&config));
}

void
sim_device_end(void)
{
	nvme_model_destroy(device.model);
	munmap(device.media, device.media_bytes);
	device.model = NULL;
}

uint8_t *
sim_device_media(uint32_t nsid)
{
	return device.media + (nsid - 1) * device.ns_bytes;
}

void
sim_device_stats(struct nvme_model_stats *out)
{
	nvme_model_stats_get(device.model, out);
}

static void
faults_trace(const struct nvme_model_stats *stats)
{
	for (uint64_t i = 0; i < NVME_FAULT_ACTION_CNT; i++) {
		if (stats->fault_cnt[i] != device.seen.fault_cnt[i])
			sim_trace(SIM_EVENT_FAULT, i, stats->fault_cnt[i], 0);
	}
}

static void
changes_trace(uint32_t step_cnt)
{
	struct nvme_model_stats stats;

	nvme_model_stats_get(device.model, &stats);
	faults_trace(&stats);
	if (step_cnt > 0)
		sim_trace(SIM_EVENT_DEVICE, step_cnt, stats.admin_cnt, stats.io_cnt);
	device.seen = stats;
}

void
sim_device_poll(void)
{
	uint32_t step_cnt = nvme_model_poll(device.model, sim_now_ns());
	if (step_cnt == 0)
		return;
	sim_active();
	changes_trace(step_cnt);
}

/* Registers. A read changes nothing, so idle time may go on being skipped: drivers read CSTS to wait. */
static uint64_t
reg_read(uint64_t offset, uint32_t width_bytes)
{
	uint64_t value = nvme_model_reg_read(device.model, offset, width_bytes, sim_now_ns());
	sim_trace(SIM_EVENT_REG_READ, offset, value, 0);
	return value;
}

static void
reg_write(uint64_t offset, uint32_t width_bytes, uint64_t value)
{
	nvme_model_reg_write(device.model, offset, width_bytes, value, sim_now_ns());
	sim_trace(offset >= NVME_REG_DOORBELLS ? SIM_EVENT_DOORBELL : SIM_EVENT_REG_WRITE, offset, value, 0);
	changes_trace(0);
	sim_active();
}

/* Accesses of the cell to the mapped window: one point each, after the access took place. */
uint64_t
sim_mmio_read(const volatile void *addr, unsigned width_bytes)
{
	uint64_t offset = (uint64_t)(uintptr_t)addr - BAR_ADDR;

	sim_require(offset < device.bar_bytes);
	uint64_t value = reg_read(offset, width_bytes);
	sim_pause();
	return value;
}

void
sim_mmio_write(volatile void *addr, uint64_t value, unsigned width_bytes)
{
	uint64_t offset = (uint64_t)(uintptr_t)addr - BAR_ADDR;

	sim_require(offset < device.bar_bytes);
	reg_write(offset, width_bytes, value);
	sim_pause();
}

/* The supervisor: it takes a request up some time after it was posted. */
static void
mailbox_serve(struct bh_mailbox_slot *slot)
{
	sim_require(slot->device == 0 && (slot->op == BH_MAILBOX_RESET || slot->bar == 0));
	uint64_t value = 0;

	slot->status = 0;
	if (sim_chance(device.mailbox_bad_one_in)) {
		slot->status = -BH_EIO;
		slot->done_seq = slot->request_seq;
		return;
	}
	switch (slot->op) {
	case BH_MAILBOX_READ:
		value = reg_read(slot->offset, slot->width_bytes);
		break;
	case BH_MAILBOX_WRITE:
		reg_write(slot->offset, slot->width_bytes, slot->write_value);
		break;
	case BH_MAILBOX_RESET:
		nvme_model_reset(device.model, sim_now_ns());
		sim_trace(SIM_EVENT_FUNCTION_RESET, 0, 0, 0);
		sim_active();
		break;
	default:
		sim_fail("mailbox: unknown operation %u", slot->op);
	}
	slot->read_value = value;
	slot->done_seq = slot->request_seq;
}

void
sim_supervisor_poll(void)
{
	const struct bh_boot_page *page = bh_hosted_page();
	struct bh_mailbox_slot *slots = bh_hosted_shared(page->shared.mailbox_offset);

	for (uint32_t i = 0; i < page->core_cnt; i++) {
		struct letter *letter = &device.letter[i];
		if (slots[i].request_seq == letter->served_seq)
			continue;
		if (letter->due_ns == 0) {
			bool late = sim_chance(device.mailbox_bad_one_in);
			letter->due_ns =
			        sim_now_ns() + 1 + sim_draw(device.mailbox_ns_max) + (late ? BH_MAILBOX_TIMEOUT_NS : 0);
		} else if (sim_now_ns() >= letter->due_ns) {
			letter->served_seq = slots[i].request_seq;
			letter->due_ns = 0;
			mailbox_serve(&slots[i]);
		}
	}
}

uint64_t
sim_device_next_ns(void)
{
	uint64_t next_ns = nvme_model_next_event_ns(device.model);

	for (unsigned i = 0; i < SIM_CORES_MAX; i++) {
		if (device.letter[i].due_ns != 0)
			next_ns = BH_MIN(next_ns, device.letter[i].due_ns);
	}
	return next_ns;
}
