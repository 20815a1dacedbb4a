/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/virtio_net/wire.h"

#include <stdlib.h>
#include <string.h>

#define BURST_CNT 32u
#define NS_PER_S  UINT64_C(1000000000)

/* A frame on its way. */
struct slot {
	uint64_t due_ns, seq;
	uint32_t pair_idx;
	struct vnet_frame frame; /* piece[0] is `bytes` */
	uint8_t bytes[VNET_FRAME_BYTES_MAX];
};

struct direction {
	struct vnet_wire_end from, to;
	uint64_t free_ns;  /* when the line is free again */
	uint32_t pair_idx; /* whose turn it is then */
	uint64_t seq;
	struct slot *slot; /* VNET_WIRE_FRAMES, when frames are held */
	uint32_t heap[VNET_WIRE_FRAMES];
	uint32_t heap_cnt;
	uint32_t free_idx[VNET_WIRE_FRAMES];
	uint32_t free_cnt;
};

struct vnet_wire {
	struct vnet_wire_config config;
	struct vnet_wire_stats stats;
	bool holds; /* frames stay in the wire for a while */
	uint64_t random;
	uint32_t direction_cnt;
	struct direction direction[2];
};

static uint32_t
draw(struct vnet_wire *wire)
{
	wire->random ^= wire->random << 13;
	wire->random ^= wire->random >> 7;
	wire->random ^= wire->random << 17;
	return (uint32_t)(wire->random >> 32);
}

static bool
happens(struct vnet_wire *wire, uint64_t probability)
{
	return probability != 0 && draw(wire) < probability;
}

static int
direction_init(struct vnet_wire *wire, struct direction *direction, struct vnet_wire_end from, struct vnet_wire_end to)
{
	direction->from = from;
	direction->to = to;
	if (!wire->holds)
		return 0;
	direction->slot = calloc(VNET_WIRE_FRAMES, sizeof(*direction->slot));
	if (direction->slot == NULL)
		return -BH_ENOMEM;
	for (uint32_t i = 0; i < VNET_WIRE_FRAMES; i++)
		direction->free_idx[i] = i;
	direction->free_cnt = VNET_WIRE_FRAMES;
	return 0;
}

int
vnet_wire_join(const struct vnet_wire_config *config, struct vnet_wire_end first, struct vnet_wire_end second,
               struct vnet_wire **out)
{
	if (config->loss > VNET_WIRE_PROBABLE_ONE || config->duplicate > VNET_WIRE_PROBABLE_ONE ||
	    config->reorder > VNET_WIRE_PROBABLE_ONE || config->corrupt > VNET_WIRE_PROBABLE_ONE)
		return -BH_EINVAL;
	struct vnet_wire *wire = calloc(1, sizeof(*wire));
	if (wire == NULL)
		return -BH_ENOMEM;
	wire->config = *config;
	wire->random = config->seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
	wire->holds = (config->rate_bps | config->delay_ns | config->loss | config->duplicate | config->reorder |
	               config->corrupt) != 0;
	wire->direction_cnt = first.device == second.device ? 1 : 2;
	int err = direction_init(wire, &wire->direction[0], first, second);
	if (err == 0 && first.device != second.device)
		err = direction_init(wire, &wire->direction[1], second, first);
	if (err != 0) {
		vnet_wire_destroy(wire);
		return err;
	}
	*out = wire;
	return 0;
}

static bool
tx_peek(void *device, uint32_t pair_idx, struct vnet_frame *out)
{
	return vnet_tx_peek(device, pair_idx, out);
}

static void
tx_done(void *device, uint32_t pair_idx, const struct vnet_frame *frame)
{
	vnet_tx_done(device, pair_idx, frame);
}

static int
rx_put(void *device, uint32_t pair_idx, const struct vnet_frame *frame)
{
	return vnet_rx_put(device, pair_idx, frame);
}

static void
flush(void *device)
{
	vnet_model_flush(device);
}

static uint32_t
pairs(const void *device)
{
	return vnet_model_pairs(device);
}

const struct vnet_wire_ops vnet_wire_ops = {
        .tx_peek = tx_peek, .tx_done = tx_done, .rx_put = rx_put, .flush = flush, .pairs = pairs};

int
vnet_wire_create(const struct vnet_wire_config *config, struct vnet_model *first, struct vnet_model *second,
                 struct vnet_wire **out)
{
	return vnet_wire_join(config, (struct vnet_wire_end){first, &vnet_wire_ops},
	                      (struct vnet_wire_end){second, &vnet_wire_ops}, out);
}

void
vnet_wire_destroy(struct vnet_wire *wire)
{
	if (wire == NULL)
		return;
	free(wire->direction[0].slot);
	free(wire->direction[1].slot);
	free(wire);
}

/* Return: whether the frame is out of the sender's hands: delivered, or dropped for good. */
static bool
deliver(struct vnet_wire *wire, const struct vnet_wire_end *to, uint32_t pair_idx, const struct vnet_frame *frame)
{
	int err = to->ops->rx_put(to->device, pair_idx, frame);
	if (err == -BH_EAGAIN && !wire->config.drop_when_full)
		return false;
	if (err == 0)
		wire->stats.carried_cnt++;
	else if (err == -BH_EAGAIN)
		wire->stats.full_cnt++;
	else
		wire->stats.undeliverable_cnt++;
	return true;
}

static uint32_t
pass(struct vnet_wire *wire, struct direction *direction, uint32_t pair_idx)
{
	const struct vnet_wire_end *from = &direction->from;
	struct vnet_frame frame;
	uint32_t cnt = 0;
	for (; cnt < BURST_CNT; cnt++) {
		if (!from->ops->tx_peek(from->device, pair_idx, &frame))
			break;
		if (!deliver(wire, &direction->to, pair_idx, &frame))
			break;
		from->ops->tx_done(from->device, pair_idx, &frame);
	}
	return cnt;
}

/* The heap: earliest first, and of equal times the one that was sent first. */
static bool
earlier(const struct direction *direction, uint32_t a, uint32_t b)
{
	const struct slot *x = &direction->slot[a], *y = &direction->slot[b];
	return x->due_ns != y->due_ns ? x->due_ns < y->due_ns : x->seq < y->seq;
}

static void
heap_push(struct direction *direction, uint32_t slot_idx)
{
	uint32_t at = direction->heap_cnt++;
	while (at > 0 && earlier(direction, slot_idx, direction->heap[(at - 1) / 2])) {
		direction->heap[at] = direction->heap[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	direction->heap[at] = slot_idx;
}

static void
heap_pop(struct direction *direction)
{
	uint32_t last = direction->heap[--direction->heap_cnt], at = 0;
	for (;;) {
		uint32_t child = 2 * at + 1;
		if (child >= direction->heap_cnt)
			break;
		if (child + 1 < direction->heap_cnt &&
		    earlier(direction, direction->heap[child + 1], direction->heap[child]))
			child++;
		if (!earlier(direction, direction->heap[child], last))
			break;
		direction->heap[at] = direction->heap[child];
		at = child;
	}
	direction->heap[at] = last;
}

static void
frame_copy(struct slot *slot, const struct vnet_frame *frame)
{
	uint32_t at = 0;
	for (uint32_t i = 0; i < frame->piece_cnt; i++) {
		memcpy(slot->bytes + at, frame->piece[i].addr, frame->piece[i].len_bytes);
		at += frame->piece[i].len_bytes;
	}
	slot->frame.header = frame->header;
	slot->frame.len_bytes = at;
	slot->frame.piece_cnt = 1;
	slot->frame.piece[0] = (struct vnet_piece){slot->bytes, at};
}

static uint64_t
line_time(struct vnet_wire *wire, struct direction *direction, uint32_t len_bytes, uint64_t now_ns)
{
	uint64_t start_ns = BH_MAX(direction->free_ns, now_ns);
	if (wire->config.rate_bps != 0)
		start_ns += (len_bytes + VNET_WIRE_OVERHEAD) * 8 * NS_PER_S / wire->config.rate_bps;
	direction->free_ns = start_ns;
	return start_ns + wire->config.delay_ns;
}

static void
hold_one(struct vnet_wire *wire, struct direction *direction, uint32_t pair_idx, const struct vnet_frame *frame,
         uint64_t now_ns)
{
	uint32_t slot_idx = direction->free_idx[--direction->free_cnt];
	struct slot *slot = &direction->slot[slot_idx];
	frame_copy(slot, frame);
	slot->pair_idx = pair_idx;
	slot->seq = direction->seq++;
	slot->due_ns = line_time(wire, direction, frame->len_bytes, now_ns);
	if (happens(wire, wire->config.reorder)) {
		wire->stats.reordered_cnt++;
		slot->due_ns += VNET_WIRE_REORDER_NS;
	}
	if (happens(wire, wire->config.corrupt)) {
		uint32_t bit = (uint32_t)((uint64_t)draw(wire) * (frame->len_bytes * 8) >> 32);
		wire->stats.corrupted_cnt++;
		slot->bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	heap_push(direction, slot_idx);
}

/*
 * Take frames off the sender. Not more than the line carries now: a sender that is faster finds its ring full, as on a
 * card.
 */
static uint32_t
take(struct vnet_wire *wire, struct direction *direction, uint32_t pair_idx, uint64_t now_ns)
{
	const struct vnet_wire_end *from = &direction->from;
	struct vnet_frame frame;
	uint32_t cnt = 0;
	for (; cnt < BURST_CNT && direction->free_cnt >= 2 && direction->free_ns <= now_ns; cnt++) {
		if (!from->ops->tx_peek(from->device, pair_idx, &frame))
			break;
		if (happens(wire, wire->config.loss)) {
			wire->stats.lost_cnt++;
			(void)line_time(wire, direction, frame.len_bytes, now_ns);
		} else {
			hold_one(wire, direction, pair_idx, &frame, now_ns);
			if (happens(wire, wire->config.duplicate)) {
				wire->stats.duplicated_cnt++;
				hold_one(wire, direction, pair_idx, &frame, now_ns);
			}
		}
		from->ops->tx_done(from->device, pair_idx, &frame);
	}
	return cnt;
}

/* A slow line is for all queues: the one behind the last that got it comes first. */
static uint32_t
take_turns(struct vnet_wire *wire, struct direction *direction, uint32_t pair_cnt, uint64_t now_ns)
{
	uint32_t first = direction->pair_idx < pair_cnt ? direction->pair_idx : 0, moved = 0;
	for (uint32_t i = 0; i < pair_cnt; i++) {
		uint32_t pair_idx = first + i < pair_cnt ? first + i : first + i - pair_cnt;
		uint32_t cnt = take(wire, direction, pair_idx, now_ns);
		if (cnt != 0)
			direction->pair_idx = pair_idx + 1;
		moved += cnt;
	}
	return moved;
}

static uint32_t
release(struct vnet_wire *wire, struct direction *direction, uint64_t now_ns)
{
	uint32_t cnt = 0;
	for (; cnt < BURST_CNT && direction->heap_cnt > 0; cnt++) {
		uint32_t slot_idx = direction->heap[0];
		const struct slot *slot = &direction->slot[slot_idx];
		if (slot->due_ns > now_ns || !deliver(wire, &direction->to, slot->pair_idx, &slot->frame))
			break;
		heap_pop(direction);
		direction->free_idx[direction->free_cnt++] = slot_idx;
	}
	return cnt;
}

uint32_t
vnet_wire_poll(struct vnet_wire *wire, uint64_t now_ns)
{
	uint32_t cnt = 0;
	for (uint32_t i = 0; i < wire->direction_cnt; i++) {
		struct direction *direction = &wire->direction[i];
		uint32_t pair_cnt = direction->from.ops->pairs(direction->from.device), moved = 0;
		if (wire->holds)
			moved = take_turns(wire, direction, pair_cnt, now_ns) + release(wire, direction, now_ns);
		for (uint32_t pair_idx = 0; !wire->holds && pair_idx < pair_cnt; pair_idx++)
			moved += pass(wire, direction, pair_idx);
		if (moved != 0) {
			direction->to.ops->flush(direction->to.device);
			direction->from.ops->flush(direction->from.device);
		}
		cnt += moved;
	}
	return cnt;
}

bool
vnet_wire_timed(const struct vnet_wire *wire)
{
	return wire->holds;
}

uint64_t
vnet_wire_next_ns(const struct vnet_wire *wire)
{
	uint64_t next_ns = UINT64_MAX;
	for (uint32_t i = 0; i < wire->direction_cnt; i++) {
		const struct direction *direction = &wire->direction[i];
		if (direction->heap_cnt > 0)
			next_ns = BH_MIN(next_ns, direction->slot[direction->heap[0]].due_ns);
	}
	return next_ns;
}

void
vnet_wire_stats_get(const struct vnet_wire *wire, struct vnet_wire_stats *out)
{
	*out = wire->stats;
}
