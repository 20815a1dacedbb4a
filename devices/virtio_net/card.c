/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/virtio_net/card.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int
region_read(void *context, uint32_t region, uint64_t offset, uint32_t width_bytes, void *out_data)
{
	struct vnet_card *card = context;
	if (region == VNET_CARD_MSIX_BAR) {
		memcpy(out_data, card->msix + offset, width_bytes);
		return 0;
	}
	uint64_t value = card->kind->reg_read(card->model, offset, width_bytes);
	memcpy(out_data, &value, width_bytes);
	return 0;
}

static int
region_write(void *context, uint32_t region, uint64_t offset, uint32_t width_bytes, const void *data)
{
	struct vnet_card *card = context;
	uint64_t value = 0;
	if (region == VNET_CARD_MSIX_BAR) {
		if (offset < VNET_CARD_MSIX_PENDING)
			memcpy(card->msix + offset, data, width_bytes);
		return 0;
	}
	memcpy(&value, data, width_bytes);
	card->kind->reg_write(card->model, offset, width_bytes, value);
	return 0;
}

static int
reset(void *context, enum vfu_reset_reason reason)
{
	struct vnet_card *card = context;
	memset(card->msix, 0, sizeof(card->msix));
	card->kind->reset(card->model);
	return 0;
}

static void
dma_unmapping(void *context, uint64_t iova, uint64_t size_bytes)
{
	struct vnet_card *card = context;
	card->kind->dma_unmap(card->model, iova, size_bytes);
}

_Static_assert((int)VFU_DMA_READ == (int)VNET_DMA_READ && (int)VFU_DMA_WRITE == (int)VNET_DMA_WRITE,
               "permissions are passed on as they are");

static bool
dma_window(void *context, uint64_t iova, uint64_t size_bytes, uint32_t prot, struct vnet_window *out)
{
	struct vnet_card *card = context;
	if (!vfu_server_dma_translate(card->server, iova, size_bytes, prot))
		return false;
	const struct vfu_dma_map *map = &((const struct vfu_server_hot *)(const void *)card->server)->last;
	*out = (struct vnet_window){map->iova, map->size_bytes, map->addr, map->prot};
	return true;
}

static void
irq(void *context, uint32_t vector)
{
	struct vnet_card *card = context;
	(void)vfu_server_irq(card->server, vector); /* a vector without an eventfd is nobody's */
}

int
vnet_card_open(struct vnet_card *card, const struct vnet_serve_options *options, uint32_t idx)
{
	static const struct vfu_device_ops ops = {.region_read = region_read,
	                                          .region_write = region_write,
	                                          .reset = reset,
	                                          .dma_unmapping = dma_unmapping};
	const struct vnet_serve_end *wanted = &options->end[idx];
	const struct vnet_host host = {.context = card, .dma_window = dma_window, .irq = irq};
	struct vfu_device *device = calloc(1, sizeof(*device));
	if (device == NULL)
		return -ENOMEM;
	card->kind = wanted->kind == VNET_SERVE_IXGBE ? &vnet_card_ixgbe : &vnet_card_virtio;
	card->connected_fd = wanted->socket == NULL;
	device->ops = &ops;
	device->context = card;
	int err = card->kind->describe(device);
	if (err == 0)
		err = card->kind->create(options, idx, &host, &card->model);
	if (err == 0)
		err = vfu_server_create(device, wanted->socket, wanted->socket ? -1 : wanted->conn_fd, &card->server);
	if (err == 0)
		err = card->kind->served(card->model, card->server);
	free(device);
	return err;
}

void
vnet_card_close(struct vnet_card *card)
{
	vfu_server_destroy(card->server); /* resets the model if a client is connected */
	if (card->model != NULL)
		card->kind->destroy(card->model);
}

struct vnet_wire_end
vnet_card_wire_end(const struct vnet_card *card)
{
	return (struct vnet_wire_end){card->model, card->kind->wire};
}
