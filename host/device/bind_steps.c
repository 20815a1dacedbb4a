/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writes to sysfs, each read back. Taking: driver_override, unbind, drivers_probe. Restoring: unbind, driver_override to the
 * old driver so that no other claims it, its bind, and driver_override to what it was. Point of no return: none; both
 * can be repeated from any state in between.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "host/device/bind_private.h"

#define DEVICES      "/sys/bus/pci/devices"
#define DRIVERS      "/sys/bus/pci/drivers"
#define WAIT_NS      UINT64_C(5000000000)
#define WAIT_BACK_NS UINT64_C(10000000000)

struct steps {
	const char *root;
	const char *address;
	struct bh_error *error;
};

static int
failed(struct steps *steps, int err, const char *step, const char *detail)
{
	return bh_error_set(steps->error, "E142", err == 0 ? -EIO : err, "%s: %s: %s", steps->address, step, detail);
}

static int
write_file(struct steps *steps, const char *path, const char *text)
{
	char full[BH_SYS_PATH_BYTES], detail[BH_SYS_PATH_BYTES + 96];
	int err = bh_sys_path(full, steps->root, "%s", path);
	if (err == 0)
		err = bh_bind_ops->write(full, text);
	if (err == 0)
		return 0;
	if (err == -ETIMEDOUT)
		return bh_error_set(steps->error, "E154", err,
		                    "%s: the kernel did not come back from echo '%.40s' > %s within 30 s; see 'dmesg'",
		                    steps->address, text, path);
	snprintf(detail, sizeof(detail), "echo '%.40s' > %s: %s", text[0] == '\n' ? "" : text, path, strerror(-err));
	return failed(steps, err, "the kernel refuses", detail);
}

static int
current(struct steps *steps, struct bh_pci_device *out)
{
	return bh_pci_read(steps->root, steps->address, out, steps->error);
}

static int
set_override(struct steps *steps, const char *driver)
{
	struct bh_pci_device device;
	char path[BH_SYS_PATH_BYTES], detail[160];
	snprintf(path, sizeof(path), DEVICES "/%s/driver_override", steps->address);
	int err = current(steps, &device);
	if (err != 0 || strcmp(device.driver_override, driver) == 0)
		return err;
	err = write_file(steps, path, driver[0] != '\0' ? driver : "\n");
	if (err == 0)
		err = current(steps, &device);
	if (err != 0 || strcmp(device.driver_override, driver) == 0)
		return err;
	snprintf(detail, sizeof(detail), "'%s' was written and '%s' reads back", driver, device.driver_override);
	return failed(steps, -EIO, "driver_override", detail);
}

/* The driver link settles a moment after a probe that runs elsewhere. */
static int
wait_driver(struct steps *steps, const char *driver)
{
	struct bh_pci_device device;
	char detail[160];
	for (uint64_t deadline_ns = bh_bind_ops->now_ns() + WAIT_NS;;) {
		int err = current(steps, &device);
		if (err != 0 || strcmp(device.driver, driver) == 0)
			return err;
		if (bh_bind_ops->now_ns() >= deadline_ns)
			break;
		bh_bind_ops->pause(BH_BIND_STEP_NS);
	}
	snprintf(detail, sizeof(detail), "its driver should be '%s' and is '%s'; see 'dmesg | tail'", driver,
	         device.driver);
	return failed(steps, -EIO, "read back", detail);
}

static int
let_go(struct steps *steps)
{
	struct bh_pci_device device;
	char path[BH_SYS_PATH_BYTES];
	int err = current(steps, &device);
	if (err != 0 || device.driver[0] == '\0')
		return err;
	snprintf(path, sizeof(path), DRIVERS "/%s/unbind", device.driver);
	err = write_file(steps, path, steps->address);
	return err != 0 ? err : wait_driver(steps, "");
}

int
bh_bind_take(const char *root, const struct bh_bind_journal *journal, struct bh_error *error)
{
	struct steps steps = {root, journal->address, error};
	int err = set_override(&steps, BH_BIND_DRIVER);
	if (err == 0)
		err = let_go(&steps);
	if (err == 0)
		err = write_file(&steps, "/sys/bus/pci/drivers_probe", journal->address);
	return err != 0 ? err : wait_driver(&steps, BH_BIND_DRIVER);
}

/* A module that was unloaded meanwhile is loaded again. */
static int
give_to(struct steps *steps, const char *driver)
{
	char path[BH_SYS_PATH_BYTES];
	if (!bh_sys_exists(steps->root, DRIVERS "/%s", driver) && bh_bind_ops->load_module(driver) != 0)
		return bh_error_set(steps->error, "E146", -ENOENT,
		                    "%s: its driver %s is not loaded any more and 'modprobe %s' failed; load it, then "
		                    "'bulkhead unbind %s' again",
		                    steps->address, driver, driver, steps->address);
	int err = set_override(steps, driver);
	if (err != 0)
		return err;
	/* The override alone may have made a probe in another process succeed: then bind says -EBUSY or -ENODEV. */
	snprintf(path, sizeof(path), DRIVERS "/%s/bind", driver);
	err = write_file(steps, path, steps->address);
	struct bh_pci_device device;
	struct bh_error ignored;
	if (err != 0 && bh_pci_read(steps->root, steps->address, &device, &ignored) == 0 &&
	    strcmp(device.driver, driver) == 0)
		err = 0;
	return err != 0 ? err : wait_driver(steps, driver);
}

int
bh_bind_restore(const char *root, const struct bh_bind_journal *journal, struct bh_error *error)
{
	struct steps steps = {root, journal->address, error};
	struct bh_pci_device device;
	int err = current(&steps, &device);
	if (err == 0 && strcmp(device.driver, journal->driver) != 0) {
		err = let_go(&steps);
		if (err == 0 && journal->driver[0] != '\0')
			err = give_to(&steps, journal->driver);
	}
	if (err == 0)
		err = set_override(&steps, journal->driver_override);
	return err != 0 ? err : wait_driver(&steps, journal->driver);
}

/* Namespaces are scanned behind the driver's back: a disk may come a while after its driver. */
void
bh_bind_wait_back(const char *root, const struct bh_bind_journal *journal, char *out, size_t out_bytes)
{
	out[0] = '\0';
	if (journal->made[0] == '\0')
		return;
	for (uint64_t deadline_ns = bh_bind_ops->now_ns() + WAIT_BACK_NS; bh_bind_ops->now_ns() < deadline_ns;) {
		bh_bind_made(root, journal->address, out, out_bytes);
		if (out[0] != '\0')
			return;
		bh_bind_ops->pause(BH_BIND_STEP_NS);
	}
}

void
bh_bind_made(const char *root, const char *address, char *out, size_t out_bytes)
{
	struct bh_bind_scope *scope;
	struct bh_error ignored;
	out[0] = '\0';
	if (bh_bind_scope_new(root, address, &scope, &ignored) != 0)
		return;
	if (scope->block_cnt > 0)
		snprintf(out, out_bytes, "%s", scope->block[0].name);
	else if (scope->net_cnt > 0)
		snprintf(out, out_bytes, "%s", scope->net[0].name);
	bh_bind_scope_free(scope);
}
