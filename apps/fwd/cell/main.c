/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fwd: core 0 opens the ports; every core takes one queue of each and routes or switches until the supervisor says stop;
 * core 0 also sends what Linux sends, tells Linux of its links, and closes the ports last.
 */
#include <bulkhead/cell.h>
#include <bulkhead/device.h>
#include <bulkhead/log.h>
#include <bulkhead/mem.h>
#include <bulkhead/metrics.h>
#include <bulkhead/sched.h>

#include "apps/fwd/cell/inject.h"
#include "apps/fwd/cell/router.h"
#include "apps/fwd/cell/switch.h"
#include "apps/fwd/config.h"
#include "apps/fwd/settings.h"

#define TURNS_PER_YIELD 16u
#define LINES_NS        UINT64_C(10000000) /* between looks at links and settings */

/* What the cores share: core 0 fills it before the first barrier. */
static struct {
	const struct fwd_config *config;
	struct bh_port *port[FWD_PORTS_MAX];
	struct fwd_tables tables;
	struct fwd_channel *channel;
	uint64_t channel_bytes;
	const struct fwd_settings *settings;
	struct fwd_switch_shared *switching;
	int error;
} shared;

/* One core's. */
struct work {
	struct bh_port_queue *queue[FWD_PORTS_MAX];
	uint32_t queue_cnt; /* started */
	struct fwd_router *router;
	struct fwd_switch *switching;
	struct fwd_inject inject;
	uint32_t punt_rate, error_rate;
	uint64_t lines_tsc, lines_interval_tsc;
	uint64_t *taken;
};

static int core_error[BH_CORES_MAX];

static void *
window(const struct bh_device *device, uint32_t bar, uint64_t *out_bytes)
{
	*out_bytes = device->info->bar[bar].size_bytes;
	return *out_bytes == 0 ? NULL : (void *)(uintptr_t)bh_device_window(device, bar, 0, *out_bytes);
}

/* The host half's memory. It is the supervisor's, which is trusted; its layout is checked all the same. */
static int
find_windows(void)
{
	struct bh_device device;
	uint64_t bytes;
	int err = bh_device_find(FWD_DEVICE_NAME, &device);
	if (err != 0)
		return err;
	shared.settings = window(&device, FWD_BAR_SETTINGS, &bytes);
	if (shared.settings == NULL || bytes < sizeof(*shared.settings))
		return -BH_EPROTO;
	if (shared.config->mode == FWD_MODE_SWITCH)
		return 0;
	shared.channel = window(&device, FWD_BAR_CHANNEL, &shared.channel_bytes);
	const void *tables = window(&device, FWD_BAR_TABLES, &bytes);
	if (shared.channel == NULL || tables == NULL)
		return -BH_EPROTO;
	return fwd_tables_open(tables, bytes, &shared.tables);
}

static int
open_port(const char *name, struct bh_port **out_port)
{
	/* What is for another station is dropped by its address: the MAC address of a TAP may be changed at any time. */
	const struct bh_port_options options = {
	        .queue_cnt = bh_core_cnt(), .promiscuous = true, .data_bytes = BH_PORT_DATA_BYTES_MAX};
	int err = bh_port_open(name, &options, out_port);
	if (err != 0)
		return err;
	const struct bh_port_info *info = bh_port_info(*out_port);
	if (info->queue_cnt >= bh_core_cnt())
		return 0;
	bh_log_error("port %u has %u queues for %u cores: give the cell fewer cpus", bh_port_idx(*out_port),
	             info->queue_cnt, bh_core_cnt());
	return -BH_ENOSPC;
}

static int
open_all(void)
{
	const struct fwd_config *config = shared.config;
	int err = find_windows();
	if (err != 0)
		bh_log_error("the host half's memory cannot be used: error %d", -err);
	for (uint32_t i = 0; i < config->port_cnt && err == 0; i++)
		err = open_port(config->port[i], &shared.port[i]);
	if (err == 0 && config->mode == FWD_MODE_SWITCH)
		err = fwd_switch_shared_create(config->mac_cnt, bh_boot_page()->tsc_hz, bh_boot_page()->seed,
		                               &shared.switching);
	return err;
}

/* Frames as long as the largest MTU wants. */
static uint32_t
data_bytes(void)
{
	uint32_t mtu_bytes = 0;
	for (uint32_t i = 0; i < shared.config->port_cnt; i++)
		mtu_bytes = BH_MAX(mtu_bytes, bh_port_info(shared.port[i])->mtu_bytes);
	return BH_MAX(BH_ALIGN_UP(mtu_bytes + 64, 1024u), BH_PKT_DATA_BYTES);
}

static uint32_t
rate_of_core(uint32_t rate)
{
	return rate == 0 ? 0 : BH_MAX(rate / bh_core_cnt(), 1u);
}

static int
prepare_router(struct work *work, unsigned core_idx)
{
	struct fwd_ring_end to_linux, from_linux;
	int err = fwd_channel_end(shared.channel, shared.channel_bytes, core_idx, true, &to_linux);
	if (err == 0)
		err = fwd_channel_end(shared.channel, shared.channel_bytes, bh_core_cnt(), false, &from_linux);
	if (err != 0)
		return err;
	struct fwd_router_options options = {
	        .tables = shared.tables,
	        .line = &shared.channel->core[core_idx],
	        .port_cnt = shared.config->port_cnt,
	        .burst_cnt = shared.config->burst_cnt,
	        .to_linux = &to_linux,
	        .tsc_hz = bh_boot_page()->tsc_hz,
	};
	__builtin_memcpy(options.queue, work->queue, sizeof(options.queue));
	fwd_inject_init(&work->inject, &from_linux, work->queue, shared.config->port_cnt);
	return fwd_router_create(&options, &work->router);
}

static int
prepare_switch(struct work *work, unsigned core_idx)
{
	struct fwd_switch_options options = {
	        .shared = shared.switching,
	        .settings = &shared.settings->switching,
	        .port_cnt = shared.config->port_cnt,
	        .burst_cnt = shared.config->burst_cnt,
	        .sweeps = core_idx == 0,
	};
	for (uint32_t i = 0; i < options.port_cnt; i++) {
		options.queue[i] = work->queue[i];
		options.name[i] = shared.config->port[i];
	}
	return fwd_switch_create(&options, &work->switching);
}

static int
prepare(struct work *work, unsigned core_idx)
{
	const struct bh_pkt_pool_options options = {.pkt_cnt = shared.config->pkt_cnt, .data_bytes = data_bytes()};
	struct bh_pkt_pool *pool;
	int err = bh_pkt_pool_create(&options, &pool);
	for (uint32_t i = 0; i < shared.config->port_cnt && err == 0; i++) {
		err = bh_port_queue_start(shared.port[i], core_idx, pool, &work->queue[i]);
		work->queue_cnt += err == 0;
	}
	if (err != 0)
		return err;
	work->lines_interval_tsc = bh_ns_to_tsc(LINES_NS);
	return shared.config->mode == FWD_MODE_SWITCH ? prepare_switch(work, core_idx) : prepare_router(work, core_idx);
}

/* Each TAP gets its port's address and MTU, and follows its link. */
static void
tell_links(void)
{
	for (uint32_t i = 0; i < shared.config->port_cnt; i++) {
		const struct bh_port_info *info = bh_port_info(shared.port[i]);
		struct fwd_port_line *line = &shared.channel->port[i];
		for (unsigned j = 0; j < BH_MAC_BYTES; j++)
			line->mac[j] = info->mac[j];
		line->mtu_bytes = info->mtu_bytes;
		__atomic_store_n(&line->link_up, bh_port_link(shared.port[i]).up, __ATOMIC_RELAXED);
		__atomic_store_n(&line->ready, 1u, __ATOMIC_RELEASE);
	}
}

static void
take_rates(struct work *work)
{
	uint32_t punt_rate = __atomic_load_n(&shared.settings->punt_rate, __ATOMIC_RELAXED);
	uint32_t error_rate = __atomic_load_n(&shared.settings->error_rate, __ATOMIC_RELAXED);
	if (work->lines_tsc != 0 && punt_rate == work->punt_rate && error_rate == work->error_rate)
		return;
	if (work->lines_tsc != 0)
		bh_counter_add(work->taken, 1);
	work->punt_rate = punt_rate;
	work->error_rate = error_rate;
	fwd_router_rates(work->router, rate_of_core(punt_rate), rate_of_core(error_rate));
}

static void
route(struct work *work, unsigned core_idx)
{
	uint64_t now_tsc = bh_clock_now_tsc();
	if (now_tsc >= work->lines_tsc) {
		take_rates(work);
		work->lines_tsc = now_tsc + work->lines_interval_tsc;
		if (core_idx == 0)
			tell_links();
	}
	for (unsigned i = 0; i < TURNS_PER_YIELD; i++) {
		if (core_idx == 0)
			(void)fwd_inject_turn(&work->inject);
		(void)fwd_router_turn(work->router);
	}
}

static void
forward(struct work *work, unsigned core_idx)
{
	uint64_t *start = bh_gauge_register(FWD_GAUGE_START, "cycles");
	uint64_t *end = bh_gauge_register(FWD_GAUGE_END, "cycles");
	work->taken = bh_counter_register(FWD_SWITCH_COUNTER_TAKEN, "");
	*start = bh_clock_now_tsc();
	while (!bh_stop_requested()) {
		if (work->router != NULL)
			route(work, core_idx);
		for (unsigned i = 0; i < TURNS_PER_YIELD && work->switching != NULL; i++)
			(void)fwd_switch_turn(work->switching);
		bh_yield();
	}
	*end = bh_clock_now_tsc();
	if (work->router != NULL)
		fwd_router_end(work->router);
}

static bool
all_cores_prepared(void)
{
	for (unsigned i = 0; i < bh_core_cnt(); i++) {
		if (core_error[i] != 0)
			return false;
	}
	return true;
}

static void
leave(const struct work *work, unsigned core_idx)
{
	for (uint32_t i = 0; i < work->queue_cnt && core_idx != 0; i++)
		bh_port_queue_stop(work->queue[i]);
	bh_barrier_wait();
	for (uint32_t i = FWD_PORTS_MAX; core_idx == 0 && i-- > 0;) {
		if (shared.port[i] != NULL && bh_port_close(shared.port[i]) != 0)
			bh_log_warn("port %u did not confirm that it stopped", i);
	}
}

int
cell_main(unsigned core_idx)
{
	struct work work = {0};
	if (core_idx == 0) {
		shared.config = bh_app_config(sizeof(*shared.config));
		shared.error = shared.config == NULL ? -BH_EINVAL : open_all();
	}
	bh_barrier_wait();
	core_error[core_idx] = shared.error != 0 ? shared.error : prepare(&work, core_idx);
	bh_barrier_wait();
	if (all_cores_prepared())
		forward(&work, core_idx);
	leave(&work, core_idx);
	return core_error[core_idx];
}
