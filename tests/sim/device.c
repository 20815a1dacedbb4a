/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cell's devices, whatever they are (device_nvme.c, device_net.c). Registers are reached as in a cell: through a
 * mapped window, or through the mailbox, which the supervisor's turn here answers after a drawn time. core/device.c is the
 * cell's own.
 */
#include <string.h>
#include <sys/mman.h>

#include "tests/hosted/include/bulkhead/hosted.h"
#include "tests/sim/device.h"
#include <bulkhead/arch.h>
#include <bulkhead/device.h>

#define BAR_ADDR   (BH_ADDR_BARS + BH_GUARD_BYTES)
#define BAR_STRIDE (UINT64_C(16) << 20)

struct letter {
	uint32_t served_seq;
	uint64_t due_ns; /* 0: nothing to answer */
};

static struct {
	const struct sim_device_ops *ops;
	uint64_t bar_bytes;
	uint64_t mapped_from; /* of each BAR 0: what lies below goes through the mailbox */
	uint64_t arena_low, arena_high;
	bool windows_small;
	uint64_t mailbox_ns_max;
	uint32_t mailbox_bad_one_in;
	struct letter letter[SIM_CORES_MAX];
} device;

/* The grant: the arena and nothing else; in some runs a page at a time, so that every window has an end. */
bool
sim_device_dma(uint64_t iova, uint64_t size_bytes, uint64_t *out_low, uint64_t *out_bytes)
{
	uint64_t low = device.arena_low, high = device.arena_high;

	if (iova < low || iova >= high || size_bytes > high - iova)
		return false;
	if (device.windows_small) {
		low = iova & ~UINT64_C(4095);
		high = (iova + size_bytes + 4095) & ~UINT64_C(4095);
	}
	*out_low = low;
	*out_bytes = high - low;
	return true;
}

/* BAR 0 of each device: all of it behind the mailbox but for what can always be mapped (doorbells, notifications). */
static void
bar_describe(struct bh_boot_page *page, unsigned idx)
{
	uint64_t addr = BAR_ADDR + idx * BAR_STRIDE, first = device.mapped_from;

	page->device[idx].bar[0] = (struct bh_boot_bar){.size_bytes = device.bar_bytes, .window_cnt = 1};
	page->device[idx].bar[0].window[0] = (struct bh_boot_window){
	        .bar_offset = first, .size_bytes = device.bar_bytes - first, .addr = addr + first};
	page->region[page->region_cnt++] = (struct bh_boot_region){.addr = addr,
	                                                           .size_bytes = device.bar_bytes,
	                                                           .fd = (int32_t)(BH_BOOT_FD + 8 + idx),
	                                                           .kind = BH_REGION_BAR,
	                                                           .device_idx = idx,
	                                                           .flags = BH_REGION_WRITE};
}

void
sim_device_describe(struct bh_boot_page *page)
{
	page->device_cnt = device.ops->device_cnt;
	for (unsigned i = 0; i < device.ops->device_cnt; i++) {
		device.ops->describe(i, &page->device[i]);
		bar_describe(page, i);
	}
}

void *
sim_device_map(uint64_t addr, uint64_t size_bytes)
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
	memset(&device, 0, sizeof(device));
	device.ops = sim_kind_is_net(plan->kind) ? &sim_device_net : &sim_device_nvme;
	device.windows_small = plan->windows_small;
	device.mailbox_ns_max = plan->pace.mailbox_ns_max;
	device.mailbox_bad_one_in = plan->pace.mailbox_bad_one_in;
	device.arena_low = BH_ADDR_ARENA;
	device.arena_high = BH_ADDR_ARENA + plan->arena_bytes;
	device.bar_bytes = device.ops->bar_bytes(plan);
	device.mapped_from = plan->registers_mapped ? 0 : device.ops->doorbells_at(plan);
	for (unsigned i = 0; i < device.ops->device_cnt; i++)
		device.ops->init(plan, i, sim_device_map(BAR_ADDR + i * BAR_STRIDE, device.bar_bytes));
}

void
sim_device_end(void)
{
	device.ops->end();
}

void
sim_device_poll(void)
{
	if (device.ops->poll())
		sim_active();
}

uint64_t
sim_device_io_cnt(void)
{
	return device.ops->io_cnt();
}

/* Accesses of the cell to the mapped window: one point each, after the access took place. */
uint64_t
sim_mmio_read(const volatile void *addr, unsigned width_bytes)
{
	uint64_t at = (uint64_t)(uintptr_t)addr - BAR_ADDR;

	sim_require(at / BAR_STRIDE < device.ops->device_cnt && at % BAR_STRIDE < device.bar_bytes);
	uint64_t value = device.ops->read((unsigned)(at / BAR_STRIDE), 0, at % BAR_STRIDE, width_bytes);
	sim_pause();
	return value;
}

void
sim_mmio_write(volatile void *addr, uint64_t value, unsigned width_bytes)
{
	uint64_t at = (uint64_t)(uintptr_t)addr - BAR_ADDR;

	sim_require(at / BAR_STRIDE < device.ops->device_cnt && at % BAR_STRIDE < device.bar_bytes);
	device.ops->write((unsigned)(at / BAR_STRIDE), at % BAR_STRIDE, width_bytes, value);
	sim_active();
	sim_pause();
}

/* The supervisor: it takes a request up some time after it was posted. */
static void
mailbox_serve(struct bh_mailbox_slot *slot)
{
	sim_require(slot->device < device.ops->device_cnt);
	sim_require(slot->op == BH_MAILBOX_RESET || slot->bar == 0 || slot->bar == BH_BAR_CONFIG);
	uint64_t value = 0;

	slot->status = 0;
	if (sim_chance(device.mailbox_bad_one_in)) {
		slot->status = -BH_EIO;
		slot->done_seq = slot->request_seq;
		return;
	}
	switch (slot->op) {
	case BH_MAILBOX_READ:
		value = device.ops->read(slot->device, slot->bar, slot->offset, slot->width_bytes);
		break;
	case BH_MAILBOX_WRITE:
		device.ops->write(slot->device, slot->offset, slot->width_bytes, slot->write_value);
		sim_active();
		break;
	case BH_MAILBOX_RESET:
		device.ops->function_reset(slot->device);
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
	uint64_t next_ns = device.ops->next_ns();

	for (unsigned i = 0; i < SIM_CORES_MAX; i++) {
		if (device.letter[i].due_ns != 0)
			next_ns = BH_MIN(next_ns, device.letter[i].due_ns);
	}
	return next_ns;
}
