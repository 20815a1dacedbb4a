/* SPDX-License-Identifier: Apache-2.0 */
/* What a core does with its queues: bursts of its own frames out, whatever comes in, packets kept and given away. */
#include <string.h>

#include <bulkhead/cell.h>

#include "tests/sim/net.h"

/* A frame that no port may send. */
static void
odd_make(struct bh_pkt *pkt, unsigned port_idx)
{
	uint32_t longest = bh_port_info(net.port[port_idx])->mtu_bytes + 22;

	memset(pkt->data, 0xee, BH_MIN(longest, pkt->pool->data_bytes));
	switch (net_draw(3)) {
	case 0:
		pkt->len_bytes = (uint32_t)net_draw(14);
		break;
	case 1:
		pkt->len_bytes = longest + 1 + (uint32_t)net_draw(100);
		break;
	default:
		pkt->len_bytes = 40;
		pkt->flags = BH_PKT_CSUM_PARTIAL;
		pkt->csum_start = (uint16_t)(39 + net_draw(65536 - 39));
		pkt->csum_offset = (uint16_t)net_draw(65536);
		if (pkt->csum_start + pkt->csum_offset + 2u <= pkt->len_bytes)
			pkt->csum_start = 60;
	}
}

/* A longer chain than one packet, where the ring has room for it. */
static void
chain_make(struct net_core *core, unsigned port_idx, struct bh_pkt *pkt)
{
	uint32_t ring = bh_port_info(net.port[port_idx])->tx_entries;
	uint32_t most = BH_MIN(NET_CHAIN_MAX, ring > 2 ? ring - 2 : 1), cnt = (uint32_t)net_draw(most);
	struct bh_pkt *more[NET_CHAIN_MAX];

	cnt = bh_pkt_get(core->pool, more, cnt);
	for (uint32_t i = 0; i < cnt; i++, pkt = pkt->next)
		pkt->next = more[i];
}

/* Sometimes without the headroom that a driver wants for its header. */
static void
place_draw(struct bh_pkt *pkt)
{
	if (net_chance(10))
		pkt->data = pkt->buf + net_draw(pkt->pool->headroom_bytes);
}

/* Return: its number; 0: an odd one. */
static uint32_t
frame_make(struct net_core *core, unsigned port_idx, struct bh_pkt *pkt)
{
	if (net_chance(net.plan->odd_one_in)) {
		odd_make(pkt, port_idx);
		return 0;
	}
	place_draw(pkt);
	if (net_chance(net.plan->chain_one_in))
		chain_make(core, port_idx, pkt);
	return net_frame_make(pkt, port_idx, core->queue[port_idx]->queue_idx, false);
}

static void
taken(struct net_core *core, unsigned port_idx, uint32_t number)
{
	core->taken_cnt[port_idx]++;
	if (number == 0)
		core->odd_cnt[port_idx]++;
	else
		net_frame_taken(number);
}

/* The mistake: the application says that it sent a frame, and did not. */
static uint32_t
swallow(struct bh_pkt **pkts, uint32_t *number, uint32_t cnt)
{
	if (cnt == 0 || number[cnt - 1] == 0 || !net_mutate(SIM_MUTATION_NET_SWALLOW))
		return cnt;
	net_frame_taken(number[cnt - 1]);
	bh_pkt_free(pkts[cnt - 1]);
	return cnt - 1;
}

static void
send(struct net_core *core, unsigned port_idx)
{
	struct bh_pkt *pkts[NET_BURST_MAX];
	uint32_t number[NET_BURST_MAX];
	uint32_t cnt = (uint32_t)BH_MIN(1 + net_draw(net.plan->burst_max), (uint64_t)core->left[port_idx]);

	cnt = bh_pkt_get(core->pool, pkts, cnt);
	for (uint32_t i = 0; i < cnt; i++)
		number[i] = frame_make(core, port_idx, pkts[i]);
	cnt = swallow(pkts, number, cnt);
	uint32_t done = bh_port_tx(core->queue[port_idx], pkts, cnt);
	sim_require(done <= cnt);
	for (uint32_t i = 0; i < done; i++)
		taken(core, port_idx, number[i]);
	core->left[port_idx] -= done;
	bh_pkt_free_burst(core->pool, pkts + done, cnt - done);
}

bool
net_core_send_one(struct net_core *core, unsigned port_idx)
{
	struct bh_pkt *pkt;

	if (core->queue[port_idx] == NULL)
		return false;
	if (bh_pkt_get(core->pool, &pkt, 1) == 0) { /* all of them are with the ports: what was sent comes back */
		for (unsigned i = 0; i < 2; i++)
			sim_require(core->queue[i] == NULL || bh_port_tx(core->queue[i], NULL, 0) == 0);
		return false;
	}
	uint32_t number = net_frame_make(pkt, port_idx, core->queue[port_idx]->queue_idx, true);
	if (bh_port_tx(core->queue[port_idx], &pkt, 1) == 1) {
		taken(core, port_idx, number);
		return true;
	}
	bh_pkt_free(pkt);
	return false;
}

/* To a core that frees it at its next turn, if there is one with room. */
static bool
give_away(struct net_core *core, struct bh_pkt *pkt)
{
	struct net_core *other = &net.core[net_draw(net.all->core_cnt)];

	if (other == core || other->abroad_cnt == NET_BURST_MAX || !net_chance(net.plan->abroad_one_in))
		return false;
	other->abroad[other->abroad_cnt++] = pkt;
	return true;
}

static void
drop(struct net_core *core, struct bh_pkt *pkt)
{
	if (net_mutate(SIM_MUTATION_NET_LEAK))
		return;
	if (!give_away(core, pkt))
		bh_pkt_free(pkt);
}

static void
hold_end(struct net_core *core, uint32_t idx)
{
	struct bh_pkt *pkt = core->hold[idx].pkt;

	if (net_mutate(SIM_MUTATION_NET_LATE))
		pkt->data[pkt->len_bytes - 1] ^= 1;
	net_frame_recheck(pkt, core->hold[idx].number);
	core->hold[idx] = core->hold[--core->hold_cnt];
	drop(core, pkt);
}

static void
keep(struct net_core *core, struct bh_pkt *pkt, uint32_t number)
{
	if (number == UINT32_MAX || core->hold_cnt >= net.plan->hold_max) {
		drop(core, pkt);
		return;
	}
	core->hold[core->hold_cnt].pkt = pkt;
	core->hold[core->hold_cnt++].number = number;
}

static void
receive_from(struct net_core *core, unsigned port_idx)
{
	struct bh_port_queue *queue = core->queue[port_idx];
	struct bh_pkt *pkts[NET_BURST_MAX];
	uint32_t most = 1 + (uint32_t)net_draw(net.plan->burst_max), cnt = bh_port_rx(queue, pkts, most);

	sim_require(cnt <= most);
	core->received_cnt[port_idx] += cnt;
	if (cnt >= 2 && net_mutate(SIM_MUTATION_NET_SWAP)) {
		struct bh_pkt *first = pkts[0];
		pkts[0] = pkts[1];
		pkts[1] = first;
	}
	for (uint32_t i = 0; i < cnt; i++) {
		if (net_mutate(SIM_MUTATION_NET_CORRUPT))
			pkts[i]->data[pkts[i]->len_bytes / 2] ^= 4;
		if (net_mutate(SIM_MUTATION_NET_TWICE))
			(void)net_frame_check(pkts[i], port_idx, queue->queue_idx);
		keep(core, pkts[i], net_frame_check(pkts[i], port_idx, queue->queue_idx));
	}
}

void
net_core_receive(struct net_core *core)
{
	while (core->abroad_cnt > 0)
		bh_pkt_free(core->abroad[--core->abroad_cnt]);
	for (unsigned i = 0; i < 2; i++) {
		if (core->queue[i] != NULL)
			receive_from(core, i);
	}
	while (core->hold_cnt > 0 && net_chance(3))
		hold_end(core, (uint32_t)net_draw(core->hold_cnt));
}

void
net_core_release(struct net_core *core)
{
	while (core->hold_cnt > 0)
		hold_end(core, core->hold_cnt - 1);
	while (core->abroad_cnt > 0)
		bh_pkt_free(core->abroad[--core->abroad_cnt]);
}

void
net_core_turn(struct net_core *core)
{
	for (unsigned i = 0; i < 2; i++) {
		if (core->queue[i] == NULL)
			continue;
		if (net.sending && core->left[i] > 0 && net_chance(2))
			send(core, i);
		else if (net_chance(4)) /* what was sent comes back to the pool */
			sim_require(bh_port_tx(core->queue[i], NULL, 0) == 0);
	}
	net_core_receive(core);
}

bool
net_core_is_done(const struct net_core *core)
{
	for (unsigned i = 0; i < 2; i++) {
		if (core->queue[i] != NULL && core->left[i] > 0)
			return false;
	}
	return true;
}
