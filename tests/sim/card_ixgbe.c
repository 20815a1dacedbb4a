/* SPDX-License-Identifier: Apache-2.0 */
/* Intel's 82599. What a plan says of virtio's rings means nothing here; its script and address do. */
#include <string.h>

#include "devices/ixgbe/ixgbe_model.h"
#include "devices/vfio_user/server.h"
#include "tests/sim/card.h"
#include <bulkhead/abi/boot.h>
#include <bulkhead/spec/intel_gbe.h>

_Static_assert(SIM_CARD_FAULTS_MAX >= IXGBE_FAULT_CNT, "one counter a lie");

static void *
create(const struct sim_plan *plan, unsigned idx,
       bool (*dma_window)(void *, uint64_t, uint64_t, uint32_t, struct vnet_window *))
{
	struct ixgbe_model_config config = IXGBE_MODEL_CONFIG_DEFAULT;
	const struct vnet_host host = {.dma_window = dma_window};
	struct ixgbe_model *model;

	config.mac[5] = (uint8_t)(1 + idx);
	config.drop_when_full = plan->net.wire.drop_when_full;
	config.rule_cnt = plan->net.card.rule_cnt;
	memcpy(config.rule, plan->net.card.rule, sizeof(config.rule));
	if (ixgbe_model_create(&config, &host, &model) != 0)
		sim_fail("the plan has a card that cannot be");
	return model;
}

static void
destroy(void *card)
{
	ixgbe_model_destroy(card);
}

static void
config_make(struct vfu_config *config)
{
	vfu_config_type0(config, INTEL_VENDOR, IXGBE_DEV_82599_SFP, 0x020000, IXGBE_REVISION);
}

static void
describe(struct bh_boot_device *out)
{
	memcpy(out->model, "ixgbe", sizeof("ixgbe"));
	out->pci_vendor = INTEL_VENDOR;
	out->pci_device = IXGBE_DEV_82599_SFP;
	out->pci_class = 0x020000;
}

static uint64_t
reg_read(void *card, uint64_t offset, uint32_t width_bytes)
{
	return ixgbe_model_reg_read(card, offset, width_bytes);
}

static void
reg_write(void *card, uint64_t offset, uint32_t width_bytes, uint64_t value)
{
	ixgbe_model_reg_write(card, offset, width_bytes, value);
}

static void
reset(void *card)
{
	ixgbe_model_reset(card);
}

static void
link_set(void *card, bool up)
{
	ixgbe_model_link_set(card, up);
}

static uint32_t
control(void *card)
{
	return 0;
}

static void
stats(const void *card, struct sim_card_stats *out)
{
	struct ixgbe_stats from;

	ixgbe_model_stats_get(card, &from);
	*out = (struct sim_card_stats){.tx_pkts = from.tx_pkts,
	                               .rx_pkts = from.rx_pkts,
	                               .rx_missed_cnt = from.rx_missed_cnt,
	                               .tx_bad_cnt = from.tx_bad_cnt,
	                               .failed_cnt = from.failed_cnt,
	                               .dma_refused_cnt = from.dma_refused_cnt,
	                               .fault_cnt = from.fault_cnt};
	for (unsigned i = 0; i < IXGBE_FAULT_CNT; i++)
		out->fault_kind_cnt[i] = from.fault_kind_cnt[i];
}

const struct sim_card_ops sim_card_ixgbe = {
        .bar_bytes = IXGBE_BAR_BYTES,
        .doorbells_at = IXGBE_BAR_RX_PAGE,
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
        .wire = &ixgbe_wire_ops,
};
