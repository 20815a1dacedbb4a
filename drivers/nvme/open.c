/* SPDX-License-Identifier: Apache-2.0 */
/* Bring-up (Base 2.0, 3.5.1) and the way back. */
#include <bulkhead/cell.h>

#include "internal.h"

#define TRANSFER_BYTES_DEFAULT (1u << 20)
#define TRANSFER_BYTES_MOST    (32u << 20)

static int
options_set(struct bh_nvme *ctrl, const struct bh_nvme_options *options)
{
	struct bh_nvme_options *set = &ctrl->options;

	if (options)
		*set = *options;
	set->io_queue_cnt = set->io_queue_cnt ? set->io_queue_cnt : bh_core_cnt();
	set->transfer_bytes_max = set->transfer_bytes_max ? set->transfer_bytes_max : TRANSFER_BYTES_DEFAULT;
	set->refused_max = set->refused_max ? set->refused_max : 4;
	set->command_timeout_ns = set->command_timeout_ns ? set->command_timeout_ns : 2000 * NVME_MS_NS;
	set->admin_timeout_ns = set->admin_timeout_ns ? set->admin_timeout_ns : 5000 * NVME_MS_NS;
	set->watch_interval_ns = set->watch_interval_ns ? set->watch_interval_ns : 200 * NVME_MS_NS;
	if (set->io_queue_cnt >= NVME_QPAIRS_MAX || !BH_IS_POW2(set->transfer_bytes_max) ||
	    set->transfer_bytes_max < BH_PAGE_BYTES || set->transfer_bytes_max > TRANSFER_BYTES_MOST ||
	    set->command_timeout_ns < NVME_MS_NS || set->admin_timeout_ns < NVME_MS_NS ||
	    set->watch_interval_ns < NVME_MS_NS)
		return -BH_EINVAL;
	ctrl->admin_timeout_tsc = bh_ns_to_tsc(set->admin_timeout_ns);
	ctrl->watch_tsc = bh_ns_to_tsc(set->watch_interval_ns);
	return 0;
}

static int
device_check(struct bh_nvme *ctrl, const char *name)
{
	int err = bh_device_find(name, &ctrl->device);
	if (err) {
		bh_log_error("nvme: the boot page has no device of the name that was asked for (%d)", err);
		return err;
	}
	uint32_t class = ctrl->device.info->pci_class;
	if (class != NVME_CLASS_IO_CONTROLLER) {
		bh_log_error("nvme: device %u has class %x, an NVMe controller has 010802", ctrl->device.device_idx,
		             class);
		return -BH_EOPNOTSUPP;
	}
	memcpy(ctrl->name, ctrl->device.info->name, sizeof(ctrl->name));
	ctrl->name[sizeof(ctrl->name) - 1] = '\0';
	bh_nvme_counters_register(ctrl);
	return 0;
}

/* Until the controller is ready. From the write of CC.EN in here to the one in bh_nvme_quiet() it may do DMA. */
static int
controller_start(struct bh_nvme *ctrl)
{
	int err = bh_nvme_capabilities_read(ctrl);
	if (!err)
		err = bh_nvme_quiet(ctrl);
	if (err) {
		bh_log_error("nvme: capabilities or first disable failed (%d)", err);
		return err;
	}
	ctrl->data_page = bh_dma_alloc(BH_PAGE_BYTES, BH_PAGE_BYTES);
	if (!ctrl->data_page)
		return -BH_ENOMEM;
	err = bh_nvme_qpair_new(ctrl, NVME_QID_ADMIN, NVME_ADMIN_DEPTH, &ctrl->admin);
	if (err)
		return err;
	err = bh_nvme_enable(ctrl);
	if (err)
		bh_log_error("nvme: not ready %u ms after CC.EN (%d)", ctrl->info.ready_timeout_ms, err);
	return err;
}

static int
controller_identify(struct bh_nvme *ctrl)
{
	int err = bh_nvme_identify_controller(ctrl);
	if (!err)
		err = bh_nvme_setup_features(ctrl);
	if (!err)
		err = bh_nvme_identify_namespaces(ctrl);
	if (err)
		bh_log_error("nvme: identification or set-up failed (%d)", err);
	return err;
}

static int
keeper_start(struct bh_nvme *ctrl)
{
	int err = bh_fiber_spawn(bh_nvme_keeper_main, ctrl);
	if (err)
		return err;
	ctrl->poller = (struct bh_poller){.fn = bh_nvme_keeper_poll, .arg = ctrl};
	bh_poller_add(&ctrl->poller);
	bh_nvme_events_arm(ctrl);
	return 0;
}

static void
controller_free(struct bh_nvme *ctrl)
{
	if (ctrl->admin)
		bh_nvme_qpair_free(ctrl->admin);
	bh_heap_free(ctrl);
}

int
bh_nvme_open(const char *device_name, const struct bh_nvme_options *options, struct bh_nvme **out_ctrl)
{
	struct bh_nvme *ctrl = bh_heap_alloc_aligned(sizeof(*ctrl), BH_CACHE_LINE_BYTES);
	if (!ctrl)
		return -BH_ENOMEM;

	ctrl->owner_core = bh_core_idx();
	int err = options_set(ctrl, options);
	if (!err)
		err = device_check(ctrl, device_name);
	if (err)
		goto free;
	err = controller_start(ctrl);
	if (!err)
		err = controller_identify(ctrl);
	if (!err)
		err = keeper_start(ctrl);
	if (err)
		goto quiet;

	bh_log_info(
	        "nvme: up: version %x, %u queue pairs of at most %u entries, transfers of %u bytes, %u namespaces, %u",
	        ctrl->info.version, ctrl->info.io_queue_cnt, ctrl->info.queue_entries_max,
	        ctrl->info.transfer_bytes_max, ctrl->info.ns_cnt, ctrl->info.shadow_doorbells);
	*out_ctrl = ctrl;
	return 0;

quiet:
	/*
	 * Its queues are in the arena, which nobody else gets: even a controller that cannot be stopped hurts no one.
	 */
	if (ctrl->admin && bh_nvme_quiet(ctrl))
		bh_log_error("nvme: and the controller could not be stopped");
free:
	controller_free(ctrl);
	return err;
}

/* Whether there is a pair that this core cannot delete: another core's, or one that is just coming or going. */
static bool
qpair_busy(const struct bh_nvme *ctrl, uint32_t qid)
{
	const struct bh_nvme_qpair *qp = ctrl->qp[qid];

	if (!__atomic_load_n(&ctrl->qid_taken[qid], __ATOMIC_ACQUIRE))
		return false;
	return !qp || qp->slow->core_idx != bh_core_idx() || __atomic_load_n(&qp->slow->abandoned, __ATOMIC_ACQUIRE);
}

static int
qpairs_delete(struct bh_nvme *ctrl)
{
	int err = 0;
	for (uint32_t qid = 1; qid < NVME_QPAIRS_MAX; qid++) {
		if (qpair_busy(ctrl, qid))
			return -BH_EBUSY;
	}
	for (uint32_t qid = 1; qid < NVME_QPAIRS_MAX; qid++) {
		int deleted = ctrl->qp[qid] ? bh_nvme_qpair_delete(ctrl->qp[qid]) : 0;
		if (deleted == -BH_ENOMEM)
			return deleted;
		if (deleted)
			err = -BH_EIO;
	}
	return err;
}

int
bh_nvme_close(struct bh_nvme *ctrl)
{
	int err = qpairs_delete(ctrl);
	if (err == -BH_EBUSY || err == -BH_ENOMEM)
		return err;
	struct nvme_request *request = bh_nvme_request_new(NVME_OP_CLOSE, 0);
	if (!request)
		return -BH_ENOMEM;

	err = bh_nvme_request_run(ctrl, &request);
	if (!request)
		return err; /* the keeper never answered and may still run: the controller stays allocated */
	bh_heap_free(request);
	if (err)
		bh_log_warn("nvme: shutdown was not confirmed (%d)", err);
	controller_free(ctrl);
	return err;
}

const struct bh_nvme_info *
bh_nvme_info(const struct bh_nvme *ctrl)
{
	return &ctrl->info;
}

int
bh_nvme_ns_find(const struct bh_nvme *ctrl, uint32_t nsid, const struct bh_nvme_ns **out_ns)
{
	for (uint32_t i = 0; i < ctrl->ns_cnt; i++) {
		const struct bh_nvme_ns *ns = &ctrl->ns[i];
		if (ns->nsid != nsid)
			continue;
		if (!ns->refused)
			*out_ns = ns;
		return ns->refused;
	}
	return -BH_ENOENT;
}

const struct bh_nvme_ns *
bh_nvme_ns_at(const struct bh_nvme *ctrl, uint32_t idx)
{
	return idx < ctrl->ns_cnt ? &ctrl->ns[idx] : NULL;
}
