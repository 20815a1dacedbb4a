/* SPDX-License-Identifier: Apache-2.0 */
/* One command: drawn, told to the checker, given to the driver, ended. */
#include <inttypes.h>
#include <stdio.h>

#include "tests/sim/work.h"

#define STATUS_NONE 0xffffu /* not accepted */

static enum check_kind
kind_draw(void)
{
	const uint32_t *weight = work.plan->weight;
	uint64_t sum = 0;

	for (uint32_t i = 0; i < CHECK_KIND_CNT; i++)
		sum += weight[i];
	uint64_t at = work_draw(sum);
	for (uint32_t i = 0;; i++) {
		if (at < weight[i])
			return (enum check_kind)i;
		at -= weight[i];
	}
}

static bool
has_data(enum check_kind kind)
{
	return kind == CHECK_READ || kind == CHECK_WRITE || kind == CHECK_COMPARE;
}

/* Page-aligned, somewhere in a page, or near its end. PRPs want multiples of 4. */
static uint32_t
offset_draw(void)
{
	switch (work_draw(3)) {
	case 0:
		return 0;
	case 1:
		return (uint32_t)work_draw(BH_PAGE_BYTES / 4) * 4;
	default:
		return BH_PAGE_BYTES - 4 * (1 + (uint32_t)work_draw(16));
	}
}

static void
buffer_draw(struct work_op *op)
{
	op->data = NULL;
	if (has_data(op->kind))
		op->data = buffer_take(&op->buffer, op->lba_cnt << op->ns->lba_shift, offset_draw());
}

void
work_op_draw(struct work_core *core, struct work_op *op)
{
	uint32_t nsid = 1 + (uint32_t)work_draw(work.all->device.namespace_cnt);
	int err = bh_nvme_ns_find(work.ctrl, nsid, &op->ns);
	if (err != 0)
		sim_fail("namespace %u: %d", nsid, err);
	uint64_t lba_cnt = op->ns->lba_cnt;

	op->core = core;
	op->pair = core->pair[work_draw(core->pair_cnt)];
	op->kind = kind_draw();
	op->flags = work_chance(8) ? NVME_RW_FUA : 0;
	op->lba_cnt = 1 + (uint32_t)work_draw(work.plan->blocks_max);
	op->lba = work_draw(lba_cnt - op->lba_cnt + 1);
	if (op->kind == CHECK_FLUSH)
		op->lba_cnt = 0;
	buffer_draw(op);
	for (uint32_t i = 0; op->kind == CHECK_COMPARE && i < op->lba_cnt; i++)
		op->expected[i] = check_likely(nsid, op->lba + i);
	if (op->kind == CHECK_COMPARE && work_chance(4))
		op->expected[work_draw(op->lba_cnt)] = 2 + (uint32_t)work_draw(100);
}

void
work_op_read_set(struct work_core *core, struct work_op *op, const struct bh_nvme_ns *ns, uint64_t lba,
                 uint32_t lba_cnt)
{
	op->core = core;
	op->pair = core->pair[0];
	op->kind = CHECK_READ;
	op->flags = 0;
	op->ns = ns;
	op->lba = lba;
	op->lba_cnt = lba_cnt;
	buffer_draw(op);
}

static void
op_begin(struct work_op *op)
{
	char text[160];

	op->check = check_begin(op->kind, op->ns->nsid, op->lba, op->lba_cnt, op->expected);
	for (uint32_t i = 0; i < op->lba_cnt && op->data != NULL && op->kind != CHECK_READ; i++)
		check_fill(op->data + ((uint64_t)i << op->ns->lba_shift), op->ns->nsid, op->lba + i,
		           op->kind == CHECK_WRITE ? op->check->value : op->expected[i]);
	snprintf(text, sizeof(text), "command %u: %s namespace %u block %" PRIu64 " +%u value %u at %#lx",
	         op->check->id, check_kind_name(op->kind), op->ns->nsid, op->lba, op->lba_cnt, op->check->value,
	         op->data ? (uint64_t)(uintptr_t)op->data & (BH_PAGE_BYTES - 1) : 0);
	sim_trace_text(SIM_EVENT_SUBMIT, text);
	op->outstanding = true;
	op->core->outstanding_cnt++;
}

static bool
status_is_injected(uint16_t status)
{
	for (uint32_t i = 0; i < work.all->rule_cnt; i++) {
		const struct nvme_fault_rule *rule = &work.all->rule[i];
		if (rule->action == NVME_FAULT_STATUS && (rule->value & NVME_STATUS_MASK) == status)
			return true;
		if (rule->action == NVME_FAULT_DMA_OUTSIDE && status == NVME_SC_DATA_TRANSFER_ERROR)
			return true;
	}
	return false;
}

/* A command may end with the driver's own statuses, with what the plan injects, and with nothing else. */
static enum check_outcome
outcome_of(const struct work_op *op, uint16_t status)
{
	bool reset_asked = work.plan->reset_one_in != 0;

	if (status == NVME_SC_SUCCESS)
		return CHECK_DONE;
	if (status == NVME_SC_COMPARE_FAILURE)
		return CHECK_DIFFERS;
	if (status == BH_NVME_STATUS_RESET && (reset_asked || !work.healthy))
		return CHECK_FAILED;
	if (!work.healthy && (status == BH_NVME_STATUS_TIMED_OUT || status == BH_NVME_STATUS_REMOVED))
		return CHECK_FAILED;
	if (!status_is_injected(status))
		sim_fail("%s %u: unexpected status %#x", check_kind_name(op->kind), op->check->id, status);
	return CHECK_FAILED;
}

static void
op_end(struct work_op *op, uint16_t status)
{
	if (!op->outstanding)
		sim_fail("a completion for a command that is not outstanding: status %#x", status);
	op->outstanding = false;
	op->core->outstanding_cnt--;
	sim_trace(SIM_EVENT_COMPLETE, op->check->id, status, 0);
	sim_active();
	if (op->kind == CHECK_COMPARE && status == 0 && work_mutate(SIM_MUTATION_COMPARE))
		status = NVME_SC_COMPARE_FAILURE;
	enum check_outcome outcome = outcome_of(op, status);
	if (outcome == CHECK_DONE)
		work_mutate_data(op);
	if (status == BH_NVME_STATUS_REMOVED)
		work.removed = true;
	check_end(op->check, outcome, op->data);
	if (op->data != NULL)
		buffer_release(&op->buffer);
	work_mutate_late();
}

static void
op_refused(struct work_op *op, int err)
{
	sim_trace(SIM_EVENT_REFUSED, op->check->id, (uint64_t)(int64_t)err, 0);
	op->outstanding = false;
	op->core->outstanding_cnt--;
	check_cancel(op->check);
	if (op->data != NULL)
		buffer_release(&op->buffer);
	if (err == -BH_ENODEV)
		work.removed = true;
	if (err != -BH_EAGAIN)
		work_error(check_kind_name(op->kind), err);
}

static int
sync_call(const struct work_op *op, uint64_t lba, uint16_t *out_status)
{
	switch (op->kind) {
	case CHECK_READ:
		return bh_nvme_read_wait(op->pair, op->ns, lba, op->lba_cnt, op->data, out_status);
	case CHECK_WRITE:
		return bh_nvme_write_wait(op->pair, op->ns, lba, op->lba_cnt, op->data, out_status);
	case CHECK_FLUSH:
		return bh_nvme_flush_wait(op->pair, op->ns, out_status);
	case CHECK_ZEROES:
		return bh_nvme_write_zeroes_wait(op->pair, op->ns, lba, op->lba_cnt, out_status);
	case CHECK_DEALLOCATE:
		return bh_nvme_deallocate_wait(op->pair, op->ns, lba, op->lba_cnt, out_status);
	default:
		return bh_nvme_compare_wait(op->pair, op->ns, lba, op->lba_cnt, op->data, out_status);
	}
}

/* Where the command goes: elsewhere if that is this run's mistake. */
static uint64_t
lba_of(const struct work_op *op)
{
	bool room = op->lba + op->lba_cnt < op->ns->lba_cnt;
	return op->lba + (op->kind == CHECK_WRITE && room && work_mutate(SIM_MUTATION_MISDIRECT));
}

uint16_t
work_op_sync(struct work_op *op)
{
	uint16_t status = 0;
	int err = 0;

	op_begin(op);
	sim_active();
	if (op->kind != CHECK_WRITE || !work_mutate(SIM_MUTATION_SWALLOW_WRITE))
		err = sync_call(op, lba_of(op), &status);
	if (status == STATUS_NONE) {
		op_refused(op, err);
		return STATUS_NONE;
	}
	if (err != bh_nvme_status_error(status))
		sim_fail("%s %u returned %d with status %#x", check_kind_name(op->kind), op->check->id, err, status);
	op_end(op, status);
	return status;
}

static void
async_done(void *arg, uint16_t status)
{
	struct work_op *op = arg;

	if (work_mutate(SIM_MUTATION_NEVER))
		return;
	op_end(op, status);
	if (work_mutate(SIM_MUTATION_TWICE))
		op_end(op, status);
	work_op_chain(op);
}

/* Several ranges that together are the command's blocks, the last one first. */
static int
async_deallocate(struct work_op *op)
{
	struct nvme_dsm_range range[WORK_RANGES_MAX];
	uint32_t left = op->lba_cnt;
	uint32_t range_cnt = 1 + (uint32_t)work_draw(BH_MIN(left, WORK_RANGES_MAX));

	for (uint32_t i = 0; i < range_cnt; i++) {
		uint32_t part = i + 1 == range_cnt ? left : left / (range_cnt - i);
		left -= part;
		range[i] = (struct nvme_dsm_range){.lba_cnt = part, .lba = op->lba + left};
	}
	return bh_nvme_dsm(op->pair, op->ns, NVME_DSM_AD, range, range_cnt, async_done, op);
}

static int
async_call(struct work_op *op, uint64_t lba)
{
	switch (op->kind) {
	case CHECK_READ:
		return bh_nvme_rw(op->pair, op->ns, NVME_NVM_READ, op->flags, lba, op->lba_cnt, op->data, async_done,
		                  op);
	case CHECK_WRITE:
		return bh_nvme_rw(op->pair, op->ns, NVME_NVM_WRITE, op->flags, lba, op->lba_cnt, op->data, async_done,
		                  op);
	case CHECK_FLUSH:
		return bh_nvme_flush(op->pair, op->ns, async_done, op);
	case CHECK_ZEROES:
		return bh_nvme_write_zeroes(op->pair, op->ns, lba, op->lba_cnt, async_done, op);
	case CHECK_DEALLOCATE:
		return async_deallocate(op);
	default:
		return bh_nvme_compare(op->pair, op->ns, lba, op->lba_cnt, op->data, async_done, op);
	}
}

int
work_op_async(struct work_op *op)
{
	op_begin(op);
	if (op->kind == CHECK_WRITE && work_mutate(SIM_MUTATION_SWALLOW_WRITE)) {
		op_end(op, 0);
		return 0;
	}
	int err = async_call(op, lba_of(op));
	if (err != 0)
		op_refused(op, err);
	else
		sim_active();
	return err;
}
