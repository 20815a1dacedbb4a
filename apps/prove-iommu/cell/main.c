/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hostile cell that breaks no rule of the wall: it only tells its device to reach where it may not. It uses the driver's
 * own queues, and puts addresses of the supervisor's choice into the commands.
 */
#include <bulkhead/cell.h>
#include <bulkhead/log.h>
#include <bulkhead/mem.h>
#include <bulkhead/metrics.h>
#include <bulkhead/nvme.h>
#include <bulkhead/sched.h>

#include "apps/prove-iommu/config.h"

#define STEP_NS UINT64_C(30000000000)

struct attack {
	struct bh_nvme *ctrl;
	struct bh_nvme_qpair *qpair;
	const struct bh_nvme_ns *ns;
	bool done;
	uint16_t status;
};

static void
on_done(void *arg, uint16_t status)
{
	struct attack *attack = arg;
	attack->status = status;
	attack->done = true;
}

static void
wait_ns(uint64_t ns)
{
	uint64_t end_tsc = bh_clock_now_tsc() + bh_ns_to_tsc(ns);
	while (bh_clock_now_tsc() < end_tsc && !bh_stop_requested())
		bh_yield();
}

/* One command with whatever addresses. Return: PROVE_STATUS_*. */
static uint32_t
command(struct attack *attack, const struct prove_step *step)
{
	uint32_t opcode = step->op == PROVE_DEVICE_WRITES ? NVME_NVM_READ : NVME_NVM_COMPARE;
	uint32_t lba_cnt = step->prp2 != 0 ? 2 * BH_PAGE_BYTES >> attack->ns->lba_shift : 1;
	uint64_t end_tsc = bh_clock_now_tsc() + bh_ns_to_tsc(STEP_NS);
	if (opcode == NVME_NVM_COMPARE && (attack->ns->oncs & NVME_ONCS_COMPARE) == 0)
		return PROVE_STATUS_SKIPPED;
	while (bh_nvme_state(attack->ctrl) == BH_NVME_RESETTING && bh_clock_now_tsc() < end_tsc)
		bh_yield();
	if (bh_nvme_state(attack->ctrl) != BH_NVME_LIVE || attack->qpair->free_cnt == 0)
		return PROVE_STATUS_REFUSED;
	attack->done = false;
	uint32_t tag = bh_nvme_slot_take(attack->qpair, on_done, attack);
	bh_nvme_sq_post(attack->qpair, tag, opcode, attack->ns->nsid, step->prp1, step->prp2, 0, lba_cnt - 1);
	/* Every command completes, by the device or by the driver's time-outs. */
	while (!attack->done) {
		bh_nvme_poll(attack->qpair, 8);
		bh_yield();
	}
	return PROVE_STATUS_DONE | attack->status;
}

/* "prove.7.status": no printf here. */
static uint64_t *
gauge(uint32_t idx, const char *what)
{
	char name[32] = "prove.";
	size_t used = 6;
	if (idx >= 10)
		name[used++] = (char)('0' + idx / 10);
	name[used++] = (char)('0' + idx % 10);
	name[used++] = '.';
	while (*what != '\0')
		name[used++] = *what++;
	name[used] = '\0';
	return bh_gauge_register(name, "");
}

static int
attack_all(struct attack *attack, const struct prove_config *config)
{
	uint64_t *step = bh_gauge_register(PROVE_GAUGE_STEP, "steps");
	uint64_t *status[PROVE_STEPS_MAX];
	for (uint32_t i = 0; i < config->step_cnt; i++)
		status[i] = gauge(i, "status");
	for (uint32_t i = 0; i < config->step_cnt && !bh_stop_requested(); i++) {
		*status[i] = command(attack, &config->step[i]);
		*step = i + 1;
		wait_ns((config->step[i].flags & PROVE_PAUSE) != 0 ? PROVE_PAUSE_NS : config->pace_ns);
	}
	return 0;
}

static int
victim(void)
{
	*bh_gauge_register(PROVE_GAUGE_STEP, "steps") = 1;
	while (!bh_stop_requested())
		bh_yield();
	return 0;
}

int
cell_main(unsigned core_idx)
{
	const struct prove_config *config = bh_app_config(sizeof(*config));
	/* Short time-outs: a device that goes silent over a bad address is a result, not an accident. */
	const struct bh_nvme_options options = {.command_timeout_ns = 1000000000, .no_shadow_doorbells = 1};
	struct attack attack = {0};
	if (config == NULL || config->step_cnt > PROVE_STEPS_MAX)
		return -BH_EINVAL;
	if (config->device[0] == '\0')
		return victim();
	int err = bh_nvme_open(config->device, &options, &attack.ctrl);
	if (err == 0)
		err = bh_nvme_ns_find(attack.ctrl, 1, &attack.ns);
	if (err == 0)
		err = bh_nvme_qpair_create(attack.ctrl, 8, &attack.qpair);
	if (err == 0)
		err = config->step_cnt > 0 ? attack_all(&attack, config) : victim();
	if (attack.qpair != NULL && bh_nvme_qpair_delete(attack.qpair) != 0)
		bh_log_warn("the queue pair could not be deleted");
	if (attack.ctrl != NULL && bh_nvme_close(attack.ctrl) != 0)
		bh_log_warn("the controller did not confirm its shutdown");
	return err;
}
