/* SPDX-License-Identifier: Apache-2.0 */
#include <bulkhead/arch.h>
#include <bulkhead/mem.h>

#include "apps/fwd/cell/switch_private.h"

#define BURST_DEFAULT_CNT 32u
#define SWEEP_LINE_CNT    1u
#define LOOK_TURNS        1024u /* between looks at links and at how many addresses there are */
#define NAME_BYTES        48u

/* Of a switch that knows no VLANs: every frame is of VLAN 0, which every port carries as its own. */
static const uint8_t all_ports[FWD_VLAN_CNT] = {0xff};

static const char *const reason_names[FWD_SWITCH_REASON_CNT] = FWD_SWITCH_REASON_NAMES;

int
fwd_switch_shared_create(uint32_t mac_cnt, uint64_t tsc_hz, uint64_t seed, struct fwd_switch_shared **out)
{
	if (tsc_hz == 0)
		return -BH_EINVAL;
	struct fwd_switch_shared *shared = bh_heap_alloc_aligned(sizeof(*shared), BH_CACHE_LINE_BYTES);
	if (shared == NULL)
		return -BH_ENOMEM;
	int err = fwd_mac_table_init(&shared->macs, mac_cnt, seed);
	if (err != 0) {
		bh_heap_free(shared);
		return err;
	}
	shared->tsc_hz = tsc_hz;
	*out = shared;
	return 0;
}

void
fwd_switch_shared_free(struct fwd_switch_shared *shared)
{
	fwd_mac_table_free(&shared->macs);
	bh_heap_free(shared);
}

struct fwd_mac_table *
fwd_switch_macs(struct fwd_switch_shared *shared)
{
	return &shared->macs;
}

static uint32_t
append(char *to, uint32_t at, const char *from)
{
	while (*from != '\0' && at + 1 < NAME_BYTES)
		to[at++] = *from++;
	to[at] = '\0';
	return at;
}

/* "<port>.<prefix><name>" */
static uint64_t *
port_counter(const char *port, const char *prefix, const char *name)
{
	char full[NAME_BYTES];
	uint32_t at = append(full, 0, port);
	at = append(full, at, ".");
	at = append(full, at, prefix);
	(void)append(full, at, name);
	return bh_counter_register(full, "");
}

static void
counters_register(struct fwd_switch *sw)
{
	sw->forward = bh_counter_register(FWD_SWITCH_COUNTER_FORWARD, "");
	sw->flood = bh_counter_register(FWD_SWITCH_COUNTER_FLOOD, "");
	sw->copy = bh_counter_register(FWD_SWITCH_COUNTER_COPY, "");
	sw->no_buffer = bh_counter_register(FWD_SWITCH_COUNTER_NO_BUFFER, "");
	sw->taken = bh_counter_register(FWD_SWITCH_COUNTER_TAKEN, "");
	sw->refused = bh_counter_register(FWD_SWITCH_COUNTER_REFUSED, "");
	sw->mac_counters = (struct fwd_mac_counters){
	        .learned = bh_counter_register(FWD_SWITCH_COUNTER_LEARN, ""),
	        .moved = bh_counter_register(FWD_SWITCH_COUNTER_MOVE, ""),
	        .full = bh_counter_register(FWD_SWITCH_COUNTER_FULL, ""),
	        .limited = bh_counter_register(FWD_SWITCH_COUNTER_LIMIT, ""),
	        .aged = bh_counter_register(FWD_SWITCH_COUNTER_AGED, ""),
	        .flushed = bh_counter_register(FWD_SWITCH_COUNTER_FLUSHED, ""),
	};
	if (sw->sweeps)
		sw->mac_gauge = bh_gauge_register(FWD_SWITCH_GAUGE_MACS, "");
}

static void
lane_init(struct fwd_switch_lane *lane, struct bh_port_queue *queue, const char *name)
{
	lane->queue = queue;
	lane->link_up = true;
	lane->tx_full = port_counter(name, "", FWD_SWITCH_DROP_TX_FULL);
	for (uint32_t i = 0; i < FWD_SWITCH_REASON_CNT; i++)
		lane->drop[i] = port_counter(name, "drop_", reason_names[i]);
}

/* sw->settings are new and legal. */
static void
settings_use(struct fwd_switch *sw)
{
	const struct fwd_switch_settings *settings = &sw->settings;
	sw->vlan_aware = settings->vlan_aware != 0;
	sw->member = sw->vlan_aware ? settings->member : all_ports;
	for (uint32_t i = 0; i < sw->port_cnt; i++) {
		struct fwd_switch_lane *lane = &sw->lane[i];
		lane->native_vlan = sw->vlan_aware ? settings->port[i].native_vlan : FWD_NO_VLAN;
		lane->mac_max = settings->port[i].mac_max;
		for (uint32_t j = 0; j < FWD_STORM_CNT; j++)
			lane->rate[j] = fwd_rate_of(settings->port[i].storm_pps[j], sw->shared->tsc_hz);
	}
	if (sw->sweeps)
		fwd_mac_ageing_set(sw->macs, settings->ageing_s * sw->shared->tsc_hz);
}

/* Between two bursts: what is received meanwhile waits in its ring. */
static BH_NOINLINE int
settings_look(struct fwd_switch *sw)
{
	int err = fwd_switch_settings_take(sw->block, &sw->next);
	if (err == -BH_EAGAIN)
		return err;
	sw->generation = sw->next.generation;
	if (err != 0) {
		bh_counter_add(sw->refused, 1);
		return err;
	}
	sw->settings = sw->next;
	settings_use(sw);
	bh_counter_add(sw->taken, 1);
	return 0;
}

static bool
options_ok(const struct fwd_switch_options *options)
{
	if (options->shared == NULL || options->settings == NULL || options->port_cnt == 0 ||
	    options->port_cnt > FWD_PORTS_MAX || options->burst_cnt > FWD_SWITCH_BURST_MAX)
		return false;
	for (uint32_t i = 0; i < options->port_cnt; i++) {
		if (options->queue[i] == NULL || options->name[i] == NULL)
			return false;
	}
	return true;
}

int
fwd_switch_create(const struct fwd_switch_options *options, struct fwd_switch **out)
{
	if (!options_ok(options))
		return -BH_EINVAL;
	struct fwd_switch *sw = bh_heap_alloc_aligned(sizeof(*sw), BH_CACHE_LINE_BYTES);
	if (sw == NULL)
		return -BH_ENOMEM;
	sw->shared = options->shared;
	sw->macs = &options->shared->macs;
	sw->block = options->settings;
	sw->port_cnt = options->port_cnt;
	sw->port_mask = (1u << options->port_cnt) - 1;
	sw->burst_cnt = options->burst_cnt != 0 ? options->burst_cnt : BURST_DEFAULT_CNT;
	sw->sweeps = options->sweeps;
	counters_register(sw);
	for (uint32_t i = 0; i < sw->port_cnt; i++)
		lane_init(&sw->lane[i], options->queue[i], options->name[i]);
	int err = settings_look(sw);
	if (err != 0) {
		bh_heap_free(sw);
		return err;
	}
	*out = sw;
	return 0;
}

void
fwd_switch_free(struct fwd_switch *sw)
{
	bh_heap_free(sw);
}

void
fwd_switch_lane_flush(struct fwd_switch_lane *lane)
{
	uint32_t sent = bh_port_tx(lane->queue, lane->out, lane->out_cnt);
	if (BH_UNLIKELY(sent < lane->out_cnt)) {
		bh_counter_add(lane->tx_full, lane->out_cnt - sent);
		bh_pkt_free_burst(lane->queue->pool, lane->out + sent, lane->out_cnt - sent);
	}
	lane->out_cnt = 0;
}

void
fwd_switch_flush(struct fwd_switch *sw)
{
	for (uint32_t i = 0; i < sw->port_cnt; i++) {
		if (sw->lane[i].out_cnt != 0)
			fwd_switch_lane_flush(&sw->lane[i]);
	}
}

/* What a port has sent comes back by its tx; when nothing is sent, now and then. */
static void
idle(struct fwd_switch *sw)
{
	if (++sw->idle_cnt != 0)
		return;
	for (uint32_t i = 0; i < sw->port_cnt; i++)
		(void)bh_port_tx(sw->lane[i].queue, sw->lane[i].out, 0);
}

/* Behind a port whose link went down is nobody: its stations may appear elsewhere at once. */
static BH_NOINLINE void
links_watch(struct fwd_switch *sw)
{
	for (uint32_t i = 0; i < sw->port_cnt; i++) {
		struct fwd_switch_lane *lane = &sw->lane[i];
		if (lane->queue->port == NULL)
			continue;
		bool up = bh_port_link(lane->queue->port).up;
		if (lane->link_up && !up)
			fwd_mac_flush(sw->macs, 1u << i);
		lane->link_up = up;
	}
}

static void
sweep(struct fwd_switch *sw)
{
	fwd_mac_sweep(sw->macs, sw->now_tsc, SWEEP_LINE_CNT, &sw->mac_counters);
	if (BH_LIKELY(++sw->turn_cnt % LOOK_TURNS != 0))
		return;
	__atomic_store_n(sw->mac_gauge, fwd_mac_cnt(sw->macs), __ATOMIC_RELAXED);
	links_watch(sw);
}

uint32_t
fwd_switch_turn(struct fwd_switch *sw)
{
	struct bh_pkt *pkts[FWD_SWITCH_BURST_MAX];
	uint32_t total_cnt = 0;
	sw->now_tsc = bh_clock_now_tsc();
	if (BH_UNLIKELY(__atomic_load_n(&sw->block->generation, __ATOMIC_RELAXED) != sw->generation))
		(void)settings_look(sw);
	for (uint32_t i = 0; i < sw->port_cnt; i++) {
		uint32_t cnt = bh_port_rx(sw->lane[i].queue, pkts, sw->burst_cnt);
		if (cnt != 0)
			fwd_switch_input(sw, i, pkts, cnt);
		total_cnt += cnt;
	}
	fwd_switch_flush(sw);
	if (total_cnt == 0)
		idle(sw);
	if (sw->sweeps)
		sweep(sw);
	return total_cnt;
}
