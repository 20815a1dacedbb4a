/* SPDX-License-Identifier: Apache-2.0 */
/* Giving back: only what a journal says, never a guess, and never under somebody who has the device open. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "host/device/bind_private.h"

/* Who has a path open: "412 (bulkhead), 413 (cell)". Return: how many. */
static unsigned
name_openers(const char *root, const char *path, char *out, size_t out_bytes)
{
	struct bh_sys_names pids, fds;
	char target[BH_SYS_PATH_BYTES], link[BH_SYS_PATH_BYTES], comm[32];
	unsigned cnt = 0;
	size_t used = 0;
	out[0] = '\0';
	if (bh_bind_pids(root, &pids) != 0)
		return 0;
	for (size_t i = 0; i < pids.cnt; i++) {
		bool found = false;
		if (bh_sys_list(&fds, root, "/proc/%s/fd", pids.name[i]) != 0)
			continue;
		for (size_t j = 0; j < fds.cnt && !found; j++) {
			if (bh_sys_path(link, root, "/proc/%s/fd/%s", pids.name[i], fds.name[j]) != 0)
				continue;
			ssize_t len = readlink(link, target, sizeof(target) - 1);
			target[len < 0 ? 0 : len] = '\0';
			found = strcmp(target, path) == 0;
		}
		bh_sys_names_free(&fds);
		if (!found || cnt++ >= 8 || used + 64 > out_bytes)
			continue;
		comm[0] = '\0';
		(void)bh_sys_read(comm, sizeof(comm), root, "/proc/%s/comm", pids.name[i]);
		used += (size_t)snprintf(out + used, out_bytes - used, "%s%s (%s)", used > 0 ? ", " : "", pids.name[i],
		                         comm);
	}
	bh_sys_names_free(&pids);
	return cnt;
}

#define DYING_NS UINT64_C(2000000000)

/* The kernel would wait in the unbind until the last user is gone. One that is just dying is waited for. */
static int
check_unused(const char *root, const struct bh_pci_device *device, struct bh_error *error)
{
	char node[32], full[BH_SYS_PATH_BYTES], who[320];
	unsigned cnt = 0;
	if (strcmp(device->driver, BH_BIND_DRIVER) != 0 || device->group < 0)
		return 0;
	snprintf(node, sizeof(node), "/dev/vfio/%d", device->group);
	int err = bh_sys_path(full, root, "%s", node);
	for (uint64_t deadline_ns = bh_bind_ops->now_ns() + DYING_NS;;) {
		cnt = name_openers(root, node, who, sizeof(who));
		if (cnt == 0 && (err != 0 || bh_bind_ops->try_group(full) == 0))
			return 0;
		if (bh_bind_ops->now_ns() >= deadline_ns)
			break;
		bh_bind_ops->pause(10 * BH_BIND_STEP_NS);
	}
	return bh_error_set(error, "E150", -EBUSY,
	                    "%s is in use: %s has %s open; end it first, then 'bulkhead unbind %s'", device->address,
	                    cnt > 0 ? who : "a process that does not show here", node, device->address);
}

static int
without_journal(const struct bh_pci_device *device, struct bh_error *error)
{
	if (strcmp(device->driver, BH_BIND_DRIVER) != 0)
		return 0; /* not ours, or given back before */
	return bh_error_set(
	        error, "E149", -ENOENT,
	        "%s has vfio-pci, and no journal says what stood there before (somebody else bound it); to leave "
	        "it to the kernel: bulkhead explain E149",
	        device->address);
}

static int
give_back(const char *root, const struct bh_pci_device *device, struct bh_bind_outcome *out, struct bh_error *error)
{
	struct bh_bind_journal journal;
	int err = bh_bind_journal_read(root, device->address, &journal);
	if (err == -ENOENT)
		return without_journal(device, error);
	if (err == -EBADMSG)
		return bh_error_set(error, "E148", err,
		                    "%s: the journal " BH_BIND_FOLDER
		                    "/%s is damaged and says no more what stood there; give "
		                    "the device back by hand, then remove that file: bulkhead explain E148",
		                    device->address, device->address);
	if (err != 0)
		return bh_error_set(error, "E152", err, "%s: the journal " BH_BIND_FOLDER "/%s cannot be read: %s",
		                    device->address, device->address, strerror(-err));
	if (journal.vendor != device->vendor || journal.device != device->device)
		return bh_error_set(error, "E155", -ENODEV,
		                    "%s is %04x:%04x now, and the journal " BH_BIND_FOLDER
		                    "/%s is about %04x:%04x: another device "
		                    "sits there; remove that file",
		                    device->address, device->vendor, device->device, device->address, journal.vendor,
		                    journal.device);
	err = check_unused(root, device, error);
	if (err == 0) {
		sigset_t before;
		bh_signals_hold(&before);
		err = bh_bind_restore(root, &journal, error);
		bh_signals_release(&before, false);
	}
	if (err != 0)
		return err;
	out->changed = strcmp(device->driver, journal.driver) != 0 ||
	               strcmp(device->driver_override, journal.driver_override) != 0;
	memcpy(out->driver_now, journal.driver, sizeof(out->driver_now));
	bh_bind_wait_back(root, &journal, out->back, sizeof(out->back));
	err = bh_bind_journal_remove(root, device->address);
	return err == 0 ? 0
	                : bh_error_set(error, "E152", err,
	                               "%s is back, but its journal " BH_BIND_FOLDER "/%s cannot be "
	                               "removed: %s",
	                               device->address, device->address, strerror(-err));
}

int
bh_unbind_device(const char *root, const char *address, struct bh_bind_outcome *out, struct bh_error *error)
{
	struct bh_bind_outcome unused;
	struct bh_pci_device device;
	out = out != NULL ? out : &unused;
	*out = (struct bh_bind_outcome){0};
	int lock = bh_bind_need_lock(root, error);
	if (lock < 0)
		return lock;
	int err = bh_pci_read(root, address, &device, error);
	if (err == 0) {
		memcpy(out->address, device.address, sizeof(out->address));
		memcpy(out->driver_before, device.driver, sizeof(out->driver_before));
		memcpy(out->driver_now, device.driver, sizeof(out->driver_now));
		err = give_back(root, &device, out, error);
	}
	close(lock);
	return err;
}

int
bh_unbind(const char *root, const char *address, struct bh_error *error)
{
	return bh_unbind_device(root, address, NULL, error);
}
