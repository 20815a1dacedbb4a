/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "devices/virtio_net/capabilities.h"
#include "tests/sim/card.h"
#include <bulkhead/abi/boot.h>

static void *
create(const struct sim_plan *plan, unsigned idx,
       bool (*dma_window)(void *, uint64_t, uint64_t, uint32_t, struct vnet_window *))
{
	struct vnet_model_config config = plan->net.card;
	const struct vnet_host host = {.dma_window = dma_window};
	struct vnet_model *model;

	config.mac[5] = (uint8_t)(1 + idx);
	if (vnet_model_create(&config, &host, &model) != 0)
		sim_fail("the plan has a card that cannot be: %s", vnet_model_config_error(&config));
	return model;
}

static void
destroy(void *card)
{
	vnet_model_destroy(card);
}

static void
config_make(struct vfu_config *config)
{
	vfu_config_type0(config, VIRTIO_PCI_VENDOR, VIRTIO_PCI_DEVICE_NET, 0x020000, 1);
	sim_require(vnet_config_capabilities(config) == 0);
}

static void
describe(struct bh_boot_device *out)
{
	memcpy(out->model, "virtio-net", sizeof("virtio-net"));
	out->pci_vendor = VIRTIO_PCI_VENDOR;
	out->pci_device = VIRTIO_PCI_DEVICE_NET;
	out->pci_class = 0x020000;
}

static uint64_t
reg_read(void *card, uint64_t offset, uint32_t width_bytes)
{
	return vnet_model_reg_read(card, offset, width_bytes);
}

static void
reg_write(void *card, uint64_t offset, uint32_t width_bytes, uint64_t value)
{
	vnet_model_reg_write(card, offset, width_bytes, value);
}

static void
reset(void *card)
{
	vnet_model_reset(card);
}

static void
link_set(void *card, bool up)
{
	vnet_model_link_set(card, up);
}

static uint32_t
control(void *card)
{
	return vnet_model_control(card);
}

static void
stats(const void *card, struct sim_card_stats *out)
{
	struct vnet_stats from;

	vnet_model_stats_get(card, &from);
	*out = (struct sim_card_stats){.tx_pkts = from.tx_pkts,
	                               .rx_pkts = from.rx_pkts,
	                               .tx_bad_cnt = from.tx_bad_cnt,
	                               .failed_cnt = from.failed_cnt - from.fault_kind_cnt[VNET_FAULT_NEEDS_RESET],
	                               .dma_refused_cnt = from.dma_refused_cnt,
	                               .fault_cnt = from.fault_cnt};
	for (unsigned i = 0; i < VNET_FAULT_CNT; i++)
		out->fault_kind_cnt[i] = from.fault_kind_cnt[i];
}

const struct sim_card_ops sim_card_virtio = {
        .bar_bytes = VNET_BAR_BYTES,
        .doorbells_at = VNET_BAR_NOTIFY,
        .create = create,
        .destroy = destroy,
        .config_make = config_make,
        .describe = describe,
        .read = reg_read,
        .write = reg_write,
        .reset = reset,
        .link_set = link_set,
        .control = control,
        .stats = stats,
        .wire = &vnet_wire_ops,
};
