/* SPDX-License-Identifier: Apache-2.0 */
/* BARs: what a cell may map, and the registers of which the supervisor takes care. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "host/device/vfio_private.h"

/* Return: an allocated struct vfio_region_info with its chain, info->argsz bytes, or NULL with `errno`. */
static struct vfio_region_info *
region_info(int fd, uint32_t region)
{
	uint32_t bytes = sizeof(struct vfio_region_info);
	for (int i = 0; i < 2; i++) {
		struct vfio_region_info *info = calloc(1, bytes);
		if (info == NULL)
			return NULL;
		info->argsz = bytes;
		info->index = region;
		if (ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, info) != 0) {
			free(info);
			return NULL;
		}
		if (info->argsz <= bytes || info->argsz > BH_VFIO_INFO_BYTES_MAX) {
			info->argsz = bytes; /* what is there to be read */
			return info;
		}
		bytes = info->argsz;
		free(info);
	}
	errno = EPROTO;
	return NULL;
}

static int
no_region(const struct bh_vfio *vfio, uint32_t region, int err, struct bh_error *error)
{
	return bh_error_set(error, "E119", err,
	                    "device %s (%s): the kernel does not describe its region %u: %s. Is the kernel's vfio-pci "
	                    "older than 4.6?",
	                    vfio->backend.name, vfio->address, region, strerror(-err));
}

int
bh_vfio_regions(struct bh_vfio *vfio, struct bh_error *error)
{
	struct vfio_region_info *info = region_info(vfio->fd, VFIO_PCI_CONFIG_REGION_INDEX);
	if (info == NULL)
		return no_region(vfio, VFIO_PCI_CONFIG_REGION_INDEX, -errno, error);
	vfio->config_offset = info->offset;
	vfio->config_bytes = BH_MIN((uint64_t)info->size, (uint64_t)BH_PAGE_BYTES);
	free(info);
	return 0;
}

int
bh_vfio_windows(struct bh_vfio *vfio, struct bh_error *error)
{
	const struct bh_vfio_pci_caps *caps = &vfio->caps;
	for (uint32_t i = 0; i < BH_DEVICE_BARS_MAX; i++) {
		struct bh_backend_bar *bar = &vfio->backend.bar[i];
		struct vfio_region_info *info = region_info(vfio->fd, i);
		if (info == NULL)
			return no_region(vfio, i, -errno, error);
		bool has_table = caps->msix != 0 && caps->msix_bar == i;
		vfio->bar_offset[i] = info->offset;
		int err = bh_vfio_region_windows(info, info->argsz, caps->msix_offset, has_table ? caps->msix_bytes : 0,
		                                 bar);
		free(info);
		if (err != 0)
			return no_region(vfio, i, err, error);
		for (uint32_t j = 0; j < bar->window_cnt; j++)
			bar->window[j].fd = vfio->fd;
	}
	return 0;
}

static int
check_reg(const struct bh_vfio *vfio, uint32_t bar, uint64_t offset, uint32_t width_bytes, struct bh_error *error)
{
	bool width_ok = width_bytes <= 8 && BH_IS_POW2(width_bytes);
	uint64_t size_bytes = bar < BH_DEVICE_BARS_MAX ? vfio->backend.bar[bar].size_bytes : 0;
	if (vfio->lost)
		return bh_vfio_lost(vfio, error);
	if (width_ok && offset % width_bytes == 0 && offset < size_bytes && width_bytes <= size_bytes - offset)
		return 0;
	return bh_error_set(error, "E046", -EINVAL,
	                    "device %s (%s): no register of %u bytes at offset %#lx of BAR %u (which has %#lx bytes)",
	                    vfio->backend.name, vfio->address, width_bytes, offset, bar, size_bytes);
}

/* -EIO is what the kernel says of a device whose memory is switched off, or that is not there. */
static int
refused(struct bh_vfio *vfio, uint32_t bar, uint64_t offset, int err, struct bh_error *error)
{
	uint32_t id;
	if (err == -ENODEV || (bh_vfio_config_get(vfio, PCI_VENDOR, 2, &id) == 0 && id == 0xffff))
		return bh_vfio_lose(vfio, error, "E126",
		                    "it does not answer any more: it was pulled, or has lost power");
	return bh_error_set(error, "E046", err, "device %s (%s): the register at offset %#lx of BAR %u was refused: %s",
	                    vfio->backend.name, vfio->address, offset, bar, strerror(-err));
}

int
bh_vfio_reg_read(struct bh_backend *backend, uint32_t bar, uint64_t offset, uint32_t width_bytes, uint64_t *out_value,
                 struct bh_error *error)
{
	struct bh_vfio *vfio = bh_vfio_of(backend);
	uint64_t value = 0;
	int err = check_reg(vfio, bar, offset, width_bytes, error);
	if (err != 0)
		return err;
	ssize_t got = pread(vfio->fd, &value, width_bytes, (off_t)(vfio->bar_offset[bar] + offset));
	if (got != (ssize_t)width_bytes)
		return refused(vfio, bar, offset, got < 0 ? -errno : -EIO, error);
	*out_value = value;
	return 0;
}

int
bh_vfio_reg_write(struct bh_backend *backend, uint32_t bar, uint64_t offset, uint32_t width_bytes, uint64_t value,
                  struct bh_error *error)
{
	struct bh_vfio *vfio = bh_vfio_of(backend);
	int err = check_reg(vfio, bar, offset, width_bytes, error);
	if (err != 0)
		return err;
	ssize_t put = pwrite(vfio->fd, &value, width_bytes, (off_t)(vfio->bar_offset[bar] + offset));
	return put == (ssize_t)width_bytes ? 0 : refused(vfio, bar, offset, put < 0 ? -errno : -EIO, error);
}
