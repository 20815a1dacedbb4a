/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "host/device/vfio_reset.h"

#define POLL_NS   UINT64_C(1000000)
#define D_STEP_NS UINT64_C(10000000) /* PCI Power Management 1.2, 5.6.1: 10 ms between D0 and D3hot */

enum {
	PCI_VENDOR = 0x00,
	PCI_COMMAND = 0x04,
	PCI_COMMAND_MASTER = 1u << 2,
	PCI_EXPRESS_DEVSTA = 0x0a,
	PCI_EXPRESS_DEVSTA_PENDING = 1u << 5,
	PCI_POWER_CONTROL = 4,
	PCI_POWER_STATE = 3,
	NVME_CAP = 0x00,
	NVME_CC = 0x14,
	NVME_CC_EN = 1u << 0,
	NVME_CSTS = 0x1c,
	NVME_CSTS_RDY = 1u << 0,
};

#define NVME_CAP_TO(cap) (((cap) >> 24 & 0xff) * UINT64_C(500000000))

struct climb {
	const struct bh_vfio_reset_ops *ops;
	void *context;
	const struct bh_vfio_reset_facts *facts;
	struct bh_vfio_reset_log *log;
	char proof[160];
};

const char *
bh_vfio_rung_name(enum bh_vfio_rung rung)
{
	static const char *const name[BH_RUNG_CNT] = {"quiesce", "controller", "function", "power", "bus", "give-up"};
	return (unsigned)rung < BH_RUNG_CNT ? name[rung] : "unknown";
}

BH_PRINTF(2, 3)
static void
prove(struct climb *climb, const char *format, ...)
{
	size_t used = strlen(climb->proof);
	va_list args;
	va_start(args, format);
	vsnprintf(climb->proof + used, sizeof(climb->proof) - used, format, args);
	va_end(args);
}

static enum bh_vfio_rung_result
note(struct climb *climb, enum bh_vfio_rung rung, enum bh_vfio_rung_result result, uint64_t start_ns)
{
	static const char *const word[] = {"not taken", "absent", "done", "FAILED", "device gone"};
	struct bh_vfio_reset_log *log = climb->log;
	uint64_t us = (climb->ops->now_ns(climb->context) - start_ns) / 1000;
	log->result[rung] = result;
	int wrote = snprintf(log->text + log->text_bytes, sizeof(log->text) - log->text_bytes,
	                     "%-10s %s after %lu.%lu ms: %s\n", bh_vfio_rung_name(rung), word[result],
	                     (unsigned long)(us / 1000), (unsigned long)(us / 100 % 10), climb->proof);
	log->text_bytes = BH_MIN(log->text_bytes + (uint32_t)BH_MAX(wrote, 0), (uint32_t)sizeof(log->text) - 1);
	climb->proof[0] = '\0';
	return result;
}

static int
config_read(struct climb *climb, uint32_t offset, uint32_t width_bytes, uint32_t *out_value)
{
	*out_value = 0;
	return climb->ops->config_read(climb->context, offset, width_bytes, out_value);
}

static int
reg_read32(struct climb *climb, uint64_t offset, uint32_t *out_value)
{
	uint64_t value = 0;
	int err = climb->ops->reg_read(climb->context, offset, 4, &value);
	*out_value = (uint32_t)value;
	return err == 0 && *out_value == UINT32_MAX ? -ENODEV : err;
}

/* Bus mastering off, and the register says so. */
static enum bh_vfio_rung_result
master_off(struct climb *climb)
{
	uint32_t command;
	climb->log->master_off = false;
	int err = config_read(climb, PCI_COMMAND, 2, &command);
	if (err == 0 && command != 0xffff && (command & PCI_COMMAND_MASTER) != 0)
		err = climb->ops->config_write(climb->context, PCI_COMMAND, 2, command & ~PCI_COMMAND_MASTER);
	if (err == 0)
		err = config_read(climb, PCI_COMMAND, 2, &command);
	if (err != 0) {
		prove(climb, "command register: %s", strerror(-err));
		return err == -ENODEV ? BH_RUNG_GONE : BH_RUNG_FAILED;
	}
	prove(climb, "command 0x%04x", command);
	if (command == 0xffff)
		return BH_RUNG_GONE;
	climb->log->master_off = (command & PCI_COMMAND_MASTER) == 0;
	prove(climb, climb->log->master_off ? " (bus mastering off)" : " (bus mastering STILL ON)");
	return climb->log->master_off ? BH_RUNG_DONE : BH_RUNG_FAILED;
}

/* What it had begun before comes to an end. A function without PCI Express does not say. */
static enum bh_vfio_rung_result
nothing_pending(struct climb *climb)
{
	uint64_t deadline_ns = climb->ops->now_ns(climb->context) + BH_VFIO_QUIESCE_NS;
	uint32_t status;
	if (climb->facts->express == 0)
		return BH_RUNG_DONE;
	for (;;) {
		int err = config_read(climb, climb->facts->express + PCI_EXPRESS_DEVSTA, 2, &status);
		bool pending = err == 0 && (status & PCI_EXPRESS_DEVSTA_PENDING) != 0;
		if (err == 0 && status != 0xffff && pending && climb->ops->now_ns(climb->context) < deadline_ns) {
			climb->ops->sleep_ns(climb->context, POLL_NS);
			continue;
		}
		if (err != 0)
			prove(climb, ", device status: %s", strerror(-err));
		else
			prove(climb, ", device status 0x%04x (transactions %s)", status, pending ? "PENDING" : "done");
		if (err == -ENODEV || (err == 0 && status == 0xffff))
			return BH_RUNG_GONE;
		return err == 0 && !pending ? BH_RUNG_DONE : BH_RUNG_FAILED;
	}
}

static enum bh_vfio_rung_result
quiesce(struct climb *climb)
{
	uint64_t start_ns = climb->ops->now_ns(climb->context);
	enum bh_vfio_rung_result result = master_off(climb);
	if (result != BH_RUNG_GONE) {
		enum bh_vfio_rung_result pending = nothing_pending(climb);
		result = result == BH_RUNG_FAILED ? result : pending;
	}
	return note(climb, BH_RUNG_QUIESCE, result, start_ns);
}

static int
wait_not_ready(struct climb *climb, uint64_t wait_ns, uint32_t *out_csts)
{
	uint64_t deadline_ns = climb->ops->now_ns(climb->context) + wait_ns;
	for (;;) {
		int err = reg_read32(climb, NVME_CSTS, out_csts);
		if (err != 0 || (*out_csts & NVME_CSTS_RDY) == 0)
			return err;
		if (climb->ops->now_ns(climb->context) >= deadline_ns)
			return -ETIMEDOUT;
		climb->ops->sleep_ns(climb->context, POLL_NS);
	}
}

/* NVMe Base 2.0, 3.5.4: a host that clears CC.EN waits for CSTS.RDY = 0, at most CAP.TO. */
static enum bh_vfio_rung_result
controller(struct climb *climb)
{
	uint64_t start_ns = climb->ops->now_ns(climb->context), cap = 0;
	uint32_t cc = 0, csts = 0;
	if (!climb->facts->is_nvme)
		return BH_RUNG_ABSENT;
	int err = climb->ops->reg_read(climb->context, NVME_CAP, 8, &cap);
	if (err == 0 && cap == UINT64_MAX)
		err = -ENODEV;
	if (err == 0)
		err = reg_read32(climb, NVME_CC, &cc);
	if (err == 0 && (cc & NVME_CC_EN) != 0)
		err = climb->ops->reg_write(climb->context, NVME_CC, 4, cc & ~NVME_CC_EN);
	if (err == 0)
		err = wait_not_ready(climb, BH_MIN(NVME_CAP_TO(cap), BH_VFIO_CONTROLLER_NS_MAX), &csts);
	if (err == 0)
		err = reg_read32(climb, NVME_CC, &cc);
	prove(climb, "CC 0x%08x, CSTS 0x%08x", cc, csts);
	if (err == 0 && (cc & NVME_CC_EN) != 0)
		err = -EIO;
	if (err != 0)
		prove(climb, ": %s", strerror(-err));
	return note(climb, BH_RUNG_CONTROLLER,
	            err == 0         ? BH_RUNG_DONE
	            : err == -ENODEV ? BH_RUNG_GONE
	                             : BH_RUNG_FAILED,
	            start_ns);
}

/* A function that was reset may take a while until it answers. */
static int
wait_answer(struct climb *climb, uint64_t wait_ns)
{
	uint64_t deadline_ns = climb->ops->now_ns(climb->context) + wait_ns;
	uint32_t id;
	for (;;) {
		int err = config_read(climb, PCI_VENDOR, 4, &id);
		/* 0001h: configuration request retry status (PCIe 2.3.2). */
		if (err != 0 || ((id & 0xffff) != 0xffff && (id & 0xffff) != 1))
			return err;
		if (climb->ops->now_ns(climb->context) >= deadline_ns)
			return -ENODEV;
		climb->ops->sleep_ns(climb->context, POLL_NS);
	}
}

/* After a reset of the function: it answers, it is no bus master, nothing is pending, its controller is off. */
static enum bh_vfio_rung_result
function_is_reset(struct climb *climb)
{
	uint32_t csts = 0;
	int err = wait_answer(climb, BH_VFIO_READY_NS);
	if (err != 0) {
		/* Not "gone" yet: a higher rung may bring it back. */
		prove(climb, "no answer: %s", strerror(-err));
		return BH_RUNG_FAILED;
	}
	enum bh_vfio_rung_result result = master_off(climb);
	if (result == BH_RUNG_DONE)
		result = nothing_pending(climb);
	if (result != BH_RUNG_DONE || !climb->facts->is_nvme)
		return result;
	err = reg_read32(climb, NVME_CSTS, &csts);
	if (err == -ENODEV)
		return BH_RUNG_GONE;
	prove(climb, ", CSTS 0x%08x", csts);
	return err == 0 && (csts & NVME_CSTS_RDY) == 0 ? BH_RUNG_DONE : BH_RUNG_FAILED;
}

static enum bh_vfio_rung_result
by_call(struct climb *climb, enum bh_vfio_rung rung, int (*call)(void *context))
{
	uint64_t start_ns = climb->ops->now_ns(climb->context);
	int err = call(climb->context);
	if (err == -EPERM && rung == BH_RUNG_BUS) {
		prove(climb, "it would reset functions that are not ours");
		return note(climb, rung, BH_RUNG_ABSENT, start_ns);
	}
	if (err != 0) {
		prove(climb, "the kernel says: %s", strerror(-err));
		return note(climb, rung, err == -ENODEV ? BH_RUNG_GONE : BH_RUNG_FAILED, start_ns);
	}
	return note(climb, rung, function_is_reset(climb), start_ns);
}

static int
set_power_state(struct climb *climb, uint32_t state)
{
	uint32_t at = climb->facts->power + PCI_POWER_CONTROL, control;
	uint64_t deadline_ns = climb->ops->now_ns(climb->context) + BH_VFIO_POWER_NS / 2;
	int err = config_read(climb, at, 2, &control);
	if (err == 0)
		err = climb->ops->config_write(climb->context, at, 2, (control & ~(uint32_t)PCI_POWER_STATE) | state);
	while (err == 0) {
		climb->ops->sleep_ns(climb->context, D_STEP_NS);
		err = config_read(climb, at, 2, &control);
		if (err != 0 || (control & PCI_POWER_STATE) == state)
			break;
		if (climb->ops->now_ns(climb->context) >= deadline_ns)
			err = -ETIMEDOUT;
	}
	prove(climb, "%s%s", state == 0 ? ", back in D0: " : "D3hot: ", err == 0 ? "reached" : strerror(-err));
	return err;
}

static enum bh_vfio_rung_result
power(struct climb *climb)
{
	uint64_t start_ns = climb->ops->now_ns(climb->context);
	if (climb->facts->power == 0 || climb->facts->no_soft_reset) {
		prove(climb, climb->facts->power == 0 ? "no power management" : "the device keeps its state in D3hot");
		return note(climb, BH_RUNG_POWER, BH_RUNG_ABSENT, start_ns);
	}
	int err = set_power_state(climb, 3);
	/* Back up in any case: what is left in D3hot answers nobody. */
	int up = set_power_state(climb, 0);
	if (err != 0 || up != 0)
		return note(climb, BH_RUNG_POWER, err == -ENODEV || up == -ENODEV ? BH_RUNG_GONE : BH_RUNG_FAILED,
		            start_ns);
	prove(climb, ", ");
	return note(climb, BH_RUNG_POWER, function_is_reset(climb), start_ns);
}

static int
give_up(struct climb *climb)
{
	uint64_t start_ns = climb->ops->now_ns(climb->context);
	enum bh_vfio_rung_result result = master_off(climb);
	note(climb, BH_RUNG_GIVE_UP, result, start_ns);
	return result == BH_RUNG_GONE ? -ENODEV : -EIO;
}

/* What an ordinary stop takes. Return: whether that is enough. */
static enum bh_vfio_rung_result
first_rungs(struct climb *climb)
{
	enum bh_vfio_rung_result quiet = quiesce(climb);
	if (quiet == BH_RUNG_GONE)
		return quiet;
	enum bh_vfio_rung_result off = controller(climb);
	if (off == BH_RUNG_GONE)
		return off;
	if (climb->facts->has_flr)
		return by_call(climb, BH_RUNG_FUNCTION, climb->ops->function_reset);
	climb->log->result[BH_RUNG_FUNCTION] = BH_RUNG_ABSENT;
	return quiet == BH_RUNG_DONE && off == BH_RUNG_DONE ? BH_RUNG_DONE : BH_RUNG_FAILED;
}

int
bh_vfio_reset_run(const struct bh_vfio_reset_ops *ops, void *context, const struct bh_vfio_reset_facts *facts,
                  struct bh_vfio_reset_log *log)
{
	struct climb climb = {.ops = ops, .context = context, .facts = facts, .log = log};
	*log = (struct bh_vfio_reset_log){0};
	enum bh_vfio_rung_result result = first_rungs(&climb);
	if (result == BH_RUNG_ABSENT || result == BH_RUNG_FAILED)
		result = power(&climb);
	if (result == BH_RUNG_ABSENT || result == BH_RUNG_FAILED)
		result = by_call(&climb, BH_RUNG_BUS, ops->bus_reset);
	if (result == BH_RUNG_DONE)
		return 0;
	return result == BH_RUNG_GONE ? -ENODEV : give_up(&climb);
}
