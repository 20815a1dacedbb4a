/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/fwd/sides.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <bulkhead/metrics.h>

#include "tests/hosted/include/bulkhead/hosted.h"

#define PKT_CNT 512u

struct side side[SIDE_CNT];
struct fwd_router *side_router;
struct fwd_ring_end side_to_host;

static struct fwd_channel *channel;
static struct bh_pkt_pool *pool;
static uint32_t pool_cnt;

static uint32_t
side_rx(struct bh_port_queue *queue, struct bh_pkt **out_pkts, uint32_t cnt)
{
	struct side *from = &side[queue->port_idx];
	cnt = bh_pkt_get(pool, out_pkts, BH_MIN(cnt, from->in_cnt - from->given_cnt));
	for (uint32_t i = 0; i < cnt; i++) {
		const struct frame *frame = &from->in[from->given_cnt++];
		/* What is behind the frame in its buffer is not the frame's. */
		memset(out_pkts[i]->data, 0xa5, 128);
		memcpy(out_pkts[i]->data, frame->data, frame->bytes);
		out_pkts[i]->len_bytes = frame->bytes;
		out_pkts[i]->flags = frame->flags;
		out_pkts[i]->vlan_tci = frame->vlan_tci;
		out_pkts[i]->csum_start = frame->csum_start;
		out_pkts[i]->csum_offset = frame->csum_offset;
	}
	return cnt;
}

static uint32_t
side_tx(struct bh_port_queue *queue, struct bh_pkt *const *pkts, uint32_t cnt)
{
	struct side *to = &side[queue->port_idx];
	cnt = BH_MIN(cnt, to->room_cnt - to->out_cnt);
	for (uint32_t i = 0; i < cnt; i++) {
		struct frame *frame = &to->out[to->out_cnt++];
		frame->bytes = pkts[i]->len_bytes;
		frame->flags = pkts[i]->flags;
		frame->vlan_tci = pkts[i]->vlan_tci;
		frame->csum_start = pkts[i]->csum_start;
		memcpy(frame->data, pkts[i]->data, frame->bytes);
	}
	bh_pkt_free_burst(pool, pkts, cnt);
	return cnt;
}

void
sides_begin(const struct fwd_fib *fib)
{
	const struct bh_pkt_pool_options pool_options = {.pkt_cnt = PKT_CNT};
	struct fwd_router_options options = {.port_cnt = SIDE_CNT, .burst_cnt = 32, .tsc_hz = BH_HOSTED_TSC_HZ};
	uint64_t bytes = fwd_channel_bytes(1, SIDE_SLOT_CNT, FWD_SLOT_BYTES);
	struct fwd_ring_end end;
	assert_int_equal(bh_hosted_start(1, 16 << 20, 16 << 20), 0);
	assert_int_equal(bh_pkt_pool_create(&pool_options, &pool), 0);
	pool_cnt = pool->free_cnt;
	memset(side, 0, sizeof(side));
	channel = aligned_alloc(4096, bytes);
	memset(channel, 0, bytes);
	fwd_channel_init(channel, 1, SIDE_CNT, SIDE_SLOT_CNT, FWD_SLOT_BYTES);
	assert_int_equal(fwd_channel_end(channel, bytes, 0, true, &end), 0);
	assert_int_equal(fwd_channel_end(channel, bytes, 0, false, &side_to_host), 0);
	for (uint16_t i = 0; i < SIDE_CNT; i++) {
		side[i].queue = (struct bh_port_queue){.rx = side_rx, .tx = side_tx, .pool = pool, .port_idx = i};
		side[i].room_cnt = SIDE_HELD_MAX;
		options.queue[i] = &side[i].queue;
	}
	assert_int_equal(fwd_tables_open(fwd_fib_tables(fib)->header, fwd_fib_bytes(fib), &options.tables), 0);
	options.line = &channel->core[0];
	options.to_linux = &end;
	assert_int_equal(fwd_router_create(&options, &side_router), 0);
}

void
sides_end(void)
{
	fwd_router_end(side_router);
	free(channel);
	bh_hosted_stop();
}

void
sides_forget(void)
{
	for (uint32_t i = 0; i < SIDE_CNT; i++)
		side[i].in_cnt = side[i].given_cnt = side[i].out_cnt = 0;
}

void
sides_turn(void)
{
	while (fwd_router_turn(side_router) != 0)
		;
}

uint64_t
sides_counter(const char *name)
{
	char full[48] = "fwd.";
	strcat(full, name);
	return *bh_counter_register(full, "");
}

uint64_t
sides_port_counter(uint32_t port_idx, const char *name)
{
	char full[48];
	snprintf(full, sizeof(full), "fwd%u.%s", port_idx, name);
	return *bh_counter_register(full, "");
}

const char *
sides_reason_name(enum fwd_reason reason)
{
	static const char names[FWD_REASON_CNT][28] = FWD_REASON_NAMES;
	return names[reason];
}

uint32_t
sides_free_cnt(void)
{
	return pool->free_cnt;
}

uint32_t
sides_pkt_cnt(void)
{
	return pool_cnt;
}
