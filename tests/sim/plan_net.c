/* SPDX-License-Identifier: Apache-2.0 */
/* What a seed means for a run of ports. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "devices/ixgbe/ixgbe_model.h"
#include "tests/sim/net.h"
#include "tests/sim/plan_draw.h"

#define ETH_BYTES        22u /* header and two tags */
#define HEADER_BYTES     12u /* of virtio */
#define FREEZE_LONG_NS   UINT64_C(1000000000)
#define IXGBE_DATA_BYTES 2048u /* what the card writes into a buffer */

static uint32_t
pow2_draw(struct nvme_random *random, uint32_t low_log2, uint32_t high_log2)
{
	return 1u << (low_log2 + draw_below(random, high_log2 - low_log2 + 1));
}

static void
card_draw(struct nvme_random *random, struct sim_plan *plan)
{
	struct vnet_model_config *card = &plan->net.card;

	*card = (struct vnet_model_config)VNET_MODEL_CONFIG_DEFAULT;
	card->pair_cnt = 1 + (uint32_t)draw_below(random, 4);
	card->queue_size = draw_chance(random, 3) ? pow2_draw(random, 1, 4) : pow2_draw(random, 5, 9);
	card->packed = draw_chance(random, 2);
	card->mergeable = draw_chance(random, 2);
	card->offload = draw_chance(random, 2);
}

/* Buffers that a frame fits into: one, or with mergeable ones several, but never more than half of the ring. */
static void
sizes_draw(struct nvme_random *random, struct sim_plan *plan)
{
	struct sim_net_plan *np = &plan->net;
	struct bh_port_options *options = &np->options;
	uint32_t mtu = draw_chance(random, 4) ? 9000 : draw_chance(random, 2) ? 1500 : 68;

	options->queue_cnt = 1 + (uint32_t)draw_below(random, plan->core_cnt);
	options->rx_entries = pow2_draw(random, 5, 8);
	options->tx_entries = pow2_draw(random, 5, 8);
	options->promiscuous = draw_chance(random, 2);
	options->no_offload = draw_chance(random, 4);
	options->watch_interval_ns = draw_log(random, 1000000, 100000000);
	np->pool.headroom_bytes = 64 * (1 + (uint32_t)draw_below(random, 4));
	if (plan->kind == SIM_KIND_IXGBE) {
		np->pool.data_bytes = IXGBE_DATA_BYTES + (uint32_t)draw_below(random, 1000);
	} else if (np->card.mergeable) {
		uint32_t ring = BH_MIN(options->rx_entries, np->card.queue_size);
		uint32_t piece_cnt = BH_MAX(BH_MIN(ring / 2, 16u), 1u);
		np->pool.data_bytes = (uint32_t)draw_log(random, 128, 2048);
		mtu = BH_MIN(mtu, np->pool.data_bytes * piece_cnt - ETH_BYTES - HEADER_BYTES);
	} else {
		np->pool.data_bytes = mtu + ETH_BYTES + (uint32_t)draw_below(random, 200);
	}
	options->mtu_bytes = mtu;
	options->data_bytes = np->pool.data_bytes;
	uint32_t rings = 2 * (options->rx_entries + (draw_chance(random, 2) ? options->tx_entries : 0));
	np->pool.pkt_cnt = rings + NET_HOLD_MAX + NET_BURST_MAX + 160 + (uint32_t)draw_below(random, 200);
}

static void
traffic_draw(struct nvme_random *random, struct sim_net_plan *np)
{
	np->round_cnt = draw_chance(random, 3) ? 2 : 1;
	np->frame_cnt = (uint32_t)draw_log(random, 40, 500);
	np->frame_bytes = (uint32_t)draw_log(random, 64, 2000);
	np->burst_max = (uint32_t)draw_log(random, 1, NET_BURST_MAX);
	np->rest_one_in = draw_chance(random, 2) ? (uint32_t)draw_log(random, 10, 200) : 0;
	np->odd_one_in = draw_chance(random, 2) ? (uint32_t)draw_log(random, 8, 100) : 0;
	np->chain_one_in = draw_chance(random, 2) ? (uint32_t)draw_log(random, 2, 40) : 0;
	np->offload_one_in = draw_chance(random, 2) ? (uint32_t)draw_log(random, 2, 40) : 0;
	np->hold_max = (uint32_t)draw_below(random, NET_HOLD_MAX + 1);
	np->abroad_one_in = draw_chance(random, 2) ? (uint32_t)draw_log(random, 2, 40) : 0;
	np->filter_one_in = draw_chance(random, 3) ? (uint32_t)draw_log(random, 10, 100) : 0;
}

static uint64_t
percent(struct nvme_random *random, uint64_t max)
{
	return (1 + draw_below(random, max)) * VNET_WIRE_PROBABLE_ONE / 100;
}

static void
wire_draw(struct nvme_random *random, bool faults, struct vnet_wire_config *wire)
{
	wire->seed = nvme_random_next(random);
	if (draw_chance(random, 2))
		wire->delay_ns = draw_log(random, 100, 2000000);
	if (draw_chance(random, 3))
		wire->rate_bps = draw_log(random, 100000000, UINT64_C(10000000000));
	if (!faults)
		return;
	wire->loss = draw_chance(random, 4) ? percent(random, 20) : 0;
	wire->duplicate = draw_chance(random, 4) ? percent(random, 20) : 0;
	wire->reorder = draw_chance(random, 4) ? percent(random, 20) : 0;
	wire->corrupt = draw_chance(random, 4) ? percent(random, 20) : 0;
	wire->drop_when_full = draw_chance(random, 3);
}

static void
lies_draw(struct nvme_random *random, struct vnet_model_config *card, uint32_t fault_cnt)
{
	uint32_t cnt = (uint32_t)draw_below(random, 4);

	for (uint32_t i = 0; i < cnt; i++) {
		card->rule[i] = (struct vnet_fault_rule){
		        .fault = (enum vnet_fault)(1 + draw_below(random, fault_cnt - 1)),
		        .every = (uint32_t)draw_log(random, 10, 300),
		        .after = draw_below(random, 200),
		        .times = draw_below(random, 6),
		};
	}
	card->rule_cnt = cnt;
}

static void
trouble_draw(struct nvme_random *random, struct sim_plan *plan)
{
	struct sim_net_trouble *trouble = &plan->net.trouble;

	if (draw_chance(random, 3))
		plan->net.reset_one_in = (uint32_t)draw_log(random, 4, 50);
	if (draw_chance(random, 4))
		trouble->link_one_in = (uint32_t)draw_log(random, 50, 2000);
	if (draw_chance(random, 4)) {
		trouble->freeze_one_in = (uint32_t)draw_log(random, 500, 5000);
		trouble->freeze_ns_max = draw_log(random, 10000, UINT64_C(3000000000));
	}
	if (draw_chance(random, 8)) {
		trouble->gone_ns = draw_log(random, 100000, 2000000000);
		trouble->gone_idx = (uint32_t)draw_below(random, 2);
	}
	if (draw_chance(random, 12))
		plan->pace.mailbox_bad_one_in = (uint32_t)draw_log(random, 20, 500);
}

void
sim_plan_net_draw(struct nvme_random *random, bool faults, struct sim_plan *plan)
{
	plan->arena_bytes = UINT64_C(64) << 20;
	/* Shorter than the keeper waits for a core. */
	plan->pace.steal_ns_max = BH_MIN(plan->pace.steal_ns_max, UINT64_C(300000000));
	plan->net.trouble.gone_ns = UINT64_MAX;
	card_draw(random, plan);
	sizes_draw(random, plan);
	traffic_draw(random, &plan->net);
	wire_draw(random, faults && draw_chance(random, 2), &plan->net.wire);
	if (!faults)
		return;
	if (draw_chance(random, 2))
		lies_draw(random, &plan->net.card,
		          plan->kind == SIM_KIND_IXGBE ? (uint32_t)IXGBE_FAULT_CNT : (uint32_t)VNET_FAULT_CNT);
	if (draw_chance(random, 2))
		trouble_draw(random, plan);
}

bool
sim_net_is_tame(const struct sim_plan *plan)
{
	const struct sim_net_plan *np = &plan->net;
	const struct sim_net_trouble *trouble = &np->trouble;
	bool wire =
	        !(np->wire.loss | np->wire.duplicate | np->wire.reorder | np->wire.corrupt) && !np->wire.drop_when_full;

	return wire && np->card.rule_cnt == 0 && np->reset_one_in == 0 && trouble->link_one_in == 0 &&
	       trouble->freeze_one_in == 0 && trouble->gone_ns == UINT64_MAX && plan->pace.mailbox_bad_one_in == 0;
}

static bool
tells(const struct sim_plan *plan, enum vnet_fault lie)
{
	for (uint32_t i = 0; plan->kind == SIM_KIND_NET && i < plan->net.card.rule_cnt; i++) {
		if (plan->net.card.rule[i].fault == lie)
			return true;
	}
	return false;
}

/*
 * In a packed ring a completion may name another frame that is outstanding: the driver cannot tell, and gives the buffer
 * of a frame away that the card is still to send.
 */
bool
sim_net_may_garble(const struct sim_plan *plan)
{
	return plan->net.card.packed && tells(plan, VNET_FAULT_TX_TWICE);
}

/* An index that jumps while the driver reads lets a later entry stand where an earlier one stood. */
bool
sim_net_may_reorder(const struct sim_plan *plan)
{
	return plan->net.wire.reorder != 0 || plan->net.wire.duplicate != 0 || sim_net_may_garble(plan) ||
	       tells(plan, VNET_FAULT_INDEX_JUMP);
}

/* Three attempts to reset it in a row must fail: it is gone, or answers nothing for longer than the driver waits. */
bool
sim_net_may_give_up(const struct sim_plan *plan)
{
	const struct sim_net_trouble *trouble = &plan->net.trouble;

	return trouble->gone_ns != UINT64_MAX || plan->pace.mailbox_bad_one_in != 0 ||
	       (trouble->freeze_one_in != 0 && trouble->freeze_ns_max >= FREEZE_LONG_NS);
}

const char *
sim_net_fault_name(enum sim_kind kind, unsigned fault)
{
	return kind == SIM_KIND_IXGBE ? ixgbe_fault_names[fault] : vnet_fault_name((enum vnet_fault)fault);
}

void
sim_plan_net_print(const struct sim_plan *plan)
{
	const struct sim_net_plan *np = &plan->net;

	if (plan->kind == SIM_KIND_IXGBE)
		printf("  cards     82599%s\n", plan->registers_mapped ? ", registers mapped" : ", mailbox");
	else
		printf("  cards     %u pairs of %u, %s%s%s%s\n", np->card.pair_cnt, np->card.queue_size,
		       np->card.packed ? "packed" : "split", np->card.mergeable ? ", mergeable" : "",
		       np->card.offload ? ", offload" : "",
		       plan->registers_mapped ? ", registers mapped" : ", mailbox");
	printf("  ports     %u queues, MTU %u, rings of %u and %u, pools of %u x %u, watch %" PRIu64 " us%s\n",
	       np->options.queue_cnt, np->options.mtu_bytes, np->options.rx_entries, np->options.tx_entries,
	       np->pool.pkt_cnt, np->pool.data_bytes, np->options.watch_interval_ns / 1000,
	       np->options.no_offload ? ", no offload" : "");
	printf("  wire      %" PRIu64 " b/s, %" PRIu64 " ns; of 1000: loss %" PRIu64 ", duplicate %" PRIu64
	       ", reorder %" PRIu64 ", corrupt %" PRIu64 "%s\n",
	       np->wire.rate_bps, np->wire.delay_ns, np->wire.loss * 1000 >> 32, np->wire.duplicate * 1000 >> 32,
	       np->wire.reorder * 1000 >> 32, np->wire.corrupt * 1000 >> 32,
	       np->wire.drop_when_full ? ", drop when full" : "");
	printf("  traffic   %u rounds of %u frames to %u bytes, bursts to %u, odd 1 in %u, chains 1 in %u, offload 1 "
	       "in "
	       "%u, held %u, abroad 1 in %u, reset 1 in %u, filter 1 in %u\n",
	       np->round_cnt, np->frame_cnt, np->frame_bytes, np->burst_max, np->odd_one_in, np->chain_one_in,
	       np->offload_one_in, np->hold_max, np->abroad_one_in, np->reset_one_in, np->filter_one_in);
	printf("  trouble   link 1 in %u, freeze 1 in %u to %" PRIu64 " us, card %u gone at %" PRIu64 " us\n",
	       np->trouble.link_one_in, np->trouble.freeze_one_in, np->trouble.freeze_ns_max / 1000,
	       np->trouble.gone_idx, np->trouble.gone_ns == UINT64_MAX ? 0 : np->trouble.gone_ns / 1000);
	for (uint32_t i = 0; i < np->card.rule_cnt; i++)
		printf("  fault     %s@%u+%" PRIu64 "x%" PRIu64 "\n",
		       sim_net_fault_name(plan->kind, np->card.rule[i].fault), np->card.rule[i].every,
		       np->card.rule[i].after, np->card.rule[i].times);
}
