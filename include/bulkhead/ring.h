/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Bounded lock-free rings of 64-bit items: single producer single consumer, and many producers single consumer.
 *
 * Producer and consumer indices are on lines of their own, each with a cached copy of the other's, so that a line moves
 * between the cores once per batch. Items are plain values (often pointers); acquire and release order what they point
 * at.
 */
#ifndef BULKHEAD_RING_H
#define BULKHEAD_RING_H

#include <bulkhead/types.h>

struct bh_spsc {
	struct {
		uint64_t head;        /* next to write */
		uint64_t cached_tail; /* the consumer's tail when last looked at */
		uint64_t mask;
		uint64_t *item;
	} BH_ALIGNED(64) producer;
	struct {
		uint64_t tail; /* next to read */
		uint64_t cached_head;
		uint64_t mask;
		uint64_t *item;
	} BH_ALIGNED(64) consumer;
};

/* bh_spsc_init - over item_cnt slots at items. Return: 0; -BH_EINVAL unless item_cnt is a power of two. */
BH_MUST_CHECK int bh_spsc_init(struct bh_spsc *ring, uint64_t *items, size_t item_cnt);

/* bh_spsc_push - put up to cnt items. Producer core only. Return: how many were put, 0 when full. */
size_t bh_spsc_push(struct bh_spsc *ring, const uint64_t *items, size_t cnt);

/* bh_spsc_pop - take up to cnt items. Consumer core only. Return: how many, 0 when empty. */
size_t bh_spsc_pop(struct bh_spsc *ring, uint64_t *out_items, size_t cnt);

struct bh_mpsc_slot {
	uint64_t seq;
	uint64_t item;
};

/*
 * Many producers: a slot carries a sequence number (Vyukov); push is wait-free but for the claim, pop is by one core.
 */
struct bh_mpsc {
	uint64_t head BH_ALIGNED(64); /* producers claim here */
	uint64_t tail BH_ALIGNED(64); /* the consumer's */
	uint64_t mask BH_ALIGNED(64);
	struct bh_mpsc_slot *slot;
};

/* bh_mpsc_init - over slot_cnt slots. Return: 0; -BH_EINVAL unless slot_cnt is a power of two, 2 or more. */
BH_MUST_CHECK int bh_mpsc_init(struct bh_mpsc *ring, struct bh_mpsc_slot *slots, size_t slot_cnt);
/* bh_mpsc_push - put all cnt items, next to each other, or none. Any core. Return: 0; -BH_EAGAIN when
 * they do not fit now; -BH_EINVAL when they never will (more items than slots). */
BH_MUST_CHECK int bh_mpsc_push(struct bh_mpsc *ring, const uint64_t *items, size_t cnt);
/* bh_mpsc_pop - take up to cnt items. Consumer core only. Return: how many, 0 when empty. */
size_t bh_mpsc_pop(struct bh_mpsc *ring, uint64_t *out_items, size_t cnt);

#endif
