/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Controller registers and the waits on them. Registers may be behind the mailbox: every access can fail and yields.
 * All ones means that the device is gone: -BH_ENODEV, whichever register it was.
 */
#include <bulkhead/cell.h>

#include "internal.h"

static int
read32(struct bh_nvme *ctrl, uint32_t reg, uint32_t *out_value)
{
	int err = bh_reg_read32(&ctrl->device, 0, reg, out_value);
	if (!err && *out_value == NVME_ALL_ONES32)
		err = -BH_ENODEV;
	return err;
}

static int
write32(struct bh_nvme *ctrl, uint32_t reg, uint32_t value)
{
	return bh_reg_write32(&ctrl->device, 0, reg, value);
}

int
bh_nvme_csts_read(struct bh_nvme *ctrl, uint32_t *out_csts)
{
	return read32(ctrl, NVME_REG_CSTS, out_csts);
}

uint64_t
bh_nvme_deadline(uint64_t ns)
{
	return bh_clock_now_tsc() + bh_ns_to_tsc(ns);
}

void
bh_nvme_pause(uint32_t *turn)
{
	if (*turn < 16)
		bh_yield();
	else
		bh_sleep_until(bh_nvme_deadline(NVME_MS_NS * BH_MIN(*turn, 128u) / 128));
	(*turn)++;
}

int
bh_nvme_device_reset(struct bh_nvme *ctrl)
{
	bh_counter_add(ctrl->cnt_device_reset, 1);
	ctrl->own_reset_cnt++;
	return bh_device_reset(&ctrl->device);
}

uint32_t
bh_nvme_foreign_reset_cnt(const struct bh_nvme *ctrl)
{
	bool under_way;
	return bh_device_reset_cnt(&ctrl->device, &under_way) - ctrl->own_reset_cnt;
}

/*
 * Until none is under way: before that no register may be believed, and a controller that is brought up would be reset
 * once more. Return: how many there were.
 */
uint32_t
bh_nvme_foreign_reset_wait(struct bh_nvme *ctrl)
{
	uint64_t deadline_tsc = bh_nvme_deadline(2 * BH_DEVICE_RESET_TIMEOUT_NS);
	bool under_way;
	uint32_t turn = 0, cnt = bh_device_reset_cnt(&ctrl->device, &under_way);

	while (under_way && bh_clock_now_tsc() < deadline_tsc) {
		bh_nvme_pause(&turn);
		cnt = bh_device_reset_cnt(&ctrl->device, &under_way);
	}
	return cnt - ctrl->own_reset_cnt;
}

/* CAP.TO, or the longer CRTO.CRWMT where the controller has it (Base 2.0, 3.1.3.26). */
static int
ready_timeout_read(struct bh_nvme *ctrl)
{
	uint64_t units = BH_MAX(NVME_GET(ctrl->cap, NVME_CAP_TO), UINT64_C(1));

	if (ctrl->info.version >= NVME_VS(2, 0, 0) && NVME_GET(ctrl->cap, NVME_CAP_CRMS) & 1) {
		uint32_t crto;
		int err = read32(ctrl, NVME_REG_CRTO, &crto);
		if (err)
			return err;
		units = BH_MAX(units, (uint64_t)NVME_GET(crto, NVME_CRTO_CRWMT));
	}
	ctrl->info.ready_timeout_ms = (uint32_t)(units * NVME_CAP_TO_UNIT_NS / NVME_MS_NS);
	ctrl->ready_timeout_tsc = bh_ns_to_tsc(units * NVME_CAP_TO_UNIT_NS);
	return 0;
}

static int
capabilities_check(struct bh_nvme *ctrl)
{
	uint64_t css = NVME_GET(ctrl->cap, NVME_CAP_CSS);

	if (NVME_GET(ctrl->cap, NVME_CAP_MPSMIN) > 0) {
		bh_log_error("nvme: smallest page is 4096 << %lu bytes, this driver uses 4096",
		             NVME_GET(ctrl->cap, NVME_CAP_MPSMIN));
		return -BH_EOPNOTSUPP;
	}
	if (!(css & (NVME_CAP_CSS_NVM | NVME_CAP_CSS_IO_SETS))) {
		bh_log_error("nvme: no NVM command set (CAP.CSS %lx)", css);
		return -BH_EOPNOTSUPP;
	}
	if (NVME_GET(ctrl->cap, NVME_CAP_MQES) == 0) {
		bh_log_error("nvme: CAP.MQES is 0, the specification wants at least 1");
		return -BH_EPROTO;
	}
	/* The NVM command set by itself where the controller has it so; else all its sets, of which NVM is one. */
	ctrl->cc = NVME_SET(NVME_CC_IOSQES, NVME_SQES_LOG2) | NVME_SET(NVME_CC_IOCQES, NVME_CQES_LOG2) |
	           NVME_SET(NVME_CC_CSS, css & NVME_CAP_CSS_NVM ? NVME_CC_CSS_NVM : NVME_CC_CSS_IO_SETS);
	return 0;
}

int
bh_nvme_capabilities_read(struct bh_nvme *ctrl)
{
	int err = bh_reg_read64(&ctrl->device, 0, NVME_REG_CAP, &ctrl->cap);
	if (!err && ctrl->cap == NVME_ALL_ONES64)
		err = -BH_ENODEV;
	if (!err)
		err = read32(ctrl, NVME_REG_VS, &ctrl->info.version);
	if (err)
		return err;

	ctrl->info.queue_entries_max = (uint32_t)NVME_GET(ctrl->cap, NVME_CAP_MQES) + 1;
	ctrl->info.doorbell_stride_bytes = 4u << NVME_GET(ctrl->cap, NVME_CAP_DSTRD);
	err = capabilities_check(ctrl);
	return err ? err : ready_timeout_read(ctrl);
}

/*
 * Until (CSTS & mask) == want. Fatal status ends the wait for readiness, but not the wait for its end. A reset of the
 * function meanwhile ends it: -BH_EAGAIN.
 */
static int
csts_wait(struct bh_nvme *ctrl, uint32_t mask, uint32_t want, uint64_t timeout_tsc)
{
	uint32_t foreign_cnt = bh_nvme_foreign_reset_cnt(ctrl);
	uint64_t deadline_tsc = bh_clock_now_tsc() + timeout_tsc;
	uint32_t turn = 0;

	for (;;) {
		bool late = bh_clock_now_tsc() >= deadline_tsc;
		uint32_t csts;
		int err = bh_nvme_csts_read(ctrl, &csts);
		if (bh_nvme_foreign_reset_cnt(ctrl) != foreign_cnt)
			return -BH_EAGAIN;
		if (err)
			return err;
		if ((csts & mask) == want)
			return 0;
		if (want && csts & NVME_CSTS_CFS)
			return -BH_EIO;
		if (late)
			return -BH_ETIMEDOUT;
		bh_nvme_pause(&turn);
	}
}

/*
 * Base 2.0, 3.5.1 step 1 and 3.7.2: a controller that is starting must become ready before EN may be cleared, unless it
 * reports fatal status.
 */
int
bh_nvme_disable(struct bh_nvme *ctrl)
{
	uint32_t cc, csts;
	int err = read32(ctrl, NVME_REG_CC, &cc);
	if (!err)
		err = bh_nvme_csts_read(ctrl, &csts);
	if (err)
		return err;

	if (cc & NVME_CC_EN && !(csts & (NVME_CSTS_RDY | NVME_CSTS_CFS))) {
		err = csts_wait(ctrl, NVME_CSTS_RDY, NVME_CSTS_RDY, ctrl->ready_timeout_tsc);
		if (err == -BH_ENODEV)
			return err;
		if (err)
			bh_log_warn("nvme: was enabled but never ready (%d); disabling it all the same", err);
	}
	if (cc & NVME_CC_EN) {
		err = write32(ctrl, NVME_REG_CC, cc & ~(NVME_CC_EN | NVME_SET(NVME_CC_SHN, NVME_CC_SHN_MASK)));
		if (err)
			return err;
	}
	return csts_wait(ctrl, NVME_CSTS_RDY, 0, ctrl->ready_timeout_tsc);
}

/* Base 2.0, 3.5.1 steps 2 to 5. */
int
bh_nvme_enable(struct bh_nvme *ctrl)
{
	uint32_t entries = ctrl->admin->slow->sq_entries - 1;
	uint32_t cq_entries = ctrl->admin->slow->cq_entries - 1;
	int err = write32(ctrl, NVME_REG_AQA, NVME_SET(NVME_AQA_ASQS, entries) | NVME_SET(NVME_AQA_ACQS, cq_entries));
	if (!err)
		err = bh_reg_write64(&ctrl->device, 0, NVME_REG_ASQ, (uintptr_t)ctrl->admin->sq);
	if (!err)
		err = bh_reg_write64(&ctrl->device, 0, NVME_REG_ACQ, (uintptr_t)ctrl->admin->cq);
	if (!err)
		err = write32(ctrl, NVME_REG_INTMS, NVME_ALL_ONES32);
	if (!err)
		err = write32(ctrl, NVME_REG_CC, ctrl->cc | NVME_CC_EN);
	if (!err)
		err = csts_wait(ctrl, NVME_CSTS_RDY, NVME_CSTS_RDY, ctrl->ready_timeout_tsc);
	return err;
}

static int
quiet_once(struct bh_nvme *ctrl)
{
	uint32_t csts;
	int err = bh_nvme_disable(ctrl);
	if (!err)
		err = bh_nvme_csts_read(ctrl, &csts);
	if (!err && !(csts & NVME_CSTS_CFS))
		return 0;
	if (err == -BH_ENODEV || err == -BH_EAGAIN)
		return err;

	bh_log_warn("nvme: disabling did not do (%d): resetting the function", err);
	err = bh_nvme_device_reset(ctrl);
	if (!err)
		err = csts_wait(ctrl, NVME_CSTS_RDY | NVME_CSTS_CFS, 0, ctrl->ready_timeout_tsc);
	return err;
}

/*
 * Bring the controller to where it does no DMA, with proof: CSTS.RDY = 0, if need be after a reset of the function.
 * What a removed device cannot prove is -BH_ENODEV. Nothing that was read beside a foreign reset is a proof.
 */
int
bh_nvme_quiet(struct bh_nvme *ctrl)
{
	int err = -BH_EAGAIN;
	for (int i = 0; i < NVME_DISTURBED_MAX; i++) {
		uint32_t foreign_cnt = bh_nvme_foreign_reset_wait(ctrl);
		err = quiet_once(ctrl);
		if (bh_nvme_foreign_reset_cnt(ctrl) == foreign_cnt)
			break;
		err = -BH_EAGAIN;
	}
	return err == -BH_ETIMEDOUT || err == -BH_EAGAIN ? -BH_EIO : err;
}

/* Base 2.0, 3.6.1: normal shutdown, then disabled. */
int
bh_nvme_shutdown(struct bh_nvme *ctrl)
{
	int err = write32(ctrl, NVME_REG_CC, ctrl->cc | NVME_CC_EN | NVME_SET(NVME_CC_SHN, NVME_CC_SHN_NORMAL));
	if (!err)
		err = csts_wait(ctrl, NVME_SET(NVME_CSTS_SHST, NVME_CSTS_SHST_MASK),
		                NVME_SET(NVME_CSTS_SHST, NVME_CSTS_SHST_COMPLETE),
		                bh_ns_to_tsc(ctrl->shutdown_timeout_ns));
	if (err == -BH_ENODEV)
		return err;

	int quiet = bh_nvme_quiet(ctrl);
	return err ? err : quiet;
}
