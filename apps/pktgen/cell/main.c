/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pktgen: opens its ports, sends and receives until it is told to stop or has sent all, waits a little for what is
 * still under way, and closes. With `connect_a` and `connect_b` the same core runs a cross-connect, too.
 */
#include <bulkhead/cell.h>
#include <bulkhead/log.h>
#include <bulkhead/mem.h>
#include <bulkhead/metrics.h>
#include <bulkhead/sched.h>

#include "apps/pktgen/cell/pktgen.h"
#include "apps/xconnect/cell/xconnect.h"

#define TURNS_PER_YIELD 16u
#define DRAIN_TURNS     1000u /* and as many looks: this core may have been away for all of that time */
#define DRAIN_MAX_NS    UINT64_C(2000000000)
#define ANNOUNCE_NS     UINT64_C(10000000)
#define WARM_DRAIN_NS   UINT64_C(20000000)
#define PORTS_MAX       4u

struct work {
	struct pktgen gen;
	struct xconnect xconnect;
	bool connect;
	struct bh_pkt_pool *pool; /* for receiving, of all ports */
	struct bh_port *port[PORTS_MAX];
	struct bh_port_queue *queue[PORTS_MAX];
	struct bh_port *tx, *rx;
	uint32_t port_cnt;
};

static bool
same_name(const char *a, const char *b)
{
	return memcmp(a, b, BH_NAME_BYTES) == 0;
}

/* Opens a port, or finds it among those that are open. */
static int
port_get(struct work *work, const char *name, struct bh_port_queue **out_queue, struct bh_port **out_port)
{
	const struct bh_port_options options = {.queue_cnt = 1, .promiscuous = true};
	for (uint32_t i = 0; i < work->port_cnt; i++) {
		if (same_name(bh_port_info(work->port[i])->name, name)) {
			*out_queue = work->queue[i];
			*out_port = work->port[i];
			return 0;
		}
	}
	struct bh_port *port;
	int err = bh_port_open(name, &options, &port);
	if (err != 0)
		return err;
	work->port[work->port_cnt] = port;
	err = bh_port_queue_start(port, 0, work->pool, &work->queue[work->port_cnt]);
	*out_queue = work->queue[work->port_cnt++];
	*out_port = port;
	return err;
}

static int
connect_open(struct work *work, const struct pktgen_config *config)
{
	struct bh_port_queue *first, *second;
	struct bh_port *port;
	if (config->connect == 0)
		return 0;
	int err = port_get(work, config->xconnect.port[0], &first, &port);
	if (err == 0)
		err = port_get(work, config->xconnect.port[1], &second, &port);
	if (err != 0)
		return err;
	xconnect_init(&work->xconnect, &config->xconnect, first, second);
	work->connect = true;
	return 0;
}

static int
prepare(struct work *work, const struct pktgen_config *config)
{
	const struct bh_pkt_pool_options gen_options = {.pkt_cnt = 2048, .data_bytes = PKTGEN_BYTES_MAX};
	const struct bh_pkt_pool_options small_options = {.pkt_cnt = 2048};
	bool large = false;
	for (uint32_t i = 0; i < config->size_cnt; i++)
		large |= config->bytes[i] > BH_PKT_DATA_BYTES;
	struct bh_pkt_pool *gen_pool;
	struct bh_port_queue *tx, *rx;
	int err = bh_pkt_pool_create(large ? &gen_options : &small_options, &gen_pool);
	if (err == 0)
		err = bh_pkt_pool_create(NULL, &work->pool);
	if (err == 0)
		err = port_get(work, config->tx, &tx, &work->tx);
	if (err == 0)
		err = port_get(work, config->rx, &rx, &work->rx);
	if (err == 0)
		err = connect_open(work, config);
	if (err == 0)
		err = pktgen_init(&work->gen, config, bh_port_info(work->tx)->mac, bh_port_info(work->rx)->mac, tx,
		                  gen_pool, rx);
	return err;
}

static uint32_t
turn(struct work *work, bool send)
{
	uint32_t cnt = 0;
	if (send)
		(void)pktgen_send(&work->gen);
	if (work->connect)
		cnt += xconnect_turn(&work->xconnect);
	return cnt + pktgen_receive(&work->gen);
}

/* Until nothing has come for drain_ns. */
static void
drain(struct work *work, uint64_t drain_ns)
{
	uint64_t quiet_tsc = bh_ns_to_tsc(drain_ns);
	uint64_t last_tsc = bh_clock_now_tsc(), deadline_tsc = last_tsc + bh_ns_to_tsc(drain_ns + DRAIN_MAX_NS);
	uint32_t turns = 0;
	while ((bh_clock_now_tsc() - last_tsc < quiet_tsc || turns < DRAIN_TURNS) &&
	       bh_clock_now_tsc() < deadline_tsc) {
		(void)bh_port_tx(work->gen.tx, NULL, 0);
		turns++;
		if (turn(work, false) != 0) {
			last_tsc = bh_clock_now_tsc();
			turns = 0;
		}
		bh_yield();
	}
}

/* Cards that have just been reset need a moment, or seconds, for their link. */
static int
links_wait(struct work *work)
{
	uint64_t wait_ns = work->gen.config->link_wait_ns, deadline_tsc = bh_clock_now_tsc() + bh_ns_to_tsc(wait_ns);
	while (wait_ns != 0 && !(bh_port_link(work->tx).up && bh_port_link(work->rx).up)) {
		if (bh_stop_requested())
			return 0;
		if (bh_clock_now_tsc() >= deadline_tsc) {
			bh_log_error("no link within link_wait: sender up %u, receiver up %u",
			             bh_port_link(work->tx).up, bh_port_link(work->rx).up);
			return -BH_ETIMEDOUT;
		}
		bh_yield();
	}
	return 0;
}

/* Frames for the far end to learn addresses from, and for everybody's caches. */
static void
warm_up(struct work *work)
{
	uint64_t ns = work->gen.config->warm_up_ns, now_tsc = bh_clock_now_tsc(), announce_tsc = now_tsc;
	uint64_t until_tsc = now_tsc + bh_ns_to_tsc(ns);
	if (ns != 0) {
		pktgen_warm(&work->gen);
		while (!bh_stop_requested() && (now_tsc = bh_clock_now_tsc()) < until_tsc) {
			if (now_tsc >= announce_tsc) {
				pktgen_announce(&work->gen);
				announce_tsc = now_tsc + bh_ns_to_tsc(ANNOUNCE_NS);
			}
			for (unsigned i = 0; i < TURNS_PER_YIELD; i++)
				(void)turn(work, true);
			bh_yield();
		}
		drain(work, BH_MIN(work->gen.config->drain_ns, WARM_DRAIN_NS));
	}
	pktgen_begin(&work->gen);
}

static void
run(struct work *work)
{
	uint64_t *start = bh_gauge_register(PKTGEN_GAUGE_START, "cycles");
	uint64_t *end = bh_gauge_register(PKTGEN_GAUGE_END, "cycles");
	*bh_gauge_register(PKTGEN_GAUGE_FIRST, "cycles") = *start = bh_clock_now_tsc();
	while (!bh_stop_requested() && !pktgen_done(&work->gen)) {
		for (unsigned i = 0; i < TURNS_PER_YIELD; i++)
			(void)turn(work, true);
		bh_yield();
	}
	*end = bh_clock_now_tsc();
	drain(work, work->gen.config->drain_ns);
}

int
cell_main(unsigned core_idx)
{
	const struct pktgen_config *config = bh_app_config(sizeof(*config));
	struct work *work = bh_heap_alloc_aligned(sizeof(*work), BH_CACHE_LINE_BYTES);
	if (config == NULL || work == NULL)
		return config == NULL ? -BH_EINVAL : -BH_ENOMEM;
	int err = prepare(work, config);
	if (err == 0)
		err = links_wait(work);
	if (err == 0) {
		warm_up(work);
		run(work);
	}
	while (work->port_cnt > 0) {
		if (bh_port_close(work->port[--work->port_cnt]) != 0)
			bh_log_warn("port %u did not confirm that it stopped", work->port_cnt);
	}
	return err;
}
