/* SPDX-License-Identifier: Apache-2.0 */
/*
 * No interrupt of the device itself: cells poll. Two of VFIO's own are taken: the kernel asks for the device back (it is unplugged, or
 * unbound), and the device reported an error that cannot be mended (PCI Express AER).
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "host/device/vfio_private.h"

int
bh_vfio_lost(const struct bh_vfio *vfio, struct bh_error *error)
{
	if (error != NULL)
		*error = vfio->lost_error;
	return -ENODEV;
}

int
bh_vfio_lose(struct bh_vfio *vfio, struct bh_error *error, const char *id, const char *format, ...)
{
	char text[BH_ERROR_TEXT_BYTES];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (!vfio->lost)
		bh_error_set(&vfio->lost_error, id, -ENODEV, "device %s (%s): %.400s", vfio->backend.name,
		             vfio->address, text);
	vfio->lost = true;
	return bh_vfio_lost(vfio, error);
}

/* Return: 0 with *out_fd -1 where the device has no such interrupt. */
static int
take_irq(struct bh_vfio *vfio, uint32_t irq, int *out_fd)
{
	struct vfio_irq_info info = {.argsz = sizeof(info), .index = irq};
	union {
		struct vfio_irq_set head;
		uint8_t bytes[sizeof(struct vfio_irq_set) + sizeof(int32_t)];
	} set = {.head = {.argsz = sizeof(set.bytes),
	                  .flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
	                  .index = irq,
	                  .count = 1}};
	if (ioctl(vfio->fd, VFIO_DEVICE_GET_IRQ_INFO, &info) != 0 || info.count == 0 ||
	    (info.flags & VFIO_IRQ_INFO_EVENTFD) == 0)
		return 0;
	*out_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (*out_fd < 0)
		return -errno;
	memcpy(set.head.data, out_fd, sizeof(int32_t));
	return ioctl(vfio->fd, VFIO_DEVICE_SET_IRQS, &set) == 0 ? 0 : -errno;
}

int
bh_vfio_watch(struct bh_vfio *vfio, struct bh_error *error)
{
	int err = take_irq(vfio, VFIO_PCI_REQ_IRQ_INDEX, &vfio->request_fd);
	if (err == 0)
		err = take_irq(vfio, VFIO_PCI_ERR_IRQ_INDEX, &vfio->fault_fd);
	if (err == 0)
		return 0;
	return bh_error_set(error, "E118", err,
	                    "device %s (%s): the kernel does not tell of its requests and errors: %s",
	                    vfio->backend.name, vfio->address, strerror(-err));
}

static bool
has_event(int fd)
{
	uint64_t cnt;
	return fd >= 0 && read(fd, &cnt, sizeof(cnt)) == (ssize_t)sizeof(cnt);
}

int
bh_vfio_service(struct bh_backend *backend, struct bh_error *error)
{
	struct bh_vfio *vfio = bh_vfio_of(backend);
	uint32_t id;
	if (vfio->lost)
		return bh_vfio_lost(vfio, error);
	if (has_event(vfio->fault_fd))
		return bh_vfio_lose(
		        vfio, error, "E128",
		        "it reported an error that cannot be mended (PCI Express AER); dmesg has the details. A "
		        "reset by the next start may bring it back");
	if (has_event(vfio->request_fd))
		return bh_vfio_lose(vfio, error, "E127",
		                    "the host asked for it back: it is being unplugged, or unbound from vfio-pci");
	int err = bh_vfio_config_get(vfio, PCI_VENDOR, 2, &id);
	if (err == -ENODEV || (err == 0 && id == 0xffff))
		return bh_vfio_lose(vfio, error, "E126",
		                    "it is gone: its vendor reads all ones. It was pulled, or has lost power");
	return 0;
}
