/* SPDX-License-Identifier: Apache-2.0 */
/* The ladder's operations on a device behind VFIO, and what a back end does around the climb. */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "host/device/vfio_private.h"

#define NVME_CLASS         0x010802u
#define HOT_RESET_DEVS_MAX 64u

static uint64_t
now_ns(void *context)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static void
sleep_ns(void *context, uint64_t ns)
{
	const struct timespec time = {.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)};
	nanosleep(&time, NULL);
}

static int
config_read(void *context, uint32_t offset, uint32_t width_bytes, uint32_t *out_value)
{
	return bh_vfio_config_get(context, offset, width_bytes, out_value);
}

static int
config_write(void *context, uint32_t offset, uint32_t width_bytes, uint32_t value)
{
	return bh_vfio_config_put(context, offset, width_bytes, value);
}

static int
reg_read(void *context, uint64_t offset, uint32_t width_bytes, uint64_t *out_value)
{
	struct bh_vfio *vfio = context;
	return bh_vfio_reg_read(&vfio->backend, 0, offset, width_bytes, out_value, NULL);
}

static int
reg_write(void *context, uint64_t offset, uint32_t width_bytes, uint64_t value)
{
	struct bh_vfio *vfio = context;
	return bh_vfio_reg_write(&vfio->backend, 0, offset, width_bytes, value, NULL);
}

static int
function_reset(void *context)
{
	const struct bh_vfio *vfio = context;
	return ioctl(vfio->fd, VFIO_DEVICE_RESET) == 0 ? 0 : -errno;
}

/* Only functions of our own group may be hit, and none of them but this one may be in use. */
static int
is_alone(const struct bh_vfio *vfio)
{
	union {
		struct vfio_pci_hot_reset_info head;
		uint8_t bytes[sizeof(struct vfio_pci_hot_reset_info) +
		              HOT_RESET_DEVS_MAX * sizeof(struct vfio_pci_dependent_device)];
	} info = {.head = {.argsz = sizeof(info.bytes)}};
	if (vfio->group->user_cnt > 1)
		return -EPERM;
	if (ioctl(vfio->fd, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, &info) != 0)
		return errno == ENOSPC ? -EPERM : -errno;
	if (info.head.count > HOT_RESET_DEVS_MAX)
		return -EPERM;
	for (uint32_t i = 0; i < info.head.count; i++) {
		if (info.head.devices[i].group_id != (uint32_t)vfio->group->number)
			return -EPERM;
	}
	return 0;
}

/* The kernel checks once more that every function on the bus belongs to a group that we hold. */
static int
bus_reset(void *context)
{
	const struct bh_vfio *vfio = context;
	const int32_t group_fd = vfio->group->fd;
	union {
		struct vfio_pci_hot_reset head;
		uint8_t bytes[sizeof(struct vfio_pci_hot_reset) + sizeof(group_fd)];
	} reset = {.head = {.argsz = sizeof(reset.bytes), .count = 1}};
	int err = is_alone(vfio);
	if (err != 0)
		return err;
	memcpy(reset.head.group_fds, &group_fd, sizeof(group_fd));
	return ioctl(vfio->fd, VFIO_DEVICE_PCI_HOT_RESET, &reset) == 0 ? 0 : -errno;
}

/* Afterwards the device is as the driver had it: memory accesses on and, as long as something is mapped, a bus master. */
int
bh_vfio_reset(struct bh_backend *backend, struct bh_error *error)
{
	static const struct bh_vfio_reset_ops ops = {now_ns,   sleep_ns,  config_read,    config_write,
	                                             reg_read, reg_write, function_reset, bus_reset};
	struct bh_vfio *vfio = bh_vfio_of(backend);
	const struct bh_vfio_reset_facts facts = {.is_nvme = backend->pci_class == NVME_CLASS,
	                                          .has_flr = vfio->caps.has_flr,
	                                          .no_soft_reset = vfio->caps.no_soft_reset,
	                                          .express = vfio->caps.express,
	                                          .power = vfio->caps.power};
	if (vfio->lost)
		return bh_vfio_lost(vfio, error);
	int err = bh_vfio_reset_run(&ops, vfio, &facts, &vfio->log);
	if (err == -ENODEV)
		return bh_vfio_lose(vfio, error, "E126", "it is gone: it read all ones while it was reset");
	if (err != 0) {
		vfio->given_up = true;
		return bh_error_set(
		        error, vfio->log.master_off ? "E130" : "E131", err,
		        "device %s (%s): no rung of the reset ladder worked; %s. bulkhead run --verbose shows "
		        "each rung",
		        backend->name, vfio->address,
		        vfio->log.master_off ? "its bus mastering is off, so it does no DMA any more"
		                             : "and its bus mastering CANNOT be switched off");
	}
	vfio->given_up = false;
	return bh_vfio_enable(vfio, vfio->mapped != 0, error);
}

const char *
bh_vfio_reset_log(const struct bh_backend *backend)
{
	const struct bh_vfio *vfio = BH_CONTAINER_OF(backend, const struct bh_vfio, backend);
	return vfio->log.text;
}
