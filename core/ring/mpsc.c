/* SPDX-License-Identifier: Apache-2.0 */
/*
 * After D. Vyukov's bounded queue. A slot's sequence number says whose turn it is: equal to the position, free for the
 * producer that claims it; position + 1, full for the consumer. The consumer frees slots in order, so if the last slot
 * of a batch is free, all of them are. (With a single slot, position + 1 would mean full and free again: there are two
 * or more.)
 */
#include <bulkhead/arch.h>
#include <bulkhead/ring.h>

int
bh_mpsc_init(struct bh_mpsc *ring, struct bh_mpsc_slot *slots, size_t slot_cnt)
{
	if (slots == NULL || slot_cnt < 2 || !BH_IS_POW2(slot_cnt))
		return -BH_EINVAL;
	*ring = (struct bh_mpsc){.mask = slot_cnt - 1, .slot = slots};
	for (size_t i = 0; i < slot_cnt; i++)
		slots[i] = (struct bh_mpsc_slot){.seq = i};
	return 0;
}

/* Claim cnt positions. Each turn of the loop means that another producer got on. */
static int
claim(struct bh_mpsc *ring, size_t cnt, uint64_t *out_head)
{
	uint64_t head = __atomic_load_n(&ring->head, __ATOMIC_RELAXED);
	for (;;) {
		uint64_t last = head + cnt - 1;
		/* Acquire: the consumer read the slot's item before it freed it. */
		uint64_t seq = __atomic_load_n(&ring->slot[last & ring->mask].seq, __ATOMIC_ACQUIRE);
		if ((int64_t)(seq - last) < 0)
			return -BH_EAGAIN;
		if (seq != last) {
			head = __atomic_load_n(&ring->head, __ATOMIC_RELAXED);
			continue;
		}
		if (__atomic_compare_exchange_n(&ring->head, &head, head + cnt, true, __ATOMIC_RELAXED,
		                                __ATOMIC_RELAXED)) {
			*out_head = head;
			return 0;
		}
		bh_cpu_pause();
	}
}

int
bh_mpsc_push(struct bh_mpsc *ring, const uint64_t *items, size_t cnt)
{
	uint64_t head;
	if (cnt == 0)
		return 0;
	if (cnt > ring->mask + 1)
		return -BH_EINVAL;
	int err = claim(ring, cnt, &head);
	if (err != 0)
		return err;
	for (size_t i = 0; i < cnt; i++) {
		struct bh_mpsc_slot *slot = &ring->slot[(head + i) & ring->mask];
		slot->item = items[i];
		__atomic_store_n(&slot->seq, head + i + 1, __ATOMIC_RELEASE);
	}
	return 0;
}

size_t
bh_mpsc_pop(struct bh_mpsc *ring, uint64_t *out_items, size_t cnt)
{
	uint64_t tail = ring->tail;
	size_t n = 0;
	for (; n < cnt; n++) {
		struct bh_mpsc_slot *slot = &ring->slot[(tail + n) & ring->mask];
		if (__atomic_load_n(&slot->seq, __ATOMIC_ACQUIRE) != tail + n + 1)
			break;
		out_items[n] = slot->item;
		__atomic_store_n(&slot->seq, tail + n + ring->mask + 1, __ATOMIC_RELEASE);
	}
	ring->tail = tail + n;
	return n;
}
