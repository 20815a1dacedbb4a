/* SPDX-License-Identifier: Apache-2.0 */
#include "host/device/vfio.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/device/vfio_private.h"

/* The device first: the kernel stops its DMA and resets it when the last descriptor goes. Then the mappings, then the group. */
static void
close_vfio(struct bh_backend *backend)
{
	struct bh_vfio *vfio = bh_vfio_of(backend);
	/* Also one that is lost to us: a host that asks for it back gets it quiet. */
	if (vfio->fd >= 0 && bh_vfio_enable(vfio, false, NULL) != 0)
		vfio->lost = true; /* the kernel does what it can when the descriptor closes */
	if (vfio->request_fd >= 0)
		close(vfio->request_fd);
	if (vfio->fault_fd >= 0)
		close(vfio->fault_fd);
	if (vfio->fd >= 0)
		close(vfio->fd);
	if (vfio->group != NULL) {
		bh_vfio_dma_release(vfio);
		bh_vfio_group_put(vfio->group);
	}
	free(vfio);
}

static const struct bh_backend_ops ops = {
        .name = "vfio",
        .dma_map = bh_vfio_dma_map,
        .dma_unmap = bh_vfio_dma_unmap,
        .config_read = bh_vfio_config_read,
        .reg_read = bh_vfio_reg_read,
        .reg_write = bh_vfio_reg_write,
        .service = bh_vfio_service,
        .reset = bh_vfio_reset,
        .close = close_vfio,
};

static int
open_device(struct bh_vfio *vfio, const struct bh_pci_device *pci, struct bh_error *error)
{
	int err = bh_vfio_group_get(vfio->backend.name, pci, &vfio->group, error);
	if (err == 0)
		err = bh_vfio_group_device(vfio->group, vfio->backend.name, vfio->address, &vfio->fd, error);
	if (err == 0)
		err = bh_vfio_regions(vfio, error);
	if (err == 0)
		err = bh_vfio_identify(vfio, error);
	if (err == 0)
		err = bh_vfio_windows(vfio, error);
	if (err == 0)
		err = bh_vfio_enable(vfio, false, error);
	return err == 0 ? bh_vfio_watch(vfio, error) : err;
}

int
bh_vfio_open(const char *name, const char *address, struct bh_backend **out, struct bh_error *error)
{
	struct bh_pci_device pci;
	int err = bh_vfio_layers("", name, address, &pci, error);
	if (err != 0)
		return err;
	struct bh_vfio *vfio = calloc(1, sizeof(*vfio));
	if (vfio == NULL)
		return bh_error_set(error, "E117", -ENOMEM, "device %s: out of memory", name);
	vfio->backend.ops = &ops;
	vfio->fd = vfio->request_fd = vfio->fault_fd = -1;
	snprintf(vfio->backend.name, sizeof(vfio->backend.name), "%s", name);
	snprintf(vfio->address, sizeof(vfio->address), "%s", pci.address);
	err = open_device(vfio, &pci, error);
	if (err != 0) {
		close_vfio(&vfio->backend);
		return err;
	}
	*out = &vfio->backend;
	return 0;
}

bool
bh_vfio_is(const struct bh_backend *backend)
{
	return backend->ops == &ops;
}
