/* SPDX-License-Identifier: Apache-2.0 */
/* What every test of the Intel drivers begins and ends with. */
#ifndef TESTS_UNIT_INTEL_RIG_H
#define TESTS_UNIT_INTEL_RIG_H

#include "tests/unit/intel/card.h"

/* A body that runs as a fiber of core 0, as a test of each card. */
#define CARD_TEST(name)                                                                                                \
	static void name##_body(void *arg);                                                                            \
	static void name(void **state)                                                                                 \
	{                                                                                                              \
		(void)state;                                                                                           \
		card_run(name##_body, NULL);                                                                           \
	}                                                                                                              \
	static void name##_body(void *arg)

#define ON_BOTH(name)                                                                                                  \
	{#name " (82574)", name, card_start_82574, card_stop, NULL},                                                   \
	{                                                                                                              \
#name " (82576)", name, card_start_82576, card_stop, NULL                                              \
	}
#define ON_82574(name)                                                                                                 \
	{                                                                                                              \
#name, name, card_start_82574, card_stop, NULL                                                         \
	}
#define ON_82576(name)                                                                                                 \
	{                                                                                                              \
#name, name, card_start_82576, card_stop, NULL                                                         \
	}

struct rig {
	struct bh_port *port;
	struct bh_port_queue *queue;
	struct bh_pkt_pool *pool;
};

#define RIG_PKTS 1024u

/* rig_open - the port with one queue and a pool of RIG_PKTS; rig_close checks that each packet came back. */
static inline void
rig_open(struct rig *rig, const struct bh_port_options *options)
{
	const struct bh_pkt_pool_options pool = {.pkt_cnt = RIG_PKTS};
	assert_int_equal(bh_pkt_pool_create(&pool, &rig->pool), 0);
	assert_int_equal(bh_port_open("p0", options, &rig->port), 0);
	assert_int_equal(bh_port_queue_start(rig->port, 0, rig->pool, &rig->queue), 0);
}

static inline void
rig_close(struct rig *rig)
{
	assert_int_equal(bh_port_close(rig->port), 0);
	bh_pkt_pool_reclaim(rig->pool);
	assert_int_equal(rig->pool->free_cnt, RIG_PKTS);
}

/* rig_pkt - a frame of that many bytes: addresses, then each byte its place */
static inline struct bh_pkt *
rig_pkt(struct rig *rig, uint32_t bytes)
{
	struct bh_pkt *pkt;
	assert_int_equal(bh_pkt_get(rig->pool, &pkt, 1), 1);
	for (uint32_t i = 0; i < bytes; i++)
		pkt->data[i] = (uint8_t)i;
	pkt->len_bytes = bytes;
	return pkt;
}

/* rig_rx_none - nothing arrives in this burst. rig_rx_one - exactly one. */
static inline void
rig_rx_none(struct rig *rig)
{
	struct bh_pkt *pkt;
	assert_int_equal(bh_port_rx(rig->queue, &pkt, 1), 0);
}

static inline struct bh_pkt *
rig_rx_one(struct rig *rig)
{
	struct bh_pkt *pkts[2];
	assert_int_equal(bh_port_rx(rig->queue, pkts, 2), 1);
	return pkts[0];
}

#endif
