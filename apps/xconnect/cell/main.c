/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xconnect: core 0 opens both ports; every core takes one queue of each and forwards between them until the supervisor
 * says stop; core 0 closes them last.
 */
#include <bulkhead/cell.h>
#include <bulkhead/log.h>
#include <bulkhead/mem.h>
#include <bulkhead/metrics.h>
#include <bulkhead/sched.h>

#include "apps/xconnect/cell/xconnect.h"

#define TURNS_PER_YIELD 16u

static struct {
	struct bh_port *port[2]; /* the second is NULL for a reflector */
	int error;
} shared;

static int core_error[BH_CORES_MAX];

static int
open_port(const char *name, struct bh_port **out_port)
{
	const struct bh_port_options options = {
	        .queue_cnt = bh_core_cnt(), .promiscuous = true, .data_bytes = BH_PORT_DATA_BYTES_MAX};
	int err = bh_port_open(name, &options, out_port);
	if (err == -BH_ENOENT)
		bh_log_error("no such port in the boot page");
	if (err != 0)
		return err;
	const struct bh_port_info *info = bh_port_info(*out_port);
	if (info->queue_cnt >= bh_core_cnt())
		return 0;
	bh_log_error("port %u has %u queues for %u cores: give the cell fewer cpus", bh_port_idx(*out_port),
	             info->queue_cnt, bh_core_cnt());
	return -BH_ENOSPC;
}

static void
open_ports(const struct xconnect_config *config)
{
	shared.error = open_port(config->port[0], &shared.port[0]);
	if (shared.error == 0 && memcmp(config->port[0], config->port[1], sizeof(config->port[0])) != 0)
		shared.error = open_port(config->port[1], &shared.port[1]);
}

static void
close_ports(void)
{
	for (unsigned i = 2; i-- > 0;) {
		if (shared.port[i] != NULL && bh_port_close(shared.port[i]) != 0)
			bh_log_warn("port %u did not confirm that it stopped", i);
	}
}

/* Frames as long as the larger MTU wants. */
static uint32_t
data_bytes(void)
{
	uint32_t mtu_bytes = 0;
	for (unsigned i = 0; i < 2; i++) {
		if (shared.port[i] != NULL)
			mtu_bytes = BH_MAX(mtu_bytes, bh_port_info(shared.port[i])->mtu_bytes);
	}
	return BH_MAX(BH_ALIGN_UP(mtu_bytes + 64, 1024u), BH_PKT_DATA_BYTES);
}

static int
prepare(struct xconnect *work, const struct xconnect_config *config, unsigned core_idx)
{
	const struct bh_pkt_pool_options options = {.pkt_cnt = config->pkt_cnt, .data_bytes = data_bytes()};
	struct bh_pkt_pool *pool;
	struct bh_port_queue *queue[2];
	int err = bh_pkt_pool_create(&options, &pool);
	if (err == 0)
		err = bh_port_queue_start(shared.port[0], core_idx, pool, &queue[0]);
	queue[1] = queue[0];
	if (err == 0 && shared.port[1] != NULL)
		err = bh_port_queue_start(shared.port[1], core_idx, pool, &queue[1]);
	if (err == 0)
		xconnect_init(work, config, queue[0], queue[1]);
	return err;
}

static void
forward(struct xconnect *work)
{
	uint64_t *start = bh_gauge_register(XCONNECT_GAUGE_START, "cycles");
	uint64_t *end = bh_gauge_register(XCONNECT_GAUGE_END, "cycles");
	*start = bh_clock_now_tsc();
	while (!bh_stop_requested()) {
		for (unsigned i = 0; i < TURNS_PER_YIELD; i++)
			(void)xconnect_turn(work);
		bh_yield();
	}
	*end = bh_clock_now_tsc();
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
leave(const struct xconnect *work, unsigned core_idx)
{
	for (unsigned i = 0; i < 2 && core_idx != 0; i++) {
		if (work->queue[i] != NULL)
			bh_port_queue_stop(work->queue[i]);
	}
	bh_barrier_wait();
	if (core_idx == 0)
		close_ports();
}

int
cell_main(unsigned core_idx)
{
	const struct xconnect_config *config = bh_app_config(sizeof(*config));
	struct xconnect work = {0};

	if (config == NULL)
		core_error[core_idx] = -BH_EINVAL;
	else if (core_idx == 0)
		open_ports(config);
	bh_barrier_wait();
	if (core_error[core_idx] == 0)
		core_error[core_idx] = shared.error != 0 ? shared.error : prepare(&work, config, core_idx);
	bh_barrier_wait();
	if (all_cores_prepared())
		forward(&work);
	leave(&work, core_idx);
	return core_error[core_idx];
}
