/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration space through VFIO: the kernel passes on what a user may touch and keeps the rest to itself. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "host/device/vfio_private.h"

enum {
	PCI_COMMAND_MEMORY = 1u << 1,
	PCI_COMMAND_MASTER = 1u << 2,
	PCI_COMMAND_NO_INTX = 1u << 10,
	PCI_HEADER_BYTES = 64,
};

static int
check_config(const struct bh_vfio *vfio, uint32_t offset, uint32_t width_bytes)
{
	bool width_ok = width_bytes == 1 || width_bytes == 2 || width_bytes == 4;
	return width_ok && offset % width_bytes == 0 && (uint64_t)offset + width_bytes <= vfio->config_bytes ? 0
	                                                                                                     : -EINVAL;
}

int
bh_vfio_config_get(const struct bh_vfio *vfio, uint32_t offset, uint32_t width_bytes, uint32_t *out_value)
{
	uint32_t value = 0; /* little-endian, as is x86 */
	int err = check_config(vfio, offset, width_bytes);
	if (err != 0)
		return err;
	ssize_t got = pread(vfio->fd, &value, width_bytes, (off_t)(vfio->config_offset + offset));
	if (got != (ssize_t)width_bytes)
		return got < 0 ? -errno : -EIO;
	*out_value = value;
	return 0;
}

int
bh_vfio_config_put(const struct bh_vfio *vfio, uint32_t offset, uint32_t width_bytes, uint32_t value)
{
	int err = check_config(vfio, offset, width_bytes);
	if (err != 0)
		return err;
	ssize_t put = pwrite(vfio->fd, &value, width_bytes, (off_t)(vfio->config_offset + offset));
	return put == (ssize_t)width_bytes ? 0 : put < 0 ? -errno : -EIO;
}

int
bh_vfio_identify(struct bh_vfio *vfio, struct bh_error *error)
{
	uint8_t config[BH_VFIO_CONFIG_BYTES] = {0};
	uint32_t id, class;
	if (vfio->config_bytes < PCI_HEADER_BYTES)
		return bh_error_set(error, "E119", -EIO, "device %s (%s): it has no PCI configuration space",
		                    vfio->backend.name, vfio->address);
	size_t want = BH_MIN(vfio->config_bytes, (uint64_t)sizeof(config));
	ssize_t got = pread(vfio->fd, config, want, (off_t)vfio->config_offset);
	if (got != (ssize_t)want)
		return bh_error_set(error, "E119", -EIO, "device %s (%s): its configuration space cannot be read: %s",
		                    vfio->backend.name, vfio->address, got < 0 ? strerror(errno) : "too short");
	memcpy(&id, config + PCI_VENDOR, sizeof(id));
	memcpy(&class, config + PCI_CLASS, sizeof(class));
	if ((id & 0xffff) == 0xffff)
		return bh_vfio_lose(vfio, error, "E126",
		                    "it does not answer: its vendor reads all ones. It was pulled, or has lost power");
	vfio->backend.pci_vendor = (uint16_t)id;
	vfio->backend.pci_device = (uint16_t)(id >> 16);
	vfio->backend.pci_class = class >> 8;
	if (bh_vfio_pci_caps_parse(config, &vfio->caps) != 0)
		return bh_error_set(error, "E119", -EIO, "device %s (%s): its list of capabilities has no end",
		                    vfio->backend.name, vfio->address);
	return 0;
}

int
bh_vfio_enable(struct bh_vfio *vfio, bool master, struct bh_error *error)
{
	const uint32_t on = PCI_COMMAND_MEMORY | PCI_COMMAND_NO_INTX | (master ? PCI_COMMAND_MASTER : 0);
	uint32_t command = 0, after = 0;
	int err = bh_vfio_config_get(vfio, PCI_COMMAND, 2, &command);
	if (err == 0 && command == 0xffff)
		return bh_vfio_lose(vfio, error, "E126",
		                    "it does not answer any more: its command register reads all ones");
	if (err == 0)
		err = bh_vfio_config_put(vfio, PCI_COMMAND, 2, (command & ~(uint32_t)PCI_COMMAND_MASTER) | on);
	if (err == 0)
		err = bh_vfio_config_get(vfio, PCI_COMMAND, 2, &after);
	if (err == 0 &&
	    (after & (PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER)) == (on & (PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER)))
		return 0;
	return bh_error_set(
	        error, "E131", -EIO, "device %s (%s): its command register does not take 0x%04x (it reads 0x%04x%s%s)",
	        vfio->backend.name, vfio->address, on, after, err != 0 ? ": " : "", err != 0 ? strerror(-err) : "");
}

int
bh_vfio_config_read(struct bh_backend *backend, uint32_t offset, uint32_t width_bytes, uint32_t *out_value,
                    struct bh_error *error)
{
	struct bh_vfio *vfio = bh_vfio_of(backend);
	if (vfio->lost)
		return bh_vfio_lost(vfio, error);
	int err = bh_vfio_config_get(vfio, offset, width_bytes, out_value);
	if (err == 0)
		return 0;
	return bh_error_set(error, "E046", err, "device %s (%s): no %u bytes at %#x of configuration space: %s",
	                    backend->name, vfio->address, width_bytes, offset, strerror(-err));
}
