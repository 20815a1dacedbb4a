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

#include "apps/prove-iommu/cell/raw.h"

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
	uint32_t opcode = step->op == PROVE_DEVICE_READS ? NVME_NVM_COMPARE : NVME_NVM_READ;
	uint32_t page_cnt = step->op == PROVE_LIST ? 3 : 2;
	uint32_t lba_cnt = step->prp2 != 0 ? page_cnt * BH_PAGE_BYTES >> attack->ns->lba_shift : 1;
	uint64_t end_tsc = bh_clock_now_tsc() + bh_ns_to_tsc(STEP_NS);
	if (opcode == NVME_NVM_COMPARE && (attack->ns->oncs & NVME_ONCS_COMPARE) == 0)
		return PROVE_STATUS_SKIPPED;
	if (step->op == PROVE_LIST && bh_nvme_info(attack->ctrl)->transfer_bytes_max < 3 * BH_PAGE_BYTES)
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

/* Data that came by way of a foreign page, or what the host saw. */
static bool escaped;

static bool
is_halted(const struct prove_step *step)
{
	const volatile uint64_t *halt = (const volatile uint64_t *)(uintptr_t)PROVE_HALT;
	return (step->flags & PROVE_UNGUARDED) != 0 && (escaped || *halt == PROVE_HALTED);
}

/* The page that shows whether something arrived: the leak page, or the target itself where it may be reached. */
static uint32_t
observed_command(struct attack *attack, const struct prove_step *step)
{
	uint64_t page = (step->flags & PROVE_ARRIVES) != 0 ? step->prp1 : PROVE_LEAK;
	if (is_halted(step))
		return PROVE_STATUS_HALTED;
	page_fill(page);
	uint32_t status = command(attack, step);
	return status | (page_changed(page) ? PROVE_STATUS_CHANGED : 0);
}

static struct {
	uint64_t *step, *status[PROVE_STEPS_MAX];
} gauges;

static void
told(const struct prove_config *config, uint32_t idx, uint32_t status)
{
	uint32_t flags = config->step[idx].flags;
	escaped |= (status & PROVE_STATUS_CHANGED) != 0 &&
	           (config->step[idx].op == PROVE_LIST || config->step[idx].op == PROVE_FETCH);
	*gauges.status[idx] = status;
	*gauges.step = idx + 1;
	if ((flags & PROVE_PAUSE) != 0)
		wait_ns(PROVE_PAUSE_NS);
	else if ((flags & PROVE_SETTLE) != 0)
		wait_ns(3 * config->pace_ns);
	else if ((flags & PROVE_PACED) != 0)
		wait_ns(config->pace_ns);
}

static bool
is_raw(const struct prove_config *config, uint32_t idx)
{
	return config->step[idx].op >= PROVE_RAW_FIRST;
}

static int
attack_open(struct attack *attack, const char *device)
{
	/* Short time-outs: a device that goes silent over a bad address is a result, not an accident. */
	const struct bh_nvme_options options = {.command_timeout_ns = 1000000000, .no_shadow_doorbells = 1};
	int err = bh_nvme_open(device, &options, &attack->ctrl);
	if (err == 0)
		err = bh_nvme_ns_find(attack->ctrl, 1, &attack->ns);
	return err == 0 ? bh_nvme_qpair_create(attack->ctrl, 8, &attack->qpair) : err;
}

static void
attack_close(struct attack *attack)
{
	if (attack->qpair != NULL && bh_nvme_qpair_delete(attack->qpair) != 0)
		bh_log_warn("the queue pair could not be deleted");
	if (attack->ctrl != NULL && bh_nvme_close(attack->ctrl) != 0)
		bh_log_warn("the controller did not confirm its shutdown");
}

/* Steps with the driver, from *idx on as many as there are. */
static int
attack_driven(const struct prove_config *config, uint32_t *idx)
{
	struct attack attack = {0};
	int err = attack_open(&attack, config->device);
	for (; err == 0 && *idx < config->step_cnt && !is_raw(config, *idx) && !bh_stop_requested(); (*idx)++)
		told(config, *idx, observed_command(&attack, &config->step[*idx]));
	attack_close(&attack);
	return err;
}

/* Likewise without it. */
static int
attack_raw(const struct prove_config *config, uint32_t *idx)
{
	static struct raw raw;
	int err = raw_open(&raw, config->device);
	for (; err == 0 && *idx < config->step_cnt && is_raw(config, *idx) && !bh_stop_requested(); (*idx)++)
		told(config, *idx,
		     is_halted(&config->step[*idx]) ? PROVE_STATUS_HALTED : raw_step(&raw, &config->step[*idx]));
	if (err == 0)
		raw_close(&raw);
	return err;
}

static int
attack_all(const struct prove_config *config)
{
	uint32_t idx = 0;
	int err = 0;
	gauges.step = bh_gauge_register(PROVE_GAUGE_STEP, "steps");
	for (uint32_t i = 0; i < config->step_cnt; i++)
		gauges.status[i] = gauge(i, "status");
	while (err == 0 && idx < config->step_cnt && !bh_stop_requested())
		err = is_raw(config, idx) ? attack_raw(config, &idx) : attack_driven(config, &idx);
	return err;
}

static void
wait_for_stop(void)
{
	*bh_gauge_register(PROVE_GAUGE_STEP, "steps") = 1;
	while (!bh_stop_requested())
		bh_yield();
}

/* Another cell, with a device of its own or without: its arena is a target. */
static int
victim(const char *device)
{
	struct attack attack = {0};
	int err = device[0] != '\0' ? attack_open(&attack, device) : 0;
	if (err == 0)
		wait_for_stop();
	attack_close(&attack);
	return err;
}

int
cell_main(unsigned core_idx)
{
	const struct prove_config *config = bh_app_config(sizeof(*config));
	if (config == NULL || config->step_cnt > PROVE_STEPS_MAX)
		return -BH_EINVAL;
	return config->step_cnt == 0 ? victim(config->device) : attack_all(config);
}
