/* SPDX-License-Identifier: Apache-2.0 */
/* The model as a card of devices/virtio_net/serve.c. Interrupts: none (drivers of cells poll). */
#include "devices/virtio_net/card.h"

#include <errno.h>

#include <bulkhead/spec/intel_gbe.h>

#define PCI_CLASS 0x020000u

static int
describe(struct vfu_device *device)
{
	vfu_config_type0(&device->config, INTEL_VENDOR, IXGBE_DEV_82599_SFP, PCI_CLASS, IXGBE_REVISION);
	vfu_config_bar_mem64(&device->config, 0, IXGBE_BAR_BYTES);
	device->region[0] =
	        (struct vfu_region){.size_bytes = IXGBE_BAR_BYTES,
	                            .flags = VFU_REGION_RW,
	                            .area_cnt = 2,
	                            .area = {{IXGBE_BAR_RX_PAGE, BH_PAGE_BYTES}, {IXGBE_BAR_TX_PAGE, BH_PAGE_BYTES}}};
	return 0;
}

static int
create(const struct vnet_serve_options *options, uint32_t idx, const struct vnet_host *host, void **out_model)
{
	struct ixgbe_model_config config = options->ixgbe;
	struct ixgbe_model *model;
	config.mac[5] = (uint8_t)(config.mac[5] + idx);
	config.drop_when_full = options->wire.drop_when_full;
	int err = ixgbe_model_create(&config, host, &model);
	if (err == 0)
		*out_model = model;
	return err;
}

static void
destroy(void *model)
{
	ixgbe_model_destroy(model);
}

static int
served(void *model, struct vfu_server *server)
{
	volatile void *rx = vfu_server_region_memory(server, 0, IXGBE_BAR_RX_PAGE, BH_PAGE_BYTES);
	volatile void *tx = vfu_server_region_memory(server, 0, IXGBE_BAR_TX_PAGE, BH_PAGE_BYTES);
	if (rx == NULL || tx == NULL)
		return -EINVAL;
	ixgbe_model_pages_set(model, rx, tx);
	return 0;
}

static uint64_t
reg_read(void *model, uint64_t offset, uint32_t width_bytes)
{
	return ixgbe_model_reg_read(model, offset, width_bytes);
}

static void
reg_write(void *model, uint64_t offset, uint32_t width_bytes, uint64_t value)
{
	ixgbe_model_reg_write(model, offset, width_bytes, value);
}

static void
reset(void *model)
{
	ixgbe_model_reset(model);
}

static void
dma_unmap(void *model, uint64_t iova, uint64_t size_bytes)
{
	ixgbe_model_dma_unmap(model, iova, size_bytes);
}

static bool
running(const void *model)
{
	return ixgbe_model_running(model);
}

static void
control(void *model)
{
}

static void
stats(const void *model, struct vnet_stats *out)
{
	struct ixgbe_stats of;
	ixgbe_model_stats_get(model, &of);
	*out = (struct vnet_stats){.tx_pkts = of.tx_pkts,
	                           .tx_bytes = of.tx_bytes,
	                           .rx_pkts = of.rx_pkts,
	                           .rx_bytes = of.rx_bytes,
	                           .tx_bad_cnt = of.tx_bad_cnt,
	                           .rx_filtered_cnt = of.rx_filtered_cnt,
	                           .rx_too_big_cnt = of.rx_too_big_cnt,
	                           .rx_missed_cnt = of.rx_missed_cnt,
	                           .failed_cnt = of.failed_cnt,
	                           .dma_refused_cnt = of.dma_refused_cnt,
	                           .fault_cnt = of.fault_cnt};
}

const struct vnet_card_kind vnet_card_ixgbe = {
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
        .wire = &ixgbe_wire_ops,
};
