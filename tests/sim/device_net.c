/* SPDX-License-Identifier: Apache-2.0 */
/* Two network cards of one kind and the wire between them as the cell's devices. */
#include <stdio.h>
#include <string.h>

#include "devices/ixgbe/ixgbe_model.h"
#include "devices/vfio_user/server.h"
#include "tests/sim/card.h"
#include "tests/sim/device.h"
#include <bulkhead/abi/boot.h>
#include <bulkhead/device.h>

static struct {
	const struct sim_card_ops *ops;
	void *card[2];
	struct vnet_wire *wire;
	struct vfu_config pci;
	struct sim_net_trouble trouble;
	uint64_t frozen_until_ns;
	bool gone, link_down[2];
	bool calm;
	uint64_t fault_cnt; /* as last traced */
} cards;

static bool
dma_window(void *context, uint64_t iova, uint64_t size_bytes, uint32_t prot, struct vnet_window *out)
{
	uint64_t low, window_bytes;

	if (!sim_device_dma(iova, size_bytes, &low, &window_bytes))
		return false;
	*out = (struct vnet_window){.iova = low,
	                            .size_bytes = window_bytes,
	                            .addr = (uint8_t *)(uintptr_t)low,
	                            .prot = VNET_DMA_READ | VNET_DMA_WRITE};
	return true;
}

static const struct sim_card_ops *
card_ops(const struct sim_plan *plan)
{
	return plan->kind == SIM_KIND_IXGBE ? &sim_card_ixgbe : &sim_card_virtio;
}

static uint64_t
doorbells_at(const struct sim_plan *plan)
{
	return card_ops(plan)->doorbells_at;
}

static uint64_t
bar_bytes(const struct sim_plan *plan)
{
	return card_ops(plan)->bar_bytes;
}

static void
wire_make(const struct sim_plan *plan)
{
	const struct vnet_wire_end first = {cards.card[0], cards.ops->wire}, second = {cards.card[1], cards.ops->wire};

	if (vnet_wire_join(&plan->net.wire, first, second, &cards.wire) != 0)
		sim_fail("the plan has a wire that cannot be");
	cards.ops->config_make(&cards.pci);
}

static void
init(const struct sim_plan *plan, unsigned idx, uint8_t *bar)
{
	if (idx == 0)
		memset(&cards, 0, sizeof(cards));
	cards.trouble = plan->net.trouble;
	cards.ops = card_ops(plan);
	cards.card[idx] = cards.ops->create(plan, idx, dma_window);
	if (idx == 1)
		wire_make(plan);
}

static void
describe(unsigned idx, struct bh_boot_device *out)
{
	snprintf(out->name, sizeof(out->name), "p%u", idx);
	cards.ops->describe(out);
}

static void
end(void)
{
	vnet_wire_destroy(cards.wire);
	cards.ops->destroy(cards.card[0]);
	cards.ops->destroy(cards.card[1]);
}

static bool
is_gone(unsigned idx)
{
	return cards.gone && idx == cards.trouble.gone_idx;
}

static uint64_t
reg_read(unsigned idx, uint32_t bar, uint64_t offset, uint32_t width_bytes)
{
	uint64_t value = 0;

	if (is_gone(idx))
		return UINT64_MAX >> (64 - 8 * width_bytes);
	if (bar == BH_BAR_CONFIG) {
		if (offset + width_bytes <= sizeof(cards.pci.initial))
			memcpy(&value, cards.pci.initial + offset, width_bytes);
		return value;
	}
	value = cards.ops->read(cards.card[idx], offset, width_bytes);
	sim_trace(SIM_EVENT_REG_READ, (uint64_t)idx << 20 | offset, value, 0);
	return value;
}

static void
reg_write(unsigned idx, uint64_t offset, uint32_t width_bytes, uint64_t value)
{
	if (!is_gone(idx))
		cards.ops->write(cards.card[idx], offset, width_bytes, value);
	sim_trace(SIM_EVENT_REG_WRITE, (uint64_t)idx << 20 | offset, value, 0);
}

static void
function_reset(unsigned idx)
{
	cards.ops->reset(cards.card[idx]);
}

static void
link_turn(void)
{
	unsigned idx = (unsigned)sim_draw(2);

	cards.link_down[idx] = !cards.link_down[idx];
	cards.ops->link_set(cards.card[idx], !cards.link_down[idx]);
	sim_trace_text(SIM_EVENT_CALL, cards.link_down[idx] ? "a link goes" : "a link comes");
}

/* What the plan has in store. Return: whether the cards stand still. */
static bool
trouble(void)
{
	if (cards.calm)
		return false;
	if (!cards.gone && sim_now_ns() >= cards.trouble.gone_ns) {
		cards.gone = true;
		cards.ops->reset(cards.card[cards.trouble.gone_idx]);
		sim_trace_text(SIM_EVENT_CALL, "a card is gone");
	}
	if (sim_chance(cards.trouble.link_one_in))
		link_turn();
	if (sim_now_ns() >= cards.frozen_until_ns && sim_chance(cards.trouble.freeze_one_in))
		cards.frozen_until_ns = sim_now_ns() + 1 + sim_draw(cards.trouble.freeze_ns_max);
	return sim_now_ns() < cards.frozen_until_ns;
}

static void
faults_trace(void)
{
	struct sim_card_stats stats[2];

	sim_net_stats(stats);
	if (stats[0].fault_cnt + stats[1].fault_cnt != cards.fault_cnt)
		sim_trace_text(SIM_EVENT_FAULT, "a card lies");
	cards.fault_cnt = stats[0].fault_cnt + stats[1].fault_cnt;
}

static bool
poll(void)
{
	uint32_t cnt = 0;

	if (trouble())
		return false;
	for (unsigned i = 0; i < 2; i++)
		cnt += cards.ops->control(cards.card[i]);
	cnt += vnet_wire_poll(cards.wire, sim_now_ns());
	if (cnt != 0) {
		sim_trace(SIM_EVENT_DEVICE, cnt, 0, 0);
		faults_trace();
	}
	return cnt != 0;
}

static uint64_t
next_ns(void)
{
	uint64_t next = cards.calm || cards.gone ? UINT64_MAX : cards.trouble.gone_ns;

	if (!cards.calm && sim_now_ns() < cards.frozen_until_ns)
		return BH_MIN(next, cards.frozen_until_ns);
	return BH_MIN(next, vnet_wire_next_ns(cards.wire));
}

static uint64_t
io_cnt(void)
{
	struct vnet_wire_stats stats;

	vnet_wire_stats_get(cards.wire, &stats);
	return stats.carried_cnt;
}

void
sim_net_stats(struct sim_card_stats out[2])
{
	cards.ops->stats(cards.card[0], &out[0]);
	cards.ops->stats(cards.card[1], &out[1]);
}

void
sim_net_wire_stats(struct vnet_wire_stats *out)
{
	vnet_wire_stats_get(cards.wire, out);
}

void
sim_net_calm(bool calm)
{
	cards.calm = calm;
	for (unsigned i = 0; calm && i < 2; i++) {
		cards.link_down[i] = false;
		cards.ops->link_set(cards.card[i], true);
	}
}

bool
sim_net_gone(void)
{
	return cards.gone;
}

uint64_t
sim_net_unseen_cnt(void)
{
	struct sim_card_stats stats[2];
	uint64_t cnt = 0;

	sim_net_stats(stats);
	for (unsigned i = 0; cards.ops == &sim_card_ixgbe && i < 2; i++)
		cnt += stats[i].fault_kind_cnt[IXGBE_FAULT_NO_END] + stats[i].fault_kind_cnt[IXGBE_FAULT_SHORT_LENGTH];
	return cnt;
}

const struct sim_device_ops sim_device_net = {
        .device_cnt = 2,
        .doorbells_at = doorbells_at,
        .bar_bytes = bar_bytes,
        .init = init,
        .describe = describe,
        .end = end,
        .read = reg_read,
        .write = reg_write,
        .function_reset = function_reset,
        .poll = poll,
        .next_ns = next_ns,
        .io_cnt = io_cnt,
};
