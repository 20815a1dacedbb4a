/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/fwd/switch_rig.h"

#include "core/core.h"

#define START_TSC (BH_HOSTED_TSC_HZ * 1000)

struct rig rig;

static struct bh_core *core_self;
static uint64_t clock_tsc;
static const char *const names[RIG_PORTS] = {"p0", "p1", "p2", "p3"};

struct bh_core *sim_core_self(void);
uint64_t sim_clock_now(void);
void sim_pause(void);
void sim_mmio_write(volatile void *addr, uint64_t value, unsigned width_bytes);

struct bh_core *
sim_core_self(void)
{
	return core_self;
}

uint64_t
sim_clock_now(void)
{
	return clock_tsc;
}

void
sim_pause(void)
{
}

void
sim_mmio_write(volatile void *addr, uint64_t value, unsigned width_bytes)
{
	(void)addr;
	(void)value;
	(void)width_bytes;
}

/* The queues' ports are nothing but their links. */
struct bh_port_link
bh_port_link(const struct bh_port *port)
{
	return *(const struct bh_port_link *)(const void *)port;
}

void
rig_clock_advance_ms(uint64_t ms)
{
	clock_tsc += ms * (BH_HOSTED_TSC_HZ / 1000);
}

/* One piece, and what follows it. */
static struct bh_pkt *
piece(const struct rig_frame *frame, uint32_t from, uint32_t step)
{
	struct bh_pkt *pkt;
	uint32_t bytes = BH_MIN(frame->bytes - from, step);
	assert_int_equal(bh_pkt_get(rig.pool, &pkt, 1), 1);
	/* What is behind the frame in its buffer is not the frame's. */
	memset(pkt->data, 0xa5, 64);
	memcpy(pkt->data, frame->data + from, bytes);
	pkt->len_bytes = bytes;
	if (from + bytes < frame->bytes)
		pkt->next = piece(frame, from + bytes, step);
	return pkt;
}

static uint32_t
side_rx(struct bh_port_queue *queue, struct bh_pkt **out_pkts, uint32_t cnt)
{
	struct rig_side *from = &rig.side[queue->queue_idx][queue->port_idx];
	cnt = BH_MIN(cnt, from->in_cnt - from->given_cnt);
	for (uint32_t i = 0; i < cnt; i++) {
		const struct rig_frame *frame = &from->in[from->given_cnt];
		uint32_t step = rig.split_bytes != 0 ? rig.split_bytes : RIG_FRAME;
		if (rig.pool->free_cnt < (frame->bytes + step - 1) / step)
			return i;
		struct bh_pkt *pkt = piece(frame, 0, step);
		from->given_cnt++;
		pkt->frame_bytes = frame->bytes;
		pkt->flags = frame->flags;
		pkt->vlan_tci = frame->vlan_tci;
		pkt->csum_start = frame->csum_start;
		pkt->port_idx = queue->port_idx;
		pkt->seg_cnt = 0;
		for (const struct bh_pkt *seg = pkt; seg != NULL; seg = seg->next)
			pkt->seg_cnt++;
		out_pkts[i] = pkt;
	}
	return cnt;
}

static void
take(struct rig_side *to, struct bh_pkt *pkt)
{
	struct rig_frame *frame = &to->out[to->out_cnt++];
	*frame = (struct rig_frame){.flags = pkt->flags, .vlan_tci = pkt->vlan_tci, .csum_start = pkt->csum_start};
	assert_int_equal(bh_pkt_frame_bytes(pkt) <= RIG_FRAME, true);
	for (const struct bh_pkt *seg = pkt; seg != NULL; seg = seg->next) {
		memcpy(frame->data + frame->bytes, seg->data, seg->len_bytes);
		frame->bytes += seg->len_bytes;
		frame->seg_cnt++;
	}
	assert_int_equal(frame->bytes, bh_pkt_frame_bytes(pkt));
	assert_int_equal(frame->seg_cnt, pkt->seg_cnt);
}

static uint32_t
side_tx(struct bh_port_queue *queue, struct bh_pkt *const *pkts, uint32_t cnt)
{
	struct rig_side *to = &rig.side[queue->queue_idx][queue->port_idx];
	cnt = BH_MIN(cnt, to->room_cnt - to->out_cnt);
	for (uint32_t i = 0; i < cnt; i++)
		take(to, pkts[i]);
	bh_pkt_free_burst(rig.pool, pkts, cnt);
	return cnt;
}

int
rig_start(void **state)
{
	const struct bh_pkt_pool_options options = {.pkt_cnt = RIG_PKTS, .data_bytes = RIG_BUF_BYTES};
	(void)state;
	memset(&rig, 0, sizeof(rig));
	clock_tsc = START_TSC;
	if (bh_hosted_map(1, 16 << 20, 16 << 20) != 0)
		return -1;
	if (bh_hosted_cores_init() != 0)
		return -1;
	core_self = bh_hosted_core_get(0);
	if (bh_pkt_pool_create(&options, &rig.pool) != 0)
		return -1;
	fwd_switch_settings_default(&rig.wanted, RIG_PORTS);
	rig_open(1, 1000);
	return 0;
}

int
rig_stop(void **state)
{
	(void)state;
	assert_int_equal(rig.pool->free_cnt, RIG_PKTS);
	bh_hosted_unmap();
	return 0;
}

static void
core_open(uint32_t core)
{
	struct fwd_switch_options options = {
	        .shared = rig.shared, .settings = &rig.block, .port_cnt = RIG_PORTS, .sweeps = core == 0};
	for (uint32_t i = 0; i < RIG_PORTS; i++) {
		struct rig_side *side = &rig.side[core][i];
		memset(side, 0, sizeof(*side));
		side->queue = (struct bh_port_queue){.rx = side_rx,
		                                     .tx = side_tx,
		                                     .pool = rig.pool,
		                                     .port = (struct bh_port *)(void *)&rig.link[i],
		                                     .port_idx = (uint16_t)i,
		                                     .queue_idx = core};
		side->room_cnt = RIG_HELD;
		rig.link[i].up = true;
		options.queue[i] = &side->queue;
		options.name[i] = names[i];
	}
	assert_int_equal(fwd_switch_create(&options, &rig.sw[core]), 0);
}

void
rig_open(uint32_t core_cnt, uint32_t mac_cnt)
{
	for (uint32_t i = 0; i < RIG_CORES && rig.sw[i] != NULL; i++) {
		fwd_switch_free(rig.sw[i]);
		rig.sw[i] = NULL;
	}
	if (rig.shared != NULL)
		fwd_switch_shared_free(rig.shared);
	rig_publish();
	assert_int_equal(fwd_switch_shared_create(mac_cnt, BH_HOSTED_TSC_HZ, 1, &rig.shared), 0);
	for (uint32_t i = 0; i < core_cnt; i++)
		core_open(i);
}

void
rig_publish(void)
{
	fwd_switch_settings_publish(&rig.block, &rig.wanted);
}

void
rig_mac(uint8_t mac[6], uint32_t station)
{
	const uint8_t made[6] = {
	        2, 0, (uint8_t)(station >> 24), (uint8_t)(station >> 16), (uint8_t)(station >> 8), (uint8_t)station};
	memcpy(mac, made, 6);
}

struct rig_frame *
rig_give(uint32_t core, uint32_t port)
{
	struct rig_side *side = &rig.side[core][port];
	assert_true(side->in_cnt < RIG_HELD);
	struct rig_frame *frame = &side->in[side->in_cnt++];
	*frame = (struct rig_frame){.bytes = 60};
	for (uint32_t i = 14; i < RIG_FRAME; i++)
		frame->data[i] = (uint8_t)(i * 7);
	frame->data[12] = 0x08;
	frame->data[13] = 0x00;
	return frame;
}

struct rig_frame *
rig_give_mac(uint32_t core, uint32_t port, const uint8_t dst[6], const uint8_t src[6])
{
	struct rig_frame *frame = rig_give(core, port);
	memcpy(frame->data, dst, 6);
	memcpy(frame->data + 6, src, 6);
	return frame;
}

struct rig_frame *
rig_give_station(uint32_t port, uint32_t dst, uint32_t src)
{
	uint8_t to[6], from[6];
	rig_mac(to, dst);
	rig_mac(from, src);
	return rig_give_mac(0, port, to, from);
}

void
rig_tag(struct rig_frame *frame, uint16_t tci)
{
	const uint8_t tag[4] = {0x81, 0x00, (uint8_t)(tci >> 8), (uint8_t)tci};
	memmove(frame->data + 16, frame->data + 12, frame->bytes - 12);
	memcpy(frame->data + 12, tag, 4);
	frame->bytes += 4;
}

uint64_t
rig_counter(const char *name)
{
	return *bh_counter_register(name, "");
}

uint64_t
rig_drop(uint32_t port, enum fwd_switch_reason reason)
{
	static const char reasons[FWD_SWITCH_REASON_CNT][20] = FWD_SWITCH_REASON_NAMES;
	char name[48] = "p0.drop_";
	name[1] = (char)('0' + port);
	strcat(name, reasons[reason]);
	return rig_counter(name);
}

/* What the settings' page says that adds up does, and no packet is kept. */
void
rig_assert_adds_up(void)
{
	uint64_t in_cnt = 0, out_cnt = 0, drop_cnt = 0, full_cnt = 0;
	for (uint32_t i = 0; i < RIG_PORTS; i++) {
		char name[48] = "p0." FWD_SWITCH_DROP_TX_FULL;
		name[1] = (char)('0' + i);
		full_cnt += rig_counter(name);
		for (uint32_t j = 0; j < FWD_SWITCH_REASON_CNT; j++)
			drop_cnt += rig_drop(i, j);
		for (uint32_t core = 0; core < RIG_CORES; core++) {
			in_cnt += rig.side[core][i].queue.queue_idx == core ? rig.side[core][i].given_cnt : 0;
			out_cnt += rig.side[core][i].out_cnt;
		}
	}
	uint64_t sent_cnt = rig_counter(FWD_SWITCH_COUNTER_FORWARD) + rig_counter(FWD_SWITCH_COUNTER_FLOOD);
	assert_int_equal(in_cnt + rig_counter("test.given"), sent_cnt + drop_cnt);
	assert_int_equal(out_cnt + rig_counter("test.cleared"),
	                 sent_cnt + rig_counter(FWD_SWITCH_COUNTER_COPY) - full_cnt);
	assert_int_equal(rig.pool->free_cnt, RIG_PKTS);
}

void
rig_turn(void)
{
	uint32_t cnt;
	do {
		cnt = 0;
		for (uint32_t core = 0; core < RIG_CORES && rig.sw[core] != NULL; core++)
			cnt += fwd_switch_turn(rig.sw[core]);
	} while (cnt != 0);
	rig_assert_adds_up();
}

void
rig_clear(void)
{
	uint64_t *cleared = bh_counter_register("test.cleared", ""), *given = bh_counter_register("test.given", "");
	for (uint32_t core = 0; core < RIG_CORES; core++) {
		for (uint32_t i = 0; i < RIG_PORTS; i++) {
			struct rig_side *side = &rig.side[core][i];
			bh_counter_add(cleared, side->out_cnt);
			bh_counter_add(given, side->given_cnt);
			side->out_cnt = 0;
			side->in_cnt = side->given_cnt = 0;
		}
	}
}

void
rig_hear(uint32_t port, uint32_t station)
{
	(void)rig_give_station(port, 0xffffff, station);
	rig_turn();
	rig_clear();
}

uint32_t
rig_out_cnt(uint32_t port)
{
	return rig.side[0][port].out_cnt + rig.side[1][port].out_cnt;
}

void
rig_assert_out(uint32_t p0, uint32_t p1, uint32_t p2, uint32_t p3)
{
	assert_int_equal(rig_out_cnt(0), p0);
	assert_int_equal(rig_out_cnt(1), p1);
	assert_int_equal(rig_out_cnt(2), p2);
	assert_int_equal(rig_out_cnt(3), p3);
}
