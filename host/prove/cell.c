/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "host/prove/internal.h"

static void
edit_page(void *context, struct bh_boot_page *page)
{
	const struct prove_cell *cell = context;
	memcpy(page->app_config, &cell->orders, sizeof(cell->orders));
	page->app_config_bytes = sizeof(cell->orders);
	page->checksum = bh_boot_page_checksum(page);
}

_Static_assert(sizeof(struct prove_config) <= BH_APP_CONFIG_BYTES, "the orders fit into the boot page");

int
prove_cell_start(struct prove_cell *out, const char *backend_text, const char *cpus, struct bh_cell_options *options,
                 struct bh_error *error)
{
	char text[1024], path[64];
	int len = snprintf(text, sizeof(text),
	                   "[cell]\nname = prove-iommu\napp = prove-iommu\ncpus = %s\narena = 64M\npages = auto\n%s",
	                   cpus, backend_text);
	int fd = memfd_create("prove-iommu.conf", MFD_CLOEXEC);
	if (fd < 0 || len >= (int)sizeof(text) || write(fd, text, (size_t)len) != len)
		return bh_error_set(error, "E170", -EIO, "cannot write the hostile cell's configuration: %s",
		                    strerror(errno));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int err = bh_config_load(path, NULL, 0, NULL, 0, &out->config, error);
	close(fd);
	if (err != 0)
		return err;
	options->edit_page = edit_page;
	options->context = out;
	return bh_cell_start(out->config, options, &out->cell, error);
}
