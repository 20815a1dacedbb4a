/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "host/device/null_device.h"
#include "host/errors/errors.h"

static int
dma_map(struct bh_backend *backend, uint64_t iova, uint64_t size_bytes, int fd, uint64_t fd_offset,
        struct bh_error *error)
{
	return 0;
}

static int
dma_unmap(struct bh_backend *backend, uint64_t iova, uint64_t size_bytes, struct bh_error *error)
{
	return 0;
}

static int
reg_read(struct bh_backend *backend, uint32_t bar, uint64_t offset, uint32_t width_bytes, uint64_t *out_value,
         struct bh_error *error)
{
	return -EINVAL;
}

static int
reg_write(struct bh_backend *backend, uint32_t bar, uint64_t offset, uint32_t width_bytes, uint64_t value,
          struct bh_error *error)
{
	return -EINVAL;
}

static int
nothing(struct bh_backend *backend, struct bh_error *error)
{
	return 0;
}

static void
close_null(struct bh_backend *backend)
{
	free(backend);
}

static const struct bh_backend_ops null_ops = {
        .name = "null",
        .dma_map = dma_map,
        .dma_unmap = dma_unmap,
        .reg_read = reg_read,
        .reg_write = reg_write,
        .service = nothing,
        .reset = nothing,
        .close = close_null,
};

int
bh_null_device_open(const char *name, struct bh_backend **out, struct bh_error *error)
{
	struct bh_backend *backend = calloc(1, sizeof(*backend));
	if (backend == NULL)
		return bh_error_set(error, "E030", -ENOMEM, "out of memory");
	backend->ops = &null_ops;
	snprintf(backend->name, sizeof(backend->name), "%s", name);
	*out = backend;
	return 0;
}
