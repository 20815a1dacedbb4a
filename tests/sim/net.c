/* SPDX-License-Identifier: Apache-2.0 */
/* A run of ports, and what has to hold at its end. */
#include "tests/sim/net.h"

#include <stdio.h>
#include <string.h>

#include <bulkhead/cell.h>
#include <bulkhead/sched.h>

#include "core/internal.h"
#include "drivers/net/net.h"

#define OPEN_TRIES     4u
#define REST_NS_MAX    UINT64_C(5000000)
#define PAUSE_NS_MAX   UINT64_C(200000000) /* of the controller, between two things that it does */
#define ROUND_NS_MAX   UINT64_C(600000000000)
#define SETTLE_NS_MAX  UINT64_C(60000000000) /* every frame of a tame run has arrived by then */
#define QUIET_NS       UINT64_C(400000000)   /* otherwise nothing is under way after so long without an arrival */
#define LOOK_NS_MAX    UINT64_C(60000000000) /* three attempts to reset a port, each with its time-outs */
#define LOOK_PAUSE_NS  UINT64_C(20000000)
#define STARVED_PAUSES 5u

struct net net;

static struct nvme_random random_state;
static uint32_t met_cnt, meet_round, mutate_in;

uint64_t
net_draw(uint64_t limit)
{
	return nvme_random_below(&random_state, limit);
}

bool
net_chance(uint64_t one_in)
{
	return one_in != 0 && nvme_random_below(&random_state, one_in) == 0;
}

bool
net_mutate(enum sim_mutation mutation)
{
	return BH_UNLIKELY(net.all->mutation == mutation) && --mutate_in == 0;
}

void
sim_net_prepare(const struct sim_plan *plan)
{
	net = (struct net){.all = plan, .plan = &plan->net, .tame = sim_net_is_tame(plan)};
	nvme_random_seed(&random_state, plan->seed ^ UINT64_C(0x6e6574));
	mutate_in = 20 + (uint32_t)(plan->seed % 20);
	for (unsigned i = 0; i < SIM_CORES_MAX; i++)
		net.core[i].idx = i;
	net_frames_init(plan);
}

/* All cores meet here. Meanwhile a core looks after its queues: the keeper waits for them. */
static void
meet(struct net_core *core)
{
	uint32_t round = meet_round;

	if (++met_cnt == net.all->core_cnt) {
		met_cnt = 0;
		meet_round++;
	}
	while (meet_round == round) {
		if (net.polling)
			net_core_receive(core);
		bh_yield();
	}
}

static void
sleep_ns(uint64_t ns)
{
	bh_sleep_until(bh_clock_now_tsc() + bh_ns_to_tsc(ns));
}

/* What a call on a port may return where something goes wrong. */
static void
error_check(const char *call, int err)
{
	sim_trace(SIM_EVENT_RETURN, (uint64_t)(int64_t)err, 0, 0);
	if (err == 0)
		return;
	if (net.tame)
		sim_fail("%s returned %d and nothing is wrong", call, err);
	if (err != -BH_ENODEV && err != -BH_EIO && err != -BH_ETIMEDOUT && err != -BH_EPROTO && err != -BH_EOPNOTSUPP)
		sim_fail("%s returned %d, which its manual does not know", call, err);
	/* A configuration that is never twice the same (a link that comes and goes without end) is a contradiction, too. */
	if (err == -BH_EPROTO && net.plan->trouble.gone_ns == UINT64_MAX && net.plan->trouble.link_one_in == 0 &&
	    net.all->pace.mailbox_bad_one_in == 0)
		sim_fail("%s says that the card contradicts its specification", call);
}

static int
port_open(unsigned idx)
{
	char name[4];
	int err = -BH_EIO;

	snprintf(name, sizeof(name), "p%u", idx);
	for (uint32_t i = 0; err != 0 && i < OPEN_TRIES; i++) {
		sim_trace_text(SIM_EVENT_CALL, idx == 0 ? "bh_port_open p0" : "bh_port_open p1");
		err = bh_port_open(name, &net.plan->options, &net.port[idx]);
		error_check("bh_port_open", err);
	}
	if (err != 0)
		net.port[idx] = NULL;
	return err;
}

/* The driver has to see the card that the plan describes. */
static void
identity_check(unsigned idx)
{
	const struct bh_port_info *info = bh_port_info(net.port[idx]);
	const struct bh_port_options *options = &net.plan->options;
	const struct vnet_model_config *card = &net.plan->card;

	sim_require(info->mac[5] == idx + 1 && info->mtu_bytes == options->mtu_bytes);
	if (net.all->kind == SIM_KIND_IXGBE) {
		sim_require(info->queue_cnt == options->queue_cnt && info->rx_entries == options->rx_entries &&
		            info->tx_entries == options->tx_entries);
		sim_require(!(info->features & BH_PORT_TX_CSUM) == options->no_offload);
		return;
	}
	sim_require(info->queue_cnt == BH_MIN(options->queue_cnt, card->pair_cnt));
	sim_require(info->rx_entries == BH_MIN(options->rx_entries, card->queue_size));
	sim_require(info->tx_entries == BH_MIN(options->tx_entries, card->queue_size));
	bool fits = options->mtu_bytes + BH_PORT_FRAME_EXTRA_BYTES <= options->data_bytes;
	sim_require(!(info->features & BH_PORT_RX_CHAIN) == (fits || !card->mergeable));
	sim_require(!(info->features & BH_PORT_TX_CSUM) == (!card->offload || options->no_offload));
}

static bool
ports_open(void)
{
	for (unsigned i = 0; i < 2; i++) {
		if (port_open(i) != 0)
			return false;
		identity_check(i);
	}
	return true;
}

static void
ports_close(void)
{
	for (unsigned i = 0; i < 2; i++) {
		if (net.port[i] == NULL)
			continue;
		sim_trace_text(SIM_EVENT_CALL, i == 0 ? "bh_port_close p0" : "bh_port_close p1");
		int err = bh_port_close(net.port[i]);
		error_check("bh_port_close", err);
		net.port[i] = NULL;
	}
}

static void
queues_take(struct net_core *core)
{
	for (unsigned i = 0; i < 2; i++) {
		core->left[i] = net.plan->frame_cnt;
		core->queue[i] = NULL;
		if (core->idx >= bh_port_info(net.port[i])->queue_cnt)
			continue;
		sim_require(bh_port_queue_start(net.port[i], core->idx, core->pool, &core->queue[i]) == 0);
	}
}

static void
queues_leave(struct net_core *core)
{
	for (unsigned i = 0; i < 2; i++) {
		if (core->queue[i] != NULL && core->idx != 0)
			bh_port_queue_stop(core->queue[i]);
		core->queue[i] = NULL;
	}
}

static void
filter_change(struct bh_port *port)
{
	static const uint8_t group[2][BH_MAC_BYTES] = {{1, 0, 0x5e, 0, 0, 1}, {0x33, 0x33, 0, 0, 0, 1}};

	sim_trace_text(SIM_EVENT_CALL, "a filter changes");
	switch (net_draw(3)) {
	case 0:
		error_check("bh_port_promiscuous_set", bh_port_promiscuous_set(port, net_chance(2)));
		break;
	case 1:
		error_check("bh_port_all_multicast_set", bh_port_all_multicast_set(port, net_chance(2)));
		break;
	default:
		error_check("bh_port_multicast_set", bh_port_multicast_set(port, group, (uint32_t)net_draw(3)));
	}
}

/* A fiber of the owner beside its worker: resets and filters, at any moment. */
static void
controller_main(void *arg)
{
	while (net.sending) {
		struct bh_port *port = net.port[net_draw(2)];
		if (net_chance(net.plan->reset_one_in)) {
			sim_trace_text(SIM_EVENT_CALL, "bh_port_reset");
			net.reset_cnt++;
			error_check("bh_port_reset", bh_port_reset(port));
		}
		if (net_chance(net.plan->filter_one_in))
			filter_change(port);
		sleep_ns(net_chance(2) ? net_draw(PAUSE_NS_MAX) : net_draw(PAUSE_NS_MAX / 1000));
	}
	net.controlling = false;
}

/* A port that was given up takes nothing any more: nobody waits for that. */
static bool
is_starved(const struct net_core *core, uint64_t *last_left, uint32_t *pause_cnt)
{
	uint64_t left = (uint64_t)core->left[0] + core->left[1];

	*pause_cnt = left == *last_left ? *pause_cnt + 1 : 0;
	*last_left = left;
	return *pause_cnt > STARVED_PAUSES * 100 && (sim_net_may_give_up(net.all) || sim_net_may_garble(net.all));
}

/* Everything out, while whatever comes is taken. */
static void
traffic_run(struct net_core *core)
{
	uint64_t deadline_ns = sim_now_ns() + ROUND_NS_MAX, last_left = 0;
	uint32_t pause_cnt = 0;

	while (!net_core_is_done(core)) {
		net_core_turn(core);
		if (is_starved(core, &last_left, &pause_cnt))
			break;
		if (pause_cnt > 100)
			sleep_ns(REST_NS_MAX);
		if (net_chance(net.plan->rest_one_in))
			sleep_ns(net_draw(REST_NS_MAX));
		if (sim_now_ns() > deadline_ns)
			sim_fail("core %u cannot send its frames: %u and %u are left", core->idx, core->left[0],
			         core->left[1]);
		bh_yield();
	}
}

/* Until everything has arrived; where frames may be lost, until nothing arrives any more. Owner core. */
static void
settle(struct net_core *core)
{
	uint64_t begin_ns = sim_now_ns(), seen_ns = begin_ns, seen_cnt = net_frames_seen();

	while (net_frames_missing() > 0) {
		net_core_receive(core);
		bh_yield();
		if (net_frames_seen() != seen_cnt)
			seen_ns = sim_now_ns();
		seen_cnt = net_frames_seen();
		if (!net.tame && sim_now_ns() > seen_ns + QUIET_NS)
			break;
		if (net.tame && sim_now_ns() > begin_ns + SETTLE_NS_MAX)
			sim_fail("%u frames do not arrive", net_frames_missing());
	}
}

static bool
is_down(unsigned port_idx)
{
	return net.core[0].queue[port_idx] == NULL ||
	       (sim_net_may_give_up(net.all) && !bh_port_link(net.port[port_idx]).up);
}

/*
 * Whatever happened: once the trouble is over, frames pass in both directions again, unless a port was given up and the
 * plan is a reason for that.
 */
static void
last_look(struct net_core *core)
{
	sim_net_calm(true);
	if (sim_net_may_garble(net.all)) /* a ring may stand still then, and nobody can see why */
		return;
	for (unsigned i = 0; i < 2; i++) {
		uint64_t deadline_ns = sim_now_ns() + LOOK_NS_MAX, seen_cnt = net_frames_seen();
		while (net_frames_seen() == seen_cnt && !is_down(i) && !is_down(1 - i)) {
			(void)net_core_send_one(core, i);
			uint64_t until_ns = sim_now_ns() + LOOK_PAUSE_NS;
			while (sim_now_ns() < until_ns && net_frames_seen() == seen_cnt) {
				net_core_receive(core);
				bh_yield();
			}
			if (sim_now_ns() > deadline_ns)
				sim_fail("no frame passes from port %u to the other any more", i);
		}
	}
}

/* The keeper tells what the card says, one look later. */
static void
link_check(void)
{
	for (unsigned i = 0; i < 2; i++) {
		if (net.plan->trouble.link_one_in == 0 && net.tame)
			sim_require(bh_port_link(net.port[i]).up && bh_port_link(net.port[i]).change_cnt == 0);
	}
}

/* Every packet is where it came from, each once. */
static void
pool_check(struct net_core *core)
{
	struct bh_pkt_pool *pool = core->pool;

	bh_pkt_pool_reclaim(pool);
	if (pool->free_cnt != pool->pkt_cnt)
		sim_fail("%u of %u packets of core %u are not given back", pool->pkt_cnt - pool->free_cnt,
		         pool->pkt_cnt, core->idx);
	for (uint32_t i = 0; i < pool->pkt_cnt; i++)
		pool->free[i]->hash = 0;
	for (uint32_t i = 0; i < pool->pkt_cnt; i++)
		sim_require(pool->free[i]->hash++ == 0 && pool->free[i]->next == NULL);
}

static void
heap_check(uint64_t used_before)
{
	uint64_t used = bh_tlsf_used_bytes(bh_core_self()->cell->heap);
	if (used != used_before)
		sim_fail("the ports are closed and still have %ld bytes of the heap", (long)(used - used_before));
}

static void
round_begin(struct net_core *core)
{
	if (core->idx != 0)
		return;
	sim_net_calm(false);
	if (!ports_open()) {
		ports_close();
		return;
	}
	net.sending = net.polling = true;
	net.controlling = (net.plan->reset_one_in | net.plan->filter_one_in) != 0;
	if (net.controlling)
		sim_require(bh_fiber_spawn(controller_main, NULL) == 0);
}

static void
round_end(struct net_core *core)
{
	if (core->idx != 0)
		return;
	net.sending = false;
	while (net.controlling) {
		net_core_receive(core);
		bh_yield();
	}
	settle(core);
	last_look(core);
	settle(core);
	link_check();
	net.polling = false;
	net_frames_forget();
}

static void
net_round(struct net_core *core, uint64_t heap_used)
{
	round_begin(core);
	meet(core);
	if (net.polling) {
		queues_take(core);
		traffic_run(core);
		meet(core);
		round_end(core);
		meet(core);
		queues_leave(core);
		net_core_release(core);
		meet(core);
		if (core->idx == 0)
			ports_close();
	}
	net_core_release(core);
	meet(core);
	if (!sim_net_may_give_up(net.all))
		pool_check(core);
	if (core->idx == 0) {
		heap_check(heap_used);
		net.over = sim_net_gone();
	}
	meet(core);
}

static void
net_main(void *arg)
{
	struct net_core *core = &net.core[bh_core_idx()];

	(void)arg;
	if (bh_pkt_pool_create(&net.plan->pool, &core->pool) != 0)
		sim_fail("the plan does not fit the arena or the heap");
	meet(core);
	uint64_t heap_used = bh_tlsf_used_bytes(bh_core_self()->cell->heap);
	meet(core);
	for (uint32_t round = 0; round < net.plan->round_cnt && !net.over; round++)
		net_round(core, heap_used);
}

int
sim_net_body(struct bh_core *core)
{
	return bh_core_run_fn(core, net_main, NULL);
}
