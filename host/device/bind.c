/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking: check everything of every device first, then journal and take one after the other; when one fails, the ones before it
 * are given back. The disks' exclusive opens last until their driver has let go.
 */
#include "host/device/bind.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "host/device/bind_private.h"

#define SECOND_LOOK_NS UINT64_C(300000000)

/* One device of the request. */
struct taking {
	struct bh_bind_scope *scope; /* NULL: it is taken already */
	struct bh_bind_journal journal;
	bool done, had_journal;
	struct bh_bind_outcome *out;
};

static bool
is_named(const char *const *override, const char *reason)
{
	for (size_t i = 0; override != NULL && override[i] != NULL; i++) {
		if (strcmp(override[i], reason) == 0)
			return true;
	}
	return false;
}

static int
check_overrides(const struct bh_bind_request *request, struct bh_error *error)
{
	char known[320];
	size_t used = 0;
	const char *const *override = request->override;
	if (override == NULL || override[0] == NULL)
		return 0;
	if (request->cnt > 1)
		return bh_error_set(error, "E141", -EINVAL,
		                    "an override counts for one device: give one address, or leave --override out");
	for (size_t i = 0; override[i] != NULL; i++) {
		bool found = false;
		for (size_t j = 0; bh_bind_reason(j) != NULL && !found; j++)
			found = strcmp(override[i], bh_bind_reason(j)) == 0;
		if (found)
			continue;
		for (size_t j = 0; bh_bind_reason(j) != NULL; j++)
			used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%s", j > 0 ? ", " : "",
			                         bh_bind_reason(j));
		return bh_error_set(error, "E141", -EINVAL, "'%.40s' is no reason; there are: %s", override[i], known);
	}
	return 0;
}

/* The first finding with its evidence; the others by their word. */
static int
refuse(const struct bh_bind_scope *scope, const struct bh_bind_finding *first, const char *const *override,
       struct bh_error *error)
{
	char words[160] = "";
	size_t used = 0;
	for (int i = 0; i < scope->findings.cnt; i++) {
		const char *reason = scope->finding[i].reason;
		bool before = is_named(override, reason);
		for (int j = 0; j < i && !before; j++)
			before = strcmp(scope->finding[j].reason, reason) == 0;
		if (!before && used + sizeof(scope->finding[i].reason) + 14 < sizeof(words))
			used += (size_t)snprintf(words + used, sizeof(words) - used, " --override %s", reason);
	}
	return bh_error_set(error, "E140", -EPERM,
	                    "%s is in use by this machine: %s; stop that first (or, knowing it: %s)",
	                    scope->device.address, first->evidence, words + 1);
}

static int
judge(struct taking *taking, const char *const *override, struct bh_error *error)
{
	struct bh_bind_scope *scope = taking->scope;
	for (int i = 0; i < scope->findings.cnt; i++) {
		if (!is_named(override, scope->finding[i].reason))
			return refuse(scope, &scope->finding[i], override, error);
		taking->out->overridden[taking->out->overridden_cnt++] = scope->finding[i];
	}
	if (scope->device.group < 0)
		return bh_error_set(
		        error, "E144", -EPERM,
		        "%s has no IOMMU group: without an IOMMU nothing keeps it inside of a cell's memory; boot "
		        "with intel_iommu=on or amd_iommu=on and switch VT-d or AMD-Vi on in the firmware",
		        scope->device.address);
	return 0;
}

static int
damaged(const char *address, struct bh_error *error)
{
	return bh_error_set(error, "E148", -EBADMSG,
	                    "%s: the journal " BH_BIND_FOLDER
	                    "/%s is damaged and says no more what stood there; give the "
	                    "device back by hand, then remove that file: bulkhead explain E148",
	                    address, address);
}

/* What to go back to: what a broken-off take wrote down, as long as the device is in the middle of it; otherwise what is there. */
static int
fill_journal(const char *root, struct taking *taking, struct bh_error *error)
{
	const struct bh_pci_device *device = &taking->scope->device;
	int err = bh_bind_journal_read(root, device->address, &taking->journal);
	if (err == -EBADMSG)
		return damaged(device->address, error);
	taking->had_journal = err == 0 && strcmp(device->driver_override, BH_BIND_DRIVER) == 0 &&
	                      taking->journal.vendor == device->vendor && taking->journal.device == device->device;
	if (taking->had_journal)
		return 0;
	taking->journal = (struct bh_bind_journal){.vendor = device->vendor, .device = device->device};
	memcpy(taking->journal.address, device->address, sizeof(device->address));
	memcpy(taking->journal.driver, device->driver, sizeof(device->driver));
	memcpy(taking->journal.driver_override, device->driver_override, sizeof(device->driver_override));
	if (taking->scope->block_cnt > 0)
		memcpy(taking->journal.made, taking->scope->block[0].name, sizeof(taking->journal.made));
	else if (taking->scope->net_cnt > 0)
		memcpy(taking->journal.made, taking->scope->net[0].name, sizeof(taking->journal.made));
	return 0;
}

/* Somebody who just looks at a disk (blkid, another bulkhead) is gone a moment later. */
static void
guard_twice(struct bh_bind_scope *scope)
{
	bool passing = true;
	scope->hold = true;
	bh_bind_scope_guard(scope);
	for (int i = 0; i < scope->findings.cnt; i++) {
		const char *reason = scope->finding[i].reason;
		passing = passing && (strcmp(reason, "in-use") == 0 || strcmp(reason, "open") == 0);
	}
	if (scope->findings.cnt == 0 || !passing)
		return;
	bh_bind_scope_release(scope);
	bh_bind_ops->pause(SECOND_LOOK_NS);
	bh_bind_scope_guard(scope);
}

static int
prepare(const struct bh_bind_request *request, struct taking *taking, struct bh_error *error)
{
	struct bh_bind_outcome *out = taking->out;
	struct bh_bind_scope *scope = taking->scope;
	memcpy(out->address, scope->device.address, sizeof(out->address));
	memcpy(out->driver_before, scope->device.driver, sizeof(out->driver_before));
	memcpy(out->driver_now, scope->device.driver, sizeof(out->driver_now));
	if (strcmp(scope->device.driver, BH_BIND_DRIVER) == 0) {
		bh_bind_scope_free(scope);
		taking->scope = NULL;
		return 0;
	}
	guard_twice(scope);
	int err = judge(taking, request->override, error);
	return err != 0 ? err : fill_journal(request->root, taking, error);
}

static int
ensure_driver(const char *root, struct bh_error *error)
{
	int err = 0;
	if (!bh_sys_exists(root, "/sys/bus/pci/drivers/" BH_BIND_DRIVER))
		err = bh_bind_ops->load_module(BH_BIND_DRIVER);
	if (err == 0 && bh_sys_exists(root, "/sys/bus/pci/drivers/" BH_BIND_DRIVER)) {
		/* kmod takes it along, busybox's modprobe does not. Binding works without; bulkhead run would say E108. */
		if (!bh_sys_exists(root, "/sys/module/vfio_iommu_type1"))
			(void)!bh_bind_ops->load_module("vfio_iommu_type1");
		return 0;
	}
	return bh_error_set(
	        error, "E145", -ENOENT,
	        "the kernel's vfio-pci driver is not there and 'modprobe vfio-pci' failed: install the kernel's "
	        "modules (linux-image of 'uname -r'), or use a kernel with CONFIG_VFIO_PCI");
}

/* Back to the journal; what went wrong first stays the message unless this goes wrong, too. */
static int
roll_back(const char *root, struct taking *taking, int err, struct bh_error *error)
{
	struct bh_error second = {{0}, {0}};
	char first[BH_ERROR_TEXT_BYTES] = "", id[sizeof(second.id)] = "E142";
	const char *address = taking->journal.address;
	if (error != NULL) {
		memcpy(first, error->text, sizeof(first));
		memcpy(id, error->id, sizeof(id));
	}
	bh_bind_scope_release(taking->scope);
	if (bh_bind_restore(root, &taking->journal, &second) == 0 && bh_bind_journal_remove(root, address) == 0) {
		taking->done = false;
		return bh_error_set(error, id, err, "%.420s; %s is as it was before", first, address);
	}
	return bh_error_set(error, "E143", -EIO,
	                    "%.200s; and %s could not be put back (%.130s); what stood there is in " BH_BIND_FOLDER
	                    "/%s: 'bulkhead unbind %s'",
	                    first, address, second.text, address, address);
}

static int
take_one(const char *root, struct taking *taking, struct bh_error *error)
{
	const char *address = taking->journal.address;
	int err = taking->had_journal ? 0 : bh_bind_journal_write(root, &taking->journal);
	if (err != 0)
		return bh_error_set(error, "E152", err,
		                    "%s: the journal " BH_BIND_FOLDER "/%s cannot be written: %s; nothing "
		                    "was changed",
		                    address, address, strerror(-err));
	err = bh_bind_take(root, &taking->journal, error);
	bh_bind_scope_release(taking->scope);
	if (err != 0)
		return roll_back(root, taking, err, error);
	taking->done = true;
	return 0;
}

static int
take_all(const char *root, struct taking *takings, size_t cnt, struct bh_error *error)
{
	sigset_t before;
	int err = 0;
	size_t i;
	bh_signals_hold(&before);
	for (i = 0; i < cnt && err == 0; i++) {
		if (takings[i].scope != NULL)
			err = take_one(root, &takings[i], error);
	}
	for (size_t j = i; err != 0 && j-- > 0;) {
		if (takings[j].done)
			err = roll_back(root, &takings[j], err, error);
	}
	for (i = 0; i < cnt && err == 0; i++) {
		takings[i].out->changed = takings[i].done;
		snprintf(takings[i].out->driver_now, sizeof(takings[i].out->driver_now), "%s", BH_BIND_DRIVER);
	}
	bh_signals_release(&before, false);
	return err;
}

/* Checks of every device, before anything of any is changed. */
static int
open_all(const struct bh_bind_request *request, struct taking *takings, struct bh_bind_outcome *out,
         struct bh_error *error)
{
	for (size_t i = 0; i < request->cnt; i++) {
		takings[i].out = &out[i];
		out[i] = (struct bh_bind_outcome){0};
		int err = bh_bind_scope_new(request->root, request->address[i], &takings[i].scope, error);
		if (err != 0)
			return err;
		for (size_t j = 0; j < i; j++) {
			if (strcmp(out[j].address, takings[i].scope->device.address) == 0)
				return bh_error_set(error, "E141", -EINVAL, "%s is named twice", out[j].address);
		}
		err = prepare(request, &takings[i], error);
		if (err != 0)
			return err;
	}
	return 0;
}

int
bh_bind_need_lock(const char *root, struct bh_error *error)
{
	int fd = bh_bind_lock(root);
	if (fd == -EBUSY)
		return bh_error_set(error, "E147", -EBUSY,
		                    "another bulkhead binds or unbinds a device (" BH_BIND_FOLDER
		                    "/.lock); try again when it is done");
	if (fd == -EACCES || fd == -EPERM || fd == -EROFS)
		return bh_error_set(error, "E153", fd,
		                    "binding devices needs root: " BH_BIND_FOLDER " cannot be used: %s", strerror(-fd));
	return fd >= 0 ? fd
	               : bh_error_set(error, "E152", fd, "the journal's folder " BH_BIND_FOLDER " cannot be used: %s",
	                              strerror(-fd));
}

int
bh_bind_all(const struct bh_bind_request *request, struct bh_bind_outcome *out, struct bh_error *error)
{
	static struct taking takings[BH_BIND_DEVICES_MAX]; /* one thread */
	memset(takings, 0, sizeof(takings));
	if (request->cnt == 0 || request->cnt > BH_BIND_DEVICES_MAX)
		return bh_error_set(error, "E141", -EINVAL, "1 to %u devices at a time", BH_BIND_DEVICES_MAX);
	int err = check_overrides(request, error);
	int lock = err != 0 ? err : bh_bind_need_lock(request->root, error);
	if (lock < 0)
		return lock;
	err = open_all(request, takings, out, error);
	bool any = false;
	for (size_t i = 0; i < request->cnt; i++)
		any = any || takings[i].scope != NULL;
	if (err == 0 && any && !request->dry_run)
		err = ensure_driver(request->root, error);
	if (err == 0 && any && !request->dry_run)
		err = take_all(request->root, takings, request->cnt, error);
	for (size_t i = 0; i < request->cnt; i++)
		bh_bind_scope_free(takings[i].scope);
	close(lock);
	return err;
}

int
bh_bind(const char *root, const char *address, const char *const *override, struct bh_error *error)
{
	struct bh_bind_outcome out;
	const struct bh_bind_request request = {.root = root, .address = &address, .cnt = 1, .override = override};
	return bh_bind_all(&request, &out, error);
}
