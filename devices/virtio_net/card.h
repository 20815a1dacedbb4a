/* SPDX-License-Identifier: Apache-2.0 */
/* One served network card, whatever its kind: a model behind a vfio-user server. Of serve.c. */
#ifndef DEVICES_VIRTIO_NET_CARD_H
#define DEVICES_VIRTIO_NET_CARD_H

#include "devices/vfio_user/server.h"
#include "devices/virtio_net/serve.h"

#define VNET_CARD_MSIX_BAR       4u
#define VNET_CARD_MSIX_BAR_BYTES 0x1000u
#define VNET_CARD_MSIX_PENDING   0x800u

/* What a kind does with its model. */
struct vnet_card_kind {
	/* Configuration space and regions. */
	int (*describe)(struct vfu_device *device);
	int (*create)(const struct vnet_serve_options *options, uint32_t idx, const struct vnet_host *host,
	              void **out_model);
	void (*destroy)(void *model);
	/* The server is there: its mapped areas, too. */
	int (*served)(void *model, struct vfu_server *server);
	uint64_t (*reg_read)(void *model, uint64_t offset, uint32_t width_bytes);
	void (*reg_write)(void *model, uint64_t offset, uint32_t width_bytes, uint64_t value);
	void (*reset)(void *model);
	void (*dma_unmap)(void *model, uint64_t iova, uint64_t size_bytes);
	bool (*running)(const void *model);
	void (*control)(void *model);
	void (*stats)(const void *model, struct vnet_stats *out);
	const struct vnet_wire_ops *wire;
};

extern const struct vnet_card_kind vnet_card_virtio, vnet_card_ixgbe;

struct vnet_card {
	const struct vnet_card_kind *kind;
	void *model;
	struct vfu_server *server;
	bool connected_fd, gone;
	uint8_t msix[VNET_CARD_MSIX_BAR_BYTES];
};

/* vnet_card_open - Return: 0, or a negative errno; vnet_card_close frees what is there. */
BH_MUST_CHECK int vnet_card_open(struct vnet_card *card, const struct vnet_serve_options *options, uint32_t idx);
void vnet_card_close(struct vnet_card *card);
struct vnet_wire_end vnet_card_wire_end(const struct vnet_card *card);

#endif
