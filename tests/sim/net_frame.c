/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each frame has a number, in its data and in a table here. What is in it follows from its number; so a frame that
 * arrives is compared byte by byte, and one that arrives too often, out of order or from nowhere is seen.
 */
#include <string.h>

#include <bulkhead/cell.h>

#include "tests/sim/net.h"

#define ETHERTYPE   0x88b5u /* IEEE 802: for local experiments */
#define TPID        0x8100u
#define NUMBER_AT   14u
#define FRAME_MIN   32u
#define CSUM_END    62u /* start and place of a checksum are in the first bytes of a frame */
#define CSUM_OFFSET 6u

struct frame {
	uint16_t len_bytes;  /* without a tag */
	uint16_t csum_start; /* 0: none */
	uint16_t tci;
	bool tagged, taken, forgotten;
	uint8_t port_idx, queue_idx; /* where it was sent */
	uint8_t arrived_cnt;
};

static struct {
	const struct sim_plan *plan;
	bool ordered, garbled;
	uint32_t least_bytes; /* shorter frames are padded with zeros on their way */
	uint8_t arrived_max;
	struct frame frame[NET_FRAMES_MAX];
	uint32_t cnt, missing_cnt;
	uint64_t seen_cnt, damaged_cnt;
	/* The last number that came from this port and queue out of that queue. */
	uint32_t last[2][SIM_CORES_MAX][SIM_CORES_MAX];
} frames;

void
net_frames_init(const struct sim_plan *plan)
{
	frames.plan = plan;
	frames.garbled = sim_net_may_garble(plan);
	frames.ordered = !sim_net_may_reorder(plan);
	frames.least_bytes = plan->kind == SIM_KIND_IXGBE ? 60 : 0; /* IEEE 802.3, without the CRC */
	frames.arrived_max = plan->net.wire.duplicate != 0 ? 2 : 1;
	frames.cnt = 1; /* number 0 is none */
}

static uint64_t
word_of(uint32_t number, uint32_t at)
{
	uint64_t word = ((uint64_t)number << 32 | at) * UINT64_C(0x9e3779b97f4a7c15);
	return (word ^ word >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
}

/* The frame as it is handed to the port: its checksum unfinished, its tag not in it. */
static void
bytes_make(uint32_t number, uint8_t *out)
{
	const struct frame *frame = &frames.frame[number];
	const uint8_t mac[2][6] = {{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}};

	for (uint32_t i = 0; i < frame->len_bytes; i += 8) {
		uint64_t word = word_of(number, i);
		memcpy(out + i, &word, BH_MIN(8u, frame->len_bytes - i));
	}
	memcpy(out, mac[1 - frame->port_idx], 6);
	memcpy(out + 6, mac[frame->port_idx], 6);
	out[12] = ETHERTYPE >> 8;
	out[13] = ETHERTYPE & 0xff;
	memcpy(out + NUMBER_AT, &number, 4);
}

/* RFC 1071, from csum_start to the end, where the place of the sum holds the pseudo header's. */
static void
csum_finish(const struct frame *frame, uint8_t *bytes)
{
	uint32_t sum = 0;

	for (uint32_t i = frame->csum_start; i < frame->len_bytes; i += 2)
		sum += (uint32_t)bytes[i] << 8 | (i + 1 < frame->len_bytes ? bytes[i + 1] : 0);
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	sum = ~sum & 0xffff;
	sum = sum == 0 ? 0xffff : sum;
	bytes[frame->csum_start + CSUM_OFFSET] = (uint8_t)(sum >> 8);
	bytes[frame->csum_start + CSUM_OFFSET + 1] = (uint8_t)sum;
}

static uint32_t
unpadded_make(uint32_t number, uint8_t *out)
{
	const struct frame *frame = &frames.frame[number];

	bytes_make(number, out);
	if (frame->csum_start != 0)
		csum_finish(frame, out);
	if (!frame->tagged)
		return frame->len_bytes;
	memmove(out + 16, out + 12, frame->len_bytes - 12u);
	out[12] = TPID >> 8;
	out[13] = TPID & 0xff;
	out[14] = (uint8_t)(frame->tci >> 8);
	out[15] = (uint8_t)frame->tci;
	return frame->len_bytes + 4u;
}

/* The frame as it must arrive. Return: its length. */
static uint32_t
arrival_make(uint32_t number, uint8_t *out)
{
	uint32_t len_bytes = unpadded_make(number, out);

	if (len_bytes >= frames.least_bytes)
		return len_bytes;
	memset(out + len_bytes, 0, frames.least_bytes - len_bytes);
	return frames.least_bytes;
}

static uint32_t
len_draw(unsigned port_idx)
{
	uint32_t longest = bh_port_info(net.port[port_idx])->mtu_bytes + 14;
	uint32_t usual = BH_MIN(longest, BH_MAX(net.plan->frame_bytes, FRAME_MIN));

	if (net_chance(20))
		return longest;
	return FRAME_MIN + (uint32_t)net_draw(usual - FRAME_MIN + 1);
}

/* Spread over the chain that pkt is, as the packets' rooms are. */
static void
chain_write(struct bh_pkt *pkt, const uint8_t *bytes, uint32_t len_bytes)
{
	uint32_t seg_cnt = 1, at = 0;

	for (const struct bh_pkt *seg = pkt->next; seg != NULL; seg = seg->next)
		seg_cnt++;
	pkt->seg_cnt = (uint16_t)seg_cnt;
	pkt->frame_bytes = len_bytes;
	for (struct bh_pkt *seg = pkt; seg != NULL; seg = seg->next, seg_cnt--) {
		uint32_t room = (uint32_t)(seg->buf + seg->pool->buf_bytes - seg->data);
		uint32_t part = seg_cnt == 1 ? len_bytes - at : BH_MAX((len_bytes - at) / seg_cnt, 1u);
		if (seg == pkt && seg_cnt > 1) /* what a checksum needs is in the first one */
			part = BH_MAX(part, BH_MIN(CSUM_END + 2u, len_bytes - (seg_cnt - 1)));
		sim_require(part <= room);
		memcpy(seg->data, bytes + at, part);
		seg->len_bytes = part;
		at += part;
	}
}

static void
offload_draw(struct frame *frame, struct bh_pkt *pkt)
{
	pkt->flags = 0;
	if (net_chance(2) && frame->len_bytes >= CSUM_END + NET_CHAIN_MAX) {
		frame->csum_start = (uint16_t)(20 + net_draw(CSUM_END - CSUM_OFFSET - 2 - 20));
		pkt->flags |= BH_PKT_CSUM_PARTIAL;
		pkt->csum_start = frame->csum_start;
		pkt->csum_offset = CSUM_OFFSET;
	}
	if (net_chance(2) && bh_pkt_headroom(pkt) >= 4) {
		frame->tagged = true;
		frame->tci = (uint16_t)net_draw(65536);
		pkt->flags |= BH_PKT_VLAN;
		pkt->vlan_tci = frame->tci;
	}
}

/* How much fits into the chain with its longest frame in mind. */
static uint32_t
chain_room(const struct bh_pkt *pkt)
{
	uint32_t least = UINT32_MAX, seg_cnt = 0;

	for (const struct bh_pkt *seg = pkt; seg != NULL; seg = seg->next, seg_cnt++)
		least = BH_MIN(least, (uint32_t)(seg->buf + seg->pool->buf_bytes - seg->data));
	return least * seg_cnt;
}

uint32_t
net_frame_make(struct bh_pkt *pkt, unsigned port_idx, unsigned queue_idx, bool plain)
{
	static uint8_t bytes[NET_FRAME_BYTES];
	uint32_t number = frames.cnt++;

	sim_require(number < NET_FRAMES_MAX);
	struct frame *frame = &frames.frame[number];
	uint32_t len_bytes = BH_MIN(plain ? FRAME_MIN : len_draw(port_idx), chain_room(pkt));
	*frame = (struct frame){.port_idx = (uint8_t)port_idx, .queue_idx = (uint8_t)queue_idx};
	frame->len_bytes = (uint16_t)len_bytes;
	if (!plain && net_chance(net.plan->offload_one_in))
		offload_draw(frame, pkt);
	bytes_make(number, bytes);
	chain_write(pkt, bytes, len_bytes);
	return number;
}

void
net_frame_taken(uint32_t number)
{
	struct frame *frame = &frames.frame[number];

	sim_trace(SIM_EVENT_FRAME_SENT, frame->port_idx, number, frame->len_bytes);
	frame->taken = true;
	frames.missing_cnt += frame->arrived_cnt == 0; /* it may have been faster than we */
}

static uint32_t
gather(const struct bh_pkt *pkt, uint8_t *out)
{
	uint32_t at = 0, seg_cnt = 0;

	for (const struct bh_pkt *seg = pkt; seg != NULL; seg = seg->next, seg_cnt++) {
		sim_require(seg->data >= seg->buf && seg->data + seg->len_bytes <= seg->buf + seg->pool->buf_bytes);
		sim_require(at + seg->len_bytes <= NET_FRAME_BYTES && seg_cnt < BH_PKT_SEGS_MAX);
		memcpy(out + at, seg->data, seg->len_bytes);
		at += seg->len_bytes;
	}
	sim_require(at == bh_pkt_frame_bytes(pkt) && pkt->seg_cnt == seg_cnt);
	return at;
}

/* Its number, if it has one. */
static uint32_t
number_of(const uint8_t *bytes, uint32_t len_bytes)
{
	uint32_t at = NUMBER_AT, number = 0;

	if (len_bytes > 18 && bytes[12] == TPID >> 8 && bytes[13] == (TPID & 0xff))
		at += 4;
	if (len_bytes >= at + 4)
		memcpy(&number, bytes + at, 4);
	return number < frames.cnt ? number : 0;
}

/* Return: 0: not what any frame looks like. */
static uint32_t
match(const struct bh_pkt *pkt)
{
	static uint8_t bytes[NET_FRAME_BYTES], wanted[NET_FRAME_BYTES];
	uint32_t len_bytes = gather(pkt, bytes), number = number_of(bytes, len_bytes);

	if (number == 0 || arrival_make(number, wanted) != len_bytes || memcmp(bytes, wanted, len_bytes) != 0)
		return 0;
	return number;
}

/* A damaged frame: the wire says how many there are, or a lie that nobody can see. */
static uint32_t
damaged(unsigned port_idx, const struct bh_pkt *pkt)
{
	struct vnet_wire_stats wire;

	sim_net_wire_stats(&wire);
	frames.damaged_cnt++;
	if (!frames.garbled && frames.damaged_cnt > wire.corrupted_cnt + sim_net_unseen_cnt())
		sim_fail("port %u gives a frame of %u bytes in %u pieces that nobody sent", port_idx,
		         bh_pkt_frame_bytes(pkt), pkt->seg_cnt);
	return UINT32_MAX;
}

static void
order_check(const struct frame *frame, uint32_t number, unsigned queue_idx)
{
	uint32_t *last = &frames.last[frame->port_idx][frame->queue_idx][queue_idx];

	if (frames.ordered && number < *last)
		sim_fail("frame %u comes after frame %u of the same queue", number, *last);
	*last = number;
}

uint32_t
net_frame_check(struct bh_pkt *pkt, unsigned port_idx, unsigned queue_idx)
{
	sim_require(pkt->port_idx == port_idx);
	frames.seen_cnt++;
	if (pkt->flags & BH_PKT_CSUM_PARTIAL)
		sim_require(bh_pkt_csum_finish(pkt) == 0);
	if (pkt->flags & BH_PKT_VLAN)
		sim_require(bh_pkt_vlan_insert(pkt) == 0);
	uint32_t number = match(pkt);
	sim_trace(SIM_EVENT_FRAME_RECEIVED, port_idx, number, bh_pkt_frame_bytes(pkt));
	if (number == 0)
		return damaged(port_idx, pkt);
	struct frame *frame = &frames.frame[number];
	sim_require(frame->port_idx != port_idx);
	if (frame->taken && frame->arrived_cnt == 0 && !frame->forgotten)
		frames.missing_cnt--;
	if (frame->arrived_cnt++ >= frames.arrived_max && !frames.garbled)
		sim_fail("frame %u arrives %u times", number, frame->arrived_cnt);
	order_check(frame, number, queue_idx);
	return number;
}

void
net_frame_recheck(const struct bh_pkt *pkt, uint32_t number)
{
	if (match(pkt) != number && !frames.garbled)
		sim_fail("frame %u has changed since it was received", number);
}

uint32_t
net_frames_missing(void)
{
	return frames.missing_cnt;
}

uint64_t
net_frames_seen(void)
{
	return frames.seen_cnt;
}

uint64_t
net_frames_damaged(void)
{
	return frames.damaged_cnt;
}

void
net_frames_forget(void)
{
	for (uint32_t i = 1; i < frames.cnt; i++)
		frames.frame[i].forgotten = true;
	frames.missing_cnt = 0;
}

void
net_frames_end(void)
{
	for (uint32_t i = 1; i < frames.cnt; i++) {
		if (!frames.frame[i].taken && frames.frame[i].arrived_cnt != 0 && !frames.garbled)
			sim_fail("frame %u was not taken by its port, and arrives", i);
	}
}
