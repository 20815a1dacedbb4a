/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registers that no back end can map. A request is hostile: it is copied once, checked against what we told the cell of
 * its devices, and only the copy is used.
 */
#include <errno.h>

#include <bulkhead/device.h>

#include "host/run/internal.h"

static struct bh_mailbox_slot *
slot_of(struct bh_cell *cell, uint32_t core_idx)
{
	return (struct bh_mailbox_slot *)(void *)(cell->shared.addr + cell->page.shared.mailbox_offset) + core_idx;
}

static int
check(const struct bh_cell *cell, const struct bh_mailbox_slot *request)
{
	if (request->device >= cell->device_cnt)
		return -EINVAL;
	if (request->op == BH_MAILBOX_RESET)
		return 0;
	if (request->op != BH_MAILBOX_READ && request->op != BH_MAILBOX_WRITE)
		return -EINVAL;
	bool config = request->bar == BH_BAR_CONFIG && request->op == BH_MAILBOX_READ && request->width_bytes <= 4;
	if (request->bar >= BH_DEVICE_BARS_MAX && !config)
		return -EINVAL;
	uint64_t width = request->width_bytes, bar_bytes = BH_CONFIG_BYTES_MAX;
	if (!config)
		bar_bytes = cell->page.device[request->device].bar[request->bar].size_bytes;
	if ((width != 1 && width != 2 && width != 4 && width != 8) || request->offset % width != 0)
		return -EINVAL;
	return request->offset < bar_bytes && width <= bar_bytes - request->offset ? 0 : -EINVAL;
}

static int
read_register(struct bh_backend *backend, const struct bh_mailbox_slot *request, uint64_t *out_value,
              struct bh_error *error)
{
	uint32_t value;
	if (request->bar != BH_BAR_CONFIG)
		return backend->ops->reg_read(backend, request->bar, request->offset, request->width_bytes, out_value,
		                              error);
	if (backend->ops->config_read == NULL)
		return -EINVAL;
	int err = backend->ops->config_read(backend, (uint32_t)request->offset, request->width_bytes, &value, error);
	if (err == 0)
		*out_value = value;
	return err;
}

static int
perform(struct bh_cell *cell, const struct bh_mailbox_slot *request, uint64_t *out_value)
{
	struct bh_cell_device *device = &cell->device[request->device];
	struct bh_backend *backend = device->backend;
	struct bh_error error = {0};
	int err;
	if (device->gone)
		return -ENODEV;
	if (request->op == BH_MAILBOX_RESET)
		err = backend->ops->reset(backend, &error);
	else if (request->op == BH_MAILBOX_WRITE)
		err = backend->ops->reg_write(backend, request->bar, request->offset, request->width_bytes,
		                              request->write_value, &error);
	else
		err = read_register(backend, request, out_value, &error);
	if (err == -ENODEV) {
		device->gone = true;
		cell->cause = error;
	}
	return err;
}

static bool
serve(struct bh_cell *cell, uint32_t core_idx)
{
	struct bh_mailbox_slot *slot = slot_of(cell, core_idx);
	/* Acquire: the request is whole once its number is there. */
	uint32_t seq = __atomic_load_n(&slot->request_seq, __ATOMIC_ACQUIRE);
	if (seq == cell->mailbox_seq[core_idx])
		return false;
	struct bh_mailbox_slot request = *(volatile struct bh_mailbox_slot *)slot;
	uint64_t value = 0;
	int err = check(cell, &request);
	if (err == 0)
		err = perform(cell, &request, &value);
	cell->mailbox_seq[core_idx] = seq;
	slot->status = err;
	slot->read_value = value;
	__atomic_store_n(&slot->done_seq, seq, __ATOMIC_RELEASE);
	return true;
}

unsigned
bh_mailbox_service(struct bh_cell *cell)
{
	unsigned served_cnt = 0;
	for (uint32_t i = 0; i < cell->page.core_cnt; i++)
		served_cnt += serve(cell, i);
	if (served_cnt > 0)
		cell->mailbox_ns = bh_now_ns();
	return served_cnt;
}
