/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reset ladder on a device of our own with a clock of its own: each rung that is missing, fails, or never ends, and the device that
 * goes away in the middle. Whatever happens, it ends in bounded time, and says truly whether the device can still do DMA.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "host/device/vfio_reset.h"

#define EXPRESS 0x80u
#define POWER   0x60u
#define S_NS    UINT64_C(1000000000)
#define MS_NS   UINT64_C(1000000)

/* A function with an NVMe controller. What is "stuck" stays as it is. */
struct device {
	uint64_t now_ns;
	uint16_t command, status, power_control;
	uint32_t cc, csts;
	uint64_t cap;
	uint64_t pending_until_ns, ready_until_ns, silent_until_ns;
	bool gone, master_stuck, ready_stuck, power_stuck, memory_off;
	bool resets_in_power;
	int config_err;
	int function_err, bus_err;
	bool function_works, bus_works;
	unsigned function_cnt, bus_cnt, power_cnt, access_cnt;
	unsigned gone_after_cnt; /* accesses until it is pulled; 0: never */
	char order[32];
};

static void
step(struct device *device, char rung)
{
	size_t len = strlen(device->order);
	if (len + 1 < sizeof(device->order))
		device->order[len] = rung;
}

static void
access_one(struct device *device)
{
	device->now_ns += 1000;
	device->access_cnt++;
	if (device->gone_after_cnt != 0 && device->access_cnt >= device->gone_after_cnt)
		device->gone = true;
}

static uint64_t
now_ns(void *context)
{
	return ((struct device *)context)->now_ns;
}

static void
sleep_ns(void *context, uint64_t ns)
{
	((struct device *)context)->now_ns += ns;
}

static void
function_was_reset(struct device *device)
{
	device->cc = 0;
	device->csts = 0;
	device->ready_stuck = false;
	device->pending_until_ns = 0;
	if (!device->master_stuck)
		device->command &= (uint16_t)~4u;
}

static int
config_read(void *context, uint32_t offset, uint32_t width_bytes, uint32_t *out)
{
	struct device *device = context;
	access_one(device);
	if (device->config_err != 0)
		return device->config_err;
	if (device->gone || device->now_ns < device->silent_until_ns)
		*out = width_bytes == 4 ? UINT32_MAX : 0xffff;
	else if (offset == 0)
		*out = 0x00101b36;
	else if (offset == 4)
		*out = device->command;
	else if (offset == EXPRESS + 0xa)
		*out = device->now_ns < device->pending_until_ns ? 0x20 : 0;
	else if (offset == POWER + 4)
		*out = device->power_control;
	else
		fail_msg("read of 0x%x", offset);
	return 0;
}

static int
config_write(void *context, uint32_t offset, uint32_t width_bytes, uint32_t value)
{
	struct device *device = context;
	(void)width_bytes;
	access_one(device);
	if (offset == 4) {
		step(device, 'q');
		device->command = (uint16_t)(value | (device->master_stuck ? 4u : 0));
	} else if (offset == POWER + 4) {
		step(device, 'p');
		device->power_cnt++;
		if (!device->power_stuck && (device->power_control & 3) == 3 && (value & 3) == 0 &&
		    device->resets_in_power)
			function_was_reset(device);
		if (!device->power_stuck)
			device->power_control = (uint16_t)value;
	} else {
		fail_msg("write of 0x%x", offset);
	}
	return 0;
}

static int
reg_read(void *context, uint64_t offset, uint32_t width_bytes, uint64_t *out)
{
	struct device *device = context;
	access_one(device);
	if (device->memory_off)
		return -EIO;
	bool ready = device->ready_stuck || device->now_ns < device->ready_until_ns;
	if (device->gone || device->now_ns < device->silent_until_ns)
		*out = width_bytes == 8 ? UINT64_MAX : UINT32_MAX;
	else
		*out = offset == 0      ? device->cap
		       : offset == 0x14 ? device->cc
		                        : (device->csts & ~1u) | (ready ? 1u : 0);
	return 0;
}

static int
reg_write(void *context, uint64_t offset, uint32_t width_bytes, uint64_t value)
{
	struct device *device = context;
	(void)width_bytes;
	access_one(device);
	assert_int_equal(offset, 0x14);
	step(device, 'c');
	device->cc = (uint32_t)value;
	return 0;
}

static int
function_reset(void *context)
{
	struct device *device = context;
	step(device, 'f');
	device->function_cnt++;
	device->now_ns += 100 * MS_NS;
	if (device->function_err == 0 && device->function_works)
		function_was_reset(device);
	return device->gone ? -ENODEV : device->function_err;
}

static int
bus_reset(void *context)
{
	struct device *device = context;
	step(device, 'b');
	device->bus_cnt++;
	device->now_ns += 300 * MS_NS;
	if (device->bus_err == 0 && device->bus_works) {
		device->silent_until_ns = device->now_ns + 50 * MS_NS;
		function_was_reset(device);
	}
	return device->gone ? -ENODEV : device->bus_err;
}

static const struct bh_vfio_reset_ops ops = {now_ns,   sleep_ns,  config_read,    config_write,
                                             reg_read, reg_write, function_reset, bus_reset};

static const struct bh_vfio_reset_facts all = {.is_nvme = true, .has_flr = true, .express = EXPRESS, .power = POWER};

/* A device at work: enabled, bus master, CAP.TO = 15 (7.5 s). */
static struct device
working(void)
{
	return (struct device){.now_ns = 1,
	                       .command = 0x0406,
	                       .cc = 0x00460001,
	                       .csts = 1,
	                       .cap = UINT64_C(15) << 24 | 2047,
	                       .resets_in_power = true,
	                       .function_works = true,
	                       .bus_works = true};
}

static struct bh_vfio_reset_log
climb(struct device *device, const struct bh_vfio_reset_facts *facts, int want)
{
	struct bh_vfio_reset_log log;
	int err = bh_vfio_reset_run(&ops, device, facts, &log);
	print_message("%s", log.text);
	assert_int_equal(err, want);
	assert_int_equal(strlen(log.text), log.text_bytes);
	assert_true(log.text_bytes > 0);
	/* Never a lie about DMA. */
	assert_int_equal(log.master_off, !device->gone && device->config_err == 0 &&
	                                         device->now_ns >= device->silent_until_ns &&
	                                         (device->command & 4) == 0);
	return log;
}

static void
test_gone_before(void **state)
{
	struct device device = working();
	(void)state;
	device.gone = true;
	struct bh_vfio_reset_log log = climb(&device, &all, -ENODEV);
	assert_int_equal(log.result[BH_RUNG_QUIESCE], BH_RUNG_GONE);
	assert_int_equal(device.function_cnt + device.bus_cnt + device.power_cnt, 0);
	device = working();
	device.config_err = -ENODEV;
	climb(&device, &all, -ENODEV);
}

/* Pulled after any number of accesses: it ends, soon, and as gone. */
static void
test_gone_in_between(void **state)
{
	(void)state;
	for (unsigned after = 1; after < 60; after++) {
		struct bh_vfio_reset_log log;
		struct device device = working();
		device.gone_after_cnt = after;
		int err = bh_vfio_reset_run(&ops, &device, &all, &log);
		assert_true(err == 0 || err == -ENODEV);
		assert_int_equal(err == -ENODEV, device.gone);
		assert_true(device.now_ns < 5 * S_NS);
	}
}

static void
test_master_cannot_be_switched_off(void **state)
{
	struct device device = working();
	(void)state;
	device.master_stuck = true;
	struct bh_vfio_reset_log log = climb(&device, &all, -EIO);
	assert_int_equal(log.result[BH_RUNG_QUIESCE], BH_RUNG_FAILED);
	assert_int_equal(log.result[BH_RUNG_FUNCTION], BH_RUNG_FAILED);
	assert_int_equal(log.result[BH_RUNG_POWER], BH_RUNG_FAILED);
	assert_int_equal(log.result[BH_RUNG_BUS], BH_RUNG_FAILED);
	assert_int_equal(log.result[BH_RUNG_GIVE_UP], BH_RUNG_FAILED);
	assert_non_null(strstr(log.text, "STILL ON"));
	device = working();
	device.config_err = -EIO;
	climb(&device, &all, -EIO);
}

static void
test_every_rung_fails(void **state)
{
	struct device device = working();
	(void)state;
	device.ready_stuck = true;
	device.function_err = -ENOTTY;
	device.power_stuck = true;
	device.bus_err = -EINVAL;
	struct bh_vfio_reset_log log = climb(&device, &all, -EIO);
	assert_int_equal(log.result[BH_RUNG_QUIESCE], BH_RUNG_DONE);
	assert_int_equal(log.result[BH_RUNG_CONTROLLER], BH_RUNG_FAILED);
	assert_int_equal(log.result[BH_RUNG_FUNCTION], BH_RUNG_FAILED);
	assert_int_equal(log.result[BH_RUNG_POWER], BH_RUNG_FAILED);
	assert_int_equal(log.result[BH_RUNG_BUS], BH_RUNG_FAILED);
	assert_int_equal(log.result[BH_RUNG_GIVE_UP], BH_RUNG_DONE);
	assert_string_equal(device.order, "qcfppb");
	assert_true(device.now_ns < 10 * S_NS); /* CAP.TO is the longest of them */
	assert_non_null(strstr(log.text, "Inappropriate ioctl"));
}

/* CAP.TO can say two minutes; nobody waits that long. */
static void
test_controller_deadline(void **state)
{
	struct device device = working();
	(void)state;
	device.cap = UINT64_C(255) << 24;
	device.ready_stuck = true;
	struct bh_vfio_reset_log log = climb(&device, &all, 0); /* the function level reset helps */
	assert_int_equal(log.result[BH_RUNG_CONTROLLER], BH_RUNG_FAILED);
	assert_true(device.now_ns >= BH_VFIO_CONTROLLER_NS_MAX && device.now_ns < BH_VFIO_CONTROLLER_NS_MAX + S_NS);
	device = working();
	device.cap = 0; /* no time at all: one look */
	device.ready_stuck = true;
	log = climb(&device, &all, 0);
	assert_int_equal(log.result[BH_RUNG_CONTROLLER], BH_RUNG_FAILED);
	assert_true(device.now_ns < S_NS);
}

static void
test_memory_is_off(void **state)
{
	struct device device = working();
	const struct bh_vfio_reset_facts no_nvme = {.has_flr = true, .express = EXPRESS, .power = POWER};
	(void)state;
	device.memory_off = true; /* its registers cannot be read: nothing is proven of the controller */
	struct bh_vfio_reset_log log = climb(&device, &all, -EIO);
	assert_int_equal(log.result[BH_RUNG_CONTROLLER], BH_RUNG_FAILED);
	assert_int_equal(log.result[BH_RUNG_GIVE_UP], BH_RUNG_DONE);
	device = working();
	device.memory_off = true;
	log = climb(&device, &no_nvme, 0);
	assert_int_equal(log.result[BH_RUNG_CONTROLLER], BH_RUNG_NOT_TAKEN);
}

static void
test_pending_transactions(void **state)
{
	struct device device = working();
	(void)state;
	device.pending_until_ns = 50 * MS_NS; /* they end in time */
	struct bh_vfio_reset_log log = climb(&device, &all, 0);
	assert_int_equal(log.result[BH_RUNG_QUIESCE], BH_RUNG_DONE);
	assert_true(device.now_ns >= 50 * MS_NS);
	device = working();
	device.pending_until_ns = 3600 * S_NS; /* never: the reset of the function ends them */
	log = climb(&device, &all, 0);
	assert_int_equal(log.result[BH_RUNG_QUIESCE], BH_RUNG_FAILED);
	assert_int_equal(log.result[BH_RUNG_FUNCTION], BH_RUNG_DONE);
	assert_true(device.now_ns < S_NS);
}

/* The kernel says that it reset the function, and the controller is as ready as before. */
static void
test_function_reset_lies(void **state)
{
	struct device device = working();
	(void)state;
	device.function_works = false;
	device.ready_stuck = true;
	struct bh_vfio_reset_log log = climb(&device, &all, 0);
	assert_int_equal(log.result[BH_RUNG_FUNCTION], BH_RUNG_FAILED);
	assert_int_equal(log.result[BH_RUNG_POWER], BH_RUNG_DONE);
	assert_int_equal(log.result[BH_RUNG_BUS], BH_RUNG_NOT_TAKEN);
}

static void
test_power_fails_then_bus(void **state)
{
	struct bh_vfio_reset_facts facts = all;
	struct device device = working();
	(void)state;
	device.function_err = -EINVAL;
	device.power_stuck = true;
	struct bh_vfio_reset_log log = climb(&device, &all, 0);
	assert_int_equal(log.result[BH_RUNG_POWER], BH_RUNG_FAILED);
	assert_int_equal(log.result[BH_RUNG_BUS], BH_RUNG_DONE); /* and it was silent for a while after that */
	assert_int_equal(device.power_cnt, 2);                   /* it was told to come back, too */
	device = working();
	device.function_err = -EINVAL;
	facts.no_soft_reset = true; /* D3hot would reset nothing */
	log = climb(&device, &facts, 0);
	assert_int_equal(log.result[BH_RUNG_POWER], BH_RUNG_ABSENT);
	assert_int_equal(device.power_cnt, 0);
	assert_int_equal(log.result[BH_RUNG_BUS], BH_RUNG_DONE);
}

/* Others stand on the bus: not ours to reset. */
static void
test_not_alone_on_the_bus(void **state)
{
	struct device device = working();
	(void)state;
	device.function_err = -EINVAL;
	device.power_stuck = true;
	device.bus_err = -EPERM;
	struct bh_vfio_reset_log log = climb(&device, &all, -EIO);
	assert_int_equal(log.result[BH_RUNG_BUS], BH_RUNG_ABSENT);
	assert_int_equal(log.result[BH_RUNG_GIVE_UP], BH_RUNG_DONE);
	assert_non_null(strstr(log.text, "not ours"));
}

/* Without a function level reset, a proven controller reset is enough; if that fails, the next rungs are taken. */
static void
test_no_function_reset(void **state)
{
	struct bh_vfio_reset_facts facts = all;
	struct device device = working();
	(void)state;
	facts.has_flr = false;
	struct bh_vfio_reset_log log = climb(&device, &facts, 0);
	assert_int_equal(log.result[BH_RUNG_FUNCTION], BH_RUNG_ABSENT);
	assert_int_equal(log.result[BH_RUNG_POWER], BH_RUNG_NOT_TAKEN);
	assert_string_equal(device.order, "qc");
	device = working();
	device.ready_stuck = true;
	log = climb(&device, &facts, 0);
	assert_int_equal(log.result[BH_RUNG_POWER], BH_RUNG_DONE);
	assert_string_equal(device.order, "qcpp");
	facts.is_nvme = false; /* a network card: nothing but the higher rungs */
	device = working();
	log = climb(&device, &facts, 0);
	assert_int_equal(log.result[BH_RUNG_CONTROLLER], BH_RUNG_NOT_TAKEN);
	assert_int_equal(log.result[BH_RUNG_POWER], BH_RUNG_DONE);
}

static void
test_ordinary_stop(void **state)
{
	struct device device = working();
	(void)state;
	device.ready_until_ns = 20 * MS_NS;
	struct bh_vfio_reset_log log = climb(&device, &all, 0);
	assert_string_equal(device.order, "qcf");
	assert_int_equal(log.result[BH_RUNG_QUIESCE], BH_RUNG_DONE);
	assert_int_equal(log.result[BH_RUNG_CONTROLLER], BH_RUNG_DONE);
	assert_int_equal(log.result[BH_RUNG_FUNCTION], BH_RUNG_DONE);
	assert_int_equal(log.result[BH_RUNG_POWER], BH_RUNG_NOT_TAKEN);
	assert_int_equal(log.result[BH_RUNG_BUS], BH_RUNG_NOT_TAKEN);
	assert_int_equal(log.result[BH_RUNG_GIVE_UP], BH_RUNG_NOT_TAKEN);
	/* A second one finds it quiet already, and is quick. */
	uint64_t start_ns = device.now_ns;
	climb(&device, &all, 0);
	assert_true(device.now_ns - start_ns < 200 * MS_NS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_gone_before),
	        cmocka_unit_test(test_gone_in_between),
	        cmocka_unit_test(test_master_cannot_be_switched_off),
	        cmocka_unit_test(test_every_rung_fails),
	        cmocka_unit_test(test_controller_deadline),
	        cmocka_unit_test(test_memory_is_off),
	        cmocka_unit_test(test_pending_transactions),
	        cmocka_unit_test(test_function_reset_lies),
	        cmocka_unit_test(test_power_fails_then_bus),
	        cmocka_unit_test(test_not_alone_on_the_bus),
	        cmocka_unit_test(test_no_function_reset),
	        cmocka_unit_test(test_ordinary_stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
