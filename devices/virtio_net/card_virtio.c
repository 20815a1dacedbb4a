/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/virtio_net/capabilities.h"
#include "devices/virtio_net/card.h"

#define PCI_CLASS 0x020000u
#define MSIX_CNT  (2 * VNET_PAIRS_MAX + 2)

static int
describe(struct vfu_device *device)
{
	device->msix_cnt = MSIX_CNT;
	vfu_config_type0(&device->config, VIRTIO_PCI_VENDOR, VIRTIO_PCI_DEVICE_NET, PCI_CLASS, 1);
	vfu_config_bar_mem64(&device->config, 0, VNET_BAR_BYTES);
	vfu_config_bar_mem64(&device->config, VNET_CARD_MSIX_BAR, VNET_CARD_MSIX_BAR_BYTES);
	device->region[0] = (struct vfu_region){.size_bytes = VNET_BAR_BYTES,
	                                        .flags = VFU_REGION_RW,
	                                        .area_cnt = 1,
	                                        .area = {{VNET_BAR_NOTIFY, BH_PAGE_BYTES}}};
	device->region[VNET_CARD_MSIX_BAR] =
	        (struct vfu_region){.size_bytes = VNET_CARD_MSIX_BAR_BYTES, .flags = VFU_REGION_RW};
	int err = vfu_config_msix(&device->config, MSIX_CNT, VNET_CARD_MSIX_BAR, 0, VNET_CARD_MSIX_PENDING);
	return err < 0 ? err : vnet_config_capabilities(&device->config);
}

static int
create(const struct vnet_serve_options *options, uint32_t idx, const struct vnet_host *host, void **out_model)
{
	struct vnet_model_config config = options->config;
	struct vnet_model *model;
	config.mac[5] = (uint8_t)(config.mac[5] + idx);
	int err = vnet_model_create(&config, host, &model);
	if (err == 0)
		*out_model = model;
	return err;
}

static void
destroy(void *model)
{
	vnet_model_destroy(model);
}

static int
served(void *model, struct vfu_server *server)
{
	return 0;
}

static uint64_t
reg_read(void *model, uint64_t offset, uint32_t width_bytes)
{
	return vnet_model_reg_read(model, offset, width_bytes);
}

static void
reg_write(void *model, uint64_t offset, uint32_t width_bytes, uint64_t value)
{
	vnet_model_reg_write(model, offset, width_bytes, value);
}

static void
reset(void *model)
{
	vnet_model_reset(model);
}

static void
dma_unmap(void *model, uint64_t iova, uint64_t size_bytes)
{
	vnet_model_dma_unmap(model, iova, size_bytes);
}

static bool
running(const void *model)
{
	return vnet_model_running(model);
}

static void
control(void *model)
{
	(void)vnet_model_control(model);
}

static void
stats(const void *model, struct vnet_stats *out)
{
	vnet_model_stats_get(model, out);
}

const struct vnet_card_kind vnet_card_virtio = {
        .describe = describe,
        .create = create,
        .destroy = destroy,
        .served = served,
        .reg_read = reg_read,
        .reg_write = reg_write,
        .reset = reset,
        .dma_unmap = dma_unmap,
        .running = running,
        .control = control,
        .stats = stats,
        .wire = &vnet_wire_ops,
};
