/* SPDX-License-Identifier: Apache-2.0 */
#include "core/internal.h"
#include <bulkhead/device.h>

struct access {
	uint16_t op; /* enum bh_mailbox_op */
	uint32_t bar;
	uint32_t width_bytes;
	uint64_t offset;
	uint64_t value; /* to write, or what was read */
};

static bool
name_equal(const char *name, const char *field)
{
	for (size_t i = 0; i < BH_NAME_BYTES && name[i] == field[i]; i++) {
		if (name[i] == '\0')
			return true;
	}
	return false;
}

int
bh_device_find(const char *name, struct bh_device *out_device)
{
	const struct bh_boot_page *page = bh_boot_page();
	for (uint32_t i = 0; i < page->device_cnt; i++) {
		if (name_equal(name, page->device[i].name)) {
			*out_device = (struct bh_device){.device_idx = i, .info = &page->device[i]};
			return 0;
		}
	}
	return -BH_ENOENT;
}

volatile void *
bh_device_window(const struct bh_device *device, uint32_t bar, uint64_t offset, uint64_t size_bytes)
{
	if (bar >= BH_DEVICE_BARS_MAX)
		return NULL;
	const struct bh_boot_bar *info = &device->info->bar[bar];
	for (uint32_t i = 0; i < info->window_cnt; i++) {
		const struct bh_boot_window *window = &info->window[i];
		uint64_t inside = offset - window->bar_offset;
		if (inside < window->size_bytes && size_bytes <= window->size_bytes - inside)
			return (volatile void *)(uintptr_t)(window->addr + inside);
	}
	return NULL;
}

/* Other fibers of the core run meanwhile; where there is no fiber (a poller, start-up), spin. */
static void
mailbox_relax(const struct bh_core *core)
{
	if (core->current != NULL)
		bh_yield();
	else
		bh_heartbeat();
	bh_cpu_pause();
}

static struct bh_mailbox_slot *
mailbox_slot(const struct bh_core *core)
{
	struct bh_mailbox_slot *slot = bh_shared_section(core->cell, core->cell->page->shared.mailbox_offset);
	return slot + core->core_idx;
}

static void
mailbox_post(struct bh_core *core, struct bh_mailbox_slot *slot, uint32_t device_idx, const struct access *access)
{
	slot->op = access->op;
	slot->device = (uint16_t)device_idx;
	slot->bar = access->bar;
	slot->width_bytes = access->width_bytes;
	slot->offset = access->offset;
	slot->write_value = access->value;
	/* Release: the request is whole before the supervisor sees its number. */
	__atomic_store_n(&slot->request_seq, ++core->mailbox_seq, __ATOMIC_RELEASE);
}

/* What the supervisor says about a back end's refusal is one of two things to a driver. */
static int
mailbox_error(int32_t status)
{
	return status == -BH_ENODEV ? -BH_ENODEV : -BH_EIO;
}

static int
mailbox_wait(const struct bh_core *core, struct bh_mailbox_slot *slot, uint64_t deadline_tsc, struct access *access)
{
	/* Acquire: the answer is whole once its number is there. */
	while (__atomic_load_n(&slot->done_seq, __ATOMIC_ACQUIRE) != core->mailbox_seq) {
		if (bh_clock_now_tsc() > deadline_tsc)
			return -BH_ETIMEDOUT;
		mailbox_relax(core);
	}
	int32_t status = __atomic_load_n(&slot->status, __ATOMIC_RELAXED);
	if (status != 0)
		return mailbox_error(status);
	access->value = __atomic_load_n(&slot->read_value, __ATOMIC_RELAXED);
	return 0;
}

/* A core has one slot; its fibers take turns. */
static int
mailbox_call(const struct bh_device *device, struct access *access)
{
	struct bh_core *core = bh_core_self();
	uint64_t timeout_ns = access->op == BH_MAILBOX_RESET ? BH_DEVICE_RESET_TIMEOUT_NS : BH_MAILBOX_TIMEOUT_NS;
	uint64_t deadline_tsc = bh_clock_now_tsc() + bh_ns_to_tsc(timeout_ns);
	while (core->mailbox_taken) {
		/* A poller that came in between can never see it free. */
		if (core->current == NULL || bh_clock_now_tsc() > deadline_tsc)
			return -BH_ETIMEDOUT;
		mailbox_relax(core);
	}
	core->mailbox_taken = true;
	struct bh_mailbox_slot *slot = mailbox_slot(core);
	mailbox_post(core, slot, device->device_idx, access);
	int err = mailbox_wait(core, slot, deadline_tsc, access);
	core->mailbox_taken = false;
	return err;
}

static bool
access_is_valid(const struct bh_device *device, const struct access *access)
{
	if (access->offset % access->width_bytes != 0)
		return false;
	if (access->bar == BH_BAR_CONFIG)
		return access->op == BH_MAILBOX_READ && access->width_bytes <= 4 &&
		       access->offset < BH_CONFIG_BYTES_MAX;
	if (access->bar >= BH_DEVICE_BARS_MAX)
		return false;
	uint64_t bar_bytes = device->info->bar[access->bar].size_bytes;
	return access->offset < bar_bytes && access->width_bytes <= bar_bytes - access->offset;
}

static uint64_t
mapped_read(const volatile void *addr, uint32_t width_bytes)
{
	switch (width_bytes) {
	case 1:
		return bh_mmio_read8(addr);
	case 2:
		return bh_mmio_read16(addr);
	case 4:
		return bh_mmio_read32(addr);
	default:
		return bh_mmio_read64(addr);
	}
}

static void
mapped_write(volatile void *addr, uint32_t width_bytes, uint64_t value)
{
	switch (width_bytes) {
	case 1:
		bh_mmio_write8(addr, (uint8_t)value);
		break;
	case 2:
		bh_mmio_write16(addr, (uint16_t)value);
		break;
	case 4:
		bh_mmio_write32(addr, (uint32_t)value);
		break;
	default:
		bh_mmio_write64(addr, value);
	}
}

static int
reg_read(const struct bh_device *device, uint32_t bar, uint64_t offset, uint32_t width_bytes, uint64_t *out_value)
{
	struct access access = {.op = BH_MAILBOX_READ, .bar = bar, .width_bytes = width_bytes, .offset = offset};
	if (!access_is_valid(device, &access))
		return -BH_EINVAL;
	volatile void *addr = bh_device_window(device, bar, offset, width_bytes);
	int err = 0;
	if (addr != NULL)
		access.value = mapped_read(addr, width_bytes);
	else
		err = mailbox_call(device, &access);
	*out_value = access.value;
	return err;
}

static int
reg_write(const struct bh_device *device, uint32_t bar, uint64_t offset, uint32_t width_bytes, uint64_t value)
{
	struct access access = {
	        .op = BH_MAILBOX_WRITE, .bar = bar, .width_bytes = width_bytes, .offset = offset, .value = value};
	if (!access_is_valid(device, &access))
		return -BH_EINVAL;
	volatile void *addr = bh_device_window(device, bar, offset, width_bytes);
	if (addr == NULL)
		return mailbox_call(device, &access);
	mapped_write(addr, width_bytes, value);
	return 0;
}

int
bh_reg_read8(const struct bh_device *device, uint32_t bar, uint64_t offset, uint8_t *out_value)
{
	uint64_t value;
	int err = reg_read(device, bar, offset, sizeof(*out_value), &value);
	if (err == 0)
		*out_value = (uint8_t)value;
	return err;
}

int
bh_reg_read16(const struct bh_device *device, uint32_t bar, uint64_t offset, uint16_t *out_value)
{
	uint64_t value;
	int err = reg_read(device, bar, offset, sizeof(*out_value), &value);
	if (err == 0)
		*out_value = (uint16_t)value;
	return err;
}

int
bh_reg_read32(const struct bh_device *device, uint32_t bar, uint64_t offset, uint32_t *out_value)
{
	uint64_t value;
	int err = reg_read(device, bar, offset, sizeof(*out_value), &value);
	if (err == 0)
		*out_value = (uint32_t)value;
	return err;
}

int
bh_reg_read64(const struct bh_device *device, uint32_t bar, uint64_t offset, uint64_t *out_value)
{
	uint64_t value;
	int err = reg_read(device, bar, offset, sizeof(*out_value), &value);
	if (err == 0)
		*out_value = (uint64_t)value;
	return err;
}

int
bh_reg_write8(const struct bh_device *device, uint32_t bar, uint64_t offset, uint8_t value)
{
	return reg_write(device, bar, offset, sizeof(value), value);
}

int
bh_reg_write16(const struct bh_device *device, uint32_t bar, uint64_t offset, uint16_t value)
{
	return reg_write(device, bar, offset, sizeof(value), value);
}

int
bh_reg_write32(const struct bh_device *device, uint32_t bar, uint64_t offset, uint32_t value)
{
	return reg_write(device, bar, offset, sizeof(value), value);
}

int
bh_reg_write64(const struct bh_device *device, uint32_t bar, uint64_t offset, uint64_t value)
{
	return reg_write(device, bar, offset, sizeof(value), value);
}

int
bh_device_reset(const struct bh_device *device)
{
	struct bh_cell *cell = bh_core_self()->cell;
	struct access access = {.op = BH_MAILBOX_RESET};
	/* Before the request can be seen, and after its answer: who finds the two equal finds no reset in between. */
	__atomic_fetch_add(&cell->reset[device->device_idx].begun_cnt, 1, __ATOMIC_SEQ_CST);
	int err = mailbox_call(device, &access);
	__atomic_fetch_add(&cell->reset[device->device_idx].ended_cnt, 1, __ATOMIC_SEQ_CST);
	return err;
}

uint32_t
bh_device_reset_cnt(const struct bh_device *device, bool *out_under_way)
{
	const struct bh_cell *cell = bh_core_self()->cell;
	/* In this order: a reset that ends in between counts as under way, one that begins is in the next answer. */
	uint32_t ended_cnt = __atomic_load_n(&cell->reset[device->device_idx].ended_cnt, __ATOMIC_ACQUIRE);
	uint32_t begun_cnt = __atomic_load_n(&cell->reset[device->device_idx].begun_cnt, __ATOMIC_ACQUIRE);
	*out_under_way = begun_cnt != ended_cnt;
	return begun_cnt;
}
